/**
 * device-delta.ts — DeviceEncoder and DeviceDecoder: a device state as the difference to the one before it.
 * Read first: ../checkpoint.ts.
 *
 *     u32  bytes of the state
 *     u32  CRC-32 of the state
 *     u32  where it has grown or shrunk
 *          then for each run of bytes that are different
 *     LEB128 bytes to skip, LEB128 how many, and these
 *
 * Theory of operation. Both sides remember the last state, none in the beginning. Of some hundred kilobytes some dozen are different each time. A list in the state that gets an entry more moves all that follows, so when the
 * length is another one, what is behind a certain place is compared with what lay behind it before; that place is chosen where the fewest bytes are different. Zeros are where the last state has nothing.
 *
 * Invariant: a decoder answers what the encoder was given or throws. When a difference has been lost, the checksum says so, and both begin anew.
 */
import { crc32 } from 'node:zlib';

/** A state is not longer; QEMU's have some hundred kilobytes. */
export const DEVICE_BYTES_MAX = 64 * 2 ** 20;
const HEAD_BYTES = 12;
/** Equal bytes between different ones that are not worth another run. */
const GAP = 3;
/** Bytes that are looked at at once. */
const BLOCK = 512;

export class DeviceEncoder {
  private last: Buffer = Buffer.alloc(0);

  /** The difference of `device` to the state before. @throws RangeError: it is too long. */
  encode(device: Uint8Array): Uint8Array {
    if (device.length > DEVICE_BYTES_MAX) throw new RangeError(`a device state of ${device.length} bytes; ${DEVICE_BYTES_MAX} at most can be protected`);
    const state = Buffer.from(device);
    const place = changedLengthAt(this.last, state);
    const base = shifted(this.last, state.length, place);
    const out = new RunWriter();
    out.head(state.length, crc32(state), place);
    writeRuns(base, state, out);
    this.last = state;
    return out.bytes();
  }
}

export class DeviceDecoder {
  private last: Buffer = Buffer.alloc(0);

  /** The state. The decoder's: not to be changed. @throws Error, one line: it is not the difference to the state before. */
  decode(bytes: Uint8Array): Uint8Array {
    if (bytes.length < HEAD_BYTES) throw malformed(`${bytes.length} bytes are less than its head`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const length = view.getUint32(0);
    const place = view.getUint32(8);
    if (length > DEVICE_BYTES_MAX) throw malformed(`${length} bytes of state; ${DEVICE_BYTES_MAX} at most are taken`);
    if (place > length) throw malformed(`it has grown at ${place}, and has ${length} bytes`);
    const state = shifted(this.last, length, place);
    readRuns(bytes, state);
    if (crc32(state) !== view.getUint32(4)) throw malformed('its checksum is wrong: the two sides have come apart, and begin anew');
    this.last = state;
    return state;
  }
}

/** `last` with another length: bytes of it are put in or taken out at `place`. */
function shifted(last: Buffer, length: number, place: number): Buffer {
  const base = Buffer.alloc(length);
  last.copy(base, 0, 0, Math.min(place, last.length));
  const by = length - last.length;
  // Bytes that come from before the first are zeros.
  const from = Math.max(place, by);
  if (from < length) last.copy(base, from, from - by);
  return base;
}

/** The place that leaves the fewest bytes different. */
function changedLengthAt(last: Buffer, state: Buffer): number {
  const by = state.length - last.length;
  if (by === 0) return state.length;
  // Moving the place over a byte has it compared with what lay there before instead of with what lay `by` before that.
  let best = 0;
  let least = 0;
  let different = 0;
  for (let i = 0; i < state.length; i++) {
    const byte = state[i]!;
    if (byte !== (i < last.length ? last[i]! : 0)) different++;
    if (byte !== (i >= by ? last[i - by]! : 0)) different--;
    if (different < least) {
      least = different;
      best = i + 1;
    }
  }
  return best;
}

function writeRuns(base: Buffer, state: Buffer, out: RunWriter): void {
  let written = 0;
  let from = -1;
  let to = 0;
  const close = (): void => {
    if (from >= 0) out.run(from - written, state.subarray(from, to));
    written = to;
    from = -1;
  };
  for (let block = 0; block < state.length; block += BLOCK) {
    const end = Math.min(block + BLOCK, state.length);
    if (state.compare(base, block, end, block, end) === 0) continue;
    for (let i = block; i < end; i++) {
      if (state[i] === base[i]) continue;
      if (from >= 0 && i - to > GAP) close();
      if (from < 0) from = i;
      to = i + 1;
    }
  }
  close();
}

/** Puts the runs into `state`. */
function readRuns(bytes: Uint8Array, state: Buffer): void {
  const at = { next: HEAD_BYTES };
  let place = 0;
  while (at.next < bytes.length) {
    place += readNumber(bytes, at);
    const length = readNumber(bytes, at);
    if (place + length > state.length || at.next + length > bytes.length) throw malformed(`${length} bytes at ${place} do not fit into a state of ${state.length} bytes`);
    state.set(bytes.subarray(at.next, at.next + length), place);
    at.next += length;
    place += length;
  }
}

function readNumber(bytes: Uint8Array, at: { next: number }): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = bytes[at.next++];
    if (byte === undefined) throw malformed('it ends within a number');
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw malformed('it has a number that is too long');
}

class RunWriter {
  private readonly parts: Uint8Array[] = [];

  head(length: number, crc: number, place: number): void {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(length, 0);
    head.writeUInt32BE(crc, 4);
    head.writeUInt32BE(place, 8);
    this.parts.push(head);
  }

  run(skip: number, bytes: Uint8Array): void {
    this.parts.push(Uint8Array.from([...numberBytes(skip), ...numberBytes(bytes.length)]), bytes);
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

function numberBytes(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  bytes.push(value);
  return bytes;
}

function malformed(why: string): Error {
  return new Error(`the difference of a device state is malformed: ${why}`);
}
