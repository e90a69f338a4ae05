/**
 * link-show.ts — ip link show: interfaces as iproute2 prints them, as text and as JSON.
 * Read first: iproute2's `ip/ipaddress.c` (print_linkinfo).
 */
import {
  IFF_ALLMULTI, IFF_BROADCAST, IFF_DEBUG, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT, IFF_PROMISC, IFF_RUNNING, IFF_UP, LINK_STATE_DOWN, LINK_STATE_UP, ifCounters, ifTxqueuelen,
  qdiscList,
} from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { macFormat } from '@netloom/core/wire';
import { printJson } from '../tc/tc-context.js';
import type { TcContext } from '../tc/tc-context.js';

export type LinkContext = TcContext;

const FLAGS: readonly (readonly [flag: number, name: string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'], [IFF_BROADCAST, 'BROADCAST'], [IFF_POINTOPOINT, 'POINTOPOINT'], [IFF_MULTICAST, 'MULTICAST'], [IFF_NOARP, 'NOARP'], [IFF_ALLMULTI, 'ALLMULTI'],
  [IFF_PROMISC, 'PROMISC'], [IFF_DEBUG, 'DEBUG'], [IFF_UP, 'UP'],
];

const STATES: Readonly<Record<number, string>> = { [LINK_STATE_UP]: 'UP', [LINK_STATE_DOWN]: 'DOWN' };

function flagsOf(ifp: Ifnet): string[] {
  const carrier = (ifp.flags & IFF_RUNNING) !== 0;
  const names = FLAGS.filter(([flag]) => (ifp.flags & flag) !== 0).map(([, name]) => name);
  if (ifp.isUp) return carrier ? [...names, 'LOWER_UP'] : ['NO-CARRIER', ...names];
  return names;
}

function stateOf(ifp: Ifnet): string {
  return ifp.isUp ? (STATES[ifp.linkState] ?? 'UNKNOWN') : 'DOWN';
}

function linkType(ifp: Ifnet): string {
  return (ifp.flags & IFF_LOOPBACK) !== 0 ? 'loopback' : ifp.lladdr.length > 0 ? 'ether' : 'none';
}

function addresses(ifp: Ifnet): { readonly address: string; readonly broadcast: string } | null {
  if ((ifp.flags & IFF_LOOPBACK) !== 0) return { address: '00:00:00:00:00:00', broadcast: '00:00:00:00:00:00' };
  return ifp.lladdr.length === 0 ? null : { address: macFormat(ifp.lladdr), broadcast: 'ff:ff:ff:ff:ff:ff' };
}

export function showLinks(cx: LinkContext, list: readonly Ifnet[]): void {
  if (cx.json) printJson(cx, list.map((ifp) => linkJson(cx, ifp)));
  else for (const ifp of list) cx.p.out(linkText(cx, ifp));
}

function linkText({ stats }: LinkContext, ifp: Ifnet): string {
  const link = addresses(ifp);
  const address = link === null ? '' : `${link.address} brd ${link.broadcast}`;
  const alias = ifp.description === null ? '' : `    alias ${ifp.description}\n`;
  return `${ifp.index}: ${ifp.xname}: <${flagsOf(ifp).join(',')}> mtu ${ifp.mtu} qdisc ${qdiscList(ifp)[0]!.kind} state ${stateOf(ifp)} mode DEFAULT group default qlen ${ifTxqueuelen(ifp)}\n`
    + `    link/${linkType(ifp)} ${address}\n${alias}${stats ? counters(ifp) : ''}`;
}

function counters(ifp: Ifnet): string {
  const d = ifCounters(ifp);
  const row = (...cells: (string | number)[]): string => `    ${cells.map((cell) => String(cell).padStart(8)).join(' ')}\n`;
  return `    RX:${row('bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast').slice(7)}${row(d.ibytes, d.ipackets, d.ierrors, d.iqdrops, 0, d.imcasts)}`
    + `    TX:${row('bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns').slice(7)}${row(d.obytes, d.opackets, d.oerrors, d.oqdrops, 0, d.collisions)}`;
}

function linkJson({ stats }: LinkContext, ifp: Ifnet): object {
  const d = ifCounters(ifp);
  return {
    ifindex: ifp.index, ifname: ifp.xname, flags: flagsOf(ifp), mtu: ifp.mtu, qdisc: qdiscList(ifp)[0]!.kind, operstate: stateOf(ifp), linkmode: 'DEFAULT', group: 'default', txqlen: ifTxqueuelen(ifp),
    link_type: linkType(ifp), ...addresses(ifp), ...(ifp.description === null ? {} : { ifalias: ifp.description }),
    ...(stats ? {
      stats64: {
        rx: { bytes: d.ibytes, packets: d.ipackets, errors: d.ierrors, dropped: d.iqdrops, over_errors: 0, multicast: d.imcasts },
        tx: { bytes: d.obytes, packets: d.opackets, errors: d.oerrors, dropped: d.oqdrops, carrier_errors: 0, collisions: d.collisions },
      },
    } : {}),
  };
}
