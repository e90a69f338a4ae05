/**
 * stream-wire.test.ts — guests behind streams, without guests: two programs that speak as QEMU does, joined by a bridge.
 */
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withPortLab } from '../../test/port-lab.js';
import type { PortLab } from '../../test/port-lab.js';
import { StreamListener, StreamPeer, framed, numberOf, numberedFrame } from '../../test/stream-peer.js';
import { readLab } from '../lab/lab-file.js';

const [A, B] = [1, 2];

/** Plugs `a` into tap0 and `b` into tap1; we listen. */
async function pair(lab: PortLab): Promise<[a: StreamPeer, b: StreamPeer]> {
  await lab.attach('tap0', `stream:unix:${lab.path('a')},server`);
  await lab.attach('tap1', `stream:unix:${lab.path('b')},server`);
  return [await StreamPeer.connect({ path: lab.path('a') }), await StreamPeer.connect({ path: lab.path('b') })];
}

/** Waits until `peer` has the frames with these numbers, and no others. */
async function gets(peer: StreamPeer, numbers: readonly number[]): Promise<void> {
  await expect.poll(() => peer.got.length, { timeout: 10_000, interval: 10 }).toBeGreaterThanOrEqual(numbers.length);
  expect(peer.got.map((frame) => numberOf(frame))).toEqual(numbers);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('frames cross, one or many in a write, or a byte at a time', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  a.send(numberedFrame(B, A, 0));
  await gets(b, [0]);
  b.send(...range(0, 300).map((n) => numberedFrame(A, B, n, 60 + n)));
  await gets(a, range(0, 300));
  expect(a.got.map((frame) => frame.length)).toEqual(range(60, 360));
  const stream = framed(numberedFrame(B, A, 1), numberedFrame(B, A, 2));
  a.socket.setNoDelay?.(true);
  for (const byte of stream) await a.write(Uint8Array.of(byte));
  await gets(b, [0, 1, 2]);
  const { fromGuest, toGuest, ...rest } = await lab.port('tap0');
  expect(rest).toEqual({ state: 'connected', connects: 1 });
  expect(fromGuest).toEqual({ frames: 3, bytes: 192, drops: 0 });
  expect(toGuest).toEqual({ frames: 300, bytes: b.socket.bytesWritten - 4 * 300, drops: 0 });
}));

test('a frame of 64 KB crosses', () => withPortLab(async (lab) => {
  for (const ifname of ['tap0', 'tap1']) await lab.tool('ifconfig', 'bridge0', 'deletem', ifname);
  for (const ifname of ['tap0', 'tap1']) await lab.tool('ifconfig', ifname, 'mtu', '65535');
  await lab.tool('ifconfig', 'bridge0', 'addm', 'tap0');
  await lab.tool('ifconfig', 'bridge0', 'addm', 'tap1');
  const [a, b] = await pair(lab);
  const frame = numberedFrame(B, A, 9, 65_535 + 14);
  frame.fill(0x5a, 18);
  a.send(frame, numberedFrame(B, A, 10));
  await gets(b, [9, 10]);
  expect(b.got[0]!.equals(frame)).toBe(true);
}));

test('a guest that is cut off in a frame and comes back begins anew; frames to nobody are dropped and counted', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  await a.write(Buffer.concat([framed(numberedFrame(B, A, 0)), framed(numberedFrame(B, A, 1)).subarray(0, 40)]));
  await gets(b, [0]);
  await a.kill();
  await expect.poll(() => lab.state('tap0')).toBe('listening');
  b.send(numberedFrame(A, B, 7), numberedFrame(A, B, 8));
  await expect.poll(async () => (await lab.port('tap0')).toGuest.drops).toBe(2);
  expect(lab.dropped('tap0')).toBe(2);
  const again = await StreamPeer.connect({ path: lab.path('a') });
  again.send(numberedFrame(B, A, 2));
  await gets(b, [0, 2]);
  b.send(numberedFrame(A, B, 9));
  await gets(again, [9]);
  expect((await lab.port('tap0')).connects).toBe(2);
  expect(b.closed).toBe(false);
}));

test('a length that no frame has closes the connection with a line in the log, and nothing else', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  await a.write(Buffer.concat([framed(numberedFrame(B, A, 0)), Buffer.from('GET / HTTP/1.1\r\n')]));
  await expect.poll(() => a.closed).toBe(true);
  await gets(b, [0]);
  const [line, ...more] = lab.log.map((entry) => JSON.parse(entry) as Record<string, unknown>);
  expect(more).toEqual([]);
  expect(line).toMatchObject({ level: 40, device: `stream:unix:${lab.path('a')},server`, length: 0x47455420, limit: 69_632, msg: 'a guest announced a frame longer than any; its connection is closed' });
  await expect.poll(async () => (await lab.port('tap0')).error).toBe('a frame of 1195725856 bytes was announced; 69632 is the most there is');
  const again = await StreamPeer.connect({ path: lab.path('a') });
  b.send(numberedFrame(A, B, 3));
  await gets(again, [3]);
}));

test('for a guest that does not read, frames wait up to a bound; it gets what waited, whole and in order', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  b.send(numberedFrame(A, B, 0));
  await gets(a, [0]);
  b.socket.pause();
  const total = 6_000;
  for (let n = 0; n < total; n += 50) await a.write(framed(...range(n, n + 50).map((i) => numberedFrame(B, A, i, 1_514))));
  await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(total);
  const dropped = lab.dropped('tap1');
  expect(dropped).toBeGreaterThan(1_000);
  // Another guest's traffic is not held up.
  b.send(numberedFrame(A, B, 1));
  await gets(a, [0, 1]);
  b.socket.resume();
  await expect.poll(() => b.got.length, { timeout: 10_000 }).toBe(total - dropped);
  // Nothing is lost but at the queue's end: what waits is the oldest.
  expect(b.got.map((frame) => numberOf(frame))).toEqual(range(0, total - dropped));
  expect(b.got.every((frame) => frame.length === 1_514)).toBe(true);
  expect((await lab.port('tap1')).toGuest).toEqual({ frames: total - dropped, bytes: (total - dropped) * 1_514, drops: 0 });
}));

test('what a guest had not read when it went is lost, counted, and not sent to the next', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  b.socket.pause();
  for (let n = 0; n < 1_000; n += 50) await a.write(framed(...range(n, n + 50).map((i) => numberedFrame(B, A, i, 1_514))));
  await expect.poll(async () => (await lab.port('tap0')).fromGuest.frames).toBe(1_000);
  await b.kill();
  await expect.poll(() => lab.state('tap1')).toBe('listening');
  const { frames, drops } = (await lab.port('tap1')).toGuest;
  expect(frames + drops).toBe(1_000);
  // More than what waited at the tap: the connection had some that the system had not.
  expect(drops).toBeGreaterThan(lab.dropped('tap1'));
  expect(lab.dropped('tap1')).toBeGreaterThan(100);
  const again = await StreamPeer.connect({ path: lab.path('b') });
  await expect.poll(() => lab.state('tap1')).toBe('connected');
  a.send(numberedFrame(B, A, 5_000));
  await gets(again, [5_000]);
}));

test('we connect to a guest that listens, whenever it comes, and again when it has gone', () => withPortLab(async (lab) => {
  await lab.attach('tap0', `stream:unix:${lab.path('a')}`);
  await lab.attach('tap1', `stream:unix:${lab.path('b')},server`);
  const b = await StreamPeer.connect({ path: lab.path('b') });
  await expect.poll(() => lab.port('tap0')).toMatchObject({ state: 'connecting', connects: 0, error: 'ENOENT' });
  for (let life = 0; life < 3; life++) {
    const a = await StreamListener.listen({ path: lab.path('a') });
    await expect.poll(() => lab.state('tap0'), { timeout: 5_000 }).toBe('connected');
    a.peers[0]!.send(numberedFrame(B, A, life));
    await gets(b, range(0, life + 1));
    await a.peers[0]!.write(framed(numberedFrame(B, A, 99)).subarray(0, 20));
    await a.close();
    await expect.poll(() => lab.state('tap0')).toBe('connecting');
  }
  expect((await lab.port('tap0')).connects).toBe(3);
}));

test('TCP, both ways round', () => withPortLab(async (lab) => {
  const a = await StreamListener.listen({ host: '127.0.0.1', port: 0 });
  await lab.attach('tap0', `stream:tcp:127.0.0.1:${a.port}`);
  await lab.attach('tap1', `stream:tcp:[::1]:${a.port},server`);
  const b = await StreamPeer.connect({ host: '::1', port: a.port });
  await expect.poll(() => a.peers.length).toBe(1);
  a.peers[0]!.send(numberedFrame(B, A, 4));
  await gets(b, [4]);
  await a.close();
  const second = await StreamListener.listen({ host: '127.0.0.1', port: (await lab.attachments())[0]!.device.split(':').at(-1) as unknown as number });
  await expect.poll(() => lab.state('tap0'), { timeout: 5_000 }).toBe('connected');
  b.send(numberedFrame(A, B, 5));
  await gets(second.peers[0]!, [5]);
  await second.close();
}));

test('a second guest waits for the end of the first', () => withPortLab(async (lab) => {
  const [a, b] = await pair(lab);
  const second = await StreamPeer.connect({ path: lab.path('a') });
  const third = await StreamPeer.connect({ path: lab.path('a') });
  await expect.poll(() => third.closed).toBe(true);
  await a.kill();
  second.send(numberedFrame(B, A, 1));
  await gets(b, [1]);
  const fourth = await StreamPeer.connect({ path: lab.path('a') });
  await expect.poll(() => fourth.closed, { timeout: 5_000 }).toBe(true);
  expect(lab.log.map((entry) => (JSON.parse(entry) as { msg: string }).msg)).toEqual(['a second guest was refused: one is plugged in']);
  second.send(numberedFrame(B, A, 2));
  await gets(b, [1, 2]);
}));

test('a tap that moves takes its guest along; one that is destroyed lets it go', () => withPortLab(async (lab) => {
  await lab.attach('tap0', `stream:unix:${lab.path('a')},server`);
  const a = await StreamPeer.connect({ path: lab.path('a') });
  await lab.tool('jail', '-c', 'name=v', 'vnet', 'persist');
  await lab.tool('ifconfig', 'tap0', 'vnet', 'v');
  expect(await lab.attachments()).toMatchObject([{ vnet: 'v', interface: 'tap0', port: { state: 'connected' } }]);
  await lab.tool('jexec', 'v', 'ifconfig', 'tap0', 'inet', '10.0.0.1/24', 'up');
  await expect.poll(() => a.got.some((frame) => frame.readUInt16BE(12) === 0x0806)).toBe(true); // who it is, told to all
  await lab.tool('jail', '-r', 'v');
  await lab.tool('ifconfig', 'tap0', 'destroy').catch(() => undefined);
  await expect.poll(() => a.closed).toBe(true);
  expect(await lab.attachments()).toEqual([]);
  expect(existsSync(lab.path('a'))).toBe(false);
}));

test('detaching lets the guest and the path go; a path that a killed program left is taken over', () => withPortLab(async (lab) => {
  const [a] = await pair(lab);
  expect(lstatSync(lab.path('a')).mode & 0o777).toBe(0o600);
  await lab.detach('tap0');
  await expect.poll(() => a.closed).toBe(true);
  expect(existsSync(lab.path('a'))).toBe(false);
  await lab.attach('tap0', `stream:unix:${lab.path('a')},server`);
  await StreamPeer.connect({ path: lab.path('a') });
}));

test('a lab plugs guests in, and lets them go', () => withPortLab(async (lab) => {
  const { daemon } = lab;
  const text = `name: t\nvnets: {v: {interfaces: {lan: {host: "stream:unix:${lab.path('a')},server", inet: 10.0.0.1/24}}}}\n`;
  await daemon.labs.up(readLab('lab', text).lab!, 'lab');
  expect(await lab.attachments()).toMatchObject([{ vnet: 'v', interface: 'lan', device: `stream:unix:${lab.path('a')},server`, port: { state: 'listening' } }]);
  const a = await StreamPeer.connect({ path: lab.path('a') });
  await expect.poll(() => lab.state('lan')).toBe('connected');
  expect(await daemon.labs.down('t')).toEqual({ name: 't', left: [] });
  await expect.poll(() => a.closed).toBe(true);
  expect(await lab.attachments()).toEqual([]);
}));

test('what is wrong is named, with the remedy', () => withPortLab(async (lab) => {
  writeFileSync(lab.path('file'), '');
  const form = 'write stream:unix:/PATH[,server] or stream:tcp:HOST:PORT[,server]';
  expect(await lab.refusal('stream:unix:vm0')).toBe('"vm0" is not an absolute path, and the daemon is not in your folder');
  expect(await lab.refusal(`stream:unix:${lab.path('x'.repeat(100))}`)).toMatch(/is longer than 107 bytes, which the system does not allow; choose a shorter one$/);
  expect(await lab.refusal(`stream:unix:${lab.path('no/vm0')},server`)).toBe(`there is no folder "${lab.path('no')}" for the socket "${lab.path('no/vm0')}"; make it, or choose another`);
  expect(await lab.refusal(`stream:unix:${lab.path('file')},server`)).toBe(`"${lab.path('file')}" exists and is not a socket; choose another path, or move it away`);
  expect(await lab.refusal(`stream:unix:${lab.path('n.sock')},server`)).toBe(`somebody is listening at "${lab.path('n.sock')}" already; leave ",server" out to connect to it, or choose another path`);
  const taken = await StreamListener.listen({ host: '127.0.0.1', port: 0 });
  expect(await lab.refusal(`stream:tcp:127.0.0.1:${taken.port},server`)).toBe(`somebody has 127.0.0.1:${taken.port} already; leave ",server" out to connect to it, or choose another`);
  await taken.close();
  expect(await lab.refusal('stream:tcp:192.0.2.1:4000,server')).toBe('"192.0.2.1:4000" is no address of this machine, so that we cannot listen there; choose one that is, or leave ",server" out');
  expect(await lab.refusal('stream:/run/vm0')).toBe(`"stream:/run/vm0" does not say whether it is "unix" or "tcp"; ${form}`);
  expect(await lab.attachments()).toEqual([]);
}));
