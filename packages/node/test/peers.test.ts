/**
 * peers.test.ts — a missing peer is named, and is an error where peers are required.
 */
import { expect, test } from 'vitest';
import { lacking, peersRequired, programPath } from './peers.js';

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
