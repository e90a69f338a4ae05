/**
 * lifecycle.mjs — Lifecycle: a host on which everything that can be made is made, used, moved and unmade in random order.
 *
 * One seed is one history. An operation may be refused, and is counted then; what it may not do is leave something behind or make the
 * books wrong: `check` looks at every vnet after every operation, `end` takes everything down and looks at what is left.
 * Some operations run inside the events of others: a handler that is called when an interface arrives, departs or changes its link moves,
 * destroys, or stops something itself. That is where the races of a kernel with many threads are in one with a single thread.
 *
 * What is made: interfaces of every kind and jails here, what protocols keep in lifecycle-protocols.mjs.
 * Used by the scenarios of lifecycle.sim.mjs and by `npm run soak`. Not here: time limits and the heap (scripts/soak.mjs).
 */
import {
  IFBIF_STP, LAGG_PROTO_BROADCAST, LAGG_PROTO_FAILOVER, LAGG_PROTO_LACP, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_NONE, LAGG_PROTO_ROUNDROBIN, Prng, bpfOpen, bridgeAdd, bridgeDelete, bridgeMembers, bridgeSetFlags, epairPeer, ifCloneCreate, ifCloneDestroy, ifDown, ifRename, ifSetDescription, ifSetMtu, ifUp, ifVmoveLoan, inAifaddr,
  laggAddPort, laggDeletePort, laggInfo, laggSetProtocol, tapOf, tunOf,
  tunnelDelete, tunnelSet, tunnelSet6, vlanConfig, vlanUnconfig, vxlanSetLocal, vxlanSetRemote, vxlanSetVni,
} from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { PROTOCOL_OPERATIONS, anyAddr6, undoProtocols } from './lifecycle-protocols.mjs';

/** @typedef {import('@netloom/core').Vnet} Vnet @typedef {import('@netloom/core').Ifnet} Ifnet @typedef {import('@netloom/core').Prison} Prison */

const JAILS_MAX = 8;
const IFS_MAX = 60;
/** Most that passes between two operations: packets under way arrive; verifications, elections and lifetimes come to their end. */
const SHORT_US = 2_000;
const LONG_US = 20_000_000;
const POINTOPOINT = 0x10;
/** @type {import('@netloom/core').LaggProtoNumber[]} */
const LAGG_PROTOS = [LAGG_PROTO_NONE, LAGG_PROTO_ROUNDROBIN, LAGG_PROTO_FAILOVER, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_LACP, LAGG_PROTO_BROADCAST];
const ETHERNET_TYPES = [6, 135];

export class Lifecycle {
  /** @param {number} seed */
  constructor(seed) {
    this.seed = seed;
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('lifecycle');
    this.kernel = this.net.kernel;
    this.kinds = this.kernel.vnet0.net.cloners.map((c) => c.name);
    /** @type {import('@netloom/core').Socket[]} */
    this.sockets = [];
    this.socketsMax = 24;
    /** @type {import('@netloom/core').BpfListener[]} */
    this.captures = [];
    this.names = 0;
    this.depth = 0;
    this.done = { ops: 0, refused: 0, nested: 0, moved: 0, created: 0, destroyed: 0, stopped: 0 };
    /** What there was before anything was made. */
    this.before = this.account();
    const { in6Net, net: { loif } } = this.kernel.vnet0;
    this.ownAddrs = loif === null ? [] : in6Net.addrsOf(loif).map((ia) => ia.addr);
  }

  /** One operation at random, and what time brings. */
  step() {
    this.done.ops++;
    this.arm();
    this.kernel.call(this.net.now, () => this.operate());
    this.net.run(this.rng.below(this.rng.chance(0.1) ? LONG_US : SHORT_US));
    this.disarm();
    this.check();
  }

  operate() {
    const ops = [
      () => this.createJail(), () => this.stopJail(), () => this.create(), () => this.create(), () => this.create(), () => this.destroy(), () => this.move(), () => this.move(),
      () => this.move(), () => this.address(), () => this.address(), () => this.upDown(), () => this.rename(), () => this.join(), () => this.open(), () => this.send(), () => this.send(),
      () => this.capture(), () => this.openDevice(), () => this.change(), () => this.configure(), () => this.configure(),
      ...PROTOCOL_OPERATIONS.map((op) => () => op(this)),
    ];
    const error = this.pick(ops)();
    if (error !== 0) this.done.refused++;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  pick(list) {
    return /** @type {T} */ (list[this.rng.below(list.length)]);
  }

  /** Vnets in which something may be done. @returns {Vnet[]} */
  vnets() {
    return [...this.kernel.vnets];
  }

  /** @returns {Ifnet | null} */
  anyIf() {
    const all = this.vnets().flatMap((v) => v.net.ifnets);
    return all.length === 0 ? null : this.pick(all);
  }

  /** The host's lo0, which is there before and after. @param {Ifnet} ifp */
  isOwn(ifp) {
    return ifp === this.kernel.vnet0.net.loif;
  }

  createJail() {
    const all = this.kernel.prisons.prison0.descendants().filter((p) => !p.dying);
    if (all.length >= JAILS_MAX) return 1;
    const parent = all.length > 0 && this.rng.chance(0.3) ? this.pick(all) : this.kernel.prisons.prison0;
    const name = `j${this.names++}`;
    const dotted = parent.parent === null ? name : `${parent.nameFrom(this.kernel.prisons.prison0)}.${name}`;
    return this.kernel.jailCreate(this.kernel.prisons.prison0, { name: dotted, persist: true, attach: false, vnet: true }).error;
  }

  stopJail() {
    const all = this.kernel.prisons.prison0.descendants().filter((p) => !p.dying);
    if (all.length === 0) return 1;
    this.done.stopped++;
    return this.kernel.jailRemove(this.pick(all));
  }

  create() {
    if (this.kernel.shared.attached >= IFS_MAX) return this.destroy();
    const vnet = this.pick(this.vnets());
    const kind = this.pick(this.kinds);
    const parents = vnet.net.ifnets.filter((i) => ETHERNET_TYPES.includes(i.type));
    const params = kind === 'vlan' && parents.length > 0 && this.rng.chance(0.8) ? { vlan: 1 + this.rng.below(6), vlandev: this.pick(parents).xname } : null;
    const { error } = ifCloneCreate(vnet.net, kind, params);
    if (error === 0) this.done.created++;
    return error;
  }

  destroy() {
    const ifp = this.anyIf();
    if (ifp === null || ifp.net === null) return 1;
    const error = ifCloneDestroy(ifp.net, ifp.xname);
    if (error === 0) this.done.destroyed++;
    return error;
  }

  move() {
    const ifp = this.anyIf();
    if (ifp === null || ifp.net === null) return 1;
    const from = ifp.net;
    const to = this.pick(this.vnets()).net;
    const error = ifVmoveLoan(from, ifp.xname, to);
    if (error === 0) this.done.moved++;
    else if (this.depth === 0 && ifp.net !== from && ifp.net !== null) throw new Error(`a refused move took ${ifp.xname} along`);
    return error;
  }

  address() {
    const ifp = this.anyIf();
    const vnet = ifp === null ? null : this.kernel.vnetOf(ifp);
    if (ifp === null || vnet === null) return 1;
    const net = this.rng.below(4);
    const far = (ifp.flags & POINTOPOINT) !== 0 ? { dstaddr: ip4(`10.${net}.0.${1 + this.rng.below(200)}`) } : {};
    return inAifaddr(vnet.inNet, ifp, { addr: ip4(`10.${net}.0.${1 + this.rng.below(200)}`), plen: 24, ...far });
  }

  upDown() {
    const ifp = this.anyIf();
    if (ifp === null) return 1;
    if (this.rng.chance(0.7)) ifUp(ifp);
    else ifDown(ifp);
    return 0;
  }

  rename() {
    const ifp = this.anyIf();
    return ifp === null ? 1 : ifRename(ifp, this.pick(['foo', 'bar', 'lan', 'wan', 'epair0b', 'vlan1', `n${this.names++}`]));
  }

  change() {
    const ifp = this.anyIf();
    if (ifp === null) return 1;
    return this.rng.chance(0.5) ? ifSetMtu(ifp, 1_280 + this.rng.below(400)) : ifSetDescription(ifp, `description ${this.rng.below(100)}`);
  }

  /** In or out of a bridge. */
  join() {
    const ifp = this.anyIf();
    const bridges = ifp?.net?.ifnets.filter((i) => i.dname === 'bridge') ?? [];
    if (ifp === null || bridges.length === 0) return 1;
    return this.rng.chance(0.8) ? bridgeAdd(this.pick(bridges), ifp.xname) : bridgeDelete(this.pick(bridges), ifp.xname);
  }

  /** What its kind can be told: ends of a tunnel, ports of an aggregate, the spanning tree, and the way back. */
  configure() {
    const ifp = this.anyIf();
    if (ifp === null || ifp.net === null) return 1;
    const [near, far] = [ip4(`10.${this.rng.below(4)}.0.${1 + this.rng.below(200)}`), ip4(`10.${this.rng.below(4)}.0.${1 + this.rng.below(200)}`)];
    const other = this.pick(ifp.net.ifnets).xname;
    const often = this.rng.chance(0.7);
    switch (ifp.dname) {
      case 'gif':
      case 'gre':
        if (!often) return tunnelDelete(ifp);
        return this.rng.chance(0.5) ? tunnelSet(ifp, near, far) : tunnelSet6(ifp, anyAddr6(this), anyAddr6(this));
      case 'vxlan':
        return vxlanSetVni(ifp, this.rng.below(4)) + vxlanSetLocal(ifp, near) + vxlanSetRemote(ifp, far);
      case 'bridge': {
        const member = bridgeMembers(ifp)?.[0]?.name ?? other;
        return often ? bridgeSetFlags(ifp, member, IFBIF_STP, 0) : bridgeSetFlags(ifp, member, 0, IFBIF_STP);
      }
      case 'lagg': {
        const port = laggInfo(ifp)?.ports[0]?.name ?? other;
        if (this.rng.chance(0.3)) laggSetProtocol(ifp, this.pick(LAGG_PROTOS));
        return often ? laggAddPort(ifp, other) : laggDeletePort(ifp, port);
      }
      case 'vlan':
        return often ? vlanConfig(ifp, other, 1 + this.rng.below(6)) : vlanUnconfig(ifp);
      default:
        return 1;
    }
  }

  open() {
    if (this.sockets.length >= this.socketsMax) {
      this.sockets.shift()?.close();
      return 0;
    }
    this.sockets.push(this.net.udp(this.pick(this.vnets()), 0));
    return 0;
  }

  send() {
    if (this.sockets.length === 0) return 1;
    const so = this.pick(this.sockets);
    if (so.in6p !== null) return 1;
    return so.send(new Uint8Array(1 + this.rng.below(3_000)), ip4(`10.${this.rng.below(4)}.0.${1 + this.rng.below(200)}`), 9);
  }

  capture() {
    const ifp = this.anyIf();
    if (ifp === null || ifp.net === null || (ifp.bpf?.count ?? 0) > 2) return 1;
    const { error, listener } = bpfOpen(ifp.net, ifp.xname, { promisc: this.rng.chance(0.5) });
    if (listener !== null) this.captures.push(listener);
    return error;
  }

  openDevice() {
    const ifp = this.anyIf();
    const sc = ifp === null ? null : (tapOf(ifp) ?? tunOf(ifp));
    if (sc === null) return 1;
    if (sc.isOpen) return sc.attach(null);
    return sc.attach({ offload: { csum: false, gso: false }, output: (m) => (m.free(), true) });
  }

  /** Hangs an operation on an event of some vnet, for this step. */
  arm() {
    if (!this.rng.chance(0.3)) return;
    const { net } = this.pick(this.vnets());
    const list = this.pick([net.arrivalEvent, net.departureEvent, net.linkEvent, net.upDownEvent]);
    this.off = list.register(() => {
      if (this.depth > 0) return;
      this.depth++;
      this.done.nested++;
      try {
        this.operate();
      } finally {
        this.depth--;
      }
    });
  }

  disarm() {
    this.off?.();
    this.off = undefined;
  }

  /** The books of every vnet. */
  check() {
    const seen = new Set();
    for (const { net, kern } of this.vnets()) {
      const names = new Set();
      for (const ifp of net.ifnets) {
        const must = (/** @type {boolean} */ ok, /** @type {string} */ what) => {
          if (!ok) throw new Error(`${kern.name}: ${ifp.xname}: ${what} (seed ${this.seed}, operation ${this.done.ops})`);
        };
        must(!names.has(ifp.xname), 'two interfaces of one name');
        must(ifp.net === net && !seen.has(ifp), 'not in exactly one vnet');
        must(net.ifByIndex(ifp.index) === ifp, `index ${ifp.index} names another interface`);
        must(!ifp.busy, 'still busy');
        must(ifp.homeNet?.cloners.some((c) => c.name === ifp.cloner && c.interfaces.includes(ifp)) ?? false, 'no cloner answers for it');
        const peer = epairPeer(ifp);
        must(ifp.dname !== 'epair' || (peer !== null && peer.net !== null && epairPeer(peer) === ifp), 'an epair without its other end');
        for (const g of ifp.groups) must(net.groups.get(g)?.includes(ifp) ?? false, `not listed in group ${g}`);
        names.add(ifp.xname);
        seen.add(ifp);
      }
      if (kern.ifcnt !== net.ifnets.length) throw new Error(`${kern.name}: ifcnt ${kern.ifcnt}, interfaces ${net.ifnets.length} (seed ${this.seed}, operation ${this.done.ops})`);
    }
    if (this.kernel.shared.attached !== seen.size) throw new Error(`${this.kernel.shared.attached} indexes, ${seen.size} interfaces (seed ${this.seed}, operation ${this.done.ops})`);
  }

  /**
   * What anybody holds, by kind; throws when something is unaccounted for or was left by a vnet that is gone. One event handler may be: `arm`
   * registers it, and the vnet may be gone before the operation is over.
   */
  account() {
    const { vnets, kernel, unaccounted, leaks } = this.kernel.audit();
    const lost = [...Object.entries(unaccounted).filter(([, n]) => n !== 0), ...leaks.filter((l) => l.name !== 'event handlers' || l.count > 1).map((l) => [`${l.name} of ${l.vnet}`, l.count])];
    if (lost.length > 0) throw new Error(`lost: ${lost.map(([what, n]) => `${n} ${what}`).join(', ')} (seed ${this.seed})`);
    const rows = [...kernel.map((r) => [r.name, r.count]), ...vnets.flatMap((v) => v.rows.map((r) => [`${v.vnet}: ${r.name}`, r.count]))];
    return Object.fromEntries(rows);
  }

  /** Stops every jail, destroys every interface, and compares with the beginning. */
  end() {
    const { kernel, net } = this;
    this.disarm();
    for (const so of this.sockets.splice(0)) so.close();
    for (const listener of this.captures.splice(0)) listener.close();
    kernel.call(net.now, () => {
      for (const p of [...kernel.prisons.prison0.children]) kernel.jailRemove(p);
    });
    for (let left = this.mine(); left.length > 0; left = this.mine()) {
      kernel.call(net.now, () => void ifCloneDestroy(kernel.vnet0.net, left.at(-1)?.xname ?? ''));
      if (this.mine().length >= left.length) throw new Error(`${left.map((i) => i.xname).join(' ')} cannot be destroyed (seed ${this.seed})`);
    }
    kernel.call(net.now, () => undoProtocols(kernel.vnet0, (ifp, addr) => this.isOwn(ifp) && this.ownAddrs.includes(addr)));
    net.run(120_000_000);
    net.log.length = 0;
    const after = this.account();
    for (const what of new Set([...Object.keys(this.before), ...Object.keys(after)])) {
      const [n, now] = [this.before[what] ?? 0, after[what] ?? 0];
      if (now !== n) throw new Error(`${what}: ${n} before, ${now} after (seed ${this.seed})`);
    }
  }

  /** What is left at the host, vlans before their parents. */
  mine() {
    const { ifnets } = this.kernel.vnet0.net;
    const own = ifnets.filter((i) => i.dname !== 'lo' || i.dunit !== 0);
    return [...own.filter((i) => i.trunk !== null), ...own.filter((i) => i.trunk === null)];
  }

  get summary() {
    const { ops, refused, nested, moved, created, destroyed, stopped } = this.done;
    return `${ops} operations (${refused} refused, ${nested} inside events): ${created} created, ${moved} moved, ${destroyed} destroyed, ${stopped} jails stopped`;
  }
}
