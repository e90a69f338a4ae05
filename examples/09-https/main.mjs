/**
 * main.mjs — Node's own https serves in one stack and is asked from another, and from Linux where there is a TAP device to be had.
 *
 * `netOf(vnet)` is shaped like `node:net`: a server of Node's is served through it, and an agent is given its `createConnection`.
 */
import { once } from 'node:events';
import https from 'node:https';
import tls from 'node:tls';
import { Kernel, ifCloneCreate, ifUp, ifVmove, inAifaddr, quietEnv } from '@netloom/core';
import { ip4Parse } from '@netloom/core/wire';
import { HostLoop } from '@netloom/node';
import { netOf } from '@netloom/node/net';
import { selfSigned } from './certificate.mjs';
import { askFromLinux } from './linux.mjs';

const SERVER = '192.0.2.2';
const SERVER_TAP = '198.51.100.2';
const LINUX = '198.51.100.1';

const loop = new HostLoop((error) => console.error(error));
const kernel = new Kernel({ ...quietEnv(9), wake: () => loop.wake() });
loop.attach(kernel);
/** @param {string} name */
const jail = (name) => {
  const { prison, message } = kernel.jailCreate(kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true });
  if (prison === null) throw new Error(message);
  return prison.vnet;
};
const [desk, server] = [jail('desk'), jail('server')];
/** @param {import('@netloom/core').Vnet} vnet @param {import('@netloom/core').Ifnet | null} from @param {string} address */
const plug = (vnet, from, address) => {
  const ifp = from && (from.net === vnet.net ? from : ifVmove(from, vnet.net).ifp);
  if (ifp === null) throw new Error('no interface');
  ifUp(ifp);
  inAifaddr(vnet.inNet, ifp, { addr: ip4Parse(address) ?? 0, plen: 24 });
  return ifp;
};
const tap = kernel.call(loop.enter(), () => {
  const cable = ifCloneCreate(kernel.vnet0.net, 'epair').ifp;
  const far = kernel.vnet0.net.ifunit('epair0b');
  plug(desk, cable, '192.0.2.1');
  plug(server, far, SERVER);
  return plug(server, ifCloneCreate(server.net, 'tap').ifp, SERVER_TAP);
});

const certificate = selfSigned('server', [SERVER, SERVER_TAP]);
const site = https.createServer(certificate, (request, response) => {
  const { remoteAddress, remotePort } = request.socket;
  response.end(`${request.method} ${request.url}: hello, ${remoteAddress}, port ${remotePort === undefined ? 'unknown' : 'known'}`);
});
const door = netOf(server).serve(site).listen(443);
await once(door, 'listening');

const net = netOf(desk);
const agent = Object.assign(new https.Agent({ keepAlive: true, ca: certificate.cert }), {
  /** @param {any} options */
  createConnection: (options) => tls.connect({ ...options, socket: net.connect(options) }),
});
const [response] = await once(https.get({ host: SERVER, path: '/from-a-vnet', agent }), 'response');
console.log(`${response.statusCode} over ${response.socket.getProtocol()}, certificate of ${response.socket.getPeerCertificate().subject.CN}`);
let text = '';
for await (const chunk of response.setEncoding('utf8')) text += chunk;
console.log(text);

const linux = await askFromLinux(kernel, loop, tap, LINUX, `https://${SERVER_TAP}/from-linux`, certificate.cert);
console.log(linux.answer ?? `not asked from Linux: ${linux.skipped}`);

agent.destroy();
await new Promise((resolve) => door.close(resolve));
kernel.shutdown();
loop.close();
process.exitCode = text.includes('192.0.2.1, port known') && (linux.skipped !== null || linux.answer?.includes(`${LINUX}, port known`)) ? 0 : 1;
