/**
 * image-thread.ts — ImageThread: one thread of a RamImage, from the side of the thread that asks.
 * Read first: ram-image.ts; image-worker.ts.
 *
 * Theory of operation. The thread waits for messages, and answers each. It keeps the process alive while it owes an answer, and not else.
 *
 * Invariants: one job at a time. When `end` has resolved the thread is gone, and touches no memory any more.
 */
import { Worker } from 'node:worker_threads';
import type { ImageFound, ImageJob, ImageWorkerData } from './image-shared.js';

/** What it runs is small; what it reads lies outside its heap. */
const LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4, codeRangeSizeMb: 16 };

interface Waiting {
  readonly resolve: (found: ImageFound) => void;
  readonly reject: (error: Error) => void;
}

export class ImageThread {
  /** Resolves when it runs. */
  readonly started: Promise<void>;
  private readonly worker: Worker;
  private readonly exited: Promise<void>;
  private waiting: Waiting | null = null;
  /** Why it is gone. */
  private reason = '';

  constructor(program: URL, workerData: ImageWorkerData) {
    this.worker = new Worker(program, { workerData, name: 'image', execArgv: [], resourceLimits: LIMITS });
    this.worker.on('message', (found: ImageFound) => this.settle()?.resolve(found));
    this.worker.on('error', (error) => (this.reason ||= `its thread failed: ${error.message}`));
    this.exited = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        this.reason ||= `its thread ended with code ${code}`;
        this.settle()?.reject(new Error(this.reason));
        resolve();
      });
    });
    this.started = this.next().then(() => undefined);
  }

  /** @throws Error, one line: the thread is gone. */
  run(job: ImageJob): Promise<ImageFound> {
    if (this.reason !== '') return Promise.reject(new Error(this.reason));
    this.worker.ref();
    this.worker.postMessage(job);
    return this.next();
  }

  async end(reason: string): Promise<void> {
    this.reason ||= reason;
    this.worker.ref();
    await this.worker.terminate();
    await this.exited;
  }

  private next(): Promise<ImageFound> {
    return new Promise((resolve, reject) => (this.waiting = { resolve, reject }));
  }

  private settle(): Waiting | null {
    const { waiting } = this;
    this.waiting = null;
    this.worker.unref();
    return waiting;
  }
}
