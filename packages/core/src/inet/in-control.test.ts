/**
 * in-control.test.ts — addresses: errors, the order of routing messages, hand-over of connected routes, nothing left behind.
 */
import { describe, expect, it } from 'vitest';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EBUSY, EDESTADDRREQ, EEXIST, EINVAL, ENXIO, EPROTONOSUPPORT } from '../base/errno.js';
import { ifDown, ifUp } from '../net/if.js';
import { ifDetach } from '../net/if-detach.js';
import type { Ifnet } from '../net/ifnet.js';
import { NetShared } from '../net/net.js';
import { Engine } from '../kern/engine.js';
import { quietEnv } from '../env/env.js';
import { inAifaddr, inDifaddr } from './in-control.js';
import { inJoinGroup, inLeaveGroup } from './in-mcast.js';
import { InetBench, NOTHING_LEFT, ip } from './test-inet.js';

const GROUP1 = '01:00:5e:00:00:01';

/** Bench with em0 (index 2) and em1 (index 3), both up, and an empty message queue. */
function twoUp(): { b: InetBench; em0: Ifnet; em1: Ifnet } {
  const b = new InetBench();
  const em0 = b.ether();
  const em1 = b.ether();
  ifUp(em0);
  ifUp(em1);
  b.messages();
  return { b, em0, em1 };
}

describe('SIOCAIFADDR errors', () => {
  it.each([
    ['a mask with a hole', { addr: ip('192.0.2.1'), mask: ip('255.0.255.0') }, EINVAL],
    ['a prefix length above 32', { addr: ip('192.0.2.1'), plen: 33 }, EINVAL],
    ['a negative prefix length', { addr: ip('192.0.2.1'), plen: -1 }, EINVAL],
    ['a multicast address', { addr: ip('224.0.0.5'), plen: 24 }, EINVAL],
    ['the limited broadcast address', { addr: ip('255.255.255.255'), plen: 32 }, EINVAL],
    ['a vhid without CARP', { addr: ip('192.0.2.1'), plen: 24, vhid: 1 }, EPROTONOSUPPORT],
  ])('%s', (_what, req, error) => {
    const { b, em0 } = twoUp();
    expect(inAifaddr(b.inNet, em0, req)).toBe(error);
    expect(b.inNet.addrs).toEqual([]);
    expect(b.messages()).toEqual([]);
  });

  it('a point-to-point interface needs a far end', () => {
    const b = new InetBench();
    const tun = b.tunnel();
    expect(b.addr(tun, '10.0.0.1/24')).toBe(EDESTADDRREQ);
    expect(b.addr(tun, '10.0.0.1/24', { dstaddr: 0 })).toBe(EDESTADDRREQ);
    expect(b.addr(tun, '10.0.0.1/24', { dstaddr: ip('10.0.0.2') })).toBe(0);
  });

  it('an interface without IPv4', () => {
    const { b, em0 } = twoUp();
    em0.inet = null;
    expect(b.addr(em0, '192.0.2.1/24')).toBe(EAFNOSUPPORT);
  });

  it('a vnet on its way out', () => {
    const { b, em0 } = twoUp();
    b.net.kern.shutdown = true;
    expect(b.addr(em0, '192.0.2.1/24')).toBe(EBUSY);
  });

  it('no_same_prefix refuses a second address of a prefix, and takes nothing apart', () => {
    const { b, em0, em1 } = twoUp();
    expect(b.net.kern.sysctl.set('net.inet.ip.no_same_prefix', 1)).toBe(0);
    expect(b.addr(em0, '192.0.2.1/24')).toBe(0);
    const table = b.table();
    expect(b.addr(em1, '192.0.2.2/24')).toBe(EEXIST);
    expect(b.table()).toEqual(table);
    expect(b.inNet.isLocal(ip('192.0.2.2'))).toBe(false);
    expect(b.inNet.addrs.length).toBe(1);
  });

  it('is not given to an interface that somebody who hears of the old one takes away', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    const told: boolean[] = [];
    const off = b.net.ifaddrEvent.register(({ added }) => {
      told.push(added);
      ifDetach(em0);
    });
    expect(b.addr(em0, '192.0.2.1/25')).toBe(ENXIO);
    off();
    expect([b.inNet.addrs, told]).toEqual([[], [false]]);
  });

  it('deleting an address the interface does not have', () => {
    const { b, em0, em1 } = twoUp();
    expect(b.delAddr(em0, '192.0.2.1')).toBe(EADDRNOTAVAIL);
    expect(inDifaddr(b.inNet, em0, null)).toBe(EADDRNOTAVAIL);
    expect(b.addr(em1, '192.0.2.1/24')).toBe(0);
    expect(b.delAddr(em0, '192.0.2.1')).toBe(EADDRNOTAVAIL);
  });
});

describe('routes and messages of an address', () => {
  it('adding the first address to an interface that is down: NEWADDR, ADD, NEWMADDR, then the interface comes up', () => {
    const b = new InetBench();
    const em0 = b.ether();
    b.messages();
    const events: string[] = [];
    const off = b.net.ifaddrEvent.register(({ added }) => void events.push(`${added ? 'added' : 'gone'} ${em0.isRunning ? 'running' : 'down'}`));
    expect(b.addr(em0, '192.0.2.1/24')).toBe(0);
    expect(b.messages()).toEqual([
      'NEWADDR 192.0.2.1/24 brd 192.0.2.255 em0',
      'ADD 192.0.2.0/24 link#2 em0 UP,DONE,PINNED',
      `NEWMADDR ${GROUP1} em0`,
      'IFINFO em0 up',
    ]);
    expect(b.addrAddedCalls(em0)).toBe(1);
    expect(events).toEqual(['added running']);
    expect(b.table()).toEqual(['192.0.2.0/24 link#2 em0 UP,PINNED', '192.0.2.1/32 link#2 lo0 UP,HOST,STATIC,PINNED']);
    off();
  });

  it('deleting it: DELADDR, DELETE; the group is left without a message', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.messages();
    expect(b.delAddr(em0, '192.0.2.1')).toBe(0);
    expect(b.messages()).toEqual(['DELADDR 192.0.2.1/24 brd 192.0.2.255 em0', 'DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED']);
    expect(b.table()).toEqual([]);
    expect(em0.multiaddrs).toEqual([]);
    expect(b.inNet.isMember(em0, ip('224.0.0.1'))).toBe(false);
    expect(b.routes.store.count).toBe(0);
  });

  it('a second address of a routed prefix: NEWADDR only', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.messages();
    expect(b.addr(em1, '192.0.2.2/24')).toBe(0);
    expect(b.messages()).toEqual(['NEWADDR 192.0.2.2/24 brd 192.0.2.255 em1', `NEWMADDR ${GROUP1} em1`]);
    expect(b.table()).toEqual([
      '192.0.2.0/24 link#2 em0 UP,PINNED', '192.0.2.1/32 link#2 lo0 UP,HOST,STATIC,PINNED', '192.0.2.2/32 link#3 lo0 UP,HOST,STATIC,PINNED',
    ]);
  });

  it('the owner of a shared prefix goes: the route is handed over', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.2/24');
    b.messages();
    expect(b.delAddr(em0, '192.0.2.1')).toBe(0);
    expect(b.messages()).toEqual(['DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED', 'ADD 192.0.2.0/24 link#3 em1 UP,DONE,PINNED']);
    expect(b.routes.lookup4(0, ip('192.0.2.9'), 0)?.ifa).toBe(b.inNet.addrOf(ip('192.0.2.2')));
    expect(b.delAddr(em1, '192.0.2.2')).toBe(0);
    expect(b.messages()).toEqual(['DELADDR 192.0.2.2/24 brd 192.0.2.255 em1', 'DELETE 192.0.2.0/24 link#3 em1 DONE,PINNED']);
  });

  it('hand-over on one interface changes the source address', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em0, '192.0.2.2/24');
    b.delAddr(em0, '192.0.2.1');
    expect(b.inNet.ifaForDst(0, ip('192.0.2.9'))?.addr).toBe(ip('192.0.2.2'));
    expect(b.inNet.isMember(em0, ip('224.0.0.1'))).toBe(true);
  });

  it('an address that does not own the route goes: DELADDR only', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.2/24');
    b.messages();
    b.delAddr(em1, '192.0.2.2');
    expect(b.messages()).toEqual(['DELADDR 192.0.2.2/24 brd 192.0.2.255 em1']);
    expect(b.table()[0]).toBe('192.0.2.0/24 link#2 em0 UP,PINNED');
  });

  it('an heir must be up: with none, the prefix route goes and comes back with the interface', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.2/24');
    ifDown(em1);
    b.messages();
    b.delAddr(em0, '192.0.2.1');
    expect(b.messages()).toEqual(['DELADDR 192.0.2.1/24 brd 192.0.2.255 em0', 'DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED']);
    ifUp(em1);
    expect(b.messages()).toEqual(['IFINFO em1 up', 'NEWADDR 192.0.2.2/24 brd 192.0.2.255 em1', 'ADD 192.0.2.0/24 link#3 em1 UP,DONE,PINNED']);
  });

  it('down: DELADDR, DELETE, IFINFO; the own address stays reachable. up: IFINFO, NEWADDR, ADD', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.messages();
    ifDown(em0);
    expect(b.messages()).toEqual(['DELADDR 192.0.2.1/24 brd 192.0.2.255 em0', 'DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED', 'IFINFO em0 down']);
    expect(b.table()).toEqual(['192.0.2.1/32 link#2 lo0 UP,HOST,STATIC,PINNED']);
    expect(b.inNet.isLocal(ip('192.0.2.1'))).toBe(true);
    ifUp(em0);
    expect(b.messages()).toEqual(['IFINFO em0 up', 'NEWADDR 192.0.2.1/24 brd 192.0.2.255 em0', 'ADD 192.0.2.0/24 link#2 em0 UP,DONE,PINNED']);
    expect(b.table()).toEqual(['192.0.2.0/24 link#2 em0 UP,PINNED', '192.0.2.1/32 link#2 lo0 UP,HOST,STATIC,PINNED']);
  });

  it('down with an heir on another interface hands the route over', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.2/24');
    b.messages();
    ifDown(em0);
    expect(b.messages()).toEqual(['DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED', 'ADD 192.0.2.0/24 link#3 em1 UP,DONE,PINNED', 'IFINFO em0 down']);
    ifUp(em0);
    expect(b.messages()).toEqual(['IFINFO em0 up', 'NEWADDR 192.0.2.1/24 brd 192.0.2.255 em0']);
    expect(b.table()[0]).toBe('192.0.2.0/24 link#3 em1 UP,PINNED');
  });

  it('the same prefix in two FIBs is routed in each', () => {
    const { b, em0, em1 } = twoUp();
    b.routes.setFibs(2);
    em1.fib = 1;
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.2/24');
    expect([b.table(0)[0], b.table(1)[0]]).toEqual(['192.0.2.0/24 link#2 em0 UP,PINNED', '192.0.2.0/24 link#3 em1 UP,PINNED']);
    b.delAddr(em0, '192.0.2.1');
    expect([b.table(0), b.table(1).length]).toEqual([[], 2]);
  });

  it('destroy: the down phase, DELADDR a second time, departure; the rest silently', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em0, '198.51.100.1/30');
    inJoinGroup(b.inNet, em0, ip('224.0.0.251'));
    b.route('add', '10.0.0.0/8', '192.0.2.254');
    b.messages();
    ifDetach(em0);
    expect(b.messages()).toEqual([
      'DELADDR 192.0.2.1/24 brd 192.0.2.255 em0',
      'DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED',
      'DELADDR 198.51.100.1/30 brd 198.51.100.3 em0',
      'DELETE 198.51.100.0/30 link#2 em0 DONE,PINNED',
      'IFINFO em0 down',
      'DELADDR 192.0.2.1/24 brd 192.0.2.255 em0',
      'DELADDR 198.51.100.1/30 brd 198.51.100.3 em0',
      'DELMADDR 01:00:5e:00:00:fb em0',
      'IFANNOUNCE em0 departure',
    ]);
    expect(b.table()).toEqual([]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('the same address again replaces it', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.messages();
    expect(b.addr(em0, '192.0.2.1/25')).toBe(0);
    expect(b.messages()).toEqual([
      'DELADDR 192.0.2.1/24 brd 192.0.2.255 em0',
      'DELETE 192.0.2.0/24 link#2 em0 DONE,PINNED',
      'NEWADDR 192.0.2.1/25 brd 192.0.2.127 em0',
      'ADD 192.0.2.0/25 link#2 em0 UP,DONE,PINNED',
      `NEWMADDR ${GROUP1} em0`,
    ]);
    expect(b.inNet.addrs.length).toBe(1);
    expect(b.inNet.isBroadcast(ip('192.0.2.255'), em0)).toBe(false);
    expect(b.inNet.isBroadcast(ip('192.0.2.127'), em0)).toBe(true);
  });

  it('a user route in the way of a connected route is replaced by it; a connected one is not', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    expect(b.route('add', '198.51.100.0/24', '192.0.2.254')).toBe(0);
    b.messages();
    expect(b.addr(em1, '198.51.100.1/24')).toBe(0);
    expect(b.messages()[1]).toBe('ADD 198.51.100.0/24 link#3 em1 UP,DONE,PINNED');
    expect(b.table().filter((l) => l.startsWith('198.51.100.0/24'))).toEqual(['198.51.100.0/24 link#3 em1 UP,PINNED']);
    expect(b.route('add', '198.51.100.0/24', '192.0.2.254')).toBe(EEXIST);
  });
});

describe('kinds of prefixes', () => {
  it('/32 on an ordinary interface: one host route through lo0, owned by the address', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.7/32');
    expect(b.messages()[1]).toBe('ADD 192.0.2.7 link#2 lo0 UP,HOST,DONE,PINNED');
    expect(b.table()).toEqual(['192.0.2.7/32 link#2 lo0 UP,HOST,PINNED']);
    expect(b.inNet.isBroadcast(ip('192.0.2.7'), em0)).toBe(false);
    b.messages();
    b.delAddr(em0, '192.0.2.7');
    expect(b.messages()).toEqual(['DELADDR 192.0.2.7/32 brd 192.0.2.7 em0', 'DELETE 192.0.2.7 link#2 lo0 HOST,DONE,PINNED']);
    expect(b.table()).toEqual([]);
  });

  it('/31 has no directed broadcast address', () => {
    const { b, em0 } = twoUp();
    b.addr(em0, '192.0.2.0/31');
    expect(b.inNet.addrOf(ip('192.0.2.0'))?.broadcast).toBe(0xffffffff);
    expect(b.inNet.isBroadcast(ip('192.0.2.1'), em0)).toBe(false);
    expect(b.inNet.isBroadcast(ip('192.0.2.0'), em0)).toBe(false);
    expect(b.table()).toEqual(['192.0.2.0/32 link#2 lo0 UP,HOST,STATIC,PINNED', '192.0.2.0/31 link#2 em0 UP,PINNED']);
  });

  it('point-to-point: a host route to the far end, and the own address through lo0', () => {
    const b = new InetBench();
    const tun = b.tunnel();
    b.messages();
    expect(b.addr(tun, '10.0.0.1/24', { dstaddr: ip('10.0.0.2') })).toBe(0);
    expect(b.messages()).toEqual([
      'NEWADDR 10.0.0.1/24 brd 10.0.0.2 tun0', 'ADD 10.0.0.2 link#2 tun0 UP,HOST,DONE,PINNED', `NEWMADDR ${GROUP1} tun0`, 'IFINFO tun0 up',
    ]);
    expect(b.table()).toEqual(['10.0.0.1/32 link#2 lo0 UP,HOST,STATIC,PINNED', '10.0.0.2/32 link#2 tun0 UP,HOST,PINNED']);
    expect(b.inNet.addrOf(ip('10.0.0.1'))?.broadcast).toBe(null);
    expect(b.inNet.isBroadcast(ip('10.0.0.255'), tun)).toBe(false);
    expect(b.route('add', '0.0.0.0/0', '10.0.0.2')).toBe(0);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('point-to-point with the same address at both ends has one route', () => {
    const b = new InetBench();
    const tun = b.tunnel();
    expect(b.addr(tun, '10.0.0.1/32', { dstaddr: ip('10.0.0.1') })).toBe(0);
    expect(b.table()).toEqual(['10.0.0.1/32 link#2 tun0 UP,HOST,PINNED']);
    expect(b.delAddr(tun, '10.0.0.1')).toBe(0);
    expect(b.table()).toEqual([]);
  });

  it('loopback: only the address itself, no network', () => {
    const b = new InetBench();
    expect(b.addr(b.lo0, '127.0.0.1/8')).toBe(0);
    expect(b.table()).toEqual(['127.0.0.1/32 link#1 lo0 UP,HOST,PINNED']);
    expect(b.routes.lookup4(0, ip('127.0.0.2'), 0)).toBe(null);
  });

  it('masks: given, historical, derived broadcast, given broadcast', () => {
    const { b, em0 } = twoUp();
    expect(inAifaddr(b.inNet, em0, { addr: ip('10.1.2.3') })).toBe(0);
    expect(inAifaddr(b.inNet, em0, { addr: ip('172.16.0.1'), mask: ip('255.255.240.0'), broadcast: ip('172.16.1.1') })).toBe(0);
    expect(b.inNet.addrOf(ip('10.1.2.3'))?.plen).toBe(8);
    expect(b.inNet.addrOf(ip('10.1.2.3'))?.broadcast).toBe(ip('10.255.255.255'));
    expect(b.inNet.addrOf(ip('172.16.0.1'))?.plen).toBe(20);
    expect(b.inNet.addrOf(ip('172.16.0.1'))?.broadcast).toBe(ip('172.16.1.1'));
  });
});

describe('InNet', () => {
  it('one address on two interfaces: found until both are gone, the loopback route goes over', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '192.0.2.1/25');
    expect(b.inNet.addrOf(ip('192.0.2.1'))?.ifp).toBe(em1);
    expect(b.inNet.addrOnIf(ip('192.0.2.1'), em0)?.plen).toBe(24);
    expect(b.table()).toContain('192.0.2.1/32 link#2 lo0 UP,HOST,STATIC,PINNED');
    b.delAddr(em0, '192.0.2.1');
    expect(b.table()).toContain('192.0.2.1/32 link#3 lo0 UP,HOST,STATIC,PINNED');
    expect(b.inNet.isLocal(ip('192.0.2.1'))).toBe(true);
    b.delAddr(em1, '192.0.2.1');
    expect(b.inNet.isLocal(ip('192.0.2.1'))).toBe(false);
    expect(b.inNet.addrOf(ip('192.0.2.1'))).toBe(null);
    expect(b.table()).toEqual([]);
  });

  it('broadcast addresses belong to their interface', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(em0, '192.0.2.1/24');
    b.addr(em1, '198.51.100.1/24');
    expect(b.inNet.isBroadcast(ip('192.0.2.255'), em0)).toBe(true);
    expect(b.inNet.isBroadcast(ip('192.0.2.255'), em1)).toBe(false);
    expect(b.inNet.isBroadcast(ip('192.0.2.0'), em0)).toBe(false);
    expect(b.inNet.isBroadcast(ip('255.255.255.255'), em1)).toBe(true);
    expect(b.inNet.isBroadcast(0, em1)).toBe(true);
    b.net.kern.sysctl.set('net.inet.ip.broadcast_lowest', 1);
    expect(b.inNet.isBroadcast(ip('192.0.2.0'), em0)).toBe(true);
    expect(b.inNet.isLocal(ip('192.0.2.255'))).toBe(false);
    for (const own of ['192.0.2.1', '192.0.2.255', '192.0.2.0', '198.51.100.255']) expect(b.routes.own.has(ip(own))).toBe(true);
    expect(b.routes.own.has(ip('192.0.2.2'))).toBe(false);
  });

  it.each([
    ['10.0.0.1', true], ['224.0.0.1', false], ['169.254.1.1', false], ['127.0.0.1', false], ['240.0.0.1', false], ['0.1.2.3', false],
  ])('canForward %s: %s', (addr, may) => {
    expect(new InetBench().inNet.canForward(ip(addr))).toBe(may);
  });

  it('allow_net0 and allow_net240 open the reserved blocks', () => {
    const b = new InetBench();
    b.net.kern.sysctl.set('net.inet.ip.allow_net240', 1);
    b.net.kern.sysctl.set('net.inet.ip.allow_net0', 1);
    expect([b.inNet.canForward(ip('240.0.0.1')), b.inNet.canForward(ip('0.1.2.3'))]).toEqual([true, true]);
  });

  it('source selection: the own address itself, the route\'s address, any other, null without a route', () => {
    const { b, em0 } = twoUp();
    const tun = b.tunnel();
    b.addr(b.lo0, '127.0.0.1/8');
    b.addr(em0, '192.0.2.1/24');
    b.addr(em0, '198.51.100.1/24');
    expect(b.inNet.ifaForDst(0, ip('198.51.100.9'))?.addr).toBe(ip('198.51.100.1'));
    expect(b.inNet.ifaForDst(0, ip('192.0.2.1'))?.addr).toBe(ip('192.0.2.1'));
    expect(b.inNet.ifaForDst(0, ip('127.0.0.1'))?.addr).toBe(ip('127.0.0.1'));
    expect(b.inNet.ifaForDst(0, ip('8.8.8.8'))).toBe(null);
    expect(b.route('add', '8.0.0.0/8', null, { ifp: tun })).toBe(0);
    expect(b.inNet.ifaForDst(0, ip('8.8.8.8'))?.addr).toBe(ip('192.0.2.1'));
  });

  it('groups are counted; the driver is told of the first join and the last leave', () => {
    const { b, em0 } = twoUp();
    const group = ip('239.1.2.3');
    expect(inJoinGroup(b.inNet, em0, ip('10.0.0.1'))).toBe(EINVAL);
    expect(inLeaveGroup(b.inNet, em0, group)).toBe(EADDRNOTAVAIL);
    inJoinGroup(b.inNet, em0, group);
    inJoinGroup(b.inNet, em0, group);
    expect(b.messages()).toEqual(['NEWMADDR 01:00:5e:01:02:03 em0']);
    inLeaveGroup(b.inNet, em0, group);
    expect(b.inNet.isMember(em0, group)).toBe(true);
    inLeaveGroup(b.inNet, em0, group);
    expect(b.inNet.isMember(em0, group)).toBe(false);
    expect(em0.multiaddrs).toEqual([]);
  });

  it('neighbours of a prefix are forgotten when its address goes, and all of them with the interface', () => {
    const { b, em0, em1 } = twoUp();
    const calls: string[] = [];
    b.inNet.setLltable((ifp) => ({
      prefixFree: (addr, mask, statics) => void calls.push(`${ifp.xname} ${addr.toString(16)} ${mask.toString(16)} ${statics}`),
      destroy: () => void calls.push(`${ifp.xname} destroy`),
    }));
    b.addr(em0, '192.0.2.1/24');
    ifDown(em0);
    ifUp(em0);
    b.delAddr(em0, '192.0.2.1');
    b.addr(em0, '192.0.2.2/24');
    b.addr(em0, '192.0.2.3/24');
    b.delAddr(em0, '192.0.2.2');
    b.addr(em1, '192.0.2.4/24');
    b.delAddr(em0, '192.0.2.3');
    ifDetach(em0);
    expect(calls).toEqual(['em0 c0000201 ffffff00 false', 'em0 c0000201 ffffff00 true', 'em0 c0000203 ffffff00 true', 'em0 destroy']);
  });

  it('vnets do not see each other', () => {
    const engine = new Engine(quietEnv(7));
    const shared = new NetShared('h');
    const a = new InetBench(engine, shared, 'a');
    const b = new InetBench(engine, shared, 'b');
    const ifa = a.ether();
    const ifb = b.ether();
    a.addr(ifa, '192.0.2.1/24');
    expect(b.messages().filter((l) => l.includes('192.0.2'))).toEqual([]);
    expect(b.inNet.isLocal(ip('192.0.2.1'))).toBe(false);
    expect(b.routes.lookup4(0, ip('192.0.2.9'), 0)).toBe(null);
    expect(b.addr(ifb, '192.0.2.1/24')).toBe(0);
    a.destroy();
    expect(b.routes.lookup4(0, ip('192.0.2.9'), 0)?.ifp).toBe(ifb);
    b.destroy();
    expect([a.leftovers(), b.leftovers()]).toEqual([NOTHING_LEFT, NOTHING_LEFT]);
  });

  it('destroy with everything still configured leaves nothing', () => {
    const { b, em0, em1 } = twoUp();
    b.addr(b.lo0, '127.0.0.1/8');
    b.addr(em0, '192.0.2.1/24');
    b.addr(em0, '192.0.2.2/24');
    b.addr(em1, '192.0.2.3/24');
    b.addr(em1, '10.0.0.1/32');
    b.inNet.destroy();
    b.routes.destroy();
    expect(b.leftovers()).toMatchObject({ routes: 0, nexthops: 0, addrs: 0, own: 0, local: 0, domains: 0, sysctls: 0 });
  });
});
