/**
 * vxlan-port.ts — the UDP source port of an outer packet: one per flow, so that routers on the way can spread flows over their paths.
 * Read first: RFC 7348 §5 (source port), RFC 6335 §6 for the range.
 *
 * A packet whose flow is known by a hash already keeps that; another is told by its Ethernet header, as in FreeBSD. The hash is keyed.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

/** A port of min..max for the frame `m`. */
export function vxlanSourcePort(m: PacketBuffer, key: number, min: number, max: number): number {
  const hash = m.flowid === 0 ? frameHash(m, key) : m.flowid >>> 0;
  return min + (hash % (max - min + 1));
}

function frameHash(m: PacketBuffer, key: number): number {
  const { view, off } = m;
  let h = key;
  for (let at = 0; at < 12; at += 4) h = Math.imul(h ^ view.getInt32(off + at), 0x9e3779b1) ^ (h >>> 15);
  h = Math.imul(h ^ view.getUint16(off + 12), 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
