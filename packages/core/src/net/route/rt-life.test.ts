/**
 * rt-life.test.ts — the life cycle of routes with readers on other processors: nobody ever forwards by a route that has been changed or freed
 * under its hands, and whoever waits goes on.
 */
import { describe, expect, it } from 'vitest';
import { EINPROGRESS, ESRCH } from '../../base/errno.js';
import { Prng } from '../../base/prng.js';
import { InetBench, NOTHING_LEFT, ip } from '../../inet/test-inet.js';
import { quietEnv } from '../../env/env.js';
import { CTX_SOFTINT, CTX_THREAD } from '../../kern/context.js';
import { Engine } from '../../kern/engine.js';
import type { Lwp } from '../../kern/lwp.js';
import { ip4Emit } from '../../wire/ip4.js';
import { FWD_PUNT_REJECT, verdict4 } from '../../fwd/forward.js';
import type { Ifnet } from '../ifnet.js';
import { NetShared } from '../net.js';
import { RTF_GATEWAY, RTF_STATIC } from './nexthop.js';
import type { Nexthop } from './nexthop.js';
import type { RouteSpec } from './route-spec.js';
import type { Rtentry } from './rtentry.js';

const DST = '203.0.113.9';
const NET = '203.0.113.0/24';

class Readers {
  readonly engine = new Engine(quietEnv(1));
  readonly b = new InetBench(this.engine, new NetShared('test-host', this.engine.witness));
  readonly em0: Ifnet = this.b.ether();
  readonly lwps: Lwp[] = [1, 2, 3].map((n) => this.b.engine.lwps.reader(this.b.engine.lwps.addCpu(), `reader ${n}`));

  constructor() {
    this.b.engine.witness.watch = 1;
    this.b.engine.witness.onFinding = ({ text }) => {
      throw new Error(text);
    };
    this.b.addr(this.b.lo0, '127.0.0.1/8');
    this.b.addr(this.em0, '192.0.2.1/24');
    this.b.route('add', NET, '192.0.2.9');
    this.b.messages();
  }

  /** A reader on processor `n` + 1 looks up `dst` in softint, and keeps what it finds. */
  take(n = 0, dst = DST): Rtentry | null {
    return this.as(n, CTX_SOFTINT, () => this.b.routes.rtalloc(0, ip(dst)));
  }

  give(rt: Rtentry, n = 0): void {
    this.as(n, CTX_SOFTINT, () => this.b.routes.life.unref(rt));
  }

  as<T>(n: number, context: typeof CTX_SOFTINT | typeof CTX_THREAD, fn: () => T): T {
    return this.b.engine.runAs(this.lwps[n]!, context, fn);
  }

  change(gateway: string, done?: (e: number) => void, prefix = '203.0.113.0', plen = 24): number {
    const spec: RouteSpec = { fib: 0, family: 'inet', dst: ip(prefix), plen, gateway: ip(gateway), flags: RTF_GATEWAY | RTF_STATIC };
    return this.b.routes.change(spec, done);
  }

  gateway(dst = DST): string | undefined {
    const gw = this.b.routes.lookup4(0, ip(dst), 0)?.gw4;
    return gw === undefined ? undefined : `${gw >>> 24}.${(gw >>> 16) & 255}.${(gw >>> 8) & 255}.${gw & 255}`;
  }

  end(): void {
    this.b.destroy();
    expect(this.b.leftovers()).toEqual(NOTHING_LEFT);
    expect([this.b.routes.life.dying, this.b.routes.life.waiting]).toEqual([0, 0]);
  }
}

describe('a change', () => {
  it('is made at once while nobody has the route', () => {
    const r = new Readers();
    const told: number[] = [];
    expect(r.change('192.0.2.10', (e) => told.push(e))).toBe(0);
    expect([r.gateway(), told]).toEqual(['192.0.2.10', [0]]);
    r.end();
  });

  it('waits for readers; meanwhile softint misses, the short path leaves it to the complete one, and no less specific route is taken', () => {
    const r = new Readers();
    r.b.route('add', '0.0.0.0/0', '192.0.2.254');
    const rt = r.take()!;
    const { nh } = rt.nexthops[0]!;
    const told: number[] = [];
    expect(r.change('192.0.2.10', (e) => told.push(e))).toBe(EINPROGRESS);
    expect([r.take(1), r.b.routes.lookup4(0, ip(DST), 0), rt.nexthops[0]!.nh === nh, nh.valid]).toEqual([null, null, true, true]);
    const view = new DataView(new ArrayBuffer(20));
    ip4Emit(view, 0, 20, 0, 20, 1, 0, 64, 17, ip('198.51.100.7'), ip(DST));
    expect(verdict4(r.b.routes.fwd4(0), view, 0, 99, 0)).toBe(FWD_PUNT_REJECT);
    r.b.turn();
    expect(told).toEqual([]);
    r.give(rt);
    expect(r.gateway()).toBeUndefined(); // a softint cannot make the change: a thread does, at the end of the turn
    r.b.turn();
    expect([told, r.gateway(), nh.valid]).toEqual([[0], '192.0.2.10', false]);
    expect(r.b.messages()).toContain('CHANGE 203.0.113.0/24 192.0.2.10 em0 UP,GATEWAY,DONE,STATIC');
    r.end();
  });

  it('a thread that looks up waits, and sees what is there afterwards', () => {
    const r = new Readers();
    const rt = r.take()!;
    r.change('192.0.2.10');
    const seen: (number | undefined)[] = [];
    r.as(1, CTX_THREAD, () => r.b.routes.rtallocWait(0, ip(DST), (found) => {
      seen.push(found?.nexthops[0]?.nh.gw4);
      if (found !== null) r.b.routes.life.unref(found);
    }));
    expect(seen).toEqual([]);
    r.give(rt);
    r.b.turn();
    expect(seen).toEqual([ip('192.0.2.10')]);
    r.as(1, CTX_THREAD, () => r.b.routes.rtallocWait(0, ip('8.8.8.8'), (found) => void seen.push(found === null ? -1 : 0)));
    expect(seen).toEqual([ip('192.0.2.10'), -1]);
    r.end();
  });

  it('one at a time: the next waits without a reference, and looks its route up again', () => {
    const r = new Readers();
    r.b.route('add', '198.18.0.0/15', '192.0.2.20');
    const rt = r.take()!;
    const told: string[] = [];
    const tell = (who: string) => (e: number): void => void told.push(`${who} ${e}`);
    expect(r.change('192.0.2.10', tell('first'))).toBe(EINPROGRESS);
    expect(r.change('192.0.2.21', tell('second'), '198.18.0.0', 15)).toBe(EINPROGRESS);
    expect(r.change('192.0.2.11', tell('third'))).toBe(EINPROGRESS);
    expect(r.gateway('198.18.0.1')).toBe('192.0.2.20'); // in use until its turn comes
    expect(r.b.route('delete', '198.18.0.0/15', null)).toBe(0);
    r.give(rt);
    r.b.turn();
    expect([told, r.gateway(), r.gateway('198.18.0.1')]).toEqual([['first 0', `second ${ESRCH}`, 'third 0'], '192.0.2.11', undefined]);
    r.end();
  });

  it('of a route that is deleted before its readers are out: ESRCH', () => {
    const r = new Readers();
    const rt = r.take()!;
    const told: number[] = [];
    r.change('192.0.2.10', (e) => told.push(e));
    expect(r.b.route('delete', NET, null)).toBe(0);
    r.give(rt);
    r.b.turn();
    expect([told, rt.freed, r.gateway()]).toEqual([[ESRCH], true, undefined]);
    r.end();
  });

  it('an error changes nothing, and lets readers in again', () => {
    const r = new Readers();
    const rt = r.take()!;
    const told: number[] = [];
    r.change('203.0.200.1', (e) => told.push(e));
    r.give(rt);
    r.b.turn();
    expect([told[0] === 0, r.gateway()]).toEqual([false, '192.0.2.9']);
    const again = r.take()!;
    r.give(again);
    r.end();
  });
});

describe('a route that is taken out', () => {
  it('is freed when the last reader is out, and poisoned', () => {
    const r = new Readers();
    const [one, two] = [r.take(0)!, r.take(1)!];
    const { nh } = one.nexthops[0]!;
    expect(r.b.route('delete', NET, null)).toBe(0);
    expect([one.freed, nh.valid, r.take(2), r.b.routes.life.dying]).toEqual([false, true, null, 1]);
    r.give(one, 0);
    r.b.turn();
    expect([one.freed, nh.valid]).toEqual([false, true]);
    r.give(two, 1);
    r.b.turn();
    expect([one.freed, nh.valid, one.nexthops.length]).toEqual([true, false, 0]);
    expect(() => r.b.routes.life.ref(one)).toThrow('reference to a route that has been freed');
    r.end();
  });

  it('is freed by softint through the work, the youngest first', () => {
    const r = new Readers();
    const prefixes = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'];
    for (const p of prefixes) r.b.route('add', p, '192.0.2.9');
    const rts = ['10.1.0.1', '10.2.0.1', '10.3.0.1'].map((dst) => r.take(0, dst)!);
    for (const p of prefixes) r.b.route('delete', p, null);
    const order: number[] = [];
    const { store } = r.b.routes;
    const release = store.release.bind(store);
    store.release = (value) => {
      order.push(rts.findIndex((rt) => !rt.freed && rt.refs === 0 && !order.includes(rts.indexOf(rt))));
      release(value);
    };
    r.as(0, CTX_SOFTINT, () => rts.forEach((rt) => r.b.routes.life.free(rt)));
    expect([rts.map((rt) => rt.refs), r.b.routes.life.dying]).toEqual([[1, 1, 1], 6]);
    r.b.turn();
    expect([rts.every((rt) => rt.freed), order.length]).toEqual([true, 3]);
    expect(() => r.as(0, CTX_SOFTINT, () => r.b.routes.life.free(rts[0]!))).toThrow('rt_free without a reference');
    r.end();
  });

  it('waits for an update under way, too', () => {
    const r = new Readers();
    r.b.route('add', '198.18.0.0/15', '192.0.2.20');
    const rt = r.take()!;
    r.change('192.0.2.10');
    const gone = r.b.routes.get4(0, ip('198.18.0.1'))!;
    r.b.route('delete', '198.18.0.0/15', null);
    expect(gone.freed).toBe(false);
    r.give(rt);
    r.b.turn();
    expect(gone.freed).toBe(true);
    r.end();
  });

  it('may be in the table again at once, as another', () => {
    const r = new Readers();
    const rt = r.take()!;
    r.b.route('delete', NET, null);
    expect(r.b.route('add', NET, '192.0.2.10')).toBe(0);
    expect([r.gateway(), rt.nexthops[0]!.nh.gw4]).toEqual(['192.0.2.10', ip('192.0.2.9')]);
    r.give(rt);
    r.b.turn();
    expect([rt.freed, r.gateway()]).toEqual([true, '192.0.2.10']);
    r.end();
  });

  it.each<[string, (r: Readers, rt: Rtentry) => void, string]>([
    ['given back twice', (r, rt) => {
      r.give(rt);
      r.give(rt);
    }, 'released more often than referenced'],
    ['freed while in the table', (r, rt) => r.as(0, CTX_SOFTINT, () => r.b.routes.life.free(rt)), 'rt_free of a route that is in the table'],
    ['changed in softint', (r) => r.as(0, CTX_SOFTINT, () => r.change('192.0.2.10')), 'must not wait'],
    ['finished without having been prepared', (r, rt) => r.b.routes.life.updateFinish(rt), 'rt_update_finish without rt_update_prepare'],
  ])('%s: an assertion fails', (_name, run, text) => {
    const r = new Readers();
    const rt = r.take()!;
    expect(() => run(r, rt)).toThrow(text);
  });

  it('a reader of this processor that waits for softnet while a thread waits for it with softnet held: reported', () => {
    const r = new Readers();
    const found: string[] = [];
    const { engine, routes } = r.b;
    engine.witness.onFinding = ({ text }) => void found.push(text);
    const previous = engine.enter(CTX_THREAD);
    const rt = routes.rtalloc(0, ip(DST))!;
    engine.softnet.acquire('raw_input');
    engine.softnet.release('raw_input');
    routes.life.unref(rt);
    engine.leave(previous);
    expect(found).toEqual([]);
    engine.softnet.acquire('icmp_input');
    r.change('192.0.2.10');
    engine.softnet.release('icmp_input');
    expect(found[0]).toMatch(/^"rtentry" is waited for while "softnet" is held, and the other way round\n/);
  });
});

/** What a worker read when it took the route, and must still find when it has sent its packet. */
interface Held {
  readonly rt: Rtentry;
  readonly reader: number;
  readonly nh: Nexthop;
  readonly triple: readonly unknown[];
}

const triple = (nh: Nexthop): readonly unknown[] => [nh.gw4, nh.ifp, nh.ifa];

describe('forwarding workers beside one who changes, deletes and adds as fast as it can', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i: every packet used gateway, interface and address of one route that existed; in = out + misses', (seed) => {
    const r = new Readers();
    const rng = new Prng(seed);
    r.b.routes.multipath = 0; // a path added beside others waits for nobody
    const nets = Array.from({ length: 6 }, (_, i) => `10.${i}.0.0`);
    for (const [i, net] of nets.entries()) r.b.route('add', `${net}/16`, `192.0.2.${20 + i}`);
    const held: Held[] = [];
    const existed = new Set<string>();
    const count = { in: 0, out: 0, missed: 0, changed: 0 };
    const note = (): void => {
      for (const rt of r.b.routes.rib('inet', 0)?.all() ?? []) for (const { nh } of rt.nexthops) existed.add(`${nh.gw4} ${nh.ifp.xname}`);
    };
    const sendOne = (h: Held): void => {
      expect(h.rt.freed).toBe(false);
      expect([h.rt.nexthops[0]!.nh === h.nh, h.nh.valid, triple(h.nh).every((x, i) => x === h.triple[i])]).toEqual([true, true, true]);
      expect(existed.has(`${h.nh.gw4} ${h.nh.ifp.xname}`)).toBe(true);
      r.give(h.rt, h.reader);
      count.out++;
    };
    note();
    for (let step = 0; step < 3_000; step++) {
      const net = nets[rng.below(nets.length)]!;
      switch (rng.below(8)) {
        case 0:
        case 1:
        case 2: {
          count.in++;
          const reader = rng.below(3);
          const rt = r.take(reader, net.replace('.0.0', '.7.7'));
          if (rt === null) count.missed++;
          else held.push({ rt, reader, nh: rt.nexthops[0]!.nh, triple: triple(rt.nexthops[0]!.nh) });
          break;
        }
        case 3:
        case 4: {
          const [h] = held.splice(rng.below(Math.max(1, held.length)), 1);
          if (h !== undefined) sendOne(h);
          break;
        }
        case 5:
          r.change(`192.0.2.${20 + rng.below(100)}`, (e) => {
            if (e === 0) count.changed++;
            note();
          }, net, 16);
          note();
          break;
        case 6:
          if (rng.below(2) === 0) r.b.route('delete', `${net}/16`, null);
          else r.b.route('add', `${net}/16`, `192.0.2.${20 + rng.below(100)}`);
          note();
          break;
        default:
          r.b.turn();
          note();
      }
    }
    for (const h of held.splice(0)) sendOne(h);
    r.b.turn();
    expect(count.in).toBe(count.out + count.missed);
    expect([count.changed > 100, count.missed > 0]).toEqual([true, true]);
    r.end();
  });
});
