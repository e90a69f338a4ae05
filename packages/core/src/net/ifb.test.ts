/**
 * ifb.test.ts — ifb, ingress filters and output disciplines on bare vnets: where a frame goes, what is held, and what is left when interfaces come, go and move.
 */
import { describe, expect, it } from 'vitest';
import { EEXIST, EINVAL, ENETDOWN, ENOBUFS, ENOENT, ENOSPC } from '../base/errno.js';
import { FWD_IF_REASON_SHIFT } from '../fwd/fwd-if.js';
import { FWD_PUNT_TAKEN } from '../fwd/fwd-verdict.js';
import { M_VLANTAG } from '../mbuf/packet-buffer.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6 } from '../wire/ether.js';
import { datapathFlags } from './datapath/datapath-if.js';
import { epairCloner } from './epair.js';
import { ifbCloner } from './ifb.js';
import { ifCloneDestroy } from './if-clone.js';
import { ifDown, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { TC_ACT_OK, TC_ACT_SHOT } from './tc/tc-action.js';
import type { TcActionSpec } from './tc/tc-action.js';
import { TC_ACTIONS_MAX, TC_FILTERS_MAX, filterDelete, filterModify } from './tc/tc-filter.js';
import type { FilterRequest } from './tc/tc-filter.js';
import { TC_H_INGRESS, TC_INGRESS_HANDLE } from './tc/tc-handle.js';
import { ETH_P_ALL, TcIngress } from './tc/tc-ingress.js';
import { ifQdiscAttach } from './tc/if-qdisc.js';
import type { Qdisc } from './tc/if-qdisc.js';
import { NLM_F_CREATE, NLM_F_EXCL, qdiscDelete, qdiscModify } from './tc/tc-qdisc.js';
import { BROADCAST, NOTHING_LEFT, TEST_ETHERTYPE, TestLab, hexOf, tagged, testFrame } from './test-net.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';

const ADD = NLM_F_CREATE | NLM_F_EXCL;

/** Holds everything until it is told. */
class Hold implements Qdisc {
  readonly stats = { sentPackets: 0, sentBytes: 0, dropPackets: 0 };
  bytes = 0;
  purged = 0;
  private readonly queue = new PacketQueue(3);
  private readonly send: (m: PacketBuffer) => number;

  constructor(send: (m: PacketBuffer) => number) {
    this.send = send;
  }

  get packets(): number {
    return this.queue.length;
  }

  output(m: PacketBuffer): number {
    if (this.queue.enqueue(m)) return 0;
    this.stats.dropPackets++;
    return ENOBUFS;
  }

  reset(): void {
    this.purged += this.queue.length;
    this.queue.purge();
  }

  purgeFrom(rcvif: number): void {
    for (let n = this.queue.length; n > 0; n--) {
      const m = this.queue.dequeue()!;
      if (m.rcvif === rcvif) m.free();
      else this.queue.enqueue(m);
    }
  }

  destroy(): void {
    this.reset();
  }

  release(): void {
    for (let m = this.queue.dequeue(); m !== null; m = this.queue.dequeue()) this.send(m);
  }
}

/** `a`'s frames come in on `b`, whose filter leads to `ifb`. */
class Lab extends TestLab {
  readonly v: Net;
  readonly a: Ifnet;
  readonly b: Ifnet;
  readonly ifb: Ifnet;

  constructor() {
    super();
    this.v = this.net('v', [epairCloner, ifbCloner]);
    [this.a, this.b] = this.epair(this.v);
    this.ifb = this.create(this.v, 'ifb');
    ifUp(this.ifb);
    expect(this.addIngress(this.b).error).toBe(0);
  }

  addIngress(ifp: Ifnet): { error: number; text: string } {
    return qdiscModify(this.v, { ifp, parent: TC_H_INGRESS, handle: TC_INGRESS_HANDLE, kind: 'ingress', options: null }, ADD);
  }

  delIngress(ifp: Ifnet): { error: number; text: string } {
    return qdiscDelete(this.v, { ifp, parent: TC_H_INGRESS, handle: TC_INGRESS_HANDLE, kind: 'ingress', options: null });
  }

  filter(request: Partial<FilterRequest> = {}): FilterRequest {
    return { ifp: this.b, parent: TC_INGRESS_HANDLE, prio: 10, protocol: ETH_P_ALL, handle: 0, kind: 'matchall', keys: [], actions: [this.to(this.ifb)], classid: 0, ...request };
  }

  add(request: Partial<FilterRequest> = {}): { error: number; text: string } {
    return filterModify(this.v, this.filter(request), ADD);
  }

  to(ifp: Ifnet, redirect = true): TcActionSpec {
    return { kind: 'mirred', redirect, to: ifp };
  }

  say(text: string, ethertype = TEST_ETHERTYPE): void {
    this.send(this.a, testFrame(BROADCAST, this.a.lladdr, text, 60, ethertype));
  }

  /** Texts that reached the protocols, by interface. */
  heard(): string[] {
    return this.arrived(this.v).map((line) => line.replace(/0+$/, ''));
  }

  get ingress(): TcIngress {
    if (!(this.b.ingress instanceof TcIngress)) throw new Error('no ingress');
    return this.b.ingress;
  }

  hold(ifp = this.ifb): Hold {
    const hold = ifQdiscAttach(ifp, 'hold', (send) => new Hold(send));
    if (hold === null) throw new Error('has a discipline');
    return hold;
  }
}

const heard = (name: string, text: string): string => `${name}:${hexOf(text)}`;

describe('a redirected frame', () => {
  it('goes through the ifb and comes back as the input of where it came in, once', () => {
    const lab = new Lab();
    lab.add();
    lab.say('x');
    expect([lab.heard(), lab.ifb.data.ipackets, lab.ifb.data.opackets, lab.b.data.ipackets]).toEqual([[heard('epair0b', 'x')], 1, 1, 1]);
    expect(lab.ingress.protos[0]?.filters[0]?.actions[0]).toMatchObject({ packets: 1, bytes: 46, overlimits: 0 });
  });

  it('is held by the discipline of the ifb, and comes back when that lets it go', () => {
    const lab = new Lab();
    lab.add();
    const hold = lab.hold();
    lab.say('x');
    lab.say('y');
    expect([lab.heard(), hold.packets, lab.ifb.data.opackets]).toEqual([[], 2, 0]);
    hold.release();
    lab.turn();
    expect([lab.heard(), lab.ifb.data.opackets]).toEqual([[heard('epair0b', 'x'), heard('epair0b', 'y')], 2]);
  });

  it('is dropped, and counted, while the ifb is down; so it is when the ifb is gone', () => {
    const lab = new Lab();
    lab.add();
    const hold = lab.hold();
    lab.say('x');
    ifDown(lab.ifb);
    lab.say('y');
    const [action] = lab.ingress.protos[0]!.filters[0]!.actions;
    expect([lab.heard(), hold.purged, hold.packets, lab.ingress.dropPackets, action!.overlimits]).toEqual([[], 1, 0, 1, 1]);
    ifCloneDestroy(lab.v, 'ifb0');
    lab.say('z');
    expect([lab.heard(), action!.to, lab.ingress.dropPackets, lab.engine.pool.inUse]).toEqual([[], null, 2, 0]);
    expect(lab.delIngress(lab.b).error).toBe(0);
    lab.say('w');
    expect(lab.heard()).toEqual([heard('epair0b', 'w')]);
  });

  it('is as it was: its tag out of band, and what is above its interface sees it', () => {
    const lab = new Lab();
    lab.add();
    const tags: [number, number][] = [];
    lab.b.input = (ifp, m) => {
      tags.push([m.flags & M_VLANTAG, m.vtag]);
      m.free();
      expect(ifp).toBe(lab.b);
    };
    const m = lab.packet(testFrame(BROADCAST, lab.a.lladdr, 'x'));
    m.flags = M_VLANTAG;
    m.vproto = 0x8100;
    m.vtag = 7;
    ifTransmit(lab.a, m);
    lab.turn();
    expect(tags).toEqual([[M_VLANTAG, 7]]);
  });

  it('may go out by any interface', () => {
    const lab = new Lab();
    const [c, d] = lab.epair(lab.v);
    lab.add({ actions: [lab.to(c)] });
    lab.say('x');
    expect([lab.heard(), c.data.opackets, d.data.ipackets]).toEqual([[heard('epair1b', 'x')], 1, 1]);
    filterModify(lab.v, lab.filter({ prio: 5, actions: [lab.to(c, false)] }), ADD);
    lab.say('y');
    expect(lab.heard()).toEqual([heard('epair0b', 'y'), heard('epair1b', 'y')]);
  });

  it('in circles ends', () => {
    const lab = new Lab();
    const [c, d] = lab.epair(lab.v);
    expect(lab.addIngress(d).error).toBe(0);
    lab.add({ actions: [lab.to(c)] });
    lab.add({ ifp: d, actions: [lab.to(c)] });
    lab.say('x');
    expect([lab.heard(), lab.engine.pool.inUse]).toEqual([[], 0]);
    expect(c.data.opackets).toBeLessThan(64);
  });

  it('what was not redirected has no place to come back to', () => {
    const lab = new Lab();
    lab.send(lab.ifb, testFrame(BROADCAST, lab.a.lladdr, 'x'));
    expect([lab.ifb.data.ierrors, lab.heard(), lab.engine.pool.inUse]).toEqual([1, [], 0]);
  });
});

describe('filters', () => {
  it('a protocol is that of the frame: `ip` lets ARP, IPv6 and tagged frames past, `all` nothing', () => {
    const lab = new Lab();
    const hold = lab.hold();
    lab.add({ protocol: ETHERTYPE_IP });
    const kinds = [ETHERTYPE_IP, ETHERTYPE_ARP, ETHERTYPE_IPV6];
    for (const type of kinds) lab.say('x', type);
    lab.send(lab.a, tagged(testFrame(BROADCAST, lab.a.lladdr, 'x', 60, ETHERTYPE_IP), 7));
    expect([hold.packets, lab.ingress.sentPackets]).toEqual([1, 4]);
    hold.reset();
    lab.add({ prio: 11 });
    for (const type of [ETHERTYPE_ARP, ETHERTYPE_IPV6]) lab.say('x', type);
    lab.send(lab.a, tagged(testFrame(BROADCAST, lab.a.lladdr, 'x', 60, ETHERTYPE_IP), 7));
    expect(hold.packets).toBe(3);
  });

  it('u32 compares words from the network header on; the first that matches decides', () => {
    const lab = new Lab();
    const pass: TcActionSpec = { kind: 'gact', verdict: TC_ACT_OK };
    const drop: TcActionSpec = { kind: 'gact', verdict: TC_ACT_SHOT };
    const word = (text: string): number => Number.parseInt(hexOf(text), 16);
    lab.add({ kind: 'u32', keys: [{ val: word('abcd'), mask: 0xffff_ffff | 0, off: 0, nexthdr: false }], actions: [drop] });
    lab.add({ kind: 'u32', keys: [{ val: word('a\0\0\0'), mask: 0xff00_0000 | 0, off: 0, nexthdr: false }], actions: [pass] });
    lab.add({ kind: 'u32', keys: [{ val: 0, mask: 0, off: 0, nexthdr: false }] });
    ifDown(lab.ifb);
    for (const text of ['abcd', 'abce', 'bbcd']) lab.say(text);
    expect(lab.heard()).toEqual([heard('epair0b', 'abce')]);
    const [first, second, third] = lab.ingress.protos[0]!.filters;
    expect([first, second, third].map((f) => [f!.handle.toString(16), f!.match!.rcnt, f!.match!.rhit])).toEqual([['80000800', 3, 1], ['80000801', 2, 1], ['80000802', 1, 1]]);
  });

  it('u32: a frame too short for a key ends the search in its list; behind the IPv4 header there is `nexthdr+`', () => {
    const lab = new Lab();
    const drop: TcActionSpec = { kind: 'gact', verdict: TC_ACT_SHOT };
    lab.add({ kind: 'u32', keys: [{ val: 0, mask: 0, off: 100, nexthdr: false }], actions: [drop] });
    lab.add({ kind: 'u32', keys: [{ val: 0, mask: 0, off: 0, nexthdr: false }], actions: [drop] });
    lab.say('x');
    expect(lab.heard()).toEqual([heard('epair0b', 'x')]);
    filterDelete(lab.v, lab.filter({ handle: 0, kind: null }));
    lab.add({ kind: 'u32', keys: [{ val: 0x7978_0000, mask: 0xffff_0000 | 0, off: 0, nexthdr: true }], actions: [drop] });
    lab.say(`E${'.'.repeat(19)}yx`);
    lab.say(`F${'.'.repeat(19)}yx`);
    lab.say(`F${'.'.repeat(23)}yx`);
    expect(lab.heard()).toEqual([heard('epair0b', `F${'.'.repeat(19)}yx`)]);
  });

  it('a filter without an action lets what it matches go on, past the filters behind it', () => {
    const lab = new Lab();
    lab.add({ prio: 5, actions: [] });
    lab.add({ prio: 6, actions: [{ kind: 'gact', verdict: TC_ACT_SHOT }] });
    lab.say('x');
    expect(lab.heard()).toEqual([heard('epair0b', 'x')]);
  });
});

describe('requests', () => {
  it('are refused in the words of the kernel', () => {
    const lab = new Lab();
    const { v, a, b } = lab;
    const root = { ifp: a, parent: 0xffff_ffff, handle: 0, kind: null, options: null };
    expect(lab.addIngress(b)).toEqual({ error: EEXIST, text: 'Exclusivity flag on, cannot modify' });
    expect(lab.delIngress(a)).toEqual({ error: ENOENT, text: 'Cannot find specified qdisc on specified device' });
    expect([lab.delIngress(b).error, lab.delIngress(b)]).toEqual([0, { error: EINVAL, text: 'Invalid handle' }]);
    expect(qdiscDelete(v, root)).toEqual({ error: ENOENT, text: 'Cannot delete qdisc with handle of zero' });
    expect(qdiscModify(v, { ...root, kind: 'nothing' }, ADD)).toEqual({ error: ENOENT, text: 'Specified qdisc kind is unknown' });
    expect(qdiscModify(v, { ...root, kind: 'hold' }, 0)).toEqual({ error: ENOENT, text: 'Qdisc not found. To create specify NLM_F_CREATE flag' });
    expect(lab.add()).toEqual({ error: EINVAL, text: "Parent Qdisc doesn't exists" });
    lab.addIngress(b);
    expect(lab.add({ kind: 'flower' })).toEqual({ error: ENOENT, text: 'TC classifier not found' });
    expect([lab.add().error, lab.add(), lab.add({ kind: 'u32' })]).toEqual([0, { error: EEXIST, text: '' }, { error: EINVAL, text: 'Specified filter kind does not match existing one' }]);
    expect(lab.add({ protocol: ETHERTYPE_IP })).toEqual({ error: EINVAL, text: 'Filter with specified priority/protocol not found' });
    expect([lab.add({ prio: 0 }).error, lab.ingress.protos.map((p) => p.prio)]).toEqual([0, [9, 10]]);
    expect(filterDelete(v, lab.filter({ prio: 0 }))).toEqual({ error: ENOENT, text: 'Cannot flush filters with protocol, handle or kind set' });
    expect(filterDelete(v, lab.filter({ prio: 77 })).text).toBe('Filter with specified priority/protocol not found');
    expect([filterDelete(v, lab.filter({ prio: 0, protocol: 0, kind: null })).error, lab.ingress.protos]).toEqual([0, []]);
  });
});

describe('the bound of filters on an interface', () => {
  it('counts those of all priorities; one that is there may still be replaced, and another comes when one has gone', () => {
    const lab = new Lab();
    const u32: Partial<FilterRequest> = { kind: 'u32', keys: [{ val: 0, mask: 0, off: 0, nexthdr: false }] };
    lab.add();
    for (let n = 1; n < TC_FILTERS_MAX; n++) expect(lab.add({ ...u32, prio: 11 }).error).toBe(0);
    expect([lab.add({ ...u32, prio: 11 }).error, lab.add({ ...u32, prio: 12 }).error]).toEqual([ENOSPC, ENOSPC]);
    const drop: TcActionSpec = { kind: 'gact', verdict: TC_ACT_SHOT };
    const last = lab.ingress.protos[1]!.filters.at(-1)!.handle;
    expect(filterModify(lab.v, lab.filter({ ...u32, prio: 11, handle: last, actions: [drop] }), NLM_F_CREATE).error).toBe(0);
    expect([lab.ingress.protos[1]!.filters.length, lab.ingress.protos[1]!.filters.at(-1)!.actions[0]!.verdict]).toEqual([TC_FILTERS_MAX - 1, TC_ACT_SHOT]);
    expect([filterDelete(lab.v, lab.filter({ prio: 10, kind: null })).error, lab.add({ ...u32, prio: 12 }).error]).toEqual([0, 0]);
  });
});

it('a filter has 32 actions at most', () => {
  const lab = new Lab();
  const pass = Array.from({ length: TC_ACTIONS_MAX }, (): TcActionSpec => ({ kind: 'gact', verdict: TC_ACT_OK }));
  expect(lab.add({ actions: [...pass, ...pass.slice(0, 1)] })).toEqual({ error: EINVAL, text: 'Only 32 actions supported per filter' });
  expect([lab.add({ actions: pass }).error, lab.ingress.protos[0]!.filters[0]!.actions.length]).toEqual([0, 32]);
});

describe('an output discipline', () => {
  it('on any interface holds what it sends, counts what it drops, and takes nothing while the interface is down', () => {
    const lab = new Lab();
    const hold = lab.hold(lab.a);
    expect(ifQdiscAttach(lab.a, 'hold', (send) => new Hold(send))).toBeNull();
    for (const text of ['1', '2', '3', '4']) lab.say(text);
    expect([hold.packets, lab.a.data.oqdrops, lab.a.data.opackets, lab.heard()]).toEqual([3, 1, 0, []]);
    hold.release();
    lab.turn();
    expect([lab.a.data.opackets, lab.heard().length]).toEqual([3, 3]);
    lab.say('5');
    ifDown(lab.a);
    expect([hold.packets, lab.send(lab.a, testFrame(BROADCAST, lab.a.lladdr, '6')), lab.a.data.oerrors, lab.engine.pool.inUse]).toEqual([0, ENETDOWN, 1, 0]);
  });
});

it('short paths leave alone what has a discipline or filters', () => {
  const lab = new Lab();
  const why = (ifp: Ifnet): number => datapathFlags(ifp, lab.v, null, { port: 0, vnetHdr: false }, true) >> FWD_IF_REASON_SHIFT;
  expect([why(lab.a), why(lab.b), -FWD_PUNT_TAKEN]).toEqual([0, -FWD_PUNT_TAKEN, why(lab.b)]);
  lab.hold(lab.a);
  lab.delIngress(lab.b);
  expect([why(lab.a), why(lab.b)]).toEqual([-FWD_PUNT_TAKEN, 0]);
});

describe('nothing is left', () => {
  it('what a leaving interface brought goes with it, wherever it is held; the others stay', () => {
    const lab = new Lab();
    const [c, d] = lab.epair(lab.v);
    lab.addIngress(d);
    lab.add();
    lab.add({ ifp: d });
    const hold = lab.hold();
    lab.say('x');
    lab.send(c, testFrame(BROADCAST, c.lladdr, 'y', 60));
    const { index } = lab.b;
    ifCloneDestroy(lab.v, 'epair0a');
    expect([hold.packets, lab.create(lab.v, 'epair').index]).toEqual([1, Math.min(index, lab.v.ifunit('epair0a')!.index)]);
    hold.release();
    lab.turn();
    expect(lab.heard()).toEqual([heard('epair1b', 'y')]);
  });

  it('an interface that moves leaves its discipline and its filters behind, and what they held', () => {
    const lab = new Lab();
    const other = lab.net('w', [epairCloner]);
    lab.add();
    const held = lab.hold();
    const own = lab.hold(lab.b);
    lab.say('x');
    ifTransmit(lab.b, lab.packet(testFrame(BROADCAST, lab.b.lladdr, 'y')));
    expect([held.packets, own.packets]).toEqual([1, 1]);
    const moved = lab.move(lab.b, other);
    expect([moved.qdisc, moved.ingress, held.packets, own.packets, lab.engine.pool.inUse]).toEqual([null, null, 0, 0, 0]);
    const back = lab.move(lab.ifb, other);
    expect([back.qdisc, back.xname, lab.v.ifunit('ifb0')]).toEqual([null, 'ifb0', null]);
  });

  it('held frames, filters, queues: everything goes with the vnet', () => {
    const lab = new Lab();
    lab.add();
    lab.hold();
    lab.hold(lab.a);
    lab.say('x');
    ifTransmit(lab.a, lab.packet(testFrame(BROADCAST, lab.a.lladdr, 'y')));
    lab.destroy();
    expect([lab.leftovers(), lab.v.pktqs]).toEqual([NOTHING_LEFT, []]);
  });
});
