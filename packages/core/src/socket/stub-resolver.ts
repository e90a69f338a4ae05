/**
 * stub-resolver.ts — names to addresses, and names to records, for programs of a vnet: what a resolver library does.
 * Read first: resolver(3), getaddrinfo(3), RFC 1034 §5.3.1; resolv-conf.ts for whom it asks, dns-exchange.ts for how.
 *
 * Theory of operation. A `DnsLookup` is one question: each server in turn, and all of them once more; a server that is not there, or answers that it cannot or will not, is passed
 * over. A `HostLookup` is a name as people write it: with the search list if it has no dot, as it is first if it has one; both families are asked at once. Nothing waits: `done` is
 * called once, on the packet path or before the constructor returns.
 *
 * Invariant: after `done`, and after `cancel`, nothing is left open.
 * Not here: addresses and `localhost`, which need no question (userland's host-address.ts); a cache.
 *
 * @rfc 1034 5.3.1 yes
 */
import type { Errno } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import { ip4Parse } from '../wire/addr.js';
import { ip6NeedsZone, ip6ParseScoped } from '../wire/addr6.js';
import { DNS_ROOT, dnsNameKey, dnsNameOf } from '../wire/dns-name.js';
import { dnsAddrOf, dnsTargetOf } from '../wire/dns-rdata.js';
import { DNS_CLASS_IN, DNS_NOERROR, DNS_NXDOMAIN, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME } from '../wire/dns-types.js';
import { DNS_PORT, DNS_RD, dnsRcode } from '../wire/dns.js';
import type { DnsMessage, DnsQuestion } from '../wire/dns.js';
import { DnsExchange } from './dns-exchange.js';
import type { ResolvConf } from './resolv-conf.js';
import type { SocketHolder } from './socket-holder.js';
import type { SockAddr } from './socket-in6.js';
import type { SocketLayer } from './socket-layer.js';

/** RES_TIMEOUT, RES_DFLRETRY. */
export const RES_TIMEOUT_US: Micros = 5 * US_PER_SEC;
export const RES_DFLRETRY = 2;
/** What fits on every link without fragments. */
const UDP_SIZE = 1_232;
const CHAIN_MAX = 16;

/** Whom and how to ask. */
export interface ResolverEnv {
  readonly layer: SocketLayer;
  readonly conf: ResolvConf;
  /** Index of an interface by its name, for servers with a zone; 0: none such. */
  ifIndex(name: string): number;
  /** A random number for a query. */
  queryId(): number;
}

export interface LookupOptions {
  readonly fib?: number;
  readonly holder?: SocketHolder | null;
  /** Instead of those of the vnet. */
  readonly servers?: readonly SockAddr[];
  readonly tcp?: boolean;
  readonly port?: number;
  readonly timeoutUs?: Micros;
  readonly retry?: number;
  /** Recursion is not wished. */
  readonly norecurse?: boolean;
  /** A truncated answer is good enough. */
  readonly keepTruncated?: boolean;
}

/** `answer`: a server's word, good or bad. `timeout`: nobody answered. `servers`: there is nobody to ask. */
export type LookupResult =
  | { readonly kind: 'answer'; readonly message: DnsMessage; readonly server: SockAddr }
  | { readonly kind: 'timeout' | 'servers'; readonly message: null };

/** An address of a server as it is written in resolv.conf. */
export function serverAddress(env: Pick<ResolverEnv, 'ifIndex'>, text: string): SockAddr | null {
  const v4 = ip4Parse(text);
  if (v4 !== null) return v4;
  const v6 = ip6ParseScoped(text);
  if (v6 === null) return null;
  const scopeId = ip6NeedsZone(v6.addr) ? env.ifIndex(v6.zone) : 0;
  return ip6NeedsZone(v6.addr) && scopeId === 0 ? null : { addr: v6.addr, scopeId };
}

export class DnsLookup {
  private readonly env: ResolverEnv;
  private readonly o: LookupOptions;
  private readonly question: DnsQuestion;
  private readonly servers: readonly SockAddr[];
  /** Servers that gave no answer, in the order they were asked, and why. */
  readonly failures: { readonly server: SockAddr; readonly error: Errno }[] = [];
  private done: ((result: LookupResult) => void) | null;
  private exchange: DnsExchange | null = null;
  private asked = 0;
  /** What a server said that could not answer, should nobody say anything better. */
  private poor: LookupResult | null = null;

  constructor(env: ResolverEnv, question: DnsQuestion, options: LookupOptions, done: (result: LookupResult) => void) {
    this.env = env;
    this.o = options;
    this.question = question;
    this.done = done;
    this.servers = options.servers ?? env.conf.nameservers.map((s) => serverAddress(env, s)).filter((s) => s !== null);
    if (this.servers.length === 0) this.end({ kind: 'servers', message: null });
    else this.ask();
  }

  cancel(): void {
    this.done = null;
    this.exchange?.cancel();
    this.exchange = null;
  }

  private ask(): void {
    const { layer } = this.env;
    const server = this.servers[this.asked % this.servers.length];
    if (server === undefined || this.asked >= this.servers.length * (this.o.retry ?? RES_DFLRETRY)) return this.end(this.poor ?? { kind: 'timeout', message: null });
    this.asked++;
    const query: DnsMessage = {
      id: this.env.queryId(), flags: this.o.norecurse === true ? 0 : DNS_RD, questions: [this.question], answers: [], authority: [], additional: [],
      edns: { udpSize: UDP_SIZE, rcodeHi: 0, version: 0, flags: 0, options: new Uint8Array(0) },
    };
    const options = { server, port: this.o.port ?? DNS_PORT, query, timeoutUs: this.o.timeoutUs ?? RES_TIMEOUT_US, tcp: this.o.tcp ?? false, keepTruncated: this.o.keepTruncated ?? false, fib: this.o.fib ?? 0, holder: this.o.holder ?? null };
    const { asked } = this;
    const exchange = new DnsExchange(layer, options, (error, message) => {
      if (message === null) {
        this.failures.push({ server, error });
        return this.ask();
      }
      const rcode = dnsRcode(message);
      const result: LookupResult = { kind: 'answer', message, server };
      if (rcode === DNS_NOERROR || rcode === DNS_NXDOMAIN) return this.end(result);
      this.poor = result;
      this.ask();
    });
    // One that failed at once has been followed by another by now.
    if (this.asked === asked) this.exchange = exchange;
  }

  private end(result: LookupResult): void {
    const { done } = this;
    this.done = null;
    done?.(result);
  }
}

/** `noname`: there is no such name, or it has no address of the families asked for. `again`: nobody could say. */
export interface HostResult {
  readonly status: 'found' | 'noname' | 'again';
  /** The name at the end of the aliases. */
  readonly canonical: string;
  /** IPv4's first. */
  readonly addrs: readonly SockAddr[];
}

export class HostLookup {
  private readonly env: ResolverEnv;
  private readonly o: LookupOptions;
  private readonly types: readonly number[];
  private readonly names: string[];
  private done: ((result: HostResult) => void) | null;
  private lookups: DnsLookup[] = [];
  private again = false;

  /** @param family 4, 6, or null for both. */
  constructor(env: ResolverEnv, name: string, family: 4 | 6 | null, options: LookupOptions, done: (result: HostResult) => void) {
    this.env = env;
    this.o = options;
    this.types = family === 4 ? [DNS_TYPE_A] : family === 6 ? [DNS_TYPE_AAAA] : [DNS_TYPE_A, DNS_TYPE_AAAA];
    this.names = candidateNames(name, env.conf.search);
    this.done = done;
    this.next();
  }

  cancel(): void {
    this.done = null;
    for (const l of this.lookups) l.cancel();
  }

  private next(): void {
    const name = this.names.shift();
    if (name === undefined) return this.end({ status: this.again ? 'again' : 'noname', canonical: '', addrs: [] });
    const results: LookupResult[] = [];
    this.lookups = [];
    for (const type of this.types) {
      const lookup = new DnsLookup(this.env, { name, type, cls: DNS_CLASS_IN }, this.o, (result) => {
        results[this.types.indexOf(type)] = result;
        if (this.types.every((_, i) => results[i] !== undefined)) this.answered(name, results);
      });
      this.lookups.push(lookup);
    }
  }

  private answered(name: string, results: readonly LookupResult[]): void {
    if (this.done === null) return;
    const found = results.map((r, i) => (r.message === null ? null : addressesIn(r.message, name, this.types[i] ?? 0)));
    const addrs = found.flatMap((f) => f?.addrs ?? []);
    if (addrs.length > 0) return this.end({ status: 'found', canonical: found.find((f) => f !== null && f.addrs.length > 0)?.canonical ?? name, addrs });
    if (results.some((r) => r.kind === 'servers')) this.names.length = 0;
    else if (results.some((r) => r.message === null || (dnsRcode(r.message) !== DNS_NOERROR && dnsRcode(r.message) !== DNS_NXDOMAIN))) this.again = true;
    this.next();
  }

  private end(result: HostResult): void {
    const { done } = this;
    this.done = null;
    done?.(result);
  }
}

/** The full names that `name` may mean, in the order they are tried. */
export function candidateNames(name: string, search: readonly string[]): string[] {
  const full = dnsNameOf(name);
  if (full === null || full === DNS_ROOT) return [];
  if (name.endsWith('.')) return [full];
  const searched = search.map((domain) => dnsNameOf(`${full}.${domain}`)).filter((n) => n !== null);
  return full.includes('.') ? [full, ...searched] : [...searched, full];
}

/** What an answer says of `name`, along its aliases. */
export function addressesIn(m: DnsMessage, name: string, type: number): { readonly canonical: string; readonly addrs: SockAddr[] } {
  let at = name;
  for (let i = 0; i < CHAIN_MAX; i++) {
    const key = dnsNameKey(at);
    const here = m.answers.filter((r) => r.cls === DNS_CLASS_IN && dnsNameKey(r.name) === key);
    const addrs = here.filter((r) => r.type === type).map((r): SockAddr => (type === DNS_TYPE_A ? dnsAddrOf(r.rdata) : { addr: r.rdata, scopeId: 0 }));
    const alias = here.find((r) => r.type === DNS_TYPE_CNAME);
    if (addrs.length > 0 || alias === undefined) return { canonical: at, addrs };
    at = dnsTargetOf(alias.rdata);
  }
  return { canonical: at, addrs: [] };
}
