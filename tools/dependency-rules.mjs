/**
 * dependency-rules.mjs — the rules of the dependency checker, generated: who may import whom.
 * Read first: tools/layers.mjs; dependency-cruiser's "rules reference".
 *
 * Two sources, no list of its own: the layer array gives the order of the folders inside the core; the `dependencies` and
 * `exports` of each package.json give which package may import which, and through which doors. Hoisted workspaces
 * let a package import a sibling that it does not declare, and neither Node nor tsc objects; the rules `*-declares-siblings` do.
 *
 * Tests (`*.test.ts`, `test/`) may reach any layer of their own package and its declared siblings, and the test libraries of the root.
 *
 * Not here: what a file may do inside its layer (eslint.config.mjs).
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LAYER_NAMES } from './layers.mjs';

const CORE = '^packages/core/src';
const TEST_FILE = '(\\.test\\.ts$|^packages/[^/]+/test/)';

/**
 * @typedef {{ dir: string, name: string, siblings: string[], libraries: string[], doors: string[] }} Package
 * `dir`: folder under packages/; `siblings`: folders of the workspace packages it declares; `libraries`: names of the
 * registry packages it declares; `doors`: source files its `exports` publish.
 */

/** @param {string} text */
const quote = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** @param {string[]} alternatives @param {string} prefix @param {string} suffix */
const anyOf = (alternatives, prefix, suffix) => (alternatives.length === 0 ? '^$' : `${prefix}(${alternatives.join('|')})${suffix}`);

/**
 * The workspace packages under `root`, from their package.json files.
 * @param {string} root
 * @returns {Package[]}
 */
export function readPackages(root) {
  const manifests = readdirSync(join(root, 'packages'))
    .filter((dir) => existsSync(join(root, 'packages', dir, 'package.json')))
    .map((dir) => ({ dir, manifest: JSON.parse(readFileSync(join(root, 'packages', dir, 'package.json'), 'utf8')) }));
  const dirOf = new Map(manifests.map(({ dir, manifest }) => [manifest.name, dir]));
  return manifests.map(({ dir, manifest }) => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies });
    const doors = Object.values(manifest.exports ?? {}).flatMap((target) => (typeof target === 'object' ? [target['netloom-src']] : []));
    return {
      dir,
      name: manifest.name,
      siblings: declared.flatMap((name) => dirOf.get(name) ?? []),
      libraries: declared.filter((name) => !dirOf.has(name)),
      doors: doors.map((door) => door.replace(/^\.\//, '')),
    };
  });
}

/** A folder of the core may import itself and what stands to its left. */
function layerRules() {
  return LAYER_NAMES.slice(0, -1).map((layer, i) => ({
    name: `${layer}-looks-down-only`,
    comment: `Folders to the right of ${layer} in tools/layers.mjs are out of its sight, types included. Declare a table here and let them fill it.`,
    severity: 'error',
    from: { path: `${CORE}/${layer}/`, pathNot: TEST_FILE },
    to: { path: `${CORE}/(${LAYER_NAMES.slice(i + 1).join('|')})/` },
  }));
}

/** @param {Package} pkg @param {Package[]} all @param {string[]} testLibraries */
function packageRules(pkg, all, testLibraries) {
  const others = all.filter((other) => other.dir !== pkg.dir);
  const undeclared = others.filter((other) => !pkg.siblings.includes(other.dir)).map((other) => quote(other.dir));
  const pure = pkg.libraries.length === 0 && pkg.siblings.every((sibling) => sibling === 'core');
  const own = [pkg.dir, ...pkg.siblings].map(quote);
  const allowed = `^packages/(${own.join('|')})/`;
  const from = `^packages/${quote(pkg.dir)}/`;
  return [
    {
      name: `${pkg.dir}-declares-siblings`,
      comment: `packages/${pkg.dir}/package.json does not declare this workspace package; hoisting alone makes it resolvable.`,
      severity: 'error',
      from: { path: from },
      to: { path: anyOf(undeclared, '^packages/', '/') },
    },
    {
      name: `${pkg.dir}-declares-libraries`,
      comment: `packages/${pkg.dir}/package.json does not declare this library.`,
      severity: 'error',
      from: { path: from, pathNot: TEST_FILE },
      to: { path: '(^|/)node_modules/', pathNot: [allowed, anyOf(pkg.libraries.map(quote), '(^|/)node_modules/', '/')] },
    },
    {
      name: `${pkg.dir}-tests-use-declared-libraries`,
      comment: 'Tests use what their package declares and the test libraries of the root package.json.',
      severity: 'error',
      from: { path: `${from}.*${TEST_FILE}|${from}test/` },
      to: { path: '(^|/)node_modules/', pathNot: [allowed, anyOf([...pkg.libraries, ...testLibraries].map(quote), '(^|/)node_modules/', '/')] },
    },
    ...(pure
      ? [
          {
            name: `${pkg.dir}-is-pure`,
            comment: `${pkg.name} runs in browsers and workers as it does in Node: it imports nothing but ${own.join(' and ')}.`,
            severity: 'error',
            from: { path: `${from}src/`, pathNot: TEST_FILE },
            to: { pathNot: [allowed] },
          },
        ]
      : []),
    {
      name: `${pkg.dir}-has-doors`,
      comment: `Other packages import what ${pkg.name} exports, not its inner files.`,
      severity: 'error',
      from: { path: '^(packages|examples|bench|tools)/', pathNot: [from] },
      to: { path: `${from}src/`, pathNot: [anyOf(pkg.doors.map(quote), from, '$')] },
    },
  ];
}

/**
 * The rule set for the repository at `root`.
 * @param {string} root
 */
export function dependencyRules(root) {
  const packages = readPackages(root);
  const rootManifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const testLibraries = Object.keys(rootManifest.devDependencies);
  return [
    ...layerRules(),
    ...packages.flatMap((pkg) => packageRules(pkg, packages, testLibraries)),
    {
      name: 'index-is-for-outsiders',
      comment: 'Inside the core import the file that defines the thing; index.ts would make every layer see every other.',
      severity: 'error',
      from: { path: `${CORE}/.+/`, pathNot: TEST_FILE },
      to: { path: `${CORE}/index\\.ts$` },
    },
    {
      name: 'no-cycles',
      comment: 'Files that need each other to load are one file. (`import type` inside a folder is a forward declaration, and free.)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-tests-in-products', comment: 'A product file does not import a test; benchmarks and tools may use what tests are made with.', severity: 'error', from: { pathNot: [TEST_FILE, '^(bench|tools)/'] }, to: { path: TEST_FILE } },
    { name: 'resolvable', comment: 'This import leads nowhere.', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ];
}
