/**
 * guest-memory.ts — GuestMemory: the memory of a guest by guest-physical address, as typed arrays of this process.
 * Read first: vhost-user "Memory access".
 *
 * Theory of operation. A region of guest memory is cut into windows of at most WINDOW_MAX bytes, each with its own arrays, so that every index is a
 * small integer and no array is longer than V8 allows. Whoever has an address asks `window` for the window that holds it, and goes on in
 * the next where a buffer crosses the end of one. The last answer is tried first: buffers lie close together.
 *
 * Invariants: windows do not overlap. Every access goes through a typed array of the window, which V8 bounds: an address that was checked wrongly
 * could hit another buffer of the same guest, never memory of this process.
 * Not here: where the memory comes from (memory-map.ts).
 */

/** Bytes of a window: offsets are 31-bit integers, and so are sums of two of them. */
export const WINDOW_MAX = 2 ** 30;

export class MemoryWindow {
  /** Guest-physical addresses [start, end). */
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(start: number, bytes: Uint8Array) {
    this.start = start;
    this.end = start + bytes.byteLength;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

export class GuestMemory {
  private readonly windows: readonly MemoryWindow[];
  private last: MemoryWindow | null;

  constructor(windows: readonly MemoryWindow[]) {
    this.windows = windows;
    this.last = windows[0] ?? null;
  }

  /** The window that holds `address`, or null: the guest has no memory there. */
  window(address: number): MemoryWindow | null {
    const { last } = this;
    if (last !== null && address >= last.start && address < last.end) return last;
    for (const window of this.windows) {
      if (address >= window.start && address < window.end) {
        this.last = window;
        return window;
      }
    }
    return null;
  }
}
