/**
 * interfaces.ts — `netstat -i`, `-I IF`, `-w SECONDS`: what went through the interfaces.
 * Read first: netstat(1).
 */
import type { Ifnet, Vnet } from '@netloom/core';
import { InIfaddr } from '@netloom/core';
import { ip4Format, macFormat } from '@netloom/core/wire';
import type { Proc } from '../proc.js';
import { human, left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

/** One line of the table: an interface's link, or one of its addresses. */
interface Row {
  readonly ifp: Ifnet;
  readonly link: boolean;
  readonly network: string;
  readonly address: string;
}

function rowsOf(ifp: Ifnet, o: NetstatOptions): Row[] {
  const rows: Row[] = [];
  if (o.family === 'any' || o.family === 'link') {
    rows.push({ ifp, link: true, network: `<Link#${ifp.index}>`, address: ifp.lladdr.length === 6 ? macFormat(ifp.lladdr) : ifp.xname });
  }
  if (o.family === 'any' || o.family === 'inet') {
    for (const ia of ifp.addrs) {
      if (ia instanceof InIfaddr) rows.push({ ifp, link: false, network: `${ip4Format(ia.addr & ia.mask)}/${ia.plen}`, address: ip4Format(ia.addr) });
    }
  }
  return rows;
}

/** EX 1 with netstat's silence for an interface that is not there is FreeBSD's way; here it is said. */
export function netstatInterfaces(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const chosen = vnet.net.ifnets.filter((ifp) => o.interfaceName === null || ifp.xname === o.interfaceName);
  if (o.interfaceName !== null && chosen.length === 0) {
    p.err(`netstat: interface ${o.interfaceName} does not exist\n`);
    return 1;
  }
  if (o.json) {
    p.out(`${JSON.stringify(chosen.map(interfaceJson), null, 2)}\n`);
    return 0;
  }
  const rows = chosen.flatMap((ifp) => rowsOf(ifp, o));
  const width = widths(rows, o);
  p.out(`${headLine(width, o)}\n`);
  for (const row of rows) p.out(`${rowLine(row, width, o)}\n`);
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

function widths(rows: readonly Row[], o: NetstatOptions): Widths {
  const most = (from: number, of: (r: Row) => number): number => rows.reduce((n, r) => Math.max(n, of(r)), from);
  const digits = (...n: number[]): number => (o.human ? 0 : Math.max(...n.map((v) => String(v).length)));
  return {
    name: most(5, (r) => nameOf(r.ifp).length),
    net: most('Network '.length, (r) => r.network.length),
    addr: most('Address '.length, (r) => r.address.length),
    packets: most(8, ({ ifp: { data } }) => digits(data.ipackets, data.opackets)),
    bytes: most(10, ({ ifp: { data } }) => digits(data.ibytes, data.obytes)),
    errors: most(5, ({ ifp: { data } }) => digits(data.ierrors, data.iqdrops, data.collisions, data.oqdrops)),
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
  const d = ifp.data;
  const cell = (n: number, width: number): string => (link ? rightWide(o.human ? human(n) : n, width) : rightWide('-', width));
  const mtu = link ? rightWide(ifp.mtu, 6) : rightWide('-', 6);
  const parts = [
    `${left(nameOf(ifp), w.name)}${mtu} ${leftWide(row.network, w.net)}  ${leftWide(row.address, w.addr)} ${cell(d.ipackets, w.packets)}`,
    cell(d.ierrors, w.errors), cell(d.iqdrops, w.errors),
  ];
  if (o.bytes) parts.push(cell(d.ibytes, w.bytes));
  parts.push(cell(d.opackets, w.packets), cell(d.oerrors, w.errors));
  if (o.bytes) parts.push(cell(d.obytes, w.bytes));
  parts.push(cell(d.collisions, w.errors));
  if (o.drops) parts.push(cell(d.oqdrops, w.errors));
  return parts.join(' ');
}

function interfaceJson(ifp: Ifnet): object {
  return { name: ifp.xname, index: ifp.index, mtu: ifp.mtu, up: ifp.isUp, address: ifp.lladdr.length === 6 ? macFormat(ifp.lladdr) : null, ...ifp.data };
}

interface Totals {
  readonly ipackets: number;
  readonly ierrors: number;
  readonly iqdrops: number;
  readonly ibytes: number;
  readonly opackets: number;
  readonly oerrors: number;
  readonly obytes: number;
  readonly collisions: number;
}

function totals(vnet: Vnet, name: string | null): Totals {
  const sum = { ipackets: 0, ierrors: 0, iqdrops: 0, ibytes: 0, opackets: 0, oerrors: 0, obytes: 0, collisions: 0 };
  for (const { xname, data } of vnet.net.ifnets) {
    if (name !== null && xname !== name) continue;
    sum.ipackets += data.ipackets;
    sum.ierrors += data.ierrors;
    sum.iqdrops += data.iqdrops;
    sum.ibytes += data.ibytes;
    sum.opackets += data.opackets;
    sum.oerrors += data.oerrors;
    sum.obytes += data.obytes;
    sum.collisions += data.collisions;
  }
  return sum;
}

/** `netstat -w N [-I IF] [-q N]`: differences every N seconds until the end or INT. */
export async function netstatWatch(p: Proc, vnet: Vnet, o: NetstatOptions): Promise<number> {
  const title = `${right(o.interfaceName ?? '(Total)', 13)}`;
  let before = totals(vnet, o.interfaceName);
  let ended = false;
  p.onSignal((signal) => {
    if (signal !== 'INT' && signal !== 'TERM') return false;
    ended = true;
    p.wake();
    return true;
  });
  for (let n = 0; !ended && (o.outputs === 0 || n <= o.outputs); n++) {
    if (n % 20 === 0) {
      p.out(`${rightWide('input', 17)}  ${title}${rightWide('output', 14)}\n`);
      p.out(`${rightWide('packets', 10)} ${rightWide('errs', 5)} ${rightWide('idrops', 5)} ${rightWide('bytes', 10)} ${rightWide('packets', 10)} ${rightWide('errs', 5)} ${rightWide('bytes', 10)} ${rightWide('colls', 5)}\n`);
    }
    await p.flush();
    await p.sleepUs(o.intervalSec * 1_000_000);
    if (ended) break;
    const now = totals(vnet, o.interfaceName);
    const cell = (key: keyof Totals, width: number): string => rightWide(o.human ? human(now[key] - before[key]) : now[key] - before[key], width);
    p.out(`${cell('ipackets', 10)} ${cell('ierrors', 5)} ${cell('iqdrops', 5)} ${cell('ibytes', 10)} ${cell('opackets', 10)} ${cell('oerrors', 5)} ${cell('obytes', 10)} ${cell('collisions', 5)}\n`);
    before = now;
  }
  return 0;
}
