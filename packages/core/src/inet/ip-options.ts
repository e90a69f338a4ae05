/**
 * ip-options.ts — options of the IPv4 header: obeyed on the way in, inserted, copied into fragments, turned round for replies.
 * Read first: RFC 791 §3.1 "Options", RFC 1122 §3.2.1.8, RFC 1812 §4.2.2.1, §5.2.4; FreeBSD's netinet/ip_options.c.
 *
 * Theory of operation. `ipDoOptions` walks the options of a datagram once, in the order they stand, before anybody asks
 * whose it is. Record route and timestamp are filled in place. Source routes are refused unless `net.inet.ip.sourceroute`
 * (to pass them on) or `accept_sourceroute` (to receive them) allow it: with them a stranger chooses a path around filters.
 * A malformed option is answered with a parameter problem that points at the octet at fault.
 * Options a socket wants sent travel as IpOptions: the bytes as they stand in the header, and with a source route the
 * first hop apart, because that is what the destination field holds at the start.
 *
 * Timestamps are milliseconds of the engine's clock with the high bit set, which RFC 791 reserves for "not universal time": core
 * has no calendar.
 * Not here: fields of ICMP errors (icmp-error.ts).
 *
 * @rfc 1122 3.2.1.8 yes
 * @rfc 1812 4.2.2.1 yes
 * @rfc 1812 5.2.4 yes
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import { US_PER_MS } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { IfAddr } from '../net/ifaddr.js';
import type { Ifnet } from '../net/ifnet.js';
import { ifaIfwithdstaddr, ifaIfwithnet, ifaofIfpforaddr, isIfAddr4 } from '../net/route/ifa-lookup.js';
import { ip4Format, ip4IsMulticast } from '../wire/addr.js';
import { ICMP_PARAMPROB, ICMP_UNREACH, ICMP_UNREACH_FILTER_PROHIB, ICMP_UNREACH_HOST, ICMP_UNREACH_SRCFAIL } from '../wire/icmp4.js';
import {
  IP4_DST, IP4_HDR_LEN, IP4_HDR_LEN_MAX, IPOPT_EOL, IPOPT_LSRR, IPOPT_MINOFF, IPOPT_NOP, IPOPT_OFFSET, IPOPT_OLEN, IPOPT_RR, IPOPT_SECURITY,
  IPOPT_SSRR, IPOPT_TS, IPOPT_TS_PRESPEC, IPOPT_TS_TSANDADDR, IPOPT_TS_TSONLY, IPVERSION, ip4Dst, ip4Hl, ip4OptLen, ip4PutSum, ip4Src, ipoptCopied,
} from '../wire/ip4.js';
import type { Ip } from './ip.js';
import { IP_DOOPTS_IGNORE, IP_DOOPTS_REJECT } from './ip-var.js';

/** Most bytes of options a header can hold. */
export const MAX_IPOPTLEN = IP4_HDR_LEN_MAX - IP4_HDR_LEN;

/** Go on with the datagram / it has been dropped or answered / it is source routed through us: forward it. */
export const IPOPTS_OK = 0;
export const IPOPTS_CONSUMED = 1;
export const IPOPTS_FORWARD = 2;
export type IpOptsVerdict = typeof IPOPTS_OK | typeof IPOPTS_CONSUMED | typeof IPOPTS_FORWARD;

/** Outcomes of one option: fine, drop silently, source routed onwards, or an ICMP error as type<<16 | code<<8 | pointer. */
const OPT_OK = 0;
const OPT_DROP = -1;
const OPT_FORWARD = -2;
const SRCFAIL = (ICMP_UNREACH << 16) | (ICMP_UNREACH_SRCFAIL << 8);
const HOSTUNREACH = (ICMP_UNREACH << 16) | (ICMP_UNREACH_HOST << 8);
const badOctet = (pointer: number): number => (ICMP_PARAMPROB << 16) | pointer;

/** Pointers in options count from 1; an address or a timestamp takes four bytes. */
const WORD = 4;
/** Octets before the route data, and before the timestamps. */
const ROUTE_DATA = 3;
const TS_FLAGS = 3;
const TS_MINOFF = 5;

/** Options to be sent with a datagram. `len` is a multiple of 4; `firstHop` 0 leaves the destination as it is. */
export class IpOptions {
  firstHop = 0;
  len = 0;
  readonly bytes = new Uint8Array(MAX_IPOPTLEN);
}

/** Obeys the options of `m`, whose header is valid. On IPOPTS_CONSUMED `m` is gone. */
export function ipDoOptions(ip: Ip, ifp: Ifnet, m: PacketBuffer): IpOptsVerdict {
  if (ip.tun.processOptions === IP_DOOPTS_IGNORE) return IPOPTS_OK;
  if (ip.tun.processOptions === IP_DOOPTS_REJECT) return refuse(ip, ifp, m, (ICMP_UNREACH << 16) | (ICMP_UNREACH_FILTER_PROHIB << 8));
  const v = m.view;
  const hlen = ip4Hl(v, m.off);
  const end = m.off + hlen;
  let forward = false;
  for (let at = m.off + IP4_HDR_LEN; ; ) {
    const len = ip4OptLen(v, at, end);
    if (len === 0) break;
    if (len < 0) return refuse(ip, ifp, m, badOctet(at + IPOPT_OLEN - m.off));
    const outcome = doOption(ip, ifp, m, at, len);
    if (outcome === OPT_FORWARD) forward = true;
    else if (outcome === OPT_DROP) {
      ip.stats.cantforward++;
      m.free();
      return IPOPTS_CONSUMED;
    } else if (outcome !== OPT_OK) return refuse(ip, ifp, m, outcome);
    at += len;
  }
  ip4PutSum(v, m.off, hlen);
  return forward && ip.tun.forwarding !== 0 ? IPOPTS_FORWARD : IPOPTS_OK;
}

function refuse(ip: Ip, ifp: Ifnet, m: PacketBuffer, outcome: number): IpOptsVerdict {
  ip.stats.badoptions++;
  ip.icmpError(ifp, m, outcome >>> 16, (outcome >>> 8) & 255, outcome & 255);
  return IPOPTS_CONSUMED;
}

function doOption(ip: Ip, ifp: Ifnet, m: PacketBuffer, at: number, len: number): number {
  switch (m.view.getUint8(at)) {
    case IPOPT_LSRR:
    case IPOPT_SSRR:
      return doSourceRoute(ip, m, at, len);
    case IPOPT_RR:
      return doRecordRoute(ip, m, at, len);
    case IPOPT_TS:
      return doTimestamp(ip, ifp, m, at, len);
    default:
      return OPT_OK;
  }
}

/** The next hop of a source route becomes the destination; where we were is recorded in its place. */
function doSourceRoute(ip: Ip, m: PacketBuffer, at: number, len: number): number {
  const v = m.view;
  const strict = v.getUint8(at) === IPOPT_SSRR;
  if (len < ROUTE_DATA) return badOctet(at + IPOPT_OLEN - m.off);
  const ptr = v.getUint8(at + IPOPT_OFFSET);
  if (ptr < IPOPT_MINOFF) return badOctet(at + IPOPT_OFFSET - m.off);
  if (!ip.inNet.isLocal(ip4Dst(v, m.off))) {
    if (strict) return SRCFAIL;
    return ip.tun.sourceroute === 0 ? refuseSourceRoute(ip, m) : OPT_OK;
  }
  const off = ptr - 1;
  if (off > len - WORD) return ip.tun.acceptSourceroute === 0 ? refuseSourceRoute(ip, m) : OPT_OK;
  if (ip.tun.sourceroute === 0) return ip.tun.forwarding !== 0 ? refuseSourceRoute(ip, m) : OPT_DROP;
  const hop = v.getUint32(at + off);
  let ifa: IfAddr | null;
  if (strict) ifa = ifaIfwithdstaddr(ip.net, hop, m.fib) ?? ifaIfwithnet(ip.net, hop, m.fib);
  else ifa = ip.routes.lookup4(m.fib, hop, 0)?.ifa ?? null;
  if (ifa === null || !isIfAddr4(ifa)) return SRCFAIL;
  v.setUint32(at + off, ifa.addr);
  v.setUint32(m.off + IP4_DST, hop);
  v.setUint8(at + IPOPT_OFFSET, ptr + WORD);
  return ip4IsMulticast(hop) ? OPT_OK : OPT_FORWARD;
}

function refuseSourceRoute(ip: Ip, m: PacketBuffer): number {
  const src = ip4Format(ip4Src(m.view, m.off));
  ip.logLimited('warning', `attempted source route from ${src} to ${ip4Format(ip4Dst(m.view, m.off))}`);
  return SRCFAIL;
}

/** Our address towards the destination, while there is room. */
function doRecordRoute(ip: Ip, m: PacketBuffer, at: number, len: number): number {
  const v = m.view;
  if (len < ROUTE_DATA) return badOctet(at + IPOPT_OFFSET - m.off);
  const ptr = v.getUint8(at + IPOPT_OFFSET);
  if (ptr < IPOPT_MINOFF) return badOctet(at + IPOPT_OFFSET - m.off);
  const off = ptr - 1;
  if (off > len - WORD) return OPT_OK;
  const dst = ip4Dst(v, m.off);
  const ifa = ip.inNet.addrOf(dst) ?? ip.routes.lookup4(m.fib, dst, 0)?.ifa ?? null;
  if (ifa === null || !isIfAddr4(ifa)) return HOSTUNREACH;
  v.setUint32(at + off, ifa.addr);
  v.setUint8(at + IPOPT_OFFSET, ptr + WORD);
  return OPT_OK;
}

/** A timestamp, with an address before it when the flag asks for one. When there is no room the overflow nibble counts. */
function doTimestamp(ip: Ip, ifp: Ifnet, m: PacketBuffer, at: number, len: number): number {
  const v = m.view;
  if (len < WORD || len > MAX_IPOPTLEN) return badOctet(at + IPOPT_OLEN - m.off);
  const ptr = v.getUint8(at + IPOPT_OFFSET);
  if (ptr < TS_MINOFF) return badOctet(at + IPOPT_OFFSET - m.off);
  const flags = v.getUint8(at + TS_FLAGS);
  let off = ptr - 1;
  if (off > len - WORD) {
    if (flags >= 0xf0) return badOctet(at + IPOPT_OFFSET - m.off);
    v.setUint8(at + TS_FLAGS, flags + 0x10);
    return OPT_OK;
  }
  const kind = flags & 0x0f;
  if (kind === IPOPT_TS_TSANDADDR || kind === IPOPT_TS_PRESPEC) {
    if (off + 2 * WORD > len) return badOctet(at + IPOPT_OFFSET - m.off);
    if (kind === IPOPT_TS_PRESPEC) {
      if (!ip.inNet.isLocal(v.getUint32(at + off))) return OPT_OK;
    } else {
      const ifa = ifaofIfpforaddr(ifp, ip4Dst(v, m.off));
      if (ifa === null) return OPT_OK;
      v.setUint32(at + off, ifa.addr);
    }
    off += WORD;
  } else if (kind !== IPOPT_TS_TSONLY) {
    return badOctet(at + TS_FLAGS - m.off);
  }
  v.setUint32(at + off, ipTime(ip));
  v.setUint8(at + IPOPT_OFFSET, off + WORD + 1);
  return OPT_OK;
}

/** Milliseconds of the engine's clock, marked as not being universal time (RFC 791, RFC 792). */
export function ipTime(ip: Ip): number {
  return (Math.floor(ip.net.kern.engine.now / US_PER_MS) | 0x8000_0000) >>> 0;
}

/** Takes the options out of the header: it moves up to the payload. */
export function ipStripOptions(m: PacketBuffer): void {
  const v = m.view;
  const olen = ip4Hl(v, m.off) - IP4_HDR_LEN;
  if (olen === 0) return;
  for (let i = IP4_HDR_LEN - WORD; i >= 0; i -= WORD) v.setUint32(m.off + olen + i, v.getUint32(m.off + i));
  m.adj(olen);
  v.setUint8(m.off, (IPVERSION << 4) | (IP4_HDR_LEN >>> 2));
  v.setUint16(m.off + 2, m.len);
}

/** Puts options into a header that has none. False, and nothing changes, without headroom. */
export function ipInsertOptions(m: PacketBuffer, options: IpOptions): boolean {
  const n = options.len;
  if (!m.prepend(n)) return false;
  const v = m.view;
  for (let i = 0; i < IP4_HDR_LEN; i += WORD) v.setUint32(m.off + i, v.getUint32(m.off + n + i));
  for (let i = 0; i < n; i++) v.setUint8(m.off + IP4_HDR_LEN + i, options.bytes[i] as number);
  v.setUint8(m.off, (IPVERSION << 4) | ((IP4_HDR_LEN + n) >>> 2));
  v.setUint16(m.off + 2, m.len);
  if (options.firstHop !== 0) v.setUint32(m.off + IP4_DST, options.firstHop);
  return true;
}

/**
 * Copies the options that go into every fragment from the header at `off` behind the 20 bytes at `to` in `out`, padded; the
 * new header's length.
 */
export function ipOptCopy(v: DataView, off: number, out: DataView, to: number): number {
  const end = off + ip4Hl(v, off);
  let n = IP4_HDR_LEN;
  for (let at = off + IP4_HDR_LEN, len: number; (len = ip4OptLen(v, at, end)) > 0; at += len) {
    const type = v.getUint8(at);
    if (type !== IPOPT_NOP && !ipoptCopied(type)) continue;
    for (let i = 0; i < len; i++) out.setUint8(to + n + i, v.getUint8(at + i));
    n += len;
  }
  while ((n & 3) !== 0) out.setUint8(to + n++, IPOPT_EOL);
  return n;
}

/**
 * What a reply to the datagram at `off` carries (RFC 1122 §3.2.2.6): its record route, timestamps and security label, and a
 * completed source route turned round. `src` is who sent it.
 */
export function ipReplyOptions(v: DataView, off: number, src: number, reply: IpOptions): void {
  const end = off + ip4Hl(v, off);
  const out = reply.bytes;
  reply.firstHop = 0;
  let n = reverseRoute(v, off, end, src, reply);
  for (let at = off + IP4_HDR_LEN, len: number; (len = ip4OptLen(v, at, end)) > 0; at += len) {
    const type = v.getUint8(at);
    if (type !== IPOPT_RR && type !== IPOPT_TS && type !== IPOPT_SECURITY) continue;
    if (n + len > MAX_IPOPTLEN) break;
    for (let i = 0; i < len; i++) out[n + i] = v.getUint8(at + i);
    n += len;
  }
  while ((n & 3) !== 0) out[n++] = IPOPT_EOL;
  reply.len = n;
}

/** The first source route whose end is reached, backwards, behind a NOP; bytes written. */
function reverseRoute(v: DataView, off: number, end: number, src: number, reply: IpOptions): number {
  for (let at = off + IP4_HDR_LEN, len: number; (len = ip4OptLen(v, at, end)) > 0; at += len) {
    const type = v.getUint8(at);
    if (type !== IPOPT_LSRR && type !== IPOPT_SSRR) continue;
    const hops = (len - ROUTE_DATA) >>> 2;
    if (hops === 0 || v.getUint8(at + IPOPT_OFFSET) - 1 <= len - WORD || 1 + ROUTE_DATA + hops * WORD > MAX_IPOPTLEN) return 0;
    const out = new DataView(reply.bytes.buffer);
    reply.firstHop = v.getUint32(at + ROUTE_DATA + (hops - 1) * WORD);
    out.setUint8(0, IPOPT_NOP);
    out.setUint8(1, type);
    out.setUint8(2, ROUTE_DATA + hops * WORD);
    out.setUint8(3, IPOPT_MINOFF);
    for (let i = 0; i < hops - 1; i++) out.setUint32(WORD + i * WORD, v.getUint32(at + ROUTE_DATA + (hops - 2 - i) * WORD));
    out.setUint32(WORD + (hops - 1) * WORD, src);
    return WORD + hops * WORD;
  }
  return 0;
}

/**
 * What setsockopt(IP_OPTIONS) gives: checks the bytes and takes the first hop of a source route out of them. EINVAL for a
 * length that is no multiple of 4 or too long, and for malformed options.
 */
export function ipParseOptions(bytes: Uint8Array, into: IpOptions): Errno {
  if ((bytes.length & 3) !== 0 || bytes.length > MAX_IPOPTLEN + WORD) return EINVAL;
  const work = new DataView(bytes.slice().buffer);
  let end = bytes.length;
  into.firstHop = 0;
  for (let at = 0; ; ) {
    const len = ip4OptLen(work, at, end);
    if (len === 0) break;
    if (len < 0) return EINVAL;
    const type = work.getUint8(at);
    if (type !== IPOPT_LSRR && type !== IPOPT_SSRR) {
      at += len;
      continue;
    }
    if (len < ROUTE_DATA + WORD || into.firstHop !== 0) return EINVAL;
    into.firstHop = work.getUint32(at + ROUTE_DATA);
    for (let i = at + ROUTE_DATA; i + WORD < end; i++) work.setUint8(i, work.getUint8(i + WORD));
    work.setUint8(at + IPOPT_OLEN, len - WORD);
    end -= WORD;
    at += len - WORD;
  }
  if (end > MAX_IPOPTLEN) return EINVAL;
  for (let i = 0; i < end; i++) into.bytes[i] = work.getUint8(i);
  into.len = end;
  return 0;
}
