/**
 * dhcp4.ts — prints BOOTP and DHCP for IPv4: `BOOTP/DHCP, Request from 02:00:00:00:00:01, length 300`, and with -v every field and option.
 * Read first: RFC 2131 §2, RFC 2132; ../dhcp4.ts.
 */
import * as opt from '../dhcp4-options.js';
import * as dhcp from '../dhcp4.js';
import { DHCP4_OPTION_NAMES } from './dhcp4-names.js';
import { hexPrint } from './hexdump.js';
import type { Printer } from './printer.js';
import { hex, visibleChar } from './text.js';

const MAC_LEN = 6;
const SECS = 8;
const CIADDR = 12;
const CHADDR = 28;
const SNAME = 44;
const SNAME_LEN = 64;
const FILE = 108;
const FILE_LEN = 128;
const VEND = 236;
const MAGIC = 0x63825363;
const PAD = 0;
const END = 255;
const PER_LINE = 4;

const MESSAGES = ['', 'Discover', 'Offer', 'Request', 'Decline', 'ACK', 'NACK', 'Release', 'Inform'];
const HARDWARE: ReadonlyMap<number, string> = new Map([[1, 'ether'], [6, 'ieee802'], [7, 'arcnet'], [15, 'frelay'], [17, 'strip'], [24, 'ieee1394']]);
const SUB_OPTIONS: ReadonlyMap<number, string> = new Map([[1, 'Circuit-ID'], [2, 'Remote-ID'], [6, 'Subscriber-ID']]);
const OVERLOAD: ReadonlyMap<number, string> = new Map([[1, 'file'], [2, 'sname'], [3, 'file+sname']]);
const FQDN_FLAGS = 'SOEN';
const TAG_USER_CLASS = 77;
const TAG_FQDN = 81;
const TAG_CLASSLESS_MICROSOFT = 249;

/** Prints the payload of a UDP datagram at `at`, `length` bytes on the wire. */
export function dhcp4Print(p: Printer, at: number, length: number): void {
  p.proto = 'bootp';
  const op = p.u8(at);
  p.put(`BOOTP/DHCP, ${op === dhcp.BOOTREQUEST ? 'Request' : op === dhcp.BOOTREPLY ? 'Reply' : `unknown (0x${hex(op, 2)})`}`);
  const htype = p.u8(at + 1);
  const hlen = p.u8(at + 2);
  const ether = htype === dhcp.DHCP4_HTYPE_ETHER && hlen === MAC_LEN;
  if (ether && op === dhcp.BOOTREQUEST) p.put(` from ${p.mac(at + CHADDR)}`);
  p.put(`, length ${length}`);
  if (p.flags.verbose === 0) return;
  p.need(at + SECS, 2);
  if (htype !== dhcp.DHCP4_HTYPE_ETHER) p.put(`, htype ${htype}`);
  if (hlen !== MAC_LEN) p.put(`, hlen ${hlen}`);
  if (p.u8(at + 3) !== 0) p.put(`, hops ${p.u8(at + 3)}`);
  if (p.u32(at + 4) !== 0) p.put(`, xid 0x${hex(p.u32(at + 4))}`);
  if (p.u16(at + SECS) !== 0) p.put(`, secs ${p.u16(at + SECS)}`);
  const flags = p.u16(at + 10);
  p.put(`, Flags [${(flags & dhcp.DHCP4_FLAG_BROADCAST) !== 0 ? 'Broadcast' : 'none'}]`);
  if (p.flags.verbose > 1) p.put(` (0x${hex(flags, 4)})`);
  ['Client', 'Your', 'Server', 'Gateway'].forEach((name, i) => {
    if (p.u32(at + CIADDR + 4 * i) !== 0) p.put(`\n\t  ${name}-IP ${p.ip4(at + CIADDR + 4 * i)}`);
  });
  if (ether) p.put(`\n\t  Client-Ethernet-Address ${p.mac(at + CHADDR)}`);
  if (!zeroEnded(p, 'sname', at + SNAME, SNAME_LEN) || !zeroEnded(p, 'file', at + FILE, FILE_LEN)) return;
  const vend = p.u32(at + VEND);
  if (vend === MAGIC) optionsPrint(p, at + VEND);
  else if (vend !== 0) p.put(`\n\t  Vendor-#0x${hex(vend)}`);
}

function zeroEnded(p: Printer, name: string, at: number, len: number): boolean {
  if (p.u8(at) === 0) return true;
  p.put(`\n\t  ${name} "`);
  let i = 0;
  while (i < len && p.has(at + i, 1) && p.u8(at + i) !== 0) p.put(visibleChar(p.u8(at + i++)));
  p.put('"');
  // Cut off, or no zero in the whole field.
  const ended = i < len && p.has(at + i, 1);
  if (!ended) p.trunc();
  return ended;
}

function optionsPrint(p: Printer, cookie: number): void {
  p.put(`\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x${hex(p.u32(cookie), 8)}`);
  for (let at = cookie + 4; p.has(at, 1); ) {
    const tag = p.u8(at++);
    if (tag === PAD && p.flags.verbose < 3) continue;
    if (tag === END && p.flags.verbose < 3) return;
    const len = tag === PAD || tag === END ? 0 : p.u8(at++);
    const [kind, name] = DHCP4_OPTION_NAMES.get(tag) ?? ['?', 'Unknown'];
    p.put(`\n\t    ${name} (${tag}), length ${len}${len > 0 ? ': ' : ''}`);
    if (tag === PAD) {
      const from = at;
      while (p.has(at, 1) && p.u8(at) === PAD) at++;
      if (at > from) p.put(`, occurs ${at - from + 1}`);
    }
    p.need(at, len);
    optionPrint(p, tag, kind, at, len);
    at += len;
  }
}

function optionPrint(p: Printer, tag: number, kind: string, at: number, len: number): void {
  if (tag === opt.DHO_MESSAGE_TYPE && len === 1) return p.put(MESSAGES[p.u8(at)] ?? `Unknown (${p.u8(at)})`);
  if (tag === opt.DHO_PARAMETER_LIST) {
    for (let i = 0; i < len; i++) p.put(`${i % PER_LINE === 0 ? '\n\t      ' : ', '}${DHCP4_OPTION_NAMES.get(p.u8(at + i))?.[1] ?? 'Unknown'} (${p.u8(at + i)})`);
    return;
  }
  const form = kind !== '?' ? kind : (len & 1) !== 0 ? 'b' : (len & 2) !== 0 ? 's' : 'l';
  const list = (size: number, text: (from: number) => string, sep = ','): void => {
    const n = Math.floor(len / size);
    p.put(Array.from({ length: n }, (_, i) => text(at + size * i)).join(sep));
    if (len % size > 0) p.put(`\n\t  trailing data length ${len % size}`);
  };
  switch (form) {
    case 'a':
      return p.put(`"${chars(p, at, len)}"`);
    case 'i':
      return list(4, (i) => p.ip4(i));
    case 'L':
      return list(4, (i) => String(p.u32(i) | 0));
    case 'l':
      return list(4, (i) => String(p.u32(i)));
    case 'p':
      return list(8, (i) => `(${p.ip4(i)}:${p.ip4(i + 4)})`);
    case 's':
      return list(2, (i) => String(p.u16(i)));
    case 'B':
      return list(1, (i) => ['N', 'Y'][p.u8(i)] ?? `${p.u8(i)}?`);
    case '$':
      return special(p, tag, at, len);
    case ' ':
    default:
      return list(1, (i) => String(p.u8(i)), '.');
  }
}

function chars(p: Printer, at: number, len: number): string {
  return Array.from({ length: len }, (_, i) => visibleChar(p.u8(at + i))).join('');
}

function special(p: Printer, tag: number, at: number, len: number): void {
  switch (tag) {
    case opt.DHO_CLIENT_ID:
      return clientId(p, at, len);
    case opt.DHO_RELAY_AGENT:
      return relayAgent(p, at, len);
    case opt.DHO_CLASSLESS_ROUTES:
    case TAG_CLASSLESS_MICROSOFT:
      return classlessRoutes(p, at, len);
    case TAG_USER_CLASS:
      return userClass(p, at, len);
    case TAG_FQDN:
      return fqdn(p, at, len);
    default:
      // The one of NetBIOS's node type, and option overload: a byte that has names.
      if (len < 1) return p.put('[ERROR: length < 1 bytes]');
      p.put(tag === opt.DHO_OVERLOAD ? (OVERLOAD.get(p.u8(at)) ?? `#${p.u8(at)}`) : nodeType(p.u8(at)));
      if (len > 1) p.put(`\n\t  trailing data length ${len - 1}`);
  }
}

function nodeType(bits: number): string {
  return [[1, 'b-node'], [2, 'p-node'], [4, 'm-node'], [8, 'h-node']].filter(([bit]) => (bits & Number(bit)) !== 0).map(([, name]) => name).join('');
}

function clientId(p: Printer, at: number, len: number): void {
  if (len < 1) return p.put('[ERROR: length < 1 bytes]');
  const type = p.u8(at);
  if (type === 0) return p.put(`"${chars(p, at + 1, len - 1)}"`);
  p.put(`${HARDWARE.get(type) ?? `hardware-type ${type},`} ${len > 1 ? p.hexBytes(at + 1, len - 1, ':') : ''}`);
}

function relayAgent(p: Printer, from: number, len: number): void {
  const end = from + len;
  for (let at = from; at < end; ) {
    if (end - at < 2) return p.put('[ERROR: length < 2 bytes]');
    const code = p.u8(at);
    const n = p.u8(at + 1);
    const name = SUB_OPTIONS.get(code) ?? 'Unknown';
    at += 2;
    p.put(`\n\t      ${name} SubOption ${code}, length ${n}: `);
    if (at + n > end) return p.put('length goes past end of option');
    p.put(SUB_OPTIONS.has(code) ? chars(p, at, n) : hexPrint(p.bytes, at, n, '\n\t\t'));
    at += n;
  }
}

function classlessRoutes(p: Printer, from: number, len: number): void {
  if (len < 5) return p.put('[ERROR: length < 5 bytes]');
  const end = from + len;
  for (let at = from; at < end; ) {
    if (at > from) p.put(',');
    const width = p.u8(at++);
    if (width > 32) return p.put(`[ERROR: Mask width (${width}) > 32]`);
    const n = Math.ceil(width / 8);
    if (end - at < n + 4) return p.put(`[ERROR: Remaining length (${end - at}) < ${n + 4} bytes]`);
    const bytes = Array.from({ length: 4 }, (_, i) => (i < n ? p.u8(at + i) : 0));
    p.put(`(${width === 0 ? 'default' : `${bytes.join('.')}/${width}`}:${p.ip4(at + n)})`);
    at += n + 4;
  }
}

function userClass(p: Printer, from: number, len: number): void {
  if (len < 2) return p.put('[ERROR: length < 2 bytes]');
  const end = from + len;
  for (let at = from, i = 1; at < end; i++) {
    const n = p.u8(at++);
    p.put(`\n\t      instance#${i}: `);
    if (n === 0) return p.put('[ERROR: suboption length must be non-zero]');
    if (n > end - at) return p.put('[ERROR: invalid option]');
    p.put(`"${chars(p, at, n)}", length ${n}`);
    at += n;
  }
}

function fqdn(p: Printer, at: number, len: number): void {
  if (len < 3) return p.put('[ERROR: length < 3 bytes]');
  const flags = p.u8(at);
  if ((flags & 0xf0) !== 0) p.put(`[ERROR: MBZ nibble 0x${hex(flags >>> 4)} != 0] `);
  if ((flags & 0xf) !== 0) p.put(`[${[...FQDN_FLAGS].filter((_, i) => (flags & (1 << i)) !== 0).join('')}] `);
  if (p.u8(at + 1) !== 0 || p.u8(at + 2) !== 0) p.put(`${p.u8(at + 1)}/${p.u8(at + 2)} `);
  p.put(`"${chars(p, at + 3, len - 3)}"`);
}
