/**
 * echo.bench.mjs — questions and answers through the whole stack: ICMP echo answered in place, and UDP echo between two vnets
 * over an epair with ARP resolved. The peers are the same round trips through Linux's loopback from C.
 */
import { performance } from 'node:perf_hooks';
import { SimNet, Wire, craftArp, craftEcho, ip4 } from '@netloom/core/sim';
import { cPeer } from './c-peer.mjs';

const ECHOES = 1_000_000;
const DATAGRAMS = 300_000;
const BATCH = 64;

/** Echo requests of a resolved neighbour into one interface; each comes back out of it. */
function icmp() {
  const net = new SimNet(1);
  net.kernel.engine.witness.watch = 0; // as on a host
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  vnet.kern.sysctl.set('net.inet.icmp.icmplim', 0);
  const link = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };
  wire.in(craftArp(link, 1, link.src, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1'));
  const frame = craftEcho(link, { src: '192.0.2.2', dst: '192.0.2.1' }, 1, 1, 18);
  wire.in(frame).take();
  const { kernel } = net;
  const { pool } = kernel.engine;
  let out = 0;
  wire.transmit = (_ifp, m) => {
    out++;
    m.free();
    return 0;
  };
  const t0 = performance.now();
  for (let i = 0; i < ECHOES; i += BATCH) {
    for (let k = 0; k < BATCH; k++) {
      const m = pool.from(frame);
      if (m !== null) kernel.input(wire.ifp, m, net.now);
    }
    kernel.settle();
  }
  const us = (performance.now() - t0) * 1_000;
  if (out < ECHOES) throw new Error(`${out} of ${ECHOES} echoes answered`);
  return ECHOES / us;
}

/** Datagrams to a vnet at the other end of an epair, sent back from there. */
function udp() {
  const net = new SimNet(3);
  net.kernel.engine.witness.watch = 0; // as on a host
  const { kernel } = net;
  const [a, b] = [kernel.vnet0, net.vnet('peer')];
  const [x, y] = net.epair(a, b);
  net.addr(a, x, '10.0.0.1/24');
  net.addr(b, y, '10.0.0.2/24');
  const far = net.udp(b, 7);
  const near = net.udp(a);
  near.connect(ip4('10.0.0.2'), 7);
  const info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  let back = 0;
  far.onReadable = () => {
    for (let m = far.recvPacket(); m !== null; m = far.recvPacket()) {
      far.describe(m, info);
      m.reset(m.off, m.len);
      far.sendPacket(m, info.addr, info.port);
    }
  };
  near.onReadable = () => {
    for (let m = near.recvPacket(); m !== null; m = near.recvPacket()) {
      back++;
      m.free();
    }
  };
  const round = () => {
    for (let k = 0; k < BATCH; k++) {
      const m = near.allocPacket(64);
      if (m !== null) near.sendPacket(m);
    }
    kernel.settle();
  };
  for (let i = 0; i < 100; i++) round();
  back = 0;
  const t0 = performance.now();
  for (let i = 0; i < DATAGRAMS; i += BATCH) round();
  const us = (performance.now() - t0) * 1_000;
  if (back < DATAGRAMS) throw new Error(`${back} of ${DATAGRAMS} datagrams came back`);
  kernel.shutdown();
  return DATAGRAMS / us;
}

export const benchmarks = [
  { name: 'echo/icmp', unit: 'Mpps', measure: icmp, peer: cPeer('Linux loopback, raw socket', 'echo.c', ['icmp', '200000'], { root: true }) },
  { name: 'echo/udp-epair', unit: 'Mpps', measure: udp, peer: cPeer('Linux loopback', 'echo.c', ['udp', '200000']) },
];
