/**
 * tcp-progress.ts — an acknowledgement of new data proves that the neighbour on the way is there.
 * Read first: RFC 4861 §7.3.1 (hints from upper layers); netbsd `sys/net/nd.c` (nd_nud_hint); net/lltable.ts.
 *
 * The neighbour need not be asked while a connection through it makes progress. Told once a second: what is confirmed counts for longer than that.
 *
 * @rfc 4861 7.3.1 yes
 */
import { US_PER_SEC } from '../base/time.js';
import type { TcpCb } from './tcpcb.js';

/** New data of `tp` has been acknowledged. */
export function tcpProgress(tp: TcpCb): void {
  const now = tp.nowUs;
  if (now - tp.hintUs < US_PER_SEC) return;
  tp.hintUs = now;
  const { tcp, inp, in6p } = tp;
  if (in6p === null || !in6p.v6) {
    const nh = tcp.ip.routes.lookup4(inp.fib, inp.faddr, 0);
    if (nh !== null) tcp.ip.arp?.reachabilityHint(nh.ifp, nh.hop4(inp.faddr));
    return;
  }
  const { f0, f1, f2, f3 } = in6p;
  const nh = tcp.ip6.routes.lookup6(inp.fib, f0, f1, f2, f3, 0);
  if (nh === null) return;
  if (nh.gw6 === null) tcp.ip6.nd?.reachabilityHint?.(nh.ifp, f0, f1, f2, f3);
  else tcp.ip6.nd?.reachabilityHint?.(nh.ifp, nh.g0, nh.g1, nh.g2, nh.g3);
}
