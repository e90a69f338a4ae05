/**
 * record.ts — the records that two daemons send each other about a protected machine: their layout, who writes them, who reads them.
 * Read first: docs/protect.md; record-payloads.ts (what the small ones say), epoch.ts (what makes a checkpoint of them).
 *
 *      0  u8   0xb1: the magic, and the version of this layout
 *      1  u8   type, of RECORD_TYPES
 *      2  u16  flags: the type's own
 *      4  u32  number: of this direction of this stream, from 0, one more each
 *      8  u32  length of the payload
 *     12  u32  CRC-32 of the 12 bytes before
 *     16  u32  CRC-32 of the 16 bytes before and the payload
 *     20       the payload
 *
 * All numbers are big-endian. A header has a sum of its own, because a length that was damaged would be waited for, and the bytes that come are those of the
 * next records. An end without an END record is a fault as well: a stream that was cut between two records is otherwise whole.
 *
 * Theory of operation. The writer makes headers and leaves the payload where it is. The reader answers a payload as a part of the chunk it came in, and copies
 * it once only when it came in several. It is not to be used any more after it has thrown: nothing behind a fault can be told apart.
 *
 * Invariant: a record that the reader answers is the next one that the writer made, bit by bit. The reader holds at most one payload.
 * Not here: secrecy and forgery (transport). A CRC finds accidents.
 */
import { crc32 } from 'node:zlib';

export const RECORD_MAGIC = 0xb1;
export const HEADER_BYTES = 20;
/** Largest payload. */
export const PAYLOAD_MAX = 2 * 1024 * 1024;
/** Largest payload of the records that are JSON. */
export const JSON_MAX = 64 * 1024;

/** Numbers of the types. Those from 16 on carry bytes, the others JSON. P: the side that runs the machine says it; B: the side that keeps it. */
export const RECORD = {
  /** P: the first record of a stream: which machine, and how it is protected. */
  HELLO: 1,
  /** B: it will be kept. */
  WELCOME: 2,
  /** Either: no, and why. The last record. */
  REFUSED: 3,
  /** P: the first record of the second path: whose it is. */
  JOIN: 4,
  /** P: the checkpoint is complete. */
  COMMIT: 5,
  /** B: the checkpoint is safe. */
  ACK: 6,
  /** B: the checkpoint is not, and why. */
  NAK: 7,
  /** Either: I am here; or, I heard you. */
  BEAT: 8,
  /** P: the machine has died under its daemon. */
  DEAD: 9,
  /** Either: protection ends in order. The last record. */
  END: 10,
  /** B: it runs here. */
  LIVES: 11,
  /** P: forget it. */
  STAND_DOWN: 12,
  /** B: it is forgotten. */
  STOOD_DOWN: 13,
  /** P: pages of the image. */
  IMAGE: 16,
  /** P: the device state. */
  DEVICE: 17,
  /** P: writes to the disks. */
  DISK: 18,
  /** P: frames that the machine was given. No part of a checkpoint: they are for a backup that takes over before the next one is complete. */
  INBOUND: 19,
} as const;

/** Flag of IMAGE and DISK: ahead of the first checkpoint, and no part of one. */
export const AHEAD = 1;
/** Flag of COMMIT: the machine stands still for good, and whoever has it shall run it. */
export const HANDS_OVER = 1;

export type RecordName = keyof typeof RECORD;
export type RecordType = (typeof RECORD)[RecordName];

const NAMES = new Map<number, RecordName>(Object.entries(RECORD).map(([name, type]) => [type, name as RecordName]));

export function recordName(type: RecordType): RecordName {
  return NAMES.get(type)!;
}

/** Whether it is a part of a checkpoint, which its COMMIT counts. */
export function isPart(type: RecordType): boolean {
  return type === RECORD.IMAGE || type === RECORD.DEVICE || type === RECORD.DISK;
}

/** What its payload may have at most. */
export function payloadMax(type: RecordType): number {
  return type >= RECORD.IMAGE ? PAYLOAD_MAX : JSON_MAX;
}

export interface WireRecord {
  readonly type: RecordType;
  readonly flags: number;
  readonly number: number;
  readonly payload: Buffer;
  /** The second sum of its header. */
  readonly crc: number;
}

/** A record, or a checkpoint made of records, that is not as it was sent: one line that says which and why. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

export interface WrittenHeader {
  readonly header: Buffer;
  readonly crc: number;
}

/** Makes the headers of one direction of a stream. */
export class RecordWriter {
  private next = 0;

  /** The header of the next record. Its payload follows it. */
  header(type: RecordType, payload: Uint8Array, flags = 0): WrittenHeader {
    const max = payloadMax(type);
    if (payload.length > max) throw new RangeError(`a payload of ${payload.length} bytes for ${recordName(type)}: at most ${max} are allowed`);
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt8(RECORD_MAGIC, 0);
    header.writeUInt8(type, 1);
    header.writeUInt16BE(flags, 2);
    header.writeUInt32BE(this.next, 4);
    header.writeUInt32BE(payload.length, 8);
    header.writeUInt32BE(crc32(header.subarray(0, 12)), 12);
    const crc = crc32(payload, crc32(header.subarray(0, 16)));
    header.writeUInt32BE(crc, 16);
    this.next = (this.next + 1) >>> 0;
    return { header, crc };
  }
}

/** Cuts the bytes of one direction of a stream into records. */
export class RecordReader {
  private next = 0;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private headerLength = 0;
  /** The payload of a record that comes in several chunks. */
  private payload: Buffer | null = null;
  private payloadLength = 0;
  private ended = false;

  /** The records that `chunk` completes. @throws RecordError */
  *push(chunk: Buffer): Generator<WireRecord> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.ended) throw new RecordError(`${rest.length} bytes come behind the END record, number ${this.next - 1}`);
      if (this.headerLength < HEADER_BYTES) {
        const taken = rest.copy(this.header, this.headerLength, 0, HEADER_BYTES - this.headerLength);
        this.headerLength += taken;
        rest = rest.subarray(taken);
        if (this.headerLength < HEADER_BYTES) return;
        this.checkHeader();
      }
      const whole = this.gather(rest);
      rest = rest.subarray(whole.taken);
      if (whole.payload === null) return;
      yield this.finish(whole.payload);
    }
  }

  /** Nothing follows. @throws RecordError, unless an END record was the last */
  end(): void {
    if (this.headerLength > 0) {
      const missing = this.headerLength < HEADER_BYTES ? 'its header' : `its payload: ${this.payloadLength} of ${this.lengthSaid} bytes have come`;
      throw new RecordError(`the stream ends in record ${this.next}, in ${missing}`);
    }
    if (!this.ended) throw new RecordError(`the stream ends before record ${this.next}, without an END record`);
  }

  private get lengthSaid(): number {
    return this.header.readUInt32BE(8);
  }

  private checkHeader(): void {
    const { header, next } = this;
    const sum = header.readUInt32BE(12);
    const counted = crc32(header.subarray(0, 12));
    const type = header.readUInt8(1) as RecordType;
    const name = NAMES.get(type);
    if (header.readUInt8(0) !== RECORD_MAGIC) throw new RecordError(`record ${next} begins with byte 0x${hex(header.readUInt8(0), 2)}, not with 0x${hex(RECORD_MAGIC, 2)}: the other side does not speak this version, or bytes are lost`);
    if (sum !== counted) throw new RecordError(`record ${next} has a damaged header: its sum is ${hex(counted, 8)} and ${hex(sum, 8)} was sent`);
    if (header.readUInt32BE(4) !== next) throw new RecordError(`record ${next} is missing: number ${header.readUInt32BE(4)} came`);
    if (name === undefined) throw new RecordError(`record ${next} has type ${type}, which there is not: the other side is of another version`);
    if (this.lengthSaid > payloadMax(type)) throw new RecordError(`record ${next} (${name}) says it has ${this.lengthSaid} bytes: at most ${payloadMax(type)} are allowed`);
  }

  /** The payload, when it is complete, and how many bytes of `rest` belong to it. */
  private gather(rest: Buffer): { payload: Buffer | null; taken: number } {
    const length = this.lengthSaid;
    if (this.payload === null && rest.length >= length) return { payload: rest.subarray(0, length), taken: length };
    const payload = (this.payload ??= Buffer.allocUnsafe(length));
    const taken = rest.copy(payload, this.payloadLength, 0, length - this.payloadLength);
    this.payloadLength += taken;
    return { payload: this.payloadLength === length ? payload : null, taken };
  }

  private finish(payload: Buffer): WireRecord {
    const { header, next } = this;
    const type = header.readUInt8(1) as RecordType;
    const crc = header.readUInt32BE(16);
    const counted = crc32(payload, crc32(header.subarray(0, 16)));
    if (crc !== counted) throw new RecordError(`record ${next} (${recordName(type)}, ${payload.length} bytes) is damaged: its sum is ${hex(counted, 8)} and ${hex(crc, 8)} was sent`);
    this.headerLength = 0;
    this.payload = null;
    this.payloadLength = 0;
    this.next = (next + 1) >>> 0;
    this.ended = type === RECORD.END || type === RECORD.REFUSED;
    return { type, flags: header.readUInt16BE(2), number: next, payload, crc };
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
