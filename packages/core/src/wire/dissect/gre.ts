/**
 * gre.ts — prints GRE: `GREv0, length 88: IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 0, length 64`.
 * Read first: RFC 2784, RFC 2890, RFC 1701 (routing), RFC 2637 §4.1 (version 1).
 *
 * Not here: what PPTP carries (PPP), and MPLS, IPX, AppleTalk and ISO protocols; they print as a protocol number.
 */

import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_TEB } from '../ether.js';
import { GRE_FLAGS_CP, GRE_FLAGS_KP, GRE_FLAGS_SP } from '../gre.js';
import { ETHERTYPE_NAMES } from './names.js';
import type { Printer } from './printer.js';
import { bitNames, hex } from './text.js';

const FLAGS_RP = 0x4000;
const FLAGS_STRICT = 0x0800;
const FLAGS_AP = 0x0080;
const VERSION_MASK = 0x0007;

/** Kinds of source route entries. */
const SRE_IP = 0x0800;
const SRE_ASN = 0xfffe;

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [GRE_FLAGS_CP, 'checksum present'], [FLAGS_RP, 'routing present'], [GRE_FLAGS_KP, 'key present'], [GRE_FLAGS_SP, 'sequence# present'],
  [FLAGS_STRICT, 'source routing present'], [FLAGS_AP, 'ack present'],
];

/** Where in the header the printer is. */
interface Cursor {
  at: number;
  readonly end: number;
}

/** Prints the packet at `at`, `length` bytes on the wire. */
export function grePrint(p: Printer, at: number, length: number): void {
  p.proto = 'gre';
  const c: Cursor = { at, end: at + length };
  if (lacks(p, c, 2)) return;
  const version = p.u16(at) & VERSION_MASK;
  p.put(`GREv${version}`);
  if (version > 1) {
    p.put(' ERROR: unknown-version');
    return;
  }
  const flags = p.u16(at);
  if (p.flags.verbose > 0) p.put(`, Flags [${bitNames(FLAG_NAMES, flags, 'none')}]`);
  c.at += 2;
  if (lacks(p, c, 2)) return;
  const proto = p.u16(c.at);
  c.at += 2;
  if (!(version === 0 ? optionsPrint(p, c, flags) : pptpPrint(p, c, flags))) return;
  if (p.flags.ether) p.put(`, proto ${ETHERTYPE_NAMES.get(proto) ?? 'unknown'} (0x${hex(proto, 4)})`);
  p.put(`, length ${length}`);
  if (version === 1 && (flags & GRE_FLAGS_SP) === 0) return;
  p.put(p.flags.verbose < 1 ? ': ' : '\n\t');
  payloadPrint(p, c, version === 0 ? proto : -1, proto);
}

function payloadPrint(p: Printer, c: Cursor, known: number, proto: number): void {
  const left = c.end - c.at;
  if (known === ETHERTYPE_IP) p.layers.ip4(p, c.at, left);
  else if (known === ETHERTYPE_IPV6) p.layers.ip6(p, c.at, left);
  else if (known === ETHERTYPE_TEB) p.layers.ether(p, c.at, left);
  else p.put(`gre-proto-0x${hex(proto)}`);
}

/** Says ` [|gre]` and answers true when the packet, or what was captured of it, ends within the next `n` bytes. */
function lacks(p: Printer, c: Cursor, n: number): boolean {
  if (p.has(c.at, n) && c.at + n <= c.end) return false;
  p.trunc();
  return true;
}

/** False when it ends too early, which was said. */
function optionsPrint(p: Printer, c: Cursor, flags: number): boolean {
  if ((flags & (GRE_FLAGS_CP | FLAGS_RP)) !== 0) {
    if (lacks(p, c, 2)) return false;
    if (p.flags.verbose > 0) p.put(`, sum 0x${hex(p.u16(c.at))}`);
    c.at += 2;
    if (lacks(p, c, 2)) return false;
    p.put(`, off 0x${hex(p.u16(c.at))}`);
    c.at += 2;
  }
  if ((flags & GRE_FLAGS_KP) !== 0 && !word(p, c, (key) => `, key=0x${hex(key)}`)) return false;
  if ((flags & GRE_FLAGS_SP) !== 0 && !word(p, c, (seq) => `, seq ${seq}`)) return false;
  return (flags & FLAGS_RP) === 0 || routesPrint(p, c);
}

/** Version 1: the low half of the key is the call, and there may be an acknowledgment. */
function pptpPrint(p: Printer, c: Cursor, flags: number): boolean {
  if ((flags & GRE_FLAGS_KP) !== 0 && !word(p, c, (key) => `, call ${key & 0xffff}`)) return false;
  if ((flags & GRE_FLAGS_SP) !== 0 && !word(p, c, (seq) => `, seq ${seq}`)) return false;
  if ((flags & FLAGS_AP) !== 0 && !word(p, c, (ack) => `, ack ${ack}`)) return false;
  if ((flags & GRE_FLAGS_SP) === 0) p.put(', no-payload');
  return true;
}

function word(p: Printer, c: Cursor, text: (value: number) => string): boolean {
  if (lacks(p, c, 4)) return false;
  p.put(text(p.u32(c.at)));
  c.at += 4;
  return true;
}

/** Source route entries, up to the empty one. */
function routesPrint(p: Printer, c: Cursor): boolean {
  for (;;) {
    if (lacks(p, c, 4)) return false;
    const kind = p.u16(c.at);
    const offset = p.u8(c.at + 2);
    const n = p.u8(c.at + 3);
    c.at += 4;
    if (kind === 0 && n === 0) return true;
    let whole = true;
    if (kind === SRE_IP || kind === SRE_ASN) {
      p.put(`, (rtaf=${kind === SRE_IP ? 'ip' : 'asn'}`);
      whole = routePrint(p, c, offset, n, kind === SRE_IP ? 4 : 2);
      p.put(')');
    } else p.put(`, (rtaf=0x${hex(kind)})`);
    if (!whole || c.at + n > c.end) {
      p.trunc();
      return false;
    }
    c.at += n;
  }
}

/** The hops of one entry, `size` bytes each, `*` before the next one to go to. */
function routePrint(p: Printer, c: Cursor, offset: number, n: number, size: number): boolean {
  const bad = offset % size !== 0 ? `badoffset=${offset}` : n % size !== 0 ? `badlength=${n}` : offset >= n ? `badoff/len=${offset}/${n}` : '';
  if (bad !== '') {
    p.put(`, ${bad}`);
    return true;
  }
  for (let i = 0; i < n; i += size) {
    if (!p.has(c.at + i, size) || c.at + i + size > c.end) return false;
    p.put(` ${i === offset ? '*' : ''}${size === 4 ? p.ip4(c.at + i) : hex(p.u16(c.at + i))}`);
  }
  return true;
}
