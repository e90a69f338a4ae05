/**
 * alias-rewrite.ts — addresses and ports of a packet are replaced, and its checksums follow.
 * Read first: RFC 1624 (incremental update); mbuf/packet-buffer.ts "Offload state".
 *
 * Theory of operation. Nothing is summed over: a checksum field is updated by what changed, so a packet that was damaged before stays recognisably
 * damaged. Where the transport checksum is still pending (CSUM_L4) its field holds the pseudo header's sum: that follows the addresses and not
 * the ports, which the finishing sum will cover. A super-segment is a packet like any other here: only its headers are touched.
 * A UDP checksum of 0 means that there is none and stays; one that becomes 0 is sent as 0xffff.
 *
 * Addresses are signed numbers: V8 passes those without a box.
 */
import { CSUM_L4 } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { cksumFold, cksumUpdate16, cksumUpdate32 } from '../../wire/checksum.js';
import { IP4_SUM } from '../../wire/ip4.js';
import { IPPROTO_UDP } from '../../wire/ipproto.js';
import { TCP_SUM } from '../../wire/tcp.js';
import { UDP_SUM } from '../../wire/udp.js';

/** The address at `at` of the IP header at `l3` becomes `addr`; the header's checksum follows. */
export function putAddr(v: DataView, l3: number, at: number, addr: number): void {
  const was = v.getInt32(l3 + at);
  if (was === addr) return;
  v.setUint16(l3 + IP4_SUM, cksumUpdate32(v.getUint16(l3 + IP4_SUM), was, addr));
  v.setInt32(l3 + at, addr);
}

/** Is the transport checksum of the header at `l4` still to be computed? */
export function isSumPending(m: PacketBuffer, l4: number): boolean {
  return (m.csumFlags & CSUM_L4) !== 0 && m.csumStart === l4;
}

/** An end of a TCP or UDP packet becomes `addr`:`port`: the address at `l3 + addrAt`, the port at `l4 + portAt`. All checksums follow. */
export function putEnd(m: PacketBuffer, l3: number, l4: number, proto: number, addrAt: number, portAt: number, addr: number, port: number): void {
  const v = m.view;
  const wasAddr = v.getInt32(l3 + addrAt);
  const wasPort = v.getUint16(l4 + portAt);
  putAddr(v, l3, addrAt, addr);
  v.setUint16(l4 + portAt, port);
  const at = l4 + (proto === IPPROTO_UDP ? UDP_SUM : TCP_SUM);
  const sum = v.getUint16(at);
  if (isSumPending(m, l4)) {
    v.setUint16(at, cksumFold(sum + (~wasAddr & 0xffff) + (~(wasAddr >>> 16) & 0xffff) + (addr & 0xffff) + (addr >>> 16)));
    return;
  }
  if (proto === IPPROTO_UDP && sum === 0) return;
  const is = cksumUpdate16(cksumUpdate32(sum, wasAddr, addr), wasPort, port);
  v.setUint16(at, proto === IPPROTO_UDP && is === 0 ? 0xffff : is);
}

/** A 32-bit word of the TCP header at `l4` becomes `is`; the checksum follows. */
export function putTcpWord(m: PacketBuffer, l4: number, at: number, is: number): void {
  const v = m.view;
  const was = v.getInt32(l4 + at);
  v.setInt32(l4 + at, is);
  if (!isSumPending(m, l4)) v.setUint16(l4 + TCP_SUM, cksumUpdate32(v.getUint16(l4 + TCP_SUM), was, is));
}

/** A 16-bit word at `at` (even from the start of the summed range) becomes `is`; the checksum at `sumAt` follows. */
export function put16(v: DataView, at: number, is: number, sumAt: number): void {
  v.setUint16(sumAt, cksumUpdate16(v.getUint16(sumAt), v.getUint16(at), is));
  v.setUint16(at, is);
}

/** … a 32-bit word. */
export function put32(v: DataView, at: number, is: number, sumAt: number): void {
  v.setUint16(sumAt, cksumUpdate32(v.getUint16(sumAt), v.getInt32(at), is));
  v.setInt32(at, is);
}
