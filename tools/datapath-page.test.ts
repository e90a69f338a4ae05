/**
 * datapath-page.test.ts — docs/datapath-punts.md has every reason that packages/core/src/fwd/fwd-verdict.ts knows, once.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FWD_DROP_BLACKHOLE, FWD_REASONS, fwdReason } from '@netloom/core/fwd';

it('docs/datapath-punts.md has a row for each reason', () => {
  const page = readFileSync(new URL('../docs/datapath-punts.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([^`]+)`/g)].map((name) => name[1]!));
  const known = Array.from({ length: FWD_REASONS - 1 }, (_, i) => fwdReason(-1 - i));
  expect(told.toSorted()).toEqual(known.toSorted());
  expect(page).toContain(`\`${fwdReason(FWD_DROP_BLACKHOLE)}\``);
});
