/**
 * libc.ts — the handful of C library calls that the TAP driver and datagrams on Unix sockets need, through koffi.
 * Read first: native/koffi.ts; open(2), ioctl(2), poll(2), eventfd(2), mmap(2), sendto(2).
 *
 * Theory of operation. Every call answers as C does, -1 for failure with the reason in `errno()`, which must be read before the next call.
 * `Libc` is an interface so that a test can be the C library.
 *
 * Invariant: an address passed in belongs to memory that its caller keeps alive during the call. V8 does not move the bytes of a
 * typed array once `address` has been asked for.
 * Not here: what the calls are for (tap-device.ts, tap-worker.ts).
 */
import { bindMmap, loadC, MAP_ANONYMOUS, MAP_PRIVATE } from '../native/koffi.js';

/** The calls. Flags and requests are the numbers of <asm-generic/…>. */
export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  /** Bytes read, or -1. */
  read(fd: number, address: number, length: number): number;
  /** Bytes written, or -1. */
  write(fd: number, address: number, length: number): number;
  /** `address` points at `count` struct pollfd. Ready descriptors, 0 at the timeout, or -1. */
  poll(address: number, count: number, timeoutMs: number): number;
  /** An ioctl whose argument is memory. */
  ioctl(fd: number, request: number, argument: Uint8Array | Int32Array): number;
  /** An ioctl whose argument is the number itself. */
  ioctlValue(fd: number, request: number, value: number): number;
  eventfd(initial: number, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, name: Uint8Array, length: number): number;
  connect(fd: number, name: Uint8Array, length: number): number;
  /** Bytes sent to `name`, or -1. */
  sendto(fd: number, address: number, length: number, flags: number, name: Uint8Array, nameLength: number): number;
  /** Calls `readable` from the event loop while there is something to read, until the answer is called. */
  watch(fd: number, readable: () => void): () => void;
  /** Anonymous pages, zeroed: their address, or 0 on failure. */
  mapPages(length: number): number;
  unmapPages(address: number, length: number): number;
  /** Gives the memory behind the pages back; they stay mapped and read as zero. */
  discardPages(address: number, length: number): number;
  /** The memory at `address` as an ArrayBuffer that neither owns nor frees it. */
  viewMemory(address: number, length: number): ArrayBuffer;
  address(memory: ArrayBufferView): number;
  errno(): number;
  strerror(errno: number): string;
}

export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_DGRAM = 2;
/** With a type: the socket does not block, and programs that are started do not inherit it. The numbers of O_NONBLOCK and O_CLOEXEC. */
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOCK_CLOEXEC = O_CLOEXEC;
const MADV_DONTNEED = 4;

/** Errno values of Linux that the driver tells apart (asm-generic: x64, arm64, riscv64, arm, s390x). */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const EBADFD = 77;
export const EMSGSIZE = 90;
export const EADDRINUSE = 98;
export const ENETDOWN = 100;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;

let loaded: Libc | null = null;

/**
 * The C library of this process; the same object every time in one thread.
 * @param what who needs it, in the plural and as a sentence begins, for the error.
 * @throws Error when this is not Linux, or koffi cannot be loaded.
 */
export function loadLibc(what = 'TAP devices'): Libc {
  loaded ??= bindLibc(what);
  return loaded;
}

function bindLibc(what: string): Libc {
  const c = loadC(what);
  const { koffi, bind } = c;
  const mmap = bindMmap(c);
  const madvise = bind<(address: number, length: number, advice: number) => number>('madvise', 'int', ['int64_t', 'size_t', 'int']);
  return {
    open: bind('open', 'int', ['str', 'int']),
    close: bind('close', 'int', ['int']),
    read: bind('read', 'int', ['int', 'int64_t', 'uint32_t']),
    write: bind('write', 'int', ['int', 'int64_t', 'uint32_t']),
    poll: bind('poll', 'int', ['int64_t', 'unsigned long', 'int']),
    ioctl: bind('ioctl', 'int', ['int', 'unsigned long', 'void *']),
    ioctlValue: bind('ioctl', 'int', ['int', 'unsigned long', 'unsigned long']),
    eventfd: bind('eventfd', 'int', ['unsigned int', 'int']),
    socket: bind('socket', 'int', ['int', 'int', 'int']),
    bind: bind('bind', 'int', ['int', 'void *', 'uint32_t']),
    connect: bind('connect', 'int', ['int', 'void *', 'uint32_t']),
    sendto: bind('sendto', 'long', ['int', 'int64_t', 'size_t', 'int', 'void *', 'uint32_t']),
    watch(fd, readable) {
      let immediate: NodeJS.Immediate | null = null;
      const run = (): void => {
        immediate = null;
        readable();
      };
      // Outside Node's callback scope no promise goes on; in an immediate it does.
      const handle = koffi.node.poll(fd, { readable: true }, () => void (immediate ??= setImmediate(run)));
      return () => {
        handle.close();
        if (immediate !== null) clearImmediate(immediate);
      };
    },
    mapPages: (length) => mmap(length, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    unmapPages: bind('munmap', 'int', ['int64_t', 'size_t']),
    discardPages: (address, length) => madvise(address, length, MADV_DONTNEED),
    viewMemory: (address, length) => koffi.view(BigInt(address), length),
    address: (memory) => Number(koffi.address(memory)),
    errno: () => koffi.errno(),
    strerror: bind('strerror', 'str', ['int']),
  };
}
