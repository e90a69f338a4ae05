/**
 * tcp-timewait.ts — the connections in TIME_WAIT of one vnet, oldest first.
 * Read first: RFC 9293 §3.3.2, §3.6.1; RFC 6191; freebsd `sys/netinet/tcp_timewait.c`.
 *
 * Bounded by `net.inet.tcp.maxtcptw`: one too many ends the oldest early, which is what a busy client needs most.
 *
 * @rfc 6191 2 yes
 */
import { LazySet } from '../base/lazy-map.js';
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
  private readonly set = new LazySet<TcpCb>();
  private readonly owner: { readonly tun: { maxtcptw: number }; readonly stats: TcpStats };

  constructor(owner: { readonly tun: { maxtcptw: number }; readonly stats: TcpStats }) {
    this.owner = owner;
  }

  get count(): number {
    return this.set.size;
  }

  add(tp: TcpCb): void {
    this.set.add(tp);
    if (this.set.size > this.owner.tun.maxtcptw) this.recycle();
  }

  remove(tp: TcpCb): void {
    this.set.delete(tp);
  }

  /** Ends the oldest. */
  recycle(): void {
    for (const tp of this.set) {
      this.owner.stats.tw_recycles++;
      tcpClose(tp, 0);
      return;
    }
  }
}
