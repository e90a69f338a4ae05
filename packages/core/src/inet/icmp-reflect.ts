/**
 * icmp-reflect.ts — a message goes back to where it came from: in place for replies, and the source address of all answers.
 * Read first: RFC 1122 §3.2.2.6, RFC 1812 §4.3.2.4; FreeBSD's netinet/ip_icmp.c, icmp_reflect.
 *
 * A reply is the request turned round: nothing is copied, its options that must come back (record route, timestamps, a source
 * route reversed) are, the others go. The source of an answer is, in this order: the address that was asked; for a broadcast,
 * the address of that network on the interface it came by; with `reply_from_interface`, the first address of that
 * interface; the first address of the interface named by `reply_src`; the address towards the peer.
 *
 * @rfc 1122 3.2.2.6 yes
 * @rfc 1812 4.3.2.4 yes
 */
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_BROADCAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { isIfAddr4 } from '../net/route/ifa-lookup.js';
import { IP4_DST, IP4_HDR_LEN, IP4_OFF, IP4_SRC, IP4_TTL, IP_DF, ip4Dst, ip4Hl, ip4Off, ip4Src } from '../wire/ip4.js';
import type { Icmp } from './icmp.js';
import { ipReplyOptions, ipStripOptions } from './ip-options.js';

/** `replySource`: there is no way back. */
export const NO_ROUTE = -1;

/** The address an answer to `peer` comes from, when the packet was for `asked` and came by `ifp`; NO_ROUTE. */
export function replySource(icmp: Icmp, ifp: Ifnet | null, asked: number, peer: number, fib: number): number {
  const { ip, tun } = icmp;
  if (ip.inNet.addrOf(asked) !== null) return asked;
  if (ifp !== null) {
    const isBroadcast = (ifp.flags & IFF_BROADCAST) !== 0;
    for (const ifa of ifp.addrs) {
      if (isIfAddr4(ifa) && ((isBroadcast && ifa.broadcast === asked) || tun.replyFromInterface !== 0)) return ifa.addr;
    }
  }
  if (tun.replySrc !== '') {
    for (const ifa of ip.net.ifunit(tun.replySrc)?.addrs ?? []) if (isIfAddr4(ifa)) return ifa.addr;
  }
  const ifa = ip.routes.lookup4(fib, peer, 0)?.ifa ?? null;
  return ifa === null || !isIfAddr4(ifa) ? NO_ROUTE : ifa.addr;
}

/** Sends the request `m`, whose ICMP part is a finished reply, back. Owns `m`. */
export function icmpReflect(icmp: Icmp, ifp: Ifnet, m: PacketBuffer): void {
  const { ip } = icmp;
  if (!turnRound(icmp, ifp, m)) {
    m.free();
    return;
  }
  let opts = null;
  if (ip4Hl(m.view, m.off) > IP4_HDR_LEN) {
    opts = icmp.replyOpts;
    ipReplyOptions(m.view, m.off, ip4Dst(m.view, m.off), icmp.replyOptions);
    ipStripOptions(m);
  }
  const v = m.view;
  const { off } = m;
  v.setUint16(off + IP4_OFF, ip4Off(v, off) & IP_DF);
  v.setUint8(off + IP4_TTL, ip.tun.ttl);
  m.flags &= ~(M_BCAST | M_MCAST);
  m.rcvif = 0;
  m.csumFlags = 0;
  m.hops = 0;
  m.pcp = -1;
  ip.output(m, 0, opts);
}

/** The sender becomes the destination; an own address answers for itself, otherwise there is a choice to make. False: no way back. */
function turnRound(icmp: Icmp, ifp: Ifnet, m: PacketBuffer): boolean {
  const v = m.view;
  const { off } = m;
  if (v.getUint8(off + IP4_SRC) === 0) {
    icmp.stats.badaddr++;
    return false;
  }
  if (icmp.ip.inNet.isLocal(ip4Dst(v, off) | 0)) {
    const asked = ip4Dst(v, off);
    v.setUint32(off + IP4_DST, ip4Src(v, off));
    v.setUint32(off + IP4_SRC, asked);
    return true;
  }
  const source = replySource(icmp, ifp, ip4Dst(v, off), ip4Src(v, off), m.fib);
  if (source === NO_ROUTE) {
    icmp.stats.noroute++;
    return false;
  }
  v.setUint32(off + IP4_DST, ip4Src(v, off));
  v.setUint32(off + IP4_SRC, source);
  return true;
}
