/**
 * ipfw-args.ts — IpfwArgs: a packet as the rules see it.
 * Read first: FreeBSD's sys/netpfil/ipfw/ip_fw2.c, ipfw_chk (its first part).
 *
 * Theory of operation. One object of the filter is filled for each packet (`fill`), with what instructions compare: addresses, ports, the place of
 * the transport header. Of a frame `off` is at the Ethernet header and `l3` behind it; of a packet both are the same. IPv6 extension headers
 * are walked to the upper layer. `ulp` is 0 where there is no transport header to look at: in later fragments, and of protocols that have
 * none that anybody asks for.
 * A packet whose headers are cut off, or that RFC 3128 warns of, is refused (`fill` answers ARGS_DENY).
 *
 * IPv4 addresses are signed words, of IPv6 there are four. Nothing here is changed but the fields of the object.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { Ifnet } from '../../net/ifnet.js';
import { PFIL_IN } from '../../net/pfil.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, ETHER_TYPE } from '../../wire/ether.js';
import { ICMP6_HDR_LEN } from '../../wire/icmp6.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP_OFFMASK, ip4Hl, ip4Len, ip4Off, ip4P, ip4Version } from '../../wire/ip4.js';
import { IP6EXT_NXT, IP6F_IDENT, IP6F_MORE_FRAG, IP6F_OFFLG, IP6F_OFF_MASK, IP6R_TYPE, IP6_DST, IP6_FRAG_HDR_LEN, IP6_HDR_LEN, IP6_NXT, IP6_SRC, IPV6_VERSION, ip6Plen } from '../../wire/ip6.js';
import {
  IPPROTO_AH, IPPROTO_CARP, IPPROTO_DSTOPTS, IPPROTO_ESP, IPPROTO_FRAGMENT, IPPROTO_GRE, IPPROTO_HOPOPTS, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IPV4, IPPROTO_IPV6, IPPROTO_NONE,
  IPPROTO_OSPF, IPPROTO_PFSYNC, IPPROTO_PIM, IPPROTO_ROUTING, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
} from '../../wire/ipproto.js';
import { TCP_HDR_LEN, tcpFlags } from '../../wire/tcp.js';
import { UDP_HDR_LEN } from '../../wire/udp.js';
import { EXT_AH, EXT_DSTOPTS, EXT_ESP, EXT_FRAGMENT, EXT_HOPOPTS, EXT_ROUTING, EXT_RTHDR0, EXT_RTHDR2 } from './ipfw-insn.js';

/** `fill`: let it be judged; it is not to pass. */
export const ARGS_OK = 0;
export const ARGS_DENY = 1;

/** Bytes that a transport header must have to be looked at. */
const SCTP_HDR_LEN = 12;
/** What other upper layers must have, as FreeBSD asks for. */
const ULP_MIN: ReadonlyMap<number, number> = new Map([
  [IPPROTO_ESP, 4], [IPPROTO_OSPF, 2], [IPPROTO_PIM, 4], [IPPROTO_GRE, 4], [IPPROTO_CARP, 8], [IPPROTO_IPV6, IP6_HDR_LEN], [IPPROTO_IPV4, IP4_HDR_LEN], [IPPROTO_PFSYNC, 4],
]);

export class IpfwArgs {
  m!: PacketBuffer;
  ifp!: Ifnet;
  /** PFIL_*, as the hook was told. */
  dir = 0;
  /** The packet is a frame. */
  ether = false;
  is4 = false;
  is6 = false;
  /** Offset in the slot of the network header, and behind it of the transport header; 0: none. */
  l3 = 0;
  ulp = 0;
  /** Bytes of IP header and extension headers; 0: no IP packet. */
  hlen = 0;
  proto = 0;
  src = 0;
  dst = 0;
  /** IPv6 addresses. */
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  d0 = 0;
  d1 = 0;
  d2 = 0;
  d3 = 0;
  sport = 0;
  dport = 0;
  /** TH_* of a TCP segment. */
  tcpFlags = 0;
  /** Not 0 in a later fragment: the offset, in units of the protocol. */
  offset = 0;
  /** IPv6: more fragments follow; the identification. */
  mf6 = false;
  fragId = 0;
  /** EXT_* that were met. */
  extHdr = 0;
  /** Bytes of the IP packet by its header, and of what is judged. */
  iplen = 0;
  pktlen = 0;
  /** FIB, as a rule may have changed it. */
  fib = 0;
  /** The mark, of `setmark`. */
  mark = 0;

  /** Reads the headers of `m`. `denyUnknown`: IPv6 extension headers nobody knows are refused. */
  fill(m: PacketBuffer, ifp: Ifnet, dir: number, ether: boolean, denyUnknown: boolean, singleFrag: boolean): number {
    this.m = m;
    this.ifp = ifp;
    this.dir = dir;
    this.ether = ether;
    this.is4 = false;
    this.is6 = false;
    this.l3 = m.off + (ether ? ETHER_HDR_LEN : 0);
    this.ulp = 0;
    this.hlen = 0;
    this.proto = 0;
    this.src = 0;
    this.dst = 0;
    this.sport = 0;
    this.dport = 0;
    this.tcpFlags = 0;
    this.offset = 0;
    this.mf6 = false;
    this.extHdr = 0;
    this.iplen = 0;
    this.pktlen = m.len;
    this.fib = m.fib;
    const len = m.off + m.len - this.l3;
    const etype = ether ? m.view.getUint16(m.off + ETHER_TYPE) : 0;
    if (len >= IP6_HDR_LEN && (!ether || etype === ETHERTYPE_IPV6) && ip4Version(m.view, this.l3) === IPV6_VERSION) return this.fill6(denyUnknown, singleFrag);
    if (len >= IP4_HDR_LEN && (!ether || etype === ETHERTYPE_IP) && ip4Version(m.view, this.l3) === 4) return this.fill4();
    return ARGS_OK;
  }

  /** Does it come in? */
  get isIn(): boolean {
    return (this.dir & PFIL_IN) !== 0;
  }

  private fill4(): number {
    const { m, l3 } = this;
    const v = m.view;
    this.is4 = true;
    this.hlen = ip4Hl(v, l3);
    this.proto = ip4P(v, l3);
    this.src = v.getInt32(l3 + IP4_SRC);
    this.dst = v.getInt32(l3 + IP4_DST);
    this.offset = ip4Off(v, l3) & IP_OFFMASK;
    this.iplen = ip4Len(v, l3);
    if (this.iplen < this.pktlen) this.pktlen = this.iplen;
    if (this.offset !== 0) return this.offset === 1 && this.proto === IPPROTO_TCP ? ARGS_DENY : ARGS_OK;
    if (this.proto === IPPROTO_ICMP) return this.upper(ICMP6_HDR_LEN);
    return this.hasPorts() ? this.ports() : ARGS_OK;
  }

  private fill6(denyUnknown: boolean, singleFrag: boolean): number {
    const { m, l3 } = this;
    const v = m.view;
    this.is6 = true;
    this.hlen = IP6_HDR_LEN;
    this.proto = v.getUint8(l3 + IP6_NXT);
    this.s0 = v.getInt32(l3 + IP6_SRC);
    this.s1 = v.getInt32(l3 + IP6_SRC + 4);
    this.s2 = v.getInt32(l3 + IP6_SRC + 8);
    this.s3 = v.getInt32(l3 + IP6_SRC + 12);
    this.d0 = v.getInt32(l3 + IP6_DST);
    this.d1 = v.getInt32(l3 + IP6_DST + 4);
    this.d2 = v.getInt32(l3 + IP6_DST + 8);
    this.d3 = v.getInt32(l3 + IP6_DST + 12);
    this.iplen = ip6Plen(v, l3) + IP6_HDR_LEN;
    if (this.iplen < this.pktlen) this.pktlen = this.iplen;
    while (this.ulp === 0 && this.offset === 0) {
      const isExt = this.proto === IPPROTO_HOPOPTS || this.proto === IPPROTO_ROUTING || this.proto === IPPROTO_FRAGMENT || this.proto === IPPROTO_DSTOPTS || this.proto === IPPROTO_AH;
      if (!isExt) return this.upper6(denyUnknown);
      if (!this.extension(denyUnknown, singleFrag)) return ARGS_DENY;
    }
    return ARGS_OK;
  }

  /** Steps over one extension header; false: the packet is not to pass. */
  private extension(denyUnknown: boolean, singleFrag: boolean): boolean {
    const v = this.m.view;
    const at = this.l3 + this.hlen;
    if (at + IP6_FRAG_HDR_LEN > this.m.off + this.m.len) return false;
    const { proto } = this;
    this.proto = v.getUint8(at + IP6EXT_NXT);
    if (proto === IPPROTO_FRAGMENT) {
      this.extHdr |= EXT_FRAGMENT;
      this.hlen += IP6_FRAG_HDR_LEN;
      this.offset = v.getUint16(at + IP6F_OFFLG) & IP6F_OFF_MASK;
      this.mf6 = (v.getUint16(at + IP6F_OFFLG) & IP6F_MORE_FRAG) !== 0;
      this.fragId = v.getUint32(at + IP6F_IDENT);
      return singleFrag || this.offset !== 0 || this.mf6 || !denyUnknown;
    }
    const units = v.getUint8(at + 1);
    this.hlen += proto === IPPROTO_AH ? (units + 2) << 2 : (units + 1) << 3;
    if (proto === IPPROTO_HOPOPTS) this.extHdr |= EXT_HOPOPTS;
    else if (proto === IPPROTO_DSTOPTS) this.extHdr |= EXT_DSTOPTS;
    else if (proto === IPPROTO_AH) this.extHdr |= EXT_AH;
    else {
      const type = v.getUint8(at + IP6R_TYPE);
      this.extHdr |= EXT_ROUTING | (type === 0 ? EXT_RTHDR0 : type === 2 ? EXT_RTHDR2 : 0);
      if (type !== 0 && type !== 2 && denyUnknown) return false;
    }
    return true;
  }

  private upper6(denyUnknown: boolean): number {
    const { proto } = this;
    if (proto === IPPROTO_NONE) {
      this.ulp = this.l3;
      return ARGS_OK;
    }
    if (proto === IPPROTO_ICMPV6) return this.upper(ICMP6_HDR_LEN);
    if (this.hasPorts()) return this.ports();
    if (proto === IPPROTO_ESP) this.extHdr |= EXT_ESP;
    const min = ULP_MIN.get(proto);
    return min === undefined && denyUnknown ? ARGS_DENY : this.upper(min ?? 2);
  }

  hasPorts(): boolean {
    const { proto } = this;
    return proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_SCTP || proto === IPPROTO_UDPLITE;
  }

  private ports(): number {
    const { proto } = this;
    const verdict = this.upper(proto === IPPROTO_TCP ? TCP_HDR_LEN : proto === IPPROTO_SCTP ? SCTP_HDR_LEN : UDP_HDR_LEN);
    if (verdict !== ARGS_OK) return verdict;
    const v = this.m.view;
    this.sport = v.getUint16(this.ulp);
    this.dport = v.getUint16(this.ulp + 2);
    if (proto === IPPROTO_TCP) this.tcpFlags = tcpFlags(v, this.ulp);
    return ARGS_OK;
  }

  /** The transport header has `min` bytes, or the packet is cut off. */
  private upper(min: number): number {
    const at = this.l3 + this.hlen;
    if (at + min > this.m.off + this.m.len) return ARGS_DENY;
    this.ulp = at;
    return ARGS_OK;
  }
}
