/**
 * c-peer.mjs — a peer written in C: compiled once per run into a temporary folder, run once per repetition.
 *
 * The program prints one number, in the benchmark's unit. Lacking a compiler (or root, where the program needs it) the row has
 * no peer and says why.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dir = mkdtempSync(join(tmpdir(), 'netloom-bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
/** @type {Map<string, string | null>} */
const built = new Map();

/** What `pkg-config` says about a library; null when it is not there. @param {string} library @returns {string[] | null} */
function flagsOf(library) {
  try {
    return execFileSync('pkg-config', ['--cflags', '--libs', library], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split(/\s+/);
  } catch {
    return null;
  }
}

/** @param {string} source @param {string} [library] as `pkg-config` calls it @returns {string | null} path of the program, or null without a compiler or the library */
function build(source, library) {
  const have = built.get(source);
  if (have !== undefined) return have;
  const out = join(dir, source.replace(/\.c$/, ''));
  const flags = library === undefined ? [] : flagsOf(library);
  try {
    if (flags === null) throw new Error(library);
    execFileSync('cc', ['-O2', '-o', out, fileURLToPath(new URL(`peers/${source}`, import.meta.url)), ...flags], { stdio: 'ignore' });
    built.set(source, out);
  } catch {
    built.set(source, null);
  }
  return built.get(source) ?? null;
}

/** A file for a peer, which goes when this process does; its path. @param {string} name @param {Uint8Array} bytes */
export function peerFile(name, bytes) {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

/** Does it compile here? @param {string} source @param {string} [library] */
export const builds = (source, library) => build(source, library) !== null;

/** The same, for a benchmark that has made sure of a compiler. @param {string} source @param {string} [library] */
export function builtPeer(source, library) {
  const program = build(source, library);
  if (program === null) throw new Error(`${source} does not compile`);
  return program;
}

/**
 * @param {string} name
 * @param {string} source file in peers/
 * @param {readonly string[]} args
 * @param {{ root?: boolean }} [needs]
 */
export function cPeer(name, source, args, needs = {}) {
  return {
    name,
    lacking: () => {
      if (process.platform !== 'linux') return 'the peer runs on Linux';
      if (needs.root === true && process.getuid?.() !== 0) return 'the peer needs root';
      return build(source) === null ? 'no C compiler (cc)' : null;
    },
    measure: () => Number(execFileSync(build(source) ?? '', [...args], { encoding: 'utf8' })),
  };
}
