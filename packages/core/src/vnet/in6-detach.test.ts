/**
 * in6-detach.test.ts — what IPv6 does with an interface that goes, in each column of the detach table (docs/teardown.md).
 *
 * In a live vnet in6_ifdetach: transports drop their references, neighbour discovery purges. In a vnet that is taken down in6_ifdetach_destroy, which
 * leaves both out: they have ended, or end as a whole. Nothing is left either way.
 */
import { describe, expect, it } from 'vitest';
import { in6Aifaddr, in6JoinGroup } from '../inet6/in6-control.js';
import { nd6Set } from '../inet6/nd6-control.js';
import { ifDetachInternal } from '../net/if-detach.js';
import { ifCloneDestroy } from '../net/if-clone.js';
import { AF_INET6 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { SimNet } from '../sim/sim-net.js';
import { ip6Parse } from '../wire/addr6.js';
import { macParse } from '../wire/addr.js';
import type { Vnet } from './vnet.js';

const addr = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly ifp: Ifnet;
  /** What was asked of transports and of neighbour discovery, for that interface. */
  readonly log: string[];
}

/** A vnet's own interface with an address, its prefix and route, a neighbour, and a group that somebody joined there and does not leave. */
function bench(): Bench {
  const net = new SimNet(11);
  const v = net.vnet('v');
  const ifp = net.clone(v, 'epair');
  net.up(ifp);
  const log: string[] = [];
  net.kernel.call(net.now, () => {
    v.kern.sysctl.set('net.inet6.ip6.dad_count', 0);
    expect(in6Aifaddr(v.in6Net, ifp, { addr: addr('2001:db8::1'), plen: 64 })).toBe(0);
    expect(nd6Set(v.nd6, addr('2001:db8::2'), macParse('02:00:00:00:00:02') ?? new Uint8Array(6))).toBe(0);
    expect(in6JoinGroup(v.in6Net, ifp, addr('ff05::8'))).toBe(0);
  });
  v.in6Net.purgeUpperEvent.register((gone) => void (gone === ifp && log.push('transports')));
  const { nd } = v.in6Net;
  if (nd === null) throw new Error('no neighbour discovery');
  const purge = nd.purge.bind(nd);
  nd.purge = (gone) => {
    if (gone === ifp) log.push('neighbour discovery');
    purge(gone);
  };
  expect(held(v, ifp)).toEqual({ addrs: 2, prefixes: 2, routes: 4, group: true, data: true });
  return { net, v, ifp, log };
}

function held(v: Vnet, ifp: Ifnet): Record<string, number | boolean> {
  return {
    addrs: v.in6Net.addrs.filter((ia) => ia.ifp === ifp).length,
    prefixes: v.in6Net.prefixes.filter((pr) => pr.ifp === ifp).length,
    routes: v.routes.list(0, AF_INET6).filter((rt) => rt.nexthops.some(({ nh }) => nh.ifp === ifp || nh.gwIfp === ifp)).length,
    group: (v.in6Net.ifinfo(ifp)?.groups.length ?? 0) > 0 || ifp.multiaddrs.length > 0,
    data: ifp.inet6 !== null,
  };
}

const NOTHING = { addrs: 0, prefixes: 0, routes: 0, group: false, data: false };

describe('an interface leaves IPv6', () => {
  it('destroyed: in6_ifdetach', () => {
    const { net, v, ifp, log } = bench();
    expect(net.kernel.call(net.now, () => ifCloneDestroy(v.net, ifp.xname))).toBe(0);
    expect([log, held(v, ifp)]).toEqual([['transports', 'neighbour discovery'], NOTHING]);
    net.kernel.shutdown();
  });

  it('moved as the same object: in6_ifdetach', () => {
    const { net, v, ifp, log } = bench();
    net.kernel.call(net.now, () => {
      ifDetachInternal(ifp, 'vmove');
    });
    expect([log, held(v, ifp)]).toEqual([['transports', 'neighbour discovery'], NOTHING]);
  });

  it('while its vnet is shutting down: in6_ifdetach_destroy, by IPv6 and not by the interface', () => {
    const { net, v, ifp, log } = bench();
    const seen: unknown[] = [];
    const { nd6 } = v;
    const destroy = nd6.destroy.bind(nd6);
    nd6.destroy = () => {
      const { addrs, group } = held(v, ifp);
      seen.push({ addrs, group, attached: v.net.ifnets.includes(ifp) });
      destroy();
    };
    const prison = net.kernel.prisons.find(net.kernel.prisons.prison0, 'v');
    expect(prison === null ? -1 : net.kernel.call(net.now, () => net.kernel.jailRemove(prison))).toBe(0);
    expect(seen).toEqual([{ addrs: 0, group: false, attached: true }]);
    expect([log, held(v, ifp)]).toEqual([[], NOTHING]);
  });
});
