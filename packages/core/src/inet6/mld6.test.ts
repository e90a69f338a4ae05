/**
 * mld6.test.ts — packet scripts of MLD: joins, leaves, queries of both versions, the querier; what differs from IGMP, whose tests cover the machinery.
 */
import { describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { QUERIER_DEFAULTS } from '../net/mcast/querier.js';
import { MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import { SimNet, Wire } from '../sim/index.js';
import { craftEther } from '../sim/craft.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6BigOf, ip6Parse } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { dissect } from '../wire/dissect.js';
import { in6Aifaddr } from './in6-control.js';
import { in6ChangeFilter, in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';
import { MldStats } from './mld6-var.js';

const MAC = '02:00:00:00:00:01';
const S = 1_000_000;
const NOTHING = snapshot(new MldStats());
const addr = (text: string): Uint8Array => ip6Parse(text) as Uint8Array;
const big = (text: string): bigint => ip6BigOf(addr(text));
const GROUP = 'ff05::1:3';
const ROUTER = 'fe80::99';

/** An MLD message in a frame: hop limit 1 and router alert unless told otherwise. */
function mld(src: string, dst: string, bytes: readonly number[], more: { hlim?: number; alert?: boolean } = {}): Uint8Array {
  const alert = more.alert ?? true;
  const hbh = alert ? [58, 0, 5, 2, 0, 0, 1, 0] : [];
  const out = Uint8Array.from([0x60, 0, 0, 0, 0, hbh.length + bytes.length, alert ? 0 : 58, more.hlim ?? 1, ...addr(src), ...addr(dst), ...hbh, ...bytes]);
  const v = new DataView(out.buffer);
  const at = 40 + hbh.length;
  v.setUint16(at + 2, 0);
  v.setUint16(at + 2, inCksum6(v, at, bytes.length, 8, 24, 58));
  const d = addr(dst);
  return craftEther({ src: '02:00:00:00:00:99', dst: `33:33:${[...d.subarray(12)].map((x) => x.toString(16).padStart(2, '0')).join(':')}` }, 0x86dd, out);
}

const query2 = (ms: number, group = '::', sources: readonly string[] = [], src = ROUTER): Uint8Array =>
  mld(src, group === '::' ? 'ff02::1' : group, [130, 0, 0, 0, ms >> 8, ms & 255, 0, 0, ...addr(group), 2, 125, 0, sources.length, ...sources.flatMap((s) => [...addr(s)])]);
const query1 = (ms: number, group = '::'): Uint8Array => mld(ROUTER, group === '::' ? 'ff02::1' : group, [130, 0, 0, 0, ms >> 8, ms & 255, 0, 0, ...addr(group)]);
const report1 = (group: string, type = 131): Uint8Array => mld('fe80::7', type === 131 ? group : 'ff02::2', [type, 0, 0, 0, 0, 0, 0, 0, ...addr(group)]);
const report2 = (type: number, group: string, sources: readonly string[] = [], src = 'fe80::7'): Uint8Array =>
  mld(src, 'ff02::16', [143, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, sources.length, ...addr(group), ...sources.flatMap((s) => [...addr(s)])]);

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly wire: Wire;
  sent(): string[];
}

function bench(address = true): Bench {
  const net = new SimNet(5);
  const v = net.vnet('h');
  v.in6Net.tun.dadCount = 0;
  const wire = new Wire(net, v, { mac: MAC });
  if (address) {
    net.kernel.call(net.now, () => in6Aifaddr(v.in6Net, wire.ifp, { addr: addr('2001:db8::1'), plen: 64 }));
    net.run(10 * S);
    wire.take();
  }
  return {
    net, v, wire,
    sent: () => wire.take().map((f) => dissect(f.bytes, { verbose: 2 }).replace(/^.*?\) /s, '').replace(/\s+/g, ' ')).filter((l) => l.includes('listener')).map((l) => l.replace(/^.*HBH \(rtalert: 0x0000\) \(padn\) ?/, '').replace(/\[icmp6 sum ok\] /, '')),
  };
}

describe('MLDv2 host', () => {
  it('tells the groups that come with an address, but all nodes and those of the interface', () => {
    const net = new SimNet(5);
    const v = net.vnet('h');
    v.in6Net.tun.dadCount = 0;
    const wire = new Wire(net, v, { mac: MAC });
    net.kernel.call(net.now, () => in6Aifaddr(v.in6Net, wire.ifp, { addr: addr('2001:db8::1'), plen: 64 }));
    net.run(10 * S);
    const told = new Set(wire.take().flatMap((f) => [...dissect(f.bytes, { verbose: 1 }).matchAll(/gaddr (\S+) to_ex/g)].map((m) => m[1])));
    expect([...told].sort()).toEqual(['ff02::1:ff00:1']);
    expect([...(v.mld.hostOf(wire.ifp)?.groups.keys() ?? [])]).toEqual([big('ff02::1:ff00:1')]);
  });

  it('a report goes to ff02::16 with hop limit 1 and the router alert, from the link-local address', () => {
    const { net, v, wire } = bench();
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP));
    const [f] = wire.take();
    expect([...(f?.bytes.subarray(14 + 4, 14 + 8) ?? [])]).toEqual([0, 36, 0, 1]);
    expect(dissect(f?.bytes ?? new Uint8Array(0), { verbose: 1 })).toMatch(/fe80::ff:fe00:1 > ff02::16: HBH \(rtalert: 0x0000\) \(padn\) ?\[icmp6 sum ok\] ICMP6, multicast listener report v2, 1 group record\(s\) \[gaddr ff05::1:3 to_ex/);
    net.run(4 * S);
    expect(wire.take()).toHaveLength(1);
    in6LeaveGroup(v.in6Net, wire.ifp, addr(GROUP));
    net.run(4 * S);
    expect(wire.take()).toHaveLength(2);
  });

  it('without a link-local address a report comes from ::', () => {
    const { v, wire } = bench(false);
    v.in6Net.ifinfo(wire.ifp)!.ndFlags = 0;
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP));
    expect([...(wire.take()[0]?.bytes.subarray(14 + 8, 14 + 24) ?? [])]).toEqual(Array(16).fill(0));
  });

  it('queries for everything, for a group, for sources', () => {
    const { net, v, wire, sent } = bench();
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP), { mode: MCAST_INCLUDE, sources: new Set([big('2001:db8::a'), big('2001:db8::b')]) });
    net.run(4 * S);
    expect(sent()).toEqual(Array(2).fill(`ICMP6, multicast listener report v2, 1 group record(s) [gaddr ${GROUP} allow { 2001:db8::a 2001:db8::b }]`));
    wire.in(query2(1000));
    net.run(2 * S);
    expect(sent()).toEqual([`ICMP6, multicast listener report v2, 2 group record(s) [gaddr ff02::1:ff00:1 is_ex { }] [gaddr ${GROUP} is_in { 2001:db8::a 2001:db8::b }]`]);
    wire.in(query2(1000, GROUP, ['2001:db8::b', '2001:db8::c']));
    net.run(2 * S);
    expect(sent()).toEqual([`ICMP6, multicast listener report v2, 1 group record(s) [gaddr ${GROUP} is_in { 2001:db8::b }]`]);
    expect(snapshot(v.mld.stats)).toEqual({ ...NOTHING, rcvTotal: 2, rcvV2Queries: 2, sndReports: v.mld.stats.sndReports });
  });

  it('use_allow=0 tells the first and last source as a change of mode', () => {
    const { v, wire, sent } = bench();
    v.mld.tun.useAllow = 0;
    const [none, one, two] = [[], ['2001:db8::a'], ['2001:db8::a', '2001:db8::b']].map((list) => ({ mode: MCAST_INCLUDE, sources: new Set(list.map(big)) } as const));
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP), one);
    in6ChangeFilter(v.in6Net, wire.ifp, addr(GROUP), one!, two!);
    in6ChangeFilter(v.in6Net, wire.ifp, addr(GROUP), two!, none!);
    expect(sent().map((l) => l.replace(/^.*\[gaddr \S+ /, ''))).toEqual(['to_in { 2001:db8::a }]', 'to_in { 2001:db8::a 2001:db8::b }]', 'to_in { }]']);
  });
});

describe('MLDv1', () => {
  it('reports and done while its querier is there', () => {
    const { net, v, wire, sent } = bench();
    wire.in(query1(1000));
    net.run(2 * S);
    expect(sent()).toEqual([expect.stringMatching(/listener reportmax resp delay: 0 addr: ff02::1:ff00:1/)]);
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP));
    net.run(11 * S);
    expect(sent()).toHaveLength(2);
    in6LeaveGroup(v.in6Net, wire.ifp, addr(GROUP));
    expect(sent()).toEqual([expect.stringMatching(/listener donemax resp delay: 0 addr: ff05::1:3/)]);
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP));
    wire.in(report1(GROUP));
    net.run(11 * S);
    expect(sent()).toHaveLength(1);
    expect(v.mld.stats).toMatchObject({ rcvReports: 1, rcvOurreports: 1 });
  });

  it('v1enable=0 ignores it; v2enable=0 begins there', () => {
    const { v, wire, sent } = bench();
    v.mld.tun.v1enable = 0;
    wire.in(query1(1000));
    expect(v.mld.hostOf(wire.ifp)?.version).toBe(3);
    v.mld.tun.v2enable = 0;
    in6JoinGroup(v.in6Net, wire.ifp, addr(GROUP));
    expect(sent()).toEqual([expect.stringMatching(/listener reportmax/)]);
  });
});

describe('MLD that is not in order', () => {
  it('is counted and dropped', () => {
    const { net, v, wire, sent } = bench();
    net.run(10 * S);
    sent();
    wire.in(mld(ROUTER, 'ff02::1', [130, 0, 0, 0, 0, 0, 0, 0]));
    wire.in(mld(ROUTER, 'ff02::1', [130, 0, 0, 0, 0, 0, 0, 0, ...addr('::')], { hlim: 2 }));
    wire.in(mld(ROUTER, 'ff02::1', [130, 0, 0, 0, 0, 0, 0, 0, ...addr('::')], { alert: false }));
    wire.in(query2(1000, '::', [], '2001:db8::99')).in(query2(1000, '::', [], '::'));
    wire.in(query2(1000, '2001:db8::1')).in(query2(1000, '::', ['2001:db8::a']));
    wire.in(mld('fe80::7', 'ff02::1', [131, 0, 0, 0, 0, 0, 0, 0, ...addr(GROUP)]));
    wire.in(mld('fe80::7', 'ff02::1', [143, 0, 0, 0, 0, 0, 0, 1]));
    net.run(20 * S);
    expect(sent()).toEqual([]);
    expect(snapshot(v.mld.stats)).toEqual({
      ...NOTHING, rcvTotal: 9, rcvTooshort: 1, rcvBadhlim: 1, rcvNora: 1, rcvBadsource: 2, rcvV2Queries: 2, rcvBadqueries: 2, rcvReports: 2, rcvBadreports: 2,
      sndReports: v.mld.stats.sndReports,
    });
  });
});

describe('an MLD querier', () => {
  it('asks, is elected by link-local address, and hears reports of both versions to any group', () => {
    const { net, v, wire, sent } = bench();
    expect(net.kernel.call(net.now, () => v.mroute6.setQuerier(wire.ifp, { ...QUERIER_DEFAULTS }))).toBe(0);
    expect(sent().filter((l) => l.includes('query'))).toEqual(['ICMP6, multicast listener query v2 [max resp delay=10000] [gaddr :: robustness=2 qqi=125]']);
    wire.in(report1(GROUP)).in(report2(5, 'ff05::7', ['2001:db8::a'], '::'));
    const q = v.mld.querierOf(wire.ifp);
    expect([...(q?.groups.values() ?? [])].map((g) => [g.group, g.mode, g.sources.size])).toEqual([[big(GROUP), 2, 0], [big('ff05::7'), 1, 1]]);
    expect([q?.wants(big('ff05::7'), big('2001:db8::a')), q?.wants(big('ff05::7'), big('2001:db8::b'))]).toEqual([true, false]);
    wire.in(report1(GROUP, 132));
    net.run(1.5 * S);
    expect(sent().filter((l) => l.includes('query'))).toEqual(Array(2).fill(`ICMP6, multicast listener query v2 [max resp delay=1000] [gaddr ${GROUP} robustness=2 qqi=125]`));
    net.run(S);
    expect(q?.groups.has(big(GROUP))).toBe(false);
    wire.in(query2(1000, '::', [], 'fe80::1'));
    expect(q?.other).toBe(big('fe80::1'));
    net.run(300 * S);
    expect(q?.isQuerier).toBe(true);
    net.kernel.call(net.now, () => v.mroute6.setQuerier(wire.ifp, null));
    expect(v.ip6.mrouter).toBe(null);
  });
});
