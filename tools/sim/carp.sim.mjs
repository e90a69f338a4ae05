/**
 * carp.sim.mjs — two to five routers share an address on two switches joined by a cable. Cables fail and come back, interfaces lose their link,
 * hosts are demoted, made master or backup by hand, restarted with another advskew. Whenever things have settled, every segment with a router that
 * can run has exactly one master, the address reaches that one and no other, and afterwards nothing is left.
 */
import {
  CARP_BACKUP, CARP_MASTER, CARP_STATES, LINK_STATE_DOWN, LINK_STATE_UP, Prng, bridgeAdd, carpList, ifDown, ifLinkStateChange, ifUp, inAifaddr, inDifaddr,
} from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { must, mustEnd } from './oracle.mjs';

const SECOND = 1_000_000;
const STEPS = 30;
/** Three of the longest intervals (advbase 1, advskew 240 by demotion), and the time a preempted master needs to hear of it. */
const SETTLED = 9 * SECOND;
const VIP = ip4('192.0.2.1');
const KEY = Uint8Array.from([1, 2, 3]);

/** @typedef {{ name: string, v: ReturnType<SimNet['vnet']>, ifp: import('@netloom/core').Ifnet, port: import('@netloom/core').Ifnet, side: number, cut: boolean, link: boolean }} Router */

class Site {
  /** @param {number} seed */
  constructor(seed) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('carp');
    this.switches = /** @type {const} */ ([this.makeSwitch(0), this.makeSwitch(1)]);
    this.trunk = this.net.epair(this.switches[0].v, this.switches[1].v);
    this.call(() => this.switches.forEach(({ bridge }, i) => bridgeAdd(bridge, this.trunk[i === 0 ? 0 : 1].xname)));
    this.joined = true;
    /** @type {Router[]} */
    this.routers = [];
    for (let i = 0; i < 2 + this.rng.below(4); i++) this.routers.push(this.makeRouter(i));
  }

  /** @param {() => unknown} fn */
  call(fn) {
    this.net.kernel.call(this.net.now, fn);
  }

  /** @param {number} side */
  makeSwitch(side) {
    const v = this.net.vnet(`switch${side}`);
    const bridge = this.net.clone(v, 'bridge');
    this.net.addr(v, bridge, `192.0.2.${250 + side}/24`);
    return { v, bridge };
  }

  /** @param {number} i @returns {Router} */
  makeRouter(i) {
    const side = this.rng.chance(0.5) ? 0 : 1;
    const sw = this.switches[side === 0 ? 0 : 1];
    const v = this.net.vnet(`r${i}`);
    const [port, ifp] = this.net.epair(sw.v, v);
    this.call(() => bridgeAdd(sw.bridge, port.xname));
    this.net.addr(v, ifp, `192.0.2.${10 + i}/24`);
    v.kern.sysctl.set('net.inet.carp.preempt', this.rng.below(2));
    const made = { name: v.name, v, ifp, port, side, cut: false, link: true };
    this.join(made);
    return made;
  }

  /** The router joins the group, perhaps with the advskew of another. @param {Router} r */
  join(r) {
    const advskew = this.rng.below(4) * 50;
    this.call(() => {
      r.v.carp.set(r.ifp, { vhid: 1, advskew, key: KEY });
      inAifaddr(r.v.inNet, r.ifp, { addr: VIP, plen: 24, vhid: 1 });
    });
  }

  /** Something happens. */
  disturb() {
    const { rng } = this;
    const r = this.routers[rng.below(this.routers.length)];
    if (r === undefined) return;
    switch (rng.below(8)) {
      case 0:
        this.joined = !this.joined;
        return this.call(() => (this.joined ? ifUp(this.trunk[0]) : ifDown(this.trunk[0])));
      case 1:
        r.cut = !r.cut;
        return this.call(() => (r.cut ? ifDown(r.port) : ifUp(r.port)));
      case 2:
        r.link = !r.link;
        return this.call(() => ifLinkStateChange(r.ifp, r.link ? LINK_STATE_UP : LINK_STATE_DOWN));
      case 3:
        return this.call(() => (r.ifp.isUp ? ifDown(r.ifp) : ifUp(r.ifp)));
      case 4:
        return void r.v.kern.sysctl.set('net.inet.carp.demotion', rng.below(300) - 150);
      case 5:
        return this.call(() => r.v.carp.set(r.ifp, { vhid: 1, state: rng.chance(0.5) ? CARP_MASTER : CARP_BACKUP }));
      case 6:
        this.call(() => inDifaddr(r.v.inNet, r.ifp, VIP));
        return this.join(r);
      default:
        return void r.v.kern.sysctl.set('net.inet.carp.preempt', rng.below(2));
    }
  }

  /** Routers that hear each other, and the switch whose host hears them; null for one that is cut off. */
  segments() {
    const runs = this.routers.filter((r) => r.link && r.ifp.isUp);
    const alone = runs.filter((r) => r.cut).map((r) => ({ host: null, routers: [r] }));
    const on = /** @param {number} side */ (side) => runs.filter((r) => !r.cut && r.side === side);
    const rest = this.joined
      ? [{ host: this.switches[0].v, routers: [...on(0), ...on(1)] }]
      : this.switches.map(({ v }, side) => ({ host: v, routers: on(side) }));
    return [...alone, ...rest];
  }

  /** @param {Router} r */
  state(r) {
    return CARP_STATES[carpList(r.ifp)[0]?.state ?? 0];
  }

  check() {
    for (const r of this.routers) if (!r.link || !r.ifp.isUp) must(this.state(r) === 'INIT', `${r.name} has no link and is ${this.state(r)}`);
    for (const { host, routers } of this.segments()) {
      const masters = routers.filter((r) => this.state(r) === 'MASTER');
      const states = routers.map((r) => `${r.name} ${this.state(r)}`).join(', ');
      must(routers.length === 0 || masters.length === 1, `a segment has ${masters.length} masters: ${states}`);
      for (const r of this.routers) must(r.v.inNet.isLocal(VIP) === (this.state(r) === 'MASTER'), `${r.name} is ${this.state(r)} and has the address: ${r.v.inNet.isLocal(VIP)}`);
      if (host !== null) this.checkReach(host, masters[0] ?? null);
    }
  }

  /** @param {ReturnType<SimNet['vnet']>} host @param {Router | null} master */
  checkReach(host, master) {
    const sockets = this.routers.map(({ v }) => this.net.udp(v, 7));
    const tx = this.net.udp(host);
    this.call(() => host.arp.flushAll());
    tx.send(new Uint8Array(1), VIP, 7);
    this.net.run(50_000);
    sockets.forEach((so, i) => {
      const r = /** @type {Router} */ (this.routers[i]);
      let n = 0;
      for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
        n++;
        m.free();
      }
      must(n === (r === master ? 1 : 0), `${r.name}, which is ${this.state(r)}, got ${n} of a datagram from ${host.name} to the address`);
    });
    for (const so of [tx, ...sockets]) so.close();
  }
}

/** @param {number} seed */
function run(seed) {
  const site = new Site(seed);
  const { net, rng } = site;
  for (let step = 0; step < STEPS; step++) {
    for (let n = 1 + rng.below(3); n > 0; n--) {
      site.disturb();
      net.run(rng.below(3 * SECOND));
    }
    net.run(SETTLED);
    site.check();
  }
  const ads = site.routers.reduce((sum, { v }) => sum + v.carp.stats.opackets, 0);
  for (const { v } of site.routers) must(v.carp.stats.badauth + v.carp.stats.badsum + v.carp.stats.badttl === 0, `${v.name} refused an advertisement`);
  mustEnd(net);
  return `${site.routers.length} routers, ${ads} advertisements`;
}

export const scenarios = [{ name: 'carp', run }];
