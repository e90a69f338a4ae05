/**
 * icmp6-error.ts — telling a sender what happened to its packet, and what such a message means to a socket.
 * Read first: RFC 4443 §2.4, §3; FreeBSD's netinet6/icmp6.c, icmp6_error; netinet6/in6_proto.c, inet6ctlerrmap.
 *
 * No error is sent about: an ICMPv6 error or a redirect; a packet that came or was addressed to many (but packet-too-big, and an unknown option
 * that asks for it); a packet whose source is not one node; a fragment other than the first is answered, because the rules do not exclude it. The
 * quotation is as much of the packet as makes the error 1280 bytes, the size that every link can carry.
 * A limit on errors per second keeps a flood of bad packets from being answered by one of errors.
 *
 * @rfc 4443 2.4 yes
 * @rfc 4443 3.1 yes
 * @rfc 4443 3.2 yes
 * @rfc 4443 3.3 yes
 * @rfc 4443 3.4 yes
 * @rfc 4443 2.2 yes
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENOPROTOOPT } from '../base/errno.js';
import { M_BCAST, M_MCAST, M_SKIP_FIREWALL, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_NOPORT, ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN, ICMP6_PACKET_TOO_BIG, ICMP6_PARAMPROB_NEXTHEADER,
  ICMP6_PARAMPROB_OPTION, ICMP6_PARAM_PROB, ICMP6_PPTR, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, ND_REDIRECT,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_SRC, IPV6_MMTU, ip6CopyAddr, ip6Emit, ip6ExtLen, ip6IsExt } from '../wire/ip6.js';
import { IPPROTO_FRAGMENT, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { icmp6ReplySource, icmp6Send } from './icmp6-reflect.js';
import { icmp6CountOut, icmp6Errcount } from './icmp6-var.js';
import type { Icmp6 } from './icmp6.js';

/** Bytes of the packet at fault that fit. */
const QUOTE_MAX = IPV6_MMTU - IP6_HDR_LEN - ICMP6_HDR_LEN;

/**
 * Sends an error about `m`, which stays the caller's: `m.off` at its IPv6 header. `ifp` is where it came in, null for our own. `arg`: MTU of
 * packet-too-big, offset of a parameter problem, else 0. True when a message left for IPv6 output.
 */
export function icmp6SendError(icmp6: Icmp6, ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): boolean {
  const { stats } = icmp6;
  stats.error++;
  icmp6Errcount(stats, type, code);
  if (!mayAnswer(icmp6, m, type, code)) return false;
  if (!icmp6.errorRate.ok(icmp6.ip6.net.kern.engine.now, icmp6.tun.errppslimit)) {
    stats.toofreq++;
    return false;
  }
  const quoted = Math.min(m.len, QUOTE_MAX);
  const n = m.pool.alloc(IP6_HDR_LEN + ICMP6_HDR_LEN + quoted);
  if (n === null) return false;
  const v = n.view;
  const at = n.off + IP6_HDR_LEN;
  n.fib = m.fib;
  n.flags = m.flags & M_SKIP_FIREWALL;
  copyBytes(n, at + ICMP6_HDR_LEN, m, m.off, quoted);
  ip6Emit(v, n.off, 0, 0, n.len - IP6_HDR_LEN, IPPROTO_ICMPV6, 0);
  ip6CopyAddr(v, n.off + IP6_DST, m.view, m.off + IP6_SRC);
  v.setUint32(at, (type << 24) | (code << 16));
  v.setUint32(at + ICMP6_PPTR, arg);
  if (!icmp6ReplySource(icmp6, ifp, m.view, m.off + IP6_DST, n)) {
    n.free();
    return false;
  }
  icmp6CountOut(stats, type);
  icmp6Send(icmp6, ifp, n);
  return true;
}

function mayAnswer(icmp6: Icmp6, m: PacketBuffer, type: number, code: number): boolean {
  if (m.len < IP6_HDR_LEN) return false;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const toMany = (m.flags & (M_BCAST | M_MCAST)) !== 0 || v.getUint8(m.off + IP6_DST) === 0xff;
  if (toMany && type !== ICMP6_PACKET_TOO_BIG && (type !== ICMP6_PARAM_PROB || code !== ICMP6_PARAMPROB_OPTION)) return false;
  if (v.getUint8(s) === 0xff || (v.getInt32(s) | v.getInt32(s + 4) | v.getInt32(s + 8) | v.getInt32(s + 12)) === 0) return false;
  if (!isIcmp6Error(m)) return true;
  icmp6.stats.canterror++;
  return false;
}

/** Is it an ICMPv6 error itself, or a redirect? Behind whatever extension headers, as far as they are there. */
function isIcmp6Error(m: PacketBuffer): boolean {
  const v = m.view;
  const end = m.off + m.len;
  let nxt = v.getUint8(m.off + IP6_NXT);
  let at = m.off + IP6_HDR_LEN;
  while (ip6IsExt(nxt)) {
    const len = ip6ExtLen(v, at, end, nxt);
    if (len < 0 || (nxt === IPPROTO_FRAGMENT && (v.getUint16(at + 2) & 0xfff8) !== 0)) return false;
    nxt = v.getUint8(at);
    at += len;
  }
  if (nxt !== IPPROTO_ICMPV6 || at >= end) return false;
  const type = v.getUint8(at);
  return type < ICMP6_ECHO_REQUEST || type === ND_REDIRECT;
}

/** What an ICMPv6 error means to the socket whose packet it quotes; 0: nothing to report. */
export function icmp6Errmap(type: number, code: number): Errno {
  switch (type) {
    case ICMP6_DST_UNREACH:
      return code === ICMP6_DST_UNREACH_ADMIN || code === ICMP6_DST_UNREACH_NOPORT ? ECONNREFUSED : EHOSTUNREACH;
    case ICMP6_PACKET_TOO_BIG:
      return EMSGSIZE;
    case ICMP6_TIME_EXCEEDED:
      return code === ICMP6_TIME_EXCEED_TRANSIT ? EHOSTUNREACH : 0;
    case ICMP6_PARAM_PROB:
      return code === ICMP6_PARAMPROB_NEXTHEADER ? ECONNREFUSED : ENOPROTOOPT;
    default:
      return 0;
  }
}

