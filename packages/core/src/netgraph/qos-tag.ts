/**
 * qos-tag.ts — the colour a meter gave a packet, as a tag: what netgraph nodes tell each other about its quality of service.
 * Read first: FreeBSD's `sys/netgraph/qos.h`; mbuf/packet-tag.ts.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

const M_QOS_COOKIE = 1_571_268_051;
const M_QOS_COLOR = 23_568;
const COLOR_LEN = 4;

export const QOS_COLOR_GREEN = 0;
export const QOS_COLOR_YELLOW = 1;
export const QOS_COLOR_RED = 2;

/** Green unless it was marked otherwise. */
export function qosColor(m: PacketBuffer): number {
  return m.tag(M_QOS_COOKIE, M_QOS_COLOR)?.view.getInt32(0) ?? QOS_COLOR_GREEN;
}

/** Marks a packet; without a tag to be had it stays as it was. */
export function qosMark(m: PacketBuffer, color: number): void {
  const tag = m.tag(M_QOS_COOKIE, M_QOS_COLOR) ?? m.addTag(M_QOS_COOKIE, M_QOS_COLOR, COLOR_LEN);
  tag?.view.setInt32(0, color);
}
