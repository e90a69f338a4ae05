/**
 * flow-hash.ts — which of several links a frame takes: a hash over the headers that say which flow it belongs to.
 * Read first: lagg(4) "lagghash"; IEEE 802.1AX-2014 §6.2.4 (frames of a conversation must stay in order); FNV-1, 32 bits.
 *
 * Layer 2 is the two link addresses and the tag, layer 3 the two network addresses, layer 4 the ports of TCP, UDP and SCTP, or the flow
 * label of IPv6. A fragment has no ports that all fragments share, so of its layers 2 and 3 count: FreeBSD takes four bytes of the
 * payload for ports there, and may reorder the fragments of one datagram.
 * Reads only what is inside the packet, allocates nothing.
 */
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN, ETHER_ADDR_LEN, ETHER_HDR_LEN, ETHER_SHOST, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN } from '../../wire/ether.js';

export const LAGG_F_HASHL2 = 0x1;
export const LAGG_F_HASHL3 = 0x2;
export const LAGG_F_HASHL4 = 0x4;
export const LAGG_F_HASHMASK = 0x7;

const FNV_INIT = 33_554_467;
const FNV_PRIME = 0x01000193;

const IP4_HDR_LEN = 20;
const IP4_FRAG = 6;
/** More fragments, or an offset. */
const IP4_FRAG_MASK = 0x3fff;
const IP4_PROTO = 9;
const IP4_SRC = 12;
const IP4_ADDRS_LEN = 8;
const IP6_HDR_LEN = 40;
const IP6_FLOWLABEL_MASK = 0x000fffff;
const IP6_SRC = 8;
const IP6_ADDRS_LEN = 32;
const PORTS_LEN = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_SCTP = 132;

/** A salt from a random number. */
export function laggHashKey(random: number): number {
  let h = FNV_INIT;
  for (let i = 0; i < 4; i++) h = Math.imul(h, FNV_PRIME) ^ ((random >>> (8 * i)) & 0xff);
  return h >>> 0;
}

/** `len` bytes of the packet from `at` (an offset into the slot). */
function fnv(m: PacketBuffer, at: number, len: number, start: number): number {
  let h = start;
  for (let i = 0; i < len; i++) h = Math.imul(h, FNV_PRIME) ^ m.buf[at + i]!;
  return h;
}

function fnvWord(word: number, bytes: number, start: number): number {
  let h = start;
  for (let i = bytes - 1; i >= 0; i--) h = Math.imul(h, FNV_PRIME) ^ ((word >>> (8 * i)) & 0xff);
  return h;
}

/** The hash of frame `m` over the layers in `flags`, salted with `key`: 0..2^32-1. */
export function laggHash(m: PacketBuffer, flags: number, key: number): number {
  if (m.len < ETHER_HDR_LEN) return key;
  const end = m.off + m.len;
  let at = m.off + ETHER_HDR_LEN;
  let etype = m.view.getUint16(m.off + ETHER_TYPE);
  let h = key;
  const l2 = (flags & LAGG_F_HASHL2) !== 0;
  if (l2) h = fnv(m, m.off, ETHER_ADDR_LEN, fnv(m, m.off + ETHER_SHOST, ETHER_ADDR_LEN, h));
  if ((m.flags & M_VLANTAG) !== 0) {
    if (l2) h = fnvWord(m.vtag, 2, h);
  } else if (etype === ETHERTYPE_VLAN) {
    if (at + ETHER_VLAN_ENCAP_LEN > end) return h >>> 0;
    if (l2) h = fnv(m, at, 2, h);
    etype = m.view.getUint16(at + 2);
    at += ETHER_VLAN_ENCAP_LEN;
  }
  if (etype === ETHERTYPE_IP) h = hashIp4(m, at, end, flags, h);
  else if (etype === ETHERTYPE_IPV6) h = hashIp6(m, at, end, flags, h);
  return h >>> 0;
}

function hashIp4(m: PacketBuffer, at: number, end: number, flags: number, start: number): number {
  if (at + IP4_HDR_LEN > end) return start;
  let h = start;
  if ((flags & LAGG_F_HASHL3) !== 0) h = fnv(m, at + IP4_SRC, IP4_ADDRS_LEN, h);
  if ((flags & LAGG_F_HASHL4) === 0 || (m.view.getUint16(at + IP4_FRAG) & IP4_FRAG_MASK) !== 0) return h;
  const proto = m.buf[at + IP4_PROTO]!;
  if (proto !== IPPROTO_TCP && proto !== IPPROTO_UDP && proto !== IPPROTO_SCTP) return h;
  const hlen = (m.buf[at]! & 0x0f) << 2;
  const ports = at + hlen;
  return hlen < IP4_HDR_LEN || ports + PORTS_LEN > end ? h : fnv(m, ports, PORTS_LEN, h);
}

function hashIp6(m: PacketBuffer, at: number, end: number, flags: number, start: number): number {
  if (at + IP6_HDR_LEN > end) return start;
  let h = start;
  if ((flags & LAGG_F_HASHL3) !== 0) h = fnv(m, at + IP6_SRC, IP6_ADDRS_LEN, h);
  if ((flags & LAGG_F_HASHL4) !== 0) h = fnvWord(m.view.getUint32(at) & IP6_FLOWLABEL_MASK, 4, h);
  return h;
}
