/**
 * flow-of.ts — the flow a packet in memory belongs to (flow-hash.ts), for multipath routes.
 *
 * Ports count only where every packet of the flow shows them: not in fragments, nor behind IPv6 extension headers. `len`: bytes from the header on.
 */
import { IP4_HDR_LEN, ip4Dst, ip4Hl, ip4IsFragment, ip4P, ip4Src } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_SRC, ip6Flow } from '../wire/ip6.js';
import { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from '../wire/ipproto.js';
import { flowHash4, flowHash6 } from './flow-hash.js';

/** Bytes of the two ports. */
const PORTS = 4;

export function flowOf4(view: DataView, off: number, len: number, salt: number): number {
  const proto = ip4P(view, off);
  const hl = ip4Hl(view, off);
  let ports = 0;
  if ((proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_SCTP || proto === IPPROTO_UDPLITE) && hl >= IP4_HDR_LEN && len >= hl + PORTS && !ip4IsFragment(view, off)) {
    ports = view.getUint32(off + hl);
  }
  return flowHash4(ip4Src(view, off), ip4Dst(view, off), proto, ports >>> 16, ports & 0xffff, salt);
}

export function flowOf6(view: DataView, off: number, len: number, salt: number): number {
  const proto = view.getUint8(off + IP6_NXT);
  const ports = (proto === IPPROTO_TCP || proto === IPPROTO_UDP) && len >= IP6_HDR_LEN + PORTS ? view.getUint32(off + IP6_HDR_LEN) : 0;
  return flowHash6(fold(view, off + IP6_SRC), fold(view, off + IP6_DST), ip6Flow(view, off), proto, ports >>> 16, ports & 0xffff, salt);
}

const fold = (v: DataView, at: number): number => v.getInt32(at) ^ v.getInt32(at + 4) ^ v.getInt32(at + 8) ^ v.getInt32(at + 12);
