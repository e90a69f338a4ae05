/**
 * bridge-stp.sim.mjs — random meshes of bridges, some with the old protocol: the spanning tree that is left is a tree, reaches everybody,
 * has the right root, comes back after a cut and after a change of priority, and nothing goes in circles while it changes.
 */
import { Prng, bridgeAdd, bridgeMembers, bridgeParams, bridgeSetFlags, bridgeSetMemberParam, bridgeSetParam, ifDown, ifUp } from '@netloom/core';
import { SimNet, craftEther } from '@netloom/core/sim';
import { must, mustEnd } from './oracle.mjs';

/** @typedef {import('@netloom/core').Ifnet} Ifnet */
/** @typedef {{ name: string, ifp: Ifnet, vnet: import('@netloom/core').Vnet, probe: import('@netloom/core/sim').SimLinkEnd, got: number }} Node */
/** @typedef {{ a: Node, b: Node, ends: readonly [Ifnet, Ifnet] }} Edge */

const IFBIF_STP = 0x4;
const IFBIF_BSTP_PTP = 0x80;
const S = 1_000_000;
/** Longer than any tree takes: a lost neighbour, then the old protocol's listening and learning, twice over. */
const SETTLED_US = 120 * S;
const PROBE_TYPE = 0x88b5;
/** Copies of one broadcast that a station may see while the tree changes; a loop makes dozens. */
const COPIES_MAX = 4;

/** A connected mesh of bridges with a station behind each. */
class Mesh {
  /** @param {number} seed @param {'rstp' | 'mixed'} kind */
  constructor(seed, kind) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('mesh');
    /** @type {Node[]} */
    this.nodes = [];
    /** @type {Edge[]} */
    this.edges = [];
    /** @type {{ destroy(): void }[]} */
    this.links = [];
    const n = 2 + this.rng.below(7);
    for (let i = 0; i < n; i++) this.addNode(`b${i}`, kind === 'mixed' && this.rng.below(3) === 0);
    for (let i = 1; i < n; i++) this.addEdge(i, this.rng.below(i));
    for (let extra = this.rng.below(2 * n); extra > 0; extra--) {
      const a = this.rng.below(n);
      this.addEdge(a, (a + 1 + this.rng.below(n - 1)) % n);
    }
  }

  /** @template T @param {() => T} fn */
  call(fn) {
    return this.net.kernel.call(this.net.now, fn);
  }

  /** @param {string} name @param {boolean} old it speaks the old protocol */
  addNode(name, old) {
    const vnet = this.net.vnet(name);
    const ifp = this.net.clone(vnet, 'bridge');
    const [port, probe] = this.net.link(vnet, this.net.vnet(`${name}s`), { delayUs: 10 });
    this.links.push(port, probe);
    const node = { name, ifp, vnet, probe, got: 0 };
    probe.ifp.input = (_ifp, m) => {
      if (m.view.getUint16(m.off + 12) === PROBE_TYPE) node.got++;
      m.free();
    };
    this.call(() => {
      must(bridgeSetParam(ifp, 'proto', old ? 0 : 2) === 0, 'proto');
      if (old) bridgeSetParam(ifp, 'fwddelay', 4 + this.rng.below(10));
      must(bridgeAdd(ifp, port.ifp.xname) === 0, 'addm');
    });
    this.net.up(ifp);
    this.nodes.push(node);
  }

  /** @param {number} i @param {number} j */
  addEdge(i, j) {
    const [a, b] = [this.nodes[i], this.nodes[j]];
    if (a === undefined || b === undefined) return;
    const ends = this.rng.below(2) === 0 ? this.net.epair(a.vnet, b.vnet) : this.slowLink(a, b);
    // A link without a medium does not say that it has two ends: then agreements do not count, unless the administrator says so.
    const ptp = this.rng.below(2) === 0 ? IFBIF_BSTP_PTP : 0;
    this.call(() => {
      for (const [node, end] of /** @type {const} */ ([[a, ends[0]], [b, ends[1]]])) {
        must(bridgeAdd(node.ifp, end.xname) === 0, 'addm');
        must(bridgeSetFlags(node.ifp, end.xname, IFBIF_STP | ptp, 0) === 0, 'stp');
        if (this.rng.below(3) === 0) bridgeSetMemberParam(node.ifp, end.xname, 'ifpathcost', 1 + this.rng.below(20_000));
      }
    });
    this.edges.push({ a, b, ends });
  }

  /** @param {Node} a @param {Node} b @returns {readonly [Ifnet, Ifnet]} */
  slowLink(a, b) {
    const ends = this.net.link(a.vnet, b.vnet, { delayUs: 1 + this.rng.below(2_000) });
    this.links.push(...ends);
    return [ends[0].ifp, ends[1].ifp];
  }

  /** A broadcast from every station: how often the others got it, at most and at least. */
  probe() {
    let [most, least] = [0, Infinity];
    for (const [i, from] of this.nodes.entries()) {
      for (const node of this.nodes) node.got = 0;
      const src = `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`;
      const frame = craftEther({ src, dst: 'ff:ff:ff:ff:ff:ff' }, PROBE_TYPE, new Uint8Array(46));
      const m = this.net.kernel.engine.pool.from(frame);
      if (m === null) throw new Error('no packet to be had');
      from.probe.transmit(from.probe.ifp, m);
      this.net.run(50_000);
      for (const node of this.nodes) {
        if (node === from) continue;
        most = Math.max(most, node.got);
        least = Math.min(least, node.got);
      }
    }
    return { most, least };
  }

  /** Time passes, with broadcasts in it: none may multiply. @param {number} us @param {string} when */
  watch(us, when) {
    const until = this.net.now + us;
    while (this.net.now < until) {
      const { most } = this.probe();
      must(most <= COPIES_MAX, `${when}: a broadcast came ${most} times at ${this.net.now}`);
      this.net.run(this.rng.below(2 * S));
    }
  }

  /** Ports of an edge forward at both ends. @param {Edge} e */
  open(e) {
    return e.ends.every((end, i) => {
      const node = i === 0 ? e.a : e.b;
      return end.isUp && bridgeMembers(node.ifp)?.find((m) => m.name === end.xname)?.stp?.state === 'forwarding';
    });
  }

  /** What must hold once all is quiet. @param {string} when */
  check(when) {
    const open = this.edges.filter((e) => this.open(e));
    must(open.length === this.nodes.length - 1, `${when}: ${open.length} links forward between ${this.nodes.length} bridges\n${this.show()}`);
    const lines = this.nodes.map((n) => bridgeParams(n.ifp));
    const roots = new Set(lines.map((p) => `${p?.rootPriority} ${String(p?.rootId)}`));
    must(roots.size === 1, `${when}: ${roots.size} roots\n${this.show()}`);
    const best = lines.map((p) => `${String(p?.priority).padStart(5, '0')} ${Array.from(p?.id ?? [], (x) => x.toString(16).padStart(2, '0')).join(':')}`).sort()[0];
    const root = lines.find((p) => p?.rootPort === 0);
    must(`${String(root?.priority).padStart(5, '0')} ${Array.from(root?.id ?? [], (x) => x.toString(16).padStart(2, '0')).join(':')}` === best, `${when}: the root is not the best bridge\n${this.show()}`);
    const { most, least } = this.probe();
    must(most === 1 && least === 1, `${when}: a broadcast came between ${least} and ${most} times\n${this.show()}`);
  }

  show() {
    return this.nodes.map((n) => `${n.name} ${bridgeParams(n.ifp)?.proto} ${(bridgeMembers(n.ifp) ?? []).map((m) => `${m.name} ${m.stp?.proto ?? '-'} ${m.stp?.role ?? ''} ${m.stp?.state ?? ''}`).join('; ')}`).join('\n');
  }

  /** Takes a link of the tree away that the mesh can do without, if there is one. */
  cut() {
    for (const e of this.edges.filter((x) => this.open(x))) {
      const seen = new Set([e.a]);
      for (let grew = true; grew;) {
        grew = false;
        for (const o of this.edges) {
          if (o === e || seen.has(o.a) === seen.has(o.b)) continue;
          seen.add(o.a).add(o.b);
          grew = true;
        }
      }
      if (!seen.has(e.b)) continue;
      this.call(() => e.ends.forEach(ifDown));
      this.edges = this.edges.filter((x) => x !== e);
      return e;
    }
    return null;
  }

  finish() {
    mustEnd(this.net, this.links);
  }
}

/** @param {'rstp' | 'mixed'} kind */
const life = (kind) => (/** @type {number} */ seed) => {
  const mesh = new Mesh(seed, kind);
  mesh.watch(SETTLED_US, 'from the start');
  mesh.check('from the start');
  const size = `${mesh.nodes.length} bridges, ${mesh.edges.length} links`;
  const cut = mesh.cut();
  if (cut !== null) {
    mesh.watch(SETTLED_US, 'after a cut');
    mesh.check('after a cut');
    mesh.call(() => cut.ends.forEach(ifUp));
    mesh.edges.push(cut);
    mesh.watch(SETTLED_US, 'after the repair');
    mesh.check('after the repair');
  }
  const king = mesh.nodes[mesh.rng.below(mesh.nodes.length)];
  if (king !== undefined) mesh.call(() => bridgeSetParam(king.ifp, 'priority', 4_096));
  mesh.watch(SETTLED_US, 'after another root');
  mesh.check('after another root');
  must(king !== undefined && bridgeParams(king.ifp)?.rootPort === 0, 'the bridge with the best priority is not the root');
  mesh.finish();
  return size;
};

export const scenarios = [
  { name: 'bridge-rstp', run: life('rstp') },
  { name: 'bridge-stp-mixed', run: life('mixed') },
];
