/**
 * ip6-forward.ts — a packet for somebody else passes through.
 * Read first: RFC 8200 §3 (hop limit); RFC 4443 §3; FreeBSD's netinet6/ip6_forward.c.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT } from '../wire/icmp6.js';
import { IP6_DST, IP6_HLIM, IP6_SRC } from '../wire/ip6.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import { in6Lookup } from './in6-routes.js';
import { ip6Send } from './ip6-output.js';
import type { Ip6 } from './ip6.js';

/** Owns `m`. */
export function ip6Forward(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || v.getInt32(s) >>> 22 === 0x3fa || v.getInt32(d) >>> 22 === 0x3fa || v.getUint8(d) === 0xff || isUnspecified(v, s)) {
    ip6.stats.cantforward++;
    m.free();
    return;
  }
  const hlim = v.getUint8(m.off + IP6_HLIM);
  if (hlim <= 1) {
    ip6.icmp6Error(ifp, m, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 0);
    return;
  }
  const w0 = ip6W0Zoned(v, d, 0);
  const nh = in6Lookup(ip6.in6Net, m.fib, w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), m.flowid);
  if (nh === null) {
    ip6.stats.noroute++;
    ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, 0);
    return;
  }
  const mtu = ip6.in6Net.ifinfo(nh.ifp)?.mtu ?? nh.ifp.mtu;
  if (m.len > mtu) {
    ip6.icmp6Error(ifp, m, ICMP6_PACKET_TOO_BIG, 0, mtu);
    return;
  }
  v.setUint8(m.off + IP6_HLIM, hlim - 1);
  ip6.stats.forward++;
  const gw = nh.gw6;
  const gateway = (nh.flags & RTF_GATEWAY) !== 0 && gw !== null;
  if (gateway) {
    const g = new DataView(gw.buffer, gw.byteOffset);
    ip6Send(ip6, nh.ifp, m, g.getInt32(0), g.getInt32(4), g.getInt32(8), g.getInt32(12), true);
  } else {
    ip6Send(ip6, nh.ifp, m, w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), false);
  }
}

function isUnspecified(v: DataView, at: number): boolean {
  return v.getInt32(at) === 0 && v.getInt32(at + 4) === 0 && v.getInt32(at + 8) === 0 && v.getInt32(at + 12) === 0;
}
