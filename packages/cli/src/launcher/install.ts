/**
 * install.ts — writes the launchers: one small program per tool, in Perl where there is one, else for Node.
 *
 * Read first: launcher.pl, launcher.cjs.
 *
 * Theory of operation. A launcher is a copy of one of the two programs with two things filled in: the interpreter's path, so that starting it
 * asks nobody, and the tool's name, so that a link to it under another name is still that tool. Perl starts in 2 ms, Node in 60.
 * A tool whose name ends in `.sh` is one that people start with `sh`: its launcher is a shell's as well, which hands the file to its interpreter.
 *
 * Invariant: a file that is not a launcher of ours is never overwritten; each launcher is replaced whole (written beside, then renamed).
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export type LauncherRuntime = 'perl' | 'node';

/** The launchers cannot be written; the message names the value and the remedy. */
export class InstallError extends Error {
  override readonly name = 'InstallError';
}

/** In every launcher's head, so that ours are known from others. */
const MARK = 'hands one call to the daemon and is its terminal';
/** `//` (defined-or) came with it. */
const PERL_MIN = 5.010;
/** Longest interpreter path that every system takes in a `#!` line. */
const SHEBANG_MAX = 120;

/** Where the launchers' sources are, from src/ and from dist/ alike. */
function source(name: string): string {
  return fileURLToPath(new URL(`../../src/launcher/${name}`, import.meta.url));
}

/** The Node launcher, for programs that call tools from within (`netloom exec`). */
export const nodeLauncherPath: string = source('launcher.cjs');

/** A Perl that works, or null. */
export function findPerl(path: string = process.env.PATH ?? ''): string | null {
  const folders = ['/usr/bin', ...path.split(delimiter)].filter((folder) => folder.startsWith('/'));
  for (const perl of new Set(folders.map((folder) => join(folder, 'perl')))) {
    if (!isExecutable(perl) || perl.length > SHEBANG_MAX || /\s/.test(perl)) continue;
    const { status, stdout } = spawnSync(perl, ['-e', 'print $]'], { encoding: 'utf8', timeout: 5_000 });
    if (status === 0 && Number(stdout) >= PERL_MIN) return perl;
  }
  return null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Text of the launcher of one tool. */
export function launcherText(tool: string, runtime: LauncherRuntime, interpreter: string): string {
  const text = readFileSync(source(runtime === 'perl' ? 'launcher.pl' : 'launcher.cjs'), 'utf8');
  const usable = interpreter.length <= SHEBANG_MAX && !/\s/.test(interpreter);
  if (tool.endsWith('.sh')) return shellText(text.replace('@TOOL@', tool), runtime, interpreter);
  return text.replace(/^#!.*/, `#!${usable ? interpreter : `/usr/bin/env ${runtime}`}`).replace('@TOOL@', tool);
}

/** A file that sh and the interpreter both read: perl -x skips what is in front of its own line, and for Node the shell's line is a comment. */
function shellText(text: string, runtime: LauncherRuntime, interpreter: string): string {
  const quoted = `'${interpreter.replaceAll("'", "'\\''")}'`;
  if (runtime === 'perl') return `#!/bin/sh\nexec ${quoted} -x "$0" "$@"\n${text.replace(/^#!.*/, '#!perl')}`;
  return `#!/bin/sh\n':' /*; exec ${quoted} "$0" "$@" #*/\n${text.replace(/^#!.*\n/, '')}`;
}

export interface Installed {
  readonly folder: string;
  readonly runtime: LauncherRuntime;
  readonly tools: readonly string[];
}

/** Writes a launcher per tool into `folder`, which is made if need be. `auto`: Perl if there is one. Throws InstallError. */
export function installLaunchers(folder: string, tools: readonly string[], runtime: LauncherRuntime | 'auto'): Installed {
  const at = resolve(folder);
  const perl = runtime === 'node' ? null : findPerl();
  if (runtime === 'perl' && perl === null) throw new InstallError('there is no Perl 5.10 or later on PATH; use --runtime node');
  const chosen: LauncherRuntime = perl === null ? 'node' : 'perl';
  try {
    mkdirSync(at, { recursive: true });
  } catch (error) {
    throw new InstallError(`cannot make the folder "${at}" (${(error as NodeJS.ErrnoException).code}); choose another`);
  }
  for (const tool of tools) {
    const file = join(at, tool);
    if (existsSync(file) && !readFileSync(file, 'utf8').includes(MARK)) throw new InstallError(`"${file}" exists and is not a launcher; choose another folder`);
  }
  for (const tool of tools) writeLauncher(join(at, tool), launcherText(tool, chosen, perl ?? process.execPath));
  return { folder: at, runtime: chosen, tools };
}

function writeLauncher(file: string, text: string): void {
  const beside = `${file}.${process.pid}`;
  try {
    writeFileSync(beside, text, { mode: 0o755 });
    renameSync(beside, file);
  } catch (error) {
    throw new InstallError(`cannot write "${file}" (${(error as NodeJS.ErrnoException).code}); choose another folder`);
  }
}
