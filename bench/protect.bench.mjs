/**
 * protect.bench.mjs — a protected machine: how often a checkpoint of it is taken, how long it stands still for one, how long until that is safe, what it takes to carry, and how long nobody is answered when it is killed.
 * Read first: docs/protect.md; packages/node/src/protect/epoch-figures.ts.
 *
 *     protect/epochs MB, GUEST, BACKUP     checkpoints per second, of the 40 that are asked for
 *     protect/pause                        how long the machine stands still, the middle one; "least": the shortest
 *     protect/commit                       from when it was taken until the backup had it
 *     protect/bytes                        what was sent for one
 *     protect/gap BACKUP                   kills of `npm run failover`: how long its client was answered nothing, least, median and most
 *
 * Theory of operation. GUEST is idle, or makes 200 pages dirty every 10 ms (tools/failover/counter.pl). BACKUP is local, or another daemon's, which is a process of its own.
 * The peer is what QEMU can do by itself: the machine is stopped, all of it is saved to a file in /dev/shm, and it goes on. It is the same machine, right after ours.
 *
 * To boot a guest, to protect it and to kill it take long, so all rows of one guest are of one look at it, and repetitions answer the same.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { netOf } from '@netloom/node/net';
import { ADDRESS, PORT, counterRequest, lackingCounter } from '../tools/failover/counter-guest.mjs';
import { DaemonChild } from '../tools/failover/daemon-child.mjs';
import { prove } from '../tools/failover/proof.mjs';
import { until } from '../tools/failover/until.mjs';
import { withDaemon } from './daemon.mjs';
import { median } from './median.mjs';

/** @typedef {import('@netloom/node/client').ProtectionView} ProtectionView */
/** @typedef {'local' | 'unix'} Backup */
/** @typedef {{ epochs: number, pause: number, pauseLeast: number, commit: number, bytes: number }} Figures per second, ms, ms, ms, kB */
/** @typedef {{ local: Figures, unix: Figures, saved: Figures }} Looks */

const MACHINE = 'ward';
const TAP = 'tap0';
const INTERVAL_MS = 25;
const LOOK_MS = 4_000;
const PAGES = 200;
const SAVES = 10;
const WAIT_MS = 180_000;
/** The daemons of a pair are started anew after each, which takes its time. */
const KILLS = { local: 20, pair: 10 };

/** What is asked for once is remembered. @template T @param {() => Promise<T>} make */
function once(make) {
  /** @type {Promise<T> | null} */
  let made = null;
  return () => (made ??= make());
}

/** @param {readonly { at: number, pauseUs: number, commitUs: number, bytes: number }[]} checkpoints `at` in ms @returns {Figures} */
function figuresOf(checkpoints) {
  const [first, last] = [checkpoints[0]?.at ?? 0, checkpoints.at(-1)?.at ?? 0];
  const of = (/** @type {'pauseUs' | 'commitUs' | 'bytes'} */ which) => checkpoints.map((checkpoint) => checkpoint[which] / 1e3);
  return { epochs: ((checkpoints.length - 1) * 1e3) / (last - first), pause: median(of('pauseUs')), pauseLeast: Math.min(...of('pauseUs')), commit: median(of('commitUs')), bytes: median(of('bytes')) };
}

/** Protects the machine, and looks at it for a while. @param {import('./daemon.mjs').BenchDaemon} bench @param {string} backup */
async function look({ client }, backup) {
  await client.post('/v1/protections', { machine: MACHINE, backup, interval: INTERVAL_MS });
  const view = () => /** @type {Promise<ProtectionView>} */ (client.get(`/v1/protections/${MACHINE}?side=primary`));
  await until('checkpoints are safe', WAIT_MS, async () => (await view()).committed > 10);
  const from = (await view()).epoch;
  await delay(LOOK_MS);
  const { recent } = await view();
  await client.delete(`/v1/protections/${MACHINE}`);
  return figuresOf(recent.flatMap(({ epoch, takenUs, pauseUs, commitUs, bytes }) => (epoch <= from || commitUs === null || bytes === null ? [] : [{ at: takenUs / 1e3, pauseUs, commitUs: commitUs - pauseUs, bytes }])));
}

/** What QEMU does by itself. @param {import('./daemon.mjs').BenchDaemon} bench */
async function save({ daemon, folder }) {
  const process = daemon.vms.find(MACHINE)?.process;
  if (process === null || process === undefined) throw new Error('the machine is gone');
  const path = join('/dev/shm', `netloom-bench-${globalThis.process.pid}-${folder.slice(-6)}`);
  const { qmp } = process;
  // Memory is left out of what is taken for us.
  await qmp.run('migrate-set-capabilities', { capabilities: [{ capability: 'x-ignore-shared', state: false }] });
  const saves = [];
  try {
    for (let n = 0; n < SAVES; n++) {
      const from = performance.now();
      await qmp.run('stop');
      const ends = qmp.waitFor('MIGRATION', ({ status }) => status === 'completed' || status === 'failed', WAIT_MS);
      await qmp.run('migrate', { uri: `exec:cat > ${path}` });
      await ends;
      await process.resume();
      const ms = performance.now() - from;
      saves.push({ at: from, pauseUs: ms * 1e3, commitUs: ms * 1e3, bytes: statSync(path).size });
    }
  } finally {
    rmSync(path, { force: true });
  }
  return figuresOf(saves);
}

/** @param {number} mb @param {number} pages @returns {Promise<Looks>} */
const looks = (mb, pages) => withDaemon(async (bench) => {
  const { client, tool, folder, daemon } = bench;
  const backup = await DaemonChild.start('backup', folder);
  try {
    await tool('ifconfig', 'bridge0', 'create', 'inet', '10.9.0.1/24', 'up');
    await tool('ifconfig', TAP, 'create', 'up');
    await tool('ifconfig', 'bridge0', 'addm', TAP);
    await client.post('/v1/vms', { ...(await counterRequest({ name: MACHINE, nic: TAP, memory: `${mb}M`, pages })), protectable: true });
    await until('the counter answers', WAIT_MS, () => answers(daemon));
    const local = await look(bench, 'local');
    const unix = await look(bench, `unix:${backup.socket}`);
    const saved = await save(bench);
    await client.delete(`/v1/vms/${MACHINE}?seconds=0`);
    return { local, unix, saved };
  } finally {
    await backup.end();
  }
});

/** Is there somebody to connect to? @param {import('@netloom/node').Daemon} daemon @returns {Promise<boolean>} */
const answers = ({ kernel }) => new Promise((resolve) => {
  const socket = netOf(kernel.vnet0).connect({ host: ADDRESS, port: PORT });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  socket.once('close', () => resolve(false));
  socket.once('connect', () => socket.destroy());
});

/** @param {import('../tools/failover/proof.mjs').Mode} mode */
async function gaps(mode) {
  const { gapMs, problems } = await prove({ kills: KILLS[mode], mode, intervalMs: INTERVAL_MS, unplugged: false, seed: 1, memory: '128M', disk: false, pages: 0, linux: false }, () => undefined);
  if (gapMs === null || problems.length > 0) throw new Error(problems.join('; '));
  return gapMs;
}

const lacking = () => (process.platform === 'linux' ? lackingCounter() : 'needs Linux');

/** @param {number} mb @param {string} guest @param {number} pages */
function rowsOf(mb, guest, pages) {
  const all = once(() => looks(mb, pages));
  const rows = /** @type {const} */ ([['epochs', '1/s', 'epochs', ''], ['pause', 'ms', 'pause', ''], ['pause', 'ms', 'pauseLeast', ', least'], ['commit', 'ms', 'commit', ''], ['bytes', 'kB', 'bytes', '']]);
  return /** @type {const} */ (['local', 'unix']).flatMap((backup) => rows.map(([what, unit, figure, more]) => ({
    name: `protect/${what} ${mb}, ${guest}, ${backup}${more}`, unit, lacking,
    measure: async () => (await all())[backup][figure],
    peer: { name: 'stop, save all to a file, go on', measure: async () => (await all()).saved[figure] },
  })));
}

/** @param {import('../tools/failover/proof.mjs').Mode} mode */
function gapRows(mode) {
  const all = once(() => gaps(mode));
  return /** @type {const} */ (['min', 'median', 'max']).map((which) => ({
    name: `protect/gap ${mode === 'local' ? 'local' : 'unix'}, ${which === 'min' ? 'least' : which === 'max' ? 'most' : 'median'}`, unit: 'ms', lacking, measure: async () => (await all())[which],
  }));
}

export const benchmarks = [
  ...[128, 256].flatMap((mb) => [...rowsOf(mb, 'idle', 0), ...rowsOf(mb, 'dirty', PAGES)]),
  ...gapRows('local'),
  ...gapRows('pair'),
];
