/**
 * epair.ts — epair(4): a virtual cross-over cable with an Ethernet interface at each end.
 * Read first: epair(4); freebsd `sys/net/if_epair.c`.
 *
 * Theory of operation. `epair create` makes two interfaces, `epairNa` and `epairNb`, that share unit N. What one end transmits
 * waits on the other end's bounded queue until the netisr hands it to that end's input: a cable never calls up into the
 * stack behind it, so a ring of cables costs hops, not stack. The packet itself moves; nothing is copied.
 * Crossing the cable strips what belongs to the sender's stack (who received it, whether it was a broadcast, the PCP asked
 * for) and gives the packet the receiver's FIB. Checksums still to be computed stay so, and an 802.1Q tag stays out of the
 * bytes: both ends speak the same language, only a driver that leaves the process needs the frame as a wire has it.
 * Each end may live in another vnet and move at any time. When it moves, the new instance is plugged in where the old one was, between two
 * packets. What waited at the old one was for the vnet it left and is dropped; the other end, whose interface knows of its peer only
 * through `sc.peer`, notices nothing but a peer that is down until somebody brings it up. Destroying one end destroys both, each
 * where it is at that moment.
 *
 * Invariants: while plugged in, `sc.peer.peer === sc`; an end that was unplugged has no peer, its queue is empty and stays so.
 */
import type { Errno } from '../base/errno.js';
import { E2BIG, EEXIST, ENETDOWN, ENODEV, ENOSPC, ENXIO } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { NetisrSource } from '../kern/netisr.js';
import { M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { ETHERMTU, ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } from '../wire/ether.js';
import { HOPS_MAX, etherIfattach, etherIfdetach } from './ether.js';
import type { CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { IFM_10G_T, IFM_ETHER, IFM_FDX, ifmediaMatch } from './if-media.js';
import type { IfMedia } from './if-media.js';
import { ifLinkStateChange, ifUp } from './if.js';
import { ifMoved, ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import { ifInput } from './if-transmit.js';
import {
  IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFNAMSIZ, IFT_ETHER, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP, TRANSMIT_COUNTED,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { Net } from './net.js';

/** Packets that may wait at one end. */
export const EPAIR_QUEUE_MAX = 4_096;

const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;
/** What a frame may be longer than the MTU: the header and one tag. */
const FRAME_EXTRA = ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN;
const BAUDRATE = 10_000_000_000;
const MEDIUM = IFM_ETHER | IFM_10G_T;
const MEDIA: IfMedia = { current: MEDIUM, effective: MEDIUM | IFM_FDX, active: true, supported: [MEDIUM] };
/** First and last octets of the generated addresses. */
const MAC_FIRST = 0x02;
const MAC_LAST_A = 0x0a;
const MAC_LAST_B = 0x0b;

/** One end. */
export class EpairSoftc implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  /** The other end; null once unplugged. */
  peer: EpairSoftc | null = null;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly engine: Engine;
  private readonly queue = new PacketQueue(EPAIR_QUEUE_MAX);

  constructor(net: Net, xname: string, unit: number) {
    this.netisrOwner = net.kern;
    this.engine = net.kern.engine;
    this.ifp = new Ifnet(this, 'epair', unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, ETHERMTU);
    this.ifp.capabilities = IFCAP_VLAN_MTU;
    this.ifp.capenable = IFCAP_VLAN_MTU;
    this.ifp.baudrate = BAUDRATE;
  }

  /**
   * Puts `m` on the other end's queue. E2BIG: longer than the MTU allows (a super-segment is not: it is cut where a link
   * needs it); ENXIO, ENETDOWN: this end is not running, not up. A peer that is down or full drops without telling.
   */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (m.len > ifp.mtu + FRAME_EXTRA && m.gsoSize === 0) return refuse(m, E2BIG);
    const state = ifp.flags & UP_AND_RUNNING;
    if (state !== UP_AND_RUNNING) return refuse(m, (state & IFF_RUNNING) === 0 ? ENXIO : ENETDOWN);
    const peer = this.peer;
    if (peer === null || (peer.ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || m.hops >= HOPS_MAX) {
      ifp.data.oerrors++;
      return refuse(m, TRANSMIT_COUNTED);
    }
    m.hops++;
    m.flags &= M_VLANTAG;
    m.pcp = -1;
    m.fib = peer.ifp.fib;
    if (!peer.queue.enqueue(m)) {
      ifp.data.oqdrops++;
      return TRANSMIT_COUNTED;
    }
    if (!peer.netisrQueued) this.engine.schedule(peer);
    return 0;
  }

  /** Hands up to `max` waiting frames to this end's stack. */
  netisrRun(max: number): number {
    const ifp = this.ifp;
    const queue = this.queue;
    let n = 0;
    for (; n < max; n++) {
      const m = queue.dequeue();
      if (m === null) break;
      if ((ifp.flags & UP_AND_RUNNING) === UP_AND_RUNNING) ifInput(ifp, m);
      else m.free();
    }
    return n;
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  rcvq(): PacketQueue {
    return this.queue;
  }

  queued(): number {
    return this.queue.length;
  }

  media(): IfMedia {
    return MEDIA;
  }

  setMedia(_ifp: Ifnet, word: number): Errno {
    return ifmediaMatch(MEDIA.supported, word);
  }

  /** The cable is plugged in, or pulled out. */
  setRunning(running: boolean): void {
    const ifp = this.ifp;
    ifp.flags = running ? ifp.flags | IFF_RUNNING : ifp.flags & ~IFF_RUNNING;
    ifLinkStateChange(ifp, running ? LINK_STATE_UP : LINK_STATE_DOWN);
  }

  /** Plugs the cable in here and there. */
  plug(peer: EpairSoftc): void {
    this.peer = peer;
    peer.peer = this;
  }

  /** Nothing comes or goes here any more. */
  unplug(): void {
    this.peer = null;
    this.queue.purge();
  }

  /** Leaves the vnet this end is in now, for good. */
  detach(): void {
    etherIfdetach(this.ifp);
    this.unplug();
  }
}

function refuse(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** The name of an end: the pair's with a letter. */
function endTaken(net: Net, unit: number): boolean {
  return net.ifunit(`epair${unit}a`) !== null || net.ifunit(`epair${unit}b`) !== null;
}

function create(net: Net, cloner: IfCloner, xname: string, unit: number): CloneResult {
  if (xname.length + 1 >= IFNAMSIZ) return { error: ENOSPC, ifp: null };
  const a = new EpairSoftc(net, `${xname}a`, unit);
  const b = new EpairSoftc(net, `${xname}b`, unit);
  a.plug(b);
  const mac = net.shared.generateMac(MAC_FIRST, MAC_LAST_A);
  etherIfattach(a.ifp, net, mac);
  if (net.ifunit(b.ifp.xname) !== null) { // taken by whoever was told of the first
    etherIfdetach(a.ifp);
    return { error: EEXIST, ifp: null };
  }
  mac[mac.length - 1] = MAC_LAST_B;
  etherIfattach(b.ifp, net, mac);
  cloner.link(b.ifp);
  a.setRunning(true);
  b.setRunning(true);
  return { error: 0, ifp: a.ifp };
}

function destroy(ifp: Ifnet, cloner: IfCloner): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof EpairSoftc) || sc.peer === null) return ENXIO;
  const peer = sc.peer;
  cloner.unlink(peer.ifp);
  sc.unplug();
  peer.unplug();
  sc.setRunning(false);
  peer.setRunning(false);
  etherIfdetach(sc.ifp);
  etherIfdetach(peer.ifp);
  return 0;
}

/** One end moves; the other stays where it is. ENODEV: somebody destroyed the pair meanwhile. */
function vmove(_cloner: IfCloner, move: IfMove): IfMoveResult {
  const sc = move.ifp.driver;
  if (!(sc instanceof EpairSoftc)) return ifNotMoved(ENXIO);
  const made = new EpairSoftc(move.to, move.xname, move.ifp.dunit);
  made.ifp.flags |= IFF_RUNNING;
  made.ifp.linkState = LINK_STATE_UP;
  etherIfattach(made.ifp, move.to, move.like.lladdr, move.like);
  const { peer } = sc;
  if (peer === null) {
    etherIfdetach(made.ifp);
    return ifNotMoved(ENODEV);
  }
  sc.unplug();
  made.plug(peer);
  move.commit(made.ifp);
  etherIfdetach(sc.ifp);
  return ifMoved(made.ifp);
}

/** The other end of an epair, wherever it is now; null for other interfaces and while it is being destroyed. */
export function epairPeer(ifp: Ifnet): Ifnet | null {
  return ifp.driver instanceof EpairSoftc ? (ifp.driver.peer?.ifp ?? null) : null;
}

/** `ifconfig epair create` prints the name of end a. */
export const epairCloner: IfClonerSpec = { name: 'epair', create, destroy, vmove, unitTaken: endTaken };
