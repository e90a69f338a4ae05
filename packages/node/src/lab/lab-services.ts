/**
 * lab-services.ts — the services of a lab: the commands that start them, in order, and what ends them.
 * Read first: lab-plan.ts; lab-dhcp.ts, lab-dhcp6.ts, lab-dns.ts.
 *
 * Servers come first, then clients, which are waited for last of all, when everything they may need is there. A client gives its lease back when the lab goes; what runs in a jail otherwise ends with it.
 */
import { dhcp6Places, dhcp6dText } from './lab-dhcp6.js';
import { dnsDefaults, planDns, planResolvers } from './lab-dns.js';
import { HOST_VNET } from './lab-model.js';
import type { Lab, LabPath } from './lab-model.js';
import { dhcpClientConf, dhcpPlaces, dhcpRelayOf, dhcpServerOf, dhcpdText, isDhcpClient } from './lab-dhcp.js';

/** Seconds that a lab waits for its clients: those without a server go on trying. */
const CLIENT_WAIT_S = 10;

export interface ServiceStep {
  readonly vnet: string;
  readonly argv: readonly string[];
  readonly path: LabPath;
  /** In the same vnet. */
  readonly undo?: { readonly subject: string; readonly argv: readonly string[] };
}

function byVnet<T extends { readonly vnet: string }>(places: readonly T[]): Map<string, T[]> {
  const out = new Map<string, T[]>();
  for (const place of places) out.set(place.vnet, [...(out.get(place.vnet) ?? []), place]);
  return out;
}

/** What ends a service of the host's stack; a jail's ends with the jail. */
function ending(vnet: string, subject: string, argv: readonly string[]): { undo?: ServiceStep['undo'] & object } {
  return vnet === HOST_VNET ? { undo: { subject: `${subject} of the host`, argv } } : {};
}

/** Servers, relays and clients; name servers before those that tell of them. */
export function planServices(lab: Lab): ServiceStep[] {
  const places = dhcpPlaces(lab);
  const steps: ServiceStep[] = planDns(lab);
  for (const [vnet, servers] of byVnet(places.filter((x) => dhcpServerOf(x.dhcp) !== null))) {
    const text = dhcpdText(servers, dnsDefaults(lab, vnet));
    steps.push({ vnet, argv: ['dhcpd', '-O', text, ...servers.map((s) => s.ifname)], path: servers[0]?.path ?? [], ...ending(vnet, 'dhcpd', ['dhcpd', '-k']) });
  }
  for (const [vnet, servers] of byVnet(dhcp6Places(lab))) {
    const text = dhcp6dText(servers, dnsDefaults(lab, vnet));
    steps.push({ vnet, argv: ['dhcp6d', '-O', text, ...servers.map((s) => s.ifname)], path: servers[0]?.path ?? [], ...ending(vnet, 'dhcp6d', ['dhcp6d', '-k']) });
  }
  for (const [vnet, relays] of byVnet(places.filter((x) => dhcpRelayOf(x.dhcp).length > 0))) {
    const [first] = relays;
    const servers = first === undefined ? [] : dhcpRelayOf(first.dhcp);
    steps.push({ vnet, argv: ['dhcrelay', '-a', ...relays.flatMap((r) => ['-i', r.ifname]), ...servers], path: first?.path ?? [], ...ending(vnet, 'dhcrelay', ['dhcrelay', '-k']) });
  }
  steps.push(...planResolvers(lab));
  for (const { vnet, ifname, dhcp, path } of places.filter((x) => isDhcpClient(x.dhcp))) {
    const conf = dhcpClientConf(dhcp);
    steps.push({ vnet, argv: ['dhclient', '-b', ...(conf === '' ? [] : ['-O', conf]), ifname], path, undo: { subject: `dhclient ${vnet}:${ifname}`, argv: ['dhclient', '-r', ifname] } });
  }
  return steps;
}

/** Waits for clients to have their addresses. */
export function planServiceWaits(lab: Lab): ServiceStep[] {
  return dhcpPlaces(lab).filter((x) => isDhcpClient(x.dhcp)).map(({ vnet, ifname, path }) => ({ vnet, argv: ['dhclient', '-w', String(CLIENT_WAIT_S), ifname], path }));
}
