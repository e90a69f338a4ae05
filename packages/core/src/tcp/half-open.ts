/**
 * half-open.ts — HalfOpen `sc`: everything that is known of a connection between its SYN and the acknowledgement that completes it.
 * Read first: tcp-syncache.ts; freebsd `sys/netinet/tcp_syncache.h` (struct syncache).
 *
 * One object per vnet, refilled: from a SYN, from an entry of the table, from a cookie. What is made of it is a SYN|ACK (tcp-synack.ts) or a
 * connection (tcp-accept.ts), neither of which has to know where it came from.
 */
import type { Micros } from '../base/time.js';
import { TcpEnds } from './tcp-ends.js';

/** Its ends, and what the SYN and the SYN|ACK said. */
export class HalfOpen extends TcpEnds {
  irs = 0;
  iss = 0;
  peerMss = 0;
  /** Window announced, not scaled. */
  wnd = 0;
  /** The peer's shift and ours; the peer's is -1 without scaling. */
  sndScale = -1;
  rcvScale = 0;
  sack = false;
  ecn = false;
  ts = false;
  tsRecent = 0;
  signature = false;
  noopt = false;
  /** SYN|ACKs sent; 0: nobody knows. And how long ago the last was. */
  tries = 0;
  ageUs: Micros = 0;
}
