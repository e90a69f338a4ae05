/**
 * capture-replay.ts — frames out of a capture file, pcapng or pcap, at once or in their original time.
 * Read first: packages/core/src/wire/capture.ts for what a file holds.
 *
 * Theory of operation. The file is read in the chunks its stream gives, and every frame that a chunk completes is handed over before the next
 * chunk is asked for, so a receiver that waits (`deliver` answers a promise) holds up the reading.
 * Without a clock frames come as fast as they are taken. With one, the first frame comes at once and every other when its distance from
 * the first has passed, divided by `speed`. A frame stamped before its predecessor, or not at all, comes right after it.
 *
 * Invariants: frames keep the file's order. One chunk's frames are held at most. No clock is read but the one given.
 * Not here: stdin (`-` is the caller's affair: a CaptureSource of `process.stdin`), where the frames go.
 */
import { createReadStream } from 'node:fs';
import { captureDecoder, LINKTYPE_ETHERNET } from '@netloom/core/wire';
import type { CaptureDecoder, CaptureItem, CapturePacket } from '@netloom/core/wire';

/** A capture file that cannot be read on; what came before the damage has been handed over. */
export class CaptureFileError extends Error {
  /** Where the damage is, in bytes from the start. */
  readonly offset: number;

  constructor(file: string, message: string, offset: number) {
    super(`${file}: ${message} (at byte ${offset})`);
    this.name = 'CaptureFileError';
    this.offset = offset;
  }
}

/** Bytes of a capture file: a path, or a stream that the caller has opened and names. */
export type CaptureSource = string | { readonly name: string; readonly chunks: AsyncIterable<Uint8Array> };

/** Time for a replay, in microseconds from anywhere. */
export interface ReplayClock {
  now(): number;
  /** Resolves at `timeUs`, or as soon as `signal` aborts. */
  sleepUntil(timeUs: number, signal: AbortSignal | null): Promise<void>;
}

export interface ReplayOptions {
  /** Takes a frame; the next one waits for the promise, if it answers one. The bytes are the receiver's to keep. */
  readonly deliver: (packet: CapturePacket) => void | Promise<void>;
  /** Frames come in their original time by this clock; absent, as fast as they are taken. */
  readonly clock?: ReplayClock;
  /** How many times faster than the original; default 1. */
  readonly speed?: number;
  /** Frames of this link type are replayed, others skipped. Default LINKTYPE_ETHERNET. */
  readonly linktype?: number;
  /** Ends the replay between two frames; the promise resolves with what was done until then. */
  readonly signal?: AbortSignal;
}

export interface ReplayResult {
  /** Frames handed over, and their bytes. */
  readonly packets: number;
  readonly octets: number;
  /** Of these, frames that the file holds only the beginning of. */
  readonly truncated: number;
  /** Frames of another link type. */
  readonly skipped: number;
}

/**
 * Everything in a capture file, in batches of what each chunk completed.
 * @throws CaptureFileError where the file is damaged or of another kind; the system's error when it cannot be read.
 */
export async function* readCapture(source: CaptureSource): AsyncGenerator<readonly CaptureItem[], void, undefined> {
  const file = typeof source === 'string' ? source : source.name;
  const chunks = typeof source === 'string' ? (createReadStream(source) as AsyncIterable<Uint8Array>) : source.chunks;
  let decoder: CaptureDecoder | null = null;
  /** Bytes before there are enough of them to tell the format. */
  let start: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    if (decoder === null) {
      start = joined(start, chunk);
      if (start.length < 4) continue;
      decoder = captureDecoder(start);
      if (decoder === null) throw new CaptureFileError(file, 'this is neither a pcapng nor a pcap file', 0);
      decoder.push(start);
    } else {
      decoder.push(chunk);
    }
    yield* complete(decoder, file);
  }
  if (decoder === null) throw new CaptureFileError(file, start.length === 0 ? 'the file is empty' : 'the file ends inside its first word', start.length);
  const fault = decoder.end();
  if (fault !== null) throw new CaptureFileError(file, fault.message, fault.offset);
}

/** What the decoder has, as one batch; then its fault, thrown. */
function* complete(decoder: CaptureDecoder, file: string): Generator<readonly CaptureItem[], void, undefined> {
  const items: CaptureItem[] = [];
  let item = decoder.next();
  for (; item !== null && item.kind !== 'fault'; item = decoder.next()) items.push(item);
  if (items.length > 0) yield items;
  if (item !== null) throw new CaptureFileError(file, item.message, item.offset);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Replays a capture file to its end. @throws as `readCapture`, and what `deliver` throws; RangeError for a bad speed. */
export async function replay(source: CaptureSource, options: ReplayOptions): Promise<ReplayResult> {
  const { deliver, clock = null, speed = 1, linktype = LINKTYPE_ETHERNET, signal = null } = options;
  if (!(speed > 0 && Number.isFinite(speed))) throw new RangeError(`replay speed ${speed} is not a positive number`);
  const result = { packets: 0, octets: 0, truncated: 0, skipped: 0 };
  const pace = clock === null ? null : new Pace(clock, speed, signal);
  for await (const items of readCapture(source)) {
    for (const item of items) {
      if (item.kind !== 'packet') continue;
      if (item.linktype !== linktype) {
        result.skipped++;
        continue;
      }
      if (pace !== null) await pace.due(item.timeUs);
      if (signal?.aborted === true) return result;
      const taken = deliver(item);
      if (taken !== undefined) await taken;
      result.packets++;
      result.octets += item.bytes.length;
      if (item.bytes.length < item.wireLen) result.truncated++;
    }
  }
  return result;
}

/** Turns the file's stamps into waits on a clock. */
class Pace {
  private readonly clock: ReplayClock;
  private readonly speed: number;
  private readonly signal: AbortSignal | null;
  /** Stamp of the first frame that has one, and the clock's time then. */
  private firstUs = -1;
  private startUs = 0;

  constructor(clock: ReplayClock, speed: number, signal: AbortSignal | null) {
    this.clock = clock;
    this.speed = speed;
    this.signal = signal;
  }

  /** Waits until a frame stamped `timeUs` is due. */
  async due(timeUs: number): Promise<void> {
    if (timeUs < 0) return;
    if (this.firstUs < 0) {
      this.firstUs = timeUs;
      this.startUs = this.clock.now();
      return;
    }
    const at = this.startUs + (timeUs - this.firstUs) / this.speed;
    if (at > this.clock.now() && this.signal?.aborted !== true) await this.clock.sleepUntil(at, this.signal);
  }
}
