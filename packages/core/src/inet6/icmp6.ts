/**
 * icmp6.ts — class Icmp6: ICMPv6 in one vnet.
 * Read first: RFC 4443; icmp6(4); FreeBSD's netinet6/icmp6.c.
 *
 * Theory of operation. Input checks length and checksum and hands a message to whoever registered for its type: neighbour discovery, multicast
 * listener discovery. Echo requests are answered here. Raw sockets are shown everything.
 *
 * @rfc 4443 4.1 yes
 * @rfc 4443 4.2 yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_CKSUM, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_SRC, ip6CopyAddr } from '../wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { ICMP6_COUNTERS, Icmp6Stats } from './icmp6-var.js';
import { Ip6OutputOpts } from './ip6-output.js';
import type { Ip6, Ip6Errors, Ip6Proto } from './ip6.js';

/** Takes messages of one type. Owns `m`: `m.off` at the IPv6 header, `off` bytes from there to the message, which has its checksum verified. */
export type Icmp6Handler = (ifp: Ifnet, m: PacketBuffer, off: number) => void;

export class Icmp6 implements Ip6Proto, Ip6Errors {
  readonly ip6: Ip6;
  readonly stats = new Icmp6Stats();
  private readonly handlers = new Map<number, Icmp6Handler>();
  private readonly replyOpts = new Ip6OutputOpts();

  constructor(ip6: Ip6) {
    this.ip6 = ip6;
    ip6.net.kern.counters.attach(ICMP6_COUNTERS, this.stats);
    ip6.register(IPPROTO_ICMPV6, this);
    ip6.icmp6 = this;
  }

  destroy(): void {
    this.ip6.icmp6 = null;
    this.ip6.register(IPPROTO_ICMPV6, null);
    this.ip6.net.kern.counters.detach(this.stats);
  }

  /** Messages of `type` go to `handler` from now; null: to nobody. */
  handle(type: number, handler: Icmp6Handler | null): void {
    if (handler === null) this.handlers.delete(type);
    else this.handlers.set(type, handler);
  }

  /** Ip6Proto */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const at = m.off + off;
    const len = m.len - off;
    if (len < ICMP6_HDR_LEN) {
      this.stats.tooshort++;
      m.free();
      return;
    }
    if ((m.csumFlags & CSUM_L4_VALID) === 0 && inCksum6(m.view, at, len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_ICMPV6) !== 0) {
      this.stats.checksum++;
      m.free();
      return;
    }
    const type = m.view.getUint8(at);
    const handler = this.handlers.get(type);
    if (handler !== undefined) handler(ifp, m, off);
    else if (type === ICMP6_ECHO_REQUEST) this.echo(ifp, m, off);
    else if (this.ip6.raw === null || !this.ip6.raw.deliver(m, off, IPPROTO_ICMPV6)) m.free();
  }

  error(_ifp: Ifnet | null, m: PacketBuffer, _type: number, _code: number, _arg: number): void {
    this.stats.error++;
    m.free();
  }

  /** The request becomes the reply. Owns `m`. */
  private echo(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const v = m.view;
    if (off > IP6_HDR_LEN) {
      // Extension headers of the request are not repeated.
      for (let i = IP6_HDR_LEN - 1; i >= 0; i--) v.setUint8(m.off + off - IP6_HDR_LEN + i, v.getUint8(m.off + i));
      m.adj(off - IP6_HDR_LEN);
      v.setUint8(m.off + IP6_NXT, IPPROTO_ICMPV6);
    }
    const at = m.off + IP6_HDR_LEN;
    const s = m.off + IP6_SRC;
    const d = m.off + IP6_DST;
    v.setUint8(at, ICMP6_ECHO_REPLY);
    const own = this.ip6.in6Net.isLocal(ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
    if (own) {
      for (let i = 0; i < 16; i += 4) {
        const word = v.getInt32(s + i);
        v.setInt32(s + i, v.getInt32(d + i));
        v.setInt32(d + i, word);
      }
    } else {
      ip6CopyAddr(v, d, v, s);
      const ia = this.ip6.in6Net.linkLocalOf(ifp, 0x06);
      if (ia === null) {
        m.free();
        return;
      }
      v.setInt32(s, ia.k0 & ~0xffff);
      v.setInt32(s + 4, ia.k1);
      v.setInt32(s + 8, ia.k2);
      v.setInt32(s + 12, ia.k3);
    }
    this.stats.reflect++;
    v.setUint8(m.off + IP6_HLIM, this.ip6.in6Net.ifinfo(ifp)?.chlim ?? this.ip6.tun.hlim);
    v.setUint16(at + ICMP6_CKSUM, 0);
    v.setUint16(at + ICMP6_CKSUM, inCksum6(v, at, m.len - IP6_HDR_LEN, s, d, IPPROTO_ICMPV6));
    m.flags &= ~(M_BCAST | M_MCAST);
    m.rcvif = 0;
    m.csumFlags = 0;
    m.hops = 0;
    m.pcp = -1;
    this.replyOpts.ifp = v.getInt32(d) >>> 22 === 0x3fa ? ifp : null;
    this.ip6.output(m, 0, this.replyOpts);
    this.replyOpts.ifp = null;
  }
}
