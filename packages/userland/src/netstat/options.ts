/**
 * options.ts — netstat's command line.
 * Read first: netstat(1).
 */
import { getopt } from '../getopt.js';

export interface NetstatOptions {
  all: boolean;
  bytes: boolean;
  drops: boolean;
  family: 'any' | 'inet' | 'inet6' | 'link' | 'unix';
  fib: number | null;
  human: boolean;
  interfaces: boolean;
  interfaceName: string | null;
  intervalSec: number;
  jail: string | null;
  json: boolean;
  memory: boolean;
  multicast: boolean;
  nexthops: boolean;
  protocol: string | null;
  routes: boolean;
  /** Times -s was given; twice leaves zero counters out. */
  statistics: number;
  wide: boolean;
  outputs: number;
  zero: boolean;
}

const OPTSTRING = '46AaBbCcdF:f:ghI:ij:LlM:mN:nOoPp:Qq:RrSTsuWw:xz';

const FAMILIES: Readonly<Record<string, NetstatOptions['family']>> = { inet: 'inet', inet6: 'inet6', link: 'link', unix: 'unix', local: 'unix' };

/** Null with `message`: refused; the tool prints it and exits 1. */
export type ParsedNetstat = { readonly options: NetstatOptions } | { readonly message: string };

const FLAGS: Readonly<Record<string, (o: NetstatOptions, v: string) => string | null>> = {
  4: (o) => { o.family = 'inet'; return null; },
  6: () => 'IPv6 support is not compiled in',
  a: (o) => { o.all = true; return null; },
  b: (o) => { o.bytes = true; return null; },
  d: (o) => { o.drops = true; return null; },
  g: (o) => { o.multicast = true; return null; },
  h: (o) => { o.human = true; return null; },
  i: (o) => { o.interfaces = true; return null; },
  I: (o, v) => { o.interfaces = true; o.interfaceName = v; return null; },
  j: (o, v) => { o.jail = v; return null; },
  l: (o) => { o.wide = true; return null; },
  m: (o) => { o.memory = true; return null; },
  O: (o) => { o.nexthops = true; return null; },
  o: (o) => { o.nexthops = true; return null; },
  p: (o, v) => { o.protocol = v; return null; },
  r: (o) => { o.routes = true; return null; },
  s: (o) => { o.statistics++; return null; },
  u: (o) => { o.family = 'unix'; return null; },
  W: (o) => { o.wide = true; return null; },
  z: (o) => { o.zero = true; return null; },
  F: (o, v) => {
    if (!/^[0-9]+$/.test(v)) return `${v}: invalid fib`;
    o.fib = Number(v);
    return null;
  },
  f: (o, v) => {
    const family = FAMILIES[v];
    if (family === undefined) return `${v}: unknown address family`;
    o.family = family;
    return null;
  },
  q: (o, v) => { o.outputs = Number.parseInt(v, 10) || 0; return null; },
  w: (o, v) => { o.intervalSec = Math.max(1, Number.parseInt(v, 10) || 1); o.interfaces = true; return null; },
  B: () => '-B: no BPF listeners are shown here; use netloom ps',
  L: () => '-L: listen queues come with TCP',
  Q: () => '-Q: there is no netisr table in this stack; see sysctl net.inet.ip',
};

export function parseNetstat(argv: readonly string[]): ParsedNetstat {
  const o: NetstatOptions = {
    all: false, bytes: false, drops: false, family: 'any', fib: null, human: false, interfaces: false, interfaceName: null, intervalSec: 0, jail: null,
    json: false, memory: false, multicast: false, nexthops: false, protocol: null, routes: false, statistics: 0, wide: false, outputs: 0, zero: false,
  };
  const words = argv.slice(1).filter((w) => w !== '--json');
  o.json = words.length !== argv.length - 1;
  const parsed = getopt(OPTSTRING, words);
  if (parsed.error !== null) return { message: `${parsed.error}\n${NETSTAT_USAGE}` };
  for (const [letter, value] of parsed.options) {
    const message = FLAGS[letter]?.(o, value) ?? null;
    if (message !== null) return { message };
  }
  return { options: o };
}

export const NETSTAT_USAGE = `usage: netstat [-46anW] [-f family] [-j jail] [--json]
       netstat -i | -I interface [-46abdhnW] [-f family] [-w wait] [-q howmany] [--json]
       netstat -s [-46sz] [-f family] [-p protocol] [--json]
       netstat -m
       netstat -r [-46nW] [-F fibnum] [-f family] [--json]
       netstat -g [-46W]`;
