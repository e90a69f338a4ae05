/**
 * witness.test.ts — the Witness over whole stacks: the contracts that are marked, clean as they are, reported when one is broken.
 */
import { describe, expect, it } from 'vitest';
import { Callout } from '../kern/callout.js';
import { quietEnv } from '../env/env.js';
import type { WitnessFinding } from '../kern/witness.js';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { ND6_IFF_ACCEPT_RTADV } from '../inet6/in6-ifinfo.js';
import { nd6SetFlags } from '../inet6/nd6-flags.js';
import { addr6, frame6 } from '../inet6/test-ip6.js';
import { raFrame } from '../inet6/test-rtr.js';
import { ifCloneDestroy } from '../net/if-clone.js';
import { ifVmoveLoan } from '../net/if-vmove.js';
import { RTF_GATEWAY, RTF_STATIC } from '../net/route/nexthop.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { macFormat } from '../wire/addr.js';
import { ip6Zoned } from '../wire/addr6.js';
import { Kernel } from './kernel.js';
import type { Vnet } from './vnet.js';

const SEED = 5;

class Bench {
  readonly net = new SimNet(SEED);
  readonly a: Vnet = this.net.vnet('a');
  readonly b: Vnet = this.net.vnet('b');
  readonly ends = this.net.epair(this.a, this.b);
  readonly found: string[] = [];

  /** Findings are collected here; a SimNet throws them. */
  constructor() {
    this.net.kernel.engine.witness.onFinding = ({ text }: WitnessFinding) => void this.found.push(text);
    this.net.addr(this.a, this.ends[0], '10.0.0.1/24');
    this.net.addr(this.b, this.ends[1], '10.0.0.2/24');
  }

  /** Datagrams cross, a socket comes and goes. */
  traffic(): void {
    const so = this.net.udp(this.a, 7);
    so.send(new Uint8Array(10), ip4('10.0.0.2'), 9);
    this.net.run(10_000);
    so.close();
  }

  destroy(): void {
    this.net.kernel.call(this.net.now, () => ifCloneDestroy(this.a.net, this.ends[0].xname));
  }

  /** What tcp_purgeif and udp_purgeif did: the addresses are taken off with softnet held. */
  keepSoftnetOverPurge(v: Vnet): void {
    const { softnet } = this.net.kernel.engine;
    const purge = v.inNet.purgeAddrs.bind(v.inNet);
    v.inNet.purgeAddrs = (ifp) => {
      softnet.acquire('udp_purgeif');
      purge(ifp);
      softnet.release('udp_purgeif');
    };
  }
}

describe('an interface is destroyed', () => {
  it('while sockets come and packets flow: clean', () => {
    const b = new Bench();
    b.traffic();
    b.destroy();
    b.net.run(1_000_000);
    expect(b.found).toEqual([]);
    const edges = b.net.kernel.engine.witness.graph().map((e) => `${e.from.name} -> ${e.to.name}`);
    expect(edges).toEqual(expect.arrayContaining(['softint -> softnet', 'callout -> softnet', 'ifnet_detach_sx -> ifnet', 'ifnet_detach_sx -> ifaddr', 'ifnet_detach_sx -> rtentry']));
  });

  it('with sockets made, used and closed at every step of it: clean, it ends, and nothing is left of either', () => {
    const b = new Bench();
    const { net, a, ends: [ifp] } = b;
    const before = net.kernel.audit().leaks;
    let made = 0;
    const sockets = (): void => {
      const so = net.udp(a, 0);
      so.send(new Uint8Array(10), ip4('10.0.0.2'), 9);
      so.close();
      made++;
    };
    const purge = a.inNet.purgeAddrs.bind(a.inNet);
    a.inNet.purgeAddrs = (gone) => {
      sockets();
      purge(gone);
      sockets();
    };
    const off = [a.inNet.purgeUpperEvent.register(sockets), a.net.departureEvent.register(sockets)];
    b.traffic();
    b.destroy();
    for (const unregister of off) unregister();
    b.net.run(1_000_000);
    expect([b.found, made >= 4, a.net.ifunit(ifp.xname), a.sockets.list().length]).toEqual([[], true, null, 0]);
    expect(net.kernel.audit().leaks).toEqual(before);
  });

  it('with softnet kept over the purge: reported with both paths, before anything stood still', () => {
    const b = new Bench();
    b.traffic();
    b.keepSoftnetOverPurge(b.a);
    b.destroy();
    expect(b.found[0]).toBe(
      '"ifaddr" is waited for while "softnet" is held, and the other way round\n  now:\n    "softnet" (udp_purgeif) -> "ifaddr" (in_difaddr)\n  before:\n'
      + '    "ifaddr" (the end of every read section) -> "softint" (the end of every softint handler)\n    "softint" (a softint handler) -> "softnet" (netisr)',
    );
  });

  it('… whichever of the two comes first, and once however often', () => {
    const b = new Bench();
    b.net.kernel.engine.witness.watch = 0;
    b.traffic();
    b.net.kernel.engine.witness.watch = 1;
    b.keepSoftnetOverPurge(b.b);
    b.keepSoftnetOverPurge(b.a);
    b.destroy();
    const first = b.found.length;
    b.net.run(1_000);
    expect(b.found.filter((t) => t.includes('"ifaddr"'))).toHaveLength(1);
    expect(b.found.length).toBeGreaterThanOrEqual(first);
  });

  it('a SimNet throws what is found, with the seed', () => {
    const b = new Bench();
    const { witness, softnet } = b.net.kernel.engine;
    witness.onFinding = new SimNet(SEED).kernel.engine.witness.onFinding;
    expect(() => softnet.release('nobody')).toThrow(`witness: "softnet" is released at "nobody" but not held (seed ${SEED})`);
  });
});

describe('what routers say', () => {
  it('changes routes while softnet is free: a redirect, an advertisement', () => {
    const b = new Bench();
    const [ifp] = b.ends;
    const { kernel } = b.net;
    const { in6Net, routes } = b.a;
    const gateway = ip6Zoned(addr6('fe80::99'), ifp.index);
    const hear = (frame: Uint8Array): void => {
      const m = kernel.engine.pool.from(frame);
      if (m !== null) kernel.input(ifp, m, b.net.now);
      b.net.run(10_000);
    };
    kernel.call(b.net.now, () => {
      in6Aifaddr(in6Net, ifp, { addr: addr6('2001:db8::1'), plen: 64 });
      nd6SetFlags(in6Net, ifp, (in6Net.ifinfo(ifp)?.ndFlags ?? 0) | ND6_IFF_ACCEPT_RTADV);
      routes.add({ fib: 0, family: 'inet6', dst: addr6('2001:db8:9::1'), plen: 128, gateway, ifp, flags: RTF_GATEWAY | RTF_STATIC });
    });
    b.net.run(5_000_000);
    hear(frame6('redirect fe80::99 > 2001:db8::1 2001:db8:9::1 via fe80::77', macFormat(ifp.lladdr)));
    hear(raFrame('ra fe80::99 > ff02::1 life 1800 sll 02:00:00:00:00:99 prefix 2001:db8:7::/64 LA 600 600'));
    hear(raFrame('ra fe80::99 > ff02::1 life 0 prefix 2001:db8:7::/64 L 0 0'));
    expect([b.a.icmp6.stats.badredirect, b.a.rtr.stats.rareceived, in6Net.addrsOf(ifp).length]).toEqual([0, 2, 3]);
    expect(kernel.engine.witness.graph().map((e) => `${e.from.name} -> ${e.to.name}`)).not.toContain('softnet -> rtentry');
    expect(b.found).toEqual([]);
  });
});

describe('what may not wait', () => {
  it('a timer that takes an interface down for good is reported, whatever it waits for', () => {
    const b = new Bench();
    const { engine } = b.net.kernel;
    const { witness } = b.net.kernel.shared;
    engine.calloutReset(new Callout(b.a.kern, () => {
      expect(() => witness.ifnets.performNow('a timer')).toThrow('a packet path must not wait');
      witness.detach.acquire('a timer');
      witness.detach.release('a timer');
    }), 10);
    b.net.run(1_000);
    expect(b.found).toEqual(['"a timer" waits for "ifnet" in a softint handler', '"ifnet_detach_sx" is taken at "a timer" in a softint handler, which must not']);
  });

  it('a reader of a socket that moves an interface is reported', () => {
    const b = new Bench();
    const so = b.net.udp(b.b, 9);
    so.onReadable = () => {
      so.onReadable = null;
      b.net.kernel.call(b.net.now, () => ifVmoveLoan(b.b.net, 'none', b.a.net));
    };
    b.traffic();
    expect(b.found).toEqual(['a softint handler acts as a thread: what it calls may wait']);
  });

  it('work that was deferred may', () => {
    const b = new Bench();
    b.a.kern.defer(() => b.destroy());
    b.net.run(1_000);
    expect([b.found, b.a.net.ifunit(b.ends[0].xname)]).toEqual([[], null]);
  });
});

describe('a vnet is taken down', () => {
  it('with traffic, timers and work of its own: clean, and in thread context', () => {
    const b = new Bench();
    b.traffic();
    b.net.route(b.a, 'default', '10.0.0.2');
    const prison = b.net.kernel.prisons.find(b.net.kernel.prisons.prison0, 'a');
    b.a.kern.defer(() => undefined);
    if (prison !== null) b.net.kernel.jailRemove(prison);
    b.net.run(1_000_000);
    expect(b.found).toEqual([]);
  });

  it('with work that destroys interfaces waited for under the lock: reported', () => {
    const b = new Bench();
    b.a.kern.defer(() => b.destroy());
    b.net.run(1_000);
    b.net.kernel.onTeardown = (v, step, when) => {
      if (step.name === 'ip_destroy' && when === 'before') b.net.kernel.engine.forget(v.kern);
    };
    const prison = b.net.kernel.prisons.find(b.net.kernel.prisons.prison0, 'b');
    if (prison !== null) b.net.kernel.jailRemove(prison);
    expect(b.found).toEqual([
      '"deferred work" is waited for while "ifnet_detach_sx" is held, and the other way round\n  now:\n    "ifnet_detach_sx" (vnet_destroy) -> "deferred work" (forgetting deferred work)\n'
      + '  before:\n    "deferred work" (deferred work) -> "ifnet_detach_sx" (the life of an interface)',
    ]);
  });

  it('on a host it is off until asked for, and then logged', () => {
    const log: string[] = [];
    const kernel = new Kernel({ ...quietEnv(1), log: (level, vnet, text) => void log.push(`${level} ${vnet}: ${text}`) });
    const { softnet, witness } = kernel.engine;
    softnet.release('nobody');
    expect([witness.on, witness.count]).toEqual([false, 0]);
    expect(kernel.call(1, () => kernel.vnet0.kern.sysctl.set('debug.witness.watch', 1))).toBe(0);
    softnet.release('nobody');
    expect(kernel.vnet0.kern.sysctl.find('debug.witness.count')?.get()).toBe(1);
    expect(log).toEqual(['warning : witness: "softnet" is released at "nobody" but not held']);
    kernel.shutdown();
    expect(kernel.audit().leaks).toEqual([]);
  });

  it('findings are readings of the host and not of jails', () => {
    const b = new Bench();
    expect(b.net.kernel.vnet0.kern.sysctl.find('debug.witness.count')?.get()).toBe(0);
    expect(b.a.kern.sysctl.find('debug.witness.count')).toBeNull();
    b.net.kernel.vnet0.kern.sysctl.set('debug.witness.watch', 0);
    expect(b.net.kernel.engine.witness.on).toBe(false);
  });
});
