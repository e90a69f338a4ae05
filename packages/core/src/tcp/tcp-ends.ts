/**
 * tcp-ends.ts — TcpEnds `inc`: the two ends of a conversation that may have no pcb.
 * Read first: freebsd `sys/netinet/in_pcb.h`, struct in_conninfo.
 *
 * Both families are told alike, as four words for each end: an IPv4 address is its v4-mapped form. So what is hashed, compared and kept
 * here knows one kind of end, and `isV6` says which kind of packet there is. IPv6 addresses are in zoned form.
 * An TcpEnds is filled again and again; who wants to keep an end copies its words.
 * Not here: pcbs (transport/), which have their ends themselves.
 */
import type { SipHash } from '../base/siphash.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import type { InPcb } from '../transport/inpcb.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format, ip6OfWords, ip6Plain, ip6W0Zoned } from '../wire/addr6.js';
import { ip4Dst, ip4Src } from '../wire/ip4.js';
import { IP6_DST, IP6_SRC } from '../wire/ip6.js';

/** A segment that has arrived, as far as its ends go (tcp-segment.ts). */
interface Arrived {
  readonly m: PacketBuffer;
  readonly ifp: Ifnet;
  readonly isV6: boolean;
  readonly sport: number;
  readonly dport: number;
}

/** Words that `putEnds` and `putAddrs` write. */
export const ENDS_WORDS = 9;
export const ADDRS_WORDS = 8;
/** Word 2 of a v4-mapped address. */
const V4_MAPPED = 0xffff;

export class TcpEnds {
  isV6 = false;
  /** Routing table. */
  fib = 0;
  fport = 0;
  lport = 0;
  /** The peer and this end. */
  f0 = 0;
  f1 = 0;
  f2 = 0;
  f3 = 0;
  l0 = 0;
  l1 = 0;
  l2 = 0;
  l3 = 0;
  /** Time to live or hop limit, -1: the stack's; type of service or traffic class. */
  ttl = -1;
  tos = 0;

  /** IPv4 addresses of an `inc` that is not `isV6`, host order. */
  get faddr(): number {
    return this.f3 >>> 0;
  }

  get laddr(): number {
    return this.l3 >>> 0;
  }

  set4(faddr: number, fport: number, laddr: number, lport: number, fib = 0): this {
    this.isV6 = false;
    this.fib = fib;
    this.fport = fport;
    this.lport = lport;
    this.f0 = this.f1 = this.l0 = this.l1 = 0;
    this.f2 = this.l2 = V4_MAPPED;
    this.f3 = faddr | 0;
    this.l3 = laddr | 0;
    return this;
  }

  setForeign6(w0: number, w1: number, w2: number, w3: number, fport: number): this {
    this.isV6 = true;
    this.fport = fport;
    this.f0 = w0;
    this.f1 = w1;
    this.f2 = w2;
    this.f3 = w3;
    return this;
  }

  setLocal6(w0: number, w1: number, w2: number, w3: number, lport: number): this {
    this.isV6 = true;
    this.lport = lport;
    this.l0 = w0;
    this.l1 = w1;
    this.l2 = w2;
    this.l3 = w3;
    return this;
  }

  /** Those of whoever answers `seg`. */
  ofSegment(seg: Arrived): this {
    const v = seg.m.view;
    const at = seg.m.nhoff;
    if (!seg.isV6) return this.set4(ip4Src(v, at), seg.sport, ip4Dst(v, at), seg.dport, seg.m.fib);
    const s = at + IP6_SRC;
    const d = at + IP6_DST;
    this.fib = seg.m.fib;
    return this.setForeign6(ip6W0Zoned(v, s, seg.ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), seg.sport)
      .setLocal6(ip6W0Zoned(v, d, seg.ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), seg.dport);
  }

  /** Those of a connected pcb of IPv4. */
  ofPcb4(inp: InPcb): this {
    return this.set4(inp.faddr, inp.fport, inp.laddr, inp.lport, inp.fib);
  }

  ofPcb6(inp: In6Pcb): this {
    this.fib = inp.fib;
    return this.setForeign6(inp.f0, inp.f1, inp.f2, inp.f3, inp.fport).setLocal6(inp.l0, inp.l1, inp.l2, inp.l3, inp.lport);
  }

  /** Another one, for whoever keeps it. */
  copy(): TcpEnds {
    return Object.assign(new TcpEnds(), this);
  }

  /** Puts both addresses into the message of `h`; returns how many words it has then. */
  putAddrs(h: SipHash): number {
    const { msg } = h;
    msg[0] = this.f0;
    msg[1] = this.f1;
    msg[2] = this.f2;
    msg[3] = this.f3;
    msg[4] = this.l0;
    msg[5] = this.l1;
    msg[6] = this.l2;
    msg[7] = this.l3;
    return ADDRS_WORDS;
  }

  /** The same with the ports. */
  putEnds(h: SipHash): number {
    h.msg[this.putAddrs(h)] = (this.fport << 16) | this.lport;
    return ENDS_WORDS;
  }

  /** `TCP: [10.0.0.1]:5000 to [10.0.0.2]:80`, as log lines of FreeBSD's begin. */
  text(): string {
    return `TCP: [${this.addrText(this.f0, this.f1, this.f2, this.f3)}]:${this.fport} to [${this.addrText(this.l0, this.l1, this.l2, this.l3)}]:${this.lport}`;
  }

  private addrText(w0: number, w1: number, w2: number, w3: number): string {
    return this.isV6 ? ip6Format(ip6Plain(ip6OfWords(w0, w1, w2, w3))) : ip4Format(w3 >>> 0);
  }
}
