/**
 * ng-bytes.ts — the binary form of a message's arguments: a C structure, in this machine's byte order (little-endian), naturally aligned.
 *
 * NgWriter grows as it is written; NgReader answers zeros beyond its end and remembers in `short` that it was asked there.
 */

const FIRST_BYTES = 64;

export class NgWriter {
  len = 0;
  private buf = new Uint8Array(FIRST_BYTES);
  private view = new DataView(this.buf.buffer);

  align(to: number): void {
    this.skip((to - (this.len % to)) % to);
  }

  /** Writes zeros. */
  skip(n: number): void {
    this.room(n);
    this.buf.fill(0, this.len, this.len + n);
    this.len += n;
  }

  uint64(value: bigint): void {
    this.align(8);
    this.room(8);
    this.view.setBigUint64(this.len, value, true);
    this.len += 8;
  }

  uint(size: 1 | 2 | 4 | 8, value: number): void {
    this.align(size);
    this.room(size);
    const { view, len } = this;
    if (size === 1) view.setUint8(len, value);
    else if (size === 2) view.setUint16(len, value, true);
    else if (size === 4) view.setUint32(len, value, true);
    else view.setBigInt64(len, BigInt(value), true);
    this.len += size;
  }

  bytes(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buf.set(bytes, this.len);
    this.len += bytes.length;
  }

  take(): Uint8Array {
    return this.buf.slice(0, this.len);
  }

  private room(n: number): void {
    if (this.len + n <= this.buf.length) return;
    const grown = new Uint8Array(Math.max(this.buf.length * 2, this.len + n));
    grown.set(this.buf.subarray(0, this.len));
    this.buf = grown;
    this.view = new DataView(grown.buffer);
  }
}

export class NgReader {
  pos = 0;
  /** It was asked for more than there is. */
  short = false;
  private readonly buf: Uint8Array;
  private readonly view: DataView;

  constructor(buf: Uint8Array) {
    this.buf = buf;
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  }

  get left(): number {
    return Math.max(0, this.buf.length - this.pos);
  }

  align(to: number): void {
    this.pos += (to - (this.pos % to)) % to;
  }

  uint64(): bigint {
    this.align(8);
    if (!this.has(8)) return 0n;
    this.pos += 8;
    return this.view.getBigUint64(this.pos - 8, true);
  }

  uint(size: 1 | 2 | 4 | 8, signed: boolean): number {
    this.align(size);
    if (!this.has(size)) return 0;
    const at = this.pos;
    this.pos += size;
    const { view } = this;
    if (size === 1) return signed ? view.getInt8(at) : view.getUint8(at);
    if (size === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
    if (size === 4) return signed ? view.getInt32(at, true) : view.getUint32(at, true);
    return Number(signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true));
  }

  /** `n` bytes, copied; fewer when there are fewer. */
  bytes(n: number): Uint8Array {
    this.has(n);
    const bytes = this.buf.slice(this.pos, this.pos + n);
    this.pos += n;
    return bytes;
  }

  private has(n: number): boolean {
    if (this.pos + n <= this.buf.length) return true;
    this.short = true;
    return false;
  }
}
