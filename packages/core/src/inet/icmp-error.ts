/**
 * icmp-error.ts — telling a sender what happened to its packet, and what such a message means to a socket.
 * Read first: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2, RFC 1191 §4; FreeBSD's netinet/ip_icmp.c, icmp_error.
 *
 * No error is sent about: an ICMP error (or a type nobody knows), a fragment other than the first, a packet that came or was
 * addressed to many, a packet whose source is not one host. The quotation holds the IP header and as much as makes the
 * whole at most 576 bytes (`quotelen`), never less than 8 bytes behind the header, of TCP its whole header.
 * Every kind has its rate limit, so that a flood of bad packets is not answered by a flood of errors.
 *
 * @rfc 1122 3.2.2 yes
 * @rfc 1812 4.3.2 yes
 * @rfc 1191 4 yes
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENOPROTOOPT } from '../base/errno.js';
import { M_BCAST, M_MCAST, M_SKIP_FIREWALL, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip4IsMulticast } from '../wire/addr.js';
import {
  ICMP4_DATA, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_IREQ, ICMP_IREQREPLY, ICMP_MASKREPLY, ICMP_MASKREQ, ICMP_MINLEN, ICMP_PARAMPROB,
  ICMP_PARAMPROB_OPTABSENT, ICMP_REDIRECT, ICMP_ROUTERADVERT, ICMP_ROUTERSOLICIT, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, ICMP_TSTAMP,
  ICMP_TSTAMPREPLY, ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB, ICMP_UNREACH_HOST_PROHIB, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_NET_PROHIB,
  ICMP_UNREACH_PORT, ICMP_UNREACH_PRECEDENCE_CUTOFF, ICMP_UNREACH_PROTOCOL, icmp4Emit,
} from '../wire/icmp4.js';
import { IP4_HDR_LEN, IP_DF, IP_MF, ip4Dst, ip4Emit, ip4Hl, ip4Len, ip4Off, ip4P, ip4Src } from '../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP } from '../wire/ipproto.js';
import type { Icmp } from './icmp.js';
import { BANDLIM_ICMP_ERROR, BANDLIM_ICMP_REDIRECT, BANDLIM_ICMP_UNREACH } from './icmp-bandlim.js';
import { NO_ROUTE, replySource } from './icmp-reflect.js';
import { OUT_KEYS } from './icmp-var.js';
import type { IcmpHistKey } from './icmp-var.js';

/** Where a TCP header has its length, in the high nibble, in words. */
const TCP_DATA_OFF = 12;
const TCP_HDR_MIN = 20;
const FIRST_GROUP = 0xe000_0000;

/** Messages that ask or answer; everything else counts as an error report. */
const INFO_TYPES: readonly number[] = [
  ICMP_ECHOREPLY, ICMP_ECHO, ICMP_ROUTERADVERT, ICMP_ROUTERSOLICIT, ICMP_TSTAMP, ICMP_TSTAMPREPLY, ICMP_IREQ, ICMP_IREQREPLY, ICMP_MASKREQ, ICMP_MASKREPLY,
];

/**
 * Sends an error about `m`, which stays the caller's: `m.off` at its IP header. `ifp` is where it came in, null unknown. `arg`: MTU
 * for needfrag, gateway for a redirect, octet for a parameter problem, else 0. True when a message left for IP output.
 */
export function icmpSendError(icmp: Icmp, ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): boolean {
  const { ip, stats } = icmp;
  if (type !== ICMP_REDIRECT) stats.error++;
  if (!mayAnswer(icmp, ifp, m, type)) return false;
  if (icmp.bandlim(limitOf(type)) < 0) return false;
  const v = m.view;
  const peer = ip4Src(v, m.off);
  const source = replySource(icmp, ifp, ip4Dst(v, m.off), peer, m.fib);
  if (source === NO_ROUTE) {
    stats.noroute++;
    return false;
  }
  const quoted = quoteLength(m, icmp.tun.quotelen);
  const n = quoted === 0 ? null : m.pool.alloc(IP4_HDR_LEN + ICMP_MINLEN + quoted);
  if (n === null) return false;
  copyBytes(n, n.off + IP4_HDR_LEN + ICMP4_DATA, m, m.off, quoted);
  ip4Emit(n.view, n.off, IP4_HDR_LEN, 0, n.len, 0, 0, ip.tun.ttl, IPPROTO_ICMP, source, peer);
  icmp4Emit(n.view, n.off + IP4_HDR_LEN, ICMP_MINLEN + quoted, type, code, secondWord(type, code, arg));
  n.fib = m.fib;
  n.flags = m.flags & M_SKIP_FIREWALL;
  stats[OUT_KEYS[type] as IcmpHistKey]++;
  stats.outhist++;
  ip.output(n, 0, null);
  return true;
}

function limitOf(type: number): number {
  if (type === ICMP_UNREACH) return BANDLIM_ICMP_UNREACH;
  return type === ICMP_REDIRECT ? BANDLIM_ICMP_REDIRECT : BANDLIM_ICMP_ERROR;
}

function secondWord(type: number, code: number, arg: number): number {
  if (type === ICMP_REDIRECT) return arg;
  if (type === ICMP_PARAMPROB) return arg * 0x100_0000;
  return type === ICMP_UNREACH && code === ICMP_UNREACH_NEEDFRAG ? arg : 0;
}

function mayAnswer(icmp: Icmp, ifp: Ifnet | null, m: PacketBuffer, type: number): boolean {
  const v = m.view;
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || m.len < IP4_HDR_LEN + ICMP_MINLEN) return false;
  const hl = ip4Hl(v, m.off);
  if (m.len < hl + ICMP_MINLEN || (ip4Off(v, m.off) & ~(IP_MF | IP_DF)) !== 0) return false;
  const src = ip4Src(v, m.off);
  if (src >>> 24 === 0 || src >= FIRST_GROUP) {
    icmp.stats.badaddr++;
    return false;
  }
  const dst = ip4Dst(v, m.off);
  if (ip4IsMulticast(dst) || (ifp !== null && icmp.ip.inNet.isBroadcast(dst, ifp))) return false;
  if (ip4P(v, m.off) === IPPROTO_ICMP && type !== ICMP_REDIRECT && !INFO_TYPES.includes(v.getUint8(m.off + hl))) {
    icmp.stats.oldicmp++;
    return false;
  }
  return true;
}

/** Bytes of `m` to quote; 0 for a TCP header that lies about its length. */
function quoteLength(m: PacketBuffer, quotelen: number): number {
  const v = m.view;
  const hl = ip4Hl(v, m.off);
  let least = hl + ICMP_MINLEN;
  if (ip4P(v, m.off) === IPPROTO_TCP && m.len >= hl + TCP_HDR_MIN) {
    const thl = (v.getUint8(m.off + hl + TCP_DATA_OFF) >>> 4) << 2;
    if (thl < TCP_HDR_MIN || ip4Len(v, m.off) < hl + thl) return 0;
    least = hl + thl;
  }
  return Math.min(m.len, Math.max(least, quotelen));
}

/** What an ICMP error means to the socket whose packet it quotes; 0: nothing to report. */
export function icmpErrmap(type: number, code: number): Errno {
  switch (type) {
    case ICMP_UNREACH:
      return unreachErrno(code);
    case ICMP_TIMXCEED:
      return code === ICMP_TIMXCEED_INTRANS ? EHOSTUNREACH : 0;
    case ICMP_PARAMPROB:
      return code <= ICMP_PARAMPROB_OPTABSENT ? ENOPROTOOPT : 0;
    default:
      return 0;
  }
}

function unreachErrno(code: number): Errno {
  switch (code) {
    case ICMP_UNREACH_NEEDFRAG:
      return EMSGSIZE;
    case ICMP_UNREACH_PROTOCOL:
    case ICMP_UNREACH_PORT:
    case ICMP_UNREACH_NET_PROHIB:
    case ICMP_UNREACH_HOST_PROHIB:
    case ICMP_UNREACH_FILTER_PROHIB:
      return ECONNREFUSED;
    default:
      return code <= ICMP_UNREACH_PRECEDENCE_CUTOFF ? EHOSTUNREACH : 0;
  }
}
