/**
 * lagg.test.ts — the words of lagg(4) and how a lagg is shown: sessions whose transcript must come out as written.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

/** A lab with two cables, their near ends up. */
async function bench(): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const line of ['ifconfig epair create', 'ifconfig epair create', 'ifconfig epair0a up', 'ifconfig epair1a up', 'ifconfig epair0b up', 'ifconfig epair1b up']) await lab.sh(line);
  return lab;
}

async function golden(lab: ToolLab, session: string): Promise<void> {
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
}

describe('ifconfig lagg', () => {
  it('makes one and shows it', async () => {
    await golden(await bench(), `
$ ifconfig lagg0 create laggtype ethernet laggport epair0a laggport epair1a 192.0.2.2/24 up
$ ifconfig lagg0
lagg0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	inet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255
	laggproto failover lagghash l2,l3,l4
	laggport: epair0a flags=5<MASTER,ACTIVE>
	laggport: epair1a flags=0<>
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig epair1a
epair1a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	hwaddr MAC
	groups: epair
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig lagg0 -laggport epair0a -laggport epair1a
$ ifconfig lagg0 inet
lagg0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=0
	inet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255
$ ifconfig lagg create
lagg1
$ ifconfig lagg1
lagg1: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=800000<HWSTATS>
	ether 00:00:00:00:00:00
	laggproto failover lagghash l2,l3,l4
	groups: lagg
	media: Ethernet autoselect
	status: no carrier
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  });

  it('shows every protocol, option and statistic with -v', async () => {
    await golden(await bench(), `
$ ifconfig lagg0 create
$ ifconfig epair0a ether 06:00:00:00:00:01
$ ifconfig lagg0 laggproto roundrobin rr_limit 5 lagghash l3,l4 use_flowid -use_numa flowid_shift 8 laggport epair0a
$ ifconfig -v lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether 06:00:00:00:00:01
	laggproto roundrobin lagghash l3,l4
	lagg options:
		flags=1<USE_FLOWID>
		flowid_shift: 8
		rr_limit: 5
	lagg statistics:
		active ports: 1
		flapping: 0
	laggport: epair0a flags=4<ACTIVE>
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
	drivername: lagg0
$ ifconfig lagg0 laggproto lacp lacp_fast_timeout -lacp_strict
$ ifconfig -v lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether 06:00:00:00:00:01
	laggproto lacp lagghash l3,l4
	lagg options:
		flags=81<USE_FLOWID,LACP_FAST_TIMO>
		flowid_shift: 8
	lagg statistics:
		active ports: 0
		flapping: 0
	lag id: [(0000,00-00-00-00-00-00,0000,0000,0000),
		 (0000,00-00-00-00-00-00,0000,0000,0000)]
	laggport: epair0a flags=0<> state=87<ACTIVITY,TIMEOUT,AGGREGATION,EXPIRED>
		[(8000,06-00-00-00-00-01,00D2,8000,0002),
		 (0000,00-00-00-00-00-00,0000,0000,0000)]
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
	drivername: lagg0
`);
  });

  it('complains in FreeBSD\'s words; a port that cannot join does not stop the others', async () => {
    await golden(await bench(), `
$ ifconfig lagg0 create
$ ifconfig bridge0 create
$ ifconfig lagg0 laggport nope laggport bridge0 laggport epair0a laggport epair0a up
! ifconfig: lagg0 nope: SIOCSLAGGPORT: Invalid argument
! ifconfig: lagg0 bridge0: SIOCSLAGGPORT: Protocol not supported
[1]
$ ifconfig lagg1 create laggport epair0a
! ifconfig: lagg1 epair0a: SIOCSLAGGPORT: Device busy
[1]
$ ifconfig lagg0 laggport lagg1
! ifconfig: lagg0 lagg1: SIOCSLAGGPORT: Invalid argument
[1]
$ ifconfig lagg0 -laggport epair1a
! ifconfig: SIOCSLAGGDELPORT: No such file or directory
[1]
$ ifconfig lagg0 laggproto trunk
! ifconfig: Invalid aggregation protocol: trunk
[1]
$ ifconfig lagg0 lagghash l2,l5
! ifconfig: Invalid lagghash option: l5
[1]
$ ifconfig lagg0 flowid_shift 32
! ifconfig: Invalid flowid_shift option: 32
[1]
$ ifconfig lagg0 rr_limit none
! ifconfig: Invalid round-robin stride: none
[1]
$ ifconfig lagg0 rr_limit 3
! ifconfig: SIOCSLAGGOPTS: Invalid argument
[1]
$ ifconfig lagg0 lacp_strict
! ifconfig: SIOCSLAGGOPTS: Invalid argument
[1]
$ ifconfig epair1a laggproto lacp
! ifconfig: SIOCSLAGG: Invalid argument
[1]
$ ifconfig epair0a mtu 1400
! ifconfig: ioctl SIOCSIFMTU (set mtu): Invalid argument
[1]
$ ifconfig bridge0 addm epair0a
! ifconfig: BRDGADD epair0a: Invalid argument
[1]
$ ifconfig lagg2 create laggtype infiniband
! ifconfig: invalid lagg type: infiniband
[1]
$ kldload -n if_lagg
$ ifconfig lagg0 destroy
$ ifconfig lagg1 destroy
`);
  });
});

it('netstat counts what the ports carry, and lacp\'s PDUs', async () => {
  const lab = await bench();
  for (const line of ['ifconfig lagg0 create laggproto lacp laggport epair0a laggport epair1a up', 'ifconfig lagg1 create laggproto lacp laggport epair0b laggport epair1b up']) await lab.sh(line);
  await lab.sh('sleep 10');
  expect((await lab.sh('ifconfig lagg1')).stdout).toMatch(/laggport: epair0b flags=1c<ACTIVE,COLLECTING,DISTRIBUTING>\n/);
  const { stdout } = await lab.sh('netstat -s -p lacp');
  expect(stdout).toMatch(/^lacp:\n\t[1-9][0-9]* PDUs received\n\t0 malformed PDUs dropped\n/);
  expect(JSON.parse((await lab.sh('ifconfig --json lagg0')).stdout)).toMatchObject([{
    lagg: { laggproto: 'lacp', lagghash: ['l2', 'l3', 'l4'], ports: [{ name: 'epair0a', flags: ['ACTIVE', 'COLLECTING', 'DISTRIBUTING'] }, { name: 'epair1a' }] },
  }]);
});

it('who borrows a lagg uses it, and changes nothing of the lender\'s', async () => {
  const lab = await bench();
  await golden(lab, `
$ ifconfig epair create
epair2a
$ jail -c name=j vnet persist vnet.interface=epair2b
$ ifconfig lagg0 create laggport epair0a laggport epair1a mtu 1400 vnet j
$ jexec j ifconfig lagg0 192.0.2.2/24 up
$ jexec j ifconfig lagg0 mtu 1300
! ifconfig: ioctl SIOCSIFMTU (set mtu): Operation not permitted
[1]
$ jexec j ifconfig lagg0 ether 06:00:00:00:00:55
! ifconfig: ioctl (SIOCAIFADDR): permission denied
[1]
$ jexec j ifconfig lagg0 laggproto lacp
! ifconfig: SIOCSLAGG: Operation not permitted
[1]
$ jexec j ifconfig lagg0 lagghash l2
! ifconfig: SIOCSLAGGHASH: Operation not permitted
[1]
$ jexec j ifconfig lagg0 use_flowid
! ifconfig: SIOCSLAGGOPTS: Operation not permitted
[1]
$ jexec j ifconfig lagg0 lacp_strict
! ifconfig: SIOCSLAGGOPTS: Operation not permitted
[1]
$ jexec j ifconfig lagg0 flowid_shift 3
! ifconfig: SIOCSLAGGOPTS: Operation not permitted
[1]
$ jexec j ifconfig lagg0 -laggport epair0a
! ifconfig: SIOCSLAGGDELPORT: Operation not permitted
[1]
$ jexec j ifconfig lagg0 laggport epair2b
! ifconfig: lagg0 epair2b: SIOCSLAGGPORT: Operation not permitted
[1]
$ jexec j ifconfig lagg0
lagg0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1400
	options=8<VLAN_MTU>
	ether MAC
	inet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255
	laggproto failover lagghash l2,l3,l4
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig epair0a
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1400
	options=8<VLAN_MTU>
	ether MAC
	groups: epair
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig lagg0 -vnet j
$ ifconfig lagg0 laggproto broadcast mtu 1300 -laggport epair1a
$ ifconfig lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1300
	options=8<VLAN_MTU>
	ether MAC
	laggproto broadcast lagghash l2,l3,l4
	laggport: epair0a flags=4<ACTIVE>
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  expect(lab.log.filter((line) => /epair[01]/.test(line))).toEqual([]);
});

it('a lagg lent without ports is the borrower\'s to use', async () => {
  await golden(await bench(), `
$ jail -c name=j vnet persist vnet.interface=epair0b
$ ifconfig lagg0 create vnet j
$ jexec j ifconfig lagg0 laggproto broadcast lagghash l2 mtu 1400 laggport epair0b
$ jexec j ifconfig lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	laggproto broadcast lagghash l2
	laggport: epair0b flags=0<>
	groups: lagg
	media: Ethernet autoselect
	status: no carrier
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig lagg0 -vnet j
$ ifconfig lagg0 laggport epair1a
! ifconfig: lagg0 epair1a: SIOCSLAGGPORT: Operation not permitted
[1]
$ jail -r j
$ ifconfig lagg0 laggport epair1a
$ ifconfig lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	laggproto broadcast lagghash l2
	laggport: epair1a flags=4<ACTIVE>
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
});

it('a lagg lent to a jail keeps its ports and comes home with them', async () => {
  const lab = await bench();
  await golden(lab, `
$ jail -c name=j vnet persist
$ ifconfig lagg0 create laggproto broadcast lagghash l2 laggport epair0a laggport epair1a
$ ifconfig lagg0 vnet j
$ jexec j ifconfig lagg0 up
$ jexec j ifconfig lagg0
lagg0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	laggproto broadcast lagghash l2
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
$ ifconfig epair0a destroy
$ jail -r j
$ ifconfig lagg0
lagg0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	ether MAC
	laggproto broadcast lagghash l2
	laggport: epair1a flags=4<ACTIVE>
	groups: lagg
	media: Ethernet autoselect
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
});
