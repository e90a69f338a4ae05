/**
 * options.test.ts — which options there are, which go together, and which words may be an interface, a family or `create`.
 */
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';

describe('options', () => {
  it.each([
    ['-N', 'illegal option -- N'],
    ['-f', 'option requires an argument -- f'],
    ['-j', 'option requires an argument -- j'],
    ['-a -g', 'option requires an argument -- g'],
    ['-G all', null],
    ['-G all -a', null],
    ['-al', null],
    ['-lm', null],
    ['-ud', null],
    ['-a up', "Address family 'up' unknown."],
    ['-a inet up', null],
    ['-l ether inet', null],
  ])('%s is wrong usage', async (words, complaint) => {
    const ran = await new ToolLab().sh(`ifconfig ${words}`);
    const [first, ...rest] = ran.stderr.split('\n');
    const usage = complaint === null ? first : rest[0];
    if (complaint !== null) expect(first).toBe(`ifconfig: ${complaint}`);
    expect([usage, ran.stdout, ran.exit]).toEqual(['usage: ifconfig [-j jail] [-f type:format] [-g groupname] [-C] [-L] interface address_family', '', 1]);
  });

  it('-C and -g answer where they stand, whatever comes after them', async () => {
    await golden(`
$ ifconfig lo create
lo1
$ ifconfig -g lo -N
lo0
lo1
$ ifconfig -g nosuch -a
$ ifconfig -C lo1 down -G
vxlan vlan gre lagg bridge ifb edsc vmnet tap tun lo gw disc epair stf gif
$ ifconfig -a -g "l[n-p]" -G nosuch -u
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig -a -G "a?l"
$ ifconfig -a -g "!lo"
$ ifconfig -a -g epair -G lo
`);
  });

  it('-j works in a jail, -k -L and -n change nothing', async () => {
    await golden(`
$ jail -c name=j vnet persist
$ ifconfig -j j lo create up
lo1
$ ifconfig -kLn -j j -l
lo0 lo1
$ ifconfig -j j lo1 inet 192.0.2.1/32
$ ifconfig -j j -D lo1 inet
lo1: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet 192.0.2.1 netmask 0xffffffff
	drivername: lo1
$ ifconfig -l
lo0
$ ifconfig -j nosuch lo1
! ifconfig: jail not found: No such file or directory
[1]
`);
  });

  it('-v and -D tell the name that the driver gave', async () => {
    await golden(`
$ ifconfig tun create name vpn
vpn
$ ifconfig -v vpn
vpn: flags=8010<POINTOPOINT,MULTICAST> metric 0 mtu 1500
	options=80000<LINKSTATE>
	groups: tun
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
	drivername: tun0
`);
  });
});

describe('create', () => {
  it('may be followed by more words, in any order that has a meaning', async () => {
    await golden(`
$ ifconfig epair3 create inet 192.0.2.1/24 mtu 1400 descr one up
epair3a
$ ifconfig lo7 plumb 127.0.0.7/32 alias group g name local
local
$ ifconfig local create 127.0.0.8/32 alias
$ ifconfig -f inet:cidr local
local: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet 127.0.0.7/32
	inet 127.0.0.8/32
	inet6 fe80::1%local prefixlen 64 scopeid 0x4
	groups: lo g
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig local unplumb
$ ifconfig epair3a create
! ifconfig: interface epair3a already exists
[1]
$ ifconfig epair3a plumb
! ifconfig: interface epair3a already exists
[1]
$ ifconfig lo9 create mtu 1
! ifconfig: ioctl SIOCSIFMTU (set mtu): Invalid argument
[1]
$ ifconfig -l
lo0 epair3a epair3b lo9
`);
  });
});

describe('description', () => {
  it('has a limit that the host sets for all jails', async () => {
    await golden(`
$ ifconfig lo0 descr "a place"
$ ifconfig lo0 inet
$ ifconfig lo0
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	description: a place
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ sysctl net.ifdescr_maxlen
net.ifdescr_maxlen: 1024
$ sysctl net.ifdescr_maxlen=5
net.ifdescr_maxlen: 1024 -> 5
$ ifconfig lo0 descr four
$ ifconfig lo0 description five5
! ifconfig: ioctl SIOCSIFDESCR (set descr): File name too long
[1]
$ jail -c name=j vnet persist
$ jexec j sysctl net.ifdescr_maxlen
net.ifdescr_maxlen: 5
$ jexec j sysctl net.ifdescr_maxlen=50
! sysctl: oid 'net.ifdescr_maxlen' is read only
[1]
$ jexec j ifconfig lo0 descr five5
! ifconfig: ioctl SIOCSIFDESCR (set descr): File name too long
[1]
$ sysctl net.ifdescr_maxlen=0
net.ifdescr_maxlen: 5 -> 0
$ ifconfig lo0 descr x
! ifconfig: ioctl SIOCSIFDESCR (set descr): File name too long
[1]
$ ifconfig lo0 -descr -description descr ""
$ ifconfig lo0
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
`);
  });
});
