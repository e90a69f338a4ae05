/**
 * lagg.test.ts — what becomes of an interface in a lagg, who may join, what is given back, and what travels.
 */
import { describe, expect, it } from 'vitest';
import { E2BIG, EBUSY, EEXIST, EINVAL, ENETDOWN, ENOENT, ENOSPC, ENXIO, EPERM, EPROTONOSUPPORT } from '../../base/errno.js';
import { bridgeAdd } from '../bridge-control.js';
import { etherOutput } from '../ether.js';
import { ifCloneDestroy } from '../if-clone.js';
import { ifAddMulti, ifAllmulti, ifCounters, ifDelMulti, ifDown, ifLinkStateChange, ifPromisc, ifRename, ifSetCaps, ifSetLladdr, ifSetMtu, ifUp } from '../if.js';
import { ifTransmit } from '../if-transmit.js';
import { ifMedia } from '../if-media.js';
import { ifVmove } from '../if-vmove.js';
import {
  IFCAP_LINKSTATE, IFCAP_RXCSUM, IFCAP_VLAN_MTU, IFF_ALLMULTI, IFF_PROMISC, IFF_RUNNING, IFT_ETHER, IFT_IEEE8023ADLAG, LINK_STATE_DOWN, LINK_STATE_UP,
} from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { BROADCAST, NOTHING_LEFT, TEST_ETHERTYPE, hexOf, mac, testFrame } from '../test-net.js';
import { vlanConfig } from '../vlan.js';
import { laggAddPort, laggDeletePort, laggSetFlowidShift, laggSetHash, laggSetOption, laggSetProtocol, laggSetStride } from './lagg-control.js';
import {
  LAGG_MAX_PORTS, LAGG_OPT_USE_FLOWID, LAGG_PROTO_BROADCAST, LAGG_PROTO_FAILOVER, LAGG_PROTO_LACP, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_NONE, LAGG_PROTO_ROUNDROBIN,
} from './lagg-var.js';
import { LaggBench, STRANGER } from './test-lagg.js';

const PROTOS = [LAGG_PROTO_NONE, LAGG_PROTO_ROUNDROBIN, LAGG_PROTO_FAILOVER, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_LACP, LAGG_PROTO_BROADCAST] as const;
const text = (m: Uint8Array): string => Array.from(m, (x) => x.toString(16).padStart(2, '0')).join(':');

function at(list: readonly Ifnet[], i: number): Ifnet {
  const ifp = list[i];
  if (ifp === undefined) throw new Error(`no interface ${i}`);
  return ifp;
}

describe('link addresses', () => {
  it('are the first port\'s, on the lagg and on every port, and go back to each when it leaves', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 0);
    const own = [t.cable(), t.cable(), t.cable()].map((ifp) => text(ifp.lladdr));
    expect(text(t.lagg.lladdr)).toBe('00:00:00:00:00:00');
    for (const ifp of t.a) expect(laggAddPort(t.lagg, ifp.xname)).toBe(0);
    expect([t.lagg, ...t.a].map((ifp) => text(ifp.lladdr))).toEqual([own[0], own[0], own[0], own[0]]);
    expect(t.a.map((ifp) => ifp.type)).toEqual([IFT_IEEE8023ADLAG, IFT_IEEE8023ADLAG, IFT_IEEE8023ADLAG]);

    expect(laggDeletePort(t.lagg, at(t.a, 0).xname)).toBe(0);
    expect([t.lagg, ...t.a].map((ifp) => text(ifp.lladdr))).toEqual([own[1], own[0], own[1], own[1]]);
    expect(at(t.a, 0).type).toBe(IFT_ETHER);
    for (const ifp of t.a.slice(1)) laggDeletePort(t.lagg, ifp.xname);
    expect([t.lagg, ...t.a].map((ifp) => text(ifp.lladdr))).toEqual(['00:00:00:00:00:00', ...own]);
    expect(t.lagg.linkState).toBe(LINK_STATE_DOWN);
  });

  it('that the administrator gives the lagg go to its ports, when it is up', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 2);
    ifSetLladdr(t.lagg, mac('00:11:22:33:44:55'));
    expect(t.a.map((ifp) => text(ifp.lladdr))).toEqual(['00:11:22:33:44:55', '00:11:22:33:44:55']);
    ifDown(t.lagg);
    ifSetLladdr(t.lagg, mac('00:11:22:33:44:66'));
    expect(text(at(t.a, 1).lladdr)).toBe('00:11:22:33:44:55');
    ifUp(t.lagg);
    expect(t.a.map((ifp) => text(ifp.lladdr))).toEqual(['00:11:22:33:44:66', '00:11:22:33:44:66']);
  });
});

describe('who may be a port', () => {
  it('answers as FreeBSD does', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 2);
    const [p0] = t.a;
    const other = t.lab.create(t.net, 'lagg');
    const bridge = t.lab.create(t.net, 'bridge');
    const vlan = t.lab.create(t.net, 'vlan', { vlan: 5, vlandev: t.lagg.xname });
    const asks: readonly [string, Ifnet, string, number][] = [
      ['itself', t.lagg, t.lagg.xname, EINVAL],
      ['a lagg', t.lagg, other.xname, EINVAL],
      ['a vlan of its own', t.lagg, vlan.xname, EINVAL],
      ['a bridge', t.lagg, bridge.xname, EPROTONOSUPPORT],
      ['a port', t.lagg, p0?.xname ?? '', EEXIST],
      ['another lagg\'s port', other, p0?.xname ?? '', EBUSY],
      ['nobody', t.lagg, 'nope0', EINVAL],
      ['a vlan of another lagg', other, vlan.xname, 0],
    ];
    for (const [what, lagg, name, error] of asks) expect(laggAddPort(lagg, name), what).toBe(error);
    expect(laggAddPort(p0 ?? t.lagg, vlan.xname)).toBe(EINVAL);
    expect(laggDeletePort(t.lagg, vlan.xname)).toBe(ENOENT);
    expect(laggSetHash(t.lagg, 0)).toBe(EINVAL);
    expect(t.lab.log).toContain(`v: ${t.lagg.xname}: cannot add a lagg to itself as a port`);
  });

  it('has a limit', () => {
    const t = new LaggBench(LAGG_PROTO_LACP, LAGG_MAX_PORTS);
    expect(laggAddPort(t.lagg, t.cable().xname)).toBe(ENOSPC);
    expect(t.info().ports).toHaveLength(LAGG_MAX_PORTS);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('a port is no bridge member, no vlan\'s parent, and the stack does not send on it', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 1);
    const port = at(t.a, 0);
    const bridge = t.lab.create(t.net, 'bridge');
    expect(bridgeAdd(bridge, port.xname)).toBe(EINVAL);
    expect(vlanConfig(t.lab.create(t.net, 'vlan'), port.xname, 5)).toBe(EPROTONOSUPPORT);
    expect(ifSetMtu(port, 1_400)).toBe(EINVAL);
    expect(etherOutput(port, t.lab.packet(new Uint8Array(20)), 0xffff, 0xffffffff, TEST_ETHERTYPE)).toBe(ENETDOWN);
    expect(t.lab.engine.pool.inUse).toBe(0);
    expect(bridgeAdd(bridge, t.lagg.xname)).toBe(0);
  });

  it('a vlan does not take a parent that sends through it', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 0);
    const vlan = t.lab.create(t.net, 'vlan');
    expect(laggAddPort(t.lagg, vlan.xname)).toBe(0);
    expect(vlanConfig(vlan, t.lagg.xname, 7)).toBe(EINVAL);
  });
});

describe('MTU', () => {
  it('is the first port\'s; later ones take it; a change is for all or none', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 0);
    const [p, q] = [t.cable(), t.cable()];
    ifSetMtu(p, 1_400);
    laggAddPort(t.lagg, p.xname);
    laggAddPort(t.lagg, q.xname);
    expect([t.lagg.mtu, p.mtu, q.mtu]).toEqual([1_400, 1_400, 1_400]);
    expect(ifSetMtu(t.lagg, 1_300)).toBe(0);
    expect([t.lagg.mtu, p.mtu, q.mtu]).toEqual([1_300, 1_300, 1_300]);
    const below = t.cable();
    const vlan = t.lab.create(t.net, 'vlan', { vlan: 5, vlandev: below.xname });
    expect(laggAddPort(t.lagg, vlan.xname)).toBe(0);
    expect(ifSetMtu(t.lagg, 1_600)).toBe(EINVAL);
    expect([t.lagg.mtu, p.mtu, q.mtu, vlan.mtu]).toEqual([1_300, 1_300, 1_300, 1_300]);
    expect(t.lab.log.join()).toContain('failed to change MTU to 1600 on port vlan0, reverting all ports to original MTU (1300)');
    ifSetMtu(below, 1_200);
    const narrow = t.lab.create(t.net, 'vlan', { vlan: 6, vlandev: below.xname });
    expect(laggAddPort(t.lagg, narrow.xname)).toBe(EINVAL);
    expect(narrow.lagg).toBeNull();
  });
});

describe('what a lagg is, its ports are too', () => {
  it('promiscuous, all multicast, member of groups; and no longer when they leave', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 1);
    const group = mac('01:00:5e:00:00:05');
    ifPromisc(t.lagg, true);
    ifAllmulti(t.lagg, true);
    ifAddMulti(t.lagg, group);
    const [late] = [t.cable()];
    laggAddPort(t.lagg, late.xname);
    for (const ifp of t.a) {
      expect(ifp.flags & (IFF_PROMISC | IFF_ALLMULTI), ifp.xname).toBe(IFF_PROMISC | IFF_ALLMULTI);
      expect(ifp.multiaddrs.map((m) => text(m.mac)), ifp.xname).toEqual(['01:00:5e:00:00:05']);
    }
    ifDelMulti(t.lagg, group);
    expect(late.multiaddrs).toEqual([]);
    ifAddMulti(t.lagg, group);
    laggDeletePort(t.lagg, late.xname);
    expect([late.flags & (IFF_PROMISC | IFF_ALLMULTI), late.promiscCount, late.allmultiCount, late.multiaddrs.length]).toEqual([0, 0, 0, 0]);
    ifPromisc(t.lagg, false);
    expect(at(t.a, 0).flags & IFF_PROMISC).toBe(0);
  });

  it('has the capabilities that all ports have in force, and gives each its own back', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 0);
    const [p, q] = [t.lab.create(t.net, 'tap'), t.lab.create(t.net, 'tap')];
    const all = IFCAP_LINKSTATE | IFCAP_RXCSUM;
    ifSetCaps(p, all);
    laggAddPort(t.lagg, p.xname);
    expect(t.lagg.capenable).toBe(all);
    laggAddPort(t.lagg, q.xname);
    expect([t.lagg.capenable, p.capenable, q.capenable]).toEqual([IFCAP_LINKSTATE, IFCAP_LINKSTATE, IFCAP_LINKSTATE]);
    expect(ifSetCaps(t.lagg, all)).toBe(0);
    expect([t.lagg.capenable, p.capenable, q.capenable]).toEqual([all, all, all]);
    ifSetCaps(q, 0);
    expect([t.lagg.capenable, p.capenable]).toEqual([0, 0]);
    // What a driver lets nobody change stays on it, and off the lagg.
    const cable = t.cable();
    laggAddPort(t.lagg, cable.xname);
    expect([t.lagg.capenable, cable.capenable]).toEqual([0, IFCAP_VLAN_MTU]);
    for (const port of [cable, q, p]) laggDeletePort(t.lagg, port.xname);
    expect([t.lagg.capenable, p.capenable, q.capenable, cable.capenable]).toEqual([0, all, IFCAP_LINKSTATE, IFCAP_VLAN_MTU]);
  });

  it('its link is up when one of theirs is', () => {
    const t = new LaggBench(LAGG_PROTO_ROUNDROBIN, 2);
    expect([t.lagg.linkState, t.lagg.baudrate]).toEqual([LINK_STATE_UP, 2e10]);
    for (const ifp of t.a) ifLinkStateChange(ifp, LINK_STATE_DOWN);
    expect([t.lagg.linkState, ifMedia(t.lagg)?.active]).toEqual([LINK_STATE_DOWN, false]);
    ifLinkStateChange(at(t.a, 1), LINK_STATE_UP);
    expect(t.lagg.linkState).toBe(LINK_STATE_UP);
    ifDown(t.lagg);
    expect([t.lagg.flags & IFF_RUNNING, at(t.a, 0).isUp]).toEqual([0, true]);
    expect(t.hears(1, 'x')).toEqual([]);
  });
});

it('counts what its ports carried while they were ports, also those that have left', () => {
  const t = new LaggBench(LAGG_PROTO_FAILOVER, 0);
  const port = t.cable();
  t.lab.send(port, testFrame(BROADCAST, port.lladdr, 'before'));
  laggAddPort(t.lagg, port.xname);
  t.says('one');
  t.hears(0, 'two');
  const counts = (): number[] => [ifCounters(t.lagg).opackets, ifCounters(t.lagg).omcasts, ifCounters(t.lagg).ipackets, ifCounters(t.lagg).oerrors];
  expect(counts()).toEqual([1, 0, 1, 0]);
  ifDown(at(t.b, 0));
  t.says('lost');
  expect(counts()[3]).toBe(1);
  expect(ifTransmit(t.lagg, t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'long', 1_600)))).toBe(E2BIG);
  expect(counts()[3], 'one frame, one error').toBe(2);
  laggDeletePort(t.lagg, port.xname);
  expect(counts()).toEqual([1, 0, 1, 2]);
  expect(ifTransmit(t.lagg, t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'no port')))).toBe(ENXIO);
  expect(counts()).toEqual([1, 0, 1, 3]);
});

describe('departure', () => {
  it('a port that is destroyed leaves; one that is renamed stays; one that moves takes its own address along', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 3);
    const w = t.otherNet();
    const [p, q, r] = [at(t.a, 0), at(t.a, 1), at(t.a, 2)];
    ifRename(q, 'second');
    expect(t.info().ports.map((x) => x.name)).toEqual(['epair0a', 'second', 'epair2a']);
    expect(ifCloneDestroy(t.net, p.xname)).toBe(0);
    expect(t.info().ports.map((x) => x.name)).toEqual(['second', 'epair2a']);
    expect(text(t.lagg.lladdr)).toBe(text(q.hwaddr));
    ifPromisc(t.lagg, true);
    ifVmove(r, w);
    expect(t.info().ports.map((x) => x.name)).toEqual(['second']);
    expect(w.ifunit('epair2a')?.promiscCount).toBe(0);
    expect(text(w.ifunit('epair2a')?.lladdr ?? mac('00:00:00:00:00:00'))).toBe(text(r.hwaddr));
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('a lagg that moves keeps ports, protocol and hash: they stay where they are and go on working', () => {
    const t = new LaggBench(LAGG_PROTO_ROUNDROBIN, 2);
    const w = t.otherNet();
    laggSetHash(t.lagg, 1);
    ifVmove(t.lagg, w);
    const moved = w.ifunit('lagg0');
    expect(moved).not.toBeNull();
    if (moved === null) return;
    ifUp(moved);
    expect(t.info(moved)).toMatchObject({ proto: LAGG_PROTO_ROUNDROBIN, hash: 1, active: 2, ports: [] }); // the lender's names are not shown
    expect(text(moved.lladdr)).toBe(text(at(t.a, 0).lladdr));
    t.lab.send(at(t.b, 1), testFrame(BROADCAST, STRANGER, 'in'));
    expect([t.lab.arrived(t.net), t.lab.arrived(w)]).toEqual([[], [`lagg0:${hexOf('in')}`]]);
    expect([t.says('out', moved), t.says('out', moved)]).toEqual([[0], [1]]);
    expect(laggDeletePort(moved, 'epair0a')).toBe(EPERM);
    ifCloneDestroy(t.net, 'epair0a');
    ifVmove(moved, t.net);
    const back = t.net.ifunit('lagg0') ?? moved;
    expect(t.info(back).ports.map((p) => p.name)).toEqual(['epair1a']);
    ifUp(back);
    expect(t.says('home', back)).toEqual([1]);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('a lagg whose ports are in another vnet', () => {
  it('lets nothing be changed that is the ports\' as well, until they are gone', () => {
    const t = new LaggBench(LAGG_PROTO_ROUNDROBIN, 2);
    const w = t.otherNet();
    const [own] = t.lab.epair(w);
    ifVmove(t.lagg, w);
    const lent = w.ifunit('lagg0') ?? t.lagg;
    ifUp(lent);
    const state = (): unknown => ({ ...t.info(lent), ports: t.a.map((p) => [p.lagg !== null, p.mtu, text(p.lladdr), p.capenable]), lladdr: text(lent.lladdr), mtu: lent.mtu, capenable: lent.capenable });
    const before = state();
    const changes = [
      () => laggSetProtocol(lent, LAGG_PROTO_NONE), () => laggSetHash(lent, 1), () => laggSetOption(lent, LAGG_OPT_USE_FLOWID, true), () => laggSetFlowidShift(lent, 3),
      () => laggSetStride(lent, 7), () => laggAddPort(lent, own.xname), () => ifSetMtu(lent, 1300), () => ifSetLladdr(lent, mac('02:00:00:00:00:55')), () => ifSetCaps(lent, 0),
    ];
    expect(changes.map((change) => change())).toEqual(changes.map(() => EPERM));
    for (const name of ['epair0a', own.xname, 'nope']) expect(laggDeletePort(lent, name), name).toBe(EPERM);
    expect(state()).toEqual(before);
    for (const port of t.a) ifCloneDestroy(t.net, port.xname);
    expect(changes.map((change) => change()).filter((error) => error === EPERM)).toEqual([]);
    expect(t.info(lent).ports.map((p) => p.name)).toEqual([own.xname]);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('may be a member of a bridge of the same MTU there', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 1);
    const w = t.otherNet();
    const [own] = t.lab.epair(w);
    const bridge = t.lab.create(w, 'bridge');
    ifVmove(t.lagg, w);
    expect([bridgeAdd(bridge, own.xname), bridgeAdd(bridge, 'lagg0')]).toEqual([0, 0]);
    expect(ifSetMtu(bridge, 1400)).toBe(EINVAL);
    expect([own.mtu, at(t.a, 0).mtu]).toEqual([1500, 1500]);
  });
});

describe('other interfaces', () => {
  it('a vlan on a lagg, a lagg on vlans', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 1);
    const vlan = t.lab.create(t.net, 'vlan', { vlan: 5, vlandev: t.lagg.xname });
    const far = t.lab.create(t.net, 'vlan', { vlan: 5, vlandev: at(t.b, 0).xname });
    const outer = t.lab.create(t.net, 'lagg');
    laggAddPort(outer, far.xname);
    for (const ifp of [vlan, far, outer]) ifUp(ifp);
    t.lab.send(vlan, testFrame(BROADCAST, vlan.lladdr, 'tagged'));
    expect(t.lab.arrived(t.net)).toEqual([`${outer.xname}:${hexOf('tagged')}`]);
    t.lab.send(outer, testFrame(BROADCAST, outer.lladdr, 'back'));
    expect(t.lab.arrived(t.net)).toEqual([`${vlan.xname}:${hexOf('back')}`]);
  });

  it('a lagg as a bridge member', () => {
    const t = new LaggBench(LAGG_PROTO_FAILOVER, 1);
    const third = t.cable();
    const bridge = t.lab.create(t.net, 'bridge');
    for (const ifp of [t.lagg, third]) expect(bridgeAdd(bridge, ifp.xname)).toBe(0);
    ifUp(bridge);
    expect(at(t.a, 0).flags & IFF_PROMISC).toBe(IFF_PROMISC);
    expect(t.hears(0, 'across')).toEqual([bridge.xname, t.lagg.xname, at(t.b, 1).xname]);
    expect(t.hears(1, 'and back')).toEqual([bridge.xname, third.xname, at(t.b, 0).xname]);
  });
});

describe.each(PROTOS)('protocol %i', (proto) => {
  it('leaves nothing when the lagg is destroyed, when its vnet ends, or when it gives way to another', () => {
    const t = new LaggBench(proto, 3);
    t.seconds(10);
    expect(ifCloneDestroy(t.net, t.lagg.xname)).toBe(0);
    expect(t.a.map((ifp) => [ifp.type, ifp.lagg, ifp.multiaddrs.length])).toEqual(t.a.map(() => [IFT_ETHER, null, 0]));
    expect(t.lab.leftovers()).toMatchObject({ callouts: 0, handlers: 0, packets: 0 });
    const next = t.lab.create(t.net, 'lagg');
    laggSetProtocol(next, proto);
    for (const ifp of t.a) laggAddPort(next, ifp.xname);
    ifUp(next);
    t.seconds(5);
    for (const other of PROTOS) laggSetProtocol(next, other);
    laggSetProtocol(next, proto);
    t.seconds(5);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});
