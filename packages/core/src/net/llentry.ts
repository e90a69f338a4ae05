/**
 * llentry.ts — neighbours: LlEntry `lle`, the link address of one protocol address, and LlTable, those of one interface.
 * Read first: RFC 4861 §7.3 (the states), RFC 826; FreeBSD's net/if_llatbl.c; NetBSD's net/nd.c.
 *
 * Theory of operation. The table belongs to one (interface, address family) and knows no message format: what must be sent or
 * told goes through LlProtocol. An entry has one timer and is in one of these states:
 *
 *   state        usable  timer fires                                            a packet uses it
 *   INCOMPLETE   no      tries left: ask everybody again, else FAILED           held, oldest dropped when too many
 *   FAILED       no      removed                                                refused; at most one question per retransTimer
 *   REACHABLE    fast    STALE                                                  -
 *   STALE        yes     removed                                                DELAY (with nud = 0: PROBE)
 *   DELAY        fast    PROBE, ask it                                          -
 *   PROBE        fast    tries left: ask it again, else removed                 -
 *
 * An answer to a question makes it REACHABLE; an address learned any other way makes it STALE. `fast` is the one bit the packet
 * path looks at: the link address may be used and nothing has to be noted. Static entries are fast for ever and nothing
 * heard changes them. With `nud` = 0 there is no probing of neighbours in use but FreeBSD's refresh: REACHABLE lasts until
 * maxtries seconds before `expireAt`, the next packet asks everybody again.
 *
 * Bounds. `maxEntries` per table; when it is reached the oldest unresolved entry goes, else the oldest STALE one, else the new
 * one is refused: a scan of a network costs a fixed amount of memory and never an entry in use. `maxHold` packets wait per
 * entry and `maxHeld` in all tables of the protocol together.
 *
 * Invariants: an entry is in `slots` exactly while `linked`; dynamic entries are on one of the two age lists; `fast` implies
 * LLE_VALID; `params.held` is the sum of all `held`, `params.entries` of all `count`.
 * Not here: ARP and ND messages, IPv6 keys (inet6 brings its own key comparison).
 */
import type { Micros } from '../base/time.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import type { Prng } from '../base/prng.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from './ifnet.js';

export const LLE_INCOMPLETE = 0;
export const LLE_FAILED = 1;
export const LLE_REACHABLE = 2;
export const LLE_STALE = 3;
export const LLE_DELAY = 4;
export const LLE_PROBE = 5;
export type LlState =
  | typeof LLE_INCOMPLETE | typeof LLE_FAILED | typeof LLE_REACHABLE | typeof LLE_STALE | typeof LLE_DELAY | typeof LLE_PROBE;
export const LLE_STATE_NAMES = ['incomplete', 'failed', 'reachable', 'stale', 'delay', 'probe'] as const;

/** Flags, FreeBSD's values. STATIC: set by hand or for ever; IFADDR: an address of our own; PUB: answered for others (proxy). */
export const LLE_STATIC = 0x2;
export const LLE_IFADDR = 0x4;
export const LLE_VALID = 0x8;
export const LLE_PUB = 0x20;

/** What `LlProtocol.event` is told. */
export const LLE_EV_ADDED = 1;
export const LLE_EV_CHANGED = 2;
export const LLE_EV_EXPIRED = 3;
export const LLE_EV_MISSED = 4;

/** What the protocol (ARP, ND) does for its tables. */
export interface LlProtocol {
  /** Asks for the entry's link address: `lle` itself when `unicast`, everybody otherwise. An Errno when nothing could be sent. */
  solicit(lle: LlEntry, unicast: boolean): number;
  /** The address is known: sends the packets that waited, oldest first, linked by `next`. Owns them. */
  flush(lle: LlEntry, held: PacketBuffer): void;
  /** Nobody answered: the packets that waited. Owns them. */
  unreachable(lle: LlEntry, held: PacketBuffer): void;
  /** One LLE_EV_*: for routing messages and counters. */
  event(lle: LlEntry, event: number): void;
  /** `n` packets were dropped because there was no room to hold them or their entry went away. */
  dropped(n: number): void;
}

/** What all tables of one protocol in one vnet share: tunables (units in the names' comments) and the account of held packets. */
export class LlParams {
  /** Seconds an entry lives after it was last confirmed. */
  maxAge = 1_200;
  /** Questions to everybody before giving up. */
  maxTries = 5;
  /** Questions to the neighbour itself before the entry is removed. */
  unicastTries = 3;
  /** Seconds a failed entry is remembered. */
  failedAge = 20;
  /** Milliseconds a confirmed neighbour counts as reachable; each entry takes 0.5 to 1.5 times as much at random. */
  reachable = 30_000;
  /** Milliseconds between questions. */
  retrans = 1_000;
  /** Seconds after the first use of a stale entry until it is asked. */
  delay = 5;
  /** Neighbour unreachability detection: 1 on, 0 off. */
  nud = 1;
  /** Packets waiting per entry, and in all tables. */
  maxHold = 16;
  maxHeld = 1_024;
  /** Entries per interface, static ones not counted. */
  maxEntries = 8_192;
  /** Packets waiting now, and entries there are, static ones included. */
  held = 0;
  entries = 0;
  readonly kern: VnetKern;
  readonly protocol: LlProtocol;
  readonly rng: Prng;

  constructor(kern: VnetKern, protocol: LlProtocol, rng: Prng) {
    this.kern = kern;
    this.protocol = protocol;
    this.rng = rng;
  }
}

/** The neighbours of one protocol in one vnet. */
export const LL_AUDIT: readonly AuditRow<LlParams>[] = [
  { name: 'neighbours', count: (p) => p.entries },
  { name: 'packets waiting for neighbours', packets: true, count: (p) => p.held },
];

export class LlEntry {
  readonly table: LlTable;
  readonly timer: Callout;
  /** Host-order IPv4 address, and the same as a signed number, which V8 compares without a heap number. */
  addr = 0;
  key = 0;
  state: LlState = LLE_INCOMPLETE;
  /** LLE_* bits. */
  flags = 0;
  /** The packet path may use macHi/macLo without telling anybody. */
  fast = false;
  macHi = 0;
  macLo = 0;
  /** When it is removed if nothing is heard; the time of the last question while unresolved; 0 for static entries. */
  expireAt: Micros = 0;
  /** Questions sent since the last answer, and when the last one was. */
  asked = 0;
  askedAt: Micros = 0;
  linked = false;
  /** Packets waiting for the address, oldest first, linked by `next`. */
  heldHead: PacketBuffer | null = null;
  heldTail: PacketBuffer | null = null;
  held = 0;
  /** The age list it is on. */
  list: LleList | null = null;
  older: LlEntry | null = null;
  younger: LlEntry | null = null;

  constructor(table: LlTable) {
    this.table = table;
    this.timer = new Callout(table.params.kern, () => {
      table.timerFired(this);
    });
  }

  get isValid(): boolean {
    return (this.flags & LLE_VALID) !== 0;
  }

  get isStatic(): boolean {
    return (this.flags & LLE_STATIC) !== 0;
  }
}

/** Entries in the order in which they last changed; oldest first. */
class LleList {
  oldest: LlEntry | null = null;
  private youngest: LlEntry | null = null;

  append(lle: LlEntry): void {
    lle.list = this;
    lle.older = this.youngest;
    lle.younger = null;
    if (this.youngest === null) this.oldest = lle;
    else this.youngest.younger = lle;
    this.youngest = lle;
  }

  remove(lle: LlEntry): void {
    if (lle.older === null) this.oldest = lle.younger;
    else lle.older.younger = lle.younger;
    if (lle.younger === null) this.youngest = lle.older;
    else lle.younger.older = lle.older;
    lle.list = null;
    lle.older = null;
    lle.younger = null;
  }
}

const SLOTS_MIN = 8;
/** Golden ratio: spreads consecutive addresses. */
const HASH_MUL = 0x9e3779b1;

export class LlTable {
  readonly ifp: Ifnet;
  readonly params: LlParams;
  /** Entries, static ones included. */
  count = 0;
  /** Entries refused because the table was full of neighbours in use. */
  refused = 0;
  private dynamic = 0;
  private slots: (LlEntry | null)[] = new Array<LlEntry | null>(SLOTS_MIN).fill(null);
  private shift = 29;
  private readonly unresolved = new LleList();
  private readonly resolved = new LleList();

  constructor(ifp: Ifnet, params: LlParams) {
    this.ifp = ifp;
    this.params = params;
  }

  /** The entry of `addr`, in whatever state, or null. Packet path. */
  lookup(addr: number): LlEntry | null {
    const slots = this.slots;
    const mask = slots.length - 1;
    const key = addr | 0;
    for (let i = Math.imul(key, HASH_MUL) >>> this.shift; ; i = (i + 1) & mask) {
      const lle = slots[i];
      if (lle === null || lle === undefined) return null;
      if (lle.key === key) return lle;
    }
  }

  /** A new INCOMPLETE entry for `addr`, which has none; null when the table is full of neighbours in use. */
  create(addr: number): LlEntry | null {
    let lle: LlEntry | null = null;
    if (this.dynamic >= this.params.maxEntries) {
      lle = this.victim();
      if (lle === null) {
        this.refused++;
        return null;
      }
      this.remove(lle);
    }
    lle ??= new LlEntry(this);
    lle.addr = addr;
    lle.key = addr | 0;
    lle.state = LLE_INCOMPLETE;
    lle.flags = 0;
    lle.fast = false;
    lle.expireAt = this.params.kern.engine.now;
    lle.asked = 0;
    lle.askedAt = 0;
    this.link(lle);
    this.unresolved.append(lle);
    this.dynamic++;
    return lle;
  }

  /** Makes or replaces the static entry of `addr` with `flags` (LLE_STATIC is implied). Packets that waited are sent. */
  setStatic(addr: number, macHi: number, macLo: number, flags: number): LlEntry {
    let lle = this.lookup(addr);
    if (lle === null) {
      lle = new LlEntry(this);
      lle.addr = addr;
      lle.key = addr | 0;
      this.link(lle);
    } else if (lle.list !== null) {
      this.unlist(lle);
    }
    this.params.kern.engine.calloutStop(lle.timer);
    lle.flags = flags | LLE_STATIC | LLE_VALID;
    lle.state = LLE_REACHABLE;
    lle.macHi = macHi;
    lle.macLo = macLo;
    lle.expireAt = 0;
    lle.fast = (flags & LLE_IFADDR) === 0;
    this.flushHeld(lle);
    return lle;
  }

  /** Asks for the first time; an Errno when nothing could be sent. */
  start(lle: LlEntry): number {
    const { engine } = this.params.kern;
    engine.calloutReset(lle.timer, this.params.retrans * US_PER_MS);
    return this.ask(lle, false);
  }

  /** Keeps `m` until the address is known. Owns `m`. */
  hold(lle: LlEntry, m: PacketBuffer): void {
    const p = this.params;
    m.next = null;
    if (lle.heldTail === null) lle.heldHead = m;
    else lle.heldTail.next = m;
    lle.heldTail = m;
    lle.held++;
    p.held++;
    if (lle.held <= p.maxHold && p.held <= p.maxHeld) return;
    const oldest = lle.heldHead as PacketBuffer;
    lle.heldHead = oldest.next;
    if (lle.heldHead === null) lle.heldTail = null;
    lle.held--;
    p.held--;
    oldest.free();
    p.protocol.dropped(1);
  }

  /** A packet goes to a usable entry that is not `fast`. */
  use(lle: LlEntry): void {
    if (lle.state !== LLE_STALE) return;
    const p = this.params;
    this.touch(lle);
    lle.fast = true;
    if (p.nud !== 0) {
      lle.state = LLE_DELAY;
      p.kern.engine.calloutReset(lle.timer, p.delay * US_PER_SEC);
    } else {
      this.probe(lle);
    }
  }

  /** A packet goes to a failed entry: asks once more, at most once per retransmission time. */
  retry(lle: LlEntry): void {
    const p = this.params;
    const { now } = p.kern.engine;
    if (lle.state !== LLE_FAILED || now - lle.askedAt < p.retrans * US_PER_MS) return;
    p.kern.engine.calloutReset(lle.timer, p.failedAge * US_PER_SEC);
    this.ask(lle, false);
  }

  /**
   * The neighbour said where it is. `solicited`: it answered a question of ours. The entry is not static. Packets that waited
   * are sent.
   */
  confirm(lle: LlEntry, macHi: number, macLo: number, solicited: boolean): void {
    const was = lle.isValid;
    const moved = was && (lle.macHi !== macHi || lle.macLo !== macLo);
    lle.macHi = macHi;
    lle.macLo = macLo;
    lle.flags |= LLE_VALID;
    const answered = solicited || this.params.nud === 0;
    if (answered) this.setReachable(lle);
    else if (!was || moved) this.setStale(lle);
    if (!was) this.params.protocol.event(lle, LLE_EV_ADDED);
    else if (moved) this.params.protocol.event(lle, LLE_EV_CHANGED);
    this.flushHeld(lle);
  }

  /** An upper layer made progress with the neighbour: it is reachable without a question. */
  hint(lle: LlEntry): void {
    if (lle.isValid && !lle.isStatic) this.setReachable(lle);
  }

  /** Takes an entry out and drops what waited for it. */
  remove(lle: LlEntry): void {
    if (!lle.linked) return;
    this.params.kern.engine.calloutStop(lle.timer);
    this.unlink(lle);
    if (lle.list !== null) this.unlist(lle);
    this.dropHeld(lle);
    lle.fast = false;
    lle.flags = 0;
  }

  /** Forgets the neighbours inside addr/mask; static ones too when `statics`, own addresses never. */
  prefixFree(addr: number, mask: number, statics: boolean): void {
    for (const lle of this.entries()) {
      if (((lle.addr ^ addr) & mask) !== 0 || (lle.flags & LLE_IFADDR) !== 0) continue;
      if (statics || !lle.isStatic) this.remove(lle);
    }
  }

  /** Frees everything, timers and held packets: the interface leaves. */
  destroy(): void {
    for (const lle of this.entries()) this.remove(lle);
  }

  /** Every entry, by address. A fresh array. */
  entries(): LlEntry[] {
    return this.slots.filter((e) => e !== null).sort((a, b) => a.addr - b.addr);
  }

  /** The entry's timer: one row of the table in the file header. */
  timerFired(lle: LlEntry): void {
    const p = this.params;
    switch (lle.state) {
      case LLE_INCOMPLETE:
        if (lle.asked < p.maxTries) this.start(lle);
        else this.fail(lle);
        return;
      case LLE_REACHABLE:
        this.setStale(lle);
        return;
      case LLE_DELAY:
        this.probe(lle);
        return;
      case LLE_PROBE:
        if (lle.asked < (p.nud !== 0 ? p.unicastTries : p.maxTries)) this.askAgain(lle);
        else this.expire(lle);
        return;
      case LLE_STALE:
      case LLE_FAILED:
        this.expire(lle);
        return;
    }
  }

  private expire(lle: LlEntry): void {
    this.params.protocol.event(lle, LLE_EV_EXPIRED);
    this.remove(lle);
  }

  private fail(lle: LlEntry): void {
    const p = this.params;
    lle.state = LLE_FAILED;
    p.kern.engine.calloutReset(lle.timer, p.failedAge * US_PER_SEC);
    p.protocol.event(lle, LLE_EV_MISSED);
    const held = this.takeHeld(lle);
    if (held !== null) p.protocol.unreachable(lle, held);
  }

  private probe(lle: LlEntry): void {
    lle.state = LLE_PROBE;
    lle.asked = 0;
    this.askAgain(lle);
  }

  private askAgain(lle: LlEntry): void {
    this.params.kern.engine.calloutReset(lle.timer, this.params.retrans * US_PER_MS);
    this.ask(lle, this.params.nud !== 0);
  }

  private ask(lle: LlEntry, unicast: boolean): number {
    lle.asked++;
    lle.askedAt = this.params.kern.engine.now;
    if (!lle.isValid) lle.expireAt = lle.askedAt;
    return this.params.protocol.solicit(lle, unicast);
  }

  private setReachable(lle: LlEntry): void {
    const p = this.params;
    this.touch(lle);
    lle.state = LLE_REACHABLE;
    lle.fast = true;
    lle.asked = 0;
    lle.expireAt = p.kern.engine.now + p.maxAge * US_PER_SEC;
    let us = Math.max(0, p.maxAge - p.maxTries) * US_PER_SEC;
    if (p.nud !== 0) us = Math.min(us, p.reachable * (US_PER_MS / 2) + p.rng.below(p.reachable * US_PER_MS + 1));
    p.kern.engine.calloutReset(lle.timer, us);
  }

  private setStale(lle: LlEntry): void {
    const p = this.params;
    const { engine } = p.kern;
    if (lle.state !== LLE_REACHABLE) {
      lle.expireAt = engine.now + p.maxAge * US_PER_SEC;
      this.touch(lle);
    }
    lle.state = LLE_STALE;
    lle.fast = false;
    lle.asked = 0;
    engine.calloutReset(lle.timer, Math.max(0, lle.expireAt - engine.now));
  }

  /** Moves an entry to the young end of the list its state belongs to. */
  private touch(lle: LlEntry): void {
    if (lle.list === null) return;
    lle.list.remove(lle);
    (lle.isValid ? this.resolved : this.unresolved).append(lle);
  }

  private unlist(lle: LlEntry): void {
    lle.list?.remove(lle);
    this.dynamic--;
  }

  /** Who makes room: the oldest unresolved entry, else the oldest stale one. */
  private victim(): LlEntry | null {
    const u = this.unresolved.oldest;
    if (u !== null) return u;
    const r = this.resolved.oldest;
    return r !== null && r.state === LLE_STALE ? r : null;
  }

  private flushHeld(lle: LlEntry): void {
    const held = this.takeHeld(lle);
    if (held !== null) this.params.protocol.flush(lle, held);
  }

  private takeHeld(lle: LlEntry): PacketBuffer | null {
    const head = lle.heldHead;
    this.params.held -= lle.held;
    lle.heldHead = null;
    lle.heldTail = null;
    lle.held = 0;
    return head;
  }

  private dropHeld(lle: LlEntry): void {
    const n = lle.held;
    let m = this.takeHeld(lle);
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.free();
      m = next;
    }
    if (n > 0) this.params.protocol.dropped(n);
  }

  private link(lle: LlEntry): void {
    if (2 * (this.count + 1) > this.slots.length) this.grow();
    this.place(lle);
    lle.linked = true;
    this.count++;
    this.params.entries++;
  }

  private place(lle: LlEntry): void {
    const mask = this.slots.length - 1;
    let i = Math.imul(lle.key, HASH_MUL) >>> this.shift;
    while (this.slots[i] !== null) i = (i + 1) & mask;
    this.slots[i] = lle;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Array<LlEntry | null>(old.length * 2).fill(null);
    this.shift--;
    for (const lle of old) if (lle !== null) this.place(lle);
  }

  /** Empties the slot and moves back what probing had pushed behind it. */
  private unlink(lle: LlEntry): void {
    const slots = this.slots;
    const mask = slots.length - 1;
    let i = Math.imul(lle.key, HASH_MUL) >>> this.shift;
    while (slots[i] !== lle) i = (i + 1) & mask;
    for (let j = (i + 1) & mask; ; j = (j + 1) & mask) {
      const e = slots[j];
      if (e === null || e === undefined) break;
      const home = Math.imul(e.key, HASH_MUL) >>> this.shift;
      if (((j - home) & mask) < ((j - i) & mask)) continue;
      slots[i] = e;
      i = j;
    }
    slots[i] = null;
    lle.linked = false;
    this.count--;
    this.params.entries--;
  }
}
