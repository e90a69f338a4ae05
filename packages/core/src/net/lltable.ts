/**
 * lltable.ts — LlTable: the neighbours of one interface in one address family, and the machine of their states.
 * Read first: llentry.ts; RFC 4861 §7.3 and appendix C.
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
 * Not here: look-ups, which know the form of an address: a subclass's, as are the times of the interface where a protocol has them.
 */
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { NeighbourMirror } from './datapath/neighbour-mirror.js';
import type { Ifnet } from './ifnet.js';
import {
  LLE_DELAY, LLE_EV_ADDED, LLE_EV_CHANGED, LLE_EV_DELETED, LLE_EV_EXPIRED, LLE_EV_MISSED, LLE_FAILED, LLE_IFADDR, LLE_INCOMPLETE, LLE_PROBE, LLE_REACHABLE, LLE_STALE, LLE_STATIC,
  LLE_VALID, LlAgeList,
} from './llentry.js';
import type { LlEntry, LlParams } from './llentry.js';

const SLOTS_MIN = 8;
/** Golden ratio: spreads consecutive addresses. */
export const LL_HASH_MUL = 0x9e3779b1;

/** What is done about a neighbour whose confirmation has become old: asked itself, asked for again, nothing. */
export const LL_NUD_NONE = 0;
export const LL_NUD_PROBE = 1;
export const LL_NUD_REFRESH = 2;

export abstract class LlTable<E extends LlEntry> {
  readonly ifp: Ifnet;
  readonly params: LlParams<E>;
  /** Entries, static ones included. */
  count = 0;
  /** Entries refused because the table was full of neighbours in use. */
  refused = 0;
  /** For the look-ups of subclasses: open addressing, the home of an entry is `imul(key, LL_HASH_MUL) >>> shift`. */
  protected slots: (E | null)[] = new Array<E | null>(SLOTS_MIN).fill(null);
  protected shift = 29;
  private dynamic = 0;
  private readonly unresolved = new LlAgeList();
  private readonly resolved = new LlAgeList();
  /** Whoever keeps these neighbours for short paths, too; null: nobody. */
  private readonly mirror: NeighbourMirror | null;
  /** What the timer of an entry calls. */
  protected readonly expired = (lle: LlEntry): void => {
    this.timerFired(lle as E);
  };

  constructor(ifp: Ifnet, params: LlParams<E>) {
    this.ifp = ifp;
    this.params = params;
    this.mirror = ifp.net?.shared.datapath?.neighbours ?? null;
  }

  /** Tells `mirror` that packets to `lle` may use its link address and tell nobody (`fast`), or that they may not. */
  protected abstract reflect(mirror: NeighbourMirror, lle: E): void;

  /** An entry with no address yet. */
  protected abstract make(): E;

  /** Order in which entries are shown. */
  protected abstract compare(a: E, b: E): number;

  /** Milliseconds between questions on this interface. */
  protected retrans(): number {
    return this.params.retrans;
  }

  /** Milliseconds a confirmed neighbour counts as reachable, before the random factor. */
  protected reachable(): number {
    return this.params.reachable;
  }

  /** One of LL_NUD_*. */
  protected nud(): number {
    return this.params.nud !== 0 ? LL_NUD_PROBE : LL_NUD_REFRESH;
  }

  /** An entry for a new address: when the table is full, that of another; null when it is full of neighbours in use. */
  protected obtain(): E | null {
    if (this.dynamic < this.params.maxEntries) return this.make();
    const lle = this.victim();
    if (lle === null) this.refused++;
    else this.remove(lle);
    return lle;
  }

  /** `lle`, which has been given its address, is in the table from now, INCOMPLETE. */
  protected begin(lle: E): E {
    lle.state = LLE_INCOMPLETE;
    lle.flags = 0;
    this.setFast(lle, false);
    lle.expireAt = this.params.kern.engine.now;
    lle.asked = 0;
    lle.askedAt = 0;
    this.link(lle);
    this.unresolved.append(lle);
    this.dynamic++;
    return lle;
  }

  /** Makes `lle`, new or not, static with `flags` (LLE_STATIC is implied). Packets that waited are sent. */
  protected settle(lle: E, macHi: number, macLo: number, flags: number): E {
    const was = lle.linked && lle.isValid;
    if (!lle.linked) this.link(lle);
    else if (lle.list !== null) this.unlist(lle);
    this.params.kern.engine.calloutStop(lle.timer);
    lle.flags = flags | LLE_STATIC | LLE_VALID;
    lle.state = LLE_REACHABLE;
    lle.macHi = macHi;
    lle.macLo = macLo;
    lle.expireAt = 0;
    this.setFast(lle, (flags & LLE_IFADDR) === 0);
    if (lle.fast) this.params.protocol.event(lle, was ? LLE_EV_CHANGED : LLE_EV_ADDED);
    this.flushHeld(lle);
    return lle;
  }

  /** Asks for the first time; an Errno when nothing could be sent. */
  start(lle: E): number {
    const { engine } = this.params.kern;
    engine.calloutReset(lle.timer, this.retrans() * US_PER_MS);
    return this.ask(lle, false);
  }

  /** Keeps `m` until the address is known. Owns `m`. */
  hold(lle: E, m: PacketBuffer): void {
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
  use(lle: E): void {
    if (lle.state !== LLE_STALE) return;
    const p = this.params;
    this.touch(lle);
    this.setFast(lle, true);
    if (this.nud() === LL_NUD_REFRESH) {
      this.probe(lle);
      return;
    }
    lle.state = LLE_DELAY;
    p.kern.engine.calloutReset(lle.timer, p.delay * US_PER_SEC);
  }

  /** A packet goes to a failed entry: asks once more, at most once per retransmission time. */
  retry(lle: E): void {
    const p = this.params;
    const { now } = p.kern.engine;
    if (lle.state !== LLE_FAILED || now - lle.askedAt < this.retrans() * US_PER_MS) return;
    p.kern.engine.calloutReset(lle.timer, p.failedAge * US_PER_SEC);
    this.ask(lle, false);
  }

  /**
   * The neighbour said where it is. `solicited`: it answered a question of ours. The entry is not static. Packets that waited
   * are sent.
   */
  confirm(lle: E, macHi: number, macLo: number, solicited: boolean): void {
    const was = lle.isValid;
    const moved = was && (lle.macHi !== macHi || lle.macLo !== macLo);
    lle.macHi = macHi;
    lle.macLo = macLo;
    lle.flags |= LLE_VALID;
    const answered = solicited || this.nud() === LL_NUD_REFRESH;
    if (answered) this.setReachable(lle);
    else if (!was || moved) this.setStale(lle);
    if (!was) this.params.protocol.event(lle, LLE_EV_ADDED);
    else if (moved) this.params.protocol.event(lle, LLE_EV_CHANGED);
    this.flushHeld(lle);
  }

  /** Somebody says that it is elsewhere, and is not believed at once: it is asked when it is used again (RFC 4861 §7.2.5, no override). */
  doubt(lle: E): void {
    if (lle.state === LLE_REACHABLE && !lle.isStatic) this.setStale(lle);
  }

  /** An upper layer made progress with the neighbour: it is reachable without a question. */
  hint(lle: E): void {
    if (lle.isValid && !lle.isStatic) this.setReachable(lle);
  }

  /** Takes an entry out because somebody said so, and tells of it. */
  delete(lle: E): void {
    if (lle.linked && lle.isValid) this.params.protocol.event(lle, LLE_EV_DELETED);
    this.remove(lle);
  }

  /** Takes an entry out silently and drops what waited for it. */
  remove(lle: E): void {
    if (!lle.linked) return;
    this.params.kern.engine.calloutStop(lle.timer);
    this.unlink(lle);
    if (lle.list !== null) this.unlist(lle);
    this.dropHeld(lle);
    this.setFast(lle, false);
    lle.flags = 0;
  }

  /** Forgets the neighbours that are `inside`; static ones too when `statics`, own addresses never. */
  protected forget(inside: (lle: E) => boolean, statics: boolean): void {
    for (const lle of this.entries()) {
      if ((lle.flags & LLE_IFADDR) === 0 && (statics || !lle.isStatic) && inside(lle)) this.delete(lle);
    }
  }

  /** Frees everything, timers and held packets: the interface leaves. */
  destroy(): void {
    for (const lle of this.entries()) this.remove(lle);
  }

  /** Every entry, in order. A fresh array. */
  entries(): E[] {
    return this.slots.filter((e) => e !== null).sort((a, b) => this.compare(a, b));
  }

  /** The entry's timer: one row of the table in the file header. */
  timerFired(lle: E): void {
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
        if (this.nud() === LL_NUD_NONE) this.setStale(lle);
        else this.probe(lle);
        return;
      case LLE_PROBE:
        if (lle.asked < (this.nud() === LL_NUD_REFRESH ? p.maxTries : p.unicastTries)) this.askAgain(lle);
        else this.expire(lle);
        return;
      case LLE_STALE:
      case LLE_FAILED:
        this.expire(lle);
        return;
    }
  }

  private expire(lle: E): void {
    this.params.protocol.event(lle, LLE_EV_EXPIRED);
    this.remove(lle);
  }

  private fail(lle: E): void {
    const p = this.params;
    lle.state = LLE_FAILED;
    p.kern.engine.calloutReset(lle.timer, p.failedAge * US_PER_SEC);
    p.protocol.event(lle, LLE_EV_MISSED);
    const held = this.takeHeld(lle);
    if (held !== null) p.protocol.unreachable(lle, held);
  }

  private probe(lle: E): void {
    lle.state = LLE_PROBE;
    lle.asked = 0;
    this.askAgain(lle);
  }

  private askAgain(lle: E): void {
    this.params.kern.engine.calloutReset(lle.timer, this.retrans() * US_PER_MS);
    this.ask(lle, this.nud() !== LL_NUD_REFRESH);
  }

  private ask(lle: E, unicast: boolean): number {
    lle.asked++;
    lle.askedAt = this.params.kern.engine.now;
    if (!lle.isValid) lle.expireAt = lle.askedAt;
    return this.params.protocol.solicit(lle, unicast);
  }

  private setReachable(lle: E): void {
    const p = this.params;
    this.touch(lle);
    lle.state = LLE_REACHABLE;
    this.setFast(lle, true);
    lle.asked = 0;
    lle.expireAt = p.kern.engine.now + p.maxAge * US_PER_SEC;
    let us = Math.max(0, p.maxAge - p.maxTries) * US_PER_SEC;
    const ms = this.reachable();
    if (this.nud() !== LL_NUD_REFRESH) us = Math.min(us, ms * (US_PER_MS / 2) + p.rng.below(ms * US_PER_MS + 1));
    p.kern.engine.calloutReset(lle.timer, us);
  }

  private setStale(lle: E): void {
    const p = this.params;
    const { engine } = p.kern;
    if (lle.state !== LLE_REACHABLE) {
      lle.expireAt = engine.now + p.maxAge * US_PER_SEC;
      this.touch(lle);
    }
    lle.state = LLE_STALE;
    this.setFast(lle, false);
    lle.asked = 0;
    engine.calloutReset(lle.timer, Math.max(0, lle.expireAt - engine.now));
  }

  private setFast(lle: E, fast: boolean): void {
    lle.fast = fast;
    if (this.mirror !== null) this.reflect(this.mirror, lle);
  }

  /** Moves an entry to the young end of the list its state belongs to. */
  private touch(lle: E): void {
    if (lle.list === null) return;
    lle.list.remove(lle);
    (lle.isValid ? this.resolved : this.unresolved).append(lle);
  }

  private unlist(lle: E): void {
    lle.list?.remove(lle);
    this.dynamic--;
  }

  /** Who makes room: the oldest unresolved entry, else the oldest stale one. */
  private victim(): E | null {
    const u = this.unresolved.oldest as E | null;
    if (u !== null) return u;
    const r = this.resolved.oldest as E | null;
    return r !== null && r.state === LLE_STALE ? r : null;
  }

  private flushHeld(lle: E): void {
    const held = this.takeHeld(lle);
    if (held !== null) this.params.protocol.flush(lle, held);
  }

  private takeHeld(lle: E): PacketBuffer | null {
    const head = lle.heldHead;
    this.params.held -= lle.held;
    lle.heldHead = null;
    lle.heldTail = null;
    lle.held = 0;
    return head;
  }

  private dropHeld(lle: E): void {
    const n = lle.held;
    let m = this.takeHeld(lle);
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.free();
      m = next;
    }
    if (n > 0) this.params.protocol.dropped(n);
  }

  private link(lle: E): void {
    if (2 * (this.count + 1) > this.slots.length) this.grow();
    this.place(lle);
    lle.linked = true;
    this.count++;
    this.params.entries++;
  }

  private place(lle: E): void {
    const mask = this.slots.length - 1;
    let i = Math.imul(lle.key, LL_HASH_MUL) >>> this.shift;
    while (this.slots[i] !== null) i = (i + 1) & mask;
    this.slots[i] = lle;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Array<E | null>(old.length * 2).fill(null);
    this.shift--;
    for (const lle of old) if (lle !== null) this.place(lle);
  }

  /** Empties the slot and moves back what probing had pushed behind it. */
  private unlink(lle: E): void {
    const slots = this.slots;
    const mask = slots.length - 1;
    let i = Math.imul(lle.key, LL_HASH_MUL) >>> this.shift;
    while (slots[i] !== lle) i = (i + 1) & mask;
    for (let j = (i + 1) & mask; ; j = (j + 1) & mask) {
      const e = slots[j];
      if (e === null || e === undefined) break;
      const home = Math.imul(e.key, LL_HASH_MUL) >>> this.shift;
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
