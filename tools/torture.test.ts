/**
 * torture.test.ts — real workers read what one writer changes, deletes and uses again; and what breaks a rule is noticed. `npm run torture -- 1h` is the long proof.
 *
 * The seeds repeat what the writer does. What a worker meets is the machine's doing, so a bug is looked for until it is found.
 */
import { describe, expect, it } from 'vitest';
import { tortures } from '../scripts/torture.mjs';
import { torture } from './torture/torture.mjs';
import type { TortureBug } from './torture/torture.mjs';

const OPERATIONS = 120_000;
const BUG_OPERATIONS = 100_000_000;

describe('readers under torture', () => {
  it.each([1, 2, 3])('see nothing torn, freed or somebody else\'s, and nothing waits in the end, seed %i', async (seed) => {
    const { problem, torture: t } = await torture({ seed }, ({ ops, counts }) => ops >= OPERATIONS && (counts['lookups'] ?? 0) > 100_000);
    expect(problem).toBeNull();
    expect(t.kills).toBeGreaterThan(1);
    expect(t.engine.readers.waited).toBeGreaterThan(100);
    expect(Math.min(...Object.values(t.done))).toBeGreaterThan(1_000);
    expect(Object.entries(t.counts).filter(([name, n]) => !['torn', 'freed', 'foreign', 'sleeps'].includes(name) && n === 0)).toEqual([]);
  }, 60_000);

  it.each<[TortureBug, RegExp]>([
    ['no grace period', /torn|freed|foreign|destroyed/],
    ['references ignored', /torn|freed|foreign/],
    ['nodes used again at once', /torn|freed|foreign/],
    ['mark ignored', /torn|freed|foreign/],
    ['the dead are not buried', /the writer is stuck/],
  ])('notice it: %s', async (bug, notice) => {
    const { problem } = await torture({ seed: 1, bug, silentMax: 100 }, ({ ops }) => ops >= BUG_OPERATIONS);
    expect(problem).toMatch(notice);
  }, 120_000);

  it('a short run is one with readers: it begins when each of them reads', async () => {
    const { problem, torture: t } = await torture({ seed: 4 }, () => true);
    expect([problem, t.isRead]).toEqual([null, true]);
  }, 60_000);

  it('many runs have a seed each, and end with the first that has a problem', async () => {
    const seeds: number[] = [];
    const run = (seed: number): Promise<string | null> => {
      seeds.push(seed);
      return Promise.resolve(seed === 9 ? 'torn 1' : null);
    };
    expect(await tortures(7, 2, run)).toEqual({ problem: null, seed: 8, done: 2 });
    expect(await tortures(7, 100, run)).toEqual({ problem: 'torn 1', seed: 9, done: 2 });
    expect(seeds).toEqual([7, 8, 7, 8, 9]);
  });
});
