/**
 * kernel.test.ts — vnets through the Kernel's doors: made, connected, talking, taken down, nothing left.
 */
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../base/assert.js';
import { EBADF, EBUSY, ECONNABORTED, EPROTONOSUPPORT } from '../base/errno.js';
import { quietEnv } from '../env/env.js';
import { Callout } from '../kern/callout.js';
import { ifUp } from '../net/if.js';
import { ifCloneCreate, ifCloneDestroy } from '../net/if-clone.js';
import type { Ifnet } from '../net/ifnet.js';
import { ifVmoveLoan } from '../net/if-vmove.js';
import { dgram } from '../promises/dgram.js';
import { SOCK_DGRAM, SOCK_RAW, PF_INET } from '../socket/socket-type.js';
import { SimNet } from '../sim/sim-net.js';
import { ip4Parse } from '../wire/addr.js';
import { icmp4Emit } from '../wire/icmp4.js';
import { Kernel } from './kernel.js';
import type { Prison } from './kernel.js';
import type { Vnet } from './vnet.js';

const addr = (text: string): number => ip4Parse(text) ?? 0;

function counts(k: Kernel): Record<string, number> {
  return { vnets: k.vnets.length, interfaces: k.shared.attached, packets: k.engine.pool.inUse, timers: k.engine.callouts.armed };
}

describe('Kernel', () => {
  it('boots with one vnet, lo0 in it', () => {
    const k = new Kernel(quietEnv(1));
    expect(k.vnet0.net.ifnets.map((i) => i.xname)).toEqual(['lo0']);
    expect(k.vnets).toEqual([k.vnet0]);
  });

  it('carries a ping between two vnets over an epair', () => {
    const net = new SimNet(1);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [x, y] = net.epair(a, b);
    net.addr(a, x, '192.0.2.1/24');
    net.addr(b, y, '192.0.2.2/24');
    const so = a.sockets.socket(PF_INET, SOCK_RAW, 1).so;
    const echo = new Uint8Array(16);
    icmp4Emit(new DataView(echo.buffer), 0, 16, 8, 0, 0x10001);
    expect(so?.send(echo, addr('192.0.2.2'))).toBe(0);
    net.run(1_000_000);
    expect(so?.rcv.count).toBe(1);
  });

  it('sends what goes to an own address through lo0', () => {
    const net = new SimNet(1);
    const a = net.vnet('a');
    const [x] = net.epair(a, a);
    net.addr(a, x, '192.0.2.1/24');
    const rx = a.sockets?.socket(PF_INET, SOCK_DGRAM).so;
    const tx = a.sockets?.socket(PF_INET, SOCK_DGRAM).so;
    rx?.bind(0, 5);
    expect(tx?.send(Uint8Array.of(1, 2, 3), addr('192.0.2.1'), 5)).toBe(0);
    net.run(1_000);
    expect(rx?.rcv.count).toBe(1);
    expect(a.net.loif?.data.opackets).toBe(1);
  });

  it('answers a datagram for a closed port with an error the connected socket sees', () => {
    const net = new SimNet(1);
    const [a, b] = [net.vnet('a'), net.vnet('b')];
    const [x, y] = net.epair(a, b);
    net.addr(a, x, '192.0.2.1/24');
    net.addr(b, y, '192.0.2.2/24');
    const so = a.sockets?.socket(PF_INET, SOCK_DGRAM).so;
    so?.connect(addr('192.0.2.2'), 9);
    expect(so?.send(new Uint8Array(4))).toBe(0);
    net.run(1_000_000);
    expect(so?.getsockopt('SO_ERROR')).toBe(61);
  });

  it('leaves nothing behind after a jail with traffic is removed', () => {
    const net = new SimNet(1);
    const k = net.kernel;
    const before = counts(k);
    const a = net.vnet('a');
    const [x, y] = net.epair(k.vnet0, a);
    net.addr(k.vnet0, x, '10.0.0.1/24');
    net.addr(a, y, '10.0.0.2/24');
    a.sockets?.socket(PF_INET, SOCK_DGRAM).so?.send(new Uint8Array(10), addr('10.0.0.77'), 9);
    net.run(100);
    expect(k.engine.callouts.armed).toBeGreaterThan(0);
    const prison = k.prisons.find(k.prisons.prison0, 'a');
    expect(prison).not.toBeNull();
    if (prison !== null) expect(k.jailRemove(prison)).toBe(0);
    const back = k.vnet0.net.ifunit(y.xname);
    expect([back === y, back?.index, back?.lladdr]).toEqual([false, y.net === null ? back?.index : -1, y.lladdr]);
    expect(k.call(k.now, () => ifCloneDestroy(k.vnet0.net, x.xname))).toBe(0);
    net.run(2_000_000);
    expect(counts(k)).toEqual(before);
    expect(a.kern.ifcnt).toBe(0);
    expect(a.kern.sockcnt).toBe(0);
    expect(a.kern.calloutsArmed).toBe(0);
  });

  it('refuses a move before anything happens', () => {
    const net = new SimNet(1);
    const k = net.kernel;
    const a = net.vnet('a');
    k.call(0, () => {
      ifCloneCreate(k.vnet0.net, 'epair');
      ifCloneCreate(a.net, 'epair');
      expect(ifVmoveLoan(k.vnet0.net, 'epair0a', a.net)).toBe(17);
      expect(ifVmoveLoan(k.vnet0.net, 'nosuch0', a.net)).toBe(6);
      expect(ifVmoveLoan(k.vnet0.net, 'epair0a', k.vnet0.net)).toBe(17);
    });
    expect(k.vnet0.net.ifnets.map((i) => i.xname)).toEqual(['lo0', 'epair0a', 'epair0b']);
  });

  it('runs destructors in the reverse of their table', () => {
    const net = new SimNet(1);
    const seen: string[] = [];
    net.kernel.onTeardown = (_v, step, when) => {
      if (when === 'before') seen.push(step.name);
    };
    net.vnet('a');
    const prison = net.kernel.prisons.find(net.kernel.prisons.prison0, 'a');
    if (prison !== null) net.kernel.jailRemove(prison);
    expect(seen[0]).toBe('vnet_if_return');
    expect(seen.indexOf('udp_destroy')).toBeLessThan(seen.indexOf('ip_destroy'));
    expect(seen.indexOf('ip_destroy')).toBeLessThan(seen.indexOf('rtables_destroy'));
    expect(seen.indexOf('vnet_bridge_uninit')).toBeLessThan(seen.indexOf('vnet_epair_uninit'));
    expect(seen.indexOf('vnet_epair_uninit')).toBeLessThan(seen.indexOf('vnet_loif_uninit'));
  });
});

describe('a jail that is removed while something holds it', () => {
  /** Jail `a`, with an interface of the host's and an epair of its own whose other end is in the host, and who talks there. */
  function held(): { net: SimNet; k: Kernel; a: Vnet; prison: Prison; own: Ifnet; release: () => void; before: Record<string, number> } {
    const net = new SimNet(1);
    const k = net.kernel;
    const before = counts(k);
    const a = net.vnet('a');
    const [x, y] = net.epair(k.vnet0, a);
    net.addr(k.vnet0, x, '10.0.0.1/24');
    net.addr(a, y, '10.0.0.2/24');
    const own = k.call(0, () => ifCloneCreate(a.net, 'epair').ifp!);
    k.call(0, () => ifUp(own));
    const prison = k.prisons.find(k.prisons.prison0, 'a')!;
    return { net, k, a, prison, own, release: prison.hold('process 7 (sleep 60)'), before };
  }

  it('ends sockets at once, and whoever waits at one sees why', async () => {
    const { k, a, prison } = held();
    const so = a.sockets.socket(PF_INET, SOCK_DGRAM).so!;
    so.bind(0, 5);
    const told: number[] = [];
    so.onReadable = () => void told.push(so.recv(new Uint8Array(8)));
    const reading = dgram(a, { port: 6 }).receive();
    expect(k.jailRemove(prison)).toBe(0);
    expect(told).toEqual([-ECONNABORTED]);
    expect([so.recv(new Uint8Array(8)), so.send(Uint8Array.of(1), 1, 1), so.bind(0, 9), so.abortError]).toEqual([-ECONNABORTED, ECONNABORTED, ECONNABORTED, ECONNABORTED]);
    await expect(reading).rejects.toMatchObject({ code: 'ECONNABORTED', syscall: 'recv' });
    expect([so.close(), so.close(), a.kern.sockcnt]).toEqual([0, EBADF, 0]);
    expect(a.sockets.socket(PF_INET, SOCK_DGRAM).error).toBe(EPROTONOSUPPORT);
  });

  it('gives borrowed interfaces back at once, carries nothing more, and is found nowhere', () => {
    const { k, a, prison, own } = held();
    k.jailRemove(prison);
    expect(k.vnet0.net.ifnets.map((i) => i.xname)).toEqual(['lo0', 'epair0a', 'epair0b']);
    expect([k.vnets, k.vnetOf(own), own.isUp, a.net.ifnets.includes(own)]).toEqual([[k.vnet0], null, false, true]);
    expect(k.call(k.now, () => ifVmoveLoan(k.vnet0.net, 'epair0b', a.net))).toBe(EBUSY);
    expect(k.dyingJails().map((d) => [d.prison, d.holders, d.leftUs])).toEqual([[prison, ['process 7 (sleep 60)'], 30_000_000]]);
  });

  it.each([['the last hold', true], ['the limit', false]])('is gone with %s', (_how, polite) => {
    const { net, k, a, prison, release, before } = held();
    const steps: string[] = [];
    k.onTeardown = (_v, step, when) => void (when === 'after' && steps.push(step.name));
    k.jailRemove(prison);
    expect(steps).toEqual(['vnet_if_return']);
    net.run(29_000_000);
    expect(steps).toEqual(['vnet_if_return']);
    if (polite) release();
    else net.run(1_000_000);
    expect(steps.at(-1)).toBe(k.sysinit.destructors.at(-1)?.name);
    expect(new Set(steps).size).toBe(steps.length);
    expect(k.call(k.now, () => ifCloneDestroy(k.vnet0.net, 'epair0a'))).toBe(0);
    net.run(2_000_000);
    expect(counts(k)).toEqual(before);
    expect([k.dyingJails(), a.kern.ifcnt, a.kern.calloutsArmed]).toEqual([[], 0, 0]);
    expect(net.log.some((l) => l.message.includes('no longer waits for process 7 (sleep 60), after 30.000 s'))).toBe(!polite);
  });

  it('whose stack is broken loses the stack at once', () => {
    const { net, k, a, prison, release } = held();
    k.jailRemove(prison);
    const c = new Callout(a.kern, () => {
      throw new InvariantError('late');
    });
    k.engine.calloutReset(c, 10);
    net.run(100);
    expect([a.panic, a.kern.ifcnt, k.dyingJails().length]).toEqual(['late', 0, 1]);
    release();
    expect(k.dyingJails()).toEqual([]);
  });

  it('tells the host, which may hold it for what it has open', () => {
    const { k, prison, release } = held();
    release();
    let letGo = (): void => {};
    k.jailStopEvent.register((p) => {
      letGo = p.hold('device tap0');
    });
    k.jailRemove(prison);
    expect(k.dyingJails().map((d) => d.holders)).toEqual([['device tap0']]);
    letGo();
    expect([k.dyingJails(), prison.vnet.kern.ifcnt]).toEqual([[], 0]);
  });

  it('does not keep the kernel from ending', () => {
    const { k } = held();
    k.shutdown();
    expect([k.vnets, k.shared.attached, k.engine.callouts.armed]).toEqual([[], 0, 0]);
  });
});
