/**
 * vxlan.test.ts — `ifconfig vxlan…` as its users see it, and the sysctls beside it.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

/** Runs the session; it must come out as it is written. */
async function golden(session: string): Promise<ToolLab> {
  const lab = new ToolLab();
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
  return lab;
}

const UNDERLAY = `
$ ifconfig epair create
epair0a
$ ifconfig epair0a 192.0.2.1/24 up
$ ifconfig epair0b up
`.replace(/^\n/, '');

describe('a vxlan', () => {
  it('is made, configured and shown in the form of FreeBSD 14', async () => {
    const lab = await golden(`${UNDERLAY}$ ifconfig vxlan create vxlanid 108 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.2 inet 10.0.0.1/24
vxlan0
$ ifconfig vxlan0
vxlan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1450
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
	groups: vxlan
	vxlan vni 108 local 192.0.2.1:4789 remote 192.0.2.2:4789
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig vxlan0 vxlanid 109
! ifconfig: VXLAN_CMD_SET_VNI: Device busy
[1]
$ ifconfig vxlan0 down
$ ifconfig vxlan0 vxlanid 109 vxlanlocalport 8472 vxlanremoteport 8473 vxlanttl 0x20 vxlantimeout 300 vxlanmaxaddr 20 -vxlanlearn vxlanportrange 20000 20099 up
$ ifconfig -v vxlan0
vxlan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1450
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
	groups: vxlan
	vxlan vni 109 local 192.0.2.1:8472 remote 192.0.2.2:8473
		config: nolearning portrange 20000-20099 ttl 32
		ftable: cnt 0 max 20 timeout 300
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
	drivername: vxlan0
$ ifconfig vxlan0 vxlanflush vxlanflushall vxlanlearn
$ sysctl net.link.vxlan
net.link.vxlan.0.ftable.count: 0
net.link.vxlan.0.ftable.max: 20
net.link.vxlan.0.ftable.timeout: 300
net.link.vxlan.0.stats.ftable_lock_upgrade_failed: 0
net.link.vxlan.0.stats.ftable_nospace: 0
net.link.vxlan.0.stats.loops: 0
net.link.vxlan.0.stats.rxcsum: 0
net.link.vxlan.0.stats.tso: 0
net.link.vxlan.0.stats.txcsum: 0
net.link.vxlan.legacy_port: 0
net.link.vxlan.reuse_port: 0
$ sysctl net.link.vxlan.0.ftable.dump
net.link.vxlan.0.ftable.dump:${' '}
$ ifconfig vxlan0 down
$ ifconfig vxlan0 vxlandev epair0a vxlanttl 256 up
$ ifconfig vxlan0 vxlandev x
$ ifconfig vxlan0
vxlan0: flags=8803<UP,BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1450
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
	groups: vxlan
	vxlan vni 109 local 192.0.2.1:8472 remote 192.0.2.2:8473
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig vxlan0 down vxlandev epair0a vxlangroup 239.0.0.1 up
$ ifconfig vxlan0
vxlan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1450
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	inet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255
	groups: vxlan
	vxlan vni 109 local 192.0.2.1:8472 group 239.0.0.1:8473
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig vxlan0 destroy
$ sysctl net.link.vxlan
net.link.vxlan.legacy_port: 0
net.link.vxlan.reuse_port: 0
`);
    expect(lab.log).toEqual(['vnet0: vxlan0: cannot initialize interface: can only specify interface with a group address']);
  });

  it('takes its words in any order, before and after it is made, and without any', async () => {
    await golden(`${UNDERLAY}$ ifconfig vxlan7 create
$ ifconfig vxlan7
vxlan7: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1470
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	groups: vxlan
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig vxlan7 vni 5
$ ifconfig vxlan7 link
vxlan7: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1470
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
$ ifconfig vxlan7 vxlanremote 192.0.2.9 vxlanlocalport 5000 tunnelfib 0 up
$ ifconfig vxlan create mtu 9000 vxlanid 6 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.2 up
vxlan0
$ ifconfig vxlan0
vxlan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 9000
	options=80020<JUMBO_MTU,LINKSTATE>
	ether MAC
	groups: vxlan
	vxlan vni 6 local 192.0.2.1:4789 remote 192.0.2.2:4789
	media: Ethernet autoselect (autoselect <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig -g vxlan
vxlan7
vxlan0
`);
  });

  it('complains as FreeBSD does', async () => {
    const lab = await golden(`${UNDERLAY}$ ifconfig vxlan create vxlanid 16777216
! ifconfig: invalid network identifier: 16777216
[1]
$ ifconfig vxlan create vxlanid five
! ifconfig: invalid network identifier: five
[1]
$ ifconfig vxlan create vxlanlocal 239.0.0.1
! ifconfig: local address cannot be multicast
[1]
$ ifconfig vxlan create vxlanremote 239.0.0.1
! ifconfig: remote address cannot be multicast
[1]
$ ifconfig vxlan create vxlangroup 192.0.2.1
! ifconfig: group address must be multicast
[1]
$ ifconfig vxlan create vxlanlocal nowhere
! ifconfig: error in parsing local address string: Name does not resolve
[1]
$ ifconfig vxlan create vxlanremote 2001:db8::1
! ifconfig: remote address 2001:db8::1 not supported
[1]
$ ifconfig vxlan create vxlanlocalport 65535
! ifconfig: invalid local port: 65535
[1]
$ ifconfig vxlan create vxlanremoteport x
! ifconfig: invalid remote port: x
[1]
$ ifconfig vxlan create vxlanportrange 5
! ifconfig: 'vxlanportrange' requires 2 arguments
[1]
$ ifconfig vxlan create vxlanportrange 5 4
! ifconfig: invalid port range
[1]
$ ifconfig vxlan create vxlanttl 257
! ifconfig: invalid TTL value: 257
[1]
$ ifconfig vxlan create vxlanid
! ifconfig: 'vxlanid' requires argument
[1]
$ ifconfig -l
lo0 epair0a epair0b
$ ifconfig vxlan0 create
$ ifconfig vxlan0 vxlantimeout 86401
! ifconfig: VXLAN_CMD_SET_FTABLE_TIMEOUT: Invalid argument
[1]
$ ifconfig vxlan0 vxlanmaxaddr 2001
! ifconfig: VXLAN_CMD_SET_FTABLE_MAX: Invalid argument
[1]
$ ifconfig vxlan0 vxlanlocalport 0
! ifconfig: VXLAN_CMD_SET_LOCAL_PORT: Invalid argument
[1]
$ ifconfig epair0a vxlanflush
! ifconfig: VXLAN_CMD_FLUSH: Invalid argument
[1]
$ ifconfig epair0a vxlanid 5
$ ifconfig vxlan0 vxlanid 5 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.2 up
$ ifconfig vxlan create vxlanid 5 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.3 up
vxlan1
$ ifconfig vxlan create vxlanid 5 vxlanlocal 192.0.2.7 vxlanremote 192.0.2.3 up
vxlan2
`);
    expect(lab.log).toEqual([
      'vnet0: vxlan1: network identifier 5 already exists in this socket',
      'vnet0: vxlan2: cannot bind socket: 49',
      'vnet0: vxlan2: cannot create socket (error: 49), and no existing socket found',
    ]);
  });

  it('shows in JSON, and in a jail that borrows it nothing of where it leads', async () => {
    const lab = await golden(`${UNDERLAY}$ jail -c name=j persist vnet
$ ifconfig vxlan create vxlanid 5 vxlanlocal 192.0.2.1 vxlanremote 192.0.2.2
vxlan0
`);
    const vxlan = (text: string): unknown => (JSON.parse(text) as { vxlan?: unknown }[])[0]?.vxlan;
    expect(vxlan(await lab.ok('ifconfig --json vxlan0'))).toEqual({
      vni: 5, local: '192.0.2.1', localport: 4789, remote: '192.0.2.2', remoteport: 4789, portrange: [10000, 65535], learn: true, ttl: 64, addresses: 0, maxaddr: 2000, timeout: 1200,
    });
    await lab.ok('ifconfig vxlan0 vnet j');
    await lab.ok('jexec j ifconfig vxlan0 10.0.0.1/24 up');
    expect(await lab.ok('jexec j ifconfig vxlan0')).not.toContain('vni');
    expect(await lab.ok('jexec j ifconfig vxlan0')).toContain('RUNNING');
    expect((await lab.sh('jexec j ifconfig vxlan0 vxlanttl 5')).stderr).toBe('ifconfig: VXLAN_CMD_SET_TTL: Operation not permitted\n');
    await lab.ok('jail -r j');
    expect(await lab.ok('ifconfig vxlan0')).toContain('vxlan vni 5 local 192.0.2.1:4789 remote 192.0.2.2:4789');
    await lab.ok('ifconfig vxlan0 destroy');
    await lab.ok('ifconfig epair0a destroy');
    expect([lab.kernel.engine.pool.inUse, lab.kernel.vnet0.udp.pcbs.count]).toEqual([0, 0]);
  });
});
