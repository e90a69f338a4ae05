/**
 * delivery-worker.mjs — a datapath worker of the delivery torture: forwards frames from memory, and knows of each where it must arrive.
 * Read first: delivery.mjs, delivery-ids.mjs.
 *
 * Now and then it is held up in the middle of a frame, as a thread is that loses its processor: between a table and what that leads to. It sleeps at times, and takes
 * messages late: when it must, or after some batches.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Prng } from '@netloom/core';
import { QUIET_DEAD, QuiescentReader, forwardFrame, fwdReason, fwdViewOf } from '@netloom/core/fwd';
import { ip4Emit, ip6Emit } from '@netloom/core/wire';
import { DEAD, FAMILIES, HIDDEN, HIDDEN_HOST, IDS, SHUT, STOP, VLAN_IDS, VLAN_WAY, WAYS, destination4, ownMac, portOfWay } from './delivery-ids.mjs';

/**
 * @typedef {{ tables: { memory: import('@netloom/core/fwd').FwdMemory, messages: readonly import('@netloom/core/fwd').FwdMessage[] }, periods: Int32Array, slot: number, seed: number, shared: Int32Array, port: import('node:worker_threads').MessagePort }} WorkerData
 * @typedef {{ frames: number, sent: number, dropped: number, proofs: number, batches: number, wrong: string[] }} Report
 */

const BATCH = 64;
const ROOM = 64;
const FRAME = 14 + 60;
const HOLD_SPINS = 2_000;
const WRONG_MAX = 10;
const ETHERTYPE_IP = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const UDP = 17;

/** @type {WorkerData} */
const { tables, periods, slot, seed, shared, port } = workerData;
const rng = new Prng(seed).split(`worker ${slot}`);
const view = fwdViewOf(tables.memory, tables.messages);
const bytes = new Uint8Array(ROOM + FRAME);
const v = new DataView(bytes.buffer);
/** @type {Report} */
const report = { frames: 0, sent: 0, dropped: 0, proofs: 0, batches: 0, wrong: [] };
let spun = 0;

/** A moment, or a good while. */
function holdUp() {
  if (!rng.chance(1 / 512)) return;
  for (let i = rng.below(HOLD_SPINS); i > 0; i--) spun = (spun + Atomics.load(shared, STOP)) | 0;
}

/** Puts a hold-up behind what leads from one table to the next. @param {object} object @param {string} name */
function slow(object, name) {
  const table = /** @type {Record<string, (...args: number[]) => number>} */ (object);
  const own = table[name];
  if (own === undefined) return;
  table[name] = (a = 0, b = 0, c = 0, d = 0, e = 0) => {
    holdUp();
    const found = own.call(object, a, b, c, d, e);
    holdUp();
    return found;
  };
}

function slowSets() {
  for (const set of view.sets) {
    if (set === null || set === undefined || Object.hasOwn(set.fwd4.nhops, 'select')) continue;
    slow(set.fwd4.nhops, 'select');
    if (set.fwd6.nhops !== set.fwd4.nhops) slow(set.fwd6.nhops, 'select');
  }
}

function takeMessages() {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) view.apply(got.message);
  slowSets();
}

/** A frame to host `host` of destination `k`, in `bytes`. @param {number} family @param {number} k @param {number} host */
function put(family, k, host) {
  bytes.set(ownMac(0, 0), ROOM);
  bytes.set([2, 1, 1, 1, 1, 1], ROOM + 6);
  const at = ROOM + 14;
  if (family === 0) {
    v.setUint16(ROOM + 12, ETHERTYPE_IP);
    ip4Emit(v, at, 20, 0, 60, 1, 0, 64, UDP, 0x0a000002, (destination4(k) | host) >>> 0);
    v.setUint32(at + 20, rng.u32());
    return;
  }
  v.setUint16(ROOM + 12, ETHERTYPE_IPV6);
  ip6Emit(v, at, 0, 0, 20, UDP, 64);
  bytes.fill(0, at + 8, at + 40);
  v.setUint32(at + 8, 0xfd000000);
  v.setUint32(at + 20, 2);
  v.setUint32(at + 24, 0xfd020000 + k);
  v.setUint32(at + 36, host);
  v.setUint32(at + 40, rng.u32());
}

/** What is wrong with the frame that leaves by `out`; null: nothing. @param {number} out @param {number} family @param {number} k */
function wrongly(out, family, k) {
  const { at } = view;
  const way = bytes[at + 2] ?? 0;
  const tagged = v.getUint16(at + 12) === 0x8100;
  if (bytes[at] !== 2 || (bytes[at + 3] ?? 0) !== family || v.getUint16(at + 4) !== k) return 'to somebody else';
  if (way < 1 || way > WAYS || out !== portOfWay(way)) return `way ${way} by port ${out}`;
  if (tagged !== (way === VLAN_WAY) || (tagged && !VLAN_IDS.includes(v.getUint16(at + 14)))) return 'with a wrong tag';
  if (bytes[at + 6] !== 2 || bytes[at + 7] !== 0xee || (bytes[at + 11] !== way && !(way === VLAN_WAY && bytes[at + 11] === portOfWay(way)))) return `way ${way} from ${hex(at + 6, 6)}`;
  return null;
}

/** @param {number} at @param {number} n */
const hex = (at, n) => Buffer.from(bytes.subarray(at, at + n)).toString('hex');

/** Is `word` proof that something must not be delivered, and was it so all the time? @param {number} word @param {number} before */
function proves(word, before) {
  return (before & 1) !== 0 && Atomics.load(shared, word) === before;
}

function frame() {
  const family = rng.below(FAMILIES);
  const k = rng.below(IDS);
  const host = rng.chance(0.1) ? HIDDEN_HOST : 16 + rng.below(200);
  const deadAt = DEAD + family * IDS + k;
  const hiddenAt = HIDDEN + family * IDS + k;
  const dead = Atomics.load(shared, deadAt);
  const hidden = Atomics.load(shared, hiddenAt);
  for (let way = 1; way <= WAYS; way++) shut[way] = Atomics.load(shared, SHUT + way);
  put(family, k, host);
  const verdict = forwardFrame(view, 0, v, ROOM, FRAME);
  report.frames++;
  if ((dead & 1) !== 0) report.proofs++;
  if (verdict < 0) {
    if (fwdReason(verdict) === 'blackhole') report.dropped++;
    return;
  }
  report.sent++;
  const way = bytes[view.at + 2] ?? 0;
  const late = proves(deadAt, dead) ? 'although it has no route' : host === HIDDEN_HOST && proves(hiddenAt, hidden) ? 'past its blackhole' : proves(SHUT + way, shut[way] ?? 0) ? 'by an interface that is down' : null;
  const wrong = wrongly(verdict, family, k) ?? late;
  if (wrong !== null && report.wrong.length < WRONG_MAX) report.wrong.push(`worker ${slot}: a packet for ${family === 0 ? 'IPv4' : 'IPv6'} destination ${k}, host ${host}: ${wrong} (port ${verdict}, ${hex(view.at, 18)})`);
}

const shut = new Array(WAYS + 1).fill(0);

function main() {
  const reader = new QuiescentReader(periods, slot, takeMessages);
  slow(view.neigh4, 'find');
  slow(view.neigh6, 'find5');
  slowSets();
  let quiet = reader.online();
  parentPort?.postMessage(null);
  while (quiet !== QUIET_DEAD && Atomics.load(shared, STOP) === 0 && report.wrong.length === 0) {
    view.beginBatch();
    for (let n = 0; n < BATCH; n++) frame();
    report.batches++;
    quiet = reader.quiesce();
    if (rng.chance(1 / 16)) takeMessages();
    if (!rng.chance(1 / 64)) continue;
    reader.offline();
    holdUp();
    quiet = reader.online();
  }
  if (reader.isOnline) reader.offline();
  if (report.wrong.length > 0) Atomics.store(shared, STOP, 1);
  parentPort?.postMessage(report);
  port.close();
}

main();
