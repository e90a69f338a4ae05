/**
 * recv-buffer.ts — what has arrived in order and nobody has read yet.
 * Read first: freebsd `sys/kern/uipc_sockbuf.c` (sbappendstream, sbcompress).
 *
 * Theory of operation. The packets themselves, payload at `off`; the headers before it are no longer needed. A reader takes bytes (`read`) or the
 * oldest packet as it is (`shift`). A packet whose payload is small beside its slot is copied behind the payload of the one before it, when
 * that has room: so the memory held stays within a few times the bytes that wait, whatever the sizes of the segments.
 *
 * Invariants: `bytes` is the sum of the packets' lengths, `memory` of their slots.
 * Not here: the bounds. The window that TCP announces keeps the peer within `hiwat` (tcp-window.ts); the slots are charged to the vnet, and whether it may
 * have more is asked before (tcp-input-text.ts).
 */
import { copyBytes, putBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { SockMem } from '../kern/sock-mem.js';

/** A packet that uses less than this part of its slot is copied to the one before it. */
const WASTE_SHIFT = 2;

export class RecvBuffer {
  /** Bytes it takes at most (SO_RCVBUF). */
  hiwat: number;
  /** May it grow on its own? Not when the program has chosen the size. */
  autosize = true;
  bytes = 0;
  memory = 0;
  /** Bytes that make it readable (SO_RCVLOWAT). */
  lowat = 1;
  /** Packets waiting. */
  count = 0;
  /** Whom its slots are charged to. */
  readonly mem: SockMem;
  private head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;

  constructor(hiwat: number, mem: SockMem) {
    this.hiwat = hiwat;
    this.mem = mem;
  }

  get space(): number {
    return Math.max(0, this.hiwat - this.bytes);
  }

  /** Length of what `shift` gives; 0 when there is nothing. */
  get headLen(): number {
    return this.head?.len ?? 0;
  }

  /** Appends the payload of `m`. Owns `m`. */
  append(m: PacketBuffer): void {
    const { tail } = this;
    this.bytes += m.len;
    if (tail !== null && m.len <= m.buf.length >> WASTE_SHIFT && tail.buf.length - tail.off - tail.len >= m.len) {
      copyBytes(tail, tail.off + tail.len, m, m.off, m.len);
      tail.len += m.len;
      m.free();
      return;
    }
    m.next = null;
    if (tail === null) this.head = m;
    else tail.next = m;
    this.tail = m;
    this.count++;
    this.memory += m.buf.length;
    this.mem.take(m.buf.length);
  }

  /** Copies up to `into.length` bytes out, from `skip` bytes behind the front; with `keep` they stay. Returns how many. */
  read(into: Uint8Array, keep = false): number {
    let n = 0;
    let m = this.head;
    while (m !== null && n < into.length) {
      const run = Math.min(m.len, into.length - n);
      putBytes(into, n, m.buf, m.off, run);
      n += run;
      if (keep) {
        m = m.next;
      } else if (run === m.len) {
        this.shift()?.free();
        m = this.head;
      } else {
        m.adj(run);
        this.bytes -= run;
      }
    }
    return n;
  }

  /** Takes the oldest packet; the caller frees it. Null: there is none. */
  shift(): PacketBuffer | null {
    const m = this.head;
    if (m === null) return null;
    this.head = m.next;
    if (this.head === null) this.tail = null;
    m.next = null;
    this.count--;
    this.bytes -= m.len;
    this.memory -= m.buf.length;
    this.mem.release(m.buf.length);
    return m;
  }

  flush(): void {
    for (let m = this.shift(); m !== null; m = this.shift()) m.free();
  }
}
