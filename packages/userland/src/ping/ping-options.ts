/**
 * ping-options.ts — ping's command line, checked and turned into one value.
 * Read first: ping(8).
 *
 * Words are taken in the order they stand, so the first mistake is the one complained about. A wrong value is EX_USAGE (64), an unknown
 * letter or a missing word prints the usage text and is 1, as FreeBSD's ping does.
 */
import { IP4_HDR_LEN, IP4_HDR_LEN_MAX, IP_MAXPACKET, ICMP_MASKLEN, ICMP_MINLEN, ICMP_TSLEN, ip4IsMulticast, ip4Parse } from '@netloom/core/wire';
import { ToolExit, errx, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { hostAddress } from '../host-address.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';

const EX_USAGE = 64;
const EX_NOHOST = 68;
const MAXALARM_SEC = 60 * 60;
const OCTET_MAX = 255;
const INT_MAX = 2_147_483_647;
export const PING4_OPTS = '.::4AaC:c:DdfG:g:Hh:I:i:Ll:M:m:nop:QqRrS:s:T:t:vW:z:';
/** What a request carries without -s: with the header, 64 bytes. */
const DEFDATALEN = 56;
/** Bytes of the payload that hold the time of sending. */
export const TIMESTAMP_BYTES = 8;
/** Bytes a pattern may have. */
const PATTERN_MAX = 16;
const OPTIONS_MAX = IP4_HDR_LEN_MAX - IP4_HDR_LEN;

export interface PingOptions {
  /** As typed. */
  host: string;
  dst: number;
  /** Packets to send, of each size of a sweep; 0 for no end. */
  count: number;
  /** -a: a bell for each answer. */
  audible: boolean;
  /** -A: a bell for each request that stays unanswered. */
  missed: boolean;
  dontFragment: boolean;
  flood: boolean;
  /** Printed one by one, a character per request, in place of lines; null: lines. */
  dots: string | null;
  /** Null: a second, or as flood has it. */
  intervalUs: number | null;
  preload: number;
  mode: 'echo' | 'mask' | 'time';
  /** -1: the stack's. */
  ttl: number;
  /** -1: the stack's. */
  multicastTtl: number;
  noLoop: boolean;
  /** Address of the interface multicasts leave by; null: by route. */
  multicastInterface: number | null;
  once: boolean;
  /** One to sixteen bytes repeated behind the time stamp. */
  pattern: readonly number[] | null;
  quiet: boolean;
  /** -Q: do not show ICMP errors about our own requests. */
  quietErrors: boolean;
  recordRoute: boolean;
  dontRoute: boolean;
  /** Source address as typed, null for none. */
  sourceText: string | null;
  source: number;
  /** Payload bytes: of the first request when sweeping. */
  size: number;
  sweepMin: number;
  /** 0: no sweep. */
  sweepMax: number;
  sweepIncr: number;
  /** Overall limit, 0 for none. */
  timeoutUs: number;
  verbose: boolean;
  /** How long the last request may wait for its answer. */
  waitUs: number;
  /** An answer later than `waitUs` is counted apart. */
  waitGiven: boolean;
  /** -1: none. */
  tos: number;
  /** Null: none asked for; -1: the interface's. */
  pcp: number | null;
}

function defaults(): PingOptions {
  return {
    host: '', dst: 0, count: 0, audible: false, missed: false, dontFragment: false, flood: false, dots: null, intervalUs: null, preload: 0,
    mode: 'echo', ttl: -1, multicastTtl: -1, noLoop: false, multicastInterface: null, once: false, pattern: null, quiet: false, quietErrors: false,
    recordRoute: false, dontRoute: false, sourceText: null, source: 0, size: DEFDATALEN, sweepMin: 0, sweepMax: 0, sweepIncr: 1, timeoutUs: 0,
    verbose: false, waitUs: 10_000_000, waitGiven: false, tos: -1, pcp: null,
  };
}

/** A wrong value: the text, without the tool's name. */
class UsageError extends Error {}

/** A number in [min, max], or the complaint `what: \`text'`. */
function integer(text: string, min: number, max: number, what: string): number {
  const n = /^\s*[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!(n >= min && n <= max)) throw new UsageError(`${what}: \`${text}'`);
  return n;
}

/** A number of units of `unitUs`, in microseconds, at least a millisecond or 0. */
function interval(text: string, unitUs: number): number {
  const n = /^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text) ? Number(text) : Number.NaN;
  const ms = (n * unitUs) / 1_000;
  if (!(ms >= 0 && ms <= INT_MAX)) throw new UsageError(`invalid timing interval: \`${text}'`);
  return Math.floor(ms) * 1_000;
}

function timeout(text: string): number {
  const n = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (n < 1) throw new UsageError(`invalid timeout: \`${text}'`);
  if (n > MAXALARM_SEC) throw new UsageError(`invalid timeout: \`${text}' > ${MAXALARM_SEC}`);
  return n * 1_000_000;
}

function tos(text: string): number {
  const n = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1;
  if (n < 0 || n > OCTET_MAX) throw new UsageError(`invalid TOS: \`${text}'`);
  return n;
}

function mode(o: PingOptions, text: string): void {
  const letter = text.charAt(0);
  const wanted = { m: 'mask', t: 'time' } as const;
  const found = letter.toLowerCase();
  if (found !== 'm' && found !== 't') throw new UsageError(`invalid message: \`${letter}'`);
  if (o.mode !== 'echo' && o.mode !== wanted[found]) throw new UsageError('ICMP_TSTAMP and ICMP_MASKREQ are exclusive.');
  o.mode = wanted[found];
}

/** The bytes of -p. Throws with the text of the complaint. */
export function pattern(text: string): number[] {
  if (!/^[0-9a-f]+$/i.test(text)) throw new UsageError('patterns must be specified as hex digits');
  return (text.match(/..?/g) ?? []).slice(0, PATTERN_MAX).map((digits) => Number.parseInt(digits, 16));
}

type Setter = (o: PingOptions, value: string) => void;

const SETTERS: Readonly<Record<string, Setter>> = {
  '.': (o, v) => { o.dots = v === '' ? '.' : v; },
  A: (o) => { o.missed = true; },
  a: (o) => { o.audible = true; },
  C: (o, v) => { o.pcp = integer(v, -1, 7, 'invalid PCP'); },
  c: (o, v) => { o.count = integer(v, 1, Number.MAX_SAFE_INTEGER, 'invalid count of packets to transmit'); },
  D: (o) => { o.dontFragment = true; },
  f: (o) => { o.flood = true; o.dots ??= '.'; },
  G: (o, v) => { o.sweepMax = integer(v, 1, INT_MAX, 'invalid packet size'); },
  g: (o, v) => { o.sweepMin = integer(v, 1, INT_MAX, 'invalid packet size'); },
  h: (o, v) => { o.sweepIncr = integer(v, 1, INT_MAX, 'invalid packet size'); },
  I: (o, v) => {
    o.multicastInterface = ip4Parse(v);
    if (o.multicastInterface === null) throw new UsageError(`invalid multicast interface: \`${v}'`);
  },
  i: (o, v) => { o.intervalUs = interval(v, 1_000_000); },
  L: (o) => { o.noLoop = true; },
  l: (o, v) => { o.preload = integer(v, 0, INT_MAX, 'invalid preload value'); },
  M: mode,
  m: (o, v) => { o.ttl = integer(v, 0, OCTET_MAX, 'invalid TTL'); },
  o: (o) => { o.once = true; },
  p: (o, v) => { o.pattern = pattern(v); },
  Q: (o) => { o.quietErrors = true; },
  q: (o) => { o.quiet = true; },
  R: (o) => { o.recordRoute = true; },
  r: (o) => { o.dontRoute = true; },
  S: (o, v) => { o.sourceText = v; },
  s: (o, v) => { o.size = integer(v, 0, INT_MAX, 'invalid packet size'); },
  T: (o, v) => { o.multicastTtl = integer(v, 0, OCTET_MAX, 'invalid multicast TTL'); },
  t: (o, v) => { o.timeoutUs = timeout(v); },
  v: (o) => { o.verbose = true; },
  W: (o, v) => { o.waitUs = interval(v, 1_000); o.waitGiven = true; },
  z: (o, v) => { o.tos = tos(v); },
};

/** Leaves with the complaint and its exit code when the words are wrong. */
export function parsePing(p: Proc, names: KnownNames): PingOptions {
  const parsed = getopt(PING4_OPTS, p.argv.slice(1));
  const o = defaults();
  try {
    for (const [letter, value] of parsed.options) SETTERS[letter]?.(o, value);
    if (parsed.error !== null) {
      warnx(p, parsed.error);
      usage(p, 1, PING_USAGE);
    }
    const [host, ...more] = parsed.rest;
    if (host === undefined || more.length > 0) usage(p, 1, PING_USAGE);
    o.host = host;
    checkSizes(o, parsed.options.some(([l]) => l === 'g' || l === 'h'));
    resolve(p, o, names);
    checkTogether(o);
  } catch (error) {
    if (error instanceof ToolExit || !(error instanceof UsageError)) throw error;
    return errx(p, EX_USAGE, error.message);
  }
  return o;
}

/** Bytes of ICMP header in front of the payload. */
export function icmpHeaderBytes(o: PingOptions): number {
  return o.mode === 'mask' ? ICMP_MASKLEN : o.mode === 'time' ? ICMP_TSLEN : ICMP_MINLEN;
}

/** Bytes of the packet that are not payload. */
export function overheadBytes(o: PingOptions): number {
  return IP4_HDR_LEN + icmpHeaderBytes(o) + (o.recordRoute ? OPTIONS_MAX : 0);
}

function checkSizes(o: PingOptions, sweepAsked: boolean): void {
  const max = IP_MAXPACKET - overheadBytes(o);
  if (o.size > max) throw new UsageError(`packet size too large: ${o.size} > ${max}`);
  if (o.sweepMax === 0) {
    if (sweepAsked) throw new UsageError('Maximum sweep size must be specified');
    return;
  }
  if (o.sweepMin > o.sweepMax) throw new UsageError('Maximum packet size must be no less than the minimum packet size');
  if (o.sweepMax > max - TIMESTAMP_BYTES) throw new UsageError('Invalid sweep maximum');
  if (o.size !== DEFDATALEN) throw new UsageError('Packet size and ping sweep are mutually exclusive');
  o.size = o.sweepMin;
}

function resolve(p: Proc, o: PingOptions, names: KnownNames): void {
  const known = (text: string): number => hostAddress(text, names) ?? errx(p, EX_NOHOST, `cannot resolve ${text}: ${names.why(text)}`);
  o.dst = known(o.host);
  if (o.sourceText !== null) o.source = known(o.sourceText);
}

function checkTogether(o: PingOptions): void {
  const group = ip4IsMulticast(o.dst);
  if (o.flood && o.intervalUs !== null) throw new UsageError('-f and -i: incompatible options');
  if (o.flood && group) throw new UsageError('-f flag cannot be used with multicast destination');
  if ((o.noLoop || o.multicastTtl >= 0 || o.multicastInterface !== null) && !group) throw new UsageError('-I, -L, -T flags cannot be used with unicast destination');
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
\tping [-6AaDdfHnNoOquvyY] [-b bufsiz] [-C pcp] [-c count] [-e gateway]
\t    [-I interface] [-i wait] [-k addrtype] [-l preload] [-m hoplimit]
\t    [-p pattern] [-S sourceaddr] [-s packetsize] [-t timeout]
\t    [-W waittime] [-z tclass] [IPv6-hops ...] IPv6-host
`;
