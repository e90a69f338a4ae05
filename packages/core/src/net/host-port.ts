/**
 * host-port.ts — the far side of tap and tun: whoever has the device open, and the packets that wait for it.
 * Read first: tuntap(4).
 *
 * Theory of operation. Output is put on a bounded queue; when the netisr serves it, each packet is made fit for whoever is outside (tag
 * into the bytes, super-segments cut, checksums finished, as far as the sink cannot or may not do that itself) and handed to the sink, a
 * batch at a time, with a `flush` at the end. A sink that cannot take a packet says so: it is dropped and counted, nothing waits
 * behind it. A sink that knows beforehand (`isFull`) is not served meanwhile: packets wait in the queue here, which drops and counts what it has no
 * room for, until the sink has called `resume`. One sink at a time has the device open, like a device that can be opened once.
 *
 * The device stays when its interface moves to another vnet: the new instance takes the place of the old one (`rebind`), and the sink is
 * told, because frames from outside come in on the interface there is now. Whoever opened the device may close it through any
 * instance it has ever had.
 *
 * Invariants: without a sink the queue is empty. While packets wait, this is in the netisr's ring, or its sink is full and will call `resume`.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, ENODEV, ENXIO } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { NetisrSource } from '../kern/netisr.js';
import { GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { IPV6_VERSION } from '../wire/ip6.js';
import { etherInsertTag } from './ether.js';
import { ifDown } from './if.js';
import { IFCAP_TSO4, IFCAP_TSO6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, IFF_RUNNING } from './ifnet.js';
import { ifDetach } from './if-detach.js';
import { ifMoved, ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { finishChecksums, ipVersion, segment } from './offload.js';

/** Packets that may wait for the sink. */
export const HOST_QUEUE_MAX = 1_024;

const NO_OFFLOAD: FrameSink['offload'] = { csum: false, gso: false };
const TX_CAPS = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6 | IFCAP_TSO4 | IFCAP_TSO6;

/** Whoever has a tap or tun open. */
export interface FrameSink {
  /** The process that has the device open, as `ifconfig` shows it; absent: nobody to name. */
  readonly pid?: number;
  /**
   * What may be left to it: pending checksums (`m.csumFlags`), super-segments (`m.gsoSize`), and of these those of UDP (absent: as others). It may change, and is
   * looked at for each packet; the interface's capabilities are what it says when the device is opened.
   */
  readonly offload: { readonly csum: boolean; readonly gso: boolean; readonly uso?: boolean };
  /**
   * No room for the moment: nothing is handed over until it calls `resume` of what it is plugged into. Looked at before each packet of the stack; one that
   * is not full takes whatever becomes of a packet, which for a super-segment that is cut here is up to 64 KB in frames of the link's size.
   * Absent: never.
   */
  readonly isFull?: boolean;
  /** Takes `m` over, or answers false when it cannot: then `m` is still the caller's, who drops and counts it. */
  output(m: PacketBuffer): boolean;
  /** No more for the moment: what was handed over may go. */
  flush?(): void;
  /** The interface moved to another vnet and is `ifp` now: frames come in there from here on. */
  moved?(ifp: Ifnet): void;
  /** The interface was destroyed while this sink had it open: nothing more will come. */
  gone?(): void;
}

/** The interface's side of a device: what it does when the device is opened and closed. */
export interface HostPortOwner {
  readonly ifp: Ifnet;
  opened(): void;
  closed(): void;
}

export class HostPort implements NetisrSource {
  netisrQueued = false;
  netisrOwner: CalloutOwner;
  private owner: HostPortOwner;
  private readonly linkLen: number;
  private net: Net;
  private sink: FrameSink | null = null;
  private readonly queue = new PacketQueue(HOST_QUEUE_MAX);
  private readonly emit = (piece: PacketBuffer): void => this.hand(piece);

  /** @param linkLen bytes before the network header: 14 for Ethernet, 0 for IP packets. */
  constructor(net: Net, owner: HostPortOwner, linkLen: number) {
    this.net = net;
    this.netisrOwner = net.kern;
    this.owner = owner;
    this.linkLen = linkLen;
  }

  get isOpen(): boolean {
    return this.sink !== null;
  }

  /** What whoever has it open can be left to do. */
  get offload(): FrameSink['offload'] {
    return this.sink?.offload ?? NO_OFFLOAD;
  }

  /** Who has it open, in the words of SIOCGIFSTATUS. */
  statusText(): string {
    const pid = this.sink?.pid;
    return pid === undefined ? '' : `\tOpened by PID ${pid}\n`;
  }

  /** The interface it belongs to now. */
  get ifp(): Ifnet {
    return this.owner.ifp;
  }

  /** Where packets wait for the sink. */
  get sndq(): PacketQueue {
    return this.queue;
  }

  /** Packets that wait for the sink. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Opens the device, or with null closes it: what was waiting is dropped. EBUSY: somebody else has it open; ENXIO: the interface is gone. */
  attach(sink: FrameSink | null): Errno {
    if (sink === null) {
      if (this.sink === null) return 0;
      this.drop();
      this.owner.closed();
      return 0;
    }
    if (this.ifp.net === null) return ENXIO;
    if (this.sink !== null) return EBUSY;
    this.sink = sink;
    this.owner.opened();
    return 0;
  }

  /** The interface is gone. */
  destroy(): void {
    const sink = this.sink;
    this.drop();
    sink?.gone?.();
  }

  /** Frees what is waiting. */
  purge(): void {
    this.queue.purge();
  }

  /** The interface moved to `to`, where `owner` has its new instance. */
  rebind(owner: HostPortOwner, to: Net): void {
    this.owner = owner;
    this.net = to;
    this.netisrOwner = to.kern;
    this.queue.purge();
    this.sink?.moved?.(owner.ifp);
  }

  /** Queues `m` for the sink; false (freed, and counted in `oqdrops`) when the queue is full. The port is open. */
  enqueue(m: PacketBuffer): boolean {
    if (!this.queue.enqueue(m)) {
      this.ifp.data.oqdrops++;
      return false;
    }
    this.serve();
    return true;
  }

  /** The sink is not full any more: what waits is served in this turn, or the next. */
  resume(): void {
    if (this.queue.length > 0) this.serve();
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max && this.sink?.isFull !== true; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      this.prepare(m);
    }
    if (n > 0) this.sink?.flush?.();
    return n;
  }

  private serve(): void {
    if (!this.netisrQueued && this.sink?.isFull !== true) this.net.kern.engine.schedule(this);
  }

  private prepare(m: PacketBuffer): void {
    const sink = this.sink;
    if (sink === null || !etherInsertTag(m)) {
      this.lost(m);
      return;
    }
    if (m.gsoSize > 0 && !(takesWhole(sink, m.gsoType) && this.mayStay(m, m.gsoType))) {
      if (segment(m.pool, m, this.emit, this.linkLen) === 0) this.ifp.data.oerrors++;
    } else {
      this.hand(m);
    }
  }

  private hand(m: PacketBuffer): void {
    const sink = this.sink;
    if (sink === null || (m.gsoSize === 0 && !(sink.offload.csum && this.mayStay(m, GSO_NONE)) && !finishChecksums(m, this.linkLen))) this.lost(m);
    else if (!sink.output(m)) {
      this.ifp.data.oqdrops++;
      m.free();
    }
  }

  /** Does the administrator let undone work go out? Only a capability that the interface has can be switched off. */
  private mayStay(m: PacketBuffer, gsoType: number): boolean {
    const off = this.ifp.capabilities & ~this.ifp.capenable;
    if ((off & TX_CAPS) === 0) return true;
    const isIp6 = ipVersion(m, this.linkLen) === IPV6_VERSION;
    const csum = isIp6 ? IFCAP_TXCSUM_IPV6 : IFCAP_TXCSUM;
    const tso = gsoType === GSO_TCPV4 ? IFCAP_TSO4 : gsoType === GSO_TCPV6 ? IFCAP_TSO6 : 0;
    return (off & (csum | tso)) === 0;
  }

  private drop(): void {
    this.sink = null;
    this.queue.purge();
  }

  private lost(m: PacketBuffer): void {
    this.ifp.data.oerrors++;
    m.free();
  }
}

function takesWhole({ offload }: FrameSink, gsoType: number): boolean {
  return gsoType === GSO_UDP_L4 ? (offload.uso ?? offload.gso) : offload.gso;
}

/**
 * The interface of a device moves: `attach` puts its new instance, `made.ifp`, into the target, and the device goes over to it. ENODEV: somebody
 * who was told of the arrival destroyed the old one.
 */
export function hostIfVmove(move: IfMove, port: HostPort, made: HostPortOwner, attach: () => void): IfMoveResult {
  const { ifp: old } = move;
  const wasOpen = port.isOpen;
  made.ifp.linkState = old.linkState;
  attach();
  if (old.net === null) {
    ifDetach(made.ifp);
    return ifNotMoved(ENODEV);
  }
  move.commit(made.ifp);
  ifDetach(old);
  port.rebind(made, move.to);
  // Whoever was told of the arrival, or the departure, may have closed or opened it.
  if (wasOpen && !port.isOpen) made.closed();
  else if (!wasOpen && port.isOpen) made.opened();
  return ifMoved(made.ifp);
}

/** The device was closed: the interface stops and loses its addresses, as a program that provided a network takes it along. */
export function hostIfStop(ifp: Ifnet): void {
  ifDown(ifp);
  if ((ifp.flags & IFF_RUNNING) === 0) return;
  ifp.flags &= ~IFF_RUNNING;
  for (const d of ifp.net?.domains ?? []) d.purgeAddrs(ifp);
}
