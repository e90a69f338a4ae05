/**
 * lifecycle.bench.mjs — what it costs to move an interface, to stop a busy stack, and to keep a thousand idle ones.
 *
 * The peers do the same with Linux network namespaces: one end of a veth pair moved by rtnetlink, a namespace with as many interfaces and
 * sockets going away, and the kernel memory of idle namespaces.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Kernel, PF_INET, SOCK_DGRAM, ifCloneCreate, ifVmoveLoan, quietEnv } from '@netloom/core';
import { cPeer } from './c-peer.mjs';

const MOVES = 20_000;
const STOPS = 10;
const INTERFACES = 100;
const SOCKETS = 1_000;
const STACKS = 1_000;
const SOCKET_PORTS = 1_024;

/** @param {boolean} ok @param {string} what */
const must = (ok, what) => {
  if (!ok) throw new Error(what);
};

function moveEpairEnd() {
  const kernel = new Kernel(quietEnv(1));
  const [a, b] = [kernel.vnetAlloc('a').net, kernel.vnetAlloc('b').net];
  return kernel.call(0, () => {
    const name = ifCloneCreate(a, 'epair').ifp?.xname ?? '';
    const move = (/** @type {number} */ i) => must((i & 1 ? ifVmoveLoan(b, name, a) : ifVmoveLoan(a, name, b)) === 0, 'a move was refused');
    for (let i = 0; i < 2_000; i++) move(i);
    const t0 = performance.now();
    for (let i = 0; i < MOVES; i++) move(i);
    return ((performance.now() - t0) * 1_000) / MOVES;
  });
}

/** A jail with interfaces and sockets. @param {Kernel} kernel @param {string} name */
function busyJail(kernel, name) {
  const { prison } = kernel.jailCreate(kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true });
  must(prison !== null, 'no jail');
  const { net, sockets } = /** @type {import('@netloom/core').Prison} */ (prison).vnet;
  kernel.call(0, () => {
    for (let i = 0; i < INTERFACES / 2; i++) must(ifCloneCreate(net, 'epair').error === 0, 'no epair');
    for (let i = 0; i < SOCKETS; i++) must(sockets.socket(PF_INET, SOCK_DGRAM).so?.bind(0, SOCKET_PORTS + i) === 0, 'no socket');
  });
  return /** @type {import('@netloom/core').Prison} */ (prison);
}

function stopBusyStack() {
  const kernel = new Kernel(quietEnv(1));
  kernel.jailRemove(busyJail(kernel, 'warm'));
  let ms = 0;
  for (let i = 0; i < STOPS; i++) {
    const prison = busyJail(kernel, `j${i}`);
    const t0 = performance.now();
    must(kernel.jailRemove(prison) === 0, 'not removed');
    ms += performance.now() - t0;
  }
  must(kernel.shared.attached === 1, 'interfaces are left');
  return ms / STOPS;
}

function bytesEach() {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const kernel = new Kernel(quietEnv(1));
  const held = [kernel.vnetAlloc('first')];
  gc();
  const before = process.memoryUsage();
  for (let i = 0; i < STACKS; i++) held.push(kernel.vnetAlloc(`v${i}`));
  gc();
  const after = process.memoryUsage();
  for (const v of held) kernel.vnetDestroy(v);
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / STACKS;
}

export const benchmarks = [
  { name: 'lifecycle/move-epair-end', unit: 'us', measure: moveEpairEnd, peer: cPeer('Linux veth end', 'veth-move.c', ['50'], { root: true }) },
  {
    name: 'lifecycle/stop-100-interfaces-1000-sockets', unit: 'ms', measure: stopBusyStack,
    peer: cPeer('Linux netns', 'netns-stop.c', [String(INTERFACES), String(SOCKETS)], { root: true }),
  },
  { name: 'lifecycle/1000-vnets-alive', unit: 'bytes each', measure: bytesEach, peer: cPeer('Linux netns', 'netns-memory.c', ['500'], { root: true }) },
];
