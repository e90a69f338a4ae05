/**
 * ram-image.test.ts — the differences that a RamImage answers make the file out of zeros, whoever writes and whenever; and a StandbyImage that is fed with them is the same.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Prng } from '@netloom/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import { ENOSPC, loadImageLibc } from './image-libc.js';
import { RamImage } from './ram-image.js';
import { StandbyImage } from './standby-image.js';

const isLinux = process.platform === 'linux';
/** Not a whole number of stripes, nor of pieces. */
const PAGES = 3 * 256 + 21;
const BYTES = PAGES * PAGE_BYTES;

let dir = '';
let path = '';
let fd = -1;
const images: { end(): Promise<void> | void }[] = [];

beforeEach(() => {
  if (!isLinux) return;
  dir = mkdtempSync('/dev/shm/netloom-image-test-');
  path = join(dir, 'ram');
  fd = openSync(path, 'w+');
  ftruncateSync(fd, BYTES);
});

afterEach(async () => {
  if (!isLinux) return;
  for (const image of images.splice(0)) await image.end();
  closeSync(fd);
  rmSync(dir, { recursive: true });
});

async function openImage(workers: number): Promise<RamImage> {
  const image = await RamImage.open(path, BYTES, { workers });
  images.push(image);
  return image;
}

async function makeStandby(): Promise<StandbyImage> {
  const standby = await StandbyImage.make(join(dir, 'standby'), BYTES);
  images.push(standby);
  return standby;
}

function write(page: number, text: string, at = 100): void {
  writeSync(fd, text, page * PAGE_BYTES + at);
}

/** Sums differences up, apart from StandbyImage. */
class Sum {
  readonly bytes = Buffer.alloc(BYTES);

  add({ imageBytes, pages, xor }: ImageDelta): void {
    expect(imageBytes).toBe(BYTES);
    expect(xor.length).toBe(pages.length * PAGE_BYTES);
    expect([...pages]).toEqual([...new Set(pages)].sort((a, b) => a - b));
    for (let i = 0; i < xor.length; i++) this.bytes[pages[i >>> 12]! * PAGE_BYTES + (i & 4_095)]! ^= xor[i]!;
  }

  expectFile(): void {
    expect(this.bytes.equals(readFileSync(path))).toBe(true);
  }
}

/** Scans all of it, some pages at a time. */
async function scanAll(image: RamImage, sum: Sum, pagesMax: number): Promise<number[]> {
  const pages: number[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const scan = await image.scan(from, pagesMax);
    expect(scan.delta.pages.length).toBeLessThanOrEqual(pagesMax);
    sum.add(scan.delta);
    pages.push(...scan.delta.pages);
    from = scan.next;
  }
  return pages;
}

describe.skipIf(!isLinux).each([1, 2])('with %i threads', (workers) => {
  test('an image of holes has no differences, and stays one of holes', async () => {
    const image = await openImage(workers);
    expect((await image.compare()).pages.length).toBe(0);
    expect((await image.scan(0, 1)).next).toBe(null);
    expect(fstatSync(fd).blocks).toBe(0);
  });

  test('pages that were written are answered once, in order', async () => {
    const image = await openImage(workers);
    const sum = new Sum();
    const written = [0, 15, 16, 255, 256, 300, 511, 700, PAGES - 1];
    for (const page of written) write(page, `page ${page}`);
    const delta = await image.compare();
    expect([...delta.pages]).toEqual(written);
    sum.add(delta);
    sum.expectFile();
    expect((await image.compare()).pages.length).toBe(0);
  });

  test('a difference is old XOR new', async () => {
    const image = await openImage(workers);
    write(5, 'AAAA');
    await image.compare();
    write(5, 'ABBA');
    const { pages, xor } = await image.compare();
    expect([...pages]).toEqual([5]);
    expect([...xor.subarray(98, 106)]).toEqual([0, 0, 0, 3, 3, 0, 0, 0]);
  });

  test('holes that become data while it is protected, and data that becomes zeros', async () => {
    const image = await openImage(workers);
    const sum = new Sum();
    const rng = new Prng(7);
    for (let round = 0; round < 30; round++) {
      for (let n = rng.u32() % 40; n > 0; n--) write(rng.u32() % PAGES, rng.u32() % 4 === 0 ? '\0'.repeat(PAGE_BYTES) : `round ${round}`, 0);
      sum.add(await image.compare());
      sum.expectFile();
    }
  });

  test('every page at once, and again from the beginning', async () => {
    const image = await openImage(workers);
    for (let page = 0; page < PAGES; page++) write(page, `page ${page}`);
    const sums = [new Sum(), new Sum(), new Sum()];
    sums[0]!.add(await image.compare());
    await image.begin();
    sums[1]!.add(await image.compare());
    await image.begin();
    await scanAll(image, sums[2]!, 100);
    for (const sum of sums) sum.expectFile();
  });

  test('a scan stops where enough is found, and goes on from there', async () => {
    const image = await openImage(workers);
    const written = [3, 4, 5, 90, 256, 257, PAGES - 1];
    for (const page of written) write(page, 'x');
    const first = await image.scan(4, 2);
    expect([[...first.delta.pages], first.next]).toEqual([[4, 5], 6]);
    const last = await image.scan(PAGES - 1, 1);
    expect([[...last.delta.pages], last.next]).toEqual([[PAGES - 1], null]);
    const sum = new Sum();
    sum.add({ ...first.delta, xor: first.delta.xor.slice() });
    expect(await scanAll(image, new Sum(), 3)).toEqual([3, 90, 256, 257]);
    expect((await image.compare()).pages.length).toBe(0);
  });

  test('what another thread writes meanwhile is in one difference or another', async () => {
    const image = await openImage(workers);
    const sum = new Sum();
    const control = new Int32Array(new SharedArrayBuffer(8));
    const writer = new Worker(WRITER, { eval: true, workerData: { path, control, pages: PAGES } });
    const exited = new Promise((resolve) => writer.once('exit', resolve));
    for (let round = 0; Atomics.load(control, 1) < 5_000 || round < 20; round++) {
      if (round % 2 === 0) await scanAll(image, sum, 50);
      else sum.add(await image.compare());
    }
    Atomics.store(control, 0, 1);
    await exited;
    sum.add(await image.compare());
    sum.expectFile();
    expect((await image.compare()).pages.length).toBe(0);
  });

  test('a standby that is fed with the differences has the same bytes', async () => {
    const image = await openImage(workers);
    const standby = await makeStandby();
    const rng = new Prng(9);
    for (let round = 0; round < 20; round++) {
      for (let n = rng.u32() % 60; n > 0; n--) write(rng.u32() % PAGES, `round ${round} ${rng.u32()}`, rng.u32() % 4_000);
      if (round % 3 === 0) standby.apply((await image.scan(rng.u32() % PAGES, 20)).delta);
      standby.apply(await image.compare());
      expect(readFileSync(standby.path).equals(readFileSync(path))).toBe(true);
    }
  });

  test('a file that grows is looked at as far as it was said to be', async () => {
    const image = await openImage(workers);
    ftruncateSync(fd, BYTES + PAGE_BYTES);
    write(PAGES - 1, 'inside');
    write(PAGES, 'outside');
    expect([...(await image.compare()).pages]).toEqual([PAGES - 1]);
  });

  test('a file that was cut short is refused, not touched', async () => {
    const image = await openImage(workers);
    ftruncateSync(fd, PAGE_BYTES);
    const line = `the image ${path}: the file has ${PAGE_BYTES} bytes, and the machine's memory is said to be ${BYTES}`;
    await expect(image.compare()).rejects.toThrow(line);
    await expect(image.scan(0, 1)).rejects.toThrow(line);
  });

  test('end lets a call in flight reject, and every later one', async () => {
    const image = await openImage(workers);
    for (let page = 0; page < PAGES; page++) write(page, 'x');
    const call = image.compare();
    const ended = image.end();
    await expect(call).rejects.toThrow(`the image ${path}: it has been let go`);
    await ended;
    await image.end();
    await expect(image.compare()).rejects.toThrow('it has been let go');
    await expect(image.begin()).rejects.toThrow('it has been let go');
    expect(existsSync(path)).toBe(true);
  });

  test('one call at a time', async () => {
    const image = await openImage(workers);
    const call = image.compare();
    await expect(image.scan(0, 1)).rejects.toThrow('a call is not finished');
    await call;
    await image.scan(0, 1);
  });

  test('a thread that dies rejects the call, and all that follow', async () => {
    const dies = new URL(`data:text/javascript,${encodeURIComponent(DIES)}`);
    const image = await RamImage.open(path, BYTES, { workers, program: dies });
    images.push(image);
    await expect(image.compare()).rejects.toThrow(`the image ${path}: its thread ended with code 3`);
    await expect(image.compare()).rejects.toThrow(`the image ${path}: its thread ended with code 3`);
    const fails = new URL(`data:text/javascript,${encodeURIComponent('throw new Error("it fails\\nat once")')}`);
    await expect(RamImage.open(path, BYTES, { workers, program: fails })).rejects.toThrow(new RegExp(`^the image ${path}: its thread failed: it fails$`));
  });
});

/** Runs, then dies of its first job. */
const DIES = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', () => process.exit(3));
parentPort.postMessage({ found: 0, next: null });
`;

/** Writes here and there until it is told to stop. */
const WRITER = `
const { workerData: { path, control, pages } } = require('node:worker_threads');
const { openSync, writeSync } = require('node:fs');
const fd = openSync(path, 'r+');
for (let n = 1; Atomics.load(control, 0) === 0; n++) {
  writeSync(fd, Buffer.alloc(4096, n), 0, 4096, ((n * 7919) % pages) * 4096);
  Atomics.store(control, 1, n);
}
`;

describe.skipIf(!isLinux)('an image that cannot be', () => {
  test('opened: the path is not there, the file is short, the size is odd', async () => {
    await expect(RamImage.open(join(dir, 'none'), BYTES)).rejects.toThrow(/^the image .*none cannot be opened: ENOENT.*$/);
    await expect(RamImage.open(path, BYTES + PAGE_BYTES)).rejects.toThrow(`the file has ${BYTES} bytes, and the machine's memory is said to be ${BYTES + PAGE_BYTES}`);
    await expect(RamImage.open(path, 4_097)).rejects.toThrow('4097 bytes are not a multiple of 4096');
    await expect(RamImage.open(path, 2 ** 32 + PAGE_BYTES)).rejects.toThrow('give the machine less memory');
    await expect(RamImage.open(path, BYTES, { workers: 3 })).rejects.toThrow('3 threads');
  });

  test('scanned: no such page', async () => {
    const image = await openImage(1);
    await expect(image.scan(PAGES, 1)).rejects.toThrow(`has ${PAGES} pages`);
    await expect(image.scan(0, 0)).rejects.toThrow('at least 1');
  });
});

describe.skipIf(!isLinux)('a standby image', () => {
  const delta = (pages: number[], imageBytes = BYTES): ImageDelta => ({ imageBytes, pages: Uint32Array.from(pages), xor: Buffer.alloc(pages.length * PAGE_BYTES, 1) });

  test('has memory for all its pages from the beginning', async () => {
    const standby = await makeStandby();
    const file = openSync(standby.path, 'r');
    const { size, blocks } = fstatSync(file);
    closeSync(file);
    expect([size, blocks * 512 >= BYTES]).toEqual([BYTES, true]);
    expect(readFileSync(standby.path).equals(Buffer.alloc(BYTES))).toBe(true);
  });

  test('takes a difference that does not lie as words do', async () => {
    const standby = await makeStandby();
    const xor = Buffer.alloc(PAGE_BYTES + 1, 7).subarray(1);
    standby.apply({ imageBytes: BYTES, pages: Uint32Array.of(2), xor });
    expect(readFileSync(standby.path).subarray(2 * PAGE_BYTES, 3 * PAGE_BYTES).equals(Buffer.alloc(PAGE_BYTES, 7))).toBe(true);
  });

  test('refuses a difference of another image, and puts nothing of it in', async () => {
    const standby = await makeStandby();
    expect(() => standby.apply(delta([0, PAGES]))).toThrow(`has ${PAGES} pages, and the difference has page ${PAGES}`);
    expect(() => standby.apply(delta([0], BYTES - PAGE_BYTES))).toThrow(`has ${BYTES} bytes, and the difference is of one with ${BYTES - PAGE_BYTES}`);
    expect(() => standby.apply({ ...delta([0, 1]), xor: Buffer.alloc(PAGE_BYTES) })).toThrow(`2 pages has ${PAGE_BYTES} bytes`);
    expect(readFileSync(standby.path).equals(Buffer.alloc(BYTES))).toBe(true);
  });

  test('is gone when it ends, and stays when a machine runs on it', async () => {
    const standby = await makeStandby();
    standby.end();
    standby.end();
    expect(existsSync(standby.path)).toBe(false);
    expect(() => standby.apply(delta([0]))).toThrow('has been let go');
    const other = await makeStandby();
    other.release();
    other.end();
    expect(existsSync(other.path)).toBe(true);
  });

  test('says what is free when there is no room, and leaves nothing', async () => {
    const file = join(dir, 'large');
    const { bavail, bsize } = statfsSync(dir);
    const bytes = (Math.ceil((bavail * bsize) / PAGE_BYTES) + 2 ** 20) * PAGE_BYTES;
    await expect(StandbyImage.make(file, bytes)).rejects.toThrow(new RegExp(`^the standby image ${file} needs ${bytes} bytes, and ${dir} has \\d+ free: make it larger .*, or give the machine less memory$`));
    expect(existsSync(file)).toBe(false);
    // Somebody else takes the room meanwhile.
    const full = { ...loadImageLibc(), allocate: () => ENOSPC };
    await expect(StandbyImage.make(file, BYTES, full)).rejects.toThrow(`needs ${BYTES} bytes, and ${dir} has`);
    expect(existsSync(file)).toBe(false);
  });

  test('does not take a file of somebody else', async () => {
    writeFileSync(join(dir, 'standby'), 'mine');
    await expect(makeStandby()).rejects.toThrow(/^the standby image .* cannot be made: EEXIST.*$/);
    expect(readFileSync(join(dir, 'standby'), 'utf8')).toBe('mine');
    await expect(StandbyImage.make(join(dir, 'none', 'x'), BYTES)).rejects.toThrow(/cannot be made: ENOENT/);
  });
});
