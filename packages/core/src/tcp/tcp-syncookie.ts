/**
 * tcp-syncookie.ts — a half-open connection kept in the sequence number that the peer will acknowledge.
 * Read first: RFC 4987 §3.6; freebsd `sys/netinet/tcp_syncache.c`, "The purpose of syncookies".
 *
 * Theory of operation. The SYN|ACK begins with a number that says all about the SYN: 24 bits are a keyed hash of the four-tuple, the peer's
 * sequence number and the other 8 bits; those are
 *
 *     | hash, bits 8..31                 | wscale:3 | mss:3 | sack:1 | key:1 |
 *
 * and are sent xor the top of the hash, so that they do not show. The ACK brings it back: when the hash is right, a SYN was there, and it is as if it
 * had been kept. MSS and window scale are indices of tables; what is between two entries is the lower one. Timestamps and signatures
 * are in every segment, hence in the ACK, and need no bits. There are two keys; every COOKIE_LIFETIME_S the older is drawn anew, so a cookie is
 * good for once to twice that time.
 *
 * Keys are drawn on demand by the age of the last draw: there is no timer, and an idle vnet has no keys.
 * Not here: when a cookie is believed (tcp-syncache.ts). ECN is lost with a cookie, as in FreeBSD.
 * @rfc 4987 3.6 yes
 */
import type { Prng } from '../base/prng.js';
import { SipHash } from '../base/siphash.js';
import { US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import type { TcpEnds } from './tcp-ends.js';

/** Seconds that a key makes cookies. */
export const SYNCOOKIE_LIFETIME_S = 15;

/** From most small to large; rounded down (the shares are those FreeBSD quotes from Alcock & Nelson 2011 and Allman 2012). */
const MSS_TABLE = [216, 536, 1_200, 1_360, 1_400, 1_440, 1_452, 1_460];
/** Index 0: there was no window scale option. */
const WSCALE_TABLE = [-1, 0, 1, 2, 4, 6, 7, 8];

/** What a cookie says. Reused: `open` fills it. */
export class SyncookieFacts {
  mss = 0;
  /** -1: no option. */
  wscale = -1;
  sack = false;
}

export class Syncookies {
  private readonly rng: Prng;
  private readonly keys: [SipHash, SipHash] = [new SipHash(), new SipHash()];
  /** The key in use, 0 or 1, and since when. -1: none was ever drawn. */
  private current = -1;
  private since: Micros = 0;

  /** @param rng a stream of its own. */
  constructor(rng: Prng) {
    this.rng = rng;
  }

  /** The initial sequence number that says `mss`, `wscale` (-1: none) and `sack` about the SYN `irs` of `inc`, as int32. */
  make(now: Micros, inc: TcpEnds, irs: number, mss: number, wscale: number, sack: boolean): number {
    this.rotate(now);
    const bits = (indexOf(WSCALE_TABLE, wscale) << 5) | (indexOf(MSS_TABLE, mss) << 2) | (sack ? 2 : 0) | this.current;
    const hash = this.hash(inc, irs, bits);
    return (hash & ~0xff) | (bits ^ (hash >>> 24));
  }

  /** Is `iss` the cookie of a SYN `irs` of `inc`? Then `facts` says what was in the SYN. */
  open(now: Micros, inc: TcpEnds, irs: number, iss: number, facts: SyncookieFacts): boolean {
    if (this.current < 0) return false;
    this.rotate(now);
    const bits = (iss & 0xff) ^ (iss >>> 24);
    if (((this.hash(inc, irs, bits) ^ iss) & ~0xff) !== 0) return false;
    facts.mss = MSS_TABLE[(bits >>> 2) & 7]!;
    facts.wscale = WSCALE_TABLE[bits >>> 5]!;
    facts.sack = (bits & 2) !== 0;
    return true;
  }

  private hash(inc: TcpEnds, irs: number, bits: number): number {
    const h = this.keys[bits & 1]!;
    const n = inc.putEnds(h);
    h.msg[n] = irs;
    h.msg[n + 1] = bits;
    h.run(n + 2);
    return h.lo ^ h.hi;
  }

  /** Draws the keys that are due. */
  private rotate(now: Micros): void {
    const age = now - this.since;
    if (this.current >= 0 && age < SYNCOOKIE_LIFETIME_S * US_PER_SEC) return;
    if (this.current < 0 || age >= 2 * SYNCOOKIE_LIFETIME_S * US_PER_SEC) {
      for (const key of this.keys) key.setRandomKey(this.rng);
      this.current = 0;
      this.since = now;
      return;
    }
    this.current ^= 1;
    this.keys[this.current as 0 | 1].setRandomKey(this.rng);
    this.since += SYNCOOKIE_LIFETIME_S * US_PER_SEC;
  }
}

/** Index of the largest entry that is not above `value`; 0 when all are. */
function indexOf(table: readonly number[], value: number): number {
  let i = table.length - 1;
  while (i > 0 && table[i]! > value) i--;
  return i;
}
