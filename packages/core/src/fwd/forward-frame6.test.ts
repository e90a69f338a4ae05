/**
 * forward-frame6.test.ts — IPv6 packets through the short path of a small router, with tables made by hand.
 * Read first: forward-frame.test.ts.
 *
 *     ports 1 to 3, interfaces of the same numbers: fd00:N::/64, hosts are fd00:N::2 and on     fd01::/32 behind fd00:2::9, but for own addresses in it
 *     fd02::/32 a blackhole     special addresses as if they were behind fd00:2::9, too
 */
import { expect, test } from 'vitest';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import { IP6_DST, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV6, VIRTIO_NET_GSO_UDP_L4, VIRTIO_NET_HDR_LEN } from '../wire/virtio-net.js';
import { AddrSet } from './addr-set.js';
import { AddrSet6 } from './addr-set6.js';
import { Fib4, fib4Shape } from './fib4.js';
import { Fib6, fib6Shape } from './fib6.js';
import { flowOf6 } from './flow-of.js';
import { forwardFrame } from './forward-frame.js';
import { FC_BLACKHOLE6, FC_FORWARD6, FC_IBYTES, FC_IPACKETS, FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT, fwdCountAt, fwdCounters } from './fwd-counters.js';
import { FWD_IF_FWD4, FWD_IF_FWD6, FWD_IF_IN, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_VNET_HDR, FwdAdjacencies, FwdIfs } from './fwd-if.js';
import { FwdMap } from './fwd-map.js';
import type { FwdMessage, FwdSetTables } from './fwd-tables.js';
import { FWD_NEIGH6, fwdMapMessage, fwdMemory, fwdViewOf } from './fwd-tables.js';
import { fwdReason } from './fwd-verdict.js';
import { NHOP_BLACKHOLE, NHOP_GATEWAY, NHOP_GROUP, NHOP_REJECT, NHOP_VALID, NhopTable } from './nhop-table.js';

type Ip6Words = readonly [number, number, number, number];

const OUR_HI = 0x0200;
const HOST_HI = 0x0a00;
const ROUTED = FWD_IF_IN | FWD_IF_OUT | FWD_IF_FWD6;
const WITH_HEADER = ROUTED | FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
const ROOM = 64;
const SET = 63;
const GATEWAY = 9;
const HOSTS = 40;

/** fd00:N::H */
const net6 = (n: number, host: number): Ip6Words => [(0xfd000000 | n) | 0, 0, 0, host];

/** fd01:0:0:N::H */
const far = (n: number, host: number): Ip6Words => [0xfd010000 | 0, n, 0, host];

function bench(flagsOf: Partial<Record<number, number>> = {}) {
  const ifs = new FwdIfs();
  const adjacencies = new FwdAdjacencies();
  const maps = [new FwdMap(3, 1), new FwdMap(5, 2), new FwdMap(3, 3), new FwdMap(3, 4)] as const;
  const hops = new NhopTable(true);
  const fib = new Fib6(fib6Shape(8, null), true);
  const own = new AddrSet6(true);
  for (const n of [1, 2, 3]) {
    ifs.publish(n, [flagsOf[n] ?? ROUTED, n, n, OUR_HI, n, 0, 0, 0, 0, n]);
    ifs.ofPort[n] = n;
    hops.setHop(n, NHOP_VALID, n, 1500, 0);
    fib.insert(...net6(n, 0), 64, n);
    for (let host = 2; host < HOSTS; host++) maps[FWD_NEIGH6].set(adjacencies.add(HOST_HI, (n << 8) | host), n, ...net6(n, host));
    // As many as make addresses share a place.
    for (let host = 0; host < HOSTS; host++) own.add(...far(n, 0x1000 + host));
  }
  hops.setHop(4, NHOP_VALID | NHOP_GATEWAY, 2, 1400, ...net6(2, GATEWAY));
  hops.setHop(5, NHOP_VALID | NHOP_GATEWAY | NHOP_BLACKHOLE, 2, 1500, ...net6(2, GATEWAY));
  hops.setHop(6, NHOP_VALID | NHOP_GATEWAY | NHOP_REJECT, 2, 1500, ...net6(2, GATEWAY));
  for (const [n, hop] of [[1, 4], [2, 5], [3, 6]] as const) fib.insert((0xfd000000 | (n << 16)) | 0, 0, 0, 0, 32, hop);
  for (const [w0, plen] of [[0xfe800000 | 0, 10], [0xff000000 | 0, 8], [0, 64]] as const) fib.insert(w0, 0, 0, 0, plen, 4);
  const counters = fwdCounters();
  const fib4 = new Fib4(fib4Shape(0, null), true);
  const tables: FwdSetTables = {
    fib4: fib4.t, shape4: fib4, fib6: fib.t, shape6: fib, hops: hops.hops, groups: hops.groups, members: hops.members, own4: new AddrSet(true).words, own6: own.words,
    flowSalt: 1, multipath: false, cell: SET << FWD_CELL_SHIFT,
  };
  const messages: FwdMessage[] = [...maps.map((m, i) => fwdMapMessage(i, m)), { kind: 'set', set: 0, tables }];
  const view = fwdViewOf(fwdMemory(ifs, adjacencies, new Int32Array(1), counters), messages);
  return { view, hops, fib, tables, count: (index: number, at: number) => counters[(index << FWD_CELL_SHIFT) + at] };
}

interface FrameOptions {
  readonly src?: Ip6Words;
  readonly hlim?: number;
  readonly nxt?: number;
  readonly payload?: number;
  readonly pad?: number;
  readonly hdr?: readonly number[];
}

/** A frame for interface 1's link address, in a buffer with room before it; a virtio-net header when wanted. Its payload begins like a TCP segment's. */
function frame(dst: Ip6Words, { src = net6(1, 2), hlim = 64, nxt = IPPROTO_UDP, payload = 24, pad = 0, hdr }: FrameOptions = {}) {
  const ip = ROOM + (hdr === undefined ? 0 : VIRTIO_NET_HDR_LEN) + 14;
  const bytes = new Uint8Array(ip + 40 + payload + pad);
  const view = new DataView(bytes.buffer);
  bytes.set(hdr ?? [], ROOM);
  view.setUint16(ip - 14, OUR_HI);
  view.setUint32(ip - 12, 1);
  view.setUint16(ip - 8, HOST_HI);
  view.setUint32(ip - 6, 0x0102);
  view.setUint16(ip - 2, ETHERTYPE_IPV6);
  ip6Emit(view, ip, 0, 0, payload, nxt, hlim);
  src.forEach((word, i) => view.setInt32(ip + IP6_SRC + 4 * i, word));
  dst.forEach((word, i) => view.setInt32(ip + IP6_DST + 4 * i, word));
  if (payload > 12) view.setUint8(ip + 40 + 12, 0x50);
  return { bytes, view, ip, at: ROOM, len: bytes.length - ROOM };
}

const hex = (b: Uint8Array, from: number, n: number): string => Buffer.from(b.subarray(from, from + n)).toString('hex');

test('a packet leaves with a new link header, one hop less and without its padding, to a neighbour or a gateway', () => {
  const { view, count } = bench();
  const near = frame(net6(2, 3), { pad: 10 });
  expect(forwardFrame(view, 1, near.view, near.at, near.len)).toBe(2);
  expect([view.at, view.len, hex(near.bytes, ROOM, 14)]).toEqual([ROOM, 14 + 64, '0a0000000203' + '020000000002' + '86dd']);
  expect(hex(near.bytes, near.ip, 8)).toBe('60000000' + '0018' + '11' + '3f');
  expect([count(1, FC_IPACKETS), count(1, FC_IBYTES), count(2, FC_OPACKETS), count(2, FC_OBYTES), count(SET, FC_FORWARD6)]).toEqual([1, 88, 1, 78, 1]);
  const on = frame(far(7, 1));
  expect(forwardFrame(view, 1, on.view, on.at, on.len)).toBe(2);
  expect(hex(on.bytes, ROOM, 6)).toBe('0a0000000209');
});

test('every neighbour is found, and every own address, when they share places of the tables', () => {
  const { view } = bench();
  for (let host = 0; host < HOSTS; host++) {
    const [own, other] = [frame(far(3, 0x1000 + host)), frame(far(4, 0x1000 + host))];
    expect(fwdReason(forwardFrame(view, 1, own.view, own.at, own.len))).toBe('local');
    expect(forwardFrame(view, 1, other.view, other.at, other.len)).toBe(2);
    const f = frame(net6(3, 2 + host));
    const verdict = forwardFrame(view, 1, f.view, f.at, f.len);
    if (2 + host < HOSTS) expect([verdict, hex(f.bytes, ROOM, 6)]).toEqual([3, `0a00000003${(2 + host).toString(16).padStart(2, '0')}`]);
    else expect(fwdReason(verdict)).toBe('noneigh');
  }
});

test.each([
  ['destination options', IPPROTO_DSTOPTS], ['a routing header', IPPROTO_ROUTING], ['a fragment', IPPROTO_FRAGMENT],
])('%s is for the receiver, and forwarded', (_, nxt) => {
  const { view } = bench();
  const f = frame(net6(2, 3), { nxt });
  expect(forwardFrame(view, 1, f.view, f.at, f.len)).toBe(2);
});

test.each([
  ['options', frame(net6(2, 3), { nxt: IPPROTO_HOPOPTS })],
  ['ttl', frame(net6(2, 3), { hlim: 1 })],
  ['ttl', frame(net6(2, 3), { hlim: 0 })],
  ['local', frame(far(1, 0x1000))],
  ['special', frame([0xfe800000 | 0, 0, 0, 2])],
  ['special', frame([0xff0e0000 | 0, 0, 0, 2])],
  ['special', frame([0, 0, 0, 1])],
  ['special', frame(net6(2, 3), { src: [0, 0, 0xffff, 0x0a000001] })],
  ['special', frame(net6(2, 3), { src: [0xfe800000 | 0, 0, 0, 2] })],
  ['noroute', frame(net6(9, 3))],
  ['reject', frame([0xfd030000 | 0, 0, 0, 1])],
  ['sameif', frame(net6(1, 3))],
  ['toobig', frame(net6(2, 3), { payload: 1461 })],
  ['toobig', frame(far(0, 1), { payload: 1361 })],
  ['noneigh', frame(net6(2, 200))],
] as const)('%s: punted as it came, and counted', (reason, f) => {
  const { view, count } = bench();
  const before = hex(f.bytes, 0, f.bytes.length);
  const verdict = forwardFrame(view, 1, f.view, f.at, f.len);
  expect([fwdReason(verdict), hex(f.bytes, 0, f.bytes.length)]).toEqual([reason, before]);
  expect([count(1, fwdCountAt(verdict)), count(1, FC_IPACKETS), count(SET, FC_FORWARD6)]).toEqual([1, 0, 0]);
});

test('what just fits the next link passes', () => {
  const { view } = bench();
  const [near, on] = [frame(net6(2, 3), { payload: 1460 }), frame(far(0, 1), { payload: 1360 })];
  expect([forwardFrame(view, 1, near.view, near.at, near.len), forwardFrame(view, 1, on.view, on.at, on.len)]).toEqual([2, 2]);
});

test.each([
  ['of another version', (v: DataView, ip: number) => v.setUint8(ip, 0x40)],
  ['longer than its frame', (v: DataView, ip: number) => v.setUint16(ip + IP6_PLEN, 25)],
])('a packet %s is left to others', (_, spoil) => {
  const { view } = bench();
  const f = frame(net6(2, 3));
  spoil(f.view, f.ip);
  expect(fwdReason(forwardFrame(view, 1, f.view, f.at, f.len))).toBe('header');
});

test('what is to another link address, or comes to no router, is left to others; what ends at a blackhole is counted', () => {
  const { view, count } = bench({ 3: ROUTED & ~FWD_IF_FWD6 | FWD_IF_FWD4 });
  const other = frame(net6(2, 3));
  other.view.setUint32(ROOM + 2, 77);
  expect(fwdReason(forwardFrame(view, 1, other.view, other.at, other.len))).toBe('promisc');
  const closed = frame(net6(2, 3));
  closed.view.setUint32(ROOM + 2, 3);
  expect(fwdReason(forwardFrame(view, 3, closed.view, closed.at, closed.len))).toBe('host');
  const lost = frame([0xfd020000 | 0, 0, 0, 1]);
  expect(fwdReason(forwardFrame(view, 1, lost.view, lost.at, lost.len))).toBe('blackhole');
  expect([count(SET, FC_BLACKHOLE6), count(1, FC_IPACKETS)]).toEqual([1, 1]);
});

test('of several next hops a packet takes the one of its flow', () => {
  const { view, hops, fib, tables, count } = bench();
  hops.setHop(20, NHOP_VALID | NHOP_GATEWAY, 2, 1500, ...net6(2, 7));
  hops.setHop(21, NHOP_VALID | NHOP_GATEWAY, 3, 1500, ...net6(3, 7));
  hops.setGroup(1, [20, 21]);
  fib.insert(0x20010db8, 0, 0, 0, 32, NHOP_GROUP + 1);
  view.apply({ kind: 'set', set: 0, tables: { ...tables, fib6: fib.t, hops: hops.hops, groups: hops.groups, members: hops.members, multipath: true } });
  for (let host = 0; host < 32; host++) {
    const f = frame([0x20010db8, 0, 0, host]);
    const hop = hops.select(NHOP_GROUP + 1, flowOf6(f.view, f.ip, 64, 1));
    expect(forwardFrame(view, 1, f.view, f.at, f.len)).toBe(hop === 20 ? 2 : 3);
  }
  expect(count(3, FC_OPACKETS)).toBeGreaterThan(0);
  expect(count(3, FC_OPACKETS)).toBeLessThan(32);
});

test('a virtio-net header that leaves nothing undone is made, cleared and left out', () => {
  const hdr = [2, 0, 1, 1, 1, 1, 1, 1, 1, 1];
  const into = bench({ 2: WITH_HEADER });
  const bare = frame(net6(2, 3));
  bare.bytes.fill(0xff, 0, ROOM);
  expect(forwardFrame(into.view, 1, bare.view, bare.at, bare.len)).toBe(2);
  expect([into.view.at, into.view.len, hex(bare.bytes, ROOM - 10, 10)]).toEqual([ROOM - 10, 88, '00'.repeat(10)]);
  const both = bench({ 1: WITH_HEADER, 2: WITH_HEADER });
  const done = frame(net6(2, 3), { hdr });
  expect(forwardFrame(both.view, 1, done.view, done.at, done.len)).toBe(2);
  expect([both.view.at, hex(done.bytes, ROOM, 10)]).toEqual([ROOM, '00'.repeat(10)]);
  const from = bench({ 1: WITH_HEADER });
  const out = frame(net6(2, 3), { hdr });
  expect(forwardFrame(from.view, 1, out.view, out.at, out.len)).toBe(2);
  expect([from.view.at, from.view.len]).toEqual([ROOM + 10, 78]);
});

/** hdr_len 74, csum_start 54. */
const undoneHeader = (gsoType: number, gsoSize: number, csumOffset: number): readonly number[] => [VIRTIO_NET_F_NEEDS_CSUM, gsoType, 74, 0, gsoSize & 0xff, gsoSize >> 8, 54, 0, csumOffset, 0];

test.each([
  ['2', 'a checksum', undoneHeader(0, 0, 16), IPPROTO_TCP, 1460],
  ['toobig', 'a checksum of more than the link carries', undoneHeader(0, 0, 16), IPPROTO_TCP, 1461],
  ['2', 'a TCP segment whose pieces fit', undoneHeader(VIRTIO_NET_GSO_TCPV6, 1440, 16), IPPROTO_TCP, 20_000],
  ['toobig', 'a TCP segment whose pieces do not', undoneHeader(VIRTIO_NET_GSO_TCPV6, 1441, 16), IPPROTO_TCP, 20_000],
  ['2', 'datagrams that fit', undoneHeader(VIRTIO_NET_GSO_UDP_L4, 1452, 6), IPPROTO_UDP, 20_000],
  ['toobig', 'datagrams that do not', undoneHeader(VIRTIO_NET_GSO_UDP_L4, 1453, 6), IPPROTO_UDP, 20_000],
  ['offload', 'segments of a kind that is not known', undoneHeader(3, 1000, 16), IPPROTO_UDP, 20_000],
  ['offload', 'segments without a size', undoneHeader(VIRTIO_NET_GSO_TCPV6, 0, 16), IPPROTO_TCP, 20_000],
  ['offload', 'a checksum beyond the frame', undoneHeader(0, 0, 200), IPPROTO_TCP, 100],
] as const)('%s: %s, left undone by a virtio-net header, which stays as it is', (becomes, _, hdr, nxt, payload) => {
  const { view } = bench({ 1: WITH_HEADER, 2: WITH_HEADER });
  const f = frame(net6(2, 3), { hdr, nxt, payload });
  const verdict = forwardFrame(view, 1, f.view, f.at, f.len);
  expect(verdict < 0 ? fwdReason(verdict) : String(verdict)).toBe(becomes);
  expect([...f.bytes.subarray(ROOM, ROOM + 10)]).toEqual(hdr);
  expect(f.view.getUint8(f.ip + IP6_NXT)).toBe(nxt);
  expect(f.view.getUint8(f.ip + IP6_HLIM)).toBe(verdict < 0 ? 64 : 63);
  if (verdict >= 0) expect([view.at, view.len]).toEqual([ROOM, f.len]);
});

test('what is undone does not leave by a port that leaves nothing undone', () => {
  for (const flags of [ROUTED, ROUTED | FWD_IF_VNET_HDR]) {
    const { view } = bench({ 1: WITH_HEADER, 2: flags });
    const f = frame(net6(2, 3), { hdr: undoneHeader(0, 0, 16), nxt: IPPROTO_TCP });
    const before = hex(f.bytes, 0, f.bytes.length);
    expect([fwdReason(forwardFrame(view, 1, f.view, f.at, f.len)), hex(f.bytes, 0, f.bytes.length)]).toEqual(['offload', before]);
  }
});
