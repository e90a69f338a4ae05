/**
 * bstp.test.ts — spanning trees of a few bridges in virtual time: who blocks, who takes over when, what is forgotten, what is left.
 * Whole meshes over many seeds are in tools/sim/bridge-stp.sim.mjs, frames on the wire in core/test/bridge-bpdu.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOENT } from '../../base/errno.js';
import { bridgeCloner, bridgeOf } from '../bridge.js';
import { bridgeAdd, bridgeAddrs, bridgeDelete, bridgeMembers, bridgeParams, bridgeSetFlags, bridgeSetMemberParam, bridgeSetParam } from '../bridge-control.js';
import {
  IFBIF_BSTP_ADMEDGE, IFBIF_BSTP_AUTOEDGE, IFBIF_BSTP_AUTOPTP, IFBIF_BSTP_EDGE, IFBIF_BSTP_PTP, IFBIF_STP,
} from '../bridge-forward.js';
import { epairCloner } from '../epair.js';
import { gifCloner } from '../gif.js';
import { ifCloneDestroy } from '../if-clone.js';
import { ifDown, ifLinkStateChange, ifSetLladdr, ifUp } from '../if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { BROADCAST, NOTHING_LEFT, TestLab, mac, testFrame } from '../test-net.js';

const S = 1_000_000;
const PROTO_STP = 0;

/** A bridge in a vnet of its own, with a station. */
interface Box {
  readonly net: Net;
  readonly ifp: Ifnet;
  readonly station: Ifnet;
}

/** Bridges A, B, … in vnets of their own, each with a station on a port that takes no part. */
class Trees {
  readonly lab = new TestLab();
  readonly boxes: readonly Box[];

  constructor(n: number, proto?: number) {
    const cables = this.lab.net('cables', [epairCloner, bridgeCloner]);
    this.boxes = Array.from({ length: n }, (_, i) => {
      const net = this.lab.net(`v${i}`, [bridgeCloner]);
      const ifp = this.lab.create(net, 'bridge');
      const [near, station] = this.lab.epair(cables);
      const port = this.lab.move(near, net);
      ifUp(port);
      expect(bridgeAdd(ifp, port.xname)).toBe(0);
      if (proto !== undefined) expect(bridgeSetParam(ifp, 'proto', proto)).toBe(0);
      ifUp(ifp);
      return { net, ifp, station };
    });
    this.cables = cables;
  }

  private readonly cables: Net;

  /** A cable between two bridges, both ends with `stp`. */
  join(i: number, j: number): readonly [Ifnet, Ifnet] {
    const [a, b] = this.lab.epair(this.cables);
    const plug = (near: Ifnet, box: Box): Ifnet => {
      const end = this.lab.move(near, box.net);
      ifUp(end);
      expect([bridgeAdd(box.ifp, end.xname), bridgeSetFlags(box.ifp, end.xname, IFBIF_STP, 0)]).toEqual([0, 0]);
      return end;
    };
    return [plug(a, this.boxes[i]!), plug(b, this.boxes[j]!)];
  }

  /** Seconds pass, one at a time, as they do. */
  wait(seconds: number): void {
    for (let i = 0; i < seconds; i++) this.lab.turn(S);
  }

  /** `role state` of a member. */
  at(i: number, port: Ifnet): string {
    const stp = bridgeMembers(this.boxes[i]!.ifp)!.find((m) => m.name === port.xname)!.stp;
    return stp === null ? 'none' : `${stp.role} ${stp.state}`;
  }

  flags(i: number, port: Ifnet): number {
    return bridgeMembers(this.boxes[i]!.ifp)!.find((m) => m.name === port.xname)!.flags;
  }

  /** A broadcast from station `i`: how often each of the others got it. */
  shout(i: number): number[] {
    const before = this.boxes.map((b) => b.station.data.ipackets);
    this.lab.send(this.boxes[i]!.station, testFrame(BROADCAST, this.boxes[i]!.station.lladdr, 'x'));
    return this.boxes.map((b, k) => b.station.data.ipackets - before[k]!).filter((_, k) => k !== i);
  }

  stats(i: number): object {
    return bridgeOf(this.boxes[i]!.ifp)!.stp.stats;
  }

  /** The bridges by rank, best first: addresses of epairs are as good as random. */
  ranked(): number[] {
    const id = (i: number): string => Array.from(bridgeParams(this.boxes[i]!.ifp)!.id, (x) => x.toString(16).padStart(2, '0')).join('');
    return this.boxes.map((_, i) => i).sort((a, b) => (id(a) < id(b) ? -1 : 1));
  }

  finish(): void {
    this.lab.destroy();
    expect(this.lab.leftovers()).toEqual(NOTHING_LEFT);
  }
}

/** Two bridges, two cables; `root` has the better priority. */
function pair(proto?: number): { t: Trees; root: number; leaf: number; first: readonly [Ifnet, Ifnet]; second: readonly [Ifnet, Ifnet] } {
  const t = new Trees(2, proto);
  bridgeSetParam(t.boxes[0]!.ifp, 'priority', 4_096);
  return { t, root: 0, leaf: 1, first: t.join(0, 1), second: t.join(0, 1) };
}

describe('rapid', () => {
  it('leaves one of two cables, at once, and says who is root', () => {
    const { t, root, leaf, first, second } = pair();
    t.wait(2);
    expect([t.at(root, first[0]), t.at(root, second[0])]).toEqual(['designated forwarding', 'designated forwarding']);
    expect([t.at(leaf, first[1]), t.at(leaf, second[1])]).toEqual(['root forwarding', 'alternate discarding']);
    const [up, down] = [bridgeParams(t.boxes[root]!.ifp)!, bridgeParams(t.boxes[leaf]!.ifp)!];
    expect(up).toMatchObject({ priority: 4_096, rootPriority: 4_096, rootCost: 0, rootPort: 0, rootId: up.id });
    expect(down).toMatchObject({ priority: 32_768, rootPriority: 4_096, rootCost: 2_000, rootPort: first[1].index, rootId: up.id });
    expect([t.shout(0), t.shout(1)]).toEqual([[1], [1]]);
    t.finish();
  });

  it('takes the other cable when one is cut, and comes back', () => {
    const { t, leaf, first, second } = pair();
    t.wait(3);
    ifDown(first[1]);
    t.lab.turn();
    expect([t.at(leaf, first[1]), t.at(leaf, second[1]), t.shout(0)]).toEqual(['disabled discarding', 'root forwarding', [1]]);
    ifUp(first[1]);
    t.wait(3);
    expect([t.at(leaf, first[1]), t.at(leaf, second[1]), t.shout(0)]).toEqual(['root forwarding', 'alternate discarding', [1]]);
    ifLinkStateChange(first[1], LINK_STATE_DOWN);
    ifLinkStateChange(first[1], LINK_STATE_UP);
    t.wait(3);
    expect(t.shout(1)).toEqual([1]);
    t.finish();
  });

  it('notices a neighbour that has fallen silent, after three hellos', () => {
    const { t, root, leaf, first, second } = pair();
    t.wait(3);
    bridgeSetFlags(t.boxes[root]!.ifp, first[0].xname, 0, IFBIF_STP);
    bridgeDelete(t.boxes[root]!.ifp, first[0].xname);
    t.wait(4);
    expect(t.at(leaf, first[1])).toBe('root forwarding');
    t.wait(3);
    expect([t.at(leaf, first[1]).split(' ')[0], t.at(leaf, second[1])]).toEqual(['designated', 'root forwarding']);
    t.finish();
  });

  it('follows priority, cost and port priority', () => {
    const { t, root, leaf, first, second } = pair();
    t.wait(3);
    bridgeSetMemberParam(t.boxes[leaf]!.ifp, first[1].xname, 'ifpathcost', 5_000);
    t.wait(3);
    expect([t.at(leaf, first[1]), t.at(leaf, second[1])]).toEqual(['alternate discarding', 'root forwarding']);
    bridgeSetMemberParam(t.boxes[leaf]!.ifp, first[1].xname, 'ifpathcost', 0);
    bridgeSetMemberParam(t.boxes[root]!.ifp, second[0].xname, 'ifpriority', 16);
    t.wait(3);
    expect([t.at(leaf, first[1]), t.at(leaf, second[1])]).toEqual(['alternate discarding', 'root forwarding']);
    bridgeSetParam(t.boxes[leaf]!.ifp, 'priority', 0);
    t.wait(3);
    expect(bridgeParams(t.boxes[root]!.ifp)).toMatchObject({ rootPriority: 0, rootId: bridgeParams(t.boxes[leaf]!.ifp)!.id });
    expect([first, second].map((c) => t.at(root, c[0])).sort()).toEqual(['alternate discarding', 'root forwarding']);
    expect(t.shout(0)).toEqual([1]);
    t.finish();
  });

  it('makes a ring of four a line, over any root', () => {
    const t = new Trees(4);
    const cables = [t.join(0, 1), t.join(1, 2), t.join(2, 3), t.join(3, 0)];
    t.wait(3);
    const open = cables.filter((c, i) => [t.at(i, c[0]), t.at((i + 1) % 4, c[1])].every((s) => s.endsWith(' forwarding')));
    expect([open.length, t.shout(0), t.shout(2)]).toEqual([3, [1, 1, 1], [1, 1, 1]]);
    const best = t.ranked()[0]!;
    for (const b of t.boxes) expect(bridgeParams(b.ifp)!.rootId).toEqual(bridgeParams(t.boxes[best]!.ifp)!.id);
    t.finish();
  });

  it('blocks a cable between two ports of one bridge', () => {
    const t = new Trees(1);
    const [a, b] = t.join(0, 0);
    t.wait(10);
    expect([t.at(0, a), t.at(0, b)].sort()).toEqual(['backup discarding', 'designated forwarding']);
    t.finish();
  });
});

describe('ports', () => {
  it('to nowhere are edges after the migration time, and none from the first BPDU on', () => {
    const t = new Trees(2);
    const [a, b] = t.join(0, 1);
    bridgeSetFlags(t.boxes[1]!.ifp, b.xname, 0, IFBIF_STP);
    bridgeDelete(t.boxes[1]!.ifp, b.xname);
    t.wait(1);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, 0, IFBIF_STP);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, IFBIF_STP, 0);
    t.wait(2);
    expect([t.at(0, a), t.flags(0, a) & IFBIF_BSTP_EDGE]).toEqual(['designated discarding', 0]);
    t.wait(2);
    expect([t.at(0, a), t.flags(0, a)]).toEqual(['designated forwarding', 0x1e7]);
    bridgeAdd(t.boxes[1]!.ifp, b.xname);
    bridgeSetFlags(t.boxes[1]!.ifp, b.xname, IFBIF_STP, 0);
    t.wait(1);
    expect(t.flags(0, a) & IFBIF_BSTP_EDGE).toBe(0);
    t.finish();
  });

  it('are edges at once when told so, never when told not to look', () => {
    const t = new Trees(2);
    const [a, b] = t.join(0, 1);
    bridgeDelete(t.boxes[1]!.ifp, b.xname);
    t.wait(1);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, 0, IFBIF_BSTP_AUTOEDGE | IFBIF_STP);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, IFBIF_STP, 0);
    t.wait(10);
    expect([t.at(0, a), t.flags(0, a) & IFBIF_BSTP_AUTOEDGE]).toEqual(['designated discarding', 0]);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, IFBIF_BSTP_EDGE, 0);
    expect([t.at(0, a), t.flags(0, a) & (IFBIF_BSTP_EDGE | IFBIF_BSTP_ADMEDGE)]).toEqual(['designated forwarding', IFBIF_BSTP_EDGE | IFBIF_BSTP_ADMEDGE]);
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, 0, IFBIF_BSTP_EDGE);
    expect(t.flags(0, a) & (IFBIF_BSTP_EDGE | IFBIF_BSTP_ADMEDGE)).toBe(0);
    t.finish();
  });

  it('on a link that may have more than two ends wait for their timers', () => {
    const t = new Trees(2);
    bridgeSetParam(t.boxes[0]!.ifp, 'priority', 0);
    const [a, b] = t.join(0, 1);
    expect(t.flags(0, a) & (IFBIF_BSTP_PTP | IFBIF_BSTP_AUTOPTP)).toBe(IFBIF_BSTP_PTP | IFBIF_BSTP_AUTOPTP);
    for (const [i, end] of [a, b].entries()) {
      const set = (on: number, off: number): number => bridgeSetFlags(t.boxes[i]!.ifp, end.xname, on, off);
      set(0, IFBIF_STP);
      set(0, IFBIF_BSTP_PTP | IFBIF_BSTP_AUTOPTP);
      set(IFBIF_STP, 0);
    }
    t.wait(15);
    expect([t.at(0, a), t.flags(0, a) & IFBIF_BSTP_PTP]).toEqual(['designated discarding', 0]);
    t.wait(10);
    expect(t.at(0, a)).toBe('designated forwarding');
    bridgeSetFlags(t.boxes[0]!.ifp, a.xname, IFBIF_BSTP_AUTOPTP, 0);
    expect(t.flags(0, a) & IFBIF_BSTP_PTP).not.toBe(0);
    t.finish();
  });

  it('that are not Ethernets, or no members, cannot take part', () => {
    const lab = new TestLab();
    const net = lab.net('v', [bridgeCloner, gifCloner]);
    const [bridge, gif] = [lab.create(net, 'bridge'), lab.create(net, 'gif')];
    expect(bridgeAdd(bridge, gif.xname)).toBe(0);
    expect([bridgeSetFlags(bridge, gif.xname, IFBIF_STP, 0), bridgeSetFlags(bridge, 'epair0a', IFBIF_STP, 0)]).toEqual([EINVAL, ENOENT]);
    expect(bridgeMembers(bridge)).toMatchObject([{ stp: null }]);
  });
});

describe('frames', () => {
  it('do not enter or leave a port that discards', () => {
    const { t, leaf, second } = pair();
    t.wait(3);
    const { stats, rtable } = bridgeOf(t.boxes[leaf]!.ifp)!.fwd;
    const peer = mac('02:00:00:00:00:07');
    t.lab.send(second[0], testFrame(t.boxes[leaf]!.station.lladdr, peer, 'x'));
    t.lab.send(second[0], testFrame(BROADCAST, peer, 'x'));
    expect([rtable.find(0x0200, 7, 0), bridgeAddrs(t.boxes[leaf]!.ifp)!.filter((a) => a.member === second[1].xname)]).toEqual([-1, []]);
    const port = bridgeOf(t.boxes[leaf]!.ifp)!.fwd.order.find((p) => p.ifp === second[1])!;
    rtable.insert(0x0200, 7, 0, port.index, 1, 0);
    const before = second[0].data.ipackets;
    t.lab.send(t.boxes[leaf]!.station, testFrame(peer, t.boxes[leaf]!.station.lladdr, 'x'));
    expect([second[0].data.ipackets - before, stats.blocked]).toEqual([0, 1]);
    t.finish();
  });

  it('teach a port that learns, and go no further', () => {
    const { t, root, leaf, first, second } = pair(PROTO_STP);
    t.wait(40);
    ifDown(first[1]);
    t.wait(16);
    expect(t.at(leaf, second[1])).toBe('root learning');
    const src = mac('02:00:00:00:00:08');
    const before = t.boxes[leaf]!.station.data.ipackets;
    t.lab.send(t.boxes[root]!.station, testFrame(BROADCAST, src, 'x'));
    expect(t.boxes[leaf]!.station.data.ipackets - before).toBe(0);
    expect(bridgeAddrs(t.boxes[leaf]!.ifp)!.some((a) => a.member === second[1].xname && a.mac[5] === 8)).toBe(true);
    t.finish();
  });
});

describe('the old protocol', () => {
  it('waits its forward delay twice before a port takes over', () => {
    const { t, leaf, first, second } = pair(PROTO_STP);
    t.wait(19);
    expect(t.at(leaf, first[1])).toBe('root discarding');
    t.wait(2);
    expect(t.at(leaf, first[1])).toBe('root learning');
    t.wait(15);
    expect([t.at(leaf, first[1]), t.at(leaf, second[1]), t.shout(0)]).toEqual(['root forwarding', 'alternate discarding', [1]]);
    ifDown(first[1]);
    t.wait(14);
    expect([t.at(leaf, second[1]), t.shout(0)]).toEqual(['root discarding', [0]]);
    t.wait(2);
    expect(t.at(leaf, second[1])).toBe('root learning');
    t.wait(13);
    expect([t.at(leaf, second[1]), t.shout(0)]).toEqual(['root learning', [0]]);
    t.wait(2);
    expect([t.at(leaf, second[1]), t.shout(0)]).toEqual(['root forwarding', [1]]);
    t.finish();
  });

  it('uses the times of the root', () => {
    const { t, root, leaf, first } = pair(PROTO_STP);
    bridgeSetParam(t.boxes[root]!.ifp, 'fwddelay', 4);
    bridgeSetParam(t.boxes[root]!.ifp, 'maxage', 6);
    t.wait(30);
    expect(t.at(leaf, first[1])).toBe('root forwarding');
    expect(bridgeParams(t.boxes[leaf]!.ifp)).toMatchObject({ fwdDelay: 15, maxAge: 20 });
    t.finish();
  });

  it('is spoken by a rapid bridge to a neighbour that knows no other, and only to that', () => {
    const t = new Trees(3);
    bridgeSetParam(t.boxes[1]!.ifp, 'proto', PROTO_STP);
    const [a] = t.join(0, 1);
    const [c] = t.join(0, 2);
    const proto = (port: Ifnet): string => bridgeMembers(t.boxes[0]!.ifp)!.find((m) => m.name === port.xname)!.stp!.proto;
    t.wait(60);
    expect([proto(a), proto(c), t.shout(1)]).toEqual(['stp', 'rstp', [1, 1]]);
    expect(bridgeParams(t.boxes[0]!.ifp)!.proto).toBe('rstp');
    bridgeSetParam(t.boxes[1]!.ifp, 'proto', 2);
    t.wait(10);
    expect([proto(a), t.shout(1)]).toEqual(['rstp', [1, 1]]);
    t.finish();
  });
});

describe('a change of the topology', () => {
  /** A line 0 - 1 - 2, closed by a spare cable 0 - 2, with stations' addresses known in bridge 1; bridge 3 is for later. */
  function known(proto?: number): { t: Trees; left: Ifnet; right: Ifnet } {
    const t = new Trees(4, proto);
    bridgeSetParam(t.boxes[1]!.ifp, 'priority', 0);
    const [, left] = t.join(0, 1);
    const [right] = t.join(1, 2);
    t.join(0, 2);
    t.wait(60);
    t.shout(0);
    t.shout(2);
    return { t, left, right };
  }
  const behind = (t: Trees, port: Ifnet): number => bridgeAddrs(t.boxes[1]!.ifp)!.filter((a) => a.member === port.xname).length;

  it('makes every other port forget at once, and not the one it was heard on', () => {
    const { t, left, right } = known();
    expect([behind(t, left), behind(t, right)]).toEqual([1, 1]);
    t.join(0, 3);
    t.wait(1);
    expect([behind(t, left), behind(t, right)]).toEqual([1, 0]);
    t.finish();
  });

  it('with the old protocol makes addresses due after the forward delay', () => {
    const { t, left } = known(PROTO_STP);
    expect(behind(t, left)).toBe(1);
    ifDown(left);
    ifUp(left);
    t.wait(1);
    t.shout(2);
    const right = (): number[] => bridgeAddrs(t.boxes[1]!.ifp)!.map((a) => a.expire);
    expect(Math.max(...right())).toBeGreaterThan(1_000);
    t.wait(38);
    expect(Math.max(...right())).toBeLessThanOrEqual(15);
    t.wait(16);
    expect(right()).toEqual([]);
    t.finish();
  });
});

describe('BPDUs', () => {
  it('are held back beyond the hold count', () => {
    const { t, root, first } = pair();
    t.wait(10);
    bridgeSetParam(t.boxes[root]!.ifp, 'holdcnt', 2);
    const before = first[0].data.opackets;
    for (let i = 0; i < 20; i++) bridgeSetParam(t.boxes[root]!.ifp, 'maxage', 10 + i);
    expect(first[0].data.opackets - before).toBe(2);
    t.wait(1);
    expect(first[0].data.opackets - before).toBe(3);
    t.finish();
  });

  it('are not sent by ports that take no part, nor by a bridge that is down', () => {
    const { t, root, leaf, first } = pair();
    t.wait(3);
    ifDown(t.boxes[root]!.ifp);
    expect(t.at(root, first[0])).toBe('designated discarding');
    const before = first[0].data.opackets;
    t.wait(10);
    expect([first[0].data.opackets - before, t.boxes[root]!.net.kern.calloutsArmed]).toEqual([0, 0]);
    expect(bridgeParams(t.boxes[leaf]!.ifp)).toMatchObject({ rootPort: 0, rootPriority: 32_768 });
    ifUp(t.boxes[root]!.ifp);
    t.wait(5);
    expect([bridgeParams(t.boxes[leaf]!.ifp)!.rootPriority, t.shout(0)]).toEqual([4_096, [1]]);
    t.finish();
  });
});

describe('a bridge', () => {
  it('is known by the lowest address of its Ethernets, as long as it has that member', () => {
    const { t, leaf, first, second } = pair();
    const { ifp } = t.boxes[leaf]!;
    ifSetLladdr(second[1], mac('00:00:00:00:00:05'));
    bridgeSetParam(ifp, 'priority', 32_768);
    expect(bridgeParams(ifp)!.id).toEqual(mac('00:00:00:00:00:05'));
    ifSetLladdr(first[1], mac('00:00:00:00:00:04'));
    expect(bridgeParams(ifp)!.id).toEqual(mac('00:00:00:00:00:05'));
    bridgeDelete(ifp, second[1].xname);
    expect(bridgeParams(ifp)!.id).toEqual(mac('00:00:00:00:00:04'));
    ifSetLladdr(first[1], mac('00:00:00:00:00:03'));
    expect(bridgeParams(ifp)!.id).toEqual(mac('00:00:00:00:00:03'));
    bridgeSetFlags(ifp, first[1].xname, 0, IFBIF_STP);
    expect(bridgeParams(ifp)).toMatchObject({ id: new Uint8Array(6), rootId: new Uint8Array(6), rootPriority: 32_768 });
    expect(t.boxes[leaf]!.net.kern.calloutsArmed).toBe(0);
    t.finish();
  });

  it('logs what its ports do when log_stp is on', () => {
    const { t, leaf } = pair();
    expect(t.boxes[leaf]!.net.kern.sysctl.set('net.link.bridge.log_stp', 1)).toBe(0);
    t.lab.log.length = 0;
    t.wait(2);
    expect(t.lab.log).toEqual([
      'v1: bridge0: state changed to learning on epair2b', 'v1: bridge0: state changed to forwarding on epair2b',
    ]);
    t.finish();
  });

  it('keeps its parameters when it moves, and who it was not', () => {
    const { t, leaf } = pair();
    const { ifp } = t.boxes[leaf]!;
    for (const [name, value] of [['proto', 0], ['hellotime', 1], ['fwddelay', 9], ['maxage', 12], ['holdcnt', 3], ['priority', 8_192], ['timeout', 60], ['maxaddr', 50]] as const) {
      expect(bridgeSetParam(ifp, name, value)).toBe(0);
    }
    const there = t.lab.move(ifp, t.lab.nets[0]!);
    expect(bridgeParams(there)).toMatchObject({
      id: new Uint8Array(6), priority: 8_192, helloTime: 1, fwdDelay: 9, maxAge: 12, holdCount: 3, proto: 'stp', rootPriority: 8_192, rootPort: 0, timeout: 60, maxAddr: 50,
    });
    t.finish();
  });

  it.each(['member destroyed', 'bridge destroyed', 'bridge moved', 'member moved'])('leaves nothing behind: %s', (what) => {
    const { t, leaf, first, second } = pair();
    t.wait(3);
    const { net, ifp } = t.boxes[leaf]!;
    if (what === 'member destroyed') expect(ifCloneDestroy(t.boxes[0]!.net, first[0].xname)).toBe(0);
    else if (what === 'bridge destroyed') expect(ifCloneDestroy(net, ifp.xname)).toBe(0);
    else if (what === 'bridge moved') t.lab.move(ifp, t.lab.nets[0]!);
    else t.lab.move(first[1], t.boxes[0]!.net);
    t.lab.turn();
    expect(net.kern.calloutsArmed).toBe(what.startsWith('member') ? 1 : 0);
    if (what.startsWith('member')) expect(t.at(leaf, second[1])).toBe('root forwarding');
    t.wait(3);
    t.finish();
  });
});
