/**
 * ipfw-reject.ts — telling a sender that its packet was refused: `reject`, `reset`, `unreach` and their IPv6 likes.
 * Read first: ipfw(8) "unreach code"; FreeBSD's send_reject, ipfw_send_pkt.
 *
 * `reset` answers TCP with a reset and other protocols with nothing; `unreach` with an ICMP error; `abort` is for SCTP, of which nothing is answered here. The answer asks no
 * filter (M_SKIP_FIREWALL). The packet stays the caller's, who drops it.
 * No answer is given to a broadcast, a multicast, a later fragment, or an ICMP message that is no question.
 */
import type { Ip } from '../../inet/ip.js';
import type { Ip6 } from '../../inet6/ip6.js';
import { CSUM_L4, M_BCAST, M_MCAST, M_SKIP_FIREWALL } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ip4IsMulticast } from '../../wire/addr.js';
import { cksumFold, cksumPseudo4, cksumPseudo6 } from '../../wire/checksum.js';
import { ETHER_HDR_LEN } from '../../wire/ether.js';
import {
  ICMP_ECHO, ICMP_IREQ, ICMP_MASKREQ, ICMP_ROUTERSOLICIT, ICMP_TSTAMP, ICMP_UNREACH, ICMP_UNREACH_HOST, ICMP_UNREACH_HOST_UNKNOWN, ICMP_UNREACH_NEEDFRAG, ICMP_UNREACH_NET,
  ICMP_UNREACH_NET_UNKNOWN, ICMP_UNREACH_PORT, ICMP_UNREACH_SRCFAIL, ICMP_UNREACH_TOSHOST, ICMP_UNREACH_TOSNET,
} from '../../wire/icmp4.js';
import { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_NOPORT, ICMP6_DST_UNREACH_NOROUTE, ICMP6_ECHO_REQUEST, ICMP6_NI_QUERY, MLD_LISTENER_QUERY } from '../../wire/icmp6.js';
import { IP4_HDR_LEN, ip4Emit } from '../../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../../wire/ip6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP } from '../../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, TH_ACK, TH_RST, TH_SYN, tcpAck, tcpEmit, tcpSeq } from '../../wire/tcp.js';
import type { IpfwArgs } from './ipfw-args.js';
import { ICMP_REJECT_ABORT, ICMP_REJECT_RST, ICMP6_UNREACH_ABORT, ICMP6_UNREACH_RST } from './ipfw-insn.js';

const IPTOS_LOWDELAY = 0x10;

const QUESTIONS: readonly number[] = [ICMP_ECHO, ICMP_ROUTERSOLICIT, ICMP_TSTAMP, ICMP_IREQ, ICMP_MASKREQ];
const QUESTIONS6: readonly number[] = [ICMP6_ECHO_REQUEST, MLD_LISTENER_QUERY, ICMP6_NI_QUERY];
const NOROUTE_CODES: readonly number[] = [
  ICMP_UNREACH_NET, ICMP_UNREACH_HOST, ICMP_UNREACH_SRCFAIL, ICMP_UNREACH_NET_UNKNOWN, ICMP_UNREACH_HOST_UNKNOWN, ICMP_UNREACH_TOSNET, ICMP_UNREACH_TOSHOST,
];

/** The code of IPv6 for `unreach` of IPv4 (RFC 7915 §4.2). */
export function mapUnreach(code: number): number {
  if (code === ICMP_REJECT_RST) return ICMP6_UNREACH_RST;
  if (code === ICMP_REJECT_ABORT) return ICMP6_UNREACH_ABORT;
  if (NOROUTE_CODES.includes(code)) return ICMP6_DST_UNREACH_NOROUTE;
  return code === ICMP_UNREACH_PORT ? ICMP6_DST_UNREACH_NOPORT : ICMP6_DST_UNREACH_ADMIN;
}

/** `code`: of ICMP, or ICMP_REJECT_*; `mtu`: of `needfrag`. */
export function sendReject4(ip: Ip, a: IpfwArgs, code: number, mtu: number): void {
  const { m } = a;
  if (a.offset !== 0 || (m.flags & (M_BCAST | M_MCAST)) !== 0 || ip4IsMulticast(a.dst >>> 0)) return;
  if (a.proto === IPPROTO_ICMP && (a.ulp === 0 || !QUESTIONS.includes(m.view.getUint8(a.ulp)))) return;
  if (code === ICMP_REJECT_RST) {
    if (a.proto === IPPROTO_TCP && a.ulp !== 0 && (a.tcpFlags & TH_RST) === 0) sendReset4(ip, a);
    return;
  }
  if (code === ICMP_REJECT_ABORT) return;
  aboutPacket(a, (packet) => void ip.icmp?.sendError(a.isIn ? a.ifp : null, packet, ICMP_UNREACH, code, code === ICMP_UNREACH_NEEDFRAG ? mtu : 0));
}

export function sendReject6(ip6: Ip6, a: IpfwArgs, code: number): void {
  const { m } = a;
  if (a.offset !== 0 || (m.flags & (M_BCAST | M_MCAST)) !== 0 || a.d0 >>> 24 === 0xff) return;
  if (a.proto === IPPROTO_ICMPV6 && (a.ulp === 0 || !QUESTIONS6.includes(m.view.getUint8(a.ulp)))) return;
  if (code === ICMP6_UNREACH_RST) {
    if (a.proto === IPPROTO_TCP && a.ulp !== 0 && (a.tcpFlags & TH_RST) === 0) sendReset6(ip6, a);
    return;
  }
  if (code === ICMP6_UNREACH_ABORT) return;
  const copy = m.pool.copy(m);
  if (copy === null) return;
  if (a.ether) copy.adj(ETHER_HDR_LEN);
  copy.flags |= M_SKIP_FIREWALL;
  ip6.icmp6Error(a.isIn ? a.ifp : null, copy, ICMP6_DST_UNREACH, code, 0);
}

/** Runs `send` with the packet as an IP packet whose error asks no filter. */
function aboutPacket(a: IpfwArgs, send: (packet: PacketBuffer) => void): void {
  const { m } = a;
  if (a.ether) m.adj(ETHER_HDR_LEN);
  m.flags |= M_SKIP_FIREWALL;
  send(m);
  m.flags &= ~M_SKIP_FIREWALL;
  if (a.ether) m.prepend(ETHER_HDR_LEN);
}

/** Numbers of the reset (RFC 9293 §3.5.2). */
function putReset(m: PacketBuffer, th: number, a: IpfwArgs): void {
  const v = a.m.view;
  if ((a.tcpFlags & TH_ACK) !== 0) tcpEmit(m.view, th, a.dport, a.sport, tcpAck(v, a.ulp), 0, TCP_HDR_LEN, TH_RST, 0, 0);
  else tcpEmit(m.view, th, a.dport, a.sport, 0, (tcpSeq(v, a.ulp) + ((a.tcpFlags & TH_SYN) !== 0 ? 1 : 0)) >>> 0, TCP_HDR_LEN, TH_RST | TH_ACK, 0, 0);
}

function sendReset4(ip: Ip, a: IpfwArgs): void {
  const m = a.m.pool.alloc(IP4_HDR_LEN + TCP_HDR_LEN);
  if (m === null) return;
  const th = m.off + IP4_HDR_LEN;
  putReset(m, th, a);
  m.view.setUint16(th + TCP_SUM, cksumFold(cksumPseudo4(a.dst >>> 0, a.src >>> 0, IPPROTO_TCP, TCP_HDR_LEN)));
  ip4Emit(m.view, m.off, IP4_HDR_LEN, IPTOS_LOWDELAY, m.len, 0, 0, ip.tun.ttl, IPPROTO_TCP, a.dst >>> 0, a.src >>> 0);
  pending(m, th, a);
  ip.output(m, 0, null);
}

function sendReset6(ip6: Ip6, a: IpfwArgs): void {
  const m = a.m.pool.alloc(IP6_HDR_LEN + TCP_HDR_LEN);
  if (m === null) return;
  const v = m.view;
  const th = m.off + IP6_HDR_LEN;
  putReset(m, th, a);
  ip6Emit(v, m.off, 0, 0, TCP_HDR_LEN, IPPROTO_TCP, ip6.tun.hlim);
  for (let i = 0; i < 16; i += 4) {
    v.setInt32(m.off + IP6_SRC + i, a.m.view.getInt32(a.l3 + IP6_DST + i));
    v.setInt32(m.off + IP6_DST + i, a.m.view.getInt32(a.l3 + IP6_SRC + i));
  }
  v.setUint16(th + TCP_SUM, cksumFold(cksumPseudo6(v, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP, TCP_HDR_LEN)));
  pending(m, th, a);
  ip6.output(m, 0, null);
}

function pending(m: PacketBuffer, th: number, a: IpfwArgs): void {
  m.csumFlags = CSUM_L4;
  m.csumStart = th;
  m.csumOffset = TCP_SUM;
  m.fib = a.fib;
  m.flags |= M_SKIP_FIREWALL;
}
