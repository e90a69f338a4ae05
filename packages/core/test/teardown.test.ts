/**
 * teardown.test.ts — for every cloner there is: make one, use it, move it away and back, destroy it, or destroy its vnet. Every count returns.
 *
 * The list comes from the registry, so a new kind of interface is tested on the day it is registered.
 */
import { describe, expect, it } from 'vitest';
import { ENXIO } from '../src/base/errno.js';
import { ifUp } from '../src/net/if.js';
import { ifCloneCreate, ifCloneDestroyIfp } from '../src/net/if-clone.js';
import { ifVmoveLoan, ifVmoveReclaim } from '../src/net/if-vmove.js';
import { IFF_POINTOPOINT } from '../src/net/ifnet.js';
import type { Ifnet } from '../src/net/ifnet.js';
import { inAifaddr } from '../src/inet/in-control.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import type { Prison } from '../src/vnet/kernel.js';
import type { AuditReport } from '../src/vnet/kernel-audit.js';
import type { Vnet } from '../src/vnet/vnet.js';

const SEED = 7;
const kinds = new SimNet(SEED).kernel.vnet0.net.cloners.map((c) => c.name);

/** Everything anybody holds, and that nothing is unaccounted for and no dead vnet left anything. */
function account({ kernel }: SimNet): AuditReport {
  const report = kernel.audit();
  expect(report.unaccounted).toEqual({ packets: 0, timers: 0, interfaces: 0, deferred: 0 });
  expect(report.leaks).toEqual([]);
  return report;
}

/** Makes one in `vnet`, gives it an address and sends a datagram towards its network. */
function use(net: SimNet, vnet: Vnet, kind: string): Ifnet {
  const ifp = net.kernel.call(net.now, () => {
    const made = ifCloneCreate(vnet.net, kind).ifp;
    if (made === null) throw new Error(`no ${kind} to be had (seed ${SEED})`);
    const far = (made.flags & IFF_POINTOPOINT) !== 0 ? { dstaddr: ip4('10.5.0.2') } : {};
    inAifaddr(vnet.inNet, made, { addr: ip4('10.5.0.1'), plen: 24, ...far });
    ifUp(made);
    return made;
  });
  const so = net.udp(vnet);
  so.send(new Uint8Array(2_000), ip4('10.5.0.2'), 9);
  net.run(1_000);
  so.close();
  return ifp;
}

describe('in the middle of a teardown', () => {
  function two(): { net: SimNet; prisons: [Prison, Prison]; first: Vnet } {
    const net = new SimNet(SEED);
    const { prisons } = net.kernel;
    const [first] = [net.vnet('first'), net.vnet('second')];
    net.addr(first, net.clone(first, 'epair'), '10.0.0.1/24');
    return { net, first, prisons: [prisons.find(prisons.prison0, 'first')!, prisons.find(prisons.prison0, 'second')!] };
  }

  it('another jail may be removed: it goes when that is over', () => {
    const { net, first, prisons: [mine, other] } = two();
    const seen: boolean[] = [];
    const off = first.net.ifaddrEvent.register(() => {
      net.kernel.jailRemove(other);
      seen.push(other.dying);
    });
    net.kernel.onTeardown = (_v, step, when) => void (step.name === 'ip_destroy' && when === 'after' && off());
    net.kernel.jailRemove(mine);
    expect([seen.length > 0, seen.includes(true)]).toEqual([true, false]);
    net.run(1_000);
    expect(net.kernel.vnets).toEqual([net.kernel.vnet0]);
    account(net);
  });

  it('a jail that its last process leaves, and another enters, stays', () => {
    const { net, first, prisons: [mine, other] } = two();
    other.persist = false;
    const off = first.net.ifaddrEvent.register(() => {
      other.attached.clear();
      net.kernel.prisonRelease(other);
      other.attached.add({ kill: () => {} });
    });
    net.kernel.onTeardown = (_v, step, when) => void (step.name === 'ip_destroy' && when === 'after' && off());
    net.kernel.jailRemove(mine);
    net.run(1_000);
    expect([other.dying, net.kernel.vnets.length]).toEqual([false, 2]);
  });
});

describe.each(kinds)('%s', (kind) => {
  it('leaves nothing when it is destroyed, at home or after a journey', () => {
    const net = new SimNet(SEED);
    const { kernel } = net;
    const home = kernel.vnet0;
    const away = net.vnet('away');
    use(net, home, kind);
    for (const ifp of home.net.cloners.find((c) => c.name === kind)?.interfaces.slice() ?? []) kernel.call(net.now, () => ifCloneDestroyIfp(ifp, 0));
    net.run(60_000_000);
    const before = account(net);
    const ifp = use(net, home, kind);
    expect(kernel.call(net.now, () => ifVmoveLoan(home.net, ifp.xname, away.net))).toBe(0);
    net.run(1_000);
    expect(kernel.call(net.now, () => ifVmoveReclaim(home.net, ifp.xname, away.net))).toBe(0);
    const back = home.net.ifunit(ifp.xname);
    expect(back === null ? ENXIO : kernel.call(net.now, () => ifCloneDestroyIfp(back, 0))).toBe(0);
    net.run(60_000_000);
    expect(account(net)).toEqual(before);
  });

  it('leaves nothing when its vnet is destroyed', () => {
    const net = new SimNet(SEED);
    const { kernel } = net;
    const before = account(net);
    const guest = net.vnet('guest');
    use(net, guest, kind);
    const prison = kernel.prisons.find(kernel.prisons.prison0, 'guest');
    expect(prison === null ? -1 : kernel.jailRemove(prison)).toBe(0);
    net.run(60_000_000);
    expect(account(net)).toEqual(before);
  });

  it('leaves nothing when the vnet it was lent to ends while its home is dying', () => {
    const net = new SimNet(SEED);
    const { kernel } = net;
    const before = account(net);
    const [home, away] = [net.vnet('home'), net.vnet('away')];
    const [lender, borrower] = ['home', 'away'].map((name) => kernel.prisons.find(kernel.prisons.prison0, name)!);
    const there = net.move(use(net, home, kind), away);
    net.up(there);
    const letGo = lender!.hold('a device');
    kernel.jailRemove(lender!);
    expect(kernel.jailRemove(borrower!)).toBe(0);
    account(net);
    kernel.call(net.now, letGo);
    net.run(60_000_000);
    expect(account(net)).toEqual(before);
  });

  it('keeps a vnet that nothing holds any more until its own destruction is over', () => {
    const net = new SimNet(SEED);
    const { kernel } = net;
    const before = account(net);
    const there = net.move(use(net, net.vnet('home'), kind), kernel.vnet0);
    const prison = kernel.prisons.find(kernel.prisons.prison0, 'home')!;
    const letGo = prison.hold('a device');
    kernel.jailRemove(prison);
    const off = kernel.vnet0.net.departureEvent.register(() => {
      letGo();
      expect(kernel.prisons.find(kernel.prisons.prison0, 'home')).toBe(prison);
    });
    expect(kernel.call(net.now, () => ifCloneDestroyIfp(there, 0))).toBe(0);
    off();
    net.run(60_000_000);
    expect(account(net)).toEqual(before);
  });
});
