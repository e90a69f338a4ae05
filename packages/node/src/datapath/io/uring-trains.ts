/**
 * uring-trains.ts — UringTrains: writes that are queued for io_uring, which further frames of the same train join.
 * Read first: frame-train.ts (who may join), uring-io.ts.
 *
 * Theory of operation. A frame is queued as any other, by an entry that says where it is, and noted as its port's last (`begin`). When the next one joins, that entry becomes one of vectors:
 * the first is the whole frame, each other the payload of one that joined. Before entries are handed over `end` makes the headers right. The kernel has read the vectors when it has taken the entry, which it may refuse
 * to for a while: they are used again when it has taken all (`taken`).
 *
 *     entry: WRITE  address, length                       entry: WRITEV ─▶ [ frame ][ payload ][ payload ] …
 *
 * Invariants: allocates nothing but a port's QueuedTrain. An entry is changed between `begin` and `end` alone. Its user data says how many frames it writes, and their octets together.
 */
import {
  IORING_OP_WRITEV, IOSQE_CQE_SKIP_SUCCESS, SQE_ADDRESS, SQE_LENGTH, SQE_OP, SQE_USER_DATA,
} from '../../native/io-uring.js';
import type { Libc } from '../../tap/libc.js';
import type { FrameMemory } from './frame-io.js';
import { FrameTrain, TRAIN_FRAMES_MAX } from './frame-train.js';

/** What a write's user data has in its upper half: frames, in units of this, and octets. */
export const ONE_FRAME = 1 << 20;
/** Trains of several frames that can be queued at once; further frames leave by themselves. */
const TRAINS_MAX = 32;
/** Of an iovec: address and length, of 64 bits each. */
const VECTOR_WORDS = 4;

/** What was queued last for a port. */
export class QueuedTrain {
  readonly train = new FrameTrain();
  /** Its entry, and between which hand-overs it was queued. */
  sqe = 0;
  round = -1;
  /** Word at which its vectors begin. */
  vectors = 0;
}

export class UringTrains {
  private readonly sqes: Int32Array;
  private readonly vectors = new Int32Array(TRAINS_MAX * TRAIN_FRAMES_MAX * VECTOR_WORDS);
  private readonly address: number;
  /** Those of several frames, in the order of their vectors. A port's may be there more than once. */
  private readonly several: FrameTrain[] = [];
  private round = 0;

  constructor(libc: Libc, sqes: Int32Array) {
    this.sqes = sqes;
    this.address = libc.address(this.vectors);
  }

  /** The frame is queued by the entry `sqe`: others may join it. */
  begin(to: QueuedTrain, sqe: number, mem: FrameMemory, at: number, len: number): void {
    to.train.finish();
    to.train.begins(mem.view, at, len);
    to.sqe = sqe;
    to.round = this.round;
  }

  /** Has the frame joined what was queued last? Then it is written with it, from where it lies. */
  joins(to: QueuedTrain, mem: FrameMemory, at: number, len: number): boolean {
    const { train, sqe } = to;
    if (!train.open || to.round !== this.round || (train.frames === 1 && this.several.length === TRAINS_MAX) || !train.joins(mem.view, at, len)) return false;
    const { sqes } = this;
    if (train.frames === 2) this.makeVectors(to);
    const address = mem.address + at + train.front;
    this.putVector(to.vectors + (train.frames - 1) * VECTOR_WORDS, address | 0, Math.floor(address / 2 ** 32), len - train.front);
    sqes[sqe + SQE_LENGTH] = train.frames;
    sqes[sqe + SQE_USER_DATA + 1] = sqes[sqe + SQE_USER_DATA + 1]! + ONE_FRAME + len;
    return true;
  }

  /** What is queued goes as it is: nothing joins it any more. */
  end(): void {
    this.round++;
    for (let i = 0; i < this.several.length; i++) this.several[i]!.finish();
  }

  /** The kernel has taken all that was queued, and reads no vector any more. */
  taken(): void {
    this.several.length = 0;
  }

  /** The entry of one frame becomes one of vectors, of which the frame is the first. */
  private makeVectors(to: QueuedTrain): void {
    const { sqes } = this;
    const { sqe } = to;
    to.vectors = (this.several.push(to.train) - 1) * TRAIN_FRAMES_MAX * VECTOR_WORDS;
    this.putVector(to.vectors, sqes[sqe + SQE_ADDRESS]!, sqes[sqe + SQE_ADDRESS + 1]!, sqes[sqe + SQE_LENGTH]!);
    const address = this.address + to.vectors * this.vectors.BYTES_PER_ELEMENT;
    sqes[sqe + SQE_OP] = IORING_OP_WRITEV | (IOSQE_CQE_SKIP_SUCCESS << 8);
    sqes[sqe + SQE_ADDRESS] = address | 0;
    sqes[sqe + SQE_ADDRESS + 1] = Math.floor(address / 2 ** 32);
  }

  private putVector(at: number, low: number, high: number, len: number): void {
    const { vectors } = this;
    vectors[at] = low;
    vectors[at + 1] = high;
    vectors[at + 2] = len;
    vectors[at + 3] = 0;
  }
}
