/**
 * iface.test.ts — ng_iface: an IP interface whose cables are hooks.
 */
import { describe, expect, test } from 'vitest';
import { EAFNOSUPPORT, EBUSY, EEXIST, EINVAL, EIO, ENETDOWN, EPFNOSUPPORT } from '../../base/errno.js';
import { inAifaddr } from '../../inet/in-control.js';
import { in6Aifaddr } from '../../inet6/in6-control.js';
import { ifDown, ifSetMtu, ifUp } from '../../net/if.js';
import { ifTransmit } from '../../net/if-transmit.js';
import {
  IFF_BROADCAST, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, LINK_STATE_DOWN, LINK_STATE_UNKNOWN,
} from '../../net/ifnet.js';
import type { Ifnet } from '../../net/ifnet.js';
import { ip4 } from '../../sim/craft.js';
import { NgBench } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';
import { ip6Parse } from '../../wire/addr6.js';
import { ip4Emit } from '../../wire/ip4.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';
import { ifaceIfp } from './iface.js';

function iface(): { readonly bench: NgBench; readonly ifp: Ifnet } {
  const bench = new NgBench();
  bench.mkpeer('.', 'iface', 'a', 'inet');
  return { bench, ifp: ifaceIfp(bench.base, 'ng0')! };
}

function packet(version = 4): Uint8Array {
  const bytes = new Uint8Array(60);
  ip4Emit(new DataView(bytes.buffer), 0, 20, 0, 60, 1, 0, 64, 254, ip4('10.0.0.1'), ip4('10.0.0.2'));
  if (version !== 4) bytes[0] = version << 4;
  return bytes;
}

const send = (bench: NgBench, ifp: Ifnet, bytes: Uint8Array): number => bench.inside(() => ifTransmit(ifp, bench.kernel.engine.pool.from(bytes)!));

test('makes an interface that goes with the node, and with nothing else', () => {
  const { bench, ifp } = iface();
  expect([ifp.xname, ifp.mtu, ifp.flags, ifp.lladdr.length, ifp.baudrate, ifp.linkState]).toEqual(
    ['ng0', 1_500, IFF_SIMPLEX | IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST, 0, 64_000, LINK_STATE_UNKNOWN]);
  bench.rmhook('.', 'a');
  expect(bench.kernel.vnet0.net.ifunit('ng0')).toBe(ifp);
  bench.mkpeer('.', 'iface', 'b', 'inet6');
  expect(ifaceIfp(bench.base, 'ng1')).not.toBeNull();
  expect(bench.shutdown('ng0:')).toBe(0);
  expect(bench.kernel.vnet0.net.ifunit('ng0')).toBeNull();
  bench.mkpeer('.', 'iface', 'c', 'inet');
  expect(bench.kernel.vnet0.net.ifunit('ng0')).not.toBeNull();
});

test('its commands', () => {
  const { bench, ifp } = iface();
  expect(bench.ascii('ng0:', 'getifname')).toBe('"ng0"');
  expect(bench.ascii('ng0:', 'getifindex')).toBe(String(ifp.index));
  bench.ascii('ng0:', 'broadcast');
  expect(ifp.flags & (IFF_BROADCAST | IFF_POINTOPOINT)).toBe(IFF_BROADCAST);
  bench.ascii('ng0:', 'point2point');
  expect(ifp.flags & (IFF_BROADCAST | IFF_POINTOPOINT)).toBe(IFF_POINTOPOINT);
  bench.inside(() => ifUp(ifp));
  expect([bench.asciiError('ng0:', 'broadcast'), bench.asciiError('ng0:', 'point2point')]).toEqual([EBUSY, EBUSY]);
  expect(bench.connect('.', 'ng0:', 'x', 'atm')).toBe(EPFNOSUPPORT);
  expect(bench.connect('.', 'ng0:', 'x', 'inet')).toBe(EEXIST);
  expect(bench.inside(() => [ifSetMtu(ifp, 71), ifSetMtu(ifp, 65_536), ifSetMtu(ifp, 65_535), ifSetMtu(ifp, 72)])).toEqual([EINVAL, EINVAL, 0, 0]);
});

test('sends by the hook of the family, and says what it cannot send', () => {
  const { bench, ifp } = iface();
  bench.connect('.', 'ng0:', 'b', 'inet6');
  expect(send(bench, ifp, packet())).toBe(ENETDOWN);
  bench.inside(() => ifUp(ifp));
  expect(ifp.flags & (IFF_UP | IFF_RUNNING)).toBe(IFF_UP | IFF_RUNNING);
  expect([send(bench, ifp, packet()), send(bench, ifp, packet(6)), send(bench, ifp, packet(5)), send(bench, ifp, new Uint8Array(0))]).toEqual([0, 0, EAFNOSUPPORT, EAFNOSUPPORT]);
  expect([bench.frames('a'), bench.frames('b')]).toEqual([[packet()], [packet(6)]]);
  expect(ifp.data).toMatchObject({ opackets: 2, obytes: 120, oerrors: 3 });
  bench.rmhook('.', 'a');
  expect(send(bench, ifp, packet())).toBe(ENETDOWN);
});

test('what comes in by a hook comes in on the interface, if it is of its family', () => {
  const { bench, ifp } = iface();
  expect(bench.send('a', packet())).toBe(ENETDOWN);
  bench.inside(() => {
    ifUp(ifp);
    inAifaddr(bench.kernel.vnet0.inNet, ifp, { addr: ip4('10.0.0.2'), plen: 32, dstaddr: ip4('10.0.0.1') });
  });
  expect(bench.send('a', packet())).toBe(0);
  expect(bench.send('a', packet(6))).toBe(0);
  bench.settle();
  expect(ifp.data).toMatchObject({ ipackets: 1, ibytes: 60, noproto: 1 });
  expect(bench.kernel.vnet0.ip!.stats.total).toBe(1);
  bench.inside(() => ifDown(ifp));
  expect(bench.send('a', packet())).toBe(ENETDOWN);
  // The answer: nobody has that protocol.
  expect(bench.counts('a')).toEqual([1]);
  expect(bench.kernel.engine.pool.inUse).toBe(0);
});

test('hears of links that go down', () => {
  const { bench, ifp } = iface();
  const probe = bench.probe(['six', 'ng0', 'inet6']);
  probe.sendMsg('six', new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd: NGM_LINK_IS_DOWN }));
  expect(ifp.linkState).toBe(LINK_STATE_DOWN);
});

describe('a graph that leads back into the interface', () => {
  /** Interfaces of which each sends what comes out of the one before. */
  function chain(n: number): { readonly bench: NgBench; readonly ifps: Ifnet[]; readonly errors: number[] } {
    const bench = new NgBench();
    const ifps: Ifnet[] = [];
    const errors: number[] = [];
    for (let i = 0; i < n; i++) {
      bench.mkpeer('.', 'iface', `x${i}`, 'inet6');
      ifps.push(ifaceIfp(bench.base, `ng${i}`)!);
    }
    ifps.forEach((ifp, i) => {
      bench.inside(() => ifUp(ifp));
      const probe = bench.probe(['p', `ng${i}`, 'inet']);
      probe.onData = () => {
        const next = ifps[(i + 1) % n]!;
        if (i + 1 < n || n === 1) errors.push(ifTransmit(next, bench.kernel.engine.pool.from(packet())!));
      };
    });
    return { bench, ifps, errors };
  }

  test('is not entered', () => {
    const { bench, ifps, errors } = chain(1);
    expect(send(bench, ifps[0]!, packet())).toBe(0);
    expect(errors).toEqual([EIO]);
  });

  test('is entered as deep as max_nesting says', () => {
    const { bench, ifps, errors } = chain(3);
    expect(bench.kernel.vnet0.kern.sysctl.set('net.graph.iface.max_nesting', 3)).toBe(0);
    send(bench, ifps[0]!, packet());
    expect(errors.splice(0)).toEqual([0, 0]);
    bench.kernel.vnet0.kern.sysctl.set('net.graph.iface.max_nesting', 2);
    send(bench, ifps[0]!, packet());
    expect(errors).toEqual([EIO, 0]);
  });
});

describe('between jails', () => {
  function jails() {
    const sim = new SimNet(5);
    const a = sim.vnet('a');
    const b = sim.vnet('b');
    const bench = new NgBench(5, { kernel: sim.kernel, vnet: sim.kernel.vnet0 });
    bench.mkpeer('.', 'iface', 'x', 'inet');
    bench.mkpeer('ng0:', 'iface', 'inet6', 'inet6');
    bench.rmhook('.', 'x');
    bench.connect('ng0:', 'ng1:', 'inet', 'inet');
    const ifps = [ifaceIfp(bench.base, 'ng0')!, ifaceIfp(bench.base, 'ng1')!];
    bench.inside(() => ifps.forEach((ifp) => ifSetMtu(ifp, 9_000)));
    ifps[0]!.description = 'to b';
    const ng0 = sim.move(ifps[0]!, a);
    const ng1 = sim.move(ifps[1]!, b);
    const six = (text: string): Uint8Array => ip6Parse(text)!;
    sim.kernel.call(sim.now, () => {
      expect(inAifaddr(a.inNet, ng0, { addr: ip4('10.0.0.1'), plen: 32, dstaddr: ip4('10.0.0.2') })).toBe(0);
      expect(inAifaddr(b.inNet, ng1, { addr: ip4('10.0.0.2'), plen: 32, dstaddr: ip4('10.0.0.1') })).toBe(0);
      expect(in6Aifaddr(a.in6Net, ng0, { addr: six('fd00::1'), plen: 64 })).toBe(0);
      expect(in6Aifaddr(b.in6Net, ng1, { addr: six('fd00::2'), plen: 64 })).toBe(0);
    });
    return { sim, a, b, bench, ng0, ng1 };
  }

  test('carries TCP over both families, whole segments at a time', () => {
    const { sim, a, b, ng0 } = jails();
    expect([ng0.mtu, ng0.description, ng0.flags & (IFF_UP | IFF_RUNNING)]).toEqual([9_000, 'to b', IFF_UP | IFF_RUNNING]);
    const listener = sim.listen(b, 80);
    const client = sim.connect(a, '10.0.0.2', 80);
    sim.run(1_000_000);
    const server = listener.accept()!;
    const before = sim.kernel.engine.pool.work.segmented;
    const sent = sim.kernel.call(sim.now, () => client.send(new Uint8Array(30_000).fill(7)));
    sim.run(1_000_000);
    expect([sent, server.readable]).toEqual([30_000, 30_000]);
    expect(sim.kernel.engine.pool.work.segmented).toBe(before);
    client.close();
    server.close();
    listener.close();
  });

  test('nothing is left when the jails go, and then the graph', () => {
    const { sim, bench } = jails();
    for (const prison of [...sim.kernel.prisons.prison0.children]) sim.kernel.call(sim.now, () => sim.kernel.jailRemove(prison));
    sim.run(1_000_000);
    expect(bench.kernel.vnet0.net.ifunit('ng0')?.description).toBe('to b');
    bench.shutdown('ng0:');
    bench.shutdown('ng1:');
    expect(sim.kernel.vnet0.net.ifnets.map((ifp) => ifp.xname)).toEqual(['lo0']);
    expect(sim.kernel.engine.pool.inUse).toBe(0);
  });

  test('a node that goes takes its interface out of the jail it is in', () => {
    const { sim, a, bench, ng0 } = jails();
    bench.shutdown('ng0:');
    expect([a.net.ifunit('ng0'), ng0.net]).toEqual([null, null]);
    expect(bench.base.byName('ng1')!.hooks).toEqual([]);
    sim.run(1_000_000);
  });
});
