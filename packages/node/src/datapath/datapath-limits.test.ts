/**
 * datapath-limits.test.ts — docs/datapath.md says the limits that there are.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PORTS_MAX, QUEUES_MAX, RING_SIZE_LONG, WORKERS_MAX } from './datapath-shared.js';

it('docs/datapath.md says the limits that there are', () => {
  const page = readFileSync(new URL('../../../../docs/datapath.md', import.meta.url), 'utf8');
  expect(page).toContain(`| workers | ${WORKERS_MAX};`);
  expect(page).toContain(`| devices | ${PORTS_MAX}, of ${QUEUES_MAX} queues each |`);
  expect(page).toContain(`of each device from it | ${RING_SIZE_LONG / 2 ** 20} MB;`);
});
