/**
 * vxlan.ts — vxlan(4): an Ethernet interface whose link is a UDP tunnel to one host, to many, or to a multicast group.
 * Read first: RFC 7348; vxlan(4); vxlan-end.ts; freebsd `sys/net/if_vxlan.c`.
 *
 * Theory of operation. A vxlan runs while it is up and its end (vxlan-end.ts) is bound, which is tried when it is brought up: the error shows in
 * the log and in RUNNING that is missing. Output looks the destination address up in the end's table; what is not there, and broadcasts and
 * multicasts, go to the configured remote or group. The frame gets a VXLAN header here, UDP and IP headers from the carrier. Input comes from
 * the carrier, teaches the table where its sender is, waits on the interface's bounded queue and goes up from the netisr.
 * Inside the outer packet nothing can stay undone: tags go into the bytes, checksums are finished, super-segments cut first. A packet without
 * headroom for the outer headers, because it has been in tunnels before, is copied once into one that has it.
 * Silent learned addresses are forgotten when the prune timer finds them expired; it is armed while there are any.
 *
 * Guards. A vxlan whose outer packets would leave through itself refuses them, and one that gets its outer packets from itself drops
 * them; every crossing counts as a hop, on the way out, so that circles through several end as well. All are counted as `loops`.
 *
 * A move leaves the end where it was configured, and the new instance goes on with it (`takeOver`). An instance that is about to be destroyed
 * for its successor has an end without a carrier.
 *
 * Invariants: RUNNING exactly while `end.binding` is there; `sending` only inside `transmit`; no timer and no packet while not running.
 * Not here: IPv6 outside; capabilities inherited from the interface below (none of ours has tunnel offloads).
 *
 * @rfc 7348 yes
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, EIO, ENETDOWN, ENOBUFS, ENODEV } from '../base/errno.js';
import { Callout } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { SysctlTree } from '../kern/sysctl.js';
import { CSUM_L4, HEADROOM, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ETHERMIN, ETHERMTU, ETHER_HDR_LEN, ETHER_SHOST, ETHER_VLAN_ENCAP_LEN } from '../wire/ether.js';
import { IP4_HDR_LEN } from '../wire/ip4.js';
import { UDP_HDR_LEN } from '../wire/udp.js';
import { VXLAN_HDR_LEN, vxlanEmit } from '../wire/vxlan.js';
import { HOPS_MAX, etherIfattach, etherIfdetach, etherInsertTag } from './ether.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifChangeMtu, ifDown, ifLinkStateChange, ifUp } from './if.js';
import { IFM_AUTO, IFM_ETHER, IFM_FDX, ifmediaMatch } from './if-media.js';
import type { IfMedia } from './if-media.js';
import {
  IFCAP_JUMBO_MTU, IFCAP_LINKSTATE, IFF_BROADCAST, IFF_MONITOR, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { finishChecksums } from './offload.js';
import { TunnelInput } from './tunnel-input.js';
import { TunnelOutput, tunnelEnter } from './tunnel-output.js';
import { refuse } from './tunnel-softc.js';
import { VXLAN_SYSCTLS, VxlanCarrier, VxlanEnd, vxlanCarrier } from './vxlan-end.js';
import type { VxlanUser } from './vxlan-end.js';
import { vxlanParams } from './vxlan-params.js';
import { vxlanSourcePort } from './vxlan-port.js';
import { VxlanStats, vxlanSysctls } from './vxlan-sysctl.js';

const US_PER_S = 1_000_000;
/** Time between two looks at the table. */
const PRUNE_PERIOD_US = 300 * US_PER_S;
/** Largest frame payload that fits into an IPv4 packet with every option. */
const VXLAN_MAX_MTU = 65_535 - 60 - UDP_HDR_LEN - VXLAN_HDR_LEN - ETHER_HDR_LEN - 4 - ETHER_VLAN_ENCAP_LEN;
/** Headers around the payload, less IP's. */
const VXLAN_OVERHEAD = ETHER_HDR_LEN + UDP_HDR_LEN + VXLAN_HDR_LEN;
/** Room before the frame for everything that this vxlan and the link below put there. */
const OUTER_ROOM = VXLAN_HDR_LEN + UDP_HDR_LEN + IP4_HDR_LEN + ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;
const GROUP_BIT = 0x100;
const MEDIUM = IFM_ETHER | IFM_AUTO;
const MEDIA: IfMedia = { current: MEDIUM, effective: MEDIUM | IFM_FDX, active: true, supported: [MEDIUM] };

export class VxlanSoftc implements IfDriver, VxlanUser {
  readonly ifp: Ifnet;
  end: VxlanEnd;
  readonly stats = new VxlanStats();
  /** The administrator chose the MTU: it no longer follows from the kind of remote. */
  userMtu = false;
  private readonly engine: Engine;
  private readonly up: TunnelInput;
  /** Keys the choice of source ports. */
  private readonly portKey: number;
  private ageing: Callout;
  private tree: SysctlTree | null = null;
  private sending = false;
  /** Where the packet being sent goes. */
  private dst = 0;
  private dport = 0;
  private sport = 0;
  private readonly down = new TunnelOutput((m) => this.encapsulate(m));

  constructor(net: Net, xname: string, unit: number) {
    const { engine } = net.kern;
    const rng = engine.rng.split(`vxlan/${net.kern.id}/${xname}`);
    this.engine = engine;
    this.portKey = rng.u32() | 0;
    this.end = new VxlanEnd(vxlanCarrier(net), rng.u32());
    this.end.user = this;
    this.ifp = new Ifnet(this, 'vxlan', unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, ETHERMTU - VXLAN_OVERHEAD);
    this.ifp.capabilities = IFCAP_LINKSTATE | IFCAP_JUMBO_MTU;
    this.ifp.capenable = this.ifp.capabilities;
    this.up = new TunnelInput(this.ifp, net);
    this.ageing = this.newCallout(net);
  }

  /** ENETDOWN: not running; EIO: in a circle; ENOBUFS: no room for the headers; else what IP says of the outer packet. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (this.end.binding === null || (ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || (ifp.flags & IFF_MONITOR) !== 0) return refuse(m, ENETDOWN);
    if (this.sending || m.hops >= HOPS_MAX) {
      this.stats.loops++;
      return refuse(m, EIO);
    }
    this.sending = true;
    try {
      return this.send(m);
    } finally {
      this.sending = false;
    }
  }

  flagsChanged(ifp: Ifnet): void {
    const state = ifp.flags & UP_AND_RUNNING;
    if (state === IFF_UP) this.start();
    else if (state === IFF_RUNNING) this.stop();
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    if (mtu < ETHERMIN || mtu > VXLAN_MAX_MTU) return EINVAL;
    this.userMtu = true;
    return 0;
  }

  media(): IfMedia {
    return MEDIA;
  }

  setMedia(_ifp: Ifnet, word: number): Errno {
    return ifmediaMatch(MEDIA.supported, word);
  }

  rcvq(): PacketQueue {
    return this.up.rcvq;
  }

  queued(): number {
    return this.up.length;
  }

  /** The end stays where it is; learned addresses, timer and names are for the new vnet. */
  vnetChanged(_ifp: Ifnet, to: Net): void {
    this.stop();
    this.end.ftable.flush(false);
    this.up.purge();
    this.up.netisrOwner = to.kern;
    this.ageing = this.newCallout(to);
    this.name(to.kern.sysctl);
  }

  /** Puts the interface's readings under `net.link.vxlan.N` of a tree, and takes them from the one they were in. */
  name(tree: SysctlTree | null): void {
    this.tree?.detach(this);
    this.tree = tree;
    if (tree !== null) for (const group of vxlanSysctls(this.ifp.dunit)) tree.attach(group, this);
  }

  /** The MTU that follows from the kind of remote: without one, IP's header is not known yet. */
  get ownMtu(): number {
    return ETHERMTU - VXLAN_OVERHEAD - (this.end.remote === 0 ? 0 : IP4_HDR_LEN);
  }

  /** Takes that MTU, unless the administrator chose one. */
  adaptMtu(): void {
    if (this.userMtu || this.ifp.mtu === this.ownMtu) return;
    ifChangeMtu(this.ifp, this.ownMtu);
    this.userMtu = false;
  }

  /** VxlanUser: as if the administrator had taken it down. */
  vxlanGone(): void {
    if (this.end.binding === null) return;
    ifDown(this.ifp);
    this.stop();
  }

  vxlanInput(m: PacketBuffer, src: number): boolean {
    const { ifp } = this;
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || m.rcvif === ifp.index || m.hops >= HOPS_MAX) {
      if ((ifp.flags & UP_AND_RUNNING) === UP_AND_RUNNING) this.stats.loops++;
      this.up.error(m);
      return true;
    }
    if (this.end.learn) this.learn(m, src);
    // A checksum that is pending in the frame itself stays pending; whatever else is known was known of the outer packet.
    const inner = (m.csumFlags & CSUM_L4) !== 0 && m.csumStart >= m.off;
    m.csumFlags = inner ? CSUM_L4 : 0;
    if (!inner) {
      m.gsoSize = 0;
      m.gsoType = 0;
    }
    m.flags = 0;
    m.nhoff = 0;
    m.flowid = 0;
    return this.up.put(m);
  }

  /** Leaves its vnet for good. */
  detach(): void {
    etherIfdetach(this.ifp);
    this.stop();
    this.name(null);
    if (this.end.user !== this) return;
    this.end.ftable.flush(true);
    this.end.release();
    this.end.user = null;
  }

  /** Goes on with the end of `from`, whose new instance in another vnet this is; `from` is left without one. */
  takeOver(from: VxlanSoftc): void {
    const { end } = from;
    from.halt();
    from.end = new VxlanEnd(null, 0);
    end.ftable.flush(false);
    this.end.release();
    this.end = end;
    end.user = this;
    this.userMtu = from.userMtu;
    this.ifp.tunnelFib = from.ifp.tunnelFib;
  }

  private start(): void {
    const { ifp, end } = this;
    if (end.bind() !== 0) return;
    ifp.flags |= IFF_RUNNING;
    if (end.ftable.dynamic > 0) this.startAgeing();
    ifLinkStateChange(ifp, LINK_STATE_UP);
  }

  private stop(): void {
    if (this.end.binding === null) return;
    this.halt();
    ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
  }

  /** Stops, and tells nobody. */
  private halt(): void {
    this.ifp.flags &= ~IFF_RUNNING;
    this.engine.calloutStop(this.ageing);
    this.end.unbind();
    this.up.purge();
  }

  private newCallout(net: Net): Callout {
    return new Callout(net.kern, () => {
      this.end.ftable.age(this.engine.now);
      if (this.end.ftable.dynamic > 0) this.startAgeing();
    });
  }

  private startAgeing(): void {
    this.engine.calloutReset(this.ageing, PRUNE_PERIOD_US);
  }

  /** Who sent the frame is behind `src`; the port it came from says nothing. A group address or none is nobody. */
  private learn(m: PacketBuffer, src: number): void {
    const { ftable, remotePort, timeoutS } = this.end;
    const hi = m.view.getUint16(m.off + ETHER_SHOST);
    const lo = m.view.getInt32(m.off + ETHER_SHOST + 2);
    if ((hi & GROUP_BIT) !== 0 || (hi === 0 && lo === 0) || src === 0) return;
    if (!ftable.learn(hi, lo, src, remotePort, this.engine.now + timeoutS * US_PER_S)) this.stats.ftableNospace++;
    else if (!this.ageing.pending && ftable.dynamic > 0) this.startAgeing();
  }

  /** Finds out where the frame goes. */
  private send(m: PacketBuffer): Errno {
    const { end } = this;
    const hi = m.view.getUint16(m.off);
    const slot = (hi & GROUP_BIT) !== 0 ? -1 : end.ftable.find(hi, m.view.getInt32(m.off + 2));
    this.dst = slot < 0 ? end.remote : end.ftable.addrAt(slot);
    this.dport = slot < 0 ? end.remotePort : end.ftable.portAt(slot);
    this.sport = vxlanSourcePort(m, this.portKey, end.minPort, end.maxPort);
    return this.down.send(m, ETHER_HDR_LEN);
  }

  private encapsulate(frame: PacketBuffer): Errno {
    const { binding } = this.end;
    if (binding === null) return refuse(frame, ENETDOWN);
    if (!etherInsertTag(frame) || !finishChecksums(frame, ETHER_HDR_LEN)) return refuse(frame, ENOBUFS);
    const m = frame.off >= OUTER_ROOM ? frame : withRoom(frame);
    if (m === null || !m.prepend(VXLAN_HDR_LEN)) return refuse(m ?? frame, ENOBUFS);
    vxlanEmit(m.view, m.off, this.end.vni);
    tunnelEnter(m, this.ifp.tunnelFib);
    return binding.output(m, this.sport, this.dst, this.dport);
  }
}

/** The packet in a slot with headroom; null when there is none, `m` is the caller's then. */
function withRoom(m: PacketBuffer): PacketBuffer | null {
  const n = m.pool.alloc(m.len, HEADROOM);
  if (n === null) return null;
  n.copyMeta(m);
  copyBytes(n, n.off, m, m.off, m.len);
  m.free();
  return n;
}

/** The vxlan behind `ifp`, or null for another kind of interface. */
export function vxlanOf(ifp: Ifnet): VxlanSoftc | null {
  return ifp.driver instanceof VxlanSoftc ? ifp.driver : null;
}

function create(net: Net, _cloner: IfCloner, xname: string, unit: number, params: CloneParams | null, like: IfVparams | null): CloneResult {
  const sc = new VxlanSoftc(net, xname, unit);
  if (params !== null) vxlanParams(sc.end, params);
  sc.ifp.mtu = sc.ownMtu;
  etherIfattach(sc.ifp, net, like?.lladdr ?? net.shared.generateMac(0x02, 0x00), like);
  sc.ifp.baudrate = 0;
  sc.name(net.kern.sysctl);
  return { error: 0, ifp: sc.ifp };
}

function destroy(ifp: Ifnet): Errno {
  const sc = vxlanOf(ifp);
  if (sc === null) return EINVAL;
  sc.detach();
  return 0;
}

/** ENODEV: the new instance was destroyed while it was made; the old one keeps its end. */
function applyParams(ifp: Ifnet, saved: object): Errno {
  const sc = vxlanOf(ifp);
  if (sc === null || ifp.net === null) return ENODEV;
  if (saved instanceof VxlanSoftc) sc.takeOver(saved);
  return 0;
}

export const vxlanCloner: IfClonerSpec = {
  name: 'vxlan',
  create,
  destroy,
  saveParams: (ifp) => ifp.driver,
  applyParams,
  attach(net) {
    const carrier = new VxlanCarrier(net);
    net.drivers.set('vxlan', carrier);
    net.kern.sysctl.attach(VXLAN_SYSCTLS, carrier);
  },
  detach(net) {
    const carrier = vxlanCarrier(net);
    if (carrier !== null) net.kern.sysctl.detach(carrier);
    carrier?.destroy();
    net.drivers.delete('vxlan');
  },
};
