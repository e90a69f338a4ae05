/**
 * syncache-flood.ts — is there a flood of SYNs, and for how long is that assumed?
 * Read first: tcp-syncache.ts; freebsd `sys/netinet/tcp_syncache.c` (syncache_pause, syncache_unpause).
 *
 * Theory of operation. A table that overflowed means a flood, for 15 seconds. When it overflows again within as long as the last flood was assumed to last, that is the
 * same flood, and it is assumed to last twice as long, up to 64 times. Cookies given out during a flood come back a while after it, so `isRecent` is
 * true for the life of a cookie longer. There is no timer: the clock is compared.
 */
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import { SYNCOOKIE_LIFETIME_S } from './tcp-syncookie.js';

const PAUSE_US = SYNCOOKIE_LIFETIME_S * US_PER_SEC;
/** The longest time is 2^6 times the shortest. */
const BACKOFF_MAX = 6;

export class SyncacheFlood {
  private until: Micros = 0;
  private backoff = 0;

  isOn(now: Micros): boolean {
    return now < this.until;
  }

  /** Is there one, or was there one until a short time ago? */
  isRecent(now: Micros): boolean {
    return this.until !== 0 && now < this.until + PAUSE_US;
  }

  /** The table overflowed. For how long nothing should be kept. */
  begin(now: Micros): Micros {
    const last = PAUSE_US * (1 << this.backoff);
    if (this.until === 0 || this.until + last <= now) this.backoff = 0;
    else if (this.backoff < BACKOFF_MAX) this.backoff++;
    const us = PAUSE_US * (1 << this.backoff);
    this.until = now + us;
    return us;
  }
}
