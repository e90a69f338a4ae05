/**
 * in6-source.ts — which address an IPv6 packet of a socket goes out with, and by which interface.
 * Read first: RFC 6724 §5; RFC 3542 §6.7; freebsd `in6_selectsrc_socket` in `sys/netinet6/in6_src.c`.
 *
 * Theory of operation. A source named by IPV6_PKTINFO, or the one the pcb is bound to, is used; otherwise the addresses of the vnet compete
 * (inet6/in6-src.ts). A named one must be ours, unless the socket may have any (IPV6_BINDANY).
 * An interface named (IPV6_PKTINFO, for groups IPV6_MULTICAST_IF) gives a destination without a zone its zone.
 * The answer is in one object per Ip6, valid until the next question.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTUNREACH } from '../base/errno.js';
import { in6NoWay, in6SelectSrc } from '../inet6/in6-src.js';
import { Ip6OutputOpts } from '../inet6/ip6-output.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Word, ip6Zoned, ip6W0NeedsZone } from '../wire/addr6.js';
import type { In6Pcb } from './in6-pcb.js';

/** Where a packet of a socket goes, and from where; one object per protocol. */
export class In6Choice {
  error: Errno = 0;
  /** The interface it leaves by. */
  ifp: Ifnet | null = null;
  /** Destination with its zone, and source: zoned words. */
  d0 = 0;
  d1 = 0;
  d2 = 0;
  d3 = 0;
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  hops = 0;
  /** What the packet is sent with. */
  readonly opts = new Ip6OutputOpts();
}

/** Fills `c` for a packet of `inp` to the destination in `c.d0..d3`. EHOSTUNREACH, ENETUNREACH: no way; EADDRNOTAVAIL: no address to send from. */
export function in6ChooseSource(ip6: Ip6, inp: In6Pcb, c: In6Choice): Errno {
  c.error = outInterface(ip6, inp, c);
  if (c.error !== 0) return c.error;
  c.hops = hopsOf(ip6, inp, c);
  const named = inp.pktSource;
  if (named !== null && !inp.bindAny && !isOurs(ip6, named, c.ifp as Ifnet)) return (c.error = EADDRNOTAVAIL);
  if (named !== null) return source(c, ip6Word(named, 0), ip6Word(named, 1), ip6Word(named, 2), ip6Word(named, 3));
  if (!inp.isUnbound6) return source(c, inp.l0, inp.l1, inp.l2, inp.l3);
  const ia = in6SelectSrc(ip6, c.ifp as Ifnet, c.d0, c.d1, c.d2, c.d3, inp.out6 === null ? -1 : inp.out6.preferTempaddr);
  if (ia === null) return (c.error = EADDRNOTAVAIL);
  return source(c, ia.k0, ia.k1, ia.k2, ia.k3);
}

function source(c: In6Choice, s0: number, s1: number, s2: number, s3: number): 0 {
  c.s0 = s0;
  c.s1 = s1;
  c.s2 = s2;
  c.s3 = s3;
  return 0;
}

/** Is the address (plain form) one of ours, on `ifp` when it needs a zone, and ready? */
function isOurs(ip6: Ip6, addr: Uint8Array, ifp: Ifnet): boolean {
  return ip6.in6Net.addrOfBytes(ip6Zoned(addr, ifp.index))?.isReady === true;
}

function outInterface(ip6: Ip6, inp: In6Pcb, c: In6Choice): Errno {
  const isGroup = c.d0 >>> 24 === 0xff;
  const out = inp.out6;
  const named = out === null ? null : isGroup ? (out.mcastIfp ?? out.ifp) : out.ifp;
  const scoped = ip6W0NeedsZone(c.d0);
  if (scoped && (c.d0 & 0xffff) === 0) c.d0 |= named?.index ?? (ip6.tun.useDefaultzone === 0 ? 0 : ip6.in6Net.defaultIfindex);
  if (isGroup && scoped && (c.d0 & 0xffff) !== 0) {
    c.ifp = ip6.net.ifByIndex(c.d0 & 0xffff);
    return c.ifp === null ? EHOSTUNREACH : 0;
  }
  if (isGroup && named !== null) {
    c.ifp = named;
    return 0;
  }
  const nh = ip6.routes.lookup6(inp.fib, c.d0, c.d1, c.d2, c.d3, 0);
  if (nh === null) ip6.stats.noroute++;
  const error = in6NoWay(nh);
  if (nh === null || error !== 0) return error;
  // A route to an address of our own goes by way of the loopback interface; its source is chosen for the interface that has it.
  c.ifp = nh.gwIfp ?? nh.ifp;
  return 0;
}

function hopsOf(ip6: Ip6, inp: In6Pcb, c: In6Choice): number {
  if (c.d0 >>> 24 === 0xff) return inp.out6 === null || inp.out6.mcastHops < 0 ? 1 : inp.out6.mcastHops;
  if (inp.hops >= 0) return inp.hops;
  return (c.ifp === null ? null : ip6.in6Net.ifinfo(c.ifp))?.chlim ?? ip6.tun.hlim;
}
