/**
 * exec-protocol.test.ts — framing: any cut of the stream gives the same frames; what breaks the protocol is refused.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Frame } from './exec-protocol.js';
import { FRAME_MAX, FrameParser, FRAME_STDIN, ProtocolError, decodeSpawned, decodeStart, encodeExit, encodeFrame, encodeKill, encodeSpawn } from './exec-protocol.js';

const copy = (f: Frame): [number, string] => [f.type, f.payload.toString('latin1')];

test('any cut of the byte stream gives the same frames', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 40 }))), fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(([type, payload]) => encodeFrame(type, payload)));
      const parser = new FrameParser();
      const got: [number, string][] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const n = cuts[i % cuts.length] ?? 1;
        for (const f of parser.push(stream.subarray(at, at + n))) got.push(copy(f));
        at += n;
      }
      expect(parser.partial).toBe(false);
      expect(got).toEqual(frames.map(([type, payload]) => [type, Buffer.from(payload).toString('latin1')]));
    }),
  );
});

test('a frame longer than the limit is refused before its bytes arrive', () => {
  const head = Buffer.from([FRAME_STDIN, 0, 0, 0, 0]);
  head.writeUInt32BE(FRAME_MAX + 1, 1);
  expect(() => [...new FrameParser().push(head)]).toThrow(ProtocolError);
  head.writeUInt32BE(FRAME_MAX, 1);
  expect([...new FrameParser().push(head)]).toEqual([]);
});

test('layouts of the frames for the client', () => {
  expect(encodeExit(130, 'INT').toString('hex')).toBe('130000000482494e54');
  expect(encodeKill(7, 'KILL').toString('hex')).toBe('1500000008000000074b494c4c');
  expect(encodeSpawn(1, ['a', 'b c'], { K: 'v' }).toString('latin1')).toBe('\x14\0\0\0\x12\0\0\0\x01\0\0\0\x02a\0b c\0K=v\0');
});

test('a spawned frame carries an exit code or an errno name', () => {
  expect(decodeSpawned(Buffer.from('0000000100000002', 'hex'))).toEqual({ id: 1, exitCode: 2, error: '' });
  expect(decodeSpawned(Buffer.concat([Buffer.alloc(8), Buffer.from('ENOENT')]))).toEqual({ id: 0, exitCode: 0, error: 'ENOENT' });
  expect(() => decodeSpawned(Buffer.alloc(7))).toThrow(ProtocolError);
});

test.each([
  ['{', 'not JSON'],
  ['null', 'not a JSON object'],
  ['{}', 'argv'],
  ['{"argv":[]}', 'argv'],
  ['{"argv":[1]}', 'argv'],
  ['{"argv":["x"],"cwd":"rel"}', 'cwd'],
  ['{"argv":["x"],"env":{"A":1}}', 'env'],
  ['{"argv":["x"],"tty":1}', 'tty'],
  ['{"argv":["x"],"columns":-1}', 'columns'],
  ['{"argv":["x"],"ignored":"INT"}', 'ignored'],
])('start frame %s is refused, naming %s', (text, word) => {
  expect(() => decodeStart(Buffer.from(text))).toThrow(word);
});

test('what a start frame leaves out has defaults', () => {
  expect(decodeStart(Buffer.from('{"argv":["ping"]}'))).toEqual({ argv: ['ping'], cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] });
});
