/**
 * protect-states-page.test.ts — docs/protect-states.md names every state, event and act that packages/core/src/ha/primary-state.ts and backup-state.ts know, once each.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

/** What a type of the source may be: the texts of its union. */
function textsOf(source: string, type: string, pattern: RegExp): string[] {
  const start = source.indexOf(`export type ${type} =`);
  const body = source.slice(start, source.indexOf(';\n\n', start));
  return [...body.matchAll(pattern)].map((m) => m[1]!);
}

it.each([['primary', 'Primary', '## The primary', '## The backup'], ['backup', 'Backup', '## The backup', '## Fences']])('docs/protect-states.md has the tables of the %s', (file, name, from, to) => {
  const source = read(`packages/core/src/ha/${file}-state.ts`);
  const page = read('docs/protect-states.md');
  const section = page.slice(page.indexOf(`\n${from}\n`), page.indexOf(`\n${to}\n`));
  const rows = (head: string): string[] => {
    const table = /(?:\|.*\n)+/.exec(section.slice(section.indexOf(`| ${head} |`)))![0];
    return [...table.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([^`]+)`/g)].map((m) => m[1]!));
  };
  expect(rows('State').toSorted()).toEqual(textsOf(source, `${name}Phase`, /'(\w+)'/g).toSorted());
  expect(rows('Event').toSorted()).toEqual(textsOf(source, `${name}Event`, /readonly is: '(\w+)'/g).toSorted());
  expect(rows('Act').toSorted()).toEqual(textsOf(source, `${name}Act`, /^ {2}\| '(\w+)'/gm).toSorted());
});
