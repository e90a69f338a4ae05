/**
 * ether.test.ts — ng_ether: the node between an interface's driver and its stack.
 */
import { expect, test } from 'vitest';
import { EADDRINUSE, EEXIST, EINVAL, EISCONN, ENETDOWN } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { IFF_PROMISC } from '../../net/ifnet.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';

function cable() {
  const sim = new SimNet(2);
  const vnet = sim.vnet('v');
  const [a, b] = sim.epair(vnet, vnet);
  const bench = new NgBench(2, { kernel: sim.kernel, vnet });
  return { sim, vnet, a, b, bench };
}

test('lower has the driver’s side, upper the stack’s', () => {
  const { sim, vnet, a, b, bench } = cable();
  sim.run(1_000_000);
  bench.connect('.', `${a.xname}:`, 'low', 'lower');
  bench.connect('.', `${b.xname}:`, 'far', 'lower');
  expect(bench.connect('.', `${a.xname}:`, 'x', 'lower')).toBe(EEXIST);
  expect(bench.connect('.', `${a.xname}:`, 'x', 'divert')).toBe(EISCONN);
  expect(bench.connect('.', `${a.xname}:`, 'x', 'sideways')).toBe(EINVAL);
  expect(bench.send('low', testFrame(1, 2))).toBe(0);
  sim.run(1_000);
  expect(bench.frames('far')).toEqual([testFrame(1, 2)]);
  bench.send('far', testFrame('broadcast', 3));
  sim.run(1_000);
  expect(bench.frames('low')).toEqual([testFrame('broadcast', 3)]);

  bench.connect('.', `${a.xname}:`, 'up', 'upper');
  sim.addr(vnet, a, '10.0.0.1/24');
  sim.run(1_000_000);
  const arp = bench.frames('up').filter((f) => f[12] === 0x08 && f[13] === 0x06);
  expect(arp.length).toBeGreaterThan(0);
  expect(bench.frames('far')).toEqual([]);
});

test('frames that go out there have their outermost tag beside them', () => {
  const { sim, a, b, bench } = cable();
  bench.connect('.', `${a.xname}:`, 'low', 'lower');
  const probe = bench.probe(['far', b.xname, 'lower']);
  sim.run(1_000_000);
  probe.take();
  const seen: (readonly [number, number])[] = [];
  const { driver } = a;
  const transmit = driver.transmit.bind(driver);
  driver.transmit = (ifp, m) => {
    seen.push([m.flags & M_VLANTAG, m.vtag]);
    return transmit(ifp, m);
  };
  const frame = testFrame(1, 2);
  bench.send('low', Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, 0, 7, ...frame.subarray(12)));
  sim.run(1_000);
  expect(seen).toEqual([[M_VLANTAG, 7]]);
  expect(probe.take()).toMatchObject([{ flags: M_VLANTAG, vtag: 7, bytes: frame }]);
});

test('its commands', () => {
  const { sim, a, bench } = cable();
  const node = `${a.xname}:`;
  expect(bench.ascii(node, 'getifname')).toBe(`"${a.xname}"`);
  expect(bench.ascii(node, 'getifindex')).toBe(String(a.index));
  bench.ascii(node, 'setenaddr 02:04:06:08:0a:0c');
  expect(bench.ascii(node, 'getenaddr')).toBe('02:04:06:08:0a:0c');
  expect([bench.ascii(node, 'getpromisc'), bench.ascii(node, 'getautosrc')]).toEqual(['0', '0']);
  bench.connect('.', node, 'low', 'lower');
  bench.ascii(node, 'setpromisc 1');
  bench.ascii(node, 'setautosrc 1');
  expect([bench.ascii(node, 'getpromisc'), bench.ascii(node, 'getautosrc'), a.flags & IFF_PROMISC]).toEqual(['1', '1', IFF_PROMISC]);
  bench.ascii(node, 'addmulti 01:00:5e:00:00:07');
  expect(bench.asciiError(node, 'addmulti 01:00:5e:00:00:07')).toBe(EADDRINUSE);
  bench.ascii(node, 'delmulti 01:00:5e:00:00:07');
  expect(bench.asciiError(node, 'delmulti 01:00:5e:00:00:07')).not.toBe(0);
  bench.rmhook('.', 'low');
  expect(a.flags & IFF_PROMISC).toBe(0);
  expect(bench.shutdown(node)).toBe(0);
  expect(bench.base.byName(a.xname)).not.toBeNull();
  expect(bench.asciiError(node, 'detach')).toBe(0);
  expect(bench.base.byName(a.xname)).toBeNull();
  sim.run(1_000);
});

test('an interface that is down sends nothing', () => {
  const { sim, vnet, bench } = cable();
  const down = sim.clone(vnet, 'edsc');
  bench.connect('.', `${down.xname}:`, 'low', 'lower');
  expect(bench.send('low', testFrame(1, 2))).toBe(ENETDOWN);
  sim.up(down);
  expect(bench.send('low', new Uint8Array(13))).toBe(EINVAL);
});
