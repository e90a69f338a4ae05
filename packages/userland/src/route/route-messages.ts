/**
 * route-messages.ts — routing messages in the words of `route monitor`.
 * Read first: route(4), route(8).
 *
 * The lengths printed are those of FreeBSD's structures on a 64-bit machine, so that a recorded monitor session reads the same.
 */
import {
  IFAN_ARRIVAL, IFF_ALLMULTI, IFF_BROADCAST, IFF_DEBUG, IFF_LINK0, IFF_LINK1, IFF_LINK2, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_OACTIVE,
  IFF_POINTOPOINT, IFF_PROMISC, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, LINK_STATE_DOWN, LINK_STATE_UP, RTM_ADD, RTM_CHANGE, RTM_DELADDR, RTM_DELETE,
  RTM_DELMADDR, RTM_GET, RTM_IFANNOUNCE, RTM_IFINFO, RTM_MISS, RTM_NEWADDR, RTM_NEWMADDR, RTM_REDIRECT,
} from '@netloom/core';
import type { Ifnet, RtMessage, Sockaddr, Vnet } from '@netloom/core';
import { ip4Format, ip6IsUnspecified, ip6Zoned } from '@netloom/core/wire';
import { ctimeText } from '../calendar.js';
import { hostName } from '../host-address.js';
import { hostName6, zonedText6 } from '../host-address6.js';
import { bitNames, flagNames } from '../netstat/route-text.js';

const TYPES: ReadonlyMap<number, string> = new Map([
  [RTM_ADD, 'RTM_ADD: Add Route'], [RTM_DELETE, 'RTM_DELETE: Delete Route'], [RTM_CHANGE, 'RTM_CHANGE: Change Metrics or flags'],
  [RTM_GET, 'RTM_GET: Report Metrics'], [RTM_REDIRECT, 'RTM_REDIRECT: Told to use different route'], [RTM_MISS, 'RTM_MISS: Lookup failed on this address'],
  [RTM_NEWADDR, 'RTM_NEWADDR: address being added to iface'], [RTM_DELADDR, 'RTM_DELADDR: address being removed from iface'],
  [RTM_IFINFO, 'RTM_IFINFO: iface status change'], [RTM_NEWMADDR, 'RTM_NEWMADDR: new multicast group membership on iface'],
  [RTM_DELMADDR, 'RTM_DELMADDR: multicast group membership removed from iface'], [RTM_IFANNOUNCE, 'RTM_IFANNOUNCE: interface arrival/departure'],
]);

const IF_FLAGS: readonly (readonly [number, string])[] = [
  [IFF_UP, 'UP'], [IFF_BROADCAST, 'BROADCAST'], [IFF_DEBUG, 'DEBUG'], [IFF_LOOPBACK, 'LOOPBACK'], [IFF_POINTOPOINT, 'PTP'], [0x20, 'b6'],
  [IFF_RUNNING, 'RUNNING'], [IFF_NOARP, 'NOARP'], [IFF_PROMISC, 'PPROMISC'], [IFF_ALLMULTI, 'ALLMULTI'], [IFF_OACTIVE, 'OACTIVE'],
  [IFF_SIMPLEX, 'SIMPLEX'], [IFF_LINK0, 'LINK0'], [IFF_LINK1, 'LINK1'], [IFF_LINK2, 'LINK2'], [IFF_MULTICAST, 'MULTICAST'],
];

/** Sizes of rt_msghdr, if_msghdr, ifa_msghdr, ifma_msghdr and if_announcemsghdr. */
const HEADER = { route: 152, ifinfo: 168, addr: 20, maddr: 16, announce: 24 } as const;
/** Room the addresses of a family take in a message. */
const SA_SIZE = { inet: 16, inet6: 32, link: 56 } as const;

/** How addresses are shown. */
export interface MessageStyle {
  /** -n: no names, not even 'default'. */
  readonly numeric: boolean;
  /** Whose interfaces the messages are about. */
  readonly vnet: Vnet;
}

type Named = readonly (readonly [string, Sockaddr | null])[];

/** One message with its time, as `route monitor` prints it: an empty line first. */
export function monitorText(m: RtMessage, wallUs: number, style: MessageStyle): string {
  return `\ngot message of size ${sizeOf(m, style)} on ${ctimeText(wallUs)}\n${messageText(m, style)}`;
}

export function messageText(m: RtMessage, style: MessageStyle): string {
  return `${TYPES.get(m.type) ?? `unknown type ${m.type}`}: len ${sizeOf(m, style)}, ${body(m, style)}`;
}

function kindOf(m: RtMessage): keyof typeof HEADER {
  if (m.type === RTM_IFINFO) return 'ifinfo';
  if (m.type === RTM_NEWADDR || m.type === RTM_DELADDR) return 'addr';
  if (m.type === RTM_NEWMADDR || m.type === RTM_DELMADDR) return 'maddr';
  return m.type === RTM_IFANNOUNCE ? 'announce' : 'route';
}

function sizeOf(m: RtMessage, style: MessageStyle): number {
  let size: number = HEADER[kindOf(m)];
  for (const [, a] of addressesOf(m, style)) if (a !== null) size += SA_SIZE[a.family];
  return size;
}

/** Addresses of a message, in the order of their bits. */
function addressesOf(m: RtMessage, style: MessageStyle): Named {
  const kind = kindOf(m);
  if (kind === 'ifinfo' || kind === 'announce') return [];
  if (kind === 'route') return present([['DST', m.dst], ['GATEWAY', m.gateway], ['NETMASK', m.netmask], ['AUTHOR', m.author]]);
  const ifp: Sockaddr = { family: 'link', index: m.ifIndex, name: m.ifName, lladdr: style.vnet.net.ifunit(m.ifName)?.lladdr ?? new Uint8Array(0) };
  return present([['GATEWAY', m.gateway], ['NETMASK', m.netmask], ['IFP', ifp], ['IFA', m.ifa], ['BRD', m.broadcast]]);
}

const present = (all: Named): Named => all.filter(([, a]) => a !== null);

function body(m: RtMessage, style: MessageStyle): string {
  switch (kindOf(m)) {
    case 'announce':
      return `if# ${m.ifIndex}, what: ${m.flags === IFAN_ARRIVAL ? 'arrival' : 'departure'}\n`;
    case 'ifinfo':
      return `if# ${m.ifIndex}, link: ${linkState(style.vnet.net.ifunit(m.ifName))}, flags:${bitNames(m.flags, IF_FLAGS)}\n`;
    case 'addr':
      return `metric 0, flags:${flagNames(m.flags)}${addressLines(m, style)}`;
    case 'maddr':
      return addressLines(m, style);
    default:
      return `pid: 0, seq 0, errno ${m.errno}, flags:${flagNames(m.flags)}\nlocks:  inits: ${addressLines(m, style)}`;
  }
}

function linkState(ifp: Ifnet | null): string {
  return ifp?.linkState === LINK_STATE_UP ? 'up' : ifp?.linkState === LINK_STATE_DOWN ? 'down' : 'unknown';
}

function addressLines(m: RtMessage, style: MessageStyle): string {
  const addresses = addressesOf(m, style);
  if (addresses.length === 0) return '\n';
  const names = addresses.map(([name]) => name).join(',');
  return `\nsockaddrs: <${names}>\n${addresses.map(([, a]) => ` ${sockaddrText(a, style)}`).join('')}\n`;
}

function sockaddrText(a: Sockaddr | null, style: MessageStyle): string {
  if (a === null) return '';
  if (a.family === 'inet') return routeName(a.addr, style);
  if (a.family === 'inet6') return routeName(ip6Zoned(a.addr, a.scopeId), style);
  if (a.name === '' || a.lladdr.length === 0) return a.name === '' || a.index !== 0 ? `link#${a.index}` : a.name;
  return `${a.name}:${[...a.lladdr].map((b) => b.toString(16)).join('.')}`;
}

/** An address, IPv6 in zoned form, as route shows it. */
export function routeName(addr: number | Uint8Array, style: MessageStyle): string {
  if (typeof addr === 'number') {
    if (style.numeric) return ip4Format(addr);
    return addr === 0 ? 'default' : (hostName(addr) ?? ip4Format(addr));
  }
  if (style.numeric) return zonedText6(style.vnet, addr);
  return ip6IsUnspecified(addr) ? 'default' : (hostName6({ addr, scopeId: 0 }) ?? zonedText6(style.vnet, addr));
}
