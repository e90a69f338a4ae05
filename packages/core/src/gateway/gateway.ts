/**
 * gateway.ts — class Gateway: the way out of one vnet through the host's own sockets. No privilege of the host is needed.
 * Read first: docs/gateway.md; net/gw.ts (how packets come here); gateway-host.ts (what is asked of the host).
 *
 *     guest ══ tap, epair … ══ this vnet ── route ──▶ gw0 ──▶ TCP, UDP, ICMP of this vnet, for any address
 *                                                              │ what belongs to no conversation
 *                                                    GatewayTcp, GatewayUdp, GatewayEcho ── GatewayPolicy: where to?
 *                                                              │
 *                                                    GatewayHost: sockets of the host
 *
 * Theory of operation. Every vnet has a Gateway, which is closed until a host opens it. Open, it has an interface of its own, usually the default route, and
 * addresses that stand for the host; the vnet forwards. `close` undoes exactly that. A guest's connections end at this vnet's TCP, so a guest may
 * lose packets on its cable, or the host on its net, without the other having to know.
 * One callout, armed while there are flows, ends those that took too long.
 *
 * Invariants: the doors of TCP, UDP and ICMP are open exactly while this is. Closed, it holds nothing.
 */
import type { Errno } from '../base/errno.js';
import { EALREADY, EEXIST, ESRCH } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { Icmp } from '../inet/icmp.js';
import { inAifaddr, inDifaddr } from '../inet/in-control.js';
import { InIfaddr } from '../inet/in-ifaddr.js';
import type { Ip } from '../inet/ip.js';
import { in6Aifaddr, in6Difaddr } from '../inet6/in6-control.js';
import { In6Ifaddr } from '../inet6/in6-ifaddr.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { gwOf } from '../net/gw.js';
import type { GwOpener } from '../net/gw.js';
import { ifCloneCreate, ifCloneDestroyIfp } from '../net/if-clone.js';
import { ifUp } from '../net/if.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_STATIC } from '../net/route/nexthop.js';
import type { RouteSpec } from '../net/route/route-spec.js';
import type { SocketLayer } from '../socket/socket-layer.js';
import { tcpDrop } from '../tcp/tcp-close.js';
import type { Tcp } from '../tcp/tcp.js';
import type { TcpCb } from '../tcp/tcpcb.js';
import type { Udp } from '../transport/udp.js';
import type { Udp6 } from '../transport/udp6.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format, ip6IsLinkLocal, ip6Plain } from '../wire/addr6.js';
import { GatewayEcho } from './gateway-echo.js';
import type { GatewayHost } from './gateway-host.js';
import { GatewayPolicy } from './gateway-policy.js';
import { GatewayTcp } from './gateway-tcp.js';
import type { FlowContext } from './gateway-tcp.js';
import { GatewayUdp } from './gateway-udp.js';
import { GatewayUnreach } from './gateway-unreach.js';
import { GATEWAY_COUNTERS, GATEWAY_SYSCTLS, GatewayStats, GatewayTunables } from './gateway-var.js';

/** What guests call the host; its addresses are those of the gateway. */
export const GATEWAY_HOST_NAME = 'host.netloom.internal';

/** How often flows are looked at. */
const SWEEP_US: Micros = US_PER_SEC;

/** An address of the gateway. */
export type GatewayAddress = { readonly addr: number; readonly plen: number } | { readonly addr6: Uint8Array; readonly plen: number };

export interface GatewayConfig {
  /** Who has the gateway's addresses; null: its own interface. */
  readonly ifp: Ifnet | null;
  /** They are given to it unless it has them; none: those that `ifp` has. */
  readonly addresses: readonly GatewayAddress[];
  /** Do the gateway's addresses lead to the host's loopback? */
  readonly loopback: boolean;
  /** May guests go out at all? */
  readonly outbound: boolean;
  /** Is it to be where packets go that no other route takes? */
  readonly defaultRoute: boolean;
}

/** What could not be done. */
export type GatewayStep = 'gateway' | 'interface' | 'address' | 'route';
export type GatewayOpened = { readonly error: 0 } | { readonly error: Errno; readonly step: GatewayStep };

/** The parts of a vnet that a gateway is made of. */
export interface GatewayParts {
  readonly kern: VnetKern;
  readonly ip: Ip;
  readonly ip6: Ip6;
  readonly icmp: Icmp;
  readonly tcp: Tcp;
  readonly udp: Udp;
  readonly udp6: Udp6;
  readonly sockets: SocketLayer;
}

const GATEWAY_AUDIT: readonly AuditRow<Gateway>[] = [
  { name: 'flows through the gateway', count: (g) => g.flowCount },
  { name: 'connections the gateway has not answered', packets: true, count: (g) => g.packetsHeld },
];

const FORWARDING = ['net.inet.ip.forwarding', 'net.inet6.ip6.forwarding'] as const;

/** Flows of each kind. */
interface Flows {
  readonly tcp: GatewayTcp;
  readonly udp: GatewayUdp;
  readonly echo: GatewayEcho;
}

/** What there is while it is open. */
interface Opened extends Flows {
  readonly host: GatewayHost;
  readonly config: GatewayConfig;
  readonly ifp: Ifnet;
  readonly policy: GatewayPolicy;
  readonly addresses: readonly string[];
}

export class Gateway implements GwOpener {
  readonly tun = new GatewayTunables();
  opened: Opened | null = null;
  /** Those of the last time it was open: what is left of them, the audit wants to know. */
  private flows: Flows | null = null;
  private readonly parts: GatewayParts;
  private counted: GatewayStats | null = null;
  private readonly callout: Callout;
  /** Undone when it is closed, the last one first. */
  private undo: (() => void)[] = [];

  constructor(parts: GatewayParts) {
    this.parts = parts;
    const { kern } = parts;
    this.callout = new Callout(kern, () => this.sweep());
    kern.audit.attach(GATEWAY_AUDIT, this);
    kern.sysctl.attach(GATEWAY_SYSCTLS, this.tun);
    kern.counters.attach(GATEWAY_COUNTERS, this);
  }

  destroy(): void {
    const { kern } = this.parts;
    kern.sysctl.detach(this.tun);
    kern.counters.detach(this);
  }

  /** Made with the first count. */
  get stats(): GatewayStats {
    return (this.counted ??= new GatewayStats());
  }

  get isOpen(): boolean {
    return this.opened !== null;
  }

  /** Its addresses, as text; what GATEWAY_HOST_NAME means here. */
  get addresses(): readonly string[] {
    return this.opened?.addresses ?? [];
  }

  get flowCount(): number {
    const { flows } = this;
    return flows === null ? 0 : flows.tcp.count + flows.udp.flows.size + flows.echo.flows.size;
  }

  get packetsHeld(): number {
    return this.flows?.tcp.packetsHeld ?? 0;
  }

  /** Opens it with the sockets of `host`; all of it, or nothing. EALREADY: it is open; what making the interface, its addresses and routes answers. Thread context. */
  open(host: GatewayHost, config: GatewayConfig): GatewayOpened {
    const { kern } = this.parts;
    kern.engine.assertThread();
    if (this.opened !== null) return { error: EALREADY, step: 'gateway' };
    const made = this.make(config);
    if (typeof made !== 'object') return this.failed(made, 'interface');
    const face = config.ifp ?? made;
    const addresses = config.addresses.length > 0 ? config.addresses : addressesOf(face);
    for (const address of addresses) {
      const error = this.address(face, address);
      if (error !== 0) return this.failed(error, 'address');
    }
    const families = new Set(addresses.map((a) => ('addr' in a ? 'inet' : 'inet6')));
    for (const family of config.defaultRoute ? families : []) {
      const error = this.route(made, face, family === 'inet');
      if (error !== 0) return this.failed(error, 'route');
    }
    this.forward();
    const text = addresses.map((a) => ('addr' in a ? ip4Format(a.addr) : ip6Format(a.addr6)));
    this.opened = this.doors(host, config, made, text);
    this.flows = this.opened;
    return { error: 0 };
  }

  /** Closes it: flows end, the host is told, what `open` made goes. Nothing when it is closed. Thread context. */
  close(): void {
    const { opened } = this;
    if (opened === null) return;
    this.shut(opened);
    this.undoAll();
  }

  /** The vnet stops: flows end; everything else goes with the vnet. */
  stop(): void {
    const { opened } = this;
    this.undo = [];
    if (opened === null) return;
    gwOf(opened.ifp)?.open(null);
    this.shut(opened);
  }

  /** GwOpener: somebody destroyed the interface, or took it away. */
  gone(): void {
    this.close();
  }

  private shut(opened: Opened): void {
    this.opened = null;
    opened.tcp.close();
    opened.udp.close();
    opened.echo.close();
    this.parts.kern.engine.calloutStop(this.callout);
    this.dropStrays();
    opened.host.closed();
  }

  /** Connections that finish on their own, without a program, and would be heard of no more. */
  private dropStrays(): void {
    const { ip, ip6, tcp } = this.parts;
    const strays: TcpCb[] = [];
    for (const inp of tcp.pcbs.list()) if (inp.connected && !ip.inNet.isLocal(inp.laddr)) strays.push(inp.user as TcpCb);
    for (const inp of tcp.pcbs6.list()) if (inp.connected && inp.v6 && !ip6.in6Net.isLocal(inp.l0, inp.l1, inp.l2, inp.l3)) strays.push(inp.user as TcpCb);
    for (const tp of strays) tcpDrop(tp, 0);
  }

  private doors(host: GatewayHost, config: GatewayConfig, ifp: Ifnet, addresses: readonly string[]): Opened {
    const { ip, ip6, icmp, tcp, udp, udp6, sockets } = this.parts;
    const policy = new GatewayPolicy(ip.inNet, addresses, config.loopback, config.outbound);
    const ctx: FlowContext = { host, policy, unreach: new GatewayUnreach(ip, ip6), stats: this.stats, tun: this.tun, begun: () => this.arm() };
    return { host, config, ifp, policy, addresses, tcp: new GatewayTcp(ctx, tcp, sockets), udp: new GatewayUdp(ctx, udp, udp6), echo: new GatewayEcho(ctx, icmp, ip6) };
  }

  /** Its interface; an Errno when there is none. */
  private make(config: GatewayConfig): Ifnet | Errno {
    const { net } = this.parts.ip;
    if (config.ifp !== null && config.ifp.net !== net) return ESRCH;
    const { error, ifp } = ifCloneCreate(net, 'gw');
    if (ifp === null) return error;
    this.undo.push(() => {
      gwOf(ifp)?.open(null);
      if (ifp.net !== null) ifCloneDestroyIfp(ifp, 0);
    });
    gwOf(ifp)?.open(this);
    ifUp(ifp);
    return ifp;
  }

  private address(face: Ifnet, a: GatewayAddress): Errno {
    const { ip, ip6 } = this.parts;
    if ('addr' in a) {
      if (ip.inNet.addrOnIf(a.addr, face) !== null) return 0;
      if (ip.inNet.isLocal(a.addr)) return EEXIST;
      const error = inAifaddr(ip.inNet, face, { addr: a.addr, plen: a.plen });
      if (error === 0) this.undo.push(() => void (face.net === ip.net && inDifaddr(ip.inNet, face, a.addr)));
      return error;
    }
    if (ip6.in6Net.addrOnIf(a.addr6, face) !== null) return 0;
    const error = in6Aifaddr(ip6.in6Net, face, { addr: a.addr6, plen: a.plen });
    if (error === 0) this.undo.push(() => void (face.net === ip6.net && in6Difaddr(ip6.in6Net, face, a.addr6)));
    return error;
  }

  /** The default route of a family leads to the gateway's interface; what this vnet sends itself leaves from the gateway's address. */
  private route(ifp: Ifnet, face: Ifnet, isV4: boolean): Errno {
    const { routes } = this.parts.ip;
    const ifa = face.addrs.find((a) => (isV4 ? a instanceof InIfaddr : a instanceof In6Ifaddr && !ip6IsLinkLocal(ip6Plain(a.addr))));
    const terms = { fib: 0, plen: 0, ifp, flags: RTF_STATIC, ...(ifa === undefined ? {} : { ifa }) };
    const spec: RouteSpec = isV4 ? { ...terms, family: 'inet', dst: 0 } : { ...terms, family: 'inet6', dst: new Uint8Array(16) };
    const error = routes.add(spec);
    if (error === 0) this.undo.push(() => void (ifp.net !== null && routes.delete(spec)));
    return error;
  }

  /** The vnet passes packets on, of both families. */
  private forward(): void {
    const { sysctl } = this.parts.kern;
    for (const name of FORWARDING) {
      const node = sysctl.find(name);
      if (node === null || node.get() !== 0) continue;
      node.set(1);
      this.undo.push(() => void node.set(0));
    }
  }

  private failed(error: Errno, step: GatewayStep): GatewayOpened {
    this.undoAll();
    return { error, step };
  }

  private undoAll(): void {
    const { undo } = this;
    this.undo = [];
    for (const back of undo.reverse()) back();
  }

  private arm(): void {
    if (!this.callout.pending) this.parts.kern.engine.calloutReset(this.callout, SWEEP_US);
  }

  private sweep(): void {
    const { opened } = this;
    if (opened === null) return;
    opened.tcp.sweep();
    opened.udp.sweep();
    opened.echo.sweep();
    if (this.flowCount > 0) this.arm();
  }
}

/** The addresses of an interface that others can name. */
function addressesOf(ifp: Ifnet): GatewayAddress[] {
  return ifp.addrs.flatMap((a): GatewayAddress[] => {
    if (a instanceof InIfaddr) return [{ addr: a.addr, plen: a.plen }];
    if (!(a instanceof In6Ifaddr)) return [];
    const addr6 = ip6Plain(a.addr);
    return ip6IsLinkLocal(addr6) ? [] : [{ addr6, plen: a.plen }];
  });
}
