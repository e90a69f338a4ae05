/**
 * fwd-tag.ts — the next hop that a filter has named for a packet (ipfw's `fwd`).
 * Read first: mbuf/packet-tag.ts; FreeBSD's PACKET_TAG_IPFORWARD.
 *
 * A filter puts the next hop on with `fwdPut`; IP routes by it instead of the destination, or, when it is one of our own addresses (M_FASTFWD_OURS), delivers
 * the packet here; then transports without a connection for it look for a listener at the next hop's address and port.
 * The packet's bytes stay as they are. An IPv4 address is the first word, the others are 0.
 */
import { M_FASTFWD_OURS, M_NEXTHOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { MTAG_ABI_COMPAT, PACKET_TAG_IPFORWARD } from '../mbuf/packet-tag.js';
import type { PacketTag } from '../mbuf/packet-tag.js';

const PORT_AT = 16;
const LEN = 18;

/** Names the next hop; `ours`: it is this host. False: there is no tag to be had. */
export function fwdPut(m: PacketBuffer, w0: number, w1: number, w2: number, w3: number, port: number, ours: boolean): boolean {
  const tag = m.tag(MTAG_ABI_COMPAT, PACKET_TAG_IPFORWARD) ?? m.addTag(MTAG_ABI_COMPAT, PACKET_TAG_IPFORWARD, LEN);
  if (tag === null) return false;
  const v = tag.view;
  v.setInt32(0, w0);
  v.setInt32(4, w1);
  v.setInt32(8, w2);
  v.setInt32(12, w3);
  v.setUint16(PORT_AT, port);
  m.flags |= M_NEXTHOP | (ours ? M_FASTFWD_OURS : 0);
  return true;
}

/** The next hop that was named, or null. */
export function fwdTag(m: PacketBuffer): PacketTag | null {
  return (m.flags & M_NEXTHOP) === 0 ? null : m.tag(MTAG_ABI_COMPAT, PACKET_TAG_IPFORWARD);
}

/** Word `i` of the next hop's address, signed. */
export const fwdWord = (tag: PacketTag, i: number): number => tag.view.getInt32(i * 4);

/** The port at the next hop; 0: the packet's own. */
export const fwdPort = (tag: PacketTag): number => tag.view.getUint16(PORT_AT);

/** The next hop has served. */
export function fwdClear(m: PacketBuffer): void {
  const tag = fwdTag(m);
  m.flags &= ~(M_NEXTHOP | M_FASTFWD_OURS);
  if (tag !== null) m.deleteTag(tag);
}
