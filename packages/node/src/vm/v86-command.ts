/**
 * v86-command.ts — a VmSpec as a machine of v86: a PC emulated by a program of WebAssembly in a Node process of its own.
 * Read first: v86-guest.ts (that process), vm-spec.ts.
 *
 * v86 is not part of Netloom: whoever wants it installs it beside (`npm install v86`). What it cannot do is refused here.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { EINVAL, ENOENT } from '@netloom/core';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';

/** What the process is told, as JSON. */
export interface V86Config {
  readonly wasm: string;
  readonly memoryBytes: number;
  readonly bios: string;
  readonly vgaBios: string | null;
  readonly hda: string | null;
  readonly cdrom: string | null;
  readonly kernel: string | null;
  readonly initrd: string | null;
  readonly append: string;
  /** The socket of its card's cable. */
  readonly cable: string | null;
  readonly monitorFd: number;
  readonly consoleFd: number;
}

/** Memory that v86 can address. */
const MEMORY_MAX = 2048 * 1024 * 1024;

/** The program and its arguments. `cable`: the socket that the card's cable ends at. @throws VmRefusal */
export function v86Argv(spec: VmSpec, cable: string | null, fds: { readonly monitorFd: number; readonly consoleFd: number }): string[] {
  const { v86, direct } = spec;
  if (v86 === null) throw new VmRefusal(EINVAL, `${spec.name} is no machine of v86`);
  const [hda, ...others] = spec.disks.filter((disk) => disk.device !== 'ahci-cd');
  const [cdrom, ...cds] = spec.disks.filter((disk) => disk.device === 'ahci-cd');
  const { sockets, cores, threads } = spec.topology;
  if (sockets * cores * threads !== 1) throw new VmRefusal(EINVAL, 'a machine of v86 has one processor');
  if (spec.nics.length > 1) throw new VmRefusal(EINVAL, 'a machine of v86 has one network card at most');
  if (others.length > 0 || cds.length > 0) throw new VmRefusal(EINVAL, 'a machine of v86 has one disk and one CD at most');
  if (spec.disks.some((disk) => disk.format !== 'raw')) throw new VmRefusal(EINVAL, "v86 has raw disks only; say format=raw if it is one");
  if (spec.memoryBytes > MEMORY_MAX) throw new VmRefusal(EINVAL, 'a machine of v86 has 2 GB of memory at most');
  if (spec.nics.some((nic) => nic.transport !== 'stream')) throw new VmRefusal(EINVAL, 'transport=vhost-user is for machines of QEMU');
  const config: V86Config = {
    wasm: wasmPath(), memoryBytes: spec.memoryBytes, bios: v86.bios, vgaBios: v86.vgaBios, hda: hda?.path ?? null, cdrom: cdrom?.path ?? null,
    kernel: direct?.kernel ?? null, initrd: direct?.initrd ?? null, append: direct?.append ?? '', cable, ...fds,
  };
  return [process.execPath, guestProgram(), JSON.stringify(config)];
}

function wasmPath(): string {
  try {
    return createRequire(import.meta.url).resolve('v86/build/v86.wasm');
  } catch {
    throw new VmRefusal(ENOENT, 'v86 is not installed beside Netloom (npm install v86)');
  }
}

/** A process cannot load TypeScript, so one that is started from sources (under a test) is the built one. */
function guestProgram(): string {
  const path = fileURLToPath(import.meta.url.endsWith('.ts') ? new URL('../../dist/vm/v86-guest.js', import.meta.url) : new URL('./v86-guest.js', import.meta.url));
  if (!existsSync(path)) throw new VmRefusal(ENOENT, `${path} is missing: build first (npm run build)`);
  return path;
}
