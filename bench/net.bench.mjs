/**
 * net.bench.mjs — the sockets that programs for Node use, from vnet to vnet, against the same program over node:net and Linux's loopback.
 *
 * Both sides of a program are in one process, on one thread: ours is two stacks and a cable there, the peer's is two sides of Linux's kernel, which has
 * other processors as well. `net/bulk` is one connection that writes as fast as it drains, `net/request` is 64 bytes to and fro, `net/http` Node's http
 * with one agent that keeps its connection.
 */
import { once } from 'node:events';
import http from 'node:http';
import nodeNet from 'node:net';
import { Kernel, ifCloneCreate, ifUp, ifVmove, inAifaddr, quietEnv } from '@netloom/core';
import { ip4Parse } from '@netloom/core/wire';
import { HostLoop } from '@netloom/node';
import { netOf } from '@netloom/node/net';

const BULK_BYTES = 256e6;
const CHUNK = Buffer.alloc(65_536, 7);
const MESSAGE = Buffer.alloc(64, 7);
const REQUESTS = 20_000;
const HTTP_REQUESTS = 3_000;

/**
 * Where a program runs: how it listens and connects. `done` takes it down.
 * @typedef {{ createServer: any, connect: (port: number, host: string) => any, serve: (server: http.Server) => any, host: string, done: () => void }} Place
 */

/** @returns {Place} two vnets, a cable */
function vnets() {
  const loop = new HostLoop((error) => console.error(error));
  const kernel = new Kernel({ ...quietEnv(1), wake: () => loop.wake() });
  loop.attach(kernel);
  const jail = (/** @type {string} */ name) => {
    const { prison, message } = kernel.jailCreate(kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true });
    if (prison === null) throw new Error(message);
    return prison.vnet;
  };
  const [near, far] = [jail('near'), jail('far')];
  kernel.call(loop.enter(), () => {
    const { ifp } = ifCloneCreate(kernel.vnet0.net, 'epair');
    const ends = /** @type {const} */ ([[ifp, near, '192.0.2.1'], [kernel.vnet0.net.ifunit('epair0b'), far, '192.0.2.2']]);
    for (const [end, vnet, address] of ends) {
      const there = end === null ? null : ifVmove(end, vnet.net).ifp;
      if (there === null) throw new Error('no epair to be had');
      ifUp(there);
      inAifaddr(vnet.inNet, there, { addr: ip4Parse(address) ?? 0, plen: 24 });
    }
  });
  const done = () => {
    kernel.shutdown();
    loop.close();
  };
  return { createServer: netOf(far).createServer, connect: netOf(near).connect, serve: netOf(far).serve, host: '192.0.2.2', done };
}

/** @returns {Place} */
const linux = () => ({ createServer: nodeNet.createServer, connect: nodeNet.connect, serve: (server) => server, host: '127.0.0.1', done: () => undefined });

/** @param {Place} place @param {any} server @param {(port: number) => Promise<number>} measure */
async function serving(place, server, measure) {
  server.listen(0, place.host);
  await once(server, 'listening');
  try {
    return await measure(server.address().port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    place.done();
  }
}

/** Seconds that `work` takes. @param {() => Promise<void>} work */
async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** @param {Place} place */
const bulk = (place) => serving(place, place.createServer((/** @type {any} */ s) => s.resume().on('end', () => s.end())), async (port) => {
  const socket = place.connect(port, place.host);
  await once(socket, 'connect');
  const spent = await seconds(async () => {
    for (let left = BULK_BYTES; left > 0; left -= CHUNK.length) if (!socket.write(CHUNK)) await once(socket, 'drain');
    socket.end();
    await once(socket.resume(), 'close');
  });
  return (BULK_BYTES * 8) / 1e6 / spent;
});

/** @param {Place} place */
const request = (place) => serving(place, place.createServer({ noDelay: true }, (/** @type {any} */ s) => s.on('data', (/** @type {Buffer} */ d) => s.write(d))), async (port) => {
  const socket = place.connect(port, place.host).setNoDelay();
  await once(socket, 'connect');
  const spent = await seconds(() => new Promise((resolve) => {
    let left = REQUESTS;
    socket.on('data', () => (--left > 0 ? socket.write(MESSAGE) : resolve())).write(MESSAGE);
  }));
  socket.end();
  await once(socket, 'close');
  return REQUESTS / spent;
});

/** @param {Place} place */
const web = (place) => serving(place, place.serve(http.createServer((_request, response) => response.end(MESSAGE))), async (port) => {
  const agent = Object.assign(new http.Agent({ keepAlive: true }), { createConnection: place.connect });
  const spent = await seconds(async () => {
    for (let i = 0; i < HTTP_REQUESTS; i++) {
      const [response] = await once(http.get({ host: place.host, port, agent }), 'response');
      await once(response.resume(), 'end');
    }
  });
  agent.destroy();
  return HTTP_REQUESTS / spent;
});

/** @param {string} name @param {string} unit @param {(place: Place) => Promise<number>} program */
const entry = (name, unit, program) => ({ name, unit, measure: () => program(vnets()), peer: { name: 'node:net over loopback', measure: () => program(linux()) } });

/** @type {import('./main.mjs').Benchmark[]} */
export const benchmarks = [entry('net/bulk', 'Mbit/s', bulk), entry('net/request', 'requests/s', request), entry('net/http', 'requests/s', web)];
