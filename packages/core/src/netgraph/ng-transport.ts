/**
 * ng-transport.ts — NgTransport: where the transport header of a packet is, and its checksum: computed, or left for later.
 * Read first: net/offload.ts for what "left for later" means; ng_checksum(4), ng_patch(4) for the numbers.
 *
 * Nodes are told by the administrator whether what they get are Ethernet frames or IP packets (`dlt`), and which checksums are meant by FreeBSD's CSUM_ flags.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, EOPNOTSUPP } from '../base/errno.js';
import { CSUM_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, cksumPseudo6, inCksum4, inCksum6 } from '../wire/checksum.js';
import {
  ETHERTYPE_8021Q9100, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_QINQ, ETHERTYPE_VLAN, ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN,
} from '../wire/ether.js';
import { IP4_HDR_LEN, IPVERSION, ip4Dst, ip4Hl, ip4IsFragment, ip4Len, ip4P, ip4Src } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, IPV6_VERSION, ip6ExtLen, ip6IsExt, ip6Nxt, ip6Plen } from '../wire/ip6.js';
import { IPPROTO_FRAGMENT, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW_BSD } from '../wire/linktype.js';
import { TCP_HDR_LEN, TCP_SUM } from '../wire/tcp.js';
import { UDP_HDR_LEN, UDP_SUM } from '../wire/udp.js';

/** `dlt` */
export const NG_DLT_EN10MB = LINKTYPE_ETHERNET;
export const NG_DLT_RAW = LINKTYPE_RAW_BSD;

/** FreeBSD's checksum flags. */
export const NG_CSUM_IP = 0x1;
export const NG_CSUM_UDP = 0x2;
export const NG_CSUM_TCP = 0x4;
export const NG_CSUM_SCTP = 0x8;
export const NG_CSUM_UDP_IPV6 = 0x200;
export const NG_CSUM_TCP_IPV6 = 0x400;
export const NG_CSUM_SCTP_IPV6 = 0x800;
export const NG_CSUM_IPV4_MASK = NG_CSUM_IP | NG_CSUM_UDP | NG_CSUM_TCP;
export const NG_CSUM_IPV6_MASK = NG_CSUM_UDP_IPV6 | NG_CSUM_TCP_IPV6;

/** Offset in the slot of what is behind the Ethernet header and the tags in the bytes, or of the IP packet itself; -1: the frame ends before. */
export function ngPayload(m: PacketBuffer, dlt: number): number {
  if (dlt === NG_DLT_RAW) return m.off;
  let at = m.off + ETHER_HDR_LEN;
  const end = m.off + m.len;
  if (at > end) return -1;
  for (let type = m.view.getUint16(at - 2); isTagType(type); type = m.view.getUint16(at - 2)) {
    at += ETHER_VLAN_ENCAP_LEN;
    if (at > end) return -1;
  }
  return at;
}

function isTagType(type: number): boolean {
  return type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ || type === ETHERTYPE_8021Q9100;
}

/** One of these per node, filled for each packet. */
export class NgTransport {
  /** 4 or 6, and offsets in the slot: of the IP header, of the transport header, of the end of the IP packet. */
  version = 0;
  l3 = 0;
  l4 = 0;
  end = 0;
  proto = 0;
  /** What is at `l4` may be no header. */
  isFragment = false;

  /** Reads the headers of a packet. EOPNOTSUPP: it is not IP; EINVAL: it is shorter than it says. */
  find(m: PacketBuffer, dlt: number): Errno {
    const l3 = ngPayload(m, dlt);
    if (l3 < 0) return EINVAL;
    const end = m.off + m.len;
    if (l3 + 1 > end) return EINVAL;
    this.l3 = l3;
    this.version = m.view.getUint8(l3) >>> 4;
    const type = dlt === NG_DLT_RAW ? 0 : m.view.getUint16(l3 - 2);
    if (this.version === IPVERSION && (type === 0 || type === ETHERTYPE_IP)) return this.find4(m.view, end);
    if (this.version === IPV6_VERSION && (type === 0 || type === ETHERTYPE_IPV6)) return this.find6(m.view, end);
    return EOPNOTSUPP;
  }

  private find4(v: DataView, end: number): Errno {
    const { l3 } = this;
    if (l3 + IP4_HDR_LEN > end || ip4Hl(v, l3) < IP4_HDR_LEN || ip4Len(v, l3) < ip4Hl(v, l3) || l3 + ip4Len(v, l3) > end) return EINVAL;
    this.l4 = l3 + ip4Hl(v, l3);
    this.end = l3 + ip4Len(v, l3);
    this.proto = ip4P(v, l3);
    this.isFragment = ip4IsFragment(v, l3);
    return 0;
  }

  private find6(v: DataView, end: number): Errno {
    const { l3 } = this;
    if (l3 + IP6_HDR_LEN > end || l3 + IP6_HDR_LEN + ip6Plen(v, l3) > end) return EINVAL;
    this.end = l3 + IP6_HDR_LEN + ip6Plen(v, l3);
    this.isFragment = false;
    let at = l3 + IP6_HDR_LEN;
    let next = ip6Nxt(v, l3);
    while (ip6IsExt(next) && !this.isFragment) {
      const len = ip6ExtLen(v, at, this.end, next);
      if (len < 0) return EINVAL;
      if (next === IPPROTO_FRAGMENT) this.isFragment = true;
      next = v.getUint8(at);
      at += len;
    }
    this.l4 = at;
    this.proto = next;
    return 0;
  }

  /** The flag that stands for its transport checksum; 0: it has none, or not its whole header is there. */
  get csumFlag(): number {
    if (this.isFragment) return 0;
    if (this.proto === IPPROTO_TCP && this.l4 + TCP_HDR_LEN <= this.end) return this.version === IPVERSION ? NG_CSUM_TCP : NG_CSUM_TCP_IPV6;
    if (this.proto === IPPROTO_UDP && this.l4 + UDP_HDR_LEN <= this.end) return this.version === IPVERSION ? NG_CSUM_UDP : NG_CSUM_UDP_IPV6;
    return 0;
  }

  /** Leaves its checksum for later; a packet with something behind its end gets it now. There is a `csumFlag`. */
  leave(m: PacketBuffer): void {
    if (this.end < m.off + m.len) {
      this.finish(m);
      return;
    }
    const { l3, l4, end, proto } = this;
    const v = m.view;
    const pseudo = this.version === IPVERSION ? cksumPseudo4(ip4Src(v, l3), ip4Dst(v, l3), proto, end - l4) : cksumPseudo6(v, l3 + IP6_SRC, l3 + IP6_DST, proto, end - l4);
    m.csumStart = l4;
    m.csumOffset = this.sumOffset;
    v.setUint16(l4 + m.csumOffset, cksumFold(pseudo));
    m.csumFlags |= CSUM_L4;
  }

  /** Computes its checksum. There is a `csumFlag`. */
  finish(m: PacketBuffer): void {
    const { l3, l4, end, proto, sumOffset } = this;
    const v = m.view;
    v.setUint16(l4 + sumOffset, 0);
    const sum = this.version === IPVERSION ? inCksum4(v, l4, end - l4, ip4Src(v, l3), ip4Dst(v, l3), proto) : inCksum6(v, l4, end - l4, l3 + IP6_SRC, l3 + IP6_DST, proto);
    // To UDP zero means "none".
    v.setUint16(l4 + sumOffset, sum === 0 && proto === IPPROTO_UDP ? 0xffff : sum);
    m.csumFlags &= ~CSUM_L4;
    m.pool.work.checksums++;
  }

  private get sumOffset(): number {
    return this.proto === IPPROTO_TCP ? TCP_SUM : UDP_SUM;
  }
}
