/**
 * peers.test.ts — a missing peer is named, and is an error where peers are required.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lacking, peersRequired } from './peers.js';
import { programPath } from './program-path.js';

test('what is there is not lacking', () => {
  expect(programPath('sh')).toMatch(/^\/.*\/sh$/);
  expect(lacking('sh')).toBeNull();
});

test('everything that is missing is named', () => {
  expect(lacking('no-such-program-a', 'sh', 'no-such-program-b')).toBe('no program no-such-program-a, no program no-such-program-b');
});

test('only the exact value makes a skip an error', () => {
  expect(peersRequired({})).toBe(false);
  expect(peersRequired({ NETLOOM_REQUIRE_PEERS: '0' })).toBe(false);
  expect(peersRequired({ NETLOOM_REQUIRE_PEERS: '1' })).toBe(true);
});

/** Runs a test file of its own that needs a peer nobody has. */
function runWithoutPeer(required: '0' | '1'): { numPassedTests: number; numFailedTests: number; numPendingTests: number; output: string } {
  const dir = mkdtempSync(join(tmpdir(), 'netloom-peers-'));
  const door = join(import.meta.dirname, 'peers.ts');
  const text = `import { peer, peerSuite } from ${JSON.stringify(door)};
    peer('sh')('has its peer', () => {});
    peer('no-such-program')('talks to it', () => {});
    peerSuite('no-such-program')('a suite for it', () => { throw new Error('must not be entered'); });`;
  writeFileSync(join(dir, 'planted.test.ts'), text);
  const vitest = join(import.meta.dirname, '../../../node_modules/vitest/vitest.mjs');
  const { stdout } = spawnSync(process.execPath, [vitest, 'run', '--root', dir, '--reporter=json'], {
    cwd: dir,
    encoding: 'utf8',
    env: { ...process.env, NETLOOM_REQUIRE_PEERS: required },
  });
  rmSync(dir, { recursive: true });
  return { ...(JSON.parse(stdout) as { numPassedTests: number; numFailedTests: number; numPendingTests: number }), output: stdout };
}

test('without its peer a test is skipped and says why', () => {
  const { output, ...counts } = runWithoutPeer('0');
  expect(counts).toMatchObject({ numPassedTests: 1, numFailedTests: 0, numPendingTests: 2 });
  expect(output).toContain('talks to it [no program no-such-program]');
});

test('where peers are required it fails and says why', () => {
  const { output, ...counts } = runWithoutPeer('1');
  expect(counts).toMatchObject({ numPassedTests: 1, numFailedTests: 2, numPendingTests: 0 });
  expect(output).toContain('this machine lacks a peer: no program no-such-program');
});
