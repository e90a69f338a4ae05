/**
 * dissect.ts — bytes to text, in the words of `tcpdump -n`.
 * Read first: tcpdump(1), "Output format"; `dissect/printer.ts` for how the layers work together.
 *
 * Theory of operation. Each layer in `dissect/` prints its own header and hands the rest on. Every read is bounded by what was
 * captured; a packet that ends too early shows as ` [|proto]`. Any bytes whatsoever give a line, none throws: the fuzzers use
 * this as their oracle. Lines are exactly tcpdump 4.99's for the protocols printed here; what tcpdump decodes and this does
 * not (most application payloads, LLDP, ...) prints as it would print a protocol it does not know.
 * A Dissector keeps the first sequence numbers of TCP conversations, as one run of tcpdump does; `dissect` starts afresh.
 * Not here: filters, name lookups (everything is numeric), and the clock (`dissect/timestamp.ts` formats a given time).
 */

import { etherPrint, ethertypePrint } from './dissect/ether.js';
import { asciiPrint, hexAsciiPrint, hexPrint } from './dissect/hexdump.js';
import { ip4Print } from './dissect/ip4.js';
import { ip6Print } from './dissect/ip6.js';
import type { DissectFlags, Layers } from './dissect/printer.js';
import { Printer, TRUNCATED } from './dissect/printer.js';
import { TcpSeqTable } from './dissect/tcp-seq-table.js';
import * as linktype from './linktype.js';

export type { TimestampStyle } from './dissect/timestamp.js';
export { TimestampPrinter } from './dissect/timestamp.js';

/** -x, -xx, -X, -XX, -A, -AA: also the bytes, without or with (doubled) the link-level header. */
export type HexStyle = '' | 'x' | 'xx' | 'X' | 'XX' | 'A' | 'AA';

export interface DissectOptions {
  /** LINKTYPE_*; Ethernet when left out. */
  readonly linktype?: number;
  /** 0..3, the number of -v. */
  readonly verbose?: number;
  /** -e */
  readonly ether?: boolean;
  /** -q */
  readonly quiet?: boolean;
  /** -S */
  readonly absoluteSeq?: boolean;
  /** -K */
  readonly noCksum?: boolean;
  readonly hex?: HexStyle;
}

const LAYERS: Layers = {
  ether(p, at, length) {
    if (!p.enter()) return 0;
    const n = etherPrint(p, at, length);
    p.leave();
    return n;
  },
  ip4(p, at, length) {
    if (!p.enter()) return;
    ip4Print(p, at, length);
    p.leave();
  },
  ip6(p, at, length) {
    if (!p.enter()) return;
    ip6Print(p, at, length);
    p.leave();
  },
  ethertype: ethertypePrint,
};

/** Families behind LINKTYPE_NULL. IPv6 has a different number on each BSD. */
const AF_NAMES: ReadonlyMap<number, string> = new Map([
  [2, 'IPv4'],
  [6, 'NS'],
  [7, 'ISO'],
  [16, 'Appletalk'],
  [23, 'IPX'],
  [24, 'IPv6'],
  [28, 'IPv6'],
  [30, 'IPv6'],
]);

/** One run over a sequence of packets. */
export class Dissector {
  private readonly flags: DissectFlags;
  private readonly linktype: number;
  private readonly hex: HexStyle;
  private readonly seqs = new TcpSeqTable();

  constructor(options: DissectOptions = {}) {
    this.linktype = options.linktype ?? linktype.LINKTYPE_ETHERNET;
    this.hex = options.hex ?? '';
    this.flags = {
      verbose: options.verbose ?? 0,
      ether: options.ether ?? false,
      quiet: options.quiet ?? false,
      absoluteSeq: options.absoluteSeq ?? false,
      noCksum: options.noCksum ?? false,
      noUnknown: options.quiet === true || /^x/i.test(this.hex),
    };
  }

  /**
   * The text for one packet: one line, more with -v or hexadecimal output; no newline at the end. `wireLen` is the length the
   * packet had on the wire when fewer bytes were captured.
   */
  print(packet: Uint8Array, wireLen: number = packet.length): string {
    if (packet.length === 0 || wireLen < packet.length) return invalidLengths(packet.length, wireLen);
    const p = new Printer(packet, this.flags, LAYERS, this.seqs);
    try {
      this.link(p, wireLen);
    } catch (e) {
      if (e !== TRUNCATED) throw e;
      p.trunc();
      p.linkHdrLen = 0;
    }
    return p.out + hexText(packet, p.linkHdrLen, this.hex);
  }

  private link(p: Printer, wireLen: number): void {
    switch (this.linktype) {
      case linktype.LINKTYPE_ETHERNET:
        p.linkHdrLen = p.layers.ether(p, 0, wireLen);
        break;
      case linktype.LINKTYPE_RAW:
      case linktype.LINKTYPE_RAW_BSD:
        rawPrint(p, wireLen);
        break;
      case linktype.LINKTYPE_NULL:
      case linktype.LINKTYPE_LOOP:
        nullPrint(p, wireLen);
        break;
      default:
        p.put(`[link type ${this.linktype} is not known]`);
    }
  }
}

/** One packet on its own. */
export function dissect(packet: Uint8Array, options: DissectOptions = {}, wireLen: number = packet.length): string {
  return new Dissector(options).print(packet, wireLen);
}

function invalidLengths(caplen: number, wireLen: number): string {
  const faults: string[] = [];
  if (caplen === 0) faults.push(' caplen==0');
  if (wireLen === 0) faults.push(' len==0');
  else if (wireLen < caplen) faults.push(` len(${wireLen}) < caplen(${caplen})`);
  return `[Invalid header:${faults.join(',')}]`;
}

function rawPrint(p: Printer, wireLen: number): void {
  p.proto = 'raw';
  if (p.flags.ether) p.put('ip: ');
  p.proto = 'ipn';
  const version = p.u8(0) >>> 4;
  if (version === 4) p.layers.ip4(p, 0, wireLen);
  else if (version === 6) p.layers.ip6(p, 0, wireLen);
  else p.put(`unknown ip ${version}`);
}

/** The family is in the byte order of the machine that captured: the order that gives a small number is right. */
function nullPrint(p: Printer, wireLen: number): void {
  p.proto = 'null';
  p.need(0, 4);
  p.linkHdrLen = 4;
  const big = p.view.getUint32(0);
  const family = big < 0x10000 ? big : p.view.getUint32(0, true);
  const name = AF_NAMES.get(family);
  const header = p.flags.quiet ? (name ?? `Unknown AF ${family}`) : `AF ${name ?? 'Unknown'} (${family})`;
  if (p.flags.ether) p.put(`${header}, length ${wireLen}: `);
  if (family === 2) p.layers.ip4(p, 4, wireLen - 4);
  else if (name === 'IPv6') p.layers.ip6(p, 4, wireLen - 4);
  else {
    if (!p.flags.ether) p.put(`${header}, length ${wireLen}: `);
    p.unknown(4);
  }
}

function hexText(packet: Uint8Array, linkHdrLen: number, style: HexStyle): string {
  if (style === '') return '';
  const at = style.length === 2 ? 0 : linkHdrLen;
  const len = packet.length - at;
  if (len <= 0) return '';
  if (style[0] === 'x') return hexPrint(packet, at, len);
  return style[0] === 'X' ? hexAsciiPrint(packet, at, len) : asciiPrint(packet, at, len);
}
