/**
 * ifmcstat.ts — ifmcstat(8): the multicast groups of interfaces, and how routers are told of them.
 * Read first: ifmcstat(8). Exit codes: 0, 64 wrong usage, 68 no such interface.
 *
 * What is printed is what FreeBSD's prints from its sysctls: for each interface its first address of a family (of IPv6 the link-local one), the state of IGMP or MLD
 * there, and the groups with their link-layer address. -v adds source lists and link-layer groups, -vv the timers. `--json` has everything.
 * Not here: -K, -M and -N, which read a kernel's memory.
 */
import { IFF_LOOPBACK, IFF_MULTICAST, In6Ifaddr, MCAST_EXCLUDE } from '@netloom/core';
import type { Ifnet, McastHost, SourceFilter, Vnet } from '@netloom/core';
import { ip4Format, ip6Format, ip6OfBig, ip6Plain, macFormat, macLoOfIp4Group, macLoOfIp6Group, macOf } from '@netloom/core/wire';
import { errx, toolMain, usage } from './err.js';
import { getopt } from './getopt.js';
import { jsonText, takeLibxo } from './libxo.js';
import type { Proc } from './proc.js';

const USAGE = 'usage: ifmcstat [-i interface] [-f address family] [-v]\n';
const EX_USAGE = 64;
const EX_NOHOST = 68;
const US_PER_S = 1_000_000;
const MAC_HI_IP4 = 0x0100;
const MAC_HI_IP6 = 0x3333;

interface Group {
  readonly group: string;
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly string[];
  readonly mac: string;
}

/** One family on one interface. */
interface Block {
  readonly family: 'inet' | 'inet6';
  readonly address: string;
  /** `fe80::1%em0 scopeid 0x2` */
  readonly addressText: string;
  readonly protocol: string;
  readonly flags: string | null;
  readonly host: McastHost<number> | McastHost<bigint> | null;
  readonly isNewest: boolean;
  readonly groups: readonly Group[];
}

interface Shown {
  readonly name: string;
  readonly link: { readonly address: string; readonly groups: readonly { readonly mac: string; readonly refs: number }[] } | null;
  readonly blocks: readonly Block[];
}

export const ifmcstat = toolMain((p: Proc) => {
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  const parsed = getopt('i:f:vKM:N:', xo.words);
  if (parsed.error !== null) usage(p, EX_USAGE, `ifmcstat: ${parsed.error}\n${USAGE}`);
  let family: string | null = null;
  let only: Ifnet | null = null;
  let verbose = 0;
  for (const [letter, value] of parsed.options) {
    if (letter === 'v') verbose++;
    else if (letter === 'i') only = p.vnet.net.ifunit(value) ?? complain(p, EX_NOHOST, `${value}: unknown interface`);
    else if (letter === 'f' && ['inet', 'inet6', 'link'].includes(value)) family = value;
    else if (letter === 'f') complain(p, EX_USAGE, `${value}: unknown address family`);
    else errx(p, 1, `-${letter}: there is no kernel memory to read here`);
  }
  if (family === 'link' && verbose > 0) usage(p, EX_USAGE, USAGE);
  const all = p.vnet.net.ifnets.filter((ifp) => only === null || ifp === only).map((ifp) => look(p.vnet, ifp, family)).filter((s) => s.blocks.length > 0 || s.link !== null);
  if (xo.json !== 'none') p.out(jsonText({ ifmcstat: { interfaces: all.map((s) => json(s)) } }, xo.json));
  else p.out(all.map((s) => text(s, family, verbose)).join(''));
  return 0;
});

/** As FreeBSD's, without the tool's name in front. */
function complain(p: Proc, code: number, line: string): never {
  return usage(p, code, `${line}\n`);
}

function look(vnet: Vnet, ifp: Ifnet, family: string | null): Shown {
  const blocks = [...(family === null || family === 'inet' ? inet(vnet, ifp) : []), ...(family === null || family === 'inet6' ? inet6(vnet, ifp) : [])];
  const groups = ifp.multiaddrs.map((a) => ({ mac: macFormat(a.mac), refs: a.refs }));
  const link = (family === null || family === 'link') && ifp.lladdr.length > 0 && groups.length > 0 ? { address: macFormat(ifp.lladdr), groups } : null;
  return { name: ifp.xname, link, blocks };
}

const modeOf = (f: SourceFilter<number> | SourceFilter<bigint>): 'include' | 'exclude' => (f.mode === MCAST_EXCLUDE ? 'exclude' : 'include');

function flagsOf(ifp: Ifnet): string | null {
  if ((ifp.flags & IFF_LOOPBACK) !== 0) return '3<SILENT,LOOPBACK>';
  return (ifp.flags & IFF_MULTICAST) === 0 ? '1<SILENT>' : null;
}

function inet(vnet: Vnet, ifp: Ifnet): Block[] {
  const ii = vnet.inNet.ifinfo(ifp);
  const ia = vnet.inNet.firstAddr(ifp);
  if (ii === null || ia === null || ii.groups.size === 0) return [];
  const host = vnet.igmp.hostOf(ifp);
  const version = host?.version ?? vnet.igmp.newest();
  const groups = [...ii.groups].map(([group, g]) => ({
    group: ip4Format(group), mode: modeOf(g.filter), sources: [...g.filter.sources].sort((a, b) => a - b).map((s) => ip4Format(s)),
    mac: macFormat(macOf(MAC_HI_IP4, macLoOfIp4Group(group))),
  }));
  const address = ip4Format(ia.addr);
  return [{ family: 'inet', address, addressText: address, protocol: `igmpv${version}`, flags: flagsOf(ifp), host, isNewest: version === 3, groups }];
}

function inet6(vnet: Vnet, ifp: Ifnet): Block[] {
  const ii = vnet.in6Net.ifinfo(ifp);
  const ia = vnet.in6Net.linkLocalOf(ifp, 0);
  if (ii === null || !(ia instanceof In6Ifaddr) || ii.groups.length === 0) return [];
  const host = vnet.mld.hostOf(ifp);
  const version = (host?.version ?? vnet.mld.newest()) - 1;
  const scope = ` scopeid 0x${ifp.index.toString(16)}`;
  const zoned = (addr: Uint8Array): string => `${ip6Format(ip6Plain(addr))}${(addr[1]! & 15) <= 2 ? `%${ifp.xname}${scope}` : ''}`;
  const groups = ii.groups.map((g) => ({
    group: zoned(g.addr), mode: modeOf(g.filter), sources: [...g.filter.sources].sort((a, b) => (a < b ? -1 : 1)).map((s) => ip6Format(ip6OfBig(s))),
    mac: macFormat(macOf(MAC_HI_IP6, macLoOfIp6Group(g.addr))),
  }));
  const address = ip6Format(ip6Plain(ia.addr));
  const useAllow = vnet.mld.tun.useAllow !== 0;
  const flags = flagsOf(ifp) === null ? (useAllow ? '2<USEALLOW>' : null) : useAllow ? '3<SILENT,USEALLOW>' : '1<SILENT>';
  return [{ family: 'inet6', address, addressText: `${address}%${ifp.xname}${scope}`, protocol: `mldv${version}`, flags, host, isNewest: version === 2, groups }];
}

/** Defaults of an interface that has nothing to tell yet. */
const IDLE = { robustness: 2, queryIntervalS: 125, responseIntervalS: 10, unsolicitedS: 3, originalUntil: 0, groupsUntil: 0 };

function text(s: Shown, family: string | null, verbose: number): string {
  let out = `${s.name}:\n`;
  for (const b of s.blocks) {
    const h = b.host ?? IDLE;
    out += `\t${b.family} ${b.addressText}\n\t${b.protocol}${b.flags === null ? '' : ` flags=${b.flags}`}`;
    if (b.isNewest) out += ` rv ${h.robustness} qi ${h.queryIntervalS} qri ${h.responseIntervalS} uri ${h.unsolicitedS}`;
    if (verbose >= 2) out += timers(b);
    out += '\n';
    for (const g of b.groups) {
      out += `\t\tgroup ${g.group} mode ${g.mode}${verbose > 0 && g.sources.length > 0 ? ` srcs ${g.sources.join(',')}` : ''}\n\t\t\tmcast-macaddr ${g.mac}\n`;
    }
  }
  if (s.link !== null && (verbose > 0 || family === 'link')) out += `\tlink ${s.link.address}\n${s.link.groups.map((g) => `\t\tgroup ${g.mac} refcnt ${g.refs}\n`).join('')}`;
  return out;
}

/** Half seconds until an older querier is forgotten, as FreeBSD counts them. */
function timers(b: Block): string {
  const h = b.host ?? IDLE;
  const left = (until: number): number => Math.max(0, Math.ceil((2 * (until - (b.host?.now ?? 0))) / US_PER_S));
  return b.family === 'inet' ? ` v1timer ${left(h.originalUntil)} v2timer ${left(h.groupsUntil)} v3timer 0` : ` v1timer ${left(h.groupsUntil)} v2timer 0`;
}

function json(s: Shown): object {
  return {
    name: s.name,
    families: s.blocks.map((b) => ({
      family: b.family, address: b.address, protocol: b.protocol,
      robustness: (b.host ?? IDLE).robustness, 'query-interval': (b.host ?? IDLE).queryIntervalS, 'query-response-interval': (b.host ?? IDLE).responseIntervalS,
      groups: b.groups.map((g) => ({ group: g.group.replace(/[% ].*$/, ''), mode: g.mode, sources: g.sources, 'mac-address': g.mac })),
    })),
    ...(s.link === null ? {} : { link: { address: s.link.address, groups: s.link.groups.map((g) => ({ 'mac-address': g.mac, references: g.refs })) } }),
  };
}
