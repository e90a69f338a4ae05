/**
 * network.sim.mjs — whole networks under loss, reordering, duplication and corruption: what arrives was sent, what was sent is
 * accounted for, and afterwards nothing is left.
 */
import { Prng } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { must, mustEnd } from './oracle.mjs';

const DATAGRAMS = 200;

/** Datagrams of every size across a chain of routers with bad links between them. @param {number} seed */
function chain(seed) {
  const net = new SimNet(seed);
  const rng = new Prng(seed).split('chain');
  const hops = 2 + rng.below(4);
  const first = net.vnet('v0');
  const links = [];
  const faults = { delayUs: rng.below(5_000), jitterUs: rng.below(2_000), loss: rng.below(10) / 100, duplicate: rng.below(5) / 100, corrupt: rng.below(3) / 100, reorder: rng.below(20) / 100 };
  let last = first;
  for (let i = 0; i < hops; i++) {
    const next = net.vnet(`v${i + 1}`);
    next.kern.sysctl.set('net.inet.ip.forwarding', 1);
    const [a, b] = net.link(last, next, { ...faults, mtu: 576 + rng.below(925) });
    net.addr(last, a.ifp, `10.0.${i}.1/24`);
    net.addr(next, b.ifp, `10.0.${i}.2/24`);
    if (i < hops - 1) net.route(last, `10.0.${hops - 1}.0/24`, `10.0.${i}.2`);
    net.route(next, i === 0 ? '10.9.0.0/16' : '10.0.0.0/24', `10.0.${i}.1`);
    links.push(a, b);
    last = next;
  }
  const tx = net.udp(first);
  const rx = net.udp(last, 9_000);
  rx.setsockopt('SO_RCVBUF', 2_000_000);
  for (let i = 0; i < DATAGRAMS; i++) {
    const payload = new Uint8Array(4 + rng.below(3_000)).fill(i & 255);
    new DataView(payload.buffer).setUint32(0, i);
    tx.send(payload, ip4(`10.0.${hops - 1}.2`), 9_000);
    net.run(rng.below(5_000));
  }
  net.run(60_000_000);
  const got = drain(rx);
  mustEnd(net, links);
  return `${hops} hops, ${got} of ${DATAGRAMS} datagrams`;
}

/** Checks that what arrived was sent, as it was sent. @param {import('@netloom/core').Socket} rx */
function drain(rx) {
  let got = 0;
  for (let m = rx.recvPacket(); m !== null; m = rx.recvPacket()) {
    const i = m.view.getUint32(m.off);
    must(i < DATAGRAMS, `a datagram that was never sent: ${i}`);
    for (let k = 4; k < m.len; k++) must(m.view.getUint8(m.off + k) === (i & 255), `datagram ${i} changed on the way`);
    got++;
    m.free();
  }
  return got;
}

/** The same seed gives the same history. @param {number} seed */
function deterministic(seed) {
  const once = chain(seed);
  must(chain(seed) === once, 'two runs of one seed differ');
  return once;
}

export const scenarios = [
  { name: 'chain', run: chain },
  { name: 'deterministic', run: deterministic },
];
