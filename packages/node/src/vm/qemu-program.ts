/**
 * qemu-program.ts — where QEMU and its UEFI firmware are on this host.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

export const QEMU = 'qemu-system-x86_64';

/** Where system programs are when a service's PATH leaves them out. */
const MORE_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin'];

/** Whole firmware images, code and variables in one, as QEMU's -bios takes them: Debian, Fedora, Arch. */
const UEFI_IMAGES = ['/usr/share/ovmf/OVMF.fd', '/usr/share/edk2/ovmf/OVMF.fd', '/usr/share/edk2/x64/OVMF.4m.fd', '/usr/share/qemu/OVMF.fd'];

const SEABIOS_FOLDERS = ['/usr/share/seabios', '/usr/share/qemu', '/usr/local/share/qemu', '/opt/homebrew/share/qemu'];

/** The program named by NETLOOM_QEMU, or QEMU's on PATH; null when there is none. */
export function qemuProgram(env: NodeJS.ProcessEnv = process.env): string | null {
  const name = env.NETLOOM_QEMU ?? '';
  if (isAbsolute(name)) return isUsable(name, constants.X_OK) ? name : null;
  const folders = [...(env.PATH ?? '').split(delimiter), ...MORE_FOLDERS].filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name === '' ? QEMU : name)).find((path) => isUsable(path, constants.X_OK)) ?? null;
}

/** The UEFI firmware that QEMU boots; null when none is installed. */
export function uefiFirmware(): string | null {
  return UEFI_IMAGES.find((path) => isUsable(path, constants.R_OK)) ?? null;
}

/** SeaBIOS and its part for a screen, where QEMU's packages have them. */
export function seabiosFirmware(): { readonly bios: string; readonly vgaBios: string } | null {
  const folder = SEABIOS_FOLDERS.find((at) => ['bios.bin', 'vgabios-stdvga.bin'].every((name) => isUsable(join(at, name), constants.R_OK)));
  return folder === undefined ? null : { bios: join(folder, 'bios.bin'), vgaBios: join(folder, 'vgabios-stdvga.bin') };
}

function isUsable(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
