/**
 * 11-netgraph.mjs — a netgraph built by a program: two interfaces on a bridge, one of them in another stack, and a hook to listen at.
 */
import { NGM_CONNECT, NGM_GENERIC_COOKIE, NGM_MKPEER, NGM_NAME, NgSocket, ifVmoveLoan, ngBytesText, ngConnectType, ngEncode, ngMkpeerType, ngNameType, strerror } from '@netloom/core';
import { dgram } from '@netloom/core/promises';
import { SimNet } from '@netloom/core/sim';
import { dissect } from '@netloom/core/wire';

const net = new SimNet(11);
const host = net.kernel.vnet0;
const guest = net.vnet('guest');
/** @template T @param {() => T} fn */
const inKernel = (fn) => net.kernel.call(net.now, fn);
/** @param {number} error */
const must = (error) => {
  if (error !== 0) throw new Error(strerror(error));
};

const graph = inKernel(() => host.netgraph.open());
if (graph === null) throw new Error('the vnet is ending');
const ng = inKernel(() => NgSocket.open(graph, graph.tun, 'example')); // its node is what "." means
if (typeof ng === 'number') throw new Error(strerror(ng));

/** @param {string} path @param {number} cmd @param {Uint8Array} args */
const send = (path, cmd, args) => must(inKernel(() => ng.sendMsg(path, { typecookie: NGM_GENERIC_COOKIE, cmd }, args)));
send('.', NGM_MKPEER, ngEncode(ngMkpeerType, { type: 'bridge', ourhook: 'tap', peerhook: 'link0' }));
send('tap', NGM_NAME, ngEncode(ngNameType, { name: 'sw0' }));
for (const link of ['link1', 'link2']) send('sw0:', NGM_MKPEER, ngEncode(ngMkpeerType, { type: 'eiface', ourhook: link, peerhook: 'ether' }));
send('.', NGM_CONNECT, ngEncode(ngConnectType, { path: 'sw0:', ourhook: 'spare', peerhook: 'link' })); // the bridge numbers it

must(inKernel(() => ifVmoveLoan(host.net, 'ngeth1', guest.net)));
const [here, there] = [host.net.ifunit('ngeth0'), guest.net.ifunit('ngeth1')];
if (here === null || there === null) throw new Error('no interface');
net.addr(host, here, '192.0.2.1/24');
net.addr(guest, there, '192.0.2.2/24');

const server = dgram(guest, { port: 7 });
dgram(host).send('hello', 7, '192.0.2.2');
net.run(10_000);
const greeting = await server.receive();
console.log(greeting === null ? 'nothing' : new TextDecoder().decode(greeting.data));

for (let data = ng.recvData(); data !== null; data = ng.recvData()) {
  console.log(`${data.hook}: ${dissect(data.m.bytes())}`); // what the bridge floods: the question of ARP
  data.m.free();
}
must(inKernel(() => ng.sendAscii('sw0:', 'gettable')));
const answer = ng.recvMsg();
const text = answer && inKernel(() => ng.toAscii(answer));
const table = text ? ngBytesText(text.args) : '';
console.log(table);
process.exitCode = table.startsWith('{ numHosts=2 ') ? 0 : 1;
