/**
 * forward-frame-straight6.ts — the shortest path for IPv6: a packet that comes and leaves without a tag, by plain ports, to a neighbour that is known.
 * Read first: forward-frame-straight.ts, which says why it is written as it is; forward-frame-ip.ts and forward6.ts, which decide about all packets.
 *
 * Invariants: those of forward-frame-straight.ts.
 */
import * as ether from '../wire/ether.js';
import * as ip6 from '../wire/ip6.js';
import * as ipproto from '../wire/ipproto.js';
import * as addrSet6 from './addr-set6.js';
import * as forwardStraight from './forward-frame-straight.js';
import * as undone from './forward-frame-undone.js';
import * as forward6 from './forward6.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as nhop from './nhop-table.js';
import { flowOf6 } from './flow-of.js';
import type { FwdSet, FwdView } from './fwd-tables.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN } = ether;
const { IP6_DST, IP6_HDR_LEN, IP6_PLEN, IP6_SRC, IPV6_VERSION } = ip6;
const { IPPROTO_HOPOPTS } = ipproto;
const { addrSet6Has } = addrSet6;
const { toNeighbour } = forwardStraight;
const { sizeOfPieces } = undone;
const { ip6IsSpecial } = forward6;
const { FC_FORWARD6 } = fwdCounts;
const { FIF_INDEX, FIF_MAC_HI, FIF_MAC_LO, FIF_SET, FWD_IF_FWD6, FWD_IF_IN, FWD_IF_MEMBER } = fwdIf;
const { NHOP_FLAGS, NHOP_GATEWAY, NHOP_GROUP, NHOP_GW, NHOP_IF, NHOP_MTU, NHOP_SHIFT, NHOP_SPECIAL, NHOP_VALID } = nhop;

/** Of the first of these flags the port that a frame came by has the second, and the frame this many bytes. */
export const STRAIGHT6_ASKED = FWD_IF_IN | FWD_IF_FWD6 | FWD_IF_MEMBER;
export const STRAIGHT6_HAS = FWD_IF_IN | FWD_IF_FWD6;
export const STRAIGHT6_MIN = ETHER_HDR_LEN + IP6_HDR_LEN;
/** As in forward-frame-straight.ts. */
const AT_MAX = 0x3fff_ffff;
const TO_GROUP = 0x0100;
const IP_AT = ETHER_HDR_LEN;
const NOT_STRAIGHT = -1;

/** As `straight4`, for an IPv6 packet. */
export function straight6(v: FwdView, view: DataView, rec: number, from: number, size: number): number {
  const at = from & AT_MAX;
  const words = v.ifWords;
  if (at !== from) return NOT_STRAIGHT;
  const macHi = view.getUint16(at);
  if ((macHi & TO_GROUP) !== 0 || words[rec | FIF_MAC_HI] !== macHi || words[rec | FIF_MAC_LO] !== view.getInt32(at + 2)) return NOT_STRAIGHT;
  // Length of the payload, next header, hop limit.
  const lenWord = view.getInt32(at + IP_AT + IP6_PLEN);
  const total = IP6_HDR_LEN + (lenWord >>> 16);
  if (view.getUint8(at + IP_AT) >>> 4 !== IPV6_VERSION || total > size - IP_AT) return NOT_STRAIGHT;
  if (((lenWord >>> 8) & 0xff) === IPPROTO_HOPOPTS || (lenWord & 0xff) <= 1) return NOT_STRAIGHT;
  if (ip6IsSpecial(view.getInt32(at + IP_AT + IP6_SRC), view.getInt32(at + IP_AT + IP6_SRC + 4))) return NOT_STRAIGHT;
  const set = v.sets[words[rec | FIF_SET]!];
  return set === undefined || set === null ? NOT_STRAIGHT : toHop(v, view, set, rec, at, size, total, lenWord);
}

/** To its next hop, if it is for somebody else: an IPv6 packet of `total` bytes with a good header, of which `lenWord` is the word with the hop limit. */
function toHop(v: FwdView, view: DataView, set: FwdSet, rec: number, at: number, size: number, total: number, lenWord: number): number {
  const w0 = view.getInt32(at + IP_AT + IP6_DST);
  const w1 = view.getInt32(at + IP_AT + IP6_DST + 4);
  const w2 = view.getInt32(at + IP_AT + IP6_DST + 8);
  const w3 = view.getInt32(at + IP_AT + IP6_DST + 12);
  if (ip6IsSpecial(w0, w1) || addrSet6Has(set.own6, w0, w1, w2, w3)) return NOT_STRAIGHT;
  const value = set.fib6.lookup(w0, w1, w2, w3);
  const { hops } = set;
  const hop = (value < NHOP_GROUP ? value : hopOfFlow(view, set, value, at + IP_AT, total)) << NHOP_SHIFT;
  const flags = hops[hop | NHOP_FLAGS]!;
  const out = hops[hop | NHOP_IF]!;
  const largest = v.undone === 0 ? total : sizeOfPieces(view, at, at + IP_AT, total);
  if ((flags & (NHOP_SPECIAL | NHOP_VALID)) !== NHOP_VALID || out === v.ifWords[rec | FIF_INDEX] || largest < 0 || largest > hops[hop | NHOP_MTU]!) return NOT_STRAIGHT;
  const adjacency = (flags & NHOP_GATEWAY) !== 0
    ? v.neigh6.find5(out, hops[hop | NHOP_GW]!, hops[hop | (NHOP_GW + 1)]!, hops[hop | (NHOP_GW + 2)]!, hops[hop | (NHOP_GW + 3)]!)
    : v.neigh6.find5(out, w0, w1, w2, w3);
  return adjacency === 0 ? NOT_STRAIGHT : toNeighbour(v, view, set.cell + FC_FORWARD6, rec, at, size, total, out, adjacency, IP_AT + IP6_PLEN, lenWord - 1);
}

function hopOfFlow(view: DataView, set: FwdSet, value: number, off: number, total: number): number {
  return set.fwd6.nhops.select(value, set.multipath !== 0 ? flowOf6(view, off, total, set.flowSalt) : 0);
}
