/**
 * forward6.test.ts — fwd/forward6.ts over real tables: each verdict once, and random headers against the routing tables' own words.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FWD_DROP_BLACKHOLE, FWD_DROP_HEADER, FWD_PUNT_LOCAL, FWD_PUNT_NOROUTE, FWD_PUNT_OPTIONS, FWD_PUNT_REJECT, FWD_PUNT_SAMEIF, FWD_PUNT_SPECIAL, FWD_PUNT_TOOBIG, FWD_PUNT_TTL,
  fwdIsDrop, fwdIsPunt,
} from '../../fwd/forward.js';
import { forward6, verdict6 } from '../../fwd/forward6.js';
import { InetBench } from '../../inet/test-inet.js';
import { IP6_BAD_SHORT, IP6_BAD_TRUNC, IP6_BAD_VERSION, IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC } from '../../wire/ip6.js';
import { ip6Format, ip6IsLinkLocal, ip6IsMulticast, ip6Parse } from '../../wire/addr6.js';
import type { Ifnet } from '../ifnet.js';
import { IFF_LOOPBACK } from '../ifnet.js';
import { RTF_BLACKHOLE, RTF_REJECT } from './nexthop.js';

interface Header {
  readonly src?: string;
  readonly dst: string;
  readonly hlim?: number;
  readonly len?: number;
  readonly nxt?: number;
}

function header(h: Header): DataView {
  const len = h.len ?? 104;
  const view = new DataView(new ArrayBuffer(Math.max(len, IP6_HDR_LEN)));
  view.setUint8(0, 0x60);
  view.setUint16(IP6_PLEN, len - IP6_HDR_LEN);
  view.setUint8(IP6_NXT, h.nxt ?? 17);
  view.setUint8(IP6_HLIM, h.hlim ?? 64);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(ip6Parse(h.src ?? '2001:db8:1::77')!, IP6_SRC);
  bytes.set(ip6Parse(h.dst)!, IP6_DST);
  return view;
}

/** A router: em0 2001:db8:1::1/64, em1 2001:db8:2::1/64, both fe80::1, some routes, a blackhole, a reject and a multipath. */
function router(): { b: InetBench; em0: Ifnet; em1: Ifnet } {
  const b = new InetBench();
  const em0 = b.ether();
  const em1 = b.ether();
  b.addr6(b.lo0, '::1', 128);
  for (const [i, ifp] of [em0, em1].entries()) {
    b.addr6(ifp, 'fe80::1', 64);
    b.addr6(ifp, `2001:db8:${i + 1}::1`, 64);
  }
  b.route6('add', '2001:db8:8::/48', 'fe80::99%em1');
  b.route6('add', '2001:db8:9::/48', '2001:db8:2::99', { mtu: 1280 });
  b.route6('add', '2001:db8:a::/48', null, { flags: RTF_BLACKHOLE });
  b.route6('add', '2001:db8:b::/48', null, { flags: RTF_REJECT });
  b.route6('add', '2001:db8:c::/48', '2001:db8:2::53');
  b.route6('add', '2001:db8:c::/48', '2001:db8:2::52');
  return { b, em0, em1 };
}

describe('forward6', () => {
  const { b, em0 } = router();
  const fwd = b.routes.fwd6(0);
  const run = (h: Header, rcvIf = em0.index, flowid = 0): number => {
    const view = header(h);
    return forward6(fwd, view, 0, view.byteLength, rcvIf, flowid);
  };

  it.each<[string, Header, number]>([
    ['hop-by-hop options', { dst: '2001:db8:8::8', nxt: 0 }, FWD_PUNT_OPTIONS],
    ['multicast', { dst: 'ff0e::1' }, FWD_PUNT_SPECIAL],
    ['link-local', { dst: 'fe80::99' }, FWD_PUNT_SPECIAL],
    ['link-local, with its other bits', { dst: 'febf::99' }, FWD_PUNT_SPECIAL],
    ['loopback', { dst: '::1' }, FWD_PUNT_SPECIAL],
    ['unspecified', { dst: '::' }, FWD_PUNT_SPECIAL],
    ['v4-mapped', { dst: '::ffff:8.8.8.8' }, FWD_PUNT_SPECIAL],
    ['a link-local source', { src: 'fe80::77', dst: '2001:db8:8::8' }, FWD_PUNT_SPECIAL],
    ['no source', { src: '::', dst: '2001:db8:8::8' }, FWD_PUNT_SPECIAL],
    ['a loopback source', { src: '::1', dst: '2001:db8:8::8' }, FWD_PUNT_SPECIAL],
    ['a v4-mapped source', { src: '::ffff:8.8.8.8', dst: '2001:db8:8::8' }, FWD_PUNT_SPECIAL],
    ['a multicast source', { src: 'ff02::1', dst: '2001:db8:8::8' }, FWD_PUNT_SPECIAL],
    ['an own address', { dst: '2001:db8:1::1' }, FWD_PUNT_LOCAL],
    ['an own address of another interface', { dst: '2001:db8:2::1' }, FWD_PUNT_LOCAL],
    ['hop limit 1', { dst: '2001:db8:8::8', hlim: 1 }, FWD_PUNT_TTL],
    ['hop limit 0', { dst: '2001:db8:8::8', hlim: 0 }, FWD_PUNT_TTL],
    ['no route', { dst: '2001:db8:7::7' }, FWD_PUNT_NOROUTE],
    ['reject', { dst: '2001:db8:b::1' }, FWD_PUNT_REJECT],
    ['back the way it came', { dst: '2001:db8:1::9' }, FWD_PUNT_SAMEIF],
    ['larger than the route\'s MTU', { dst: '2001:db8:9::9', len: 1281 }, FWD_PUNT_TOOBIG],
    ['larger than the interface\'s MTU', { dst: '2001:db8:8::8', len: 1501 }, FWD_PUNT_TOOBIG],
    ['blackhole', { dst: '2001:db8:a::1' }, FWD_DROP_BLACKHOLE],
  ])('%s', (_what, h, verdict) => {
    expect(run(h)).toBe(verdict);
    expect([fwdIsPunt(verdict), fwdIsDrop(verdict)]).toEqual(verdict === FWD_DROP_BLACKHOLE ? [false, true] : [true, false]);
  });

  it('what a route to an own address says when the set of own addresses does not know it', () => {
    b.routes.own6.delete(0x20010db8, 0x00020000, 0, 1);
    expect(run({ dst: '2001:db8:2::1' })).toBe(FWD_PUNT_LOCAL);
    b.routes.own6.add(0x20010db8, 0x00020000, 0, 1);
  });

  it('bad headers are dropped with ip6Check\'s reason', () => {
    const view = header({ dst: '2001:db8:8::8' });
    expect(forward6(fwd, view, 0, 39, em0.index, 0)).toBe(FWD_DROP_HEADER - IP6_BAD_SHORT);
    expect(forward6(fwd, view, 0, 103, em0.index, 0)).toBe(FWD_DROP_HEADER - IP6_BAD_TRUNC);
    view.setUint8(0, 0x45);
    expect(forward6(fwd, view, 0, 104, em0.index, 0)).toBe(FWD_DROP_HEADER - IP6_BAD_VERSION);
  });

  it('forwards what is left: the next hop\'s index; fragments, routing and destination headers included, at any offset', () => {
    for (const h of [{ dst: '2001:db8:8::8' }, { dst: '2001:db8:9::9', len: 1280 }, { dst: '2001:db8:2::9' }, { dst: '2001:db8:8::8', nxt: 44 }, { dst: '2001:db8:8::8', nxt: 43, hlim: 2 }]) {
      expect(run(h)).toBe(b.lookup6(h.dst)?.idx);
    }
    const view = header({ dst: '2001:db8:8::8' });
    const moved = new DataView(new ArrayBuffer(200));
    new Uint8Array(moved.buffer).set(new Uint8Array(view.buffer), 33);
    expect(forward6(fwd, moved, 33, 104, em0.index, 0)).toBe(run({ dst: '2001:db8:8::8' }));
  });

  it('flows divide over a multipath route', () => {
    expect(new Set([0, 1, 2, 3].map((flow) => run({ dst: '2001:db8:c::1' }, em0.index, flow))).size).toBe(2);
  });
});

describe('verdict6 against the routing tables', () => {
  const { b, em0, em1 } = router();
  b.routes.setFibs(2);
  em1.fib = 1;
  b.addr6(em1, '2001:db8:3::1', 64);
  b.route6('add', '::/0', '2001:db8:3::2', { fib: 1 });
  const own = [em0, em1, b.lo0].flatMap((ifp) => ifp.addrs).map((ifa) => ip6Format((ifa as { addr?: Uint8Array }).addr ?? new Uint8Array(16)));

  /** Addresses no router forwards: RFC 4291 §2.5.2, §2.5.3, §2.5.5, §2.5.6 and §2.7. */
  const special = (text: string): boolean => {
    const a = ip6Parse(text)!;
    return ip6IsMulticast(a) || ip6IsLinkLocal(a) || a.subarray(0, 8).every((x) => x === 0);
  };

  const model = (fib: number, src: string, dst: string, hlim: number, len: number, rcv: Ifnet, flow: number): number => {
    if (special(src) || special(dst)) return FWD_PUNT_SPECIAL;
    if (own.includes(dst)) return FWD_PUNT_LOCAL;
    if (hlim <= 1) return FWD_PUNT_TTL;
    const nh = b.lookup6(dst, flow, fib);
    if (nh === null) return FWD_PUNT_NOROUTE;
    if ((nh.flags & RTF_BLACKHOLE) !== 0) return FWD_DROP_BLACKHOLE;
    if ((nh.flags & RTF_REJECT) !== 0) return FWD_PUNT_REJECT;
    if ((nh.ifp.flags & IFF_LOOPBACK) !== 0) return FWD_PUNT_LOCAL;
    if (nh.ifp === rcv) return FWD_PUNT_SAMEIF;
    return len > nh.pathMtu ? FWD_PUNT_TOOBIG : nh.idx;
  };

  const addrArb = fc.oneof(
    fc.constantFrom(
      '2001:db8:1::1', '2001:db8:1::9', '2001:db8:2::1', '2001:db8:2::9', '2001:db8:3::1', '2001:db8:8::', '2001:db8:8:ffff::1', '2001:db8:9::1', '2001:db8:a::1', '2001:db8:b::1',
      '2001:db8:c::1', 'fe80::1', 'fe80:2::1', 'ff02::1', '::', '::1', '::2', '::ffff:192.0.2.1', '64:ff9b::1', 'fec0::1', 'fd00::1',
    ),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((a) => ip6Format(a)),
  );

  it('says the same for any header, FIB, interface and flow', () => {
    fc.assert(
      fc.property(
        fc.nat(1), addrArb, addrArb, fc.constantFrom(0, 1, 2, 64, 255), fc.constantFrom(40, 1280, 1281, 1500, 1501, 65_535), fc.boolean(), fc.nat(0xffffffff),
        (fib, src, dst, hlim, len, first, flow) => {
          const rcv = first ? em0 : em1;
          expect(verdict6(b.routes.fwd6(fib), header({ src, dst, hlim, len }), 0, rcv.index, flow)).toBe(model(fib, src, dst, hlim, len, rcv, flow));
        },
      ),
      { numRuns: 3000 },
    );
  });
});
