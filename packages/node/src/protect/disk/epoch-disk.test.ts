/**
 * epoch-disk.test.ts — a disk by epochs against a naive one, which is an array of bytes for each epoch; and what happens under pressure and when the file fails.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EpochDisk } from './epoch-disk.js';
import type { DiskWrites } from './held-epoch.js';
import { DiskCopy } from './disk-copy.js';
import { MemoryFile } from './test-disk-file.js';

/** Not a whole number of blocks. */
const BYTES = 5 * 4096 + 700;
const KIB = 1024;

type Step =
  | { readonly does: 'write' | 'zero'; readonly at: number; readonly length: number; readonly fill: number }
  | { readonly does: 'read'; readonly at: number; readonly length: number }
  | { readonly does: 'commit' | 'commit later' | 'discard'; readonly back: number }
  | { readonly does: 'flush' | 'close' | 'abandon' | 'copy' };

const place = { at: fc.integer({ min: 0, max: BYTES }), length: fc.oneof(fc.integer({ min: 0, max: 900 }), fc.constantFrom(512, 4096, 8192, BYTES)) };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constantFrom('write', 'write', 'zero'), ...place, fill: fc.integer({ min: 1, max: 255 }) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('read'), ...place }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constantFrom('commit', 'commit later', 'commit later', 'discard'), back: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constantFrom('close', 'close', 'close', 'flush', 'copy') }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('abandon') }) },
) as fc.Arbitrary<Step>;

/** Quicker than toEqual, which looks at each byte by itself. */
function same(got: Uint8Array, wanted: Uint8Array | undefined): void {
  expect(wanted !== undefined && Buffer.compare(got, wanted) === 0).toBe(true);
}

function applied(to: Buffer, { zeros, data }: DiskWrites): Buffer {
  const made = Buffer.from(to);
  for (const { offset, length } of zeros) made.fill(0, offset, offset + length);
  for (const { offset, bytes } of data) made.set(bytes, offset);
  return made;
}

/** A disk and what it should be, driven together. */
class Pair {
  readonly file = new MemoryFile(BYTES);
  readonly disk = new EpochDisk(this.file);
  now = Buffer.alloc(BYTES);
  /** What the disk was at the end of each closed epoch. */
  readonly ends: Buffer[] = [];
  asked = -1;
  passes = true;
  readonly later: Promise<void>[] = [];

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.step(one);
    await Promise.all(this.later);
    same(await this.disk.read(0, BYTES), this.now);
    if (this.passes) same(this.file.data, this.now);
    await this.disk.abandon();
    same(this.file.data, this.now);
    expect(this.disk.heldBytes).toBe(0);
  }

  private async step(one: Step): Promise<void> {
    const last = this.ends.length - 1;
    const end = 'at' in one ? Math.min(BYTES, one.at + one.length) : 0;
    if (one.does === 'write') {
      this.now.fill(one.fill, one.at, end);
      await this.disk.write(one.at, Buffer.alloc(end - one.at, one.fill));
    } else if (one.does === 'zero') {
      this.now.fill(0, one.at, end);
      await this.disk.zero(one.at, end - one.at);
    } else if (one.does === 'read') {
      same(await this.disk.read(one.at, end - one.at), this.now.subarray(one.at, end));
    } else if (one.does === 'close') this.close();
    else if (one.does === 'flush') await this.disk.flush();
    else if (one.does === 'abandon') await this.abandon();
    else if (one.does === 'copy') await this.copy();
    else if (one.does === 'discard' && 'back' in one) this.discard(Math.max(this.asked, last - one.back));
    else if ('back' in one && last - one.back >= 0) await this.commit(last - one.back, one.does === 'commit');
  }

  private close(): void {
    const before = this.ends.at(-1);
    const epoch = this.disk.closeEpoch();
    expect(epoch).toBe(this.ends.length);
    this.ends.push(Buffer.from(this.now));
    const writes = this.disk.writesOf(epoch);
    if (this.passes) {
      expect(writes).toEqual({ zeros: [], data: [], flushed: false });
      this.asked = epoch;
    } else same(applied(before!, writes), this.now);
    this.passes = false;
  }

  private async commit(epoch: number, wait: boolean): Promise<void> {
    const done = this.disk.commit(epoch);
    this.asked = Math.max(this.asked, epoch);
    if (!wait) return void this.later.push(done);
    await done;
    if (!this.passes) same(this.file.data, this.ends[this.disk.committed]);
  }

  private discard(epoch: number): void {
    if (this.passes) return expect(() => this.disk.discardAfter(epoch)).toThrow('not held');
    this.disk.discardAfter(epoch);
    this.now = Buffer.from(this.ends[epoch]!);
    this.ends.fill(this.now, epoch + 1);
  }

  private async abandon(): Promise<void> {
    await this.disk.abandon();
    same(this.file.data, this.now);
    this.passes = true;
    this.asked = this.ends.length - 1;
  }

  /** A first copy in small parts is the disk at the end of the last closed epoch. */
  private async copy(): Promise<void> {
    if (this.passes) return expect(this.disk.baseline(0, 1)).rejects.toThrow('close an epoch first');
    const copied = Buffer.alloc(BYTES);
    for (let from: number | null = 0; from !== null;) {
      const part = await this.disk.baseline(from, 4_096);
      for (const { offset, bytes } of part.chunks) copied.set(bytes, offset);
      expect(part.epoch).toBe(this.ends.length - 1);
      from = part.next;
    }
    same(copied, this.ends.at(-1));
  }
}

it('is what a naive disk is, whatever is done to it, and its file is exactly the last committed epoch', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => new Pair().run(steps)), { numRuns: 150, seed: 8 });
});

describe('reads and commits at the same time', () => {
  it('a read that looked at the file before a commit still sees what was committed', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    disk.closeEpoch();
    await disk.write(0, Buffer.alloc(4096, 1));
    disk.closeEpoch();
    let open = (): void => undefined;
    file.readGate = new Promise((resolve) => (open = resolve));
    const read = disk.read(0, 8192);
    const committed = disk.commit(1);
    await expect.poll(() => file.data[0]).toBe(1);
    open();
    same((await read).subarray(0, 4097), Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(1)]));
    await committed;
    expect(disk.heldBytes).toBe(0);
  });

  it('what passes and overlaps is done in order, and a read of it sees it whole', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    let open = (): void => undefined;
    file.gate = new Promise((resolve) => (open = resolve));
    const writes = [1, 2, 3].map((fill) => disk.write(fill * 100, Buffer.alloc(4096, fill)));
    const read = disk.read(0, 4096);
    expect(disk.closeEpoch()).toBe(0);
    await disk.write(50, Buffer.of(9));
    open();
    await Promise.all(writes);
    const wanted = Buffer.alloc(4096);
    for (const fill of [1, 2, 3]) wanted.fill(fill, fill * 100);
    same(file.data.subarray(0, 4096), wanted);
    wanted[50] = 9;
    same(await read, wanted);
  });

  it('a commit syncs when the guest flushed in one of its epochs', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    await disk.flush();
    expect(file.syncs).toBe(1);
    disk.closeEpoch(7);
    await disk.write(0, Buffer.of(1));
    disk.closeEpoch();
    await disk.flush();
    expect(file.syncs).toBe(1);
    disk.closeEpoch();
    await disk.write(9, Buffer.of(1), true);
    disk.closeEpoch();
    expect([7, 8, 9, 10].map((epoch) => disk.writesOf(epoch).flushed)).toEqual([false, false, true, true]);
    await disk.commit(8);
    expect(file.syncs).toBe(1);
    await disk.commit(9);
    expect(file.syncs).toBe(2);
    await Promise.all([disk.commit(10), disk.commit(9), disk.commit(10)]);
    expect(file.syncs).toBe(3);
  });
});

describe('epochs that are not to be', () => {
  it('numbers go up', () => {
    const disk = new EpochDisk(new MemoryFile(BYTES));
    expect(disk.closeEpoch(5)).toBe(5);
    expect(() => disk.closeEpoch(5)).toThrow('epoch 5 cannot be closed: the open one is 6');
    expect(() => disk.writesOf(6)).toThrow('it is open');
    expect(() => disk.writesOf(4)).toThrow('epoch 4 of the disk "memory" is not held');
    expect(() => disk.discardAfter(4)).toThrow('epoch 5 is committed');
    expect(() => disk.discardAfter(6)).toThrow('it is not closed');
  });

  it('what is committed cannot be discarded, even before it is done', async () => {
    const disk = new EpochDisk(new MemoryFile(BYTES));
    disk.closeEpoch();
    disk.closeEpoch();
    const done = disk.commit(1);
    expect(() => disk.discardAfter(0)).toThrow('epoch 1 is committed');
    await done;
    await expect(disk.commit(2)).rejects.toThrow('epoch 2 cannot be committed: it is not closed');
  });
});

describe('under pressure', () => {
  const LIMIT = 64 * KIB;

  function pressed(): { disk: EpochDisk; file: MemoryFile; told: () => number } {
    const file = new MemoryFile(1024 * KIB);
    const disk = new EpochDisk(file, LIMIT);
    let count = 0;
    disk.onPressure = () => count++;
    disk.closeEpoch();
    return { disk, file, told: () => count };
  }

  it('writes wait for the next closing, in order, and reads, flushes and commits do not', async () => {
    const { disk, file, told } = pressed();
    await disk.write(0, Buffer.alloc(LIMIT, 1));
    expect(told()).toBe(0);
    const order: number[] = [];
    const late = [2, 3].map((fill) => disk.write(0, Buffer.alloc(4096, fill)).then(() => order.push(fill)));
    expect([told(), disk.waitingWrites]).toEqual([1, 2]);
    expect(await disk.read(0, 1)).toEqual(Buffer.of(1));
    await disk.flush();
    disk.closing();
    await Promise.all(late);
    expect(order).toEqual([2, 3]);
    await disk.write(4096, Buffer.alloc(4096, 4)); // the machine is being stopped: it never waits
    expect(await disk.read(0, 1)).toEqual(Buffer.of(3));
    expect(disk.closeEpoch()).toBe(1);

    const next = disk.write(8192, Buffer.alloc(4096, 5)); // nothing is committed yet
    expect([told(), disk.waitingWrites]).toEqual([2, 1]);
    await disk.commit(1);
    await next;
    expect(disk.heldBytes).toBe(4096);
    expect([file.data[0], file.data[4096], file.data[8192]]).toEqual([3, 4, 1]);
  });

  it('what waits is refused when its epoch is discarded, and passes when all is abandoned', async () => {
    const { disk, file } = pressed();
    await disk.write(0, Buffer.alloc(LIMIT, 1));
    const gone = expect(disk.write(0, Buffer.alloc(1, 2))).rejects.toMatchObject({ errno: 'EIO' });
    disk.discardAfter(0);
    await gone;
    expect(await disk.read(0, 1)).toEqual(Buffer.of(0));
    await disk.write(0, Buffer.alloc(LIMIT, 3));
    const late = disk.write(1, Buffer.alloc(1, 4));
    const abandoned = disk.abandon();
    const later = disk.write(2, Buffer.alloc(1, 5));
    const flushed = disk.flush();
    expect(() => disk.closeEpoch()).toThrow('being given up');
    await Promise.all([abandoned, late, later, flushed]);
    expect(disk.passes).toBe(true);
    expect([...file.data.subarray(0, 4)]).toEqual([3, 4, 5, 3]);
  });

  it('counts what overlaps once, and discarding all of a large disk as next to nothing', async () => {
    const { disk } = pressed();
    for (let i = 0; i < 64; i++) await disk.write(i, Buffer.alloc(4096, i));
    expect(disk.heldBytes).toBe(8192);
    await disk.zero(0, 1024 * KIB);
    expect(disk.heldBytes).toBeLessThan(9000);
    same(await disk.read(0, 8192), Buffer.alloc(8192));
  });
});

describe('when the file fails', () => {
  it('the guest is told EIO while writes pass', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    file.failing = 'ENOSPC';
    await expect(disk.write(0, Buffer.of(1))).rejects.toMatchObject({ errno: 'EIO', message: 'cannot write the disk "memory": No space left on device (ENOSPC)' });
    await expect(disk.flush()).rejects.toMatchObject({ errno: 'EIO' });
    file.failing = null;
    await disk.write(0, Buffer.of(1));
    expect(file.data[0]).toBe(1);
  });

  it('a commit rejects, loses nothing, and is done again', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    disk.closeEpoch();
    await disk.write(10, Buffer.of(1, 2));
    disk.closeEpoch();
    file.failing = 'ENOSPC';
    await expect(disk.commit(1)).rejects.toThrow('cannot write the disk "memory": No space left on device (ENOSPC)');
    expect(await disk.read(10, 2)).toEqual(Buffer.of(1, 2));
    expect(() => disk.discardAfter(0)).toThrow('epoch 1 is committed');
    file.failing = null;
    await disk.commit(1);
    expect(file.data.subarray(10, 12)).toEqual(Buffer.of(1, 2));
  });

  it('after a failed abandon it is read and not written, until abandon succeeds', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    disk.closeEpoch();
    await disk.write(10, Buffer.of(1));
    file.failing = 'EIO';
    const abandoned = disk.abandon();
    const late = expect(disk.write(0, Buffer.of(7))).rejects.toMatchObject({ errno: 'EIO' });
    await expect(abandoned).rejects.toThrow('Input/output error (EIO)');
    await late;
    await expect(disk.write(0, Buffer.of(7))).rejects.toThrow('(EIO)');
    await expect(disk.flush()).rejects.toThrow('(EIO)');
    expect(() => disk.closeEpoch()).toThrow('no epoch of the disk "memory" can be closed');
    expect(() => disk.discardAfter(0)).toThrow('not held');
    expect(await disk.read(10, 1)).toEqual(Buffer.of(1));
    file.failing = null;
    await disk.abandon();
    await disk.write(11, Buffer.of(2));
    expect(file.data.subarray(10, 12)).toEqual(Buffer.of(1, 2));
  });

  it('refuses what is not on the disk', async () => {
    const disk = new EpochDisk(new MemoryFile(BYTES));
    for (const [offset, length] of [[BYTES, 1], [-1, 1], [0, BYTES + 1], [2 ** 60, 1]] as const) {
      await expect(disk.read(offset, length)).rejects.toMatchObject({ errno: 'EINVAL' });
      await expect(disk.zero(offset, length)).rejects.toMatchObject({ errno: 'EINVAL' });
    }
    await expect(disk.write(BYTES - 1, Buffer.of(1, 2))).rejects.toMatchObject({ errno: 'EINVAL' });
  });

  it('a closed disk has given all to its file, and does nothing more', async () => {
    const file = new MemoryFile(BYTES);
    const disk = new EpochDisk(file);
    disk.closeEpoch();
    await disk.write(10, Buffer.of(1));
    await Promise.all([disk.close(), disk.close()]);
    expect([file.data[10], file.syncs > 0, file.closed]).toEqual([1, true, true]);
    await expect(disk.write(0, Buffer.of(7))).rejects.toThrow('is closed');
  });
});

it('a copy that gets the first copy in parts between epochs is the disk', async () => {
  const pieces = fc.array(fc.record({ ...place, fill: fc.integer({ min: 0, max: 255 }) }), { maxLength: 4 });
  await fc.assert(fc.asyncProperty(fc.array(pieces, { minLength: 7, maxLength: 12 }), fc.integer({ min: 1, max: 9 }), async (epochs, fill) => {
    const file = new MemoryFile(BYTES);
    file.data.fill(fill, 6000, 15_000);
    const disk = new EpochDisk(file);
    const copy = new DiskCopy(new MemoryFile(BYTES));
    disk.closeEpoch();
    let from: number | null = 0;
    for (const writes of epochs) {
      for (const { at, length, fill: byte } of writes) {
        const bytes = Buffer.alloc(Math.max(0, Math.min(length, BYTES - at)), byte);
        await (byte === 0 ? disk.zero(at, bytes.length) : disk.write(at, bytes));
      }
      const epoch = disk.closeEpoch();
      await copy.apply(disk.writesOf(epoch));
      void disk.commit(epoch);
      if (from === null) continue;
      const part = await disk.baseline(from, 4096);
      await copy.applyBaseline(part.chunks);
      from = part.next;
    }
    expect(from).toBe(null);
    const taken = await copy.takeOver();
    same(await taken.read(0, BYTES), await disk.read(0, BYTES));
  }), { numRuns: 100, seed: 3 });
});
