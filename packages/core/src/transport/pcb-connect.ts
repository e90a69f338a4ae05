/**
 * pcb-connect.ts — bind(2) and connect(2) of pcbs, for every protocol with ports: which address a program means, and whether it may have it.
 * Read first: inpcb.ts, in6-pcb.ts; freebsd `sys/netinet/in_pcb.c` (in_pcbconnect), `sys/netinet6/in6_pcb.c`.
 *
 * What a protocol does besides (sending a SYN, telling a socket) is its own.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EISCONN } from '../base/errno.js';
import type { Ip } from '../inet/ip.js';
import type { Ip6 } from '../inet6/ip6.js';
import { IFF_BROADCAST } from '../net/ifnet.js';
import { INADDR_BROADCAST } from '../wire/addr.js';
import { ip6IsMulticast, ip6IsUnspecified, ip6IsV4Mapped, ip6OfWords, ip6Word } from '../wire/addr6.js';
import type { In6PcbTable } from './in6-pcb-table.js';
import { in6Embed, mappedAddr } from './in6-pcb.js';
import type { In6Pcb, Ip6Name } from './in6-pcb.js';
import { in6ChooseSource } from './in6-source.js';
import type { In6Choice } from './in6-source.js';
import { INADDR_ANY } from './inpcb.js';
import type { InPcb, InPcbTable } from './inpcb.js';
import { pcbSource } from './pcb-output.js';
import { in6MayBind } from './raw-ip6.js';

/** 0.0.0.0 is this host; 255.255.255.255 is the broadcast address of the first interface, when that has one. */
export function inPcbPeer(ip: Ip, faddr: number): number {
  if (faddr !== INADDR_ANY && faddr !== INADDR_BROADCAST) return faddr;
  const first = ip.inNet.addrs[0];
  if (first === undefined) return faddr;
  if (faddr === INADDR_ANY) return first.addr;
  return (first.ifp.flags & IFF_BROADCAST) === 0 ? faddr : (first.broadcast ?? faddr);
}

/**
 * Fixes the foreign end. EISCONN; EADDRNOTAVAIL for port 0 or without an address or port of our own to use; ENETUNREACH without
 * a route; EADDRINUSE when another has the same two ends.
 */
export function inPcbConnect(ip: Ip, pcbs: InPcbTable, inp: InPcb, faddr: number, fport: number): Errno {
  if (inp.connected) return EISCONN;
  if (fport === 0) return EADDRNOTAVAIL;
  const peer = inPcbPeer(ip, faddr);
  const laddr = inp.laddr === INADDR_ANY ? pcbSource(ip, inp, peer) : inp.laddr;
  return laddr < 0 ? -laddr : pcbs.connect(inp, laddr, peer, fport);
}

/** The same for a pcb that is one of IPv6, too. */
function connectMapped(ip: Ip, pcbs: In6PcbTable, inp: In6Pcb, faddr: number, fport: number): Errno {
  if (fport === 0) return EADDRNOTAVAIL;
  const peer = inPcbPeer(ip, faddr);
  const laddr = inp.laddr === INADDR_ANY ? pcbSource(ip, inp, peer) : inp.laddr;
  return laddr < 0 ? -laddr : pcbs.connectMapped(inp, laddr, peer, fport);
}

/** EADDRNOTAVAIL, EADDRINUSE, EINVAL as bind(2); ENXIO: no such zone. */
export function in6PcbBind(ip6: Ip6, ip: Ip, pcbs: In6PcbTable, inp: In6Pcb, sa: Ip6Name, lport: number): Errno {
  const e = in6Embed(ip6.net, sa);
  if (e.addr === null) return e.error;
  if (ip6IsV4Mapped(e.addr)) return inp.v6only ? EADDRNOTAVAIL : pcbs.bindMapped(inp, e.addr, lport, ip.mayBind(mappedAddr(e.addr)));
  const ours = ip6IsUnspecified(e.addr) || ip6IsMulticast(e.addr) || in6MayBind(ip6, e.addr);
  return pcbs.bind(inp, e.addr, lport, ours);
}

/**
 * Fixes the foreign end. EISCONN; EADDRNOTAVAIL for port 0 or without an address or port of our own to use; EHOSTUNREACH or ENETUNREACH without a way; EADDRINUSE
 * when another has the same two ends; EINVAL, EAFNOSUPPORT for a v4-mapped end and a socket that is none of IPv4's, and the other way round.
 * `c` is the caller's to reuse.
 */
export function in6PcbConnect(ip6: Ip6, ip: Ip, pcbs: In6PcbTable, inp: In6Pcb, sa: Ip6Name, fport: number, c: In6Choice): Errno {
  if (inp.connected) return EISCONN;
  const e = in6Embed(ip6.net, sa);
  if (e.addr === null) return e.error;
  if (ip6IsV4Mapped(e.addr)) {
    if (inp.v6only) return EINVAL;
    if (!inp.v4) return EAFNOSUPPORT;
    return connectMapped(ip, pcbs, inp, mappedAddr(e.addr), fport);
  }
  if (!inp.v6) return EAFNOSUPPORT;
  if (fport === 0) return EADDRNOTAVAIL;
  const error = in6PcbChoose(ip6, inp, in6PcbPeer(ip6, e.addr), c);
  if (error !== 0) return error;
  return pcbs.connect(inp, ip6OfWords(c.s0, c.s1, c.s2, c.s3), ip6OfWords(c.d0, c.d1, c.d2, c.d3), fport);
}

/** :: is this host. */
export function in6PcbPeer(ip6: Ip6, addr: Uint8Array): Uint8Array {
  return ip6IsUnspecified(addr) && ip6.in6Net.addrs.length > 0 ? ip6OfWords(0, 0, 0, 1) : addr;
}

/** Fills `c` for packets of `inp` to `addr` (zoned form). */
export function in6PcbChoose(ip6: Ip6, inp: In6Pcb, addr: Uint8Array, c: In6Choice): Errno {
  c.d0 = ip6Word(addr, 0);
  c.d1 = ip6Word(addr, 1);
  c.d2 = ip6Word(addr, 2);
  c.d3 = ip6Word(addr, 3);
  return in6ChooseSource(ip6, inp, c);
}
