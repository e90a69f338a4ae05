/**
 * ip-mroute.test.ts — multicasts are passed on: static routes with their thresholds, the RPF check, the cache; a proxy with listeners that come and go, for both families.
 */
import { describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import type { Ifnet } from '../net/ifnet.js';
import { QUERIER_DEFAULTS } from '../net/mcast/querier.js';
import { MrtStats } from '../net/mcast/router.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import { SimNet, ip4 } from '../sim/index.js';
import type { Socket } from '../socket/socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4Format } from '../wire/addr.js';

const S = 1_000_000;
const GROUP = ip4('239.1.1.1');
const NOTHING = snapshot(new MrtStats());

/** One router, a sender and two receivers, each on a link of its own. */
class Star {
  readonly net = new SimNet(7);
  readonly r: Vnet = this.net.vnet('r');
  readonly hosts: Vnet[] = [];
  readonly near: Ifnet[] = [];
  readonly far: Ifnet[] = [];

  constructor() {
    for (let i = 0; i < 3; i++) {
      const h = this.net.vnet(`h${i}`);
      const [a, b] = this.net.epair(this.r, h);
      this.net.addr(this.r, a, `10.0.${i}.1/24`);
      this.net.addr(h, b, `10.0.${i}.2/24`);
      this.net.kernel.call(this.net.now, () => h.routes.add({ fib: 0, family: 'inet', dst: 0, plen: 0, gateway: ip4(`10.0.${i}.1`), flags: RTF_GATEWAY | RTF_STATIC }));
      this.hosts.push(h);
      this.near.push(a);
      this.far.push(b);
    }
  }

  at(i: number): Ifnet {
    return this.near[i] as Ifnet;
  }

  call<T>(fn: () => T): T {
    return this.net.kernel.call(this.net.now, fn);
  }

  listener(i: number, source?: string): Socket {
    const so = this.net.udp(this.hosts[i] as Vnet, 5000);
    expect(so.joinGroup(GROUP, this.far[i], source === undefined ? null : ip4(source))).toBe(0);
    return so;
  }

  send(i: number, ttl: number, group = GROUP): void {
    const so = this.net.udp(this.hosts[i] as Vnet, 0);
    so.setsockopt('IP_MULTICAST_TTL', ttl);
    expect(so.setMulticastIf(this.far[i] as Ifnet)).toBe(0);
    expect(so.send(new Uint8Array(8), group, 5000)).toBe(0);
    so.close();
    this.net.run(S);
  }
}

/** Packets a socket has: who sent them, and the TTL they came with. */
function got(so: Socket): string[] {
  const out: string[] = [];
  const info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  while (so.recv(new Uint8Array(64), info) > 0) out.push(`${ip4Format(info.addr)} ${info.ttl}`);
  return out;
}

describe('a static multicast route', () => {
  it('copies to its outputs, with the TTL lowered and compared with the threshold', () => {
    const s = new Star();
    const [l1, l2] = [s.listener(1), s.listener(2)];
    const { router } = s.r.mroute;
    const route = { group: GROUP, source: null, from: s.at(0), to: [{ ifp: s.at(1), threshold: 1 }, { ifp: s.at(2), threshold: 16 }] };
    expect(s.call(() => router.addRoute(route))).toBe(0);
    s.send(0, 1);
    expect([got(l1), got(l2)]).toEqual([[], []]);
    s.send(0, 16);
    s.send(0, 17);
    expect([got(l1), got(l2)]).toEqual([['10.0.0.2 15', '10.0.0.2 16'], ['10.0.0.2 16']]);
    expect(snapshot(router.stats)).toEqual({ ...NOTHING, mfcLookups: 2, mfcMisses: 1 });
    expect(router.vifs.map((v) => [v.ifp.xname, v.pktIn, v.pktOut])).toEqual([[s.at(0).xname, 2, 0], [s.at(1).xname, 0, 2], [s.at(2).xname, 0, 1]]);
  });

  it('one with a source comes first; packets from elsewhere are refused and counted; 224.0.0.0/24 stays', () => {
    const s = new Star();
    const [l1, l2] = [s.listener(1), s.listener(2)];
    const { router } = s.r.mroute;
    const to = (i: number): { ifp: Ifnet; threshold: number }[] => [{ ifp: s.at(i), threshold: 1 }];
    expect(s.call(() => router.addRoute({ group: GROUP, source: null, from: s.at(0), to: to(1) }))).toBe(0);
    expect(s.call(() => router.addRoute({ group: GROUP, source: ip4('10.0.0.2'), from: s.at(0), to: to(2) }))).toBe(0);
    s.send(0, 8);
    expect([got(l1), got(l2)]).toEqual([[], ['10.0.0.2 7']]);
    l2.close();
    s.send(2, 8);
    expect(router.stats.wrongIf).toBe(1);
    expect(s.call(() => router.addRoute({ group: ip4('224.0.0.9'), source: null, from: s.at(0), to: to(1) }))).not.toBe(0);
    expect(s.call(() => router.addRoute({ group: GROUP, source: null, from: s.at(0), to: to(1) }))).not.toBe(0);
    expect(s.call(() => router.addRoute({ group: ip4('239.9.9.9'), source: null, from: s.at(0), to: to(0) }))).not.toBe(0);
  });

  it('flows nobody uses are forgotten, interfaces that leave take their routes', () => {
    const s = new Star();
    const { router } = s.r.mroute;
    s.call(() => router.addRoute({ group: GROUP, source: null, from: s.at(0), to: [{ ifp: s.at(1), threshold: 1 }, { ifp: s.at(2), threshold: 1 }] }));
    s.send(0, 8);
    expect(router.entryCount).toBe(1);
    s.net.run(500 * S);
    expect([router.entryCount, router.stats.cacheCleanups]).toEqual([0, 1]);
    s.send(0, 8);
    s.net.move(s.at(1), s.hosts[1] as Vnet);
    expect([router.routes[0]?.to.length, router.entryCount, router.vifs.length]).toEqual([1, 0, 2]);
    s.net.move(s.at(0), s.hosts[1] as Vnet);
    expect([router.routes, router.vifs, s.r.ip.mrouter]).toEqual([[], [], null]);
  });

  it('the cache is bounded', () => {
    const s = new Star();
    const { router } = s.r.mroute;
    router.mfcMax = 1;
    for (const g of ['239.1.1.1', '239.1.1.2']) {
      s.call(() => router.addRoute({ group: ip4(g), source: null, from: s.at(0), to: [{ ifp: s.at(1), threshold: 1 }] }));
    }
    s.send(0, 8);
    s.send(0, 8, ip4('239.1.1.2'));
    expect([router.entryCount, router.stats.upqOvflw]).toEqual([1, 1]);
  });
});

describe('a multicast proxy', () => {
  function proxied(): Star {
    const s = new Star();
    expect(s.call(() => s.r.mroute.router.setProxy(s.at(0), [s.at(1), s.at(2)]))).toBe(0);
    for (const i of [1, 2]) expect(s.call(() => s.r.mroute.setQuerier(s.at(i), { ...QUERIER_DEFAULTS }))).toBe(0);
    s.net.run(S);
    return s;
  }

  it('listens upstream for whoever listens downstream', () => {
    const s = proxied();
    const groups = s.r.inNet.ifinfo(s.at(0))?.groups;
    expect(groups?.has(GROUP)).toBe(false);
    const l1 = s.listener(1, '10.0.0.2');
    s.net.run(S);
    expect(groups?.get(GROUP)?.filter).toEqual({ mode: 1, sources: new Set([ip4('10.0.0.2')]) });
    const l2 = s.listener(2);
    s.net.run(S);
    expect(groups?.get(GROUP)?.filter).toEqual({ mode: 2, sources: new Set() });
    s.send(0, 8);
    expect([got(l1), got(l2)]).toEqual([['10.0.0.2 7'], ['10.0.0.2 7']]);
    l1.close();
    s.net.run(10 * S);
    s.send(0, 8);
    expect(got(l2)).toEqual(['10.0.0.2 7']);
    l2.close();
    s.net.run(10 * S);
    expect(groups?.has(GROUP)).toBe(false);
    s.send(0, 8);
    expect(s.r.mroute.router.entries().map((e) => e.outs.length)).toEqual([0]);
  });

  it('passes what comes from downstream up and to the other links, but not what comes the wrong way', () => {
    const s = proxied();
    const [l0, l2] = [s.listener(0), s.listener(2)];
    s.net.run(S);
    s.send(1, 8);
    expect([got(l0), got(l2)]).toEqual([['10.0.1.2 7'], ['10.0.1.2 7']]);
    const forged = s.net.udp(s.hosts[1] as Vnet, 0);
    forged.close();
    s.net.addr(s.hosts[1] as Vnet, s.far[1] as Ifnet, '10.0.2.77/32');
    const so = s.net.udp(s.hosts[1] as Vnet, 0);
    so.bind(ip4('10.0.2.77'), 0);
    so.setsockopt('IP_MULTICAST_TTL', 8);
    so.setMulticastIf(s.far[1] as Ifnet);
    so.send(new Uint8Array(8), GROUP, 5000);
    s.net.run(S);
    expect([got(l0), got(l2), s.r.mroute.router.stats.wrongIf]).toEqual([[], [], 1]);
  });

  it('forwards only where it is the querier', () => {
    const s = proxied();
    const l1 = s.listener(1);
    s.net.run(S);
    const q = s.r.igmp.querierOf(s.at(1));
    q?.heardQuery(ip4('10.0.1.0'), { group: null, sources: [], suppress: false, responseUs: 10 * S }, 2, 125);
    s.send(0, 8);
    expect(got(l1)).toEqual([]);
  });

  it('is taken down with everything it joined', () => {
    const s = proxied();
    s.listener(1);
    s.net.run(S);
    s.send(0, 8);
    expect(s.call(() => s.r.mroute.router.setProxy(null, []))).toBe(0);
    expect(s.r.inNet.ifinfo(s.at(0))?.groups.has(GROUP)).toBe(false);
    expect(s.r.ip.mrouter).not.toBe(null);
    for (const i of [1, 2]) s.call(() => s.r.mroute.setQuerier(s.at(i), null));
    expect(s.r.ip.mrouter).toBe(null);
  });
});
