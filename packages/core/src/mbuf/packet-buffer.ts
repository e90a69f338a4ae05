/**
 * packet-buffer.ts — PacketBuffer `m`: one packet in one contiguous slot, and the pool the slots come from.
 * Read first: mbuf(9) for the vocabulary; virtio 1.2 §5.1.6 for the offload fields.
 *
 *     0          off                      off+len         buf.length
 *     |- headroom -|------- packet ---------|--- tailroom ---|
 *                  ^ the current layer's header
 *
 * Theory of operation. A packet is never a chain. Layers strip a header with `adj(n)` and put one on with `prepend(n)`;
 * both only move `off`. Headroom is enough for every encapsulation the stack can stack up (bridge over gif over vlan over
 * vlan); when it is not, `prepend` answers false and the packet is dropped and counted by the caller.
 * A packet has exactly one owner. Passing `m` to a function hands it over; whoever drops it calls `free`. `next` belongs
 * to the owner (a PacketQueue).
 * Offload state travels with the packet: while CSUM_L4 is set the transport checksum field holds the pseudo-header sum only
 * and whoever sends the frame to somebody who needs it finishes the sum from `csumStart`; while `gsoSize` > 0 the packet is
 * a super-segment to be cut on the way out. `csumStart` is an offset into the slot, so that it survives prepend and adj.
 *
 * Invariants: 0 <= off, 0 <= len, off + len <= buf.length. A slot in the pool's free list is owned by nobody (`inPool`).
 * Not here: reference counts, scatter-gather, cloning without a copy. One owner is what makes the rest simple.
 */
import { assert } from '../base/assert.js';
import type { PacketTag } from './packet-tag.js';
import { TagPool } from './packet-tag.js';

/** Packet was, or is to be, sent to the link's broadcast address. */
export const M_BCAST = 0x01;
/** … to a link multicast address. */
export const M_MCAST = 0x02;
/** `vtag`/`vproto` carry an 802.1Q tag that is not in the bytes. */
export const M_VLANTAG = 0x04;
/** Seen only because the interface is promiscuous: not for this host's protocols. */
export const M_PROMISC = 0x08;
/** Came from ourselves (simplex copy or loopback). */
export const M_LOOP = 0x10;
/** Bridge has seen this packet already in this vnet: do not process it twice. */
export const M_BRIDGE_INPUT = 0x20;
/** The packet passed a firewall hook that asked not to be asked again. */
export const M_SKIP_FIREWALL = 0x40;
/** Came in fragments, or as one: neighbour discovery does not believe it (RFC 6980). */
export const M_FRAGMENTED = 0x80;

/** A filter named another next hop: it is in a tag (net/fwd-tag.ts). */
export const M_NEXTHOP = 0x100;
/** … and that is this host: the packet is delivered here, whatever its destination is, and asks no filter again. */
export const M_FASTFWD_OURS = 0x200;

/** A filter took it from the interface it came in on (`rcvif`): an ifb gives it back there. */
export const M_REDIRECTED = 0x400;

/** The IPv4 header checksum is still to be computed. */
export const CSUM_IP = 0x01;
/** The transport checksum is still to be computed, from `csumStart`, into `csumStart + csumOffset`. */
export const CSUM_L4 = 0x02;
/** The sender vouches for the transport checksum: the receiver need not verify it. */
export const CSUM_L4_VALID = 0x04;
/** The sender vouches for the IPv4 header checksum. */
export const CSUM_IP_VALID = 0x08;

/** `gsoType`: what kind of super-segment this is (values as virtio_net_hdr's). */
export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_UDP_L4 = 5;
export const GSO_TCPV6 = 4;

/** Bytes kept free before a packet that is built here. */
export const HEADROOM = 128;
/** Slot sizes. A small slot holds any frame of MTU 1500 with headroom; a large one 64 KB with headroom. */
export const SMALL_SLOT = 2048;
export const LARGE_SLOT = 66_560;
const SMALL_PER_SLAB = 32;

export class PacketBuffer {
  readonly pool: PacketPool;
  readonly buf: Uint8Array;
  readonly view: DataView;
  off = 0;
  len = 0;
  /** Interface it arrived on (`Ifnet.index`), 0 for packets made here. */
  rcvif = 0;
  /** M_* bits. */
  flags = 0;
  /** 802.1Q TCI (pcp<<13 | dei<<12 | vid) and ethertype, when M_VLANTAG is set. */
  vtag = 0;
  vproto = 0;
  csumFlags = 0;
  csumStart = 0;
  csumOffset = 0;
  gsoType = 0;
  gsoSize = 0;
  /** Routing table number it is looked up in. */
  fib = 0;
  /** Hash of the flow, for choosing among equal next hops; 0 unknown. */
  flowid = 0;
  /** Virtual links crossed so far; the loop guard. */
  hops = 0;
  /** Slot offset of the network header, for those who get the packet with `off` behind it; 0 unknown. */
  nhoff = 0;
  /** PCP the sender asked for (0..7), -1 for the interface's own. */
  pcp = -1;
  /** The virtual host of CARP whose link address the frame goes out with (1..255), 0 for the interface's. */
  vhid = 0;
  /** What filters and nodes remember of it, the latest first. */
  tags: PacketTag | null = null;
  next: PacketBuffer | null = null;
  inPool = true;

  constructor(pool: PacketPool, buf: Uint8Array) {
    this.pool = pool;
    this.buf = buf;
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  }

  /** Opens `n` bytes before the packet; false when there is no room (nothing changes then). */
  prepend(n: number): boolean {
    if (n > this.off) return false;
    this.off -= n;
    this.len += n;
    return true;
  }

  /** Strips `n` bytes from the front; the caller has checked `n <= len`. */
  adj(n: number): void {
    this.off += n;
    this.len -= n;
  }

  /** Cuts the packet to `n` bytes when it is longer (link padding). */
  trim(n: number): void {
    if (n < this.len) this.len = n;
  }

  /** Bytes free behind the packet. */
  get tailroom(): number {
    return this.buf.length - this.off - this.len;
  }

  /** The tag with this cookie and id, or null. */
  tag(cookie: number, id: number): PacketTag | null {
    for (let tag = this.tags; tag !== null; tag = tag.next) if (tag.cookie === cookie && tag.id === id) return tag;
    return null;
  }

  /** Puts on a tag with `len` bytes of zeros; null when there are too many tags in the kernel. */
  addTag(cookie: number, id: number, len: number): PacketTag | null {
    const tag = this.pool.tags.alloc(cookie, id, len);
    if (tag === null) return null;
    tag.next = this.tags;
    this.tags = tag;
    return tag;
  }

  /** Takes off a tag of this packet. */
  deleteTag(tag: PacketTag): void {
    if (this.tags === tag) this.tags = tag.next;
    else {
      let before = this.tags;
      while (before !== null && before.next !== tag) before = before.next;
      if (before === null) return;
      before.next = tag.next;
    }
    this.pool.tags.release(tag);
  }

  /** Takes off all tags. */
  dropTags(): void {
    if (this.tags === null) return;
    this.pool.tags.releaseAll(this.tags);
    this.tags = null;
  }

  /** Gives the slot back. The caller owned it and forgets it now. */
  free(): void {
    this.pool.free(this);
  }

  /** The packet's bytes as a view. Allocates: not for the packet path. */
  bytes(): Uint8Array {
    return this.buf.subarray(this.off, this.off + this.len);
  }

  /** Resets everything but the bytes. */
  reset(off: number, len: number): void {
    this.off = off;
    this.len = len;
    this.rcvif = 0;
    this.flags = 0;
    this.vtag = 0;
    this.vproto = 0;
    this.csumFlags = 0;
    this.csumStart = 0;
    this.csumOffset = 0;
    this.gsoType = 0;
    this.gsoSize = 0;
    this.fib = 0;
    this.flowid = 0;
    this.hops = 0;
    this.nhoff = 0;
    this.pcp = -1;
    this.vhid = 0;
    this.dropTags();
    this.next = null;
  }

  /** Takes over `from`'s metadata; `csumStart` and `nhoff` are moved along with the packet's start, when they are known. */
  copyMeta(from: PacketBuffer): void {
    const shift = this.off - from.off;
    this.rcvif = from.rcvif;
    this.flags = from.flags;
    this.vtag = from.vtag;
    this.vproto = from.vproto;
    this.csumFlags = from.csumFlags;
    this.csumStart = from.csumStart === 0 ? 0 : from.csumStart + shift;
    this.csumOffset = from.csumOffset;
    this.gsoType = from.gsoType;
    this.gsoSize = from.gsoSize;
    this.fib = from.fib;
    this.flowid = from.flowid;
    this.hops = from.hops;
    this.nhoff = from.nhoff === 0 ? 0 : from.nhoff + shift;
    this.pcp = from.pcp;
    this.vhid = from.vhid;
    if (from.tags !== null) {
      this.dropTags();
      this.tags = this.pool.tags.copyAll(from.tags);
    }
  }
}

/** Below this many bytes a word loop beats `set(subarray)`, which allocates a view. */
const WORD_COPY_MAX = 256;

/** Up to so many bytes of arrays are copied one by one: `subarray` makes an object of its own. */
const BYTE_COPY_MAX = 32;

/** Copies `len` bytes of `src` from `srcOff` on to `dstOff` in `dst`; a few cost no allocation. Ranges must not overlap. */
export function putBytes(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number, len: number): void {
  if (len > BYTE_COPY_MAX) {
    dst.set(srcOff === 0 && len === src.length ? src : src.subarray(srcOff, srcOff + len), dstOff);
    return;
  }
  for (let i = 0; i < len; i++) dst[dstOff + i] = src[srcOff + i]!;
}

/** Copies `len` bytes between two slots (or any two views); ranges must not overlap. */
export function copyBytes(dst: PacketBuffer, dstOff: number, src: PacketBuffer, srcOff: number, len: number): void {
  if (len > WORD_COPY_MAX) {
    dst.buf.set(src.buf.subarray(srcOff, srcOff + len), dstOff);
    return;
  }
  const d = dst.view;
  const s = src.view;
  let i = 0;
  for (; i + 4 <= len; i += 4) d.setInt32(dstOff + i, s.getInt32(srcOff + i));
  for (; i < len; i++) d.setUint8(dstOff + i, s.getUint8(srcOff + i));
}

/** Slots of a Kernel that may be out at once. */
export const SMALL_MAX = 65_536;
export const LARGE_MAX = 4_096;
/** Large slots kept for the next who needs one; what a burst took beyond them goes back to the system. */
const LARGE_KEPT = 1_024;

/** Work done to packets by software, where hardware would do it or nobody had to. */
export class PacketWork {
  /** Super-segments cut, and the packets they became. */
  segmented = 0;
  pieces = 0;
  /** Transport checksums computed because the next hop wants them in the bytes. */
  checksums = 0;
  /** Packets copied. */
  copies = 0;
}

/** The pool every packet of a Kernel comes from. Bounded, counted, grown slab by slab; small slots are never given back to the system. */
export class PacketPool {
  /** Slots that may be out at once, per size. */
  smallMax: number;
  largeMax: number;
  smallInUse = 0;
  largeInUse = 0;
  /** Requests refused because a limit was reached (`netstat -m`: requests denied): all, and those for a large slot. */
  denied = 0;
  largeDenied = 0;
  readonly work = new PacketWork();
  readonly tags = new TagPool();
  private readonly smallFree: PacketBuffer[] = [];
  private readonly largeFree: PacketBuffer[] = [];

  constructor(smallMax = SMALL_MAX, largeMax = LARGE_MAX) {
    this.smallMax = smallMax;
    this.largeMax = largeMax;
  }

  /** Slots that are out. Zero when every packet has been given back. */
  get inUse(): number {
    return this.smallInUse + this.largeInUse;
  }

  /** Bytes of all slots that may be out. */
  get bytesMax(): number {
    return this.smallMax * SMALL_SLOT + this.largeMax * LARGE_SLOT;
  }

  /** A packet of `len` bytes (contents undefined) behind `headroom` free bytes; null when the pool is exhausted. */
  alloc(len: number, headroom: number = HEADROOM): PacketBuffer | null {
    if (headroom + len > SMALL_SLOT) return this.allocLarge(len, headroom);
    if (this.smallInUse >= this.smallMax) {
      this.denied++;
      return null;
    }
    const m = this.smallFree.pop() ?? this.growSmall();
    this.smallInUse++;
    m.inPool = false;
    m.reset(headroom, len);
    return m;
  }

  free(m: PacketBuffer): void {
    assert(!m.inPool, 'packet freed twice');
    m.inPool = true;
    m.dropTags();
    m.next = null;
    if (m.buf.length === SMALL_SLOT) {
      this.smallInUse--;
      this.smallFree.push(m);
    } else {
      this.largeInUse--;
      if (this.largeFree.length < LARGE_KEPT) this.largeFree.push(m);
    }
  }

  /**
   * A copy of the packet (not of what lies before `off`) with its metadata, and its headroom where a small slot has room for
   * that; null when the pool is exhausted. `m` stays the caller's.
   */
  copy(m: PacketBuffer): PacketBuffer | null {
    const n = this.alloc(m.len, m.off + m.len <= SMALL_SLOT ? m.off : HEADROOM);
    if (n === null) return null;
    n.copyMeta(m);
    copyBytes(n, n.off, m, m.off, m.len);
    this.work.copies++;
    return n;
  }

  /** A packet holding a copy of `src[off, off+len)`, as a driver makes one from a received frame. */
  from(src: Uint8Array, off = 0, len = src.length - off): PacketBuffer | null {
    const m = this.alloc(len);
    if (m === null) return null;
    m.buf.set(off === 0 && len === src.length ? src : src.subarray(off, off + len), m.off);
    return m;
  }

  /** Makes a slab; its first slot is handed out, the others go to the free list. */
  private growSmall(): PacketBuffer {
    const slab = new ArrayBuffer(SMALL_PER_SLAB * SMALL_SLOT);
    for (let i = 1; i < SMALL_PER_SLAB; i++) this.smallFree.push(new PacketBuffer(this, new Uint8Array(slab, i * SMALL_SLOT, SMALL_SLOT)));
    return new PacketBuffer(this, new Uint8Array(slab, 0, SMALL_SLOT));
  }

  private allocLarge(len: number, headroom: number): PacketBuffer | null {
    if (headroom + len > LARGE_SLOT || this.largeInUse >= this.largeMax) {
      this.denied++;
      this.largeDenied++;
      return null;
    }
    const m = this.largeFree.pop() ?? new PacketBuffer(this, new Uint8Array(LARGE_SLOT));
    this.largeInUse++;
    m.inPool = false;
    m.reset(headroom, len);
    return m;
  }
}
