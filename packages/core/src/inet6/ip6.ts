/**
 * ip6.ts — class Ip6: IPv6 in one vnet. What the other files of this folder work on, and the door for protocols above.
 * Read first: FreeBSD's netinet6/ip6_input.c, ip6_vnet_init; ip6-input.ts and ip6-output.ts for the packet's way.
 *
 * Theory of operation. Ip6 is made with the vnet's addresses and routing tables and puts itself into the ethertype table. Nd6 and Icmp6,
 * made after it, put themselves into `nd` and `icmp6`; protocols into the protocol switch. Whoever is missing is done
 * without: no ND, nothing leaves on links with addresses. `destroy` undoes what the constructor did; packets that wait here are freed.
 *
 * Runtime imports of this folder point one way: ip6 → ip6-loop → ip6-input → ip6-forward → ip6-output.
 */
import type { Errno } from '../base/errno.js';
import { EEXIST } from '../base/errno.js';
import type { LogLevel } from '../env/env.js';
import type { IcmpForeignDoor } from '../inet/icmp-foreign.js';
import { SegmentChain } from '../inet/ip-output.js';
import { IpProtosw } from '../inet/ip-protosw.js';
import { PpsCheck } from '../inet/rate-check.js';
import type { AuditRow } from '../kern/audit.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { IfnetEvent, Net } from '../net/net.js';
import { PFIL_FWD, PFIL_OUT, PfilHead } from '../net/pfil.js';
import type { Nexthop } from '../net/route/nexthop.js';
import type { RouteTables } from '../net/route/route-tables.js';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import { Frag6 } from './frag6.js';
import { FRAG6_SYSCTLS } from './frag6-queue.js';
import { In6Addrpolicies } from './in6-addrpolicy.js';
import type { In6Net } from './in6-net.js';
import { Selection, SourceChoice6, in6SourceFor } from './in6-src.js';
import { RTALERT_NONE } from './ip6-exthdr.js';
import { Ip6Id } from './ip6-id.js';
import { ip6ForwardPrepare } from './ip6-forward.js';
import { ip6Input } from './ip6-input.js';
import { IP6_IFQ_SYSCTLS, IP6_LOOP_SYSCTLS, Ip6Loop } from './ip6-loop.js';
import { AddrBytes, OutRoute6, ip6Output } from './ip6-output.js';
import type { Ip6OutputOpts } from './ip6-output.js';
import { Ip6Pmtu, PMTU_SYSCTLS } from './ip6-pmtu.js';
import { IP6_COUNTERS, IP6_MCAST_SYSCTLS, IP6_SYSCTLS, Ip6Stats, Ip6Tunables } from './ip6-var.js';
import type { Ip6Mrouter, Ip6Proto, Ip6RawHook } from './ip6-var.js';

export type { Ip6Proto, Ip6RawHook } from './ip6-var.js';

/** Log lines a peer can cause, per second. */
const LOG_PPS = 1;

/** Resolves next hops on links with addresses: neighbour discovery. */
export interface Ip6Resolver {
  /**
   * Sends `m` to the neighbour with these words (zoned form) on `ifp`, now or when its link address is known. Owns `m`. `gateway`: it is a
   * router, which decides what is said when it does not answer.
   */
  output(ifp: Ifnet, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean): Errno;
  /** Tells the sender of `m`, which came in and would go out by `ifp`, of a shorter way; `m` stays the caller's. True: sent. */
  redirect?(ifp: Ifnet, m: PacketBuffer, nh: Nexthop): boolean;
  /** An upper layer heard from these words on `ifp`. */
  reachabilityHint?(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): void;
}

/** Sends ICMPv6 errors. */
export interface Ip6Errors {
  /** Sends an error about `m` when one may be sent, and frees `m`. `arg`: MTU or pointer. `ifp`: where the packet came in, null for our own. */
  error(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): void;
}

const IP6_AUDIT: readonly AuditRow<Ip6>[] = [
  { name: 'IPv6 fragments', packets: true, count: (ip6) => ip6.frag6.nfrags },
  { name: 'IPv6 datagrams in reassembly', count: (ip6) => ip6.frag6.npackets },
  { name: 'IPv6 path MTUs', count: (ip6) => ip6.pmtu.count },
  { name: 'packets looped back by IPv6', packets: true, count: (ip6) => ip6.loop.queue.length },
  { name: 'IPv6 filters', count: (ip6) => ip6.pfil.hooks.length + ip6.localPfil.hooks.length },
  { name: 'IPv6 protocols', count: (ip6) => ip6.protos.count + (ip6.raw === null ? 0 : 1) },
];

export class Ip6 {
  readonly net: Net;
  readonly in6Net: In6Net;
  readonly routes: RouteTables;
  private counted: Ip6Stats | null = null;
  readonly tun = new Ip6Tunables();
  readonly loop: Ip6Loop;
  /** Filters of packets that come in, go out and pass through; of what is delivered here. */
  readonly pfil = new PfilHead('inet6');
  readonly localPfil = new PfilHead('inet6-local');
  /** The protocol switch: extension headers are in it, too. */
  readonly protos: IpProtosw<Ip6Proto>;
  raw: Ip6RawHook | null = null;
  /** Passes multicasts on, and wants to hear who listens; null on a host. */
  mrouter: Ip6Mrouter | null = null;
  nd: Ip6Resolver | null = null;
  icmp6: Ip6Errors | null = null;
  /** Echo requests to addresses that are not ours, while there is a gateway: then packets leave from such addresses. */
  foreign: IcmpForeignDoor | null = null;
  readonly frag6: Frag6;
  readonly pmtu: Ip6Pmtu;
  readonly id: Ip6Id;
  readonly policies = new In6Addrpolicies();
  /** See ip6-output.ts. */
  route = new OutRoute6();
  /** The route of packets that an output filter sends; null before the first, and while it is in use. */
  spareRoute: OutRoute6 | null = null;
  private made: { segments: SegmentChain; stfGateway: AddrBytes; selection: Selection } | null = null;
  readonly flowSalt: number;
  /** The interface that the last packet given to `output` has left by, null when it has not. */
  outIfp: Ifnet | null = null;
  /** Value of the router alert in the hop-by-hop options that were read last; see ip6-exthdr.ts. */
  rtalert = RTALERT_NONE;
  /** See in6-src.ts. */
  readonly choice = new SourceChoice6();
  private readonly logRate = new PpsCheck();

  constructor(in6Net: In6Net, routes: RouteTables) {
    this.net = in6Net.net;
    this.in6Net = in6Net;
    this.routes = routes;
    const { kern } = this.net;
    this.protos = new IpProtosw<Ip6Proto>(this.net.shared.ip6Places);
    const rng = kern.engine.rng.split(`ip6/${kern.name}`);
    this.id = new Ip6Id(rng);
    this.flowSalt = rng.u32() | 0;
    this.frag6 = new Frag6(this);
    this.pmtu = new Ip6Pmtu(this);
    this.loop = new Ip6Loop(this);
    kern.audit.attach(IP6_AUDIT, this);
    kern.counters.attach(IP6_COUNTERS, this);
    kern.sysctl.attach(IP6_SYSCTLS, this.tun);
    kern.sysctl.attach(IP6_MCAST_SYSCTLS, this.tun);
    kern.sysctl.attach(FRAG6_SYSCTLS, this.frag6);
    kern.sysctl.attach(PMTU_SYSCTLS, this.pmtu);
    kern.sysctl.attach(IP6_LOOP_SYSCTLS, this.loop);
    kern.sysctl.attach(IP6_IFQ_SYSCTLS, this.loop);
    this.net.registerEtherProto(ETHERTYPE_IPV6, (ifp, m) => {
      ip6Input(this, ifp, m);
    });
    this.net.departureEvent.attach(this, Ip6.onDeparture);
    if (this.net.shared.datapath !== null) this.net.forward6 = { forwards: (ifp) => this.forwardsShort(ifp), forwarded: (n, black) => this.forwardedShort(n, black) };
  }

  /** ip6Input's conditions for the router's short path. */
  private forwardsShort(ifp: Ifnet): boolean {
    return this.tun.forwarding !== 0 && !this.pfil.hooked && (ifp.flags & IFF_LOOPBACK) === 0 && this.in6Net.ifinfo(ifp)?.isDisabled === false;
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
  get stats(): Ip6Stats {
    return (this.counted ??= new Ip6Stats());
  }

  /** Undoes the constructor; looped packets are freed. Addresses and routes have been taken away before. */
  destroy(): void {
    const { kern } = this.net;
    this.net.registerEtherProto(ETHERTYPE_IPV6, null);
    this.net.forward6 = null;
    this.net.departureEvent.detach(this);
    this.frag6.drain();
    this.pmtu.purge();
    this.loop.destroy();
    this.pfil.close();
    this.localPfil.close();
    for (const o of [this.loop, this.pmtu, this.frag6, this.tun]) kern.sysctl.detach(o);
    kern.counters.detach(this);
  }

  private static onDeparture(this: void, ip6: Ip6, e: IfnetEvent): void {
    if (!e.renaming) ip6.frag6.departed(e.ifp);
  }

  /** See ip6-output.ts. */
  get segments(): SegmentChain {
    return this.scratch.segments;
  }

  get stfGateway(): AddrBytes {
    return this.scratch.stfGateway;
  }

  /** See in6-src.ts. */
  get selection(): Selection {
    return this.scratch.selection;
  }

  /** What only one operation at a time uses; made with the first. */
  private get scratch(): { segments: SegmentChain; stfGateway: AddrBytes; selection: Selection } {
    return (this.made ??= { segments: new SegmentChain(), stfGateway: new AddrBytes(), selection: new Selection() });
  }

  /** An IPv6 packet from a link without ethertypes: loopback, tun, a tunnel. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer): void {
    ip6Input(this, ifp, m);
  }

  /**
   * Sends `m`: `m.off` is at a header with class, flow label, next header, hop limit and addresses in place (source ::: chosen here); `m.fib` is
   * the routing table. The payload length is filled in. `opts` names what the header cannot say: interface, next hop. Owns `m`.
   */
  output(m: PacketBuffer, flags = 0, opts: Ip6OutputOpts | null = null): Errno {
    return ip6Output(this, m, flags, opts);
  }

  /**
   * A packet that a filter has taken comes back, where it left: `dir` and `ifp` are what the filter was told. Filters see it again; they know it by
   * its tags. Owns `m`.
   */
  reinject(ifp: Ifnet, m: PacketBuffer, dir: number): void {
    if ((dir & PFIL_OUT) === 0) return ip6Input(this, ifp, m);
    if ((dir & PFIL_FWD) !== 0) ip6ForwardPrepare(m);
    ip6Output(this, m, 0, null);
  }

  /** Puts a protocol into the switch, or takes it out with null. EEXIST when the number is taken by another. */
  register(proto: number, handler: Ip6Proto | null): Errno {
    const there = this.protos.get(proto);
    if (handler !== null && there !== null && there !== handler) return EEXIST;
    this.protos.set(proto, handler);
    return 0;
  }

  registerRaw(hook: Ip6RawHook | null): void {
    this.raw = hook;
  }

  /** Largest packet in bytes that goes onto the link of `ifp`. */
  linkMtu(ifp: Ifnet): number {
    return this.in6Net.ifinfo(ifp)?.mtu ?? ifp.mtu;
  }

  /** The source towards the destination with these words (zoned form); see in6SourceFor. The result is reused by the next call. */
  sourceFor(d0: number, d1: number, d2: number, d3: number, fib: number, opts: Ip6OutputOpts | null): SourceChoice6 {
    return in6SourceFor(this, d0, d1, d2, d3, fib, opts);
  }

  /** MTU in bytes of the path to these words (zoned form) that begins on `ifp`. */
  pathMtu(ifp: Ifnet, d0: number, d1: number, d2: number, d3: number): number {
    const link = this.linkMtu(ifp);
    const path = this.pmtu.lookup(d0, d1, d2, d3);
    return path !== 0 && path < link ? path : link;
  }

  /** Sends an ICMPv6 error about `m`, and frees it; without ICMPv6 the packet is only freed. `arg`: MTU or pointer. */
  icmp6Error(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): void {
    if (this.icmp6 === null) m.free();
    else this.icmp6.error(ifp, m, type, code, arg);
  }

  /** A log line a peer can cause: at most one a second. */
  logLimited(level: LogLevel, message: string): void {
    const { kern } = this.net;
    if (this.logRate.ok(kern.engine.now, LOG_PPS)) kern.log(level, message);
  }
}
