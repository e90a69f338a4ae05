/**
 * forward-frame-bridge.ts — the short path of a bridge: a frame for somebody whose port is known, from somebody who is known to be where it came from.
 * Read first: forward-frame.ts; net/bridge-forward.ts, which this must agree with.
 *
 * Learning is the complete path's: a source that is not in the table, or is there for another port, is punted with its frame. Where it is known, the place is marked with the
 * bridges' round of ageing, so that an address in use does not expire. Floods, spanning tree, spans and private ports are not decided here.
 */
import * as ether from '../wire/ether.js';
import * as forwardOut from './forward-frame-out.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as fwdTables from './fwd-tables.js';
import { FWD_PUNT_SAMEIF } from './forward.js';
import type { FwdView } from './fwd-tables.js';
import { FWD_PUNT_BLOCKED, FWD_PUNT_BPF, FWD_PUNT_DOWN, FWD_PUNT_FLOOD, FWD_PUNT_RUNT, FWD_PUNT_SOURCE, FWD_PUNT_VLAN } from './fwd-verdict.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN, ETHER_SHOST, ETHER_TCI, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, etherIsTagType } = ether;
const { outWays, sendFrame } = forwardOut;
const { FC_IBYTES, FC_IPACKETS, FWD_CELL_SHIFT } = fwdCounts;
const { FIF_BRIDGE, FIF_CELL, FIF_FLAGS, FIF_INDEX, FIF_MAC_HI, FIF_MAC_LO, FWD_IF_BRFWD, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_PRIVATE, FWD_IF_REASON_SHIFT, FWD_IF_SHIFT, FWD_IF_TAPPED, FWD_IF_VLAN } = fwdIf;
const { FWD_FDB_LOCAL, fdbKey } = fwdTables;

/** The frame is for this host, as one of the interface whose record is `v.oursRec`. No verdict has this number. */
export const BRIDGE_OURS = -1_000;

/** A unicast frame, which begins at `at`, came in on the member at `rec`. */
export function bridgeFrame(v: FwdView, view: DataView, rec: number, at: number): number {
  const words = v.ifWords;
  const flags = words[rec + FIF_FLAGS]!;
  const bridge = words[rec + FIF_BRIDGE]!;
  const bridgeRec = v.ifAt[bridge]! << FWD_IF_SHIFT;
  const bridgeFlags = words[bridgeRec + FIF_FLAGS]!;
  if ((bridgeFlags & FWD_IF_IN) === 0) return bridgeFlags === 0 ? FWD_PUNT_DOWN : -(bridgeFlags >>> FWD_IF_REASON_SHIFT);
  if ((flags & FWD_IF_BRFWD) === 0) return FWD_PUNT_BLOCKED;
  // It was for a member, and is for a vlan on that now, which is a member as well: more than one bridge cannot be counted.
  if (v.bridgeCell !== 0) return FWD_PUNT_VLAN;
  const shift = v.strip * ETHER_VLAN_ENCAP_LEN;
  const tagged = etherIsTagType(view.getUint16(at + ETHER_TYPE + shift));
  if (tagged && v.frameLen < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN + shift) return FWD_PUNT_RUNT;
  const vlan = tagged ? view.getUint16(at + ETHER_TCI + shift) & EVL_VLID_MASK : 0;
  const index = words[rec + FIF_INDEX]!;
  const srcHi = view.getUint16(at + ETHER_SHOST);
  const srcLo = view.getInt32(at + ETHER_SHOST + 2);
  if ((flags & FWD_IF_LEARN) !== 0) {
    const place = v.fdb.placeOf(srcLo, fdbKey(srcHi, vlan), bridge);
    if (place < 0 || v.fdb.words[place] !== index) return FWD_PUNT_SOURCE;
    v.fdb.mark(place, v.round);
  } else if (v.fdb.find(srcLo, fdbKey(srcHi, FWD_FDB_LOCAL), bridge) !== 0) {
    return FWD_PUNT_SOURCE;
  }
  const dstHi = view.getUint16(at);
  const dstLo = view.getInt32(at + 2);
  const own = v.fdb.find(dstLo, fdbKey(dstHi, FWD_FDB_LOCAL), bridge);
  if (own !== 0) {
    // Members may have one address: then it is the one that the frame came in on.
    const mine = own !== bridge && words[rec + FIF_MAC_LO] === dstLo && words[rec + FIF_MAC_HI] === dstHi;
    return mine ? local(v, index, 0) : local(v, own, own === index ? 0 : bridgeRec);
  }
  const out = v.fdb.find(dstLo, fdbKey(dstHi, vlan), bridge);
  if (out === 0) return FWD_PUNT_FLOOD;
  if (out === index) return FWD_PUNT_SAMEIF;
  const outRec = v.ifAt[out]! << FWD_IF_SHIFT;
  const outFlags = words[outRec + FIF_FLAGS]!;
  if ((outFlags & FWD_IF_BRFWD) === 0 || (flags & outFlags & FWD_IF_PRIVATE) !== 0) return FWD_PUNT_BLOCKED;
  // A frame with a tag into a vlan would need a second one.
  if (tagged && (outFlags & FWD_IF_VLAN) !== 0) return FWD_PUNT_VLAN;
  const error = outWays(v, outRec, outFlags);
  if (error !== 0) return error;
  const body = v.frameLen - shift - (tagged ? ETHER_VLAN_ENCAP_LEN : 0);
  v.outBridgeCell = words[bridgeRec + FIF_CELL]! << FWD_CELL_SHIFT;
  v.counters[v.outBridgeCell + FC_IPACKETS]!++;
  v.counters[v.outBridgeCell + FC_IBYTES]! += body;
  return sendFrame(v, view, body);
}

/** For this host, as one of interface `own`; through the bridge at `bridgeRec`, which counts it; 0: not through it. */
function local(v: FwdView, own: number, bridgeRec: number): number {
  const words = v.ifWords;
  const rec = v.ifAt[own]! << FWD_IF_SHIFT;
  const flags = words[rec + FIF_FLAGS]!;
  if ((flags & FWD_IF_IN) === 0) return flags === 0 ? FWD_PUNT_DOWN : -(flags >>> FWD_IF_REASON_SHIFT);
  // Its capture is shown what comes by another member, too.
  if ((flags & FWD_IF_TAPPED) !== 0 && bridgeRec !== 0) return FWD_PUNT_BPF;
  v.oursRec = rec;
  v.bridgeCell = bridgeRec === 0 ? 0 : words[bridgeRec + FIF_CELL]! << FWD_CELL_SHIFT;
  return BRIDGE_OURS;
}
