/**
 * route-args.ts — the words after `route add` and its like, turned into what the routing tables take.
 * Read first: route(8).
 *
 * Words count in the order they stand: `-interface` before the gateway makes that an interface, `-netmask` and `-prefixlen` override
 * what the destination said. A destination without a prefix length is a host. There are no classes: `-net 10.0.0.0` alone is
 * 10.0.0.0/32, as in FreeBSD 14.
 */
import {
  RTF_BLACKHOLE, RTF_GATEWAY, RTF_HOST, RTF_PROTO1, RTF_PROTO2, RTF_REJECT, RTF_STATIC, RTF_STICKY, RTF_UP, RTF_XRESOLVE,
} from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { inetAton, ip4Format, ip4MaskOf } from '@netloom/core/wire';
import { errx, warnx } from '../err.js';
import { hostAddress } from '../host-address.js';
import type { Proc } from '../proc.js';

const EX_USAGE = 64;
const EX_DATAERR = 65;
const EX_NOHOST = 68;

export interface RouteArgs {
  /** As typed, for messages. */
  destText: string;
  gatewayText: string;
  dst: number;
  /** Null: none given, the destination is a host. */
  plen: number | null;
  gateway: number | null;
  /** `-interface NAME`: the gateway is a link. */
  gatewayIfp: Ifnet | null;
  ifp: Ifnet | null;
  ifa: number | null;
  /** RTF_* */
  flags: number;
  isHost: boolean;
  fibs: number[];
  /** Null: not given. */
  mtu: number | null;
  weight: number | null;
  /** Seconds from now, null: not given. */
  expireSec: number | null;
}

/** What the words mean depends on where they are said. */
export interface RouteContext {
  readonly p: Proc;
  readonly fibs: number;
  readonly defaultFib: number;
  ifunit(name: string): Ifnet | null;
}

/** Leaves with the usage line, after a complaint about a keyword if there is one. */
export function routeUsage(p: Proc, badKeyword: string | null): never {
  if (badKeyword !== null) warnx(p, `bad keyword: ${badKeyword}`);
  return errx(p, EX_USAGE, 'usage: route [-j jail] [-46dnqtv] command [[modifiers] args]');
}

interface Parsing {
  readonly a: RouteArgs;
  readonly c: RouteContext;
  readonly words: readonly string[];
  at: number;
  dstGiven: boolean;
  gatewayGiven: boolean;
  toInterface: boolean;
  forceHost: boolean;
  forceNet: boolean;
}

export function parseRouteArgs(c: RouteContext, words: readonly string[]): RouteArgs {
  const a: RouteArgs = {
    destText: '', gatewayText: '', dst: 0, plen: null, gateway: null, gatewayIfp: null, ifp: null, ifa: null, flags: RTF_STATIC, isHost: false,
    fibs: [], mtu: null, weight: null, expireSec: null,
  };
  const s: Parsing = { a, c, words, at: 0, dstGiven: false, gatewayGiven: false, toInterface: false, forceHost: false, forceNet: false };
  for (; s.at < words.length; s.at++) {
    const word = words[s.at] ?? '';
    if (word.startsWith('-')) keyword(s, word.slice(1));
    else if (!s.dstGiven) destination(s, word);
    else if (!s.gatewayGiven) gateway(s, word);
    else netmask(s, word);
  }
  if (!s.dstGiven) {
    warnx(c.p, 'destination parameter required');
    routeUsage(c.p, null);
  }
  if (s.forceHost) a.isHost = true;
  if (s.forceNet) a.isHost = false;
  a.flags |= RTF_UP | (a.isHost ? RTF_HOST : 0) | (s.toInterface ? 0 : RTF_GATEWAY);
  if (a.fibs.length === 0) a.fibs.push(c.defaultFib);
  return a;
}

function argument(s: Parsing): string {
  return s.words[++s.at] ?? routeUsage(s.c.p, null);
}

function keyword(s: Parsing, word: string): void {
  const run = Object.hasOwn(KEYWORDS, word) ? KEYWORDS[word] : undefined;
  if (run === undefined) routeUsage(s.c.p, word);
  else run(s);
}

const setFlag = (flag: number) => (s: Parsing): void => {
  s.a.flags |= flag;
};

/** A metric the tables do not keep: its value is checked, as route does. */
const ignoredMetric = (s: Parsing): void => {
  metric(s);
};

const KEYWORDS: Readonly<Record<string, (s: Parsing) => void>> = {
  4: () => {},
  inet: () => {},
  6: (s) => errx(s.c.p, 1, 'IPv6 support is not compiled in'),
  inet6: (s) => errx(s.c.p, 1, 'IPv6 support is not compiled in'),
  host: (s) => { s.forceHost = true; },
  net: (s) => { s.forceNet = true; },
  iface: (s) => { s.toInterface = true; },
  interface: (s) => { s.toInterface = true; },
  reject: setFlag(RTF_REJECT),
  blackhole: setFlag(RTF_BLACKHOLE),
  proto1: setFlag(RTF_PROTO1),
  proto2: setFlag(RTF_PROTO2),
  xresolve: setFlag(RTF_XRESOLVE),
  static: setFlag(RTF_STATIC),
  sticky: setFlag(RTF_STICKY),
  nostatic: (s) => { s.a.flags &= ~RTF_STATIC; },
  nostick: (s) => { s.a.flags &= ~RTF_STICKY; },
  lock: () => {},
  lockrest: () => {},
  proxy: () => {},
  fib: (s) => { s.a.fibs.push(...fibList(s.c, argument(s))); },
  ifp: (s) => { s.a.ifp = interfaceNamed(s, argument(s)); },
  ifa: (s) => { s.a.ifa = address(s, argument(s)); },
  gateway: (s) => gateway(s, argument(s)),
  dst: (s) => destination(s, argument(s)),
  netmask: (s) => netmask(s, argument(s)),
  genmask: (s) => { address(s, argument(s)); },
  prefixlen,
  mtu: (s) => { s.a.mtu = metric(s); },
  weight: (s) => { s.a.weight = metric(s); },
  expire: (s) => { s.a.expireSec = expiry(s); },
  hopcount: ignoredMetric,
  recvpipe: ignoredMetric,
  sendpipe: ignoredMetric,
  ssthresh: ignoredMetric,
  rtt: ignoredMetric,
  rttvar: ignoredMetric,
};

function metric(s: Parsing): number {
  const text = argument(s);
  if (!/^[+-]?(0x[0-9a-f]+|[0-9]+)$/i.test(text)) errx(s.c.p, EX_USAGE, `${text}: Invalid argument`);
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text.replace('+', ''));
}

/** Seconds since 1970, or from now when there is a sign. */
function expiry(s: Parsing): number {
  const signed = /^[+-]/.test(s.words[s.at + 1] ?? '');
  const seconds = metric(s);
  return signed ? seconds : seconds - Math.floor(s.c.p.wallUs() / 1_000_000);
}

/** 'default', 'all', '3', '0,2', '1-4' */
export function fibList(c: RouteContext, text: string): number[] {
  if (text === 'default') return [c.defaultFib];
  if (text === 'all') return Array.from({ length: c.fibs }, (_x, fib) => fib);
  return text.split(',').flatMap((item) => {
    const [, first, last] = /^([0-9]+)(?:-([0-9]+))?$/.exec(item) ?? [];
    const from = Number(first ?? Number.NaN);
    const to = Number(last ?? first ?? Number.NaN);
    if (!(to < c.fibs) || (last !== undefined && from >= to)) errx(c.p, EX_USAGE, `invalid fib number: ${text}`);
    return Array.from({ length: to - from + 1 }, (_x, i) => from + i);
  });
}

function address(s: Parsing, text: string): number {
  return hostAddress(text) ?? errx(s.c.p, EX_NOHOST, `bad address: ${text}`);
}

function interfaceNamed(s: Parsing, name: string): Ifnet {
  return s.c.ifunit(name) ?? errx(s.c.p, EX_DATAERR, `interface '${name}' does not exist`);
}

function destination(s: Parsing, text: string): void {
  const { a } = s;
  s.dstGiven = true;
  a.destText = text;
  if (text === 'default') {
    a.dst = 0;
    a.plen = 0;
    return;
  }
  const [head = '', bits] = text.split('/', 2);
  if (bits === undefined) {
    a.dst = address(s, text);
    a.isHost = true;
    return;
  }
  a.dst = inetAton(head) ?? errx(s.c.p, EX_NOHOST, `bad address: ${head}`);
  if (!/^[0-9]+$/.test(bits) || Number(bits) > 32) errx(s.c.p, EX_NOHOST, `bad mask length: ${bits}`);
  a.plen = Number(bits);
  // "10/8" is 0.0.0.10/8: surely not what was meant.
  if ((a.dst & ~ip4MaskOf(a.plen)) !== 0 && !head.includes('.')) {
    errx(s.c.p, EX_NOHOST, `malformed address, bits set after mask; ${head} means ${ip4Format(a.dst)}`);
  }
}

function gateway(s: Parsing, text: string): void {
  const { a } = s;
  s.gatewayGiven = true;
  a.gatewayText = text;
  if (s.toInterface) a.gatewayIfp = interfaceNamed(s, text);
  else a.gateway = text === 'default' ? 0 : address(s, text);
}

function netmask(s: Parsing, text: string): void {
  let mask = text === 'default' ? 0 : address(s, text);
  s.a.plen = 0;
  // Holes are taken together: the number of ones is what counts.
  for (; mask !== 0; mask = (mask & (mask - 1)) >>> 0) s.a.plen++;
  s.forceNet = true;
}

function prefixlen(s: Parsing): void {
  const text = argument(s);
  if (!/^[0-9]+$/.test(text) || Number(text) > 32) errx(s.c.p, EX_USAGE, `${text}: invalid prefixlen`);
  s.a.plen = Number(text);
  s.a.isHost = s.a.plen === 32;
  s.forceNet = !s.a.isHost;
}
