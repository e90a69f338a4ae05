/**
 * udp.ts — the UDP header: offsets, accessors, validity, emit.
 * Read first: RFC 768, RFC 1122 §4.1, RFC 8200 §8.1 (the checksum is mandatory over IPv6).
 *
 *    0       2       4      6     8
 *    | sport | dport | ulen | sum | data
 *
 * A checksum field of 0 means that the sender computed none; a computed 0 is sent as 0xffff.
 * Not here: jumbograms (RFC 2675).
 */

export const UDP_SPORT = 0;
export const UDP_DPORT = 2;
export const UDP_ULEN = 4;
export const UDP_SUM = 6;
export const UDP_HDR_LEN = 8;

/** `udpCheck`: fewer bytes than a header. */
export const UDP_BAD_SHORT = 1;
/** `udpCheck`: the length field is below 8 or beyond the bytes present. */
export const UDP_BAD_LEN = 2;

/** 0 when the `len` bytes at `off` hold a whole datagram, else the reason. Bytes behind its length are allowed. */
export function udpCheck(view: DataView, off: number, len: number): number {
  if (len < UDP_HDR_LEN) return UDP_BAD_SHORT;
  const ulen = view.getUint16(off + UDP_ULEN);
  return ulen < UDP_HDR_LEN || ulen > len ? UDP_BAD_LEN : 0;
}

export const udpSport = (view: DataView, off: number): number => view.getUint16(off);
export const udpDport = (view: DataView, off: number): number => view.getUint16(off + UDP_DPORT);
/** Length of header and data. */
export const udpUlen = (view: DataView, off: number): number => view.getUint16(off + UDP_ULEN);
export const udpSum = (view: DataView, off: number): number => view.getUint16(off + UDP_SUM);

/** Writes a header; `sum` is the finished checksum or 0 for none. */
export function udpEmit(view: DataView, off: number, sport: number, dport: number, ulen: number, sum: number): void {
  view.setUint16(off, sport);
  view.setUint16(off + UDP_DPORT, dport);
  view.setUint16(off + UDP_ULEN, ulen);
  view.setUint16(off + UDP_SUM, sum);
}

/** What to put into the field for a computed checksum: 0 is spoken for. */
export const udpSumOf = (cksum: number): number => (cksum === 0 ? 0xffff : cksum);
