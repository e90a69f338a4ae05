/**
 * craft-offload.ts — packets with work left for later, for tests: a TCP segment larger than any link's, its checksum pending.
 * Read first: mbuf/packet-buffer.ts "Offload state"; craft.ts.
 */
import { CSUM_L4, GSO_TCPV4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer, PacketPool } from '../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4 } from '../wire/checksum.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { IP4_HDR_LEN, ip4Dst, ip4Src } from '../wire/ip4.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_SUM } from '../wire/tcp.js';
import { craftTcp } from './craft.js';
import type { CraftIp, CraftLink, CraftTcp } from './craft.js';

/** A TCP segment of `payload` bytes, to be cut into pieces of `mss` (0: not to be cut), its checksum pending. `bare`: without the Ethernet header. */
export function craftSuperTcp(pool: PacketPool, link: CraftLink, h: CraftIp, t: CraftTcp, payload: Uint8Array, mss: number, bare = false): PacketBuffer {
  const frame = craftTcp(link, h, t, payload);
  const m = pool.from(frame);
  if (m === null) throw new Error('no packet to be had');
  const l3 = m.off + ETHER_HDR_LEN;
  const l4 = l3 + IP4_HDR_LEN;
  m.view.setUint16(l4 + TCP_SUM, cksumFold(cksumPseudo4(ip4Src(m.view, l3), ip4Dst(m.view, l3), IPPROTO_TCP, frame.length - (l4 - m.off))));
  m.csumFlags = CSUM_L4;
  m.csumStart = l4;
  m.csumOffset = TCP_SUM;
  m.gsoType = mss > 0 ? GSO_TCPV4 : 0;
  m.gsoSize = mss;
  if (bare) m.adj(ETHER_HDR_LEN);
  return m;
}
