/**
 * tcp.ts — prints TCP: `Flags [S], seq 1, win 65535, options [mss 1460], length 0`.
 * Read first: RFC 9293 §3.1; RFC 7323, RFC 2018, RFC 2385, RFC 5925, RFC 7413 for the options.
 *
 * Sequence numbers are relative to the first segment seen of the conversation (`tcp-seq-table.ts`), unless -S.
 * Not here: what the stream carries, the contents of multipath TCP's options.
 */

import * as tcp from '../tcp.js';
import type { IpPayload } from './ip-payload.js';
import { cksumShouldBe, endpoints, ipDst, ipSrc, payloadCksum } from './ip-payload.js';
import type { Printer } from './printer.js';
import { bitNames, hex, visibleChar } from './text.js';

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [tcp.TH_FIN, 'F'],
  [tcp.TH_SYN, 'S'],
  [tcp.TH_RST, 'R'],
  [tcp.TH_PUSH, 'P'],
  [tcp.TH_ACK, '.'],
  [tcp.TH_URG, 'U'],
  [tcp.TH_ECE, 'E'],
  [tcp.TH_CWR, 'W'],
];

const OPTION_NAMES: ReadonlyMap<number, string> = new Map([
  [tcp.TCPOPT_EOL, 'eol'],
  [tcp.TCPOPT_NOP, 'nop'],
  [tcp.TCPOPT_MAXSEG, 'mss'],
  [tcp.TCPOPT_WINDOW, 'wscale'],
  [tcp.TCPOPT_SACK_PERMITTED, 'sackOK'],
  [tcp.TCPOPT_SACK, 'sack'],
  [tcp.TCPOPT_ECHO, 'echo'],
  [tcp.TCPOPT_ECHOREPLY, 'echoreply'],
  [tcp.TCPOPT_TIMESTAMP, 'TS'],
  [tcp.TCPOPT_CC, 'cc'],
  [tcp.TCPOPT_CCNEW, 'ccnew'],
  [tcp.TCPOPT_CCECHO, ''],
  [tcp.TCPOPT_SIGNATURE, 'md5'],
  [tcp.TCPOPT_SCPS, 'scps'],
  [tcp.TCPOPT_UTO, 'uto'],
  [tcp.TCPOPT_TCPAO, 'tcp-ao'],
  [tcp.TCPOPT_MPTCP, 'mptcp'],
  [tcp.TCPOPT_FAST_OPEN, 'tfo'],
  [tcp.TCPOPT_EXPERIMENT2, 'exp'],
]);

/** Bytes of a reset's explanation that are shown. */
const RST_DATA_MAX = 30;
/** Fast open under the experimental option (RFC 7413 §4.1.1). */
const TFO_MAGIC = 0xf989;

/** What the numbers of one segment are relative to. */
interface SeqBase {
  seq: number;
  ack: number;
  /** What SACK blocks are relative to. */
  sack: number;
}

export function tcpPrint(p: Printer, ip: IpPayload): void {
  p.proto = 'tcp';
  const at = ip.at;
  if (!p.has(at, 4)) {
    p.put(`${ipSrc(p, ip)} > ${ipDst(p, ip)}:`);
    p.trunc();
    return;
  }
  const sport = p.u16(at);
  const dport = p.u16(at + tcp.TCP_DPORT);
  p.put(endpoints(p, ip, sport, dport));
  if (p.lacks(at, tcp.TCP_HDR_LEN)) return;
  const hl = tcp.tcpOff(p.view, at);
  const length = ip.length - hl;
  if (hl < tcp.TCP_HDR_LEN) {
    p.put(` tcp ${length >>> 0} [bad hdr length ${hl} - too short, < 20]`);
    return;
  }
  if (p.flags.quiet) {
    p.put(`tcp ${length >>> 0}`);
    if (hl > ip.length) p.put(` [bad hdr length ${hl} - too long, > ${ip.length}]`);
    return;
  }
  const flags = tcp.tcpFlags(p.view, at);
  p.put(`Flags [${bitNames(FLAG_NAMES, flags, 'none', '')}]`);
  const base = seqBase(p, ip, sport, dport, flags);
  if (hl > ip.length) {
    p.put(` [bad hdr length ${hl} - too long, > ${ip.length}]`);
    return;
  }
  sumPrint(p, ip);
  fieldsPrint(p, at, length, flags, base);
  if (hl > tcp.TCP_HDR_LEN && !optionsPrint(p, at, hl, length, base)) return;
  p.put(`, length ${length}`);
  if (length > 0) dataPrint(p, at, hl, length, flags);
}

/** Looks the conversation up, or records it. */
function seqBase(p: Printer, ip: IpPayload, sport: number, dport: number, flags: number): SeqBase {
  if (p.flags.absoluteSeq || (flags & tcp.TH_ACK) === 0) return { seq: 0, ack: 0, sack: 0 };
  const src = ipSrc(p, ip);
  const dst = ipDst(p, ip);
  const addrLen = ip.version === 6 ? 16 : 4;
  const addrAt = ip.ip + (ip.version === 6 ? 8 : 12);
  const rev = sport > dport || (sport === dport && compareBytes(p.bytes, addrAt, addrAt + addrLen, addrLen) > 0);
  const key = rev ? `${dst} ${dport} ${src} ${sport}` : `${src} ${sport} ${dst} ${dport}`;
  const seq = tcp.tcpSeq(p.view, ip.at);
  const ack = tcp.tcpAck(p.view, ip.at);
  const known = p.seqs.find(key);
  if (known === undefined || (flags & tcp.TH_SYN) !== 0) {
    const before = (ack - 1) >>> 0;
    const made = rev ? p.seqs.record(key, before, seq) : p.seqs.record(key, seq, before);
    return { seq: 0, ack: 0, sack: rev ? made.seq : made.ack };
  }
  return rev ? { seq: known.ack, ack: known.seq, sack: known.seq } : { seq: known.seq, ack: known.ack, sack: known.ack };
}

function compareBytes(bytes: Uint8Array, a: number, b: number, n: number): number {
  for (let i = 0; i < n; i++) {
    const d = bytes[a + i]! - bytes[b + i]!;
    if (d !== 0) return d;
  }
  return 0;
}

function sumPrint(p: Printer, ip: IpPayload): void {
  if (p.flags.verbose === 0 || p.flags.noCksum || ip.fragmented || !p.has(ip.at, ip.length)) return;
  const field = tcp.tcpSum(p.view, ip.at);
  const sum = payloadCksum(p, ip, ip.length);
  p.put(`, cksum 0x${hex(field, 4)} (${sum === 0 ? 'correct' : `incorrect -> 0x${hex(cksumShouldBe(field, sum), 4)}`})`);
}

function fieldsPrint(p: Printer, at: number, length: number, flags: number, base: SeqBase): void {
  if (p.flags.verbose > 1 || length > 0 || (flags & (tcp.TH_SYN | tcp.TH_FIN | tcp.TH_RST)) !== 0) {
    const seq = (tcp.tcpSeq(p.view, at) - base.seq) >>> 0;
    p.put(`, seq ${seq}`);
    if (length > 0) p.put(`:${(seq + length) >>> 0}`);
  }
  if ((flags & tcp.TH_ACK) !== 0) p.put(`, ack ${(tcp.tcpAck(p.view, at) - base.ack) >>> 0}`);
  p.put(`, win ${tcp.tcpWin(p.view, at)}`);
  if ((flags & tcp.TH_URG) !== 0) p.put(`, urg ${tcp.tcpUrp(p.view, at)}`);
}

/** `, options [...]`; false when they are malformed or cut off and nothing may follow. */
function optionsPrint(p: Printer, tcpAt: number, hl: number, length: number, base: SeqBase): boolean {
  const end = tcpAt + hl;
  let at = tcpAt + tcp.TCP_HDR_LEN;
  let sep = '';
  p.put(', options [');
  while (at < end) {
    p.put(sep);
    const kind = p.u8(at);
    const alone = kind === tcp.TCPOPT_EOL || kind === tcp.TCPOPT_NOP;
    const n = alone ? 1 : p.u8(at + 1);
    let used = 1;
    if (!alone) {
      const value = n < 2 || at + n > end ? BAD : valuePrint(p, { kind, at: at + 2, n: n - 2, end, dataEnd: end + length }, base);
      if (value < 0) return badOption(p, value, sep);
      used = 2 + value;
    } else {
      p.put(OPTION_NAMES.get(kind)!);
    }
    if (used !== n) p.put(`[len ${n}]`);
    sep = ',';
    at += used;
    if (kind === tcp.TCPOPT_EOL) break;
  }
  p.put(']');
  return true;
}

function badOption(p: Printer, why: number, sep: string): boolean {
  if (why === BAD) {
    p.put(`[bad opt]${sep === '' ? '' : ']'}`);
  } else {
    p.trunc();
    if (sep !== '') p.put('>');
  }
  return false;
}

/** What `valuePrint` answers for a value that does not fit, and for one that was not captured. */
const BAD = -1;
const CUT = -2;

/** An option that has a length: its value is the `n` bytes at `at`, its header ends at `end`, the segment at `dataEnd`. */
interface OptionRef {
  readonly kind: number;
  readonly at: number;
  readonly n: number;
  readonly end: number;
  readonly dataEnd: number;
}

/** Bytes of values that have one size, whatever the length says. */
const VALUE_BYTES: ReadonlyMap<number, number> = new Map([
  [tcp.TCPOPT_MAXSEG, 2],
  [tcp.TCPOPT_WINDOW, 1],
  [tcp.TCPOPT_SACK_PERMITTED, 0],
  [tcp.TCPOPT_CC, 4],
  [tcp.TCPOPT_CCNEW, 4],
  [tcp.TCPOPT_CCECHO, 4],
  [tcp.TCPOPT_ECHO, 4],
  [tcp.TCPOPT_ECHOREPLY, 4],
  [tcp.TCPOPT_TIMESTAMP, 8],
  [tcp.TCPOPT_SIGNATURE, 16],
  [tcp.TCPOPT_SCPS, 2],
  [tcp.TCPOPT_UTO, 2],
]);

/** Prints name and value of an option; answers the bytes of the value it looked at, or BAD or CUT. */
function valuePrint(p: Printer, o: OptionRef, base: SeqBase): number {
  p.put(OPTION_NAMES.get(o.kind) ?? `unknown-${o.kind}`);
  const fixed = VALUE_BYTES.get(o.kind);
  if (fixed !== undefined) {
    if (o.at + fixed > o.end) return BAD;
    if (!p.has(o.at, fixed)) return CUT;
    p.put(fixedText(p, o));
    return fixed;
  }
  switch (o.kind) {
    case tcp.TCPOPT_SACK:
      return sackPrint(p, o, base);
    case tcp.TCPOPT_TCPAO:
      return aoPrint(p, o);
    case tcp.TCPOPT_FAST_OPEN:
      if (!p.has(o.at, o.n)) return CUT;
      p.put(' ');
      fastOpenPrint(p, o.at, o.n);
      return o.n;
    case tcp.TCPOPT_EXPERIMENT2:
      if (!p.has(o.at, o.n)) return CUT;
      if (o.n < 2) return BAD;
      p.put('-');
      if (p.u16(o.at) === TFO_MAGIC) {
        p.put('tfo');
        fastOpenPrint(p, o.at + 2, o.n - 2);
      } else {
        p.put(hex(p.u16(o.at), 4));
      }
      return o.n;
    default:
      if (o.n > 0) p.put(' 0x');
      return digitsPrint(p, o.at, o.n) ? o.n : CUT;
  }
}

/** The value of an option of one size, which was captured. */
function fixedText(p: Printer, o: OptionRef): string {
  switch (o.kind) {
    case tcp.TCPOPT_SACK_PERMITTED:
      return '';
    case tcp.TCPOPT_WINDOW:
      return ` ${p.u8(o.at)}`;
    case tcp.TCPOPT_MAXSEG:
      return ` ${p.u16(o.at)}`;
    case tcp.TCPOPT_TIMESTAMP:
      return ` val ${p.u32(o.at)} ecr ${p.u32(o.at + 4)}`;
    case tcp.TCPOPT_SIGNATURE: {
      const why = o.dataEnd > p.snapend ? 'snaplen too short' : 'shared secret not supplied with -M';
      return ` ${why}, can't check - ${p.hexBytes(o.at, 16)}`;
    }
    case tcp.TCPOPT_SCPS:
      return ` cap ${hex(p.u8(o.at), 2)} id ${p.u8(o.at + 1)}`;
    case tcp.TCPOPT_UTO: {
      const uto = p.u16(o.at);
      return ` 0x${hex(uto)} ${(uto & 1) !== 0 ? (uto >>> 1) * 60 : uto >>> 1}`;
    }
    default:
      return ` ${p.u32(o.at)}`;
  }
}

/** Hexadecimal digits as far as they were captured; false when that was not all. */
function digitsPrint(p: Printer, at: number, n: number): boolean {
  const there = Math.min(n, p.left(at));
  p.put(p.hexBytes(at, there));
  return there === n;
}

function sackPrint(p: Printer, o: OptionRef, base: SeqBase): number {
  if (o.n % tcp.TCPOLEN_SACK_BLOCK !== 0) {
    p.put(' invalid sack');
    return o.n;
  }
  p.put(` ${o.n / tcp.TCPOLEN_SACK_BLOCK} `);
  for (let i = 0; i < o.n; i += tcp.TCPOLEN_SACK_BLOCK) {
    if (!p.has(o.at + i, 8)) return CUT;
    p.put(`{${(p.u32(o.at + i) - base.sack) >>> 0}:${(p.u32(o.at + i + 4) - base.sack) >>> 0}}`);
  }
  return o.n;
}

/** Authentication option (RFC 5925 §2.2). */
function aoPrint(p: Printer, o: OptionRef): number {
  if (o.n < 2) {
    p.invalid();
    return o.n;
  }
  if (!p.has(o.at, 1)) return CUT;
  p.put(` keyid ${p.u8(o.at)}`);
  if (!p.has(o.at, 2)) return CUT;
  p.put(` rnextkeyid ${p.u8(o.at + 1)}`);
  if (o.n > 2) p.put(' mac 0x');
  return digitsPrint(p, o.at + 2, o.n - 2) ? o.n : CUT;
}

/** A fast open cookie, or the request for one (RFC 7413 §4.1.1); it was captured. */
function fastOpenPrint(p: Printer, at: number, n: number): void {
  if (n === 0) p.put(' cookiereq');
  else if (n % 2 !== 0 || n < 4 || n > 16) p.invalid();
  else p.put(` cookie ${p.hexBytes(at, n)}`);
}

/** The text a reset may carry (RFC 9293 §3.5.2), with -v. */
function dataPrint(p: Printer, at: number, hl: number, length: number, flags: number): void {
  if (!p.has(at, hl)) p.put(` [remaining caplen(${p.left(at)}) < header length(${hl})]`);
  p.need(at, hl);
  if ((flags & tcp.TH_RST) === 0 || p.flags.verbose === 0) return;
  const data = at + hl;
  p.put(p.has(data, length) ? ' [RST' : ' [!RST');
  if (length > RST_DATA_MAX) p.put('+');
  p.put(' ');
  const end = Math.min(data + Math.min(length, RST_DATA_MAX), p.snapend);
  for (let i = data; i < end; i++) p.put(visibleChar(p.u8(i)));
  p.put(']');
}
