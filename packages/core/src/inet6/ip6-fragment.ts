/**
 * ip6-fragment.ts — cutting a datagram of this host that is larger than its path.
 * Read first: RFC 8200 §4.5, §5; RFC 7112 §5; FreeBSD's netinet6/ip6_output.c, ip6_fragment.
 *
 * Theory of operation. The datagram itself becomes the first fragment: eight bytes are opened between the headers that routers may read and the rest,
 * and it is trimmed in place. The others are copied into packets of their own, each once, and linked behind it through `next`. Nothing is cut
 * before every fragment has been made, so that a shortage of packets leaves the datagram whole. All headers must fit into the first fragment.
 * A transport checksum still owed is finished first: it covers the whole.
 *
 * @rfc 8200 4.5 yes
 * @rfc 7112 5 yes
 */
import type { Errno } from '../base/errno.js';
import { EMSGSIZE, ENOBUFS } from '../base/errno.js';
import { freeChain } from '../inet/ip-fragment.js';
import { copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { finishChecksums } from '../net/offload.js';
import { IP6F_IDENT, IP6F_MORE_FRAG, IP6F_OFFLG, IP6_FRAG_HDR_LEN, IP6_HDR_LEN, IP6_NXT, IP6_PLEN, ip6ExtLen, ip6IsExt } from '../wire/ip6.js';
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING } from '../wire/ipproto.js';
import { ip6PrevHdr } from './ip6-exthdr.js';
import type { Ip6 } from './ip6.js';

/** Payload bytes of every fragment but the last are a multiple of this. */
const FRAG_UNIT = 8;

/** Bytes of the headers that each fragment repeats: the IPv6 header, and extension headers up to a routing header, or to hop-by-hop options. */
export function ip6UnfragLen(m: PacketBuffer): number {
  const v = m.view;
  const end = m.off + m.len;
  let nxt = v.getUint8(m.off + IP6_NXT);
  let at = IP6_HDR_LEN;
  let unfrag = IP6_HDR_LEN;
  while (nxt === IPPROTO_HOPOPTS || nxt === IPPROTO_DSTOPTS || nxt === IPPROTO_ROUTING) {
    const len = ip6ExtLen(v, m.off + at, end, nxt);
    if (len < 0) break;
    if (nxt !== IPPROTO_DSTOPTS) unfrag = at + len;
    nxt = v.getUint8(m.off + at);
    at += len;
  }
  return unfrag;
}

/** Bytes of all headers but the protocol's. */
function chainLen(m: PacketBuffer): number {
  const v = m.view;
  let nxt = v.getUint8(m.off + IP6_NXT);
  let at = IP6_HDR_LEN;
  while (ip6IsExt(nxt)) {
    const len = ip6ExtLen(v, m.off + at, m.off + m.len, nxt);
    if (len < 0) break;
    nxt = v.getUint8(m.off + at);
    at += len;
  }
  return at;
}

/**
 * Cuts `m` to fragments of at most `mtu` bytes, linked through `next` behind `m`. EMSGSIZE without room for the headers and 8 bytes, ENOBUFS
 * without packets; `m` is unchanged then (but for its finished checksum) and still the caller's.
 */
export function ip6Fragment(ip6: Ip6, m: PacketBuffer, mtu: number): Errno {
  const hlen = ip6UnfragLen(m);
  const step = (mtu - hlen - IP6_FRAG_HDR_LEN) & ~(FRAG_UNIT - 1);
  if (step < FRAG_UNIT || chainLen(m) + FRAG_UNIT > hlen + step) {
    ip6.stats.cantfrag++;
    return EMSGSIZE;
  }
  finishChecksums(m, 0);
  const ident = ip6.id.next();
  const prev = ip6PrevHdr(m, hlen);
  const nxt = m.view.getUint8(m.off + prev);
  let tail = m;
  let nfrags = 1;
  m.next = null;
  for (let at = hlen + step; at < m.len; at += step, nfrags++) {
    const f = makeFragment(m, hlen, prev, at, Math.min(step, m.len - at));
    if (f === null) return undo(ip6, m);
    fragHeader(f, hlen, nxt, at - hlen, at + step < m.len, ident);
    tail.next = f;
    tail = f;
  }
  if (!m.prepend(IP6_FRAG_HDR_LEN)) return undo(ip6, m);
  m.buf.copyWithin(m.off, m.off + IP6_FRAG_HDR_LEN, m.off + IP6_FRAG_HDR_LEN + hlen);
  m.trim(hlen + IP6_FRAG_HDR_LEN + step);
  m.view.setUint8(m.off + prev, IPPROTO_FRAGMENT);
  fragHeader(m, hlen, nxt, 0, true, ident);
  ip6.stats.ofragments += nfrags;
  return 0;
}

function undo(ip6: Ip6, m: PacketBuffer): Errno {
  ip6.stats.odropped++;
  freeChain(m.next);
  m.next = null;
  return ENOBUFS;
}

/** Headers, room for a fragment header, and the `len` bytes at `at` of `m`; null when there is no packet to be had. */
function makeFragment(m: PacketBuffer, hlen: number, prev: number, at: number, len: number): PacketBuffer | null {
  const f = m.pool.alloc(hlen + IP6_FRAG_HDR_LEN + len);
  if (f === null) return null;
  f.copyMeta(m);
  copyBytes(f, f.off, m, m.off, hlen);
  copyBytes(f, f.off + hlen + IP6_FRAG_HDR_LEN, m, m.off + at, len);
  f.view.setUint8(f.off + prev, IPPROTO_FRAGMENT);
  return f;
}

function fragHeader(f: PacketBuffer, hlen: number, nxt: number, fragoff: number, more: boolean, ident: number): void {
  const v = f.view;
  const at = f.off + hlen;
  v.setUint16(f.off + IP6_PLEN, f.len - IP6_HDR_LEN);
  v.setUint16(at, nxt << 8);
  v.setUint16(at + IP6F_OFFLG, fragoff | (more ? IP6F_MORE_FRAG : 0));
  v.setInt32(at + IP6F_IDENT, ident);
}
