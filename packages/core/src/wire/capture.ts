/**
 * capture.ts — what pcap and pcapng files have in common: the items a reader yields, and telling the two apart.
 *
 * A decoder is fed with `push` in chunks of any size and asked with `next` until it answers null, which means "more bytes".
 * A fault in the file is an item like any other, with the offset where it is. It comes once and is the last: after it `next`
 * answers null, and `end` the fault again.
 * Times are microseconds since 1970 in a double: exact to the microsecond, finer stamps are rounded down.
 */

/** How far a block or record may announce to reach before it counts as damage instead of data. */
export const CAPTURE_BLOCK_MAX = 16 * 1024 * 1024;

/** A pcapng section begins: interface numbers start again at 0. A pcap file has one. */
export interface CaptureSection {
  readonly kind: 'section';
  readonly bigEndian: boolean;
  /** Application that wrote the file, '' when it does not say. */
  readonly application: string;
  readonly comment: string;
}

export interface CaptureInterface {
  readonly kind: 'interface';
  readonly id: number;
  readonly linktype: number;
  /** Bytes kept of each packet at most; 0 means all. */
  readonly snaplen: number;
  readonly name: string;
  readonly description: string;
}

export interface CapturePacket {
  readonly kind: 'packet';
  readonly interfaceId: number;
  readonly linktype: number;
  /** -1 when the file has none for this packet. */
  readonly timeUs: number;
  readonly wireLen: number;
  /** A copy: the decoder does not touch it again. */
  readonly bytes: Uint8Array;
  /** Seen from the capturing machine. */
  readonly direction: '' | 'in' | 'out';
  readonly comment: string;
}

export interface CaptureStats {
  readonly kind: 'stats';
  readonly interfaceId: number;
  readonly timeUs: number;
  /** Packets received and dropped; -1 when the file does not say. */
  readonly received: number;
  readonly dropped: number;
}

/** The file is damaged, or of a version this does not read. The last item. */
export interface CaptureFault {
  readonly kind: 'fault';
  /** Offset of the offending block or record in the file. */
  readonly offset: number;
  readonly message: string;
}

export type CaptureItem = CaptureSection | CaptureInterface | CapturePacket | CaptureStats | CaptureFault;

export interface CaptureDecoder {
  push(chunk: Uint8Array): void;
  /** The next item; null when more bytes are needed, and for good after a fault. */
  next(): CaptureItem | null;
  /** To be asked when the file has ended and `next` answered null: the fault there was, or of stopping in the middle, or null. */
  end(): CaptureFault | null;
}

/** Which format begins with these bytes; null when neither, or fewer than 4. */
export function captureFormat(first: Uint8Array): 'pcap' | 'pcapng' | null {
  if (first.length < 4) return null;
  const magic = new DataView(first.buffer, first.byteOffset, 4).getUint32(0);
  if (magic === 0x0a0d0d0a) return 'pcapng';
  return magic === 0xa1b2c3d4 || magic === 0xa1b23c4d || magic === 0xd4c3b2a1 || magic === 0x4d3cb2a1 ? 'pcap' : null;
}

/** Bytes pushed and not yet consumed, contiguous, with their position in the file. */
export class ByteQueue {
  /** Position in the file of the first byte not yet consumed. */
  offset = 0;
  private buf = new Uint8Array(0);
  private view = new DataView(this.buf.buffer);
  private from = 0;
  private to = 0;

  get length(): number {
    return this.to - this.from;
  }

  push(chunk: Uint8Array): void {
    const need = this.length + chunk.length;
    if (this.to + chunk.length > this.buf.length) {
      const target = need > this.buf.length ? new Uint8Array(Math.max(need, 2 * this.buf.length)) : this.buf;
      target.set(this.buf.subarray(this.from, this.to));
      this.to -= this.from;
      this.from = 0;
      this.buf = target;
      this.view = new DataView(target.buffer);
    }
    this.buf.set(chunk, this.to);
    this.to += chunk.length;
  }

  u8(at: number): number {
    return this.view.getUint8(this.from + at);
  }

  u16(at: number, little: boolean): number {
    return this.view.getUint16(this.from + at, little);
  }

  u32(at: number, little: boolean): number {
    return this.view.getUint32(this.from + at, little);
  }

  u64(at: number, little: boolean): bigint {
    return this.view.getBigUint64(this.from + at, little);
  }

  /** A copy. */
  slice(at: number, len: number): Uint8Array {
    return this.buf.slice(this.from + at, this.from + at + len);
  }

  consume(n: number): void {
    this.from += n;
    this.offset += n;
  }
}
