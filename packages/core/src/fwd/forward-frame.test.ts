/**
 * forward-frame.test.ts — frames through the short path of a small switch and router, with tables made by hand.
 *
 *     ports 1, 2: routed, 10.1.0.1/24 and 10.2.0.1/24     ports 3, 4: members of bridge 9 (10.3.0.1/24)     vlan 7: id 5 on port 2, 10.5.0.1/24
 */
import { expect, test } from 'vitest';
import { ETHERTYPE_IP, ETHERTYPE_VLAN } from '../wire/ether.js';
import { ip4Emit, ip4PutSum } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV4, VIRTIO_NET_GSO_UDP_L4, VIRTIO_NET_HDR_LEN } from '../wire/virtio-net.js';
import { AddrSet } from './addr-set.js';
import { AddrSet6 } from './addr-set6.js';
import { Fib4, fib4Shape } from './fib4.js';
import { Fib6, fib6Shape } from './fib6.js';
import { flowOf4 } from './flow-of.js';
import { lookAhead } from './forward-ahead.js';
import { forwardFrame } from './forward-frame.js';
import { FC_IPACKETS, FC_OBYTES, FC_OPACKETS, FWD_CELL_SHIFT, fwdCountAt, fwdCounters } from './fwd-counters.js';
import {
  FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_FWD4, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_PRIVATE, FWD_IF_REASON_SHIFT, FWD_IF_TRUNK, FWD_IF_VLAN, FWD_IF_VNET_HDR,
  FwdAdjacencies, FwdIfs,
} from './fwd-if.js';
import { FwdMap } from './fwd-map.js';
import type { FwdMessage, FwdSetTables } from './fwd-tables.js';
import { FWD_FDB, FWD_FDB_LOCAL, FWD_NEIGH4, FWD_VLANS, fdbKey, fwdMapMessage, fwdMemory, fwdViewOf } from './fwd-tables.js';
import { fwdReason } from './fwd-verdict.js';
import { NHOP_GATEWAY, NHOP_GROUP, NHOP_VALID, NhopTable } from './nhop-table.js';

const OUR_HI = 0x0200;
const HOST_HI = 0x0a00;
const ROUTED = FWD_IF_IN | FWD_IF_OUT | FWD_IF_FWD4;
const MEMBER = FWD_IF_IN | FWD_IF_OUT | FWD_IF_MEMBER | FWD_IF_LEARN | FWD_IF_BRFWD;
const BRIDGE = 9;
const VLAN = 7;
const VID = 5;
const ROOM = 64;

function bench(flagsOf: Partial<Record<number, number>> = {}) {
  const ifs = new FwdIfs();
  const adjacencies = new FwdAdjacencies();
  const maps = [new FwdMap(3, 1), new FwdMap(5, 2), new FwdMap(3, 3), new FwdMap(3, 4)] as const;
  const publish = (index: number, flags: number, port: number, more: readonly [parent: number, tag: number, bridge: number] = [0, 0, 0]): void => {
    ifs.publish(index, [flagsOf[index] ?? flags, index, port, OUR_HI, index, 0, more[0], more[1], more[2], index]);
    if (port >= 0) ifs.ofPort[port] = index;
  };
  publish(1, ROUTED, 1);
  publish(2, ROUTED | FWD_IF_TRUNK, 2);
  publish(3, MEMBER, 3, [0, 0, BRIDGE]);
  publish(4, MEMBER, 4, [0, 0, BRIDGE]);
  publish(VLAN, ROUTED | FWD_IF_VLAN, -1, [2, (ETHERTYPE_VLAN << 16) | VID, 0]);
  publish(BRIDGE, ROUTED | FWD_IF_BRIDGE, -1);
  maps[FWD_VLANS].set(VLAN, 2, VID, 0);
  const hops = new NhopTable(true);
  const fib = new Fib4(fib4Shape(4, null), true);
  for (const [net, index] of [[1, 1], [2, 2], [3, BRIDGE], [5, VLAN]] as const) {
    hops.setHop(net, NHOP_VALID, index, 1500, 0);
    fib.insert(0x0a000000 | (net << 16), 24, net);
    maps[FWD_NEIGH4].set(adjacencies.add(HOST_HI, net), index, 0x0a000002 | (net << 16), 0);
  }
  maps[FWD_FDB].set(BRIDGE, BRIDGE, fdbKey(OUR_HI, FWD_FDB_LOCAL), BRIDGE);
  maps[FWD_FDB].set(3, 3, fdbKey(HOST_HI, 0), BRIDGE);
  maps[FWD_FDB].set(4, 4, fdbKey(HOST_HI, 0), BRIDGE);
  const own = new AddrSet(true);
  for (const net of [1, 2, 3, 5]) own.add(0x0a000001 | (net << 16));
  const fib6 = new Fib6(fib6Shape(0, null), true);
  const counters = fwdCounters();
  const tables: FwdSetTables = {
    fib4: fib.t, shape4: fib, fib6: fib6.t, shape6: fib6, hops: hops.hops, groups: hops.groups, members: hops.members, own4: own.words, own6: new AddrSet6(true).words,
    flowSalt: 1, multipath: false, cell: 63 << FWD_CELL_SHIFT,
  };
  const messages: FwdMessage[] = [...maps.map((m, i) => fwdMapMessage(i, m)), { kind: 'set', set: 0, tables }];
  const view = fwdViewOf(fwdMemory(ifs, adjacencies, new Int32Array([7]), counters), messages);
  view.beginBatch();
  return { view, maps, ifs, counters, hops, fib, tables, count: (index: number, at: number) => counters[(index << FWD_CELL_SHIFT) + at] };
}

/** A frame with a UDP datagram of `payload` bytes, in a buffer with room before it; a tag, a virtio-net header when wanted. */
function frame(dst: readonly [hi: number, lo: number], src: number, net: number, opts: { ttl?: number; vid?: number; hdr?: readonly number[]; pad?: number; payload?: number } = {}) {
  const { ttl = 64, vid, hdr, pad = 0, payload = 8 } = opts;
  const front = hdr === undefined ? 0 : VIRTIO_NET_HDR_LEN;
  const tag = vid === undefined ? 0 : 4;
  const total = 28 + payload;
  const bytes = new Uint8Array(ROOM + front + 14 + tag + total + pad);
  const view = new DataView(bytes.buffer);
  const at = ROOM + front;
  bytes.set(hdr ?? [], ROOM);
  view.setUint16(at, dst[0]);
  view.setUint32(at + 2, dst[1]);
  view.setUint16(at + 6, HOST_HI);
  view.setUint32(at + 8, src);
  if (vid !== undefined) view.setUint32(at + 12, ((ETHERTYPE_VLAN << 16) | vid) >>> 0);
  view.setUint16(at + 12 + tag, ETHERTYPE_IP);
  ip4Emit(view, at + 14 + tag, 20, 0, total, 1, 0, ttl, IPPROTO_UDP, 0x0a630063, 0x0a000002 | (net << 16));
  return { bytes, view, at: ROOM, len: bytes.length - ROOM };
}

const hex = (b: Uint8Array, from: number, n: number): string => Buffer.from(b.subarray(from, from + n)).toString('hex');

test('a packet for another network leaves with a new header, a lower TTL and without its padding', () => {
  const { view, count } = bench();
  const f = frame([OUR_HI, 1], 99, 2, { pad: 10 });
  expect(forwardFrame(view, 1, f.view, f.at, f.len)).toBe(2);
  expect([view.at, view.len]).toEqual([ROOM, 14 + 36]);
  expect(hex(f.bytes, view.at, 14)).toBe('0a0000000002' + '020000000002' + '0800');
  expect(f.view.getUint8(ROOM + 14 + 8)).toBe(63);
  expect([count(1, FC_IPACKETS), count(2, FC_OPACKETS), count(2, FC_OBYTES), count(63, 0)]).toEqual([1, 1, 50, 1]);
});

test('into a vlan the frame gets a tag, out of one it loses it, from one to another it is changed', () => {
  const { view } = bench();
  const out = frame([OUR_HI, 1], 99, 5);
  expect(forwardFrame(view, 1, out.view, out.at, out.len)).toBe(2);
  expect([view.at, view.len, hex(out.bytes, view.at, 18)]).toEqual([ROOM - 4, 54, '0a0000000005' + '020000000007' + '81000005' + '0800']);
  const back = frame([OUR_HI, VLAN], 99, 1, { vid: VID });
  expect(forwardFrame(view, 2, back.view, back.at, back.len)).toBe(1);
  expect([view.at, view.len, hex(back.bytes, view.at, 14)]).toEqual([ROOM + 4, 50, '0a0000000001' + '020000000001' + '0800']);
});

test('a bridge passes a frame between known addresses as it is, and routes what is for itself', () => {
  const { view, maps, count } = bench();
  const f = frame([HOST_HI, 4], 3, 3);
  const before = hex(f.bytes, 0, f.bytes.length);
  expect(forwardFrame(view, 3, f.view, f.at, f.len)).toBe(4);
  expect(hex(f.bytes, 0, f.bytes.length)).toBe(before);
  expect(maps[FWD_FDB].seen(3, fdbKey(HOST_HI, 0), BRIDGE)).toBe(7);
  expect([count(BRIDGE, FC_IPACKETS), count(BRIDGE, FC_OPACKETS)]).toEqual([1, 1]);
  const up = frame([OUR_HI, BRIDGE], 3, 2);
  expect(forwardFrame(view, 3, up.view, up.at, up.len)).toBe(2);
  const down = frame([OUR_HI, 1], 99, 3);
  maps[FWD_FDB].set(4, 3, fdbKey(HOST_HI, 0), BRIDGE);
  expect(forwardFrame(view, 1, down.view, down.at, down.len)).toBe(4);
  expect(hex(down.bytes, view.at, 12)).toBe('0a0000000003' + '020000000009');
});

test('a virtio-net header moves with the frame, and a segment passes when its pieces fit', () => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const { view } = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags });
  // hdr_len 66, gso_size 1000, csum_start 34, csum_offset 16
  const hdr = [VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV4, 66, 0, 0xe8, 3, 34, 0, 16, 0];
  const f = frame([OUR_HI, 1], 99, 5, { hdr, payload: 4000 });
  f.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 34 + 12, 0x50);
  expect(forwardFrame(view, 1, f.view, f.at, f.len)).toBe(2);
  expect([view.at, view.len]).toEqual([ROOM - 4, VIRTIO_NET_HDR_LEN + 18 + 4028]);
  expect([...f.bytes.subarray(view.at, view.at + 10)]).toEqual([1, 1, 70, 0, 0xe8, 3, 38, 0, 16, 0]);
  const big = frame([OUR_HI, 1], 99, 2, { hdr: [1, 1, 66, 0, 0xdc, 5, 34, 0, 16, 0], payload: 4000 });
  big.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 34 + 12, 0x50);
  expect(fwdReason(forwardFrame(view, 1, big.view, big.at, big.len))).toBe('toobig');
});

test('where nothing but the next hop changes, a virtio-net header stays, is cleared, made or left out', () => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const both = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags });
  const hdr = [VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV4, 66, 0, 0xe8, 3, 34, 0, 16, 0];
  const segment = frame([OUR_HI, 1], 99, 2, { hdr, payload: 4000 });
  segment.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 34 + 12, 0x50);
  expect(forwardFrame(both.view, 1, segment.view, segment.at, segment.len)).toBe(2);
  expect([both.view.at, both.view.len, [...segment.bytes.subarray(ROOM, ROOM + 10)]]).toEqual([ROOM, VIRTIO_NET_HDR_LEN + 14 + 4028, hdr]);
  expect(hex(segment.bytes, ROOM + 10, 14)).toBe('0a0000000002' + '020000000002' + '0800');
  const done = frame([OUR_HI, 1], 99, 2, { hdr: [2, 0, 1, 1, 1, 1, 1, 1, 1, 1] });
  expect(forwardFrame(both.view, 1, done.view, done.at, done.len)).toBe(2);
  expect([both.view.at, hex(done.bytes, ROOM, 10)]).toEqual([ROOM, '00'.repeat(10)]);
  const from = bench({ 1: ROUTED | flags });
  const out = frame([OUR_HI, 1], 99, 2, { hdr: [2, 0, 1, 1, 1, 1, 1, 1, 1, 1] });
  expect(forwardFrame(from.view, 1, out.view, out.at, out.len)).toBe(2);
  expect([from.view.at, from.view.len]).toEqual([ROOM + 10, 50]);
  const undone = frame([OUR_HI, 1], 99, 2, { hdr: [VIRTIO_NET_F_NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 6, 0] });
  expect(fwdReason(forwardFrame(from.view, 1, undone.view, undone.at, undone.len))).toBe('offload');
  const to = bench({ 2: ROUTED | FWD_IF_TRUNK | flags });
  const into = frame([OUR_HI, 1], 99, 2);
  into.bytes.fill(0xff, 0, ROOM);
  expect(forwardFrame(to.view, 1, into.view, into.at, into.len)).toBe(2);
  expect([to.view.at, to.view.len, hex(into.bytes, ROOM - 10, 10)]).toEqual([ROOM - 10, 60, '00'.repeat(10)]);
});

test('a packet behind a segment has nothing left undone, and says so', () => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const { view } = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags });
  const segment = frame([OUR_HI, 1], 99, 2, { hdr: [VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV4, 66, 0, 0xe8, 3, 34, 0, 16, 0], payload: 4000 });
  segment.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 34 + 12, 0x50);
  expect(forwardFrame(view, 1, segment.view, segment.at, segment.len)).toBe(2);
  expect(view.undone).not.toBe(0);
  const done = frame([OUR_HI, 1], 99, 2, { hdr: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] });
  expect(forwardFrame(view, 1, done.view, done.at, done.len)).toBe(2);
  expect(view.undone).toBe(0);
});

test('a bridge makes, clears and leaves out a virtio-net header for what has nothing left undone', () => {
  const into = bench({ 4: MEMBER | FWD_IF_VNET_HDR });
  const bare = frame([HOST_HI, 4], 3, 3);
  bare.bytes.fill(0xff, 0, ROOM);
  expect(forwardFrame(into.view, 3, bare.view, bare.at, bare.len)).toBe(4);
  expect([into.view.at, into.view.len, hex(bare.bytes, ROOM - 10, 10)]).toEqual([ROOM - 10, bare.len + 10, '00'.repeat(10)]);
  const from = bench({ 3: MEMBER | FWD_IF_VNET_HDR });
  const done = frame([HOST_HI, 4], 3, 3, { hdr: [2, 0, 1, 1, 1, 1, 1, 1, 1, 1] });
  expect(forwardFrame(from.view, 3, done.view, done.at, done.len)).toBe(4);
  expect([from.view.at, from.view.len]).toEqual([ROOM + 10, done.len - 10]);
  const both = bench({ 3: MEMBER | FWD_IF_VNET_HDR, 4: MEMBER | FWD_IF_VNET_HDR });
  const through = frame([HOST_HI, 4], 3, 3, { hdr: [2, 0, 1, 1, 1, 1, 1, 1, 1, 1] });
  expect(forwardFrame(both.view, 3, through.view, through.at, through.len)).toBe(4);
  expect([both.view.at, hex(through.bytes, ROOM, 10)]).toEqual([ROOM, '00'.repeat(10)]);
  expect([both.count(3, FC_IPACKETS), both.count(4, FC_OBYTES), both.count(BRIDGE, FC_OBYTES)]).toEqual([1, through.len - 10, through.len - 10]);
});

/** csum_start 34. */
const undoneHeader = (gsoType: number, gsoSize: number, csumOffset: number): readonly number[] => [VIRTIO_NET_F_NEEDS_CSUM, gsoType, 54, 0, gsoSize & 0xff, gsoSize >> 8, 34, 0, csumOffset, 0];

test.each([
  ['2', 'a checksum', undoneHeader(0, 0, 16), 1472],
  ['toobig', 'a checksum of more than the link carries', undoneHeader(0, 0, 16), 1473],
  ['2', 'a TCP segment whose pieces fit', undoneHeader(VIRTIO_NET_GSO_TCPV4, 1460, 16), 20_000],
  ['toobig', 'a TCP segment whose pieces do not', undoneHeader(VIRTIO_NET_GSO_TCPV4, 1461, 16), 20_000],
  ['2', 'datagrams that fit', undoneHeader(VIRTIO_NET_GSO_UDP_L4, 1472, 6), 20_000],
  ['toobig', 'datagrams that do not', undoneHeader(VIRTIO_NET_GSO_UDP_L4, 1473, 6), 20_000],
  ['offload', 'segments of a kind that is not known', undoneHeader(3, 1000, 16), 20_000],
] as const)('%s: %s, left undone by a virtio-net header, which stays as it is', (becomes, _, hdr, payload) => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const { view } = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags });
  const f = frame([OUR_HI, 1], 99, 2, { hdr, payload });
  f.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 34 + 12, 0x50);
  const verdict = forwardFrame(view, 1, f.view, f.at, f.len);
  expect(verdict < 0 ? fwdReason(verdict) : String(verdict)).toBe(becomes);
  expect([...f.bytes.subarray(ROOM, ROOM + 10)]).toEqual(hdr);
  expect(f.view.getUint8(ROOM + VIRTIO_NET_HDR_LEN + 14 + 8)).toBe(verdict < 0 ? 64 : 63);
  if (verdict >= 0) expect([view.at, view.len]).toEqual([ROOM, f.len]);
});

test('a bridge passes what is undone as it is, to a port that takes it and to no other', () => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const both = bench({ 3: MEMBER | flags, 4: MEMBER | flags });
  // Its size is not a bridge's business, nor what kind of segment it is.
  for (const hdr of [undoneHeader(0, 0, 16), undoneHeader(VIRTIO_NET_GSO_TCPV4, 9000, 16), undoneHeader(3, 100, 16)]) {
    const f = frame([HOST_HI, 4], 3, 3, { hdr, payload: 20_000 });
    const before = hex(f.bytes, 0, f.bytes.length);
    expect(forwardFrame(both.view, 3, f.view, f.at, f.len)).toBe(4);
    expect([both.view.at, both.view.len, hex(f.bytes, 0, f.bytes.length)]).toEqual([ROOM, f.len, before]);
  }
  expect([both.count(3, FC_IPACKETS), both.count(4, FC_OPACKETS), both.count(BRIDGE, FC_OPACKETS)]).toEqual([3, 3, 3]);
  for (const to of [MEMBER, MEMBER | FWD_IF_VNET_HDR]) {
    const { view, count } = bench({ 3: MEMBER | flags, 4: to });
    const f = frame([HOST_HI, 4], 3, 3, { hdr: undoneHeader(0, 0, 16), payload: 100 });
    expect(fwdReason(forwardFrame(view, 3, f.view, f.at, f.len))).toBe('offload');
    expect([count(BRIDGE, FC_OPACKETS), [...f.bytes.subarray(ROOM, ROOM + 10)]]).toEqual([0, undoneHeader(0, 0, 16)]);
  }
});

test('a member that does not show itself to others of its kind does not send to them', () => {
  const { view } = bench({ 3: MEMBER | FWD_IF_PRIVATE, 4: MEMBER | FWD_IF_PRIVATE });
  const f = frame([HOST_HI, 4], 3, 3);
  expect(fwdReason(forwardFrame(view, 3, f.view, f.at, f.len))).toBe('blocked');
});

test('of several next hops a packet takes the one of its flow', () => {
  const { view, hops, fib, tables, count } = bench();
  hops.setHop(20, NHOP_VALID | NHOP_GATEWAY, 2, 1500, 0x0a020002);
  hops.setHop(21, NHOP_VALID | NHOP_GATEWAY, VLAN, 1500, 0x0a050002);
  hops.setGroup(1, [20, 21]);
  fib.insert(0x0a640000, 16, NHOP_GROUP + 1);
  view.apply({ kind: 'set', set: 0, tables: { ...tables, fib4: fib.t, hops: hops.hops, groups: hops.groups, members: hops.members, multipath: true } });
  for (let net = 0; net < 32; net++) {
    const f = frame([OUR_HI, 1], 99, 100);
    f.view.setUint8(ROOM + 14 + 18, net);
    ip4PutSum(f.view, ROOM + 14, 20);
    const hop = hops.select(NHOP_GROUP + 1, flowOf4(f.view, ROOM + 14, 36, 1));
    expect(forwardFrame(view, 1, f.view, f.at, f.len)).toBe(2);
    expect(view.at).toBe(hop === 20 ? ROOM : ROOM - 4);
  }
  expect(count(VLAN, FC_OPACKETS)).toBeGreaterThan(0);
  expect(count(VLAN, FC_OPACKETS)).toBeLessThan(32);
});

test('looking ahead reads the first words of routes for a port that routes, and changes nothing', () => {
  const { view, fib, counters } = bench();
  const f = frame([OUR_HI, 1], 99, 2);
  const [bytes, counts] = [hex(f.bytes, 0, f.bytes.length), counters.slice()];
  // The second would end behind the memory.
  lookAhead(view, 1, f.view, new Int32Array([9, f.at, f.bytes.length - 33, 9]), 1, 3);
  expect(view.ahead).toBe(fib.first(0x0a020002));
  expect(view.ahead).not.toBe(0);
  view.ahead = 77;
  for (const port of [3, 8]) lookAhead(view, port, f.view, new Int32Array([f.at]), 0, 1);
  expect([view.ahead, hex(f.bytes, 0, f.bytes.length), counters]).toEqual([77, bytes, counts]);
});

test('a packet does not leave by an interface that is no port, nor from one that routes nothing', () => {
  const { view, ifs } = bench();
  ifs.publish(2, [ROUTED, 2, -1, OUR_HI, 2, 0, 0, 0, 0, 2]);
  const f = frame([OUR_HI, 1], 99, 2);
  expect(fwdReason(forwardFrame(view, 1, f.view, f.at, f.len))).toBe('output');
  ifs.publish(1, [FWD_IF_IN, 1, 1, OUR_HI, 1, 0, 0, 0, 0, 1]);
  expect(fwdReason(forwardFrame(view, 1, f.view, f.at, f.len))).toBe('host');
});

test.each([
  ['options', (v: DataView) => v.setUint8(14, 0x46)],
  ['header', (v: DataView) => v.setUint8(14 + 10, v.getUint8(14 + 10) ^ 1)],
  ['header', (v: DataView) => v.setUint8(14, 0x65)],
] as const)('%s: a header that is not plain and right is left to others', (reason, spoil) => {
  const { view } = bench();
  const f = frame([OUR_HI, 1], 99, 2);
  spoil(new DataView(f.bytes.buffer, ROOM));
  if (reason === 'options') ip4PutSum(f.view, ROOM + 14, 24);
  expect(fwdReason(forwardFrame(view, 1, f.view, f.at, f.len))).toBe(reason);
});

test('a segment that comes out of a vlan loses its tag, and its header says so', () => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const { view } = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags });
  const f = frame([OUR_HI, VLAN], 99, 1, { vid: VID, hdr: [VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_GSO_TCPV4, 70, 0, 0xe8, 3, 38, 0, 16, 0], payload: 4000 });
  f.view.setUint8(ROOM + VIRTIO_NET_HDR_LEN + 38 + 12, 0x50);
  expect(forwardFrame(view, 2, f.view, f.at, f.len)).toBe(1);
  expect([view.at, view.len, hex(f.bytes, view.at, 24)]).toEqual([ROOM + 4, 10 + 14 + 4028, '01014200e80322001000' + '0a0000000001' + '020000000001' + '0800']);
});

test.each([
  ['a checksum beyond the frame', [1, 0, 0, 0, 0, 0, 34, 0, 200, 0]],
  ['a checksum in the link header', [1, 0, 0, 0, 0, 0, 12, 0, 16, 0]],
  ['segments without a checksum', [0, 1, 66, 0, 0xe8, 3, 34, 0, 16, 0]],
  ['segments without a size', [1, 1, 66, 0, 0, 0, 34, 0, 16, 0]],
])('%s, as a virtio-net header may say: the complete path decides what is meant', (_, hdr) => {
  const flags = FWD_IF_VNET_HDR | FWD_IF_OFFLOAD;
  const { view } = bench({ 1: ROUTED | flags, 2: ROUTED | FWD_IF_TRUNK | flags, 3: MEMBER | flags, 4: MEMBER | flags });
  const routed = frame([OUR_HI, 1], 99, 2, { hdr, payload: 100 });
  const bridged = frame([HOST_HI, 4], 3, 3, { hdr, payload: 100 });
  expect([fwdReason(forwardFrame(view, 1, routed.view, routed.at, routed.len)), fwdReason(forwardFrame(view, 3, bridged.view, bridged.at, bridged.len))]).toEqual(['offload', 'offload']);
});

test('a member that does not learn punts what claims to come from this host', () => {
  const { view, maps } = bench({ 3: MEMBER & ~FWD_IF_LEARN });
  const f = frame([HOST_HI, 4], 77, 3);
  expect(forwardFrame(view, 3, f.view, f.at, f.len)).toBe(4);
  maps[FWD_FDB].set(4, 77, fdbKey(HOST_HI, FWD_FDB_LOCAL), BRIDGE);
  expect(fwdReason(forwardFrame(view, 3, f.view, f.at, f.len))).toBe('source');
});

test('a frame that comes through a bridge for the second time, as one of a vlan, is punted', () => {
  const { view, maps, ifs, count } = bench({ 3: MEMBER | FWD_IF_TRUNK });
  ifs.publish(8, [(MEMBER & ~FWD_IF_LEARN) | FWD_IF_FWD4 | FWD_IF_VLAN, 8, -1, OUR_HI, 3, 0, 3, (ETHERTYPE_VLAN << 16) | VID, BRIDGE, 8]);
  maps[FWD_VLANS].set(8, 3, VID, 0);
  maps[FWD_FDB].set(3, 3, fdbKey(OUR_HI, FWD_FDB_LOCAL), BRIDGE);
  maps[FWD_FDB].set(4, 4, fdbKey(HOST_HI, VID), BRIDGE);
  const f = frame([OUR_HI, 3], 4, 2, { vid: VID });
  expect(fwdReason(forwardFrame(view, 4, f.view, f.at, f.len))).toBe('vlan');
  expect(count(BRIDGE, FC_IPACKETS)).toBe(0);
});

test('of members with one address the one that a frame came in on takes it, past the bridge', () => {
  const { view, maps, count } = bench();
  maps[FWD_FDB].set(3, 4, fdbKey(OUR_HI, FWD_FDB_LOCAL), BRIDGE);
  const other = frame([OUR_HI, 4], 3, 2);
  const own = frame([OUR_HI, 4], 4, 2);
  expect([fwdReason(forwardFrame(view, 3, other.view, other.at, other.len)), fwdReason(forwardFrame(view, 4, own.view, own.at, own.len))]).toEqual(['promisc', 'host']);
  expect(count(BRIDGE, FC_IPACKETS)).toBe(0);
});

test.each([
  ['multicast', 1, frame([0xffff, 0xffffffff], 9, 2)],
  ['promisc', 1, frame([OUR_HI, 77], 9, 2)],
  ['ttl', 1, frame([OUR_HI, 1], 9, 2, { ttl: 1 })],
  ['sameif', 1, frame([OUR_HI, 1], 9, 1)],
  ['noroute', 1, frame([OUR_HI, 1], 9, 200)],
  ['toobig', 1, frame([OUR_HI, 1], 9, 2, { payload: 1600 })],
  ['source', 3, frame([HOST_HI, 4], 9, 3)],
  ['flood', 3, frame([HOST_HI, 6], 3, 3)],
  ['vlan', 1, frame([OUR_HI, 1], 9, 2, { vid: 5 })],
  ['noif', 8, frame([OUR_HI, 1], 9, 2)],
] as const)('%s: punted as it came, and counted', (reason, port, f) => {
  const { view, count } = bench();
  const before = hex(f.bytes, 0, f.bytes.length);
  const verdict = forwardFrame(view, port, f.view, f.at, f.len);
  expect(fwdReason(verdict)).toBe(reason);
  expect(hex(f.bytes, 0, f.bytes.length)).toBe(before);
  expect(count(reason === 'noif' ? 0 : port, fwdCountAt(verdict))).toBe(1);
});

test('an interface that is closed to the short path says why', () => {
  const { view } = bench({ 1: (12 << FWD_IF_REASON_SHIFT) | FWD_IF_OUT });
  const f = frame([OUR_HI, 1], 9, 2);
  expect(fwdReason(forwardFrame(view, 1, f.view, f.at, f.len))).toBe('down');
});

test('a map keeps what it has while it is replaced, and an old reader sees how it was', () => {
  const map = new FwdMap(3, 5);
  map.set(1, 1, 0, 0);
  const old = map.words;
  for (let i = 2; i < 400; i++) map.set(i, i, 0, 0);
  for (let i = 2; i < 400; i += 2) map.set(0, i, 0, 0);
  map.set(1000, 2, 0, 0);
  expect(map.words).not.toBe(old);
  expect([map.find(1, 0, 0), map.find(2, 0, 0), map.find(4, 0, 0), map.find(399, 0, 0), map.count]).toEqual([1, 1000, 0, 399, 201]);
});
