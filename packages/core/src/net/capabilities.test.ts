/**
 * capabilities.test.ts — what switching a capability off does to frames, and who may switch what.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, EOPNOTSUPP } from '../base/errno.js';
import { CSUM_L4, GSO_NONE, GSO_TCPV4, GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, inCksum4 } from '../wire/checksum.js';
import { epairCloner } from './epair.js';
import { gifCloner } from './gif.js';
import type { FrameSink } from './host-port.js';
import { ifSetCaps, ifUp } from './if.js';
import { ifTransmit } from './if-transmit.js';
import { ifVmove } from './if-vmove.js';
import {
  IFCAP_RXCSUM, IFCAP_RXCSUM_IPV6, IFCAP_TSO4, IFCAP_TSO6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, IFCAP_VLAN_MTU,
} from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import { loCloner } from './lo.js';
import { tapCloner, tapOf } from './tap.js';
import { BROADCAST, TestLab, testFrame } from './test-net.js';
import { tunCloner, tunOf } from './tun.js';

const [SRC, DST] = [0x0a000001, 0x0a000002];
const [UDP, TCP] = [17, 6];

interface Got {
  readonly bytes: Uint8Array;
  readonly pending: boolean;
  readonly gsoSize: number;
}

/** A sink that understands everything, and keeps what it got. */
class Clever implements FrameSink {
  readonly offload = { csum: true, gso: true };
  readonly got: Got[] = [];

  output(m: PacketBuffer): boolean {
    this.got.push({ bytes: m.bytes().slice(), pending: (m.csumFlags & CSUM_L4) !== 0, gsoSize: m.gsoSize });
    m.free();
    return true;
  }

  take(): Got[] {
    return this.got.splice(0);
  }
}

/** An IPv4 packet whose transport checksum is pending; `payload` bytes of data, to be cut every `gsoSize`. */
function pendingIp(proto: number, payload: number): Uint8Array {
  const hdrLen = proto === TCP ? 20 : 8;
  const l4 = hdrLen + payload;
  const ip = new Uint8Array(20 + l4);
  const v = new DataView(ip.buffer);
  ip.set([0x45, 0, (20 + l4) >> 8, (20 + l4) & 255, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
  if (proto === TCP) ip[32] = 0x50;
  else v.setUint16(24, l4);
  ip.fill(0xa5, 20 + hdrLen);
  v.setUint16(proto === TCP ? 36 : 26, cksumFold(cksumPseudo4(SRC, DST, proto, l4)));
  return ip;
}

function isSummed(frame: Uint8Array, l3: number, proto: number): boolean {
  return inCksum4(new DataView(frame.buffer, frame.byteOffset), l3 + 20, frame.length - l3 - 20, SRC, DST, proto) === 0;
}

function setUp(): { lab: TestLab; tap: Ifnet; sink: Clever; send: (proto: number, payload: number, gsoSize?: number) => Got[] } {
  const lab = new TestLab();
  const tap = lab.create(lab.net('v', [tapCloner]), 'tap');
  const sink = new Clever();
  tapOf(tap)!.attach(sink);
  ifUp(tap);
  const send = (proto: number, payload: number, gsoSize = 0): Got[] => {
    const m = lab.packet(testFrame(BROADCAST, tap.lladdr, pendingIp(proto, payload), 0, 0x0800));
    const gsoType = gsoSize === 0 ? GSO_NONE : proto === TCP ? GSO_TCPV4 : GSO_UDP_L4;
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 34, csumOffset: proto === TCP ? 16 : 6, gsoType, gsoSize });
    ifTransmit(tap, m);
    lab.turn();
    expect(lab.engine.pool.inUse).toBe(0);
    return sink.take();
  };
  return { lab, tap, sink, send };
}

describe('a tap whose opener does the work', () => {
  it('leaves it the work, and does it where a capability is switched off', () => {
    const { tap, send } = setUp();
    expect(send(UDP, 100).map((g) => g.pending)).toEqual([true]);
    expect(send(TCP, 3_000, 1_400).map((g) => [g.pending, g.gsoSize])).toEqual([[true, 1_400]]);
    expect(ifSetCaps(tap, tap.capenable & ~IFCAP_TSO4)).toBe(0);
    expect(send(TCP, 3_000, 1_400).map((g) => [g.bytes.length, g.pending, g.gsoSize])).toEqual([[1_454, true, 0], [1_454, true, 0], [254, true, 0]]);
    expect(send(UDP, 3_000, 1_400).map((g) => [g.pending, g.gsoSize])).toEqual([[true, 1_400]]);
    expect(ifSetCaps(tap, tap.capenable & ~IFCAP_TXCSUM)).toBe(0);
    for (const g of [...send(UDP, 100), ...send(UDP, 3_000, 1_400)]) expect([g.pending, isSummed(g.bytes, 14, UDP)]).toEqual([false, true]);
    const pieces = send(TCP, 3_000, 1_400);
    expect(pieces.map((g) => [g.pending, isSummed(g.bytes, 14, TCP)])).toEqual([[false, true], [false, true], [false, true]]);
  });

  it('tells IPv4 from IPv6', () => {
    const { lab, tap, sink, send } = setUp();
    expect(ifSetCaps(tap, tap.capenable & ~(IFCAP_TXCSUM_IPV6 | IFCAP_TSO6))).toBe(0);
    expect(send(TCP, 3_000, 1_400).map((g) => [g.pending, g.gsoSize])).toEqual([[true, 1_400]]);
    const ip6 = new Uint8Array(40 + 8);
    ip6.set([0x60, 0, 0, 0, 0, 8, UDP]);
    const m = lab.packet(testFrame(BROADCAST, tap.lladdr, ip6, 0, 0x86dd));
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 54, csumOffset: 6 });
    ifTransmit(tap, m);
    lab.turn();
    expect(sink.take().map((g) => g.pending)).toEqual([false]);
  });

  it('has what the opener can, as long as it is open', () => {
    const { tap } = setUp();
    const offload = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6 | IFCAP_TSO4 | IFCAP_TSO6;
    expect([tap.capabilities & offload, tap.capenable & offload]).toEqual([offload, offload]);
    ifSetCaps(tap, (tap.capenable & ~IFCAP_TXCSUM) | IFCAP_RXCSUM);
    tapOf(tap)!.attach(null);
    expect([tap.capabilities & offload, tap.capenable & offload, tap.capenable & IFCAP_RXCSUM]).toEqual([0, 0, IFCAP_RXCSUM]);
    tapOf(tap)!.attach({ offload: { csum: true, gso: false }, output: () => false });
    expect([tap.capabilities & offload, tap.capenable & offload]).toEqual([IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6, IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6]);
  });

  it('takes them along into another vnet, as they are switched', () => {
    const { lab, tap } = setUp();
    ifSetCaps(tap, tap.capenable & ~IFCAP_TXCSUM);
    const { capabilities, capenable } = tap;
    const to = lab.net('w', [tapCloner]);
    const moved = ifVmove(tap, to).ifp!;
    expect([moved.net, moved.capabilities, moved.capenable]).toEqual([to, capabilities, capenable]);
  });

  it('a tun has no such capabilities: its opener alone decides', () => {
    const lab = new TestLab();
    const tun = lab.create(lab.net('v', [tunCloner]), 'tun');
    const sink = new Clever();
    tunOf(tun)!.attach(sink);
    ifUp(tun);
    const m = lab.packet(pendingIp(UDP, 100));
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6 });
    ifTransmit(tun, m);
    lab.turn();
    expect(sink.take().map((g) => g.pending)).toEqual([true]);
  });
});

describe('who may switch what', () => {
  it('only what the interface has', () => {
    const { tap } = setUp();
    const before = tap.capenable;
    expect([ifSetCaps(tap, before | IFCAP_VLAN_MTU), tap.capenable]).toEqual([EINVAL, before]);
  });

  it('only what its driver lets change', () => {
    const lab = new TestLab();
    const net = lab.net('v', [epairCloner, gifCloner, loCloner]);
    const [a] = lab.epair(net);
    const [lo, gif] = [lab.create(net, 'lo0'), lab.create(net, 'gif')];
    expect([ifSetCaps(a, 0), a.capenable]).toEqual([EINVAL, IFCAP_VLAN_MTU]);
    expect([ifSetCaps(gif, 0), gif.capenable]).toEqual([EINVAL, gif.capabilities]);
    expect([ifSetCaps(lo, lo.capenable & ~IFCAP_RXCSUM_IPV6), lo.capenable]).toEqual([EOPNOTSUPP, lo.capabilities]);
    expect([ifSetCaps(lo, lo.capenable & ~(IFCAP_RXCSUM | IFCAP_TXCSUM)), lo.capenable]).toEqual([0, lo.capabilities & ~(IFCAP_RXCSUM | IFCAP_TXCSUM)]);
  });
});
