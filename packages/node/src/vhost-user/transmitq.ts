/**
 * transmitq.ts — Transmitq: frames out of the guest's transmit ring, copied into packets.
 * Read first: virtio 1.2 §5.1.6.2; vring.ts, descriptor-chain.ts.
 *
 * Theory of operation. `take` copies up to a batch of frames; the chains are given back at once, because after the copy nothing refers to them. The header
 * before a frame becomes the packet's offload fields when it is one that this stack can do: a super-segment of few bytes a piece is a frame
 * that becomes thousands, so there is a bound.
 *
 * Invariants: one copy per frame. A frame that is wrong in itself is counted and dropped, and the next is taken; a chain that is wrong breaks the ring.
 * Not here: showing the used chains to the driver (whoever calls `take` publishes).
 */
import type { PacketBuffer } from '@netloom/core';
import { GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from '@netloom/core';
import { ETHER_HDR_LEN } from '@netloom/core/wire';
import { takeOffload } from '../port/vnet-offload.js';
import { FRAME_MAX } from '../tap/tap-shared.js';
import { VNET_F_NEEDS_CSUM } from '../tap/vnet-hdr.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import type { DescriptorChain } from './descriptor-chain.js';
import { VIRTIO_NET_HDR_MRG_SIZE } from './virtio-net.js';
import type { Vring } from './vring.js';

/** Pieces that one super-segment may become: 64 KB in the smallest segments that TCP should be talked into. */
export const GSO_PIECES_MAX = 512;

/** Who gets the frames. */
export interface TransmitqTarget {
  /** A packet to copy a frame of `len` bytes into; null, and whoever is asked counts that: there is no memory for it. */
  alloc(len: number): PacketBuffer | null;
  /** Owns `m`. */
  input(m: PacketBuffer): void;
}

export class Transmitq implements VnetHdr {
  /** Frames handed over, and bytes of them. */
  frames = 0;
  octets = 0;
  /** Frames dropped because their length or their header made no sense, and because the guest's port is disabled. */
  refused = 0;
  discarded = 0;
  /** The current frame's header. */
  flags = 0;
  gsoType = 0;
  hdrLen = 0;
  gsoSize = 0;
  csumStart = 0;
  csumOffset = 0;
  private readonly header = new Uint8Array(VIRTIO_NET_HDR_MRG_SIZE);
  private readonly headerView = new DataView(this.header.buffer);

  /** Takes up to `max` frames, each behind `hdrSize` bytes of header; how many chains that were. */
  take(ring: Vring, chain: DescriptorChain, hdrSize: number, target: TransmitqTarget, max: number): number {
    const n = Math.min(ring.waiting(), max);
    for (let i = 0; i < n; i++) {
      const head = ring.headAt(0);
      if (head < 0) return i;
      chain.clear();
      if (!chain.gather(ring, head, false)) return i;
      this.frame(chain, hdrSize, target);
      ring.take(1);
      ring.give(head, 0);
    }
    return n;
  }

  /** Gives up to `max` chains back unread, as a queue that is disabled must. */
  discard(ring: Vring, max: number): number {
    const n = Math.min(ring.waiting(), max);
    for (let i = 0; i < n; i++) {
      const head = ring.headAt(0);
      if (head < 0) return i;
      ring.take(1);
      ring.give(head, 0);
      this.discarded++;
    }
    return n;
  }

  private frame(chain: DescriptorChain, hdrSize: number, target: TransmitqTarget): void {
    const len = chain.bytes - hdrSize;
    if (len < ETHER_HDR_LEN || len > FRAME_MAX) {
      this.refused++;
      return;
    }
    const at = chain.frontOff(hdrSize);
    if (at < 0) chain.read(0, this.header, this.headerView, 0, hdrSize);
    if (!(at < 0 ? this.parse(this.headerView, 0, len) : this.parse(chain.front, at, len))) {
      this.refused++;
      return;
    }
    const m = target.alloc(len);
    if (m === null) return;
    chain.read(hdrSize, m.buf, m.view, m.off, len);
    takeOffload(m, this);
    this.frames++;
    this.octets += len;
    target.input(m);
  }

  /** Reads, once, the header of a frame of `len` bytes. False: it asks for what cannot be. */
  private parse(v: DataView, at: number, len: number): boolean {
    const words = v.getUint32(at, true);
    this.flags = words & 0xff;
    this.gsoType = (words >>> 8) & 0xff;
    this.hdrLen = words >>> 16;
    const more = v.getUint32(at + 4, true);
    this.gsoSize = more & 0xffff;
    this.csumStart = more >>> 16;
    this.csumOffset = v.getUint16(at + 8, true);
    const pending = (this.flags & VNET_F_NEEDS_CSUM) !== 0;
    if (pending && this.csumStart + this.csumOffset + 2 > len) return false;
    if (this.gsoType === GSO_NONE) return true;
    if (this.gsoType !== GSO_TCPV4 && this.gsoType !== GSO_TCPV6 && this.gsoType !== GSO_UDP_L4) return false;
    return pending && this.gsoSize > 0 && len <= this.gsoSize * GSO_PIECES_MAX;
  }
}
