/**
 * routes6.test.ts — IPv6 routes by hand: zones, errors, connected routes, multipath, FIBs, expiry, redirects, messages, order.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EADDRINUSE, EAFNOSUPPORT, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, EOPNOTSUPP, ESRCH } from '../../base/errno.js';
import { CTX_SOFTINT } from '../../kern/context.js';
import { InetBench, NOTHING_LEFT } from '../../inet/test-inet.js';
import type { IfAddr6 } from '../ifaddr.js';
import { ifSetMtu } from '../if.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import { ip6InPrefix, ip6MaskWord, ip6OfWords, ip6Word } from '../../wire/addr6.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_PROTO1, RTF_REJECT } from './nexthop.js';
import type { RouteSpec } from './route-spec.js';

interface Bench {
  readonly b: InetBench;
  readonly em0: Ifnet;
  readonly em1: Ifnet;
  readonly addrs: readonly IfAddr6[];
}

/** em0 (index 2) 2001:db8:1::1/64, em1 (index 3) 2001:db8:2::1/64, both fe80::1/64, lo0 ::1/128; no messages waiting. */
function bench(): Bench {
  const b = new InetBench();
  const em0 = b.ether();
  const em1 = b.ether();
  const addrs = [b.addr6(b.lo0, '::1', 128), b.addr6(em0, 'fe80::1', 64), b.addr6(em0, '2001:db8:1::1', 64), b.addr6(em1, 'fe80::1', 64), b.addr6(em1, '2001:db8:2::1', 64)];
  b.messages();
  return { b, em0, em1, addrs };
}

const CONNECTED = [
  '::1/128 link#1 lo0 UP,HOST,STATIC,PINNED',
  '2001:db8:1::/64 link#2 em0 UP,PINNED',
  '2001:db8:1::1/128 link#2 lo0 UP,HOST,STATIC,PINNED',
  '2001:db8:2::/64 link#3 em1 UP,PINNED',
  '2001:db8:2::1/128 link#3 lo0 UP,HOST,STATIC,PINNED',
  'fe80::%2/64 link#2 em0 UP,PINNED',
  'fe80::1%2/128 link#2 lo0 UP,HOST,STATIC,PINNED',
  'fe80::%3/64 link#3 em1 UP,PINNED',
  'fe80::1%3/128 link#3 lo0 UP,HOST,STATIC,PINNED',
];

const routesOf = (b: InetBench, prefix: string): string[] => b.table6().filter((l) => l.startsWith(`${prefix} `));

describe('connected IPv6 routes', () => {
  it('a prefix and a host route for each address, by address, zones apart; both are announced', () => {
    const { b, em0 } = bench();
    expect(b.table6()).toEqual(CONNECTED);
    expect(b.table()).toEqual([]);
    b.addr6(em0, '2001:db8:3::7', 48);
    expect(b.messages()).toEqual(['ADD 2001:db8:3::/48 link#2 em0 UP,DONE,PINNED', 'ADD 2001:db8:3::7 link#2 lo0 UP,HOST,DONE,STATIC,PINNED']);
  });

  it('prefix routes go with any address of the link, and say so; deleting what is not there has its errors', () => {
    const { b, em0, em1, addrs } = bench();
    const [, , own] = addrs;
    expect(b.routes.ifaPrefix6(RTM_ADD, own!, em0, own!.addr, 64)).toBe(EEXIST);
    expect(b.routes.ifaPrefix6(RTM_DELETE, addrs[1]!, em0, own!.addr, 64)).toBe(0);
    expect(b.messages()).toEqual(['DELETE 2001:db8:1::/64 link#2 em0 DONE,PINNED']);
    expect(b.routes.ifaPrefix6(RTM_DELETE, own!, em0, own!.addr, 64)).toBe(ENETUNREACH);
    expect(b.routes.ifaPrefix6(RTM_DELETE, own!, em0, own!.addr, 128)).toBe(EHOSTUNREACH);
    expect(b.routes.ifaPrefix6(RTM_DELETE, addrs[4]!, em0, b.ip6('2001:db8:2::'), 64)).toBe(ENETUNREACH);
    expect(b.routes.ifaLoopback(RTM_CHANGE, { ...own!, ifp: em1 })).toBe(0);
    expect(routesOf(b, '2001:db8:1::1/128')).toEqual(['2001:db8:1::1/128 link#3 lo0 UP,HOST,STATIC,PINNED']);
    expect(b.messages()).toEqual([]);
    expect(b.routes.ifaLoopback(RTM_DELETE, { ...own!, ifp: em1 })).toBe(0);
    expect(routesOf(b, '2001:db8:1::1/128')).toEqual([]);
    expect(b.messages()).toEqual(['DELETE 2001:db8:1::1 link#3 lo0 HOST,DONE,STATIC,PINNED']);
  });
});

describe('route -6 add', () => {
  it.each([
    ['a default route by a link-local router', '::/0', 'fe80::99%em1', 'ADD ::/0 fe80::99%3 em1 UP,GATEWAY,DONE,STATIC'],
    ['a network', '2001:db8:8::/48', '2001:db8:2::7', 'ADD 2001:db8:8::/48 2001:db8:2::7 em1 UP,GATEWAY,DONE,STATIC'],
    ['a host', '2001:db8:8::9/128', '2001:db8:1::7', 'ADD 2001:db8:8::9 2001:db8:1::7 em0 UP,GATEWAY,HOST,DONE,STATIC'],
    ['host bits are cleared', '2001:db8:8:7::9/46', '2001:db8:1::7', 'ADD 2001:db8:8::/46 2001:db8:1::7 em0 UP,GATEWAY,DONE,STATIC'],
    ['a link-local host', 'fe80::5%em0/128', 'fe80::6%em0', 'ADD fe80::5%2 fe80::6%2 em0 UP,GATEWAY,HOST,DONE,STATIC'],
  ])('%s', (_what, prefix, gateway, message) => {
    const { b } = bench();
    const [dst = '', len = ''] = prefix.split('/');
    expect(b.route6('add', `${dst}/${len}`, gateway)).toBe(0);
    expect(b.messages()).toEqual([message]);
  });

  it.each([
    ['gateway on no network', '2001:db8:8::/48', '2001:db8:9::1', {}, ENETUNREACH],
    ['link-local gateway without its zone', '2001:db8:8::/48', 'fe80::99', {}, ENETUNREACH],
    ['gateway behind the default route only', '2001:db8:8::/48', '2001:db8:9::1', { default: true }, ENETUNREACH],
    ['prefix length', '2001:db8:8::/48', '2001:db8:1::7', { plen: 129 }, EINVAL],
    ['FIB that is not there', '2001:db8:8::/48', '2001:db8:1::7', { fib: 1 }, EINVAL],
    ['neither gateway nor interface', '2001:db8:8::/48', null, {}, EINVAL],
    ['RTF_GATEWAY without a gateway', '2001:db8:8::/48', null, { flags: RTF_GATEWAY }, EINVAL],
    ['a connected prefix', '2001:db8:1::/64', '2001:db8:2::7', {}, EEXIST],
  ])('error: %s', (_what, prefix, gateway, more, error) => {
    const { b } = bench();
    if ('default' in more) b.route6('add', '::/0', '2001:db8:1::7');
    const before = [b.table6(), b.routes.store.count];
    b.messages();
    expect(b.route6('add', prefix, gateway, more)).toBe(error);
    expect([b.table6(), b.routes.store.count]).toEqual(before);
    const said = b.messages();
    expect(said.length).toBe(1);
    expect(said[0]).toMatch(new RegExp(`^ADD .* errno ${error}$`));
  });

  it('a family nobody knows', () => {
    const { b } = bench();
    expect(b.routes.add({ fib: 0, family: 'ipx', dst: 0, plen: 0, flags: 0, silent: true } as unknown as RouteSpec)).toBe(EAFNOSUPPORT);
  });

  it('a gateway behind another route takes that route\'s interface', () => {
    const { b } = bench();
    b.route6('add', '2001:db8:7::/48', 'fe80::99%em0');
    expect(b.route6('add', '2001:db8:8::/48', '2001:db8:7::9')).toBe(0);
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 2001:db8:7::9 em0 UP,GATEWAY,STATIC']);
  });

  it('the far end of a tunnel, an own address, a link without addresses', () => {
    const { b, em0 } = bench();
    const tun = b.tunnel();
    b.addr6(tun, '2001:db8:5::1', 128, '2001:db8:5::2');
    expect(b.route6('add', '2001:db8:8::/48', '2001:db8:5::2')).toBe(0);
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 2001:db8:5::2 tun0 UP,GATEWAY,STATIC']);
    expect(b.route6('add', '2001:db8:9::/48', '2001:db8:1::1')).toBe(0);
    expect(routesOf(b, '2001:db8:9::/48')).toEqual(['2001:db8:9::/48 2001:db8:1::1 em0 UP,STATIC']);
    expect(b.route6('add', '2001:db8:a::/48', null, { ifp: b.tunnel() })).toBe(0);
    expect(routesOf(b, '2001:db8:a::/48')).toEqual(['2001:db8:a::/48 link#5 tun1 UP,STATIC']);
    expect(b.lookup6('2001:db8:a::5')?.ifa).toBe(null);
    expect(b.route6('add', '2001:db8:b::/48', '2001:db8:2::9', { ifp: em0 })).toBe(0);
    expect(routesOf(b, '2001:db8:b::/48')).toEqual(['2001:db8:b::/48 2001:db8:2::9 em0 UP,GATEWAY,STATIC']);
  });

  it.each([['blackhole', RTF_BLACKHOLE, 'BLACKHOLE'], ['reject', RTF_REJECT, 'REJECT']])('%s leads to the loopback interface', (_what, flag, name) => {
    const { b } = bench();
    expect(b.route6('add', '2001:db8:8::/48', '::1', { flags: flag })).toBe(0);
    expect(routesOf(b, '2001:db8:8::/48')).toEqual([`2001:db8:8::/48 ::1 lo0 UP,${name}`]);
    expect(new InetBench().route6('add', '2001:db8:8::/48', null, { flags: flag })).toBe(EOPNOTSUPP);
  });

  it('the words of a gateway are there for packet paths, and its MTU is the least of route, link and router', () => {
    const { b, em0 } = bench();
    b.route6('add', '2001:db8:8::/48', 'fe80::99%em0', { mtu: 1400 });
    b.route6('add', '2001:db8:9::/48', 'fe80::99%em0');
    const nh = b.lookup6('2001:db8:8::1');
    expect([nh?.g0, nh?.g1, nh?.g2, nh?.g3]).toEqual([0xfe80_0002 | 0, 0, 0, 0x99]);
    expect(nh?.gw6).toEqual(b.ip6('fe80::99%em0'));
    const fwd = b.routes.fwd6(0);
    const mtu = (i: number): number => fwd.nhops.mtu(fwd.fib.lookup(0x20010db8, i << 16, 0, 1));
    expect([fwd.nhops.gateway6(nh?.idx ?? 0, 0), fwd.nhops.gateway6(nh?.idx ?? 0, 3)]).toEqual([0xfe80_0002 | 0, 0x99]);
    expect([mtu(8), mtu(9)]).toEqual([1400, 1500]);
    b.routes.store.linkMtu6 = () => 1280;
    b.routes.store.republish(em0);
    expect([mtu(8), mtu(9)]).toEqual([1280, 1280]);
    b.routes.store.linkMtu6 = (ifp) => ifp.mtu;
    ifSetMtu(em0, 1300);
    expect([mtu(8), mtu(9)]).toEqual([1300, 1300]);
  });
});

describe('route -6 delete and change', () => {
  it.each([
    ['a prefix that is not there', '2001:db8:8::/47', null, ESRCH],
    ['another gateway', '2001:db8:8::/48', '2001:db8:1::8', ESRCH],
    ['a connected route', '2001:db8:1::/64', null, EADDRINUSE],
    ['the route of an own address', '2001:db8:1::1/128', null, EADDRINUSE],
  ])('error: %s', (_what, prefix, gateway, error) => {
    const { b } = bench();
    b.route6('add', '2001:db8:8::/48', '2001:db8:1::7');
    const before = b.table6();
    expect(b.route6('delete', prefix, gateway)).toBe(error);
    expect(b.table6()).toEqual(before);
  });

  it('the covering route answers again, and cached look-ups are told', () => {
    const { b } = bench();
    b.route6('add', '2001:db8::/32', '2001:db8:1::7');
    b.route6('add', '2001:db8:8::/48', '2001:db8:2::7');
    b.route6('add', '2001:db8:8::5/128', '2001:db8:1::8');
    const where = (): (number | undefined)[] => ['2001:db8:8::5', '2001:db8:8::6', '2001:db8:9::'].map((a) => b.routes.get6(0, b.ip6(a))?.plen);
    expect(where()).toEqual([128, 48, 32]);
    const nh = b.lookup6('2001:db8:8::6');
    const gen = b.routes.gen6(0);
    expect(b.route6('delete', '2001:db8:8::/48', null)).toBe(0);
    expect([nh?.valid, b.routes.gen6(0) === gen, b.routes.gen4(0)]).toEqual([false, false, 0]);
    expect(where()).toEqual([128, 32, 32]);
    b.messages();
    expect(b.route6('delete', '2001:db8:8::5/128', '2001:db8:1::8')).toBe(0);
    expect(b.messages()).toEqual(['DELETE 2001:db8:8::5 2001:db8:1::8 em0 GATEWAY,HOST,DONE,STATIC']);
    expect(where()).toEqual([32, 32, 32]);
  });

  it('gateway, flags, MTU, link, blackhole and back: another next hop, the same entry', () => {
    const { b, em1 } = bench();
    b.route6('add', '2001:db8:8::/48', '2001:db8:1::7');
    const rt = b.routes.find(0, AF_INET6, b.ip6('2001:db8:8::'), 48);
    b.messages();
    expect(b.route6('change', '2001:db8:8::/48', 'fe80::7%em1', { flags: RTF_GATEWAY | RTF_PROTO1, mtu: 1300 })).toBe(0);
    expect(b.messages()).toEqual(['CHANGE 2001:db8:8::/48 fe80::7%3 em1 UP,GATEWAY,DONE,PROTO1,FIXEDMTU']);
    expect(b.routes.find(0, AF_INET6, b.ip6('2001:db8:8::'), 48)).toBe(rt);
    expect(b.route6('change', '2001:db8:8::/48', '2001:db8:9::1')).toBe(ENETUNREACH);
    b.route6('change', '2001:db8:8::/48', null, { ifp: em1 });
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 link#3 em1 UP,STATIC,FIXEDMTU']);
    b.route6('change', '2001:db8:8::/48', null, { flags: RTF_BLACKHOLE, mtu: 0 });
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 ::1 lo0 UP,BLACKHOLE']);
    b.route6('change', '2001:db8:8::/48', '2001:db8:1::7');
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 2001:db8:1::7 em0 UP,GATEWAY,STATIC']);
  });
});

describe('multipath, FIBs, time', () => {
  it('flows divide by weight; paths are named by their gateways; the interface takes its paths along', () => {
    const { b, em1 } = bench();
    b.route6('add', '2001:db8:8::/48', 'fe80::7%em0', { weight: 1 });
    b.route6('add', '2001:db8:8::/48', 'fe80::7%em1', { weight: 3 });
    expect(b.route6('add', '2001:db8:8::/48', 'fe80::7%em1')).toBe(EEXIST);
    const count = new Map<string, number>();
    for (let flow = 0; flow < 4000; flow++) {
      const nh = b.lookup6('2001:db8:8::1', flow);
      count.set(nh?.ifp.xname ?? '', (count.get(nh?.ifp.xname ?? '') ?? 0) + 1);
    }
    expect([...count]).toEqual([['em0', 1000], ['em1', 3000]]);
    expect(b.route6('delete', '2001:db8:8::/48', null)).toBe(ESRCH);
    b.messages();
    b.routes.flushIf(em1);
    expect(b.messages()).toEqual([]);
    expect(b.table6().filter((l) => l.includes('em1') || l.includes('link#3'))).toEqual([]);
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 fe80::7%2 em0 UP,GATEWAY,STATIC']);
    expect(b.routes.store.groupCount).toBe(0);
  });

  it('the two families share FIBs, indices and nothing else', () => {
    const { b, em0 } = bench();
    b.routes.setFibs(2);
    b.net.kern.sysctl.set('net.add_addr_allfibs', 1);
    b.addr6(em0, '2001:db8:6::1', 64);
    expect(b.messages()).toEqual(['ADD 2001:db8:6::/64 link#2 em0 UP,DONE,PINNED', 'ADD 2001:db8:6::/64 link#2 em0 UP,DONE,PINNED fib 1', 'ADD 2001:db8:6::1 link#2 lo0 UP,HOST,DONE,STATIC,PINNED']);
    b.routes.setFibs(3);
    expect(b.table6(2)).toEqual(b.table6(0).filter((l) => l.includes('PINNED')));
    b.route6('add', '2001:db8:8::/48', null, { ifp: em0 });
    b.route('add', '10.0.0.0/8', null, { ifp: em0 });
    expect(b.lookup6('2001:db8:8::1')).not.toBe(b.routes.lookup4(0, 0x0a000001, 0));
    expect([b.routes.list(0, AF_INET).length, b.routes.list(0, AF_INET6).length]).toEqual([1, 12]);
  });

  it('temporary routes die with a message', () => {
    const { b } = bench();
    b.route6('add', '2001:db8:8::/48', '2001:db8:1::7', { expireUs: b.engine.now + 2_000_000 });
    b.messages();
    b.turn(1_999_999);
    expect(routesOf(b, '2001:db8:8::/48').length).toBe(1);
    b.turn(1);
    expect(b.messages()).toEqual(['DELETE 2001:db8:8::/48 2001:db8:1::7 em0 GATEWAY,DONE,STATIC']);
    expect(routesOf(b, '2001:db8:8::/48')).toEqual([]);
  });

  it('a redirect makes a host route for its lifetime in thread context; another one changes its gateway and begins its time anew', () => {
    const { b, em0 } = bench();
    b.route6('add', '2001:db8:8::/48', 'fe80::76%em0');
    b.messages();
    const redirect = (gateway: string, author: string): void => {
      const previous = b.engine.enter(CTX_SOFTINT);
      b.routes.redirect6(0, b.ip6('2001:db8:8::9'), b.ip6(gateway), b.ip6(author), em0, 3_000_000);
      b.engine.leave(previous);
      expect(routesOf(b, '2001:db8:8::9/128').filter((l) => l.includes(gateway))).toEqual([]);
      b.turn();
    };
    redirect('fe80::77%em0', 'fe80::76%em0');
    expect(b.messages()).toEqual(['REDIRECT 2001:db8:8::9 fe80::77%2 em0 UP,GATEWAY,HOST,DYNAMIC,DONE by fe80::76%2']);
    redirect('fe80::78%em0', 'fe80::77%em0');
    expect(b.messages()).toEqual(['REDIRECT 2001:db8:8::9 fe80::78%2 em0 UP,GATEWAY,HOST,MODIFIED,DONE by fe80::77%2']);
    redirect('fe80::79%em0', 'fe80::76%em0');
    expect(b.messages()).toEqual(['REDIRECT 2001:db8:8::9 fe80::79%2 em0 GATEWAY,HOST,DONE by fe80::76%2 errno 22']);
    expect(routesOf(b, '2001:db8:8::9/128')).toEqual(['2001:db8:8::9/128 fe80::78%2 em0 UP,GATEWAY,HOST,DYNAMIC,MODIFIED']);
    b.turn(4_000_000);
    expect(routesOf(b, '2001:db8:8::9/128')).toEqual([]);
  });

  it('a deleted address leaves its routes another source of the interface, or none; on down static ones stay', () => {
    const { b, em0, addrs } = bench();
    b.route6('add', '2001:db8:8::/48', '2001:db8:1::7');
    b.route6('add', '2001:db8:9::/48', '2001:db8:1::7', { flags: RTF_GATEWAY });
    b.routes.ifaDown(addrs[2]!, false);
    expect([routesOf(b, '2001:db8:8::/48').length, routesOf(b, '2001:db8:9::/48').length]).toEqual([1, 0]);
    b.messages();
    const source = (): unknown => b.lookup6('2001:db8:8::1')?.ifa;
    expect(source()).toBe(addrs[2]);
    for (const [gone, heir] of [[addrs[2], addrs[1]], [addrs[1], null]] as const) {
      em0.addrs = em0.addrs.filter((ifa) => ifa !== gone);
      b.routes.ifaDown(gone!, true);
      expect(source()).toBe(heir);
    }
    expect(routesOf(b, '2001:db8:8::/48')).toEqual(['2001:db8:8::/48 2001:db8:1::7 em0 UP,GATEWAY,STATIC']);
    expect(b.messages()).toEqual([]);
    expect(b.routes.nexthops().filter((nh) => nh.ifa === addrs[1] || nh.ifa === addrs[2])).toEqual([]);
  });
});

describe('IPv6 tables as a whole', () => {
  const words = (seed: number): [number, number, number, number] => [0x20010db8, Math.imul(seed, 0x9e3779b1) | 0, seed % 3 === 0 ? 0 : Math.imul(seed, 0x85ebca6b) | 0, seed | 0];

  it('5,000 routes: every look-up names the longest prefix, whatever shape the table has; sorted; all can go', () => {
    const { b, em0 } = bench();
    const have: (readonly [Uint8Array, number])[] = [];
    for (let i = 0; i < 5_000; i++) {
      const plen = [32, 36, 40, 44, 48, 56, 64, 96, 128][i % 9]!;
      const w = words(i).map((x, k) => x & ip6MaskWord(plen, k));
      const dst = ip6OfWords(w[0]!, w[1]!, w[2]!, w[3]!);
      if (b.routes.add({ fib: 0, family: 'inet6', dst, plen, ifp: em0, flags: 0, silent: true }) === 0) have.push([dst, plen]);
    }
    expect(b.routes.rib('inet6', 0)?.fib.rootBits).toBe(16);
    expect(b.routes.fwd6(0).fib).toBe(b.routes.rib('inet6', 0)?.fib);
    const check = (): void => {
      for (let i = 0; i < 5_000; i += 97) {
        const w = words(i);
        const addr = ip6OfWords(...w);
        const want = have.filter(([dst, plen]) => ip6InPrefix(addr, dst, plen)).reduce((n, [, plen]) => Math.max(n, plen), -1);
        expect(b.routes.get6(0, addr)?.plen ?? -1).toBe(want);
        expect(b.routes.lookup6(0, ...w, 0) === null).toBe(want < 0);
      }
    };
    check();
    const list = b.routes.list(0, AF_INET6);
    for (let i = 1; i < list.length; i++) {
      const order = Buffer.compare(list[i - 1]!.dst, list[i]!.dst);
      expect(order < 0 || (order === 0 && list[i - 1]!.plen > list[i]!.plen)).toBe(true);
    }
    for (const [dst, plen] of have.splice(100)) expect(b.routes.delete({ fib: 0, family: 'inet6', dst, plen, flags: 0, silent: true })).toBe(0);
    expect(b.routes.rib('inet6', 0)?.fib.rootBits).toBe(4);
    check();
    for (const [dst, plen] of have) b.routes.delete({ fib: 0, family: 'inet6', dst, plen, flags: 0, silent: true });
    expect(b.table6()).toEqual(CONNECTED);
  });

  it('leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 128 }), fc.nat(20), fc.boolean()), { maxLength: 30 }), (ops) => {
        const { b } = bench();
        for (const [plen, i, del] of ops) {
          const dst = ip6OfWords(...words(i));
          const gateway = b.ip6(`fe80::${(i % 3) + 2}%em${i % 2}`);
          b.routes[del ? 'delete' : 'add']({ fib: 0, family: 'inet6', dst, plen, gateway, flags: RTF_GATEWAY });
        }
        for (const rt of b.routes.list(0, AF_INET6)) {
          const dst = rt.dst;
          expect(b.routes.lookup6(0, ip6Word(dst, 0), ip6Word(dst, 1), ip6Word(dst, 2), ip6Word(dst, 3), 0)).not.toBe(null);
        }
        b.destroy();
        expect(b.leftovers()).toEqual(NOTHING_LEFT);
      }),
      { numRuns: 40 },
    );
  });
});
