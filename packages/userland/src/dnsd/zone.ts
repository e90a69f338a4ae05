/**
 * zone.ts — zones that a name server has the last word on: records by name, and what it answers from them.
 * Read first: RFC 1034 §4.3.2, §4.3.3 (wildcards), RFC 2308 §2 (there is no such name, no such record), RFC 8020.
 *
 * A name between a record and its zone exists, although it has no records. A wildcard answers for names that do not exist below where it stands.
 *
 * @rfc 1034 4.3.2 partial "delegations are answered from the zone, not followed"
 * @rfc 1034 4.3.3 yes
 * @rfc 2308 2.1 yes
 * @rfc 2308 2.2 yes
 * @rfc 8020 2 yes
 */
import { DNS_CLASS_IN, DNS_TYPE_ANY, DNS_TYPE_CNAME, DNS_TYPE_SOA, dnsNameIsIn, dnsNameKey, dnsNameParent, dnsSoa, dnsSoaOf } from '@netloom/core/wire';
import type { DnsRecord } from '@netloom/core/wire';

/** Of a zone that has no SOA record. */
const SOA_TIMES = { serial: 1, refresh: 3_600, retry: 600, expire: 86_400, minimum: 30 } as const;
const NEGATIVE_TTL = 30;

/** What a zone says of a question. `records`: empty when the name, or a record of this type, is not there. */
export interface ZoneAnswer {
  readonly exists: boolean;
  readonly records: readonly DnsRecord[];
  /** The zone's SOA, for "no". */
  readonly soa: DnsRecord;
}

export class Zone {
  /** A key, as all names here. */
  readonly origin: string;
  private readonly names = new Map<string, DnsRecord[]>();
  /** Names that exist because one below them does. */
  private readonly above = new Set<string>();

  constructor(origin: string) {
    this.origin = dnsNameKey(origin);
    this.above.add(this.origin);
  }

  /** False: it is not in the zone, or beside a CNAME, or a CNAME beside another. */
  add(record: DnsRecord): boolean {
    const key = dnsNameKey(record.name);
    if (!dnsNameIsIn(key, this.origin)) return false;
    const here = this.names.get(key) ?? [];
    if (here.some((r) => (r.type === DNS_TYPE_CNAME) !== (record.type === DNS_TYPE_CNAME) || record.type === DNS_TYPE_CNAME)) return false;
    this.names.set(key, [...here, record]);
    for (let up: string | null = key; up !== null && up !== this.origin; up = dnsNameParent(up)) this.above.add(up);
    return true;
  }

  get size(): number {
    return this.names.size;
  }

  answer(name: string, type: number): ZoneAnswer {
    const key = dnsNameKey(name);
    const soa = this.soa();
    const exact = this.names.get(key);
    const here = exact ?? (this.above.has(key) ? [] : this.wildcard(key, name));
    if (here === null) return { exists: false, records: [], soa };
    return { exists: true, records: here.filter((r) => type === DNS_TYPE_ANY || r.type === type || r.type === DNS_TYPE_CNAME), soa };
  }

  /** Records of `*` below the closest name that exists, as if they were those of `name`; null: there is none. */
  private wildcard(key: string, name: string): DnsRecord[] | null {
    for (let up = dnsNameParent(key); up !== null && dnsNameIsIn(up, this.origin); up = dnsNameParent(up)) {
      if (!this.above.has(up) && up !== this.origin) continue;
      const found = this.names.get(up === '.' ? '*' : `*.${up}`);
      return found === undefined ? null : found.map((r) => ({ ...r, name }));
    }
    return null;
  }

  private soa(): DnsRecord {
    const own = this.names.get(this.origin)?.find((r) => r.type === DNS_TYPE_SOA);
    if (own !== undefined) return { ...own, ttl: Math.min(own.ttl, dnsSoaOf(own.rdata)?.minimum ?? own.ttl) };
    return madeSoa(this.origin, NEGATIVE_TTL);
  }
}

/** The SOA record of a zone that nobody wrote one for. */
export function madeSoa(origin: string, ttl: number): DnsRecord {
  const rdata = dnsSoa({ mname: 'localhost', rname: 'nobody.invalid', ...SOA_TIMES }) ?? new Uint8Array(0);
  return { name: origin, type: DNS_TYPE_SOA, cls: DNS_CLASS_IN, ttl, rdata };
}

/** The zone of all these that a name is in, the innermost. */
export function zoneOf(zones: readonly Zone[], name: string): Zone | null {
  const key = dnsNameKey(name);
  const all = zones.filter((z) => dnsNameIsIn(key, z.origin));
  return all.reduce<Zone | null>((best, z) => (best === null || z.origin.length > best.origin.length ? z : best), null);
}
