/**
 * netstat.test.ts — netstat as its users and their scripts see it: columns to the blank, numbers, JSON, exit codes.
 */
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_RAW } from '@netloom/core';
import type { Socket } from '@netloom/core';
import { ip6Parse } from '@netloom/core/wire';
import { beforeEach, describe, expect, test } from 'vitest';
import { twoJails, vnetOf } from '../../test/test-links.js';
import { ToolLab } from '../../test/test-proc.js';
import { humanize } from './columns.js';

let lab: ToolLab;
const inA = { jail: 'a' };

async function golden(transcript: string): Promise<void> {
  const text = transcript.replace(/^\n/, '');
  expect(await lab.session(text, inA)).toBe(text);
}

beforeEach(async () => {
  lab = new ToolLab();
  await twoJails(lab);
});

describe('routes', () => {
  beforeEach(async () => {
    await lab.ok('ifconfig lo0 127.0.0.1/8 up', inA);
    await lab.ok('route add default 192.0.2.2', inA);
    await lab.ok('route add 10.1.0.0/16 192.0.2.2 -mtu 1400 -expire +1000', inA);
    await lab.ok('route add 10.2.0.1 127.0.0.1', inA);
  });

  test('-r, -rn, -rnW', async () => {
    await golden(`
$ netstat -rn4
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
default            192.0.2.2          UGS        sim0
10.1.0.0/16        192.0.2.2          UGS        sim0   1000
10.2.0.1           127.0.0.1          UHS         lo0
127.0.0.1          link#2             UH          lo0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
$ netstat -r -f inet
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
default            192.0.2.2          UGS        sim0
10.1.0.0/16        192.0.2.2          UGS        sim0   1000
10.2.0.1           localhost          UHS         lo0
localhost          link#2             UH          lo0
192.0.2.0/24       link#4             U          sim0
192.0.2.1          link#4             UHS         lo0
$ netstat -rnW4
Routing tables

Internet:
Destination        Gateway            Flags   Nhop#    Mtu      Netif Expire
default            192.0.2.2          UGS         7   1500       sim0
10.1.0.0/16        192.0.2.2          UGS         8   1400       sim0   1000
10.2.0.1           127.0.0.1          UHS         9  16384        lo0
127.0.0.1          link#2             UH          6  16384        lo0
192.0.2.0/24       link#4             U           4   1500       sim0
192.0.2.1          link#4             UHS         5  16384        lo0
$ netstat -rn -f link
Routing tables
$ netstat -rn -F 1
! netstat: 1: invalid fib
[64]
$ netstat -rn -F x
! netstat: x: invalid fib
[1]
$ netstat -rs
routing:
	0 bad routing redirects
	0 dynamically created routes
	0 new gateways due to redirects
	0 destinations found unreachable
`);
  });

  test('a long interface name is cut, and not with -W', async () => {
    await lab.ok('ifconfig sim0 name verylongname0', inA);
    expect(await lab.ok('netstat -rn', inA)).toContain('192.0.2.0/24       link#4             U      verylong\n');
    expect(await lab.ok('netstat -rnW', inA)).toContain('192.0.2.0/24       link#4             U           4   1500 verylongname0\n');
  });

  test('another table has its number in the title', async () => {
    await lab.ok('sysctl net.fibs=2', inA);
    expect(await lab.ok('netstat -rn -F 1', inA)).toBe('Routing tables (fib: 1)');
    expect(await lab.ok('setfib 1 netstat -rn', inA)).toBe('Routing tables (fib: 1)');
  });

  test('JSON is libxo’s: the query of FreeBSD’s own route test finds its gateway', async () => {
    interface Output {
      statistics: { 'route-information': { 'route-table': { 'rt-family': { 'address-family': string; 'rt-entry': Record<string, unknown>[] }[] } } };
    }
    const compact = await lab.ok('netstat -r --libxo json', inA);
    expect(compact).not.toContain('\n');
    const [family] = (JSON.parse(compact) as Output).statistics['route-information']['route-table']['rt-family'];
    expect(family?.['address-family']).toBe('Internet');
    expect(family?.['rt-entry'].find((e) => e['destination'] === '10.1.0.0/16')).toEqual({
      destination: '10.1.0.0/16', gateway: '192.0.2.2', flags: 'UGS', flags_pretty: ['up', 'gateway', 'static'], weight: 1, 'nhop-kidx': 8, nhop: 8,
      mtu: 1400, 'interface-name': 'sim0', 'expire-time': 1000,
    });
    expect(JSON.parse(await lab.ok('netstat -r --json', inA))).toEqual(JSON.parse(compact));
    expect(await lab.sh('netstat -r --libxo xml', inA)).toMatchObject({ exit: 1, stderr: 'netstat: --libxo xml: not built in; use json\n' });
  });

  test('-o shows what the routes share', async () => {
    await lab.ok('ping -c 2 -i 0.1 10.1.0.1', inA).catch(() => '');
    const rows = (await lab.ok('netstat -oW', inA)).split('\n');
    expect(rows[3]).toBe('Idx   Type         IFA                Gateway             Flags      Use    Mtu      Netif     Addrif Refcnt');
    expect(rows.find((r) => r.startsWith('8 '))).toBe('8            v4/gw 192.0.2.1          192.0.2.2          GS            2   1400       sim0                 1');
    expect(await lab.ok('netstat -o', inA)).toContain('\n7     192.0.2.1          192.0.2.2          GS         sim0      1\n');
  });
});

describe('interfaces', () => {
  test('-i, -I, -b, -d, -f link: the eighth field of a link line is the packets sent', async () => {
    await lab.ok('ping -c 3 -i 0.1 192.0.2.2', inA);
    await lab.ok('ifconfig lo0 127.0.0.1/8', inA);
    await golden(`
$ netstat -in
Name    Mtu Network        Address              Ipkts Ierrs Idrop    Opkts Oerrs  Coll
lo0   16384 <Link#2>       lo0                      0     0     0        0     0     0
lo0       - ::1/128        ::1                      -     -     -        -     -     -
lo0       - fe80::%lo0/64  fe80::1%lo0              -     -     -        -     -     -
lo0       - 127.0.0.0/8    127.0.0.1                -     -     -        -     -     -
sim0   1500 <Link#4>       MAC        5     0     0        5     0     0
sim0      - 192.0.2.0/24   192.0.2.1                -     -     -        -     -     -
$ netstat -Wf link -I sim0
Name    Mtu Network   Address              Ipkts Ierrs Idrop    Opkts Oerrs  Coll
sim0   1500 <Link#4>  MAC        5     0     0        5     0     0
$ netstat -nI lo0 -f inet
Name    Mtu Network      Address      Ipkts Ierrs Idrop    Opkts Oerrs  Coll
lo0       - 127.0.0.0/8  127.0.0.1        -     -     -        -     -     -
$ netstat -bd -I sim0 -f link
Name    Mtu Network   Address              Ipkts Ierrs Idrop     Ibytes    Opkts Oerrs     Obytes  Coll  Drop
sim0   1500 <Link#4>  MAC        5     0     0        378        5     0        378     0     0
$ netstat -I nosuch0
Name    Mtu Network   Address     Ipkts Ierrs Idrop    Opkts Oerrs  Coll
`);
  });

  test('an interface that is down has a star', async () => {
    await lab.ok('ifconfig sim0 down', inA);
    expect(await lab.ok('netstat -I sim0 -f link', inA)).toContain('\nsim0*  1500 <Link#4>');
  });

  test('columns grow with the numbers; -h shortens them', async () => {
    const ifp = vnetOf(lab, 'a').net.ifunit('sim0');
    if (ifp === null) throw new Error('no sim0');
    Object.assign(ifp.data, { ipackets: 123_456_789, ibytes: 12_345_678_901, ierrors: 7 });
    const [head, row] = (await lab.ok('netstat -nb -I sim0 -f link', inA)).split('\n');
    expect(head).toContain('Address                Ipkts Ierrs Idrop       Ibytes    ');
    expect(row).toContain('  123456789     7     0  12345678901 ');
    expect((await lab.ok('netstat -nbh -I sim0 -f link', inA)).split('\n')[1]).toMatch(/ 123M {5}7 {5}0 {8}11G /);
  });

  test.each([
    [999, '999', '999'], [1_000, '1.0k', '1.0K'], [1_049, '1.0k', '1.0K'], [1_050, '1.1k', '1.0K'], [9_949, '9.9k', '9.7K'], [9_951, '10k', '9.7K'],
    [12_345, '12k', '12K'], [999_499, '999k', '976K'], [999_960, '1.0M', '977K'], [1_048_576, '1.0M', '1.0M'], [12_345_678_901, '12G', '11G'], [0, '0', '0'],
  ])('%d shortened is %s, in bytes %s', (n, packets, bytes) => {
    expect([humanize(n, 1000), humanize(n, 1024)]).toEqual([packets, bytes]);
  });

  test('-ia lists multicast addresses', async () => {
    const out = await lab.ok('netstat -ian', inA);
    expect(out).toMatch(/\n {26}01:00:5e:00:00:01 {8}1 {14}1\n/);
    expect(out).toContain('\n                          224.0.0.1        ');
  });

  test('IPv6 addresses have lines too, with their zone; -f inet6 has only these', async () => {
    await lab.ok('ifconfig sim0 inet6 2001:db8::a/64 no_dad', inA);
    const out = await lab.ok('netstat -inf inet6', inA);
    expect(out).toContain('\nlo0       - ::1/128         ::1 ');
    expect(out).toContain('\nsim0      - 2001:db8::/64   2001:db8::a ');
    expect(out).toMatch(/\nsim0 {6}- fe80::%sim0\/64 +fe80::\S+%sim0 /);
    expect(out).not.toContain('<Link#');
    expect(await lab.ok('netstat -in', inA)).toContain('2001:db8::/64');
    expect(await lab.ok('netstat -inf inet', inA)).not.toContain('2001:db8::');
    expect(await lab.ok('netstat -iaf inet6 -I sim0', inA)).toContain('\n                          ff02::1%sim0 ');
    expect(await lab.ok('netstat -I lo0 -f inet6', inA)).toContain(' localhost ');
  });

  test('JSON: a line is an object', async () => {
    const { statistics } = JSON.parse(await lab.ok('netstat -i --json', inA)) as { statistics: { interface: Record<string, unknown>[] } };
    expect(statistics.interface.map((i) => [i['name'], i['network'], typeof i['received-packets']])).toEqual([
      ['lo0', '<Link#2>', 'number'], ['lo0', '::1/128', 'undefined'], ['lo0', 'fe80::%lo0/64', 'undefined'], ['sim0', '<Link#4>', 'number'], ['sim0', '192.0.2.0/24', 'undefined'],
    ]);
  });
});

describe('-w', () => {
  test('a line each second with what has passed, a heading each 21 lines', async () => {
    const watch = lab.start('netstat -w 1 -I sim0', inA);
    await lab.advance(500_000);
    await lab.ok('ping -c 1 192.0.2.2', inA);
    await lab.advance(1_000_000);
    expect(watch.stdout).toBe(`            input           sim0           output
   packets  errs idrops      bytes    packets  errs      bytes colls
         2     0     0        140          2     0        140     0
`);
    await lab.advance(22_000_000);
    expect(watch.stdout.match(/input/g)?.length).toBe(2);
    expect(watch.stdout.split('\n').length - 1).toBe(23 + 4);
    watch.proc.signal('INT');
    expect((await watch.done).exit).toBe(130);
  });

  test('-q ends it, -d and -h add and shorten, JSON closes its list', async () => {
    const from = lab.kernel.now;
    const ran = await lab.sh('netstat -w 2 -q 3 -dh', inA);
    expect(lab.kernel.now - from).toBe(6_000_000);
    expect(ran.stdout.split('\n')[1]).toBe('   packets  errs idrops      bytes    packets  errs      bytes colls drops');
    const { statistics } = JSON.parse(await lab.ok('netstat --json -q 2 1', inA)) as { statistics: { 'interface-statistics': unknown[] } };
    expect(statistics['interface-statistics']).toHaveLength(2);
  });

  test('an interface that is not there, or goes', async () => {
    expect(await lab.sh('netstat -w 1 -I nosuch0', inA)).toMatchObject({ exit: 65, stderr: 'netstat: interface nosuch0 not found\n' });
    await lab.ok('ifconfig bridge0 create', inA);
    const watch = lab.start('netstat -w 1 -I bridge0', inA);
    await lab.advance(1_500_000);
    await lab.ok('ifconfig bridge0 destroy', inA);
    await lab.advance(1_000_000);
    expect(await watch.done).toMatchObject({ exit: 65 });
  });
});

describe('statistics', () => {
  test('-s -p, -ss, -z', async () => {
    await lab.ok('ping -c 2 -i 0.1 192.0.2.2', inA);
    await golden(`
$ netstat -ss -p ip
ip:
	2 total packets received
	2 packets for this host
	2 packets sent from this host
$ netstat -ss -p icmp
icmp:
	Input histogram:
		echo reply: 2
	ICMP address mask responses are disabled
$ netstat -s -p udp -z
udp:
	0 datagrams received
	0 with incomplete header
	0 with bad data length field
	0 with bad checksum
	0 with no checksum
	0 dropped due to no socket
	0 broadcast/multicast datagrams undelivered
	0 dropped due to full socket buffers
	0 not for hashed pcb
	0 delivered
	0 datagrams output
	0 times multicast source filter matched
$ netstat -ss -z -p ip
ip:
	2 total packets received
	2 packets for this host
	2 packets sent from this host
$ netstat -ss -p ip
ip:
$ netstat -s -p sctp
! netstat: sctp: no stats routine
$ netstat -s -p frob
! netstat: frob: unknown or uninstrumented protocol
[1]
$ netstat -s -p udp -I sim0
! netstat: udp: no per-interface stats routine
`);
  });

  test('all protocols in FreeBSD’s order, then what it has not; forwarded packets in one line', async () => {
    const out = await lab.ok('netstat -s', inA);
    expect(out.match(/^\w+:$/gm)).toEqual(['tcp:', 'udp:', 'ip:', 'icmp:', 'igmp:', 'carp:', 'arp:', 'ip6:', 'icmp6:', 'rip6:', 'mld6:', 'nd6:', 'nd6rtr:', 'gateway:', 'lacp:', 'vxlan:']);
    expect(out).toContain('\t0 packets forwarded (0 packets fast forwarded)\n');
    expect(out).toContain('\t1 ARP request received\n');
    expect(out).not.toContain('Output histogram');
  });

  test('-z needs a network of one’s own', async () => {
    await lab.ok('jail -c name=n persist');
    expect(await lab.sh('jexec n netstat -ssz -p udp')).toMatchObject({ exit: 0, stderr: 'netstat: sysctl net.inet.udp.stats: Operation not permitted\n' });
  });

  test('JSON has libxo’s names and a histogram as a list', async () => {
    await lab.ok('ping -c 1 192.0.2.2', inA);
    const { statistics } = JSON.parse(await lab.ok('netstat -s --json', inA)) as { statistics: Record<string, Record<string, unknown>> };
    expect(statistics['ip']).toMatchObject({ 'received-packets': 1, 'sent-packets': 1, 'dropped-bad-checksum': 0 });
    expect(statistics['icmp']?.['input-histogram']).toEqual([{ name: 'echo reply', count: 1 }]);
    expect(statistics['icmp']?.['output-histogram']).toEqual([]);
  });
});

describe('sockets', () => {
  function open(type: number, protocol = 0): Socket {
    const { so } = vnetOf(lab, 'a').sockets?.socket(PF_INET, type, protocol) ?? { so: null };
    if (so === null) throw new Error('no socket');
    return so;
  }

  beforeEach(() => {
    open(SOCK_DGRAM).bind(0, 514);
    open(SOCK_DGRAM).bind(0xc000_0201, 53);
    const client = open(SOCK_DGRAM);
    client.bind(0, 40_000);
    client.connect(0xc000_0202, 53);
    open(SOCK_RAW, 1);
    open(SOCK_RAW, 89);
  });

  test('without -a only those with an address', async () => {
    await golden(`
$ netstat -n
Active Internet connections
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
udp4       0      0 192.0.2.1.40000        192.0.2.2.53           
udp4       0      0 192.0.2.1.53           *.*                    
$ netstat -an
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
udp4       0      0 192.0.2.1.40000        192.0.2.2.53           
udp4       0      0 192.0.2.1.53           *.*                    
udp4       0      0 *.514                  *.*                    
ip 4       0      0 *.*                    *.*                    
icm4       0      0 *.*                    *.*                    
$ netstat -a -p udp
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
udp4       0      0 192.0.2.1.40000        192.0.2.2.domain       
udp4       0      0 192.0.2.1.domain       *.*                    
udp4       0      0 *.syslog               *.*                    
$ netstat -anx -p icmp
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address       R-HIWA S-HIWA R-LOWA S-LOWA R-BCNT S-BCNT R-BMAX S-BMAX   rexmt persist    keep    2msl  delack rcvtime
icm4       0      0 *.*                    *.*                      9216   9216      1   2048      0      0  73728  73728
$ netstat -an -p arp
! netstat: arp: no PCB routine
$ netstat -an -f unix
`);
  });

  test('IPv6 sockets, of one family and of both', async () => {
    const open = (type: number, proto: number): Socket => {
      const { so } = vnetOf(lab, 'a').sockets.socket(PF_INET6, type, proto);
      if (so === null) throw new Error('no socket');
      return so;
    };
    const loopback = { addr: ip6Parse('::1') as Uint8Array, scopeId: 0 };
    open(SOCK_DGRAM, 0).bind({ addr: ip6Parse('fe80::1') as Uint8Array, scopeId: vnetOf(lab, 'a').net.loif?.index ?? 0 }, 53);
    const both = open(SOCK_DGRAM, 0);
    both.setsockopt('IPV6_V6ONLY', 0);
    both.bind(0, 520);
    open(SOCK_DGRAM, 0).connect(loopback, 53);
    open(SOCK_RAW, 58);
    expect((await lab.ok('netstat -an -f inet6', inA)).replace(/::1\.\d{5} /, '::1.PORT  ')).toBe(`Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address          Foreign Address        (state)    
udp6       0      0 ::1.PORT               ::1.53                 
udp46      0      0 *.520                  *.*                    
udp6       0      0 fe80::1%lo0.53         *.*                    
icm6       0      0 *.*                    *.*                    `);
    const inet = await lab.ok('netstat -anW4', inA);
    expect(inet).toContain('udp46      0      0 *.520 ');
    expect(inet).not.toContain('udp6 ');
    expect(await lab.ok('netstat -6', inA)).toContain('localhost.domain');
    expect(await lab.ok('netstat -s -f inet6', inA)).toMatch(/^tcp:\n[^]*\nudp:\n[^]*\nip6:\n[^]*\nicmp6:\n[^]*\nrip6:\n/);
    expect(await lab.ok('netstat -s -f inet', inA)).not.toMatch(/(ip|icmp|mld|nd)6:|nd6rtr:|lacp:/);
    expect(await lab.ok('netstat -s -f inet6', inA)).toContain('\nnd6rtr:\n');
  });

  test('what waits to be read is counted', async () => {
    const nc = lab.start('nc -u 192.0.2.1 514', { jail: 'b', stdin: 'hello' });
    await lab.advance(10_000);
    expect(await lab.ok('netstat -an -p udp', inA)).toContain('udp4      21      0 *.514 ');
    nc.proc.signal('KILL');
    await nc.done;
  });

  test('JSON', async () => {
    const { statistics } = JSON.parse(await lab.ok('netstat -n --json', inA)) as { statistics: { socket: unknown[] } };
    expect(statistics.socket[0]).toMatchObject({
      protocol: 'udp4', 'receive-bytes-waiting': 0, local: { address: '192.0.2.1', port: '40000' }, remote: { address: '192.0.2.2', port: '53' },
    });
  });
});

test('-m counts the packets of the kernel', async () => {
  const lines = (await lab.ok('netstat -m')).replace(/\d+/g, 'N').split('\n');
  expect(lines).toEqual([
    'N/N mbuf+clusters in use (current/max)', 'N/N Nk jumbo clusters in use (current/max)', 'NK/NK bytes allocated to network (current/max)',
    'N requests for mbuf+clusters denied', 'N requests for jumbo clusters denied (Nk)', 'NK/NK/NK bytes held by sockets of this stack (current/peak/max)',
    'N packets dropped because sockets of this stack held too much', 'N super-segments cut in software, into N packets',
    'N transport checksums computed in software', 'N packets copied',
  ]);
  const { 'mbuf-statistics': m } = JSON.parse(await lab.ok('netstat -m --json')) as Record<string, Record<string, number>>;
  expect([m?.['cluster-max'], m?.['jumbo-max'], m?.['socket-bytes-max']]).toEqual([65_536, 4_096, 64 * 1024 * 1024]);
});

describe('words', () => {
  test.each([
    ['-f frob', 'frob: unknown address family'],
    ['-B', '-B: capture listeners are not listed here'],
    ['-Q', '-Q: there is no netisr table here; see sysctl net.inet.ip'],
    ['-j nobody', 'Jail not found'],
  ])('netstat %s is refused', async (words, message) => {
    expect(await lab.sh(`netstat ${words}`)).toEqual({ exit: 1, stdout: '', stderr: `netstat: ${message}\n` });
  });

  test('usage', async () => {
    for (const words of ['-y', '-w', 'frob', '0']) {
      const ran = await lab.sh(`netstat ${words}`);
      expect([words, ran.exit, ran.stdout]).toEqual([words, 1, '']);
      expect(ran.stderr).toContain('usage: netstat [-j jail] [-46AaCcLnRSTWx] [-f protocol_family | -p protocol]\n');
    }
  });

  test('-g shows empty tables where no multicasts are routed', async () => {
    expect((await lab.ok('netstat -g')).split('\n').filter((l) => l !== '')).toEqual([
      'IPv4 Virtual Interface Table is empty', 'IPv4 Multicast Forwarding Table is empty', 'IPv6 Multicast Interface Table is empty', 'IPv6 Multicast Forwarding Table is empty',
    ]);
  });

  test('-j looks into a jail', async () => {
    expect(await lab.ok('netstat -j a -rn')).toBe(await lab.ok('netstat -rn', inA));
  });
});
