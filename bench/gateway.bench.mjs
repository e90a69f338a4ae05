/**
 * gateway.bench.mjs — a namespace and a server on this machine's loopback: through a vnet's gateway, and, as peers, through slirp4netns and passt.
 *
 *     namespace ── tap ── vnet r1, its gateway (this process, and a thread for the tap) ── 127.0.0.1
 *     namespace ── tap ── slirp4netns, or passt as pasta ── 127.0.0.1
 *
 * Each sets its own device up, with the MTU that the row names. iperf3 sends to the server (`up`) or gets from it (`down`) for a second by one connection.
 */
import { spawn } from 'node:child_process';
import { withDaemon } from './daemon.mjs';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';

/** @typedef {import('./netns.mjs').Netns} Netns */
/** @typedef {(mtu: number, body: (ns: Netns, server: string) => Promise<number>) => Promise<number>} Way from a namespace to the loopback, whose address there it tells */

const SECONDS = '1';
const PORT = '5299';

/** @type {Way} */
const netloom = (mtu, body) =>
  withNetns(1, (ns) => withDaemon(async ({ client, tool }) => {
    const device = uniqueDevice();
    await tool('jail', '-c', 'name=r1', 'vnet', 'persist');
    await tool('jexec', 'r1', 'ifconfig', 'tap0', 'create', 'inet', '10.0.2.2/24');
    await tool('jexec', 'r1', 'ifconfig', 'tap0', 'mtu', String(mtu));
    await client.post('/v1/attachments', { vnet: 'r1', interface: 'tap0', device });
    await client.post('/v1/gateways', { vnet: 'r1', interface: 'tap0' });
    ip('link', 'set', 'dev', device, 'netns', ns.name);
    ns.ip('link', 'set', 'dev', device, 'mtu', String(mtu));
    ns.join(device, '10.0.2.15/24', '10.0.2.2');
    return await body(ns, '10.0.2.2');
  }));

/**
 * A program that joins a namespace to this one: runs until the body is done. It is ready when the namespace has a default route.
 * @param {(ns: Netns, mtu: number) => readonly string[]} argv
 * @returns {Way}
 */
const program = (argv) => (mtu, body) =>
  withNetns(1, async (ns) => {
    const [command = '', ...args] = argv(ns, mtu);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    try {
      for (let tries = 0; !ns.ip('route', 'show', 'default').includes('via'); tries++) {
        if (child.exitCode !== null || tries > 100) throw new Error(`${command} is not ready: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const gateway = /default via (\S+)/.exec(ns.ip('route', 'show', 'default'))?.[1] ?? '';
      return await body(ns, gateway);
    } finally {
      child.kill();
      await ended;
    }
  });

const slirp4netns = program((ns, mtu) => ['slirp4netns', '--configure', `--mtu=${mtu}`, '--netns-type=path', `/run/netns/${ns.name}`, 'tap0']);
const passt = program((ns, mtu) => ['pasta', '--foreground', '--quiet', '--config-net', '--ipv4-only', '--runas', '0', '--netns-only', '-m', String(mtu), '-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none', '--netns', `/run/netns/${ns.name}`]);

/**
 * Gigabits a second that arrived.
 * @param {Way} way @param {number} mtu @param {readonly string[]} direction
 */
const throughput = (way, mtu, direction) =>
  way(mtu, async (ns, server) => {
    const child = spawn('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', PORT, '--forceflush'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = new Promise((resolve) => child.once('close', resolve));
    try {
      await new Promise((resolve, reject) => {
        let heard = '';
        child.stdout.setEncoding('utf8').on('data', (text) => (heard += text).includes('listening') && resolve(null));
        void ended.then(() => reject(new Error('iperf3 does not listen')));
      });
      const report = JSON.parse(await ns.run('timeout', '20', 'iperf3', '-c', server, '-p', PORT, '-t', SECONDS, '-J', ...direction));
      return report.end.sum_received.bits_per_second / 1e9;
    } finally {
      child.kill();
      await ended;
    }
  });

const PEERS = /** @type {const} */ ([['slirp4netns', 'slirp4netns', slirp4netns], ['passt', 'pasta', passt]]);
const DIRECTIONS = /** @type {const} */ ([['up', []], ['down', ['-R']]]);

export const benchmarks = PEERS.flatMap(([name, command, way]) =>
  [1_500, 65_520].flatMap((mtu) =>
    DIRECTIONS.map(([direction, args]) => ({
      name: `gateway/${direction}-${mtu}-${name}`, unit: 'Gbit/s', lacking: () => lackingNetns('iperf3', 'timeout', command),
      measure: () => throughput(netloom, mtu, args), peer: { name, measure: () => throughput(way, mtu, args) },
    }))));
