/**
 * hook-if.test.ts — interfaces whose other end is a hook: how they end, and how they move.
 */
import { describe, expect, test } from 'vitest';
import { inAifaddr } from '../../inet/in-control.js';
import { ifCloneCreate } from '../../net/if-clone.js';
import { ifSetMtu, ifUp } from '../../net/if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../../net/ifnet.js';
import type { Ifnet } from '../../net/ifnet.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';
import { ip4 } from '../../sim/craft.js';
import { NGM_GENERIC_COOKIE, NGM_SHUTDOWN } from '../ng-generic.js';
import { eifaceIfp } from './eiface.js';
import { ifaceIfp } from './iface.js';

const KINDS = [['eiface', 'ether', 'ngeth0'], ['iface', 'inet', 'ng0']] as const;

describe.each(KINDS)('%s', (type, hook, name) => {
  const ifpOf = (bench: NgBench): Ifnet => (type === 'eiface' ? eifaceIfp : ifaceIfp)(bench.base, name)!;

  test('ends when its node is told to in the middle of a packet', () => {
    const bench = new NgBench();
    bench.mkpeer('.', type, 'a', hook);
    const ifp = ifpOf(bench);
    bench.mkpeer('.', 'hub', 'h', 'h');
    bench.name('h', 'hub');
    bench.socket.onData = () => {
      bench.socket.onData = null;
      expect(bench.socket.sendMsg(`${name}:`, { typecookie: NGM_GENERIC_COOKIE, cmd: NGM_SHUTDOWN })).toBe(0);
    };
    const m = bench.kernel.engine.pool.from(testFrame(1, 2))!;
    bench.mkpeer('.', 'source', 's', 'input');
    expect(bench.connect('.:s', 'hub:', 'output', 'z')).toBe(0);
    bench.inside(() => bench.socket.sendData('s', m));
    bench.ascii('.:s', 'setpps 1000');
    bench.ascii('.:s', 'start 1');
    bench.advance(10_000);
    expect([bench.base.byName(name)?.id, ifp.net?.kern.id]).toEqual([undefined, undefined]);
    expect(bench.mkpeer('.', type, 'a', hook)).toBe(0);
    expect(ifpOf(bench).xname).toBe(name);
  });

  test('its interface ends with the vnet it was made in, wherever it is', () => {
    const sim = new SimNet(3);
    const [a, b] = [sim.vnet('a'), sim.vnet('b')];
    const bench = new NgBench(3, { kernel: sim.kernel, vnet: a });
    bench.mkpeer('.', type, 'x', hook);
    const lent = sim.move(ifpOf(bench), b);
    sim.up(lent);
    for (let i = 0; i < 10; i++) bench.send('x', testFrame(1, 2));
    sim.kernel.call(sim.now, () => sim.kernel.jailRemove([...sim.kernel.prisons.prison0.children].find((p) => p.name === 'a')!));
    sim.run(1_000_000);
    expect(b.net.ifnets.map((ifp) => ifp.xname)).toEqual(['lo0']);
    const audit = sim.kernel.audit();
    expect(audit.unaccounted).toEqual({ packets: 0, timers: 0, interfaces: 0, deferred: 0 });
    expect(audit.leaks).toEqual([]);
  });
});

test('an Ethernet interface keeps its vlans’ tags, its MTU and its link state when it moves', () => {
  const sim = new SimNet(4);
  const jail = sim.vnet('jail');
  const bench = new NgBench(4, { kernel: sim.kernel, vnet: sim.kernel.vnet0 });
  bench.mkpeer('.', 'eiface', 'wire', 'ether');
  const home = eifaceIfp(bench.base, 'ngeth0')!;
  bench.inside(() => ifSetMtu(home, 9_000));
  const mac = [...home.lladdr];
  const there = sim.move(home, jail);
  expect([there.xname, there.mtu, there.linkState, [...there.lladdr], home.net]).toEqual(['ngeth0', 9_000, LINK_STATE_UP, mac, null]);
  const vlan = sim.kernel.call(sim.now, () => ifCloneCreate(jail.net, 'ngeth0.7').ifp!);
  bench.inside(() => {
    ifUp(there);
    ifUp(vlan);
    inAifaddr(jail.inNet, vlan, { addr: ip4('10.0.0.1'), plen: 24 });
  });
  sim.run(1_000_000);
  const out = bench.frames('wire');
  expect(out.length).toBeGreaterThan(0);
  for (const frame of out.filter((f) => f[12] === 0x81)) expect([...frame.subarray(12, 16)]).toEqual([0x81, 0, 0, 7]);
  expect(out.some((f) => f[12] === 0x81 && f[16] === 0x08 && f[17] === 0x06)).toBe(true);

  const tagged = Uint8Array.of(...testFrame('broadcast', 2).subarray(0, 12), 0x81, 0, 0, 7, ...testFrame('broadcast', 2).subarray(12));
  bench.send('wire', tagged);
  sim.run(1_000);
  expect(vlan.data.ipackets).toBe(1);

  bench.rmhook('.', 'wire');
  expect(there.linkState).toBe(LINK_STATE_DOWN);
  const back = sim.move(there, sim.kernel.vnet0);
  expect([back.mtu, back.linkState, [...back.lladdr]]).toEqual([9_000, LINK_STATE_DOWN, mac]);
  bench.connect('.', 'ngeth0:', 'wire', 'ether');
  expect(back.linkState).toBe(LINK_STATE_UP);
  bench.shutdown('ngeth0:');
  sim.run(1_000_000);
  expect(sim.kernel.vnet0.net.ifunit('ngeth0')).toBeNull();
});

test('pr292993: a node that is shut down while its interface goes to a jail and back', () => {
  const sim = new SimNet(6);
  const bench = new NgBench(6, { kernel: sim.kernel, vnet: sim.kernel.vnet0 });
  for (let i = 0; i < 10; i++) {
    bench.mkpeer('.', 'eiface', `path_${i}`, 'ether');
    const name = bench.ascii(`.:path_${i}`, 'getifname').slice(1, -1);
    const jail = sim.vnet(`eiface_destroy_${i}`);
    const ifp = sim.move(sim.kernel.vnet0.net.ifunit(name)!, jail);
    sim.up(ifp);
    const prison = sim.kernel.prisons.prison0.children.find((p) => p.name === `eiface_destroy_${i}`)!;
    const stop = (): number => bench.shutdown(`${name}:`);
    const remove = (): void => void sim.kernel.call(sim.now, () => sim.kernel.jailRemove(prison));
    // One before the other, the other before the one, and one in the middle of the other.
    if (i % 3 === 0) expect(stop()).toBe(0);
    if (i % 3 === 2) {
      jail.net.departureEvent.attach(jail, () => {
        jail.net.departureEvent.detach(jail);
        bench.base.rmnode(bench.base.byName(name)!);
      });
    }
    remove();
    if (i % 3 === 1) expect(stop()).toBe(0);
    sim.run(100_000);
    expect(sim.kernel.vnet0.net.ifunit(name)).toBeNull();
  }
  expect(sim.kernel.audit().leaks).toEqual([]);
});
