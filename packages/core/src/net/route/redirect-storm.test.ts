/**
 * redirect-storm.test.ts — redirects as fast as they come, with readers on other processors, routes of the administrator, timeouts and changes of the timeout
 * in between: nobody's route changes under his hands, every redirect is answered once, and what redirects made is gone when its time is over.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../base/prng.js';
import { US_PER_SEC } from '../../base/time.js';
import { quietEnv } from '../../env/env.js';
import { InetBench, NOTHING_LEFT, ip } from '../../inet/test-inet.js';
import { CTX_SOFTINT } from '../../kern/context.js';
import { Engine } from '../../kern/engine.js';
import type { Lwp } from '../../kern/lwp.js';
import type { Ifnet } from '../ifnet.js';
import { NetShared } from '../net.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_MODIFIED, RTF_STATIC } from './nexthop.js';
import type { Nexthop } from './nexthop.js';
import type { Rtentry, Rtentry4 } from './rtentry.js';

const STEPS = 4_000;
const DESTINATIONS = 48;
const READERS = 3;

interface Held {
  readonly rt: Rtentry;
  readonly reader: Lwp;
  readonly nh: Nexthop;
  readonly gateway: number;
}

class Storm {
  readonly engine = new Engine(quietEnv(1));
  readonly b = new InetBench(this.engine, new NetShared('test-host', this.engine.witness));
  readonly em0: Ifnet = this.b.ether();
  readonly rng: Prng;
  readonly held: Held[] = [];
  readonly answers: number[] = [];
  asked = 0;
  timeout = 3;
  /** The destinations that the administrator has a host route to. */
  readonly statics = new Set<number>();
  private readonly readers: Lwp[] = [];

  constructor(seed: number) {
    this.rng = new Prng(seed);
    this.engine.witness.watch = 1;
    this.engine.witness.onFinding = ({ text }) => {
      throw new Error(text);
    };
    const { lwps } = this.engine;
    for (let n = 0; n < READERS; n++) this.readers.push(lwps.reader(lwps.addCpu(), `reader ${n}`));
    this.b.addr(this.b.lo0, '127.0.0.1/8');
    this.b.addr(this.em0, '192.0.2.1/24');
    this.b.route('add', '203.0.113.0/24', '192.0.2.2');
  }

  destination(): number {
    return (ip('203.0.113.0') | this.rng.below(DESTINATIONS)) >>> 0;
  }

  /** One of eight routers. */
  router(): number {
    return (ip('192.0.2.0') | (2 + this.rng.below(8))) >>> 0;
  }

  /** Mostly from the router in use, whom a host believes. */
  redirect(): void {
    const { routes } = this.b;
    const dst = this.destination();
    const author = this.rng.chance(0.8) ? (routes.lookup4(0, dst, 0)?.gw4 ?? 0) : this.router();
    const spec = { fib: 0, family: 'inet', dst, plen: 32, gateway: this.router(), ifp: this.em0, flags: RTF_GATEWAY } as const;
    this.asked++;
    const timeout = (): number => this.timeout;
    routes.redirect({ spec, author, ifp: this.em0, get timeout() { return timeout(); } }, (error) => void this.answers.push(error));
  }

  take(): void {
    const reader = this.readers[this.rng.below(READERS)]!;
    const rt = this.engine.runAs(reader, CTX_SOFTINT, () => this.b.routes.rtalloc(0, this.destination()));
    const nh = rt?.nexthops[0]?.nh;
    if (rt !== null && nh !== undefined) this.held.push({ rt, reader, nh, gateway: nh.gw4 });
  }

  /** The route is still what it was when it was taken. */
  give(): void {
    const [h] = this.held.splice(this.rng.below(Math.max(1, this.held.length)), 1);
    if (h === undefined) return;
    expect([h.rt.freed, h.rt.nexthops[0]?.nh === h.nh, h.nh.valid, h.nh.gw4]).toEqual([false, true, true, h.gateway]);
    this.engine.runAs(h.reader, CTX_SOFTINT, () => this.b.routes.life.unref(h.rt));
  }

  administrator(): void {
    const dst = this.destination();
    const { routes } = this.b;
    const spec = { fib: 0, family: 'inet', dst, plen: 32, gateway: this.router(), flags: RTF_GATEWAY | RTF_STATIC } as const;
    if (this.statics.has(dst)) {
      routes.delete({ ...spec, gateway: null });
      this.statics.delete(dst);
    } else if (routes.add(spec) === 0) this.statics.add(dst);
  }

  newTimeout(): void {
    const to = 1 + this.rng.below(5);
    this.b.routes.redirectTimeoutChanged(this.timeout, to);
    this.timeout = to;
  }

  /** Dynamic host routes, counted, none older than it may be; static ones as the administrator has them. */
  check(): void {
    const hosts = this.b.routes.rib('inet', 0)!.all().filter((rt) => rt.isHost && this.inStorm(rt));
    const dynamic = hosts.filter((rt) => (rt.flags & RTF_DYNAMIC) !== 0);
    expect(dynamic.length).toBe(this.b.routes.dynamicCount);
    const latest = this.engine.now + (this.timeout + 1) * US_PER_SEC;
    for (const rt of dynamic) for (const p of rt.nexthops) expect(p.expireUs > 0 && p.expireUs <= latest).toBe(true);
    const others = hosts.filter((rt) => (rt.flags & RTF_DYNAMIC) === 0);
    expect(new Set(others.map((rt) => rt.dst >>> 0))).toEqual(this.statics);
    for (const rt of others) expect(rt.flags & (RTF_STATIC | RTF_DYNAMIC)).toBe(RTF_STATIC);
  }

  private inStorm(rt: Rtentry4): boolean {
    return (rt.dst & 0xffff_ff00) === (ip('203.0.113.0') | 0);
  }
}

describe('a storm of redirects', () => {
  it.each([1, 2, 3, 4, 5, 6])('seed %i', (seed) => {
    const s = new Storm(seed);
    const { routes } = s.b;
    routes.multipath = 0;
    for (let step = 0; step < STEPS; step++) {
      const dice = s.rng.below(100);
      if (dice < 45) s.redirect();
      else if (dice < 60) s.take();
      else if (dice < 80) s.give();
      else if (dice < 84) s.administrator();
      else if (dice < 85) s.newTimeout();
      else s.b.turn(dice < 90 ? s.rng.below(US_PER_SEC) : 0);
      if (step % 50 === 0) s.check();
    }
    while (s.held.length > 0) s.give();
    s.b.turn();
    s.check();
    // Every redirect was answered, once, and counted as what it was.
    const good = s.answers.filter((e) => e === 0).length;
    const { dynamic, newgateway, badredirect } = routes.stats;
    expect(s.answers.length).toBe(s.asked);
    expect([dynamic + newgateway, badredirect]).toEqual([good, s.asked - good]);
    expect([dynamic > 100, newgateway > 100, badredirect > 100]).toEqual([true, true, true]);
    // What the administrator has may have another gateway, and stays.
    s.b.turn((s.timeout + 2) * US_PER_SEC);
    s.check();
    expect(routes.dynamicCount).toBe(0);
    expect(routes.rib('inet', 0)!.all().some((rt) => (rt.flags & RTF_MODIFIED) !== 0 && s.statics.has(rt.dst >>> 0))).toBe(true);
    s.b.destroy();
    expect([s.b.leftovers(), routes.life.dying, routes.life.waiting]).toEqual([NOTHING_LEFT, 0, 0]);
  });
});
