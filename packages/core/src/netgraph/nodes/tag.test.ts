/**
 * tag.test.ts — ng_tag: which packets have which tags, and where they go.
 */
import { expect, test } from 'vitest';
import { EINVAL, ENOENT } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import type { NgProbe } from '../../sim/ng-probe.js';

const COOKIE = 1_148_380_143;

function tagNode(): { readonly bench: NgBench; readonly probe: NgProbe } {
  const bench = new NgBench();
  bench.mkpeer('.', 'tag', 'x', 'x');
  bench.name('x', 't');
  return { bench, probe: bench.probe(['a', 't', 'a'], ['yes', 't', 'yes'], ['no', 't', 'no']) };
}

const withTag = (id: number, ...data: number[]) => (m: PacketBuffer): void => m.addTag(COOKIE, id, data.length)?.data.set(data);

test('sends packets by the tag they have, and takes it off', () => {
  const { bench, probe } = tagNode();
  bench.ascii('t:', `sethookin { thisHook="a" ifMatch="yes" ifNotMatch="no" tag_cookie=${COOKIE} tag_id=7 }`);
  const sent = (prepare?: (m: PacketBuffer) => void) => {
    probe.send('a', testFrame(1, 2), prepare);
    return probe.take().map(({ hook, tags }) => [hook, tags.map(([, id]) => id)]);
  };
  expect(sent()).toEqual([['no', []]]);
  expect(sent(withTag(7))).toEqual([['yes', [7]]]);
  expect(sent(withTag(8))).toEqual([['no', [8]]]);
  expect(sent((m) => [7, 8].forEach((id) => withTag(id)(m)))).toEqual([['yes', [8, 7]]]);
  bench.ascii('t:', `sethookin { thisHook="a" ifMatch="yes" ifNotMatch="no" strip=1 tag_cookie=${COOKIE} tag_id=7 }`);
  expect(sent((m) => [7, 8, 7].forEach((id) => withTag(id)(m)))).toEqual([['yes', [8, 7]]]);
  expect(bench.kernel.engine.pool.tags.inUse).toBe(0);
});

test('a tag has to begin with the data that is asked for', () => {
  const { bench, probe } = tagNode();
  bench.ascii('t:', `sethookin { thisHook="a" ifMatch="yes" ifNotMatch="no" tag_cookie=${COOKIE} tag_id=7 tag_len=2 tag_data=[ 1 2 ] }`);
  for (const data of [[1, 2], [1, 2, 3], [1], [1, 3]]) probe.send('a', testFrame(1, 2), withTag(7, ...data));
  expect(probe.take().map(({ hook }) => hook)).toEqual(['yes', 'yes', 'no', 'no']);
});

test('puts a tag on what goes out by a hook', () => {
  const { bench, probe } = tagNode();
  bench.ascii('t:', 'sethookin { thisHook="a" ifNotMatch="no" }');
  bench.ascii('t:', `sethookout { thisHook="no" tag_cookie=${COOKIE} tag_id=9 tag_len=3 tag_data="abc" }`);
  let data: number[] = [];
  probe.onData = (m) => (data = [...(m.tags?.data.subarray(0, m.tags.len) ?? [])]);
  probe.send('a', testFrame(1, 2), withTag(7));
  expect(probe.take()).toMatchObject([{ hook: 'no', tags: [[COOKIE, 9], [COOKIE, 7]] }]);
  expect(data).toEqual([97, 98, 99]);
  expect(bench.kernel.engine.pool.tags.inUse).toBe(0);
});

test('without a hook to go to, a packet ends', () => {
  const { bench, probe } = tagNode();
  expect(probe.send('a', testFrame(1, 2))).toBe(0);
  bench.ascii('t:', 'sethookin { thisHook="a" ifNotMatch="no" }');
  bench.inside(() => bench.base.rmhook(probe.node.findHook('no')!));
  probe.send('a', testFrame(1, 2));
  bench.ascii('t:', 'sethookin { thisHook="a" ifNotMatch="later" }');
  probe.join('later', 't', 'later');
  probe.send('a', testFrame(1, 2));
  expect(probe.take()).toEqual([]);
  expect(bench.kernel.engine.pool.inUse).toBe(0);
});

test('its commands', () => {
  const { bench } = tagNode();
  expect(bench.ascii('t:', 'gethookin "a"')).toBe('{ thisHook="a" }');
  expect(bench.ascii('t:', 'gethookout "a"')).toBe('{ thisHook="a" }');
  const hookin = `{ thisHook="a" ifMatch="yes" ifNotMatch="gone" strip=1 tag_cookie=${COOKIE} tag_id=7 tag_len=5 tag_data=[ 0x1 3=0xff ] }`;
  bench.ascii('t:', `sethookin ${hookin}`);
  expect(bench.ascii('t:', 'gethookin "a"')).toBe(hookin);
  const hookout = `{ thisHook="a" tag_cookie=${COOKIE} tag_id=7 tag_len=1 tag_data=[ 0x9 ] }`;
  bench.ascii('t:', `sethookout ${hookout}`);
  expect(bench.ascii('t:', 'gethookout "a"')).toBe(hookout);
  for (const command of ['sethookin { thisHook="z" }', 'sethookout { thisHook="z" }', 'gethookin "z"', 'gethookout "z"']) {
    expect(bench.asciiError('t:', command)).toBe(ENOENT);
  }
  const binary = (cmd: number, args: Uint8Array) => bench.inside(() => bench.socket.sendMsg('t:', { typecookie: 1_149_771_193, cmd }, args));
  expect([binary(1, new Uint8Array(107)), binary(3, new Uint8Array(39)), binary(2, new Uint8Array(0)), binary(5, new Uint8Array(0))]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
});
