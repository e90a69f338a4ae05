/**
 * reclaim.test.ts — nodes that were taken out of a trie are used again as they are told to be: the oldest first, and no more than said (net/route/rib.ts counts them).
 */
import { expect, it } from 'vitest';
import { Fib4, fib4Shape } from './fib4.js';
import { Fib6, fib6Shape } from './fib6.js';

const tries = {
  Fib4: (): { fib: Fib4; add: (n: number) => void; remove: (n: number) => void } => {
    const fib = new Fib4(fib4Shape(1_000, null));
    return { fib, add: (n) => fib.insert(((n + 1) << 24) | 0x010203, 32, n + 1), remove: (n) => fib.remove(((n + 1) << 24) | 0x010203, 32, 0) };
  },
  Fib6: (): { fib: Fib6; add: (n: number) => void; remove: (n: number) => void } => {
    const fib = new Fib6(fib6Shape(100, null));
    return { fib, add: (n) => fib.insert((n + 1) << 28, 1, 2, 3, 128, n + 1), remove: (n) => fib.remove((n + 1) << 28, 1, 2, 3, 128, 0) };
  },
};

it.each(Object.entries(tries))('%s', (_name, make) => {
  const { fib, add, remove } = make();
  for (let n = 0; n < 5; n++) add(n);
  const each = fib.nodes / 5;
  const bytes = fib.bytes;
  for (let n = 0; n < 4; n++) remove(n);
  expect([fib.nodes, fib.retiredCount]).toEqual([each, 4 * each]);
  for (let n = 1; n <= each; n++) {
    fib.reclaim(1);
    expect(fib.retiredCount).toBe(4 * each - n);
  }
  add(0);
  expect([fib.retiredCount, fib.bytes]).toEqual([3 * each, bytes]); // in the nodes that were told
  fib.reclaim();
  for (let n = 1; n < 4; n++) add(n);
  expect([fib.retiredCount, fib.nodes, fib.bytes]).toEqual([0, 5 * each, bytes]);
});
