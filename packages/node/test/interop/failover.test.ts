/**
 * failover.test.ts — a protected machine is killed again and again, and nobody who talks to it notices: a short run of `npm run failover`, as a program. The long proof:
 *
 *     npm run failover -- --kills 100 --linux
 *     npm run failover -- --mode pair --disk --kills 20
 *
 * Read first: docs/protect.md; tools/failover/proof.mjs (what is done), tools/failover/judge.mjs (who judges, tested in tools/failover.test.ts).
 *
 * Nothing is tried again: what was taken back once was taken back.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { listen } from './test-daemon.js';

const SCRIPT = fileURLToPath(new URL('../../../../scripts/failover.mjs', import.meta.url));
const SEED = 1;
/** A guest boots in seconds, and in minutes on a machine that does much else. */
const OPTIONS = { timeout: 1_200_000, retry: 0 };

interface Report {
  readonly ok: boolean;
  readonly failovers: number;
  readonly regressions: number;
  readonly connectionResets: number;
  readonly gapMs: { readonly all: readonly number[] } | null;
  readonly requests: { readonly tcp: number; readonly udp: number };
  readonly epochs: { readonly committed: number };
  readonly journal: { readonly records: number; readonly acknowledged: number } | null;
  readonly control: { readonly regressions: number } | null;
  readonly problems: readonly string[];
}

/** Runs the proof, and expects it to hold. */
async function proof(...args: string[]): Promise<Report> {
  const { status, stdout, stderr } = await listen(spawn(process.execPath, [SCRIPT, '--json', '--seed', String(SEED), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })).ended;
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('  ok      ') as string });
  return JSON.parse(stdout) as Report;
}

peer('guest', 'perl')('20 kills on one TCP connection: no answer is taken back, and with output that is not held some are', OPTIONS, async () => {
  const report = await proof('--kills', '20');
  expect(report).toMatchObject({ ok: true, failovers: 20, regressions: 0, connectionResets: 0, problems: [] });
  expect(report.gapMs?.all).toHaveLength(20);
  expect(report.control?.regressions).toBeGreaterThan(0);
  // Each kill came after some epochs, and in each both ways were answered.
  expect(report.epochs.committed).toBeGreaterThan(60);
  expect(Math.min(report.requests.tcp, report.requests.udp)).toBeGreaterThan(60);
});

peer('guest', 'perl')('two daemons in turn, each killed as by a power failure', OPTIONS, async () => {
  expect(await proof('--mode', 'pair', '--kills', '3', '--no-control')).toMatchObject({ failovers: 3, regressions: 0, connectionResets: 0, control: null });
});

peer('guest', 'perl')('a disk: all that was answered is on it, and nothing that did not come to be', OPTIONS, async () => {
  const { journal, ...report } = await proof('--disk', '--kills', '3', '--no-control');
  expect(report).toMatchObject({ failovers: 3, regressions: 0, connectionResets: 0 });
  expect(journal?.acknowledged).toBeGreaterThan(0);
  expect(journal?.records).toBeGreaterThanOrEqual(journal?.acknowledged ?? Infinity);
});
