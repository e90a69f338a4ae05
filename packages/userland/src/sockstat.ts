/**
 * sockstat.ts — sockstat(1): the open sockets of a vnet, and which process has each.
 * Read first: sockstat(1); freebsd `usr.bin/sockstat/sockstat.c`; packages/core/src/socket/socket-holder.ts. Exit codes: 0; 1 for wrong words; 2 for a jail there is none of.
 *
 * Processes are the tools that run here; there are no users, everything is root's. Sockets of no process, of one that this prison does not see, or of
 * connections that their program has closed, have `?` in the place of its columns and come last.
 * Not here: Unix sockets (a vnet has none), identities of control blocks beyond `-i`, SCTP.
 */
import type { Prison, SockAddr, SocketHolder, Vnet } from '@netloom/core';
import { ENOENT, TCP_STATE_NAMES } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { errx, toolMain, usage, warn } from './err.js';
import { getopt } from './getopt.js';
import { address6Text } from './host-address6.js';
import { jailGetid } from './jail/jail-id.js';
import { jsonText, takeLibxo } from './libxo.js';
import type { JsonStyle } from './libxo.js';
import { ccName, isAny, isLoopback, pcbList } from './pcblist.js';
import type { PcbEnd, Xinpcb } from './pcblist.js';
import type { Proc } from './proc.js';

interface SockstatOptions {
  v4: boolean;
  v6: boolean;
  unix: boolean;
  cc: boolean;
  connected: boolean;
  listening: boolean;
  id: boolean;
  encaps: boolean;
  stack: boolean;
  state: boolean;
  noLoopback: boolean;
  numeric: boolean;
  quiet: boolean;
  json: JsonStyle;
  wide: boolean;
  /** Null: all. */
  ports: Set<number> | null;
  /** Numbers of protocols; null: none named. */
  protocols: number[] | null;
  /** Whose sockets; null: this vnet's. */
  jail: Prison | 'own' | null;
}

const USAGE = 'usage: sockstat [-46CciLlnqSsUuvw] [-j jid] [-p ports] [-P protocols]\n';
const PORT_MAX = 65_535;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_SCTP = 132;
const IPPROTO_DIVERT = 258;
/** As protocols(5) has them. */
const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = {
  ip: 0, icmp: 1, igmp: 2, ipencap: 4, tcp: IPPROTO_TCP, udp: IPPROTO_UDP, ipv6: 41, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, pim: 103, carp: 112,
  sctp: IPPROTO_SCTP, pfsync: 240, divert: IPPROTO_DIVERT,
};
const DEFAULT_PROTOCOLS = [IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DIVERT];
/** TCP_FUNCTION_NAME_LEN_MAX, TCP_CA_NAME_MAX: the widths of those columns. */
const STACK_WIDTH = 32;
const CC_WIDTH = 16;
/** The one stack there is, as FreeBSD calls its default one. */
const STACK_NAME = 'freebsd';

export const sockstat = toolMain((p: Proc) => {
  const o = parse(p);
  const place = o.jail !== null && o.jail !== 'own' && o.jail.ownsVnet ? o.jail : p.prison;
  const rows = gather(p, o, place);
  const held = rows.map((x) => ({ x, by: visibleHolder(x, place) }));
  const shown: Held[] = held.filter(({ by }) => by !== null).sort(byProcess).filter(({ by }) => by !== null && isOfJail(by, p, o, place));
  if (o.jail === null || o.jail === place) shown.push(...held.filter(({ by }) => by === null));
  if (o.json !== 'none') {
    p.out(jsonText({ __version: '1', sockstat: { socket: shown.map(({ x, by }) => socketJson(place.vnet, by, x, o)) } }, o.json));
    return 0;
  }
  if (!o.quiet) p.out(`${header(o)}\n`);
  for (const { x, by } of shown) p.out(`${socketLine(place.vnet, by === null ? NOBODY : holderColumns(by, o), x, o)}\n`);
  return 0;
});

/** A socket and who has it open; null: nobody one sees. */
interface Held {
  readonly x: Xinpcb;
  readonly by: SocketHolder | null;
}

type Setter = (o: SockstatOptions, value: string, p: Proc) => void;

const SETTERS: Readonly<Record<string, Setter>> = {
  4: (o) => { o.v4 = true; },
  6: (o) => { o.v6 = true; },
  C: (o) => { o.cc = true; },
  c: (o) => { o.connected = true; },
  i: (o) => { o.id = true; },
  j: (o, v, p) => {
    const found = jailGetid(p, p.prison, v);
    if (found.jid < 0 && !/^[0-9]+$/.test(v)) errx(p, 1, `jail_getid: ${found.message}`);
    if (found.jid < 0) errx(p, 2, `jail_getvnet: ${found.message}`);
    o.jail = found.prison ?? 'own';
  },
  L: (o) => { o.noLoopback = true; },
  l: (o) => { o.listening = true; },
  n: (o) => { o.numeric = true; },
  p: (o, v, p) => { o.ports = parsePorts(p, v, o.ports ?? new Set()); },
  P: (o, v, p) => { o.protocols = parseProtocols(p, v); },
  q: (o) => { o.quiet = true; },
  S: (o) => { o.stack = true; },
  s: (o) => { o.state = true; },
  U: (o) => { o.encaps = true; },
  u: (o) => { o.unix = true; },
  v: () => {},
  w: (o) => { o.wide = true; },
};

function parse(p: Proc): SockstatOptions {
  const o: SockstatOptions = {
    v4: false, v6: false, unix: false, cc: false, connected: false, listening: false, id: false, encaps: false, stack: false, state: false, noLoopback: false,
    numeric: false, quiet: false, json: 'none', wide: false, ports: null, protocols: null, jail: null,
  };
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  o.json = xo.json;
  const parsed = getopt('46Ccij:Llnp:P:qSsUuvw', xo.words);
  for (const [letter, value] of parsed.options) SETTERS[letter]?.(o, value, p);
  if (parsed.error !== null) usage(p, 1, `sockstat: ${parsed.error}\n${USAGE}`);
  if (parsed.rest.length > 0) usage(p, 1, USAGE);
  if (!o.v4 && !o.v6 && (o.protocols !== null || !o.unix)) o.v4 = o.v6 = true;
  if (!o.connected && !o.listening) o.connected = o.listening = true;
  return o;
}

/** `80,443,6000-6010` */
function parsePorts(p: Proc, text: string, ports: Set<number>): Set<number> {
  for (let rest = text; rest !== ''; ) {
    const range = /^([0-9]+)(?:(-)([0-9]*))?,?/.exec(rest) ?? errx(p, 1, 'syntax error in port range');
    const from = Number(range[1]);
    const to = range[2] === undefined ? from : Number(range[3]);
    if (from > PORT_MAX || to < from || to > PORT_MAX) errx(p, 1, 'invalid port number');
    for (let port = from; port <= to; port++) ports.add(port);
    rest = rest.slice(range[0].length);
  }
  return ports;
}

function parseProtocols(p: Proc, text: string): number[] {
  const numbers: number[] = [];
  for (const name of text.split(',').filter((word) => word !== '')) {
    const number = Object.hasOwn(PROTOCOL_NUMBERS, name) ? PROTOCOL_NUMBERS[name] : undefined;
    if (number === undefined) warn(p, 'cap_getprotobyname', ENOENT);
    else numbers.push(number);
  }
  return numbers;
}

function gather(p: Proc, o: SockstatOptions, place: Prison): Xinpcb[] {
  if (!o.v4 && !o.v6) return [];
  return (o.protocols ?? DEFAULT_PROTOCOLS).flatMap((number) => {
    if (number === IPPROTO_SCTP || number === IPPROTO_DIVERT) return [];
    if (number !== IPPROTO_TCP && number !== IPPROTO_UDP) return errx(p, 1, `protocol ${number} not supported`);
    return pcbList(place.vnet, number === IPPROTO_TCP ? 'tcp' : 'udp').filter((x) => isWanted(x, o));
  });
}

function isWanted(x: Xinpcb, o: SockstatOptions): boolean {
  if (!(o.v4 && x.v4) && !(o.v6 && x.v6)) return false;
  if (x.foreign.port === 0 ? !o.listening : !o.connected) return false;
  if (o.noLoopback && (isLoopback(x.local.addr) || isLoopback(x.foreign.addr))) return false;
  return o.ports === null || o.ports.has(x.local.port) || o.ports.has(x.foreign.port);
}

/** Who has it open, when processes of `viewer` see that process. */
function visibleHolder(x: Xinpcb, viewer: Prison): SocketHolder | null {
  const by = x.so?.holder ?? null;
  if (by === null) return null;
  for (let prison: SocketHolder['prison'] | null = by.prison; prison !== null; prison = prison.parent) if (prison === viewer) return by;
  return null;
}

/** The youngest process first, its sockets by number. */
function byProcess(a: Held, b: Held): number {
  return (b.by?.pid ?? 0) - (a.by?.pid ?? 0) || (a.by?.fd ?? 0) - (b.by?.fd ?? 0);
}

/** With -j for a jail that shares its vnet: is it that jail's process? */
function isOfJail(by: SocketHolder, p: Proc, o: SockstatOptions, place: Prison): boolean {
  if (o.jail === null || o.jail === place) return true;
  return by.prison === (o.jail === 'own' ? p.prison : o.jail);
}

const left = (text: string, width: number): string => text.padEnd(width);
const ADDRESS_WIDTH = { narrow: 21, wide: 45 };
const addressWidth = (o: SockstatOptions): number => (o.wide ? ADDRESS_WIDTH.wide : ADDRESS_WIDTH.narrow);

function header(o: SockstatOptions): string {
  const width = addressWidth(o);
  let line = `${left('USER', 8)} ${left('COMMAND', 10)} ${left('PID', 5)} ${left('FD', 3)} ${left('PROTO', 6)} ${left('LOCAL ADDRESS', width)} ${left('FOREIGN ADDRESS', width)}`;
  if (o.id) line += ` ${left('ID', 8)}`;
  if (o.encaps) line += ` ${left('ENCAPS', 6)}`;
  if (o.state) line += ` ${left('PATH STATE', 12)} ${left('CONN STATE', 12)}`;
  if (o.stack) line += ` ${left('STACK', STACK_WIDTH)}`;
  if (o.cc) line += ' CC';
  return line;
}

/** Nobody's columns. */
const NOBODY = `${left('?', 8)} ${left('?', 10)} ${left('?', 5)} ${left('?', 2)} `;

function holderColumns({ pid, command, fd }: SocketHolder, o: SockstatOptions): string {
  let line = left(`${o.numeric ? '0' : 'root'} `, 9);
  line = left(line + command.slice(0, 10), 20);
  return `${line}${String(pid).padStart(5)} ${left(String(fd), 3)} `;
}

/** Where the columns of a socket begin. */
const PROTO_AT = 30;
const LOCAL_AT = 37;
/** An IPv6 address that comes this far has a space behind it, whatever follows. */
const LOCAL6_END = 58;

/** A line: what is there of the process, and the socket. A column begins where it belongs, or later when the one before it is too long. */
function socketLine(vnet: Vnet, who: string, x: Xinpcb, o: SockstatOptions): string {
  let line = left(who, PROTO_AT);
  let at = LOCAL_AT;
  const put = (text: string, width: number): void => {
    if (text !== '') line = left(line, at) + text;
    at += width;
  };
  line += `${x.protocol}${x.v4 ? '4' : ''}${x.v6 ? '6' : ''} `;
  put(endText(vnet, x.local), addressWidth(o) + 1);
  if (!x.v4 && line.length >= LOCAL6_END) line += ' ';
  put(endText(vnet, x.foreign), addressWidth(o) + 1);
  if (o.id) put(String(x.gencnt), 9);
  const isTcp = x.state !== null;
  const state = x.state === null ? '' : (TCP_STATE_NAMES[x.state] ?? '?');
  if (o.encaps) put(!isTcp || state === 'CLOSED' || state === 'LISTEN' ? '' : '0', 7);
  if (o.state) {
    at += 13;
    put(state, 13);
  }
  if (o.stack) put(isTcp ? STACK_NAME : '', STACK_WIDTH + 1);
  if (o.cc) put(ccName(x), CC_WIDTH + 1);
  return line;
}

/** Names as in FreeBSD 15, whose sockstat has libxo. */
function socketJson(vnet: Vnet, by: SocketHolder | null, x: Xinpcb, o: SockstatOptions): Record<string, unknown> {
  const isTcp = x.state !== null;
  return {
    ...(by === null ? {} : { user: o.numeric ? '0' : 'root', command: by.command, pid: by.pid, fd: by.fd }),
    proto: `${x.protocol}${x.v4 ? '4' : ''}${x.v6 ? '6' : ''}`,
    local: endJson(vnet, x.local),
    foreign: endJson(vnet, x.foreign),
    ...(o.id ? { id: x.gencnt } : {}),
    ...(o.state && x.state !== null ? { 'conn-state': TCP_STATE_NAMES[x.state] ?? '?' } : {}),
    ...(o.stack && isTcp ? { stack: STACK_NAME } : {}),
    ...(o.cc && isTcp ? { cc: ccName(x) } : {}),
  };
}

function endJson(vnet: Vnet, end: PcbEnd): Record<string, unknown> {
  return { address: isAny(end.addr) ? '*' : addressText(vnet, end.addr), port: end.port === 0 ? '*' : end.port };
}

function endText(vnet: Vnet, end: PcbEnd): string {
  return `${isAny(end.addr) ? '*' : addressText(vnet, end.addr)}:${end.port === 0 ? '*' : end.port}`;
}

function addressText(vnet: Vnet, addr: SockAddr): string {
  return typeof addr === 'number' ? ip4Format(addr) : address6Text(vnet, addr);
}
