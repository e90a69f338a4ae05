/**
 * vhost-queue.ts — VhostQueue: one of a device's queues as the front end has set it up, and its ring while it runs.
 * Read first: vhost-user "Ring states"; vring.ts.
 *
 * Theory of operation. The front end names a size, addresses and an index, then hands over the descriptor by which the driver kicks: that starts the ring.
 * GET_VRING_BASE stops it. Whether a ring is enabled is known apart from that. A ring that the driver broke stays, stopped, until the front end stops it:
 * then the guest may begin anew.
 *
 * Invariant: chains are given back in the order in which they were taken, and none is out between two turns; so a ring goes on where its used index says, even
 * when the front end believes something else because this side ended without a word.
 */
import type { EventFd } from './event-fd.js';
import type { MemoryMap } from './memory-map.js';
import { DescriptorChain } from './descriptor-chain.js';
import { ProtocolError } from './protocol.js';
import type { VringAddresses } from './protocol.js';
import {
  VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR_LEGACY_SIZE, VIRTIO_NET_HDR_MRG_SIZE, VRING_NUM_MAX,
  vringAvailBytes, vringDescBytes, vringUsedBytes,
} from './virtio-net.js';
import { Vring } from './vring.js';

const DESC_ALIGN = 16;
const AVAIL_ALIGN = 2;
const USED_ALIGN = 4;

export class VhostQueue {
  readonly name: string;
  enabled = false;
  /** The descriptors by which the driver calls here and is called, and that says that the ring is broken. */
  kick: EventFd | null = null;
  call: EventFd | null = null;
  err: EventFd | null = null;
  /** The ring, and what its chains are gathered in; null: stopped. */
  ring: Vring | null = null;
  chain: DescriptorChain | null = null;
  /** What was agreed on when the ring was started: bytes of header before each frame, whether a frame may fill several buffers. */
  hdrSize = VIRTIO_NET_HDR_MRG_SIZE;
  mergeable = false;
  private num = 0;
  private base = 0;
  private addresses: VringAddresses | null = null;

  /** @param name for people. */
  constructor(name: string) {
    this.name = name;
  }

  setNum(num: number): void {
    if (num === 0 || num > VRING_NUM_MAX || (num & (num - 1)) !== 0) throw new ProtocolError(`a ring of ${num} descriptors; it has a power of two of them, and ${VRING_NUM_MAX} at most`);
    this.num = num;
  }

  setBase(base: number): void {
    if (base > 0xffff) throw new ProtocolError(`a ring that goes on at ${base}; indexes have 16 bits`);
    this.base = base;
  }

  setAddresses(addresses: VringAddresses): void {
    this.addresses = addresses;
  }

  /** @throws ProtocolError when the ring cannot be. */
  start(features: bigint, map: MemoryMap | null): void {
    const { num, addresses } = this;
    if (map === null || num === 0 || addresses === null) throw new ProtocolError(`the ${this.name} ring is started before its memory, size and addresses are known`);
    const part = (what: string, address: number, bytes: number, align: number): Uint8Array => {
      const memory = address % align === 0 ? map.at(address, bytes) : null;
      if (memory === null) throw new ProtocolError(`the ${what} of the ${this.name} ring, ${bytes} bytes at 0x${address.toString(16)}, is not in the guest's memory, or not aligned`);
      return memory;
    };
    const memory = {
      desc: part('descriptor table', addresses.desc, vringDescBytes(num), DESC_ALIGN), avail: part('available ring', addresses.avail, vringAvailBytes(num), AVAIL_ALIGN),
      used: part('used ring', addresses.used, vringUsedBytes(num), USED_ALIGN),
    };
    this.ring = new Vring(num, memory, { eventIdx: (features & VIRTIO_F_EVENT_IDX) !== 0n, indirect: (features & VIRTIO_F_INDIRECT_DESC) !== 0n });
    this.chain = new DescriptorChain(map.memory);
    this.mergeable = (features & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
    this.hdrSize = (features & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF)) !== 0n ? VIRTIO_NET_HDR_MRG_SIZE : VIRTIO_NET_HDR_LEGACY_SIZE;
  }

  /** The index in the available ring to go on from. */
  stop(): number {
    if (this.ring !== null) {
      this.publish();
      this.base = this.ring.nextAvail;
    }
    this.forget();
    return this.base;
  }

  /** Drops the ring and does not touch it. */
  forget(): void {
    this.ring = null;
    this.chain = null;
  }

  /** Shows the driver what was given back, and calls it if it wants. True: it was called. */
  publish(): boolean {
    if (this.ring?.publish() !== true || this.call === null) return false;
    this.call.signal();
    return true;
  }

  close(): void {
    this.forget();
    for (const fd of [this.kick, this.call, this.err]) fd?.close();
    this.kick = this.call = this.err = null;
  }
}
