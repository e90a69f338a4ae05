/**
 * pcb-multicast.test.ts — the multicast API of sockets: joins, leaves, source filters and their errors; what a socket is given, and what is counted instead.
 */
import { describe, expect, it } from 'vitest';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOSPC } from '../base/errno.js';
import { in6Aifaddr } from '../inet6/in6-control.js';
import type { Ifnet } from '../net/ifnet.js';
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import { dgram } from '../promises/dgram.js';
import { SimNet, ip4 } from '../sim/index.js';
import type { Socket } from '../socket/socket.js';
import { PF_INET6, SOCK_DGRAM } from '../socket/socket-type.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6BigOf, ip6Parse } from '../wire/addr6.js';

const GROUP = ip4('239.1.1.1');
const [A, B, C] = ['10.0.0.2', '10.0.0.3', '10.0.0.4'].map(ip4) as [number, number, number];
const bytes = (text: string): Uint8Array => ip6Parse(text) as Uint8Array;
const GROUP6 = bytes('ff05::1:3');
const S = 1_000_000;

interface Pair {
  readonly net: SimNet;
  readonly a: Vnet;
  readonly b: Vnet;
  readonly ifa: Ifnet;
  readonly ifb: Ifnet;
}

/** Two vnets on an epair; b sends from three addresses. */
function pair(): Pair {
  const net = new SimNet(2);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  for (const v of [a, b]) v.in6Net.tun.dadCount = 0;
  const [ifa, ifb] = net.epair(a, b);
  net.addr(a, ifa, '10.0.0.1/24');
  for (const addr of ['10.0.0.2/24', '10.0.0.3/32', '10.0.0.4/32']) net.addr(b, ifb, addr);
  net.kernel.call(net.now, () => {
    in6Aifaddr(a.in6Net, ifa, { addr: bytes('2001:db8::1'), plen: 64 });
    for (const x of ['2001:db8::2', '2001:db8::3']) in6Aifaddr(b.in6Net, ifb, { addr: bytes(x), plen: 64 });
  });
  net.run(5 * S);
  return { net, a, b, ifa, ifb };
}

/** b sends a datagram to the group from each source; how many `so` got. */
function heard(p: Pair, so: Socket, sources: readonly number[]): number[] {
  return sources.map((src) => {
    const from = p.net.udp(p.b, 0);
    from.bind(src, 0);
    from.setMulticastIf(p.ifb);
    expect(from.send(new Uint8Array(4), GROUP, 5000)).toBe(0);
    from.close();
    p.net.run(1000);
    return so.recv(new Uint8Array(16)) > 0 ? 1 : 0;
  });
}

describe('groups of a socket', () => {
  it('EXCLUDE: everything but what is blocked', () => {
    const p = pair();
    const so = p.net.udp(p.a, 5000);
    expect(heard(p, so, [A])).toEqual([0]);
    expect(so.joinGroup(GROUP, p.ifa)).toBe(0);
    expect(heard(p, so, [A, B, C])).toEqual([1, 1, 1]);
    expect(so.blockSource(GROUP, B, p.ifa)).toBe(0);
    expect(heard(p, so, [A, B, C])).toEqual([1, 0, 1]);
    expect(p.a.udp.stats).toMatchObject({ filtermcast: 1, noportmcast: 1 });
    expect(so.unblockSource(GROUP, B, p.ifa)).toBe(0);
    expect(heard(p, so, [B])).toEqual([1]);
    expect(so.leaveGroup(GROUP, p.ifa)).toBe(0);
    expect(heard(p, so, [A])).toEqual([0]);
  });

  it('INCLUDE: only what is asked for; the last source gone, nothing is heard', () => {
    const p = pair();
    const so = p.net.udp(p.a, 5000);
    expect([so.joinGroup(GROUP, p.ifa, A), so.joinGroup(GROUP, p.ifa, B)]).toEqual([0, 0]);
    expect(heard(p, so, [A, B, C])).toEqual([1, 1, 0]);
    expect([so.leaveGroup(GROUP, p.ifa, A), so.leaveGroup(GROUP, p.ifa, B)]).toEqual([0, 0]);
    expect(heard(p, so, [A, B])).toEqual([0, 0]);
    expect(so.getSourceFilter(GROUP, p.ifa)).toEqual({ mode: MCAST_INCLUDE, sources: new Set() });
    expect(so.setSourceFilter(GROUP, MCAST_EXCLUDE, [C], p.ifa)).toBe(0);
    expect(heard(p, so, [A, B, C])).toEqual([1, 1, 0]);
    expect(p.a.inNet.ifinfo(p.ifa)?.groups.get(GROUP)?.filter).toEqual({ mode: MCAST_EXCLUDE, sources: new Set([C]) });
  });

  it('calls of the other mode, and what is there already, are refused', () => {
    const p = pair();
    const so = p.net.udp(p.a, 5000);
    const on = p.ifa;
    expect([so.leaveGroup(GROUP, on), so.blockSource(GROUP, A, on), so.setSourceFilter(GROUP, MCAST_INCLUDE, [], on), so.getSourceFilter(GROUP, on)]).toEqual([EADDRNOTAVAIL, EADDRNOTAVAIL, EADDRNOTAVAIL, null]);
    so.joinGroup(GROUP, on);
    expect([so.joinGroup(GROUP, on), so.joinGroup(GROUP, on, A), so.leaveGroup(GROUP, on, A), so.unblockSource(GROUP, A, on)]).toEqual([EADDRINUSE, EINVAL, EADDRNOTAVAIL, EADDRNOTAVAIL]);
    so.blockSource(GROUP, A, on);
    expect(so.blockSource(GROUP, A, on)).toBe(EADDRNOTAVAIL);
    so.leaveGroup(GROUP, on);
    so.joinGroup(GROUP, on, A);
    expect([so.joinGroup(GROUP, on), so.joinGroup(GROUP, on, A), so.blockSource(GROUP, B, on), so.leaveGroup(GROUP, on, B)]).toEqual([EINVAL, EADDRNOTAVAIL, EINVAL, EADDRNOTAVAIL]);
    expect([so.joinGroup(A, on), so.joinGroup(GROUP, on, GROUP), so.joinGroup(GROUP, on, 0), so.setSourceFilter(GROUP, MCAST_INCLUDE, [0], on)]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
  });

  it('limits of a socket and of a group', () => {
    const p = pair();
    const [so, other] = [p.net.udp(p.a, 5000), p.net.udp(p.a, 5001)];
    p.a.inNet.tun.mcastSourcesPerSocket = 2;
    so.joinGroup(GROUP, p.ifa, A);
    so.joinGroup(GROUP, p.ifa, B);
    expect([so.joinGroup(GROUP, p.ifa, C), so.setSourceFilter(GROUP, MCAST_INCLUDE, [A, B, C], p.ifa)]).toEqual([ENOSPC, ENOBUFS]);
    p.a.inNet.tun.mcastSourcesPerGroup = 2;
    expect(other.joinGroup(GROUP, p.ifa, C)).toBe(ENOSPC);
    expect(p.a.inNet.ifinfo(p.ifa)?.groups.get(GROUP)).toMatchObject({ members: 1 });
    so.close();
    expect(p.a.inNet.isMember(p.ifa, GROUP)).toBe(false);
  });

  it('IPv6 sockets likewise', () => {
    const p = pair();
    const { so } = p.a.sockets.socket(PF_INET6, SOCK_DGRAM);
    const [X, Y] = [bytes('2001:db8::2'), bytes('2001:db8::3')];
    if (so === null) throw new Error('no socket');
    so.bind({ addr: bytes('::'), scopeId: 0 }, 5000);
    const heard6 = (): number[] => [X, Y].map((src) => {
      const from = p.b.sockets.socket(PF_INET6, SOCK_DGRAM).so as Socket;
      from.bind({ addr: src, scopeId: 0 }, 0);
      expect(from.setMulticastIf(p.ifb)).toBe(0);
      expect(from.send(new Uint8Array(4), { addr: GROUP6, scopeId: 0 }, 5000)).toBe(0);
      from.close();
      p.net.run(1000);
      return so.recv(new Uint8Array(16)) > 0 ? 1 : 0;
    });
    expect([so.joinGroup6(GROUP6, p.ifa, X), heard6()]).toEqual([0, [1, 0]]);
    expect(p.a.udp.stats.filtermcast).toBe(1);
    expect([so.joinGroup6(GROUP6, p.ifa), so.leaveGroup6(GROUP6, p.ifa, Y), so.leaveGroup6(GROUP6, p.ifa)]).toEqual([EINVAL, EADDRNOTAVAIL, 0]);
    expect([so.joinGroup6(GROUP6, p.ifa), so.blockSource6(GROUP6, X, p.ifa), heard6()]).toEqual([0, 0, [0, 1]]);
    expect([so.setSourceFilter6(GROUP6, MCAST_INCLUDE, [X, Y], p.ifa), heard6()]).toEqual([0, [1, 1]]);
    expect(so.getSourceFilter6(GROUP6, p.ifa)).toEqual({ mode: MCAST_INCLUDE, sources: new Set([ip6BigOf(X), ip6BigOf(Y)]) });
    so.close();
    expect(p.a.mld.hostOf(p.ifa)?.groups.get(ip6BigOf(GROUP6))?.filter.sources.size).toBe(0);
  });
});

describe('promises', () => {
  it('join, filter by source and choose the interface by name', async () => {
    const p = pair();
    const so = p.net.kernel.call(p.net.now, () => dgram(p.a, { port: 5000 }));
    const from = p.net.kernel.call(p.net.now, () => dgram(p.b, { address: '10.0.0.3' }));
    so.addSourceSpecificMembership('10.0.0.3', '239.1.1.1', p.ifa.xname);
    from.setMulticastInterface(p.ifb.xname);
    from.setMulticastTTL(3);
    from.setMulticastLoopback(false);
    from.send('hello', 5000, '239.1.1.1');
    p.net.run(1000);
    expect(await so.receive()).toMatchObject({ address: '10.0.0.3' });
    so.dropSourceSpecificMembership('10.0.0.3', '239.1.1.1', p.ifa.xname);
    expect(() => so.addMembership('239.1.1.1', 'nowhere')).toThrow("interface 'nowhere'");
    expect(() => so.addMembership('10.0.0.1', p.ifa.xname)).toThrow('addMembership');
    so.close();
    from.close();
  });
});
