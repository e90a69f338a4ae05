/**
 * tidy.ts — the repository check: headers, names, sizes and places of files, which no library knows about.
 * Read first: CONTRIBUTING.md, "Style".
 *
 * `tidy(root)` reads the files of a checkout and answers with findings; tidy.test.ts expects none for this repository, and
 * fences.test.ts plants one of each kind and expects it to be found.
 *
 * Not here: anything that needs a parser (eslint.config.mjs) or the import graph (dependency-rules.mjs).
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LAYER_NAMES } from './layers.mjs';

/** One thing to mend: where, which rule, and what to do. */
export interface Finding {
  readonly file: string;
  readonly rule: TidyRule;
  readonly text: string;
}

export type TidyRule = 'header' | 'folder' | 'name' | 'later' | 'default-export' | 'length' | 'reference' | 'example' | 'readme';

const ROOTS = ['packages', 'tools', 'examples', 'bench', 'scripts'];
const SKIPPED = new Set(['node_modules', 'dist', '.build']);
const MAX_LINES = 700;
const MAX_EXAMPLE_LINES = 80;
const BANNED_NAMES = /(^|[-.])(utils?|helpers?|managers?|common|misc|stuff)([-.]|$)/;
const CORE_ROOT_FILES = new Set(['index.ts']);
/** Spelled apart, so that this file does not find itself. */
const LATER = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);
const REFERENCE = new RegExp('^\\s*///\\s*' + '<reference');

function* walk(root: string, dir: string): Generator<string> {
  const entries = readdirSync(join(root, dir), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (SKIPPED.has(entry.name) || entry.isSymbolicLink()) continue;
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(root, path);
    else if (/\.(ts|mts|tsx|mjs)$/.test(entry.name)) yield path;
  }
}

/** The checked files of a checkout, relative to `root`, with `/`. */
export function sourceFiles(root: string): string[] {
  return ROOTS.filter((dir) => existsSync(join(root, dir))).flatMap((dir) => [...walk(root, dir)]);
}

/** A file opens with `/**`, and the first line of it names the file. */
function headerFinding(file: string, lines: string[]): string | null {
  const start = lines[0]?.startsWith('#!') ? 1 : 0;
  if (!lines[start]?.startsWith('/**')) return 'open the file with a /** */ header that says what it is';
  const title = lines.slice(start, start + 2).join(' ');
  if (!title.includes(basename(file))) return `the header's first line names the file: "${basename(file)} — what it is"`;
  return null;
}

function nameFinding(file: string): string | null {
  for (const part of file.split('/')) {
    if (BANNED_NAMES.test(part)) return `"${part}" says nothing; name the concept`;
  }
  if (!/^[a-z0-9.-]+$/.test(basename(file))) return 'files are kebab-case';
  return null;
}

function folderFinding(file: string): string | null {
  const match = /^packages\/core\/src\/(?:([^/]+)\/)?/.exec(file);
  if (match === null) return null;
  const folder = match[1];
  if (folder === undefined) return CORE_ROOT_FILES.has(basename(file)) ? null : 'a file of the core lives in a layer';
  return LAYER_NAMES.includes(folder) ? null : `"${folder}" is not a layer of tools/layers.mjs`;
}

function checkLines(file: string, lines: string[], report: (rule: TidyRule, text: string) => void): void {
  lines.forEach((line, i) => {
    if (LATER.test(line)) report('later', `line ${i + 1}: finish it, or say in the file header that it is deliberately not here`);
    if (REFERENCE.test(line)) report('reference', `line ${i + 1}: triple-slash references widen what a package may name`);
    if (file.startsWith('packages/core/') && /^export default\b/.test(line)) report('default-export', `line ${i + 1}: named exports only`);
  });
  if (lines.length > MAX_LINES) report('length', `${lines.length} lines; more than ${MAX_LINES} is more than one idea`);
  if (/^examples\/.+\.(ts|mjs)$/.test(file) && !file.includes('.test.') && lines.length > MAX_EXAMPLE_LINES) {
    report('example', `${lines.length} lines; an example fits in ${MAX_EXAMPLE_LINES}`);
  }
}

/** All findings for the checkout at `root`, in the order of the files. */
export function tidy(root: string): Finding[] {
  const findings: Finding[] = [];
  for (const file of sourceFiles(root)) {
    const report = (rule: TidyRule, text: string): void => void findings.push({ file, rule, text });
    const lines = readFileSync(join(root, file), 'utf8').replace(/\n$/, '').split('\n');
    const header = headerFinding(file, lines);
    if (header !== null) report('header', header);
    const name = nameFinding(file);
    if (name !== null) report('name', name);
    const folder = folderFinding(file);
    if (folder !== null) report('folder', folder);
    checkLines(file, lines, report);
  }
  for (const dir of existsSync(join(root, 'packages')) ? readdirSync(join(root, 'packages')) : []) {
    if (existsSync(join(root, 'packages', dir, 'package.json')) && !existsSync(join(root, 'packages', dir, 'README.md'))) {
      findings.push({ file: `packages/${dir}/README.md`, rule: 'readme', text: 'a package says what it is for, and what it does not do' });
    }
  }
  return findings;
}
