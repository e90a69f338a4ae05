/**
 * vnet-hdr.ts — the virtio-net header that a TAP with IFF_VNET_HDR puts before every frame.
 * Read first: virtio 1.2 §5.1.6; Linux Documentation/networking/tuntap.rst.
 *
 * Ten bytes, little-endian (the driver asks for that, whatever the machine's order):
 *
 *     0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset
 *
 * With it a frame may carry an unfinished transport checksum (NEEDS_CSUM: sum from `csumStart` to the end of the frame, store
 * at `csumStart + csumOffset`) and be a segment of up to 64 KB that somebody further on cuts into packets of `gsoSize`.
 * `csumStart` counts from the frame's first byte.
 *
 * Not here: the twelve-byte form with `num_buffers`, which only machines with mergeable receive buffers know.
 */

export const VNET_HDR_SIZE = 10;

/** `flags`: the transport checksum is still to be computed. */
export const VNET_F_NEEDS_CSUM = 1;
/** `flags`: the sender vouches for the transport checksum. */
export const VNET_F_DATA_VALID = 2;

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
    for (let i = 0; i < VNET_HDR_SIZE; i++) bytes[at + i] = 0;
    return;
  }
  bytes[at] = hdr.flags;
  bytes[at + 1] = hdr.gsoType;
  put16(bytes, at + 2, hdr.hdrLen);
  put16(bytes, at + 4, hdr.gsoSize);
  put16(bytes, at + 6, hdr.csumStart);
  put16(bytes, at + 8, hdr.csumOffset);
}

/** Reads the header at `at` into `to`. */
export function readVnetHdr(view: DataView, at: number, to: { -readonly [F in keyof VnetHdr]: VnetHdr[F] }): void {
  to.flags = view.getUint8(at);
  to.gsoType = view.getUint8(at + 1);
  to.hdrLen = view.getUint16(at + 2, true);
  to.gsoSize = view.getUint16(at + 4, true);
  to.csumStart = view.getUint16(at + 6, true);
  to.csumOffset = view.getUint16(at + 8, true);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
}
