/**
 * vring.ts — Vring: the device's side of a split virtqueue, which takes chains that the driver made available and gives them back used.
 * Read first: virtio 1.2 §2.7.6 to §2.7.10.
 *
 * Theory of operation. Three arrays lie in guest memory: the descriptor table, the available ring (the driver's) and the used ring (ours). Indexes of
 * both rings count freely in 16 bits. `waiting` says how many chains may be taken; `headAt` reads their first descriptors, `take` passes
 * over them, `give` writes them into the used ring, and `publish` shows the driver all that were given since the last time and answers whether it
 * wants to be called for that. So a batch costs two index accesses and at most one call, however many chains it has.
 * While this side is busy it does not want to be kicked: `silence`. Before it sleeps it says from where on it does, and looks again (`listen`),
 * because the driver may have added a chain just before it could see that.
 *
 * Memory order. The indexes, and the event indexes against which they are compared, are accessed with Atomics, whose stores and loads are in one
 * order for all processors; what an index covers is written before and read after it.
 *
 * Invariants: everything that the driver writes is read once and checked before it is used: no value of it leads outside the three arrays. The first
 * wrong one breaks the ring: `broken` says why, and it gives nothing any more until somebody makes a new Vring.
 * Not here: what a descriptor points at (descriptor-chain.ts); how the other side is called (event-fd.ts). Packed rings.
 */
import { VRING_AVAIL_F_NO_INTERRUPT, VRING_USED_F_NO_NOTIFY, vringAvailBytes, vringDescBytes, vringUsedBytes } from './virtio-net.js';

/** The ring's memory: exactly vringDescBytes, vringAvailBytes and vringUsedBytes long. */
export interface VringMemory {
  readonly desc: Uint8Array;
  readonly avail: Uint8Array;
  readonly used: Uint8Array;
}

/** Indexes into the rings as arrays of 16-bit and 32-bit words. */
const FLAGS = 0;
const IDX = 1;
const AVAIL_RING = 2;
const USED_RING_WORDS = 1;

export class Vring {
  readonly num: number;
  /** The descriptor table. */
  readonly desc: DataView;
  /** May a descriptor point at a table? */
  readonly indirect: boolean;
  /** Why the ring cannot be used any more; '' while it can. */
  broken = '';
  private readonly eventIdx: boolean;
  private readonly mask: number;
  private readonly avail: Uint16Array;
  private readonly used: Uint16Array;
  private readonly usedWords: Int32Array;
  private next: number;
  private seen: number;
  private given: number;
  private published: number;
  /** Does the driver know our used index? It is called for the first chains whatever it asked for. */
  private called = false;

  /** A device that gives chains back in the order in which it took them goes on where the used index says. */
  constructor(num: number, memory: VringMemory, features: { readonly eventIdx: boolean; readonly indirect: boolean }) {
    if (memory.desc.byteLength !== vringDescBytes(num) || memory.avail.byteLength !== vringAvailBytes(num) || memory.used.byteLength !== vringUsedBytes(num)) {
      throw new RangeError(`the memory of a ring of ${num} does not have its size`);
    }
    this.num = num;
    this.mask = num - 1;
    const { desc, avail, used } = memory;
    this.desc = new DataView(desc.buffer, desc.byteOffset, desc.byteLength);
    this.avail = new Uint16Array(avail.buffer, avail.byteOffset, avail.byteLength >> 1);
    this.used = new Uint16Array(used.buffer, used.byteOffset, used.byteLength >> 1);
    this.usedWords = new Int32Array(used.buffer, used.byteOffset, USED_RING_WORDS + 2 * num);
    this.eventIdx = features.eventIdx;
    this.indirect = features.indirect;
    const index = Atomics.load(this.used, IDX);
    this.next = this.seen = index;
    this.given = this.published = index;
  }

  /** Where this side is in the available ring. */
  get nextAvail(): number {
    return this.next;
  }

  /** Chains that may be taken. */
  waiting(): number {
    if (this.broken !== '') return 0;
    const known = (this.seen - this.next) & 0xffff;
    return known > 0 ? known : this.look();
  }

  /** Reads the driver's index; the chains that may be taken by it. */
  look(): number {
    if (this.broken !== '') return 0;
    this.seen = Atomics.load(this.avail, IDX);
    const waiting = (this.seen - this.next) & 0xffff;
    if (waiting <= this.num) return waiting;
    this.fail(`the available index ${this.seen} is ${waiting} ahead in a ring of ${this.num}`);
    return 0;
  }

  /** The first descriptor of the chain that is `k` behind the next, which `waiting` has counted; -1: there is no such descriptor, and the ring is broken. */
  headAt(k: number): number {
    const head = this.avail[AVAIL_RING + ((this.next + k) & this.mask)]!;
    if (head < this.num) return head;
    this.fail(`the available ring names descriptor ${head} of ${this.num}`);
    return -1;
  }

  /** Passes over `n` chains; each is given back in the end. */
  take(n: number): void {
    this.next = (this.next + n) & 0xffff;
  }

  /** Puts a chain into the used ring, not visible yet. `length`: bytes that were written into it. */
  give(head: number, length: number): void {
    const at = USED_RING_WORDS + 2 * (this.given & this.mask);
    this.usedWords[at] = head;
    this.usedWords[at + 1] = length;
    this.given = (this.given + 1) & 0xffff;
  }

  /** Shows the driver what was given. True: it wants to be called. */
  publish(): boolean {
    const { given, published } = this;
    if (given === published) return false;
    Atomics.store(this.used, IDX, given);
    this.published = given;
    if (!this.eventIdx) return (Atomics.load(this.avail, FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) === 0;
    const event = Atomics.load(this.avail, AVAIL_RING + this.num);
    const first = !this.called;
    this.called = true;
    return first || ((given - event - 1) & 0xffff) < ((given - published) & 0xffff);
  }

  /** Asks not to be kicked. With event indexes there is nothing to say: one kick was asked for, and it has come. */
  silence(): void {
    if (!this.eventIdx) Atomics.store(this.used, FLAGS, VRING_USED_F_NO_NOTIFY);
  }

  /** Asks to be kicked for the next chain after those that were seen. True: one came meanwhile, and there may be no kick for it. */
  listen(): boolean {
    if (this.broken !== '') return false;
    const { seen } = this;
    if (this.eventIdx) Atomics.store(this.used, 2 + 4 * this.num, seen);
    else Atomics.store(this.used, FLAGS, 0);
    this.look();
    return this.seen !== seen && this.broken === '';
  }

  fail(reason: string): void {
    if (this.broken === '') this.broken = reason;
  }
}
