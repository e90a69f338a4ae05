/**
 * socket-buffer.ts — what a netgraph socket keeps for its reader: messages, and data with the name of the hook it came by.
 * Read first: sockbuf(9) for the two limits.
 *
 * Bytes are counted, and the buffers that they would take in a kernel (256 bytes of overhead each, eight times as many as bytes): that is why some 320
 * tiny frames fill a buffer of 20 KB.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { NG_MESG_HDRSIZ } from '../ng-message.js';
import type { NgMessage } from '../ng-message.js';

const MSIZE = 256;
const MCLBYTES = 2_048;
/** Bytes of a frame that fit into a buffer with its header, without a cluster. */
const INLINE_MAX = 168;
/** Bytes of buffers for each byte of space. */
const BUFFER_RATIO = 8;
/** Of an address beside the name in it. */
const ADDR_BYTES = 3;

/** Space, and what is used of it. */
class Space {
  limit: number;
  bytes = 0;
  private buffers = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  has(bytes: number): boolean {
    return this.bytes + bytes <= this.limit && this.buffers < this.limit * BUFFER_RATIO;
  }

  use(bytes: number): void {
    this.bytes += bytes;
    this.buffers += buffersOf(bytes);
  }

  release(bytes: number): void {
    this.bytes -= bytes;
    this.buffers -= buffersOf(bytes);
  }
}

function buffersOf(bytes: number): number {
  return 2 * MSIZE + (bytes > INLINE_MAX ? Math.ceil(bytes / MCLBYTES) * MCLBYTES : 0);
}

interface Kept {
  readonly from: string;
  readonly msg: NgMessage;
}

export class MsgBuffer {
  private readonly space: Space;
  private kept: Kept[] = [];

  constructor(limit: number) {
    this.space = new Space(limit);
  }

  get length(): number {
    return this.kept.length;
  }

  /** False: no room. */
  put(kept: Kept): boolean {
    const bytes = bytesOf(kept);
    if (!this.space.has(bytes)) return false;
    this.space.use(bytes);
    this.kept.push(kept);
    return true;
  }

  /** The first that `is` wanted. */
  take(is: (kept: Kept) => boolean): Kept | null {
    const at = this.kept.findIndex(is);
    if (at < 0) return null;
    const [kept] = this.kept.splice(at, 1);
    this.space.release(bytesOf(kept!));
    return kept!;
  }

  purge(): void {
    while (this.take(() => true) !== null);
  }
}

function bytesOf({ from, msg }: Kept): number {
  return ADDR_BYTES + from.length + NG_MESG_HDRSIZ + msg.args.length;
}

/** A FIFO of packets, each with a name. */
export class DataBuffer {
  /** Packets refused because there was no room. */
  drops = 0;
  private readonly space: Space;
  private readonly packets: (PacketBuffer | null)[] = [];
  private readonly hooks: string[] = [];
  private head = 0;

  constructor(limit: number) {
    this.space = new Space(limit);
  }

  get length(): number {
    return this.packets.length - this.head;
  }

  /** Bytes of packets that wait. */
  get bytes(): number {
    return this.space.bytes;
  }

  resize(limit: number): void {
    this.space.limit = limit;
  }

  /** False: no room; `m` is still the caller's. */
  put(hook: string, m: PacketBuffer): boolean {
    const bytes = ADDR_BYTES + hook.length + m.len;
    if (!this.space.has(bytes)) {
      this.drops++;
      return false;
    }
    this.space.use(bytes);
    this.packets.push(m);
    this.hooks.push(hook);
    return true;
  }

  /** The oldest packet without taking it. */
  peek(): PacketBuffer | null {
    return this.packets[this.head] ?? null;
  }

  take(): { readonly hook: string; readonly m: PacketBuffer } | null {
    const m = this.peek();
    if (m === null) return null;
    const hook = this.hooks[this.head]!;
    this.shift(ADDR_BYTES + hook.length + m.len);
    return { hook, m };
  }

  /** Takes the oldest packet, whatever its hook; it is the caller's. */
  dequeue(): PacketBuffer | null {
    const m = this.peek();
    if (m !== null) this.shift(ADDR_BYTES + this.hooks[this.head]!.length + m.len);
    return m;
  }

  purge(): void {
    for (let m = this.dequeue(); m !== null; m = this.dequeue()) m.free();
  }

  private shift(bytes: number): void {
    this.space.release(bytes);
    this.packets[this.head] = null;
    this.head++;
    if (this.head < this.packets.length && this.head < COMPACT_FROM) return;
    this.packets.splice(0, this.head);
    this.hooks.splice(0, this.head);
    this.head = 0;
  }
}

/** Places given up before the rest moves to the front. */
const COMPACT_FROM = 4_096;
