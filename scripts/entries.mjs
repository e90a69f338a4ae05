/**
 * entries.mjs — finds and picks the entries (fuzz targets, scenarios, benchmarks) that files of a folder export.
 *
 * A file `*.KIND.mjs` exports an array; all such files of a folder together are the list. Names on a command line pick the entries that
 * start with one of them; no name picks all.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * The entries of a folder, by name.
 * @template {{ name: string }} T
 * @param {string} dir absolute; may not exist yet
 * @param {string} kind `fuzz` in `ether.fuzz.mjs`
 * @param {string} array the name of the export
 * @returns {Promise<T[]>}
 */
export async function loadEntries(dir, kind, array) {
  const files = existsSync(dir) ? readdirSync(dir).filter((file) => file.endsWith(`.${kind}.mjs`)) : [];
  const modules = await Promise.all(files.map((file) => import(pathToFileURL(join(dir, file)).href)));
  return modules.flatMap((module) => module[array]).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The entries that a command line asks for; says so when there are none.
 * @template {{ name: string }} T
 * @param {string} verb for the message
 * @param {readonly T[]} entries @param {readonly string[]} names
 * @returns {readonly T[]}
 */
export function pickEntries(verb, entries, names) {
  const picked = names.length === 0 ? entries : entries.filter(({ name }) => names.some((wanted) => name.startsWith(wanted)));
  if (picked.length === 0) {
    console.error(`${verb}: nothing called ${names.join(' or ') || 'anything'}; there is: ${entries.map(({ name }) => name).join(', ') || 'nothing'}`);
  }
  return picked;
}
