/**
 * tap-device.ts — opening a Linux TAP: a descriptor on which every read and write is one Ethernet frame.
 * Read first: Linux Documentation/networking/tuntap.rst; netdevice(7) for the interface ioctls.
 *
 * Theory of operation. TUNSETIFF attaches to the interface `name` when it exists (its owner needs no privilege for that) and creates it
 * otherwise (that takes CAP_NET_ADMIN; it then lives as long as the descriptor, or stays with `persist`). A TAP keeps the offloads and the
 * header size its last user chose, so both are set at every open, also to "none".
 * With `vnetHdr` every frame has the header of vnet-hdr.ts before it, and the kernel is told that unfinished checksums and 64 KB
 * segments of TCP and, where the kernel has them (Linux 6.2), UDP are welcome. TCP segments with ECN's CWR flag are not asked for:
 * the kernel cuts those itself, and `gsoType` never carries the ECN bit.
 *
 * A TAP may have several queues (IFF_MULTI_QUEUE), each with a descriptor of its own: Linux spreads what it sends by flow, and a frame may be written to any of
 * them. That is decided when the interface is made, so one made with a single queue refuses several, and the other way round. A queue can be taken
 * out for a while (TUNSETQUEUE): nothing is put into it then, and what it had goes to nobody.
 *
 * Invariant: when `openTap` or `openTapQueues` throws, no descriptor is left.
 * Not here: moving frames (tap-port.ts).
 */
import type { PortDevice } from '../port/frame-port.js';
import { AF_INET, EINVAL, EPERM, loadLibc, O_CLOEXEC, O_NONBLOCK, O_RDWR, SOCK_DGRAM } from './libc.js';
import type { Libc } from './libc.js';
import { openError, singleQueueError, TapError } from './tap-error.js';
import { VNET_HDR_SIZE } from './vnet-hdr.js';

export interface TapOptions {
  /** The interface: 1 to 15 bytes; a `%d` in it is numbered by the kernel (`tap%d`). */
  readonly name: string;
  /** The interface's MTU in bytes, set when it differs (takes CAP_NET_ADMIN). Left alone when absent. */
  readonly mtu?: number;
  /** Frames carry virtio-net headers. Default false. */
  readonly vnetHdr?: boolean;
  /** Bring the interface up (takes CAP_NET_ADMIN unless it is up). Default false. */
  readonly up?: boolean;
  /** A created interface stays when the descriptor is closed. Left alone when absent. */
  readonly persist?: boolean;
}

/** An open TAP. Whoever holds it closes `fd`. */
export interface TapDevice {
  /** Non-blocking, closed on exec. */
  readonly fd: number;
  /** The kernel's name for it. */
  readonly name: string;
  readonly mtu: number;
  readonly vnetHdr: boolean;
}

/** What the kernel takes at most. */
export const TAP_QUEUES_MAX = 256;

const DEV_NET_TUN = '/dev/net/tun';
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const TUNSETQUEUE = 0x400454d9;
const TUNSETVNETLE = 0x400454dc;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_ATTACH_QUEUE = 0x0200;
const IFF_DETACH_QUEUE = 0x0400;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const IFF_UP = 0x1;
/** struct ifreq: the name, then a union whose integers start here. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/**
 * Checks an interface name by the kernel's rules.
 * @throws RangeError that names what is wrong.
 */
export function checkTapName(name: string): void {
  const length = Buffer.byteLength(name);
  if (length < 1 || length >= IFNAMSIZ) throw new RangeError(`interface name '${name}' has ${length} bytes; 1 to ${IFNAMSIZ - 1} are allowed`);
  if (name === '.' || name === '..') throw new RangeError(`'${name}' is not an interface's name`);
  if (/[/:\s\0]/.test(name)) throw new RangeError(`interface name '${name}' contains a slash, a colon, white space or NUL`);
  if (name.replace('%d', '').includes('%')) throw new RangeError(`interface name '${name}' contains a % that is not one %d`);
}

/**
 * Opens `/dev/net/tun` and attaches to, or creates, the TAP.
 * @throws RangeError for a bad name or MTU; TapError with `code`, and what to do about it, when the system refuses.
 */
export function openTap(options: TapOptions, libc: Libc = loadLibc()): TapDevice {
  const { fds, ...rest } = open(options, 1, 0, libc);
  return { fd: fds[0]!, ...rest };
}

/**
 * The same with `queues` descriptors, of a TAP that has, or is made to have, several.
 * @throws as `openTap`.
 */
export function openTapQueues(options: TapOptions, queues: number, libc: Libc = loadLibc()): PortDevice {
  if (!Number.isInteger(queues) || queues < 1 || queues > TAP_QUEUES_MAX) throw new RangeError(`a TAP has 1 to ${TAP_QUEUES_MAX} queues, not ${queues}`);
  return open(options, queues, IFF_MULTI_QUEUE, libc);
}

/** Puts a queue of a TAP with several in, or takes it out. @throws TapError. */
export function setTapQueue(fd: number, name: string, enabled: boolean, libc: Libc = loadLibc()): void {
  const ifr = makeIfreq('');
  setShort(ifr, enabled ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
  if (libc.ioctl(fd, TUNSETQUEUE, ifr) < 0) throw openError(libc, libc.errno(), 'TUNSETQUEUE', name);
}

function open(options: TapOptions, count: number, flags: number, libc: Libc): PortDevice {
  const { mtu } = options;
  checkTapName(options.name);
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= 68 && mtu <= 65_521)) throw new RangeError(`TAP MTU ${mtu} is not a whole number from 68 to 65521`);
  const vnetHdr = options.vnetHdr === true;
  const fds: number[] = [];
  try {
    let { name } = options;
    while (fds.length < count) {
      const fd = libc.open(DEV_NET_TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
      if (fd < 0) throw openError(libc, libc.errno(), 'open', name);
      fds.push(fd);
      name = attach(libc, fd, name, flags | (vnetHdr ? IFF_VNET_HDR : 0));
      setOffloads(libc, fd, name, vnetHdr);
    }
    if (options.persist !== undefined && libc.ioctlValue(fds[0]!, TUNSETPERSIST, options.persist ? 1 : 0) < 0) {
      throw openError(libc, libc.errno(), 'TUNSETPERSIST', name);
    }
    return { fds, name, mtu: configure(libc, name, options), vnetHdr };
  } catch (error) {
    for (const fd of fds) libc.close(fd);
    throw error;
  }
}

/** Binds the descriptor to the interface; the name the kernel chose. */
function attach(libc: Libc, fd: number, name: string, flags: number): string {
  const ifr = makeIfreq(name);
  setShort(ifr, IFF_TAP | IFF_NO_PI | flags);
  if (libc.ioctl(fd, TUNSETIFF, ifr) < 0) {
    const errno = libc.errno();
    if (errno === EINVAL && (flags & IFF_MULTI_QUEUE) !== 0) throw singleQueueError(name);
    throw openError(libc, errno, 'TUNSETIFF', name);
  }
  const end = ifr.indexOf(0);
  return Buffer.from(ifr.buffer, 0, Math.min(end, IFNAMSIZ - 1)).toString();
}

function setOffloads(libc: Libc, fd: number, name: string, vnetHdr: boolean): void {
  if (!vnetHdr) {
    if (libc.ioctlValue(fd, TUNSETOFFLOAD, 0) < 0) throw openError(libc, libc.errno(), 'TUNSETOFFLOAD', name);
    return;
  }
  if (libc.ioctl(fd, TUNSETVNETHDRSZ, new Int32Array([VNET_HDR_SIZE])) < 0) throw openError(libc, libc.errno(), 'TUNSETVNETHDRSZ', name);
  if (libc.ioctl(fd, TUNSETVNETLE, new Int32Array([1])) < 0) throw openError(libc, libc.errno(), 'TUNSETVNETLE', name);
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (libc.ioctlValue(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) >= 0) return;
  if (libc.ioctlValue(fd, TUNSETOFFLOAD, tcp) < 0) throw openError(libc, libc.errno(), 'TUNSETOFFLOAD', name);
}

/** Sets what `options` ask of the interface itself; its MTU. */
function configure(libc: Libc, name: string, options: TapOptions): number {
  const sock = libc.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0);
  if (sock < 0) throw openError(libc, libc.errno(), 'socket', name);
  try {
    const mtu = configureMtu(libc, sock, name, options.mtu);
    if (options.up === true) bringUp(libc, sock, name);
    return mtu;
  } finally {
    libc.close(sock);
  }
}

function configureMtu(libc: Libc, sock: number, name: string, wanted: number | undefined): number {
  const ifr = makeIfreq(name);
  if (libc.ioctl(sock, SIOCGIFMTU, ifr) < 0) throw openError(libc, libc.errno(), 'SIOCGIFMTU', name);
  const view = new DataView(ifr.buffer);
  const current = view.getInt32(IFNAMSIZ, hostIsLittle);
  if (wanted === undefined || wanted === current) return current;
  view.setInt32(IFNAMSIZ, wanted, hostIsLittle);
  if (libc.ioctl(sock, SIOCSIFMTU, ifr) < 0) throw setError(libc, 'SIOCSIFMTU', name, `mtu ${wanted}`);
  return wanted;
}

function bringUp(libc: Libc, sock: number, name: string): void {
  const ifr = makeIfreq(name);
  if (libc.ioctl(sock, SIOCGIFFLAGS, ifr) < 0) throw openError(libc, libc.errno(), 'SIOCGIFFLAGS', name);
  const flags = new DataView(ifr.buffer).getUint16(IFNAMSIZ, hostIsLittle);
  if ((flags & IFF_UP) !== 0) return;
  setShort(ifr, flags | IFF_UP);
  if (libc.ioctl(sock, SIOCSIFFLAGS, ifr) < 0) throw setError(libc, 'SIOCSIFFLAGS', name, 'up');
}

/** The error for a property that only an administrator may set. */
function setError(libc: Libc, syscall: string, name: string, setting: string): TapError {
  const errno = libc.errno();
  if (errno !== EPERM) return openError(libc, errno, syscall, name);
  return new TapError(`cannot set '${setting}' on TAP '${name}': that needs root (EPERM). Set it once:\n  sudo ip link set ${name} ${setting}`, errno, syscall, name);
}

const hostIsLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function makeIfreq(name: string): Uint8Array<ArrayBuffer> {
  const ifr = new Uint8Array(new ArrayBuffer(IFREQ_SIZE));
  ifr.set(Buffer.from(name));
  return ifr;
}

function setShort(ifr: Uint8Array<ArrayBuffer>, value: number): void {
  new DataView(ifr.buffer).setUint16(IFNAMSIZ, value, hostIsLittle);
}
