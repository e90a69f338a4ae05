/**
 * switches.mjs — switches, and Linux's router, between two Linux namespaces: ng_bridge and if_bridge of a daemon, Linux's bridge, vde_switch, Open vSwitch in userspace.
 *
 *     namespace ── TAP ── daemon: tap, ng_ether, ng_bridge, ng_ether, tap ── TAP ── namespace
 *     namespace ── TAP ── vde_plug2tap ── vde_switch ── vde_plug2tap ── TAP ── namespace
 *     namespace ── veth ── namespace with a bridge of Linux's, or with ovs-vswitchd (netdev datapath, TSO enabled) ── veth ── namespace
 *
 * Each is made, used once and taken down. Not here: what is measured through them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDaemon, withFolder } from './daemon.mjs';
import { tcp, tcpMtu } from './iperf.mjs';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';

/** @typedef {import('./netns.mjs').Netns} Netns */
/** @typedef {import('./iperf.mjs').Ends} Ends */
/** @typedef {(ends: Ends) => Promise<number>} Body */
/** @typedef {{ name: string, short: string, programs: readonly string[], measure: (body: Body) => Promise<number> }} Switch */

/** The second namespace, where both are on one network. */
export const FAR = '10.9.0.2';
const PATIENCE_MS = 10_000;

/** Gives the devices to the namespaces, with addresses. @param {readonly [Netns, Netns]} ends @param {readonly string[]} devices @returns {Ends} */
export function joined([a, b], devices) {
  const [first = '', second = ''] = devices;
  for (const [i, [ns, device]] of /** @type {const} */ ([[a, first], [b, second]]).entries()) {
    if (existsSync(`/sys/class/net/${device}`)) ip('link', 'set', 'dev', device, 'netns', ns.name);
    ns.join(device, `10.9.0.${i + 1}/24`);
  }
  return { a, b, devices: [first, second] };
}

/** Waits until `there` is true. @param {() => boolean} there @param {string} what */
async function until(there, what) {
  for (const end = Date.now() + PATIENCE_MS; !there(); await sleep(20)) if (Date.now() > end) throw new Error(`${what} does not come`);
}

/** Programs that run in the background until `body` has ended. @template T @param {(start: (...argv: string[]) => void) => Promise<T>} body */
async function withPrograms(body) {
  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  try {
    return await body((command = '', ...args) => void children.push(spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] })));
  } finally {
    for (const child of children.reverse()) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
    }
  }
}

/** @param {Body} body @param {(tool: import('./daemon.mjs').Tool) => Promise<void>} bridge joins tap0 and tap1 */
const throughDaemon = (body, bridge) =>
  withNetns(2, (a, b) => withDaemon(async ({ client, tool }) => {
    const devices = [uniqueDevice(), uniqueDevice()];
    for (const [i, device] of devices.entries()) {
      await tool('ifconfig', `tap${i}`, 'create', 'up');
      await client.post('/v1/attachments', { vnet: 'host', interface: `tap${i}`, device });
    }
    await bridge(tool);
    return await body(joined([a, b], devices));
  }));

/** @param {Body} body */
const throughNgBridge = (body) => throughDaemon(body, async (tool) => {
  await tool('ngctl', 'mkpeer', 'tap0:', 'bridge', 'lower', 'link0');
  await tool('ngctl', 'name', 'tap0:lower', 'switch');
  await tool('ngctl', 'connect', 'tap1:', 'switch:', 'lower', 'link1');
  for (const tap of ['tap0:', 'tap1:']) await tool('ngctl', 'msg', tap, 'setpromisc', '1');
});

/** @param {Body} body */
const throughIfBridge = (body) => throughDaemon(body, (tool) => tool('ifconfig', 'bridge0', 'create', 'addm', 'tap0', 'addm', 'tap1', 'up'));

/** Two namespaces with a veth to a third, where `join` has its ends. @param {Body} body @param {(r: Netns, ends: readonly string[]) => Promise<number>} join */
const throughVeth = (body, join) =>
  withNetns(3, (a, b, r) => {
    const near = [uniqueDevice(), uniqueDevice()];
    const far = [uniqueDevice(), uniqueDevice()];
    for (const [i, ns] of [a, b].entries()) {
      ip('link', 'add', near[i] ?? '', 'netns', ns.name, 'type', 'veth', 'peer', 'name', far[i] ?? '', 'netns', r.name);
      r.ip('link', 'set', 'dev', far[i] ?? '', 'up');
    }
    joined([a, b], near);
    return join(r, far).then((use) => use).then(() => body({ a, b, devices: [near[0] ?? '', near[1] ?? ''] }));
  });

/** @param {Body} body */
const throughLinuxBridge = (body) => throughVeth(body, async (r, ends) => {
  r.ip('link', 'add', 'br0', 'type', 'bridge');
  for (const end of ends) r.ip('link', 'set', 'dev', end, 'master', 'br0');
  r.ip('link', 'set', 'dev', 'br0', 'up');
  return 0;
});

/** @param {Body} body */
const throughVde = (body) =>
  withNetns(2, (a, b) => withFolder((folder) => withPrograms(async (start) => {
    const socket = join(folder, 'vde');
    start('vde_switch', '-s', socket, '-x');
    await until(() => existsSync(join(socket, 'ctl')), 'vde_switch');
    const devices = [uniqueDevice(), uniqueDevice()];
    for (const device of devices) {
      start('vde_plug2tap', '-s', socket, device);
      await until(() => existsSync(`/sys/class/net/${device}`), device);
    }
    return body(joined([a, b], devices));
  })));

/** @param {Body} body */
const throughOvs = (body) =>
  withFolder((folder) => withPrograms((start) => throughVeth(body, async (r, ends) => {
    const [conf, db] = [join(folder, 'conf.db'), join(folder, 'db.sock')];
    /** @param {string} command @param {...string} args */
    const run = (command, ...args) => {
      const { status, stderr } = spawnSync('ip', ['netns', 'exec', r.name, command, ...args], { encoding: 'utf8', env: { ...process.env, OVS_RUNDIR: folder } });
      if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
    };
    run('ovsdb-tool', 'create', conf, '/usr/share/openvswitch/vswitch.ovsschema');
    const inside = ['ip', 'netns', 'exec', r.name, 'env', `OVS_RUNDIR=${folder}`];
    start(...inside, 'ovsdb-server', conf, `--remote=punix:${db}`, `--unixctl=${join(folder, 'ovsdb.ctl')}`);
    await until(() => existsSync(db), 'ovsdb-server');
    const vsctl = (/** @type {string[]} */ ...args) => run('ovs-vsctl', `--db=unix:${db}`, '--timeout=10', ...args);
    vsctl('--no-wait', 'init');
    vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:userspace-tso-enable=true');
    start(...inside, 'ovs-vswitchd', `unix:${db}`, `--unixctl=${join(folder, 'vswitchd.ctl')}`);
    await until(() => existsSync(join(folder, 'vswitchd.ctl')), 'ovs-vswitchd');
    vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
    for (const end of ends) vsctl('add-port', 'br0', end);
    return 0;
  })));

/**
 * Two namespaces and a third that forwards.
 * @param {(ends: Ends) => Promise<number>} body
 */
export const throughKernelRouter = (body) =>
  withNetns(3, async (a, b, r) => {
    /** @type {string[]} */
    const devices = [];
    for (const [i, ns] of /** @type {[Netns, Netns]} */ ([a, b]).entries()) {
      const [near, far] = [uniqueDevice(), uniqueDevice()];
      ip('link', 'add', near, 'netns', ns.name, 'type', 'veth', 'peer', 'name', far, 'netns', r.name);
      r.join(far, `10.${i + 1}.0.1/24`);
      r.join6(far, `fd00:${i + 1}::1/64`);
      ns.join(near, `10.${i + 1}.0.2/24`, `10.${i + 1}.0.1`);
      ns.join6(near, `fd00:${i + 1}::2/64`, `fd00:${i + 1}::1`);
      devices.push(near);
    }
    await r.run('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', '-w', 'net.ipv6.conf.all.forwarding=1');
    return body({ a, b, devices: /** @type {[string, string]} */ (devices) });
  });

/** @type {readonly Switch[]} */
export const PEERS = [
  { name: "Linux's bridge, veth", short: 'linux', programs: [], measure: throughLinuxBridge },
  { name: 'vde_switch', short: 'vde', programs: ['vde_switch', 'vde_plug2tap'], measure: throughVde },
  { name: 'Open vSwitch, userspace', short: 'ovs', programs: ['ovs-vswitchd', 'ovsdb-server', 'ovsdb-tool', 'ovs-vsctl'], measure: throughOvs },
  { name: 'if_bridge', short: 'if_bridge', programs: [], measure: throughIfBridge },
];

/** Rows of ng_bridge against every other switch. @param {string} prefix of their names @returns {import('./main.mjs').Benchmark[]} */
export const switches = (prefix) =>
  /** @type {const} */ ([['tcp', tcp], ['tcp-mtu', tcpMtu]]).flatMap(([name, run]) => PEERS.map((peer) => {
    /** @param {Ends} ends */
    const body = (ends) => run(ends, FAR);
    return {
      name: `${prefix}-${name}-${peer.short}`,
      unit: 'Gbit/s',
      lacking: () => lackingNetns('iperf3', 'timeout', 'ethtool'),
      measure: () => throughNgBridge(body),
      peer: { name: peer.name, lacking: () => (peer.programs.length === 0 ? null : lackingNetns(...peer.programs)), measure: () => peer.measure(body) },
    };
  }));
