/**
 * frame-slots.ts — FrameSlots: the memory that frames of one port are read into by io_uring, and the ring in which the kernel has its free slots.
 * Read first: io_uring_register_buf_ring(3).
 *
 *     slab   [ headroom | frame ][ headroom | frame ] …           slot n begins at n * slotBytes
 *     ring   [ address, length, number ] …                        the kernel takes the oldest; its tail is ours, in the padding of the first entry
 *
 * Theory of operation. Slots are given to the kernel by number, in any order, and it says the number of the one that it took. The memory is pages of our own,
 * not of V8's heap (RingMemory): a frame that comes after the thread has ended finds them still there, and one that somebody has kept after `release` reads as zeroes.
 *
 * Invariant: `free` slots are the kernel's; whoever learns that it has taken one counts it down.
 */
import type { Libc } from '../../tap/libc.js';
import { FRAME_HEADROOM } from './frame-io.js';
import type { FrameMemory } from './frame-io.js';
import { RingMemory } from '../../tap/ring-memory.js';

const ENTRY_WORDS = 4;
const ENTRY_BYTES = 16;
/** Half-words: an entry's number, and in the first entry the ring's tail. */
const ENTRY_NUMBER = 6;
const RING_TAIL = 7;

export class FrameSlots {
  readonly mem: FrameMemory;
  readonly count: number;
  readonly slotBytes: number;
  readonly ringAddress: number;
  readonly ringEntries: number;
  /** Slots that the kernel has. */
  free = 0;
  private readonly slab: RingMemory;
  private readonly ring: RingMemory;
  private readonly entries: Int32Array;
  private readonly halves: Uint16Array;
  private tail = 0;
  private published = 0;

  /** @throws Error when there is no memory; nothing is left then. */
  constructor(libc: Libc, port: number, slotBytes: number, count: number) {
    this.count = count;
    this.slotBytes = slotBytes;
    this.ringEntries = 1 << (32 - Math.clz32(count - 1));
    this.slab = mapPages(libc, port, slotBytes * count);
    try {
      this.ring = mapPages(libc, port, this.ringEntries * ENTRY_BYTES);
    } catch (error) {
      this.slab.discard();
      throw error;
    }
    this.ringAddress = this.ring.address;
    const { bytes, address } = this.slab;
    this.mem = { bytes, view: new DataView(bytes.buffer), address };
    const ring = this.ring.bytes;
    this.entries = new Int32Array(ring.buffer, 0, this.ringEntries * ENTRY_WORDS);
    this.halves = new Uint16Array(ring.buffer, 0, this.ringEntries * ENTRY_WORDS * 2);
    for (let number = 0; number < count; number++) this.give(number);
    this.publish();
  }

  /** Where in `mem` a frame in this slot begins. */
  offset(number: number): number {
    return number * this.slotBytes + FRAME_HEADROOM;
  }

  /** The slot is free. The kernel learns it with the next `publish`. */
  give(number: number): void {
    const entry = this.tail & (this.ringEntries - 1);
    const at = entry * ENTRY_WORDS;
    const address = this.mem.address + this.offset(number);
    this.entries[at] = address | 0;
    this.entries[at + 1] = Math.floor(address / 2 ** 32);
    this.entries[at + 2] = this.slotBytes - FRAME_HEADROOM;
    this.halves[at * 2 + ENTRY_NUMBER] = number;
    this.tail = (this.tail + 1) & 0xffff;
    this.free++;
  }

  publish(): void {
    if (this.published === this.tail) return;
    this.published = this.tail;
    Atomics.store(this.halves, RING_TAIL, this.tail);
  }

  /** The memory goes; the kernel has no use of it any more. */
  release(): void {
    this.slab.discard();
    this.ring.discard();
  }
}

function mapPages(libc: Libc, port: number, length: number): RingMemory {
  const memory = RingMemory.map(libc, length);
  if (memory === null) throw new Error(`${length} bytes for the frames of port ${port} cannot be had: ${libc.strerror(libc.errno())}`);
  return memory;
}
