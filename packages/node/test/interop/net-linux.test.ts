/**
 * net-linux.test.ts — Node's http on a vnet, and Node's http on Linux: each serves the other 10 MB over a TAP device, bytes compared.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { Kernel, ifCloneCreate, ifUp, inAifaddr, quietEnv } from '@netloom/core';
import type { Vnet } from '@netloom/core';
import { ip4Parse } from '@netloom/core/wire';
import { expect } from 'vitest';
import { attachTap } from '../../src/attach-tap.js';
import { HostLoop } from '../../src/loop.js';
import { netOf } from '../../src/net/net-of.js';
import { peer } from '../peers.js';
import type { Netns } from './netns.js';
import { uniqueDevice, withNetns } from './netns.js';

const LINUX = '10.79.0.1';
const VNET = '10.79.0.2';
const BYTES = 10_000_000;
const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;

const body = Buffer.alloc(BYTES, 'warp and weft ');
const digest = createHash('sha256').update(body).digest('hex');

/** A vnet whose tap is Linux's neighbour in `ns`. */
async function neighbour(ns: Netns, use: (vnet: Vnet) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const loop = new HostLoop((error) => errors.push(error));
  const kernel = new Kernel({ ...quietEnv(1), wake: () => loop.wake() });
  loop.attach(kernel);
  const { vnet0 } = kernel;
  const ifp = kernel.call(loop.enter(), () => {
    const tap = ifCloneCreate(vnet0.net, 'tap').ifp!;
    ifUp(tap);
    inAifaddr(vnet0.inNet, tap, { addr: ip4Parse(VNET)!, plen: 24 });
    return tap;
  });
  const device = await attachTap(kernel, loop, ifp, uniqueDevice());
  ns.adopt(device.device);
  ns.address(device.device, `${LINUX}/24`);
  ns.up(device.device);
  try {
    await use(vnet0);
  } finally {
    await device.close();
    kernel.shutdown();
    loop.close();
  }
  expect([kernel.engine.pool.inUse, errors]).toEqual([0, []]);
}

const CLIENT = `
  const hash = require('crypto').createHash('sha256');
  require('http').get('http://${VNET}/', (r) => r.on('data', (d) => hash.update(d)).on('end', () => console.log(hash.digest('hex'))));`;
const SERVER = `
  const body = Buffer.alloc(${BYTES}, 'warp and weft ');
  require('http').createServer((q, r) => r.end(body)).listen(80, () => console.log('up'));`;

peer(...NEEDS)('Linux gets 10 MB from a vnet\'s http server', () => withNetns(1, (ns) => neighbour(ns, async (vnet) => {
  const door = netOf(vnet).serve(http.createServer((_request, response) => response.end(body))).listen(80);
  await once(door, 'listening');
  const { stdout, stderr } = await ns.run(process.execPath, '-e', CLIENT);
  expect([stdout.trim(), stderr]).toEqual([digest, '']);
  await new Promise((resolve) => door.close(resolve));
})));

peer(...NEEDS)('a vnet gets 10 MB from Linux\'s http server, and a port without one refuses', () => withNetns(1, (ns) => neighbour(ns, async (vnet) => {
  const server = ns.spawn(process.execPath, '-e', SERVER);
  await once(server.stdout!, 'data');
  const { createConnection } = netOf(vnet);
  const [response] = (await once(http.get({ host: LINUX, createConnection }), 'response')) as [http.IncomingMessage];
  const hash = createHash('sha256');
  for await (const chunk of response) hash.update(chunk as Buffer);
  expect(hash.digest('hex')).toBe(digest);
  const refused = once(http.get({ host: LINUX, port: 81, createConnection }), 'response');
  await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED', address: LINUX, port: 81 });
  server.kill();
})));
