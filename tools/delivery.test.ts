/**
 * delivery.test.ts — nothing is delivered wrongly while everything changes under two real workers; a planted bug is found. The long proof:
 *
 *     npm run delivery -- --ops 1000000
 *
 * It runs as a program, because workers run what `npm run build` made.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const OPERATIONS = 10_000;
/** The planted bug shows within some thousand. */
const OPERATIONS_PLANTED = 1_000_000;
const SEED = 1;

const delivery = (...args: string[]) => spawnSync(process.execPath, [fileURLToPath(new URL('../scripts/delivery.mjs', import.meta.url)), '--seed', String(SEED), ...args], { encoding: 'utf8' });

test(`${OPERATIONS} operations under two workers, seed ${SEED}: no packet goes astray`, () => {
  const { status, stdout, stderr } = delivery('--ops', String(OPERATIONS));
  expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('; 0 wrong deliveries')]);
  const [, frames = '0', sent = '0'] = /([0-9]+) packets, ([0-9.]+) % sent/.exec(stdout) ?? [];
  expect(Number(frames)).toBeGreaterThan(OPERATIONS);
  expect(Number(sent)).toBeGreaterThan(5);
}, 120_000);

test('what is used again without waiting for workers is found', () => {
  const { status, stdout } = delivery('--ops', String(OPERATIONS_PLANTED), '--plant', 'reuse');
  expect([status, stdout]).toEqual([1, expect.stringMatching(/FAILED.*[1-9][0-9]* wrong deliveries\n {2}worker \d: a packet for /)]);
}, 300_000);
