/**
 * examples.test.ts — every numbered example runs to its end with exit code 0 and says something.
 *
 * An example is a file, or a folder whose main.mjs is run.
 * They run as a reader would run them: Node alone, on the built packages (`npm test` builds first).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';

const LINES_MAX = 80;
const here = new URL('.', import.meta.url);
const examples = readdirSync(here, { withFileTypes: true }).filter((f) => /^[0-9]{2}-/.test(f.name)).map((f) => (f.isDirectory() ? `${f.name}/main.mjs` : f.name)).sort();

it('there are eleven, numbered without gaps', () => {
  expect(examples.map((f) => Number(f.slice(0, 2)))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

it.each(examples)('%s runs', (file) => {
  const path = new URL(file, here);
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(LINES_MAX);
  expect(execFileSync(process.execPath, [path.pathname], { encoding: 'utf8', timeout: 60_000 })).not.toBe('');
});
