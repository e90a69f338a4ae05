/**
 * tso-paths.test.ts — a TCP super-segment over every kind of link: whole and untouched where both ends are in this process, cut before a tunnel.
 *
 * The segments are made by hand and taken where TCP would take them, so that what is seen is the way between. What software did to them is
 * counted by the pool (`work`): cutting, checksums, copies.
 */
import { describe, expect, it } from 'vitest';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { ip6Output } from '../inet6/ip6-output.js';
import { CSUM_L4, CSUM_L4_VALID, GSO_TCPV4, GSO_TCPV6 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { bridgeAdd } from '../net/bridge-control.js';
import { ifCloneCreate } from '../net/if-clone.js';
import { ifUp } from '../net/if.js';
import type { Ifnet } from '../net/ifnet.js';
import { laggAddPort } from '../net/lagg/lagg-control.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { ip6Parse } from '../wire/addr6.js';
import { cksumFold, cksumPseudo4, cksumPseudo6, inCksum4, inCksum6 } from '../wire/checksum.js';
import { ip4Emit } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SUM, TH_ACK, tcpEmit, tcpSeq } from '../wire/tcp.js';
import { TunnelLab } from '../../test/tunnel-lab.js';
import type { Vnet } from './vnet.js';

const MSS = 1_400;
const BYTES = 45 * MSS;
const ISS = 0xffff_f000;

/** A segment that arrived. */
interface Got {
  readonly seq: number;
  readonly bytes: number;
  readonly gsoSize: number;
  readonly sum: 'pending' | 'vouched for' | 'right' | 'WRONG';
  readonly intact: boolean;
}

/** Puts itself where TCP is. */
class Sink {
  readonly got: Got[] = [];

  constructor(v: Vnet) {
    v.ip.register(IPPROTO_TCP, null);
    v.ip6.register(IPPROTO_TCP, null);
    v.ip.register(IPPROTO_TCP, { input: (_ifp, m, hlen) => this.take(m, hlen, inCksum4(m.view, m.off + hlen, m.len - hlen, ip4Of(m, 12), ip4Of(m, 16), IPPROTO_TCP)) });
    v.ip6.register(IPPROTO_TCP, { input: (_ifp, m, off) => this.take(m, off, inCksum6(m.view, m.off + off, m.len - off, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP)) });
  }

  private take(m: PacketBuffer, hlen: number, sum: number): void {
    const th = m.off + hlen;
    const seq = tcpSeq(m.view, th);
    const at = (seq - ISS) >>> 0;
    const bytes = m.len - hlen - TCP_HDR_LEN;
    const state = (m.csumFlags & CSUM_L4) !== 0 ? 'pending' : (m.csumFlags & CSUM_L4_VALID) !== 0 ? 'vouched for' : sum === 0 ? 'right' : 'WRONG';
    let intact = true;
    for (let i = 0; i < bytes; i++) intact &&= m.view.getUint8(th + TCP_HDR_LEN + i) === ((at + i) % 251);
    this.got.push({ seq: at, bytes, gsoSize: m.gsoSize, sum: state, intact });
    m.free();
  }
}

const ip4Of = (m: PacketBuffer, at: number): number => m.view.getUint32(m.off + at);

function superSegment(net: SimNet, hlen: number): PacketBuffer {
  const m = net.kernel.engine.pool.alloc(hlen + TCP_HDR_LEN + BYTES);
  if (m === null) throw new Error('no packet');
  const th = m.off + hlen;
  tcpEmit(m.view, th, 1_000, 2_000, ISS, 1, TCP_HDR_LEN, TH_ACK, 65_535, 0);
  for (let i = 0; i < BYTES; i++) m.view.setUint8(th + TCP_HDR_LEN + i, i % 251);
  Object.assign(m, { csumFlags: CSUM_L4, csumStart: th, csumOffset: TCP_SUM, gsoSize: MSS });
  return m;
}

/** Sends one of BYTES over IPv4. */
function send4(net: SimNet, v: Vnet, from: string, to: string): number {
  const m = superSegment(net, 20);
  m.gsoType = GSO_TCPV4;
  ip4Emit(m.view, m.off, 20, 0, m.len, 0, 0x4000, 64, IPPROTO_TCP, ip4(from), ip4(to));
  m.view.setUint16(m.csumStart + TCP_SUM, cksumFold(cksumPseudo4(ip4(from), ip4(to), IPPROTO_TCP, TCP_HDR_LEN + BYTES)));
  return net.kernel.call(net.now, () => v.ip.output(m));
}

/** … and over IPv6. */
function send6(net: SimNet, v: Vnet, from: Uint8Array, to: Uint8Array): number {
  const m = superSegment(net, IP6_HDR_LEN);
  m.gsoType = GSO_TCPV6;
  ip6Emit(m.view, m.off, 0, 0, TCP_HDR_LEN + BYTES, IPPROTO_TCP, 64);
  m.buf.set(from, m.off + IP6_SRC);
  m.buf.set(to, m.off + IP6_DST);
  m.view.setUint16(m.csumStart + TCP_SUM, cksumFold(cksumPseudo6(m.view, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP, TCP_HDR_LEN + BYTES)));
  return net.kernel.call(net.now, () => ip6Output(v.ip6, m, 0, null));
}

/** Two vnets and the interfaces between them. */
interface Path {
  readonly net: SimNet;
  readonly a: Vnet;
  readonly b: Vnet;
  readonly ends: readonly [Ifnet, Ifnet];
}

const call = <T>({ net }: { net: SimNet }, fn: () => T): T => net.kernel.call(net.now, fn);

function must(error: number): void {
  if (error !== 0) throw new Error(`errno ${error}`);
}

function cable(): Path {
  const net = new SimNet(1);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  return { net, a, b, ends: net.epair(a, b) };
}

/** An interface over each end of a cable. */
function over(make: (net: SimNet, v: Vnet, below: Ifnet) => Ifnet): Path {
  const p = cable();
  return { ...p, ends: [make(p.net, p.a, p.ends[0]), make(p.net, p.b, p.ends[1])] };
}

const WHOLE_PATHS: Record<string, () => Path> = {
  epair: cable,
  bridge: () => {
    const net = new SimNet(1);
    const [a, sw, b] = [net.vnet('a'), net.vnet('sw'), net.vnet('b')];
    const [left, l] = net.epair(a, sw);
    const [right, r] = net.epair(b, sw);
    const bridge = net.clone(sw, 'bridge');
    call({ net }, () => [l, r].forEach((port) => must(bridgeAdd(bridge, port.xname))));
    net.up(bridge);
    return { net, a, b, ends: [left, right] };
  },
  vlan: () => over((net, v, below) => net.clone(v, `${below.xname}.7`)),
  'vlan in vlan': () => over((net, v, below) => {
    const outer = net.clone(v, `${below.xname}.7`);
    net.up(outer);
    return net.clone(v, `${outer.xname}.9`);
  }),
  lagg: () => over((net, v, below) => {
    const lagg = net.clone(v, 'lagg');
    call({ net }, () => must(laggAddPort(lagg, below.xname)));
    return lagg;
  }),
  'a link that takes them': () => {
    const net = new SimNet(1);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [l, r] = net.link(a, b, { tso: true, delayUs: 10 });
    return { net, a, b, ends: [l.ifp, r.ifp] };
  },
};

const OURS6 = [ip6Parse('2001:db8::1'), ip6Parse('2001:db8::2')] as const;

function addresses({ net, a, b, ends }: Path): void {
  for (const [i, v] of [a, b].entries()) {
    const ifp = ends[i as 0 | 1];
    net.addr(v, ifp, `10.0.0.${i + 1}/24`);
    const addr = OURS6[i as 0 | 1];
    if (addr === null) throw new Error('not an address');
    v.in6Net.tun.dadCount = 0;
    call({ net }, () => {
      ifUp(ifp);
      must(in6Aifaddr(v.in6Net, ifp, { addr, plen: 64 }));
    });
  }
  net.run(3_000_000);
}

/** One of each family crosses, when neighbours are known; what came, and what it cost. */
function cross(p: Path): { readonly got: readonly Got[]; readonly work: unknown } {
  addresses(p);
  const sink = new Sink(p.b);
  const { work } = p.net.kernel.engine.pool;
  const both = (): void => {
    sink.got.length = 0;
    Object.assign(work, { segmented: 0, pieces: 0, checksums: 0, copies: 0 });
    must(send4(p.net, p.a, '10.0.0.1', '10.0.0.2'));
    must(send6(p.net, p.a, OURS6[0] ?? new Uint8Array(16), OURS6[1] ?? new Uint8Array(16)));
    p.net.run(1_000);
  };
  both();
  both();
  return { got: sink.got, work };
}

describe('a super-segment crosses whole, neither cut, summed nor copied', () => {
  it.each(Object.keys(WHOLE_PATHS))('%s', (name) => {
    const p = WHOLE_PATHS[name]!();
    const { got, work } = cross(p);
    const [checksums, sum, gsoSize] = name.startsWith('a link') ? [2, 'right', 0] : [0, 'pending', MSS];
    expect({ ...(work as object) }).toEqual({ segmented: 0, pieces: 0, checksums, copies: 0 });
    expect(got).toEqual([{ seq: 0, bytes: BYTES, gsoSize, sum, intact: true }, { seq: 0, bytes: BYTES, gsoSize, sum, intact: true }]);
    p.net.kernel.shutdown();
    expect(p.net.kernel.engine.pool.inUse).toBe(0);
  });

  it('lo0', () => {
    const net = new SimNet(1);
    const v = net.vnet('v');
    net.addr(v, v.net.loif!, '127.0.0.1/8');
    const sink = new Sink(v);
    must(send4(net, v, '127.0.0.1', '127.0.0.1'));
    net.run(1_000);
    expect(sink.got).toEqual([{ seq: 0, bytes: BYTES, gsoSize: MSS, sum: 'pending', intact: true }]);
    expect({ ...net.kernel.engine.pool.work }).toEqual({ segmented: 0, pieces: 0, checksums: 0, copies: 0 });
    net.kernel.shutdown();
  });

  it('a router', () => {
    const net = new SimNet(1);
    const [a, r, b] = [net.vnet('a'), net.vnet('r'), net.vnet('b')];
    r.ip.tun.forwarding = 1;
    const [left, l] = net.epair(a, r);
    const [right, far] = net.epair(b, r);
    net.addr(a, left, '10.1.0.1/24');
    net.addr(r, l, '10.1.0.254/24');
    net.addr(r, far, '10.2.0.254/24');
    net.addr(b, right, '10.2.0.1/24');
    net.route(a, 'default', '10.1.0.254');
    const sink = new Sink(b);
    must(send4(net, a, '10.1.0.1', '10.2.0.1'));
    net.run(1_000);
    expect(sink.got).toEqual([{ seq: 0, bytes: BYTES, gsoSize: MSS, sum: 'pending', intact: true }]);
    expect({ ...net.kernel.engine.pool.work }).toEqual({ segmented: 0, pieces: 0, checksums: 0, copies: 0 });
    net.kernel.shutdown();
  });
});

describe('a super-segment is cut', () => {
  const PIECES = Array.from({ length: 45 }, (_, i) => ({ seq: i * MSS, bytes: MSS, gsoSize: 0, sum: 'right', intact: true }));

  it('on a wire', () => {
    const net = new SimNet(1);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [l, r] = net.link(a, b, { delayUs: 10 });
    const { got, work } = cross({ net, a, b, ends: [l.ifp, r.ifp] });
    expect(got).toEqual([...PIECES, ...PIECES]);
    expect({ ...(work as object) }).toEqual({ segmented: 2, pieces: 90, checksums: 90, copies: 0 });
    expect(l.stats.sent).toBeGreaterThan(180);
    net.kernel.shutdown();
  });

  it.each(['gif', 'gre'])('before a %s', (kind) => {
    const t = new TunnelLab(kind);
    t.inner();
    expect(t.ping(t.one, '10.0.0.2')).toBe(true); // resolves
    const sink = new Sink(t.two);
    t.call(() => [t.tun1, t.tun2].forEach((ifp) => (ifp.mtu = 1_476)));
    must(send4(t.sim, t.one, '10.0.0.1', '10.0.0.2'));
    t.sim.run(1_000);
    expect(sink.got).toEqual(PIECES);
    expect({ ...t.sim.kernel.engine.pool.work }).toMatchObject({ segmented: 1, pieces: 45, checksums: 45 });
    t.sim.kernel.shutdown();
  });

  it('before a vxlan', () => {
    const { net, a, b, ends } = cable();
    const make = (v: Vnet, below: Ifnet, i: number): Ifnet => {
      net.addr(v, below, `192.0.2.${i}/24`);
      const params = { vxlanid: 42, vxlanlocal: ip4(`192.0.2.${i}`), vxlanremote: ip4(`192.0.2.${3 - i}`) };
      const made = net.kernel.call(net.now, () => ifCloneCreate(v.net, 'vxlan', params));
      if (made.ifp === null) throw new Error(`errno ${made.error}`);
      return made.ifp;
    };
    const inner = [make(a, ends[0], 1), make(b, ends[1], 2)] as const;
    net.addr(a, inner[0], '10.0.0.1/24');
    net.addr(b, inner[1], '10.0.0.2/24');
    const sink = new Sink(b);
    must(send4(net, a, '10.0.0.1', '10.0.0.2'));
    net.run(1_000);
    expect(sink.got).toEqual(PIECES);
    expect(net.kernel.engine.pool.work).toMatchObject({ segmented: 1, pieces: 45 });
    net.kernel.shutdown();
  });
});
