/**
 * receiveq.ts — Receiveq: packets into the guest's receive buffers.
 * Read first: virtio 1.2 §5.1.6.3, §5.1.6.4; vring.ts, descriptor-chain.ts.
 *
 * Theory of operation. A frame goes into the next buffer, or, where the driver has agreed to mergeable buffers, into as many as it needs, with their
 * number in its header. Buffers are looked at before any is taken: when there are too few, none is, and the frame has to wait for the driver.
 *
 * Invariants: one copy per frame. A frame for which the driver can never have enough room is not waited for.
 * Not here: frames that wait (core/src/net/host-port.ts); showing the used buffers to the driver (whoever calls `put` publishes).
 */
import type { PacketBuffer } from '@netloom/core';
import { VnetOutputHeader } from '../port/vnet-offload.js';
import { PIECES_MAX } from './descriptor-chain.js';
import type { DescriptorChain } from './descriptor-chain.js';
import { VIRTIO_NET_HDR_MRG_SIZE } from './virtio-net.js';
import type { Vring } from './vring.js';

/** What became of a frame: it is in the ring; it waits for buffers; it fits into nothing the driver can offer; the ring is broken. */
export type PutResult = 'done' | 'wait' | 'never' | 'broken';

export class Receiveq {
  /** Frames that are in the ring, and bytes of them. */
  frames = 0;
  octets = 0;
  private readonly fields = new VnetOutputHeader();
  private readonly header = new Uint8Array(VIRTIO_NET_HDR_MRG_SIZE);
  private readonly headerView = new DataView(this.header.buffer);
  private readonly heads = new Uint16Array(PIECES_MAX);
  private readonly lens = new Int32Array(PIECES_MAX);

  /** Copies the frame behind `hdrSize` bytes of header into the ring. `m` stays the caller's. */
  put(ring: Vring, chain: DescriptorChain, hdrSize: number, mergeable: boolean, m: PacketBuffer): PutResult {
    const size = hdrSize + m.len;
    const buffers = this.collect(ring, chain, size, mergeable);
    if (typeof buffers === 'string') return buffers;
    this.fields.fill(m);
    const at = chain.frontOff(hdrSize);
    if (at < 0) {
      this.putHeader(this.headerView, 0, hdrSize, buffers);
      chain.write(0, this.header, this.headerView, 0, hdrSize);
    } else this.putHeader(chain.front, at, hdrSize, buffers);
    chain.write(hdrSize, m.buf, m.view, m.off, m.len);
    let left = size;
    for (let i = 0; i < buffers; i++) {
      const written = Math.min(this.lens[i]!, left);
      ring.give(this.heads[i]!, written);
      left -= written;
    }
    ring.take(buffers);
    this.frames++;
    this.octets += m.len;
    return 'done';
  }

  private putHeader(v: DataView, at: number, hdrSize: number, buffers: number): void {
    const { flags, gsoType, hdrLen, gsoSize, csumStart, csumOffset } = this.fields;
    v.setUint32(at, flags | (gsoType << 8) | (hdrLen << 16), true);
    v.setUint32(at + 4, gsoSize | (csumStart << 16), true);
    v.setUint16(at + 8, csumOffset, true);
    if (hdrSize === VIRTIO_NET_HDR_MRG_SIZE) v.setUint16(at + 10, buffers, true);
  }

  /** Gathers buffers for `size` bytes; how many, or why there are not enough. */
  private collect(ring: Vring, chain: DescriptorChain, size: number, mergeable: boolean): number | Exclude<PutResult, 'done'> {
    chain.clear();
    let waiting = ring.waiting();
    let n = 0;
    while (chain.bytes < size) {
      if (n === waiting) {
        waiting = ring.look();
        if (ring.broken !== '') return 'broken';
        if (n === waiting) return n === ring.num ? 'never' : 'wait';
      }
      if ((n > 0 && !mergeable) || chain.count > PIECES_MAX / 2) return 'never';
      const head = ring.headAt(n);
      const before = chain.bytes;
      if (head < 0 || !chain.gather(ring, head, true)) return 'broken';
      if (chain.bytes === before) {
        ring.fail(`a receive buffer of no bytes at descriptor ${head}`);
        return 'broken';
      }
      this.heads[n] = head;
      this.lens[n] = chain.bytes - before;
      n++;
    }
    return n;
  }
}
