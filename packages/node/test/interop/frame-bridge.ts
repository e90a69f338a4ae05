/**
 * frame-bridge.ts — FrameBridge: hands every frame of one port to the other, by any FrameIo, from this thread's event loop; for tests of FrameIo with Linux at
 * both ends.
 */
import type { FrameHandler, FrameIo, FrameMemory } from '../../src/datapath/io/frame-io.js';
import { loadLibc, O_CLOEXEC, O_NONBLOCK } from '../../src/tap/libc.js';
import type { Libc } from '../../src/tap/libc.js';

export type MakeFrameIo = (libc: Libc, handler: FrameHandler, wakeFd: number) => FrameIo;

export class FrameBridge implements FrameHandler {
  /** Frames that came in, by port, and those that were refused on the way out. */
  readonly frames = [0, 0];
  refusals = 0;
  readonly goneWith: [port: number, errno: number][] = [];
  readonly io: FrameIo;
  private readonly libc = loadLibc();
  private readonly wakeFd: number;
  private next: NodeJS.Immediate | null = null;

  constructor(make: MakeFrameIo, fds: readonly [number, number], frameMax: number) {
    this.wakeFd = this.libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    this.io = make(this.libc, this, this.wakeFd);
    fds.forEach((fd, port) => this.io.open(port, fd, true, frameMax));
    this.turn();
  }

  frame(port: number, _mem: FrameMemory, at: number, len: number): void {
    this.frames[port]!++;
    if (!this.io.forward(1 - port, at, len)) this.refusals++;
  }

  batchEnd(): void {
    // Nothing is kept by the batch.
  }

  idle(): void {
    // It never sleeps: the event loop has other things to do.
  }

  awake(): void {
    // See idle.
  }

  refused(): void {
    this.refusals++;
  }

  gone(port: number, errno: number): void {
    this.goneWith.push([port, errno]);
  }

  close(): void {
    if (this.next !== null) clearImmediate(this.next);
    this.io.destroy();
    this.libc.close(this.wakeFd);
  }

  private turn(): void {
    this.io.turn(0);
    this.next = setImmediate(() => this.turn());
  }
}
