/**
 * poll-io.test.ts — PollIo over datagram pairs in place of TAPs. Needs Linux, no root.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFramePair } from '../../../test/interop/frame-pair.js';
import { EAGAIN, ENODEV, loadLibc, O_CLOEXEC, O_NONBLOCK } from '../../tap/libc.js';
import type { Libc } from '../../tap/libc.js';
import { BATCH_MAX, FRAME_HEADROOM } from './frame-io.js';
import type { FrameHandler, FrameMemory } from './frame-io.js';
import { PollIo } from './poll-io.js';

const FRAME_MAX = 2_000;

/** A handler that writes down what it is told; `each` does something with a frame. */
class Recorder implements FrameHandler {
  readonly told: string[] = [];
  each: (port: number, mem: FrameMemory, at: number, len: number) => void = () => undefined;

  frame(port: number, mem: FrameMemory, at: number, len: number): void {
    this.told.push(`frame ${port} ${len} ${mem.bytes[at]!}`);
    this.each(port, mem, at, len);
  }

  batchEnd(): void {
    this.told.push('end');
  }

  idle(): void {
    this.told.push('idle');
  }

  awake(): void {
    this.told.push('awake');
  }

  gone(port: number, errno: number): void {
    this.told.push(`gone ${port} ${errno}`);
  }
}

/** The far ends of ports: memory of its own to write from and read into. */
class FarEnd {
  readonly fd: number;
  private readonly libc: Libc;
  private readonly bytes = new Uint8Array(FRAME_MAX);
  private readonly address: number;

  constructor(libc: Libc, fd: number) {
    this.libc = libc;
    this.fd = fd;
    this.address = libc.address(this.bytes);
  }

  write(mark: number, len = 60): boolean {
    this.bytes[0] = mark;
    return this.libc.write(this.fd, this.address, len) === len;
  }

  /** First byte and length of each frame that is there. */
  readAll(): [number, number][] {
    const found: [number, number][] = [];
    for (let n = 0; (n = this.libc.read(this.fd, this.address, FRAME_MAX)) > 0; ) found.push([this.bytes[0]!, n]);
    return found;
  }
}

describe.runIf(process.platform === 'linux')('PollIo', () => {
  const libc = loadLibc();
  let fds: number[] = [];
  let wakeFd = -1;
  let handler = new Recorder();
  let io = new PollIo(libc, handler, wakeFd);
  const wakeWord = new BigUint64Array([1n]);
  const wakeAddress = libc.address(wakeWord);

  /** Opens a port; its far end. */
  function openPort(port: number, input = true): FarEnd {
    const [near, far] = openFramePair();
    fds.push(near.fd, far.fd);
    io.open(port, near.fd, input, FRAME_MAX);
    return new FarEnd(libc, far.fd);
  }

  beforeEach(() => {
    wakeFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    fds = [wakeFd];
    handler = new Recorder();
    io = new PollIo(libc, handler, wakeFd);
  });
  afterEach(() => {
    io.destroy();
    for (const fd of fds) libc.close(fd);
  });

  test('hands over what is there and does not sleep', () => {
    const a = openPort(0);
    const b = openPort(3);
    a.write(1);
    b.write(2, 100);
    a.write(3);
    expect(io.turn(60_000)).toBe(3);
    expect(handler.told).toEqual(['frame 0 60 1', 'frame 0 60 3', 'frame 3 100 2', 'end']);
  });

  test('sleeps when nothing is there, and says so; the wake descriptor ends a sleep, once', () => {
    openPort(0);
    expect(io.turn(0)).toBe(0);
    expect(handler.told).toEqual([]);
    handler.idle = () => {
      handler.told.push('idle');
      libc.write(wakeFd, wakeAddress, 8);
    };
    expect(io.turn(60_000)).toBe(0);
    expect(handler.told.splice(0)).toEqual(['idle', 'awake']);
    handler.idle = () => void handler.told.push('idle');
    expect(io.turn(1)).toBe(0);
    expect(handler.told).toEqual(['idle', 'awake']);
  });

  test('forwards from the slot, grown into the headroom, and reads on', () => {
    const a = openPort(0);
    const b = openPort(1, false);
    handler.each = (_port, mem, at, len) => {
      mem.bytes[at - FRAME_HEADROOM] = 100 + mem.bytes[at]!;
      expect(io.forward(1, at - FRAME_HEADROOM, len + FRAME_HEADROOM)).toBe(true);
    };
    a.write(1);
    a.write(2, FRAME_MAX);
    expect(io.turn(60_000)).toBe(2);
    expect(b.readAll()).toEqual([[101, 60 + FRAME_HEADROOM], [102, FRAME_MAX]]);
  });

  test('sends from other memory; a full or unknown port refuses', () => {
    const b = openPort(1, false);
    const bytes = new Uint8Array(100).fill(7);
    const mem = { bytes, view: new DataView(bytes.buffer), address: libc.address(bytes) };
    let sent = 0;
    while (io.send(1, mem, 10, 50)) sent++;
    expect(io.errno).toBe(EAGAIN);
    expect(b.readAll()).toEqual(Array.from({ length: sent }, () => [7, 50]));
    expect(io.send(2, mem, 0, 50)).toBe(false);
    expect(io.errno).toBe(ENODEV);
    io.close(1);
    expect(io.send(1, mem, 0, 50)).toBe(false);
    expect(b.readAll()).toEqual([]);
  });

  test('a port for output only is not read', () => {
    const b = openPort(1, false);
    b.write(1);
    expect(io.turn(1)).toBe(0);
    expect(handler.told).toEqual(['idle', 'awake']);
  });

  test('a batch ends after BATCH_MAX frames, also across ports', () => {
    const ends = Array.from({ length: BATCH_MAX / 8 + 1 }, (_, i) => openPort(i));
    for (const end of ends) for (let n = 0; n < 8; n++) expect(end.write(n)).toBe(true);
    expect(io.turn(60_000)).toBe(BATCH_MAX + 8);
    const at = handler.told.flatMap((line, i) => (line === 'end' ? [i] : []));
    expect(at).toEqual([BATCH_MAX, BATCH_MAX + 9]);
  });

  test('a port that always has frames leaves the others their turn', () => {
    const a = openPort(0);
    const b = openPort(1);
    handler.each = (port) => void (port === 0 && a.write(1));
    a.write(1);
    b.write(2);
    expect(io.turn(60_000)).toBe(BATCH_MAX + 1);
    expect(handler.told).toContain('frame 1 60 2');
  });

  test('closed within a callback, a port hands over nothing more', () => {
    const a = openPort(0);
    const b = openPort(1);
    handler.each = (port) => {
      if (port === 0) io.close(0);
      io.close(1);
    };
    a.write(1);
    a.write(2);
    b.write(3);
    expect(io.turn(60_000)).toBe(1);
    expect(io.turn(1)).toBe(0);
    expect(handler.told).toEqual(['frame 0 60 1', 'end', 'idle', 'awake']);
  });

  test('a descriptor that is dead is reported once; the others go on', () => {
    const a = openPort(0);
    const b = openPort(1);
    libc.close(fds[1]!);
    a.write(1);
    b.write(2);
    expect(io.turn(60_000)).toBe(1);
    expect(handler.told.splice(0)).toEqual(['gone 0 9', 'frame 1 60 2', 'end']);
    b.write(3);
    expect(io.turn(60_000)).toBe(1);
    expect(handler.told).toEqual(['frame 1 60 3', 'end']);
    fds.splice(1, 1);
  });
});
