/**
 * 02-udp.mjs — a UDP server and a client in two stacks, with promises.
 *
 * `dgram` gives a socket shaped like an async iterator. The stack itself never waits: the SimNet's clock is moved while the
 * promises are pending.
 */
import { dgram } from '@netloom/core/promises';
import { SimNet } from '@netloom/core/sim';

const net = new SimNet(2);
const [client, server] = [net.vnet('client'), net.vnet('server')];
const [endA, endB] = net.epair(client, server);
net.addr(client, endA, '198.51.100.1/24');
net.addr(server, endB, '198.51.100.2/24');

const listener = dgram(server, { port: 7 });
const serving = (async () => {
  for await (const { data, address, port } of listener) listener.send(data, port, address);
})();

const so = dgram(client);
so.connect(7, '198.51.100.2');

let answers = 0;
for (const word of ['warp', 'weft', 'shuttle']) {
  const answer = so.receive();
  so.send(word);
  net.run(1_000);
  await new Promise(setImmediate); // the server's loop gets its turn
  net.run(1_000);
  const { data, address, port } = (await answer) ?? { data: new Uint8Array(0), address: '', port: 0 };
  console.log(`${address}:${port} answers ${new TextDecoder().decode(data)}`);
  answers++;
}

so.close();
listener.close();
await serving;
process.exitCode = answers === 3 ? 0 : 1;
