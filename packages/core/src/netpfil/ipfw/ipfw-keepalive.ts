/**
 * ipfw-keepalive.ts — keeping a TCP connection's state alive: a segment to each side that has not been heard of lately.
 * Read first: ipfw(8) "dyn_keepalive"; ipfw-dyn.ts.
 *
 * The segment pretends to come from the other side and acknowledges what that has acknowledged; its sequence number is one that has been received already, so
 * the receiver answers with an acknowledgement and nothing else happens. The answer passes the filter and makes the state live on.
 * It asks no filter itself (M_SKIP_FIREWALL).
 */
import type { Ip } from '../../inet/ip.js';
import type { Ip6 } from '../../inet6/ip6.js';
import { CSUM_L4, M_SKIP_FIREWALL } from '../../mbuf/packet-buffer.js';
import type { PacketPool } from '../../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, cksumPseudo6 } from '../../wire/checksum.js';
import { IP4_HDR_LEN, IP_DF, ip4Emit } from '../../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../../wire/ip6.js';
import { IPPROTO_TCP } from '../../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, TH_ACK, tcpEmit } from '../../wire/tcp.js';
import { ACK_FWD, ACK_REV } from './ipfw-dyn.js';
import type { IpfwState } from './ipfw-dyn.js';

const IPTOS_LOWDELAY = 0x10;

/** Asks the sides of `s` that have not been heard of since the last full exchange. */
export function sendKeepalives(ip: Ip, ip6: Ip6, pool: PacketPool, s: IpfwState): void {
  if ((s.state & ACK_FWD) === 0 && s.ackFwd !== 0) send(ip, ip6, pool, s, true, s.ackFwd - 1, s.ackRev);
  if ((s.state & ACK_REV) === 0 && s.ackRev !== 0) send(ip, ip6, pool, s, false, s.ackRev - 1, s.ackFwd);
}

/** `toFirst`: to the side that began the connection. */
function send(ip: Ip, ip6: Ip6, pool: PacketPool, s: IpfwState, toFirst: boolean, seq: number, ack: number): void {
  const hdr = s.is6 ? IP6_HDR_LEN : IP4_HDR_LEN;
  const m = pool.alloc(hdr + TCP_HDR_LEN);
  if (m === null) return;
  const v = m.view;
  const th = m.off + hdr;
  tcpEmit(v, th, toFirst ? s.dport : s.sport, toFirst ? s.sport : s.dport, seq >>> 0, ack >>> 0, TCP_HDR_LEN, TH_ACK, 0, 0);
  m.csumFlags = CSUM_L4;
  m.csumStart = th;
  m.csumOffset = TCP_SUM;
  m.fib = s.fib;
  m.flags |= M_SKIP_FIREWALL;
  const from = toFirst ? 4 : 0;
  const to = toFirst ? 0 : 4;
  if (s.is6) {
    ip6Emit(v, m.off, 0, 0, TCP_HDR_LEN, IPPROTO_TCP, ip6.tun.hlim);
    for (let i = 0; i < 4; i++) {
      v.setInt32(m.off + IP6_SRC + i * 4, s.words[from + i]!);
      v.setInt32(m.off + IP6_DST + i * 4, s.words[to + i]!);
    }
    v.setUint16(th + TCP_SUM, cksumFold(cksumPseudo6(v, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP, TCP_HDR_LEN)));
    ip6.output(m, 0, null);
    return;
  }
  const src = s.words[from]! >>> 0;
  const dst = s.words[to]! >>> 0;
  v.setUint16(th + TCP_SUM, cksumFold(cksumPseudo4(src, dst, IPPROTO_TCP, TCP_HDR_LEN)));
  ip4Emit(v, m.off, IP4_HDR_LEN, IPTOS_LOWDELAY, m.len, 0, IP_DF, ip.tun.ttl, IPPROTO_TCP, src, dst);
  ip.output(m, 0, null);
}
