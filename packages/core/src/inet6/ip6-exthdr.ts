/**
 * ip6-exthdr.ts — the extension headers this host reads itself: hop-by-hop options, destination options, routing.
 * Read first: RFC 8200 §4.2, §4.3, §4.4, §4.6; RFC 2711 (router alert); RFC 5095; RFC 8504 §5.3 (limits); FreeBSD's netinet6/ip6_input.c,
 * dest6.c, route6.c.
 *
 * Theory of operation. Each function looks at one header, `off` bytes behind the IPv6 header, and answers where the next one begins. Who does
 * not like what it sees frees the packet, or sends the error that quotes it, and answers CONSUMED. The number of the next header is the first
 * byte of the header that was read (`ip6ExtNext`). Nothing is stripped: the bytes stay for whoever wants to look again.
 *
 * No option but padding and router alert means anything here. The two high bits of an unknown one say what becomes of the packet. Jumbograms
 * are refused. Routing headers are refused, of whatever type, while they name places still to be visited.
 *
 * @rfc 8200 4.2 yes
 * @rfc 8200 4.3 yes
 * @rfc 8200 4.4 yes
 * @rfc 8200 4.6 yes
 * @rfc 2711 2.1 yes
 * @rfc 5095 3 yes
 * @rfc 8504 5.3 yes
 * @rfc 2675 3 no "jumbograms are refused: no link here has an MTU beyond 65,535"
 */
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP6_PARAMPROB_HEADER, ICMP6_PARAMPROB_OPTION, ICMP6_PARAM_PROB } from '../wire/icmp6.js';
import {
  IP6EXT_LEN, IP6OPT_JUMBO, IP6OPT_PAD1, IP6OPT_PADN, IP6OPT_ROUTER_ALERT, IP6R_SEGLEFT, IP6R_TYPE, IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_PLEN, ip6ExtLen, ip6IsExt,
} from '../wire/ip6.js';
import { IPPROTO_HOPOPTS } from '../wire/ipproto.js';
import type { Ip6 } from './ip6.js';

/** The packet is gone. */
export const CONSUMED = -1;
/** `ip6.rtalert`: no router alert. */
export const RTALERT_NONE = -1;

/** What a router alert says (RFC 2711 §2.1). */
export const IP6OPT_RTALERT_MLD = 0;

const EXT_MIN = 8;
const RTALERT_DATA = 2;
/** Highest bits of an option type: what who does not know it does. */
const OPT_ACTION_SHIFT = 6;
const OPT_SKIP = 0;
const OPT_DISCARD = 1;
const OPT_ICMP_ALWAYS = 2;

/** Number of the header behind the extension header at `off`. */
export const ip6ExtNext = (m: PacketBuffer, off: number): number => m.view.getUint8(m.off + off);

/** Where in the packet the byte is that names the header at `off`; that header was reached along the chain before it. */
export function ip6PrevHdr(m: PacketBuffer, off: number): number {
  const v = m.view;
  let prev = IP6_NXT;
  let at = IP6_HDR_LEN;
  while (at < off) {
    const nxt = v.getUint8(m.off + prev);
    const len = ip6IsExt(nxt) ? ip6ExtLen(v, m.off + at, m.off + m.len, nxt) : -1;
    if (len < 0) break;
    prev = at;
    at += len;
  }
  return prev;
}

/** The hop-by-hop header, which is the first. Sets `ip6.rtalert`. Answers where the next header is, or CONSUMED. Owns `m` in that case. */
export function ip6HopoptsInput(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): number {
  ip6.rtalert = RTALERT_NONE;
  if (m.view.getUint16(m.off + IP6_PLEN) === 0) {
    // Payload length 0 announces a jumbogram.
    ip6.stats.badoptions++;
    return error(ip6, ifp, m, ICMP6_PARAMPROB_HEADER, IP6_PLEN);
  }
  return optionsInput(ip6, ifp, m, IP6_HDR_LEN, true);
}

/** The destination options header at `off`. As ip6HopoptsInput. */
export function ip6DestInput(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, off: number): number {
  return optionsInput(ip6, ifp, m, off, false);
}

/** The routing header at `off`: skipped when the packet is where it was to go. As ip6HopoptsInput. */
export function ip6RouteInput(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, off: number): number {
  const len = headerLength(ip6, m, off);
  if (len < 0) return drop(m);
  if (m.view.getUint8(m.off + off + IP6R_SEGLEFT) === 0) return off + len;
  ip6.stats.badoptions++;
  return error(ip6, ifp, m, ICMP6_PARAMPROB_HEADER, off + IP6R_TYPE);
}

/** Bytes of the header at `off`; -1, counted, when it is not in the packet or longer than this host likes. */
function headerLength(ip6: Ip6, m: PacketBuffer, off: number): number {
  const len = off + EXT_MIN > m.len ? -1 : (m.view.getUint8(m.off + off + IP6EXT_LEN) + 1) << 3;
  if (len < 0 || off + len > m.len) {
    ip6.stats.tooshort++;
    return -1;
  }
  if (len <= ip6.tun.exthdrMaxlen) return len;
  ip6.stats.badoptions++;
  return -1;
}

function drop(m: PacketBuffer): number {
  m.free();
  return CONSUMED;
}

function error(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, code: number, pointer: number): number {
  ip6.icmp6Error(ifp, m, ICMP6_PARAM_PROB, code, pointer);
  return CONSUMED;
}

function optionsInput(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, off: number, isHop: boolean): number {
  const len = headerLength(ip6, m, off);
  if (len < 0) return drop(m);
  const { stats, tun } = ip6;
  const v = m.view;
  const end = off + len;
  const most = isHop ? tun.hbhMaxopts : tun.dstMaxopts;
  let padding = 0;
  let options = 0;
  for (let at = off + 2; at < end;) {
    const type = v.getUint8(m.off + at);
    const n = type === IP6OPT_PAD1 ? 1 : optionLength(v, m.off + at, m.off + end);
    if (n < 0) {
      stats.badoptions++;
      return error(ip6, ifp, m, ICMP6_PARAMPROB_HEADER, Math.min(at + 1, end - 1));
    }
    if (type === IP6OPT_PAD1 || type === IP6OPT_PADN) {
      padding += n;
      if (tun.optsMaxpad !== 0 && padding > tun.optsMaxpad) return refuse(ip6, m);
    } else {
      padding = 0;
      if (++options > most) return refuse(ip6, m);
      if (!takeOption(ip6, ifp, m, at, type, n, isHop)) return CONSUMED;
    }
    at += n;
  }
  return end;
}

function refuse(ip6: Ip6, m: PacketBuffer): number {
  ip6.stats.badoptions++;
  return drop(m);
}

/** Bytes of the option at `at`, or -1 when it does not end by `end`. */
function optionLength(v: DataView, at: number, end: number): number {
  if (at + 2 > end) return -1;
  const n = v.getUint8(at + 1) + 2;
  return at + n > end ? -1 : n;
}

/** True: go on. False: the packet is gone. */
function takeOption(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, at: number, type: number, n: number, isHop: boolean): boolean {
  if (isHop && type === IP6OPT_ROUTER_ALERT) {
    if (n === RTALERT_DATA + 2) {
      ip6.rtalert = m.view.getUint16(m.off + at + 2);
      return true;
    }
    ip6.stats.badoptions++;
    error(ip6, ifp, m, ICMP6_PARAMPROB_HEADER, at + 1);
    return false;
  }
  if (isHop && type === IP6OPT_JUMBO) {
    // The payload length is not 0, or we were not here.
    ip6.stats.badoptions++;
    error(ip6, ifp, m, ICMP6_PARAMPROB_HEADER, at);
    return false;
  }
  const action = type >>> OPT_ACTION_SHIFT;
  if (action === OPT_SKIP) return true;
  ip6.stats.badoptions++;
  const toMany = m.view.getUint8(m.off + IP6_DST) === 0xff || (m.flags & (M_BCAST | M_MCAST)) !== 0;
  if (action === OPT_DISCARD || (action !== OPT_ICMP_ALWAYS && toMany)) m.free();
  else error(ip6, ifp, m, ICMP6_PARAMPROB_OPTION, at);
  return false;
}

/** Is there a hop-by-hop header? */
export const ip6HasHopopts = (m: PacketBuffer): boolean => m.view.getUint8(m.off + IP6_NXT) === IPPROTO_HOPOPTS;
