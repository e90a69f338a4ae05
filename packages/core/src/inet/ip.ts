/**
 * ip.ts — class Ip: IPv4 in one vnet. What the other files of this folder work on, and the door for protocols above.
 * Read first: FreeBSD's netinet/ip_input.c, ip_vnet_init; ip-input.ts and ip-output.ts for the packet's way.
 *
 * Theory of operation. Ip is made with the vnet's addresses and routing tables and puts itself into the ethertype table. Arp and
 * Icmp, made after it, put themselves into `arp` and `icmp`; protocols into the protocol switch. Whoever is missing is
 * done without: no ICMP, no errors sent. `destroy` undoes what the constructor did; packets that wait here are freed.
 *
 * Runtime imports of this folder point one way: ip → ip-loop → ip-input → ip-forward → ip-output → ip-fragment → ip-options.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EEXIST, ENETUNREACH } from '../base/errno.js';
import type { LogLevel } from '../env/env.js';
import type { AuditRow } from '../kern/audit.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { IfnetEvent, Net } from '../net/net.js';
import { PFIL_FWD, PFIL_OUT, PfilHead } from '../net/pfil.js';
import { ifaIfwithaddr } from '../net/route/ifa-lookup.js';
import type { RouteTables } from '../net/route/route-tables.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { ETHERTYPE_IP } from '../wire/ether.js';
import type { Arp } from './arp.js';
import type { Icmp } from './icmp.js';
import type { InNet } from './in-net.js';
import { ipForwardPrepare } from './ip-forward.js';
import { IpId } from './ip-id.js';
import { ipInput } from './ip-input.js';
import { IP_IFQ_SYSCTLS, IP_LOOP_SYSCTLS, IpLoop } from './ip-loop.js';
import type { IpOutputOpts } from './ip-output.js';
import { IP_FORWARDING, OutRoute, SegmentChain, ipOutput } from './ip-output.js';
import { IpProtosw } from './ip-protosw.js';
import { IpReass, REASS_SYSCTLS } from './ip-reass.js';
import type { IpMrouter, IpProto, IpRawHook } from './ip-var.js';
import { IP_COUNTERS, IP_MCAST_SYSCTLS, IP_SYSCTLS, IpStats, IpTunables } from './ip-var.js';
import { PpsCheck } from './rate-check.js';

export type { IpMrouter, IpProto, IpRawHook } from './ip-var.js';

/** Log lines a peer can cause, per second. */
const LOG_PPS = 1;

/** What `sourceFor` found; one object per Ip, good until the next call. */
export interface SourceChoice {
  error: Errno;
  addr: number;
}

const IP_AUDIT: readonly AuditRow<Ip>[] = [
  { name: 'fragments', packets: true, count: (ip) => ip.reass.nfrags },
  { name: 'datagrams in reassembly', count: (ip) => ip.reass.nqueues },
  { name: 'packets looped back by IP', packets: true, count: (ip) => ip.loop.queue.length },
  { name: 'IP filters', count: (ip) => ip.pfil.hooks.length + ip.localPfil.hooks.length },
  { name: 'IP protocols', count: (ip) => ip.protos.count + (ip.raw === null ? 0 : 1) },
];

export class Ip {
  readonly net: Net;
  readonly inNet: InNet;
  readonly routes: RouteTables;
  private counted: IpStats | null = null;
  readonly tun = new IpTunables();
  readonly id: IpId;
  readonly reass: IpReass;
  readonly loop: IpLoop;
  /** Filters of packets that come in, go out and pass through; of what is delivered here. */
  readonly pfil = new PfilHead('inet');
  readonly localPfil = new PfilHead('inet-local');
  /** The protocol switch. */
  readonly protos: IpProtosw;
  raw: IpRawHook | null = null;
  /** Passes multicasts on, and wants to hear who listens; null on a host. */
  mrouter: IpMrouter | null = null;
  arp: Arp | null = null;
  icmp: Icmp | null = null;
  /** See ip-output.ts. */
  route = new OutRoute();
  /** The route of packets that an output filter sends; null before the first, and while it is in use. */
  spareRoute: OutRoute | null = null;
  private chain: SegmentChain | null = null;
  private readonly choice: SourceChoice = { error: 0, addr: 0 };
  private readonly logRate = new PpsCheck();

  constructor(inNet: InNet, routes: RouteTables) {
    this.net = inNet.net;
    this.inNet = inNet;
    this.routes = routes;
    const { kern } = this.net;
    this.protos = new IpProtosw(this.net.shared.ipPlaces);
    this.id = new IpId(kern.engine.rng.split(`ip-id/${kern.name}`));
    this.reass = new IpReass(this);
    this.loop = new IpLoop(this);
    kern.audit.attach(IP_AUDIT, this);
    kern.counters.attach(IP_COUNTERS, this);
    kern.sysctl.attach(IP_SYSCTLS, this.tun);
    kern.sysctl.attach(IP_MCAST_SYSCTLS, this.tun);
    kern.sysctl.attach(REASS_SYSCTLS, this.reass);
    kern.sysctl.attach(IP_LOOP_SYSCTLS, this.loop);
    kern.sysctl.attach(IP_IFQ_SYSCTLS, this.loop);
    this.net.registerEtherProto(ETHERTYPE_IP, (ifp, m) => {
      ipInput(this, ifp, m);
    });
    this.net.departureEvent.attach(this, Ip.onDeparture);
    if (this.net.shared.datapath !== null) this.net.forward4 = { forwards: (ifp) => this.forwardsShort(ifp), forwarded: (n, black) => this.forwardedShort(n, black) };
  }

  /** ipInput's conditions for the router's short path. */
  private forwardsShort(ifp: Ifnet): boolean {
    return this.tun.forwarding !== 0 && !this.pfil.hooked && (ifp.flags & IFF_LOOPBACK) === 0;
  }

  /** Other processors have done so much. */
  private forwardedShort(packets: number, blackholed: number): void {
    if (packets + blackholed === 0) return;
    this.stats.total += packets + blackholed;
    this.stats.forward += packets;
    this.stats.fastforward += packets;
    this.stats.cantforward += blackholed;
  }

  /** Made with the first count. */
  get stats(): IpStats {
    return (this.counted ??= new IpStats());
  }

  /** Undoes the constructor; fragments and looped packets are freed. Addresses and routes have been taken away before. */
  destroy(): void {
    const { kern } = this.net;
    this.net.registerEtherProto(ETHERTYPE_IP, null);
    this.net.forward4 = null;
    this.net.departureEvent.detach(this);
    this.reass.drain();
    this.loop.destroy();
    this.pfil.close();
    this.localPfil.close();
    for (const o of [this.loop, this.reass, this.tun]) kern.sysctl.detach(o);
    kern.counters.detach(this);
  }

  private static onDeparture(this: void, ip: Ip, e: IfnetEvent): void {
    if (!e.renaming) ip.reass.departed(e.ifp);
  }

  /** The pieces of a super-segment that is being cut; made with the first. */
  get segments(): SegmentChain {
    return (this.chain ??= new SegmentChain());
  }

  /** An IPv4 packet from a link without ethertypes: loopback, tun, a tunnel. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer): void {
    ipInput(this, ifp, m);
  }

  /**
   * Sends `m`: `m.off` is at a header with tos, ttl, protocol, addresses (source 0: chosen here) and the DF bit in place;
   * `m.fib` is the routing table. Length, identification and checksum are filled in. Owns `m`.
   */
  output(m: PacketBuffer, flags = 0, opts: IpOutputOpts | null = null): Errno {
    return ipOutput(this, m, flags, opts);
  }

  /**
   * A packet that a filter has taken comes back, where it left: `dir` and `ifp` are what the filter was told. Filters see it again; they know it by
   * its tags. Owns `m`.
   */
  reinject(ifp: Ifnet, m: PacketBuffer, dir: number): void {
    if ((dir & PFIL_OUT) === 0) return ipInput(this, ifp, m);
    if ((dir & PFIL_FWD) !== 0) ipForwardPrepare(m);
    ipOutput(this, m, IP_FORWARDING, null);
  }

  /** Puts a protocol into the switch, or takes it out with null. EEXIST when the number is taken by another. */
  register(proto: number, handler: IpProto | null): Errno {
    const there = this.protos.get(proto);
    if (handler !== null && there !== null && there !== handler) return EEXIST;
    this.protos.set(proto, handler);
    return 0;
  }

  registerRaw(hook: IpRawHook | null): void {
    this.raw = hook;
  }

  /** May a socket bind `addr`? Own addresses, broadcast addresses of own networks, groups, 0.0.0.0. */
  mayBind(addr: number): boolean {
    return addr === 0 || ip4IsMulticast(addr) || this.inNet.isLocal(addr) || ifaIfwithaddr(this.net, addr) !== null;
  }

  /** The source address towards `dst`. ENETUNREACH: no route; EADDRNOTAVAIL: no address there. The result is reused by the next call. */
  sourceFor(dst: number, fib: number): SourceChoice {
    const { choice } = this;
    const ia = this.inNet.ifaForDst(fib, dst);
    choice.addr = ia === null ? 0 : ia.addr;
    choice.error = 0;
    if (ia === null) choice.error = this.routes.lookup4(fib, dst, 0) === null ? ENETUNREACH : EADDRNOTAVAIL;
    return choice;
  }

  /** Is `addr` reached through `ifp`, where a packet that claims to be from there came in? */
  cameFrom(ifp: Ifnet, addr: number, fib: number): boolean {
    return this.routes.lookup4(fib, addr, 0)?.ifp === ifp;
  }

  /** Sends an ICMP error about `m`, and frees it. See Icmp.error; without ICMP the packet is only freed. */
  icmpError(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): void {
    if (this.icmp === null) m.free();
    else this.icmp.error(ifp, m, type, code, arg);
  }

  /** Is this own address (signed or unsigned) still being probed for duplicates, or lost to one? */
  isTentative(addr: number): boolean {
    return this.arp !== null && this.arp.claims.isTentative(addr);
  }

  /** A log line a peer can cause: at most one a second. */
  logLimited(level: LogLevel, message: string): void {
    const { kern } = this.net;
    if (this.logRate.ok(kern.engine.now, LOG_PPS)) kern.log(level, message);
  }
}
