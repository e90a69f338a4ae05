/**
 * delta-codec.ts — an ImageDelta as records of bytes, for who keeps the image elsewhere, and back.
 * Read first: ../checkpoint.ts.
 *
 *     0  u8   packing: 0 none, 1 raw deflate (RFC 1951)
 *     1  u32  pages of the image
 *     5  u16  runs of pages; then for each
 *             u32 the first page, u16 how many
 *        ...  PAGE_BYTES for each page, packed or not, to the end of the record
 *
 * Theory of operation. Each record is a whole delta of at most RECORD_PAGES pages, so records may be put into the image one after another, and none is long. Numbers are in network byte order. Differences
 * are packed where that is asked for and makes the record shorter; it is done by Node's threads.
 *
 * Invariants: records are copies; what they were made from may change when `encodeDelta` has resolved. A record that is decoded has ascending pages within its image and a difference for each, whatever
 * bytes came: anything else is refused.
 */
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { InflateRaw } from 'node:zlib';
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';

/** Pages of a record at most: 1 MB of differences. */
export const RECORD_PAGES = 256;
/** Records that are packed at the same time. */
const TOGETHER = 2;
const HEAD_BYTES = 7;
const RUN_BYTES = 6;
const PLAIN = 0;
const DEFLATED = 1;

export interface EncodeOptions {
  /** Worth it on a wire that is slower than a processor packs, some 200 MB/s. */
  readonly pack: boolean;
}

/** One record or more; in order they are the delta. */
export async function encodeDelta(delta: ImageDelta, { pack }: EncodeOptions): Promise<Uint8Array[]> {
  const parts: ImageDelta[] = [];
  for (let from = 0; from === 0 || from < delta.pages.length; from += RECORD_PAGES) {
    const pages = delta.pages.subarray(from, from + RECORD_PAGES);
    parts.push({ imageBytes: delta.imageBytes, pages, xor: delta.xor.subarray(from * PAGE_BYTES, (from + pages.length) * PAGE_BYTES) });
  }
  if (!pack) return parts.map((part) => record(part, PLAIN, part.xor));
  const records: Uint8Array[] = [];
  for (let i = 0; i < parts.length; i += TOGETHER) records.push(...(await Promise.all(parts.slice(i, i + TOGETHER).map(packed))));
  return records;
}

/** @throws Error, one line: these bytes are no record. */
export async function decodeDelta(bytes: Uint8Array): Promise<ImageDelta> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEAD_BYTES) throw malformed(`${bytes.length} bytes are less than its head`);
  const packing = view.getUint8(0);
  const pageCount = view.getUint32(1);
  const runs = view.getUint16(5);
  const bodyAt = HEAD_BYTES + runs * RUN_BYTES;
  if (runs > RECORD_PAGES || bodyAt > bytes.length) throw malformed(`${runs} runs of pages do not fit into ${bytes.length} bytes`);
  const pages = readPages(view, runs, pageCount);
  const body = bytes.subarray(bodyAt);
  const length = pages.length * PAGE_BYTES;
  if (packing !== PLAIN && packing !== DEFLATED) throw malformed(`packing ${packing} is not known`);
  const xor = packing === DEFLATED ? await unpacked(body, length) : body;
  if (xor.length !== length) throw malformed(`${pages.length} pages have ${xor.length} bytes`);
  return { imageBytes: pageCount * PAGE_BYTES, pages, xor };
}

function readPages(view: DataView, runs: number, pageCount: number): Uint32Array {
  const pages = new Uint32Array(RECORD_PAGES);
  let found = 0;
  let lowest = 0;
  for (let run = 0; run < runs; run++) {
    const first = view.getUint32(HEAD_BYTES + run * RUN_BYTES);
    const length = view.getUint16(HEAD_BYTES + run * RUN_BYTES + 4);
    if (first < lowest || first + length > pageCount) throw malformed(`pages ${first} to ${first + length} come after page ${lowest} in an image of ${pageCount}`);
    if (length === 0 || found + length > RECORD_PAGES) throw malformed(`${length} pages in a run after ${found}; a record has ${RECORD_PAGES} at most`);
    for (let i = 0; i < length; i++) pages[found++] = first + i;
    lowest = first + length;
  }
  return pages.slice(0, found);
}

async function packed(part: ImageDelta): Promise<Uint8Array> {
  const body = await new Promise<Uint8Array>((resolve, reject) => {
    deflateRaw(part.xor, { level: 1 }, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
  return body.length < part.xor.length ? record(part, DEFLATED, body) : record(part, PLAIN, part.xor);
}

/** `length` bytes, all that `body` is. */
async function unpacked(body: Uint8Array, length: number): Promise<Uint8Array> {
  // Node wants a limit of one byte at least.
  const options = { maxOutputLength: Math.max(1, length), info: true };
  return new Promise((resolve, reject) => {
    inflateRaw(body, options, (error, result) => {
      if (error !== null) return reject(malformed(`its differences cannot be unpacked: ${error.message}`));
      // With `info`, which the types do not know.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: InflateRaw };
      if (engine.bytesWritten !== body.length) return reject(malformed(`${body.length - engine.bytesWritten} bytes follow its differences`));
      resolve(buffer);
    });
  });
}

function record({ imageBytes, pages }: ImageDelta, packing: number, body: Uint8Array): Uint8Array {
  const runs = runsOf(pages);
  const bytes = new Uint8Array(HEAD_BYTES + runs.length * RUN_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, packing);
  view.setUint32(1, imageBytes / PAGE_BYTES);
  view.setUint16(5, runs.length);
  let at = HEAD_BYTES;
  for (const [first, length] of runs) {
    view.setUint32(at, first);
    view.setUint16(at + 4, length);
    at += RUN_BYTES;
  }
  bytes.set(body, at);
  return bytes;
}

/** [first, length] of pages that follow each other. */
function runsOf(pages: Uint32Array): [number, number][] {
  const runs: [number, number][] = [];
  for (const page of pages) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === page) last[1]++;
    else runs.push([page, 1]);
  }
  return runs;
}

function malformed(why: string): Error {
  return new Error(`a record of a machine's image is malformed: ${why.split('\n', 1)[0]!}`);
}
