/**
 * nd6-rtadv.test.ts — a router that advertises itself: when, what, to whom, and how it ends. A host of another bench is given its frames.
 */
import { describe, expect, it } from 'vitest';
import { EAFNOSUPPORT, EINVAL, ENETDOWN } from '../base/errno.js';
import { RTADV_DEFAULTS } from './nd6-ra-output.js';
import type { RtadvConf } from './nd6-ra-output.js';
import { Rtadvd } from './nd6-rtadv.js';
import { addr6, icmp6Packet, ip6Frame, lladdrOpt, llN, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';
import { NOTHING_LEFT, RtrBench } from './test-rtr.js';

const ROUTER = llN(0x77);

class Router extends RtrBench {
  readonly w: Wire6;
  readonly d: Rtadvd;

  constructor() {
    super();
    this.sysctl('net.inet6.ip6.forwarding', 1);
    this.w = this.wire('2001:db8:5::1/64');
    this.d = new Rtadvd(this.rtr);
  }

  start(conf: Partial<RtadvConf> = {}): number {
    const error = this.d.start(this.w.ifp, { ...RTADV_DEFAULTS, ...conf });
    this.turn();
    return error;
  }

  /** Times in seconds of what is sent in the next `seconds`. */
  times(seconds: number): number[] {
    const out: number[] = [];
    const from = this.engine.now;
    for (let i = 0; i < seconds * 10; i++) {
      this.turn(100_000);
      for (const line of this.w.lines()) {
        expect(line).toBe(`icmp6 ${llN(1)} > ff02::1 type 134 code 0`);
        out.push((this.engine.now - from) / 1e6);
      }
    }
    return out;
  }

  rs(src: string, sll: string | null, hlim = 255): void {
    const data = sll === null ? new Uint8Array(0) : lladdrOpt(1, sll);
    this.w.inject(ip6Frame(null, sll ?? macN(0x55), icmp6Packet(src, 'ff02::2', 133, 0, 0, data, hlim)));
  }
}

/** What a host makes of the last frame of a router. */
function hear(r: Router, prepare: (h: RtrBench) => void = () => undefined): { h: RtrBench; w: Wire6 } {
  const h = new RtrBench(2);
  const w = h.host();
  prepare(h);
  for (const f of r.w.take()) w.inject(f);
  return { h, w };
}

describe('a router', () => {
  it('tells its prefix, and a host configures itself by it', () => {
    const r = new Router();
    expect(r.start({ mtu: 1400, rtime: 20_000, retrans: 700, raflags: 0x08 })).toBe(0);
    const { h, w } = hear(r);
    expect(h.addrs(w)).toEqual(['2001:db8:5::ff:fe00:1/64 autoconf 2592000 604800']);
    expect(h.gateways()).toEqual([`default ${llN(1)}%em0`]);
    expect(h.nd6.routers.map((d) => [d.preference, d.lifetimeS])).toEqual([[1, 1800]]);
    expect(h.in6Net.ifinfo(w.ifp)).toMatchObject({ linkMtu: 1400, basereachable: 20_000, retrans: 700, chlim: 64 });
    h.destroy();
    r.destroy();
    expect(r.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('tells what it is told to: prefixes, routes, DNS', () => {
    const r = new Router();
    r.start({
      prefixes: [{ addr: addr6('2001:db8:6::'), plen: 64, flags: 0x40, vltime: 100, pltime: 50 }],
      routes: [{ addr: addr6('2001:db8:f::'), plen: 48, flags: 0x18, ltime: 300 }],
      rdnss: [{ addrs: [addr6('2001:db8::53'), addr6('2001:db8::54')], ltime: 60 }], dnssl: [{ domains: ['a.example', 'b.example'], ltime: 60 }],
    });
    const { h, w } = hear(r);
    expect(h.addrs(w)).toEqual(['2001:db8:6::ff:fe00:1/64 autoconf 100 50']);
    expect(h.gateways()).toEqual([`default ${llN(1)}%em0`, `2001:db8:f::/48 ${llN(1)}%em0`]);
    expect(h.rtr.dns.map((d) => d.value)).toEqual(['2001:db8::53', '2001:db8::54', 'a.example', 'b.example']);
    h.destroy();
    r.destroy();
  });

  it('speaks three times soon, then between the least and the most interval', () => {
    const r = new Router();
    r.start();
    expect(r.w.lines().length).toBe(1);
    const [a = 0, b = 0, ...more] = r.times(4000);
    expect([a, b]).toEqual([16, 32]);
    expect(more.length).toBeGreaterThan(5);
    more.reduce((last, at) => {
      expect(at - last).toBeGreaterThanOrEqual(199.9);
      expect(at - last).toBeLessThanOrEqual(600.1);
      return at;
    }, b);
    r.destroy();
  });

  it('answers who solicits within half a second, and at most every three', () => {
    const r = new Router();
    r.start();
    r.times(100);
    r.rs(llN(5), macN(5));
    const first = r.times(1);
    expect(first.length).toBe(1);
    expect(first[0]).toBeLessThanOrEqual(0.6);
    expect(r.w.neighbours()).toEqual([`${llN(5)} ${macN(5)} stale`]);
    r.rs('::', null);
    r.rs(llN(6), macN(6));
    const second = r.times(4);
    expect(second.length).toBe(1);
    expect(second[0]).toBeGreaterThan(2);
    r.rs('::', macN(7));
    r.rs(llN(6), macN(6), 254);
    expect(r.times(10)).toEqual([]);
    expect(r.rtr.stats).toMatchObject({ rsreceived: 5, badrs: 2 });
    r.destroy();
    expect(r.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('that begins again before it has said so three times hears solicitations again', () => {
    const r = new Router();
    r.start();
    expect(r.d.stop(r.w.ifp)).toBe(true);
    r.start();
    r.times(60);
    r.rs('fe80::55', macN(0x55));
    expect(r.d.interfaces.map((i) => [i.solicited, i.finals])).toEqual([[1, 0]]);
    r.destroy();
    expect(r.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('says three times that it is none any more; so it does when it ceases to forward', () => {
    const r = new Router();
    r.start();
    const { h, w } = hear(r);
    expect(h.gateways().length).toBe(1);
    expect(r.d.stop(r.w.ifp)).toBe(true);
    expect(r.d.stop(r.w.ifp)).toBe(false);
    r.turn();
    for (const f of r.w.take()) w.inject(f);
    expect(h.gateways()).toEqual([]);
    expect(r.times(60)).toEqual([3, 6]);
    expect(r.d.interfaces).toEqual([]);
    expect(r.net.kern.calloutsArmed).toBe(0);
    h.destroy();
    r.start();
    r.w.take();
    r.sysctl('net.inet6.ip6.forwarding', 0);
    r.turn(16_000_000);
    const again = hear(r);
    expect([again.h.rtr.stats.rareceived, again.h.gateways()]).toEqual([1, []]);
    again.h.destroy();
    r.destroy();
    expect(r.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('counts and logs what other routers say differently', () => {
    const r = new Router();
    r.start({ mtu: 1500 });
    r.ra(r.w, `ra ${ROUTER} > ff02::1 life 1800 hop 64 mtu 1500`);
    expect(r.rtr.stats.inconsistent).toBe(0);
    r.ra(r.w, `ra ${ROUTER} > ff02::1 life 1800 hop 63`);
    r.ra(r.w, `ra ${ROUTER} > ff02::1 life 1800 mtu 1400`);
    expect(r.rtr.stats).toMatchObject({ inconsistent: 2, ignored: 3 });
    expect(r.log).toEqual(["warning: CurHopLimit inconsistent on em0 with another router's advertisement"]);
    r.destroy();
  });

  it('is none without forwarding, IPv6 or an Ethernet address', () => {
    const r = new Router();
    r.sysctl('net.inet6.ip6.forwarding', 0);
    expect(r.start()).toBe(EINVAL);
    expect(r.d.start(r.wire().ifp, RTADV_DEFAULTS)).toBe(ENETDOWN);
    expect(r.d.start(r.lo0, RTADV_DEFAULTS)).toBe(EAFNOSUPPORT);
    r.destroy();
  });
});
