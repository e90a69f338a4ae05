/**
 * ip4.ts — prints IPv4: the header with -v, its options, and the protocol behind it.
 * Read first: RFC 791 §3.1.
 *
 * `IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 0, length 64`; the ports stand behind the addresses for TCP and UDP.
 * Only the first fragment has a protocol header; the others name the protocol's number.
 */

import { inCksum } from '../checksum.js';
import * as ip4 from '../ip4.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../ipproto.js';
import { ipDemuxPrint } from './ip-demux.js';
import { cksumShouldBe } from './ip-payload.js';
import { ipprotoName } from './names.js';
import type { Printer } from './printer.js';
import { bitNames, hex } from './text.js';

const FRAG_NAMES: readonly (readonly [number, string])[] = [
  [ip4.IP_MF, '+'],
  [ip4.IP_DF, 'DF'],
  [ip4.IP_RF, 'rsvd'],
];

const OPTION_NAMES: ReadonlyMap<number, string> = new Map([
  [ip4.IPOPT_EOL, 'EOL'],
  [ip4.IPOPT_NOP, 'NOP'],
  [ip4.IPOPT_TS, 'timestamp'],
  [ip4.IPOPT_SECURITY, 'security'],
  [ip4.IPOPT_RR, 'RR'],
  [ip4.IPOPT_SSRR, 'SSRR'],
  [ip4.IPOPT_LSRR, 'LSRR'],
  [ip4.IPOPT_RA, 'RA'],
  [ip4.IPOPT_RFC1393, 'traceroute'],
]);

const ECN_NAMES: readonly string[] = ['', ',ECT(1)', ',ECT(0)', ',CE'];

/** Prints the datagram at `at`, `length` bytes on the wire. */
export function ip4Print(p: Printer, at: number, length: number): void {
  p.proto = 'ip';
  const version = p.u8(at) >>> 4;
  if (version !== 4) {
    p.put(version === 6 ? 'IP6, wrong link-layer encapsulation' : `IP${version}`);
    p.invalid();
    return;
  }
  if (!p.flags.ether) p.put('IP ');
  if (p.lacks(at, ip4.IP4_HDR_LEN)) return;
  if (length < ip4.IP4_HDR_LEN) {
    p.put(`truncated-ip ${length}`);
    return;
  }
  const hl = ip4.ip4Hl(p.view, at);
  if (hl < ip4.IP4_HDR_LEN) {
    p.put(`bad-hlen ${hl}`);
    return;
  }
  const total = ip4.ip4Len(p.view, at);
  if (length < total) p.put(`truncated-ip - ${total - length} bytes missing! `);
  if (total < hl) {
    p.put(`bad-len ${total}`);
    return;
  }
  const was = p.cut(at, total);
  if (p.flags.verbose === 0 || headerPrint(p, at, hl)) payloadPrint(p, at, hl, total - hl);
  p.snapend = was;
}

/** The parenthesis of -v. False when the options were cut off, and with them everything behind. */
function headerPrint(p: Printer, at: number, hl: number): boolean {
  const tos = ip4.ip4Tos(p.view, at);
  const ttl = ip4.ip4Ttl(p.view, at);
  const off = ip4.ip4Off(p.view, at);
  const proto = ip4.ip4P(p.view, at);
  p.put(`(tos 0x${hex(tos)}${ECN_NAMES[tos & ip4.IPTOS_ECN_MASK]!}${ttl > 0 ? `, ttl ${ttl}` : ''}`);
  p.put(`, id ${ip4.ip4Id(p.view, at)}, offset ${(off & ip4.IP_OFFMASK) * 8}, flags [${bitNames(FRAG_NAMES, off, 'none')}]`);
  p.put(`, proto ${ipprotoName(proto)} (${proto}), length ${ip4.ip4Len(p.view, at)}`);
  let whole = true;
  if (hl > ip4.IP4_HDR_LEN) {
    p.put(', options (');
    whole = optionsPrint(p, at + ip4.IP4_HDR_LEN, hl - ip4.IP4_HDR_LEN);
    p.put(whole ? ')' : ' [truncated-option])');
  }
  if (!p.flags.noCksum && p.has(at, hl)) {
    const sum = inCksum(p.view, at, hl);
    if (sum !== 0) {
      const field = ip4.ip4Sum(p.view, at);
      p.put(`, bad cksum ${hex(field)} (->${hex(cksumShouldBe(field, sum))})!`);
    }
  }
  p.put(')\n    ');
  if (!whole) {
    p.put(`${p.ip4(at + ip4.IP4_SRC)} > ${p.ip4(at + ip4.IP4_DST)}: `);
    p.trunc();
  }
  return whole;
}

function payloadPrint(p: Printer, at: number, hl: number, length: number): void {
  const off = ip4.ip4Off(p.view, at);
  const proto = ip4.ip4P(p.view, at);
  const pair = `${p.ip4(at + ip4.IP4_SRC)} > ${p.ip4(at + ip4.IP4_DST)}`;
  if ((off & ip4.IP_OFFMASK) !== 0) {
    p.put(`${pair}: ip-proto-${proto}`);
    return;
  }
  if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP) p.put(`${pair}: `);
  if (!p.has(at, hl)) p.put(` [remaining caplen(${p.left(at)}) < header length(${hl})]`);
  p.need(at, hl);
  ipDemuxPrint(p, { proto, at: at + hl, length, ip: at, version: 4, fragmented: (off & ip4.IP_MF) !== 0 });
}

/** Options of the header; false when they were not captured whole. */
function optionsPrint(p: Printer, from: number, len: number): boolean {
  let sep = '';
  let at = from;
  let left = len;
  while (left > 0) {
    p.put(sep);
    const type = p.u8(at);
    p.put(`${OPTION_NAMES.get(type) ?? `unknown ${type}`}`);
    sep = ',';
    let n = 1;
    if (type !== ip4.IPOPT_NOP && type !== ip4.IPOPT_EOL) {
      n = p.u8(at + 1);
      if (n < 2 || n > left) {
        p.put(` [bad length ${n}]`);
        return true;
      }
    }
    if (!p.has(at, n)) return false;
    if (type === ip4.IPOPT_EOL) return true;
    optionPrint(p, type, at, n);
    at += n;
    left -= n;
  }
  return true;
}

/** The value of one option, all of whose `n` bytes were captured. */
function optionPrint(p: Printer, type: number, at: number, n: number): void {
  if (type === ip4.IPOPT_TS) {
    timestampPrint(p, at, n);
  } else if (type === ip4.IPOPT_RR || type === ip4.IPOPT_SSRR || type === ip4.IPOPT_LSRR) {
    routePrint(p, at, n);
  } else if (type === ip4.IPOPT_RA) {
    if (n < 4) p.put(` [bad length ${n}]`);
    else if (p.u16(at + 2) !== 0) p.put(` value ${p.u16(at + 2)}`);
  }
}

/** Addresses of a route; a comma behind those the pointer has passed. */
function routePrint(p: Printer, at: number, n: number): void {
  if (n < 3) {
    p.put(` [bad length ${n}]`);
    return;
  }
  if (((n + 1) & 3) !== 0) p.put(` [bad length ${n}]`);
  const field = p.u8(at + ip4.IPOPT_OFFSET);
  const ptr = (field - 1) >>> 0;
  if (ptr < 3 || ((ptr + 1) & 3) !== 0 || ptr > n + 1) p.put(` [bad ptr ${field}]`);
  for (let i = 3; i < n; i += 4) p.put(` ${p.ip4(at + i)}${ptr > i ? ',' : ''}`);
}

const TS_TYPES: ReadonlyMap<number, string> = new Map([
  [ip4.IPOPT_TS_TSONLY, 'TSONLY'],
  [ip4.IPOPT_TS_TSANDADDR, 'TS+ADDR'],
  [ip4.IPOPT_TS_PRESPEC, 'PRESPEC'],
]);

/** Timestamps; `^` stands where the pointer is. */
function timestampPrint(p: Printer, at: number, n: number): void {
  if (n < 4) {
    p.put(`[bad length ${n}]`);
    return;
  }
  p.put(' TS{');
  const flag = p.u8(at + 3) & 15;
  const hop = flag === ip4.IPOPT_TS_TSONLY ? 4 : 8;
  if (((n - 4) & (hop - 1)) !== 0) p.put(`[bad length ${n}]`);
  const field = p.u8(at + ip4.IPOPT_OFFSET);
  const ptr = (field - 1) >>> 0;
  if (ptr < 4 || ((ptr - 4) & (hop - 1)) !== 0 || ptr > n + 1) p.put(`[bad ptr ${field}]`);
  const type = TS_TYPES.get(flag);
  p.put(type ?? `[bad ts type ${flag}]`);
  let i = 0;
  if (type !== undefined) {
    for (i = 4; i < n; i += hop) {
      p.put(`${ptr === i ? ' ^ ' : ' '}${p.u32(at + i + hop - 4)}@${hop === 8 ? p.ip4(at + i) : ''}`);
    }
  }
  if (ptr === i) p.put(' ^ ');
  const missed = p.u8(at + 3) >>> 4;
  p.put(missed !== 0 ? ` [${missed} hops not recorded]} ` : '}');
}
