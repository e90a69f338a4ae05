/**
 * setup.mjs — brings a checkout to the point where it runs: dependencies, then build; only what is not yet done.
 * Read first: npm-ci(1); TypeScript's "Project References".
 *
 * Runs on a fresh clone, so it imports nothing but Node, and what it imports from this folder likewise. Whether the dependencies are
 * the ones of package-lock.json is read from npm's own record of what it installed (node_modules/.package-lock.json, written last,
 * so that an interrupted installation is seen). Whether the build is current is tsc's own question.
 *
 * Not here: what to run afterwards (start.mjs, test.mjs).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runStep } from './steps.mjs';

const MIN_NODE = [20, 19];

/** Ends the process with a clear sentence when this Node is too old to run anything below. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [minMajor = 0, minMinor = 0] = MIN_NODE;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  console.error(`Netloom needs Node ${MIN_NODE.join('.')} or later; this is ${process.version} (${process.execPath}).`);
  process.exit(1);
}

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean, link?: boolean }> | null} */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

/** Are the dependencies that package-lock.json asks for the ones in node_modules? */
export function dependenciesCurrent() {
  const wanted = lockedPackages(join(root, 'package-lock.json'));
  const present = lockedPackages(join(root, 'node_modules/.package-lock.json'));
  if (wanted === null || present === null) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) continue;
    const have = present[path];
    if (have === undefined && (entry.optional || entry.devOptional)) continue; // another platform's binary
    if (have === undefined || have.version !== entry.version || !existsSync(join(root, path))) return false;
  }
  return true;
}

/**
 * Installs and builds what is missing.
 * @param {NodeJS.WriteStream} [out] where to report
 * @returns {Promise<boolean>} false when a step failed; it has been reported
 */
export async function setup(out = process.stdout) {
  requireNode();
  if (!dependenciesCurrent()) {
    const npm = process.env.npm_execpath;
    const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    const installed = await runStep('install', 'dependencies (npm ci)', {
      out,
      command: npm === undefined ? ['npm', ...args] : [process.execPath, npm, ...args],
      remedy: [
        'npm could not install the dependencies. It needs the registry that `npm config get registry` names; behind a proxy set',
        '`npm config set proxy URL` and `npm config set https-proxy URL`. Then run the same command again.',
      ],
    });
    if (!installed) return false;
  }
  return runStep('build', 'packages (tsc -b)', {
    out,
    command: [process.execPath, 'node_modules/typescript/bin/tsc', '-b'],
    remedy: ['The sources do not compile. The lines above say where; `npm run build` repeats this step alone.'],
  });
}
