/**
 * forward-worker.mjs — a datapath worker without input and output: forwards the frames of a pool of its own by tables that it shares with the others.
 * Read first: forward-pool.mjs. Its owner is forward-workers.mjs.
 *
 * Told to run, it waits until all are there, so that they run at the same time.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { QuiescentReader, fwdCounters, fwdViewOf } from '@netloom/core/fwd';
import { FILLINGS } from './forward-lab.mjs';
import { Pool, counted, locked, quiescent } from './forward-pool.mjs';

/** @typedef {{ fixed: import('./forward-lab.mjs').Fixed, messages: import('@netloom/core/fwd').FwdMessage[], load: import('./forward-lab.mjs').Load, readers: Int32Array, slot: number, shared: Int32Array }} WorkerData */
/** @typedef {{ guard: 'quiescent' | 'counted' | 'locked', passes: number, fillings: number, there: number }} Run */

/** @type {WorkerData} */
const { fixed, messages, load, readers, slot, shared } = workerData;
/** Words of `shared`: workers that are there, of this run and all before; what `counted` and `locked` use, on a cache line of its own. */
const THERE = 0;
const reader = new QuiescentReader(readers, slot);
const guards = { quiescent: quiescent(reader), counted: counted(shared.subarray(64, 65)), locked: locked(shared.subarray(64, 65)) };
const view = fwdViewOf({ ...fixed, counters: fwdCounters() }, messages);
const pool = new Pool();

parentPort?.on('message', (/** @type {Run} */ { guard, passes, fillings, there }) => {
  const pass = guards[guard];
  reader.online();
  Atomics.add(shared, THERE, 1);
  Atomics.notify(shared, THERE);
  for (let seen = Atomics.load(shared, THERE); seen < there; seen = Atomics.load(shared, THERE)) Atomics.wait(shared, THERE, seen);
  let lost = 0;
  for (let filling = 0; filling < fillings; filling++) {
    pool.fill(load, (filling + slot) % FILLINGS);
    for (let i = 0; i < passes; i++) lost += pass(view, pool, load.first);
  }
  reader.offline();
  parentPort?.postMessage(lost);
});
