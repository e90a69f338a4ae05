/**
 * frame-bridge-worker.mjs — a thread that hands every frame of some ports to others, by a FrameIo of the datapath; for io.bench.mjs.
 *
 * Its data are the FrameIo's kind, an eventfd that wakes it, a flag that ends it, the length of frames, and of each port its descriptor and where its frames go (-1: it is not read).
 */
import { workerData } from 'node:worker_threads';
import { chooseFrameIo } from '../packages/node/dist/datapath/io/choose-io.js';
import { loadLibc } from '../packages/node/dist/tap/libc.js';

/** @typedef {{ kind: 'io_uring' | 'poll', wakeFd: number, stop: Int32Array, frameMax: number, ports: { fd: number, to: number }[] }} BridgeData */

const { kind, wakeFd, stop, frameMax, ports } = /** @type {BridgeData} */ (workerData);
const to = ports.map((port) => port.to);
const nothing = () => undefined;
const handler = {
  /** @param {number} port @param {unknown} _mem @param {number} at @param {number} len */
  frame: (port, _mem, at, len) => void io.forward(to[port] ?? -1, at, len),
  batchEnd: nothing, idle: nothing, awake: nothing, refused: nothing, gone: nothing,
};
const { io } = chooseFrameIo(loadLibc(), handler, wakeFd, kind);
ports.forEach((port, i) => io.open(i, port.fd, port.to >= 0, frameMax));
while (Atomics.load(stop, 0) === 0) io.turn(1_000);
io.destroy();
