/**
 * etherip.ts — the two bytes in front of an Ethernet frame carried in IP, as gif(4) does when it is a bridge member.
 * Read first: RFC 3378 §3.
 *
 *    0              2
 *    | 3 | 0 (12)   | Ethernet frame without its check sequence
 *
 * Not here: the outer IP header, and the reversed nibbles that some old senders write.
 */

export const ETHERIP_VERSION = 3;
export const ETHERIP_HDR_LEN = 2;

/** `etheripCheck`: fewer bytes than the header and an Ethernet header. */
export const ETHERIP_BAD_SHORT = 1;
/** `etheripCheck`: a version other than 3. */
export const ETHERIP_BAD_VERSION = 2;
/** `etheripCheck`: the reserved bits are not zero. */
export const ETHERIP_BAD_RESERVED = 3;

/** 0 when the `len` bytes at `off` hold an EtherIP header and at least an Ethernet header, else the first reason. */
export function etheripCheck(view: DataView, off: number, len: number): number {
  if (len < ETHERIP_HDR_LEN + 14) return ETHERIP_BAD_SHORT;
  const word = view.getUint16(off);
  if (word >>> 12 !== ETHERIP_VERSION) return ETHERIP_BAD_VERSION;
  return (word & 0x0fff) !== 0 ? ETHERIP_BAD_RESERVED : 0;
}

/** Writes the header. */
export function etheripEmit(view: DataView, off: number): void {
  view.setUint16(off, ETHERIP_VERSION << 12);
}
