/**
 * shared-address.test.ts — one address on a loopback interface and on another: whichever goes first, no route to it is left.
 */
import { expect, it } from 'vitest';
import { inDifaddr } from '../src/inet/in-control.js';
import { ifDown } from '../src/net/if.js';
import { AF_INET } from '../src/net/ifnet.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';

it.each([[true, 'the other'], [true, 'loopback'], [false, 'the other'], [false, 'loopback']])('loopback down: %s, first to go: %s', (down, first) => {
  const net = new SimNet(3);
  const { vnet0 } = net.kernel;
  const lo = vnet0.net.loif!;
  const owner = net.clone(vnet0, 'edsc'); // has the prefix, so that the other one comes without a route of its own
  const other = net.clone(vnet0, 'edsc');
  net.addr(vnet0, owner, '10.0.0.1/24');
  net.addr(vnet0, lo, '10.0.0.9/24');
  if (down) net.kernel.call(net.now, () => ifDown(lo));
  net.addr(vnet0, other, '10.0.0.9/24');
  for (const ifp of first === 'loopback' ? [lo, other] : [other, lo]) expect(net.kernel.call(net.now, () => inDifaddr(vnet0.inNet, ifp, ip4('10.0.0.9')))).toBe(0);
  expect(net.kernel.call(net.now, () => inDifaddr(vnet0.inNet, owner, null))).toBe(0);
  expect(vnet0.routes.list(0, AF_INET)).toEqual([]);
});
