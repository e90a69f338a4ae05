/**
 * gre.test.ts — gre through whole stacks: bytes written from the RFCs in and out, and what upstream's if_gre does.
 */
import { describe, expect, it } from 'vitest';
import { EADDRNOTAVAIL, EEXIST, EINVAL, EIO, ENETDOWN } from '../base/errno.js';
import { inAifaddr, inDifaddr } from '../inet/in-control.js';
import { CSUM_L4, GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import { GRE_ENABLE_CSUM, GRE_ENABLE_SEQ, GRE_UDPENCAP, greParams, greSetKey, greSetOptions, greSetUdpport } from '../net/gre.js';
import { ifSetMtu } from '../net/if.js';
import { ifVmoveLoan } from '../net/if-vmove.js';
import { ifTransmit } from '../net/if-transmit.js';
import { IFF_MONITOR, LINK_STATE_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_STATIC } from '../net/route/nexthop.js';
import { TUNNEL_QUEUE_MAX } from '../net/tunnel-input.js';
import { tunnelDelete, tunnelPair, tunnelSet } from '../net/tunnel-softc.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET, SOCK_DGRAM, SOCK_RAW } from '../socket/socket-type.js';
import { inCksum } from '../wire/checksum.js';
import { ip4Emit } from '../wire/ip4.js';
import { udpEmit } from '../wire/udp.js';
import { OuterWire, TunnelLab, hexOf, unhex } from '../../test/tunnel-lab.js';

/** 10.0.0.2 > 10.0.0.1, id 7, tos 4, ttl 64, protocol 253, without data; and the other way. */
const INNER = '4504001400070000 40fd65e0 0a000002 0a000001'.replace(/ /g, '');
const INNER_OUT = '4504001400070000 40fd65e0 0a000001 0a000002'.replace(/ /g, '');
/** An IPv6 packet of 2001:db8::1 > 2001:db8::2, traffic class 5, without payload. */
const INNER6 = `60500000 0000 3b40 20010db8${'0'.repeat(23)}1 20010db8${'0'.repeat(23)}2`.replace(/ /g, '');

/** Sends a packet, written in hexadecimal, on `ifp`. */
function send(t: OuterWire, ifp: Ifnet, packet: string): number {
  const m = t.sim.kernel.engine.pool.from(unhex(packet))!;
  return t.call(() => ifTransmit(ifp, m));
}

/** A GRE packet with its checksum, which is 0 where it is written. */
function summed(text: string): string {
  const bytes = unhex(text);
  const v = new DataView(bytes.buffer);
  v.setUint16(4, inCksum(v, 0, bytes.length));
  return hexOf(bytes);
}

describe('what a gre sends', () => {
  it('is an IP header, a GRE header and the packet, byte for byte', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    expect([gre.mtu, gre.linkState, gre.capenable]).toEqual([1_476, LINK_STATE_UP, 0x80000]);
    expect(send(t, gre, INNER_OUT)).toBe(0);
    // TOS and identification are the inner ones, TTL 30, protocol 47, no DF.
    expect(t.out()).toEqual([`4504002c00070000 1e2f 1895 c0000201 c0000202 0000 0800 ${INNER_OUT}`.replace(/ /g, '')]);
    expect(send(t, gre, INNER6)).toBe(0);
    const [six = ''] = t.out();
    expect([six.slice(0, 8), six.slice(12, 20), six.slice(24)]).toEqual(['45000040', '00001e2f', `c0000201c0000202000086dd${INNER6}`]);
    expect(gre.data).toMatchObject({ opackets: 2, obytes: 4 + 20 + 4 + 40, oerrors: 0, omcasts: 0 });
    t.end();
  });

  it('has the key, the checksum and the sequence number that were asked for', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    const payloads = (): string[] => t.out().map((p) => p.slice(40));
    t.call(() => greSetKey(gre, 0xa));
    send(t, gre, INNER_OUT);
    t.call(() => greSetOptions(gre, GRE_ENABLE_CSUM));
    send(t, gre, INNER_OUT);
    t.call(() => greSetOptions(gre, GRE_ENABLE_CSUM | GRE_ENABLE_SEQ));
    for (let i = 0; i < 2; i++) send(t, gre, INNER_OUT);
    t.call(() => {
      greSetKey(gre, 0);
      greSetOptions(gre, GRE_ENABLE_SEQ);
    });
    send(t, gre, INNER_OUT);
    // Only a new pair of ends, or switching them off, lets the numbers begin anew.
    t.call(() => tunnelSet(gre, ip4('192.0.2.1'), ip4('192.0.2.2')));
    send(t, gre, INNER_OUT);
    t.call(() => {
      tunnelDelete(gre);
      tunnelSet(gre, ip4('192.0.2.1'), ip4('192.0.2.2'));
    });
    send(t, gre, INNER_OUT);
    expect(payloads()).toEqual([
      `200008000000000a${INNER_OUT}`, summed(`a0000800000000000000000a${INNER_OUT}`), summed(`b0000800000000000000000a00000000${INNER_OUT}`),
      summed(`b0000800000000000000000a00000001${INNER_OUT}`), `1000080000000002${INNER_OUT}`, `1000080000000003${INNER_OUT}`, `1000080000000000${INNER_OUT}`,
    ]);
    t.end();
  });

  it('goes to UDP port 4754 with udpencap, from a port that tells flows apart or the one that was set', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    t.call(() => greSetOptions(gre, GRE_UDPENCAP));
    send(t, gre, INNER_OUT);
    send(t, gre, INNER_OUT.replace('0a000002', '0a003402'));
    send(t, gre, INNER6);
    t.call(() => greSetUdpport(gre, 50_000));
    send(t, gre, INNER_OUT);
    const udp = t.out().map((p) => [p.slice(12, 20), p.slice(40, 52), p.slice(56)]);
    expect(udp).toEqual([
      ['00001e11', 'c0031292' + '0020', `00000800${INNER_OUT}`],
      ['00001e11', 'f4031292' + '0020', `00000800${INNER_OUT.replace('0a000002', '0a003402')}`],
      ['00001e11', 'c0031292' + '0034', `000086dd${INNER6}`],
      ['00001e11', 'c3501292' + '0020', `00000800${INNER_OUT}`],
    ]);
    t.end();
  });

  it('is refused with the right error', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    expect([send(t, gre, '4504'), send(t, gre, '50'.padEnd(80, '0')), send(t, gre, '60'.padEnd(60, '0'))]).toEqual([ENETDOWN, ENETDOWN, ENETDOWN]);
    gre.flags |= IFF_MONITOR;
    expect(send(t, gre, INNER_OUT)).toBe(ENETDOWN);
    gre.flags &= ~IFF_MONITOR;
    t.call(() => inDifaddr(t.vnet.inNet, t.wire.ifp, ip4('192.0.2.1')));
    expect([gre.isRunning, send(t, gre, INNER_OUT)]).toEqual([false, ENETDOWN]);
    t.sim.addr(t.vnet, t.wire.ifp, '192.0.2.1/24');
    expect(send(t, gre, INNER_OUT)).toBe(0);
    t.wire.take();
    t.call(() => t.vnet.routes.add({ fib: 0, family: 'inet', dst: ip4('192.0.2.2'), plen: 32, ifp: gre, flags: RTF_STATIC }));
    expect(send(t, gre, INNER_OUT)).toBe(EIO);
    expect(gre.data).toMatchObject({ opackets: 1, oerrors: 7 });
    t.end();
  });
});

describe('what a gre takes', () => {
  /** Sends the payload of a GRE packet to a vnet with a gre and a raw socket that sees what comes out. */
  function taken(payload: string): { readonly packets: number; readonly data: Ifnet['data'] } {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    t.sim.addr(t.vnet, t.sim.clone(t.vnet, 'lo'), '10.0.0.1/32');
    const so = t.vnet.sockets.socket(PF_INET, SOCK_RAW, 253).so!;
    t.in(47, payload);
    const packets = so.rcv.count + t.ip6.length;
    t.call(() => so.close());
    t.end();
    return { packets, data: gre.data };
  }

  it.each([
    ['bare', `00000800${INNER}`],
    ['with a key, any', `2000080012345678${INNER}`],
    ['with a sequence number, any', `10000800ffffffff${INNER}`],
    ['with a good checksum', summed(`8000080000000000${INNER}`)],
    ['with all of them', summed(`b0000800000000000000000a00000007${INNER}`)],
    ['WCCP', `0000883e${INNER}`],
    ['WCCP 2, with its redirect header', `0000883e00010203${INNER}`],
    ['IPv6', `000086dd${INNER6}`],
  ])('%s', (_what, payload) => {
    const { packets, data } = taken(payload);
    expect([packets, data.ipackets, data.ierrors]).toEqual([1, 1, 0]);
  });

  it.each([
    ['a wrong checksum', summed(`8000080000000000${INNER}`).replace('0a000002', '0a000003')],
    ['something behind the checksum', summed(`8000080000000001${INNER}`)],
    ['routing', `4000080000000000${INNER}`],
    ['version 1', `00010800${INNER}`],
    ['an acknowledgment', `00800800${INNER}`],
    ['another protocol', `00006558${INNER}`],
    ['IPv6 that says IPv4', `00000800${INNER6}`],
    ['IPv4 that says IPv6', `000086dd${INNER}`],
  ])('but not with %s', (_what, payload) => {
    const { packets, data } = taken(payload);
    expect([packets, data.ipackets, data.ierrors]).toEqual([0, 0, 1]);
  });

  it('nor more than may wait', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    const { pool } = t.sim.kernel.engine;
    const outer = t.frame(47, `00000800${INNER}`).subarray(14);
    t.call(() => {
      for (let i = 0; i < TUNNEL_QUEUE_MAX + 3; i++) t.vnet.ip.input(t.wire.ifp, pool.from(outer)!);
      expect([gre.driver.queued?.(), gre.data.iqdrops]).toEqual([TUNNEL_QUEUE_MAX, 3]);
    });
    t.end();
  });

  it('what is nobody\'s is for raw sockets, or answered as an unknown protocol', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    t.in(47, `00000800${INNER}`, { src: '192.0.2.3' });
    t.in(47, '00000800');
    t.call(() => tunnelDelete(gre));
    t.in(47, `00000800${INNER}`);
    expect([t.vnet.ip.stats.noproto, gre.data.ierrors, gre.data.ipackets]).toEqual([3, 0, 0]);
    expect(t.out().filter((p) => p.slice(18, 20) === '01').map((p) => p.slice(40, 44))).toEqual(['0302']);
    const so = t.vnet.sockets.socket(PF_INET, SOCK_RAW, 47).so!;
    t.in(47, `00000800${INNER}`);
    expect([t.vnet.ip.stats.noproto, so.rcv.count]).toEqual([3, 1]);
    t.call(() => so.close());
    t.end();
  });

  it('in UDP, from any port, and several datagrams in one packet as several', () => {
    const t = new OuterWire();
    const gre = t.tunnel('gre');
    t.call(() => greSetOptions(gre, GRE_UDPENCAP));
    const udp = (sport: string, gre6: string): string => `${sport}1292${(8 + gre6.length / 2).toString(16).padStart(4, '0')}0000${gre6}`;
    t.in(17, udp('0001', `000086dd${INNER6}`));
    t.in(17, udp('c000', `200086dd00000009${INNER6}`));
    t.in(17, udp('c000', `000086dd${INNER6}`), { src: '192.0.2.3' });
    // Not in the encapsulation it is in now.
    t.in(47, `000086dd${INNER6}`);
    expect([t.ip6, gre.data.ierrors, t.vnet.ip.stats.noproto]).toEqual([[INNER6, INNER6], 0, 1]);
    const two = `000086dd${INNER6}`.repeat(2);
    const m = t.sim.kernel.engine.pool.from(t.frame(17, udp('c000', two)).subarray(14))!;
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 44 });
    t.call(() => t.vnet.ip.input(t.wire.ifp, m));
    t.sim.kernel.settle();
    expect(t.ip6.length).toBe(4);
    t.end();
  });
});

describe('two gres', () => {
  it.each([0, GRE_ENABLE_CSUM, GRE_UDPENCAP, GRE_ENABLE_CSUM | GRE_ENABLE_SEQ | GRE_UDPENCAP])('carry what is longer than the path in fragments of the outer packet, options %i', (options) => {
    const sim = new SimNet(1);
    const [left, router, right] = [sim.vnet('left'), sim.vnet('router'), sim.vnet('right')];
    router.kern.sysctl.set('net.inet.ip.forwarding', 1);
    const [a, ra] = sim.epair(left, router);
    const [rb, b] = sim.epair(router, right);
    sim.addr(left, a, '192.0.2.1/24');
    sim.addr(router, ra, '192.0.2.254/24');
    sim.addr(router, rb, '198.51.100.254/24');
    sim.addr(right, b, '198.51.100.1/24');
    sim.route(left, 'default', '192.0.2.254');
    sim.route(right, 'default', '198.51.100.254');
    const call = <T>(fn: () => T): T => sim.kernel.call(sim.now, fn);
    call(() => [ra, rb].forEach((ifp) => ifSetMtu(ifp, 600)));
    for (const [v, own, far, inner, peer] of [[left, '192.0.2.1', '198.51.100.1', '10.0.0.1', '10.0.0.2'], [right, '198.51.100.1', '192.0.2.1', '10.0.0.2', '10.0.0.1']] as const) {
      const gre = sim.clone(v, 'gre');
      call(() => {
        expect([tunnelSet(gre, ip4(own), ip4(far)), greSetOptions(gre, options), inAifaddr(v.inNet, gre, { addr: ip4(inner), plen: 32, dstaddr: ip4(peer) })]).toEqual([0, 0, 0]);
      });
    }
    const rx = sim.udp(right, 9);
    call(() => sim.udp(left).send(new Uint8Array(1_400), ip4('10.0.0.2'), 9));
    sim.run(1_000_000);
    expect([rx.rcv.count, right.ip.stats.reassembled, right.udp.stats.badsum]).toEqual([1, 1, 0]);
  });

  it('carry super-segments cut, with finished checksums', () => {
    const t = new TunnelLab('gre');
    t.inner();
    const rx = t.two.sockets.socket(PF_INET, SOCK_DGRAM).so!;
    t.call(() => rx.bind(0, 9));
    const m = t.sim.kernel.engine.pool.alloc(20 + 8 + 2_500)!;
    ip4Emit(m.view, m.off, 20, 0, m.len, 1, 0, 64, 17, ip4('10.0.0.1'), ip4('10.0.0.2'));
    udpEmit(m.view, m.off + 20, 1_000, 9, m.len - 20, 0);
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 1_000 });
    expect(t.call(() => ifTransmit(t.tun1, m))).toBe(0);
    t.sim.run(1_000_000);
    expect([rx.rcv.count, t.tun1.data.opackets, t.tun2.data.ipackets, t.two.udp.stats.badsum]).toEqual([3, 3, 3, 0]);
    t.call(() => rx.close());
    t.end();
  });

  it('nest no deeper than allowed', () => {
    const t = new TunnelLab('gre');
    t.inner();
    const [in1, in2] = [t.tunnel(t.one, '10.0.0.1', '10.0.0.2'), t.tunnel(t.two, '10.0.0.2', '10.0.0.1')];
    t.p2p(t.one, in1, '10.1.0.1', '10.1.0.2');
    t.p2p(t.two, in2, '10.1.0.2', '10.1.0.1');
    expect([t.ping(t.one, '10.1.0.2'), t.tun1.data.oerrors]).toEqual([false, 1]);
    for (const v of [t.one, t.two]) expect(v.kern.sysctl.set('net.link.gre.max_nesting', 2)).toBe(0);
    expect(t.ping(t.one, '10.1.0.2')).toBe(true);
    t.end();
  });

  it('share a pair of ends when one is in UDP, and a port when their source is the same', () => {
    const t = new TunnelLab('gre');
    const [second, third] = [t.create(t.one, 'gre'), t.create(t.one, 'gre')];
    t.call(() => {
      const [src, dst] = [ip4('192.0.2.1'), ip4('192.0.2.2')];
      expect([tunnelSet(second, src, dst), tunnelSet(second, 0, dst), tunnelSet(second, src, 0)]).toEqual([EADDRNOTAVAIL, EADDRNOTAVAIL, EADDRNOTAVAIL]);
      expect([greSetOptions(second, GRE_UDPENCAP), tunnelSet(second, src, dst), greSetOptions(second, 0), greSetOptions(second, 8), greSetUdpport(second, 49_151)])
        .toEqual([0, 0, EEXIST, EINVAL, EINVAL]);
      expect([greSetOptions(third, GRE_UDPENCAP), tunnelSet(third, src, dst + 1), t.one.udp.pcbs.count]).toEqual([0, 0, 1]);
      tunnelDelete(second);
      expect(t.one.udp.pcbs.count).toBe(1);
      expect([greSetOptions(third, 0), t.one.udp.pcbs.count]).toEqual([0, 0]);
      expect([greParams(t.a), greSetKey(t.a, 1), greSetOptions(t.a, 0), greSetUdpport(t.a, 0)]).toEqual([null, EINVAL, EINVAL, EINVAL]);
      expect([575, 576].map((mtu) => ifSetMtu(second, mtu))).toEqual([EINVAL, 0]);
    });
    t.end();
  });

  it('lose their tunnel when they move, not their options', () => {
    const t = new TunnelLab('gre');
    const home = t.sim.kernel.vnet0.net;
    t.call(() => {
      greSetOptions(t.tun1, GRE_UDPENCAP);
      greSetKey(t.tun1, 7);
      expect([t.one.udp.pcbs.count, ifVmoveLoan(t.one.net, 'gre0', home), t.one.udp.pcbs.count]).toEqual([1, 0, 0]);
    });
    const moved = home.ifunit('gre0')!;
    expect([tunnelPair(moved), greParams(moved), moved.isRunning]).toEqual([null, { key: 7, options: GRE_UDPENCAP, udpport: 0 }, false]);
    t.end();
  });
});
