/**
 * bridge.test.ts — ng_bridge: who gets which frame.
 */
import { expect, test } from 'vitest';
import { NgBench, testFrame } from '../../sim/ng-bench.js';

function threeLinks(): NgBench {
  const bench = new NgBench();
  expect(bench.mkpeer('.', 'bridge', 'a', 'link0')).toBe(0);
  expect(bench.name('a', 'bridge')).toBe(0);
  expect(bench.connect('.', 'bridge:', 'b', 'link1')).toBe(0);
  expect(bench.connect('.', 'bridge:', 'c', 'link2')).toBe(0);
  return bench;
}

test('floods what it does not know, and sends what it knows to one link', () => {
  const bench = threeLinks();
  expect(bench.send('a', testFrame(9, 1))).toBe(0);
  expect(bench.counts('a', 'b', 'c')).toEqual([0, 1, 1]);
  expect(bench.send('b', testFrame(9, 2))).toBe(0);
  expect(bench.counts('a', 'b', 'c')).toEqual([1, 0, 1]);
  expect(bench.send('c', testFrame(9, 3))).toBe(0);
  expect(bench.counts('a', 'b', 'c')).toEqual([1, 1, 0]);
  bench.send('a', testFrame(3, 1));
  expect(bench.counts('a', 'b', 'c')).toEqual([0, 0, 1]);
  expect(bench.ascii('bridge:', 'gettable')).toBe(
    '{ numHosts=3 hosts=[ { addr=02:04:06:00:00:03 hook="link2" } { addr=02:04:06:00:00:02 hook="link1" } { addr=02:04:06:00:00:01 hook="link0" } ] }',
  );
  expect(bench.ascii('bridge:', 'getstats 0')).toBe('{ recvOctets=120 recvPackets=2 recvUnknown=1 xmitOctets=120 xmitPackets=2 }');
  bench.rmhook('.', 'b');
  bench.send('a', testFrame(2, 1));
  expect(bench.counts('a', 'b', 'c')).toEqual([0, 0, 1]);
  expect(bench.shutdown('bridge:')).toBe(0);
  expect(bench.base.byName('bridge')).toBeNull();
});

test('numbers a link whose name has no number, and refuses names that are not links', () => {
  const bench = threeLinks();
  expect(bench.connect('.', 'bridge:', 'd', 'link')).toBe(0);
  expect(bench.base.byName('bridge')!.hooks[0]!.name).toBe('link3');
  expect(bench.connect('.', 'bridge:', 'e', 'link03')).toBe(22);
  expect(bench.connect('.', 'bridge:', 'e', 'uplink0')).toBe(22);
});

test('mutes a link that is joined to another outside', () => {
  const bench = threeLinks();
  bench.mkpeer('.', 'bridge', 'x', 'link9');
  bench.name('x', 'other');
  bench.connect('bridge:', 'other:', 'link5', 'link5');
  bench.connect('bridge:', 'other:', 'link6', 'link6');
  bench.send('a', testFrame('broadcast', 1));
  const [, b, , x] = bench.counts('a', 'b', 'c', 'x');
  expect(b).toBe(1);
  expect(x).toBeGreaterThan(0);
});
