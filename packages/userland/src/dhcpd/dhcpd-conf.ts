/**
 * dhcpd-conf.ts — dhcpd.conf(5): subnets, ranges, hosts, and what clients are told.
 * Read first: dhcpd.conf(5), dhcp-options(5); dhcp/conf-statements.ts for the syntax, dhcp/option-names.ts for options.
 *
 * Theory of operation. A scope is what one block says; what it does not say its outer scope does: host, group, pool, subnet, shared network, the file. Hosts of a group have the group
 * for their outer scope, and then the subnet that the client is in.
 *
 * Statements: `subnet`, `shared-network`, `pool`, `host`, `group`, `range`, `hardware ethernet`, `fixed-address`, `option`, `default-lease-time`, `max-lease-time`, `min-lease-time`,
 * `offer-lease-time` (ours), `abandon-lease-time`, `authoritative`, `next-server`, `filename`, `server-name`, `server-identifier`, `ping-check`, `ping-timeout`, `use-host-decl-names`,
 * `allow` and `deny` `unknown-clients` or `bootp` (refused either way), `ddns-update-style none`, `log-facility` and `one-lease-per-client` (no effect). Others are refused by name.
 */
import { DHO_CLIENT_ID, ip4BroadcastOf, ip4Format, ip4InPrefix, ip4MaskOf, ip4Parse, ip4PrefixLen, macParse } from '@netloom/core/wire';
import { ConfError, confNumber, listWords, parseConf } from '../dhcp/conf-statements.js';
import type { ConfStatement } from '../dhcp/conf-statements.js';
import { optionCode, optionValue } from '../dhcp/option-names.js';

/** Addresses in all ranges together: what one process can have leases of. */
export const POOL_MAX = 1 << 18;
const U32_MAX = 0xffff_ffff;
const HOSTS_MAX = 65_536;

/** Numbers a scope may set, with their least and greatest values; seconds. */
const NUMBERS = {
  'default-lease-time': [30, U32_MAX], 'max-lease-time': [30, U32_MAX], 'min-lease-time': [1, U32_MAX], 'offer-lease-time': [1, 3_600], 'abandon-lease-time': [1, U32_MAX], 'ping-timeout': [1, 10],
} as const satisfies Record<string, readonly [number, number]>;
const FLAGS = ['authoritative', 'ping-check', 'use-host-decl-names', 'unknown-clients'] as const;
const TEXTS = ['filename', 'server-name'] as const;
const ADDRESSES = ['next-server', 'server-identifier'] as const;

export type ConfNumber = keyof typeof NUMBERS;
export type ConfFlag = (typeof FLAGS)[number];
export type ConfText = (typeof TEXTS)[number];
export type ConfAddress = (typeof ADDRESSES)[number];
type Key = ConfNumber | ConfFlag | ConfText | ConfAddress;

/** What is so when nobody says otherwise. */
const DEFAULTS: ReadonlyMap<Key, number> = new Map<Key, number>([
  ['default-lease-time', 43_200], ['max-lease-time', 86_400], ['min-lease-time', 60], ['offer-lease-time', 60], ['abandon-lease-time', 86_400], ['ping-timeout', 1],
  ['authoritative', 0], ['ping-check', 0], ['use-host-decl-names', 0], ['unknown-clients', 1], ['next-server', 0], ['server-identifier', 0],
]);

export class Scope {
  readonly outer: Scope | null;
  readonly options = new Map<number, Uint8Array>();
  private readonly values = new Map<Key, number | string>();

  constructor(outer: Scope | null) {
    this.outer = outer;
  }

  set(key: Key, value: number | string): void {
    this.values.set(key, value);
  }

  number(key: ConfNumber | ConfAddress): number {
    const value = this.find(key);
    return typeof value === 'number' ? value : (DEFAULTS.get(key) ?? 0);
  }

  flag(key: ConfFlag): boolean {
    return (this.find(key) ?? DEFAULTS.get(key)) === 1;
  }

  text(key: ConfText): string {
    return String(this.find(key) ?? '');
  }

  /** Options of this scope and those around it; the inner ones count. */
  allOptions(): Map<number, Uint8Array> {
    const all = this.outer?.allOptions() ?? new Map<number, Uint8Array>();
    for (const [code, data] of this.options) all.set(code, data);
    return all;
  }

  /** This scope and those around it but the file's, laid over those of a subnet: what a host says counts more than what its subnet does. */
  over(place: Scope): Scope {
    if (this.outer === null) return place;
    const scope = new Scope(this.outer.over(place));
    for (const [code, data] of this.options) scope.options.set(code, data);
    for (const [key, value] of this.values) scope.values.set(key, value);
    return scope;
  }

  private find(key: Key): number | string | undefined {
    return this.values.get(key) ?? this.outer?.find(key);
  }
}

export interface ConfRange {
  readonly lo: number;
  readonly hi: number;
  readonly scope: Scope;
}

export interface ConfSubnet {
  readonly net: number;
  readonly plen: number;
  readonly scope: Scope;
  readonly ranges: ConfRange[];
  /** Subnets of one shared network have one name here; others their own. */
  readonly network: string;
}

export interface ConfHost {
  readonly name: string;
  readonly mac: Uint8Array | null;
  readonly clientId: Uint8Array | null;
  readonly addrs: readonly number[];
  readonly scope: Scope;
}

export interface DhcpdConf {
  readonly top: Scope;
  readonly subnets: readonly ConfSubnet[];
  readonly hosts: readonly ConfHost[];
}

class Reader {
  readonly top = new Scope(null);
  readonly subnets: ConfSubnet[] = [];
  readonly hosts: ConfHost[] = [];
  private poolSize = 0;

  /** The statements of one block. */
  block(list: readonly ConfStatement[], scope: Scope, place: { readonly subnet: ConfSubnet | null; readonly network: string | null }): void {
    for (const s of list) this.statement(s, scope, place);
  }

  private statement(s: ConfStatement, scope: Scope, place: { readonly subnet: ConfSubnet | null; readonly network: string | null }): void {
    const word = s.words[0]?.text ?? '';
    switch (word) {
      case 'subnet':
        return this.subnet(s, scope, place.network);
      case 'shared-network':
        return this.block(this.body(s, 2), new Scope(scope), { ...place, network: `shared ${s.words[1]?.text ?? ''}` });
      case 'group':
        return this.block(this.body(s, 1), new Scope(scope), place);
      case 'pool':
        if (place.subnet === null) throw new ConfError(s.line, 'a pool stands in a subnet');
        return this.block(this.body(s, 1), new Scope(scope), place);
      case 'host':
        return this.host(s, scope);
      case 'range':
        if (place.subnet === null) throw new ConfError(s.line, 'a range stands in a subnet');
        return this.range(s, scope, place.subnet);
      default:
        if (!setting(s, scope)) throw new ConfError(s.line, `${word}: unknown statement`);
    }
  }

  private body(s: ConfStatement, words: number): readonly ConfStatement[] {
    if (s.block === null || s.words.length !== words) throw new ConfError(s.line, `${s.words[0]?.text ?? ''}${words > 1 ? ' NAME' : ''} { ... } is wanted`);
    return s.block;
  }

  private subnet(s: ConfStatement, outer: Scope, network: string | null): void {
    const [, addr, netmask, mask] = s.words.map((w) => w.text);
    const net = ip4Parse(addr ?? '');
    const plen = ip4PrefixLen(ip4Parse(mask ?? '') ?? 1);
    if (net === null || netmask !== 'netmask' || plen < 0 || s.words.length !== 4 || s.block === null) throw new ConfError(s.line, 'subnet ADDRESS netmask MASK { ... } is wanted');
    const text = `${ip4Format(net)}/${plen}`;
    if (((net & ip4MaskOf(plen)) >>> 0) !== net) throw new ConfError(s.line, `subnet ${text}: bits of the host are set`);
    const twice = this.subnets.find((o) => ip4InPrefix(net, o.net, Math.min(plen, o.plen)));
    if (twice !== undefined) throw new ConfError(s.line, `subnet ${text} and ${ip4Format(twice.net)}/${twice.plen} have addresses in common`);
    const subnet: ConfSubnet = { net, plen, scope: new Scope(outer), ranges: [], network: network ?? text };
    this.subnets.push(subnet);
    this.block(s.block, subnet.scope, { subnet, network });
  }

  private range(s: ConfStatement, scope: Scope, subnet: ConfSubnet): void {
    const words = s.words.slice(1).map((w) => w.text).filter((w) => w !== 'dynamic-bootp');
    const [lo, hi] = [ip4Parse(words[0] ?? ''), ip4Parse(words[1] ?? words[0] ?? '')];
    if (lo === null || hi === null || words.length > 2 || s.block !== null) throw new ConfError(s.line, 'range FIRST [LAST]; is wanted');
    const text = `range ${ip4Format(lo)} ${ip4Format(hi)}`;
    if (lo > hi) throw new ConfError(s.line, `${text}: the last address is before the first`);
    const inside = (a: number): boolean => ip4InPrefix(a, subnet.net, subnet.plen);
    if (!inside(lo) || !inside(hi)) throw new ConfError(s.line, `${text} is not in subnet ${ip4Format(subnet.net)}/${subnet.plen}`);
    const mask = ip4MaskOf(subnet.plen);
    if (subnet.plen < 31 && (lo === subnet.net || hi === ip4BroadcastOf(subnet.net, mask))) throw new ConfError(s.line, `${text} has the address of the network or of everybody in it`);
    if (this.subnets.some((o) => o.ranges.some((r) => lo <= r.hi && r.lo <= hi))) throw new ConfError(s.line, `${text} has addresses of another range`);
    this.poolSize += hi - lo + 1;
    if (this.poolSize > POOL_MAX) throw new ConfError(s.line, `${text}: more than ${POOL_MAX} addresses in all ranges`);
    subnet.ranges.push({ lo, hi, scope });
  }

  private host(s: ConfStatement, outer: Scope): void {
    const list = this.body(s, 2);
    const name = s.words[1]?.text ?? '';
    const scope = new Scope(outer);
    let mac: Uint8Array | null = null;
    let addrs: number[] = [];
    for (const inner of list) {
      const words = inner.words.slice(1);
      const text = words.map((w) => w.text).join(' ');
      if (inner.words[0]?.text === 'hardware') {
        mac = words[0]?.text === 'ethernet' && words.length === 2 ? macParse(words[1]?.text ?? '') : null;
        if (mac === null) throw new ConfError(inner.line, `hardware ${text}: hardware ethernet 02:00:00:00:00:01 is wanted`);
      } else if (inner.words[0]?.text === 'fixed-address') {
        const parsed = listWords(inner, words).map((w) => ip4Parse(w.text));
        if (parsed.length === 0 || parsed.includes(null)) throw new ConfError(inner.line, `fixed-address ${text}: IPv4 addresses are wanted`);
        addrs = parsed.map((a) => a ?? 0);
      } else if (!setting(inner, scope)) throw new ConfError(inner.line, `${inner.words[0]?.text ?? ''}: unknown statement`);
    }
    const clientId = scope.options.get(DHO_CLIENT_ID) ?? null;
    if (mac === null && clientId === null) throw new ConfError(s.line, `host ${name}: nothing tells it apart (hardware ethernet, or option dhcp-client-identifier)`);
    if (this.hosts.length >= HOSTS_MAX) throw new ConfError(s.line, `more than ${HOSTS_MAX} hosts`);
    scope.options.delete(DHO_CLIENT_ID);
    this.hosts.push({ name, mac, clientId, addrs, scope });
  }
}

/** A statement that sets something in a scope; false: it is none. */
function setting(s: ConfStatement, scope: Scope): boolean {
  const [first, ...rest] = s.words;
  const word = first?.text ?? '';
  const text = rest.map((w) => w.text).join(' ');
  const one = rest.length === 1 ? rest[0]?.text : undefined;
  if (s.block !== null) return false;
  if (word === 'option') return option(s, scope);
  if (word in NUMBERS) {
    const key = word as ConfNumber;
    const [min, max] = NUMBERS[key];
    scope.set(key, confNumber(s, word, one, min, max));
    return true;
  }
  const textKey = TEXTS.find((k) => k === word);
  if (textKey !== undefined) {
    if (one === undefined) throw new ConfError(s.line, `${word} "TEXT"; is wanted`);
    scope.set(textKey, one);
    return true;
  }
  const addressKey = ADDRESSES.find((k) => k === word);
  if (addressKey !== undefined) {
    const addr = ip4Parse(one ?? '');
    if (addr === null) throw new ConfError(s.line, `${word} ${text}: an IPv4 address is wanted`);
    scope.set(addressKey, addr);
    return true;
  }
  return flag(s, scope, word, text);
}

function flag(s: ConfStatement, scope: Scope, word: string, text: string): boolean {
  switch (word) {
    case 'authoritative':
      scope.set('authoritative', 1);
      return true;
    case 'not':
      if (text !== 'authoritative') return false;
      scope.set('authoritative', 0);
      return true;
    case 'ping-check':
    case 'use-host-decl-names': {
      const on = ['false', 'off', 'true', 'on'].indexOf(text);
      if (on < 0) throw new ConfError(s.line, `${word} ${text}: true or false is wanted`);
      scope.set(word, on >= 2 ? 1 : 0);
      return true;
    }
    case 'allow':
    case 'deny':
    case 'ignore':
      if (text === 'unknown-clients') scope.set('unknown-clients', word === 'allow' ? 1 : 0);
      else if (text !== 'bootp' || word === 'allow') throw new ConfError(s.line, `${word} ${text}: only unknown-clients can be allowed and denied`);
      return true;
    case 'ddns-update-style':
      if (text !== 'none') throw new ConfError(s.line, `ddns-update-style ${text}: names are not registered by DNS (only "none")`);
      return true;
    case 'one-lease-per-client':
    case 'log-facility':
      return true;
    default:
      return false;
  }
}

function option(s: ConfStatement, scope: Scope): boolean {
  const name = s.words[1]?.text ?? '';
  const code = optionCode(name);
  if (code === null) throw new ConfError(s.line, `option ${name}: unknown (option-NUMBER with bytes is any option)`);
  const value = optionValue(name, listWords(s, s.words.slice(2)));
  if (typeof value === 'string') throw new ConfError(s.line, `option ${value}`);
  scope.options.set(code, value);
  return true;
}

/** @throws ConfError */
export function dhcpdConf(text: string): DhcpdConf {
  const reader = new Reader();
  reader.block(parseConf(text), reader.top, { subnet: null, network: null });
  return { top: reader.top, subnets: reader.subnets, hosts: reader.hosts };
}

/** What is wrong with a configuration, for whoever made it; null when nothing is. */
export function dhcpConfProblem(text: string): string | null {
  try {
    dhcpdConf(text);
    return null;
  } catch (e) {
    if (e instanceof ConfError) return e.problem;
    throw e;
  }
}
