/**
 * host-address6.ts — an IPv6 host as people write it, to its address and back.
 * Read first: inet_pton(3), getaddrinfo(3) "numeric scope", RFC 4007 §11.
 *
 * Addresses inside the stack are in zoned form; people write and read `fe80::1%em0`. The zone may be given as a number too. As for
 * IPv4 the one name every hosts file has is known, and there is no resolver.
 */
import type { Ifnet, Net } from '@netloom/core';
import { ip6Format, ip6IsLoopback, ip6NeedsZone, ip6ParseScoped, ip6Plain, ip6ZoneOf, ip6Zoned } from '@netloom/core/wire';

/** The address in zoned form; null for what is neither an address nor `localhost`, or names a zone that is not there. */
export function hostAddress6(text: string, ifunit: (name: string) => Ifnet | null): Uint8Array | null {
  const scoped = ip6ParseScoped(text === 'localhost' ? '::1' : text);
  if (scoped === null) return null;
  if (scoped.zone === '') return scoped.addr;
  const zone = ifunit(scoped.zone)?.index ?? (/^[0-9]{1,5}$/.test(scoped.zone) ? Number(scoped.zone) : 0);
  if (zone === 0 || zone > 0xffff || !ip6NeedsZone(scoped.addr)) return null;
  return ip6Zoned(scoped.addr, zone);
}

/** `fe80::1%em0` of an address in zoned form. */
export function ip6Text(addr: Uint8Array, net: Net): string {
  const zone = ip6ZoneOf(addr);
  return zone === 0 ? ip6Format(addr) : `${ip6Format(ip6Plain(addr))}%${net.ifByIndex(zone)?.xname ?? zone}`;
}

/** The name of an address, or null: the address is its name. */
export function hostName6(addr: Uint8Array): string | null {
  return ip6IsLoopback(addr) ? 'localhost' : null;
}

/** The number of ones in a netmask: the prefix length, holes or not. */
export function ip6Ones(mask: Uint8Array): number {
  let n = 0;
  for (const byte of mask) for (let b = byte; b !== 0; b &= b - 1) n++;
  return n;
}
