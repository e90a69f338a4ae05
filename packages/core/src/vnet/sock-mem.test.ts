/**
 * sock-mem.test.ts — what sockets that nobody reads may keep: a limit for each vnet, and one for all.
 */
import { describe, expect, it } from 'vitest';
import { SMALL_SLOT } from '../mbuf/packet-buffer.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import type { Socket } from '../socket/socket.js';
import type { Vnet } from './vnet.js';

const SOCKETS = 4;

interface Receiver {
  readonly v: Vnet;
  readonly sockets: readonly Socket[];
  /** `count` datagrams to each of its sockets. */
  flood(count: number): void;
}

/** A vnet with sockets on ports 1 .. SOCKETS, on a cable to one that sends. */
function receiver(net: SimNet, unit: number): Receiver {
  const [tx, v] = [net.vnet(`tx${unit}`), net.vnet(`rx${unit}`)];
  const [a, b] = net.epair(tx, v);
  net.addr(tx, a, `10.0.${unit}.1/24`);
  net.addr(v, b, `10.0.${unit}.2/24`);
  const from = net.udp(tx);
  const sockets = Array.from({ length: SOCKETS }, (_, i) => net.udp(v, i + 1));
  const flood = (count: number): void => {
    for (let i = 0; i < count; i++) for (let port = 1; port <= SOCKETS; port++) from.send(new Uint8Array(100), ip4(`10.0.${unit}.2`), port);
    net.run(1_000);
  };
  flood(1); // resolves the address
  for (const so of sockets) so.recvPacket()?.free();
  return { v, sockets, flood };
}

const node = (v: Vnet, leaf: string): number => Number(v.kern.sysctl.find(`kern.ipc.${leaf}`)?.get());

describe('memory of sockets', () => {
  it('is bounded for a vnet, and the others keep theirs', () => {
    const net = new SimNet(1);
    const [greedy, other] = [receiver(net, 1), receiver(net, 2)];
    expect(net.kernel.vnet0.kern.sysctl.find('kern.ipc.sockmem_max')?.set(SMALL_SLOT * 40)).toBe(0);
    greedy.flood(20);
    other.flood(5);
    expect([node(greedy.v, 'sockmem'), node(greedy.v, 'sockmem_peak'), node(greedy.v, 'sockmem_denied')]).toEqual([SMALL_SLOT * 40, SMALL_SLOT * 40, 40]);
    expect([node(other.v, 'sockmem'), node(other.v, 'sockmem_denied')]).toEqual([SMALL_SLOT * 20, 0]);
    expect([greedy.v.kern.sockmem.isPressed, other.v.kern.sockmem.isPressed, net.kernel.engine.sockmem.bytes]).toEqual([true, false, SMALL_SLOT * 60]);
    const [first] = greedy.sockets;
    for (let i = 0; i < 10; i++) first!.recvPacket()?.free();
    expect(node(greedy.v, 'sockmem')).toBe(SMALL_SLOT * 30);
    for (const so of [...greedy.sockets, ...other.sockets]) so.close();
    expect([node(greedy.v, 'sockmem'), net.kernel.engine.sockmem.bytes, node(greedy.v, 'sockmem_peak')]).toEqual([0, 0, SMALL_SLOT * 40]);
    net.kernel.shutdown();
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });

  it('leaves a quarter of the pool to packets on their way', () => {
    const net = new SimNet(1);
    const { pool } = net.kernel.engine;
    pool.smallMax = 1_024;
    pool.largeMax = 16;
    const [a, b] = [receiver(net, 1), receiver(net, 2)];
    for (let i = 0; i < 20; i++) for (const r of [a, b]) r.flood(10);
    expect([net.kernel.engine.sockmem.small, pool.smallInUse, node(a.v, 'sockmem_denied') + node(b.v, 'sockmem_denied')]).toEqual([768, 768, 2 * 200 * SOCKETS - 768]);
    expect([a.v, b.v].map((v) => v.kern.sockmem.isPressed)).toEqual([true, true]);
    net.kernel.shutdown();
  });

  it('is told everywhere and set in the first vnet only', () => {
    const net = new SimNet(1);
    const v = net.vnet('v');
    const writable = (of: Vnet, leaf: string): boolean | undefined => of.kern.sysctl.find(`kern.ipc.${leaf}`)?.writable;
    const { vnet0 } = net.kernel;
    expect(['sockmem_max', 'nmbclusters', 'nmbjumbo65'].map((leaf) => [writable(vnet0, leaf), writable(v, leaf)])).toEqual([[true, false], [true, false], [true, false]]);
    net.kernel.shutdown();
  });
});
