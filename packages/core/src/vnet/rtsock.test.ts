/**
 * rtsock.test.ts — routing messages of whole vnets: which, in which order, and every field of them, for both families alike.
 *
 * The cases and their names are those of FreeBSD's tests/sys/net/routing/test_rtsock_l3.c. What it asks by RTM_GET is asked of the tables,
 * which are what RTM_GET would read. Messages about neighbours (RTF_LLDATA) and groups are left out here.
 */
import { describe, expect, it } from 'vitest';
import { ESRCH } from '../base/errno.js';
import { inAifaddr, inDifaddr } from '../inet/in-control.js';
import { in6Aifaddr, in6Difaddr } from '../inet6/in6-control.js';
import { AF_INET, AF_INET6 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { RouteSpec } from '../net/route/route-spec.js';
import type { Rtentry } from '../net/route/rtentry.js';
import { RTF_DONE, RTF_GATEWAY, RTF_HOST, RTF_LLDATA, RTF_PINNED, RTF_PROTO1, RTF_PROTO2, RTF_STATIC, RTF_UP } from '../net/route/nexthop.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELADDR, RTM_DELETE, RTM_NEWADDR } from '../net/rtsock.js';
import type { RtListener, RtMessage } from '../net/rtsock.js';
import type { Sockaddr } from '../net/sockaddr.js';
import { SimNet } from '../sim/sim-net.js';
import { inetAton, ip4MaskOf } from '../wire/addr.js';
import { ip6MaskOf, ip6Parse } from '../wire/addr6.js';
import type { Vnet } from './vnet.js';

type Family = 'inet' | 'inet6';
/** Network, own address and gateways of the tests: names are FreeBSD's (params.h). */
const NAMES = {
  inet: { net: '192.0.2.0', plen: 24, addr: '192.0.2.10', gw: '192.0.2.254', net2: '198.51.100.0', addr2: '198.51.100.10', gw2: '198.51.100.254', bits: 32 },
  inet6: { net: '2001:db8::', plen: 32, addr: '2001:db8::10', gw: '2001:db8:ffff::fffe', net2: '2001:db9::', addr2: '2001:db9::10', gw2: '2001:db9::fffe', bits: 128 },
} as const;

function sa(family: Family, text: string): Sockaddr {
  return family === 'inet' ? { family, addr: inetAton(text) ?? 0 } : { family, addr: ip6Parse(text) ?? new Uint8Array(16), scopeId: 0 };
}

function mask(family: Family, plen: number): Sockaddr {
  return family === 'inet' ? { family, addr: ip4MaskOf(plen) } : { family, addr: ip6MaskOf(plen), scopeId: 0 };
}

const link = (ifp: Ifnet): Sockaddr => ({ family: 'link', index: ifp.index, name: ifp.xname, lladdr: new Uint8Array(0) });

/** A vnet with two interfaces that are up, and a listener. */
class Bench {
  readonly sim = new SimNet(1);
  readonly vnet: Vnet;
  readonly ifp: Ifnet;
  readonly ifp2: Ifnet;
  readonly family: Family;
  readonly n: (typeof NAMES)[Family];
  private readonly listener: RtListener;

  /** `addressed`: the first interface has its address already. */
  constructor(family: Family, addressed: boolean) {
    this.family = family;
    this.n = NAMES[family];
    this.vnet = this.sim.vnet('v');
    const far = this.sim.vnet('far');
    [this.ifp] = this.sim.epair(this.vnet, far);
    [this.ifp2] = this.sim.epair(this.vnet, far);
    if (addressed) this.address(this.ifp, this.n.addr, true);
    this.sim.run(5_000_000);
    this.listener = this.vnet.net.rtsock!.open();
  }

  /** Sets or removes an address. */
  address(ifp: Ifnet, addr: string, add: boolean): void {
    const { vnet, n } = this;
    const a = sa(this.family, addr);
    const error = this.sim.kernel.call(this.sim.now, () => {
      if (a.family === 'inet') return add ? inAifaddr(vnet.inNet, ifp, { addr: a.addr, plen: n.plen }) : inDifaddr(vnet.inNet, ifp, a.addr);
      if (a.family === 'inet6') return add ? in6Aifaddr(vnet.in6Net, ifp, { addr: a.addr, plen: n.plen }) : in6Difaddr(vnet.in6Net, ifp, a.addr);
      return -1;
    });
    expect(error).toBe(0);
  }

  spec(dst: string, plen: number, gateway: string | null, more: Partial<RouteSpec> = {}): RouteSpec {
    const d = sa(this.family, dst);
    const g = gateway === null ? null : sa(this.family, gateway);
    const base = { fib: 0, family: this.family, dst: addrOf(d), plen, gateway: g === null ? null : addrOf(g), flags: RTF_STATIC | (g === null ? 0 : RTF_GATEWAY) };
    return { ...base, ...more } as RouteSpec;
  }

  route(verb: 'add' | 'delete' | 'change', dst: string, plen: number, gateway: string | null, more: Partial<RouteSpec> = {}): number {
    return this.sim.kernel.call(this.sim.now, () => this.vnet.routes[verb](this.spec(dst, plen, gateway, more)));
  }

  find(dst: string, plen: number): Rtentry | null {
    const d = sa(this.family, dst);
    if (d.family === 'inet') return this.vnet.routes.find(0, AF_INET, d.addr, plen);
    return d.family === 'inet6' ? this.vnet.routes.find(0, AF_INET6, d.addr, plen) : null;
  }

  get(dst: string): Rtentry | null {
    const d = sa(this.family, dst);
    if (d.family === 'inet') return this.vnet.routes.get4(0, d.addr);
    return d.family === 'inet6' ? this.vnet.routes.get6(0, d.addr) : null;
  }

  /** Messages since the last call about addresses and routes. */
  messages(): RtMessage[] {
    const kinds = [RTM_ADD, RTM_DELETE, RTM_CHANGE, RTM_NEWADDR, RTM_DELADDR];
    return this.listener.queue.splice(0).filter((m) => kinds.includes(m.type) && (m.flags & RTF_LLDATA) === 0);
  }
}

const addrOf = (a: Sockaddr): number | Uint8Array => (a.family === 'link' ? 0 : a.addr);

/** A message whose other fields are empty. */
function message(type: number, ifp: Ifnet, fields: Partial<RtMessage>): RtMessage {
  return { type, ifIndex: ifp.index, ifName: ifp.xname, flags: 0, fib: 0, errno: 0, dst: null, gateway: null, netmask: null, author: null, ifa: null, broadcast: null, ...fields };
}

describe.each(['inet', 'inet6'] as const)('%s', (family) => {
  const n = NAMES[family];
  const longer = n.plen + 1;

  it('rtm_get_exact_success, rtm_get_lpm_success, rtm_get_hostbits_success: the route of the interface', () => {
    const b = new Bench(family, true);
    for (const rt of [b.find(n.net, n.plen), b.get(n.gw), b.find(n.addr, n.plen)]) {
      expect(rt).toBe(b.find(n.net, n.plen));
      const nh = rt?.nexthops[0]?.nh;
      expect([rt?.plen, rt?.flags, nh?.gwIfp, nh?.ifp]).toEqual([n.plen, RTF_UP | RTF_PINNED, b.ifp, b.ifp]);
    }
  });

  it('rtm_add_gw_direct_success, rtm_del_prefix_nogw_success', () => {
    const b = new Bench(family, true);
    expect(b.route('add', n.net, longer, n.gw)).toBe(0);
    expect(b.route('delete', n.net, longer, null)).toBe(0);
    const fields = { dst: sa(family, n.net), gateway: sa(family, n.gw), netmask: mask(family, longer) };
    expect(b.messages()).toEqual([
      message(RTM_ADD, b.ifp, { ...fields, flags: RTF_UP | RTF_GATEWAY | RTF_DONE | RTF_STATIC }),
      message(RTM_DELETE, b.ifp, { ...fields, flags: RTF_GATEWAY | RTF_DONE | RTF_STATIC }),
    ]);
  });

  it('rtm_add_no_rtf_host_success: a host route has no netmask, whoever forgot the flag', () => {
    const b = new Bench(family, true);
    expect(b.route('add', n.net2, n.bits, n.gw)).toBe(0);
    expect(b.messages()).toEqual([
      message(RTM_ADD, b.ifp, { dst: sa(family, n.net2), gateway: sa(family, n.gw), flags: RTF_UP | RTF_GATEWAY | RTF_HOST | RTF_DONE | RTF_STATIC }),
    ]);
  });

  it('a refused request carries its error and neither DONE nor UP', () => {
    const b = new Bench(family, true);
    expect(b.route('delete', n.net2, n.plen, n.gw)).toBe(ESRCH);
    expect(b.messages()).toEqual([
      { ...message(RTM_DELETE, b.ifp, { dst: sa(family, n.net2), gateway: sa(family, n.gw), netmask: mask(family, n.plen), flags: RTF_GATEWAY | RTF_STATIC, errno: ESRCH }), ifIndex: 0, ifName: '' },
    ]);
  });

  it('rtm_change_gw_success: a gateway on the other interface', () => {
    const b = new Bench(family, true);
    b.address(b.ifp2, n.addr2, true);
    expect(b.route('add', n.net, longer, n.gw)).toBe(0);
    b.messages();
    expect(b.route('change', n.net, longer, n.gw2)).toBe(0);
    const flags = RTF_UP | RTF_GATEWAY | RTF_DONE | RTF_STATIC;
    expect(b.messages()).toEqual([message(RTM_CHANGE, b.ifp2, { dst: sa(family, n.net), gateway: sa(family, n.gw2), netmask: mask(family, longer), flags })]);
    expect(b.find(n.net, longer)?.nexthops[0]?.nh.ifp).toBe(b.ifp2);
  });

  it('rtm_change_mtu_success, rtm_change_flags_success: the gateway stays', () => {
    const b = new Bench(family, true);
    expect(b.route('add', n.net, longer, n.gw)).toBe(0);
    expect(b.route('change', n.net, longer, null, { flags: RTF_GATEWAY | RTF_STATIC, mtu: 1_300 })).toBe(0);
    expect([b.find(n.net, longer)?.nexthops[0]?.nh.mtu, b.find(n.net, longer)?.nexthops[0]?.nh.pathMtu]).toEqual([1_300, 1_300]);
    expect(b.route('change', n.net, longer, null, { flags: RTF_GATEWAY | RTF_PROTO1 | RTF_PROTO2, mtu: 0 })).toBe(0);
    const m = b.messages();
    expect(m.map(({ type, errno }) => [type, errno])).toEqual([[RTM_ADD, 0], [RTM_CHANGE, 0], [RTM_CHANGE, 0]]);
    expect(m[2]).toEqual(
      message(RTM_CHANGE, b.ifp, { dst: sa(family, n.net), gateway: sa(family, n.gw), netmask: mask(family, longer), flags: RTF_UP | RTF_GATEWAY | RTF_DONE | RTF_PROTO1 | RTF_PROTO2 }),
    );
    expect(b.find(n.net, longer)?.flags).toBe(RTF_UP | RTF_GATEWAY | RTF_PROTO1 | RTF_PROTO2);
  });

  it('rtm_add_temporal1_success: a route with an expiry is deleted with a message', () => {
    const b = new Bench(family, true);
    expect(b.route('add', n.net, longer, n.gw, { expireUs: b.sim.now + 1_000_000 })).toBe(0);
    b.messages();
    b.sim.run(1_500_000);
    const fields = { dst: sa(family, n.net), gateway: sa(family, n.gw), netmask: mask(family, longer) };
    expect(b.messages()).toEqual([message(RTM_DELETE, b.ifp, { ...fields, flags: RTF_GATEWAY | RTF_DONE | RTF_STATIC })]);
  });

  it('rtm_add_gu_ifa_*_success: the address first, then its routes', () => {
    const b = new Bench(family, false);
    b.address(b.ifp, n.addr, true);
    const lo0 = b.vnet.net.loif!;
    const about = b.messages().filter((m) => !isLinkLocal(m));
    const broadcast = family === 'inet' ? sa('inet', '192.0.2.255') : null;
    expect(about).toEqual([
      message(RTM_NEWADDR, b.ifp, { ifa: sa(family, n.addr), netmask: mask(family, n.plen), broadcast }),
      ...(family === 'inet6' ? [message(RTM_ADD, lo0, { dst: sa(family, n.addr), gateway: link(b.ifp), flags: RTF_UP | RTF_HOST | RTF_DONE | RTF_STATIC | RTF_PINNED })] : []),
      message(RTM_ADD, b.ifp, { dst: sa(family, n.net), gateway: link(b.ifp), netmask: mask(family, n.plen), flags: RTF_UP | RTF_DONE | RTF_PINNED }),
    ]);
  });

  it('rtm_del_gu_ifa_*_success: its routes and the address, in each family\'s order', () => {
    const b = new Bench(family, true);
    b.address(b.ifp, n.addr, false);
    const lo0 = b.vnet.net.loif!;
    const broadcast = family === 'inet' ? sa('inet', '192.0.2.255') : null;
    expect(b.messages()).toEqual([
      ...(family === 'inet6' ? [message(RTM_DELETE, lo0, { dst: sa(family, n.addr), gateway: link(b.ifp), flags: RTF_HOST | RTF_DONE | RTF_STATIC | RTF_PINNED })] : []),
      message(RTM_DELADDR, b.ifp, { ifa: sa(family, n.addr), netmask: mask(family, n.plen), broadcast }),
      message(RTM_DELETE, b.ifp, { dst: sa(family, n.net), gateway: link(b.ifp), netmask: mask(family, n.plen), flags: RTF_DONE | RTF_PINNED }),
    ]);
  });
});

/** The automatic link-local address comes with the first one. */
function isLinkLocal(m: RtMessage): boolean {
  const a = m.ifa ?? m.dst;
  return a !== null && a.family === 'inet6' && a.addr[0] === 0xfe;
}
