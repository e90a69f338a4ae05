/**
 * inet6.test.ts — `ifconfig IF inet6 …` as its users see it: addresses, lifetimes, neighbour discovery's words.
 * Duplicate address detection is switched off where addresses must be ready at once.
 */
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';

describe('an IPv6 address', () => {
  it('brings IPv6 up with a link-local address, and is shown in the form of FreeBSD 14', async () => {
    await golden(`
$ sysctl net.inet6.ip6.dad_count=0
net.inet6.ip6.dad_count: 1 -> 0
$ ifconfig epair create ether 06:00:00:00:00:01
epair0a
$ ifconfig epair0a inet6 2001:db8::1/64
$ ifconfig epair0a inet6 2001:db8::2 prefixlen 96 alias anycast deprecated prefer_source
$ ifconfig epair0a inet6 2001:db8:1:: eui64 alias pltime 600 vltime 3600
$ ifconfig epair0a
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether 06:00:00:00:00:01
	hwaddr MAC
	inet6 2001:db8::1 prefixlen 64
	inet6 fe80::400:ff:fe00:1%epair0a prefixlen 64 scopeid 0x2
	inet6 2001:db8::2 prefixlen 96 anycast deprecated prefer_source pltime 0 vltime infty
	inet6 2001:db8:1:0:400:ff:fe00:1 prefixlen 64 pltime 600 vltime 3600
	groups: epair
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig epair0a inet6 fe80::400:ff:fe00:1%epair0a delete
$ ifconfig epair0a inet6 2001:db8::2/96 -alias
$ ifconfig epair0a inet6 -alias 2001:db8:1:0:400:ff:fe00:1
$ ifconfig -f inet6:cidr epair0a inet6
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	inet6 2001:db8::1/64
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig epair0a inet6 accept_rtadv -nud no_radr defaultif
$ ifconfig epair0a inet6
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	inet6 2001:db8::1 prefixlen 64
	inet6 fe80::400:ff:fe00:1%epair0a prefixlen 64 scopeid 0x2
	nd6 options=8062<ACCEPT_RTADV,AUTO_LINKLOCAL,NO_RADR,DEFAULTIF>
`);
  });

  it('of a point-to-point link has a far end, which wants a length of 128', async () => {
    await golden(`
$ ifconfig gif create
gif0
$ ifconfig gif0 inet6 -auto_linklocal
$ ifconfig gif0 inet6 2001:db8::1 2001:db8::2
! ifconfig: ioctl (SIOCAIFADDR): Invalid argument
[1]
$ ifconfig gif0 inet6 2001:db8::1 2001:db8::2 prefixlen 128 no_dad
$ ifconfig gif0 inet6 fe80::1 fe80::2%gif0 prefixlen 128
$ ifconfig gif0 inet6
gif0: flags=8011<UP,POINTOPOINT,MULTICAST> metric 0 mtu 1280
	options=80000<LINKSTATE>
	inet6 2001:db8::1 --> 2001:db8::2 prefixlen 128
	inet6 fe80::1%gif0 --> fe80::2%gif0 prefixlen 128 scopeid 0x2
	nd6 options=101<PERFORMNUD,NO_DAD>
`);
  });

  it('of a tunnel is not verified when it is the first, as on FreeBSD; the link-local one is', async () => {
    const lab = new ToolLab();
    for (const line of ['gif create', 'gif0 inet6 2002:c000:201::1/64 up', 'lo0 inet 127.0.0.1/8', 'gif0 tunnel 127.0.0.1 192.0.2.2']) await lab.ok(`ifconfig ${line}`);
    const shown = await lab.ok('ifconfig gif0 inet6');
    expect(shown).toContain('\tinet6 2002:c000:201::1 prefixlen 64\n');
    expect(shown).toMatch(/\tinet6 fe80:\S+ prefixlen 64 tentative scopeid/);
    await lab.ok('ifconfig gif0 inet6 2002:c000:201::2/64');
    expect(await lab.ok('ifconfig gif0 inet6')).toContain('\tinet6 2002:c000:201::2 prefixlen 64 tentative\n');
  });

  it('is in the JSON with its flags and lifetimes', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    await lab.ok('ifconfig epair0a inet6 no_dad 2001:db8::1/64 pltime 10 vltime 20');
    const [a] = JSON.parse(await lab.ok('ifconfig --json epair0a')) as object[];
    expect(a).toMatchObject({ nd6: ['PERFORMNUD', 'AUTO_LINKLOCAL', 'NO_DAD'], addresses: [{ family: 'inet6', address: '2001:db8::1', prefixlen: 64, flags: [], pltime: 10, vltime: 20 }, { scopeid: 2 }] });
  });
});

describe('IPv6 switched on and off', () => {
  it('gives a link-local address when it is on, and keeps addresses when it is off', async () => {
    await golden(`
$ sysctl net.inet6.ip6.dad_count=0
net.inet6.ip6.dad_count: 1 -> 0
$ ifconfig epair create ether 06:00:00:00:00:01 up
epair0a
$ ifconfig epair0a inet6 -ifdisabled
$ ifconfig epair0a inet6
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	inet6 fe80::400:ff:fe00:1%epair0a prefixlen 64 scopeid 0x2
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig epair0a inet6 ifdisabled
$ sysctl net.inet6.ip6.dad_count=1
net.inet6.ip6.dad_count: 0 -> 1
$ ifconfig epair0b inet6 -auto_linklocal -ifdisabled up
$ ifconfig epair0b inet6
$ ifconfig epair0a inet6
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	inet6 fe80::400:ff:fe00:1%epair0a prefixlen 64 scopeid 0x2
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  });
});
