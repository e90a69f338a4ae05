/**
 * gateway-unreach.ts — what a guest is told when the host cannot go where it wants to go.
 * Read first: RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1; RFC 4443 §3.1; inet/icmp-error.ts.
 *
 * The host's error is said as the router that is nearest to the fault would have said it. What was sent may be long gone by then: a flow that keeps no
 * packet makes up the header that the error quotes, which is enough for its sender to find the socket.
 */
import { EACCES, ECONNREFUSED, ENETDOWN, ENETUNREACH, EPERM } from '../base/errno.js';
import type { Errno } from '../base/errno.js';
import type { Ip } from '../inet/ip.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip6PutWords } from '../wire/addr6.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_NOPORT, ICMP6_DST_UNREACH_NOROUTE,
} from '../wire/icmp6.js';
import { ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB, ICMP_UNREACH_HOST, ICMP_UNREACH_NET, ICMP_UNREACH_PORT } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Emit } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import type { TcpEnds } from '../tcp/tcp-ends.js';

/** Bytes of the quoted protocol's header. */
const QUOTED = 8;
const TTL = 64;

function code4(error: Errno): number {
  switch (error) {
    case ECONNREFUSED:
      return ICMP_UNREACH_PORT;
    case EACCES:
    case EPERM:
      return ICMP_UNREACH_FILTER_PROHIB;
    case ENETUNREACH:
    case ENETDOWN:
      return ICMP_UNREACH_NET;
    default:
      return ICMP_UNREACH_HOST;
  }
}

function code6(error: Errno): number {
  switch (error) {
    case ECONNREFUSED:
      return ICMP6_DST_UNREACH_NOPORT;
    case EACCES:
    case EPERM:
      return ICMP6_DST_UNREACH_ADMIN;
    case ENETUNREACH:
    case ENETDOWN:
      return ICMP6_DST_UNREACH_NOROUTE;
    default:
      return ICMP6_DST_UNREACH_ADDR;
  }
}

export class GatewayUnreach {
  private readonly ip: Ip;
  private readonly ip6: Ip6;

  constructor(ip: Ip, ip6: Ip6) {
    this.ip = ip;
    this.ip6 = ip6;
  }

  /** Tells the sender of `m`, whose `off` is at its IP header. Owns `m`. */
  tell(m: PacketBuffer, isV6: boolean, error: Errno): void {
    const ifp = this.ip.net.ifByIndex(m.rcvif);
    if (isV6) this.ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, code6(error), 0);
    else this.ip.icmpError(ifp, m, ICMP_UNREACH, code4(error), 0);
  }

  /** Tells the sender of what went from the foreign end of `e` to its local end, whose packet is gone. `fill` writes the first 8 bytes of protocol `proto`. */
  tellOf(e: TcpEnds, proto: number, error: Errno, fill: (view: DataView, at: number) => void): void {
    const m = this.ip.net.kern.engine.pool.alloc((e.isV6 ? IP6_HDR_LEN : IP4_HDR_LEN) + QUOTED);
    if (m === null) return;
    m.fib = e.fib;
    const v = m.view;
    if (e.isV6) {
      ip6Emit(v, m.off, 0, 0, QUOTED, proto, TTL);
      ip6PutWords(v, m.off + IP6_SRC, e.f0, e.f1, e.f2, e.f3);
      ip6PutWords(v, m.off + IP6_DST, e.l0, e.l1, e.l2, e.l3);
    } else ip4Emit(v, m.off, IP4_HDR_LEN, 0, m.len, 0, 0, TTL, proto, e.faddr, e.laddr);
    fill(v, m.off + m.len - QUOTED);
    this.tell(m, e.isV6, error);
  }
}
