/**
 * memory-map.ts — MemoryMap: a guest's memory table, mapped into this process.
 * Read first: vhost-user "SET_MEM_TABLE"; guest-memory.ts.
 *
 * Theory of operation. Each region comes as a descriptor of a file that the front end has mapped too, and the place of the region in it. Before it is mapped
 * here it is checked that the file is as long as it says, and is sealed against shrinking: memory that a file does not have any more kills the process that
 * touches it, so one guest could take all others along. QEMU's memory-backend-memfd seals what it makes; for other memory (files on
 * hugetlbfs, say) the administrator may vouch for the front end (`unsealed`).
 *
 * Invariants: the descriptors are closed when the constructor returns or throws. After `unmap` no array of this map is touched: whoever calls it has
 * forgotten all rings and chains before.
 */
import { fstatSync } from 'node:fs';
import { GuestMemory, MemoryWindow, WINDOW_MAX } from './guest-memory.js';
import type { MemoryRegion } from './protocol.js';
import { ProtocolError } from './protocol.js';
import { F_GET_SEALS, F_SEAL_SHRINK } from './unix-libc.js';
import type { UnixLibc } from './unix-libc.js';

const PAGE = 4_096;

interface Mapping {
  readonly region: MemoryRegion;
  /** Where the region's first byte is here. */
  readonly address: number;
  /** What was mapped for it, which begins on a page. */
  readonly mapped: number;
  readonly length: number;
}

export class MemoryMap {
  readonly memory: GuestMemory;
  private readonly libc: UnixLibc;
  private mappings: readonly Mapping[] = [];

  /** Maps `regions`, whose descriptors are `fds`, and closes these. @throws ProtocolError. */
  constructor(libc: UnixLibc, regions: readonly MemoryRegion[], fds: readonly number[], unsealed: boolean) {
    this.libc = libc;
    try {
      if (fds.length !== regions.length) throw new ProtocolError(`SET_MEM_TABLE has ${regions.length} memory regions and ${fds.length} descriptors`);
      checkOverlap(regions);
      for (const [i, region] of regions.entries()) this.mappings = [...this.mappings, mapRegion(libc, region, fds[i]!, unsealed)];
    } catch (error) {
      this.unmap();
      throw error;
    } finally {
      for (const fd of fds) libc.close(fd);
    }
    this.memory = new GuestMemory(this.mappings.flatMap((mapping) => windowsOf(libc, mapping)));
  }

  /** `length` bytes at an address of the front end; null: they are not in one region. */
  at(userAddress: number, length: number): Uint8Array | null {
    for (const { region, address } of this.mappings) {
      const off = userAddress - region.userAddress;
      if (off >= 0 && off + length <= region.size) return new Uint8Array(this.libc.viewMemory(address + off, length));
    }
    return null;
  }

  unmap(): void {
    for (const { mapped, length } of this.mappings) this.libc.unmapPages(mapped, length);
    this.mappings = [];
  }
}

function checkOverlap(regions: readonly MemoryRegion[]): void {
  const sorted = [...regions].sort((a, b) => a.address - b.address);
  for (const [i, region] of sorted.entries()) {
    if (region.size === 0) throw new ProtocolError('SET_MEM_TABLE has a memory region of no bytes');
    const before = sorted[i - 1];
    if (before !== undefined && before.address + before.size > region.address) throw new ProtocolError('SET_MEM_TABLE has memory regions that overlap');
  }
}

function mapRegion(libc: UnixLibc, region: MemoryRegion, fd: number, unsealed: boolean): Mapping {
  const { size, fileOffset } = region;
  const stat = fstatSync(fd);
  if (!stat.isFile() || fileOffset + size > stat.size) {
    throw new ProtocolError(`a memory region has ${size} bytes at ${fileOffset} of a file of ${stat.size}; give the guest -object memory-backend-memfd,share=on`);
  }
  const seals = libc.fcntl(fd, F_GET_SEALS, 0);
  if (!unsealed && (seals < 0 || (seals & F_SEAL_SHRINK) === 0)) {
    throw new ProtocolError('the guest\'s memory could be cut short while it is read; give the guest -object memory-backend-memfd,share=on, which is sealed, or attach with ",unsealed" if QEMU can be trusted with this process');
  }
  // Huge pages are mapped whole.
  const page = Math.max(PAGE, stat.blksize);
  const before = fileOffset % page;
  const length = Math.ceil((before + size) / page) * page;
  const mapped = libc.mapShared(fd, fileOffset - before, length);
  if (mapped === 0) throw new ProtocolError(`a memory region of ${size} bytes cannot be mapped: ${libc.strerror(libc.errno())}`);
  return { region, address: mapped + before, mapped, length };
}

function windowsOf(libc: UnixLibc, { region, address }: Mapping): MemoryWindow[] {
  const windows: MemoryWindow[] = [];
  for (let at = 0; at < region.size; at += WINDOW_MAX) {
    windows.push(new MemoryWindow(region.address + at, new Uint8Array(libc.viewMemory(address + at, Math.min(WINDOW_MAX, region.size - at)))));
  }
  return windows;
}
