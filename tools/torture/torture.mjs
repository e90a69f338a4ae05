/**
 * torture.mjs — class Torture: the writer of the torture, which changes, replaces, deletes and recycles under its workers' hands; and starts, kills and ends them.
 * Read first: torture-layout.mjs; docs/testing.md "Readers under torture".
 *
 * What the writer uses is what the product uses: Engine.grace, Limbo, SharedPsrefClass, SharedList, Fib4 and Fib6. Everything freed is poisoned or used again at the first moment at which that is allowed.
 * `bug` breaks one rule, so that a test can see that it is noticed.
 *
 * Invariants: the writer's choices depend on the seed alone; what the workers meet does not, and cannot. A writer that waits wakes by the workers' bell, which a lost one would show: SILENT_MAX waits without a bell, and it is stuck.
 */
import { setTimeout } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { Engine, Limbo, quietEnv, SharedPsrefClass } from '@netloom/core';
import { Fib4, Fib6, fib4Shape, fib6Shape, percpuEach, percpuSum, READER_ONLINE, SharedList } from '@netloom/core/fwd';
import { COUNT, COUNTS, ENTRIES, NETWORKS, numbers, R_MARK, RECORD_SHIFT, recordFill, recordPoison, RECORDS, SLOTS, tortureMemory, VALUES, WHOSE_LIST, WRONG } from './torture-layout.mjs';

/** Rules that may be broken. */
export const TORTURE_BUGS = /** @type {const} */ ([
  'no grace period', 'references ignored', 'nodes used again at once', 'mark ignored', 'quiescent before the last use', 'offline before the last use', 'the dead are not buried',
]);
/** @typedef {typeof TORTURE_BUGS[number] | ''} TortureBug */

const STOP = 0;
const BELL = 1;
const WAIT_MS = 10;
/** Waits for one record in which nobody rings, until the writer is thought stuck. */
const SILENT_MAX = 3_000;
/** … or so many times as many bells that did not help: other workers ring when they give something back. */
const BELLS_OF_OTHERS = 100;
/** Prefixes inside a network at a time. */
const NESTED_MAX = 6;

/** @typedef {{ readonly worker: Worker, readonly slot: number, readonly port: import('node:worker_threads').MessagePort, readonly exited: Promise<unknown>, ended: boolean }} Seat */
/** @typedef {{ readonly bits: number, readonly plen: number, readonly value: number }} Nested */

export class Torture {
  ops = 0;
  kills = 0;
  waits = 0;
  /** @type {string | null} */
  failed = null;
  done = { replaced: 0, deleted: 0, added: 0, changed: 0, relisted: 0, routes: 0 };

  /** @param {{ seed: number, workers?: number, bug?: TortureBug, silentMax?: number }} options */
  constructor({ seed, workers = 2, bug = '', silentMax = SILENT_MAX }) {
    this.seed = seed;
    this.bug = bug;
    this.silentMax = silentMax;
    this.random = numbers(seed);
    this.engine = new Engine(quietEnv(seed));
    this.memory = tortureMemory(workers + 1);
    this.targets = new SharedPsrefClass(this.engine, 'record', RECORDS);
    this.list = new SharedList(ENTRIES);
    const routes = seed % 2 === 0 ? 1_000 : 1_000_000;
    this.shapes = { of4: fib4Shape(routes, null), of6: fib6Shape(routes, null) };
    this.fib4 = new Fib4(this.shapes.of4, true);
    this.fib6 = new Fib6(this.shapes.of6, true);
    const tries = [this.fib4, this.fib6];
    this.nodes = tries.map((fib) => new Limbo(this.engine.readers, () => fib.reclaim(1)));
    this.leaving = tries.map(() => 0);
    /** @type {Nested[][]} */
    this.nested = Array.from({ length: NETWORKS }, () => []);
    /** @type {number[]} */
    this.free = Array.from({ length: RECORDS - 1 }, (_, i) => i + 1);
    /** Records in the middle of a change. @type {Set<number>} */
    this.busy = new Set();
    /** Entries that are on no list and may be put on one. @type {number[]} */
    this.unlisted = Array.from({ length: ENTRIES }, (_, i) => i + 1);
    this.number = 0;
    this.now = 0;
    /** @type {Seat[]} */
    this.seats = [];
    this.fill();
    this.fib4.onGrow = () => this.tell({ fib: 4, t: this.fib4.t });
    this.fib6.onGrow = () => this.tell({ fib: 6, t: this.fib6.t });
    if (bug === 'no grace period') {
      this.engine.readers.grace = (then) => (then(), true);
      this.engine.readers.passed = () => true;
    }
    for (let i = 0; i < workers; i++) this.start();
  }

  /** Counts of all workers, by name. */
  get counts() {
    return Object.fromEntries(COUNTS.map((name, i) => [name, percpuSum(this.memory.counts, COUNTS.length, i)]));
  }

  /** What workers have seen that must not be; 0 when all is well. */
  get wrong() {
    return WRONG.reduce((n, name) => n + percpuSum(this.memory.counts, COUNTS.length, COUNT[name]), 0);
  }

  /** Has every worker looked something up? */
  get isRead() {
    const each = percpuEach(this.memory.counts, COUNTS.length, COUNT.lookups);
    return this.seats.every((seat) => (each[seat.slot] ?? 0) > 0);
  }

  /** Bytes that grow if something is kept: the tries, and what waits. */
  get bytes() {
    return this.fib4.bytes + this.fib6.bytes;
  }

  /** One thing the writer does. */
  step() {
    this.ops++;
    const s = this.random() % SLOTS;
    switch (this.random() % 8) {
      case 0: return this.replace(s);
      case 1: return this.delete(s);
      case 2: return this.add(s);
      case 3: return this.change(s);
      case 4: return this.relist();
      default: return this.route(this.random() % NETWORKS);
    }
  }

  /** Lets what has passed go on. */
  turn() {
    this.engine.runTurn(++this.now);
  }

  /** Ends a worker in the middle of what it does, and starts another in its place. */
  async kill() {
    const seat = this.seats[this.random() % this.seats.length];
    if (seat === undefined) return;
    this.kills++;
    seat.ended = true;
    await seat.worker.terminate();
    seat.port.close();
    this.seats = this.seats.filter((o) => o !== seat);
    if (this.bug === 'the dead are not buried' && this.engine.readers.periods.state(seat.slot) === READER_ONLINE) return;
    this.engine.readers.bury(seat.slot);
    this.start();
  }

  /** Ends everything. What is wrong in the end: a text, or null. */
  async end() {
    for (const seat of this.seats) seat.ended = true;
    Atomics.store(this.memory.control, STOP, 1);
    // Where a rule was broken a reader may go round in circles.
    const isWhole = this.bug === '' && this.failed === null;
    await Promise.all(this.seats.map((seat) => (isWhole ? seat.exited : seat.worker.terminate())));
    for (const seat of this.seats) {
      seat.port.close();
      if (isWhole) this.engine.readers.remove(seat.slot);
      else this.engine.readers.bury(seat.slot);
    }
    for (let i = 0; i < 8; i++) this.turn();
    const { waiting } = this.engine.readers;
    const held = this.nodes.reduce((n, limbo) => n + limbo.length, 0) + this.targets.draining + this.busy.size;
    if (this.failed === null && this.bug === '' && waiting + held > 0) this.failed = `${waiting} still wait for readers, ${held} things are not free`;
    return this.failed ?? (this.wrong === 0 ? null : WRONG.map((name) => `${name} ${this.counts[name]}`).join(', '));
  }

  /** @param {{ fib: 4 | 6, t: import('@netloom/core/fwd').Fib4Words }} message */
  tell(message) {
    for (const seat of this.seats) seat.port.postMessage(message);
  }

  start() {
    const { port1, port2 } = new MessageChannel();
    const slot = this.engine.readers.add();
    /** @type {import('./torture-worker.mjs').TortureWork} */
    const workerData = {
      memory: this.memory, quiescence: this.engine.readers.periods.words, slot, targets: this.targets.words, list: this.list.words, port: port2, seed: this.seed + this.kills, bug: this.bug,
      fib4: { t: this.fib4.t, shape: this.shapes.of4 }, fib6: { t: this.fib6.t, shape: this.shapes.of6 },
    };
    const worker = new Worker(new URL('torture-worker.mjs', import.meta.url), { workerData, transferList: [port2], execArgv: [] });
    /** @type {Seat} */
    const seat = { worker, slot, port: port1, exited: new Promise((done) => worker.once('exit', done)), ended: false };
    worker.on('error', (error) => (this.failed ??= `a worker failed: ${error.stack}`));
    worker.on('exit', () => {
      if (!seat.ended) this.failed ??= 'a worker ended';
    });
    this.seats.push(seat);
  }

  fill() {
    for (let s = 0; s < SLOTS / 2; s++) this.add(s);
    for (let i = 0; i < NETWORKS; i++) {
      this.fib4.insert(0x0a00_0000 | (i << 16), 16, 1 + i * VALUES);
      this.fib6.insert(0x2001_0db8, i << 16, 0, 0, 48, 1 + i * VALUES);
    }
    while (this.unlisted.length > 0) this.relist();
  }

  /** A free record, when there is one; otherwise waits for readers. */
  take() {
    for (let silent = 0, bells = 0; this.free.length === 0;) {
      const rung = Atomics.load(this.memory.control, BELL);
      this.turn();
      if (this.free.length > 0) break;
      if (silent === this.silentMax || bells === this.silentMax * BELLS_OF_OTHERS) {
        this.failed ??= 'the writer is stuck: readers do not let go';
        return 0;
      }
      this.waits++;
      if (Atomics.wait(this.memory.control, BELL, rung, WAIT_MS) === 'timed-out') silent++;
      else bells++;
    }
    // The one freed last, so that it is used again as soon as can be.
    return this.free.pop() ?? 0;
  }

  /** @param {number} s */
  add(s) {
    if (this.memory.slots[s] !== 0) return;
    const r = this.take();
    if (r === 0) return;
    recordFill(this.memory.records, r, ++this.number, s);
    this.targets.targetInit(r);
    Atomics.store(this.memory.slots, s, r);
    this.done.added++;
  }

  /** @param {number} s */
  replace(s) {
    const old = this.memory.slots[s] ?? 0;
    if (old === 0 || this.busy.has(old)) return;
    const r = this.take();
    if (r === 0) return;
    recordFill(this.memory.records, r, ++this.number, s);
    this.targets.targetInit(r);
    Atomics.store(this.memory.slots, s, r);
    this.destroy(old);
    this.done.replaced++;
  }

  /** @param {number} s */
  delete(s) {
    const old = this.memory.slots[s] ?? 0;
    if (old === 0 || this.busy.has(old)) return;
    Atomics.store(this.memory.slots, s, 0);
    this.destroy(old);
    this.done.deleted++;
  }

  /** A record that nobody can find any more. @param {number} r */
  destroy(r) {
    if (this.bug === 'references ignored') this.targets.count = () => 0;
    this.targets.targetDestroy(r, 'torture', () => {
      recordPoison(this.memory.records, r);
      this.free.push(r);
    });
  }

  /** In place, behind a mark: new readers miss, old ones are waited for, and nobody sees it half done. @param {number} s */
  change(s) {
    const { records, slots } = this.memory;
    const r = slots[s] ?? 0;
    if (r === 0 || this.busy.has(r)) return;
    this.done.changed++;
    this.busy.add(r);
    const { engine } = this;
    const clear = () => {
      Atomics.store(records, (r << RECORD_SHIFT) + R_MARK, 0);
      this.busy.delete(r);
    };
    Atomics.store(records, (r << RECORD_SHIFT) + R_MARK, 1);
    engine.grace(() => {
      engine.readers.until(() => this.targets.count(r) === 0, () => {
        recordFill(records, r, ++this.number, s);
        // The load of the mark orders nothing: who sees it cleared must not have words from before.
        engine.grace(clear);
      });
    });
  }

  /** An entry leaves the list, or comes back into it. */
  relist() {
    const { records } = this.memory;
    this.done.relisted++;
    if (this.unlisted.length > 0) {
      const e = this.unlisted.pop() ?? 0;
      recordFill(records, RECORDS + e, ++this.number, WHOSE_LIST);
      const at = 1 + (this.random() % ENTRIES);
      if (!this.list.isListed(at)) this.list.insertHead(e);
      else if (this.random() % 2 === 0) this.list.insertAfter(e, at);
      else this.list.insertBefore(e, at);
      return;
    }
    const e = 1 + (this.random() % ENTRIES);
    if (!this.list.isListed(e)) return;
    this.list.remove(e);
    this.engine.grace(() => {
      this.list.entryDestroy(e);
      recordPoison(records, RECORDS + e);
      this.list.entryInit(e);
      this.unlisted.push(e);
    });
  }

  /** A prefix comes into a network of both tries, or leaves it. @param {number} i */
  route(i) {
    const nested = /** @type {Nested[]} */ (this.nested[i]);
    this.done.routes++;
    if (nested.length < NESTED_MAX && this.random() % 2 === 0) {
      const plen = 1 + (this.random() % 16);
      const bits = this.random() & (0xffff << (16 - plen)) & 0xffff;
      if (nested.some((n) => n.plen === plen && n.bits === bits)) return;
      const value = 1 + i * VALUES + 1 + (this.random() % (VALUES - 1));
      nested.push({ plen, bits, value });
      this.fib4.insert((0x0a00_0000 | (i << 16) | bits) >>> 0, 16 + plen, value);
      this.fib6.insert(0x2001_0db8, (i << 16) | bits, 0, 0, 48 + plen, value);
      return;
    }
    const [out] = nested.splice(this.random() % Math.max(1, nested.length), 1);
    if (out === undefined) return;
    let cover = { plen: 0, value: 1 + i * VALUES };
    for (const n of nested) if (n.plen < out.plen && n.plen > cover.plen && (out.bits & (0xffff << (16 - n.plen)) & 0xffff) === n.bits) cover = n;
    this.fib4.remove((0x0a00_0000 | (i << 16) | out.bits) >>> 0, 16 + out.plen, cover.value);
    this.fib6.remove(0x2001_0db8, (i << 16) | out.bits, 0, 0, 48 + out.plen, cover.value);
    this.reuse();
  }

  /** Nodes that were taken out are used again when no reader can be in them (net/route/rib.ts does the same). */
  reuse() {
    for (const [k, fib] of [this.fib4, this.fib6].entries()) {
      if (this.bug === 'nodes used again at once') {
        fib.reclaim();
        continue;
      }
      const limbo = /** @type {Limbo<null>} */ (this.nodes[k]);
      for (let n = fib.retiredCount - limbo.length; n > 0; n--) limbo.put(null);
    }
  }
}

/**
 * Tortures until `enough` says so, or something is wrong.
 * @param {{ seed: number, workers?: number, bug?: TortureBug, silentMax?: number }} options
 * @param {(t: Torture) => boolean} enough asked every ROUND operations
 * @param {(t: Torture) => void} [progress] called as often
 * @returns {Promise<{ problem: string | null, torture: Torture }>}
 */
export async function torture(options, enough, progress) {
  const t = new Torture(options);
  // What is done before the workers read says nothing.
  while (t.failed === null && !t.isRead) await setTimeout(POLL_MS);
  for (let rounds = 1; t.failed === null && t.wrong === 0; rounds++) {
    for (let i = 0; i < ROUND && t.failed === null; i++) {
      t.step();
      if (i % 8 === 0) t.turn();
    }
    await new Promise((next) => setImmediate(next));
    // Of many short runs some have a death, at different moments.
    if ((rounds + options.seed) % KILL_ROUNDS === 0) await t.kill();
    progress?.(t);
    if (enough(t)) break;
  }
  return { problem: await t.end(), torture: t };
}

/** Operations between two looks at the world outside. */
export const ROUND = 2_000;
/** Rounds after which a worker dies. */
const KILL_ROUNDS = 20;
/** Between two looks whether all workers have begun. */
const POLL_MS = 1;
