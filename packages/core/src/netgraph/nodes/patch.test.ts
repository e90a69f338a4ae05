/**
 * patch.test.ts — ng_patch: what is done to which bytes.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL } from '../../base/errno.js';
import { CSUM_L4, CSUM_L4_VALID, M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { craftTcp, craftUdp } from '../../sim/craft.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { NgBench } from '../../sim/ng-bench.js';
import type { NgProbe } from '../../sim/ng-probe.js';
import { TH_ACK } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
const IP = { src: '10.0.0.1', dst: '10.0.0.2' };
const TEXT = Uint8Array.of(1, 2, 3, 4, 5);

function patch(config: string, dlt = 12): { readonly bench: NgBench; readonly probe: NgProbe } {
  const bench = new NgBench();
  bench.mkpeer('.', 'patch', 'x', 'in');
  bench.name('x', 'p');
  const probe = bench.probe(['out', 'p', 'out']);
  bench.rmhook('.', 'x');
  probe.join('in', 'p', 'in');
  bench.ascii('p:', `setdlt ${dlt}`);
  if (config !== '') bench.ascii('p:', `setconfig { ${config} }`);
  return { bench, probe };
}

describe('an operation', () => {
  const SET = 1, ADD = 2, SUB = 3, MUL = 4, DIV = 5, NEG = 6, AND = 7, OR = 8, XOR = 9, SHL = 10, SHR = 11;
  test.each([
    [SET, 1, '0x1ff', '5012345678abcdef', 'ff12345678abcdef'],
    [SET, 2, '0x1ffff', '5012345678abcdef', 'ffff345678abcdef'],
    [ADD, 1, '0xff', '50', '4f'],
    [ADD, 2, '0xf000', '5012345678abcdef', '4012345678abcdef'],
    [ADD, 4, '0xffffffff', '00000000', 'ffffffff'],
    [ADD, 8, '0x7fffffffffffffff', '5012345678abcdef', 'd012345678abcdee'],
    [SUB, 1, '0x51', '50', 'ff'],
    [SUB, 4, '1', '00000000', 'ffffffff'],
    [SUB, 8, '1', '0000000000000000', 'ffffffffffffffff'],
    [MUL, 2, '0x101', '0203', '0503'],
    [MUL, 4, '0xffffffff', '5012ffff', 'afed0001'],
    [MUL, 8, '3', 'ffffffffffffffff', 'fffffffffffffffd'],
    [DIV, 1, '16', 'ff', '0f'],
    [DIV, 4, '16', 'ffffffff', '0fffffff'],
    [DIV, 8, '16', 'fffffffffffffff0', '0fffffffffffffff'],
    [NEG, 1, '0', '01', 'ff'],
    [NEG, 4, '0', '00000001', 'ffffffff'],
    [NEG, 8, '0', '0000000000000001', 'ffffffffffffffff'],
    [AND, 2, '0x0ff0', 'abcd', '0bc0'],
    [AND, 8, '0x0ff0', 'ffffffffffffffff', '0000000000000ff0'],
    [OR, 4, '0x80000001', '00000100', '80000101'],
    [XOR, 4, '0xffffffff', '12345678', 'edcba987'],
    [XOR, 8, '1', '0000000000000000', '0000000000000001'],
    [OR, 8, '1', '0000000000000000', '0000000000000001'],
    [SHL, 1, '4', 'ab', 'b0'],
    [SHL, 4, '32', 'ffffffff', '00000000'],
    [SHL, 8, '60', 'ffffffffffffffff', 'f000000000000000'],
    [SHR, 4, '4', 'ffffffff', '0fffffff'],
    [SHR, 2, '33', 'ffff', '0000'],
    [SHR, 8, '60', 'ffffffffffffffff', '000000000000000f'],
    [99, 2, '7', 'abcd', 'abcd'],
  ])('mode %i, %i bytes, %s: %s becomes %s', (mode, length, value, was, is) => {
    const { probe, bench } = patch(`count=1 ops=[ { offset=2 length=${length} mode=${mode} value=${value} } ]`);
    probe.send('in', Uint8Array.of(1, 2, ...Buffer.from(was, 'hex'), 3));
    expect(Buffer.from(probe.take()[0]!.bytes).toString('hex')).toBe(`0102${is}03`);
    expect(bench.ascii('p:', 'getstats')).toBe('{ Received=1 Patched=1 }');
  });
});

test('an operation that would reach beyond the packet is left out', () => {
  const { probe, bench } = patch('count=3 ops=[ { offset=3 length=2 mode=1 value=7 } { offset=4294967295 length=1 mode=1 } { offset=3 length=1 mode=1 value=9 } ]');
  probe.send('in', Uint8Array.of(1, 2, 3, 4));
  expect(probe.take()[0]!.bytes).toEqual(Uint8Array.of(1, 2, 3, 9));
  probe.send('in', Uint8Array.of(1, 2, 3));
  expect(probe.take()[0]!.bytes).toEqual(Uint8Array.of(1, 2, 3));
  expect(bench.ascii('p:', 'getclrstats')).toBe('{ Received=2 Patched=1 }');
});

const udp = craftUdp(LINK, IP, 7, 8, TEXT);
/** The TTL of an IPv4 packet becomes 10, and its checksums are made right. */
const TTL = 'count=1 relative_offset=1 csum_flags=7 ops=[ { offset=8 length=1 mode=1 value=10 } ]';

test('offsets may be those behind the Ethernet header and its tags', () => {
  const { probe } = patch(TTL, 1);
  const tags = (f: Uint8Array): Uint8Array => Uint8Array.of(...f.subarray(0, 12), 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, ...f.subarray(12));
  const out = (f: Uint8Array, prepare?: Parameters<NgProbe['send']>[2]): Uint8Array => {
    probe.send('in', f, prepare);
    return probe.take()[0]!.bytes;
  };
  const wanted = craftUdp(LINK, { ...IP, ttl: 10 }, 7, 8, TEXT);
  expect(out(udp).subarray(0, 34)).toEqual(wanted.subarray(0, 34));
  expect(out(tags(udp)).subarray(0, 42)).toEqual(tags(wanted).subarray(0, 42));
  expect(out(udp.subarray(0, 13))).toEqual(udp.subarray(0, 13));
  expect(out(tags(udp).subarray(0, 20))).toEqual(tags(udp).subarray(0, 20));
});

test('absolute offsets are those on a wire, wherever a tag travels', () => {
  const { probe } = patch('count=1 ops=[ { offset=14 length=2 mode=7 value=0xf000 } ]', 1);
  probe.send('in', udp, (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 0xb014 }));
  expect(probe.take()).toMatchObject([{ flags: M_VLANTAG, vproto: 0x8100, vtag: 0xb000, bytes: udp }]);
  const { probe: other } = patch('count=1 ops=[ { offset=12 length=2 mode=1 value=0x1234 } ]', 1);
  other.send('in', udp, (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 5 }));
  expect(other.take()).toMatchObject([{ flags: 0, bytes: Uint8Array.of(...udp.subarray(0, 12), 0x12, 0x34, 0, 5, ...udp.subarray(12)) }]);
});

test('with csum_flags transport checksums are computed on the way out, and nobody vouches for the old ones', () => {
  const { probe, bench } = patch('count=1 csum_flags=7 ops=[ { offset=16 length=4 mode=1 value=0x0a000009 } ]');
  const raw = udp.slice(14);
  probe.send('in', raw, (m) => (m.csumFlags = CSUM_L4_VALID));
  const [got] = probe.take();
  expect(got).toMatchObject({ csumFlags: CSUM_L4, csumStart: 20, csumOffset: 6 });
  bench.mkpeer('.', 'checksum', 'c', 'in');
  bench.inside(() => bench.base.rmhook(probe.node.findHook('out')!));
  bench.connect('.', 'p:', 'out', 'out');
  probe.send('in', raw);
  expect(bench.frames('out')).toEqual([craftUdp(LINK, { ...IP, dst: '10.0.0.9' }, 7, 8, TEXT).slice(14)]);
});

test('changes each packet of a super-segment, with its checksum done', () => {
  const { probe, bench } = patch('count=1 ops=[ { offset=54 length=1 mode=2 value=1 } ]', 1);
  probe.sendPacket('in', craftSuperTcp(bench.kernel.engine.pool, LINK, IP, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(2_000).fill(7), 1_000));
  const got = probe.take();
  const second = craftTcp(LINK, { ...IP, id: 2 }, { sport: 1, dport: 2, flags: TH_ACK, seq: 1_001 }, new Uint8Array(1_000).fill(7));
  second[54] = 8;
  expect(got).toMatchObject([{ csumFlags: 0, gsoSize: 0 }, { csumFlags: 0, gsoSize: 0, bytes: second }]);
  expect(bench.ascii('p:', 'getstats')).toBe('{ Received=1 Patched=2 }');
});

test('out goes to in as it is; without out, in goes back; without a configuration nothing is changed', () => {
  const { probe, bench } = patch('');
  probe.send('in', udp);
  probe.send('out', udp);
  expect(probe.take()).toMatchObject([{ hook: 'out', bytes: udp }, { hook: 'in', bytes: udp }]);
  bench.inside(() => bench.base.rmhook(probe.node.findHook('out')!));
  probe.send('in', udp);
  expect(probe.take()).toMatchObject([{ hook: 'in' }]);
  expect(bench.ascii('p:', 'getconfig')).toBe('');
});

test('its commands', () => {
  const { bench } = patch('');
  const config = '{ count=2 csum_flags=7 relative_offset=1 ops=[ { offset=8 length=1 mode=2 value=255 } { offset=30 length=8 mode=1 value=9223372036854775807 } ] }';
  bench.ascii('p:', `setconfig ${config}`);
  expect(bench.ascii('p:', 'getconfig')).toBe(config);
  bench.ascii('p:', 'setconfig { count=1 csum_flags=0xffff relative_offset=9 ops=[ { length=1 mode=1 value=0x1ff } ] }');
  expect(bench.ascii('p:', 'getconfig')).toBe('{ count=1 csum_flags=3599 relative_offset=1 ops=[ { length=1 mode=1 value=255 } ] }');
  for (const op of ['length=3 mode=1', 'length=0 mode=1', 'length=4 mode=5', 'length=1 mode=5 value=256']) {
    expect(bench.asciiError('p:', `setconfig { count=1 ops=[ { ${op} } ] }`)).toBe(EINVAL);
  }
  expect(bench.ascii('p:', 'getdlt')).toBe('12');
  expect(bench.asciiError('p:', 'setdlt 0')).toBe(EINVAL);
  bench.ascii('p:', 'clrstats');
  expect(bench.ascii('p:', 'getstats')).toBe('{}');
});
