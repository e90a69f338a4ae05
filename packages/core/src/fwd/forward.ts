/**
 * forward.ts — the short path of a router: what to do with a datagram, by its header and the compiled tables alone.
 * Read first: RFC 1812 §5.2 and §5.3; freebsd `sys/netinet/ip_fastfwd.c`.
 *
 * Theory of operation. `verdict4` is a pure function of header bytes and flat tables; the same code runs inline when there
 * is one thread and on datapath workers when there are more. It answers a next hop index (>= 1), or a negative number: a
 * reason to PUNT the packet, untouched, to the complete path, or a reason to DROP it, which the caller counts and frees.
 * It decides only what needs no state, no answer packet and no second opinion; the complete path decides everything, and
 * would decide these the same way (a test holds the verdicts against the routing tables themselves).
 *
 * Punted on purpose: headers with options; a TTL that ends here and datagrams larger than the path's MTU (ICMP is due, or
 * fragmenting); our own, broadcast and multicast addresses; sources and destinations a router treats specially (0/8,
 * 127/8, 169.254/16, 224/3); no route and reject routes (ICMP again); packets that would leave the way they came (a
 * redirect may be due). Fragments are forwarded like any datagram: a router does not reassemble.
 *
 * The caller's part: not to ask for packets that came as link-layer broadcast or multicast, nor while packet filters are
 * hooked in; to lower the TTL (`ip4DecTtl`) and to resolve the neighbour. A datagram with segmentation still to be done
 * counts as its full length unless the caller says that of its pieces (`size`).
 */
import * as ip4 from '../wire/ip4.js';
import * as addrSet from './addr-set.js';
import * as nhop from './nhop-table.js';
import { ip4Check } from '../wire/ip4.js';
import type { Fib4View } from './fib4.js';
import type { NhopTable } from './nhop-table.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { IP4_DST, IP4_LEN, IP4_SRC, IP4_TTL } = ip4;
const { addrSetHas } = addrSet;
const { NHOP_BLACKHOLE, NHOP_BROADCAST, NHOP_REJECT, NHOP_VALID, NHOP_SPECIAL } = nhop;

/** The header has options. */
export const FWD_PUNT_OPTIONS = -1;
/** Source or destination is of a kind routers treat specially. */
export const FWD_PUNT_SPECIAL = -2;
/** For us: one of our addresses, or a broadcast address of one of our networks. */
export const FWD_PUNT_LOCAL = -3;
/** The TTL ends here. */
export const FWD_PUNT_TTL = -4;
export const FWD_PUNT_NOROUTE = -5;
export const FWD_PUNT_REJECT = -6;
export const FWD_PUNT_BROADCAST = -7;
/** Leaves through the interface it came in on. */
export const FWD_PUNT_SAMEIF = -8;
/** Larger than the path's MTU. */
export const FWD_PUNT_TOOBIG = -9;
/** The next hop is being replaced at this moment, or is one this reader does not know yet. */
export const FWD_PUNT_STALE = -10;
/** Verdicts from here down are drops. */
export const FWD_DROP = -32;
/** The route is a blackhole. */
export const FWD_DROP_BLACKHOLE = -32;
/** A bad header: FWD_DROP_HEADER minus ip4Check's reason (1..6), so -33 … -38. */
export const FWD_DROP_HEADER = -32;

/** The tables a verdict reads. `fib` and the arrays behind `nhops` and `own` are replaced when they grow. */
export class Fwd4<F extends Fib4View = Fib4View> {
  fib: F;
  nhops: NhopTable;
  /** Own unicast addresses and the broadcast addresses of own networks, of all FIBs. */
  own: { readonly words: Int32Array };

  constructor(fib: F, nhops: NhopTable, own: { readonly words: Int32Array }) {
    this.fib = fib;
    this.nhops = nhops;
    this.own = own;
  }
}

export const fwdIsPunt = (verdict: number): boolean => verdict < 0 && verdict > FWD_DROP;
export const fwdIsDrop = (verdict: number): boolean => verdict <= FWD_DROP;

/**
 * Verdict on the `len` bytes at `off`, whose header nobody has checked yet. `rcvIf` is the index of the interface it came
 * in on; `flowid` chooses among several paths; with `sumOk` somebody else has verified the header's checksum.
 */
export function forward4(fwd: Fwd4, view: DataView, off: number, len: number, rcvIf: number, flowid: number, sumOk = false): number {
  const bad = ip4Check(view, off, len, sumOk);
  if (bad !== 0) return FWD_DROP_HEADER - bad;
  return verdict4(fwd, view, off, rcvIf, flowid);
}

/** The same for a datagram whose header has passed `ip4Check`; `size` is the largest packet it makes on the next link, in bytes. */
export function verdict4(fwd: Fwd4, view: DataView, off: number, rcvIf: number, flowid: number, size = view.getUint16(off + IP4_LEN)): number {
  return view.getUint8(off) !== 0x45 ? FWD_PUNT_OPTIONS : verdictPlain4(fwd, view, off, rcvIf, flowid, size);
}

/** The same for a header without options. */
export function verdictPlain4(fwd: Fwd4, view: DataView, off: number, rcvIf: number, flowid: number, size: number): number {
  const dst = view.getUint32(off + IP4_DST);
  if (ip4IsSpecial(dst) || ip4IsSpecial(view.getUint32(off + IP4_SRC))) return FWD_PUNT_SPECIAL;
  if (addrSetHas(fwd.own.words, dst)) return FWD_PUNT_LOCAL;
  if (view.getUint8(off + IP4_TTL) <= 1) return FWD_PUNT_TTL;
  const value = fwd.fib.lookup(dst);
  if (value === 0) return FWD_PUNT_NOROUTE;
  const nhops = fwd.nhops;
  const idx = nhops.select(value, flowid);
  const flags = nhops.flags(idx);
  if ((flags & (NHOP_SPECIAL | NHOP_VALID)) !== NHOP_VALID) return specialHop(flags);
  if (nhops.ifIndex(idx) === rcvIf) return FWD_PUNT_SAMEIF;
  if (size > nhops.mtu(idx)) return FWD_PUNT_TOOBIG;
  return idx;
}

/** 0/8, 127/8, 169.254/16, 224/4 and 240/4. */
export function ip4IsSpecial(addr: number): boolean {
  const top = addr >>> 24;
  return top >= 224 || top === 0 || top === 127 || addr >>> 16 === 0xa9fe;
}

function specialHop(flags: number): number {
  if ((flags & NHOP_SPECIAL) === 0) return FWD_PUNT_STALE;
  if ((flags & NHOP_BLACKHOLE) !== 0) return FWD_DROP_BLACKHOLE;
  if ((flags & NHOP_REJECT) !== 0) return FWD_PUNT_REJECT;
  if ((flags & NHOP_BROADCAST) !== 0) return FWD_PUNT_BROADCAST;
  return FWD_PUNT_LOCAL;
}
