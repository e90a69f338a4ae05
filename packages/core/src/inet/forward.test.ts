/**
 * forward.test.ts — fwd/forward.ts over real tables: each verdict once, and random headers against the routing tables' own words.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FWD_DROP_BLACKHOLE, FWD_DROP_HEADER, FWD_PUNT_BROADCAST, FWD_PUNT_LOCAL, FWD_PUNT_NOROUTE, FWD_PUNT_OPTIONS, FWD_PUNT_REJECT, FWD_PUNT_SAMEIF,
  FWD_PUNT_SPECIAL, FWD_PUNT_TOOBIG, FWD_PUNT_TTL, forward4, fwdIsDrop, fwdIsPunt, verdict4,
} from '../fwd/forward.js';
import type { Ifnet } from '../net/ifnet.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_REJECT } from '../net/route/nexthop.js';
import { IP4_BAD_SHORT, IP4_BAD_SUM, IP4_BAD_TRUNC, IP_DF, IP_MF, ip4Emit } from '../wire/ip4.js';
import { InetBench, ip } from './test-inet.js';

interface Header {
  readonly src?: string | number;
  readonly dst: string | number;
  readonly ttl?: number;
  readonly len?: number;
  readonly hl?: number;
  readonly flags?: number;
}

const num = (addr: string | number): number => (typeof addr === 'number' ? addr : ip(addr));

function header(h: Header): DataView {
  const view = new DataView(new ArrayBuffer(Math.max(h.len ?? 84, 60)));
  const hl = h.hl ?? 20;
  for (let i = 20; i < hl; i++) view.setUint8(i, 1);
  ip4Emit(view, 0, hl, 0, h.len ?? 84, 1, h.flags ?? 0, h.ttl ?? 64, 17, num(h.src ?? '192.0.2.77'), num(h.dst));
  return view;
}

/** A router: em0 192.0.2.1/24, em1 198.51.100.1/24, a default route, a blackhole, a reject, a multipath and a broadcast host route. */
function router(): { b: InetBench; em0: Ifnet; em1: Ifnet } {
  const b = new InetBench();
  const em0 = b.ether();
  const em1 = b.ether();
  b.addr(b.lo0, '127.0.0.1/8');
  b.addr(em0, '192.0.2.1/24');
  b.addr(em1, '198.51.100.1/24');
  b.route('add', '8.0.0.0/8', '198.51.100.254');
  b.route('add', '9.0.0.0/8', '198.51.100.254', { mtu: 576 });
  b.route('add', '10.0.0.0/8', null, { flags: RTF_BLACKHOLE });
  b.route('add', '11.0.0.0/8', null, { flags: RTF_REJECT });
  b.route('add', '12.0.0.0/8', '198.51.100.253');
  b.route('add', '12.0.0.0/8', '198.51.100.252');
  return { b, em0, em1 };
}

describe('forward4', () => {
  const { b, em0, em1 } = router();
  const fwd = b.routes.fwd4(0);
  const run = (h: Header, rcvIf = em0.index, flowid = 0): number => {
    const view = header(h);
    return forward4(fwd, view, 0, view.byteLength, rcvIf, flowid);
  };

  it.each<[string, Header, number]>([
    ['options', { dst: '8.8.8.8', hl: 24 }, FWD_PUNT_OPTIONS],
    ['multicast', { dst: '224.0.0.9' }, FWD_PUNT_SPECIAL],
    ['limited broadcast', { dst: '255.255.255.255' }, FWD_PUNT_SPECIAL],
    ['class E', { dst: '240.0.0.1' }, FWD_PUNT_SPECIAL],
    ['loopback', { dst: '127.0.0.1' }, FWD_PUNT_SPECIAL],
    ['link-local', { dst: '169.254.7.7' }, FWD_PUNT_SPECIAL],
    ['this network', { dst: '0.0.0.9' }, FWD_PUNT_SPECIAL],
    ['a source of a special kind', { src: '127.0.0.1', dst: '8.8.8.8' }, FWD_PUNT_SPECIAL],
    ['a multicast source', { src: '224.0.0.1', dst: '8.8.8.8' }, FWD_PUNT_SPECIAL],
    ['an own address', { dst: '192.0.2.1' }, FWD_PUNT_LOCAL],
    ['an own address of another interface', { dst: '198.51.100.1' }, FWD_PUNT_LOCAL],
    ['a directed broadcast here', { dst: '192.0.2.255' }, FWD_PUNT_LOCAL],
    ['a directed broadcast of another network of ours', { dst: '198.51.100.255' }, FWD_PUNT_LOCAL],
    ['a network number', { dst: '198.51.100.0' }, FWD_PUNT_LOCAL],
    ['TTL 1', { dst: '8.8.8.8', ttl: 1 }, FWD_PUNT_TTL],
    ['TTL 0', { dst: '8.8.8.8', ttl: 0 }, FWD_PUNT_TTL],
    ['no route', { dst: '7.7.7.7' }, FWD_PUNT_NOROUTE],
    ['reject', { dst: '11.1.1.1' }, FWD_PUNT_REJECT],
    ['back the way it came', { dst: '192.0.2.9' }, FWD_PUNT_SAMEIF],
    ['larger than the route\'s MTU', { dst: '9.9.9.9', len: 577 }, FWD_PUNT_TOOBIG],
    ['larger than the interface\'s MTU', { dst: '8.8.8.8', len: 1501, flags: IP_DF }, FWD_PUNT_TOOBIG],
    ['blackhole', { dst: '10.1.1.1' }, FWD_DROP_BLACKHOLE],
  ])('%s', (_what, h, verdict) => {
    expect(run(h)).toBe(verdict);
    expect([fwdIsPunt(verdict), fwdIsDrop(verdict)]).toEqual(verdict === FWD_DROP_BLACKHOLE ? [false, true] : [true, false]);
  });

  it('a broadcast host route', () => {
    b.route('add', '198.51.100.255/32', null, { ifp: em1 });
    const nh = b.routes.lookup4(0, ip('198.51.100.255'), 0);
    expect((nh?.flags ?? 0) & RTF_BROADCAST).not.toBe(0);
    b.routes.own.delete(ip('198.51.100.255'));
    expect(run({ dst: '198.51.100.255' })).toBe(FWD_PUNT_BROADCAST);
    b.routes.own.add(ip('198.51.100.255'));
    b.route('delete', '198.51.100.255/32', null);
  });

  it('bad headers are dropped with ip4Check\'s reason', () => {
    const view = header({ dst: '8.8.8.8' });
    expect(forward4(fwd, view, 0, 19, em0.index, 0)).toBe(FWD_DROP_HEADER - IP4_BAD_SHORT);
    expect(forward4(fwd, view, 0, 83, em0.index, 0)).toBe(FWD_DROP_HEADER - IP4_BAD_TRUNC);
    view.setUint8(8, 63);
    expect(forward4(fwd, view, 0, 84, em0.index, 0)).toBe(FWD_DROP_HEADER - IP4_BAD_SUM);
    expect(forward4(fwd, view, 0, 84, em0.index, 0, true)).toBeGreaterThan(0);
    expect(fwdIsDrop(FWD_DROP_HEADER - IP4_BAD_SHORT)).toBe(true);
  });

  it('forwards what is left: the next hop\'s index, fragments included, at any offset', () => {
    for (const h of [{ dst: '8.8.8.8' }, { dst: '9.9.9.9', len: 576 }, { dst: '198.51.100.9' }, { dst: '8.8.8.8', flags: IP_MF }, { dst: '8.8.8.8', ttl: 2, flags: 100 }]) {
      expect(run(h)).toBe(b.routes.lookup4(0, num(h.dst), 0)?.idx);
    }
    const view = header({ dst: '8.8.8.8' });
    const moved = new DataView(new ArrayBuffer(200));
    for (let i = 0; i < 84; i++) moved.setUint8(i + 33, view.getUint8(i));
    expect(forward4(fwd, moved, 33, 84, em0.index, 0)).toBe(run({ dst: '8.8.8.8' }));
  });

  it('flows divide over a multipath route', () => {
    expect(new Set([0, 1, 2, 3].map((flow) => run({ dst: '12.0.0.1' }, em0.index, flow))).size).toBe(2);
  });
});

describe('verdict4 against the routing tables', () => {
  const { b, em0, em1 } = router();
  b.routes.setFibs(2);
  em1.fib = 1;
  b.addr(em1, '203.0.113.1/26');
  b.route('add', '0.0.0.0/0', '203.0.113.2', { fib: 1 });

  /** What the complete path would do, in its own words. */
  const model = (fib: number, src: number, dst: number, ttl: number, len: number, rcv: Ifnet, flow: number): number => {
    if (!b.inNet.canForward(src) || !b.inNet.canForward(dst)) return FWD_PUNT_SPECIAL;
    const ours = b.inNet.addrs.some((ia) => ia.addr === dst || (ia.plen < 32 && ia.broadcast === dst) || (ia.plen < 31 && ia.broadcast !== null && ia.subnet === dst));
    if (ours) return FWD_PUNT_LOCAL;
    if (ttl <= 1) return FWD_PUNT_TTL;
    const nh = b.routes.lookup4(fib, dst, flow);
    if (nh === null) return FWD_PUNT_NOROUTE;
    if ((nh.flags & RTF_BLACKHOLE) !== 0) return FWD_DROP_BLACKHOLE;
    if ((nh.flags & RTF_REJECT) !== 0) return FWD_PUNT_REJECT;
    if ((nh.ifp.flags & IFF_LOOPBACK) !== 0) return FWD_PUNT_LOCAL;
    if (nh.ifp === rcv) return FWD_PUNT_SAMEIF;
    return len > nh.pathMtu ? FWD_PUNT_TOOBIG : nh.idx;
  };

  const addrArb = fc.oneof(
    fc.constantFrom(
      '192.0.2.1', '192.0.2.255', '192.0.2.0', '192.0.2.9', '198.51.100.1', '198.51.100.77', '203.0.113.1', '203.0.113.63', '203.0.113.64', '8.8.8.8', '9.1.1.1', '10.1.1.1',
      '11.1.1.1', '12.1.1.1', '224.0.0.1', '255.255.255.255', '0.0.0.0', '127.0.0.1', '169.254.0.1', '240.1.1.1',
    ).map(ip),
    fc.nat(0xffffffff),
  );

  it('says the same for any header, FIB, interface and flow', () => {
    fc.assert(
      fc.property(
        fc.nat(1), addrArb, addrArb, fc.constantFrom(0, 1, 2, 64, 255), fc.constantFrom(20, 576, 577, 1500, 1501, 65_535), fc.boolean(), fc.nat(0xffffffff),
        (fib, src, dst, ttl, len, first, flow) => {
          const rcv = first ? em0 : em1;
          const verdict = verdict4(b.routes.fwd4(fib), header({ src, dst, ttl, len }), 0, rcv.index, flow);
          expect(verdict).toBe(model(fib, src, dst, ttl, len, rcv, flow));
        },
      ),
      { numRuns: 3000 },
    );
  });
});
