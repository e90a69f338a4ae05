/**
 * nd6-msg.ts — messages of neighbour discovery: built, sent, and the checks all of them have in common.
 * Read first: RFC 4861 §4, §6.1, §7.1, §8.1; wire/icmp6.ts; RFC 6980 (fragments).
 *
 * A message leaves through a given interface whatever the routing table says; output filters see it. A link-layer address option is the one of
 * Ethernet: 8 bytes.
 * Not here: what the messages mean (nd6-nbr.ts, nd6-dad.ts, nd6-rtr.ts, nd6-redirect.ts).
 *
 * @rfc 4861 4 yes
 */
import type { Errno } from '../base/errno.js';
import { EHOSTUNREACH } from '../base/errno.js';
import { M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_CKSUM, ICMP6_CODE, ICMP6_TYPE, ndFixedLen, ndOptLen } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC, IPV6_MAXHLIM, IPV6_VERSION } from '../wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { ip6Send } from './ip6-output.js';
import type { Ip6 } from './ip6.js';

/** Bytes of a link-layer address option of Ethernet, and of a nonce option (RFC 7527 §4.1). */
export const ND_OPT_LLADDR_LEN = 8;
export const ND_OPT_NONCE_LEN = 8;

/** Word 2 of ff02::1:ff00:0/104, and the high byte of word 3: the group of a solicited node. */
export const SOLICITED_W2 = 1;
export const SOLICITED_W3 = 0xff00_0000 | 0;

/** What `cacheLladdr` is told of a redirect: to a router, or to the destination itself. */
export const ND_REDIRECT_ROUTER = 1;
export const ND_REDIRECT_ONLINK = 0;

/** What `ndCheck` finds. */
export const ND_OK = 0;
export const ND_BAD_HLIM = 1;
export const ND_BAD_CODE = 2;
export const ND_BAD_SHORT = 3;
export const ND_BAD_OPT = 4;

/** Hop limit 255, code 0, long enough, every option longer than 0 and inside: what RFC 4861 asks of every message. */
export function ndCheck(m: PacketBuffer, off: number): number {
  const v = m.view;
  const at = m.off + off;
  const end = m.off + m.len;
  if (v.getUint8(m.off + IP6_HLIM) !== IPV6_MAXHLIM) return ND_BAD_HLIM;
  if (v.getUint8(at + ICMP6_CODE) !== 0) return ND_BAD_CODE;
  const fixed = ndFixedLen(v.getUint8(at + ICMP6_TYPE));
  if (at + fixed > end) return ND_BAD_SHORT;
  let opt = at + fixed;
  for (;;) {
    const n = ndOptLen(v, opt, end);
    if (n === 0) return ND_OK;
    if (n < 0) return ND_BAD_OPT;
    opt += n;
  }
}

/** Where the first option of `type` is among the well-formed ones from `at` to `end`; 0: there is none. */
export function ndFindOpt(v: DataView, at: number, end: number, type: number): number {
  while (at < end) {
    if (v.getUint8(at) === type) return at;
    at += v.getUint8(at + 1) << 3;
  }
  return 0;
}

/** An IPv6 header with hop limit 255 and an empty message of `type` with `optLen` bytes of options; addresses are still missing. Null: no buffer. */
export function ndAlloc(ip6: Ip6, ifp: Ifnet, type: number, optLen: number): PacketBuffer | null {
  const len = ndFixedLen(type) + optLen;
  const m = ip6.net.kern.engine.pool.alloc(IP6_HDR_LEN + len);
  if (m === null) return null;
  const v = m.view;
  for (let i = 0; i < IP6_HDR_LEN + len; i += 4) v.setInt32(m.off + i, 0);
  v.setUint8(m.off, IPV6_VERSION << 4);
  v.setUint16(m.off + IP6_PLEN, len);
  v.setUint8(m.off + IP6_NXT, IPPROTO_ICMPV6);
  v.setUint8(m.off + IP6_HLIM, IPV6_MAXHLIM);
  v.setUint8(m.off + IP6_HDR_LEN + ICMP6_TYPE, type);
  m.fib = ifp.fib;
  return m;
}

/** Writes a link-layer address option of `type`. */
export function ndPutLladdr(v: DataView, at: number, type: number, macHi: number, macLo: number): void {
  v.setUint8(at, type);
  v.setUint8(at + 1, 1);
  v.setUint16(at + 2, macHi);
  v.setUint32(at + 4, macLo);
}

/** Computes the checksum and sends `m` through `ifp`. Owns `m`. */
export function ndSend(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): Errno {
  const v = m.view;
  const at = m.off + IP6_HDR_LEN;
  const d = m.off + IP6_DST;
  v.setUint16(at + ICMP6_CKSUM, 0);
  v.setUint16(at + ICMP6_CKSUM, inCksum6(v, at, m.len - IP6_HDR_LEN, m.off + IP6_SRC, d, IPPROTO_ICMPV6));
  if (v.getUint8(d) === 0xff) m.flags |= M_MCAST;
  ip6.stats.localout++;
  if (ip6.pfil.hooked) {
    const verdict = ip6.pfil.run(m, ifp, PFIL_OUT);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return verdict === PFIL_DROPPED ? EHOSTUNREACH : 0;
  }
  return ip6Send(ip6, ifp, m, ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), false);
}
