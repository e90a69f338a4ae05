/**
 * echo.bench.mjs — questions and answers through the whole stack: ICMP echo answered in place, and UDP echo between two vnets
 * over an epair with the neighbour resolved, over IPv4 and IPv6. The peers are the same round trips through Linux's loopback from C.
 */
import { performance } from 'node:perf_hooks';
import { PF_INET6, SOCK_DGRAM, in6Aifaddr, nd6Set } from '@netloom/core';
import { SimNet, Wire, craftArp, craftEcho, craftEther, ip4 } from '@netloom/core/sim';
import {
  ETHERTYPE_IPV6, ICMP6_CKSUM, ICMP6_ECHO_REQUEST, IP6_DST, IP6_HDR_LEN, IP6_SRC, IPPROTO_ICMPV6, inCksum6, ip6Emit, ip6Parse, macParse,
} from '@netloom/core/wire';
import { cPeer } from './c-peer.mjs';

const ECHOES = 1_000_000;
const DATAGRAMS = 300_000;
const BATCH = 64;

/** @typedef {import('@netloom/core').Vnet} Vnet */
/** @typedef {import('@netloom/core').Ifnet} Ifnet */

const LINK = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };

/** @param {string} text */
function ip6(text) {
  const addr = ip6Parse(text);
  if (addr === null) throw new Error(`not an IPv6 address: ${text}`);
  return addr;
}

/** An address that is usable at once. @param {SimNet} net @param {Vnet} vnet @param {Ifnet} ifp @param {string} text */
function addr6(net, vnet, ifp, text) {
  vnet.kern.sysctl.set('net.inet6.ip6.dad_count', 0);
  const error = net.kernel.call(net.now, () => in6Aifaddr(vnet.in6Net, ifp, { addr: ip6(text), plen: 64 }));
  if (error !== 0) throw new Error(`${text}: error ${error}`);
}

/** As craftEcho, over IPv6. @param {string} src @param {string} dst @param {number} bytes */
function craftEcho6(src, dst, bytes) {
  const out = new Uint8Array(IP6_HDR_LEN + 8 + bytes);
  const v = new DataView(out.buffer);
  ip6Emit(v, 0, 0, 0, 8 + bytes, IPPROTO_ICMPV6, 64);
  out.set(ip6(src), IP6_SRC);
  out.set(ip6(dst), IP6_DST);
  out[IP6_HDR_LEN] = ICMP6_ECHO_REQUEST;
  v.setUint16(IP6_HDR_LEN + ICMP6_CKSUM, inCksum6(v, IP6_HDR_LEN, 8 + bytes, IP6_SRC, IP6_DST, IPPROTO_ICMPV6));
  return craftEther(LINK, ETHERTYPE_IPV6, out);
}

/** Echo requests of a resolved neighbour into one interface; each comes back out of it. */
function icmp() {
  const { net, vnet, wire } = host();
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  vnet.kern.sysctl.set('net.inet.icmp.icmplim', 0);
  wire.in(craftArp(LINK, 1, LINK.src, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1'));
  return echoes(net, wire, craftEcho(LINK, { src: '192.0.2.2', dst: '192.0.2.1' }, 1, 1, 18));
}

/** The same over IPv6. */
function icmp6() {
  const { net, vnet, wire } = host();
  addr6(net, vnet, wire.ifp, '2001:db8::1');
  const mac = macParse(LINK.src);
  const error = mac === null ? 0 : net.kernel.call(net.now, () => nd6Set(vnet.nd6, ip6('2001:db8::2'), mac));
  if (error !== 0) throw new Error(`neighbour: error ${error}`);
  return echoes(net, wire, craftEcho6('2001:db8::2', '2001:db8::1', 18));
}

function host() {
  const net = new SimNet(1);
  net.kernel.engine.witness.watch = 0; // as on a host
  const vnet = net.vnet('host');
  return { net, vnet, wire: new Wire(net, vnet, { mac: LINK.dst }) };
}

/** @param {SimNet} net @param {Wire} wire @param {Uint8Array} frame */
function echoes(net, wire, frame) {
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

/** Two vnets at the ends of an epair. */
function pair() {
  const net = new SimNet(3);
  net.kernel.engine.witness.watch = 0; // as on a host
  const [a, b] = [net.kernel.vnet0, net.vnet('peer')];
  const [x, y] = net.epair(a, b);
  return { net, a, b, x, y };
}

/** Datagrams to a vnet at the other end of an epair, sent back from there. */
function udp() {
  const { net, a, b, x, y } = pair();
  net.addr(a, x, '10.0.0.1/24');
  net.addr(b, y, '10.0.0.2/24');
  const far = net.udp(b, 7);
  const near = net.udp(a);
  near.connect(ip4('10.0.0.2'), 7);
  const info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  return roundTrips(net, near, far, (m) => {
    far.describe(m, info);
    m.reset(m.off, m.len);
    far.sendPacket(m, info.addr, info.port);
  });
}

/** The same over IPv6. */
function udp6() {
  const { net, a, b, x, y } = pair();
  addr6(net, a, x, '2001:db8::1');
  addr6(net, b, y, '2001:db8::2');
  const [near, far] = [a, b].map((v) => v.sockets.socket(PF_INET6, SOCK_DGRAM).so);
  if (!near || !far || far.bind(0, 7) !== 0 || near.connect({ addr: ip6('2001:db8::2'), scopeId: 0 }, 7) !== 0) throw new Error('no sockets');
  const in6 = { addr: new Uint8Array(16), scopeId: 0, dstAddr: new Uint8Array(16), hops: 0, tclass: 0 };
  const info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0, in6 };
  return roundTrips(net, near, far, (m) => {
    far.describe(m, info);
    m.reset(m.off, m.len);
    far.sendPacket(m, in6, info.port);
  });
}

/**
 * @param {SimNet} net @param {import('@netloom/core').Socket} near connected @param {import('@netloom/core').Socket} far
 * @param {(m: import('@netloom/core').PacketBuffer) => void} answer sends `m` back from `far`
 */
function roundTrips(net, near, far, answer) {
  const { kernel } = net;
  let back = 0;
  far.onReadable = () => {
    for (let m = far.recvPacket(); m !== null; m = far.recvPacket()) answer(m);
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
  { name: 'echo/icmp6', unit: 'Mpps', measure: icmp6, peer: cPeer('Linux loopback, raw socket', 'echo.c', ['icmp6', '200000'], { root: true }) },
  { name: 'echo/udp-epair', unit: 'Mpps', measure: udp, peer: cPeer('Linux loopback', 'echo.c', ['udp', '200000']) },
  { name: 'echo/udp6-epair', unit: 'Mpps', measure: udp6, peer: cPeer('Linux loopback', 'echo.c', ['udp6', '200000']) },
];
