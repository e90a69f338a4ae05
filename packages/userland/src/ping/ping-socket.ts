/**
 * ping-socket.ts — ping's options as options of its socket.
 * Read first: ip(4), ping(8).
 */
import { EADDRNOTAVAIL } from '@netloom/core';
import type { Errno, Socket } from '@netloom/core';
import { err } from '../err.js';
import type { Proc } from '../proc.js';
import { recordRouteOption } from './ip-options-text.js';
import type { PingOptions } from './ping-options.js';

export const EX_OSERR = 71;
/** One packet of the largest size and what the stack keeps with it. */
const RCVBUF_BYTES = 65_535 + 128;

/** Leaves with ping's message when the stack refuses one that matters. */
export function configure(p: Proc, so: Socket, o: PingOptions): void {
  so.setsockopt('SO_RCVBUF', RCVBUF_BYTES);
  so.setsockopt('SO_SNDBUF', RCVBUF_BYTES);
  so.setsockopt('SO_BROADCAST', 1);
  if (o.dontRoute) so.setsockopt('SO_DONTROUTE', 1);
  if (o.dontFragment) so.setsockopt('IP_DONTFRAG', 1);
  if (o.tos >= 0) so.setsockopt('IP_TOS', o.tos);
  if (o.pcp !== null) so.setsockopt('IP_VLAN_PCP', o.pcp);
  if (o.sourceText !== null) {
    const error = so.bind(o.source, 0);
    if (error !== 0) err(p, 1, 'bind', error);
  }
  const must = (error: number, name: string): void => {
    if (error !== 0) err(p, EX_OSERR, `setsockopt ${name}`, error);
  };
  if (o.recordRoute) must(so.setIpOptions(recordRouteOption()), 'IP_OPTIONS');
  if (o.ttl >= 0) must(so.setsockopt('IP_TTL', o.ttl), 'IP_TTL');
  if (o.noLoop) must(so.setsockopt('IP_MULTICAST_LOOP', 0), 'IP_MULTICAST_LOOP');
  if (o.multicastTtl >= 0) must(so.setsockopt('IP_MULTICAST_TTL', o.multicastTtl), 'IP_MULTICAST_TTL');
  if (o.multicastInterface !== null) must(multicastInterface(p, so, o.multicastInterface, o.sourceText === null), 'IP_MULTICAST_IF');
}

/** Groups are reached through the interface that has this address, and from it unless there is a source already. EADDRNOTAVAIL: none has. */
function multicastInterface(p: Proc, so: Socket, addr: number, asSource: boolean): Errno {
  const ifp = p.vnet.inNet?.addrOf(addr)?.ifp ?? null;
  if (ifp === null) return EADDRNOTAVAIL;
  // Options are numbers; an interface is put where the options of multicasts are, which setting one of them makes.
  const error = so.setsockopt('IP_MULTICAST_LOOP', so.getsockopt('IP_MULTICAST_LOOP') ?? 1);
  if (so.inp.out !== null) so.inp.out.mcastIfp = ifp;
  return error === 0 && asSource ? so.bind(addr, 0) : error;
}
