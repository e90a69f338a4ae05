/**
 * ping-options.ts — ping's command line, checked and turned into one value.
 * Read first: ping(8).
 *
 * A wrong option yields the message and exit code 64 (EX_USAGE), as FreeBSD's ping does.
 */
import { ip4Parse } from '@netloom/core/wire';
import { getopt } from '../getopt.js';

export const EX_USAGE = 64;
const MAXALARM_SEC = 60 * 60;
const MAXTTL = 255;
const INT_MAX = 2_147_483_647;
const OPTSTRING = '.:46AaC:c:DdfG:g:Hh:I:i:Ll:M:m:nop:QqRrS:s:T:t:vW:z:';
/** Largest ICMP payload one IPv4 packet carries. */
const PAYLOAD_MAX = 65_535 - 20 - 8;
export const DEFDATALEN = 56;

export interface PingOptions {
  host: string;
  /** Packets to send; 0 for no end. */
  count: number;
  audible: boolean;
  missed: boolean;
  dontFragment: boolean;
  flood: boolean;
  /** Characters printed per request; null: none. */
  dots: string | null;
  intervalUs: number;
  preload: number;
  mode: 'echo' | 'mask' | 'time';
  ttl: number;
  multicastTtl: number;
  noLoop: boolean;
  once: boolean;
  pattern: readonly number[] | null;
  quiet: boolean;
  /** -Q: do not show ICMP errors our own requests caused. */
  quietErrors: boolean;
  recordRoute: boolean;
  dontRoute: boolean;
  source: string | null;
  size: number;
  sweepMin: number;
  sweepMax: number;
  sweepIncr: number;
  /** Overall limit, 0 for none. */
  timeoutUs: number;
  verbose: boolean;
  /** Wait for the last answer. */
  waitUs: number;
  waitGiven: boolean;
  tos: number;
  pcp: number;
}

export type ParsedPing = { readonly options: PingOptions } | { readonly error: string | null };

function defaults(): PingOptions {
  return {
    host: '', count: 0, audible: false, missed: false, dontFragment: false, flood: false, dots: null, intervalUs: 1_000_000, preload: 0,
    mode: 'echo', ttl: -1, multicastTtl: -1, noLoop: false, once: false, pattern: null, quiet: false, quietErrors: false, recordRoute: false,
    dontRoute: false, source: null, size: DEFDATALEN, sweepMin: 0, sweepMax: 0, sweepIncr: 1, timeoutUs: 0, verbose: false,
    waitUs: 10_000_000, waitGiven: false, tos: -1, pcp: -1,
  };
}

/** A number in [min, max], or the complaint `what: \`text'`. */
function integer(text: string, min: number, max: number, what: string): number {
  const n = /^[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!(n >= min && n <= max)) throw new UsageError(`${what}: \`${text}'`);
  return n;
}

function seconds(text: string, unitUs: number): number {
  const n = /^[0-9]*\.?[0-9]+$|^[0-9]+\.$/.test(text) ? Number(text) : Number.NaN;
  if (!(n * 1000 <= INT_MAX)) throw new UsageError(`invalid timing interval: \`${text}'`);
  return Math.floor(n * unitUs);
}

class UsageError extends Error {}

type Setter = (o: PingOptions, value: string) => void;

const SETTERS: Readonly<Record<string, Setter>> = {
  '.': (o, v) => { o.dots = v; },
  '4': () => {},
  A: (o) => { o.missed = true; },
  a: (o) => { o.audible = true; },
  C: (o, v) => { o.pcp = integer(v, -1, 7, 'invalid PCP'); },
  c: (o, v) => { o.count = integer(v, 1, INT_MAX, 'invalid count of packets to transmit'); },
  D: (o) => { o.dontFragment = true; },
  d: () => {},
  f: (o) => { o.flood = true; o.dots ??= '.'; },
  G: (o, v) => { o.sweepMax = integer(v, 1, INT_MAX, 'invalid packet size'); },
  g: (o, v) => { o.sweepMin = integer(v, 1, INT_MAX, 'invalid packet size'); },
  H: () => {},
  h: (o, v) => { o.sweepIncr = integer(v, 1, INT_MAX, 'invalid packet size'); },
  I: (_o, v) => { if (ip4Parse(v) === null) throw new UsageError(`invalid multicast interface: \`${v}'`); },
  i: (o, v) => { o.intervalUs = seconds(v, 1_000_000); },
  L: (o) => { o.noLoop = true; },
  l: (o, v) => { o.preload = integer(v, 0, INT_MAX, 'invalid preload value'); },
  M: (o, v) => {
    const c = v.charAt(0).toLowerCase();
    if (c !== 'm' && c !== 't') throw new UsageError(`invalid message: \`${v.charAt(0)}'`);
    o.mode = c === 'm' ? 'mask' : 'time';
  },
  m: (o, v) => { o.ttl = integer(v, 0, MAXTTL, 'invalid TTL'); },
  n: () => {},
  o: (o) => { o.once = true; },
  p: (o, v) => {
    if (!/^[0-9a-fA-F]+$/.test(v)) throw new UsageError('patterns must be specified as hex digits');
    o.pattern = (v.match(/../g) ?? [v]).slice(0, 16).map((h) => Number.parseInt(h, 16));
  },
  Q: (o) => { o.quietErrors = true; },
  q: (o) => { o.quiet = true; },
  R: (o) => { o.recordRoute = true; },
  r: (o) => { o.dontRoute = true; },
  S: (o, v) => { o.source = v; },
  s: (o, v) => { o.size = integer(v, 0, INT_MAX, 'invalid packet size'); },
  T: (o, v) => { o.multicastTtl = integer(v, 0, MAXTTL, 'invalid multicast TTL'); },
  t: (o, v) => {
    const n = /^[0-9]+$/.test(v) ? Number(v) : 0;
    if (n < 1) throw new UsageError(`invalid timeout: \`${v}'`);
    if (n > MAXALARM_SEC) throw new UsageError(`invalid timeout: \`${v}' > ${MAXALARM_SEC}`);
    o.timeoutUs = n * 1_000_000;
  },
  v: (o) => { o.verbose = true; },
  W: (o, v) => { o.waitUs = seconds(v, 1_000); o.waitGiven = true; },
  z: (o, v) => { o.tos = integer(v, 0, 255, 'invalid TOS'); },
};

/** `{error: null}` asks for the usage text. */
export function parsePing(argv: readonly string[]): ParsedPing {
  const parsed = getopt(OPTSTRING, argv.slice(1));
  if (parsed.error !== null) return { error: parsed.error };
  const o = defaults();
  try {
    for (const [letter, value] of parsed.options) SETTERS[letter]?.(o, value);
    const [host, ...more] = parsed.rest;
    if (host === undefined || more.length > 0) return { error: null };
    o.host = host;
    if (parsed.options.some(([l]) => l === 'f') && parsed.options.some(([l]) => l === 'i')) throw new UsageError('-f and -i: incompatible options');
    if (o.mode === 'time') o.size = Math.max(o.size, 12);
    const biggest = Math.max(o.size, o.sweepMax);
    if (biggest > PAYLOAD_MAX) throw new UsageError(`packet size too large: ${biggest} > ${PAYLOAD_MAX}`);
    if (o.sweepMin > 0 && o.sweepMax === 0) throw new UsageError('Maximum sweep size must be specified');
    if (o.sweepMax > 0) checkSweep(o);
  } catch (error) {
    if (error instanceof UsageError) return { error: error.message };
    throw error;
  }
  return { options: o };
}

function checkSweep(o: PingOptions): void {
  if (o.sweepMin > o.sweepMax) throw new UsageError('Maximum packet size must be no less than the minimum packet size');
  o.size = o.sweepMin;
}

export const PING_USAGE = `usage:
\tping [-4AaDdfHnoQqRrv] [-C pcp] [-c count] [-G sweepmaxsize]
\t    [-g sweepminsize] [-h sweepincrsize] [-i wait] [-l preload]
\t    [-M mask | time] [-m ttl] [-p pattern] [-S src_addr] 
\t    [-s packetsize] [-t timeout] [-W waittime] [-z tos] IPv4-host
\tping [-4AaDdfHLnoQqRrv] [-C pcp] [-c count] [-I iface] [-i wait]
\t    [-l preload] [-M mask | time] [-m ttl] [-p pattern]
\t    [-S src_addr] [-s packetsize] [-T ttl] [-t timeout] [-W waittime]
\t    [-z tos] IPv4-mcast-group
`;
