/**
 * ring-memory.ts — RingMemory: pages outside V8's heap for the bytes of a ring, which two threads, or a thread and the kernel, have at one address.
 * Read first: ring.ts for why they are not shared memory of JavaScript's; mmap(2), madvise(2).
 *
 * Theory of operation. `discard` gives the memory back at once; its address range is unmapped when the garbage collector finds that no view made by
 * this thread is left, so that a forgotten view reads zeroes and never faults.
 *
 * Invariant: another thread that views `address` is gone, or has let go, before the object that mapped it is `discard`ed.
 */
import type { Libc } from './libc.js';

interface Mapping {
  readonly libc: Libc;
  readonly address: number;
  readonly size: number;
}

/** Gives a ring's address range back once no view of it is left. */
const unmapper = new FinalizationRegistry<Mapping>(({ libc, address, size }) => void libc.unmapPages(address, size));

export class RingMemory {
  readonly address: number;
  readonly bytes: Uint8Array;
  private readonly libc: Libc;

  private constructor(libc: Libc, address: number, size: number) {
    this.libc = libc;
    this.address = address;
    const memory = libc.viewMemory(address, size);
    unmapper.register(memory, { libc, address, size });
    this.bytes = new Uint8Array(memory);
  }

  /** Maps `size` bytes, zeroed; null with the reason in `libc.errno()`. */
  static map(libc: Libc, size: number): RingMemory | null {
    const address = libc.mapPages(size);
    return address === 0 ? null : new RingMemory(libc, address, size);
  }

  discard(): void {
    this.libc.discardPages(this.address, this.bytes.length);
  }
}
