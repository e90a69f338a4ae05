/**
 * capture-replay.test.ts — files of both formats, whole and damaged, at once and in virtual time.
 */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW, pcapHeader, pcapngInterface, pcapngPacket, pcapngSection, pcapRecord } from '@netloom/core/wire';
import { CaptureFileError, readCapture, replay } from './capture-replay.js';
import type { CaptureSource, ReplayClock } from './capture-replay.js';
import { recordToFile } from './pcapng-file.js';

const dir = mkdtempSync(join(tmpdir(), 'netloom-replay-'));
afterAll(() => rmSync(dir, { recursive: true }));

const BASE = 1_700_000_000_000_000;
const frame = (mark: number, length = 60): Uint8Array => new Uint8Array(length).fill(mark);

/** A pcapng file with one Ethernet interface and a frame per stamp; the frame's bytes are its number. */
function pcapng(...stamps: number[]): Uint8Array {
  return Buffer.concat([
    pcapngSection(), pcapngInterface({ linktype: LINKTYPE_ETHERNET }),
    ...stamps.map((timeUs, i) => pcapngPacket({ interfaceId: 0, timeUs, bytes: frame(i) })),
  ]);
}

/** The bytes as a stream of chunks of `size`. */
function source(bytes: Uint8Array, size = bytes.length): CaptureSource {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) {
      await Promise.resolve();
      yield bytes.subarray(at, at + size);
    }
  }
  return { name: 'test', chunks: chunks() };
}

/** Time that passes only while somebody sleeps. */
class VirtualClock implements ReplayClock {
  time: number;
  constructor(time: number) {
    this.time = time;
  }
  now(): number {
    return this.time;
  }
  sleepUntil(timeUs: number): Promise<void> {
    expect(timeUs).toBeGreaterThan(this.time);
    this.time = timeUs;
    return Promise.resolve();
  }
}

/** What a descriptor of this process is open on; '' when it was closed meanwhile. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

describe('replay', () => {
  test('hands over every frame of a file, at once and in order', async () => {
    const path = join(dir, 'many.pcapng');
    const recorder = await recordToFile(path);
    const id = recorder.addInterface({ linktype: LINKTYPE_ETHERNET });
    for (let i = 0; i < 5_000; i++) {
      recorder.packet(id, BASE + i * 1_000_000, frame(i & 0xff, 60 + (i % 1400)));
      if (i % 500 === 0) await recorder.ready();
    }
    await recorder.close();
    let n = 0;
    const wrong: number[] = [];
    const result = await replay(path, {
      deliver: (packet) => {
        if (packet.timeUs !== BASE + n * 1_000_000 || Buffer.compare(packet.bytes, frame(n & 0xff, 60 + (n % 1400))) !== 0) wrong.push(n);
        n++;
      },
    });
    expect(wrong).toEqual([]);
    expect(n).toBe(5_000);
    expect(result).toMatchObject({ packets: 5_000, truncated: 0, skipped: 0 });
  });

  test('reads pcap and pcapng however the bytes are cut', async () => {
    const pcap = Buffer.concat([pcapHeader(LINKTYPE_ETHERNET), pcapRecord(BASE, frame(0)), pcapRecord(BASE + 1, frame(1), 1514)]);
    for (const bytes of [pcap, pcapng(BASE, BASE + 1)]) {
      for (const size of [1, 3, 7, 100, bytes.length]) {
        const marks: number[] = [];
        const result = await replay(source(bytes, size), { deliver: (packet) => void marks.push(packet.bytes[0]!) });
        expect(marks).toEqual([0, 1]);
        expect(result).toEqual({ packets: 2, octets: 120, truncated: bytes === pcap ? 1 : 0, skipped: 0 });
      }
    }
  });

  test('keeps the original distances on the clock it is given', async () => {
    const clock = new VirtualClock(5_000);
    const at: number[] = [];
    const stamps = [BASE, BASE + 250, BASE + 250, BASE + 100, BASE + 2_000_000];
    await replay(source(pcapng(...stamps)), { clock, deliver: () => void at.push(clock.now()) });
    expect(at).toEqual([5_000, 5_250, 5_250, 5_250, 2_005_000]);
  });

  test('makes up for time a receiver took, and does not hurry otherwise', async () => {
    const clock = new VirtualClock(0);
    const at: number[] = [];
    await replay(source(pcapng(BASE, BASE + 100, BASE + 200, BASE + 1000)), {
      clock,
      deliver: () => {
        at.push(clock.now());
        clock.time += 150;
      },
    });
    expect(at).toEqual([0, 150, 300, 1000]);
  });

  test('goes faster or slower by `speed`, and refuses what is no speed', async () => {
    const clock = new VirtualClock(0);
    const at: number[] = [];
    await replay(source(pcapng(BASE, BASE + 1_000)), { clock, speed: 4, deliver: () => void at.push(clock.now()) });
    expect(at).toEqual([0, 250]);
    for (const speed of [0, -1, NaN, Infinity]) await expect(replay(source(pcapng()), { speed, deliver: () => undefined })).rejects.toThrow(RangeError);
  });

  test('waits for a receiver that answers a promise', async () => {
    let busy = false;
    const result = await replay(source(pcapng(BASE, BASE, BASE)), {
      deliver: async () => {
        expect(busy).toBe(false);
        busy = true;
        await new Promise(setImmediate);
        busy = false;
      },
    });
    expect(result.packets).toBe(3);
  });

  test('skips frames of another link type, and counts them', async () => {
    const bytes = Buffer.concat([
      pcapngSection(), pcapngInterface({ linktype: LINKTYPE_RAW }), pcapngInterface({ linktype: LINKTYPE_ETHERNET }),
      pcapngPacket({ interfaceId: 0, timeUs: BASE, bytes: frame(1) }), pcapngPacket({ interfaceId: 1, timeUs: BASE, bytes: frame(2) }),
    ]);
    const marks: number[] = [];
    const result = await replay(source(bytes), { deliver: (packet) => void marks.push(packet.bytes[0]!) });
    expect(marks).toEqual([2]);
    expect(result).toMatchObject({ packets: 1, skipped: 1 });
    expect(await replay(source(bytes), { linktype: LINKTYPE_RAW, deliver: () => undefined })).toMatchObject({ packets: 1, skipped: 1 });
  });

  test('ends between two frames when told to, also out of a long wait, and closes the file', async () => {
    const path = join(dir, 'long.pcapng');
    writeFileSync(path, pcapng(BASE, BASE + 1, BASE + 3_600_000_000));
    const isOpen = (): boolean => process.platform === 'linux' && readdirSync('/proc/self/fd').some((fd) => linkOf(fd) === path);
    const control = new AbortController();
    const clock: ReplayClock = {
      now: () => 0,
      sleepUntil: (timeUs, signal) => {
        if (timeUs < 2) return Promise.resolve();
        return new Promise((resolve) => {
          signal!.addEventListener('abort', () => resolve());
          setImmediate(() => control.abort());
        });
      },
    };
    expect((await replay(path, { clock, signal: control.signal, deliver: () => undefined })).packets).toBe(2);
    await expect.poll(isOpen).toBe(false);
  });
});

describe('readCapture', () => {
  async function fault(bytes: Uint8Array, size = 16): Promise<{ error: CaptureFileError; packets: number }> {
    let packets = 0;
    try {
      for await (const items of readCapture(source(bytes, size))) packets += items.filter((item) => item.kind === 'packet').length;
    } catch (error) {
      expect(error).toBeInstanceOf(CaptureFileError);
      return { error: error as CaptureFileError, packets };
    }
    throw new Error('no fault was found');
  }

  test('says what is wrong with a file, and where', async () => {
    expect((await fault(new Uint8Array(0))).error.message).toBe('test: the file is empty (at byte 0)');
    expect((await fault(Uint8Array.of(0x0a, 0x0d))).error.message).toBe('test: the file ends inside its first word (at byte 2)');
    expect((await fault(Buffer.from('not a capture file'))).error.message).toBe('test: this is neither a pcapng nor a pcap file (at byte 0)');
    const whole = pcapng(BASE, BASE + 1);
    const cut = await fault(whole.subarray(0, whole.length - 10));
    expect(cut.packets).toBe(1);
    expect(cut.error.offset).toBe(whole.length - pcapngPacket({ interfaceId: 0, timeUs: BASE, bytes: frame(0) }).length);
  });

  test('yields what precedes damage in the same chunk', async () => {
    const whole = pcapng(BASE, BASE + 1);
    const damaged = Uint8Array.from(whole);
    const last = whole.length - pcapngPacket({ interfaceId: 0, timeUs: BASE, bytes: frame(0) }).length;
    damaged.fill(0xff, last + 4, last + 8);
    const { error, packets } = await fault(damaged, damaged.length);
    expect(packets).toBe(1);
    expect(error.offset).toBe(last);
  });

  test('a file that is not there is the system’s error', async () => {
    await expect(replay(join(dir, 'none'), { deliver: () => undefined })).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
