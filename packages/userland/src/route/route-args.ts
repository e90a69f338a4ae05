/**
 * route-args.ts — the words after `route add`, turned into what the routing tables take.
 * Read first: route(8).
 *
 * A destination without a prefix length is a network when its host part (by address class) is zero and a host otherwise;
 * -net, -host, -netmask and -prefixlen decide it by hand.
 */
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_PROTO1, RTF_PROTO2, RTF_PROTO3, RTF_REJECT, RTF_STATIC, RTF_STICKY, RTF_XRESOLVE } from '@netloom/core';
import { inetAton, ip4ClassMask, ip4ParsePrefix, ip4PrefixLen } from '@netloom/core/wire';

export const EX_USAGE = 64;

export interface RouteArgs {
  /** As typed, for messages. */
  destText: string;
  gatewayText: string;
  dst: number | null;
  plen: number | null;
  gateway: number | null;
  /** `-interface NAME`: the gateway is a link. */
  gatewayIf: string | null;
  ifp: string | null;
  ifa: number | null;
  flags: number;
  isHost: boolean;
  fibs: number[];
  mtu: number;
  weight: number;
  expireSec: number;
  family: 'inet' | 'inet6';
}

/** Something wrong with the words; `usage` asks for the usage line too. */
export class RouteUsage extends Error {
  readonly usage: boolean;

  constructor(message: string, usage: boolean) {
    super(message);
    this.usage = usage;
  }
}

const FLAG_WORDS: Readonly<Record<string, number>> = {
  reject: RTF_REJECT, blackhole: RTF_BLACKHOLE, proto1: RTF_PROTO1, proto2: RTF_PROTO2, proto3: RTF_PROTO3, static: RTF_STATIC, sticky: RTF_STICKY, xresolve: RTF_XRESOLVE,
};

/** Metrics this stack has no use for; accepted with their argument, as every kernel may ignore them. */
const UNUSED_METRICS: ReadonlySet<string> = new Set(['hopcount', 'recvpipe', 'sendpipe', 'ssthresh', 'rtt', 'rttvar']);

interface Parsing {
  readonly a: RouteArgs;
  force: 'host' | 'net' | null;
  toInterface: boolean;
  words: readonly string[];
  at: number;
}

export function parseRouteArgs(words: readonly string[], family: 'inet' | 'inet6', defaultFib: number): RouteArgs {
  const a: RouteArgs = {
    destText: '', gatewayText: '', dst: null, plen: null, gateway: null, gatewayIf: null, ifp: null, ifa: null, flags: RTF_STATIC, isHost: false,
    fibs: [], mtu: 0, weight: 0, expireSec: 0, family,
  };
  const s: Parsing = { a, force: null, toInterface: false, words, at: 0 };
  for (; s.at < words.length; s.at++) {
    const word = words[s.at] ?? '';
    if (word.startsWith('-')) keyword(s, word.slice(1));
    else if (a.dst === null) destination(s, word);
    else if (a.gatewayText === '') gateway(s, word);
    else netmask(s, word);
  }
  if (a.dst === null) throw new RouteUsage('destination parameter required', true);
  if (s.force === 'net' && a.plen === 32 && !a.destText.includes('/')) a.plen = ip4PrefixLen(ip4ClassMask(a.dst));
  if (s.force === 'host') a.plen = 32;
  a.isHost = a.plen === 32 && s.force !== 'net';
  if (a.gatewayIf === null && a.gateway !== null) a.flags |= RTF_GATEWAY;
  if (a.fibs.length === 0) a.fibs.push(defaultFib);
  return a;
}

function argument(s: Parsing): string {
  const value = s.words[++s.at];
  if (value === undefined) throw new RouteUsage('', true);
  return value;
}

function number(text: string, what: string): number {
  if (!/^[0-9]+$/.test(text)) throw new RouteUsage(`${what}: '${text}' is not a number`, false);
  return Number(text);
}

function keyword(s: Parsing, word: string): void {
  const { a } = s;
  const flag = FLAG_WORDS[word];
  if (flag !== undefined) {
    a.flags |= flag;
    return;
  }
  if (UNUSED_METRICS.has(word)) {
    number(argument(s), word);
    return;
  }
  const run = KEYWORDS[word];
  if (run === undefined) throw new RouteUsage(`bad keyword: ${word}`, true);
  run(s);
}

const KEYWORDS: Readonly<Record<string, (s: Parsing) => void>> = {
  4: () => {},
  inet: () => {},
  6: (s) => { s.a.family = 'inet6'; },
  inet6: (s) => { s.a.family = 'inet6'; },
  link: () => {},
  host: (s) => { s.force = 'host'; },
  net: (s) => { s.force = 'net'; },
  iface: (s) => { s.toInterface = true; },
  interface: (s) => { s.toInterface = true; },
  nostatic: (s) => { s.a.flags &= ~RTF_STATIC; },
  nostick: (s) => { s.a.flags &= ~RTF_STICKY; },
  lock: () => {},
  lockrest: () => {},
  proxy: () => {},
  fib: (s) => { s.a.fibs.push(...fibList(argument(s))); },
  ifp: (s) => { s.a.ifp = argument(s); },
  ifa: (s) => { s.a.ifa = address(argument(s)); },
  gateway: (s) => gateway(s, argument(s)),
  dst: (s) => destination(s, argument(s)),
  netmask: (s) => netmask(s, argument(s)),
  genmask: (s) => { address(argument(s)); },
  prefixlen: (s) => {
    const len = number(argument(s), 'prefixlen');
    if (len > 32) throw new RouteUsage(`${len}: bad value`, false);
    s.a.plen = len;
    if (len < 32) s.force = 'net';
  },
  mtu: (s) => { s.a.mtu = number(argument(s), 'mtu'); },
  weight: (s) => { s.a.weight = number(argument(s), 'weight'); },
  expire: (s) => { s.a.expireSec = number(argument(s), 'expire'); },
};

/** 'default', '3', '0,2', '1-4' */
function fibList(text: string): number[] {
  return text.split(',').flatMap((item) => {
    const range = /^([0-9]+)-([0-9]+)$/.exec(item);
    if (range !== null) {
      const from = Number(range[1]);
      const to = Number(range[2]);
      if (to < from || to - from > 65_535) throw new RouteUsage(`invalid fib number: ${text}`, false);
      return Array.from({ length: to - from + 1 }, (_x, i) => from + i);
    }
    if (!/^[0-9]+$/.test(item)) throw new RouteUsage(`invalid fib number: ${text}`, false);
    return [Number(item)];
  });
}

function address(text: string): number {
  const addr = inetAton(text);
  if (addr === null) throw new RouteUsage(`bad address: ${text}`, false);
  return addr;
}

function destination(s: Parsing, text: string): void {
  const { a } = s;
  a.destText = text;
  if (text === 'default' || text === '0/0') {
    a.dst = 0;
    a.plen = 0;
    s.force ??= 'net';
    return;
  }
  const slash = ip4ParsePrefix(text);
  if (text.includes('/')) {
    if (slash === null) throw new RouteUsage(`bad address: ${text}`, false);
    a.dst = slash.addr;
    a.plen = slash.len;
    s.force ??= slash.len === 32 ? 'host' : 'net';
    return;
  }
  const addr = address(text);
  const mask = ip4ClassMask(addr);
  a.dst = addr;
  a.plen ??= (addr & ~mask) === 0 && addr !== 0 ? ip4PrefixLen(mask) : addr === 0 ? 0 : 32;
}

function gateway(s: Parsing, text: string): void {
  const { a } = s;
  a.gatewayText = text;
  if (s.toInterface || inetAton(text) === null) {
    if (!s.toInterface) throw new RouteUsage(`bad address: ${text}`, false);
    a.gatewayIf = text;
    return;
  }
  a.gateway = inetAton(text);
}

function netmask(s: Parsing, text: string): void {
  const mask = /^0x[0-9a-fA-F]{1,8}$/.test(text) ? Number(text) : address(text);
  const len = ip4PrefixLen(mask);
  if (len < 0) throw new RouteUsage(`netmask ${text} is not contiguous`, false);
  s.a.plen = len;
  s.force = 'net';
}
