/**
 * llentry.ts — neighbours: LlEntry `lle`, the link address of one protocol address, and what its protocol and its table share.
 * Read first: RFC 4861 §7.3 (the states), RFC 826; FreeBSD's net/if_llatbl.c; NetBSD's net/nd.c; lltable.ts for the states' machine.
 *
 * Not here: what an entry is the address of. ARP's (inet/arp-lltable.ts) and ND's (inet6/nd6-lltable.ts) add that; `key` is the word of it that
 * tables hash.
 */
import type { Micros } from '../base/time.js';
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
/** Taken out by hand, or with the address of its network. */
export const LLE_EV_DELETED = 5;

/** What the protocol (ARP, ND) does for its tables. */
export interface LlProtocol<E extends LlEntry> {
  /** Asks for the entry's link address: `lle` itself when `unicast`, everybody otherwise. An Errno when nothing could be sent. */
  solicit(lle: E, unicast: boolean): number;
  /** The address is known: sends the packets that waited, oldest first, linked by `next`. Owns them. */
  flush(lle: E, held: PacketBuffer): void;
  /** Nobody answered: the packets that waited. Owns them. */
  unreachable(lle: E, held: PacketBuffer): void;
  /** One LLE_EV_*: for routing messages and counters. */
  event(lle: E, event: number): void;
  /** `n` packets were dropped because there was no room to hold them or their entry went away. */
  dropped(n: number): void;
}

/** What all tables of one protocol in one vnet share: tunables (units in the names' comments) and the account of held packets. */
export class LlParams<E extends LlEntry = LlEntry> {
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
  readonly protocol: LlProtocol<E>;
  readonly rng: Prng;

  constructor(kern: VnetKern, protocol: LlProtocol<E>, rng: Prng) {
    this.kern = kern;
    this.protocol = protocol;
    this.rng = rng;
  }
}

/** The neighbours of one protocol in one vnet. */
export const LL_AUDIT: readonly AuditRow<{ readonly entries: number; readonly held: number }>[] = [
  { name: 'neighbours', count: (p) => p.entries },
  { name: 'packets waiting for neighbours', packets: true, count: (p) => p.held },
];

export class LlEntry {
  readonly ifp: Ifnet;
  readonly timer: Callout;
  /** What the table hashes, a signed number: V8 compares it without a heap number. */
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
  /** Its table's age list it is on, and its place there. */
  list: LlAgeList | null = null;
  older: LlEntry | null = null;
  younger: LlEntry | null = null;

  /** @param expired the entry's timer fired. */
  constructor(ifp: Ifnet, kern: VnetKern, expired: (lle: LlEntry) => void) {
    this.ifp = ifp;
    this.timer = new Callout(kern, () => {
      expired(this);
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
export class LlAgeList {
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
