/**
 * icmp6-reflect.ts — a message goes back to where it came from: in place for replies; the source address of all answers.
 * Read first: RFC 4443 §2.2, §4.2; FreeBSD's netinet6/icmp6.c, icmp6_reflect.
 *
 * An answer to a packet for one unicast address of ours comes from that address; to any other, a group or an anycast address or somebody
 * else's, from the address that source selection finds towards the peer. A link-local peer is on the link that the packet came from.
 *
 * @rfc 4443 4.2 yes
 */
import { CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_CKSUM, ICMP6_CODE } from '../wire/icmp6.js';
import { IP6_DST, IP6_FLOW, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_SRC, ip6CopyAddr } from '../wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { IN6_IFF_ANYCAST, IN6_IFF_NOTREADY } from './in6-ifaddr.js';
import { in6PutPlain } from './in6-src.js';
import { icmp6IfCount } from './ip6-ifstat.js';
import type { Icmp6 } from './icmp6.js';

const VERSION_6 = 0x6000_0000;

/** An address while a packet is turned round. */
const SCRATCH = new DataView(new ArrayBuffer(16));

/**
 * Writes the source of the answer `n`, whose destination is in place, to a packet for the address at `asked` of `v` that came by `ifp`, and its
 * hop limit. False: there is no way back, or nothing to answer from. `v` may be `n`'s own.
 */
export function icmp6ReplySource(icmp6: Icmp6, ifp: Ifnet | null, v: DataView, asked: number, n: PacketBuffer): boolean {
  const { ip6 } = icmp6;
  const { in6Net } = ip6;
  const zone = ifp === null ? 0 : ifp.index;
  n.view.setUint8(n.off + IP6_HLIM, (ifp === null ? null : in6Net.ifinfo(ifp))?.chlim ?? ip6.tun.hlim);
  const ia = v.getUint8(asked) === 0xff ? null : in6Net.addrOf(ip6W0Zoned(v, asked, zone), v.getInt32(asked + 4), v.getInt32(asked + 8), v.getInt32(asked + 12));
  if (ia !== null && (ia.flags & (IN6_IFF_ANYCAST | IN6_IFF_NOTREADY)) === 0) {
    ip6CopyAddr(n.view, n.off + IP6_SRC, v, asked);
    return true;
  }
  const d = n.off + IP6_DST;
  const choice = ip6.sourceFor(ip6W0Zoned(n.view, d, zone), n.view.getInt32(d + 4), n.view.getInt32(d + 8), n.view.getInt32(d + 12), n.fib, null);
  if (choice.ia === null) return false;
  in6PutPlain(n.view, n.off + IP6_SRC, choice.ia);
  return true;
}

/** Checksum, and out. `n` is a whole packet; `ifp` is where what it answers came in. Owns `n`. */
export function icmp6Send(icmp6: Icmp6, ifp: Ifnet | null, n: PacketBuffer): void {
  const { ip6, replyOpts } = icmp6;
  const v = n.view;
  const at = n.off + IP6_HDR_LEN;
  const type = v.getUint8(at);
  const code = v.getUint8(at + ICMP6_CODE);
  v.setUint16(at + ICMP6_CKSUM, 0);
  v.setUint16(at + ICMP6_CKSUM, inCksum6(v, at, n.len - IP6_HDR_LEN, n.off + IP6_SRC, n.off + IP6_DST, IPPROTO_ICMPV6));
  n.csumFlags &= CSUM_L4_VALID;
  replyOpts.ifp = ip6W0IsLinkLocal(v.getInt32(n.off + IP6_DST)) ? ifp : null;
  ip6.output(n, 0, replyOpts);
  replyOpts.ifp = null;
  const ii = ip6.outIfp === null ? null : ip6.in6Net.ifinfo(ip6.outIfp);
  if (ii !== null) icmp6IfCount(ii.stats.icmp6Out, type, code);
}

/** Sends the request `m`, whose message at `off` is a finished reply but for its checksum, back. Extension headers do not come back. Owns `m`. */
export function icmp6Reflect(icmp6: Icmp6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const extra = off - IP6_HDR_LEN;
  if (extra > 0) {
    m.buf.copyWithin(m.off + extra, m.off, m.off + IP6_HDR_LEN);
    m.adj(extra);
  }
  const v = m.view;
  ip6CopyAddr(SCRATCH, 0, v, m.off + IP6_DST);
  ip6CopyAddr(v, m.off + IP6_DST, v, m.off + IP6_SRC);
  v.setUint32(m.off + IP6_FLOW, VERSION_6);
  v.setUint8(m.off + IP6_NXT, IPPROTO_ICMPV6);
  m.flags &= ~(M_BCAST | M_MCAST);
  m.rcvif = 0;
  m.csumFlags = 0;
  m.hops = 0;
  m.pcp = -1;
  m.nhoff = 0;
  if (icmp6ReplySource(icmp6, ifp, SCRATCH, 0, m)) icmp6Send(icmp6, ifp, m);
  else m.free();
}
