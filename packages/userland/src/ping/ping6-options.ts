/**
 * ping6-options.ts — the command line of ping for IPv6, checked and turned into one value.
 * Read first: ping(8).
 *
 * Words are taken in the order they stand. A wrong value leaves with 1, where IPv4's ping leaves with 64: they were two programs once.
 * Refused by name: node information queries (-k, -N, -O, -y, -Y), -e and hops in front of the host, which need extension headers from a socket.
 */
import type { Ip6Name } from '@netloom/core';
import { ToolExit, errx, usage, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { hostAddress6 } from '../host-address6.js';
import { NO_SUCH_NAME } from '../host-address.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PING_USAGE, pattern } from './ping-options.js';

const EX_USAGE = 64;
const EX_NOHOST = 68;
const MAXALARM_SEC = 60 * 60;
export const PING6_OPTS = '.::6Aab:C:c:Dde:fHI:i:k:l:m:nNoOp:qS:s:t:uvyYW:z:';
/** Bytes of the payload that hold the time of sending; what a request carries without -s. */
export const TIMESTAMP6_BYTES = 8;
/** Of ping's buffer, without headers. */
const MAXDATALEN = 131_072 - 40 - 8;
const INT_MAX = 2_147_483_647;

export interface Ping6Options {
  /** As typed. */
  host: string;
  dst: Ip6Name;
  /** Packets to send; 0 for no end. */
  count: number;
  audible: boolean;
  missed: boolean;
  /** Socket buffers in bytes; 0: as they are. */
  bufferBytes: number;
  dontFragment: boolean;
  flood: boolean;
  dots: string | null;
  names: boolean;
  interfaceName: string | null;
  intervalUs: number | null;
  preload: number;
  /** -1: the stack's. */
  hops: number;
  once: boolean;
  pattern: readonly number[] | null;
  quiet: boolean;
  source: Ip6Name | null;
  size: number;
  timeoutUs: number;
  /** -u: once, path MTU discovery; twice, no fragments because of it. */
  pathMtu: number;
  verbose: boolean;
  waitUs: number;
  waitGiven: boolean;
  /** -1: none. */
  tclass: number;
  /** Null: none asked for. */
  pcp: number | null;
}

/** A wrong value: the text, and the exit code. */
class WordError extends Error {
  readonly code: number;

  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

/** strtol(3) in base 10; what is no number and what is out of range have texts of their own. */
function integer(text: string, min: number, max: number, notANumber: string, outOfRange = notANumber): number {
  if (!/^\s*[+-]?[0-9]+$/.test(text)) throw new WordError(`${notANumber} ${text}`);
  const n = Number(text);
  if (n < min || n > max) throw new WordError(`${outOfRange} ${text}`);
  return n;
}

const real = (text: string): number => (/^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text) ? Number(text) : Number.NaN);

function interval(p: Proc, text: string): number {
  const us = Math.floor(real(text) * 1_000_000);
  if (!(us >= 0)) throw new WordError(`illegal timing interval ${text}`);
  if (us < 1) warnx(p, 'too small interval, raised to .000001');
  return Math.max(us, 1);
}

function waitTime(text: string): number {
  const ms = real(text);
  if (!(ms <= INT_MAX)) throw new WordError(`invalid timing interval: \`${text}'`, EX_USAGE);
  return Math.max(0, Math.floor(ms)) * 1_000;
}

function timeout(text: string): number {
  const n = /^[0-9]+/.test(text) ? Number.parseInt(text, 10) : 0;
  if (n < 1) throw new WordError(`invalid timeout: \`${text}'`, EX_USAGE);
  if (n > MAXALARM_SEC) throw new WordError(`invalid timeout: \`${text}' > ${MAXALARM_SEC}`, EX_USAGE);
  return n * 1_000_000;
}

function size(text: string): number {
  const n = integer(text, 1, Number.MAX_SAFE_INTEGER, 'illegal datalen value --');
  if (n > MAXDATALEN) throw new WordError(`datalen value too large, maximum is ${MAXDATALEN}`);
  return n;
}

function bufferSize(text: string): number {
  if (!/^\s*\+?[0-9]+$/.test(text) || Number(text) > INT_MAX) throw new WordError('invalid socket buffer size');
  return Number(text);
}

type Setter = (o: Ping6Options, value: string, p: Proc) => void;

const notBuiltIn = (what: string): Setter => () => {
  throw new WordError(`${what} not built in`);
};
const nodeInformation = notBuiltIn('node information queries (-k, -N, -O, -y, -Y) are');

const SETTERS: Readonly<Record<string, Setter>> = {
  '.': (o, v) => { o.dots = v === '' ? '.' : v; },
  A: (o) => { o.missed = true; },
  a: (o) => { o.audible = true; },
  b: (o, v) => { o.bufferBytes = bufferSize(v); },
  C: (o, v) => { o.pcp = integer(v, -1, 7, 'illegal vlan pcp', 'illegal vlan pcp --'); },
  c: (o, v) => { o.count = integer(v, 1, Number.MAX_SAFE_INTEGER, 'illegal number of packets --'); },
  D: (o) => { o.dontFragment = true; },
  e: notBuiltIn('-e gateway: the next hop of a socket is'),
  f: (o) => { o.flood = true; o.dots ??= '.'; },
  H: (o) => { o.names = true; },
  I: (o, v) => { o.interfaceName = v; },
  i: (o, v, p) => { o.intervalUs = interval(p, v); },
  k: nodeInformation,
  l: (o, v) => { o.preload = integer(v, 0, INT_MAX, 'illegal preload value --'); },
  m: (o, v) => { o.hops = integer(v, -1, 255, 'illegal hoplimit', 'illegal hoplimit --'); },
  n: (o) => { o.names = false; },
  N: nodeInformation,
  o: (o) => { o.once = true; },
  O: nodeInformation,
  p: (o, v) => { o.pattern = pattern(v); },
  q: (o) => { o.quiet = true; },
  S: (o, v, p) => {
    o.source = hostAddress6(p.vnet, v);
    if (o.source === null || v === 'localhost') throw new WordError(`invalid source address: ${NO_SUCH_NAME}`);
  },
  s: (o, v) => { o.size = size(v); },
  t: (o, v) => { o.timeoutUs = timeout(v); },
  u: (o) => { o.pathMtu++; },
  v: (o) => { o.verbose = true; },
  W: (o, v) => { o.waitUs = waitTime(v); o.waitGiven = true; },
  y: nodeInformation,
  Y: nodeInformation,
  z: (o, v) => { o.tclass = integer(v, -1, 255, 'illegal traffic class', 'illegal traffic class --'); },
};

/** Leaves with the complaint and its exit code when the words are wrong. */
export function parsePing6(p: Proc, known: KnownNames): Ping6Options {
  const parsed = getopt(PING6_OPTS, p.argv.slice(1));
  const o: Ping6Options = {
    host: '', dst: { addr: new Uint8Array(16), scopeId: 0 }, count: 0, audible: false, missed: false, bufferBytes: 0, dontFragment: false, flood: false,
    dots: null, names: false, interfaceName: null, intervalUs: null, preload: 0, hops: -1, once: false, pattern: null, quiet: false, source: null,
    size: TIMESTAMP6_BYTES, timeoutUs: 0, pathMtu: 0, verbose: false, waitUs: 10_000_000, waitGiven: false, tclass: -1, pcp: null,
  };
  try {
    for (const [letter, value] of parsed.options) SETTERS[letter]?.(o, value, p);
    if (parsed.error !== null) {
      warnx(p, parsed.error);
      usage(p, 1, PING_USAGE);
    }
    if (parsed.rest.length === 0) usage(p, 1, PING_USAGE);
    if (parsed.rest.length > 1) throw new WordError('IPv6-hops: routing headers of type 0 are not built in (RFC 5095 forbids them)');
    o.host = parsed.rest[0] ?? '';
    o.dst = hostAddress6(p.vnet, o.host, known) ?? errx(p, EX_NOHOST, `cannot resolve ${o.host}: ${known.why(o.host)}`);
    if (o.flood && o.intervalUs !== null) throw new WordError('-f and -i incompatible options');
  } catch (error) {
    if (error instanceof ToolExit || !(error instanceof Error)) throw error;
    return errx(p, error instanceof WordError ? error.code : 1, error.message);
  }
  return o;
}
