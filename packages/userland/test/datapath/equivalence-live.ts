/**
 * equivalence-live.ts — one world from its seed to its end: frames through both paths, between changes of its configuration.
 */
import { Prng } from '@netloom/core';
import { EquivalenceBench } from './equivalence-bench.js';
import { Frames } from './equivalence-frames.js';
import { World } from './equivalence-world.js';

/** Frames that come again and again. */
const FLOWS = 24;
/** Verdicts of frames that are worth another try. */
const KEPT: ReadonlySet<string> = new Set(['sent', 'noneigh', 'source', 'flood', 'blackhole']);
const FRAMES_PER_WORLD = 250;
const ANSWERS_MAX = 8;

interface Flow {
  readonly port: number;
  readonly frame: Uint8Array;
}

/** What became of a world's frames (EquivalenceBench). */
export interface Lived {
  readonly verdicts: ReadonlyMap<string, number>;
  readonly carried: ReadonlyMap<string, number>;
}

/** One world. */
export async function live(seed: number): Promise<Lived> {
  const rng = new Prng(seed);
  const bench = new EquivalenceBench(seed);
  const world = new World(bench, rng.split('world'));
  const frames = new Frames(world, rng.split('frames'));
  const recent: Flow[] = [];
  let last: Flow | null = null;
  try {
    await world.build();
    for (let n = 0; n < FRAMES_PER_WORLD; n++) {
      if (rng.chance(0.12)) await world.change();
      const port = rng.below(bench.ports.length);
      const again: Flow | null = last !== null && rng.chance(0.1) ? last : null;
      const flow: Flow = again ?? (recent.length > 0 && rng.chance(0.6) ? recent[rng.below(recent.length)]! : { port, frame: frames.next(port) });
      last = flow;
      const verdict = bench.offer(flow.port, flow.frame);
      if (rng.chance(KEPT.has(verdict) ? 0.9 : 0.1)) recent[recent.length < FLOWS ? recent.length : rng.below(FLOWS)] = flow;
      for (const { port: to, frame } of bench.left.slice(0, ANSWERS_MAX)) {
        const answer = frames.answer(frame);
        if (answer !== null && rng.chance(0.8)) bench.offer(to, bench.ports[to]!.vnetHdr ? new Uint8Array([...new Uint8Array(10), ...answer]) : answer);
      }
    }
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n  ${world.history.join('\n  ')}`, { cause: error });
  }
  return { verdicts: bench.verdicts, carried: bench.carried };
}
