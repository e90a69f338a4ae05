/**
 * echo.bench.mjs — questions and answers through the whole stack: ICMP echo answered in place, and UDP echo between two vnets
 * over an epair with ARP resolved. The peers are the same round trips through Linux's loopback from C.
 */
import { performance } from 'node:perf_hooks';
import { Kernel, PF_INET, SOCK_DGRAM, ifCloneCreate, ifUp, ifVmove, inAifaddr, quietEnv } from '@netloom/core';
import { Wire, SimNet, craftEcho } from '@netloom/core/sim';
import { ip4Parse } from '@netloom/core/wire';
import { cPeer } from './c-peer.mjs';

const ECHOES = 1_000_000;
const DATAGRAMS = 300_000;
const BATCH = 64;

/** Echo requests of a resolved neighbour into one interface; each comes back out of it. */
function icmp() {
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  vnet.kern.sysctl.set('net.inet.icmp.icmplim', 0);
  const link = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };
  const frame = craftEcho(link, { src: '192.0.2.2', dst: '192.0.2.1' }, 1, 1, 18);
  wire.in(frame);
  wire.at(net.now + 1_000);
  answerArp(wire, net);
  wire.take();
  let out = 0;
  const { kernel } = net;
  const { pool } = kernel.engine;
  wire.transmit = (_ifp, m) => {
    out++;
    m.free();
    return 0;
  };
  const t0 = performance.now();
  for (let i = 0; i < ECHOES; i += BATCH) {
    for (let k = 0; k < BATCH; k++) kernel.input(wire.ifp, pool.from(frame), net.now);
    kernel.settle();
  }
  const us = (performance.now() - t0) * 1_000;
  if (out < ECHOES) throw new Error(`${out} of ${ECHOES} echoes answered`);
  return ECHOES / us;
}

/** The neighbour answers the question its own request caused. */
function answerArp(wire, net) {
  for (const f of wire.take()) {
    const type = new DataView(f.bytes.buffer).getUint16(12);
    if (type !== 0x0806) continue;
    const reply = f.bytes.slice();
    reply.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], 0);
    reply[21] = 2;
    reply.set([2, 0, 0, 0, 0, 2, 192, 0, 2, 2, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1], 22);
    wire.in(reply);
  }
  net.kernel.settle();
}

/** Datagrams to a vnet at the other end of an epair, sent back from there. */
function udp() {
  const kernel = new Kernel(quietEnv(3));
  const host = kernel.vnet0;
  const { prison } = kernel.jailCreate(kernel.prisons.prison0, { name: 'peer', persist: true, attach: false, vnet: true });
  kernel.call(0, () => {
    const a = ifCloneCreate(host.net, 'epair').ifp;
    const b = host.net.ifunit(a.xname.replace(/a$/, 'b'));
    ifVmove(b, prison.vnet.net);
    inAifaddr(host.inNet, a, { addr: ip4Parse('10.0.0.1'), plen: 24 });
    inAifaddr(prison.vnet.inNet, b, { addr: ip4Parse('10.0.0.2'), plen: 24 });
    ifUp(a);
    ifUp(b);
  });
  const near = host.sockets.socket(PF_INET, SOCK_DGRAM).so;
  const far = prison.vnet.sockets.socket(PF_INET, SOCK_DGRAM).so;
  far.bind(0, 7);
  near.connect(ip4Parse('10.0.0.2'), 7);
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
    for (let k = 0; k < BATCH; k++) near.sendPacket(near.allocPacket(64));
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
