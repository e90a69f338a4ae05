/**
 * audit-bench.ts — AuditBench: a vnet and the ways of making each of its parts hold something.
 */
import { CTX_SOFTINT } from '../src/kern/context.js';
import type { AuditLeak } from '../src/kern/audit.js';
import { in6Aifaddr } from '../src/inet6/in6-control.js';
import { ND6_IFF_ACCEPT_RTADV } from '../src/inet6/in6-ifinfo.js';
import { Ip6OutputOpts, IPV6_UNSPECSRC } from '../src/inet6/ip6-output.js';
import { nd6SetFlags } from '../src/inet6/nd6-flags.js';
import { raFrame } from '../src/inet6/test-rtr.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { RTF_GATEWAY, RTF_STATIC } from '../src/net/route/nexthop.js';
import type { NgBase } from '../src/netgraph/ng-base.js';
import { NgMessage } from '../src/netgraph/ng-message.js';
import { NgSocket } from '../src/netgraph/nodes/socket.js';
import { DYN_SRC_ADDR, IPFW_TABLE_ADDR, IPFW_VTYPE_LEGACY, O_ACCEPT, O_IN, O_IP4, O_KEEP_STATE, O_LIMIT, O_NAT } from '../src/netpfil/ipfw/index.js';
import type { Socket } from '../src/socket/socket.js';
import { PF_INET6 } from '../src/socket/socket-type.js';
import { QUERIER_DEFAULTS } from '../src/net/mcast/querier.js';
import { craftIp, craftTcp, ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { TcpEnds } from '../src/tcp/tcp-ends.js';
import { ip6Parse } from '../src/wire/addr6.js';
import { ICMP6_HDR_LEN } from '../src/wire/icmp6.js';
import { IP_MF } from '../src/wire/ip4.js';
import { IP6F_MORE_FRAG, IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../src/wire/ip6.js';
import { macFormat } from '../src/wire/addr.js';
import { ICMP_UNREACH } from '../src/wire/icmp4.js';
import { IPPROTO_FRAGMENT, IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../src/wire/ipproto.js';
import { TH_SYN } from '../src/wire/tcp.js';
import type { Kernel } from '../src/vnet/kernel.js';
import type { Vnet } from '../src/vnet/vnet.js';

const ip6 = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);

const SEED = 11;
export const GROUP = ip4('239.1.2.3');
export const GROUP6 = ip6('ff05::1:3');
const GROUP6_NUMBER = 0xff050000_00000000_00000000_00010003n;

/** The bench itself works. */
function must(is: number, wanted: number): void {
  if (is !== wanted) throw new Error(`${is} instead of ${wanted}`);
}

/** What a test of the audit works on: a vnet that is used, one beside it, and how each part of the first comes to hold something. */
export class AuditBench {
  readonly net = new SimNet(SEED);
  readonly kernel: Kernel = this.net.kernel;
  readonly v: Vnet = this.net.vnet('used');
  readonly far: Vnet = this.net.vnet('far');
  readonly ends = this.net.link(this.v, this.far, { delayUs: 1_000 });
  readonly ifp = this.ends[0].ifp;
  /** Most of each row seen so far. */
  readonly most = new Map<string, number>();

  constructor() {
    this.net.addr(this.v, this.ifp, '10.0.0.1/24');
    this.net.addr(this.far, this.ends[1].ifp, '10.0.0.2/24');
    this.kernel.call(this.net.now, () => in6Aifaddr(this.v.in6Net, this.ifp, { addr: ip6('2001:db8::1'), plen: 64 }));
    this.net.run(5_000_000); // until the addresses are known to be nobody else's
  }

  socket6(type: number): Socket {
    const { so } = this.v.sockets.socket(PF_INET6, type);
    if (so === null) throw new Error('no socket');
    return so;
  }

  /** Connections in every condition: to be read, in TIME_WAIT, half open, never to be answered. */
  tcp(): void {
    const { far, net, v } = this;
    const web = net.listen(far, 80);
    net.listen(v, 81);
    const reader = net.connect(v, '10.0.0.2', 80);
    const done = net.connect(v, '10.0.0.2', 80);
    const writer = net.connect(far, '10.0.0.1', 81);
    net.run(10_000);
    must(Number(reader.isConnected && done.isConnected && writer.isConnected), 1);
    web.accept();
    const second = web.accept();
    must(writer.send(new Uint8Array(100)), 100);
    done.close();
    net.run(10_000);
    second?.close();
    net.run(10_000);
    net.connect(v, '10.0.0.78', 80);
    const link = { src: '02:00:00:00:00:99', dst: macFormat(this.ifp.lladdr) };
    const m = this.kernel.engine.pool.from(craftTcp(link, { src: '10.0.0.77', dst: '10.0.0.1' }, { sport: 9, dport: 81, flags: TH_SYN }));
    if (m !== null) this.kernel.input(this.ifp, m, net.now);
    v.tcp.hostcache.updateMtu(new TcpEnds(), 1_400);
    v.tcp.md5.setKey(new TcpEnds(), new Uint8Array(1));
    v.tcp.fastopen.disable(new TcpEnds());
  }

  look(): void {
    const report = this.kernel.audit();
    for (const { vnet, rows } of report.vnets) {
      if (vnet === 'used') for (const row of rows) this.most.set(row.name, Math.max(row.count, this.most.get(row.name) ?? 0));
    }
    const { packets, timers, interfaces, deferred } = report.unaccounted;
    must(packets + timers + interfaces + deferred, 0);
  }

  remove(): readonly AuditLeak[] {
    const prison = this.kernel.prisons.find(this.kernel.prisons.prison0, 'used');
    if (prison === null) throw new Error('the vnet is gone');
    this.kernel.jailRemove(prison);
    this.net.run(60_000_000);
    return this.kernel.audit().leaks.filter((l) => l.vnet === 'used');
  }

  /** A netgraph, one of whose nodes keeps a packet, and for another of which a message waits. */
  netgraph(): NgBase {
    return this.kernel.call(this.net.now, () => {
      const base = this.v.netgraph.open();
      const ng = base === null ? 0 : NgSocket.open(base, base.tun);
      const m = this.kernel.engine.pool.alloc(60);
      if (base === null || typeof ng === 'number' || m === null) throw new Error('no netgraph');
      must(base.connect(ng.node, 'a', ng.node, 'b'), 0);
      must(ng.sendData('a', m), 0);
      must(base.sendMsg(ng.node, new NgMessage({ typecookie: 1, cmd: 1 }), null, true), 0);
      return base;
    });
  }

  /** A fragment whose others never come. */
  fragment(): void {
    const link = { src: '02:00:00:00:00:99', dst: macFormat(this.ifp.lladdr) };
    const m = this.kernel.engine.pool.from(craftIp(link, { src: '10.0.0.2', dst: '10.0.0.1', off: IP_MF }, new Uint8Array(64)));
    if (m !== null) this.kernel.input(this.ifp, m, this.net.now);
  }

  /** A reader on another processor has a route that is deleted. Returns how it gives it back. */
  reader(): () => void {
    const { engine } = this.kernel;
    const lwp = engine.lwps.reader(engine.lwps.addCpu(), 'reader');
    const spec = { fib: 0, family: 'inet', dst: ip4('203.0.113.0'), plen: 24, gateway: ip4('10.0.0.2'), flags: RTF_GATEWAY | RTF_STATIC } as const;
    const { routes } = this.v;
    this.kernel.call(this.net.now, () => routes.add(spec));
    const rt = engine.runAs(lwp, CTX_SOFTINT, () => routes.rtalloc(0, spec.dst));
    this.kernel.call(this.net.now, () => routes.delete(spec));
    return () => engine.runAs(lwp, CTX_SOFTINT, () => void (rt === null ? 0 : routes.life.unref(rt)));
  }

  /** An ICMP message that waits for a thread. */
  unreachable(): void {
    const link = { src: '02:00:00:00:00:99', dst: macFormat(this.ifp.lladdr) };
    const m = this.kernel.engine.pool.from(craftIp(link, { src: '10.0.0.2', dst: '10.0.0.1', proto: IPPROTO_ICMP }, Uint8Array.of(ICMP_UNREACH, 0, 0, 0, 0, 0, 0, 0)));
    if (m !== null) this.kernel.input(this.ifp, m, this.net.now);
  }

  /** A router of the link: routes, DNS and prefix. */
  router(): void {
    const { in6Net } = this.v;
    this.kernel.call(this.net.now, () => void nd6SetFlags(in6Net, this.ifp, (in6Net.ifinfo(this.ifp)?.ndFlags ?? 0) | ND6_IFF_ACCEPT_RTADV));
    this.look();
    const m = this.kernel.engine.pool.from(raFrame('ra fe80::99 > ff02::1 life 1800 sll 02:00:00:00:00:99 prefix 2001:db8:7::/64 LA 600 600 route 2001:db8:9::/48 low 600 dns 2001:db8::53 600'));
    if (m !== null) this.kernel.input(this.ifp, m, this.net.now);
    this.net.run(10_000);
    this.look();
  }

  broadcast(): void {
    const so = this.net.udp(this.v, 7);
    so.setsockopt('SO_BROADCAST', 1);
    must(so.send(new Uint8Array(8), ip4('10.0.0.255'), 7), 0);
  }

  /** A packet to an IPv6 neighbour who does not answer. */
  neighbour6(): void {
    const m = this.kernel.engine.pool.alloc(IP6_HDR_LEN);
    if (m === null) throw new Error('no packet');
    m.bytes().fill(0);
    ip6Emit(m.view, m.off, 0, 0, 0, IPPROTO_ICMPV6, 64);
    m.buf.set(ip6('2001:db8::77'), m.off + IP6_DST);
    must(this.kernel.call(this.net.now, () => this.v.ip6.output(m, 0, null)), 0);
  }

  /** A first fragment that waits for others. */
  fragment6(): void {
    const payload = Uint8Array.of(17, 0, 0, IP6F_MORE_FRAG, 0, 0, 0, 9, 0, 7, 0, 7, 0, 16, 0, 0);
    const p = new Uint8Array(IP6_HDR_LEN + payload.length);
    ip6Emit(new DataView(p.buffer), 0, 0, 0, payload.length, IPPROTO_FRAGMENT, 64);
    p.set(ip6('2001:db8::9'), IP6_SRC);
    p.set(ip6('2001:db8::1'), IP6_DST);
    p.set(payload, IP6_HDR_LEN);
    const m = this.kernel.engine.pool.from(p);
    if (m !== null) this.kernel.call(this.net.now, () => {
      this.v.ip6.input(this.ifp, m);
    });
  }

  /** A router says that 1300 bytes fit to somewhere. */
  tooBig6(): void {
    const dst = new DataView(ip6('2001:db8::9').buffer);
    this.kernel.call(this.net.now, () => this.v.ip6.pmtu.update(this.ifp, 0, dst, 0, 1_300));
  }

  /** An echo request to all nodes of the link, which comes back to the sender, too. */
  group6(): void {
    const m = this.kernel.engine.pool.alloc(IP6_HDR_LEN + ICMP6_HDR_LEN);
    if (m === null) throw new Error('no packet');
    m.bytes().fill(0);
    ip6Emit(m.view, m.off, 0, 0, ICMP6_HDR_LEN, IPPROTO_ICMPV6, 64);
    m.buf.set(ip6('ff02::1'), m.off + IP6_DST);
    const opts = new Ip6OutputOpts();
    opts.ifp = this.ifp;
    must(this.kernel.call(this.net.now, () => this.v.ip6.output(m, IPV6_UNSPECSRC, opts)), 0);
  }

  twoWays(): void {
    this.kernel.call(this.net.now, () => {
      for (const gw of ['10.0.0.2', '10.0.0.3']) this.v.routes.add({ fib: 0, family: 'inet', dst: 0, plen: 0, gateway: ip4(gw), flags: RTF_GATEWAY | RTF_STATIC });
    });
  }

  /** Queriers that have heard a group, a route and a flow, of both families. */
  multicastRouting(): void {
    const { v, ifp } = this;
    const lo = v.net.loif ?? ifp;
    this.kernel.call(this.net.now, () => {
      v.mroute.setQuerier(ifp, { ...QUERIER_DEFAULTS });
      v.mroute6.setQuerier(ifp, { ...QUERIER_DEFAULTS });
      v.igmp.querierOf(ifp)?.heardOld(ip4('10.0.0.2'), GROUP, 2);
      v.mld.querierOf(ifp)?.heardOld(1n, GROUP6_NUMBER, 2);
      v.mroute.router.addRoute({ group: GROUP, source: null, from: ifp, to: [{ ifp: lo, threshold: 1 }] });
      v.mroute6.router.addRoute({ group: GROUP6_NUMBER, source: null, from: ifp, to: [{ ifp: lo, threshold: 1 }] });
      v.mroute.router.key.g3 = GROUP;
      Object.assign(v.mroute6.router.key, { g0: 0xff050000 | 0, g3: 0x10003 });
      v.mroute.router.lookup(ifp, 1, 0);
      v.mroute6.router.lookup(ifp, 1, 0);
    });
  }

  /** Rules that remember flows and translate them, and a table. */
  firewall(): void {
    const { ipfw } = this.v;
    const rule = (rulenum: number, insns: { op: number; arg1?: number; d?: number[] }[]): void => {
      must(ipfw.add({ rulenum, set: 0, flags: 0, insns, actOfs: insns.length - 1 }).error, 0);
    };
    this.kernel.call(this.net.now, () => {
      rule(100, [{ op: O_IN }, { op: O_KEEP_STATE }, { op: O_ACCEPT }]);
      rule(200, [{ op: O_IP4 }, { op: O_LIMIT, arg1: DYN_SRC_ADDR, d: [10] }, { op: O_NAT, arg1: 7 }]);
      must(ipfw.tables.create({ name: 'known', type: IPFW_TABLE_ADDR, tflags: 0, vmask: IPFW_VTYPE_LEGACY, algo: '' }), 0);
      must(ipfw.nats.configure({ id: 7, ip: ip4('10.0.0.1'), ifName: '', mode: 0, redirects: [], portLow: 0, portHigh: 0 }), 0);
    });
    this.net.udp(this.v).send(new Uint8Array(8), ip4('10.0.0.2'), 9);
    this.net.run(10_000);
  }

  clone(name: string): Ifnet {
    return this.net.clone(this.v, name);
  }
}
