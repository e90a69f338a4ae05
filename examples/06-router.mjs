/**
 * 06-router.mjs — three stacks in a row: the middle one routes, and says so when the time to live runs out.
 */
import { PF_INET, SOCK_DGRAM, bpfOpen } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { dissect, ip4Parse } from '@netloom/core/wire';

const net = new SimNet(6);
const [left, router, right] = ['left', 'router', 'right'].map((name) => net.vnet(name));
const [l, r1] = net.epair(left, router);
const [r2, r] = net.epair(router, right);
net.addr(left, l, '10.1.0.2/24');
net.addr(router, r1, '10.1.0.1/24');
net.addr(router, r2, '10.2.0.1/24');
net.addr(right, r, '10.2.0.2/24');

router.kern.sysctl.set('net.inet.ip.forwarding', 1);
const defaultVia = (vnet, gateway) => vnet.routes.add({ fib: 0, family: 'inet', dst: 0, plen: 0, gateway: ip4Parse(gateway), flags: 0x803 });
net.kernel.call(net.now, () => {
  defaultVia(left, '10.1.0.1');
  defaultVia(right, '10.2.0.1');
});

const { listener } = bpfOpen(left.net, l.xname, {});
const server = right.sockets.socket(PF_INET, SOCK_DGRAM).so;
server.bind(0, 4000);

const client = left.sockets.socket(PF_INET, SOCK_DGRAM).so;
client.setsockopt('IP_TTL', 1);
client.send(new Uint8Array(8), ip4Parse('10.2.0.2'), 4000);
net.run(1_000_000);
client.setsockopt('IP_TTL', 64);
client.send(new Uint8Array(8), ip4Parse('10.2.0.2'), 4000);
net.run(1_000_000);

for (let c = listener.read(); c !== null; c = listener.read()) console.log(dissect(c.bytes));
const arrived = server.rcv.count;
console.log(`${arrived} datagram arrived, ${router.ip.stats.forward} forwarded by the router`);
process.exitCode = arrived === 1 ? 0 : 1;
