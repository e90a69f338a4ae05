/**
 * arp.ts — address resolution messages: offsets, accessors, the strict check.
 * Read first: RFC 826, RFC 5227 §1.1 (probes and announcements).
 *
 *    0     2     4     5     6    8         14        18        24        28
 *    | hrd | pro | hln | pln | op | sha (6) | spa (4) | tha (6) | tpa (4) |      for Ethernet and IPv4
 *
 * The lengths in the message move the fields behind them, so nothing behind byte 8 may be read before `arpCheck` answered 0.
 * A message whose hln is not the length of the interface's addresses must be dropped, never answered: code that trusts hln
 * writes or reads beyond a 6-byte address. Bytes after the message are padding and are allowed.
 * Not here: who answers, the neighbour cache, duplicate address detection.
 */

export const ARP_HRD = 0;
export const ARP_PRO = 2;
export const ARP_HLN = 4;
export const ARP_PLN = 5;
export const ARP_OP = 6;
/** The four addresses of an Ethernet/IPv4 message. */
export const ARP_SHA = 8;
export const ARP_SPA = 14;
export const ARP_THA = 18;
export const ARP_TPA = 24;
/** Bytes before the addresses, and of a whole Ethernet/IPv4 message. */
export const ARP_HDR_LEN = 8;
export const ARP_LEN = 28;

export const ARPHRD_ETHER = 1;
export const ARPHRD_IEEE802 = 6;
export const ARPHRD_ARCNET = 7;
export const ARPHRD_FRELAY = 15;
export const ARPHRD_IEEE1394 = 24;
export const ARPHRD_INFINIBAND = 32;

export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;
export const ARPOP_REVREQUEST = 3;
export const ARPOP_REVREPLY = 4;
export const ARPOP_INVREQUEST = 8;
export const ARPOP_INVREPLY = 9;

/** `arpCheck`: fewer bytes than the fixed header. */
export const ARP_BAD_SHORT = 1;
/** `arpCheck`: the hardware type is not Ethernet (nor IEEE 802, which some bridges write). */
export const ARP_BAD_HRD = 2;
/** `arpCheck`: the addresses the header announces do not fit into the bytes present. */
export const ARP_BAD_LEN = 3;
/** `arpCheck`: the protocol is neither IPv4 nor a trailer of it. */
export const ARP_BAD_PRO = 4;
/** `arpCheck`: the protocol address length is not 4. */
export const ARP_BAD_PLN = 5;
/** `arpCheck`: the hardware address length is not 6. */
export const ARP_BAD_HLN = 6;

/** 0 when the `len` bytes at `off` are an Ethernet/IPv4 message, else the first reason that applies, in this order. */
export function arpCheck(view: DataView, off: number, len: number): number {
  if (len < ARP_HDR_LEN) return ARP_BAD_SHORT;
  const hrd = view.getUint16(off + ARP_HRD);
  if (hrd !== ARPHRD_ETHER && hrd !== ARPHRD_IEEE802) return ARP_BAD_HRD;
  const hln = view.getUint8(off + ARP_HLN);
  const pln = view.getUint8(off + ARP_PLN);
  if (ARP_HDR_LEN + 2 * hln + 2 * pln > len) return ARP_BAD_LEN;
  const pro = view.getUint16(off + ARP_PRO);
  if (pro !== 0x0800 && pro !== 0x1000) return ARP_BAD_PRO;
  if (pln !== 4) return ARP_BAD_PLN;
  return hln !== 6 ? ARP_BAD_HLN : 0;
}

export const arpHrd = (view: DataView, off: number): number => view.getUint16(off + ARP_HRD);
export const arpPro = (view: DataView, off: number): number => view.getUint16(off + ARP_PRO);
export const arpHln = (view: DataView, off: number): number => view.getUint8(off + ARP_HLN);
export const arpPln = (view: DataView, off: number): number => view.getUint8(off + ARP_PLN);
export const arpOp = (view: DataView, off: number): number => view.getUint16(off + ARP_OP);
export const arpShaHi = (view: DataView, off: number): number => view.getUint16(off + ARP_SHA);
export const arpShaLo = (view: DataView, off: number): number => view.getUint32(off + ARP_SHA + 2);
export const arpSpa = (view: DataView, off: number): number => view.getUint32(off + ARP_SPA);
export const arpThaHi = (view: DataView, off: number): number => view.getUint16(off + ARP_THA);
export const arpThaLo = (view: DataView, off: number): number => view.getUint32(off + ARP_THA + 2);
export const arpTpa = (view: DataView, off: number): number => view.getUint32(off + ARP_TPA);

/** Writes an Ethernet/IPv4 message of ARP_LEN bytes. A request has a target address of zeros in (thaHi, thaLo). */
export function arpEmit(
  view: DataView,
  off: number,
  op: number,
  shaHi: number,
  shaLo: number,
  spa: number,
  thaHi: number,
  thaLo: number,
  tpa: number,
): void {
  view.setUint16(off + ARP_HRD, ARPHRD_ETHER);
  view.setUint16(off + ARP_PRO, 0x0800);
  view.setUint16(off + ARP_HLN, 0x0604);
  view.setUint16(off + ARP_OP, op);
  view.setUint16(off + ARP_SHA, shaHi);
  view.setUint32(off + ARP_SHA + 2, shaLo);
  view.setUint32(off + ARP_SPA, spa);
  view.setUint16(off + ARP_THA, thaHi);
  view.setUint32(off + ARP_THA + 2, thaLo);
  view.setUint32(off + ARP_TPA, tpa);
}
