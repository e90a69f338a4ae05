/**
 * forward.bench.mjs — a router's verdict on an IPv6 header: checks, own addresses, longest match, next hop; no packet moves.
 * A small table is a router in a lab, the large one has the prefix lengths of the Internet's table: most routes are /48, then /32, /44, /40.
 * Destinations are random among the routes, 65,536 of them. The peer is the same verdict on IPv4 headers over as many routes.
 */
import { performance } from 'node:perf_hooks';
import { Prng } from '@netloom/core';
import { AddrSet, AddrSet6, Fib4, Fib6, Fwd4, Fwd6, NHOP_VALID, NhopTable, fib4Shape, fib6Shape, forward4, forward6 } from '@netloom/core/fwd';
import { IP4_DST, IP6_DST, IP6_SRC, ip4Emit, ip4MaskOf, ip6Emit, ip6MaskWord } from '@netloom/core/wire';

const COUNT = 4_000_000;
const DESTINATIONS = 65_536;
const LENGTHS_6 = [48, 48, 48, 48, 48, 48, 32, 32, 44, 40, 36, 29];
const LENGTHS_4 = [24, 24, 24, 24, 24, 24, 22, 22, 23, 20, 21, 16];

function hops() {
  const table = new NhopTable();
  for (let i = 1; i <= 16; i++) table.setHop(i, NHOP_VALID, 2 + i, 1500, 0);
  return table;
}

/** @param {number} routes */
function verdicts6(routes) {
  const rng = new Prng(6);
  const fib = new Fib6(fib6Shape(routes, null));
  const prefixes = new Int32Array(routes * 2);
  for (let i = 0; i < routes; i++) {
    const plen = LENGTHS_6[i % LENGTHS_6.length] ?? 48;
    prefixes[2 * i] = (0x2a000000 | (rng.u32() & 0x01ff_ffff)) & ip6MaskWord(plen, 0);
    prefixes[2 * i + 1] = rng.u32() & ip6MaskWord(plen, 1);
    fib.insert(prefixes[2 * i] ?? 0, prefixes[2 * i + 1] ?? 0, 0, 0, plen, 1 + (i & 15));
  }
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
  const prefixes = new Uint32Array(routes);
  for (let i = 0; i < routes; i++) {
    const plen = LENGTHS_4[i % LENGTHS_4.length] ?? 24;
    prefixes[i] = (0x10000000 + (rng.u32() % 0x6000_0000)) & ip4MaskOf(plen);
    fib.insert(prefixes[i] ?? 0, plen, 1 + (i & 15));
  }
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

/** @param {number} routes */
const row = (routes) => ({ name: `forward/verdict6-${routes}-routes`, unit: 'Mpps', measure: () => verdicts6(routes), peer: { name: 'IPv4', measure: () => verdicts4(routes) } });

export const benchmarks = [row(10), row(1_000), row(200_000)];
