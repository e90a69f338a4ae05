/**
 * forward-frame-straight.ts — the shortest path: an IPv4 packet that comes and leaves without a tag, by plain ports, to a neighbour that is known.
 * Read first: forward-frame.ts; forward-frame-ip.ts and forward.ts, which decide about all packets.
 *
 * Theory of operation. Most frames of a router are such packets. This is what the other functions do with them, in one piece, and without a question that cannot arise. What turns out not to be
 * such a frame is left as it came, and not counted, to those functions; so no verdict is made here but "send it", and that one only where they would say the same.
 *
 * Work that a virtio-net header leaves undone is passed on, as Linux's TCP sends it by every TAP: the frame does not move, so its header stays as it is.
 *
 * It is written for V8's compiler, which checks what kind of object a table is and where its fields are, and remembers that until it meets a loop, a call, two ways that join again, or a write to
 * a DataView. Then it asks anew, at five instructions for each. So the way is straight, what is not on it returns, and the frame is written last.
 *
 * Invariants: those of forward-frame.ts.
 */
import * as ether from '../wire/ether.js';
import * as ip4 from '../wire/ip4.js';
import * as virtio from '../wire/virtio-net.js';
import * as addrSet from './addr-set.js';
import * as forwardUndone from './forward-frame-undone.js';
import * as forward from './forward.js';
import * as fwdCounts from './fwd-counters.js';
import * as fwdIf from './fwd-if.js';
import * as nhop from './nhop-table.js';
import { flowOf4 } from './flow-of.js';
import type { FwdSet, FwdView } from './fwd-tables.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ETHER_HDR_LEN } = ether;
const { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP4_TTL, ip4SumOfWords, ip4TtlLess } = ip4;
const { VIRTIO_NET_HDR_LEN } = virtio;
const { addrSetHas } = addrSet;
const { sizeOfPieces } = forwardUndone;
const { ip4IsSpecial } = forward;
const { FC_FORWARD4, FC_IBYTES, FC_IPACKETS, FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT } = fwdCounts;
const {
  FIF_CELL, FIF_FLAGS, FIF_INDEX, FIF_MAC_HI, FIF_MAC_LO, FIF_PORT, FIF_SET, FWD_IF_BRIDGE, FWD_IF_FWD4, FWD_IF_IN, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_SHIFT,
  FWD_IF_VLAN, FWD_IF_VNET_HDR,
} = fwdIf;
const { NHOP_FLAGS, NHOP_GATEWAY, NHOP_GROUP, NHOP_GW, NHOP_IF, NHOP_MTU, NHOP_SHIFT, NHOP_SPECIAL, NHOP_VALID } = nhop;

/** Of the first of these flags the port that a frame came by has the second, and the frame this many bytes. */
export const STRAIGHT4_ASKED = FWD_IF_IN | FWD_IF_FWD4 | FWD_IF_MEMBER;
export const STRAIGHT4_HAS = FWD_IF_IN | FWD_IF_FWD4;
export const STRAIGHT4_MIN = ETHER_HDR_LEN + IP4_HDR_LEN;
/** Likewise the one that it leaves by. */
const TO_ASKED = FWD_IF_OUT | FWD_IF_MEMBER | FWD_IF_BRIDGE | FWD_IF_VLAN;
const TO_PLAIN = FWD_IF_OUT;
/** Positions that V8 can add to without fear of an overflow; so it has to be told that they are some. */
const AT_MAX = 0x3fff_ffff;
/** A group address, in the first two octets. */
const TO_GROUP = 0x0100;
const IP_AT = ETHER_HDR_LEN;
const NOT_STRAIGHT = -1;

/**
 * The frame of `size` bytes at `from` came in on the interface at `rec`; if its virtio-net header leaves something undone (`v.undone`), that is proper
 * (`isProperOffload`). The number of the port to send it to, as for `forwardFrame`; negative: it is none of those described above, and untouched.
 */
export function straight4(v: FwdView, view: DataView, rec: number, from: number, size: number): number {
  const at = from & AT_MAX;
  const words = v.ifWords;
  if (at !== from) return NOT_STRAIGHT;
  const macHi = view.getUint16(at);
  if ((macHi & TO_GROUP) !== 0 || words[rec | FIF_MAC_HI] !== macHi || words[rec | FIF_MAC_LO] !== view.getInt32(at + 2)) return NOT_STRAIGHT;
  const w0 = view.getInt32(at + IP_AT);
  const w1 = view.getInt32(at + IP_AT + 4);
  const w2 = view.getInt32(at + IP_AT + IP4_TTL);
  const src = view.getInt32(at + IP_AT + IP4_SRC);
  const dst = view.getInt32(at + IP_AT + IP4_DST);
  const total = w0 & 0xffff;
  if (w0 >>> 24 !== 0x45 || total < IP4_HDR_LEN || total > size - IP_AT || ip4SumOfWords(w0, w1, w2, src, dst) !== 0xffff) return NOT_STRAIGHT;
  if (ip4IsSpecial(dst) || ip4IsSpecial(src) || w2 >>> 24 <= 1) return NOT_STRAIGHT;
  const set = v.sets[words[rec | FIF_SET]!];
  return set === undefined || set === null ? NOT_STRAIGHT : toHop(v, view, set, rec, at, size, total, dst, w2);
}

/** To its next hop, if it is for somebody else: an IPv4 packet of `total` bytes with a good header, of which the word with the TTL is `ttlWord`. */
function toHop(v: FwdView, view: DataView, set: FwdSet, rec: number, at: number, size: number, total: number, dst: number, ttlWord: number): number {
  if (addrSetHas(set.own4, dst)) return NOT_STRAIGHT;
  const value = set.fib4.lookup(dst);
  const { hops } = set;
  const hop = (value < NHOP_GROUP ? value : hopOfFlow(view, set, value, at + IP_AT, total)) << NHOP_SHIFT;
  const flags = hops[hop | NHOP_FLAGS]!;
  const out = hops[hop | NHOP_IF]!;
  const largest = v.undone === 0 ? total : sizeOfPieces(view, at, at + IP_AT, total);
  if ((flags & (NHOP_SPECIAL | NHOP_VALID)) !== NHOP_VALID || out === v.ifWords[rec | FIF_INDEX] || largest < 0 || largest > hops[hop | NHOP_MTU]!) return NOT_STRAIGHT;
  const adjacency = v.neigh4.find(out, (flags & NHOP_GATEWAY) !== 0 ? hops[hop | NHOP_GW]! : dst, 0);
  return adjacency === 0 ? NOT_STRAIGHT : toNeighbour(v, view, set.cell + FC_FORWARD4, rec, at, size, total, out, adjacency, IP_AT + IP4_TTL, ip4TtlLess(ttlWord));
}

function hopOfFlow(view: DataView, set: FwdSet, value: number, off: number, total: number): number {
  return set.fwd4.nhops.select(value, set.multipath !== 0 ? flowOf4(view, off, total, set.flowSalt) : 0);
}

/**
 * To the neighbour `adjacency` through interface number `out`, if that is a port: a packet of `total` bytes, counted at `forwarded`, in which one hop less makes the word
 * at `lessAt` (from the frame's first byte) this one.
 */
export function toNeighbour(v: FwdView, view: DataView, forwarded: number, rec: number, at: number, size: number, total: number, out: number, adjacency: number, lessAt: number, less: number): number {
  const words = v.ifWords;
  const to = v.ifAt[out]! << FWD_IF_SHIFT;
  const flags = words[to | FIF_FLAGS]!;
  const port = words[to | FIF_PORT]!;
  if ((flags & TO_ASKED) !== TO_PLAIN || port < 0 || (v.undone !== 0 && (flags & FWD_IF_OFFLOAD) === 0)) return NOT_STRAIGHT;
  const c = v.counters;
  const cellIn = words[rec | FIF_CELL]! << FWD_CELL_SHIFT;
  const cellOut = words[to | FIF_CELL]! << FWD_CELL_SHIFT;
  const len = IP_AT + total;
  c[cellIn | FC_IPACKETS]!++;
  c[cellIn | FC_IBYTES]! += size;
  c[cellOut | FC_OPACKETS]!++;
  c[cellOut | FC_OBYTES]! += len;
  c[forwarded]!++;
  const front = (flags & FWD_IF_VNET_HDR) === 0 ? 0 : VIRTIO_NET_HDR_LEN;
  v.at = at - front;
  v.len = len + front;
  const dstLo = v.adjacencies[(adjacency << 1) | 1]!;
  const link0 = (v.adjacencies[adjacency << 1]! << 16) | (dstLo >>> 16);
  const link1 = (dstLo << 16) | words[to | FIF_MAC_HI]!;
  const link2 = words[to | FIF_MAC_LO]!;
  // What is undone is said where it was said.
  if (front !== 0 && v.undone === 0) putEmptyHeader(view, at - front);
  view.setInt32(at, link0);
  view.setInt32(at + 4, link1);
  view.setInt32(at + 8, link2);
  view.setInt32(at + lessAt, less);
  return port;
}

/** A virtio-net header that leaves nothing undone. */
export function putEmptyHeader(view: DataView, at: number): void {
  view.setInt32(at, 0);
  view.setInt32(at + 4, 0);
  view.setInt16(at + 8, 0);
}
