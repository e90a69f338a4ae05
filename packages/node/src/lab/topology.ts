/**
 * topology.ts — vnets, their interfaces and what joins them, as plain data: what the daemon lists and the pictures are drawn from.
 *
 * A Topology comes from a running kernel (daemon/kernel-topology.ts) or, before anything runs, from a lab file (`labTopology`).
 * Invariant: every reference (peer, member, parent) names an interface that is in the topology, or is null.
 */
import type { Endpoint, Lab, LabBridge, LabInterface } from './lab-model.js';
import { HOST_VNET, LOOPBACK, jailPath, labLinks, many } from './lab-model.js';
import { topologyVms, vmTaps } from './lab-vms.js';

export interface InterfaceRef {
  readonly vnet: string;
  readonly name: string;
}

export interface TopologyInterface {
  readonly name: string;
  /** Name of the cloner: lo, epair, bridge, vlan, tap, ...; 'other' for none. */
  readonly kind: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly ether: string | null;
  readonly description: string | null;
  /** Addresses of both families with prefix lengths, without link-local and autoconfigured ones. */
  readonly inet: readonly string[];
  /** The other end of an epair. */
  readonly peer: InterfaceRef | null;
  /** Members of a bridge: names in the same vnet. */
  readonly members: readonly string[];
  readonly vlan: { readonly tag: number; readonly proto: string; readonly parent: string | null } | null;
  /** Device of the host a tap is bound to. */
  readonly device: string | null;
}

export interface TopologyVnet {
  /** Name of its jail from outside all jails, 'host' for the stack outside. */
  readonly name: string;
  readonly jid: number;
  readonly hostname: string;
  readonly forwarding: boolean;
  readonly interfaces: readonly TopologyInterface[];
}

/** A virtual machine. */
export interface TopologyVm {
  readonly name: string;
  readonly vnet: string;
  readonly state: string;
  readonly nics: readonly {
    readonly name: string;
    readonly mac: string | null;
    /** The interface it is plugged into; null: none, and `at` says what. */
    readonly peer: InterfaceRef | null;
    readonly at: string | null;
  }[];
}

export interface Topology {
  readonly vnets: readonly TopologyVnet[];
  readonly vms: readonly TopologyVm[];
}

/** What a lab will be when it is up. Jail numbers, link addresses and epair names are not known yet. */
export function labTopology(lab: Lab): Topology {
  const names = [HOST_VNET, ...Object.keys(lab.vnets).filter((name) => name !== HOST_VNET)];
  const outside = (name: string): string => jailPath(lab, name) || HOST_VNET;
  const links = labLinks(lab).map((link, i) => ({ ...link, places: link.ends.map((end, side) => linkPlace(lab, end, `link${i + 1}${'ab'[side]}`)) as [InterfaceRef, InterfaceRef] }));
  const taps = vmTaps(lab);
  const vnets = names.map((vnet): TopologyVnet => {
    const interfaces: TopologyInterface[] = [bare('lo0', 'lo', lab.vnets[vnet]?.interfaces?.lo0 ?? { inet: LOOPBACK })];
    for (const [name, bridge] of Object.entries(lab.bridges ?? {})) {
      if ((bridge?.vnet ?? HOST_VNET) !== vnet) continue;
      const linked = links.flatMap((link) => link.ends.flatMap((end, side) => (end.bridge === name ? [link.places[side]!.name] : [])));
      interfaces.push({ ...bare(name, 'bridge', bridge ?? {}), members: [...linked, ...(bridge?.members ?? [])] });
    }
    for (const { places, mtu } of links) {
      places.forEach((place, side) => {
        if (place.vnet !== vnet) return;
        const other = places[1 - side]!;
        const settings = { ...(mtu === null ? {} : { mtu }), ...lab.vnets[vnet]?.interfaces?.[place.name] };
        interfaces.push({ ...bare(place.name, 'epair', settings), peer: { vnet: outside(other.vnet), name: other.name } });
      });
    }
    for (const [name, ifc] of Object.entries(lab.vnets[vnet]?.interfaces ?? {})) {
      if (ifc?.vlan !== undefined) interfaces.push({ ...bare(name, 'vlan', ifc), vlan: { tag: ifc.vlan, proto: ifc.vlanproto ?? '802.1q', parent: ifc.vlandev ?? null } });
      else if (ifc?.vxlan !== undefined) interfaces.push(bare(name, 'vxlan', ifc));
      else if (ifc?.host !== undefined) interfaces.push({ ...bare(name, 'tap', ifc), device: ifc.host });
      else if (taps.some((tap) => tap.vnet === vnet && tap.tap === name)) continue;
      else if (/^lo[1-9]/.test(name)) interfaces.push(bare(name, 'lo', ifc ?? {}));
    }
    for (const { tap } of taps.filter((t) => t.vnet === vnet)) if (tap !== null) interfaces.push(bare(tap, tap.startsWith('vmnet') ? 'vmnet' : 'tap', lab.vnets[vnet]?.interfaces?.[tap] ?? {}));
    return { name: outside(vnet), jid: 0, hostname: lab.vnets[vnet]?.hostname ?? '', forwarding: lab.vnets[vnet]?.forwarding ?? false, interfaces };
  });
  return { vnets, vms: topologyVms(lab) };
}

function linkPlace(lab: Lab, end: Endpoint, portName: string): InterfaceRef {
  if (end.bridge === null) return { vnet: end.vnet, name: end.ifname };
  return { vnet: lab.bridges?.[end.bridge]?.vnet ?? HOST_VNET, name: portName };
}

function bare(name: string, kind: string, ifc: LabInterface | LabBridge): TopologyInterface {
  return {
    name, kind, up: !('up' in ifc) || ifc.up !== false, mtu: ifc.mtu ?? (kind === 'lo' ? 16_384 : 1500), ether: ifc.ether ?? null, description: ifc.description ?? null,
    inet: [...many(ifc.inet), ...many(ifc.inet6), ...(ifc.carp ?? []).flatMap((vh) => [...many(vh.inet), ...many(vh.inet6)])], peer: null, members: [], vlan: null, device: null,
  };
}
