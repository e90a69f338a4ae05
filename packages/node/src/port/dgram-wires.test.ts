/**
 * dgram-wires.test.ts — guests behind datagrams, without guests: UDP by node:dgram, Unix sockets by Python, since Node has none.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { peer } from '../../test/peers.js';
import { withPortLab } from '../../test/port-lab.js';
import { StreamPeer, numberOf, numberedFrame } from '../../test/stream-peer.js';

const [A, B] = [1, 2];

async function bound(host = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  return socket;
}

const portOf = (socket: Socket): number => (socket.address() as AddressInfo).port;

async function freePort(): Promise<number> {
  const socket = await bound();
  const port = portOf(socket);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

test('UDP: frames cross, from nobody else, and a guest that is not there is noticed', () => withPortLab(async (lab) => {
  const a = await bound();
  const ours = await freePort();
  const got: Buffer[] = [];
  a.on('message', (frame) => got.push(frame));
  await lab.attach('tap0', `dgram:udp:127.0.0.1:${ours},127.0.0.1:${portOf(a)}`);
  await lab.attach('tap1', `stream:unix:${lab.path('b')},server`);
  const b = await StreamPeer.connect({ path: lab.path('b') });
  expect(await lab.port('tap0')).toMatchObject({ state: 'open', connects: 0 });
  a.send(numberedFrame(B, A, 1, 1_514), ours, '127.0.0.1');
  await expect.poll(() => b.got.map((frame) => [numberOf(frame), frame.length])).toEqual([[1, 1_514]]);
  const stranger = await bound();
  stranger.send(numberedFrame(B, A, 66), ours, '127.0.0.1');
  b.send(...Array.from({ length: 100 }, (_, n) => numberedFrame(A, B, n, 60 + n)));
  await expect.poll(() => got.length).toBe(100);
  expect(got.map((frame) => numberOf(frame))).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(await lab.port('tap0')).toEqual({ state: 'connected', connects: 1, fromGuest: { frames: 1, bytes: 1_514, drops: 0 }, toGuest: { frames: 100, bytes: got.reduce((sum, f) => sum + f.length, 0), drops: 0 } });
  stranger.close();
  a.close();
  await expect.poll(async () => {
    b.send(numberedFrame(A, B, 7));
    return lab.port('tap0');
  }).toMatchObject({ state: 'open', error: 'ECONNREFUSED' });
  expect(b.got.map((frame) => numberOf(frame))).toEqual([1]);
}));

test('UDP over IPv6; what cannot be had is named', () => withPortLab(async (lab) => {
  const a = await bound('::1');
  const ours = await freePort();
  await lab.attach('tap0', `dgram:udp:[::1]:${ours},[::1]:${portOf(a)}`);
  await lab.attach('tap1', `stream:unix:${lab.path('b')},server`);
  const b = await StreamPeer.connect({ path: lab.path('b') });
  b.send(numberedFrame(A, B, 3));
  const [frame] = (await once(a, 'message')) as [Buffer];
  expect(numberOf(frame)).toBe(3);
  await lab.detach('tap1');
  expect(await lab.refusal(`dgram:udp:[::1]:${portOf(a)},[::1]:9`, 'tap1')).toBe(`somebody has UDP [::1]:${portOf(a)} already; choose another port`);
  expect(await lab.refusal('dgram:udp:192.0.2.1:4000,127.0.0.1:9', 'tap1')).toBe('"192.0.2.1:4000" is no address of this machine; choose one that is');
  expect(await lab.refusal('dgram:udp:127.0.0.1:4000,[::1]:9', 'tap1')).toBe('there is no IPv4 address for "::1"; write one that the system knows');
  a.close();
}));

const children = new Set<ChildProcess>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** A program with a datagram socket at `path`: it sends each line of hexadecimal digits to `to`, and writes what comes in the same way. */
function unixPeer(path: string, to: string): { child: ChildProcess; lines: string[]; send: (frame: Buffer) => void } {
  const program = `
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', flush=True)
def receive():
    while True:
        print(s.recv(70000).hex(), flush=True)
threading.Thread(target=receive, daemon=True).start()
for line in sys.stdin:
    s.sendto(bytes.fromhex(line), sys.argv[2])
`;
  const child = spawn('python3', ['-c', program, path, to], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const lines: string[] = [];
  let rest = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return { child, lines, send: (frame) => void child.stdin.write(`${frame.toString('hex')}\n`) };
}

peer('python3')('Unix datagrams: frames cross; a guest that was killed and started again is found; for one that does not read they wait', () => withPortLab(async (lab) => {
  await lab.attach('tap0', `dgram:unix:${lab.path('ours')},${lab.path('a')}`);
  await lab.attach('tap1', `stream:unix:${lab.path('b')},server`);
  const b = await StreamPeer.connect({ path: lab.path('b') });
  const burst = async (count: number): Promise<void> => {
    const before = (await lab.port('tap1')).fromGuest.frames;
    b.send(...Array.from({ length: count }, (_, n) => numberedFrame(A, B, n)));
    await expect.poll(async () => (await lab.port('tap1')).fromGuest.frames, { timeout: 10_000 }).toBe(before + count);
  };
  expect(await lab.port('tap0')).toMatchObject({ state: 'open', error: `nobody has "${lab.path('a')}"` });
  for (let life = 0; life < 2; life++) {
    rmSync(lab.path('a'), { force: true }); // as QEMU does before it binds
    const a = unixPeer(lab.path('a'), lab.path('ours'));
    await expect.poll(() => a.lines[0], { timeout: 10_000 }).toBe('ready');
    a.send(numberedFrame(B, A, life, 1_514));
    await expect.poll(() => b.got.map((frame) => numberOf(frame))).toEqual(life === 0 ? [0] : [0, 1]);
    expect(await lab.state('tap0')).toBe('connected');
    const before = lab.dropped('tap0');
    a.child.kill('SIGSTOP');
    await burst(3_000);
    const dropped = lab.dropped('tap0') - before;
    expect(dropped).toBeGreaterThan(1_000);
    a.child.kill('SIGCONT');
    await expect.poll(() => a.lines.length - 1, { timeout: 10_000 }).toBe(3_000 - dropped);
    expect(a.lines.slice(1).map((line) => numberOf(Buffer.from(line, 'hex')))).toEqual(Array.from({ length: 3_000 - dropped }, (_, n) => n));
    a.child.kill('SIGKILL');
    await once(a.child, 'close');
    await burst(1);
    expect(await lab.state('tap0')).toBe('open');
  }
  await lab.detach('tap0');
  expect(existsSync(lab.path('ours'))).toBe(false);
}));

peer('python3')('Unix datagrams: what cannot be had is named, what was left is taken over', () => withPortLab(async (lab) => {
  writeFileSync(lab.path('file'), '');
  const other = unixPeer(lab.path('taken'), lab.path('nobody'));
  await expect.poll(() => other.lines[0], { timeout: 10_000 }).toBe('ready');
  expect(await lab.refusal(`dgram:unix:${lab.path('file')},${lab.path('a')}`)).toBe(`"${lab.path('file')}" exists and is not a socket; choose another path, or move it away`);
  expect(await lab.refusal(`dgram:unix:${lab.path('taken')},${lab.path('a')}`)).toBe(`somebody has "${lab.path('taken')}" already; choose another path`);
  expect(await lab.refusal(`dgram:unix:${lab.path('no/ours')},${lab.path('a')}`)).toBe(`there is no folder "${lab.path('no')}" for the socket "${lab.path('no/ours')}"; make it, or choose another`);
  expect(await lab.refusal(`dgram:unix:ours,${lab.path('a')}`)).toBe('"ours" is not an absolute path, and the daemon is not in your folder');
  other.child.kill('SIGKILL');
  await once(other.child, 'close');
  await lab.attach('tap0', `dgram:unix:${lab.path('taken')},${lab.path('a')}`);
}));

peer('vde_switch', 'python3')('a VDE switch: two ports of ours see each other through it, and again when it was started anew', { timeout: 60_000 }, () => withPortLab(async (lab) => {
  for (const tap of ['tap0', 'tap1']) await lab.tool('ifconfig', 'bridge0', 'deletem', tap);
  await lab.tool('jail', '-c', 'name=v', 'vnet', 'persist');
  await lab.tool('ifconfig', 'tap1', 'vnet', 'v');
  await lab.tool('ifconfig', 'tap0', 'inet', '10.9.0.1/24');
  await lab.tool('jexec', 'v', 'ifconfig', 'tap1', 'inet', '10.9.0.2/24', 'up');
  await lab.attach('tap0', `vde:${lab.path('sw')}`);
  await lab.attach('tap1', `vde:${lab.path('sw')}`, 'v');
  expect(await lab.port('tap0')).toMatchObject({ state: 'connecting' });
  for (let life = 1; life <= 2; life++) {
    const vde = spawn('vde_switch', ['-s', lab.path('sw')], { stdio: ['pipe', 'ignore', 'inherit'] });
    children.add(vde);
    await expect.poll(() => lab.attachments(), { timeout: 10_000 }).toMatchObject([{ port: { state: 'connected', connects: life } }, { port: { state: 'connected', connects: life } }]);
    await lab.tool('ping', '-c', '2', '-i', '0.2', '-s', '1400', '10.9.0.2');
    vde.kill('SIGKILL');
    await once(vde, 'close');
    await expect.poll(() => lab.state('tap0')).toBe('connecting');
  }
}));
