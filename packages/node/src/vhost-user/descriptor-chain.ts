/**
 * descriptor-chain.ts — DescriptorChain: the buffers that a chain of descriptors points at, as pieces of guest memory.
 * Read first: virtio 1.2 §2.7.5; vring.ts, guest-memory.ts.
 *
 * Theory of operation. `gather` walks a chain, through an indirect table where there is one, and appends its buffers to the list of pieces: a window, an
 * offset, a length. Several chains may be gathered behind each other, which is how a long frame fills several receive buffers. Then bytes
 * are copied out of the pieces or into them.
 *
 * Invariants. A descriptor is read once, into local variables, and these are checked: what the guest changes afterwards changes nothing here. A walk ends
 * after as many descriptors as the table has, so a circle ends too. Pieces lie inside their window. No object is made per chain, and none but the
 * views that `set` needs per copy.
 */
import type { GuestMemory, MemoryWindow } from './guest-memory.js';
import { VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_DESC_SIZE } from './virtio-net.js';
import type { Vring } from './vring.js';

/** Pieces of a frame; QEMU and vhost allow as many. */
export const PIECES_MAX = 1_024;
/** Up to so many bytes a loop of words beats `set(subarray)`, which makes a view. */
const WORD_COPY_MAX = 128;
/** Addresses from here on do not fit a double, and no machine has them. */
const ADDRESS_HIGH_MAX = 2 ** 20;
const WORD = 2 ** 32;

export class DescriptorChain {
  /** Pieces gathered, and bytes in them. */
  count = 0;
  bytes = 0;
  private readonly memory: GuestMemory;
  private readonly windows = new Array<MemoryWindow | null>(PIECES_MAX).fill(null);
  private readonly offs = new Int32Array(PIECES_MAX);
  private readonly lens = new Int32Array(PIECES_MAX);

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  /** Forgets the pieces. */
  clear(): void {
    this.count = 0;
    this.bytes = 0;
  }

  /**
   * Appends the buffers of the chain that begins at descriptor `head`, all of which the device may write, or read. False: the chain is wrong, and the
   * ring is broken now.
   */
  gather(ring: Vring, head: number, writable: boolean): boolean {
    let table = ring.desc;
    let base = 0;
    let size = ring.num;
    let index = head;
    let inTable = false;
    for (let left = size; ; left--) {
      if (left === 0) return refuse(ring, `a chain of more than ${size} descriptors, or in a circle, from descriptor ${head} on`);
      const at = base + VRING_DESC_SIZE * index;
      const low = table.getUint32(at, true);
      const high = table.getUint32(at + 4, true);
      const length = table.getUint32(at + 8, true);
      const flags = table.getUint16(at + 12, true);
      const next = table.getUint16(at + 14, true);
      if (high >= ADDRESS_HIGH_MAX) return refuse(ring, `the address 0x${high.toString(16)}${low.toString(16).padStart(8, '0')} in descriptor ${index}`);
      const address = high * WORD + low;
      if ((flags & VRING_DESC_F_INDIRECT) !== 0) {
        if (inTable || !ring.indirect || (flags & VRING_DESC_F_NEXT) !== 0) return refuse(ring, `an indirect descriptor ${index} where none may be`);
        const window = this.tableWindow(ring, address, length);
        if (window === null) return false;
        table = window.view;
        base = address - window.start;
        size = length / VRING_DESC_SIZE;
        index = 0;
        left = size + 1;
        inTable = true;
        continue;
      }
      if (((flags & VRING_DESC_F_WRITE) !== 0) !== writable) return refuse(ring, `a buffer that the device may ${writable ? 'only read' : 'write'} in descriptor ${index}`);
      if (!this.append(ring, address, length)) return false;
      if ((flags & VRING_DESC_F_NEXT) === 0) return true;
      if (next >= size) return refuse(ring, `descriptor ${index} goes on at ${next} of ${size}`);
      index = next;
    }
  }

  /** Where the first `len` bytes are, when they are in one piece: the offset in `front`; -1: they are not. */
  frontOff(len: number): number {
    return this.count > 0 && this.lens[0]! >= len ? this.offs[0]! : -1;
  }

  /** The memory that `frontOff` is an offset in. */
  get front(): DataView {
    return this.windows[0]!.view;
  }

  /** Copies `len` bytes, from byte `from` of the pieces on, to `off` of `dst`, whose view `view` is. The pieces have them. */
  read(from: number, dst: Uint8Array, view: DataView, off: number, len: number): void {
    let i = 0;
    let skip = from;
    while (skip >= this.lens[i]!) skip -= this.lens[i++]!;
    for (let done = 0; done < len; i++) {
      const n = Math.min(this.lens[i]! - skip, len - done);
      const window = this.windows[i]!;
      copy(dst, view, off + done, window.bytes, window.view, this.offs[i]! + skip, n);
      done += n;
      skip = 0;
    }
  }

  /** Copies `len` bytes from `off` of `src`, whose view `view` is, to byte `at` of the pieces on. The pieces have room for them. */
  write(at: number, src: Uint8Array, view: DataView, off: number, len: number): void {
    let i = 0;
    let skip = at;
    while (skip >= this.lens[i]!) skip -= this.lens[i++]!;
    for (let done = 0; done < len; i++) {
      const n = Math.min(this.lens[i]! - skip, len - done);
      const window = this.windows[i]!;
      copy(window.bytes, window.view, this.offs[i]! + skip, src, view, off + done, n);
      done += n;
      skip = 0;
    }
  }

  /** The window of an indirect table; null: there is none that can be used, and the ring is broken. */
  private tableWindow(ring: Vring, address: number, length: number): MemoryWindow | null {
    if (length === 0 || length % VRING_DESC_SIZE !== 0 || length > VRING_DESC_SIZE * ring.num) {
      refuse(ring, `an indirect table of ${length} bytes in a ring of ${ring.num}`);
      return null;
    }
    const window = this.memory.window(address);
    if (window !== null && address + length <= window.end) return window;
    refuse(ring, `an indirect table at 0x${address.toString(16)} of ${length} bytes, which is not in the guest's memory`);
    return null;
  }

  /** Appends a buffer; one that crosses windows becomes several pieces. */
  private append(ring: Vring, address: number, length: number): boolean {
    let at = address;
    let left = length;
    while (left > 0) {
      const window = this.memory.window(at);
      if (window === null) return refuse(ring, `a buffer at 0x${address.toString(16)} of ${length} bytes, which is not in the guest's memory`);
      if (this.count === PIECES_MAX) return refuse(ring, `more than ${PIECES_MAX} buffers for a frame`);
      const n = Math.min(left, window.end - at);
      this.windows[this.count] = window;
      this.offs[this.count] = at - window.start;
      this.lens[this.count] = n;
      this.count++;
      this.bytes += n;
      at += n;
      left -= n;
    }
    return true;
  }
}

function refuse(ring: Vring, reason: string): false {
  ring.fail(reason);
  return false;
}

function copy(dst: Uint8Array, dstView: DataView, dstOff: number, src: Uint8Array, srcView: DataView, srcOff: number, len: number): void {
  if (len > WORD_COPY_MAX) {
    dst.set(src.subarray(srcOff, srcOff + len), dstOff);
    return;
  }
  let i = 0;
  for (; i + 4 <= len; i += 4) dstView.setInt32(dstOff + i, srcView.getInt32(srcOff + i, true), true);
  for (; i < len; i++) dst[dstOff + i] = src[srcOff + i]!;
}
