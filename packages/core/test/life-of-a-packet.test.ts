/**
 * life-of-a-packet.test.ts — the list in ARCHITECTURE.md is the truth: an ICMP echo is answered through exactly those files, in that order.
 *
 * The driver's `transmit` looks at its own call stack when the reply comes out: from the door the request came in by to the driver, every function of the
 * packet path is still on it, because the reply is made by plain calls.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { craftArp, craftEcho } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { Wire } from '../src/sim/wire-script.js';

const LINK = { src: '02:00:00:00:00:02', dst: '02:00:00:00:00:01' };

/** Files of the stack below core/src, innermost last; calls within one file are one step. */
function filesOf(stack: string): string[] {
  const paths = [...stack.matchAll(/core\/src\/([a-z0-9/-]+\.ts)/g)].map((m) => m[1] ?? '').reverse();
  return paths.filter((p, i) => p !== paths[i - 1]);
}

function documented(): string[] {
  const text = readFileSync(new URL('../../../ARCHITECTURE.md', import.meta.url), 'utf8');
  const list = /<!-- life-of-a-packet: icmp-echo -->([\s\S]*?)<!-- end -->/.exec(text)?.[1] ?? '';
  return [...list.matchAll(/^.*?`([a-z0-9/-]+\.ts)`/gm)].map((m) => m[1] ?? '');
}

it('goes through the files that ARCHITECTURE.md names', () => {
  const net = new SimNet(1);
  const vnet = net.vnet('host');
  const wire = new Wire(net, vnet, { mac: LINK.dst });
  net.addr(vnet, wire.ifp, '192.0.2.1/24');
  wire.in(craftArp(LINK, 1, LINK.src, '192.0.2.2', '00:00:00:00:00:00', '192.0.2.1')).take();
  let stack = '';
  wire.transmit = (_ifp, m) => {
    Error.stackTraceLimit = 100;
    stack = new Error('here').stack ?? '';
    m.free();
    return 0;
  };
  wire.in(craftEcho(LINK, { src: '192.0.2.2', dst: '192.0.2.1' }, 1, 1));
  expect(filesOf(stack).filter((f) => !f.startsWith('sim/') && !f.startsWith('vnet/'))).toEqual(documented());
});
