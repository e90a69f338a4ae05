/**
 * ram-file.ts — class RamFile: the file that a machine's memory is, so that others may look at it while the machine runs.
 * Read first: tmpfs(5); QEMU's docs on memory-backend-file.
 *
 * Theory of operation. Each machine has a folder of its own under /dev/shm (NETLOOM_RAM_DIR names another place), with a name that nobody else has, and the file `ram` in it. All of the file is allocated before
 * the machine starts: a file system that is full later would end the machine in the middle of a write. A daemon that is killed leaves the removal to the watcher of the machine (vm-process.ts).
 *
 * Invariant: the file is there as long as its QEMU is, and it is not there any longer.
 */
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EACCES, EIO, ENOSPC } from '@netloom/core';
import { StandbyImage } from '../image/standby-image.js';
import { VmRefusal } from '../../vm/vm-spec.js';

const RAM_ROOT = '/dev/shm';
const MIB = 1024 * 1024;

function ramRoot(): string {
  return resolve(process.env['NETLOOM_RAM_DIR'] ?? RAM_ROOT);
}

export class RamFile {
  readonly folder: string;
  readonly path: string;
  readonly bytes: number;

  private constructor(folder: string, bytes: number) {
    this.folder = folder;
    this.path = join(folder, 'ram');
    this.bytes = bytes;
  }

  /** A folder for the memory of a machine; the file is its maker's. @throws VmRefusal: there is no place or no room */
  static reserve(name: string, bytes: number): RamFile {
    const root = ramRoot();
    try {
      accessSync(root, constants.W_OK);
    } catch {
      throw new VmRefusal(EACCES, `a machine that can be protected has its memory in ${root}, and there is no such folder that the daemon may write to; mount a tmpfs there, or let NETLOOM_RAM_DIR name another to the daemon`);
    }
    const free = freeIn(root);
    if (free < bytes) throw noRoom(root, bytes, free);
    return new RamFile(mkdtempSync(join(root, `netloom-${name}-`)), bytes);
  }

  /** The same with the file, all of it allocated and zeros. @throws VmRefusal */
  static async make(name: string, bytes: number): Promise<RamFile> {
    const ram = RamFile.reserve(name, bytes);
    try {
      (await StandbyImage.make(ram.path, bytes)).release();
      return ram;
    } catch (error) {
      ram.remove();
      throw new VmRefusal(EIO, (error as Error).message);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function freeIn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function noRoom(root: string, bytes: number, free: number): VmRefusal {
  return new VmRefusal(ENOSPC, `a machine that can be protected has its memory in ${root}: it needs ${Math.ceil(bytes / MIB)} MB and ${Math.floor(free / MIB)} MB are free; give it less --memory, make room (mount -o remount,size=... ${root}), or let NETLOOM_RAM_DIR name another folder to the daemon`);
}
