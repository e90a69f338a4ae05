/**
 * v86-standby.ts — class V86Standby: the state that a machine of v86 waits with: the daemon's side.
 * Read first: vm/standby-state.ts; guest-standby.ts (the process's side).
 *
 * Theory of operation. Differences are checked here and written to the process, which puts them into its machine one after the other, so nothing of the image is kept here and there is
 * nothing to hand over at the end but a device state. What has been applied is with the process or on the way to it: this daemon's end is the process's end as well, so neither is without the other.
 *
 * Invariant: what is on the way is bounded, by twice the image: a process that does not keep up has failed.
 */
import { join } from 'node:path';
import type { StandbyState } from '../../vm/standby-state.js';
import type { ImageDelta } from '../checkpoint.js';
import { StateLink } from './state-link.js';
import type { V86Process } from './state-link.js';
import { deltaFault } from './state-message.js';

const NO_DEVICE = new Uint8Array(0);

export class V86Standby implements StandbyState {
  onFailed: (reason: string) => void = () => undefined;
  /** For a socket; nothing stays there. */
  private readonly folder: string;
  private vm: V86Process | null = null;
  /** null: it has not begun, or it is over. */
  private link: StateLink | null = null;
  private imageBytes = 0;
  private messages = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** @param vm a machine of the same description. */
  async start(vm: V86Process): Promise<void> {
    this.vm = vm;
    const link = await StateLink.open(vm, join(this.folder, 'state'));
    this.link = link;
    link.onGone = (reason) => this.gone(reason);
    await vm.run('netloom-standby');
  }

  apply(delta: ImageDelta): void {
    const fault = deltaFault(delta) ?? ((this.link?.backlog ?? 0) > 2 * delta.imageBytes ? 'the process of the standby does not keep up' : null);
    if (fault !== null) {
      this.end();
      throw new Error(fault);
    }
    this.send(delta, NO_DEVICE);
  }

  async load(device: Uint8Array): Promise<void> {
    this.send({ imageBytes: this.imageBytes, pages: new Uint32Array(0), xor: new Uint8Array(0) }, device);
    try {
      await this.vm?.run('netloom-restore', { messages: this.messages });
    } finally {
      this.end();
    }
  }

  end(): void {
    this.link?.close();
    this.link = null;
  }

  private send(delta: ImageDelta, device: Uint8Array): void {
    if (this.link === null) throw new Error('the standby is over');
    this.link.send({ delta, device });
    this.imageBytes = delta.imageBytes;
    this.messages++;
  }

  private gone(reason: string): void {
    this.link = null;
    this.onFailed(reason);
  }
}
