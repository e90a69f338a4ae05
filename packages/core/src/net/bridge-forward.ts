/**
 * bridge-forward.ts — the data plane of a bridge: learn, look up, forward, flood, deliver.
 * Read first: IEEE 802.1D §7; freebsd `sys/net/if_bridge.c` (bridge_input, bridge_forward, bridge_output).
 *
 * Theory of operation. Each member has a BridgePort on its `ifp.bridge` hook. A frame that comes in on a member is for this
 * host (its destination is the bridge's address or a member's), or for one other member, or for all of them. A frame this
 * host sends through a member, or through the bridge itself, goes where the table says, or everywhere. Flooding copies the
 * frame once per port but the last, which gets the frame itself.
 * Local delivery calls Ethernet's input of the bridge directly: a bridge is never a member of a bridge, so that cannot come
 * back here. Frames that travel in a loop of bridges do so over links with queues, which count hops (epair.ts).
 * A port that takes part in the spanning tree and may not forward neither gives frames to the others nor gets any; while it learns,
 * its addresses are noted. What comes in on it is still shown to the member's own protocols, as if there were no bridge.
 * The addresses that are this host's are kept in a table of their own, so that the cost of a frame does not grow with the
 * number of members.
 *
 * Invariants: `ports[p.index] === p` for every member; `order` has the same ports, newest first (it is the order of flooding).
 * `p.dataState` is FORWARDING for a port without `stp`.
 * Not here: adding and removing members (bridge.ts); the spanning tree itself (bridgestp/); offload capabilities need not be equal among members,
 * because what is left to compute travels in the packet and the last link does it.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOSPC } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { Engine } from '../kern/engine.js';
import { M_BCAST, M_MCAST, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CARP_MAC_HI } from '../wire/carp.js';
import { ETHER_SHOST, EVL_VLID_MASK } from '../wire/ether.js';
import { BPF_D_IN, BPF_D_OUT } from './bpf.js';
import type { BridgeSnoop } from './bridge-snoop.js';
import type { Bstp } from './bridgestp/bstp.js';
import { BSTP_ETHERADDR_LO } from './bridgestp/bpdu-transmit.js';
import { BSTP_IFSTATE_DISCARDING, BSTP_IFSTATE_FORWARDING } from './bridgestp/bstp-port.js';
import type { BstpClient, BstpPort } from './bridgestp/bstp-port.js';
import { BridgeRtable, IFBAF_DYNAMIC, IFBAF_STICKY } from './bridge-rtable.js';
import { etherLocalInput } from './ether.js';
import { ifInput, ifTransmit } from './if-transmit.js';
import { IFF_MONITOR, IFF_RUNNING, IFT_GIF } from './ifnet.js';
import type { IfFrameHook, Ifnet } from './ifnet.js';

/** Member flags, FreeBSD's values. */
export const IFBIF_LEARNING = 0x0001;
export const IFBIF_DISCOVER = 0x0002;
export const IFBIF_STP = 0x0004;
export const IFBIF_SPAN = 0x0008;
export const IFBIF_STICKY = 0x0010;
export const IFBIF_BSTP_EDGE = 0x0020;
export const IFBIF_BSTP_AUTOEDGE = 0x0040;
export const IFBIF_BSTP_PTP = 0x0080;
export const IFBIF_BSTP_AUTOPTP = 0x0100;
export const IFBIF_BSTP_ADMEDGE = 0x0200;
export const IFBIF_BSTP_ADMCOST = 0x0400;
export const IFBIF_PRIVATE = 0x0800;

/** Addresses a bridge may learn, and how long it keeps one that is silent. */
export const BRIDGE_RTABLE_MAX = 2_000;
export const BRIDGE_RTABLE_TIMEOUT_S = 1_200;

/** The VLAN id local addresses are filed under: no frame has it. */
const VLAN_ANY = EVL_VLID_MASK;
/** 01:80:c2:00:00:00 to 0f belong to the bridge itself (802.1D §7.12.6). */
const RESERVED_HI = 0x0180;
const RESERVED_LO = 0xc2000000;
const US_PER_S = 1_000_000;

/** Per-port state of a member, and its hook. */
export class BridgePort implements IfFrameHook, BstpClient {
  readonly ifp: Ifnet;
  readonly bridge: BridgeForward;
  readonly index: number;
  readonly stp: BstpPort;
  /** IFBIF_*, but for those that say how the spanning tree sees the port: they are in `stp`. */
  flags = IFBIF_LEARNING | IFBIF_DISCOVER;
  /** BSTP_IFSTATE_*: what the spanning tree lets frames do. */
  dataState: number = BSTP_IFSTATE_FORWARDING;
  /** Addresses it may have in the table, 0 without limit; and how often that limit was met. */
  addrMax = 0;
  addrExceeded = 0;

  constructor(ifp: Ifnet, bridge: BridgeForward, index: number) {
    this.ifp = ifp;
    this.bridge = bridge;
    this.index = index;
    this.stp = bridge.stp.newPort(ifp, this);
  }

  stateChanged(bp: BstpPort): void {
    this.dataState = bp.state;
    this.bridge.onStpState(this);
  }

  ageAddresses(us: Micros): void {
    if ((this.bridge.rtable.portCount[this.index] ?? 0) === 0) return;
    if (us === 0) this.bridge.rtable.flushPort(this.index);
    else this.bridge.onFastAge(this, us);
  }

  input(_ifp: Ifnet, m: PacketBuffer): PacketBuffer | null {
    return this.bridge.input(this, m);
  }

  output(_ifp: Ifnet, m: PacketBuffer): boolean {
    return this.bridge.output(this, m);
  }
}

/** Why frames ended here. */
export class BridgeStats {
  /** Destination on the segment the frame came from. */
  filtered = 0;
  /** To an address bridges do not forward. */
  reserved = 0;
  /** From one of this host's own addresses: our frame came back. */
  own = 0;
  /** The spanning tree does not let the port they came in on, or the one they were for, forward. */
  blocked = 0;
  /** Between private ports. */
  private = 0;
  /** The port it was for is not running. */
  down = 0;
  /** From a port at its address limit. */
  overLimit = 0;
  /** Addresses that moved between ports. */
  moved = 0;
  /** Addresses not learned because the table was full. */
  exceeded = 0;
}

export class BridgeForward {
  readonly ifp: Ifnet;
  readonly engine: Engine;
  readonly rtable: BridgeRtable;
  readonly stats = new BridgeStats();
  /** Members by index, and newest first. */
  readonly ports: (BridgePort | null)[] = [];
  order: readonly BridgePort[] = [];
  spans: readonly Ifnet[] = [];
  timeoutUs: Micros = BRIDGE_RTABLE_TIMEOUT_S * US_PER_S;
  /** Called when a dynamic address was added, so that ageing can be started. */
  onLearn: () => void = () => {};
  /** Called when a dynamic address moved: its octets, VLAN and the two ports. */
  onMove: (hi: number, lo: number, vlan: number, from: BridgePort, to: BridgePort) => void = () => {};
  /** Called when the spanning tree has put a port into another state, and when its addresses shall be forgotten sooner. */
  onStpState: (port: BridgePort) => void = () => {};
  onFastAge: (port: BridgePort, us: Micros) => void = () => {};
  readonly stp: Bstp;
  /** Null: multicasts go to every port. */
  snoop: BridgeSnoop | null = null;
  private readonly localTable: BridgeRtable;
  private localIfs: Ifnet[] = [];
  /** Changes whenever the members' addresses were filed anew. */
  localGen = 0;

  constructor(ifp: Ifnet, engine: Engine, stp: Bstp, key: number) {
    this.ifp = ifp;
    this.engine = engine;
    this.stp = stp;
    this.rtable = new BridgeRtable(key, BRIDGE_RTABLE_MAX);
    this.localTable = new BridgeRtable(key, Number.MAX_SAFE_INTEGER);
  }

  /** Files the members' addresses anew. To be called when members or their addresses change. */
  fileLocal(): void {
    this.localGen++;
    this.localTable.flush(true);
    this.localIfs = [];
    for (const { ifp } of this.order) {
      if (ifp.type === IFT_GIF || this.localTable.find(ifp.macHi, ifp.macLo, VLAN_ANY) >= 0) continue;
      this.localTable.insert(ifp.macHi, ifp.macLo, VLAN_ANY, this.localIfs.length, 0, 0);
      this.localIfs.push(ifp);
    }
  }

  /** A frame came in on `port`. Returns it when this host should look at it as the port's own, null when it is taken care of. */
  input(port: BridgePort, m: PacketBuffer): PacketBuffer | null {
    const bifp = this.ifp;
    if ((bifp.flags & IFF_RUNNING) === 0) return m;
    if ((bifp.flags & IFF_MONITOR) !== 0) {
      ifInput(bifp, m);
      return null;
    }
    if (this.spans.length > 0) this.span(m);
    if ((m.flags & (M_BCAST | M_MCAST)) !== 0) return this.inputMulticast(port, m);
    if (port.dataState === BSTP_IFSTATE_DISCARDING) return m;
    const v = m.view;
    const off = m.off;
    const dhi = v.getUint16(off);
    const dlo = v.getUint32(off + 2);
    const shi = v.getUint16(off + ETHER_SHOST);
    const slo = v.getUint32(off + ETHER_SHOST + 2);
    if (dlo === bifp.macLo && dhi === bifp.macHi) return this.deliver(bifp, port, m);
    if (slo === bifp.macLo && shi === bifp.macHi) return this.drop(m, 'own');
    if (dhi === CARP_MAC_HI) {
      const master = this.carpMaster(port, dhi, dlo);
      if (master !== null) return this.deliver(master, port, m);
    }
    if (shi === CARP_MAC_HI && this.carpMaster(port, shi, slo) !== null) return this.drop(m, 'own');
    const local = this.localTable;
    const to = local.find(dhi, dlo, VLAN_ANY);
    if (to >= 0 && port.ifp.macLo === dlo && port.ifp.macHi === dhi) return this.deliver(port.ifp, port, m);
    if (local.find(shi, slo, VLAN_ANY) >= 0) return this.drop(m, 'own');
    if (to >= 0) return this.deliver(this.localIfs[local.portAt(to)]!, port, m);
    this.forward(port, m, dhi, dlo, shi, slo);
    return null;
  }

  /** A frame this host sends through member `port`. False when the bridge is down: then it goes out there as if there were no bridge. */
  output(port: BridgePort, m: PacketBuffer): boolean {
    const bifp = this.ifp;
    if ((bifp.flags & IFF_RUNNING) === 0) return false;
    const multicast = (m.buf[m.off]! & 1) !== 0;
    const slot = multicast ? -1 : this.rtable.find(m.view.getUint16(m.off), m.view.getInt32(m.off + 2), vlanOf(m));
    const to = slot < 0 ? null : this.ports[this.rtable.portAt(slot)]!;
    if (to !== port && bifp.bpf !== null) bifp.bpf.tap(bifp, m, BPF_D_OUT);
    if (this.spans.length > 0) this.span(m);
    if (to === null) this.floodOwn(port, m);
    else if ((to.ifp.flags & IFF_RUNNING) === 0) this.drop(m, 'down');
    else if (to !== port && to.dataState !== BSTP_IFSTATE_FORWARDING) this.drop(m, 'blocked');
    else this.enqueue(to.ifp, m);
    return true;
  }

  /** A frame this host sends through the bridge interface itself. */
  transmit(m: PacketBuffer): void {
    const slot = (m.flags & (M_BCAST | M_MCAST)) !== 0 ? -1 : this.rtable.find(m.view.getUint16(m.off), m.view.getInt32(m.off + 2), vlanOf(m));
    const to = slot < 0 ? null : this.ports[this.rtable.portAt(slot)]!;
    if (to === null) this.flood(null, m);
    else if (to.dataState !== BSTP_IFSTATE_FORWARDING) this.drop(m, 'blocked');
    else this.enqueue(to.ifp, m);
  }

  /**
   * Records that an address is behind `port`. EINVAL: a group address or zero; ENOSPC: the table, or the port's share, is full.
   * An address that is sticky or static stays where it is.
   */
  learn(port: BridgePort, hi: number, lo: number, vlan: number): Errno {
    const rtable = this.rtable;
    const slot = rtable.find(hi, lo, vlan);
    if (slot < 0) return this.learnNew(port, hi, lo, vlan);
    const was = rtable.portAt(slot);
    if (was !== port.index && rtable.typeAt(slot) === IFBAF_DYNAMIC) {
      rtable.move(slot, port.index);
      this.stats.moved++;
      this.onMove(hi, lo, vlan, this.ports[was]!, port);
    }
    rtable.refresh(slot, this.engine.now + this.timeoutUs);
    return 0;
  }

  /** Adds an entry with these flags if the limits allow. Errors as `learn`. */
  addEntry(port: BridgePort, hi: number, lo: number, vlan: number, flags: number): Errno {
    if ((hi & 0x100) !== 0 || (hi === 0 && lo === 0)) return EINVAL;
    if (port.addrMax !== 0 && (this.rtable.portCount[port.index] ?? 0) >= port.addrMax) {
      port.addrExceeded++;
      return ENOSPC;
    }
    if (!this.rtable.insert(hi, lo, vlan, port.index, flags, this.engine.now + this.timeoutUs)) {
      this.stats.exceeded++;
      return ENOSPC;
    }
    if (flags === IFBAF_DYNAMIC) this.onLearn();
    return 0;
  }

  private learnNew(port: BridgePort, hi: number, lo: number, vlan: number): Errno {
    return this.addEntry(port, hi, lo, vlan, (port.flags & IFBIF_STICKY) !== 0 ? IFBAF_STICKY : IFBAF_DYNAMIC);
  }

  /** The bridge, the port or another member on which this host is the master of a virtual host with that link address; or null. */
  private carpMaster(port: BridgePort, hi: number, lo: number): Ifnet | null {
    if (this.ifp.carp?.forUs(hi, lo) === true) return this.ifp;
    if (port.ifp.carp?.forUs(hi, lo) === true) return port.ifp;
    for (const { ifp } of this.order) if (ifp.carp?.forUs(hi, lo) === true) return ifp;
    return null;
  }

  /** Unicast to somebody who is not this host. */
  private forward(port: BridgePort, m: PacketBuffer, dhi: number, dlo: number, shi: number, slo: number): void {
    const bifp = this.ifp;
    const rtable = this.rtable;
    const vlan = vlanOf(m);
    bifp.data.ipackets++;
    bifp.data.ibytes += m.len;
    if ((port.flags & IFBIF_LEARNING) !== 0 && this.learn(port, shi, slo, vlan) !== 0 && port.addrMax !== 0) {
      this.drop(m, 'overLimit');
      return;
    }
    if (port.dataState !== BSTP_IFSTATE_FORWARDING) {
      this.drop(m, 'blocked');
      return;
    }
    const slot = rtable.find(dhi, dlo, vlan);
    const to = slot < 0 ? null : this.ports[rtable.portAt(slot)]!;
    if (to === port) {
      this.drop(m, 'filtered');
      return;
    }
    if (bifp.bpf !== null) bifp.bpf.tap(bifp, m, BPF_D_IN);
    if (to === null) this.flood(port, m);
    else if ((to.ifp.flags & IFF_RUNNING) === 0) this.drop(m, 'down');
    else if ((port.flags & to.flags & IFBIF_PRIVATE) !== 0) this.drop(m, 'private');
    else if (to.dataState !== BSTP_IFSTATE_FORWARDING) this.drop(m, 'blocked');
    else this.enqueue(to.ifp, m);
  }

  /** Broadcast and multicast: to every port, to the bridge itself, and back to the port's own protocols. */
  private inputMulticast(port: BridgePort, m: PacketBuffer): PacketBuffer | null {
    const v = m.view;
    if (v.getUint16(m.off) === RESERVED_HI && (v.getUint32(m.off + 2) & 0xfffffff0) >>> 0 === RESERVED_LO) return this.inputReserved(port, m);
    if (port.dataState === BSTP_IFSTATE_DISCARDING) return m;
    const learns = (port.flags & IFBIF_LEARNING) !== 0;
    const error = learns ? this.learn(port, v.getUint16(m.off + ETHER_SHOST), v.getUint32(m.off + ETHER_SHOST + 2), vlanOf(m)) : 0;
    if (error !== 0 && port.addrMax !== 0) this.stats.overLimit++;
    else if (port.dataState === BSTP_IFSTATE_FORWARDING) this.floodCopies(port, m);
    const mine = m.pool.copy(m);
    if (mine !== null) ifInput(this.ifp, mine);
    return m;
  }

  /** To an address bridges keep to themselves: the spanning tree's, on a port that takes part, or nobody's. */
  private inputReserved(port: BridgePort, m: PacketBuffer): null {
    if (!port.stp.active || m.view.getUint32(m.off + 2) !== BSTP_ETHERADDR_LO) return this.drop(m, 'reserved');
    this.stp.input(port.stp, m);
    return null;
  }

  /** A frame for this host, addressed to `iface`, came in on `port`. */
  private deliver(iface: Ifnet, port: BridgePort, m: PacketBuffer): PacketBuffer | null {
    if ((port.flags & IFBIF_LEARNING) !== 0) {
      const error = this.learn(port, m.view.getUint16(m.off + ETHER_SHOST), m.view.getUint32(m.off + ETHER_SHOST + 2), vlanOf(m));
      if (error !== 0 && port.addrMax !== 0) return this.drop(m, 'overLimit');
    }
    if (iface === port.ifp) return m;
    const bifp = this.ifp;
    if (bifp.bpf !== null) bifp.bpf.tap(bifp, m, BPF_D_IN);
    bifp.data.ipackets++;
    bifp.data.ibytes += m.len;
    if (iface !== bifp && iface.bpf !== null) iface.bpf.tap(iface, m, BPF_D_IN);
    m.rcvif = iface.index;
    etherLocalInput(iface, m);
    return null;
  }

  /** To every port that may have it, but `from`; the last one gets `m`. */
  private flood(from: BridgePort | null, m: PacketBuffer): void {
    const last = this.copyToAllButLast(from, m);
    if (last === null) m.free();
    else this.enqueue(last.ifp, m);
  }

  /** The same with copies only: `m` stays the caller's. */
  private floodCopies(from: BridgePort, m: PacketBuffer): void {
    const last = this.copyToAllButLast(from, m);
    if (last !== null) this.copyTo(last.ifp, m);
  }

  private copyToAllButLast(from: BridgePort | null, m: PacketBuffer): BridgePort | null {
    const order = this.order;
    const unicast = (m.flags & (M_BCAST | M_MCAST)) === 0;
    const snoop = this.snoopOn(from, m);
    let last: BridgePort | null = null;
    for (let i = 0; i < order.length; i++) {
      const p = order[i]!;
      if (p === from || p.dataState !== BSTP_IFSTATE_FORWARDING || (p.ifp.flags & IFF_RUNNING) === 0) continue;
      if (from !== null && (from.flags & p.flags & IFBIF_PRIVATE) !== 0) continue;
      if (unicast && (p.flags & IFBIF_DISCOVER) === 0) continue;
      if (snoop !== null && !snoop.passes(p)) continue;
      if (last !== null) this.copyTo(last.ifp, m);
      last = p;
    }
    return last;
  }

  /** Who says which ports a multicast goes to; null: it goes to all. */
  private snoopOn(from: BridgePort | null, m: PacketBuffer): BridgeSnoop | null {
    const { snoop } = this;
    return snoop !== null && (m.flags & M_BCAST) === 0 && (m.buf[m.off]! & 1) !== 0 && snoop.look(from, m, vlanOf(m)) ? snoop : null;
  }

  /** Flooding of what a member's own protocols send: also out through that member, never through a tunnel. */
  private floodOwn(from: BridgePort, m: PacketBuffer): void {
    const order = this.order;
    const snoop = this.snoopOn(null, m);
    let last: Ifnet | null = null;
    for (let i = 0; i < order.length; i++) {
      const p = order[i]!;
      const { ifp } = p;
      if (ifp.type === IFT_GIF || (ifp.flags & IFF_RUNNING) === 0 || (p !== from && p.dataState !== BSTP_IFSTATE_FORWARDING)) continue;
      if (snoop !== null && !snoop.passes(p)) continue;
      if (last !== null) this.copyTo(last, m);
      last = ifp;
    }
    if (last === null) m.free();
    else this.enqueue(last, m);
  }

  /** A copy of everything the bridge sees, to each span port. */
  private span(m: PacketBuffer): void {
    for (let i = 0; i < this.spans.length; i++) {
      const ifp = this.spans[i]!;
      if ((ifp.flags & IFF_RUNNING) !== 0) this.copyTo(ifp, m);
    }
  }

  private copyTo(ifp: Ifnet, m: PacketBuffer): void {
    const copy = m.pool.copy(m);
    if (copy === null) this.ifp.data.oerrors++;
    else this.enqueue(ifp, copy);
  }

  private enqueue(ifp: Ifnet, m: PacketBuffer): void {
    const data = this.ifp.data;
    const len = m.len;
    const multicast = (m.flags & M_MCAST) !== 0;
    if (ifTransmit(ifp, m) !== 0) {
      data.oerrors++;
      return;
    }
    data.opackets++;
    data.obytes += len;
    if (multicast) data.omcasts++;
  }

  private drop(m: PacketBuffer, why: keyof BridgeStats): null {
    this.stats[why]++;
    m.free();
    return null;
  }
}

function vlanOf(m: PacketBuffer): number {
  return (m.flags & M_VLANTAG) !== 0 ? m.vtag & EVL_VLID_MASK : 0;
}
