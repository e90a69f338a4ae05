/**
 * snippets.test.ts — the programs in the pages run, and print what the pages say.
 *
 * Every block of a page that is marked ```js is a complete program. It is run as a reader would run it: by Node alone, on the built packages
 * (`npm test` builds first), from a file inside the checkout. When the next block of the page is marked ```text, it is what the
 * program prints; a program without one has to print nothing or be content with any output.
 *
 * Not here: the sessions at a terminal (```console), and whether links lead somewhere (docs.test.ts).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toolNames } from '@netloom/userland';

const root = join(import.meta.dirname, '..');
const WORK = join(root, '.build/snippets');
const TIMEOUT_MS = 30_000;

interface Snippet {
  /** Page, and the line the program begins at. */
  readonly name: string;
  readonly program: string;
  /** What it prints; null: the page does not say. */
  readonly output: string | null;
}

interface Block {
  readonly kind: string;
  readonly line: number;
  readonly text: string;
}

function blocks(page: string): Block[] {
  const found: Block[] = [];
  let open: { readonly kind: string; readonly line: number; readonly lines: string[] } | null = null;
  readFileSync(join(root, page), 'utf8').split('\n').forEach((line, i) => {
    const fence = /^```(\S*)/.exec(line);
    if (open === null) open = fence === null ? null : { kind: fence[1] ?? '', line: i + 2, lines: [] };
    else if (fence === null) open.lines.push(line);
    else {
      found.push({ kind: open.kind, line: open.line, text: `${open.lines.join('\n')}\n` });
      open = null;
    }
  });
  return found;
}

function snippets(page: string): Snippet[] {
  const all = blocks(page);
  return all.flatMap((block, i) => {
    const next = all[i + 1];
    return block.kind === 'js' ? [{ name: `${page}:${block.line}`, program: block.text, output: next?.kind === 'text' ? next.text : null }] : [];
  });
}

const markdown = (dir: string): string[] => readdirSync(join(root, dir)).filter((file) => file.endsWith('.md')).map((file) => (dir === '' ? file : `${dir}/${file}`));
const readmes = readdirSync(join(root, 'packages')).map((dir) => `packages/${dir}/README.md`);
const found = [...markdown(''), ...markdown('docs'), ...readmes].flatMap(snippets);

describe('programs in the pages', () => {
  test('are found where they are expected', () => {
    const pages = new Set(found.map(({ name }) => name.replace(/:.*/, '')));
    for (const page of ['README.md', 'docs/library.md', 'docs/simulator.md', 'packages/core/README.md', 'packages/node/README.md', 'packages/userland/README.md']) expect(pages).toContain(page);
  });

  test.each(found)('$name runs', ({ name, program, output }) => {
    mkdirSync(WORK, { recursive: true });
    const file = join(WORK, `${name.replace(/[^A-Za-z0-9]+/g, '-')}.mjs`);
    writeFileSync(file, program);
    try {
      const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: TIMEOUT_MS, cwd: WORK });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      if (output !== null) expect(stdout).toBe(output);
    } finally {
      rmSync(file, { force: true });
    }
  }, TIMEOUT_MS);
});

test('docs/tools.md has a section for every tool', () => {
  const sections = [...readFileSync(join(root, 'docs/tools.md'), 'utf8').matchAll(/^## (.*)$/gm)].flatMap((match) => (match[1] ?? '').split(/, | and /));
  expect(toolNames.filter((name) => !sections.includes(name))).toEqual([]);
});
