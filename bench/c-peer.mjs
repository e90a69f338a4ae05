/**
 * c-peer.mjs — a peer written in C: compiled once per run into a temporary folder, run once per repetition.
 *
 * The program prints one number, in the benchmark's unit. Lacking a compiler (or root, where the program needs it) the row has
 * no peer and says why.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dir = mkdtempSync(join(tmpdir(), 'netloom-bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
/** @type {Map<string, string | null>} */
const built = new Map();

/** @param {string} source @returns {string | null} path of the program, or null without a compiler */
function build(source) {
  const have = built.get(source);
  if (have !== undefined) return have;
  const out = join(dir, source.replace(/\.c$/, ''));
  try {
    execFileSync('cc', ['-O2', '-o', out, fileURLToPath(new URL(`peers/${source}`, import.meta.url))], { stdio: 'ignore' });
    built.set(source, out);
  } catch {
    built.set(source, null);
  }
  return built.get(source) ?? null;
}

/** The same, for a benchmark that has made sure of a compiler. @param {string} source */
export function builtPeer(source) {
  const program = build(source);
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
