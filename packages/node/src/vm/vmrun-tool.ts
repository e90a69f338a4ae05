/**
 * vmrun-tool.ts — vmrun.sh: makes the disk if it is not there, and runs bhyve again and again, as long as the guest restarts.
 * Read first: vmrun-options.ts; FreeBSD's share/examples/bhyve/vmrun.sh.
 *
 * It writes to standard output, as the script does. bhyve and bhyvectl are run as children, so the machine's console is this tool's.
 */
import { access, constants, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Proc, Tool } from '@netloom/userland';
import { VM_TOOLS } from './vm-tools.js';
import { bhyveArgv, parseVmrun } from './vmrun-options.js';
import type { VmrunOptions } from './vmrun-options.js';
import type { Vms } from './vms.js';

const DISK_BYTES = 8 * 1024 ** 3;
/** Where a boot sector ends with its mark, and where a file system of FreeBSD has its own: UFS1 and UFS2. */
const BOOT_MARK_AT = 510;
const BOOT_MARK = 0xaa55;
const UFS_MARKS = [{ at: 8192 + 1372, magic: 0x0001_1954 }, { at: 65_536 + 1372, magic: 0x1954_0119 }] as const;

export function vmrunTool(vms: Vms): Tool {
  return { summary: VM_TOOLS['vmrun.sh'], main: (p) => main(p, vms) };
}

async function main(p: Proc, vms: Vms): Promise<number> {
  const options = parseVmrun(p.argv.slice(1));
  if ('text' in options) {
    p.err(options.error);
    p.out(options.text);
    return 1;
  }
  for (const word of options.loader) p.out(`*** ${word}: there is no loader here: the disk is booted by its own boot sector\n`);
  p.out(`Launching virtual machine "${options.name}" ...\n`);
  await destroy(p, vms, options.name);
  let code: number;
  do {
    const cd = await wantsCd(p, options);
    if (cd === null) return 1;
    for (const { file } of options.disks) if (!(await makeDisk(p, file))) return 1;
    code = await p.run(bhyveArgv(options, cd));
  } while (code === 0);
  if (code <= 2) await destroy(p, vms, options.name);
  return code;
}

/** Quietly, and only if there is one: the script does it to begin anew. */
async function destroy(p: Proc, vms: Vms, name: string): Promise<void> {
  if (vms.find(name) !== null) await p.run(['bhyvectl', `--vm=${name}`, '--destroy']);
}

/** Is the installation CD to be booted? null: it is, and cannot be read. */
async function wantsCd(p: Proc, options: VmrunOptions): Promise<boolean | null> {
  const first = resolve(p.cwd, options.disks[0]?.file ?? '');
  if (!options.install && (await isBootable(first))) return false;
  if (await may(resolve(p.cwd, options.iso), constants.R_OK)) return true;
  p.out(`Installation CDROM image "${options.iso}" is not readable\n`);
  return null;
}

async function isBootable(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(65_536 + 8192), 0, 65_536 + 8192, 0);
    const has = (at: number): boolean => bytesRead >= at + 4;
    if (has(BOOT_MARK_AT - 2) && buffer.readUInt16LE(BOOT_MARK_AT) === BOOT_MARK) return true;
    return UFS_MARKS.some(({ at, magic }) => has(at) && buffer.readUInt32LE(at) === magic);
  } finally {
    await file.close();
  }
}

async function makeDisk(p: Proc, file: string): Promise<boolean> {
  const path = resolve(p.cwd, file);
  if ((await stat(path).catch(() => null)) === null) {
    p.out(`virtio disk device file "${file}" does not exist.\nCreating it ...\n`);
    const made = await open(path, 'wx').catch(() => null);
    await made?.truncate(DISK_BYTES);
    await made?.close();
  }
  for (const [mode, word] of [[constants.R_OK, 'readable'], [constants.W_OK, 'writable']] as const) {
    if (await may(path, mode)) continue;
    p.out(`virtio disk device file "${file}" is not ${word}\n`);
    return false;
  }
  return true;
}

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(() => true, () => false);
}
