/**
 * forward-frame-out.ts — the short path's way out: interface, its bridge's member, its parent, port; and the frame made ready for it.
 * Read first: forward-frame.ts.
 *
 * `outWays` and `outThrough` find out whether the frame can leave at all, and change nothing; `sendFrame` and `sendPacket` then rewrite it and count it. A frame's start moves by the tags that
 * it loses less the one it gets; what was before it must not be needed any more: the driver leaves FWD_HEADROOM bytes.
 *
 * Interfaces count a frame without the tag that vlans put on it, as the complete path does, which carries that tag beside the bytes.
 */
import { ETHER_HDR_LEN, ETHER_SHOST, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN } from '../wire/ether.js';
import {
  VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_HDR_LEN, VIRTIO_NET_HDR_LEN_AT,
} from '../wire/virtio-net.js';
import { FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT } from './fwd-counters.js';
import {
  FIF_CELL, FIF_FLAGS, FIF_MAC_HI, FIF_MAC_LO, FIF_PARENT, FIF_PORT, FIF_TAG, FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_SHIFT, FWD_IF_VLAN, FWD_IF_VNET_HDR,
} from './fwd-if.js';
import type { FwdView } from './fwd-tables.js';
import { fdbKey } from './fwd-tables.js';
import { FWD_PUNT_BLOCKED, FWD_PUNT_FLOOD, FWD_PUNT_OFFLOAD, FWD_PUNT_OUTPUT } from './fwd-verdict.js';

/** Bytes before a frame, its virtio-net header included, that must be writable. */
export const FWD_HEADROOM = 16;

/** Can the frame in hand leave by the interface at `rec` (which may be a vlan)? 0, or the punt. Sets where it would. */
export function outWays(v: FwdView, rec: number): number {
  const words = v.ifWords;
  v.outRec = rec;
  v.portRec = rec;
  v.outBridgeCell = 0;
  if ((words[rec + FIF_FLAGS]! & FWD_IF_VLAN) !== 0) v.portRec = v.ifAt[words[rec + FIF_PARENT]!]! << FWD_IF_SHIFT;
  const flags = words[v.portRec + FIF_FLAGS]!;
  if ((flags & FWD_IF_OUT) === 0 || words[v.portRec + FIF_PORT]! < 0) return FWD_PUNT_OUTPUT;
  // A vlan's parent in a bridge of its own: the tagged frame is that bridge's business.
  if (v.portRec !== rec && (flags & FWD_IF_MEMBER) !== 0) return FWD_PUNT_OUTPUT;
  return v.undone && (flags & FWD_IF_OFFLOAD) === 0 ? FWD_PUNT_OFFLOAD : 0;
}

/** The same for a packet routed to the neighbour `adjacency` through interface number `out`, which may be a bridge. */
export function outThrough(v: FwdView, out: number, adjacency: number): number {
  const words = v.ifWords;
  const rec = v.ifAt[out]! << FWD_IF_SHIFT;
  const flags = words[rec + FIF_FLAGS]!;
  if ((flags & FWD_IF_OUT) === 0 || (flags & FWD_IF_MEMBER) !== 0) return FWD_PUNT_OUTPUT;
  if ((flags & FWD_IF_BRIDGE) === 0) {
    const error = outWays(v, rec);
    v.srcRec = rec;
    return error;
  }
  const member = v.fdb.find(v.adjacencies[(adjacency << 1) + 1]!, fdbKey(v.adjacencies[adjacency << 1]!, 0), out);
  if (member === 0) return FWD_PUNT_FLOOD;
  const memberRec = v.ifAt[member]! << FWD_IF_SHIFT;
  if ((words[memberRec + FIF_FLAGS]! & FWD_IF_BRFWD) === 0) return FWD_PUNT_BLOCKED;
  const error = outWays(v, memberRec);
  v.srcRec = rec;
  v.outBridgeCell = words[rec + FIF_CELL]! << FWD_CELL_SHIFT;
  return error;
}

/** A bridged frame leaves by what `outWays` found; `body` are its bytes without the tags beside it. The port's number. */
export function sendFrame(v: FwdView, view: DataView, body: number): number {
  const gets = v.portRec === v.outRec ? 0 : 1;
  const shift = (v.strip - gets) * ETHER_VLAN_ENCAP_LEN;
  const from = v.frameAt;
  const to = from + shift;
  const header = hasHeader(v);
  if (header && shift <= 0) putHeader(v, view, to, shift);
  if (shift > 0) {
    view.setInt32(to + 8, view.getInt32(from + 8));
    view.setInt32(to + 4, view.getInt32(from + 4));
    view.setInt32(to, view.getInt32(from));
    if (header) putHeader(v, view, to, shift);
  } else if (shift < 0) {
    view.setInt32(to, view.getInt32(from));
    view.setInt32(to + 4, view.getInt32(from + 4));
    view.setInt32(to + 8, view.getInt32(from + 8));
  }
  if (gets !== 0) view.setInt32(to + ETHER_TYPE, v.ifWords[v.outRec + FIF_TAG]!);
  return leave(v, to, v.frameLen - shift, body);
}

/** A routed packet of `total` bytes leaves by what `outThrough` found, with a new link header. The port's number. */
export function sendPacket(v: FwdView, view: DataView, adjacency: number, type: number, total: number): number {
  const words = v.ifWords;
  const gets = v.portRec === v.outRec ? 0 : 1;
  const shift = (v.strip - gets) * ETHER_VLAN_ENCAP_LEN;
  const to = v.frameAt + shift;
  const src = v.srcRec;
  if (hasHeader(v)) putHeader(v, view, to, shift);
  view.setUint16(to, v.adjacencies[adjacency << 1]!);
  view.setInt32(to + 2, v.adjacencies[(adjacency << 1) + 1]!);
  view.setUint16(to + ETHER_SHOST, words[src + FIF_MAC_HI]!);
  view.setInt32(to + ETHER_SHOST + 2, words[src + FIF_MAC_LO]!);
  if (gets !== 0) view.setInt32(to + ETHER_TYPE, words[v.outRec + FIF_TAG]!);
  view.setUint16(to + ETHER_TYPE + gets * ETHER_VLAN_ENCAP_LEN, type);
  return leave(v, to, ETHER_HDR_LEN + gets * ETHER_VLAN_ENCAP_LEN + total, ETHER_HDR_LEN + total);
}

/** The frame of `len` bytes at `to` is ready: where it begins for its port, and who counts it. */
function leave(v: FwdView, to: number, len: number, body: number): number {
  const words = v.ifWords;
  const { portRec, counters } = v;
  const front = hasHeader(v) ? VIRTIO_NET_HDR_LEN : 0;
  v.at = to - front;
  v.len = len + front;
  countOut(counters, words[portRec + FIF_CELL]! << FWD_CELL_SHIFT, body);
  if (v.outRec !== portRec) countOut(counters, words[v.outRec + FIF_CELL]! << FWD_CELL_SHIFT, body);
  if (v.outBridgeCell !== 0) countOut(counters, v.outBridgeCell, body);
  return words[portRec + FIF_PORT]!;
}

const hasHeader = (v: FwdView): boolean => (v.ifWords[v.portRec + FIF_FLAGS]! & FWD_IF_VNET_HDR) !== 0;

function countOut(counters: Float64Array, cell: number, body: number): void {
  counters[cell + FC_OPACKETS]!++;
  counters[cell + FC_OBYTES]! += body;
}

/**
 * The header before the frame that begins at `to`, `shift` bytes later than it did: the one it came with, or an empty one. Old and new place overlap each other, and the
 * link addresses: before those are moved back, after they are moved on.
 */
function putHeader(v: FwdView, view: DataView, to: number, shift: number): void {
  const at = to - VIRTIO_NET_HDR_LEN;
  const from = v.hdrAt;
  if (!v.undone) {
    view.setInt32(at, 0);
    view.setInt32(at + 4, 0);
    view.setInt16(at + 8, 0);
    return;
  }
  if (shift === 0) return;
  const w0 = view.getInt32(from);
  const w1 = view.getInt32(from + 4);
  const w2 = view.getInt16(from + 8);
  view.setInt32(at, w0);
  view.setInt32(at + 4, w1);
  view.setInt16(at + 8, w2);
  view.setUint16(at + VIRTIO_NET_HDR_LEN_AT, Math.max(0, view.getUint16(at + VIRTIO_NET_HDR_LEN_AT, true) - shift), true);
  if ((view.getUint8(at + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) !== 0) {
    view.setUint16(at + VIRTIO_NET_CSUM_START, view.getUint16(at + VIRTIO_NET_CSUM_START, true) - shift, true);
  }
}
