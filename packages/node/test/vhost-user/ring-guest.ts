/**
 * ring-guest.ts — a guest of one virtqueue in plain memory: its memory in three windows, its driver, and the device's side of the ring.
 */
import { PacketPool } from '@netloom/core';
import type { PacketBuffer } from '@netloom/core';
import { DescriptorChain } from '../../src/vhost-user/descriptor-chain.js';
import { DriverRing } from './driver-ring.js';
import type { DriverBuffer } from './driver-ring.js';
import { GuestMemory, MemoryWindow } from '../../src/vhost-user/guest-memory.js';
import { Vring } from '../../src/vhost-user/vring.js';

/** Where the ring is, where buffers are, and a window that follows the second without a gap. What is between is no memory. */
export const RING_WINDOW = 0x1000;
export const RING_WINDOW_SIZE = 0x2_0000;
export const BUFFERS = 0x10_0000;
export const BUFFERS_SIZE = 0x8_0000;
export const NEXT_WINDOW = BUFFERS + BUFFERS_SIZE;
export const HOLE = 0x8_0000;

export interface RingGuestOptions {
  readonly num?: number;
  readonly eventIdx?: boolean;
  readonly indirect?: boolean;
}

export class RingGuest {
  readonly pool = new PacketPool();
  readonly windows: readonly [MemoryWindow, MemoryWindow, MemoryWindow];
  readonly memory: GuestMemory;
  readonly driver: DriverRing;
  readonly ring: Vring;
  readonly chain: DescriptorChain;
  /** What a Transmitq delivered. */
  readonly frames: PacketBuffer[] = [];
  lost = 0;
  private readonly options: { readonly eventIdx: boolean; readonly indirect: boolean };

  constructor({ num = 8, eventIdx = true, indirect = true }: RingGuestOptions = {}) {
    this.windows = [
      new MemoryWindow(RING_WINDOW, new Uint8Array(RING_WINDOW_SIZE)), new MemoryWindow(BUFFERS, new Uint8Array(BUFFERS_SIZE)),
      new MemoryWindow(NEXT_WINDOW, new Uint8Array(0x10_0000)),
    ];
    this.memory = new GuestMemory(this.windows);
    this.driver = new DriverRing(this.windows[0], RING_WINDOW, num, eventIdx);
    this.options = { eventIdx, indirect };
    this.ring = this.deviceRing();
    this.chain = new DescriptorChain(this.memory);
  }

  /** The device's side of the ring, anew. */
  deviceRing(): Vring {
    const { num, desc, avail, used } = this.driver;
    const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);
    return new Vring(num, { desc: bytes(desc), avail: bytes(avail), used: bytes(used) }, this.options);
  }

  input(m: PacketBuffer): void {
    this.frames.push(m);
  }

  alloc(len: number): PacketBuffer | null {
    const m = this.pool.alloc(len);
    if (m === null) this.lost++;
    return m;
  }

  /** Writes bytes where the guest has memory, across windows too. */
  poke(address: number, bytes: Uint8Array): void {
    for (const [part, at] of this.parts(address, bytes.length)) part.set(bytes.subarray(at, at + part.length));
  }

  peek({ address, length }: DriverBuffer): Uint8Array {
    const bytes = new Uint8Array(length);
    for (const [part, at] of this.parts(address, length)) bytes.set(part, at);
    return bytes;
  }

  /** The guest's memory from `address` on, window by window, and how far from the beginning each part is. */
  private *parts(address: number, length: number): Generator<readonly [Uint8Array, number]> {
    for (let at = 0; at < length;) {
      const window = this.memory.window(address + at)!;
      const part = window.bytes.subarray(address + at - window.start).subarray(0, length - at);
      yield [part, at];
      at += part.length;
    }
  }

  /** Writes `bytes` into buffers of these lengths, side by side from `address` on; the last takes what is left. */
  spread(address: number, bytes: Uint8Array, lengths: readonly number[] = []): DriverBuffer[] {
    this.poke(address, bytes);
    const buffers: DriverBuffer[] = [];
    let at = 0;
    for (const length of lengths) {
      if (at + length >= bytes.length) break;
      buffers.push({ address: address + at, length });
      at += length;
    }
    return [...buffers, { address: address + at, length: bytes.length - at }];
  }
}

/** Bytes that differ from place to place. */
export const pattern = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);

/** A virtio-net header with these fields, and the frame behind it. */
export function withHeader(frame: Uint8Array, fields: { flags?: number; gsoType?: number; gsoSize?: number; csumStart?: number; csumOffset?: number } = {}, size = 12): Uint8Array {
  const bytes = new Uint8Array(size + frame.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, fields.flags ?? 0);
  view.setUint8(1, fields.gsoType ?? 0);
  view.setUint16(4, fields.gsoSize ?? 0, true);
  view.setUint16(6, fields.csumStart ?? 0, true);
  view.setUint16(8, fields.csumOffset ?? 0, true);
  bytes.set(frame, size);
  return bytes;
}
