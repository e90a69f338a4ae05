/**
 * bridge-bpdu.test.ts — the spanning tree of a bridge on the wire: which BPDUs it sends, what it makes of a neighbour's, and which it drops.
 * Read first: src/net/bridgestp/bstp.ts, src/sim/wire-script.ts.
 */
import { describe, expect, it } from 'vitest';
import { ifCloneDestroy } from '../src/net/if-clone.js';
import { bridgeOf } from '../src/net/bridge.js';
import { bridgeAdd, bridgeMembers, bridgeParams, bridgeSetFlags, bridgeSetParam } from '../src/net/bridge-control.js';
import { IFBIF_BSTP_PTP, IFBIF_STP } from '../src/net/bridge-forward.js';
import type { BstpStats } from '../src/net/bridgestp/bstp-state.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { SimNet, Wire, craftEther } from '../src/sim/index.js';

const S = 1_000_000;
const BRIDGES = '01:80:c2:00:00:00';
const PEER = '02:00:00:00:00:01';

/** Fields of a configuration or rapid BPDU; times in seconds. */
interface Bpdu {
  readonly vers?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly rootPri?: number;
  readonly cost?: number;
  readonly age?: number;
  readonly maxAge?: number;
  readonly hello?: number;
  readonly fwd?: number;
}

/** A BPDU of the neighbour, which is its own root, in its frame. */
function bpdu({ vers = 2, type = 2, flags = 0x3c, rootPri = 0x1000, cost = 0, age = 0, maxAge = 20, hello = 2, fwd = 15 }: Bpdu = {}): Uint8Array {
  const len = type === 0x80 ? 4 : type === 2 ? 36 : 35;
  const b = new Uint8Array(3 + len);
  const v = new DataView(b.buffer, 3);
  b.set([0x42, 0x42, 0x03, 0, 0, vers, type]);
  if (len > 4) {
    const id = [rootPri >> 8, rootPri & 255, 2, 0, 0, 0, 0, 1];
    v.setUint8(4, flags);
    b.set(id, 3 + 5);
    v.setUint32(13, cost);
    b.set(id, 3 + 17);
    v.setUint16(25, 0x8001);
    [age, maxAge, hello, fwd].forEach((s, i) => v.setUint16(27 + 2 * i, s * 256));
  }
  return craftEther({ src: PEER, dst: BRIDGES }, b.length, b);
}

/** A bridge with one member on a wire, and `stp` on it; its BPDUs begin after 1 s. */
function host(proto = 2): { net: SimNet; wire: Wire; bridge: Ifnet; stats: BstpStats; port: () => string } {
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const bridge = net.clone(vnet, 'bridge');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:02' });
  net.kernel.call(net.now, () => {
    expect([bridgeAdd(bridge, 'wire0'), bridgeSetParam(bridge, 'proto', proto), bridgeSetFlags(bridge, 'wire0', IFBIF_STP | IFBIF_BSTP_PTP, 0)]).toEqual([0, 0, 0]);
  });
  net.up(bridge);
  const port = (): string => {
    const stp = bridgeMembers(bridge)![0]!.stp!;
    return `${stp.proto} ${stp.role} ${stp.state}`;
  };
  return { net, wire, bridge, stats: bridgeOf(bridge)!.stp.stats, port };
}

const OURS = 'bridge-id 8000.02:00:00:00:00:02.8004, length';

describe('rapid', () => {
  it('proposes, hears a better bridge, agrees, and forwards', () => {
    const { wire, port, bridge } = host();
    wire.out(`STP 802.1w, Rapid STP, Flags [Proposal], ${OURS} 36`).nothing();
    expect(port()).toBe('rstp designated discarding');
    wire.at(1.5 * S).in(bpdu({ flags: 0x0e }));
    wire.out(`STP 802.1w, Rapid STP, Flags [Topology change, Learn, Forward, Agreement], ${OURS} 36`).nothing();
    expect(port()).toBe('rstp root forwarding');
    expect(bridgeParams(bridge)).toMatchObject({ rootPriority: 0x1000, rootPort: 4 });
    wire.at(3.4 * S).in(bpdu());
    wire.at(5.4 * S).in(bpdu());
    wire.take();
    wire.at(7.4 * S).in(bpdu()).at(12 * S).nothing();
    expect(port()).toBe('rstp root forwarding');
    wire.at(14 * S);
    expect(port()).toBe('rstp designated forwarding');
    wire.out(`STP 802.1w, Rapid STP, Flags [Learn, Forward], ${OURS} 36`);
  });

  it('forwards at once when a worse bridge agrees, and tells it when it does not know', () => {
    const { wire, port } = host();
    wire.take();
    wire.in(bpdu({ rootPri: 0xf000, flags: 0x0c }));
    wire.out(`STP 802.1w, Rapid STP, Flags [Proposal], ${OURS} 36`).nothing();
    wire.in(bpdu({ rootPri: 0xf000, flags: 0x48 })).in(bpdu({ rootPri: 0xf000, flags: 0x08 }));
    expect(port()).toBe('rstp designated forwarding');
    wire.out(`STP 802.1w, Rapid STP, Flags [Topology change, Learn, Forward], ${OURS} 36`).nothing();
    wire.in(bpdu({ rootPri: 0xf000, flags: 0x3c }));
    expect(port()).toBe('rstp designated discarding');
  });
});

describe('the old protocol', () => {
  it('sends configuration every hello time, and notifications towards the root until they are acknowledged', () => {
    const { wire, port, net, bridge } = host(0);
    wire.out(`STP 802.1d, Config, Flags [none], ${OURS} 35`).nothing();
    wire.at(1.9 * S).nothing().at(2.1 * S).out(`STP 802.1d, Config, Flags [none], ${OURS} 35`).nothing();
    for (let s = 3; s <= 39; s += 2) wire.at(s * S).in(bpdu({ vers: 0, type: 0, flags: 0 }));
    expect(port()).toBe('stp root forwarding');
    wire.out('STP 802.1d, Topology Change');
    wire.take();
    wire.at(41 * S).in(bpdu({ vers: 0, type: 0, flags: 0x80 }));
    wire.take();
    wire.at(42.9 * S).in(bpdu({ vers: 0, type: 0, flags: 0 })).at(44.9 * S).nothing();
    net.kernel.call(net.now, () => bridgeSetParam(bridge, 'priority', 0));
    wire.out('STP 802.1d, Config, Flags [none], bridge-id 0000.02:00:00:00:00:02.8004, length 35');
    wire.in(bpdu({ vers: 0, type: 0x80 })).at(47 * S).out('STP 802.1d, Config, Flags [Topology change, Topology change ACK], bridge-id 0000.02:00:00:00:00:02.8004, length 35');
    wire.at(49 * S).out('STP 802.1d, Config, Flags [Topology change], bridge-id 0000.02:00:00:00:00:02.8004, length 35');
  });

  it('is what a neighbour of the old protocol hears after the migration time', () => {
    const { wire, port } = host();
    wire.at(1 * S).in(bpdu({ vers: 0, type: 0, flags: 0, rootPri: 0xf000 }));
    expect(port()).toMatch(/^rstp/);
    wire.at(3.5 * S).take();
    wire.in(bpdu({ vers: 0, type: 0, flags: 0, rootPri: 0xf000 }));
    expect(port()).toBe('stp designated discarding');
    wire.out(`STP 802.1d, Config, Flags [none], ${OURS} 35`);
  });
});

describe('what is no BPDU changes nothing', () => {
  const with1 = (frame: Uint8Array, at: number, value: number): Uint8Array => {
    frame[at] = value;
    return frame;
  };
  it.each<readonly [string, keyof BstpStats, () => Uint8Array]>([
    ['too short for LLC', 'malformed', () => bpdu().subarray(0, 16)],
    ['shorter than its length field', 'malformed', () => bpdu().subarray(0, 40)],
    ['an ethertype', 'malformed', () => with1(bpdu(), 12, 8)],
    ['other LLC addresses', 'malformed', () => with1(bpdu(), 14, 0xaa)],
    ['no unnumbered information', 'malformed', () => with1(bpdu(), 16, 0)],
    ['another protocol', 'malformed', () => with1(bpdu(), 18, 1)],
    ['an unknown type', 'malformed', () => bpdu({ type: 7 })],
    ['a rapid BPDU of the old version', 'malformed', () => bpdu({ vers: 0 })],
    ['a length field that cuts the BPDU', 'malformed', () => with1(bpdu(), 13, 38)],
    ['too old', 'badTimes', () => bpdu({ vers: 0, type: 0, age: 20 })],
    ['maxage 41', 'badTimes', () => bpdu({ maxAge: 41 })],
    ['maxage 5', 'badTimes', () => bpdu({ maxAge: 5 })],
    ['hellotime 3', 'badTimes', () => bpdu({ hello: 3 })],
    ['hellotime 0', 'badTimes', () => bpdu({ hello: 0 })],
    ['fwddelay 31', 'badTimes', () => bpdu({ fwd: 31 })],
    ['fwddelay 3', 'badTimes', () => bpdu({ fwd: 3 })],
  ])('%s', (_what, why, frame) => {
    const { wire, port, stats, net, bridge } = host();
    wire.at(4 * S);
    expect(port()).toBe('rstp designated forwarding');
    wire.take();
    wire.in(frame());
    expect(stats).toMatchObject({ received: 0, malformed: 0, badTimes: 0, [why]: 1 });
    expect(port()).toBe('rstp designated forwarding');
    expect(bridgeMembers(bridge)![0]!.flags & 0x20).toBe(0x20);
    wire.nothing();
    net.kernel.call(net.now, () => ifCloneDestroy(bridge.net!, 'bridge0'));
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });

  it('nor does a rapid BPDU to a bridge of the old protocol, or any on a port that takes no part', () => {
    const { wire, stats, net, bridge } = host(0);
    wire.in(bpdu());
    expect(stats).toMatchObject({ received: 0, wrongVersion: 1 });
    net.kernel.call(net.now, () => bridgeSetFlags(bridge, 'wire0', 0, IFBIF_STP));
    wire.in(bpdu({ vers: 0, type: 0, flags: 0 }));
    expect([stats.received, bridgeOf(bridge)!.fwd.stats.reserved]).toEqual([0, 1]);
  });
});
