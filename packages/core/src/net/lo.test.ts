/**
 * lo.test.ts — the loopback interface.
 */
import { describe, expect, it } from 'vitest';
import { EAFNOSUPPORT, EINVAL } from '../base/errno.js';
import { CSUM_IP_VALID, CSUM_L4, CSUM_L4_VALID, GSO_UDP_L4, M_LOOP, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { bpfOpen } from './bpf.js';
import { HOPS_MAX } from './ether.js';
import { ifCloneDestroy } from './if-clone.js';
import { ifDown, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { AF_INET, AF_LINK, IFCAP_RXCSUM, IFF_RUNNING, LINK_STATE_DOWN, LINK_STATE_UP } from './ifnet.js';
import { LO_QUEUE_MAX, loCloner, loOutput } from './lo.js';
import { NOTHING_LEFT, TestLab } from './test-net.js';

const IP = Uint8Array.of(0x45, 0, 0, 20, ...new Array<number>(16).fill(0));

describe('lo', () => {
  it('is made with FreeBSD\'s properties, lo0 for good', () => {
    const lab = new TestLab();
    const net = lab.net('v', [loCloner]);
    const [lo0, lo1] = [lab.create(net, 'lo0'), lab.create(net, 'lo')];
    expect([lo0.xname, lo1.xname, lo0.mtu, lo0.flags, lo0.capenable]).toEqual(['lo0', 'lo1', 16_384, 0x8008, 0x680003]);
    expect(net.loif).toBe(lo0);
    expect([ifCloneDestroy(net, 'lo0'), ifCloneDestroy(net, 'lo1')]).toEqual([EINVAL, 0]);
    expect(net.cloners[0]!.interfaces).toEqual([lo0]);
    expect(lo0.groups).toEqual(['all', 'lo']);
    lab.destroy();
    expect(net.loif).toBeNull();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('brings back what is sent, later, as its own', () => {
    const lab = new TestLab();
    const net = lab.net('v', [loCloner]);
    const lo = lab.create(net, 'lo0');
    const seen: unknown[] = [];
    net.registerEtherProto(0x0800, (ifp, m) => {
      seen.push([ifp.xname, m.rcvif === ifp.index, m.flags, m.csumFlags, m.gsoSize, m.hops, m.fib, m.len]);
      m.free();
    });
    const m = lab.packet(IP);
    Object.assign(m, { flags: M_VLANTAG, csumFlags: CSUM_L4, gsoType: GSO_UDP_L4, gsoSize: 1_000, fib: 4 });
    expect(loOutput(lo, m, AF_INET)).toBe(0);
    expect(seen).toEqual([]);
    lab.turn();
    expect(seen).toEqual([['lo0', true, M_LOOP, CSUM_L4 | CSUM_IP_VALID | CSUM_L4_VALID, 1_000, 1, 4, 20]]);
    expect(lo.data).toMatchObject({ ipackets: 1, ibytes: 20, opackets: 1, obytes: 20 });
    expect(loOutput(lo, lab.packet(IP), AF_LINK)).toBe(EAFNOSUPPORT);
    loOutput(lo, lab.packet(Uint8Array.of(0x60, 0)), AF_INET);
    lab.turn();
    expect(lo.data.noproto).toBe(1);
    lo.capenable &= ~IFCAP_RXCSUM;
    loOutput(lo, lab.packet(IP), AF_INET);
    lab.turn();
    expect(seen[1]).toEqual(['lo0', true, M_LOOP, 0, 0, 1, 0, 20]);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('shows a capture each packet once', () => {
    const lab = new TestLab();
    const net = lab.net('v', [loCloner]);
    const lo = lab.create(net, 'lo0');
    const cap = bpfOpen(net, 'lo0', {}).listener!;
    loOutput(lo, lab.packet(IP), AF_INET);
    lab.turn();
    expect(cap.received).toBe(1);
  });

  it('bounds its queue and ends what goes round', () => {
    const lab = new TestLab();
    const net = lab.net('v', [loCloner]);
    const lo = lab.create(net, 'lo0');
    net.registerEtherProto(0x0800, (ifp, m) => void ifTransmit(ifp, m));
    loOutput(lo, lab.packet(IP), AF_INET);
    lab.turn();
    expect(lo.data).toMatchObject({ opackets: HOPS_MAX, oerrors: 1 });
    net.registerEtherProto(0x0800, null);
    for (let i = 0; i < LO_QUEUE_MAX + 3; i++) loOutput(lo, lab.packet(IP), AF_INET);
    lab.turn();
    expect(lo.data).toMatchObject({ oqdrops: 3, noproto: LO_QUEUE_MAX });
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('has a link that follows UP and runs from its first address on', () => {
    const lab = new TestLab();
    const lo = lab.create(lab.net('v', [loCloner]), 'lo0');
    ifUp(lo);
    expect([lo.linkState, lo.flags & IFF_RUNNING]).toEqual([LINK_STATE_UP, 0]);
    ifDown(lo);
    expect(lo.linkState).toBe(LINK_STATE_DOWN);
    lo.driver.addrAdded!(lo);
    expect([lo.linkState, lo.isRunning]).toEqual([LINK_STATE_UP, true]);
  });

  it('takes no packets along into another vnet', () => {
    const lab = new TestLab();
    const [v, w] = [lab.net('v', [loCloner]), lab.net('w', [])];
    lab.create(v, 'lo0');
    const atHome = lab.create(v, 'lo1');
    loOutput(atHome, lab.packet(IP), AF_INET);
    const lo1 = lab.move(atHome, w);
    lab.turn();
    expect([atHome.data.ipackets, lo1.data.ipackets]).toEqual([0, 0]);
    w.registerEtherProto(0x0800, (ifp, m) => {
      expect([ifp, lab.engine.netisr.current]).toEqual([lo1, w.kern]);
      m.free();
    });
    loOutput(lo1, lab.packet(IP), AF_INET);
    lab.turn();
    expect(lo1.data).toMatchObject({ ipackets: 1, noproto: 0 });
    lab.move(lo1, v);
    lab.destroy();
    expect([v.loif, w.loif]).toEqual([null, null]);
    expect(lab.engine.pool.inUse).toBe(0);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});
