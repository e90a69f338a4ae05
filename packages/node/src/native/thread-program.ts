/**
 * thread-program.ts — where the program of a worker thread is.
 *
 * A thread cannot load TypeScript, so whoever runs from sources (under a test) starts the built program.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The program `name` (`x.js`) beside the module with the URL `beside`. @throws Error when it has not been built. */
export function threadProgram(beside: string, name: string): URL {
  const here = new URL(`./${name}`, beside);
  if (!beside.endsWith('.ts')) return here;
  const at = here.href.lastIndexOf('/src/');
  const built = new URL(`${here.href.slice(0, at)}/dist/${here.href.slice(at + '/src/'.length)}`);
  if (!existsSync(fileURLToPath(built))) throw new Error(`${fileURLToPath(built)} is missing: build first (npm run build)`);
  return built;
}
