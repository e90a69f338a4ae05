/**
 * moves-traffic.test.ts — what a move costs the traffic: nothing to whoever has no part in it, and to a flow over the moving cable the frames
 * that were under way to the old end.
 */
import { expect, it } from 'vitest';
import { inAifaddr } from '../src/inet/in-control.js';
import { ifUp } from '../src/net/if.js';
import { ifVmove } from '../src/net/if-vmove.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import type { Socket } from '../src/socket/socket.js';
import type { Vnet } from '../src/vnet/vnet.js';

const SEED = 5;

function received(so: Socket): number[] {
  const got: number[] = [];
  for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
    got.push(m.view.getUint32(m.off));
    m.free();
  }
  return got;
}

function numbered(i: number): Uint8Array {
  const payload = new Uint8Array(100);
  new DataView(payload.buffer).setUint32(0, i);
  return payload;
}

/** `ifp` is 10.0.0.2 in `vnet` at once, as a script that follows the move with two ifconfigs makes it. */
function takeUp(net: SimNet, ifp: Ifnet, vnet: Vnet): Ifnet {
  return net.kernel.call(net.now, () => {
    const there = ifVmove(ifp, vnet.net).ifp!;
    inAifaddr(vnet.inNet, there, { addr: ip4('10.0.0.2'), plen: 24 });
    ifUp(there);
    return there;
  });
}

it('a flow over the cable loses what was in flight to the end that moved, another loses nothing', () => {
  const net = new SimNet(SEED);
  const { vnet0 } = net.kernel;
  const homes = [net.vnet('one'), net.vnet('two')];
  const [near, far] = net.epair(vnet0, homes[0]!);
  net.addr(vnet0, near, '10.0.0.1/24');
  net.addr(homes[0]!, far, '10.0.0.2/24');
  const [x, y] = net.epair(vnet0, net.vnet('bystander'));
  const bystander = net.kernel.vnets[0]!;
  net.addr(vnet0, x, '10.1.0.1/24');
  net.addr(bystander, y, '10.1.0.2/24');
  const sinks = homes.map((v) => net.udp(v, 7_000));
  const quiet = net.udp(bystander, 7_000);
  const out = net.udp(vnet0);
  let sent = 0;
  const send = (): void => {
    for (const host of ['10.0.0.2', '10.1.0.2']) expect(out.send(numbered(sent), ip4(host), 7_000)).toBe(0);
    sent++;
  };
  send(); // resolves the neighbours
  net.run(10_000);
  const [got, undisturbed]: [number[], number[]] = [[], []];
  const read = (): void => {
    net.run(10);
    got.push(...sinks.flatMap(received));
    undisturbed.push(...received(quiet));
  };
  let at: Ifnet = far;
  let inFlight = 0;
  for (let move = 0; move < 40; move++) {
    for (let i = 0; i < 25; i++) {
      send();
      if (i % 7 === 0) net.run(50);
    }
    inFlight += at.driver.queued?.() ?? 0;
    at = takeUp(net, at, homes[(move + 1) % 2]!);
    read();
  }
  expect(inFlight).toBeGreaterThan(0);
  expect(sent - got.length).toBe(inFlight);
  expect(new Set(got).size).toBe(got.length);
  expect(undisturbed).toEqual(Array.from({ length: sent }, (_, i) => i));
  for (const so of [out, quiet, ...sinks]) so.close();
  net.kernel.shutdown();
  expect(net.kernel.engine.pool.inUse).toBe(0);
});
