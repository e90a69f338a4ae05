/**
 * netgraph.bench.mjs — ng_bridge, against this stack's if_bridge in the same run, and between two Linux namespaces against other switches.
 *
 * In-process rows send frames from one place to another that the bridge has learned, in one thread. `node` is a bridge between two nodes that are nothing
 * but source and sink, whose graph is all there is; `tap` is a bridge between the `lower` hooks of two taps, where a port of the host would be: the frame
 * is copied into a packet, crosses the graph, waits in the tap's queue and is copied out of its packet. The peer of both is if_bridge between two such taps. What is
 * counted is the processor's time, which is what a thread that has a processor for itself would take.
 *
 * The `wire` rows have iperf3 in two namespaces on TAP devices, and between them a daemon: tap, ng_ether, ng_bridge, ng_ether, tap. The peers are other
 * switches between two namespaces: Linux's bridge, vde_switch, Open vSwitch's userspace datapath, and if_bridge in the same daemon. `tcp` lets segments
 * of up to 64 KB cross where the switch can; in `tcp-mtu` the ends cut them before.
 */
import { bridgeAdd, ifCloneCreate, ifUp, tapOf } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { switches } from './switches.mjs';

/** @typedef {import('@netloom/core').Kernel} Kernel */
/** @typedef {import('@netloom/core').PacketBuffer} PacketBuffer */

const BATCH = 64;
const FRAMES = { 64: 1_000_000, 1514: 400_000, 9014: 100_000, 65_535: 20_000 };

/** A kernel whose vnet0 has what a row needs. */
function fresh() {
  const net = new SimNet(2);
  net.kernel.engine.witness.watch = 0; // as on a host
  return net.kernel;
}

/**
 * A way through the stack: `send` puts a frame in, and what comes out is counted.
 * @typedef {{ kernel: Kernel, send: (frame: Uint8Array) => void, learn: (frame: Uint8Array) => void, arrived: () => number }} Way
 */

/** A frame of `length` bytes from station `src` to `dst`. @param {number} length @param {number} dst @param {number} src */
function frameOf(length, dst, src) {
  const frame = new Uint8Array(length);
  frame.set([2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x88, 0xb5]);
  return frame;
}

/** The graph of vnet0. @param {Kernel} kernel */
function graphOf(kernel) {
  const graph = kernel.vnet0.netgraph.open();
  if (graph === null) throw new Error('no graph');
  return graph;
}

/** A node that is nothing but a place to send from and to. @param {ReturnType<typeof graphOf>} graph @param {(m: PacketBuffer) => void} take */
function place(graph, take) {
  const type = { name: 'bench', cookie: 1, cmds: [], construct: null };
  const ops = {
    /** @param {unknown} _hook @param {PacketBuffer} m */
    rcvdata: (_hook, m) => {
      take(m);
      return 0;
    },
  };
  const node = graph.makeNode(type, () => ops);
  if (typeof node === 'number') throw new Error(`no node: errno ${node}`);
  return node;
}

/** ng_bridge between two nodes. @param {boolean} copies as a port would make them @returns {Way} */
function throughNodes(copies) {
  const kernel = fresh();
  let arrived = 0;
  const ring = new Uint8Array(65_536);
  /** @param {PacketBuffer} m */
  const take = (m) => {
    arrived++;
    if (copies) ring.set(m.buf.subarray(m.off, m.off + m.len));
    m.free();
  };
  const graph = kernel.call(0, () => graphOf(kernel));
  const [near, far] = kernel.call(0, () => {
    const [a, b] = [place(graph, take), place(graph, take)];
    graph.mkpeer(a, 'x', 'link0', 'bridge');
    const bridge = a.findHook('x')?.peer?.node;
    if (bridge === undefined || graph.connect(b, 'x', bridge, 'link1') !== 0) throw new Error('no bridge');
    return [a.findHook('x'), b.findHook('x')];
  });
  const { pool } = kernel.engine;
  /** @param {typeof near} hook @param {Uint8Array} frame */
  const out = (hook, frame) => {
    const m = copies ? pool.from(frame) : pool.alloc(frame.length);
    if (m === null) throw new Error('no packet to be had');
    if (!copies) head(m, frame);
    graph.send(hook ?? null, m);
  };
  return { kernel, send: (frame) => out(near, frame), learn: (frame) => out(far, frame), arrived: () => arrived };
}

/** Writes a frame's addresses and type without making anything. @param {PacketBuffer} m @param {Uint8Array} frame */
function head(m, frame) {
  for (let i = 0; i < 14; i++) m.buf[m.off + i] = frame[i] ?? 0;
}

/**
 * Two taps with somebody at each, who copies what comes out.
 * @param {(kernel: Kernel, names: readonly [string, string]) => void} join joins them @returns {Way}
 */
function throughTaps(join) {
  const kernel = fresh();
  let arrived = 0;
  const ring = new Uint8Array(65_536);
  const sink = {
    offload: { csum: true, gso: true },
    /** @param {PacketBuffer} m */
    output: (m) => {
      arrived++;
      ring.set(m.buf.subarray(m.off, m.off + m.len));
      m.free();
      return true;
    },
  };
  const [near, far] = kernel.call(0, () => [0, 1].map(() => {
    const { ifp } = ifCloneCreate(kernel.vnet0.net, 'tap');
    if (ifp === null) throw new Error('no tap');
    ifp.mtu = 65_521;
    ifUp(ifp);
    tapOf(ifp)?.attach(sink);
    return ifp;
  }));
  if (near === undefined || far === undefined) throw new Error('no taps');
  kernel.call(0, () => join(kernel, [near.xname, far.xname]));
  const { pool } = kernel.engine;
  /** @param {typeof near} ifp @param {Uint8Array} frame */
  const bring = (ifp, frame) => {
    const m = pool.from(frame);
    if (m === null) throw new Error('no packet to be had');
    kernel.input(ifp, m, kernel.now);
  };
  return { kernel, send: (frame) => bring(near, frame), learn: (frame) => bring(far, frame), arrived: () => arrived };
}

const throughIfBridge = () => throughTaps((kernel, names) => {
  const { ifp } = ifCloneCreate(kernel.vnet0.net, 'bridge');
  if (ifp === null) throw new Error('no bridge');
  for (const name of names) bridgeAdd(ifp, name);
  ifUp(ifp);
});

const throughNgBridge = () => throughTaps((kernel, [near, far]) => {
  const graph = graphOf(kernel);
  const [a, b] = [graph.byName(near), graph.byName(far)];
  if (a === null || b === null || graph.mkpeer(a, 'lower', 'link0', 'bridge') !== 0) throw new Error('no bridge');
  const bridge = a.findHook('lower')?.peer?.node;
  if (bridge === undefined || graph.connect(b, 'lower', bridge, 'link1') !== 0) throw new Error('no second link');
});

/**
 * Microseconds of the processor for a frame.
 * @param {Way} way @param {keyof typeof FRAMES} length
 */
function perFrame({ kernel, send, learn, arrived }, length) {
  const count = FRAMES[length];
  const frame = frameOf(length, 2, 1);
  send(frameOf(length, 2, 1));
  learn(frameOf(length, 1, 2));
  kernel.settle();
  const before = arrived();
  const start = process.cpuUsage();
  for (let sent = 0; sent < count; sent += BATCH) {
    for (let i = 0; i < BATCH; i++) send(frame);
    kernel.settle();
  }
  const { user, system } = process.cpuUsage(start);
  const passed = arrived() - before;
  if (passed < count) throw new Error(`${passed} of ${count} frames arrived`);
  kernel.shutdown();
  return (user + system) / passed;
}

/** Frames of `length` bytes through `way`: millions a second of short ones, gigabits a second of others. @param {() => Way} way @param {keyof typeof FRAMES} length */
const rate = (way, length) => () => (length === 64 ? 1 / perFrame(way(), length) : (length * 8) / 1e3 / perFrame(way(), length));

/** @param {keyof typeof FRAMES} length @param {string} label */
const inProcess = (length, label) => {
  const unit = length === 64 ? 'Mpps' : 'Gbit/s';
  const peer = { name: 'if_bridge on taps', measure: rate(throughIfBridge, length) };
  return [
    { name: `netgraph/node-bridge-${label}`, unit, measure: rate(() => throughNodes(length !== 64), length), peer },
    { name: `netgraph/tap-bridge-${label}`, unit, measure: rate(throughNgBridge, length), peer },
  ];
};

/** @type {import('./main.mjs').Benchmark[]} */
export const benchmarks = [
  ...inProcess(64, '64B'), ...inProcess(1514, '1500'), ...inProcess(9014, '9000'), ...inProcess(65_535, '64K'),
  ...switches('netgraph/wire'),
];
