/**
 * dhcp-frame.ts — a message of DHCP in an Ethernet frame: made, and found in one that was captured.
 * Read first: RFC 2131 §4.1; bpf(4), which is how a host without an address talks.
 */
import {
  ETHERTYPE_IP, ETHER_HDR_LEN, ETHER_TYPE, IP4_HDR_LEN, IPPROTO_UDP, UDP_HDR_LEN, inCksum4, ip4Check, ip4Dst, ip4Emit, ip4Hl, ip4IsFragment, ip4Len, ip4P, ip4Src, udpCheck, udpDport, udpEmit,
  udpSport, udpSum, udpSumOf, udpUlen,
} from '@netloom/core/wire';

const TTL = 64;
const MAC_LEN = 6;

export interface DhcpFrame {
  readonly dstMac: Uint8Array;
  readonly srcMac: Uint8Array;
  readonly src: number;
  readonly dst: number;
  readonly sport: number;
  readonly dport: number;
  readonly payload: Uint8Array;
}

export function dhcpFrame(f: DhcpFrame): Uint8Array {
  const ip = ETHER_HDR_LEN;
  const udp = ip + IP4_HDR_LEN;
  const ulen = UDP_HDR_LEN + f.payload.length;
  const out = new Uint8Array(udp + ulen);
  const view = new DataView(out.buffer);
  out.set(f.dstMac);
  out.set(f.srcMac, MAC_LEN);
  view.setUint16(ETHER_TYPE, ETHERTYPE_IP);
  ip4Emit(view, ip, IP4_HDR_LEN, 0, IP4_HDR_LEN + ulen, 0, 0, TTL, IPPROTO_UDP, f.src, f.dst);
  udpEmit(view, udp, f.sport, f.dport, ulen, 0);
  out.set(f.payload, udp + UDP_HDR_LEN);
  udpEmit(view, udp, f.sport, f.dport, ulen, udpSumOf(inCksum4(view, udp, ulen, f.src, f.dst, IPPROTO_UDP)));
  return out;
}

/** The datagram for `dport` that a captured frame holds, or null. Its payload is a part of `frame`. Checksums must be right. */
export function dhcpFrameOf(frame: Uint8Array, dport: number): DhcpFrame | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const ip = ETHER_HDR_LEN;
  if (frame.length < ip + IP4_HDR_LEN || view.getUint16(ETHER_TYPE) !== ETHERTYPE_IP) return null;
  if (ip4Check(view, ip, frame.length - ip) !== 0 || ip4P(view, ip) !== IPPROTO_UDP || ip4IsFragment(view, ip)) return null;
  const udp = ip + ip4Hl(view, ip);
  if (udpCheck(view, udp, ip4Len(view, ip) - ip4Hl(view, ip)) !== 0 || udpDport(view, udp) !== dport) return null;
  const ulen = udpUlen(view, udp);
  if (udpSum(view, udp) !== 0 && inCksum4(view, udp, ulen, ip4Src(view, ip), ip4Dst(view, ip), IPPROTO_UDP) !== 0) return null;
  return {
    dstMac: frame.subarray(0, MAC_LEN), srcMac: frame.subarray(MAC_LEN, 2 * MAC_LEN), src: ip4Src(view, ip), dst: ip4Dst(view, ip), sport: udpSport(view, udp), dport,
    payload: frame.subarray(udp + UDP_HDR_LEN, udp + ulen),
  };
}
