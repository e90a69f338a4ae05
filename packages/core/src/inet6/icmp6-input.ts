/**
 * icmp6-input.ts — an ICMPv6 message for this host.
 * Read first: RFC 4443 §2.4, §3, §4; RFC 8201; docs/contexts.md; FreeBSD's netinet6/icmp6.c, icmp6_input.
 *
 * Theory of operation. Length, checksum and histograms come first. Echo requests are answered in place, in softint (`icmp6InputShort`). All others
 * may change a route, an address or a path MTU: they are looked at in thread context (`icmp6Input`). Errors are checked against the packet
 * they quote, which must be one of ours, and told to its protocol, which looks for the socket. A message with a handler (neighbour discovery,
 * multicast listener discovery) is its handler's, called without softnet, because it may wait for the readers of routes; the rest goes to raw
 * sockets, where ping(8) and traceroute6(8) read it. Raw sockets that ask for them see a copy of echo requests and of neighbour discovery as well,
 * and what is valid of multicast listener discovery. Node information queries are not answered.
 *
 * Packet-too-big is believed when it quotes a packet of ours that is larger than the MTU it names, and that is not below 1280 bytes.
 *
 * @rfc 4443 2.3 yes
 * @rfc 8201 4 yes
 * @rfc 4443 4.1 yes
 * @rfc 4620 6 no "queries are not answered: they tell strangers names and addresses"
 */
import { CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import {
  ICMP6_CODE, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN, ICMP6_MTU, ICMP6_PACKET_TOO_BIG, ICMP6_PARAMPROB_FRAGHDRCHAIN,
  ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_REDIRECT, ND_ROUTER_ADVERT, ND_ROUTER_SOLICIT,
  ndFixedLen,
} from '../wire/icmp6.js';
import { IP6F_OFFLG, IP6F_OFF_MASK, IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_SRC, IPV6_MMTU, ip6ExtLen, ip6IsExt, ip6Plen } from '../wire/ip6.js';
import { IPPROTO_FRAGMENT, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { icmp6Errmap } from './icmp6-error.js';
import { icmp6Reflect } from './icmp6-reflect.js';
import { icmp6CountIn, icmp6CountOut } from './icmp6-var.js';
import { icmp6IfCount } from './ip6-ifstat.js';
import type { Icmp6 } from './icmp6.js';

/** Bytes of the quoted protocol header that a protocol may count on. */
const QUOTED_MIN = 8;

/** The part that every message goes through, and echo. True: `m` is gone. False: for icmp6Input; `m` is the caller's. */
export function icmp6InputShort(icmp6: Icmp6, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  const { stats } = icmp6;
  const v = m.view;
  const at = m.off + off;
  const len = m.len - off;
  if (len < ICMP6_HDR_LEN) {
    stats.tooshort++;
    m.free();
    return true;
  }
  if ((m.csumFlags & CSUM_L4_VALID) === 0 && inCksum6(v, at, len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_ICMPV6) !== 0) {
    stats.checksum++;
    m.free();
    return true;
  }
  const type = v.getUint8(at);
  icmp6CountIn(stats, type);
  const ii = icmp6.ip6.in6Net.ifinfo(ifp);
  if (ii !== null) icmp6IfCount(ii.stats.icmp6In, type, v.getUint8(at + ICMP6_CODE));
  const isEcho = type === ICMP6_ECHO_REQUEST;
  if (ifp.takesAny && (isEcho || type > ICMP6_PARAM_PROB)) {
    // For somebody who is not here: a gateway asks, or nobody answers.
    const foreign = icmp6.ip6.foreign;
    if (isEcho && foreign !== null) foreign.echo(ifp, m, true, off);
    else m.free();
    return true;
  }
  if (!isEcho) return false;
  echo(icmp6, ifp, m, off);
  return true;
}

/** Everything else, in thread context. Owns `m`. */
export function icmp6Input(icmp6: Icmp6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const v = m.view;
  const type = v.getUint8(m.off + off);
  const code = v.getUint8(m.off + off + ICMP6_CODE);
  if (code > maxCode(type)) {
    icmp6.stats.badcode++;
    icmp6.toRaw(m, off);
    return;
  }
  if (m.len - off < ndFixedLen(type)) {
    icmp6.stats.badlen++;
    m.free();
    return;
  }
  const handler = icmp6.handlerOf(type);
  if (handler !== null) {
    const copy = isNd(type) ? icmp6.copyForRaw(m, off) : null;
    handler.icmp6Input(type, ifp, m, off);
    if (copy !== null) icmp6.toRaw(copy, off);
    return;
  }
  if (type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB && !errorReport(icmp6, ifp, m, off, type, code)) {
    m.free();
    return;
  }
  icmp6.toRaw(m, off);
}

/** Messages of neighbour discovery, whose handlers tell raw sockets nothing. */
const isNd = (type: number): boolean => type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT;

/** The largest code of a type that means something. */
function maxCode(type: number): number {
  switch (type) {
    case ICMP6_DST_UNREACH:
      return CODE_UNREACH_MAX;
    case ICMP6_TIME_EXCEEDED:
      return ICMP6_TIME_EXCEED_REASSEMBLY;
    case ICMP6_PARAM_PROB:
      return ICMP6_PARAMPROB_FRAGHDRCHAIN;
    case ICMP6_ECHO_REPLY:
    case ND_ROUTER_SOLICIT:
    case ND_ROUTER_ADVERT:
    case ND_NEIGHBOR_SOLICIT:
    case ND_NEIGHBOR_ADVERT:
    case ND_REDIRECT:
      return 0;
    default:
      return 255;
  }
}

/** Source address failed a policy (5), reject route (6): RFC 4443 §3.1. */
const CODE_UNREACH_MAX = ICMP6_DST_UNREACH_NOPORT + 2;

/** The request becomes the reply, in the same buffer. Owns `m`. */
function echo(icmp6: Icmp6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const { stats, tun } = icmp6;
  const at = m.off + off;
  if (m.view.getUint8(at + ICMP6_CODE) !== 0) {
    stats.badcode++;
    icmp6.toRaw(m, off);
    return;
  }
  if (tun.icmp6lim !== 0 && !icmp6.echoRate.ok(icmp6.ip6.net.kern.engine.now, tun.icmp6lim)) {
    stats.toofreq++;
    m.free();
    return;
  }
  const copy = icmp6.copyForRaw(m, off);
  m.view.setUint8(at, ICMP6_ECHO_REPLY);
  stats.reflect++;
  icmp6CountOut(stats, ICMP6_ECHO_REPLY);
  m.flags &= ~(M_BCAST | M_MCAST);
  icmp6Reflect(icmp6, ifp, m, off);
  if (copy !== null) icmp6.toRaw(copy, off);
}

/** The quoted packet must be one that we could have sent; its protocol is told. False: too short, or nonsense. */
function errorReport(icmp6: Icmp6, ifp: Ifnet, m: PacketBuffer, off: number, type: number, code: number): boolean {
  const { ip6 } = icmp6;
  const v = m.view;
  const at = m.off + off + ICMP6_HDR_LEN;
  const end = m.off + m.len;
  if (at + IP6_HDR_LEN > end) {
    icmp6.stats.tooshort++;
    return false;
  }
  let nxt = v.getUint8(at + IP6_NXT);
  let upper = at + IP6_HDR_LEN;
  while (ip6IsExt(nxt)) {
    const len = ip6ExtLen(v, upper, end, nxt);
    if (len < 0) break;
    if (nxt === IPPROTO_FRAGMENT && (v.getUint16(upper + IP6F_OFFLG) & IP6F_OFF_MASK) !== 0) {
      nxt = IPPROTO_FRAGMENT;
      break;
    }
    nxt = v.getUint8(upper);
    upper += len;
  }
  const s = at + IP6_SRC;
  const w0 = ip6W0Zoned(v, s, ifp.index);
  if (isUnspecified(v, s) || isUnspecified(v, at + IP6_DST)) return false;
  let mtu = 0;
  if (type === ICMP6_PACKET_TOO_BIG) {
    mtu = v.getUint32(m.off + off + ICMP6_MTU);
    const ours = ip6.in6Net.isLocal(w0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
    if ((!ours && ip6.foreign === null) || mtu < IPV6_MMTU || IP6_HDR_LEN + ip6Plen(v, at) <= mtu) {
      icmp6.stats.pmtubad++;
      return true;
    }
    if (ip6.pmtu.update(ifp, m.fib, v, at + IP6_DST, mtu)) icmp6.stats.pmtuchg++;
  }
  if (upper + QUOTED_MIN > end) return true;
  const { softnet } = ip6.net.kern.engine;
  softnet.acquire('icmp6_notify_error');
  ip6.protos.get(nxt)?.ctlinput?.(ifp, icmp6Errmap(type, code), m, at, upper - at, mtu);
  softnet.release('icmp6_notify_error');
  return true;
}

function isUnspecified(v: DataView, at: number): boolean {
  return (v.getInt32(at) | v.getInt32(at + 4) | v.getInt32(at + 8) | v.getInt32(at + 12)) === 0;
}
