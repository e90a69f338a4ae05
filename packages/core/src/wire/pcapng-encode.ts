/**
 * pcapng-encode.ts — writes capture files of the next generation, block by block.
 * Read first: draft-ietf-opsawg-pcapng §3 (blocks), §4.1 to §4.6.
 *
 *    block: type(4) length(4) body, options, padding to 4 bytes, length(4)        option: code(2) length(2) value, padding
 *
 * Each function answers one whole block as bytes; writing them one after the other makes a file, or a stream for a pipe. A
 * file is one section: `pcapngSection`, then `pcapngInterface` for each interface, whose number is its place in that order,
 * then packets and statistics. Little-endian throughout; timestamps in microseconds since 1970.
 * libpcap, and so tcpdump, reads a file with several interfaces only when they share link type and snaplen; Wireshark any.
 * Not here: name resolution, decryption secrets, custom blocks.
 */

import { utf8Encode } from './utf8.js';

export const PCAPNG_SHB = 0x0a0d0d0a;
export const PCAPNG_IDB = 1;
export const PCAPNG_SPB = 3;
export const PCAPNG_ISB = 5;
export const PCAPNG_EPB = 6;
export const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;

/** Options of every block. */
export const PCAPNG_OPT_END = 0;
export const PCAPNG_OPT_COMMENT = 1;
/** Section header. */
export const PCAPNG_SHB_HARDWARE = 2;
export const PCAPNG_SHB_OS = 3;
export const PCAPNG_SHB_USERAPPL = 4;
/** Interface description. */
export const PCAPNG_IF_NAME = 2;
export const PCAPNG_IF_DESCRIPTION = 3;
export const PCAPNG_IF_MACADDR = 6;
export const PCAPNG_IF_TSRESOL = 9;
export const PCAPNG_IF_OS = 12;
export const PCAPNG_IF_TSOFFSET = 14;
/** Enhanced packet: flags (direction in the two low bits), packets dropped before this one. */
export const PCAPNG_EPB_FLAGS = 2;
export const PCAPNG_EPB_DROPCOUNT = 4;
export const PCAPNG_EPB_INBOUND = 1;
export const PCAPNG_EPB_OUTBOUND = 2;
/** Interface statistics. */
export const PCAPNG_ISB_STARTTIME = 2;
export const PCAPNG_ISB_ENDTIME = 3;
export const PCAPNG_ISB_IFRECV = 4;
export const PCAPNG_ISB_IFDROP = 5;

const UNKNOWN_LENGTH = 0xffffffff;
const TSRESOL_MICROSECONDS = 6;
const TWO_32 = 0x1_0000_0000;

/** Builds one block. */
class Block {
  private bytes: Uint8Array;
  private view: DataView;
  private at = 8;
  private options = false;

  constructor(type: number, sizeHint: number) {
    this.bytes = new Uint8Array(sizeHint);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, type, true);
  }

  u16(n: number): this {
    this.room(2);
    this.view.setUint16(this.at, n, true);
    this.at += 2;
    return this;
  }

  u32(n: number): this {
    this.room(4);
    this.view.setUint32(this.at, n, true);
    this.at += 4;
    return this;
  }

  /** Two words, the high one first, as timestamps are. */
  time(us: number): this {
    const hi = Math.floor(us / TWO_32);
    return this.u32(hi).u32(Math.floor(us) - hi * TWO_32);
  }

  /** Bytes and padding. */
  data(data: Uint8Array): this {
    const padded = (data.length + 3) & ~3;
    this.room(padded);
    this.bytes.set(data, this.at);
    this.at += padded;
    return this;
  }

  option(code: number, value: Uint8Array): this {
    this.options = true;
    return this.u16(code).u16(value.length).data(value);
  }

  /** An option with text, unless there is none. */
  text(code: number, text: string | undefined): this {
    return text === undefined || text === '' ? this : this.option(code, utf8Encode(text).subarray(0, 0xffff));
  }

  /** A 64-bit counter in the file's byte order. */
  counter(code: number, n: number | undefined): this {
    if (n === undefined) return this;
    this.options = true;
    const hi = Math.floor(n / TWO_32);
    return this.u16(code).u16(8).u32(n - hi * TWO_32).u32(hi);
  }

  timeOption(code: number, us: number | undefined): this {
    if (us === undefined) return this;
    this.options = true;
    return this.u16(code).u16(8).time(us);
  }

  finish(): Uint8Array {
    if (this.options) this.u32(PCAPNG_OPT_END);
    const length = this.at + 4;
    this.view.setUint32(4, length, true);
    this.u32(length);
    return this.bytes.subarray(0, length);
  }

  private room(n: number): void {
    if (this.at + n <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.at + n));
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

export interface PcapngSectionOptions {
  readonly hardware?: string;
  readonly os?: string;
  readonly application?: string;
  readonly comment?: string;
}

/** The block a file begins with. Its length is left open, so that the file can be streamed. */
export function pcapngSection(options: PcapngSectionOptions = {}): Uint8Array {
  return new Block(PCAPNG_SHB, 64)
    .u32(PCAPNG_BYTE_ORDER)
    .u16(1)
    .u16(0)
    .u32(UNKNOWN_LENGTH)
    .u32(UNKNOWN_LENGTH)
    .text(PCAPNG_OPT_COMMENT, options.comment)
    .text(PCAPNG_SHB_HARDWARE, options.hardware)
    .text(PCAPNG_SHB_OS, options.os)
    .text(PCAPNG_SHB_USERAPPL, options.application)
    .finish();
}

export interface PcapngInterfaceOptions {
  readonly linktype: number;
  /** 0 means that packets are kept whole. */
  readonly snaplen?: number;
  readonly name?: string;
  readonly description?: string;
  /** Six bytes. */
  readonly mac?: Uint8Array;
  readonly comment?: string;
}

/** An interface. The first of a section has the number 0, the next 1, ... */
export function pcapngInterface(options: PcapngInterfaceOptions): Uint8Array {
  const block = new Block(PCAPNG_IDB, 96).u16(options.linktype).u16(0).u32(options.snaplen ?? 0);
  block.text(PCAPNG_OPT_COMMENT, options.comment).text(PCAPNG_IF_NAME, options.name).text(PCAPNG_IF_DESCRIPTION, options.description);
  if (options.mac !== undefined) block.option(PCAPNG_IF_MACADDR, options.mac);
  return block.option(PCAPNG_IF_TSRESOL, Uint8Array.of(TSRESOL_MICROSECONDS)).finish();
}

export interface PcapngPacketOptions {
  readonly interfaceId: number;
  readonly timeUs: number;
  readonly bytes: Uint8Array;
  /** Length on the wire, when `bytes` is less. */
  readonly wireLen?: number;
  readonly direction?: 'in' | 'out';
  readonly comment?: string;
  /** Packets lost between the one before and this one. */
  readonly dropCount?: number;
}

export function pcapngPacket(options: PcapngPacketOptions): Uint8Array {
  const { bytes, direction } = options;
  const block = new Block(PCAPNG_EPB, 56 + bytes.length)
    .u32(options.interfaceId)
    .time(options.timeUs)
    .u32(bytes.length)
    .u32(options.wireLen ?? bytes.length)
    .data(bytes)
    .text(PCAPNG_OPT_COMMENT, options.comment);
  if (direction !== undefined) {
    const flags = direction === 'in' ? PCAPNG_EPB_INBOUND : PCAPNG_EPB_OUTBOUND;
    block.option(PCAPNG_EPB_FLAGS, Uint8Array.of(flags, 0, 0, 0));
  }
  return block.counter(PCAPNG_EPB_DROPCOUNT, options.dropCount).finish();
}

export interface PcapngStatsOptions {
  readonly interfaceId: number;
  readonly timeUs: number;
  readonly startUs?: number;
  readonly endUs?: number;
  /** Packets received since the capture began. */
  readonly received?: number;
  /** Packets lost for want of buffer space. */
  readonly dropped?: number;
  readonly comment?: string;
}

/** Counters of an interface, usually behind its last packet. */
export function pcapngStats(options: PcapngStatsOptions): Uint8Array {
  return new Block(PCAPNG_ISB, 96)
    .u32(options.interfaceId)
    .time(options.timeUs)
    .text(PCAPNG_OPT_COMMENT, options.comment)
    .timeOption(PCAPNG_ISB_STARTTIME, options.startUs)
    .timeOption(PCAPNG_ISB_ENDTIME, options.endUs)
    .counter(PCAPNG_ISB_IFRECV, options.received)
    .counter(PCAPNG_ISB_IFDROP, options.dropped)
    .finish();
}
