/**
 * tap-pump.test.ts — the worker's loop, turn by turn, against a kernel of arrays.
 */
import { describe, expect, test } from 'vitest';
import { EAGAIN, EBADFD, EINTR, EIO, ENODEV, POLLERR, POLLIN, POLLOUT } from './libc.js';
import type { Libc } from './libc.js';
import { RING_CTL_WORDS, RingConsumer, RingProducer } from './ring.js';
import { TapPump } from './tap-pump.js';
import { BURST, C_RX_WAITS, C_TX_ERRORS, C_TX_FRAMES, C_TX_OCTETS, C_TX_WAITS, CONTROL_WORDS, COUNTERS, RX_CTL, STOP, TX_CTL } from './tap-shared.js';

const FD = 3;
const EVENT_FD = 4;
const RING = 256 * 1024;

/** Memory is one array per "address": addresses are multiples of 2^32 plus an offset. */
class Kernel {
  /** Frames that reads will answer, by first byte and length. */
  incoming: { mark: number; length: number }[] = [];
  /** First bytes and lengths of frames written. */
  outgoing: { mark: number; length: number }[] = [];
  /** Errno per write, 0 to take the frame; empty takes all. */
  writeErrors: number[] = [];
  readError = EAGAIN;
  /** revents of the next polls; by default the TAP is readable when there is something and always writable. */
  polls: { events: number; timeout: number }[] = [];
  forced = 0;
  bell = false;
  private memories: Uint8Array[] = [];
  private error = 0;

  readonly libc = {
    address: (memory: ArrayBufferView) => {
      this.memories.push(new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength));
      return (this.memories.length - 1) * 2 ** 32;
    },
    errno: () => this.error,
    poll: (address: number, _count: number, timeout: number) => {
      const { bytes } = this.at(address);
      const fds = new Uint16Array(bytes.buffer, bytes.byteOffset, 8);
      this.polls.push({ events: fds[2]!, timeout });
      fds[3] = (fds[2]! & ((this.incoming.length > 0 ? POLLIN : 0) | (this.writeErrors[0] === EAGAIN ? 0 : POLLOUT))) | this.forced;
      fds[7] = this.bell ? POLLIN : 0;
      return (fds[3] !== 0 ? 1 : 0) + (this.bell ? 1 : 0);
    },
    read: (fd: number, address: number, length: number) => {
      if (fd === EVENT_FD) {
        this.bell = false;
        return 8;
      }
      const frame = this.incoming.shift();
      if (frame === undefined) {
        this.error = this.readError;
        return -1;
      }
      const { bytes, off } = this.at(address);
      expect(frame.length).toBeLessThanOrEqual(length);
      bytes[off] = frame.mark;
      return frame.length;
    },
    write: (_fd: number, address: number, length: number) => {
      this.error = this.writeErrors.shift() ?? 0;
      if (this.error !== 0) return -1;
      const { bytes, off } = this.at(address);
      this.outgoing.push({ mark: bytes[off]!, length });
      return length;
    },
  } as unknown as Libc;

  private at(address: number): { bytes: Uint8Array; off: number } {
    return { bytes: this.memories[Math.floor(address / 2 ** 32)]!, off: address % 2 ** 32 };
  }
}

function makeRig(): { kernel: Kernel; pump: TapPump; rx: RingConsumer; tx: RingProducer; control: Int32Array; counters: Float64Array; bells: () => number } {
  const kernel = new Kernel();
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const counters = new Float64Array(COUNTERS);
  const rxCtl = control.subarray(RX_CTL, RX_CTL + RING_CTL_WORDS);
  const txCtl = control.subarray(TX_CTL, TX_CTL + RING_CTL_WORDS);
  const rxBytes = new Uint8Array(RING);
  const txBytes = new Uint8Array(RING);
  let bells = 0;
  const pump = new TapPump({
    libc: kernel.libc, fd: FD, eventFd: EVENT_FD, control, counters, bell: () => void bells++,
    rx: new RingProducer(rxCtl, rxBytes), tx: new RingConsumer(txCtl, txBytes),
  });
  return { kernel, pump, control, counters, rx: new RingConsumer(rxCtl, rxBytes), tx: new RingProducer(txCtl, txBytes), bells: () => bells };
}

function send(tx: RingProducer, ...marks: number[]): void {
  for (const mark of marks) {
    const at = tx.reserve(60);
    tx.bytes[at] = mark;
    tx.commit(60);
  }
  tx.publish();
}

function received(rx: RingConsumer): number[] {
  const marks = [];
  rx.acquire();
  while (rx.next()) marks.push(rx.bytes[rx.off]!);
  rx.release();
  return marks;
}

const frames = (count: number, length = 60): { mark: number; length: number }[] => Array.from({ length: count }, (_, i) => ({ mark: i & 0xff, length }));

describe('TapPump', () => {
  test('waits in poll only when there is nothing to do', () => {
    const { kernel, pump, tx } = makeRig();
    pump.turn();
    send(tx, ...Array.from({ length: BURST + 1 }, () => 1));
    pump.turn();
    pump.turn();
    pump.turn();
    expect(kernel.polls.map((p) => p.timeout)).toEqual([1000, 0, 0, 1000]);
    expect(kernel.polls.every((p) => p.events === POLLIN)).toBe(true);
  });

  test('reads one burst a turn and rings once for a receiver that sleeps', () => {
    const { kernel, pump, rx, bells } = makeRig();
    kernel.incoming = frames(BURST + 6);
    expect(rx.sleepUntilRecord()).toBe(true);
    expect(pump.turn()).toBe(true);
    expect(received(rx)).toHaveLength(BURST);
    pump.turn();
    expect(received(rx)).toEqual(Array.from({ length: 6 }, (_, i) => BURST + i));
    expect(bells()).toBe(1);
  });

  test('stops reading while the ring is full and takes up again when there is room', () => {
    const { kernel, pump, rx, counters } = makeRig();
    kernel.incoming = frames(20, 30_000);
    for (let i = 0; i < 4; i++) pump.turn();
    const before = kernel.incoming.length;
    expect(before).toBeGreaterThan(8);
    expect(counters[C_RX_WAITS]).toBe(1);
    expect(kernel.polls.at(-1)).toEqual({ events: 0, timeout: 1000 });
    expect(received(rx)).toEqual(Array.from({ length: 20 - before }, (_, i) => i));
    pump.turn();
    expect(kernel.polls.at(-1)!.events).toBe(POLLIN);
    expect(kernel.incoming.length).toBeLessThan(before);
  });

  test('a receiver that makes room rings a reader that waits for it', () => {
    const { kernel, pump, rx } = makeRig();
    kernel.incoming = frames(20, 30_000);
    let rung = false;
    const poll = kernel.libc.poll.bind(kernel.libc);
    kernel.libc.poll = (address, count, timeout) => {
      if (timeout !== 0 && kernel.polls.length >= 2) {
        rx.acquire();
        while (rx.next());
        rung = rx.release();
      }
      return poll(address, count, timeout);
    };
    for (let i = 0; i < 3; i++) pump.turn();
    expect(rung).toBe(true);
  });

  test('keeps a frame the kernel has no room for, and waits until it has', () => {
    const { kernel, pump, tx, counters } = makeRig();
    send(tx, 1, 2, 3);
    kernel.writeErrors = [0, EAGAIN, EAGAIN];
    pump.turn();
    pump.turn();
    expect(kernel.polls.at(-1)).toEqual({ events: POLLIN | POLLOUT, timeout: 1000 });
    expect(kernel.outgoing.map((f) => f.mark)).toEqual([1]);
    kernel.writeErrors = [];
    pump.turn();
    expect(kernel.outgoing.map((f) => f.mark)).toEqual([1, 2, 3]);
    expect([...counters.subarray(C_TX_FRAMES, C_TX_WAITS + 1)]).toEqual([3, 180, 0, 1]);
  });

  test('counts a frame the kernel refuses, and goes on; an interrupted write is made again', () => {
    const { kernel, pump, tx, counters } = makeRig();
    send(tx, 1, 2, 3, 4);
    kernel.writeErrors = [0, EIO, EINTR, 0];
    pump.turn();
    pump.turn();
    expect(kernel.outgoing.map((f) => f.mark)).toEqual([1, 3, 4]);
    expect(counters[C_TX_ERRORS]).toBe(1);
    expect(counters[C_TX_FRAMES]).toBe(3);
    expect(counters[C_TX_OCTETS]).toBe(180);
  });

  test('told to stop, writes what was published and ends', () => {
    const { kernel, pump, tx, control } = makeRig();
    send(tx, ...Array.from({ length: 3 * BURST }, () => 1));
    Atomics.store(control, STOP, 1);
    pump.run();
    expect(kernel.outgoing).toHaveLength(3 * BURST);
    expect(pump.gone).toBe(0);
  });

  test('told to stop while the kernel takes nothing, ends all the same', () => {
    const { kernel, pump, tx, control } = makeRig();
    send(tx, 1, 2);
    kernel.writeErrors = Array.from({ length: 10 }, () => EAGAIN);
    Atomics.store(control, STOP, 1);
    pump.run();
    expect(kernel.outgoing).toEqual([]);
  });

  test('a device that goes away ends the loop, with what was read before it', () => {
    for (const [forced, readError, gone] of [[POLLERR, EAGAIN, ENODEV], [0, EBADFD, EBADFD]] as const) {
      const { kernel, pump, rx } = makeRig();
      kernel.incoming = frames(2);
      kernel.forced = forced;
      kernel.readError = readError;
      pump.run();
      expect(pump.gone).toBe(gone);
      expect(received(rx)).toEqual([0, 1]);
    }
  });

  test('answers its bell once', () => {
    const { kernel, pump } = makeRig();
    kernel.bell = true;
    pump.turn();
    expect(kernel.bell).toBe(false);
  });
});
