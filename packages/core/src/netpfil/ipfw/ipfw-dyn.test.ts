/**
 * ipfw-dyn.test.ts — states through the firewall of a vnet: kept alive, bounded, ended with their rule, and gone with the vnet.
 */
import { beforeEach, expect, test } from 'vitest';
import type { Ifnet } from '../../net/ifnet.js';
import { ip4 } from '../../sim/craft.js';
import { SimNet } from '../../sim/sim-net.js';
import type { StreamSocket } from '../../socket/stream-socket.js';
import type { Vnet } from '../../vnet/vnet.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { O_ACCEPT, O_DENY, O_KEEP_STATE, O_PROBE_STATE, O_PROTO } from './ipfw-insn.js';
import type { IpfwInsnSpec } from './ipfw-insn.js';

const SEC = 1_000_000;

let net: SimNet;
let a: Vnet;
let b: Vnet;
let ends: readonly { readonly ifp: Ifnet }[];

/** Two vnets, 192.0.2.1 and 192.0.2.2; the second has the rules. */
beforeEach(() => {
  net = new SimNet(9);
  a = net.vnet('a');
  b = net.vnet('b');
  ends = net.link(a, b, { delayUs: 1_000 });
  net.addr(a, ends[0]!.ifp, '192.0.2.1/24');
  net.addr(b, ends[1]!.ifp, '192.0.2.2/24');
});

function rule(rulenum: number, insns: readonly IpfwInsnSpec[]): void {
  expect(net.kernel.call(net.now, () => b.ipfw.add({ rulenum, set: 0, flags: 0, insns, actOfs: insns.length - 1 }).error)).toBe(0);
}

const keep = (rulenum: number, proto: number): void => rule(rulenum, [{ op: O_PROBE_STATE, name: 'x' }, { op: O_PROTO, arg1: proto }, { op: O_KEEP_STATE, name: 'x' }, { op: O_ACCEPT }]);

function connection(): readonly [StreamSocket, StreamSocket] {
  const listener = net.listen(b, 80);
  const client = net.connect(a, '192.0.2.2', 80);
  net.run(100_000);
  const server = listener.accept();
  if (server === null) throw new Error('not connected');
  return [client, server];
}

test('an idle connection is asked on both sides before its state ends, and lives', () => {
  // With timestamps a host is to drop segments without one (RFC 7323 §3.2), as these are.
  for (const v of [a, b]) expect(v.kern.sysctl.set('net.inet.tcp.rfc1323', 0)).toBe(0);
  keep(100, IPPROTO_TCP);
  const [client, server] = connection();
  rule(50, [{ op: O_PROBE_STATE, name: 'x' }, { op: O_PROTO, arg1: IPPROTO_TCP }, { op: O_DENY }]);
  expect([b.ipfw.stateCount, server.isConnected]).toEqual([1, true]);
  net.run(1_000 * SEC);
  expect(b.ipfw.stateCount).toBe(1);
  expect(client.send(Uint8Array.of(1))).toBe(1);
  net.run(SEC);
  expect(server.recv(new Uint8Array(10))).toBe(1);
});

test('without keepalives the state of an idle connection ends', () => {
  b.ipfw.dynTun.keepalive = 0;
  keep(100, IPPROTO_TCP);
  connection();
  net.run(299 * SEC);
  expect(b.ipfw.stateCount).toBe(1);
  net.run(3 * SEC);
  expect(b.ipfw.stateCount).toBe(0);
});

test('more states than there is room for are refused and counted; room comes with time', () => {
  b.ipfw.dynTun.max = 3;
  keep(100, IPPROTO_UDP);
  const to = net.udp(b, 9);
  const arrived = (): number => {
    let n = 0;
    while (to.recv(new Uint8Array(4)) > 0) n++;
    return n;
  };
  for (let i = 0; i < 5; i++) net.udp(a, 1_000 + i).send(Uint8Array.of(1), ip4('192.0.2.2'), 9);
  net.run(100_000);
  expect([arrived(), b.ipfw.stateCount, b.ipfw.statesRefused]).toEqual([3, 3, 2]);
  net.run(11 * SEC);
  expect(b.ipfw.stateCount).toBe(0);
  net.udp(a, 2_000).send(Uint8Array.of(1), ip4('192.0.2.2'), 9);
  net.run(100_000);
  expect(arrived()).toBe(1);
});

test('states end with their rule, unless they are to live on', () => {
  keep(100, IPPROTO_UDP);
  net.udp(a, 1_000).send(Uint8Array.of(1), ip4('192.0.2.2'), 9);
  net.run(100_000);
  expect(net.kernel.call(net.now, () => b.ipfw.delete({ first: 100, last: 100, set: -1 }))).toBe(1);
  expect(b.ipfw.stateCount).toBe(0);
  b.ipfw.dynTun.keepStates = 1;
  keep(100, IPPROTO_UDP);
  net.udp(a, 1_001).send(Uint8Array.of(1), ip4('192.0.2.2'), 9);
  net.run(100_000);
  net.kernel.call(net.now, () => b.ipfw.delete({ first: 100, last: 100, set: -1 }));
  expect([b.ipfw.stateCount, b.ipfw.dyn.list()[0]?.orphan]).toEqual([1, true]);
  net.run(11 * SEC);
  expect(b.ipfw.stateCount).toBe(0);
});

test('hooks are linked while there is something to say, and not after', () => {
  const linked = (): number[] => [b.ip.pfil, b.ip6.pfil, b.net.linkPfil].map((head) => head.hooks.length);
  expect(linked()).toEqual([0, 0, 0]);
  keep(100, IPPROTO_UDP);
  expect(linked()).toEqual([1, 1, 0]);
  b.kern.sysctl.set('net.link.ether.ipfw', 1);
  b.kern.sysctl.set('net.inet6.ip6.fw.enable', 0);
  expect(linked()).toEqual([1, 0, 1]);
  net.kernel.call(net.now, () => b.ipfw.delete({ first: 0, last: 0, set: -1 }));
  expect(linked()).toEqual([0, 0, 0]);
  b.kern.sysctl.set('net.inet.ip.fw.default_to_accept', 0);
  expect(linked()).toEqual([1, 0, 1]);
});
