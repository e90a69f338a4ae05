/**
 * ng-structure.test.ts — nodes, names, numbers, addresses; what may be joined; who goes when; and that vnets have graphs of their own.
 */
import { describe, expect, test } from 'vitest';
import { EADDRINUSE, EEXIST, EINVAL, ELOOP, ENETDOWN, ENOENT, EPFNOSUPPORT } from '../base/errno.js';
import { NgBench, testFrame } from '../sim/ng-bench.js';
import { SimNet } from '../sim/sim-net.js';
import { NGM_GENERIC_COOKIE, NGM_MKPEER, ngMkpeerType } from './ng-generic.js';
import { ngEncode } from './ng-parse.js';
import { ngDecodeIdname, ngNameIsLegal, ngPathParse } from './ng-path.js';

describe('addresses', () => {
  test.each([
    ['.', { node: '', hooks: [] }], ['.:', { node: '.', hooks: [] }], ['a:', { node: 'a', hooks: [] }], ['[1f]:', { node: '[1f]', hooks: [] }], ['a:b', { node: 'a', hooks: ['b'] }],
    ['a:b.c', { node: 'a', hooks: ['b', 'c'] }], ['b.c', { node: '', hooks: ['b', 'c'] }], ['.b', { node: '', hooks: ['b'] }], ['a:.b.', { node: 'a', hooks: ['b'] }], ['test hub:', { node: 'test hub', hooks: [] }],
    [':x', null], [':', null], ['a.b:', null], ['..:', null], ['a:b:c', null], ['a:b..c', null], ['a..b', null],
  ])('%s', (address, wanted) => {
    expect(ngPathParse(address)).toEqual(wanted);
  });

  test.each([['[1]', 1], ['[fF]', 255], ['[0x1f]', 31], ['[0]', 0], ['[]', 0], ['[1', 0], ['1]', 0], ['[g]', 0], ['[ 1]', 0], ['[1 ]', 0], ['[ffffffff]', 0], ['[fffffffe]', 0xffff_fffe]])('%s is number %i', (name, id) => {
    expect(ngDecodeIdname(name)).toBe(id);
  });

  test.each([['a', true], ['test hub', true], ['x'.repeat(31), true], ['[g]', true], ['[0]', true], ['', false], ['x'.repeat(32), false], ['a.b', false], ['a:b', false], ['[1f]', false]])('"%s" as a name: %s', (name, legal) => {
    expect(ngNameIsLegal(name)).toBe(legal);
  });

  test('lead somewhere, or say why not', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'tee', 'a', 'left');
    bench.name('a', 't');
    bench.mkpeer('t:', 'hub', 'right', 'x');
    const to = (path: string): number => bench.asciiError(path, 'nodeinfo');
    const id = bench.base.byName('t')!.id.toString(16);
    expect(['.', '.:', 'a', '.:a', 't:', `[${id}]:`, 't:right', 'a.right', '.a.right.x', 't:left.a'].map(to)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(['nobody:', '[99]:', 'b', 't:up', 'a.up'].map(to)).toEqual([ENOENT, ENOENT, ENOENT, ENOENT, ENOENT]);
    expect([':a', 'a..right', 't.x:', 'x'.repeat(32)].map(to)).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
  });
});

describe('nodes', () => {
  test('numbers ascend, and are listed by chains that grow', () => {
    const bench = new NgBench();
    const first = bench.socket.node.id;
    for (let i = 0; i < 20; i++) bench.mkpeer('.', 'hub', `h${i}`, 'x');
    expect(bench.base.nodes().map((node) => node.id)).toEqual(Array.from({ length: 21 }, (_, i) => first + i));
    bench.rmhook('.', 'h3');
    bench.mkpeer('.', 'hub', 'again', 'x');
    expect(bench.base.nodes().map((node) => node.id)).not.toContain(first + 4);
    expect(bench.base.nodes().at(-1)!.id).toBe(first + 21);
  });

  test('named ones are listed by what their names hash to, hooks newest first', () => {
    const bench = new NgBench();
    ['a', 'b', 'c', 'd'].forEach((name) => {
      bench.mkpeer('.', 'hub', name, 'x');
      bench.name(name, name);
    });
    // 5381 * 33 + the letter, in sixteen chains.
    expect(bench.base.namedNodes().map((node) => node.name)).toEqual(['a', 'b', 'c', 'd'].sort((x, y) => ((5_381 * 33 + x.charCodeAt(0)) % 16) - ((5_381 * 33 + y.charCodeAt(0)) % 16)));
    expect([...bench.ascii('.', 'listhooks').matchAll(/ourhook="(\w)"/g)].map(([, hook]) => hook)).toEqual(['d', 'c', 'b', 'a']);
  });

  test('names', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'x');
    expect([bench.name('a', 'one'), bench.name('a', 'one'), bench.name('a', 'two'), bench.name('.', 'one'), bench.name('.', 'two')]).toEqual([0, 0, 0, 0, EADDRINUSE]);
    expect([bench.name('a', ''), bench.name('a', 'x.y'), bench.name('a', 'x:y'), bench.name('a', '[1f]')]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
    bench.shutdown('two:');
    expect([bench.base.byName('two'), bench.name('.', 'two')]).toEqual([null, 0]);
  });

  test('the answer of a node that is described', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'tee', 'a', 'left');
    bench.name('a', 't');
    expect(bench.ascii('t:', 'nodeinfo')).toMatch(/^\{ name="t" type="tee" id=0x[0-9a-f]+ hooks=1 \}$/);
    expect(bench.ascii('t:', 'listhooks')).toMatch(/^\{ nodeinfo=\{ name="t" .* \} linkinfo=\[ \{ ourhook="left" peerhook="a" nodeinfo=\{ type="socket" .* hooks=1 \} \} \] \}$/);
    expect(bench.ascii('t:', 'listtypes')).toContain('{ typename="tee" numnodes=1 }');
  });
});

describe('joining', () => {
  test('what mkpeer answers, and that nothing is left of what it refuses', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'x');
    const before = bench.base.nodeTotal;
    expect(bench.mkpeer('.', 'nothing', 'b', 'x')).toBe(ENOENT);
    expect([bench.mkpeer('.', 'socket', 'b', 'x'), bench.mkpeer('.', 'ether', 'b', 'lower')]).toEqual([EINVAL, EINVAL]);
    expect(bench.mkpeer('.', 'hub', 'a', 'x')).toBe(EEXIST);
    expect([bench.mkpeer('.', 'tee', 'b', 'up'), bench.mkpeer('.', 'bridge', 'b', 'link01'), bench.mkpeer('.', 'eiface', 'b', 'up')]).toEqual([EINVAL, EINVAL, EPFNOSUPPORT]);
    expect([bench.mkpeer('.', 'hub', '', 'x'), bench.mkpeer('.', 'hub', 'b', '')]).toEqual([EINVAL, EINVAL]);
    expect([bench.base.nodeTotal, bench.socket.node.hooks.length]).toEqual([before, 1]);
    expect(bench.kernel.vnet0.net.ifnets.map((ifp) => ifp.xname)).toEqual(['lo0']);
  });

  test('what connect answers', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'tee', 'a', 'left');
    bench.name('a', 't');
    bench.mkpeer('.', 'bridge', 'b', 'link0');
    bench.name('b', 'br');
    expect(bench.connect('.', 'nobody:', 'c', 'x')).toBe(ENOENT);
    expect(bench.connect('.', ':t', 'c', 'x')).toBe(EINVAL);
    expect(bench.connect('.', 't:', 'c', 'left')).toBe(EEXIST);
    expect(bench.connect('.', 't:', 'a', 'right')).toBe(EEXIST);
    expect(bench.connect('t:', '.:b', 'up', 'x')).toBe(ENOENT);
    expect(bench.connect('t:', 'br:', 'up', 'link1')).toBe(EINVAL);
    expect(bench.connect('.', 't:', 'c', 'up')).toBe(EINVAL);
    expect(bench.connect('br:', 'br:', 'link1', 'link2')).toBe(ELOOP);
    expect(bench.socket.node.hooks.map((h) => h.name)).toEqual(['b', 'a']);
    const long = 'h'.repeat(40);
    bench.mkpeer('.', 'hub', long, 'x');
    expect(bench.connect('.', 't:', long, 'right')).toBe(EEXIST);
    expect(bench.socket.node.findHook('h'.repeat(31))).not.toBeNull();
    bench.inside(() => bench.socket.sendMsg('.', { typecookie: NGM_GENERIC_COOKIE, cmd: NGM_MKPEER }, ngEncode(ngMkpeerType, { type: 'eiface', ourhook: 'e', peerhook: 'ether' })));
    expect(bench.connect('.', 'ngeth0:', 'f', 'ether')).toBe(EEXIST);
  });

  test('structures of another length are refused', () => {
    const bench = new NgBench();
    for (const cmd of [2, 3, 4, 5]) for (const length of [0, 1, 31, 700]) {
      expect(bench.inside(() => bench.socket.sendMsg('.', { typecookie: NGM_GENERIC_COOKIE, cmd }, new Uint8Array(length)))).toBe(EINVAL);
    }
  });

  test('a hook that is not there may be removed; data to nobody is refused', () => {
    const bench = new NgBench();
    expect(bench.rmhook('.', 'nothing')).toBe(0);
    bench.mkpeer('.', 'tee', 'a', 'left');
    bench.name('a', 't');
    const probe = bench.probe(['r', 't', 'right']);
    bench.inside(() => bench.base.rmhook(probe.node.findHook('r')!));
    expect(probe.send('r', testFrame(1, 2))).toBe(ENETDOWN);
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });
});

describe('going', () => {
  test('what has only hooks to live for goes with its last, and takes others along', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'x');
    bench.name('a', 'h1');
    bench.mkpeer('h1:', 'tee', 'y', 'left');
    bench.mkpeer('h1:', 'hub', 'z', 'x');
    bench.rmhook('.', 'a');
    expect(bench.base.byName('h1')).not.toBeNull();
    bench.shutdown('h1:');
    expect(bench.base.nodes().map((node) => node.type.name)).toEqual(['socket']);
  });

  test('a tee joins its neighbours', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'tee', 'a', 'left');
    bench.name('a', 't');
    bench.connect('.', 't:', 'b', 'right');
    bench.shutdown('t:');
    bench.send('a', testFrame(1, 2));
    expect(bench.counts('a', 'b')).toEqual([0, 1]);
  });

  /** Each type with a hook that it takes, but for those that are made otherwise. */
  const HOOK_OF: Record<string, string> = {
    bridge: 'link0', car: 'upper', checksum: 'in', device: 'd', eiface: 'ether', iface: 'inet', ksocket: 'inet/dgram/udp', macfilter: 'ether', nat: 'in', netflow: 'iface0', one2many: 'one', patch: 'in', pipe: 'upper', plug: 'in',
    sample: 'left', source: 'input', split: 'in', tee: 'left', vlan: 'downstream', vlan_rotate: 'original',
  };

  test('a vnet that ends takes down nodes of every type, and nothing is left', () => {
    const sim = new SimNet(8);
    const vnet = sim.vnet('v');
    const [end] = sim.epair(vnet, vnet);
    const bench = new NgBench(8, { kernel: sim.kernel, vnet });
    const made = vnet.netgraph.types.filter((type) => type.construct !== null).filter((type) => bench.mkpeer('.', type.name, type.name, HOOK_OF[type.name] ?? 'x') === 0);
    expect(made.length).toBe(vnet.netgraph.types.filter((type) => type.construct !== null).length);
    bench.mkpeer(`${end.xname}:`, 'bridge', 'lower', 'link0');
    for (let i = 0; i < 3; i++) for (const type of made) bench.send(type.name, testFrame('broadcast', i));
    bench.ascii('.:source', 'setpps 1000');
    bench.inside(() => bench.socket.sendAscii('.:source', 'start 1000'));
    sim.run(5_000);
    sim.kernel.call(sim.now, () => sim.kernel.jailRemove(sim.kernel.prisons.prison0.children.find((p) => p.name === 'v')!));
    sim.run(1_000_000);
    const audit = sim.kernel.audit();
    expect(audit.leaks).toEqual([]);
    expect(audit.unaccounted).toEqual({ packets: 0, timers: 0, interfaces: 0, deferred: 0 });
  });

  test('vnets know nothing of each other’s nodes', () => {
    const sim = new SimNet(9);
    const [one, two] = ['one', 'two'].map((name) => new NgBench(9, { kernel: sim.kernel, vnet: sim.vnet(name) }));
    for (const bench of [one!, two!]) {
      bench.mkpeer('.', 'hub', 'a', 'x');
      expect(bench.name('a', 'hub')).toBe(0);
      bench.mkpeer('.', 'eiface', 'e', 'ether');
    }
    expect(one!.base.byName('hub')!.id).toBe(two!.base.byName('hub')!.id);
    one!.connect('.', 'hub:', 'b', 'y');
    one!.send('a', testFrame(1, 2));
    expect([one!.counts('b'), two!.counts('a', 'b')]).toEqual([[1], [0, 0]]);
    one!.shutdown('hub:');
    expect([one!.base.byName('hub'), two!.base.byName('hub')?.name]).toEqual([null, 'hub']);
    expect(two!.ascii('.', 'listtypes')).toContain('{ typename="hub" numnodes=1 }');
  });
});
