/**
 * forward-frame-out.ts — the short path's way out: interface, its bridge's member, its parent, port; and the frame made ready for it.
 * Read first: forward-frame.ts.
 *
 * `outWays` and `outThrough` find out whether the frame can leave at all, and change nothing; `sendFrame` and `sendPacket` then rewrite it and count it. Most packets come untagged and leave by
 * a plain port: `outStraight` and `sendStraight` do for them what the others do, and ask for nothing that cannot be. A frame's start moves by the tags that
 * it loses less the one it gets; what was before it must not be needed any more: the driver leaves FWD_HEADROOM bytes.
 *
 * Interfaces count a frame without the tag that vlans put on it, as the complete path does, which carries that tag beside the bytes.
 */
import * as ether from '../wire/ether.js';
import * as virtio from '../wire/virtio-net.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as fwdTables from './fwd-tables.js';
import type { FwdView } from './fwd-tables.js';
import { FWD_PUNT_BLOCKED, FWD_PUNT_FLOOD, FWD_PUNT_OFFLOAD, FWD_PUNT_OUTPUT } from './fwd-verdict.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN } = ether;
const { VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_HDR_LEN, VIRTIO_NET_HDR_LEN_AT } = virtio;
const { FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT } = fwdCounts;
const {
  FIF_CELL, FIF_FLAGS, FIF_MAC_HI, FIF_MAC_LO, FIF_PARENT, FIF_PORT, FIF_TAG, FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_SHIFT,
  FWD_IF_VLAN, FWD_IF_VNET_HDR,
} = fwdIf;
const { fdbKey } = fwdTables;

/** Bytes before a frame, its virtio-net header included, that must be writable. */
export const FWD_HEADROOM = 16;

/** Of these flags a plain port has FWD_IF_OUT alone. What came neither tagged nor through a bridge leaves by such a port without moving. */
export const FWD_IF_WAYS = FWD_IF_OUT | FWD_IF_MEMBER | FWD_IF_BRIDGE | FWD_IF_VLAN;

/** Can the frame in hand leave by the interface at `rec`, with these flags, which may be a vlan? 0, or the punt. Sets where it would. */
export function outWays(v: FwdView, rec: number, flags: number): number {
  if ((flags & FWD_IF_VLAN) !== 0) return outTagged(v, rec);
  v.outRec = rec;
  v.portRec = rec;
  v.outBridgeCell = 0;
  if ((flags & FWD_IF_OUT) === 0 || v.ifWords[rec + FIF_PORT]! < 0) return FWD_PUNT_OUTPUT;
  return v.undone !== 0 && (flags & FWD_IF_OFFLOAD) === 0 ? FWD_PUNT_OFFLOAD : 0;
}

/** By the vlan at `rec`, and so by its parent. */
function outTagged(v: FwdView, rec: number): number {
  const words = v.ifWords;
  const parent = v.ifAt[words[rec + FIF_PARENT]!]! << FWD_IF_SHIFT;
  const flags = words[parent + FIF_FLAGS]!;
  // A parent in a bridge of its own: the tagged frame is that bridge's business. Nor does a vlan stand on a vlan here.
  if ((flags & (FWD_IF_MEMBER | FWD_IF_VLAN)) !== 0) return FWD_PUNT_OUTPUT;
  const error = outWays(v, parent, flags);
  v.outRec = rec;
  return error;
}

/** The same for a packet whose start stays where it is, by the port whose record is at `rec` (`sendStraight`). */
export function outStraight(v: FwdView, rec: number, flags: number): number {
  if (v.ifWords[rec + FIF_PORT]! < 0) return FWD_PUNT_OUTPUT;
  return v.undone !== 0 && (flags & FWD_IF_OFFLOAD) === 0 ? FWD_PUNT_OFFLOAD : 0;
}

/** The same for a packet routed to the neighbour `adjacency` through interface number `out`, which may be a bridge. */
export function outThrough(v: FwdView, out: number, adjacency: number): number {
  const rec = v.ifAt[out]! << FWD_IF_SHIFT;
  const flags = v.ifWords[rec + FIF_FLAGS]!;
  v.srcRec = rec;
  if ((flags & FWD_IF_OUT) === 0 || (flags & FWD_IF_MEMBER) !== 0) return FWD_PUNT_OUTPUT;
  return (flags & FWD_IF_BRIDGE) === 0 ? outWays(v, rec, flags) : outBridge(v, rec, out, adjacency);
}

/** Through the bridge `out`, whose record is at `rec`: by the member behind which its table has the neighbour. */
function outBridge(v: FwdView, rec: number, out: number, adjacency: number): number {
  const words = v.ifWords;
  const member = v.fdb.find(v.adjacencies[(adjacency << 1) + 1]!, fdbKey(v.adjacencies[adjacency << 1]!, 0), out);
  if (member === 0) return FWD_PUNT_FLOOD;
  const memberRec = v.ifAt[member]! << FWD_IF_SHIFT;
  const flags = words[memberRec + FIF_FLAGS]!;
  if ((flags & FWD_IF_BRFWD) === 0) return FWD_PUNT_BLOCKED;
  const error = outWays(v, memberRec, flags);
  v.outBridgeCell = words[rec + FIF_CELL]! << FWD_CELL_SHIFT;
  return error;
}

/** A bridged frame leaves by what `outWays` found; `body` are its bytes without the tags beside it. The port's number. */
export function sendFrame(v: FwdView, view: DataView, body: number): number {
  const shift = v.outRec === v.portRec ? v.strip * ETHER_VLAN_ENCAP_LEN : (v.strip - 1) * ETHER_VLAN_ENCAP_LEN;
  const header = hasHeader(v);
  if (header && shift <= 0) putHeader(v, view, shift);
  if (shift !== 0) moveAddresses(view, v.frameAt, shift);
  if (header && shift > 0) putHeader(v, view, shift);
  if (v.outRec !== v.portRec) view.setInt32(v.frameAt + shift + ETHER_TYPE, v.ifWords[v.outRec + FIF_TAG]!);
  return leave(v, shift, header, v.frameLen - shift, body);
}

/** A routed packet leaves by what `outThrough` found, with a new link header. The port's number. */
export function sendPacket(v: FwdView, view: DataView, adjacency: number, type: number): number {
  const words = v.ifWords;
  const gets = v.portRec === v.outRec ? 0 : ETHER_VLAN_ENCAP_LEN;
  const shift = v.strip * ETHER_VLAN_ENCAP_LEN - gets;
  const to = v.frameAt + shift;
  const header = hasHeader(v);
  if (header) putHeader(v, view, shift);
  putAddresses(v, view, to, v.srcRec, adjacency);
  if (gets !== 0) view.setInt32(to + ETHER_TYPE, words[v.outRec + FIF_TAG]!);
  view.setUint16(to + ETHER_TYPE + gets, type);
  const body = ETHER_HDR_LEN + v.total;
  return leave(v, shift, header, body + gets, body);
}

/** A routed packet leaves by the port whose record is `rec`, from where it lies. The port's number. */
export function sendStraight(v: FwdView, view: DataView, rec: number, adjacency: number): number {
  const words = v.ifWords;
  const at = v.frameAt;
  const body = ETHER_HDR_LEN + v.total;
  const front = (words[rec + FIF_FLAGS]! & FWD_IF_VNET_HDR) === 0 ? 0 : VIRTIO_NET_HDR_LEN;
  if (front !== 0) putHeader(v, view, 0);
  putAddresses(v, view, at, rec, adjacency);
  v.at = at - front;
  v.len = body + front;
  countOut(v.counters, words[rec + FIF_CELL]! << FWD_CELL_SHIFT, body);
  return words[rec + FIF_PORT]!;
}

/** From the interface at `rec` to the neighbour. */
function putAddresses(v: FwdView, view: DataView, at: number, rec: number, adjacency: number): void {
  const words = v.ifWords;
  const dstLo = v.adjacencies[(adjacency << 1) + 1]!;
  view.setInt32(at, (v.adjacencies[adjacency << 1]! << 16) | (dstLo >>> 16));
  view.setInt32(at + 4, (dstLo << 16) | words[rec + FIF_MAC_HI]!);
  view.setInt32(at + 8, words[rec + FIF_MAC_LO]!);
}

/** The frame of `len` bytes, which begins `shift` bytes later than it did, is ready: where it begins for its port, and who counts it. */
function leave(v: FwdView, shift: number, header: boolean, len: number, body: number): number {
  const words = v.ifWords;
  const { portRec, counters } = v;
  const front = header ? VIRTIO_NET_HDR_LEN : 0;
  v.at = v.frameAt + shift - front;
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

/** Link addresses move with the start of a frame that loses or gets a tag. */
function moveAddresses(view: DataView, from: number, shift: number): void {
  const w0 = view.getInt32(from);
  const w1 = view.getInt32(from + 4);
  const w2 = view.getInt32(from + 8);
  view.setInt32(from + shift, w0);
  view.setInt32(from + shift + 4, w1);
  view.setInt32(from + shift + 8, w2);
}

/**
 * The header before the frame that begins `shift` bytes later than it did: the one it came with, or an empty one. Old and new place overlap each other, and the
 * link addresses: before those are moved back, after they are moved on.
 */
function putHeader(v: FwdView, view: DataView, shift: number): void {
  const from = v.frameAt - VIRTIO_NET_HDR_LEN;
  const at = from + shift;
  if (v.undone === 0) {
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
