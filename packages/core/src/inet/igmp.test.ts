/**
 * igmp.test.ts — packet scripts of IGMP's host side: joins, leaves, queries of all versions, on an Ethernet whose other end is the test.
 */
import { describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { ifDown, ifUp } from '../net/if.js';
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import { SimNet, Wire, craftIp, ip4 } from '../sim/index.js';
import type { Socket } from '../socket/socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { inCksum } from '../wire/checksum.js';
import { dissect } from '../wire/dissect.js';
import { IgmpStats } from './igmp-var.js';
import { inJoinGroup } from './in-mcast.js';

const MAC = '02:00:00:00:00:01';
const S = 1_000_000;
const ALERT = Uint8Array.of(148, 4, 0, 0);
const NOTHING = snapshot(new IgmpStats());

/** An IGMP message in a frame, TTL 1 and with router alert unless told otherwise. */
function igmp(src: string, dst: string, bytes: readonly number[], more: { ttl?: number; alert?: boolean } = {}): Uint8Array {
  const body = Uint8Array.from(bytes);
  const v = new DataView(body.buffer);
  v.setUint16(2, 0);
  v.setUint16(2, inCksum(v, 0, body.length));
  const g = ip4(dst);
  const to = `01:00:5e:${[(g >>> 16) & 127, (g >>> 8) & 255, g & 255].map((x) => x.toString(16).padStart(2, '0')).join(':')}`;
  return craftIp({ src: '02:00:00:00:00:99', dst: to }, { src, dst, proto: 2, ttl: more.ttl ?? 1, ...(more.alert === false ? {} : { options: ALERT }) }, body);
}

const quad = (text: string): number[] => text.split('.').map(Number);

/** A version 3 query: tenths of a second, group, sources, QRV and QQI. */
const query3 = (tenths: number, group = '0.0.0.0', sources: readonly string[] = [], qrv = 2, qqi = 125): Uint8Array =>
  igmp('10.0.0.254', group === '0.0.0.0' ? '224.0.0.1' : group, [0x11, tenths, 0, 0, ...quad(group), qrv, qqi, 0, sources.length, ...sources.flatMap(quad)]);

const query2 = (tenths: number, group = '0.0.0.0'): Uint8Array => igmp('10.0.0.254', group === '0.0.0.0' ? '224.0.0.1' : group, [0x11, tenths, 0, 0, ...quad(group)]);
const report2 = (group: string, type = 0x16): Uint8Array => igmp('10.0.0.7', group, [type, 0, 0, 0, ...quad(group)]);

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly wire: Wire;
  readonly stats: IgmpStats;
  socket(): Socket;
  /** Times (ms) and lines of what was sent, without addresses. */
  sent(): string[];
}

function bench(seed = 1): Bench {
  const net = new SimNet(seed);
  const v = net.vnet('h');
  const wire = new Wire(net, v, { mac: MAC });
  net.addr(v, wire.ifp, '10.0.0.1/24');
  wire.take();
  return {
    net, v, wire, stats: v.igmp.stats,
    socket: () => net.udp(v, 5000),
    sent: () => wire.take().map((f) => `${Math.floor(f.time / 1000)} ${dissect(f.bytes, { verbose: 2 }).replace(/^.*?> /s, '').replace(/\s+/g, ' ')}`),
  };
}

/** Only the words, for those who do not care when. */
const lines = (sent: readonly string[]): string[] => sent.map((l) => l.replace(/^\d+ /, ''));

describe('IGMPv3 host', () => {
  it('a join is reported at once and once more within three seconds, a leave likewise', () => {
    const { net, wire, socket, sent, v } = bench();
    const so = socket();
    expect(so.joinGroup(ip4('239.1.2.3'), wire.ifp)).toBe(0);
    wire.out('IP 10.0.0.1 > 224.0.0.22: igmp v3 report, 1 group record(s)').nothing();
    net.run(4 * S);
    expect(sent()).toEqual([expect.stringMatching(/^\d+ 224.0.0.22: igmp v3 report, 1 group record\(s\) \[gaddr 239.1.2.3 to_ex \{ \}\]$/)]);
    net.run(60 * S);
    expect(sent()).toEqual([]);
    expect(so.leaveGroup(ip4('239.1.2.3'))).toBe(0);
    net.run(4 * S);
    expect(lines(sent())).toEqual(Array(2).fill('224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.1.2.3 to_in { }]'));
    expect(v.igmp.hostOf(wire.ifp)?.groups.size).toBe(0);
    expect(snapshot(v.igmp.stats)).toEqual({ ...NOTHING, sndReports: 4 });
  });

  it('has TTL 1, precedence 6 and the router alert; without an address it comes from 0.0.0.0', () => {
    const { net, v } = bench();
    const bare = new Wire(net, v, { mac: '02:00:00:00:00:02', name: 'wire1' });
    net.udp(v, 0).joinGroup(ip4('239.1.2.3'), bare.ifp);
    const [f] = bare.take();
    expect([...(f?.bytes.subarray(0, 38) ?? [])]).toEqual([
      0x01, 0, 0x5e, 0, 0, 0x16, 2, 0, 0, 0, 0, 2, 8, 0, 0x46, 0xc0, 0, 40, ...(f?.bytes.subarray(18, 20) ?? []), 0, 0, 1, 2, ...(f?.bytes.subarray(24, 26) ?? []),
      0, 0, 0, 0, 224, 0, 0, 22, 148, 4, 0, 0,
    ]);
    v.igmp.tun.sendra = 0;
    net.udp(v, 0).joinGroup(ip4('239.1.2.4'), bare.ifp);
    expect(bare.take()[0]?.bytes[14]).toBe(0x45);
  });

  it('all hosts is never told, 224.0.0.0/24 only with sendlocal', () => {
    const { wire, socket, v } = bench();
    expect(v.inNet.isMember(wire.ifp, ip4('224.0.0.1'))).toBe(true);
    wire.nothing();
    v.igmp.tun.sendlocal = 0;
    socket().joinGroup(ip4('224.0.0.251'), wire.ifp);
    wire.nothing();
    v.igmp.tun.sendlocal = 1;
    joinHere(v, wire, '224.0.0.252');
    wire.out(/igmp v3 report/);
  });

  it('answers a general query once, at a random moment within the time it allows', () => {
    const { net, wire, socket, sent, stats } = bench();
    const so = socket();
    for (const g of ['239.0.0.1', '239.0.0.2']) so.joinGroup(ip4(g), wire.ifp);
    net.run(10 * S);
    sent();
    const start = net.now;
    wire.in(query3(100)).nothing();
    net.run(10 * S);
    const got = sent();
    expect(lines(got)).toEqual(['224.0.0.22: igmp v3 report, 2 group record(s) [gaddr 239.0.0.1 is_ex { }] [gaddr 239.0.0.2 is_ex { }]']);
    const at = Number(got[0]?.split(' ')[0]) * 1000 - start;
    expect(at).toBeGreaterThanOrEqual(0);
    expect(at).toBeLessThanOrEqual(10 * S);
    expect(snapshot(stats)).toEqual({ ...NOTHING, rcvTotal: 1, rcvV3Queries: 1, rcvGenQueries: 1, sndReports: 5 });
  });

  it('a group query is answered for the group, a source query with those of its sources that are wanted', () => {
    const { net, wire, socket, sent } = bench();
    const [asm, ssm] = [socket(), net.udp(bench().v, 0)];
    ssm.close();
    asm.joinGroup(ip4('239.0.0.1'), wire.ifp);
    asm.blockSource(ip4('239.0.0.1'), ip4('10.9.9.9'), wire.ifp);
    asm.joinGroup(ip4('232.0.0.2'), wire.ifp, ip4('10.1.1.1'));
    net.run(10 * S);
    sent();
    wire.in(query3(10, '239.0.0.1'));
    net.run(2 * S);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 is_ex { 10.9.9.9 }]']);
    wire.in(query3(10, '239.0.0.1', ['10.9.9.9', '10.8.8.8']));
    wire.in(query3(10, '232.0.0.2', ['10.1.1.1', '10.8.8.8']));
    net.run(2 * S);
    expect(lines(sent()).sort()).toEqual([
      '224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 232.0.0.2 is_in { 10.1.1.1 }]',
      '224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 is_in { 10.8.8.8 }]',
    ]);
    wire.in(query3(10, '239.77.0.1'));
    net.run(2 * S);
    expect(sent()).toEqual([]);
  });

  it('source queries of one group are merged, and refused when they come too fast', () => {
    const { net, wire, socket, sent, stats, v } = bench();
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(10 * S);
    sent();
    v.igmp.tun.gsrdelay = 0;
    wire.in(query3(50, '239.0.0.1', ['10.1.1.1'])).in(query3(50, '239.0.0.1', ['10.1.1.2']));
    net.run(6 * S);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 is_in { 10.1.1.1 10.1.1.2 }]']);
    v.igmp.tun.gsrdelay = 10;
    net.run(10 * S);
    wire.in(query3(1, '239.0.0.1', ['10.1.1.1'])).in(query3(1, '239.0.0.1', ['10.1.1.2']));
    net.run(S);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 is_in { 10.1.1.1 }]']);
    expect(stats.dropGsrQueries).toBe(1);
  });

  it('changes of sources are told as sources, changes of the mode as the whole list; what comes between repeats is merged', () => {
    const { net, wire, socket, sent } = bench();
    const so = socket();
    const group = ip4('239.0.0.1');
    so.joinGroup(group, wire.ifp, ip4('10.1.1.1'));
    net.run(4 * S);
    expect(lines(sent())).toEqual(Array(2).fill('224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 allow { 10.1.1.1 }]'));
    so.setSourceFilter(group, MCAST_INCLUDE, [ip4('10.1.1.2'), ip4('10.1.1.3')], wire.ifp);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 2 group record(s) [gaddr 239.0.0.1 allow { 10.1.1.2 10.1.1.3 }] [gaddr 239.0.0.1 block { 10.1.1.1 }]']);
    so.setSourceFilter(group, MCAST_EXCLUDE, [ip4('10.1.1.4')], wire.ifp);
    so.blockSource(group, ip4('10.1.1.5'), wire.ifp);
    expect(lines(sent())).toEqual([
      '224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 to_ex { 10.1.1.4 }]', '224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 to_ex { 10.1.1.4 10.1.1.5 }]',
    ]);
    net.run(4 * S);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 block { 10.1.1.5 }]']);
  });

  it('what many sockets want is told as one', () => {
    const { net, wire, v, sent } = bench();
    const [a, b] = [net.udp(v, 0), net.udp(v, 0)];
    const group = ip4('239.0.0.1');
    a.joinGroup(group, wire.ifp, ip4('10.1.1.1'));
    net.run(4 * S);
    sent();
    b.joinGroup(group, wire.ifp);
    b.blockSource(group, ip4('10.1.1.1'), wire.ifp);
    net.run(4 * S);
    expect(lines(sent())).toEqual(Array(2).fill('224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 to_ex { }]'));
    a.close();
    net.run(4 * S);
    expect(lines(sent())).toEqual(Array(2).fill('224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 block { 10.1.1.1 }]'));
  });

  it('as many repeats as the querier has robustness, whatever is lost', () => {
    const { net, wire, socket, sent } = bench();
    wire.in(query3(100, '0.0.0.0', [], 4, 60));
    net.run(11 * S);
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(20 * S);
    expect(sent()).toHaveLength(4);
    expect(bench().v.igmp.hostOf(wire.ifp)).toBeNull();
  });

  it('records that do not fit are several packets, and an excluded list is cut short', () => {
    const net = new SimNet(1);
    const v = net.vnet('h');
    const wire = new Wire(net, v, { mac: MAC, mtu: 100 });
    net.addr(v, wire.ifp, '10.0.0.1/24');
    const so = net.udp(v, 0);
    so.joinGroup(ip4('239.0.0.1'), wire.ifp);
    wire.take();
    so.setSourceFilter(ip4('239.0.0.1'), MCAST_EXCLUDE, Array.from({ length: 30 }, (_, i) => ip4(`10.1.1.${i + 1}`)), wire.ifp);
    const cut = wire.take();
    expect(cut.every((f) => f.bytes.length <= 114)).toBe(true);
    expect(dissect(cut[0]?.bytes ?? new Uint8Array(0), { verbose: 1 })).toContain('to_ex, 15 source(s)]');
    so.setSourceFilter(ip4('239.0.0.1'), MCAST_INCLUDE, Array.from({ length: 30 }, (_, i) => ip4(`10.1.1.${i + 1}`)), wire.ifp);
    const parts = wire.take().map((f) => dissect(f.bytes, { verbose: 1 }).replace(/^.*igmp/s, 'igmp'));
    expect(parts).toEqual(['igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 to_in, 15 source(s)]', 'igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 to_in, 15 source(s)]']);
  });

  it('an interface that comes up tells everything anew; one that leaves takes its timers', () => {
    const { net, wire, socket, sent, v } = bench();
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(10 * S);
    sent();
    net.kernel.call(net.now, () => {
      ifDown(wire.ifp);
      ifUp(wire.ifp);
    });
    net.run(4 * S);
    expect(lines(sent()).filter((l) => l.includes('igmp'))).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.1 is_ex { }]']);
    wire.in(query3(100));
    wire.destroy();
    expect(v.igmp.links.list()).toEqual([]);
    net.run(20 * S);
  });
});

describe('IGMP of older queriers', () => {
  it('version 2: reports to the group, a leave from who reported last', () => {
    const { net, wire, socket, sent } = bench();
    wire.in(query2(100));
    const so = socket();
    so.joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(11 * S);
    expect(lines(sent())).toEqual(Array(2).fill('239.0.0.1: igmp v2 report 239.0.0.1'));
    so.leaveGroup(ip4('239.0.0.1'));
    expect(lines(sent())).toEqual(['224.0.0.2: igmp leave 239.0.0.1']);
  });

  it('another host\'s report makes ours unnecessary, and our leave too', () => {
    const { net, wire, socket, sent, stats } = bench();
    const so = socket();
    so.joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(11 * S);
    sent();
    wire.in(query2(100));
    wire.in(report2('239.0.0.1'));
    net.run(11 * S);
    expect(sent()).toEqual([]);
    expect(stats).toMatchObject({ rcvReports: 1, rcvOurreports: 1, rcvV1v2Queries: 1 });
    so.leaveGroup(ip4('239.0.0.1'));
    expect(sent()).toEqual([]);
  });

  it('a group query of version 2 shortens a wait, and does not lengthen it', () => {
    const { net, wire, socket, sent } = bench();
    wire.in(query2(100));
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(11 * S);
    sent();
    wire.in(query2(255)).in(query2(10, '239.0.0.1'));
    net.run(S);
    expect(lines(sent())).toEqual(['239.0.0.1: igmp v2 report 239.0.0.1']);
  });

  it('version 1: no leave, ten seconds for an answer; and back to version 3 after 260 seconds of silence', () => {
    const { net, wire, socket, sent } = bench();
    const so = socket();
    so.joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(11 * S);
    sent();
    wire.in(query2(0));
    net.run(10 * S);
    expect(lines(sent())).toEqual(['239.0.0.1: igmp v1 report 239.0.0.1']);
    so.leaveGroup(ip4('239.0.0.1'));
    expect(sent()).toEqual([]);
    net.run(249 * S);
    so.joinGroup(ip4('239.0.0.2'), wire.ifp);
    expect(lines(sent())).toEqual(['239.0.0.2: igmp v1 report 239.0.0.2']);
    net.run(11 * S);
    sent();
    so.joinGroup(ip4('239.0.0.3'), wire.ifp);
    expect(lines(sent())).toEqual(['224.0.0.22: igmp v3 report, 1 group record(s) [gaddr 239.0.0.3 to_ex { }]']);
  });

  it('a change of version ends what was to be said in the old one', () => {
    const { net, wire, socket, sent } = bench();
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    sent();
    wire.in(query2(255));
    net.run(4 * S);
    expect(sent().filter((l) => l.includes('v3'))).toEqual([]);
  });

  it('v2enable=0 does not follow; default_version=2 begins there', () => {
    const one = bench();
    one.v.igmp.tun.v2enable = 0;
    one.wire.in(query2(10));
    one.socket().joinGroup(ip4('239.0.0.1'), one.wire.ifp);
    one.wire.out(/v3 report/);
    const two = bench();
    two.v.igmp.tun.defaultVersion = 2;
    two.socket().joinGroup(ip4('239.0.0.1'), two.wire.ifp);
    two.wire.out(/v2 report/);
  });

  it('in version 3 reports of others change nothing, unless legacysupp says so', () => {
    const { net, wire, socket, sent, v } = bench();
    socket().joinGroup(ip4('239.0.0.1'), wire.ifp);
    net.run(10 * S);
    sent();
    wire.in(query3(50, '239.0.0.1')).in(report2('239.0.0.1'));
    net.run(6 * S);
    expect(sent()).toHaveLength(1);
    v.igmp.tun.legacysupp = 1;
    wire.in(query3(50, '239.0.0.1')).in(report2('239.0.0.1'));
    net.run(6 * S);
    expect(sent()).toEqual([]);
  });
});

describe('IGMP that is not in order', () => {
  it('is counted and dropped', () => {
    const { wire, stats, net } = bench();
    const bad = query3(100);
    bad[bad.length - 1] = 99;
    wire.in(bad);
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 0, 0, 0]));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2]));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0], { ttl: 2 }));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 9]));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 1, 10, 1, 1, 1]));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 100, 0, 0, 10, 1, 1, 1]));
    wire.in(igmp('10.0.0.254', '224.0.0.1', [0x11, 0, 0, 0, 239, 0, 0, 1]));
    wire.in(igmp('10.0.0.7', '224.0.0.1', [0x16, 0, 0, 0, 239, 0, 0, 1]));
    wire.in(igmp('10.0.0.7', '224.0.0.1', [0x22, 0, 0, 0, 0, 0, 0, 1]));
    wire.in(igmp('10.0.0.7', '224.0.0.1', [0x22, 0, 0, 0, 0, 0, 0, 0], { alert: false }));
    wire.nothing();
    net.run(20 * S);
    expect(snapshot(stats)).toEqual({
      ...NOTHING, rcvTotal: 11, rcvTooshort: 3, rcvBadttl: 1, rcvBadsum: 1, rcvV1v2Queries: 2, rcvV3Queries: 1, rcvBadqueries: 3, rcvReports: 1, rcvBadreports: 2, rcvNora: 1,
    });
  });

  it('what is valid goes to raw sockets', () => {
    const { net, v, wire } = bench();
    const raw = net.raw(v, 2);
    wire.in(query3(100)).in(igmp('10.0.0.9', '224.0.0.1', [0x13, 1, 0, 0, 0, 0, 0, 0], { ttl: 64 }));
    expect([raw.recv(new Uint8Array(64)), raw.recv(new Uint8Array(64))]).toEqual([36, 32]);
  });
});

function joinHere(v: Vnet, wire: Wire, group: string): void {
  inJoinGroup(v.inNet, wire.ifp, ip4(group));
}
