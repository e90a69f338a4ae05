/**
 * bridge.test.ts — a bridge in virtual time: who gets which frame, what is learned, what members and parameters do.
 */
import { describe, expect, it } from 'vitest';
import { EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPERM } from '../base/errno.js';
import { GSO_UDP_L4, M_VLANTAG, PacketPool } from '../mbuf/packet-buffer.js';
import { bpfOpen } from './bpf.js';
import { bridgeCloner, bridgeOf } from './bridge.js';
import {
  bridgeAdd, bridgeAddSpan, bridgeAddrs, bridgeDelete, bridgeDeleteAddr, bridgeDeleteSpan, bridgeFlush, bridgeMembers, bridgeParams, bridgeSetFlags,
  bridgeSetMemberParam, bridgeSetParam, bridgeSetStatic,
} from './bridge-control.js';
import { IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE, IFBIF_SPAN, IFBIF_STICKY } from './bridge-forward.js';
import { IFBAF_STATIC, IFBAF_STICKY } from './bridge-rtable.js';
import { epairCloner } from './epair.js';
import { etherOutput } from './ether.js';
import { ifCloneDestroy } from './if-clone.js';
import { ifDown, ifRename, ifSetLladdr, ifSetMtu, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { IFF_MONITOR, IFF_PROMISC, IFF_RUNNING, LINK_STATE_DOWN, LINK_STATE_UP } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { BROADCAST, NOTHING_LEFT, TEST_ETHERTYPE, TestLab, hexOf, mac, tagged, testFrame } from './test-net.js';

const S = 1_000_000;

/** A bridge in "host" with n members; the far ends of the cables are in vnets of their own. */
class Switch {
  readonly lab = new TestLab();
  readonly host: Net;
  readonly ifp: Ifnet;
  readonly members: Ifnet[] = [];
  readonly ends: Ifnet[] = [];
  readonly vnets: Net[] = [];

  constructor(n: number) {
    this.host = this.lab.net('host', [epairCloner, bridgeCloner]);
    this.ifp = this.lab.create(this.host, 'bridge');
    ifUp(this.ifp);
    for (let i = 0; i < n; i++) {
      const [member, near] = this.lab.epair(this.host);
      const vnet = this.lab.net(`h${i}`, []);
      const end = this.lab.move(near, vnet);
      ifUp(end);
      expect(bridgeAdd(this.ifp, member.xname)).toBe(0);
      this.members.push(member);
      this.ends.push(end);
      this.vnets.push(vnet);
    }
  }

  /** From end `from` to a MAC address; which ends and which interfaces of the host got it. */
  send(from: number, dst: Uint8Array, text = 'x', src = this.ends[from]!.lladdr, tci = 0): string {
    const frame = testFrame(dst, src, text);
    this.lab.send(this.ends[from]!, tci === 0 ? frame : tagged(frame, tci));
    return this.reached();
  }

  /** Who saw frames since the last call: ends by number (by their counters), interfaces of the host by what reached its protocols. */
  reached(): string {
    const ends = this.ends.flatMap((e, i) => {
      const n = e.data.ipackets - (this.seen[i] ?? 0);
      this.seen[i] = e.data.ipackets;
      return n === 0 ? [] : [n === 1 ? `${i}` : `${i}x${n}`];
    });
    return [...ends, ...this.lab.arrived(this.host)].join(' ');
  }

  addrs(): string[] {
    return bridgeAddrs(this.ifp)!.map((a) => `${a.member} vlan ${a.vlan} ${a.mac.join('.')} ${a.expire} ${a.flags}`);
  }

  private readonly seen: number[] = [];
}

const UNKNOWN = mac('02:99:99:99:99:99');

describe('forwarding', () => {
  it('floods what it does not know and forwards what it does', () => {
    const s = new Switch(3);
    expect(s.send(0, s.ends[1]!.lladdr)).toBe('1 2');
    expect(s.send(1, s.ends[0]!.lladdr)).toBe('0');
    expect(s.send(0, s.ends[1]!.lladdr)).toBe('1');
    expect(bridgeMembers(s.ifp)!.map((m) => m.addrCount)).toEqual([0, 1, 1]);
    expect(s.lab.engine.pool.inUse).toBe(0);
  });

  it('floods broadcast to every port, to itself, and to the protocols of the port it came in on', () => {
    const s = new Switch(3);
    const h = hexOf('hello');
    expect(s.send(1, BROADCAST, 'hello')).toBe(`0 2 bridge0:${h} epair1a:${h}`);
    expect(s.send(1, mac('01:00:5e:00:00:01'), 'hello')).toBe(`0 2 bridge0:${h} epair1a:${h}`);
    expect(s.ifp.data).toMatchObject({ ipackets: 2, imcasts: 2, opackets: 4, omcasts: 2 });
    expect(s.lab.engine.pool.inUse).toBe(0);
  });

  it('does not forward the addresses reserved for bridges', () => {
    const s = new Switch(2);
    expect(s.send(0, mac('01:80:c2:00:00:00'))).toBe('');
    expect(s.send(0, mac('01:80:c2:00:00:0f'))).toBe('');
    expect(s.send(0, mac('01:80:c2:00:00:10'))).toContain('1');
    expect(bridgeOf(s.ifp)!.fwd.stats.reserved).toBe(2);
  });

  it('delivers what is addressed to the bridge or to any member', () => {
    const s = new Switch(3);
    expect(s.send(0, s.ifp.lladdr, 'a')).toBe(`bridge0:${hexOf('a')}`);
    expect(s.send(0, s.members[0]!.lladdr, 'b')).toBe(`epair0a:${hexOf('b')}`);
    expect(s.send(0, s.members[2]!.lladdr, 'c')).toBe(`epair2a:${hexOf('c')}`);
    expect(s.lab.arrivals.get(s.host)).toEqual([]);
    expect(s.addrs()).toHaveLength(1);
    const likeIt = Uint8Array.from(s.ifp.lladdr);
    likeIt[3]! ^= 1;
    expect(s.send(0, likeIt)).toBe('1 2');
    const likeMember = Uint8Array.from(s.members[0]!.lladdr);
    likeMember[0] = 0x06;
    expect(s.send(0, likeMember)).toBe('1 2');
    ifSetLladdr(s.members[2]!, mac('02:00:00:00:00:77'));
    expect(s.send(0, mac('02:00:00:00:00:77'), 'd')).toBe(`epair2a:${hexOf('d')}`);
    expect(bridgeDelete(s.ifp, 'epair2a')).toBe(0);
    expect(s.send(0, mac('02:00:00:00:00:77'))).toBe('1');
  });

  it('drops its own frames when they come back', () => {
    const s = new Switch(2);
    expect(s.send(0, UNKNOWN, 'x', s.ifp.lladdr)).toBe('');
    expect(s.send(0, UNKNOWN, 'x', s.members[1]!.lladdr)).toBe('');
    expect(bridgeOf(s.ifp)!.fwd.stats.own).toBe(2);
    expect(s.addrs()).toEqual([]);
  });

  it('drops what is for the segment it came from', () => {
    const s = new Switch(2);
    s.send(0, BROADCAST, 'x', mac('02:00:00:00:00:01'));
    expect(s.send(0, mac('02:00:00:00:00:01'))).toBe('');
    expect(bridgeOf(s.ifp)!.fwd.stats.filtered).toBe(1);
  });

  it('drops what is for a port that does not run', () => {
    const s = new Switch(2);
    s.send(1, s.ifp.lladdr);
    s.reached();
    s.members[1]!.flags &= ~IFF_RUNNING;
    expect(s.send(0, s.ends[1]!.lladdr)).toBe('');
    expect(s.send(0, BROADCAST)).not.toContain('1 ');
    expect([bridgeOf(s.ifp)!.fwd.stats.down, s.ifp.data.oerrors]).toEqual([1, 0]);
  });

  it('sends what its own host sends: through the bridge, or through a member', () => {
    const s = new Switch(3);
    s.send(2, s.ifp.lladdr);
    s.reached();
    const out = (ifp: Ifnet, dst: Uint8Array): string => {
      const [hi, lo] = [(dst[0]! << 8) | dst[1]!, new DataView(dst.buffer).getUint32(dst.byteOffset + 2)];
      expect(etherOutput(ifp, s.lab.packet(Uint8Array.of(1)), hi, lo, TEST_ETHERTYPE)).toBe(0);
      s.lab.turn();
      return s.reached();
    };
    expect(out(s.ifp, s.ends[2]!.lladdr)).toBe('2');
    expect(out(s.ifp, s.ends[0]!.lladdr)).toBe('0 1 2');
    expect(out(s.ifp, BROADCAST)).toBe('0 1 2');
    expect(out(s.members[0]!, s.ends[2]!.lladdr)).toBe('2');
    expect(out(s.members[0]!, BROADCAST)).toBe('0 1 2');
    expect(s.ifp.data.opackets).toBe(1 + 3 + 3 + 1 + 3);
    ifDown(s.ifp);
    expect(out(s.members[0]!, BROADCAST)).toBe('0');
    expect(s.lab.engine.pool.inUse).toBe(0);
  });

  it('keeps VLANs apart', () => {
    const s = new Switch(3);
    s.send(0, BROADCAST, 'x', UNKNOWN, 5);
    s.send(1, BROADCAST, 'x', UNKNOWN, 6);
    s.reached();
    expect(s.send(2, UNKNOWN, 'x', undefined, 0x2005)).toBe('0');
    expect(s.send(2, UNKNOWN, 'x', undefined, 6)).toBe('1');
    expect(s.send(2, UNKNOWN)).toBe('0 1');
    expect(s.addrs().filter((a) => a.includes('153.153'))).toHaveLength(2);
    let seen = -1;
    s.ends[0]!.input = (_i, m) => {
      seen = (m.flags & M_VLANTAG) === 0 ? -2 : m.vtag;
      m.free();
    };
    s.send(2, UNKNOWN, 'x', undefined, 0x2005);
    expect(seen).toBe(0x2005);
  });

  it('passes super-segments whole and leaves frames alone while it is down', () => {
    const s = new Switch(2);
    const m = s.lab.packet(testFrame(s.ends[1]!.lladdr, s.ends[0]!.lladdr, 'x', 30_000));
    Object.assign(m, { gsoType: GSO_UDP_L4, gsoSize: 1_000 });
    ifTransmit(s.ends[0]!, m);
    s.lab.turn();
    expect(s.ends[1]!.data.ibytes).toBe(30_000);
    s.reached();
    ifDown(s.ifp);
    expect(s.send(0, BROADCAST, 'x')).toBe(`epair0a:${hexOf('x')}`);
  });

  it('outlives a storm: bridges in a triple loop', () => {
    const lab = new TestLab(1, new PacketPool(1_024));
    const net = lab.net('v', [epairCloner, bridgeCloner]);
    const bridges = [lab.create(net, 'bridge'), lab.create(net, 'bridge')];
    bridges.forEach(ifUp);
    for (let i = 0; i < 3; i++) lab.epair(net).forEach((e, j) => expect(bridgeAdd(bridges[j]!, e.xname)).toBe(0));
    etherOutput(bridges[0]!, lab.packet(Uint8Array.of(1)), 0xffff, 0xffffffff, TEST_ETHERTYPE);
    lab.turn();
    expect(bridges.map((b) => b.data.oerrors > 0)).toEqual([true, true]);
    expect(lab.engine.pool.inUse).toBe(0);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('learning', () => {
  it('forgets a silent address after the timeout, not before, and leaves no timer', () => {
    const s = new Switch(2);
    s.send(0, BROADCAST);
    expect(s.host.kern.calloutsArmed).toBe(1);
    s.lab.turn(1_100 * S);
    expect(s.addrs()).toHaveLength(1);
    s.send(0, BROADCAST);
    s.lab.turn(1_190 * S);
    expect(s.addrs()).toHaveLength(1);
    s.lab.turn(320 * S);
    expect(s.addrs()).toEqual([]);
    expect(s.host.kern.calloutsArmed).toBe(0);
  });

  it('takes another timeout at once, and 0 for never', () => {
    const s = new Switch(2);
    s.send(0, BROADCAST);
    expect(bridgeSetParam(s.ifp, 'timeout', 10)).toBe(0);
    s.send(0, BROADCAST);
    s.lab.turn(21 * S);
    expect(s.addrs()).toEqual([]);
    bridgeSetParam(s.ifp, 'timeout', 0);
    s.send(0, BROADCAST);
    s.lab.turn(1e6 * S);
    expect(s.addrs().map((a) => a.split(' ').slice(-2).join(' '))).toEqual(['0 0']);
  });

  it('follows an address that moves, and says so, not too often', () => {
    const s = new Switch(2);
    for (let i = 0; i < 20; i++) s.send(i % 2, BROADCAST, 'x', UNKNOWN);
    expect(bridgeOf(s.ifp)!.fwd.stats.moved).toBe(19);
    expect(s.lab.log).toHaveLength(5);
    expect(s.lab.log[0]).toBe('host: bridge0: mac address 02:99:99:99:99:99 vlan 0 moved from epair0a to epair1a');
    expect(s.host.kern.sysctl.set('net.link.bridge.log_mac_flap', 0)).toBe(0);
    s.lab.turn(10 * S);
    s.send(0, BROADCAST, 'x', UNKNOWN);
    expect(s.lab.log).toHaveLength(5);
  });

  it('is bounded by maxaddr and by ifmaxaddr', () => {
    const s = new Switch(2);
    bridgeSetParam(s.ifp, 'maxaddr', 10);
    for (let i = 0; i < 15; i++) s.send(0, BROADCAST, 'x', Uint8Array.of(2, 0, 0, 0, 1, i));
    expect(bridgeParams(s.ifp)).toMatchObject({ maxAddr: 10, exceeded: 5 });
    expect(s.addrs()).toHaveLength(10);
    expect(s.send(0, UNKNOWN, 'x', mac('02:00:00:00:02:00'))).toContain('1');
    bridgeFlush(s.ifp, false);
    expect(bridgeSetMemberParam(s.ifp, 'epair0a', 'ifmaxaddr', 2)).toBe(0);
    for (let i = 0; i < 5; i++) s.send(0, UNKNOWN, 'x', Uint8Array.of(2, 0, 0, 0, 1, i));
    expect(s.send(0, UNKNOWN, 'x', mac('02:00:00:00:01:04'))).toBe('');
    expect(s.send(0, UNKNOWN, 'x', mac('02:00:00:00:01:01'))).toBe('1');
    expect(bridgeMembers(s.ifp)!.find((m) => m.name === 'epair0a')).toMatchObject({ addrMax: 2, addrCount: 2, addrExceeded: 4 });
  });

  it('obeys the flags of a member', () => {
    const s = new Switch(3);
    const set = (i: number, flags: number, clear = 0): number => bridgeSetFlags(s.ifp, s.members[i]!.xname, flags, clear);
    set(1, 0, IFBIF_DISCOVER);
    expect(s.send(0, UNKNOWN)).toBe('2');
    set(1, IFBIF_DISCOVER | IFBIF_PRIVATE);
    set(0, IFBIF_PRIVATE);
    expect(s.send(0, UNKNOWN)).toBe('2');
    s.send(1, s.ifp.lladdr);
    s.reached();
    expect(s.send(0, s.ends[1]!.lladdr)).toBe('');
    expect(s.send(2, s.ends[1]!.lladdr)).toBe('1');
    bridgeFlush(s.ifp, false);
    set(0, IFBIF_STICKY, IFBIF_PRIVATE);
    set(2, 0, IFBIF_LEARNING);
    s.send(0, BROADCAST);
    s.send(2, BROADCAST);
    expect(s.addrs().map((a) => a.split(' ')[0])).toEqual(['epair0a']);
    s.send(1, BROADCAST, 'x', s.ends[0]!.lladdr);
    expect(s.addrs()[0]).toMatch(new RegExp(`^epair0a .* ${IFBAF_STICKY}$`));
    bridgeFlush(s.ifp, false);
    expect(s.addrs()).toHaveLength(1);
    bridgeFlush(s.ifp, true);
    expect(s.addrs()).toEqual([]);
    expect(set(0, IFBIF_SPAN)).toBe(EINVAL);
    expect(bridgeSetFlags(s.ifp, 'epair9a', 1, 0)).toBe(ENOENT);
  });

  it('keeps static addresses where they were put', () => {
    const s = new Switch(2);
    const a = mac('00:01:02:03:04:05');
    expect(bridgeSetStatic(s.ifp, 'epair1b', a)).toBe(ENOENT);
    expect(bridgeSetStatic(s.ifp, 'epair1a', mac('01:00:00:00:00:00'))).toBe(EINVAL);
    expect(bridgeSetStatic(s.ifp, 'epair1a', new Uint8Array(6))).toBe(EINVAL);
    expect(bridgeSetStatic(s.ifp, 'epair1a', a.subarray(0, 5))).toBe(EINVAL);
    expect([-1, 4_095].map((vlan) => bridgeSetStatic(s.ifp, 'epair1a', a, vlan))).toEqual([EINVAL, EINVAL]);
    expect(bridgeSetStatic(s.ifp, 'epair1a', a)).toBe(0);
    expect(bridgeSetStatic(s.ifp, 'epair1a', a, 42)).toBe(0);
    s.send(0, BROADCAST, 'x', a);
    expect(s.addrs()).toEqual([`epair1a vlan 42 0.1.2.3.4.5 0 ${IFBAF_STATIC}`, `epair1a vlan 0 0.1.2.3.4.5 0 ${IFBAF_STATIC}`]);
    expect(s.send(0, a)).toBe('1');
    ifDown(s.ifp);
    expect(s.addrs()).toHaveLength(2);
    expect(bridgeDeleteAddr(s.ifp, a, 41)).toBe(ENOENT);
    expect(bridgeDeleteAddr(s.ifp, a, 42)).toBe(0);
    expect([bridgeDeleteAddr(s.ifp, UNKNOWN), bridgeDeleteAddr(s.ifp, a.subarray(1)), bridgeDeleteAddr(s.members[0]!, a)]).toEqual([ENOENT, EINVAL, EINVAL]);
    expect(bridgeDeleteAddr(s.ifp, a)).toBe(0);
    expect(bridgeDeleteAddr(s.ifp, a)).toBe(ENOENT);
    bridgeSetParam(s.ifp, 'maxaddr', 0);
    expect(bridgeSetStatic(s.ifp, 'epair1a', a)).toBe(ENOSPC);
  });

  it('turns a learned address into a static one', () => {
    const s = new Switch(2);
    s.send(0, BROADCAST);
    expect(bridgeSetStatic(s.ifp, 'epair1a', s.ends[0]!.lladdr)).toBe(0);
    expect(bridgeAddrs(s.ifp)).toMatchObject([{ member: 'epair1a', flags: IFBAF_STATIC, expire: 0 }]);
    expect(bridgeMembers(s.ifp)!.map((m) => m.addrCount)).toEqual([1, 0]);
  });
});

describe('span and monitor', () => {
  it('copies everything to a span port and nothing after it is removed', () => {
    const s = new Switch(2);
    const [span, watch] = s.lab.epair(s.host);
    expect(bridgeAddSpan(s.ifp, span.xname)).toBe(0);
    s.send(0, s.ends[1]!.lladdr);
    s.send(1, s.ends[0]!.lladdr);
    s.send(0, BROADCAST);
    expect(watch.data.ipackets).toBe(3);
    expect([bridgeAdd(s.ifp, span.xname), bridgeAddSpan(s.ifp, span.xname), bridgeAddSpan(s.ifp, 'epair0a')]).toEqual([EBUSY, EBUSY, EBUSY]);
    expect(bridgeMembers(s.ifp)!.at(-1)).toMatchObject({ name: span.xname, flags: IFBIF_SPAN });
    expect(bridgeDeleteSpan(s.ifp, span.xname)).toBe(0);
    expect(bridgeDeleteSpan(s.ifp, span.xname)).toBe(ENOENT);
    s.send(0, BROADCAST);
    expect(watch.data.ipackets).toBe(3);
    bridgeAddSpan(s.ifp, span.xname);
    ifCloneDestroy(s.host, span.xname);
    expect(bridgeMembers(s.ifp)).toHaveLength(2);
  });

  it('swallows everything in monitor mode', () => {
    const s = new Switch(2);
    s.ifp.flags |= IFF_MONITOR;
    expect(s.send(0, BROADCAST)).toBe('');
    expect(s.ifp.data.ipackets).toBe(1);
  });

  it('shows a capture on the bridge every frame once', () => {
    const s = new Switch(2);
    const cap = bpfOpen(s.host, 'bridge0', {}).listener!;
    s.send(0, s.ends[1]!.lladdr);
    s.send(0, BROADCAST);
    s.send(0, s.ifp.lladdr);
    expect(cap.received).toBe(3);
    cap.close();
  });
});

describe('members', () => {
  it('answers addm and deletem with the right error', () => {
    const s = new Switch(1);
    const other = s.lab.create(s.host, 'bridge');
    expect([
      bridgeAdd(s.ifp, 'nosuch0'), bridgeAdd(s.ifp, 'epair0a'), bridgeAdd(other, 'epair0a'), bridgeAdd(s.ifp, 'bridge1'), bridgeAdd(s.members[0]!, 'epair0a'),
      bridgeDelete(s.ifp, 'nosuch0'), bridgeDelete(other, 'epair0a'), bridgeDelete(s.ifp, 'epair0a'), bridgeDelete(s.ifp, 'epair0a'),
    ]).toEqual([ENOENT, EEXIST, EBUSY, EINVAL, EINVAL, ENOENT, ENOENT, 0, ENOENT]);
    expect(bridgeAdd(other, 'epair0a')).toBe(0);
  });

  it('are promiscuous while they are members', () => {
    const s = new Switch(1);
    const m = s.members[0]!;
    expect(m.flags & IFF_PROMISC).not.toBe(0);
    bridgeDelete(s.ifp, m.xname);
    expect(m.flags & IFF_PROMISC).toBe(0);
    bridgeAdd(s.ifp, m.xname);
    const there = s.lab.move(m, s.vnets[0]!);
    expect([m, there].map((i) => [i.flags & IFF_PROMISC, i.promiscCount])).toEqual([[0, 0], [0, 0]]);
  });

  it('share one MTU, changed together or not at all', () => {
    const s = new Switch(2);
    expect(ifSetMtu(s.ifp, 2_000)).toBe(0);
    expect([s.ifp, ...s.members].map((i) => i.mtu)).toEqual([2_000, 2_000, 2_000]);
    expect([ifSetMtu(s.ifp, 575), ifSetMtu(s.ifp, 576), ifSetMtu(s.ifp, 2_000)]).toEqual([EINVAL, 0, 0]);
    expect(ifSetMtu(s.members[0]!, 1_900)).toBe(EOPNOTSUPP);
    const [late] = s.lab.epair(s.host);
    expect(bridgeAdd(s.ifp, late.xname)).toBe(0);
    expect(late.mtu).toBe(2_000);
    late.driver.setMtu = (_ifp, mtu) => (mtu > 3_000 ? EINVAL : 0);
    expect(ifSetMtu(s.ifp, 9_000)).toBe(EINVAL);
    expect([s.ifp, ...s.members, late].map((i) => i.mtu)).toEqual([2_000, 2_000, 2_000, 2_000]);
    expect(s.lab.log.at(-1)).toBe(`host: bridge0: invalid MTU: 9000 for member ${late.xname}`);
    const [never] = s.lab.epair(s.host);
    never.driver.setMtu = () => EINVAL;
    expect(bridgeAdd(s.ifp, never.xname)).toBe(EINVAL);
    expect([never.bridge, never.promiscCount]).toEqual([null, 0]);
  });

  it('give an empty bridge their MTU', () => {
    const s = new Switch(0);
    const [a] = s.lab.epair(s.host);
    ifSetMtu(a, 4_000);
    bridgeAdd(s.ifp, a.xname);
    expect(s.ifp.mtu).toBe(4_000);
    bridgeDelete(s.ifp, a.xname);
    expect(ifSetMtu(s.ifp, 9_000)).toBe(0);
  });

  it('leave when they are destroyed or moved, not when they are renamed', () => {
    const s = new Switch(4);
    for (let i = 0; i < 4; i++) s.send(i, BROADCAST);
    expect(ifRename(s.members[0]!, 'uplink')).toBe(0);
    expect(ifCloneDestroy(s.host, 'epair1a')).toBe(0);
    s.lab.move(s.members[2]!, s.vnets[0]!);
    expect(bridgeMembers(s.ifp)!.map((m) => m.name)).toEqual(['epair3a', 'uplink']);
    expect(s.members[2]!.bridge).toBeNull();
    expect(s.addrs().map((a) => a.split(' ')[0])).toEqual(['epair3a', 'uplink']);
    s.reached();
    expect(s.send(0, BROADCAST)).toContain('3');
  });

  it('set the link state', () => {
    const s = new Switch(0);
    const [a] = s.lab.epair(s.host);
    bridgeAdd(s.ifp, a.xname);
    expect(s.ifp.linkState).toBe(LINK_STATE_UP);
    bridgeDelete(s.ifp, a.xname);
    expect(s.ifp.linkState).toBe(LINK_STATE_DOWN);
  });

  it('can be 256', () => {
    const s = new Switch(256);
    expect(bridgeMembers(s.ifp)).toHaveLength(256);
    s.send(0, BROADCAST);
    expect(s.ends.filter((e) => e.data.ipackets === 1)).toHaveLength(255);
    expect(s.send(255, s.ends[0]!.lladdr)).toContain('0');
  });
});

describe('life', () => {
  it('goes with its members still in it', () => {
    const s = new Switch(3);
    s.send(0, BROADCAST);
    expect(ifCloneDestroy(s.host, 'bridge0')).toBe(0);
    expect(s.members.map((m) => [m.bridge, m.promiscCount])).toEqual([[null, 0], [null, 0], [null, 0]]);
    s.send(0, BROADCAST);
    s.lab.destroy();
    expect(s.lab.leftovers()).toEqual(NOTHING_LEFT);
    expect(s.host.kern.sysctl.count).toBe(0);
  });

  it('moves alone', () => {
    const s = new Switch(2);
    s.send(0, BROADCAST);
    const [span] = s.lab.epair(s.host);
    bridgeAddSpan(s.ifp, span.xname);
    const there = s.lab.move(s.ifp, s.vnets[0]!);
    expect(bridgeMembers(there)).toEqual([]);
    expect(s.members.map((m) => m.promiscCount)).toEqual([0, 0]);
    expect(bridgeAddrs(there)).toEqual([]);
    expect(bridgeAdd(there, 'epair0b')).toBe(0);
    ifUp(there);
    s.lab.send(s.members[0]!, testFrame(BROADCAST, s.members[0]!.lladdr, 'x'));
    expect([s.host.kern.calloutsArmed, s.vnets[0]!.kern.calloutsArmed]).toEqual([0, 1]);
    s.lab.destroy();
    expect(s.lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('comes up with UP and forgets what it learned when it goes down', () => {
    const s = new Switch(2);
    expect(s.ifp.flags & IFF_RUNNING).not.toBe(0);
    s.send(0, BROADCAST);
    ifDown(s.ifp);
    expect([s.ifp.flags & IFF_RUNNING, s.addrs().length, s.host.kern.calloutsArmed]).toEqual([0, 0, 0]);
  });

  it('bears the first member\'s address when told to', () => {
    const s = new Switch(0);
    expect(s.host.kern.sysctl.set('net.link.bridge.inherit_mac', 1)).toBe(0);
    const own = s.ifp.lladdr;
    const [a] = s.lab.epair(s.host);
    const [b] = s.lab.epair(s.host);
    const told: string[] = [];
    s.host.lladdrEvent.register((i) => void told.push(i.lladdr.join('.')));
    bridgeAdd(s.ifp, a.xname);
    bridgeAdd(s.ifp, b.xname);
    expect(s.ifp.lladdr).toEqual(a.lladdr);
    bridgeDelete(s.ifp, a.xname);
    expect(s.ifp.lladdr).toEqual(b.lladdr);
    bridgeDelete(s.ifp, b.xname);
    expect(s.ifp.lladdr).toEqual(own);
    expect(told).toEqual([a.lladdr.join('.'), b.lladdr.join('.'), own.join('.')]);
  });

  it('leaves a member\'s address behind when it moves', () => {
    const s = new Switch(0);
    s.host.kern.sysctl.set('net.link.bridge.inherit_mac', 1);
    const own = s.ifp.lladdr;
    const [a] = s.lab.epair(s.host);
    bridgeAdd(s.ifp, a.xname);
    expect(s.lab.move(s.ifp, s.lab.net('away', [])).lladdr).toEqual(own);
  });

  it('has an address no other bridge has, in any vnet', () => {
    const lab = new TestLab();
    const macs = ['one', 'two'].map((n) => lab.create(lab.net(n, [bridgeCloner]), 'bridge').lladdr.toString());
    expect(macs[0]).not.toBe(macs[1]);
  });
});

describe('parameters', () => {
  it('have FreeBSD\'s defaults', () => {
    const s = new Switch(1);
    expect(bridgeParams(s.ifp)).toEqual({
      id: new Uint8Array(6), priority: 32_768, helloTime: 2, fwdDelay: 15, maxAge: 20, holdCount: 6, proto: 'rstp', maxAddr: 2_000, timeout: 1_200,
      rootId: new Uint8Array(6), rootPriority: 32_768, rootCost: 0, rootPort: 0, exceeded: 0,
    });
    expect(bridgeMembers(s.ifp)).toEqual([
      { name: 'epair0a', flags: 0x143, addrMax: 0, addrCount: 0, addrExceeded: 0, port: s.members[0]!.index, priority: 128, pathCost: 2_000, stp: null },
    ]);
  });

  it.each([
    ['priority', 4_097, 0, { priority: 4_096, rootPriority: 4_096 }], ['priority', 65_536, EINVAL, { priority: 32_768 }],
    ['hellotime', 1, EPERM, { helloTime: 2 }], ['fwddelay', 3, EINVAL, {}], ['fwddelay', 30, 0, { fwdDelay: 30 }],
    ['maxage', 41, EINVAL, {}], ['maxage', 6, 0, { maxAge: 6 }], ['holdcnt', 0, EINVAL, {}], ['holdcnt', 10, 0, { holdCount: 10 }],
    ['proto', 0, 0, { proto: 'stp' }], ['proto', 1, EINVAL, { proto: 'rstp' }], ['maxaddr', -1, EINVAL, { maxAddr: 2_000 }],
  ] as const)('%s %d', (name, value, error, shown) => {
    const s = new Switch(0);
    expect(bridgeSetParam(s.ifp, name, value)).toBe(error);
    expect(bridgeParams(s.ifp)).toMatchObject(shown);
  });

  it('of the old protocol: a hello time of its own, costs of 16 bits', () => {
    const s = new Switch(1);
    const cost = (): number => bridgeMembers(s.ifp)![0]!.pathCost;
    bridgeSetParam(s.ifp, 'proto', 0);
    expect([bridgeSetParam(s.ifp, 'hellotime', 3), bridgeSetParam(s.ifp, 'hellotime', 1), bridgeParams(s.ifp)!.helloTime]).toEqual([EINVAL, 0, 1]);
    bridgeSetMemberParam(s.ifp, 'epair0a', 'ifpathcost', 100_000);
    expect(cost()).toBe(65_535);
    bridgeSetMemberParam(s.ifp, 'epair0a', 'ifpathcost', 0);
    s.members[0]!.baudrate = 1e6;
    expect(cost()).toBe(65_535);
    bridgeSetParam(s.ifp, 'proto', 2);
    expect([bridgeParams(s.ifp)!.helloTime, cost()]).toEqual([2, 20_000_000]);
    s.members[0]!.linkState = LINK_STATE_DOWN;
    expect(cost()).toBe(55);
  });

  it('of a port: priority in steps of 16, a cost of its own', () => {
    const s = new Switch(1);
    const set = (name: 'ifpriority' | 'ifpathcost', v: number): number => bridgeSetMemberParam(s.ifp, 'epair0a', name, v);
    expect([set('ifpriority', 33), set('ifpriority', 241), set('ifpathcost', 77), set('ifpathcost', 2e9)]).toEqual([0, EINVAL, 0, EINVAL]);
    expect(bridgeMembers(s.ifp)).toMatchObject([{ priority: 32, pathCost: 77, flags: 0x543 }]);
    set('ifpathcost', 0);
    expect(bridgeMembers(s.ifp)).toMatchObject([{ pathCost: 2_000, flags: 0x143 }]);
  });
});
