/**
 * frame-io.test.ts — every FrameIo over datagram pairs in place of TAPs. Needs Linux, no root; io_uring where the kernel has it.
 */
import { VIRTIO_NET_HDR_LEN } from '@netloom/core/wire';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFramePair } from '../../../test/interop/frame-pair.js';
import { lackingUring } from '../../../test/peers.js';
import { EAGAIN, EBADFD, EMSGSIZE, ENODEV, loadLibc, O_CLOEXEC, O_NONBLOCK } from '../../tap/libc.js';
import type { Libc } from '../../tap/libc.js';
import { BATCH_MAX, FRAME_HEADROOM } from './frame-io.js';
import type { FrameHandler, FrameIo, FrameMemory } from './frame-io.js';
import { PollIo } from './poll-io.js';
import { DATA, frameOf } from './test-tcp-frames.js';
import { UringIo } from './uring-io.js';

const FRAME_MAX = 1_900;

/** A handler that writes down what it is told; `each` does something with a frame. */
class Recorder implements FrameHandler {
  readonly told: string[] = [];
  readonly refusals: [port: number, errno: number][] = [];
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

  refused(port: number, frames: number, octets: number, errno: number): void {
    expect([frames, octets]).toEqual([1, 60]);
    this.refusals.push([port, errno]);
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

  writeFrame(frame: Uint8Array): void {
    this.bytes.set(frame);
    expect(this.libc.write(this.fd, this.address, frame.length)).toBe(frame.length);
  }

  /** First byte and length of each frame that is there. */
  readAll(): [number, number][] {
    const found: [number, number][] = [];
    for (let n = 0; (n = this.libc.read(this.fd, this.address, FRAME_MAX)) > 0; ) found.push([this.bytes[0]!, n]);
    return found;
  }
}

const noUring = lackingUring();
if (noUring !== null) console.warn(`UringIo is not tested: ${noUring}`);

describe.runIf(process.platform === 'linux').each([
  { name: 'PollIo', lacking: null, make: (libc: Libc, handler: FrameHandler, wakeFd: number): FrameIo => new PollIo(libc, handler, wakeFd) },
  { name: 'UringIo', lacking: noUring, make: (libc: Libc, handler: FrameHandler, wakeFd: number): FrameIo => new UringIo(libc, handler, wakeFd) },
].filter(({ lacking }) => lacking === null))('$name', ({ name, make }) => {
  const libc = loadLibc();
  let fds: number[] = [];
  let wakeFd = -1;
  let handler = new Recorder();
  let io: FrameIo;
  const wakeWord = new BigUint64Array([1n]);
  const wakeAddress = libc.address(wakeWord);

  function wake(): void {
    wakeWord[0] = 1n;
    libc.write(wakeFd, wakeAddress, 8);
  }

  /** Opens a port; its far end. */
  function openPort(port: number, input = true): FarEnd {
    const [near, far] = openFramePair();
    fds.push(near.fd, far.fd);
    io.open(port, near.fd, input, FRAME_MAX);
    return new FarEnd(libc, far.fd);
  }

  /** Turns without sleeping until nothing is handed over; the frames that were. What was forwarded has left then. */
  function drain(): number {
    let frames = 0;
    for (let n = 0; (n = io.turn(0)) > 0; ) frames += n;
    return frames;
  }

  beforeEach(() => {
    wakeFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    fds = [wakeFd];
    handler = new Recorder();
    io = make(libc, handler, wakeFd);
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
    // Those of a port keep their order; of two ports either may come first.
    expect(handler.told.filter((line) => line.startsWith('frame 0'))).toEqual(['frame 0 60 1', 'frame 0 60 3']);
    expect(handler.told.filter((line) => !line.startsWith('frame 0'))).toEqual(['frame 3 100 2', 'end']);
  });

  test('sleeps when nothing is there, and says so; the wake descriptor ends a sleep, once', () => {
    openPort(0);
    expect(io.turn(0)).toBe(0);
    expect(handler.told).toEqual([]);
    handler.idle = () => {
      handler.told.push('idle');
      wake();
    };
    expect(io.turn(60_000)).toBe(0);
    expect(handler.told.splice(0)).toEqual(['idle', 'awake']);
    handler.idle = () => void handler.told.push('idle');
    expect(io.turn(1)).toBe(0);
    expect(handler.told).toEqual(['idle', 'awake']);
  });

  test('a frame ends a sleep', () => {
    const a = openPort(0);
    handler.idle = () => {
      handler.told.push('idle');
      a.write(9);
    };
    let frames = 0;
    while (frames === 0) frames = io.turn(60_000);
    expect(handler.told.slice(0, 3)).toEqual(['idle', 'awake', 'frame 0 60 9']);
  });

  test('forwards from the slot, grown into the headroom, and reads on', () => {
    const a = openPort(0);
    const b = openPort(1, false);
    handler.each = (_port, mem, at, len) => {
      const grow = FRAME_HEADROOM < FRAME_MAX - len ? FRAME_HEADROOM : 0;
      mem.bytes[at - grow] = 100 + mem.bytes[at]!;
      expect(io.forward(1, at - grow, len + grow)).toBe(true);
    };
    a.write(1);
    a.write(2, FRAME_MAX);
    expect(drain()).toBe(2);
    expect(b.readAll()).toEqual([[101, 60 + FRAME_HEADROOM], [102, FRAME_MAX]]);
    expect(handler.refusals).toEqual([]);
  });

  test('keeps the order of what is forwarded and what is sent, and uses every slot again', () => {
    const a = openPort(0);
    const b = openPort(1, false);
    const bytes = new Uint8Array(64);
    const mem = { bytes, view: new DataView(bytes.buffer), address: libc.address(bytes) };
    handler.each = (_port, frames, at, len) => {
      expect(io.forward(1, at, len)).toBe(true);
      bytes[0] = frames.bytes[at]! + 1;
      expect(io.send(1, mem, 0, 60)).toBe(true);
    };
    for (let round = 0; round < 100; round++) {
      for (let mark = 0; mark < 8; mark += 2) expect(a.write(mark)).toBe(true);
      expect(drain()).toBe(4);
      expect(b.readAll().map(([mark]) => mark)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  });

  test('sends one frame to several ports, and back where it came from', () => {
    const a = openPort(0);
    const b = openPort(1);
    const c = openPort(2);
    handler.each = (_port, _mem, at, len) => [0, 1, 2].forEach((port) => expect(io.forward(port, at, len)).toBe(true));
    a.write(5);
    expect(drain()).toBe(1);
    expect([a, b, c].map((end) => end.readAll())).toEqual([[[5, 60]], [[5, 60]], [[5, 60]]]);
  });

  /** Frames of 100 bytes of data, of two connections in turn, to ports 1 and 2. */
  function forwardTwoFlows(a: FarEnd, rounds: number, joins: boolean): void {
    handler.each = (_port, mem, at, len) => expect(io.forward(mem.bytes[at + VIRTIO_NET_HDR_LEN + 5]! - 1, at, len, joins)).toBe(true);
    for (let n = 0; n < rounds; n++) for (const dst of [2, 3]) a.writeFrame(frameOf({ ...DATA, dst, id: n, seq: 1 + 100 * n, size: 100 }));
    drain();
  }

  test('frames of a connection that may join leave as one segment where a batch is written together', () => {
    const a = openPort(0);
    const ends = [openPort(1, false), openPort(2, false)];
    const whole = frameOf({ ...DATA, size: 100 }).length;
    forwardTwoFlows(a, 4, false);
    expect(ends.map((end) => end.readAll().map(([, len]) => len))).toEqual([1, 2].map(() => [whole, whole, whole, whole]));
    forwardTwoFlows(a, 4, true);
    const each = name === 'UringIo' ? [whole + 300] : [whole, whole, whole, whole];
    expect(ends.map((end) => end.readAll().map(([, len]) => len))).toEqual([each, each]);
    // What comes with a later turn begins anew.
    for (const n of [4, 5]) {
      a.writeFrame(frameOf({ ...DATA, id: n, seq: 1 + 100 * n, size: 100 }));
      drain();
    }
    expect(ends[0]!.readAll().map(([, len]) => len)).toEqual([whole, whole]);
  });

  test.runIf(name === 'UringIo')('a segment that the kernel has no room for is all of its frames, with their octets', () => {
    const a = openPort(0);
    openPort(1, false);
    const refused: number[][] = [];
    handler.refused = (port, frames, octets, errno) => void refused.push([port, frames, octets, errno]);
    while (refused.length === 0) {
      handler.each = (_port, _mem, at, len) => expect(io.forward(1, at, len, true)).toBe(true);
      for (let n = 0; n < 3; n++) a.writeFrame(frameOf({ ...DATA, id: n, seq: 1 + 100 * n, size: 100 }));
      drain();
    }
    expect(refused).toEqual([[1, 3, 3 * frameOf({ ...DATA, size: 100 }).length, EAGAIN]]);
  });

  test('a port that takes no more refuses, at once or by count, and the others go on', () => {
    const a = openPort(0);
    const b = openPort(1, false);
    const c = openPort(2, false);
    const refused: [number, number][] = handler.refusals;
    handler.each = (_port, _mem, at, len) => {
      if (!io.forward(1, at, len)) refused.push([1, io.errno]);
      expect(io.forward(2, at, len)).toBe(true);
    };
    let sent = 0;
    for (; refused.length < 5; sent++) {
      a.write(sent);
      expect(drain()).toBe(1);
      expect(c.readAll()).toEqual([[sent & 0xff, 60]]);
    }
    expect(refused).toEqual(Array.from({ length: 5 }, () => [1, EAGAIN]));
    expect(b.readAll().map(([mark]) => mark)).toEqual(Array.from({ length: sent - 5 }, (_, i) => i & 0xff));
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
    expect(drain()).toBe(BATCH_MAX + 8);
    const at = handler.told.flatMap((line, i) => (line === 'end' ? [i] : []));
    expect(at).toEqual([BATCH_MAX, BATCH_MAX + 9]);
  });

  test('a port that always has frames leaves the others their turn', () => {
    const a = openPort(0);
    const b = openPort(1);
    handler.each = (port) => void (port === 0 && a.write(1));
    a.write(1);
    b.write(2);
    for (let frames = 0; frames <= BATCH_MAX; ) frames += io.turn(0);
    expect(handler.told).toContain('frame 1 60 2');
  });

  test('closed within a callback, a port hands over nothing more', () => {
    const a = openPort(0);
    const b = openPort(1);
    handler.each = (port, _mem, at, len) => {
      if (port === 0) io.close(0);
      io.close(1);
      expect(io.forward(0, at, len)).toBe(false);
      expect(io.errno).toBe(ENODEV);
    };
    a.write(1);
    a.write(2);
    b.write(3);
    expect(drain()).toBe(1);
    expect(io.turn(1)).toBe(0);
    expect(handler.told).toEqual(['frame 0 60 1', 'end', 'idle', 'awake']);
  });

  test('what is closed can be opened again, with another descriptor, also many times', () => {
    for (let round = 0; round < 50; round++) {
      const a = openPort(0);
      a.write(round);
      expect(drain()).toBe(1);
      a.write(99);
      io.close(0);
    }
    expect(handler.told.filter((line) => line !== 'end')).toEqual(Array.from({ length: 50 }, (_, i) => `frame 0 60 ${i}`));
  });

  test('what is being read when a port closes stays where it is', () => {
    const [near, far] = openFramePair();
    fds.push(near.fd, far.fd);
    const end = new FarEnd(libc, far.fd);
    io.open(0, near.fd, true, FRAME_MAX);
    expect(io.turn(1)).toBe(0);
    io.close(0);
    end.write(4);
    expect(io.turn(1)).toBe(0);
    expect(new FarEnd(libc, near.fd).readAll()).toEqual([[4, 60]]);
  });

  test.runIf(name === 'PollIo')('a descriptor that is dead is reported once; the others go on', () => {
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

  test.runIf(name === 'UringIo')('a descriptor that cannot be read is reported once; the others go on', () => {
    const b = openPort(1);
    fds.push(libc.open('/', 0));
    io.open(0, fds.at(-1)!, true, FRAME_MAX);
    b.write(2);
    expect(drain()).toBe(1);
    expect(handler.told.splice(0).sort()).toEqual(['end', 'frame 1 60 2', `gone 0 ${EBADFD}`]);
    b.write(3);
    expect(drain()).toBe(1);
    expect(handler.told).toEqual(['frame 1 60 3', 'end']);
  });

  test.runIf(name === 'UringIo')('when there are hundreds of ports the last ones have fewer slots; one for which there is none is refused', () => {
    const ends = Array.from({ length: 331 }, (_, i) => openPort(i));
    expect(() => openPort(331)).toThrow(RangeError);
    for (const i of [0, 200, 330]) ends[i]!.write(i & 0xff);
    expect(drain()).toBe(3);
    io.close(7);
    const again = openPort(331);
    again.write(9);
    expect(drain()).toBe(1);
  });

  test.runIf(name === 'UringIo')('a frame longer than the port that it is for takes is refused', () => {
    const a = openPort(0);
    io.open(1, fds[1]!, false, 50);
    handler.each = (_port, _mem, at, len) => {
      expect(io.forward(1, at, len)).toBe(false);
      expect(io.errno).toBe(EMSGSIZE);
    };
    a.write(1);
    expect(drain()).toBe(1);
  });
});
