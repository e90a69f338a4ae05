/**
 * tidy.test.ts — this repository passes its own repository check.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sourceFiles, tidy } from './tidy.js';

const root = join(import.meta.dirname, '..');

test('every file has a header, a place, a name and a size that its reader can live with', () => {
  const findings = tidy(root).map(({ file, rule, text }) => `${file}: [${rule}] ${text}`);
  expect(findings).toEqual([]);
});

test('the check sees the files of every root', () => {
  const roots = new Set(sourceFiles(root).map((file) => file.split('/')[0]));
  expect([...roots]).toEqual(expect.arrayContaining(['packages', 'tools', 'scripts']));
});

test('all packages have the version of the workspace, and name siblings by it', () => {
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  const manifests = readdirSync(join(root, 'packages')).map(
    (dir) => JSON.parse(readFileSync(join(root, 'packages', dir, 'package.json'), 'utf8')) as Manifest,
  );
  const names = manifests.map((manifest) => manifest.name);
  for (const manifest of manifests) {
    expect(manifest.version, manifest.name).toBe(version);
    for (const [name, wanted] of Object.entries(manifest.dependencies ?? {})) {
      expect(wanted, `${manifest.name} -> ${name}`).toMatch(/^\d+\.\d+\.\d+$/);
      if (names.includes(name)) expect(wanted, `${manifest.name} -> ${name}`).toBe(version);
    }
  }
});

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}
