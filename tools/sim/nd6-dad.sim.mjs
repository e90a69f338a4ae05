/**
 * nd6-dad.sim.mjs — four to eight hosts on one switch take IPv6 addresses from a small pool, at times of their own, so that they collide; cables are
 * cut and joined, interfaces go down and up. Whenever things have settled: of hosts that have been joined to the switch since they took an address
 * no two have it, nothing is being verified any longer, and no address waits on an interface that is up. Afterwards nothing is left.
 */
import { IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE, Prng, bridgeAdd, ifDown, ifUp, in6Aifaddr, in6Difaddr } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { ip6Equals, ip6Format, ip6Parse } from '@netloom/core/wire';
import { must, mustEnd } from './oracle.mjs';

const SECOND = 1_000_000;
const STEPS = 40;
/** Random delay, one probe, and the time to object. */
const SETTLED = 4 * SECOND;
const POOL = [1, 2, 3, 4, 5].map((n) => ip6Parse(`2001:db8::${n}`) ?? new Uint8Array(16));

/** @typedef {{ name: string, v: ReturnType<SimNet['vnet']>, ifp: import('@netloom/core').Ifnet, port: import('@netloom/core').Ifnet, taken: Map<Uint8Array, boolean> }} Host */

class Link {
  /** @param {number} seed */
  constructor(seed) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('dad');
    const v = this.net.vnet('switch');
    const bridge = this.net.clone(v, 'bridge');
    this.call(() => ifUp(bridge));
    /** @type {Host[]} */
    this.hosts = [];
    for (let i = 0; i < 4 + this.rng.below(5); i++) {
      const host = this.net.vnet(`h${i}`);
      const [port, ifp] = this.net.epair(v, host);
      this.call(() => {
        bridgeAdd(bridge, port.xname);
        ifUp(port);
        ifUp(ifp);
      });
      this.hosts.push({ name: host.name, v: host, ifp, port, taken: new Map() });
    }
  }

  /** @param {() => unknown} fn */
  call(fn) {
    this.net.kernel.call(this.net.now, fn);
  }

  /** Something happens to one host. */
  disturb() {
    const { rng } = this;
    const h = this.hosts[rng.below(this.hosts.length)];
    const addr = POOL[rng.below(POOL.length)];
    if (h === undefined || addr === undefined) return;
    switch (rng.below(6)) {
      case 0:
      case 1:
      case 2:
        // An address taken while the host is alone is nobody's business.
        h.taken.set(addr, h.port.isUp && h.ifp.isUp);
        return this.call(() => {
          in6Difaddr(h.v.in6Net, h.ifp, addr);
          in6Aifaddr(h.v.in6Net, h.ifp, { addr, plen: 64 });
        });
      case 3:
        h.taken.delete(addr);
        return this.call(() => in6Difaddr(h.v.in6Net, h.ifp, addr));
      case 4:
        for (const a of h.taken.keys()) h.taken.set(a, false);
        return this.call(() => (h.port.isUp ? ifDown(h.port) : ifUp(h.port)));
      default:
        for (const a of h.taken.keys()) h.taken.set(a, false);
        return this.call(() => (h.ifp.isUp ? ifDown(h.ifp) : ifUp(h.ifp)));
    }
  }

  /** Hosts that have `addr` for good. @param {Uint8Array} addr */
  owners(addr) {
    return this.hosts.filter((h) => h.v.in6Net.addrsOf(h.ifp).some((ia) => ip6Equals(ia.addr, addr) && (ia.flags & (IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED)) === 0));
  }

  check() {
    for (const addr of POOL) {
      const verified = this.owners(addr).filter((h) => h.taken.get(addr) === true);
      must(verified.length <= 1, `${ip6Format(addr)} is at ${verified.map((h) => h.name).join(' and ')}, who were joined when they took it`);
    }
    for (const h of this.hosts) {
      const running = h.v.nd6.dad.running;
      // One whose interface is down tries a while longer.
      must(running === 0 || !h.ifp.isUp || !h.ifp.isRunning, `${h.name} still verifies ${running} addresses`);
      const waiting = h.v.in6Net.addrsOf(h.ifp).filter((ia) => (ia.flags & IN6_IFF_TENTATIVE) !== 0).length;
      must(waiting === 0 || !h.ifp.isUp || !h.ifp.isRunning, `${h.name} is up and has ${waiting} addresses that nobody verifies`);
    }
  }
}

/** @param {number} seed */
function run(seed) {
  const link = new Link(seed);
  const { net, rng } = link;
  for (let i = 0; i < STEPS; i++) {
    link.disturb();
    net.run(rng.below(SECOND));
    // Sometimes several begin within one probe.
    if (rng.chance(0.5)) continue;
    net.run(SETTLED);
    link.check();
  }
  net.run(SETTLED);
  link.check();
  const duplicates = link.hosts.reduce((sum, { v }) => sum + v.in6Net.addrs.filter((ia) => (ia.flags & IN6_IFF_DUPLICATED) !== 0).length, 0);
  mustEnd(net);
  return `${link.hosts.length} hosts, ${duplicates} duplicates at the end`;
}

export const scenarios = [{ name: 'nd6-dad', run }];
