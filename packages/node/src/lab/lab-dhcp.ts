/**
 * lab-dhcp.ts — DHCP in a lab: the configuration of each vnet's server, its relay and its clients.
 * Read first: lab-model.ts; dhcpd.conf(5), docs/dhcp.md.
 *
 * All servers of a vnet are one dhcpd, whose subnets are those of the first address of each interface; all its relays are one dhcrelay.
 */
import { ip4BroadcastOf, ip4Format, ip4MaskOf, ip4ParsePrefix } from '@netloom/core/wire';
import { dhcpConfProblem } from '@netloom/userland';
import { HOST_VNET, many } from './lab-model.js';
import type { Lab, LabBridge, LabDhcp, LabDhcpServer, LabInterface, LabPath } from './lab-model.js';

/** Addresses of a range that nobody wrote. */
const DEFAULT_RANGE_MAX = 65_536;

/** An interface with DHCP, wherever it is written. */
export interface DhcpPlace {
  readonly vnet: string;
  readonly ifname: string;
  readonly ifc: LabInterface | LabBridge;
  readonly dhcp: LabDhcp;
  readonly path: LabPath;
}

export function dhcpPlaces(lab: Lab): DhcpPlace[] {
  const out: DhcpPlace[] = [];
  const add = (vnet: string, ifname: string, ifc: LabInterface | LabBridge | null | undefined, path: LabPath): void => {
    if (ifc?.dhcp !== undefined) out.push({ vnet, ifname, ifc, dhcp: ifc.dhcp, path: [...path, 'dhcp'] });
  };
  for (const [vnet, v] of Object.entries(lab.vnets)) for (const [ifname, ifc] of Object.entries(v?.interfaces ?? {})) add(vnet, ifname, ifc, ['vnets', vnet, 'interfaces', ifname]);
  for (const [name, bridge] of Object.entries(lab.bridges ?? {})) add(bridge?.vnet ?? HOST_VNET, name, bridge, ['bridges', name]);
  return out;
}

export const isDhcpClient = (dhcp: LabDhcp): boolean => dhcp === 'client' || dhcp.client !== undefined;

/** Statements of dhclient.conf that a client has. */
export const dhcpClientConf = (dhcp: LabDhcp): string => (dhcp === 'client' ? '' : (dhcp.client?.conf ?? ''));

export const dhcpServerOf = (dhcp: LabDhcp): LabDhcpServer | null => (dhcp === 'client' || dhcp.server === undefined ? null : (dhcp.server ?? {}));

export const dhcpRelayOf = (dhcp: LabDhcp): readonly string[] => (dhcp === 'client' ? [] : many(dhcp.relay));

/** Servers, and what they tell of the vnet's own name server when they say nothing of it. */
export interface DhcpDefaults {
  /** Has the vnet a name server of ours? */
  readonly dns: boolean;
  readonly domain: string | null;
}

/** The dhcpd.conf of a vnet's servers. */
export function dhcpdText(places: readonly DhcpPlace[], defaults: DhcpDefaults): string {
  return `authoritative;\n${places.map((place) => subnetText(place, defaults)).join('')}`;
}

function subnetText({ ifc, dhcp }: DhcpPlace, defaults: DhcpDefaults): string {
  const server = dhcpServerOf(dhcp) ?? {};
  const own = ip4ParsePrefix(many(ifc.inet)[0] ?? '');
  if (own === null) return '';
  const mask = ip4MaskOf(own.len);
  const option = (name: string, value: string): string => `  option ${name} ${value};\n`;
  const lines = many(server.range ?? defaultRanges(own.addr, own.len)).map((range) => `  range ${range.replace('-', ' ')};\n`);
  const router = server.router ?? ip4Format(own.addr);
  if (router !== false) lines.push(option('routers', router));
  const dns = server.dns === undefined ? (defaults.dns ? [ip4Format(own.addr)] : []) : many(server.dns);
  if (dns.length > 0) lines.push(option('domain-name-servers', dns.join(', ')));
  const domain = server.domain ?? defaults.domain;
  if (domain !== null) lines.push(option('domain-name', `"${domain}"`));
  const search = many(server.search);
  if (search.length > 0) lines.push(option('domain-search', search.map((d) => `"${d}"`).join(', ')));
  if (server.mtu !== undefined) lines.push(option('interface-mtu', String(server.mtu)));
  if (server.routes !== undefined && server.routes.length > 0) {
    // A client that takes these takes no router beside them.
    const routes = server.routes.map((r) => `${r.to === 'default' ? '0.0.0.0/0' : r.to} ${r.via}`);
    const withDefault = router === false || server.routes.some((r) => r.to === 'default') ? routes : [...routes, `0.0.0.0/0 ${router}`];
    lines.push(option('classless-static-routes', withDefault.join(', ')));
  }
  if (server.lease !== undefined) lines.push(`  default-lease-time ${server.lease};\n  max-lease-time ${server.lease};\n`);
  for (const [name, value] of Object.entries(server.options ?? {})) lines.push(option(name, value));
  for (const [name, host] of Object.entries(server.hosts ?? {})) {
    const fixed = host.inet === undefined ? '' : ` fixed-address ${host.inet};`;
    const options = Object.entries(host.options ?? {}).map(([o, value]) => ` option ${o} ${value};`).join('');
    lines.push(`  host ${name} { hardware ethernet ${host.ether};${fixed} option host-name "${name}";${options} }\n`);
  }
  return `subnet ${ip4Format((own.addr & mask) >>> 0)} netmask ${ip4Format(mask)} {\n${lines.join('')}}\n`;
}

/** All of a network but its ends and `own`. */
function defaultRanges(own: number, len: number): string[] {
  const mask = ip4MaskOf(len);
  const small = len >= 31;
  const first = ((own & mask) >>> 0) + (small ? 0 : 1);
  const last = Math.min(ip4BroadcastOf(own, mask) - (small ? 0 : 1), first + DEFAULT_RANGE_MAX - 1);
  const parts = [[first, Math.min(last, own - 1)], [Math.max(first, own + 1), last]] as const;
  return parts.filter(([lo, hi]) => lo <= hi).map(([lo, hi]) => `${ip4Format(lo)}-${ip4Format(hi)}`);
}

/** What is wrong with DHCP in a lab, beyond its form. */
export function checkDhcp(lab: Lab, report: (path: LabPath, message: string, remedy: string) => void): void {
  const byVnet = new Map<string, DhcpPlace[]>();
  for (const place of dhcpPlaces(lab)) {
    byVnet.set(place.vnet, [...(byVnet.get(place.vnet) ?? []), place]);
    if (/^lo\d+$/.test(place.ifname)) report(place.path, `"${place.ifname}" is a loopback: there is nobody to talk DHCP with`, 'give it to another interface');
    else checkPlace(place, report);
  }
  for (const [vnet, places] of byVnet) {
    const servers = places.filter((x) => dhcpServerOf(x.dhcp) !== null);
    const relays = places.filter((x) => dhcpRelayOf(x.dhcp).length > 0);
    const [relay] = relays;
    if (relay !== undefined && servers.length > 0) report(relay.path, `vnet "${vnet}" is both a server and a relay of DHCP: both listen on port 67`, 'use a vnet of its own for one of them');
    const odd = relays.find((x) => dhcpRelayOf(x.dhcp).join() !== dhcpRelayOf(relay?.dhcp ?? 'client').join());
    if (odd !== undefined) report(odd.path, `vnet "${vnet}" relays to other servers on "${relay?.ifname ?? ''}"`, 'give all its relays the same servers');
    const last = servers.at(-1);
    const problem = last === undefined ? null : dhcpConfProblem(dhcpdText(servers, { dns: false, domain: null }));
    if (last !== undefined && problem !== null) report(culprit(servers, problem).path, problem, 'see docs/dhcp.md');
  }
}

function checkPlace({ ifname, ifc, dhcp, path }: DhcpPlace, report: (path: LabPath, message: string, remedy: string) => void): void {
  const server = dhcpServerOf(dhcp);
  const [own] = many(ifc.inet);
  if (own === undefined && !isDhcpClient(dhcp)) report(path, `"${ifname}" has no address of its own to ${server === null ? 'relay' : 'serve'} from`, 'add "inet"');
}

/** The server whose own configuration has the problem, else the last: it does not fit with the others. */
function culprit(servers: readonly DhcpPlace[], problem: string): DhcpPlace {
  const own = servers.find((place) => dhcpConfProblem(dhcpdText([place], { dns: false, domain: null })) === problem);
  return own ?? servers.at(-1)!;
}
