/**
 * rt-readers.test.ts — datapath workers and the routing tables: what a worker in the middle of a batch may be about to read is not used for anything else.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Prng } from '../../base/prng.js';
import { Fib4View } from '../../fwd/fib4.js';
import { NhopTable } from '../../fwd/nhop-table.js';
import { QuiescentReader } from '../../fwd/quiescence.js';
import { InetBench, NOTHING_LEFT, ip } from '../../inet/test-inet.js';
import { ifDetach } from '../if-detach.js';
import type { Ifnet } from '../ifnet.js';

let b: InetBench;
let em0: Ifnet;

beforeEach(() => {
  b = new InetBench();
  b.addr(b.lo0, '127.0.0.1/8');
  em0 = b.ether();
  b.addr(em0, '192.0.2.1/24');
});

afterEach(() => {
  b.destroy();
  b.turn();
  expect(b.leftovers()).toEqual(NOTHING_LEFT);
});

/** A worker: its view of the tables is as old as its last quiescent point. */
class Worker {
  readonly reader: QuiescentReader;
  view!: Fib4View;
  readonly nhops = new NhopTable();

  constructor() {
    const { readers } = b.engine;
    this.reader = new QuiescentReader(readers.periods.words, readers.add());
    this.adopt();
    this.reader.online();
  }

  /** The arrays as they are now. */
  adopt(): void {
    const { fib, nhops } = b.routes.fwd4(0);
    this.view = new Fib4View(fib.t, fib);
    this.nhops.hops = nhops.hops;
    this.nhops.groups = nhops.groups;
    this.nhops.members = nhops.members;
  }

  /** The end of a batch; the writer looks later. */
  endBatch(): void {
    this.adopt();
    this.reader.quiesce();
  }

  quiesce(): void {
    this.endBatch();
    b.engine.readersPassed();
    b.turn();
  }

  /** Long enough for what came while a period was under way, too. */
  quiesceTwice(): void {
    this.quiesce();
    this.quiesce();
  }

  value(dst: string): number {
    return this.view.lookup(ip(dst));
  }

  gateway(idx: number): number {
    return this.nhops.flags(idx) === 0 ? 0 : this.nhops.gateway(idx);
  }
}

const valueOf = (dst: string): number => b.routes.fwd4(0).fib.lookup(ip(dst));

describe('an index', () => {
  it('of a next hop keeps its words, and is given to nobody, until the batch is over', () => {
    b.route('add', '203.0.113.0/24', '192.0.2.9');
    const w = new Worker();
    const idx = w.value('203.0.113.1');
    const count = b.routes.store.count;
    b.route('delete', '203.0.113.0/24', null);
    b.route('add', '198.51.100.0/24', '192.0.2.10');
    expect([w.value('203.0.113.1'), w.gateway(idx), valueOf('198.51.100.1') === idx]).toEqual([0, ip('192.0.2.9'), false]);
    expect([b.routes.nexthop(idx), b.routes.store.count, b.routes.store.leaving]).toEqual([null, count, 1]);
    w.quiesce();
    expect([w.gateway(idx), b.routes.store.leaving]).toEqual([0, 0]);
    b.route('add', '203.0.113.0/24', '192.0.2.11');
    expect(valueOf('203.0.113.1')).toBe(idx);
  });

  it('of a group, and of the next hops that only the group had', () => {
    b.route('add', '203.0.113.0/24', '192.0.2.9');
    b.route('add', '203.0.113.0/24', '192.0.2.10');
    const w = new Worker();
    const group = w.value('203.0.113.1');
    const both = [0, 1].map((flow) => w.nhops.select(group, flow));
    b.route('change', '203.0.113.0/24', '192.0.2.11', { via: ip('192.0.2.9') });
    b.route('delete', '203.0.113.0/24', '192.0.2.10');
    b.route('add', '198.51.100.0/24', '192.0.2.12');
    b.route('add', '198.51.100.0/24', '192.0.2.13');
    expect([0, 1].map((flow) => w.nhops.select(group, flow))).toEqual(both);
    expect(both.map((idx) => w.gateway(idx)).sort()).toEqual([ip('192.0.2.9'), ip('192.0.2.10')].sort());
    expect([valueOf('198.51.100.1') === group, b.routes.store.groupCount]).toEqual([false, 1]);
    w.quiesceTwice();
    expect(b.routes.store.leaving).toBe(0);
  });

  it('of an interface', () => {
    const w = new Worker();
    const index = em0.index;
    ifDetach(em0);
    expect([b.net.shared.byIndex(index), b.ether().index === index]).toEqual([null, false]);
    w.quiesce();
    expect(b.ether().index).toBe(index);
  });
});

it('a node of the compiled table is used again when no worker can be in it', () => {
  for (let i = 0; i < 20; i++) b.route('add', `198.51.100.${i}/32`, '192.0.2.9');
  const { fib } = b.routes.rib('inet', 0)!;
  b.route('add', '203.0.113.77/32', '192.0.2.10');
  const { nodes } = fib;
  const w = new Worker();
  b.route('delete', '203.0.113.77/32', null);
  const leaving = fib.retiredCount;
  expect([leaving > 0, fib.nodes]).toEqual([true, nodes - leaving]);
  const bytes = fib.t.byteLength;
  b.route('add', '100.64.0.77/32', '192.0.2.10');
  expect(fib.retiredCount).toBe(leaving);
  w.quiesceTwice();
  expect(fib.retiredCount).toBe(0);
  for (let i = 0; i < 500; i++) {
    b.route('add', `203.0.113.${i % 256}/32`, '192.0.2.10');
    b.route('delete', `203.0.113.${i % 256}/32`, null);
    w.quiesceTwice();
  }
  expect([fib.retiredCount, b.routes.rib('inet', 0)!.fib === fib, fib.t.byteLength <= 2 * bytes]).toEqual([0, true, true]);
});

it('a tool does not wait for workers: a route is changed at once, an address and an interface go at once', () => {
  b.route('add', '203.0.113.0/24', '192.0.2.9');
  const w = new Worker();
  const idx = w.value('203.0.113.1');
  expect(b.route('change', '203.0.113.0/24', '192.0.2.10')).toBe(0);
  expect([w.gateway(w.value('203.0.113.1')), w.gateway(idx)]).toEqual([ip('192.0.2.10'), ip('192.0.2.9')]);
  expect(b.delAddr(em0, '192.0.2.1')).toBe(0);
  expect([w.value('203.0.113.1'), w.value('192.0.2.1'), w.gateway(idx)]).toEqual([0, 0, ip('192.0.2.9')]);
  ifDetach(em0);
  w.quiesceTwice();
  expect([b.routes.store.leaving, b.routes.life.dying]).toEqual([0, 0]);
});

/** Every prefix has gateways of its own, so a gateway says whose packets go there. */
const PREFIXES = 24;
const GATEWAYS = 8;
const gatewayOf = (prefix: number, k: number): number => ip('192.0.2.10') + prefix * GATEWAYS + k;

/** Random changes while two workers look up, stop in the middle, and go on with what they have. Packets that went to another prefix's gateway. */
function wrongDeliveries(seed: number, steps: number): number {
  const rng = new Prng(seed);
  const workers = [new Worker(), new Worker()];
  const inHand = workers.map(() => [] as { readonly prefix: number; readonly value: number; idx: number }[]);
  let wrong = 0;
  const look = (w: number): void => {
    const prefix = rng.below(PREFIXES);
    inHand[w]!.push({ prefix, value: workers[w]!.value(`10.${prefix}.0.${rng.below(256)}`), idx: -1 });
  };
  const goOn = (w: number): void => {
    for (const p of inHand[w]!) {
      const { nhops } = workers[w]!;
      if (p.value === 0 || p.value === undefined) continue;
      if (p.idx < 0 && rng.below(2) === 0) {
        p.idx = nhops.select(p.value, rng.below(100)) ?? 0;
        continue;
      }
      const gateway = workers[w]!.gateway(p.idx < 0 ? (nhops.select(p.value, 0) ?? 0) : p.idx);
      if (gateway === 0 || gateway === undefined || Number.isNaN(gateway)) continue; // punted
      if (Math.floor((gateway - gatewayOf(0, 0)) / GATEWAYS) !== p.prefix) wrong++;
    }
  };
  const change = (): void => {
    const prefix = rng.below(PREFIXES);
    const name = `10.${prefix}.${rng.below(2) === 0 ? '0.0/24' : `0.${rng.below(256)}/32`}`;
    const gateway = ((g) => `${g >>> 24}.${(g >>> 16) & 255}.${(g >>> 8) & 255}.${g & 255}`)(gatewayOf(prefix, rng.below(GATEWAYS)));
    const verb = (['add', 'add', 'add', 'delete', 'change'] as const)[rng.below(5)]!;
    b.route(verb, name, verb === 'delete' && rng.below(2) === 0 ? null : gateway);
  };
  for (let i = 0; i < steps; i++) {
    const w = rng.below(2);
    const what = rng.below(20);
    if (what < 6) look(w);
    else if (what < 10) goOn(w);
    else if (what < 17) change();
    else if (what < 18) b.turn();
    else if (rng.below(3) === 0) {
      inHand[w]!.length = 0;
      if (rng.below(4) !== 0) workers[w]!.endBatch();
      else {
        workers[w]!.reader.offline();
        if (rng.below(2) === 0) b.turn();
        workers[w]!.adopt();
        workers[w]!.reader.online();
      }
    }
  }
  for (const w of workers) {
    w.reader.offline();
    b.turn();
    b.engine.readers.remove(w.reader.slot);
  }
  return wrong;
}

describe('whatever is changed while workers are in the middle of it', () => {
  it.each(Array.from({ length: 200 }, (_, i) => i + 1))('no packet goes to another prefix\'s gateway, seed %i', (seed) => {
    expect(wrongDeliveries(seed, 500)).toBe(0);
    b.turn();
    expect(b.routes.store.leaving).toBe(0);
  });

  it('and without grace periods some do', () => {
    b.engine.readers.passed = () => true;
    expect(wrongDeliveries(1, 500)).toBeGreaterThan(0);
  });
});
