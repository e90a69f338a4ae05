/**
 * dhclient-apply.ts — what a lease means for an interface: its address, MTU and routes, and the resolver of the vnet; and all of that taken back.
 * Read first: dhclient-script(8), which does this on FreeBSD; RFC 3442 (classless routes count, and routers do not, when there are any).
 *
 * What could not be set (a default route that somebody else has set) is left as it is, and left out when the lease goes. A router that is not in the network of the address is reached over the
 * interface itself. Everything is done in thread context, in one call.
 */
import { EEXIST, RTF_GATEWAY, RTF_STATIC, ifSetMtu, inAifaddr, inDifaddr, strerror } from '@netloom/core';
import type { Errno, Ifnet, RouteSpec, Vnet } from '@netloom/core';
import {
  DHO_BROADCAST_ADDRESS, DHO_CLASSLESS_ROUTES, DHO_DOMAIN_NAME, DHO_INTERFACE_MTU, DHO_NAME_SERVERS, DHO_ROUTERS, DHO_SEARCH, DHO_STATIC_ROUTES, dho16Of, dho32Of, dhoAddrsOf, dhoRoutesOf, dhoSearchOf,
  dhoTextOf, dnsNameOf, ip4ClassMask, ip4Format, ip4PrefixLen,
} from '@netloom/core/wire';
import type { Dhcp4Route } from '@netloom/core/wire';
import type { ClientLease } from './dhcp-client.js';

/** A link with a smaller MTU carries no IPv4 that is worth it (dhclient-script's limit). */
const MTU_MIN = 576;
const ROUTES_MAX = 64;

export class LeaseSettings {
  private readonly vnet: Vnet;
  private readonly ifp: Ifnet;
  private addr: number | null = null;
  private readonly routes: RouteSpec[] = [];
  /** The routes of the lease, in words. */
  private told = '';
  /** The MTU the interface had before. */
  private mtuBefore: number | null = null;

  constructor(vnet: Vnet, ifp: Ifnet) {
    this.vnet = vnet;
    this.ifp = ifp;
  }

  private get key(): string {
    return `${this.ifp.xname}:dhcp4`;
  }

  /** In thread context. A text: the address could not be set. */
  apply(lease: ClientLease): string | null {
    const { vnet, ifp } = this;
    if (this.addr !== lease.addr) this.undo();
    this.setMtu(dho16Of(lease.options.get(DHO_INTERFACE_MTU)));
    if (this.addr === null) {
      const broadcast = dho32Of(lease.options.get(DHO_BROADCAST_ADDRESS));
      const error = inAifaddr(vnet.inNet, ifp, { addr: lease.addr, mask: lease.mask, ...(broadcast === null ? {} : { broadcast }) });
      if (error !== 0) return strerror(error);
      this.addr = lease.addr;
    }
    this.setRoutes(lease);
    this.setResolver(lease);
    return null;
  }

  /** In thread context: takes everything back. */
  undo(): void {
    const { vnet, ifp } = this;
    this.undoRoutes();
    if (this.addr !== null && ifp.net === vnet.net) inDifaddr(vnet.inNet, ifp, this.addr);
    this.addr = null;
    if (this.mtuBefore !== null && ifp.net === vnet.net) ifSetMtu(ifp, this.mtuBefore);
    this.mtuBefore = null;
    this.forgetResolver();
  }

  forgetResolver(): void {
    this.vnet.resolver.conf.delete(this.key);
  }

  /** A renewal that says the same changes nothing. */
  private setRoutes(lease: ClientLease): void {
    const wanted = routesOf(lease);
    const told = wanted.map((r) => `${r.net}/${r.plen} ${r.router}`).join();
    if (told === this.told) return;
    this.undoRoutes();
    this.told = told;
    for (const route of wanted) this.addRoute(lease, route);
  }

  private undoRoutes(): void {
    this.told = '';
    for (const spec of this.routes.splice(0).reverse()) this.vnet.routes.delete(spec);
  }

  private setMtu(mtu: number | null): void {
    const { ifp } = this;
    if (mtu === null || mtu < MTU_MIN || mtu === ifp.mtu) return;
    const before = ifp.mtu;
    if (ifSetMtu(ifp, mtu) === 0) this.mtuBefore ??= before;
  }

  private addRoute(lease: ClientLease, { net, plen, router }: Dhcp4Route): void {
    const { ifp } = this;
    const onLink = ((router ^ lease.addr) & lease.mask) === 0;
    if (router !== 0 && !onLink) this.add({ family: 'inet', fib: ifp.fib, dst: router, plen: 32, ifp, flags: RTF_STATIC });
    const spec: RouteSpec = { family: 'inet', fib: ifp.fib, dst: net, plen, flags: router === 0 ? RTF_STATIC : RTF_GATEWAY | RTF_STATIC };
    this.add(router === 0 ? { ...spec, ifp } : { ...spec, gateway: router });
  }

  private add(spec: RouteSpec): void {
    const error: Errno = this.vnet.routes.add(spec);
    if (error === 0) this.routes.push(spec);
    else if (error !== EEXIST) this.vnet.kern.log('notice', `dhclient: a route that the server of ${this.ifp.xname} told could not be added: ${strerror(error)}`);
  }

  private setResolver(lease: ClientLease): void {
    const { options } = lease;
    const nameservers = (dhoAddrsOf(options.get(DHO_NAME_SERVERS)) ?? []).map((a) => ip4Format(a));
    const domain = (dhoTextOf(options.get(DHO_DOMAIN_NAME)) ?? '').split(/\s+/);
    const search = (dhoSearchOf(options.get(DHO_SEARCH)) ?? domain).map((d) => dnsNameOf(d)).filter((d) => d !== null && d !== '.');
    if (nameservers.length === 0 && search.length === 0) this.forgetResolver();
    else this.vnet.resolver.conf.set({ key: this.key, nameservers: nameservers.slice(0, 8), search: search.filter((d) => d !== null).slice(0, 8) });
  }
}

/** The routes that a lease tells: RFC 3442's if there are any, else static ones and the first router. */
function routesOf({ options }: ClientLease): Dhcp4Route[] {
  const classless = dhoRoutesOf(options.get(DHO_CLASSLESS_ROUTES));
  if (classless !== null) return classless.slice(0, ROUTES_MAX);
  const pairs = dhoAddrsOf(options.get(DHO_STATIC_ROUTES)) ?? [];
  const statics: Dhcp4Route[] = [];
  for (let i = 0; i + 1 < pairs.length && statics.length < ROUTES_MAX; i += 2) {
    const [net = 0, router = 0] = [pairs[i], pairs[i + 1]];
    if (net !== 0) statics.push({ net, plen: ip4PrefixLen(ip4ClassMask(net)) || 32, router });
  }
  const [router] = dhoAddrsOf(options.get(DHO_ROUTERS)) ?? [];
  return router === undefined ? statics : [...statics, { net: 0, plen: 0, router }];
}
