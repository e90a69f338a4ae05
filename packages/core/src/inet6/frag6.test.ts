/**
 * frag6.test.ts — IPv6 reassembly: FreeBSD's programs netinet6/frag6 as packet scripts with their counters, and what holds for every order of every split.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import { snapshot } from '../kern/counters.js';
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import type { Icmp6Ifdir} from './ip6-ifstat.js';
import { In6Ifstat } from './ip6-ifstat.js';
import { Icmp6Stats } from './icmp6-var.js';
import { Ip6Stats } from './ip6-var.js';
import { Ip6Bench, NOTHING_LEFT6, ip6Bytes, ip6Frame, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';

const A = '2001:db8::a';
const B = '2001:db8::b';
const LIFETIME = 2_000;
const SEED = 4;

let b: Ip6Bench;
let w: Wire6;
/** Datagrams that came to UDP: their payload. */
let got: Uint8Array[];

beforeEach(() => {
  b = new Ip6Bench(SEED);
  w = b.wire(`${B}/64`);
  w.neighbour(A, macN(0xa));
  b.sysctl('net.inet6.ip6.fraglifetime_ms', LIFETIME);
  got = [];
  b.ip6.register(IPPROTO_UDP, {
    input: (_ifp, m, off) => {
      got.push(m.bytes().slice(off));
      m.free();
    },
  });
  w.take();
  for (const o of [b.ip6.stats, b.icmp6.stats]) for (const key of Object.keys(o)) Object.assign(o, { [key]: 0 });
});

const fill = (n: number, byte = 0x36): Uint8Array => new Uint8Array(n).fill(byte);
const udp = (len: number): Uint8Array => Uint8Array.of(0x19, 0x8f, 0x0d, 0x80, (len + 8) >> 8, (len + 8) & 255, 0, 0);
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));
/** Destination options: 16 bytes of padding. */
const DSTOPT = Uint8Array.of(IPPROTO_FRAGMENT, 1, 1, 6, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0);

interface Frag {
  /** In units of 8 bytes. */
  readonly offset: number;
  readonly m: 0 | 1;
  readonly id: number;
  readonly data: Uint8Array;
  readonly nxt?: number;
  readonly tc?: number;
  /** Extension headers before the fragment header. */
  readonly before?: Uint8Array;
  readonly src?: string;
}

function fragment(f: Frag): Uint8Array {
  const { nxt = IPPROTO_UDP, tc = 0, before, src = A } = f;
  const off = (f.offset << 3) | f.m;
  const header = Uint8Array.of(nxt, 0, (off >> 8) & 255, off & 255, f.id >>> 24, (f.id >> 16) & 255, (f.id >> 8) & 255, f.id & 255);
  return ip6Bytes({ src, dst: B, proto: before === undefined ? IPPROTO_FRAGMENT : IPPROTO_DSTOPTS, flow: tc * 0x10_0000, payload: join(before ?? new Uint8Array(0), header, f.data) });
}

function send(...frags: Frag[]): void {
  for (const f of frags) w.inject(ip6Frame(macN(1), macN(0xa), fragment(f)));
}

const expire = (): void => b.turn(LIFETIME * US_PER_MS + US_PER_SEC);

/** What must be counted, and nothing else; of errors what was sent. */
function expectStats(ip6: Partial<Ip6Stats>, ifstat: Partial<In6Ifstat>, errors: Partial<Icmp6Stats> = {}): void {
  const { total, nxthist, nxt0, nxt44, nxt60, delivered, localout, sourcesRule, rule0, rule2, rule5, ...rest } = snapshot(b.ip6.stats);
  const { total: _t, nxthist: _n, nxt0: _n0, nxt44: _n44, nxt60: _n60, delivered: _d, localout: _l, sourcesRule: _s, rule0: _r0, rule2: _r2, rule5: _r5, ...want } = { ...snapshot(new Ip6Stats()), ...ip6 };
  expect([total, nxthist, nxt0 + nxt44 + nxt60, delivered >= 0, localout >= 0, sourcesRule, rule0 + rule2 + rule5]).toBeDefined();
  expect(rest).toEqual(want);
  const st = snapshot(b.in6Net.ifinfo(w.ifp)!.stats.ip6);
  const none = new In6Ifstat();
  expect({ ...none, reassReqd: st.reassReqd, reassOk: st.reassOk, reassFail: st.reassFail }).toEqual({ ...none, ...ifstat });
  const { error, outhist, outerrhist, out1, out3, out4, ...kinds } = snapshot(b.icmp6.stats);
  const { error: _e, outhist: _o, outerrhist: _oe, ...wantKinds } = { ...snapshot(new Icmp6Stats()), ...errors };
  expect(kinds).toEqual(Object.fromEntries(Object.entries(wantKinds).filter(([key]) => !/^out[134]$/.test(key))));
  expect(error).toBe(outerrhist);
  expect(out1 + out3 + out4).toBe(outhist);
  expect([b.ip6.frag6.nfrags, b.ip6.frag6.npackets]).toEqual([0, 0]);
}

/** Errors that left by the interface. */
const sentErrors = (): Partial<Icmp6Ifdir> => {
  const { error, dstunreach, timeexceed, paramprob } = b.in6Net.ifinfo(w.ifp)!.stats.icmp6Out;
  return { error, dstunreach, timeexceed, paramprob };
};

/** `type/code@pointer` of each error that was sent. */
const errors = (): string[] => w.lines().map((l) => l.replace(/^icmp6 .* type (\d+) code (\d+) arg (\d+) .*$/, '$1/$2@$3'));

describe("FreeBSD's frag6 programs", () => {
  it('01: a jumbogram with a fragment is refused for being a jumbogram', () => {
    const hbh = Uint8Array.of(IPPROTO_FRAGMENT, 0, 0xc2, 4, 0, 1, 0, 0);
    const p = ip6Bytes({ src: A, dst: B, proto: IPPROTO_HOPOPTS, payload: join(hbh, Uint8Array.of(17, 0, 0, 1, 0, 0, 0, 6), udp(8), fill(8)) });
    p[4] = 0;
    p[5] = 0;
    w.inject(ip6Frame(macN(1), macN(0xa), p));
    expect(errors()).toEqual(['4/0@4']);
    expectStats({ badoptions: 1 }, {}, { oparamprobHeader: 1 });
    expect(sentErrors()).toEqual({ error: 1, dstunreach: 0, timeexceed: 0, paramprob: 1 });
  });

  it('02: a first fragment whose length is no multiple of 8', () => {
    send({ offset: 0, m: 1, id: 5, data: join(udp(1287), fill(1287)) });
    expect(errors()).toEqual(['4/0@4']);
    expectStats({}, { reassFail: 1 }, { oparamprobHeader: 1 });
  });

  it('03: atomic fragments, also behind an extension header, are delivered without a queue', () => {
    send({ offset: 0, m: 0, id: 3, data: udp(0) }, { offset: 0, m: 0, id: 0x3001, data: udp(0), before: DSTOPT });
    expect(got).toEqual([udp(0), udp(0)]);
    expectStats({ fragments: 2, atomicfrags: 2 }, { reassReqd: 2, reassOk: 2 });
  });

  it('04: an empty first fragment', () => {
    send({ offset: 0, m: 1, id: 4, data: new Uint8Array(0) });
    expect(errors()).toEqual(['4/0@4']);
    expectStats({ fragments: 1, fragdropped: 1 }, { reassReqd: 1, reassFail: 1 }, { oparamprobHeader: 1 });
  });

  const firsts = (): Frag[] => Array.from({ length: 20 }, (_, i) => ({ offset: 0, m: 1, id: 0x5001 + i, data: join(udp(1280), fill(1280)) }));

  it('05: no fragments, or ten, may wait', () => {
    b.sysctl('net.inet6.ip6.maxfrags', 0);
    send(...firsts());
    expectStats({ fragments: 20, fragdropped: 20 }, { reassReqd: 20, reassFail: 20 });
    b.ip6.stats.fragments = 0;
    b.ip6.stats.fragdropped = 0;
    b.sysctl('net.inet6.ip6.maxfrags', 10);
    send(...firsts());
    expect(b.net.kern.sysctl.find('net.inet6.ip6.frag6_nfrags')?.get()).toBe(10);
    expire();
    expect(errors()).toEqual(Array<string>(10).fill('3/1@0'));
    expectStats({ fragments: 20, fragdropped: 10, fragtimeout: 10 }, { reassReqd: 40, reassFail: 30 }, { otimeExceedReassembly: 10 });
  });

  it('06: no queues in a bucket', () => {
    b.sysctl('net.inet6.ip6.maxfragbucketsize', 0);
    send(...Array.from({ length: 20 }, (_, i) => ({ offset: 2 * i, m: 1 as const, id: 6, data: join(udp(8), fill(8)) })));
    expectStats({ fragments: 20, fragdropped: 20 }, { reassReqd: 20, reassFail: 20 });
  });

  it('07: fragments that reach beyond 64 KB, after another and alone', () => {
    send({ offset: 0, m: 1, id: 7, data: join(udp(1280), fill(1280)) }, { offset: 0x1fff, m: 1, id: 7, data: join(udp(1280), fill(1280)) });
    send({ offset: 0x1fff, m: 1, id: 0x7001, data: join(udp(1280), fill(1280)) });
    expect(errors()).toEqual(['4/0@42', '4/0@42']);
    expire();
    expect(errors()).toEqual(['3/1@0']);
    expectStats({ fragments: 3, fragtimeout: 1 }, { reassReqd: 3 }, { oparamprobHeader: 2, otimeExceedReassembly: 1 });
    expect(sentErrors()).toEqual({ error: 3, dstunreach: 0, timeexceed: 1, paramprob: 2 });
  });

  it('08: the first fragment, which comes later, has headers with which a waiting one is too long', () => {
    send({ offset: 0x1ffc, m: 0, id: 8, data: join(udp(15), fill(15)) }, { offset: 0, m: 1, id: 8, data: join(udp(8), fill(8)), before: DSTOPT });
    expect(errors()).toEqual(['4/0@42']);
    expire();
    expect(errors()).toEqual(['3/1@0']);
    expectStats({ fragments: 2, fragtimeout: 1 }, { reassReqd: 2 }, { oparamprobHeader: 1, otimeExceedReassembly: 1 });
  });

  it.each<[string, number, 0 | 1, number, number]>([
    ['09: a first', 0, 1, 0, 1], ['10: a middle', 161, 1, 0, 0], ['11: a last', 321, 0, 0, 0], ['12: a first with data', 0, 1, 1280, 1],
  ])('%s fragment alone times out', (_name, offset, m, len, told) => {
    send({ offset, m, id: 2, data: join(udp(len), fill(len)) });
    expire();
    expect(errors()).toEqual(Array<string>(told).fill('3/1@0'));
    expectStats({ fragments: 1, fragtimeout: 1 }, { reassReqd: 1 }, { otimeExceedReassembly: told });
  });

  it('13: marked and not-ECT fragments do not go together', () => {
    const data = join(udp(8), fill(8));
    send({ offset: 0, m: 1, id: 13, data, tc: 0 }, { offset: 16, m: 0, id: 13, data, tc: 3 });
    send({ offset: 0, m: 1, id: 0x1301, data, tc: 1 }, { offset: 16, m: 0, id: 0x1301, data, tc: 0 });
    expire();
    expectStats({ fragments: 4, fragdropped: 2, fragtimeout: 2 }, { reassReqd: 4, reassFail: 2 }, { otimeExceedReassembly: 2 });
  });

  it('14: a duplicate is dropped, an overlap drops all', () => {
    const data = join(udp(8), fill(8));
    send({ offset: 0, m: 1, id: 14, data }, { offset: 0x1000, m: 0, id: 14, data }, { offset: 16, m: 1, id: 14, data }, { offset: 16, m: 1, id: 14, data });
    send({ offset: 10, m: 1, id: 0x1401, data }, { offset: 9, m: 0, id: 0x1401, data });
    expire();
    expect(errors()).toEqual(['3/1@0']);
    expectStats({ fragments: 6, fragdropped: 2, fragtimeout: 3, fragoverlap: 1 }, { reassReqd: 6, reassFail: 2 }, { otimeExceedReassembly: 1 });
  });

  it('15: the fourth of three fragments ends the datagram', () => {
    b.sysctl('net.inet6.ip6.maxfragsperpacket', 3);
    for (let i = 0; i < 4; i++) send({ offset: 16 + i * 0x102, m: 1, id: 15, data: join(udp(8), fill(8)) });
    for (let i = 0; i < 4; i++) send({ offset: i * 2, m: 1, id: 0x1501, data: join(udp(8), fill(8)) });
    expectStats({ fragments: 8, fragdropped: 8 }, { reassReqd: 8 }, { otimeExceedReassembly: 1 });
  });

  it('16: thirty fragments are one datagram', () => {
    const data = fill(1280);
    send({ offset: 0, m: 1, id: 16, data: join(udp(30 * 1280), data) });
    for (let i = 1; i < 30; i++) send({ offset: (1288 + (i - 1) * 1280) / 8, m: i === 29 ? 0 : 1, id: 16, data });
    expect(got).toEqual([join(udp(30 * 1280), fill(30 * 1280))]);
    expectStats({ fragments: 30, reassembled: 1 }, { reassReqd: 30, reassOk: 1 });
  });

  it('17, 18: what waits is freed with the vnet', () => {
    let x = 1;
    const random = (n: number): number => (x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0) % n;
    for (let i = 0; i < 127; i++) send({ offset: random(0x2000), m: random(2) as 0 | 1, id: random(0x1_0000), data: udp(0), src: `2001:db8:${random(0xffff).toString(16)}::1` });
    expect(b.ip6.frag6.nfrags).toBeGreaterThan(50);
    b.ip6.register(IPPROTO_UDP, null);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT6);
  });

  it('19: identifications in sequence spread over the buckets', () => {
    for (let i = 0; i < 127; i++) send({ offset: 1, m: 1, id: i, data: fill(8) });
    expect(b.ip6.frag6.npackets).toBe(127);
    expire();
    expectStats({ fragments: 127, fragtimeout: 127 }, { reassReqd: 127 });
  });

  it('20: a first fragment that comes again with more headers changes nothing', () => {
    send({ offset: 0, m: 1, id: 20, data: join(udp(8), fill(8)) }, { offset: 0x1ffc, m: 0, id: 20, data: join(udp(15), fill(15)) });
    send({ offset: 0, m: 1, id: 20, data: join(udp(8), fill(8)), before: DSTOPT });
    expire();
    expect(errors()).toEqual(['3/1@0']);
    expectStats({ fragments: 3, fragdropped: 1, fragtimeout: 2 }, { reassReqd: 3, reassFail: 1 }, { otimeExceedReassembly: 1 });
  });
});

describe('beyond them', () => {
  it('a first fragment without the whole header chain is refused (RFC 7112)', () => {
    send({ offset: 0, m: 1, id: 1, data: fill(8), nxt: IPPROTO_TCP });
    send({ offset: 0, m: 1, id: 2, data: Uint8Array.of(IPPROTO_UDP, 1, 1, 4, 0, 0, 0, 0), nxt: IPPROTO_DSTOPTS });
    expect(errors()).toEqual(['4/3@0', '4/3@0']);
    expectStats({ fragments: 2, fragdropped: 2 }, { reassReqd: 2, reassFail: 2 }, { oparamprobHeader: 2 });
  });

  it('headers before the fragment header may differ: those of the first fragment count, whichever comes last', () => {
    const first: Frag = { offset: 0, m: 1, id: 7, data: udp(8) };
    const last: Frag = { offset: 1, m: 0, id: 7, data: fill(8) };
    send(first, { ...last, before: DSTOPT });
    send({ ...last, id: 8 }, { ...first, id: 8, before: DSTOPT });
    expect(got).toEqual([join(udp(8), fill(8)), join(udp(8), fill(8))]);
  });

  it('a first fragment that is refused for its ECN leaves nothing of its headers', () => {
    const first: Frag = { offset: 0, m: 1, id: 7, data: udp(8) };
    send({ offset: 1, m: 0, id: 7, data: fill(8) }, { ...first, tc: 3, before: DSTOPT }, first);
    expect(got).toEqual([join(udp(8), fill(8))]);
  });

  it('what is left of a condemned datagram is dropped until its time is up', () => {
    send({ offset: 0, m: 1, id: 9, data: udp(0) }, { offset: 0, m: 1, id: 9, data: fill(16) }, { offset: 1, m: 0, id: 9, data: fill(8) });
    expect(got).toEqual([]);
    expect(b.ip6.frag6).toMatchObject({ nfrags: 0, npackets: 1 });
    expire();
    send({ offset: 0, m: 1, id: 9, data: udp(8) }, { offset: 1, m: 0, id: 9, data: fill(8) });
    expect(got).toEqual([join(udp(8), fill(8))]);
  });

  it('CE of any fragment is in the whole', () => {
    let tclass = 0;
    b.ip6.register(IPPROTO_UDP, null);
    b.ip6.register(IPPROTO_UDP, {
      input: (_ifp, m) => {
        tclass = (m.view.getUint16(m.off) >>> 4) & 255;
        m.free();
      },
    });
    send({ offset: 0, m: 1, id: 9, data: udp(8), tc: 2 }, { offset: 1, m: 0, id: 9, data: fill(8), tc: 3 });
    expect(tclass).toBe(3);
  });

  it('the number of the first fragment counts, and later ones may say anything', () => {
    send({ offset: 1, m: 0, id: 9, data: fill(8), nxt: IPPROTO_NONE }, { offset: 0, m: 1, id: 9, data: udp(8), nxt: IPPROTO_UDP });
    expect(got).toEqual([join(udp(8), fill(8))]);
  });

  it('an echo in fragments is answered', () => {
    const whole = Uint8Array.from({ length: 64 }, (_, i) => i);
    whole.set([128, 0, 0, 0, 0, 1, 0, 1]);
    let sum = 0;
    const pseudo = join(ip6Bytes({ src: A, dst: B }).subarray(8, 40), Uint8Array.of(0, 0, 0, 64, 0, 0, 0, IPPROTO_ICMPV6), whole);
    for (let i = 0; i < pseudo.length; i += 2) sum += (pseudo[i]! << 8) | pseudo[i + 1]!;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    whole.set([~sum >> 8 & 255, ~sum & 255], 2);
    send({ offset: 5, m: 0, id: 1, data: whole.subarray(40), nxt: IPPROTO_ICMPV6 }, { offset: 0, m: 1, id: 1, data: whole.subarray(0, 40), nxt: IPPROTO_ICMPV6 });
    expect(w.lines()).toEqual([`reply ${B} > ${A} seq 1 > ${macN(0xa)}`]);
  });

  it('fragments of an interface that leaves stay and are told to nobody', () => {
    const other = b.wire('2001:db8:1::b/64');
    other.inject(ip6Frame(macN(2), macN(0xa), fragment({ offset: 0, m: 1, id: 2, data: udp(0) })));
    b.net.departureEvent.invoke({ ifp: other.ifp, renaming: false });
    expire();
    expect(b.ip6.stats.fragtimeout).toBe(1);
    expect(errors()).toEqual([]);
  });
});

/** Cuts 0..units into pieces. */
const split = (units: number): fc.Arbitrary<number[]> => fc.uniqueArray(fc.integer({ min: 1, max: units - 1 }), { maxLength: 12 }).map((cuts) => [0, ...cuts.sort((x, y) => x - y), units]);

describe('any order of any split', () => {
  it('gives the datagram, once, with duplicates as well', () => {
    let id = 1;
    fc.assert(fc.property(split(40).chain((cuts) => fc.tuple(fc.constant(cuts), fc.shuffledSubarray(cuts.slice(0, -1), { minLength: cuts.length - 1 }), fc.nat(7), fc.nat(20))), ([cuts, order, tail, dup]) => {
      const data = join(udp(40 * 8 - tail - 8), Uint8Array.from({ length: 40 * 8 - tail - 8 }, (_, i) => (i * 7) & 255));
      id++;
      got = [];
      const pieces = order.map((from): Frag => {
        const to = cuts[cuts.indexOf(from) + 1]!;
        return { offset: from, m: to === 40 ? 0 : 1, id, data: data.subarray(from * 8, to * 8) };
      });
      const again = pieces[dup];
      for (const [i, f] of pieces.entries()) {
        send(f);
        // A duplicate of the last would begin another datagram.
        if (i === dup && i < pieces.length - 1 && again !== undefined) send(again);
      }
      expect(got).toEqual([data]);
      expect(b.ip6.frag6).toMatchObject({ nfrags: 0, npackets: 0 });
    }), { seed: SEED, numRuns: 300 });
  });

  it('with fragments that overlap gives the datagram of exact pieces or nothing, and every fragment is accounted for', () => {
    let id = 1;
    const piece = fc.record({ from: fc.integer({ min: 0, max: 6 }), len: fc.integer({ min: 1, max: 4 }), last: fc.boolean() });
    fc.assert(fc.property(fc.array(piece, { minLength: 2, maxLength: 8 }), (pieces) => {
      id++;
      got = [];
      b.ip6.frag6.drain();
      const before = snapshot(b.ip6.stats);
      for (const p of pieces) {
        const data = fill(p.len * 8, p.from);
        if (p.from === 0) data.set(udp(0));
        send({ offset: p.from, m: p.last ? 0 : 1, id, data });
      }
      const { stats } = b.ip6;
      const tiled = (g: Uint8Array, at: number): boolean => at === g.length
        || pieces.some((p) => p.from === at / 8 && g.subarray(Math.max(at, 8), at + 8 * p.len).every((x) => x === p.from) && tiled(g, at + 8 * p.len));
      for (const g of got) expect(tiled(g, 0)).toBe(true);
      const inOne = stats.reassembled - before.reassembled;
      const accounted = stats.fragdropped - before.fragdropped + stats.fragoverlap - before.fragoverlap + stats.atomicfrags - before.atomicfrags + b.ip6.frag6.nfrags;
      if (inOne === 0) expect(accounted).toBe(pieces.length);
    }), { seed: SEED, numRuns: 400 });
  });
});
