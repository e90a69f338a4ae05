/**
 * ping6.test.ts — ping for IPv6 as its users see it: output to the byte, exit codes.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { in6Aifaddr } from '@netloom/core';
import { ip6Format, ip6Parse, ip6Plain } from '@netloom/core/wire';
import { twoJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
beforeEach(async () => {
  lab = new ToolLab();
  await lab.ok('ifconfig lo0 127.0.0.1/8 up');
});

describe('on the loopback interface', () => {
  const three = (host: string): string => `PING(56=40+8+8 bytes) ::1 --> ::1
16 bytes from ::1, icmp_seq=0 hlim=64 time=0.000 ms
16 bytes from ::1, icmp_seq=1 hlim=64 time=0.000 ms

--- ${host} ping statistics ---
2 packets transmitted, 2 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 0.000/0.000/0.000/0.000 ms`;

  test.each([
    ['ping -c 2 ::1', '::1'],
    ['ping -6 -c 2 localhost', 'localhost'],
    ['ping6 -c 2 localhost', 'localhost'],
    ['ping -c 2 -S ::1 localhost', 'localhost'],
  ])('%s', async (line, host) => {
    expect(await lab.ok(line)).toBe(three(host));
  });

  test('localhost is IPv4 when nobody says', async () => {
    expect(await lab.ok('ping -c 1 localhost')).toContain('PING localhost (127.0.0.1): 56 data bytes');
    await lab.ok('ifconfig lo0 127.0.0.1 delete');
    expect(await lab.ok('ping -c 1 localhost')).toContain('PING(56=40+8+8 bytes) ::1 --> ::1');
  });

  test('a link-local address with its zone, by name and by index', async () => {
    expect(await lab.ok('ping -c 1 fe80::1%lo0')).toContain('PING(56=40+8+8 bytes) fe80::1%lo0 --> fe80::1%lo0\n16 bytes from fe80::1%lo0, icmp_seq=0 hlim=64 time=');
    expect(await lab.ok('ping -c 1 -q fe80::1%1')).toContain('1 packets received');
  });

  test('a group, by zone and by -I', async () => {
    expect(await lab.ok('ping -c 1 ff02::1%lo0')).toContain('PING(56=40+8+8 bytes) fe80::1%lo0 --> ff02::1%lo0\n16 bytes from fe80::1%lo0, icmp_seq=0 hlim=64');
    expect(await lab.ok('ping -c 1 -I lo0 ff02::1')).toContain('16 bytes from fe80::1%lo0, icmp_seq=0');
  });

  test('-v shows where answers went', async () => {
    expect(await lab.ok('ping -6 -v -c 1 -m 9 -z 16 ::1')).toContain('16 bytes from ::1, icmp_seq=0 hlim=64 dst=::1 time=0.000 ms\n');
  });

  test('-v shows requests, too', async () => {
    expect(await lab.ok('ping6 -v -c 1 ::1')).toContain('\n16 bytes from ::1: Echo Request\n16 bytes from ::1, icmp_seq=0');
  });

  test('no time without room for one; a pattern', async () => {
    expect(await lab.ok('ping6 -c 1 -s 4 ::1')).toBe(`PING(52=40+8+4 bytes) ::1 --> ::1
12 bytes from ::1, icmp_seq=0 hlim=64

--- ::1 ping statistics ---
1 packets transmitted, 1 packets received, 0.0% packet loss`);
    expect(await lab.ok('ping6 -c 1 -s 12 -p ff0 ::1')).toContain('PATTERN: 0xff00\nPING(60=40+8+12 bytes)');
  });

  test('-f, -o, -t, -W', async () => {
    expect(await lab.ok('ping6 -f -c 5 ::1')).toMatch(/\n(\.\x08){5}\n---/);
    expect(await lab.ok('ping6 -o -q ::1')).toContain('1 packets transmitted, 1 packets received');
  });
});

describe('between two vnets', () => {
  beforeEach(async () => {
    const ends = await twoJails(lab);
    for (const [i, ifp] of ends.entries()) {
      lab.kernel.call(lab.kernel.now, () => in6Aifaddr(vnetOf(lab, i === 0 ? 'a' : 'b').in6Net, ifp, { addr: ip6Parse(`2001:db8::${i + 1}`) as Uint8Array, plen: 64 }));
    }
    await lab.advance(4_000_000);
  });

  test('a global address', async () => {
    expect((await lab.ok('ping -c 2 2001:db8::2', { jail: 'a' })).replace(/\d\.\d{3}/g, 'T')).toContain(`PING(56=40+8+8 bytes) 2001:db8::1 --> 2001:db8::2
16 bytes from 2001:db8::2, icmp_seq=0 hlim=64 time=T ms
16 bytes from 2001:db8::2, icmp_seq=1 hlim=64 time=T ms
`);
  });

  test('a link-local address, and all nodes', async () => {
    const { in6Net, net } = vnetOf(lab, 'b');
    const ifp = net.ifunit('sim0');
    const own = ifp === null ? null : in6Net.linkLocalOf(ifp, 0);
    const far = own === null ? '' : ip6Format(ip6Plain(own.addr));
    expect(await lab.ok(`ping -c 1 ${far}%sim0`, { jail: 'a' })).toContain(`16 bytes from ${far}%sim0, icmp_seq=0 hlim=64`);
    const all = await lab.ok('ping -c 1 -i 1 -I sim0 ff02::1', { jail: 'a' });
    expect(all).toMatch(/PING\(56=40\+8\+8 bytes\) fe80::\S+%sim0 --> ff02::1%?/);
    expect(all).toContain('bytes from fe80::');
  });

  test('a link-local address without zone is on the link of the default interface (ndp -I), if use_defaultzone is set', async () => {
    const { in6Net, net } = vnetOf(lab, 'b');
    const own = in6Net.linkLocalOf(net.ifunit('sim0')!, 0)!;
    const far = ip6Format(ip6Plain(own.addr));
    await lab.ok('ndp -I sim0', { jail: 'a' });
    expect((await lab.sh(`ping -c 1 ${far}`, { jail: 'a' })).exit).not.toBe(0);
    await lab.ok('sysctl net.inet6.ip6.use_defaultzone=1', { jail: 'a' });
    expect(await lab.ok(`ping -c 1 ${far}`, { jail: 'a' })).toContain('1 packets received');
  });

  test('nobody there: 2, without a word', async () => {
    expect(await lab.sh('ping -c 1 -W 100 2001:db8::9', { jail: 'a' })).toMatchObject({ exit: 2 });
  });
});

describe('what does not work', () => {
  test.each([
    ['2001:db8::1', 1, 'UDP connect: No route to host'],
    ['-S 2001:db8::2 ::1', 1, "bind: Can't assign requested address"],
    ['-S localhost ::1', 1, 'invalid source address: Name does not resolve'],
    ['fe80::1%em9', 68, 'cannot resolve fe80::1%em9: Name does not resolve'],
    ['-I em9 ff02::1', 1, 'em9: invalid interface name'],
    ['-c 0 ::1', 1, 'illegal number of packets -- 0'],
    ['-m 256 ::1', 1, 'illegal hoplimit -- 256'],
    ['-m x ::1', 1, 'illegal hoplimit x'],
    ['-z 300 ::1', 1, 'illegal traffic class -- 300'],
    ['-s 131025 ::1', 1, 'datalen value too large, maximum is 131024'],
    ['-s 0 ::1', 1, 'illegal datalen value -- 0'],
    ['-t 0 ::1', 64, "invalid timeout: `0'"],
    ['-W x ::1', 64, "invalid timing interval: `x'"],
    ['-p xyz ::1', 1, 'patterns must be specified as hex digits'],
    ['-f -i 1 ::1', 1, '-f and -i incompatible options'],
    ['-k a ::1', 1, 'node information queries (-k, -N, -O, -y, -Y) are not built in'],
    ['nowhere', 68, 'cannot resolve nowhere: Name does not resolve'],
    ['::2 ::1', 1, 'IPv6-hops: routing headers of type 0 are not built in (RFC 5095 forbids them)'],
  ])('ping6 %s: exit %d', async (words, exit, message) => {
    expect(await lab.sh(`ping6 ${words}`)).toEqual({ exit, stdout: '', stderr: `ping6: ${message}\n` });
  });

  test('sockets are given back', async () => {
    await lab.ok('ping6 -c 1 ::1');
    expect(lab.kernel.vnet0.kern.sockcnt).toBe(0);
  });
});
