/**
 * packet-libc.ts — the C library calls of a packet socket beside those of tap/libc.ts, and the numbers of <linux/if_packet.h>.
 * Read first: tap/libc.ts; packet(7).
 */
import { bindMmap, loadC64, MAP_SHARED } from '../native/koffi.js';
import { loadLibc } from '../tap/libc.js';
import type { Libc } from '../tap/libc.js';

export interface PacketLibc extends Libc {
  setsockopt(fd: number, level: number, name: number, value: Uint8Array | Uint32Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint32Array, length: Uint32Array): number;
  getsockname(fd: number, name: Uint8Array, length: Uint32Array): number;
  /** Memory of a descriptor, shared with the kernel: its address, or 0 on failure. */
  mapShared(fd: number, length: number): number;
}

export const AF_PACKET = 17;
export const SOCK_RAW = 3;
/** In network byte order, as the kernel has it in a sockaddr_ll. */
export const ETH_P_ALL = 0x0003;
export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
export const SO_DOMAIN = 39;
export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_VERSION = 10;
export const PACKET_RESERVE = 12;
export const PACKET_VNET_HDR = 15;
export const PACKET_FANOUT = 18;
export const PACKET_IGNORE_OUTGOING = 23;
export const PACKET_MR_PROMISC = 1;
export const PACKET_FANOUT_HASH = 0;
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const TPACKET_V2 = 1;
/** struct sockaddr_ll: the family, the protocol, the interface's index. */
export const SOCKADDR_LL_SIZE = 20;
export const SLL_PROTOCOL = 2;
export const SLL_IFINDEX = 4;

let loaded: PacketLibc | null = null;

/**
 * The C library of this process; the same object every time in one thread.
 * @throws Error when this is not Linux on a little-endian machine, or koffi cannot be loaded.
 */
export function loadPacketLibc(): PacketLibc {
  loaded ??= bindPacketLibc();
  return loaded;
}

function bindPacketLibc(): PacketLibc {
  const what = 'packet sockets';
  const libc = loadLibc(what);
  const c = loadC64(what);
  const { bind } = c;
  const mmap = bindMmap(c);
  return {
    ...libc,
    setsockopt: bind('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']),
    getsockopt: bind('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']),
    getsockname: bind('getsockname', 'int', ['int', 'void *', 'void *']),
    mapShared: (fd, length) => mmap(length, MAP_SHARED, fd, 0),
  };
}

/** The value of a socket's option that is a number; -1, with the reason in `libc.errno()`. */
export function socketOption(libc: Pick<PacketLibc, 'getsockopt'>, fd: number, level: number, name: number): number {
  const value = new Uint32Array(1);
  return libc.getsockopt(fd, level, name, value, new Uint32Array([4])) < 0 ? -1 : value[0]!;
}
