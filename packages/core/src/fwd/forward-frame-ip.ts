/**
 * forward-frame-ip.ts — the short path of a router: verdict, neighbour, new header.
 * Read first: forward-frame.ts, forward.ts, forward6.ts; inet/ip-input.ts and ip-forward.ts, which this must agree with.
 *
 * A segment that is still to be cut (virtio-net header) passes whole when its pieces fit the next link. Bytes behind the datagram are padding and go no further.
 */
import * as ether from '../wire/ether.js';
import * as ip4 from '../wire/ip4.js';
import * as ip6 from '../wire/ip6.js';
import * as forwardOut from './forward-frame-out.js';
import * as forwardUndone from './forward-frame-undone.js';
import * as forward from './forward.js';
import * as forward6 from './forward6.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as nhop from './nhop-table.js';
import { ip4Check } from '../wire/ip4.js';
import { flowOf4, flowOf6 } from './flow-of.js';
import { FWD_DROP_BLACKHOLE, FWD_PUNT_OPTIONS } from './forward.js';
import type { FwdSet, FwdView } from './fwd-tables.js';
import { FWD_PUNT_HEADER, FWD_PUNT_HOST, FWD_PUNT_NONEIGH, FWD_PUNT_OFFLOAD } from './fwd-verdict.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_VLAN_ENCAP_LEN } = ether;
const { IP4_DST, ip4DecTtl, ip4PlainLen } = ip4;
const { IP6_DST, IP6_HDR_LEN, IP6_HLIM, ip6Check, ip6Plen } = ip6;
const { FWD_IF_WAYS, outStraight, outThrough, sendPacket, sendStraight } = forwardOut;
const { sizeOfPieces } = forwardUndone;
const { verdictPlain4 } = forward;
const { verdict6 } = forward6;
const { FC_BLACKHOLE4, FC_BLACKHOLE6, FC_FORWARD4, FC_FORWARD6, FC_IBYTES, FC_IPACKETS } = fwdCounts;
const { FIF_FLAGS, FIF_INDEX, FIF_SET, FWD_IF_FWD4, FWD_IF_FWD6, FWD_IF_OUT, FWD_IF_SHIFT } = fwdIf;
const { NHOP_GATEWAY } = nhop;

/** An IPv4 packet to this host's link address on the interface at `rec`; its header is at `off`. */
export function route4(v: FwdView, view: DataView, rec: number, off: number): number {
  const words = v.ifWords;
  const set = v.sets[words[rec + FIF_SET]!];
  if ((words[rec + FIF_FLAGS]! & FWD_IF_FWD4) === 0 || set === undefined || set === null) return FWD_PUNT_HOST;
  const idx = hopFor4(v, view, set, words[rec + FIF_INDEX]!, off);
  if (idx < 0) return ended(v, idx, set.cell + FC_BLACKHOLE4);
  const { nhops } = set.fwd4;
  const hop = (nhops.flags(idx) & NHOP_GATEWAY) !== 0 ? nhops.gateway(idx) | 0 : view.getInt32(off + IP4_DST);
  const out = nhops.ifIndex(idx);
  const adjacency = v.neigh4.find(out, hop, 0);
  if (adjacency === 0) return FWD_PUNT_NONEIGH;
  const outRec = v.ifAt[out]! << FWD_IF_SHIFT;
  const outFlags = words[outRec + FIF_FLAGS]!;
  const isStraight = (outFlags & FWD_IF_WAYS) === FWD_IF_OUT && (v.strip | v.bridgeCell) === 0;
  const error = isStraight ? outStraight(v, outRec, outFlags) : outThrough(v, out, adjacency);
  if (error !== 0) return error;
  ip4DecTtl(view, off);
  v.counters[set.cell + FC_FORWARD4]!++;
  if (v.bridgeCell !== 0) countBridged(v);
  return isStraight ? sendStraight(v, view, outRec, adjacency) : sendPacket(v, view, adjacency, ETHERTYPE_IP);
}

/** The next hop of an IPv4 packet, or the verdict. Sets how long the packet is. */
function hopFor4(v: FwdView, view: DataView, set: FwdSet, rcvIf: number, off: number): number {
  const len = v.frameAt + v.frameLen - off;
  const total = ip4PlainLen(view, off, len);
  if (total === 0) return ip4Check(view, off, len) !== 0 ? FWD_PUNT_HEADER : FWD_PUNT_OPTIONS;
  v.total = total;
  const size = v.undone !== 0 ? sizeOfPieces(view, v.frameAt, off, total) : total;
  if (size < 0) return FWD_PUNT_OFFLOAD;
  return verdictPlain4(set.fwd4, view, off, rcvIf, set.multipath !== 0 ? flowOf4(view, off, total, set.flowSalt) : 0, size);
}

/** An IPv6 packet likewise. */
export function route6(v: FwdView, view: DataView, rec: number, off: number): number {
  const words = v.ifWords;
  const set = v.sets[words[rec + FIF_SET]!];
  if ((words[rec + FIF_FLAGS]! & FWD_IF_FWD6) === 0 || set === undefined || set === null) return FWD_PUNT_HOST;
  const idx = hopFor6(v, view, set, words[rec + FIF_INDEX]!, off);
  if (idx < 0) return ended(v, idx, set.cell + FC_BLACKHOLE6);
  const { nhops } = set.fwd6;
  const out = nhops.ifIndex(idx);
  const d = off + IP6_DST;
  const adjacency = (nhops.flags(idx) & NHOP_GATEWAY) !== 0
    ? v.neigh6.find5(out, nhops.gateway6(idx, 0), nhops.gateway6(idx, 1), nhops.gateway6(idx, 2), nhops.gateway6(idx, 3))
    : v.neigh6.find5(out, view.getInt32(d), view.getInt32(d + 4), view.getInt32(d + 8), view.getInt32(d + 12));
  if (adjacency === 0) return FWD_PUNT_NONEIGH;
  const outRec = v.ifAt[out]! << FWD_IF_SHIFT;
  const outFlags = words[outRec + FIF_FLAGS]!;
  const isStraight = (outFlags & FWD_IF_WAYS) === FWD_IF_OUT && (v.strip | v.bridgeCell) === 0;
  const error = isStraight ? outStraight(v, outRec, outFlags) : outThrough(v, out, adjacency);
  if (error !== 0) return error;
  view.setUint8(off + IP6_HLIM, view.getUint8(off + IP6_HLIM) - 1);
  v.counters[set.cell + FC_FORWARD6]!++;
  if (v.bridgeCell !== 0) countBridged(v);
  return isStraight ? sendStraight(v, view, outRec, adjacency) : sendPacket(v, view, adjacency, ETHERTYPE_IPV6);
}

function hopFor6(v: FwdView, view: DataView, set: FwdSet, rcvIf: number, off: number): number {
  if (ip6Check(view, off, v.frameAt + v.frameLen - off) !== 0) return FWD_PUNT_HEADER;
  const total = IP6_HDR_LEN + ip6Plen(view, off);
  v.total = total;
  const size = v.undone !== 0 ? sizeOfPieces(view, v.frameAt, off, total) : total;
  if (size < 0) return FWD_PUNT_OFFLOAD;
  return verdict6(set.fwd6, view, off, rcvIf, set.multipath !== 0 ? flowOf6(view, off, total, set.flowSalt) : 0, size);
}

/** It goes no further on this path; what ends at a blackhole has been received, and is counted so. */
function ended(v: FwdView, verdict: number, at: number): number {
  if (verdict !== FWD_DROP_BLACKHOLE) return verdict;
  v.counters[at]!++;
  if (v.bridgeCell !== 0) countBridged(v);
  return verdict;
}

/** The packet came through the bridge it was local to. */
function countBridged(v: FwdView): void {
  const c = v.counters;
  c[v.bridgeCell + FC_IPACKETS]!++;
  c[v.bridgeCell + FC_IBYTES]! += v.frameLen - v.strip * ETHER_VLAN_ENCAP_LEN;
}
