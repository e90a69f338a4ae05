/**
 * ng-queue.test.ts — who enters a node when: readers beside each other, writers alone, and everybody in order once somebody waits.
 */
import { expect, test } from 'vitest';
import { EINVAL, ENOMEM } from '../base/errno.js';
import { NgBench, testFrame } from '../sim/ng-bench.js';
import { HK_QUEUE } from './ng-node.js';
import { NGM_READONLY, NgMessage } from './ng-message.js';

const say = (cmd: number): NgMessage => new NgMessage({ typecookie: 1, cmd });

test('what is entered by a packet takes packets at once, and messages that change something behind it, in order', () => {
  const bench = new NgBench();
  const target = bench.probe();
  const other = bench.probe();
  bench.inside(() => [['a', 'x'], ['b', 'y']].forEach(([ours, theirs]) => expect(bench.base.connect(other.node, ours!, target.node, theirs!)).toBe(0)));
  const seen: string[] = [];
  let inside = false;
  target.onData = (m) => {
    seen.push(`data ${m.view.getUint8(m.off + 11)}`);
    if (inside) return;
    inside = true;
    // A reader is inside: another may enter, a writer may not, and nobody overtakes the writer.
    other.send('b', testFrame(0, 2));
    other.sendMsg('a', say(1 | NGM_READONLY));
    other.sendMsg('a', say(2));
    other.send('b', testFrame(0, 3));
    other.sendMsg('a', say(4 | NGM_READONLY));
    seen.push(`before the end: ${target.messages.length}`);
    inside = false;
    target.onData = (later) => void seen.push(`data ${later.view.getUint8(later.off + 11)}, messages ${target.messages.length}`);
  };
  other.send('a', testFrame(0, 1));
  bench.settle();
  expect(seen).toEqual(['data 1', 'data 2', 'before the end: 1', 'data 3, messages 2']);
  expect(target.messages.map(({ cmd }) => cmd & 15)).toEqual([1, 2, 4]);
});

test('a message from outside is done when the call returns, behind what waits', () => {
  const bench = new NgBench();
  bench.mkpeer('.', 'hub', 'a', 'x');
  const target = bench.probe();
  const order: string[] = [];
  target.onData = () => void order.push('data');
  bench.inside(() => {
    bench.base.connect(bench.socket.node, 'b', target.node, 'y');
    target.node.findHook('y')!.flags |= HK_QUEUE;
    const m = bench.kernel.engine.pool.from(testFrame(1, 2))!;
    expect(bench.base.send(bench.socket.node.findHook('b'), m)).toBe(0);
    expect(order).toEqual([]);
    target.rcvmsg = () => {
      order.push('message');
      return EINVAL;
    };
    expect(bench.base.sendMsg(target.node, say(1))).toBe(EINVAL);
  });
  expect(order).toEqual(['data', 'message']);
});

test('no more waits than there is room for, and what waits for a node that goes is given back', () => {
  const bench = new NgBench();
  const target = bench.probe();
  bench.inside(() => {
    bench.base.connect(bench.socket.node, 'b', target.node, 'y');
    target.node.findHook('y')!.flags |= HK_QUEUE;
    bench.base.tun.maxData = 3;
    bench.base.tun.maxAlloc = 2;
    const sent = [1, 2, 3, 4].map(() => bench.base.send(bench.socket.node.findHook('b'), bench.kernel.engine.pool.from(testFrame(1, 2))!));
    const said = [1, 2, 3].map((cmd) => bench.base.sendMsg(target.node, say(cmd), null, true));
    expect([sent, said]).toEqual([[0, 0, 0, ENOMEM], [0, 0, ENOMEM]]);
    const { dataQueued, itemsQueued, dataDrops, itemDrops } = bench.base.tun;
    expect([dataQueued, itemsQueued, dataDrops, itemDrops]).toEqual([3, 2, 1, 1]);
    bench.base.rmnode(target.node);
    expect([bench.base.tun.dataQueued, bench.base.tun.itemsQueued, bench.kernel.engine.pool.inUse]).toEqual([0, 0, 0]);
  });
});

test('a chain longer than the calls that may be nested, and shorter than the hops, delivers', () => {
  const bench = new NgBench();
  bench.mkpeer('.', 'hub', 'a', 'in');
  bench.name('a', 'h0');
  for (let i = 1; i < 50; i++) {
    bench.mkpeer(`h${i - 1}:`, 'hub', 'out', 'in');
    bench.name(`h${i - 1}:out`, `h${i}`);
  }
  bench.connect('.', 'h49:', 'z', 'out');
  bench.send('a', testFrame(1, 2));
  expect(bench.counts('z')).toEqual([1]);
});
