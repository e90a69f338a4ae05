/**
 * tap.test.ts — tap, vmnet and tun with a program outside that is an object of the test.
 */
import { describe, expect, it } from 'vitest';
import { EBUSY, EEXIST, EHOSTDOWN, ENOBUFS, ENXIO } from '../base/errno.js';
import { CSUM_L4, GSO_UDP_L4, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { bridgeCloner } from './bridge.js';
import { bridgeAdd, bridgeMembers } from './bridge-control.js';
import { HOST_QUEUE_MAX } from './host-port.js';
import type { FrameSink } from './host-port.js';
import { ifCloneCreate, ifCloneDestroy } from './if-clone.js';
import { ifMedia } from './if-media.js';
import { ifDown, ifRename, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { IFF_LINK0, IFF_RUNNING, LINK_STATE_DOWN, LINK_STATE_UNKNOWN, LINK_STATE_UP } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { Domain, Net } from './net.js';
import { deviceIfp, tapCloner, tapInput, tapOf, vmnetCloner } from './tap.js';
import { BROADCAST, NOTHING_LEFT, TestLab, hexOf, mac, testFrame } from './test-net.js';
import { tunCloner, tunInput, tunOf } from './tun.js';

/** A sink that keeps what it got, up to `room` packets; it is full when it has `fullAt`. */
class Outside implements FrameSink {
  readonly offload: { readonly csum: boolean; readonly gso: boolean };
  readonly got: { readonly bytes: Uint8Array; readonly csumFlags: number; readonly gsoSize: number }[] = [];
  room = Infinity;
  fullAt = Infinity;
  flushes = 0;
  isGone = false;
  movedTo: Ifnet | null = null;

  constructor(csum = false, gso = false) {
    this.offload = { csum, gso };
  }

  get isFull(): boolean {
    return this.got.length >= this.fullAt;
  }

  output(m: PacketBuffer): boolean {
    if (this.got.length >= this.room) return false;
    this.got.push({ bytes: m.bytes().slice(), csumFlags: m.csumFlags, gsoSize: m.gsoSize });
    m.free();
    return true;
  }

  flush(): void {
    this.flushes++;
  }

  moved(ifp: Ifnet): void {
    this.movedTo = ifp;
  }

  gone(): void {
    this.isGone = true;
  }
}

/** Records whose addresses were purged. */
function purgeRecorder(net: Net): string[] {
  const purged: string[] = [];
  const nothing = (): void => {};
  const domain: Domain = {
    af: 2, ifattach: () => ({ af: 2 }), ifdetach: nothing, ifup: nothing, ifdown: nothing, purgeUpper: nothing, purgeAddrs: (ifp) => void purged.push(ifp.xname),
  };
  net.domains = net.domains.concat(domain);
  return purged;
}

function setUp(kind: string): { lab: TestLab; net: Net; ifp: Ifnet; sink: Outside } {
  const lab = new TestLab();
  const net = lab.net('v', [tapCloner, vmnetCloner, tunCloner, bridgeCloner]);
  const ifp = lab.create(net, kind);
  return { lab, net, ifp, sink: new Outside() };
}

describe('tap', () => {
  it('has no carrier until its device is open', () => {
    const { ifp, sink } = setUp('tap');
    const status = (): unknown => [ifp.linkState, ifp.flags & IFF_RUNNING, ifMedia(ifp)?.active];
    expect(status()).toEqual([LINK_STATE_UNKNOWN, 0, false]);
    expect([tapOf(ifp)!.attach(sink), tapOf(ifp)!.attach(new Outside()), ifp.isUp]).toEqual([0, EBUSY, false]);
    expect(status()).toEqual([LINK_STATE_UP, IFF_RUNNING, true]);
    expect([tapOf(ifp)!.attach(null), tapOf(ifp)!.attach(null)]).toEqual([0, 0]);
    expect(status()).toEqual([LINK_STATE_DOWN, 0, false]);
    expect([ifp.mtu, ifp.capenable, ifp.capabilities, ifp.lladdr.length]).toEqual([1_500, 0x80000, 0x280401, 6]);
    ifp.driver.addrAdded!(ifp);
    expect([ifp.isRunning, tapOf(ifp)!.isOpen, tapOf(ifp)!.attach(sink), tapOf(ifp)!.isOpen]).toEqual([true, false, 0, true]);
  });

  it('carries frames both ways', () => {
    const { lab, net, ifp, sink } = setUp('tap');
    tapOf(ifp)!.attach(sink);
    ifUp(ifp);
    const frame = testFrame(BROADCAST, ifp.lladdr, 'out');
    lab.send(ifp, frame);
    expect(sink.got.map((g) => g.bytes)).toEqual([frame]);
    expect([sink.flushes, ifp.data.opackets, ifp.data.obytes]).toEqual([1, 1, 17]);
    tapInput(ifp, lab.packet(testFrame(ifp.lladdr, mac('02:00:00:00:00:01'), 'in')));
    expect(lab.arrived(net)).toEqual([`tap0:${hexOf('in')}`]);
    ifTransmit(ifp, lab.packet(frame));
    ifDown(ifp);
    lab.turn();
    expect(sink.got).toHaveLength(1);
    tapInput(ifp, lab.packet(testFrame(ifp.lladdr, mac('02:00:00:00:00:01'), 'in')));
    expect(lab.arrived(net)).toEqual([]);
    expect([ifp.data.ipackets, lab.engine.pool.inUse]).toEqual([1, 0]);
  });

  it('makes frames fit for a wire: tag, pieces, checksums', () => {
    const { lab, ifp, sink } = setUp('tap');
    tapOf(ifp)!.attach(sink);
    ifUp(ifp);
    const ip = new Uint8Array(20 + 8 + 3_000);
    ip.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    const make = (): PacketBuffer => {
      const m = lab.packet(testFrame(BROADCAST, ifp.lladdr, ip, 0, 0x0800));
      Object.assign(m, {
        flags: M_VLANTAG, vtag: 5, vproto: 0x8100, csumFlags: CSUM_L4, csumStart: m.off + 34, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 1_400,
      });
      return m;
    };
    ifTransmit(ifp, make());
    lab.turn();
    expect(sink.got.map((g) => [g.bytes.length, g.csumFlags, g.gsoSize])).toEqual([[1_446, 0, 0], [1_446, 0, 0], [246, 0, 0]]);
    expect(ifp.data.oerrors).toBe(0);
    expect([...sink.got[0]!.bytes.subarray(12, 20)]).toEqual([0x81, 0, 0, 5, 8, 0, 0x45, 0]);
    expect(sink.got.every((g) => g.bytes[44]! !== 0 || g.bytes[45]! !== 0)).toBe(true);
    tapOf(ifp)!.attach(null);
    const clever = new Outside(true, true);
    tapOf(ifp)!.attach(clever);
    ifUp(ifp);
    ifTransmit(ifp, make());
    lab.turn();
    expect(clever.got.map((g) => [g.bytes.length, g.csumFlags, g.gsoSize])).toEqual([[3_046, CSUM_L4, 1_400]]);
    const broken = make();
    broken.csumOffset = 5_000;
    ifTransmit(ifp, broken);
    lab.turn();
    expect(clever.got).toHaveLength(2);
    tapOf(ifp)!.attach(null);
    tapOf(ifp)!.attach(sink);
    ifUp(ifp);
    ifTransmit(ifp, Object.assign(make(), { csumOffset: 5_000 }));
    lab.turn();
    expect([sink.got.length, ifp.data.oerrors, lab.engine.pool.inUse]).toEqual([3, 1, 0]);
    ifTransmit(ifp, Object.assign(make(), { csumOffset: 5_000, gsoSize: 0 }));
    const tight = lab.engine.pool.alloc(60, 0)!;
    Object.assign(tight, { flags: M_VLANTAG, vtag: 5, vproto: 0x8100 });
    ifTransmit(ifp, tight);
    lab.turn();
    expect([sink.got.length, ifp.data.oerrors, lab.engine.pool.inUse]).toEqual([3, 3, 0]);
  });

  it('drops and counts while nobody listens, and what the listener or the queue has no room for', () => {
    const { lab, ifp, sink } = setUp('tap');
    ifp.driver.addrAdded!(ifp);
    const frame = testFrame(BROADCAST, ifp.lladdr, 'x');
    expect(lab.send(ifp, frame)).toBe(0);
    expect(ifp.data).toMatchObject({ oerrors: 1, opackets: 0 });
    tapOf(ifp)!.attach(sink);
    sink.room = 2;
    for (let i = 0; i < HOST_QUEUE_MAX + 5; i++) ifTransmit(ifp, lab.packet(frame));
    expect(lab.engine.pool.inUse).toBe(HOST_QUEUE_MAX);
    expect(ifp.data.oqdrops).toBe(5);
    lab.turn();
    expect(ifp.data.oqdrops).toBe(5 + HOST_QUEUE_MAX - 2);
    expect(lab.engine.pool.inUse).toBe(0);
  });

  it('lets packets wait while the listener is full, up to its own bound, and goes on when it has room again', () => {
    const { lab, ifp, sink } = setUp('tap');
    const sc = tapOf(ifp)!;
    sc.attach(sink);
    ifUp(ifp);
    const send = (n: number): void => {
      for (let i = 0; i < n; i++) ifTransmit(ifp, lab.packet(testFrame(BROADCAST, ifp.lladdr, 'x')));
    };
    sink.fullAt = 2;
    send(5);
    lab.turn();
    expect([sink.got.length, sink.flushes, ifp.driver.queued!(), lab.engine.pool.inUse]).toEqual([2, 1, 3, 3]);
    send(HOST_QUEUE_MAX - 3 + 5);
    lab.turn();
    sc.resume();
    lab.turn();
    expect([sink.got.length, sink.flushes, ifp.driver.queued!(), ifp.data.oqdrops]).toEqual([2, 1, HOST_QUEUE_MAX, 5]);
    sink.fullAt = 4;
    sc.resume();
    lab.turn();
    expect([sink.got.length, ifp.driver.queued!()]).toEqual([4, HOST_QUEUE_MAX - 2]);
    sink.fullAt = Infinity;
    sc.resume();
    lab.turn();
    expect([sink.got.length, ifp.driver.queued!(), ifp.data.oqdrops]).toEqual([2 + HOST_QUEUE_MAX, 0, 5]);
    sink.fullAt = 0;
    send(1);
    lab.turn();
    sc.attach(null);
    sc.resume();
    lab.turn();
    expect([sink.got.length, lab.engine.pool.inUse]).toEqual([2 + HOST_QUEUE_MAX, 0]);
  });

  it.each([['tap', 0, false], ['tap', IFF_LINK0, true], ['vmnet', 0, true]])('%s with flags %d keeps its state when closed: %s', (kind, flags, keeps) => {
    const { lab, net, ifp, sink } = setUp(kind);
    const purged = purgeRecorder(net);
    tapOf(ifp)!.attach(sink);
    ifUp(ifp);
    ifp.flags |= flags;
    ifTransmit(ifp, lab.packet(testFrame(BROADCAST, ifp.lladdr, 'waits')));
    tapOf(ifp)!.attach(null);
    lab.turn();
    expect([ifp.isUp, (ifp.flags & IFF_RUNNING) !== 0, purged.length === 0, ifp.linkState]).toEqual([keeps, keeps, keeps, LINK_STATE_DOWN]);
    expect([sink.got.length, lab.engine.pool.inUse]).toEqual([0, 0]);
  });

  it('comes up when opened if net.link.tap.up_on_open says so', () => {
    const { net, ifp, sink } = setUp('tap');
    expect(net.kern.sysctl.set('net.link.tap.up_on_open', 1)).toBe(0);
    tapOf(ifp)!.attach(sink);
    expect(ifp.isUp).toBe(true);
  });

  it('is one device in the whole Kernel, whatever its interface is called and wherever it is', () => {
    const { lab, net, ifp } = setUp('tap');
    const other = lab.net('w', [tapCloner, tunCloner]);
    expect(ifCloneCreate(other, 'tap0').error).toBe(EEXIST);
    expect(lab.create(other, 'tap').xname).toBe('tap1');
    expect(lab.create(other, 'tun').xname).toBe('tun0');
    ifRename(ifp, 'lan');
    expect([deviceIfp(net, '/dev/lan'), deviceIfp(other, '/dev/tap0'), deviceIfp(net, 'tap9'), deviceIfp(other, 'lan')]).toEqual([ifp, ifp, null, null]);
    const there = lab.move(ifp, other);
    expect([deviceIfp(net, 'tap0'), deviceIfp(other, 'lan')]).toEqual([there, there]);
    expect(ifCloneDestroy(other, 'lan')).toBe(0);
    expect(deviceIfp(net, 'tap0')).toBeNull();
    expect(lab.create(other, 'tap').xname).toBe('tap0');
  });

  it('tells whoever has it open that it is gone, and leaves nothing', () => {
    const { lab, net, ifp, sink } = setUp('tap');
    const br = lab.create(net, 'bridge');
    bridgeAdd(br, ifp.xname);
    const sc = tapOf(ifp)!;
    sc.attach(sink);
    ifUp(ifp);
    ifTransmit(ifp, lab.packet(testFrame(BROADCAST, ifp.lladdr, 'x')));
    expect(ifCloneDestroy(net, ifp.xname)).toBe(0);
    expect([sink.isGone, sc.isOpen, bridgeMembers(br), sc.attach(sink), lab.engine.pool.inUse]).toEqual([true, false, [], ENXIO, 0]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
    expect(net.kern.sysctl.count).toBe(0);
    expect(lab.shared.devices.size).toBe(0);
  });
});

describe('tun', () => {
  const IP = Uint8Array.of(0x45, 0, 0, 20, ...new Array<number>(16).fill(0));

  it('carries IP packets both ways while its device is open', () => {
    const { lab, net, ifp, sink } = setUp('tun');
    const seen: number[] = [];
    net.registerEtherProto(0x0800, (i, m) => {
      seen.push(i === ifp ? m.len : -1);
      m.free();
    });
    expect([ifp.flags, ifp.mtu, ifp.lladdr.length, ifp.linkState]).toEqual([0x8010, 1_500, 0, LINK_STATE_UNKNOWN]);
    expect(lab.send(ifp, IP)).toBe(EHOSTDOWN);
    expect([tunOf(ifp)!.attach(sink), ifp.linkState, tunOf(ifp)!.attach(sink)]).toEqual([0, LINK_STATE_UP, EBUSY]);
    expect(lab.send(ifp, IP)).toBe(EHOSTDOWN);
    ifp.driver.addrAdded!(ifp);
    expect([ifp.isRunning, ifp.linkState]).toEqual([true, LINK_STATE_UP]);
    expect(lab.send(ifp, IP)).toBe(0);
    expect(sink.got.map((g) => g.bytes)).toEqual([IP]);
    tunInput(ifp, lab.packet(IP));
    tunInput(ifp, lab.packet(Uint8Array.of(0)));
    expect([seen, ifp.data.noproto, lab.engine.pool.inUse]).toEqual([[20], 1, 0]);
  });

  it('hands out packets whole and without tags', () => {
    const { lab, ifp, sink } = setUp('tun');
    tunOf(ifp)!.attach(sink);
    ifUp(ifp);
    const ip = new Uint8Array(20 + 8 + 2_000);
    ip.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 8, 0, 0x45, 1, 10, 0, 0, 2]);
    const m = lab.packet(ip);
    Object.assign(m, {
      flags: M_VLANTAG, vtag: 5, vproto: 0x8100, csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 1_000,
    });
    ifTransmit(ifp, m);
    lab.turn();
    expect(sink.got.map((g) => [g.bytes.length, g.bytes[0], g.csumFlags])).toEqual([[1_028, 0x45, 0], [1_028, 0x45, 0]]);
    expect([ifp.capabilities, ifp.capenable]).toEqual([0x80000, 0x80000]);
  });

  it('takes no packets along into another vnet', () => {
    const { lab, ifp, sink } = setUp('tun');
    const jail = lab.net('jail', []);
    tunOf(ifp)!.attach(sink);
    ifUp(ifp);
    ifTransmit(ifp, lab.packet(IP));
    const there = lab.move(ifp, jail);
    lab.turn();
    expect([sink.got.length, tunOf(there)!.isOpen, sink.movedTo]).toEqual([0, true, there]);
  });

  it('refuses when its reader does not keep up', () => {
    const { lab, ifp, sink } = setUp('tun');
    tunOf(ifp)!.attach(sink);
    ifUp(ifp);
    const errors = Array.from({ length: HOST_QUEUE_MAX + 1 }, () => ifTransmit(ifp, lab.packet(IP)));
    expect([errors.at(-2), errors.at(-1)]).toEqual([0, ENOBUFS]);
  });

  it('goes down and loses its addresses when closed', () => {
    const { lab, net, ifp, sink } = setUp('tun');
    const purged = purgeRecorder(net);
    tunOf(ifp)!.attach(sink);
    ifp.driver.addrAdded!(ifp);
    ifTransmit(ifp, lab.packet(IP));
    expect(tunOf(ifp)!.attach(null)).toBe(0);
    lab.turn();
    expect([ifp.isUp, ifp.linkState, purged, sink.got.length, lab.engine.pool.inUse]).toEqual([false, LINK_STATE_DOWN, ['tun0'], 0, 0]);
    expect([tunOf(ifp)!.isOpen, ifp.flags & IFF_RUNNING, tunOf(ifp)!.attach(sink)]).toEqual([false, 0, 0]);
  });

  it('can be destroyed under another name, open, in another vnet', () => {
    const { lab, net, ifp, sink } = setUp('tun');
    const jail = lab.net('jail', []);
    tunOf(ifp)!.attach(sink);
    const there = lab.move(ifp, jail);
    expect([sink.movedTo, tunOf(ifp)!.isOpen, tunOf(ifp)!.attach(sink)]).toEqual([there, true, EBUSY]);
    expect(ifRename(there, 'foo')).toBe(0);
    expect(ifCloneDestroy(jail, 'foo')).toBe(0);
    expect(sink.isGone).toBe(true);
    expect(lab.create(net, 'tun').xname).toBe('tun0');
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe.each([tapCloner, tunCloner])('the device of a moving $name', (spec) => {
  const softcOf = (ifp: Ifnet) => (tapOf(ifp) ?? tunOf(ifp))!;

  it('is closed, and opened, by whoever hears of the arrival', () => {
    const lab = new TestLab();
    const [home, away] = [lab.net('home', [spec]), lab.net('away', [])];
    const ifp = lab.create(home, spec.name);
    softcOf(ifp).attach(new Outside());
    const off = [away.arrivalEvent.register(() => void softcOf(ifp).attach(null))];
    const there = lab.move(ifp, away);
    expect([softcOf(there).isOpen, there.linkState, there.flags & IFF_RUNNING]).toEqual([false, LINK_STATE_DOWN, 0]);
    off.push(home.arrivalEvent.register(() => void softcOf(there).attach(new Outside())));
    const back = lab.move(there, home);
    expect([softcOf(back).isOpen, back.linkState]).toEqual([true, LINK_STATE_UP]);
    for (const end of off) end();
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});
