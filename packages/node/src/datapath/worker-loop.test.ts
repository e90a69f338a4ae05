/**
 * worker-loop.test.ts — a worker's loop, turn by turn, in this thread: a device of arrays, a verdict that a test writes.
 */
import { GracePeriods, FWD_DROP_BLACKHOLE, FWD_PUNT_LOCAL, FWD_PUNT_NOROUTE, quiescenceWords, QuiescentReader, READER_OFFLINE, READER_ONLINE } from '@netloom/core/fwd';
import { describe, expect, test } from 'vitest';
import { EAGAIN, EIO } from '../tap/libc.js';
import { RING_CTL_WORDS, RingConsumer, RingProducer } from '../tap/ring.js';
import {
  ASLEEP, COMMANDS, CONTROL_WORDS, IDLE_MS, MSG_PASSED, PC_DROPS, PC_FWD_FRAMES, PC_FWD_OCTETS, PC_NO_PORT, PC_PUNTS, PC_RX_FRAMES, PC_RX_FULL, PC_RX_OCTETS, PC_TX_ERRORS, PC_TX_FRAMES, PC_TX_FULL,
  PC_TX_WAITS, PORT_COUNTERS, RETRY_MS, STOP, TX_BURST, W_BATCHES, W_BELLS, W_BUSY_MS, W_FRAMES, W_PUNTS, W_SINCE_MS, W_SLEEPS, W_TURNS, WORKER_COUNTERS,
} from './datapath-shared.js';
import type { WorkerMessage } from './datapath-shared.js';
import type { FrameIo, FrameMemory } from './io/frame-io.js';
import { WorkerLoop } from './worker-loop.js';
import { WorkerQueue } from './worker-queue.js';

const RING = 16_384;

/** A device of arrays: what is to come in by queue, what went out as `queue:mark`. */
class Device implements FrameIo {
  errno = 0;
  readonly ownFd = -1;
  incoming: [queue: number, mark: number][] = [];
  readonly outgoing: string[] = [];
  readonly timeouts: number[] = [];
  /** Errno for each frame that goes out, 0 to take it. */
  refusals: number[] = [];
  /** What happens while it sleeps. */
  asleep: () => void = () => undefined;
  /** What happens behind each batch. */
  behind: () => void = () => undefined;
  loop!: WorkerLoop;
  private readonly mem = memoryOf(new Uint8Array(256));

  open(): void {
    throw new Error('not used');
  }

  close(): void {
    throw new Error('not used');
  }

  forward(queue: number, at: number, len: number): boolean {
    return this.send(queue, this.mem, at, len);
  }

  send(queue: number, mem: FrameMemory, at: number, len: number): boolean {
    this.errno = this.refusals.shift() ?? 0;
    if (this.errno === 0) this.outgoing.push(`${queue}:${mem.bytes[at]!}x${len}`);
    return this.errno === 0;
  }

  turn(timeoutMs: number): number {
    this.timeouts.push(timeoutMs);
    if (this.incoming.length === 0 && timeoutMs > 0) {
      this.loop.idle();
      this.asleep();
      this.loop.awake();
    }
    const frames = this.incoming.splice(0);
    for (const [queue, mark] of frames) {
      this.mem.bytes[64] = mark;
      this.loop.frame(queue, this.mem, 64, 60);
    }
    if (frames.length > 0) this.loop.batchEnd();
    this.behind();
    return frames.length;
  }

  destroy(): void {
    throw new Error('not used');
  }
}

function memoryOf(bytes: Uint8Array): FrameMemory {
  return { bytes, view: new DataView(bytes.buffer), address: 0 };
}

/** A loop with queue 0 of port 0 and queue 1 of port 1; both read, both with transmit rings. */
function makeRig() {
  const device = new Device();
  const periods = new GracePeriods(quiescenceWords(2));
  const slot = periods.claim();
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const counters = new Float64Array(WORKER_COUNTERS);
  const told: WorkerMessage[] = [];
  const log: string[] = [];
  let clock = 1_000;
  let judge: (port: number) => number = () => FWD_PUNT_LOCAL;
  /** Ports that somebody captures on; their interfaces have the numbers 10 and 11. */
  const tapped = new Set<number>();
  const loop = new WorkerLoop({
    control, counters, reader: new QuiescentReader(periods.words, slot),
    verdict: {
      at: 64, len: 61,
      beginBatch: () => void log.push(`begin ${periods.state(slot)}`),
      judge: (port) => judge(port),
      tapOf: (port, out) => (tapped.has(port) ? ((10 + port) << 1) | out : 0),
    },
    tell: (message) => void told.push(message),
    wakeSelf: () => void log.push('wake'),
    takeCommands: () => void log.push('take'),
    obeyCommands: () => undefined,
    clockMs: () => (clock += 10),
  });
  loop.io = device;
  device.loop = loop;
  const ports = [0, 1].map((n) => {
    const rxCtl = new Int32Array(new SharedArrayBuffer(RING_CTL_WORDS * 4));
    const txCtl = new Int32Array(new SharedArrayBuffer(RING_CTL_WORDS * 4));
    const rxBytes = new Uint8Array(RING);
    const txBytes = new Uint8Array(RING);
    const queue = new WorkerQueue(n, n, false, new Float64Array(PORT_COUNTERS), new RingProducer(rxCtl, rxBytes), { ring: new RingConsumer(txCtl, txBytes), mem: memoryOf(txBytes) });
    loop.queues[n] = queue;
    loop.outputs[n] = queue;
    loop.transmitters.push(queue);
    return { queue, rx: new RingConsumer(rxCtl, rxBytes), tx: new RingProducer(txCtl, txBytes), counters: queue.counters };
  });
  loop.begin();
  log.length = 0;
  return { device, periods, slot, control, counters, told, log, loop, ports, tapped, setJudge: (f: (port: number) => number) => (judge = f) };
}

function received(rx: RingConsumer): number[] {
  const marks = [];
  rx.acquire();
  while (rx.next()) marks.push(rx.bytes[rx.off]!);
  rx.release();
  return marks;
}

function send(tx: RingProducer, ...marks: number[]): void {
  for (const mark of marks) {
    const at = tx.reserve(60);
    tx.bytes[at] = mark;
    tx.commit(60);
  }
  tx.publish();
}

/** Those counters that are not 0. */
function counted(counters: Float64Array): Record<number, number> {
  return Object.fromEntries([...counters.entries()].filter(([, n]) => n !== 0));
}

describe('WorkerLoop', () => {
  test('punts what the verdict punts, forwards and drops what it says, and counts each by its reason', () => {
    const { device, loop, ports, setJudge, counters } = makeRig();
    const verdicts = [1, FWD_PUNT_NOROUTE, FWD_DROP_BLACKHOLE, 1, FWD_PUNT_LOCAL];
    setJudge(() => verdicts.shift()!);
    device.incoming = [1, 2, 3, 4, 5].map((mark) => [0, mark]);
    loop.turn();
    expect(device.outgoing).toEqual(['1:1x61', '1:4x61']);
    expect(received(ports[0]!.rx)).toEqual([2, 5]);
    expect(counted(ports[0]!.counters)).toEqual({ [PC_RX_FRAMES]: 5, [PC_RX_OCTETS]: 300, [PC_PUNTS - FWD_PUNT_NOROUTE]: 1, [PC_PUNTS - FWD_PUNT_LOCAL]: 1, [PC_DROPS]: 1 });
    expect(counted(ports[1]!.counters)).toEqual({ [PC_FWD_FRAMES]: 2, [PC_FWD_OCTETS]: 122 });
    expect([counters[W_TURNS], counters[W_BATCHES], counters[W_FRAMES], counters[W_PUNTS]]).toEqual([1, 1, 5, 2]);
  });

  test('shows captures what it forwards and drops, as it came and as it leaves, and a punted frame once', () => {
    const { device, loop, ports, tapped, setJudge } = makeRig();
    const verdicts = [1, FWD_PUNT_LOCAL, FWD_DROP_BLACKHOLE];
    setJudge(() => verdicts.shift()!);
    tapped.add(0).add(1);
    device.incoming = [1, 2, 3].map((mark) => [0, mark]);
    loop.turn();
    const { rx } = ports[0]!;
    const shown: [byte: number, length: number, mark: number][] = [];
    rx.acquire();
    while (rx.next()) shown.push([rx.bytes[rx.off]!, rx.length, rx.mark]);
    expect(shown).toEqual([[1, 60, 20], [1, 61, 23], [2, 60, 0], [3, 60, 20]]);
    expect(device.outgoing).toEqual(['1:1x61']);
    expect(ports[0]!.counters[PC_PUNTS - FWD_PUNT_LOCAL]).toBe(1);
  });

  test('rings once for a receiver that sleeps, for each batch and queue', () => {
    const { device, loop, ports, told, counters } = makeRig();
    for (const { rx } of ports) expect(rx.sleepUntilRecord()).toBe(true);
    device.incoming = [[0, 1], [0, 2], [1, 3]];
    loop.turn();
    expect(told).toEqual([0, 1]);
    device.incoming = [[0, 4]];
    loop.turn();
    expect(told).toEqual([0, 1]);
    expect(counters[W_BELLS]).toBe(2);
    expect(received(ports[0]!.rx)).toEqual([1, 2, 4]);
  });

  test('drops punted frames for a full ring, and forwards the others', () => {
    const { device, loop, ports, setJudge } = makeRig();
    setJudge((port) => (port === 0 ? FWD_PUNT_LOCAL : 0));
    device.incoming = Array.from({ length: 600 }, (_, i) => [i % 2, i & 0xff]);
    loop.turn();
    const there = received(ports[0]!.rx).length;
    expect(there).toBeGreaterThan(100);
    expect(ports[0]!.counters[PC_RX_FULL]).toBe(300 - there);
    expect(ports[0]!.counters[PC_FWD_FRAMES]).toBe(300);
  });

  test('counts forwarded frames that the kernel has no room for, or refuses, or that have nowhere to go', () => {
    const { device, loop, ports, setJudge } = makeRig();
    setJudge((port) => (port === 0 ? 1 : 7));
    device.refusals = [EAGAIN, EIO];
    device.incoming = [[0, 1], [0, 2], [1, 3], [0, 4]];
    loop.turn();
    expect(device.outgoing).toEqual(['1:4x61']);
    expect(counted(ports[1]!.counters)).toMatchObject({ [PC_TX_FULL]: 1, [PC_TX_ERRORS]: 1, [PC_NO_PORT]: 1, [PC_FWD_FRAMES]: 1 });
    // What is known later only is not counted as forwarded either.
    loop.refused(1, 1, 61, EAGAIN);
    expect(counted(ports[1]!.counters)).toMatchObject({ [PC_TX_FULL]: 2, [PC_TX_ERRORS]: 1 });
    expect([ports[1]!.counters[PC_FWD_FRAMES], ports[1]!.counters[PC_FWD_OCTETS]]).toEqual([0, 0]);
  });

  test('writes the transmit rings in order; what the kernel has no room for stays and is tried again soon', () => {
    const { device, loop, ports } = makeRig();
    send(ports[0]!.tx, 1, 2, 3);
    send(ports[1]!.tx, 9);
    device.refusals = [0, EAGAIN];
    loop.turn();
    expect(device.outgoing).toEqual(['0:1x60', '1:9x60']);
    expect(device.timeouts).toEqual([RETRY_MS]);
    loop.turn();
    expect(device.outgoing).toEqual(['0:1x60', '1:9x60', '0:2x60', '0:3x60']);
    expect(device.timeouts).toEqual([RETRY_MS, IDLE_MS]);
    expect(counted(ports[0]!.counters)).toMatchObject({ [PC_TX_FRAMES]: 3, [PC_TX_WAITS]: 1 });
  });

  test('does not wait while a transmit ring may have more', () => {
    const { device, loop, ports } = makeRig();
    send(ports[0]!.tx, ...Array.from({ length: TX_BURST + 1 }, () => 1));
    loop.turn();
    loop.turn();
    expect(device.timeouts).toEqual([0, IDLE_MS]);
    expect(device.outgoing).toHaveLength(TX_BURST + 1);
  });

  test('sleeps offline and says so; frames or commands given meanwhile, or just before, end the sleep', () => {
    const { device, loop, ports, control, periods, slot, log, counters } = makeRig();
    device.asleep = () => {
      expect(Atomics.load(control, ASLEEP)).toBe(1);
      expect(periods.state(slot)).toBe(READER_OFFLINE);
      expect(counters[W_SINCE_MS]).toBe(0);
      Atomics.add(control, COMMANDS, 1);
    };
    loop.turn();
    expect(Atomics.load(control, ASLEEP)).toBe(0);
    expect(periods.state(slot)).toBe(READER_ONLINE);
    // Commands are taken once it is online again, and before the next batch.
    expect(log).toEqual(['take', `begin ${READER_ONLINE}`, `begin ${READER_ONLINE}`]);
    expect([counters[W_SLEEPS], counters[W_BUSY_MS]]).toEqual([1, 10]);
    log.length = 0;
    device.asleep = () => undefined;
    const plainTurn = device.turn.bind(device);
    device.turn = (timeout) => {
      send(ports[1]!.tx, 5);
      return plainTurn(timeout);
    };
    loop.turn();
    expect(log[0]).toBe('wake');
    expect(counters[W_SINCE_MS]).toBeGreaterThan(0);
  });

  test('takes commands after it has said that it holds nothing, at the end of each batch', () => {
    const { device, loop, control, log, periods, told } = makeRig();
    device.incoming = [[0, 1]];
    const period = periods.begin();
    periods.wait(true);
    Atomics.add(control, COMMANDS, 1);
    device.behind = () => {
      expect(log).toEqual(['take', `begin ${READER_ONLINE}`]);
      expect(periods.passed(period)).toBe(true);
      expect(told).toEqual([MSG_PASSED]);
    };
    loop.turn();
    expect(device.timeouts).toHaveLength(1);
  });

  test('told to stop, writes what was published and goes offline', () => {
    const { device, loop, ports, control, periods, slot } = makeRig();
    for (let i = 0; i < 2; i++) send(ports[i]!.tx, ...Array.from({ length: 50 }, () => 1));
    Atomics.store(control, STOP, 1);
    expect(loop.end()).toBe(true);
    expect(device.outgoing).toHaveLength(100);
    expect(periods.state(slot)).toBe(READER_OFFLINE);
  });

  test('given up for dead, it ends and touches nothing', () => {
    const { device, loop, ports, periods, slot } = makeRig();
    send(ports[0]!.tx, 1);
    device.incoming = [[0, 1]];
    periods.bury(slot);
    device.behind = () => send(ports[0]!.tx, 2);
    loop.turn();
    const written = device.outgoing.length;
    expect(loop.end()).toBe(false);
    expect(device.outgoing).toHaveLength(written);
  });
});
