/**
 * pool-queue.ts — PoolQueue: a descriptor of a port of the pool, as the control thread has it: its receive ring, and which worker reads it.
 * Read first: datapath-port.ts, datapath-pool.ts.
 */
import { FrameReceiver } from '../tap/frame-receiver.js';
import { RING_CTL_WORDS, RingConsumer } from '../tap/ring.js';
import type { RingMemory } from '../tap/ring-memory.js';
import type { QueueOpen, RingPlace } from './datapath-shared.js';
import type { DatapathPort } from './datapath-port.js';
import type { WorkerSeat } from './worker-seat.js';

export class PoolQueue {
  /** Its number in the pool. */
  readonly number: number;
  readonly fd: number;
  readonly port: DatapathPort;
  readonly receiver: FrameReceiver;
  /** Who reads it; null while it moves from one to another, or there is nobody. */
  seat: WorkerSeat | null = null;
  isMoving = false;
  /** Resolves when it is at rest. */
  moving: Promise<void> = Promise.resolve();
  private readonly memory: RingMemory;
  private readonly input: RingPlace;

  constructor(number: number, fd: number, port: DatapathPort, memory: RingMemory) {
    this.number = number;
    this.fd = fd;
    this.port = port;
    this.memory = memory;
    const ctl = new SharedArrayBuffer(RING_CTL_WORDS * 4);
    this.input = { ctl, address: memory.address, size: memory.bytes.length };
    // A worker never waits for room in a receive ring.
    this.receiver = new FrameReceiver(new RingConsumer(new Int32Array(ctl), memory.bytes), port.vnetHdr, () => undefined);
  }

  /** The command that opens it at a worker, which reads it or only writes to it. */
  opening(reads: boolean): QueueOpen {
    const { port } = this;
    const output = reads && port.queues[0] === this ? port.output : null;
    return { op: 'open', queue: this.number, port: port.number, fd: this.fd, vnetHdr: port.vnetHdr, counters: port.counters, input: reads ? this.input : null, output };
  }

  discard(): void {
    this.receiver.stop();
    this.memory.discard();
  }
}
