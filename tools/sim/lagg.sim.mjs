/**
 * lagg.sim.mjs — two stacks joined by several cables, a lagg at each end, with LACP: cables fail and come back, ports leave and join,
 * and laggs go down and up. Whatever happens, no datagram arrives twice, the bundle is whole again in the end, and afterwards nothing is left.
 */
import { Prng, ifCloneDestroyIfp, ifDown, ifLinkStateChange, ifUp, laggAddPort, laggDeletePort, laggInfo, laggSetOption, laggSetProtocol } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';

const LACP = 4;
const BUNDLED = 0x1c;
const FAST_TIMEOUT = 0x80;
const DOWN = 1;
const UP = 2;
const SECOND = 1_000_000;
const STEPS = 40;

/** @param {boolean} ok @param {string} what */
const must = (ok, what) => {
  if (!ok) throw new Error(what);
};

/** @param {number} seed */
function bundle(seed) {
  const net = new SimNet(seed);
  const rng = new Prng(seed).split('lagg');
  const ends = [net.vnet('left'), net.vnet('right')];
  const [left, right] = /** @type {[typeof ends[0], typeof ends[0]]} */ (ends);
  const cables = Array.from({ length: 2 + rng.below(3) }, () => net.epair(left, right));
  const call = /** @param {() => void} fn */ (fn) => net.kernel.call(net.now, fn);
  const laggs = ends.map((vnet, side) => {
    const lagg = net.clone(vnet, 'lagg');
    call(() => {
      laggSetProtocol(lagg, LACP);
      if (rng.chance(0.5)) laggSetOption(lagg, FAST_TIMEOUT, true);
      for (const cable of cables) laggAddPort(lagg, cable[side].xname);
    });
    net.addr(vnet, lagg, `10.0.0.${side + 1}/24`);
    return lagg;
  });
  const tx = net.udp(left);
  const rx = net.udp(right, 9_000);
  const got = new Set();
  let sent = 0;
  const read = () => {
    for (let m = rx.recvPacket(); m !== null; m = rx.recvPacket()) {
      const i = m.view.getUint32(m.off);
      must(i < sent, `a datagram that was never sent: ${i}`);
      must(!got.has(i), `datagram ${i} arrived twice`);
      got.add(i);
      m.free();
    }
  };
  const say = () => {
    const payload = new Uint8Array(64);
    new DataView(payload.buffer).setUint32(0, sent++);
    tx.send(payload, ip4('10.0.0.2'), 9_000);
    net.run(10_000);
    read();
  };
  for (let step = 0; step < STEPS; step++) {
    const cable = cables[rng.below(cables.length)];
    const side = rng.below(2);
    call(() => disturb(rng, laggs[side], cable[side]));
    for (let i = 0; i < 5; i++) say();
    net.run(rng.below(12) * SECOND);
    read();
  }
  call(() => {
    for (const cable of cables) for (const [side, ifp] of cable.entries()) mend(laggs[side], ifp);
  });
  net.run(200 * SECOND);
  for (const lagg of laggs) {
    const flags = laggInfo(lagg)?.ports.map((p) => p.flags) ?? [];
    must(flags.length === cables.length && flags.every((f) => f === BUNDLED), `${lagg.xname} is not whole again: ${flags.join()}`);
  }
  const before = got.size;
  for (let i = 0; i < 20; i++) say();
  net.run(SECOND);
  read();
  must(got.size >= before + 19, `only ${got.size - before} of 20 datagrams passed the whole bundle`);
  tx.close();
  rx.close();
  for (const lagg of laggs) call(() => void ifCloneDestroyIfp(lagg, 0));
  net.kernel.shutdown();
  net.run(SECOND);
  const { pool, callouts } = net.kernel.engine;
  must(pool.inUse === 0, `${pool.inUse} packets are lost`);
  must(callouts.armed === 0, `${callouts.armed} timers are left`);
  return `${cables.length} cables, ${got.size} of ${sent} datagrams`;
}

/**
 * Something that happens to a port.
 * @param {Prng} rng @param {import('@netloom/core').Ifnet} lagg @param {import('@netloom/core').Ifnet} port
 */
function disturb(rng, lagg, port) {
  switch (rng.below(7)) {
    case 0:
      return ifLinkStateChange(port, DOWN);
    case 1:
      return ifLinkStateChange(port, UP);
    case 2:
      return ifDown(port);
    case 3:
      return ifUp(port);
    case 4:
      return void laggDeletePort(lagg, port.xname);
    case 5:
      return void laggAddPort(lagg, port.xname);
    default:
      return rng.chance(0.5) ? ifDown(lagg) : ifUp(lagg);
  }
}

/** @param {import('@netloom/core').Ifnet} lagg @param {import('@netloom/core').Ifnet} port */
function mend(lagg, port) {
  ifLinkStateChange(port, UP);
  ifUp(port);
  laggAddPort(lagg, port.xname);
  ifUp(lagg);
}

export const scenarios = [{ name: 'lagg', run: bundle }];
