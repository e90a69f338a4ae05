/**
 * dial.test.ts — one daemon calls another, by a Unix socket and by TCP with a key, and what is said when it cannot.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startDaemon } from '../../daemon/daemon.js';
import type { Daemon, DaemonOptions } from '../../daemon/daemon.js';
import { parseBackupAddress } from './backup-address.js';
import { BackupDoor } from './backup-door.js';
import { dial } from './dial.js';
import type { PathKind } from './backup-listener.js';
import { PSK_IDENTITY, PSK_TLS, readKeyFile } from './pre-shared-key.js';
import { RECORD } from './record.js';
import { RecordStream } from './record-stream.js';
import type { StreamEnd } from './record-stream.js';

let folder = '';
let names = 0;
const path = (name: string): string => join(folder, `${name}-${names++}`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-dial-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function keyFile(text = '00112233445566778899aabbccddeeff\n', mode = 0o600): string {
  const file = path('key');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

async function daemon(options: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const running = await startDaemon({ socketPath: path('sock'), logLevel: 'silent', tools: {}, ...options });
  onTestFinished(() => running.close());
  return running;
}

/** Answers a record with ACK, and says what kind of connection it was. */
function answer(door: BackupDoor): [PathKind, string][] {
  const came: [PathKind, string][] = [];
  door.onBackupConnection = (kind, duplex, from) => {
    came.push([kind, from.replace(/\d+$/, 'N')]);
    const stream = new RecordStream(duplex);
    stream.onRecord = ({ payload }) => stream.send(RECORD.ACK, payload);
  };
  return came;
}

/** Sends a record, large enough for several reads, and waits for it to come back. */
async function there(stream: RecordStream): Promise<number> {
  const payload = Buffer.alloc(50_000, 1);
  const back = new Promise<number>((resolve, reject) => {
    stream.onRecord = (record) => resolve(record.payload.length);
    stream.onClose = ({ reason }) => reject(new Error(reason));
  });
  stream.send(RECORD.DEAD, payload);
  return back;
}

async function reach(text: string, kind: PathKind, ownSocket = '/nowhere', key: string | null = null): Promise<void> {
  const duplex = await dial(parseBackupAddress(text), kind, { ownSocket, keyFile: key, timeoutMs: 20_000 });
  const stream = new RecordStream(duplex);
  onTestFinished(() => stream.destroy());
  expect(await there(stream)).toBe(50_000);
}

test('by a Unix socket, its own or another one, as stream and as second path', async () => {
  const { socketPath, backupDoor } = await daemon();
  const came = answer(backupDoor);
  await reach('local', 'stream', socketPath);
  await reach(`unix:${socketPath}`, 'beat');
  expect(came).toEqual([['stream', 'the socket'], ['beat', 'the socket']]);
});

test('by TCP with a key, as stream and as second path', async () => {
  const door = new BackupDoor();
  const came = answer(door);
  const key = keyFile();
  const port = await door.listen('127.0.0.1:0', key);
  onTestFinished(() => door.close());
  await reach(`127.0.0.1:${port}`, 'stream', '', key);
  await reach(`localhost:${port}`, 'beat', '', keyFile('00112233445566778899AABBCCDDEEFF'));
  expect(came).toEqual([['stream', '127.0.0.1:N'], ['beat', '127.0.0.1:N']]);
});

test('a daemon that is told to listens by TCP, refuses what is no hello, and ends what came when it ends', async () => {
  const port = await freePort();
  const key = keyFile();
  const running = await daemon({ backupListen: `127.0.0.1:${port}`, backupKey: key });
  const stream = new RecordStream(await dial({ kind: 'tcp', host: '127.0.0.1', port }, 'stream', { ownSocket: '', keyFile: key, timeoutMs: 20_000 }));
  stream.say(RECORD.JOIN, { session: 'x' });
  const end = await new Promise<StreamEnd>((resolve) => (stream.onClose = resolve));
  expect(end).toEqual({ how: 'refused', reason: 'the other side refuses: record 0 is JOIN, and the first must be HELLO' });
  answer(running.backupDoor);
  const next = new RecordStream(await dial({ kind: 'tcp', host: '127.0.0.1', port }, 'stream', { ownSocket: '', keyFile: key, timeoutMs: 20_000 }));
  await there(next);
  const gone = new Promise<StreamEnd>((resolve) => (next.onClose = resolve));
  await running.close();
  expect((await gone).how).toBe('broken');
});

async function listening(server: Server, at: { port: number; host: string } | { path: string }): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => open.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(at, resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

async function failure(text: string, key: string | null, timeoutMs = 20_000): Promise<string> {
  try {
    (await dial(parseBackupAddress(text), 'stream', { ownSocket: '', keyFile: key, timeoutMs })).destroy();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no failure';
}

test.each<[string, (socket: Socket) => void, string]>([
  ['that is closed at once', (socket) => socket.destroy(), 'was closed before an answer'],
  ['of something else', (socket) => socket.end('220 mail ready\r\n'), 'is no Netloom daemon: its answer is not HTTP'],
  ['of an older daemon', (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 no\r\nContent-Length: 0\r\n\r\n')), 'takes no machines (it answers 400): both sides must run the same version of netloom'],
])('a Unix socket %s is told', async (_, serve, message) => {
  const at = path('sock');
  await listening(createServer(serve), { path: at });
  expect(await failure(`unix:${at}`, null)).toContain(`unix:${at} ${message}`);
});

test('a Unix socket that is not there is told, and one that does not answer', async () => {
  expect(await failure('unix:/nowhere/x.sock', null)).toBe('no daemon listens at unix:/nowhere/x.sock (No such file or directory): start it with "netloom daemon --socket /nowhere/x.sock", or forward its socket there');
  const at = path('sock');
  await listening(createServer(() => undefined), { path: at });
  expect(await failure(`unix:${at}`, null, 50)).toMatch(/^unix:\S+ does not answer within 50 ms: the daemon there hangs, what listens is no Netloom daemon, or the way to it is cut$/);
});

test('another key is told on both sides', async () => {
  const door = new BackupDoor();
  const refused = new Promise<string>((resolve) => (door.onRefused = (_from, why) => resolve(why)));
  const port = await door.listen('127.0.0.1:0', keyFile());
  onTestFinished(() => door.close());
  expect(await failure(`127.0.0.1:${port}`, keyFile('ff'.repeat(32)))).toBe(`the daemon at 127.0.0.1:${port} has another key: the files of --backup-key must be the same on both hosts`);
  expect(await refused).toMatch(/bad record mac|decryption failed/);
});

test.each<[string, (socket: Socket) => void, string]>([
  ['something else', (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 no\r\n\r\n')), 'is no Netloom daemon that waits for backups (wrong version number)'],
  ['nobody who stays', (socket) => socket.destroy(), 'closes the connection before it has shown that it has the key'],
])('%s at the port is told', async (_, serve, message) => {
  const port = await listening(createServer(serve), { port: 0, host: '127.0.0.1' });
  expect(await failure(`127.0.0.1:${port}`, keyFile())).toContain(`what listens at 127.0.0.1:${port} ${message}`);
});

test('a port where nobody listens, a silent one, and a missing key are told', async () => {
  const port = await freePort();
  const where = `127.0.0.1:${port}`;
  expect(await failure(where, keyFile())).toBe(`nobody listens at ${where}: start the daemon there with --backup-listen ${where} --backup-key FILE`);
  expect(await failure(where, null)).toBe(`a backup at ${where} needs the key that the daemon there has (--backup-key FILE)`);
  const silent = await listening(createServer(() => undefined), { port: 0, host: '127.0.0.1' });
  expect(await failure(`127.0.0.1:${silent}`, keyFile(), 50)).toContain('does not answer within 50 ms');
});

test('a connection with the key whose first byte says nothing known is cut off', async () => {
  const door = new BackupDoor();
  const came = answer(door);
  const key = keyFile();
  const port = await door.listen('127.0.0.1:0', key);
  onTestFinished(() => door.close());
  const socket = connect({ host: '127.0.0.1', port, ...PSK_TLS, checkServerIdentity: () => undefined, pskCallback: () => ({ psk: readKeyFile(key), identity: PSK_IDENTITY }) });
  socket.on('error', () => undefined);
  socket.write('X');
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(came).toEqual([]);
});

test.each<[string, string | undefined, string]>([
  ['nowhere', undefined, 'cannot listen for backups at "nowhere": there must be a port'],
  ['127.0.0.1:0', undefined, 'listening for backups at 127.0.0.1:0 needs a key, or anybody could bring machines: --backup-key FILE'],
  ['127.0.0.1:0', '/nowhere/key', 'the key "/nowhere/key" cannot be read (ENOENT); make one with: umask 077; openssl rand -hex 32 > "/nowhere/key"'],
])('a daemon that cannot listen at %s with key %s does not start', async (backupListen, backupKey, message) => {
  const socketPath = path('sock');
  const options = { socketPath, logLevel: 'silent', tools: {}, backupListen, ...(backupKey === undefined ? {} : { backupKey }) };
  await expect(startDaemon(options)).rejects.toThrow(message);
  expect(await failure(`unix:${socketPath}`, null)).toContain('no daemon listens');
});

test('a port that somebody has is told', async () => {
  const port = await listening(createServer(), { port: 0, host: '127.0.0.1' });
  await expect(new BackupDoor().listen(`127.0.0.1:${port}`, keyFile())).rejects.toThrow(`cannot listen for backups at 127.0.0.1:${port}: Address already in use; choose another place with --backup-listen`);
});

test.each([
  ['00'.repeat(16), 0o640, 'has mode 640, so others than its owner can use it (chmod 600'],
  ['00'.repeat(15), 0o600, 'has 30 hexadecimal digits: an even number from 32 to 512 is needed'],
  [`${'00'.repeat(16)}0`, 0o600, 'has 33 hexadecimal digits'],
  ['00'.repeat(257), 0o600, 'has 514 hexadecimal digits'],
  [`${'00'.repeat(16)} 00`, 0o600, 'has something else than hexadecimal digits in it'],
  ['0'.repeat(5000), 0o600, 'is of 5000 bytes, and holds more than a key'],
])('a key file that is not right is refused', (text, mode, message) => {
  expect(() => readKeyFile(keyFile(text, mode))).toThrow(message);
});
