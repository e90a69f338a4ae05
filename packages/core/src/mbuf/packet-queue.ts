/**
 * packet-queue.ts — a bounded FIFO of packets, linked through `m.next`.
 *
 * Invariant: `length` <= `limit`. A packet that does not fit is freed and counted in `drops`; the queue owns what is in it.
 */
import type { PacketBuffer } from './packet-buffer.js';

export class PacketQueue {
  limit: number;
  length = 0;
  /** Packets refused because the queue was full. */
  drops = 0;
  private head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Appends `m`; false when the queue is full (then `m` has been freed and counted). */
  enqueue(m: PacketBuffer): boolean {
    if (this.length >= this.limit) {
      this.drops++;
      m.free();
      return false;
    }
    m.next = null;
    if (this.tail === null) this.head = m;
    else this.tail.next = m;
    this.tail = m;
    this.length++;
    return true;
  }

  /** The oldest packet without taking it, or null. */
  peek(): PacketBuffer | null {
    return this.head;
  }

  /** Takes the oldest packet, or null. */
  dequeue(): PacketBuffer | null {
    const m = this.head;
    if (m === null) return null;
    this.head = m.next;
    if (this.head === null) this.tail = null;
    m.next = null;
    this.length--;
    return m;
  }

  /** Frees everything in the queue; these are not counted as drops. */
  purge(): void {
    for (let m = this.dequeue(); m !== null; m = this.dequeue()) m.free();
  }
}
