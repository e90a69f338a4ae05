/**
 * kernel-topology.ts — the topology of a running kernel.
 *
 * Read first: lab/topology.ts. What an interface is joined to is asked of its driver: the other end of an epair, the members of a bridge,
 * the parent of a VLAN.
 */
import type { IfAddr, Ifnet, Kernel, Prison, Vnet } from '@netloom/core';
import { IFF_UP, IN6_IFF_AUTOCONF, In6Ifaddr, InIfaddr, bridgeMembers, epairPeer, vlanInfo } from '@netloom/core';
import { ETHERTYPE_QINQ, ip4FormatPrefix, ip6Equals, ip6Format, ip6IsLinkLocal, ip6LinkLocalOfMac, ip6Plain, macFormat } from '@netloom/core/wire';
import { HOST_VNET } from '../lab/lab-model.js';
import type { InterfaceRef, Topology, TopologyInterface, TopologyVm, TopologyVnet } from '../lab/topology.js';
import type { VmView } from '../vm/vm-routes.js';
import type { Attachments } from './attachments.js';

export function kernelTopology(kernel: Kernel, attachments: Attachments, vms: readonly VmView[]): Topology {
  const root = kernel.prisons.prison0;
  const owners = [root, ...root.descendants()].filter((prison) => prison.ownsVnet && !prison.dying);
  const nameOf = new Map(owners.map((prison) => [prison.vnet, vnetName(prison, root)]));
  return { vnets: owners.map((prison) => vnetOf(kernel, prison, nameOf, attachments)), vms: vms.filter((vm) => vm.state !== 'ended').map(machineOf) };
}

/** The tap of a card is named as `vnet:interface`. */
function machineOf({ name, vnet, state, nics }: VmView): TopologyVm {
  return {
    name, vnet, state,
    nics: nics.map(({ mac, backend, at }, i) => {
      const colon = at !== null && (backend === 'tap' || backend === 'vmnet') ? at.lastIndexOf(':') : -1;
      return { name: `net${i}`, mac, peer: at === null || colon < 0 ? null : { vnet: at.slice(0, colon), name: at.slice(colon + 1) }, at: at === null ? 'no cable' : colon < 0 ? at : null };
    }),
  };
}

/** Name of a prison from outside all jails, 'host' for the outside itself. */
export function vnetName(prison: Prison, root: Prison): string {
  return prison === root ? HOST_VNET : prison.nameFrom(root);
}

/** What people call the vnet that an interface is in. */
export function vnetNameOf(kernel: Kernel, ifp: Ifnet): string {
  const root = kernel.prisons.prison0;
  const owner = root.descendants().find((prison) => prison.ownsVnet && prison.vnet.net === ifp.net);
  return vnetName(owner ?? root, root);
}

function vnetOf(kernel: Kernel, prison: Prison, nameOf: ReadonlyMap<Vnet, string>, attachments: Attachments): TopologyVnet {
  const { vnet } = prison;
  const name = nameOf.get(vnet) ?? HOST_VNET;
  const devices = new Map(attachments.list().filter((a) => a.vnet === name).map((a) => [a.interface, a.device]));
  const interfaces = vnet.net.ifnets.map((ifp) => interfaceOf(kernel, ifp, nameOf, devices.get(ifp.xname) ?? null));
  return { name, jid: prison.jid, hostname: prison.hostname, forwarding: vnet.kern.sysctl.find('net.inet.ip.forwarding')?.get() === 1, interfaces };
}

function interfaceOf(kernel: Kernel, ifp: Ifnet, nameOf: ReadonlyMap<Vnet, string>, device: string | null): TopologyInterface {
  return {
    name: ifp.xname,
    kind: ifp.cloner === '' ? 'other' : ifp.cloner,
    up: (ifp.flags & IFF_UP) !== 0,
    mtu: ifp.mtu,
    ether: ifp.lladdr.length === 6 ? macFormat(ifp.lladdr) : null,
    description: ifp.description,
    inet: [...ifp.addrs].sort((a, b) => a.af - b.af).flatMap((ifa) => addressOf(ifp, ifa)),
    peer: peerOf(kernel, ifp, nameOf),
    members: bridgeMembers(ifp)?.map((member) => member.name) ?? [],
    vlan: vlanOf(ifp),
    device,
  };
}

/** An address with its length; none for the link-local address that an interface gives itself, and for those that routers gave. */
function addressOf(ifp: Ifnet, ifa: IfAddr): string[] {
  if (ifa instanceof InIfaddr) return [ip4FormatPrefix(ifa.addr, ifa.plen)];
  if (!(ifa instanceof In6Ifaddr) || (ifa.flags & IN6_IFF_AUTOCONF) !== 0) return [];
  const addr = ip6Plain(ifa.addr);
  if (ip6IsLinkLocal(addr) && (ifp.lladdr.length !== 6 || ip6Equals(addr, ip6LinkLocalOfMac(ifp.lladdr)))) return [];
  return [`${ip6Format(addr)}/${ifa.plen}`];
}

function peerOf(kernel: Kernel, ifp: Ifnet, nameOf: ReadonlyMap<Vnet, string>): InterfaceRef | null {
  const peer = epairPeer(ifp);
  const vnet = peer === null ? null : kernel.vnetOf(peer);
  const name = vnet === null ? undefined : nameOf.get(vnet);
  return peer === null || name === undefined ? null : { vnet: name, name: peer.xname };
}

function vlanOf(ifp: Ifnet): TopologyInterface['vlan'] {
  const info = vlanInfo(ifp);
  if (info === null) return null;
  return { tag: info.tag, proto: info.proto === ETHERTYPE_QINQ ? '802.1ad' : '802.1q', parent: info.parent };
}
