/**
 * failover.ts — laggproto failover: one port carries everything, the next active one when it fails.
 * Read first: lagg(4) "failover".
 *
 * Frames are sent on the primary port, the first that joined, while it is active; else on the next one that is. They are taken from the port that
 * sends, so that a switch which floods to all ports is heard once; net.link.lagg.failover_rx_all takes them from every port.
 */
import type { Errno } from '../../base/errno.js';
import { ENETDOWN } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { LAGG_PORT_ACTIVE, LAGG_PORT_MASTER, LAGG_PROTO_FAILOVER, laggLinkActive, laggSend } from './lagg-var.js';
import type { LaggPort, LaggProtocol, LaggShared } from './lagg-var.js';

export class Failover implements LaggProtocol {
  readonly number = LAGG_PROTO_FAILOVER;
  private readonly lagg: LaggShared;

  constructor(lagg: LaggShared) {
    this.lagg = lagg;
  }

  start(m: PacketBuffer): Errno {
    const { lagg } = this;
    const port = laggLinkActive(lagg.ports, lagg.primary);
    if (port !== null) return laggSend(lagg, port, m);
    m.free();
    return ENETDOWN;
  }

  input(port: LaggPort, m: PacketBuffer): boolean {
    const { lagg } = this;
    if (port === lagg.primary || lagg.tun.failoverRxAll !== 0) return true;
    if (lagg.primary !== null && !lagg.primary.isActive) {
      const active = laggLinkActive(lagg.ports, lagg.primary);
      if (active === null || active === port) return true;
    }
    m.free();
    return false;
  }

  portFlags(port: LaggPort): number {
    const { lagg } = this;
    return (port === lagg.primary ? LAGG_PORT_MASTER : 0) | (port === laggLinkActive(lagg.ports, lagg.primary) ? LAGG_PORT_ACTIVE : 0);
  }
}
