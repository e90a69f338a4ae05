/**
 * tap.bench.mjs — Linux to Linux through a router: two namespaces, and between them a vnet's router on two taps, or, as the peer, a third
 * namespace that forwards between two veth pairs. iperf3 and ping measure both alike.
 *
 *     namespace ── tap ── vnet r1 (this process, and a thread per tap) ── tap ── namespace
 *     namespace ── veth ── namespace r (the kernel) ── veth ── namespace
 *
 * `tcp` lets segments of up to 64 KB cross uncut, as both do by default; in `tcp-mtu` the ends cut them before, so that every 1514-byte frame is a
 * packet to forward; `udp` counts datagrams of 64 bytes that arrive while the sender sends what it can. On a machine with few
 * processors the ends take their part of them, in both cases.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';
import { ip, lackingNetns, uniqueDevice, withNetns } from './netns.mjs';

/** @typedef {import('./netns.mjs').Netns} Netns */
/** @typedef {{ a: Netns, b: Netns, devices: [string, string] }} Ends two namespaces, and the device in each */

const SECONDS = '1';

/**
 * Two namespaces and a vnet's router.
 * @param {(ends: Ends) => Promise<number>} body
 */
const throughVnet = (body) =>
  withNetns(2, async (a, b) => {
    const folder = mkdtempSync(join(tmpdir(), 'netloom-bench-'));
    const daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'error', seed: 1 });
    try {
      const client = new DaemonClient(daemon.socketPath);
      /** @param {...string} argv */
      const tool = async (...argv) => {
        const { exitCode, stderr } = /** @type {{ exitCode: number, stderr: string }} */ (await client.post('/v1/exec', { argv }));
        if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
      };
      await tool('jail', '-c', 'name=r1', 'vnet', 'persist');
      await tool('jexec', 'r1', 'sysctl', 'net.inet.ip.forwarding=1');
      /** @type {string[]} */
      const devices = [];
      for (const [i, ns] of [a, b].entries()) {
        const device = uniqueDevice();
        await tool('jexec', 'r1', 'ifconfig', `tap${i}`, 'create', 'inet', `10.${i + 1}.0.1/24`);
        await client.post('/v1/attachments', { vnet: 'r1', interface: `tap${i}`, device });
        ip('link', 'set', 'dev', device, 'netns', ns.name);
        ns.join(device, `10.${i + 1}.0.2/24`, `10.${i + 1}.0.1`);
        devices.push(device);
      }
      return await body({ a, b, devices: /** @type {[string, string]} */ (devices) });
    } finally {
      await daemon.close();
      rmSync(folder, { recursive: true });
    }
  });

/**
 * Two namespaces and a third that forwards.
 * @param {(ends: Ends) => Promise<number>} body
 */
const throughKernel = (body) =>
  withNetns(3, async (a, b, r) => {
    /** @type {string[]} */
    const devices = [];
    for (const [i, ns] of /** @type {[Netns, Netns]} */ ([a, b]).entries()) {
      const [near, far] = [uniqueDevice(), uniqueDevice()];
      ip('link', 'add', near, 'netns', ns.name, 'type', 'veth', 'peer', 'name', far, 'netns', r.name);
      r.join(far, `10.${i + 1}.0.1/24`);
      ns.join(near, `10.${i + 1}.0.2/24`, `10.${i + 1}.0.1`);
      devices.push(near);
    }
    await r.run('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
    return body({ a, b, devices: /** @type {[string, string]} */ (devices) });
  });

/**
 * One run of iperf3 from a to b; its report.
 * @param {Ends} ends @param {...string} args
 */
async function iperf({ a, b }, ...args) {
  const server = b.spawn('iperf3', '-s', '-1', '--forceflush');
  const ended = new Promise((resolve) => server.once('close', resolve));
  await new Promise((resolve, reject) => {
    let heard = '';
    server.stdout.setEncoding('utf8').on('data', (text) => (heard += text).includes('listening') && resolve(null));
    void ended.then(() => reject(new Error('iperf3 does not listen')));
  });
  const report = JSON.parse(await a.run('timeout', '20', 'iperf3', '-c', '10.2.0.2', '-t', SECONDS, '-J', ...args));
  await ended;
  return report.end;
}

/** Gigabits a second that arrived. @param {Ends} ends */
const tcp = async (ends) => (await iperf(ends)).sum_received.bits_per_second / 1e9;

/** The same with the ends doing what an interface could do for them. @param {Ends} ends */
async function tcpMtu(ends) {
  for (const [ns, device] of /** @type {const} */ ([[ends.a, ends.devices[0]], [ends.b, ends.devices[1]]])) {
    await ns.run('ethtool', '-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off');
  }
  return tcp(ends);
}

/** Thousands of datagrams a second that arrived. @param {Ends} ends */
async function udp(ends) {
  const { sum } = await iperf(ends, '-u', '-b', '0', '-l', '64');
  return (sum.packets - sum.lost_packets) / sum.seconds / 1e3;
}

/** Microseconds to there and back, the mean of 2000 one after the other. @param {Ends} ends */
async function rtt({ a }) {
  await a.run('ping', '-q', '-n', '-c', '1', '-w', '8', '10.2.0.2');
  const text = await a.run('ping', '-q', '-n', '-f', '-c', '2000', '10.2.0.2');
  return Number(/ = [\d.]+\/([\d.]+)\//.exec(text)?.[1]) * 1e3;
}

const NAME = 'Linux router, veth';

/**
 * @param {string} name @param {string} unit @param {(ends: Ends) => Promise<number>} run @param {...string} programs
 */
const against = (name, unit, run, ...programs) => ({
  name: `tap/${name}`, unit, lacking: () => lackingNetns(...programs), measure: () => throughVnet(run), peer: { name: NAME, measure: () => throughKernel(run) },
});

export const benchmarks = [
  against('route-tcp', 'Gbit/s', tcp, 'iperf3', 'timeout'),
  against('route-tcp-mtu', 'Gbit/s', tcpMtu, 'iperf3', 'timeout', 'ethtool'),
  against('route-udp', 'kpps', udp, 'iperf3', 'timeout'),
  against('route-rtt', 'us', rtt, 'ping'),
];
