/**
 * tcp-reass.ts — segments that came before what precedes them.
 * Read first: RFC 9293 §3.10.7.4 "seventh"; RFC 2018 §4, RFC 2883; freebsd `sys/netinet/tcp_reass.c`.
 *
 * Theory of operation. A list of packets, payload at `off`, sorted by sequence number (kept in `m.csumStart`, which a received packet has no more
 * use for) and without overlaps: of what comes twice, what is there already stays. When the gap before them is filled they go to the receive buffer in
 * one go. Runs of adjacent packets are the blocks that SACK tells the peer of, most recent first.
 *
 * Bounded in bytes (what the window allows) and, when they are small, in packets (`net.inet.tcp.reass.maxqueuelen`). Memory is that of the connection's receive buffer.
 * Invariants (`checkReass`): the packets are sorted, disjoint and beyond rcvNxt.
 */
import { assert } from '../base/assert.js';
import { seqDiff, seqGeq, seqGt, seqLeq, seqLt } from '../base/seqnum.js';
import type { SockMem } from '../kern/sock-mem.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { RecvBuffer } from './recv-buffer.js';

/** Blocks remembered for SACK. */
const BLOCKS_MAX = 4;

/** Beyond the limit of packets, each must be worth so many bytes of what the window allows: a gap in a large window is no flood. */
const BYTES_EACH = 512;

const seqOf = (m: PacketBuffer): number => m.csumStart;
const endOf = (m: PacketBuffer): number => (m.csumStart + m.len) | 0;

export class TcpReass {
  head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;
  count = 0;
  bytes = 0;
  /** A FIN waits at this sequence number, when `hasFin`. */
  finSeq = 0;
  hasFin = false;
  /** What the packet that was last put in had in common with the first one it met; the same twice: nothing. */
  dupStart = 0;
  dupEnd = 0;
  /** Starts of the blocks that changed last, most recent first. */
  private readonly recent = new Int32Array(BLOCKS_MAX);
  private nrecent = 0;
  private readonly mem: SockMem;

  constructor(mem: SockMem) {
    this.mem = mem;
  }

  /** Is there no room for another packet, when `max` are allowed whatever their size? */
  isFull(max: number): boolean {
    return this.count >= max && this.count * BYTES_EACH > this.bytes;
  }

  /** Puts `m` in, whose payload begins at `seq`. Owns `m`. False: there was nothing new in it. */
  insert(m: PacketBuffer, seq: number): boolean {
    m.csumStart = seq;
    if (this.tail !== null && seqGeq(seq, endOf(this.tail))) {
      this.dupStart = this.dupEnd = 0;
      this.tail.next = m;
      m.next = null;
      this.added(m);
      return true;
    }
    let prev: PacketBuffer | null = null;
    let at = this.head;
    while (at !== null && seqLeq(seqOf(at), seqOf(m))) {
      prev = at;
      at = at.next;
    }
    this.noteDuplicate(m, prev, at);
    if (prev !== null && seqGt(endOf(prev), seqOf(m))) {
      const over = seqDiff(endOf(prev), seqOf(m));
      if (over >= m.len) {
        this.touch(seq);
        m.free();
        return false;
      }
      m.adj(over);
      m.csumStart = endOf(prev);
    }
    // What comes behind and is wholly inside goes; what begins inside is cut off the new one.
    while (at !== null && seqLeq(endOf(at), endOf(m))) {
      const gone = at;
      at = at.next;
      this.count--;
      this.bytes -= gone.len;
      this.mem.release(gone.buf.length);
      gone.free();
    }
    if (at !== null && seqLeq(seqOf(at), seqOf(m))) {
      // The one before and the one behind have all of it between them.
      this.touch(seqOf(at));
      m.free();
      return false;
    }
    if (at !== null && seqGt(endOf(m), seqOf(at))) m.trim(seqDiff(seqOf(at), seqOf(m)));
    m.next = at;
    if (prev === null) this.head = m;
    else prev.next = m;
    this.added(m);
    return true;
  }

  private added(m: PacketBuffer): void {
    if (m.next === null) this.tail = m;
    this.count++;
    this.bytes += m.len;
    this.mem.take(m.buf.length);
    this.touch(seqOf(m));
  }

  /** What of `m`, which goes between `prev` and `at`, is there already: for D-SACK (RFC 2883). */
  private noteDuplicate(m: PacketBuffer, prev: PacketBuffer | null, at: PacketBuffer | null): void {
    const end = endOf(m);
    this.dupStart = this.dupEnd = 0;
    if (prev !== null && seqGt(endOf(prev), seqOf(m))) {
      this.dupStart = seqOf(m);
      this.dupEnd = seqLt(end, endOf(prev)) ? end : endOf(prev);
    } else if (at !== null && seqLt(seqOf(at), end)) {
      this.dupStart = seqOf(at);
      this.dupEnd = seqLt(end, endOf(at)) ? end : endOf(at);
    }
  }

  /** Moves what is due now to `rcv`; returns the bytes moved. */
  drain(rcvNxt: number, rcv: RecvBuffer): number {
    let nxt = rcvNxt;
    let moved = 0;
    for (let m = this.head; m !== null && seqLeq(seqOf(m), nxt); m = this.head) {
      this.head = m.next;
      this.count--;
      this.bytes -= m.len;
      this.mem.release(m.buf.length);
      const old = seqDiff(nxt, seqOf(m));
      if (old >= m.len) {
        m.free();
        continue;
      }
      m.adj(old);
      m.next = null;
      nxt = (nxt + m.len) | 0;
      moved += m.len;
      rcv.append(m);
    }
    if (this.head === null) {
      this.tail = null;
      this.nrecent = 0;
    }
    return moved;
  }

  /** Writes up to `max` blocks as start and end into `out` from index `at` on, most recent first; returns how many. */
  blocks(out: Int32Array, at: number, max: number): number {
    let n = 0;
    for (let i = 0; i < this.nrecent && n < max; i++) {
      const m = this.runAt(this.recent[i]!);
      if (m === null) continue;
      const start = this.runStart;
      let known = false;
      for (let k = 0; k < n; k++) if (out[at + 2 * k] === start) known = true;
      if (known) continue;
      out[at + 2 * n] = start;
      out[at + 2 * n + 1] = this.runEnd;
      n++;
    }
    return n;
  }

  flush(): void {
    for (let m = this.head; m !== null; m = this.head) {
      this.head = m.next;
      this.mem.release(m.buf.length);
      m.free();
    }
    this.tail = null;
    this.count = 0;
    this.bytes = 0;
    this.nrecent = 0;
    this.hasFin = false;
  }

  private runStart = 0;
  private runEnd = 0;

  /** The run of adjacent packets that `seq` is in: its ends in `runStart`, `runEnd`. */
  private runAt(seq: number): PacketBuffer | null {
    let m = this.head;
    while (m !== null) {
      const first = m;
      this.runStart = seqOf(m);
      this.runEnd = endOf(m);
      for (m = m.next; m !== null && seqOf(m) === this.runEnd; m = m.next) this.runEnd = endOf(m);
      if (seqGeq(seq, this.runStart) && seqLt(seq, this.runEnd)) return first;
    }
    return null;
  }

  private touch(seq: number): void {
    const n = Math.min(this.nrecent, BLOCKS_MAX - 1);
    for (let i = n; i > 0; i--) this.recent[i] = this.recent[i - 1]!;
    this.recent[0] = seq;
    this.nrecent = n + 1;
  }
}

/** Asserts the invariants; for simulations and tests. */
export function checkReass(q: TcpReass, rcvNxt: number): void {
  let count = 0;
  let bytes = 0;
  let at = rcvNxt;
  for (let m = q.head; m !== null; m = m.next) {
    assert(m.len > 0 && (count === 0 ? seqGt(seqOf(m), at) : seqGeq(seqOf(m), at)), 'what came out of order is not sorted, or due already');
    at = endOf(m);
    count++;
    bytes += m.len;
  }
  assert(count === q.count && bytes === q.bytes, 'the reassembly counters are wrong');
}
