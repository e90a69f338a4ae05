/**
 * tcp-foreign.ts — TcpForeign: connections to addresses that are not ours, for a gateway that carries them on.
 * Read first: net/gw.ts; tcp-syncache.ts; docs/gateway.md.
 *
 *     SYN ──▶ door.syn ─┬─ held: nothing is said until the door knows whether the other side answers
 *                       │      admit ──▶ syncache, as for a listener's ──▶ SYN|ACK … ACK ──▶ door.accept
 *                       │      refuse ─▶ RST
 *                       └─ dropped, or refused at once
 *
 * Theory of operation. Segments that come by a gateway's interface, and those for nobody among what the door claims of our own addresses, are looked at
 * here when they belong to no connection. A SYN is shown to the door, which usually keeps it (HeldSyn) and gives it back when it has an answer;
 * the handshake is then the syncache's, under a listener that has neither address nor port and so is found by nobody else. Connections that come of it are
 * ordinary ones, whose local end is the address that was asked for.
 *
 * Invariant: a HeldSyn is given back exactly once.
 * Not here: who answers for the addresses (gateway/).
 */
import { BANDLIM_RST_CLOSEDPORT } from '../inet/icmp-bandlim.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { InPcb } from '../transport/inpcb.js';
import { TH_ACK, TH_RST, TH_SYN } from '../wire/tcp.js';
import { tcpClose, tcpSetState } from './tcp-close.js';
import type { TcpEnds } from './tcp-ends.js';
import { tcpReset } from './tcp-respond.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_LISTEN } from './tcp-state.js';
import { TcpCb } from './tcpcb.js';
import type { TcpUser } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** What a door says of a SYN. Nothing is answered; or a reset; or a SYN|ACK; or the door has taken it (`new HeldSyn`). */
export const FOREIGN_DROP = 0;
export const FOREIGN_REFUSE = 1;
export const FOREIGN_ADMIT = 2;
export const FOREIGN_HELD = 3;

/** Who answers for addresses that are not ours. */
export interface TcpForeignDoor {
  /** Does the door answer at this local end, an address of ours where nobody listens? */
  claims(ends: TcpEnds): boolean;
  /** A connection is asked for; FOREIGN_*. `ends` and `seg` are good until it returns. */
  syn(ends: TcpEnds, seg: Segment): number;
  /** It is complete; null: nobody wants it any more, it is reset. */
  accept(tp: TcpCb): TcpUser | null;
}

/** A SYN that waits for its answer: the packet, with `off` at its IP header. */
export class HeldSyn {
  readonly m: PacketBuffer;
  readonly isV6: boolean;
  private readonly th: number;
  private readonly ecn: number;

  /** Takes over `seg.m`. */
  constructor(seg: Segment) {
    const { m } = seg;
    m.prepend(m.off - m.nhoff);
    this.m = m;
    this.isV6 = seg.isV6;
    this.th = seg.th;
    this.ecn = seg.ecn;
  }

  /** Reads it again, as a segment that came by `ifp`. */
  into(seg: Segment, ifp: Ifnet): void {
    seg.fill(ifp, this.m, this.th, this.isV6, this.ecn);
  }
}

/** Whom the connections come to: it never connects, sends or reads itself. */
class ForeignListener implements TcpUser {
  readonly tcpAcceptLimit = 0;
  private readonly door: TcpForeignDoor;

  constructor(door: TcpForeignDoor) {
    this.door = door;
  }

  tcpAccept(tp: TcpCb): TcpUser | null {
    return this.door.accept(tp);
  }

  tcpConnected(): void {}

  tcpReadable(): void {}

  tcpWritable(): void {}

  tcpEnded(): void {}
}

export class TcpForeign {
  private readonly tcp: Tcp;
  private readonly door: TcpForeignDoor;
  private readonly listener: TcpCb;
  private readonly listener6: TcpCb;

  constructor(tcp: Tcp, door: TcpForeignDoor) {
    this.tcp = tcp;
    this.door = door;
    const user = new ForeignListener(door);
    this.listener = new TcpCb(tcp, user);
    tcp.attachPcb4(this.listener, 0);
    this.listener6 = new TcpCb(tcp, user);
    const in6p = tcp.attachPcb6(this.listener6, 0);
    in6p.v6only = true;
    in6p.v4 = false;
    for (const tp of [this.listener, this.listener6]) tcpSetState(tp, TCPS_LISTEN);
  }

  destroy(): void {
    tcpClose(this.listener, 0);
    tcpClose(this.listener6, 0);
  }

  /** Is a segment for `inp` (null: for nobody) this one's to answer? */
  wants(inp: InPcb | null, seg: Segment): boolean {
    if (seg.ifp.takesAny) return inp === null || !inp.connected;
    return inp === null && this.door.claims(this.tcp.ends.ofSegment(seg));
  }

  /** Owns `seg.m`. */
  input(seg: Segment): void {
    if ((seg.flags & (TH_SYN | TH_ACK | TH_RST)) === TH_SYN) {
      const verdict = this.door.syn(this.tcp.ends.ofSegment(seg), seg);
      if (verdict === FOREIGN_HELD) return;
      if (verdict !== FOREIGN_ADMIT) {
        if (verdict === FOREIGN_REFUSE) tcpReset(this.tcp, seg, BANDLIM_RST_CLOSEDPORT);
        seg.m.free();
        return;
      }
    }
    this.toSyncache(seg);
  }

  /** The other side is there: the handshake goes on. */
  admit(syn: HeldSyn, ifp: Ifnet): void {
    const { seg } = this.tcp;
    syn.into(seg, ifp);
    this.toSyncache(seg);
  }

  /** The other side does not want it. */
  refuse(syn: HeldSyn, ifp: Ifnet): void {
    const { seg } = this.tcp;
    syn.into(seg, ifp);
    tcpReset(this.tcp, seg, BANDLIM_RST_CLOSEDPORT);
    seg.m.free();
  }

  private toSyncache(seg: Segment): void {
    const tp = seg.isV6 ? this.listener6 : this.listener;
    tp.inp.fib = seg.m.fib;
    this.tcp.syncache.input(tp, seg);
  }
}
