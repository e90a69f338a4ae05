/**
 * test-inet.ts — a bench for routes and addresses: one vnet with routing tables and IPv4 addresses, interfaces that lead
 * nowhere, and the routing messages as lines of text.
 *
 * A message line names its type without `RTM_`, then what matters: `ADD 192.0.2.0/24 link#2 em0 UP,DONE,PINNED`,
 * `NEWADDR 192.0.2.1/24 brd 192.0.2.255 em0`, `IFINFO em0 up`, `IFANNOUNCE em0 departure`. `leftovers` is what must be all
 * zeroes after `destroy`. Not here: ARP, IP, frames.
 */
import { quietEnv } from '../env/env.js';
import { CTX_THREAD } from '../kern/context.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { ifAttach, ifUp } from '../net/if.js';
import { ifDetach } from '../net/if-detach.js';
import type { IfAddr6 } from '../net/ifaddr.js';
import {
  AF_INET, AF_INET6, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, IFT_LOOP, IFT_TUNNEL, Ifnet,
} from '../net/ifnet.js';
import type { IfDriver } from '../net/ifnet.js';
import { Net, NetShared } from '../net/net.js';
import {
  IFAN_ARRIVAL, RTM_ADD, RTM_CHANGE, RTM_DELADDR, RTM_DELETE, RTM_DELMADDR, RTM_GET, RTM_IFANNOUNCE, RTM_IFINFO, RTM_MISS, RTM_NEWADDR, RTM_NEWMADDR,
  RTM_REDIRECT, Rtsock,
} from '../net/rtsock.js';
import type { RtListener, RtMessage } from '../net/rtsock.js';
import type { Sockaddr } from '../net/sockaddr.js';
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_DONE, RTF_DYNAMIC, RTF_FIXEDMTU, RTF_GATEWAY, RTF_HOST, RTF_MODIFIED, RTF_PINNED, RTF_PROTO1, RTF_REJECT, RTF_STATIC, RTF_UP,
} from '../net/route/nexthop.js';
import type { Nexthop } from '../net/route/nexthop.js';
import { RouteTables } from '../net/route/route-tables.js';
import { Rtentry6 } from '../net/route/rtentry.js';
import type { Rtentry4 } from '../net/route/rtentry.js';
import { ip4Format, ip4ParsePrefix, ip4PrefixLen, inetAton, macFormat } from '../wire/addr.js';
import { ip6Format, ip6ParseScoped, ip6Plain, ip6PrefixLen, ip6Word, ip6ZoneOf, ip6Zoned } from '../wire/addr6.js';
import { inAifaddr, inDifaddr } from './in-control.js';
import type { InAliasreq } from './in-control.js';
import { InNet } from './in-net.js';

const TYPE_NAMES: readonly (readonly [number, string])[] = [
  [RTM_ADD, 'ADD'], [RTM_DELETE, 'DELETE'], [RTM_CHANGE, 'CHANGE'], [RTM_GET, 'GET'], [RTM_REDIRECT, 'REDIRECT'], [RTM_MISS, 'MISS'],
  [RTM_NEWADDR, 'NEWADDR'], [RTM_DELADDR, 'DELADDR'], [RTM_IFINFO, 'IFINFO'], [RTM_NEWMADDR, 'NEWMADDR'], [RTM_DELMADDR, 'DELMADDR'],
  [RTM_IFANNOUNCE, 'IFANNOUNCE'],
];

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [RTF_UP, 'UP'], [RTF_GATEWAY, 'GATEWAY'], [RTF_HOST, 'HOST'], [RTF_REJECT, 'REJECT'], [RTF_DYNAMIC, 'DYNAMIC'], [RTF_MODIFIED, 'MODIFIED'], [RTF_DONE, 'DONE'],
  [RTF_STATIC, 'STATIC'], [RTF_BLACKHOLE, 'BLACKHOLE'], [RTF_PROTO1, 'PROTO1'], [RTF_FIXEDMTU, 'FIXEDMTU'], [RTF_PINNED, 'PINNED'],
  [RTF_BROADCAST, 'BROADCAST'],
];

/** `UP,GATEWAY,…` of RTF_* flags. */
export function flagNames(flags: number): string {
  return FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name).join();
}

/** The address in `text`. */
export function ip(text: string): number {
  const addr = inetAton(text);
  if (addr === null) throw new Error(`not an address: ${text}`);
  return addr;
}

/** A driver that swallows packets and is running while the interface is up. */
class NullDriver implements IfDriver {
  addrAddedCalls = 0;

  transmit(_ifp: Ifnet, m: { free(): void }): number {
    m.free();
    return 0;
  }

  flagsChanged(ifp: Ifnet): void {
    ifp.flags = (ifp.flags & IFF_UP) !== 0 ? ifp.flags | IFF_RUNNING : ifp.flags & ~IFF_RUNNING;
  }

  addrAdded(): void {
    this.addrAddedCalls++;
  }
}

export class InetBench {
  readonly engine: Engine;
  readonly net: Net;
  readonly routes: RouteTables;
  readonly inNet: InNet;
  readonly lo0: Ifnet;
  private readonly listener: RtListener;

  constructor(engine = new Engine(quietEnv(1)), shared = new NetShared('test-host'), name = 'v') {
    this.engine = engine;
    engine.enter(CTX_THREAD);
    this.net = new Net(new VnetKern(engine, 1, name), shared);
    const rtsock = new Rtsock(this.net);
    this.net.rtsock = rtsock;
    this.routes = new RouteTables(this.net);
    this.net.routes = this.routes;
    this.inNet = new InNet(this.net, this.routes);
    this.lo0 = this.attach('lo', IFT_LOOP, IFF_LOOPBACK | IFF_MULTICAST);
    this.net.loif = this.lo0;
    ifUp(this.lo0);
    this.listener = rtsock.open();
  }

  /** An Ethernet-like interface, down. */
  ether(name = 'em'): Ifnet {
    return this.attach(name, IFT_ETHER, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST);
  }

  /** A point-to-point interface, down. */
  tunnel(name = 'tun'): Ifnet {
    return this.attach(name, IFT_TUNNEL, IFF_POINTOPOINT | IFF_MULTICAST);
  }

  /** How often the driver of `ifp` was told of a first address. */
  addrAddedCalls(ifp: Ifnet): number {
    return ifp.driver instanceof NullDriver ? ifp.driver.addrAddedCalls : -1;
  }

  /** `ifconfig IFP inet A.B.C.D/N alias`. */
  addr(ifp: Ifnet, prefix: string, more: Partial<InAliasreq> = {}): number {
    const p = ip4ParsePrefix(prefix);
    if (p === null) throw new Error(`not a prefix: ${prefix}`);
    return inAifaddr(this.inNet, ifp, { addr: p.addr, plen: p.len, ...more });
  }

  /** `ifconfig IFP inet ADDR -alias`. */
  delAddr(ifp: Ifnet, addr: string): number {
    return inDifaddr(this.inNet, ifp, ip(addr));
  }

  /** `route add|delete|change PREFIX [GATEWAY]`; flags STATIC, and GATEWAY with a gateway. */
  route(verb: 'add' | 'delete' | 'change', prefix: string, gateway: string | null, more: object = {}): number {
    const p = ip4ParsePrefix(prefix);
    if (p === null) throw new Error(`not a prefix: ${prefix}`);
    const base = { fib: 0, family: 'inet', dst: p.addr, plen: p.len, flags: RTF_STATIC | (gateway === null ? 0 : RTF_GATEWAY) } as const;
    return this.routes[verb]({ ...base, ...(gateway === null ? {} : { gateway: ip(gateway) }), ...more });
  }

  /** The address of `text` in zoned form; `%em0` names its interface. */
  ip6(text: string): Uint8Array {
    const scoped = ip6ParseScoped(text);
    if (scoped === null) throw new Error(`not an IPv6 address: ${text}`);
    return ip6Zoned(scoped.addr, this.net.ifunit(scoped.zone)?.index ?? 0);
  }

  /** An IPv6 address with its two routes, as far as the routing tables are concerned. */
  addr6(ifp: Ifnet, text: string, plen: number, dstaddr: string | null = null): IfAddr6 {
    const addr = ip6Zoned(this.ip6(text), ifp.index);
    const ifa: IfAddr6 = { af: AF_INET6, ifp, addr, plen, dstaddr: dstaddr === null ? null : this.ip6(dstaddr), carp: null };
    ifp.addrs.push(ifa);
    if (!ifp.isUp) ifUp(ifp);
    if (plen < 128) this.routes.ifaPrefix6(RTM_ADD, ifa, ifp, addr, plen);
    this.routes.ifaLoopback(RTM_ADD, ifa);
    this.routes.own6.add(ip6Word(addr, 0), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3));
    return ifa;
  }

  /** `route -6 add|delete|change PREFIX [GATEWAY]`; flags as for `route`. */
  route6(verb: 'add' | 'delete' | 'change', prefix: string, gateway: string | null, more: object = {}): number {
    const [text = '', len = '128'] = prefix.split('/');
    const base = { fib: 0, family: 'inet6', dst: this.ip6(text), plen: Number(len), flags: RTF_STATIC | (gateway === null ? 0 : RTF_GATEWAY) } as const;
    return this.routes[verb]({ ...base, ...(gateway === null ? {} : { gateway: this.ip6(gateway) }), ...more });
  }

  /** The next hop towards `text`. */
  lookup6(text: string, flowid = 0, fib = 0): Nexthop | null {
    const a = this.ip6(text);
    return this.routes.lookup6(fib, ip6Word(a, 0), ip6Word(a, 1), ip6Word(a, 2), ip6Word(a, 3), flowid);
  }

  /** The IPv6 table of a FIB as lines: `2001:db8::/64 link#2 em0 UP,PINNED`, one per path. */
  table6(fib = 0): string[] {
    return this.routes.list(fib, AF_INET6).flatMap((rt) => pathLines(rt));
  }

  /** The table of a FIB as lines: `192.0.2.0/24 link#2 em0 UP,PINNED`, one per path. */
  table(fib = 0): string[] {
    return this.routes.list(fib, AF_INET).flatMap((rt) => pathLines(rt));
  }

  /** Routing messages since the last call. */
  messages(): string[] {
    return this.listener.queue.splice(0).map((m) => messageLine(m));
  }

  /** Lets virtual time pass. */
  turn(us = 0): void {
    const previous = this.engine.enter(0);
    this.engine.runTurn(this.engine.now + us);
    while (this.engine.nextDeadline() <= this.engine.now) this.engine.runTurn(this.engine.now);
    this.engine.leave(previous);
  }

  /** Takes the interfaces and then the layers down. */
  destroy(): void {
    for (const ifp of [...this.net.ifnets]) ifDetach(ifp);
    this.net.loif = null;
    this.inNet.destroy();
    this.routes.destroy();
    this.net.rtsock?.destroy();
  }

  leftovers(): Record<string, number> {
    const { net, routes, inNet } = this;
    return {
      routes: routes.routeCount, nexthops: routes.store.count, groups: routes.store.groupCount, addrs: inNet.addrs.length, own: routes.own.size, local: inNet.local.size,
      callouts: net.kern.calloutsArmed, sysctls: net.kern.sysctl.count, domains: net.domains.length, interfaces: net.kern.ifcnt,
      handlers: net.mtuEvent.count + net.ifaddrEvent.count + net.departureEvent.count,
    };
  }

  private attach(dname: string, type: number, flags: number): Ifnet {
    const unit = this.net.ifnets.filter((ifp) => ifp.dname === dname).length;
    const ifp = new Ifnet(new NullDriver(), dname, unit, `${dname}${unit}`, type, flags, type === IFT_LOOP ? 16_384 : 1500);
    ifAttach(ifp, this.net);
    return ifp;
  }
}

export const NOTHING_LEFT = {
  routes: 0, nexthops: 0, groups: 0, addrs: 0, own: 0, local: 0, callouts: 0, sysctls: 0, domains: 0, interfaces: 0, handlers: 0,
};

function pathLines(rt: Rtentry4 | Rtentry6): string[] {
  const dst = rt instanceof Rtentry6 ? zonedText(rt.dst) : ip4Format(rt.dst);
  return rt.nexthops.map(({ nh, weight }) => {
    const address = nh.gw6 === null ? ip4Format(nh.gw4) : zonedText(nh.gw6);
    const gateway = nh.gwIfp === null ? address : `link#${nh.gwIfp.index}`;
    return `${dst}/${rt.plen} ${gateway} ${nh.ifp.xname} ${flagNames(rt.pathFlags(nh))}${weight === 1 ? '' : ` weight ${weight}`}`;
  });
}

/** `fe80::1%2`: the zone as a number. */
function zonedText(addr: Uint8Array): string {
  const zone = ip6ZoneOf(addr);
  return `${ip6Format(ip6Plain(addr))}${zone === 0 ? '' : `%${zone}`}`;
}

function sockaddrText(sa: Sockaddr | null): string {
  if (sa === null) return '-';
  if (sa.family === 'inet') return ip4Format(sa.addr);
  if (sa.family === 'link') return sa.lladdr.length === 6 ? macFormat(sa.lladdr) : `link#${sa.index}`;
  return `${ip6Format(sa.addr)}${sa.scopeId === 0 ? '' : `%${sa.scopeId}`}`;
}

function plenText(netmask: Sockaddr | null): string {
  if (netmask === null || netmask.family === 'link') return '';
  return `/${netmask.family === 'inet' ? ip4PrefixLen(netmask.addr) : ip6PrefixLen(netmask.addr)}`;
}

function messageLine(m: RtMessage): string {
  const name = TYPE_NAMES.find(([type]) => type === m.type)?.[1] ?? String(m.type);
  const fib = m.fib === 0 ? '' : ` fib ${m.fib}`;
  switch (m.type) {
    case RTM_IFINFO:
      return `${name} ${m.ifName} ${(m.flags & IFF_UP) !== 0 ? 'up' : 'down'}`;
    case RTM_IFANNOUNCE:
      return `${name} ${m.ifName} ${m.flags === IFAN_ARRIVAL ? 'arrival' : 'departure'}`;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return `${name} ${sockaddrText(m.ifa)}${plenText(m.netmask)} brd ${sockaddrText(m.broadcast)} ${m.ifName}`;
    case RTM_NEWMADDR:
    case RTM_DELMADDR:
      return `${name} ${sockaddrText(m.ifa)} ${m.ifName}`;
    default: {
      const by = m.author === null ? '' : ` by ${sockaddrText(m.author)}`;
      const what = `${name} ${sockaddrText(m.dst)}${plenText(m.netmask)} ${sockaddrText(m.gateway)} ${m.ifName || '-'} ${flagNames(m.flags)}${fib}${by}`;
      return m.errno === 0 ? what : `${what} errno ${m.errno}`;
    }
  }
}
