/**
 * attachments.ts — taps of vnets bound to devices of the host.
 *
 * Not here: the device (tap/tap-port.ts), the interface (core/src/net/tap.ts).
 */
import type { Kernel } from '@netloom/core';
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';

export interface Attachment {
  readonly vnet: string;
  readonly interface: string;
  readonly device: string;
}

export class Attachments {
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly log: Logger;

  constructor(kernel: Kernel, loop: HostLoop, log: Logger) {
    this.kernel = kernel;
    this.loop = loop;
    this.log = log;
  }

  list(): Attachment[] {
    return [];
  }

  attach(vnet: string, ifname: string, device: string): Promise<string | null> {
    return Promise.resolve(`cannot bind ${vnet}:${ifname} to "${device}": taps are not built in`);
  }

  detach(vnet: string, ifname: string): Promise<string | null> {
    return Promise.resolve(`${vnet}:${ifname} is not bound to a device`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
