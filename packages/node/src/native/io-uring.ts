/**
 * io-uring.ts — IoUring: a submission queue and a completion queue shared with the kernel, by koffi alone.
 * Read first: io_uring_setup(2), io_uring_enter(2), io_uring_register(2); native/koffi.ts.
 *
 *     sqe() ─ fill 16 words ─▶ [submission queue] ── enter ──▶ kernel ──▶ [completion queue] ── ready(), at(i), consume(n)
 *
 * Theory of operation. Both queues are memory of the kernel's that is mapped here and seen as Int32Arrays; an entry is written and read by words, never
 * as an object. The indices are published by Atomics.store and looked at by Atomics.load, once per call of `enter` and `ready` and not per entry: the
 * release and acquire that the kernel asks for, and more. `enter` hands over what was queued and may wait; its time limit is an argument of the same call.
 *
 * The ring asks the kernel for:
 *   CQSIZE          a completion queue that cannot overflow, whatever the caller has outstanding
 *   SUBMIT_ALL      an entry that fails does not hold up those behind it
 *   SINGLE_ISSUER   one thread uses it, so that the kernel takes no lock
 *   DEFER_TASKRUN   the kernel finishes requests when this thread enters and at no other time: no interrupt while frames are handled, and whole batches
 *
 * Invariants: an IoUring belongs to the thread that made it. `destroy` is called when nothing is outstanding that writes into memory of the caller's.
 * When the constructor throws, nothing is left.
 * Not here: what is asked of the kernel (datapath/io/uring-io.ts).
 */
import { readFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { bindMmap, loadC64, MAP_POPULATE, MAP_SHARED } from './koffi.js';

/** Opcodes. */
export const IORING_OP_WRITEV = 2;
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_READ = 22;
export const IORING_OP_WRITE = 23;
export const IORING_OP_READ_MULTISHOT = 49;
/** Flags of an entry, in its second byte. */
export const IOSQE_BUFFER_SELECT = 1 << 5;
export const IOSQE_CQE_SKIP_SUCCESS = 1 << 6;
export const IORING_ASYNC_CANCEL_ALL = 1 << 0;
/** Of a read or write: fails with EAGAIN instead of being finished later. */
export const RWF_NOWAIT = 8;
/** Flags of a completion: bits 16 and up are the buffer's number; more completions of the same entry follow. */
export const IORING_CQE_F_BUFFER = 1 << 0;
export const IORING_CQE_F_MORE = 1 << 1;
export const IORING_CQE_BUFFER_SHIFT = 16;

/** Words of an entry: opcode, flags and priority; descriptor; offset; address; length; flags of the operation; user data; buffer group. */
export const SQE_WORDS = 16;
export const SQE_OP = 0;
export const SQE_FD = 1;
export const SQE_OFFSET = 2;
export const SQE_ADDRESS = 4;
export const SQE_LENGTH = 6;
export const SQE_OP_FLAGS = 7;
export const SQE_USER_DATA = 8;
export const SQE_BUFFER_GROUP = 10;
/** Words of a completion. */
export const CQE_USER_DATA = 0;
export const CQE_RESULT = 2;
export const CQE_FLAGS = 3;

const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;
const IORING_SETUP_CQSIZE = 1 << 3;
const IORING_SETUP_SUBMIT_ALL = 1 << 7;
const IORING_SETUP_SINGLE_ISSUER = 1 << 12;
const IORING_SETUP_DEFER_TASKRUN = 1 << 13;
const IORING_FEAT_SINGLE_MMAP = 1 << 0;
const IORING_FEAT_NODROP = 1 << 1;
const IORING_FEAT_EXT_ARG = 1 << 8;
const IORING_FEAT_CQE_SKIP = 1 << 11;
const FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
const IORING_ENTER_GETEVENTS = 1 << 0;
const IORING_ENTER_EXT_ARG = 1 << 3;
const IORING_OFF_SQ_RING = 0;
const IORING_OFF_SQES = 0x10000000;
const IORING_REGISTER_PROBE = 8;
const IORING_REGISTER_PBUF_RING = 22;
const IORING_UNREGISTER_PBUF_RING = 23;
const IO_URING_OP_SUPPORTED = 1;
const CQE_WORDS = 4;
const PROBE_OPS = 64;

const EPERM = 1;
const EINTR = 4;
const ENOMEM = 12;
const EINVAL = 22;
const ENOSYS = 38;
const ETIME = 62;

/** The calls, as of C: a negative answer is a failure, with the reason in `errno`. An interface so that a test can be the kernel. */
export interface UringCalls {
  setup(entries: number, parameters: Uint32Array): number;
  enter(fd: number, submit: number, waitFor: number, flags: number, argument: number, argumentSize: number): number;
  register(fd: number, what: number, argument: ArrayBufferView, count: number): number;
  /** The address, or 0. */
  map(fd: number, length: number, offset: number): number;
  unmap(address: number, length: number): void;
  close(fd: number): void;
  viewMemory(address: number, length: number): ArrayBuffer;
  address(memory: ArrayBufferView): number;
  errno(): number;
}

/** `code` is the errno's name, `syscall` what failed. The message says what to do where something can be done. */
export class IoUringError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(message: string, errno: number, syscall: string) {
    super(message);
    this.name = 'IoUringError';
    this.code = errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN';
    this.errno = errno;
    this.syscall = syscall;
  }
}

let bound: UringCalls | null = null;

/** The kernel's. @throws Error when this is not Linux on a 64-bit little-endian machine, or koffi cannot be loaded. */
export function loadUringCalls(): UringCalls {
  bound ??= bindUringCalls();
  return bound;
}

function bindUringCalls(): UringCalls {
  const c = loadC64('io_uring rings');
  const { koffi, bind } = c;
  const setup = bind<(nr: number, entries: number, parameters: Uint32Array) => number>('syscall', 'int', ['long', 'uint32_t', 'void *']);
  const enter = bind<(nr: number, fd: number, submit: number, waitFor: number, flags: number, argument: number, size: number) => number>(
    'syscall', 'int', ['long', 'int', 'uint32_t', 'uint32_t', 'uint32_t', 'int64_t', 'int64_t']);
  const register = bind<(nr: number, fd: number, what: number, argument: ArrayBufferView, count: number) => number>(
    'syscall', 'int', ['long', 'int', 'uint32_t', 'void *', 'uint32_t']);
  const mmap = bindMmap(c);
  return {
    setup: (entries, parameters) => setup(SYS_IO_URING_SETUP, entries, parameters),
    enter: (fd, submit, waitFor, flags, argument, size) => enter(SYS_IO_URING_ENTER, fd, submit, waitFor, flags, argument, size),
    register: (fd, what, argument, count) => register(SYS_IO_URING_REGISTER, fd, what, argument, count),
    map: (fd, length, offset) => mmap(length, MAP_SHARED | MAP_POPULATE, fd, offset),
    unmap: bind('munmap', 'int', ['int64_t', 'size_t']),
    close: bind('close', 'int', ['int']),
    viewMemory: (address, length) => koffi.view(BigInt(address), length),
    address: (memory) => Number(koffi.address(memory)),
    errno: () => koffi.errno(),
  };
}

/** struct io_uring_params, by words: what was given and what the kernel answered. */
const P_SQ_ENTRIES = 0;
const P_CQ_ENTRIES = 1;
const P_FLAGS = 2;
const P_FEATURES = 5;
const P_SQ = 10;
const P_CQ = 20;
const PARAMS_WORDS = 30;

export class IoUring {
  readonly fd: number;
  /** The submission queue's entries; `sqe` answers where one begins. */
  readonly sqes: Int32Array;
  /** The memory of both queues; `at` answers where a completion begins. */
  readonly words: Int32Array;
  readonly cqEntries: number;
  /** Entries filled and not yet handed over. */
  pending = 0;
  private readonly calls: UringCalls;
  private readonly mappings: [address: number, length: number][] = [];
  private readonly sqEntries: number;
  private readonly sqTail: number;
  private readonly cqHead: number;
  private readonly cqTail: number;
  private readonly cqes: number;
  private tail: number;
  private head: number;
  /** struct io_uring_getevents_arg, which leads to a struct __kernel_timespec. */
  private readonly argument = new BigUint64Array(3);
  private readonly timeout = new BigInt64Array(2);
  private readonly argumentAddress: number;
  private timeoutMs = -1;

  /** @throws IoUringError that says why there is none. */
  constructor(entries: number, cqEntries: number, calls: UringCalls = loadUringCalls()) {
    const parameters = new Uint32Array(PARAMS_WORDS);
    parameters[P_FLAGS] = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    parameters[P_CQ_ENTRIES] = cqEntries;
    this.calls = calls;
    this.fd = calls.setup(entries, parameters);
    if (this.fd < 0) throw setupError(calls.errno());
    try {
      if ((parameters[P_FEATURES]! & FEATURES) !== FEATURES) throw new IoUringError(tooOld('lacks features'), EINVAL, 'io_uring_setup');
      this.checkOperations();
      const cq = parameters.subarray(P_CQ);
      const sq = parameters.subarray(P_SQ);
      this.sqEntries = parameters[P_SQ_ENTRIES]!;
      this.cqEntries = parameters[P_CQ_ENTRIES]!;
      this.cqes = cq[5]! >> 2;
      this.words = this.map(Math.max(sq[6]! + this.sqEntries * 4, cq[5]! + this.cqEntries * CQE_WORDS * 4), IORING_OFF_SQ_RING);
      this.sqes = this.map(this.sqEntries * SQE_WORDS * 4, IORING_OFF_SQES);
      this.sqTail = sq[1]! >> 2;
      this.cqHead = cq[0]! >> 2;
      this.cqTail = cq[1]! >> 2;
      // The queue names entries by number, in an array; here each stays at its own.
      for (let i = 0; i < this.sqEntries; i++) this.words[(sq[6]! >> 2) + i] = i;
    } catch (error) {
      this.destroy();
      throw error;
    }
    this.tail = this.words[this.sqTail]!;
    this.head = this.words[this.cqHead]!;
    this.argument[2] = BigInt(calls.address(this.timeout));
    this.argumentAddress = calls.address(this.argument);
  }

  /** Where in `sqes` the next entry begins, all zero; it counts as filled. -1: the queue is full, `enter` first. */
  sqe(): number {
    if (this.pending === this.sqEntries) return -1;
    const at = (this.tail & (this.sqEntries - 1)) * SQE_WORDS;
    const { sqes } = this;
    for (let i = 0; i < SQE_WORDS; i++) sqes[at + i] = 0;
    this.tail = (this.tail + 1) | 0;
    this.pending++;
    return at;
  }

  /**
   * Hands over what is pending, lets the kernel finish what it can, and waits until `waitFor` completions are there, `timeoutMs` at most.
   * 0, or the errno: what is then still `pending` was not taken.
   */
  enter(waitFor: number, timeoutMs: number): number {
    Atomics.store(this.words, this.sqTail, this.tail);
    if (timeoutMs !== this.timeoutMs && waitFor > 0) this.setTimeout(timeoutMs);
    const done =
      waitFor === 0
        ? this.calls.enter(this.fd, this.pending, 0, IORING_ENTER_GETEVENTS, 0, 0)
        : this.calls.enter(this.fd, this.pending, waitFor, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, this.argumentAddress, 24);
    if (done >= 0) {
      this.pending -= done;
      return 0;
    }
    const errno = this.calls.errno();
    return errno === ETIME || errno === EINTR ? 0 : errno;
  }

  /** Completions that are there. */
  ready(): number {
    return (Atomics.load(this.words, this.cqTail) - this.head) | 0;
  }

  /** Where in `words` the `i`th of them begins. */
  at(i: number): number {
    return this.cqes + ((this.head + i) & (this.cqEntries - 1)) * CQE_WORDS;
  }

  /** Gives the first `count` back to the kernel. */
  consume(count: number): void {
    this.head = (this.head + count) | 0;
    Atomics.store(this.words, this.cqHead, this.head);
  }

  /** Registers memory at `address`, a ring of `entries` buffers, as the group `group`. 0, or the errno. */
  registerBuffers(group: number, address: number, entries: number): number {
    return this.calls.register(this.fd, IORING_REGISTER_PBUF_RING, bufferRegistration(group, address, entries), 1) < 0 ? this.calls.errno() : 0;
  }

  unregisterBuffers(group: number): void {
    this.calls.register(this.fd, IORING_UNREGISTER_PBUF_RING, bufferRegistration(group, 0, 0), 1);
  }

  destroy(): void {
    for (const [address, length] of this.mappings.splice(0)) this.calls.unmap(address, length);
    this.calls.close(this.fd);
  }

  private setTimeout(timeoutMs: number): void {
    this.timeoutMs = timeoutMs;
    this.timeout[0] = BigInt(Math.floor(timeoutMs / 1000));
    this.timeout[1] = BigInt(Math.round((timeoutMs % 1000) * 1e6));
  }

  private checkOperations(): void {
    const probe = new Uint8Array(16 + PROBE_OPS * 8);
    if (this.calls.register(this.fd, IORING_REGISTER_PROBE, probe, PROBE_OPS) < 0) throw new IoUringError(tooOld('cannot be asked what it does'), this.calls.errno(), 'io_uring_register');
    const flags = new DataView(probe.buffer).getUint16(16 + IORING_OP_READ_MULTISHOT * 8 + 2, true);
    if ((flags & IO_URING_OP_SUPPORTED) === 0) throw new IoUringError(tooOld('has no reads that go on'), EINVAL, 'io_uring_register');
  }

  private map(length: number, offset: number): Int32Array {
    const address = this.calls.map(this.fd, length, offset);
    if (address === 0) {
      const errno = this.calls.errno();
      throw new IoUringError(`the memory of an io_uring cannot be mapped (${getSystemErrorName(-errno)})`, errno, 'mmap');
    }
    this.mappings.push([address, length]);
    return new Int32Array(this.calls.viewMemory(address, length));
  }
}

/** struct io_uring_buf_reg. */
function bufferRegistration(group: number, address: number, entries: number): BigUint64Array {
  return new BigUint64Array([BigInt(address), BigInt(entries) | (BigInt(group) << 32n), 0n, 0n, 0n]);
}

function tooOld(what: string): string {
  return `the io_uring of this kernel ${what}; Linux 6.7 is the first that will do`;
}

/** Why io_uring_setup(2) failed. */
function setupError(errno: number): IoUringError {
  return new IoUringError(setupReason(errno), errno, 'io_uring_setup');
}

function setupReason(errno: number): string {
  if (errno === ENOSYS) return 'this kernel has no io_uring, or a seccomp filter (as containers have) hides it (ENOSYS)';
  if (errno === EPERM) {
    const disabled = readDisabled();
    if (disabled !== '0' && disabled !== '') return `io_uring is forbidden here: kernel.io_uring_disabled is ${disabled} (EPERM). Allow it: sudo sysctl -w kernel.io_uring_disabled=0`;
    return 'a seccomp filter (as containers have) or a policy forbids io_uring (EPERM)';
  }
  if (errno === ENOMEM) return 'there is not enough memory that may be locked for an io_uring (ENOMEM); ulimit -l says how much there may be';
  if (errno === EINVAL) return tooOld('does not know what is asked of it');
  return `io_uring_setup failed (${errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN'})`;
}

function readDisabled(): string {
  try {
    return readFileSync('/proc/sys/kernel/io_uring_disabled', 'utf8').trim();
  } catch {
    return '';
  }
}
