/**
 * tcp-network.mjs — the network of tcp.sim.mjs: two hosts, up to three routers between them, links of every quality, and what happens to them
 * while connections run over them.
 *
 * Everything is drawn from the seed when the network is made. `disturb` says what will happen, and when: a path becomes narrower, with or without
 * ICMP; an interface goes down for a while, or to another vnet and back; a vnet is stopped. `isCut` says whether a connection may fail for it.
 */
import { IN6_IFF_NODAD, Prng, ifDown, ifSetMtu, ifUp, in6Aifaddr, inAifaddr } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { ip4ParsePrefix, ip6Parse, ip6ParsePrefix } from '@netloom/core/wire';
import { must, mustEnd } from './oracle.mjs';

const SECOND = 1_000_000;
const ETHER_HDR_LEN = 14;
const TCP_PROTO = 6;
/** RTF_GATEWAY | RTF_STATIC */
const GATEWAY = 0x2 | 0x800;
/** Longest time for which the path is gone and connections must survive it. */
const OUTAGE = 30 * SECOND;

/** @typedef {ReturnType<SimNet['vnet']>} Vnet */
/** @typedef {import('@netloom/core').Ifnet} Ifnet */
/** @typedef {{ v: Vnet, ifp: Ifnet, end: import('@netloom/core/sim').SimLinkEnd | null, a4: string, a6: string }} Side */
/** @typedef {{ i: number, sides: [Side, Side], choke: number }} Hop */

/** @param {string} text */
const ip6 = (text) => ip6Parse(text) ?? new Uint8Array(16);

export class TcpNetwork {
  /** @param {number} seed */
  constructor(seed) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('tcp');
    const { rng } = this;
    this.quality = rng.below(4);
    /** Are frames changed on the way? ARP has no checksum: neighbours are told then. */
    this.corrupts = this.quality >= 2 && rng.chance(0.3);
    /** Worst loss of a link. */
    this.loss = 0;
    /** Something may have ended connections. */
    this.isCut = false;
    /** The path is gone for good. */
    this.isDead = false;
    /** It was touched at all. */
    this.isDisturbed = false;
    const n = 1 + rng.below(4);
    /** @type {Vnet[]} */
    this.vnets = [];
    for (let i = 0; i <= n; i++) this.vnets.push(this.net.vnet(`v${i}`));
    this.attic = this.net.vnet('attic');
    for (const v of this.vnets) {
      v.kern.sysctl.set('net.inet.ip.forwarding', 1);
      v.kern.sysctl.set('net.inet6.ip6.forwarding', 1);
    }
    /** @type {Hop[]} */
    this.hops = [];
    const worst = rng.below(n);
    for (let i = 0; i < n; i++) this.hops.push(this.hop(i, i === worst, n));
    for (const h of this.hops) for (const s of h.sides) this.configure(h, s);
  }

  get first() {
    return this.vnets[0] ?? this.attic;
  }

  get last() {
    return this.vnets.at(-1) ?? this.attic;
  }

  /** Address of the host at one end or the other. @param {number} side @param {boolean} six */
  address(side, six) {
    const s = side === 0 ? this.hops[0]?.sides[0] : this.hops.at(-1)?.sides[1];
    return six ? { addr: ip6(s?.a6 ?? ''), scopeId: 0 } : ip4(s?.a4 ?? '');
  }

  /** @param {() => unknown} fn */
  call(fn) {
    this.net.kernel.call(this.net.now, fn);
  }

  /** What a link of `n` is like. @param {boolean} worst @param {number} n */
  faults(worst, n) {
    const { rng, quality } = this;
    const delayUs = rng.below(rng.chance(0.1) ? 100_000 : 10_000);
    if (quality === 0) return { delayUs, queueMax: 100_000 };
    const loss = worst ? rng.below(quality === 3 ? 21 : 6) / 100 : rng.below(2) / 100;
    this.loss = Math.max(this.loss, loss);
    const bits = rng.chance(0.4) ? (1 + rng.below(100)) * 1_000_000 : rng.chance(0.2) ? 64_000 + rng.below(1_000_000) : Number.POSITIVE_INFINITY;
    return {
      delayUs, loss, jitterUs: rng.chance(0.5) ? rng.below(5_000) : 0, reorder: rng.chance(0.4) ? rng.below(20) / 100 : 0, duplicate: rng.chance(0.3) ? rng.below(5) / 100 : 0,
      corrupt: this.corrupts && worst ? rng.below(4) / 100 : 0, bitsPerSec: bits, queueMax: rng.chance(0.3) ? 10 + rng.below(50) : 1_000, lro: rng.chance(0.3),
      // Behind a router a super-segment that has crossed whole would be a frame that is too long.
      tso: n === 1 && rng.chance(0.3),
    };
  }

  /** @param {number} i @param {boolean} worst @param {number} n @returns {Hop} */
  hop(i, worst, n) {
    const { rng, net } = this;
    const a = this.vnets[i] ?? this.attic;
    const b = this.vnets[i + 1] ?? this.attic;
    /** @param {number} k */
    const names = (k) => ({ a4: `10.0.${i}.${k}`, a6: `2001:db8:0:${i}::${k}` });
    if (!worst && rng.chance(0.25)) {
      const [p, q] = net.epair(a, b);
      return { i, choke: 0, sides: [{ v: a, ifp: p, end: null, ...names(1) }, { v: b, ifp: q, end: null, ...names(2) }] };
    }
    const [p, q] = net.link(a, b, this.faults(worst, n));
    /** @type {Hop} */
    const hop = { i, choke: 0, sides: [{ v: a, ifp: p.ifp, end: p, ...names(1) }, { v: b, ifp: q.ifp, end: q, ...names(2) }] };
    for (const end of [p, q]) {
      const pass = end.transmit.bind(end);
      end.transmit = (ifp, m) => {
        if (hop.choke === 0 || packetLength(m) <= hop.choke) return pass(ifp, m);
        m.free();
        return 0;
      };
    }
    return hop;
  }

  /** Addresses, neighbours and routes of one side; also again, after they were lost. @param {Hop} hop @param {Side} s */
  configure(hop, s) {
    const { v } = s;
    this.call(() => {
      const p4 = ip4ParsePrefix(`${s.a4}/24`);
      if (p4 !== null) inAifaddr(v.inNet, s.ifp, { addr: p4.addr, plen: p4.len });
      in6Aifaddr(v.in6Net, s.ifp, { addr: ip6(s.a6), plen: 64, flags: IN6_IFF_NODAD });
      const other = hop.sides[s === hop.sides[0] ? 1 : 0];
      if (this.corrupts) v.arp.set(ip4(other.a4), other.ifp.lladdr);
      const right = s === hop.sides[0];
      for (let j = 0; j < this.hops.length; j++) if (right ? j > hop.i : j < hop.i) this.route(v, j, other);
    });
  }

  /** Network `j` is behind `other`. @param {Vnet} v @param {number} j @param {{ a4: string, a6: string }} other */
  route(v, j, other) {
    v.routes.add({ fib: 0, family: 'inet', dst: ip4(`10.0.${j}.0`), plen: 24, gateway: ip4(other.a4), flags: GATEWAY });
    const p = ip6ParsePrefix(`2001:db8:0:${j}::/64`);
    if (p !== null) v.routes.add({ fib: 0, family: 'inet6', dst: p.addr, plen: 64, gateway: ip6(other.a6), flags: GATEWAY });
  }

  /**
   * What will happen: times and deeds. `six`: is there an IPv6 connection?
   * @param {boolean} six @returns {{ at: number, what: string, run: () => void }[]}
   */
  disturb(six) {
    const { rng } = this;
    /** @type {{ at: number, what: string, run: () => void }[]} */
    const deeds = [];
    for (let n = rng.chance(0.5) ? 0 : 1 + rng.below(3); n > 0; n--) {
      const hop = this.hops[rng.below(this.hops.length)];
      const at = this.net.now + rng.below(rng.chance(0.5) ? SECOND : 10 * SECOND);
      if (hop === undefined) continue;
      this.isDisturbed = true;
      const side = hop.sides[rng.below(2)] ?? hop.sides[0];
      const back = at + 1 + rng.below(OUTAGE);
      const mtu = (six ? 1_280 : 600) + rng.below(200);
      switch (rng.below(6)) {
        case 0:
        case 1:
          deeds.push({ at, what: `mtu of link ${hop.i} ${mtu}`, run: () => this.call(() => hop.sides.forEach((s) => ifSetMtu(s.ifp, mtu))) });
          break;
        case 2:
          if (side.end === null) break;
          // A router that drops without a word; without the detection of that a connection ends.
          if (this.blackholeDetected()) deeds.push({ at, what: `link ${hop.i} drops what is above 1300`, run: () => void (hop.choke = 1_300) });
          else deeds.push({ at, what: `link ${hop.i} drops what is above ${mtu}`, run: () => void (hop.choke = mtu) }, { at: back, what: `link ${hop.i} does not any more`, run: () => void (hop.choke = 0) });
          break;
        case 3:
          deeds.push({ at, what: `${side.v.name}: ${side.ifp.xname} down`, run: () => this.call(() => ifDown(side.ifp)) }, { at: back, what: 'up', run: () => this.restore() });
          break;
        case 4:
          deeds.push({ at, what: `${side.v.name}: ${side.ifp.xname} to the attic`, run: () => this.move(side, this.attic) }, { at: back, what: 'and back', run: () => this.move(side, side.v) });
          break;
        default: {
          if (!rng.chance(0.3)) break;
          const v = this.vnets[rng.below(this.vnets.length)] ?? this.attic;
          deeds.push({ at, what: `${v.name} is stopped`, run: () => this.stop(v) });
        }
      }
    }
    return deeds;
  }

  blackholeDetected() {
    return this.first.tcp.tun.pmtudBlackholeDetection === 1 && this.last.tcp.tun.pmtudBlackholeDetection === 1;
  }

  /** @param {Side} s @param {Vnet} to */
  move(s, to) {
    if (this.isDead || s.ifp.net === null || s.ifp.net === to.net) return;
    s.ifp = this.net.move(s.ifp, to);
    this.net.up(s.ifp);
    if (to === s.v) this.restore();
  }

  /** All that the interfaces where they belong should have. */
  restore() {
    if (this.isDead) return;
    for (const h of this.hops) {
      for (const s of h.sides) {
        if (s.ifp.net !== s.v.net) continue;
        this.call(() => ifUp(s.ifp));
        this.configure(h, s);
      }
    }
  }

  /** @param {Vnet} v */
  stop(v) {
    this.isCut = true;
    this.isDead = true;
    const prison = this.net.kernel.prisons.prison0.descendants().find((p) => p.vnet === v && !p.dying);
    if (prison !== undefined) this.call(() => this.net.kernel.jailRemove(prison));
  }

  /** Everything goes; throws when something is left. */
  end() {
    const { net } = this;
    const { unaccounted } = net.kernel.audit();
    must(Object.values(unaccounted).every((n) => n === 0), `unaccounted: ${JSON.stringify(unaccounted)}`);
    mustEnd(net, this.hops.flatMap((h) => h.sides.flatMap((s) => s.end ?? [])));
  }
}

/** Length of an IP packet in a frame, or of the longest one that a super-segment is cut into. @param {import('@netloom/core').PacketBuffer} m */
function packetLength(m) {
  const ip = m.off + ETHER_HDR_LEN;
  const whole = m.len - ETHER_HDR_LEN;
  if (m.gsoSize === 0) return whole;
  const six = m.view.getUint8(ip) >> 4 === 6;
  if ((six ? m.view.getUint8(ip + 6) : m.view.getUint8(ip + 9)) !== TCP_PROTO) return whole;
  const hlen = six ? 40 : (m.view.getUint8(ip) & 15) * 4;
  return hlen + (m.view.getUint8(ip + hlen + 12) >> 4) * 4 + m.gsoSize;
}
