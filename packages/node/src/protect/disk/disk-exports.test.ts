/**
 * disk-exports.test.ts — disks at their sockets, spoken to as a client does: negotiation, requests, several clients, and clients that say what they must not; and copies as files.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskCopy } from './disk-copy.js';
import { DiskExports } from './disk-exports.js';
import type { ExportedDisk } from './disk-exports.js';
import { MemoryFile } from './test-disk-file.js';
import { goData, NbdTestClient } from './test-nbd-client.js';

const BYTES = 1_048_576;
const [READ, WRITE, DISC, FLUSH, TRIM, ZEROES] = [0, 1, 2, 3, 4, 6];
const FUA = 1;

let folder: string;
let exports: DiskExports;
let served: ExportedDisk;
let clients: NbdTestClient[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-disk-'));
  writeFileSync(join(folder, 'a.raw'), Buffer.alloc(BYTES, 0xaa));
  exports = await DiskExports.open([{ path: join(folder, 'a.raw'), readOnly: false }, { path: join(folder, 'a.raw'), readOnly: true }], folder);
  served = exports.all[0]!;
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.end();
  await exports.close();
  rmSync(folder, { recursive: true });
});

async function client(name = 'disk0', n = 0): Promise<NbdTestClient> {
  const made = await NbdTestClient.go(exports.all[n]!.socketPath, name);
  clients.push(made);
  return made;
}

async function fresh(flags = 3): Promise<NbdTestClient> {
  const made = await NbdTestClient.connect(served.socketPath, flags);
  clients.push(made);
  return made;
}

describe('negotiation', () => {
  it('answers options, and goes on after those it does not know', async () => {
    const one = await fresh();
    one.option(8);
    expect((await one.optionReply()).reply).toBe(0x8000_0001);
    one.option(3);
    expect(await one.optionReply()).toEqual({ reply: 2, data: Buffer.concat([Buffer.of(0, 0, 0, 5), Buffer.from('disk0')]) });
    expect((await one.optionReply()).reply).toBe(1);
    one.option(6, goData('disk9'));
    expect((await one.optionReply()).reply).toBe(0x8000_0006);
    one.option(6, goData('disk0').subarray(0, 8));
    expect((await one.optionReply()).reply).toBe(0x8000_0003);
    one.option(6, goData('disk0/primary'));
    const { data } = await one.optionReply();
    expect([data.readUInt16BE(0), data.readBigUInt64BE(2), data.readUInt16BE(10)]).toEqual([0, BigInt(BYTES), 0b1_0110_1101]);
    expect((await one.optionReply()).data.readUInt32BE(10)).toBe(32 * 1_048_576);
    expect((await one.optionReply()).reply).toBe(1);
    one.option(2);
    expect((await one.optionReply()).reply).toBe(1);
    expect(await one.take(1)).toBe(null);
  });

  it('knows the old way in, with and without zeros behind it', async () => {
    for (const [flags, length] of [[1, 134], [3, 10]] as const) {
      const one = await fresh(flags);
      one.option(1, Buffer.from('disk0'));
      expect((await one.take(length))!.readBigUInt64BE(0)).toBe(BigInt(BYTES));
      one.request(READ, 1n, 0n, 2);
      expect(await one.answer()).toEqual({ error: 0, handle: 1n });
      expect(await one.take(2)).toEqual(Buffer.of(0xaa, 0xaa));
    }
    const stranger = await fresh();
    stranger.option(1, Buffer.from('disk1'));
    expect(await stranger.take(1)).toBe(null);
  });

  it('ends connections that are malformed, and only those', async () => {
    const good = await client();
    const flags = await fresh(4);
    expect(await flags.take(1)).toBe(null);
    const noise = await fresh();
    noise.send(Buffer.alloc(64, 7));
    expect(await noise.take(1)).toBe(null);
    const long = await fresh();
    long.option(99, Buffer.alloc(9000));
    expect(await long.take(1)).toBe(null);
    const magic = await client();
    magic.send(Buffer.alloc(28, 1));
    expect(await magic.take(1)).toBe(null);
    const huge = await client();
    huge.request(WRITE, 1n, 0n, 32 * 1_048_576 + 1);
    expect(await huge.take(1)).toBe(null);
    good.request(FLUSH, 5n, 0n, 0);
    expect(await good.answer()).toEqual({ error: 0, handle: 5n });
  });
});

describe('requests', () => {
  it('reads, writes, zeros, trims, flushes and goes', async () => {
    const one = await client();
    one.request(WRITE, 1n, 5n, 3, Buffer.from('abc'), FUA);
    expect(await one.answer()).toEqual({ error: 0, handle: 1n });
    one.request(TRIM, 2n, 6n, 1);
    expect(await one.answer()).toEqual({ error: 0, handle: 2n });
    one.request(ZEROES, 3n, 9n, 2, undefined, FUA | 2);
    expect(await one.answer()).toEqual({ error: 0, handle: 3n });
    one.request(READ, 4n, 4n, 8);
    expect(await one.answer()).toEqual({ error: 0, handle: 4n });
    expect(await one.take(8)).toEqual(Buffer.from([0xaa, 0x61, 0, 0x63, 0xaa, 0, 0, 0xaa]));
    expect(readFileSync(join(folder, 'a.raw')).subarray(4, 12)).toEqual(Buffer.from([0xaa, 0x61, 0, 0x63, 0xaa, 0, 0, 0xaa]));
    one.request(DISC, 5n, 0n, 0);
    expect(await one.take(1)).toBe(null);
  });

  it('says EINVAL for what is not on the disk or not known, and EPERM for writes to what is read-only', async () => {
    const one = await client();
    const wrong: readonly [number, bigint, number, Buffer?, number?][] = [
      [READ, BigInt(BYTES) - 1n, 2], [READ, 2n ** 63n, 1], [READ, 0n, 33 * 1_048_576], [WRITE, BigInt(BYTES), 2, Buffer.alloc(2)], [TRIM, 0n, BYTES + 1], [ZEROES, 1n, BYTES], [5, 0n, 1], [7, 0n, 1],
      [READ, 0n, 1, Buffer.alloc(0), 4],
    ];
    for (const [type, offset, length, data, flags] of wrong) {
      one.request(type, 9n, offset, length, data, flags);
      expect(await one.answer()).toEqual({ error: 22, handle: 9n });
    }
    const reader = await client('disk1', 1);
    for (const type of [TRIM, ZEROES]) {
      reader.request(type, 1n, 0n, 1);
      expect(await reader.answer()).toEqual({ error: 1, handle: 1n });
    }
    reader.request(WRITE, 1n, 0n, 1, Buffer.of(1));
    expect(await reader.answer()).toEqual({ error: 1, handle: 1n });
  });

  it('takes a large write and many requests at once, and answers each', async () => {
    const one = await client();
    const bytes = Buffer.from(Array.from({ length: BYTES }, (_, i) => (i * i) & 255));
    one.request(WRITE, 0n, 0n, BYTES, bytes);
    expect(await one.answer()).toEqual({ error: 0, handle: 0n });
    for (let i = 1; i <= 400; i++) one.request(READ, BigInt(i), BigInt(i * 100), 1000);
    const seen = new Set<bigint>();
    for (let i = 1; i <= 400; i++) {
      const { error, handle } = (await one.answer())!;
      const data = await one.take(1000);
      expect([error, Buffer.compare(data!, bytes.subarray(Number(handle) * 100, Number(handle) * 100 + 1000))]).toEqual([0, 0]);
      seen.add(handle);
    }
    expect(seen.size).toBe(400);
  });
});

describe('several clients', () => {
  it('see one disk, and nothing of one that was cut off begins, whatever was on its way', async () => {
    const [first, second] = [await client('disk0/first'), await client('disk0/second')];
    served.disk.closeEpoch();
    first.request(WRITE, 1n, 0n, 1, Buffer.of(1));
    await first.answer();
    second.request(READ, 1n, 0n, 1);
    await second.answer();
    expect(await second.take(1)).toEqual(Buffer.of(1));
    served.disk.closeEpoch();
    first.request(WRITE, 2n, 0n, 1, Buffer.of(2));
    exports.cut('first');
    served.disk.discardAfter(1);
    expect(await first.answer()).toBe(null);
    await served.disk.commit(1);
    second.request(READ, 1n, 0n, 1);
    expect(await second.answer()).toEqual({ error: 0, handle: 1n });
    expect(await second.take(1)).toEqual(Buffer.of(1));
    expect(readFileSync(join(folder, 'a.raw'))[0]).toBe(1);
  });

  it('closing puts what is held into the file, and takes the sockets away', async () => {
    const one = await client();
    served.disk.closeEpoch();
    one.request(WRITE, 1n, 0n, 1, Buffer.of(3));
    await one.answer();
    expect(readFileSync(join(folder, 'a.raw'))[0]).toBe(0xaa);
    expect(statSync(served.socketPath).mode & 0o777).toBe(0o600);
    await Promise.all([exports.close(), exports.close()]);
    expect(await one.answer()).toBe(null);
    expect(readFileSync(join(folder, 'a.raw'))[0]).toBe(3);
    expect(exports.all.map(({ socketPath }) => existsSync(socketPath))).toEqual([false, false]);
  });
});

it('refuses images that it cannot serve, with the way out', async () => {
  const qcow2 = join(folder, 'b.qcow2');
  writeFileSync(qcow2, Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(600)]));
  const open = (path: string): Promise<DiskExports> => DiskExports.open([{ path, readOnly: false }], join(folder));
  await expect(open(qcow2)).rejects.toThrow(`qemu-img convert -O raw ${qcow2} ${qcow2}.raw`);
  await expect(open(join(folder, 'none'))).rejects.toThrow(`cannot open the disk "${join(folder, 'none')}": No such file or directory (ENOENT)`);
  await expect(open('/dev/null')).rejects.toThrow('is no regular file');
  await expect(open(join(folder, 'a.raw'))).rejects.toThrow('somebody is listening at');
});

describe('a copy', () => {
  const path = (): string => join(folder, 'copy.raw');

  it('is read while it waits, takes writes when it has taken over, and then is nobody’s copy', async () => {
    const copy = await DiskCopy.create(path(), BYTES, 'turtle');
    expect([statSync(path()).size, statSync(path()).blocks]).toEqual([BYTES, 0]);
    await copy.apply({ zeros: [{ offset: 0, length: 9 }], data: [{ offset: 4, bytes: Buffer.from('abcd') }], flushed: true });
    expect(await copy.disk.read(3, 3)).toEqual(Buffer.from('\0ab'));
    await expect(copy.disk.write(0, Buffer.of(1))).rejects.toThrow('has not taken over');
    expect(() => copy.disk.closeEpoch()).toThrow('has not taken over');
    const disk = await copy.takeOver();
    await disk.write(0, Buffer.of(1));
    await expect(copy.apply({ zeros: [], data: [], flushed: false })).rejects.toThrow('it has taken over');
    await copy.end();
    await disk.close();
    expect(readFileSync(path()).subarray(0, 6)).toEqual(Buffer.from([1, 0, 0, 0, 0x61, 0x62]));
    await expect(DiskCopy.create(path(), BYTES, 'turtle')).rejects.toThrow('exists and is no copy of a disk');
  });

  it('is begun anew when it is its own, refused when it is not, and gone at its end', async () => {
    const left = await DiskCopy.create(path(), BYTES, 'turtle');
    await left.applyBaseline([{ offset: 0, bytes: Buffer.of(9) }]);
    await left.disk.close();
    await expect(DiskCopy.create(path(), BYTES, 'hare')).rejects.toThrow('not for "hare"');
    await expect(DiskCopy.create(join(folder, 'a.raw'), BYTES, 'turtle')).rejects.toThrow('move it away');
    const copy = await DiskCopy.create(path(), 2 * BYTES, 'turtle');
    expect([copy.bytes, (await copy.disk.read(0, 1))[0]]).toEqual([2 * BYTES, 0]);
    await Promise.all([copy.end(), copy.end()]);
    expect([existsSync(path()), existsSync(`${path()}.copy`)]).toEqual([false, false]);
  });

  it('that failed in the middle cannot be used any more', async () => {
    const file = new MemoryFile(BYTES);
    const copy = new DiskCopy(file);
    await expect(copy.applyBaseline([{ offset: 0, bytes: Buffer.of(1) }, { offset: BYTES, bytes: Buffer.of(1) }])).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(file.data[0]).toBe(0);
    await copy.applyBaseline([{ offset: 0, bytes: Buffer.of(1) }]);
    file.failing = 'ENOSPC';
    await expect(copy.applyBaseline([{ offset: 1, bytes: Buffer.of(1) }])).rejects.toThrow('No space left on device (ENOSPC)');
    file.failing = null;
    await expect(copy.apply({ zeros: [], data: [], flushed: true })).rejects.toThrow('(ENOSPC)');
    await expect(copy.takeOver()).rejects.toThrow('(ENOSPC)');
  });
});
