/**
 * netflow-packet.ts — NetflowKey: what of a packet says which flow it belongs to, and how to find it.
 * Read first: ng_netflow(4); RFC 3954 §2 (Flow).
 *
 * A flow is what has the same version, FIB, addresses, protocol, ports, type of service and input interface. Ports are those of TCP and UDP, over IPv6 of
 * SCTP too, and 0 for fragments behind the first. One NetflowKey is filled again and again.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN, ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN } from '../../wire/ether.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP_OFFMASK, ip4Hl, ip4Len, ip4Off, ip4P, ip4Tos, ip4Version } from '../../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_PLEN, IP6_SRC, IPV6_VERSION, ip6ExtLen, ip6IsExt } from '../../wire/ip6.js';
import { IPPROTO_FRAGMENT, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TCP_FLAGS, TCP_HDR_LEN } from '../../wire/tcp.js';
import { UDP_HDR_LEN } from '../../wire/udp.js';
import { ngHeaderLen, ngPackets } from '../ng-offload.js';
import { NG_DLT_RAW } from '../ng-transport.js';

const SCTP_HDR_LEN = 12;
const DPORT = 2;
/** Of FreeBSD's little-endian hash. */
const HASH_MASK = 0xffff;

/** `read` answers. */
export const NETFLOW_IP4 = 4;
export const NETFLOW_IP6 = 6;
/** No IP packet. */
export const NETFLOW_OTHER = 0;
/** IP packets that cannot be told to belong to a flow. */
export const NETFLOW_BAD4 = -4;
export const NETFLOW_BAD6 = -6;

export class NetflowKey {
  version = 0;
  fib = 0;
  /** Words of the addresses; an IPv4 address is the last. */
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
  proto = 0;
  tos = 0;
  inputIf = 0;
  // What the packet adds to the flow.
  packets = 0;
  bytes = 0;
  tcpFlags = 0;

  /** Fills in everything but `fib` and `inputIf`. */
  read(m: PacketBuffer, dlt: number): number {
    const v = m.view;
    let at = m.off;
    const end = at + m.len;
    if (dlt === NG_DLT_RAW) return at + IP4_HDR_LEN > end ? NETFLOW_OTHER : ip4Version(v, at) === IPV6_VERSION ? this.readIp6(m, at) : this.readIp4(m, at);
    if (at + ETHER_HDR_LEN > end) return NETFLOW_OTHER;
    let type = v.getUint16(at + ETHER_TYPE);
    at += ETHER_HDR_LEN;
    if (type === ETHERTYPE_VLAN && at + ETHER_VLAN_ENCAP_LEN <= end) {
      type = v.getUint16(at + 2);
      at += ETHER_VLAN_ENCAP_LEN;
    }
    if (type === ETHERTYPE_IP && at + IP4_HDR_LEN <= end) return this.readIp4(m, at);
    return type === ETHERTYPE_IPV6 && at + IP6_HDR_LEN <= end ? this.readIp6(m, at) : NETFLOW_OTHER;
  }

  private readIp4(m: PacketBuffer, at: number): number {
    const v = m.view;
    const hlen = ip4Hl(v, at);
    if (ip4Version(v, at) !== 4 || hlen < IP4_HDR_LEN) return NETFLOW_BAD4;
    this.version = NETFLOW_IP4;
    this.s3 = v.getUint32(at + IP4_SRC);
    this.d3 = v.getUint32(at + IP4_DST);
    this.proto = ip4P(v, at);
    this.tos = ip4Tos(v, at);
    this.setCounts(m, at, ip4Len(v, at));
    this.setPorts(m, 0, 0);
    if ((ip4Off(v, at) & IP_OFFMASK) !== 0) return NETFLOW_IP4;
    const need = headerOf(this.proto);
    if (at + hlen + need > m.off + m.len) return NETFLOW_BAD4;
    if (this.proto === IPPROTO_TCP || this.proto === IPPROTO_UDP) this.setPorts(m, at + hlen, this.proto);
    return NETFLOW_IP4;
  }

  private readIp6(m: PacketBuffer, at: number): number {
    const v = m.view;
    const end = m.off + m.len;
    if (at + IP6_HDR_LEN > end || ip4Version(v, at) !== IPV6_VERSION) return NETFLOW_BAD6;
    this.version = NETFLOW_IP6;
    this.s0 = v.getUint32(at + IP6_SRC);
    this.s1 = v.getUint32(at + IP6_SRC + 4);
    this.s2 = v.getUint32(at + IP6_SRC + 8);
    this.s3 = v.getUint32(at + IP6_SRC + 12);
    this.d0 = v.getUint32(at + IP6_DST);
    this.d1 = v.getUint32(at + IP6_DST + 4);
    this.d2 = v.getUint32(at + IP6_DST + 8);
    this.d3 = v.getUint32(at + IP6_DST + 12);
    this.tos = 0;
    this.setCounts(m, at, v.getUint16(at + IP6_PLEN) + IP6_HDR_LEN);
    this.setPorts(m, 0, 0);
    let proto = v.getUint8(at + IP6_NXT);
    for (let h = at + IP6_HDR_LEN; ;) {
      if (!ip6IsExt(proto)) return this.upper6(m, h, proto);
      const len = ip6ExtLen(v, h, end, proto);
      if (len < 0) return NETFLOW_BAD6;
      const next = v.getUint8(h);
      if (proto === IPPROTO_FRAGMENT) {
        this.proto = next;
        return NETFLOW_IP6;
      }
      h += len;
      proto = next;
    }
  }

  private upper6(m: PacketBuffer, at: number, proto: number): number {
    this.proto = proto;
    if (at + headerOf(proto) > m.off + m.len) return NETFLOW_BAD6;
    if (proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_SCTP) this.setPorts(m, at, proto);
    return NETFLOW_IP6;
  }

  /** `proto` 0: no ports. */
  private setPorts(m: PacketBuffer, at: number, proto: number): void {
    this.sport = proto === 0 ? 0 : m.view.getUint16(at);
    this.dport = proto === 0 ? 0 : m.view.getUint16(at + DPORT);
    this.tcpFlags = proto === IPPROTO_TCP ? m.view.getUint8(at + TCP_FLAGS) : 0;
  }

  /** A super-segment counts as the packets that it becomes; `len` is what the IP header says. */
  private setCounts(m: PacketBuffer, at: number, len: number): void {
    this.packets = ngPackets(m);
    this.bytes = m.gsoSize === 0 ? len : m.off + m.len - at + (this.packets - 1) * (m.off + ngHeaderLen(m) - at);
  }

  /** A bucket's number: FreeBSD's, so that flows leave in its order. */
  get hash(): number {
    const addrs = fold(swap32(this.s3)) ^ swap16(fold(swap32(this.d3)));
    if (this.proto !== IPPROTO_TCP && this.proto !== IPPROTO_UDP) return addrs & HASH_MASK;
    return (addrs ^ swap16(this.sport) ^ this.dport) & HASH_MASK;
  }
}

function headerOf(proto: number): number {
  return proto === IPPROTO_TCP ? TCP_HDR_LEN : proto === IPPROTO_UDP ? UDP_HDR_LEN : proto === IPPROTO_SCTP ? SCTP_HDR_LEN : 0;
}

const fold = (n: number): number => (n ^ (n >>> 16)) & HASH_MASK;
const swap16 = (n: number): number => ((n & 0xff) << 8) | ((n >>> 8) & 0xff);
const swap32 = (n: number): number => ((n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0;
