/**
 * carp-net.test.ts — elections between whole stacks on one switch: a master that is lost, hosts of the same advskew, preemption, a network that
 * falls apart and comes together again.
 *
 * Two or three routers share 192.0.2.1; a host on the switch, 192.0.2.9, looks for it. Afterwards nothing is left.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { inAifaddr } from '../../inet/in-control.js';
import { ip4 } from '../../sim/craft.js';
import { SimNet } from '../../sim/sim-net.js';
import type { Vnet } from '../../vnet/vnet.js';
import { bridgeAdd } from '../bridge-control.js';
import { ifCloneDestroyIfp } from '../if-clone.js';
import { ifDown, ifLinkStateChange, ifUp } from '../if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { bytes } from '../../../test/carp-bench.js';
import { carpList } from './carp.js';
import { CARP_STATES } from './carp-var.js';

const SECOND = 1_000_000;
const VIP = ip4('192.0.2.1');

interface Router {
  readonly v: Vnet;
  /** Its interface, and the switch's port to it. */
  readonly ifp: Ifnet;
  readonly port: Ifnet;
}

/** Routers on one switch, and a host in the switch's own vnet. */
class Site {
  readonly net: SimNet;
  readonly host: Vnet;
  readonly bridge: Ifnet;
  readonly routers: Router[] = [];

  constructor(seed = 1) {
    this.net = new SimNet(seed);
    this.host = this.net.vnet('host');
    this.bridge = this.net.clone(this.host, 'bridge');
    this.net.addr(this.host, this.bridge, '192.0.2.9/24');
  }

  router(advskew: number, preempt = 0): Router {
    const n = this.routers.length;
    const v = this.net.vnet(`r${n}`);
    const [port, ifp] = this.net.epair(this.host, v);
    this.call(() => bridgeAdd(this.bridge, port.xname));
    this.net.addr(v, ifp, `192.0.2.${10 + n}/24`);
    v.kern.sysctl.set('net.inet.carp.preempt', preempt);
    this.call(() => v.carp.set(ifp, { vhid: 1, advskew, key: bytes('s3cret') }) || inAifaddr(v.inNet, ifp, { addr: VIP, plen: 24, vhid: 1 }));
    const made = { v, ifp, port };
    this.routers.push(made);
    return made;
  }

  call(fn: () => number | void): void {
    const error = this.net.kernel.call(this.net.now, fn) ?? 0;
    if (error !== 0) throw new Error(`errno ${error}`);
  }

  run(s: number): this {
    this.net.run(Math.round(s * SECOND));
    return this;
  }

  /** States, in order of the routers. */
  states(): string {
    return this.routers.map(({ ifp }) => CARP_STATES[carpList(ifp)[0]?.state ?? 0]).join(' ');
  }

  /** Who gets a datagram that the host sends to the shared address. */
  reaches(): string {
    const sockets = this.routers.map(({ v }) => this.net.udp(v, 7));
    const tx = this.net.udp(this.host);
    tx.send(new Uint8Array(1), VIP, 7);
    this.net.run(10_000);
    const got = sockets.flatMap((so, i) => {
      const m = so.recvPacket();
      m?.free();
      return m === null ? [] : [`r${i}`];
    });
    for (const so of [tx, ...sockets]) so.close();
    return got.join(' ');
  }

  /** The switch's port to a router is cut off from the others: both ends see a link. */
  cut({ port }: Router, on: boolean): void {
    this.call(() => (on ? ifDown(port) : ifUp(port)));
  }

  link({ ifp }: Router, up: boolean): void {
    this.call(() => ifLinkStateChange(ifp, up ? LINK_STATE_UP : LINK_STATE_DOWN));
  }
}

let site: Site;
afterEach(() => {
  site.net.kernel.shutdown();
  site.run(1);
  expect([site.net.kernel.audit().leaks, site.net.kernel.engine.pool.inUse]).toEqual([[], 0]);
});

describe('a group of routers', () => {
  it('has one master, the one with the smallest advskew of those that start together', () => {
    site = new Site();
    for (const advskew of [100, 0, 50]) site.router(advskew);
    expect([site.run(2.9).states(), site.run(1.1).states(), site.reaches()]).toEqual(['BACKUP BACKUP BACKUP', 'BACKUP MASTER BACKUP', 'r1']);
  });

  it('moves the address to the next one when the master is lost in the middle, within the interval it promises', () => {
    site = new Site();
    const first = site.router(0);
    site.router(100);
    site.router(200);
    site.run(30);
    expect([site.states(), site.reaches()]).toEqual(['MASTER BACKUP BACKUP', 'r0']);
    site.cut(first, true);
    expect(site.run(2).states()).toBe('MASTER BACKUP BACKUP');
    expect([site.run(1.5).states(), site.reaches()]).toEqual(['MASTER MASTER BACKUP', 'r1']);
  });

  it('comes together again: the slower master yields, and the host finds the other one at once', () => {
    site = new Site();
    const first = site.router(0);
    site.router(100);
    site.run(5);
    site.cut(first, true);
    expect(site.run(5).states()).toBe('MASTER MASTER');
    site.cut(first, false);
    expect([site.run(1.1).states(), site.reaches()]).toEqual(['MASTER BACKUP', 'r0']);
  });

  it.each([[0, 'BACKUP MASTER', 'r1'], [1, 'MASTER BACKUP', 'r0']])('preempt %i: a better one that comes back leaves it %s', (preempt, states, who) => {
    site = new Site();
    const first = site.router(0, preempt);
    site.router(100, preempt);
    site.run(5);
    site.link(first, false);
    expect([site.run(5).states(), site.reaches()]).toEqual(['INIT MASTER', 'r1']);
    site.link(first, true);
    expect([site.run(5).states(), site.reaches()]).toEqual([states, who]);
  });

  it.each(Array.from({ length: 20 }, (_, i) => i + 1))('of the same advskew has one master too, seed %i', (seed) => {
    site = new Site(seed);
    for (let i = 0; i < 3; i++) site.router(0);
    site.run(4);
    expect(site.states().split(' ').sort().join(' ')).toBe('BACKUP BACKUP MASTER');
    const was = site.states();
    expect([site.run(60).states(), site.reaches().length]).toEqual([was, 2]);
  });

  it('with two vhids on two interfaces: preempting hosts give up both when one link is lost', () => {
    site = new Site();
    const a = site.router(0, 1);
    site.router(100, 1);
    const lan = [site.routers[0]!, site.routers[1]!].map(({ v }) => v);
    const [la, lb] = site.net.epair(lan[0]!, lan[1]!);
    site.net.addr(lan[0]!, la, '198.51.100.2/24');
    site.net.addr(lan[1]!, lb, '198.51.100.3/24');
    for (const [v, ifp, advskew] of [[lan[0]!, la, 0], [lan[1]!, lb, 100]] as const) {
      site.call(() => v.carp.set(ifp, { vhid: 2, advskew }) || inAifaddr(v.inNet, ifp, { addr: ip4('198.51.100.1'), plen: 24, vhid: 2 }));
    }
    const lanStates = (): string => [la, lb].map((ifp) => CARP_STATES[carpList(ifp)[0]?.state ?? 0]).join(' ');
    expect([site.run(5).states(), lanStates()]).toEqual(['MASTER BACKUP', 'MASTER BACKUP']);
    site.link(a, false);
    expect([site.run(5).states(), lanStates()]).toEqual(['INIT MASTER', 'BACKUP MASTER']);
    site.link(a, true);
    expect([site.run(5).states(), lanStates()]).toEqual(['MASTER BACKUP', 'MASTER BACKUP']);
  });

  it('that is demoted while it is cut off yields when it is back', () => {
    site = new Site();
    const first = site.router(0);
    site.router(100);
    site.run(5);
    site.cut(first, true);
    site.run(5);
    first.v.kern.sysctl.set('net.inet.carp.demotion', 150);
    site.cut(first, false);
    expect([site.run(2).states(), site.reaches()]).toEqual(['BACKUP MASTER', 'r1']);
    first.v.kern.sysctl.set('net.inet.carp.demotion', -150);
    expect(site.run(10).states()).toBe('BACKUP MASTER');
  });

  it('where one has another password has two masters, and both count it', () => {
    site = new Site();
    const first = site.router(0);
    site.router(100);
    site.call(() => first.v.carp.set(first.ifp, { vhid: 1, key: bytes('other') }));
    expect(site.run(6).states()).toBe('MASTER MASTER');
    for (const { v } of site.routers) expect(v.carp.stats.badauth).toBeGreaterThan(1);
  });
});

describe('where a vhid can be', () => {
  it('on a bridge, and on a vlan over an epair', () => {
    site = new Site();
    const a = site.router(100);
    site.call(() => site.host.carp.set(site.bridge, { vhid: 1, key: bytes('s3cret') }) || inAifaddr(site.host.inNet, site.bridge, { addr: VIP, plen: 24, vhid: 1 }));
    expect([site.run(5).states(), CARP_STATES[carpList(site.bridge)[0]!.state]]).toEqual(['BACKUP', 'MASTER']);
    const tx = site.net.udp(a.v);
    const rx = site.net.udp(site.host, 8);
    tx.send(new Uint8Array(1), VIP, 8);
    site.run(0.1);
    const m = rx.recvPacket();
    expect(m?.len).toBe(1);
    m?.free();
    for (const so of [tx, rx]) so.close();
    const vlans = [a.v, site.host].map((v, i) => {
      const parent = i === 0 ? a.ifp : a.port;
      const ifp = site.net.clone(v, `${parent.xname}.5`);
      site.net.addr(v, ifp, `203.0.113.${2 + i}/24`);
      site.call(() => v.carp.set(ifp, { vhid: 3, advskew: i * 100 }) || inAifaddr(v.inNet, ifp, { addr: ip4('203.0.113.1'), plen: 24, vhid: 3 }));
      return ifp;
    });
    site.run(5);
    expect(vlans.map((ifp) => CARP_STATES[carpList(ifp)[0]!.state])).toEqual(['MASTER', 'BACKUP']);
    const far = site.net.udp(site.host);
    const near = site.net.udp(a.v, 9);
    far.send(new Uint8Array(1), ip4('203.0.113.1'), 9);
    site.run(0.1);
    const n = near.recvPacket();
    expect(n?.len).toBe(1);
    n?.free();
    for (const so of [far, near]) so.close();
    for (const ifp of vlans) site.call(() => void ifCloneDestroyIfp(ifp, 0));
  });

  it('goes with an interface that moves to another vnet, and with one that is destroyed', () => {
    site = new Site();
    const a = site.router(0);
    site.run(5);
    const moved = site.net.move(a.ifp, site.net.vnet('elsewhere'));
    expect([moved.carp, moved.promiscCount, a.v.carp.all().length, a.v.inNet.isLocal(VIP), a.v.kern.calloutsArmed]).toEqual([null, 0, 0, false, 0]);
    const b = site.router(0);
    site.run(5);
    site.call(() => void ifCloneDestroyIfp(b.ifp, 0));
    expect(b.v.carp.all().length).toBe(0);
  });
});
