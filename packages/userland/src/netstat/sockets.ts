/**
 * sockets.ts — `netstat`, `-a`, `-p PROTOCOL`: the sockets of this vnet, the youngest first.
 * Read first: netstat(1).
 *
 * A socket without a local address is a server's, or not in use yet: it is shown with `-a` only. One of both families (udp46) is shown as IPv4's,
 * and a link-local address with its zone as far as there is room.
 * Not here: control blocks' addresses, queues of connections (they come with TCP).
 */
import type { SockName6, Vnet } from '@netloom/core';
import { SOCK_RAW, Socket } from '@netloom/core';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IGMP, ip4Format, ip6IsUnspecified } from '@netloom/core/wire';
import { address6Text, hostName6 } from '../host-address6.js';
import { hostName } from '../host-address.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { left, leftWide, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

/** Protocols that have sockets, in the order they are listed. */
const PROTOCOLS = ['tcp', 'udp', 'ip', 'icmp', 'igmp', 'icmp6'] as const;

export function hasSockets(protocol: string): boolean {
  return (PROTOCOLS as readonly string[]).includes(protocol);
}

function protocolOf(so: Socket): (typeof PROTOCOLS)[number] {
  if (so.type !== SOCK_RAW) return 'udp';
  if (so.in6p !== null) return so.protocol === IPPROTO_ICMPV6 ? 'icmp6' : 'ip';
  return so.protocol === IPPROTO_ICMP ? 'icmp' : so.protocol === IPPROTO_IGMP ? 'igmp' : 'ip';
}

export function netstatSockets(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const shown = [...(vnet.sockets?.list() ?? [])].filter((so) => so instanceof Socket).reverse().filter((so) => isOfFamily(so, o) && (o.all || !isUnbound(so)));
  const rows = PROTOCOLS.filter((name) => o.protocol === null || o.protocol === name).flatMap((name) => shown.filter((so) => protocolOf(so) === name));
  if (o.json !== 'none') {
    p.out(jsonText({ statistics: { socket: rows.map((so) => socketJson(vnet, so, o)) } }, o.json));
    return 0;
  }
  if (rows.length === 0) return 0;
  if (o.listen) p.out('Current listen queue sizes (qlen/incqlen/maxqlen)\n');
  else p.out(`Active Internet connections${o.all ? ' (including servers)' : ''}\n`);
  p.out(`${header(o)}\n`);
  if (o.listen) return 0;
  for (const so of rows) p.out(`${line(vnet, so, o)}\n`);
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

const isV4 = (so: Socket): boolean => so.in6p === null || so.in6p.v4;
const isV6 = (so: Socket): boolean => so.in6p !== null && so.in6p.v6;

function isOfFamily(so: Socket, o: NetstatOptions): boolean {
  return o.family === 'any' || (o.family === 'inet' && isV4(so)) || (o.family === 'inet6' && isV6(so));
}

function isUnbound(so: Socket): boolean {
  return so.in6p === null ? so.inp.laddr === 0 : ip6IsUnspecified(so.in6p.local);
}

const version = (so: Socket): string => `${isV4(so) ? '4' : ''}${isV6(so) ? '6' : ''}`;

/** 'udp4 ', 'ip 4 ', 'udp46': three letters of the protocol and its IP versions. */
const protoField = (so: Socket): string => `${left(protocolOf(so), 3)}${left(version(so), 2)}`;

function line(vnet: Vnet, so: Socket, o: NetstatOptions): string {
  const { rcv } = so;
  const ends = `${endField(localEnd(vnet, so, o), so, o)} ${endField(remoteEnd(vnet, so, o), so, o)} `;
  const start = `${protoField(so)} ${rightWide(rcv.bytes, 6)} ${rightWide(0, 6)} ${ends}`;
  if (!o.buffers) return start;
  return `${start}${[rcv.hiwat, so.sndHiwat, 1, 2_048, rcv.bytes, 0, rcv.hiwat * 8, so.sndHiwat * 8].map((n) => rightWide(n, 6)).join(' ')}`;
}

interface End {
  readonly address: string;
  readonly port: string;
}

function localEnd(vnet: Vnet, so: Socket, o: NetstatOptions): End {
  return isV4(so) ? endOf(so.inp.laddr, so.inp.lport, o) : end6(vnet, so.name6(), o);
}

function remoteEnd(vnet: Vnet, so: Socket, o: NetstatOptions): End {
  return isV4(so) ? endOf(so.inp.faddr, so.inp.fport, o) : end6(vnet, so.peer6(), o);
}

function portText(port: number, o: NetstatOptions): string {
  return port === 0 ? '*' : ((o.numericPort ? null : serviceName(port)) ?? String(port));
}

function endOf(addr: number, port: number, o: NetstatOptions): End {
  return { address: addr === 0 ? '*' : ((o.numericAddr ? null : hostName(addr)) ?? ip4Format(addr)), port: portText(port, o) };
}

function end6(vnet: Vnet, name: SockName6 | null, o: NetstatOptions): End {
  if (name === null || ip6IsUnspecified(name.addr)) return { address: '*', port: portText(name?.port ?? 0, o) };
  return { address: (o.numericAddr ? null : hostName6(name)) ?? address6Text(vnet, name), port: portText(name.port, o) };
}

function endField(end: End, so: Socket, o: NetstatOptions): string {
  const text = `${o.wide ? end.address.slice(0, isV4(so) ? undefined : 39) : end.address.slice(0, 16)}.${end.port} `;
  return o.wide ? leftWide(text, addressWidth(o)) : left(text, addressWidth(o));
}

function socketJson(vnet: Vnet, so: Socket, o: NetstatOptions): object {
  const { inp, rcv } = so;
  return {
    protocol: `${protocolOf(so)}${version(so)}`, 'receive-bytes-waiting': rcv.bytes, 'send-bytes-waiting': 0, local: localEnd(vnet, so, o),
    remote: remoteEnd(vnet, so, o), 'receive-high-water': rcv.hiwat, 'send-high-water': so.sndHiwat, fib: inp.fib, 'receive-drops': rcv.drops,
  };
}
