/**
 * tcp-throughput.test.ts — rows of docs/tcp-throughput.md are what its program prints; and a few seeds of the TCP simulation.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { HEAD, PAGE, goodput, mathis, row } from '../scripts/tcp-throughput.mjs';
import { simulate } from '../scripts/sim.mjs';
import { scenarios } from './sim/tcp.sim.mjs';

describe('docs/tcp-throughput.md', () => {
  const lines = readFileSync(PAGE, 'utf8').split('\n');

  test.each([[100, 0.01], [100, 0.1], [10, 0.1]])('RTT %i ms, loss %d', (rttMs, loss) => {
    expect(lines).toContain(HEAD);
    expect(lines).toContain(row(rttMs, loss));
  });

  test('NewReno is near the formula', () => {
    const ratio = goodput('newreno', 100, 0.01) / mathis(100, 0.01);
    expect(ratio).toBeGreaterThan(0.6);
    expect(ratio).toBeLessThan(1.5);
  });
});

test('a few seeds of the TCP simulation', { timeout: 120_000 }, () => {
  const [tcp] = scenarios;
  if (tcp === undefined) throw new Error('no scenario');
  expect(simulate(tcp, 1, 20)).toMatchObject({ problem: null });
});
