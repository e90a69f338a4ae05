/**
 * macfilter.test.ts — ng_macfilter: who gets which frame, and the table of FreeBSD's own test (tests/sys/netgraph/ng_macfilter_test.sh).
 */
import { expect, test } from 'vitest';
import { EEXIST, EINVAL } from '../../base/errno.js';
import { Prng } from '../../base/prng.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';

function filter(): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', 'macfilter', 'ether', 'ether');
  bench.name('ether', 'MF');
  for (const hook of ['default', 'out1', 'out2', 'out3']) bench.connect('.', 'MF:', hook, hook);
  return bench;
}

const UPPER = ['default', 'out1', 'out2', 'out3'] as const;

test('sorts by source, and sends everything back by ether', () => {
  const bench = filter();
  bench.ascii('MF:', 'direct { ether=02:04:06:00:00:05 hookname="out2" }');
  bench.ascii('MF:', 'directi { ether=02:04:06:00:00:03 hookid=3 }');
  bench.send('ether', testFrame(9, 5));
  bench.send('ether', testFrame(9, 5, 100));
  bench.send('ether', testFrame(9, 3));
  bench.send('ether', testFrame(5, 9));
  expect(bench.counts('ether', ...UPPER)).toEqual([0, 1, 0, 2, 1]);
  bench.send('out1', testFrame(5, 9));
  bench.send('default', testFrame(7, 9));
  expect(bench.counts('ether', ...UPPER)).toEqual([2, 0, 0, 0, 0]);
  expect(bench.ascii('MF:', 'getclrmacs')).toBe(
    '{ n=2 macs=[ { ether=02:04:06:00:00:03 hookid=3 packets_in=1 bytes_in=46 } '
    + '{ ether=02:04:06:00:00:05 hookid=2 packets_in=2 bytes_in=132 packets_out=1 bytes_out=46 } ] }',
  );
  expect(bench.ascii('MF:', 'getmacs')).toBe('{ n=2 macs=[ { ether=02:04:06:00:00:03 hookid=3 } { ether=02:04:06:00:00:05 hookid=2 } ] }');
  expect(bench.ascii('MF:', 'gethooks')).toBe(
    '{ n=4 hooks=[ { hookname="default" } { hookname="out1" hookid=1 } { hookname="out2" hookid=2 maccnt=1 } { hookname="out3" hookid=3 maccnt=1 } ] }',
  );
  bench.send('ether', testFrame(9, 5));
  bench.ascii('MF:', 'clrmacs');
  expect(bench.ascii('MF:', 'getmacs')).not.toContain('packets');
  bench.ascii('MF:', 'reset');
  expect(bench.ascii('MF:', 'getmacs')).toBe('{}');
});

test('a frame without a hook to go to is dropped without an error, and one too short for addresses is nobody’s', () => {
  const bench = filter();
  expect(bench.send('ether', new Uint8Array(5))).toBe(0);
  expect(bench.counts(...UPPER)).toEqual([1, 0, 0, 0]);
  bench.rmhook('.', 'default');
  expect(bench.send('ether', testFrame(9, 5))).toBe(0);
  bench.rmhook('.', 'ether');
  expect(bench.send('out1', testFrame(9, 5))).toBe(0);
});

test('a hook takes its addresses along, and its number is given again', () => {
  const bench = filter();
  bench.ascii('MF:', 'direct { ether=02:04:06:00:00:05 hookname="out2" }');
  bench.ascii('MF:', 'direct { ether=02:04:06:00:00:06 hookname="out1" }');
  bench.rmhook('.', 'out2');
  expect(bench.ascii('MF:', 'getmacs')).toBe('{ n=1 macs=[ { ether=02:04:06:00:00:06 hookid=1 } ] }');
  bench.connect('.', 'MF:', 'x', 'xxx');
  expect(bench.ascii('MF:', 'gethooks')).toContain('{ hookname="xxx" hookid=2 }');
  bench.ascii('MF:', 'direct { ether=02:04:06:00:00:06 hookname="nobody" }');
  expect(bench.ascii('MF:', 'getmacs')).toBe('{}');
  for (const id of [4, 999]) expect(bench.asciiError('MF:', `directi { ether=02:04:06:00:00:06 hookid=${id} }`)).toBe(EINVAL);
  expect(bench.connect('.', 'MF:', 'y', 'default')).toBe(EEXIST);
});

const hooksOf = (bench: NgBench): string => [...bench.ascii('MF:', 'gethooks').matchAll(/hookname="(.*?)"/g)].map(([, name]) => name).sort().join(':');

function countMacs(bench: NgBench, hook: string): number {
  return Number(new RegExp(`hookname="${hook}" hookid=\\d+ maccnt=(\\d+)`).exec(bench.ascii('MF:', 'gethooks'))?.[1] ?? 0);
}

test('hooks come and go', () => {
  const bench = filter();
  const before = hooksOf(bench);
  for (let i = 10; i <= 42; i++) bench.connect('.', 'MF:', `x${i}`, `xxx${i}`);
  expect(hooksOf(bench)).toBe([before, ...Array.from({ length: 33 }, (_, i) => `xxx${i + 10}`)].join(':'));
  for (let i = 10; i <= 42; i++) bench.rmhook('MF:', `xxx${i}`);
  expect(hooksOf(bench)).toBe(before);
});

test('the table agrees with a simple one, whatever is directed where', () => {
  const bench = filter();
  const rng = new Prng(7);
  const model = new Map<string, string>();
  for (let round = 0; round < 3 * 7 * 72; round++) {
    const ether = `00:00:00:00:${rng.below(72).toString(16).padStart(2, '0')}:0${rng.below(7)}`;
    const hook = UPPER[rng.below(4)]!;
    bench.ascii('MF:', `direct { hookname="${hook}" ether=${ether} }`);
    if (hook === 'default') model.delete(ether);
    else model.set(ether, hook);
  }
  for (const hook of UPPER) expect(countMacs(bench, hook)).toBe([...model.values()].filter((h) => h === hook).length);
  const shown = [...bench.ascii('MF:', 'getmacs').matchAll(/ether=([0-9a-f:]+) hookid=(\d)/g)].map(([, ether, id]) => [ether, UPPER[Number(id)]]);
  expect(shown).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
});
