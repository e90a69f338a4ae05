/**
 * pcap.ts — the classic capture file: read and write.
 * Read first: draft-ietf-opsawg-pcap; pcap-savefile(5).
 *
 *    header: magic(4) major(2) minor(2) 0(4) 0(4) snaplen(4) linktype(4)       record: sec(4) usec(4) caplen(4) len(4) bytes
 *
 * Both byte orders and both magics (microseconds, nanoseconds) are read; little-endian microseconds are written.
 * Not here: the variants of other systems (AIX, Kuznetzov's, Nokia's), which are refused by their magic or version.
 */

import type { CaptureDecoder, CaptureFault, CaptureItem } from './capture.js';
import { ByteQueue, CAPTURE_BLOCK_MAX } from './capture.js';

const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
const HEADER_LEN = 24;
const RECORD_LEN = 16;
const US_PER_SEC = 1_000_000;
/** The upper bits of the link type say something about frame check sequences. */
const LINKTYPE_MASK = 0x03ffffff;

/** The 24 bytes a file begins with. */
export function pcapHeader(linktype: number, snaplen = 262_144): Uint8Array {
  const out = new Uint8Array(HEADER_LEN);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC_US, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snaplen, true);
  view.setUint32(20, linktype, true);
  return out;
}

/** One record: header and bytes. `timeUs` is microseconds since 1970, below 2^32 seconds. */
export function pcapRecord(timeUs: number, bytes: Uint8Array, wireLen: number = bytes.length): Uint8Array {
  const out = new Uint8Array(RECORD_LEN + bytes.length);
  const view = new DataView(out.buffer);
  const sec = Math.floor(timeUs / US_PER_SEC);
  view.setUint32(0, sec, true);
  view.setUint32(4, Math.floor(timeUs - sec * US_PER_SEC), true);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, wireLen, true);
  out.set(bytes, RECORD_LEN);
  return out;
}

export class PcapDecoder implements CaptureDecoder {
  private readonly queue = new ByteQueue();
  private readonly pending: CaptureItem[] = [];
  private fault: CaptureFault | null = null;
  private started = false;
  private little = true;
  /** Units of the second word of a timestamp in a microsecond. */
  private perUs = 1;
  private linktype = 0;

  push(chunk: Uint8Array): void {
    if (this.fault === null) this.queue.push(chunk);
  }

  next(): CaptureItem | null {
    const waiting = this.pending.shift();
    if (waiting !== undefined) return waiting;
    if (this.fault !== null) return null;
    return this.started ? this.record() : this.header();
  }

  end(): CaptureFault | null {
    if (this.fault !== null) return this.fault;
    if (this.started && this.queue.length === 0) return null;
    return this.fail(this.queue.length === 0 ? 'the file is empty' : `the file ends inside a ${this.started ? 'record' : 'file header'}`);
  }

  private fail(message: string): CaptureFault {
    this.fault = { kind: 'fault', offset: this.queue.offset, message };
    return this.fault;
  }

  private header(): CaptureItem | null {
    const q = this.queue;
    if (q.length < HEADER_LEN) return null;
    const big = q.u32(0, false);
    this.little = big !== MAGIC_US && big !== MAGIC_NS;
    const magic = q.u32(0, this.little);
    if (magic !== MAGIC_US && magic !== MAGIC_NS) return this.fail('not a pcap file');
    this.perUs = magic === MAGIC_NS ? 1000 : 1;
    const major = q.u16(4, this.little);
    const minor = q.u16(6, this.little);
    if (major !== 2 || minor !== 4) return this.fail(`pcap version ${major}.${minor} is not supported`);
    const snaplen = q.u32(16, this.little);
    this.linktype = q.u32(20, this.little) & LINKTYPE_MASK;
    this.started = true;
    q.consume(HEADER_LEN);
    this.pending.push({ kind: 'interface', id: 0, linktype: this.linktype, snaplen, name: '', description: '' });
    return { kind: 'section', bigEndian: !this.little, application: '', comment: '' };
  }

  private record(): CaptureItem | null {
    const q = this.queue;
    if (q.length < RECORD_LEN) return null;
    const caplen = q.u32(8, this.little);
    const wireLen = q.u32(12, this.little);
    if (caplen > CAPTURE_BLOCK_MAX) return this.fail(`a record of ${caplen} bytes is longer than ${CAPTURE_BLOCK_MAX}`);
    if (caplen > wireLen) return this.fail(`a record holds ${caplen} bytes of a packet of ${wireLen}`);
    const fraction = q.u32(4, this.little);
    if (fraction >= US_PER_SEC * this.perUs) return this.fail(`a timestamp has ${fraction} in its fraction of a second`);
    if (q.length < RECORD_LEN + caplen) return null;
    const timeUs = q.u32(0, this.little) * US_PER_SEC + Math.floor(fraction / this.perUs);
    const bytes = q.slice(RECORD_LEN, caplen);
    q.consume(RECORD_LEN + caplen);
    return { kind: 'packet', interfaceId: 0, linktype: this.linktype, timeUs, wireLen, bytes, direction: '', comment: '' };
  }
}
