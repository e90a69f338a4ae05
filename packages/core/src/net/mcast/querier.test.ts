/**
 * querier.test.ts — the querier: packet scripts of its queries and of its table, elections with the querier lost, all on IGMP's codec.
 */
import { describe, expect, it } from 'vitest';
import { SimNet, Wire, craftIp, ip4 } from '../../sim/index.js';
import type { Vnet } from '../../vnet/vnet.js';
import { ip4Format } from '../../wire/addr.js';
import { inCksum } from '../../wire/checksum.js';
import { dissect } from '../../wire/dissect.js';
import { bridgeAdd } from '../bridge-control.js';
import { ifDown, ifUp } from '../if.js';
import { QUERIER_DEFAULTS } from './querier.js';
import type { McastQuerier, QuerierOptions } from './querier.js';

const S = 1_000_000;
const ALERT = Uint8Array.of(148, 4, 0, 0);
const quad = (text: string): number[] => text.split('.').map(Number);

function igmp(src: string, dst: string, bytes: readonly number[]): Uint8Array {
  const body = Uint8Array.from(bytes);
  const v = new DataView(body.buffer);
  v.setUint16(2, inCksum(v, 0, body.length));
  const g = ip4(dst);
  const to = `01:00:5e:${[(g >>> 16) & 127, (g >>> 8) & 255, g & 255].map((x) => x.toString(16).padStart(2, '0')).join(':')}`;
  return craftIp({ src: '02:00:00:00:00:99', dst: to }, { src, dst, proto: 2, ttl: 1, options: ALERT }, body);
}

const TYPES = { is_in: 1, is_ex: 2, to_in: 3, to_ex: 4, allow: 5, block: 6 } as const;

function report(type: keyof typeof TYPES, group: string, sources: readonly string[] = [], from = '10.0.0.7'): Uint8Array {
  return igmp(from, '224.0.0.22', [0x22, 0, 0, 0, 0, 0, 0, 1, TYPES[type], 0, 0, sources.length, ...quad(group), ...sources.flatMap(quad)]);
}

const GROUP = '239.0.0.1';
const [A, B, C] = ['10.1.1.1', '10.1.1.2', '10.1.1.3'];

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly wire: Wire;
  readonly q: McastQuerier<number>;
  /** Seconds since the net was made, and the lines sent. */
  sent(): string[];
  /** The group as `mode until [source:seconds ...]`. */
  table(group?: string): string;
}

function bench(options: Partial<QuerierOptions> = {}, quiet = true): Bench {
  const net = new SimNet(3);
  const v = net.vnet('r');
  const wire = new Wire(net, v, { mac: '02:00:00:00:00:01' });
  net.addr(v, wire.ifp, '10.0.0.1/24');
  expect(net.kernel.call(net.now, () => v.mroute.setQuerier(wire.ifp, { ...QUERIER_DEFAULTS, ...options }))).toBe(0);
  const q = v.igmp.querierOf(wire.ifp) as McastQuerier<number>;
  const sent = (): string[] => wire.take().map((f) => `${Math.floor(f.time / S)} ${dissect(f.bytes, { verbose: 2 }).replace(/^.*?> /s, '').replace(/\s+/g, ' ')}`).filter((l) => l.includes('query'));
  if (quiet) {
    net.run(40 * S);
    sent();
  }
  return {
    net, v, wire, q, sent,
    table: (group = GROUP) => {
      const g = q.groups.get(ip4(group));
      if (g === undefined) return 'none';
      const left = (until: number): number => Math.ceil((until - net.now) / S);
      return [g.mode === 2 ? `exclude ${left(g.until)}` : 'include', ...[...g.sources].sort(([a], [b]) => a - b).map(([s, until]) => `${ip4Format(s)}:${until === 0 ? 0 : left(until)}`)].join(' ');
    },
  };
}

describe('a querier', () => {
  it('asks twice at the start, a quarter of the interval apart, then every interval', () => {
    const { net, sent } = bench({}, false);
    net.run(320 * S);
    expect(sent()).toEqual(['0', '31', '156', '281'].map((t) => `${t} 224.0.0.1: igmp query v3`));
  });

  it('of versions 2 and 1', () => {
    expect(bench({ version: 2 }, false).sent()).toEqual(['0 224.0.0.1: igmp query v2']);
    expect(bench({ version: 1 }, false).sent()).toEqual(['0 224.0.0.1: igmp query v1']);
  });

  it('hears reports to groups nobody here has joined', () => {
    const { wire, table, q } = bench();
    wire.in(igmp('10.0.0.8', GROUP, [0x16, 0, 0, 0, ...quad(GROUP)]));
    expect(table()).toBe('exclude 260');
    expect(q.groups.get(ip4(GROUP))).toMatchObject({ lastReporter: ip4('10.0.0.8') });
  });

  // RFC 9776 §6.4.1 and §6.4.2: every row. Sources A, B, C; GMI is 260 s, LMQT 2 s. A group in EXCLUDE ({A}, {B}) is made by to_ex {B}, allow {A}.
  const include = [report('allow', GROUP, [A, B])];
  const exclude = [report('to_ex', GROUP, [B]), report('allow', GROUP, [A])];
  const rows: readonly [string, readonly Uint8Array[], Uint8Array, string, string[]][] = [
    ['include is_in', include, report('is_in', GROUP, [B, C]), `include ${A}:258 ${B}:260 ${C}:260`, []],
    ['include is_ex', include, report('is_ex', GROUP, [B, C]), `exclude 260 ${B}:258 ${C}:0`, []],
    ['exclude is_in', exclude, report('is_in', GROUP, [B, C]), `exclude 258 ${A}:258 ${B}:260 ${C}:260`, []],
    ['exclude is_ex', exclude, report('is_ex', GROUP, [A, C]), `exclude 260 ${A}:258 ${C}:260`, []],
    ['include allow', include, report('allow', GROUP, [C]), `include ${A}:258 ${B}:258 ${C}:260`, []],
    ['include block', include, report('block', GROUP, [B, C]), `include ${A}:258 ${B}:2`, [`[gaddr ${GROUP} { ${B} }]`]],
    ['include to_ex', include, report('to_ex', GROUP, [B, C]), `exclude 260 ${B}:2 ${C}:0`, [`[gaddr ${GROUP} { ${B} }]`]],
    ['include to_in', include, report('to_in', GROUP, [C]), `include ${A}:2 ${B}:2 ${C}:260`, [`[gaddr ${GROUP} { ${A} ${B} }]`]],
    ['exclude allow', exclude, report('allow', GROUP, [B, C]), `exclude 258 ${A}:258 ${B}:260 ${C}:260`, []],
    ['exclude block', exclude, report('block', GROUP, [A, B, C]), `exclude 258 ${A}:2 ${B}:0 ${C}:2`, [`[gaddr ${GROUP} { ${A} ${C} }]`]],
    ['exclude to_ex', exclude, report('to_ex', GROUP, [A, B, C]), `exclude 260 ${A}:2 ${B}:0 ${C}:2`, [`[gaddr ${GROUP} { ${A} ${C} }]`]],
    ['exclude to_in', exclude, report('to_in', GROUP, [B]), `exclude 2 ${A}:2 ${B}:260`, [`[gaddr ${GROUP}]`, `[gaddr ${GROUP} { ${A} }]`]],
  ];
  for (const [name, before, then, table, queries] of rows) {
    it(`row ${name}`, () => {
      const b = bench();
      for (const f of before) b.wire.in(f);
      b.net.run(2 * S);
      b.sent();
      b.wire.in(then);
      expect(b.table()).toBe(table);
      expect(b.sent().map((l) => l.replace(/^.*time 1.0s\] /, ''))).toEqual(queries);
    });
  }

  it('forgets a group nobody renews, and sources one by one', () => {
    const { net, wire, table } = bench();
    wire.in(report('is_ex', GROUP, [B])).in(report('allow', '239.0.0.2', [A]));
    net.run(200 * S);
    wire.in(report('allow', '239.0.0.2', [B]));
    net.run(61 * S);
    expect([table(), table('239.0.0.2')]).toEqual(['none', `include ${B}:199`]);
    net.run(200 * S);
    expect(table('239.0.0.2')).toBe('none');
  });

  it('of an excluded group the sources somebody wants stay, as INCLUDE', () => {
    const { net, wire, table } = bench();
    wire.in(report('is_ex', GROUP, [B]));
    net.run(100 * S);
    wire.in(report('allow', GROUP, [A]));
    net.run(161 * S);
    expect(table()).toBe(`include ${A}:99`);
  });

  it('asks again after a leave, in vain, and forgets; a member that answers keeps the group', () => {
    const { net, wire, table, sent } = bench();
    wire.in(report('is_ex', GROUP)).in(report('to_in', GROUP));
    net.run(1.5 * S);
    expect(sent()).toEqual(['40', '41'].map((t) => `${t} ${GROUP}: igmp query v3 [max resp time 1.0s] [gaddr ${GROUP}]`));
    net.run(S);
    expect(table()).toBe('none');
    wire.in(report('is_ex', GROUP)).in(report('to_in', GROUP));
    net.run(0.5 * S);
    wire.in(report('is_ex', GROUP, [], '10.0.0.9'));
    net.run(10 * S);
    expect(table()).toBe('exclude 250');
  });

  it('fast leave asks nobody', () => {
    const { wire, table, sent } = bench({ fastLeave: true });
    wire.in(report('is_ex', GROUP)).in(report('to_in', GROUP));
    expect([table(), sent()]).toEqual(['none', []]);
  });

  it('members of version 2 and 1: sources mean nothing, with version 1 no leave counts', () => {
    const { wire, table } = bench();
    wire.in(igmp('10.0.0.8', GROUP, [0x16, 0, 0, 0, ...quad(GROUP)])).in(report('block', GROUP, [A])).in(report('to_ex', GROUP, [B]));
    expect(table()).toBe('exclude 260');
    wire.in(igmp('10.0.0.8', GROUP, [0x12, 0, 0, 0, ...quad(GROUP)])).in(igmp('10.0.0.8', '224.0.0.2', [0x17, 0, 0, 0, ...quad(GROUP)])).in(report('to_in', GROUP));
    expect(table()).toBe('exclude 260');
  });

  it('keeps to its limits', () => {
    const { wire, q, table } = bench({ groupsMax: 2, sourcesMax: 2 });
    for (const g of ['239.0.0.1', '239.0.0.2', '239.0.0.3']) wire.in(report('is_ex', g));
    wire.in(report('is_in', '239.0.0.2', [A, B, C]));
    expect([q.groups.size, q.stats.groupsFull, q.stats.sourcesFull]).toEqual([3, 1, 1].map((n, i) => (i === 0 ? 2 : n)));
    expect(table('239.0.0.2')).toBe(`exclude 260 ${A}:260 ${B}:260`);
  });
});

describe('the election', () => {
  it('the lower address asks; when it is silent the other takes over', () => {
    const { net, wire, q, sent } = bench();
    wire.in(igmp('10.0.0.9', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]));
    expect(q.isQuerier).toBe(true);
    wire.in(igmp('0.0.0.0', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]));
    expect(q.isQuerier).toBe(true);
    wire.in(igmp('10.0.0.0', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 3, 60, 0, 0]));
    expect(q.other).toBe(ip4('10.0.0.0'));
    net.run(184 * S);
    expect(sent()).toEqual([]);
    net.run(2 * S);
    expect(q.isQuerier).toBe(true);
    expect(sent()).toEqual(['225 224.0.0.1: igmp query v3']);
  });

  it('who does not ask lowers its timers when the querier asks for a group, unless that says not to', () => {
    const { wire, table, sent } = bench();
    wire.in(igmp('10.0.0.0', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0])).in(report('is_ex', GROUP));
    wire.in(igmp('10.0.0.0', GROUP, [0x11, 10, 0, 0, ...quad(GROUP), 8 | 2, 125, 0, 0]));
    expect(table()).toBe('exclude 260');
    wire.in(igmp('10.0.0.0', GROUP, [0x11, 10, 0, 0, ...quad(GROUP), 2, 125, 0, 0]));
    expect(table()).toBe('exclude 2');
    wire.in(report('to_in', GROUP));
    expect(sent()).toEqual([]);
  });

  it('three routers of one link agree on one, and on the next when it is gone', () => {
    const net = new SimNet(11);
    const bridge = net.vnet('b');
    const br = net.clone(bridge, 'bridge');
    const routers = ['10.0.0.3', '10.0.0.1', '10.0.0.2'].map((addr, i) => {
      const v = net.vnet(`r${i}`);
      const [a, b] = net.epair(bridge, v);
      net.kernel.call(net.now, () => bridgeAdd(br, a.xname));
      net.addr(v, b, `${addr}/24`);
      net.kernel.call(net.now, () => v.mroute.setQuerier(b, { ...QUERIER_DEFAULTS }));
      return { v, ifp: b };
    });
    net.kernel.call(net.now, () => ifUp(br));
    const who = (): string[] => routers.map(({ v, ifp }) => (v.igmp.querierOf(ifp)?.isQuerier ?? false ? 'asks' : ip4Format(v.igmp.querierOf(ifp)?.other ?? 0)));
    net.run(300 * S);
    expect(who()).toEqual(['10.0.0.1', 'asks', '10.0.0.1']);
    const lost = routers[1];
    if (lost !== undefined) net.kernel.call(net.now, () => ifDown(lost.ifp));
    net.run(600 * S);
    expect(who().filter((_, i) => i !== 1)).toEqual(['10.0.0.2', 'asks']);
  });
});
