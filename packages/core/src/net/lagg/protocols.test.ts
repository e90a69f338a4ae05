/**
 * protocols.test.ts — which port sends what, and whose frames count: failover, roundrobin, loadbalance, broadcast, none.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENETDOWN, ENOENT, ENXIO } from '../../base/errno.js';
import { ifDown, ifLinkStateChange, ifUp } from '../if.js';
import { ifTransmit } from '../if-transmit.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../ifnet.js';
import { BROADCAST, mac, testFrame } from '../test-net.js';
import { laggDeletePort, laggSetFlowidShift, laggSetOption, laggSetStride } from './lagg-control.js';
import {
  LAGG_OPT_LACP_STRICT, LAGG_OPT_USE_FLOWID, LAGG_PORT_ACTIVE, LAGG_PORT_MASTER, LAGG_PROTO_BROADCAST, LAGG_PROTO_FAILOVER, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_NONE,
  LAGG_PROTO_ROUNDROBIN,
} from './lagg-var.js';
import { LaggBench } from './test-lagg.js';

function link(t: LaggBench, i: number, up: boolean): void {
  const ifp = t.a[i];
  if (ifp !== undefined) ifLinkStateChange(ifp, up ? LINK_STATE_UP : LINK_STATE_DOWN);
}

/** What `transmit` answers, without anything sent. */
function error(t: LaggBench): number {
  const e = ifTransmit(t.lagg, t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'x')));
  t.lab.turn();
  expect(t.lab.engine.pool.inUse).toBe(0);
  return e;
}

const flags = (t: LaggBench): number[] => t.info().ports.map((p) => p.flags);

describe('failover', () => {
  it('uses the first port, the next active one while it has no link or is down, and the first again', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 3);
    expect([t.says('a'), flags(t)]).toEqual([[0], [LAGG_PORT_MASTER | LAGG_PORT_ACTIVE, 0, 0]]);
    link(t, 0, false);
    expect([t.says('b'), flags(t)]).toEqual([[1], [LAGG_PORT_MASTER, LAGG_PORT_ACTIVE, 0]]);
    for (const ifp of t.a.slice(1, 2)) ifDown(ifp);
    expect(t.says('c')).toEqual([2]);
    link(t, 2, false);
    expect(error(t)).toBe(ENETDOWN);
    link(t, 0, true);
    expect(t.says('d')).toEqual([0]);
  });

  it('takes frames from the port that sends, from any when none can, from all when told to', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 2);
    expect([t.hears(0, 'a'), t.hears(1, 'b')]).toEqual([['lagg0'], []]);
    link(t, 0, false);
    expect([t.hears(0, 'a'), t.hears(1, 'b')]).toEqual([['lagg0'], ['lagg0']]);
    link(t, 1, false);
    expect(t.hears(1, 'b')).toEqual(['lagg0']);
    link(t, 0, true);
    expect(t.hears(1, 'b')).toEqual([]);
    expect(t.net.kern.sysctl.set('net.link.lagg.failover_rx_all', 1)).toBe(0);
    expect(t.hears(1, 'b')).toEqual(['lagg0']);
    expect(t.lab.engine.pool.inUse).toBe(0);
  });
});

describe('roundrobin', () => {
  it('takes turns in the order of the ports; a turn of one that cannot is the next one\'s', () => {
    const t = new LaggBench(LAGG_PROTO_ROUNDROBIN, 3);
    const turns = (n: number): number[] => Array.from({ length: n }, () => t.says('x')).flat();
    expect(turns(7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
    link(t, 2, false);
    expect(turns(5)).toEqual([1, 0, 0, 1, 0]);
    for (const i of [0, 1]) link(t, i, false);
    expect(error(t)).toBe(ENETDOWN);
    expect(t.hears(1, 'in')).toEqual(['lagg0']);
  });

  it('sends rr_limit frames in a turn', () => {
    const t = new LaggBench(LAGG_PROTO_ROUNDROBIN, 2);
    expect(laggSetStride(t.lagg, 3)).toBe(0);
    expect(Array.from({ length: 9 }, () => t.says('x')).flat()).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0]);
    expect(laggSetStride(t.lagg, 0)).toBe(EINVAL);
    expect(laggSetStride(new LaggBench(LAGG_PROTO_FAILOVER, 1).lagg, 3)).toBe(EINVAL);
  });
});

describe('loadbalance', () => {
  /** The cable that carries the frames from station `n`. */
  const cableOf = (t: LaggBench, n: number): number => {
    t.lab.send(t.lagg, testFrame(BROADCAST, mac(`02:00:00:00:01:${n.toString(16).padStart(2, '0')}`), 'x'));
    return t.heard('x')[0] ?? -1;
  };
  const stations = Array.from({ length: 200 }, (_, i) => i);

  it('keeps a flow on its port, spreads flows over all, and moves those of a port that fails, and no others', () => {
    const t = new LaggBench(LAGG_PROTO_LOADBALANCE, 4);
    const before = stations.map((n) => cableOf(t, n));
    expect(stations.map((n) => cableOf(t, n))).toEqual(before);
    const share = [0, 1, 2, 3].map((i) => before.filter((c) => c === i).length);
    expect(Math.min(...share), share.join()).toBeGreaterThan(25);
    link(t, 1, false);
    expect(stations.map((n) => cableOf(t, n))).toEqual(before.map((c) => (c === 1 ? 2 : c)));
    link(t, 1, true);
    expect(stations.map((n) => cableOf(t, n))).toEqual(before);
    laggDeletePort(t.lagg, t.a[3]?.xname ?? '');
    expect(Math.max(...stations.map((n) => cableOf(t, n)))).toBe(2);
  });

  it('by flow id, when told to and the packet has one', () => {
    const t = new LaggBench(LAGG_PROTO_LOADBALANCE, 4);
    const send = (flowid: number): number => {
      const m = t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'x'));
      m.flowid = flowid;
      ifTransmit(t.lagg, m);
      t.lab.turn();
      return t.heard('x')[0] ?? -1;
    };
    const hashed = send(0);
    expect([1 << 16, 2 << 16, 3 << 16].map(send)).toEqual([hashed, hashed, hashed]);
    expect(laggSetOption(t.lagg, LAGG_OPT_USE_FLOWID, true)).toBe(0);
    expect([1 << 16, 2 << 16, 3 << 16, 4 << 16].map(send)).toEqual([1, 2, 3, 0]);
    expect(send(0)).toBe(hashed);
    expect(laggSetFlowidShift(t.lagg, 0)).toBe(0);
    expect([5, 6].map(send)).toEqual([1, 2]);
    expect([laggSetFlowidShift(t.lagg, 32), laggSetOption(t.lagg, LAGG_OPT_LACP_STRICT, true)]).toEqual([EINVAL, EINVAL]);
  });
});

describe('broadcast', () => {
  it('sends on every active port and takes frames from each', () => {
    const t = new LaggBench(LAGG_PROTO_BROADCAST, 3);
    expect(t.says('a')).toEqual([0, 1, 2]);
    link(t, 1, false);
    expect([t.says('b'), flags(t)]).toEqual([[0, 2], [LAGG_PORT_ACTIVE, 0, LAGG_PORT_ACTIVE]]);
    expect([t.hears(0, 'x'), t.hears(2, 'x')]).toEqual([['lagg0'], ['lagg0']]);
    for (const ifp of t.a) ifDown(ifp);
    expect(error(t)).toBe(ENOENT);
    for (const ifp of t.a) ifUp(ifp);
    t.lab.engine.pool.smallMax = t.lab.engine.pool.smallInUse + 1;
    expect(t.says('no room for copies')).toEqual([0]);
    expect(t.lagg.data.oerrors).toBe(2);
  });
});

it('without a protocol nothing passes', () => {
  const t = new LaggBench(LAGG_PROTO_NONE, 2);
  expect([error(t), t.hears(0, 'x'), flags(t)]).toEqual([ENXIO, [], [0, 0]]);
});
