/**
 * vlan.test.ts — vlans over a cable between two vnets: tags, creation, errors, and what follows the parent.
 */
import { describe, expect, it } from 'vitest';
import { EBUSY, EEXIST, EINVAL, ENETDOWN, ENOENT, ENXIO, EPERM, EPROTONOSUPPORT } from '../base/errno.js';
import { M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { bridgeCloner } from './bridge.js';
import { bridgeAdd } from './bridge-control.js';
import { epairCloner } from './epair.js';
import { etherOutput } from './ether.js';
import { ifCloneCreate, ifCloneDestroy } from './if-clone.js';
import { ifMedia } from './if-media.js';
import { ifDown, ifPromisc, ifRename, ifSetLladdr, ifSetMtu, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { IFF_PROMISC, IFF_RUNNING, IFF_SIMPLEX, LINK_STATE_DOWN, LINK_STATE_UNKNOWN, LINK_STATE_UP } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import { loCloner } from './lo.js';
import type { Net } from './net.js';
import { BROADCAST, NOTHING_LEFT, TEST_ETHERTYPE, TestLab, hexOf, mac, tagged, testFrame } from './test-net.js';
import { vlanCloner, vlanConfig, vlanInfo, vlanSetPcp, vlanUnconfig } from './vlan.js';

const QINQ = 0x88a8;

/** Two vnets joined by a cable. */
class Pair {
  readonly lab = new TestLab();
  readonly v: Net = this.lab.net('v', [epairCloner, vlanCloner, loCloner, bridgeCloner]);
  readonly w: Net = this.lab.net('w', [vlanCloner]);
  readonly a: Ifnet;
  readonly b: Ifnet;

  constructor() {
    const [a, near] = this.lab.epair(this.v);
    this.a = a;
    this.b = this.lab.move(near, this.w);
    ifUp(this.b);
  }

  vlan(net: Net, parent: Ifnet, tag: number, proto: string | number = '802.1q'): Ifnet {
    const ifp = this.lab.create(net, 'vlan', { vlan: tag, vlandev: parent.xname, vlanproto: proto });
    ifUp(ifp);
    return ifp;
  }

  /** Sends `text` from `ifp` to everybody; what arrived in w. */
  say(ifp: Ifnet, text: string, pcp = -1): string[] {
    const m = this.lab.packet(Uint8Array.from(text, (c) => c.charCodeAt(0)));
    m.pcp = pcp;
    expect(etherOutput(ifp, m, 0xffff, 0xffffffff, TEST_ETHERTYPE)).toBe(0);
    this.lab.turn();
    return this.lab.arrived(this.w);
  }

  /** Tags of the next frame that comes in on b: the outer one, and the bytes behind the addresses. */
  watch(): { tag: string } {
    const seen = { tag: '' };
    const input = this.b.input;
    this.b.input = (ifp, m) => {
      const outer = (m.flags & M_VLANTAG) === 0 ? 'none' : `${m.vproto.toString(16)}/${m.vtag & 0xfff}/${m.vtag >> 13}`;
      seen.tag = `${outer} ${[...m.bytes().subarray(12, 16)].map((x) => x.toString(16)).join('.')}`;
      input(ifp, m);
    };
    return seen;
  }
}

describe('vlan frames', () => {
  it('carry the tag outside the bytes and reach the vlan of that id only', () => {
    const p = new Pair();
    const seen = p.watch();
    const v5 = p.vlan(p.v, p.a, 5);
    p.vlan(p.w, p.b, 5);
    p.vlan(p.w, p.b, 6);
    expect(p.say(v5, 'hi')).toEqual([`vlan0:${hexOf('hi')}`]);
    expect(seen.tag).toBe('8100/5/0 88.b5.68.69');
    expect(v5.data).toMatchObject({ opackets: 1, omcasts: 1, obytes: 16 });
    expect(p.a.data.opackets).toBe(1);
    expect(p.w.ifunit('vlan0')!.data).toMatchObject({ ipackets: 1, imcasts: 1 });
    expect(p.say(p.a, 'untagged')).toEqual([`epair0b:${hexOf('untagged')}`]);
    expect(p.lab.engine.pool.inUse).toBe(0);
  });

  it('count as noproto on a parent that has no such vlan, or one that is down', () => {
    const p = new Pair();
    const v5 = p.vlan(p.v, p.a, 5);
    expect(p.say(v5, 'x')).toEqual([]);
    const w6 = p.vlan(p.w, p.b, 6);
    expect(p.say(v5, 'x')).toEqual([]);
    vlanConfig(w6, 'epair0b', 5);
    ifDown(w6);
    expect(p.say(v5, 'x')).toEqual([]);
    expect([p.b.data.noproto, w6.data.ipackets]).toEqual([3, 0]);
    expect(p.lab.engine.pool.inUse).toBe(0);
  });

  it('nest: the inner tag is in the bytes, the outer one is not', () => {
    const p = new Pair();
    const seen = p.watch();
    const [v5, w5] = [p.vlan(p.v, p.a, 5, '802.1ad'), p.vlan(p.w, p.b, 5, '802.1ad')];
    const [v42, w42] = [p.vlan(p.v, v5, 42), p.vlan(p.w, w5, 42)];
    expect(p.say(v42, 'q')).toEqual([`${w42.xname}:${hexOf('q')}`]);
    expect(seen.tag).toBe('88a8/5/0 81.0.0.2a');
    const [v7, w7] = [p.vlan(p.v, v42, 7, QINQ), p.vlan(p.w, w42, 7, QINQ)];
    expect(p.say(v7, 'qq')).toEqual([`${w7.xname}:${hexOf('qq')}`]);
    expect(p.say(v5, 'outer only')).toEqual([`${w5.xname}:${hexOf('outer only')}`]);
    expect([v5.mtu, v42.mtu, v7.mtu]).toEqual([1_500, 1_496, 1_492]);
  });

  it('come in from a wire that has the tags in its bytes', () => {
    const p = new Pair();
    const w5 = p.vlan(p.w, p.b, 5);
    const w42 = p.vlan(p.w, w5, 42);
    const frame = testFrame(BROADCAST, p.a.lladdr, 'w');
    p.lab.send(p.a, tagged(tagged(frame, 42), 5));
    expect(p.lab.arrived(p.w)).toEqual([`${w42.xname}:${hexOf('w')}`]);
    p.lab.send(p.a, tagged(frame, 0xe000));
    expect(p.lab.arrived(p.w)).toEqual([`epair0b:${hexOf('w')}`]);
  });

  it('for another address stay away from the protocols, for the vlan\'s own address they do not', () => {
    const p = new Pair();
    const w5 = p.vlan(p.w, p.b, 5);
    ifSetLladdr(w5, mac('02:00:00:00:00:55'));
    for (const dst of [p.b.lladdr, w5.lladdr]) p.lab.send(p.a, tagged(testFrame(dst, p.a.lladdr, 'x'), 5));
    expect(p.lab.arrivals.get(p.w)!.map((x) => [x.ifname, x.flags & (M_PROMISC | M_VLANTAG)])).toEqual([[w5.xname, 0]]);
  });

  it('have the priority of the vlan, or the one the sender asked for', () => {
    const p = new Pair();
    const seen = p.watch();
    const v5 = p.vlan(p.v, p.a, 5);
    p.vlan(p.w, p.b, 5);
    p.say(v5, 'x');
    expect(seen.tag.split(' ')[0]).toBe('8100/5/0');
    expect(vlanSetPcp(v5, 3)).toBe(0);
    p.say(v5, 'x');
    expect(seen.tag.split(' ')[0]).toBe('8100/5/3');
    p.say(v5, 'x', 6);
    expect(seen.tag.split(' ')[0]).toBe('8100/5/6');
    p.a.pcp = 2;
    p.say(v5, 'x');
    expect(seen.tag.split(' ')[0]).toBe('8100/5/3');
    expect(p.say(p.a, 'prio')).toEqual([`epair0b:${hexOf('prio')}`]);
    expect(seen.tag.split(' ')[0]).toBe('8100/0/2');
  });

  it('keep their priority on the way up when net.link.vlan.mtag_pcp is set', () => {
    const p = new Pair();
    const v5 = p.vlan(p.v, p.a, 5);
    p.vlan(p.w, p.b, 5);
    vlanSetPcp(v5, 4);
    const pcps: number[] = [];
    p.w.registerEtherProto(TEST_ETHERTYPE, (_ifp, m) => {
      pcps.push(m.pcp);
      m.free();
    });
    p.say(v5, 'x');
    expect(p.w.kern.sysctl.set('net.link.vlan.mtag_pcp', 1)).toBe(0);
    p.say(v5, 'x');
    expect(pcps).toEqual([-1, 4]);
  });

  it('keep their priority as the vnet the vlan is in now has it', () => {
    const p = new Pair();
    const jail = p.lab.net('jail', [vlanCloner]);
    const v5 = p.vlan(p.v, p.a, 5);
    vlanSetPcp(v5, 4);
    const w5 = p.lab.move(p.vlan(p.w, p.b, 5), jail);
    ifUp(w5);
    jail.kern.sysctl.set('net.link.vlan.mtag_pcp', 1);
    p.say(v5, 'x');
    expect(p.lab.arrivals.get(jail)!.map((x) => x.pcp)).toEqual([4]);
  });

  it('bridged out of a vlan member get its tag around theirs', () => {
    const p = new Pair();
    const seen = p.watch();
    const v5 = p.vlan(p.v, p.a, 5);
    const [x, y] = p.lab.epair(p.v);
    const br = p.lab.create(p.v, 'bridge');
    ifUp(br);
    expect([bridgeAdd(br, v5.xname), bridgeAdd(br, x.xname)]).toEqual([0, 0]);
    p.lab.send(y, tagged(testFrame(BROADCAST, y.lladdr, 'x'), 9));
    expect(seen.tag).toBe('8100/5/0 81.0.0.9');
    p.lab.send(y, testFrame(BROADCAST, y.lladdr, 'x'));
    expect(seen.tag.split(' ')[0]).toBe('8100/5/0');
    expect(p.a.flags & IFF_PROMISC).not.toBe(0);
  });

  it.each([
    ['not configured', (_p: Pair, v5: Ifnet) => vlanUnconfig(v5), ENETDOWN], ['parent down', (p: Pair) => ifDown(p.a), ENETDOWN],
  ])('%s: refused', (_what, act, error) => {
    const p = new Pair();
    const v5 = p.vlan(p.v, p.a, 5);
    act(p, v5);
    expect(ifTransmit(v5, p.lab.packet(testFrame(BROADCAST, v5.lladdr, 'x')))).toBe(error);
    expect([v5.data.oerrors, v5.data.opackets, p.lab.engine.pool.inUse]).toEqual([1, 0, 0]);
  });
});

describe('vlan create', () => {
  it('knows three forms', () => {
    const p = new Pair();
    const bare = p.lab.create(p.v, 'vlan');
    expect([bare.xname, vlanInfo(bare)]).toEqual(['vlan0', { tag: 0, proto: 0, pcp: 0, parent: null }]);
    expect(bare.lladdr).toEqual(new Uint8Array(6));
    const named = p.lab.create(p.v, 'vlan7', { vlan: 7, vlandev: 'epair0a', vlanproto: '802.1ad' });
    expect(vlanInfo(named)).toEqual({ tag: 7, proto: QINQ, pcp: 0, parent: 'epair0a' });
    const dotted = p.lab.create(p.v, 'epair0a.8');
    expect(vlanInfo(dotted)).toEqual({ tag: 8, proto: 0x8100, pcp: 0, parent: 'epair0a' });
    const deeper = p.lab.create(p.v, 'vlan7.42');
    expect(vlanInfo(deeper)).toMatchObject({ tag: 42, parent: 'vlan7' });
    expect([named.lladdr, dotted.lladdr, deeper.lladdr]).toEqual([p.a.lladdr, p.a.lladdr, p.a.lladdr]);
    expect(p.v.groups.get('vlan')!.map((i) => i.xname)).toEqual(['vlan0', 'vlan7', 'epair0a.8', 'vlan7.42']);
    expect([named.linkState, named.flags & IFF_RUNNING, named.flags & IFF_SIMPLEX, ifMedia(named)?.active]).toEqual([
      LINK_STATE_UP, IFF_RUNNING, IFF_SIMPLEX, true,
    ]);
    p.lab.destroy();
    expect(p.lab.leftovers()).toEqual(NOTHING_LEFT);
    expect(p.v.kern.sysctl.count).toBe(0);
  });

  it.each([
    ['vlan', { vlan: 5, vlandev: 'nosuch0' }, ENXIO], ['vlan', { vlan: 0, vlandev: 'epair0a' }, EINVAL], ['vlan', { vlan: 4_095, vlandev: 'epair0a' }, EINVAL],
    ['vlan', { vlan: 4_096, vlandev: 'epair0a' }, EINVAL], ['vlan', { vlan: 5, vlandev: 'lo0' }, EPROTONOSUPPORT], ['vlan', { vlan: 5, vlandev: 'bridge0' }, EPROTONOSUPPORT],
    ['vlan', { vlan: 1, vlandev: 'epair0a' }, EEXIST], ['vlan', { vlan: 5, vlandev: 'epair0a', vlanproto: 'nonsense' }, EINVAL],
    ['nosuch0.5', null, EINVAL], ['epair0a.0', null, EINVAL], ['epair0a.4095', null, EINVAL], ['epair0a.1', null, EEXIST], ['epair0a.5', { vlan: 5, vlandev: 'vlan0' }, EINVAL],
    ['epair0a.', null, EINVAL], ['epair0a.x', null, EINVAL], ['vlan05', null, EINVAL], ['vlan0', null, EEXIST],
  ] as const)('%s %j: %d, and nothing is left', (name, params, error) => {
    const p = new Pair();
    p.lab.create(p.v, 'lo0');
    p.lab.create(p.v, 'bridge');
    p.vlan(p.v, p.a, 1);
    const before = [p.v.ifnets.length, p.v.cloners.map((c) => c.unitsTaken), p.lab.shared.attached];
    expect(ifCloneCreate(p.v, name, params).error).toBe(error);
    expect([p.v.ifnets.length, p.v.cloners.map((c) => c.unitsTaken), p.lab.shared.attached]).toEqual(before);
    expect(p.lab.create(p.v, 'vlan').xname).toBe('vlan1');
  });

  it('does not destroy the parent of another vlan, but by force', () => {
    const p = new Pair();
    const inner = p.lab.create(p.v, 'vlan');
    const outer = p.vlan(p.v, p.a, 5);
    vlanConfig(inner, outer.xname, 6);
    expect(ifCloneDestroy(p.v, outer.xname)).toBe(EBUSY);
    expect(p.v.ifunit(outer.xname)).toBe(outer);
    p.lab.destroy();
    expect(p.lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('vlan configuration', () => {
  it('answers with the right error and changes nothing then', () => {
    const p = new Pair();
    const [x] = p.lab.epair(p.v);
    p.vlan(p.v, p.a, 6);
    const v5 = p.vlan(p.v, p.a, 5);
    const inner = p.vlan(p.v, v5, 9);
    expect([
      vlanConfig(v5, 'nosuch0', 5), vlanConfig(v5, x.xname, 5), vlanConfig(v5, 'epair0a', 6), vlanConfig(v5, 'epair0a', 4_095), vlanConfig(v5, 'epair0a', 5, 0x1234),
      vlanConfig(v5, 'epair0a', 5, 0, 8), vlanConfig(p.a, 'epair0a', 5), vlanSetPcp(v5, 8), vlanSetPcp(v5, -1), vlanSetPcp(v5, 1.5), vlanSetPcp(p.a, 1), vlanUnconfig(p.a),
    ]).toEqual([ENOENT, EBUSY, EEXIST, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL]);
    expect(vlanInfo(v5)).toEqual({ tag: 5, proto: 0x8100, pcp: 0, parent: 'epair0a' });
    vlanUnconfig(v5);
    expect(vlanConfig(v5, inner.xname, 5)).toBe(EINVAL);
    expect(vlanConfig(v5, v5.xname, 5)).toBe(EINVAL);
    expect(vlanInfo(inner)!.parent).toBe(v5.xname);
  });

  it('changes the id on the same parent', () => {
    const p = new Pair();
    const v42 = p.vlan(p.v, p.a, 42);
    const w42 = p.vlan(p.w, p.b, 42);
    expect(vlanConfig(w42, 'epair0b', 43)).toBe(0);
    expect(p.say(v42, 'x')).toEqual([]);
    expect(vlanConfig(w42, 'epair0b', 42, QINQ, 5)).toBe(0);
    expect(vlanInfo(w42)).toEqual({ tag: 42, proto: QINQ, pcp: 5, parent: 'epair0b' });
    expect(p.say(v42, 'x')).toEqual([`vlan0:${hexOf('x')}`]);
  });

  it('is hidden and fixed away from home, and goes on working there', () => {
    const p = new Pair();
    const jail = p.lab.net('jail', []);
    const v5 = p.vlan(p.v, p.a, 5);
    const w5 = p.lab.move(p.vlan(p.w, p.b, 5), jail);
    ifUp(w5);
    expect([vlanInfo(w5), vlanConfig(w5, 'epair0b', 6), vlanUnconfig(w5), vlanSetPcp(w5, 1)]).toEqual([null, EPERM, EPERM, EPERM]);
    p.say(v5, 'x');
    expect(p.lab.arrived(jail)).toEqual([`${w5.xname}:${hexOf('x')}`]);
    ifCloneDestroy(p.v, 'epair0a');
    expect([w5.flags & IFF_RUNNING, w5.linkState, w5.net]).toEqual([0, LINK_STATE_UNKNOWN, jail]);
    expect(p.w.departureEvent.count).toBe(0);
  });
});

describe('a vlan and its parent', () => {
  it('shares link state, address and promiscuity', () => {
    const p = new Pair();
    const v5 = p.vlan(p.v, p.a, 5);
    const v6 = p.vlan(p.v, v5, 6);
    ifSetLladdr(p.a, mac('02:00:00:00:00:aa'));
    expect([v5.lladdr, v6.lladdr]).toEqual([p.a.lladdr, p.a.lladdr]);
    ifPromisc(v6, true);
    expect([v5, p.a].map((i) => i.promiscCount)).toEqual([1, 1]);
    ifPromisc(v6, false);
    expect([v5, p.a].map((i) => i.promiscCount)).toEqual([0, 0]);
    ifPromisc(v6, true);
    vlanUnconfig(v6);
    expect([v6.promiscCount, v5.promiscCount]).toEqual([1, 0]);
    vlanConfig(v6, v5.xname, 6);
    expect([v5, p.a].map((i) => i.promiscCount)).toEqual([1, 1]);
    expect(ifCloneDestroy(p.v, v6.xname)).toBe(0);
    expect([v5, p.a].map((i) => i.promiscCount)).toEqual([0, 0]);
    expect(v5.linkState).toBe(LINK_STATE_UP);
    const [sc] = [p.a.driver];
    (sc as unknown as { setRunning(on: boolean): void }).setRunning(false);
    expect(v5.linkState).toBe(LINK_STATE_DOWN);
  });

  it('never has more MTU than it', () => {
    const p = new Pair();
    const v5 = p.vlan(p.v, p.a, 5);
    expect([ifSetMtu(v5, 1_501), ifSetMtu(v5, 1_400), v5.mtu]).toEqual([EINVAL, 0, 1_400]);
    ifSetMtu(p.a, 9_000);
    expect(v5.mtu).toBe(1_400);
    expect(ifSetMtu(v5, 9_000)).toBe(0);
    ifSetMtu(p.a, 2_000);
    expect(v5.mtu).toBe(2_000);
    vlanUnconfig(v5);
    expect([v5.mtu, ifSetMtu(v5, 1_000)]).toEqual([1_500, EINVAL]);
    expect(vlanConfig(v5, 'epair0a', 5)).toBe(0);
    expect(v5.mtu).toBe(2_000);
  });

  it('is let go when the parent is destroyed or moves, not when it is renamed', () => {
    const p = new Pair();
    const [v5, v6] = [p.vlan(p.v, p.a, 5), p.vlan(p.v, p.a, 6)];
    ifRename(p.a, 'uplink');
    expect(vlanInfo(v5)!.parent).toBe('uplink');
    const elsewhere = p.lab.net('elsewhere', []);
    p.lab.move(p.a, elsewhere);
    for (const vlan of [v5, v6]) {
      expect(vlanInfo(vlan)).toEqual({ tag: 0, proto: 0, pcp: 0, parent: null });
      expect([vlan.linkState, vlan.flags & IFF_RUNNING, vlan.mtu]).toEqual([LINK_STATE_UNKNOWN, 0, 1_500]);
    }
    expect([p.a.trunk, p.v.departureEvent.count]).toEqual([null, 0]);
  });
});
