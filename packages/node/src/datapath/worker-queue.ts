/**
 * worker-queue.ts — a descriptor of a port, as one worker has it: who reads it, its rings, its counters.
 * Read first: datapath-shared.ts.
 */
import type { FrameMemory } from './io/frame-io.js';
import { copyFrame } from '../tap/copy-frame.js';
import type { RingConsumer, RingProducer } from '../tap/ring.js';
import { FWD_DROP } from '@netloom/core/fwd';
import { PC_DROPS, PC_FWD_FRAMES, PC_FWD_OCTETS, PC_PUNTS, PC_RX_FRAMES, PC_RX_FULL, PC_RX_OCTETS, PORT_COUNTERS } from './datapath-shared.js';

/** A transmit ring and where its bytes are. */
export interface TransmitRing {
  readonly ring: RingConsumer;
  readonly mem: FrameMemory;
}

export class WorkerQueue {
  readonly queue: number;
  readonly port: number;
  /** Frames begin with a virtio header. */
  readonly vnetHdr: boolean;
  /** This worker's row of the port's counters. */
  readonly counters: Float64Array;
  /** Punted frames go here; null for a queue that another worker reads. */
  readonly rx: RingProducer | null;
  /** Frames of the control thread come from here; null where another worker writes them. */
  readonly tx: TransmitRing | null;

  constructor(queue: number, port: number, vnetHdr: boolean, counters: Float64Array, rx: RingProducer | null, tx: TransmitRing | null) {
    this.queue = queue;
    this.port = port;
    this.vnetHdr = vnetHdr;
    this.counters = counters;
    this.rx = rx;
    this.tx = tx;
  }

  countRead(len: number): void {
    this.counters[PC_RX_FRAMES]!++;
    this.counters[PC_RX_OCTETS]! += len;
  }

  countForwarded(len: number): void {
    this.counters[PC_FWD_FRAMES]!++;
    this.counters[PC_FWD_OCTETS]! += len;
  }

  /** They were not, after all. */
  uncountForwarded(frames: number, octets: number): void {
    this.counters[PC_FWD_FRAMES]! -= frames;
    this.counters[PC_FWD_OCTETS]! -= octets;
  }

  countPunt(verdict: number): void {
    this.counters[PC_PUNTS - verdict]!++;
  }

  countDrop(verdict: number): void {
    this.counters[PC_DROPS + Math.min(FWD_DROP - verdict, PORT_COUNTERS - PC_DROPS - 1)]!++;
  }

  /** Gives a copy of a frame to the control thread. False: its ring is full, the frame is dropped. */
  punt(verdict: number, mem: FrameMemory, at: number, len: number): boolean {
    this.countPunt(verdict);
    if (!this.copy(mem, at, len)) return false;
    this.rx!.commit(len);
    return true;
  }

  /** Writes a frame into the ring to the control thread, where `rx.commit` makes a record of it. False: there is no room. */
  copy(mem: FrameMemory, at: number, len: number): boolean {
    const rx = this.rx!;
    const to = rx.reserve(len);
    if (to < 0) {
      this.counters[PC_RX_FULL]!++;
      return false;
    }
    copyFrame(rx.bytes, to, mem.bytes, at, len);
    return true;
  }
}
