/**
 * moves.test.ts — for every cloner there is: what an administrator has set survives a move to another vnet and back; what belongs to the
 * stack it leaves does not; and both vnets hear of it in FreeBSD's order.
 *
 * The list comes from the registry, so a new kind of interface is tested on the day it is registered.
 */
import { describe, expect, it } from 'vitest';
import { EAFNOSUPPORT } from '../src/base/errno.js';
import { inAifaddr } from '../src/inet/in-control.js';
import { ifAddGroup, ifAddMulti, ifRename, ifSetDescription, ifSetFlags, ifSetLladdr, ifSetMtu, ifUp } from '../src/net/if.js';
import {
  IFF_DEBUG, IFF_LINK0, IFF_LINK2, IFF_NOARP, IFF_POINTOPOINT, IFF_PPROMISC, IFF_PROMISC, IFF_UP,
} from '../src/net/ifnet.js';
import type { Ifnet } from '../src/net/ifnet.js';
import {
  RTM_ADD, RTM_DELADDR, RTM_DELETE, RTM_DELMADDR, RTM_IFANNOUNCE, RTM_IFINFO, RTM_NEWADDR, RTM_NEWMADDR,
} from '../src/net/rtsock.js';
import type { RtListener } from '../src/net/rtsock.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import type { Vnet } from '../src/vnet/vnet.js';

const SEED = 11;
const kinds = new SimNet(SEED).kernel.vnet0.net.cloners.map((c) => c.name);
/** Flags of the administrator's that a move keeps. */
const KEPT = IFF_DEBUG | IFF_LINK0 | IFF_LINK2 | IFF_NOARP | IFF_PPROMISC | IFF_PROMISC;

function identity(ifp: Ifnet): Record<string, unknown> {
  return {
    name: ifp.xname, birth: ifp.birthName, unit: ifp.dunit, kind: ifp.dname, index: ifp.index, home: ifp.homeNet?.kern.name, mtu: ifp.mtu, metric: ifp.metric,
    description: ifp.description, mac: ifp.lladdr.join('.'), hwaddr: ifp.hwaddr.join('.'), flags: ifp.flags & KEPT, pcp: ifp.pcp, capenable: ifp.capenable, capabilities: ifp.capabilities,
    type: ifp.type, link: ifp.linkState, baudrate: ifp.baudrate,
  };
}

/** Makes one in `vnet` and sets all that can be set. */
function dressed(net: SimNet, vnet: Vnet, kind: string): Ifnet {
  const ifp = net.clone(vnet, kind);
  net.kernel.call(net.now, () => {
    expect(ifRename(ifp, 'renamed')).toBe(0);
    ifSetDescription(ifp, 'a description');
    ifSetMtu(ifp, 1_400);
    ifp.metric = 3;
    if (ifp.lladdr.length === 6 && kind !== 'vlan') ifSetLladdr(ifp, Uint8Array.of(2, 1, 2, 3, 4, 5));
    ifSetFlags(ifp, (ifp.flags & ~IFF_UP) | KEPT);
  });
  return ifp;
}

/** Kinds that no IPv4 address can be set on. */
const NO_INET = ['stf'];

/** Gives it what belongs to the stack it is in. */
function settle(net: SimNet, vnet: Vnet, ifp: Ifnet): void {
  net.kernel.call(net.now, () => {
    const far = (ifp.flags & IFF_POINTOPOINT) !== 0 ? { dstaddr: ip4('10.5.0.2') } : {};
    expect(inAifaddr(vnet.inNet, ifp, { addr: ip4('10.5.0.1'), plen: 24, ...far })).toBe(NO_INET.includes(ifp.dname) ? EAFNOSUPPORT : 0);
    ifUp(ifp);
    ifAddGroup(ifp, 'friends');
    ifAddMulti(ifp, Uint8Array.of(1, 0, 0x5e, 0, 0, 5));
  });
}

const NAMES: Readonly<Record<number, string>> = {
  [RTM_ADD]: 'ADD', [RTM_DELETE]: 'DELETE', [RTM_NEWADDR]: 'NEWADDR', [RTM_DELADDR]: 'DELADDR', [RTM_NEWMADDR]: 'NEWMADDR', [RTM_DELMADDR]: 'DELMADDR',
  [RTM_IFINFO]: 'IFINFO', [RTM_IFANNOUNCE]: 'IFANNOUNCE',
};

/** The messages so far, and which interface they name. */
function heard(l: RtListener): string[] {
  const lines: string[] = [];
  for (let m = l.read(); m !== null; m = l.read()) {
    const what = m.type === RTM_IFANNOUNCE ? ` ${m.ifName} ${m.flags === 0 ? 'arrival' : 'departure'} ${m.ifIndex}` : '';
    lines.push(`${NAMES[m.type] ?? m.type}${what}`);
  }
  return lines;
}

describe.each(kinds)('%s', (kind) => {
  it('is what it was, in another vnet and back home', () => {
    const net = new SimNet(SEED);
    const { vnet0 } = net.kernel;
    const away = net.vnet('away');
    const made = dressed(net, vnet0, kind);
    const was = identity(made);
    settle(net, vnet0, made);
    const there = net.move(made, away);
    expect({ ...identity(there), link: was['link'] }).toEqual(was);
    expect([there === made, made.net, there.net === away.net, there.homeNet === vnet0.net]).toEqual([false, null, true, true]);
    expect([there.isUp, there.addrs, there.multiaddrs.length, there.groups, there.bridge, there.trunk, there.bpf]).toEqual([false, [], 0, ['all', kind], null, null, null]);
    expect([vnet0.net.ifunit('renamed'), vnet0.net.groups.has('friends'), vnet0.net.ifByIndex(there.index), away.net.ifByIndex(there.index)]).toEqual([null, false, null, there]);
    settle(net, away, there);
    const back = net.move(there, vnet0);
    expect({ ...identity(back), link: was['link'] }).toEqual(was);
    expect([back.isUp, back.addrs, back.groups]).toEqual([false, [], ['all', kind]]);
    net.kernel.shutdown();
    net.run(1_000_000);
    expect([net.kernel.shared.attached, net.kernel.engine.pool.inUse, net.kernel.engine.callouts.armed]).toEqual([0, 0, 0]);
  });

  it('departs from the one and arrives in the other, and nothing else is told', () => {
    const net = new SimNet(SEED);
    const { vnet0 } = net.kernel;
    const away = net.vnet('away');
    const made = net.clone(vnet0, kind);
    settle(net, vnet0, made);
    const [here, there] = [vnet0, away].map((v) => v.net.rtsock!.open());
    const { index, xname } = made;
    net.move(made, away);
    const old = heard(here!);
    const departure = old.indexOf(`IFANNOUNCE ${xname} departure ${index}`);
    expect(departure).toBe(old.length - 1);
    const [info, firstDel] = [old.indexOf('IFINFO'), old.indexOf('DELADDR')];
    expect(firstDel >= 0).toBe(!NO_INET.includes(kind));
    expect(info).toBeGreaterThan(firstDel);
    expect(old.lastIndexOf('DELADDR') > info).toBe(firstDel >= 0);
    expect(old.indexOf('DELMADDR')).toBeGreaterThan(old.lastIndexOf('DELADDR'));
    expect(old).not.toContain('ADD');
    expect(heard(there!)).toEqual([`IFANNOUNCE ${xname} arrival ${index}`]);
  });

  it('comes home when the jail it was lent to stops, and ends with its own', () => {
    const net = new SimNet(SEED);
    const { kernel } = net;
    const lender = net.vnet('lender');
    const borrower = net.vnet('borrower');
    const stop = (name: string): void => {
      const prison = kernel.prisons.find(kernel.prisons.prison0, name);
      expect(prison === null ? -1 : kernel.jailRemove(prison)).toBe(0);
    };
    const made = dressed(net, lender, kind);
    const was = identity(made);
    settle(net, borrower, net.move(made, borrower));
    stop('borrower');
    const back = lender.net.ifunit('renamed')!;
    expect({ ...identity(back), link: was['link'] }).toEqual(was);
    const other = net.vnet('other');
    net.move(back, other);
    stop('lender');
    expect(other.net.ifunit('renamed')).toBeNull();
    net.run(1_000_000);
    expect([other.kern.ifcnt, kernel.engine.pool.inUse]).toEqual([1, 0]);
  });
});
