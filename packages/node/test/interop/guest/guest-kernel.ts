/**
 * guest-kernel.ts — a kernel on this machine that a guest can be booted from, and its modules.
 * Read first: modules(5), modinfo(8) for what a module says of itself.
 *
 * Debian's cloud kernel (linux-image-cloud-amd64) has virtio, 802.1Q, bonding and bridges, and no e1000: that is in linux-image-amd64. A package need
 * not be installed: unpack it (`apt-get download`, `dpkg -x`) and name the folder in NETLOOM_GUEST_KERNEL.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A kernel's image and the folder of its modules. */
export interface GuestKernel {
  readonly image: string;
  readonly modules: string;
}

/** The newest kernel that has all of `modules`; null when there is none. */
export function guestKernel(...modules: readonly string[]): GuestKernel | null {
  for (const root of [process.env['NETLOOM_GUEST_KERNEL'] ?? '', '/']) {
    const folder = join(root, 'lib/modules');
    const versions = root !== '' && existsSync(folder) ? readdirSync(folder).sort().reverse() : [];
    for (const version of versions) {
      const kernel = { image: join(root, `boot/vmlinuz-${version}`), modules: join(folder, version) };
      if (existsSync(kernel.image) && modules.every((module) => isBuiltIn(kernel, module) || moduleFile(kernel.modules, module) !== null)) return kernel;
    }
  }
  return null;
}

/** The file of a module under `folder`. A module's name may have `_` where its file's has `-`. */
function moduleFile(folder: string, module: string): string | null {
  const wanted = new RegExp(`^${module.replaceAll(/[_-]/g, '[_-]')}\\.ko$`);
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const found = moduleFile(path, module);
      if (found !== null) return found;
    } else if (wanted.test(entry.name)) return path;
  }
  return null;
}

/** Is it part of the kernel's image? */
function isBuiltIn(kernel: GuestKernel, module: string): boolean {
  const list = join(kernel.modules, 'modules.builtin');
  return existsSync(list) && new RegExp(`/${module.replaceAll(/[_-]/g, '[_-]')}\\.ko$`, 'm').test(readFileSync(list, 'utf8'));
}

/** Files of `modules` and of what they need, in the order they must be loaded. */
export function moduleFiles(kernel: GuestKernel, modules: readonly string[]): string[] {
  const files: string[] = [];
  const add = (module: string): void => {
    const file = moduleFile(kernel.modules, module);
    if (file === null && isBuiltIn(kernel, module)) return;
    if (file === null) throw new Error(`no module ${module} in ${kernel.modules}`);
    if (files.includes(file)) return;
    // "depends=a,b" is a string of the file's .modinfo section.
    const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
    for (const need of depends.split(',')) if (need !== '') add(need);
    files.push(file);
  };
  for (const module of modules) add(module);
  return files;
}
