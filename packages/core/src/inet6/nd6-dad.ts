/**
 * nd6-dad.ts — duplicate address detection: an address is not used before nobody is known to have it.
 * Read first: RFC 4862 §5.4, RFC 7527 (nonces); FreeBSD's netinet6/nd6_nbr.c, nd6_dad_*.
 *
 * Theory of operation. A new address is tentative: packets to it are not taken, none is sent from it, questions about it are not answered.
 * After a random delay (when many nodes may begin together) `dad_count` solicitations about it go out from ::, `retrans` milliseconds apart.
 * Who asks the same from ::, or advertises the address, before `retrans` after the last one has passed, has it: it becomes a duplicate, and
 * stays one until it is set anew. With `dad_enhanced` each run has a nonce; a solicitation that carries it is our own, come back by a loop in the
 * link: then the probes go on until one round passes without an echo.
 * When the duplicate is the link-local address made from the interface's own MAC address, the MAC address is not alone: IPv6 is
 * switched off there (§5.4.5).
 *
 * A run begins when the interface is up and runs. One that cannot begin yet, or was given up because the interface stayed down, begins
 * when the interface, or its link, comes up: the address is tentative until then.
 *
 * Invariants: a run is in `runs` exactly while its timer is armed, and its address tentative.
 * Not here: optimistic DAD (RFC 4429), DAD proxies (RFC 6957).
 *
 * @rfc 4862 5.4 yes
 * @rfc 4862 5.4.5 yes
 * @rfc 7527 4 yes
 */
import { LazyMap } from '../base/lazy-map.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFT_ETHER } from '../net/ifnet.js';
import { ip6Equals, ip6LinkLocalOfMac, ip6Zoned, IP6_W0_LINKLOCAL_GROUP, ip6PutWords } from '../wire/addr6.js';
import { ND_NEIGHBOR_SOLICIT, ND_NS_LEN, ND_OPT_NONCE, ND_TARGET } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN } from '../wire/ip6.js';
import { icmp6CountOut } from './icmp6-var.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE } from './in6-ifaddr.js';
import { ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD } from './in6-ifinfo.js';
import { ND_OPT_NONCE_LEN, SOLICITED_W2, SOLICITED_W3, ndAlloc, ndFindOpt, ndSend } from './nd6-msg.js';
import { wordsText } from './nd6-text.js';
import type { Nd6 } from './nd6.js';

/** RFC 4861 §10: MAX_RTR_SOLICITATION_DELAY, and MAX_MULTICAST_SOLICIT of RFC 7527 §4.1. */
const DELAY_MAX: Micros = US_PER_SEC;
/** Tries at an interface that is down before a run is given up. */
const TRIES_MAX = 15;

class DadRun {
  readonly ia: In6Ifaddr;
  readonly timer: Callout;
  /** Probes to send, sent, and tried (an interface that is down sends none). */
  count: number;
  sent = 0;
  tried = 0;
  nsIn = 0;
  naIn = 0;
  /** Own probes that came back, and how many had when the last round began. */
  looped = 0;
  loopedBefore = 0;
  readonly nonceHi: number;
  readonly nonceLo: number;

  constructor(dad: Nd6Dad, nd: Nd6, ia: In6Ifaddr) {
    this.ia = ia;
    this.count = nd.ip6.in6Net.tun.dadCount;
    this.nonceHi = nd.params.rng.u32() & 0xffff;
    this.nonceLo = nd.params.rng.u32();
    this.timer = new Callout(nd.kern, () => {
      dad.timerFired(this);
    });
  }
}

const DAD_AUDIT: readonly AuditRow<Nd6Dad>[] = [{ name: 'IPv6 addresses being verified', count: (d) => d.running }];

export class Nd6Dad {
  private readonly nd: Nd6;
  private readonly runs = new LazyMap<In6Ifaddr, DadRun>();

  constructor(nd: Nd6) {
    this.nd = nd;
    nd.kern.audit.attach(DAD_AUDIT, this);
  }

  destroy(): void {
    for (const ia of [...this.runs.keys()]) this.stop(ia);
  }

  get running(): number {
    return this.runs.size;
  }

  /** Begins to verify a tentative address, after a random delay when `delay`; nothing, while its interface cannot send. */
  start(ia: In6Ifaddr, delay: boolean): void {
    const { nd } = this;
    const { ifp } = ia;
    const ii = nd.ip6.in6Net.ifinfo(ifp);
    if (ii === null || !ia.isTentative || this.runs.has(ia)) return;
    if ((ia.flags & IN6_IFF_ANYCAST) !== 0 || nd.ip6.in6Net.tun.dadCount === 0 || (ii.ndFlags & ND6_IFF_NO_DAD) !== 0) {
      ia.flags &= ~IN6_IFF_TENTATIVE;
      return;
    }
    if (!ifp.isUp || !ifp.isRunning || ii.isDisabled) return;
    nd.log('debug', `${ifp.xname}: starting DAD for ${textOf(ia)}`);
    const run = new DadRun(this, nd, ia);
    this.runs.set(ia, run);
    if (delay) nd.kern.engine.calloutReset(run.timer, nd.params.rng.below(DELAY_MAX));
    else this.timerFired(run);
  }

  /** The address goes, or is not to be verified any longer. */
  stop(ia: In6Ifaddr): void {
    const run = this.runs.get(ia);
    if (run === undefined) return;
    this.nd.kern.engine.calloutStop(run.timer);
    this.runs.delete(ia);
  }

  /** Somebody solicits the tentative address from ::, with a nonce at `opt` (0: none). */
  nsInput(ia: In6Ifaddr, m: PacketBuffer, off: number): void {
    const run = this.runs.get(ia);
    if (run === undefined) return;
    const v = m.view;
    const opt = this.nd.tun.dadEnhanced === 0 ? 0 : ndFindOpt(v, m.off + off + ND_NS_LEN, m.off + m.len, ND_OPT_NONCE);
    const isOwn = opt !== 0 && v.getUint8(opt + 1) << 3 === ND_OPT_NONCE_LEN && v.getUint16(opt + 2) === run.nonceHi && v.getUint32(opt + 4) === run.nonceLo;
    if (isOwn) run.looped++;
    else run.nsIn++;
  }

  /** Somebody advertises it. */
  naInput(ia: In6Ifaddr): void {
    const run = this.runs.get(ia);
    if (run !== undefined) run.naIn++;
  }

  timerFired(run: DadRun): void {
    const { nd } = this;
    const { ia } = run;
    const { ifp } = ia;
    const ii = nd.ip6.in6Net.ifinfo(ifp);
    if (ii === null || ii.isDisabled) {
      nd.kern.log('err', `nd6_dad_timer: cancel DAD on ${ifp.xname} because of ND6_IFF_IFDISABLED.`);
      this.stop(ia);
      return;
    }
    if (run.tried > TRIES_MAX && !(ifp.isUp && ifp.isRunning)) {
      nd.log('info', `${ifp.xname}: could not run DAD because the interface was down or not running.`);
      this.stop(ia);
      return;
    }
    if (run.sent < run.count) {
      nd.kern.engine.calloutReset(run.timer, ii.retrans * US_PER_MS);
      this.probe(run);
      return;
    }
    this.verdict(run);
  }

  /** As many probes as were wanted are out, and the time to object has passed. */
  private verdict(run: DadRun): void {
    const { nd } = this;
    const { ia } = run;
    const { ifp } = ia;
    if (run.nsIn > 0 || run.naIn > 0) {
      this.stop(ia);
      this.duplicated(run);
      return;
    }
    if (run.looped > run.loopedBefore) {
      nd.kern.log('err', `${ifp.xname}: a looped back NS message is detected during DAD for ${textOf(ia)}.  Another DAD probes are being sent.`);
      run.loopedBefore = run.looped;
      run.count = run.sent + nd.params.maxTries - 1;
      nd.kern.engine.calloutReset(run.timer, (nd.ip6.in6Net.ifinfo(ifp)?.retrans ?? 0) * US_PER_MS);
      this.probe(run);
      return;
    }
    this.stop(ia);
    ia.flags &= ~IN6_IFF_TENTATIVE;
    nd.log('debug', `${ifp.xname}: DAD complete for ${textOf(ia)} - no duplicates found`);
    if (run.looped > 0) nd.kern.log('err', `${ifp.xname}: DAD completed while a looped back NS message is detected during DAD for ${textOf(ia)}.`);
    nd.addressReady(ia);
  }

  private duplicated(run: DadRun): void {
    const { kern } = this.nd;
    const { ia } = run;
    const { ifp } = ia;
    const text = textOf(ia);
    kern.log('err', `${ifp.xname}: DAD detected duplicate IPv6 address ${text}: NS in/out/loopback=${run.nsIn}/${run.sent}/${run.looped}, NA in=${run.naIn}`);
    ia.flags = (ia.flags & ~IN6_IFF_TENTATIVE) | IN6_IFF_DUPLICATED;
    kern.log('err', `${ifp.xname}: DAD complete for ${text} - duplicate found`);
    kern.log('err', `${ifp.xname}: manual intervention required`);
    const ii = this.nd.ip6.in6Net.ifinfo(ifp);
    if (ii !== null && ifp.type === IFT_ETHER && ip6Equals(ia.addr, ip6Zoned(ip6LinkLocalOfMac(ifp.lladdr), ifp.index))) {
      ii.ndFlags |= ND6_IFF_IFDISABLED;
      kern.log('err', `${ifp.xname}: possible hardware address duplication detected, disable IPv6`);
    }
    this.nd.addressDuplicated(ia);
  }

  /** One solicitation from ::. */
  private probe(run: DadRun): void {
    const { nd } = this;
    const { ia } = run;
    const { ifp } = ia;
    run.tried++;
    if (!ifp.isUp || !ifp.isRunning) return;
    run.sent++;
    const enhanced = nd.tun.dadEnhanced !== 0;
    const m = ndAlloc(nd.ip6, ifp, ND_NEIGHBOR_SOLICIT, enhanced ? ND_OPT_NONCE_LEN : 0);
    if (m === null) {
      nd.stats.txerrors++;
      return;
    }
    const v = m.view;
    const at = m.off + IP6_HDR_LEN;
    ip6PutWords(v, m.off + IP6_DST, IP6_W0_LINKLOCAL_GROUP, 0, SOLICITED_W2, SOLICITED_W3 | ia.k3);
    ip6PutWords(v, at + ND_TARGET, ia.k0, ia.k1, ia.k2, ia.k3);
    if (enhanced) {
      v.setUint8(at + ND_NS_LEN, ND_OPT_NONCE);
      v.setUint8(at + ND_NS_LEN + 1, ND_OPT_NONCE_LEN >>> 3);
      v.setUint16(at + ND_NS_LEN + 2, run.nonceHi);
      v.setUint32(at + ND_NS_LEN + 4, run.nonceLo);
    }
    nd.stats.nssent++;
    icmp6CountOut(nd.icmp6.stats, ND_NEIGHBOR_SOLICIT);
    if (ndSend(nd.ip6, ifp, m) !== 0) nd.stats.txerrors++;
  }
}

function textOf(ia: In6Ifaddr): string {
  return wordsText(ia.k0, ia.k1, ia.k2, ia.k3);
}
