/**
 * tcp-close.test.ts — connections that end otherwise than by an exchange of FINs: with their vnet, before they were made, after they were.
 */
import { expect, it } from 'vitest';
import { ECONNREFUSED } from '../base/errno.js';
import { SimNet } from '../sim/sim-net.js';
import type { SimLinkEnd } from '../sim/sim-link.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { tcpDrop } from './tcp-close.js';
import { TCPS_FIN_WAIT_1 } from './tcp-state.js';

const PORT = 7;

interface Two {
  readonly net: SimNet;
  readonly a: Vnet;
  readonly b: Vnet;
  readonly ends: readonly [SimLinkEnd, SimLinkEnd];
}

function two(): Two {
  const net = new SimNet(1);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const ends = net.link(a, b, { delayUs: 1_000 });
  net.addr(a, ends[0].ifp, '192.0.2.1/24');
  net.addr(b, ends[1].ifp, '192.0.2.2/24');
  return { net, a, b, ends };
}

/** A connection that has measured its path often enough to leave what it knows. */
function measured({ net, a, b }: Two): StreamSocket {
  net.listen(b, PORT);
  const so = net.connect(a, '192.0.2.2', PORT);
  for (let i = 0; i < 100; i++) {
    net.kernel.call(net.now, () => so.send(new Uint8Array(100)));
    net.run(20_000);
  }
  return so;
}

it('a vnet ends with a connection that no program has any more, and keeps nothing of what that knew', () => {
  const y = two();
  const { net, a, ends } = y;
  const so = measured(y);
  // Its FIN is lost: the connection stays when the program has gone.
  ends[0].transmit = (_ifp, m) => (m.free(), 0);
  net.kernel.call(net.now, () => so.close());
  expect([so.info().state, a.tcp.hostcache.count]).toEqual([TCPS_FIN_WAIT_1, 0]);
  net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'a')!);
  net.run(1_000_000);
  expect(net.kernel.audit().leaks).toEqual([]);
});

it('a refused connection is counted as embryonic, one that was made as dropped', () => {
  const y = two();
  const { net, a } = y;
  const refused = net.connect(a, '192.0.2.2', PORT + 1);
  net.run(100_000);
  expect(refused.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
  const counts = (): unknown => [a.tcp.stats.conndrops, a.tcp.stats.drops];
  expect(counts()).toEqual([1, 0]);
  const so = measured(y);
  net.kernel.call(net.now, () => tcpDrop(so.tp, 0));
  expect(counts()).toEqual([1, 1]);
});
