/**
 * ip6-output.test.ts — IPv6 output: source selection, zones, sizes, path MTU, headers of the sender.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { EHOSTUNREACH, EMSGSIZE } from '../base/errno.js';
import { CSUM_L4, GSO_TCPV6 } from '../mbuf/packet-buffer.js';
import { PFIL_PASS } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_REJECT, RTF_STATIC } from '../net/route/nexthop.js';
import { ip6Format, ip6ParsePrefix, ip6Word, ip6Zoned } from '../wire/addr6.js';
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DEPRECATED, IN6_IFF_TEMPORARY } from './in6-ifaddr.js';
import { Ip6OutputOpts, MINMTU_ALWAYS } from './ip6-output.js';
import { Ip6Bench, addr6, icmp6Packet, ip6Bytes, ip6Frame, macN } from './test-ip6.js';
import type { Ip6Spec, Wire6 } from './test-ip6.js';

const A = '2001:db8::a';
const B = '2001:db8::b';
const FAR = '2001:db8:ffff::1';

let b: Ip6Bench;
let w: Wire6;

beforeEach(() => {
  b = new Ip6Bench(3);
  w = b.wire(`${B}/64`);
  w.neighbour(A, macN(0xa));
  route('::/0', A);
  w.take();
});

function route(prefix: string, gateway: string | null, flags = 0): void {
  const p = ip6ParsePrefix(prefix)!;
  const more = gateway === null ? { gwIfp: b.lo0, ifp: b.lo0 } : { gateway: addr6(gateway) };
  expect(b.routes.add({ fib: 0, family: 'inet6', dst: p.addr, plen: p.len, flags: flags | RTF_STATIC | (gateway === null ? 0 : RTF_GATEWAY), ...more } as never)).toBe(0);
}

const opts = (more: Partial<Ip6OutputOpts> = {}): Ip6OutputOpts => Object.assign(new Ip6OutputOpts(), more);
const send = (spec: Partial<Ip6Spec>, o: Ip6OutputOpts | null = null): number => b.ip6.output(b.packet(ip6Bytes({ src: '::', dst: A, payload: new Uint8Array(8), ...spec })), 0, o);
const source = (dst: string, o: Ip6OutputOpts | null = null, zone = 0): string | null => {
  const d = ip6Zoned(addr6(dst), zone);
  const { ia } = b.ip6.sourceFor(ip6Word(d, 0), ip6Word(d, 1), ip6Word(d, 2), ip6Word(d, 3), 0, o);
  return ia === null ? null : ip6Format(ip6Zoned(ia.addr, 0));
};

describe('an output filter', () => {
  it('that sends a packet does not lead the filtered one astray', () => {
    const far = b.wire('2001:db8:7::1/64');
    far.neighbour('2001:db8:7::2', macN(0xc));
    far.take();
    let left = 1;
    b.ip6.pfil.link({
      name: 'teller',
      check: () => {
        if (left-- > 0) send({ dst: '2001:db8:7::2' });
        return PFIL_PASS;
      },
    });
    expect(send({ dst: A })).toBe(0);
    expect([w.lines(), far.lines()]).toEqual([[`ip6 ${B} > ${A} proto 17 len 48 hlim 64 > ${macN(0xa)}`], [`ip6 2001:db8:7::1 > 2001:db8:7::2 proto 17 len 48 hlim 64 > ${macN(0xc)}`]]);
  });
});

describe('the unspecified address', () => {
  it('is no destination, whatever the default route; an echo request from it is not answered', () => {
    expect(send({ src: B, dst: '::' })).toBe(EHOSTUNREACH);
    expect(w.ask(`echo :: > ${B}`)).toEqual([]);
    expect(b.engine.pool.inUse).toBe(0);
  });
});

describe('source selection (RFC 6724 §5)', () => {
  it('rule 1: the same address', () => {
    b.addr(w.ifp, '2001:db8::c/64');
    expect(source('2001:db8::c')).toBe('2001:db8::c');
  });

  it('rule 2: the scope of the destination', () => {
    expect(source('fe80::99', null, w.ifp.index)).toBe('fe80::ff:fe00:1');
    expect(source(A)).toBe(B);
    expect(source('ff02::5', opts({ mcastIfp: w.ifp }), w.ifp.index)).toBe('fe80::ff:fe00:1');
    expect(source('ff05::5', opts({ mcastIfp: w.ifp }))).toBe(B);
  });

  it('rule 3: not a deprecated one, while there is another; use_deprecated=0: never', () => {
    b.addr(w.ifp, '2001:db8:0:0:ffff::1/64', { pltime: 0, vltime: 3_600, flags: IN6_IFF_DEPRECATED });
    expect(source('2001:db8:0:0:ffff::2')).toBe(B);
    b.delAddr(w.ifp, B);
    expect(source(A)).toBe('2001:db8::ffff:0:0:1');
    b.sysctl('net.inet6.ip6.use_deprecated', 0);
    expect(source(A)).toBe('fe80::ff:fe00:1');
  });

  it('rule 5: the interface it leaves by', () => {
    const other = b.wire('2001:db8:ffff::b/64');
    expect(source('2001:db8:ffff::1')).toBe('2001:db8:ffff::b');
    expect(source('2001:db8:5::1')).toBe(B);
    expect(source('2001:db8:5::1', opts({ ifp: other.ifp }))).toBe('2001:db8:ffff::b');
  });

  it('rule 6: the label of the destination', () => {
    b.addr(w.ifp, 'fd00::b/64');
    b.addr(w.ifp, '2002:c000:201::1/64');
    expect(source('fd77::1')).toBe('fd00::b');
    expect(source('2002:c000:202::1')).toBe('2002:c000:201::1');
    expect(source('2600::1')).toBe(B);
    b.ip6.policies.flush();
    expect(b.ip6.policies.add(addr6('2600::'), 16, 20, 7)).toBe(0);
    expect(b.ip6.policies.add(addr6('fd00::'), 16, 20, 7)).toBe(0);
    expect(source('2600::1')).toBe('fd00::b');
  });

  it('rule 7: public or temporary', () => {
    b.addr(w.ifp, '2001:db8::7/64', { flags: IN6_IFF_TEMPORARY });
    expect(source(A)).toBe(B);
    expect(source(A, opts({ preferTempaddr: 1 }))).toBe('2001:db8::7');
    b.sysctl('net.inet6.ip6.prefer_tempaddr', 1);
    expect(source(A)).toBe('2001:db8::7');
    expect(source(A, opts({ preferTempaddr: 0 }))).toBe(B);
  });

  it('rule 8 of the RFC: the longest match', () => {
    b.addr(w.ifp, '2001:db8:ff00::b/64');
    expect(source('2001:db8:ffff::9')).toBe('2001:db8:ff00::b');
    expect(source('2001:db8:0:5::9')).toBe(B);
  });

  it('anycast and loopback addresses are never chosen; without any there is none', () => {
    b.addr(w.ifp, '2001:db8::c0/64', { flags: IN6_IFF_ANYCAST });
    expect(source('2001:db8::c1')).toBe(B);
    expect(source('::1')).toBe('::1');
    expect(source('2001:dead::1', opts({ ifp: b.lo0 }))).toBe(B);
  });

  it('is a total order: whatever the order of the addresses, one wins', () => {
    const pool = ['2001:db8::1', '2001:db8::2', '2001:db8:1::1', 'fd00::1', '2002::1'];
    fc.assert(fc.property(fc.shuffledSubarray(pool, { minLength: 2 }), fc.constantFrom('2001:db8::99', 'fd01::1', '2600::1', '2002:5::1'), (addrs, dst) => {
      const winners = [addrs, [...addrs].reverse()].map((list) => {
        for (const a of list) b.addr(w.ifp, `${a}/64`);
        const s = source(dst);
        for (const a of list) b.delAddr(w.ifp, a);
        return s;
      });
      // Addresses that match equally long are taken in their order.
      const match = (x: string | null): number => (x === null ? 0 : matchLen(addr6(x), addr6(dst)));
      expect(match(winners[0]!)).toBe(match(winners[1]!));
    }), { seed: 3, numRuns: 60 });
  });
});

function matchLen(x: Uint8Array, y: Uint8Array): number {
  let n = 0;
  while (n < 128 && ((x[n >> 3]! ^ y[n >> 3]!) & (0x80 >> (n & 7))) === 0) n++;
  return n;
}

describe('zones', () => {
  it('a link-local destination needs one: from the options, from the source, or by default', () => {
    const ll = 'fe80::99';
    w.neighbour('fe80::99', macN(0x99));
    expect(send({ dst: ll })).toBe(EHOSTUNREACH);
    expect(send({ dst: ll }, opts({ ifp: w.ifp }))).toBe(0);
    expect(send({ dst: ll, src: 'fe80::ff:fe00:1' })).toBe(0);
    b.ip6.in6Net.defaultIfindex = w.ifp.index;
    expect(send({ dst: ll })).toBe(EHOSTUNREACH);
    b.sysctl('net.inet6.ip6.use_defaultzone', 1);
    expect(send({ dst: ll })).toBe(0);
    expect(w.lines()).toEqual(Array<string>(3).fill(`ip6 fe80::ff:fe00:1 > fe80::99 proto 17 len 48 hlim 64 > ${macN(0x99)}`));
  });

  it('an address of another link, or ::1, does not leave here', () => {
    b.wire('2001:db8:1::b/64');
    expect(send({ src: 'fe80::ff:fe00:2' })).toBe(EHOSTUNREACH);
    expect(send({ src: '::1' })).toBe(EHOSTUNREACH);
    expect(b.ip6.stats.badscope).toBe(2);
  });

  it('to an own link-local address it comes back in on its own link', () => {
    let at = '';
    b.ip6.register(IPPROTO_UDP, {
      input: (ifp, m) => {
        at = ifp.xname;
        m.free();
      },
    });
    expect(send({ dst: 'fe80::ff:fe00:1' }, opts({ ifp: w.ifp }))).toBe(0);
    b.turn();
    expect(at).toBe('em0');
    expect(send({ dst: B })).toBe(0);
    b.turn();
    expect(at).toBe('lo0');
    expect(b.lo0.data.opackets).toBe(2);
  });

  it('routes that lead nowhere', () => {
    route('2001:db8:1::/48', null, RTF_REJECT);
    route('2001:db8:2::/48', null, RTF_BLACKHOLE);
    expect(send({ dst: '2001:db8:1::1' })).toBe(EHOSTUNREACH);
    expect(send({ dst: '2001:db8:2::1' })).toBe(0);
    expect(w.lines()).toEqual([]);
  });
});

/** The fragments on the wire, put together: payload of the datagram, and the sizes. */
function reassembled(): { sizes: number[]; data: Uint8Array; ids: Set<number> } {
  const frames = w.take();
  const sizes = frames.map((f) => f.length - 14);
  const data = new Uint8Array(66_000);
  let end = 0;
  const ids = new Set<number>();
  for (const f of frames) {
    const v = new DataView(f.buffer, f.byteOffset + 14);
    expect(v.getUint8(6)).toBe(IPPROTO_FRAGMENT);
    expect(v.getUint16(4)).toBe(f.length - 54);
    const off = v.getUint16(42) & 0xfff8;
    data.set(f.subarray(62), off);
    end = Math.max(end, off + f.length - 62);
    ids.add(v.getUint32(44));
  }
  return { sizes, data: data.subarray(0, end), ids };
}

describe('sizes', () => {
  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7) & 255);

  it('what does not fit goes in fragments, each datagram with an identification of its own', () => {
    expect(send({ payload: bytes(4_000) })).toBe(0);
    const one = reassembled();
    expect(one.sizes).toEqual([1_496, 1_496, 1_152]);
    expect(one.data).toEqual(bytes(4_000));
    expect(send({ payload: bytes(1_461) })).toBe(0);
    const two = reassembled();
    expect(two.sizes).toEqual([1_496, 61]);
    expect(one.ids.size + two.ids.size).toBe(2);
    expect([...one.ids][0]).not.toBe([...two.ids][0]! + 1);
    expect(b.ip6.stats).toMatchObject({ fragmented: 2, ofragments: 5 });
    expect(b.in6Net.ifinfo(w.ifp)!.stats.ip6).toMatchObject({ outFragok: 2, outFragcreat: 5 });
  });

  it('any size at any MTU arrives whole, in the stack of the receiver', () => {
    const far = new Ip6Bench(9);
    const fw = far.wire(`${A}/64`);
    let got: Uint8Array | null = null;
    far.ip6.register(IPPROTO_UDP, {
      input: (_ifp, m, off) => {
        got = m.bytes().slice(off);
        m.free();
      },
    });
    fc.assert(fc.property(fc.integer({ min: 1_241, max: 20_000 }), fc.integer({ min: 1_280, max: 1_500 }), (len, mtu) => {
      w.ifp.mtu = mtu;
      got = null;
      expect(send({ payload: bytes(len) })).toBe(0);
      for (const f of w.take()) fw.inject(ip6Frame(macN(1), macN(2), f.subarray(14)));
      expect(got).toEqual(bytes(len));
    }), { seed: 5, numRuns: 40 });
  });

  it('headers of the sender are in front, and repeated as far as routers read them', () => {
    const hopopts = Uint8Array.of(0, 0, 5, 2, 0, 0, 1, 0);
    const dstopts = Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0);
    expect(send({ payload: bytes(8) }, opts({ hopopts, dstopts }))).toBe(0);
    const f = w.take()[0]!.subarray(14);
    expect([f[6], f[40], f[48], f.length]).toEqual([0, IPPROTO_DSTOPTS, IPPROTO_UDP, 64]);
    expect(send({ payload: bytes(2_000) }, opts({ hopopts, dstopts }))).toBe(0);
    const frags = w.take().map((x) => x.subarray(14));
    expect(frags.map((x) => [x[6], x[40], x[48]])).toEqual([[0, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS], [0, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS]]);
  });

  it('DONTFRAG, USE_MIN_MTU, groups', () => {
    expect(send({ payload: bytes(1_461) }, opts({ dontFrag: true }))).toBe(EMSGSIZE);
    expect(send({ payload: bytes(1_460) }, opts({ dontFrag: true, minMtu: MINMTU_ALWAYS }))).toBe(0);
    expect(w.take().map((f) => f.length - 14)).toEqual([1_500]);
    expect(send({ payload: bytes(1_460) }, opts({ minMtu: MINMTU_ALWAYS }))).toBe(0);
    expect(reassembled().sizes).toEqual([1_280, 276]);
    expect(send({ dst: 'ff05::9', payload: bytes(1_460) }, opts({ mcastIfp: w.ifp }))).toBe(0);
    expect(reassembled().sizes).toEqual([1_280, 276]);
  });

  it('a super-segment goes whole when its segments fit, and in segments when the interface may not', () => {
    const tcp = (): Uint8Array => {
      const p = new Uint8Array(20 + 3_000);
      p[12] = 0x50;
      return p;
    };
    const gso = (): number => {
      const m = b.packet(ip6Bytes({ src: B, dst: A, proto: IPPROTO_TCP, payload: tcp() }));
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off + 40;
      m.csumOffset = 16;
      m.gsoType = GSO_TCPV6;
      m.gsoSize = 1_000;
      return b.ip6.output(m);
    };
    expect(gso()).toBe(0);
    expect(w.take().map((f) => f.length - 14)).toEqual([3_060]);
    w.ifp.capabilities |= 0x200;
    expect(gso()).toBe(0);
    expect(w.take().map((f) => f.length - 14)).toEqual([1_060, 1_060, 1_060]);
  });

  it('flow labels: the same for a flow, others for others, none when switched off', () => {
    const label = (port: number): number => {
      expect(send({ src: B, payload: Uint8Array.of(0, port, 0, 7, 0, 8, 0, 0) })).toBe(0);
      return new DataView(w.take()[0]!.buffer, 14).getUint32(0) & 0xfffff;
    };
    const first = label(1);
    expect(first).not.toBe(0);
    expect([label(1), label(2) === first]).toEqual([first, false]);
    b.sysctl('net.inet6.ip6.auto_flowlabel', 0);
    expect(label(1)).toBe(0);
  });
});

describe('path MTU discovery (RFC 8201)', () => {
  const tooBig = (mtu: number, more: Partial<Ip6Spec> = {}): void => {
    const quote = ip6Bytes({ src: B, dst: FAR, payload: new Uint8Array(1_460), ...more });
    w.inject(ip6Frame(macN(1), macN(0xa), icmp6Packet(A, B, 2, 0, mtu, quote.subarray(0, 1_200), 64)));
  };
  const bytes = new Uint8Array(1_460);

  it('holds for packets of every FIB: the message does not say of which it was', () => {
    b.sysctl('net.fibs', 2);
    w.ifp.fib = 1;
    tooBig(1_400);
    w.ifp.fib = 0;
    expect(b.ip6.pmtu.list().map((p) => p.mtu)).toEqual([1_400]);
  });

  it('is honoured for this destination, for an hour', () => {
    tooBig(1_400);
    expect(b.ip6.pmtu.list()).toEqual([{ dst: addr6(FAR), mtu: 1_400, expire: 3_600 }]);
    expect(send({ dst: FAR, payload: bytes })).toBe(0);
    expect(reassembled().sizes).toEqual([1_400, 156]);
    expect(send({ payload: bytes })).toBe(0);
    expect(w.take()).toHaveLength(1);
    tooBig(1_300);
    tooBig(1_350);
    expect(b.ip6.pmtu.list()[0]!.mtu).toBe(1_300);
    expect(b.icmp6.stats).toMatchObject({ pmtuchg: 2, pmtubad: 0 });
    b.turn(3_600 * 1e6);
    expect(b.ip6.pmtu.count).toBe(0);
    expect(send({ dst: FAR, payload: bytes })).toBe(0);
    expect(w.take()).toHaveLength(1);
  });

  it.each<[string, number, Partial<Ip6Spec>, number]>([
    ['below 1280', 1_279, {}, 1], ['not smaller than the packet', 1_500, {}, 1], ['about a packet that is not ours', 1_300, { src: '2001:db8::c' }, 1],
    ['not smaller than the link, about a larger packet', 1_600, { payload: new Uint8Array(2_000) }, 0],
  ])('%s: ignored', (_name, mtu, more, bad) => {
    tooBig(mtu, more);
    expect(b.ip6.pmtu.count).toBe(0);
    expect(b.icmp6.stats.pmtubad).toBe(bad);
  });

  it('no more paths than the limit are remembered', () => {
    b.sysctl('net.inet6.ip6.pmtu_limit', 2);
    for (const n of [1, 2, 3]) tooBig(1_300 + n, { dst: `2001:db8:ffff::${n}` });
    expect(b.ip6.pmtu.list().map((p) => p.mtu)).toEqual([1_302, 1_303]);
    expect(b.ip6.pmtu.evicted).toBe(1);
  });
});
