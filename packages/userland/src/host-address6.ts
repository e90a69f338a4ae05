/**
 * host-address6.ts — a host as people write it, to its IPv6 address, and back; which family a host is meant in.
 * Read first: getaddrinfo(3), getnameinfo(3); RFC 4007 §11; host-address.ts.
 *
 * A zone is the name or the index of an interface behind `%`. `localhost` is both 127.0.0.1 and ::1, and IPv4 comes first where there is a
 * choice: FreeBSD's policy (ip6addrctl(8), ipv4_prefer) unless IPv6 is enabled on all interfaces.
 */
import type { Ip6Name, Vnet } from '@netloom/core';
import { ip6Format, ip6IsLoopback, ip6NeedsZone, ip6Parse, ip6ParseScoped, ip6Plain, ip6ZoneOf, ip6Zoned } from '@netloom/core/wire';
import { hostAddress } from './host-address.js';
import type { Names4 } from './host-address.js';

const LOOPBACK = ip6Parse('::1') as Uint8Array;

/** Names with their addresses, as known-names.ts has them. */
export interface Names extends Names4 {
  v6(text: string): Ip6Name | null;
}

/** Null for what is neither an IPv6 address, with a zone that exists, nor `localhost`, nor a known name. */
export function hostAddress6(vnet: Vnet, text: string, known: Names | null = null): Ip6Name | null {
  if (text === 'localhost') return { addr: LOOPBACK, scopeId: 0 };
  const scoped = ip6ParseScoped(text);
  if (scoped === null) return known?.v6(text) ?? null;
  if (scoped.zone === '') return { addr: scoped.addr, scopeId: 0 };
  const index = /^[0-9]+$/.test(scoped.zone) ? Number(scoped.zone) : 0;
  const ifp = vnet.net.ifunit(scoped.zone) ?? vnet.net.ifByIndex(index);
  return ifp === null ? null : { addr: scoped.addr, scopeId: ip6NeedsZone(scoped.addr) ? ifp.index : 0 };
}

/** The family `text` is reached in when nobody asked for one; null: nobody knows it. */
export function hostFamily(vnet: Vnet, text: string, known: Names | null = null): 4 | 6 | null {
  const v4 = hostAddress(text, known);
  if (v4 !== null && (text !== 'localhost' || vnet.inNet?.isLocal(v4) === true || vnet.in6Net?.isLocal(0, 0, 0, 1) !== true)) return 4;
  return hostAddress6(vnet, text, known) === null ? null : 6;
}

/** An address in words, with its zone. */
export function address6Text(vnet: Pick<Vnet, 'net'>, name: Ip6Name): string {
  const text = ip6Format(name.addr);
  if (name.scopeId === 0 || !ip6NeedsZone(name.addr)) return text;
  return `${text}%${vnet.net.ifByIndex(name.scopeId)?.xname ?? String(name.scopeId)}`;
}

/** The name of an address, or null: the address is its name. */
export function hostName6(name: Ip6Name): string | null {
  return ip6IsLoopback(name.addr) ? 'localhost' : null;
}

/** What `text` means in zoned form, as routes and neighbours are kept; null as for `hostAddress6`. */
export function zonedAddress6(vnet: Vnet, text: string): Uint8Array | null {
  const name = hostAddress6(vnet, text);
  return name === null ? null : ip6Zoned(name.addr, name.scopeId);
}

/** An address in zoned form in words. */
export function zonedText6(vnet: Pick<Vnet, 'net'>, addr: Uint8Array): string {
  return address6Text(vnet, { addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) });
}
