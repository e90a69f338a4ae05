/**
 * kernel.test.ts — vnets through the Kernel's doors: made, connected, talking, taken down, nothing left.
 */
import { describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import { ifCloneCreate, ifCloneDestroy } from '../net/if-clone.js';
import { ifVmoveLoan } from '../net/if-vmove.js';
import { SOCK_DGRAM, SOCK_RAW, PF_INET } from '../socket/socket-type.js';
import { SimNet } from '../sim/sim-net.js';
import { ip4Parse } from '../wire/addr.js';
import { icmp4Emit } from '../wire/icmp4.js';
import { Kernel } from './kernel.js';

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
    net.kernel.onTeardown = (_v, step) => {
      seen.push(step.name);
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
