/**
 * lab-dns.ts — `dns:` and `resolver:` of a lab's vnets: the name servers they have, and those they ask.
 * Read first: lab-model.ts; docs/dns.md.
 *
 * A name server runs outside the jails, in the network of one, so that it knows all vnets of the lab; it knows no others. It is ended with the lab.
 */
import { DOMAIN_DEFAULT } from '@netloom/userland';
import type { DhcpDefaults } from './lab-dhcp.js';
import { HOST_VNET, jailPath, many } from './lab-model.js';
import type { Lab, LabDns, LabPath, LabResolver } from './lab-model.js';

/** The key of what a lab says in `resolvconf -l`. */
const RESOLVER_KEY = 'lab';

interface DnsStep {
  readonly vnet: string;
  readonly argv: readonly string[];
  readonly path: LabPath;
  readonly undo?: { readonly subject: string; readonly argv: readonly string[] };
}

/** `dns: true` is one with nothing said; false and left out, none. */
function dnsOf(lab: Lab, vnet: string): LabDns | null {
  const dns = lab.vnets[vnet]?.dns;
  return dns === true ? {} : dns === false || dns === undefined ? null : dns;
}

/** What DHCP servers of a vnet tell of its name server when they say nothing themselves. */
export function dnsDefaults(lab: Lab, vnet: string): DhcpDefaults {
  const dns = dnsOf(lab, vnet);
  return { dns: dns !== null, domain: dns === null ? null : (dns.domain ?? DOMAIN_DEFAULT) };
}

function dnsdText(lab: Lab, dns: LabDns): string {
  const names = Object.keys(lab.vnets).filter((name) => name !== HOST_VNET);
  const lines = [
    ...(dns.domain === undefined ? [] : [`domain ${dns.domain}`]), ...names.map((name) => `name ${name} ${jailPath(lab, name)}`), ...many(dns.upstream).map((server) => `upstream ${server}`),
    ...many(dns.records).map((record) => `record ${record}`), ...many(dns.allow).map((network) => `allow ${network}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Name servers. */
export function planDns(lab: Lab): DnsStep[] {
  return Object.keys(lab.vnets).flatMap((name) => {
    const dns = dnsOf(lab, name);
    if (dns === null) return [];
    const jail = jailPath(lab, name);
    return [{ vnet: HOST_VNET, argv: ['dnsd', '-j', jail, '-O', dnsdText(lab, dns)], path: ['vnets', name, 'dns'], undo: { subject: `dnsd of ${name}`, argv: ['dnsd', '-j', jail, '-k'] } }];
  });
}

function resolverText(resolver: LabResolver): string {
  const { servers, search } = typeof resolver === 'object' && 'servers' in resolver ? resolver : { servers: resolver, search: undefined };
  const domains = many(search);
  return many(servers).map((server) => `nameserver ${server}\n`).join('') + (domains.length === 0 ? '' : `search ${domains.join(' ')}\n`);
}

/** Which name servers vnets ask; what is said in a jail goes with it. */
export function planResolvers(lab: Lab): DnsStep[] {
  return Object.entries(lab.vnets).flatMap(([name, vnet]) =>
    vnet?.resolver === undefined ? [] : [{ vnet: name, argv: ['resolvconf', '-O', resolverText(vnet.resolver), '-a', RESOLVER_KEY], path: ['vnets', name, 'resolver'] }]);
}
