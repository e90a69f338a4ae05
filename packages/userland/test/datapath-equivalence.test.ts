/**
 * datapath-equivalence.test.ts — for any configuration and any frame the short path does what the complete path does, or punts.
 * Read first: datapath/equivalence-bench.ts (what is compared), equivalence-world.ts (configurations), equivalence-frames.ts (frames).
 *
 * A world is made from a seed, and lives for some hundred frames, between which its configuration changes. A failure prints the seed of its world, all commands since its beginning,
 * and the frame:
 *
 *     NETLOOM_DATAPATH_SEED=7 NETLOOM_DATAPATH_FRAMES=1000000 npx vitest run packages/userland/test/datapath-equivalence.test.ts
 *
 * is the long run, from world 7 on; with NETLOOM_DATAPATH_FRAMES=1 it is world 7 alone.
 */
import { expect, test } from 'vitest';
import { live } from './datapath/equivalence-live.js';

const FRAMES = Number(process.env['NETLOOM_DATAPATH_FRAMES'] ?? 10_000);
/** Shares of frames that the short path sends: of all, half of which nobody could send; and of those that come again and that the complete path gives to one other port. */
const SENT_MIN = 0.12;
const KNOWN_SENT_MIN = 0.7;
/** Frames that a run must have for its shares to say something: a single world may be one that nothing gets through. */
const SHARES_FRAMES = 5_000;
const SEED = Number(process.env['NETLOOM_DATAPATH_SEED'] ?? 1);

/** Adds `from` to `to`, and answers with the sum of what it added. */
function add(to: Map<string, number>, from: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [name, n] of from) {
    to.set(name, (to.get(name) ?? 0) + n);
    sum += n;
  }
  return sum;
}

const shares = (of: ReadonlyMap<string, number>): string => [...of].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${n}`).join(', ');

test(`${FRAMES} frames in worlds from seed ${SEED} on: both paths agree, and what is known goes the short way`, async () => {
  const verdicts = new Map<string, number>();
  const carried = new Map<string, number>();
  let frames = 0;
  let known = 0;
  for (let seed = SEED; frames < FRAMES; seed++) {
    const lived = await live(seed);
    frames += add(verdicts, lived.verdicts);
    known += add(carried, lived.carried);
  }
  console.log(`seed ${SEED}, ${frames} frames: ${shares(verdicts)}\n${known} frames that were known and carried to another port: ${shares(carried)}`);
  if (FRAMES < SHARES_FRAMES) return;
  expect((verdicts.get('sent') ?? 0) / frames).toBeGreaterThan(SENT_MIN);
  expect((carried.get('sent') ?? 0) / known).toBeGreaterThan(KNOWN_SENT_MIN);
}, 60_000 + FRAMES * 10);
