/**
 * tcpmss.test.ts — ng_tcpmss: which segment sizes are lowered, and whether the checksum stays right.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EINVAL, ENOENT } from '../../base/errno.js';
import { CSUM_L4 } from '../../mbuf/packet-buffer.js';
import { NgBench } from '../../sim/ng-bench.js';
import { inCksum4 } from '../../wire/checksum.js';
import { ip4Emit } from '../../wire/ip4.js';
import { TH_ACK, TH_SYN, tcpEmit } from '../../wire/tcp.js';

function tcpmss(): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', 'tcpmss', 'a', 'a');
  bench.name('a', 't');
  bench.connect('.', 't:', 'b', 'b');
  bench.ascii('t:', 'config { inHook="a" outHook="b" maxMSS=1400 }');
  return bench;
}

/** A TCP packet with these options. */
function segment(options: readonly number[], flags = TH_SYN, payload = 0): Uint8Array {
  const padded = [...options, ...new Array<number>((4 - (options.length & 3)) & 3).fill(0)];
  const packet = new Uint8Array(40 + padded.length + payload);
  const v = new DataView(packet.buffer);
  const len = packet.length - 20;
  ip4Emit(v, 0, 20, 0, packet.length, 1, 0, 64, 6, 0x0a000001, 0x0a000002);
  tcpEmit(v, 20, 1, 2, 3, 4, 20 + padded.length, flags, 5, 0);
  packet.set(padded, 40);
  v.setUint16(36, inCksum4(v, 20, len, 0x0a000001, 0x0a000002, 6));
  return packet;
}

const mss = (n: number): number[] => [2, 4, n >> 8, n & 255];

test.each([
  ['larger', mss(1_460), mss(1_400)],
  ['as large', mss(1_400), mss(1_400)],
  ['smaller', mss(536), mss(536)],
  ['at an odd place', [1, ...mss(1_460), 3, 3, 7], [1, ...mss(1_400), 3, 3, 7]],
  ['behind others', [3, 3, 7, 4, 2, ...mss(9_000)], [3, 3, 7, 4, 2, ...mss(1_400)]],
  ['twice', [...mss(1_460), ...mss(2_000)], [...mss(1_400), ...mss(1_400)]],
  ['behind the end of the list', [0, 0, 0, 0, ...mss(1_460)], [0, 0, 0, 0, ...mss(1_460)]],
  ['of another length', [2, 5, 5, 0xb4, 0], [2, 5, 5, 0xb4, 0]],
  ['behind an option that is too long', [8, 40, ...mss(1_460)], [8, 40, ...mss(1_460)]],
  ['behind an option without a length', [8, 0, ...mss(1_460)], [8, 0, ...mss(1_460)]],
])('an MSS option that is %s', (_, before, after) => {
  const bench = tcpmss();
  expect(bench.send('a', segment(before))).toBe(0);
  expect(bench.frames('b')).toEqual([segment(after)]);
});

test('the checksum stays right, whatever it was', () => {
  const bench = tcpmss();
  fc.assert(fc.property(fc.integer({ min: 1_401, max: 65_535 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 40 }), (size, nops, payload) => {
    const options = (n: number): number[] => [...new Array<number>(nops).fill(1), ...mss(n)];
    bench.send('a', segment(options(size), TH_SYN | TH_ACK, payload));
    expect(bench.frames('b')).toEqual([segment(options(1_400), TH_SYN | TH_ACK, payload)]);
  }), { seed: 5, numRuns: 200 });
});

test('a checksum that is left for later stays as it is', () => {
  const bench = tcpmss();
  bench.rmhook('.', 'a');
  const probe = bench.probe(['p', 't', 'p'], ['q', 't', 'q']);
  bench.ascii('t:', 'config { inHook="p" outHook="q" maxMSS=1400 }');
  const before = segment(mss(1_460));
  probe.send('p', before, (m) => Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 16 }));
  const [got] = probe.take();
  expect([...got!.bytes.subarray(36, 38)]).toEqual([...before.subarray(36, 38)]);
  expect([...got!.bytes.subarray(40)]).toEqual(mss(1_400));
});

test('counts, and passes everything else', () => {
  const bench = tcpmss();
  const udp = segment(mss(1_460));
  udp[9] = 17;
  const six = Uint8Array.of(0x60, ...new Uint8Array(60));
  const shortHeader = segment(mss(1_460));
  shortHeader[32] = 0x40;
  const longHeader = segment(mss(1_460));
  longHeader[32] = 0xf0;
  for (const packet of [segment(mss(1_460)), segment(mss(500)), segment([]), segment(mss(1_460), TH_ACK), udp, new Uint8Array(19), segment([]).subarray(0, 39)]) {
    expect(bench.send('a', packet)).toBe(0);
  }
  expect(bench.counts('b')).toEqual([7]);
  for (const packet of [six, shortHeader, longHeader]) expect(bench.send('a', packet)).toBe(EINVAL);
  expect(bench.ascii('t:', 'getstats "a"')).toBe('{ Octets=423 Packets=10 maxMSS=1400 SYNPkts=2 FixedPkts=1 }');
  expect(bench.send('b', segment([]))).toBe(0);
  expect(bench.counts('a', 'b')).toEqual([0, 0]);
});

test('its commands', () => {
  const bench = tcpmss();
  bench.send('a', segment(mss(1_460)));
  expect(bench.ascii('t:', 'getclrstats "a"')).toBe('{ Octets=44 Packets=1 maxMSS=1400 SYNPkts=1 FixedPkts=1 }');
  expect(bench.ascii('t:', 'getstats "a"')).toBe('{}');
  bench.send('a', segment(mss(1_460)));
  expect(bench.frames('b').at(-1)).toEqual(segment(mss(1_460)));
  bench.ascii('t:', 'clrstats "a"');
  expect(bench.asciiError('t:', 'getstats "x"')).toBe(ENOENT);
  expect(bench.asciiError('t:', 'config { inHook="a" outHook="x" }')).toBe(ENOENT);
  expect(bench.asciiError('t:', 'config { inHook="x" outHook="a" }')).toBe(ENOENT);
  bench.rmhook('.', 'b');
  expect(bench.send('a', segment([]))).toBe(0);
  expect(bench.ascii('t:', 'getstats "a"')).toBe('{}');
});
