/**
 * forward-pool.mjs — a worker without input and output: a pool of frames, and a loop over it that forwards them in batches.
 * Read first: forward-lab.mjs; packages/core/src/fwd/forward-frame.ts.
 *
 * A filling of the pool is used for eight passes, and its TTL falls with each. Only the passes count. Where a frame would be sent from is noted, as a worker notes it for its driver.
 * What is read can be protected from whoever would free it by a quiescent point for each batch, or, for comparison, by a reference that is counted or a lock that is taken for each frame.
 */
import { forwardFrame, lookAhead } from '@netloom/core/fwd';
import { inlineMore } from '../packages/node/dist/datapath/inline-more.js';
import { BATCH, FRAME, PORTS, SLOTS } from './forward-lab.mjs';

/** @typedef {import('@netloom/core/fwd').FwdView} FwdView */
/** @typedef {import('./forward-lab.mjs').Load} Load */
/** @typedef {(v: FwdView, pool: Pool, first: number) => number} Pass all frames of the pool, once; how many were not sent on */

// As datapath workers do.
inlineMore();

const SLOT_BYTES = 2_048;
/** Where a frame begins in its slot: its IP header is two bytes off a word, as drivers have it. */
const AT = 64;
const PASSES = 8;

export class Pool {
  bytes = new Uint8Array(SLOTS * SLOT_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Where the frames are. */
  ats = Int32Array.from({ length: SLOTS }, (_, slot) => slot * SLOT_BYTES + AT);
  /** Frames of a batch to send: port, position, length. */
  out = new Int32Array(3 * BATCH);

  /** @param {Load} load @param {number} filling */
  fill({ frames }, filling) {
    for (let slot = 0; slot < SLOTS; slot++) {
      const from = (filling * SLOTS + slot) * FRAME;
      this.bytes.set(frames.subarray(from, from + FRAME), slot * SLOT_BYTES + AT);
    }
  }
}

const NOTHING = 0;
const AHEAD = 3;
const COUNT = 1;
const LOCK = 2;

/** The frames of a batch; `word` is what they guard themselves with, each, if they do. @param {FwdView} v @param {Pool} pool @param {number} batch @param {number} port @param {number} guard @param {Int32Array} word */
function forwardBatch(v, { view, ats, out }, batch, port, guard, word) {
  v.beginBatch();
  let n = 0;
  if (guard === AHEAD) lookAhead(v, port, view, ats, batch * BATCH, (batch + 1) * BATCH);
  for (let slot = batch * BATCH; slot < (batch + 1) * BATCH; slot++) {
    if (guard === COUNT) Atomics.add(word, 0, 1);
    else if (guard === LOCK) while (Atomics.compareExchange(word, 0, 0, 1) !== 0);
    const to = forwardFrame(v, port, view, slot * SLOT_BYTES + AT, FRAME);
    if (guard === COUNT) Atomics.sub(word, 0, 1);
    else if (guard === LOCK) Atomics.store(word, 0, 0);
    if (to < 0) continue;
    out[n] = to;
    out[n + 1] = v.at;
    out[n + 2] = v.len;
    n += 3;
  }
  return BATCH - n / 3;
}

/** All ways are one function, so that what differs is what they do. @param {number} guard @param {Int32Array} word @param {import('@netloom/core/fwd').QuiescentReader | null} reader @returns {Pass} */
function passOf(guard, word, reader) {
  return (v, pool, first) => {
    let lost = 0;
    for (let batch = 0; batch < SLOTS / BATCH; batch++) {
      lost += forwardBatch(v, pool, batch, first + (batch & (PORTS - 1)), guard, word);
      if (reader !== null) reader.quiesce();
    }
    return lost;
  };
}

/** All frames of a batch are looked ahead to before the first is forwarded. Nothing is protected, as in the next. */
export const ahead = passOf(AHEAD, new Int32Array(1), null);
/** One frame after the other. */
export const bare = passOf(NOTHING, new Int32Array(1), null);
/** A quiescent point behind each batch. @param {import('@netloom/core/fwd').QuiescentReader} reader */
export const quiescent = (reader) => passOf(NOTHING, new Int32Array(1), reader);
/** Each frame counts itself in and out of a word that all threads share. @param {Int32Array} word */
export const counted = (word) => passOf(COUNT, word, null);
/** Each frame takes a lock that all threads share. @param {Int32Array} word */
export const locked = (word) => passOf(LOCK, word, null);

/**
 * Processor time of the passes over one filling, in ns a frame.
 * @param {FwdView} v @param {Pool} pool @param {Load} load @param {number} filling @param {Pass} pass
 */
export function nsPerFrame(v, pool, load, filling, pass) {
  pool.fill(load, filling);
  const before = process.cpuUsage();
  let lost = 0;
  for (let i = 0; i < PASSES; i++) lost += pass(v, pool, load.first);
  const { user, system } = process.cpuUsage(before);
  if (lost !== 0) throw new Error(`${lost} frames were not forwarded`);
  return ((user + system) * 1_000) / (PASSES * SLOTS);
}
