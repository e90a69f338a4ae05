/**
 * vnet-offload.ts — a packet's offload fields, to and from the virtio-net header that says the same to a device or a guest.
 * Read first: tap/vnet-hdr.ts; core/src/mbuf/packet-buffer.ts "Offload state".
 *
 * A checksum that is still to be computed and a segment of 64 KB cross uncut. The IPv4 header's own checksum, of which those headers know
 * nothing, is finished on the way out.
 */
import type { PacketBuffer } from '@netloom/core';
import { CSUM_IP, CSUM_L4, CSUM_L4_VALID } from '@netloom/core';
import { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN, etherIsTagType, ip4Hl, ip4PutSum } from '@netloom/core/wire';
import { VNET_F_DATA_VALID, VNET_F_NEEDS_CSUM } from '../tap/vnet-hdr.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';

/** The header of one frame that leaves; one object, filled anew for each. */
export class VnetOutputHeader implements VnetHdr {
  flags = 0;
  gsoType = 0;
  hdrLen = 0;
  gsoSize = 0;
  csumStart = 0;
  csumOffset = 0;

  /** Makes the frame and this header say the same. */
  fill(m: PacketBuffer): void {
    if ((m.csumFlags & CSUM_IP) !== 0) finishIpHeader(m);
    const pending = (m.csumFlags & CSUM_L4) !== 0;
    this.flags = pending ? VNET_F_NEEDS_CSUM : 0;
    this.csumStart = pending ? m.csumStart - m.off : 0;
    this.csumOffset = pending ? m.csumOffset : 0;
    this.gsoType = m.gsoSize > 0 ? m.gsoType : 0;
    this.gsoSize = m.gsoSize;
    this.hdrLen = 0;
  }
}

/** Offload fields of a received frame. A frame that came uncut has its checksum pending, as one made here would. */
export function takeOffload(m: PacketBuffer, hdr: VnetHdr): void {
  if ((hdr.flags & VNET_F_NEEDS_CSUM) !== 0 && hdr.csumStart + hdr.csumOffset + 2 <= m.len) {
    m.csumFlags = CSUM_L4;
    m.csumStart = m.off + hdr.csumStart;
    m.csumOffset = hdr.csumOffset;
    m.gsoType = hdr.gsoType;
    m.gsoSize = hdr.gsoType === 0 ? 0 : hdr.gsoSize;
  } else if ((hdr.flags & VNET_F_DATA_VALID) !== 0) {
    m.csumFlags = CSUM_L4_VALID;
  }
}

function finishIpHeader(m: PacketBuffer): void {
  let at = m.off + ETHER_HDR_LEN;
  const end = m.off + m.len;
  while (at + ETHER_VLAN_ENCAP_LEN <= end && etherIsTagType(m.view.getUint16(at - 2))) at += ETHER_VLAN_ENCAP_LEN;
  if (at + 20 > end || m.view.getUint8(at) >> 4 !== 4 || at + ip4Hl(m.view, at) > end) return;
  ip4PutSum(m.view, at, ip4Hl(m.view, at));
}
