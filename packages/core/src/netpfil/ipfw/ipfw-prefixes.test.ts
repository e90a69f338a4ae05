/**
 * ipfw-prefixes.test.ts — the longest prefix is found, whatever was added and removed before; the model looks at all of them.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../base/prng.js';
import { IpfwPrefixes } from './ipfw-prefixes.js';
import { NO_KEY, masked } from './ipfw-table.js';
import type { IpfwTableEntry } from './ipfw-table.js';
import { NO_VALUE } from './ipfw-table-value.js';

const STEPS = 4_000;
const PREFIXES = 60;

/** Few bits vary, so that prefixes are within each other. */
function words(rng: Prng, n: number): number[] {
  return Array.from({ length: n }, () => (rng.u32() & 0xc000_0003) | 0);
}

test.each([[32, 1], [48, 2], [128, 4]])('of %i bits', (bits, n) => {
  const rng = new Prng(bits);
  const prefixes = new IpfwPrefixes(bits);
  let model: IpfwTableEntry[] = [];
  const find = (addr: readonly number[]): IpfwTableEntry | null => {
    const fits = model.filter(({ key }) => String(masked(addr, key.plen)) === String(masked(key.words, key.plen)));
    return fits.sort((a, b) => b.key.plen - a.key.plen)[0] ?? null;
  };
  let found = 0;
  for (let i = 0; i < STEPS; i++) {
    const plen = rng.u32() % (bits + 1);
    const at = words(rng, n);
    if (bits === 48) at[1]! &= ~0xffff;
    const same = model.find(({ key }) => key.plen === plen && String(masked(key.words, plen)) === String(masked(at, plen)));
    if (rng.u32() % 3 === 0) {
      prefixes.set(at, plen, null);
      model = model.filter((entry) => entry !== same);
    } else if (model.length < PREFIXES || same !== undefined) {
      const entry = { key: { ...NO_KEY, words: at, plen }, value: NO_VALUE };
      prefixes.set(at, plen, entry);
      model = [...model.filter((e) => e !== same), entry];
    }
    const addr = words(rng, n);
    if (bits === 48) addr[1]! &= ~0xffff;
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = addr;
    const is = prefixes.find(w0, w1, w2, w3);
    expect(is, `step ${i}`).toBe(find(addr));
    if (is !== null) found++;
  }
  expect(found).toBeGreaterThan(STEPS / 10);
  for (const { key } of model) prefixes.set(key.words, key.plen, null);
  expect(prefixes.find(0, 0, 0, 0)).toBeNull();
});
