/**
 * picture-layout.ts — where things go in a picture of a topology: boxes with rows on the left, rails that join rows on the right.
 *
 * Theory of operation. Each vnet is a box, each interface a row of it, indented under what carries it. Whatever joins interfaces is a vertical
 * rail to the right of the boxes with a short line to each row it joins: one rail per bridge (from the bridge's own row to the far
 * end of each member's cable), one per cable between two vnets. A member of a bridge whose cable leads to a plain interface has no row of its own: the
 * cable is drawn from the bridge. Rails whose rows overlap stand in different channels, short ones nearest to the boxes.
 *
 * The same layout serves the text picture and the SVG. Deterministic: the same topology gives the same picture.
 * Invariants: a row is joined by one rail at most; two rails of a channel share no line.
 */
import { HOST_VNET } from './lab-model.js';
import type { InterfaceRef, Topology, TopologyInterface, TopologyVnet } from './topology.js';

export interface PictureRow {
  readonly name: string;
  /** What it is, if that is not plain: "bridge", "vlan 20", "tap0 of the host". */
  readonly kind: string;
  readonly address: string;
  readonly depth: number;
  /** Down interfaces are drawn weaker. */
  readonly up: boolean;
  /** A further address of the row above. */
  readonly continued: boolean;
}

export interface PictureBox {
  readonly title: string;
  readonly rows: readonly PictureRow[];
  /** Number of the box's first row, counting the rows of all boxes from the top. */
  readonly firstRow: number;
}

export interface PictureRail {
  readonly kind: 'bridge' | 'cable';
  /** Rows it joins, from the top. */
  readonly rows: readonly number[];
  /** Row of the bridge itself, -1 for a cable. */
  readonly bridgeRow: number;
  /** 0 is next to the boxes. */
  channel: number;
}

export interface PictureLayout {
  readonly boxes: readonly PictureBox[];
  readonly rails: readonly PictureRail[];
  readonly channels: number;
}

export function layoutPicture(drawn: Topology): PictureLayout {
  const topology = withMachines(drawn);
  const index = new InterfaceIndex(topology);
  const boxes: PictureBox[] = [];
  const rowOf = new Map<string, number>();
  let next = 0;
  for (const vnet of topology.vnets) {
    const shown = vnet.interfaces.filter((i) => isShown(vnet, i, index));
    if (shown.length === 0 && vnet.name === HOST_VNET) continue;
    const box: PictureBox = { title: title(vnet), rows: [], firstRow: next };
    const rows: PictureRow[] = [];
    for (const { ifc, depth } of indented(vnet, shown, index)) {
      rowOf.set(key({ vnet: vnet.name, name: ifc.name }), next + rows.length);
      rows.push(...rowsOf(ifc, depth));
    }
    if (rows.length === 0) rows.push({ name: '', kind: '', address: '', depth: 0, up: true, continued: true });
    boxes.push({ ...box, rows });
    next += rows.length;
  }
  const rails = findRails(topology, index, rowOf);
  return { boxes, rails, channels: assignChannels(rails) };
}

/** Machines as boxes of their own: a card is the other end of its tap's cable. */
function withMachines({ vnets, vms }: Topology): Topology {
  const plugs = new Map<string, InterfaceRef>();
  const boxes = vms.map((vm): TopologyVnet => {
    const name = `${vm.name} · virtual machine`;
    const interfaces = vm.nics.map((nic): TopologyInterface => {
      if (nic.peer !== null) plugs.set(key(nic.peer), { vnet: name, name: nic.name });
      return { name: nic.name, kind: nic.at ?? 'epair', up: true, mtu: 1500, ether: nic.mac, description: null, inet: nic.mac === null ? [] : [nic.mac], peer: nic.peer, members: [], vlan: null, device: null };
    });
    return { name, jid: 0, hostname: '', forwarding: false, interfaces };
  });
  const plugged = vnets.map((vnet) => ({ ...vnet, interfaces: vnet.interfaces.map((ifc) => ({ ...ifc, peer: plugs.get(key({ vnet: vnet.name, name: ifc.name })) ?? ifc.peer })) }));
  return { vnets: [...plugged, ...boxes], vms: [] };
}

const key = (ref: InterfaceRef): string => `${ref.vnet}:${ref.name}`;

/** Interfaces by place, and which of them are members of a bridge. */
class InterfaceIndex {
  private readonly interfaces = new Map<string, TopologyInterface>();
  private readonly memberships = new Map<string, TopologyInterface>();

  constructor(topology: Topology) {
    for (const vnet of topology.vnets) {
      for (const ifc of vnet.interfaces) {
        this.interfaces.set(key({ vnet: vnet.name, name: ifc.name }), ifc);
        for (const member of ifc.members) this.memberships.set(key({ vnet: vnet.name, name: member }), ifc);
      }
    }
  }

  get(ref: InterfaceRef): TopologyInterface | null {
    return this.interfaces.get(key(ref)) ?? null;
  }

  isMember(ref: InterfaceRef): boolean {
    return this.memberships.has(key(ref));
  }

  /** Name of the bridge it is a member of. */
  bridgeOf(ref: InterfaceRef): string | null {
    return this.memberships.get(key(ref))?.name ?? null;
  }

  /** A bridge's port that has no row: its cable goes on to a plain interface, and it says nothing of its own. */
  isHiddenPort(ref: InterfaceRef): boolean {
    const ifc = this.get(ref);
    return ifc !== null && ifc.peer !== null && this.isMember(ref) && !this.isMember(ifc.peer) && this.get(ifc.peer) !== null && ifc.inet.length === 0;
  }
}

function isShown(vnet: TopologyVnet, ifc: TopologyInterface, index: InterfaceIndex): boolean {
  if (ifc.kind === 'lo') return ifc.inet.some((address) => !isLoopback(address));
  return !index.isHiddenPort({ vnet: vnet.name, name: ifc.name });
}

/** Addresses every loopback has. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1/128' || address.startsWith('fe80::1%lo0');
}

function title(vnet: TopologyVnet): string {
  return vnet.forwarding ? `${vnet.name} · forwarding` : vnet.name;
}

/** VLANs under their carriers, the ends of cables between bridges under their bridge; in the order of the topology otherwise. */
function indented(vnet: TopologyVnet, interfaces: readonly TopologyInterface[], index: InterfaceIndex): { ifc: TopologyInterface; depth: number }[] {
  const names = new Set(interfaces.map((i) => i.name));
  const carrier = (i: TopologyInterface): string | null => {
    const over = i.peer === null ? (i.vlan?.parent ?? null) : index.bridgeOf({ vnet: vnet.name, name: i.name });
    return over !== null && names.has(over) ? over : null;
  };
  const below = (parent: string | null, depth: number): { ifc: TopologyInterface; depth: number }[] =>
    interfaces.filter((i) => carrier(i) === parent).flatMap((ifc) => [{ ifc, depth }, ...below(ifc.name, depth + 1)]);
  return below(null, 0);
}

function rowsOf(ifc: TopologyInterface, depth: number): PictureRow[] {
  const [first = '', ...more] = ifc.inet.filter((address) => !isLoopback(address));
  const row = { name: ifc.name, kind: kindText(ifc), address: first, depth, up: ifc.up, continued: false };
  return [row, ...more.map((address) => ({ name: '', kind: '', address, depth, up: ifc.up, continued: true }))];
}

function kindText(ifc: TopologyInterface): string {
  const what = ifc.vlan !== null ? `${ifc.vlan.proto === '802.1ad' ? 'svlan' : 'vlan'} ${ifc.vlan.tag}` : ifc.device !== null ? `⇄ ${ifc.device}` : ifc.kind === 'epair' ? '' : ifc.kind;
  return [what, ifc.up ? '' : 'down'].filter((t) => t !== '').join(', ');
}

function findRails(topology: Topology, index: InterfaceIndex, rowOf: ReadonlyMap<string, number>): PictureRail[] {
  const rails: PictureRail[] = [];
  const rail = (kind: 'bridge' | 'cable', refs: readonly InterfaceRef[], bridgeRow: number): void => {
    const rows = [...new Set(refs.flatMap((ref) => rowOf.get(key(ref)) ?? []))].sort((a, b) => a - b);
    if (rows.length > 1) rails.push({ kind, rows, bridgeRow, channel: 0 });
  };
  for (const vnet of topology.vnets) {
    for (const ifc of vnet.interfaces) {
      const here = { vnet: vnet.name, name: ifc.name };
      if (ifc.kind === 'bridge') {
        const ports = ifc.members.map((name) => ({ vnet: vnet.name, name }));
        rail('bridge', [here, ...ports.flatMap((port) => (index.isHiddenPort(port) ? (index.get(port)?.peer ?? []) : isCable(port, index) ? [] : [port]))], rowOf.get(key(here)) ?? -1);
      }
      // Each cable once: from its first end in the order of the keys.
      if (ifc.peer !== null && key(here) < key(ifc.peer)) rail('cable', [here, ifc.peer].filter((ref) => !index.isHiddenPort(ref)), -1);
    }
  }
  return rails;
}

/** A port whose row is joined by its own cable (to another bridge): it is not joined to the bridge's rail as well. */
function isCable(port: InterfaceRef, index: InterfaceIndex): boolean {
  return (index.get(port)?.peer ?? null) !== null;
}

/** Greedy interval colouring, short rails first; returns the number of channels. */
function assignChannels(rails: PictureRail[]): number {
  const span = (r: PictureRail): number => r.rows.at(-1)! - r.rows[0]!;
  const placed: PictureRail[][] = [];
  for (const rail of [...rails].sort((a, b) => span(a) - span(b) || a.rows[0]! - b.rows[0]!)) {
    const free = placed.findIndex((channel) => channel.every((other) => other.rows.at(-1)! < rail.rows[0]! || rail.rows.at(-1)! < other.rows[0]!));
    rail.channel = free < 0 ? placed.length : free;
    (placed[rail.channel] ??= []).push(rail);
  }
  return placed.length;
}
