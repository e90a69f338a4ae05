/**
 * sockbuf.ts — what a datagram socket has received and nobody has read yet.
 * Read first: freebsd `sys/kern/uipc_sockbuf.c` (sbspace, sbappendaddr).
 *
 * The packets themselves are the records: payload at `off`, headers still in the slot in front of it. Two bounds, as in
 * FreeBSD: bytes with the sender's address (`hiwat`), and the memory the records hold on to (SB_EFFICIENCY times as much),
 * so that a flood of tiny or empty datagrams cannot take the Kernel's packets. That memory is charged to the vnet, whose sockets together have
 * a bound as well (kern/sock-mem.ts). What does not fit is dropped and counted.
 */
import type { SockMem } from '../kern/sock-mem.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';

/** What the sender's address counts: a sockaddr_in. */
export const SOCKADDR_BYTES = 16;
/** Memory a buffer may hold for each byte of its size. */
export const SB_EFFICIENCY = 8;

export class DgramSockbuf {
  hiwat: number;
  /** Bytes waiting, addresses included. */
  bytes = 0;
  /** Memory of the packets waiting. */
  memory = 0;
  drops = 0;
  private readonly queue = new PacketQueue(Number.MAX_SAFE_INTEGER);
  private readonly mem: SockMem;

  constructor(hiwat: number, mem: SockMem) {
    this.hiwat = hiwat;
    this.mem = mem;
  }

  /** Records waiting. */
  get count(): number {
    return this.queue.length;
  }

  /** Appends `m`; false when there is no room (then it has been freed). */
  append(m: PacketBuffer): boolean {
    const bytes = this.bytes + m.len + SOCKADDR_BYTES;
    const memory = this.memory + m.buf.length;
    if (bytes > this.hiwat || memory > this.hiwat * SB_EFFICIENCY || !this.mem.charge(m.buf.length)) {
      this.drops++;
      m.free();
      return false;
    }
    this.bytes = bytes;
    this.memory = memory;
    return this.queue.enqueue(m);
  }

  /** The oldest record without taking it. */
  peek(): PacketBuffer | null {
    return this.queue.peek();
  }

  /** Takes the oldest record; the caller frees it. */
  shift(): PacketBuffer | null {
    const m = this.queue.dequeue();
    if (m !== null) {
      this.bytes -= m.len + SOCKADDR_BYTES;
      this.memory -= m.buf.length;
      this.mem.release(m.buf.length);
    }
    return m;
  }

  /** Takes `n` bytes off the front of the oldest record. */
  consume(n: number): void {
    this.queue.peek()?.adj(n);
    this.bytes -= n;
  }

  flush(): void {
    for (let m = this.shift(); m !== null; m = this.shift()) m.free();
  }
}
