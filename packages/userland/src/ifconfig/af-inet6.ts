/**
 * af-inet6.ts — IPv6 addresses: `inet6 A/len [alias]`, `inet6 A FAR prefixlen 128`, `inet6 A delete`, and how they are shown.
 * Read first: ifconfig(8) "inet6"; RFC 4007 §11 (`%zone`).
 *
 * Theory of operation. An IPv6 address never takes the place of another: without `alias`, only the same address is removed before it is set, which
 * gives it a new life. The prefix length is 64 unless it is said. `delete` (`-alias`, `remove`) removes the address named; there is no "first
 * one" as with IPv4. A zone may be written after a link-local address and must be this interface.
 *
 * Finite lifetimes are shown always, as FreeBSD 14 does, and `-L` changes nothing. One deviation: an infinite lifetime beside a finite one
 * is shown as `infty` as the manual has it, where FreeBSD 14 prints 0.
 * Not here: names of hosts; `localhost` alone is known.
 */
import {
  AF_INET6, EADDRNOTAVAIL, EINVAL, ENXIO, IN6_IFF_ANYCAST, IN6_IFF_AUTOCONF, IN6_IFF_DEPRECATED, IN6_IFF_DETACHED, IN6_IFF_DUPLICATED, IN6_IFF_PREFER_SOURCE, IN6_IFF_TEMPORARY,
  IN6_IFF_TENTATIVE, In6Ifaddr, ND6_INFINITE_LIFETIME, in6Aifaddr, in6Difaddr,
} from '@netloom/core';
import type { Errno, Ifnet } from '@netloom/core';
import { ip6Format, ip6IsLoopback, ip6NeedsZone, ip6Parse, ip6ParseScoped, ip6Plain, ip6ZoneOf } from '@netloom/core/wire';
import { request } from './if-request.js';
import { INET6_WORDS, setPrefixlen } from './inet6-words.js';
import type { AddressFamily, AddressRole, Command, Inet6Word, Invocation } from './invocation.js';
import { ND6_WORDS, nd6Status } from './nd6-words.js';
import { setInet6Tunnel } from './tunnel.js';

const DEFAULT_PLEN = 64;
const US_PER_SEC = 1_000_000;

/** Words an address's flags are shown by, in their order. */
const ADDR_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [IN6_IFF_ANYCAST, 'anycast'], [IN6_IFF_TENTATIVE, 'tentative'], [IN6_IFF_DUPLICATED, 'duplicated'], [IN6_IFF_DETACHED, 'detached'], [IN6_IFF_DEPRECATED, 'deprecated'],
  [IN6_IFF_AUTOCONF, 'autoconf'], [IN6_IFF_TEMPORARY, 'temporary'], [IN6_IFF_PREFER_SOURCE, 'prefer_source'],
];

export const INET6_COMMANDS: readonly Command[] = [...INET6_WORDS, ...ND6_WORDS];

/** IPv6 addresses of an interface, in order of addition. */
export function inet6Addrs(ifp: Ifnet): In6Ifaddr[] {
  return ifp.addrs.filter((ifa): ifa is In6Ifaddr => ifa instanceof In6Ifaddr);
}

/** Flags as they are now: an address whose preferred time is over is deprecated, whether or not a timer has said so. */
export function inet6FlagNames(ia: In6Ifaddr, now: number): string[] {
  const flags = ia.isDeprecated(now) ? ia.flags | IN6_IFF_DEPRECATED : ia.flags;
  return ADDR_FLAG_NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

/** Seconds that are left, or null for ever. */
export function inet6Left(ia: In6Ifaddr, lifetime: number, now: number): number | null {
  return lifetime === ND6_INFINITE_LIFETIME ? null : Math.max(0, Math.floor((ia.updatedAt + lifetime * US_PER_SEC - now) / US_PER_SEC));
}

/** An address in zoned form as people read it. */
function zonedText(cx: Invocation, addr: Uint8Array, ifp: Ifnet): string {
  const format = cx.args.format.get('addr');
  if ((format === 'fqdn' || format === 'host') && ip6IsLoopback(addr)) return 'localhost';
  return inet6Text(addr, ifp);
}

export function inet6Text(addr: Uint8Array, ifp: Ifnet): string {
  return ip6Format(ip6Plain(addr)) + (ip6NeedsZone(addr) ? `%${ifp.xname}` : '');
}

function lifetimesText(ia: In6Ifaddr, now: number): string {
  const { pltime, vltime } = ia;
  if (pltime === ND6_INFINITE_LIFETIME && vltime === ND6_INFINITE_LIFETIME) return '';
  return ` pltime ${inet6Left(ia, pltime, now) ?? 'infty'} vltime ${inet6Left(ia, vltime, now) ?? 'infty'}`;
}

function addressStatus(cx: Invocation, ifp: Ifnet): void {
  const { now } = cx.net.kern.engine;
  for (const ia of inet6Addrs(ifp)) {
    let line = `\tinet6 ${zonedText(cx, ia.addr, ifp)}`;
    if (ia.dstaddr !== null) line += ` --> ${inet6Text(ia.dstaddr, ifp)}`;
    line += cx.args.format.get('inet6') === 'cidr' ? `/${ia.plen}` : ` prefixlen ${ia.plen}`;
    for (const name of inet6FlagNames(ia, now)) line += ` ${name}`;
    const zone = ip6ZoneOf(ia.addr);
    if (zone !== 0) line += ` scopeid 0x${zone.toString(16)}`;
    line += lifetimesText(ia, now);
    if (ia.vhid !== 0) line += ` vhid ${ia.vhid}`;
    cx.out(`${line}\n`);
  }
}

/** An address word; leaves with `x: bad value` when it is none, or when its zone is another link. */
function parseInet6(cx: Invocation, text: string): Uint8Array {
  const scoped = text === 'localhost' ? { addr: ip6Parse('::1') as Uint8Array, zone: '' } : ip6ParseScoped(text);
  if (scoped === null) return cx.errx(`${text}: bad value`);
  const { addr, zone } = scoped;
  if (zone === '' || zone === cx.ifname || Number(zone) === cx.ifp?.index) return addr;
  return cx.errx(`${text}: bad value`);
}

function getaddr(cx: Invocation, text: string, role: AddressRole): void {
  const { inet6 } = cx;
  if (role === 'mask') return setPrefixlen(cx, text);
  if (role === 'brdaddr') return cx.errx(`broadcast: not allowed for the AF`);
  const target: Inet6Word = role === 'ridaddr' ? inet6.del : role === 'addr' ? inet6.add : inet6.dst;
  const slash = role === 'dstaddr' ? -1 : text.lastIndexOf('/');
  if (slash >= 0) setPrefixlen(cx, text.slice(slash + 1));
  target.addr = parseInet6(cx, slash < 0 ? text : text.slice(0, slash));
  target.set = true;
}

/** `A … delete` names the address to remove; without `alias` it is the one to be set. */
function remove(cx: Invocation): Errno {
  const { add, del } = cx.inet6;
  const target = del.set ? del : add;
  if (cx.ifp === null) return ENXIO;
  return target.set ? request(cx, (ifp) => in6Difaddr(cx.vnet.in6Net, ifp, target.addr)) : EADDRNOTAVAIL;
}

function add(cx: Invocation): Errno {
  const { add: given, dst, plen, flags, pltime, vltime } = cx.inet6;
  if (!given.set) return EINVAL;
  return request(cx, (ifp) => in6Aifaddr(cx.vnet.in6Net, ifp, {
    addr: given.addr, plen: plen ?? DEFAULT_PLEN, flags, pltime, vltime, ...(dst.set ? { dstaddr: dst.addr } : {}), ...(cx.carp === null ? {} : { vhid: cx.carp.vhid }),
  }));
}

export const AF_INET6_FAMILY: AddressFamily = {
  name: 'inet6',
  af: AF_INET6,
  hasVhids: true,
  lists: (ifp) => inet6Addrs(ifp).length > 0,
  status: (cx, ifp) => {
    addressStatus(cx, ifp);
    if (cx.args.family !== null) nd6Status(cx, ifp);
  },
  getaddr,
  copyaddr: (cx) => Object.assign(cx.inet6.del, cx.inet6.add),
  remove,
  add,
  settunnel: setInet6Tunnel,
};
