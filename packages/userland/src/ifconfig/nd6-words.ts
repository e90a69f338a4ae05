/**
 * nd6-words.ts — neighbour discovery's words about an interface: `accept_rtadv`, `ifdisabled`, `auto_linklocal` …, and the `nd6 options` line.
 * Read first: ifconfig(8) "inet6", ndp(8) -i.
 *
 * They act at once, and a refusal is a warning that does not fail ifconfig, as in FreeBSD. `stableaddr` is FreeBSD 15's. `ipv6_only` is not built in FreeBSD 14's
 * GENERIC and not here.
 */
import {
  EAFNOSUPPORT, ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD, ND6_IFF_NO_PREFER_IFACE, ND6_IFF_NO_RADR, ND6_IFF_PERFORMNUD,
  ND6_IFF_STABLEADDR, nd6SetFlags,
} from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { bitList } from './capabilities.js';
import { request } from './if-request.js';
import { word } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** Names of ND6_IFF_* by bit; the last one is where ifconfig shows the default interface. */
export const ND6_FLAG_NAMES: readonly string[] = [
  'PERFORMNUD', 'ACCEPT_RTADV', 'PREFER_SOURCE', 'IFDISABLED', 'DONT_SET_IFROUTE', 'AUTO_LINKLOCAL', 'NO_RADR', 'NO_PREFER_IFACE', 'NO_DAD', 'IPV6_ONLY', 'IPV6_ONLY_MANUAL', 'STABLEADDR',
  '', '', '', 'DEFAULTIF',
];
const DEFAULTIF = 0x8000;

function flagWords(name: string, flag: number): Command[] {
  const set = (on: boolean) => (cx: Invocation): void => {
    const error = request(cx, (ifp) => {
      const ii = cx.vnet.in6Net.ifinfo(ifp);
      return ii === null ? EAFNOSUPPORT : nd6SetFlags(cx.vnet.in6Net, ifp, on ? ii.ndFlags | flag : ii.ndFlags & ~flag);
    });
    if (error !== 0) cx.warn('ioctl(SIOCSIFINFO_IN6)', error);
  };
  return [word(name, set(true)), word(`-${name}`, set(false))];
}

function setDefaultIf(on: boolean): (cx: Invocation) => void {
  return (cx) => {
    const { in6Net } = cx.vnet;
    const error = request(cx, (ifp) => {
      if (on) in6Net.defaultIfindex = ifp.index;
      else if (in6Net.defaultIfindex === ifp.index) in6Net.defaultIfindex = 0;
      return 0;
    });
    if (error !== 0) cx.warn('ioctl(SIOCSDEFIFACE_IN6)', error);
  };
}

export const ND6_WORDS: readonly Command[] = [
  ...flagWords('accept_rtadv', ND6_IFF_ACCEPT_RTADV),
  ...flagWords('no_radr', ND6_IFF_NO_RADR),
  ...flagWords('ifdisabled', ND6_IFF_IFDISABLED),
  ...flagWords('nud', ND6_IFF_PERFORMNUD),
  ...flagWords('auto_linklocal', ND6_IFF_AUTO_LINKLOCAL),
  ...flagWords('no_prefer_iface', ND6_IFF_NO_PREFER_IFACE),
  ...flagWords('no_dad', ND6_IFF_NO_DAD),
  ...flagWords('stableaddr', ND6_IFF_STABLEADDR),
  word('defaultif', setDefaultIf(true)),
  word('-defaultif', setDefaultIf(false)),
];

/** ND6_IFF_* with the bit of the default interface; 0 where there is no IPv6. */
export function nd6Options(cx: Invocation, ifp: Ifnet): number {
  const { in6Net } = cx.vnet;
  const flags = in6Net.ifinfo(ifp)?.ndFlags ?? 0;
  return in6Net.defaultIfindex === ifp.index ? flags | DEFAULTIF : flags;
}

export function nd6Status(cx: Invocation, ifp: Ifnet): void {
  const options = nd6Options(cx, ifp);
  if (options !== 0) cx.out(`\tnd6 options=${options.toString(16)}${bitList(options, ND6_FLAG_NAMES, 'ND6')}\n`);
}
