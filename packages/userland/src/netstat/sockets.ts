/**
 * sockets.ts — `netstat`, `-a`, `-p PROTOCOL`: the sockets of this vnet, the youngest first.
 * Read first: netstat(1).
 *
 * A socket without a local address is a server's, or not in use yet: it is shown with `-a` only.
 * Not here: control blocks' addresses, queues of connections (they come with TCP).
 */
import type { Socket, Vnet } from '@netloom/core';
import { SOCK_RAW } from '@netloom/core';
import { IPPROTO_ICMP, IPPROTO_IGMP, ip4Format } from '@netloom/core/wire';
import { hostName } from '../host-address.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { left, leftWide, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

/** Protocols that have sockets, in the order they are listed. */
const PROTOCOLS = ['tcp', 'udp', 'ip', 'icmp', 'igmp'] as const;

export function hasSockets(protocol: string): boolean {
  return (PROTOCOLS as readonly string[]).includes(protocol);
}

function protocolOf(so: Socket): (typeof PROTOCOLS)[number] {
  if (so.type !== SOCK_RAW) return 'udp';
  return so.protocol === IPPROTO_ICMP ? 'icmp' : so.protocol === IPPROTO_IGMP ? 'igmp' : 'ip';
}

export function netstatSockets(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const shown = o.family === 'any' || o.family === 'inet' ? [...(vnet.sockets?.list() ?? [])].reverse().filter((so) => o.all || so.inp.laddr !== 0) : [];
  const rows = PROTOCOLS.filter((name) => o.protocol === null || o.protocol === name).flatMap((name) => shown.filter((so) => protocolOf(so) === name));
  if (o.json !== 'none') {
    p.out(jsonText({ statistics: { socket: rows.map((so) => socketJson(so, o)) } }, o.json));
    return 0;
  }
  if (rows.length === 0) return 0;
  if (o.listen) p.out('Current listen queue sizes (qlen/incqlen/maxqlen)\n');
  else p.out(`Active Internet connections${o.all ? ' (including servers)' : ''}\n`);
  p.out(`${header(o)}\n`);
  if (o.listen) return 0;
  for (const so of rows) p.out(`${line(so, o)}\n`);
  return 0;
}

const addressWidth = (o: NetstatOptions): number => (o.wide && o.family !== 'inet' ? 45 : 22);
const BUFFER_TITLES = ['R-HIWA', 'S-HIWA', 'R-LOWA', 'S-LOWA', 'R-BCNT', 'S-BCNT', 'R-BMAX', 'S-BMAX'];
const TIMER_TITLES = ['rexmt', 'persist', 'keep', '2msl', 'delack', 'rcvtime'];

function header(o: NetstatOptions): string {
  const width = addressWidth(o);
  if (o.listen) return `${left('Proto', 5)} ${left('Listen', 32)} ${left('Local Address', width)}`;
  const start = `${left('Proto', 5)} ${left('Recv-Q', 6)} ${left('Send-Q', 6)} ${left('Local Address', width)} ${left('Foreign Address', width)}`;
  if (!o.buffers) return `${start} ${left('(state)', 11)}`;
  return `${start}${BUFFER_TITLES.map((t) => left(t, 6)).join(' ')} ${TIMER_TITLES.map((t) => rightWide(t, 7)).join(' ')}`;
}

/** 'udp4 ', 'ip 4 ': three letters of the protocol and its IP version. */
const protoField = (so: Socket): string => `${left(protocolOf(so), 3)}4 `;

function line(so: Socket, o: NetstatOptions): string {
  const { inp, rcv } = so;
  const ends = `${endField(inp.laddr, inp.lport, o)} ${endField(inp.faddr, inp.fport, o)} `;
  const start = `${protoField(so)} ${rightWide(rcv.bytes, 6)} ${rightWide(0, 6)} ${ends}`;
  if (!o.buffers) return start;
  return `${start}${[rcv.hiwat, so.sndHiwat, 1, 2_048, rcv.bytes, 0, rcv.hiwat * 8, so.sndHiwat * 8].map((n) => rightWide(n, 6)).join(' ')}`;
}

interface End {
  readonly address: string;
  readonly port: string;
}

function endOf(addr: number, port: number, o: NetstatOptions): End {
  const address = addr === 0 ? '*' : ((o.numericAddr ? null : hostName(addr)) ?? ip4Format(addr));
  return { address, port: port === 0 ? '*' : ((o.numericPort ? null : serviceName(port)) ?? String(port)) };
}

function endField(addr: number, port: number, o: NetstatOptions): string {
  const end = endOf(addr, port, o);
  const text = `${o.wide ? end.address : end.address.slice(0, 16)}.${end.port} `;
  return o.wide ? leftWide(text, addressWidth(o)) : left(text, addressWidth(o));
}

function socketJson(so: Socket, o: NetstatOptions): object {
  const { inp, rcv } = so;
  return {
    protocol: `${protocolOf(so)}4`, 'receive-bytes-waiting': rcv.bytes, 'send-bytes-waiting': 0, local: endOf(inp.laddr, inp.lport, o),
    remote: endOf(inp.faddr, inp.fport, o), 'receive-high-water': rcv.hiwat, 'send-high-water': so.sndHiwat, fib: inp.fib, 'receive-drops': rcv.drops,
  };
}
