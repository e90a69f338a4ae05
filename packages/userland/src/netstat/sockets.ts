/**
 * sockets.ts — `netstat`, `-a`, `-p PROTOCOL`, `-L`: the ends of conversations in this vnet, the youngest first.
 * Read first: netstat(1); freebsd `usr.bin/netstat/inet.c` (protopr); pcblist.ts.
 *
 * A listener, and a socket without a local address, is shown with `-a` only. One of both families (udp46) is shown as IPv4's, and a link-local address with
 * its zone as far as there is room. Which columns follow the protocol's name, and which the addresses, the letters choose (socket-columns.ts).
 * Not here: control blocks' addresses.
 */
import type { Vnet } from '@netloom/core';
import { StreamSocket, TCPS_LISTEN } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { address6Text, hostName6 } from '../host-address6.js';
import { hostName } from '../host-address.js';
import { jsonText } from '../libxo.js';
import { PCB_PROTOCOLS, ccName, isAny, pcbList } from '../pcblist.js';
import type { PcbEnd, Xinpcb } from '../pcblist.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { left, leftWide } from './columns.js';
import type { NetstatOptions } from './options.js';
import { columnsAfter, columnsBefore, columnsJson, titlesAfter, titlesBefore } from './socket-columns.js';
import type { TcpWidths } from './socket-columns.js';

export function hasSockets(protocol: string): boolean {
  return (PCB_PROTOCOLS as readonly string[]).includes(protocol);
}

export function netstatSockets(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const rows = PCB_PROTOCOLS.filter((name) => o.protocol === null || o.protocol === name).flatMap((name) => pcbList(vnet, name).filter((x) => isShown(x, o)));
  const listed = rows.filter((x) => !o.listen || (x.so instanceof StreamSocket && x.so.acceptQueue.limit > 0));
  const width = tcpWidths(rows);
  if (o.json !== 'none') {
    p.out(jsonText({ statistics: { socket: listed.map((x) => socketJson(vnet, x, o, width)) } }, o.json));
    return 0;
  }
  // The title is there when there was something to look at, whether it has a listen queue or not.
  if (rows.length === 0) return 0;
  p.out(o.listen ? 'Current listen queue sizes (qlen/incqlen/maxqlen)\n' : `Active Internet connections${o.all ? ' (including servers)' : ''}\n`);
  p.out(`${header(o, width)}\n`);
  for (const x of listed) p.out(`${line(vnet, x, o, width)}\n`);
  return 0;
}

function isShown(x: Xinpcb, o: NetstatOptions): boolean {
  if (o.family !== 'any' && !(o.family === 'inet' && x.v4) && !(o.family === 'inet6' && x.v6)) return false;
  return o.all || !(isAny(x.local.addr) || x.state === TCPS_LISTEN);
}

/** Columns that are as wide as what is in them. */
function tcpWidths(rows: readonly Xinpcb[]): TcpWidths {
  return { cc: Math.max(2, ...rows.map((x) => ccName(x).length)) };
}

const addressWidth = (o: NetstatOptions): number => (o.wide && o.family !== 'inet' ? 45 : 22);

function header(o: NetstatOptions, width: TcpWidths): string {
  const local = left('Local Address', addressWidth(o));
  const start = `${left('Proto', 5)} ${titlesBefore(o)} ${local}`;
  if (o.listen) return `${start}${titlesAfter(o, width)}`;
  return `${start} ${o.tcpInfo ? 'Foreign Address' : left('Foreign Address', addressWidth(o))}${titlesAfter(o, width)}`;
}

const version = (x: Xinpcb): string => `${x.v4 ? '4' : ''}${x.v6 ? '6' : ''}`;

/** 'udp4 ', 'ip 4 ', 'udp46': three letters of the protocol and its IP versions. */
const protoField = (x: Xinpcb): string => `${left(x.protocol, 3)}${left(version(x), 2)}`;

function line(vnet: Vnet, x: Xinpcb, o: NetstatOptions, width: TcpWidths): string {
  const ends = namedEnds(vnet, x, o);
  const foreign = o.listen ? '' : `${endField(ends.foreign, x, o)} `;
  return `${protoField(x)} ${columnsBefore(x, o)} ${endField(ends.local, x, o)} ${foreign}${columnsAfter(x, o, width)}`;
}

interface End {
  readonly address: string;
  readonly port: string;
}

/**
 * Both ends in words. The port of a client means nothing, so it has no name, and neither has the far port of a server: unless both are the same. A client is
 * who has a port out of the range that nobody asks for.
 */
function namedEnds(vnet: Vnet, x: Xinpcb, o: NetstatOptions): { readonly local: End; readonly foreign: End } {
  const { first, last } = vnet.udp?.range ?? { first: 0, last: 0 };
  const isClient = x.local.port >= first && x.local.port <= last;
  const isFarNamed = isClient || x.local.port === x.foreign.port;
  return {
    local: endOf(vnet, x.local, !o.numericPort && !isClient, o),
    foreign: endOf(vnet, x.foreign, !o.numericPort && isFarNamed, o),
  };
}

function endOf(vnet: Vnet, { addr, port }: PcbEnd, named: boolean, o: NetstatOptions): End {
  const portText = port === 0 ? '*' : ((named ? serviceName(port) : null) ?? String(port));
  if (isAny(addr)) return { address: '*', port: portText };
  if (typeof addr === 'number') return { address: (o.numericAddr ? null : hostName(addr)) ?? ip4Format(addr), port: portText };
  return { address: (o.numericAddr ? null : hostName6(addr)) ?? address6Text(vnet, addr), port: portText };
}

const ADDRESS_MAX = 16;
const ADDRESS_WIDE_MAX = 39;

function endField(end: End, x: Xinpcb, o: NetstatOptions): string {
  if (!o.wide) return left(`${end.address.slice(0, ADDRESS_MAX)}.${end.port}`, 22);
  if (x.v4) return leftWide(`${end.address}.${end.port} `, addressWidth(o));
  return left(`${end.address.slice(0, ADDRESS_WIDE_MAX)}.${end.port}`, 45);
}

function socketJson(vnet: Vnet, x: Xinpcb, o: NetstatOptions, width: TcpWidths): object {
  const { local, foreign } = namedEnds(vnet, x, o);
  return { protocol: `${x.protocol}${version(x)}`, ...columnsJson(x, o, width, { local, ...(o.listen ? {} : { remote: foreign }) }) };
}
