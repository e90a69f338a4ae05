/**
 * packet-socket.ts — opening an interface of Linux as a port: packet sockets that get every frame it receives, and send what is written to them.
 * Read first: packet(7); Linux Documentation/networking/packet_mmap.rst; packet-ring.ts.
 *
 * Theory of operation. A packet socket that is bound to an interface is to its reader much what a TAP's descriptor is: a write is a frame, with the virtio-net
 * header of tap/vnet-hdr.ts before it (PACKET_VNET_HDR). Frames come in through a ring that is shared with the kernel. The interface may be a veth, a NIC, a bridge:
 * it is promiscuous as long as the socket is open, its own frames do not come back (PACKET_IGNORE_OUTGOING), and Linux itself still gets what it got. With
 * several `queues` each flow is one socket's (PACKET_FANOUT_HASH). Until all of them have joined, a filter lets nothing in, so that no frame comes twice.
 *
 * The device's name is `packet:` and the interface's, and its frames carry virtio headers.
 * Invariant: when `openPacket` throws, no descriptor is left.
 * Not here: moving frames (packet-port.ts, datapath/io).
 */
import type { PortDevice } from '../port/frame-port.js';
import { AF_INET, EACCES, EINVAL, ENODEV, ENXIO, EPERM, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../tap/libc.js';
import { checkTapName } from '../tap/tap-device.js';
import { TapError } from '../tap/tap-error.js';
import {
  AF_PACKET, ETH_P_ALL, loadPacketLibc, PACKET_ADD_MEMBERSHIP, PACKET_FANOUT, PACKET_FANOUT_FLAG_UNIQUEID, PACKET_FANOUT_HASH, PACKET_IGNORE_OUTGOING, PACKET_MR_PROMISC,
  PACKET_RESERVE, PACKET_RX_RING, PACKET_VERSION, PACKET_VNET_HDR, SLL_IFINDEX, SLL_PROTOCOL, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_ERROR, SOCK_RAW, SOCKADDR_LL_SIZE, SOL_PACKET, SOL_SOCKET,
  socketOption, TPACKET_V2,
} from './packet-libc.js';
import type { PacketLibc } from './packet-libc.js';
import { isUnbound, RING_REQUEST, RING_RESERVE } from './packet-ring.js';

const QUEUES_MAX = 64;
const SIOCGIFMTU = 0x8921;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFHWADDR = 0x8927;
const ARPHRD_ETHER = 1;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;
/** struct sock_filter: return 0, so that no byte of any packet is let in. */
const BPF_RET_NOTHING = new Uint8Array([0x06, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Opens the interface `name`, with `queues` sockets.
 * @throws RangeError for a bad name or number; TapError with `code`, and what to do about it, when the system refuses.
 */
export function openPacket(name: string, queues = 1, libc: PacketLibc = loadPacketLibc()): PortDevice {
  checkTapName(name);
  if (!Number.isInteger(queues) || queues < 1 || queues > QUEUES_MAX) throw new RangeError(`a packet port has 1 to ${QUEUES_MAX} queues, not ${queues}`);
  const { index, mtu } = describe(libc, name);
  const fds: number[] = [];
  try {
    while (fds.length < queues) {
      const fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) throw packetError(libc, 'socket', name);
      fds.push(fd);
      prepare(libc, fd, name, index);
    }
    if (queues > 1) joinFanout(libc, fds, name);
    for (const fd of fds) libc.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, new Uint32Array(1), 4);
    return { fds, name: `packet:${name}`, mtu, vnetHdr: true, isGone: () => isUnbound(libc, fds[0]!) };
  } catch (error) {
    for (const fd of fds) libc.close(fd);
    throw error;
  }
}

/** The interface's index and MTU; an error when it is none, or not one of Ethernet. */
function describe(libc: PacketLibc, name: string): { index: number; mtu: number } {
  const sock = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sock < 0) throw packetError(libc, 'socket', name);
  try {
    const ask = (request: number, syscall: string): DataView => {
      const ifr = new Uint8Array(IFREQ_SIZE);
      ifr.set(Buffer.from(name));
      if (libc.ioctl(sock, request, ifr) < 0) throw packetError(libc, syscall, name);
      return new DataView(ifr.buffer);
    };
    const index = ask(SIOCGIFINDEX, 'SIOCGIFINDEX').getInt32(IFNAMSIZ, true);
    const kind = ask(SIOCGIFHWADDR, 'SIOCGIFHWADDR').getUint16(IFNAMSIZ, true);
    if (kind !== ARPHRD_ETHER) throw new TapError(`cannot open '${name}': it is no Ethernet interface (ARPHRD ${kind})`, EINVAL, 'SIOCGIFHWADDR', name);
    return { index, mtu: ask(SIOCGIFMTU, 'SIOCGIFMTU').getInt32(IFNAMSIZ, true) };
  } finally {
    libc.close(sock);
  }
}

/** A socket's options, its ring, and the interface that it is bound to; it lets nothing in yet. */
function prepare(libc: PacketLibc, fd: number, name: string, index: number): void {
  const set = (option: number, what: string, value: Uint8Array | Uint32Array, level = SOL_PACKET): void => {
    if (libc.setsockopt(fd, level, option, value, value.byteLength) < 0) throw packetError(libc, what, name);
  };
  const filter = new BigUint64Array([1n, BigInt(libc.address(BPF_RET_NOTHING))]);
  set(SO_ATTACH_FILTER, 'SO_ATTACH_FILTER', new Uint8Array(filter.buffer), SOL_SOCKET);
  set(PACKET_IGNORE_OUTGOING, 'PACKET_IGNORE_OUTGOING', new Uint32Array([1]));
  set(PACKET_VERSION, 'PACKET_VERSION', new Uint32Array([TPACKET_V2]));
  set(PACKET_RESERVE, 'PACKET_RESERVE', new Uint32Array([RING_RESERVE]));
  set(PACKET_VNET_HDR, 'PACKET_VNET_HDR', new Uint32Array([1]));
  set(PACKET_RX_RING, 'PACKET_RX_RING', RING_REQUEST);
  const address = new Uint8Array(SOCKADDR_LL_SIZE);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(SLL_PROTOCOL, ETH_P_ALL, false);
  view.setInt32(SLL_IFINDEX, index, true);
  if (libc.bind(fd, address, SOCKADDR_LL_SIZE) < 0) throw packetError(libc, 'bind', name);
  // An interface that is down leaves an error behind, which the first frame sent would get.
  socketOption(libc, fd, SOL_SOCKET, SO_ERROR);
  // struct packet_mreq: the index, the type, no address.
  set(PACKET_ADD_MEMBERSHIP, 'PACKET_ADD_MEMBERSHIP', new Uint8Array(new Uint32Array([index, PACKET_MR_PROMISC, 0, 0]).buffer));
}

/** All sockets share what comes, each flow at one of them. */
function joinFanout(libc: PacketLibc, fds: readonly number[], name: string): void {
  let group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
  for (const fd of fds) {
    if (libc.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, new Uint32Array([group]), 4) < 0) throw packetError(libc, 'PACKET_FANOUT', name);
    // The first one was given a number that nobody has.
    if (fd === fds[0]) group = (PACKET_FANOUT_HASH << 16) | (socketOption(libc, fd, SOL_PACKET, PACKET_FANOUT) & 0xffff);
  }
}

/** Why a call for the interface failed. */
export function packetError(libc: PacketLibc, syscall: string, name: string, errno = libc.errno()): TapError {
  const what = `cannot open interface '${name}'`;
  if (errno === EPERM || errno === EACCES) {
    return new TapError(`${what}: packet sockets need CAP_NET_RAW (EPERM). Run as root, or give the program that capability:\n  sudo setcap cap_net_raw+ep "$(command -v node)"`, errno, syscall, name);
  }
  if (errno === ENODEV || errno === ENXIO) return new TapError(`${what}: this machine has no interface of that name; "ip link" lists what it has`, errno, syscall, name);
  return new TapError(`${what}: ${syscall}: ${libc.strerror(errno)}`, errno, syscall, name);
}
