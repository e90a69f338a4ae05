/**
 * guest.bench.mjs — guest to guest: two Linux machines in QEMU, without KVM, on two stream ports of a bridge of ours; as the peers, the same two
 * machines joined by QEMU's own socket, with nothing between them, and by vde_switch.
 *
 *     guest ── stream, Unix socket ── tap, bridge0, tap (this process) ── stream, Unix socket ── guest
 *     guest ── stream, Unix socket ── guest
 *     guest ── vde_switch ── guest
 *
 * iperf3 and ping in the guests measure all alike. An emulated processor is slow: the guests themselves take most of the time, and on a machine with few
 * processors what is between them takes its part from them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';
import { guests, lackingGuests } from './guests.mjs';

/** @typedef {import('./guests.mjs').Guest} Guest */
/** @typedef {(a: Guest, b: Guest) => Promise<number>} Run what is measured; `b` is 10.0.0.2 */

const SECONDS = 3;
const FAR = '10.0.0.2';
const PINGS = 500;
const WAIT_MS = 20;
const TRIES = 500;

/** @param {(folder: string) => Promise<number>} body */
async function withFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-bench-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} path */
async function untilThere(path) {
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries === TRIES) throw new Error(`nobody makes ${path}`);
    await delay(WAIT_MS);
  }
}

/**
 * Two guests with these netdevs, the second started when `second` resolves.
 * @param {readonly [string, string]} netdevs @param {Run} run @param {() => Promise<void>} [second]
 */
async function withPair(netdevs, run, second = async () => undefined) {
  const { Guest } = await guests();
  const boot = async (/** @type {0 | 1} */ i) => {
    if (i === 1) await second();
    return Guest.boot({ nics: [{ netdev: netdevs[i] }], image: { programs: ['iperf3'], script: `ip addr add 10.0.0.${i + 1}/24 dev eth0; ip link set eth0 up` } });
  };
  const boots = await Promise.allSettled([boot(0), boot(1)]);
  try {
    const [a, b] = boots.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
    if (a === undefined || b === undefined) throw new Error('a guest is missing');
    await a.ok(`ping -c 1 -w 20 ${FAR}`);
    return await run(a, b);
  } finally {
    await Promise.all(boots.map((result) => (result.status === 'fulfilled' ? result.value.end() : undefined)));
  }
}

/** Over a bridge of ours. @param {Run} run */
const overBridge = (run) =>
  withFolder(async (folder) => {
    const daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'error', seed: 1 });
    try {
      const client = new DaemonClient(daemon.socketPath);
      /** @param {...string} argv */
      const tool = async (...argv) => {
        const { exitCode, stderr } = /** @type {{ exitCode: number, stderr: string }} */ (await client.post('/v1/exec', { argv }));
        if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
      };
      await tool('ifconfig', 'bridge0', 'create', 'up');
      for (const i of [0, 1]) {
        await tool('ifconfig', `tap${i}`, 'create', 'up');
        await tool('ifconfig', 'bridge0', 'addm', `tap${i}`);
        await client.post('/v1/attachments', { vnet: 'host', interface: `tap${i}`, device: `stream:unix:${join(folder, `vm${i}`)},server` });
      }
      const netdev = (/** @type {number} */ i) => `stream,addr.type=unix,addr.path=${join(folder, `vm${i}`)}`;
      return await withPair([netdev(0), netdev(1)], run);
    } finally {
      await daemon.close();
    }
  });

/** By QEMU's own socket. @param {Run} run */
const direct = (run) =>
  withFolder(async (folder) => {
    const path = join(folder, 'wire');
    return withPair([`stream,server=on,addr.type=unix,addr.path=${path}`, `stream,addr.type=unix,addr.path=${path}`], run, () => untilThere(path));
  });

/** Over vde_switch. @param {Run} run */
const overVde = (run) =>
  withFolder(async (folder) => {
    const path = join(folder, 'switch');
    const vde = spawn('vde_switch', ['-s', path], { stdio: ['pipe', 'ignore', 'inherit'] });
    try {
      await untilThere(join(path, 'ctl'));
      return await withPair([`vde,sock=${path}`, `vde,sock=${path}`], run);
    } finally {
      vde.kill('SIGKILL');
      await once(vde, 'close');
    }
  });

/** Gigabits a second that arrived in one direction. @type {Run} */
async function tcp(a, b) {
  await b.ok('iperf3 -s -D; until netstat -ltn | grep -q :5201; do usleep 50000; done');
  const report = JSON.parse(await a.ok(`iperf3 -c ${FAR} -t ${SECONDS} -O 1 -J`));
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Microseconds to there and back, the mean of many one after the other. @type {Run} */
async function rtt(a) {
  const text = await a.ok(`ping -q -A -c ${PINGS} ${FAR}`);
  return Number(/ = [\d.]+\/([\d.]+)\//.exec(text)?.[1]) * 1e3;
}

const lackingVde = () => lackingGuests('vde_switch', 'iperf3');
const lacking = () => lackingGuests('iperf3');

export const benchmarks = [
  { name: 'guest/stream-tcp', unit: 'Gbit/s', lacking, measure: () => overBridge(tcp), peer: { name: 'QEMU\'s socket, direct', measure: () => direct(tcp) } },
  { name: 'guest/stream-tcp-vde', unit: 'Gbit/s', lacking, measure: () => overBridge(tcp), peer: { name: 'vde_switch', lacking: lackingVde, measure: () => overVde(tcp) } },
  { name: 'guest/stream-rtt', unit: 'us', lacking, measure: () => overBridge(rtt), peer: { name: 'QEMU\'s socket, direct', measure: () => direct(rtt) } },
];
