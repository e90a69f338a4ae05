/**
 * capabilities.test.ts — the words that switch capabilities: what the interface has and its driver lets change, changes; the rest is
 * left alone or refused, in FreeBSD's words.
 */
import { tapOf } from '@netloom/core';
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';
import { CAPS } from './capabilities.js';

describe('capabilities', () => {
  it('of a loopback are its checksums, and of IPv6 those nobody may switch', async () => {
    await golden(`
$ ifconfig lo0 -rxcsum -txcsum tso lro -vlanhwtag wol polling
$ ifconfig -m lo0
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680000<LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	capabilities=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
$ ifconfig lo0 rxcsum -txcsum6
! ifconfig: -txcsum6: Operation not supported
[1]
$ ifconfig lo0 -rxcsum6
! ifconfig: -rxcsum6: Operation not supported
[1]
$ ifconfig lo0 rxcsum6 txcsum6
$ ifconfig -m lo0
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
	options=680001<RXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	capabilities=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	groups: lo
	nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
`);
  });

  it('of an epair cannot be switched; asking for what is so is no change', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a vlanmtu rxcsum -txcsum tso4
$ ifconfig epair0a -vlanmtu
! ifconfig: -vlanmtu: Invalid argument
[1]
$ ifconfig epair0a rxtls -rxtls up
! ifconfig: IFCAP_NV not supported
! ifconfig: IFCAP_NV not supported
$ ifconfig -mu epair0a ether
epair0a: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
	options=8<VLAN_MTU>
	capabilities=8<VLAN_MTU>
	ether MAC
`);
  });

  it('of a tap are those of whoever has it open', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig tap create');
    const options = async (): Promise<string[]> => (await lab.ok('ifconfig -m tap0 ether')).split('\n').slice(1, 3).map((line) => line.trim());
    const closed = ['options=80000<LINKSTATE>', 'capabilities=280401<RXCSUM,LRO,LINKSTATE,RXCSUM_IPV6>'];
    expect(await options()).toEqual(closed);
    const tap = tapOf(lab.kernel.vnet0.net.ifunit('tap0')!)!;
    lab.kernel.call(lab.kernel.now, () => tap.attach({ offload: { csum: true, gso: true }, output: () => false }));
    const all = 'RXCSUM,TXCSUM,VLAN_HWCSUM,TSO4,TSO6,LRO,VLAN_HWTSO,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6';
    expect(await options()).toEqual(['options=4c0382<TXCSUM,VLAN_HWCSUM,TSO4,TSO6,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>', `capabilities=6c0783<${all}>`]);
    await lab.ok('ifconfig tap0 -txcsum -tso lro rxcsum');
    expect(await options()).toEqual(['options=4c0481<RXCSUM,VLAN_HWCSUM,LRO,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>', `capabilities=6c0783<${all}>`]);
    lab.kernel.call(lab.kernel.now, () => tap.attach(null));
    expect(await options()).toEqual(['options=80401<RXCSUM,LRO,LINKSTATE>', closed[1]]);
  });

  it('that an interface does not have are left alone by every word', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig bridge create');
    const before = await lab.ok('ifconfig -m bridge0');
    for (const [word] of CAPS) await lab.ok(`ifconfig bridge0 ${word} -${word}`);
    expect(await lab.ok('ifconfig -m bridge0')).toBe(before);
    expect(before).toContain('\toptions=0\n\tcapabilities=0\n');
  });
});
