/**
 * frame-reader.test.ts — frames out of a stream, whatever chunks it comes in.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { framed } from '../../test/stream-peer.js';
import { FrameReader, STREAM_FRAME_MAX } from './frame-reader.js';

/** Reads `chunks`; the frames, and what `push` answered last. */
function read(chunks: readonly Uint8Array[]): { frames: string[]; answer: number; pending: number } {
  const reader = new FrameReader();
  const frames: string[] = [];
  let answer = 0;
  for (const chunk of chunks) {
    if (answer === 0) answer = reader.push(chunk, { frame: (bytes, off, len) => void frames.push(Buffer.from(bytes.subarray(off, off + len)).toString('hex')) });
  }
  return { frames, answer, pending: reader.pending };
}

test('every way of cutting a stream gives the same frames', () => {
  const frame = fc.uint8Array({ maxLength: 40 });
  fc.assert(fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(600), { maxLength: 30 }), (frames, cuts) => {
    const stream = framed(...frames);
    const at = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
    const chunks = at.slice(1).map((end, i) => stream.subarray(at[i], end));
    expect(read(chunks)).toEqual({ frames: frames.map((f) => Buffer.from(f).toString('hex')), answer: 0, pending: 0 });
  }));
});

test('a byte at a time, and the longest frame', () => {
  const longest = Buffer.alloc(STREAM_FRAME_MAX, 7);
  const stream = framed(Buffer.from('one'), longest, Buffer.from('three'));
  const { frames } = read([...stream].map((byte) => Uint8Array.of(byte)));
  expect(frames).toEqual(['one', longest, 'three'].map((f) => Buffer.from(f).toString('hex')));
});

test('a frame that is not whole is kept', () => {
  expect(read([framed(Buffer.from('whole'), Buffer.from('cut')).subarray(0, 14)])).toEqual({ frames: [Buffer.from('whole').toString('hex')], answer: 0, pending: 5 });
});

test('a length that no frame has ends it, wherever the stream was cut', () => {
  const wrong = Buffer.concat([framed(Buffer.from('good')), Buffer.from([0, 1, 0x10, 1]), Buffer.from('what follows is not read')]);
  expect(STREAM_FRAME_MAX).toBe(0x11000);
  for (let cut = 0; cut < wrong.length; cut++) expect(read([wrong.subarray(0, cut), wrong.subarray(cut)])).toMatchObject({ frames: [Buffer.from('good').toString('hex')] });
  const far = Buffer.concat([framed(Buffer.from('good')), Buffer.from('HTTP/1.1 200 OK')]);
  for (let cut = 0; cut < far.length; cut++) expect(read([far.subarray(0, cut), far.subarray(cut)])).toMatchObject({ frames: [Buffer.from('good').toString('hex')], answer: 0x48545450 });
});
