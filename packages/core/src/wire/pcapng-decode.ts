/**
 * pcapng-decode.ts — reads capture files of the next generation as a stream.
 * Read first: draft-ietf-opsawg-pcapng §3 and §4; `capture.ts` for the items and the rules of a decoder.
 *
 * Theory of operation. Blocks are taken from the queue when they are whole. A section header sets the byte order and forgets the
 * interfaces before it. Blocks of unknown types are skipped and counted, as the format demands; what is known is checked
 * strictly: lengths that disagree, a packet of an interface that was not described, options that leave their block.
 * Invariant: at most one block of CAPTURE_BLOCK_MAX bytes is held back waiting for its end.
 */

import type { CaptureDecoder, CaptureFault, CaptureItem } from './capture.js';
import { ByteQueue, CAPTURE_BLOCK_MAX } from './capture.js';
import * as ng from './pcapng-encode.js';
import { utf8Decode } from './utf8.js';

/** The obsolete packet block, still found in old files. */
const PCAPNG_PB = 2;
const BLOCK_MIN = 12;
const UNKNOWN = -1;

/** What the packets of an interface need to be read. */
interface InterfaceState {
  linktype: number;
  snaplen: number;
  /** Timestamps count `numerator / denominator` microseconds each. */
  numerator: bigint;
  denominator: bigint;
  offsetUs: bigint;
}

/** One option, found by its code. */
interface OptionRef {
  at: number;
  len: number;
}

export class PcapngDecoder implements CaptureDecoder {
  /** Blocks that were skipped because nobody here knows their type. */
  skipped = 0;
  private readonly queue = new ByteQueue();
  private fault: CaptureFault | null = null;
  private started = false;
  private little = true;
  private interfaces: InterfaceState[] = [];

  push(chunk: Uint8Array): void {
    if (this.fault === null) this.queue.push(chunk);
  }

  next(): CaptureItem | null {
    if (this.fault !== null) return null;
    for (;;) {
      const length = this.blockLength();
      if (length === 0) return null;
      if (length < 0) return this.fault;
      const item = this.block(this.queue.u32(0, this.little), length);
      // A fault keeps its offset: the block stays where it is.
      if (this.fault === null) this.queue.consume(length);
      if (item !== null) return item;
    }
  }

  end(): CaptureFault | null {
    if (this.fault !== null) return this.fault;
    if (this.queue.length > 0) return this.fail('the file ends inside a block');
    return this.started ? null : this.fail('the file is empty');
  }

  private fail(message: string): CaptureFault {
    this.fault = { kind: 'fault', offset: this.queue.offset, message };
    return this.fault;
  }

  /** Length of the block at the front when it is whole, 0 when more bytes are needed, -1 after a fault. */
  private blockLength(): number {
    const q = this.queue;
    if (q.length < BLOCK_MIN) return 0;
    if (q.u32(0, false) === ng.PCAPNG_SHB) {
      const order = q.u32(8, false);
      if (order !== ng.PCAPNG_BYTE_ORDER && order !== 0x4d3c2b1a) return this.refuse('a section header has an unknown byte-order magic');
      this.little = order !== ng.PCAPNG_BYTE_ORDER;
    } else if (!this.started) {
      return this.refuse('not a pcapng file');
    }
    const length = q.u32(4, this.little);
    if (length < BLOCK_MIN || (length & 3) !== 0) return this.refuse(`a block has the impossible length ${length}`);
    if (length > CAPTURE_BLOCK_MAX) return this.refuse(`a block of ${length} bytes is longer than ${CAPTURE_BLOCK_MAX}`);
    if (q.length < length) return 0;
    const trailer = q.u32(length - 4, this.little);
    if (trailer !== length) return this.refuse(`a block begins with length ${length} and ends with ${trailer}`);
    return length;
  }

  private refuse(message: string): number {
    this.fail(message);
    return -1;
  }

  private block(type: number, length: number): CaptureItem | null {
    const end = length - 4;
    switch (type) {
      case ng.PCAPNG_SHB:
        return this.section(end);
      case ng.PCAPNG_IDB:
        return this.describe(end);
      case ng.PCAPNG_EPB:
        return this.packet(end, this.queue.u32(8, this.little));
      case PCAPNG_PB:
        return this.packet(end, this.queue.u16(8, this.little));
      case ng.PCAPNG_SPB:
        return this.simplePacket(end);
      case ng.PCAPNG_ISB:
        return this.statistics(end);
      default:
        this.skipped++;
        return null;
    }
  }

  private section(end: number): CaptureItem {
    if (end < 24) return this.fail('a section header is too short');
    const major = this.queue.u16(12, this.little);
    const minor = this.queue.u16(14, this.little);
    if (major !== 1 || (minor !== 0 && minor !== 2)) return this.fail(`pcapng version ${major}.${minor} is not supported`);
    const options = this.options(24, end);
    if (options === null) return this.fail('an option leaves its section header');
    this.started = true;
    this.interfaces = [];
    return {
      kind: 'section',
      bigEndian: !this.little,
      application: this.text(options, ng.PCAPNG_SHB_USERAPPL),
      comment: this.text(options, ng.PCAPNG_OPT_COMMENT),
    };
  }

  private describe(end: number): CaptureItem {
    if (end < 16) return this.fail('an interface description is too short');
    const options = this.options(16, end);
    if (options === null) return this.fail('an option leaves its interface description');
    const state: InterfaceState = {
      linktype: this.queue.u16(8, this.little),
      snaplen: this.queue.u32(12, this.little),
      numerator: 1n,
      denominator: 1n,
      offsetUs: 0n,
    };
    const resol = options.get(ng.PCAPNG_IF_TSRESOL);
    if (resol !== undefined) {
      if (resol.len !== 1) return this.fail('if_tsresol is not one byte');
      setResolution(state, this.queue.u8(resol.at));
    }
    const offset = options.get(ng.PCAPNG_IF_TSOFFSET);
    if (offset !== undefined) {
      if (offset.len !== 8) return this.fail('if_tsoffset is not eight bytes');
      state.offsetUs = BigInt.asIntN(64, this.queue.u64(offset.at, this.little)) * 1_000_000n;
    }
    const id = this.interfaces.length;
    this.interfaces.push(state);
    return {
      kind: 'interface',
      id,
      linktype: state.linktype,
      snaplen: state.snaplen,
      name: this.text(options, ng.PCAPNG_IF_NAME),
      description: this.text(options, ng.PCAPNG_IF_DESCRIPTION),
    };
  }

  /** An enhanced packet block, or the obsolete one, which differs in its first word only. */
  private packet(end: number, interfaceId: number): CaptureItem {
    const q = this.queue;
    const fixed = 28;
    if (end < fixed) return this.fail('a packet block is too short');
    const state = this.interfaces[interfaceId];
    if (state === undefined) return this.fail(`a packet belongs to interface ${interfaceId}, which was not described`);
    const caplen = q.u32(20, this.little);
    const wireLen = q.u32(24, this.little);
    const padded = Math.ceil(caplen / 4) * 4;
    if (fixed + padded > end) return this.fail(`a packet of ${caplen} bytes leaves its block`);
    const options = this.options(fixed + padded, end);
    if (options === null) return this.fail('an option leaves its packet block');
    const flags = options.get(ng.PCAPNG_EPB_FLAGS);
    const way = flags !== undefined && flags.len === 4 ? q.u32(flags.at, this.little) & 3 : 0;
    return {
      kind: 'packet',
      interfaceId,
      linktype: state.linktype,
      timeUs: this.time(state, 12),
      wireLen,
      bytes: q.slice(fixed, caplen),
      direction: way === ng.PCAPNG_EPB_INBOUND ? 'in' : way === ng.PCAPNG_EPB_OUTBOUND ? 'out' : '',
      comment: this.text(options, ng.PCAPNG_OPT_COMMENT),
    };
  }

  /** A packet of interface 0 without a time; its captured length follows from the others. */
  private simplePacket(end: number): CaptureItem {
    const state = this.interfaces[0];
    if (state === undefined) return this.fail('a simple packet comes before any interface description');
    if (end < 12) return this.fail('a packet block is too short');
    const wireLen = this.queue.u32(8, this.little);
    const caplen = state.snaplen === 0 ? wireLen : Math.min(wireLen, state.snaplen);
    if (12 + caplen > end) return this.fail(`a packet of ${caplen} bytes leaves its block`);
    const bytes = this.queue.slice(12, caplen);
    return { kind: 'packet', interfaceId: 0, linktype: state.linktype, timeUs: UNKNOWN, wireLen, bytes, direction: '', comment: '' };
  }

  private statistics(end: number): CaptureItem {
    if (end < 20) return this.fail('interface statistics are too short');
    const interfaceId = this.queue.u32(8, this.little);
    const state = this.interfaces[interfaceId];
    if (state === undefined) return this.fail(`statistics belong to interface ${interfaceId}, which was not described`);
    const options = this.options(20, end);
    if (options === null) return this.fail('an option leaves its interface statistics');
    return {
      kind: 'stats',
      interfaceId,
      timeUs: this.time(state, 12),
      received: this.counter(options, ng.PCAPNG_ISB_IFRECV),
      dropped: this.counter(options, ng.PCAPNG_ISB_IFDROP),
    };
  }

  /** Microseconds since 1970 of the two words at `at`, the high one first. */
  private time(state: InterfaceState, at: number): number {
    const ticks = (BigInt(this.queue.u32(at, this.little)) << 32n) | BigInt(this.queue.u32(at + 4, this.little));
    return Number((ticks * state.numerator) / state.denominator + state.offsetUs);
  }

  /** The first option of each code between `from` and `end`; null when one does not fit. */
  private options(from: number, end: number): Map<number, OptionRef> | null {
    const found = new Map<number, OptionRef>();
    for (let at = from; at < end; ) {
      if (at + 4 > end) return null;
      const code = this.queue.u16(at, this.little);
      const len = this.queue.u16(at + 2, this.little);
      if (code === ng.PCAPNG_OPT_END) return found;
      if (at + 4 + len > end) return null;
      if (!found.has(code)) found.set(code, { at: at + 4, len });
      at += 4 + ((len + 3) & ~3);
    }
    return found;
  }

  private text(options: Map<number, OptionRef>, code: number): string {
    const ref = options.get(code);
    return ref === undefined ? '' : utf8Decode(this.queue.slice(ref.at, ref.len));
  }

  private counter(options: Map<number, OptionRef>, code: number): number {
    const ref = options.get(code);
    return ref === undefined || ref.len !== 8 ? UNKNOWN : Number(this.queue.u64(ref.at, this.little));
  }
}

/** if_tsresol: a negative power of 10, or of 2 when the top bit is set. */
function setResolution(state: InterfaceState, resol: number): void {
  state.numerator = 1_000_000n;
  state.denominator = (resol & 0x80) !== 0 ? 1n << BigInt(resol & 0x7f) : powerOfTen(resol);
}

function powerOfTen(n: number): bigint {
  let p = 1n;
  for (let i = 0; i < n; i++) p *= 10n;
  return p;
}
