/**
 * nd6-redirect.ts — redirects: a router tells a host of a shorter way, and a host believes it.
 * Read first: RFC 4861 §4.5, §8; FreeBSD's netinet6/icmp6.c icmp6_redirect_input, icmp6_redirect_output; inet/icmp-input.ts for IPv4's.
 *
 * Theory of operation. A host takes a redirect when all of this is so; the first that is not refuses it (`bad redirect`):
 *
 *    in no fragment (fragmented) · it is no router and `rediraccept` is set (else it is ignored, not counted)
 *    source link-local · hop limit 255, code 0, whole, options sound · destination no group, and no address of ours
 *    the source is the gateway of the route to the destination, on this interface
 *    the target is link-local (another router) or the destination itself (it is on the link) · no address of ours · link address of Ethernet
 *
 * Then the target's link address goes into the neighbour cache, and a host route (dynamic, for `redirtimeout` seconds) to the destination into the
 * table, by way of the target or directly. Runs in thread context (wqinput.ts), as everything that may change a route.
 *
 * A router sends one when a packet leaves by the interface it came in by, its sender is a neighbour there, and the better next hop is
 * known: the destination itself, or a router by its link-local address. As many are sent a second as errors (errppslimit). The packet at fault is
 * quoted as far as 1280 bytes go.
 *
 * @rfc 4861 8.1 yes
 * @rfc 4861 8.2 yes
 * @rfc 4861 8.3 yes
 * @rfc 6980 5 yes
 */
import { US_PER_SEC } from '../base/time.js';
import { M_FRAGMENTED, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import type { Nexthop } from '../net/route/nexthop.js';
import { ip6OfWords, ip6W0Zoned, ip6PutWords, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ND_OPT_REDIRECTED_HEADER, ND_OPT_TARGET_LINKADDR, ND_RD_DST, ND_RD_LEN, ND_REDIRECT, ND_TARGET } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, IPV6_MMTU } from '../wire/ip6.js';
import { icmp6CountOut, icmp6Errcount } from './icmp6-var.js';
import { IN6_IFF_ANYCAST, IN6_IFF_NOTREADY } from './in6-ifaddr.js';
import {
  ND_BAD_HLIM, ND_OK, ND_OPT_LLADDR_LEN, ND_REDIRECT_ONLINK, ND_REDIRECT_ROUTER, ndAlloc, ndCheck, ndFindOpt, ndPutLladdr, ndSend,
} from './nd6-msg.js';
import { wordsText } from './nd6-text.js';
import type { Nd6 } from './nd6.js';

/** Bytes of a redirected header option before the packet it quotes. */
const RD_OPT_LEN = 8;

/** A redirect arrived. Owns `m`. Thread context. */
export function nd6RedirectInput(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  if ((m.flags & M_FRAGMENTED) !== 0) nd.stats.fragmented++;
  else if (nd.ip6.tun.forwarding === 0 && nd.tun.rediraccept !== 0) {
    const why = take(nd, ifp, m, off);
    if (why !== null) {
      nd.icmp6.stats.badredirect++;
      nd.log('err', `ICMP6 redirect rejected; ${why}`);
    }
  }
  m.free();
}

/** Checks and obeys; null, or why not. */
function take(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): string | null {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const at = m.off + off;
  const s0 = ip6W0Zoned(v, s, ifp.index);
  if (!ip6W0IsLinkLocal(s0)) return 'must be from linklocal';
  const bad = ndCheck(m, off);
  if (bad === ND_BAD_HLIM) nd.icmp6.stats.invlhlim++;
  if (bad !== ND_OK) return bad === ND_BAD_HLIM ? 'hop limit must be 255' : 'invalid message or ND option';
  const t = at + ND_TARGET;
  const d = at + ND_RD_DST;
  const d0 = ip6W0Zoned(v, d, ifp.index);
  const [d1, d2, d3] = [v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12)];
  const t0 = ip6W0Zoned(v, t, ifp.index);
  const [t1, t2, t3] = [v.getInt32(t + 4), v.getInt32(t + 8), v.getInt32(t + 12)];
  const { in6Net, routes } = nd.ip6;
  if (d0 >>> 24 === 0xff) return `redirect dst must be unicast: ${wordsText(d0, d1, d2, d3)}`;
  const nh = routes.lookup6(ifp.fib, d0, d1, d2, d3, 0);
  if (nh === null) return `no route found for redirect dst: ${wordsText(d0, d1, d2, d3)}`;
  if ((nh.flags & RTF_GATEWAY) === 0 || nh.ifp !== ifp) return `no route with inet6 gateway found for redirect dst: ${wordsText(d0, d1, d2, d3)}`;
  if (nh.g0 !== s0 || nh.g1 !== v.getInt32(s + 4) || nh.g2 !== v.getInt32(s + 8) || nh.g3 !== v.getInt32(s + 12)) {
    return `not equal to gw-for-src=${wordsText(nh.g0, nh.g1, nh.g2, nh.g3)} (must be same)`;
  }
  const onlink = t0 === d0 && t1 === d1 && t2 === d2 && t3 === d3;
  if (!onlink && !ip6W0IsLinkLocal(t0)) return 'neither router case nor onlink case';
  if (in6Net.isLocal(t0, t1, t2, t3) || in6Net.isLocal(d0, d1, d2, d3)) return 'about an address of this host';
  const opt = ndFindOpt(v, at + ND_RD_LEN, m.off + m.len, ND_OPT_TARGET_LINKADDR);
  if (opt !== 0) {
    if (v.getUint8(opt + 1) << 3 !== ND_OPT_LLADDR_LEN || (v.getUint8(opt + 2) & 1) !== 0) return 'lladdrlen mismatch';
    nd.cacheLladdr(ifp, t0, t1, t2, t3, v.getUint16(opt + 2), v.getUint32(opt + 4), ND_REDIRECT, onlink ? ND_REDIRECT_ONLINK : ND_REDIRECT_ROUTER);
  }
  const target = onlink ? null : ip6OfWords(t0, t1, t2, t3);
  const author = ip6OfWords(s0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
  return routes.redirect6(ifp.fib, ip6OfWords(d0, d1, d2, d3), target, author, ifp, nd.tun.redirtimeout * US_PER_SEC) ? null : 'no room';
}

/** `m`, which came in by `ifp`, leaves by it again, by way of `nh`: its sender is told when that helps. True: sent. `m` stays the caller's. */
export function nd6RedirectOutput(nd: Nd6, ifp: Ifnet, m: PacketBuffer, nh: Nexthop): boolean {
  const { ip6, icmp6 } = nd;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  if (ip6.tun.forwarding === 0 || ifp.lladdr.length === 0) return false;
  const gateway = (nh.flags & RTF_GATEWAY) !== 0;
  if (gateway && !ip6W0IsLinkLocal(nh.g0)) return false;
  const s0 = ip6W0Zoned(v, s, ifp.index);
  if (!nd.isNeighbour(ifp, s0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12))) return false;
  const src = ip6.in6Net.linkLocalOf(ifp, IN6_IFF_NOTREADY | IN6_IFF_ANYCAST);
  if (src === null || !icmp6.errorRate.ok(nd.kern.engine.now, icmp6.tun.errppslimit)) return false;
  const t0 = gateway ? nh.g0 : ip6W0Zoned(v, d, ifp.index);
  const t1 = gateway ? nh.g1 : v.getInt32(d + 4);
  const t2 = gateway ? nh.g2 : v.getInt32(d + 8);
  const t3 = gateway ? nh.g3 : v.getInt32(d + 12);
  const lle = nd.tableOf(ifp)?.lookup(t0, t1, t2, t3) ?? null;
  const known = lle !== null && lle.isValid ? ND_OPT_LLADDR_LEN : 0;
  const quoted = Math.min(m.len, IPV6_MMTU - IP6_HDR_LEN - ND_RD_LEN - known - RD_OPT_LEN) & ~7;
  const r = ndAlloc(ip6, ifp, ND_REDIRECT, known + RD_OPT_LEN + quoted);
  if (r === null) return false;
  const w = r.view;
  const at = r.off + IP6_HDR_LEN;
  ip6PutWords(w, r.off + IP6_SRC, src.k0, src.k1, src.k2, src.k3);
  ip6PutWords(w, r.off + IP6_DST, s0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
  ip6PutWords(w, at + ND_TARGET, t0, t1, t2, t3);
  ip6PutWords(w, at + ND_RD_DST, v.getInt32(d), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
  if (lle !== null && known > 0) ndPutLladdr(w, at + ND_RD_LEN, ND_OPT_TARGET_LINKADDR, lle.macHi, lle.macLo);
  const opt = at + ND_RD_LEN + known;
  w.setUint8(opt, ND_OPT_REDIRECTED_HEADER);
  w.setUint8(opt + 1, (RD_OPT_LEN + quoted) >>> 3);
  copyBytes(r, opt + RD_OPT_LEN, m, m.off, quoted);
  icmp6Errcount(icmp6.stats, ND_REDIRECT, 0);
  icmp6CountOut(icmp6.stats, ND_REDIRECT);
  return ndSend(ip6, ifp, r) === 0;
}
