/**
 * image-worker.ts — entry of a RamImage's thread: joins the memory it was given to an ImageComparer, and does one job after another.
 * Started by image-thread.ts, which ends it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ImageComparer } from './image-comparer.js';
import { loadImageLibc } from './image-libc.js';
import { IMAGE_LAYOUT } from './image-shared.js';
import type { ImageFound, ImageJob, ImageWorkerData } from './image-shared.js';

function main(data: ImageWorkerData): void {
  if (data.layout !== IMAGE_LAYOUT) throw new Error(`image-worker of layout ${IMAGE_LAYOUT} was started by an image of layout ${data.layout}: build again`);
  const libc = loadImageLibc();
  const bytesAt = (address: number): Buffer => Buffer.from(libc.viewMemory(address, data.bytes));
  const comparer = new ImageComparer({
    live: bytesAt(data.live),
    known: bytesAt(data.known),
    xor: bytesAt(data.xor),
    pages: new Uint32Array(data.pages),
    pieces: new Uint8Array(data.pieces),
    seekData: (offset) => libc.seekData(data.fd, offset),
  });
  const taken = new Int32Array(data.taken);
  const answer = (found: ImageFound): void => parentPort!.postMessage(found);
  parentPort!.on('message', (job: ImageJob) => answer(job.kind === 'scan' ? comparer.scan(job.from, job.pagesMax) : comparer.compare(taken, job.backwards)));
  answer({ found: 0, next: null });
}

main(workerData as ImageWorkerData);
