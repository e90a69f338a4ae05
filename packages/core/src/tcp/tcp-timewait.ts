/**
 * tcp-timewait.ts — the connections in TIME_WAIT of one vnet, oldest first.
 * Read first: RFC 9293 §3.3.2, §3.6.1; RFC 6191; freebsd `sys/netinet/tcp_timewait.c`.
 *
 * A list through the connections in the order in which they are due, so that one of tens of thousands comes and goes at once, and one Callout serves all: those that
 * wait take no place among the timers. Nearly all wait equally long, and come last; one that does not wait (net.inet.tcp.nolocaltimewait) comes first.
 * Bounded by `net.inet.tcp.maxtcptw`: one too many ends the oldest early, which is what a busy client needs most.
 *
 * @rfc 6191 2 yes
 */
import { seqGt } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import { TH_ACK, TH_RST, TH_SYN, TOF_TS } from '../wire/tcp.js';
import { tcpClose } from './tcp-close.js';
import type { Segment } from './tcp-segment.js';
import { TF_TS } from './tcpcb.js';
import type { Tcp } from './tcp.js';
import type { TcpCb } from './tcpcb.js';

/** Connections ended in one go. */
const BATCH = 256;

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
  private readonly tcp: Tcp;
  /** Armed while anybody waits, for when the first is due, or earlier. Made with the first. */
  private callout: Callout | null = null;

  constructor(tcp: Tcp) {
    this.tcp = tcp;
  }

  /** `tp` waits for `us` from now on, also when it did before. */
  add(tp: TcpCb, us: Micros): void {
    const { tun, kern } = this.tcp;
    this.unlink(tp);
    tp.twAt = kern.engine.now + us;
    this.link(tp);
    const callout = (this.callout ??= new Callout(kern, () => this.timer()));
    if (!callout.pending || tp.twAt < callout.deadline) kern.engine.calloutReset(callout, tp.twAt - kern.engine.now);
    if (this.count > tun.maxtcptw) this.recycle();
  }

  /** Behind those that are due no later; looked for from the end that is nearer. */
  private link(tp: TcpCb): void {
    const { head, tail } = this;
    let prev = tail;
    let next: TcpCb | null = null;
    if (head !== null && tail !== null && tail.twAt - tp.twAt > tp.twAt - head.twAt) {
      prev = null;
      for (next = head; next !== null && next.twAt <= tp.twAt; next = next.twNext) prev = next;
    } else {
      for (; prev !== null && prev.twAt > tp.twAt; prev = prev.twPrev) next = prev;
    }
    tp.inTimeWaits = true;
    tp.twPrev = prev;
    tp.twNext = next;
    if (prev === null) this.head = tp;
    else prev.twNext = tp;
    if (next === null) this.tail = tp;
    else next.twPrev = tp;
    this.count++;
  }

  remove(tp: TcpCb): void {
    this.unlink(tp);
    if (this.count === 0 && this.callout !== null) this.tcp.kern.engine.calloutStop(this.callout);
  }

  private unlink(tp: TcpCb): void {
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
    this.tcp.stats.tw_recycles++;
    tcpClose(this.head, 0);
  }

  /** Ends those that have waited long enough. */
  private timer(): void {
    const { engine } = this.tcp.kern;
    for (let n = 0; n < BATCH && this.head !== null && this.head.twAt <= engine.now; n++) tcpClose(this.head, 0);
    if (this.head !== null && this.callout !== null) engine.calloutReset(this.callout, Math.max(0, this.head.twAt - engine.now));
  }
}
