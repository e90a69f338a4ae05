/**
 * printer.ts — the cursor and the page every layer of the dissector works with.
 *
 * Theory of operation. A Printer is made for one packet. Layers read the packet through `u8`, `u16`, ... with absolute offsets,
 * and write with `put`. A read beyond `snapend` ends the dissection at once: it throws the one preallocated TRUNCATED, which
 * `Dissector.print` alone catches, and which shows as ` [|proto]` behind what was written so far. That is how tcpdump cuts a
 * packet off, and it keeps layers free of bounds checks. Nothing else is ever thrown. Where tcpdump ends one layer only, the
 * layer asks `lacks` first: the difference shows in what may follow, and in how much -x prints.
 *
 * `snapend` only shrinks on the way down: a layer that knows the length of its payload cuts it (`cut`), so that link padding
 * does not look like data, and restores it when the payload is printed.
 * `proto` is the name for ` [|…]`. `layers` breaks the cycle between encapsulations: IP in IP, IP in ICMP, Ethernet in IP.
 * Invariant: `layers` calls nest at most NESTING_MAX deep, so that no packet can exhaust the stack.
 */

import { ip4Format, macFormat } from '../addr.js';
import { ip6Format } from '../addr6.js';
import { hexAsciiPrint } from './hexdump.js';
import type { TcpSeqTable } from './tcp-seq-table.js';
import { hex } from './text.js';

/** How much to print; the letters of tcpdump(1). */
export interface DissectFlags {
  /** -v, -vv, -vvv as 1, 2, 3. */
  readonly verbose: number;
  /** -e: the link-level header. */
  readonly ether: boolean;
  /** -q: less protocol information. */
  readonly quiet: boolean;
  /** -S: absolute TCP sequence numbers. */
  readonly absoluteSeq: boolean;
  /** -K: do not verify checksums. */
  readonly noCksum: boolean;
  /** Unknown payloads are not shown: -q, or the bytes are printed anyway (-x, -X). */
  readonly noUnknown: boolean;
}

/** The printers that other printers call below them. `length` is the length on the wire; fewer bytes may have been captured. */
export interface Layers {
  /** An Ethernet frame. Answers the bytes of its headers, LLC included. */
  ether(p: Printer, at: number, length: number): number;
  ip4(p: Printer, at: number, length: number): void;
  ip6(p: Printer, at: number, length: number): void;
  /** The payload of an Ethernet type; false when the type is not known, and nothing was printed. */
  ethertype(p: Printer, type: number, at: number, length: number): boolean;
}

/** Encapsulations inside each other before the dissector gives up. */
export const NESTING_MAX = 24;

class Truncation extends Error {
  override readonly name = 'Truncation';
}

/** The one thing a Printer throws. */
export const TRUNCATED: Error = new Truncation('read beyond the captured bytes');

export class Printer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly flags: DissectFlags;
  readonly layers: Layers;
  readonly seqs: TcpSeqTable;
  /** What was printed so far. */
  out = '';
  /** Name of the layer at work, for ` [|…]`. */
  proto = '';
  /** Where the bytes that may be read end. */
  snapend: number;
  /** Bytes of link-level headers, which -x and -X leave out. */
  linkHdrLen = 0;
  private depth = 0;

  constructor(bytes: Uint8Array, flags: DissectFlags, layers: Layers, seqs: TcpSeqTable) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.flags = flags;
    this.layers = layers;
    this.seqs = seqs;
    this.snapend = bytes.length;
  }

  put(text: string): void {
    this.out += text;
  }

  /** True when `n` bytes at `at` were captured. */
  has(at: number, n: number): boolean {
    return at + n <= this.snapend;
  }

  /** Says ` [|proto]` and answers true when not all of `n` bytes at `at` were captured. */
  lacks(at: number, n: number): boolean {
    if (at + n <= this.snapend) return false;
    this.trunc();
    return true;
  }

  /** Ends the dissection unless `n` bytes at `at` were captured. */
  need(at: number, n: number): void {
    if (at + n > this.snapend) throw TRUNCATED;
  }

  u8(at: number): number {
    this.need(at, 1);
    return this.view.getUint8(at);
  }

  u16(at: number): number {
    this.need(at, 2);
    return this.view.getUint16(at);
  }

  /** Little-endian. */
  le16(at: number): number {
    this.need(at, 2);
    return this.view.getUint16(at, true);
  }

  u24(at: number): number {
    this.need(at, 3);
    return (this.view.getUint16(at) << 8) | this.view.getUint8(at + 2);
  }

  u32(at: number): number {
    this.need(at, 4);
    return this.view.getUint32(at);
  }

  ip4(at: number): string {
    return ip4Format(this.u32(at));
  }

  /** As RFC 5952 wants it, but for v4-compatible addresses, which tcpdump shows as inet_ntop(3) does. */
  ip6(at: number): string {
    this.need(at, 16);
    const compat = this.view.getBigUint64(at) === 0n && this.view.getUint32(at + 8) === 0 && this.view.getUint16(at + 12) !== 0;
    return compat ? `::${ip4Format(this.view.getUint32(at + 12))}` : ip6Format(this.bytes, at);
  }

  mac(at: number): string {
    this.need(at, 6);
    return macFormat(this.bytes, at);
  }

  /** `n` bytes as hexadecimal digits with `sep` between them. */
  hexBytes(at: number, n: number, sep = ''): string {
    this.need(at, n);
    let s = '';
    for (let i = 0; i < n; i++) s += (i > 0 ? sep : '') + hex(this.view.getUint8(at + i), 2);
    return s;
  }

  /** Bytes captured from `at` on. */
  left(at: number): number {
    return Math.max(0, this.snapend - at);
  }

  /** Lets no reader beyond `len` bytes from `at`; answers what to restore `snapend` to. */
  cut(at: number, len: number): number {
    const was = this.snapend;
    this.snapend = Math.min(was, at + len);
    return was;
  }

  /** ` [|proto]` */
  trunc(): void {
    this.put(` [|${this.proto}]`);
  }

  invalid(): void {
    this.put(' (invalid)');
  }

  /** `len` bytes of something nobody knows, in hexadecimal and characters. */
  raw(at: number, len: number): void {
    this.put(hexAsciiPrint(this.bytes, at, Math.min(len, this.left(at))));
    this.need(at, len);
  }

  /** The payload from `at` on, which no layer knows. */
  unknown(at: number): void {
    if (!this.flags.noUnknown) this.raw(at, this.left(at));
  }

  /** Counts an encapsulation; false when there were too many, which is then said. */
  enter(): boolean {
    if (this.depth >= NESTING_MAX) {
      this.put('[too many encapsulations]');
      return false;
    }
    this.depth++;
    return true;
  }

  leave(): void {
    this.depth--;
  }
}
