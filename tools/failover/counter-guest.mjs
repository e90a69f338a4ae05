/**
 * counter-guest.mjs — the machine of `npm run failover`: Debian's kernel, busybox, Perl, and counter.pl as its only program.
 * Read first: counter.pl; packages/node/test/interop/guest/guest-image.ts.
 *
 * Its request for POST /v1/vms is all that is here. The counter is at ADDRESS, port PORT; its journal, if there is to be one, is a raw disk without a file system, of sparse JOURNAL_BYTES.
 *
 * guest-image.ts is TypeScript that nothing builds: a hook of Node's loader compiles it as it is imported.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { register } from 'node:module';

/** @typedef {import('@netloom/node/client').VmRequest} VmRequest */
/**
 * @typedef {object} CounterWish
 * @property {string} name
 * @property {string} nic in the words of `netloom vm run --nic`
 * @property {string} memory
 * @property {number} [pages] made dirty every 10 ms
 * @property {string} [disk] the journal's file
 */

export const ADDRESS = '10.9.0.2';
export const PORT = 7000;
export const JOURNAL_BYTES = 128 << 20;
const DISK = '/dev/vda';

/** Why this machine cannot run the guest; or null. */
export function lackingCounter() {
  const missing = ['qemu-system-x86_64', 'busybox', 'ldd', 'perl'].filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  return missing.length === 0 ? null : `no program ${missing.join(', ')}`;
}

/** @param {CounterWish} wish @returns {Promise<VmRequest>} */
export async function counterRequest({ name, nic, memory, pages = 0, disk }) {
  register('../../bench/typescript-hooks.mjs', import.meta.url);
  const { guestImage } = await import('../../packages/node/test/interop/guest/guest-image.js');
  const counter = `/bin/perl /counter.pl ${PORT} ${pages}${disk === undefined ? '' : ` ${DISK}`}`;
  const { kernel, initrd, append } = guestImage({
    modules: disk === undefined ? [] : ['virtio_blk'],
    programs: ['perl'],
    files: { '/counter.pl': readFileSync(new URL('counter.pl', import.meta.url)) },
    script: `ip addr add ${ADDRESS}/24 dev eth0\nip link set eth0 up\n${counter} &\n`,
  });
  return { name, nics: [nic], memory, kernel, initrd, append, accel: 'tcg', ...(disk === undefined ? {} : { disks: [{ path: disk }] }) };
}
