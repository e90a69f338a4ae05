/**
 * io.bench.mjs — what moving a frame costs, and nothing else: two namespaces with a TAP each, and between the TAPs a FrameIo of the datapath whose handler hands every frame of one
 * to the other. The peers do the same in C, by poll, read and write, with one thread and with one for each direction (peers/tap-bridge.c).
 *
 *     namespace ── TAP ── thread: FrameIo, forward ── TAP ── namespace
 *                     └── thread: the same, the other way ──┘
 *
 * iperf3 measures TCP. `1500`: frames of the MTU, without virtio headers; `offload`: with them, segments of 64 KB. `x1` is one thread for both directions, as a worker has it; else there is one
 * for each. The first second, in which JavaScript is compiled and TCP finds its window, does not count.
 */
import { Worker } from 'node:worker_threads';
import { loadLibc, O_CLOEXEC, O_NONBLOCK } from '../packages/node/dist/tap/libc.js';
import { openTap } from '../packages/node/dist/tap/tap-device.js';
import { IoUring } from '../packages/node/dist/native/io-uring.js';
import { tcp } from './iperf.mjs';
import { lackingNetns } from './netns.mjs';
import { FAR } from './switches.mjs';
import { tapBridge, throughTaps } from './tap-bridge.mjs';

/** @typedef {import('./tap-bridge.mjs').Bridge} Bridge */

const FRAME_PLAIN = 1_984;
const FRAME_LONG = 65_600;

/** Gigabits a second that arrived. @param {Bridge} bridge @param {boolean} vnetHdr */
const throughput = (bridge, vnetHdr) => throughTaps(bridge, vnetHdr, (ends) => tcp(ends, FAR, '-O', '1'));

/** By FrameIo. @param {'io_uring' | 'poll'} kind @param {1 | 2} threads @returns {Bridge} */
const byFrameIo = (kind, threads) => (a, b, vnetHdr) => {
  const libc = loadLibc();
  const fds = [a, b].map((name) => openTap({ name, vnetHdr }).fd);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const bell = new BigUint64Array([1n]);
  const workers = Array.from({ length: threads }, (_, thread) => {
    const wakeFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    const ports = fds.map((fd, i) => ({ fd, to: threads === 1 || i === thread ? 1 - i : -1 }));
    const worker = new Worker(new URL('./frame-bridge-worker.mjs', import.meta.url), { workerData: { kind, wakeFd, stop, frameMax: vnetHdr ? FRAME_LONG : FRAME_PLAIN, ports } });
    return { wakeFd, ended: new Promise((resolve) => worker.once('exit', resolve)) };
  });
  return Promise.resolve(async () => {
    Atomics.store(stop, 0, 1);
    for (const { wakeFd } of workers) libc.write(wakeFd, libc.address(bell), 8);
    for (const { wakeFd, ended } of workers) {
      await ended;
      libc.close(wakeFd);
    }
    for (const fd of fds) libc.close(fd);
  });
};

/** Why this machine has no io_uring, or null. */
function lackingUring() {
  try {
    new IoUring(4, 8).destroy();
    return null;
  } catch (error) {
    return String(error);
  }
}

/** @param {string} name @param {'io_uring' | 'poll'} kind @param {1 | 2} threads @param {1 | 2} peerThreads @param {boolean} vnetHdr */
const row = (name, kind, threads, peerThreads, vnetHdr) => ({
  name: `io/${name}`,
  unit: 'Gbit/s',
  lacking: () => lackingNetns('iperf3', 'timeout', 'cc') ?? (kind === 'io_uring' ? lackingUring() : null),
  measure: () => throughput(byFrameIo(kind, threads), vnetHdr),
  peer: { name: `C, poll, ${peerThreads === 1 ? 'one thread' : 'two threads'}`, measure: () => throughput(tapBridge(peerThreads), vnetHdr) },
});

export const benchmarks = [
  row('poll-1500', 'poll', 2, 2, false),
  row('poll-1500-x1', 'poll', 1, 1, false),
  row('uring-1500', 'io_uring', 2, 2, false),
  row('uring-1500-x1', 'io_uring', 1, 1, false),
  row('poll-offload', 'poll', 2, 2, true),
  row('uring-offload', 'io_uring', 2, 2, true),
  row('uring-offload-x1', 'io_uring', 1, 1, true),
];
