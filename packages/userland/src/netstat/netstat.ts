/**
 * netstat.ts — netstat(1): routes, interfaces, protocol statistics, sockets.
 * Read first: netstat(1). Exit codes: 0, 1 for what is refused.
 *
 * Counters come from the same objects the stack increments (`kern.counters`); this file only prints them.
 * Not here: what a kernel keeps and this stack does not (netisr queues, BPF peers): such options say so.
 */
import type { Socket, Vnet } from '@netloom/core';
import { SOCK_RAW } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import type { Proc } from '../proc.js';
import { leftWide, rightWide } from './columns.js';
import { netstatInterfaces, netstatWatch } from './interfaces.js';
import { parseNetstat } from './options.js';
import type { NetstatOptions } from './options.js';
import { netstatRoutes } from './routes.js';

export async function netstat(p: Proc): Promise<number> {
  const parsed = parseNetstat(p.argv);
  if ('message' in parsed) {
    p.err(`netstat: ${parsed.message}\n`);
    return 1;
  }
  const o = parsed.options;
  const prison = o.jail === null ? p.prison : p.kernel.prisons.find(p.prison, o.jail);
  if (prison === null) {
    p.err(`netstat: jail "${o.jail ?? ''}" not found\n`);
    return 1;
  }
  const { vnet } = prison;
  if (o.memory) return memory(p);
  if (o.multicast) return multicast(p, vnet);
  if (o.routes && o.statistics > 0) return statistics(p, vnet, { ...o, protocol: 'routing' });
  if (o.routes) return netstatRoutes(p, vnet, o);
  if (o.intervalSec > 0) return netstatWatch(p, vnet, o);
  if (o.interfaces) return netstatInterfaces(p, vnet, o);
  if (o.statistics > 0 || o.protocol !== null) return statistics(p, vnet, o);
  return sockets(p, vnet, o);
}

function statistics(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const all = vnet.kern.counters.list();
  const groups = o.protocol === null ? all : all.filter((g) => g.name === o.protocol);
  if (groups.length === 0) {
    p.err(`netstat: ${o.protocol ?? ''}: unknown or uninstrumented protocol\n`);
    return 1;
  }
  if (o.json) {
    p.out(`${JSON.stringify(Object.fromEntries(groups.map((g) => [g.name, Object.fromEntries(g.lines().map((l) => [l.key, l.value]))])), null, 2)}\n`);
    return 0;
  }
  for (const g of groups) {
    const shown = g.lines().filter((l) => o.statistics <= 1 || l.value !== 0);
    p.out(`${g.name}:\n${joinLines(shown)}`);
    if (o.zero) g.zero();
  }
  return 0;
}

/** A text that starts with ' (' continues the line before it. */
function joinLines(lines: readonly { readonly text: string; readonly depth: number }[]): string {
  let out = '';
  for (const l of lines) {
    if (l.text.startsWith(' (') && out.endsWith('\n')) out = `${out.slice(0, -1)}${l.text}\n`;
    else out += `${'\t'.repeat(l.depth)}${l.text}\n`;
  }
  return out;
}

function memory(p: Proc): number {
  const { pool } = p.kernel.engine;
  p.out(`${pool.smallInUse}/${pool.smallMax} packets of 2k in use (current/max)\n`);
  p.out(`${pool.largeInUse}/${pool.largeMax} packets of 64k in use (current/max)\n`);
  p.out(`${pool.denied} requests for packets denied\n`);
  return 0;
}

function multicast(p: Proc, vnet: Vnet): number {
  p.out('IPv4 Multicast Group Memberships\nGroup               Link-layer Address  Netif\n');
  for (const ifp of vnet.net.ifnets) {
    for (const ma of ifp.multiaddrs) {
      const mac = [...ma.mac].map((b) => b.toString(16).padStart(2, '0')).join(':');
      p.out(`${leftWide('', 20)}${leftWide(mac, 20)}${ifp.xname}\n`);
    }
  }
  return 0;
}

function sockets(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const list = (vnet.sockets?.list() ?? []).filter((so) => o.all || so.inp.connected || so.inp.lport === 0 || so.type === SOCK_RAW);
  const rows = list.filter((so) => o.all || so.inp.connected);
  if (o.json) {
    p.out(`${JSON.stringify(rows.map(socketJson), null, 2)}\n`);
    return 0;
  }
  if (o.family === 'link' || o.family === 'unix' || rows.length === 0) return 0;
  p.out(`Active Internet connections${o.all ? ' (including servers)' : ''}\n`);
  p.out('Proto Recv-Q Send-Q Local Address          Foreign Address        (state)\n');
  for (const so of rows) p.out(`${socketLine(so, o)}\n`);
  return 0;
}

const protoName = (so: Socket): string => (so.type === SOCK_RAW ? (so.protocol === 1 ? 'icm4' : 'raw4') : 'udp4');

function endText(addr: number, port: number): string {
  return `${addr === 0 ? '*' : ip4Format(addr)}.${port === 0 ? '*' : port}`;
}

function socketLine(so: Socket, o: NetstatOptions): string {
  const width = o.wide ? 45 : 22;
  const cut = (t: string): string => (o.wide ? t.padEnd(width) : t.slice(0, width).padEnd(width));
  const { inp } = so;
  return `${leftWide(protoName(so), 5)} ${rightWide(so.rcv.bytes, 6)} ${rightWide(0, 6)} ${cut(endText(inp.laddr, inp.lport))} ${cut(endText(inp.faddr, inp.fport))} `;
}

function socketJson(so: Socket): object {
  const { inp } = so;
  return { proto: protoName(so), recvq: so.rcv.bytes, local: endText(inp.laddr, inp.lport), foreign: endText(inp.faddr, inp.fport), fib: inp.fib, drops: so.rcv.drops };
}
