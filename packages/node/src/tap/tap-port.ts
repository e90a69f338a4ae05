/**
 * tap-port.ts — TapPort: frames in and out of a TAP for a single-threaded program, with the system calls on another thread.
 * Read first: ring.ts, tap-pump.ts.
 *
 *     kernel ── read(2) ──▶ [receive ring] ── onFrames ──▶ you ── send, flush ──▶ [transmit ring] ── write(2) ──▶ kernel
 *              worker                        main thread                                        worker
 *
 * Theory of operation. Each port has a worker thread that sleeps in poll(2). It is woken through an eventfd; this thread is woken
 * through a MessagePort (as quick as any way into Node's event loop, and unlike Atomics.waitAsync it keeps the process alive). Both bells
 * are rung only for a side that has said it sleeps, so under load there are none: a bell costs 2 µs, a batch of 64 frames shares it.
 * A turn here hands over at most TURN_BATCHES batches and then lets the event loop serve others (setImmediate).
 *
 * `send` copies the frame into the ring; `flush` shows it to the worker: call it once per batch of yours. A full ring refuses the frame and
 * counts it; nothing waits. A single frame for a worker that sleeps is written from this thread: that costs
 * what its bell would, and saves a thread switch in each request and answer. A long frame is written from this thread too, from where it is, when the
 * ring has nothing before it: it need not be copied into the ring, and the receiver has it while the next one is still being made. On the receiving side
 * nothing is dropped here: a slow receiver fills the ring, the worker stops reading, and the kernel drops at the TAP's own queue (its `tx_dropped`).
 *
 * Ending. `close` stops the worker (what was flushed is still written), then closes the descriptors. process.exit with open ports stops the
 * workers too: a thread inside poll would hold the exit up. The rings' pages are given back at once, their addresses when the
 * garbage collector finds that no view of them is left, so that a forgotten FrameBatch reads zeroes and never faults.
 *
 * Invariants: callbacks run on this thread, never inside `send`, `flush` or `onFrames`; after `close` resolves, none runs, and no thread
 * and no descriptor is left.
 * Not here: what a frame means; joining a port to an interface of the stack.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { FrameBatch } from './frame-batch.js';
import { loadLibc, O_CLOEXEC, O_NONBLOCK } from './libc.js';
import type { Libc } from './libc.js';
import { RING_CTL_WORDS, RingConsumer, RingProducer } from './ring.js';
import { openTap } from './tap-device.js';
import type { TapDevice, TapOptions } from './tap-device.js';
import { openError, TapError } from './tap-error.js';
import {
  BURST, C_RX_ERRORS, C_RX_WAITS, C_TX_ERRORS, C_TX_FRAMES, C_TX_OCTETS, C_TX_WAITS, C_WAKEUPS, CONTROL_WORDS, COUNTERS, FRAME_MAX, MSG_FRAMES, MSG_GONE,
  RX_CTL, STOP, TAP_LAYOUT, TX_CTL,
} from './tap-shared.js';
import type { TapWorkerData } from './tap-shared.js';
import { putVnetHdr, VNET_F_NEEDS_CSUM, VNET_HDR_SIZE } from './vnet-hdr.js';
import type { VnetHdr } from './vnet-hdr.js';

export interface TapPortOptions {
  /** Bytes of each ring, a power of two from 256 KiB. Default 1 MiB, with virtio headers 4 MiB. */
  readonly ringSize?: number;
}

/** Counts since the port was opened. */
export interface TapStats {
  /** Frames and bytes handed to `onFrames`, in how many batches. */
  readonly rxFrames: number;
  readonly rxOctets: number;
  readonly rxBatches: number;
  /** Reads that failed, and times the receive ring was full and reading paused. */
  readonly rxErrors: number;
  readonly rxWaits: number;
  /** Frames and bytes that the kernel took. */
  readonly txFrames: number;
  readonly txOctets: number;
  /** Of `txFrames`, those written without the worker. */
  readonly txDirect: number;
  /** Frames that `send` refused: ring full; too long, or offload without virtio headers; port closed or device gone. */
  readonly txFull: number;
  readonly txInvalid: number;
  readonly txDown: number;
  /** Frames that the kernel refused (interface down, bad header), and times its buffer was full and the worker waited. */
  readonly txErrors: number;
  readonly txWaits: number;
  /** Times each side's bell was rung, and the worker's returns from poll. */
  readonly rxBells: number;
  readonly txBells: number;
  readonly wakeups: number;
}

const RING_MIN = 256 * 1024;
const TURN_BATCHES = 8;
/** From this length on a frame is written from where it is: the system call costs less than the ring's copy and a thread switch. */
const DIRECT_MIN = 16_384;
/** Up to this length a loop beats `set(subarray)`, which makes a view. */
const LOOP_COPY_MAX = 64;
/** The worker runs one small loop on memory outside its heap. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 8 };

/** Ports whose worker runs, for the process's exit: the one thing here that outlives a port must know them all. */
const running = new Set<TapPort>();

/** Gives a ring's address range back once no view of it is left. */
const unmapper = new FinalizationRegistry<Mapping>(({ libc, address, size }) => void libc.unmapPages(address, size));

interface Mapping {
  readonly libc: Libc;
  readonly address: number;
  readonly size: number;
}

/** Opens the TAP and starts its worker. @throws as `openTap`. */
export function openTapPort(options: TapOptions & TapPortOptions): TapPort {
  return new TapPort(openTap(options), options);
}

export class TapPort {
  readonly name: string;
  readonly mtu: number;
  readonly vnetHdr: boolean;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly eventFd: number;
  private readonly mappings: readonly Mapping[];
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private readonly rx: RingConsumer;
  private readonly tx: RingProducer;
  private readonly txBase: number;
  private readonly batch: FrameBatch;
  private readonly port: MessagePort;
  private readonly worker: Worker;
  private readonly exited: Promise<void>;
  private readonly bellWord = new BigUint64Array([1n]);
  private readonly bellAddress: number;
  private readonly turn = (): void => {
    this.scheduled = false;
    this.deliver();
  };
  private frames: ((batch: FrameBatch) => void) | null = null;
  private gone: ((error: Error) => void) | null = null;
  private down: Error | null = null;
  private closing: Promise<void> | null = null;
  private scheduled = false;
  private rxFrames = 0;
  private rxOctets = 0;
  private rxBatches = 0;
  private rxBells = 0;
  private txFull = 0;
  private txInvalid = 0;
  private txDown = 0;
  private txBells = 0;
  private txDirect = 0;
  private txDirectOctets = 0;

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
    this.mappings = resources.mappings;
    const [rxBytes, txBytes] = resources.views as [Uint8Array, Uint8Array];
    this.control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
    this.counters = new Float64Array(new SharedArrayBuffer(COUNTERS * 8));
    this.rx = new RingConsumer(this.control.subarray(RX_CTL, RX_CTL + RING_CTL_WORDS), rxBytes);
    this.tx = new RingProducer(this.control.subarray(TX_CTL, TX_CTL + RING_CTL_WORDS), txBytes);
    this.txBase = this.mappings[1]!.address;
    this.batch = new FrameBatch(this.rx, device.vnetHdr);
    this.bellAddress = libc.address(this.bellWord);
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.worker = this.startWorker(resources.program, size, channel.port2);
    this.exited = new Promise((resolve) => void this.worker.once('exit', () => resolve()));
    this.listen();
  }

  get stats(): TapStats {
    const c = this.counters;
    return {
      rxFrames: this.rxFrames, rxOctets: this.rxOctets, rxBatches: this.rxBatches, rxErrors: c[C_RX_ERRORS]!, rxWaits: c[C_RX_WAITS]!,
      txFrames: c[C_TX_FRAMES]! + this.txDirect, txOctets: c[C_TX_OCTETS]! + this.txDirectOctets, txDirect: this.txDirect, txFull: this.txFull, txInvalid: this.txInvalid, txDown: this.txDown,
      txErrors: c[C_TX_ERRORS]!, txWaits: c[C_TX_WAITS]!, rxBells: this.rxBells, txBells: this.txBells, wakeups: c[C_WAKEUPS]!,
    };
  }

  /** Whoever is to get the frames; until then they wait in the ring. `callback` gets the same FrameBatch object each time. */
  onFrames(callback: (batch: FrameBatch) => void): void {
    this.frames = callback;
    this.schedule();
  }

  /** Called once when the device goes away by itself, or the worker fails. `close` is still to be called. */
  onGone(callback: (error: Error) => void): void {
    this.gone = callback;
  }

  /**
   * Queues a copy of `frame[off, off+len)`, or writes it now. `hdr` are its offload fields, for a port with virtio headers (`null`: a plain frame); such
   * a port may overwrite the VNET_HDR_SIZE bytes before `off`, where there are so many.
   * False, and counted: the ring is full, the frame is longer than FRAME_MAX or needs offloads this port has not, or the port is down.
   */
  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    if (this.down !== null) {
      this.txDown++;
      return false;
    }
    const front = this.vnetHdr ? VNET_HDR_SIZE : 0;
    if (front + len > FRAME_MAX || (front === 0 && hdr !== null && (hdr.gsoType !== 0 || (hdr.flags & VNET_F_NEEDS_CSUM) !== 0))) {
      this.txInvalid++;
      return false;
    }
    const tx = this.tx;
    if (len >= DIRECT_MIN && tx.pending === 0 && off >= front && tx.isEmpty && this.writeDirect(frame, off - front, front + len, hdr)) return true;
    const at = tx.reserve(front + len);
    if (at < 0) {
      this.txFull++;
      this.flush();
      return false;
    }
    if (front !== 0) putVnetHdr(tx.bytes, at, hdr);
    copyFrame(tx.bytes, at + front, frame, off, len);
    tx.commit(front + len);
    if (tx.pending >= BURST) this.flush();
    return true;
  }

  /** Shows the worker what was sent. Cheap when there is nothing. */
  flush(): void {
    const tx = this.tx;
    if (tx.pending === 0 || (tx.pending === 1 && tx.drained && this.writeSingle())) return;
    if (!tx.publish()) return;
    this.txBells++;
    this.ringWorker();
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
    this.down ??= new TapError(`TAP '${this.name}' is closed`, 0, 'close', this.name);
    this.frames = null;
    // Exited or not: the control word and the eventfd are ours until the worker's end has been seen.
    this.worker.ref();
    this.abandon();
    await this.exited;
    running.delete(this);
    if (running.size === 0) process.off('exit', abandonAll);
    this.port.close();
    this.libc.close(this.eventFd);
    this.libc.close(this.fd);
    for (const mapping of this.mappings) this.libc.discardPages(mapping.address, mapping.size);
  }

  private startWorker(program: URL, size: number, port: MessagePort): Worker {
    const workerData: TapWorkerData = {
      layout: TAP_LAYOUT, fd: this.fd, eventFd: this.eventFd,
      control: this.control.buffer as SharedArrayBuffer, counters: this.counters.buffer as SharedArrayBuffer,
      rxAddress: this.mappings[0]!.address, rxSize: size, txAddress: this.mappings[1]!.address, txSize: size, port,
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
        this.rxBells++;
        this.deliver();
      } else {
        this.deliver();
        this.lost(openError(this.libc, message - MSG_GONE, 'poll', this.name));
      }
    });
    if (running.size === 0) process.on('exit', abandonAll);
    running.add(this);
  }

  private lost(error: Error): void {
    if (this.down !== null) return;
    this.down = error;
    this.gone?.(error);
  }

  /** Writes the one unpublished frame from here; false: it is still in the ring, for the worker to deal with. */
  private writeSingle(): boolean {
    const tx = this.tx;
    const n = this.libc.write(this.fd, this.txBase + tx.off, tx.length);
    if (n < 0) return false;
    tx.uncommit();
    this.txDirect++;
    this.txDirectOctets += n;
    return true;
  }

  /** Writes a frame from where it is, its header put in front; false: the kernel did not take it. */
  private writeDirect(frame: Uint8Array, at: number, length: number, hdr: VnetHdr | null): boolean {
    if (this.vnetHdr) putVnetHdr(frame, at, hdr);
    const n = this.libc.write(this.fd, this.libc.address(frame) + at, length);
    if (n < 0) return false;
    this.txDirect++;
    this.txDirectOctets += n;
    return true;
  }

  private ringWorker(): void {
    this.libc.write(this.eventFd, this.bellAddress, 8);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  /** Hands over what is in the receive ring, up to one turn's worth, and goes to sleep when it is empty. */
  private deliver(): void {
    const { rx, batch } = this;
    for (let batches = 0; batches < TURN_BATCHES; batches++) {
      if (this.frames === null) return;
      if (!rx.acquire() && rx.sleepUntilRecord()) return;
      batch.begin(BURST);
      let done = false;
      try {
        this.frames(batch);
        done = true;
      } finally {
        this.finishBatch(done);
      }
    }
    this.schedule();
  }

  private finishBatch(done: boolean): void {
    const batch = this.batch;
    while (batch.next());
    this.rxBatches++;
    this.rxFrames += batch.frames;
    this.rxOctets += batch.octets;
    if (this.rx.release()) this.ringWorker();
    // A callback that throws ends this turn; what is still in the ring comes in another.
    if (!done) this.schedule();
  }
}

function abandonAll(): void {
  for (const port of running) port.abandon();
}

function copyFrame(dst: Uint8Array, at: number, src: Uint8Array, off: number, len: number): void {
  if (len <= LOOP_COPY_MAX) for (let i = 0; i < len; i++) dst[at + i] = src[off + i]!;
  else dst.set(src.subarray(off, off + len), at);
}

interface Resources {
  readonly program: URL;
  readonly eventFd: number;
  readonly mappings: readonly Mapping[];
  readonly views: readonly Uint8Array[];
}

/** What a port needs besides its device; on failure nothing is left open, the device included. */
function acquire(libc: Libc, device: TapDevice, size: number): Resources {
  const mappings: Mapping[] = [];
  const eventFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
  try {
    if (eventFd < 0) throw openError(libc, libc.errno(), 'eventfd', device.name);
    if (size < RING_MIN) throw new RangeError(`a TAP's ring has ${RING_MIN} bytes at least, not ${size}`);
    const views = [mapRing(libc, device, size, mappings), mapRing(libc, device, size, mappings)];
    return { program: workerProgram(), eventFd, mappings, views };
  } catch (error) {
    if (eventFd >= 0) libc.close(eventFd);
    libc.close(device.fd);
    throw error;
  }
}

function mapRing(libc: Libc, device: TapDevice, size: number, mappings: Mapping[]): Uint8Array {
  const address = libc.mapPages(size);
  if (address === 0) throw openError(libc, libc.errno(), 'mmap', device.name);
  const mapping = { libc, address, size };
  const memory = libc.viewMemory(address, size);
  unmapper.register(memory, mapping);
  mappings.push(mapping);
  return new Uint8Array(memory);
}

/** The worker's program. A thread cannot load TypeScript, so a port that runs from sources (under a test) starts the built one. */
function workerProgram(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./tap-worker.js', import.meta.url);
  const built = new URL('../../dist/tap/tap-worker.js', import.meta.url);
  if (!existsSync(fileURLToPath(built))) throw new Error(`${fileURLToPath(built)} is missing: build first (npm run build)`);
  return built;
}
