/**
 * forward6.ts — the short path of an IPv6 router: what to do with a packet, by its header and the compiled tables alone.
 * Read first: fwd/forward.ts, whose contract this is; RFC 8200 §4 (what a router may look at), RFC 4291 §2.5 (which addresses
 * are never forwarded), RFC 4007 §9 (zones); freebsd `sys/netinet6/ip6_fastfwd.c`.
 *
 * Theory of operation. As for IPv4: a next hop index (>= 1), a reason to PUNT the packet untouched to the complete path, or a
 * reason to DROP it. The caller lowers the hop limit, resolves the neighbour, and does not ask for packets that came as
 * link-layer multicast or while packet filters are hooked in. There is no header checksum, and routers never fragment.
 *
 * Punted on purpose: hop-by-hop options, the only extension header a router reads; a hop limit that ends here and packets
 * larger than the path's MTU (ICMPv6 is due); our own addresses; multicast; link-local addresses, whose zone is the
 * complete path's business; `::`, `::1` and v4-mapped addresses on either side (all of ::/64 and ::ffff:0:0/96 go there, to
 * be judged by somebody with more words); no route and reject routes; packets that would leave the way they came.
 * Fragments, routing and destination headers are for the receiver: such packets are forwarded like any.
 *
 * @rfc 4291 2.5.2 partial "the complete path drops what is punted here"
 * @rfc 4291 2.5.3 partial "the complete path drops what is punted here"
 */
import * as addr6 from '../wire/addr6.js';
import * as ip6 from '../wire/ip6.js';
import * as ipproto from '../wire/ipproto.js';
import * as addrSet6 from './addr-set6.js';
import * as nhop from './nhop-table.js';
import type { Fib6View } from './fib6.js';
import { FWD_DROP_BLACKHOLE, FWD_DROP_HEADER, FWD_PUNT_LOCAL, FWD_PUNT_NOROUTE, FWD_PUNT_OPTIONS, FWD_PUNT_REJECT, FWD_PUNT_SAMEIF, FWD_PUNT_SPECIAL, FWD_PUNT_STALE, FWD_PUNT_TOOBIG, FWD_PUNT_TTL } from './forward.js';
import type { NhopTable } from './nhop-table.js';

// V8 makes literals of a module's own constants, but reads imported ones from memory at each use, and this is code that every frame passes.
const { ip6W0IsLinkLocal } = addr6;
const { IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC, ip6Check } = ip6;
const { IPPROTO_HOPOPTS } = ipproto;
const { addrSet6Has } = addrSet6;
const { NHOP_BLACKHOLE, NHOP_REJECT, NHOP_VALID, NHOP_SPECIAL } = nhop;

/** The tables a verdict reads. `fib` and the arrays behind `nhops` and `own` are replaced when they grow. */
export class Fwd6<F extends Fib6View = Fib6View> {
  fib: F;
  nhops: NhopTable;
  /** Own unicast and anycast addresses, of all FIBs. */
  own: { readonly words: Int32Array };

  constructor(fib: F, nhops: NhopTable, own: { readonly words: Int32Array }) {
    this.fib = fib;
    this.nhops = nhops;
    this.own = own;
  }
}

/**
 * Verdict on the `len` bytes at `off`, whose header nobody has checked yet. `rcvIf` is the index of the interface it came
 * in on; `flowid` chooses among several paths.
 */
export function forward6(fwd: Fwd6, view: DataView, off: number, len: number, rcvIf: number, flowid: number): number {
  const bad = ip6Check(view, off, len);
  if (bad !== 0) return FWD_DROP_HEADER - bad;
  return verdict6(fwd, view, off, rcvIf, flowid);
}

/** The same for a packet whose header has passed `ip6Check`; `size` as for verdict4. */
export function verdict6(fwd: Fwd6, view: DataView, off: number, rcvIf: number, flowid: number, size = IP6_HDR_LEN + view.getUint16(off + IP6_PLEN)): number {
  if (view.getUint8(off + IP6_NXT) === IPPROTO_HOPOPTS) return FWD_PUNT_OPTIONS;
  const w0 = view.getInt32(off + IP6_DST);
  const w1 = view.getInt32(off + IP6_DST + 4);
  if (ip6IsSpecial(w0, w1) || ip6IsSpecial(view.getInt32(off + IP6_SRC), view.getInt32(off + IP6_SRC + 4))) return FWD_PUNT_SPECIAL;
  const w2 = view.getInt32(off + IP6_DST + 8);
  const w3 = view.getInt32(off + IP6_DST + 12);
  if (addrSet6Has(fwd.own.words, w0, w1, w2, w3)) return FWD_PUNT_LOCAL;
  if (view.getUint8(off + IP6_HLIM) <= 1) return FWD_PUNT_TTL;
  const value = fwd.fib.lookup(w0, w1, w2, w3);
  if (value === 0) return FWD_PUNT_NOROUTE;
  const nhops = fwd.nhops;
  const idx = nhops.select(value, flowid);
  const flags = nhops.flags(idx);
  if ((flags & (NHOP_SPECIAL | NHOP_VALID)) !== NHOP_VALID) return specialHop(flags);
  if (nhops.ifIndex(idx) === rcvIf) return FWD_PUNT_SAMEIF;
  if (size > nhops.mtu(idx)) return FWD_PUNT_TOOBIG;
  return idx;
}

/** ff00::/8, fe80::/10, and ::/64, in which `::`, `::1` and the v4-mapped addresses are. */
export function ip6IsSpecial(w0: number, w1: number): boolean {
  return w0 >>> 24 === 0xff || ip6W0IsLinkLocal(w0) || (w0 | w1) === 0;
}

function specialHop(flags: number): number {
  if ((flags & NHOP_SPECIAL) === 0) return FWD_PUNT_STALE;
  if ((flags & NHOP_BLACKHOLE) !== 0) return FWD_DROP_BLACKHOLE;
  if ((flags & NHOP_REJECT) !== 0) return FWD_PUNT_REJECT;
  return FWD_PUNT_LOCAL;
}
