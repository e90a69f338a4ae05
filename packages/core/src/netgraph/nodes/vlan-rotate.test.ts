/**
 * vlan-rotate.test.ts — ng_vlan_rotate: FreeBSD's own tests of it (tests/sys/netgraph/vlan_rotate.c), and what they leave out.
 */
import { expect, test } from 'vitest';
import { EINVAL, ENETDOWN, ENOSYS } from '../../base/errno.js';
import { Prng } from '../../base/prng.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';

const IP = 0x0800;

/** A frame with this stack of tags. */
function stacked(types: readonly number[], vids: readonly number[]): Uint8Array {
  const words = types.flatMap((type, i) => [type >> 8, type & 255, vids[i]! >> 8, vids[i]! & 255]);
  return Uint8Array.of(2, 4, 6, 1, 3, 7, 2, 4, 6, 1, 3, 5, ...words, IP >> 8, IP & 255, ...new Uint8Array(40));
}

const vidsOf = (frame: Uint8Array, n: number): number[] => Array.from({ length: n }, (_, i) => (frame[14 + 4 * i]! << 8) | frame[15 + 4 * i]!);
const typesOf = (frame: Uint8Array, n: number): number[] => Array.from({ length: n }, (_, i) => (frame[12 + 4 * i]! << 8) | frame[13 + 4 * i]!);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const all = (n: number, type: number): number[] => new Array<number>(n).fill(type);

function rotator(from: 'original' | 'ordered'): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', 'vlan_rotate', 'a', from);
  bench.name('a', 'vr');
  bench.connect('.', 'vr:', 'b', from === 'original' ? 'ordered' : 'original');
  return bench;
}

test.each([['basic', 'original', 1], ['reverse', 'ordered', -1]] as const)('%s: rotates stacks of every height by every distance', (_, from, direction) => {
  const bench = rotator(from);
  for (let len = 9; len > 0; len--) {
    for (let rot = 1 - len; rot < len; rot++) {
      bench.ascii('vr:', `setconf { min=0 max=9 rot=${rot} }`);
      expect(bench.send('a', stacked(all(len, 0x8100), range(len)))).toBe(0);
      const [frame] = bench.frames('b');
      expect(vidsOf(frame!, len)).toEqual(range(len).map((_v, i) => (2 * len + i - direction * rot) % len + 1));
    }
  }
});

test.each([['ethertype', 'original', 1], ['typeether', 'ordered', -1]] as const)('%s: takes the types along', (_, from, direction) => {
  const bench = rotator(from);
  const rng = new Prng(0xb93b);
  const len = 9;
  for (let round = 0; round < 20; round++) {
    const rot = rng.below(2 * len - 1) - len + 1;
    const types = range(len).map(() => [0x8100, 0x88a8, 0x9100][rng.below(3)]!);
    bench.ascii('vr:', `setconf { min=0 max=9 rot=${rot} }`);
    bench.send('a', stacked(types, range(len)));
    const [frame] = bench.frames('b');
    expect(typesOf(frame!, len)).toEqual(types.map((_t, i) => types[(2 * len + i - direction * rot) % len]));
  }
});

test('minmax: frames with too many or too few tags go elsewhere', () => {
  const bench = rotator('original');
  bench.connect('.', 'vr:', 'c', 'excessive');
  bench.connect('.', 'vr:', 'd', 'incomplete');
  bench.ascii('vr:', 'setconf { min=3 max=7 rot=0 }');
  for (let len = 9; len > 0; len--) {
    const frame = stacked(all(len, 0x8100), range(len));
    const elsewhere = len < 3 ? [0, 0, 0, 1] : [0, 0, 1, 0];
    bench.send('a', frame);
    expect(bench.counts('a', 'b', 'c', 'd')).toEqual(len < 3 || len > 7 ? elsewhere : [0, 1, 0, 0]);
    bench.send('b', frame);
    expect(bench.counts('a', 'b', 'c', 'd')).toEqual(len < 3 || len > 7 ? elsewhere : [1, 0, 0, 0]);
    bench.send('c', frame);
    expect(bench.counts('a', 'b', 'c', 'd')).toEqual([1, 0, 0, 0]);
    bench.send('d', frame);
    expect(bench.counts('a', 'b', 'c', 'd')).toEqual([1, 0, 0, 0]);
  }
  expect(bench.ascii('vr:', 'getclrstat')).toBe('{ excessive=4 incomplete=4 histogram=[ 3=2 2 2 2 2 ] }');
  expect(bench.ascii('vr:', 'getstat')).toBe('{}');
});

test('a tag beside the frame is the first of the stack', () => {
  const bench = rotator('original');
  bench.rmhook('.', 'a');
  const probe = bench.probe(['a', 'vr', 'original']);
  bench.ascii('vr:', 'setconf { rot=1 }');
  const beside = (m: object) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x88a8, vtag: 7 });
  probe.send('a', stacked([0x8100, 0x9300], [8, 9]), beside);
  expect(bench.frames('b')).toEqual([stacked([0x9300, 0x88a8, 0x8100], [9, 7, 8])]);
  probe.send('a', stacked([], []), beside);
  bench.ascii('vr:', 'setconf { rot=0 }');
  probe.send('a', stacked([], []), beside);
  expect(bench.frames('b')).toEqual([stacked([0x88a8], [7])]);
  expect(bench.ascii('vr:', 'getstat')).toBe('{ drops=1 incomplete=1 histogram=[ 1=1 3=1 ] }');
});

test('what it drops', () => {
  const bench = rotator('original');
  expect(bench.send('a', testFrame(1, 2))).toBe(ENOSYS);
  expect(bench.send('a', new Uint8Array(15))).toBe(EINVAL);
  expect(bench.send('a', stacked(all(2, 0x8100), range(2)).subarray(0, 23))).toBe(EINVAL);
  bench.rmhook('.', 'b');
  expect(bench.send('a', stacked([0x8100], [1]))).toBe(ENETDOWN);
  expect(bench.ascii('vr:', 'getstat')).toBe('{ drops=4 incomplete=1 }');
  bench.ascii('vr:', 'clrstat');
  expect(bench.ascii('vr:', 'getstat')).toBe('{}');
});

test('ten tags are too many, whatever is wanted', () => {
  const bench = rotator('original');
  bench.connect('.', 'vr:', 'c', 'excessive');
  for (const n of [10, 11, 12]) bench.send('a', stacked(all(n, 0x8100), range(n)));
  expect(bench.counts('b', 'c')).toEqual([0, 3]);
});

test('its configuration', () => {
  const bench = rotator('original');
  expect(bench.ascii('vr:', 'getconf')).toBe('{ max=10 }');
  bench.ascii('vr:', 'setconf { rot=-2 min=1 max=5 }');
  bench.ascii('vr:', 'setconf { rot=-3 min=2 }');
  expect(bench.ascii('vr:', 'getconf')).toBe('{ rot=-3 min=2 max=5 }');
  for (const conf of ['max=11', 'min=6 max=5', 'rot=5', 'rot=-5', 'min=6']) expect(bench.asciiError('vr:', `setconf { ${conf} }`)).toBe(EINVAL);
  expect(bench.connect('.', 'vr:', 'x', 'sideways')).toBe(EINVAL);
});
