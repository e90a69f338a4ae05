/**
 * eslint.config.mjs — what a file may do, by package.
 *
 * tsc already refuses host names (timers, console, process, fetch) in the pure packages, because their `lib` is ES2023 and their
 * `types` is empty. What it cannot refuse is the part of ES2023 that is not a function of its inputs, or not the same
 * on every engine: the clock, Math.random, locale functions, transcendental Math, weak references, and, in the core, Promises.
 *
 * Not here: who imports whom (tools/dependency-rules.mjs); headers, names and sizes of files (tools/tidy.ts).
 */
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { noModuleState } from './tools/eslint-rules.mjs';

const TESTS = ['**/*.test.ts', 'packages/*/test/**'];
const CLOCK = 'Time is an argument: the host loop reads the clock once per batch.';
const HOST = 'The pure packages have no host; ask for it through env/ (core) or Proc (userland).';
const ENGINE = 'Not the same on every engine, so a run would not repeat.';
const ASYNC = 'The core is synchronous: only promises/ may wait.';

/** Names and properties that no pure package may use. */
const impureGlobals = [
  { name: 'Date', message: CLOCK },
  { name: 'Temporal', message: CLOCK },
  { name: 'performance', message: CLOCK },
  ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'queueMicrotask'].map((name) => ({ name, message: CLOCK })),
  ...['globalThis', 'window', 'self', 'global', 'process', 'console', 'Buffer', 'fetch', 'crypto'].map((name) => ({ name, message: HOST })),
  ...['Intl', 'WeakRef', 'FinalizationRegistry'].map((name) => ({ name, message: ENGINE })),
];
const impureProperties = [
  { object: 'Math', property: 'random', message: 'Draw from the kernel\'s seeded generator (base/prng.ts).' },
  ...'acos acosh asin asinh atan atan2 atanh cbrt cos cosh exp expm1 hypot log log10 log1p log2 pow sin sinh tan tanh'
    .split(' ')
    .map((property) => ({ object: 'Math', property, message: ENGINE })),
  ...['localeCompare', 'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase', 'toLocaleDateString', 'toLocaleTimeString'].map((property) => ({ property, message: ENGINE })),
];
const impureSyntax = [
  { selector: 'BinaryExpression[operator="**"], AssignmentExpression[operator="**="]', message: ENGINE },
  { selector: 'ForInStatement', message: 'for..in walks prototypes; iterate an array, a Map or Object.keys.' },
  { selector: 'CallExpression[callee.name="eval"], NewExpression[callee.name="Function"]', message: HOST },
];
const noDefaultExport = { selector: 'ExportDefaultDeclaration, ExportSpecifier[exported.name="default"]', message: 'Named exports only: one name for one thing.' };
const asyncSyntax = [
  { selector: ':function[async=true]', message: ASYNC },
  { selector: 'AwaitExpression', message: ASYNC },
  { selector: 'ForOfStatement[await=true]', message: ASYNC },
  { selector: 'TSTypeReference[typeName.name=/^(Promise|PromiseLike|AsyncIterable|AsyncIterator|AsyncGenerator)$/]', message: ASYNC },
];

export default defineConfig(
  { ignores: ['**/dist/**', '**/node_modules/**', '.build/**', '.netloom/**', 'coverage/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.mjs'],
    languageOptions: { parser: tseslint.parser, ecmaVersion: 2023, sourceType: 'module' },
    plugins: { '@typescript-eslint': tseslint.plugin, netloom: { rules: { 'no-module-state': noModuleState } } },
    rules: {
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-debugger': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-self-compare': 'error',
      'no-sparse-arrays': 'error',
      'no-unsafe-finally': 'error',
      'no-cond-assign': ['error', 'except-parens'],
      'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],
      'no-restricted-syntax': ['error', noDefaultExport],
    },
  },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': 'allow-with-description', minimumDescriptionLength: 10 }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: TESTS,
    rules: { 'max-lines-per-function': ['error', { max: 100, skipBlankLines: true, skipComments: true }] },
  },
  {
    files: ['packages/core/src/**/*.ts', 'packages/userland/src/**/*.ts'],
    ignores: TESTS,
    rules: {
      'netloom/no-module-state': 'error',
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-properties': ['error', ...impureProperties],
      'no-restricted-syntax': ['error', noDefaultExport, ...impureSyntax],
    },
  },
  {
    files: ['packages/core/src/**/*.ts'],
    ignores: [...TESTS, 'packages/core/src/promises/**'],
    rules: {
      'no-restricted-globals': ['error', ...impureGlobals, { name: 'Promise', message: ASYNC }],
      'no-restricted-syntax': ['error', noDefaultExport, ...impureSyntax, ...asyncSyntax],
    },
  },
  {
    // A Promise nobody looks at ends the daemon when it rejects, so the packages that use them are linted with types.
    files: ['packages/*/src/**/*.ts'],
    ignores: [...TESTS, 'packages/core/src/!(promises)/**', 'packages/core/src/*.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
    },
  },
  { files: ['*.config.ts', '*.config.mjs'], rules: { 'no-restricted-syntax': 'off' } },
);
