/**
 * datapath-page.test.ts — docs/datapath-punts.md has every reason that packages/core/src/fwd/fwd-verdict.ts knows, once; docs/datapath.md says the limits that there are.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FWD_DROP_BLACKHOLE, FWD_REASONS, fwdReason } from '@netloom/core/fwd';
import { PORTS_MAX, QUEUES_MAX, RING_SIZE_LONG, WORKERS_MAX } from '../packages/node/src/datapath/datapath-shared.js';

it('docs/datapath-punts.md has a row for each reason', () => {
  const page = readFileSync(new URL('../docs/datapath-punts.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([^`]+)`/g)].map((name) => name[1]!));
  const known = Array.from({ length: FWD_REASONS - 1 }, (_, i) => fwdReason(-1 - i));
  expect(told.toSorted()).toEqual(known.toSorted());
  expect(page).toContain(`\`${fwdReason(FWD_DROP_BLACKHOLE)}\``);
});

it('docs/datapath.md says the limits that there are', () => {
  const page = readFileSync(new URL('../docs/datapath.md', import.meta.url), 'utf8');
  expect(page).toContain(`| workers | ${WORKERS_MAX};`);
  expect(page).toContain(`| devices | ${PORTS_MAX}, of ${QUEUES_MAX} queues each |`);
  expect(page).toContain(`of each device from it | ${RING_SIZE_LONG / 2 ** 20} MB;`);
});
