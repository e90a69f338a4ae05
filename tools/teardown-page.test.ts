/**
 * teardown-page.test.ts — docs/teardown.md shows the table that packages/core/src/net/if-detach.ts runs.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DETACH_STEPS } from '@netloom/core';

it('docs/teardown.md has the steps of a detach, in order, with their cases', () => {
  const page = readFileSync(new URL('../docs/teardown.md', import.meta.url), 'utf8');
  const yes = (on: boolean): string => (on ? 'yes |' : '|');
  const rows = DETACH_STEPS.map((s) => `| ${s.what} | ${yes(s.destroy)} ${yes(s.vmove)} ${yes(s.shutdown)}`);
  expect(page).toContain(rows.join('\n'));
});
