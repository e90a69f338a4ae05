/**
 * pcap-frames.ts — frames for filter tests: every kind of packet a filter can ask about, from a seed.
 *
 * The addresses, ports and ids are few and are those the tests' expressions name, so that most expressions meet frames of both kinds.
 * Each kind is also made with IP options, as a later fragment, behind tags and labels, cut short, and with bytes changed.
 */
import { Prng } from '@netloom/core';

const IP4 = [0x0a000001, 0x0a000002, 0x0a010203, 0xc0000201, 0xc6336401, 0xe0000001, 0xffffffff, 0];
const IP6 = [
  [0x20010db8, 0, 0, 1],
  [0x20010db8, 0, 0, 2],
  [0xfe800000, 0, 0, 1],
  [0xff020000, 0, 0, 1],
  [0, 0, 0xffff, 0x0a000001],
] as const;
const MACS = [[0x0200, 1], [0x0200, 2], [0xffff, 0xffffffff], [0x0100, 0x5e000001], [0x3333, 1], [0x0180, 0xc2000000]] as const;
const PORTS = [22, 53, 67, 68, 80, 443, 5, 7, 10, 1023, 1500, 3000];
const PROTOCOLS = [6, 17, 132, 1, 2, 9, 58, 50, 51, 89, 103, 112, 44];
const TAG_TYPES = [0x8100, 0x88a8, 0x9100];

/** Writes a frame from front to back. */
class FrameWriter {
  readonly bytes: number[] = [];
  private readonly prng: Prng;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.prng.below(choices.length)]!;
  }

  below(limit: number): number {
    return this.prng.below(limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.bytes.push(value & 255);
    return this;
  }

  u16(...values: readonly number[]): this {
    for (const value of values) this.u8(value >>> 8, value);
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.u16(value >>> 16, value);
    return this;
  }

  random(count: number): this {
    for (let i = 0; i < count; i++) this.u8(this.chance(50) ? this.below(8) : this.below(256));
    return this;
  }
}

/** What follows an IP header. */
function transport(w: FrameWriter, protocol: number): void {
  const ports = (): FrameWriter => w.u16(w.pick(PORTS), w.pick(PORTS));
  if (protocol === 6) ports().random(8).u8(w.pick([0x50, 0x60, 0x80]), w.pick([2, 0x12, 0x10, 1, 0x11, 4, 0x18])).random(40);
  else if (protocol === 17) ports().u16(8 + w.below(200), 0).u8(w.below(8), w.pick([0, 1, 2, 3]), w.below(8), w.below(8)).random(30);
  else if (protocol === 132) ports().random(40);
  else if (protocol === 1) w.u8(w.pick([8, 0, 3, 11]), 0).random(40);
  else if (protocol === 58) w.u8(w.pick([128, 129, 133, 134, 135, 136]), 0).random(40);
  else w.u8(w.pick([0, 0x11, 0x16, 0x21, 6, 17, 58])).random(60);
}

function ip4(w: FrameWriter): void {
  const words = w.chance(75) ? 5 : 6 + w.below(6);
  const protocol = w.pick(PROTOCOLS);
  const fragment = w.chance(80) ? w.pick([0, 0x4000, 0x2000]) : 0x2000 | (1 + w.below(0x1fff));
  w.u8(0x40 | words, w.below(4)).u16(20 + w.below(200), w.below(65536), fragment).u8(w.pick([1, 4, 7, 64, 255]), protocol).u16(0);
  w.u32(w.pick(IP4), w.pick(IP4)).random(4 * (words - 5));
  transport(w, protocol);
}

function ip6(w: FrameWriter): void {
  const next = w.pick(PROTOCOLS);
  w.u32(0x60000000).u16(w.below(200)).u8(next, 64).u32(...w.pick(IP6)).u32(...w.pick(IP6));
  if (next === 44) w.u8(w.pick(PROTOCOLS), 0).u16(w.below(16)).u32(1);
  transport(w, w.pick([next, 6, 17]));
}

/** ARP and reverse ARP. */
function arp(w: FrameWriter): void {
  w.u16(1, 0x0800, 0x0604, w.pick([1, 2, 3, 4])).u16(0x0200).u32(1, w.pick(IP4)).u16(0x0200).u32(2, w.pick(IP4)).random(18);
}

/** LLC frames: SNAP, spanning tree, OSI, IPX and others. The length field stands before. */
function llc(w: FrameWriter): void {
  const sap = w.pick([0x42, 0xfe, 0xf0, 0xe0, 0xaa, 0x06, 0xff]);
  w.u8(sap, sap, w.pick([3, 0x83, 0]));
  if (sap === 0xfe) w.u8(w.pick([0x81, 0x82, 0x83]), 0, 0, 0, w.pick([15, 16, 17, 18, 20, 24, 25, 26, 27]));
  if (sap === 0xaa) w.u8(w.pick([0, 8]), 0, w.pick([0, 7])).u16(w.pick([0x809b, 0x80f3, 0x8137]));
  w.random(50);
}

const PAYLOADS: readonly (readonly [type: number, write: (w: FrameWriter) => void])[] = [
  [0x0800, ip4], [0x0800, ip4], [0x0800, ip4], [0x86dd, ip6], [0x86dd, ip6], [0x0806, arp], [0x8035, arp], [60, llc],
];
const OTHER_TYPES = [0x88cc, 0x809b, 0x80f3, 0x8137, 0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x8863, 0x9000];

/** Type field and payload, behind tags, labels or PPPoE at times. */
function typed(w: FrameWriter, depth: number): void {
  const [type, write] = w.pick(PAYLOADS);
  if (depth < 3 && w.chance(20)) {
    w.u16(w.pick(TAG_TYPES), w.pick([1, 2, 5, 6]) | (w.below(8) << 13));
    typed(w, depth + 1);
  } else if (depth < 3 && w.chance(8)) {
    w.u16(0x8847);
    if (w.chance(50)) w.u32((1000 << 12) | 64);
    w.u32((w.pick([1000, 2000]) << 12) | 0x100 | 64);
    w.pick([ip4, ip6])(w);
  } else if (depth < 3 && w.chance(8)) {
    const [protocol, inner] = w.pick([[0x0021, ip4], [0x0057, ip6]] as const);
    w.u16(0x8864, 0x1100, w.pick([5, 7]), 100, protocol);
    inner(w);
  } else if (w.chance(6)) {
    w.u16(w.pick(OTHER_TYPES)).random(60);
  } else {
    w.u16(type);
    write(w);
  }
}

export type FrameLink = 'ethernet' | 'raw' | 'null';

/** `count` whole frames. */
export function wholeFrames(link: FrameLink, count: number, seed: number): Uint8Array[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, () => {
    const w = new FrameWriter(prng);
    const ip = w.pick([[ip4, 2], [ip6, w.pick([24, 28, 30])]] as const);
    if (link === 'ethernet') {
      for (const [high, low] of [w.pick(MACS), w.pick(MACS)]) w.u16(high).u32(low);
      typed(w, 0);
    } else {
      if (link === 'null') w.u8(w.chance(90) ? ip[1] : w.below(32), 0, 0, 0);
      ip[0](w);
    }
    return Uint8Array.from(w.bytes);
  });
}

/** The frames with some bytes changed, others cut short. */
export function brokenFrames(frames: readonly Uint8Array[], seed: number): Uint8Array[] {
  const prng = new Prng(seed);
  return frames.map((frame) => {
    if (prng.below(2) === 0) return frame.slice(0, prng.below(frame.length + 1));
    const broken = frame.slice();
    for (let i = prng.below(4); i >= 0; i--) broken[prng.below(Math.min(frame.length, 80))] = prng.below(256);
    return broken;
  });
}
