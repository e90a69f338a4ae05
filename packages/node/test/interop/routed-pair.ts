/**
 * routed-pair.ts — two Linux namespaces with a vnet's router between them, for tests.
 *
 *     namespace a            vnet r1                  namespace b
 *     10.1.0.2/24 ── tap0 10.1.0.1 │ 10.2.0.1 tap1 ── 10.2.0.2/24      (a default route on either side)
 */
import { TapLink } from '../../src/daemon/tap-link.js';
import { openTapPort } from '../../src/tap/tap-port.js';
import { uniqueDevice, withNetns } from './netns.js';
import type { Netns } from './netns.js';
import { adoptQuietly, withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

export interface RoutedPair {
  readonly d: TestDaemon;
  readonly a: Netns;
  readonly b: Netns;
  readonly cableA: Cable;
  readonly cableB: Cable;
}

export interface RouterOptions {
  /** MTU of the link to namespace b, both ends. */
  readonly mtuB?: number;
  /** False: the taps carry no virtio headers, so checksums are computed and segments cut on this side of them. */
  readonly vnetHdr?: boolean;
  /** Datapath workers of the daemon. */
  readonly workers?: number;
}

/** Runs `body` with the router and both namespaces. */
export function withRouter<T>(options: RouterOptions, body: (pair: RoutedPair) => Promise<T>): Promise<T> {
  return withNetns(2, (a, b) =>
    withDaemon(async (d) => {
      await d.vnet('r1', true);
      const plug = options.vnetHdr === false ? plugBare : (vnet: string, ns: Netns, ends: Ends) => d.plug(vnet, ns, ends);
      const cableA = await plug('r1', a, { vnet: '10.1.0.1/24', linux: '10.1.0.2/24' }, d);
      const cableB = await plug('r1', b, { vnet: '10.2.0.1/24', linux: '10.2.0.2/24' }, d);
      a.ip('route', 'add', 'default', 'via', '10.1.0.1');
      b.ip('route', 'add', 'default', 'via', '10.2.0.1');
      if (options.mtuB !== undefined) {
        await d.ok('r1', 'ifconfig', cableB.ifname, 'mtu', String(options.mtuB));
        b.ip('link', 'set', 'dev', cableB.device, 'mtu', String(options.mtuB));
      }
      return body({ d, a, b, cableA, cableB });
    }, options.workers),
  );
}

interface Ends {
  readonly vnet: string;
  readonly linux: string;
}

/** Like TestDaemon.plug, with a device without virtio headers; the daemon itself always asks for them. */
async function plugBare(vnet: string, ns: Netns, ends: Ends, d: TestDaemon): Promise<Cable> {
  const ifname = (await d.ok(vnet, 'ifconfig', 'tap', 'create')).trim();
  const { kernel, loop } = d.daemon;
  const ifp = kernel.prisons.find(kernel.prisons.prison0, vnet)!.vnet.net.ifunit(ifname)!;
  const port = openTapPort({ name: uniqueDevice(), vnetHdr: false });
  const link = new TapLink(kernel, loop, ifp, port, () => undefined);
  const error = link.open();
  if (error !== 0) throw new Error(`tap attach: error ${error}`);
  await d.ok(vnet, 'ifconfig', ifname, 'inet', ends.vnet, 'up');
  adoptQuietly(ns, port.name, ends.linux);
  return { ifname, device: port.name };
}
