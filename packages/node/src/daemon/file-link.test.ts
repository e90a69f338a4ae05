/**
 * file-link.test.ts — a tap bound to capture files: pings out of one are answered, the answers are in the other.
 */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { craftArp, craftEcho } from '@netloom/core/sim';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '@netloom/core/wire';
import type { CapturePacket } from '@netloom/core/wire';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCapture } from '../pcap/capture-replay.js';
import { recordToFile } from '../pcap/pcapng-file.js';
import type { Attachment } from './attachments.js';
import type { Daemon } from './daemon.js';
import { startDaemon } from './daemon.js';
import { execBuffered } from './exec-buffer.js';
import { DaemonClient } from './http-client.js';

const FAR = '02:00:00:00:00:99';
const NEAR = '02:00:00:00:00:01';
const START_US = 1_700_000_000_000_000;

let folder: string;
let daemon: Daemon;
let client: DaemonClient;
let log: string[];
const path = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-fl-'));
  log = [];
  daemon = await startDaemon({ socketPath: path('n.sock'), logLevel: 'warn', logTo: { write: (line) => void log.push(line) }, seed: 1 });
  client = new DaemonClient(daemon.socketPath);
  await tool('ifconfig', 'tap0', 'create', 'ether', NEAR);
  await tool('ifconfig', 'tap0', 'inet', '10.0.0.1/24');
});

afterEach(async () => {
  await daemon.close();
  rmSync(folder, { recursive: true });
});

async function tool(...argv: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await execBuffered(daemon.service, { argv, cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

const attach = (device: string, ifname = 'tap0'): Promise<Attachment> => client.post('/v1/attachments', { vnet: 'host', interface: ifname, device });
const detach = (ifname = 'tap0'): Promise<unknown> => client.delete(`/v1/attachments/host/${ifname}`);
const refusal = (device: string, ifname = 'tap0'): Promise<string> => attach(device, ifname).then(() => 'accepted', (error: Error) => error.message);

async function progress(): Promise<NonNullable<Attachment['files']> | null> {
  const [first] = await client.get<Attachment[]>('/v1/attachments');
  return first?.files ?? null;
}

async function ended(): Promise<void> {
  await expect.poll(async () => (await progress())?.ended, { timeout: 5_000 }).toBe(true);
}

/** Writes a capture of an ARP reply and `count` echo requests, `gapUs` apart. */
async function pings(name: string, count: number, gapUs = 0): Promise<string> {
  const recorder = await recordToFile(path(name));
  const id = recorder.addInterface({ linktype: LINKTYPE_ETHERNET });
  recorder.packet(id, START_US, craftArp({ src: FAR, dst: NEAR }, 1, FAR, '10.0.0.9', '00:00:00:00:00:00', '10.0.0.1'));
  for (let i = 0; i < count; i++) {
    while (!recorder.packet(id, START_US + i * gapUs, craftEcho({ src: FAR, dst: NEAR }, { src: '10.0.0.9', dst: '10.0.0.1' }, 7, i & 0xffff, 56))) await recorder.ready();
  }
  await recorder.close();
  return path(name);
}

async function packetsOf(file: string): Promise<CapturePacket[]> {
  const packets: CapturePacket[] = [];
  for await (const items of readCapture(file)) packets.push(...items.filter((item) => item.kind === 'packet'));
  return packets;
}

/** Sequence numbers of the echo replies in a capture. */
async function replies(file: string): Promise<number[]> {
  return (await packetsOf(file)).filter(({ bytes }) => bytes[12] === 8 && bytes[13] === 0 && bytes[34] === 0).map(({ bytes }) => (bytes[40]! << 8) | bytes[41]!);
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('a replay', () => {
  test('of pings is answered, and the answers are recorded', async () => {
    const input = await pings('in.pcapng', 5);
    const device = `file:${input},record=${path('out.pcapng')}`;
    expect(await attach(device)).toEqual({ vnet: 'host', interface: 'tap0', device });
    await ended();
    // The ARP answer and five echo replies.
    expect(await client.get('/v1/attachments')).toEqual([
      { vnet: 'host', interface: 'tap0', device, files: { replayed: 6, lost: 0, ended: true, recorded: 6, dropped: 0 } },
    ]);
    await detach();
    expect(await replies(path('out.pcapng'))).toEqual(upTo(5));
    const [arp, first] = await packetsOf(path('out.pcapng'));
    expect(arp).toMatchObject({ direction: 'out', linktype: LINKTYPE_ETHERNET });
    expect(Buffer.from(arp!.bytes.subarray(0, 14)).toString('hex')).toBe('0200000000990200000000010806');
    const [, asked] = await packetsOf(input);
    // The payload came back as it was.
    expect(Buffer.from(first!.bytes.subarray(42)).equals(Buffer.from(asked!.bytes.subarray(42)))).toBe(true);
    expect(Math.abs(Date.now() * 1000 - first!.timeUs)).toBeLessThan(60e6);
  });

  test('goes on after the files are at their end: what the vnet sends later is recorded', async () => {
    await attach(`file:${await pings('in.pcapng', 1)},record=${path('out.pcapng')}`);
    await ended();
    const ping = execBuffered(daemon.service, { argv: ['ping', '-c', '1', '-t', '1', '10.0.0.9'], cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] });
    await expect.poll(async () => (await progress())?.recorded).toBeGreaterThanOrEqual(3);
    ping.cancel();
    await detach();
    expect((await packetsOf(path('out.pcapng'))).some(({ bytes }) => bytes[34] === 8)).toBe(true);
  });

  test('keeps the original time', async () => {
    await attach(`file:${await pings('in.pcapng', 3, 30_000)},record=${path('out.pcapng')}`);
    await ended();
    await detach();
    const times = (await packetsOf(path('out.pcapng'))).slice(-3).map(({ timeUs }) => timeUs);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(20_000);
    expect(times[2]! - times[0]!).toBeGreaterThanOrEqual(59_000);
  });

  test.each(['speed=max', 'speed=100000'])('of a day takes no day with %s', async (speed) => {
    await attach(`file:${await pings('in.pcapng', 25, 3_600_000_000)},${speed},record=${path('out.pcapng')}`);
    await expect.poll(async () => (await progress())?.ended, { timeout: 8_000 }).toBe(true);
    await detach();
    expect(await replies(path('out.pcapng'))).toEqual(upTo(25));
  });

  test('of many frames brings them all in, in their order', async () => {
    await tool('sysctl', 'net.inet.icmp.icmplim=0');
    await attach(`file:${await pings('in.pcapng', 20_000)},speed=max,record=${path('out.pcapng')}`);
    await expect.poll(async () => (await progress())?.ended, { timeout: 10_000 }).toBe(true);
    expect(await progress()).toMatchObject({ replayed: 20_001, lost: 0, recorded: 20_001, dropped: 0 });
    await detach();
    expect(await replies(path('out.pcapng'))).toEqual(upTo(20_000));
  });

  test('skips frames of another link type', async () => {
    const recorder = await recordToFile(path('raw.pcapng'));
    const raw = recorder.addInterface({ linktype: LINKTYPE_RAW });
    recorder.packet(raw, START_US, new Uint8Array(40));
    await recorder.close();
    await attach(`file:${path('raw.pcapng')}`);
    await ended();
    expect(await progress()).toMatchObject({ replayed: 0 });
  });

  test('that meets damage ends the link, after what came before it', async () => {
    const input = await pings('in.pcapng', 5);
    appendFileSync(input, Buffer.alloc(64, 0xee));
    await attach(`file:${input},record=${path('out.pcapng')}`);
    await expect.poll(() => client.get('/v1/attachments')).toEqual([]);
    expect(log.join('')).toContain(`${input}: `);
    expect(await tool('ifconfig', 'tap0')).toContain('status: no carrier');
    await expect.poll(() => replies(path('out.pcapng'))).toEqual(upTo(5));
  });
});

describe('a link ends', () => {
  const long = (): Promise<string> => pings('in.pcapng', 1_000, 10_000);

  test('by detach, in the middle of a replay; its recording is whole', async () => {
    await attach(`file:${await long()},record=${path('out.pcapng')}`);
    await expect.poll(async () => (await progress())?.recorded).toBeGreaterThanOrEqual(3);
    await detach();
    const answered = await replies(path('out.pcapng'));
    expect(answered).toEqual(upTo(answered.length));
    expect(answered.length).toBeLessThan(1_000);
    // Nothing comes in any more, and both sides may be bound again.
    expect(await refusal(`file:${path('in.pcapng')},record=${path('out.pcapng')}`)).toBe('accepted');
  });

  test('with its interface', async () => {
    await attach(`file:${await long()},record=${path('out.pcapng')}`);
    await tool('ifconfig', 'tap0', 'destroy');
    expect(await client.get('/v1/attachments')).toEqual([]);
  });

  test('with the daemon', async () => {
    await attach(`file:${await long()},record=${path('out.pcapng')}`);
    await daemon.close();
    const answered = await replies(path('out.pcapng'));
    expect(answered).toEqual(upTo(answered.length));
  });
});

describe('refused, with one line that says why, and nothing is left open', () => {
  test.each([
    ['a missing file', (): string => `file:${path('none')}`, (): string => `cannot read "${path('none')}": No such file or directory`],
    ['a folder', (): string => `file:${folder}`, (): string => `"${folder}" is not a file`],
    ['another kind of file', (): string => `file:${path('text')}`, (): string => `"${path('text')}" is neither a pcapng nor a pcap file`],
    ['an empty file', (): string => `file:${path('empty')}`, (): string => `"${path('empty')}" is neither a pcapng nor a pcap file`],
    ['a relative path', (): string => 'file:in.pcapng', (): string => '"in.pcapng" is not an absolute path, and the daemon is not in your folder'],
    ['a recording in a folder that is not there', (): string => `file:record=${path('none/out')}`, (): string => `cannot write "${path('none/out')}": No such file or directory`],
    ['a recording over a folder', (): string => `file:record=${path('dir')}`, (): string => `cannot write "${path('dir')}": Is a directory`],
  ])('%s', async (_, device, message) => {
    writeFileSync(path('text'), 'precious words');
    writeFileSync(path('empty'), '');
    mkdirSync(path('dir'));
    expect(await refusal(device())).toBe(message());
    expect(await client.get('/v1/attachments')).toEqual([]);
    expect(await tool('ifconfig', 'tap0')).toContain('status: no carrier');
    expect(readFileSync(path('text'), 'utf8')).toBe('precious words');
  });

  test('a recording that another tap writes', async () => {
    await tool('ifconfig', 'tap1', 'create');
    await attach(`file:record=${path('out')}`);
    expect(await refusal(`file:record=${path('out')}`, 'tap1')).toBe(`"${path('out')}" is being recorded from host:tap0; record to another file`);
    expect(await refusal(`file:record=${path('other')}`)).toBe('host:tap0 is open already; "netloom ps --json" shows who has it');
    expect(existsSync(path('other'))).toBe(false);
  });

  test('a pcapng file that ends in its middle is replayed as far as it goes', async () => {
    const input = await pings('in.pcapng', 3);
    truncateSync(input, readFileSync(input).length - 150);
    await attach(`file:${input}`);
    await expect.poll(() => client.get('/v1/attachments')).toEqual([]);
  });
});
