/**
 * zone-file.ts — a zone file: records as people write them.
 * Read first: RFC 1035 §5.1; dns-rdata.ts of the core's wire.
 *
 *     $ORIGIN example.test.
 *     $TTL 1h
 *     @      IN SOA ns admin ( 1 1h 10m 1d 60 )     ; a record may go on over lines in parentheses
 *     ns     IN A 192.0.2.1
 *     www 60 IN CNAME ns
 *            IN TXT "a text"                         ; the name of the line before
 *
 * Not here: $INCLUDE and $GENERATE, which are refused by name.
 *
 * @rfc 1035 5.1 yes
 */
import { DNS_CLASS_IN, dnsClassOf, dnsNameOf, dnsRdataOf, dnsTtlOf, dnsTypeName, dnsTypeOf } from '@netloom/core/wire';
import type { DnsRecord, DnsWord } from '@netloom/core/wire';
import { Zone } from './zone.js';

const TTL_DEFAULT = 3_600;
/** Records of a zone. */
const RECORDS_MAX = 100_000;

/** What is wrong with a zone, with the line; without the file's name. */
export class ZoneError extends Error {
  override readonly name = 'ZoneError';
}

interface Entry {
  readonly words: readonly DnsWord[];
  /** The line begins with a blank: it is about the name before. */
  readonly blank: boolean;
  readonly line: number;
}

/** Lines, those in parentheses joined. */
function entries(text: string): Entry[] {
  const out: Entry[] = [];
  let words: DnsWord[] = [];
  let depth = 0;
  let blank = false;
  let start = 1;
  text.split('\n').forEach((raw, i) => {
    const line = i + 1;
    if (depth === 0) {
      words = [];
      blank = /^[ \t]/.test(raw);
      start = line;
    }
    for (const match of raw.matchAll(/;.*$|"((?:[^"\\]|\\.)*)"|[()]|(?:[^\s;()"\\]|\\.)+|["\\]/g)) {
      const [whole, quoted] = match;
      if (whole.startsWith(';')) break;
      if (whole === '"' || whole === '\\') throw new ZoneError(`line ${line}: ${whole === '"' ? 'a text without a closing quote' : 'a backslash with nothing behind it'}`);
      if (whole === '(') depth++;
      else if (whole === ')') depth--;
      else words.push({ text: quoted ?? whole, quoted: quoted !== undefined });
      if (depth < 0) throw new ZoneError(`line ${line}: a closing parenthesis without an opening one`);
    }
    if (depth === 0 && words.length > 0) out.push({ words, blank, line: start });
  });
  if (depth > 0) throw new ZoneError(`line ${start}: a parenthesis that is not closed`);
  return out;
}

class ZoneReader {
  readonly records: DnsRecord[] = [];
  private origin: string;
  private ttl: number | null = null;
  private owner: string | null = null;

  constructor(origin: string) {
    this.origin = origin;
  }

  entry({ words, blank, line }: Entry): void {
    const fail = (why: string): never => {
      throw new ZoneError(`line ${line}: ${why}`);
    };
    const [first, second] = words;
    if (first !== undefined && !first.quoted && first.text.startsWith('$')) return this.directive(first.text.toUpperCase(), second?.text ?? '', fail);
    const rest = [...words];
    if (!blank) {
      const text = rest.shift()?.text ?? '';
      this.owner = this.absolute(text) ?? fail(`${text}: not a domain name`);
    }
    const name = this.owner ?? fail('a record without a name');
    let ttl: number | null = null;
    let cls: number | null = null;
    // TTL and class in either order.
    for (;;) {
      const text = rest[0]?.text ?? '';
      const asTtl = /^[0-9]/.test(text) ? dnsTtlOf(text) : null;
      const asClass = asTtl === null ? dnsClassOf(text) : null;
      if (asTtl !== null && ttl === null) ttl = asTtl;
      else if (asClass !== null && cls === null && dnsTypeOf(text) === null) cls = asClass;
      else break;
      rest.shift();
    }
    const typeWord = rest.shift()?.text ?? '';
    const type = dnsTypeOf(typeWord) ?? fail(`${typeWord === '' ? '(nothing)' : typeWord}: not a type`);
    if (cls !== null && cls !== DNS_CLASS_IN) fail('only class IN is served');
    const rdata = dnsRdataOf(type, rest, (text) => this.absolute(text));
    if (typeof rdata === 'string') return fail(`${dnsTypeName(type)} ${rdata}`);
    if (this.records.length >= RECORDS_MAX) fail(`more than ${RECORDS_MAX} records`);
    this.records.push({ name, type, cls: DNS_CLASS_IN, ttl: ttl ?? this.ttl ?? TTL_DEFAULT, rdata });
  }

  private directive(word: string, value: string, fail: (why: string) => never): void {
    if (word === '$ORIGIN') this.origin = this.absolute(value) ?? fail(`$ORIGIN ${value}: not a domain name`);
    else if (word === '$TTL') this.ttl = dnsTtlOf(value) ?? fail(`$TTL ${value}: not a number of seconds`);
    else fail(`${word}: not built in`);
  }

  private absolute(text: string): string | null {
    if (text === '@') return this.origin;
    if (text.endsWith('.') || this.origin === '.') return dnsNameOf(text);
    return dnsNameOf(`${text}.${this.origin}`);
  }
}

/** The records of a text. @throws ZoneError */
export function zoneRecords(text: string, origin: string): DnsRecord[] {
  const reader = new ZoneReader(origin);
  for (const entry of entries(text)) reader.entry(entry);
  return reader.records;
}

/** The zone `origin` that a file's text is. @throws ZoneError */
export function readZone(text: string, origin: string): Zone {
  const name = dnsNameOf(origin);
  if (name === null) throw new ZoneError(`${origin}: not a domain name`);
  const zone = new Zone(name);
  for (const record of zoneRecords(text, name)) {
    if (!zone.add(record)) throw new ZoneError(`${record.name} ${dnsTypeName(record.type)}: not in zone ${origin}, or beside a CNAME`);
  }
  return zone;
}
