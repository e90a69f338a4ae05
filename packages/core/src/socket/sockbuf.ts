/**
 * sockbuf.ts — what a datagram socket has received and nobody has read yet.
 *
 * The packets themselves are the records: payload at `off`, headers still in the slot in front of it. Bounded in bytes
 * (`hiwat`); what does not fit is dropped and counted, as UDP may.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

export class DgramSockbuf {
  hiwat: number;
  bytes = 0;
  count = 0;
  drops = 0;
  private head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;

  constructor(hiwat: number) {
    this.hiwat = hiwat;
  }

  /** Appends `m`; false when there is no room (then it has been freed). */
  append(m: PacketBuffer): boolean {
    if (this.bytes + m.len > this.hiwat) {
      this.drops++;
      m.free();
      return false;
    }
    m.next = null;
    if (this.tail === null) this.head = m;
    else this.tail.next = m;
    this.tail = m;
    this.bytes += m.len;
    this.count++;
    return true;
  }

  /** The oldest record without taking it. */
  peek(): PacketBuffer | null {
    return this.head;
  }

  /** Takes the oldest record; the caller frees it. */
  shift(): PacketBuffer | null {
    const m = this.head;
    if (m === null) return null;
    this.head = m.next;
    if (this.head === null) this.tail = null;
    m.next = null;
    this.bytes -= m.len;
    this.count--;
    return m;
  }

  flush(): void {
    for (let m = this.shift(); m !== null; m = this.shift()) m.free();
  }
}
