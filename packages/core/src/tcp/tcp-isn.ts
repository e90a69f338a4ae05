/**
 * tcp-isn.ts — where sequence numbers and timestamps of a connection begin.
 * Read first: RFC 6528 §3; RFC 7323 §5.4; RFC 6191 §2; freebsd `sys/netinet/tcp_subr.c`, tcp_new_isn, tcp_new_ts_offset.
 *
 * Theory of operation. A number is a clock plus a keyed hash of the four-tuple. To one four-tuple they only grow, so that a new
 * incarnation of a connection begins behind the old one; what they are for another four-tuple tells nobody about this one. The clock of sequence
 * numbers ticks every 4 µs, and that of timestamps, which its owner adds, every millisecond. Keys are drawn with the first connection.
 * @rfc 6528 3 yes
 * @rfc 7323 5.4 yes
 */
import type { Prng } from '../base/prng.js';
import { SipHash } from '../base/siphash.js';
import type { Micros } from '../base/time.js';
import type { TcpEnds } from './tcp-ends.js';

/** Microseconds of a tick of the sequence number clock (RFC 9293 §3.4.1). */
const ISN_TICK_US = 4;

export class TcpIsn {
  private readonly rng: Prng;
  private isnHash: SipHash | null = null;
  private tsHash: SipHash | null = null;

  /** @param rng a stream of its own. */
  constructor(rng: Prng) {
    this.rng = rng;
  }

  /** The initial sequence number of a connection between the ends of `inc`, as int32. */
  isn(now: Micros, inc: TcpEnds): number {
    const h = (this.isnHash ??= new SipHash().setRandomKey(this.rng));
    return (Math.floor(now / ISN_TICK_US) + h.run(inc.putEnds(h))) | 0;
  }

  /** What the timestamps of that connection are off the clock, as int32. */
  tsOffset(inc: TcpEnds): number {
    const h = (this.tsHash ??= new SipHash().setRandomKey(this.rng));
    return h.run(inc.putEnds(h));
  }
}
