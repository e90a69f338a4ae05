/**
 * guest-pair.mjs — two Linux guests in QEMU, without KVM, joined by something, and what iperf3 and ping in them measure; for the benchmarks of guests' ports.
 * Read first: guests.mjs; packages/node/test/interop/guest/guest.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withDaemon } from './daemon.mjs';
import { guests } from './guests.mjs';

/** @typedef {import('./guests.mjs').Guest} Guest */
/** @typedef {import('./guests.mjs').GuestSpec} GuestSpec */
/** @typedef {(a: Guest, b: Guest) => Promise<number>} Run what is measured; `b` is 10.0.0.2 */
/**
 * @typedef {object} Port how a guest is plugged into a tap of ours
 * @property {(path: string) => string} device in `netloom attach`'s words, with its socket at `path`
 * @property {(path: string) => GuestSpec} spec the guest's side
 */

const SECONDS = 3;
const FAR = '10.0.0.2';
const PINGS = 500;
const WAIT_MS = 20;
const TRIES = 500;

/** @param {string} path */
export async function untilThere(path) {
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries === TRIES) throw new Error(`nobody makes ${path}`);
    await delay(WAIT_MS);
  }
}

/**
 * Two guests, the second started when `second` resolves.
 * @param {readonly [GuestSpec, GuestSpec]} specs @param {Run} run @param {() => Promise<void>} [second]
 */
export async function withPair(specs, run, second = async () => undefined) {
  const { Guest } = await guests();
  const boot = async (/** @type {0 | 1} */ i) => {
    if (i === 1) await second();
    return Guest.boot({ ...specs[i], image: { programs: ['iperf3'], script: `ip addr add 10.0.0.${i + 1}/24 dev eth0; ip link set eth0 up` } });
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

/** Over a bridge of ours. @param {Port} port @param {Run} run */
export const overBridge = (port, run) =>
  withDaemon(async ({ client, tool, folder }) => {
    await tool('ifconfig', 'bridge0', 'create', 'up');
    const at = (/** @type {number} */ i) => join(folder, `vm${i}`);
    for (const i of [0, 1]) {
      await tool('ifconfig', `tap${i}`, 'create', 'up');
      await tool('ifconfig', 'bridge0', 'addm', `tap${i}`);
      await client.post('/v1/attachments', { vnet: 'host', interface: `tap${i}`, device: port.device(at(i)) });
    }
    return await withPair([port.spec(at(0)), port.spec(at(1))], run);
  });

/** QEMU's `-netdev stream`. @type {Port} */
export const STREAM = {
  device: (path) => `stream:unix:${path},server`,
  spec: (path) => ({ nics: [{ netdev: `stream,addr.type=unix,addr.path=${path}` }] }),
};

/** Gigabits a second that arrived in one direction. @type {Run} */
export async function tcp(a, b) {
  await b.ok('iperf3 -s -D; until netstat -ltn | grep -q :5201; do usleep 50000; done');
  const report = JSON.parse(await a.ok(`iperf3 -c ${FAR} -t ${SECONDS} -O 1 -J`));
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Microseconds to there and back, the mean of many one after the other. @type {Run} */
export async function rtt(a) {
  const text = await a.ok(`ping -q -A -c ${PINGS} ${FAR}`);
  return Number(/ = [\d.]+\/([\d.]+)\//.exec(text)?.[1]) * 1e3;
}
