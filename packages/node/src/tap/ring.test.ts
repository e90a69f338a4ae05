/**
 * ring.test.ts — the ring against a plain queue, and two real threads racing to put each other to sleep.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { RECORD_HEADER, RING_CTL_WORDS, RingConsumer, RingProducer } from './ring.js';

/** Records that cross in the race. */
const RECORDS = 100_000;

function makeRing(size: number): { ctl: Int32Array; producer: RingProducer; consumer: RingConsumer } {
  const ctl = new Int32Array(new SharedArrayBuffer(RING_CTL_WORDS * 4));
  const bytes = new Uint8Array(size);
  return { ctl, producer: new RingProducer(ctl, bytes), consumer: new RingConsumer(ctl, bytes) };
}

/** Puts a record of `length` bytes, all of value `mark`; false when there is no room. */
function put(producer: RingProducer, reserve: number, length: number, mark: number): boolean {
  const at = producer.reserve(reserve);
  if (at < 0) return false;
  producer.bytes.fill(mark, at, at + length);
  producer.commit(length);
  return true;
}

type Op = { kind: 'put'; reserve: number; length: number } | { kind: 'publish' } | { kind: 'uncommit' } | { kind: 'take'; limit: number; unread: boolean };

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), reserve: fc.integer({ min: 0, max: 120 }), length: fc.integer({ min: 0, max: 120 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('publish' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('uncommit' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), limit: fc.integer({ min: 0, max: 8 }), unread: fc.boolean() }) },
);

/** A queue that does what the ring should; the ring may refuse for want of room, never when it is empty. */
class Model {
  readonly ring = makeRing(256);
  private readonly published: { length: number; mark: number }[] = [];
  private pending: { length: number; mark: number }[] = [];
  private marks = 0;
  private mayUncommit = false;

  apply(op: Op): void {
    const { producer, consumer } = this.ring;
    switch (op.kind) {
      case 'put': {
        const length = Math.min(op.length, op.reserve);
        const mark = ++this.marks & 0xff;
        const done = put(producer, op.reserve, length, mark);
        if (done) this.pending.push({ length, mark });
        else expect(this.published.length + this.pending.length).toBeGreaterThan(0);
        this.mayUncommit = done;
        break;
      }
      case 'publish':
        producer.publish();
        this.published.push(...this.pending);
        this.pending = [];
        this.mayUncommit = false;
        break;
      case 'uncommit':
        if (this.mayUncommit) {
          producer.uncommit();
          this.pending.pop();
          this.mayUncommit = false;
        }
        break;
      case 'take':
        this.take(consumer, op.limit, op.unread);
    }
    expect(producer.pending).toBe(this.pending.length);
  }

  private take(consumer: RingConsumer, limit: number, unread: boolean): void {
    consumer.acquire();
    let taken = 0;
    while (taken < limit && consumer.next()) {
      const want = this.published.shift()!;
      expect(consumer.length).toBe(want.length);
      for (let i = 0; i < want.length; i++) expect(consumer.bytes[consumer.off + i]).toBe(want.mark);
      if (unread) {
        consumer.unread();
        this.published.unshift(want);
        break;
      }
      taken++;
    }
    consumer.release();
  }

  /** Nothing is left behind and nothing comes twice. */
  drain(): void {
    this.apply({ kind: 'publish' });
    for (let i = 0; i < 4; i++) this.take(this.ring.consumer, 1_000, false);
    expect(this.published).toEqual([]);
    expect(this.ring.consumer.acquire()).toBe(false);
  }
}

describe('ring', () => {
  test('is a queue, whatever the order of puts, publications, withdrawals and takes', () => {
    fc.assert(
      fc.property(fc.array(opArbitrary, { maxLength: 200 }), (ops) => {
        const model = new Model();
        for (const op of ops) model.apply(op);
        model.drain();
      }),
      { numRuns: 300 },
    );
  });

  test('shows nothing before it is published, and all of it then', () => {
    const { producer, consumer } = makeRing(256);
    put(producer, 8, 8, 1);
    put(producer, 8, 3, 2);
    expect(consumer.acquire()).toBe(false);
    producer.publish();
    expect(consumer.acquire()).toBe(true);
    const lengths = [];
    while (consumer.next()) lengths.push(consumer.length);
    expect(lengths).toEqual([8, 3]);
  });

  test('takes the longest record in any place of the lap when it is empty', () => {
    const { producer, consumer } = makeRing(256);
    for (let i = 0; i < 100; i++) {
      expect(put(producer, 1 + (i % 40), 1 + (i % 40), 1)).toBe(true);
      producer.publish();
      expect(consumer.acquire()).toBe(true);
      while (consumer.next());
      consumer.release();
      expect(producer.reserve(producer.maxPayload)).toBeGreaterThanOrEqual(RECORD_HEADER);
    }
  });

  test('survives the wrap of its 32-bit cursors', () => {
    const { ctl } = makeRing(256);
    ctl.fill(0x7fff_ff80, 0, 1);
    ctl.fill(0x7fff_ff80, 32, 33);
    const bytes = new Uint8Array(256);
    const producer = new RingProducer(ctl, bytes);
    const consumer = new RingConsumer(ctl, bytes);
    for (let i = 0; i < 64; i++) {
      expect(put(producer, 40, 40, i)).toBe(true);
      producer.publish();
      expect(consumer.acquire()).toBe(true);
      expect(consumer.next()).toBe(true);
      expect(consumer.bytes[consumer.off]).toBe(i);
      consumer.release();
    }
    expect(put(producer, 100, 100, 0)).toBe(true);
    expect(put(producer, 100, 100, 0)).toBe(false);
  });

  test('asks for one bell per sleep', () => {
    const { producer, consumer } = makeRing(256);
    put(producer, 8, 8, 1);
    expect(producer.publish()).toBe(false);
    expect(consumer.sleepUntilRecord()).toBe(false);
    consumer.next();
    consumer.release();
    expect(consumer.sleepUntilRecord()).toBe(true);
    expect(producer.drained).toBe(true);
    put(producer, 8, 8, 1);
    expect(producer.publish()).toBe(true);
    expect(producer.drained).toBe(false);
    put(producer, 8, 8, 1);
    expect(producer.publish()).toBe(false);
  });

  test('wakes a producer that waits for room when half is free, not before', () => {
    const { producer, consumer } = makeRing(256);
    for (let i = 0; i < 8; i++) expect(put(producer, 24, 24, i)).toBe(true);
    producer.publish();
    expect(producer.reserve(24)).toBe(-1);
    expect(producer.sleepUntilRoom(24)).toBe(true);
    consumer.acquire();
    const bells = [];
    while (consumer.next()) bells.push(consumer.release());
    expect(bells).toEqual([false, false, false, true, false, false, false, false]);
  });

  test('is not drained while the consumer is only about to look again', () => {
    const { producer, consumer } = makeRing(256);
    put(producer, 8, 8, 1);
    producer.publish();
    expect(consumer.acquire()).toBe(true);
    consumer.next();
    expect(consumer.sleepUntilRecord()).toBe(true);
    expect(producer.drained).toBe(false);
    expect(producer.isEmpty).toBe(false);
    consumer.release();
    expect(producer.drained).toBe(true);
    consumer.wake();
    expect(producer.drained).toBe(false);
    expect(producer.isEmpty).toBe(true);
  });

  test('refuses sizes it cannot address', () => {
    const ctl = new Int32Array(new SharedArrayBuffer(RING_CTL_WORDS * 4));
    expect(() => new RingProducer(ctl, new Uint8Array(200))).toThrow(RangeError);
    expect(() => new RingConsumer(ctl, new Uint8Array(32))).toThrow(RangeError);
    expect(() => new RingConsumer(new Int32Array(4), new Uint8Array(256))).toThrow(RangeError);
  });
});

/** Runs `outer` with the whole of `inner` just before its k-th atomic operation; false when it has fewer. */
function interleave(outer: () => void, inner: () => void, k: number): boolean {
  let left = k;
  const before = (): void => {
    if (left-- === 0) inner();
  };
  const { load, store, compareExchange } = Atomics;
  const spies = [
    vi.spyOn(Atomics, 'load').mockImplementation(((a: Int32Array, i: number) => (before(), load(a, i))) as typeof load),
    vi.spyOn(Atomics, 'store').mockImplementation(((a: Int32Array, i: number, v: number) => (before(), store(a, i, v))) as typeof store),
    vi.spyOn(Atomics, 'compareExchange').mockImplementation(
      ((a: Int32Array, i: number, e: number, v: number) => (before(), compareExchange(a, i, e, v))) as typeof compareExchange),
  ];
  try {
    outer();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return left < 0;
}

describe('ring, every interleaving of going to sleep with the other side', () => {
  /** Each case: two steps on a fresh ring; `slept` and `rung` are what they answered. */
  const cases: Record<string, () => { sleep: () => boolean; act: () => boolean }> = {
    'consumer sleeps, producer publishes': () => {
      const { producer, consumer } = makeRing(256);
      expect(consumer.acquire()).toBe(false);
      put(producer, 8, 8, 1);
      return { sleep: () => consumer.sleepUntilRecord(), act: () => producer.publish() };
    },
    'producer sleeps, consumer releases': () => {
      const { producer, consumer } = makeRing(256);
      while (put(producer, 24, 24, 1));
      producer.publish();
      consumer.acquire();
      while (consumer.next());
      return { sleep: () => producer.sleepUntilRoom(24), act: () => consumer.release() };
    },
  };
  for (const [name, make] of Object.entries(cases)) {
    for (const sleepOutside of [true, false]) {
      test(`${name} ${sleepOutside ? 'meanwhile' : '(the other way about)'}`, () => {
        let steps = 0;
        for (let more = true; more; steps++) {
          const { sleep, act } = make();
          let slept = false;
          let rung = false;
          const doSleep = (): void => void (slept = sleep());
          const doAct = (): void => void (rung = act());
          more = sleepOutside ? interleave(doSleep, doAct, steps) : interleave(doAct, doSleep, steps);
          if (more) expect(slept && !rung, `before atomic operation ${steps}`).toBe(false);
        }
        expect(steps).toBeGreaterThan(2);
      });
    }
  }
});

/**
 * One side of the race. The ring holds two records, so either side depends on the other's bell nearly every time; a pause of random
 * length sweeps one side's last look over the other's publication. The bell is an Atomics.wait word: a lost one ends in 'timed-out'.
 */
const RACER = `
const { workerData, parentPort } = require('node:worker_threads');
const BELL_P = 0, BELL_C = 1, COUNT = ${RECORDS};
import(workerData.ring).then(({ RingProducer, RingConsumer }) => {
  const { ctl, bytes, bells, seed } = workerData;
  let s = seed, idle = 0, sleeps = 0;
  const rnd = (n) => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0) >>> 16) % n;
  const pause = () => { for (let k = rnd(400); k > 0; k--) idle += k; };
  const sleep = (bell, seen) => { sleeps++; if (Atomics.wait(bells, bell, seen, 5000) === 'timed-out') throw new Error('lost wake-up'); };
  const ring = (bell) => { Atomics.add(bells, bell, 1); Atomics.notify(bells, bell); };
  const view = new DataView(bytes.buffer);
  if (workerData.role === 'producer') {
    const p = new RingProducer(ctl, bytes);
    for (let i = 0; i < COUNT;) {
      const seen = Atomics.load(bells, BELL_P);
      const at = p.reserve(24);
      pause();
      if (at >= 0) {
        view.setUint32(at, i++);
        p.commit(4 + rnd(21));
        if (p.publish()) ring(BELL_C);
      } else if (p.sleepUntilRoom(24)) sleep(BELL_P, seen);
    }
  } else {
    const c = new RingConsumer(ctl, bytes);
    for (let i = 0; i < COUNT;) {
      const seen = Atomics.load(bells, BELL_C);
      const some = c.acquire();
      pause();
      if (some) {
        while (c.next()) {
          const got = view.getUint32(c.off);
          if (got !== i++) throw new Error('record ' + got + ' in place of ' + (i - 1));
        }
        if (c.release()) ring(BELL_P);
      } else if (c.sleepUntilRecord()) sleep(BELL_C, seen);
    }
  }
  parentPort.postMessage(sleeps);
});
`;

describe('ring between two threads', () => {
  test('loses no wake-up and no record', async () => {
    const built = new URL('../../dist/tap/ring.js', import.meta.url);
    expect(existsSync(built), 'build first: npm run build').toBe(true);
    const seed = 20_260_101;
    const shared = {
      ring: built.href,
      ctl: new Int32Array(new SharedArrayBuffer(RING_CTL_WORDS * 4)),
      bytes: new Uint8Array(new SharedArrayBuffer(64)),
      bells: new Int32Array(new SharedArrayBuffer(8)),
    };
    const race = (role: string, salt: number): Promise<number> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(RACER, { eval: true, execArgv: [], workerData: { ...shared, role, seed: seed + salt } });
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    const [producerSleeps, consumerSleeps] = await Promise.all([race('producer', 1), race('consumer', 2)]);
    expect(producerSleeps + consumerSleeps, `seed ${seed}`).toBeGreaterThan(100);
  }, 30_000);
});
