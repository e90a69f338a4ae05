/**
 * vnet.test.ts — lending interfaces to jails with ifconfig, as an administrator sees it: who may, what survives, what comes home under which name.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

async function golden(session: string): Promise<ToolLab> {
  const lab = new ToolLab();
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
  return lab;
}

describe('lending', () => {
  it('keeps what an administrator has set, and sheds what belongs to the stack', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0b name uplink descr "to the lab" mtu 1400 metric 2 promisc link0 pcp 3 10.0.0.1/24 group outside
uplink
$ jail -c name=lab persist vnet vnet.interface=uplink
$ jexec lab ifconfig uplink
uplink: flags=29942<BROADCAST,RUNNING,PROMISC,SIMPLEX,LINK0,MULTICAST,PPROMISC> metric 2 mtu 1400
	description: to the lab
	options=8<VLAN_MTU>
	ether MAC
	pcp 3
	groups: epair
	media: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)
	status: active
	nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>
`);
  });

  it('checks in FreeBSD\'s order', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ jail -c name=plain persist
$ jail -c name=a persist vnet children.max=2
$ ifconfig nosuch0 vnet a
! ifconfig: interface nosuch0 does not exist
[1]
$ jexec plain ifconfig epair0a vnet 7
! ifconfig: jail 7 not found
[1]
$ ifconfig epair0a vnet nosuch
! ifconfig: jail "nosuch" not found
[1]
$ ifconfig epair0a vnet plain
! ifconfig: SIOCSIFVNET: File exists
[1]
$ jexec a ifconfig epair create
epair0a
$ ifconfig epair0a vnet a
! ifconfig: SIOCSIFVNET: File exists
[1]
$ ifconfig lo0 name mine
mine
$ ifconfig mine vnet a
! ifconfig: SIOCSIFVNET: Invalid argument
[1]
$ jexec a sysctl net.link.generic.system.ifcount_max=3
net.link.generic.system.ifcount_max: 65535 -> 3
$ ifconfig epair0b name other
other
$ ifconfig other vnet a
! ifconfig: SIOCSIFVNET: No space left on device
[1]
$ jexec a ifconfig lo1 create
! ifconfig: SIOCIFCREATE2 (lo1): No space left on device
[1]
$ jexec a sysctl net.link.generic.system.ifcount
net.link.generic.system.ifcount: 3
$ ifconfig other -vnet a
! ifconfig: SIOCSIFRVNET(2, other): Device not configured
[1]
$ ifconfig epair0a -vnet a
! ifconfig: SIOCSIFRVNET(2, epair0a): File exists
[1]
`);
  });

  it('goes down a tree of jails, and only a jail above can take it back', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ jail -c name=a persist vnet children.max=5
$ jexec a jail -c name=b persist vnet
$ ifconfig epair0b vnet a
$ jexec a ifconfig epair0b vnet b
$ jexec a.b ifconfig -l
lo0 epair0b
$ jexec a.b ifconfig epair0b vnet a
! ifconfig: jail "a" not found
[1]
$ ifconfig epair0b -vnet a.b
$ ifconfig -l
lo0 epair0a epair0b
$ ifconfig epair0b vnet a.b
$ jexec a jail -r b
$ ifconfig -l
lo0 epair0a epair0b
$ ifconfig epair0b vnet a
$ jail -r a
$ ifconfig -l
lo0 epair0a epair0b
`);
  });
});

describe('coming home', () => {
  it('gives a returning interface another name when its own is taken', async () => {
    const lab = await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a name foo
foo
$ jail -c name=a persist vnet vnet.interface=epair0b
$ jexec a ifconfig epair0b name foo
foo
$ jail -r a
$ ifconfig -l
lo0 foo epair0b
$ ifconfig foo destroy
$ ifconfig -l
lo0
`);
    expect(lab.kernel.shared.moves.list().map((m) => `${m.how} ${m.name} ${m.newName} ${m.from}->${m.to}`)).toEqual([
      'loan epair0b epair0b vnet0->a', 'return foo epair0b a->vnet0',
    ]);
  });

  it('destroys what was made in the jail, wherever it is', async () => {
    await golden(`
$ jail -c name=a persist vnet
$ jexec a ifconfig epair create
epair0a
$ ifconfig epair0a -vnet a
$ ifconfig -l
lo0 epair0a
$ jail -r a
$ ifconfig -l
lo0
`);
  });
});
