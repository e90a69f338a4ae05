/**
 * ng-upstream.test.ts — FreeBSD's own tests of netgraph, tests/sys/netgraph: basic.c, bridge.c, hub.c and socket.c, with their counters. Those of
 * vlan_rotate.c and of eiface_test.sh are with their nodes.
 */
import { describe, expect, test } from 'vitest';
import { EADDRINUSE, EEXIST, ELOOP, ENOBUFS } from '../base/errno.js';
import { NgBench } from '../sim/ng-bench.js';

const TEST = Uint8Array.of(0x74, 0x65, 0x73, 0x74, 0);
const HOOKS = 1_000;

describe('basic', () => {
  test('send_recv', () => {
    const bench = new NgBench();
    bench.connect('.', '.', 'a', 'b');
    bench.send('a', TEST);
    expect(bench.counts('b')).toEqual([1]);
  });

  test('node', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'a');
    expect(bench.name('a', 'test hub')).toBe(0);
    expect(bench.name('a', 'test hub')).toBe(0);
    bench.connect('.', 'test hub:', 'b', 'b');
    bench.connect('.', 'test hub:', 'c', 'c');
    bench.send('a', TEST);
    expect(bench.counts('a', 'b', 'c')).toEqual([0, 1, 1]);
    bench.rmhook('.', 'b');
    bench.send('a', TEST);
    expect(bench.counts('a', 'b', 'c')).toEqual([0, 0, 1]);
    expect(bench.shutdown('test hub:')).toBe(0);
  });

  test('message', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'a');
    bench.name('a', 'test hub');
    bench.ascii('test hub:', 'setpersistent');
    bench.rmhook('.', 'a');
    expect(bench.shutdown('test hub:')).toBe(0);
    expect(bench.base.byName('test hub')).toBeNull();
  });

  test('same_name', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'a');
    bench.name('a', 'test');
    expect(bench.connect('.', '.', 'a', 'b')).toBe(EEXIST);
    expect(bench.connect('.', '.', 'b', 'b')).toBe(EEXIST);
    expect(bench.name('.', 'test')).toBe(EADDRINUSE);
    expect(bench.shutdown('test:')).toBe(0);
  });

  test('queuelimit', () => {
    const bench = new NgBench();
    bench.connect('.', '.', 'a', 'b');
    let sent = 0;
    while (sent < HOOKS && bench.send('a', TEST) === 0) sent++;
    expect(sent).toBeGreaterThan(100);
    expect(sent).toBeLessThan(HOOKS);
    expect(bench.send('a', TEST)).toBe(ENOBUFS);
    expect(bench.counts('b')).toEqual([sent]);
  });
});

describe('socket', () => {
  test('getsockname', () => {
    const bench = new NgBench();
    const name = '0123456789012345678901234567891';
    expect(bench.open(name).node.name).toBe(name);
    expect(bench.base.byName(name)).not.toBeNull();
  });
});

/** The frames of bridge.c: both addresses are 2:4:6:0:0:0 but for what is told. */
function frame(src: Partial<Record<3 | 4 | 5, number>>, dst: Partial<Record<0 | 3 | 5, number>> | 'broadcast' = {}): Uint8Array {
  const bytes = new Uint8Array(98);
  bytes.set([2, 4, 6], 0);
  bytes.set([2, 4, 6], 6);
  if (dst === 'broadcast') bytes.fill(255, 0, 6);
  else for (const [at, value] of Object.entries(dst)) bytes[Number(at)] = value;
  for (const [at, value] of Object.entries(src)) bytes[6 + Number(at)] = value;
  bytes.set([8, 0, 0x45], 12);
  return bytes;
}

const hosts = (bench: NgBench): number => Number(/numHosts=(\d+)/.exec(bench.ascii('bridge:', 'gettable'))?.[1] ?? 0);

describe('bridge', () => {
  test('basic', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'bridge', 'a', 'link0');
    bench.name('a', 'bridge');
    bench.connect('.', 'bridge:', 'b', 'link1');
    bench.connect('.', 'bridge:', 'c', 'link2');
    const sent = (hook: string, src: number, dst = 0): number[] => {
      bench.send(hook, frame({ 5: src }, { 5: dst }));
      return bench.counts('a', 'b', 'c');
    };
    expect([sent('a', 1), sent('b', 2), sent('c', 3), sent('a', 1, 3)]).toEqual([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]]);
    expect(hosts(bench)).toBe(3);
    bench.rmhook('.', 'b');
    expect(sent('a', 1)).toEqual([0, 0, 1]);
    expect(hosts(bench)).toBe(2);
    expect(bench.shutdown('bridge:')).toBe(0);
  });

  test('persistence', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'bridge', 'a', 'link0');
    bench.name('a', 'bridge');
    bench.ascii('bridge:', 'setpersistent');
    bench.rmhook('.', 'a');
    expect(bench.shutdown('bridge:')).toBe(0);
  });

  test('loop', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'bridge', 'a', 'link0');
    bench.name('a', 'bridge1');
    bench.mkpeer('.', 'bridge', 'b', 'link1');
    bench.name('b', 'bridge2');
    bench.connect('bridge1:', 'bridge2:', 'link11', 'link11');
    expect(bench.send('a', frame({ 5: 1 }))).toBe(0);
    expect(bench.counts('a', 'b')).toEqual([0, 1]);
    bench.connect('bridge1:', 'bridge2:', 'link12', 'link12');
    expect([0, ELOOP]).toContain(bench.send('a', frame({ 5: 1 })));
    expect(bench.counts('a', 'b')).toEqual([0, 1]);
    expect([bench.shutdown('bridge1:'), bench.shutdown('bridge2:')]).toEqual([0, 0]);
  });

  test('many_unicasts', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'bridge', 'a', 'link0');
    bench.name('a', 'bridge');
    bench.send('a', frame({ 3: 255 }));
    expect(bench.counts('a')).toEqual([0]);
    for (let i = 1; i <= HOOKS; i++) {
      bench.connect('.', 'bridge:', `link${i}`, `link${i}`);
      expect(bench.send(`link${i}`, frame({ 4: i >> 8, 5: i & 255 }, { 3: 255 }))).toBe(0);
      expect(bench.counts('a', 'link1', `link${i}`, `link${i - 1}`)).toEqual([1, 0, 0, 0]);
    }
    // The answer is larger than what a socket keeps, and lost.
    expect(bench.ascii('bridge:', 'gettable')).toBe('');
    expect(bench.shutdown('bridge:')).toBe(0);
  });

  test('many_broadcasts', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'bridge', 'a', 'link0');
    bench.name('a', 'bridge');
    bench.send('a', frame({ 3: 255 }));
    let [first, others, i] = [0, 0, 1];
    for (; i <= HOOKS; i++) {
      bench.connect('.', 'bridge:', `link${i}`, `link${i}`);
      if (bench.send(`link${i}`, frame({ 4: i >> 8, 5: i & 255 }, 'broadcast')) !== 0) break;
      const got = bench.counts('a', ...Array.from({ length: i }, (_, n) => `link${n + 1}`));
      first += got[0]!;
      others += got.slice(1).reduce((sum, n) => sum + n, 0);
    }
    expect(first).toBeGreaterThan(100);
    expect(others).toBeGreaterThan(100);
    expect(i).toBeLessThan(HOOKS);
    expect(bench.shutdown('bridge:')).toBe(0);
  });

  test.each(['private', 'classic'])('uplink_%s', (mode) => {
    const bench = new NgBench();
    const isPrivate = mode === 'private';
    const order = isPrivate ? ['u1', 'u2', 'l0', 'l3'] : ['l0', 'u1', 'u2', 'l3'];
    const linkOf = (hook: string): string => `${hook.startsWith('u') ? 'uplink' : 'link'}${hook.slice(1)}`;
    const [first, ...others] = order;
    bench.mkpeer('.', 'bridge', first!, linkOf(first!));
    bench.name(first!, 'bridge');
    for (const hook of others) expect(bench.connect('.', 'bridge:', hook, linkOf(hook))).toBe(0);
    const sent = (hook: string, src: number, dst: Parameters<typeof frame>[1]): string => {
      bench.send(hook, frame({ 5: src }, dst));
      return bench.counts('l0', 'u1', 'u2', 'l3').join('');
    };
    const multicast = { 0: 255, 5: 2 };
    // Unknown from an uplink and from a link, known from both, what is behind an uplink stays unknown; then multicast and broadcast.
    expect([sent('u1', 1, {}), sent('l0', 0, { 5: 2 })]).toEqual(isPrivate ? ['0010', '0110'] : ['1011', '0111']);
    expect([sent('u2', 2, {}), sent('l3', 3, {})]).toEqual(['1000', '1000']);
    expect([sent('u1', 1, { 5: 2 }), sent('l0', 0, { 5: 2 })]).toEqual(isPrivate ? ['0010', '0110'] : ['1011', '0111']);
    expect([sent('u1', 1, multicast), sent('l0', 0, multicast)]).toEqual(['1011', '0111']);
    expect([sent('u1', 1, 'broadcast'), sent('l0', 0, 'broadcast')]).toEqual(['1011', '0111']);
    expect(hosts(bench)).toBe(2);
  });
});

describe('hub', () => {
  function hub(): NgBench {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'a');
    bench.name('a', 'hub');
    return bench;
  }

  test('basic', () => {
    const bench = hub();
    bench.connect('.', 'hub:', 'b', 'b');
    bench.connect('.', 'hub:', 'c', 'c');
    const sent = (hook: string): number[] => {
      bench.send(hook, TEST);
      return bench.counts('a', 'b', 'c');
    };
    expect([sent('a'), sent('b'), sent('c')]).toEqual([[0, 1, 1], [1, 0, 1], [1, 1, 0]]);
    bench.rmhook('.', 'b');
    expect(sent('a')).toEqual([0, 0, 1]);
    expect(bench.shutdown('hub:')).toBe(0);
  });

  test('persistence', () => {
    const bench = hub();
    bench.ascii('hub:', 'setpersistent');
    bench.rmhook('.', 'a');
    expect(bench.shutdown('hub:')).toBe(0);
  });

  test('loop: a storm ends, is counted, and hubs can be shut down in it', () => {
    const bench = new NgBench();
    bench.mkpeer('.', 'hub', 'a', 'a');
    bench.name('a', 'hub1');
    bench.mkpeer('.', 'hub', 'b', 'b');
    bench.name('b', 'hub2');
    bench.connect('hub1:', 'hub2:', 'xc1', 'xc1');
    bench.send('a', TEST);
    expect(bench.counts('b')).toEqual([1]);
    bench.connect('hub1:', 'hub2:', 'xc2', 'xc2');
    bench.send('a', TEST);
    expect(bench.counts('a', 'b').reduce((sum, n) => sum + n, 0)).toBeGreaterThan(7);
    expect(bench.base.tun.hopDrops).toBeGreaterThan(0);
    expect(bench.base.tun.dataQueued).toBe(0);
    // A third cable doubles what there is with every step.
    bench.connect('hub1:', 'hub2:', 'xc3', 'xc3');
    for (let i = 0; i < 20; i++) bench.send('a', TEST);
    for (let turn = 0; turn < 10; turn++) bench.kernel.tick(bench.kernel.now);
    expect(bench.base.tun.dataQueued).toBeLessThanOrEqual(bench.base.tun.maxData);
    expect(bench.base.tun.dataDrops).toBeGreaterThan(0);
    expect([bench.shutdown('hub1:'), bench.shutdown('hub2:')]).toEqual([0, 0]);
    bench.inside(() => bench.socket.close());
    bench.settle();
    expect([bench.base.tun.dataQueued, bench.base.nodeTotal, bench.kernel.engine.pool.inUse]).toEqual([0, 0, 0]);
  });

  test('many_hooks', () => {
    const bench = hub();
    let got = 0;
    for (let i = 0; i < HOOKS; i++) {
      bench.connect('.', 'hub:', `hook${i}`, `hook${i}`);
      if (bench.send(`hook${i}`, TEST) !== 0) break;
      got += bench.counts('a')[0]!;
    }
    expect(got).toBeGreaterThan(100);
    expect(bench.shutdown('hub:')).toBe(0);
  });
});
