/**
 * nd6-rtsol.ts — router solicitations: asking for routers when an interface comes up, and until one answers.
 * Read first: RFC 4861 §6.3.7 (first delay); RFC 7559 §2 (backoff); rtsol(8), which sends them on FreeBSD.
 *
 * Theory of operation. An interface that accepts advertisements, is up and has IPv6 asks after a random part of a second, and again after 4 s and
 * then twice as long each time, up to an hour, all a little random, until a router with a lifetime has been heard. A host that forwards asks
 * nobody. Without a link-local address that is ready the question comes from ::, and says no link address.
 * `rtsol IF` asks at once and begins anew.
 *
 * @rfc 4861 6.3.7 yes
 * @rfc 7559 2 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { IP6_W0_LINKLOCAL_GROUP, ip6PutWords } from '../wire/addr6.js';
import { ND_OPT_SOURCE_LINKADDR, ND_ROUTER_SOLICIT, ND_RS_LEN } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC } from '../wire/ip6.js';
import { IN6_IFF_NOTREADY } from './in6-ifaddr.js';
import { ND_OPT_LLADDR_LEN, ndAlloc, ndPutLladdr, ndSend } from './nd6-msg.js';
import type { NdRtr } from './nd6-rtr.js';

/** RFC 4861 §10, RFC 7559 §2. */
const MAX_RTR_SOLICITATION_DELAY_US = US_PER_SEC;
const IRT_US = 4 * US_PER_SEC;
const MRT_US = 3_600 * US_PER_SEC;
/** RAND is between -0.1 and 0.1; the first one is positive, so that nobody asks too early. */
const RAND_PARTS = 1_000;
const RAND_RANGE = 10 * RAND_PARTS;

interface Asking {
  readonly ifp: Ifnet;
  nextAt: Micros;
  /** The interval that ends at `nextAt`; 0 before the first question. */
  intervalUs: number;
  sent: number;
}

export class Rtsol {
  private readonly rtr: NdRtr;
  private asking: Asking[] = [];

  constructor(rtr: NdRtr) {
    this.rtr = rtr;
  }

  /** Interfaces that ask. */
  get count(): number {
    return this.asking.length;
  }

  /** Does `ifp` ask, and has nobody answered? */
  isAsking(ifp: Ifnet): boolean {
    return this.asking.some((a) => a.ifp === ifp);
  }

  get nextAt(): Micros {
    return this.asking.reduce((next, a) => Math.min(next, a.nextAt), NEVER);
  }

  destroy(): void {
    this.asking = [];
  }

  /** Begins to ask on `ifp`; `now`: without delay. One that asks already goes on, unless `now`. */
  start(ifp: Ifnet, now = false): void {
    const have = this.asking.find((a) => a.ifp === ifp);
    if (have !== undefined && !now) return;
    this.stop(ifp);
    const delay = now ? 0 : this.rtr.in6Net.rng.below(MAX_RTR_SOLICITATION_DELAY_US);
    this.asking.push({ ifp, nextAt: this.rtr.kern.engine.now + delay, intervalUs: 0, sent: 0 });
    this.rtr.rearm();
  }

  stop(ifp: Ifnet): void {
    if (!this.asking.some((a) => a.ifp === ifp)) return;
    this.asking = this.asking.filter((a) => a.ifp !== ifp);
    this.rtr.rearm();
  }

  /** A router has answered there. */
  answered(ifp: Ifnet): void {
    this.stop(ifp);
  }

  /** Sends what is due. */
  service(): void {
    const { now } = this.rtr.kern.engine;
    for (const a of this.asking.slice()) {
      if (a.nextAt > now) continue;
      a.sent++;
      a.intervalUs = this.interval(a.intervalUs);
      a.nextAt = now + a.intervalUs;
      nd6RsOutput(this.rtr, a.ifp);
    }
  }

  private interval(before: number): number {
    const { rng } = this.rtr.in6Net;
    const rand = rng.below(RAND_PARTS);
    if (before === 0) return IRT_US + Math.floor((IRT_US * rand) / RAND_RANGE);
    const next = 2 * before + Math.floor((before * (2 * rand - RAND_PARTS)) / RAND_RANGE);
    return next <= MRT_US ? next : MRT_US + Math.floor((MRT_US * (2 * rand - RAND_PARTS)) / RAND_RANGE);
  }
}

/** Asks all routers of the link. */
export function nd6RsOutput(rtr: NdRtr, ifp: Ifnet): void {
  const src = rtr.in6Net.linkLocalOf(ifp, IN6_IFF_NOTREADY);
  const hasLladdr = src !== null && ifp.lladdr.length === 6;
  const m = ndAlloc(rtr.nd.ip6, ifp, ND_ROUTER_SOLICIT, hasLladdr ? ND_OPT_LLADDR_LEN : 0);
  if (m === null) {
    rtr.stats.txerrors++;
    return;
  }
  const v = m.view;
  if (src !== null) ip6PutWords(v, m.off + IP6_SRC, src.k0, src.k1, src.k2, src.k3);
  ip6PutWords(v, m.off + IP6_DST, IP6_W0_LINKLOCAL_GROUP, 0, 0, 2);
  if (hasLladdr) ndPutLladdr(v, m.off + IP6_HDR_LEN + ND_RS_LEN, ND_OPT_SOURCE_LINKADDR, ifp.macHi, ifp.macLo);
  if (ndSend(rtr.nd.ip6, ifp, m) === 0) rtr.stats.rssent++;
  else rtr.stats.txerrors++;
}
