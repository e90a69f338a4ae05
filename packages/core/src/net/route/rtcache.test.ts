/**
 * rtcache.test.ts — cached routes: good until the table changes, one reference at a time, and waited for by who changes or frees the route.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EINPROGRESS } from '../../base/errno.js';
import { InetBench, NOTHING_LEFT, ip } from '../../inet/test-inet.js';
import { CTX_SOFTINT } from '../../kern/context.js';
import type { Lwp } from '../../kern/lwp.js';
import { Rtcache } from './rtcache.js';
import type { Rtentry } from './rtentry.js';

let b: InetBench;
let cache: Rtcache;
let reader: Lwp;

beforeEach(() => {
  b = new InetBench();
  b.addr(b.lo0, '127.0.0.1/8');
  const em0 = b.ether();
  b.addr(em0, '192.0.2.1/24');
  b.addr6(em0, '2001:db8::1', 64);
  b.route('add', '0.0.0.0/0', '192.0.2.9');
  b.route6('add', '::/0', '2001:db8::9');
  cache = new Rtcache(b.routes);
  reader = b.engine.lwps.reader(b.engine.lwps.addCpu(), 'reader');
});

afterEach(() => {
  b.destroy();
  b.turn();
  expect([b.leftovers(), b.routes.life.dying, b.routes.life.waiting]).toEqual([NOTHING_LEFT, 0, 0]);
});

/** Looks up and gives the reference back at once. The prefix of the route, and whether the cache knew it. */
const ask = (dst: string, of = cache): string => {
  const hits = of.hits;
  const rt = of.lookup(0, dst.includes(':') ? b.ip6(dst) : ip(dst));
  of.unref(rt);
  return `${rt === null ? 'none' : `/${rt.plen}`} ${of.hits > hits ? 'hit' : 'miss'}`;
};
const inSoftint = <T>(fn: () => T): T => b.engine.runAs(reader, CTX_SOFTINT, fn);

describe('a cached route', () => {
  it('is good for its destination until the table changes: a more specific route counts from the next packet on, and its end too', () => {
    expect([ask('203.0.113.1'), ask('203.0.113.1'), ask('203.0.113.2'), ask('203.0.113.1')]).toEqual(['/0 miss', '/0 hit', '/0 miss', '/0 miss']);
    b.route('add', '203.0.113.1/32', '192.0.2.10');
    expect([ask('203.0.113.1'), ask('203.0.113.1')]).toEqual(['/32 miss', '/32 hit']);
    b.route('delete', '203.0.113.1/32', null);
    expect([ask('203.0.113.1'), ask('203.0.113.1')]).toEqual(['/0 miss', '/0 hit']);
    b.route('delete', '0.0.0.0/0', null);
    expect([ask('203.0.113.1'), cache.validate()]).toEqual(['none miss', null]);
  });

  it('the same for IPv6, whose table is another', () => {
    expect([ask('2001:db8:1::1'), ask('2001:db8:1::1')]).toEqual(['/0 miss', '/0 hit']);
    b.route('add', '203.0.113.1/32', '192.0.2.10');
    expect(ask('2001:db8:1::1')).toBe('/0 hit');
    b.route6('add', '2001:db8:1::/48', '2001:db8::10');
    expect([ask('2001:db8:1::1'), ask('2001:db8:1::1')]).toEqual(['/48 miss', '/48 hit']);
  });

  it('is copied, while it is good', () => {
    const other = new Rtcache(b.routes);
    ask('203.0.113.1');
    other.copy(cache);
    expect([ask('203.0.113.1', other), ask('203.0.113.1')]).toEqual(['/0 hit', '/0 hit']);
    b.route('add', '10.0.0.0/8', '192.0.2.10');
    other.copy(cache);
    expect([other.validate(), ask('203.0.113.1', other)]).toEqual([null, '/0 miss']);
    cache.free();
    expect(cache.validate()).toBeNull();
  });

  it('a route that is changed is a miss meanwhile, and is changed when its holder lets go', () => {
    const told: number[] = [];
    const rt = inSoftint(() => cache.lookup(0, ip('203.0.113.1')))!;
    const nh = rt.nexthops[0]!.nh;
    const spec = { fib: 0, family: 'inet', dst: 0, plen: 0, gateway: ip('192.0.2.10'), flags: 0x2 | 0x800 } as const;
    expect(b.routes.change(spec, (e) => told.push(e))).toBe(EINPROGRESS);
    const other = new Rtcache(b.routes);
    expect([ask('203.0.113.1', other), nh.valid, told]).toEqual(['none miss', true, []]);
    inSoftint(() => cache.unref(rt));
    b.turn();
    expect([told, ask('203.0.113.1', other), rt.nexthops[0]!.nh.gw4, nh.valid]).toEqual([[0], '/0 miss', ip('192.0.2.10'), false]);
  });

  it('a route that is deleted is freed when its holder lets go', () => {
    const rt = inSoftint(() => cache.lookup(0, ip('203.0.113.1')))!;
    b.route('delete', '0.0.0.0/0', null);
    expect([rt.freed, b.routes.life.dying, ask('203.0.113.1', new Rtcache(b.routes))]).toEqual([false, 1, 'none miss']);
    inSoftint(() => cache.unref(rt));
    b.turn();
    expect([rt.freed, b.routes.life.dying]).toEqual([true, 0]);
  });

  it.each<[string, (rt: Rtentry) => void, RegExp]>([
    ['looked up', () => cache.lookup(0, ip('203.0.113.2')), /looked up while its route is referenced/],
    ['validated', () => cache.validate(), /acquiring twice/],
    ['freed', () => cache.free(), /freed while its route is referenced/],
    ['changed by its holder', () => b.route('change', '0.0.0.0/0', '192.0.2.10'), /waits for a passive reference that it holds itself/],
  ])('is not %s while its route is referenced', (_name, run, text) => {
    const rt = cache.lookup(0, ip('203.0.113.1'))!;
    let thrown = '';
    try {
      run(rt);
    } catch (error) {
      thrown = String(error);
    }
    expect(thrown).toMatch(text);
    cache.unref(rt);
    if (b.routes.life.updateOngoing) b.routes.life.updateFinish(rt);
  });

  it('is not given back twice', () => {
    cache.unref(null);
    const rt = cache.lookup(0, ip('203.0.113.1'))!;
    cache.unref(rt);
    expect(() => cache.unref(rt)).toThrow('releasing unused psref?');
  });
});
