/**
 * bridge.bench.mjs — 64-byte frames from an epair through a bridge to another epair, in one thread: the whole way through
 * ifTransmit, the run queue, learning and look-up, with one copy where the frame is made.
 * The peer does the same work (copy, learn, look up, hand on) in plain C, without a stack around it.
 */
import { performance } from 'node:perf_hooks';
import { bridgeAdd, ifTransmit } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { cPeer } from './c-peer.mjs';

const COUNT = 1_000_000;
const BATCH = 64;

/** @param {number} hosts stations behind the far port */
function forward(hosts) {
  const net = new SimNet(2);
  net.kernel.engine.witness.watch = 0; // as on a host
  const { kernel } = net;
  const vnet = kernel.vnet0;
  const bridge = net.clone(vnet, 'bridge');
  const [near, nearPort] = net.epair(vnet, vnet);
  const [far, farPort] = net.epair(vnet, vnet);
  kernel.call(0, () => {
    bridgeAdd(bridge, nearPort.xname);
    bridgeAdd(bridge, farPort.xname);
  });
  net.up(bridge);
  kernel.settle();
  let arrived = 0;
  far.input = (_ifp, m) => {
    arrived++;
    m.free();
  };
  for (let h = 0; h < hosts; h++) send(far, kernel.engine.pool, 0xffff, 0xffffffff, 0x0280, h);
  kernel.settle();
  arrived = 0;
  const t0 = performance.now();
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    for (let i = 0; i < BATCH; i++) send(near, kernel.engine.pool, 0x0280, (sent + i) % hosts, 0x0200, i);
    kernel.settle();
  }
  const us = (performance.now() - t0) * 1_000;
  if (arrived < COUNT) throw new Error(`${arrived} of ${COUNT} frames arrived`);
  kernel.shutdown();
  return COUNT / us;
}

/**
 * A 64-byte frame out of `ifp`; addresses as (first two bytes, last four).
 * @param {import('@netloom/core').Ifnet} ifp @param {import('@netloom/core').PacketPool} pool
 * @param {number} dhi @param {number} dlo @param {number} shi @param {number} slo
 */
function send(ifp, pool, dhi, dlo, shi, slo) {
  const m = pool.alloc(64);
  if (m === null) throw new Error('no packet to be had');
  const v = m.view;
  v.setUint16(m.off, dhi);
  v.setUint32(m.off + 2, dlo);
  v.setUint16(m.off + 6, shi);
  v.setUint32(m.off + 8, slo);
  v.setUint16(m.off + 12, 0x88b5);
  for (let i = 14; i < 62; i += 4) v.setUint32(m.off + i, 0);
  ifTransmit(ifp, m);
}

const peer = cPeer('plain C', 'bridge.c', ['2000000']);

export const benchmarks = [
  { name: 'bridge/epair-64B', unit: 'Mpps', measure: () => forward(64), peer },
  { name: 'bridge/epair-64B-1000-hosts', unit: 'Mpps', measure: () => forward(1_000), peer },
];
