/**
 * uring-trains.test.ts — what becomes of an entry that frames join, and how long its vectors stay.
 */
import { expect, test } from 'vitest';
import { SQE_ADDRESS, SQE_LENGTH, SQE_OP, SQE_USER_DATA, SQE_WORDS } from '../../native/io-uring.js';
import type { Libc } from '../../tap/libc.js';
import { ONE_FRAME, QueuedTrain, UringTrains } from './uring-trains.js';
import { DATA, frameOf } from './test-tcp-frames.js';

/** Trains over entries of which each writes a frame at the address of its number times 65536; `vectors` are those that an entry leads to. */
function makeRig() {
  let memory: Int32Array = new Int32Array(0);
  const sqes = new Int32Array(8 * SQE_WORDS);
  const trains = new UringTrains({ address: (words: Int32Array) => ((memory = words), 0) } as unknown as Libc, sqes);
  const frame = (n: number) => {
    const bytes = frameOf({ ...DATA, id: n, seq: 1 + 1_000 * n });
    return { mem: { bytes, view: new DataView(bytes.buffer), address: (n + 1) * 65_536 }, len: bytes.length };
  };
  const queue = (to: QueuedTrain, entry: number, n: number): void => {
    const { mem, len } = frame(n);
    const sqe = entry * SQE_WORDS;
    sqes[sqe + SQE_ADDRESS] = mem.address;
    sqes[sqe + SQE_LENGTH] = len;
    sqes[sqe + SQE_USER_DATA + 1] = ONE_FRAME | len;
    trains.begin(to, sqe, mem, 0, len);
  };
  const join = (to: QueuedTrain, n: number): boolean => {
    const { mem, len } = frame(n);
    return trains.joins(to, mem, 0, len);
  };
  const vectors = (entry: number): [address: number, len: number][] => {
    const from = sqes[entry * SQE_WORDS + SQE_ADDRESS]! / 4;
    return Array.from({ length: sqes[entry * SQE_WORDS + SQE_LENGTH]! }, (_, i) => [memory[from + 4 * i]!, memory[from + 4 * i + 2]!]);
  };
  return { trains, sqes, queue, join, vectors };
}

const LEN = frameOf(DATA).length;
const FRONT = LEN - 1_000;

test('an entry that is joined writes the whole first frame and the payload of the others, and says how much that is', () => {
  const { sqes, queue, join, vectors } = makeRig();
  const to = new QueuedTrain();
  queue(to, 0, 0);
  expect([join(to, 1), join(to, 2)]).toEqual([true, true]);
  expect(sqes[SQE_OP]! & 0xff).toBe(2);
  expect(vectors(0)).toEqual([[65_536, LEN], [2 * 65_536 + FRONT, 1_000], [3 * 65_536 + FRONT, 1_000]]);
  expect(sqes[SQE_USER_DATA + 1]).toBe(3 * (ONE_FRAME + LEN));
});

test('what is handed over is joined no more', () => {
  const { trains, queue, join } = makeRig();
  const to = new QueuedTrain();
  queue(to, 0, 0);
  trains.end();
  expect(join(to, 1)).toBe(false);
});

test('vectors stay until the kernel has taken all entries, however often they were offered', () => {
  const { trains, queue, join, vectors } = makeRig();
  const [a, b] = [new QueuedTrain(), new QueuedTrain()];
  queue(a, 0, 0);
  join(a, 1);
  const before = vectors(0);
  trains.end();
  queue(b, 1, 4);
  join(b, 5);
  expect(vectors(0)).toEqual(before);
  trains.end();
  trains.taken();
  queue(b, 2, 6);
  join(b, 7);
  expect(vectors(2)[0]).toEqual([7 * 65_536, LEN]);
});
