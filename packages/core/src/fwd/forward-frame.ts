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
 * Everything is decided before anything is changed, so a punted frame is as it came. Then the header is rewritten in place: a tag is taken out, put in or changed by moving the
 * start of the frame by four bytes, into the room that the driver leaves before it; the TTL is lowered; a virtio-net header moves along.
 *
 * It must do exactly what the complete path would do with the frame, or punt it (a property test holds them against each other). So what is rare, stateful, or answers
 * somebody is punted: unknown addresses, group addresses, options, captures, filters.
 *
 * Invariants: allocates nothing, throws nothing, reads no clock. Positions are of the frame's first byte, behind a virtio-net header.
 * Not here: moving bytes in and out of the process; who fills the tables.
 */
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN, ETHER_TCI, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, etherIsTagType } from '../wire/ether.js';
import {
  VIRTIO_NET_CSUM_OFFSET, VIRTIO_NET_CSUM_START, VIRTIO_NET_FLAGS, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_NONE, VIRTIO_NET_GSO_SIZE, VIRTIO_NET_GSO_TYPE, VIRTIO_NET_HDR_LEN,
} from '../wire/virtio-net.js';
import { FWD_DROP } from './forward.js';
import { BRIDGE_OURS, bridgeFrame } from './forward-frame-bridge.js';
import { routeFrame } from './forward-frame-ip.js';
import { FC_IBYTES, FC_IPACKETS, FWD_CELL_SHIFT, fwdCountAt } from './fwd-counters.js';
import {
  FIF_CELL, FIF_FLAGS, FIF_INDEX, FIF_MAC_HI, FIF_MAC_LO, FWD_IF_IN, FWD_IF_MEMBER, FWD_IF_REASON_SHIFT, FWD_IF_SHIFT, FWD_IF_TRUNK, FWD_IF_VNET_HDR,
} from './fwd-if.js';
import type { FwdView } from './fwd-tables.js';
import { FWD_PUNT_MULTICAST, FWD_PUNT_NOIF, FWD_PUNT_OFFLOAD, FWD_PUNT_PROMISC, FWD_PUNT_RUNT, FWD_PUNT_TYPE, FWD_PUNT_VLAN } from './fwd-verdict.js';

/** Tags that may be taken out one after the other. */
const STRIP_MAX = 2;

/**
 * What becomes of the `len` bytes at `at` that came in on `port` (its virtio-net header first, where the port has them): the number of the port to send `v.len` bytes at `v.at`
 * to, or a negative verdict, and then nothing has been changed. Counts both.
 */
export function forwardFrame(v: FwdView, port: number, view: DataView, at: number, len: number): number {
  const rec = v.ifAt[v.ifOfPort[port]!]! << FWD_IF_SHIFT;
  const flags = v.ifWords[rec + FIF_FLAGS]!;
  const front = (flags & FWD_IF_VNET_HDR) !== 0 ? VIRTIO_NET_HDR_LEN : 0;
  v.hdrAt = front === 0 ? -1 : at;
  v.frameAt = at + front;
  v.frameLen = len - front;
  v.undone = front !== 0 && len >= front && ((view.getUint8(at + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) | view.getUint8(at + VIRTIO_NET_GSO_TYPE)) !== 0;
  v.strip = 0;
  v.vlanCell = 0;
  v.bridgeCell = 0;
  const verdict = v.frameLen < ETHER_HDR_LEN ? FWD_PUNT_RUNT : v.undone && !isProperOffload(v, view) ? FWD_PUNT_OFFLOAD : input(v, view, rec, flags);
  const cell = v.ifWords[rec + FIF_CELL]! << FWD_CELL_SHIFT;
  const c = v.counters;
  if (verdict < 0) {
    c[cell + fwdCountAt(verdict)]!++;
    // A punted frame is counted as received by who takes it over, a dropped one here.
    if (verdict > FWD_DROP) return verdict;
  }
  c[cell + FC_IPACKETS]!++;
  c[cell + FC_IBYTES]! += v.frameLen;
  return verdict;
}

/** Does the virtio-net header ask for a checksum within the frame, and for segments of a size if any? What else it may ask for, the complete path understands in its own way. */
function isProperOffload(v: FwdView, view: DataView): boolean {
  const at = v.hdrAt;
  if ((view.getUint8(at + VIRTIO_NET_FLAGS) & VIRTIO_NET_F_NEEDS_CSUM) === 0) return false;
  const start = view.getUint16(at + VIRTIO_NET_CSUM_START, true);
  if (start < ETHER_HDR_LEN + STRIP_MAX * ETHER_VLAN_ENCAP_LEN || start + view.getUint16(at + VIRTIO_NET_CSUM_OFFSET, true) + 2 > v.frameLen) return false;
  return view.getUint8(at + VIRTIO_NET_GSO_TYPE) === VIRTIO_NET_GSO_NONE || view.getUint16(at + VIRTIO_NET_GSO_SIZE, true) !== 0;
}

/** A frame of one interface: refused, the bridge's, or this host's. */
function input(v: FwdView, view: DataView, rec: number, flags: number): number {
  if ((flags & FWD_IF_IN) === 0) return flags === 0 ? FWD_PUNT_NOIF : -(flags >>> FWD_IF_REASON_SHIFT);
  if ((view.getUint8(v.frameAt) & 1) !== 0) return FWD_PUNT_MULTICAST;
  if ((flags & FWD_IF_MEMBER) === 0) return ours(v, view, rec);
  const verdict = bridgeFrame(v, view, rec);
  return verdict === BRIDGE_OURS ? ours(v, view, v.oursRec) : verdict;
}

/** A frame for this host, or for one of its vlans, as one of the interface at `rec`. */
function ours(v: FwdView, view: DataView, rec: number): number {
  const words = v.ifWords;
  const typeAt = v.frameAt + ETHER_TYPE + v.strip * ETHER_VLAN_ENCAP_LEN;
  const type = view.getUint16(typeAt);
  if (etherIsTagType(type)) return vlan(v, view, rec);
  if (words[rec + FIF_MAC_LO] !== view.getInt32(v.frameAt + 2) || words[rec + FIF_MAC_HI] !== view.getUint16(v.frameAt)) return FWD_PUNT_PROMISC;
  if (type !== ETHERTYPE_IP && type !== ETHERTYPE_IPV6) return FWD_PUNT_TYPE;
  return routeFrame(v, view, rec, type === ETHERTYPE_IPV6);
}

/** A tagged frame: it comes in once more, on the vlan. */
function vlan(v: FwdView, view: DataView, parent: number): number {
  const words = v.ifWords;
  const shift = v.strip * ETHER_VLAN_ENCAP_LEN;
  if (v.frameLen < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN + shift) return FWD_PUNT_RUNT;
  if ((words[parent + FIF_FLAGS]! & FWD_IF_TRUNK) === 0 || v.strip >= STRIP_MAX - 1) return FWD_PUNT_VLAN;
  const vid = view.getUint16(v.frameAt + ETHER_TCI + shift) & EVL_VLID_MASK;
  const index = vid === 0 ? 0 : v.vlans.find(words[parent + FIF_INDEX]!, vid, 0);
  if (index === 0) return FWD_PUNT_VLAN;
  const rec = v.ifAt[index]! << FWD_IF_SHIFT;
  v.strip++;
  v.vlanCell = words[rec + FIF_CELL]! << FWD_CELL_SHIFT;
  const verdict = input(v, view, rec, words[rec + FIF_FLAGS]!);
  if (verdict >= 0 || verdict <= FWD_DROP) countIn(v, v.vlanCell);
  return verdict;
}

/** The frame counts as received there as well, without its tags. */
function countIn(v: FwdView, cell: number): void {
  v.counters[cell + FC_IPACKETS]!++;
  v.counters[cell + FC_IBYTES]! += v.frameLen - v.strip * ETHER_VLAN_ENCAP_LEN;
}
