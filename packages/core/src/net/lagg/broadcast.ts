/**
 * broadcast.ts — laggproto broadcast: every frame goes out of every active port.
 * Read first: lagg(4) "broadcast".
 *
 * The last port gets the frame itself, the others copies. What comes in is taken from every port, as often as it comes.
 */
import type { Errno } from '../../base/errno.js';
import { ENOENT } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ifTransmit } from '../if-transmit.js';
import { LAGG_PROTO_BROADCAST, laggActiveFlag, laggSend } from './lagg-var.js';
import type { LaggPort, LaggProtocol, LaggShared } from './lagg-var.js';

export class Broadcast implements LaggProtocol {
  readonly number = LAGG_PROTO_BROADCAST;
  private readonly lagg: LaggShared;

  constructor(lagg: LaggShared) {
    this.lagg = lagg;
  }

  /** ENOENT: no port is active. */
  start(m: PacketBuffer): Errno {
    const { lagg } = this;
    const { ports } = lagg;
    let last: LaggPort | null = null;
    for (let i = 0; i < ports.length; i++) {
      const port = ports[i]!;
      if (!port.isActive) continue;
      if (last !== null && !this.sendCopy(last, m)) break;
      last = port;
    }
    if (last !== null) return laggSend(lagg, last, m);
    m.free();
    return ENOENT;
  }

  /** What becomes of a copy is in the port's counters. False: no packet for one, which is counted here. */
  private sendCopy(port: LaggPort, m: PacketBuffer): boolean {
    const copy = m.pool.copy(m);
    if (copy === null) {
      this.lagg.ifp.data.oerrors++;
      return false;
    }
    ifTransmit(port.ifp, copy);
    return true;
  }

  input(): boolean {
    return true;
  }

  portFlags(port: LaggPort): number {
    return laggActiveFlag(port);
  }
}
