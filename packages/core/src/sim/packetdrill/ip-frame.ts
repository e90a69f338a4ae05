/**
 * ip-frame.ts — Ethernet frames around IP packets of either family: what the test's end of the link sends, and what it reads.
 *
 * `emitIp` makes a whole frame with right checksums from a transport header whose checksum field is still 0. `readIp` finds the transport
 * part of a frame; what is no IP, or is a fragment, is null.
 */
import { macHi, macLo } from '../../wire/addr.js';
import { cksumAdd, cksumFinish, cksumPseudo4, cksumPseudo6 } from '../../wire/checksum.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, etherEmit, etherType } from '../../wire/ether.js';
import { ICMP4_CKSUM } from '../../wire/icmp4.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IPDEFTTL, ip4Check, ip4Emit, ip4Hl, ip4IsFragment, ip4Len, ip4P, ip4Tos, ip4Ttl } from '../../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Check, ip6Class, ip6Emit, ip6Flow, ip6Hlim, ip6Nxt, ip6Plen } from '../../wire/ip6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TCP_SUM } from '../../wire/tcp.js';
import { UDP_SUM } from '../../wire/udp.js';
import type { IpBytes } from './peer-address.js';
import { ipNumber } from './peer-address.js';

export interface LinkEnds {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
}

export interface IpHead {
  readonly src: IpBytes;
  readonly dst: IpBytes;
  readonly proto: number;
  readonly tos: number;
  readonly ttl: number;
  readonly flowLabel: number;
}

/** An IP packet that was read. */
export interface IpPacket extends IpHead {
  /** The transport header and what is behind it. */
  readonly payload: Uint8Array;
  /** The transport checksum is right. */
  readonly sumOk: boolean;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const SUM_OFFSET: ReadonlyMap<number, number> = new Map([
  [IPPROTO_TCP, TCP_SUM],
  [IPPROTO_UDP, UDP_SUM],
  [IPPROTO_ICMP, ICMP4_CKSUM],
  [IPPROTO_ICMPV6, ICMP4_CKSUM],
]);

function ipHeader(h: IpHead, payloadBytes: number): Uint8Array {
  const ipv6 = h.src.length === 16;
  const out = new Uint8Array(ipv6 ? IP6_HDR_LEN : IP4_HDR_LEN);
  const ttl = h.ttl === 0 ? IPDEFTTL : h.ttl;
  if (!ipv6) {
    ip4Emit(viewOf(out), 0, IP4_HDR_LEN, h.tos, IP4_HDR_LEN + payloadBytes, 1, 0, ttl, h.proto, ipNumber(h.src), ipNumber(h.dst));
    return out;
  }
  ip6Emit(viewOf(out), 0, h.tos, h.flowLabel, payloadBytes, h.proto, ttl);
  out.set(h.src, IP6_SRC);
  out.set(h.dst, IP6_DST);
  return out;
}

/** The Internet checksum over `payload`, with the pseudo-header where the protocol has one. */
function transportSum(ip: DataView, h: IpHead, payload: Uint8Array): number {
  let sum = 0;
  if (h.src.length === 16) sum = cksumPseudo6(ip, IP6_SRC, IP6_DST, h.proto, payload.length);
  else if (h.proto !== IPPROTO_ICMP) sum = cksumPseudo4(ipNumber(h.src), ipNumber(h.dst), h.proto, payload.length);
  return cksumFinish(cksumAdd(viewOf(payload), 0, payload.length, sum));
}

/** An IP packet without a frame, its transport checksum filled in. */
export function emitIpPacket(h: IpHead, payload: Uint8Array): Uint8Array {
  const header = ipHeader(h, payload.length);
  const out = new Uint8Array(header.length + payload.length);
  out.set(header);
  out.set(payload, header.length);
  const sumAt = SUM_OFFSET.get(h.proto);
  if (sumAt !== undefined) {
    const sum = transportSum(viewOf(header), h, payload);
    viewOf(out).setUint16(header.length + sumAt, h.proto === IPPROTO_UDP && sum === 0 ? 0xffff : sum);
  }
  return out;
}

/** A frame around `emitIpPacket`. */
export function emitIp(link: LinkEnds, h: IpHead, payload: Uint8Array): Uint8Array {
  const packet = emitIpPacket(h, payload);
  const out = new Uint8Array(ETHER_HDR_LEN + packet.length);
  etherEmit(viewOf(out), 0, macHi(link.dst), macLo(link.dst), macHi(link.src), macLo(link.src), h.src.length === 16 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
  out.set(packet, ETHER_HDR_LEN);
  return out;
}

/** The IP packet in a frame. */
export function readIp(frame: Uint8Array): IpPacket | null {
  const view = viewOf(frame);
  const at = ETHER_HDR_LEN;
  const type = frame.length < at ? 0 : etherType(view, 0);
  let head: IpHead;
  let payload: Uint8Array;
  if (type === ETHERTYPE_IP && ip4Check(view, at, frame.length - at) === 0 && !ip4IsFragment(view, at)) {
    head = { src: frame.slice(at + IP4_SRC, at + IP4_SRC + 4), dst: frame.slice(at + IP4_DST, at + IP4_DST + 4), proto: ip4P(view, at), tos: ip4Tos(view, at), ttl: ip4Ttl(view, at), flowLabel: 0 };
    payload = frame.subarray(at + ip4Hl(view, at), at + ip4Len(view, at));
  } else if (type === ETHERTYPE_IPV6 && ip6Check(view, at, frame.length - at) === 0) {
    head = {
      src: frame.slice(at + IP6_SRC, at + IP6_SRC + 16), dst: frame.slice(at + IP6_DST, at + IP6_DST + 16), proto: ip6Nxt(view, at), tos: ip6Class(view, at),
      ttl: ip6Hlim(view, at), flowLabel: ip6Flow(view, at),
    };
    payload = frame.subarray(at + IP6_HDR_LEN, at + IP6_HDR_LEN + ip6Plen(view, at));
  } else {
    return null;
  }
  return { ...head, payload, sumOk: transportSum(pseudoView(head), head, payload) === 0 };
}

/** The addresses where a pseudo-header looks for them. */
function pseudoView(head: IpHead): DataView {
  return viewOf(ipHeader(head, 0));
}
