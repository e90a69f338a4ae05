/**
 * examples.test.ts — every numbered example runs to its end with exit code 0 and says something.
 *
 * They run as a reader would run them: Node alone, on the built packages (`npm test` builds first).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';

const LINES_MAX = 80;
const here = new URL('.', import.meta.url);
const examples = readdirSync(here).filter((f) => /^[0-9]{2}-.*\.mjs$/.test(f));

it('there are eight, numbered without gaps', () => {
  expect(examples.map((f) => Number(f.slice(0, 2)))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

it.each(examples)('%s runs', (file) => {
  const path = new URL(file, here);
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(LINES_MAX);
  expect(execFileSync(process.execPath, [path.pathname], { encoding: 'utf8', timeout: 60_000 })).not.toBe('');
});
