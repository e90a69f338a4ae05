/**
 * vxlan.ts — the VXLAN header, between UDP and the Ethernet frame it carries: offsets, accessors, validity, emit.
 * Read first: RFC 7348 §5.
 *
 *    0       1               4          7          8
 *    | flags | reserved (24) | vni (24) | reserved | Ethernet frame without its check sequence
 *
 * The check is stricter than the RFC, which has a receiver ignore reserved bits: a bit that is set may mean an extension that changes
 * what follows, so such a packet is refused, as the stacks that are in use do.
 * Not here: the extensions (GPE, group policy) and what is inside.
 */
import { ETHER_HDR_LEN } from './ether.js';

export const VXLAN_HDR_LEN = 8;
export const VXLAN_VNI = 4;
/** The destination port IANA assigned, and the one that early implementations used. */
export const VXLAN_PORT = 4789;
export const VXLAN_LEGACY_PORT = 8472;
/** Network identifiers are below this. */
export const VXLAN_VNI_MAX = 0x100_0000;
/** The first byte's only flag: the network identifier is valid. */
export const VXLAN_FLAG_I = 0x08;

const FLAGS_WORD = VXLAN_FLAG_I << 24;
const RESERVED_BITS = 8;

/** `vxlanCheck`: fewer bytes than the header and an Ethernet header. */
export const VXLAN_BAD_SHORT = 1;
/** `vxlanCheck`: the flags are not just I, or the bits behind them are not zero. */
export const VXLAN_BAD_FLAGS = 2;
/** `vxlanCheck`: the byte behind the network identifier is not zero. */
export const VXLAN_BAD_RESERVED = 3;

/** 0 when the `len` bytes at `off` hold a VXLAN header and at least an Ethernet header, else the first reason. */
export function vxlanCheck(view: DataView, off: number, len: number): number {
  if (len < VXLAN_HDR_LEN + ETHER_HDR_LEN) return VXLAN_BAD_SHORT;
  if (view.getUint32(off) !== FLAGS_WORD) return VXLAN_BAD_FLAGS;
  return view.getUint8(off + VXLAN_HDR_LEN - 1) !== 0 ? VXLAN_BAD_RESERVED : 0;
}

export const vxlanVni = (view: DataView, off: number): number => view.getUint32(off + VXLAN_VNI) >>> RESERVED_BITS;

/** Writes a header. */
export function vxlanEmit(view: DataView, off: number, vni: number): void {
  view.setUint32(off, FLAGS_WORD);
  view.setUint32(off + VXLAN_VNI, vni << RESERVED_BITS);
}
