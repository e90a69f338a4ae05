/**
 * icmp4-ext.ts — prints the extension behind the packet that an ICMP error quotes, with -v.
 * Read first: RFC 4884 §7 and §8, RFC 4950 (MPLS labels).
 *
 * The quoted packet is padded to 128 bytes when something follows. Not every sender says so in the length field, therefore a
 * correct checksum counts as a sign too; Linux quotes more than 128 bytes of the packet itself, which has none.
 */

import { inCksum } from '../checksum.js';
import { ICMP4_DATA, ICMP4_EXT_LEN } from '../icmp4.js';
import { hexPrint } from './hexdump.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

const QUOTED_LEN = 128;
/** Where the extension begins, and the smallest message that tcpdump looks for one in. */
const EXT = ICMP4_DATA + QUOTED_LEN;
const EXT_HDR_LEN = 4;
const OBJECT_HDR_LEN = 4;
const CLASS_MPLS = 1;

const CLASS_NAMES: ReadonlyMap<number, string> = new Map([
  [CLASS_MPLS, 'MPLS Stack Entry'],
  [2, 'Interface Identification'],
]);

/** The message is the `length` bytes at `at`. */
export function icmp4ExtPrint(p: Printer, at: number, length: number): void {
  if (length <= EXT) return;
  if (p.lacks(at, EXT + EXT_HDR_LEN + 1)) return;
  const ext = at + EXT;
  let left = length - EXT;
  const whole = p.has(ext, left);
  const sum = whole ? inCksum(p.view, ext, left) : 0;
  if (p.u8(at + ICMP4_EXT_LEN) === 0 && sum !== 0) return;
  const version = p.u8(ext) >>> 4;
  p.put(`\n\tICMP Multi-Part extension v${version}`);
  if (version !== 2) {
    p.put(' packet not supported');
    return;
  }
  if (whole) p.put(`, checksum 0x${hex(p.u16(ext + 2), 4)} (${sum === 0 ? '' : 'in'}correct), length ${left}`);
  left -= EXT_HDR_LEN;
  let obj = ext + EXT_HDR_LEN;
  while (left > OBJECT_HDR_LEN) {
    if (p.lacks(obj, OBJECT_HDR_LEN)) return;
    const cls = p.u8(obj + 2);
    const ctype = p.u8(obj + 3);
    const total = p.u16(obj);
    p.put(`\n\t  ${CLASS_NAMES.get(cls) ?? 'unknown'} Object (${cls}), Class-Type: ${ctype}, length ${total}`);
    if (cls === 0 || total < OBJECT_HDR_LEN) return;
    const n = total - OBJECT_HDR_LEN;
    obj += OBJECT_HDR_LEN;
    left -= OBJECT_HDR_LEN;
    if (cls === CLASS_MPLS && ctype === 1) p.put(`\n\t    ${labelText(p.u32(obj))}`);
    else p.put(hexPrint(p.bytes, obj, Math.min(n, p.left(obj)), '\n\t    '));
    if (left < n) return;
    left -= n;
    obj += n;
  }
}

/** An MPLS label stack entry (RFC 3032 §2.1, RFC 5462). */
function labelText(entry: number): string {
  return `label ${entry >>> 12}, tc ${(entry >>> 9) & 7}${(entry & 0x100) !== 0 ? ', [S]' : ''}, ttl ${entry & 0xff}`;
}
