/**
 * kern-tables.test.ts — sysctl tree, counter groups, event handlers, the order of constructors and destructors.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOENT, EPERM } from '../base/errno.js';
import { InvariantError } from '../base/assert.js';
import { quietEnv } from '../env/env.js';
import { CounterTree, counterText, snapshot } from './counters.js';
import type { CounterGroup } from './counters.js';
import { Engine } from './engine.js';
import { EVENTHANDLER_PRI_FIRST, EVENTHANDLER_PRI_LAST, EventHandlerList } from './eventhandler.js';
import { SysctlTree, sysctlInt, sysctlRead, sysctlString } from './sysctl.js';
import type { SysctlGroup } from './sysctl.js';
import { VnetKern } from './vnet-kern.js';
import {
  SI_ORDER_ANY, SI_ORDER_FIRST, SI_ORDER_SECOND, SI_SUB_INIT_IF, SI_SUB_PROTO_DOMAIN, SI_SUB_PSEUDO, SI_SUB_VNET, SI_SUB_VNET_DONE, VnetSysinitTable, subsystemName,
} from './vnet-sysinit.js';
import type { VnetSysinit } from './vnet-sysinit.js';

class Tunables {
  ttl = 64;
  name = 'x';
}

const GROUP: SysctlGroup<Tunables> = {
  prefix: 'net.inet.ip',
  oids: [
    sysctlInt('ttl', 'ttl', 'hops', 1, 255, 'how far'),
    sysctlRead('double', 'int', '', 'twice the ttl', (o) => o.ttl * 2),
    sysctlString('name', 'name', 'a text', 4),
    {
      leaf: 'even', type: 'int', help: '', unit: '', min: -8, max: 8, get: () => 0,
      set: (_o, v) => (Number(v) % 2 === 0 ? 0 : EPERM),
    },
  ],
};
const BELOW: SysctlGroup<Tunables> = { prefix: 'net.inet.ip.mcast', oids: [sysctlInt('loop', 'ttl', 'bool', 0, 1, '')] };
const BESIDE: SysctlGroup<Tunables> = { prefix: 'net.inet.ipx', oids: [sysctlInt('ttl', 'ttl', '', 0, 1, '')] };

describe('SysctlTree', () => {
  it.each([
    ['net.inet.ip.ttl', 1, 0], ['net.inet.ip.ttl', 255, 0], ['net.inet.ip.ttl', 0, EINVAL], ['net.inet.ip.ttl', 256, EINVAL], ['net.inet.ip.ttl', 1.5, EINVAL],
    ['net.inet.ip.ttl', NaN, EINVAL], ['net.inet.ip.ttl', '7', EINVAL], ['net.inet.ip.double', 4, EPERM], ['net.inet.ip.nosuch', 4, ENOENT], ['net.inet.ip', 4, ENOENT],
    ['ttl', 4, ENOENT], ['', 4, ENOENT], ['.ttl', 4, ENOENT], ['net.inet.ip.', 4, ENOENT], ['net.inet.i.ttl', 4, ENOENT], ['net.inet.ip.ttl.x', 4, ENOENT],
    ['net.inet.ip.name', 'abcd', 0], ['net.inet.ip.name', 'abcde', EINVAL], ['net.inet.ip.name', 4, EINVAL],
    ['net.inet.ip.even', -8, 0], ['net.inet.ip.even', 3, EPERM], ['net.inet.ip.even', -10, EINVAL],
  ])('set %s to %s: %i', (name, value, error) => {
    const t = new SysctlTree();
    const object = new Tunables();
    t.attach(GROUP, object);
    const before = { ...object };
    expect(t.set(name, value)).toBe(error);
    const key = name.slice(name.lastIndexOf('.') + 1);
    if (error === 0 && key in object) expect(t.find(name)?.get()).toBe(value);
    else expect(object).toEqual(before);
  });

  it('describes a node', () => {
    const t = new SysctlTree();
    t.attach(GROUP, new Tunables());
    const { get, set, ...node } = t.find('net.inet.ip.ttl')!;
    expect(node).toEqual({ name: 'net.inet.ip.ttl', type: 'int', help: 'how far', unit: 'hops', min: 1, max: 255, writable: true });
    expect(get()).toBe(64);
    expect(set(65)).toBe(0);
    expect(t.find('net.inet.ip.double')).toMatchObject({ writable: false });
    expect(t.find('net.inet.ip.double')?.get()).toBe(130);
  });

  it.each([
    ['', ['net.inet.ip.double', 'net.inet.ip.even', 'net.inet.ip.mcast.loop', 'net.inet.ip.name', 'net.inet.ip.ttl', 'net.inet.ipx.ttl']],
    ['net', ['net.inet.ip.double', 'net.inet.ip.even', 'net.inet.ip.mcast.loop', 'net.inet.ip.name', 'net.inet.ip.ttl', 'net.inet.ipx.ttl']],
    ['net.inet.ip', ['net.inet.ip.double', 'net.inet.ip.even', 'net.inet.ip.mcast.loop', 'net.inet.ip.name', 'net.inet.ip.ttl']],
    ['net.inet.ip.mcast', ['net.inet.ip.mcast.loop']], ['net.inet.ip.ttl', ['net.inet.ip.ttl']], ['net.inet.ip.tt', []], ['ne', []], ['kern', []],
  ])('lists what is below "%s"', (prefix, names) => {
    const t = new SysctlTree();
    for (const g of [BESIDE, BELOW, GROUP]) t.attach(g, new Tunables());
    expect(t.list(prefix).map((n) => n.name)).toEqual(names);
  });

  it('answers with the first of two objects of one name, with the second when that is gone', () => {
    const t = new SysctlTree();
    const [a, b] = [new Tunables(), new Tunables()];
    b.ttl = 7;
    t.attach(GROUP, a);
    t.attach(GROUP, b);
    t.attach(BELOW, a);
    expect([t.count, t.find('net.inet.ip.ttl')?.get(), t.list('net.inet.ip.ttl').map((n) => n.get())]).toEqual([3, 64, [64]]);
    t.detach(a);
    expect([t.count, t.find('net.inet.ip.ttl')?.get(), t.find('net.inet.ip.mcast.loop')]).toEqual([1, 7, null]);
    t.detach(a);
    t.detach(b);
    expect([t.count, t.list('')]).toEqual([0, []]);
  });

  it('knows leaves with dots in them', () => {
    const t = new SysctlTree();
    t.attach({ prefix: 'dev', oids: [sysctlRead<Tunables>('em.0.mtu', 'int', '', '', () => 1_500)] }, new Tunables());
    expect([t.find('dev.em.0.mtu')?.get(), t.find('dev.em.0'), t.list('dev.em').length]).toEqual([1_500, null, 1]);
  });

  it('looks at no group but the right ones, however many there are', () => {
    const t = new SysctlTree();
    let asked = 0;
    const object = new Tunables();
    for (let i = 0; i < 5_000; i++) {
      const oids = [sysctlRead<Tunables>('x', 'int', '', '', () => i)];
      t.attach({
        prefix: `net.link.if${i}`,
        get oids() {
          asked++;
          return oids;
        },
      }, object);
    }
    asked = 0;
    for (const i of [0, 2_500, 4_999]) expect(t.find(`net.link.if${i}.x`)?.get()).toBe(i);
    expect(t.find('net.link.nosuch.x')).toBeNull();
    expect(t.list('net.link.if77').map((n) => n.name)).toEqual(['net.link.if77.x']);
    expect(asked).toBe(4);
  });
});

class Stats {
  seen = 1;
  entry = 2;
  match = 0;
  hidden = 9;
}

const COUNTERS: CounterGroup<Stats> = {
  name: 'demo',
  rows: [{ key: 'seen', text: '{} packet{s} seen' }, { key: 'entry', text: '{} entr{ies} kept', depth: 2 }, { key: 'match', text: '{} match{es}' }],
};

describe('CounterTree', () => {
  it.each([
    ['{} packet{s}', 0, '0 packets'], ['{} packet{s}', 1, '1 packet'], ['{} packet{s}', 2, '2 packets'], ['{} match{es}', 1, '1 match'], ['{} match{es}', 0, '0 matches'],
    ['{} entr{ies}', 1, '1 entry'], ['{} entr{ies}', 5, '5 entries'], [' ({} packet{s} fast forwarded)', 3, ' (3 packets fast forwarded)'], ['nothing', 3, 'nothing'],
  ])('"%s" of %i reads "%s"', (text, n, out) => {
    expect(counterText(text, n)).toBe(out);
  });

  it('shows, finds, zeroes and forgets groups', () => {
    const t = new CounterTree();
    const stats = new Stats();
    const owner = { stats };
    t.attach(COUNTERS, owner);
    expect(t.find('demo')?.lines()).toEqual([
      { key: 'seen', value: 1, text: '1 packet seen', depth: 1 },
      { key: 'entry', value: 2, text: '2 entries kept', depth: 2 },
      { key: 'match', value: 0, text: '0 matches', depth: 1 },
    ]);
    expect(snapshot(stats)).toEqual({ seen: 1, entry: 2, match: 0, hidden: 9 });
    t.find('demo')?.zero();
    expect(snapshot(stats)).toEqual({ seen: 0, entry: 0, match: 0, hidden: 0 });
    expect([t.find('nosuch'), t.list().length]).toEqual([null, 1]);
    t.detach(owner);
    expect(t.list()).toEqual([]);
  });
});

describe('EventHandlerList', () => {
  it('calls in order of priority, then of registration', () => {
    fc.assert(fc.property(fc.array(fc.nat(3), { maxLength: 20 }), (priorities) => {
      const list = new EventHandlerList<number>();
      const called: number[] = [];
      priorities.forEach((p, i) => list.register(() => void called.push(i), p));
      list.invoke(0);
      expect(called).toEqual(priorities.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p || a.i - b.i).map((x) => x.i));
    }), { seed: 20260112, numRuns: 100 });
  });

  it('takes a handler off once, and does not disturb a round under way', () => {
    const list = new EventHandlerList<string>();
    const seen: string[] = [];
    const offs: (() => void)[] = [];
    offs.push(list.register((x) => void seen.push(`last ${x}`), EVENTHANDLER_PRI_LAST));
    list.register((x) => {
      seen.push(`first ${x}`);
      for (const off of offs) off();
      list.register((y) => void seen.push(`new ${y}`));
    }, EVENTHANDLER_PRI_FIRST);
    list.invoke('1');
    expect(seen).toEqual(['first 1', 'last 1']);
    expect(list.count).toBe(2);
    offs[0]?.();
    expect(list.count).toBe(2);
    list.invoke('2');
    expect(seen.slice(2)).toEqual(['first 2', 'new 2']);
  });
});

describe('VnetSysinitTable', () => {
  interface V { readonly kern: VnetKern; readonly ran: string[] }
  const step = (name: string, subsystem: number, order: number): VnetSysinit<V> => ({
    name, subsystem, order, run: (v) => void v.ran.push(`${name}@${v.kern.state.toString(16)}`),
  });
  const vnet = (): V => ({ kern: new VnetKern(new Engine(quietEnv(1)), 1, 'v'), ran: [] });

  it('runs constructors ascending and destructors in the reverse of the same key, ties by registration', () => {
    const a = step('a', SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY);
    const b = step('b', SI_SUB_PSEUDO, SI_ORDER_SECOND);
    const c = step('c', SI_SUB_PSEUDO, SI_ORDER_FIRST);
    const d = step('d', SI_SUB_PSEUDO, SI_ORDER_FIRST);
    const t = new VnetSysinitTable<V>([a, b, c, d], [a, b, c, d]);
    const v = vnet();
    t.runConstructors(v);
    expect(v.ran).toEqual(['c@7000000', 'd@7000000', 'b@7000000', 'a@8800000']);
    expect([v.kern.state, v.kern.isShuttingDown]).toEqual([SI_SUB_VNET_DONE, false]);
    v.ran.length = 0;
    v.kern.shutdown = true;
    const seen: string[] = [];
    t.runDestructors(v, (_v, s, when) => void (when === 'before' && seen.push(s.name)));
    expect(v.ran).toEqual(['a@8800000', 'b@7000000', 'd@7000000', 'c@7000000']);
    expect(seen).toEqual(['a', 'b', 'd', 'c']);
  });

  it('is shutting down in every destructor but the first subsystem', () => {
    const states: boolean[] = [];
    const look = (subsystem: number): VnetSysinit<V> => ({ name: 'look', subsystem, order: 0, run: (v) => void states.push(v.kern.isShuttingDown) });
    const v = vnet();
    new VnetSysinitTable<V>([look(SI_SUB_PSEUDO)], []).runConstructors(v);
    expect(states.splice(0)).toEqual([false]);
    v.kern.shutdown = true;
    const t = new VnetSysinitTable<V>([], [look(SI_SUB_INIT_IF), look(SI_SUB_VNET_DONE)]);
    t.runStop(v);
    expect(states.splice(0)).toEqual([false]);
    t.runDestructors(v);
    expect(states).toEqual([true]);
  });

  it('runs every destructor although one throws, and throws the first exception then', () => {
    const bad = (text: string, order: number): VnetSysinit<V> => ({
      name: text, subsystem: SI_SUB_PSEUDO, order,
      run: () => {
        throw new InvariantError(text);
      },
    });
    const v = vnet();
    const t = new VnetSysinitTable<V>([], [step('last', SI_SUB_INIT_IF, 0), bad('second', 1), bad('first', 2), step('begin', SI_SUB_VNET_DONE, 0)]);
    expect(() => t.runDestructors(v)).toThrow('first');
    expect(v.ran).toEqual(['last@3000000']);
    t.runStop(v);
    expect(v.ran).toEqual(['last@3000000', 'begin@dc00000']);
  });

  it('takes no part outside its range', () => {
    expect(() => new VnetSysinitTable<V>([step('x', SI_SUB_VNET, 0)], [])).toThrow(InvariantError);
    expect(() => new VnetSysinitTable<V>([], [step('x', SI_SUB_VNET_DONE + 1, 0)])).toThrow(InvariantError);
    expect([subsystemName(SI_SUB_PROTO_DOMAIN), subsystemName(0x42)]).toEqual(['SI_SUB_PROTO_DOMAIN', '0x42']);
  });
});
