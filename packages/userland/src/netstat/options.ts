/**
 * options.ts — netstat's command line.
 * Read first: netstat(1).
 *
 * Letters that ask for what this kernel does not keep are refused by name.
 */
import { errx, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { takeLibxo } from '../libxo.js';
import type { JsonStyle } from '../libxo.js';
import type { Proc } from '../proc.js';

export interface NetstatOptions {
  all: boolean;
  bytes: boolean;
  drops: boolean;
  family: 'any' | 'inet' | 'inet6' | 'link' | 'unix';
  /** Null: the process's. */
  fib: number | null;
  human: boolean;
  interfaces: boolean;
  interfaceName: string | null;
  /** 0: once. */
  intervalSec: number;
  jail: string | null;
  json: JsonStyle;
  listen: boolean;
  memory: boolean;
  multicast: boolean;
  nexthops: boolean;
  /** -n: addresses and ports as numbers; -S: addresses only. */
  numericAddr: boolean;
  numericPort: boolean;
  protocol: string | null;
  routes: boolean;
  /** Times -s was given; twice leaves zero counters out. */
  statistics: number;
  wide: boolean;
  /** -x: socket buffers. -T: what went wrong on connections. -R: flows. -c: the TCP stack. -C: congestion control. -P: the log's name. */
  buffers: boolean;
  tcpInfo: boolean;
  flows: boolean;
  stack: boolean;
  cc: boolean;
  logId: boolean;
  /** Lines -w prints, 0 for no end. */
  outputs: number;
  zero: boolean;
}

const OPTSTRING = '46AaBbCcdF:f:ghI:ij:LlM:mN:nOoPp:Qq:RrSTsuWw:xz';
const FAMILIES: Readonly<Record<string, NetstatOptions['family']>> = { inet: 'inet', inet6: 'inet6', link: 'link', unix: 'unix', local: 'unix' };

/** Returns why it is refused, if it is. */
type Setter = (o: NetstatOptions, v: string) => string | null | void;

const atoi = (text: string): number => Number(/^\s*[+-]?[0-9]+/.exec(text)?.[0] ?? 0);

const SETTERS: Readonly<Record<string, Setter>> = {
  4: (o) => { o.family = 'inet'; },
  6: (o) => { o.family = 'inet6'; },
  A: () => '-A: control blocks have no addresses here',
  a: (o) => { o.all = true; },
  B: () => '-B: capture listeners are not listed here',
  b: (o) => { o.bytes = true; },
  C: (o) => { o.cc = true; },
  c: (o) => { o.stack = true; },
  d: (o) => { o.drops = true; },
  F: (o, v) => {
    if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(v)) return `${v}: invalid fib`;
    o.fib = Number(v);
    return null;
  },
  f: (o, v) => {
    const family = Object.hasOwn(FAMILIES, v) ? FAMILIES[v] : undefined;
    if (family === undefined) return `${v}: unknown address family`;
    o.family = family;
    return null;
  },
  g: (o) => { o.multicast = true; },
  h: (o) => { o.human = true; },
  I: (o, v) => { o.interfaces = true; o.interfaceName = v; },
  i: (o) => { o.interfaces = true; },
  j: (o, v) => { o.jail = v; },
  L: (o) => { o.listen = true; },
  l: (o) => { o.wide = true; },
  M: () => '-M: there are no core files here',
  m: (o) => { o.memory = true; },
  N: () => '-N: there are no core files here',
  n: (o) => { o.numericAddr = true; o.numericPort = true; },
  O: () => '-O: nexthop groups are not listed here; -r shows their paths',
  o: (o) => { o.nexthops = true; },
  P: (o) => { o.logId = true; },
  p: (o, v) => { o.protocol = v; },
  Q: () => '-Q: there is no netisr table here; see sysctl net.inet.ip',
  q: (o, v) => { o.outputs = atoi(v); },
  R: (o) => { o.flows = true; },
  r: (o) => { o.routes = true; },
  S: (o) => { o.numericAddr = true; },
  s: (o) => { o.statistics++; },
  T: (o) => { o.tcpInfo = true; },
  u: (o) => { o.family = 'unix'; },
  W: (o) => { o.wide = true; },
  w: (o, v) => { o.intervalSec = atoi(v); o.interfaces = true; },
  x: (o) => { o.buffers = true; },
  z: (o) => { o.zero = true; },
};

/** Leaves with netstat's complaint when the words are wrong. */
export function parseNetstat(p: Proc): NetstatOptions {
  const o: NetstatOptions = {
    all: false, bytes: false, drops: false, family: 'any', fib: null, human: false, interfaces: false, interfaceName: null, intervalSec: 0, jail: null,
    json: 'none', listen: false, memory: false, multicast: false, nexthops: false, numericAddr: false, numericPort: false, protocol: null,
    routes: false, statistics: 0, wide: false, buffers: false, tcpInfo: false, flows: false, stack: false, cc: false, logId: false, outputs: 0, zero: false,
  };
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  o.json = xo.json;
  const parsed = getopt(OPTSTRING, xo.words);
  for (const [letter, value] of parsed.options) {
    const refused = SETTERS[letter]?.(o, value) ?? null;
    if (refused !== null) errx(p, 1, refused);
  }
  if (parsed.error !== null) {
    warnx(p, parsed.error);
    usage(p, 1, NETSTAT_USAGE);
  }
  if (o.buffers && o.tcpInfo) errx(p, 1, '-x and -T are incompatible, pick one.');
  const [interval] = parsed.rest;
  if (interval !== undefined && /^[0-9]/.test(interval)) {
    o.intervalSec = atoi(interval);
    o.interfaces = true;
    if (o.intervalSec <= 0) usage(p, 1, NETSTAT_USAGE);
  } else if (interval !== undefined) usage(p, 1, NETSTAT_USAGE);
  return o;
}

const NETSTAT_USAGE = `usage: netstat [-j jail] [-46AaCcLnRSTWx] [-f protocol_family | -p protocol]
       netstat [-j jail] -i | -I interface [-46abdhnW] [-f address_family]
       netstat [-j jail] -w wait [-I interface] [-46d] [-q howmany]
       netstat [-j jail] -s [-46sz] [-f protocol_family | -p protocol]
       netstat [-j jail] -m
       netstat [-j jail] -r [-46nW] [-F fibnum] [-f address_family]
       netstat [-j jail] -o [-46nW] [-F fibnum]
       netstat [-j jail] -g [-46W] [-f address_family]
       any of them with --json
`;
