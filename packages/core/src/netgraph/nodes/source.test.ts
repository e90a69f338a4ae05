/**
 * source.test.ts — ng_source: what it sends, how fast, and what it writes into it.
 */
import { describe, expect, test } from 'vitest';
import { EBUSY, EINVAL, ENOBUFS, ENXIO } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import { ifCloneCreate } from '../../net/if-clone.js';
import { ifUp } from '../../net/if.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import type { NgProbe } from '../../sim/ng-probe.js';
import { TH_ACK } from '../../wire/tcp.js';

const MS = 1_000;
const SECOND = 1_000_000;

function source(...frames: readonly Uint8Array[]): { readonly bench: NgBench; readonly probe: NgProbe } {
  const bench = new NgBench();
  bench.mkpeer('.', 'source', 'x', 'input');
  bench.name('x', 's');
  bench.rmhook('.', 'y');
  const probe = bench.probe(['out', 's', 'output']);
  bench.rmhook('.', 'x');
  probe.join('in', 's', 'input');
  for (const frame of frames) probe.send('in', frame);
  return { bench, probe };
}

/** The last byte of the source address of each frame. */
const order = (probe: NgProbe): number[] => probe.take().map(({ bytes }) => bytes[11]!);

test('sends its queue over and over, as fast as is allowed, and as many as are wanted', () => {
  const { bench, probe } = source(testFrame(9, 1), testFrame(9, 2), testFrame(9, 3));
  expect(bench.asciiError('s:', 'start 5')).toBe(ENXIO);
  bench.ascii('s:', 'setpps 2000');
  bench.ascii('s:', 'start 5');
  expect(bench.asciiError('s:', 'start 5')).toBe(EBUSY);
  bench.settle();
  expect(order(probe)).toEqual([]);
  bench.advance(MS);
  expect(order(probe)).toEqual([1, 2]);
  bench.advance(MS);
  expect(order(probe)).toEqual([3, 1]);
  bench.advance(SECOND);
  expect(order(probe)).toEqual([2]);
  expect(bench.kernel.vnet0.kern.calloutsArmed).toBe(0);
  expect(bench.ascii('s:', 'getstats')).toMatch(/^\{ outOctets=300 outFrames=5 queueOctets=180 queueFrames=3 maxPps=2000 /);
});

test('keeps rates below and above one packet in a tick', () => {
  const { bench, probe } = source(...Array.from({ length: 20 }, () => testFrame(9, 1)));
  for (const [pps, most] of [[7, 7], [1_500, 1_500], [100_000, 20_000]] as const) {
    bench.ascii('s:', 'stop');
    bench.ascii('s:', `setpps ${pps}`);
    bench.ascii('s:', 'start 1000000');
    bench.advance(SECOND);
    // From an empty tick to a full one.
    expect(Math.abs(probe.take().length - most)).toBeLessThanOrEqual(20);
  }
  bench.ascii('s:', 'stop');
  bench.advance(SECOND);
  expect(probe.take()).toEqual([]);
});

test('an error ends the tick, and what was refused is sent again', () => {
  const { bench, probe } = source(testFrame(9, 1), testFrame(9, 2));
  bench.ascii('s:', 'setpps 2000');
  probe.error = ENOBUFS;
  bench.ascii('s:', 'start 3');
  bench.advance(3 * MS);
  expect(order(probe)).toEqual([1, 2, 1]);
  probe.error = 0;
  bench.advance(10 * MS);
  expect(order(probe)).toEqual([2, 1, 2]);
  expect(bench.ascii('s:', 'getstats')).toContain('outFrames=6 ');
});

test('asks what is behind output, and then sends as much as an interface takes in a tick', () => {
  const bench = new NgBench();
  const ifp = bench.inside(() => ifCloneCreate(bench.kernel.vnet0.net, 'edsc').ifp!);
  bench.inside(() => ifUp(ifp));
  bench.ascii(`${ifp.xname}:`, 'setautosrc 1');
  bench.mkpeer(`${ifp.xname}:`, 'source', 'lower', 'output');
  bench.name(`${ifp.xname}:lower`, 's');
  bench.settle();
  expect(bench.ascii(`${ifp.xname}:`, 'getautosrc')).toBe('0');
  bench.connect('.', 's:', 'in', 'input');
  bench.send('in', testFrame(9, 1));
  bench.ascii('s:', 'start 5000');
  bench.settle();
  expect(ifp.data.opackets).toBe(4_096);
  bench.advance(MS);
  expect(ifp.data.opackets).toBe(5_000);
  bench.shutdown('s:');
  expect(bench.kernel.engine.pool.inUse).toBe(0);
});

test('setiface says which interface it is', () => {
  const { bench, probe } = source(testFrame(9, 1));
  bench.ascii('s:', 'setiface "nobody0"');
  expect(bench.asciiError('s:', 'start 1')).toBe(ENXIO);
  bench.ascii('s:', 'setiface "lo0"');
  bench.ascii('s:', 'start 7');
  bench.settle();
  expect(probe.take()).toHaveLength(7);
});

test('keeps packets as on a wire', () => {
  const { bench, probe } = source();
  probe.send('in', testFrame(9, 1), (m) => Object.assign(m, { flags: M_VLANTAG, vproto: 0x8100, vtag: 5 }));
  const link = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
  probe.sendPacket('in', craftSuperTcp(bench.kernel.engine.pool, link, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(2_500), 1_000));
  bench.ascii('s:', 'setiface "lo0"');
  bench.ascii('s:', 'start 4');
  bench.settle();
  expect(probe.take().map(({ bytes, flags, csumFlags, gsoSize }) => [bytes.length, flags, csumFlags, gsoSize])).toEqual([[64, 0, 0, 0], [1_054, 0, 0, 0], [1_054, 0, 0, 0], [554, 0, 0, 0]]);
});

test('keeps no more than there is room for, and forgets it when told', () => {
  const { bench, probe } = source();
  const sent = Array.from({ length: 2_049 }, () => probe.send('in', testFrame(9, 1)));
  expect(sent.filter((e) => e === 0)).toHaveLength(2_048);
  expect(sent.at(-1)).toBe(ENOBUFS);
  expect(bench.base.packetsHeld).toBe(2_048);
  bench.ascii('s:', 'clrdata');
  expect(bench.base.packetsHeld).toBe(0);
  expect(bench.kernel.engine.pool.inUse).toBe(0);
  probe.send('out', testFrame(9, 1));
  expect(bench.base.packetsHeld).toBe(0);
});

describe('counters', () => {
  const values = (probe: NgProbe, at: number, width: number): number[] => probe.take().map(({ bytes }) => Number.parseInt(Buffer.from(bytes.subarray(at, at + width)).toString('hex'), 16));
  const run = (counter: string, packets: number, queue = 1) => {
    const { bench, probe } = source(...Array.from({ length: queue }, () => testFrame(9, 1)));
    bench.ascii('s:', `setcounter { ${counter} }`);
    bench.ascii('s:', 'setiface "lo0"');
    bench.ascii('s:', `start ${packets}`);
    bench.settle();
    return { bench, probe };
  };

  test.each([
    ['offset=20 flags=1 width=1 next_val=254 max_val=255 increment=1', 1, [254, 255, 0, 1, 2]],
    ['offset=20 flags=1 width=2 next_val=5 min_val=3 max_val=6 increment=1', 2, [5, 6, 3, 4, 5]],
    ['offset=20 flags=1 width=4 next_val=5 min_val=3 max_val=6 increment=-1', 4, [5, 4, 3, 6, 5]],
    ['offset=20 flags=1 width=4 next_val=10 min_val=0 max_val=20 increment=9', 4, [10, 19, 7, 16, 4]],
    ['offset=20 flags=0 width=4 next_val=10 max_val=20 increment=9', 4, [0, 0, 0, 0, 0]],
    ['offset=57 flags=1 width=4 next_val=10 max_val=20 increment=9', 4, [0, 0, 0, 0, 0]],
  ])('%s', (counter, width, wanted) => {
    expect(values(run(counter, 5).probe, 20, width)).toEqual(wanted);
  });

  test('may count once for the whole queue', () => {
    expect(values(run('offset=20 flags=3 width=2 next_val=1 max_val=9 increment=1', 7, 3).probe, 20, 2)).toEqual([1, 1, 1, 2, 2, 2, 3]);
  });

  test('are shown as they stand', () => {
    const { bench } = run('offset=20 flags=1 width=2 next_val=5 min_val=3 max_val=6 increment=-1 index=2', 2);
    expect(bench.ascii('s:', 'getcounter 2')).toBe('{ offset=0x14 flags=0x1 width=2 next_val=3 min_val=3 max_val=6 increment=-1 index=2 }');
    expect(bench.ascii('s:', 'getcounter 1')).toBe('{ index=1 }');
    expect(bench.asciiError('s:', 'getcounter 4')).toBe(EINVAL);
    expect(bench.asciiError('s:', 'setcounter { width=3 }')).toBe(EINVAL);
    expect(bench.asciiError('s:', 'setcounter { width=4 index=4 }')).toBe(EINVAL);
  });
});

test('writes the time', () => {
  const { bench, probe } = source(testFrame(9, 1));
  bench.advance(3 * SECOND + 7);
  bench.ascii('s:', 'settimestamp { offset=20 flags=1 }');
  expect(bench.ascii('s:', 'gettimestamp')).toBe('{ offset=0x14 flags=0x1 }');
  bench.ascii('s:', 'setiface "lo0"');
  bench.ascii('s:', 'start 1');
  bench.settle();
  expect([...probe.take()[0]!.bytes.subarray(20, 36)]).toEqual([0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
  bench.ascii('s:', 'settimestamp { offset=45 flags=1 }');
  bench.ascii('s:', 'start 1');
  bench.settle();
  expect(probe.take()[0]!.bytes).toEqual(testFrame(9, 1));
});

test('its statistics', () => {
  const { bench } = source(testFrame(9, 1));
  bench.advance(SECOND);
  bench.ascii('s:', 'setpps 1000');
  bench.ascii('s:', 'start 3');
  bench.advance(2 * MS);
  expect(bench.ascii('s:', 'getstats')).toBe(
    '{ outOctets=120 outFrames=2 queueOctets=60 queueFrames=1 maxPps=1000 startTime={ tv_sec=1 } elapsedTime={ tv_usec=2000 } lastTime={ tv_sec=1 tv_usec=2000 } }',
  );
  bench.advance(SECOND);
  expect(bench.ascii('s:', 'getclrstats')).toBe(
    '{ outOctets=180 outFrames=3 queueOctets=60 queueFrames=1 maxPps=1000 startTime={ tv_sec=1 } endTime={ tv_sec=1 tv_usec=3000 } elapsedTime={ tv_usec=3000 } '
    + 'lastTime={ tv_sec=1 tv_usec=3000 } }',
  );
  expect(bench.ascii('s:', 'getstats')).toBe('{ queueOctets=60 queueFrames=1 }');
  expect(bench.asciiError('s:', 'start 1')).toBe(ENXIO);
});

test('goes with output, and leaves nothing behind', () => {
  const { bench, probe } = source(testFrame(9, 1));
  bench.ascii('s:', 'setpps 1000');
  bench.ascii('s:', 'start 100');
  bench.inside(() => bench.base.rmhook(probe.node.findHook('out')!));
  expect(bench.base.byName('s')).toBeNull();
  expect(bench.kernel.engine.pool.inUse).toBe(0);
  expect(bench.kernel.vnet0.kern.calloutsArmed).toBe(0);
});
