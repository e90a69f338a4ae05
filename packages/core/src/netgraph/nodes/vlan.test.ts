/**
 * vlan.test.ts — ng_vlan: which frame goes where, and with which tags.
 */
import { expect, test } from 'vitest';
import { EEXIST, EINVAL, ENETDOWN, ENOENT, EOPNOTSUPP } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';

const HOOKS = ['down', 'no', 'v10', 'v20', 'loose'] as const;

function vlanNode(): NgBench {
  const bench = new NgBench();
  bench.mkpeer('.', 'vlan', 'down', 'downstream');
  bench.name('down', 'v');
  bench.connect('.', 'v:', 'no', 'nomatch');
  for (const hook of ['v10', 'v20', 'loose']) bench.connect('.', 'v:', hook, hook);
  bench.ascii('v:', 'addfilter { hook="v10" vlan=10 }');
  bench.ascii('v:', 'addfilter { hook="v20" vid=20 pcp=5 cfi=1 }');
  return bench;
}

/** A frame with these tags, each [type, tag control information], in its bytes. */
function tagged(...tags: readonly (readonly [number, number])[]): Uint8Array {
  const plain = testFrame(1, 2);
  const words = tags.flatMap(([type, tci]) => [type >> 8, type & 255, tci >> 8, tci & 255]);
  return Uint8Array.of(...plain.subarray(0, 12), ...words, ...plain.subarray(12));
}

test('sends a tagged frame out of the hook of its VLAN without the tag, and all others out of nomatch as they are', () => {
  const bench = vlanNode();
  bench.send('down', tagged([0x8100, 10]));
  bench.send('down', tagged([0x8100, 20]));
  bench.send('down', tagged([0x8100, 30]));
  bench.send('down', tagged([0x88a8, 10]));
  bench.send('down', testFrame(1, 2));
  expect(bench.frames('v10')).toEqual([testFrame(1, 2)]);
  expect(bench.frames('v20')).toEqual([testFrame(1, 2)]);
  expect(bench.frames('no')).toEqual([tagged([0x8100, 30]), tagged([0x88a8, 10]), testFrame(1, 2)]);
});

test('puts the tag of the hook on what comes in there, and nothing on what comes in by nomatch', () => {
  const bench = vlanNode();
  bench.send('v10', testFrame(1, 2));
  bench.send('v20', testFrame(1, 2));
  bench.send('v20', tagged([0x8100, 7]));
  bench.send('no', testFrame(1, 2));
  expect(bench.frames('down')).toEqual([tagged([0x8100, 10]), tagged([0x8100, 0xb014]), tagged([0x8100, 0xb014], [0x8100, 7]), testFrame(1, 2)]);
});

test('says what it cannot send', () => {
  const bench = vlanNode();
  expect(bench.send('loose', testFrame(1, 2))).toBe(EOPNOTSUPP);
  expect(bench.send('v10', new Uint8Array(13))).toBe(EINVAL);
  expect(bench.send('down', tagged([0x8100, 10]).subarray(0, 17))).toBe(EINVAL);
  bench.rmhook('.', 'no');
  expect(bench.send('down', testFrame(1, 2))).toBe(ENETDOWN);
  bench.rmhook('.', 'down');
  expect(bench.send('v10', testFrame(1, 2))).toBe(ENETDOWN);
  expect(bench.counts(...HOOKS)).toEqual([0, 0, 0, 0, 0]);
});

test('knows a tag beside the frame as one in it, and only of the type that is asked for', () => {
  const bench = vlanNode();
  bench.rmhook('.', 'down');
  const probe = bench.probe(['p', 'v', 'downstream']);
  const beside = (vproto: number, vtag: number) => probe.send('p', testFrame(1, 2), (m) => Object.assign(m, { flags: M_VLANTAG, vproto, vtag }));
  beside(0x8100, 10);
  beside(0x88a8, 10);
  beside(0x8100, 4000);
  expect(bench.frames('v10')).toEqual([testFrame(1, 2)]);
  expect(bench.frames('no')).toEqual([tagged([0x88a8, 10]), tagged([0x8100, 4000])]);
});

test('keeps the order of tags when a frame has one beside it already', () => {
  const bench = vlanNode();
  bench.rmhook('.', 'v20');
  const probe = bench.probe(['p', 'v', 'x']);
  bench.ascii('v:', 'addfilter { hook="x" vlan=100 }');
  probe.send('p', testFrame(1, 2), (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 7 }));
  expect(bench.frames('down')).toEqual([tagged([0x8100, 100], [0x8100, 7])]);
  bench.ascii('v:', 'setencap 0');
  probe.send('p', testFrame(1, 2), (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 7 }));
  expect(bench.frames('down')).toEqual([tagged([0x8100, 100], [0x8100, 7])]);
});

test('puts tags where encap and decap say', () => {
  const bench = vlanNode();
  for (const hook of ['down', 'no', 'v10']) bench.rmhook('.', hook);
  const probe = bench.probe(['down', 'v', 'downstream'], ['no', 'v', 'nomatch'], ['v10', 'v', 'v10']);
  bench.ascii('v:', 'addfilter { hook="v10" vlan=10 }');
  const place = () => probe.take().map(({ hook, flags, vproto, vtag, bytes }) => [hook, (flags & M_VLANTAG) === 0 ? null : [vproto, vtag], bytes]);

  probe.send('v10', testFrame(1, 2));
  bench.ascii('v:', 'setencap 2');
  probe.send('v10', testFrame(1, 2));
  probe.send('no', testFrame(1, 2), (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 9 }));
  expect(place()).toEqual([
    ['down', null, tagged([0x8100, 10])],
    ['down', [0x8100, 10], testFrame(1, 2)],
    ['down', null, tagged([0x8100, 9])],
  ]);

  probe.send('down', tagged([0x8100, 30]));
  bench.ascii('v:', 'setdecap 1');
  probe.send('down', tagged([0x8100, 30]));
  expect(place()).toEqual([['no', null, tagged([0x8100, 30])], ['no', [0x8100, 30], testFrame(1, 2)]]);
});

test('two of them make Q-in-Q', () => {
  const bench = new NgBench();
  bench.mkpeer('.', 'vlan', 'wire', 'downstream');
  bench.name('wire', 'outer');
  bench.ascii('outer:', 'setencapproto 0x88a8');
  bench.mkpeer('outer:', 'vlan', 's200', 'downstream');
  bench.name('outer:s200', 'inner');
  bench.connect('.', 'inner:', 'customer', 'c10');
  bench.ascii('outer:', 'addfilter { hook="s200" vlan=200 }');
  bench.ascii('inner:', 'addfilter { hook="c10" vlan=10 }');
  bench.send('customer', testFrame(1, 2));
  expect(bench.frames('wire')).toEqual([tagged([0x88a8, 200], [0x8100, 10])]);
  bench.send('wire', tagged([0x88a8, 200], [0x8100, 10]));
  expect(bench.frames('customer')).toEqual([testFrame(1, 2)]);
});

test('tells the hooks of VLANs when the link goes up or down', () => {
  const bench = vlanNode();
  const probe = bench.probe(['x', 'v', 'x']);
  bench.ascii('v:', 'addfilter { hook="x" vlan=100 }');
  const other = bench.probe();
  bench.rmhook('.', 'down');
  expect(other.join('d', 'v', 'downstream')).toBe(0);
  other.sendMsg('d', new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd: NGM_LINK_IS_DOWN }));
  expect(probe.messages.map(({ typecookie, cmd }) => [typecookie, cmd])).toEqual([[NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN]]);
  probe.sendMsg('x', new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd: NGM_LINK_IS_DOWN }));
  expect(other.messages).toEqual([]);
});

test('its commands', () => {
  const bench = vlanNode();
  expect(bench.ascii('v:', 'gettable')).toBe('{ n=2 filter=[ { hook="v10" vlan=10 vid=10 } { hook="v20" vlan=20 vid=20 pcp=5 cfi=1 } ] }');
  expect(bench.ascii('v:', 'getdecap')).toBe('0x0');
  expect(bench.ascii('v:', 'getencap')).toBe('0x1');
  expect(bench.ascii('v:', 'getencapproto')).toBe('0x8100');
  bench.ascii('v:', 'setdecap 0x7');
  bench.ascii('v:', 'setencap 3');
  bench.ascii('v:', 'setencapproto 0x88a8');
  expect([bench.ascii('v:', 'getdecap'), bench.ascii('v:', 'getencap'), bench.ascii('v:', 'getencapproto')]).toEqual(['0x7', '0x3', '0x88a8']);
  bench.ascii('v:', 'delfilter "v10"');
  bench.ascii('v:', 'delvidflt 20');
  expect(bench.ascii('v:', 'gettable')).toBe('{}');
  bench.ascii('v:', 'addfilter { hook="v10" }');
  expect(bench.ascii('v:', 'gettable')).toBe('{ n=1 filter=[ { hook="v10" } ] }');
});

test.each([
  ['addfilter { hook="loose" vlan=4096 }', EINVAL],
  ['addfilter { hook="loose" vlan=30 pcp=8 }', EINVAL],
  ['addfilter { hook="loose" vlan=30 cfi=2 }', EINVAL],
  ['addfilter { hook="loose" vlan=30 vid=31 }', EINVAL],
  ['addfilter { hook="downstream" vlan=30 }', EINVAL],
  ['addfilter { hook="nomatch" vlan=30 }', EINVAL],
  ['addfilter { hook="nobody" vlan=30 }', ENOENT],
  ['addfilter { hook="v10" vlan=30 }', EEXIST],
  ['addfilter { hook="loose" vlan=10 }', EEXIST],
  ['delfilter "nobody"', ENOENT],
  ['delfilter "loose"', ENOENT],
  ['delvidflt 30', ENOENT],
  ['delvidflt 4096', EINVAL],
])('%s: %i', (command, errno) => {
  expect(vlanNode().asciiError('v:', command)).toBe(errno);
});

test('forgets the filter of a hook that goes, and goes with its last hook', () => {
  const bench = vlanNode();
  bench.rmhook('.', 'v10');
  expect(bench.ascii('v:', 'gettable')).toBe('{ n=1 filter=[ { hook="v20" vlan=20 vid=20 pcp=5 cfi=1 } ] }');
  for (const hook of ['down', 'no', 'v20', 'loose']) bench.rmhook('.', hook);
  expect(bench.base.byName('v')).toBeNull();
});
