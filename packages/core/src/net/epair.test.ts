/**
 * epair.test.ts — the cable: creation, what crosses it and how, limits, ends in different vnets.
 */
import { describe, expect, it } from 'vitest';
import { E2BIG, EEXIST, EINVAL, ENETDOWN, ENOSPC, ENXIO } from '../base/errno.js';
import { CSUM_L4, GSO_UDP_L4, M_BCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { EPAIR_QUEUE_MAX, epairCloner } from './epair.js';
import { HOPS_MAX, etherOutput } from './ether.js';
import { ifCloneCreate, ifCloneDestroy } from './if-clone.js';
import { ifDown, ifGroupMembers, ifRename, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { IFM_10G_T, IFM_ETHER, IFM_FDX, ifMedia } from './if-media.js';
import { IFCAP_VLAN_MTU, IFF_RUNNING, IFF_UP, LINK_STATE_DOWN, LINK_STATE_UP } from './ifnet.js';
import { BROADCAST, NOTHING_LEFT, TEST_ETHERTYPE, TestLab, hexOf, testFrame } from './test-net.js';

describe('epair create', () => {
  it('makes two ends that share unit, group and address but for the last octet', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const a = lab.create(net, 'epair');
    const b = net.ifunit('epair0b')!;
    expect(a.xname).toBe('epair0a');
    expect([a.dunit, b.dunit, a.mtu, b.mtu]).toEqual([0, 0, 1500, 1500]);
    expect(ifGroupMembers(net, 'epair')?.map((i) => i.xname)).toEqual(['epair0b', 'epair0a']);
    expect([a.lladdr[0], a.lladdr[5], b.lladdr[5]]).toEqual([0x02, 0x0a, 0x0b]);
    expect(a.lladdr.subarray(0, 5)).toEqual(b.lladdr.subarray(0, 5));
    for (const ifp of [a, b]) {
      expect(ifp.flags).toBe(0x8842);
      expect([ifp.linkState, ifp.capabilities, ifp.capenable, ifp.baudrate]).toEqual([LINK_STATE_UP, IFCAP_VLAN_MTU, IFCAP_VLAN_MTU, 1e10]);
      expect(ifMedia(ifp)).toEqual({ current: IFM_ETHER | IFM_10G_T, effective: IFM_ETHER | IFM_10G_T | IFM_FDX, active: true, supported: [IFM_ETHER | IFM_10G_T] });
    }
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('answers with the right error', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const codes = ['epair0', 'epair0', 'epair0a', 'epair01', 'epair40000', 'epairx'].map((n) => ifCloneCreate(net, n).error);
    expect(codes).toEqual([0, EEXIST, EINVAL, EINVAL, ENOSPC, EINVAL]);
    expect(ifCloneDestroy(net, 'epair9a')).toBe(ENXIO);
    const a = net.ifunit('epair0a')!;
    ifCloneDestroy(net, 'epair0b');
    expect(epairCloner.destroy(a, net.cloners[0]!, 0)).toBe(ENXIO);
  });

  it('skips a unit whose name is taken, refuses it when asked for, and keeps a renamed pair\'s unit', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const first = lab.create(net, 'epair');
    expect(ifRename(first, 'epair1b')).toBe(0);
    expect(ifCloneCreate(net, 'epair1').error).toBe(EEXIST);
    expect(lab.create(net, 'epair').xname).toBe('epair2a');
    expect(ifCloneDestroy(net, 'epair1b')).toBe(0);
    expect(lab.create(net, 'epair').xname).toBe('epair0a');
  });

  it('gives every pair addresses of its own', () => {
    const lab = new TestLab();
    const nets = [lab.net('v', [epairCloner]), lab.net('w', [epairCloner])];
    const macs = new Set(Array.from({ length: 200 }, (_, i) => lab.create(nets[i % 2]!, 'epair').lladdr.toString()));
    expect(macs.size).toBe(200);
  });
});

describe('epair transmit', () => {
  it('carries a frame to the other end, stripped of what was the sender\'s', () => {
    const lab = new TestLab();
    const [v, w] = [lab.net('v', [epairCloner]), lab.net('w', [])];
    const [a, near] = lab.epair(v);
    const b = lab.move(near, w);
    ifUp(b);
    b.fib = 3;
    const m = lab.packet(testFrame(b.lladdr, a.lladdr, 'hello'));
    Object.assign(m, { flags: M_BCAST | M_PROMISC, pcp: 5, rcvif: a.index, fib: 1 });
    expect(ifTransmit(a, m)).toBe(0);
    expect(lab.arrivals.get(w)).toEqual([]);
    lab.turn();
    expect(lab.arrivals.get(w)).toEqual([
      { ifname: 'epair0b', payload: Uint8Array.from('hello', (c) => c.charCodeAt(0)), flags: 0, fib: 3, pcp: -1, hops: 1, rcvif: b.index },
    ]);
    expect([a.data.opackets, a.data.obytes, a.data.omcasts, b.data.ipackets, b.data.ibytes]).toEqual([1, 19, 1, 1, 19]);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('keeps a tag and a pending checksum as they are', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    let seen = '';
    b.input = (_ifp, m) => {
      seen = `${m.flags} ${m.vtag} ${m.vproto.toString(16)} ${m.csumFlags} ${m.csumStart - m.off} ${m.csumOffset} ${m.len}`;
      m.free();
    };
    const m = lab.packet(testFrame(b.lladdr, a.lladdr, 'x', 60));
    Object.assign(m, { flags: M_VLANTAG, vtag: 0xa005, vproto: 0x88a8, csumFlags: CSUM_L4, csumStart: m.off + 34, csumOffset: 6 });
    ifTransmit(a, m);
    lab.turn();
    expect(seen).toBe(`${M_VLANTAG} ${0xa005} 88a8 ${CSUM_L4} 34 6 60`);
  });

  it.each([
    ['longer than mtu + 18', 1519, true, true, true, E2BIG, { oerrors: 1, opackets: 0, oqdrops: 0 }],
    ['as long as can be', 1518, true, true, true, 0, { oerrors: 0, opackets: 1, oqdrops: 0 }],
    ['not running', 64, true, false, true, ENXIO, { oerrors: 1, opackets: 0, oqdrops: 0 }],
    ['not up', 64, false, true, true, ENETDOWN, { oerrors: 1, opackets: 0, oqdrops: 0 }],
    ['peer not up', 64, true, true, false, 0, { oerrors: 1, opackets: 0, oqdrops: 0 }],
  ])('%s', (_what, len, up, running, peerUp, error, counters) => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    if (!up) ifDown(a);
    if (!running) a.flags &= ~IFF_RUNNING;
    if (!peerUp) ifDown(b);
    expect(lab.send(a, testFrame(b.lladdr, a.lladdr, 'x', len))).toBe(error);
    expect(a.data).toMatchObject(counters);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('lets a super-segment pass whatever the MTU', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    const m = lab.packet(testFrame(b.lladdr, a.lladdr, 'x', 60_000));
    Object.assign(m, { gsoType: GSO_UDP_L4, gsoSize: 1472 });
    expect(ifTransmit(a, m)).toBe(0);
    lab.turn();
    expect(b.data.ibytes).toBe(60_000);
  });

  it('bounds its queue and counts what does not fit', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    for (let i = 0; i < EPAIR_QUEUE_MAX + 10; i++) expect(ifTransmit(a, lab.packet(testFrame(b.lladdr, a.lladdr, 'x')))).toBe(0);
    expect(lab.engine.pool.inUse).toBe(EPAIR_QUEUE_MAX);
    lab.turn();
    expect(a.data).toMatchObject({ opackets: EPAIR_QUEUE_MAX, oqdrops: 10, oerrors: 0 });
    expect(b.data.ipackets).toBe(EPAIR_QUEUE_MAX);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('ends a frame that goes round and round', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    for (const end of [a, b]) end.input = (_ifp, m) => void ifTransmit(end, m);
    lab.send(a, testFrame(b.lladdr, a.lladdr, 'x'));
    expect(a.data.opackets + b.data.opackets).toBe(HOPS_MAX);
    expect(a.data.oerrors + b.data.oerrors).toBe(1);
    expect(lab.engine.pool.inUse).toBe(0);
  });
});

describe('epair and vnets', () => {
  it('destroys both ends, each where it is', () => {
    const lab = new TestLab();
    const [v, w] = [lab.net('v', [epairCloner]), lab.net('w', [])];
    const [a, near] = lab.epair(v);
    const b = lab.move(near, w);
    ifUp(b);
    const gone: string[] = [];
    v.departureEvent.register((e) => void gone.push(`v ${e.ifp.xname}`));
    w.departureEvent.register((e) => void gone.push(`w ${e.ifp.xname}`));
    ifTransmit(a, lab.packet(testFrame(b.lladdr, a.lladdr, 'in flight')));
    expect(ifCloneDestroy(w, 'epair0b')).toBe(0);
    lab.turn();
    expect(gone.sort()).toEqual(['v epair0a', 'w epair0b']);
    for (const end of [a, b]) {
      expect([end.flags & (IFF_RUNNING | IFF_UP), end.linkState, end.net]).toEqual([0, LINK_STATE_DOWN, null]);
      expect(ifTransmit(end, lab.packet(testFrame(b.lladdr, a.lladdr, 'x')))).toBe(ENETDOWN);
    }
    expect([v.ifnets.length, w.ifnets.length, v.cloners[0]?.interfaces.length]).toEqual([0, 0, 0]);
    expect([...v.groups.keys(), ...w.groups.keys()]).toEqual([]);
    expect({ ...lab.leftovers(), handlers: 0 }).toEqual(NOTHING_LEFT);
    expect(lab.create(v, 'epair').xname).toBe('epair0a');
  });

  it('does not take frames along into another vnet', () => {
    const lab = new TestLab();
    const [v, w] = [lab.net('v', [epairCloner]), lab.net('w', [])];
    const [a, near] = lab.epair(v);
    ifTransmit(a, lab.packet(testFrame(near.lladdr, a.lladdr, 'for v only')));
    ifUp(lab.move(near, w));
    lab.turn();
    expect(lab.arrived(w)).toEqual([]);
    etherOutput(a, lab.packet(Uint8Array.of(1)), 0xffff, 0xffffffff, TEST_ETHERTYPE);
    lab.turn();
    expect(lab.arrived(w)).toEqual(['epair0b:01']);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('drops what waits for an end that goes down', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner]);
    const [a, b] = lab.epair(net);
    ifTransmit(a, lab.packet(testFrame(BROADCAST, a.lladdr, 'x')));
    ifDown(b);
    lab.turn();
    expect(lab.arrived(net)).toEqual([]);
    expect(b.data.ipackets).toBe(0);
    expect(lab.engine.pool.inUse).toBe(0);
    ifUp(b);
    lab.send(a, testFrame(BROADCAST, a.lladdr, 'y'));
    expect(lab.arrived(net)).toEqual([`epair0b:${hexOf('y')}`]);
  });
});
