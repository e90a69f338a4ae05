/**
 * fib-readers.mjs — what a reader of a compiled table loses while 100,000 routes a second are taken out and put in.
 * Read first: fib-reader.mjs; packages/core/src/fwd/quiescence.ts.
 *
 * Windows without and with updates alternate; compared is the CPU time of a look-up in neighbouring ones. Nodes that were taken out are used again after a grace
 * period, as the stack does it. What the machine loses because somebody works beside the reader, in caches that they share, is found by making the same updates in a copy of
 * the table that nobody reads.
 */
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { Fib4, GracePeriods, quiescenceWords } from '@netloom/core/fwd';
import { build, fibOf, keysOf, table } from './fib-lab.mjs';
import { Updates } from './fib-updates.mjs';
import { median } from './median.mjs';

/** Updates are made in bursts. */
const BURST = 500;
const BURST_MS = 5;
const PAIRS = 60;
const PASSES = 2;

/** @template {Int32Array} A @param {A} words */
function shared(words) {
  const copy = new Int32Array(new SharedArrayBuffer(words.byteLength));
  copy.set(words);
  return copy;
}

class Readers {
  fib = /** @type {Fib4} */ (fibOf('ipv4 1M'));
  periods = new GracePeriods(quiescenceWords(1));
  done = new Int32Array(new SharedArrayBuffer(4));
  result = new Float64Array(new SharedArrayBuffer(8));
  worker = new Worker(new URL('fib-reader.mjs', import.meta.url), {
    workerData: {
      t: this.fib.t, shape: { rootBits: this.fib.rootBits, stride: this.fib.stride }, dsts: shared(keysOf('ipv4 1M', 'zipf')), words: this.periods.words, slot: this.periods.claim(),
      done: this.done, result: this.result,
    },
  });
  /** The period that nodes wait for, and how many do. @type {{ period: number, nodes: number } | null} */
  waiting = null;

  /** Does the reader read the table that is updated? @param {boolean} same */
  constructor(same) {
    this.updates = new Updates(same ? this.fib : /** @type {Fib4} */ (build('ipv4 1M')), table('ipv4 1M'));
    this.fib.onGrow = () => {
      throw new Error('the table moved away under its reader');
    };
  }

  /** ns of a look-up while `busy` happens every BURST_MS. @param {() => void} busy */
  window(busy) {
    Atomics.store(this.done, 0, 0);
    this.worker.postMessage(PASSES);
    const t0 = performance.now();
    for (let ms = BURST_MS; Atomics.load(this.done, 0) === 0; ms += BURST_MS) {
      busy();
      const left = t0 + ms - performance.now();
      if (left > 0) Atomics.wait(this.done, 0, 0, left);
    }
    return this.result[0] ?? NaN;
  }

  update() {
    const { fib } = this.updates;
    for (let i = 0; i < BURST; i++) this.updates.next();
    if (this.waiting !== null && this.periods.passed(this.waiting.period)) {
      fib.reclaim(this.waiting.nodes);
      this.waiting = null;
    }
    if (this.waiting === null && fib.retiredCount > 0) this.waiting = { period: this.periods.begin(), nodes: fib.retiredCount };
  }

  async end() {
    await this.worker.terminate();
    this.updates.fib.reclaim();
    this.fib.onGrow = null;
    this.updates.restore();
  }
}

/** Percent of its look-ups that a reader loses, of the table that is updated or of another. @param {boolean} same */
export async function readersLose(same) {
  const readers = new Readers(same);
  const idle = () => undefined;
  const busy = () => readers.update();
  readers.window(idle);
  readers.window(busy);
  const lost = Array.from({ length: PAIRS }, (_, i) => {
    const [a, b] = i % 2 === 0 ? [readers.window(idle), readers.window(busy)] : [readers.window(busy), readers.window(idle)].reverse();
    return (1 - (a ?? NaN) / (b ?? NaN)) * 100;
  });
  await readers.end();
  return median(lost);
}
