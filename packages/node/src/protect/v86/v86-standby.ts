/**
 * v86-standby.ts — a machine of v86 that waits to be another one: the daemon's side.
 * Read first: protect/checkpoint.ts, guest-standby.ts (the process's).
 *
 * Theory of operation. Differences are checked here and written to the process, which puts them into its machine one after the other, so nothing of the image is kept here and taking over has
 * nothing to hand over but a device state. What has been applied is with the process or on the way to it: this daemon's end is the process's end as well, so neither is without the other.
 *
 * Invariant: what is on the way is bounded, by twice the image: a process that does not keep up has failed.
 */
import { join } from 'node:path';
import type { ImageDelta, StandbyMachine } from '../checkpoint.js';
import { StateLink } from './state-link.js';
import type { V86Process } from './state-link.js';
import { deltaFault } from './state-message.js';

const NO_DEVICE = new Uint8Array(0);

export class V86Standby implements StandbyMachine {
  onFailed: (reason: string) => void = () => undefined;
  private readonly vm: V86Process;
  private readonly link: StateLink;
  private imageBytes = 0;
  private messages = 0;
  /** It has taken over, has been ended, or has failed. */
  private over = false;
  private tookOver = false;

  private constructor(vm: V86Process, link: StateLink) {
    this.vm = vm;
    this.link = link;
    link.onGone = (reason) => this.failed(reason);
    void vm.ended.then(() => this.failed('the process of the standby has ended'));
  }

  /** @param vm a machine of the same description, which does not run. @param folder for its socket; nothing stays there. Rejects with an Error of one line. */
  static async start(vm: V86Process, folder: string): Promise<V86Standby> {
    const link = await StateLink.open(vm, join(folder, 'state'));
    try {
      await vm.run('netloom-standby');
      return new V86Standby(vm, link);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  apply(delta: ImageDelta): void {
    const fault = this.over ? 'the standby is over' : deltaFault(delta);
    if (fault !== null) throw new Error(fault);
    if (this.link.backlog > 2 * delta.imageBytes) throw this.failed('the process of the standby does not keep up');
    this.send(delta, NO_DEVICE);
  }

  async takeOver(device: Uint8Array, connect: () => void): Promise<void> {
    if (this.over) throw new Error('the standby is over');
    this.over = true;
    this.send({ imageBytes: this.imageBytes, pages: new Uint32Array(0), xor: new Uint8Array(0) }, device);
    await this.vm.run('netloom-restore', { messages: this.messages });
    this.tookOver = true;
    connect();
    await this.vm.run('cont');
    this.link.close();
  }

  async end(): Promise<void> {
    this.over = true;
    this.link.close();
    if (this.tookOver) return;
    this.vm.kill();
    await this.vm.ended;
  }

  private send(delta: ImageDelta, device: Uint8Array): void {
    this.link.send({ delta, device });
    this.imageBytes = delta.imageBytes;
    this.messages++;
  }

  private failed(reason: string): Error {
    const error = new Error(reason);
    if (this.over) return error;
    this.over = true;
    this.onFailed(reason);
    return error;
  }
}
