/**
 * tcp-ip.ts — a segment is handed to IP: pseudo header, IP header, options of the socket.
 * Read first: RFC 9293 §3.1 (checksum), §3.9.2 (TCP/IP interface); transport/pcb-output.ts, pcb-output6.ts.
 *
 * `m` stands with `off` at the TCP header. The checksum is left pending, as everywhere in the stack (net/offload.ts).
 */
import type { Errno } from '../base/errno.js';
import { EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENOBUFS } from '../base/errno.js';
import { CSUM_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip6PutWords, ip6W0NeedsZone } from '../wire/addr6.js';
import { cksumFold, cksumPseudo4, cksumPseudo6 } from '../wire/checksum.js';
import { IP4_HDR_LEN, IP_DF, ip4Emit } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_SUM } from '../wire/tcp.js';
import { pcbOutput } from '../transport/pcb-output.js';
import { pcbOutput6 } from '../transport/pcb-output6.js';
import type { TcpEnds } from './tcp-ends.js';
import { TF_NODF } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** Errors of a path that may recover (RFC 1122 §4.2.3.9): no reason to give a connection up at once. */
export const isUnreachable = (error: Errno): boolean => error === EHOSTUNREACH || error === ENETUNREACH || error === EHOSTDOWN || error === ENETDOWN;

/** Sends a segment of `tp`; `ecn` are the ECN bits of its IP header. Owns `m`. */
export function tcpIpOutput(tp: TcpCb, m: PacketBuffer, ecn: number): Errno {
  const { tcp, inp, in6p } = tp;
  if (in6p !== null && in6p.v6) {
    if (!put6(tcp, m, in6p.l0, in6p.l1, in6p.l2, in6p.l3, in6p.f0, in6p.f1, in6p.f2, in6p.f3, (in6p.tclass < 0 ? 0 : in6p.tclass) | ecn, in6p.hops)) return ENOBUFS;
    const c = tcp.choice;
    c.d0 = in6p.f0;
    c.ifp = ip6W0NeedsZone(in6p.f0) ? tcp.ip6.net.ifByIndex(in6p.f0 & 0xffff) : null;
    return pcbOutput6(tcp.ip6, in6p, m, c, c.opts);
  }
  if (!put4(tcp, m, inp.laddr, inp.faddr, inp.tos | ecn, inp.ttl, (tp.flags & TF_NODF) === 0)) return ENOBUFS;
  return pcbOutput(tcp.ip, inp, m);
}

/** Sends a segment between `e`. Owns `m`. */
export function tcpIpSend(tcp: Tcp, e: TcpEnds, m: PacketBuffer): Errno {
  m.fib = e.fib;
  if (!e.isV6) return put4(tcp, m, e.laddr, e.faddr, e.tos, e.ttl, true) ? tcp.ip.output(m) : ENOBUFS;
  if (!put6(tcp, m, e.l0, e.l1, e.l2, e.l3, e.f0, e.f1, e.f2, e.f3, e.tos, e.ttl)) return ENOBUFS;
  const { opts } = tcp.choice;
  opts.ifp = ip6W0NeedsZone(e.f0) ? tcp.ip6.net.ifByIndex(e.f0 & 0xffff) : null;
  const error = tcp.ip6.output(m, 0, opts);
  opts.ifp = null;
  return error;
}

function put4(tcp: Tcp, m: PacketBuffer, src: number, dst: number, tos: number, ttl: number, df: boolean): boolean {
  const { len } = m;
  pending(m, cksumPseudo4(src, dst, IPPROTO_TCP, len));
  if (!m.prepend(IP4_HDR_LEN)) {
    m.free();
    return false;
  }
  ip4Emit(m.view, m.off, IP4_HDR_LEN, tos, m.len, 0, df && tcp.tun.pathMtuDiscovery !== 0 ? IP_DF : 0, ttl >= 0 ? ttl : tcp.ip.tun.ttl, IPPROTO_TCP, src, dst);
  return true;
}

function put6(
  tcp: Tcp, m: PacketBuffer, s0: number, s1: number, s2: number, s3: number, d0: number, d1: number, d2: number, d3: number, tclass: number, hops: number,
): boolean {
  const { len } = m;
  if (!m.prepend(IP6_HDR_LEN)) {
    m.free();
    return false;
  }
  const v = m.view;
  ip6Emit(v, m.off, tclass, 0, len, IPPROTO_TCP, hops >= 0 ? hops : tcp.ip6.tun.hlim);
  ip6PutWords(v, m.off + IP6_SRC, s0, s1, s2, s3);
  ip6PutWords(v, m.off + IP6_DST, d0, d1, d2, d3);
  m.off += IP6_HDR_LEN;
  pending(m, cksumPseudo6(v, m.off - IP6_HDR_LEN + IP6_SRC, m.off - IP6_HDR_LEN + IP6_DST, IPPROTO_TCP, len));
  m.off -= IP6_HDR_LEN;
  return true;
}

function pending(m: PacketBuffer, pseudo: number): void {
  m.view.setUint16(m.off + TCP_SUM, cksumFold(pseudo));
  m.csumFlags = CSUM_L4;
  m.csumStart = m.off;
  m.csumOffset = TCP_SUM;
}
