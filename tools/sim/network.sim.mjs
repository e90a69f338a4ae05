/**
 * network.sim.mjs — whole networks under loss, reordering, duplication and corruption: what arrives was sent, what was sent is
 * accounted for, and afterwards nothing is left.
 */
import { PF_INET, Prng, SOCK_DGRAM } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { ip4Parse } from '@netloom/core/wire';

const must = (ok, what) => {
  if (!ok) throw new Error(what);
};

/** Datagrams of every size across a chain of routers with bad links between them. */
function chain(seed) {
  const net = new SimNet(seed);
  const rng = new Prng(seed).split('chain');
  const hops = 2 + rng.below(4);
  const vnets = Array.from({ length: hops + 1 }, (_x, i) => net.vnet(`v${i}`));
  const faults = { delayUs: rng.below(5_000), jitterUs: rng.below(2_000), loss: rng.below(10) / 100, duplicate: rng.below(5) / 100, corrupt: rng.below(3) / 100, reorder: rng.below(20) / 100 };
  const links = [];
  for (let i = 0; i < hops; i++) {
    const [a, b] = net.link(vnets[i], vnets[i + 1], { ...faults, mtu: 576 + rng.below(925) });
    net.addr(vnets[i], a.ifp, `10.0.${i}.1/24`);
    net.addr(vnets[i + 1], b.ifp, `10.0.${i}.2/24`);
    links.push(a, b);
  }
  net.kernel.call(net.now, () => {
    vnets.forEach((v, i) => {
      v.kern.sysctl.set('net.inet.ip.forwarding', 1);
      for (let n = 0; n < hops; n++) {
        const gateway = n > i ? `10.0.${i}.2` : n < i - 1 ? `10.0.${i - 1}.1` : null;
        if (gateway !== null) v.routes.add({ fib: 0, family: 'inet', dst: ip4Parse(`10.0.${n}.0`), plen: 24, gateway: ip4Parse(gateway), flags: 0x803 });
      }
    });
  });
  const tx = vnets[0].sockets.socket(PF_INET, SOCK_DGRAM).so;
  const rx = vnets[hops].sockets.socket(PF_INET, SOCK_DGRAM).so;
  rx.setsockopt('SO_RCVBUF', 2_000_000);
  must(rx.bind(0, 9000) === 0, 'bind');
  const dst = ip4Parse(`10.0.${hops - 1}.2`);
  const count = 200;
  for (let i = 0; i < count; i++) {
    const payload = new Uint8Array(4 + rng.below(3_000)).fill(i & 255);
    new DataView(payload.buffer).setUint32(0, i);
    tx.send(payload, dst, 9000);
    net.run(rng.below(5_000));
  }
  net.run(60_000_000);
  let got = 0;
  for (let m = rx.recvPacket(); m !== null; m = rx.recvPacket()) {
    const i = m.view.getUint32(m.off);
    must(i < count, `a datagram that was never sent: ${i}`);
    for (let k = 4; k < m.len; k++) must(m.view.getUint8(m.off + k) === (i & 255), `datagram ${i} changed on the way`);
    got++;
    m.free();
  }
  net.kernel.shutdown();
  for (const l of links) l.destroy();
  net.run(1_000_000);
  must(net.kernel.engine.pool.inUse === 0, `${net.kernel.engine.pool.inUse} packets are lost`);
  must(net.kernel.engine.callouts.armed === 0, `${net.kernel.engine.callouts.armed} timers are left`);
  return `${hops} hops, ${got} of ${count} datagrams`;
}

/** The same seed gives the same history. */
function deterministic(seed) {
  const once = chain(seed);
  must(chain(seed) === once, 'two runs of one seed differ');
  return once;
}

export const scenarios = [
  { name: 'chain', run: chain },
  { name: 'deterministic', run: deterministic },
];
