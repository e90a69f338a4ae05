/**
 * ifconfig.test.ts — ifconfig as its users see it: sessions whose transcript must come out as written, and what they leave in the kernel.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';

describe('showing', () => {
  it('prints an interface in the form of FreeBSD 14', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a 192.0.2.1/24 up descr "left end" group cables
$ ifconfig epair0a
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	description: left end
	options=8<VLAN_MTU>
	ether MAC
	inet 192.0.2.1 netmask 0xffffff00 broadcast 192.0.2.255
	groups: epair cables
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig epair0b ether 06:00:00:00:00:01 pcp 3 metric 2
$ ifconfig epair0b
epair0b: flags=8842<BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 2 mtu 1500
	options=8<VLAN_MTU>
	ether 06:00:00:00:00:01
	hwaddr MAC
	pcp 3
	groups: epair
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig -mD epair0a inet
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	description: left end
	options=8<VLAN_MTU>
	capabilities=8<VLAN_MTU>
	inet 192.0.2.1 netmask 0xffffff00 broadcast 192.0.2.255
	drivername: epair0
$ ifconfig epair0a ether
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	description: left end
	options=8<VLAN_MTU>
	ether MAC
`);
  });

  it('lists by state, family and group', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig tun create
tun0
$ ifconfig epair0a 192.0.2.1/24
$ ifconfig -l
lo0 epair0a epair0b tun0
$ ifconfig -lu
lo0 epair0a
$ ifconfig -ld
epair0b tun0
$ ifconfig -l inet
epair0a
$ ifconfig -l ether
epair0a epair0b
$ ifconfig -l inet6
lo0
$ ifconfig -g epair
epair0b
epair0a
$ ifconfig -g nothing
$ ifconfig -d -a -g "t?n"
tun0: flags=8010<POINTOPOINT,MULTICAST> metric 0 mtu 1500
	options=80000<LINKSTATE>
	groups: tun
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig -a -G "[a-e]*" -u
$ ifconfig -u epair0b mtu 1400
$ ifconfig -l nosuchfamily
! ifconfig: Address family 'nosuchfamily' unknown.
! usage: ifconfig [-j jail] [-f type:format] [-g groupname] [-C] [-L] interface address_family
!                 [address [dest_address]] [parameters]
!        ifconfig [-j jail] interface create
!        ifconfig [-j jail] -a [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v] [address_family]
!        ifconfig [-j jail] -l [-d] [-u] [address_family]
!        ifconfig [-j jail] [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v]
!        ifconfig [-j jail] --json [interface]
[1]
`);
  });

  it('answers in JSON', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    await lab.ok('ifconfig epair0a 192.0.2.1/24 up');
    await lab.ok('ifconfig vlan create vlandev epair0b vlan 5 vlanproto 802.1ad');
    await lab.ok('ifconfig bridge create addm epair0a');
    await lab.ok('ifconfig gif create');
    await lab.ok('ifconfig gif0 tunnel 192.0.2.1 192.0.2.2 10.0.0.1/32 10.0.0.2');
    const all = JSON.parse(await lab.ok('ifconfig --json')) as { name: string }[];
    expect(all.map((i) => i.name)).toEqual(['lo0', 'epair0a', 'epair0b', 'vlan0', 'bridge0', 'gif0']);
    const [a] = JSON.parse(await lab.ok('ifconfig --json epair0a')) as object[];
    expect(a).toMatchObject({
      name: 'epair0a', driver: 'epair0', mtu: 1500, flags: ['UP', 'BROADCAST', 'RUNNING', 'PROMISC', 'SIMPLEX', 'MULTICAST'], options: ['VLAN_MTU'], groups: ['epair'],
      addresses: [{ family: 'inet', address: '192.0.2.1', prefixlen: 24, netmask: '255.255.255.0', broadcast: '192.0.2.255' }], status: 'active',
    });
    expect(all.find((i) => i.name === 'vlan0')).toMatchObject({ vlan: { vlan: 5, vlanproto: '802.1ad', vlanpcp: 0, parent: 'epair0b' } });
    expect(all.find((i) => i.name === 'bridge0')).toMatchObject({ bridge: { priority: 32768, proto: 'rstp', members: [{ name: 'epair0a', flags: ['LEARNING', 'DISCOVER', 'AUTOEDGE', 'AUTOPTP'] }] } });
    expect(all.find((i) => i.name === 'gif0')).toMatchObject({ tunnel: { source: '192.0.2.1', destination: '192.0.2.2' }, addresses: [{ destination: '10.0.0.2' }] });
  });
});

describe('making and unmaking', () => {
  it('prints the new name when it is not the one typed', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair7 create
epair7a
$ ifconfig epair plumb up
epair1a
$ ifconfig vlan5 create
$ ifconfig lo create 127.0.0.2/32 up
lo1
$ ifconfig tap create name uplink
uplink
$ ifconfig -l
lo0 epair0a epair0b epair7a epair7b epair1a epair1b vlan5 lo1 uplink
$ ifconfig uplink destroy
$ ifconfig epair7b unplumb
$ ifconfig -l
lo0 epair0a epair0b epair1a epair1b vlan5 lo1
$ ifconfig -C
vxlan vlan gre lagg bridge ifb edsc vmnet tap tun lo gw disc epair stf gif
`);
  });

  it('makes a vlan with its parameters at the first word that is about the interface', async () => {
    const lab = await golden(`
$ ifconfig epair create
epair0a
$ ifconfig vlan create vlandev epair0a vlan 5 inet 10.0.0.1/24 up
vlan0
$ ifconfig vlan0
vlan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	ether MAC
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
	groups: vlan
	vlan: 5 vlanproto: 802.1q vlanpcp: 0 parent interface: epair0a
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
    expect(lab.kernel.vnet0.net.ifunit('vlan0')?.index).toBeGreaterThan(0);
  });

  it.each([
    ['foo create', 'SIOCIFCREATE2 (foo): Invalid argument'],
    ['epair01 create', 'SIOCIFCREATE2 (epair01): Invalid argument'],
    ['epair99999 create', 'SIOCIFCREATE2 (epair99999): No space left on device'],
    ['epair0 create', 'interface epair0 already exists'],
    ['epair0a create', 'interface epair0a already exists'],
    ['averyveryverylongname create', 'averyveryverylongname: cloning name too long'],
    ['nosuch', 'interface nosuch does not exist'],
    ['nosuch up', 'interface nosuch does not exist'],
    ['lo0 destroy', 'SIOCIFDESTROY: Invalid argument'],
    ['epair0a mtu 71', 'ioctl SIOCSIFMTU (set mtu): Invalid argument'],
    ['epair0a mtu 65536', 'ioctl SIOCSIFMTU (set mtu): Invalid argument'],
    ['epair0a mtu', "'mtu' requires argument"],
    ['epair0a name ""', 'ioctl SIOCSIFNAME (set name): Invalid argument'],
    ['epair0a name lo0', 'ioctl SIOCSIFNAME (set name): File exists'],
    ['epair0a name averyveryverylongname', 'ioctl SIOCSIFNAME (set name): File name too long'],
    [`epair0a descr ${'x'.repeat(1025)}`, 'ioctl SIOCSIFDESCR (set descr): File name too long'],
    ['epair0a ether 01:00:00:00:00:00', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a ether 00:01:02:03:04', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a ether what', 'malformed link-level address'],
    ['epair0a ether netmask 0', "can't set link-level netmask or broadcast"],
    ['tun0 ether 06:00:00:00:00:00', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a pcp 8', 'value for pcp out of range'],
    ['epair0a pcp x', 'invalid value for pcp'],
    ['lo0 pcp 1', 'SIOCSLANPCP: Invalid argument'],
    ['gif0 -pcp', 'SIOCSLANPCP: Invalid argument'],
    ['tun0 pcp 1', 'SIOCSLANPCP: Invalid argument'],
    ['epair0a group g1', 'setifgroup: group names may not end in a digit'],
    ['epair0a group averyveryverylongname', 'setifgroup: group name too long'],
    ['epair0a -group g1', 'unsetifgroup: group names may not end in a digit'],
    ['epair0a 10.0.0.256/8', '10.0.0.256: bad value'],
    ['epair0a nosuchword', 'nosuchword: bad value'],
    ['epair0a 10.0.0.1/33', '10.0.0.1/33: bad value (width too large)'],
    ['epair0a 10.0.0.1/x', '10.0.0.1/x: bad value (width invalid)'],
    ['epair0a inet 10.9.9.9 delete', 'ioctl (SIOCDIFADDR): Can\'t assign requested address'],
    ['tun0 10.0.0.1/24', 'ioctl (SIOCAIFADDR): Destination address required'],
    ['epair0a -ampdutx', '-ampdutx: 802.11 parameters are not available: this kernel is built without wlan'],
    ['epair0a vlan 5', 'both vlan and vlandev must be specified'],
    ['epair0a vlan x', 'invalid value for vlan'],
    ['epair0a vlan 65536', 'value for vlan out of range'],
    ['epair0a vlanproto 802.3', 'invalid value for vlanproto'],
    ['epair0a vlanpcp 9', 'value for vlanpcp out of range'],
    ['epair0a vlanpcp 1', 'SIOCSVLANPCP: Invalid argument'],
    ['epair0a -vlandev', 'SIOCGETVLAN: Invalid argument'],
    ['vlan create vlan 5', 'must specify a parent device for vlan create'],
    ['vlan create vlandev epair0a', 'must specify a tag for vlan create'],
    ['vlan create vlandev nosuch vlan 5', 'SIOCIFCREATE2 (vlan): Device not configured'],
    ['epair0a.4095 create', 'invalid vlan tag'],
    ['epair0a.0 create', 'invalid vlan tag'],
    ['epair0a.5 create vlan 6', 'ambiguous vlan specification'],
    ['epair0a addm epair0b', 'BRDGADD epair0b: Invalid argument'],
    ['epair0a deletetunnel', 'SIOCDIFPHYADDR: Invalid argument'],
    ['gif0 tunnel 10.0.0.1 what', 'error in parsing address string: Name does not resolve'],
    ['epair0a inet6 2001:db8::1/129', '129: bad value'],
    ['epair0a inet6 2001:db8::g/64', '2001:db8::g: bad value'],
    ['epair0a inet6 fe80::1%epair0b', 'fe80::1%epair0b: bad value'],
    ['epair0a inet6 2001:db8::1 prefixlen x', 'x: bad value'],
    ['epair0a inet6 2001:db8::1 vltime x', 'invalid vltime'],
    ['epair0a inet6 2001:db8::1 pltime 20 vltime 10', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a 192.0.2.1/24 pltime 20', 'pltime not allowed for the AF'],
    ['epair0a 192.0.2.1/24 anycast', 'address flags can be set only for inet6 addresses'],
    ['epair0a inet6 2001:db8::5/64 eui64', 'interface index is already filled'],
    ['epair0a inet6 2001:db8::/64 eui64', 'could not determine link local address'],
    ['epair0a inet6 ff02::5/64', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a inet6 2001:db8::1 delete', "ioctl (SIOCDIFADDR): Can't assign requested address"],
    ['epair0a inet6 delete', "ioctl (SIOCDIFADDR): Can't assign requested address"],
    ['epair0a inet6 2001:db8::1 2001:db8::2 prefixlen 128', 'ioctl (SIOCAIFADDR): Invalid argument'],
    ['epair0a vnet nosuch', 'jail "nosuch" not found'],
    ['epair0a vnet 99', 'jail 99 not found'],
    ['epair0a vnet 0', 'SIOCSIFVNET: Device not configured'],
    ['-j nosuch -l', 'jail not found: No such file or directory'],
  ])('refuses: ifconfig %s', async (words, complaint) => {
    const lab = new ToolLab();
    for (const name of ['epair', 'tun', 'gif']) await lab.ok(`ifconfig ${name} create`);
    const before = await lab.ok('ifconfig --json');
    const ran = await lab.sh(`ifconfig ${words}`);
    expect(ran).toEqual({ stdout: '', stderr: `ifconfig: ${complaint}\n`, exit: 1 });
    expect(await lab.ok('ifconfig --json')).toBe(before);
  });

  it('warns where FreeBSD only warns', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a fib 99
! ifconfig: ioctl (SIOCSIFFIB): Invalid argument
$ ifconfig epair0a tunnelfib 0
! ifconfig: ioctl (SIOCSTUNFIB): Invalid argument
$ ifconfig epair0a fib x
! ifconfig: fib x not valid: Invalid argument
$ ifconfig epair0a tunnel 10.0.0.1 10.0.0.2
! ifconfig: SIOCSIFPHYADDR: Invalid argument
$ ifconfig epair0a inet6 ifdisabled -auto_linklocal
$ ifconfig epair0a group g group g -group other
$ ifconfig -f inet,ether: -l
lo0 epair0a epair0b
! ifconfig: Skipping invalid format specification: inet
! 
! ifconfig: Skipping invalid format specification: ether:
! 
`);
  });
});

describe('addresses', () => {
  it('replaces, adds and deletes as SIOCAIFADDR and SIOCDIFADDR do', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const addrs = async (): Promise<string[]> => [...(await lab.ok('ifconfig -f inet:cidr epair0a inet')).matchAll(/\tinet (\S+)/g)].map((m) => m[1] ?? '');
    const steps: readonly (readonly [words: string, expected: readonly string[]])[] = [
      ['10.0.0.1/24', ['10.0.0.1/24']],
      ['inet 10.0.1.1/24 alias', ['10.0.0.1/24', '10.0.1.1/24']],
      ['alias 10.0.2.1/24', ['10.0.0.1/24', '10.0.1.1/24', '10.0.2.1/24']],
      ['inet 10.0.3.1/24', ['10.0.1.1/24', '10.0.2.1/24', '10.0.3.1/24']],
      ['inet 10.0.2.1 -alias', ['10.0.1.1/24', '10.0.3.1/24']],
      ['delete 10.0.3.1', ['10.0.1.1/24']],
      ['inet 10.0.1.1 netmask 255.255.0.0', ['10.0.1.1/16']],
      ['inet add 0x0a000501 netmask 0xffffff00', ['10.0.1.1/16', '10.0.5.1/24']],
      ['-alias', ['10.0.5.1/24']],
      ['remove', []],
      ['remove', []],
    ];
    for (const [words, expected] of steps) {
      await lab.ok(`ifconfig epair0a ${words}`);
      expect(await addrs(), words).toEqual(expected);
    }
  });

  it('sets broadcast and the far end', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a inet 10.0.0.1 netmask 255.255.255.0 broadcast 10.0.0.0
$ ifconfig epair0a inet
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.0
$ ifconfig tun create
tun0
$ ifconfig tun0 10.1.0.1/24 10.1.0.2 up
$ ifconfig tun0 inet
tun0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu 1500
	options=80000<LINKSTATE>
	inet 10.1.0.1 --> 10.1.0.2 netmask 0xffffff00
$ ifconfig lo0 localhost/8
$ ifconfig lo0 inet
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet 127.0.0.1 netmask 0xff000000
`);
  });

  it('takes the mask of the class when none is given, and says so', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const warning = 'ifconfig: WARNING: setting interface address without mask is deprecated,\ndefault mask may not be correct.\n';
    for (const [addr, plen] of [['10.0.0.1', 8], ['172.16.0.1', 16], ['192.0.2.1', 24]] as const) {
      expect(await lab.sh(`ifconfig epair0a ${addr}`)).toEqual({ stdout: '', stderr: warning, exit: 0 });
      expect(await lab.ok('ifconfig -f inet:cidr epair0a inet')).toContain(`${addr}/${plen}`);
    }
    expect(await lab.sh('ifconfig lo0 127.0.0.1')).toEqual({ stdout: '', stderr: '', exit: 0 });
  });
});

describe('flags and capabilities', () => {
  it('sets and clears every flag word', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const flags = async (): Promise<string> => /<(.*?)>/.exec(await lab.ok('ifconfig epair0a'))?.[1] ?? '';
    const always = 'BROADCAST,RUNNING,SIMPLEX,MULTICAST';
    const on: readonly (readonly [word: string, shown: string])[] = [
      ['up', `UP,${always}`], ['debug', 'BROADCAST,DEBUG,RUNNING,SIMPLEX,MULTICAST'], ['link0', 'BROADCAST,RUNNING,SIMPLEX,LINK0,MULTICAST'],
      ['link1', 'BROADCAST,RUNNING,SIMPLEX,LINK1,MULTICAST'], ['link2', 'BROADCAST,RUNNING,SIMPLEX,LINK2,MULTICAST'], ['monitor', `${always},MONITOR`],
      ['staticarp', `${always},STATICARP`], ['stickyarp', `${always},STICKYARP`], ['promisc', 'BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST,PPROMISC'],
    ];
    for (const [word, shown] of on) {
      await lab.ok(`ifconfig epair0a ${word}`);
      expect(await flags(), word).toBe(shown);
      await lab.ok(`ifconfig epair0a ${word === 'up' ? 'down' : `-${word}`}`);
      expect(await flags(), `-${word}`).toBe(always);
    }
    await lab.ok('ifconfig epair0a -arp');
    expect(await flags()).toBe('BROADCAST,RUNNING,NOARP,SIMPLEX,MULTICAST');
    await lab.ok('ifconfig epair0a arp');
    expect(await flags()).toBe(always);
  });

});

it('gives Ethernet interfaces a PCP; a vlan has one of its own', async () => {
  await golden(`
$ ifconfig epair create pcp 3
epair0a
$ ifconfig vlan create vlandev epair0a vlan 5 vlanpcp 2
vlan0
$ ifconfig vlan0 pcp 3
! ifconfig: SIOCSLANPCP: Invalid argument
[1]
$ ifconfig vlan0 vlanpcp 7
$ ifconfig bridge create pcp 1 -pcp
bridge0
`);
});

describe('bridges', () => {
  it('shows members and addresses, and takes every parameter', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair create
epair1a
$ ifconfig bridge create addm epair0a addm epair1a up
bridge0
$ ifconfig bridge0 private epair0a -discover epair0a sticky epair0a ifmaxaddr epair0a 10 ifpathcost epair0a 77 ifpriority epair0a 64
$ ifconfig bridge0 maxaddr 100 timeout 60 priority 4096 fwddelay 10 maxage 18 holdcnt 5 proto stp hellotime 1
$ ifconfig bridge0
bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	ether MAC
	id 00:00:00:00:00:00 priority 4096 hellotime 1 fwddelay 10
	maxage 18 holdcnt 5 proto stp maxaddr 100 timeout 60
	root id 00:00:00:00:00:00 priority 4096 ifcost 0 port 0
	member: epair1a flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
	        ifmaxaddr 0 port 4 priority 128 path cost 2000
	member: epair0a flags=d51<LEARNING,STICKY,PRIVATE,AUTOEDGE,AUTOPTP>
	        ifmaxaddr 10 port 2 priority 64 path cost 77
	groups: bridge
	nd6 options=9<PERFORMNUD,IFDISABLED>
$ ifconfig bridge0 static epair0a 00:01:02:03:04:05
$ ifconfig bridge0 addr
00:01:02:03:04:05 Vlan0 epair0a 0 flags=1<STATIC>
$ ifconfig bridge0 flush addr
00:01:02:03:04:05 Vlan0 epair0a 0 flags=1<STATIC>
$ ifconfig bridge0 deladdr 00:01:02:03:04:05 addr
$ ifconfig bridge0 static epair0a 00:01:02:03:04:06 flushall addr
$ ifconfig bridge0 deletem epair0a span epair0a
$ ifconfig bridge0 -span epair0a deletem epair1a
$ ifconfig epair0a addr
! ifconfig: unable to get address cache: Invalid argument
[1]
`);
  });

  it('shows the spanning tree: who is root, and what each port does', async () => {
    const lab = await golden(`
$ ifconfig epair create up
epair0a
$ ifconfig epair0b up
$ ifconfig bridge create addm epair0a addm epair0b stp epair0a stp epair0b edge epair0b up
bridge0
$ ifconfig bridge0
bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	ether MAC
	id MAC priority 32768 hellotime 2 fwddelay 15
	maxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200
	root id MAC priority 32768 ifcost 0 port 0
	member: epair0b flags=3c7<LEARNING,DISCOVER,STP,AUTOEDGE,PTP,AUTOPTP>
	        ifmaxaddr 0 port 3 priority 128 path cost 2000 proto rstp
	        role backup state discarding
	member: epair0a flags=1c7<LEARNING,DISCOVER,STP,AUTOEDGE,PTP,AUTOPTP>
	        ifmaxaddr 0 port 2 priority 128 path cost 2000 proto rstp
	        role designated state forwarding
	groups: bridge
	nd6 options=9<PERFORMNUD,IFDISABLED>
`);
    const shown: unknown = JSON.parse(await lab.ok('ifconfig --json bridge0'));
    expect(shown).toMatchObject([{
      bridge: {
        root: { priority: 32768, ifcost: 0, port: 0 },
        members: [{ name: 'epair0b', proto: 'rstp', role: 'backup', state: 'discarding' }, { name: 'epair0a', proto: 'rstp', role: 'designated', state: 'forwarding' }],
      },
    }]);
  });

  it.each([
    ['addm nosuch', 'BRDGADD nosuch: No such file or directory'],
    ['addm epair0a', 'BRDGADD epair0a: File exists'],
    ['addm lo0', 'BRDGADD lo0: Invalid argument'],
    ['deletem epair1a', 'BRDGDEL epair1a: No such file or directory'],
    ['span epair0a', 'BRDGADDS epair0a: Device busy'],
    ['-span epair1a', 'BRDGDELS epair1a: No such file or directory'],
    ['private epair1a', 'unable to get bridge flags: No such file or directory'],
    ['stp epair1a', 'unable to get bridge flags: No such file or directory'],
    ['stp gif0', 'unable to set bridge flags: Invalid argument'],
    ['static epair1a 00:01:02:03:04:05', 'BRDGSADDR epair1a: No such file or directory'],
    ['static epair0a 00:01:02:03:04', 'epair0a: invalid address: 00:01:02:03:04'],
    ['static epair0a', "'static' requires 2 arguments"],
    ['deladdr 00:01:02:03:04', 'invalid address: 00:01:02:03:04'],
    ['deladdr 00:01:02:03:04:05', 'BRDGDADDR 00:01:02:03:04:05: No such file or directory'],
    ['maxaddr -1', 'invalid value: -1'],
    ['timeout 4294967296', 'invalid value: 4294967296'],
    ['hellotime 256', 'invalid value: 256'],
    ['proto mstp', 'unknown stp protocol'],
    ['ifpriority epair0a 256', 'invalid value: 256'],
  ])('refuses: ifconfig bridge0 %s', async (words, complaint) => {
    const lab = new ToolLab();
    for (const line of ['epair create', 'epair create', 'gif create', 'bridge create addm epair0a addm gif0']) await lab.ok(`ifconfig ${line}`);
    expect(await lab.sh(`ifconfig bridge0 ${words}`)).toEqual({ stdout: '', stderr: `ifconfig: ${complaint}\n`, exit: 1 });
  });
});

describe('vlans', () => {
  it('binds with whichever word comes last, and follows a new tag', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    for (const unit of [0, 1, 2]) await lab.ok(`ifconfig vlan${unit} create`);
    const vlan = async (name: string): Promise<string> => /\tvlan: (.*)/.exec(await lab.ok(`ifconfig ${name}`))?.[1] ?? '';
    expect(await vlan('vlan0')).toBe('0 vlanproto: 0x0000 vlanpcp: 0 parent interface: <none>');
    await lab.ok('ifconfig vlan0 vlan 7 vlandev epair0a');
    await lab.ok('ifconfig vlan1 vlandev epair0a vlan 8 vlanpcp 5');
    await lab.ok('ifconfig vlan2 vlanproto 802.1ad vlan 9 vlandev epair0b');
    expect(await vlan('vlan0')).toBe('7 vlanproto: 802.1q vlanpcp: 0 parent interface: epair0a');
    expect(await vlan('vlan1')).toBe('8 vlanproto: 802.1q vlanpcp: 5 parent interface: epair0a');
    expect(await vlan('vlan2')).toBe('9 vlanproto: 802.1ad vlanpcp: 0 parent interface: epair0b');
    await lab.ok('ifconfig vlan1 vlandev epair0a vlan 10');
    await lab.ok('ifconfig vlan2 vlan 11');
    expect(await vlan('vlan1')).toContain('10 vlanproto: 802.1q');
    expect(await vlan('vlan2')).toContain('11 vlanproto: 802.1ad');
    expect((await lab.sh('ifconfig vlan0 vlan 10')).stderr).toBe('ifconfig: SIOCSETVLAN: File exists\n');
    expect((await lab.sh('ifconfig vlan0 vlandev epair0b vlan 3')).stderr).toBe('ifconfig: SIOCSETVLAN: Device busy\n');
    await lab.ok('ifconfig vlan0 -vlandev');
    expect(await vlan('vlan0')).toContain('<none>');
  });

  it('takes parent and tag from a name with a dot', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    expect(await lab.ok('ifconfig epair0a.5 create vlanproto 802.1ad')).toBe('');
    expect(await lab.ok('ifconfig epair0a.5.42 create')).toBe('');
    expect(await lab.ok('ifconfig epair0a.5.42')).toContain('\tvlan: 42 vlanproto: 802.1q vlanpcp: 0 parent interface: epair0a.5\n');
    expect((await lab.sh('ifconfig epair0a.5 destroy')).stderr).toBe('ifconfig: SIOCIFDESTROY: Device busy\n');
  });
});

describe('jails', () => {
  it('moves interfaces in and out', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ jail -c name=a persist vnet
$ jail -c name=b persist
$ ifconfig epair0b vnet a
$ ifconfig -l
lo0 epair0a
$ ifconfig -j a -l
lo0 epair0b
$ jexec a ifconfig epair0b name up0
up0
$ ifconfig epair0a vnet b
! ifconfig: SIOCSIFVNET: File exists
[1]
$ ifconfig up0 -vnet b
! ifconfig: SIOCSIFRVNET(2, up0): Device not configured
[1]
$ ifconfig up0 -vnet 1 name epair0b 10.0.0.1/24
epair0b
$ ifconfig up0 -vnet 1
! ifconfig: SIOCSIFRVNET(1, up0): Device not configured
[1]
$ ifconfig epair0b vnet a
$ jail -r a
$ ifconfig -l
lo0 epair0a epair0b
`);
  });

  it('lets a jail without a network look and not touch', async () => {
    const lab = await golden(`
$ ifconfig epair create
epair0a
$ ifconfig bridge create
bridge0
$ jail -c name=b persist
$ jexec b ifconfig -l
lo0 epair0a epair0b bridge0
$ jexec b ifconfig epair0a up
! ifconfig: up: permission denied
[1]
$ jexec b ifconfig epair0a 10.0.0.1/24
! ifconfig: ioctl (SIOCAIFADDR): permission denied
[1]
$ jexec b ifconfig epair0a destroy
! ifconfig: SIOCIFDESTROY: Operation not permitted
[1]
$ jexec b ifconfig lo create
! ifconfig: SIOCIFCREATE2 (lo): Operation not permitted
[1]
$ jexec b ifconfig bridge0 addm epair0a
! ifconfig: BRDGADD epair0a: Operation not permitted
[1]
`);
    expect(lab.kernel.vnet0.net.ifunit('epair0a')?.isUp).toBe(false);
  });

  it('hides what a lent vlan is bound to', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig vlan create vlandev epair0a vlan 5
vlan0
$ jail -c name=a persist vnet vnet.interface=vlan0
$ jexec a ifconfig vlan0
vlan0: flags=8842<BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	ether MAC
	groups: vlan
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ jexec a ifconfig vlan0 vlanpcp 3
! ifconfig: SIOCSVLANPCP: Operation not permitted
[1]
$ jexec a ifconfig vlan0 -vlandev
! ifconfig: SIOCGETVLAN: Operation not permitted
[1]
$ jexec a ifconfig vlan0 vlan 6
! ifconfig: both vlan and vlandev must be specified
[1]
`);
  });

  it('puts nothing in the kernel that its undoing leaves there', async () => {
    const lab = new ToolLab();
    const { shared, engine } = lab.kernel;
    const before = [shared.attached, engine.pool.inUse, engine.callouts.armed];
    for (const line of [
      'ifconfig epair create', 'ifconfig bridge create addm epair0a up', 'jail -c name=a persist vnet vnet.interface=epair0b', 'jexec a ifconfig epair0b 10.0.0.1/24',
      'jexec a ifconfig vlan create vlandev epair0b vlan 3 10.1.0.1/24', 'jail -r a', 'ifconfig bridge0 destroy', 'ifconfig epair0a destroy',
    ]) await lab.ok(line);
    expect([shared.attached, engine.pool.inUse, engine.callouts.armed]).toEqual(before);
    expect(lab.kernel.vnets).toHaveLength(1);
  });
});

const NAMES = ['epair', 'epair0a', 'epair0b', 'epair0a.5', 'bridge', 'bridge0', 'vlan', 'vlan0', 'vxlan', 'vxlan0', 'gif0', 'tun0', 'lo0', 'lo1', 'x0', '-a', '-l', '-j', '--json', '-g', '-C', '-v'];
/** Words that mean something, with what may follow them, and some that do not. */
const WORDS = [
  'create', 'destroy', 'up', 'down', 'inet', 'ether', 'inet6', 'alias', 'delete', '-alias', '10.0.0.1/24', '10.0.0.2', '10.0.0.0/33', 'netmask 255.255.255.0', 'netmask', 'broadcast 10.0.0.3',
  'mtu 1400', 'mtu 9000', 'name x0', 'name lo0', 'addm epair0a', 'addm epair0b', 'addm gif0', 'deletem epair0a', 'span epair0b', '-span epair0b', 'static epair0a 00:01:02:03:04:05', 'addr',
  'vlandev epair0a', 'vlandev epair0b', 'vlandev vlan0', 'vlan 5', '-vlandev', 'vlanproto 802.1ad', 'vlanpcp 3', 'tunnel 10.0.0.1 10.0.0.2', 'deletetunnel', 'vnet j', '-vnet j', 'group g',
  '-group g', 'descr x', '-descr', 'promisc', '-promisc', '-arp', 'fib 1', 'pcp 3', '-pcp', 'random', '00:01:02:03:04:06', 'private epair0a', 'sticky epair0a', 'flushall', 'media x', 'ifdisabled',
  'vxlanid 5', 'vxlanlocal 10.0.0.1', 'vxlanremote 10.0.0.2', 'vxlangroup 239.0.0.1', 'vxlandev epair0a', 'vxlandev vxlan0', 'vxlanflushall', 'vxlanportrange 1 2', '-vxlanlearn',
  'nosuch', '',
];
const LINE = fc.tuple(fc.constantFrom(...NAMES), fc.array(fc.constantFrom(...WORDS), { maxLength: 4 })).map(([name, words]) => [name, ...words.flatMap((w) => w.split(' '))]);

it('answers any words at all without falling over, and leaves a whole kernel', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(LINE, { minLength: 10, maxLength: 40, size: 'max' }), async (lines) => {
      const lab = new ToolLab();
      for (const line of ['ifconfig epair create', 'ifconfig bridge create addm epair0a', 'ifconfig gif create', 'ifconfig tun create', 'jail -c name=j persist vnet']) await lab.ok(line);
      for (const line of lines) {
        const ran = await lab.sh(['ifconfig', ...line]);
        expect([0, 1]).toContain(ran.exit);
        expect(ran.exit === 0 || ran.stderr !== '').toBe(true);
        const { ifnets } = lab.kernel.vnet0.net;
        expect(new Set(ifnets.map((ifp) => ifp.xname)).size).toBe(ifnets.length);
      }
      await lab.ok('jail -R *');
      for (const ifp of [...lab.kernel.vnet0.net.ifnets]) await lab.sh(`ifconfig ${ifp.xname} destroy`);
      await lab.sh('ifconfig vlan0 destroy');
      expect(lab.kernel.engine.pool.inUse).toBe(0);
    }),
    { numRuns: 60 },
  );
});
