/**
 * disk-words.ts — a disk's words, as `netloom vm run --disk` and lab files have them.
 */
import type { VmDiskRequest } from './vm-request.js';

/** `FILE[,ro][,device=NAME][,format=NAME]` of a disk; or what is wrong with it. */
export function diskOf(text: string, absolute: (path: string) => string): VmDiskRequest | string {
  const [path = '', ...words] = text.split(',');
  let disk: VmDiskRequest = { path: absolute(path) };
  for (const word of words) {
    const [key, value = ''] = word.split('=', 2);
    if (word === 'ro') disk = { ...disk, readonly: true };
    else if (key === 'device' && (value === 'virtio-blk' || value === 'ahci-hd' || value === 'ahci-cd' || value === 'nvme')) disk = { ...disk, device: value };
    else if (key === 'format' && (value === 'raw' || value === 'qcow2')) disk = { ...disk, format: value };
    else return `"${word}" of the disk "${text}" is neither "ro" nor "device=virtio-blk", "ahci-hd", "ahci-cd", "nvme" nor "format=raw", "qcow2"`;
  }
  return disk;
}
