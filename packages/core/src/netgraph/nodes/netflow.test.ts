/**
 * netflow.test.ts — ng_netflow: its commands, which packets are a flow, why flows end, and exports read back by a collector of the test's own.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL, ENOTCONN } from '../../base/errno.js';
import { inAifaddr } from '../../inet/in-control.js';
import { ifCloneCreate } from '../../net/if-clone.js';
import { ifUp } from '../../net/if.js';
import { RTF_GATEWAY, RTF_STATIC } from '../../net/route/nexthop.js';
import { NgBench } from '../../sim/ng-bench.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { craftEcho, craftEther, craftIp, craftTcp, craftUdp, ip4 } from '../../sim/craft.js';
import { ip4Format } from '../../wire/addr.js';
import { ip6Format, ip6Parse } from '../../wire/addr6.js';
import { TH_ACK, TH_FIN, TH_SYN } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
const SECOND = 1_000_000;

/** Hooks `in` and `out` of the socket on both sides of interface 0, and `x5` and `x9` at the exports. */
function netflow(...exports: readonly ('export' | 'export9')[]): NgBench {
  const bench = new NgBench();
  bench.socket.setDataSpace(4_000_000);
  expect(bench.mkpeer('.', 'netflow', 'in', 'iface0')).toBe(0);
  expect(bench.name('in', 'nf')).toBe(0);
  expect(bench.connect('.', 'nf:', 'out', 'out0')).toBe(0);
  for (const hook of exports) expect(bench.connect('.', 'nf:', hook === 'export' ? 'x5' : 'x9', hook)).toBe(0);
  return bench;
}

const udp = (src: string, dst: string, sport: number, dport: number, bytes = 100): Uint8Array => craftUdp(LINK, { src, dst, tos: 0x10 }, sport, dport, new Uint8Array(bytes - 28));
const tcp = (flags: number, bytes = 40): Uint8Array => craftTcp(LINK, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1_000, dport: 80, flags }, new Uint8Array(bytes - 40));

function udp6(src: string, dst: string, sport: number, dport: number, extra: readonly number[] = [], next = 17): Uint8Array {
  const body = new Uint8Array(40 + extra.length + 8);
  const v = new DataView(body.buffer);
  v.setUint32(0, 0x6000_0000);
  v.setUint16(4, body.length - 40);
  v.setUint8(6, next);
  v.setUint8(7, 64);
  body.set(ip6Parse(src)!, 8);
  body.set(ip6Parse(dst)!, 24);
  body.set(extra, 40);
  v.setUint16(40 + extra.length, sport);
  v.setUint16(42 + extra.length, dport);
  return craftEther(LINK, 0x86dd, body);
}

interface V5 {
  readonly head: Record<string, number>;
  readonly records: Record<string, number | string>[];
}

/** A datagram of version 5, read by the table of Cisco's documents. */
function readV5(bytes: Uint8Array): V5 {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const head = {
    version: v.getUint16(0), count: v.getUint16(2), uptime: v.getUint32(4), secs: v.getUint32(8), nsecs: v.getUint32(12), seq: v.getUint32(16), engine: v.getUint8(21), length: bytes.length,
  };
  const records = Array.from({ length: head.count }, (_, i) => {
    const at = 24 + 48 * i;
    return {
      src: ip4Format(v.getUint32(at)), dst: ip4Format(v.getUint32(at + 4)), hop: ip4Format(v.getUint32(at + 8)), input: v.getUint16(at + 12), output: v.getUint16(at + 14),
      packets: v.getUint32(at + 16), octets: v.getUint32(at + 20), first: v.getUint32(at + 24), last: v.getUint32(at + 28), sport: v.getUint16(at + 32), dport: v.getUint16(at + 34),
      flags: v.getUint8(at + 37), prot: v.getUint8(at + 38), tos: v.getUint8(at + 39), srcMask: v.getUint8(at + 44), dstMask: v.getUint8(at + 45),
    };
  });
  return { head, records };
}

const FIELD_NAMES: Readonly<Record<number, string>> = {
  1: 'octets', 2: 'packets', 4: 'prot', 5: 'tos', 6: 'flags', 7: 'sport', 8: 'src', 9: 'srcMask', 10: 'input', 11: 'dport', 12: 'dst', 13: 'dstMask', 14: 'output', 15: 'hop', 16: 'srcAs', 17: 'dstAs',
  21: 'last', 22: 'first', 23: 'outOctets', 24: 'outPackets', 27: 'src', 28: 'dst', 62: 'hop',
};

/** A collector of version 9: knows templates when it has seen them. */
class Collector {
  readonly templates = new Map<number, (readonly [number, number])[]>();

  read(bytes: Uint8Array): { head: Record<string, number>; templates: number; records: Record<string, number | string>[] } {
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const head = { version: v.getUint16(0), count: v.getUint16(2), uptime: v.getUint32(4), secs: v.getUint32(8), seq: v.getUint32(12), source: v.getUint32(16) };
    const records: Record<string, number | string>[] = [];
    let templates = 0;
    let at = 20;
    while (at < bytes.length) {
      const id = v.getUint16(at);
      const length = v.getUint16(at + 2);
      if (length < 4 || at + length > bytes.length || length % 4 !== 0) throw new Error(`flowset ${id} of ${length} bytes at ${at} of ${bytes.length}`);
      if (id === 0) templates += this.template(v, at + 4, at + length);
      else records.push(...this.data(id, bytes, v, at + 4, at + length));
      at += length;
    }
    return { head, templates, records };
  }

  private template(v: DataView, from: number, end: number): number {
    let n = 0;
    for (let at = from; at < end; n++) {
      const fields = Array.from({ length: v.getUint16(at + 2) }, (_, i) => [v.getUint16(at + 4 + 4 * i), v.getUint16(at + 6 + 4 * i)] as const);
      this.templates.set(v.getUint16(at), fields);
      at += 4 + 4 * fields.length;
    }
    return n;
  }

  private data(id: number, bytes: Uint8Array, v: DataView, from: number, end: number): Record<string, number | string>[] {
    const fields = this.templates.get(id);
    if (fields === undefined) throw new Error(`no template ${id}`);
    const size = fields.reduce((n, [, length]) => n + length, 0);
    const records: Record<string, number | string>[] = [];
    for (let at = from; at + size <= end;) {
      const record: Record<string, number | string> = {};
      for (const [field, length] of fields) {
        const isAddr = [8, 12, 15].includes(field);
        record[FIELD_NAMES[field]!] = length === 16 ? ip6Format(bytes, at) : isAddr ? ip4Format(v.getUint32(at)) : length === 4 ? v.getUint32(at) : length === 2 ? v.getUint16(at) : v.getUint8(at);
        at += length;
      }
      records.push(record);
    }
    return records;
  }
}

function isEmpty(bench: NgBench): void {
  bench.shutdown('nf:');
  bench.counts();
  expect([bench.base.byName('nf'), bench.base.packetsHeld, bench.kernel.engine.pool.inUse, bench.kernel.engine.pool.tags.inUse]).toEqual([null, 0, 0, 0]);
}

describe('commands', () => {
  test('tells its defaults', () => {
    const bench = netflow();
    expect(bench.ascii('nf:', 'info')).toBe('{ Inactive timeout=15 Active timeout=1800 }');
    expect(bench.ascii('nf:', 'ifinfo 0')).toBe('{ data link type=1 conf=1 }');
    expect(bench.ascii('nf:', 'v9info')).toBe('{ v9 template packets=500 v9 template time=600 v9 MTU=1500 }');
    isEmpty(bench);
  });

  test('takes settings', () => {
    const bench = netflow();
    for (const command of [
      'setdlt { iface=0 dlt=12 }', 'setifindex { iface=0 index=5 }', 'settimeouts { inactive=1 active=2 }', 'setconfig { iface=0 conf=7 }', 'settemplate { time=3 packets=4 }', 'setmtu { mtu=9000 }',
    ]) expect(bench.ascii('nf:', command)).toBe('');
    expect(bench.ascii('nf:', 'ifinfo 0')).toBe('{ data link type=12 index=5 conf=7 }');
    expect(bench.ascii('nf:', 'info')).toBe('{ Inactive timeout=1 Active timeout=2 }');
    expect(bench.ascii('nf:', 'v9info')).toBe('{ v9 template packets=4 v9 template time=3 v9 MTU=9000 }');
    isEmpty(bench);
  });

  test.each([
    'ifinfo 1', 'setdlt { iface=0 dlt=2 }', 'setdlt { iface=1 dlt=1 }', 'setifindex { iface=1 index=1 }', 'setconfig { iface=65535 conf=1 }', 'setmtu { mtu=23 }', 'setmtu { mtu=16385 }',
  ])('%s is refused', (command) => {
    expect(netflow().asciiError('nf:', command)).toBe(EINVAL);
  });

  test('an unknown command, cookie, length', () => {
    const bench = netflow();
    const binary = (cmd: number, args: Uint8Array, typecookie = 1_365_756_954): number => bench.inside(() => bench.socket.sendMsg('nf:', { typecookie, cmd }, args));
    expect([binary(11, new Uint8Array(0)), binary(4, new Uint8Array(3)), binary(6, new Uint8Array(7)), binary(9, new Uint8Array(4)), binary(9, new Uint8Array(2), 5), binary(3 | 0x3000_0000, new Uint8Array(16))])
      .toEqual([EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL]);
  });

  test.each(['iface', 'iface00', 'iface65535', 'out', 'outx', 'export5', 'x'])('a hook called %s is refused', (hook) => {
    expect(netflow().connect('.', 'nf:', 'y', hook)).toBe(EINVAL);
  });
});

describe('packets', () => {
  test('pass unchanged; without the other side they end here', () => {
    const bench = netflow();
    const frame = udp('10.0.0.1', '10.0.0.2', 1, 2);
    expect(bench.send('in', frame)).toBe(0);
    expect(bench.send('out', frame)).toBe(0);
    expect([bench.frames('out'), bench.frames('in')]).toEqual([[frame], [frame]]);
    expect(bench.ascii('nf:', 'info')).toBe('{ IPv4 bytes=100 IPv4 packets=1 IPv4 records used=1 fibs allocated=1 Inactive timeout=15 Active timeout=1800 }');
    bench.rmhook('.', 'out');
    expect(bench.send('in', frame)).toBe(0);
    bench.ascii('nf:', 'setconfig { iface=0 conf=0 }');
    expect(bench.send('in', frame)).toBe(ENOTCONN);
    isEmpty(bench);
  });

  test('that are no IP pass uncounted; broken ones are counted as skipped', () => {
    const bench = netflow();
    bench.send('in', craftEther(LINK, 0x0806, new Uint8Array(28)));
    expect(bench.ascii('nf:', 'ifinfo 0')).toBe('{ packets=1 data link type=1 conf=1 }');
    expect(bench.ascii('nf:', 'info')).toBe('{ Inactive timeout=15 Active timeout=1800 }');
    bench.send('in', craftIp(LINK, { src: '10.0.0.1', dst: '10.0.0.2', proto: 6 }, new Uint8Array(19)));
    // Nobody wants flows of IPv6.
    bench.send('in', udp6('2001:db8::1', '2001:db8::2', 1, 2));
    expect(bench.ascii('nf:', 'info')).toBe(
      '{ IPv4 skipped bytes=53 IPv4 skipped packets=1 IPv6 skipped bytes=62 IPv6 skipped packets=1 Inactive timeout=15 Active timeout=1800 }',
    );
    expect(bench.counts('out')).toEqual([3]);
    isEmpty(bench);
  });

  test('on the export hook are refused', () => {
    const bench = netflow('export');
    expect(bench.send('x5', new Uint8Array(60))).toBe(EINVAL);
    isEmpty(bench);
  });

  test('of both directions are counted when that is configured, and once when that is', () => {
    const bench = netflow();
    const frame = udp('10.0.0.1', '10.0.0.2', 1, 2);
    bench.ascii('nf:', 'setconfig { iface=0 conf=3 }');
    bench.send('out', frame);
    bench.send('in', frame);
    expect(bench.ascii('nf:', 'info')).toContain('IPv4 packets=2 ');
    // Round by a hub: out0 sends back what it gets.
    bench.rmhook('.', 'out');
    bench.mkpeer('nf:', 'echo', 'out0', 'x');
    bench.ascii('nf:', 'setconfig { iface=0 conf=11 }');
    bench.send('in', frame);
    expect(bench.ascii('nf:', 'info')).toContain('IPv4 packets=3 ');
    bench.ascii('nf:', 'setconfig { iface=0 conf=3 }');
    bench.send('in', frame);
    expect(bench.ascii('nf:', 'info')).toContain('IPv4 packets=5 ');
    isEmpty(bench);
  });

  test('behind a tag in their bytes or out of band are found, and bare IP packets', () => {
    const bench = netflow();
    const frame = udp('10.0.0.1', '10.0.0.2', 1, 2);
    const tagged = [...frame];
    tagged.splice(12, 0, 0x81, 0, 0, 7);
    bench.send('in', Uint8Array.from(tagged));
    bench.inside(() => {
      const m = bench.kernel.engine.pool.from(frame)!;
      m.flags |= 4;
      m.vproto = 0x8100;
      bench.socket.sendData('in', m);
    });
    bench.ascii('nf:', 'setdlt { iface=0 dlt=12 }');
    bench.send('in', frame.subarray(14));
    expect(bench.ascii('nf:', 'info')).toContain('{ IPv4 bytes=300 IPv4 packets=3 IPv4 records used=1 ');
    isEmpty(bench);
  });

  test('of a super-segment count each', () => {
    const bench = netflow();
    bench.inside(() => bench.socket.sendData('in', craftSuperTcp(
      bench.kernel.engine.pool, LINK, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(2_500), 1_000,
    )));
    expect(bench.ascii('nf:', 'info')).toContain('{ IPv4 bytes=2620 IPv4 packets=3 IPv4 records used=1 ');
    expect(bench.ascii('nf:', 'ifinfo 0')).toContain('packets=3 ');
    isEmpty(bench);
  });
});

describe('flows end', () => {
  const used = (bench: NgBench): string => /IPv4 records used=(\d+)/.exec(bench.ascii('nf:', 'info'))?.[1] ?? '0';

  test('when they have been silent, if they are short', () => {
    const bench = netflow('export');
    for (let i = 0; i < 4; i++) bench.send('in', udp('10.0.0.1', '10.0.0.2', 1, 2));
    for (let i = 0; i < 5; i++) bench.send('in', udp('10.0.0.1', '10.0.0.3', 1, 2));
    bench.advance(15 * SECOND);
    expect(used(bench)).toBe('2');
    bench.advance(SECOND);
    expect(used(bench)).toBe('1');
    expect(bench.ascii('nf:', 'info')).toContain('Inactive expiries=1 ');
    bench.advance(1_785 * SECOND);
    expect(used(bench)).toBe('0');
    isEmpty(bench);
  });

  test('when their TCP connection does', () => {
    const bench = netflow('export');
    bench.send('in', tcp(TH_SYN));
    bench.send('in', tcp(TH_ACK, 1_040));
    expect(used(bench)).toBe('1');
    bench.send('in', tcp(TH_FIN | TH_ACK));
    expect(used(bench)).toBe('0');
    expect(bench.ascii('nf:', 'info')).toContain('Active expiries=1 ');
    bench.shutdown('nf:');
    expect(bench.frames('x5').map(readV5)).toMatchObject([{ records: [{ packets: 3, octets: 1_120, flags: TH_SYN | TH_ACK | TH_FIN, prot: 6, sport: 1_000, dport: 80 }] }]);
    isEmpty(bench);
  });

  test('when they are too old', () => {
    const bench = netflow('export');
    bench.ascii('nf:', 'settimeouts { inactive=15 active=20 }');
    for (let i = 0; i < 3; i++) {
      bench.send('in', udp('10.0.0.1', '10.0.0.2', 1, 2));
      bench.advance(7 * SECOND);
    }
    bench.send('in', udp('10.0.0.1', '10.0.0.2', 1, 2));
    expect([used(bench), /Active expiries=\d+/.exec(bench.ascii('nf:', 'info'))?.[0]]).toEqual(['0', 'Active expiries=1']);
    isEmpty(bench);
  });

  test('there are never more than net.graph.netflow.maxflows', () => {
    const bench = netflow('export');
    bench.kernel.vnet0.kern.sysctl.set('net.graph.netflow.maxflows', 2);
    for (let i = 1; i <= 4; i++) bench.send('in', udp('10.0.0.1', '10.0.0.2', i, 2));
    expect(bench.ascii('nf:', 'info')).toContain('IPv4 records used=2 Failed allocations=2 ');
    expect(bench.counts('out')).toEqual([4]);
    isEmpty(bench);
  });
});

describe('version 5', () => {
  test('has thirty records in a datagram, and what the routing table says', () => {
    const bench = netflow('export');
    const { vnet0 } = bench.kernel;
    const ifp = bench.inside(() => ifCloneCreate(vnet0.net, 'epair').ifp!);
    bench.inside(() => ifUp(ifp));
    bench.inside(() => inAifaddr(vnet0.inNet, ifp, { addr: ip4('192.0.2.1'), plen: 24 }));
    bench.inside(() => vnet0.routes.add({ fib: 0, family: 'inet', dst: ip4('10.0.0.0'), plen: 8, gateway: ip4('192.0.2.9'), flags: RTF_GATEWAY | RTF_STATIC }));
    bench.ascii('nf:', 'setifindex { iface=0 index=9 }');
    bench.advance(3 * SECOND);
    for (let i = 0; i < 31; i++) bench.send('in', udp('192.0.2.77', '10.0.0.2', i, 53, 100 + i));
    bench.advance(2 * SECOND);
    bench.send('in', udp('192.0.2.77', '10.0.0.2', 0, 53, 100));
    bench.advance(60 * SECOND);
    const [first, ...more] = bench.frames('x5').map(readV5);
    expect([first!.head, more]).toEqual([{ version: 5, count: 30, uptime: 19_000, secs: 19, nsecs: 0, seq: 0, engine: 0, length: 24 + 30 * 48 }, []]);
    const one = first!.records.find((r) => r.sport === 7);
    expect(one).toEqual({
      src: '192.0.2.77', dst: '10.0.0.2', hop: '192.0.2.9', input: 9, output: ifp.index, packets: 1, octets: 107, first: 3_000, last: 3_000, sport: 7, dport: 53, flags: 0, prot: 17, tos: 0x10,
      srcMask: 24, dstMask: 8,
    });
    bench.shutdown('nf:');
    const [rest] = bench.frames('x5').map(readV5);
    expect([rest!.head.count, rest!.head.seq, rest!.records.map((r) => [r.sport, r.packets, r.octets, r.first, r.last])]).toEqual([1, 30, [[0, 2, 200, 3_000, 5_000]]]);
    isEmpty(bench);
  });

  test('looks nothing up when it is told not to', () => {
    const bench = netflow('export');
    bench.ascii('nf:', 'setconfig { iface=0 conf=49 }');
    bench.send('in', craftEcho(LINK, { src: '10.0.0.1', dst: '10.0.0.2' }, 1, 1));
    bench.shutdown('nf:');
    expect(bench.frames('x5').map(readV5)).toMatchObject([{ records: [{ prot: 1, sport: 0, dport: 0, output: 0, srcMask: 0, dstMask: 0, octets: 84 }] }]);
    isEmpty(bench);
  });
});

describe('version 9', () => {
  test('has flows of both versions of IP, described by templates', () => {
    const bench = netflow('export9');
    bench.send('in', udp('10.0.0.1', '10.0.0.2', 1, 2));
    bench.send('in', udp6('2001:db8::1', '2001:db8::2', 3, 4));
    bench.send('in', udp('10.0.0.3', '10.0.0.2', 5, 6));
    bench.advance(5 * SECOND);
    bench.shutdown('nf:');
    const collector = new Collector();
    const got = bench.frames('x9').map((b) => collector.read(b));
    expect(got.map(({ head, templates }) => ({ ...head, templates }))).toEqual([{ version: 9, count: 5, uptime: 5_000, secs: 5, seq: 0, source: 0, templates: 2 }]);
    const base = { hop: '0.0.0.0', input: 0, output: 0, packets: 1, octets: 100, outPackets: 0, outOctets: 0, first: 0, last: 0, flags: 0, prot: 17, tos: 0x10, srcAs: 0, dstAs: 0, srcMask: 0, dstMask: 0 };
    expect(got[0]!.records).toEqual([
      { ...base, src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 },
      { ...base, src: '10.0.0.3', dst: '10.0.0.2', sport: 5, dport: 6 },
      { ...base, src: '2001:db8::1', dst: '2001:db8::2', hop: '::', sport: 3, dport: 4, tos: 0, octets: 48 },
    ]);
    isEmpty(bench);
  });

  test('ports of IPv6 are behind its extension headers, and not in fragments', () => {
    const bench = netflow('export9');
    bench.send('in', udp6('2001:db8::1', '2001:db8::2', 3, 4, [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0], 0));
    bench.send('in', udp6('2001:db8::1', '2001:db8::2', 5, 6, [17, 0, 0, 8, 0, 0, 0, 1], 44));
    bench.send('in', udp6('2001:db8::1', '2001:db8::2', 7, 8, [17, 9], 0));
    bench.shutdown('nf:');
    const collector = new Collector();
    const records = bench.frames('x9').flatMap((b) => collector.read(b).records);
    expect(records.map((r) => [r.prot, r.sport, r.dport, r.octets]).sort()).toEqual([[17, 0, 0, 56], [17, 3, 4, 64]]);
    isEmpty(bench);
  });

  test.each([[1_500, 21], [300, 1], [24, 1]])('at an MTU of %i the first datagram has %i records', (mtu, records) => {
    const bench = netflow('export9');
    bench.ascii('nf:', `setmtu { mtu=${mtu} }`);
    for (let i = 0; i < 60; i++) bench.send('in', udp('10.0.0.1', '10.0.0.2', i, 2));
    bench.shutdown('nf:');
    const collector = new Collector();
    const frames = bench.frames('x9');
    const got = frames.map((b) => collector.read(b));
    expect([got[0]!.records.length, got.reduce((n, d) => n + d.records.length, 0), got.map((d) => d.head.seq)]).toEqual([records, 60, got.map((_, i) => i)]);
    expect(got.slice(1).every((d) => d.templates === 0)).toBe(true);
    if (mtu > 300) expect(Math.max(...frames.map((f) => f.length))).toBeLessThanOrEqual(mtu - 48);
    isEmpty(bench);
  });

  test('templates come again after so many datagrams, or so much time', () => {
    const bench = netflow('export9');
    bench.ascii('nf:', 'setmtu { mtu=24 }');
    bench.ascii('nf:', 'settemplate { time=600 packets=3 }');
    for (let i = 0; i < 7; i++) {
      bench.send('in', tcp(TH_SYN));
      bench.send('in', tcp(TH_FIN));
    }
    const collector = new Collector();
    expect(bench.frames('x9').map((b) => collector.read(b).templates)).toEqual([2, 0, 0, 2, 0, 0, 2]);
    bench.ascii('nf:', 'settemplate { time=2 packets=100 }');
    const templates: number[] = [];
    for (let i = 0; i < 6; i++) {
      bench.advance(SECOND);
      bench.send('in', tcp(TH_SYN));
      bench.send('in', tcp(TH_FIN));
      templates.push(...bench.frames('x9').map((b) => collector.read(b).templates));
    }
    expect(templates).toEqual([0, 2, 0, 2, 0, 2]);
    isEmpty(bench);
  });

  test('each FIB is a source of its own', () => {
    const bench = netflow('export9', 'export');
    bench.kernel.vnet0.kern.sysctl.set('net.fibs', 3);
    for (const fib of [0, 2]) {
      bench.inside(() => {
        const m = bench.kernel.engine.pool.from(udp('10.0.0.1', '10.0.0.2', 1, 2))!;
        m.fib = fib;
        bench.socket.sendData('in', m);
      });
    }
    expect(bench.ascii('nf:', 'info')).toContain('IPv4 records used=2 fibs allocated=2 ');
    bench.shutdown('nf:');
    const collector = new Collector();
    expect(bench.frames('x9').map((b) => collector.read(b).head.source)).toEqual([0, 2]);
    expect(bench.frames('x5').map((b) => readV5(b).head.engine)).toEqual([0, 2]);
    isEmpty(bench);
  });
});

test('leaves nothing behind when its vnet ends with datagrams that are not full', () => {
  const bench = netflow('export', 'export9');
  bench.send('in', tcp(TH_SYN));
  bench.send('in', tcp(TH_FIN));
  bench.counts();
  expect(bench.base.packetsHeld).toBe(2);
  bench.inside(() => bench.kernel.vnet0.netgraph.destroy());
  expect([bench.base.packetsHeld, bench.kernel.engine.pool.inUse]).toEqual([0, 0]);
});
