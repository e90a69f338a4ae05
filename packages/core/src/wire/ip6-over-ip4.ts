/**
 * ip6-over-ip4.ts — IPv4 addresses that are part of IPv6 addresses: 6to4, 6rd, and the old mapped and compatible forms.
 * Read first: RFC 3056 §2 (6to4), RFC 5969 §4 (6rd), RFC 3964 §5 (what a 6to4 router must not believe), RFC 4291 §2.5.5.
 *
 *    6to4    0      16                48
 *            | 2002 | IPv4 address    | ...
 *    6rd     0            plen             plen + n
 *            | 6rd prefix | last n bits of the IPv4 address | ...
 *
 * Functions take the bytes and the offset of an address.
 * Not here: which of these addresses are ours (net/stf.ts).
 */
import { ip4IsLoopback, ip4IsMulticast, ip4IsThisNet, ip4MaskOf } from './addr.js';

const PREFIX_6TO4 = 0x2002;
const V4_BITS = 32;
/** A 6rd prefix and the IPv4 bits behind it must end here: what is left is a /64 of the customer's. */
const PREFIX_6RD_MAX = 64;

/** 2002::/16 */
export const ip6Is6to4 = (bytes: Uint8Array, off = 0): boolean => ((bytes[off]! << 8) | bytes[off + 1]!) === PREFIX_6TO4;

/** `n` (0..32) bits of an address from bit `at` on, as a number. */
export function ip6Bits(bytes: Uint8Array, off: number, at: number, n: number): number {
  let value = 0;
  for (let i = at; i < at + n; i++) value = (value << 1) | ((bytes[off + (i >>> 3)]! >>> (7 - (i & 7))) & 1);
  return value >>> 0;
}

/** The IPv4 address of a 6to4 address. */
export const ip4Of6to4 = (bytes: Uint8Array, off = 0): number => ip6Bits(bytes, off, 16, V4_BITS);

/**
 * The IPv4 address of an address in a 6rd prefix of `plen` bits, whose domain has the first `plen4` bits of `domain` in common (32, as 0:
 * none, the whole address is inside). -1 when the two are longer than 64 bits together.
 */
export function ip4Of6rd(bytes: Uint8Array, off: number, plen: number, domain: number, plen4: number): number {
  const n = plen4 < V4_BITS ? V4_BITS - plen4 : V4_BITS;
  if (plen + n > PREFIX_6RD_MAX) return -1;
  const suffix = ip6Bits(bytes, off, plen, n);
  return n === V4_BITS ? suffix : ((domain & ip4MaskOf(plen4)) | suffix) >>> 0;
}

/** ::a.b.c.d, but for :: and ::1 (RFC 4291 §2.5.5.1). */
export function ip6IsV4Compat(bytes: Uint8Array, off = 0): boolean {
  for (let i = 0; i < 12; i++) if (bytes[off + i] !== 0) return false;
  return ip6Bits(bytes, off, 96, V4_BITS) > 1;
}

/** An address that never is the end of a tunnel: 0/8, 127/8, 224/4, 255/8. */
export const ip4IsNoTunnelEnd = (addr: number): boolean => ip4IsThisNet(addr) || ip4IsLoopback(addr) || ip4IsMulticast(addr) || addr >>> 24 === 255;
