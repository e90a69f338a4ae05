/**
 * nc-options.ts — nc's command line.
 * Read first: nc(1); getopt-long.ts.
 *
 * Options that need SCTP, Unix sockets, IPsec, a proxy or a host's file descriptors are refused by name.
 */
import type { SockAddr } from '@netloom/core';
import { errx, usage as usageExit } from '../err.js';
import { getoptLong } from '../getopt-long.js';
import type { LongOption } from '../getopt-long.js';
import { hostAddress } from '../host-address.js';
import { hostAddress6 } from '../host-address6.js';
import { NO_NAMES, hostAddresses } from '../known-names.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { servicePort } from '../services.js';

const OPTSTRING = '46DdEe:FhI:i:klMNnoO:P:p:rSs:tT:UuV:vw:X:x:z';
const LONG_OPTIONS: readonly LongOption[] = [
  { name: 'no-tcpopt', argument: 'none' },
  { name: 'sctp', argument: 'none' },
  { name: 'tun', argument: 'required' },
];
const PORT_MAX = 65_535;
const WINDOW_MAX = 65_536 * 16_384;
const UINT_MAX = 4_294_967_295;
const TIMEOUT_MAX_SEC = 2_147_483;

export interface NcOptions {
  /** -4, -6; null: as the host is. */
  family: 4 | 6 | null;
  listen: boolean;
  udp: boolean;
  keep: boolean;
  /** -N: the end of the input is the end of what is sent to the peer. */
  shutdown: boolean;
  /** -S: TCP_MD5SIG. --no-tcpopt: TCP_NOOPT. */
  md5: boolean;
  noTcpopt: boolean;
  /** -t: TELNET's offers are turned down. */
  telnet: boolean;
  /** -d: standard input is not read. */
  noStdin: boolean;
  numeric: boolean;
  verbose: boolean;
  scan: boolean;
  randomPorts: boolean;
  /** Idle limit in microseconds, Infinity for none. */
  timeoutUs: number;
  intervalUs: number;
  sourceText: string | null;
  sourcePortText: string | null;
  /** -1: none. */
  tos: number;
  fib: number | null;
  receiveBuffer: number;
  sendBuffer: number;
  tunDevice: string | null;
  /** As typed; null for none, when listening. */
  host: string | null;
  portText: string;
  /** Names of the command line, when they have been looked up. */
  known: KnownNames;
}

const NUMBER = /^\s*[+-]?[0-9]+$/;

/** strtonum(3): the number, or leaves with `what too large: text`. */
function strtonum(p: Proc, text: string, min: number, max: number, what: string): number {
  const n = NUMBER.test(text) ? Number(text) : Number.NaN;
  const wrong = Number.isNaN(n) ? 'invalid' : n < min ? 'too small' : n > max ? 'too large' : null;
  return wrong === null ? n : errx(p, 1, `${what} ${wrong}: ${text}`);
}

const TOS: Readonly<Record<string, number>> = {
  af11: 0x28, af12: 0x30, af13: 0x38, af21: 0x48, af22: 0x50, af23: 0x58, af31: 0x68, af32: 0x70, af33: 0x78, af41: 0x88, af42: 0x90, af43: 0x98,
  critical: 0xa0, cs0: 0x00, cs1: 0x20, cs2: 0x40, cs3: 0x60, cs4: 0x80, cs5: 0xa0, cs6: 0xc0, cs7: 0xe0, ef: 0xb8, inetcontrol: 0xc0, lowdelay: 0x10,
  netcontrol: 0xe0, reliability: 0x04, throughput: 0x08,
};

function tos(p: Proc, text: string): number {
  const named = Object.hasOwn(TOS, text) ? TOS[text] : undefined;
  const n = named ?? (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1);
  return n < 0 || n > 255 ? errx(p, 1, `illegal tos value ${text}`) : n;
}

type Setter = (o: NcOptions, value: string, p: Proc) => void;

const refuse = (why: string): Setter => (_o, _value, p) => errx(p, 1, why);

const SETTERS: Readonly<Record<string, Setter>> = {
  4: (o) => { o.family = 4; },
  6: (o) => { o.family = 6; },
  // SO_DEBUG: there is no trace that it would turn on, and none in FreeBSD 14.
  D: () => {},
  d: (o) => { o.noStdin = true; },
  E: refuse('IPsec support unavailable.'),
  e: refuse('IPsec support unavailable.'),
  F: refuse('-F: there are no file descriptors to pass'),
  h: (_o, _value, p) => usageExit(p, 1, `${USAGE}${SUMMARY}`),
  I: (o, v, p) => { o.receiveBuffer = strtonum(p, v, 1, WINDOW_MAX, 'TCP receive window'); },
  i: (o, v, p) => { o.intervalUs = strtonum(p, v, 0, UINT_MAX, 'interval') * 1_000_000; },
  k: (o) => { o.keep = true; },
  l: (o) => { o.listen = true; },
  M: refuse('-M requires stats(3) support'),
  N: (o) => { o.shutdown = true; },
  n: (o) => { o.numeric = true; },
  // What is no number is let pass: -O without one once meant what --no-tcpopt does.
  O: (o, v, p) => { o.sendBuffer = NUMBER.test(v) ? strtonum(p, v, 1, WINDOW_MAX, 'TCP send window') : 0; },
  o: (_o, _value, p) => p.err('option -o is deprecated.\n'),
  p: (o, v) => { o.sourcePortText = v; },
  r: (o) => { o.randomPorts = true; },
  S: (o) => { o.md5 = true; },
  s: (o, v) => { o.sourceText = v; },
  T: (o, v, p) => { o.tos = tos(p, v); },
  t: (o) => { o.telnet = true; },
  U: refuse('Unix sockets are not built in: use the machine\'s nc: /usr/bin/nc -U PATH'),
  u: (o) => { o.udp = true; },
  V: (o, v, p) => { o.fib = strtonum(p, v, 0, (p.vnet.routes?.fibs ?? 1) - 1, 'rtable'); },
  v: (o) => { o.verbose = true; },
  w: (o, v, p) => { o.timeoutUs = strtonum(p, v, 0, TIMEOUT_MAX_SEC, 'timeout') * 1_000_000; },
  X: (_o, v, p) => {
    if (v.toLowerCase() !== 'connect' && v !== '4' && v !== '5') errx(p, 1, 'unsupported proxy protocol');
  },
  z: (o) => { o.scan = true; },
  'no-tcpopt': (o) => { o.noTcpopt = true; },
  tun: (o, v) => { o.tunDevice = v; },
};

export function parseNc(p: Proc): NcOptions {
  const parsed = getoptLong(OPTSTRING, LONG_OPTIONS, p.argv.slice(1));
  const o: NcOptions = {
    family: null, listen: false, udp: false, keep: false, shutdown: false, md5: false, noTcpopt: false, telnet: false, noStdin: false, numeric: false,
    verbose: false, scan: false, randomPorts: false, timeoutUs: Infinity, intervalUs: 0, sourceText: null, sourcePortText: null, tos: -1, fib: null, receiveBuffer: 0,
    sendBuffer: 0, tunDevice: null, host: null, portText: '', known: NO_NAMES,
  };
  for (const [name, value] of parsed.options) SETTERS[name]?.(o, value, p);
  if (parsed.error !== null) usageExit(p, 1, `nc: ${parsed.error}\n${USAGE}`);
  const [first, second] = parsed.rest;
  if (first === undefined || (second === undefined && !o.listen)) usageExit(p, 1, USAGE);
  if (second !== undefined) o.host = first;
  o.portText = second ?? first;
  const has = (name: string): boolean => parsed.options.some(([l]) => l === name);
  checkTogether(p, o, has);
  return o;
}

function checkTogether(p: Proc, o: NcOptions, has: (name: string) => boolean): void {
  if (o.listen && o.sourceText !== null) errx(p, 1, 'cannot use -s and -l');
  if (o.listen && o.sourcePortText !== null) errx(p, 1, 'cannot use -p and -l');
  if (o.listen && o.scan) errx(p, 1, 'cannot use -z and -l');
  if (!o.listen && o.keep) errx(p, 1, 'must use -l with -k');
  if (has('sctp')) errx(p, 1, o.udp ? 'cannot use -u and --sctp' : '--sctp: SCTP is not built in');
  if (o.tunDevice !== null && !o.udp) errx(p, 1, 'must use --tun with -u');
  if (!has('x')) return;
  if (o.udp) errx(p, 1, 'no proxy support for UDP mode');
  if (o.listen) errx(p, 1, 'no proxy support for listen');
  if (o.family === 6) errx(p, 1, 'no proxy support for IPv6');
  if (o.sourceText !== null) errx(p, 1, 'no proxy support for local source address');
  errx(p, 1, '-x: proxies are not built in');
}

/** The addresses of `host` in the order they are tried: those of the family asked for; leaves when there is none. */
export function ncAddresses(p: Proc, o: NcOptions, host: string): SockAddr[] {
  const all = hostAddresses(p.vnet, host, o.family, o.known);
  return all.length > 0 ? all : errx(p, 1, `getaddrinfo: ${o.known.why(host)}`);
}

/** The address of `host` in the family of `like`. */
export function ncAddressLike(p: Proc, o: NcOptions, host: string, like: SockAddr): SockAddr {
  return (typeof like === 'number' ? hostAddress(host, o.known) : hostAddress6(p.vnet, host, o.known)) ?? errx(p, 1, `getaddrinfo: ${o.known.why(host)}`);
}

/** A port by number or by name, as a listener and `-p` take it. */
export function ncPort(p: Proc, text: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : servicePort(text);
  return port === null || port > PORT_MAX ? errx(p, 1, 'getaddrinfo: Service was not recognized for socket type') : port;
}

/** The ports of a client: one, or a range `lo-hi` in ascending order. Numbers only. */
export function ncPorts(p: Proc, text: string): number[] {
  const dash = text.indexOf('-');
  if (dash < 0) return [strtonum(p, text, 1, PORT_MAX, 'port number')];
  const hi = strtonum(p, text.slice(dash + 1), 1, PORT_MAX, 'port number');
  const lo = strtonum(p, text.slice(0, dash), 1, PORT_MAX, 'port number');
  return Array.from({ length: Math.abs(hi - lo) + 1 }, (_x, i) => Math.min(lo, hi) + i);
}

const USAGE = `usage: nc [-46DdFhklNnrStUuvz] [-I length] [-i interval] [-O length]
\t  [--no-tcpopt] [--sctp]
\t  [-P proxy_username] [-p source_port] [-s source] [-T ToS]
\t  [--tun tundev] [-V rtable] [-w timeout] [-X proxy_protocol]
\t  [-x proxy_address[:port]] [destination] [port]
`;

const SUMMARY = `\tCommand Summary:
\t\t-4\t\tUse IPv4
\t\t-6\t\tUse IPv6
\t\t-D\t\tEnable the debug socket option
\t\t-d\t\tDetach from stdin
\t\t-F\t\tPass socket fd
\t\t-h\t\tThis help text
\t\t-I length\tTCP receive buffer length
\t\t-i secs\t\tDelay interval for lines sent, ports scanned
\t\t-k\t\tKeep inbound sockets open for multiple connects
\t\t-l\t\tListen mode, for inbound connects
\t\t-N\t\tShutdown the network socket after EOF on stdin
\t\t-n\t\tSuppress name/port resolutions
\t\t--no-tcpopt\tDisable TCP options
\t\t--sctp\t\tSCTP mode
\t\t--tun tundev\tUse tun device rather than stdio
\t\t-O length\tTCP send buffer length
\t\t-P proxyuser\tUsername for proxy authentication
\t\t-p port\t\tSpecify local port for remote connects
\t\t-r\t\tRandomize remote ports
\t\t-S\t\tEnable the TCP MD5 signature option
\t\t-s addr\t\tLocal source address
\t\t-T toskeyword\tSet IP Type of Service
\t\t-t\t\tAnswer TELNET negotiation
\t\t-U\t\tUse UNIX domain socket
\t\t-u\t\tUDP mode
\t\t-V rtable\tSpecify alternate routing table
\t\t-v\t\tVerbose
\t\t-w secs\t\tTimeout for connects and final net reads
\t\t-X proto\tProxy protocol: "4", "5" (SOCKS) or "connect"
\t\t-x addr[:port]\tSpecify proxy address and port
\t\t-z\t\tZero-I/O mode [used for scanning]
\tPort numbers can be individual or ranges: lo-hi [inclusive]
`;
