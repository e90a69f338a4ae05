/**
 * hooks.test.ts — packet filter hooks, routing messages and what a Kernel's vnets share: indexes and generated addresses.
 */
import { describe, expect, it } from 'vitest';
import { EEXIST, ENOENT } from '../base/errno.js';
import { IFT_PPP, Ifnet } from './ifnet.js';
import { loCloner } from './lo.js';
import { NetShared } from './net.js';
import { PFIL_CONSUMED, PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS, PfilHead } from './pfil.js';
import type { PfilHook, PfilVerdict } from './pfil.js';
import { RTM_ADD, RTM_IFINFO, RTM_NEWMADDR, RTSOCK_QUEUE_MAX, Rtsock } from './rtsock.js';
import { TestLab, mac } from './test-net.js';

describe('PfilHead', () => {
  const lab = new TestLab();
  const ifp = new Ifnet({ transmit: () => 0 }, 'x', 0, 'x0', IFT_PPP, 0, 1_500);

  function head(verdicts: readonly PfilVerdict[]): { head: PfilHead; hooks: PfilHook[]; asked: number[] } {
    const h = new PfilHead('test');
    const asked: number[] = [];
    const hooks = verdicts.map((verdict, i): PfilHook => ({
      name: String(i),
      check: () => {
        asked.push(i);
        return verdict;
      },
    }));
    for (const hook of hooks) expect(h.link(hook)).toBe(0);
    return { head: h, hooks, asked };
  }

  it('asks in order on the way in, in the reverse order on the way out', () => {
    const { head: h, asked } = head([PFIL_PASS, PFIL_PASS, PFIL_PASS]);
    const m = lab.packet(new Uint8Array(1));
    expect([h.run(m, ifp, PFIL_IN), asked.splice(0)]).toEqual([PFIL_PASS, [0, 1, 2]]);
    expect([h.run(m, ifp, PFIL_OUT), asked.splice(0)]).toEqual([PFIL_PASS, [2, 1, 0]]);
    m.free();
  });

  it.each([[PFIL_DROPPED, PFIL_IN, [0, 1]], [PFIL_CONSUMED, PFIL_IN, [0, 1]], [PFIL_DROPPED, PFIL_OUT, [2, 1]]] as const)('ends at the first verdict other than pass: %i', (verdict, dir, order) => {
    const { head: h, asked } = head([PFIL_PASS, verdict, PFIL_PASS]);
    const m = lab.packet(new Uint8Array(1));
    expect([h.run(m, ifp, dir), asked]).toEqual([verdict, order]);
    m.free();
  });

  it('has a hook once, and costs nothing without any', () => {
    const { head: h, hooks } = head([PFIL_PASS, PFIL_DROPPED]);
    expect([h.link(hooks[0]!), h.hooks.length, h.hooked]).toEqual([EEXIST, 2, true]);
    expect([h.unlink(hooks[0]!), h.unlink(hooks[0]!), h.hooks.length]).toEqual([0, ENOENT, 1]);
    expect([h.unlink(hooks[1]!), h.hooked]).toEqual([0, false]);
    const m = lab.packet(new Uint8Array(1));
    expect(h.run(m, ifp, PFIL_OUT)).toBe(PFIL_PASS);
    m.free();
  });

  it('lets a hook take itself off while it is asked', () => {
    const { head: h, asked } = head([PFIL_PASS, PFIL_PASS]);
    const once: PfilHook = { name: 'once', check: () => (h.unlink(once) === 0 ? PFIL_PASS : PFIL_DROPPED) };
    h.link(once);
    const m = lab.packet(new Uint8Array(1));
    expect([h.run(m, ifp, PFIL_OUT), h.run(m, ifp, PFIL_OUT), asked]).toEqual([PFIL_PASS, PFIL_PASS, [1, 0, 1, 0]]);
    m.free();
  });
});

describe('Rtsock', () => {
  function bench(): { rt: Rtsock; net: TestLab['nets'][number]; ifp: Ifnet } {
    const lab = new TestLab();
    const net = lab.net('v', [loCloner]);
    const ifp = lab.create(net, 'lo0');
    net.rtsock = new Rtsock(net);
    return { rt: net.rtsock, net, ifp };
  }

  it('tells every listener, in order, with the fields left out empty', () => {
    const { rt, ifp } = bench();
    const [a, b] = [rt.open(), rt.open()];
    rt.post({ type: RTM_ADD, flags: 7 });
    rt.newmaddr(ifp, mac('01:00:5e:00:00:01'), true);
    const first = { type: RTM_ADD, ifIndex: 0, ifName: '', flags: 7, fib: 0, errno: 0, dst: null, gateway: null, netmask: null, ifa: null, broadcast: null, author: null };
    const group = { family: 'link', index: 1, name: 'lo0', lladdr: mac('01:00:5e:00:00:01') };
    for (const l of [a, b]) {
      expect(l.read()).toEqual(first);
      expect(l.read()).toEqual({ ...first, type: RTM_NEWMADDR, ifIndex: 1, ifName: 'lo0', flags: 0, ifa: group });
      expect(l.read()).toBeNull();
    }
    b.close();
    b.close();
    rt.ifinfo(ifp);
    expect([a.read()?.type, b.read(), rt.listeners.size]).toEqual([RTM_IFINFO, null, 1]);
  });

  it('says nothing while the vnet has no loopback, and makes no message for nobody', () => {
    const { rt, net, ifp } = bench();
    expect(rt.listening).toBe(false);
    const l = rt.open();
    net.loif = null;
    rt.ifinfo(ifp);
    rt.ifannounce(ifp, true);
    rt.newmaddr(ifp, mac('01:00:5e:00:00:01'), false);
    rt.post({ type: RTM_ADD });
    rt.addr({ af: 2, ifp, carp: null }, true, { family: 'inet', addr: 1 }, null, null);
    expect([rt.listening, l.read()]).toEqual([false, null]);
    net.loif = ifp;
    rt.ifinfo(ifp);
    expect(l.read()?.type).toBe(RTM_IFINFO);
  });

  it('bounds what a listener has waiting, and wakes it when something waits where nothing did', () => {
    const { rt } = bench();
    const l = rt.open();
    let told = 0;
    l.onReadable = () => void told++;
    for (let i = 0; i < RTSOCK_QUEUE_MAX + 3; i++) rt.post({ type: RTM_ADD, flags: i });
    expect([l.queue.length, l.drops, told, l.read()?.flags]).toEqual([RTSOCK_QUEUE_MAX, 3, 1, 0]);
    rt.post({ type: RTM_ADD, flags: 9_999 });
    expect([l.queue.length, l.drops, l.queue.at(-1)?.flags]).toEqual([RTSOCK_QUEUE_MAX, 3, 9_999]);
  });

  it('ends its listeners and tells them', () => {
    const { rt } = bench();
    const [a, b] = [rt.open(), rt.open()];
    let told = 0;
    rt.post({ type: RTM_ADD });
    a.onReadable = () => {
      expect(a.ended).toBe(true);
      a.close();
      told++;
    };
    rt.destroy();
    rt.post({ type: RTM_ADD });
    expect([told, b.ended, a.queue.length, rt.listeners.size]).toEqual([1, true, 1, 0]);
  });
});

describe('NetShared', () => {
  it('makes addresses that are local, unicast and never the same', () => {
    const shared = new NetShared('host');
    const seen = new Set<string>();
    for (let i = 0; i < 100_000; i++) {
      const m = shared.generateMac(0x02, 0x0a);
      if (i % 1_000 === 0) expect([m.length, m[0], m[5]]).toEqual([6, 0x02, 0x0a]);
      seen.add(m.join(':'));
    }
    expect(seen.size).toBe(100_000);
    expect(new NetShared('host').generateMac(2, 0)).toEqual(new NetShared('host').generateMac(2, 0));
    expect(new NetShared('other').generateMac(2, 0)).not.toEqual(new NetShared('host').generateMac(2, 0));
  });
});
