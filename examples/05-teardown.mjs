/**
 * 05-teardown.mjs — make stacks, use them, take them down, and count what is left: nothing.
 */
import { Kernel, PF_INET, SOCK_DGRAM, ifCloneCreate, ifCloneDestroy, ifUp, ifVmove, inAifaddr, quietEnv } from '@netloom/core';
import { ip4Parse } from '@netloom/core/wire';

const kernel = new Kernel(quietEnv(5));
const host = kernel.prisons.prison0;

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
  const { prison } = kernel.jailCreate(host, { name: 'guest', persist: true, attach: false, vnet: true });
  kernel.call(kernel.now, () => {
    const a = ifCloneCreate(kernel.vnet0.net, 'epair').ifp;
    const b = kernel.vnet0.net.ifunit(a.xname.replace(/a$/, 'b'));
    ifVmove(b, prison.vnet.net);
    inAifaddr(kernel.vnet0.inNet, a, { addr: ip4Parse('10.0.0.1'), plen: 24 });
    inAifaddr(prison.vnet.inNet, b, { addr: ip4Parse('10.0.0.2'), plen: 24 });
    ifUp(a);
    ifUp(b);
  });
  const so = prison.vnet.sockets.socket(PF_INET, SOCK_DGRAM).so;
  so.send(new Uint8Array(100), ip4Parse('10.0.0.1'), 9);
  kernel.settle();
  during = counts();
  kernel.jailRemove(prison); // the epair goes home
  kernel.call(kernel.now, () => ifCloneDestroy(kernel.vnet0.net, 'epair0a')); // both ends vanish
}

kernel.settle();
const after = counts();
console.table({ before, during, after });
process.exitCode = JSON.stringify(before) === JSON.stringify(after) ? 0 : 1;
