/**
 * roundrobin.ts — laggproto roundrobin: the ports take turns, `stride` frames each.
 * Read first: lagg(4) "roundrobin", "rr_limit".
 *
 * A turn of a port that is not active is taken by the next active one. Frames of a conversation may overtake each other.
 */
import type { Errno } from '../../base/errno.js';
import { ENETDOWN } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { LAGG_PROTO_ROUNDROBIN, laggActiveFlag, laggLinkActive, laggSend } from './lagg-var.js';
import type { LaggPort, LaggProtocol, LaggShared } from './lagg-var.js';

export class RoundRobin implements LaggProtocol {
  readonly number = LAGG_PROTO_ROUNDROBIN;
  /** Frames a port sends before it is the next one's turn. */
  stride = 1;
  private seq = 0;
  private readonly lagg: LaggShared;

  constructor(lagg: LaggShared) {
    this.lagg = lagg;
  }

  start(m: PacketBuffer): Errno {
    const { lagg } = this;
    const turn = Math.floor(this.seq / this.stride) % lagg.ports.length;
    this.seq = (this.seq + 1) >>> 0;
    const port = laggLinkActive(lagg.ports, lagg.ports[turn] ?? null);
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
