/**
 * conf-glob.ts — file name patterns of `.include`: glob(3) over the host's folders.
 * Read first: glob(3), fnmatch(3).
 *
 * `*`, `?` and `[...]` match within one part of a path, and no name that begins with a dot unless the pattern's part does. Names come in
 * the order of their characters. A pattern that matches nothing is nothing to include; a folder that cannot be read has nothing in it.
 */
import type { ProcHost } from '../proc.js';
import { HostError } from '../proc.js';

const MAGIC = /[*?[]/;

export function hasMagic(path: string): boolean {
  return MAGIC.test(path);
}

/** The files that match. */
export async function globFiles(host: ProcHost, pattern: string): Promise<string[]> {
  let found = [pattern.startsWith('/') ? '/' : ''];
  const parts = pattern.split('/').filter((part) => part !== '');
  for (const part of parts) {
    const next: string[] = [];
    for (const folder of found) for (const name of await namesIn(host, folder, part)) next.push(`${folder}${name}/`);
    found = next;
  }
  return found.map((path) => path.slice(0, -1)).sort();
}

async function namesIn(host: ProcHost, folder: string, part: string): Promise<readonly string[]> {
  if (!hasMagic(part)) return [part];
  const matches = matcher(part);
  try {
    return (await host.listFolder(folder === '' ? '.' : folder)).filter(matches);
  } catch (error) {
    if (error instanceof HostError) return [];
    throw error;
  }
}

/** fnmatch(3) with FNM_PERIOD for one part of a path. */
function matcher(part: string): (name: string) => boolean {
  let source = '';
  for (let i = 0; i < part.length; i++) {
    const c = part.charAt(i);
    const set = c === '[' ? /^\[([!^]?)(\]?[^\]]*)\]/.exec(part.slice(i)) : null;
    if (set !== null) {
      source += `[${set[1] === '' ? '' : '^'}${(set[2] ?? '').replace(/[\\\]^[]/g, '\\$&')}]`;
      i += set[0].length - 1;
    } else if (c === '*') source += '[^]*';
    else if (c === '?') source += '[^]';
    else source += (c === '\\' && i + 1 < part.length ? part.charAt(++i) : c).replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  }
  const pattern = new RegExp(`^${source}$`, 'u');
  return (name) => pattern.test(name) && (!name.startsWith('.') || part.startsWith('.'));
}
