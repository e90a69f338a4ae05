/**
 * tcp-timewait.ts — the connections in TIME_WAIT of one vnet, oldest first.
 * Read first: RFC 9293 §3.3.2, §3.6.1; RFC 6191; freebsd `sys/netinet/tcp_timewait.c`.
 *
 * A list through the connections, so that one of tens of thousands comes and goes at once.
 * Bounded by `net.inet.tcp.maxtcptw`: one too many ends the oldest early, which is what a busy client needs most.
 *
 * @rfc 6191 2 yes
 */
import { seqGt } from '../base/seqnum.js';
import { TH_ACK, TH_RST, TH_SYN, TOF_TS } from '../wire/tcp.js';
import { tcpClose } from './tcp-close.js';
import type { Segment } from './tcp-segment.js';
import type { TcpStats } from './tcp-var.js';
import { TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/**
 * Does a SYN begin a new connection between the ends of `tp`, which waits? With timestamps they say whether it is new (RFC 6191 §2); without, it must begin beyond
 * everything the old one has seen (RFC 1122 §4.2.2.13).
 */
export function tcpTwReopens(tp: TcpCb, seg: Segment): boolean {
  if (!seg.has(TH_SYN) || seg.has(TH_ACK | TH_RST)) return false;
  const isBeyond = seqGt(seg.seq, tp.rcvNxt);
  const had = (tp.flags & TF_TS) !== 0;
  const has = (seg.opts.flags & TOF_TS) !== 0;
  if (!has) return isBeyond;
  if (!had) return true;
  const newer = (seg.opts.tsval - tp.tsRecent) | 0;
  return newer > 0 || (newer === 0 && isBeyond);
}

export class TimeWaits {
  count = 0;
  private head: TcpCb | null = null;
  private tail: TcpCb | null = null;
  private readonly owner: { readonly tun: { maxtcptw: number }; readonly stats: TcpStats };

  constructor(owner: { readonly tun: { maxtcptw: number }; readonly stats: TcpStats }) {
    this.owner = owner;
  }

  add(tp: TcpCb): void {
    if (tp.inTimeWaits) return;
    tp.inTimeWaits = true;
    tp.twPrev = this.tail;
    tp.twNext = null;
    if (this.tail === null) this.head = tp;
    else this.tail.twNext = tp;
    this.tail = tp;
    this.count++;
    if (this.count > this.owner.tun.maxtcptw) this.recycle();
  }

  remove(tp: TcpCb): void {
    if (!tp.inTimeWaits) return;
    const { twNext: next, twPrev: prev } = tp;
    if (prev === null) this.head = next;
    else prev.twNext = next;
    if (next === null) this.tail = prev;
    else next.twPrev = prev;
    tp.twNext = null;
    tp.twPrev = null;
    tp.inTimeWaits = false;
    this.count--;
  }

  /** Ends the oldest. */
  recycle(): void {
    if (this.head === null) return;
    this.owner.stats.tw_recycles++;
    tcpClose(this.head, 0);
  }
}
