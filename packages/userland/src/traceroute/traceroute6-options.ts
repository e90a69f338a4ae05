/**
 * traceroute6-options.ts — traceroute6's command line.
 * Read first: traceroute6(8).
 *
 * Not here, and refused by name: -g (routing headers of type 0, which RFC 5095 forbids), -S (probes of SCTP).
 */
import type { Ip6Name } from '@netloom/core';
import { ToolExit, usage } from '../err.js';
import { getopt } from '../getopt.js';
import { NO_SUCH_NAME } from '../host-address.js';
import { hostAddress6 } from '../host-address6.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PROBE_HDR_LEN, PROBE_PORT } from './probe-packet.js';
import type { ProbeKind } from './probe-packet.js';

const OPTSTRING = 'aA:df:g:Ilm:nNp:q:rs:St:TUvw:';
const MAXPACKET = 65_535;
const DEFDATALEN = 20;

export interface Traceroute6Options {
  host: string;
  dst: Ip6Name;
  asPath: boolean;
  kind: ProbeKind;
  dontRoute: boolean;
  firstTtl: number;
  maxTtl: number;
  numeric: boolean;
  /** -l: names and addresses. */
  both: boolean;
  port: number;
  probes: number;
  source: Ip6Name | null;
  sourceText: string | null;
  tclass: number;
  verbose: boolean;
  waitUs: number;
  /** Bytes behind the IPv6 header. */
  dataBytes: number;
}

/** Prints the complaint as traceroute6 does, whatever it is called, and leaves. */
export function complain(p: Proc, code: number, text: string): never {
  p.err(`${text}\n`);
  throw new ToolExit(code);
}

/** strtoul(3) in base 0; null for what is none. */
const unsigned = (text: string): number | null => (/^\s*\+?(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : null);

function within(p: Proc, text: string, max: number, complaint: string): number {
  const n = unsigned(text);
  return n === null || n > max ? complain(p, 1, `traceroute6: ${complaint}`) : n;
}

type Setter = (o: Traceroute6Options, v: string, p: Proc) => void;
const ignore: Setter = () => {};

const SETTERS: Readonly<Record<string, Setter>> = {
  A: (o) => { o.asPath = true; },
  a: (o) => { o.asPath = true; },
  d: ignore,
  f: (o, v, p) => { o.firstTtl = within(p, v, 255, 'invalid min hoplimit.'); },
  g: (_o, _v, p) => complain(p, 1, 'traceroute6: -g: routing headers of type 0 are not built in (RFC 5095 forbids them)'),
  I: (o) => { o.kind = 'icmp6'; },
  l: (o) => { o.both = true; },
  m: (o, v, p) => { o.maxTtl = within(p, v, 255, 'invalid max hoplimit.'); },
  N: (o) => { o.kind = 'none'; },
  n: (o) => { o.numeric = true; },
  p: (o, v, p) => {
    o.port = within(p, v, Number.MAX_SAFE_INTEGER, 'invalid port.');
    if (o.port === 0 || o.port > 65_535) complain(p, 1, 'traceroute6: port out of range.');
  },
  q: (o, v, p) => {
    o.probes = within(p, v, Number.MAX_SAFE_INTEGER, 'invalid nprobes.');
    if (o.probes < 1) complain(p, 1, 'traceroute6: nprobes must be >0.');
  },
  r: (o) => { o.dontRoute = true; },
  S: (_o, _v, p) => complain(p, 1, 'traceroute6: -S: probes of SCTP are not built in'),
  s: (o, v) => { o.sourceText = v; },
  T: (o) => { o.kind = 'tcp'; },
  t: (o, v, p) => { o.tclass = within(p, v, 255, 'invalid traffic class.'); },
  U: (o) => { o.kind = 'udp'; },
  v: (o) => { o.verbose = true; },
  w: (o, v, p) => {
    const s = within(p, v, Number.MAX_SAFE_INTEGER, 'invalid wait time.');
    if (s < 1) complain(p, 1, 'traceroute6: wait must be >= 1 sec.');
    o.waitUs = s * 1_000_000;
  },
};

/** What may be a name on the command line. */
export const traceroute6Host = (p: Proc): readonly string[] => getopt(OPTSTRING, p.argv.slice(1)).rest.slice(0, 1);

export function parseTraceroute6(p: Proc, known: KnownNames): Traceroute6Options {
  const parsed = getopt(OPTSTRING, p.argv.slice(1));
  const o: Traceroute6Options = {
    host: '', dst: { addr: new Uint8Array(16), scopeId: 0 }, asPath: false, kind: 'udp', dontRoute: false, firstTtl: 1, maxTtl: p.vnet.ip6?.tun.hlim ?? 64,
    numeric: false, both: false, port: PROBE_PORT, probes: 3, source: null, sourceText: null, tclass: -1, verbose: false, waitUs: 5_000_000, dataBytes: DEFDATALEN,
  };
  for (const [letter, text] of parsed.options) SETTERS[letter]?.(o, text, p);
  if (parsed.error !== null) {
    p.err(`traceroute6: ${parsed.error}\n`);
    usage(p, 1, USAGE);
  }
  if (o.maxTtl < o.firstTtl) complain(p, 1, 'traceroute6: max hoplimit must be larger than first hoplimit.');
  const [host, length, ...more] = parsed.rest;
  if (host === undefined || more.length > 0) return usage(p, 1, USAGE);
  o.host = host;
  o.dst = hostAddress6(p.vnet, host, known) ?? complain(p, 1, `traceroute6: ${known.why(host)}`);
  if (o.sourceText !== null) o.source = hostAddress6(p.vnet, o.sourceText) ?? complain(p, 1, `traceroute6: ${o.sourceText}: ${NO_SUCH_NAME}`);
  if (length !== undefined) o.dataBytes = within(p, length, Number.MAX_SAFE_INTEGER, 'invalid packet length.');
  const least = PROBE_HDR_LEN[o.kind];
  o.dataBytes = o.kind === 'none' ? 0 : Math.max(o.dataBytes, least);
  if (o.dataBytes >= MAXPACKET) complain(p, 1, `traceroute6: packet size must be ${least} <= s < ${MAXPACKET}.`);
  return o;
}

const USAGE = `usage: traceroute6 [-adIlnNrSTUv] [-A as_server] [-f firsthop] [-g gateway]
       [-m hoplimit] [-p port] [-q probes] [-s src] [-w waittime] target
       [datalen]
`;
