/**
 * bridge.bench.mjs — 64-byte frames from an epair through a bridge to another epair, in one thread: the whole way through
 * ifTransmit, the run queue, learning and look-up, with one copy where the frame is made.
 * The peer does the same work (copy, learn, look up, hand on) in plain C, without a stack around it.
 */
import { performance } from 'node:perf_hooks';
import { Kernel, bridgeAdd, ifCloneCreate, ifTransmit, ifUp, quietEnv } from '@netloom/core';
import { cPeer } from './c-peer.mjs';

const COUNT = 1_000_000;
const BATCH = 64;

function forward(hosts) {
  const kernel = new Kernel(quietEnv(2));
  const net = kernel.vnet0.net;
  const { near, far } = kernel.call(0, () => {
    const bridge = ifCloneCreate(net, 'bridge').ifp;
    const ends = [0, 1].map(() => ifCloneCreate(net, 'epair').ifp);
    for (const a of ends) bridgeAdd(bridge, a.xname);
    const twins = ends.map((a) => net.ifunit(a.xname.replace(/a$/, 'b')));
    for (const ifp of [bridge, ...ends, ...twins]) ifUp(ifp);
    return { near: twins[0], far: twins[1] };
  });
  kernel.settle();
  let arrived = 0;
  far.input = (_ifp, m) => {
    arrived++;
    m.free();
  };
  const pool = kernel.engine.pool;
  const teach = (ifp, last) => {
    const m = pool.alloc(64);
    frame(m, 0xffff, 0xffffffff, 0x0280, last);
    ifTransmit(ifp, m);
  };
  for (let h = 0; h < hosts; h++) teach(far, h);
  kernel.settle();
  arrived = 0;
  const t0 = performance.now();
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    for (let i = 0; i < BATCH; i++) {
      const m = pool.alloc(64);
      frame(m, 0x0280, (sent + i) % hosts, 0x0200, i);
      ifTransmit(near, m);
    }
    kernel.settle();
  }
  const us = (performance.now() - t0) * 1_000;
  if (arrived < COUNT) throw new Error(`${arrived} of ${COUNT} frames arrived`);
  kernel.shutdown();
  return COUNT / us;
}

function frame(m, dhi, dlo, shi, slo) {
  const v = m.view;
  v.setUint16(m.off, dhi);
  v.setUint32(m.off + 2, dlo);
  v.setUint16(m.off + 6, shi);
  v.setUint32(m.off + 8, slo);
  v.setUint16(m.off + 12, 0x88b5);
  for (let i = 14; i < 62; i += 4) v.setUint32(m.off + i, 0);
}

const peer = cPeer('plain C', 'bridge.c', ['2000000']);

export const benchmarks = [
  { name: 'bridge/epair-64B', unit: 'Mpps', measure: () => forward(64), peer },
  { name: 'bridge/epair-64B-1000-hosts', unit: 'Mpps', measure: () => forward(1_000), peer },
];
