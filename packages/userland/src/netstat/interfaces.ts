/**
 * interfaces.ts — `netstat -i`, `-I IF`: what went through the interfaces since they were made.
 * Read first: netstat(1).
 *
 * A line for each interface's link and for each of its addresses. Packets are counted by the link; an address shows `-`, because the stack does not count by
 * address. Widths follow the largest value, as FreeBSD's do.
 */
import type { IfAddr6, Ifnet, Vnet } from '@netloom/core';
import { IFT_ETHER, IFT_IEEE8023ADLAG, InIfaddr, ifCounters, isIfAddr6 } from '@netloom/core';
import { ip4Format, ip4IsMulticast, ip6MaskOf, ip6Plain, ip6ZoneOf, ip6Zoned, macFormat } from '@netloom/core/wire';
import { hostName } from '../host-address.js';
import { hostName6, zonedText6 } from '../host-address6.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { humanize, left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

/** One line of the table: an interface's link, or one of its addresses. */
interface Row {
  readonly ifp: Ifnet;
  readonly link: boolean;
  readonly network: string;
  readonly address: string;
  /** Multicast addresses of the same family (-a). */
  readonly groups: readonly string[];
}

/** The network of an address, with the address's zone. */
function networkOf(ia: IfAddr6): Uint8Array {
  const mask = ip6MaskOf(ia.plen);
  return ip6Zoned(ip6Plain(ia.addr).map((byte, i) => byte & (mask[i] as number)), ip6ZoneOf(ia.addr));
}

function rowsOf(vnet: Vnet, ifp: Ifnet, o: NetstatOptions): Row[] {
  const rows: Row[] = [];
  if (o.family === 'any' || o.family === 'link') {
    const groups = ifp.type === IFT_ETHER || ifp.type === IFT_IEEE8023ADLAG ? ifp.multiaddrs.map((ma) => macFormat(ma.mac)) : [];
    rows.push({ ifp, link: true, network: `<Link#${ifp.index}>`, address: ifp.lladdr.length === 6 ? macFormat(ifp.lladdr) : ifp.xname, groups });
  }
  const own = o.family === 'any' || o.family === 'inet' || o.family === 'inet6' ? ifp.addrs : [];
  const groups4 = [...(vnet.inNet?.ifinfo(ifp)?.groups.keys() ?? [])].filter(ip4IsMulticast).map(ip4Format);
  const groups6 = (vnet.in6Net?.ifinfo(ifp)?.groups ?? []).map((group) => zonedText6(vnet, group.addr));
  for (const ia of own) {
    if (ia instanceof InIfaddr && o.family !== 'inet6') {
      const address = (o.numericAddr ? null : hostName(ia.addr)) ?? ip4Format(ia.addr);
      rows.push({ ifp, link: false, network: `${ip4Format(ia.subnet)}/${ia.plen}`, address, groups: groups4 });
    } else if (isIfAddr6(ia) && o.family !== 'inet') {
      const address = (o.numericAddr ? null : hostName6({ addr: ia.addr, scopeId: 0 })) ?? zonedText6(vnet, ia.addr);
      rows.push({ ifp, link: false, network: `${zonedText6(vnet, networkOf(ia))}/${ia.plen}`, address, groups: groups6 });
    }
  }
  return rows;
}

export function netstatInterfaces(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const chosen = vnet.net.ifnets.filter((ifp) => o.interfaceName === null || ifp.xname === o.interfaceName);
  const rows = chosen.flatMap((ifp) => rowsOf(vnet, ifp, o));
  if (o.json !== 'none') {
    p.out(jsonText({ statistics: { interface: rows.map((row) => rowJson(row, o)) } }, o.json));
    return 0;
  }
  const width = widths(rows, o);
  const lines = [headLine(width, o)];
  for (const row of rows) {
    lines.push(rowLine(row, width, o));
    if (o.all) lines.push(...row.groups.map((group) => groupLine(row, group, o)));
  }
  p.out(`${lines.join('\n')}\n`);
  return 0;
}

interface Widths {
  readonly name: number;
  readonly net: number;
  readonly addr: number;
  readonly packets: number;
  readonly bytes: number;
  readonly errors: number;
}

const nameOf = (ifp: Ifnet): string => (ifp.isUp ? ifp.xname : `${ifp.xname}*`);

/** Columns a number takes with its space, as netstat reckons: ten and less are one digit. */
function numberWidth(n: number): number {
  let width = 2;
  for (let rest = n; rest > 10; rest = Math.floor(rest / 10)) width++;
  return width;
}

function widths(rows: readonly Row[], o: NetstatOptions): Widths {
  const most = (from: number, of: (r: Row) => number): number => rows.reduce((n, r) => Math.max(n, of(r)), from);
  const digits = (r: Row, ...n: number[]): number => (o.human || !r.link ? 0 : Math.max(...n.map(numberWidth)));
  return {
    name: most(5, (r) => nameOf(r.ifp).length),
    net: most('Network '.length, (r) => r.network.length),
    addr: most('Address '.length, (r) => r.address.length),
    packets: most(8, (r) => digits(r, ifCounters(r.ifp).ipackets, ifCounters(r.ifp).opackets)),
    bytes: most(10, (r) => (o.bytes ? digits(r, ifCounters(r.ifp).ibytes, ifCounters(r.ifp).obytes) : 0)),
    errors: most(5, (r) => digits(r, ifCounters(r.ifp).ierrors, ifCounters(r.ifp).iqdrops, ifCounters(r.ifp).collisions, o.drops ? ifCounters(r.ifp).oqdrops : 0)),
  };
}

function headLine(w: Widths, o: NetstatOptions): string {
  const parts = [
    `${left('Name', w.name)} ${right('Mtu', 5)} ${left('Network', w.net)}  ${left('Address', w.addr)} ${right('Ipkts', w.packets)}`,
    right('Ierrs', w.errors), right('Idrop', w.errors),
  ];
  if (o.bytes) parts.push(right('Ibytes', w.bytes));
  parts.push(right('Opkts', w.packets), right('Oerrs', w.errors));
  if (o.bytes) parts.push(right('Obytes', w.bytes));
  parts.push(rightWide('Coll', w.errors));
  if (o.drops) parts.push(right('Drop', w.errors));
  return parts.join(' ');
}

function rowLine(row: Row, w: Widths, o: NetstatOptions): string {
  const { ifp, link } = row;
  const d = ifCounters(ifp);
  const cell = (n: number, width: number, divisor: 1000 | 1024 = 1000): string => rightWide(!link ? '-' : o.human ? humanize(n, divisor) : n, width);
  const parts = [
    `${left(nameOf(ifp), w.name)}${cell(ifp.mtu, 6, 1024)} ${leftWide(row.network, w.net)}  ${leftWide(row.address, w.addr)} ${cell(d.ipackets, w.packets)}`,
    cell(d.ierrors, w.errors), cell(d.iqdrops, w.errors),
  ];
  if (o.bytes) parts.push(cell(d.ibytes, w.bytes, 1024));
  parts.push(cell(d.opackets, w.packets), cell(d.oerrors, w.errors));
  if (o.bytes) parts.push(cell(d.obytes, w.bytes, 1024));
  parts.push(cell(d.collisions, w.errors));
  if (o.drops) parts.push(cell(d.oqdrops, w.errors));
  return parts.join(' ');
}

/** A multicast address below the line of its family; the link's with what the interface received and sent by multicast. */
function groupLine(row: Row, group: string, o: NetstatOptions): string {
  const { imcasts, omcasts } = ifCounters(row.ifp);
  const address = `${' '.repeat(o.wide ? 28 : 26)}${o.wide ? leftWide(group, 17) : left(group, 17)}`;
  return row.link ? `${address} ${rightWide(imcasts, 8)}${' '.repeat(o.bytes ? 17 : 6)} ${rightWide(omcasts, 8)}` : address;
}

function rowJson(row: Row, o: NetstatOptions): object {
  const { ifp, link, network, address } = row;
  const d = ifCounters(ifp);
  const packets = {
    'received-packets': d.ipackets, 'received-errors': d.ierrors, 'dropped-packets': d.iqdrops, 'received-bytes': d.ibytes, 'sent-packets': d.opackets,
    'send-errors': d.oerrors, 'sent-bytes': d.obytes, collisions: d.collisions, 'output-drops': d.oqdrops,
  };
  const multicast = o.all ? { 'multicast-address': row.groups.map((group) => ({ address: group })) } : {};
  return { name: ifp.xname, flags: `0x${ifp.flags.toString(16)}`, ...(link ? { mtu: ifp.mtu } : {}), network, address, ...(link ? packets : {}), ...multicast };
}
