/**
 * live-names.ts — names of what lives in the kernel: vnets, and the hosts that DHCP servers know.
 * Read first: docs/dns.md.
 *
 * Theory of operation. A name under the domain is a vnet's (its addresses but for loopback and link-local ones), or that of a host with a lease: the name of its reservation, else the one it gave
 * itself. `host` is the machine: the addresses that the configuration says, else those of the server's vnet's gateway. Vnets come before reservations, and those before names that hosts claim, so that no host takes another's name; of hosts that claim one name the first to have it keeps
 * it. What there is is looked at again once a second at most.
 *
 * Invariant: only vnets of the jails that the server's caller sees, and what runs in them, are named.
 */
import { IFF_LOOPBACK, IN6_IFF_DETACHED, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE, In6Ifaddr, InIfaddr } from '@netloom/core';
import type { Prison, Vnet } from '@netloom/core';
import { dnsNameKey, dnsNameOf, ip4Format, ip4Parse, ip6Format, ip6Parse, ip6IsLinkLocal, ip6Plain, macFormat, MAC_LEN } from '@netloom/core/wire';
import { dhcpServersOf } from '../dhcpd/dhcpd.js';
import type { DhcpServer } from '../dhcpd/dhcp-server.js';
import type { Lease } from '../dhcpd/lease-table.js';
import type { Proc } from '../proc.js';

const FRESH_US = 1_000_000;
const NAMES_MAX = 65_536;
/** Addresses that are still to be confirmed, or were refused. */
const UNUSABLE6 = IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED | IN6_IFF_DETACHED;

export interface LiveHost {
  /** Under the domain. */
  readonly name: string;
  readonly v4: number[];
  /** Plain. */
  readonly v6: Uint8Array[];
}

/** Names that were given to jails; null: every jail below the server's own has the name of its path. */
export type LiveVnets = ReadonlyMap<string, string> | null;

export class LiveNames {
  private readonly p: Proc;
  private readonly vnet: Vnet;
  private readonly domain: string;
  private readonly vnets: LiveVnets;
  /** Names that are set from outside: `host`. */
  private readonly fixed: readonly LiveHost[];
  private lookedUs = -Infinity;
  private names = new Map<string, LiveHost>();
  private reverse = new Map<string, string>();

  /** @param vnet the server's own */
  constructor(p: Proc, vnet: Vnet, domain: string, vnets: LiveVnets, fixed: readonly LiveHost[]) {
    this.p = p;
    this.vnet = vnet;
    this.domain = domain;
    this.vnets = vnets;
    this.fixed = fixed;
  }

  /** The host of a name, which is in the domain; null: there is none. */
  host(name: string): LiveHost | null {
    this.look();
    return this.names.get(dnsNameKey(name)) ?? null;
  }

  /** The name of an address; null: nobody here has it. */
  nameOf(addr: number | Uint8Array): string | null {
    this.look();
    return this.reverse.get(typeof addr === 'number' ? ip4Format(addr) : ip6Format(addr)) ?? null;
  }

  /** Everything, by name. */
  list(): LiveHost[] {
    this.look();
    return [...this.names.values()];
  }

  private look(): void {
    const now = this.p.now();
    if (now - this.lookedUs < FRESH_US) return;
    this.lookedUs = now;
    this.names = new Map();
    this.reverse = new Map();
    for (const host of this.fixed) this.add(host.name, host.v4, host.v6);
    const { addresses } = this.vnet.gateway;
    if (addresses.length > 0) this.add(`host.${this.domain}`, addresses.map((a) => ip4Parse(a)).filter((a) => a !== null), addresses.map((a) => ip6Parse(a)).filter((a) => a !== null));
    const seen = this.seen();
    for (const [label, prison] of seen) if (prison.ownsVnet) this.add(`${label}.${this.domain}`, addresses4(prison.vnet), addresses6(prison.vnet));
    const vnets = new Set([this.vnet, ...seen.map(([, prison]) => prison.vnet)]);
    const servers = [...vnets].flatMap((v) => dhcpServersOf(v));
    for (const server of servers) this.leases(server, now, true);
    for (const server of servers) this.leases(server, now, false);
  }

  /** Jails and their names, those that were given first. */
  private seen(): [string, Prison][] {
    const { p } = this;
    if (this.vnets !== null) return [...this.vnets].flatMap(([label, path]) => {
      const prison = p.kernel.prisons.find(p.prison, path);
      return prison === null || prison.dying ? [] : [[label, prison] as [string, Prison]];
    });
    return p.prison.descendants().filter((c) => !c.dying).map((c) => [c.nameFrom(p.prison).split('.').reverse().join('.'), c]);
  }

  private leases(server: DhcpServer, now: number, reserved: boolean): void {
    for (const lease of server.leases.list(now)) {
      if (lease.state !== 'active') continue;
      const label = reserved ? reservationOf(server, lease) : lease.hostname;
      const bare = dnsNameKey(label).split('.')[0] ?? '';
      if (/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(bare)) this.add(`${bare}.${this.domain}`, [lease.addr], []);
    }
  }

  private add(text: string, v4: readonly number[], v6: readonly Uint8Array[]): void {
    const name = dnsNameOf(text);
    if (name === null || this.names.size >= NAMES_MAX) return;
    const key = dnsNameKey(name);
    if (this.names.has(key)) return;
    this.names.set(key, { name, v4: [...v4], v6: [...v6] });
    for (const addr of [...v4.map((a) => ip4Format(a)), ...v6.map((a) => ip6Format(a))]) if (!this.reverse.has(addr)) this.reverse.set(addr, name);
  }
}

/** The name of the reservation that a lease is of; ''. */
function reservationOf(server: DhcpServer, lease: Lease): string {
  const mac = lease.mac.length === MAC_LEN ? macFormat(lease.mac) : '';
  return server.conf.hosts.find((h) => h.addrs.includes(lease.addr) || (h.mac !== null && macFormat(h.mac) === mac))?.name ?? '';
}

function addresses4(vnet: Vnet): number[] {
  return vnet.net.ifnets.filter((ifp) => (ifp.flags & IFF_LOOPBACK) === 0).flatMap((ifp) => ifp.addrs.filter((a): a is InIfaddr => a instanceof InIfaddr && a.usable).map((a) => a.addr));
}

function addresses6(vnet: Vnet): Uint8Array[] {
  const good = (a: In6Ifaddr): boolean => (a.flags & UNUSABLE6) === 0 && a.usable && !ip6IsLinkLocal(a.addr);
  return vnet.net.ifnets.filter((ifp) => (ifp.flags & IFF_LOOPBACK) === 0).flatMap((ifp) => ifp.addrs.filter((a): a is In6Ifaddr => a instanceof In6Ifaddr && good(a)).map((a) => ip6Plain(a.addr)));
}
