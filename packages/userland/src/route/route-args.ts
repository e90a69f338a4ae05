/**
 * route-args.ts — the words after `route add` and its like, turned into what the routing tables take.
 * Read first: route(8).
 *
 * Words count in the order they stand: `-interface` before the gateway makes that an interface, `-netmask` and `-prefixlen` override
 * what the destination said. A destination without a prefix length is a host. There are no classes: `-net 10.0.0.0` alone is
 * 10.0.0.0/32, as in FreeBSD 14.
 *
 * The family is the one of `-4` and `-6`, as an option of route or as a word before the addresses it is about; an IPv6 address that comes
 * without is a bad IPv4 address. IPv6 addresses are kept in zoned form, so `%em0` counts wherever an address stands.
 */
import {
  RTF_BLACKHOLE, RTF_GATEWAY, RTF_HOST, RTF_PROTO1, RTF_PROTO2, RTF_REJECT, RTF_STATIC, RTF_STICKY, RTF_UP, RTF_XRESOLVE,
} from '@netloom/core';
import type { Ifnet, Vnet } from '@netloom/core';
import { inetAton, ip4Format, ip4MaskOf, ip6IsUnspecified } from '@netloom/core/wire';
import { errx, warnx } from '../err.js';
import { NO_SUCH_NAME, hostAddress } from '../host-address.js';
import { zonedAddress6 } from '../host-address6.js';
import type { Proc } from '../proc.js';

const EX_USAGE = 64;
const EX_DATAERR = 65;
const EX_NOHOST = 68;
const EX_OSERR = 71;

export type RouteFamily = 'inet' | 'inet6';
/** Host order for IPv4, 16 bytes in zoned form for IPv6. */
export type RouteAddress = number | Uint8Array;

export interface RouteArgs {
  /** As typed, for messages. */
  destText: string;
  gatewayText: string;
  dst: RouteAddress;
  /** Null: none given, the destination is a host. */
  plen: number | null;
  gateway: RouteAddress | null;
  /** `-interface NAME`: the gateway is a link. */
  gatewayIfp: Ifnet | null;
  ifp: Ifnet | null;
  ifa: RouteAddress | null;
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
  /** -4 or -6 before the command; null: neither. */
  readonly family: RouteFamily | null;
  readonly vnet: Vnet;
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
  /** What addresses from here on are; null as long as nobody has said and there was none. */
  family: RouteFamily | null;
  dstGiven: boolean;
  gatewayGiven: boolean;
  toInterface: boolean;
  forceHost: boolean;
  forceNet: boolean;
  maskFamily: RouteFamily | null;
}

export function parseRouteArgs(c: RouteContext, words: readonly string[]): RouteArgs {
  const a: RouteArgs = {
    destText: '', gatewayText: '', dst: 0, plen: null, gateway: null, gatewayIfp: null, ifp: null, ifa: null, flags: RTF_STATIC, isHost: false,
    fibs: [], mtu: null, weight: null, expireSec: null,
  };
  const s: Parsing = { a, c, words, at: 0, family: c.family, dstGiven: false, gatewayGiven: false, toInterface: false, forceHost: false, forceNet: false, maskFamily: null };
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
  checkFamilies(s);
  if (s.forceHost) {
    a.isHost = true;
    if (typeof a.dst !== 'number') a.plen = null;
  }
  if (s.forceNet) a.isHost = false;
  a.flags |= RTF_UP | (a.isHost ? RTF_HOST : 0) | (s.toInterface ? 0 : RTF_GATEWAY);
  if (a.fibs.length === 0) a.fibs.push(c.defaultFib);
  return a;
}

/** FreeBSD can send IPv4 to an IPv6 router; nothing here can. */
function checkFamilies(s: Parsing): void {
  const { a, c } = s;
  if (s.maskFamily !== null && s.maskFamily !== familyOf(a.dst)) {
    warnx(c.p, 'destination and netmask family need to be the same');
    routeUsage(c.p, null);
  }
  if (a.gateway !== null && familyOf(a.gateway) !== familyOf(a.dst)) errx(c.p, EX_USAGE, `${a.gatewayText}: destination and gateway family need to be the same`);
}

const familyOf = (addr: RouteAddress): RouteFamily => (typeof addr === 'number' ? 'inet' : 'inet6');

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

const setFamily = (family: RouteFamily) => (s: Parsing): void => {
  s.family = family;
};

/** A metric the tables do not keep: its value is checked, as route does. */
const ignoredMetric = (s: Parsing): void => {
  metric(s);
};

const KEYWORDS: Readonly<Record<string, (s: Parsing) => void>> = {
  4: setFamily('inet'),
  inet: setFamily('inet'),
  6: setFamily('inet6'),
  inet6: setFamily('inet6'),
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

function address(s: Parsing, text: string): RouteAddress {
  s.family ??= 'inet';
  if (s.family === 'inet') return hostAddress(text) ?? errx(s.c.p, EX_NOHOST, `bad address: ${text}`);
  return zonedAddress6(s.c.vnet, text) ?? errx(s.c.p, EX_OSERR, `${text}: ${NO_SUCH_NAME}`);
}

/** The address of all zeros. */
function anyAddress(s: Parsing): RouteAddress {
  s.family ??= 'inet';
  return s.family === 'inet' ? 0 : new Uint8Array(16);
}

function interfaceNamed(s: Parsing, name: string): Ifnet {
  return s.c.ifunit(name) ?? errx(s.c.p, EX_DATAERR, `interface '${name}' does not exist`);
}

function destination(s: Parsing, text: string): void {
  const { a } = s;
  s.dstGiven = true;
  a.destText = text;
  if (text === 'default') {
    a.dst = anyAddress(s);
    a.plen = 0;
    return;
  }
  const [head = '', bits] = text.split('/', 2);
  if (s.family === 'inet6') return destination6(s, head, bits ?? null);
  if (bits === undefined) {
    a.dst = address(s, text);
    a.isHost = true;
    return;
  }
  s.family = 'inet';
  const dst = inetAton(head) ?? errx(s.c.p, EX_NOHOST, `bad address: ${head}`);
  if (!/^[0-9]+$/.test(bits) || Number(bits) > 32) errx(s.c.p, EX_NOHOST, `bad mask length: ${bits}`);
  a.dst = dst;
  a.plen = Number(bits);
  // "10/8" is 0.0.0.10/8: surely not what was meant.
  if ((dst & ~ip4MaskOf(a.plen)) !== 0 && !head.includes('.')) {
    errx(s.c.p, EX_NOHOST, `malformed address, bits set after mask; ${head} means ${ip4Format(dst)}`);
  }
}

/** An IPv6 destination: `::` alone is the default route, everything else without a length is a host. */
function destination6(s: Parsing, head: string, bits: string | null): void {
  const { a } = s;
  const dst = zonedAddress6(s.c.vnet, head) ?? errx(s.c.p, EX_OSERR, `${head}: ${NO_SUCH_NAME}`);
  a.dst = dst;
  const length = bits ?? (ip6IsUnspecified(dst) ? '0' : '128');
  if (!/^[0-9]+$/.test(length) || Number(length) > 128) errx(s.c.p, EX_USAGE, `${length}: invalid prefixlen`);
  if (length === '128') a.isHost = true;
  else a.plen = Number(length);
}

function gateway(s: Parsing, text: string): void {
  const { a } = s;
  s.gatewayGiven = true;
  a.gatewayText = text;
  if (s.toInterface) a.gatewayIfp = interfaceNamed(s, text);
  else a.gateway = text === 'default' ? anyAddress(s) : address(s, text);
}

function netmask(s: Parsing, text: string): void {
  const mask = text === 'default' ? anyAddress(s) : address(s, text);
  s.maskFamily = familyOf(mask);
  // Holes are taken together: the number of ones is what counts.
  s.a.plen = typeof mask === 'number' ? ones(mask) : mask.reduce((n, byte) => n + ones(byte), 0);
  s.forceNet = true;
}

function ones(mask: number): number {
  let n = 0;
  for (let left = mask; left !== 0; left = (left & (left - 1)) >>> 0) n++;
  return n;
}

function prefixlen(s: Parsing): void {
  const text = argument(s);
  const max = s.family === 'inet6' ? 128 : 32;
  if (!/^[0-9]+$/.test(text) || Number(text) > max) errx(s.c.p, EX_USAGE, `${text}: invalid prefixlen`);
  s.a.plen = Number(text);
  s.a.isHost = s.a.plen === max;
  s.forceNet = !s.a.isHost;
}
