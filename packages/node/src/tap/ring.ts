/**
 * ring.ts — a bounded ring of byte records between two threads: one producer, one consumer, no lock.
 * Read first: Lamport, "Proving the Correctness of Multiprocess Programs" (1977), for why two cursors suffice;
 * ECMA-262 §29 (memory model) for why the cursors need Atomics and the records do not.
 *
 *     ctl   TAIL . . . HEAD . . . CONSUMER_ASLEEP . . . PRODUCER_ASLEEP      Int32, one cache line pair each
 *     bytes [length mark|payload .. pad to 8][length mark|payload ..]...[SKIP]         size a power of two
 *
 * Theory of operation. `TAIL` and `HEAD` count bytes ever produced and consumed, modulo 2^32; the place in `bytes` is the count modulo
 * the size. A record is a 32-bit length, a 32-bit mark of the producer's and its payload, rounded up to 8, and never wraps: where the rest of the lap is too short for
 * what may come, SKIP in the length's place sends the consumer to the start.
 * Both sides work on private copies of the cursors and publish once per batch, so an atomic operation is paid per batch, not per
 * record. The atomic store of TAIL orders the records before it, the atomic load on the other side orders the reading behind it.
 *
 * Sleeping. A side with nothing to do raises its ASLEEP flag and then looks at the other's cursor once more; the other side publishes
 * its cursor and then looks at the flag. Atomics are sequentially consistent, so at least one of them sees the other (Dekker): either the
 * sleeper stays awake, or the other side's `publish`/`release` answers true and its caller rings the bell. Whoever takes the flag down by
 * compare-and-exchange rings, so that one sleep costs one ring. What the bell is (an eventfd, a MessagePort) is not this file's business.
 * A producer that waits for room is woken when half of the ring is free, not at each freed record.
 *
 * Invariants: TAIL - HEAD <= size; both are multiples of 8; only the producer writes TAIL, only the consumer HEAD.
 * `bytes` is better not a view of a SharedArrayBuffer: V8 copies to and from those byte by byte unless both ends are aligned to 8
 * (64 KB: 15 µs instead of 1.5). Any memory that both threads see will do; the cursors alone need the memory model's shared memory.
 */

/** Int32 words of the control block. */
export const RING_CTL_WORDS = 128;
const TAIL = 0;
const HEAD = 32;
const CONSUMER_ASLEEP = 64;
const PRODUCER_ASLEEP = 96;

/** Bytes of length and mark in front of a payload. */
export const RECORD_HEADER = 8;
const SKIP = -1;

function alignUp(length: number): number {
  return (length + RECORD_HEADER + 7) & ~7;
}

function checkRing(ctl: Int32Array, bytes: Uint8Array): void {
  const size = bytes.length;
  if (ctl.length < RING_CTL_WORDS) throw new RangeError(`ring: the control block has ${ctl.length} words, not ${RING_CTL_WORDS}`);
  if (size < 64 || size > 2 ** 30 || (size & (size - 1)) !== 0) throw new RangeError(`ring: ${size} bytes is not a power of two from 64 to 2^30`);
  if ((bytes.byteOffset & 7) !== 0) throw new RangeError('ring: the bytes are not aligned to 8');
}

/** The writing side. One object, in one thread. */
export class RingProducer {
  /** The ring's memory; a payload is written into it at the offset that `reserve` answers. */
  readonly bytes: Uint8Array;
  /** Records committed and not yet published. */
  pending = 0;
  /** Where the payload of the last record starts in `bytes`, and its length. Set by `commit`. */
  off = 0;
  length = 0;
  private readonly ctl: Int32Array;
  private readonly words: Int32Array;
  private readonly size: number;
  private tail: number;
  private published: number;
  private head: number;

  constructor(ctl: Int32Array, bytes: Uint8Array) {
    checkRing(ctl, bytes);
    this.ctl = ctl;
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.size = bytes.length;
    this.tail = Atomics.load(ctl, TAIL);
    this.published = this.tail;
    this.head = Atomics.load(ctl, HEAD);
  }

  /** The longest payload this ring accepts at all: a lap that cannot hold it and a skipped rest must fit together. */
  get maxPayload(): number {
    return (this.size >> 1) - RECORD_HEADER;
  }

  /**
   * Room for a payload of up to `length` bytes: its offset in `bytes`, or -1 while the ring is too full.
   * Followed by `commit`, or by nothing (then nothing has happened).
   */
  reserve(length: number): number {
    const at = this.tail & (this.size - 1);
    const need = alignUp(length);
    const rest = this.size - at;
    const total = rest < need ? rest + need : need;
    if (this.size - ((this.tail - this.head) >>> 0) < total) {
      this.head = Atomics.load(this.ctl, HEAD);
      if (this.size - ((this.tail - this.head) >>> 0) < total) return -1;
    }
    if (rest >= need) return at + RECORD_HEADER;
    this.words[at >> 2] = SKIP;
    this.tail = (this.tail + rest) | 0;
    return RECORD_HEADER;
  }

  /** Ends the record that `reserve` opened: `length` payload bytes have been written, at most as many as were reserved. `mark`: a number for the consumer. */
  commit(length: number, mark = 0): void {
    const at = this.tail & (this.size - 1);
    this.off = at + RECORD_HEADER;
    this.length = length;
    this.words[at >> 2] = length;
    this.words[(at >> 2) + 1] = mark;
    this.tail = (this.tail + alignUp(length)) | 0;
    this.pending++;
  }

  /** Takes the last record back; it must not have been published. At most once after each `commit`. */
  uncommit(): void {
    this.pending--;
    this.tail = (this.tail - alignUp(this.length)) | 0;
  }

  /**
   * Does the consumer sleep, and has it released all that was published? Then whatever this side does with its next record itself comes
   * after everything before it. The flag alone would not say so: it is up for a moment before the sleeper's last look.
   */
  get drained(): boolean {
    return Atomics.load(this.ctl, CONSUMER_ASLEEP) === 1 && Atomics.load(this.ctl, HEAD) === this.published;
  }

  /** Has the consumer released all that was published? Then it has no record in its hands, asleep or not. */
  get isEmpty(): boolean {
    return Atomics.load(this.ctl, HEAD) === this.published;
  }

  /** Shows the consumer what was committed. True: the consumer slept, ring its bell. */
  publish(): boolean {
    this.pending = 0;
    this.published = this.tail;
    Atomics.store(this.ctl, TAIL, this.tail);
    return Atomics.load(this.ctl, CONSUMER_ASLEEP) === 1 && Atomics.compareExchange(this.ctl, CONSUMER_ASLEEP, 1, 0) === 1;
  }

  /** Goes to sleep until there is room for `length`. False: there is room now, do not sleep. Everything must have been published. */
  sleepUntilRoom(length: number): boolean {
    Atomics.store(this.ctl, PRODUCER_ASLEEP, 1);
    this.head = Atomics.load(this.ctl, HEAD);
    const at = this.tail & (this.size - 1);
    const need = alignUp(length);
    const rest = this.size - at;
    if (this.size - ((this.tail - this.head) >>> 0) < (rest < need ? rest + need : need)) return true;
    this.wake();
    return false;
  }

  /** Takes the flag down after a sleep that something else than the bell ended. */
  wake(): void {
    Atomics.store(this.ctl, PRODUCER_ASLEEP, 0);
  }
}

/** The reading side: a cursor over the records of one batch at a time. One object, in one thread. */
export class RingConsumer {
  readonly bytes: Uint8Array;
  /** Where the current record's payload starts in `bytes`, its length, and its mark. Set by `next`. */
  off = 0;
  length = 0;
  mark = 0;
  private readonly ctl: Int32Array;
  private readonly words: Int32Array;
  private readonly size: number;
  private head: number;
  private tail: number;

  constructor(ctl: Int32Array, bytes: Uint8Array) {
    checkRing(ctl, bytes);
    this.ctl = ctl;
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.size = bytes.length;
    this.head = Atomics.load(ctl, HEAD);
    this.tail = Atomics.load(ctl, TAIL);
  }

  /** Looks for published records; false when there is none. */
  acquire(): boolean {
    if (this.head === this.tail) this.tail = Atomics.load(this.ctl, TAIL);
    return this.head !== this.tail;
  }

  /** Steps to the next record that `acquire` saw: true with `off` and `length` set, false at the end. */
  next(): boolean {
    while (this.head !== this.tail) {
      const at = this.head & (this.size - 1);
      const length = this.words[at >> 2]!;
      if (length !== SKIP) {
        this.off = at + RECORD_HEADER;
        this.length = length;
        this.mark = this.words[(at >> 2) + 1]!;
        this.head = (this.head + alignUp(length)) | 0;
        return true;
      }
      this.head = (this.head + this.size - at) | 0;
    }
    return false;
  }

  /** Steps back over the record that `next` has just answered, so that it stays in the ring. At most once after each `next`. */
  unread(): void {
    this.head = (this.head - alignUp(this.length)) | 0;
  }

  /** Gives back the room of all records stepped over. True: the producer slept and has room enough now, ring its bell. */
  release(): boolean {
    Atomics.store(this.ctl, HEAD, this.head);
    return (
      Atomics.load(this.ctl, PRODUCER_ASLEEP) === 1 &&
      (this.tail - this.head) >>> 0 <= this.size >> 1 &&
      Atomics.compareExchange(this.ctl, PRODUCER_ASLEEP, 1, 0) === 1
    );
  }

  /** Goes to sleep until a record is published. False: there is one now, do not sleep. Everything must have been released. */
  sleepUntilRecord(): boolean {
    Atomics.store(this.ctl, CONSUMER_ASLEEP, 1);
    this.tail = Atomics.load(this.ctl, TAIL);
    if (this.head === this.tail) return true;
    this.wake();
    return false;
  }

  /** Takes the flag down after a sleep that something else than the bell ended. */
  wake(): void {
    Atomics.store(this.ctl, CONSUMER_ASLEEP, 0);
  }
}
