/**
 * lagg.sim.mjs — two stacks joined by several cables, a lagg at each end, with LACP: cables fail and come back, ports leave and join,
 * and laggs go down and up. Whatever happens, no datagram arrives twice, the bundle is whole again in the end, and afterwards nothing is left.
 */
import {
  LAGG_OPT_LACP_FAST_TIMO, LAGG_PORT_ACTIVE, LAGG_PORT_COLLECTING, LAGG_PORT_DISTRIBUTING, LAGG_PROTO_LACP, LINK_STATE_DOWN, LINK_STATE_UP, Prng, ifCloneDestroyIfp, ifDown,
  ifLinkStateChange, ifUp, laggAddPort, laggDeletePort, laggInfo, laggSetOption, laggSetProtocol,
} from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { must, mustEnd } from './oracle.mjs';

const BUNDLED = LAGG_PORT_ACTIVE | LAGG_PORT_COLLECTING | LAGG_PORT_DISTRIBUTING;
const SECOND = 1_000_000;
const STEPS = 40;
/** From the first packet to a neighbour that does not answer until it is asked for anew: a delay of 5 seconds and three questions. */
const NEIGHBOUR_LOST = 10 * SECOND;

/** @param {number} seed */
function bundle(seed) {
  const net = new SimNet(seed);
  const rng = new Prng(seed).split('lagg');
  const left = net.vnet('left');
  const right = net.vnet('right');
  const cables = Array.from({ length: 2 + rng.below(3) }, () => net.epair(left, right));
  const call = /** @param {() => void} fn */ (fn) => net.kernel.call(net.now, fn);
  /** @param {typeof left} vnet @param {0 | 1} side */
  const make = (vnet, side) => {
    const lagg = net.clone(vnet, 'lagg');
    const fast = rng.chance(0.5);
    call(() => {
      laggSetProtocol(lagg, LAGG_PROTO_LACP);
      if (fast) laggSetOption(lagg, LAGG_OPT_LACP_FAST_TIMO, true);
      for (const cable of cables) laggAddPort(lagg, cable[side].xname);
    });
    net.addr(vnet, lagg, `10.0.0.${side + 1}/24`);
    return lagg;
  };
  const laggs = /** @type {const} */ ([make(left, 0), make(right, 1)]);
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
    const cable = rng.below(cables.length);
    const side = rng.chance(0.5) ? 0 : 1;
    call(() => {
      const port = cables[cable]?.[side];
      if (port !== undefined) disturb(rng, laggs[side], port);
    });
    for (let i = 0; i < 5; i++) say();
    net.run(rng.below(12) * SECOND);
    read();
  }
  call(() => {
    for (const [a, b] of cables) {
      mend(laggs[0], a);
      mend(laggs[1], b);
    }
  });
  net.run(200 * SECOND);
  for (const lagg of laggs) {
    const flags = laggInfo(lagg)?.ports.map((p) => p.flags) ?? [];
    must(flags.length === cables.length && flags.every((f) => f === BUNDLED), `${lagg.xname} is not whole again: ${flags.join()}`);
  }
  say(); // an end whose bundle was down has not heard of the other's new link address: it is noticed when it is used
  net.run(NEIGHBOUR_LOST);
  read();
  const before = got.size;
  for (let i = 0; i < 20; i++) say();
  net.run(SECOND);
  read();
  must(got.size >= before + 19, `only ${got.size - before} of 20 datagrams passed the whole bundle`);
  tx.close();
  rx.close();
  for (const lagg of laggs) call(() => void ifCloneDestroyIfp(lagg, 0));
  mustEnd(net);
  return `${cables.length} cables, ${got.size} of ${sent} datagrams`;
}

/**
 * Something that happens to a port.
 * @param {Prng} rng @param {import('@netloom/core').Ifnet} lagg @param {import('@netloom/core').Ifnet} port
 */
function disturb(rng, lagg, port) {
  switch (rng.below(7)) {
    case 0:
      return ifLinkStateChange(port, LINK_STATE_DOWN);
    case 1:
      return ifLinkStateChange(port, LINK_STATE_UP);
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
  ifLinkStateChange(port, LINK_STATE_UP);
  ifUp(port);
  laggAddPort(lagg, port.xname);
  ifUp(lagg);
}

export const scenarios = [{ name: 'lagg', run: bundle }];
