/**
 * offload.ts — work that was left for later, done: checksums finished, super-segments cut.
 * Read first: mbuf/packet-buffer.ts "Offload state"; virtio 1.2 §5.1.6.2 for the convention.
 *
 * Theory of operation. Inside the process a packet may travel with its transport checksum pending (CSUM_L4: the field holds the
 * pseudo-header's sum) and longer than any link's MTU (gsoSize: how much payload each piece is to carry). Whoever hands it to
 * somebody who does not know that does the work here: a driver that leaves the process, a tunnel, a fragmenting sender.
 * A piece repeats the headers and takes the next gsoSize bytes of payload; lengths, IPv4 identification, TCP sequence number and
 * flags (FIN and PSH on the last piece only, CWR on the first only) are made right, its checksum is pending again.
 *
 * `linkLen` is the number of bytes before the network header: 14 for an Ethernet frame (inner 802.1Q tags in the bytes are
 * stepped over), 0 for a bare IP packet.
 * Not here: the receiving direction. Nobody coalesces.
 */
import { CSUM_IP, CSUM_L4, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer, PacketPool } from '../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, cksumPseudo6, inCksum } from '../wire/checksum.js';
import { ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, etherIsTagType } from '../wire/ether.js';
import { IP4_HDR_LEN, IP4_ID, IP4_LEN, ip4Dst, ip4Hl, ip4PutSum, ip4Src, ip4Version } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_PLEN, IP6_SRC, IPV6_VERSION } from '../wire/ip6.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { TCP_FLAGS, TCP_HDR_LEN, TCP_OFF, TCP_SEQ, TCP_SUM, TH_CWR, TH_FIN, TH_PUSH } from '../wire/tcp.js';
import { UDP_HDR_LEN, UDP_SUM, UDP_ULEN } from '../wire/udp.js';

/** Computes the checksums that are pending. False when they lie outside the packet: then it is not fit to be sent. */
export function finishChecksums(m: PacketBuffer, linkLen: number = ETHER_HDR_LEN): boolean {
  if ((m.csumFlags & (CSUM_IP | CSUM_L4)) === 0) return true;
  const v = m.view;
  const end = m.off + m.len;
  if ((m.csumFlags & CSUM_L4) !== 0) {
    const at = m.csumStart + m.csumOffset;
    if (m.csumStart < m.off || m.csumOffset < 0 || at + 2 > end) return false;
    // A sum that folds to zero is sent as its other representation: zero means "none" to UDP.
    v.setUint16(at, inCksum(v, m.csumStart, end - m.csumStart) || 0xffff);
    m.pool.work.checksums++;
  }
  if ((m.csumFlags & CSUM_IP) !== 0) {
    const l3 = networkHeader(m, linkLen);
    if (l3 + IP4_HDR_LEN > end || ip4Version(v, l3) !== 4 || ip4Hl(v, l3) < IP4_HDR_LEN || l3 + ip4Hl(v, l3) > end) return false;
    ip4PutSum(v, l3, ip4Hl(v, l3));
  }
  m.csumFlags &= ~(CSUM_IP | CSUM_L4);
  return true;
}

/**
 * Must `m` be cut before it goes onto a link of this MTU? A TCP super-segment that fits may go as it is; a UDP one is several
 * datagrams, whatever the MTU.
 */
export function needsSegmentation(m: PacketBuffer, mtu: number, linkLen: number = ETHER_HDR_LEN): boolean {
  return m.gsoSize > 0 && (m.gsoType === GSO_UDP_L4 || m.len - linkLen > mtu);
}

/**
 * Cuts a super-segment and hands the pieces to `emit` in order, each with its checksum pending. Owns `m`. Returns how many
 * pieces were emitted, 0 when `m` is not a proper super-segment; fewer than the payload needs when the pool is exhausted.
 */
export function segment(pool: PacketPool, m: PacketBuffer, emit: (piece: PacketBuffer) => void, linkLen: number = ETHER_HDR_LEN): number {
  const l3 = networkHeader(m, linkLen);
  const l4 = m.csumStart;
  const hdrLen = headerLength(m, l3, l4);
  let emitted = 0;
  if (hdrLen > 0) {
    const end = m.off + m.len;
    const size = m.gsoSize;
    for (let at = m.off + hdrLen; at < end; at += size) {
      const piece = makePiece(pool, m, hdrLen, at, Math.min(size, end - at));
      if (piece === null) break;
      fixHeaders(piece, m, l3 - m.off, l4 - m.off, at - m.off - hdrLen, emitted, at + size >= end);
      emitted++;
      emit(piece);
    }
  }
  pool.work.segmented++;
  pool.work.pieces += emitted;
  m.free();
  return emitted;
}

/** Version of the IP packet behind `linkLen` bytes of link header and its tags; 0 when there is no room for one. */
export function ipVersion(m: PacketBuffer, linkLen: number): number {
  const l3 = networkHeader(m, linkLen);
  return l3 < m.off + m.len ? ip4Version(m.view, l3) : 0;
}

/** Offset in the slot of the network header. */
function networkHeader(m: PacketBuffer, linkLen: number): number {
  let at = m.off + linkLen;
  if (linkLen !== ETHER_HDR_LEN) return at;
  const end = m.off + m.len;
  while (at + ETHER_VLAN_ENCAP_LEN <= end && etherIsTagType(m.view.getUint16(at - ETHER_HDR_LEN + ETHER_TYPE))) at += ETHER_VLAN_ENCAP_LEN;
  return at;
}

/** Bytes of all headers of a super-segment, 0 when they are not what `gsoType` says. */
function headerLength(m: PacketBuffer, l3: number, l4: number): number {
  const v = m.view;
  const end = m.off + m.len;
  if (m.gsoSize <= 0 || (m.csumFlags & CSUM_L4) === 0 || l3 < m.off || l4 <= l3 || l3 + IP4_HDR_LEN > end) return 0;
  const version = ip4Version(v, l3);
  if (version === 4 ? ip4Hl(v, l3) !== l4 - l3 : version !== IPV6_VERSION || l4 < l3 + IP6_HDR_LEN) return 0;
  if (m.gsoType === GSO_UDP_L4) return m.csumOffset === UDP_SUM && l4 + UDP_HDR_LEN <= end ? l4 + UDP_HDR_LEN - m.off : 0;
  if (m.gsoType !== (version === 4 ? GSO_TCPV4 : GSO_TCPV6) || m.csumOffset !== TCP_SUM || l4 + TCP_HDR_LEN > end) return 0;
  const tcpLen = (v.getUint8(l4 + TCP_OFF) >>> 4) * 4;
  return tcpLen >= TCP_HDR_LEN && l4 + tcpLen <= end ? l4 + tcpLen - m.off : 0;
}

/** Headers and one piece of payload in a packet of its own. */
function makePiece(pool: PacketPool, m: PacketBuffer, hdrLen: number, at: number, len: number): PacketBuffer | null {
  const piece = pool.alloc(hdrLen + len);
  if (piece === null) return null;
  piece.copyMeta(m);
  piece.gsoType = GSO_NONE;
  piece.gsoSize = 0;
  copyBytes(piece, piece.off, m, m.off, hdrLen);
  copyBytes(piece, piece.off + hdrLen, m, at, len);
  return piece;
}

/** Makes lengths, identification, sequence number and flags those of piece number `n`, whose payload began at `consumed`. */
function fixHeaders(piece: PacketBuffer, m: PacketBuffer, l3Off: number, l4Off: number, consumed: number, n: number, last: boolean): void {
  const v = piece.view;
  const l3 = piece.off + l3Off;
  const l4 = piece.off + l4Off;
  const l4Len = piece.len - l4Off;
  const proto = m.gsoType === GSO_UDP_L4 ? IPPROTO_UDP : IPPROTO_TCP;
  let pseudo: number;
  if (ip4Version(v, l3) === 4) {
    v.setUint16(l3 + IP4_LEN, piece.len - l3Off);
    v.setUint16(l3 + IP4_ID, v.getUint16(l3 + IP4_ID) + n);
    ip4PutSum(v, l3, l4 - l3);
    pseudo = cksumPseudo4(ip4Src(v, l3), ip4Dst(v, l3), proto, l4Len);
  } else {
    v.setUint16(l3 + IP6_PLEN, piece.len - l3Off - IP6_HDR_LEN);
    pseudo = cksumPseudo6(v, l3 + IP6_SRC, l3 + IP6_DST, proto, l4Len);
  }
  if (proto === IPPROTO_UDP) {
    v.setUint16(l4 + UDP_ULEN, l4Len);
  } else {
    v.setUint32(l4 + TCP_SEQ, v.getUint32(l4 + TCP_SEQ) + consumed);
    let flags = v.getUint8(l4 + TCP_FLAGS);
    if (!last) flags &= ~(TH_FIN | TH_PUSH);
    if (n > 0) flags &= ~TH_CWR;
    v.setUint8(l4 + TCP_FLAGS, flags);
  }
  v.setUint16(piece.csumStart + piece.csumOffset, cksumFold(pseudo));
  piece.csumFlags &= ~CSUM_IP;
}
