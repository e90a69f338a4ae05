/**
 * forward-frame-undone.ts — what a frame's virtio-net header leaves undone, as far as the short path understands it: a checksum, or a segment that is still to be cut.
 * Read first: wire/virtio-net.ts; forward-frame.ts.
 *
 * The short path does none of it. It asks whether the header says something that it knows, and how large the packets will be; what else a header may ask for, the complete path
 * understands in its own way.
 *
 * Positions are of the frame's first byte, behind its header.
 */
import * as ether from '../wire/ether.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import * as virtio from '../wire/virtio-net.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } = ether;
const { TCP_OFF } = tcp;
const { UDP_HDR_LEN } = udp;
const {
  VIRTIO_NET_CSUM_OFFSET, VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_NONE, VIRTIO_NET_GSO_SIZE, VIRTIO_NET_GSO_TCPV4, VIRTIO_NET_GSO_TCPV6,
  VIRTIO_NET_GSO_TYPE, VIRTIO_NET_GSO_UDP_L4, VIRTIO_NET_HDR_LEN,
} = virtio;

/** Tags that may be taken out one after the other. */
export const STRIP_MAX = 2;
/** Where a checksum may begin that no tag's removal cuts off. */
const START_MIN = ETHER_HDR_LEN + STRIP_MAX * ETHER_VLAN_ENCAP_LEN;

/** Does the header of the frame of `size` bytes at `at` ask for a checksum within the frame, and for segments of a size if any? */
export function isProperOffload(view: DataView, at: number, size: number): boolean {
  const hdr = at - VIRTIO_NET_HDR_LEN;
  if ((view.getUint8(hdr + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) === 0) return false;
  const start = view.getUint16(hdr + VIRTIO_NET_CSUM_START, true);
  if (start < START_MIN || start + view.getUint16(hdr + VIRTIO_NET_CSUM_OFFSET, true) + 2 > size) return false;
  return view.getUint8(hdr + VIRTIO_NET_GSO_TYPE) === VIRTIO_NET_GSO_NONE || view.getUint16(hdr + VIRTIO_NET_GSO_SIZE, true) !== 0;
}

/** Bytes of the largest packet that the one of `total` bytes at `off`, in the frame at `at`, makes on the next link; -1: its header says what this path does not understand. */
export function sizeOfPieces(view: DataView, at: number, off: number, total: number): number {
  const hdr = at - VIRTIO_NET_HDR_LEN;
  const type = view.getUint8(hdr + VIRTIO_NET_GSO_TYPE);
  if (type === VIRTIO_NET_GSO_NONE) return total;
  if ((view.getUint8(hdr + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) === 0) return -1;
  const l4 = at + view.getUint16(hdr + VIRTIO_NET_CSUM_START, true);
  const isTcp = type === VIRTIO_NET_GSO_TCPV4 || type === VIRTIO_NET_GSO_TCPV6;
  if ((!isTcp && type !== VIRTIO_NET_GSO_UDP_L4) || l4 <= off || l4 + UDP_HDR_LEN + (isTcp ? TCP_OFF : 0) > off + total) return -1;
  const l4Hdr = isTcp ? (view.getUint8(l4 + TCP_OFF) >>> 4) << 2 : UDP_HDR_LEN;
  return l4 - off + l4Hdr + view.getUint16(hdr + VIRTIO_NET_GSO_SIZE, true);
}
