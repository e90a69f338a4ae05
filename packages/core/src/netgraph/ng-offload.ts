/**
 * ng-offload.ts — packets whose work was left for later, for nodes that must know bytes, lengths or numbers of packets as a wire has them.
 * Read first: net/offload.ts, mbuf/packet-buffer.ts.
 *
 * A graph carries Ethernet frames as well as bare IP packets, and nothing in a packet says which. Where a transport checksum is pending it can be told: IP
 * headers are multiples of four bytes long, an Ethernet header (with any number of tags) is two bytes more than one.
 */
import { GSO_UDP_L4, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherInsertTag } from '../net/ether.js';
import { finishChecksums, segment } from '../net/offload.js';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } from '../wire/ether.js';
import { TCP_OFF } from '../wire/tcp.js';
import { UDP_HDR_LEN } from '../wire/udp.js';

/** Bytes it has on a wire, its tag included. */
export function ngWireLen(m: PacketBuffer): number {
  return (m.flags & M_VLANTAG) === 0 ? m.len : m.len + ETHER_VLAN_ENCAP_LEN;
}

/** Bytes before the network header of a packet whose transport checksum is pending: 14 for a frame (its tags not counted), 0 for an IP packet. */
export function ngLinkLen(m: PacketBuffer): number {
  return ((m.csumStart - m.off) & 3) === 2 ? ETHER_HDR_LEN : 0;
}

/** Packets that it is once it is cut. */
export function ngPackets(m: PacketBuffer): number {
  return m.gsoSize === 0 ? 1 : Math.max(1, Math.ceil((m.len - ngHeaderLen(m)) / m.gsoSize));
}

/** Bytes of all headers of a super-segment. */
export function ngHeaderLen(m: PacketBuffer): number {
  const l4 = m.csumStart - m.off;
  return m.gsoType === GSO_UDP_L4 ? l4 + UDP_HDR_LEN : l4 + (m.view.getUint8(m.csumStart + TCP_OFF) >>> 4) * 4;
}

/** Cuts a super-segment; other packets go to `emit` as they are. Owns `m`. */
export function ngSegment(m: PacketBuffer, emit: (piece: PacketBuffer) => void): void {
  if (m.gsoSize > 0) segment(m.pool, m, emit, ngLinkLen(m));
  else emit(m);
}

/** Finishes the checksums of a packet that is no super-segment. False: they lie outside the packet. */
export function ngFinish(m: PacketBuffer): boolean {
  return m.csumFlags === 0 || finishChecksums(m, ngLinkLen(m));
}

/** Makes a packet that is no super-segment what it is on a wire: its tag in the bytes, its checksums finished. False: it cannot be. */
export function ngWireForm(m: PacketBuffer): boolean {
  return etherInsertTag(m) && ngFinish(m);
}
