/**
 * tap-port.ts — TapPort: frames in and out of a TAP for a single-threaded program, with the system calls on another thread.
 * Read first: ring.ts, tap-pump.ts; port/frame-port.ts.
 *
 *     kernel ── read(2) ──▶ [receive ring] ── onFrames ──▶ you ── send, flush ──▶ [transmit ring] ── write(2) ──▶ kernel
 *              worker                        main thread                                        worker
 *
 * Theory of operation. Each port has a worker thread that sleeps in poll(2). It is woken through an eventfd; this thread is woken
 * through a MessagePort (as quick as any way into Node's event loop, and unlike Atomics.waitAsync it keeps the process alive). Both bells
 * are rung only for a side that has said it sleeps, so under load there are none: a bell costs 2 µs, a batch of 64 frames shares it.
 * What goes out is frame-sender.ts's business, what comes in frame-receiver.ts's. Nothing is dropped there on the way in: a slow receiver fills the ring, the
 * worker stops reading, and the kernel drops at the TAP's own queue (its `tx_dropped`).
 *
 * Ending. `close` stops the worker (what was flushed is still written), then closes the descriptors. process.exit with open ports stops the
 * workers too: a thread inside poll would hold the exit up. The rings' pages are given back at once (ring-memory.ts).
 *
 * Invariants: callbacks run on this thread, never inside `send`, `flush` or `onFrames`; after `close` resolves, none runs, and no thread
 * and no descriptor is left.
 * Not here: what a frame means; joining a port to an interface of the stack.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { threadProgram } from '../native/thread-program.js';
import type { FramePort, FramePortStats } from '../port/frame-port.js';
import type { FrameBatch } from './frame-batch.js';
import { FrameReceiver } from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { loadLibc, O_CLOEXEC, O_NONBLOCK } from './libc.js';
import type { Libc } from './libc.js';
import { RING_CTL_WORDS, RingConsumer, RingProducer } from './ring.js';
import { RingMemory } from './ring-memory.js';
import { openTap } from './tap-device.js';
import type { TapDevice, TapOptions } from './tap-device.js';
import { goneError, openError } from './tap-error.js';
import {
  C_RX_ERRORS, C_RX_WAITS, C_TX_ERRORS, C_TX_FRAMES, C_TX_OCTETS, C_TX_WAITS, C_WAKEUPS, CONTROL_WORDS, COUNTERS, MSG_FRAMES, MSG_GONE, RX_CTL, STOP,
  TAP_LAYOUT, TX_CTL,
} from './tap-shared.js';
import type { TapWorkerData } from './tap-shared.js';
import type { VnetHdr } from './vnet-hdr.js';

export interface TapPortOptions {
  /** Bytes of each ring, a power of two from 256 KiB. Default 1 MiB, with virtio headers 4 MiB. */
  readonly ringSize?: number;
}

/** Counts since the port was opened. */
export interface TapStats extends FramePortStats {
  /** Reads that failed, and times the receive ring was full and reading paused. */
  readonly rxErrors: number;
  readonly rxWaits: number;
  /** Times the kernel's buffer was full and the worker waited. */
  readonly txWaits: number;
  /** Times each side's bell was rung, and the worker's returns from poll. */
  readonly rxBells: number;
  readonly txBells: number;
  readonly wakeups: number;
}

const RING_MIN = 256 * 1024;
/** The worker runs one small loop on memory outside its heap. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 8 };

/** Ports whose worker runs, for the process's exit: the one thing here that outlives a port must know them all. */
const running = new Set<TapPort>();

/** Opens the TAP and starts its worker. @throws as `openTap`. */
export function openTapPort(options: TapOptions & TapPortOptions): TapPort {
  return new TapPort(openTap(options), options);
}

export class TapPort implements FramePort {
  readonly name: string;
  readonly mtu: number;
  readonly vnetHdr: boolean;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly eventFd: number;
  private readonly memories: readonly RingMemory[];
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private readonly receiver: FrameReceiver;
  private readonly sender: FrameSender;
  private readonly port: MessagePort;
  private readonly worker: Worker;
  private readonly exited: Promise<void>;
  private readonly bellWord = new BigUint64Array([1n]);
  private readonly bellAddress: number;
  private gone: ((error: Error) => void) | null = null;
  private closing: Promise<void> | null = null;

  /** Takes `device` over: it is closed with the port, also when this throws. @throws TapError, RangeError. */
  constructor(device: TapDevice, options: TapPortOptions = {}, libc: Libc = loadLibc()) {
    this.name = device.name;
    this.mtu = device.mtu;
    this.vnetHdr = device.vnetHdr;
    this.libc = libc;
    this.fd = device.fd;
    const size = options.ringSize ?? (device.vnetHdr ? 4 : 1) * 1024 * 1024;
    const resources = acquire(libc, device, size);
    this.eventFd = resources.eventFd;
    this.memories = resources.memories;
    const [rxMemory, txMemory] = resources.memories as [RingMemory, RingMemory];
    this.control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
    this.counters = new Float64Array(new SharedArrayBuffer(COUNTERS * 8));
    this.receiver = new FrameReceiver(new RingConsumer(this.control.subarray(RX_CTL, RX_CTL + RING_CTL_WORDS), rxMemory.bytes), device.vnetHdr, () => this.ringWorker());
    this.sender = this.makeSender(txMemory);
    this.bellAddress = libc.address(this.bellWord);
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.worker = this.startWorker(resources.program, size, channel.port2);
    this.exited = new Promise((resolve) => void this.worker.once('exit', () => resolve()));
    this.listen();
  }

  get stats(): TapStats {
    const { counters: c, receiver: rx, sender: tx } = this;
    return {
      rxFrames: rx.frames, rxOctets: rx.octets, rxBatches: rx.batches, rxErrors: c[C_RX_ERRORS]!, rxWaits: c[C_RX_WAITS]!,
      txFrames: c[C_TX_FRAMES]! + tx.direct, txOctets: c[C_TX_OCTETS]! + tx.directOctets, txDirect: tx.direct, txFull: tx.full, txInvalid: tx.invalid, txDown: tx.down,
      txErrors: c[C_TX_ERRORS]!, txWaits: c[C_TX_WAITS]!, rxBells: rx.bells, txBells: tx.bells, wakeups: c[C_WAKEUPS]!,
    };
  }

  onFrames(callback: (batch: FrameBatch) => void): void {
    this.receiver.onFrames(callback);
  }

  /** Called once when the device goes away by itself, or the worker fails. `close` is still to be called. */
  onGone(callback: (error: Error) => void): void {
    this.gone = callback;
  }

  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    return this.sender.send(frame, off, len, hdr);
  }

  flush(): void {
    this.sender.flush();
  }

  /** Whether an open port keeps the process alive. It does unless `unref` is called. */
  ref(): void {
    this.port.ref();
  }

  unref(): void {
    this.port.unref();
  }

  /** Writes what was flushed, ends the worker, closes the descriptors. Resolves when nothing is left; may be called again. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  /** For the end of the process: lets the worker go without waiting for it. */
  abandon(): void {
    Atomics.store(this.control, STOP, 1);
    this.ringWorker();
  }

  private async shut(): Promise<void> {
    this.flush();
    this.sender.isDown = true;
    this.receiver.stop();
    // Exited or not: the control word and the eventfd are ours until the worker's end has been seen.
    this.worker.ref();
    this.abandon();
    await this.exited;
    running.delete(this);
    if (running.size === 0) process.off('exit', abandonAll);
    this.port.close();
    this.libc.close(this.eventFd);
    this.libc.close(this.fd);
    for (const memory of this.memories) memory.discard();
  }

  private makeSender(memory: RingMemory): FrameSender {
    const ring = new RingProducer(this.control.subarray(TX_CTL, TX_CTL + RING_CTL_WORDS), memory.bytes);
    const writer = {
      isDrained: () => ring.drained,
      publish: () => {
        const slept = ring.publish();
        if (slept) this.ringWorker();
        return slept;
      },
    };
    return new FrameSender({ libc: this.libc, fd: this.fd, vnetHdr: this.vnetHdr, ring, address: memory.address, writer });
  }

  private startWorker(program: URL, size: number, port: MessagePort): Worker {
    const workerData: TapWorkerData = {
      layout: TAP_LAYOUT, fd: this.fd, eventFd: this.eventFd,
      control: this.control.buffer as SharedArrayBuffer, counters: this.counters.buffer as SharedArrayBuffer,
      rxAddress: this.memories[0]!.address, rxSize: size, txAddress: this.memories[1]!.address, txSize: size, port,
    };
    const worker = new Worker(program, { workerData, transferList: [port], name: `tap ${this.name}`, execArgv: [], resourceLimits: WORKER_LIMITS });
    // The port keeps the process alive, if anything does.
    worker.unref();
    return worker;
  }

  private listen(): void {
    this.worker.on('error', (error) => this.lost(error));
    this.port.on('message', (message: number) => {
      if (message === MSG_FRAMES) {
        this.receiver.wake();
      } else {
        this.receiver.deliver();
        this.lost(goneError(this.libc, message - MSG_GONE, this.name));
      }
    });
    if (running.size === 0) process.on('exit', abandonAll);
    running.add(this);
  }

  private lost(error: Error): void {
    if (this.sender.isDown) return;
    this.sender.isDown = true;
    this.gone?.(error);
  }

  private ringWorker(): void {
    this.libc.write(this.eventFd, this.bellAddress, 8);
  }
}

function abandonAll(): void {
  for (const port of running) port.abandon();
}

interface Resources {
  readonly program: URL;
  readonly eventFd: number;
  readonly memories: readonly RingMemory[];
}

/** What a port needs besides its device; on failure nothing is left open, the device included. */
function acquire(libc: Libc, device: TapDevice, size: number): Resources {
  const eventFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
  try {
    if (eventFd < 0) throw openError(libc, libc.errno(), 'eventfd', device.name);
    if (size < RING_MIN) throw new RangeError(`a TAP's ring has ${RING_MIN} bytes at least, not ${size}`);
    const memories = [mapRing(libc, device, size), mapRing(libc, device, size)];
    return { program: threadProgram(import.meta.url, 'tap-worker.js'), eventFd, memories };
  } catch (error) {
    if (eventFd >= 0) libc.close(eventFd);
    libc.close(device.fd);
    throw error;
  }
}

function mapRing(libc: Libc, device: TapDevice, size: number): RingMemory {
  const memory = RingMemory.map(libc, size);
  if (memory === null) throw openError(libc, libc.errno(), 'mmap', device.name);
  return memory;
}
