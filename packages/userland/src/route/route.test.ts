/**
 * route.test.ts — route as its users see it: what it says, what it changes, its exit codes.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { joinJails, twoJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };
/** CTX_SOFTINT: the packet path. */
const SOFTINT = 1;

/** Runs the commands of a transcript in jail a and expects what it says. */
async function golden(transcript: string): Promise<void> {
  const text = transcript.replace(/^\n/, '');
  expect(await lab.session(text, inA)).toBe(text);
}

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
});

describe('add, change, delete', () => {
  test('what a destination is', async () => {
    await golden(`
$ route add default 192.0.2.2
add net default: gateway 192.0.2.2
$ route add 10.1.0.0/16 192.0.2.2
add net 10.1.0.0/16: gateway 192.0.2.2
$ route add 10.2.0.1 192.0.2.2
add host 10.2.0.1: gateway 192.0.2.2
$ route add -net 10.3.0.0 192.0.2.2 255.255.0.0
add net 10.3.0.0: gateway 192.0.2.2
$ route add -net 10.4.0.0 -netmask 255.252.0.0 192.0.2.2
add net 10.4.0.0: gateway 192.0.2.2
$ route add 10.8.0.0 -prefixlen 13 192.0.2.2
add net 10.8.0.0: gateway 192.0.2.2
$ route add -host 10.16.0.0/13 192.0.2.2
add host 10.16.0.0/13: gateway 192.0.2.2
$ route add -net 10.24.0.0 192.0.2.2
add net 10.24.0.0: gateway 192.0.2.2
$ route add 10.32.0.1/32 192.0.2.2
add net 10.32.0.1/32: gateway 192.0.2.2
$ route add 10.40.7.7/16 192.0.2.2
add net 10.40.7.7/16: gateway 192.0.2.2
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
default            192.0.2.2          UGS        sim0
10.1.0.0/16        192.0.2.2          UGS        sim0
10.2.0.1           192.0.2.2          UGHS       sim0
10.3.0.0/16        192.0.2.2          UGS        sim0
10.4.0.0/14        192.0.2.2          UGS        sim0
10.8.0.0/13        192.0.2.2          UGS        sim0
10.16.0.0          192.0.2.2          UGHS       sim0
10.24.0.0          192.0.2.2          UGHS       sim0
10.32.0.1          192.0.2.2          UGHS       sim0
10.40.0.0/16       192.0.2.2          UGS        sim0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
`);
  });

  test('what a gateway is', async () => {
    await lab.ok('ifconfig lo0 127.0.0.1/8 up', inA);
    await golden(`
$ route add -net 10.1.0.0/16 -iface sim0
add net 10.1.0.0/16: gateway sim0
$ route add 10.2.0.1 -interface sim0
add host 10.2.0.1: gateway sim0
$ route add -net 10.3.0.0/16 -iface sim9
! route: interface 'sim9' does not exist
[65]
$ route add 10.4.0.0/16 127.0.0.1 -blackhole
add net 10.4.0.0/16: gateway 127.0.0.1
$ route add 10.5.0.0/16 127.0.0.1 -reject
add net 10.5.0.0/16: gateway 127.0.0.1
$ route add 10.6.0.0/16 192.0.2.2 -proto1 -nostatic
add net 10.6.0.0/16: gateway 192.0.2.2
$ route add 10.7.0.0/16 198.51.100.1
add net 10.7.0.0/16: gateway 198.51.100.1 fib 0: Network is unreachable
[1]
$ route add 10.8.0.0/16
add net 10.8.0.0/16 fib 0: Invalid argument
[1]
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
10.1.0.0/16        link#4             US         sim0
10.2.0.1           link#4             UHS        sim0
10.4.0.0/16        127.0.0.1          USB         lo0
10.5.0.0/16        127.0.0.1          URS         lo0
10.6.0.0/16        192.0.2.2          UG1        sim0
127.0.0.1          link#2             UH          lo0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
`);
    expect(await lab.sh('ping -c 1 -t 1 10.5.0.1', inA)).toMatchObject({ exit: 2, stderr: expect.stringContaining('sendto: No route to host') as string });
    expect(await lab.sh('ping -c 1 -t 1 10.4.0.1', inA)).toMatchObject({ exit: 2, stderr: '' });
  });

  test('refusals say why', async () => {
    await golden(`
$ route add 10.1.0.0/16 192.0.2.2
add net 10.1.0.0/16: gateway 192.0.2.2
$ route add 10.1.0.0/16 192.0.2.2
add net 10.1.0.0/16: gateway 192.0.2.2 fib 0: route already in table
[1]
$ route -q add 10.1.0.0/16 192.0.2.2
[1]
$ route delete 10.9.0.0/16
delete net 10.9.0.0/16 fib 0: not in table
[1]
$ route del 192.0.2.0/24
del net 192.0.2.0/24 fib 0: gateway uses the same route
[1]
$ route change 10.9.0.0/16 192.0.2.2
change net 10.9.0.0/16: gateway 192.0.2.2 fib 0: not in table
[1]
$ route -q delete 10.1.0.0/16
$ route delete 10.1.0.0/16 192.0.2.2
delete net 10.1.0.0/16: gateway 192.0.2.2 fib 0: not in table
[1]
`);
  });

  test('change takes another gateway, an MTU, a time', async () => {
    await golden(`
$ route add default 192.0.2.2
add net default: gateway 192.0.2.2
$ route change default 192.0.2.3 -mtu 1400
change net default: gateway 192.0.2.3
$ route get 203.0.113.1
   route to: 203.0.113.1
destination: default
       mask: default
    gateway: 192.0.2.3
        fib: 0
  interface: sim0
      flags: <UP,GATEWAY,DONE,STATIC,FIXEDMTU>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1400         1         0 
`);
  });

  test.each(['done', 'deleted meanwhile', 'killed'])('a change waits for who uses the route: %s', async (end) => {
    await lab.ok('route add 10.1.0.0/16 192.0.2.2', inA);
    const { routes, kern: { engine } } = vnetOf(lab, 'a');
    // A reader on another processor, in its packet path.
    const reader = engine.lwps.reader(engine.lwps.addCpu(), 'reader');
    const rt = engine.runAs(reader, SOFTINT, () => routes.rtalloc(0, 0x0a010203))!;
    const running = lab.start('route change 10.1.0.0/16 192.0.2.3', inA);
    await lab.advance(5_000_000);
    expect([running.stdout, running.proc.exit, await lab.ok('netstat -rn4', inA)]).toEqual(['', null, expect.stringContaining('10.1.0.0/16        192.0.2.2')]);
    if (end === 'deleted meanwhile') await lab.ok('route delete 10.1.0.0/16', inA);
    if (end === 'killed') running.proc.signal('TERM');
    engine.runAs(reader, SOFTINT, () => routes.life.unref(rt));
    await lab.advance(1);
    const expected: Readonly<Record<string, readonly [number, string]>> = {
      done: [0, 'change net 10.1.0.0/16: gateway 192.0.2.3\n'],
      'deleted meanwhile': [1, 'change net 10.1.0.0/16: gateway 192.0.2.3 fib 0: not in table\n'],
      killed: [143, ''],
    };
    const ran = await running.done;
    expect([ran.exit, ran.stdout]).toEqual(expected[end]);
    expect((await lab.ok('netstat -rn4', inA)).includes('10.1.0.0/16        192.0.2.3')).toBe(end !== 'deleted meanwhile');
  });

  test('a temporary route goes by itself', async () => {
    await lab.ok('route add 10.1.0.0/16 192.0.2.2 -expire +30', inA);
    await lab.advance(4_500_000);
    expect(await lab.ok('netstat -rn', inA)).toContain('10.1.0.0/16        192.0.2.2          UGS        sim0     26\n');
    expect(await lab.ok('route get 10.1.2.3', inA)).toMatch(/ {8}26 $/);
    await lab.advance(26_000_000);
    expect(await lab.ok('netstat -rn', inA)).not.toContain('10.1.0.0');
    const now = Math.floor((1_700_000_000_000_000 + lab.kernel.now) / 1_000_000);
    await lab.ok(`route add 10.2.0.0/16 192.0.2.2 -expire ${now + 60}`, inA);
    expect(await lab.ok('netstat -rn', inA)).toMatch(/10\.2\.0\.0\/16 .* 60\n/);
  });

  test('several gateways to one network', async () => {
    await golden(`
$ route add 10.1.0.0/16 192.0.2.2
add net 10.1.0.0/16: gateway 192.0.2.2
$ route add 10.1.0.0/16 192.0.2.3 -weight 3
add net 10.1.0.0/16: gateway 192.0.2.3
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
10.1.0.0/16        192.0.2.2          UGS        sim0
10.1.0.0/16        192.0.2.3          UGS        sim0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
$ route delete 10.1.0.0/16
delete net 10.1.0.0/16 fib 0: not in table
[1]
$ route delete 10.1.0.0/16 192.0.2.2
delete net 10.1.0.0/16: gateway 192.0.2.2
$ route delete 10.1.0.0/16
delete net 10.1.0.0/16
`);
  });

  test('-d and -t change nothing', async () => {
    const before = await lab.ok('netstat -rn', inA);
    expect(await lab.ok('route -d add default 192.0.2.2', inA)).toBe('add net default: gateway 192.0.2.2');
    await lab.ok('route -t add default 192.0.2.2', inA);
    expect(await lab.ok('netstat -rn', inA)).toBe(before);
  });
});

describe('routing tables', () => {
  beforeEach(async () => {
    await lab.ok('sysctl net.fibs=4', inA);
  });

  test('lists and ranges', async () => {
    await golden(`
$ route add 10.1.0.0/16 -iface sim0
add net 10.1.0.0/16: gateway sim0 fib 0
$ route add 10.2.0.0/16 -iface sim0 -fib 1,3
add net 10.2.0.0/16: gateway sim0 fib 1,3
$ route add 10.2.0.0/16 -iface sim0 -fib 0-2
add net 10.2.0.0/16: gateway sim0 fib 0,2
add net 10.2.0.0/16: gateway sim0 fib 1: route already in table
[1]
$ setfib 3 route get 10.2.0.1
   route to: 10.2.0.1
destination: 10.2.0.0
       mask: 255.255.0.0
        fib: 3
  interface: sim0
      flags: <UP,DONE,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1500         1         0 
$ setfib 3 netstat -rn
Routing tables (fib: 3)

Internet:
Destination        Gateway            Flags     Netif Expire
10.2.0.0/16        link#4             US         sim0
$ route delete 10.2.0.0/16 -fib all
delete net 10.2.0.0/16 fib 0,1,2,3
$ route add 10.1.0.0/16 -iface sim0 -fib 4
! route: invalid fib number: 4
[64]
$ route add 10.1.0.0/16 -iface sim0 -fib 2-1
! route: invalid fib number: 2-1
[64]
$ route add 10.1.0.0/16 -iface sim0 -fib x
! route: invalid fib number: x
[64]
`);
  });
});

describe('get', () => {
  test('the longest match, or with a mask exactly that prefix', async () => {
    await lab.ok('ifconfig lo0 127.0.0.1/8 up', inA);
    await golden(`
$ route get 192.0.2.7
   route to: 192.0.2.7
destination: 192.0.2.0
       mask: 255.255.255.0
        fib: 0
  interface: sim0
      flags: <UP,DONE,PINNED>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1500         1         0 
$ route show localhost
   route to: localhost
destination: localhost
        fib: 0
  interface: lo0
      flags: <UP,HOST,DONE,PINNED>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0     16384         1         0 
$ route get 192.0.2.0/25
! route: route has not been found
[1]
$ route get default
! route: route has not been found
[1]
$ route add default 192.0.2.2
add net default: gateway 192.0.2.2
$ route -n get default
   route to: 0.0.0.0
destination: 0.0.0.0
       mask: 0.0.0.0
    gateway: 192.0.2.2
        fib: 0
  interface: sim0
      flags: <UP,GATEWAY,DONE,STATIC>
 recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire
       0         0         0         0      1500         1         0 
`);
  });
});

describe('flush', () => {
  test('takes what has a gateway, in every word', async () => {
    await lab.ok('sysctl net.fibs=2', inA);
    await golden(`
$ route -q add default 192.0.2.2
$ route -q add 10.0.0.0/8 192.0.2.2
$ route -q add 172.16.0.0/12 192.0.2.2
$ route -q add 10.1.2.3 192.0.2.2
$ route -q add 10.9.0.0/16 -iface sim0
$ route -q add 10.8.0.0/16 192.0.2.2
$ route -q add 10.8.0.0/16 192.0.2.3
$ route flush
default              192.0.2.2            -fib 0   done
10                   192.0.2.2            -fib 0   done
10.1.2.3             192.0.2.2            -fib 0   done
10.8                 192.0.2.2            -fib 0   done
10.8                 192.0.2.3            -fib 0   done
172.16               192.0.2.2            -fib 0   done
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
10.9.0.0/16        link#4             US         sim0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
$ route flush -inet -fib 0,1
$ route flush bogus
! route: bad keyword: bogus
! route: usage: route [-j jail] [-46dnqtv] command [[modifiers] args]
[64]
`);
  });
});

describe('monitor', () => {
  test('interfaces, addresses and routes as they change', async () => {
    const monitor = lab.start('route -n monitor', inA);
    await lab.advance(1_000_000);
    await lab.ok('route add 10.1.0.0/16 192.0.2.2', inA);
    await lab.sh('route add 10.1.0.0/16 192.0.2.2', inA);
    await lab.ok('ifconfig bridge0 create', inA);
    await lab.ok('ifconfig sim0 inet 198.51.100.1/24 alias', inA);
    await lab.ok('ifconfig bridge0 destroy', inA);
    await lab.advance(1);
    expect(monitor.stdout.replace(/2(\.[0-9a-f]{1,2}){5}/g, 'MAC')).toBe(`
got message of size 200 on Tue Nov 14 22:13:21 2023
RTM_ADD: Add Route: len 200, pid: 0, seq 0, errno 0, flags:<UP,GATEWAY,DONE,STATIC>
locks:  inits: 
sockaddrs: <DST,GATEWAY,NETMASK>
 10.1.0.0 192.0.2.2 255.255.0.0

got message of size 200 on Tue Nov 14 22:13:21 2023
RTM_ADD: Add Route: len 200, pid: 0, seq 0, errno 17, flags:<UP,GATEWAY,STATIC>
locks:  inits: 
sockaddrs: <DST,GATEWAY,NETMASK>
 10.1.0.0 192.0.2.2 255.255.0.0

got message of size 24 on Tue Nov 14 22:13:21 2023
RTM_IFANNOUNCE: interface arrival/departure: len 24, if# 6, what: arrival

got message of size 124 on Tue Nov 14 22:13:21 2023
RTM_NEWADDR: address being added to iface: len 124, metric 0, flags:
sockaddrs: <NETMASK,IFP,IFA,BRD>
 255.255.255.0 sim0:MAC 198.51.100.1 198.51.100.255

got message of size 240 on Tue Nov 14 22:13:21 2023
RTM_ADD: Add Route: len 240, pid: 0, seq 0, errno 0, flags:<UP,DONE,PINNED>
locks:  inits: 
sockaddrs: <DST,GATEWAY,NETMASK>
 198.51.100.0 link#4 255.255.255.0

got message of size 168 on Tue Nov 14 22:13:21 2023
RTM_IFINFO: iface status change: len 168, if# 6, link: unknown, flags:<BROADCAST,SIMPLEX,MULTICAST>

got message of size 24 on Tue Nov 14 22:13:21 2023
RTM_IFANNOUNCE: interface arrival/departure: len 24, if# 6, what: departure
`);
    monitor.proc.signal('INT');
    expect((await monitor.done).exit).toBe(130);
  });

  test('the listener goes with the process, and only one table is watched', async () => {
    await lab.ok('sysctl net.fibs=2', inA);
    const monitor = lab.start('route monitor -fib 1', inA);
    await lab.advance(1);
    await lab.ok('route add 10.1.0.0/16 -iface sim0', inA);
    await lab.ok('route add 10.2.0.0/16 -iface sim0 -fib 1', inA);
    await lab.advance(1);
    expect(monitor.stdout).not.toContain('10.1.0.0');
    expect(monitor.stdout).toContain(' 10.2.0.0 link#4 255.255.0.0\n');
    monitor.proc.signal('KILL');
    await monitor.done;
    const prison = lab.kernel.prisons.find(lab.kernel.prisons.prison0, 'a');
    expect(prison?.vnet.net.rtsock?.listeners.size).toBe(0);
  });

  test('-d shows the interfaces once', async () => {
    expect((await lab.ok('route -d monitor', inA)).replace(/2(\.[0-9a-f]{1,2}){5}/g, 'MAC')).toBe(`RTM_IFINFO: iface status change: len 168, if# 2, link: up, flags:<UP,LOOPBACK,RUNNING,MULTICAST>
RTM_NEWADDR: address being added to iface: len 140, metric 0, flags:
sockaddrs: <NETMASK,IFP,IFA>
 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff link#2 localhost
RTM_NEWADDR: address being added to iface: len 140, metric 0, flags:
sockaddrs: <NETMASK,IFP,IFA>
 ffff:ffff:ffff:ffff:: link#2 fe80::1%lo0
RTM_IFINFO: iface status change: len 168, if# 4, link: up, flags:<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST>
RTM_NEWADDR: address being added to iface: len 124, metric 0, flags:
sockaddrs: <NETMASK,IFP,IFA,BRD>
 255.255.255.0 sim0:MAC 192.0.2.1 192.0.2.255`);
  });
});

describe('words', () => {
  const USAGE = 'route: usage: route [-j jail] [-46dnqtv] command [[modifiers] args]\n';

  test.each([
    ['', 64, USAGE],
    ['frob', 64, `route: bad keyword: frob\n${USAGE}`],
    ['-x', 64, `route: illegal option -- x\n${USAGE}`],
    ['add', 64, `route: destination parameter required\n${USAGE}`],
    ['add -frob', 64, `route: bad keyword: frob\n${USAGE}`],
    ['add 10.0.0.1 -fib', 64, USAGE],
    ['add 10.0.0.1 192.0.2.2 -mtu x', 64, 'route: x: Invalid argument\n'],
    ['add 10.0.0.1 192.0.2.2 -prefixlen 33', 64, 'route: 33: invalid prefixlen\n'],
    ['add nobody 192.0.2.2', 68, 'route: bad address: nobody\n'],
    ['add 10.0.0.1 nobody', 68, 'route: bad address: nobody\n'],
    ['add 10.0.0.0/33 192.0.2.2', 68, 'route: bad mask length: 33\n'],
    ['add 10/8 192.0.2.2', 68, 'route: malformed address, bits set after mask; 10 means 0.0.0.10\n'],
    ['-j nobody get default', 1, 'route: Jail not found\n'],
    ['monitor -fib 9', 64, 'route: invalid fib number: 9\n'],
    ['monitor x', 64, `route: bad keyword: x\n${USAGE}`],
  ])('route %s: exit %d', async (words, exit, stderr) => {
    expect(await lab.sh(`route ${words}`, inA)).toEqual({ exit, stdout: '', stderr });
  });

  test('-j acts in that jail', async () => {
    await lab.ok('route -j a add default 192.0.2.2');
    expect(await lab.ok('netstat -rn', inA)).toContain('default            192.0.2.2');
    expect(await lab.ok('netstat -rn')).not.toContain('default');
  });

  test('a jail without a network of its own changes nothing', async () => {
    await lab.ok('jail -c name=n persist');
    await lab.ok('ifconfig lo0 127.0.0.1/8 up');
    await lab.ok('route add 10.1.0.0/16 127.0.0.1');
    const before = await lab.ok('netstat -rn');
    expect(await lab.sh('jexec n route add 10.2.0.0/16 127.0.0.1')).toEqual({
      exit: 1, stdout: 'add net 10.2.0.0/16: gateway 127.0.0.1 fib 0: Operation not permitted\n', stderr: '',
    });
    expect(await lab.sh('jexec n route delete 10.1.0.0/16')).toMatchObject({ exit: 1 });
    expect(await lab.sh('jexec n route get 10.1.2.3')).toMatchObject({ exit: 0 });
    expect(await lab.ok('netstat -rn')).toBe(before);
  });
});

test('two jails behind routers reach each other', async () => {
  await lab.ok('jail -c name=r persist vnet');
  joinJails(lab, 'b', 'r', 'sim1', { delayUs: 100 });
  await lab.ok('ifconfig sim1 198.51.100.1/24', { jail: 'b' });
  await lab.ok('ifconfig sim1 198.51.100.2/24', { jail: 'r' });
  await lab.ok('sysctl net.inet.ip.forwarding=1', { jail: 'b' });
  await lab.ok('route add 198.51.100.0/24 192.0.2.2', inA);
  await lab.ok('route add default 198.51.100.1', { jail: 'r' });
  expect(await lab.ok('ping -c 1 198.51.100.2', inA)).toContain('ttl=63');
});
