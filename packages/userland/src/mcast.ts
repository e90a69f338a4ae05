/**
 * mcast.ts — mcast: multicast routing of a vnet: queriers, static routes, a proxy.
 * Read first: docs/multicast.md. Exit codes: 0, 1 when something was refused or is not there, 64 wrong usage.
 *
 * FreeBSD leaves this to daemons (mrouted, igmpproxy, mld-proxy); here the kernel has it, and this tool is its handle. Interfaces are named as ifconfig names them. Without
 * -4 or -6 a word about a link is about both families; a group says its family itself.
 */
import {
  EADDRNOTAVAIL, EEXIST, EINVAL, ENOSPC, EPERM, GROUPS, MCAST_EXCLUDE, ORIGINAL, QUERIER_DEFAULTS, SOURCES, strerror,
} from '@netloom/core';
import type { Errno, Ifnet, McastQuerier, McastRouter, McastVersion, QuerierOptions, RouterGroup } from '@netloom/core';
import { ip4Format, ip4Parse, ip6BigOf, ip6Format, ip6OfBig, ip6Parse } from '@netloom/core/wire';
import { errx, toolMain, usage } from './err.js';
import { getopt } from './getopt.js';
import { ownsNetwork } from './jail/jail-id.js';
import { jsonText, takeLibxo } from './libxo.js';
import type { JsonStyle } from './libxo.js';
import type { Proc } from './proc.js';

const USAGE = `usage: mcast [-46] querier interface [on | off] [version n] [robustness n] [interval s] [response s] [lastmember s] [fastleave]
       mcast route add group [source address] in interface out interface[:ttl] ...
       mcast route delete group [source address]
       mcast [-46] proxy upstream downstream ...
       mcast [-46] proxy off
       mcast [-46] show [--json]
`;
const EX_USAGE = 64;
const US_PER_S = 1_000_000;
const TTL_MAX = 255;

/** A family: its door and how its addresses are written. */
interface Family<A extends number | bigint> {
  readonly name: 'inet' | 'inet6';
  readonly router: McastRouter<A>;
  readonly protocol: string;
  /** What the protocol calls the generations. */
  readonly versions: readonly McastVersion[];
  querierOf(ifp: Ifnet): McastQuerier<A> | null;
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno;
  parse(text: string): A | null;
  format(addr: A): string;
}

function inet(p: Proc): Family<number> {
  const { mroute, igmp } = p.vnet;
  return {
    name: 'inet', router: mroute.router, protocol: 'IGMP', versions: [ORIGINAL, GROUPS, SOURCES], querierOf: (ifp) => igmp.querierOf(ifp),
    setQuerier: (ifp, o) => mroute.setQuerier(ifp, o), parse: (text) => ip4Parse(text), format: (a) => ip4Format(a),
  };
}

function inet6(p: Proc): Family<bigint> {
  const { mroute6, mld } = p.vnet;
  return {
    name: 'inet6', router: mroute6.router, protocol: 'MLD', versions: [GROUPS, SOURCES], querierOf: (ifp) => mld.querierOf(ifp),
    setQuerier: (ifp, o) => mroute6.setQuerier(ifp, o),
    parse: (text) => {
      const bytes = ip6Parse(text);
      return bytes === null ? null : ip6BigOf(bytes);
    },
    format: (a) => ip6Format(ip6OfBig(a)),
  };
}

/** One run. */
interface Call {
  readonly p: Proc;
  readonly four: boolean;
  readonly six: boolean;
  readonly json: JsonStyle;
}

export const mcast = toolMain((p: Proc) => {
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  const parsed = getopt('46', xo.words);
  if (parsed.error !== null) usage(p, EX_USAGE, `mcast: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const call: Call = { p, four: !has('6') || has('4'), six: !has('4') || has('6'), json: xo.json };
  const [verb, ...words] = parsed.rest;
  if (verb === 'show' && words.length === 0) return show(call);
  if (verb !== 'querier' && verb !== 'route' && verb !== 'proxy') usage(p, EX_USAGE, USAGE);
  if (!ownsNetwork(p.prison)) errx(p, 1, `${verb}: ${strerror(EPERM)}`);
  if (verb === 'querier') return querier(call, words);
  return verb === 'route' ? route(call, words) : proxy(call, words);
});

function ifpOf(p: Proc, name: string): Ifnet {
  return p.vnet.net.ifunit(name) ?? errx(p, 1, `interface ${name} does not exist`);
}

function number(p: Proc, what: string, text: string | undefined, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text ?? '') ? Number(text) : -1;
  if (value < min || value > max) errx(p, 1, `${what} ${text ?? '(nothing)'}: a number from ${min} to ${max} is needed`);
  return value;
}

/** Settings by their words: the greatest and least value, and how it is set. */
const SETTINGS: Readonly<Record<string, readonly [min: number, max: number, set: (o: QuerierOptions, n: number) => void]>> = {
  robustness: [1, 7, (o, n) => { o.robustness = n; }],
  interval: [1, 31_744, (o, n) => { o.queryIntervalS = n; }],
  response: [1, 3_174, (o, n) => { o.responseIntervalS = n; }],
  lastmember: [1, 3_174, (o, n) => { o.lastMemberIntervalS = n; }],
};

function querier(call: Call, words: readonly string[]): number {
  const { p } = call;
  const [name, ...rest] = words;
  if (name === undefined) usage(p, EX_USAGE, USAGE);
  const ifp = ifpOf(p, name);
  const options: QuerierOptions = { ...QUERIER_DEFAULTS };
  let on = true;
  let version: number | null = null;
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? '';
    const setting = Object.hasOwn(SETTINGS, word) ? SETTINGS[word] : undefined;
    if (word === 'on' || word === 'off') on = word === 'on';
    else if (word === 'fastleave') options.fastLeave = true;
    else if (word === 'version') version = number(p, word, rest[++i], 1, 3);
    else if (setting !== undefined) setting[2](options, number(p, word, rest[++i], setting[0], setting[1]));
    else usage(p, EX_USAGE, `mcast: unknown word: ${word}\n${USAGE}`);
  }
  if (options.responseIntervalS > options.queryIntervalS) errx(p, 1, `response ${options.responseIntervalS}: must not be greater than the interval, ${options.queryIntervalS}`);
  for (const family of families(call)) {
    if (version !== null && family.versions[version - 1] === undefined) errx(p, 1, `version ${version}: ${family.protocol} has versions 1 to ${family.versions.length}; say -4 for IGMP alone`);
    const chosen = version === null ? SOURCES : (family.versions[version - 1] ?? SOURCES);
    const error = family.setQuerier(ifp, on ? { ...options, version: chosen } : null);
    if (error !== 0) errx(p, 1, refusal(`querier ${name}`, error, `${name} has no multicast`));
  }
  return 0;
}

function families(call: Call): (Family<number> | Family<bigint>)[] {
  return [...(call.four ? [inet(call.p)] : []), ...(call.six ? [inet6(call.p)] : [])];
}

function refusal(what: string, error: Errno, invalid: string): string {
  if (error === EINVAL) return `${what}: ${invalid}`;
  if (error === EEXIST) return `${what}: there is such a route; delete it first`;
  if (error === ENOSPC) return `${what}: too many routes or interfaces`;
  return `${what}: ${error === EADDRNOTAVAIL ? 'there is none such' : strerror(error)}`;
}

function route(call: Call, words: readonly string[]): number {
  const { p } = call;
  const [verb, group, ...rest] = words;
  if ((verb !== 'add' && verb !== 'delete') || group === undefined) usage(p, EX_USAGE, USAGE);
  return group.includes(':') ? routeOf(p, inet6(p), verb, group, rest) : routeOf(p, inet(p), verb, group, rest);
}

function routeOf<A extends number | bigint>(p: Proc, family: Family<A>, verb: 'add' | 'delete', text: string, words: readonly string[]): number {
  const group = family.parse(text) ?? errx(p, 1, `${text}: not an address`);
  let source: A | null = null;
  let from: Ifnet | null = null;
  const to: { ifp: Ifnet; threshold: number }[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[++i];
    if (word === 'source' && value !== undefined) source = family.parse(value) ?? errx(p, 1, `${value}: not an address of the group's family`);
    else if (word === 'in' && value !== undefined && verb === 'add') from = ifpOf(p, value);
    else if (word === 'out' && value !== undefined && verb === 'add') {
      for (let name: string | undefined = value; name !== undefined; name = isOutput(words[i + 1]) ? words[++i] : undefined) {
        const [ifname = '', ttl] = name.split(':');
        to.push({ ifp: ifpOf(p, ifname), threshold: ttl === undefined ? 1 : number(p, 'ttl', ttl, 1, TTL_MAX) });
      }
    } else usage(p, EX_USAGE, USAGE);
  }
  if (verb === 'delete') {
    const error = family.router.removeRoute(group, source);
    return error === 0 ? 0 : errx(p, 1, refusal(`route delete ${text}`, error, ''));
  }
  if (from === null) usage(p, EX_USAGE, USAGE);
  const error = family.router.addRoute({ group, source, from, to });
  return error === 0 ? 0 : errx(p, 1, refusal(`route add ${text}`, error, `a group beyond the link is needed, and outputs other than ${from.xname}`));
}

const isOutput = (word: string | undefined): boolean => word !== undefined && word !== 'source' && word !== 'in' && word !== 'out';

function proxy(call: Call, words: readonly string[]): number {
  const { p } = call;
  const [upstream, ...downstreams] = words;
  if (upstream === undefined || (upstream !== 'off' && downstreams.length === 0)) usage(p, EX_USAGE, USAGE);
  for (const family of families(call)) proxyOf(p, family, upstream, downstreams);
  return 0;
}

/** Downstream links without a querier get one: that is where the proxy hears who listens. */
function proxyOf(p: Proc, family: Family<number> | Family<bigint>, upstream: string, downstreams: readonly string[]): void {
  const down = downstreams.map((name) => ifpOf(p, name));
  const up = upstream === 'off' ? null : ifpOf(p, upstream);
  const error = family.router.setProxy(up, down);
  if (error !== 0) errx(p, 1, refusal(`proxy ${upstream}`, error, 'each interface may be named once'));
  for (const ifp of down) {
    if (family.querierOf(ifp) !== null) continue;
    const refused = family.setQuerier(ifp, { ...QUERIER_DEFAULTS });
    if (refused !== 0) errx(p, 1, refusal(`proxy ${upstream} ${ifp.xname}`, refused, `${ifp.xname} has no multicast`));
  }
}

function show(call: Call): number {
  const { p } = call;
  const all = [...(call.four ? [familyJson(p, inet(p))] : []), ...(call.six ? [familyJson(p, inet6(p))] : [])];
  if (call.json !== 'none') p.out(jsonText({ multicast: Object.fromEntries(all.map((f) => [f.family, f])) }, call.json));
  else p.out(all.map((f) => familyText(f)).join(''));
  return 0;
}

interface GroupJson {
  readonly group: string;
  readonly mode: 'include' | 'exclude';
  readonly version: number;
  readonly expire: number | null;
  readonly reporter: string | null;
  readonly sources: readonly { readonly source: string; readonly expire: number }[];
}

interface FamilyJson {
  readonly family: string;
  readonly protocol: string;
  readonly queriers: readonly { readonly interface: string; readonly querier: string; readonly version: number; readonly statistics: object; readonly groups: readonly GroupJson[] }[];
  readonly proxy: { readonly upstream: string; readonly downstream: readonly string[]; readonly groups: readonly string[] } | null;
  readonly routes: readonly { readonly group: string; readonly source: string | null; readonly in: string; readonly out: readonly { readonly interface: string; readonly ttl: number }[] }[];
}

function familyJson<A extends number | bigint>(p: Proc, f: Family<A>): FamilyJson {
  const { now } = p.vnet.kern.engine;
  const seconds = (until: number): number => Math.max(0, Math.ceil((until - now) / US_PER_S));
  const group = (q: McastQuerier<A>, g: RouterGroup<A>): GroupJson => ({
    group: f.format(g.group), mode: g.mode === MCAST_EXCLUDE ? 'exclude' : 'include', version: f.versions.indexOf(q.versionOf(g)) + 1,
    expire: g.mode === MCAST_EXCLUDE ? seconds(g.until) : null, reporter: g.lastReporter === null ? null : f.format(g.lastReporter),
    sources: [...g.sources].map(([s, until]) => ({ source: f.format(s), expire: until === 0 ? 0 : seconds(until) })),
  });
  const links = p.vnet.net.ifnets.flatMap((ifp) => {
    const q = f.querierOf(ifp);
    if (q === null) return [];
    return [{
      interface: ifp.xname, querier: q.other === null ? 'self' : f.format(q.other), version: f.versions.indexOf(q.options.version) + 1, statistics: { ...q.stats },
      groups: [...q.groups.values()].map((g) => group(q, g)),
    }];
  });
  const { proxy: px, routes } = f.router;
  return {
    family: f.name, protocol: f.protocol, queriers: links,
    proxy: px === null ? null : { upstream: px.upstream.xname, downstream: px.downstreams.map((d) => d.xname), groups: [...px.joined.keys()].map((g) => f.format(g)) },
    routes: routes.map((r) => ({
      group: f.format(r.group), source: r.source === null ? null : f.format(r.source), in: r.from.xname, out: r.to.map((o) => ({ interface: o.ifp.xname, ttl: o.threshold })),
    })),
  };
}

function familyText(f: FamilyJson): string {
  let out = '';
  for (const q of f.queriers) {
    out += `${q.interface}: ${f.protocol}v${q.version} querier ${q.querier}\n`;
    for (const g of q.groups) {
      const sources = g.sources.map((s) => ` ${g.mode === 'exclude' && s.expire === 0 ? '-' : ''}${s.source}`).join('');
      out += `\tgroup ${g.group} mode ${g.mode}${g.expire === null ? '' : ` expires ${g.expire}`}${g.reporter === null ? '' : ` reporter ${g.reporter}`}${sources === '' ? '' : ` srcs${sources}`}\n`;
    }
  }
  if (f.proxy !== null) out += `${f.protocol} proxy ${f.proxy.upstream} for ${f.proxy.downstream.join(' ')}${f.proxy.groups.length === 0 ? '' : `: ${f.proxy.groups.join(' ')}`}\n`;
  for (const r of f.routes) out += `route ${r.group}${r.source === null ? '' : ` source ${r.source}`} in ${r.in} out ${r.out.map((o) => (o.ttl === 1 ? o.interface : `${o.interface}:${o.ttl}`)).join(' ')}\n`;
  return out;
}
