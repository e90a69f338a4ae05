/**
 * ip6-forward.test.ts — IPv6 forwarding: what is passed on, what is answered, and that the short path does as the full one.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { PFIL_PASS } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_REJECT, RTF_STATIC } from '../net/route/nexthop.js';
import { ip6ParsePrefix } from '../wire/addr6.js';
import { Ip6Bench, addr6, ip6Bytes, ip6Frame, llN, macN } from './test-ip6.js';
import type { Ip6Spec, Wire6 } from './test-ip6.js';

const A = '2001:db8:1::a';
const C = '2001:db8:2::c';

class Router {
  readonly b: Ip6Bench;
  readonly w1: Wire6;
  readonly w2: Wire6;

  constructor(slow = false) {
    this.b = new Ip6Bench(5);
    this.w1 = this.b.wire('2001:db8:1::1/64');
    this.w2 = this.b.wire('2001:db8:2::1/64');
    this.w1.neighbour(A, macN(0xa));
    this.w1.neighbour(llN(0xa), macN(0xa));
    this.w2.neighbour(C, macN(0xc));
    this.b.sysctl('net.inet6.ip6.forwarding', 1);
    this.b.sysctl('net.inet6.icmp6.errppslimit', -1);
    this.route('2001:db8:3::/48', C);
    this.route('2001:db8:4::/48', A);
    this.route('2001:db8:5::/48', null, RTF_REJECT);
    this.route('2001:db8:6::/48', null, RTF_BLACKHOLE);
    this.w2.ifp.mtu = 1_400;
    if (slow) this.b.ip6.pfil.link({ name: 'slow', check: () => PFIL_PASS });
    this.w1.take();
    this.w2.take();
  }

  route(prefix: string, gateway: string | null, flags = 0): void {
    const p = ip6ParsePrefix(prefix)!;
    const more = gateway === null ? { ifp: this.b.lo0, gwIfp: this.b.lo0 } : { gateway: addr6(gateway) };
    expect(this.b.routes.add({ fib: 0, family: 'inet6', dst: p.addr, plen: p.len, flags: flags | RTF_STATIC | (gateway === null ? 0 : RTF_GATEWAY), ...more } as never)).toBe(0);
  }

  pass(spec: Partial<Ip6Spec>, to: string | null = macN(1)): string[] {
    this.w1.inject(ip6Frame(to, macN(0xa), ip6Bytes({ src: A, dst: C, payload: new Uint8Array(8), ...spec })));
    return [...this.w1.lines().map((l) => `1: ${l}`), ...this.w2.lines().map((l) => `2: ${l}`)];
  }

  /** The same as bytes. */
  frames(spec: Partial<Ip6Spec>): Uint8Array[][] {
    this.w1.inject(ip6Frame(macN(1), macN(0xa), ip6Bytes({ src: A, dst: C, ...spec })));
    return [this.w1.take(), this.w2.take()];
  }

  counts(): Record<string, number> {
    return Object.fromEntries(Object.entries(snapshot(this.b.ip6.stats)).filter(([k, v]) => v !== 0 && !/^(nxt|rule|sources)|^(total|localout|delivered)$/.test(k)));
  }
}

let r: Router;
beforeEach(() => {
  r = new Router();
});

const PASSED = `2: ip6 ${A} > ${C} proto 17 len 48 hlim 63 > ${macN(0xc)}`;
const error = (type: number, code: number, arg = 0): string => `1: icmp6 2001:db8:1::1 > ${A} type ${type} code ${code} arg ${arg} hlim 64 > ${macN(0xa)}`;

describe('a router', () => {
  it('passes packets on, to neighbours and through gateways, by the short path', () => {
    expect(r.pass({})).toEqual([PASSED]);
    expect(r.pass({ dst: '2001:db8:3::7' })).toEqual([`2: ip6 ${A} > 2001:db8:3::7 proto 17 len 48 hlim 63 > ${macN(0xc)}`]);
    expect(r.counts()).toEqual({ forward: 2, fastforward: 2 });
    expect(r.b.in6Net.ifinfo(r.w2.ifp)!.stats.ip6.outForward).toBe(2);
  });

  it.each<[string, Partial<Ip6Spec>, string[], Record<string, number>]>([
    ['hop limit 1', { hlim: 1 }, [error(3, 0)], {}],
    ['no route', { dst: '2001:db9::1' }, [error(1, 0)], { noroute: 1 }],
    ['a reject route', { dst: '2001:db8:5::1' }, [error(1, 6)], { cantforward: 1 }],
    ['a blackhole', { dst: '2001:db8:6::1' }, [], { cantforward: 1 }],
    ['larger than the next link', { payload: new Uint8Array(1_361) }, [error(2, 0, 1_400)], {}],
    ['no source', { src: '::' }, [], { cantforward: 1 }],
    ['a link-local source', { src: llN(0xa) }, [`1: icmp6 ${llN(1)} > ${llN(0xa)} type 1 code 2 arg 0 hlim 64 > ${macN(0xa)}`], { cantforward: 1, badscope: 1 }],
    ['hop-by-hop options', { proto: 0, payload: Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4) }, [`2: ip6 ${A} > ${C} proto 0 len 52 hlim 63 > ${macN(0xc)}`], { forward: 1 }],
    ['hop-by-hop options that no router knows', { proto: 0, payload: Uint8Array.of(17, 0, 0x9e, 4, 0, 0, 0, 0, 1, 2, 3, 4) }, [error(4, 2, 42)], { badoptions: 1 }],
  ])('%s', (_name, spec, lines, counts) => {
    expect(r.pass(spec)).toEqual(lines);
    expect(r.counts()).toEqual(counts);
  });

  it('tells of a shorter way and passes the packet on nevertheless', () => {
    const told: string[] = [];
    const { nd } = r.b.ip6;
    if (nd !== null) {
      nd.redirect = (ifp, m, nh) => {
        told.push(`${ifp.xname} ${m.len} ${nh.ifp.xname}`);
        return true;
      };
    }
    expect(r.pass({ dst: '2001:db8:4::1' })).toEqual([`1: ip6 ${A} > 2001:db8:4::1 proto 17 len 48 hlim 63 > ${macN(0xa)}`]);
    expect(told).toEqual(['em0 48 em0']);
    expect(r.counts()).toEqual({ forward: 1, redirectsent: 1 });
    r.b.sysctl('net.inet6.ip6.redirect', 0);
    r.pass({ dst: '2001:db8:4::1' });
    expect(told).toHaveLength(1);
  });

  it('as a broadcast of the link: not', () => {
    expect(r.pass({}, 'ff:ff:ff:ff:ff:ff')).toEqual([]);
    expect(r.counts()).toEqual({ cantforward: 1 });
  });

  it('a filter on the way out may change where it goes', () => {
    r.b.ip6.pfil.link({
      name: 'nat', check: (m, _ifp, dir) => {
        if ((dir & 2) !== 0 && m.view.getInt32(m.off + 36) === 0xc) m.view.setInt32(m.off + 36, 0x1);
        return PFIL_PASS;
      },
    });
    let got = 0;
    r.b.ip6.register(17, {
      input: (_ifp, m) => {
        got++;
        m.free();
      },
    });
    expect(r.pass({})).toEqual([]);
    r.b.turn();
    expect(got).toBe(1);
  });
});

describe('the short path', () => {
  it('does as the full one, or leaves it to that', () => {
    const fast = new Router();
    const slow = new Router(true);
    const addrs = [A, C, '2001:db8:1::b', '2001:db8:2::c', '2001:db8:3::1', '2001:db8:4::1', '2001:db8:5::1', '2001:db8:6::1', '2001:db9::1', '::', '::1', '::ffff:1.2.3.4', 'fe80::1',
      'ff05::1', 'ff02::1', '2001:db8:1::1', '2001:db8:2::1'];
    const spec = fc.record({
      src: fc.constantFrom(...addrs), dst: fc.constantFrom(...addrs), hlim: fc.constantFrom(0, 1, 2, 64, 255), proto: fc.constantFrom(0, 6, 17, 43, 44, 58, 59, 60, 200),
      payload: fc.constantFrom(new Uint8Array(8), new Uint8Array(64).fill(1), new Uint8Array(1_360), new Uint8Array(1_361)),
    });
    let short = 0;
    fc.assert(fc.property(spec, (s) => {
      const before = fast.b.ip6.stats.fastforward;
      expect(fast.frames(s)).toEqual(slow.frames(s));
      if (fast.b.ip6.stats.fastforward > before) short++;
      const { fastforward, ...counts } = fast.counts();
      expect(fastforward ?? 0).toBe(fast.b.ip6.stats.fastforward);
      expect(counts).toEqual(slow.counts());
    }), { seed: 6, numRuns: 1_500 });
    expect(short).toBeGreaterThan(20);
  });
});
