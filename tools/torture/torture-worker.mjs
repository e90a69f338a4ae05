/**
 * torture-worker.mjs — a reader of the torture: looks up, keeps, sleeps, and counts what is not as it must be.
 * Read first: torture-layout.mjs; packages/core/src/fwd/quiescence.ts, passive.ts.
 *
 * It does what a datapath worker does: batches of 64, a quiescent point after each, offline before it sleeps. Between finding something and looking at it, it sometimes dawdles.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Fib4View, Fib6View, listFirst, listNext, PassiveHolder, PassiveRef, Percpu, QUIET_DEAD, QUIET_RING, QuiescentReader } from '@netloom/core/fwd';
import { COUNT, COUNTS, ENTRIES, NETWORKS, numbers, R_MARK, R_NUMBER, RECORD_SHIFT, recordCheck, RECORDS, SLOTS, VALUES, WHOSE_LIST } from './torture-layout.mjs';

const BATCH = 64;
const HELD_MAX = 8;
const STOP = 0;
const BELL = 1;

/**
 * @typedef {object} TortureWork
 * @property {import('./torture-layout.mjs').TortureMemory} memory
 * @property {Int32Array} quiescence
 * @property {number} slot
 * @property {Int32Array} targets
 * @property {Int32Array} list
 * @property {{ t: import('@netloom/core/fwd').Fib4Words, shape: import('@netloom/core/fwd').Fib4Shape }} fib4
 * @property {{ t: Int32Array, shape: import('@netloom/core/fwd').Fib6Shape }} fib6
 * @property {import('node:worker_threads').MessagePort} port arrays that replace others
 * @property {number} seed
 * @property {string} bug
 */

class TortureReader {
  /** @param {TortureWork} work */
  constructor(work) {
    const { memory, slot, bug } = work;
    this.memory = memory;
    this.list = work.list;
    this.bug = bug;
    this.random = numbers(work.seed + slot * 7919);
    this.counts = new Percpu(memory.counts, COUNTS.length, slot);
    this.fib4 = new Fib4View(work.fib4.t, work.fib4.shape);
    this.fib6 = new Fib6View(work.fib6.t, work.fib6.shape);
    this.port = work.port;
    this.reader = new QuiescentReader(work.quiescence, slot, () => this.adopt());
    this.refs = new PassiveHolder(work.targets, RECORDS, this.reader);
    /** @type {{ ref: PassiveRef, r: number, number: number, whose: number, batches: number }[]} */
    this.held = [];
    this.spun = 0;
  }

  run() {
    this.hear(this.reader.online());
    while (Atomics.load(this.memory.control, STOP) === 0) {
      this.batch();
      if (this.random() % 512 === 0) this.sleep();
      else this.hear(this.reader.quiesce());
    }
    for (const h of this.held) this.refs.release(h.ref, h.r);
    this.refs.assertNone();
    this.hear(this.reader.offline());
  }

  /** @param {import('@netloom/core/fwd').Quiet} quiet */
  hear(quiet) {
    if (quiet === QUIET_RING) {
      Atomics.add(this.memory.control, BELL, 1);
      Atomics.notify(this.memory.control, BELL);
    } else if (quiet === QUIET_DEAD) {
      throw new Error('declared dead while alive');
    }
  }

  /** Arrays that were outgrown are replaced. */
  adopt() {
    for (let m = receiveMessageOnPort(this.port); m !== undefined; m = receiveMessageOnPort(this.port)) {
      if (m.message.fib === 4) this.fib4.t = m.message.t;
      else this.fib6.t = m.message.t;
    }
  }

  batch() {
    for (let n = 0; n < BATCH; n++) {
      this.lookSlot();
      this.lookTries();
    }
    this.walk();
    for (const h of this.held) this.checkHeld(h);
    this.letGo();
    this.counts.add(COUNT.batches, 1);
    this.counts.add(COUNT.lookups, BATCH);
  }

  lookSlot() {
    const { slots, records } = this.memory;
    const s = this.random() % SLOTS;
    const r = slots[s] ?? 0;
    if (r === 0 || (records[(r << RECORD_SHIFT) + R_MARK] !== 0 && this.bug !== 'mark ignored')) {
      this.counts.add(COUNT.missed, 1);
      return;
    }
    this.dawdle();
    this.wrong(recordCheck(records, r, s));
    if (this.held.length < HELD_MAX && this.random() % 64 === 0) this.keep(r, s);
  }

  lookTries() {
    const i = this.random() % NETWORKS;
    const host = this.random();
    const of4 = this.fib4.lookup((0x0a00_0000 | (i << 16) | (host & 0xffff)) >>> 0);
    if (Math.floor((of4 - 1) / VALUES) !== i) this.wrong('foreign');
    const of6 = this.fib6.lookup(0x2001_0db8, (i << 16) | (host & 0xffff), host, 0);
    if (Math.floor((of6 - 1) / VALUES) !== i) this.wrong('foreign');
  }

  walk() {
    let n = 0;
    for (let e = listFirst(this.list); e !== 0; e = listNext(this.list, e)) {
      if (this.random() % 16 === 0) this.dawdle();
      this.wrong(recordCheck(this.memory.records, RECORDS + e, WHOSE_LIST));
      if (++n > ENTRIES * 16) return this.wrong('foreign'); // from one life of an entry into another, for ever
    }
    this.counts.add(COUNT.walks, 1);
  }

  /** Keeps a record over batches. @param {number} r @param {number} whose */
  keep(r, whose) {
    const ref = new PassiveRef();
    this.refs.acquire(ref, r);
    this.held.push({ ref, r, number: this.memory.records[(r << RECORD_SHIFT) + R_NUMBER] ?? 0, whose, batches: 1 + (this.random() % 20) });
    this.counts.add(COUNT.held, 1);
  }

  /** @param {{ r: number, number: number, whose: number }} h */
  checkHeld(h) {
    const wrong = recordCheck(this.memory.records, h.r, h.whose);
    this.wrong(wrong ?? (this.memory.records[(h.r << RECORD_SHIFT) + R_NUMBER] === h.number ? null : 'foreign'));
  }

  letGo() {
    for (let i = this.held.length - 1; i >= 0; i--) {
      const h = /** @type {typeof this.held[number]} */ (this.held[i]);
      if (--h.batches > 0) continue;
      this.refs.release(h.ref, h.r);
      this.held.splice(i, 1);
    }
  }

  /** Offline, with what it keeps. */
  sleep() {
    this.hear(this.reader.offline());
    if (this.bug === 'offline before the last use') for (let n = 0; n < 20; n++) this.batchWithoutRefs();
    else Atomics.wait(this.memory.control, 16, 0, this.random() % 3);
    this.counts.add(COUNT.sleeps, 1);
    this.hear(this.reader.online());
    for (const h of this.held) this.checkHeld(h);
  }

  batchWithoutRefs() {
    for (let n = 0; n < BATCH; n++) {
      const s = this.random() % SLOTS;
      const r = this.memory.slots[s] ?? 0;
      if (r === 0 || this.memory.records[(r << RECORD_SHIFT) + R_MARK] !== 0) continue;
      this.dawdle();
      this.wrong(recordCheck(this.memory.records, r, s));
    }
  }

  /** Gives the writer time between a pointer and what it leads to. */
  dawdle() {
    if (this.bug === 'quiescent before the last use') this.hear(this.reader.quiesce());
    const n = this.random() % 32 === 0 ? this.random() % 2_000 : 0;
    for (let i = 0; i < n; i++) this.spun = (this.spun + i) | 0;
  }

  /** @param {import('./torture-layout.mjs').WRONG[number] | null} what */
  wrong(what) {
    if (what !== null) this.counts.add(COUNT[what], 1);
  }
}

new TortureReader(workerData).run();
