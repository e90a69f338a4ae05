/**
 * tcp6.ts — TCP over IPv6: a segment is checked and its connection found. The rest is tcp.ts's.
 * Read first: RFC 8200 §8.1; transport/in6-pcb-table.ts.
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED } from '../base/errno.js';
import type { Ip6Proto } from '../inet6/ip6.js';
import { CSUM_L4, CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { fwdPort, fwdTag, fwdWord } from '../net/fwd-tag.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_HDR_LEN, ICMP6_TIME_EXCEEDED } from '../wire/icmp6.js';
import { IP6_DST, IP6_SRC, ip6Class } from '../wire/ip6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { tcpDport, tcpSport } from '../wire/tcp.js';
import type { Tcp } from './tcp.js';

const ECN_MASK = 3;

export class Tcp6 implements Ip6Proto {
  private readonly tcp: Tcp;

  constructor(tcp: Tcp) {
    this.tcp = tcp;
  }

  /** Ip6Proto */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    if (!this.tcp.holds(ifp, m, off)) this.take(ifp, m, off);
  }

  /** A segment that does not wait, or not any more. Owns `m`. */
  take(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const { tcp } = this;
    const th = m.off + off;
    const len = m.len - off;
    if (!tcp.isWhole(m, th, len)) return;
    const v = m.view;
    const s = m.off + IP6_SRC;
    const d = m.off + IP6_DST;
    if ((m.csumFlags & (CSUM_L4 | CSUM_L4_VALID)) === 0 && inCksum6(v, th, len, s, d, IPPROTO_TCP) !== 0) {
      tcp.stats.rcvbadsum++;
      m.free();
      return;
    }
    const l0 = ip6W0Zoned(v, d, ifp.index);
    const isNobody = v.getInt32(s) === 0 && v.getInt32(s + 4) === 0 && v.getInt32(s + 8) === 0 && v.getInt32(s + 12) === 0;
    if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || l0 >>> 24 === 0xff || isNobody) {
      m.free();
      return;
    }
    m.rcvif = ifp.index;
    const { seg } = tcp;
    seg.fill(ifp, m, th, true, ip6Class(v, m.off) & ECN_MASK);
    const f0 = ip6W0Zoned(v, s, ifp.index);
    const fwd = m.tags === null ? null : fwdTag(m);
    if (fwd !== null && tcp.pcbs6.lookupConn(f0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), seg.sport, l0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), seg.dport) === null) {
      // A filter named a next hop, which is this host: whoever listens there.
      tcp.dispatch(
        tcp.pcbs6.lookup(
          f0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), seg.sport, fwdWord(fwd, 0), fwdWord(fwd, 1), fwdWord(fwd, 2), fwdWord(fwd, 3), fwdPort(fwd) || seg.dport,
        ),
        seg,
      );
      return;
    }
    tcp.dispatch(
      tcp.pcbs6.lookup(f0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), seg.sport, l0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), seg.dport),
      seg,
    );
  }

  /** Ip6Proto: an ICMPv6 error quoted a segment of ours. */
  ctlinput(ifp: Ifnet, error: Errno, m: PacketBuffer, at: number, off: number, mtu: number): void {
    const v = m.view;
    const th = at + off;
    const s = at + IP6_SRC;
    const d = at + IP6_DST;
    const ends = this.tcp.ends
      .setForeign6(ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), tcpDport(v, th))
      .setLocal6(ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), tcpSport(v, th));
    const inp = this.tcp.pcbs6.lookupConn(ends.f0, ends.f1, ends.f2, ends.f3, ends.fport, ends.l0, ends.l1, ends.l2, ends.l3, ends.lport);
    if (inp !== null) this.tcp.icmpError(inp, error, error === ECONNREFUSED || v.getUint8(at - ICMP6_HDR_LEN) === ICMP6_TIME_EXCEEDED, v.getInt32(th + 4), mtu);
    else if (error !== 0) this.tcp.syncache.unreach(ends, v.getInt32(th + 4));
  }
}
