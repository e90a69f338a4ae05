/**
 * netloom-command.ts — the netloom command as it is installed (dist/), run in a network namespace with a folder and a socket of its own.
 * Its daemons live in that namespace, so that they end with it whatever the test does, and their TAP devices are made there.
 */
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Netns, RunResult } from './netns.js';

const NETLOOM = fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));

/** The user `nobody`, on every Linux. */
export const NOBODY = 65_534;

/** Runs `netloom ARGS...` to its end. */
export type NetloomCommand = (...args: string[]) => Promise<RunResult>;

/**
 * Runs `body` with a folder for its files and the command. `before` are words put before the command line (setpriv and the like);
 * `owner` owns the folder.
 */
export async function withNetloom<T>(
  ns: Netns, options: { readonly before?: readonly string[]; readonly owner?: number }, body: (netloom: NetloomCommand, folder: string) => Promise<T>,
): Promise<T> {
  if (!existsSync(NETLOOM)) throw new Error(`${NETLOOM} is missing: build first (npm run build)`);
  const folder = mkdtempSync(join(tmpdir(), 'netloom-cmd-'));
  const env = [`--chdir=${folder}`, `NETLOOM_SOCKET=${join(folder, 'n.sock')}`, 'NETLOOM_JAIL='];
  const netloom: NetloomCommand = (...args) => ns.run('env', ...env, ...(options.before ?? []), process.execPath, NETLOOM, ...args);
  try {
    if (options.owner !== undefined) chownSync(folder, options.owner, options.owner);
    return await body(netloom, folder);
  } finally {
    await netloom('stop');
    rmSync(folder, { recursive: true });
  }
}
