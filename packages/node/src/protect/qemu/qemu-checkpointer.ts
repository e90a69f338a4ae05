/**
 * qemu-checkpointer.ts — class QemuCheckpointer: the state of a machine that QEMU runs, taken again and again.
 * Read first: checkpoint.ts; device-state.ts; image/ram-image.ts.
 *
 * Theory of operation. The machine's memory is a file that is seen from here (VmSpec.protectable). To take a checkpoint the machine is stopped, and two things are done at the same time: QEMU writes the device state to our
 * socket, and the image finds what is different in the memory. QEMU's own record of dirty pages is not used: of a machine that is emulated it misses pages.
 *
 *     stop ── migrate ───── MIGRATION completed ─┐
 *        └─── compare the image ─────────────────┴── closing() ── cont ── the end of the device state's stream
 *
 * When MIGRATION is completed QEMU has written out what it had of the disks, so `closing` comes after. The machine goes on while the end of the stream is read.
 *
 * Invariants: one call at a time. A call that fails lets the machine go on, if it is there; what was different is lost then, and whoever asks begins anew.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { freeListenPath, pathProblem } from '../../port/listen-path.js';
import type { VmProcess } from '../../vm/vm-process.js';
import type { Vm } from '../../vm/vm.js';
import type { Checkpoint, Checkpointer, ImageDelta, ImageScan } from '../checkpoint.js';
import { RamImage } from '../image/ram-image.js';
import { leaveMemory, migrationEnds } from './device-state.js';

/** The memory of the machine as a file, and what is different in it. */
export interface MachineImage {
  readonly imageBytes: number;
  begin(): void | Promise<void>;
  scan(from: number, pagesMax: number): ImageScan | Promise<ImageScan>;
  compare(): ImageDelta | Promise<ImageDelta>;
  end(): void | Promise<void>;
}

const microsBetween = (from: number, to: number): number => Math.round((to - from) * 1000);

export class QemuCheckpointer implements Checkpointer {
  private readonly process: VmProcess;
  private readonly image: MachineImage;
  private readonly path: string;
  private readonly server: Server;
  /** Who waits for a device state. */
  private arrived: (state: Uint8Array) => void = () => undefined;
  private stopped = false;
  private ended: Promise<void> | null = null;

  private constructor(process: VmProcess, folder: string, image: MachineImage) {
    this.process = process;
    this.image = image;
    this.path = join(folder, 'state');
    this.server = createServer((socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('error', () => undefined); // "close" follows
      socket.on('close', () => this.arrived(Buffer.concat(chunks)));
    });
  }

  /** Of a machine that runs and can be protected. @throws Error, one line */
  static async open({ name, process, folder, parts: { ram } }: Vm, image?: MachineImage): Promise<QemuCheckpointer> {
    if (process === null || ram === null) throw new Error(`"${name}" does not run as a machine that can be protected; run it with --protectable`);
    const checkpointer = new QemuCheckpointer(process, folder, image ?? (await RamImage.open(ram.path, ram.bytes)));
    try {
      await checkpointer.listen();
      await leaveMemory(process.qmp);
      return checkpointer;
    } catch (error) {
      await checkpointer.end();
      throw error;
    }
  }

  get imageBytes(): number {
    return this.image.imageBytes;
  }

  async begin(): Promise<void> {
    await this.image.begin();
  }

  async scan(from: number, pagesMax: number): Promise<ImageScan> {
    return this.image.scan(from, pagesMax);
  }

  async take(closing: () => void, stay = (): boolean => false): Promise<Checkpoint> {
    const before = performance.now();
    await this.stop();
    try {
      const stopped = performance.now();
      const state = this.nextState();
      let deviceUs = 0;
      let imageUs = 0;
      const [, delta] = await bothOf(
        this.migrate().then(() => (deviceUs = microsBetween(stopped, performance.now()))),
        Promise.resolve(this.image.compare()).then((different) => {
          imageUs = microsBetween(stopped, performance.now());
          return different;
        }),
      );
      closing();
      if (!stay()) await this.resume();
      const pauseUs = microsBetween(before, performance.now());
      return { delta, device: await state, pauseUs, deviceUs, imageUs };
    } catch (error) {
      await this.resume().catch(() => undefined); // it is gone: the error says so
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.process.qmp.run('stop');
    this.stopped = true;
  }

  async resume(): Promise<void> {
    if (!this.stopped) return;
    await this.process.resume();
    this.stopped = false;
  }

  end(): Promise<void> {
    this.ended ??= this.letGo();
    return this.ended;
  }

  private async letGo(): Promise<void> {
    if (this.server.listening) await new Promise<void>((resolve) => this.server.close(() => resolve()));
    rmSync(this.path, { force: true });
    await this.image.end();
  }

  private async listen(): Promise<void> {
    const problem = pathProblem(this.path);
    if (problem !== null) throw new Error(problem);
    await freeListenPath(this.path);
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.path, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  private async migrate(): Promise<void> {
    const { qmp } = this.process;
    const ends = migrationEnds(qmp);
    await qmp.run('migrate', { uri: `unix:${this.path}` });
    await ends;
  }

  /** The whole of the next stream. Rejects when QEMU is gone before its end. */
  private nextState(): Promise<Uint8Array> {
    const state = new Promise<Uint8Array>((resolve, reject) => {
      this.arrived = resolve;
      void this.process.ended.then(() => reject(new Error('QEMU is gone')));
    });
    state.catch(() => undefined); // whoever waits is told
    return state;
  }
}

/** Both, when both are done; when one fails, its error, and still not before the other is done. */
async function bothOf<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}
