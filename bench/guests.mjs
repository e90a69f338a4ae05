/**
 * guests.mjs — the Linux guests of the tests, for benchmarks.
 * Read first: packages/node/test/interop/guest/guest.ts.
 *
 * They are TypeScript, and nothing builds them: a hook of Node's loader (typescript-hooks.mjs) compiles them as they are imported, when the first is asked for.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { register } from 'node:module';

/** @typedef {import('../packages/node/test/interop/guest/guest.js').Guest} Guest */
/** @typedef {import('../packages/node/test/interop/guest/guest.js').GuestSpec} GuestSpec */

/** @type {Promise<typeof import('../packages/node/test/interop/guest/guest.js')> | null} */
let loaded = null;

/** The module of guests. */
export function guests() {
  if (loaded === null) {
    register('./typescript-hooks.mjs', import.meta.url);
    loaded = import('../packages/node/test/interop/guest/guest.js');
  }
  return loaded;
}

/**
 * Why this machine boots no guest, or lacks one of the programs; or null.
 * @param {...string} programs
 */
export function lackingGuests(...programs) {
  const missing = ['qemu-system-x86_64', 'busybox', 'ldd', ...programs].filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  if (missing.length > 0) return `no program ${missing.join(', ')}`;
  const versions = existsSync('/lib/modules') ? readdirSync('/lib/modules') : [];
  return versions.some((version) => existsSync(`/boot/vmlinuz-${version}`)) ? null : 'no kernel package to boot a guest from (linux-image-cloud-amd64)';
}
