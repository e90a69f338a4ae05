/**
 * ip6-pmtu.ts — class Ip6Pmtu: paths whose MTU is smaller than their first link's.
 * Read first: RFC 8201 §4, §5; FreeBSD's netinet/tcp_hostcache.c, which keeps them there.
 *
 * Theory of operation. Packet-too-big says what MTU would fit to one destination; it is remembered for `pmtu_expire` seconds, between 1280 bytes and the
 * MTU of the link, and never raised by a message. Output asks for every packet, which costs nothing while there are none. When there are
 * `pmtu_limit`, the oldest gives way. A destination is its words in zoned form, whatever FIB its packets are looked up in: the message does not say.
 *
 * Invariants: an entry is in its chain and on the age list exactly while it lives; the timer is armed while there is one.
 *
 * @rfc 8201 4 yes
 * @rfc 8201 5.2 yes
 * @rfc 8201 5.3 yes
 */
import { US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6OfWords, ip6Plain, ip6W0Zoned } from '../wire/addr6.js';
import { IPV6_MMTU } from '../wire/ip6.js';
import type { Ip6 } from './ip6.js';

/** RFC 8201 §5.3: not less than 5 minutes; FreeBSD's hostcache keeps an hour. */
const DEFAULT_EXPIRE = 3_600;
const EXPIRE_MIN = 300;
const EXPIRE_MAX = 86_400;
const DEFAULT_LIMIT = 1_024;
const LIMIT_MAX = 65_536;

class Path {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  mtu = 0;
  expireAt: Micros = 0;
  hashNext: Path | null = null;

  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }

  is(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.w3 === w3 && this.w2 === w2 && this.w1 === w1 && this.w0 === w0;
  }
}

/** A path as it is shown. */
export interface PathMtu {
  /** Plain. */
  readonly dst: Uint8Array;
  readonly mtu: number;
  /** Seconds left. */
  readonly expire: number;
}

export class Ip6Pmtu {
  expire = DEFAULT_EXPIRE;
  limit = DEFAULT_LIMIT;
  /** Entries that gave way to others. */
  evicted = 0;
  private readonly ip6: Ip6;
  /** Chains by hash; the order of `aged` is that of expiry, since every entry lives equally long. */
  private chains: Map<number, Path> | null = null;
  private aged: Set<Path> | null = null;
  private timer: Callout | null = null;

  constructor(ip6: Ip6) {
    this.ip6 = ip6;
  }

  get count(): number {
    return this.aged?.size ?? 0;
  }

  /** MTU in bytes of the path to these words, 0 when nothing is known. Packet path. */
  lookup(w0: number, w1: number, w2: number, w3: number): number {
    if (this.chains === null) return 0;
    return this.find(w0, w1, w2, w3)?.mtu ?? 0;
  }

  /** The router says that `mtu` (1280 or more) fits to the destination at `at` of `v`, plain, in a message that came by `ifp`. True: that is news. */
  update(ifp: Ifnet, fib: number, v: DataView, at: number, mtu: number): boolean {
    const w0 = ip6W0Zoned(v, at, ifp.index);
    const w1 = v.getInt32(at + 4);
    const w2 = v.getInt32(at + 8);
    const w3 = v.getInt32(at + 12);
    const nh = this.ip6.routes.lookup6(fib, w0, w1, w2, w3, 0);
    const known = this.find(w0, w1, w2, w3);
    if (mtu >= (known?.mtu ?? this.ip6.linkMtu(nh?.ifp ?? ifp))) return false;
    const path = known ?? this.make(w0, w1, w2, w3);
    path.mtu = Math.max(mtu, IPV6_MMTU);
    path.expireAt = this.ip6.net.kern.engine.now + this.expire * US_PER_SEC;
    this.aged?.delete(path);
    this.aged?.add(path);
    this.rearm();
    return true;
  }

  list(): PathMtu[] {
    const { now } = this.ip6.net.kern.engine;
    return [...(this.aged ?? [])].map((p) => ({
      dst: ip6Plain(ip6OfWords(p.w0, p.w1, p.w2, p.w3)), mtu: p.mtu, expire: Math.max(0, Math.ceil((p.expireAt - now) / US_PER_SEC)),
    }));
  }

  /** Forgets everything. */
  purge(): void {
    this.chains = null;
    this.aged = null;
    this.rearm();
  }

  private find(w0: number, w1: number, w2: number, w3: number): Path | null {
    let p = this.chains?.get(hashOf(w0, w1, w2, w3)) ?? null;
    while (p !== null && !p.is(w0, w1, w2, w3)) p = p.hashNext;
    return p;
  }

  private make(w0: number, w1: number, w2: number, w3: number): Path {
    const chains = (this.chains ??= new Map());
    const aged = (this.aged ??= new Set());
    while (aged.size >= this.limit) {
      for (const oldest of aged) {
        this.remove(oldest);
        this.evicted++;
        break;
      }
    }
    const p = new Path(w0, w1, w2, w3);
    const key = hashOf(w0, w1, w2, w3);
    p.hashNext = chains.get(key) ?? null;
    chains.set(key, p);
    aged.add(p);
    return p;
  }

  private remove(p: Path): void {
    this.aged?.delete(p);
    const key = hashOf(p.w0, p.w1, p.w2, p.w3);
    let at = this.chains?.get(key) ?? null;
    if (at === p) {
      if (p.hashNext === null) this.chains?.delete(key);
      else this.chains?.set(key, p.hashNext);
      return;
    }
    while (at !== null && at.hashNext !== p) at = at.hashNext;
    if (at !== null) at.hashNext = p.hashNext;
  }

  private rearm(): void {
    const { kern } = this.ip6.net;
    const { engine } = kern;
    for (const p of this.aged ?? []) {
      this.timer ??= new Callout(kern, () => this.age());
      engine.calloutReset(this.timer, Math.max(0, p.expireAt - engine.now));
      return;
    }
    if (this.timer !== null) engine.calloutStop(this.timer);
  }

  private age(): void {
    const { now } = this.ip6.net.kern.engine;
    for (const p of [...(this.aged ?? [])]) if (p.expireAt <= now) this.remove(p);
    if (this.count === 0) this.purge();
    else this.rearm();
  }
}

function hashOf(w0: number, w1: number, w2: number, w3: number): number {
  return Math.imul(w0 ^ w2, 0x9e3779b1) ^ Math.imul(w1 ^ w3, 0x85ebca6b) ^ w3;
}

export const PMTU_SYSCTLS: SysctlGroup<Ip6Pmtu> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('pmtu_expire', 'expire', 's', EXPIRE_MIN, EXPIRE_MAX, 'Seconds that the MTU of a path is remembered'),
    sysctlInt('pmtu_limit', 'limit', 'entries', 1, LIMIT_MAX, 'Maximum number of paths whose MTU is remembered'),
    sysctlRead('pmtu_count', 'int', 'entries', 'Paths whose MTU is remembered', (o) => o.count),
    sysctlRead('pmtu_evicted', 'int', 'entries', 'Paths that were forgotten because others came', (o) => o.evicted),
  ],
};
