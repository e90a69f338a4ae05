/**
 * tcp-neighbour.ts — a vnet whose sockets a test uses, and Linux with its own, joined by a TAP device: side by side, or with our routers and a link
 * that loses, marks or is narrow between them.
 *
 *     withNeighbour:        v1 tap0 ── Linux
 *     withRoutedNeighbour:  v1 ── link ── r1 ── (narrow link ── r2) ── tap0 ── Linux
 *
 * Linux is 10.77.0.1 and fd77::1, the vnet 10.77.0.2 and fd77::2, or 10.78.0.2 and fd78::2 behind routers.
 */
import type { Ifnet, StreamSocket, Vnet } from '@netloom/core';
import { EINPROGRESS, SOCK_STREAM } from '@netloom/core';
import { NetError, Stream, domainOf, listen, sockAddrParse } from '@netloom/core/promises';
import type { ListenOptions, Listener } from '@netloom/core/promises';
import { SimLinkEnd, simLinkDefaults } from '@netloom/core/sim';
import type { SimLinkOptions } from '@netloom/core/sim';
import { LinuxPython } from './linux-python.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

export type Family = 4 | 6;
export const FAMILIES = [4, 6] as const;
export const LINUX = { 4: '10.77.0.1', 6: 'fd77::1' } as const;
export const VNET = { 4: '10.77.0.2', 6: 'fd77::2' } as const;
export const ROUTED_VNET = { 4: '10.78.0.2', 6: 'fd78::2' } as const;
export const ANY = { 4: '0.0.0.0', 6: '::' } as const;
export const TCP_PEERS = ['root', 'tun', 'netns', 'ip', 'python3'] as const;
export const LIMIT = { timeout: 40_000 };

export interface TcpNeighbour {
  readonly d: TestDaemon;
  readonly ns: Netns;
  readonly py: LinuxPython;
  /** v1. */
  readonly vnet: Vnet;
  readonly cable: Cable;
}

export interface RoutedNeighbour extends TcpNeighbour {
  /** Ends of the link: v1's, and its router's. */
  readonly ends: readonly [SimLinkEnd, SimLinkEnd];
}

/** Linux and v1 as neighbours, over both families. */
export function withNeighbour(body: (n: TcpNeighbour) => Promise<void>): Promise<void> {
  return withNetns(1, (ns) =>
    withDaemon(async (d) => {
      await d.vnet('v1');
      const cable = await plugBoth(d, 'v1', ns);
      await body({ d, ns, py: new LinuxPython(ns), vnet: vnetOf(d, 'v1'), cable });
    }),
  );
}

/** A tap of `vnet` as 10.77.0.2 and fd77::2, Linux's neighbour. */
async function plugBoth(d: TestDaemon, vnet: string, ns: Netns): Promise<Cable> {
  const cable = await d.plug(vnet, ns, { vnet: `${VNET[4]}/24`, linux: `${LINUX[4]}/24` });
  await d.ok(vnet, 'ifconfig', cable.ifname, 'inet6', `${VNET[6]}/64`, 'no_dad');
  ns.ip('-6', 'addr', 'add', `${LINUX[6]}/64`, 'dev', cable.device, 'nodad');
  return cable;
}

/** v1 behind a link with `options` and a router; with `narrowB`, behind a second one over a link of that MTU. */
export function withRoutedNeighbour(options: SimLinkOptions, narrowB: number | null, body: (n: RoutedNeighbour) => Promise<void>): Promise<void> {
  return withNetns(1, (ns) =>
    withDaemon(async (d) => {
      const last = narrowB === null ? 'r1' : 'r2';
      for (const name of ['v1', 'r1', ...(narrowB === null ? [] : ['r2'])]) await router(d, name);
      const ends = simLink(d, 0, 'v1', 'r1', options);
      await number(d, 'v1', ends[0].ifp, 78, 2);
      await number(d, 'r1', ends[1].ifp, 78, 1);
      await route(d, 'v1', 'default', 78, 1);
      if (narrowB !== null) {
        const [left, right] = simLink(d, 1, 'r1', 'r2', { mtu: narrowB });
        await number(d, 'r1', left.ifp, 79, 1);
        await number(d, 'r2', right.ifp, 79, 2);
        await route(d, 'r1', 'default', 79, 2);
        await route(d, 'r2', 'default', 79, 1);
      }
      const cable = await plugBoth(d, last, ns);
      ns.ip('route', 'add', 'default', 'via', VNET[4]);
      ns.ip('-6', 'route', 'add', 'default', 'via', VNET[6]);
      await body({ d, ns, py: new LinuxPython(ns), vnet: vnetOf(d, 'v1'), cable, ends });
    }),
  );
}

async function router(d: TestDaemon, name: string): Promise<void> {
  await d.vnet(name, name !== 'v1');
  if (name !== 'v1') await d.ok(name, 'sysctl', 'net.inet6.ip6.forwarding=1');
}

async function number(d: TestDaemon, vnet: string, ifp: Ifnet, net: number, host: number): Promise<void> {
  await d.ok(vnet, 'ifconfig', ifp.xname, 'inet', `10.${net}.0.${host}/24`, 'up');
  await d.ok(vnet, 'ifconfig', ifp.xname, 'inet6', `fd${net}::${host}/64`, 'no_dad');
}

async function route(d: TestDaemon, vnet: string, to: string, net: number, host: number): Promise<void> {
  await d.ok(vnet, 'route', 'add', to, `10.${net}.0.${host}`);
  await d.ok(vnet, 'route', 'add', '-inet6', to, `fd${net}::${host}`);
}

/** A wire of the simulator between two vnets, in real time. */
function simLink(d: TestDaemon, unit: number, a: string, b: string, options: SimLinkOptions): readonly [SimLinkEnd, SimLinkEnd] {
  const { kernel, loop } = d.daemon;
  const all = simLinkDefaults(options);
  return kernel.call(loop.enter(), () => {
    const end = (vnet: string, side: number): SimLinkEnd => new SimLinkEnd(vnetOf(d, vnet).net, `sim${2 * unit + side}`, 2 * unit + side, all, kernel.engine.rng.split(`sim${unit}${side}`));
    const ends = [end(a, 0), end(b, 1)] as const;
    ends[0].peer = ends[1];
    ends[1].peer = ends[0];
    return ends;
  });
}

export function vnetOf(d: TestDaemon, name: string): Vnet {
  const { prisons } = d.daemon.kernel;
  return prisons.find(prisons.prison0, name)!.vnet;
}

/** listen of promises/, with socket options. */
export function listenWith(vnet: Vnet, options: Readonly<Record<string, number>>, where: ListenOptions): Listener {
  const listener = listen(vnet, where);
  setAll(listener.socket, options);
  return listener;
}

function setAll(so: StreamSocket, options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    const error = so.setsockopt(name, value);
    if (error !== 0) throw new NetError(error, 'setsockopt', name);
  }
}

/** connect of promises/, with socket options set before; gives up after `seconds`. */
export async function connectWith(vnet: Vnet, options: Readonly<Record<string, number>>, address: string, port: number, seconds = 20, localPort = 0): Promise<Stream> {
  const domain = domainOf(address);
  const { error: refused, so } = vnet.sockets.socket(domain, SOCK_STREAM);
  if (so === null) throw new NetError(refused, 'socket');
  setAll(so, options);
  const { engine } = vnet.kern;
  if (localPort !== 0) so.bind(0, localPort);
  const began = engine.outside(() => so.connect(sockAddrParse(vnet, domain, address), port));
  let error = began === EINPROGRESS ? 0 : began;
  try {
    await Netns.until(`connected to ${address}`, () => {
      error ||= so.getsockopt('SO_ERROR') ?? 0;
      if (error !== 0) throw new NetError(error, 'connect', address);
      return so.isConnected;
    }, seconds);
  } catch (failed) {
    engine.outside(() => so.close());
    throw failed;
  }
  return new Stream(vnet, so);
}

/** A connection that Linux (`s`) makes to the vnet. */
export async function fromLinux({ py, vnet }: TcpNeighbour, family: Family, options: Record<string, number> = {}): Promise<Stream> {
  const listener = listenWith(vnet, options, { address: ANY[family], port: 5000 + family });
  await py.run(`s = create_connection(('${VNET[family]}', ${5000 + family}))`);
  const stream = await accepted(listener);
  listener.close();
  return stream;
}

/** A connection that the vnet makes to Linux (`s`). */
export async function toLinux({ py, vnet }: TcpNeighbour, family: Family, options: Record<string, number> = {}): Promise<Stream> {
  await py.run(`l = server(${6000 + family}, AF_INET${family === 6 ? '6' : ''})`);
  const stream = await connectWith(vnet, options, LINUX[family], 6000 + family);
  await py.run('s, _ = l.accept(); l.close()');
  return stream;
}

/** The next connection of a listener. */
export async function accepted(listener: Listener): Promise<Stream> {
  const stream = await listener.accept();
  if (stream === null) throw new Error('the listener was closed');
  return stream;
}

export async function write(stream: Stream, data: string | Uint8Array): Promise<void> {
  const writer = stream.writable.getWriter();
  await writer.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  writer.releaseLock();
}

/** Half-close: no more of ours. */
export async function finish(stream: Stream): Promise<void> {
  const writer = stream.writable.getWriter();
  await writer.close();
}

/** Reads exactly so many bytes. */
export async function exactly(stream: Stream, n: number): Promise<string> {
  const reader = stream.readable.getReader({ mode: 'byob' });
  let text = '';
  while (text.length < n) {
    const { done, value } = await reader.read(new Uint8Array(n - text.length));
    if (done) throw new Error(`the stream ended after ${text.length} of ${n} bytes: ${text}`);
    text += Buffer.from(value!).toString('latin1');
  }
  reader.releaseLock();
  return text;
}
