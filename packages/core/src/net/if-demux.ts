/**
 * if-demux.ts — a packet that came without a link header goes to its protocol, by its version nibble.
 *
 * The input function of point-to-point interfaces (tun, gif), and what loopback uses.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import { IPVERSION } from '../wire/ip4.js';
import { IPV6_VERSION } from '../wire/ip6.js';
import type { Ifnet } from './ifnet.js';

/** Owns `m`, whose first byte is the network header's. Counted as `noproto` when nobody takes it. */
export function ifDemux(ifp: Ifnet, m: PacketBuffer): void {
  const net = ifp.net;
  if (net !== null && m.len > 0) {
    const version = m.buf[m.off]! >> 4;
    const input = version === IPVERSION ? net.ipInput : version === IPV6_VERSION ? net.etherProto(ETHERTYPE_IPV6) : null;
    if (input !== null) {
      input(ifp, m);
      return;
    }
  }
  ifp.data.noproto++;
  m.free();
}
