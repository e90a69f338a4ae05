/**
 * nc-options.ts — nc's command line.
 * Read first: nc(1).
 */
import { inetAton } from '@netloom/core/wire';
import { errx, usage as usageExit } from '../err.js';
import { getopt } from '../getopt.js';
import type { Proc } from '../proc.js';

const OPTSTRING = '46DdEe:FhI:i:klNnO:P:p:rSs:T:tUuV:vw:X:x:z';

/** Services nc knows by name. */
const SERVICES: Readonly<Record<string, number>> = { echo: 7, discard: 9, daytime: 13, chargen: 19, domain: 53, bootps: 67, bootpc: 68, tftp: 69, ntp: 123, snmp: 161, syslog: 514 };

export interface NcOptions {
  listen: boolean;
  udp: boolean;
  keep: boolean;
  noStdin: boolean;
  verbose: boolean;
  scan: boolean;
  /** Idle limit in microseconds, 0 for none. */
  timeoutUs: number;
  intervalUs: number;
  source: number;
  sourcePort: number;
  tos: number;
  fib: number | null;
  receiveBuffer: number;
  tunDevice: string | null;
  address: number;
  addressText: string;
  /** Ports, more than one for a scan. */
  ports: number[];
}

export function parseNc(p: Proc): NcOptions {
  const words: string[] = [];
  let tunDevice: string | null = null;
  for (let i = 1; i < p.argv.length; i++) {
    const w = p.argv[i] ?? '';
    if (w === '--tun') tunDevice = p.argv[++i] ?? errx(p, 1, 'option requires an argument -- tun');
    else if (w.startsWith('--tun=')) tunDevice = w.slice(6);
    else if (w === '--sctp' || w === '--crlf' || w === '--no-tcpopt') errx(p, 1, `${w}: not supported`);
    else words.push(w);
  }
  const parsed = getopt(OPTSTRING, words);
  if (parsed.error !== null) usage(p, parsed.error);
  const o: NcOptions = {
    listen: false, udp: false, keep: false, noStdin: false, verbose: false, scan: false, timeoutUs: 0, intervalUs: 0, source: 0, sourcePort: 0, tos: -1,
    fib: null, receiveBuffer: 0, tunDevice, address: 0, addressText: '', ports: [],
  };
  for (const [letter, value] of parsed.options) apply(p, o, letter, value);
  targets(p, o, parsed.rest);
  if (!o.udp) errx(p, 1, 'TCP is not built in yet; use -u for UDP');
  if (tunDevice !== null && !o.udp) errx(p, 1, 'must use --tun with -u');
  return o;
}

function apply(p: Proc, o: NcOptions, letter: string, value: string): void {
  const seconds = (what: string): number => (/^[0-9]+$/.test(value) ? Number(value) * 1_000_000 : errx(p, 1, `${what} cannot be ${value === '' ? 'empty' : `'${value}'`}`));
  switch (letter) {
    case '6':
      return errx(p, 1, 'IPv6 is not built in; use IPv4 addresses');
    case 'U':
      return errx(p, 1, 'Unix sockets are not supported');
    case 'x':
    case 'X':
    case 'P':
      return errx(p, 1, `-${letter}: proxies need TCP, which is not built in yet`);
    case 'k':
      o.keep = true;
      return;
    case 'l':
      o.listen = true;
      return;
    case 'u':
      o.udp = true;
      return;
    case 'd':
      o.noStdin = true;
      return;
    case 'v':
      o.verbose = true;
      return;
    case 'z':
      o.scan = true;
      return;
    case 'w':
      o.timeoutUs = seconds('timeout');
      return;
    case 'i':
      o.intervalUs = seconds('interval');
      return;
    case 's':
      o.source = inetAton(value) ?? errx(p, 1, `getaddrinfo: ${value}: not an address`);
      return;
    case 'p':
      o.sourcePort = portOf(p, value);
      return;
    case 'I':
      o.receiveBuffer = /^[0-9]+$/.test(value) ? Number(value) : errx(p, 1, `TCP receive window invalid: ${value}`);
      return;
    case 'T':
      o.tos = tosOf(p, value);
      return;
    case 'V':
      o.fib = /^[0-9]+$/.test(value) ? Number(value) : errx(p, 1, `routing table: '${value}' is not a number`);
      return;
    case 'h':
      return usage(p, null);
    default:
  }
}

function tosOf(p: Proc, text: string): number {
  const named: Readonly<Record<string, number>> = { lowdelay: 0x10, throughput: 0x08, reliability: 0x04, critical: 0xa0, netcontrol: 0xe0 };
  const n = named[text] ?? (/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text) ? Number(text) : -1);
  return n < 0 || n > 255 ? errx(p, 1, `illegal tos value ${text}`) : n;
}

function portOf(p: Proc, text: string): number {
  const n = /^[0-9]+$/.test(text) ? Number(text) : (SERVICES[text] ?? -1);
  return n < 1 || n > 65_535 ? errx(p, 1, `port number invalid: ${text}`) : n;
}

function targets(p: Proc, o: NcOptions, rest: readonly string[]): void {
  const [first, second, extra] = rest;
  if (first === undefined || extra !== undefined) usage(p, null);
  if (o.listen && second === undefined) {
    o.ports = [o.sourcePort !== 0 ? o.sourcePort : portOf(p, first)];
    return;
  }
  o.addressText = first;
  o.address = inetAton(first) ?? errx(p, 1, `getaddrinfo for host "${first}" port ${second ?? ''}: Name does not resolve (give an address: there is no resolver here)`);
  if (second === undefined) {
    if (o.listen && o.sourcePort !== 0) o.ports = [o.sourcePort];
    else usage(p, null);
    return;
  }
  const range = /^([0-9]+)-([0-9]+)$/.exec(second);
  if (range === null) o.ports = [portOf(p, second)];
  else {
    const [lo, hi] = [portOf(p, range[1] ?? ''), portOf(p, range[2] ?? '')].sort((a, b) => a - b);
    for (let n = lo ?? 1; n <= (hi ?? 1); n++) o.ports.push(n);
  }
}

function usage(p: Proc, message: string | null): never {
  const text = 'usage: nc [-46DdEFhklNnrStUuvz] [-I length] [-i interval] [-O length]\n\t  [-p source_port] [-s source] [-T ToS] [--tun tundev] [-V rtable]\n\t  [-w timeout] [destination] [port]\n';
  return usageExit(p, 1, message === null ? text : `nc: ${message}\n${text}`);
}
