/**
 * vnet.bench.mjs — what a stack of one's own costs: time to make and unmake one with lo0, and bytes while it stands.
 * The peer is a Linux network namespace: unshare(CLONE_NEWNET) in a child that exits (its destruction goes on in the kernel).
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Kernel, quietEnv } from '@netloom/core';
import { cPeer } from './c-peer.mjs';

const COUNT = 2_000;
const KEPT = 1_000;

function createDestroy() {
  const kernel = new Kernel(quietEnv(1));
  for (let i = 0; i < 200; i++) kernel.vnetDestroy(kernel.vnetAlloc('warm'));
  const t0 = performance.now();
  for (let i = 0; i < COUNT; i++) kernel.vnetDestroy(kernel.vnetAlloc('v'));
  return ((performance.now() - t0) * 1_000) / COUNT;
}

function bytesEach() {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const kernel = new Kernel(quietEnv(1));
  const held = [kernel.vnetAlloc('first')];
  gc();
  const before = process.memoryUsage();
  for (let i = 0; i < KEPT; i++) held.push(kernel.vnetAlloc(`v${i}`));
  gc();
  const after = process.memoryUsage();
  for (const v of held) kernel.vnetDestroy(v);
  return (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / KEPT;
}

export const benchmarks = [
  { name: 'vnet/create-destroy', unit: 'us', measure: createDestroy, peer: cPeer('Linux netns', 'netns.c', ['100'], { root: true }) },
  { name: 'vnet/memory', unit: 'bytes', measure: bytesEach },
];
