/**
 * forward-frame.ts — the short path of a switch and router: a frame comes in on a port, and leaves by another, or is left to the complete path.
 * Read first: fwd-tables.ts (what it reads), fwd-verdict.ts (what it answers); docs/datapath.md.
 *
 * Theory of operation. `forwardFrame` looks at the bytes of a frame where the driver has put them and at flat tables, nothing else: the same code runs on datapath workers and,
 * when there are none, on the control thread. The way of a frame:
 *
 *     port ─▶ interface ─▶ member of a bridge?  ─ for another ────▶ the bridge's table ─▶ member ─▶ out
 *                │                   └ for this host ┐
 *                ├─ tagged? ─▶ vlan ─▶ (again)       ▼
 *                └───────────────────────▶ IPv4 / IPv6 verdict ─▶ neighbour ─▶ interface ─▶ (its bridge, its parent) ─▶ out
 *
 * What most frames of a router or a bridge are goes straight from the first box to the last (forward-frame-straight.ts, -straight6.ts, -straight-bridge.ts).
 *
 * Everything is decided before anything is changed, so a punted frame is as it came. Then the header is rewritten in place: a tag is taken out, put in or changed by moving the
 * start of the frame by four bytes, into the room that the driver leaves before it; the TTL is lowered; a virtio-net header moves along.
 *
 * It must do exactly what the complete path would do with the frame, or punt it (a property test holds them against each other). So what is rare, stateful, or answers
 * somebody is punted: unknown addresses, group addresses, options, captures, filters.
 *
 * Invariants: allocates nothing, throws nothing, reads no clock. Positions are of the frame's first byte, behind a virtio-net header.
 * Not here: moving bytes in and out of the process; who fills the tables.
 */
import * as ether from '../wire/ether.js';
import * as virtio from '../wire/virtio-net.js';
import * as forwardBridge from './forward-frame-bridge.js';
import * as forwardIp from './forward-frame-ip.js';
import * as forwardStraightBridge from './forward-frame-straight-bridge.js';
import * as forwardStraight from './forward-frame-straight.js';
import * as forwardStraight6 from './forward-frame-straight6.js';
import * as forwardUndone from './forward-frame-undone.js';
import * as forward from './forward.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import { fwdCountAt } from './fwd-counters.js';
import type { FwdView } from './fwd-tables.js';
import { FWD_PUNT_MULTICAST, FWD_PUNT_NOIF, FWD_PUNT_OFFLOAD, FWD_PUNT_PROMISC, FWD_PUNT_RUNT, FWD_PUNT_TYPE, FWD_PUNT_VLAN } from './fwd-verdict.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, ETHER_TCI, ETHER_TYPE, ETHER_TYPE_LEN, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, etherIsTagType } = ether;
const { VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TYPE, VIRTIO_NET_HDR_LEN } = virtio;
const { BRIDGE_OURS, bridgeFrame } = forwardBridge;
const { route4, route6 } = forwardIp;
const { STRAIGHT_BRIDGE_ASKED, STRAIGHT_BRIDGE_HAS, straightBridge } = forwardStraightBridge;
const { STRAIGHT4_ASKED, STRAIGHT4_HAS, STRAIGHT4_MIN, straight4 } = forwardStraight;
const { STRAIGHT6_ASKED, STRAIGHT6_HAS, STRAIGHT6_MIN, straight6 } = forwardStraight6;
const { STRIP_MAX, isProperOffload } = forwardUndone;
const { FWD_DROP } = forward;
const { FC_IBYTES, FC_IPACKETS, FWD_CELL_SHIFT } = fwdCounts;
const { FIF_CELL, FIF_FLAGS, FIF_INDEX, FIF_MAC_HI, FIF_MAC_LO, FWD_IF_IN, FWD_IF_MEMBER, FWD_IF_REASON_SHIFT, FWD_IF_SHIFT, FWD_IF_TRUNK, FWD_IF_VNET_HDR } = fwdIf;

/** No port has this number. */
const NOT_STRAIGHT = -1;

/**
 * What becomes of the `len` bytes at `at` that came in on `port` (its virtio-net header first, where the port has them): the number of the port to send `v.len` bytes at `v.at`
 * to, or a negative verdict, and then nothing has been changed. Counts both.
 */
export function forwardFrame(v: FwdView, port: number, view: DataView, at: number, len: number): number {
  const words = v.ifWords;
  const rec = v.ifAt[v.ifOfPort[port]!]! << FWD_IF_SHIFT;
  const flags = words[rec + FIF_FLAGS]!;
  const front = (flags & FWD_IF_VNET_HDR) === 0 ? 0 : VIRTIO_NET_HDR_LEN;
  const size = len - front;
  const undone = front !== 0 && size >= 0 ? (view.getUint8(at + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) | view.getUint8(at + VIRTIO_NET_GSO_TYPE) : 0;
  v.undone = undone;
  const proper = undone === 0 || isProperOffload(view, at + front, size);
  if (proper) {
    const to = straight(v, view, rec, flags, at + front, size);
    if (to >= 0) return to;
  }
  v.frameAt = at + front;
  v.frameLen = size;
  v.strip = 0;
  v.bridgeCell = 0;
  const verdict = size < ETHER_HDR_LEN ? FWD_PUNT_RUNT : proper ? input(v, view, rec, flags, at + front) : FWD_PUNT_OFFLOAD;
  const cell = words[rec + FIF_CELL]! << FWD_CELL_SHIFT;
  const c = v.counters;
  if (verdict < 0) {
    c[cell + fwdCountAt(verdict)]!++;
    // A punted frame is counted as received by who takes it over, a dropped one here.
    if (verdict > FWD_DROP) return verdict;
  }
  c[cell + FC_IPACKETS]!++;
  c[cell + FC_IBYTES]! += size;
  return verdict;
}

/** The port to send it to, when the frame is of a kind that most are; else negative, and then nothing has been changed nor counted. */
function straight(v: FwdView, view: DataView, rec: number, flags: number, at: number, size: number): number {
  if ((flags & STRAIGHT4_ASKED) === STRAIGHT4_HAS && size >= STRAIGHT4_MIN && view.getUint16(at + ETHER_TYPE) === ETHERTYPE_IP) return straight4(v, view, rec, at, size);
  if ((flags & STRAIGHT6_ASKED) === STRAIGHT6_HAS && size >= STRAIGHT6_MIN && view.getUint16(at + ETHER_TYPE) === ETHERTYPE_IPV6) return straight6(v, view, rec, at, size);
  if ((flags & STRAIGHT_BRIDGE_ASKED) === STRAIGHT_BRIDGE_HAS && size >= ETHER_HDR_LEN) return straightBridge(v, view, rec, at, size);
  return NOT_STRAIGHT;
}

/** A frame of one interface, which begins at `at`: refused, the bridge's, or this host's. */
function input(v: FwdView, view: DataView, rec: number, flags: number, at: number): number {
  if ((flags & FWD_IF_IN) === 0) return flags === 0 ? FWD_PUNT_NOIF : -(flags >>> FWD_IF_REASON_SHIFT);
  if ((view.getUint8(at) & 1) !== 0) return FWD_PUNT_MULTICAST;
  let to = rec;
  if ((flags & FWD_IF_MEMBER) !== 0) {
    const verdict = bridgeFrame(v, view, rec, at);
    if (verdict !== BRIDGE_OURS) return verdict;
    to = v.oursRec;
  }
  return ours(v, view, to, at);
}

/** A frame for this host, or for one of its vlans, as one of the interface at `rec`. */
function ours(v: FwdView, view: DataView, rec: number, at: number): number {
  const words = v.ifWords;
  const body = at + ETHER_HDR_LEN + v.strip * ETHER_VLAN_ENCAP_LEN;
  const type = view.getUint16(body - ETHER_TYPE_LEN);
  const isIp = type === ETHERTYPE_IP || type === ETHERTYPE_IPV6;
  if (!isIp && etherIsTagType(type)) return vlan(v, view, rec, at);
  if (words[rec + FIF_MAC_LO] !== view.getInt32(at + 2) || words[rec + FIF_MAC_HI] !== view.getUint16(at)) return FWD_PUNT_PROMISC;
  if (!isIp) return FWD_PUNT_TYPE;
  return type === ETHERTYPE_IP ? route4(v, view, rec, body) : route6(v, view, rec, body);
}

/** A tagged frame: it comes in once more, on the vlan. */
function vlan(v: FwdView, view: DataView, parent: number, at: number): number {
  const words = v.ifWords;
  const shift = v.strip * ETHER_VLAN_ENCAP_LEN;
  if (v.frameLen < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN + shift) return FWD_PUNT_RUNT;
  if ((words[parent + FIF_FLAGS]! & FWD_IF_TRUNK) === 0 || v.strip >= STRIP_MAX - 1) return FWD_PUNT_VLAN;
  const vid = view.getUint16(at + ETHER_TCI + shift) & EVL_VLID_MASK;
  const index = vid === 0 ? 0 : v.vlans.find(words[parent + FIF_INDEX]!, vid, 0);
  if (index === 0) return FWD_PUNT_VLAN;
  const rec = v.ifAt[index]! << FWD_IF_SHIFT;
  v.strip++;
  const verdict = input(v, view, rec, words[rec + FIF_FLAGS]!, at);
  if (verdict >= 0 || verdict <= FWD_DROP) countIn(v, words[rec + FIF_CELL]! << FWD_CELL_SHIFT);
  return verdict;
}

/** The frame counts as received there as well, without its tags. */
function countIn(v: FwdView, cell: number): void {
  v.counters[cell + FC_IPACKETS]!++;
  v.counters[cell + FC_IBYTES]! += v.frameLen - v.strip * ETHER_VLAN_ENCAP_LEN;
}
