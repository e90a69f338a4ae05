/**
 * vnet.bench.mjs — what a stack of one's own costs: time to make and unmake one with lo0. Its memory is in lifecycle.bench.mjs.
 * The peer is a Linux network namespace: unshare(CLONE_NEWNET) in a child that exits (its destruction goes on in the kernel).
 */
import { performance } from 'node:perf_hooks';
import { Kernel, quietEnv } from '@netloom/core';
import { cPeer } from './c-peer.mjs';

const COUNT = 2_000;

function createDestroy() {
  const kernel = new Kernel(quietEnv(1));
  for (let i = 0; i < 200; i++) kernel.vnetDestroy(kernel.vnetAlloc('warm'));
  const t0 = performance.now();
  for (let i = 0; i < COUNT; i++) kernel.vnetDestroy(kernel.vnetAlloc('v'));
  return ((performance.now() - t0) * 1_000) / COUNT;
}

export const benchmarks = [
  { name: 'vnet/create-destroy', unit: 'us', measure: createDestroy, peer: cPeer('Linux netns', 'netns.c', ['100'], { root: true }) },
];
