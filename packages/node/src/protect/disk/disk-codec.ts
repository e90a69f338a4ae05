/**
 * disk-codec.ts — what is written to a disk as bytes: records for a connection to a backup.
 * Read first: held-epoch.ts (DiskWrites); RFC 1951.
 *
 *     record   u8 flags (1: the body is deflated, 2: the guest flushed), body
 *     body     items: u8 kind, u48 offset, u48 length, and for kind 1 so many bytes
 *              kind 0: zeros.  kind 1: data
 *
 * Numbers are big-endian. A body has at most BODY_BYTES_MAX, so the writes of an epoch are one record or many; they are to be applied in order. Zeros come before data, each kind is
 * ascending and does not overlap: whatever is not so is refused, as are items that are not on the disk, and bodies that inflate to more than there can be.
 */
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { RUN_BYTES_MAX } from './held-epoch.js';
import type { DiskBytes, DiskWrites, DiskZeros } from './held-epoch.js';

const ITEM_BYTES = 13;
/** A run of a held epoch, and many small items, fit. */
export const BODY_BYTES_MAX = RUN_BYTES_MAX + 65_536;
/** No record is longer. */
export const RECORD_BYTES_MAX = 1 + BODY_BYTES_MAX;
const DEFLATED = 1;
const FLUSHED = 2;
const KIND_ZEROS = 0;
const KIND_DATA = 1;
/** Data is not cut smaller to fill a record. */
const CUT_BYTES_MIN = 4096;

const deflate = promisify<Uint8Array, { level: number }, Buffer>(deflateRaw);
const inflate = promisify<Uint8Array, { maxOutputLength: number; finishFlush: number }, Buffer>(inflateRaw);

/** A record that nobody of us made. */
export class DiskCodecError extends Error {
  override readonly name = 'DiskCodecError';
}

/** The records of `writes`: none when there is nothing to say. With `pack` a body is deflated where that makes it shorter. */
export async function* encodeDiskWrites(writes: DiskWrites, pack: boolean): AsyncGenerator<Uint8Array, void, undefined> {
  let flags = writes.flushed ? FLUSHED : 0;
  for (const body of bodies(writes)) {
    yield await record(flags, body, pack);
    flags = 0;
  }
  if (flags !== 0) yield await record(flags, [], false);
}

/** What a record says, of a disk of `diskBytes`. Its bytes may be a part of `bytes`. @throws DiskCodecError */
export async function decodeDiskWrites(bytes: Uint8Array, diskBytes: number): Promise<DiskWrites> {
  const flags = bytes[0] ?? 0xff;
  if ((flags & ~(DEFLATED | FLUSHED)) !== 0 || bytes.length > RECORD_BYTES_MAX) throw new DiskCodecError('a record of a disk has no such beginning or length');
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1);
  const { zeros, data } = items((flags & DEFLATED) === 0 ? body : await inflated(body), diskBytes);
  return { zeros, data, flushed: (flags & FLUSHED) !== 0 };
}

async function record(flags: number, body: readonly Uint8Array[], pack: boolean): Promise<Uint8Array> {
  const plain = Buffer.concat([Uint8Array.of(flags), ...body]);
  if (!pack) return plain;
  const packed = await deflate(plain.subarray(1), { level: 1 });
  return packed.length < plain.length - 1 ? Buffer.concat([Uint8Array.of(flags | DEFLATED), packed]) : plain;
}

/** Items put together to bodies that are not too long. */
function* bodies({ zeros, data }: DiskWrites): Generator<Uint8Array[]> {
  let body: Uint8Array[] = [];
  let room = BODY_BYTES_MAX;
  const full = (): Uint8Array[] => {
    const done = body;
    body = [];
    room = BODY_BYTES_MAX;
    return done;
  };
  for (const { offset, length } of zeros) {
    if (room < ITEM_BYTES) yield full();
    body.push(head(KIND_ZEROS, offset, length));
    room -= ITEM_BYTES;
  }
  for (const { offset, bytes } of data) {
    for (let at = 0; at < bytes.length;) {
      const left = bytes.length - at;
      if (room < ITEM_BYTES + Math.min(left, CUT_BYTES_MIN)) yield full();
      const length = Math.min(left, room - ITEM_BYTES);
      body.push(head(KIND_DATA, offset + at, length), bytes.subarray(at, at + length));
      room -= ITEM_BYTES + length;
      at += length;
    }
  }
  if (body.length > 0) yield body;
}

function head(kind: number, offset: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(ITEM_BYTES);
  bytes[0] = kind;
  bytes.writeUIntBE(offset, 1, 6);
  bytes.writeUIntBE(length, 7, 6);
  return bytes;
}

async function inflated(body: Uint8Array): Promise<Buffer> {
  try {
    return await inflate(body, { maxOutputLength: BODY_BYTES_MAX, finishFlush: constants.Z_FINISH });
  } catch (cause) {
    throw new DiskCodecError('the body of a record of a disk does not inflate', { cause });
  }
}

function items(body: Buffer, diskBytes: number): { readonly zeros: DiskZeros[]; readonly data: DiskBytes[] } {
  const zeros: DiskZeros[] = [];
  const data: DiskBytes[] = [];
  let kindBefore = KIND_ZEROS;
  let end = 0;
  for (let at = 0; at < body.length;) {
    if (body.length - at < ITEM_BYTES) throw new DiskCodecError('a record of a disk is cut off');
    const kind = body.readUInt8(at);
    const offset = body.readUIntBE(at + 1, 6);
    const length = body.readUIntBE(at + 7, 6);
    at += ITEM_BYTES;
    if (kind > KIND_DATA || kind < kindBefore) throw new DiskCodecError(`a record of a disk has an item of kind ${kind} behind one of kind ${kindBefore}`);
    if (kind !== kindBefore) end = 0;
    if (length === 0 || offset < end || offset + length > diskBytes) throw new DiskCodecError(`a record of a disk has ${length} bytes at ${offset}: out of order, or not on a disk of ${diskBytes}`);
    kindBefore = kind;
    end = offset + length;
    if (kind === KIND_ZEROS) {
      zeros.push({ offset, length });
      continue;
    }
    if (body.length - at < length) throw new DiskCodecError('a record of a disk is cut off');
    data.push({ offset, bytes: body.subarray(at, at + length) });
    at += length;
  }
  return { zeros, data };
}
