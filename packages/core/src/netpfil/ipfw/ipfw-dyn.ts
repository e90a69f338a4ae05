/**
 * ipfw-dyn.ts — IpfwDyn: the dynamic rules of a filter: what `keep-state` and `limit` remember.
 * Read first: ipfw(8) "STATEFUL FIREWALL"; FreeBSD's sys/netpfil/ipfw/ip_fw_dynamic.c.
 *
 * Theory of operation. A state is a flow (protocol, addresses, ports, name) and the rule that made it. A packet of the flow, in either direction, has the rule's
 * action done to it without its conditions being looked at; how long the state lives depends on the protocol, for TCP on what both sides have said.
 * `limit` counts the states of one rule whose chosen fields agree, in a *parent*; a new one beyond the limit is refused.
 * States are in a hash that is the same for both directions and keyed, so that a peer cannot choose colliding ones. A timer runs once a second while there
 * are states: it removes what has expired and sends keepalives for TCP connections whose state is about to (ipfw-keepalive.ts).
 * When a rule goes, its states go (or, with `dyn_keep_states`, live on by themselves).
 *
 * IPv4 addresses are the first of four words, the others are 0.
 * Invariants: `count` states are in the hash, `parentCount` parents in theirs; a parent's `count` is the number of states that have it; the timer is armed while there
 * is either.
 */
import { US_PER_SEC } from '../../base/time.js';
import type { Engine } from '../../kern/engine.js';
import { Callout } from '../../kern/callout.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../../wire/ipproto.js';
import { TH_FIN, TH_RST, TH_SYN, tcpAck } from '../../wire/tcp.js';
import type { IpfwArgs } from './ipfw-args.js';
import { DYN_DST_ADDR, DYN_DST_PORT, DYN_SRC_ADDR, DYN_SRC_PORT } from './ipfw-insn.js';
import type { IpfwRule } from './ipfw-rule.js';
import type { IpfwDynTunables } from './ipfw-var.js';

/** Which way a packet goes in the flow of its state. */
export const MATCH_NONE = 0;
export const MATCH_FORWARD = 1;
export const MATCH_REVERSE = 2;

/** Bits of `IpfwState.state`: TH_* of the first sender, of the other shifted by 8, and acknowledgements seen since the last full exchange. */
const REV = 8;
export const BOTH_SYN = TH_SYN | (TH_SYN << REV);
const BOTH_FIN = TH_FIN | (TH_FIN << REV);
const SAID = (TH_FIN | TH_SYN | TH_RST) | ((TH_FIN | TH_SYN | TH_RST) << REV);
export const ACK_FWD = 0x1_0000;
export const ACK_REV = 0x2_0000;
const ACK_BOTH = ACK_FWD | ACK_REV;

const BUCKETS_MIN = 256;

/** A limit's count: how many states of a rule have these fields in common. */
export class IpfwParent {
  readonly rule: IpfwRule;
  readonly name: string;
  readonly is6: boolean;
  readonly proto: number;
  readonly words: Int32Array;
  readonly sport: number;
  readonly dport: number;
  readonly hash: number;
  count = 0;
  /** Seconds; when it may go, if nobody is counted. */
  expire = 0;
  next: IpfwParent | null = null;

  constructor(rule: IpfwRule, name: string, is6: boolean, proto: number, words: Int32Array, sport: number, dport: number, hash: number) {
    this.rule = rule;
    this.name = name;
    this.is6 = is6;
    this.proto = proto;
    this.words = words;
    this.sport = sport;
    this.dport = dport;
    this.hash = hash;
  }
}

export class IpfwState {
  readonly rule: IpfwRule;
  readonly parent: IpfwParent | null;
  readonly name: string;
  readonly is6: boolean;
  readonly proto: number;
  /** Source and destination of the first packet, four words each. */
  readonly words: Int32Array;
  readonly sport: number;
  readonly dport: number;
  /** Interface of an IPv6 flow between link-local addresses, 0 otherwise. */
  readonly zone: number;
  readonly fib: number;
  readonly hash: number;
  state = 0;
  ackFwd = 0;
  ackRev = 0;
  pcnt = 0;
  bcnt = 0;
  /** Seconds. */
  expire = 0;
  /** Its rule has been deleted. */
  orphan = false;
  next: IpfwState | null = null;

  constructor(rule: IpfwRule, parent: IpfwParent | null, name: string, args: IpfwArgs, zone: number, hash: number) {
    this.rule = rule;
    this.parent = parent;
    this.name = name;
    this.is6 = args.is6;
    this.proto = args.proto;
    this.words = flowWords(args);
    this.sport = args.sport;
    this.dport = args.dport;
    this.zone = zone;
    this.fib = args.fib;
    this.hash = hash;
  }
}

function flowWords(a: IpfwArgs): Int32Array {
  return a.is6 ? Int32Array.of(a.s0, a.s1, a.s2, a.s3, a.d0, a.d1, a.d2, a.d3) : Int32Array.of(a.src, 0, 0, 0, a.dst, 0, 0, 0);
}

/** Sends what keeps a connection alive on both sides; see ipfw-keepalive.ts. */
export type KeepaliveSender = (state: IpfwState) => void;

export class IpfwDyn {
  count = 0;
  parentCount = 0;
  /** States and parents refused because there was no room. */
  refused = 0;
  /** Which way the packet that was looked up last goes. */
  direction = MATCH_NONE;
  private readonly engine: Engine;
  private readonly tun: IpfwDynTunables;
  private readonly timer: Callout;
  private readonly salt: number;
  private readonly send: KeepaliveSender;
  private lastKeepalive = 0;
  private buckets: (IpfwState | null)[] = [];
  private parents: (IpfwParent | null)[] = [];

  constructor(kern: VnetKern, tun: IpfwDynTunables, salt: number, send: KeepaliveSender) {
    this.engine = kern.engine;
    this.tun = tun;
    this.salt = salt | 0;
    this.send = send;
    this.timer = new Callout(kern, IpfwDyn.onTimer, this);
  }

  get now(): number {
    return Math.floor(this.engine.now / US_PER_SEC);
  }

  get bucketCount(): number {
    return this.buckets.length;
  }

  /** Every state; those of one rule are not sorted. */
  list(): IpfwState[] {
    const all: IpfwState[] = [];
    for (const head of this.buckets) for (let s = head; s !== null; s = s.next) all.push(s);
    return all;
  }

  listParents(): IpfwParent[] {
    const all: IpfwParent[] = [];
    for (const head of this.parents) for (let p = head; p !== null; p = p.next) all.push(p);
    return all;
  }

  /** The state of the packet's flow, updated; null when there is none. `name`: of the state, '' for any. Packet path. */
  lookup(args: IpfwArgs, name: string): IpfwState | null {
    this.direction = MATCH_NONE;
    if (this.count === 0 || !(args.is4 || args.is6)) return null;
    const h = this.hashOf(args);
    const zone = zoneOf(args);
    for (let s = this.buckets[h & (this.buckets.length - 1)] ?? null; s !== null; s = s.next) {
      if (s.hash !== h || s.proto !== args.proto || s.is6 !== args.is6 || s.zone !== zone || (name !== '' && s.name !== name)) continue;
      const dir = directionIn(s, args);
      if (dir === MATCH_NONE || (!s.rule.live && !s.orphan)) continue;
      this.direction = dir;
      this.update(s, args, dir);
      return s;
    }
    return null;
  }

  /** Makes a state for the packet's flow. `limit` 0: no limit; else `mask` are DYN_* fields. False: the packet must not pass. */
  install(rule: IpfwRule, args: IpfwArgs, name: string, limit: number, mask: number): boolean {
    if (!(args.is4 || args.is6)) return false;
    if (this.find(args, name) !== null) return true;
    if (this.count >= this.tun.max) this.expire();
    if (this.count >= this.tun.max) {
      this.refused++;
      return false;
    }
    let parent: IpfwParent | null = null;
    if (mask !== 0) {
      parent = this.parentFor(rule, args, name, mask);
      if (parent === null || parent.count >= limit) return false;
      parent.count++;
    }
    if (this.count >= this.buckets.length) this.grow();
    const h = this.hashOf(args);
    const s = new IpfwState(rule, parent, name, args, zoneOf(args), h);
    const at = h & (this.buckets.length - 1);
    s.next = this.buckets[at] ?? null;
    this.buckets[at] = s;
    this.count++;
    this.update(s, args, MATCH_FORWARD);
    this.arm();
    return true;
  }

  private find(args: IpfwArgs, name: string): IpfwState | null {
    if (this.count === 0) return null;
    const h = this.hashOf(args);
    const zone = zoneOf(args);
    for (let s = this.buckets[h & (this.buckets.length - 1)] ?? null; s !== null; s = s.next) {
      if (s.hash === h && s.proto === args.proto && s.is6 === args.is6 && s.zone === zone && s.name === name && (s.rule.live || s.orphan) && directionIn(s, args) !== MATCH_NONE) return s;
    }
    return null;
  }

  private parentFor(rule: IpfwRule, a: IpfwArgs, name: string, mask: number): IpfwParent | null {
    const words = flowWords(a);
    if ((mask & DYN_SRC_ADDR) === 0) words.fill(0, 0, 4);
    if ((mask & DYN_DST_ADDR) === 0) words.fill(0, 4, 8);
    const sport = (mask & DYN_SRC_PORT) === 0 ? 0 : a.sport;
    const dport = (mask & DYN_DST_PORT) === 0 ? 0 : a.dport;
    const h = mix(words, sport, dport, this.salt ^ rule.id);
    if (this.parents.length === 0) this.parents = Array.from({ length: BUCKETS_MIN }, () => null);
    const at = h & (BUCKETS_MIN - 1);
    for (let p = this.parents[at] ?? null; p !== null; p = p.next) {
      if (p.hash === h && p.rule === rule && p.is6 === a.is6 && p.proto === a.proto && p.sport === sport && p.dport === dport && p.words.every((w, i) => w === words[i])) {
        p.expire = this.now + this.tun.shortLifetime;
        return p;
      }
    }
    if (this.parentCount >= this.tun.parentMax) {
      this.refused++;
      return null;
    }
    const p = new IpfwParent(rule, name, a.is6, a.proto, words, sport, dport, h);
    p.expire = this.now + this.tun.shortLifetime;
    p.next = this.parents[at] ?? null;
    this.parents[at] = p;
    this.parentCount++;
    this.arm();
    return p;
  }

  private update(s: IpfwState, args: IpfwArgs, dir: number): void {
    const { now } = this;
    if (s.proto === IPPROTO_TCP) this.updateTcp(s, args, dir, now);
    else s.expire = now + (s.proto === IPPROTO_UDP || s.proto === IPPROTO_UDPLITE ? this.tun.udpLifetime : this.tun.shortLifetime);
    s.pcnt++;
    s.bcnt += args.pktlen;
  }

  private updateTcp(s: IpfwState, args: IpfwArgs, dir: number, now: number): void {
    const said = args.tcpFlags & (TH_FIN | TH_SYN | TH_RST);
    s.state |= dir === MATCH_FORWARD ? said : said << REV;
    switch (s.state & SAID) {
      case TH_SYN:
        s.expire = now + this.tun.synLifetime;
        break;
      case BOTH_SYN:
      case BOTH_SYN | TH_FIN:
      case BOTH_SYN | (TH_FIN << REV):
        if (args.ulp !== 0) this.sawAck(s, tcpAck(args.m.view, args.ulp) | 0, dir, now);
        break;
      case BOTH_SYN | BOTH_FIN:
        this.tun.finLifetime = Math.min(this.tun.finLifetime, this.tun.keepalivePeriod - 1);
        s.expire = now + this.tun.finLifetime;
        break;
      default:
        if (this.tun.keepalive !== 0) this.tun.rstLifetime = Math.min(this.tun.rstLifetime, this.tun.keepalivePeriod - 1);
        s.expire = now + this.tun.rstLifetime;
    }
  }

  /** Both sides must acknowledge something before the connection is believed to live on. */
  private sawAck(s: IpfwState, ack: number, dir: number, now: number): void {
    if (dir === MATCH_FORWARD) {
      if (s.ackFwd === 0 || ((ack - s.ackFwd) | 0) >= 0) {
        s.ackFwd = ack;
        s.state |= ACK_FWD;
      }
    } else if (s.ackRev === 0 || ((ack - s.ackRev) | 0) >= 0) {
      s.ackRev = ack;
      s.state |= ACK_REV;
    }
    if ((s.state & ACK_BOTH) !== ACK_BOTH) return;
    s.expire = now + this.tun.ackLifetime;
    s.state &= ~ACK_BOTH;
  }

  /** Removes what `isGone` names. */
  private sweep(isGone: (s: IpfwState) => boolean): void {
    const { buckets, parents } = this;
    for (let i = 0; i < buckets.length; i++) {
      let before: IpfwState | null = null;
      for (let s = buckets[i] ?? null; s !== null; s = s.next) {
        if (!isGone(s)) {
          before = s;
          continue;
        }
        if (before === null) buckets[i] = s.next;
        else before.next = s.next;
        this.count--;
        if (s.parent !== null) s.parent.count--;
      }
    }
    const { now } = this;
    for (let i = 0; i < parents.length; i++) {
      let before: IpfwParent | null = null;
      for (let p = parents[i] ?? null; p !== null; p = p.next) {
        if (p.count > 0 || (p.expire > now && p.rule.live)) {
          before = p;
          continue;
        }
        if (before === null) parents[i] = p.next;
        else before.next = p.next;
        this.parentCount--;
      }
    }
  }

  private expire(): void {
    const { now } = this;
    this.sweep((s) => s.expire <= now);
  }

  /** Rules are gone: their states go, or live on without them. */
  rulesGone(rules: readonly IpfwRule[]): void {
    if (this.count === 0 && this.parentCount === 0) return;
    const gone = new Set(rules);
    if (this.tun.keepStates !== 0) for (const s of this.list()) if (gone.has(s.rule)) s.orphan = true;
    this.sweep((s) => gone.has(s.rule) && !s.orphan);
    this.disarmWhenIdle();
  }

  /** Removes the states that `matches` names (`ipfw -D delete`). */
  remove(matches: (s: IpfwState) => boolean): void {
    this.sweep(matches);
    this.disarmWhenIdle();
  }

  clear(): void {
    this.buckets = [];
    this.parents = [];
    this.count = 0;
    this.parentCount = 0;
    this.engine.calloutStop(this.timer);
  }

  private disarmWhenIdle(): void {
    if (this.count === 0 && this.parentCount === 0) this.engine.calloutStop(this.timer);
  }

  private arm(): void {
    if (!this.timer.pending) this.engine.calloutReset(this.timer, US_PER_SEC);
  }

  private static onTimer(this: void, dyn: unknown): void {
    if (dyn instanceof IpfwDyn) dyn.tick();
  }

  private tick(): void {
    this.expire();
    const { now } = this;
    if (this.tun.keepalive !== 0 && this.lastKeepalive + this.tun.keepalivePeriod <= now) {
      this.lastKeepalive = now;
      for (const s of this.list()) if (s.proto === IPPROTO_TCP && (s.state & BOTH_SYN) === BOTH_SYN && s.expire < now + this.tun.keepaliveInterval) this.send(s);
    }
    if (this.count > 0 || this.parentCount > 0) this.arm();
  }

  private grow(): void {
    const n = this.buckets.length === 0 ? BUCKETS_MIN : this.buckets.length * 2;
    if (n > this.tun.bucketsMax) return;
    const all = this.list();
    this.buckets = Array.from({ length: n }, () => null);
    for (const s of all) {
      const at = s.hash & (n - 1);
      s.next = this.buckets[at] ?? null;
      this.buckets[at] = s;
    }
  }

  /** The same for both directions. */
  private hashOf(a: IpfwArgs): number {
    const ends = a.is6 ? a.s0 ^ a.d0 ^ a.s1 ^ a.d1 ^ a.s2 ^ a.d2 ^ Math.imul(a.s3 ^ this.salt, a.d3 ^ this.salt) : Math.imul(a.src ^ this.salt, a.dst ^ this.salt);
    let h = Math.imul(ends ^ this.salt, 0x85eb_ca6b) ^ Math.imul((a.sport ^ a.dport) + Math.imul(a.sport + 1, a.dport + 1), 0xc2b2_ae35) ^ a.proto;
    h = Math.imul(h ^ (h >>> 15), 0x27d4_eb2f);
    return (h ^ (h >>> 13)) & 0x7fff_ffff;
  }
}

function mix(words: Int32Array, sport: number, dport: number, salt: number): number {
  let h = salt ^ ((sport << 16) | dport);
  for (const w of words) h = Math.imul((h ^ w) + (h >>> 15), 0x85eb_ca6b);
  return (h ^ (h >>> 13)) & 0x7fff_ffff;
}

/** Flows between link-local addresses are of one link. */
function zoneOf(a: IpfwArgs): number {
  return a.is6 && (a.s0 >>> 22 === 0x3fa || a.d0 >>> 22 === 0x3fa) ? a.ifp.index : 0;
}

function directionIn(s: IpfwState, a: IpfwArgs): number {
  if (s.sport === a.sport && s.dport === a.dport && isBetween(s.words, a, false)) return MATCH_FORWARD;
  return s.sport === a.dport && s.dport === a.sport && isBetween(s.words, a, true) ? MATCH_REVERSE : MATCH_NONE;
}

/** Are the addresses of `w` those of the packet (`turned`: the other way round)? */
function isBetween(w: Int32Array, a: IpfwArgs, turned: boolean): boolean {
  const from = turned ? 4 : 0;
  const to = turned ? 0 : 4;
  if (!a.is6) return w[from] === a.src && w[to] === a.dst;
  return w[from + 3] === a.s3 && w[to + 3] === a.d3 && w[from + 2] === a.s2 && w[to + 2] === a.d2 && w[from + 1] === a.s1 && w[to + 1] === a.d1 && w[from] === a.s0 && w[to] === a.d0;
}
