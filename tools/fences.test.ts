/**
 * fences.test.ts — every fence is tested with a violation planted for it: a fence that nothing can trip over is not there.
 * Read first: ARCHITECTURE.md, "Fences"; the four fences are tsc, eslint, dependency-cruiser and tidy.ts.
 *
 * A temporary checkout gets the real configuration files of this repository and small planted sources. Each fence
 * runs once over all of them; each planted file expects its own rule, and the innocent files expect silence.
 *
 * Not here: the findings for this repository itself (`npm run check`, tidy.test.ts).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ESLint } from 'eslint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPackages } from './dependency-rules.mjs';
import { LAYER_NAMES } from './layers.mjs';
import { tidy } from './tidy.js';

const root = join(import.meta.dirname, '..');
const TIMEOUT_MS = 60_000;
const CONFIGURATION = ['package.json', 'tsconfig.base.json', 'eslint.config.mjs', 'dependency-cruiser.config.mjs', 'tools/layers.mjs', 'tools/dependency-rules.mjs', 'tools/eslint-rules.mjs'];
const PACKAGES = readPackages(root);

/** Sources that break no rule; other plants import them. */
const INNOCENT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(PACKAGES.flatMap((pkg) => pkg.doors.map((door) => [`packages/${pkg.dir}/${door}`, 'export const door = 1;']))),
  'packages/core/src/base/low.ts': 'export interface Low { readonly a: number }\nexport const low = 1;',
  'packages/core/src/net/table.ts': 'const TABLE = new Uint8Array(4);\nfor (let i = 0; i < 4; i++) TABLE[i] = i;\nexport const at = (i: number): number => TABLE[i] ?? 0;',
  'packages/core/src/net/forward-a.ts': "import type { B } from './forward-b.js';\nexport interface A { readonly b: B }",
  'packages/core/src/net/forward-b.ts': "import type { A } from './forward-a.js';\nexport interface B { readonly a: A | null }",
  'packages/core/src/vnet/looks-left.ts': "import { low } from '../base/low.js';\nexport const sees = low;",
  'packages/core/src/promises/waits.ts': 'export async function waits(p: Promise<number>): Promise<number> { return await p; }',
  'packages/core/src/net/any-layer.test.ts': "import { door } from '../sim/index.js';\nvoid door; void Date.now();",
  'packages/userland/src/tool.ts': "import { door } from '@netloom/core';\nexport async function tool(): Promise<number> { return door; }",
};

let checkout = '';

/** Writes a file of the temporary checkout. */
function plant(path: string, text: string): void {
  mkdirSync(join(checkout, dirname(path)), { recursive: true });
  writeFileSync(join(checkout, path), `${text}\n`);
}

/** Links what this checkout has installed; the workspace packages lead to the temporary checkout's own. */
function linkModules(): void {
  const modules = join(checkout, 'node_modules');
  mkdirSync(join(modules, '@netloom'), { recursive: true });
  const own = new Set(PACKAGES.map((pkg) => pkg.name));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@netloom' && !own.has(name)) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const pkg of PACKAGES) symlinkSync(join(checkout, 'packages', pkg.dir), join(modules, pkg.name));
}

beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'netloom-fences-'));
  for (const file of CONFIGURATION) cpSync(join(root, file), join(checkout, file), { recursive: true });
  for (const pkg of PACKAGES) {
    for (const file of ['package.json', 'tsconfig.json']) cpSync(join(root, 'packages', pkg.dir, file), join(checkout, 'packages', pkg.dir, file));
  }
  linkModules();
  for (const [path, text] of Object.entries(INNOCENT)) plant(path, text);
});

afterAll(() => {
  rmSync(checkout, { recursive: true, force: true });
});

/** Runs a program of node_modules in the temporary checkout. */
function run(script: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: checkout,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  return stdout === '' ? stderr : stdout;
}

describe('tsc: the pure packages have no host', () => {
  const HOST_NAMES = ['setTimeout', 'console', 'process', 'Buffer', 'fetch', 'crypto', 'performance', 'TextEncoder', 'structuredClone', 'queueMicrotask', 'document'];
  const plants: Record<string, string> = {
    ...Object.fromEntries(HOST_NAMES.map((name) => [`names-${name.toLowerCase()}.ts`, `export const x: unknown = ${name};`])),
    'imports-node.ts': "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;",
    'unchecked-index.ts': 'export const x = (a: readonly number[]): number => a[0];',
    'has-enum.ts': 'export enum X { A }',
    'type-by-value-import.ts': "import { Low } from '../base/low.js';\nexport type X = Low;",
    'parameter-property.ts': 'export class X { constructor(readonly a: number) {} }',
  };

  test.each(['core', 'userland'])(
    '%s',
    (pkg) => {
      const dir = `packages/${pkg}/src/planted`;
      for (const [file, text] of Object.entries(plants)) plant(`${dir}/${file}`, text);
      if (pkg === 'userland') plant('packages/userland/src/base/low.ts', INNOCENT['packages/core/src/base/low.ts'] ?? '');
      const output = run('typescript/bin/tsc', '-b', `packages/${pkg}`, '--pretty', 'false');
      const missed = Object.keys(plants).filter((file) => !output.includes(`${dir}/${file}(`));
      rmSync(join(checkout, dir), { recursive: true });
      rmSync(join(checkout, 'packages/userland/src/base'), { recursive: true, force: true });
      expect(missed, output).toEqual([]);
      expect(output.split('\n').filter((line) => line.includes('error TS') && !line.startsWith(dir))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('eslint: the core is a function of its inputs', () => {
  const PURE: Readonly<Record<string, readonly [rule: string, text: string]>> = {
    'date.ts': ['no-restricted-globals', 'export const x = (): number => Date.now();'],
    'timer.ts': ['no-restricted-globals', 'export const x = (): unknown => setTimeout(() => undefined, 1);'],
    'global-this.ts': ['no-restricted-globals', 'export const x: unknown = globalThis;'],
    'intl.ts': ['no-restricted-globals', 'export const x: unknown = Intl;'],
    'weak.ts': ['no-restricted-globals', 'export const x = (o: object): unknown => new WeakRef(o);'],
    'random.ts': ['no-restricted-properties', 'export const x = (): number => Math.random();'],
    'pow.ts': ['no-restricted-properties', 'export const x = (a: number): number => Math.pow(a, 2);'],
    'exp.ts': ['no-restricted-properties', 'export const x = (a: number): number => Math.exp(a);'],
    'log.ts': ['no-restricted-properties', 'export const x = (a: number): number => Math.log(a);'],
    'locale.ts': ['no-restricted-properties', 'export const x = (a: string): number => a.localeCompare("b");'],
    'stars.ts': ['no-restricted-syntax', 'export const x = (a: number): number => a ** 2;'],
    'for-in.ts': ['no-restricted-syntax', 'export function x(o: object): void { for (const k in o) void k; }'],
    'default.ts': ['no-restricted-syntax', 'export default 1;'],
    'let.ts': ['netloom/no-module-state', 'let n = 0;\nexport const x = (): number => ++n;'],
    'export-let.ts': ['netloom/no-module-state', 'export let n = 0;\nexport const x = (): number => ++n;'],
    'cache.ts': ['netloom/no-module-state', 'const cache = new Map<string, number>();\nexport const x = (k: string): unknown => cache.set(k, 1);'],
    'element.ts': ['netloom/no-module-state', 'const a = [0];\nexport function x(): void { a[0] = 1; }'],
    'view.ts': ['netloom/no-module-state', 'const v = new DataView(new ArrayBuffer(8));\nexport const x = (): void => v.setUint16(0, 1);'],
    'static.ts': ['netloom/no-module-state', 'export class X { static n = 0; }'],
    'any.ts': ['@typescript-eslint/no-explicit-any', 'export type X = any;'],
    'type-import.ts': ['@typescript-eslint/consistent-type-imports', "import { Low } from '../base/low.js';\nexport type X = Low;"],
    'long.ts': ['max-lines-per-function', `export function x(): void {\n${'  void 0;\n'.repeat(101)}}`],
  };
  const SYNCHRONOUS: Readonly<Record<string, readonly [rule: string, text: string]>> = {
    'promise.ts': ['no-restricted-globals', 'export const x = (): unknown => Promise.resolve(1);'],
    'promise-type.ts': ['no-restricted-syntax', 'export interface X { readonly p: Promise<number> }'],
    'async.ts': ['no-restricted-syntax', 'export const x = async (): Promise<void> => undefined;'],
    'async-iterable.ts': ['no-restricted-syntax', 'export interface X { readonly p: AsyncIterable<number> }'],
  };

  async function lint(dir: string, plants: Readonly<Record<string, readonly [string, string]>>): Promise<void> {
    for (const [file, [, text]] of Object.entries(plants)) plant(`${dir}/${file}`, text);
    const eslint = new ESLint({ cwd: checkout });
    const results = await eslint.lintFiles([dir]);
    const found = new Map(results.map((result) => [result.filePath.slice(join(checkout, dir).length + 1), result.messages.map((m) => m.ruleId ?? m.message)]));
    rmSync(join(checkout, dir), { recursive: true });
    for (const [file, [rule]] of Object.entries(plants)) expect(found.get(file), file).toContain(rule);
  }

  test('core', () => lint('packages/core/src/planted', { ...PURE, ...SYNCHRONOUS }), TIMEOUT_MS);
  test('userland', () => lint('packages/userland/src/planted', PURE), TIMEOUT_MS);
  test(
    'userland may wait, but not forget what it waits for',
    () => lint('packages/userland/src/planted', { 'floating.ts': ['@typescript-eslint/no-floating-promises', 'export function x(p: Promise<void>): void { p; }'] }),
    TIMEOUT_MS,
  );
  test(
    'innocent files pass',
    async () => {
      const results = await new ESLint({ cwd: checkout }).lintFiles(Object.keys(INNOCENT));
      expect(results.flatMap((result) => result.messages.map((m) => `${result.filePath}: ${m.ruleId ?? ''} ${m.message}`))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('dependency-cruiser: who imports whom', () => {
  /** Planted file, the rule it breaks, what it imports. */
  const plants: (readonly [file: string, rule: string, imports: string])[] = [
    ...LAYER_NAMES.slice(0, -1).map((layer, i): [string, string, string] => [
      `packages/core/src/${layer}/planted-up.ts`,
      `${layer}-looks-down-only`,
      `../${LAYER_NAMES[i + 1] ?? ''}/planted-target.js`,
    ]),
    ['packages/core/src/net/planted-index.ts', 'index-is-for-outsiders', '../index.js'],
    ['packages/core/src/net/planted-self.ts', 'index-is-for-outsiders', '@netloom/core'],
    ['packages/core/src/net/planted-fs.ts', 'core-is-pure', 'node:fs'],
    ['packages/core/src/net/planted-out.ts', 'core-declares-siblings', '../../../userland/src/index.js'],
    ['packages/core/src/net/planted-hoisted.ts', 'core-declares-siblings', '@netloom/userland'],
    ['packages/core/src/net/planted-library.ts', 'core-declares-libraries', 'yaml'],
    ['packages/core/src/net/planted-test-import.ts', 'no-tests-in-products', './any-layer.test.js'],
    ['packages/core/src/net/planted-nowhere.ts', 'resolvable', './nowhere.js'],
    ['packages/core/src/net/planted-library.test.ts', 'core-tests-use-declared-libraries', 'yaml'],
    ['packages/userland/src/planted-hoisted.ts', 'userland-declares-siblings', '@netloom/node'],
    ['packages/userland/src/planted-fs.ts', 'userland-is-pure', 'node:fs'],
    ['packages/userland/src/planted-deep.ts', 'core-has-doors', '../../core/src/base/low.js'],
    ['packages/node/src/planted-hoisted.ts', 'node-declares-siblings', 'netloom/package.json'],
    ['packages/node/src/planted-library.ts', 'node-declares-libraries', 'commander'],
    ['packages/cli/src/planted-library.ts', 'cli-declares-libraries', 'yaml'],
  ];

  interface Violation {
    readonly from: string;
    readonly rule: { readonly name: string };
  }

  test(
    'each planted import is refused by its rule, and nothing else is',
    () => {
      for (const layer of LAYER_NAMES) plant(`packages/core/src/${layer}/planted-target.ts`, 'export interface Target { readonly a: number }');
      for (const [file, , imports] of plants) plant(file, `import type * as x from '${imports}';\nexport type X = typeof x;`);
      plant('packages/core/src/net/planted-cycle-a.ts', "import { b } from './planted-cycle-b.js';\nexport const a = (): number => b();");
      plant('packages/core/src/net/planted-cycle-b.ts', "import { a } from './planted-cycle-a.js';\nexport const b = (): number => a();");
      const output = run('dependency-cruiser/bin/dependency-cruise.mjs', 'packages', '--config', 'dependency-cruiser.config.mjs', '--output-type', 'json', '--no-progress');
      const { violations } = (JSON.parse(output) as { summary: { violations: Violation[] } }).summary;
      const found = violations.map((v) => `${v.from} ${v.rule.name}`);
      expect(found).toEqual(expect.arrayContaining(plants.map(([file, rule]) => `${file} ${rule}`)));
      expect(found.some((line) => /planted-cycle-[ab]\.ts no-cycles$/.test(line))).toBe(true);
      expect(found.filter((line) => !line.includes('/planted-'))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('tidy: headers, names, sizes and places', () => {
  const HEADER = (name: string): string => `/**\n * ${name} — planted.\n */\n`;
  const good = (name: string): string => `${HEADER(name)}export const x = 1;`;
  const plants: (readonly [path: string, rule: string, text: string])[] = [
    ['packages/core/src/net/no-header.ts', 'header', 'export const x = 1;'],
    ['packages/core/src/net/other-header.ts', 'header', good('another.ts')],
    ['packages/core/src/mystery/thing.ts', 'folder', good('thing.ts')],
    ['packages/core/src/stray.ts', 'folder', good('stray.ts')],
    ['packages/core/src/net/utils.ts', 'name', good('utils.ts')],
    ['packages/core/src/net/packet-helpers.ts', 'name', good('packet-helpers.ts')],
    ['packages/node/src/common/thing.ts', 'name', good('thing.ts')],
    ['packages/node/src/CamelCase.ts', 'name', good('CamelCase.ts')],
    ['packages/node/src/later.ts', 'later', `${good('later.ts')} // ${'TO' + 'DO'}: later`],
    ['packages/core/src/net/default.ts', 'default-export', `${HEADER('default.ts')}export default 1;`],
    ['packages/core/src/net/reference.ts', 'reference', `${HEADER('reference.ts')}${'/// '}<reference types="node" />`],
    ['packages/node/src/long.ts', 'length', `${HEADER('long.ts')}${'\n'.repeat(700)}`],
    ['examples/long.mjs', 'example', `${HEADER('long.mjs')}${'\n'.repeat(80)}`],
    ['bench/no-header.mjs', 'header', 'export const x = 1;'],
    ['scripts/no-header.mjs', 'header', 'export const x = 1;'],
    ['tools/no-header.ts', 'header', 'export const x = 1;'],
  ];

  test('each planted file is found by its rule', () => {
    for (const [path, , text] of plants) plant(path, text);
    plant('packages/node/src/good.ts', good('good.ts'));
    const found = tidy(checkout).map(({ file, rule }) => `${file} ${rule}`);
    expect(found).toEqual(expect.arrayContaining(plants.map(([path, rule]) => `${path} ${rule}`)));
    expect(found).toContain('packages/core/README.md readme');
    expect(found.filter((line) => line.includes('good.ts'))).toEqual([]);
  });
});

test('the temporary checkout is a checkout of its own', () => {
  expect(existsSync(join(checkout, 'node_modules/@netloom/core/src/base/low.ts'))).toBe(true);
});
