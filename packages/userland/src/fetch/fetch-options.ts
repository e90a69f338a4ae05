/**
 * fetch-options.ts — fetch's command line.
 * Read first: fetch(1).
 *
 * What needs TLS, FTP, or the modification times of files is refused by name, or accepted where it changes nothing.
 */
import { errx, usage, warnx } from '../err.js';
import { getoptLong } from '../getopt-long.js';
import type { LongOption } from '../getopt-long.js';
import type { Proc } from '../proc.js';

const SPEC = '146AaB:bc:dFf:Hh:i:lMmN:nPpo:qRrS:sT:tUvw:';
const TIMEOUT_SEC = 120;

export interface FetchOptions {
  once: boolean;
  family: 4 | 6 | null;
  /** -A: temporary redirects are not followed. */
  noRedirect: boolean;
  retry: boolean;
  retryDelaySec: number;
  output: string | null;
  resume: boolean;
  /** -S; 0: any. */
  wantedSize: number;
  sizeOnly: boolean;
  /** Infinity: as long as it takes. */
  timeoutSec: number;
  /** 0 quiet, 1, 2 with -v. */
  verbosity: number;
  bind: string | null;
  referer: string | null;
  userAgent: string | null;
  urls: readonly string[];
}

function whole(p: Proc, text: string, what: string): number {
  return /^[0-9]+$/.test(text) ? Number(text) : errx(p, 1, `invalid ${what} (${text})`);
}

type Setter = (o: FetchOptions, value: string, p: Proc) => void;

const ignore: Setter = () => {};
const refuse = (why: string): Setter => (_o, _value, p) => errx(p, 1, why);
const NO_MTIME = 'modification times of files are not seen from here: remove the file, or continue it with -r';
const NO_FTP = 'ftp is not built in: serve the file over http';

const SETTERS: Readonly<Record<string, Setter>> = {
  1: (o) => { o.once = true; },
  4: (o) => { o.family = 4; },
  6: (o) => { o.family = 6; },
  A: (o) => { o.noRedirect = true; },
  a: (o) => { o.retry = true; },
  B: (_o, v, p) => void whole(p, v, 'buffer size'),
  b: (_o, _v, p) => warnx(p, 'warning: the -b option is deprecated'),
  c: refuse(`-c: ${NO_FTP}`),
  d: ignore,
  F: ignore,
  f: refuse(`-f: ${NO_FTP}`),
  H: (_o, _v, p) => warnx(p, 'the -H option is now implicit, use -U to disable'),
  h: refuse(`-h: ${NO_FTP}`),
  i: refuse(`-i: ${NO_MTIME}`),
  l: ignore,
  M: refuse(`-M: ${NO_MTIME}`),
  m: refuse(`-m: ${NO_MTIME}`),
  N: ignore,
  n: ignore,
  o: (o, v) => { o.output = v; },
  P: ignore,
  p: ignore,
  q: (o) => { o.verbosity = 0; },
  R: ignore,
  r: (o) => { o.resume = true; },
  S: (o, v, p) => { o.wantedSize = whole(p, v, 'size'); },
  s: (o) => { o.sizeOnly = true; },
  T: (o, v, p) => { o.timeoutSec = whole(p, v, 'timeout') || o.timeoutSec; },
  t: (_o, _v, p) => warnx(p, 'warning: the -t option is deprecated'),
  U: ignore,
  v: (o) => { o.verbosity++; },
  w: (o, v, p) => { o.retry = true; o.retryDelaySec = whole(p, v, 'delay'); },
  'bind-address': (o, v) => { o.bind = v; },
  'no-passive': ignore,
  referer: (o, v) => { o.referer = v; },
  'user-agent': (o, v) => { o.userAgent = v; },
  'no-proxy': ignore,
  'ca-cert': ignore,
  'ca-path': ignore,
  cert: ignore,
  key: ignore,
  crl: ignore,
  'no-sslv3': ignore,
  'no-tlsv1': ignore,
  'no-verify-hostname': ignore,
  'no-verify-peer': ignore,
};

const LETTERED: readonly (readonly [string, string])[] = [
  ['one-file', '1'], ['ipv4-only', '4'], ['ipv6-only', '6'], ['no-redirect', 'A'], ['retry', 'a'], ['buffer-size', 'B'], ['direct', 'd'], ['force-restart', 'F'],
  ['if-modified-since', 'i'], ['symlink', 'l'], ['mirror', 'm'], ['netrc', 'N'], ['no-mtime', 'n'], ['output', 'o'], ['passive', 'p'], ['quiet', 'q'], ['keep-output', 'R'],
  ['restart', 'r'], ['require-size', 'S'], ['print-size', 's'], ['timeout', 'T'], ['verbose', 'v'], ['retry-delay', 'w'],
];
const WITH_VALUE = ['bind-address', 'referer', 'user-agent', 'no-proxy', 'ca-cert', 'ca-path', 'cert', 'key', 'crl'];

function longOptions(): LongOption[] {
  const lettered = LETTERED.map(([name, letter]): LongOption => ({ name, letter, argument: SPEC.charAt(SPEC.indexOf(letter) + 1) === ':' ? 'required' : 'none' }));
  const others = Object.keys(SETTERS).filter((name) => name.length > 1);
  return [...lettered, ...others.map((name): LongOption => ({ name, argument: WITH_VALUE.includes(name) ? 'required' : 'none' }))];
}

/** Seconds of HTTP_TIMEOUT, with fetch's complaint about what is none. */
function environmentTimeout(p: Proc): number {
  const text = p.env['HTTP_TIMEOUT'];
  if (text === undefined) return TIMEOUT_SEC;
  if (!/^[0-9]+$/.test(text)) {
    warnx(p, `HTTP_TIMEOUT (${text}) is not a positive integer`);
    return Infinity;
  }
  return Number(text) || Infinity;
}

export function parseFetch(p: Proc): FetchOptions {
  const parsed = getoptLong(SPEC, longOptions(), p.argv.slice(1));
  if (parsed.error !== null) usage(p, 1, `fetch: ${parsed.error}\n${USAGE}`);
  const o: FetchOptions = {
    once: false, family: null, noRedirect: false, retry: false, retryDelaySec: 0, output: null, resume: false, wantedSize: 0, sizeOnly: false, timeoutSec: environmentTimeout(p),
    verbosity: 1, bind: p.env['FETCH_BIND_ADDRESS'] || null, referer: p.env['HTTP_REFERER'] || null, userAgent: p.env['HTTP_USER_AGENT'] ?? null, urls: parsed.rest,
  };
  for (const [name, value] of parsed.options) SETTERS[name]?.(o, value, p);
  if (o.urls.length === 0) usage(p, 1, USAGE);
  return o;
}

const USAGE = `usage: fetch [-146AadFlMmnPpqRrsUv] [-B bytes] [--bind-address=host]
       [--ca-cert=file] [--ca-path=dir] [--cert=file] [--crl=file]
       [-i file] [--key=file] [-N file] [--no-passive] [--no-proxy=list]
       [--no-sslv3] [--no-tlsv1] [--no-verify-hostname] [--no-verify-peer]
       [-o file] [--referer=URL] [-S bytes] [-T seconds]
       [--user-agent=agent-string] [-w seconds] URL ...
`;
