/**
 * vhost-user-wire.test.ts — guests on vhost-user ports, without guests: two front ends with real shared memory, joined by a bridge.
 */
import { existsSync } from 'node:fs';
import { CSUM_L4, GSO_TCPV4, GSO_UDP_L4, ifTransmit } from '@netloom/core';
import { ip4PutSum } from '@netloom/core/wire';
import { describe, expect, test } from 'vitest';
import { withPortLab } from '../../test/port-lab.js';
import { numberOf, numberedFrame } from '../../test/stream-peer.js';
import { HDR, frames, gets, plug, range, replug, vhostUser, whole, withPair } from '../../test/vhost-user/vhost-pair.js';
import { O_CLOEXEC, O_NONBLOCK } from '../tap/libc.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import { listenUnix } from './fd-socket.js';
import { FrontEnd } from '../../test/vhost-user/front-end.js';
import { SET_VRING_ENABLE, statePayload } from './protocol.js';
import { loadUnixLibc } from './unix-libc.js';
import {
  RECEIVEQ, TRANSMITQ, VIRTIO_F_EVENT_IDX, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_MRG_RXBUF,
} from './virtio-net.js';

const [A, B] = [1, 2];
const ALL = (1n << 64n) - 1n;

test('frames cross, one or many at a time, of any length', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  a.send(numberedFrame(B, A, 0));
  await gets(b, [0]);
  for (const n of range(0, 256)) expect(b.queue(numberedFrame(A, B, n, 60 + n))).toBe(true);
  expect(b.queue(numberedFrame(A, B, 256))).toBe(false);
  b.publish(TRANSMITQ);
  const got = await frames(a, 256);
  expect(got.map((frame) => numberOf(frame))).toEqual(range(0, 256));
  expect(got.map((frame) => frame.length)).toEqual(range(60, 316));
  const { fromGuest, toGuest, vhostUser: more, ...rest } = await lab.port('tap0');
  expect(rest).toEqual({ state: 'connected', connects: 1 });
  expect(fromGuest).toEqual({ frames: 1, bytes: 64, drops: 0 });
  expect(toGuest).toEqual({ frames: 256, bytes: got.reduce((sum, frame) => sum + frame.length, 0), drops: 0 });
  expect(more).toMatchObject({ driver: true, broken: 0, refused: 0, tooLong: 0, waits: 0 });
})));

test.each([['event indexes', ALL], ['flags', ALL & ~VIRTIO_F_EVENT_IDX]])('with %s a busy guest neither kicks nor is called for each frame', (_name, features) => withPortLab((lab) => withPair(lab, async (a, b) => {
  const before = [(await vhostUser(lab, 'tap0')).kicks, (await vhostUser(lab, 'tap1')).calls] as const;
  let got = 0;
  b.rings[RECEIVEQ].wantCall(true);
  for (let sent = 0; sent < 2_000;) {
    while (sent < 2_000 && a.send(numberedFrame(B, A, sent))) sent++;
    await new Promise((resolve) => setImmediate(resolve));
    b.rings[RECEIVEQ].wantCall(false);
    while (b.receive() !== null) got++;
    b.rings[RECEIVEQ].wantCall(true);
  }
  await expect.poll(() => {
    while (b.receive() !== null) got++;
    return got;
  }).toBe(2_000);
  // Turns take 64 frames: each ends with at most one kick and one call.
  expect((await vhostUser(lab, 'tap0')).kicks - before[0]).toBeLessThan(200);
  expect((await vhostUser(lab, 'tap1')).calls - before[1]).toBeLessThan(200);
  expect(lab.dropped('tap1')).toBe(0);
}, { features }, { features })));

describe('offloads', () => {
  /** A TCP segment over IPv4 with its checksum pending; `payload` bytes of data. */
  function segment(payload: number): [Buffer, VnetHdr] {
    const frame = numberedFrame(B, A, 0, 14 + 20 + 20 + payload);
    frame.fill(0, 14, 54);
    frame.writeUInt16BE(0x0800, 12);
    frame.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14);
    frame.writeUInt16BE(40 + payload, 16);
    ip4PutSum(new DataView(frame.buffer, frame.byteOffset), 14, 20);
    frame[34 + 12] = 0x50;
    return [frame, { flags: 1, gsoType: payload > 1_460 ? GSO_TCPV4 : 0, hdrLen: 54, gsoSize: payload > 1_460 ? 1_460 : 0, csumStart: 34, csumOffset: 16 }];
  }

  const NO_TSO = ALL & ~VIRTIO_NET_F_GUEST_TSO4;
  const NO_CSUM = NO_TSO & ~VIRTIO_NET_F_GUEST_CSUM;

  test('a super-segment crosses uncut, its checksum pending', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    const [frame, hdr] = segment(40_000);
    expect(a.send(frame, hdr)).toBe(true);
    const [got] = await whole(b, 1);
    expect([got!.readUInt8(0), got!.readUInt8(1), got!.readUInt16LE(4), got!.readUInt16LE(6), got!.readUInt16LE(8)]).toEqual([1, GSO_TCPV4, 1_460, 34, 16]);
    expect(got!.readUInt16LE(10)).toBe(Math.ceil((HDR + frame.length) / 2_048));
    expect(Buffer.compare(got!.subarray(HDR), frame)).toBe(0);
  }, { slotSize: 65_600, num: 16 })));

  test('it is cut for a driver that has not agreed to segments', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    a.send(...segment(4_000));
    const got = await whole(b, 3);
    expect(got.map((bytes) => bytes.length - HDR)).toEqual([1_514, 1_514, 54 + 1_080]);
    expect(got.map((bytes) => bytes.readUInt8(0))).toEqual([1, 1, 1]);
  }, { slotSize: 65_600, num: 16 }, { features: NO_TSO })));

  test('and its checksum is computed for one that has not agreed to pending ones', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    const [frame, hdr] = segment(100);
    a.send(frame, hdr);
    const [got] = await whole(b, 1);
    expect(got!.readUInt8(0)).toBe(0);
    expect(got!.readUInt16BE(HDR + 34 + 16)).not.toBe(0);
  }, {}, { features: NO_CSUM })));

  test('what was made for a driver that agreed to more is not given to one that did not', () => withPortLab((lab) => withPair(lab, async (_a, b) => {
    expect((await vhostUser(lab, 'tap1')).features).toBe(`0x${b.features.toString(16)}`);
    const { kernel, loop } = lab.daemon;
    const ifp = kernel.vnets.map((v) => v.net.ifunit('tap1')).find((found) => found !== null)!;
    loop.batch(() => {
      const m = kernel.engine.pool.alloc(4_000)!;
      m.buf.fill(0, m.off, m.off + m.len);
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off + 34;
      m.gsoType = GSO_UDP_L4;
      m.gsoSize = 1_000;
      kernel.call(loop.now, () => void ifTransmit(ifp, m));
    });
    await expect.poll(() => ifp.data.oerrors + ifp.data.oqdrops).toBe(1);
    expect(b.receive()).toBe(null);
  }, {}, { features: ALL & ~VIRTIO_NET_F_GUEST_USO4 })));
});

describe('a guest without receive buffers', () => {
  /** Takes all of a guest's buffers away. */
  async function starve(a: FrontEnd, b: FrontEnd): Promise<void> {
    for (const n of range(0, 16)) a.send(numberedFrame(B, A, n));
    await expect.poll(() => b.rings[RECEIVEQ].used[1]).toBe(16);
  }

  test('is waited for, and gets everything in order when it has some', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    await starve(a, b);
    for (const n of range(16, 216)) expect(a.send(numberedFrame(B, A, n))).toBe(true);
    await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(216);
    await gets(b, range(0, 216));
    expect((await vhostUser(lab, 'tap1')).waits).toBeGreaterThan(0);
    expect(lab.dropped('tap1')).toBe(0);
    expect((await lab.port('tap1')).toGuest).toMatchObject({ frames: 216, drops: 0 });
  }, {}, { num: 16 })));

  test('is waited for with so many frames and no more; the rest is dropped and counted, and others go on', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    await starve(a, b);
    for (let sent = 16; sent < 3_016;) {
      if (a.send(numberedFrame(B, A, sent))) sent++;
      else await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(3_016);
    // One waits at the port, 1024 in the tap's queue.
    expect(lab.dropped('tap1')).toBe(3_016 - 16 - 1_025);
    b.send(numberedFrame(A, B, 1));
    await gets(a, [1]);
    await gets(b, range(0, 16 + 1_025));
  }, {}, { num: 16 })));

  test('that goes away lets what waits go', () => withPortLab((lab) => withPair(lab, async (a, b) => {
    await starve(a, b);
    for (const n of range(16, 100)) a.send(numberedFrame(B, A, n));
    await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(100);
    b.close();
    await expect.poll(() => lab.state('tap1')).toBe('listening');
    expect((await lab.port('tap1')).toGuest).toMatchObject({ frames: 16, drops: 84 });
  }, {}, { num: 16 })));
});

test('a frame that fits into no buffer is dropped and counted, and the next is not', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  a.send(numberedFrame(B, A, 0, 1_514));
  a.send(numberedFrame(B, A, 1, 60));
  await gets(b, [1]);
  expect((await vhostUser(lab, 'tap1')).tooLong).toBe(1);
}, {}, { slotSize: 512, features: ALL & ~VIRTIO_NET_F_MRG_RXBUF })));

test('a guest that is killed and comes back begins anew; frames to nobody are dropped and counted', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  a.send(numberedFrame(B, A, 0));
  await gets(b, [0]);
  a.close();
  await expect.poll(() => lab.state('tap0')).toBe('listening');
  expect((await vhostUser(lab, 'tap0')).driver).toBe(false);
  b.send(numberedFrame(A, B, 1));
  await expect.poll(() => lab.dropped('tap0')).toBe(1);
  const again = await replug(lab, 'tap0');
  again.send(numberedFrame(B, A, 2));
  await gets(b, [2]);
  b.send(numberedFrame(A, B, 3));
  await gets(again, [3]);
  expect((await lab.port('tap0')).connects).toBe(2);
  again.close();
})));

test('a port that is closed and opened again is one for the same guest', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  await lab.detach('tap0');
  await expect.poll(() => a.isClosed).toBe(true);
  expect(existsSync(lab.path('tap0'))).toBe(false);
  const again = await plug(lab, 'tap0');
  await lab.tool('ifconfig', 'tap0', 'up'); // as after any close of a tap
  again.send(numberedFrame(B, A, 2));
  await gets(b, [2]);
  again.close();
})));

test('a ring that is stopped says where it was, and goes on there', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  for (const n of range(0, 5)) a.send(numberedFrame(B, A, n));
  await gets(b, range(0, 5));
  expect(await a.stopRing(TRANSMITQ)).toBe(5);
  a.send(numberedFrame(B, A, 5));
  expect((await vhostUser(lab, 'tap0')).driver).toBe(false);
  expect(b.receive()).toBe(null);
  await a.startRing(TRANSMITQ, 5);
  await gets(b, [5]);
  // Whatever the front end believes: what was given back is not taken again.
  await a.stopRing(TRANSMITQ);
  await a.startRing(TRANSMITQ, 0);
  a.send(numberedFrame(B, A, 6));
  await gets(b, [6]);
})));

test('frames of a disabled transmit ring are thrown away, and none come into a disabled receive ring', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  await a.set(SET_VRING_ENABLE, statePayload(TRANSMITQ, 0));
  a.send(numberedFrame(B, A, 0));
  await expect.poll(async () => (await vhostUser(lab, 'tap0')).discarded).toBe(1);
  await a.set(SET_VRING_ENABLE, statePayload(TRANSMITQ, 1));
  await a.set(SET_VRING_ENABLE, statePayload(RECEIVEQ, 0));
  a.send(numberedFrame(B, A, 1));
  await gets(b, [1]);
  b.send(numberedFrame(A, B, 2));
  await expect.poll(() => lab.dropped('tap0')).toBe(1);
  expect(a.receive()).toBe(null);
})));

test('the memory table may change while frames go', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  for (const round of range(0, 5)) {
    for (const n of range(0, 20)) a.send(numberedFrame(B, A, 20 * round + n));
    await a.shareMemory();
  }
  await gets(b, range(0, 100));
})));

test('a second guest is refused while one is there', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  const second = FrontEnd.connect(lab.path('tap0'), {});
  await expect.poll(() => second.isClosed).toBe(true);
  a.send(numberedFrame(B, A, 0));
  await gets(b, [0]);
  expect(lab.log.filter((line) => line.includes('a second guest was refused'))).toHaveLength(1);
})));

test('where the guest\'s program listens, it is asked for again and again', () => withPortLab(async (lab) => {
  const libc = loadUnixLibc();
  await lab.attach('tap0', `vhost-user:${lab.path('qemu')},client`);
  await expect.poll(() => lab.port('tap0')).toMatchObject({ state: 'connecting', error: 'ENOENT', connects: 0 });
  for (const connects of [1, 2]) {
    const listener = await listenUnix(libc, lab.path('qemu'), '');
    let fd = -1;
    await expect.poll(() => (fd = libc.accept(listener, O_NONBLOCK | O_CLOEXEC)), { timeout: 10_000 }).toBeGreaterThanOrEqual(0);
    libc.close(listener);
    const guest = FrontEnd.adopt(fd, {});
    await guest.start();
    guest.send(numberedFrame(B, A, 0));
    await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(connects);
    expect(await lab.port('tap0')).toMatchObject({ state: 'connected', connects });
    guest.close();
    await expect.poll(() => lab.state('tap0')).toBe('connecting');
  }
}));
