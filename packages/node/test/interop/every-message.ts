/**
 * every-message.ts — EveryMessage: a network in virtual time in which everything that a vnet can send with IPv6, multicast, CARP and tunnels is sent, and recorded.
 *
 * Three hosts on a switch (`a`, and the routers `r` and `s`, who share addresses) and one behind `r` (`b`), over a link with an MTU of 1,280. What the ports of the switch
 * hear, and both directions at `b`, go into one capture file.
 * Who reads it: every-message.test.ts. Not here: frames from others, and what a vnet only receives.
 */
import {
  BPF_D_IN, BPF_D_INOUT, CARP_MASTER, ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, PF_INET, PF_INET6, QUERIER_DEFAULTS, RTADV_DEFAULTS, RTF_GATEWAY, RTF_STATIC, Rtadvd, SOCK_DGRAM, SOCK_RAW, bpfOpen,
  bridgeAdd, ifUp, inAifaddr, in6Aifaddr, in6Difaddr, nd6FlushAll, nd6Set, nd6SetFlags, tunnelSet, tunnelSet6,
} from '@netloom/core';
import type { BpfListener, Ifnet, Socket, SockAddr, Vnet } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { IP6_DST, IP6_HDR_LEN, IPPROTO_NONE, LINKTYPE_ETHERNET, ip6Emit, ip6Parse, ip6Zoned } from '@netloom/core/wire';
import { recordToFile } from '../../src/pcap/pcapng-file.js';

const SECOND = 1_000_000;
/** 14 November 2023: readers frown at 1970. */
const EPOCH_US = 1_700_000_000_000_000;
const ICMP6_ECHO = Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 1, ...new Uint8Array(48));
const ICMP_ECHO = Uint8Array.of(8, 0, 0xf7, 0xfd, 0, 1, 0, 1);
const GROUP = ip4('239.1.1.1');
const GROUP6 = ip6('ff05::1:3');
/** MLD and IGMP in all versions that a querier may speak. */
const VERSIONS = [QUERIER_DEFAULTS.version, 2, 1] as const;
const KEY = Uint8Array.of(1, 2, 3);

function ip6(text: string): Uint8Array {
  const addr = ip6Parse(text);
  if (addr === null) throw new Error(`not an address: ${text}`);
  return addr;
}

export class EveryMessage {
  readonly net = new SimNet(1);
  private readonly a: Vnet = this.net.vnet('a');
  private readonly r: Vnet = this.net.vnet('r');
  private readonly s: Vnet = this.net.vnet('s');
  private readonly b: Vnet = this.net.vnet('b');
  private readonly captures: { listener: BpfListener; name: string }[] = [];
  private readonly at: readonly Ifnet[];
  private readonly toB: readonly [Ifnet, Ifnet];

  constructor() {
    const sw = this.net.vnet('switch');
    const bridge = this.net.clone(sw, 'bridge');
    this.net.up(bridge);
    this.at = [this.a, this.r, this.s].map((v) => {
      const [port, ifp] = this.net.link(sw, v);
      this.call(() => bridgeAdd(bridge, port.ifp.xname));
      this.capture(sw, port.ifp, BPF_D_IN);
      return ifp.ifp;
    });
    const [near, far] = this.net.link(this.r, this.b, { mtu: 1_280 });
    this.toB = [near.ifp, far.ifp];
    this.capture(this.b, far.ifp, BPF_D_INOUT);
  }

  /** Lets everything happen, and writes what was seen to `path`. The number of frames. */
  async record(path: string): Promise<number> {
    this.addresses();
    this.echoes();
    this.errors();
    this.redirect();
    this.neighbours();
    this.headers();
    this.groups();
    this.carp();
    this.tunnels();
    const recorder = await recordToFile(path, { application: 'Netloom' });
    let frames = 0;
    for (const { listener, name } of this.captures) {
      const id = recorder.addInterface({ linktype: LINKTYPE_ETHERNET, name });
      for (let p = listener.read(); p !== null; p = listener.read(), frames++) recorder.packet(id, EPOCH_US + p.time, p.bytes);
    }
    await recorder.close();
    return frames;
  }

  private call(fn: () => unknown): void {
    this.net.kernel.call(this.net.now, fn);
  }

  private run(seconds: number): void {
    this.net.run(seconds * SECOND);
  }

  private capture(v: Vnet, ifp: Ifnet, direction: number): void {
    const { listener } = bpfOpen(v.net, ifp.xname, { direction, promisc: true, snaplen: 65_535, bufferBytes: 1 << 22 });
    if (listener === null) throw new Error('no capture');
    this.captures.push({ listener, name: `${v.name} ${ifp.xname}` });
  }

  private socket(v: Vnet, family: number, type: number, proto = 0): Socket {
    const { so } = v.sockets.socket(family, type, proto);
    if (so === null) throw new Error('no socket');
    return so;
  }

  private send(v: Vnet, what: { raw?: number; data: Uint8Array; hops?: number; dontFrag?: boolean }, to: string | number, port = 0): void {
    const six = typeof to === 'string';
    const so = this.socket(v, six ? PF_INET6 : PF_INET, what.raw === undefined ? SOCK_DGRAM : SOCK_RAW, what.raw);
    if (what.hops !== undefined) so.setsockopt(six ? 'IPV6_UNICAST_HOPS' : 'IP_TTL', what.hops);
    if (what.dontFrag === true) so.setsockopt('IPV6_DONTFRAG', 1);
    const addr: SockAddr = six ? { addr: ip6(to), scopeId: to.startsWith('fe80') ? this.at[0]!.index : 0 } : to;
    so.send(what.data, addr, port);
    this.run(2);
    so.close();
  }

  /** DAD, routers looked for and found, addresses given by them; ARP. */
  private addresses(): void {
    const [a, r, s] = this.at as [Ifnet, Ifnet, Ifnet];
    for (const v of [this.r, this.s]) for (const name of ['net.inet6.ip6.forwarding', 'net.inet.ip.forwarding']) v.kern.sysctl.set(name, 1);
    this.a.kern.sysctl.set('net.inet6.ip6.use_tempaddr', 1);
    this.a.kern.sysctl.set('net.inet6.icmp6.nd6_rfc9131', 1);
    this.call(() => {
      in6Aifaddr(this.r.in6Net, r, { addr: ip6('2001:db8::1'), plen: 64 });
      in6Aifaddr(this.s.in6Net, s, { addr: ip6('2001:db8::2'), plen: 64 });
      in6Aifaddr(this.r.in6Net, this.toB[0], { addr: ip6('2001:db8:1::1'), plen: 64 });
      in6Aifaddr(this.b.in6Net, this.toB[1], { addr: ip6('2001:db8:1::2'), plen: 64 });
      this.b.routes.add({ fib: 0, family: 'inet6', dst: new Uint8Array(16), plen: 0, gateway: ip6('2001:db8:1::1'), flags: RTF_GATEWAY | RTF_STATIC });
    });
    this.net.addr(this.a, a, '192.0.2.3/24');
    this.net.addr(this.r, r, '192.0.2.1/24');
    this.net.addr(this.s, s, '192.0.2.2/24');
    this.net.addr(this.r, this.toB[0], '198.51.100.1/24');
    this.net.addr(this.b, this.toB[1], '198.51.100.2/24');
    this.net.route(this.a, 'default', '192.0.2.1');
    this.net.route(this.b, 'default', '198.51.100.1');
    this.run(5);
    this.call(() => nd6SetFlags(this.a.in6Net, a, ND6_IFF_ACCEPT_RTADV | ND6_IFF_AUTO_LINKLOCAL));
    this.run(2);
    const said = { mtu: 1_500, rtime: 30_000, retrans: 1_000, raflags: 0x48, routes: [{ addr: ip6('2001:db8:9::'), plen: 48, flags: 8, ltime: 600 }] };
    const dns = { rdnss: [{ addrs: [ip6('2001:db8::53'), ip6('2001:db8::54')], ltime: 600 }], dnssl: [{ domains: ['example.org', 'lab.example.org'], ltime: 600 }] };
    this.call(() => new Rtadvd(this.r.rtr).start(r, { ...RTADV_DEFAULTS, ...said, ...dns }));
    this.run(20);
  }

  private echoes(): void {
    for (const to of ['2001:db8::1', '2001:db8:1::2', 'ff02::1', 'fe80::1']) this.send(this.a, { raw: 58, data: ICMP6_ECHO }, to);
    this.send(this.a, { raw: 1, data: ICMP_ECHO }, ip4('198.51.100.2'));
    for (const size of [100, 4_000]) {
      this.send(this.a, { data: new Uint8Array(size) }, '2001:db8::1', 9);
      this.send(this.a, { data: new Uint8Array(size) }, ip4('192.0.2.1'), 9);
    }
  }

  /** Unreachable in every way, too big, too far, not understood. */
  private errors(): void {
    const data = new Uint8Array(64);
    for (const to of ['2001:db8:1::2', '2001:db8:1::77', '2001:db8:77::1']) this.send(this.a, { data }, to, 9);
    this.send(this.a, { data: new Uint8Array(1_400), dontFrag: true }, '2001:db8:1::2', 9);
    this.send(this.a, { data: new Uint8Array(1_400) }, '2001:db8:1::2', 9);
    this.send(this.a, { data, hops: 1 }, '2001:db8:1::2', 9);
    this.send(this.a, { raw: 200, data }, '2001:db8:1::2');
    for (const to of ['198.51.100.2', '198.51.100.77', '203.0.113.1']) this.send(this.a, { data }, ip4(to), 9);
    this.send(this.a, { data, hops: 1 }, ip4('198.51.100.2'), 9);
    this.send(this.a, { raw: 200, data }, ip4('198.51.100.2'));
    this.send(this.a, { data: new Uint8Array(1_400) }, ip4('198.51.100.2'), 9);
    this.run(10);
  }

  /** `r` knows of a better way on the same link. */
  private redirect(): void {
    this.call(() => {
      this.r.routes.add({ fib: 0, family: 'inet6', dst: ip6('2001:db8:8::'), plen: 48, gateway: this.linkLocal(this.s, 2), ifp: this.at[1]!, flags: RTF_GATEWAY | RTF_STATIC });
    });
    this.net.route(this.r, '203.0.113.0/24', '192.0.2.2');
    this.send(this.a, { data: new Uint8Array(64) }, '2001:db8:8::1', 9);
    this.send(this.a, { data: new Uint8Array(64) }, ip4('203.0.113.1'), 9);
  }

  private linkLocal(v: Vnet, i: number): Uint8Array {
    const own = v.in6Net.linkLocalOf(this.at[i]!, 0)!.addr.slice();
    own.fill(0, 2, 4);
    return ip6Zoned(own, this.at[1]!.index);
  }

  /** A proxy answers, an address is a duplicate, a neighbour is verified. */
  private neighbours(): void {
    const [a, , s] = this.at as [Ifnet, Ifnet, Ifnet];
    this.call(() => nd6Set(this.s.nd6, ip6('2001:db8::66'), s.lladdr, { ifp: s, proxy: true }));
    this.send(this.a, { raw: 58, data: ICMP6_ECHO }, '2001:db8::66');
    this.call(() => in6Aifaddr(this.a.in6Net, a, { addr: ip6('2001:db8::1'), plen: 64 }));
    this.run(3);
    this.call(() => in6Difaddr(this.a.in6Net, a, ip6('2001:db8::1')));
    this.send(this.a, { raw: 58, data: ICMP6_ECHO }, '2001:db8::2');
    this.run(60);
    this.send(this.a, { raw: 58, data: ICMP6_ECHO }, '2001:db8::2');
    this.run(10);
    this.call(() => nd6FlushAll(this.a.nd6));
  }

  /** Packets behind every extension header, whole and in fragments: sockets have no options for that. */
  private headers(): void {
    const so = this.socket(this.a, PF_INET6, SOCK_DGRAM);
    so.setsockopt('IPV6_DONTFRAG', 0);
    const opts = so.in6p?.out6 ?? null;
    if (opts === null) throw new Error('no options');
    const pad = Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0);
    for (const [hopopts, dstopts] of [[pad, null], [null, pad], [pad, pad]] as const) {
      Object.assign(opts, { hopopts, dstopts });
      for (const size of [40, 3_000]) {
        const m = this.net.kernel.engine.pool.alloc(IP6_HDR_LEN + size);
        if (m === null) throw new Error('no packet');
        m.bytes().fill(0);
        ip6Emit(m.view, m.off, 0, 0, 0, IPPROTO_NONE, 64);
        m.buf.set(ip6('2001:db8::1'), m.off + IP6_DST);
        this.call(() => this.a.ip6.output(m, 0, opts));
        this.run(1);
      }
    }
    so.close();
  }

  /** A querier of each version; members come, answer, and go. */
  private groups(): void {
    const [a, r] = this.at as [Ifnet, Ifnet, Ifnet];
    for (const version of VERSIONS) {
      const options = { ...QUERIER_DEFAULTS, version: version as typeof QUERIER_DEFAULTS.version, queryIntervalS: 4, responseIntervalS: 1 };
      this.call(() => {
        this.r.mroute.setQuerier(r, options);
        this.r.mroute6.setQuerier(r, options);
      });
      const [four, six] = [this.socket(this.a, PF_INET, SOCK_DGRAM), this.socket(this.a, PF_INET6, SOCK_DGRAM)];
      this.run(2);
      this.call(() => {
        four.joinGroup(GROUP, a);
        six.joinGroup6(GROUP6, a);
        if (version !== QUERIER_DEFAULTS.version) return;
        four.joinGroup(ip4('232.1.1.1'), a, ip4('192.0.2.9'));
        six.joinGroup6(ip6('ff35::7'), a, ip6('2001:db8::9'));
      });
      this.run(15);
      this.call(() => {
        four.close();
        six.close();
      });
      this.run(5);
      this.call(() => {
        this.r.mroute.setQuerier(r, null);
        this.r.mroute6.setQuerier(r, null);
      });
    }
  }

  private carp(): void {
    const routers: readonly (readonly [Vnet, Ifnet])[] = [[this.r, this.at[1]!], [this.s, this.at[2]!]];
    for (const [v, ifp] of routers) {
      this.call(() => {
        v.carp.set(ifp, { vhid: 1, key: KEY });
        inAifaddr(v.inNet, ifp, { addr: ip4('192.0.2.100'), plen: 24, vhid: 1 });
        in6Aifaddr(v.in6Net, ifp, { addr: ip6('2001:db8::100'), plen: 64, vhid: 1 });
      });
    }
    this.run(8);
    this.send(this.a, { raw: 58, data: ICMP6_ECHO }, '2001:db8::100');
    this.send(this.a, { data: new Uint8Array(4) }, ip4('192.0.2.100'), 9);
    for (const [v, ifp] of routers) this.call(() => v.carp.set(ifp, { vhid: 1, state: CARP_MASTER }));
    this.run(5);
  }

  /** gif and gre between `r` and `b`, over both families, with both inside. */
  private tunnels(): void {
    let n = 0;
    for (const kind of ['gif', 'gre']) {
      for (const six of [false, true]) {
        n++;
        [this.r, this.b].forEach((v, i) => {
          const ifp = this.net.clone(v, kind);
          const ends = six ? ['2001:db8:1::1', '2001:db8:1::2'].map(ip6) : ['198.51.100.1', '198.51.100.2'].map(ip4);
          const [near, far] = i === 0 ? ends : ends.reverse();
          this.call(() => {
            if (typeof near === 'number') tunnelSet(ifp, near, far as number);
            else tunnelSet6(ifp, near!, far as Uint8Array);
            ifUp(ifp);
            inAifaddr(v.inNet, ifp, { addr: ip4(`10.${n}.0.${1 + i}`), plen: 32, dstaddr: ip4(`10.${n}.0.${2 - i}`) });
            in6Aifaddr(v.in6Net, ifp, { addr: ip6(`2001:db8:f${n}::${1 + i}`), plen: 128, dstaddr: ip6(`2001:db8:f${n}::${2 - i}`) });
          });
        });
        this.run(3);
        for (const size of [30, 2_000]) {
          this.send(this.r, { data: new Uint8Array(size) }, `2001:db8:f${n}::2`, 9);
          this.send(this.r, { data: new Uint8Array(size) }, ip4(`10.${n}.0.2`), 9);
        }
      }
    }
  }
}
