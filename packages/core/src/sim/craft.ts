/**
 * craft.ts — frames made by hand, for tests and packet scripts. Every function returns the bytes of a whole Ethernet frame.
 *
 * Addresses are texts, so that a test reads like a capture. Checksums are right unless a test breaks them afterwards.
 */
import { ip4Parse, macHi, macLo, macParse } from '../wire/addr.js';
import { arpEmit } from '../wire/arp.js';
import { inCksum4 } from '../wire/checksum.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHER_HDR_LEN, etherEmit } from '../wire/ether.js';
import { ICMP_ECHO, icmp4Emit } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Emit } from '../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, tcpEmit } from '../wire/tcp.js';
import { UDP_HDR_LEN, UDP_SUM, udpEmit } from '../wire/udp.js';

const mac = (text: string): Uint8Array => macParse(text) ?? fail(`not a MAC address: ${text}`);

/** The number of a dotted quad; throws for anything else. */
export const ip4 = (text: string): number => ip4Parse(text) ?? fail(`not an IPv4 address: ${text}`);

function fail(message: string): never {
  throw new Error(message);
}

/** Where a frame comes from and goes to on the link. */
export interface CraftLink {
  readonly src: string;
  readonly dst: string;
}

/** Fields of the IPv4 header a test may choose. */
export interface CraftIp {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Fragment offset and flags field, as it is in the header. */
  readonly off?: number;
  readonly proto?: number;
  /** Options, a multiple of four bytes. */
  readonly options?: Uint8Array;
}

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** An Ethernet frame around `payload`. */
export function craftEther(link: CraftLink, type: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(ETHER_HDR_LEN + payload.length);
  const d = mac(link.dst);
  const s = mac(link.src);
  etherEmit(new DataView(out.buffer), 0, macHi(d), macLo(d), macHi(s), macLo(s), type);
  out.set(payload, ETHER_HDR_LEN);
  return out;
}

/** An ARP request or reply (op 1 or 2). `link.dst` is BROADCAST for requests. */
export function craftArp(link: CraftLink, op: number, sha: string, spa: string, tha: string, tpa: string): Uint8Array {
  const body = new Uint8Array(28);
  const s = mac(sha);
  const t = mac(tha);
  arpEmit(new DataView(body.buffer), 0, op, macHi(s), macLo(s), ip4(spa), macHi(t), macLo(t), ip4(tpa));
  return craftEther(link, ETHERTYPE_ARP, body);
}

/** An IPv4 packet in a frame. */
export function craftIp(link: CraftLink, h: CraftIp, payload: Uint8Array): Uint8Array {
  const options = h.options ?? new Uint8Array(0);
  const hl = IP4_HDR_LEN + options.length;
  const out = new Uint8Array(hl + payload.length);
  out.set(options, IP4_HDR_LEN);
  out.set(payload, hl);
  ip4Emit(new DataView(out.buffer), 0, hl, h.tos ?? 0, out.length, h.id ?? 1, h.off ?? 0, h.ttl ?? 64, h.proto ?? IPPROTO_ICMP, ip4(h.src), ip4(h.dst));
  return craftEther(link, ETHERTYPE_IP, out);
}

/** An ICMP echo request with `bytes` of payload. */
export function craftEcho(link: CraftLink, h: CraftIp, id: number, seq: number, bytes = 56): Uint8Array {
  const out = new Uint8Array(8 + bytes);
  for (let i = 0; i < bytes; i++) out[8 + i] = i & 255;
  icmp4Emit(new DataView(out.buffer), 0, out.length, ICMP_ECHO, 0, ((id << 16) | seq) >>> 0);
  return craftIp(link, { ...h, proto: IPPROTO_ICMP }, out);
}

/** A UDP datagram. */
export function craftUdp(link: CraftLink, h: CraftIp, sport: number, dport: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(UDP_HDR_LEN + payload.length);
  const v = new DataView(out.buffer);
  udpEmit(v, 0, sport, dport, out.length, 0);
  out.set(payload, UDP_HDR_LEN);
  v.setUint16(UDP_SUM, inCksum4(v, 0, out.length, ip4(h.src), ip4(h.dst), IPPROTO_UDP) || 0xffff);
  return craftIp(link, { ...h, proto: IPPROTO_UDP }, out);
}

/** Fields of a TCP header a test may choose. */
export interface CraftTcp {
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  /** TH_* */
  readonly flags: number;
  readonly win?: number;
}

/** A TCP segment without options. */
export function craftTcp(link: CraftLink, h: CraftIp, t: CraftTcp, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const out = new Uint8Array(TCP_HDR_LEN + payload.length);
  const v = new DataView(out.buffer);
  tcpEmit(v, 0, t.sport, t.dport, t.seq ?? 1, t.ack ?? 0, TCP_HDR_LEN, t.flags, t.win ?? 65_535, 0);
  out.set(payload, TCP_HDR_LEN);
  v.setUint16(TCP_SUM, inCksum4(v, 0, out.length, ip4(h.src), ip4(h.dst), IPPROTO_TCP));
  return craftIp(link, { ...h, proto: IPPROTO_TCP }, out);
}
