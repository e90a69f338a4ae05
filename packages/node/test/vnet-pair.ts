/**
 * vnet-pair.ts — two vnets joined by a cable, for tests of what a program sees of their sockets: on the host's clock, or in virtual time.
 *
 * `hostPair` is a Kernel on a HostLoop, as a program would have it. `simPair` has a SimNet's clock: `sim.during(promise)` jumps from deadline to
 * deadline until the promise settles, so that what takes TCP a minute takes the test nothing.
 *
 * Afterwards `close` takes everything down and answers with what was left, which is to be nothing.
 */
import { IN6_IFF_NODAD, Kernel, ifCloneCreate, ifUp, ifVmove, in6Aifaddr, inAifaddr, quietEnv } from '@netloom/core';
import type { Ifnet, Vnet } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import type { SimLinkOptions } from '@netloom/core/sim';
import { ip4Parse, ip6Parse } from '@netloom/core/wire';
import { HostLoop } from '../src/loop.js';

export const ADDR_A = '192.0.2.1';
export const ADDR_B = '192.0.2.2';
export const ADDR6_A = '2001:db8::1';
export const ADDR6_B = '2001:db8::2';

export interface VnetPair {
  readonly kernel: Kernel;
  readonly a: Vnet;
  readonly b: Vnet;
  /** Ends of the cable. */
  readonly ends: readonly [Ifnet, Ifnet];
}

export interface HostPair extends VnetPair {
  readonly loop: HostLoop;
  /** Takes all down. Packets that are still out, and errors of turns: [0, []]. */
  close(): readonly [number, readonly unknown[]];
}

export interface SimPair extends VnetPair {
  readonly net: SimNet;
  /** Lets virtual time pass until `promise` settles. */
  during<T>(promise: Promise<T>): Promise<T>;
}

function addresses(v: Vnet, ifp: Ifnet, four: string, six: string): void {
  inAifaddr(v.inNet, ifp, { addr: ip4Parse(four)!, plen: 24 });
  in6Aifaddr(v.in6Net, ifp, { addr: ip6Parse(six)!, plen: 64, flags: IN6_IFF_NODAD });
  const { loif } = v.net;
  if (loif === null) return;
  inAifaddr(v.inNet, loif, { addr: ip4Parse('127.0.0.1')!, plen: 8 });
}

export function hostPair(seed = 1): HostPair {
  const errors: unknown[] = [];
  const loop = new HostLoop((error) => errors.push(error));
  const kernel = new Kernel({ ...quietEnv(seed), wake: () => loop.wake() });
  loop.attach(kernel);
  const jail = (name: string): Vnet => kernel.jailCreate(kernel.prisons.prison0, { name, persist: true, attach: false, vnet: true }).prison!.vnet;
  const [a, b] = [jail('a'), jail('b')];
  const ends = kernel.call(loop.enter(), () => {
    const { ifp } = ifCloneCreate(kernel.vnet0.net, 'epair');
    const far = kernel.vnet0.net.ifunit(`${ifp!.xname.slice(0, -1)}b`);
    const made = [ifVmove(ifp!, a.net).ifp!, ifVmove(far!, b.net).ifp!] as const;
    for (const end of made) ifUp(end);
    addresses(a, made[0], ADDR_A, ADDR6_A);
    addresses(b, made[1], ADDR_B, ADDR6_B);
    return made;
  });
  const close = (): readonly [number, readonly unknown[]] => {
    kernel.shutdown();
    loop.close();
    return [kernel.engine.pool.inUse, errors];
  };
  return { kernel, loop, a, b, ends, close };
}

export function simPair(seed: number, link: SimLinkOptions = {}): SimPair {
  const net = new SimNet(seed);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const [endA, endB] = net.link(a, b, link);
  net.kernel.call(net.now, () => {
    addresses(a, endA.ifp, ADDR_A, ADDR6_A);
    addresses(b, endB.ifp, ADDR_B, ADDR6_B);
  });
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false;
    const done = promise.finally(() => (settled = true));
    done.catch(() => undefined);
    while (!settled) {
      net.step();
      await new Promise(setImmediate);
    }
    return done;
  };
  return { kernel: net.kernel, net, a, b, ends: [endA.ifp, endB.ifp], during };
}
