/**
 * driver-ring.ts — DriverRing: the driver's side of a split virtqueue, as a guest has it; for tests and benchmarks of the device's side.
 * Read first: virtio 1.2 §2.7.13 and §2.7.14; vring.ts.
 *
 * Theory of operation. The ring and its buffers lie in one ArrayBuffer that plays the guest's memory; its first byte has the guest-physical address
 * `memory.start`. `add` makes a chain of buffers available, directly or through an indirect table, `publish` shows it and answers whether the device wants
 * to be kicked, `poll` takes back what the device has used. Descriptors that are free are a list, as in any driver.
 *
 * Invariants: a head is given out once until it is used. What the device writes is not trusted: `poll` throws when it gives back a head that is
 * not out.
 * Not here: sharing the memory with another process (front-end.ts).
 */
import type { MemoryWindow } from '../../src/vhost-user/guest-memory.js';
import {
  VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_DESC_SIZE, VRING_USED_F_NO_NOTIFY, vringAvailBytes, vringDescBytes,
  vringUsedBytes,
} from '../../src/vhost-user/virtio-net.js';

export interface DriverBuffer {
  /** Guest-physical. */
  readonly address: number;
  readonly length: number;
}

/** A chain that the device has used. */
export interface UsedChain {
  readonly head: number;
  /** Bytes written. */
  readonly length: number;
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;
const NOTHING = -1;

export class DriverRing {
  readonly num: number;
  /** Guest-physical addresses of the three parts, and the first behind them. */
  readonly descAddress: number;
  readonly availAddress: number;
  readonly usedAddress: number;
  readonly end: number;
  /** The parts, for whoever wants to write what no driver would. */
  readonly desc: DataView;
  readonly avail: Uint16Array;
  readonly used: Uint16Array;
  private readonly usedWords: Int32Array;
  private readonly memory: MemoryWindow;
  private readonly eventIdx: boolean;
  /** Descriptors of the chain with that head, 0: it is not out. */
  private readonly out: Uint16Array;
  private free = 0;
  private freeCount: number;
  private availIdx = 0;
  private shownIdx = 0;
  private usedIdx = 0;

  /** Lays a ring out from `address` on. */
  constructor(memory: MemoryWindow, address: number, num: number, eventIdx: boolean) {
    this.memory = memory;
    this.num = num;
    this.eventIdx = eventIdx;
    this.descAddress = align(address, 16);
    this.availAddress = this.descAddress + vringDescBytes(num);
    this.usedAddress = align(this.availAddress + vringAvailBytes(num), 4);
    this.end = this.usedAddress + vringUsedBytes(num);
    const { buffer, byteOffset } = memory.bytes;
    const at = (guest: number): number => byteOffset + guest - memory.start;
    this.desc = new DataView(buffer, at(this.descAddress), vringDescBytes(num));
    this.avail = new Uint16Array(buffer, at(this.availAddress), 3 + num);
    this.used = new Uint16Array(buffer, at(this.usedAddress), 3 + 4 * num);
    this.usedWords = new Int32Array(buffer, at(this.usedAddress), 1 + 2 * num);
    this.out = new Uint16Array(num);
    this.freeCount = num;
    for (let i = 0; i < num; i++) this.desc.setUint16(VRING_DESC_SIZE * i + 14, i + 1, true);
  }

  /** Descriptors that are free. */
  get room(): number {
    return this.freeCount;
  }

  /** Makes a chain of `buffers` available, which the device may write or read; its head, -1 when there are too few descriptors. */
  add(buffers: readonly DriverBuffer[], writable: boolean): number {
    if (buffers.length === 0 || buffers.length > this.freeCount) return NOTHING;
    const head = this.free;
    let at = head;
    for (const [i, buffer] of buffers.entries()) {
      const next = this.desc.getUint16(VRING_DESC_SIZE * at + 14, true);
      const more = i < buffers.length - 1;
      this.describe(this.desc, VRING_DESC_SIZE * at, buffer, (writable ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0), next);
      at = next;
    }
    this.offer(head, at, buffers.length);
    return head;
  }

  /** The same through a table at `table`, a guest-physical address with room for 16 bytes a buffer. */
  addIndirect(buffers: readonly DriverBuffer[], writable: boolean, table: number): number {
    if (this.freeCount === 0) return NOTHING;
    const view = this.memory.view;
    const base = table - this.memory.start;
    for (const [i, buffer] of buffers.entries()) {
      const more = i < buffers.length - 1;
      this.describe(view, base + VRING_DESC_SIZE * i, buffer, (writable ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0), i + 1);
    }
    const head = this.free;
    const next = this.desc.getUint16(VRING_DESC_SIZE * head + 14, true);
    this.describe(this.desc, VRING_DESC_SIZE * head, { address: table, length: VRING_DESC_SIZE * buffers.length }, VRING_DESC_F_INDIRECT, next);
    this.offer(head, next, 1);
    return head;
  }

  /** Shows the device what was added. True: it wants to be kicked. */
  publish(): boolean {
    const before = this.shownIdx;
    if (before === this.availIdx) return false;
    Atomics.store(this.avail, 1, this.availIdx);
    this.shownIdx = this.availIdx;
    if (!this.eventIdx) return (Atomics.load(this.used, 0) & VRING_USED_F_NO_NOTIFY) === 0;
    const event = Atomics.load(this.used, 2 + 4 * this.num);
    return ((this.availIdx - event - 1) & 0xffff) < ((this.availIdx - before) & 0xffff);
  }

  /** Takes back the oldest chain that the device has used and that was not taken yet; null: there is none. @throws Error when the device is wrong. */
  poll(): UsedChain | null {
    if (Atomics.load(this.used, 1) === this.usedIdx) return null;
    const at = 1 + 2 * (this.usedIdx & (this.num - 1));
    const head = this.usedWords[at]!;
    const length = this.usedWords[at + 1]!;
    const count = this.out[head] ?? 0;
    if (count === 0) throw new Error(`the device gives back descriptor ${head}, which it does not have`);
    this.usedIdx = (this.usedIdx + 1) & 0xffff;
    this.release(head, count);
    return { head, length };
  }

  /** Asks to be called when the next chain is used, or not at all. True: one is used already. */
  wantCall(wanted: boolean): boolean {
    if (this.eventIdx) Atomics.store(this.avail, 2 + this.num, wanted ? this.usedIdx : (this.usedIdx - 1) & 0xffff);
    else Atomics.store(this.avail, 0, wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
    return Atomics.load(this.used, 1) !== this.usedIdx;
  }

  private describe(view: DataView, at: number, buffer: DriverBuffer, flags: number, next: number): void {
    view.setUint32(at, buffer.address >>> 0, true);
    view.setUint32(at + 4, Math.floor(buffer.address / 2 ** 32), true);
    view.setUint32(at + 8, buffer.length, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  }

  private offer(head: number, nextFree: number, count: number): void {
    this.free = nextFree;
    this.freeCount -= count;
    this.out[head] = count;
    this.avail[2 + (this.availIdx & (this.num - 1))] = head;
    this.availIdx = (this.availIdx + 1) & 0xffff;
  }

  private release(head: number, count: number): void {
    let tail = head;
    for (let i = 1; i < count; i++) tail = this.desc.getUint16(VRING_DESC_SIZE * tail + 14, true);
    this.desc.setUint16(VRING_DESC_SIZE * tail + 14, this.free, true);
    this.free = head;
    this.freeCount += count;
    this.out[head] = 0;
  }
}
