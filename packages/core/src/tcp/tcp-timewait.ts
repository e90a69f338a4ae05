/**
 * tcp-timewait.ts — the connections in TIME_WAIT of one vnet, oldest first.
 * Read first: RFC 9293 §3.3.2, §3.6.1; RFC 6191; freebsd `sys/netinet/tcp_timewait.c`.
 *
 * Bounded by `net.inet.tcp.maxtcptw`: one too many ends the oldest early, which is what a busy client needs most.
 */
import { LazySet } from '../base/lazy-map.js';
import { tcpClose } from './tcp-close.js';
import type { TcpStats } from './tcp-var.js';
import type { TcpCb } from './tcpcb.js';

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
