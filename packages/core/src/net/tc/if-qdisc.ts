/**
 * if-qdisc.ts — class IfQdisc: the root discipline of an interface, and what a kind of discipline must be.
 * Read first: tc(8); docs/plug.md.
 *
 * Theory of operation. A discipline decides when a packet may go; this is what joins it to its interface. What it lets go leaves by `ifTransmitNow`. One that has no room drops and counts, and
 * the interface counts an output drop. While the interface is down nothing is given to it: what it held when the interface went down is gone (`reset`), as Linux has it.
 * Kinds are in `NetShared.qdiscKinds`: those of layers to the right are put there by the vnet. An interface without a discipline has what tc calls `noqueue`: the driver is asked at once.
 *
 * Invariants: `ifp.qdisc` is this object, or this object is destroyed. An interface that moves arrives without.
 */
import type { Errno } from '../../base/errno.js';
import { ENETDOWN } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ifTransmitNow } from '../if-transmit.js';
import type { IfOutputHook, Ifnet } from '../ifnet.js';
import { IFF_UP } from '../ifnet.js';
import type { Net } from '../net.js';
import type { TcAnswer } from './tc-answer.js';

/** Counters that tc(8) shows. */
export interface QdiscStats {
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly dropPackets: number;
}

/** A discipline. */
export interface Qdisc {
  readonly packets: number;
  readonly bytes: number;
  readonly stats: QdiscStats;
  /** Owns `m`. */
  output(m: PacketBuffer): Errno;
  reset(): void;
  /** What came by the interface of that number goes. */
  purgeFrom(rcvif: number): void;
  destroy(): void;
}

/** What a request says to a kind: TCA_OPTIONS as fields. */
export type QdiscOptions = Readonly<Record<string, number>>;

/** A kind of discipline, by its name. */
export interface QdiscKind {
  readonly kind: string;
  /** Makes one for `ifp`, which hands packets to `send`; null options: none were given. */
  create(net: Net, ifp: Ifnet, send: (m: PacketBuffer) => Errno, options: QdiscOptions | null): Qdisc;
  change(qdisc: Qdisc, options: QdiscOptions): TcAnswer;
}

export class IfQdisc implements IfOutputHook {
  readonly ifp: Ifnet;
  readonly kind: string;
  readonly handle: number;
  readonly qdisc: Qdisc;

  constructor(ifp: Ifnet, kind: string, handle: number, qdisc: Qdisc) {
    this.ifp = ifp;
    this.kind = kind;
    this.handle = handle;
    this.qdisc = qdisc;
  }

  get packets(): number {
    return this.qdisc.packets;
  }

  output(m: PacketBuffer): Errno {
    const { ifp, qdisc } = this;
    if ((ifp.flags & IFF_UP) === 0) {
      ifp.data.oerrors++;
      m.free();
      return ENETDOWN;
    }
    const drops = qdisc.stats.dropPackets;
    const error = qdisc.output(m);
    if (qdisc.stats.dropPackets !== drops) ifp.data.oqdrops++;
    return error;
  }

  reset(): void {
    this.qdisc.reset();
  }

  forget(ifp: Ifnet): void {
    this.qdisc.purgeFrom(ifp.index);
  }

  destroy(): void {
    this.qdisc.destroy();
  }
}

/**
 * Puts a discipline on `ifp`, which has none; null when it has. `make` is given the function that packets leave by. This is how a program does it; `tc` comes by tc-qdisc.ts.
 */
export function ifQdiscAttach<Q extends Qdisc>(ifp: Ifnet, kind: string, make: (send: (m: PacketBuffer) => Errno) => Q, handle = 0): Q | null {
  if (ifp.qdisc !== null) return null;
  const qdisc = make((m) => ifTransmitNow(ifp, m));
  ifp.qdisc = new IfQdisc(ifp, kind, handle, qdisc);
  return qdisc;
}

/** Takes the discipline away; what it holds is freed. */
export function ifQdiscDetach(ifp: Ifnet): void {
  ifp.qdisc?.destroy();
  ifp.qdisc = null;
}
