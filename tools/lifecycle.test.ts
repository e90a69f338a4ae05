/**
 * lifecycle.test.ts — moves, destructions and stops racing each other, over some hundreds of seeds; `npm run sim -- lifecycle --runs 5000` is the
 * long proof, and `npm run soak` the one that does not start over. A failure names its seed.
 */
import { describe, expect, it } from 'vitest';
import { ifCloneDestroyIfp } from '@netloom/core';
import { Lifecycle } from './sim/lifecycle.mjs';

const SEEDS = 200;
const OPERATIONS = 120;

describe('lifecycle', () => {
  it(`${SEEDS} seeds leave nothing and keep the books right`, () => {
    const done = { moved: 0, nested: 0, stopped: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const life = new Lifecycle(seed);
      for (let i = 0; i < OPERATIONS; i++) life.step();
      life.end();
      for (const what of ['moved', 'nested', 'stopped'] as const) done[what] += life.done[what];
    }
    expect(done.moved).toBeGreaterThan(SEEDS);
    expect(done.nested).toBeGreaterThan(SEEDS);
    expect(done.stopped).toBeGreaterThan(SEEDS);
  }, 120_000);

  it('notices books that are wrong', () => {
    const life = new Lifecycle(1);
    const { vnet0 } = life.kernel;
    life.kernel.call(0, () => life.net.clone(vnet0, 'epair'));
    const [, a] = vnet0.net.ifnets;
    a!.xname = 'lo0';
    expect(() => life.check()).toThrow(/vnet0: lo0: two interfaces of one name \(seed 1/);
    a!.xname = 'epair0a';
    life.kernel.engine.pool.from(new Uint8Array(10));
    life.kernel.call(0, () => ifCloneDestroyIfp(a!, 0));
    expect(() => life.end()).toThrow('lost: 1 packets (seed 1)');
  });
});
