/**
 * vnet-hdr.ts — the virtio-net header that a TAP with IFF_VNET_HDR puts before every frame.
 * Read first: wire/virtio-net.ts in core, for its fields; Linux Documentation/networking/tuntap.rst.
 *
 * It is little-endian, whatever the machine's order: the driver asks for that.
 * With it a frame may carry an unfinished transport checksum (NEEDS_CSUM: sum from `csumStart` to the end of the frame, store
 * at `csumStart + csumOffset`) and be a segment of up to 64 KB that somebody further on cuts into packets of `gsoSize`.
 * `csumStart` counts from the frame's first byte.
 *
 * Not here: the twelve-byte form with `num_buffers`, which only machines with mergeable receive buffers know.
 */
import * as wire from '@netloom/core/wire';

export const VNET_HDR_SIZE = wire.VIRTIO_NET_HDR_LEN;

/** `flags`: the transport checksum is still to be computed. */
export const VNET_F_NEEDS_CSUM = wire.VIRTIO_NET_F_NEEDS_CSUM;
/** `flags`: the sender vouches for the transport checksum. */
export const VNET_F_DATA_VALID = wire.VIRTIO_NET_F_DATA_VALID;

// Every frame passes here, and V8 makes literals of a module's own constants alone.
const HDR_SIZE = wire.VIRTIO_NET_HDR_LEN;
const FLAGS = wire.VIRTIO_NET_FLAGS;
const GSO_TYPE = wire.VIRTIO_NET_GSO_TYPE;
const HDR_LEN = wire.VIRTIO_NET_HDR_LEN_AT;
const GSO_SIZE = wire.VIRTIO_NET_GSO_SIZE;
const CSUM_START = wire.VIRTIO_NET_CSUM_START;
const CSUM_OFFSET = wire.VIRTIO_NET_CSUM_OFFSET;

export interface VnetHdr {
  /** VNET_F_* bits. */
  readonly flags: number;
  /** 0 not segmented, 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP. */
  readonly gsoType: number;
  /** Bytes of headers that every segment repeats; a hint. */
  readonly hdrLen: number;
  /** Payload bytes per segment. */
  readonly gsoSize: number;
  readonly csumStart: number;
  readonly csumOffset: number;
}

/** Writes the header at `at`; `null` is a plain frame. */
export function putVnetHdr(bytes: Uint8Array, at: number, hdr: VnetHdr | null): void {
  if (hdr === null) {
    for (let i = 0; i < HDR_SIZE; i++) bytes[at + i] = 0;
    return;
  }
  bytes[at + FLAGS] = hdr.flags;
  bytes[at + GSO_TYPE] = hdr.gsoType;
  put16(bytes, at + HDR_LEN, hdr.hdrLen);
  put16(bytes, at + GSO_SIZE, hdr.gsoSize);
  put16(bytes, at + CSUM_START, hdr.csumStart);
  put16(bytes, at + CSUM_OFFSET, hdr.csumOffset);
}

/** Reads the header at `at` into `to`. */
export function readVnetHdr(view: DataView, at: number, to: { -readonly [F in keyof VnetHdr]: VnetHdr[F] }): void {
  to.flags = view.getUint8(at + FLAGS);
  to.gsoType = view.getUint8(at + GSO_TYPE);
  to.hdrLen = view.getUint16(at + HDR_LEN, true);
  to.gsoSize = view.getUint16(at + GSO_SIZE, true);
  to.csumStart = view.getUint16(at + CSUM_START, true);
  to.csumOffset = view.getUint16(at + CSUM_OFFSET, true);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
}
