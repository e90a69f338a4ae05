/**
 * packet-ring.ts — PacketRing: the frames that a packet socket has received, where the kernel put them.
 * Read first: Linux Documentation/networking/packet_mmap.rst, "AF_PACKET TPACKET_V2"; packet-socket.ts.
 *
 *     slot   [ status length snaplen mac net … vlan | address | reserve | virtio header | frame ]      FRAME_SLOT bytes, kernel's or ours by `status`
 *                                                                       └ off, length
 *
 * Theory of operation. `next` steps to the next slot that is ours and makes of it what a TAP would have read: the virtio header first, and the VLAN tag, which the kernel
 * has taken out of the frame, back in its place; there is room for it, and for more, in front. `release` gives the kernel all slots that were stepped over. Checksums
 * that are not finished (TP_STATUS_CSUMNOTREADY) are what the virtio header says of them.
 *
 * The second version of the ring, not the third: that one hands over blocks of frames, which are full or a millisecond old; a request and its answer would take two. Here
 * a slot has room for a segment of 64 KB, so 240 of them are 16 MiB a socket.
 *
 * The kernel fills slots in turn and does not say which is the next, so where the reader is lies in the ring's own memory, in bytes that belong to no slot: whoever maps the ring
 * after another, which has let it go or died, goes on there.
 *
 * Invariants: one PacketRing to a socket at a time. Frames longer than a slot, which no offload that Linux has here by default makes, are dropped and counted.
 */
import { ETHER_VLAN_ENCAP_LEN, ETHERTYPE_VLAN, VIRTIO_NET_CSUM_START, VIRTIO_NET_GSO_TYPE, VIRTIO_NET_HDR_LEN_AT } from '@netloom/core/wire';
import { ENETDOWN, ENODEV } from '../tap/libc.js';
import { VNET_F_NEEDS_CSUM, VNET_HDR_SIZE } from '../tap/vnet-hdr.js';
import { AF_PACKET, loadPacketLibc, PACKET_STATISTICS, SLL_IFINDEX, SO_DOMAIN, SO_ERROR, SOCKADDR_LL_SIZE, SOL_PACKET, SOL_SOCKET, socketOption } from './packet-libc.js';
import type { PacketLibc } from './packet-libc.js';

/** Bytes in front of a frame's virtio header that are nobody's: FRAME_HEADROOM of datapath/io/frame-io.ts, and room for a tag. */
export const RING_RESERVE = 80;
const FRAME_SLOT = 17 * 4_096;
const BLOCK_SIZE = 1 << 20;
const BLOCKS = 16;
const PER_BLOCK = Math.floor(BLOCK_SIZE / FRAME_SLOT);
const SLOTS = BLOCKS * PER_BLOCK;
const RING_SIZE = BLOCKS * BLOCK_SIZE;
/** Where the reader is: the word behind the slots of the first block. */
const CURSOR = (PER_BLOCK * FRAME_SLOT) >> 2;
/** struct tpacket_req: bytes of a block, blocks, bytes of a slot, slots. */
export const RING_REQUEST = new Uint32Array([BLOCK_SIZE, BLOCKS, FRAME_SLOT, SLOTS]);

/** struct tpacket2_hdr. */
const TP_STATUS = 0;
const TP_LEN = 4;
const TP_SNAPLEN = 8;
const TP_MAC = 12;
const TP_VLAN_TCI = 24;
const TP_VLAN_TPID = 26;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1 << 0;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const VLAN_TAG = ETHER_VLAN_ENCAP_LEN;
const MAC_ADDRESSES = 12;
/** Of the virtio header. */
const VNET_GSO_TYPE = VIRTIO_NET_GSO_TYPE;
const VNET_HDR_LEN = VIRTIO_NET_HDR_LEN_AT;
const VNET_CSUM_START = VIRTIO_NET_CSUM_START;
const GSO_ECN = 0x80;

/** What a ring asks of the system. */
export type RingLibc = Pick<PacketLibc, 'errno' | 'getsockname' | 'getsockopt' | 'mapShared' | 'strerror' | 'unmapPages' | 'viewMemory'>;

export class PacketRing {
  /** The ring's memory. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
  /** The frame stepped to: where its virtio header begins, and the bytes of both. Set by `next`. */
  off = 0;
  length = 0;
  /** Frames that were longer than a slot. */
  truncated = 0;
  private readonly libc: RingLibc;
  private readonly fd: number;
  private readonly words: Int32Array;
  private head: number;
  private freed: number;
  private taken = 0;
  private drops = 0;

  /** Maps the ring of `fd`, which openPacket has made. @throws Error when that fails. */
  constructor(fd: number, libc: RingLibc = loadPacketLibc()) {
    this.libc = libc;
    this.fd = fd;
    this.address = libc.mapShared(fd, RING_SIZE);
    if (this.address === 0) throw new Error(`the ring of a packet socket cannot be mapped: ${libc.strerror(libc.errno())}`);
    const memory = libc.viewMemory(this.address, RING_SIZE);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.words = new Int32Array(memory);
    this.head = this.words[CURSOR]!;
    this.freed = this.head;
  }

  /** The ring of `fd`, if it is a packet socket; else null. @throws as the constructor. */
  static of(fd: number): PacketRing | null {
    if (process.platform !== 'linux') return null;
    const libc = loadPacketLibc();
    return socketOption(libc, fd, SOL_SOCKET, SO_DOMAIN) === AF_PACKET ? new PacketRing(fd, libc) : null;
  }

  /** Is there a frame to step to? */
  get isReady(): boolean {
    return this.taken < SLOTS && (Atomics.load(this.words, slotAt(this.head) >> 2) & TP_STATUS_USER) !== 0;
  }

  /** Steps to the next frame: true with `off` and `length` set, false when none is there. */
  next(): boolean {
    while (this.taken < SLOTS) {
      const at = slotAt(this.head);
      const status = Atomics.load(this.words, at >> 2);
      if ((status & TP_STATUS_USER) === 0) return false;
      this.head = this.head + 1 === SLOTS ? 0 : this.head + 1;
      this.taken++;
      if (this.take(at, status)) return true;
    }
    return false;
  }

  /** Gives the kernel all slots that were stepped over; their frames have been used. */
  release(): void {
    for (; this.taken > 0; this.taken--) {
      Atomics.store(this.words, (slotAt(this.freed) + TP_STATUS) >> 2, TP_STATUS_KERNEL);
      this.freed = this.freed + 1 === SLOTS ? 0 : this.freed + 1;
      this.words[CURSOR] = this.freed;
    }
  }

  /** Why the socket is in error: 0 when it is not, or only until its interface is up again; else the errno, and it stays dead. */
  takeError(): number {
    const errno = socketOption(this.libc, this.fd, SOL_SOCKET, SO_ERROR);
    if (errno < 0) return this.libc.errno();
    if (errno !== ENETDOWN) return errno;
    return isUnbound(this.libc, this.fd) ? ENODEV : 0;
  }

  /** Frames that the kernel had no slot for, since the ring was mapped. */
  get dropped(): number {
    const stats = new Uint32Array(2);
    // Reading them sets them to zero.
    if (this.libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, stats, new Uint32Array([8])) === 0) this.drops += stats[1]!;
    return this.drops;
  }

  /** No view of it is touched any more. */
  unmap(): void {
    this.libc.unmapPages(this.address, RING_SIZE);
  }

  /** Makes the frame of a slot the current one; false: it was cut short. */
  private take(at: number, status: number): boolean {
    const { view } = this;
    const snaplen = view.getUint32(at + TP_SNAPLEN, true);
    if (snaplen !== view.getUint32(at + TP_LEN, true)) {
      this.truncated++;
      return false;
    }
    this.off = at + view.getUint16(at + TP_MAC, true) - VNET_HDR_SIZE;
    this.length = VNET_HDR_SIZE + snaplen;
    // Linux sets this for segments with CWR; the rest of them is as without.
    this.bytes[this.off + VNET_GSO_TYPE]! &= ~GSO_ECN;
    if ((status & TP_STATUS_VLAN_VALID) !== 0) {
      this.putTag((status & TP_STATUS_VLAN_TPID_VALID) === 0 ? ETHERTYPE_VLAN : view.getUint16(at + TP_VLAN_TPID, true), view.getUint16(at + TP_VLAN_TCI, true));
    }
    return true;
  }

  /** Puts a VLAN tag behind the addresses, which move to the front. */
  private putTag(tpid: number, tci: number): void {
    const { bytes, view } = this;
    const was = this.off;
    const off = was - VLAN_TAG;
    bytes.copyWithin(off, was, was + VNET_HDR_SIZE + MAC_ADDRESSES);
    view.setUint16(off + VNET_HDR_SIZE + MAC_ADDRESSES, tpid);
    view.setUint16(off + VNET_HDR_SIZE + MAC_ADDRESSES + 2, tci);
    if ((bytes[off]! & VNET_F_NEEDS_CSUM) !== 0) view.setUint16(off + VNET_CSUM_START, view.getUint16(off + VNET_CSUM_START, true) + VLAN_TAG, true);
    const headers = view.getUint16(off + VNET_HDR_LEN, true);
    if (headers !== 0) view.setUint16(off + VNET_HDR_LEN, headers + VLAN_TAG, true);
    this.off = off;
    this.length += VLAN_TAG;
  }
}

/**
 * Has the interface of a packet socket been destroyed? It leaves the socket bound to none. The socket is in error once for the interface that goes down, which one that is destroyed does first:
 * who has seen that hears nothing of the end, and has to look.
 */
export function isUnbound(libc: Pick<PacketLibc, 'getsockname'>, fd: number): boolean {
  const name = new Uint8Array(SOCKADDR_LL_SIZE);
  libc.getsockname(fd, name, new Uint32Array([SOCKADDR_LL_SIZE]));
  return new DataView(name.buffer).getInt32(SLL_IFINDEX, true) <= 0;
}

function slotAt(slot: number): number {
  return Math.floor(slot / PER_BLOCK) * BLOCK_SIZE + (slot % PER_BLOCK) * FRAME_SLOT;
}
