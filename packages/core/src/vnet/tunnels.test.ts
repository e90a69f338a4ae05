/**
 * tunnels.test.ts — gif and tun through whole stacks: what upstream's if_gif, if_tun_test and if_bridge_test:gif do.
 */
import { describe, expect, it } from 'vitest';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EIO, ENETDOWN } from '../base/errno.js';
import { inAifaddr, inDifaddr } from '../inet/in-control.js';
import { CSUM_L4, GSO_UDP_L4, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { bridgeAdd } from '../net/bridge-control.js';
import { ifSetMtu, ifUp } from '../net/if.js';
import { ifTransmit } from '../net/if-transmit.js';
import { IFF_LINK1, IFF_LINK2, LINK_STATE_DOWN, LINK_STATE_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_STATIC } from '../net/route/nexthop.js';
import type { FrameSink } from '../net/tap.js';
import { tunnelDelete, tunnelPair, tunnelSet } from '../net/tunnel-softc.js';
import { tunOf } from '../net/tun.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET, SOCK_DGRAM, SOCK_RAW } from '../socket/socket-type.js';
import { ip4Parse } from '../wire/addr.js';
import { icmp4Emit } from '../wire/icmp4.js';
import { ip4Emit } from '../wire/ip4.js';
import { udpEmit } from '../wire/udp.js';
import { OuterWire, TunnelLab, unhex } from '../../test/tunnel-lab.js';

const addr = (text: string): number => ip4Parse(text) ?? 0;

describe('gif', () => {
  it('carries IP in IP', () => {
    const t = new TunnelLab('gif');
    t.inner();
    expect(t.ping(t.one, '10.0.0.2')).toBe(true);
    expect(t.ping(t.two, '10.0.0.1', 1_200)).toBe(true);
    expect(t.tun1.data).toMatchObject({ opackets: 2, ipackets: 2, oerrors: 0, ierrors: 0 });
    expect([t.tun1.mtu, t.tun1.flags & 0x8010, t.tun1.linkState]).toEqual([1_280, 0x8010, LINK_STATE_UP]);
    t.end();
  });

  it('carries IPv6 in IP', () => {
    const t = new OuterWire();
    const gif = t.tunnel('gif');
    const packet = `60500000 0000 3b40 ${'20010db8'.padEnd(31, '0')}1 ${'20010db8'.padEnd(31, '0')}2`.replace(/ /g, '');
    t.call(() => ifTransmit(gif, t.sim.kernel.engine.pool.from(unhex(packet))!));
    const [out = ''] = t.out();
    expect([out.slice(0, 8), out.slice(12, 20), out.slice(24)]).toEqual(['4505003c', '00001e29', `c0000201c0000202${packet}`]);
    t.in(41, packet);
    expect([t.ip6, gif.data.ipackets, gif.data.opackets]).toEqual([[packet], 1, 1]);
    t.end();
  });

  it('carries what is longer than the path in fragments of the outer packet', () => {
    const t = new TunnelLab('gif');
    t.inner();
    t.call(() => [t.a, t.b].forEach((i) => ifSetMtu(i, 600)));
    expect(t.ping(t.one, '10.0.0.2', 1_200)).toBe(true);
    expect(t.two.ip!.stats.reassembled).toBeGreaterThan(0);
    t.end();
  });

  it('carries frames between bridges, of any size', () => {
    const t = new TunnelLab('gif');
    const bridges = ([[t.one, t.tun1, '198.51.100.1/24'], [t.two, t.tun2, '198.51.100.2/24']] as const).map(([v, gif, a]) => {
      const br = t.create(v, 'bridge');
      t.sim.addr(v, br, a);
      expect(t.call(() => bridgeAdd(br, gif.xname))).toBe(0);
      return br;
    });
    expect(bridges.map((b) => [b.mtu, b.isRunning])).toEqual([[1_280, true], [1_280, true]]);
    for (const size of [56, 1_200, 2_000]) expect(t.ping(t.one, '198.51.100.2', size)).toBe(true);
    t.call(() => [t.a, t.b].forEach((i) => ifSetMtu(i, 1_000)));
    for (const size of [1_200, 2_000]) expect(t.ping(t.one, '198.51.100.2', size)).toBe(true);
    expect(t.tun2.data.imcasts).toBeGreaterThan(0);
    t.end();
  });

  it('carries tagged frames to a bridge, and drops frames without one', () => {
    const t = new TunnelLab('gif');
    const br = t.create(t.one, 'bridge');
    const [x, y] = t.sim.epair(t.one, t.one);
    t.call(() => {
      ifUp(br);
      expect([bridgeAdd(br, t.tun1.xname), bridgeAdd(br, x.xname)]).toEqual([0, 0]);
    });
    const seen: string[] = [];
    y.input = (_ifp, m) => {
      seen.push(`${m.flags} ${m.vproto.toString(16)} ${m.vtag} ${m.len}`);
      m.free();
    };
    const frame = new Uint8Array(40).fill(0xff, 0, 6);
    frame.set([0x88, 0xa8, 0x20, 5, 0x88, 0xb5], 12);
    const send = (from: Ifnet): void => {
      const m = t.sim.kernel.engine.pool.from(Uint8Array.of(0x30, 0, ...frame))!;
      t.call(() => {
        m.prepend(20);
        const [src, dst] = from === t.tun2 ? ['192.0.2.2', '192.0.2.1'] : ['192.0.2.1', '192.0.2.2'];
        ip4Emit(m.view, m.off, 20, 0, m.len, 1, 0, 64, 97, addr(src), addr(dst));
        (from === t.tun2 ? t.two : t.one).ip.output(m);
      });
      t.sim.run(100_000);
    };
    send(t.tun2);
    expect(seen).toEqual([`${M_VLANTAG} 88a8 ${0x2005} 36`]);
    send(t.tun1);
    expect([t.tun2.data.ipackets, t.tun2.data.noproto]).toEqual([1, 1]);
    t.end();
    expect(t.one.kern.sysctl.count).toBe(0);
  });

  it('carries super-segments cut, with finished checksums', () => {
    const t = new TunnelLab('gif');
    t.inner();
    const rx = t.two.sockets!.socket(PF_INET, SOCK_DGRAM).so!;
    t.call(() => rx.bind(0, 9));
    const m = t.sim.kernel.engine.pool.alloc(20 + 8 + 2_500)!;
    ip4Emit(m.view, m.off, 20, 0, m.len, 1, 0, 64, 17, addr('10.0.0.1'), addr('10.0.0.2'));
    udpEmit(m.view, m.off + 20, 1_000, 9, m.len - 20, 0);
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 1_000 });
    expect(t.call(() => ifTransmit(t.tun1, m))).toBe(0);
    t.sim.run(1_000_000);
    expect([rx.rcv.count, t.tun2.data.ipackets, t.two.udp!.stats.badsum]).toEqual([3, 3, 0]);
    t.call(() => rx.close());
    t.end();
  });

  it('answers with the right error', () => {
    const t = new TunnelLab('gif');
    const other = t.create(t.one, 'gif');
    t.call(() => {
      expect([
        tunnelSet(other, 0, addr('192.0.2.2')), tunnelSet(other, addr('192.0.2.1'), 0), tunnelSet(other, addr('192.0.2.1'), addr('192.0.2.2')),
        tunnelSet(t.tun1, addr('192.0.2.1'), addr('192.0.2.2')), tunnelSet(t.a, 1, 2), tunnelDelete(t.a),
      ]).toEqual([EADDRNOTAVAIL, EADDRNOTAVAIL, EADDRNOTAVAIL, 0, EINVAL, EINVAL]);
      expect([1_279, 8_193, 8_192, 1_280].map((mtu) => ifSetMtu(other, mtu))).toEqual([EINVAL, EINVAL, 0, 0]);
      expect([other.capabilities, other.capenable]).toEqual([0x80000, 0x80000]);
      expect([tunnelPair(other), tunnelPair(t.tun1)]).toEqual([null, { src: addr('192.0.2.1'), dst: addr('192.0.2.2') }]);
      expect(tunnelDelete(t.tun1)).toBe(0);
      expect([tunnelPair(t.tun1), t.tun1.isRunning, t.tun1.linkState]).toEqual([null, false, LINK_STATE_DOWN]);
      expect(tunnelSet(other, addr('192.0.2.1'), addr('192.0.2.2'))).toBe(0);
    });
    t.end();
  });

  it('runs while its source is an address of the vnet', () => {
    const t = new TunnelLab('gif');
    t.inner();
    expect(t.tun1.isRunning).toBe(true);
    t.call(() => inDifaddr(t.one.inNet!, t.a, addr('192.0.2.1')));
    expect(t.tun1.isRunning).toBe(false);
    const m = t.sim.kernel.engine.pool.alloc(20)!;
    m.bytes().set([0x45]);
    expect(t.call(() => ifTransmit(t.tun1, m))).toBe(ENETDOWN);
    t.sim.addr(t.one, t.a, '192.0.2.1/24');
    expect(t.tun1.isRunning).toBe(true);
    expect(t.ping(t.one, '10.0.0.2')).toBe(true);
    t.end();
  });

  it('does not nest deeper than allowed, nor through itself', () => {
    const t = new TunnelLab('gif');
    t.inner();
    const [in1, in2] = [t.tunnel(t.one, '10.0.0.1', '10.0.0.2'), t.tunnel(t.two, '10.0.0.2', '10.0.0.1')];
    t.p2p(t.one, in1, '10.1.0.1', '10.1.0.2');
    t.p2p(t.two, in2, '10.1.0.2', '10.1.0.1');
    expect(t.ping(t.one, '10.1.0.2')).toBe(false);
    expect(t.tun1.data.oerrors).toBe(1);
    for (const v of [t.one, t.two]) expect(v.kern.sysctl.set('net.link.gif.max_nesting', 2)).toBe(0);
    expect(t.ping(t.one, '10.1.0.2')).toBe(true);
    t.one.kern.sysctl.set('net.link.gif.max_nesting', 20);
    t.call(() => t.one.routes!.add({ fib: 0, family: 'inet', dst: addr('192.0.2.2'), plen: 32, ifp: t.tun1, flags: RTF_STATIC }));
    const m = t.sim.kernel.engine.pool.alloc(20)!;
    m.bytes().fill(0).set([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    expect(t.call(() => ifTransmit(t.tun1, m))).toBe(EIO);
    t.end();
  });

  it('takes a packet only from where its sender is reached, unless LINK2 says otherwise', () => {
    const t = new TunnelLab('gif');
    t.inner();
    const [, far] = t.sim.epair(t.one, t.two);
    t.sim.addr(t.two, far, '203.0.113.1/24');
    t.call(() => t.two.routes!.add({ fib: 0, family: 'inet', dst: addr('192.0.2.1'), plen: 32, ifp: far, flags: RTF_STATIC }));
    const before = t.tun2.data.ipackets;
    t.ping(t.one, '10.0.0.2');
    expect([t.tun2.data.ipackets - before, t.two.ip!.stats.nogif]).toEqual([0, 1]);
    t.tun2.flags |= IFF_LINK2;
    t.ping(t.one, '10.0.0.2');
    expect(t.tun2.data.ipackets - before).toBe(1);
    t.end();
  });

  it('leaves packets of nobody\'s tunnel to raw sockets and ICMP', () => {
    const t = new TunnelLab('gif');
    t.inner();
    t.call(() => tunnelDelete(t.tun2));
    t.ping(t.one, '10.0.0.2');
    expect(t.two.ip!.stats.nogif).toBe(1);
    const raw = t.two.sockets!.socket(PF_INET, SOCK_RAW, 4).so!;
    t.ping(t.one, '10.0.0.2');
    expect([t.two.ip!.stats.nogif, raw.rcv.count]).toEqual([1, 1]);
    t.call(() => raw.close());
    t.end();
  });

  it('tells the inside about congestion met in the tunnel, with LINK1', () => {
    const t = new TunnelLab('gif');
    t.inner();
    const tosSeen: number[] = [];
    const send = (tos: number): void => {
      const m = t.sim.kernel.engine.pool.alloc(20)!;
      m.bytes().fill(0).set([0x45, tos, 0, 20, 0, 0, 0, 0, 64, 253, 0x66, 0xec, 10, 0, 0, 1, 10, 0, 0, 2]);
      t.call(() => ifTransmit(t.tun1, m));
      t.sim.run(1_000_000);
    };
    const input = t.b.input;
    t.b.input = (ifp, m) => {
      if (m.view.getUint16(m.off + 12) === 0x0800) {
        tosSeen.push(m.view.getUint8(m.off + 15));
        m.view.setUint8(m.off + 15, m.view.getUint8(m.off + 15) | 3);
        m.view.setUint16(m.off + 24, 0);
        let sum = 0;
        for (let i = 14; i < 34; i += 2) sum += m.view.getUint16(m.off + i);
        m.view.setUint16(m.off + 24, ~((sum & 0xffff) + (sum >> 16)));
      }
      input(ifp, m);
    };
    send(2);
    t.tun1.flags |= IFF_LINK1;
    send(3);
    expect(tosSeen).toEqual([2, 2]);
    const before = [t.tun2.data.ipackets, t.tun2.data.ierrors];
    t.tun2.flags |= IFF_LINK1;
    send(0);
    send(2);
    expect([t.tun2.data.ipackets, t.tun2.data.ierrors]).toEqual([before[0]! + 1, before[1]! + 1]);
    t.end();
  });

  it('sends its outer packets by the routing table it was told', () => {
    const t = new TunnelLab('gif');
    t.inner();
    expect(t.call(() => t.one.routes!.setFibs(2))).toBe(0);
    t.tun1.tunnelFib = 1;
    expect(t.ping(t.one, '10.0.0.2')).toBe(false);
    t.tun1.tunnelFib = 0;
    expect(t.ping(t.one, '10.0.0.2')).toBe(true);
    t.end();
  });

  it('carries a routing loop until the inner TTL ends it', () => {
    const t = new TunnelLab('gif');
    t.inner();
    for (const [v, gif] of [[t.one, t.tun1], [t.two, t.tun2]] as const) {
      v.kern.sysctl.set('net.inet.ip.forwarding', 1);
      t.call(() => v.routes!.add({ fib: 0, family: 'inet', dst: addr('10.9.9.9'), plen: 32, ifp: gif, flags: RTF_STATIC }));
    }
    const m = t.sim.kernel.engine.pool.alloc(20)!;
    ip4Emit(m.view, m.off, 20, 0, 20, 1, 0, 255, 253, addr('10.0.0.1'), addr('10.9.9.9'));
    t.call(() => ifTransmit(t.tun1, m));
    t.sim.run(1_000_000);
    const crossings = t.tun1.data.opackets + t.tun2.data.opackets;
    expect(crossings).toBe(255);
    t.end();
  });

  it('is without a carrier when the vnet\'s IPv4 is gone', () => {
    const t = new TunnelLab('gif');
    t.call(() => {
      t.one.gif.destroy();
      tunnelDelete(t.tun1);
      expect(tunnelSet(t.tun1, addr('192.0.2.1'), addr('192.0.2.2'))).toBe(EAFNOSUPPORT);
    });
    t.end();
  });

  it('loses its tunnel when it moves', () => {
    const t = new TunnelLab('gif');
    const there = t.sim.move(t.tun1, t.two.net.ifunit('gif0') === null ? t.two : t.sim.kernel.vnet0);
    expect([tunnelPair(t.tun1), tunnelPair(there)]).toEqual([null, null]);
    expect(t.call(() => tunnelSet(there, 1, 2))).toBe(0);
    t.end();
  });
});

describe('tun', () => {
  it('carries a ping between two stacks through two programs', () => {
    const sim = new SimNet(1);
    const [duke, bass] = [sim.vnet('duke'), sim.vnet('bass')];
    const k = sim.kernel;
    const tuns = [sim.move(sim.clone(k.vnet0, 'tun'), duke), sim.move(sim.clone(k.vnet0, 'tun'), bass)];
    k.call(0, () => {
      tuns.forEach((ifp, i) => {
        const program: FrameSink = {
          offload: { csum: false, gso: false },
          output: (m) => {
            k.input(tuns[1 - i]!, k.engine.pool.from(m.bytes())!, sim.now);
            m.free();
            return true;
          },
        };
        expect(tunOf(ifp)!.attach(program)).toBe(0);
      });
      expect(inAifaddr(duke.inNet!, tuns[0]!, { addr: addr('10.100.0.1'), plen: 24, dstaddr: addr('10.100.0.2') })).toBe(0);
      expect(inAifaddr(bass.inNet!, tuns[1]!, { addr: addr('10.100.0.2'), plen: 24, dstaddr: addr('10.100.0.1') })).toBe(0);
    });
    const so = bass.sockets!.socket(PF_INET, SOCK_RAW, 1).so!;
    const echo = new Uint8Array(16);
    icmp4Emit(new DataView(echo.buffer), 0, 16, 8, 0, 0x10001);
    expect(k.call(0, () => so.send(echo, addr('10.100.0.1')))).toBe(0);
    sim.run(1_000_000);
    expect(so.rcv.count).toBe(1);
    k.call(0, () => {
      expect(tunOf(tuns[0]!)!.attach(null)).toBe(0);
      so.close();
    });
    expect([tuns[0]!.addrs.length, tuns[0]!.isUp, tuns[1]!.addrs.length]).toEqual([0, false, 1]);
  });
});
