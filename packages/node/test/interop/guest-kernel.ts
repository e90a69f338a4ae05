/**
 * guest-kernel.ts — is there a kernel package on this machine that a guest can be booted from, and where are its files?
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const MODULES = '/lib/modules';

/** The newest installed kernel that has `module`: its image and the folder of its modules; null when there is none. */
export function guestKernel(module: string): { readonly image: string; readonly modules: string } | null {
  const versions = existsSync(MODULES) ? readdirSync(MODULES).sort().reverse() : [];
  for (const version of versions) {
    const [image, modules] = [`/boot/vmlinuz-${version}`, join(MODULES, version)];
    if (existsSync(image) && moduleFile(modules, module) !== null) return { image, modules };
  }
  return null;
}

/** The file of a module under `folder`. */
export function moduleFile(folder: string, module: string): string | null {
  const wanted = `${module}.ko`;
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const found = moduleFile(path, module);
      if (found !== null) return found;
    } else if (entry.name === wanted) return path;
  }
  return null;
}
