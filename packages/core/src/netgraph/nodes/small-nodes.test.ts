/**
 * small-nodes.test.ts — ng_etf, ng_split, ng_echo, ng_ether_echo and ng_hole.
 */
import { describe, expect, test } from 'vitest';
import { EEXIST, EINVAL, ENETDOWN, ENOENT, EPROTOTYPE } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';

function node(type: string, ...hooks: readonly [string, ...string[]]): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', type, hooks[0], hooks[0]);
  bench.name(hooks[0], 'n');
  for (const hook of hooks.slice(1)) bench.connect('.', 'n:', hook, hook);
  return bench;
}

function typed(type: number): Uint8Array {
  const frame = testFrame(1, 2);
  frame.set([type >> 8, type & 255], 12);
  return frame;
}

describe('etf', () => {
  const etf = (): NgBench => {
    const bench = node('etf', 'downstream', 'nomatch', 'ip', 'arp');
    bench.ascii('n:', 'setfilter { matchhook="ip" ethertype=0x800 }');
    bench.ascii('n:', 'setfilter { matchhook="arp" ethertype=0x806 }');
    return bench;
  };

  test('sorts frames by type, and takes them back from where they would go', () => {
    const bench = etf();
    for (const type of [0x800, 0x806, 0x806, 0x86dd]) bench.send('downstream', typed(type));
    expect(bench.counts('nomatch', 'ip', 'arp')).toEqual([1, 1, 2]);
    expect(bench.send('ip', typed(0x800))).toBe(0);
    expect(bench.send('ip', typed(0x806))).toBe(EPROTOTYPE);
    expect(bench.send('nomatch', typed(0x800))).toBe(EPROTOTYPE);
    expect(bench.send('ip', typed(0x86dd))).toBe(EPROTOTYPE);
    expect(bench.send('nomatch', typed(0x86dd))).toBe(0);
    expect(bench.counts('downstream')).toEqual([2]);
    expect(bench.ascii('n:', 'getstatus')).toBe('{ packets_in=4 packets_out=2 }');
    expect(bench.send('downstream', new Uint8Array(13))).toBe(EINVAL);
  });

  test('the type of a tagged frame is that of its tag', () => {
    const bench = etf();
    bench.connect('.', 'n:', 'vlan', 'vlan');
    bench.ascii('n:', 'setfilter { matchhook="vlan" ethertype=0x8100 }');
    bench.rmhook('.', 'downstream');
    const probe = bench.probe(['d', 'n', 'downstream']);
    probe.send('d', typed(0x800), (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 5 }));
    expect(bench.counts('ip', 'vlan')).toEqual([0, 1]);
  });

  test('its errors', () => {
    const bench = etf();
    expect(bench.asciiError('n:', 'setfilter { matchhook="nobody" ethertype=1 }')).toBe(ENOENT);
    expect(bench.asciiError('n:', 'setfilter { matchhook="downstream" ethertype=1 }')).toBe(EINVAL);
    expect(bench.asciiError('n:', 'setfilter { matchhook="arp" ethertype=0x800 }')).toBe(EEXIST);
    expect(bench.asciiError('n:', 'setflag 3')).toBe(0);
    bench.rmhook('.', 'ip');
    expect(bench.asciiError('n:', 'setfilter { matchhook="arp" ethertype=0x800 }')).toBe(0);
    bench.rmhook('.', 'nomatch');
    expect(bench.send('downstream', typed(0x86dd))).toBe(ENETDOWN);
  });
});

test('split: in to mixed, mixed to out, and nothing in by out', () => {
  const bench = node('split', 'mixed', 'in', 'out');
  bench.send('in', testFrame(1, 2));
  expect(bench.counts('mixed', 'in', 'out')).toEqual([1, 0, 0]);
  bench.send('mixed', testFrame(1, 2));
  expect(bench.counts('mixed', 'in', 'out')).toEqual([0, 0, 1]);
  expect(bench.send('out', testFrame(1, 2))).toBe(EINVAL);
  bench.rmhook('.', 'out');
  expect(bench.send('mixed', testFrame(1, 2))).toBe(0);
  expect(bench.connect('.', 'n:', 'x', 'x')).toBe(EINVAL);
  expect(bench.counts('mixed', 'in')).toEqual([0, 0]);
});

describe('echo', () => {
  test('gives data back by its hook', () => {
    const bench = node('echo', 'a', 'b');
    bench.send('a', testFrame(1, 2));
    expect(bench.frames('a')).toEqual([testFrame(1, 2)]);
    expect(bench.counts('b')).toEqual([0]);
  });

  test('answers any message with itself', () => {
    const bench = node('echo', 'a');
    const args = Uint8Array.of(1, 2, 3);
    bench.inside(() => bench.socket.sendMsg('n:', { typecookie: 77, cmd: 5, cmdstr: 'hello' }, args));
    const answer = bench.inside(() => bench.socket.recvMsg());
    expect(answer).toMatchObject({ from: `[${bench.base.byName('n')!.id.toString(16)}]:`, msg: { typecookie: 77, cmd: 5, cmdstr: 'hello', flags: 1, args } });
  });

  test('two of them end what they throw to each other', () => {
    const bench = node('echo', 'a');
    bench.mkpeer('n:', 'echo', 'x', 'y');
    const probe = bench.probe(['p', 'n', 'z']);
    bench.connect('n:', 'n:', 'l', 'r');
    bench.rmhook('.', 'a');
    expect(probe.send('p', testFrame(1, 2))).toBe(0);
    expect(probe.take()).toHaveLength(1);
    const m = bench.kernel.engine.pool.from(testFrame(1, 2))!;
    expect(bench.inside(() => bench.base.send(bench.base.byName('n')!.findHook('x'), m))).toBe(0);
    bench.settle();
    expect(bench.base.tun.hopDrops).toBe(1);
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });
});

test('ether_echo: turns the addresses round', () => {
  const bench = node('ether_echo', 'a');
  bench.send('a', testFrame(7, 9));
  expect(bench.frames('a')).toEqual([testFrame(9, 7)]);
  expect(bench.send('a', new Uint8Array(13))).toBe(EINVAL);
  bench.inside(() => bench.socket.sendMsg('n:', { typecookie: 77, cmd: 5 }));
  expect(bench.inside(() => bench.socket.recvMsg())?.msg.isResponse).toBe(true);
});

test('hole: swallows and counts', () => {
  const bench = node('hole', 'a', 'b');
  bench.send('a', testFrame(1, 2));
  bench.send('a', testFrame(1, 2, 100));
  expect(bench.counts('a', 'b')).toEqual([0, 0]);
  expect(bench.ascii('n:', 'getstats "a"')).toBe('{ frames=2 octets=160 }');
  expect(bench.ascii('n:', 'getstats "b"')).toBe('{}');
  expect(bench.ascii('n:', 'getclrstats "a"')).toBe('{ frames=2 octets=160 }');
  bench.send('a', testFrame(1, 2));
  bench.ascii('n:', 'clrstats "a"');
  expect(bench.ascii('n:', 'getstats "a"')).toBe('{}');
  expect(bench.asciiError('n:', 'getstats "c"')).toBe(ENOENT);
  expect(bench.kernel.engine.pool.inUse).toBe(0);
});
