/**
 * address.ts — addresses of sockets as texts: what the façades of promises/ and of @netloom/node take and show.
 * Read first: socket/socket-in6.ts; RFC 4007 §11 for `%zone`.
 *
 * An IPv6 address that needs a zone has it behind a `%`, as the name of an interface of the vnet.
 */
import { EINVAL } from '../base/errno.js';
import type { SockAddr, SockName6 } from '../socket/socket-in6.js';
import type { SockName } from '../socket/socket-base.js';
import { PF_INET, PF_INET6 } from '../socket/socket-type.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4Format, ip4Parse } from '../wire/addr.js';
import { ip6Format, ip6NeedsZone, ip6ParseScoped } from '../wire/addr6.js';
import { NetError } from './net-error.js';

/** One end of a socket, with Node's names. */
export interface Endpoint {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
}

/** A socket of any kind, as far as its ends go. */
export interface NamedSocket {
  name(): SockName;
  peer(): SockName | null;
  name6(): SockName6 | null;
  peer6(): SockName6 | null;
}

/** The domain an address belongs to: IPv6 when there is a colon in it. */
export function domainOf(address: string): typeof PF_INET | typeof PF_INET6 {
  return address.includes(':') ? PF_INET6 : PF_INET;
}

/** An address as sockets of `domain` take it; throws NetError when it is none of that family, or its zone is no interface of `vnet`. */
export function sockAddrParse(vnet: Vnet, domain: number, address: string): SockAddr {
  const addr = domain === PF_INET6 ? parse6(vnet, address) : ip4Parse(address);
  if (addr === null) throw new NetError(EINVAL, `address '${address}'`);
  return addr;
}

function parse6(vnet: Vnet, address: string): SockAddr | null {
  const scoped = ip6ParseScoped(address);
  if (scoped === null) return null;
  if (scoped.zone === '') return { addr: scoped.addr, scopeId: 0 };
  const ifp = vnet.net.ifunit(scoped.zone) ?? vnet.net.ifByIndex(/^[0-9]+$/.test(scoped.zone) ? Number(scoped.zone) : 0);
  return ifp === null ? null : { addr: scoped.addr, scopeId: ip6NeedsZone(scoped.addr) ? ifp.index : 0 };
}

/** The text of an IPv6 address, with its zone when `scopeId` is not 0. */
export function sockAddrFormat6(vnet: Vnet, addr: Uint8Array, scopeId: number): string {
  const zone = scopeId === 0 ? '' : `%${vnet.net.ifByIndex(scopeId)?.xname ?? String(scopeId)}`;
  return `${ip6Format(addr)}${zone}`;
}

/** getsockname(2) as text. */
export function localEnd(vnet: Vnet, so: NamedSocket): Endpoint {
  return endOf(vnet, so.name(), so.name6());
}

/** getpeername(2) as text; null when not connected. */
export function remoteEnd(vnet: Vnet, so: NamedSocket): Endpoint | null {
  const six = so.peer6();
  const four = so.peer();
  return six === null && four === null ? null : endOf(vnet, four ?? { addr: 0, port: 0 }, six);
}

function endOf(vnet: Vnet, four: SockName, six: SockName6 | null): Endpoint {
  if (six !== null) return { address: sockAddrFormat6(vnet, six.addr, six.scopeId), family: 'IPv6', port: six.port };
  return { address: ip4Format(four.addr), family: 'IPv4', port: four.port };
}
