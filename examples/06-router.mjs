/**
 * 06-router.mjs — three stacks in a row: the middle one routes, and says so when the time to live runs out.
 */
import { bpfOpen } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { dissect } from '@netloom/core/wire';

const net = new SimNet(6);
const left = net.vnet('left');
const router = net.vnet('router');
const right = net.vnet('right');
const [l, r1] = net.epair(left, router);
const [r2, r] = net.epair(router, right);
net.addr(left, l, '10.1.0.2/24');
net.addr(router, r1, '10.1.0.1/24');
net.addr(router, r2, '10.2.0.1/24');
net.addr(right, r, '10.2.0.2/24');
net.route(left, 'default', '10.1.0.1');
net.route(right, 'default', '10.2.0.1');
router.kern.sysctl.set('net.inet.ip.forwarding', 1);

const { listener } = bpfOpen(left.net, l.xname, {});
const server = net.udp(right, 4000);
const client = net.udp(left);
for (const ttl of [1, 64]) {
  client.setsockopt('IP_TTL', ttl);
  client.send(new Uint8Array(8), ip4('10.2.0.2'), 4000);
  net.run(1_000_000);
}

for (let c = listener?.read() ?? null; c !== null; c = listener?.read() ?? null) console.log(dissect(c.bytes));
const arrived = server.rcv.count;
console.log(`${arrived} datagram arrived, ${router.ip.stats.forward} forwarded by the router`);
process.exitCode = arrived === 1 ? 0 : 1;
