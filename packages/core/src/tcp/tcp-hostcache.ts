/**
 * tcp-hostcache.ts — TcpHostcache: what connections learned about a peer, for the next one to it.
 * Read first: freebsd `sys/netinet/tcp_hostcache.c`; RFC 9040 §4 (temporal sharing); RFC 1191 §3.
 *
 * Theory of operation. A connection that ends leaves its round-trip time, its variation, ssthresh and cwnd; a new value and the old are averaged. The MTU of
 * an IPv4 path, which an ICMP message told, is here, too, and is replaced. (That of an IPv6 path belongs to IPv6 itself, inet6/ip6-pmtu.ts, and
 * all protocols use it.) Entries are by the peer's address. An entry that was not used for `expire` seconds goes in the next run of the timer,
 * every `prune` seconds while there are any; beyond `cachelimit` the entry that was updated longest ago gives way.
 *
 * FreeBSD has buckets with limits of their own, hence `hashsize`, `bucketlimit` and `histo`; here is one limit.
 * Invariants: an entry is in its chain and in the order of use exactly while it lives; the timer is armed while there is one.
 *
 * @rfc 9040 4 partial "what FreeBSD shares: MTU, round-trip time, ssthresh, cwnd"
 */
import { LazySet } from '../base/lazy-map.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import type { AuditRow } from '../kern/audit.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format, ip6OfWords, ip6Plain } from '../wire/addr6.js';
import type { TcpEnds } from './tcp-ends.js';

const DEFAULT_LIMIT = 15_360;
const LIMIT_MAX = 1_000_000;
const DEFAULT_EXPIRE_S = 3_600;
const DEFAULT_PRUNE_S = 300;
const SECONDS_MAX = 7 * 86_400;

/** What is known of a peer; 0 is nothing. */
export class HcMetrics {
  mtu = 0;
  ssthresh = 0;
  rttUs = 0;
  rttvarUs = 0;
  cwnd = 0;
  sendpipe = 0;
  recvpipe = 0;
}

/** What the cache counts, in the counters of TCP. */
export interface HcStats {
  hc_added: number;
  hc_bucketoverflow: number;
  cachedrtt: number;
  cachedrttvar: number;
  cachedssthresh: number;
}

class HcEntry extends HcMetrics {
  readonly isV6: boolean;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  expireAt: Micros = 0;
  hashNext: HcEntry | null = null;

  constructor(inc: TcpEnds) {
    super();
    this.isV6 = inc.isV6;
    this.w0 = inc.f0;
    this.w1 = inc.f1;
    this.w2 = inc.f2;
    this.w3 = inc.f3;
  }

  is(inc: TcpEnds): boolean {
    return this.w3 === inc.f3 && this.w2 === inc.f2 && this.w1 === inc.f1 && this.w0 === inc.f0;
  }

  get addr(): string {
    return this.isV6 ? ip6Format(ip6Plain(ip6OfWords(this.w0, this.w1, this.w2, this.w3))) : ip4Format(this.w3 >>> 0);
  }
}

const HC_AUDIT: readonly AuditRow<TcpHostcache>[] = [{ name: 'TCP hostcache entries', count: (h) => h.count }];

export class TcpHostcache {
  enable = 1;
  cachelimit = DEFAULT_LIMIT;
  expire = DEFAULT_EXPIRE_S;
  prune = DEFAULT_PRUNE_S;
  purge = 0;
  private readonly kern: VnetKern;
  private readonly owner: { readonly stats: HcStats };
  private chains: Map<number, HcEntry> | null = null;
  /** The entry updated last is last. */
  private readonly used = new LazySet<HcEntry>();
  private timer: Callout | null = null;

  /** `owner` has the counters, made with the first count. */
  constructor(kern: VnetKern, owner: { readonly stats: HcStats }) {
    this.kern = kern;
    this.owner = owner;
    kern.sysctl.attach(HOSTCACHE_SYSCTLS, this);
    kern.audit.attach(HC_AUDIT, this);
  }

  destroy(): void {
    this.purgeAll();
    this.kern.sysctl.detach(this);
  }

  get count(): number {
    return this.used.size;
  }

  /** What is known of the peer of `inc`, to be read at once; null: nothing. */
  lookup(inc: TcpEnds): Readonly<HcMetrics> | null {
    if (this.chains === null || this.enable === 0) return null;
    const e = this.find(inc);
    if (e !== null) e.expireAt = this.kern.engine.now + this.expire * US_PER_SEC;
    return e;
  }

  /** The MTU of the path to the peer, 0 when none was told. */
  mtu(inc: TcpEnds): number {
    return this.lookup(inc)?.mtu ?? 0;
  }

  updateMtu(inc: TcpEnds, mtu: number): void {
    const e = this.entry(inc);
    if (e !== null) e.mtu = mtu;
  }

  /** A connection to the peer of `inc` ends, and this is what it knew. */
  update(inc: TcpEnds, m: Readonly<HcMetrics>): void {
    const { stats } = this.owner;
    const e = this.entry(inc);
    if (e === null) return;
    if (m.mtu !== 0) e.mtu = m.mtu;
    if (m.rttUs !== 0) stats.cachedrtt++;
    if (m.rttvarUs !== 0) stats.cachedrttvar++;
    if (m.ssthresh !== 0) stats.cachedssthresh++;
    e.rttUs = merged(e.rttUs, m.rttUs);
    e.rttvarUs = merged(e.rttvarUs, m.rttvarUs);
    e.ssthresh = merged(e.ssthresh, m.ssthresh);
    e.cwnd = merged(e.cwnd, m.cwnd);
    e.sendpipe = merged(e.sendpipe, m.sendpipe);
    e.recvpipe = merged(e.recvpipe, m.recvpipe);
  }

  /** Forgets everything. */
  purgeAll(): void {
    this.chains = null;
    this.used.clear();
    if (this.timer !== null) this.kern.engine.calloutStop(this.timer);
  }

  /** As `sysctl net.inet.tcp.hostcache.list` prints it. */
  list(): string {
    const { now } = this.kern.engine;
    const rows = [...this.used].map((e) => {
      const numbers = [`${Math.round(e.rttUs / US_PER_MS)}ms`, `${Math.round(e.rttvarUs / US_PER_MS)}ms`].map((t) => t.padStart(8));
      const sizes = [e.cwnd, e.sendpipe, e.recvpipe].map((n) => String(n).padStart(8));
      const left = Math.max(0, Math.ceil((e.expireAt - now) / US_PER_SEC));
      return [e.addr.padEnd(15), String(e.mtu).padStart(5), String(e.ssthresh).padStart(8), ...numbers, ...sizes, String(left).padStart(4)].join(' ');
    });
    return ['', 'IP address        MTU  SSTRESH      RTT   RTTVAR     CWND SENDPIPE RECVPIPE EXP', ...rows, ''].join('\n');
  }

  private find(inc: TcpEnds): HcEntry | null {
    let e = this.chains?.get(hashOf(inc)) ?? null;
    while (e !== null && !e.is(inc)) e = e.hashNext;
    return e;
  }

  /** The entry of the peer, new when there is none, and the last in the order of use; null when there is no cache. */
  private entry(inc: TcpEnds): HcEntry | null {
    if (this.enable === 0) return null;
    const e = this.find(inc) ?? this.make(inc);
    e.expireAt = this.kern.engine.now + this.expire * US_PER_SEC;
    this.used.delete(e);
    this.used.add(e);
    return e;
  }

  private make(inc: TcpEnds): HcEntry {
    while (this.count >= this.cachelimit) {
      for (const oldest of this.used) {
        this.remove(oldest);
        this.owner.stats.hc_bucketoverflow++;
        break;
      }
    }
    const chains = (this.chains ??= new Map<number, HcEntry>());
    const e = new HcEntry(inc);
    const key = hashOf(inc);
    e.hashNext = chains.get(key) ?? null;
    chains.set(key, e);
    this.owner.stats.hc_added++;
    if (this.timer?.pending !== true) this.rearm();
    return e;
  }

  private remove(e: HcEntry): void {
    const { chains } = this;
    this.used.delete(e);
    if (chains === null) return;
    const key = hashOfWords(e.w0, e.w1, e.w2, e.w3);
    let at = chains.get(key) ?? null;
    if (at === e) {
      if (e.hashNext === null) chains.delete(key);
      else chains.set(key, e.hashNext);
      return;
    }
    while (at !== null && at.hashNext !== e) at = at.hashNext;
    if (at !== null) at.hashNext = e.hashNext;
  }

  private rearm(): void {
    const { engine } = this.kern;
    this.timer ??= new Callout(this.kern, () => this.run());
    engine.calloutReset(this.timer, this.prune * US_PER_SEC);
  }

  /** The timer: what was not used for long goes; all, when `purge` says so. */
  private run(): void {
    const { now } = this.kern.engine;
    const all = this.purge !== 0;
    this.purge = 0;
    for (const e of [...this.used]) if (all || e.expireAt <= now) this.remove(e);
    if (this.count === 0) this.purgeAll();
    else this.rearm();
  }
}

/** The average of what was known and what is new, where both are. */
function merged(was: number, is: number): number {
  if (is === 0) return was;
  return was === 0 ? is : Math.floor((was + is) / 2);
}

const hashOf = (inc: TcpEnds): number => hashOfWords(inc.f0, inc.f1, inc.f2, inc.f3);

function hashOfWords(w0: number, w1: number, w2: number, w3: number): number {
  return Math.imul(w0 ^ w2, 0x9e3779b1) ^ Math.imul(w1 ^ w3, 0x85ebca6b) ^ w3;
}

export const HOSTCACHE_SYSCTLS: SysctlGroup<TcpHostcache> = {
  prefix: 'net.inet.tcp.hostcache',
  oids: [
    sysctlInt('enable', 'enable', 'bool', 0, 1, 'Enable the TCP hostcache'),
    sysctlInt('cachelimit', 'cachelimit', 'entries', 1, LIMIT_MAX, 'Overall entry limit for hostcache'),
    sysctlRead('count', 'int', 'entries', 'Current number of entries in hostcache', (h) => h.count),
    sysctlInt('expire', 'expire', 's', 1, SECONDS_MAX, 'Expire time of TCP hostcache entries'),
    sysctlInt('prune', 'prune', 's', 1, SECONDS_MAX, 'Time between purge runs'),
    sysctlInt('purge', 'purge', 'bool', 0, 1, 'Expire all entries on next purge run'),
    { ...sysctlRead<TcpHostcache>('list', 'string', '', 'List of all hostcache entries', (h) => h.list()), skip: true },
    {
      leaf: 'purgenow', type: 'int', help: 'Immediately purge all entries', unit: 'bool', min: 0, max: 1, get: () => 0,
      set: (h) => {
        h.purgeAll();
        return 0;
      },
    },
  ],
};
