/**
 * responder.ts — class Responder: what a name server answers, and whom it answers at all.
 * Read first: RFC 1035 §7, RFC 6761 (localhost, invalid), RFC 6891 §7 (EDNS); zone.ts, live-names.ts, dns-cache.ts, forwarder.ts.
 *
 * Theory of operation. A question is answered by the first of these that knows: names that are the same everywhere; the domain of living things; records and zones of the configuration; addresses of
 * the vnet's own networks, of which nobody else knows anything; the cache; others (forwarder). An alias that leads out of our zones is followed there, and both parts are one answer.
 * Who is in none of the networks that may ask is not answered at all, so that nobody can have answers sent to a victim.
 *
 * @rfc 1035 7.3 partial "a forwarder has servers to ask, and no hints"
 * @rfc 6761 6.3 yes
 * @rfc 6761 6.4 yes
 * @rfc 6891 7 yes
 */
import { In6Ifaddr, InIfaddr } from '@netloom/core';
import type { SockAddr, Vnet } from '@netloom/core';
import {
  DNS_AA, DNS_AD, DNS_BADVERS, DNS_CD, DNS_CLASS_ANY, DNS_CLASS_IN, DNS_EDNS_DO, DNS_FORMERR, DNS_NOERROR, DNS_NOTIMP, DNS_NXDOMAIN, DNS_OPCODE_MASK, DNS_QR, DNS_RA, DNS_RD, DNS_REFUSED, DNS_SERVFAIL, DNS_TYPE_A,
  DNS_TYPE_AAAA, DNS_TYPE_ANY, DNS_TYPE_AXFR, DNS_TYPE_CNAME, DNS_TYPE_IXFR, DNS_TYPE_NS, DNS_TYPE_OPT, DNS_TYPE_PTR, DNS_TYPE_SOA, dnsA, dnsNameEncode, dnsNameIsIn, dnsNameKey, dnsOpcode, dnsRcode, dnsTargetOf, ip4InPrefix,
  ip4IsLoopback, ip6InPrefix, ip6IsLinkLocal, ip6IsLoopback, ip6Parse, ip6Plain, INADDR_LOOPBACK,
} from '@netloom/core/wire';
import type { DnsMessage, DnsQuestion, DnsRecord } from '@netloom/core/wire';
import { addressOfReverse } from '../host/reverse-name.js';
import type { DnsCache } from './dns-cache.js';
import type { DnsdConf } from './dnsd-conf.js';
import type { Forwarder } from './forwarder.js';
import type { LiveNames } from './live-names.js';
import { Zone, madeSoa, zoneOf } from './zone.js';

/** Of living things: they come and go. */
const LIVE_TTL = 5;
const LOOPBACK_TTL = 86_400;
const UDP_SIZE = 1_232;
const CHAIN_MAX = 8;
/** NS, SOA, DS, DNSKEY: what a domain at the top has. */
const OF_DOMAINS: ReadonlySet<number> = new Set([DNS_TYPE_NS, DNS_TYPE_SOA, 43, 48]);
const LOOPBACK6 = ip6Parse('::1') ?? new Uint8Array(16);

export interface ResponderStats {
  queries: number;
  local: number;
  cached: number;
  forwarded: number;
  malformed: number;
  /** From networks that may not ask. */
  dropped: number;
  refused: number;
}

/** What was found out about a question. */
interface Found {
  readonly rcode: number;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
}

/** What is answered here, or that others must be asked about `question`, behind the records found so far. */
type Local = { readonly found: Found } | { readonly question: DnsQuestion; readonly before: readonly DnsRecord[] };

export class Responder {
  readonly stats: ResponderStats = { queries: 0, local: 0, cached: 0, forwarded: 0, malformed: 0, dropped: 0, refused: 0 };
  readonly cache: DnsCache;
  readonly forwarder: Forwarder;
  readonly live: LiveNames;
  private readonly vnet: Vnet;
  private readonly conf: DnsdConf;
  private readonly zones: readonly Zone[];
  /** Records beside zones: each name is a zone of its own. */
  private readonly extra = new Map<string, Zone>();
  private readonly now: () => number;

  constructor(vnet: Vnet, conf: DnsdConf, zones: readonly Zone[], parts: { readonly cache: DnsCache; readonly forwarder: Forwarder; readonly live: LiveNames }, now: () => number) {
    this.vnet = vnet;
    this.conf = conf;
    this.zones = zones;
    this.cache = parts.cache;
    this.forwarder = parts.forwarder;
    this.live = parts.live;
    this.now = now;
    for (const r of conf.records) {
      const key = dnsNameKey(r.name);
      const zone = this.extra.get(key) ?? new Zone(key);
      zone.add(r);
      this.extra.set(key, zone);
    }
  }

  /** Answers `query` by `send`, at once or later, or not at all. `from`: who asks. */
  answer(query: DnsMessage, from: SockAddr, send: (m: DnsMessage) => void): void {
    if ((query.flags & DNS_QR) !== 0) return;
    if (!this.mayAsk(from)) {
      this.stats.dropped++;
      return;
    }
    this.stats.queries++;
    const [q] = query.questions;
    const refused = refusal(query);
    if (refused !== null || q === undefined) {
      this.stats.refused++;
      return send(reply(query, { rcode: refused ?? DNS_FORMERR, answers: [], authority: [] }, 0));
    }
    const local = this.local(q, from);
    if ('found' in local) {
      this.stats.local++;
      return send(reply(query, local.found, DNS_AA));
    }
    this.elsewhere(query, local.question, local.before, send);
  }

  /** The cache, then others. */
  private elsewhere(query: DnsMessage, q: DnsQuestion, before: readonly DnsRecord[], send: (m: DnsMessage) => void): void {
    const bits = (query.flags & DNS_CD) | ((query.edns?.flags ?? 0) & DNS_EDNS_DO);
    const cached = this.cache.get(q, bits, this.now());
    if (cached !== null) {
      this.stats.cached++;
      return send(joined(query, before, cached));
    }
    if ((query.flags & DNS_RD) === 0) return send(reply(query, { rcode: DNS_REFUSED, answers: [], authority: [] }, 0));
    this.stats.forwarded++;
    this.forwarder.ask(q, bits, (message) => {
      if (message !== null) this.cache.put(q, bits, message, this.now());
      send(message === null ? reply(query, { rcode: DNS_SERVFAIL, answers: [], authority: [] }, 0) : joined(query, before, message));
    });
  }

  private mayAsk(from: SockAddr): boolean {
    const { allow } = this.conf;
    if (typeof from === 'number') {
      if (ip4IsLoopback(from) || this.vnet.inNet.isLocal(from | 0)) return true;
      if (allow !== null) return allow.v4.some((n) => ip4InPrefix(from, n.addr, n.len));
      return this.networks4().some((n) => ip4InPrefix(from, n.addr, n.plen));
    }
    if (ip6IsLoopback(from.addr) || ip6IsLinkLocal(from.addr)) return true;
    if (allow !== null) return allow.v6.some((n) => ip6InPrefix(from.addr, n.addr, n.len));
    return this.networks6().some((n) => ip6InPrefix(from.addr, ip6Plain(n.addr), n.plen));
  }

  private networks4(): InIfaddr[] {
    return this.vnet.net.ifnets.flatMap((ifp) => ifp.addrs.filter((a): a is InIfaddr => a instanceof InIfaddr));
  }

  private networks6(): In6Ifaddr[] {
    return this.vnet.net.ifnets.flatMap((ifp) => ifp.addrs.filter((a): a is In6Ifaddr => a instanceof In6Ifaddr));
  }

  /** Follows aliases as long as they stay here. */
  private local(q: DnsQuestion, from: SockAddr): Local {
    const before: DnsRecord[] = [];
    let question = q;
    for (let i = 0; i < CHAIN_MAX; i++) {
      const found = this.localStep(question, from);
      if (found === null) return { question, before };
      const alias = found.answers.find((r) => r.type === DNS_TYPE_CNAME);
      if (alias === undefined || q.type === DNS_TYPE_CNAME || q.type === DNS_TYPE_ANY) return { found: { ...found, answers: [...before, ...found.answers] } };
      before.push(alias);
      question = { ...question, name: dnsTargetOf(alias.rdata) };
    }
    return { found: { rcode: DNS_SERVFAIL, answers: [], authority: [] } };
  }

  /** Null: nobody here has the last word on this name. */
  private localStep(q: DnsQuestion, from: SockAddr): Found | null {
    if (q.cls !== DNS_CLASS_IN && q.cls !== DNS_CLASS_ANY) return { rcode: DNS_REFUSED, answers: [], authority: [] };
    const key = dnsNameKey(q.name);
    if (dnsNameIsIn(key, 'localhost')) return wellKnown(q);
    if (dnsNameIsIn(key, 'invalid')) return { rcode: DNS_NXDOMAIN, answers: [], authority: [madeSoa('invalid', LOOPBACK_TTL)] };
    const extra = this.extra.get(key);
    if (extra !== undefined) return ofZone(extra, q);
    const zone = zoneOf(this.zones, key);
    if (zone !== null && (zone.origin.length >= this.conf.domain.length || !dnsNameIsIn(key, this.conf.domain))) return ofZone(zone, q);
    if (dnsNameIsIn(key, this.conf.domain)) return this.living(q, from);
    // A name without a dot means nothing to others, but for who asks about the domain itself.
    if (!key.includes('.') && !OF_DOMAINS.has(q.type)) return { rcode: DNS_NXDOMAIN, answers: [], authority: [madeSoa('.', LIVE_TTL)] };
    return this.reverse(q, key);
  }

  /** The domain of living things. */
  private living(q: DnsQuestion, from: SockAddr): Found {
    const { domain } = this.conf;
    const soa = madeSoa(domain, LIVE_TTL);
    const key = dnsNameKey(q.name);
    if (key === domain) return { rcode: DNS_NOERROR, answers: q.type === soa.type || q.type === DNS_TYPE_ANY ? [soa] : [], authority: q.type === soa.type ? [] : [soa] };
    const host = this.live.host(key);
    if (host === null) {
      const above = this.live.list().some((h) => dnsNameIsIn(dnsNameKey(h.name), key));
      return { rcode: above ? DNS_NOERROR : DNS_NXDOMAIN, answers: [], authority: [soa] };
    }
    const record = (type: number, rdata: Uint8Array): DnsRecord => ({ name: q.name, type, cls: DNS_CLASS_IN, ttl: LIVE_TTL, rdata });
    const wants = (type: number): boolean => q.type === type || q.type === DNS_TYPE_ANY;
    const answers = [
      ...(wants(DNS_TYPE_A) ? this.nearestFirst(host.v4, from).map((a) => record(DNS_TYPE_A, dnsA(a))) : []),
      ...(wants(DNS_TYPE_AAAA) ? host.v6.map((a) => record(DNS_TYPE_AAAA, a)) : []),
    ];
    return { rcode: DNS_NOERROR, answers, authority: answers.length === 0 ? [soa] : [] };
  }

  /** Of a router's addresses the one in the asker's own network comes first. */
  private nearestFirst(addrs: readonly number[], from: SockAddr): number[] {
    const net = typeof from === 'number' ? this.networks4().find((n) => ip4InPrefix(from, n.addr, n.plen)) : undefined;
    const near = (a: number): boolean => net !== undefined && ip4InPrefix(a, net.addr, net.plen);
    return [...addrs.filter(near), ...addrs.filter((a) => !near(a))];
  }

  /** Names of addresses: of what lives here, and of nobody in the networks of this vnet. */
  private reverse(q: DnsQuestion, key: string): Found | null {
    const addr = addressOfReverse(key);
    if (addr === null) return null;
    const name = this.live.nameOf(addr);
    const rdata = name === null ? null : dnsNameEncode(name);
    if (rdata !== null) {
      const here = q.type === DNS_TYPE_PTR || q.type === DNS_TYPE_ANY;
      return { rcode: DNS_NOERROR, answers: here ? [{ name: q.name, type: DNS_TYPE_PTR, cls: DNS_CLASS_IN, ttl: LIVE_TTL, rdata }] : [], authority: here ? [] : [madeSoa(key, LIVE_TTL)] };
    }
    const ours = typeof addr === 'number' ? ip4IsLoopback(addr) || this.networks4().some((n) => ip4InPrefix(addr, n.addr, n.plen)) : ip6IsLoopback(addr) || ip6IsLinkLocal(addr) || this.networks6().some((n) => ip6InPrefix(addr, ip6Plain(n.addr), n.plen));
    return ours ? { rcode: DNS_NXDOMAIN, answers: [], authority: [madeSoa(key, LIVE_TTL)] } : null;
  }
}

/** Why a query is not answered; null: it is. */
function refusal(query: DnsMessage): number | null {
  const [q] = query.questions;
  if (query.edns !== null && query.edns.version !== 0) return DNS_BADVERS;
  if (dnsOpcode(query) !== 0) return DNS_NOTIMP;
  if (q === undefined || query.questions.length !== 1) return DNS_FORMERR;
  if (q.type === DNS_TYPE_AXFR || q.type === DNS_TYPE_IXFR || q.type === DNS_TYPE_OPT) return DNS_REFUSED;
  return null;
}

function wellKnown(q: DnsQuestion): Found {
  const record = (type: number, rdata: Uint8Array): DnsRecord => ({ name: q.name, type, cls: DNS_CLASS_IN, ttl: LOOPBACK_TTL, rdata });
  const answers = [record(DNS_TYPE_A, dnsA(INADDR_LOOPBACK)), record(DNS_TYPE_AAAA, LOOPBACK6)].filter((r) => q.type === r.type || q.type === DNS_TYPE_ANY);
  return { rcode: DNS_NOERROR, answers, authority: answers.length === 0 ? [madeSoa('localhost', LOOPBACK_TTL)] : [] };
}

function ofZone(zone: Zone, q: DnsQuestion): Found {
  const { exists, records, soa } = zone.answer(q.name, q.type);
  return { rcode: exists ? DNS_NOERROR : DNS_NXDOMAIN, answers: records, authority: records.length === 0 ? [soa] : [] };
}

function reply(query: DnsMessage, { rcode, answers, authority }: Found, flags: number): DnsMessage {
  const kept = query.flags & (DNS_OPCODE_MASK | DNS_RD | DNS_CD);
  return {
    id: query.id, flags: DNS_QR | kept | DNS_RA | flags | (rcode & 0xf), questions: query.questions.slice(0, 1), answers, authority, additional: [],
    edns: query.edns === null ? null : { udpSize: UDP_SIZE, rcodeHi: rcode >>> 4, version: 0, flags: query.edns.flags & DNS_EDNS_DO, options: new Uint8Array(0) },
  };
}

/** Somebody else's answer, behind what we know ourselves, as the answer to `query`. */
function joined(query: DnsMessage, before: readonly DnsRecord[], m: DnsMessage): DnsMessage {
  const found = { rcode: dnsRcode(m), answers: [...before, ...m.answers], authority: m.authority };
  // Of the flags only "authentic data" is the other server's to say.
  return { ...reply(query, found, before.length > 0 ? 0 : m.flags & DNS_AD), additional: m.additional };
}
