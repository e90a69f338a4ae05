/**
 * ip-reass.test.ts — fragments in, datagrams out: all orders, duplicates, overlaps, bounds, time; and what ipFragment cuts.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { EMSGSIZE, ENOBUFS } from '../base/errno.js';
import { snapshot } from '../kern/counters.js';
import { CSUM_L4, CSUM_L4_VALID, PacketPool } from '../mbuf/packet-buffer.js';
import { inCksum, inCksum4 } from '../wire/checksum.js';
import { IP_DF, IP_MF, ip4Cksum } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { ifDetach } from '../net/if-detach.js';
import { ipFragment } from './ip-fragment.js';
import { IpStats } from './ip-var.js';
import { IpBench, NOTHING_LEFT, addr, ipBytes, ipFrame, ipLine, macN } from './test-ip.js';
import type { IpSpec, Wire } from './test-ip.js';

const ME = macN(1);
const PEER = macN(0x22);
const PROTO = 200;
const SEC = 1_000_000;

let bench: IpBench | null = null;
let whole: Uint8Array[] = [];

function setup(pool = new PacketPool()): { b: IpBench; w: Wire } {
  const b = new IpBench(1, pool);
  bench = b;
  whole = [];
  b.ip.register(PROTO, {
    input: (_ifp, m) => {
      whole.push(m.bytes().slice());
      m.free();
    },
  });
  const w = b.wire('192.0.2.1/24');
  w.neighbour('192.0.2.2', PEER);
  Object.assign(b.ip.stats, new IpStats());
  return { b, w };
}

afterEach(() => {
  bench?.ip.register(PROTO, null);
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

function expectStats(b: IpBench, want: Partial<IpStats>): void {
  expect(snapshot(b.ip.stats)).toEqual({ ...new IpStats(), ...want });
}

const data = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8)) & 255);

/** Bytes [from, to) of a datagram of `total` bytes of payload, as a fragment. */
function frag(from: number, to: number, total: number, more: Partial<IpSpec> = {}): IpSpec {
  return { src: '192.0.2.2', dst: '192.0.2.1', proto: PROTO, id: 77, off: (from >> 3) | (to < total ? IP_MF : 0), payload: data(total).slice(from, to), ...more };
}

const inject = (w: Wire, ...frags: IpSpec[]): void => {
  for (const f of frags) w.inject(ipFrame(ME, PEER, f));
};

const payloads = (): number[][] => whole.map((p) => [...p.subarray(20)]);

describe('reassembly', () => {
  it('in order; the result has one header, right length, no fragment bits and a right checksum', () => {
    const { b, w } = setup();
    inject(w, frag(0, 16, 40), frag(16, 32, 40), frag(32, 40, 40));
    expect(whole.map((p) => ipLine(p))).toEqual([`ip 192.0.2.2 > 192.0.2.1 proto ${PROTO} len 60 ttl 64`]);
    expect(payloads()).toEqual([[...data(40)]]);
    expectStats(b, { total: 3, fragments: 3, reassembled: 1, delivered: 1 });
    expect(b.net.kern.calloutsArmed).toBe(0);
  });

  it.each([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])('order %i %i %i', (...order) => {
    const { b, w } = setup();
    const parts = [frag(0, 16, 40), frag(16, 32, 40), frag(32, 40, 40)];
    inject(w, ...order.map((i) => parts[i]!));
    expect(payloads()).toEqual([[...data(40)]]);
    expectStats(b, { total: 3, fragments: 3, reassembled: 1, delivered: 1 });
  });

  it('any cut, any order, with duplicates, gives the datagram exactly once', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragsperpacket', 1000);
    let id = 0;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 12 }), fc.integer({ min: 1, max: 8 }), fc.infiniteStream(fc.nat(1000)), (units, tail, random) => {
        id++;
        whole = [];
        const total = units.reduce((a, n) => a + n * 8, 0) + tail;
        const parts: IpSpec[] = [];
        let at = 0;
        for (const n of units) {
          parts.push(frag(at, at + n * 8, total, { id }));
          at += n * 8;
        }
        parts.push(frag(at, total, total, { id }));
        const order = [...parts, parts[0]!, parts[1]!].map((p) => ({ p, key: random.next().value ?? 0 })).sort((x, y) => x.key - y.key).map((x) => x.p);
        for (const p of order) {
          inject(w, p);
          if (whole.length > 0) break;
        }
        expect(payloads()).toEqual([[...data(total)]]);
        b.ip.reass.drain();
        expect([b.engine.pool.inUse, b.ip.reass.nfrags, b.ip.reass.nqueues]).toEqual([0, 0, 0]);
      }),
      { seed: 42, numRuns: 150 },
    );
  });

  it('64 KB through a link of 1500 bytes', () => {
    const { b, w } = setup();
    const total = 65_515;
    for (let at = 0; at < total; at += 1480) inject(w, frag(at, Math.min(at + 1480, total), total));
    expect(payloads().map((p) => p.length)).toEqual([total]);
    expect(inCksum(new DataView(whole[0]!.buffer), 20, total)).toBe(inCksum(new DataView(data(total).buffer), 0, total));
    expect(b.ip.stats.reassembled).toBe(1);
  });

  it('keeps datagrams apart that differ in any of source, destination, protocol, identification', () => {
    const { b, w } = setup();
    b.addr(w.ifp, '192.0.2.3/32');
    const first = (more: Partial<IpSpec>): IpSpec => frag(0, 8, 16, more);
    inject(w, first({}), first({ src: '192.0.2.9' }), first({ dst: '192.0.2.3' }), first({ proto: 201 }), first({ id: 78 }));
    expect(b.ip.reass.nqueues).toBe(5);
    inject(w, frag(8, 16, 16));
    expect(whole).toHaveLength(1);
    expect(b.ip.reass.nqueues).toBe(4);
  });

  it('a transport checksum is vouched for when every fragment is', () => {
    const { b, w } = setup();
    const flags: number[] = [];
    b.ip.register(PROTO, null);
    b.ip.register(PROTO, { input: (_ifp, m) => (flags.push(m.csumFlags), m.free()) });
    for (const vouched of [[CSUM_L4_VALID, CSUM_L4_VALID], [CSUM_L4_VALID, 0], [0, CSUM_L4_VALID]]) {
      [frag(0, 8, 16), frag(8, 16, 16)].forEach((f, i) => {
        const m = b.packet(ipBytes(f));
        m.csumFlags = vouched[i]!;
        b.ip.input(w.ifp, m);
      });
    }
    expect(flags.map((f) => f & CSUM_L4_VALID)).toEqual([CSUM_L4_VALID, 0, 0]);
  });

  it('options of the first fragment are kept, those of others are not', () => {
    const { w } = setup();
    inject(w, frag(8, 16, 16), frag(0, 8, 16, { options: Uint8Array.of(1, 1, 1, 0) }));
    expect([...whole[0]!.subarray(20)]).toEqual([1, 1, 1, 0, ...data(16)]);
  });

  it.each<[string, number, number, number | null]>([
    ['CE is not lost', 2, 3, 3],
    ['CE first', 3, 2, 3],
    ['all ECT', 2, 2, 2],
    ['not-ECT and ECT do not mix', 2, 0, null],
    ['not-ECT and CE do not mix', 0, 3, null],
  ])('ECN: %s', (_name, ecn1, ecn2, want) => {
    const { b, w } = setup();
    inject(w, frag(0, 8, 16, { tos: 0x40 | ecn1 }), frag(8, 16, 16, { tos: 0x40 | ecn2 }));
    expect(whole.map((p) => p[1])).toEqual(want === null ? [] : [0x40 | want]);
    expect(b.ip.stats.fragdropped).toBe(want === null ? 1 : 0);
  });
});

describe('refused fragments', () => {
  it.each<[string, IpSpec, Partial<IpStats>]>([
    ['no payload', frag(8, 8, 16), { toosmall: 1 }],
    ['middle that is no multiple of 8', frag(0, 12, 16), { toosmall: 1 }],
    ['end beyond 65535', { ...frag(0, 16, 16), off: 0x1fff }, { toolong: 1 }],
  ])('%s', (_name, f, stats) => {
    const { b, w } = setup();
    inject(w, f);
    expectStats(b, { total: 1, fragdropped: 1, ...stats });
    expect(b.ip.reass.nqueues).toBe(0);
  });

  it('header and payload together beyond 65535', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragsperpacket', 8191);
    for (let at = 0; at < 65_520; at += 1488) inject(w, frag(at, Math.min(at + 1488, 65_520), 65_520));
    expect(whole).toEqual([]);
    expect(b.ip.stats.toolong).toBe(1);
    expect(b.engine.pool.inUse).toBe(0);
  });
});

describe('overlaps', () => {
  const START = frag(0, 16, 40);
  const MIDDLE = frag(16, 32, 40);
  const END = frag(32, 40, 40);

  it.each<[string, IpSpec[]]>([
    ['begins inside a fragment', [START, frag(8, 24, 40)]],
    ['ends inside a fragment', [MIDDLE, frag(8, 24, 40)]],
    ['covers a fragment', [MIDDLE, frag(8, 40, 48)]],
    ['is covered by a fragment', [frag(0, 32, 40), frag(8, 16, 40)]],
    ['same place, other length', [START, frag(0, 8, 40)]],
    ['same bytes, but says that it is the last', [MIDDLE, frag(16, 32, 32)]],
    ['a second, earlier end', [END, frag(16, 24, 24)]],
    ['a second, later end', [END, frag(40, 48, 48)]],
    ['more behind the end', [END, frag(40, 48, 56)]],
    ['an end before what is there', [MIDDLE, frag(8, 16, 16)]],
  ])('%s: the datagram is given up, also what comes later', (_name, frags) => {
    const { b, w } = setup();
    inject(w, ...frags);
    expect(b.ip.stats.fragoverlap).toBe(1);
    expect(b.ip.stats.fragdropped).toBe(2);
    expect(b.engine.pool.inUse).toBe(0);
    inject(w, START, MIDDLE, END);
    expect(whole).toEqual([]);
    expectStats(b, { total: 5, fragments: 5, fragdropped: 5, fragoverlap: 1 });
    b.turn(30 * SEC);
    expect(b.ip.reass.nqueues).toBe(0);
    inject(w, START, MIDDLE, END);
    expect(whole).toHaveLength(1);
  });

  it('an exact duplicate is only dropped', () => {
    const { b, w } = setup();
    inject(w, START, START, END, END, MIDDLE);
    expect(whole).toHaveLength(1);
    expectStats(b, { total: 5, fragments: 5, fragdropped: 2, reassembled: 1, delivered: 1 });
  });
});

describe('time', () => {
  it('after fragttl the fragments go, and the sender is told when the first one was there', () => {
    const { b, w } = setup();
    inject(w, frag(0, 16, 40), frag(32, 40, 40));
    b.turn(29 * SEC);
    expect(b.ip.reass.nfrags).toBe(2);
    b.turn(SEC);
    expectStats(b, { total: 2, fragments: 2, fragtimeout: 2, localout: 1 });
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp time exceeded 1 len 64 ttl 64 > ${PEER}`]);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('without the first fragment nobody is told', () => {
    const { b, w } = setup();
    inject(w, frag(16, 32, 40), frag(32, 40, 40));
    b.turn(30 * SEC);
    expectStats(b, { total: 2, fragments: 2, fragtimeout: 2 });
    expect(w.lines()).toEqual([]);
  });

  it('every queue has its own time, also when fragttl is made smaller', () => {
    const { b, w } = setup();
    inject(w, frag(8, 16, 40, { id: 1 }));
    b.turn(10 * SEC);
    inject(w, frag(8, 16, 40, { id: 2 }));
    b.sysctl('net.inet.ip.fragttl', 5);
    inject(w, frag(8, 16, 40, { id: 3 }));
    b.turn(5 * SEC);
    expect(b.ip.reass.nqueues).toBe(2);
    b.turn(15 * SEC);
    expect(b.ip.reass.nqueues).toBe(1);
    b.turn(10 * SEC);
    expect(b.ip.reass.nqueues).toBe(0);
    expect(b.ip.stats.fragtimeout).toBe(3);
  });
});

describe('bounds', () => {
  it('maxfragpackets: the oldest queue gives way', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragpackets', 3);
    b.sysctl('net.inet.ip.maxfragbucketsize', 100);
    for (let id = 1; id <= 5; id++) inject(w, frag(0, 8, 16, { id }));
    expect([b.ip.reass.nqueues, b.ip.reass.nfrags]).toEqual([3, 3]);
    expectStats(b, { total: 5, fragments: 5, fragdropped: 2 });
    for (let id = 3; id <= 5; id++) inject(w, frag(8, 16, 16, { id }));
    expect(whole).toHaveLength(3);
  });

  it('maxfragpackets=0 refuses fragments, -1 takes the limit away', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragpackets', 0);
    inject(w, frag(0, 8, 16));
    expectStats(b, { total: 1, fragments: 1, fragdropped: 1 });
    b.sysctl('net.inet.ip.maxfragpackets', -1);
    inject(w, frag(0, 8, 16), frag(8, 16, 16));
    expect(whole).toHaveLength(1);
  });

  it('maxfragsperpacket: one more completes the datagram, or ends it', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragsperpacket', 2);
    inject(w, frag(0, 8, 24), frag(8, 16, 24), frag(16, 24, 24));
    expect(whole).toHaveLength(1);
    inject(w, frag(0, 8, 32, { id: 5 }), frag(8, 16, 32, { id: 5 }), frag(16, 24, 32, { id: 5 }));
    expect(b.ip.stats.fragdropped).toBe(3);
    expect(b.ip.reass.nqueues).toBe(0);
  });

  it('maxfrags: no more than so many in all', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfrags', 4);
    for (let id = 1; id <= 9; id++) inject(w, frag(0, 8, 16, { id }));
    expect(b.ip.reass.nfrags).toBe(4);
    expect(b.ip.stats.fragdropped).toBe(5);
  });

  it('maxfragbucketsize: a bucket of the hash keeps its youngest', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.maxfragbucketsize', 1);
    for (let id = 1; id <= 4000; id++) inject(w, frag(0, 8, 16, { id }));
    expect(b.ip.reass.nqueues).toBeLessThanOrEqual(1024);
    expect(b.ip.reass.nqueues + b.ip.stats.fragdropped).toBe(4000);
    expect(b.engine.pool.inUse).toBe(b.ip.reass.nfrags);
  });

  it('no packet to put the datagram into: it is dropped', () => {
    const { b, w } = setup(new PacketPool(32, 0));
    b.sysctl('net.inet.ip.maxfrags', 10);
    const total = 4000;
    for (let at = 0; at < total; at += 1000) inject(w, frag(at, at + 1000, total));
    expect(whole).toEqual([]);
    expect(b.ip.stats.fragdropped).toBe(4);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('an interface that goes takes no fragments with it; its name is forgotten', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    inject(w, frag(0, 8, 16));
    ifDetach(w.ifp);
    expect(b.ip.reass.nfrags).toBe(1);
    b.addr(w2.ifp, '192.0.2.1/24');
    w2.inject(ipFrame(macN(2), PEER, frag(8, 16, 16)));
    expect(whole).toHaveLength(1);
  });
});

describe('ipFragment', () => {
  it('what it cuts, reassembly puts together: sizes, options, checksums', () => {
    fc.assert(
      fc.property(fc.integer({ min: 68, max: 1500 }), fc.integer({ min: 1, max: 6000 }), fc.boolean(), fc.constantFrom(0, IP_MF | 5), (mtu, size, withOptions, offField) => {
        const b = new IpBench();
        const options = withOptions ? Uint8Array.of(1, 130, 4, 9, 7, 7, 4, 0, 0, 0, 0, 0) : new Uint8Array(0);
        const m = b.packet(ipBytes({ src: '192.0.2.1', dst: '192.0.2.2', proto: PROTO, id: 9, off: offField, options, payload: data(size) }));
        if (m.len <= mtu) {
          m.free();
          return;
        }
        expect(ipFragment(b.ip, m, mtu)).toBe(0);
        const got: number[] = [];
        let n = 0;
        for (let f = m as typeof m | null; f !== null; n++) {
          const next: typeof m | null = f.next;
          const v = f.view;
          const hl = (v.getUint8(f.off) & 15) * 4;
          expect(f.len).toBeLessThanOrEqual(mtu);
          expect(v.getUint16(f.off + 2)).toBe(f.len);
          expect(ip4Cksum(v, f.off, hl)).toBe(0);
          const off = v.getUint16(f.off + 6);
          expect((off & 0x1fff) - (offField & 0x1fff)).toBe(got.length / 8);
          expect((off & IP_MF) !== 0).toBe(next !== null || offField !== 0);
          // Behind the first fragment only the option with the copied bit (130) is left, between its padding.
          if (withOptions) expect([...f.bytes().subarray(20, hl)]).toEqual(n === 0 ? [...options] : [1, 130, 4, 9, 7, 0, 0, 0]);
          got.push(...f.bytes().subarray(hl));
          f.next = null;
          f.free();
          f = next;
        }
        expect(got).toEqual([...data(size)]);
        expect(b.ip.stats.ofragments).toBe(n);
        expect(b.engine.pool.inUse).toBe(0);
      }),
      { seed: 7, numRuns: 120 },
    );
  });

  it('finishes the transport checksum first', () => {
    const { b } = setup();
    const udp = data(3000);
    const view = new DataView(udp.buffer);
    view.setUint16(4, udp.length);
    view.setUint16(6, 0);
    const src = addr('192.0.2.1');
    const dst = addr('192.0.2.2');
    const m = b.packet(ipBytes({ src: '192.0.2.1', dst: '192.0.2.2', proto: IPPROTO_UDP, payload: udp }));
    const pseudo = inCksum4(new DataView(new ArrayBuffer(0)), 0, 0, src, dst, IPPROTO_UDP);
    const sum = (~pseudo & 0xffff) + udp.length;
    m.view.setUint16(m.off + 26, (sum & 0xffff) + (sum >> 16));
    m.csumFlags = CSUM_L4;
    m.csumStart = m.off + 20;
    m.csumOffset = 6;
    expect(ipFragment(b.ip, m, 1500)).toBe(0);
    const parts: number[] = [];
    for (let f = m as typeof m | null; f !== null; ) {
      const next: typeof m | null = f.next;
      expect(f.csumFlags & CSUM_L4).toBe(0);
      parts.push(...f.bytes().subarray(20));
      f.free();
      f = next;
    }
    expect(inCksum4(new DataView(Uint8Array.from(parts).buffer), 0, 3000, src, dst, IPPROTO_UDP)).toBe(0);
  });

  it('EMSGSIZE with DF or without room, ENOBUFS without packets; the datagram is whole then', () => {
    const { b } = setup(new PacketPool(32, 1));
    const make = (off: number): ReturnType<IpBench['packet']> => b.packet(ipBytes({ src: '192.0.2.1', dst: '192.0.2.2', off, payload: data(5000) }));
    const m = make(IP_DF);
    expect(ipFragment(b.ip, m, 1500)).toBe(EMSGSIZE);
    m.free();
    const n = make(0);
    expect(ipFragment(b.ip, n, 27)).toBe(EMSGSIZE);
    const held = Array.from({ length: 30 }, () => b.engine.pool.alloc(10)!);
    expect(ipFragment(b.ip, n, 1500)).toBe(ENOBUFS);
    expect(n.len).toBe(5020);
    expect(n.next).toBeNull();
    for (const h of held) h.free();
    n.free();
    expect(b.engine.pool.inUse).toBe(0);
    expectStats(b, { cantfrag: 2, odropped: 1 });
  });
});
