/**
 * traceroute-options.ts — traceroute's command line.
 * Read first: traceroute(8).
 *
 * Not here, and refused by name: -D, -g, probes of SCTP, UDP-Lite, GRE and other protocols. -a asks a server of the Internet about AS numbers, which no
 * vnet reaches: it says so and goes on, as FreeBSD's does then.
 */
import { IP4_HDR_LEN } from '@netloom/core/wire';
import { errx, progname, usage } from '../err.js';
import { getopt } from '../getopt.js';
import { hostAddress } from '../host-address.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PROBE_HDR_LEN, PROBE_PORT } from './probe-packet.js';
import type { ProbeKind } from './probe-packet.js';

const OPTSTRING = 'aA:edDFInrSvxf:g:i:M:m:P:p:q:s:t:w:z:';
const MAXPACKET = 32_768;
const DEFPACKET = 40;

export interface TracerouteOptions {
  host: string;
  dst: number;
  asPath: boolean;
  kind: ProbeKind;
  fixedPort: boolean;
  dontFragment: boolean;
  dontRoute: boolean;
  interfaceName: string | null;
  firstTtl: number;
  maxTtl: number;
  numeric: boolean;
  port: number;
  probes: number;
  sourceText: string | null;
  showLoss: boolean;
  tos: number;
  verbose: boolean;
  checksums: boolean;
  waitUs: number;
  pauseUs: number;
  packetBytes: number;
}

/** A number, decimal or with 0x, in [min, max]; leaves with what is wrong. `max` -1: any. */
function value(p: Proc, text: string, what: string, min: number, max: number): number {
  const n = /^\s*[+-]?[0-9]+$|^0x[0-9a-f]+$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(n)) return errx(p, 1, `"${text}" bad value for ${what}`);
  if (n < min) return errx(p, 1, min === 0 ? `${what} must be >= 0` : `${what} must be > ${min - 1}`);
  return max >= 0 && n > max ? errx(p, 1, `${what} must be <= ${max}`) : n;
}

function kindOf(p: Proc, name: string): ProbeKind {
  const lower = name.toLowerCase();
  if (lower === 'udp' || lower === 'icmp' || lower === 'tcp') return lower;
  return errx(p, 1, `-P ${name}: probes of that protocol are not built in: udp, icmp and tcp are`);
}

type Setter = (o: TracerouteOptions, v: string, p: Proc) => void;
const ignore: Setter = () => {};

const SETTERS: Readonly<Record<string, Setter>> = {
  A: (o) => { o.asPath = true; },
  a: (o) => { o.asPath = true; },
  D: (_o, _v, p) => errx(p, 1, '-D: showing what changed in quoted probes is not built in'),
  d: ignore,
  e: (o) => { o.fixedPort = true; },
  F: (o) => { o.dontFragment = true; },
  f: (o, v, p) => { o.firstTtl = value(p, v, 'first ttl', 1, 255); },
  g: (_o, _v, p) => errx(p, 1, '-g: source routes are not built in'),
  I: (o) => { o.kind = 'icmp'; },
  i: (o, v) => { o.interfaceName = v; },
  M: (o, v, p) => { o.firstTtl = value(p, v, 'first ttl', 1, 255); },
  m: (o, v, p) => { o.maxTtl = value(p, v, 'max ttl', 1, 255); },
  n: (o) => { o.numeric = true; },
  P: (o, v, p) => { o.kind = kindOf(p, v); },
  p: (o, v, p) => { o.port = value(p, v, 'port', 1, 65_535); },
  q: (o, v, p) => { o.probes = value(p, v, 'nprobes', 1, -1); },
  r: (o) => { o.dontRoute = true; },
  S: (o) => { o.showLoss = true; },
  s: (o, v) => { o.sourceText = v; },
  t: (o, v, p) => { o.tos = value(p, v, 'tos', 0, 255); },
  v: (o) => { o.verbose = true; },
  w: (o, v, p) => { o.waitUs = value(p, v, 'wait time', 1, 24 * 60 * 60) * 1_000_000; },
  x: (o) => { o.checksums = !o.checksums; },
  z: (o, v, p) => { o.pauseUs = value(p, v, 'pause msecs', 0, 60 * 60 * 1_000) * 1_000; },
};

/** The address of a host, or leaves. */
export function hostOf(p: Proc, text: string, known: KnownNames): number {
  return hostAddress(text, known) ?? errx(p, 1, `unknown host ${text}`);
}

/** What may be a name on the command line. */
export const tracerouteHost = (p: Proc): readonly string[] => getopt(OPTSTRING, p.argv.slice(1)).rest.slice(0, 1);

export function parseTraceroute(p: Proc, known: KnownNames): TracerouteOptions {
  const parsed = getopt(OPTSTRING, p.argv.slice(1));
  const o: TracerouteOptions = {
    host: '', dst: 0, asPath: false, kind: 'udp', fixedPort: false, dontFragment: false, dontRoute: false, interfaceName: null, firstTtl: 1,
    maxTtl: p.vnet.ip?.tun.ttl ?? 64, numeric: false, port: PROBE_PORT, probes: 3, sourceText: null, showLoss: false, tos: 0, verbose: false, checksums: true,
    waitUs: 5_000_000, pauseUs: 0, packetBytes: 0,
  };
  for (const [letter, text] of parsed.options) SETTERS[letter]?.(o, text, p);
  if (parsed.error !== null) usageOf(p);
  if (o.firstTtl > o.maxTtl) errx(p, 1, `first ttl (${o.firstTtl}) may not be greater than max ttl (${o.maxTtl})`);
  if (!o.checksums) p.err(`${progname(p)}: Warning: ip checksums disabled\n`);
  const least = IP4_HDR_LEN + PROBE_HDR_LEN[o.kind];
  const [host, length, ...more] = parsed.rest;
  if (host === undefined || more.length > 0) return usageOf(p);
  o.packetBytes = length === undefined ? Math.max(least, DEFPACKET) : value(p, length, 'packet length', least, MAXPACKET);
  o.host = host;
  o.dst = hostOf(p, host, known);
  return o;
}

function usageOf(p: Proc): never {
  const name = progname(p);
  return usage(p, 1, `Version 1.4a12+FreeBSD
Usage: ${name} [-adDeFInrSvx] [-f first_ttl] [-g gateway] [-i iface]
\t[-m max_ttl] [-p port] [-P proto] [-q nqueries] [-s src_addr]
\t[-t tos] [-w waittime] [-A as_server] [-z pausemsecs] host [packetlen]
`);
}
