/**
 * port-choice.ts — the number by which loadbalance and LACP choose a port for a frame.
 * Read first: lagg(4) "use_flowid".
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { laggHash } from './flow-hash.js';
import { LAGG_OPT_USE_FLOWID } from './lagg-var.js';
import type { LaggShared } from './lagg-var.js';

/** The flow id of the packet, where it has one and the lagg is told to use it; else a hash of its headers. */
export function laggFlow(lagg: LaggShared, m: PacketBuffer): number {
  if ((lagg.opts & LAGG_OPT_USE_FLOWID) !== 0 && m.flowid !== 0) return m.flowid >>> lagg.flowidShift;
  return laggHash(m, lagg.hashFlags, lagg.hashKey);
}
