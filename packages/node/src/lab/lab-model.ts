/**
 * lab-model.ts — a lab file's contents, as its schema (schema/lab.schema.json) lets them through.
 *
 * The functions here answer for what may be left out or written in two ways, so that the rest of the code sees one form.
 * Not here: reading the file (lab-file.ts), what it means in commands (lab-plan.ts).
 */

/** Name of the stack outside all jails, in lab files and on the command line. */
export const HOST_VNET = 'host';

/** What lo0 of a vnet is given unless the lab file lists lo0. */
export const LOOPBACK = '127.0.0.1/8';

export type OneOrMany = string | readonly string[];

/** A virtual host of CARP. */
export interface LabCarp {
  readonly vhid: number;
  readonly inet?: OneOrMany;
  readonly inet6?: OneOrMany;
  readonly advbase?: number;
  readonly advskew?: number;
  readonly pass?: string;
  readonly peer?: string;
  readonly peer6?: string;
}

export interface LabDhcpHost {
  readonly ether: string;
  readonly inet?: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** What a DHCP server on an interface gives out. */
export interface LabDhcpServer {
  readonly range?: OneOrMany;
  readonly router?: string | false;
  readonly dns?: OneOrMany;
  readonly domain?: string;
  readonly search?: OneOrMany;
  readonly mtu?: number;
  readonly lease?: number;
  readonly routes?: readonly { readonly to: string; readonly via: string }[];
  readonly hosts?: Readonly<Record<string, LabDhcpHost>>;
  readonly options?: Readonly<Record<string, string>>;
}

export type LabDhcp =
  | 'client'
  | { readonly client: { readonly conf?: string } | null; readonly server?: undefined; readonly relay?: undefined }
  | { readonly server: LabDhcpServer | null; readonly client?: undefined; readonly relay?: undefined }
  | { readonly relay: OneOrMany; readonly server?: undefined; readonly client?: undefined };

/** What a DHCPv6 server on an interface tells; without a range it gives no addresses. */
export interface LabDhcp6 {
  readonly range?: OneOrMany;
  readonly dns?: OneOrMany;
  readonly search?: OneOrMany;
  readonly lease?: number;
  readonly preferred?: number;
  readonly rapid_commit?: boolean;
  readonly hosts?: Readonly<Record<string, { readonly duid: string; readonly inet6: string }>>;
}

export interface LabInterface {
  readonly inet?: OneOrMany;
  readonly inet6?: OneOrMany;
  readonly accept_rtadv?: boolean;
  readonly rtadv?: boolean | string;
  readonly ether?: string;
  readonly mtu?: number;
  readonly fib?: number;
  readonly description?: string;
  readonly group?: string;
  readonly up?: boolean;
  readonly vlan?: number;
  readonly vlandev?: string;
  readonly vlanproto?: '802.1q' | '802.1ad';
  readonly vlanpcp?: number;
  readonly laggport?: OneOrMany;
  readonly laggproto?: string;
  readonly lagghash?: string;
  readonly vxlan?: number;
  readonly vxlanlocal?: string;
  readonly vxlanremote?: string;
  readonly vxlangroup?: string;
  readonly vxlandev?: string;
  readonly host?: string;
  readonly carp?: readonly LabCarp[];
  readonly dhcp?: LabDhcp;
  readonly dhcp6?: LabDhcp6 | null;
}

export interface LabRoute {
  readonly to: string;
  readonly via?: string;
  readonly interface?: string;
  readonly type?: 'blackhole' | 'reject';
  readonly fib?: number;
  readonly mtu?: number;
}

export interface LabMroute {
  readonly group: string;
  readonly source?: string;
  readonly in: string;
  readonly out: readonly string[];
}

export interface LabMulticast {
  readonly querier?: readonly string[];
  readonly proxy?: { readonly upstream: string; readonly downstream: readonly string[] };
  readonly routes?: readonly LabMroute[];
}

/** Is the route an IPv6 one? `default` is of its gateway's family, IPv4's without one. */
export function isRoute6(route: LabRoute): boolean {
  return (route.to === 'default' ? (route.via ?? '') : route.to).includes(':');
}

/** The way out through the host's sockets. */
export interface LabGateway {
  readonly interface?: string;
  readonly address?: string;
  readonly address6?: string;
  readonly host_loopback?: boolean;
  readonly restrict?: boolean;
  readonly route?: boolean;
  readonly forward?: OneOrMany;
  readonly reverse?: OneOrMany;
}

/** A name server of the vnet. */
export interface LabDns {
  readonly domain?: string;
  readonly upstream?: OneOrMany;
  readonly records?: OneOrMany;
  readonly allow?: OneOrMany;
}

/** The name servers that tools in the vnet ask. */
export type LabResolver = OneOrMany | { readonly servers: OneOrMany; readonly search?: OneOrMany };

export interface LabVnet {
  readonly description?: string;
  readonly parent?: string;
  readonly hostname?: string;
  readonly forwarding?: boolean;
  readonly interfaces?: Readonly<Record<string, LabInterface | null>>;
  readonly routes?: readonly LabRoute[];
  readonly multicast?: LabMulticast;
  readonly gateway?: LabGateway | boolean;
  readonly dns?: LabDns | boolean;
  readonly resolver?: LabResolver;
  readonly sysctl?: Readonly<Record<string, string | number | boolean>>;
}

export interface LabBridge {
  readonly vnet?: string;
  readonly inet?: OneOrMany;
  readonly inet6?: OneOrMany;
  readonly ether?: string;
  readonly mtu?: number;
  readonly description?: string;
  readonly members?: readonly string[];
  readonly private?: readonly string[];
  readonly maxaddr?: number;
  readonly timeout?: number;
  readonly mcsnoop?: boolean;
  readonly carp?: readonly LabCarp[];
  readonly dhcp?: LabDhcp;
  readonly dhcp6?: LabDhcp6 | null;
}

/** How a virtual machine is protected: `netloom protect`'s options. */
export interface LabProtect {
  readonly backup: string;
  readonly interval?: number | 'on-demand';
  readonly fence?: string;
  readonly via?: string;
  readonly key?: string;
  readonly timeout?: number;
}

/** A virtual machine. */
export interface LabVm {
  readonly description?: string;
  readonly vnet?: string;
  readonly memory?: string;
  readonly cpus?: number;
  readonly disks?: OneOrMany;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
  readonly nics?: OneOrMany;
  /** Makes it protectable, too. */
  readonly protect?: LabProtect;
  readonly nicmodel?: 'virtio-net' | 'e1000';
  readonly machine?: 'pc' | 'q35';
  readonly accel?: 'auto' | 'kvm' | 'tcg';
  readonly protectable?: boolean;
}

export type LabLink = readonly [string, string] | { readonly endpoints: readonly [string, string]; readonly mtu?: number; readonly description?: string };

export interface Lab {
  readonly name: string;
  readonly description?: string;
  readonly vnets: Readonly<Record<string, LabVnet | null>>;
  readonly bridges?: Readonly<Record<string, LabBridge | null>>;
  readonly links?: readonly LabLink[];
  readonly vms?: Readonly<Record<string, LabVm>>;
}

/** Where something is in the lab file: keys and indices from the root. */
export type LabPath = readonly (string | number)[];

/** One end of a link: an interface of a vnet, or a port of a bridge. */
export type Endpoint = { readonly vnet: string; readonly ifname: string; readonly bridge: null } | { readonly bridge: string };

export interface Link {
  readonly path: LabPath;
  readonly ends: readonly [Endpoint, Endpoint];
  readonly mtu: number | null;
  readonly description: string | null;
}

export function parseEndpoint(text: string): Endpoint {
  const colon = text.indexOf(':');
  return colon < 0 ? { bridge: text } : { vnet: text.slice(0, colon), ifname: text.slice(colon + 1), bridge: null };
}

export function labLinks(lab: Lab): Link[] {
  return (lab.links ?? []).map((link, i) => {
    const whole = 'endpoints' in link ? link : { endpoints: link };
    const [a, b] = whole.endpoints;
    return { path: ['links', i], ends: [parseEndpoint(a), parseEndpoint(b)], mtu: whole.mtu ?? null, description: whole.description ?? null };
  });
}

export function many(value: OneOrMany | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** The interfaces of the same vnet that `ifc` is made on: a VLAN's parent, a lagg's ports. */
export function carriers(ifc: LabInterface | null | undefined): readonly string[] {
  return [...(ifc?.vlandev === undefined ? [] : [ifc.vlandev]), ...many(ifc?.laggport)];
}

/** Name of a vnet's jail as seen from outside all jails: its ancestors' names, dotted. '' for the host. Assumes no cycle. */
export function jailPath(lab: Lab, vnet: string): string {
  if (vnet === HOST_VNET) return '';
  const parent = lab.vnets[vnet]?.parent;
  return parent === undefined || parent === HOST_VNET ? vnet : `${jailPath(lab, parent)}.${vnet}`;
}
