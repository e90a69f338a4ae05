/**
 * virtio-net.ts — the virtio-net header before a frame: what is still to be done to it.
 * Read first: virtio 1.2 §5.1.6; Linux Documentation/networking/tuntap.rst.
 *
 *     0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset        ten bytes, little-endian
 *
 * `csum_start` counts from the frame's first byte. NEEDS_CSUM: the transport checksum from there to the end of the frame is to be stored at
 * `csum_start + csum_offset`. A `gso_type` other than 0: the frame is a segment that somebody further on cuts into packets of `gso_size`.
 * Not here: the twelve-byte form with `num_buffers`.
 */

export const VIRTIO_NET_HDR_LEN = 10;
export const VIRTIO_NET_FLAGS = 0;
export const VIRTIO_NET_GSO_TYPE = 1;
export const VIRTIO_NET_HDR_LEN_AT = 2;
export const VIRTIO_NET_GSO_SIZE = 4;
export const VIRTIO_NET_CSUM_START = 6;
export const VIRTIO_NET_CSUM_OFFSET = 8;

export const VIRTIO_NET_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_F_DATA_VALID = 2;

export const VIRTIO_NET_GSO_NONE = 0;
export const VIRTIO_NET_GSO_TCPV4 = 1;
export const VIRTIO_NET_GSO_TCPV6 = 4;
export const VIRTIO_NET_GSO_UDP_L4 = 5;
