/**
 * stf.test.ts — stf at its doors: IPv6 packets in, outer packets out by bytes, and the other way; what upstream's if_stf does, with the
 * addresses of 6to4, 6rd and 6rd between peers put there by the test, because there is no IPv6 to do it.
 */
import { describe, expect, it } from 'vitest';
import { EAFNOSUPPORT, EEXIST, EINVAL, ENETDOWN, ENETUNREACH } from '../base/errno.js';
import { ifCloneCreate, ifCloneDestroyIfp } from '../net/if-clone.js';
import { ifUp } from '../net/if.js';
import { AF_INET6, IFF_LINK0, IFF_LINK1, IFF_LINK2 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { IfAddr6 } from '../net/ifaddr.js';
import { RTF_STATIC } from '../net/route/nexthop.js';
import { stfOutput, stfParams, stfSetNet, stfSetRelay, stfVnet } from '../net/stf.js';
import { ip4 } from '../sim/craft.js';
import { ip6Parse } from '../wire/addr6.js';
import { OuterWire, hexOf, unhex } from '../../test/tunnel-lab.js';

const v6 = (text: string): Uint8Array => ip6Parse(text)!;
const address = (ifp: Ifnet, text: string, plen: number): IfAddr6 => ({ af: AF_INET6, ifp, addr: v6(text), plen, carp: null });
/** An IPv6 packet without payload: hop limit 64, next header none. */
const packet = (src: string, dst: string, tclass = 5): string => `6${tclass.toString(16).padStart(2, '0')}00000 0000 3b40 ${hexOf(v6(src))}${hexOf(v6(dst))}`.replace(/ /g, '');

/** A vnet with 192.0.2.1 and an stf with an IPv6 address. */
class StfWire extends OuterWire {
  readonly stf = this.sim.clone(this.vnet, 'stf');

  constructor(own: string, plen: number, net4 = 0) {
    super();
    this.call(() => {
      // The addresses of these tests are set beside IPv6, which has no routes for them.
      stfVnet(this.vnet.net)!.lookup6 = null;
      if (net4 > 0) expect(stfSetNet(this.stf, ip4('192.0.2.1'), net4)).toBe(0);
      this.address(own, plen);
      this.stf.driver.addrAdded?.(this.stf);
    });
  }

  address(own: string, plen: number): void {
    const ifa = address(this.stf, own, plen);
    expect(this.stf.driver.checkAddr?.(this.stf, ifa)).toBe(0);
    this.stf.addrs = [ifa];
  }

  /** What `bytes` come out as: the outer header without its length, identification and checksum, and what it carries; or the error. */
  send(bytes: string, gateway: string | null = null): string | number {
    const m = this.sim.kernel.engine.pool.from(unhex(bytes))!;
    const error = this.call(() => stfOutput(this.stf, m, gateway === null ? null : v6(gateway)));
    const [out = ''] = this.out();
    return error !== 0 ? error : `${out.slice(0, 4)} ${out.slice(12, 20)} ${out.slice(24, 32)} ${out.slice(32, 40)} ${out.slice(40)}`;
  }

  /** Packets that came through, and those refused. */
  get taken(): readonly number[] {
    return [this.ip6.length, this.stf.data.ierrors];
  }

  route4(prefix: string, plen: number): void {
    this.call(() => this.vnet.routes.add({ fib: 0, family: 'inet', dst: ip4(prefix), plen, ifp: this.wire.ifp, flags: RTF_STATIC }));
  }
}

/** A 6to4 host, 2002:c000:201::1/16. */
const sixToFour = (): StfWire => new StfWire('2002:c000:201::1', 16);
const OWN = '2002:c000:201::1';

describe('what an stf sends', () => {
  it('goes to the address inside the destination: 6to4', () => {
    const t = sixToFour();
    const p = packet(OWN, '2002:c000:202::1');
    expect(t.send(p)).toBe(`4505 00002829 c0000201 c0000202 ${p}`);
    expect([t.stf.data.opackets, t.stf.flags & 0x41]).toEqual([1, 0x41]);
    t.end();
  });

  it.each([
    [32, '2001:db8:c000:201::1', 32, '2001:db8:c000:202::1'],
    [24, '2001:db8:100::1', 32, '2001:db8:200:1::9'],
    [16, '2001:201::1', 16, '2001:202::1'],
  ])('goes to the address inside the destination: 6rd, %i bits in common', (net4, own, plen, far) => {
    const t = new StfWire(own, plen, net4);
    expect(t.send(packet(own, far))).toBe(`4505 00002829 c0000201 c0000202 ${packet(own, far)}`);
    t.end();
  });

  it('goes to the border relay, or the gateway, when the destination has none', () => {
    const t = sixToFour();
    const p = packet(OWN, '2001:db8::9');
    expect([t.send(p), t.send(p, '2001:db8::1')]).toEqual([ENETUNREACH, ENETUNREACH]);
    expect(t.send(p, '2002:c000:202::1')).toBe(`4505 00002829 c0000201 c0000202 ${p}`);
    expect(t.send(p)).toBe(ENETUNREACH);
    expect(t.call(() => stfSetRelay(t.stf, ip4('192.0.2.2')))).toBe(0);
    expect(t.send(p)).toBe(`4505 00002829 c0000201 c0000202 ${p}`);
    expect(t.stf.data).toMatchObject({ opackets: 2, oerrors: 3 });
    t.end();
  });

  it('is refused with the right error', () => {
    const t = sixToFour();
    const p = packet(OWN, '2002:c000:202::1');
    expect([t.send('45'.padEnd(80, '0')), t.send('60'.padEnd(78, '0'))]).toEqual([EAFNOSUPPORT, EAFNOSUPPORT]);
    t.stf.addrs = [address(t.stf, '2002:c000:209::1', 16)];
    expect(t.send(p)).toBe(ENETDOWN);
    t.stf.addrs = [address(t.stf, '2002:c000:209::1', 16), address(t.stf, OWN, 16)];
    expect(t.send(p)).toBe(`4505 00002829 c0000201 c0000202 ${p}`);
    t.stf.flags &= ~1;
    expect(t.send(p)).toBe(ENETDOWN);
    t.end();
  });

  it('repeats no congestion mark outside with LINK1', () => {
    const t = sixToFour();
    const marked = packet(OWN, '2002:c000:202::1', 3);
    expect(t.send(marked)).toMatch(/^4503 /);
    t.stf.flags |= IFF_LINK1;
    expect(t.send(marked)).toMatch(/^4502 /);
    t.end();
  });
});

describe('what an stf takes', () => {
  it('is for its address, from anywhere in its prefix', () => {
    const t = sixToFour();
    const p = packet('2002:c000:202::1', OWN);
    t.in(41, p);
    t.in(41, packet('2001:db8::9', OWN));
    expect([t.ip6[0], t.taken, t.stf.data.ipackets]).toEqual([p, [2, 0], 2]);
    t.end();
  });

  it('is nobody\'s when it comes from outside a longer prefix, to another address, or with LINK0', () => {
    const t = sixToFour();
    t.address(OWN, 48);
    const p = packet('2002:c000:202::1', OWN);
    t.in(41, p);
    t.address(OWN, 40);
    t.in(41, p);
    t.stf.flags |= IFF_LINK0;
    t.in(41, p);
    t.stf.flags &= ~(IFF_LINK0 | 1);
    t.in(41, p);
    expect([t.taken, t.vnet.ip.stats.noproto]).toEqual([[1, 0], 3]);
    t.end();
  });

  it.each([
    ['multicast', '2002:e000:1::1'], ['loopback', '2002:7f00:1::1'], ['this network', '2002:0:1::1'], ['255/8', '2002:ff00:1::1'], ['a broadcast address', '2002:c000:2ff::1'],
    ['a private address', '2002:a00:1::1'], ['v4-compatible', '::192.0.2.2'], ['v4-mapped', '::ffff:192.0.2.2'], ['reached elsewhere', '2002:c633:6401::1'],
  ])('but not when inside the source is %s', (_what, src) => {
    const t = sixToFour();
    t.in(41, packet(src, OWN));
    expect(t.taken).toEqual([0, 1]);
    t.end();
  });

  it.each([['multicast', '2002:e000:1::1'], ['a broadcast address', '2002:c000:2ff::1'], ['v4-compatible', '::192.0.2.1'], ['v4-mapped', '::ffff:192.0.2.1']])(
    'but not when inside the destination is %s', (_what, dst) => {
      const t = sixToFour();
      t.in(41, packet('2002:c000:202::1', dst));
      expect(t.taken).toEqual([0, 1]);
      t.end();
    });

  it('but not what is no IPv6 packet', () => {
    const t = sixToFour();
    for (const bytes of ['', '60', '45'.padEnd(80, '0'), packet('2002:c000:202::1', OWN).slice(0, 78)]) t.in(41, bytes);
    expect(t.taken).toEqual([0, 4]);
    t.end();
  });

  it('from where its sender is reached, unless LINK2 says otherwise', () => {
    const t = sixToFour();
    t.in(41, packet('2002:c633:6401::1', OWN), { src: '198.51.100.1' });
    expect(t.taken).toEqual([0, 1]);
    t.route4('198.51.100.0', 24);
    t.in(41, packet('2002:c633:6401::1', OWN), { src: '198.51.100.1' });
    expect(t.taken).toEqual([1, 1]);
    t.stf.flags |= IFF_LINK2;
    t.in(41, packet('2002:cb00:7101::1', OWN), { src: '203.0.113.1' });
    expect(t.taken).toEqual([2, 1]);
    t.end();
  });

  it('from private addresses in 6rd, and in 6to4 when that is permitted', () => {
    const t = sixToFour();
    t.route4('10.0.0.0', 8);
    const p = packet('2002:a00:2::1', OWN);
    t.in(41, p, { src: '10.0.0.2' });
    expect(t.taken).toEqual([0, 1]);
    expect(t.stf.driver.checkAddr?.(t.stf, address(t.stf, '2002:a00:1::1', 16))).toBe(EINVAL);
    const { vnet0 } = t.sim.kernel;
    expect([t.vnet.kern.sysctl.set('net.link.stf.permit_rfc1918', 1) === 0, vnet0.kern.sysctl.set('net.link.stf.permit_rfc1918', 1)]).toEqual([false, 0]);
    t.in(41, p, { src: '10.0.0.2' });
    expect([t.taken, t.stf.driver.checkAddr?.(t.stf, address(t.stf, '2002:a00:1::1', 16))]).toEqual([[1, 1], 0]);
    vnet0.kern.sysctl.set('net.link.stf.permit_rfc1918', 0);
    t.call(() => stfSetNet(t.stf, ip4('192.0.2.1'), 32));
    t.address('2001:db8:c000:201::1', 32);
    t.in(41, packet('2001:db8:a00:2::1', '2001:db8:c000:201::1'), { src: '10.0.0.2' });
    expect(t.taken).toEqual([2, 1]);
    t.end();
  });

  it('unless IPv6 would drop it, or send it back out of the stf to another than its sender', () => {
    const t = sixToFour();
    const vnet = stfVnet(t.vnet.net)!;
    const p = packet('2002:c000:202::1', '2002:c000:201:5::1');
    for (const [nh, ok] of [
      [null, 0], [{ ifp: t.stf, gateway: null }, 0], [{ ifp: t.stf, gateway: v6('2002:c000:203::1') }, 0], [{ ifp: t.stf, gateway: v6('2002:c000:202::1') }, 1],
      [{ ifp: t.wire.ifp, gateway: null }, 1],
    ] as const) {
      const before = t.ip6.length;
      vnet.lookup6 = (_fib, bytes, off) => (hexOf(bytes.subarray(off, off + 16)) === hexOf(v6('2002:c000:201:5::1')) ? nh : null);
      t.in(41, p);
      expect(t.ip6.length - before).toBe(ok);
    }
    t.end();
  });

  it('with the congestion met outside, with LINK1', () => {
    const t = sixToFour();
    const p = (tclass: number): string => packet('2002:c000:202::1', OWN, tclass);
    t.in(41, p(2), { tos: 3 });
    t.stf.flags |= IFF_LINK1;
    t.in(41, p(2), { tos: 3 });
    t.in(41, p(0x50), { tos: 3 });
    expect([t.ip6, t.stf.data.ierrors]).toEqual([[p(2), p(3)], 1]);
    t.end();
  });

  it('when no gif takes it first', () => {
    const t = sixToFour();
    const gif = t.tunnel('gif');
    t.in(41, packet('2002:c000:202::1', OWN));
    expect([gif.data.ipackets, t.stf.data.ipackets, t.ip6.length]).toEqual([1, 0, 1]);
    t.end();
  });
});

describe('an stf', () => {
  it('is one of its vnet, and takes its unit with it when it is destroyed', () => {
    const t = new OuterWire();
    const make = (name: string): number => t.call(() => ifCloneCreate(t.vnet.net, name).error);
    expect([make('stf'), make('stf'), make('stf0'), make('6to4'), make('stf1')]).toEqual([0, EEXIST, EEXIST, EINVAL, EINVAL]);
    const stf = t.vnet.net.ifunit('stf0')!;
    expect([stf.mtu, stf.flags, stfParams(stf)]).toMatchObject([1_280, 0, { srcv4: 0, plen4: 0, relay: 0 }]);
    expect([stfSetNet(stf, 1, 0), stfSetNet(stf, 1, 33), stfSetNet(t.wire.ifp, 1, 8), stfSetRelay(t.wire.ifp, 1)]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
    expect([t.call(() => ifCloneDestroyIfp(stf, 0)), make('stf0')]).toEqual([0, 0]);
    t.end();
  });

  it('keeps its domain and its home\'s unit when it moves', () => {
    const t = sixToFour();
    const { vnet0 } = t.sim.kernel;
    t.call(() => {
      stfSetNet(t.stf, ip4('192.0.2.1'), 24);
      stfSetRelay(t.stf, ip4('192.0.2.2'));
    });
    const there = t.sim.move(t.stf, vnet0);
    expect([there.addrs, stfParams(there)]).toMatchObject([[], { srcv4: ip4('192.0.2.1'), plen4: 24, relay: ip4('192.0.2.2') }]);
    expect([stfVnet(t.vnet.net)?.softcs.length, stfVnet(vnet0.net)?.softcs.length, t.call(() => ifCloneCreate(t.vnet.net, 'stf').error)]).toEqual([0, 1, EEXIST]);
    const back = t.sim.move(there, t.vnet);
    expect(t.call(() => ifCloneDestroyIfp(back, 0))).toBe(0);
    expect([t.call(() => ifCloneCreate(t.vnet.net, 'stf').error), stfVnet(vnet0.net)?.softcs.length]).toEqual([0, 0]);
    t.end();
  });

  it('is up when it is told so, without an address', () => {
    const t = new OuterWire();
    const stf = t.sim.clone(t.vnet, 'stf');
    t.call(() => ifUp(stf));
    t.in(41, packet('2002:c000:202::1', OWN));
    expect([stf.data.ierrors, t.vnet.ip.stats.noproto]).toEqual([0, 1]);
    t.end();
  });
});
