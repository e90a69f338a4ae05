/**
 * in-cksum.ts — finishing the transport checksum a packet carries as a promise (CSUM_L4).
 * Read first: mbuf/packet-buffer.ts "Offload state"; virtio 1.2 §5.1.6.2.
 *
 * The field holds the pseudo header's sum. IP finishes it itself only where it cuts a datagram into fragments, or where an
 * administrator has turned an interface's offload off; everywhere else the promise goes along.
 */
import { CSUM_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { inCksum } from '../wire/checksum.js';

/** Computes the promised checksum of a whole, uncut datagram. A sum of 0 is written as 0xffff, which UDP needs and TCP allows. */
export function inDelayedCksum(m: PacketBuffer): void {
  if ((m.csumFlags & CSUM_L4) === 0) return;
  m.csumFlags &= ~CSUM_L4;
  const len = m.off + m.len - m.csumStart;
  if (len < m.csumOffset + 2) return;
  const sum = inCksum(m.view, m.csumStart, len);
  m.view.setUint16(m.csumStart + m.csumOffset, sum === 0 ? 0xffff : sum);
}
