/**
 * 05-teardown.mjs — make stacks, use them, take them down, and count what is left: nothing.
 */
import { ifCloneDestroy } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';

const net = new SimNet(5);
const { kernel } = net;
const host = kernel.vnet0;

function counts() {
  return {
    vnets: kernel.vnets.length,
    interfaces: kernel.shared.attached,
    'packets out': kernel.engine.pool.inUse,
    'timers armed': kernel.engine.callouts.armed,
  };
}

const before = counts();
let during = before;
for (let i = 0; i < 1_000; i++) {
  const guest = net.vnet('guest');
  const [near, far] = net.epair(host, guest);
  net.addr(host, near, '10.0.0.1/24');
  net.addr(guest, far, '10.0.0.2/24');
  net.udp(guest).send(new Uint8Array(100), ip4('10.0.0.1'), 9);
  net.udp(guest).send(new Uint8Array(100), ip4('10.0.0.77'), 9); // nobody there: the packet waits for ARP
  kernel.settle();
  during = counts();

  const prison = kernel.prisons.find(kernel.prisons.prison0, 'guest');
  if (prison !== null) kernel.jailRemove(prison); // sockets end, the epair goes home
  kernel.call(kernel.now, () => ifCloneDestroy(host.net, near.xname)); // both ends vanish
}
net.run(10_000_000);
const after = counts();
console.table({ before, during, after });
process.exitCode = JSON.stringify(before) === JSON.stringify(after) ? 0 : 1;
