/**
 * koffi.ts — the one door to native code: koffi, loaded when somebody needs it, and the C library of this process through it.
 * Read first: koffi.dev.
 *
 * Theory of operation. Nothing native is loaded until `loadKoffi` is called, so that a program without devices runs on any system and without
 * koffi's binary. Memory crosses the boundary as a plain number (the address of a typed array that is kept alive and does not move): that is
 * koffi's cheapest argument, and a user-space address fits a double exactly.
 *
 * Invariant: whoever passes an address keeps the typed array that it belongs to in a field while the number is in use. The number alone keeps
 * nothing alive, and C would write into memory that belongs to somebody else by then.
 * Not here: what is called (tap/libc.ts, and beside it packet/, netlink/, vhost-user/ and io-uring.ts for themselves).
 */
import { createRequire } from 'node:module';

/** A descriptor watched by Node's own event loop. */
export interface KoffiPollHandle {
  close(): void;
}

export interface KoffiModule {
  load(path: string | null): { func(name: string, result: string, parameters: readonly string[]): (...args: unknown[]) => unknown };
  address(value: unknown): bigint;
  view(pointer: bigint, length: number): ArrayBuffer;
  errno(): number;
  readonly node: {
    /** Calls back, outside Node's callback scope, as often as the descriptor is found ready; a negative status is an errno. */
    poll(fd: number, options: { readonly readable: boolean }, callback: (status: number) => void): KoffiPollHandle;
  };
}

/** These number their ioctls and errnos differently; nobody runs these drivers there. */
const FOREIGN_ABIS: readonly string[] = ['mips', 'mipsel', 'ppc', 'ppc64'];

/**
 * koffi. `what` are those who need it, in the plural and as a sentence begins.
 * @throws Error when this is not Linux, or koffi cannot be loaded.
 */
export function loadKoffi(what: string): KoffiModule {
  if (process.platform !== 'linux' || FOREIGN_ABIS.includes(process.arch)) {
    throw new Error(`${what} need Linux on x64, arm64 or a like machine; this is ${process.platform} on ${process.arch}`);
  }
  try {
    return createRequire(import.meta.url)('koffi') as KoffiModule;
  } catch (cause) {
    throw new Error(`${what} need the npm package koffi with its binary for this system; it could not be loaded (was npm run with --omit=optional?)`, { cause });
  }
}

/** The C library of this process, and how its functions are bound. */
export interface CLibrary {
  readonly koffi: KoffiModule;
  bind<F>(name: string, result: string, parameters: readonly string[]): F;
}

/** Whose structs are laid out as ours are written. */
const LITTLE_ENDIAN_64: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64'];

/** The C library. @throws as `loadKoffi`. */
export function loadC(what: string): CLibrary {
  const koffi = loadKoffi(what);
  const lib = koffi.load(null);
  return { koffi, bind: <F>(name: string, result: string, parameters: readonly string[]): F => lib.func(name, result, parameters) as F };
}

/** The same for who shares structs with it. @throws as `loadKoffi`, and Error when this is not a 64-bit little-endian machine. */
export function loadC64(what: string): CLibrary {
  const c = loadC(what);
  if (!LITTLE_ENDIAN_64.includes(process.arch)) throw new Error(`${what} need a 64-bit little-endian machine; this is ${process.arch}`);
  return c;
}

export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
export const MAP_ANONYMOUS = 0x20;
export const MAP_POPULATE = 0x8000;
const PROT_READ_WRITE = 0x3;

/** mmap(2) of memory that is read and written, wherever there is room: its address, or 0 on failure. */
export function bindMmap({ bind }: CLibrary): (length: number, flags: number, fd: number, offset: number) => number {
  const mmap = bind<(at: number, length: number, prot: number, flags: number, fd: number, offset: number) => number>(
    'mmap', 'int64_t', ['int64_t', 'size_t', 'int', 'int', 'int', 'int64_t']);
  return (length, flags, fd, offset) => Math.max(0, Number(mmap(0, length, PROT_READ_WRITE, flags, fd, offset)));
}
