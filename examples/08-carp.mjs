/**
 * 08-carp.mjs — two routers share the address that a desk sends through; one is unplugged while the desk is talking, and plugged in again.
 */
import { CARP_STATES, bridgeAdd, carpList, ifDown, ifUp, inAifaddr, strerror } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';

const SECOND = 1_000_000;
const net = new SimNet(8);
const [desk, server] = [net.vnet('desk'), net.vnet('server')];
const [lan, wan] = [net.clone(desk, 'bridge'), net.clone(server, 'bridge')]; // each is its switch, too
net.addr(desk, lan, '10.0.0.10/24');
net.addr(server, wan, '10.9.0.10/24');

/** @param {() => number} fn */
const must = (fn) => {
  const error = net.kernel.call(net.now, fn);
  if (error !== 0) throw new Error(strerror(error));
};
/** A router with an address of its own and vhid 1 on both sides. @param {string} name @param {number} n @param {number} advskew */
const router = (name, n, advskew) => {
  const v = net.vnet(name);
  v.kern.sysctl.set('net.inet.ip.forwarding', 1);
  v.kern.sysctl.set('net.inet.carp.preempt', 1); // the better one comes back, and does so on both sides
  const sides = /** @type {const} */ ([[desk, lan, '10.0.0'], [server, wan, '10.9.0']]).map(([at, bridge, prefix]) => {
    const [port, ifp] = net.epair(at, v);
    must(() => bridgeAdd(bridge, port.xname));
    net.addr(v, ifp, `${prefix}.${n}/24`);
    must(() => v.carp.set(ifp, { vhid: 1, advskew, key: new Uint8Array([1, 2, 3]) }) || inAifaddr(v.inNet, ifp, { addr: ip4(`${prefix}.1`), plen: 24, vhid: 1 }));
    return { port, ifp };
  });
  return { name, v, sides, states: () => sides.map(({ ifp }) => CARP_STATES[carpList(ifp)[0]?.state ?? 0]).join('/') };
};
const routers = [router('r1', 2, 0), router('r2', 3, 100)];
net.route(desk, 'default', '10.0.0.1');
net.route(server, 'default', '10.9.0.1');

const rx = net.udp(server, 7);
const tx = net.udp(desk);
net.run(5 * SECOND);

/** What of 20 datagrams a second arrives. @param {number} seconds */
const talk = (seconds) => {
  let lost = 0;
  for (let i = 0; i < 20 * seconds; i++) {
    tx.send(new Uint8Array(100), ip4('10.9.0.10'), 7);
    net.run(SECOND / 20);
    const m = rx.recvPacket();
    if (m === null) lost++;
    else m.free();
  }
  console.log(`${String(net.now / SECOND).padStart(5)} s  ${routers.map((r) => `${r.name} ${r.states()}`).join(', ').padEnd(40)} ${lost} of ${20 * seconds} datagrams lost`);
  return lost;
};
/** @param {(ifp: import('@netloom/core').Ifnet) => void} what */
const plugs = (what) => net.kernel.call(net.now, () => routers[0]?.sides.forEach(({ port }) => what(port)));

const lost = [talk(5)];
console.log('         r1 is unplugged');
plugs(ifDown);
lost.push(talk(5), talk(5));
console.log('         r1 is plugged in again');
plugs(ifUp);
lost.push(talk(5), talk(5));
for (const l of net.log.filter(({ message }) => message.startsWith('carp:')).slice(4)) console.log(`${(l.time / SECOND).toFixed(3)} ${l.vnet}: ${l.message}`);
process.exitCode = lost[0] === 0 && lost[2] === 0 && lost[4] === 0 ? 0 : 1;
