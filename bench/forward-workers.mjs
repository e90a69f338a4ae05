/**
 * forward-workers.mjs — starts datapath workers over one set of tables, and measures how many frames they forward together.
 * Read first: forward-worker.mjs.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { GracePeriods, quiescenceWords } from '@netloom/core/fwd';
import { SLOTS } from './forward-lab.mjs';

/** Passes over a filling: as many as its TTL allows, so that what filling costs is not seen. */
const PASSES = 60;
const FILLINGS = 8;

export class Workers {
  shared = new Int32Array(new SharedArrayBuffer(512));
  there = 0;
  /** @type {Worker[]} */
  workers = [];

  /** @param {ReturnType<typeof import('./forward-lab.mjs').makeLab>} lab @param {number} count */
  constructor({ fixed, messages, loads }, count) {
    const readers = quiescenceWords(count);
    const periods = new GracePeriods(readers);
    for (let i = 0; i < count; i++) {
      const workerData = { fixed, messages, load: loads.ip4, readers, slot: periods.claim(), shared: this.shared };
      const worker = new Worker(new URL('forward-worker.mjs', import.meta.url), { workerData });
      worker.unref();
      this.workers.push(worker);
    }
  }

  /**
   * Frames per microsecond that `count` workers forward together, by processor time: what else the machine does counts for little, and what they do to each other counts in full.
   * @param {number} count @param {import('./forward-worker.mjs').Run['guard']} guard
   */
  async rate(count, guard) {
    const chosen = this.workers.slice(0, count);
    this.there += count;
    const before = process.cpuUsage();
    const lost = await Promise.all(chosen.map(async (worker) => {
      worker.ref();
      worker.postMessage({ guard, passes: PASSES, fillings: FILLINGS, there: this.there });
      const [answer] = await once(worker, 'message');
      worker.unref();
      return Number(answer);
    }));
    const { user, system } = process.cpuUsage(before);
    if (lost.some((n) => n !== 0)) throw new Error(`${lost.join(' and ')} frames were not forwarded`);
    return (count * count * PASSES * FILLINGS * SLOTS) / (user + system);
  }
}
