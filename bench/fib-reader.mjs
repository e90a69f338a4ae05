/**
 * fib-reader.mjs — a thread that looks up in a compiled table which another thread changes. Its owner is fib-readers.mjs.
 *
 * Asked, it looks up so many addresses in batches of 64, each followed by a quiescent point, and says what one took in CPU time of its own.
 */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Fib4View, QuiescentReader } from '@netloom/core/fwd';

/** @typedef {{ t: import('@netloom/core/fwd').Fib4Words, shape: import('@netloom/core/fwd').Fib4Shape, dsts: Int32Array, words: Int32Array, slot: number, done: Int32Array, result: Float64Array }} ReaderData */

/** @type {ReaderData} */
const { t, shape, dsts, words, slot, done, result } = workerData;
const view = new Fib4View(t, shape);
const reader = new QuiescentReader(words, slot);
const out = new Int32Array(64);
const batch = new Int32Array(64);

/** CPU time of this thread in ns. */
const cpuNs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);

parentPort?.on('message', (/** @type {number} */ passes) => {
  reader.online();
  const t0 = cpuNs();
  for (let pass = 0; pass < passes; pass++) {
    for (let i = 0; i < dsts.length; i += 64) {
      for (let k = 0; k < 64; k++) batch[k] = dsts[i + k] ?? 0;
      view.lookupBatch(batch, out, 0, 64);
      reader.quiesce();
    }
  }
  result[0] = (cpuNs() - t0) / (passes * dsts.length);
  reader.offline();
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
});
