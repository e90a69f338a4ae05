/**
 * protect-faults-page.test.ts — docs/protect-faults.md has the faults that packages/node/test/protect injects, with what comes of each, and no others.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { faultTable } from '../packages/node/test/protect/fault-table.js';

it('docs/protect-faults.md has the faults that are injected, and what comes of them', () => {
  const page = readFileSync(new URL('../docs/protect-faults.md', import.meta.url), 'utf8');
  const section = page.slice(page.indexOf('\n## The table\n'), page.indexOf('\n## What to do\n'));
  const rows = section.split('\n').filter((line) => line.startsWith('| ')).slice(1);
  expect(rows).toEqual(faultTable());
});
