/**
 * route-monitor.ts — `route monitor`: routing messages of this vnet as they come, until INT.
 * Read first: route(4), route(8).
 */
import {
  IFAN_ARRIVAL, RTM_ADD, RTM_CHANGE, RTM_DELADDR, RTM_DELETE, RTM_DELMADDR, RTM_GET, RTM_IFANNOUNCE, RTM_IFINFO, RTM_MISS, RTM_NEWADDR, RTM_NEWMADDR,
  RTM_REDIRECT,
} from '@netloom/core';
import type { RtMessage, Sockaddr, Vnet } from '@netloom/core';
import { ip4Format, macFormat } from '@netloom/core/wire';
import { flagNames } from '../netstat/route-text.js';
import type { Proc } from '../proc.js';

const TYPES: ReadonlyMap<number, string> = new Map([
  [RTM_ADD, 'RTM_ADD: Add Route'], [RTM_DELETE, 'RTM_DELETE: Delete Route'], [RTM_CHANGE, 'RTM_CHANGE: Change Metrics or flags'],
  [RTM_GET, 'RTM_GET: Report Metrics'], [RTM_REDIRECT, 'RTM_REDIRECT: Told to use different route'], [RTM_MISS, 'RTM_MISS: Lookup failed on this address'],
  [RTM_NEWADDR, 'RTM_NEWADDR: address being added to iface'], [RTM_DELADDR, 'RTM_DELADDR: address being removed from iface'],
  [RTM_IFINFO, 'RTM_IFINFO: iface status change'], [RTM_NEWMADDR, 'RTM_NEWMADDR: new multicast group membership on iface'],
  [RTM_DELMADDR, 'RTM_DELMADDR: multicast group membership removed from iface'], [RTM_IFANNOUNCE, 'RTM_IFANNOUNCE: interface arrival/departure'],
]);

export async function routeMonitor(p: Proc, vnet: Vnet): Promise<number> {
  const listener = vnet.net.rtsock?.open();
  if (listener === undefined) {
    p.err('route: the vnet is going down\n');
    return 1;
  }
  let ended = false;
  listener.onReadable = () => p.wake();
  p.atExit(() => listener.close());
  p.onSignal((signal) => {
    if (signal !== 'INT' && signal !== 'TERM') return false;
    ended = true;
    p.wake();
    return true;
  });
  while (!ended) {
    for (let m = listener.read(); m !== null; m = listener.read()) p.out(messageText(m, p.wallUs()));
    await p.flush();
    await p.sleepUs(Number.POSITIVE_INFINITY);
  }
  listener.close();
  return 0;
}

function messageText(m: RtMessage, wallUs: number): string {
  const head = `\ngot message on ${new Stamp(wallUs).text}\n${TYPES.get(m.type) ?? `type ${m.type}`}: `;
  if (m.type === RTM_IFANNOUNCE) return `${head}if# ${m.ifIndex}, name: ${m.ifName}, what: ${m.flags === IFAN_ARRIVAL ? 'arrival' : 'departure'}\n`;
  if (m.type === RTM_IFINFO) return `${head}if# ${m.ifIndex}, name: ${m.ifName}, flags:0x${m.flags.toString(16)}\n`;
  const addrs: (readonly [string, Sockaddr | null])[] = [['DST', m.dst], ['GATEWAY', m.gateway], ['NETMASK', m.netmask], ['IFA', m.ifa], ['BRD', m.broadcast]];
  const present = addrs.filter(([, a]) => a !== null);
  const middle = m.type <= RTM_MISS ? `errno ${m.errno}, flags:<${flagNames(m.flags)}>` : `if# ${m.ifIndex}, name: ${m.ifName}`;
  return `${head}${middle}\nsockaddrs: <${present.map(([n]) => n).join(',')}>\n${present.map(([, a]) => ` ${sockaddrText(a)}`).join('')}\n`;
}

function sockaddrText(a: Sockaddr | null): string {
  if (a === null) return '';
  if (a.family === 'inet') return ip4Format(a.addr);
  if (a.family === 'link') return a.lladdr.length === 6 ? `${a.name}:${macFormat(a.lladdr)}` : `link#${a.index}`;
  return [...a.addr].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/** UTC time of day of a message. */
class Stamp {
  readonly text: string;

  constructor(wallUs: number) {
    const s = Math.floor(wallUs / 1_000_000) % 86_400;
    this.text = [s / 3_600, (s % 3_600) / 60, s % 60].map((n) => String(Math.floor(n)).padStart(2, '0')).join(':');
  }
}
