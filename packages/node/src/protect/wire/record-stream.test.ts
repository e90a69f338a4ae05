/**
 * record-stream.test.ts — what two ends of a connection tell each other: in order, with back-pressure, and how it ends.
 */
import { Duplex, duplexPair } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { RECORD } from './record.js';
import { HIGH_WATER, RecordStream } from './record-stream.js';
import type { StreamEnd } from './record-stream.js';

interface End {
  readonly stream: RecordStream;
  readonly duplex: Duplex;
  readonly got: string[];
  readonly closed: Promise<StreamEnd>;
}

function endOf(duplex: Duplex): End {
  const stream = new RecordStream(duplex);
  const got: string[] = [];
  stream.onRecord = ({ type, payload }) => got.push(`${type} ${payload.toString('latin1')}`);
  const closed = new Promise<StreamEnd>((resolve) => (stream.onClose = resolve));
  onTestFinished(() => stream.destroy());
  return { stream, duplex, got, closed };
}

function pair(): [End, End] {
  const [a, b] = duplexPair();
  return [endOf(a), endOf(b)];
}

test('records arrive in order, are counted on both sides, and an END ends it in order', async () => {
  const [a, b] = pair();
  for (let i = 0; i < 20; i++) a.stream.send(RECORD.IMAGE, Buffer.from(`page ${i}`));
  a.stream.say(RECORD.ACK, { epoch: 4, keptMs: 1 });
  a.stream.end('it was asked for');
  expect(a.stream.open).toBe(false);
  expect(await b.closed).toEqual({ how: 'ended', reason: 'it was asked for' });
  expect(await a.closed).toEqual({ how: 'ended', reason: 'it was asked for' });
  expect(b.got).toEqual([...Array.from({ length: 20 }, (_, i) => `16 page ${i}`), '6 {"epoch":4,"keptMs":1}']);
  expect(b.stream.bytesIn).toBe(a.stream.bytesOut);
});

test('what is sent in one turn is one write', async () => {
  const writes: number[] = [];
  const duplex = new Duplex({ read: () => undefined, writev: (chunks, done) => (writes.push(chunks.length), done()) });
  const { stream } = endOf(duplex);
  for (let i = 0; i < 3; i++) stream.send(RECORD.IMAGE, Buffer.alloc(10));
  await new Promise(setImmediate);
  expect(writes).toEqual([6]);
});

test('a sender waits while the connection takes nothing, and goes on when it does', async () => {
  const taken: (() => void)[] = [];
  const { stream } = endOf(new Duplex({ read: () => undefined, writev: (_chunks, done) => void taken.push(done) }));
  let through = false;
  stream.send(RECORD.IMAGE, Buffer.alloc(HIGH_WATER));
  const waited = stream.drained().then(() => (through = true));
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  expect([through, stream.waiting >= HIGH_WATER]).toEqual([false, true]);
  taken.forEach((done) => done());
  await waited;
  expect(stream.waiting).toBe(0);
});

test('who waits for room is let go when the connection ends', async () => {
  const { stream, duplex, closed } = endOf(new Duplex({ read: () => undefined, writev: () => undefined }));
  stream.send(RECORD.IMAGE, Buffer.alloc(HIGH_WATER));
  const waited = stream.drained();
  duplex.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ETXTBSY' }));
  expect(await closed).toEqual({ how: 'broken', reason: 'Text file busy' });
  await waited;
  expect(stream.send(RECORD.IMAGE, Buffer.alloc(1))).toBe(0);
});

test('a record that the receiver refuses ends it, and both sides know why', async () => {
  const [a, b] = pair();
  b.stream.onRecord = () => {
    throw new Error('no pages today');
  };
  a.stream.send(RECORD.IMAGE, Buffer.from('x'));
  a.stream.send(RECORD.IMAGE, Buffer.from('y'));
  expect(await b.closed).toEqual({ how: 'broken', reason: 'no pages today' });
  expect(await a.closed).toEqual({ how: 'refused', reason: 'the other side refuses: no pages today' });
});

test('bytes that are no record end it, and both sides know why', async () => {
  const [c, d] = duplexPair();
  const b = endOf(d);
  const a = endOf(c);
  c.write('GET / HTTP/1.1\r\n\r\n....');
  expect((await b.closed).reason).toMatch(/^record 0 begins with byte 0x47/);
  expect((await a.closed).reason).toMatch(/^the other side refuses: record 0 begins with byte 0x47/);
});

test('a record that nobody expects ends it', async () => {
  const [c, d] = duplexPair();
  const stream = new RecordStream(d);
  const a = endOf(c);
  a.stream.say(RECORD.ACK, { epoch: 1, keptMs: 1 });
  expect((await a.closed).reason).toBe('the other side refuses: record 0 (ACK) is not expected here');
  stream.destroy();
});

test.each([
  [0, 'the stream ends before record 0, without an END record'],
  [15, 'the stream ends in record 0, in its header'],
  [25, 'the stream ends in record 0, in its payload: 5 of 10 bytes have come'],
])('a connection that ends after %i bytes is broken: %s', async (length, reason) => {
  const bytes: Buffer[] = [];
  const { stream } = endOf(new Duplex({ read: () => undefined, write: (chunk: Buffer, _encoding, done) => (bytes.push(chunk), done()) }));
  stream.send(RECORD.IMAGE, Buffer.alloc(10));
  await new Promise(setImmediate);
  const [c, d] = duplexPair();
  const b = endOf(d);
  c.end(Buffer.concat(bytes).subarray(0, length));
  expect(await b.closed).toEqual({ how: 'broken', reason });
  expect(b.got).toEqual([]);
});

test('after destroy nothing is told and nothing is received', async () => {
  const [a, b] = pair();
  let told = 0;
  a.stream.onClose = () => told++;
  b.stream.send(RECORD.IMAGE, Buffer.from('x'));
  a.stream.destroy();
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  expect([told, a.got, a.stream.open, a.duplex.destroyed]).toEqual([0, [], false, true]);
});

test('beats and bytes are heard by the watcher, and are no records', async () => {
  const [a, b] = pair();
  const heard: string[] = [];
  b.stream.watcher = { heard: () => heard.push('bytes'), beat: (payload) => heard.push(payload.toString()), closed: (reason) => heard.push(reason) };
  a.stream.say(RECORD.BEAT, { n: 1, at: 0 });
  a.stream.end('over');
  await b.closed;
  expect(heard.filter((word) => word !== 'bytes')).toEqual(['{"n":1,"at":0}', 'over']);
  expect(heard[0]).toBe('bytes');
  expect(b.got).toEqual([]);
});
