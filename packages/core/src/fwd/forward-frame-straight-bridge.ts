/**
 * forward-frame-straight-bridge.ts — the shortest path of a bridge: a frame that comes and leaves without a tag, by plain ports, from and to addresses that are known.
 * Read first: forward-frame-straight.ts, of which this is the other half; forward-frame-bridge.ts, which decides about all frames.
 *
 * Invariants: those of forward-frame-straight.ts.
 */
import * as ether from '../wire/ether.js';
import * as virtio from '../wire/virtio-net.js';
import * as forwardStraight from './forward-frame-straight.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as fwdTables from './fwd-tables.js';
import type { FwdView } from './fwd-tables.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_SHOST, ETHER_TYPE, etherIsTagType } = ether;
const { VIRTIO_NET_HDR_LEN } = virtio;
const { putEmptyHeader } = forwardStraight;
const { FC_IBYTES, FC_IPACKETS, FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT } = fwdCounts;
const {
  FIF_BRIDGE, FIF_CELL, FIF_FLAGS, FIF_INDEX, FIF_PORT, FWD_IF_BRFWD, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_PRIVATE, FWD_IF_SHIFT, FWD_IF_VLAN, FWD_IF_VNET_HDR,
} = fwdIf;
const { FWD_FDB_LOCAL, fdbKey } = fwdTables;

/** Of the first of these flags the port that a frame came by has the second. */
export const STRAIGHT_BRIDGE_ASKED = FWD_IF_IN | FWD_IF_MEMBER | FWD_IF_LEARN | FWD_IF_BRFWD | FWD_IF_PRIVATE;
export const STRAIGHT_BRIDGE_HAS = FWD_IF_IN | FWD_IF_MEMBER | FWD_IF_LEARN | FWD_IF_BRFWD;
/** Likewise the one that it leaves by. */
const TO_ASKED = FWD_IF_OUT | FWD_IF_BRFWD | FWD_IF_VLAN;
const TO_PLAIN = FWD_IF_OUT | FWD_IF_BRFWD;
/** As in forward-frame-straight.ts. */
const AT_MAX = 0x3fff_ffff;
const TO_GROUP = 0x0100;
const NOT_STRAIGHT = -1;

/** As `straight4`, for a frame that came in on the member of a bridge at `rec`. */
export function straightBridge(v: FwdView, view: DataView, rec: number, from: number, size: number): number {
  const at = from & AT_MAX;
  const words = v.ifWords;
  const dstHi = view.getUint16(at);
  const dstLo = view.getInt32(at + 2);
  const srcHi = view.getUint16(at + ETHER_SHOST);
  const srcLo = view.getInt32(at + ETHER_SHOST + 2);
  if (at !== from || (dstHi & TO_GROUP) !== 0 || etherIsTagType(view.getUint16(at + ETHER_TYPE))) return NOT_STRAIGHT;
  const index = words[rec | FIF_INDEX]!;
  const bridge = words[rec | FIF_BRIDGE]!;
  const bridgeRec = v.ifAt[bridge]! << FWD_IF_SHIFT;
  const { fdb } = v;
  const place = fdb.placeOf(srcLo, fdbKey(srcHi, 0), bridge);
  if (place < 0 || fdb.words[place] !== index || (words[bridgeRec | FIF_FLAGS]! & FWD_IF_IN) === 0) return NOT_STRAIGHT;
  if (fdb.find(dstLo, fdbKey(dstHi, FWD_FDB_LOCAL), bridge) !== 0) return NOT_STRAIGHT;
  const out = fdb.find(dstLo, fdbKey(dstHi, 0), bridge);
  const to = v.ifAt[out]! << FWD_IF_SHIFT;
  const flags = words[to | FIF_FLAGS]!;
  const port = words[to | FIF_PORT]!;
  if (out === index || (flags & TO_ASKED) !== TO_PLAIN || port < 0 || (v.undone !== 0 && (flags & FWD_IF_OFFLOAD) === 0)) return NOT_STRAIGHT;
  fdb.mark(place, v.round);
  countThrough(v, words[rec | FIF_CELL]! << FWD_CELL_SHIFT, words[bridgeRec | FIF_CELL]! << FWD_CELL_SHIFT, words[to | FIF_CELL]! << FWD_CELL_SHIFT, size);
  const front = (flags & FWD_IF_VNET_HDR) === 0 ? 0 : VIRTIO_NET_HDR_LEN;
  v.at = at - front;
  v.len = size + front;
  if (front !== 0 && v.undone === 0) putEmptyHeader(view, at - front);
  return port;
}

/** In by a member, through the bridge, out by another member. */
function countThrough({ counters: c }: FwdView, cellIn: number, cellBridge: number, cellOut: number, size: number): void {
  c[cellIn | FC_IPACKETS]!++;
  c[cellIn | FC_IBYTES]! += size;
  c[cellBridge | FC_IPACKETS]!++;
  c[cellBridge | FC_IBYTES]! += size;
  c[cellBridge | FC_OPACKETS]!++;
  c[cellBridge | FC_OBYTES]! += size;
  c[cellOut | FC_OPACKETS]!++;
  c[cellOut | FC_OBYTES]! += size;
}
