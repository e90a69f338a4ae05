/**
 * kernel-events.test.ts — what a vnet's readers and the host's are told, in which order, and what they are never told.
 */
import { describe, expect, it } from 'vitest';
import { EEXIST } from '../base/errno.js';
import type { DevctlReader } from '../kern/devctl.js';
import { devctlDataText } from '../kern/devctl.js';
import { ifCloneCreate, ifCloneDestroy } from '../net/if-clone.js';
import { ifDetach } from '../net/if-detach.js';
import { ifDown, ifLinkStateChange, ifRename } from '../net/if.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../net/ifnet.js';
import { ifVmoveLoan, ifVmoveReclaim } from '../net/if-vmove.js';
import { inDifaddr } from '../inet/in-control.js';
import { SimNet } from '../sim/sim-net.js';
import { ip4Parse } from '../wire/addr.js';
import type { Kernel } from './kernel.js';
import type { Vnet } from './vnet.js';

/** What a reader has not read yet: `SUBSYSTEM TYPE data`, before it the system when it is not IFNET. */
function told(reader: DevctlReader): string[] {
  const lines: string[] = [];
  for (let item = reader.read(); item !== null; item = reader.read()) {
    const { event } = item;
    if (event === null) throw new Error('events were lost');
    lines.push(`${event.system === 'IFNET' ? '' : `${event.system} `}${event.subsystem} ${event.type}${devctlDataText(event.data)}`);
  }
  return lines;
}

interface Bench {
  readonly net: SimNet;
  readonly kernel: Kernel;
  readonly host: Vnet;
  readonly jail: Vnet;
  readonly atHost: DevctlReader;
  readonly inJail: DevctlReader;
  call<T>(fn: () => T): T;
}

function bench(): Bench {
  const net = new SimNet(1);
  const { kernel } = net;
  const jail = net.vnet('r1');
  return { net, kernel, host: kernel.vnet0, jail, atHost: kernel.vnet0.kern.devctl.open(), inJail: jail.kern.devctl.open(), call: (fn) => kernel.call(net.now, fn) };
}

describe('a vnet\'s own events', () => {
  it('come in FreeBSD\'s order: created, addressed, down, up, renamed, destroyed', () => {
    const { net, host, atHost, call } = bench();
    const a = call(() => ifCloneCreate(host.net, 'epair')).ifp!;
    net.run(1_000);
    expect(told(atHost)).toEqual([
      'epair0a ATTACH', 'ETHERNET epair0a IFATTACH', 'epair0b ATTACH', 'ETHERNET epair0b IFATTACH', 'epair0a LINK_UP', 'epair0b LINK_UP',
    ]);
    net.addr(host, a, '10.0.0.1/24');
    expect(told(atHost)).toEqual(['epair0a ADDR_ADD address=10.0.0.1']);
    call(() => ifDown(a));
    expect(told(atHost)).toEqual(['epair0a ADDR_DEL address=10.0.0.1']);
    net.up(a);
    expect(told(atHost)).toEqual(['epair0a ADDR_ADD address=10.0.0.1']);
    call(() => ifRename(a, 'wan'));
    expect(told(atHost)).toEqual(['epair0a RENAME name=wan']);
    call(() => inDifaddr(host.inNet, a, ip4Parse('10.0.0.1')));
    expect(told(atHost)).toEqual(['wan ADDR_DEL address=10.0.0.1']);
    call(() => ifCloneDestroy(host.net, 'wan'));
    expect(told(atHost).filter((line) => line.endsWith('DETACH'))).toEqual(['wan DETACH', 'epair0b DETACH']);
  });

  it('of a link: the parent\'s before its vlan\'s', () => {
    const { net, host, atHost, call } = bench();
    const parent = call(() => ifCloneCreate(host.net, 'epair')).ifp!;
    call(() => ifCloneCreate(host.net, 'vlan', { vlan: 5, vlandev: parent.xname }));
    net.run(1_000);
    told(atHost);
    call(() => ifLinkStateChange(parent, LINK_STATE_DOWN));
    call(() => ifLinkStateChange(parent, LINK_STATE_UP));
    expect(told(atHost)).toEqual(['epair0a LINK_DOWN', 'vlan0 LINK_DOWN', 'epair0a LINK_UP', 'vlan0 LINK_UP']);
  });

  it('tell of an interface that somebody else renames, destroys or takes the name of meanwhile as if it had been so from the beginning', () => {
    const { host, atHost, call } = bench();
    const ifp = call(() => ifCloneCreate(host.net, 'lo1')).ifp!;
    told(atHost);
    const greedy = host.net.departureEvent.register((event) => {
      if (event.ifp === ifp) ifRename(ifCloneCreate(host.net, 'lo2').ifp!, 'taken');
    });
    expect(call(() => ifRename(ifp, 'taken'))).toBe(EEXIST);
    greedy();
    expect(told(atHost)).toEqual(['lo2 ATTACH', 'lo2 RENAME name=taken']);
    const hostile = host.net.arrivalEvent.register((event) => {
      if (event.renaming) return;
      if (event.ifp.xname === 'lo3') ifRename(event.ifp, 'mine');
      if (event.ifp.xname === 'lo4') ifDetach(event.ifp);
    });
    call(() => ifCloneCreate(host.net, 'lo3'));
    call(() => ifCloneCreate(host.net, 'lo4'));
    hostile();
    expect(told(atHost)).toEqual(['mine ATTACH']);
  });

  it('of a loan: DETACH here, ATTACH there; of a reclaim the reverse', () => {
    const { host, jail, atHost, inJail, call } = bench();
    call(() => ifCloneCreate(host.net, 'lo1'));
    told(atHost);
    expect(call(() => ifVmoveLoan(host.net, 'lo1', jail.net))).toBe(0);
    expect([told(atHost).at(-1), told(inJail)[0]]).toEqual(['lo1 DETACH', 'lo1 ATTACH']);
    expect(call(() => ifVmoveReclaim(host.net, 'lo1', jail.net))).toBe(0);
    expect([told(inJail).at(-1), told(atHost)[0]]).toEqual(['lo1 DETACH', 'lo1 ATTACH']);
  });

  it('never show another vnet\'s, whatever happens there', () => {
    const { net, kernel, host, jail, atHost, inJail, call } = bench();
    const secret = call(() => ifCloneCreate(jail.net, 'lo7')).ifp!;
    net.addr(jail, secret, '10.9.9.9/24');
    call(() => ifRename(secret, 'secret'));
    kernel.jailCreate(kernel.prisons.find(kernel.prisons.prison0, 'r1')!, { name: 'desk', persist: true, attach: false, vnet: true });
    expect(told(atHost)).toEqual([]);
    expect(told(inJail)).toEqual(['lo7 ATTACH', 'lo7 ADDR_ADD address=10.9.9.9', 'lo7 LINK_UP', 'lo7 ADDR_ADD address=fe80::1', 'lo7 RENAME name=secret']);
    const other = call(() => ifCloneCreate(host.net, 'lo8')).ifp!;
    net.addr(host, other, '10.8.8.8/24');
    expect(told(inJail)).toEqual([]);
    kernel.jailRemove(kernel.prisons.find(kernel.prisons.prison0, 'r1')!);
    expect(told(atHost)).toEqual(['lo8 ATTACH', 'lo8 ADDR_ADD address=10.8.8.8', 'lo8 LINK_UP', 'lo8 ADDR_ADD address=fe80::1']);
  });

  it('keep as many as the vnet\'s sysctl says; a noisy vnet pushes nobody else\'s out', () => {
    const { net, host, jail, atHost, inJail, call } = bench();
    expect(jail.kern.sysctl.set('hw.bus.devctl_queue', 10)).toBe(0);
    const quiet = call(() => ifCloneCreate(host.net, 'lo1')).ifp!;
    const noisy = call(() => ifCloneCreate(jail.net, 'lo1')).ifp!;
    net.addr(host, quiet, '10.0.0.1/24');
    for (let n = 0; n < 30; n++) call(() => ifRename(noisy, `n${n}`));
    expect(inJail.read()).toMatchObject({ event: null, lost: 21 });
    expect(told(inJail).at(-1)).toBe('n28 RENAME name=n29');
    expect(told(atHost)).toEqual(['lo1 ATTACH', 'lo1 ADDR_ADD address=10.0.0.1', 'lo1 LINK_UP', 'lo1 ADDR_ADD address=fe80::1']);
  });
});

describe('the host\'s events', () => {
  it('tell a jail\'s life: made with its vnet, renamed, removed step by step, interfaces sent home first', () => {
    const net = new SimNet(1);
    const { kernel } = net;
    const all = kernel.engine.devctl.open();
    const r1 = net.vnet('r1');
    expect(told(all)).toEqual(['VNET r1 CREATE id=1', 'lo0 ATTACH', 'lo0 LINK_UP', 'lo0 ADDR_ADD address=::1', 'lo0 ADDR_ADD address=fe80::1', 'JAIL r1 CREATE jid=1 vnet=new']);
    const root = kernel.prisons.prison0;
    const prison = kernel.prisons.find(root, 'r1')!;
    prison.childrenMax = 2;
    kernel.jailCreate(prison, { name: 'kid', persist: true, attach: false, vnet: false });
    expect(told(all)).toEqual(['JAIL r1.kid CREATE jid=2 vnet=inherit']);
    kernel.prisons.rename(prison, 'edge');
    expect(told(all)).toEqual(['JAIL r1 RENAME jid=1 name=edge']);
    expect(r1.name).toBe('edge');
    kernel.call(net.now, () => {
      ifCloneCreate(kernel.vnet0.net, 'lo5');
      ifVmoveLoan(kernel.vnet0.net, 'lo5', r1.net);
    });
    told(all);
    kernel.jailRemove(prison);
    const end = told(all).filter((line) => !line.includes(' LINK_'));
    expect(end.slice(0, 3)).toEqual(['JAIL edge REMOVE jid=1', 'JAIL edge DYING jid=1', 'JAIL edge.kid DYING jid=2']);
    expect(end.indexOf('JAIL edge.kid GONE jid=2')).toBeGreaterThan(end.indexOf('VNET edge STEP_END step=vnet_if_return')); // all stop before any is taken down
    const steps = end.filter((line) => /STEP_/.test(line));
    expect(steps[0]).toBe('VNET edge STEP_BEGIN step=vnet_if_return subsystem=SI_SUB_VNET_DONE order=0xfffffff');
    expect(steps).toEqual(kernel.sysinit.destructors.flatMap((s) => [expect.stringContaining(`VNET edge STEP_BEGIN step=${s.name} `), `VNET edge STEP_END step=${s.name}`]));
    const home = end.findIndex((line) => line.startsWith('MOVE lo5 COMMITTED how=return from=edge to=vnet0 '));
    expect([end.indexOf('lo5 ATTACH'), end.indexOf('lo5 DETACH')].every((at) => at > 0 && at < home)).toBe(true);
    expect(home).toBeLessThan(end.indexOf('VNET edge STEP_END step=vnet_if_return'));
    expect(end).not.toContain('lo0 DETACH');
    expect(end.slice(-2)).toEqual(['VNET edge GONE id=1', 'JAIL edge GONE jid=1']);
  });

  it('tell of every move: who asked for it, where it went, why it failed, what it is called now', () => {
    const { kernel, host, jail, call } = bench();
    const all = kernel.engine.devctl.open();
    const moves = (): string[] => told(all).filter((line) => line.startsWith('MOVE'));
    const { index } = call(() => ifCloneCreate(host.net, 'lo4')).ifp!;
    call(() => ifVmoveLoan(host.net, 'lo4', jail.net));
    expect(moves()).toEqual([`MOVE lo4 COMMITTED how=loan from=vnet0 to=r1 home=vnet0 index=${index}`]);
    call(() => ifRename(ifCloneCreate(host.net, 'lo9').ifp!, 'lo4'));
    call(() => ifVmoveReclaim(host.net, 'lo4', jail.net));
    expect(moves()).toEqual([`MOVE lo4 FAILED how=reclaim from=r1 to=vnet0 home=vnet0 index=${index} error=EEXIST`]);
    call(() => ifRename(host.net.ifunit('lo4')!, 'lo5'));
    call(() => ifRename(jail.net.ifunit('lo4')!, 'lo5'));
    kernel.jailRemove(kernel.prisons.find(kernel.prisons.prison0, 'r1')!);
    expect(moves()).toEqual([`MOVE lo5 COMMITTED how=return from=r1 to=vnet0 home=vnet0 index=${index} renamed=lo4`]);
  });

  it('name the vnet of each, a nested one from outside all jails', () => {
    const net = new SimNet(1);
    const { kernel } = net;
    net.vnet('r1');
    const prison = kernel.prisons.find(kernel.prisons.prison0, 'r1')!;
    prison.childrenMax = 1;
    const all = kernel.engine.devctl.open();
    kernel.jailCreate(prison, { name: 'desk', persist: true, attach: false, vnet: true });
    expect(all.read()?.event).toMatchObject({ vnet: 'r1.desk', vnetId: 2, system: 'VNET', subsystem: 'r1.desk', at: net.now });
  });

  it('end a vnet\'s readers with the vnet, and leave nothing registered', () => {
    const { kernel, jail, inJail } = bench();
    let called = 0;
    inJail.onReadable = () => called++;
    kernel.jailRemove(kernel.prisons.find(kernel.prisons.prison0, 'r1')!);
    expect([inJail.ended, called > 0, jail.kern.devctl.readerCount]).toEqual([true, true, 0]);
    expect(jail.net.arrivalEvent.count + jail.net.departureEvent.count + jail.net.linkEvent.count).toBe(0);
    expect(jail.kern.sysctl.find('hw.bus.devctl_queue')).toBeNull();
  });
});
