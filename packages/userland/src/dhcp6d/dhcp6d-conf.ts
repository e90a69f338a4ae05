/**
 * dhcp6d-conf.ts — the configuration of the DHCPv6 server: subnets, ranges, hosts, and what clients are told.
 * Read first: dhcpd.conf(5), the statements of DHCPv6; dhcp/conf-statements.ts for the syntax.
 *
 * Statements: `subnet6`, `range6`, `host`, `host-identifier option dhcp6.client-id`, `fixed-address6`, `default-lease-time`, `preferred-lifetime`, `abandon-lease-time`, `authoritative` (no
 * effect: a server of DHCPv6 always is), and `option dhcp6.` with `name-servers`, `domain-search`, `info-refresh-time`, `preference` and `rapid-commit`. Others are refused by name.
 * What a subnet does not say the file says, wherever it stands there.
 */
import { D6O_DNS_SERVERS, D6O_DOMAIN_LIST, D6O_INFORMATION_REFRESH_TIME, DHCP6_INFINITE, DUID_LEN_MAX, DUID_LEN_MIN, dhcp6Addrs, dhcp6Domains, dhcp6U32, dnsNameEncode, ip6BigOf, ip6Format, ip6InPrefix, ip6IsLinkLocal, ip6IsMulticast, ip6OfBig, ip6Parse, ip6ParsePrefix } from '@netloom/core/wire';
import { ConfError, confNumber, listWords, parseConf } from '../dhcp/conf-statements.js';
import type { ConfStatement } from '../dhcp/conf-statements.js';

const HOSTS_MAX = 65_536;
/** Name servers and domains of one scope: they fit one datagram. */
const LIST_MAX = 16;
const NUMBERS = { 'default-lease-time': [30, DHCP6_INFINITE], 'preferred-lifetime': [30, DHCP6_INFINITE], 'abandon-lease-time': [1, DHCP6_INFINITE] } as const satisfies Record<string, readonly [number, number]>;
const DEFAULTS: Readonly<Record<Conf6Number, number>> = { 'default-lease-time': 43_200, 'preferred-lifetime': 0, 'abandon-lease-time': 600 };
type Conf6Number = keyof typeof NUMBERS;

/** What the file or a subnet says. */
export class Scope6 {
  readonly outer: Scope6 | null;
  /** Options that clients are told when they ask for them. */
  readonly options = new Map<number, Uint8Array>();
  readonly numbers = new Map<Conf6Number, number>();
  private ownRapidCommit: boolean | null = null;
  private ownPreference: number | null = null;

  constructor(outer: Scope6 | null) {
    this.outer = outer;
  }

  number(key: Conf6Number): number {
    return this.numbers.get(key) ?? this.outer?.number(key) ?? DEFAULTS[key];
  }

  /** Seconds an address stays valid. */
  get valid(): number {
    return this.number('default-lease-time');
  }

  /** Seconds an address is preferred: never more than it is valid. */
  get preferred(): number {
    const own = this.number('preferred-lifetime');
    return own === 0 ? (this.valid === DHCP6_INFINITE ? DHCP6_INFINITE : Math.floor((this.valid * 5) / 8)) : Math.min(own, this.valid);
  }

  get rapidCommit(): boolean {
    return this.ownRapidCommit ?? this.outer?.rapidCommit ?? false;
  }

  set rapidCommit(on: boolean) {
    this.ownRapidCommit = on;
  }

  /** Null: nothing is said of it, which is 0. */
  get preference(): number | null {
    return this.ownPreference ?? this.outer?.preference ?? null;
  }

  set preference(value: number | null) {
    this.ownPreference = value;
  }

  allOptions(): Map<number, Uint8Array> {
    const all = this.outer?.allOptions() ?? new Map<number, Uint8Array>();
    for (const [code, data] of this.options) all.set(code, data);
    return all;
  }
}

export interface Conf6Range {
  readonly lo: bigint;
  readonly hi: bigint;
}

export interface Conf6Subnet {
  readonly net: Uint8Array;
  readonly plen: number;
  readonly scope: Scope6;
  readonly ranges: Conf6Range[];
  readonly name: string;
}

export interface Conf6Host {
  readonly name: string;
  readonly duid: Uint8Array;
  readonly addrs: readonly bigint[];
}

export interface Dhcp6dConf {
  readonly subnets: readonly Conf6Subnet[];
  readonly hosts: readonly Conf6Host[];
}

class Reader {
  readonly top = new Scope6(null);
  readonly subnets: Conf6Subnet[] = [];
  readonly hosts: Conf6Host[] = [];

  block(list: readonly ConfStatement[], scope: Scope6, subnet: Conf6Subnet | null): void {
    for (const s of list) {
      const word = s.words[0]?.text ?? '';
      if (word === 'subnet6' && subnet === null) this.subnet(s);
      else if (word === 'host') this.host(s);
      else if (word === 'range6' && subnet !== null) this.range(s, subnet);
      else if (word === 'subnet6' || word === 'range6') throw new ConfError(s.line, word === 'range6' ? 'a range6 stands in a subnet6' : 'a subnet6 stands in no other');
      else if (!setting(s, scope)) throw new ConfError(s.line, `${word}: unknown statement`);
    }
  }

  private subnet(s: ConfStatement): void {
    const [, text = ''] = s.words.map((w) => w.text);
    const prefix = ip6ParsePrefix(text);
    if (prefix === null || !text.includes('/') || s.words.length !== 2 || s.block === null) throw new ConfError(s.line, 'subnet6 PREFIX/LENGTH { ... } is wanted');
    const { addr: net, len: plen } = prefix;
    const name = `${ip6Format(net)}/${plen}`;
    if ((ip6BigOf(net) & hostBits(plen)) !== 0n) throw new ConfError(s.line, `subnet6 ${name}: bits of the host are set`);
    if (ip6IsLinkLocal(net) || ip6IsMulticast(net)) throw new ConfError(s.line, `subnet6 ${name}: addresses of it are not given to hosts`);
    const twice = this.subnets.find((o) => ip6InPrefix(net, o.net, Math.min(plen, o.plen)));
    if (twice !== undefined) throw new ConfError(s.line, `subnet6 ${name} and ${twice.name} have addresses in common`);
    const subnet: Conf6Subnet = { net, plen, scope: new Scope6(this.top), ranges: [], name };
    this.subnets.push(subnet);
    this.block(s.block, subnet.scope, subnet);
  }

  private range(s: ConfStatement, subnet: Conf6Subnet): void {
    const words = s.words.slice(1).map((w) => w.text);
    const [lo, hi] = rangeOf(words) ?? [];
    if (lo === undefined || hi === undefined || s.block !== null) throw new ConfError(s.line, 'range6 FIRST [LAST]; or range6 PREFIX/LENGTH; is wanted');
    const text = `range6 ${words.join(' ')}`;
    if (lo > hi) throw new ConfError(s.line, `${text}: the last address is before the first`);
    if (![lo, hi].every((a) => ip6InPrefix(ip6OfBig(a), subnet.net, subnet.plen))) throw new ConfError(s.line, `${text} is not in subnet6 ${subnet.name}`);
    if (subnet.ranges.some((r) => lo <= r.hi && r.lo <= hi)) throw new ConfError(s.line, `${text} has addresses of another range`);
    // The first address of a subnet is that of all its routers (RFC 4291 §2.6.1).
    const first = lo === ip6BigOf(subnet.net) && subnet.plen < 127 ? lo + 1n : lo;
    if (first <= hi) subnet.ranges.push({ lo: first, hi });
  }

  private host(s: ConfStatement): void {
    const name = s.words[1]?.text ?? '';
    if (s.block === null || s.words.length !== 2) throw new ConfError(s.line, 'host NAME { ... } is wanted');
    let duid: Uint8Array | null = null;
    let addrs: bigint[] = [];
    for (const inner of s.block) {
      const [word, ...words] = inner.words.map((w) => w.text);
      if (word === 'host-identifier') {
        duid = words.length === 3 && words[0] === 'option' && words[1] === 'dhcp6.client-id' ? duidOf(words[2] ?? '') : null;
        if (duid === null) throw new ConfError(inner.line, `host-identifier ${words.join(' ')}: host-identifier option dhcp6.client-id 00:03:00:01:02:00:00:00:00:01 is wanted`);
      } else if (word === 'fixed-address6') {
        addrs = addresses(inner, 1, `fixed-address6 ${words.join(' ')}`).map((a) => ip6BigOf(a));
      } else throw new ConfError(inner.line, `${word ?? ''}: unknown statement`);
    }
    if (duid === null) throw new ConfError(s.line, `host ${name}: nothing tells it apart (host-identifier option dhcp6.client-id)`);
    if (this.hosts.length >= HOSTS_MAX) throw new ConfError(s.line, `more than ${HOSTS_MAX} hosts`);
    this.hosts.push({ name, duid, addrs });
  }
}

const hostBits = (plen: number): bigint => (1n << BigInt(128 - plen)) - 1n;

function rangeOf(words: readonly string[]): [bigint, bigint] | null {
  const [first = '', last = first] = words;
  if (words.length < 1 || words.length > 2) return null;
  if (first.includes('/')) {
    const prefix = words.length === 1 ? ip6ParsePrefix(first) : null;
    if (prefix === null) return null;
    const lo = ip6BigOf(prefix.addr) & ~hostBits(prefix.len);
    return [lo, lo | hostBits(prefix.len)];
  }
  const [lo, hi] = [ip6Parse(first), ip6Parse(last)];
  return lo === null || hi === null ? null : [ip6BigOf(lo), ip6BigOf(hi)];
}

/** `00:03:00:01:...`, as DUIDs are shown. */
function duidOf(text: string): Uint8Array | null {
  const parts = text.split(':');
  if (!parts.every((b) => /^[0-9a-fA-F]{1,2}$/.test(b)) || parts.length < DUID_LEN_MIN || parts.length > DUID_LEN_MAX) return null;
  return Uint8Array.from(parts, (b) => parseInt(b, 16));
}

/** The addresses that stand behind the first `skip` words. */
function addresses(s: ConfStatement, skip: number, what: string): Uint8Array[] {
  const parsed = listWords(s, s.words.slice(skip)).map((w) => ip6Parse(w.text));
  const good = parsed.filter((a) => a !== null);
  if (good.length === 0 || good.length < parsed.length || good.length > LIST_MAX) throw new ConfError(s.line, `${what}: IPv6 addresses are wanted (${LIST_MAX} at most)`);
  return good;
}

/** A statement that sets something in a scope; false: it is none. */
function setting(s: ConfStatement, scope: Scope6): boolean {
  const [first, ...rest] = s.words;
  const word = first?.text ?? '';
  if (s.block !== null) return false;
  if (word === 'authoritative') return rest.length === 0;
  if (word === 'option') return option(s, scope);
  if (!Object.hasOwn(NUMBERS, word)) return false;
  const key = word as Conf6Number;
  const [min, max] = NUMBERS[key];
  scope.numbers.set(key, confNumber(s, word, rest.length === 1 ? rest[0]?.text : undefined, min, max));
  return true;
}

function option(s: ConfStatement, scope: Scope6): boolean {
  const name = s.words[1]?.text ?? '';
  const words = s.words.slice(2);
  const one = words.length === 1 ? words[0]?.text : undefined;
  switch (name) {
    case 'dhcp6.name-servers':
      scope.options.set(D6O_DNS_SERVERS, dhcp6Addrs(addresses(s, 2, `option ${name}`)));
      return true;
    case 'dhcp6.domain-search': {
      const names = listWords(s, words).map((w) => w.text);
      if (names.length === 0 || names.length > LIST_MAX || names.some((n) => n === '' || dnsNameEncode(n) === null)) throw new ConfError(s.line, `option ${name}: names of domains are wanted (${LIST_MAX} at most)`);
      scope.options.set(D6O_DOMAIN_LIST, dhcp6Domains(names));
      return true;
    }
    case 'dhcp6.info-refresh-time':
      scope.options.set(D6O_INFORMATION_REFRESH_TIME, dhcp6U32(confNumber(s, name, one, 600, DHCP6_INFINITE)));
      return true;
    case 'dhcp6.preference':
      scope.preference = confNumber(s, name, one, 0, 255);
      return true;
    case 'dhcp6.rapid-commit':
      if (words.length > 0) throw new ConfError(s.line, `option ${name}: nothing stands behind it`);
      scope.rapidCommit = true;
      return true;
    default:
      throw new ConfError(s.line, `option ${name}: unknown (dhcp6.name-servers, domain-search, info-refresh-time, preference, rapid-commit)`);
  }
}

/** @throws ConfError */
export function dhcp6dConf(text: string): Dhcp6dConf {
  const reader = new Reader();
  reader.block(parseConf(text), reader.top, null);
  return { subnets: reader.subnets, hosts: reader.hosts };
}

/** What is wrong with a configuration, for whoever made it; null when nothing is. */
export function dhcp6ConfProblem(text: string): string | null {
  try {
    dhcp6dConf(text);
    return null;
  } catch (e) {
    if (e instanceof ConfError) return e.problem;
    throw e;
  }
}
