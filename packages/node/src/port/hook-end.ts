/**
 * hook-end.ts — HookEnd: a guest's cable that ends at a hook of a vnet's netgraph.
 * Read first: port-end.ts; core/src/netgraph/nodes/socket-port.ts.
 *
 * Frames for the guest wait in the socket node's buffer, as bhyve's do, and a guest that does not take them is felt by the node that sends.
 */
import type { Errno, FrameSink, NgPortPlace, NgSocketPort, PacketBuffer } from '@netloom/core';
import type { PortEnd } from './port-end.js';

export class HookEnd implements PortEnd {
  readonly label: string;
  readonly port: NgSocketPort;
  private lost = 0;

  /** @param vnet what people call the vnet the graph is in. */
  constructor(vnet: string, place: NgPortPlace, port: NgSocketPort) {
    this.label = `${vnet}:${place.path}${place.peerhook}`;
    this.port = port;
  }

  /** Frames of the guest for which there was no memory. */
  get inputsLost(): number {
    return this.lost;
  }

  open(sink: FrameSink): Errno {
    return this.port.attach(sink);
  }

  close(): void {
    this.port.close();
  }

  resume(): void {
    this.port.resume();
  }

  input(m: PacketBuffer): void {
    this.port.input(m);
  }

  inputLost(): void {
    this.lost++;
  }
}
