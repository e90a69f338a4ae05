/**
 * forward-frame-ip.ts — the short path of a router: verdict, neighbour, new header.
 * Read first: forward-frame.ts, forward.ts, forward6.ts; inet/ip-input.ts and ip-forward.ts, which this must agree with.
 *
 * A segment that is still to be cut (virtio-net header) passes whole when its pieces fit the next link. Bytes behind the datagram are padding and go no further.
 */
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, ETHER_VLAN_ENCAP_LEN } from '../wire/ether.js';
import { IP4_DST, ip4Check, ip4DecTtl, ip4Len } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_HLIM, ip6Check, ip6Plen } from '../wire/ip6.js';
import { TCP_OFF } from '../wire/tcp.js';
import { UDP_HDR_LEN } from '../wire/udp.js';
import {
  VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_NONE, VIRTIO_NET_GSO_SIZE, VIRTIO_NET_GSO_TCPV4, VIRTIO_NET_GSO_TCPV6, VIRTIO_NET_GSO_TYPE, VIRTIO_NET_GSO_UDP_L4,
} from '../wire/virtio-net.js';
import { flowOf4, flowOf6 } from './flow-of.js';
import { FWD_DROP_BLACKHOLE, verdict4 } from './forward.js';
import { verdict6 } from './forward6.js';
import { outThrough, sendPacket } from './forward-frame-out.js';
import { FC_BLACKHOLE4, FC_BLACKHOLE6, FC_FORWARD4, FC_FORWARD6, FC_IBYTES, FC_IPACKETS } from './fwd-counters.js';
import { FIF_FLAGS, FIF_INDEX, FIF_SET, FWD_IF_FWD4, FWD_IF_FWD6 } from './fwd-if.js';
import type { FwdSet, FwdView } from './fwd-tables.js';
import { FWD_PUNT_HEADER, FWD_PUNT_HOST, FWD_PUNT_NONEIGH, FWD_PUNT_OFFLOAD } from './fwd-verdict.js';
import { NHOP_GATEWAY } from './nhop-table.js';

/** A packet to this host's link address on the interface at `rec`. */
export function routeFrame(v: FwdView, view: DataView, rec: number, isIp6: boolean): number {
  const words = v.ifWords;
  if ((words[rec + FIF_FLAGS]! & (isIp6 ? FWD_IF_FWD6 : FWD_IF_FWD4)) === 0) return FWD_PUNT_HOST;
  const set = v.sets[words[rec + FIF_SET]!] ?? null;
  if (set === null) return FWD_PUNT_HOST;
  const off = v.frameAt + ETHER_HDR_LEN + v.strip * ETHER_VLAN_ENCAP_LEN;
  const len = v.frameLen - (off - v.frameAt);
  return isIp6 ? route6(v, view, set, words[rec + FIF_INDEX]!, off, len) : route4(v, view, set, words[rec + FIF_INDEX]!, off, len);
}

function route4(v: FwdView, view: DataView, set: FwdSet, rcvIf: number, off: number, len: number): number {
  if (ip4Check(view, off, len) !== 0) return FWD_PUNT_HEADER;
  const total = ip4Len(view, off);
  const size = v.undone ? sizeOfPieces(v, view, off, total) : total;
  if (size < 0) return FWD_PUNT_OFFLOAD;
  const fwd = set.fwd4;
  const idx = verdict4(fwd, view, off, rcvIf, set.multipath ? flowOf4(view, off, total, set.flowSalt) : 0, size);
  if (idx < 0) return ended(v, idx, set.cell + FC_BLACKHOLE4);
  const { nhops } = fwd;
  const hop = (nhops.flags(idx) & NHOP_GATEWAY) !== 0 ? nhops.gateway(idx) | 0 : view.getInt32(off + IP4_DST);
  const out = nhops.ifIndex(idx);
  const adjacency = v.neigh4.find(out, hop, 0);
  if (adjacency === 0) return FWD_PUNT_NONEIGH;
  const error = outThrough(v, out, adjacency);
  if (error !== 0) return error;
  ip4DecTtl(view, off);
  countRouted(v, set.cell + FC_FORWARD4);
  return sendPacket(v, view, adjacency, ETHERTYPE_IP, total);
}

function route6(v: FwdView, view: DataView, set: FwdSet, rcvIf: number, off: number, len: number): number {
  if (ip6Check(view, off, len) !== 0) return FWD_PUNT_HEADER;
  const total = IP6_HDR_LEN + ip6Plen(view, off);
  const size = v.undone ? sizeOfPieces(v, view, off, total) : total;
  if (size < 0) return FWD_PUNT_OFFLOAD;
  const fwd = set.fwd6;
  const idx = verdict6(fwd, view, off, rcvIf, set.multipath ? flowOf6(view, off, total, set.flowSalt) : 0, size);
  if (idx < 0) return ended(v, idx, set.cell + FC_BLACKHOLE6);
  const { nhops } = fwd;
  const out = nhops.ifIndex(idx);
  const d = off + IP6_DST;
  const adjacency = (nhops.flags(idx) & NHOP_GATEWAY) !== 0
    ? v.neigh6.find5(out, nhops.gateway6(idx, 0), nhops.gateway6(idx, 1), nhops.gateway6(idx, 2), nhops.gateway6(idx, 3))
    : v.neigh6.find5(out, view.getInt32(d), view.getInt32(d + 4), view.getInt32(d + 8), view.getInt32(d + 12));
  if (adjacency === 0) return FWD_PUNT_NONEIGH;
  const error = outThrough(v, out, adjacency);
  if (error !== 0) return error;
  view.setUint8(off + IP6_HLIM, view.getUint8(off + IP6_HLIM) - 1);
  countRouted(v, set.cell + FC_FORWARD6);
  return sendPacket(v, view, adjacency, ETHERTYPE_IPV6, total);
}

/** It goes no further on this path; what ends at a blackhole has been received, and is counted so. */
function ended(v: FwdView, verdict: number, at: number): number {
  if (verdict === FWD_DROP_BLACKHOLE) countRouted(v, at);
  return verdict;
}

/** The packet was routed, and came through the bridge it was local to. */
function countRouted(v: FwdView, at: number): void {
  const c = v.counters;
  c[at]!++;
  if (v.bridgeCell === 0) return;
  c[v.bridgeCell + FC_IPACKETS]!++;
  c[v.bridgeCell + FC_IBYTES]! += v.frameLen - v.strip * ETHER_VLAN_ENCAP_LEN;
}

/** Bytes of the largest packet that a datagram of `total` bytes makes on the next link; -1: its virtio-net header says what this path does not understand. */
function sizeOfPieces(v: FwdView, view: DataView, off: number, total: number): number {
  const type = view.getUint8(v.hdrAt + VIRTIO_NET_GSO_TYPE);
  if (type === VIRTIO_NET_GSO_NONE) return total;
  if ((view.getUint8(v.hdrAt + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) === 0) return -1;
  const l4 = v.frameAt + view.getUint16(v.hdrAt + VIRTIO_NET_CSUM_START, true);
  const isTcp = type === VIRTIO_NET_GSO_TCPV4 || type === VIRTIO_NET_GSO_TCPV6;
  if ((!isTcp && type !== VIRTIO_NET_GSO_UDP_L4) || l4 <= off || l4 + UDP_HDR_LEN + (isTcp ? TCP_OFF : 0) > off + total) return -1;
  const hdr = isTcp ? (view.getUint8(l4 + TCP_OFF) >>> 4) << 2 : UDP_HDR_LEN;
  return l4 - off + hdr + view.getUint16(v.hdrAt + VIRTIO_NET_GSO_SIZE, true);
}

