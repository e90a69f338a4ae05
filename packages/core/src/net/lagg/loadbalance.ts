/**
 * loadbalance.ts — laggproto loadbalance: the port follows from the flow, without asking the other side.
 * Read first: lagg(4) "loadbalance"; port-choice.ts.
 *
 * A flow whose port is not active goes to the next active one, and comes back with it. Frames are taken from every port.
 */
import type { Errno } from '../../base/errno.js';
import { ENETDOWN } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { LAGG_PROTO_LOADBALANCE, laggActiveFlag, laggLinkActive, laggSend } from './lagg-var.js';
import type { LaggPort, LaggProtocol, LaggShared } from './lagg-var.js';
import { laggFlow } from './port-choice.js';

export class LoadBalance implements LaggProtocol {
  readonly number = LAGG_PROTO_LOADBALANCE;
  private readonly lagg: LaggShared;

  constructor(lagg: LaggShared) {
    this.lagg = lagg;
  }

  start(m: PacketBuffer): Errno {
    const { lagg } = this;
    const port = laggLinkActive(lagg.ports, lagg.ports[laggFlow(lagg, m) % lagg.ports.length] ?? null);
    if (port !== null) return laggSend(lagg, port, m);
    m.free();
    return ENETDOWN;
  }

  input(): boolean {
    return true;
  }

  portFlags(port: LaggPort): number {
    return laggActiveFlag(port);
  }
}
