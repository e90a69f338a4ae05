/**
 * ipfw.test.ts — ng_ipfw: rules of the firewall send packets into the graph, and get them back.
 */
import { beforeEach, expect, test } from 'vitest';
import { EEXIST, EINVAL } from '../../base/errno.js';
import { O_ACCEPT, O_NETGRAPH, O_NGTEE } from '../../netpfil/ipfw/index.js';
import { NgBench } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';
import type { Vnet } from '../../vnet/vnet.js';
import { ip4 } from '../../sim/craft.js';

let net: SimNet;
let a: Vnet;
let b: Vnet;
let bench: NgBench;

/** Two vnets, 192.0.2.1 and 192.0.2.2; the second has a graph. */
beforeEach(() => {
  net = new SimNet(3);
  a = net.vnet('a');
  b = net.vnet('b');
  const [ifA, ifB] = net.epair(a, b);
  net.addr(a, ifA, '192.0.2.1/24');
  net.addr(b, ifB, '192.0.2.2/24');
  bench = new NgBench(3, { kernel: net.kernel, vnet: b });
});

const rule = (rulenum: number, op: number, arg1 = 0): number => net.kernel.call(net.now, () => b.ipfw.add({ rulenum, set: 0, flags: 0, insns: [{ op, arg1 }], actOfs: 0 }).error);

/** Sends a datagram from a to b; how many bytes b's socket got. */
function ask(): number {
  const to = net.udp(b, 9);
  net.udp(a).send(Uint8Array.of(1, 2, 3), ip4('192.0.2.2'), 9);
  net.run(1_000_000);
  const n = to.recv(new Uint8Array(10));
  to.close();
  return n;
}

test('the node is made when its name is asked for, and there is one', () => {
  expect(bench.base.byName('ipfw')).toBeNull();
  expect(bench.connect('.', 'ipfw:', 'x', '5')).toBe(0);
  expect(bench.connect('.', 'ipfw:', 'y', '0')).toBe(0);
  expect(['05', 'a', '5x', '-1'].map((hook) => bench.connect('.', 'ipfw:', 'z', hook))).toEqual([EEXIST, EINVAL, EINVAL, EINVAL]);
  expect(bench.connect('.', 'ipfw:', 'z', '4294967301')).toBe(EEXIST);
  expect(bench.mkpeer('.', 'ipfw', 'z', '7')).toBe(EINVAL);
  bench.rmhook('.', 'x');
  bench.rmhook('.', 'y');
  expect(bench.base.byName('ipfw')?.hooks).toEqual([]);
  bench.shutdown('ipfw:');
  expect(bench.base.byName('ipfw')).toBeNull();
  expect(bench.connect('.', 'ipfw:', 'x', '5')).toBe(0);
  expect(bench.base.nodeCount(bench.base.typeOf('ipfw')!)).toBe(1);
});

test('a packet that a rule sends away is dropped without its hook', () => {
  expect(rule(100, O_NETGRAPH, 5)).toBe(0);
  expect(ask()).toBeLessThan(0);
  expect(net.kernel.engine.pool.inUse).toBe(0);
});

test('a packet goes out of the hook of the rule, at its IP header, and comes back to the next rule', () => {
  rule(100, O_NETGRAPH, 5);
  bench.connect('.', 'ipfw:', 'x', '5');
  expect(ask()).toBeLessThan(0);
  const [packet] = bench.frames('x');
  expect([packet!.length, packet![0], packet!.at(-1)]).toEqual([31, 0x45, 3]);
  bench.rmhook('.', 'x');
  expect(bench.mkpeer('ipfw:', 'echo', '5', 'x')).toBe(0);
  expect(ask()).toBe(3);
  // Twice through the same graph when one pass is not enough.
  b.kern.sysctl.set('net.inet.ip.fw.one_pass', 0);
  rule(200, O_NETGRAPH, 6);
  expect(ask()).toBeLessThan(0);
  expect(bench.mkpeer('ipfw:', 'echo', '6', 'x')).toBe(0);
  rule(300, O_ACCEPT);
  expect(ask()).toBe(3);
});

test('ngtee shows a copy, and the packet goes on; a copy does not come back', () => {
  rule(100, O_NGTEE, 5);
  rule(200, O_ACCEPT);
  bench.connect('.', 'ipfw:', 'x', '5');
  expect(ask()).toBe(3);
  const [copy] = bench.frames('x');
  expect(copy!.length).toBe(31);
  expect(bench.send('x', copy!)).toBe(0);
  bench.send('x', Uint8Array.of(0x20));
  bench.settle();
  expect(ask()).toBe(3);
  bench.counts();
  expect([net.kernel.engine.pool.inUse, net.kernel.engine.pool.tags.inUse]).toEqual([0, 0]);
});

test('the door closes with the graph', () => {
  rule(100, O_NETGRAPH, 5);
  bench.connect('.', 'ipfw:', 'x', '5');
  net.kernel.call(net.now, () => b.netgraph.destroy());
  expect(rule(200, O_NETGRAPH, 6)).toBe(0);
  expect(ask()).toBeLessThan(0);
  net.kernel.call(net.now, () => net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'b')!));
  net.run(1_000_000);
  expect([net.kernel.engine.pool.inUse, net.kernel.engine.pool.tags.inUse]).toEqual([0, 0]);
});
