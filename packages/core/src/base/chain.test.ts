/**
 * chain.test.ts — order, leaving from anywhere, and that what has left is linked to nothing.
 */
import { describe, expect, it } from 'vitest';
import { Chain } from './chain.js';
import type { ChainLinks } from './chain.js';

class Item implements ChainLinks<Item> {
  chainNext: Item | null = null;
  chainPrev: Item | null = null;
}

describe('Chain', () => {
  it.each([[[0]], [[2]], [[1]], [[0, 1]], [[2, 1, 0]]])('keeps the order when %j leave', (leaving) => {
    const items = [new Item(), new Item(), new Item()];
    const chain = new Chain<Item>();
    for (const item of items) chain.add(item);
    for (const i of leaving) expect(chain.delete(items[i]!)).toBe(true);
    expect([...chain]).toEqual(items.filter((_item, i) => !leaving.includes(i)));
    expect(chain.size).toBe(3 - leaving.length);
    for (const i of leaving) expect([items[i]!.chainNext, items[i]!.chainPrev, chain.delete(items[i]!)]).toEqual([null, null, false]);
  });
});
