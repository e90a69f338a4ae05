/**
 * lab-dhcp6.ts — `dhcp6:` of a lab's interfaces and bridges: the configuration of each vnet's DHCPv6 server.
 * Read first: lab-model.ts; docs/dhcp.md, IPv6.
 *
 * All servers of a vnet are one dhcp6d, whose subnets are those of the first address of each interface that is not link-local.
 */
import { ip6BigOf, ip6Format, ip6IsLinkLocal, ip6OfBig, ip6ParsePrefix } from '@netloom/core/wire';
import type { Ip6Prefix } from '@netloom/core/wire';
import { dhcp6ConfProblem } from '@netloom/userland';
import type { DhcpDefaults } from './lab-dhcp.js';
import { HOST_VNET, many } from './lab-model.js';
import type { Lab, LabBridge, LabDhcp6, LabInterface, LabPath } from './lab-model.js';

export interface Dhcp6Place {
  readonly vnet: string;
  readonly ifname: string;
  /** Its own address; null: it has none. */
  readonly own: Ip6Prefix | null;
  readonly server: LabDhcp6;
  readonly path: LabPath;
}

export function dhcp6Places(lab: Lab): Dhcp6Place[] {
  const out: Dhcp6Place[] = [];
  const add = (vnet: string, ifname: string, ifc: LabInterface | LabBridge | null | undefined, path: LabPath): void => {
    if (ifc?.dhcp6 === undefined) return;
    const own = many(ifc.inet6).map((text) => ip6ParsePrefix(text)).find((p) => p !== null && !ip6IsLinkLocal(p.addr)) ?? null;
    out.push({ vnet, ifname, own, server: ifc.dhcp6 ?? {}, path: [...path, 'dhcp6'] });
  };
  for (const [vnet, v] of Object.entries(lab.vnets)) for (const [ifname, ifc] of Object.entries(v?.interfaces ?? {})) add(vnet, ifname, ifc, ['vnets', vnet, 'interfaces', ifname]);
  for (const [name, bridge] of Object.entries(lab.bridges ?? {})) add(bridge?.vnet ?? HOST_VNET, name, bridge, ['bridges', name]);
  return out;
}

/** The configuration of a vnet's servers. */
export function dhcp6dText(places: readonly Dhcp6Place[], defaults: DhcpDefaults): string {
  return places.map((place) => subnetText(place, defaults)).join('');
}

function subnetText({ own, server }: Dhcp6Place, defaults: DhcpDefaults): string {
  if (own === null) return '';
  const lines = many(server.range).map((range) => `  range6 ${range.replace('-', ' ')};\n`);
  const dns = server.dns === undefined ? (defaults.dns ? [ip6Format(own.addr)] : []) : many(server.dns);
  if (dns.length > 0) lines.push(`  option dhcp6.name-servers ${dns.join(', ')};\n`);
  const search = server.search === undefined ? (defaults.domain === null ? [] : [defaults.domain]) : many(server.search);
  if (search.length > 0) lines.push(`  option dhcp6.domain-search ${search.map((d) => `"${d}"`).join(', ')};\n`);
  if (server.lease !== undefined) lines.push(`  default-lease-time ${server.lease};\n`);
  if (server.preferred !== undefined) lines.push(`  preferred-lifetime ${server.preferred};\n`);
  if (server.rapid_commit === true) lines.push('  option dhcp6.rapid-commit;\n');
  for (const [name, { duid, inet6 }] of Object.entries(server.hosts ?? {})) lines.push(`  host ${name} { host-identifier option dhcp6.client-id ${duid}; fixed-address6 ${inet6}; }\n`);
  const net = ip6OfBig((ip6BigOf(own.addr) >> BigInt(128 - own.len)) << BigInt(128 - own.len));
  return `subnet6 ${ip6Format(net)}/${own.len} {\n${lines.join('')}}\n`;
}

/** What is wrong with DHCPv6 in a lab, beyond its form. */
export function checkDhcp6(lab: Lab, report: (path: LabPath, message: string, remedy: string) => void): void {
  const byVnet = new Map<string, Dhcp6Place[]>();
  const none: DhcpDefaults = { dns: false, domain: null };
  for (const place of dhcp6Places(lab)) {
    if (/^lo\d+$/.test(place.ifname)) report(place.path, `"${place.ifname}" is a loopback: there is nobody to talk DHCPv6 with`, 'give it to another interface');
    else if (place.own === null) report(place.path, `"${place.ifname}" has no IPv6 address of its own to serve from`, 'add "inet6"');
    else {
      const alone = dhcp6ConfProblem(dhcp6dText([place], none));
      const before = byVnet.get(place.vnet) ?? [];
      const problem = alone ?? dhcp6ConfProblem(dhcp6dText([...before, place], none));
      if (problem !== null) report(place.path, problem, 'see docs/dhcp.md');
      else byVnet.set(place.vnet, [...before, place]);
    }
  }
}
