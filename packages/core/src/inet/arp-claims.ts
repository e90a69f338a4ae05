/**
 * arp-claims.ts — own addresses on a wire: announced, probed for duplicates, defended.
 * Read first: RFC 5227; FreeBSD's netinet/if_ether.c, arp_ifinit and garp_rexmit.
 *
 * Theory of operation. As FreeBSD does, an address is used at once and announced (a gratuitous request); the announcement is
 * repeated `garp_rexmit_count` times, 1, 2, 4 … seconds apart. With `net.inet.ip.dad_count` above 0 RFC 5227 is followed instead:
 * so many probes first, during which the address is tentative (nothing is received on it and no question about it is
 * answered), then two announcements. Who answers a probe, or probes the same address, owns it: ours becomes a duplicate
 * and stays unused until it is set again.
 * An address in use is defended: another host's claim is answered with an announcement, at most one in `defend_interval` seconds
 * (RFC 5227 §2.4 (c): a server does not give its address up).
 *
 * Invariants: a Claim exists while its timer is armed or its address is a duplicate; `unusable` counts claims in phase PROBE or
 * DUPLICATE, so that the packet path asks one number.
 *
 * @rfc 5227 2 yes
 */
import { LazyMap } from '../base/lazy-map.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { Prng } from '../base/prng.js';
import { Callout } from '../kern/callout.js';
import { macFormatPair, ip4Format } from '../wire/addr.js';
import type { Arp } from './arp.js';
import type { InIfaddr } from './in-ifaddr.js';

/** RFC 5227 §1.1, in microseconds. */
const PROBE_WAIT = 1 * US_PER_SEC;
const PROBE_MIN = 1 * US_PER_SEC;
const PROBE_MAX = 2 * US_PER_SEC;
const ANNOUNCE_WAIT = 2 * US_PER_SEC;
const ANNOUNCE_NUM = 2;
const ANNOUNCE_INTERVAL = 2 * US_PER_SEC;

const PROBE = 0;
const ANNOUNCE = 1;
const REPEAT = 2;
const DUPLICATE = 3;

class Claim {
  readonly ia: InIfaddr;
  readonly timer: Callout;
  phase: typeof PROBE | typeof ANNOUNCE | typeof REPEAT | typeof DUPLICATE = PROBE;
  /** Messages sent in this phase. */
  sent = 0;

  constructor(claims: ArpClaims, arp: Arp, ia: InIfaddr) {
    this.ia = ia;
    this.timer = new Callout(arp.kern, () => {
      claims.timerFired(this);
    });
  }
}

/** What a tool may show of an own address. */
export type ClaimState = 'valid' | 'tentative' | 'duplicated';

export class ArpClaims {
  private readonly arp: Arp;
  private readonly rng: Prng;
  private readonly byAddr = new LazyMap<number, Claim>();
  private readonly defended = new LazyMap<number, Micros>();
  private unusable = 0;

  constructor(arp: Arp, rng: Prng) {
    this.arp = arp;
    this.rng = rng;
  }

  /** Is `addr` (signed or unsigned) an own address that may not be used (yet)? Packet path. */
  isTentative(addr: number): boolean {
    return this.unusable > 0 && this.stateOf(addr >>> 0) !== 'valid';
  }

  stateOf(addr: number): ClaimState {
    const phase = this.byAddr.get(addr)?.phase;
    if (phase === PROBE) return 'tentative';
    return phase === DUPLICATE ? 'duplicated' : 'valid';
  }

  /** `ia` was set, or its interface came up or changed its link address. */
  start(ia: InIfaddr): void {
    const { arp } = this;
    this.stop(ia.addr);
    if (arp.tun.dadCount > 0) {
      const claim = new Claim(this, arp, ia);
      this.byAddr.set(ia.addr, claim);
      this.unusable++;
      this.arm(claim, this.rng.below(PROBE_WAIT));
      return;
    }
    arp.announce(ia);
    if (arp.tun.garpRexmitCount > 0) {
      const claim = new Claim(this, arp, ia);
      claim.phase = REPEAT;
      this.byAddr.set(ia.addr, claim);
      this.arm(claim, US_PER_SEC);
    }
  }

  /** The address is gone. */
  stop(addr: number): void {
    this.defended.delete(addr);
    const claim = this.byAddr.get(addr);
    if (claim === undefined) return;
    if (claim.phase === PROBE || claim.phase === DUPLICATE) this.unusable--;
    this.arp.kern.engine.calloutStop(claim.timer);
    this.byAddr.delete(addr);
  }

  destroy(): void {
    for (const addr of [...this.byAddr.keys()]) this.stop(addr);
    this.defended.clear();
  }

  /** Another host uses or probes the tentative address `addr`. */
  conflict(addr: number, macHi: number, macLo: number): void {
    const claim = this.byAddr.get(addr);
    if (claim === undefined || claim.phase !== PROBE) return;
    const { arp } = this;
    claim.phase = DUPLICATE;
    arp.kern.engine.calloutStop(claim.timer);
    arp.stats.probeconflict++;
    arp.log('err', `DAD: duplicate address ${ip4Format(addr)} on ${claim.ia.ifp.xname}: ${macFormatPair(macHi, macLo)} has it`);
  }

  /** Another host says that it has our address `ia`. */
  defend(ia: InIfaddr): void {
    const { tun, kern } = this.arp;
    const { now } = kern.engine;
    if (tun.defendInterval === 0 || now - (this.defended.get(ia.addr) ?? Number.NEGATIVE_INFINITY) < tun.defendInterval * US_PER_SEC) return;
    this.defended.set(ia.addr, now);
    this.arp.announce(ia);
  }

  timerFired(claim: Claim): void {
    switch (claim.phase) {
      case PROBE:
        this.probe(claim);
        return;
      case ANNOUNCE:
        this.announceAgain(claim, ANNOUNCE_NUM, ANNOUNCE_INTERVAL);
        return;
      case REPEAT:
        this.announceAgain(claim, this.arp.tun.garpRexmitCount, US_PER_SEC * (2 << claim.sent));
        return;
      case DUPLICATE:
        return;
    }
  }

  private probe(claim: Claim): void {
    const { dadCount } = this.arp.tun;
    if (claim.sent < dadCount) {
      this.arp.probe(claim.ia);
      claim.sent++;
      this.arm(claim, claim.sent < dadCount ? PROBE_MIN + this.rng.below(PROBE_MAX - PROBE_MIN) : ANNOUNCE_WAIT);
      return;
    }
    this.unusable--;
    claim.phase = ANNOUNCE;
    claim.sent = 0;
    this.announceAgain(claim, ANNOUNCE_NUM, ANNOUNCE_INTERVAL);
  }

  private announceAgain(claim: Claim, times: number, us: Micros): void {
    this.arp.announce(claim.ia);
    claim.sent++;
    if (claim.sent < times) this.arm(claim, us);
    else this.byAddr.delete(claim.ia.addr);
  }

  private arm(claim: Claim, us: Micros): void {
    this.arp.kern.engine.calloutReset(claim.timer, us);
  }
}
