/**
 * sockbuf.ts — what a datagram socket has received and nobody has read yet.
 *
 * The packets themselves are the records: payload at `off`, headers still in the slot in front of it. Bounded in bytes
 * (`hiwat`); what does not fit is dropped and counted, as UDP may.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';

export class DgramSockbuf {
  hiwat: number;
  bytes = 0;
  drops = 0;
  private readonly queue = new PacketQueue(Number.MAX_SAFE_INTEGER);

  constructor(hiwat: number) {
    this.hiwat = hiwat;
  }

  /** Records waiting. */
  get count(): number {
    return this.queue.length;
  }

  /** Appends `m`; false when there is no room (then it has been freed). */
  append(m: PacketBuffer): boolean {
    if (this.bytes + m.len > this.hiwat) {
      this.drops++;
      m.free();
      return false;
    }
    this.bytes += m.len;
    return this.queue.enqueue(m);
  }

  /** The oldest record without taking it. */
  peek(): PacketBuffer | null {
    return this.queue.peek();
  }

  /** Takes the oldest record; the caller frees it. */
  shift(): PacketBuffer | null {
    const m = this.queue.dequeue();
    if (m !== null) this.bytes -= m.len;
    return m;
  }

  flush(): void {
    this.queue.purge();
    this.bytes = 0;
  }
}
