/**
 * forward.bench.mjs — how fast the short path of a switch and router is: whole frames, and verdicts on headers.
 * Read first: forward-lab.mjs (tables and frames), forward-pool.mjs (the loop), forward-workers.mjs.
 *
 *     forward 64, forward6 64, bridge 64   64-byte frames in memory, with all checks, route, neighbour, new header and counters, against the same in C
 *                                          `forward 64` looks ahead to the frames of a batch (forward-ahead.ts), `one by one` does not
 *     2 workers                            two threads that share the tables, against one; `counter` and `lock`: with a word that they share for each frame
 *     reader protection                    what a quiescent point for each batch of 64 costs, against nothing at all; `counter` and `lock` for each frame, one thread
 *     verdict6                             a router's verdict on an IPv6 header: checks, own addresses, longest match, next hop; the peer is the same for IPv4
 *
 * All but `verdict6` is processor time, of one thread and its peer on the same processor: what else the machine does counts for little. The tables of `verdict6` are small, a router in a lab, or large. Its
 * destinations are random among the routes, 65,536 of them.
 */
import { performance } from 'node:perf_hooks';
import { Prng } from '@netloom/core';
import {
  AddrSet, AddrSet6, Fib4, Fib6, Fwd4, Fwd6, GracePeriods, NHOP_VALID, NhopTable, QuiescentReader, fib4Shape, fib6Shape, forward4, forward6, fwdCounters, fwdViewOf, quiescenceWords,
} from '@netloom/core/fwd';
import { IP4_DST, IP6_DST, IP6_SRC, ip4Emit, ip6Emit } from '@netloom/core/wire';
import { cPeer } from './c-peer.mjs';
import { FILLINGS, makeLab } from './forward-lab.mjs';
import { forwardPeer } from './forward-peer.mjs';
import { Pool, ahead, bare, counted, locked, nsPerFrame, quiescent } from './forward-pool.mjs';
import { routes4, routes6 } from './forward-routes.mjs';
import { Workers } from './forward-workers.mjs';
import { median } from './median.mjs';

const COUNT = 4_000_000;
const DESTINATIONS = 65_536;

function hops() {
  const table = new NhopTable();
  for (let i = 1; i <= 16; i++) table.setHop(i, NHOP_VALID, 2 + i, 1500, 0);
  return table;
}

/** @param {number} routes */
function verdicts6(routes) {
  const rng = new Prng(6);
  const fib = new Fib6(fib6Shape(routes, null));
  const prefixes = routes6(rng, fib, routes, (i) => 1 + (i & 15));
  const dsts = new Int32Array(DESTINATIONS * 4);
  for (let i = 0; i < DESTINATIONS; i++) {
    const of = rng.u32() % routes;
    dsts.set([prefixes[2 * of] ?? 0, prefixes[2 * of + 1] ?? 0, rng.u32() | 0, rng.u32() | 0], 4 * i);
  }
  const own = new AddrSet6();
  own.add(0x20010db8, 0, 0, 1);
  const fwd = new Fwd6(fib, hops(), own);
  const view = new DataView(new ArrayBuffer(128));
  ip6Emit(view, 0, 0, 0, 64, 17, 64);
  view.setInt32(IP6_SRC, 0x20010db8);
  return rate((i) => {
    const at = (i & (DESTINATIONS - 1)) * 4;
    view.setInt32(IP6_DST, dsts[at] ?? 0);
    view.setInt32(IP6_DST + 4, dsts[at + 1] ?? 0);
    view.setInt32(IP6_DST + 8, dsts[at + 2] ?? 0);
    view.setInt32(IP6_DST + 12, dsts[at + 3] ?? 0);
    return forward6(fwd, view, 0, 104, 1, i);
  });
}

/** @param {number} routes */
function verdicts4(routes) {
  const rng = new Prng(4);
  const fib = new Fib4(fib4Shape(routes, null));
  const prefixes = routes4(rng, fib, routes, (i) => 1 + (i & 15));
  const dsts = Uint32Array.from({ length: DESTINATIONS }, () => (prefixes[rng.u32() % routes] ?? 0) | (rng.u32() & 0xff));
  const own = new AddrSet();
  own.add(0xc0000201);
  const fwd = new Fwd4(fib, hops(), own);
  const view = new DataView(new ArrayBuffer(128));
  ip4Emit(view, 0, 20, 0, 84, 1, 0, 64, 17, 0xc6336401, 0);
  return rate((i) => {
    view.setUint32(IP4_DST, dsts[i & (DESTINATIONS - 1)] ?? 0);
    return forward4(fwd, view, 0, 84, 1, i, true);
  });
}

/** Millions of verdicts a second. @param {(i: number) => number} verdict */
function rate(verdict) {
  let forwarded = 0;
  for (let i = 0; i < DESTINATIONS; i++) if (verdict(i) > 0) forwarded++;
  if (forwarded < DESTINATIONS * 0.99) throw new Error(`${forwarded} of ${DESTINATIONS} would be forwarded`);
  const t0 = performance.now();
  let sum = 0;
  for (let i = 0; i < COUNT; i++) sum += verdict(i);
  const us = (performance.now() - t0) * 1_000;
  if (sum <= 0) throw new Error('nothing was forwarded');
  return COUNT / us;
}

/** What frames are measured with: made when the first row asks for it. @template T @param {() => T} make */
function once(make) {
  /** @type {{ made: T } | null} */
  let have = null;
  return () => (have ??= { made: make() }).made;
}
const lab = once(makeLab);
const pool = once(() => new Pool());
const view = once(() => fwdViewOf({ ...lab().fixed, counters: fwdCounters() }, lab().messages));
const inC = once(() => forwardPeer(lab()));
const workers = once(() => new Workers(lab(), 2));

/** @param {'ip4' | 'ip6' | 'bridge'} kind @param {import('./forward-pool.mjs').Pass} pass @param {number} filling */
const ns = (kind, pass, filling) => nsPerFrame(view(), pool(), lab().loads[kind], filling, pass);
/** @param {(filling: number) => number | Promise<number>} measure */
async function ofFillings(measure) {
  const values = [];
  for (let filling = 0; filling < FILLINGS; filling++) values.push(await measure(filling));
  return median(values);
}

/** @param {string} name @param {'ip4' | 'ip6' | 'bridge'} kind @param {'4' | '6' | 'b'} letter @param {import('./forward-pool.mjs').Pass} pass */
const frameRow = (name, kind, letter, pass) => ({
  name: `forward/${name}`, unit: 'Mpps', oneProcessor: true,
  measure: async () => 1_000 / (await ofFillings((filling) => ns(kind, pass, filling))),
  peer: { ...cPeer('C -O2', 'forward.c', []), measure: async () => 1_000 / (await ofFillings((filling) => inC()(letter, filling))) },
});

/** @param {string} name @param {import('./forward-worker.mjs').Run['guard']} guard @param {{ name: string, measure: () => Promise<number> }} peer */
const workersRow = (name, guard, peer) => ({ name: `forward/${name}`, unit: 'Mpps', measure: () => workers().rate(2, guard), peer });

/** Percent that `guard` costs: each filling without it and with it, in turn first and second. @param {() => import('./forward-pool.mjs').Pass} guard */
function protection(guard) {
  const pass = guard();
  return ofFillings((filling) => {
    const [first, second] = (filling & 1) === 0 ? [bare, pass] : [pass, bare];
    const [a, b] = [ns('ip4', first, filling), ns('ip4', second, filling)];
    return ((filling & 1) === 0 ? b / a - 1 : a / b - 1) * 100;
  });
}

/** @param {string} name @param {() => import('./forward-pool.mjs').Pass} guard */
function protectionRow(name, guard) {
  const made = once(guard);
  return { name: `forward/reader protection${name}`, unit: 'percent', oneProcessor: true, measure: () => protection(made) };
}

function reader() {
  const words = quiescenceWords(2);
  const made = new QuiescentReader(words, new GracePeriods(words).claim());
  made.online();
  return made;
}
const sharedWord = () => new Int32Array(new SharedArrayBuffer(64));

/** @param {number} routes */
const verdictRow = (routes) => ({ name: `forward/verdict6-${routes}-routes`, unit: 'Mpps', oneProcessor: true, measure: () => verdicts6(routes), peer: { name: 'IPv4', measure: () => verdicts4(routes) } });

export const benchmarks = [
  frameRow('forward 64', 'ip4', '4', ahead),
  frameRow('forward 64 one by one', 'ip4', '4', bare),
  frameRow('forward6 64', 'ip6', '6', bare),
  frameRow('bridge 64', 'bridge', 'b', bare),
  workersRow('2 workers', 'quiescent', { name: 'one', measure: () => workers().rate(1, 'quiescent') }),
  workersRow('2 workers counter', 'counted', { name: 'quiescent points', measure: () => workers().rate(2, 'quiescent') }),
  workersRow('2 workers lock', 'locked', { name: 'quiescent points', measure: () => workers().rate(2, 'quiescent') }),
  protectionRow('', () => quiescent(reader())),
  protectionRow(' counter', () => counted(sharedWord())),
  protectionRow(' lock', () => locked(sharedWord())),
  verdictRow(10), verdictRow(1_000), verdictRow(200_000),
];
