/**
 * pcapng-file.test.ts — the recorder against streams that are quick, slow, full and gone.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { LINKTYPE_ETHERNET, PcapngDecoder, pcapngPacket } from '@netloom/core/wire';
import type { CaptureItem } from '@netloom/core/wire';
import { PcapngRecorder, recordToFile } from './pcapng-file.js';

const dir = mkdtempSync(join(tmpdir(), 'netloom-pcap-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** A stream that keeps what it gets; while `stalled`, it takes nothing. */
class MemorySink extends Writable {
  readonly chunks: Buffer[] = [];
  ended = false;
  private stalled: (() => void) | null = null;
  private stalling = false;

  stall(): void {
    this.stalling = true;
  }

  resume(): void {
    this.stalling = false;
    this.stalled?.();
    this.stalled = null;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.chunks.push(chunk);
    if (this.stalling) this.stalled = done;
    else done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.ended = true;
    done();
  }
}

function decode(bytes: Uint8Array): CaptureItem[] {
  const decoder = new PcapngDecoder();
  decoder.push(bytes);
  const items = [];
  for (let item = decoder.next(); item !== null; item = decoder.next()) items.push(item);
  expect(decoder.end()).toBeNull();
  return items;
}

const frame = Uint8Array.from({ length: 200 }, (_, i) => i);
const ethernet = { linktype: LINKTYPE_ETHERNET, name: 'tap0' };

describe('PcapngRecorder', () => {
  test('writes a file that reads back as what was recorded, statistics last', async () => {
    const path = join(dir, 'a.pcapng');
    const recorder = await recordToFile(path, { application: 'a test' });
    const first = recorder.addInterface(ethernet);
    const second = recorder.addInterface({ linktype: LINKTYPE_ETHERNET, name: 'tap1', snaplen: 64 });
    expect([first, second]).toEqual([0, 1]);
    expect(recorder.packet(first, 1_700_000_000_000_001, frame, 10, 60, 'in')).toBe(true);
    expect(recorder.packet(second, 1_700_000_000_000_002, frame, 0, 200, 'out')).toBe(true);
    expect(recorder.packet(first, 1_700_000_000_000_003, frame)).toBe(true);
    await recorder.close();
    const items = decode(readFileSync(path));
    expect(items).toMatchObject([
      { kind: 'section', application: 'a test' },
      { kind: 'interface', id: 0, name: 'tap0', snaplen: 0 },
      { kind: 'interface', id: 1, name: 'tap1', snaplen: 64 },
      { kind: 'packet', interfaceId: 0, timeUs: 1_700_000_000_000_001, wireLen: 60, bytes: frame.slice(10, 70), direction: 'in' },
      { kind: 'packet', interfaceId: 1, timeUs: 1_700_000_000_000_002, wireLen: 200, bytes: frame.slice(0, 64), direction: 'out' },
      { kind: 'packet', interfaceId: 0, timeUs: 1_700_000_000_000_003, wireLen: 200, bytes: frame, direction: '' },
      { kind: 'stats', interfaceId: 0, timeUs: 1_700_000_000_000_003, received: 2, dropped: 0 },
      { kind: 'stats', interfaceId: 1, timeUs: 1_700_000_000_000_002, received: 1, dropped: 0 },
    ]);
  });

  test('copies: the frame may be overwritten at once', async () => {
    const sink = new MemorySink();
    const recorder = new PcapngRecorder(sink);
    const ring = Uint8Array.from(frame);
    recorder.packet(recorder.addInterface(ethernet), 1, ring);
    ring.fill(0);
    await recorder.close();
    expect(decode(Buffer.concat(sink.chunks))[2]).toMatchObject({ bytes: frame });
  });

  test('drops and counts while its reader is slow, and says in the file how many are missing', async () => {
    const sink = new MemorySink();
    const recorder = new PcapngRecorder(sink, { limit: 2_000 });
    const id = recorder.addInterface(ethernet);
    sink.stall();
    let taken = 0;
    for (let i = 0; i < 50; i++) if (recorder.packet(id, i, frame)) taken++;
    expect(taken).toBeGreaterThan(5);
    expect(taken).toBeLessThan(12);
    expect(sink.writableLength).toBeLessThan(2_000 + 400);
    expect(recorder.counts(id)).toEqual({ written: taken, dropped: 50 - taken });
    sink.resume();
    await recorder.ready();
    expect(recorder.packet(id, 60, frame)).toBe(true);
    expect(recorder.packet(id, 61, frame)).toBe(true);
    await recorder.close();
    const file = Buffer.concat(sink.chunks);
    expect(file.includes(Buffer.from(pcapngPacket({ interfaceId: id, timeUs: 60, bytes: frame, dropCount: 50 - taken })))).toBe(true);
    expect(file.includes(Buffer.from(pcapngPacket({ interfaceId: id, timeUs: 61, bytes: frame })))).toBe(true);
    expect(decode(file).at(-1)).toMatchObject({ kind: 'stats', received: 52, dropped: 50 - taken });
  });

  test('flushes a stream that is not its own, and leaves it open', async () => {
    const sink = new MemorySink();
    const recorder = new PcapngRecorder(sink, { endSink: false });
    recorder.packet(recorder.addInterface(ethernet), 1, frame);
    sink.stall();
    const closing = recorder.close();
    sink.resume();
    await closing;
    expect(sink.ended).toBe(false);
    expect(decode(Buffer.concat(sink.chunks))).toHaveLength(4);
    expect(sink.listenerCount('error') + sink.listenerCount('close')).toBe(0);
  });

  test('after close it takes nothing, and a second close is the same', async () => {
    const sink = new MemorySink();
    const recorder = new PcapngRecorder(sink);
    const id = recorder.addInterface(ethernet);
    await recorder.close();
    const length = sink.chunks.length;
    expect(recorder.packet(id, 1, frame)).toBe(false);
    expect(recorder.counts(id)).toEqual({ written: 0, dropped: 1 });
    await recorder.close();
    expect(sink.chunks).toHaveLength(length);
  });

  test('tells of a reader that went away, goes on counting, and close says it', async () => {
    const sink = new MemorySink();
    const recorder = new PcapngRecorder(sink);
    const id = recorder.addInterface(ethernet);
    const failed = new Promise<Error>((resolve) => recorder.onFailure(resolve));
    sink.destroy();
    expect((await failed).message).toBe('the capture stream was closed');
    expect(recorder.packet(id, 1, frame)).toBe(false);
    await recorder.ready();
    await expect(recorder.close()).rejects.toThrow('the capture stream was closed');
  });

  test.runIf(process.platform === 'linux')('close says that the disk was full', async () => {
    const recorder = await recordToFile('/dev/full');
    recorder.packet(recorder.addInterface(ethernet), 1, frame);
    await expect(recorder.close()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(recorder.failure).toMatchObject({ code: 'ENOSPC' });
  });

  test('a file that cannot be opened is the system’s error', async () => {
    await expect(recordToFile(join(dir, 'no', 'such', 'dir.pcapng'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test.runIf(process.platform === 'linux')('leaves no descriptor', async () => {
    const fds = (): number => readdirSync('/proc/self/fd').length;
    await (await recordToFile(join(dir, 'b.pcapng'))).close();
    const before = fds();
    for (let i = 0; i < 5; i++) await (await recordToFile(join(dir, 'b.pcapng'))).close();
    expect(fds()).toBe(before);
  });

  test('an interface that was not added is the caller’s mistake', () => {
    expect(() => new PcapngRecorder(new MemorySink()).packet(0, 1, frame)).toThrow(RangeError);
  });
});
