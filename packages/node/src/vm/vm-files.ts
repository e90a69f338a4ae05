/**
 * vm-files.ts — are the files there that a machine is made of? Said before QEMU is started, in words that name the file.
 */
import { access, constants, open, stat } from 'node:fs/promises';
import { EACCES, EINVAL, EIO, ENOENT } from '@netloom/core';
import type { Errno } from '@netloom/core';
import { errnoText } from '../daemon/errno-text.js';
import type { VmDisk, VmSpec } from './vm-spec.js';
import { VmRefusal } from './vm-spec.js';

const ERRNOS: Readonly<Record<string, Errno>> = { ENOENT, EACCES, EISDIR: EINVAL };

/** The spec with disks that cannot be written read-only, as bhyve opens them. @throws VmRefusal */
export async function checkFiles(spec: VmSpec): Promise<VmSpec> {
  const disks: VmDisk[] = [];
  for (const disk of spec.disks) {
    await readable(disk.path, 'Could not open backing file');
    disks.push(disk.readOnly || (await isWritable(disk.path)) ? disk : { ...disk, readOnly: true });
  }
  if (spec.direct !== null) await readable(spec.direct.kernel, 'Could not open the kernel');
  if (spec.direct !== null && spec.direct.initrd !== null) await readable(spec.direct.initrd, 'Could not open the initial RAM disk');
  if (spec.firmware !== null) await readable(spec.firmware, 'Error opening bootrom');
  if (spec.v86 !== null) await readable(spec.v86.bios, 'Could not open the BIOS');
  if (spec.v86 !== null && spec.v86.vgaBios !== null) await readable(spec.v86.vgaBios, "Could not open the screen's BIOS");
  for (const line of spec.serial) {
    if (line !== null && line !== 'console' && !(await isTerminal(line))) throw new VmRefusal(ENOENT, `Unable to initialize backend '${line}' for LPC device com${spec.serial.indexOf(line) + 1}`);
  }
  return { ...spec, disks };
}

async function readable(path: string, what: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    await (await open(path, 'r')).close();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
    throw new VmRefusal(ERRNOS[code] ?? EIO, `${what}: ${path}: ${errnoText(code)}`);
  }
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(() => true, () => false);
}

async function isTerminal(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isCharacterDevice(), () => false);
}
