/**
 * datapath.bench.mjs — datapath workers between two Linux namespaces: a bridge and a router of a daemon, by one worker and by two, against who else could be between them.
 *
 *     namespace ── TAP ── worker of a daemon: if_bridge, or a vnet's router ── TAP ── namespace
 *
 * `tcp` lets segments of up to 64 KB cross uncut; in `tcp-mtu` the ends cut them before, so that every frame of 1,514 bytes is one to forward. The ends and their iperf3 take their part of the
 * processors in all cases. A row fails when the control thread had to do what is measured: it must be the workers.
 * Not here: the same frames without devices (forward.bench.mjs), devices without a stack (io.bench.mjs).
 */
import { withDaemon } from './daemon.mjs';
import { tcp, tcpMtu } from './iperf.mjs';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';
import { FAR, PEERS, throughKernelRouter } from './switches.mjs';
import { tapBridge, throughTaps } from './tap-bridge.mjs';

/** @typedef {import('./iperf.mjs').Ends} Ends */
/** @typedef {(ends: Ends) => Promise<number>} Body */
/** @typedef {import('./daemon.mjs').Tool} Tool */

/** The first second, in which JavaScript is compiled and TCP finds its window, does not count. */
const WARM = ['-O', '1'];
/** Frames that the control thread may have had of a thousand. */
const PUNTS_MAX = 20;

/**
 * Two namespaces on two ports of a daemon with workers.
 * @param {number} workers @param {Body} body
 * @param {{ setUp: (tool: Tool) => Promise<void>, address: (i: number) => string, route: (i: number) => string | undefined }} lab
 * @param {string} words behind the devices' names
 */
const throughWorkers = (workers, body, lab, words = '') =>
  withNetns(2, (a, b) => withDaemon(async ({ client, tool }) => {
    const devices = /** @type {[string, string]} */ ([uniqueDevice(), uniqueDevice()]);
    for (const [i, device] of devices.entries()) {
      await tool('ifconfig', `tap${i}`, 'create', 'up');
      await client.post('/v1/attachments', { vnet: 'host', interface: `tap${i}`, device: device + words });
    }
    await lab.setUp(tool);
    for (const [i, ns] of [a, b].entries()) {
      ip('link', 'set', 'dev', devices[i] ?? '', 'netns', ns.name);
      ns.join(devices[i] ?? '', lab.address(i), lab.route(i));
    }
    const rate = await body({ a, b, devices });
    const { frames, punts } = countsOf(await client.get('/v1/datapath'));
    if (workers > 0 && punts * 1_000 > frames * PUNTS_MAX) throw new Error(`the control thread had ${punts} of ${frames} frames`);
    return rate;
  }, workers));

/** @param {{ workers: { frames: number, punts: number }[] }} view */
const countsOf = ({ workers }) => workers.reduce((sum, w) => ({ frames: sum.frames + w.frames, punts: sum.punts + w.punts }), { frames: 0, punts: 0 });

const BRIDGE = {
  /** @param {Tool} tool */
  setUp: (tool) => tool('ifconfig', 'bridge0', 'create', 'addm', 'tap0', 'addm', 'tap1', 'up'),
  /** @param {number} i */
  address: (i) => `10.9.0.${i + 1}/24`,
  route: () => undefined,
};

const ROUTER = {
  /** @param {Tool} tool */
  setUp: async (tool) => {
    await tool('sysctl', 'net.inet.ip.forwarding=1');
    for (const i of [0, 1]) await tool('ifconfig', `tap${i}`, 'inet', `10.${i + 1}.0.1/24`);
  },
  /** @param {number} i */
  address: (i) => `10.${i + 1}.0.2/24`,
  /** @param {number} i */
  route: (i) => `10.${i + 1}.0.1`,
};

const needs = () => lackingNetns('iperf3', 'timeout', 'ethtool');

/** @type {readonly (readonly [name: string, run: (ends: Ends, far: string, ...args: string[]) => Promise<number>])[]} */
const RUNS = [['tcp', tcp], ['tcp-mtu', tcpMtu]];

const bridges = RUNS.flatMap(([name, run]) => PEERS.filter((peer) => peer.short !== 'if_bridge').map((peer) => {
  /** @param {Ends} ends */
  const body = (ends) => run(ends, FAR, ...WARM);
  return {
    name: `datapath/bridge-${name}-${peer.short}`, unit: 'Gbit/s', lacking: needs,
    measure: () => throughWorkers(2, body, BRIDGE),
    peer: { name: peer.name, lacking: () => (peer.programs.length === 0 ? null : lackingNetns(...peer.programs)), measure: () => peer.measure(body) },
  };
}));

const loops = RUNS.map(([name, run]) => {
  /** @param {Ends} ends */
  const body = (ends) => run(ends, FAR, ...WARM);
  return {
    name: `datapath/bridge-${name}-c`, unit: 'Gbit/s', lacking: () => needs() ?? lackingNetns('cc'),
    measure: () => throughWorkers(2, body, BRIDGE), peer: { name: 'C, poll, two threads', measure: () => throughTaps(tapBridge(2), name === 'tcp', body) },
  };
});

const routers = RUNS.map(([name, run]) => {
  /** @param {Ends} ends */
  const body = (ends) => run(ends, '10.2.0.2', ...WARM);
  return { name: `datapath/route-${name}`, unit: 'Gbit/s', lacking: needs, measure: () => throughWorkers(2, body, ROUTER), peer: { name: 'Linux router, veth', measure: () => throughKernelRouter(body) } };
});

const counts = [1, 2].map((workers) => {
  /** @param {Ends} ends */
  const body = (ends) => tcpMtu(ends, '10.2.0.2', ...WARM);
  return {
    name: `datapath/route-tcp-mtu-${workers}-workers`, unit: 'Gbit/s', lacking: needs,
    measure: () => throughWorkers(workers, body, ROUTER), peer: { name: 'the control thread', measure: () => throughWorkers(0, body, ROUTER) },
  };
});

/** Four flows at once. @param {Ends} ends */
const flows = (ends) => tcpMtu(ends, '10.2.0.2', ...WARM, '-P', '4');

const hot = {
  name: 'datapath/hot-port-two-queues', unit: 'Gbit/s', lacking: needs,
  measure: () => throughWorkers(2, flows, ROUTER, ',queues=2'), peer: { name: 'one queue', measure: () => throughWorkers(2, flows, ROUTER) },
};

export const benchmarks = [...bridges, ...loops, ...routers, ...counts, hot];
