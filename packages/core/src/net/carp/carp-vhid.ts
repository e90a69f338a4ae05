/**
 * carp-vhid.ts — class CarpVhid: a virtual host on one interface, and its part in the election.
 * Read first: carp(4); FreeBSD's netinet/ip_carp.c (struct carp_softc, carp_setrun, carp_master_down, carp_sc_state); docs/carp.md.
 *
 * Theory of operation. A master advertises every advbase + advskew/256 seconds; the smallest interval wins. A backup that has heard nothing
 * for 3 x advbase + advskew/256 seconds becomes the master.
 *
 *      INIT ── interface up, link up, an address ──▶ BACKUP ── silence, or preempts a slower one ──▶ MASTER
 *        ▲                                             ▲                                               │
 *        └───────── link or interface down ────────────┴──────── hears one as fast as itself ──────────┘
 *
 * What the administrator set is not always what counts: a host is *demoted* when an interface with vhids of it is down or advertisements
 * cannot be sent, and its advskew grows by that much, up to 240. An addition may be negative.
 * Every change of state is made in thread context, because addresses and routes go with it: a timer that says that the master is dead, and
 * an advertisement that says that there is a better one, are deferred. Sending advertisements is not.
 *
 * A backup waits up to 1/256 second longer than FreeBSD's, at random, before it takes over from a dead master or a slower one: of hosts with the same
 * advskew one is first, and the others hear it. It changes nothing between hosts of different advskew. Without it hosts that start, or preempt, at the
 * same instant would all advertise and all yield to each other, again and again; clocks of machines hide that, virtual time does not.
 *
 * Invariants: its addresses are usable exactly while it is MASTER. adTmo is armed only while it is MASTER, the others only while BACKUP.
 * After `destroy` no timer is armed and no address names it. Not here: packets (carp-input.ts, carp4.ts, carp6.ts), who made it (carp.ts).
 */
import type { Errno } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { US_PER_SEC } from '../../base/time.js';
import { Callout } from '../../kern/callout.js';
import { devctlNotify } from '../../kern/devctl.js';
import { INADDR_CARP_GROUP } from '../../wire/addr.js';
import { IN6ADDR_CARP_GROUP } from '../../wire/addr6.js';
import { CARP_COUNTER, CARP_MAC_HI, CARP_MAC_LO, carpEmit, carpPutCksum } from '../../wire/carp.js';
import type { CarpOwner, IfAddr } from '../ifaddr.js';
import { AF_INET, AF_INET6, AF_UNSPEC, LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { CarpHmac } from './carp-hmac.js';
import {
  CARP_BACKUP, CARP_DFLTINTV, CARP_DOWN_FACTOR, CARP_INIT, CARP_KEY_LEN, CARP_MASTER, CARP_MAXSKEW, CARP_NOMEM, CARP_SENDAD_MAX_ERRORS, CARP_SENDAD_MIN_SUCCESS,
  CARP_SKEW_PER_SEC, CARP_STATES,
} from './carp-var.js';
import type { CarpState } from './carp-var.js';
import type { Carp } from './carp.js';

/** One part of 256 of a second, the unit of advskew. */
const SKEW_US = US_PER_SEC / CARP_SKEW_PER_SEC;
const PREEMPTING = 'preempting a slower master';

/** How long a host of this advbase and advskew waits. */
export function carpInterval(advbase: number, advskew: number): Micros {
  return advbase * US_PER_SEC + Math.floor((advskew * US_PER_SEC) / CARP_SKEW_PER_SEC);
}

export class CarpVhid implements CarpOwner {
  readonly carp: Carp;
  readonly ifp: Ifnet;
  readonly vhid: number;
  readonly macHi = CARP_MAC_HI;
  readonly macLo: number;
  state: CarpState = CARP_INIT;
  advbase = CARP_DFLTINTV;
  advskew = 0;
  /** Where advertisements go: a group, or one other host. `peer6` is in plain form. */
  peer = INADDR_CARP_GROUP;
  peer6: Uint8Array = IN6ADDR_CARP_GROUP;
  key = new Uint8Array(CARP_KEY_LEN);
  /** Its addresses, in order of addition. */
  readonly ifas: IfAddr[] = [];
  readonly hmac = new CarpHmac();
  /** Nobody has been heard yet: advertisements have counters drawn at random. */
  private isCounterDrawn = true;
  private counterHi = 0;
  private counterLo = 0;
  /** By how much it has demoted this host because its interface is down, or because it cannot send. */
  private demotedForIf = 0;
  private isSuppressed = false;
  private demotedForSend = 0;
  /** Why this backup takes over when its timer fires. */
  private downReason = '';
  private sendErrors = 0;
  private sendSuccess = 0;
  private readonly adTmo: Callout;
  private readonly mdTmo: Callout;
  private readonly md6Tmo: Callout;

  constructor(carp: Carp, ifp: Ifnet, vhid: number) {
    const { kern } = carp;
    this.carp = carp;
    this.ifp = ifp;
    this.vhid = vhid;
    this.macLo = CARP_MAC_LO | vhid;
    this.adTmo = new Callout(kern, () => this.sendAd());
    this.mdTmo = new Callout(kern, () => this.timedOut(this.mdTmo));
    this.md6Tmo = new Callout(kern, () => this.timedOut(this.md6Tmo));
  }

  get isMaster(): boolean {
    return this.state === CARP_MASTER;
  }

  /** Addresses of a family. */
  count(af: number): number {
    let n = 0;
    for (const ifa of this.ifas) if (ifa.af === af) n++;
    return n;
  }

  /** advskew as it counts at this moment. */
  get demotedSkew(): number {
    return Math.min(CARP_MAXSKEW, Math.max(0, this.advskew + this.carp.demotion));
  }

  /** An address joins. The election begins anew, because the others know it by its addresses. */
  attach(ifa: IfAddr): void {
    this.ifas.push(ifa);
    ifa.carp = this;
    this.hmac.prepare(this.vhid, this.key, this.ifas);
    this.linkState();
  }

  /** It leaves, unusable. */
  detach(ifa: IfAddr): void {
    if (this.isMaster) this.carp.family(ifa.af)?.unusable(ifa);
    this.ifas.splice(this.ifas.indexOf(ifa), 1);
    ifa.carp = null;
    this.hmac.prepare(this.vhid, this.key, this.ifas);
    this.linkState();
  }

  destroy(): void {
    this.setState(CARP_INIT, 'vhid removed');
    for (const ifa of this.ifas.splice(0)) ifa.carp = null;
    if (this.demotedForIf !== 0) this.carp.demote(-this.demotedForIf, 'vhid removed');
    if (this.demotedForSend !== 0) this.carp.demote(-this.demotedForSend, 'vhid removed');
    this.demotedForIf = 0;
    this.demotedForSend = 0;
  }

  setKey(key: Uint8Array): void {
    this.key = new Uint8Array(CARP_KEY_LEN);
    this.key.set(key.subarray(0, CARP_KEY_LEN));
    this.hmac.prepare(this.vhid, this.key, this.ifas);
  }

  /** The administrator wants it in this state; nothing happens while the interface is down. */
  request(state: CarpState): void {
    if (this.state === CARP_INIT || this.state === state) return;
    if (state === CARP_BACKUP) this.yieldMaster('user requested via ifconfig');
    else if (state === CARP_MASTER) this.becomeMaster('user requested via ifconfig');
  }

  /** The interface, its link, or the rule whether CARP is allowed have changed: the election begins anew, or ends. */
  linkState(): void {
    if (this.canRun()) {
      this.setState(CARP_INIT, 'hardware interface up');
      this.setRun(AF_UNSPEC);
      if (this.isSuppressed) this.carp.demote(-this.demotedForIf, 'interface up');
      this.isSuppressed = false;
      this.demotedForIf = 0;
      return;
    }
    this.setState(CARP_INIT, 'hardware interface down');
    if (this.isSuppressed) return;
    this.isSuppressed = true;
    this.demotedForIf = this.carp.ifdownAdj;
    this.carp.demote(this.demotedForIf, 'interface down');
  }

  private canRun(): boolean {
    return this.ifp.linkState === LINK_STATE_UP && this.ifp.isUp && this.carp.allow !== 0;
  }

  /** An authentic advertisement with this interval came in over `af`; its counter goes on from there. */
  heard(af: number, theirs: Micros, counterHi: number, counterLo: number): void {
    this.isCounterDrawn = false;
    this.counterHi = counterHi;
    this.counterLo = counterLo;
    const mine = carpInterval(this.advbase, this.demotedSkew);
    if (this.state === CARP_MASTER) {
      if (mine >= theirs) this.yieldMaster('more frequent advertisement received');
      return;
    }
    if (this.state !== CARP_BACKUP) return;
    if (this.carp.preempt !== 0 && mine < theirs) this.treatAsDown(af, PREEMPTING);
    else if (carpInterval(CARP_DOWN_FACTOR * this.advbase, this.demotedSkew) < theirs) this.treatAsDown(af, 'master will time out');
    else this.setRun(af);
  }

  /** There is a master, but not one to wait for. Others may think so, too. */
  private treatAsDown(af: number, reason: string): void {
    this.downReason = reason;
    this.carp.kern.engine.calloutReset(af === AF_INET6 ? this.md6Tmo : this.mdTmo, this.carp.random(SKEW_US));
  }

  /** Starts what its state waits for; as a backup, for the families in `af`, or for all it has addresses of. */
  private setRun(af: number): void {
    if (!this.canRun() || this.ifas.length === 0) return;
    if (this.state === CARP_INIT) this.setState(CARP_BACKUP, 'initialization complete');
    if (this.state !== CARP_BACKUP) return;
    this.downReason = 'master timed out';
    const wait = carpInterval(CARP_DOWN_FACTOR * this.advbase, this.advskew) + this.carp.random(SKEW_US);
    const { engine } = this.carp.kern;
    if (af === AF_INET || (af === AF_UNSPEC && this.count(AF_INET) > 0)) engine.calloutReset(this.mdTmo, wait);
    if (af === AF_INET6 || (af === AF_UNSPEC && this.count(AF_INET6) > 0)) engine.calloutReset(this.md6Tmo, wait);
  }

  private yieldMaster(reason: string): void {
    this.setState(CARP_BACKUP, reason);
    this.setRun(AF_UNSPEC);
  }

  private becomeMaster(reason: string): void {
    if (this.state !== CARP_BACKUP) return;
    this.setState(CARP_MASTER, reason);
    for (const ifa of [...this.ifas]) this.carp.family(ifa.af)?.usable(ifa);
    if (!this.isMaster) return; // whoever was told of the addresses has changed something
    this.sendAd();
    if (this.isMaster) this.carp.announce(this);
  }

  /** Nobody has been heard for too long over the family of `timer`. */
  private timedOut(timer: Callout): void {
    const isDeferred = this.carp.kern.defer(() => {
      if (this.state !== CARP_BACKUP || timer.pending) return;
      if (this.downReason === PREEMPTING) this.carp.stats.preempt++;
      this.becomeMaster(this.downReason);
    });
    if (!isDeferred) this.carp.kern.engine.calloutReset(timer, SKEW_US);
  }

  private setState(state: CarpState, reason: string): void {
    const was = this.state;
    if (was === state) return;
    const { carp } = this;
    const { engine } = carp.kern;
    const subsystem = `${this.vhid}@${this.ifp.xname}`;
    engine.assertThread();
    this.state = state;
    if (was === CARP_MASTER) engine.calloutStop(this.adTmo);
    if (was === CARP_BACKUP) {
      engine.calloutStop(this.mdTmo);
      engine.calloutStop(this.md6Tmo);
    }
    carp.log(`${subsystem}: ${CARP_STATES[was]} -> ${CARP_STATES[state]} (${reason})`);
    devctlNotify(carp.kern, 'CARP', subsystem, CARP_STATES[state]);
    if (was === CARP_MASTER) for (const ifa of [...this.ifas]) carp.family(ifa.af)?.unusable(ifa);
  }

  /** Advertises over every family it has addresses of, and once more after the interval. */
  sendAd(): void {
    if (!this.isMaster) return;
    const { inet, inet6, kern } = this.carp;
    if (inet !== null && this.count(AF_INET) > 0) this.sent(inet.sendAd(this));
    if (inet6 !== null && this.count(AF_INET6) > 0) this.sent(inet6.sendAd(this));
    kern.engine.calloutReset(this.adTmo, carpInterval(this.advbase, this.demotedSkew));
  }

  /** Errors in a row demote this host, successes in a row take that back. */
  private sent(error: Errno): void {
    if (error === CARP_NOMEM) return;
    const { carp } = this;
    if (error !== 0) {
      this.sendErrors++;
      this.sendSuccess = 0;
      if (this.sendErrors !== CARP_SENDAD_MAX_ERRORS) return;
      this.demotedForSend = carp.senderrAdj;
      carp.demote(this.demotedForSend, `send error ${error} on ${this.ifp.xname}`);
      return;
    }
    if (this.sendErrors === 0 || ++this.sendSuccess < CARP_SENDAD_MIN_SUCCESS) return;
    if (this.demotedForSend !== 0) carp.demote(-this.demotedForSend, `send ok on ${this.ifp.xname}`);
    this.demotedForSend = 0;
    this.sendErrors = 0;
    this.sendSuccess = 0;
  }

  /** Writes an advertisement at `off`, with the next counter. */
  emit(v: DataView, off: number): void {
    if (this.isCounterDrawn) {
      this.counterHi = this.carp.random(0x1_0000_0000);
      this.counterLo = this.carp.random(0x1_0000_0000);
    } else if (++this.counterLo > 0xffff_ffff) {
      this.counterLo = 0;
      this.counterHi = (this.counterHi + 1) >>> 0;
    }
    carpEmit(v, off, this.vhid, this.advbase, this.demotedSkew);
    v.setUint32(off + CARP_COUNTER, this.counterHi);
    v.setUint32(off + CARP_COUNTER + 4, this.counterLo);
    this.hmac.put(v, off);
    carpPutCksum(v, off);
  }
}
