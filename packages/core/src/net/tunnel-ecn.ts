/**
 * tunnel-ecn.ts — what a tunnel does with the type of service: which one the outer packet gets, and what congestion outside means inside.
 * Read first: RFC 3168 §9.1 (ECN and IP tunnels), RFC 6040; freebsd `sys/netinet/ip_ecn.c`.
 *
 * Two manners: with `full` functionality a mark is never repeated outside and comes in from there; without, the outer byte is the
 * inner one and nothing comes back. Both work on IPv4 and IPv6 packets, whose traffic class is the same byte.
 *
 * @rfc 6040 yes
 * @rfc 3168 9.1 yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { cksumUpdate16 } from '../wire/checksum.js';
import { IP4_SUM, IP4_TOS, IPTOS_ECN_CE, IPTOS_ECN_ECT1, IPTOS_ECN_MASK, IPTOS_ECN_NOTECT, IPVERSION } from '../wire/ip4.js';
import { IPV6_VERSION, ip6Class } from '../wire/ip6.js';

const IP6_CLASS_SHIFT = 4;
const IP6_CLASS_CLEAR = 0xf00f;

/** Type of service of the IP packet at `m.off`, 0 for something else. At least 4 bytes are there. */
export function ipTos(m: PacketBuffer): number {
  const version = m.buf[m.off]! >> 4;
  if (version === IPVERSION) return m.view.getUint8(m.off + IP4_TOS);
  return version === IPV6_VERSION ? ip6Class(m.view, m.off) : 0;
}

/** The outer type of service for this inner one. */
export function ecnIngress(inner: number, full: boolean): number {
  return full && (inner & IPTOS_ECN_MASK) === IPTOS_ECN_CE ? inner & ~IPTOS_ECN_ECT1 : inner;
}

/** `m` came out of a packet with type of service `outer`. False: congestion cannot be told to the inside, so the packet counts as lost. */
export function ecnEgress(m: PacketBuffer, outer: number, full: boolean): boolean {
  if (!full || (outer & IPTOS_ECN_MASK) !== IPTOS_ECN_CE) return true;
  const v = m.view;
  const version = m.buf[m.off]! >> 4;
  if (version !== IPVERSION && version !== IPV6_VERSION) return true;
  const inner = ipTos(m);
  if ((inner & IPTOS_ECN_MASK) === IPTOS_ECN_NOTECT) return false;
  const was = v.getUint16(m.off);
  if (version === IPV6_VERSION) {
    v.setUint16(m.off, (was & IP6_CLASS_CLEAR) | ((inner | IPTOS_ECN_CE) << IP6_CLASS_SHIFT));
    return true;
  }
  v.setUint8(m.off + IP4_TOS, inner | IPTOS_ECN_CE);
  v.setUint16(m.off + IP4_SUM, cksumUpdate16(v.getUint16(m.off + IP4_SUM), was, v.getUint16(m.off)));
  return true;
}
