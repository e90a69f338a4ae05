/**
 * dns-cache.ts — answers that were heard, for as long as they may be believed.
 * Read first: RFC 1035 §7.4, RFC 2181 §5.2, RFC 2308 §5 (answers that say no).
 *
 * An answer is kept whole, under its question and the bits of the query that change it; so a server that lies about other names lies about nothing else. Its time is the smallest TTL in it, of an
 * answer that says no the one that its SOA allows; both have bounds. When there is no room the answer that was asked for longest ago goes.
 *
 * @rfc 2308 5 yes
 */
import { DNS_NOERROR, DNS_NXDOMAIN, DNS_TC, DNS_TYPE_SOA, dnsNameKey, dnsRcode, dnsSoaOf } from '@netloom/core/wire';
import type { DnsMessage, DnsQuestion, DnsRecord } from '@netloom/core/wire';

const US_PER_SEC = 1_000_000;
const TTL_MAX = 86_400;
const NEGATIVE_TTL_MAX = 3_600;
/** Bytes that an entry counts beside its records' data. */
const ENTRY_BYTES = 200;
const RECORD_BYTES = 100;

interface Entry {
  readonly message: DnsMessage;
  readonly storedUs: number;
  readonly expireUs: number;
  readonly bytes: number;
}

export interface DnsCacheStats {
  hits: number;
  misses: number;
  stored: number;
  evicted: number;
}

export class DnsCache {
  readonly stats: DnsCacheStats = { hits: 0, misses: 0, stored: 0, evicted: 0 };
  private readonly entries = new Map<string, Entry>();
  private readonly bytesMax: number;
  private bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The answer, with what is left of its times; null: none is known. @param bits of the query that change the answer: DO and CD */
  get(q: DnsQuestion, bits: number, now: number): DnsMessage | null {
    const key = keyOf(q, bits);
    const entry = this.entries.get(key);
    if (entry !== undefined && entry.expireUs <= now) this.drop(key, entry);
    else if (entry !== undefined) {
      // The Map's order is that of use.
      this.entries.delete(key);
      this.entries.set(key, entry);
      this.stats.hits++;
      return aged(entry.message, Math.floor((now - entry.storedUs) / US_PER_SEC));
    }
    this.stats.misses++;
    return null;
  }

  put(q: DnsQuestion, bits: number, message: DnsMessage, now: number): void {
    const seconds = lifetime(message);
    if (seconds <= 0) return;
    const key = keyOf(q, bits);
    const before = this.entries.get(key);
    if (before !== undefined) this.drop(key, before);
    const bytes = [...message.answers, ...message.authority, ...message.additional].reduce((n, r) => n + RECORD_BYTES + r.name.length + r.rdata.length, ENTRY_BYTES + q.name.length);
    if (bytes > this.bytesMax) return;
    while (this.bytes + bytes > this.bytesMax) {
      const [oldest] = this.entries;
      if (oldest === undefined) break;
      this.drop(...oldest);
      this.stats.evicted++;
    }
    this.entries.set(key, { message, storedUs: now, expireUs: now + seconds * US_PER_SEC, bytes });
    this.bytes += bytes;
    this.stats.stored++;
  }

  clear(): void {
    this.entries.clear();
    this.bytes = 0;
  }

  private drop(key: string, entry: Entry): void {
    this.entries.delete(key);
    this.bytes -= entry.bytes;
  }
}

const keyOf = (q: DnsQuestion, bits: number): string => `${q.type} ${q.cls} ${bits} ${dnsNameKey(q.name)}`;

/** Seconds that an answer may be kept; 0: it may not. */
function lifetime(m: DnsMessage): number {
  const rcode = dnsRcode(m);
  if ((m.flags & DNS_TC) !== 0 || (rcode !== DNS_NOERROR && rcode !== DNS_NXDOMAIN)) return 0;
  const least = [...m.answers, ...m.authority].reduce((n, r) => Math.min(n, r.ttl), TTL_MAX);
  if (rcode === DNS_NOERROR && m.answers.length > 0) return least;
  const soa = m.authority.find((r) => r.type === DNS_TYPE_SOA);
  // Without a SOA nobody says how long the "no" holds.
  return soa === undefined ? 0 : Math.min(least, soa.ttl, dnsSoaOf(soa.rdata)?.minimum ?? 0, NEGATIVE_TTL_MAX);
}

function aged(m: DnsMessage, seconds: number): DnsMessage {
  const older = (records: readonly DnsRecord[]): DnsRecord[] => records.map((r) => ({ ...r, ttl: Math.max(0, r.ttl - seconds) }));
  return { ...m, answers: older(m.answers), authority: older(m.authority), additional: older(m.additional) };
}
