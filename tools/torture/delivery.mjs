/**
 * delivery.mjs — Delivery: two workers forward packets by shared tables, while this thread changes everything the tables are made of, as fast as it can.
 * Read first: packages/core/src/fwd/quiescence.ts; delivery-ids.mjs (what every address says); delivery-worker.mjs (who judges).
 *
 * Theory of operation. A Kernel with short paths routes some hundreds of destinations of both families over four ways. A packet says where it must arrive: every next hop that
 * its destination may ever have has a link address with the destination's number and the way in it, and the interface a link address with the way. So a next hop, a group, an adjacency, a
 * record of an interface or a node of a table that is used again while a worker may still come to it shows as a packet for somebody else, by the wrong port, or from a wrong address.
 * What was deleted, hidden or shut is marked when a grace period has passed since, and delivered to after that it shows as well.
 *
 * The order of operations is the seed's; what the workers see of it is the machine's. Used by scripts/delivery.mjs.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { AF_INET, AF_INET6, EEXIST, Kernel, Prng, RTF_BLACKHOLE, RTF_GATEWAY, bpfOpen, ifCloneCreate, ifCloneDestroy, ifDown, ifSetLladdr, ifUp, in6Aifaddr, inAifaddr, nd6Delete, nd6Set, quietEnv, tapOf, vlanConfig } from '@netloom/core';
import {
  DEAD, FAMILIES, HIDDEN, HIDDEN_HOST, IDS, SHUT, STOP, VLAN_IDS, VLAN_PORT, VLAN_WAY, WAYS, WORDS, destination4, destination6, gateway4, gateway6, gatewayMac, own6, ownMac,
} from './delivery-ids.mjs';

/** @typedef {import('@netloom/core').Ifnet} Ifnet @typedef {import('./delivery-worker.mjs').Report} Report */
/** @typedef {{ seed: number, plant?: string | undefined, workers?: number }} Options */

/** Prefixes that a destination may have, by family. */
const LENGTHS = [[20, 22, 24, 25, 28], [32, 36, 48, 64, 96]];
const OP_US = 40;
const START_US = 3_000_000;
/** Operations between two looks at what workers have said. */
const TURN = 16;
const BURST = 96;
const SINK = {
  offload: { csum: false, gso: false },
  /** @param {import('@netloom/core').PacketBuffer} m */
  output: (m) => {
    m.free();
    return true;
  },
};

export class Delivery {
  /** @param {Options} options */
  constructor({ seed, plant, workers = 2 }) {
    this.rng = new Prng(seed).split('delivery');
    this.seed = seed;
    this.kernel = new Kernel({ ...quietEnv(seed, 'delivery'), datapath: 'shared' });
    const { datapath } = this.kernel;
    if (datapath === null) throw new Error('no datapath');
    this.datapath = datapath;
    this.vnet = this.kernel.vnet0;
    this.now = 0;
    this.ops = 0;
    this.refused = 0;
    this.shared = new Int32Array(new SharedArrayBuffer(WORDS * 4));
    /** @type {import('@netloom/core').BpfListener[]} */
    this.captures = [];
    this.vlanIds = 0;
    /** @type {Promise<Report>[]} */
    this.reports = [];
    this.build();
    this.workers = workers;
    if (plant === 'reuse') this.reuseWithoutGrace();
  }

  /** The planted bug: nobody is waited for. */
  reuseWithoutGrace() {
    this.kernel.engine.readers.periods.passed = () => true;
  }

  /** @template T @param {() => T} fn @returns {T} */
  call(fn) {
    return this.kernel.call(this.now, fn);
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  pick(list) {
    return /** @type {T} */ (list[this.rng.below(list.length)]);
  }

  build() {
    const { vnet } = this;
    this.call(() => {
      for (const name of ['net.inet.ip.forwarding', 'net.inet6.ip6.forwarding', 'net.route.multipath']) vnet.kern.sysctl.set(name, 1);
    });
    for (let port = 0; port <= VLAN_PORT; port++) this.makeTap(port);
    this.makeVlan();
    this.pass(START_US);
    this.call(() => {
      for (let k = 0; k < IDS; k++) for (let f = 0; f < FAMILIES; f++) for (let way = 1; way <= WAYS; way++) this.setNeighbour(way, f, k);
      for (let n = 0; n < IDS * FAMILIES; n++) this.addRoute(this.rng.below(FAMILIES), this.rng.below(IDS));
    });
    for (let f = 0; f < FAMILIES; f++) for (let k = 0; k < IDS; k++) this.tellDead(f, k);
  }

  /** Starts the workers; resolves when they forward. */
  async start() {
    await Promise.all(Array.from({ length: this.workers }, () => this.startWorker()));
  }

  startWorker() {
    const { readers } = this.kernel.engine;
    const { port1, port2 } = new MessageChannel();
    const tables = this.call(() => this.datapath.start((message) => port1.postMessage(message)));
    const slot = readers.add();
    const workerData = { tables, periods: readers.periods.words, slot, seed: this.seed, shared: this.shared, port: port2 };
    const worker = new Worker(new URL('./delivery-worker.mjs', import.meta.url), { workerData, transferList: [port2] });
    port1.unref();
    this.reports.push(new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.on('message', (report) => report !== null && resolve(report));
      worker.once('exit', (code) => reject(new Error(`a worker has ended with ${code}`)));
    }));
    return new Promise((resolve) => worker.once('message', resolve));
  }

  /** Lets time pass, and does what is due. @param {number} us */
  pass(us) {
    this.now += us;
    this.kernel.tick(this.now);
    this.kernel.engine.readersPassed();
    this.kernel.settle();
  }

  /** @returns {boolean} no wrong delivery so far */
  step() {
    this.ops++;
    this.call(() => this.operate());
    if (this.ops % TURN === 0) this.pass(OP_US * TURN);
    return Atomics.load(this.shared, STOP) === 0;
  }

  /** Ends the workers. What they have counted must be what they have done. @returns {Promise<Report[]>} */
  async end() {
    Atomics.store(this.shared, STOP, 1);
    const reports = await Promise.all(this.reports);
    this.datapath.fold();
    const { ip: { stats: v4 }, ip6: { stats: v6 } } = this.vnet;
    const done = reports.reduce((n, r) => n + r.sent + r.dropped, 0);
    const counted = v4.fastforward + v4.cantforward + v6.fastforward + v6.cantforward;
    if (counted !== done) throw new Error(`workers sent or swallowed ${done} packets, ${counted} are counted (seed ${this.seed})`);
    return reports;
  }

  operate() {
    const { rng } = this;
    const f = rng.below(FAMILIES);
    const k = rng.below(IDS);
    const at = rng.below(1_000);
    if (at < 330) this.addRoute(f, k);
    else if (at < 560) this.changeRoute(f, k);
    else if (at < 810) this.deleteRoute(f, k);
    else if (at < 900) this.setNeighbour(1 + rng.below(WAYS), f, k);
    else if (at < 940) this.deleteNeighbour(1 + rng.below(WAYS), f, k);
    else if (at < 970) this.hide(f, k);
    else if (at < 990) this.show(f, k);
    else if (at < 992) this.upDown();
    else if (at < 994) this.rename();
    else if (at < 996) this.capture();
    else if (at < 998) this.burst();
    else if (at < 999) this.retag();
    else if (rng.chance(0.3)) this.remake();
  }

  /** @param {number} f @param {number} k @param {number} plen @param {number} way */
  spec(f, k, plen, way) {
    const terms = { fib: 0, plen, flags: RTF_GATEWAY, weight: 1 + this.rng.below(3) };
    return f === 0 ? /** @type {const} */ ({ family: 'inet', dst: destination4(k), gateway: gateway4(way, k), ...terms }) : /** @type {const} */ ({ family: 'inet6', dst: destination6(k), gateway: gateway6(way, k), ...terms });
  }

  /** @param {number} error */
  count(error) {
    if (error !== 0 && error !== EEXIST) this.refused++;
  }

  /** @param {number} f @param {number} k */
  addRoute(f, k) {
    this.tellAlive(f, k);
    this.count(this.vnet.routes.add(this.spec(f, k, this.pick(LENGTHS[f] ?? []), 1 + this.rng.below(WAYS))));
    this.tellDead(f, k);
  }

  /** @param {number} f @param {number} k */
  changeRoute(f, k) {
    this.tellAlive(f, k);
    this.count(this.vnet.routes.change(this.spec(f, k, this.pick(LENGTHS[f] ?? []), 1 + this.rng.below(WAYS))));
    this.tellDead(f, k);
  }

  /** One prefix, or all. @param {number} f @param {number} k */
  deleteRoute(f, k) {
    const lengths = this.rng.chance(0.5) ? (LENGTHS[f] ?? []) : [this.pick(LENGTHS[f] ?? [])];
    for (const plen of lengths) {
      if (this.rng.chance(0.5)) this.count(this.vnet.routes.delete(this.spec(f, k, plen, 1 + this.rng.below(WAYS))));
      else for (let way = 1; way <= WAYS; way++) this.count(this.vnet.routes.delete(this.spec(f, k, plen, way)));
    }
    this.tellDead(f, k);
  }

  /** @param {number} f @param {number} k */
  hasRoute(f, k) {
    return (LENGTHS[f] ?? []).some((plen) => (f === 0 ? this.vnet.routes.find(0, AF_INET, destination4(k), plen) : this.vnet.routes.find(0, AF_INET6, destination6(k), plen)) !== null);
  }

  /** Something that was impossible may be possible from here on. @param {number} word */
  permit(word) {
    const was = Atomics.load(this.shared, word);
    // What waits to forbid it, from before, finds another number.
    Atomics.store(this.shared, word, (was | 1) + 1);
  }

  /** It is impossible when every worker has passed, unless it is permitted before. @param {number} word */
  forbid(word) {
    const was = Atomics.load(this.shared, word);
    if ((was & 1) !== 0) return;
    this.kernel.engine.grace(() => {
      if (Atomics.load(this.shared, word) === was) Atomics.store(this.shared, word, was + 1);
    });
  }

  /** @param {number} f @param {number} k */
  tellAlive(f, k) {
    this.permit(DEAD + f * IDS + k);
  }

  /** @param {number} f @param {number} k */
  tellDead(f, k) {
    if (!this.hasRoute(f, k)) this.forbid(DEAD + f * IDS + k);
  }

  /** @param {number} way @param {number} f @param {number} k */
  setNeighbour(way, f, k) {
    const mac = gatewayMac(way, f, k, this.rng.below(256));
    this.count(f === 0 ? this.vnet.arp.set(gateway4(way, k), mac) : nd6Set(this.vnet.nd6, gateway6(way, k), mac));
  }

  /** @param {number} way @param {number} f @param {number} k */
  deleteNeighbour(way, f, k) {
    this.count(f === 0 ? this.vnet.arp.delete(gateway4(way, k)) : nd6Delete(this.vnet.nd6, gateway6(way, k)));
  }

  /** @param {number} f @param {number} k */
  hiding(f, k) {
    const terms = { fib: 0, flags: RTF_BLACKHOLE | RTF_GATEWAY };
    return f === 0 ? /** @type {const} */ ({ family: 'inet', dst: (destination4(k) | HIDDEN_HOST) >>> 0, plen: 32, gateway: 0x7f000001, ...terms })
      : /** @type {const} */ ({ family: 'inet6', dst: destination6(k, HIDDEN_HOST), plen: 128, gateway: destination6(0).fill(0).fill(1, 15), ...terms });
  }

  /** A host of the destination is swallowed. @param {number} f @param {number} k */
  hide(f, k) {
    const error = this.vnet.routes.add(this.hiding(f, k));
    this.count(error);
    if (error === 0) this.forbid(HIDDEN + f * IDS + k);
  }

  /** @param {number} f @param {number} k */
  show(f, k) {
    this.permit(HIDDEN + f * IDS + k);
    const error = this.vnet.routes.delete({ ...this.hiding(f, k), gateway: null });
    if (error !== 0 && this.hidden(f, k)) this.forbid(HIDDEN + f * IDS + k);
  }

  /** @param {number} f @param {number} k */
  hidden(f, k) {
    return (f === 0 ? this.vnet.routes.find(0, AF_INET, (destination4(k) | HIDDEN_HOST) >>> 0, 32) : this.vnet.routes.find(0, AF_INET6, destination6(k, HIDDEN_HOST), 128)) !== null;
  }

  /** @param {number} way */
  ifpOf(way) {
    return this.vnet.net.ifunit(way === VLAN_WAY ? 'vlan0' : `tap${way}`);
  }

  upDown() {
    const way = 1 + this.rng.below(WAYS);
    const ifp = this.ifpOf(way);
    if (ifp === null) return;
    if (ifp.isUp) {
      ifDown(ifp);
      // It is published at the end of this call; until then it may be up again.
      this.kernel.engine.defer(() => {
        if (this.ifpOf(way)?.isUp === false) this.forbid(SHUT + way);
      });
    } else {
      this.permit(SHUT + way);
      ifUp(ifp);
    }
  }

  /** Another link address. */
  rename() {
    const way = 1 + this.rng.below(WAYS - 1);
    const ifp = this.ifpOf(way);
    if (ifp !== null) ifSetLladdr(ifp, ownMac(way, this.rng.below(256)));
  }

  capture() {
    const [first] = this.captures;
    if (first !== undefined) {
      first.close();
      this.captures = [];
      return;
    }
    const ifp = this.ifpOf(1 + this.rng.below(WAYS));
    const listener = ifp === null ? null : bpfOpen(this.vnet.net, ifp.xname, {}).listener;
    if (listener !== null) this.captures.push(listener);
  }

  /** Many come or go at once: tables grow, and what was freed is used again. */
  burst() {
    const gone = this.rng.chance(0.5);
    for (let n = 0; n < BURST; n++) {
      const [f, k] = [this.rng.below(FAMILIES), this.rng.below(IDS)];
      if (gone) this.deleteRoute(f, k);
      else this.addRoute(f, k);
    }
  }

  /** The vlan gets another id. */
  retag() {
    const ifp = this.ifpOf(VLAN_WAY);
    this.vlanIds ^= 1;
    if (ifp !== null) vlanConfig(ifp, `tap${VLAN_PORT}`, VLAN_IDS[this.vlanIds] ?? 5);
  }

  /** An interface is destroyed with all that it has, and made again. */
  remake() {
    const way = 1 + this.rng.below(WAYS);
    if (way !== VLAN_WAY) {
      this.datapath.detachPort(way, () => undefined);
      ifCloneDestroy(this.vnet.net, `tap${way}`);
      if (way === VLAN_PORT) ifCloneDestroy(this.vnet.net, 'vlan0');
      // Another interface gets its index.
      if (this.rng.chance(0.5)) ifCloneDestroy(this.vnet.net, 'vlan0');
      this.makeTap(way);
    } else ifCloneDestroy(this.vnet.net, 'vlan0');
    if (this.ifpOf(VLAN_WAY) === null) this.makeVlan();
    for (let f = 0; f < FAMILIES; f++) {
      for (let k = 0; k < IDS; k++) {
        for (let w = 1; w <= WAYS; w++) if (this.rng.chance(0.7)) this.setNeighbour(w, f, k);
        this.tellDead(f, k);
      }
    }
  }

  /** @param {number} port */
  makeTap(port) {
    this.permit(SHUT + port);
    this.make(`tap${port}`, port, null);
    const ifp = this.vnet.net.ifunit(`tap${port}`);
    if (ifp === null) throw new Error(`no tap${port}`);
    const open = () => {
      tapOf(ifp)?.attach(SINK);
      this.datapath.attachPort(port, ifp, false);
    };
    if (this.now === 0) this.call(open);
    else open();
  }

  makeVlan() {
    this.permit(SHUT + VLAN_WAY);
    this.make('vlan0', VLAN_WAY, { vlan: VLAN_IDS[this.vlanIds] ?? 5, vlandev: `tap${VLAN_PORT}` });
  }

  /** @param {string} name @param {number} way @param {import('@netloom/core').CloneParams | null} params */
  make(name, way, params) {
    const make = () => {
      const { error, ifp } = ifCloneCreate(this.vnet.net, name, params);
      if (error !== 0 || ifp === null) throw new Error(`${name}: ${error}`);
      ifSetLladdr(ifp, ownMac(way, 0));
      inAifaddr(this.vnet.inNet, ifp, { addr: (0x0a000001 + (way << 16)) >>> 0, plen: 16 });
      in6Aifaddr(this.vnet.in6Net, ifp, { addr: own6(way), plen: 64 });
      ifUp(ifp);
    };
    if (this.now === 0) this.call(make);
    else make();
  }
}
