/**
 * one2many.test.ts — ng_one2many: which links a packet goes out of, and which are active.
 */
import { expect, test } from 'vitest';
import { EINVAL, ENOBUFS, ENOTCONN } from '../../base/errno.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';

function threeLinks(): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', 'one2many', 'one', 'one');
  bench.name('one', 'o');
  for (const n of [0, 1, 5]) bench.connect('.', 'o:', `m${n}`, `many${n}`);
  return bench;
}

const LINKS = ['one', 'm0', 'm1', 'm5'] as const;

test('sends in turn, by all links, or by the first; back by one', () => {
  const bench = threeLinks();
  const order = () => [0, 1, 2, 3].map(() => {
    bench.send('one', testFrame(1, 2));
    return bench.counts('m0', 'm1', 'm5').join('');
  });
  expect(order()).toEqual(['100', '010', '001', '100']);
  bench.ascii('o:', 'setconfig { xmitAlg=2 failAlg=1 enabledLinks=[ 1 1 5=7 ] }');
  expect(order()).toEqual(['111', '111', '111', '111']);
  bench.ascii('o:', 'setconfig { xmitAlg=3 failAlg=1 enabledLinks=[ 1=1 5=1 ] }');
  expect(order()).toEqual(['010', '010', '010', '010']);
  bench.send('m5', testFrame(1, 2));
  expect(bench.counts(...LINKS)).toEqual([1, 0, 0, 0]);
  expect(bench.ascii('o:', 'getconfig')).toBe('{ xmitAlg=3 failAlg=1 enabledLinks=[ 1=1 5=1 ] }');
  expect(bench.ascii('o:', 'getstats -1')).toBe('{ recvOctets=720 recvPackets=12 xmitOctets=60 xmitPackets=1 }');
  expect(bench.ascii('o:', 'getclrstats 5')).toBe('{ recvOctets=60 recvPackets=1 xmitOctets=300 xmitPackets=5 }');
  bench.ascii('o:', 'clrstats 1');
  expect([bench.ascii('o:', 'getstats 1'), bench.ascii('o:', 'getstats 5')]).toEqual(['{}', '{}']);
});

test('the error of sending by all is that of the first', () => {
  const bench = threeLinks();
  bench.rmhook('.', 'm1');
  const probe = bench.probe(['p', 'o', 'many1']);
  probe.error = ENOBUFS;
  bench.ascii('o:', 'setconfig { xmitAlg=2 failAlg=1 enabledLinks=[ 1 1 5=1 ] }');
  expect(bench.send('one', testFrame(1, 2))).toBe(0);
  bench.ascii('o:', 'setconfig { xmitAlg=2 failAlg=1 enabledLinks=[ 1=1 5=1 ] }');
  expect(bench.send('one', testFrame(1, 2))).toBe(ENOBUFS);
  expect(bench.counts('m0', 'm5')).toEqual([1, 2]);
});

test('without an active link nothing can be sent, and one hears of it', () => {
  const bench = new NgBench();
  bench.mkpeer('.', 'one2many', 'm0', 'many0');
  bench.name('m0', 'o');
  const one = bench.probe(['one', 'o', 'one']);
  const heard = () => one.messages.splice(0).map(({ cmd }) => cmd);
  bench.rmhook('.', 'm0');
  expect(heard()).toEqual([NGM_LINK_IS_DOWN]);
  expect(one.send('one', testFrame(1, 2))).toBe(ENOTCONN);
  const link = bench.probe(['m', 'o', 'many63']);
  expect(heard()).toEqual([NGM_LINK_IS_UP]);

  const say = (cmd: number) => link.sendMsg('m', new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd }));
  say(NGM_LINK_IS_DOWN);
  expect(heard()).toEqual([]);
  bench.ascii('o:', 'setconfig { xmitAlg=1 failAlg=2 enabledLinks=[ 63=1 ] }');
  say(NGM_LINK_IS_DOWN);
  expect(heard()).toEqual([NGM_LINK_IS_DOWN]);
  say(NGM_LINK_IS_UP);
  expect(heard()).toEqual([NGM_LINK_IS_UP]);
  expect(one.send('one', testFrame(1, 2))).toBe(0);
  expect(link.take()).toHaveLength(1);
});

test('refuses what it does not know', () => {
  const bench = threeLinks();
  for (const hook of ['many64', 'many01', 'many', 'many1x', 'two']) expect(bench.connect('.', 'o:', 'x', hook)).toBe(EINVAL);
  for (const config of ['xmitAlg=0 failAlg=1', 'xmitAlg=4 failAlg=1', 'xmitAlg=1 failAlg=3', 'xmitAlg=1']) {
    expect(bench.asciiError('o:', `setconfig { ${config} }`)).toBe(EINVAL);
  }
  for (const link of [-2, 64]) expect(bench.asciiError('o:', `getstats ${link}`)).toBe(EINVAL);
  expect(bench.ascii('o:', 'getconfig')).toBe('{ xmitAlg=1 failAlg=1 enabledLinks=[ 1 1 5=1 ] }');
});
