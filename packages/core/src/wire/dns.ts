/**
 * dns.ts — a DNS message: read whole, written whole.
 * Read first: RFC 1035 §4; RFC 6891 (EDNS); RFC 3597 (types nobody knows); dns-name.ts.
 *
 *    0    2       4         6         8         10        12
 *    | id | flags | qdcount | ancount | nscount | arcount | questions, answers, authority, additional
 *
 * A record's data is kept as bytes with its names uncompressed, whatever its type, so that records can be compared, cached and sent on
 * without knowing them; dns-rdata.ts has what is inside. The OPT record is no record but a part of the header, and kept as `edns`.
 *
 * Reading is strict: every count is true, every record whole, nothing behind the last one, one OPT at most. A message that is truncated (TC) may end
 * where a record would begin, whatever its counts say.
 *
 * @rfc 1035 4.1 yes
 * @rfc 3597 3 yes
 * @rfc 3597 4 yes
 * @rfc 6891 6.1.2 yes
 * @rfc 6891 6.1.3 yes
 */
import { DNS_ROOT, DnsNameWriter, dnsNameRead } from './dns-name.js';
import { DNS_RDATA_SHAPES } from './dns-rdata.js';
import { DNS_TYPE_OPT } from './dns-types.js';

export const DNS_PORT = 53;
export const DNS_HDR_LEN = 12;
/** What a client without EDNS takes over UDP. */
export const DNS_UDP_MAX = 512;
export const DNS_MESSAGE_MAX = 65_535;

export const DNS_QR = 0x8000;
export const DNS_AA = 0x0400;
export const DNS_TC = 0x0200;
export const DNS_RD = 0x0100;
export const DNS_RA = 0x0080;
export const DNS_AD = 0x0020;
export const DNS_CD = 0x0010;
export const DNS_OPCODE_SHIFT = 11;
export const DNS_OPCODE_MASK = 0x7800;
export const DNS_RCODE_MASK = 0x000f;
/** DO, in the flags of the OPT record. */
export const DNS_EDNS_DO = 0x8000;

const CLASS_AND_TTL = 6;
const TTL_MAX = 0x7fff_ffff;
/** A question and a record are at least so long: counts beyond that are lies. */
const QUESTION_MIN = 5;
const RECORD_MIN = 11;

export interface DnsQuestion {
  readonly name: string;
  readonly type: number;
  readonly cls: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly cls: number;
  /** Seconds; one with the highest bit set was 0 (RFC 2181 §8). */
  readonly ttl: number;
  /** With uncompressed names. */
  readonly rdata: Uint8Array;
}

export interface DnsEdns {
  /** What the sender takes over UDP. */
  readonly udpSize: number;
  /** Upper eight bits of the response code. */
  readonly rcodeHi: number;
  readonly version: number;
  /** DO and reserved bits. */
  readonly flags: number;
  /** Options as they are. */
  readonly options: Uint8Array;
}

export interface DnsMessage {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  /** Without the OPT record. */
  readonly additional: readonly DnsRecord[];
  readonly edns: DnsEdns | null;
}

export const dnsRcode = (m: DnsMessage): number => (m.flags & DNS_RCODE_MASK) | ((m.edns?.rcodeHi ?? 0) << 4);
export const dnsOpcode = (m: DnsMessage): number => (m.flags & DNS_OPCODE_MASK) >>> DNS_OPCODE_SHIFT;

/** The message that `bytes` are, or null when they are none. */
export function dnsParse(bytes: Uint8Array): DnsMessage | null {
  if (bytes.length < DNS_HDR_LEN) return null;
  const reader = new Reader(bytes);
  const [id, flags, qd, an, ns, ar] = [0, 2, 4, 6, 8, 10].map((off) => reader.view.getUint16(off)) as [number, number, number, number, number, number];
  if (qd * QUESTION_MIN + (an + ns + ar) * RECORD_MIN > bytes.length && (flags & DNS_TC) === 0) return null;
  const cut = (flags & DNS_TC) !== 0;
  const questions = reader.questions(qd, cut);
  const answers = reader.records(an, cut);
  const authority = reader.records(ns, cut);
  const additional = reader.records(ar, cut);
  if (questions === null || answers === null || authority === null || additional === null || reader.at !== bytes.length) return null;
  if (answers.some(isOpt) || authority.some(isOpt)) return null;
  const opts = additional.filter(isOpt);
  const [opt] = opts;
  if (opts.length > 1 || (opt !== undefined && opt.name !== DNS_ROOT)) return null;
  return { id, flags, questions, answers, authority, additional: additional.filter((r) => !isOpt(r)), edns: opt === undefined ? null : ednsOf(opt) };
}

const isOpt = (r: DnsRecord): boolean => r.type === DNS_TYPE_OPT;

/** The class of an OPT record is a size, its TTL more of the header. */
function ednsOf({ cls, ttl, rdata }: DnsRecord): DnsEdns {
  return { udpSize: cls, rcodeHi: ttl >>> 24, version: (ttl >>> 16) & 0xff, flags: ttl & 0xffff, options: rdata };
}

class Reader {
  readonly view: DataView;
  at = DNS_HDR_LEN;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  questions(count: number, cut: boolean): DnsQuestion[] | null {
    const out: DnsQuestion[] = [];
    while (out.length < count && !(cut && this.at === this.bytes.length)) {
      const name = dnsNameRead(this.bytes, this.at, this.bytes.length);
      if (name === null || name.next + 4 > this.bytes.length) return null;
      out.push({ name: name.name, type: this.view.getUint16(name.next), cls: this.view.getUint16(name.next + 2) });
      this.at = name.next + 4;
    }
    return out;
  }

  records(count: number, cut: boolean): DnsRecord[] | null {
    const out: DnsRecord[] = [];
    while (out.length < count && !(cut && this.at === this.bytes.length)) {
      const record = this.record();
      if (record === null) return null;
      out.push(record);
    }
    return out;
  }

  private record(): DnsRecord | null {
    const { bytes, view } = this;
    const name = dnsNameRead(bytes, this.at, bytes.length);
    if (name === null || name.next + 4 + CLASS_AND_TTL > bytes.length) return null;
    const at = name.next;
    const type = view.getUint16(at);
    const cls = view.getUint16(at + 2);
    const ttl = view.getUint32(at + 4);
    const from = at + 4 + CLASS_AND_TTL;
    const end = from + view.getUint16(at + 8);
    if (end > bytes.length) return null;
    const rdata = uncompressed(bytes, type, from, end);
    if (rdata === null) return null;
    this.at = end;
    return { name: name.name, type, cls, ttl: ttl > TTL_MAX && type !== DNS_TYPE_OPT ? 0 : ttl, rdata };
  }
}

/** A record's data with every name in it written out. Names may point anywhere before them in the message. */
function uncompressed(bytes: Uint8Array, type: number, from: number, end: number): Uint8Array | null {
  const shape = DNS_RDATA_SHAPES.get(type);
  if (shape === undefined) return bytes.slice(from, end);
  const out: number[] = [];
  let at = from;
  for (const part of shape.parts) {
    if (part === 'rest') {
      out.push(...bytes.subarray(at, end));
      at = end;
    } else if (part === 'name') {
      const name = dnsNameRead(bytes, at, end);
      if (name === null) return null;
      new DnsNameWriter().write(out, name.name, false);
      at = name.next;
    } else {
      const n = part === 'string' ? 1 + (bytes[at] ?? 0) : part;
      if (at + n > end) return null;
      out.push(...bytes.subarray(at, at + n));
      at += n;
    }
  }
  return at === end ? Uint8Array.from(out) : null;
}

/**
 * The bytes of a message. When it would be longer than `max`, records are left out from the end on, and TC is set unless only additional ones are missing; EDNS stays. Null: a name in it is
 * none.
 */
export function dnsEmit(m: DnsMessage, max: number = DNS_MESSAGE_MAX): Uint8Array | null {
  const writer = new Writer(max - (m.edns === null ? 0 : RECORD_MIN + m.edns.options.length));
  for (const q of m.questions) if (!writer.question(q)) return null;
  const sections = [m.answers, m.authority, m.additional];
  const counts = sections.map((records) => {
    let count = 0;
    for (const r of records) {
      const wrote = writer.full ? 'full' : writer.record(r);
      if (wrote === null) return null;
      if (wrote === 'full') break;
      count++;
    }
    return count;
  });
  const [an, ns, ar] = counts;
  if (an === null || ns === null || ar === null || an === undefined || ns === undefined || ar === undefined) return null;
  if (m.edns !== null) writer.edns(m.edns);
  const tc = an < m.answers.length || ns < m.authority.length ? DNS_TC : 0;
  return writer.finish([m.id, m.flags | tc, m.questions.length, an, ns, ar + (m.edns === null ? 0 : 1)]);
}

class Writer {
  /** Nothing more fits. */
  full = false;
  private readonly out: number[] = new Array<number>(DNS_HDR_LEN).fill(0);
  private readonly names = new DnsNameWriter();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  question(q: DnsQuestion): boolean {
    if (!this.names.write(this.out, q.name)) return false;
    this.u16(q.type);
    this.u16(q.cls);
    return true;
  }

  record(r: DnsRecord): 'written' | 'full' | null {
    const { out } = this;
    const start = out.length;
    if (!this.names.write(out, r.name)) return null;
    this.u16(r.type);
    this.u16(r.cls);
    this.u16(r.ttl >>> 16);
    this.u16(r.ttl & 0xffff);
    const lengthAt = out.length;
    this.u16(0);
    if (!this.rdata(r)) return null;
    const length = out.length - lengthAt - 2;
    out[lengthAt] = length >>> 8;
    out[lengthAt + 1] = length & 0xff;
    if (out.length <= this.max) return 'written';
    out.length = start;
    this.names.cut(start);
    this.full = true;
    return 'full';
  }

  edns({ udpSize, rcodeHi, version, flags, options }: DnsEdns): void {
    this.out.push(0);
    this.u16(DNS_TYPE_OPT);
    this.u16(udpSize);
    this.out.push(rcodeHi & 0xff, version & 0xff);
    this.u16(flags);
    this.u16(options.length);
    this.out.push(...options);
  }

  finish(header: readonly number[]): Uint8Array {
    const bytes = Uint8Array.from(this.out);
    const view = new DataView(bytes.buffer);
    header.forEach((word, i) => view.setUint16(2 * i, word));
    return bytes;
  }

  /** Names of the types that every reader knows are compressed (RFC 3597 §4). */
  private rdata({ type, rdata }: DnsRecord): boolean {
    const shape = DNS_RDATA_SHAPES.get(type);
    if (shape === undefined || !shape.compress) {
      this.out.push(...rdata);
      return true;
    }
    let at = 0;
    for (const part of shape.parts) {
      if (part === 'name') {
        const name = dnsNameRead(rdata, at, rdata.length);
        if (name === null || !this.names.write(this.out, name.name)) return false;
        at = name.next;
        continue;
      }
      const n = part === 'rest' ? rdata.length - at : part === 'string' ? 1 + (rdata[at] ?? 0) : part;
      this.out.push(...rdata.subarray(at, at + n));
      at += n;
    }
    return true;
  }

  private u16(value: number): void {
    this.out.push((value >>> 8) & 0xff, value & 0xff);
  }
}
