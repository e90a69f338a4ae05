/**
 * ip6-pktopts.ts — extension headers that a sender has prepared go into its packet.
 * Read first: RFC 8200 §4.1 (their order); RFC 3542 §7 to §9; FreeBSD's netinet6/ip6_output.c, ip6_copyexthdr.
 *
 * Theory of operation. The packet is an IPv6 header and what is behind it. Room is opened once, the IPv6 header moves to the front, and the headers are
 * written in the order of RFC 8200 §4.1: hop-by-hop options, destination options for every hop of a routing header, the routing header,
 * destination options for the last destination. Numbers are chained.
 *
 * @rfc 8200 4.1 yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IP6_HDR_LEN, IP6_NXT } from '../wire/ip6.js';
import { IPPROTO_DSTOPTS, IPPROTO_HOPOPTS, IPPROTO_ROUTING } from '../wire/ipproto.js';
import type { Ip6OutputOpts } from './ip6-output.js';

/** False: no room; the packet is as it was. */
export function ip6InsertHeaders(m: PacketBuffer, opts: Ip6OutputOpts): boolean {
  const { hopopts, rthdrDstopts, rthdr, dstopts } = opts;
  if (hopopts === null && rthdr === null && dstopts === null) return true;
  const withRouting = rthdr === null ? null : rthdrDstopts;
  const len = lengthOf(hopopts) + lengthOf(withRouting) + lengthOf(rthdr) + lengthOf(dstopts);
  if (!m.prepend(len)) return false;
  m.buf.copyWithin(m.off, m.off + len, m.off + len + IP6_HDR_LEN);
  const upper = m.view.getUint8(m.off + IP6_NXT);
  let prev = m.off + IP6_NXT;
  let at = m.off + IP6_HDR_LEN;
  const headers = [hopopts, withRouting, rthdr, dstopts];
  for (let i = 0; i < headers.length; i++) {
    const h = headers[i] ?? null;
    if (h === null) continue;
    m.buf.set(h, at);
    m.view.setUint8(prev, NUMBERS[i]!);
    prev = at;
    at += h.length;
  }
  m.view.setUint8(prev, upper);
  return true;
}

const NUMBERS: readonly number[] = [IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS];

const lengthOf = (h: Uint8Array | null): number => (h === null ? 0 : h.length);
