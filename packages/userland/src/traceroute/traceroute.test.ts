/**
 * traceroute.test.ts — traceroute as its users see it: lines, marks, and when it ends.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { in6Aifaddr } from '@netloom/core';
import { ip6Parse } from '@netloom/core/wire';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
const inA = { jail: 'a' };

/** Jails a – r – b; r forwards. */
beforeEach(async () => {
  lab = new ToolLab();
  for (const jail of ['a', 'r', 'b']) await lab.ok(`jail -c name=${jail} persist vnet`);
  joinJails(lab, 'a', 'r', 'sim1', { delayUs: 500 });
  joinJails(lab, 'r', 'b', 'sim2', { delayUs: 500 });
  await lab.ok('ifconfig sim1 192.0.2.1/24', inA);
  await lab.ok('ifconfig sim1 192.0.2.254/24', { jail: 'r' });
  await lab.ok('ifconfig sim2 198.51.100.254/24', { jail: 'r' });
  await lab.ok('ifconfig sim2 198.51.100.1/24', { jail: 'b' });
  await lab.ok('sysctl net.inet.ip.forwarding=1', { jail: 'r' });
  await lab.ok('route add default 192.0.2.254', inA);
  await lab.ok('route add default 198.51.100.254', { jail: 'b' });
  await lab.ok('ping -c 1 198.51.100.1', inA);
});

describe('the way', () => {
  test('each router, then the host', async () => {
    expect(await lab.sh('traceroute 198.51.100.1', inA)).toEqual({
      exit: 0,
      stderr: 'traceroute to 198.51.100.1 (198.51.100.1), 64 hops max, 40 byte packets\n',
      stdout: ` 1  192.0.2.254 (192.0.2.254)  1.000 ms  1.000 ms  1.000 ms
 2  198.51.100.1 (198.51.100.1)  2.000 ms  2.000 ms  2.000 ms
`,
    });
  });

  test.each(['-I', '-P icmp', '-P tcp -q 1', '-e', '-x'])('%s', async (words) => {
    const ran = await lab.sh(`traceroute -n ${words} -m 2 -w 1 198.51.100.1`, inA);
    expect(ran.stdout).toMatch(/^ 1 {2}192\.0\.2\.254( {2}1\.000 ms)+\n 2 {2}(198\.51\.100\.1( {2}2\.000 ms)+( !P)?|\*)\n/);
  });

  test('-f, -q, -m, -S, -s and a packet length', async () => {
    expect(await lab.sh('traceroute -n -f 2 -q 1 -S -s 192.0.2.1 198.51.100.1 100', inA)).toMatchObject({
      stdout: ' 2  198.51.100.1  2.000 ms (0% loss)\n', stderr: 'traceroute to 198.51.100.1 (198.51.100.1) from 192.0.2.1, 64 hops max, 100 byte packets\n',
    });
    expect((await lab.sh('traceroute -n -m 1 198.51.100.1', inA)).stdout.split('\n')).toHaveLength(2);
  });

  test('-z waits between probes', async () => {
    const from = lab.kernel.now;
    await lab.sh('traceroute -n -m 1 -z 300 198.51.100.1', inA);
    expect(lab.kernel.now - from).toBe(603_000);
  });

  test('no answer is a star, after -w seconds', async () => {
    await lab.ok('sysctl net.inet.udp.blackhole=1', { jail: 'b' });
    const from = lab.kernel.now;
    expect((await lab.sh('traceroute -n -w 1 -m 3 -q 2 198.51.100.1', inA)).stdout).toBe(` 1  192.0.2.254  1.000 ms  1.000 ms
 2  * *
 3  * *
`);
    expect(lab.kernel.now - from).toBe(4_002_000);
  });

  test('nobody knows the way: !H, and the end', async () => {
    expect((await lab.sh('traceroute -n 203.0.113.1', inA)).stdout).toBe(' 1  192.0.2.254  1.000 ms  1.000 ms  1.000 ms\n 2  192.0.2.254  1.000 ms !H  1.000 ms !H  1.000 ms !H\n');
  });

  test('-F says what fits: !F', async () => {
    await lab.ok('ifconfig sim2 mtu 900', { jail: 'r' });
    expect((await lab.sh('traceroute -n -F -q 1 -f 2 198.51.100.1 1000', inA)).stdout).toBe(' 2  192.0.2.254  1.000 ms !F-900\n');
  });

  test('-v shows what else comes', async () => {
    const out = (await lab.sh('traceroute -v -n -q 1 198.51.100.1', inA)).stdout;
    expect(out).toBe(' 1  192.0.2.254 48 bytes to 192.0.2.1  1.000 ms\n 2  198.51.100.1 48 bytes to 192.0.2.1  2.000 ms\n');
  });
});

describe('IPv6', () => {
  const at = (jail: string, xname: string, addr: string): void => {
    const { net, in6Net } = vnetOf(lab, jail);
    const ifp = net.ifunit(xname);
    if (ifp !== null) lab.kernel.call(lab.kernel.now, () => in6Aifaddr(in6Net, ifp, { addr: ip6Parse(addr) as Uint8Array, plen: 64 }));
  };

  beforeEach(async () => {
    at('a', 'sim1', '2001:db8:1::1');
    at('r', 'sim1', '2001:db8:1::fe');
    at('r', 'sim2', '2001:db8:2::fe');
    at('b', 'sim2', '2001:db8:2::1');
    await lab.ok('sysctl net.inet6.ip6.forwarding=1', { jail: 'r' });
    await lab.ok('route -6 add default 2001:db8:1::fe', inA);
    await lab.ok('route -6 add default 2001:db8:2::fe', { jail: 'b' });
    await lab.advance(4_000_000);
    await lab.ok('ping -c 2 2001:db8:2::1', inA);
  });

  test.each(['', '-I', '-T'])('each router, then the host: %s', async (words) => {
    const ran = await lab.sh(`traceroute6 ${words} -m 2 -w 1 2001:db8:2::1`, inA);
    expect(ran.stderr).toBe(`traceroute6 to 2001:db8:2::1 (2001:db8:2::1) from 2001:db8:1::1, 2 hops max, ${words === '' ? 28 : 20} byte packets\n`);
    // The host answers a SYN in TCP, which traceroute6 does not listen to.
    const end = words === '-T' ? '* * *' : '2001:db8:2::1  2.000 ms  2.000 ms  2.000 ms';
    expect(ran.stdout).toBe(` 1  2001:db8:1::fe  1.000 ms  1.000 ms  1.000 ms\n 2  ${end}\n`);
  });

  test('-N: what carries nothing is not answered at the end', async () => {
    expect((await lab.sh('traceroute6 -N -q 1 -m 2 -w 1 2001:db8:2::1', inA)).stdout).toBe(' 1  2001:db8:1::fe  1.000 ms\n 2  *\n');
  });

  test('no route: !N', async () => {
    expect((await lab.sh('traceroute6 -q 1 2001:db8:9::1', inA)).stdout).toBe(' 1  2001:db8:1::fe  1.000 ms\n 2  2001:db8:1::fe  1.000 ms !N\n');
  });

  test('ping -v shows what routers say', async () => {
    const expired = await lab.sh('ping -6 -v -c 1 -t 1 -m 1 2001:db8:2::1', inA);
    expect(expired.exit).toBe(2);
    expect(expired.stdout).toContain(`64 bytes from 2001:db8:1::fe: Time to live exceeded
Vr TC  Flow Plen Nxt Hlim
 6 00 00000 0010  3a   01
2001:db8:1::1->2001:db8:2::1
ICMP6: type = 128, code = 0

`);
    expect((await lab.sh('ping -6 -v -c 1 -t 1 2001:db8:9::1', inA)).stdout).toContain('from 2001:db8:1::fe: No Route to Destination\n');
    await lab.ok('ifconfig sim2 mtu 1300', { jail: 'r' });
    expect((await lab.sh('ping -6 -v -u -D -c 1 -t 1 -s 1350 2001:db8:2::1', inA)).stdout).toContain('from 2001:db8:1::fe: Packet too big mtu = 1300\n');
    // Known now: it goes in fragments.
    expect((await lab.sh('ping -6 -u -c 1 -s 1350 2001:db8:2::1', inA)).stdout).toContain('1358 bytes from 2001:db8:2::1, icmp_seq=0 hlim=63');
  });

  test('nc hears that nobody listens', async () => {
    const ran = await lab.sh('nc -u -z -v 2001:db8:2::1 9', inA);
    expect(ran.exit).toBe(1);
    const listener = lab.start('nc -u -l 2001:db8:2::1 9', { jail: 'b' });
    await lab.advance(10_000);
    expect((await lab.sh('nc -u -z -v 2001:db8:2::1 9', inA)).stderr).toBe('Connection to 2001:db8:2::1 9 port [udp/discard] succeeded!\n');
    listener.proc.signal('KILL');
    await listener.done;
  });
});

describe('words', () => {
  test.each([
    ['nowhere', 'unknown host nowhere'],
    ['-f 0 10.0.0.1', 'first ttl must be > 0'],
    ['-m 256 10.0.0.1', 'max ttl must be <= 255'],
    ['-f 9 -m 3 10.0.0.1', 'first ttl (9) may not be greater than max ttl (3)'],
    ['-q x 10.0.0.1', '"x" bad value for nprobes'],
    ['-i em9 198.51.100.1', "Can't find interface em9"],
    ['-s 192.0.2.1 -i lo0 198.51.100.1', '192.0.2.1 is not on interface lo0'],
    ['-s 203.0.113.9 198.51.100.1', "bind: Can't assign requested address"],
    ['-g 1.2.3.4 10.0.0.1', '-g: source routes are not built in'],
    ['-P sctp 10.0.0.1', '-P sctp: probes of that protocol are not built in: udp, icmp and tcp are'],
    ['198.51.100.1 10', 'packet length must be > 27'],
  ])('traceroute %s', async (words, message) => {
    expect(await lab.sh(`traceroute ${words}`, inA)).toEqual({ exit: 1, stdout: '', stderr: `traceroute: ${message}\n` });
  });

  test('no route, usage', async () => {
    await lab.ok('route delete default', inA);
    expect((await lab.sh('traceroute 203.0.113.1', inA)).stderr).toBe('traceroute: findsaddr: failed to connect to peer for src addr selection.\n');
    expect((await lab.sh('traceroute')).stderr).toContain('Usage: traceroute [-adDeFInrSvx] [-f first_ttl]');
  });

  test.each([
    ['nowhere', 1, 'traceroute6: Name does not resolve'],
    ['-f 256 ::1', 1, 'traceroute6: invalid min hoplimit.'],
    ['-f 9 -m 3 ::1', 1, 'traceroute6: max hoplimit must be larger than first hoplimit.'],
    ['-p 0 ::1', 1, 'traceroute6: port out of range.'],
    ['-q 0 ::1', 1, 'traceroute6: nprobes must be >0.'],
    ['-w 0 ::1', 1, 'traceroute6: wait must be >= 1 sec.'],
    ['2001:db8::1', 1, 'connect: No route to host'],
    ['-s 2001:db8::2 ::1', 1, "bind: Can't assign requested address"],
    ['-S ::1', 1, 'traceroute6: -S: probes of SCTP are not built in'],
  ])('traceroute6 %s: exit %d', async (words, exit, message) => {
    expect(await lab.sh(`traceroute6 ${words}`, inA)).toEqual({ exit, stdout: '', stderr: `${message}\n` });
  });

  test('traceroute6 to this host', async () => {
    expect(await lab.sh('traceroute6 -I -q 1 -f 2 localhost', inA)).toEqual({
      exit: 0, stderr: 'traceroute6 to localhost (::1) from ::1, 64 hops max, 20 byte packets\n', stdout: 'Skipping 1 intermediate hops\n 2  localhost  0.000 ms\n',
    });
  });
});
