/**
 * v86-checkpointer.ts — takes the state of a machine of v86 that runs: the daemon's side.
 * Read first: protect/checkpoint.ts, guest-protection.ts, guest-checkpoints.ts.
 *
 * The process has found what is different when it answers `netloom-take`; the machine goes on while that comes over the socket. Frames it sent before come before the answer or later, none of after
 * comes before `cont`: so `closing` is called between the two.
 *
 * What is not here: which machines of v86 can be protected (v86-protectable.ts).
 */
import { join } from 'node:path';
import type { Checkpoint, Checkpointer, ImageScan } from '../checkpoint.js';
import { StateLink } from './state-link.js';
import type { V86Process } from './state-link.js';

export class V86Checkpointer implements Checkpointer {
  private readonly vm: V86Process;
  private readonly link: StateLink;
  private bytes: number;

  private constructor(vm: V86Process, link: StateLink, bytes: number) {
    this.vm = vm;
    this.link = link;
    this.bytes = bytes;
  }

  /** @param folder for its socket; nothing stays there. Rejects with an Error of one line. */
  static async start(vm: V86Process, folder: string): Promise<V86Checkpointer> {
    const link = await StateLink.open(vm, join(folder, 'state'));
    try {
      return new V86Checkpointer(vm, link, await begun(vm));
    } catch (error) {
      link.close();
      throw error;
    }
  }

  get imageBytes(): number {
    return this.bytes;
  }

  async begin(): Promise<void> {
    this.bytes = await begun(this.vm);
  }

  async scan(from: number, pagesMax: number): Promise<ImageScan> {
    const [{ delta }, { next }] = await Promise.all([this.link.receive(), this.run<{ next: number | null }>('netloom-scan', { from, pagesMax })]);
    this.bytes = delta.imageBytes;
    return { delta, next };
  }

  async take(closing: () => void, stay = (): boolean => false): Promise<Checkpoint> {
    const [{ delta, device }, paused] = await Promise.all([this.link.receive(), this.pause(closing, stay)]);
    this.bytes = delta.imageBytes;
    return { delta, device, ...paused };
  }

  async stop(): Promise<void> {
    await this.vm.run('stop');
  }

  async resume(): Promise<void> {
    await this.vm.run('cont');
  }

  async end(): Promise<void> {
    this.link.close();
    return Promise.resolve();
  }

  /** How long a machine that is to stay has stood still is told up to now. */
  private async pause(closing: () => void, stay: () => boolean): Promise<{ deviceUs: number; imageUs: number; pauseUs: number }> {
    const begun = performance.now();
    const { deviceUs, imageUs } = await this.run<{ deviceUs: number; imageUs: number }>('netloom-take', { stay: stay() });
    closing();
    if (stay()) return { deviceUs, imageUs, pauseUs: Math.round((performance.now() - begun) * 1000) };
    const { stoppedUs } = await this.run<{ stoppedUs: number }>('cont');
    return { deviceUs, imageUs, pauseUs: stoppedUs };
  }

  private async run<T>(command: string, args?: Readonly<Record<string, unknown>>): Promise<T> {
    return (await this.vm.run(command, args)) as T;
  }
}

async function begun(vm: V86Process): Promise<number> {
  const { imageBytes } = (await vm.run('netloom-begin')) as { imageBytes: number };
  return imageBytes;
}
