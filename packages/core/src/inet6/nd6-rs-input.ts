/**
 * nd6-rs-input.ts — somebody on a link looks for routers: router solicitations, in.
 * Read first: RFC 4861 §4.1, §6.1.1, §6.2.6; FreeBSD's netinet6/nd6_rtr.c nd6_rs_input.
 *
 * Only a host that forwards, and takes nobody for its router there, listens.
 *
 * @rfc 4861 6.1.1 yes
 * @rfc 6980 5 yes
 */
import { M_FRAGMENTED } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { ND_OPT_SOURCE_LINKADDR, ND_ROUTER_SOLICIT, ND_RS_LEN } from '../wire/icmp6.js';
import { IP6_SRC } from '../wire/ip6.js';
import { ND_OK, ND_OPT_LLADDR_LEN, ndCheck, ndFindOpt } from './nd6-msg.js';
import type { NdRtr } from './nd6-rtr.js';

/** In no fragment, hop limit 255, code 0, whole, sound options, no link address from ::. Owns `m`. Thread context. */
export function nd6RsInput(rtr: NdRtr, ifp: Ifnet, m: PacketBuffer, off: number): void {
  rtr.stats.rsreceived++;
  if ((m.flags & M_FRAGMENTED) !== 0) rtr.nd.stats.fragmented++;
  else if (rtr.nd.ip6.tun.forwarding !== 0 && !rtr.accepts(ifp)) {
    if (takeRs(rtr, ifp, m, off)) rtr.rtadvd?.solicited(ifp);
    else rtr.stats.badrs++;
  }
  m.free();
}

function takeRs(rtr: NdRtr, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  if (ndCheck(m, off) !== ND_OK) return false;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const s0 = ip6W0Zoned(v, s, ifp.index);
  const unspecified = s0 === 0 && v.getInt32(s + 4) === 0 && v.getInt32(s + 8) === 0 && v.getInt32(s + 12) === 0;
  const opt = ndFindOpt(v, m.off + off + ND_RS_LEN, m.off + m.len, ND_OPT_SOURCE_LINKADDR);
  if (opt === 0) return true;
  if (unspecified || v.getUint8(opt + 1) << 3 !== ND_OPT_LLADDR_LEN || (v.getUint8(opt + 2) & 1) !== 0) return false;
  rtr.nd.cacheLladdr(ifp, s0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), v.getUint16(opt + 2), v.getUint32(opt + 4), ND_ROUTER_SOLICIT, 0);
  return true;
}
