/**
 * nc-options.ts — nc's command line.
 * Read first: nc(1).
 *
 * Options that need TCP, SCTP, Unix sockets or a host's file descriptors are refused by name; what is left is UDP's.
 */
import type { SockAddr } from '@netloom/core';
import { errx, usage as usageExit } from '../err.js';
import { getopt } from '../getopt.js';
import { NO_SUCH_NAME, hostAddress } from '../host-address.js';
import { hostAddress6 } from '../host-address6.js';
import type { Proc } from '../proc.js';
import { servicePort } from '../services.js';

const OPTSTRING = '46DdEe:FhI:i:klMNnoO:P:p:rSs:tT:UuV:vw:X:x:z';
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
}

/** strtonum(3): the number, or leaves with `what too large: text`. */
function strtonum(p: Proc, text: string, min: number, max: number, what: string): number {
  const n = /^\s*[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
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
const ignore: Setter = () => {};

const SETTERS: Readonly<Record<string, Setter>> = {
  4: (o) => { o.family = 4; },
  6: (o) => { o.family = 6; },
  D: ignore,
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
  N: ignore,
  n: (o) => { o.numeric = true; },
  O: (o, v, p) => { o.sendBuffer = strtonum(p, v, 1, WINDOW_MAX, 'TCP send window'); },
  o: (_o, _value, p) => p.err('option -o is deprecated.\n'),
  p: (o, v) => { o.sourcePortText = v; },
  r: (o) => { o.randomPorts = true; },
  s: (o, v) => { o.sourceText = v; },
  T: (o, v, p) => { o.tos = tos(p, v); },
  t: ignore,
  U: refuse('Unix sockets are not built in: use the machine\'s nc: /usr/bin/nc -U PATH'),
  u: (o) => { o.udp = true; },
  V: (o, v, p) => { o.fib = strtonum(p, v, 0, (p.vnet.routes?.fibs ?? 1) - 1, 'rtable'); },
  v: (o) => { o.verbose = true; },
  w: (o, v, p) => { o.timeoutUs = strtonum(p, v, 0, TIMEOUT_MAX_SEC, 'timeout') * 1_000_000; },
  z: (o) => { o.scan = true; },
};

/** Long options are taken out first: they have no letters. */
function takeLong(p: Proc): { readonly words: string[]; readonly tun: string | null; readonly sctp: boolean; readonly noTcpopt: boolean } {
  const words: string[] = [];
  let tun: string | null = null;
  let sctp = false;
  let noTcpopt = false;
  for (let i = 1; i < p.argv.length; i++) {
    const w = p.argv[i] ?? '';
    if (w === '--tun') tun = p.argv[++i] ?? usageExit(p, 1, `nc: option requires an argument -- tun\n${USAGE}`);
    else if (w.startsWith('--tun=')) tun = w.slice('--tun='.length);
    else if (w === '--sctp') sctp = true;
    else if (w === '--no-tcpopt') noTcpopt = true;
    else words.push(w);
  }
  return { words, tun, sctp, noTcpopt };
}

export function parseNc(p: Proc): NcOptions {
  const long = takeLong(p);
  const parsed = getopt(OPTSTRING, long.words);
  const o: NcOptions = {
    family: null, listen: false, udp: false, keep: false, noStdin: false, numeric: false, verbose: false, scan: false, randomPorts: false, timeoutUs: Infinity,
    intervalUs: 0, sourceText: null, sourcePortText: null, tos: -1, fib: null, receiveBuffer: 0, sendBuffer: 0, tunDevice: long.tun, host: null, portText: '',
  };
  for (const [letter, value] of parsed.options) SETTERS[letter]?.(o, value, p);
  if (parsed.error !== null) usageExit(p, 1, `nc: ${parsed.error}\n${USAGE}`);
  const [first, second] = parsed.rest;
  if (first === undefined || (second === undefined && !o.listen)) usageExit(p, 1, USAGE);
  if (second !== undefined) o.host = first;
  o.portText = second ?? first;
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  checkTogether(p, o, long.sctp, ['x', 'X', 'P'].some(has), has('S') || long.noTcpopt);
  return o;
}

function checkTogether(p: Proc, o: NcOptions, sctp: boolean, proxy: boolean, tcpOnly: boolean): void {
  if (o.listen && o.sourceText !== null) errx(p, 1, 'cannot use -s and -l');
  if (o.listen && o.sourcePortText !== null) errx(p, 1, 'cannot use -p and -l');
  if (o.listen && o.scan) errx(p, 1, 'cannot use -z and -l');
  if (!o.listen && o.keep) errx(p, 1, 'must use -l with -k');
  if (sctp) errx(p, 1, o.udp ? 'cannot use -u and --sctp' : '--sctp: SCTP is not built in');
  if (o.tunDevice !== null && !o.udp) errx(p, 1, 'must use --tun with -u');
  if (proxy && o.udp) errx(p, 1, 'no proxy support for UDP mode');
  if (!o.udp) errx(p, 1, 'TCP is not built in yet: use -u for UDP');
  if (tcpOnly) errx(p, 1, '-S and --no-tcpopt are about TCP, which is not built in yet');
}

/** The addresses of `host` in the order they are tried: those of the family asked for; leaves when there is none. */
export function ncAddresses(p: Proc, o: NcOptions, host: string): SockAddr[] {
  const v4 = o.family === 6 ? null : hostAddress(host);
  const v6 = o.family === 4 ? null : hostAddress6(p.vnet, host);
  const known = [v4, v6].filter((a) => a !== null);
  return known.length > 0 ? known : errx(p, 1, `getaddrinfo: ${NO_SUCH_NAME}`);
}

/** The address of `host` in the family of `like`. */
export function ncAddressLike(p: Proc, host: string, like: SockAddr): SockAddr {
  return (typeof like === 'number' ? hostAddress(host) : hostAddress6(p.vnet, host)) ?? errx(p, 1, `getaddrinfo: ${NO_SUCH_NAME}`);
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

const SUMMARY = `\tWhat works here is UDP (-u):
\t\t-d\t\tDo not read standard input
\t\t-I, -O length\tReceive and send buffer
\t\t-i secs\t\tPause before each read and write
\t\t-k\t\tHear everybody, for as long as it runs (with -l)
\t\t-l\t\tListen
\t\t-n\t\tNumbers only
\t\t-p port, -s addr\tLocal port and address
\t\t-r\t\tTake the ports of a range in random order
\t\t-T tos\t\tType of service, by name or number
\t\t--tun tundev\tA tun device in place of standard input and output
\t\t-V rtable\tRouting table
\t\t-v\t\tSay what happens
\t\t-w secs\t\tEnd after so much silence
\t\t-z\t\tOnly see whether the ports are there
`;
