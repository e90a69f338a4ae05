/**
 * cycles.test.ts — make a stack, an epair, addresses, ping, destroy, again and again: the audit and the heap end where they began.
 *
 * 2,000 cycles here; `NETLOOM_CYCLES=100000 npx vitest run packages/core/test/cycles.test.ts` is the long proof. The heap is looked at after a collection,
 * once when everything is warm and once at the end.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ifCloneDestroy } from '../src/net/if-clone.js';
import { ip4 } from '../src/sim/craft.js';
import { SimNet } from '../src/sim/sim-net.js';
import { ICMP_ECHO, icmp4Emit } from '../src/wire/icmp4.js';
import { IPPROTO_ICMP } from '../src/wire/ipproto.js';

const CYCLES = Number(process.env['NETLOOM_CYCLES'] ?? 2_000);
/** Cycles until the compiler has settled and pools, tables and code have their size. */
const WARM = 2_500;
/** What a collection may leave over, whatever the number of cycles: half of what losing one vnet a cycle would cost. */
const HEAP_SLACK_BYTES = 32 << 20;
const SEED = 20;

function gc(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** expect() keeps something of every call; a loop that watches the heap cannot. */
function must(ok: boolean, what: string): void {
  if (!ok) throw new Error(`${what} (seed ${SEED})`);
}

function cycle(net: SimNet): void {
  const { kernel } = net;
  const guest = net.vnet('guest');
  const [near, far] = net.epair(kernel.vnet0, guest);
  net.addr(kernel.vnet0, near, '10.0.0.1/24');
  net.addr(guest, far, '10.0.0.2/24');
  const so = net.raw(guest, IPPROTO_ICMP);
  const echo = new Uint8Array(64);
  icmp4Emit(new DataView(echo.buffer), 0, echo.length, ICMP_ECHO, 0, 0x10001);
  must(so.send(echo, ip4('10.0.0.1')) === 0, 'send');
  net.run(10_000); // also keeps below the 200 answers a second of net.inet.icmp.icmplim
  must(so.rcv.count === 1, 'no answer');
  const prison = kernel.prisons.find(kernel.prisons.prison0, 'guest');
  must(prison !== null && kernel.jailRemove(prison) === 0, 'jailRemove');
  must(kernel.call(kernel.now, () => ifCloneDestroy(kernel.vnet0.net, near.xname)) === 0, 'destroy');
}

it(`${CYCLES} cycles leave nothing`, () => {
  const net = new SimNet(SEED);
  const before = net.kernel.audit();
  for (let i = 0; i < WARM; i++) cycle(net);
  gc();
  const warm = process.memoryUsage();
  for (let i = 0; i < CYCLES; i++) cycle(net);
  gc();
  const after = process.memoryUsage();
  net.run(60_000_000);
  expect(net.kernel.audit()).toEqual(before);
  expect(before.leaksFound).toBe(0);
  const grown = after.heapUsed + after.arrayBuffers - warm.heapUsed - warm.arrayBuffers;
  if (process.env['NETLOOM_CYCLES'] !== undefined) console.log(`heap ${warm.heapUsed} -> ${after.heapUsed} bytes, array buffers ${warm.arrayBuffers} -> ${after.arrayBuffers}`);
  expect(grown).toBeLessThan(HEAP_SLACK_BYTES);
}, 900_000);
