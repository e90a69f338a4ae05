/**
 * dns.ts — prints DNS and multicast DNS: `1234+ A? example.com. (29)`, `1234 1/0/0 A 192.0.2.1 (45)`.
 * Read first: RFC 1035 §4.1, RFC 6762 §18.
 *
 * The questions of an answer, and its authority and additional records, are shown with -vv; names of records with -v.
 * Not here: DNS over TCP.
 */
import { DNS_LABEL_MAX, DNS_NAME_MAX } from '../dns-name.js';
import * as types from '../dns-types.js';
import * as dns from '../dns.js';
import type { Printer } from './printer.js';
import { hex, visibleChar } from './text.js';

const OPCODES = ['', ' inv_q', ' stat', ' op3', ' notify', ' update', ' op6', ' op7', ' op8', ' updateA', ' updateD', ' updateDA', ' updateM', ' updateMA', ' zoneInit', ' zoneRef'];
const RCODES = [
  '', ' FormErr', ' ServFail', ' NXDomain', ' NotImp', ' Refused', ' YXDomain', ' YXRRSet', ' NXRRSet', ' NotAuth', ' NotZone', ' Resp11', ' Resp12', ' Resp13', ' Resp14', ' NoChange',
];
const IQUERY = 1;
/** Bits of a request that are none of its business. */
const ODD_BITS = 0x6cf;
const CLASSES: ReadonlyMap<number, string> = new Map([[1, 'IN'], [3, 'CHAOS'], [4, 'HS'], [255, 'ANY']]);
const YOUNG = 50;
const TYPE_SPF = 99;
const MDNS_TOP_BIT = 0x8000;
const POINTER = 0xc0;
const EXTENDED = 0x40;

/** One message: where it begins, which pointers count from, and whether it is a multicast one. */
interface Message {
  readonly at: number;
  readonly mdns: boolean;
}

/** A place behind what was printed, or null: the message goes no further. */
type Place = number | null;

/** Prints the payload of a UDP datagram at `at`, `length` bytes on the wire. */
export function dnsPrint(p: Printer, at: number, length: number, mdns: boolean): void {
  p.proto = 'domain';
  if (length < dns.DNS_HDR_LEN) {
    p.put(`domain [length ${length} < ${dns.DNS_HDR_LEN}]`);
    p.invalid();
    return;
  }
  if (!p.has(at, dns.DNS_HDR_LEN)) {
    p.trunc();
    return;
  }
  const m = { at, mdns };
  const flags = p.u16(at + 2);
  const whole = (flags & dns.DNS_QR) !== 0 ? response(p, m, flags) : request(p, m, flags);
  if (whole) p.put(` (${length})`);
  else p.trunc();
}

function counts(p: Printer, { at }: Message): [qd: number, an: number, ns: number, ar: number] {
  return [p.u16(at + 4), p.u16(at + 6), p.u16(at + 8), p.u16(at + 10)];
}

const opcode = (flags: number): number => (flags & dns.DNS_OPCODE_MASK) >>> dns.DNS_OPCODE_SHIFT;

function response(p: Printer, m: Message, flags: number): boolean {
  const [qd, an, ns, ar] = counts(p, m);
  const marks = [[dns.DNS_AA, '*', ''], [dns.DNS_RA, '', '-'], [dns.DNS_TC, '|', ''], [dns.DNS_AD, '$', '']] as const;
  p.put(`${p.u16(m.at)}${OPCODES[opcode(flags)]}${RCODES[flags & dns.DNS_RCODE_MASK]}${marks.map(([bit, on, off]) => ((flags & bit) !== 0 ? on : off)).join('')}`);
  if (qd !== 1) p.put(` [${qd}q]`);
  let cp: Place = m.at + dns.DNS_HDR_LEN;
  for (let i = 0; i < qd; i++) {
    if (i > 0) p.put(',');
    if (p.flags.verbose > 1) {
      p.put(' q:');
      cp = question(p, m, cp);
    } else {
      cp = skipName(p, cp);
      if (cp !== null) cp += 4;
    }
    if (cp === null) return false;
  }
  p.put(` ${an}/${ns}/${ar}`);
  if (an > 0) {
    cp = records(p, m, cp, an);
    if (cp === null) return false;
  }
  return p.flags.verbose <= 1 || others(p, m, cp, ns, ar);
}

function request(p: Printer, m: Message, flags: number): boolean {
  const [qd, an, ns, ar] = counts(p, m);
  p.put(`${p.u16(m.at)}${OPCODES[opcode(flags)]}${(flags & dns.DNS_RD) !== 0 ? '+' : ''}${(flags & dns.DNS_CD) !== 0 ? '%' : ''}`);
  if ((flags & ODD_BITS) !== 0) p.put(` [b2&3=0x${hex(flags)}]`);
  const inverse = opcode(flags) === IQUERY;
  if (inverse) {
    if (qd > 0) p.put(` [${qd}q]`);
    if (an !== 1) p.put(` [${an}a]`);
  } else {
    if (an > 0) p.put(` [${an}a]`);
    if (qd !== 1) p.put(` [${qd}q]`);
  }
  if (ns > 0) p.put(` [${ns}n]`);
  if (ar > 0) p.put(` [${ar}au]`);
  let cp: Place = m.at + dns.DNS_HDR_LEN;
  for (let i = 0; i < qd; i++) {
    if (i > 0 && cp >= p.snapend) return false;
    cp = question(p, m, cp);
    if (cp === null) return false;
  }
  if (p.flags.verbose <= 1) return true;
  if (an > 0) {
    cp = records(p, m, cp, an);
    if (cp === null) return false;
  }
  return others(p, m, cp, ns, ar);
}

/** Authority and additional records. */
function others(p: Printer, m: Message, from: number, ns: number, ar: number): boolean {
  let cp: Place = from;
  for (const [title, count] of [['ns', ns], ['ar', ar]] as const) {
    if (count === 0) continue;
    if (cp >= p.snapend) return false;
    p.put(` ${title}:`);
    cp = records(p, m, cp, count);
    if (cp === null) return false;
  }
  return true;
}

function records(p: Printer, m: Message, from: number, count: number): Place {
  let cp: Place = from;
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      if (cp >= p.snapend) return null;
      p.put(',');
    }
    cp = record(p, m, cp);
    if (cp === null) return null;
  }
  return cp;
}

function skipName(p: Printer, from: number): Place {
  let cp = from;
  for (;;) {
    if (!p.has(cp, 1)) return null;
    const n = p.u8(cp++);
    if (n === 0) return cp;
    if ((n & POINTER) === POINTER) return cp + 1;
    if ((n & POINTER) === EXTENDED) return null;
    cp += n;
  }
}

function question(p: Printer, m: Message, name: number): Place {
  const at = skipName(p, name);
  if (at === null || !p.has(at, 4)) return null;
  const cls = p.u16(at + 2);
  p.put(` ${typeName(p.u16(at))}`);
  printClass(p, m.mdns ? cls & ~MDNS_TOP_BIT : cls);
  if (m.mdns) p.put((cls & MDNS_TOP_BIT) !== 0 ? ' (QU)' : ' (QM)');
  p.put('? ');
  const end = printName(p, m, name);
  return end === null ? null : end + 4;
}

/** tcpdump knows no name of types that are younger than it. */
const typeName = (type: number): string => (type >= YOUNG && type !== TYPE_SPF && !(type >= types.DNS_TYPE_TKEY && type <= types.DNS_TYPE_ANY) ? `Type${type}` : types.dnsTypeName(type).replace(/^TYPE/, 'Type'));

function printClass(p: Printer, cls: number): void {
  if (cls !== types.DNS_CLASS_IN) p.put(` ${CLASSES.get(cls) ?? `(Class ${cls})`}`);
}

function record(p: Printer, m: Message, from: number): Place {
  if (p.flags.verbose > 0) p.put(' ');
  const at = p.flags.verbose > 0 ? printName(p, m, from) : skipName(p, from);
  if (at === null && p.flags.verbose > 0) return null;
  if (at === null || !p.has(at, 10)) return p.snapend;
  const type = p.u16(at);
  const raw = p.u16(at + 2);
  const cls = m.mdns ? raw & ~MDNS_TOP_BIT : raw;
  if (type !== types.DNS_TYPE_OPT) printClass(p, cls);
  if (m.mdns && (raw & MDNS_TOP_BIT) !== 0) p.put(' (Cache flush)');
  if (type !== types.DNS_TYPE_OPT && p.flags.verbose > 2) p.put(` [${duration(p.u32(at + 4))}]`);
  const end = at + 10 + p.u16(at + 8);
  p.put(` ${typeName(type)}`);
  if (end > p.snapend) return null;
  if (type === types.DNS_TYPE_OPT) {
    p.put(` UDPsize=${cls}`);
    if ((p.u16(at + 6) & dns.DNS_EDNS_DO) !== 0) p.put(' DO');
    return end;
  }
  return rdata(p, m, type, at + 10, end) ? end : null;
}

/** Seconds as `1w2d3h4m5s`. */
function duration(seconds: number): string {
  let text = '';
  let left = seconds;
  for (const [unit, name] of [[604_800, 'w'], [86_400, 'd'], [3_600, 'h'], [60, 'm']] as const) {
    const n = Math.floor(left / unit);
    left -= n * unit;
    if (n > 0) text += `${n}${name}`;
  }
  return left > 0 || text === '' ? `${text}${left}s` : text;
}

function rdata(p: Printer, m: Message, type: number, at: number, end: number): boolean {
  const name = (from: number): Place => {
    p.put(' ');
    return printName(p, m, from);
  };
  switch (type) {
    case types.DNS_TYPE_A:
      if (!p.has(at, 4)) return false;
      p.put(` ${p.ip4(at)}`);
      return true;
    case types.DNS_TYPE_AAAA:
      if (!p.has(at, 16)) return false;
      p.put(` ${p.ip6(at)}`);
      return true;
    case types.DNS_TYPE_NS:
    case types.DNS_TYPE_CNAME:
    case types.DNS_TYPE_PTR:
      return name(at) !== null;
    case types.DNS_TYPE_MX:
      if (!p.has(at, 2) || name(at + 2) === null) return false;
      p.put(` ${p.u16(at)}`);
      return true;
    case types.DNS_TYPE_SRV:
      if (!p.has(at, 2) || name(at + 6) === null) return false;
      p.put(`:${p.u16(at + 4)} ${p.u16(at)} ${p.u16(at + 2)}`);
      return true;
    case types.DNS_TYPE_TXT:
      return texts(p, at, end);
    case types.DNS_TYPE_SOA:
      return p.flags.verbose === 0 || soa(p, name, at);
    default:
      return true;
  }
}

function soa(p: Printer, name: (from: number) => Place, at: number): boolean {
  const second = name(at);
  const times = second === null ? null : name(second);
  if (times === null || !p.has(times, 20)) return false;
  for (let i = 0; i < 5; i++) p.put(` ${p.u32(times + 4 * i)}`);
  return true;
}

function texts(p: Printer, from: number, end: number): boolean {
  for (let at = from; at < end; ) {
    const n = p.u8(at);
    p.put(' "');
    for (let i = at + 1; i <= at + n && i < p.snapend; i++) p.put(visibleChar(p.u8(i)));
    p.put('"');
    at += n + 1;
  }
  return true;
}

/** A name with a dot behind each label. A pointer must lead back beyond all those before it. Cut off behind a length, it ends there. */
function printName(p: Printer, m: Message, from: number): Place {
  if (!p.has(from, 1)) return null;
  let cp = from;
  let limit = from - m.at;
  let behind = -1;
  let chars = 0;
  let n = p.u8(cp++);
  if (n === 0) {
    p.put('.');
    return cp;
  }
  while (n !== 0 && cp < p.snapend) {
    if ((n & POINTER) === POINTER) {
      if (behind < 0) behind = cp + 1;
      if (!p.has(cp, 1)) return null;
      const to = ((n & ~POINTER) << 8) | p.u8(cp);
      if (to >= limit) {
        p.put('<BAD PTR>');
        return null;
      }
      limit = to;
      cp = m.at + to;
    } else if (n > DNS_LABEL_MAX) {
      p.put((n & POINTER) === EXTENDED ? `<ELT ${n & DNS_LABEL_MAX}>` : '<BAD LABEL TYPE>');
      return null;
    } else {
      for (let i = 0; i < n; i++) {
        if (!p.has(cp + i, 1)) return null;
        p.put(visibleChar(p.u8(cp + i)));
      }
      cp += n;
      chars += n + 1;
      p.put('.');
      if (chars > DNS_NAME_MAX) {
        p.put('<DOMAIN NAME TOO LONG>');
        return null;
      }
    }
    if (!p.has(cp, 1)) return null;
    n = p.u8(cp++);
  }
  // Half a pointer.
  if (behind < 0 && n >= POINTER) return null;
  return behind < 0 ? cp : behind;
}
