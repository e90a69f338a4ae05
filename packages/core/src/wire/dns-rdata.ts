/**
 * dns-rdata.ts — what the data of records is: where names are in it, how it is made, how it is written in zone files.
 * Read first: RFC 1035 §3.3, §5.1; RFC 3596 (AAAA), RFC 2782 (SRV), RFC 3597 §5 (any type); RFC 6672 (DNAME).
 *
 * Data is bytes with uncompressed names (dns.ts). Text is one line, as bind's tools print it.
 *
 * @rfc 1035 3.3 yes
 * @rfc 2782 yes
 * @rfc 3596 2.1 yes
 * @rfc 3597 5 yes
 */
import { ip4Format, ip4Parse } from './addr.js';
import { ip6Format, ip6Parse } from './addr6.js';
import { dnsNameEncode, dnsNameRead } from './dns-name.js';
import {
  DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME, DNS_TYPE_DNAME, DNS_TYPE_MX, DNS_TYPE_NS, DNS_TYPE_PTR, DNS_TYPE_SOA, DNS_TYPE_SRV, DNS_TYPE_TXT,
} from './dns-types.js';

/** A part of the data: a name, so many bytes, a string behind its length, or all that is left. */
export type DnsRdataPart = 'name' | 'string' | 'rest' | number;

export interface DnsRdataShape {
  readonly parts: readonly DnsRdataPart[];
  /** Names in it may be compressed when sent: the types of RFC 1035. */
  readonly compress: boolean;
}

const named = (compress: boolean, ...parts: DnsRdataPart[]): DnsRdataShape => ({ parts, compress });
const SOA_TIMES = 20;

/** Types with names in their data that a sender might compress (RFC 3597 §4), or whose data has a fixed form. */
export const DNS_RDATA_SHAPES: ReadonlyMap<number, DnsRdataShape> = new Map([
  [DNS_TYPE_A, named(false, 4)], [DNS_TYPE_AAAA, named(false, 16)],
  [DNS_TYPE_NS, named(true, 'name')], [3, named(true, 'name')], [4, named(true, 'name')], [DNS_TYPE_CNAME, named(true, 'name')], [7, named(true, 'name')], [8, named(true, 'name')],
  [9, named(true, 'name')], [DNS_TYPE_PTR, named(true, 'name')], [DNS_TYPE_SOA, named(true, 'name', 'name', SOA_TIMES)], [14, named(true, 'name', 'name')], [DNS_TYPE_MX, named(true, 2, 'name')],
  [17, named(false, 'name', 'name')], [18, named(false, 2, 'name')], [21, named(false, 2, 'name')], [24, named(false, 18, 'name', 'rest')], [26, named(false, 2, 'name', 'name')],
  [30, named(false, 'name', 'rest')], [DNS_TYPE_SRV, named(false, 6, 'name')], [35, named(false, 4, 'string', 'string', 'string', 'name')], [36, named(false, 2, 'name')],
  [DNS_TYPE_DNAME, named(false, 'name')],
]);

const u16 = (n: number): number[] => [(n >>> 8) & 0xff, n & 0xff];
const u32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff];
const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);

export const dnsA = (addr: number): Uint8Array => Uint8Array.from(u32(addr));
/** The address of an A record, host order. */
export const dnsAddrOf = (rdata: Uint8Array): number => viewOf(rdata).getUint32(0);
/** The name that an NS, CNAME, PTR or DNAME record gives; for others the one `at` bytes in. */
export const dnsTargetOf = (rdata: Uint8Array, at = 0): string => dnsNameRead(rdata, at, rdata.length)?.name ?? '.';

export interface DnsSoa {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long "there is no such name" may be believed (RFC 2308 §4). */
  readonly minimum: number;
}

/** Null: one of the names is none. */
export function dnsSoa(soa: DnsSoa): Uint8Array | null {
  const [mname, rname] = [dnsNameEncode(soa.mname), dnsNameEncode(soa.rname)];
  if (mname === null || rname === null) return null;
  return Uint8Array.from([...mname, ...rname, ...[soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].flatMap(u32)]);
}

export function dnsSoaOf(rdata: Uint8Array): DnsSoa | null {
  const mname = dnsNameRead(rdata, 0, rdata.length);
  const rname = mname === null ? null : dnsNameRead(rdata, mname.next, rdata.length);
  if (mname === null || rname === null || rname.next + SOA_TIMES !== rdata.length) return null;
  const at = (i: number): number => viewOf(rdata).getUint32(rname.next + 4 * i);
  return { mname: mname.name, rname: rname.name, serial: at(0), refresh: at(1), retry: at(2), expire: at(3), minimum: at(4) };
}

/** Text with every byte that is not printable as `\DDD`, in quotes. */
function quoted(bytes: Uint8Array): string {
  let s = '"';
  for (const c of bytes) s += c === 0x22 || c === 0x5c ? `\\${String.fromCharCode(c)}` : c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : `\\${String(c).padStart(3, '0')}`;
  return `${s}"`;
}

function strings(rdata: Uint8Array): string[] | null {
  const out: string[] = [];
  for (let at = 0; at < rdata.length; ) {
    const end = at + 1 + (rdata[at] ?? 0);
    if (end > rdata.length) return null;
    out.push(quoted(rdata.subarray(at + 1, end)));
    at = end;
  }
  return out;
}

const dotted = (name: string): string => (name === '.' ? name : `${name}.`);

/** The data in a zone file's words; names end in a dot. What has no words of its own is in RFC 3597's. */
export function dnsRdataText(type: number, rdata: Uint8Array): string {
  return wordsOf(type, rdata) ?? `\\# ${rdata.length}${rdata.length === 0 ? '' : ` ${[...rdata].map((b) => b.toString(16).padStart(2, '0')).join('').toUpperCase()}`}`;
}

function wordsOf(type: number, rdata: Uint8Array): string | null {
  const v = viewOf(rdata);
  switch (type) {
    case DNS_TYPE_A:
      return rdata.length === 4 ? ip4Format(v.getUint32(0)) : null;
    case DNS_TYPE_AAAA:
      return rdata.length === 16 ? ip6Format(rdata) : null;
    case DNS_TYPE_NS:
    case DNS_TYPE_CNAME:
    case DNS_TYPE_PTR:
    case DNS_TYPE_DNAME:
      return dotted(dnsTargetOf(rdata));
    case DNS_TYPE_MX:
      return rdata.length < 3 ? null : `${v.getUint16(0)} ${dotted(dnsTargetOf(rdata, 2))}`;
    case DNS_TYPE_SRV:
      return rdata.length < 7 ? null : `${v.getUint16(0)} ${v.getUint16(2)} ${v.getUint16(4)} ${dotted(dnsTargetOf(rdata, 6))}`;
    case DNS_TYPE_TXT:
      return strings(rdata)?.join(' ') ?? null;
    case DNS_TYPE_SOA: {
      const soa = dnsSoaOf(rdata);
      return soa === null ? null : `${dotted(soa.mname)} ${dotted(soa.rname)} ${soa.serial} ${soa.refresh} ${soa.retry} ${soa.expire} ${soa.minimum}`;
    }
    default:
      return null;
  }
}

/** A word of a zone file, and whether it stood in quotes. */
export interface DnsWord {
  readonly text: string;
  readonly quoted: boolean;
}

/** The data that words of a zone file say. `nameOf` makes a name absolute. A text says what is wrong. */
export function dnsRdataOf(type: number, words: readonly DnsWord[], nameOf: (text: string) => string | null): Uint8Array | string {
  const texts = words.map((w) => w.text);
  if (texts[0] === '\\#') return unknownRdata(texts.slice(1));
  const name = (text: string): Uint8Array | string => {
    const absolute = nameOf(text);
    return (absolute === null ? null : dnsNameEncode(absolute)) ?? `${text}: not a domain name`;
  };
  switch (type) {
    case DNS_TYPE_A: {
      const addr = texts.length === 1 ? ip4Parse(texts[0] ?? '') : null;
      return addr === null ? `${texts.join(' ')}: not an IPv4 address` : dnsA(addr);
    }
    case DNS_TYPE_AAAA:
      return (texts.length === 1 ? ip6Parse(texts[0] ?? '') : null) ?? `${texts.join(' ')}: not an IPv6 address`;
    case DNS_TYPE_NS:
    case DNS_TYPE_CNAME:
    case DNS_TYPE_PTR:
    case DNS_TYPE_DNAME:
      return texts.length === 1 ? name(texts[0] ?? '') : `${texts.join(' ')}: one name is wanted`;
    case DNS_TYPE_MX:
      return numbersAndName(texts, 1, name);
    case DNS_TYPE_SRV:
      return numbersAndName(texts, 3, name);
    case DNS_TYPE_TXT:
      return texts.length === 0 ? 'a text is wanted' : textRdata(texts);
    case DNS_TYPE_SOA:
      return soaRdata(texts, name);
    default:
      return 'data of this type is written as \\# LENGTH HEX';
  }
}

function numbersAndName(texts: readonly string[], numbers: number, name: (text: string) => Uint8Array | string): Uint8Array | string {
  const bad = texts.slice(0, numbers).find((t) => !/^[0-9]{1,5}$/.test(t) || Number(t) > 0xffff);
  if (texts.length !== numbers + 1) return `${texts.join(' ')}: ${numbers === 1 ? 'a number' : `${numbers} numbers`} and a name are wanted`;
  if (bad !== undefined) return `${bad}: not a number from 0 to 65535`;
  const target = name(texts[numbers] ?? '');
  return typeof target === 'string' ? target : Uint8Array.from([...texts.slice(0, numbers).flatMap((t) => u16(Number(t))), ...target]);
}

function textRdata(texts: readonly string[]): Uint8Array | string {
  const out: number[] = [];
  for (const text of texts) {
    const bytes = textBytes(text);
    if (bytes === null || bytes.length > 0xff) return `${text}: not a text of at most 255 bytes`;
    out.push(bytes.length, ...bytes);
  }
  return Uint8Array.from(out);
}

function textBytes(text: string): number[] | null {
  const out: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 0x7e) return null;
    if (c !== 0x5c) {
      out.push(c);
      continue;
    }
    const digits = /^[0-9]{3}/.exec(text.slice(i + 1, i + 4))?.[0];
    const value = digits === undefined ? text.charCodeAt(i + 1) : Number(digits);
    if (!(value <= 0xff)) return null;
    out.push(value);
    i += digits === undefined ? 1 : 3;
  }
  return out;
}

function soaRdata(texts: readonly string[], name: (text: string) => Uint8Array | string): Uint8Array | string {
  if (texts.length !== 7) return 'SOA: two names and five numbers are wanted';
  const [mname, rname] = [name(texts[0] ?? ''), name(texts[1] ?? '')];
  if (typeof mname === 'string') return mname;
  if (typeof rname === 'string') return rname;
  const times = texts.slice(2).map((t) => dnsTtlOf(t));
  const bad = times.indexOf(null);
  if (bad >= 0) return `${texts[2 + bad] ?? ''}: not a number of seconds`;
  return Uint8Array.from([...mname, ...rname, ...times.flatMap((t) => u32(t ?? 0))]);
}

function unknownRdata([length, ...hex]: readonly string[]): Uint8Array | string {
  const digits = hex.join('');
  if (!/^[0-9]{1,5}$/.test(length ?? '') || !/^([0-9a-fA-F]{2})*$/.test(digits) || digits.length !== 2 * Number(length)) return `\\# ${[length, ...hex].join(' ')}: a length and so many bytes in hexadecimal are wanted`;
  return Uint8Array.from(digits.match(/../g)?.map((d) => parseInt(d, 16)) ?? []);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
const U32_MAX = 0xffff_ffff;

/** Seconds, as `3600` or as `1h30m`. */
export function dnsTtlOf(text: string): number | null {
  if (!/^([0-9]{1,10}|([0-9]{1,10}[smhdw])+)$/i.test(text)) return null;
  const parts = text.match(/[0-9]+[smhdw]?/gi) ?? [];
  const seconds = parts.reduce((sum, part) => sum + parseInt(part, 10) * (UNITS[part.slice(-1).toLowerCase()] ?? 1), 0);
  return seconds <= U32_MAX ? seconds : null;
}
