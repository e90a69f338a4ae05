/**
 * frame-io.ts — FrameIo: how a datapath worker reads and writes frames; what it is told by whom.
 * Read first: poll-io.ts, the plain implementation.
 *
 * Theory of operation. One FrameIo belongs to one thread and serves all descriptors of it (TAP queues, packet sockets). `turn` waits for
 * frames and hands each to the FrameHandler where it lies, with room in front of it; the handler edits it in place and sends it on with `forward`,
 * or copies what it wants to keep. How many system calls that takes, and when a sent frame has left, is the implementation's business; what the caller sees
 * is the same for all: after `frame` has returned the memory is not its any more.
 *
 * Invariants: `frame` is called within `turn` alone. `batchEnd` is called after at most BATCH_MAX frames, and before `turn` returns when it handed over any.
 * `idle` and `awake` come in pairs, and between them nothing is handed over.
 * Not here: what is done with a frame (datapath-worker.ts); opening and closing of descriptors.
 */

/** Memory that frames lie in. */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
}

/** Bytes before a received frame (its virtio header included in the frame) that may be overwritten when it is sent on. */
export const FRAME_HEADROOM = 64;
/** Frames of a batch at most. */
export const BATCH_MAX = 64;

export interface FrameHandler {
  /** A frame came in on `port`: `len` bytes at `at`, the virtio header first where the port has one. It is the handler's until it returns. */
  frame(port: number, mem: FrameMemory, at: number, len: number): void;
  /** All frames of a batch (at most BATCH_MAX) have been handed over. */
  batchEnd(): void;
  /** About to sleep; awake again. */
  idle(): void;
  awake(): void;
  /** `frames` for `port`, of `octets` bytes together, that `forward` took were afterwards refused by the kernel; errno. */
  refused(port: number, frames: number, octets: number, errno: number): void;
  /** The port's descriptor is dead; errno. Its input stops. */
  gone(port: number, errno: number): void;
}

export interface FrameIo {
  /** Adds a port: output always, input only when `input`. `frameMax` bytes at most per frame. The descriptor stays the caller's. */
  open(port: number, fd: number, input: boolean, frameMax: number): void;
  /** When it returns, no system call on the descriptor is under way or will be made (io_uring: cancelled and reaped). */
  close(port: number): void;
  /**
   * Within `FrameHandler.frame`: sends the frame being handled, which now is at `at`, `len` (it may have grown into the headroom). False: refused. Nothing is copied.
   * `joins`: it begins with a virtio header, goes to no other port, and may leave as one segment with others that it is a piece of (frame-train.ts).
   */
  forward(port: number, at: number, len: number, joins?: boolean): boolean;
  /** Sends from other memory; consumed when it returns. False: would block, or refused (`errno` says which). */
  send(port: number, mem: FrameMemory, at: number, len: number): boolean;
  readonly errno: number;
  /** A descriptor that is to be closed by somebody else when the thread has ended without `destroy`; -1: none. */
  readonly ownFd: number;
  /** One turn: sleeps up to `timeoutMs` when nothing is there; how many frames were handed over. `wakeFd` (an eventfd given to the constructor) ends a sleep. */
  turn(timeoutMs: number): number;
  destroy(): void;
}
