/**
 * docs.test.ts — the generated pages are the ones that their tables make, and the pages that people write lead somewhere.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PAGES } from '../scripts/docs.mjs';
import { tagsOf } from '../scripts/rfc-pages.mjs';

const root = join(import.meta.dirname, '..');

describe('generated pages', () => {
  test.each(PAGES.map((page) => page.file))('%s is what `npm run docs` writes', async (file) => {
    const page = PAGES.find((candidate) => candidate.file === file);
    expect(readFileSync(join(root, file), 'utf8')).toBe(await page?.generate());
  });
});

/** Markdown files of the repository, relative to its root. */
function pages(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || ['node_modules', 'dist'].includes(entry.name)) return [];
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (entry.isDirectory()) return pages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

test('links between pages and into the sources lead somewhere', () => {
  const dead = pages('').flatMap((page) => {
    const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)];
    return links.map((link) => link[1] ?? '').filter((target) => !existsSync(join(root, dirname(page), target))).map((target) => `${page}: ${target}`);
  });
  expect(dead).toEqual([]);
});

test('every verb of package.json has its script', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const missing = Object.entries(scripts).filter(([, command]) => {
    const file = /^node (\S+)/.exec(command)?.[1];
    return file !== undefined && !existsSync(join(root, file));
  });
  expect(missing).toEqual([]);
});

describe('an @rfc tag', () => {
  const of = (line: string): unknown => tagsOf('a.ts', `/**\n * a.ts\n *\n${line}\n */\n`);

  test('names an RFC, a section, and how much of it is there', () => {
    expect(of(' * @rfc 4861 7.2.5 yes')).toEqual([{ rfc: 4861, section: '7.2.5', done: 'yes', why: '', file: 'a.ts' }]);
    expect(of(' * @rfc 1122 4.1 partial "no source routes"')).toEqual([{ rfc: 1122, section: '4.1', done: 'partial', why: 'no source routes', file: 'a.ts' }]);
    expect(of(' * @rfc 768 yes')).toEqual([{ rfc: 768, section: '', done: 'yes', why: '', file: 'a.ts' }]);
  });

  test.each([
    [' * @rfc 4861 7.2.5 maybe', /not a tag/],
    [' * @rfc 4861 7.2.5 partial', /say why/],
    [' * @rfc 48610 7.2.5 yes', /no title/],
  ])('%s is refused', (line, message) => {
    expect(() => of(line)).toThrow(message);
  });
});
