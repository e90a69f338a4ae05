/**
 * 07-moves.mjs — lend an interface to a jail, stop the jail, and see what came home: a new instance with everything it was told.
 */
import { ifRename, ifSetDescription, ifSetMtu, ifVmoveLoan, strerror } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';

const net = new SimNet(7);
const { kernel } = net;
const host = kernel.vnet0;
const guest = net.vnet('guest');

/** @param {number} error */
const must = (error) => {
  if (error !== 0) throw new Error(strerror(error));
};
/** @param {import('@netloom/core').Ifnet | null} ifp */
const show = (ifp) => ({
  name: ifp?.xname, mtu: ifp?.mtu, description: ifp?.description, address: ifp?.lladdr.join(':'), up: ifp?.isUp, addresses: ifp?.addrs.length, index: ifp?.index, instance: ifp?.instance,
});

const cable = net.clone(host, 'epair');
kernel.call(net.now, () => {
  must(ifRename(cable, 'uplink'));
  must(ifSetMtu(cable, 9_000));
  must(ifSetDescription(cable, 'to the lab'));
});
net.addr(host, cable, '192.0.2.1/24');
const before = show(cable);

kernel.call(net.now, () => must(ifVmoveLoan(host.net, 'uplink', guest.net)));
const lent = show(guest.net.ifunit('uplink')); // `cable` is dead: this is another instance of the same interface

const prison = kernel.prisons.find(kernel.prisons.prison0, 'guest');
if (prison !== null) kernel.jailRemove(prison);
const home = show(host.net.ifunit('uplink'));

console.table({ before, lent, home });
for (const m of kernel.shared.moves.list()) console.log(`${m.how}: ${m.name} from ${m.from} to ${m.to}, instance ${m.fromInstance} -> ${m.toInstance}`);
const kept = JSON.stringify([before.name, before.mtu, before.description, before.address, before.index]);
process.exitCode = kept === JSON.stringify([home.name, home.mtu, home.description, home.address, home.index]) ? 0 : 1;
