/**
 * device-end.ts — DeviceEnd: a cable that ends at a netgraph device `ngdN`: what a program writes goes out of the node's hook, what comes by the hook it reads.
 * Read first: port-end.ts; core/src/netgraph/nodes/device.ts.
 */
import type { Errno, FrameSink, NgDevice, PacketBuffer } from '@netloom/core';
import type { PortEnd } from './port-end.js';

export class DeviceEnd implements PortEnd {
  readonly label: string;
  readonly device: NgDevice;
  private lost = 0;

  /** @param vnet what people call the vnet the graph is in. */
  constructor(vnet: string, device: NgDevice) {
    this.label = `${vnet}:${device.xname}`;
    this.device = device;
  }

  /** Packets written for which there was no memory. */
  get inputsLost(): number {
    return this.lost;
  }

  open(sink: FrameSink): Errno {
    return this.device.attach(sink);
  }

  close(): void {
    this.device.attach(null);
  }

  input(m: PacketBuffer): void {
    this.device.input(m);
  }

  resume(): void {
    this.device.resume();
  }

  inputLost(): void {
    this.lost++;
  }
}
