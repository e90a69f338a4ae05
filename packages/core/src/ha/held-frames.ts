/**
 * held-frames.ts — class HeldFrames: the frames a plug holds, oldest first, each with its epoch and the time at which it came.
 *
 * A ring that grows as it is filled, up to what its plug's limits allow, and is used again and again: a frame allocates nothing once the ring is large enough.
 *
 * Invariant: `packets` and `bytes` are those of the frames in it; epochs do not fall from the oldest to the newest.
 */
import type { Micros } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PlugStats } from './plug-stats.js';

const RING_MIN = 16;

/** What is held of one epoch. */
export interface HeldEpoch {
  readonly epoch: number;
  readonly packets: number;
  readonly bytes: number;
}

export class HeldFrames {
  packets = 0;
  bytes = 0;
  private slots: (PacketBuffer | null)[] = [];
  private epochs = new Float64Array(0);
  private stamps = new Float64Array(0);
  private head = 0;

  /** Epoch of the oldest frame, and when it came; Infinity when there is none. */
  get firstEpoch(): number {
    return this.packets === 0 ? Infinity : this.epochs[this.head]!;
  }

  get firstStamp(): Micros {
    return this.packets === 0 ? Infinity : this.stamps[this.head]!;
  }

  push(m: PacketBuffer, epoch: number, now: Micros): void {
    if (this.packets === this.slots.length) this.grow();
    const at = (this.head + this.packets++) & (this.slots.length - 1);
    this.slots[at] = m;
    this.epochs[at] = epoch;
    this.stamps[at] = now;
    this.bytes += m.len;
  }

  shift(): PacketBuffer | null {
    if (this.packets === 0) return null;
    const m = this.slots[this.head]!;
    this.slots[this.head] = null;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.packets--;
    this.bytes -= m.len;
    return m;
  }

  /** Frees what came by `rcvif`, all for -1, and counts it in `stats`; the others keep their places. */
  purge(stats: PlugStats, rcvif = -1): void {
    for (let left = this.packets; left > 0; left--) {
      const epoch = this.firstEpoch;
      const stamp = this.firstStamp;
      const m = this.shift()!;
      if (rcvif >= 0 && m.rcvif !== rcvif) {
        this.push(m, epoch, stamp);
        continue;
      }
      stats.purgedPackets++;
      stats.purgedBytes += m.len;
      m.free();
    }
  }

  /** What is held of each epoch, oldest first. */
  byEpoch(): HeldEpoch[] {
    const list: { epoch: number; packets: number; bytes: number }[] = [];
    for (let i = 0; i < this.packets; i++) {
      const at = (this.head + i) & (this.slots.length - 1);
      const epoch = this.epochs[at]!;
      const last = list.at(-1);
      const { len } = this.slots[at]!;
      if (last?.epoch !== epoch) list.push({ epoch, packets: 1, bytes: len });
      else {
        last.packets++;
        last.bytes += len;
      }
    }
    return list;
  }

  private grow(): void {
    const { slots, head, packets } = this;
    const size = Math.max(RING_MIN, slots.length * 2);
    const epochs = new Float64Array(size);
    const stamps = new Float64Array(size);
    for (let i = 0; i < packets; i++) {
      const at = (head + i) & (slots.length - 1);
      epochs[i] = this.epochs[at]!;
      stamps[i] = this.stamps[at]!;
    }
    this.slots = slots.slice(head).concat(slots.slice(0, head));
    while (this.slots.length < size) this.slots.push(null);
    this.epochs = epochs;
    this.stamps = stamps;
    this.head = 0;
  }
}
