/**
 * frame-train.test.ts — what joins a train, and that whoever cuts it has the frames that it was made of, bit by bit.
 */
import { Prng } from '@netloom/core';
import { IP4_ID, IP4_SUM, IP_DF, TH_ACK, TH_CWR, TH_ECE, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TH_URG } from '@netloom/core/wire';
import { describe, expect, test } from 'vitest';
import { FrameTrain, TRAIN_FRAMES_MAX } from './frame-train.js';
import { cut, DATA, frameOf } from './test-tcp-frames.js';
import type { TcpFrame } from './test-tcp-frames.js';

/** What is written for these frames, by the rules of FrameTrain alone: one train after the other. */
function written(frames: readonly Uint8Array[]): Uint8Array[] {
  const train = new FrameTrain();
  const parts: Uint8Array[][] = [];
  for (const frame of frames.map((bytes) => bytes.slice())) {
    const view = new DataView(frame.buffer);
    if (train.open && train.joins(view, 0, frame.length)) {
      parts.at(-1)!.push(frame.subarray(train.front));
      continue;
    }
    train.finish();
    train.begins(view, 0, frame.length);
    parts.push([frame]);
  }
  train.finish();
  return parts.map((list) => new Uint8Array(Buffer.concat(list)));
}

const lengths = (...frames: TcpFrame[]): number[] => written(frames.map(frameOf)).map((frame) => frame.length);
const next = (f: TcpFrame, change: Partial<TcpFrame> = {}): TcpFrame => ({ ...f, id: (f.id + 1) & 0xffff, seq: (f.seq + f.size) >>> 0, ...change });
const FRONT = frameOf({ ...DATA, size: 0 }).length;
const FRONT6 = frameOf({ ...DATA, family: 6, size: 0 }).length;

describe('FrameTrain', () => {
  test('1:1001, 1001:2001, 2001:3001 leave as 1:3001', () => {
    const second = next(DATA);
    expect(lengths(DATA, second, next(second))).toEqual([FRONT + 3_000]);
  });

  test('of IPv6, too', () => {
    const first = { ...DATA, family: 6 as const };
    expect(lengths(first, next(first))).toEqual([FRONT6 + 2_000]);
  });

  test.each<[string, Partial<TcpFrame>]>([
    ['a gap', { seq: 1_002 }], ['a repetition', { seq: 1 }], ['another acknowledgement', { ack: 2 }], ['another window', { win: 501 }], ['another timestamp', { stamp: 8 }], ['no data', { size: 0 }],
    ['more data', { size: 1_001 }], ['another connection', { dst: 3 }], ['another TTL', { ttl: 63 }], ['another class', { tos: 1 }], ['an urgent pointer', { urp: 1 }], ['SYN', { flags: TH_ACK | TH_SYN }],
    ['FIN', { flags: TH_ACK | TH_FIN }], ['RST', { flags: TH_ACK | TH_RST }], ['URG', { flags: TH_ACK | TH_URG }], ['ECE', { flags: TH_ACK | TH_ECE }], ['CWR', { flags: TH_ACK | TH_CWR }],
    ['bytes behind it', { padding: 4 }], ['a checksum', { undone: false }], ['permission to be fragmented', { off: 0 }], ['a fragment', { off: IP_DF | 1 }], ['the other family', { family: 6 }],
  ])('a frame with %s does not join, and may begin a train of its own', (_what, change) => {
    const second = frameOf(next(DATA, change));
    const frames = [frameOf(DATA), second];
    expect(written(frames)).toEqual(frames);
  });

  test('a shorter one is the last, and so is one with PSH, which the train then has', () => {
    const short = next(DATA, { size: 10 });
    expect(lengths(DATA, short, next(short))).toEqual([FRONT + 1_010, FRONT + 10]);
    const pushed = next(DATA, { flags: TH_ACK | TH_PUSH });
    const frames = [DATA, pushed, next(pushed)].map(frameOf);
    const out = written(frames);
    expect(out.map((frame) => frame.length)).toEqual([FRONT + 2_000, FRONT + 1_000]);
    expect(out.flatMap(cut)).toEqual(frames.flatMap(cut));
  });

  test('nothing joins one that has PSH itself', () => {
    const first = { ...DATA, flags: TH_ACK | TH_PUSH };
    expect(lengths(first, next(first, { flags: TH_ACK }))).toEqual([FRONT + 1_000, FRONT + 1_000]);
  });

  test('identifications follow each other where fragmenting is allowed, and may be any where it is not', () => {
    const first = { ...DATA, off: 0, id: 0xffff };
    expect(lengths(first, next(first, { id: 0 }))).toEqual([FRONT + 2_000]);
    expect(lengths(first, next(first, { id: 1 }))).toEqual([FRONT + 1_000, FRONT + 1_000]);
    expect(lengths(DATA, next(DATA, { id: DATA.id }))).toEqual([FRONT + 2_000]);
  });

  test('it ends at 65,535 bytes, and at so many frames', () => {
    const of = (n: number, size: number): TcpFrame[] => {
      const list = [{ ...DATA, size }];
      while (list.length < n) list.push(next(list.at(-1)!));
      return list;
    };
    expect(lengths(...of(60, 1_448)).map((len) => (len - FRONT) / 1_448)).toEqual([45, 15]);
    expect(lengths(...of(60, 100)).map((len) => (len - FRONT) / 100)).toEqual([TRAIN_FRAMES_MAX, 60 - TRAIN_FRAMES_MAX]);
  });

  test('sequence numbers go round', () => {
    const first = { ...DATA, seq: 0xffff_ff00 };
    expect(lengths(first, next(first))).toEqual([FRONT + 2_000]);
  });

  test('too short, or not what they say they are: such frames are left alone', () => {
    const frame = frameOf(DATA);
    for (const len of [0, 10, 24, 50, 60, FRONT - 1, FRONT]) expect(new FrameTrain().begins(new DataView(frame.buffer), 0, len)).toBe(false);
    const lies = frame.slice();
    lies[6] = 12;
    expect(new FrameTrain().begins(new DataView(lies.buffer), 0, lies.length)).toBe(false);
    const long = frame.slice();
    long[10 + 14 + 20 + 12] = 0xf0;
    expect(new FrameTrain().begins(new DataView(long.buffer), 0, FRONT + 10)).toBe(false);
  });

  test('whatever comes, cutting gives it back (1,000 runs)', () => {
    const seed = Number(process.env.NETLOOM_SEED ?? 1);
    let joined = 0;
    for (let run = 0; run < 1_000; run++) {
      const rng = new Prng(seed + run);
      const frames = flow(rng).map(frameOf);
      const out = written(frames);
      joined += frames.length - out.length;
      expect(onWire(out), `NETLOOM_SEED=${seed + run}`).toEqual(onWire(frames));
    }
    expect(joined).toBeGreaterThan(2_500);
  });
});

/** A flow in which most frames follow each other, and some differ in something. */
function flow(rng: Prng): TcpFrame[] {
  const pick = <T>(...list: T[]): T => list[rng.u32() % list.length]!;
  const start: TcpFrame = { ...DATA, family: pick(4, 6), off: pick(0, IP_DF), size: pick(1, 7, 536, 1_448), seq: rng.u32(), id: rng.u32() & 0xffff };
  const list = [start];
  while (list.length < 20) {
    const f = next(list.at(-1)!);
    const change: Partial<TcpFrame> = rng.u32() % 4 !== 0 ? {} : pick<Partial<TcpFrame>>(
      { size: 1 + (rng.u32() % 1_448) }, { size: 0 }, { flags: TH_ACK | TH_PUSH }, { flags: TH_ACK }, { flags: TH_ACK | TH_FIN }, { ack: rng.u32() }, { win: rng.u32() & 0xffff }, { stamp: rng.u32() }, { seq: rng.u32() },
      { id: rng.u32() & 0xffff }, { tos: 3 }, { ttl: 1 + (rng.u32() & 0x7f) }, { undone: false }, { padding: 2 }, { dst: 3 }, { size: start.size },
    );
    // A mark, a FIN or padding is of one frame, not of all behind it.
    const { tos, padding, undone } = start;
    list.push({ ...f, tos, padding, undone, flags: f.flags & TH_FIN ? TH_ACK : f.flags, size: f.size === 0 ? start.size : f.size, ...change });
  }
  return list;
}

/** What goes over the wire, as text that compares quickly. */
const onWire = (frames: readonly Uint8Array[]): string[] => frames.flatMap(cut).map((frame) => Buffer.from(withoutIds(frame)).toString('latin1'));

/** Without identification, and the checksum that it is part of, where fragmenting is forbidden. */
function withoutIds(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset);
  if (view.getUint8(14) !== 0x45 || (view.getUint16(20) & IP_DF) === 0) return frame;
  const out = frame.slice();
  for (const at of [IP4_ID, IP4_SUM]) out.fill(0, 14 + at, 14 + at + 2);
  return out;
}
