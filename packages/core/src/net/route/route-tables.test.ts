/**
 * route-tables.test.ts — routes by hand: every error, multipath, FIBs, expiry, messages, order, nothing left behind.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { E2BIG, EADDRINUSE, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS, EOPNOTSUPP, EPERM, ESRCH } from '../../base/errno.js';
import { snapshot } from '../../kern/counters.js';
import { InetBench, NOTHING_LEFT, flagNames, ip } from '../../inet/test-inet.js';
import { ifSetMtu } from '../if.js';
import { ifDetach } from '../if-detach.js';
import { AF_INET } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { RTM_ADD, RTM_DELETE } from '../rtsock.js';
import { ip4MaskOf } from '../../wire/addr.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_PROTO1, RTF_REJECT, RTF_STATIC } from './nexthop.js';
import { RouteStats } from './route-stats.js';
import { RT_MAXFIBS } from './route-tables.js';

/** em0 192.0.2.1/24 (index 2) and em1 198.51.100.1/24 (index 3), lo0 127.0.0.1; no messages waiting. */
function bench(): { b: InetBench; em0: Ifnet; em1: Ifnet } {
  const b = new InetBench();
  const em0 = b.ether();
  const em1 = b.ether();
  b.addr(b.lo0, '127.0.0.1/8');
  b.addr(em0, '192.0.2.1/24');
  b.addr(em1, '198.51.100.1/24');
  b.messages();
  return { b, em0, em1 };
}

const routesOf = (b: InetBench, prefix: string): string[] => b.table().filter((l) => l.startsWith(`${prefix} `));

describe('route add', () => {
  it.each([
    ['a default route', '0.0.0.0/0', '192.0.2.254', 'ADD 0.0.0.0/0 192.0.2.254 em0 UP,GATEWAY,DONE,STATIC'],
    ['a network', '10.0.0.0/8', '198.51.100.7', 'ADD 10.0.0.0/8 198.51.100.7 em1 UP,GATEWAY,DONE,STATIC'],
    ['a host', '10.1.2.3/32', '192.0.2.254', 'ADD 10.1.2.3 192.0.2.254 em0 UP,GATEWAY,HOST,DONE,STATIC'],
    ['host bits are cleared', '10.1.2.3/16', '192.0.2.254', 'ADD 10.1.0.0/16 192.0.2.254 em0 UP,GATEWAY,DONE,STATIC'],
  ])('%s', (_what, prefix, gateway, message) => {
    const { b } = bench();
    expect(b.route('add', prefix, gateway)).toBe(0);
    expect(b.messages()).toEqual([message]);
  });

  it.each([
    ['gateway on no network', '10.0.0.0/8', '203.0.113.1', {}, ENETUNREACH],
    ['gateway behind the default route only', '10.0.0.0/8', '8.8.8.8', { default: true }, ENETUNREACH],
    ['prefix length', '10.0.0.0/8', '192.0.2.254', { plen: 33 }, EINVAL],
    ['negative prefix length', '10.0.0.0/8', '192.0.2.254', { plen: -1 }, EINVAL],
    ['FIB that is not there', '10.0.0.0/8', '192.0.2.254', { fib: 1 }, EINVAL],
    ['neither gateway nor interface', '10.0.0.0/8', null, {}, EINVAL],
    ['RTF_GATEWAY without a gateway', '10.0.0.0/8', null, { flags: RTF_GATEWAY }, EINVAL],
    ['a connected prefix', '192.0.2.0/24', '198.51.100.7', {}, EEXIST],
  ])('error: %s', (_what, prefix, gateway, more, error) => {
    const { b } = bench();
    if ('default' in more) b.route('add', '0.0.0.0/0', '192.0.2.254');
    const before = [b.table(), b.routes.store.count];
    b.messages();
    expect(b.route('add', prefix, gateway, more)).toBe(error);
    expect([b.table(), b.routes.store.count]).toEqual(before);
    const said = b.messages();
    expect(said.length).toBe(1);
    expect(said[0]).toMatch(new RegExp(`^ADD .* errno ${error}$`));
    expect(said[0]).not.toContain('DONE');
  });

  it('a gateway behind another route takes that route\'s interface', () => {
    const { b } = bench();
    b.route('add', '203.0.113.0/24', '192.0.2.254');
    expect(b.route('add', '10.0.0.0/8', '203.0.113.9')).toBe(0);
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 203.0.113.9 em0 UP,GATEWAY,STATIC']);
  });

  it('the longest of several networks decides where a gateway is', () => {
    const { b, em1 } = bench();
    b.addr(em1, '192.0.2.129/25');
    b.route('add', '10.0.0.0/8', '192.0.2.200');
    expect(routesOf(b, '10.0.0.0/8')[0]).toContain(' em1 ');
  });

  it('an own address as gateway makes an interface route', () => {
    const { b } = bench();
    expect(b.route('add', '10.0.0.0/8', '192.0.2.1')).toBe(0);
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 192.0.2.1 em0 UP,STATIC']);
    expect(b.routes.lookup4(0, ip('10.5.5.5'), 0)?.hop4(ip('10.5.5.5'))).toBe(ip('10.5.5.5'));
  });

  it('-interface needs no address there', () => {
    const { b } = bench();
    const tun = b.tunnel();
    expect(b.route('add', '172.16.0.0/12', null, { ifp: tun })).toBe(0);
    expect(b.messages()).toContain('ADD 172.16.0.0/12 link#4 tun0 UP,DONE,STATIC');
    expect(b.routes.lookup4(0, ip('172.20.0.1'), 0)?.ifa).toBe(null);
  });

  it('-ifp with a gateway that is not on its network uses that interface all the same', () => {
    const { b, em1 } = bench();
    expect(b.route('add', '10.0.0.0/8', '192.0.2.254', { ifp: em1 })).toBe(0);
    expect(routesOf(b, '10.0.0.0/8')[0]).toContain('192.0.2.254 em1 ');
    expect(b.route('add', '11.0.0.0/8', '192.0.2.254', { ifp: b.tunnel() })).toBe(ENETUNREACH);
  });

  it.each([['blackhole', RTF_BLACKHOLE, 'BLACKHOLE'], ['reject', RTF_REJECT, 'REJECT']])('%s leads to the loopback interface', (_what, flag, name) => {
    const { b } = bench();
    expect(b.route('add', '10.0.0.0/8', '127.0.0.1', { flags: flag | RTF_STATIC | RTF_GATEWAY })).toBe(0);
    const nh = b.routes.lookup4(0, ip('10.0.0.1'), 0);
    expect([nh?.ifp.xname, flagNames(nh?.flags ?? 0).split(',').includes(name), (nh?.flags ?? 0) & RTF_GATEWAY]).toEqual(['lo0', true, 0]);
    const bare = new InetBench();
    expect(bare.route('add', '10.0.0.0/8', null, { flags: flag })).toBe(EOPNOTSUPP);
  });

  it('MTU, and what the interface allows of it', () => {
    const { b, em0 } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254', { mtu: 1400 });
    b.route('add', '11.0.0.0/8', '192.0.2.254', { mtu: 9000 });
    b.route('add', '12.0.0.0/8', '192.0.2.254');
    const mtus = (): (number | undefined)[] => ['10.0.0.1', '11.0.0.1', '12.0.0.1'].map((a) => b.routes.lookup4(0, ip(a), 0)?.pathMtu);
    expect(mtus()).toEqual([1400, 1500, 1500]);
    ifSetMtu(em0, 1200);
    expect(mtus()).toEqual([1200, 1200, 1200]);
    const table = b.routes.fwd4(0);
    expect(table.nhops.mtu(table.fib.lookup(ip('10.0.0.1')))).toBe(1200);
  });
});

describe('route delete', () => {
  it.each([
    ['a prefix that is not there', '10.0.0.0/9', null, ESRCH],
    ['another gateway', '10.0.0.0/8', '192.0.2.253', ESRCH],
    ['a connected route', '192.0.2.0/24', null, EADDRINUSE],
    ['the route of an own address', '192.0.2.1/32', null, EADDRINUSE],
  ])('error: %s', (_what, prefix, gateway, error) => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    const before = b.table();
    expect(b.route('delete', prefix, gateway)).toBe(error);
    expect(b.table()).toEqual(before);
  });

  it('with and without its gateway', () => {
    const { b } = bench();
    for (const gateway of ['192.0.2.254', null]) {
      b.route('add', '10.0.0.0/8', '192.0.2.254');
      const nh = b.routes.lookup4(0, ip('10.0.0.1'), 0);
      const gen = b.routes.gen4(0);
      b.messages();
      expect(b.route('delete', '10.0.0.0/8', gateway)).toBe(0);
      expect(b.messages()).toEqual(['DELETE 10.0.0.0/8 192.0.2.254 em0 GATEWAY,DONE,STATIC']);
      expect(b.routes.lookup4(0, ip('10.0.0.1'), 0)).toBe(null);
      expect(nh?.valid).toBe(false);
      expect(b.routes.gen4(0)).not.toBe(gen);
    }
  });

  it('the covering route answers again', () => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.route('add', '10.1.0.0/16', '198.51.100.7');
    b.route('add', '10.1.0.5/32', '192.0.2.253');
    const where = (): (string | undefined)[] => ['10.1.0.5', '10.1.0.6', '10.2.0.1'].map((a) => b.routes.get4(0, ip(a))?.plen.toString());
    expect(where()).toEqual(['32', '16', '8']);
    b.route('delete', '10.1.0.0/16', null);
    expect(where()).toEqual(['32', '8', '8']);
    b.route('delete', '10.1.0.5/32', null);
    expect(where()).toEqual(['8', '8', '8']);
  });
});

describe('route change', () => {
  it('of a prefix that is not there', () => {
    const { b } = bench();
    expect(b.route('change', '10.0.0.0/8', '192.0.2.254')).toBe(ESRCH);
  });

  it('gateway, flags, MTU: another next hop, the same entry', () => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    const rt = b.routes.find(0, AF_INET, ip('10.0.0.0'), 8);
    const old = rt?.nexthops[0]?.nh;
    b.messages();
    expect(b.route('change', '10.0.0.0/8', '198.51.100.7', { flags: RTF_GATEWAY | RTF_PROTO1, mtu: 1300 })).toBe(0);
    expect(b.messages()).toEqual(['CHANGE 10.0.0.0/8 198.51.100.7 em1 UP,GATEWAY,DONE,PROTO1,FIXEDMTU']);
    expect(b.routes.find(0, AF_INET, ip('10.0.0.0'), 8)).toBe(rt);
    expect([old?.valid, rt?.nexthops[0]?.nh.mtu]).toEqual([false, 1300]);
    expect(b.route('change', '10.0.0.0/8', '203.0.113.1')).toBe(ENETUNREACH);
    expect(b.route('change', '10.0.0.0/8', null, { mtu: 0 })).toBe(0);
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 198.51.100.7 em1 UP,GATEWAY,STATIC']);
  });

  it('to an interface, to a blackhole and back', () => {
    const { b, em1 } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.route('change', '10.0.0.0/8', null, { ifp: em1 });
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 link#3 em1 UP,STATIC']);
    b.route('change', '10.0.0.0/8', null, { flags: RTF_BLACKHOLE });
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 127.0.0.1 lo0 UP,BLACKHOLE']);
    b.route('change', '10.0.0.0/8', '192.0.2.254');
    expect(routesOf(b, '10.0.0.0/8')).toEqual(['10.0.0.0/8 192.0.2.254 em0 UP,GATEWAY,STATIC']);
  });
});

describe('multipath', () => {
  const PREFIX = '10.0.0.0/8';

  it.each([
    [['+10', '+11', '+12']], [['+10=2', '+5=3']], [['+10=2', '+5=3', '-10']], [['+10=2', '+5=3', '-5']], [['+10=2', '+5=3', '~5=4']],
    [['+10=2', '+5=3', '+7=4', '~10=3']], [['+10', '+11', '-10', '-11', '+12']], [['+10=0', '+11=0']],
  ])('%j', (steps) => {
    const { b } = bench();
    const want = new Map<string, number>();
    for (const step of steps) {
      const [, sign = '', host = '', weight] = /^([-+~])(\d+)(?:=(\d+))?$/.exec(step) ?? [];
      const gateway = `192.0.2.${host}`;
      const more = weight === undefined ? {} : { weight: Number(weight) };
      const verb = sign === '+' ? 'add' : sign === '-' ? 'delete' : 'change';
      b.messages();
      expect(b.route(verb, PREFIX, gateway, more)).toBe(0);
      const said = b.messages();
      expect(said.length).toBe(1);
      expect(said[0]).toMatch(new RegExp(`^${verb.toUpperCase()} 10.0.0.0/8 ${gateway} em0 `));
      if (sign === '-') want.delete(gateway);
      else want.set(gateway, Number(weight ?? 1) || 1);
      const have = b.routes.find(0, AF_INET, ip('10.0.0.0'), 8)?.nexthops ?? [];
      expect(new Map(have.map((p) => [p.nh.gw4, p.weight]))).toEqual(new Map([...want].map(([g, w]) => [ip(g), w])));
    }
    expect(b.routes.store.groupCount).toBe(want.size > 1 ? 1 : 0);
    for (const gateway of want.keys()) b.route('delete', PREFIX, gateway);
    expect(routesOf(b, PREFIX)).toEqual([]);
    expect([b.routes.store.groupCount, b.routes.store.count]).toEqual([0, 5]);
  });

  it('errors: the same path, an unknown path, no gateway, a link, too many', () => {
    const { b, em0 } = bench();
    b.route('add', PREFIX, '192.0.2.10');
    expect(b.route('add', PREFIX, '192.0.2.10')).toBe(EEXIST);
    b.route('add', PREFIX, '192.0.2.11');
    expect(b.route('add', PREFIX, '192.0.2.11')).toBe(EEXIST);
    expect(b.route('change', PREFIX, '192.0.2.7')).toBe(ESRCH);
    expect(b.route('delete', PREFIX, '192.0.2.7')).toBe(ESRCH);
    expect(b.route('delete', PREFIX, null)).toBe(ESRCH);
    expect(b.route('add', PREFIX, null, { ifp: em0 })).toBe(EEXIST);
    for (let i = 12; i < 74; i++) expect(b.route('add', PREFIX, `192.0.2.${i}`)).toBe(0);
    const count = b.routes.store.count;
    expect(b.route('add', PREFIX, '192.0.2.200')).toBe(E2BIG);
    expect(b.routes.store.count).toBe(count);
  });

  it('off: a second gateway is refused', () => {
    const { b } = bench();
    expect(b.net.kern.sysctl.set('net.route.multipath', 0)).toBe(0);
    b.route('add', PREFIX, '192.0.2.10');
    expect(b.route('add', PREFIX, '192.0.2.11')).toBe(EEXIST);
    expect(b.net.kern.sysctl.find('net.route.hash_outbound')?.get()).toBe(0);
  });

  it('flows divide by weight, and each flow keeps its path', () => {
    const { b } = bench();
    b.route('add', PREFIX, '192.0.2.10', { weight: 1 });
    b.route('add', PREFIX, '198.51.100.10', { weight: 3 });
    expect(b.net.kern.sysctl.find('net.route.hash_outbound')?.get()).toBe(1);
    const count = new Map<string, number>();
    for (let flow = 0; flow < 4000; flow++) {
      const nh = b.routes.lookup4(0, ip('10.1.1.1'), flow);
      expect(b.routes.lookup4(0, ip('10.1.1.1'), flow)).toBe(nh);
      count.set(nh?.ifp.xname ?? '', (count.get(nh?.ifp.xname ?? '') ?? 0) + 1);
      const fwd = b.routes.fwd4(0);
      expect(fwd.nhops.select(fwd.fib.lookup(ip('10.1.1.1')), flow)).toBe(nh?.idx);
    }
    expect([...count]).toEqual([['em0', 1000], ['em1', 3000]]);
  });

  it('an interface that goes takes its paths along', () => {
    const { b, em1 } = bench();
    b.route('add', PREFIX, '192.0.2.10');
    b.route('add', PREFIX, '198.51.100.10');
    ifDetach(em1);
    expect(routesOf(b, PREFIX)).toEqual(['10.0.0.0/8 192.0.2.10 em0 UP,GATEWAY,STATIC']);
    expect(b.routes.store.groupCount).toBe(0);
  });
});

describe('FIBs', () => {
  it('grow at run time, never shrink, up to RT_MAXFIBS; an unused one costs nothing', () => {
    const { b } = bench();
    const { sysctl } = b.net.kern;
    expect(sysctl.find('net.fibs')?.get()).toBe(1);
    expect(sysctl.set('net.fibs', 4)).toBe(0);
    expect(b.routes.fibs).toBe(4);
    expect(sysctl.set('net.fibs', 3)).toBe(EPERM);
    expect(sysctl.set('net.fibs', -1)).toBe(EINVAL);
    expect(sysctl.set('net.fibs', 1_000_000)).toBe(0);
    expect(b.routes.fibs).toBe(RT_MAXFIBS);
    expect(b.routes.rib('inet', RT_MAXFIBS - 1)).toBe(null);
    expect(b.routes.lookup4(RT_MAXFIBS - 1, ip('192.0.2.9'), 0)).toBe(null);
    expect(b.routes.lookup4(RT_MAXFIBS, ip('192.0.2.9'), 0)).toBe(null);
  });

  it('are separate', () => {
    const { b, em1 } = bench();
    b.routes.setFibs(2);
    b.route('add', '0.0.0.0/0', '192.0.2.254');
    expect(b.route('add', '0.0.0.0/0', '198.51.100.7', { fib: 1 })).toBe(ENETUNREACH);
    b.delAddr(em1, '198.51.100.1');
    em1.fib = 1;
    b.addr(em1, '198.51.100.1/24');
    b.messages();
    expect(b.route('add', '0.0.0.0/0', '198.51.100.7', { fib: 1 })).toBe(0);
    expect(b.messages()).toEqual(['ADD 0.0.0.0/0 198.51.100.7 em1 UP,GATEWAY,DONE,STATIC fib 1']);
    expect([0, 1].map((fib) => b.routes.lookup4(fib, ip('8.8.8.8'), 0)?.ifp.xname)).toEqual(['em0', 'em1']);
    expect(b.table(1).length).toBe(3);
  });

  it('add_addr_allfibs: connected routes in all, also in those made later', () => {
    const { b, em0 } = bench();
    b.routes.setFibs(2);
    b.net.kern.sysctl.set('net.add_addr_allfibs', 1);
    b.addr(em0, '203.0.113.1/24');
    expect(b.messages()).toEqual([
      'NEWADDR 203.0.113.1/24 brd 203.0.113.255 em0',
      'ADD 203.0.113.0/24 link#2 em0 UP,DONE,PINNED',
      'ADD 203.0.113.0/24 link#2 em0 UP,DONE,PINNED fib 1',
    ]);
    b.routes.setFibs(3);
    expect(b.messages()).toEqual([]);
    expect(b.table(2)).toContain('203.0.113.0/24 link#2 em0 UP,PINNED');
    expect(b.table(2)).toContain('192.0.2.0/24 link#2 em0 UP,PINNED');
    b.delAddr(em0, '203.0.113.1');
    for (const fib of [0, 1, 2]) expect(b.table(fib).some((l) => l.startsWith('203.0.113.0/24'))).toBe(false);
  });
});

describe('prefix routes of addresses', () => {
  it('deleting succeeds when any FIB had the route, and says what kind was missing otherwise', () => {
    const { b, em0 } = bench();
    const ia = b.inNet.addrOf(ip('192.0.2.1')) ?? expect.fail('no address');
    b.routes.setFibs(2);
    b.net.kern.sysctl.set('net.add_addr_allfibs', 1);
    expect(b.routes.ifaPrefix(RTM_ADD, ia, em0, ip('192.0.2.0'), 24)).toBe(EEXIST);
    b.routes.ifaPrefix(RTM_DELETE, ia, em0, ip('192.0.2.0'), 24);
    b.net.kern.sysctl.set('net.add_addr_allfibs', 0);
    expect(b.routes.ifaPrefix(RTM_ADD, ia, em0, ip('192.0.2.0'), 24)).toBe(0);
    b.net.kern.sysctl.set('net.add_addr_allfibs', 1);
    expect(b.routes.ifaPrefix(RTM_DELETE, ia, em0, ip('192.0.2.0'), 24)).toBe(0);
    expect(b.routes.ifaPrefix(RTM_DELETE, ia, em0, ip('192.0.2.0'), 24)).toBe(ENETUNREACH);
    expect(b.routes.ifaPrefix(RTM_DELETE, ia, em0, ip('10.9.9.9'), 32)).toBe(EHOSTUNREACH);
  });
});

describe('temporary routes', () => {
  it('die at their time, with a message, in thread context', () => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254', { expireUs: 2_000_000 });
    b.route('add', '11.0.0.0/8', '192.0.2.254', { expireUs: 1_000_000 });
    b.route('add', '12.0.0.0/8', '192.0.2.254');
    b.messages();
    b.turn(999_999);
    expect(b.messages()).toEqual([]);
    b.turn(1);
    expect(b.messages()).toEqual(['DELETE 11.0.0.0/8 192.0.2.254 em0 GATEWAY,DONE,STATIC']);
    b.turn(1_000_000);
    expect(b.messages()).toEqual(['DELETE 10.0.0.0/8 192.0.2.254 em0 GATEWAY,DONE,STATIC']);
    expect(b.net.kern.calloutsArmed).toBe(0);
    expect(b.routes.get4(0, ip('12.0.0.1'))?.plen).toBe(8);
  });

  it('with a time in the past die at once', () => {
    const { b } = bench();
    b.turn(5_000_000);
    b.route('add', '10.0.0.0/8', '192.0.2.254', { expireUs: 1 });
    b.turn();
    expect(b.messages()).toEqual(['ADD 10.0.0.0/8 192.0.2.254 em0 UP,GATEWAY,DONE,STATIC', 'DELETE 10.0.0.0/8 192.0.2.254 em0 GATEWAY,DONE,STATIC']);
  });

  it('destroy while one is waiting leaves no timer', () => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254', { expireUs: 9_000_000 });
    expect(b.net.kern.calloutsArmed).toBe(1);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('redirects', () => {
  const to = (b: InetBench, em0: Ifnet, gateway: string, more: { dst?: string; author?: string; timeout?: number } = {}): number[] => {
    const told: number[] = [];
    const spec = { fib: 0, family: 'inet', dst: ip(more.dst ?? '8.8.8.8'), plen: 32, gateway: ip(gateway), ifp: em0, flags: RTF_GATEWAY } as const;
    b.routes.redirect({ spec, author: ip(more.author ?? '192.0.2.254'), ifp: em0, timeout: more.timeout ?? 5 }, (e) => void told.push(e));
    return told;
  };
  const routed = (): ReturnType<typeof bench> => {
    const t = bench();
    t.b.route('add', '0.0.0.0/0', '192.0.2.254');
    t.b.messages();
    Object.assign(t.b.routes.stats, new RouteStats());
    return t;
  };

  it('make a host route that lives its seconds in full, and dies within the second after', () => {
    const { b, em0 } = routed();
    b.turn(300_000);
    expect(to(b, em0, '192.0.2.253')).toEqual([0]);
    expect(b.messages()).toEqual(['REDIRECT 8.8.8.8 192.0.2.253 em0 UP,GATEWAY,HOST,DYNAMIC,DONE by 192.0.2.254']);
    expect(routesOf(b, '8.8.8.8/32')).toEqual(['8.8.8.8/32 192.0.2.253 em0 UP,GATEWAY,HOST,DYNAMIC']);
    expect([snapshot(b.routes.stats), b.routes.dynamicCount]).toEqual([{ ...new RouteStats(), dynamic: 1 }, 1]);
    b.turn(5_600_000); // 5.9 s
    expect(routesOf(b, '8.8.8.8/32')).toHaveLength(1);
    b.turn(100_000);
    expect([routesOf(b, '8.8.8.8/32'), b.messages(), b.routes.dynamicCount]).toEqual([[], [], 0]);
  });

  it('change the gateway of a host route that is there: UGHMS, which stays; of a dynamic one, which lives anew', () => {
    const { b, em0 } = routed();
    b.route('add', '8.8.8.8/32', '192.0.2.254');
    b.messages();
    expect(to(b, em0, '192.0.2.253')).toEqual([0]);
    expect(b.messages()).toEqual(['REDIRECT 8.8.8.8 192.0.2.253 em0 UP,GATEWAY,HOST,MODIFIED,DONE by 192.0.2.254']);
    expect(routesOf(b, '8.8.8.8/32')).toEqual(['8.8.8.8/32 192.0.2.253 em0 UP,GATEWAY,HOST,MODIFIED,STATIC']);
    to(b, em0, '192.0.2.252', { dst: '9.9.9.9' });
    b.turn(4_000_000);
    expect(to(b, em0, '192.0.2.253', { dst: '9.9.9.9', author: '192.0.2.252' })).toEqual([0]);
    b.turn(4_000_000);
    expect(routesOf(b, '9.9.9.9/32')).toEqual(['9.9.9.9/32 192.0.2.253 em0 UP,GATEWAY,HOST,DYNAMIC,MODIFIED']);
    b.turn(2_000_000);
    expect([routesOf(b, '9.9.9.9/32'), routesOf(b, '8.8.8.8/32').length]).toEqual([[], 1]);
    expect(snapshot(b.routes.stats)).toEqual({ ...new RouteStats(), dynamic: 1, newgateway: 2 });
  });

  it.each<[string, string, { dst?: string; author?: string }, number]>([
    ['to a gateway on no network of ours', '203.0.200.1', {}, ENETUNREACH],
    ['to the broadcast address', '192.0.2.255', {}, ENETUNREACH],
    ['not from the router in use', '192.0.2.253', { author: '192.0.2.9' }, EINVAL],
    ['for a neighbour', '192.0.2.253', { dst: '192.0.2.77' }, EINVAL],
    ['for ourselves', '192.0.2.253', { dst: '192.0.2.1' }, EINVAL],
    ['to ourselves', '192.0.2.1', {}, EHOSTUNREACH],
    ['for what is rejected', '192.0.2.253', { dst: '203.0.113.1' }, EINVAL],
  ])('%s: refused with its reason, counted, told', (_name, gateway, more, error) => {
    const { b, em0 } = routed();
    b.route('add', '203.0.113.0/24', '192.0.2.254', { flags: RTF_GATEWAY | RTF_REJECT });
    b.messages();
    const before = b.table();
    expect(to(b, em0, gateway, more)).toEqual([error]);
    expect(b.messages()).toEqual([`REDIRECT ${more.dst ?? '8.8.8.8'} ${gateway} em0 GATEWAY,HOST,DONE by ${more.author ?? '192.0.2.254'} errno ${error}`]);
    expect([b.table(), snapshot(b.routes.stats)]).toEqual([before, { ...new RouteStats(), badredirect: 1 }]);
  });

  it('by an interface that is not the gateway\'s, and where no route leads: EINVAL', () => {
    const { b } = routed();
    const em1 = b.ether();
    b.addr(em1, '198.51.100.1/24');
    expect(to(b, em1, '192.0.2.253')).toEqual([EINVAL]);
    b.route('delete', '0.0.0.0/0', null);
    expect(to(b, b.net.ifunit('em0')!, '192.0.2.253')).toEqual([EINVAL]);
  });

  it('one path of several: the one by way of the author', () => {
    const { b, em0 } = routed();
    for (const gw of ['192.0.2.254', '192.0.2.252']) b.route('add', '8.8.8.8/32', gw);
    expect(to(b, em0, '192.0.2.253', { author: '192.0.2.252' })).toEqual([0]);
    expect(routesOf(b, '8.8.8.8/32').map((l) => l.split(' ')[1]).sort()).toEqual(['192.0.2.253', '192.0.2.254']);
  });

  it('no more than 4096 routes; without a lifetime for ever; dynamic_rt_msg announces them', () => {
    const { b, em0 } = routed();
    for (let i = 0; i < 4_097; i++) {
      const told = to(b, em0, '192.0.2.253', { dst: `8.8.${i >> 8}.${i & 255}`, timeout: 0 });
      expect(told).toEqual([i < 4_096 ? 0 : ENOBUFS]);
    }
    b.turn(10_000_000_000);
    expect(b.routes.dynamicCount).toBe(4_096);
    b.route('delete', '8.8.0.0/32', null);
    b.messages();
    b.routes.dynamicRtMsg = 1;
    to(b, em0, '192.0.2.253', { dst: '9.9.9.9' });
    b.turn(6_000_000);
    expect(b.messages()).toEqual([
      'ADD 9.9.9.9 192.0.2.253 em0 UP,GATEWAY,HOST,DYNAMIC,DONE', 'REDIRECT 9.9.9.9 192.0.2.253 em0 UP,GATEWAY,HOST,DYNAMIC,DONE by 192.0.2.254',
      'DELETE 9.9.9.9 192.0.2.253 em0 GATEWAY,HOST,DYNAMIC,DONE',
    ]);
  });

  it('live as long as redirtimeout says now; 0 takes their end away', () => {
    const { b, em0 } = routed();
    const expiry = (): number | undefined => b.routes.find(0, AF_INET, ip('8.8.8.8'), 32)?.nexthops[0]?.expireUs;
    to(b, em0, '192.0.2.253', { timeout: 600 });
    b.routes.redirectTimeoutChanged(600, 5);
    expect(expiry()).toBe(6_000_000);
    b.turn(6_000_000);
    expect(expiry()).toBeUndefined();
    to(b, em0, '192.0.2.253', { timeout: 600 });
    b.routes.redirectTimeoutChanged(600, 0);
    b.turn(10_000_000_000);
    b.routes.redirectTimeoutChanged(0, 5); // new routes only
    expect(expiry()).toBe(0);
  });

  it('a vnet that is gone makes none', () => {
    const { b, em0 } = routed();
    b.routes.destroy();
    expect(to(b, em0, '192.0.2.253')).toEqual([EINVAL]);
    expect(b.routes.store.count).toBe(0);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('RouteTables as a whole', () => {
  it('lists in the order netstat prints: by address, longest prefix first', () => {
    const { b } = bench();
    for (const p of ['10.0.0.0/24', '10.0.0.0/8', '10.0.0.0/32', '0.0.0.0/0', '9.255.0.0/16', '10.0.1.0/24']) b.route('add', p, '192.0.2.254');
    expect(b.table().map((l) => l.split(' ')[0])).toEqual([
      '0.0.0.0/0', '9.255.0.0/16', '10.0.0.0/32', '10.0.0.0/24', '10.0.0.0/8', '10.0.1.0/24', '127.0.0.1/32', '192.0.2.0/24', '192.0.2.1/32',
      '198.51.100.0/24', '198.51.100.1/32',
    ]);
  });

  it('equal next hops are one object, counted', () => {
    const { b } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.route('add', '11.0.0.0/8', '192.0.2.254');
    const nh = b.routes.lookup4(0, ip('10.0.0.1'), 0);
    expect(b.routes.lookup4(0, ip('11.0.0.1'), 0)).toBe(nh);
    expect(nh?.refs).toBe(2);
    b.route('delete', '10.0.0.0/8', null);
    expect([nh?.refs, nh?.valid]).toEqual([1, true]);
    expect(b.routes.nexthop(nh?.idx ?? 0)).toBe(nh);
    b.route('delete', '11.0.0.0/8', null);
    expect([nh?.refs, nh?.valid, b.routes.nexthop(nh?.idx ?? 0), b.routes.store.table.flags(nh?.idx ?? 0)]).toEqual([0, false, null, 0]);
  });

  it('address deletion takes the routes that used it as source, static ones too; down spares static ones', () => {
    const { b, em0 } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.route('add', '11.0.0.0/8', '192.0.2.254', { flags: RTF_GATEWAY | RTF_PROTO1 });
    b.routes.ifaDown(b.inNet.addrsOf(em0)[0] ?? expect.fail('no address'), false);
    expect(b.routes.find(0, AF_INET, ip('11.0.0.0'), 8)).toBe(null);
    expect(b.routes.find(0, AF_INET, ip('10.0.0.0'), 8)).not.toBe(null);
    expect(routesOf(b, '192.0.2.0/24').length).toBe(1);
    b.messages();
    b.delAddr(em0, '192.0.2.1');
    expect(b.routes.find(0, AF_INET, ip('10.0.0.0'), 8)).toBe(null);
    expect(b.messages().filter((l) => l.includes('10.0.0.0'))).toEqual([]);
  });

  it('flushIf takes everything that leads through an interface or names it, connected routes too, without a word', () => {
    const { b, em0 } = bench();
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.route('add', '11.0.0.0/8', null, { ifp: em0 });
    b.messages();
    b.routes.flushIf(em0);
    expect(b.messages()).toEqual([]);
    expect(b.table()).toEqual(['127.0.0.1/32 link#1 lo0 UP,HOST,PINNED', '198.51.100.0/24 link#3 em1 UP,PINNED', '198.51.100.1/32 link#3 lo0 UP,HOST,STATIC,PINNED']);
  });

  it('10,000 routes: every look-up names the longest prefix, whatever shape the table has, and all can go', () => {
    const { b } = bench();
    const rng = b.engine.rng.split('routes');
    const have = new Map<string, readonly [number, number]>();
    for (let i = 0; i < 10_000; i++) {
      const plen = 8 + rng.below(25);
      const dst = ((0x0a000000 | rng.below(0x1000000)) & ip4MaskOf(plen)) >>> 0;
      const gateway = (0xc0000200 + 2 + rng.below(200)) >>> 0;
      const error = b.routes.add({ fib: 0, family: 'inet', dst, plen, gateway, flags: RTF_GATEWAY | RTF_STATIC, silent: true });
      if (error === 0) have.set(`${dst}/${plen}`, [dst, plen]);
    }
    expect(b.routes.rib('inet', 0)?.fib.rootBits).toBe(16);
    expect(b.routes.fwd4(0).fib).toBe(b.routes.rib('inet', 0)?.fib);
    const check = (): void => {
      for (let i = 0; i < 500; i++) {
        const dst = (0x0a000000 | rng.below(0x1000000)) >>> 0;
        let want = -1;
        for (let plen = 32; plen >= 0 && want < 0; plen--) if (have.has(`${(dst & ip4MaskOf(plen)) >>> 0}/${plen}`)) want = plen;
        expect(b.routes.get4(0, dst)?.plen ?? -1).toBe(want);
      }
    };
    check();
    for (const [key, [dst, plen]] of [...have].slice(50)) {
      let error = 0;
      while (error === 0) {
        const gateway = b.routes.find(0, AF_INET, dst, plen)?.nexthops[0]?.nh.gw4;
        error = gateway === undefined ? ESRCH : b.routes.delete({ fib: 0, family: 'inet', dst, plen, gateway, flags: 0, silent: true });
      }
      have.delete(key);
    }
    check();
    expect(b.routes.rib('inet', 0)?.fib.rootBits).toBe(8);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('random operations keep references, compiled table and list in step', () => {
    const gateways = ['192.0.2.10', '192.0.2.11', '198.51.100.10', '203.0.113.1'];
    const prefixes = ['10.0.0.0/8', '10.1.0.0/16', '10.1.1.0/24', '10.1.1.1/32', '0.0.0.0/0'];
    const op = fc.tuple(fc.constantFrom('add', 'delete', 'change'), fc.constantFrom(...prefixes), fc.constantFrom(...gateways, null), fc.nat(3));
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        const { b } = bench();
        for (const [verb, prefix, gateway, weight] of ops) b.route(verb, prefix, gateway, { weight });
        for (const dst of ['10.1.1.1', '10.1.1.2', '10.1.2.1', '10.2.0.1', '11.0.0.1']) {
          const rt = b.routes.list(0, AF_INET).filter((r) => ((ip(dst) ^ r.dst) & ip4MaskOf(r.plen)) === 0).sort((x, y) => y.plen - x.plen)[0] ?? null;
          expect(b.routes.get4(0, ip(dst))).toBe(rt);
          const nh = b.routes.lookup4(0, ip(dst), 3);
          expect(nh === null).toBe(rt === null);
          if (nh !== null) expect(rt?.nexthops.map((p) => p.nh)).toContain(nh);
        }
        for (const nh of b.routes.nexthops()) expect(nh.refs).toBeGreaterThan(0);
        b.destroy();
        expect(b.leftovers()).toEqual(NOTHING_LEFT);
      }),
      { numRuns: 100 },
    );
  });
});
