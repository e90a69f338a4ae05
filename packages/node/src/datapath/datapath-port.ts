/**
 * datapath-port.ts — DatapathPort: a device of the host whose frames the pool's workers read and write.
 * Read first: port/frame-port.ts, datapath-pool.ts; tap/frame-sender.ts, tap/frame-receiver.ts.
 *
 *     kernel ── read ──▶ worker ── forwarded ──▶ another port
 *                           └─ punted ─▶ [receive ring of the queue] ── onFrames ──▶ you ── send, flush ──▶ [transmit ring] ──▶ a worker ── write ──▶ kernel
 *
 * What `onFrames` hands over are the punted frames, as they came. A device may have several queues, each read by another worker; what is sent goes by one transmit ring to the worker
 * that reads the first of them, in order.
 */
import type { Ifnet } from '@netloom/core';
import type { FramePort, FramePortStats, PortDevice } from '../port/frame-port.js';
import type { FrameBatch } from '../tap/frame-batch.js';
import { FrameSender } from '../tap/frame-sender.js';
import type { Libc } from '../tap/libc.js';
import { RING_CTL_WORDS, RingProducer } from '../tap/ring.js';
import { RingMemory } from '../tap/ring-memory.js';
import { openError } from '../tap/tap-error.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import { PC_TX_ERRORS, PC_TX_FRAMES, PC_TX_OCTETS, PORT_COUNTERS, WORKERS_MAX } from './datapath-shared.js';
import type { RingPlace } from './datapath-shared.js';
import { PoolQueue } from './pool-queue.js';

/** What a port's frames belong to. */
export interface PortBinding {
  joined(ifp: Ifnet): void;
  /** Resolves when no worker is about to send to the port any more. */
  letGo(): Promise<void>;
}

export class DatapathPort implements FramePort {
  /** Its number in the pool, which verdicts speak of. */
  readonly number: number;
  readonly name: string;
  readonly mtu: number;
  readonly vnetHdr: boolean;
  readonly queues: readonly PoolQueue[];
  /** The transmit ring. */
  readonly output: RingPlace;
  /** A row of PC_* for each worker. */
  readonly counters = new SharedArrayBuffer(WORKERS_MAX * PORT_COUNTERS * 8);
  binding: PortBinding | null = null;
  /** Has the device been destroyed, without a word to the workers? */
  readonly isGone: () => boolean;
  private readonly rows = new Float64Array(this.counters);
  private readonly libc: Libc;
  private readonly memory: RingMemory;
  private readonly sender: FrameSender;
  private readonly shut: (port: DatapathPort) => Promise<void>;
  private gone: ((error: Error) => void) | null = null;
  private closing: Promise<void> | null = null;

  /** `numbers` are those of its queues; `shut` takes it from the workers. On an error nothing is left but the descriptors. @throws TapError. */
  constructor(libc: Libc, device: PortDevice, number: number, numbers: readonly number[], ringSize: number, shut: (port: DatapathPort) => Promise<void>) {
    this.number = number;
    this.name = device.name;
    this.mtu = device.mtu;
    this.vnetHdr = device.vnetHdr;
    this.isGone = device.isGone ?? (() => false);
    this.libc = libc;
    this.shut = shut;
    const memories = mapRings(libc, device, ringSize);
    this.memory = memories.pop()!;
    this.queues = device.fds.map((fd, i) => new PoolQueue(numbers[i]!, fd, this, memories[i]!));
    const ctl = new SharedArrayBuffer(RING_CTL_WORDS * 4);
    this.output = { ctl, address: this.memory.address, size: ringSize };
    const ring = new RingProducer(new Int32Array(ctl), this.memory.bytes);
    this.sender = new FrameSender({ libc, fd: device.fds[0]!, vnetHdr: device.vnetHdr, ring, address: this.memory.address, writer: this.writerOf(ring) });
  }

  get stats(): FramePortStats {
    const { sender: tx } = this;
    const sum = (pick: (queue: PoolQueue) => number): number => this.queues.reduce((n, queue) => n + pick(queue), 0);
    return {
      rxFrames: sum((q) => q.receiver.frames), rxOctets: sum((q) => q.receiver.octets), rxBatches: sum((q) => q.receiver.batches),
      txFrames: this.count(PC_TX_FRAMES) + tx.direct, txOctets: this.count(PC_TX_OCTETS) + tx.directOctets, txDirect: tx.direct, txFull: tx.full, txInvalid: tx.invalid, txDown: tx.down,
      txErrors: this.count(PC_TX_ERRORS),
    };
  }

  /** A counter of the workers, of all of them together. */
  count(counter: number): number {
    let sum = 0;
    for (let at = counter; at < this.rows.length; at += PORT_COUNTERS) sum += this.rows[at]!;
    return sum;
  }

  joined(ifp: Ifnet): void {
    this.binding?.joined(ifp);
  }

  onFrames(callback: (batch: FrameBatch) => void): void {
    for (const queue of this.queues) queue.receiver.onFrames(callback);
  }

  onGone(callback: (error: Error) => void): void {
    this.gone = callback;
  }

  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    return this.sender.send(frame, off, len, hdr);
  }

  flush(): void {
    this.sender.flush();
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  /** The pool's: the device has gone, or there are no workers any more. */
  lost(error: Error): void {
    if (this.sender.isDown) return;
    this.sender.isDown = true;
    for (const queue of this.queues) queue.receiver.deliver();
    this.gone?.(error);
  }

  private async end(): Promise<void> {
    this.flush();
    this.sender.isDown = true;
    for (const queue of this.queues) queue.receiver.stop();
    await this.binding?.letGo();
    await this.shut(this);
    for (const queue of this.queues) {
      this.libc.close(queue.fd);
      queue.discard();
    }
    this.memory.discard();
  }

  private writerOf(ring: RingProducer): { isDrained: () => boolean; publish: () => boolean } {
    return {
      isDrained: () => this.queues[0]!.seat?.isAsleep === true && ring.isEmpty,
      publish: () => {
        ring.publish();
        return this.queues[0]!.seat?.rouse() === true;
      },
    };
  }
}

/** Rings for the queues and one for what is sent. */
function mapRings(libc: Libc, device: PortDevice, size: number): RingMemory[] {
  const memories: RingMemory[] = [];
  for (let i = 0; i <= device.fds.length; i++) {
    const memory = RingMemory.map(libc, size);
    if (memory === null) throw openError(libc, libc.errno(), 'mmap', device.name);
    memories.push(memory);
  }
  return memories;
}
