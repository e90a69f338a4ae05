/**
 * fib-updates.mjs — routes of a large IPv4 table that are taken out and put in again, as its owner does it: with a map of the routes of each length, which knows what a
 * route leads to, and the compiled table, which knows the route that covers another.
 */
import { Prng } from '@netloom/core';
import { ip4MaskOf } from '@netloom/core/wire';

/** @typedef {import('./fib-tables.mjs').Table} Table */

export class Updates {
  /** @param {import('@netloom/core/fwd').Fib4} fib compiled from `table` @param {Table} table */
  constructor(fib, table) {
    this.fib = fib;
    this.table = table;
    this.rng = new Prng(9);
    /** Answers by prefix, for each length. @type {Map<number, number>[]} */
    this.maps = Array.from({ length: 33 }, () => new Map());
    for (let r = 0; r < table.count; r++) this.maps[table.plens[r] ?? 0]?.set(table.words[r] ?? 0, table.values[r] ?? 0);
    /** Routes that are out. @type {number[]} */
    this.out = [];
  }

  /** @param {number} r */
  remove(r) {
    const { fib, table, maps } = this;
    const prefix = table.words[r] ?? 0;
    const plen = table.plens[r] ?? 0;
    maps[plen]?.delete(prefix);
    const cover = fib.match(prefix >>> 0, plen);
    fib.remove(prefix >>> 0, plen, cover < 0 ? 0 : (maps[cover]?.get(prefix & ip4MaskOf(cover)) ?? 0));
  }

  /** @param {number} r */
  insert(r) {
    const { fib, table, maps } = this;
    const prefix = table.words[r] ?? 0;
    const plen = table.plens[r] ?? 0;
    const value = table.values[r] ?? 0;
    maps[plen]?.set(prefix, value);
    fib.insert(prefix >>> 0, plen, value);
  }

  /** One update: takes a random route out, or puts the one in again that has been out longest. */
  next() {
    if (this.out.length >= 64) {
      this.insert(this.out.shift() ?? 0);
      return;
    }
    const r = 1 + (this.rng.u32() % (this.table.count - 1));
    if (this.out.includes(r)) return;
    this.out.push(r);
    this.remove(r);
  }

  /** Puts everything in again. */
  restore() {
    for (const r of this.out.splice(0)) this.insert(r);
  }
}
