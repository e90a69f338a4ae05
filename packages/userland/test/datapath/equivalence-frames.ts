/**
 * equivalence-frames.ts — frames at random for a bench of both paths: what a port of the present configuration may get, right, rare and wrong.
 * Read first: equivalence-bench.ts; equivalence-world.ts (segments and hosts).
 *
 * A frame is made for a place: a port, and on it the interface itself, a vlan or a vlan of a vlan. Most are for somebody there is, so that all of both paths is
 * walked; then something may be made wrong: a length, a header's byte, the padding, the offload that its virtio-net header asks for.
 */
import type { Ifnet, Prng } from '@netloom/core';
import { VlanTrunk } from '@netloom/core';
import {
  ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, arpEmit, inCksum6, ip4Emit, ip6Emit, macHi, macLo,
} from '@netloom/core/wire';
import type { World } from './equivalence-world.js';
import { HOSTS, REMOTES, gatewayMac, hostMac } from './equivalence-world.js';

type Tag = readonly [proto: number, tci: number];
type Ip6Words = readonly [number, number, number, number];

/** Where a frame comes in: the tags it has, and the interface that it is one of when they are gone. */
interface Place {
  readonly tags: readonly Tag[];
  readonly ifp: Ifnet;
}

const GROUP = new Uint8Array([0x01, 0x00, 0x5e, 0, 0, 5]);
const GROUP6 = new Uint8Array([0x33, 0x33, 0, 0, 0, 1]);
const STP_GROUP = new Uint8Array([0x01, 0x80, 0xc2, 0, 0, 0]);
const EVERYBODY = new Uint8Array([255, 255, 255, 255, 255, 255]);
const NOBODY = new Uint8Array([0x02, 0xcc, 0, 0, 0, 1]);
const PAYLOADS = [0, 1, 4, 8, 18, 26, 64, 400, 1_200, 1_252, 1_400, 1_452, 1_460, 1_472, 1_473, 1_480, 1_500, 1_900];
const GSO_TCP4 = 1;
const GSO_TCP6 = 4;
const GSO_UDP = 5;

/** 10.S.0.H */
export const net4 = (seg: number, host: number): number => (0x0a000000 | (seg << 16) | host) >>> 0;
/** fd00:S::H */
export const net6 = (seg: number, host: number): Ip6Words => [0xfd000000 | seg, 0, 0, host];
const remote4 = (n: number, host: number): number => (0x0a640000 + (n << 16) + host) >>> 0;
const remote6 = (n: number, host: number): Ip6Words => [0xfd010000 | n, 0, 0, host];

export class Frames {
  private readonly world: World;
  private readonly rng: Prng;

  constructor(world: World, rng: Prng) {
    this.world = world;
    this.rng = rng;
  }

  /** A frame for `port`, its virtio-net header included. */
  next(port: number): Uint8Array {
    const { rng } = this;
    const place = this.placeOn(port);
    let frame = rng.chance(0.06) ? this.other(place) : this.packet(place);
    if (rng.chance(0.06)) frame = mutated(frame, rng);
    if (rng.chance(0.03)) frame = frame.subarray(0, rng.below(frame.length + 1));
    if (rng.chance(0.08)) frame = padded(frame, frame.length + 1 + rng.below(30));
    return this.world.bench.ports[port]!.vnetHdr ? this.withHeader(frame) : frame;
  }

  /** An answer to `frame`, which came out of `port` and asks for a host's link address; null: it does not ask. */
  answer(frame: Uint8Array): Uint8Array | null {
    const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const tags: Tag[] = [];
    let at = 12;
    while (at + 4 <= frame.length && (v.getUint16(at) === ETHERTYPE_VLAN || v.getUint16(at) === 0x88a8)) {
      tags.push([v.getUint16(at), v.getUint16(at + 2)]);
      at += 4;
    }
    // A bridge floods what ends behind a tag, too.
    if (at + 2 > frame.length) return null;
    const type = v.getUint16(at);
    at += 2;
    const asker = frame.subarray(6, 12);
    if (type === ETHERTYPE_ARP && at + 28 <= frame.length && v.getUint16(at + 6) === 1) {
      const [spa, tpa] = [v.getUint32(at + 14), v.getUint32(at + 24)];
      const host = hostAt((tpa >>> 16) & 0xff, tpa & 0xffff);
      return tpa >>> 24 !== 10 || host === null ? null : ether(asker, host, tags, ETHERTYPE_ARP, arp(2, host, tpa, asker, spa));
    }
    if (type !== ETHERTYPE_IPV6 || at + 64 > frame.length || v.getUint8(at + 6) !== IPPROTO_ICMPV6 || v.getUint8(at + 40) !== 135) return null;
    const target: Ip6Words = [v.getUint32(at + 48), v.getUint32(at + 52), v.getUint32(at + 56), v.getUint32(at + 60)];
    const host = hostAt(target[0] & 0xff, target[3]);
    if (target[0] >>> 16 !== 0xfd00 || host === null) return null;
    const to: Ip6Words = [v.getUint32(at + 8), v.getUint32(at + 12), v.getUint32(at + 16), v.getUint32(at + 20)];
    if ((to[0] | to[3]) === 0) return null;
    return ether(asker, host, tags, ETHERTYPE_IPV6, neighbourMessage(136, target, to, target, host, 0x60000000));
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.rng.below(list.length)]!;
  }

  private placeOn(port: number): Place {
    const { rng } = this;
    const { ifp } = this.world.bench.ports[port]!.out;
    const places: Place[] = [{ tags: [], ifp }];
    const add = (tags: readonly Tag[], of: Ifnet): void => {
      if (!(of.trunk instanceof VlanTrunk)) return;
      for (const sc of of.trunk.vlans.values()) {
        const place = { tags: [...tags, [sc.proto, sc.vid | (rng.chance(0.2) ? rng.below(8) << 13 : 0)] as const], ifp: sc.ifp };
        places.push(place);
        add(place.tags, sc.ifp);
      }
    };
    add([], ifp);
    const place = this.pick(places);
    if (rng.chance(0.05)) return { ifp, tags: [[rng.chance(0.7) ? ETHERTYPE_VLAN : 0x88a8, rng.below(6)]] };
    if (this.world.bridgeAbove(place.ifp) !== null && rng.chance(0.15)) return { ...place, tags: [...place.tags, [ETHERTYPE_VLAN, 1]] };
    return rng.chance(0.05) ? { ...place, tags: [...place.tags, [ETHERTYPE_VLAN, rng.below(4)]] } : place;
  }

  /** Interfaces that may take what comes in at `place` for their own: the bridge above and its members, or the interface itself. */
  private takers({ ifp }: Place): readonly Ifnet[] {
    const bridge = this.world.bridgeAbove(ifp);
    return bridge === null ? [ifp] : [bridge.ifp, bridge.ifp, ifp, ...bridge.order.map((p) => p.ifp)];
  }

  /** Who sends at `place`: mostly a host that lives there. */
  private sender(place: Place, seg: number): { readonly mac: Uint8Array; readonly host: number } {
    const { rng } = this;
    const bridge = this.world.bridgeAbove(place.ifp);
    let host = 2 + rng.below(HOSTS);
    if (bridge !== null && !rng.chance(0.06)) {
      const at = bridge.order.findIndex((p) => p.ifp === place.ifp);
      for (let i = 0; i < HOSTS && host % bridge.order.length !== at; i++) host = 2 + ((host - 1) % HOSTS);
    }
    if (rng.chance(0.03)) return { mac: rng.chance(0.3) ? NOBODY : this.pick(this.takers(place)).lladdr.slice(), host };
    return { mac: hostMac(seg, host), host };
  }

  private packet(place: Place): Uint8Array {
    const { rng, world } = this;
    const taker = this.pick(this.takers(place));
    const seg = world.segmentOf(world.bridgeAbove(place.ifp)?.ifp.xname ?? place.ifp.xname);
    const { mac: src, host } = this.sender(place, seg);
    const bridged = world.bridgeAbove(place.ifp) !== null && rng.chance(0.5);
    const dst = bridged ? hostMac(seg, 2 + rng.below(HOSTS)) : this.destinationMac(taker);
    const six = rng.chance(0.4);
    const body = this.payload();
    const proto = six && rng.chance(0.3) ? this.pick([0, 43, 44, 58, 59, 60]) : this.pick([IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6, 50, 132, 136, 2]);
    const ttl = rng.chance(0.9) ? 3 + rng.below(200) : rng.below(3);
    const bytes = six
      ? packet6(rng.chance(0.95) ? net6(seg, host) : this.strange6(), this.target6(seg), ttl, proto, body, rng)
      : packet4(rng.chance(0.95) ? net4(seg, host) : this.strange4(seg), this.target4(seg), ttl, proto, body, rng);
    return ether(dst, src, place.tags, six ? ETHERTYPE_IPV6 : ETHERTYPE_IP, bytes);
  }

  private payload(): Uint8Array {
    const { rng } = this;
    const body = new Uint8Array(8 + (rng.chance(0.8) ? this.pick(PAYLOADS) : rng.below(3_000)));
    for (let i = 0; i < 12 && i < body.length; i++) body[i] = rng.below(256);
    if (body.length > 12) body[12] = 0x50 + (rng.below(4) << 4);
    return body;
  }

  private destinationMac(taker: Ifnet): Uint8Array {
    const { rng } = this;
    if (rng.chance(0.88)) return taker.lladdr.slice();
    return this.pick([EVERYBODY, GROUP, GROUP6, STP_GROUP, NOBODY, hostMac(1, 2), gatewayMac(1), this.pick<Ifnet | undefined>(this.world.ethernets())?.lladdr.slice() ?? NOBODY]);
  }

  private target4(seg: number): number {
    const { rng, world } = this;
    const there = world.segmentsBut(seg);
    if (rng.chance(0.45) && there.length > 0) return net4(this.pick(there), 2 + rng.below(HOSTS));
    if (rng.chance(0.75)) return remote4(rng.below(REMOTES), rng.below(3) === 0 ? 0x1_01 : 1 + rng.below(300));
    return this.strange4(seg);
  }

  private strange4(seg: number): number {
    const { rng } = this;
    return this.pick([
      net4(seg, 1), net4(seg, 255), net4(seg, 0), net4(rng.below(12), 1), net4(rng.below(12), 255), net4(rng.below(12), 99), 0xffffffff, 0xe0000005, 0x7f000001, 0, 0xa9fe0101, 0xac100001, 0xf0000001, 0x08080808, net4(seg, 2 + rng.below(HOSTS)),
    ]);
  }

  private target6(seg: number): Ip6Words {
    const { rng, world } = this;
    const there = world.segmentsBut(seg);
    if (rng.chance(0.45) && there.length > 0) return net6(this.pick(there), 2 + rng.below(HOSTS));
    if (rng.chance(0.75)) return remote6(rng.below(REMOTES), 1 + rng.below(300));
    return this.strange6();
  }

  private strange6(): Ip6Words {
    const seg = this.rng.below(12);
    return this.pick<Ip6Words>([
      net6(seg, 1), net6(seg, 0), net6(seg, 99), [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0xffff, 0x0a000001], [0xfe800000, 0, 0, 2], [0xfe800001, 0, 0, 2], [0xff020000, 0, 0, 1], [0xff0e0000, 0, 0, 5], [0x20010db8, 0, 0, 1], [0xfec00000, 0, 0, 1],
    ]);
  }

  /** Neither a datagram for somebody else: questions and answers of neighbours, other types. */
  private other(place: Place): Uint8Array {
    const { rng, world } = this;
    const seg = world.segmentOf(world.bridgeAbove(place.ifp)?.ifp.xname ?? place.ifp.xname);
    const { mac, host } = this.sender(place, seg);
    const dst = this.destinationMac(this.pick(this.takers(place)));
    switch (rng.below(4)) {
      case 0: return ether(EVERYBODY, mac, place.tags, ETHERTYPE_ARP, arp(1, mac, net4(seg, host), new Uint8Array(6), net4(seg, 1)));
      case 1: return ether(dst, mac, place.tags, ETHERTYPE_ARP, arp(2, mac, net4(seg, host), dst, net4(seg, 1)));
      case 2: return ether(dst, mac, place.tags, ETHERTYPE_IPV6, neighbourMessage(rng.chance(0.5) ? 135 : 136, net6(seg, host), net6(seg, 1), rng.chance(0.5) ? net6(seg, 1) : net6(seg, host), mac, rng.chance(0.5) ? 0x60000000 : 0x20000000));
      default: return ether(dst, mac, place.tags, this.pick([0x1234, 0x0006, 0x86dc, 0x8847, ETHERTYPE_IPV6, ETHERTYPE_IP]), this.payload());
    }
  }

  /** A virtio-net header before it: mostly without work, else a checksum or a segment, right or wrong. */
  private withHeader(frame: Uint8Array): Uint8Array {
    const { rng } = this;
    const out = new Uint8Array(10 + frame.length);
    out.set(frame, 10);
    const v = new DataView(out.buffer);
    if (rng.chance(0.5) || frame.length < 40) {
      if (rng.chance(0.2)) out[0] = 2;
      return out;
    }
    let at = 12;
    while (at + 6 < frame.length && (v.getUint16(10 + at) === ETHERTYPE_VLAN || v.getUint16(10 + at) === 0x88a8)) at += 4;
    const six = v.getUint16(10 + at) === ETHERTYPE_IPV6;
    const proto = out[10 + at + 2 + (six ? 6 : 9)];
    out[0] = 1 | (rng.chance(0.1) ? 2 : 0);
    v.setUint16(6, at + 2 + (six ? 40 : 20), true);
    v.setUint16(8, proto === IPPROTO_UDP ? 6 : 16, true);
    if (rng.chance(0.5)) {
      out[1] = rng.chance(0.08) ? this.pick([2, 3, 0x81, GSO_TCP4, GSO_TCP6, GSO_UDP]) : proto === IPPROTO_UDP ? GSO_UDP : six ? GSO_TCP6 : GSO_TCP4;
      v.setUint16(4, this.pick([100, 536, 1_200, 1_400, 1_440, 1_460, 1_472, 9_000]), true);
    }
    if (rng.chance(0.15)) out[rng.below(10)] = rng.chance(0.5) ? rng.below(256) : 0;
    return out;
  }
}

const hostAt = (seg: number, host: number): Uint8Array | null => (host >= 2 && host < 2 + HOSTS ? hostMac(seg, host) : null);

function ether(dst: Uint8Array, src: Uint8Array, tags: readonly Tag[], type: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(14 + 4 * tags.length + payload.length);
  const v = new DataView(out.buffer);
  out.set(dst);
  out.set(src, 6);
  let at = 12;
  for (const [proto, tci] of tags) {
    v.setUint16(at, proto);
    v.setUint16(at + 2, tci);
    at += 4;
  }
  v.setUint16(at, type);
  out.set(payload, at + 2);
  return out;
}

function packet4(src: number, dst: number, ttl: number, proto: number, body: Uint8Array, rng: Prng): Uint8Array {
  const hl = rng.chance(0.04) ? 24 : 20;
  const out = new Uint8Array(hl + body.length);
  out.set(body, hl);
  if (hl > 20) out.set([rng.chance(0.5) ? 1 : 7, 3, 4, 0], 20);
  const off = rng.chance(0.1) ? (rng.chance(0.5) ? 0x2000 : 0) | rng.below(200) : rng.chance(0.6) ? 0x4000 : 0;
  ip4Emit(new DataView(out.buffer), 0, hl, 0, out.length, rng.below(65_536), off, ttl, proto, src, dst);
  return out;
}

function packet6(src: Ip6Words, dst: Ip6Words, hlim: number, nxt: number, body: Uint8Array, rng: Prng): Uint8Array {
  const out = new Uint8Array(40 + body.length);
  const v = new DataView(out.buffer);
  out.set(body, 40);
  if ((nxt === 0 || nxt === 60 || nxt === 43) && body.length >= 8) out.set([IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0], 40);
  ip6Emit(v, 0, 0, rng.chance(0.5) ? 0 : rng.below(1 << 20), body.length, nxt, hlim);
  src.forEach((w, i) => v.setUint32(8 + 4 * i, w));
  dst.forEach((w, i) => v.setUint32(24 + 4 * i, w));
  return out;
}

function arp(op: number, sha: Uint8Array, spa: number, tha: Uint8Array, tpa: number): Uint8Array {
  const out = new Uint8Array(28);
  arpEmit(new DataView(out.buffer), 0, op, macHi(sha), macLo(sha), spa, macHi(tha), macLo(tha), tpa);
  return out;
}

/** A neighbour solicitation or advertisement, with the sender's link address as its option. */
function neighbourMessage(type: number, src: Ip6Words, dst: Ip6Words, target: Ip6Words, mac: Uint8Array, flags: number): Uint8Array {
  const out = new Uint8Array(40 + 32);
  const v = new DataView(out.buffer);
  ip6Emit(v, 0, 0, 0, 32, IPPROTO_ICMPV6, 255);
  src.forEach((w, i) => v.setUint32(8 + 4 * i, w));
  dst.forEach((w, i) => v.setUint32(24 + 4 * i, w));
  out[40] = type;
  v.setUint32(44, type === 136 ? flags : 0);
  target.forEach((w, i) => v.setUint32(48 + 4 * i, w));
  out[64] = type === 136 ? 2 : 1;
  out[65] = 1;
  out.set(mac, 66);
  v.setUint16(42, inCksum6(v, 40, 32, 8, 24, IPPROTO_ICMPV6));
  return out;
}

function mutated(frame: Uint8Array, rng: Prng): Uint8Array {
  const out = frame.slice();
  for (let n = 1 + rng.below(3); n > 0 && out.length > 0; n--) out[rng.below(Math.min(out.length, 64))] = rng.chance(0.3) ? 0 : rng.below(256);
  return out;
}

function padded(frame: Uint8Array, to: number): Uint8Array {
  const out = new Uint8Array(Math.max(frame.length, to));
  out.set(frame);
  return out;
}
