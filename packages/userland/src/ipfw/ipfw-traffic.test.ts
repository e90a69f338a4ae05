/**
 * ipfw-traffic.test.ts — rules meet packets: a client, a router with the rules, and a server, each a vnet.
 *
 *     client 10.0.0.2 ── sim0 ── 10.0.0.1 router 203.0.113.1 ── sim1 ── 203.0.113.2 server
 *            2001:db8:1::2              ::1       2001:db8:2::1               ::2
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const DELAY_US = 500;

const on = (jail: string, line: string): Promise<string> => lab.ok(line, { jail });
const run = (jail: string, line: string, stdin = ''): ReturnType<ToolLab['sh']> => lab.sh(line, { jail, stdin });

/** Rules of a jail, one a line. */
async function rules(jail: string, text: string): Promise<void> {
  for (const line of text.trim().split('\n')) await on(jail, `ipfw -q ${line.trim()}`);
}

beforeEach(async () => {
  lab = new ToolLab();
  for (const name of ['client', 'router', 'server']) await lab.ok(`jail -c name=${name} persist vnet`);
  joinJails(lab, 'client', 'router', 'sim0', { delayUs: DELAY_US });
  joinJails(lab, 'router', 'server', 'sim1', { delayUs: DELAY_US });
  await on('client', 'ifconfig sim0 10.0.0.2/24');
  await on('router', 'ifconfig sim0 10.0.0.1/24');
  await on('router', 'ifconfig sim1 203.0.113.1/24');
  await on('server', 'ifconfig sim1 203.0.113.2/24');
  await on('router', 'sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1');
  await on('client', 'route add default 10.0.0.1');
});

/** IPv6 on both links. */
async function addIpv6(): Promise<void> {
  for (const [jail, ifname, addr] of [['client', 'sim0', '1::2'], ['router', 'sim0', '1::1'], ['router', 'sim1', '2::1'], ['server', 'sim1', '2::2']] as const) {
    await on(jail, `ifconfig ${ifname} inet6 2001:db8:${addr} prefixlen 64 -ifdisabled no_dad`);
  }
  await on('client', 'route -6 add default 2001:db8:1::1');
  await on('server', 'route -6 add default 2001:db8:2::1');
  await lab.advance(2_000_000);
}

/** One connection from `from`; what the listener at `to` got, and what the client's exit was. */
async function connect(from: string, to: string, host: string, port: number, listen = port): Promise<{ got: string; exit: number; peer: string }> {
  const server = lab.start(`nc ${host.includes(':') ? '-6' : ''} -v -l ${listen}`, { jail: to });
  await lab.advance(1_000);
  const client = await run(from, `nc -w 2 -N ${host} ${port}`, 'hello');
  await lab.advance(1_000_000);
  if (server.proc.exit === null) server.proc.signal('TERM');
  const { stdout, stderr } = await server.done;
  return { got: stdout, exit: client.exit, peer: /from (\S+) /.exec(stderr)?.[1] ?? '' };
}

const pings = async (from: string, host: string, options = ''): Promise<number> =>
  Number(/(\d+) packets received/.exec((await run(from, `ping -q -c 2 -t 3 ${options} ${host}`)).stdout)?.[1]);

describe('nat', () => {
  beforeEach(() => rules('router', 'nat 1 config if sim1\n add 100 nat 1 ip4 from any to any via sim1'));

  test('lets hosts behind the router out under its address, and nobody in', async () => {
    expect(await connect('client', 'server', '203.0.113.2', 80)).toEqual({ got: 'hello', exit: 0, peer: '203.0.113.1' });
    expect(await pings('client', '203.0.113.2')).toBe(2);
    const trace = await on('client', 'traceroute -n -q 1 -w 1 203.0.113.2');
    expect(trace).toMatch(/ 1 {2}10\.0\.0\.1 .*\n 2 {2}203\.0\.113\.2 /);
    await on('server', 'route add 10.0.0.0/24 203.0.113.1');
    expect(await connect('server', 'router', '203.0.113.1', 81)).toMatchObject({ got: 'hello', peer: '203.0.113.2' });
    await rules('router', 'nat 1 config if sim1 deny_in');
    expect(await connect('server', 'router', '203.0.113.1', 82)).toMatchObject({ got: '' });
    expect(await pings('client', '203.0.113.2')).toBe(2);
  });

  test('redirects a port to a host behind, and a pool of servers in turn', async () => {
    await on('client', 'ifconfig sim0 inet 10.0.0.3/32 alias');
    await rules('router', 'nat 1 config if sim1 redirect_port tcp 10.0.0.2:80 8080 redirect_port tcp 10.0.0.2:90,10.0.0.3:91 9090');
    expect(await connect('server', 'client', '203.0.113.1', 8080, 80)).toEqual({ got: 'hello', exit: 0, peer: '203.0.113.2' });
    expect(await connect('server', 'client', '203.0.113.1', 9090, 90)).toMatchObject({ got: 'hello' });
    expect(await connect('server', 'client', '203.0.113.1', 9090, 91)).toMatchObject({ got: 'hello' });
  });

  test('follows the address of its interface', async () => {
    await on('router', 'ifconfig sim1 203.0.113.7/24');
    expect(await connect('client', 'server', '203.0.113.2', 80)).toMatchObject({ got: 'hello', peer: '203.0.113.7' });
  });

  test('is not the end of the rules when one pass is not enough, and aliases large packets in fragments', async () => {
    await rules('router', 'disable one_pass\n add 200 deny icmp from any to any out xmit sim1 // after nat');
    expect(await pings('client', '203.0.113.2')).toBe(0);
    await rules('router', 'enable one_pass');
    expect(await pings('client', '203.0.113.2', '-s 4000')).toBe(2);
  });

  test('of all instances serves what somebody knows already', async () => {
    await rules('router', 'delete 100\n nat 2 config ip 203.0.113.1\n add 100 nat 2 ip4 from 10.0.0.0/24 to any out xmit sim1\n add 110 nat 2 ip4 from any to 203.0.113.1 in recv sim1');
    expect(await connect('client', 'server', '203.0.113.2', 80)).toMatchObject({ got: 'hello', peer: '203.0.113.1' });
    await rules('router', 'delete 100\n add 100 nat global ip4 from 10.0.0.0/24 to any out xmit sim1');
    expect(await connect('client', 'server', '203.0.113.2', 81)).toMatchObject({ got: '' });
  });
});

describe('state', () => {
  test('lets answers in, is shown, and expires', async () => {
    await rules('server', 'add 100 check-state\n add 200 allow udp from me to any out keep-state\n add 300 allow tcp from me to any out setup record-state :web\n add 400 deny ip from any to any');
    await on('server', 'route add default 203.0.113.1');
    expect(await connect('client', 'server', '203.0.113.2', 80)).toMatchObject({ got: '' });
    expect(await connect('server', 'client', '10.0.0.2', 80)).toMatchObject({ got: '', exit: 1 });
    await rules('server', 'add 100 check-state :web');
    expect(await connect('server', 'client', '10.0.0.2', 80)).toMatchObject({ got: 'hello', exit: 0 });
    const echo = lab.start('nc -u -l 53', { jail: 'client' });
    await lab.advance(1_000);
    await run('server', 'nc -u -w 1 -p 5000 10.0.0.2 53', 'q');
    expect(await on('server', 'ipfw -d list 200-300')).toBe(`00200 allow udp from me to any out keep-state :default
00300 allow tcp from me to any out setup record-state :web
## Dynamic rules:
00200 STATE udp 203.0.113.2 5000 <-> 10.0.0.2 53 :default`);
    expect(await on('server', 'ipfw -D show')).toMatch(/^## Dynamic rules \(1 152\):\n00200 1 29 \(\ds\) STATE udp 203\.0\.113\.2 5000 <-> 10\.0\.0\.2 53 :default$/);
    await lab.advance(12_000_000);
    expect(await on('server', 'ipfw -D list')).toBe('');
    expect(await on('server', 'sysctl -n net.inet.ip.fw.dyn_count')).toBe('0');
    echo.proc.signal('TERM');
    await echo.done;
  });

  test('is limited for each source', async () => {
    await rules('router', 'add 100 allow tcp from any to any dst-port 80 setup limit src-addr 2\n add 200 allow tcp from any to any established\n add 300 deny tcp from any to any');
    await on('server', 'route add default 203.0.113.1');
    const listener = lab.start('nc -k -l 80', { jail: 'server' });
    await lab.advance(1_000);
    const clients = [1, 2, 3].map((i) => lab.start(`nc -w 5 -p ${1000 + i} 203.0.113.2 80`, { jail: 'client', stdin: '' }));
    await lab.advance(500_000);
    expect(await on('router', 'ipfw -d list 100')).toMatch(/PARENT 2 tcp 10\.0\.0\.2 0 <-> 0\.0\.0\.0 0 :default/);
    expect((await on('router', 'ipfw -d list 100')).match(/LIMIT tcp/g)).toHaveLength(2);
    for (const proc of [...clients, listener]) proc.proc.signal('KILL');
    await Promise.all([...clients, listener].map((proc) => proc.done));
    await lab.advance(60_000_000);
    expect(await on('router', 'sysctl -n net.inet.ip.fw.dyn_parent_count')).toBe('0');
  });
});


describe('a refusal', () => {
  test('is silent, or an ICMP error, or a reset', async () => {
    await on('server', 'route add default 203.0.113.1');
    const why = async (action: string): Promise<string> => {
      await rules('router', `-f flush\n add 100 ${action} tcp from any to 203.0.113.2`);
      const before = lab.kernel.now;
      const { stderr, exit } = await run('client', 'nc -v -w 2 203.0.113.2 80');
      expect(exit).toBe(1);
      return `${/failed: (.*)/.exec(stderr)?.[1] ?? stderr} ${lab.kernel.now - before < 1_000_000 ? 'at once' : 'later'}`;
    };
    expect(await why('deny')).toBe('Operation timed out later');
    expect(await why('reset')).toBe('Connection refused at once');
    expect(await why('unreach port')).toBe('Connection refused at once');
    expect(await why('reject')).toMatch(/later|at once/);
    await rules('router', '-f flush\n add 100 unreach filter-prohib icmp from any to any icmptypes 8');
    expect((await run('client', 'ping -c 1 -t 1 203.0.113.2')).stdout).toContain('92 bytes from 10.0.0.1: Communication prohibited by filter');
  });

  test('is as good with IPv6', async () => {
    await addIpv6();
    await rules('router', 'add 100 reset6 tcp from any to any dst-port 80\n add 200 unreach6 admin-prohib ip6 from any to any proto ipv6-icmp icmp6types 128');
    expect((await run('client', 'nc -v -w 2 2001:db8:2::2 80')).stderr).toContain('Connection refused');
    const dump = lab.start('tcpdump -n -t -c 1 -i sim0 icmp6 and ip6[40] = 1', { jail: 'client' });
    expect(await pings('client', '2001:db8:2::2', '-6')).toBe(0);
    expect((await dump.done).stdout).toMatch(/2001:db8:1::1 > 2001:db8:1::2: ICMP6, destination unreachable, {1,2}unreachable prohibited 2001:db8:2::2/);
    await rules('router', 'delete 200');
    expect(await pings('client', '2001:db8:2::2', '-6')).toBe(2);
  });
});

test('addresses, interfaces and directions pick packets', async () => {
  await on('server', 'route add default 203.0.113.1');
  await rules('router', `add 10 count ip from any to any in recv sim0
    add 20 count ip from any to any out xmit sim0
    add 30 count ip from any to any out recv sim0 xmit sim1
    add 40 count ip from any to any via sim*
    add 50 count ip from 10.0.0.0/24{1-3} to not me
    add 60 count ip from any to me
    add 70 count icmp from any to any via 203.0.113.1
    add 80 count ip from table(nets) to any recv table(ifs)
    add 90 count { icmp or udp } from any to { 10.0.0.9 or 203.0.113.0/24 }
    add 95 count udp from any to any`);
  await on('router', 'ipfw -q table nets add 10.0.0.0/25');
  await on('router', 'ipfw -q table ifs add sim0');
  expect(await pings('client', '203.0.113.2')).toBe(2);
  const counts = (await on('router', 'ipfw show')).split('\n').map((line) => line.split(/ +/).slice(0, 2).join(':'));
  // Each of two requests and two answers comes in once and goes out once.
  expect(counts).toEqual(['00010:2', '00020:2', '00030:2', '00040:8', '00050:4', '00060:0', '00070:4', '00080:4', '00090:4', '00095:0', '65535:8']);
});

test('a rule jumps forward, calls and returns', async () => {
  await rules('router', `add 100 skipto 300 icmp from any to any
    add 200 deny icmp from any to any
    add 300 call 1000 icmp from any to any
    add 400 count icmp from any to any
    add 500 skipto tablearg ip from table(jumps) to any
    add 600 deny ip from any to any
    add 700 allow ip from any to any
    add 1000 count icmp from any to any
    add 1010 return ip from any to any
    add 1020 deny ip from any to any`);
  await on('router', 'ipfw -q table jumps add 10.0.0.0/8 700 203.0.113.0/24 700');
  await on('server', 'route add default 203.0.113.1');
  expect(await pings('client', '203.0.113.2')).toBe(2);
  expect((await on('router', 'ipfw show')).split('\n').map((line) => line.split(/ +/).slice(0, 2).join(':'))).toEqual(
    ['00100:8', '00200:0', '00300:8', '00400:8', '00500:8', '00600:0', '00700:8', '01000:8', '01010:8', '01020:0', '65535:0']);
});

describe('fwd', () => {
  test('to another router', async () => {
    await on('server', 'route add default 203.0.113.1');
    await on('router', 'route add 198.51.100.0/24 203.0.113.99');
    await on('server', 'ifconfig sim1 inet 198.51.100.7/32 alias');
    expect(await pings('client', '198.51.100.7')).toBe(0);
    await rules('router', 'add 100 fwd 203.0.113.2 ip from any to 198.51.100.0/24 out');
    expect(await pings('client', '198.51.100.7')).toBe(2);
  });

  test('to a port of its own: the connection is taken for the server', async () => {
    await on('server', 'route add default 203.0.113.1');
    await on('router', 'ifconfig lo0 127.0.0.1/8');
    await rules('router', 'add 100 fwd 127.0.0.1,8080 tcp from any to any dst-port 80 in recv sim0');
    expect(await connect('client', 'router', '203.0.113.2', 80, 8080)).toMatchObject({ got: 'hello', exit: 0, peer: '10.0.0.2' });
    expect(await connect('client', 'server', '203.0.113.2', 81)).toMatchObject({ got: 'hello' });
  });

  test('with IPv6', async () => {
    await addIpv6();
    await on('server', 'ifconfig sim1 inet6 2001:db8:9::7 prefixlen 128 no_dad alias');
    await on('router', 'route -6 add 2001:db8:9::/64 2001:db8:2::99');
    expect(await pings('client', '2001:db8:9::7', '-6')).toBe(0);
    await on('router', 'ifconfig lo0 inet6 ::1 prefixlen 128');
    await rules('router', 'add 100 fwd 2001:db8:2::2 ip6 from any to 2001:db8:9::/64 out\n add 200 fwd ::1,8080 tcp from any to any dst-port 80 in');
    expect(await pings('client', '2001:db8:9::7', '-6')).toBe(2);
    expect(await connect('client', 'router', '2001:db8:2::2', 80, 8080)).toMatchObject({ got: 'hello', peer: '2001:db8:1::2' });
  });
});

describe('a packet is changed', () => {
  test('in its code point, its largest segment, its routing table, and by marks and tags within the rules', async () => {
    await on('server', 'route add default 203.0.113.1');
    await rules('router', `add 100 setdscp af11 icmp from any to any in
      add 200 tcp-setmss 600 tcp from any to any setup in
      add 300 setmark 0x21 icmp from any to any out
      add 400 count icmp from any to any mark 0x20:0xf0
      add 500 count tag 7 icmp from any to any out
      add 600 count icmp from any to any tagged 5-9
      add 650 count untag 7 icmp from any to any
      add 700 count icmp from any to any tagged 7`);
    const dump = lab.start('tcpdump -n -v -t -c 1 -i sim1 icmp', { jail: 'server' });
    await lab.advance(1_000);
    expect(await pings('client', '203.0.113.2')).toBe(2);
    expect((await dump.done).stdout).toContain('(tos 0x28,');
    const syn = lab.start('tcpdump -n -v -t -c 1 -i sim1 tcp', { jail: 'server' });
    await lab.advance(1_000);
    expect(await connect('client', 'server', '203.0.113.2', 80)).toMatchObject({ got: 'hello' });
    expect((await syn.done).stdout).toMatch(/cksum 0x[0-9a-f]+ \(correct\).*mss 600/);
    expect((await on('router', 'ipfw show 400-700')).split('\n').map((line) => line.split(/ +/).slice(0, 2).join(':'))).toEqual(['00400:4', '00500:4', '00600:4', '00650:8', '00700:0']);
  });

  test('in its routing table', async () => {
    await on('router', 'sysctl net.fibs=2');
    await on('server', 'route add default 203.0.113.1');
    await on('server', 'ifconfig sim1 inet 198.51.100.7/32 alias');
    await on('router', 'setfib 1 route add 203.0.113.0/24 -iface sim1');
    await on('router', 'setfib 1 route add 198.51.100.0/24 203.0.113.2');
    expect(await pings('client', '198.51.100.7')).toBe(0);
    await rules('router', 'add 100 setfib 1 ip from 10.0.0.0/8 to any in');
    expect(await pings('client', '198.51.100.7')).toBe(2);
  });
});

test('later fragments are told, and reassembled by a rule', async () => {
  await on('server', 'route add default 203.0.113.1');
  await rules('router', 'add 100 deny icmp from any to any frag in recv sim0');
  expect(await pings('client', '203.0.113.2')).toBe(2);
  expect(await pings('client', '203.0.113.2', '-s 4000')).toBe(0);
  await rules('router', 'add 50 reass ip from any to any in\n add 60 count icmp from any to any in recv sim0 iplen 4028');
  expect(await pings('client', '203.0.113.2', '-s 4000')).toBe(2);
  expect(await on('router', 'ipfw show 60')).toMatch(/^00060 2 8056 /);
});

test('frames are shown to rules when that is asked for', async () => {
  await on('server', 'route add default 203.0.113.1');
  const mac = /ether (\S+)/.exec(await on('client', 'ifconfig sim0'))?.[1] ?? '';
  await rules('router', `add 100 deny ip from any to any MAC any ${mac} mac-type ip layer2`);
  expect(await pings('client', '203.0.113.2')).toBe(2);
  await on('router', 'sysctl net.link.ether.ipfw=1');
  expect(await pings('client', '203.0.113.2')).toBe(0);
  await rules('router', 'delete 100\n table macs create type mac\n add 100 deny ip from any to any src-mac table(macs) layer2');
  expect(await pings('client', '203.0.113.2')).toBe(2);
  await on('router', `ipfw -q table macs add ${mac}`);
  expect(await pings('client', '203.0.113.2')).toBe(0);
});

test('sources that cannot be are told', async () => {
  await on('server', 'route add default 203.0.113.1');
  await on('client', 'ifconfig sim0 inet 192.0.2.77/32 alias');
  await rules('router', `add 100 count ip from any to any verrevpath in recv sim0
    add 200 count ip from any to any versrcreach in recv sim0
    add 300 count ip from any to any antispoof in recv sim0`);
  await run('client', 'ping -c 1 -t 1 -S 192.0.2.77 203.0.113.2');
  const counts = async (): Promise<string[]> => (await on('router', 'ipfw show 100-300')).split('\n').map((line) => line.split(/ +/)[1] ?? '');
  expect(await counts()).toEqual(['0', '0', '1']);
  await rules('router', 'zero 100 200 300');
  await on('client', 'ifconfig sim0 inet 203.0.113.55/32 alias');
  await run('client', 'ping -c 1 -t 1 -S 203.0.113.55 203.0.113.2');
  expect(await counts()).toEqual(['0', '1', '0']);
});

test('packets are logged in the words of FreeBSD, so many as the rule says', async () => {
  await on('server', 'route add default 203.0.113.1');
  await rules('router', 'enable verbose\n add 100 deny log logamount 2 icmp from any to 203.0.113.2 in\n add 200 count log tcp from any to any setup in');
  await run('client', 'ping -c 3 -t 4 203.0.113.2');
  await connect('client', 'server', '203.0.113.2', 80);
  const lines = lab.log.filter((line) => line.includes('ipfw:'));
  expect(lines.slice(0, 3)).toEqual([
    'router: ipfw: 100 Deny ICMP:8.0 10.0.0.2 203.0.113.2 in via sim0', 'router: ipfw: 100 Deny ICMP:8.0 10.0.0.2 203.0.113.2 in via sim0', 'router: ipfw: limit 2 reached on entry 100',
  ]);
  expect(lines[3]).toMatch(/^router: ipfw: 200 Count TCP 10\.0\.0\.2:\d+ 203\.0\.113\.2:80 in via sim0$/);
  expect(lines).toHaveLength(4);
  await rules('router', 'resetlog 100');
  await run('client', 'ping -c 1 -t 1 203.0.113.2');
  expect(lab.log.filter((line) => line.includes('100 Deny'))).toHaveLength(3);
});

test('chance is the share that was asked for', async () => {
  await on('server', 'route add default 203.0.113.1');
  await rules('router', 'add 100 prob 0.25 count icmp from any to any in recv sim0');
  await run('client', 'ping -q -c 400 -i 0.01 203.0.113.2');
  const n = Number(/^00100 (\d+)/.exec(await on('router', 'ipfw show 100'))?.[1]);
  expect(n).toBeGreaterThan(70);
  expect(n).toBeLessThan(130);
});

test('a firewall that denies by default denies until a rule allows, and is gone when it is disabled', async () => {
  await on('server', 'route add default 203.0.113.1');
  await on('router', 'sysctl net.inet.ip.fw.default_to_accept=0');
  expect(await pings('client', '203.0.113.2')).toBe(0);
  await rules('router', 'add allow icmp from any to any');
  expect(await pings('client', '203.0.113.2')).toBe(2);
  await rules('router', 'flush\n disable firewall');
  expect(await pings('client', '203.0.113.2')).toBe(2);
});
