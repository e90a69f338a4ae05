/**
 * 10-bad-network.mjs — a program meets a bad network: Node's own HTTP client and server, through loss, reordering and delay, in virtual time.
 *
 * The program under test is `download`: all it knows of Netloom is the `createConnection` it is given. The same seed gives the same packets, so what goes
 * wrong once goes wrong every time, and a program that hangs for a minute is found out at once.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { SimNet } from '@netloom/core/sim';
import { netOf } from '@netloom/node/net';

const BODY = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >>> 7));
/** @param {import('node:crypto').Hash} hash */
const digest = (hash) => hash.digest('hex').slice(0, 12);

/** The program under test. @param {http.RequestOptions['createConnection']} createConnection */
async function download(createConnection) {
  const request = http.get({ host: '192.0.2.2', path: '/body', createConnection });
  const [response] = await once(request, 'response');
  const hash = createHash('sha256');
  for await (const chunk of response) hash.update(chunk);
  return digest(hash);
}

/**
 * Lets virtual time pass until `work` is done; rejects when that takes more than a minute of it.
 * @param {SimNet} net
 * @param {Promise<string>} work
 */
async function until(net, work) {
  let over = false;
  const start = net.now;
  const watched = work.finally(() => (over = true));
  while (!over && net.now - start < 60_000_000) {
    net.run(1_000);
    await new Promise(setImmediate);
  }
  if (!over) throw new Error('it hangs');
  return { result: await watched, seconds: (net.now - start) / 1e6 };
}

const LINKS = {
  good: { delayUs: 10_000 },
  'loss of 3 %': { delayUs: 10_000, loss: 0.03 },
  'and reordered': { delayUs: 10_000, loss: 0.03, reorder: 0.1, jitterUs: 5_000 },
};
for (const [name, link] of Object.entries(LINKS)) {
  const net = new SimNet(7);
  const [a, b] = [net.vnet('client'), net.vnet('server')];
  const [x, y] = net.link(a, b, link);
  net.addr(a, x.ifp, '192.0.2.1/24');
  net.addr(b, y.ifp, '192.0.2.2/24');
  const door = netOf(b).serve(http.createServer((_, response) => response.end(BODY))).listen(80);
  const { result, seconds } = await until(net, download(netOf(a).createConnection));
  assert.equal(result, digest(createHash('sha256').update(BODY)));
  console.log(`${name.padEnd(14)} ${result} after ${seconds.toFixed(2)} s`);
  door.close();
}
