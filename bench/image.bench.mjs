/**
 * image.bench.mjs — the memory of a protected machine: how long it takes to see what is different in it, against a copy of its file, which is what the machine would stand still for otherwise.
 * Read first: packages/node/src/protect/image/ram-image.ts.
 *
 *     image/compare MB, THREADS      nothing has changed
 *     image/dirty MB                 675 pages have, which a guest that writes without pause makes of 10 ms
 *     image/first MB                 all that is remembered is zeros, and nothing of the file is: what a scan of everything has to do
 *     image/apply                    a page of differences, put into a standby's file
 *
 * The file is full and lies in /dev/shm. The copy is by four reads at once into memory that has been written before.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { RamImage } from '../packages/node/dist/protect/image/ram-image.js';
import { StandbyImage } from '../packages/node/dist/protect/image/standby-image.js';
import { median } from './median.mjs';

const MB = 2 ** 20;
const PAGE = 4_096;
const TURNS = 15;
const SCANNED_PAGES = 2_048;
const DIRTY_PAGES = 675;
const READS = 4;

/** @typedef {{ path: string, fd: number, bytes: number }} Ram */

/** The middle of some turns, in ms, after one that is not counted. @param {(turn: number) => unknown} before @param {() => unknown} work */
async function turns(before, work) {
  const times = [];
  for (let turn = 0; turn <= TURNS; turn++) {
    before(turn);
    const from = performance.now();
    await work();
    if (turn > 0) times.push(performance.now() - from);
  }
  return median(times);
}

/** With a file like a machine's memory, which goes again. @template T @param {number} mb @param {(ram: Ram) => Promise<T>} use */
async function withRam(mb, use) {
  const dir = mkdtempSync('/dev/shm/netloom-bench-');
  const path = join(dir, 'ram');
  const fd = openSync(path, 'w+');
  try {
    ftruncateSync(fd, mb * MB);
    const some = Buffer.alloc(MB);
    for (let i = 0; i < MB; i += 8) some.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i);
    for (let at = 0; at < mb; at++) writeSync(fd, some, 0, MB, at * MB);
    return await use({ path, fd, bytes: mb * MB });
  } finally {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  }
}

/** @param {RamImage} image */
async function scanAll(image) {
  for (let from = /** @type {number | null} */ (0); from !== null; ) ({ next: from } = await image.scan(from, SCANNED_PAGES));
}

/** @param {number} mb @param {number} workers @param {number} dirty pages */
const compare = (mb, workers, dirty) => withRam(mb, async (ram) => {
  const image = await RamImage.open(ram.path, ram.bytes, { workers });
  try {
    await scanAll(image);
    const touch = (/** @type {number} */ turn) => {
      for (let n = 0; n < dirty; n++) writeSync(ram.fd, `${turn}`, ((n * 7_919 + turn) % (ram.bytes / PAGE)) * PAGE);
    };
    return await turns(touch, () => image.compare());
  } finally {
    await image.end();
  }
});

/** @param {number} mb */
const first = (mb) => withRam(mb, async (ram) => {
  const image = await RamImage.open(ram.path, ram.bytes, { workers: 1 });
  const from = performance.now();
  await scanAll(image);
  const took = performance.now() - from;
  await image.end();
  return took;
});

/** @param {number} mb */
const copy = (mb) => withRam(mb, async ({ fd, bytes }) => {
  const memory = Buffer.alloc(bytes, 1);
  const part = bytes / READS;
  const readPart = (/** @type {number} */ at) => new Promise((resolve, reject) => read(fd, memory, at, part, at, (error) => (error === null ? resolve(undefined) : reject(error))));
  return turns(() => undefined, () => Promise.all(Array.from({ length: READS }, (_, i) => readPart(i * part))));
});

async function apply() {
  const dir = mkdtempSync('/dev/shm/netloom-bench-');
  const standby = await StandbyImage.make(join(dir, 'standby'), 64 * MB);
  try {
    const pages = Uint32Array.from({ length: SCANNED_PAGES }, (_, i) => i * 8);
    const xor = Buffer.alloc(SCANNED_PAGES * PAGE, 1);
    const ms = await turns(() => undefined, () => standby.apply({ imageBytes: 64 * MB, pages, xor }));
    return (ms / SCANNED_PAGES) * 1e3;
  } finally {
    standby.end();
    rmSync(dir, { recursive: true });
  }
}

const lacking = () => (process.platform === 'linux' ? null : 'needs Linux');
const lackingTwo = () => lacking() ?? (availableParallelism() < 2 ? 'needs two processors' : null);
const copied = (/** @type {number} */ mb) => ({ name: 'copy of the file', measure: () => copy(mb) });

export const benchmarks = [
  { name: 'image/compare 128, one thread', unit: 'ms', lacking, measure: () => compare(128, 1, 0), peer: copied(128) },
  ...[128, 256, 512].map((mb) => ({ name: `image/compare ${mb}, two threads`, unit: 'ms', lacking: lackingTwo, measure: () => compare(mb, 2, 0), peer: copied(mb) })),
  { name: 'image/dirty 128', unit: 'ms', lacking: lackingTwo, measure: () => compare(128, 2, DIRTY_PAGES), peer: copied(128) },
  { name: 'image/first 128', unit: 'ms', lacking, measure: () => first(128) },
  { name: 'image/apply', unit: 'us', lacking, measure: apply },
];
