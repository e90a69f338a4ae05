/**
 * pipe.test.ts — ng_pipe: its commands, and rate, delay, loss and queues to the microsecond.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL } from '../../base/errno.js';
import { NgBench } from '../../sim/ng-bench.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { craftUdp } from '../../sim/craft.js';
import { TH_ACK } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
const FRAME = new Uint8Array(1_000);

/** A socket's hooks `u` and `l` on both sides of a pipe that has `config`. */
function pipe(config = '', seed = 1): NgBench {
  const bench = new NgBench(seed);
  bench.socket.setDataSpace(4_000_000);
  expect(bench.mkpeer('.', 'pipe', 'u', 'upper')).toBe(0);
  expect(bench.name('u', 'pipe')).toBe(0);
  expect(bench.connect('.', 'pipe:', 'l', 'lower')).toBe(0);
  if (config !== '') bench.ascii('pipe:', `setcfg { ${config} }`);
  return bench;
}

function send(bench: NgBench, n: number, bytes: Uint8Array = FRAME, hook = 'u'): void {
  for (let i = 0; i < n; i++) expect(bench.send(hook, bytes)).toBe(0);
}

function isEmpty(bench: NgBench): void {
  expect(bench.shutdown('pipe:')).toBe(0);
  bench.settle();
  expect([bench.base.byName('pipe'), bench.base.packetsHeld, bench.kernel.engine.pool.inUse]).toEqual([null, 0, 0]);
}

describe('commands', () => {
  test('tells its defaults, and passes everything until it is told otherwise', () => {
    const bench = pipe();
    expect(bench.ascii('pipe:', 'getcfg')).toBe('{ downstream={ queuelen=50 fifo=1 droptail=1 } upstream={ queuelen=50 fifo=1 droptail=1 } }');
    expect(bench.ascii('pipe:', 'getrun')).toBe('{}');
    send(bench, 1);
    send(bench, 2, FRAME, 'l');
    expect(bench.counts('u', 'l')).toEqual([2, 1]);
    expect(bench.ascii('pipe:', 'getclrstats')).toBe('{ downstream={ FwdOctets=1000 FwdFrames=1 } upstream={ FwdOctets=2000 FwdFrames=2 } }');
    expect(bench.ascii('pipe:', 'getstats')).toBe('{}');
    expect([bench.connect('.', 'pipe:', 'x', 'middle'), bench.asciiError('pipe:', 'nothing')]).toEqual([EINVAL, 78]);
    isEmpty(bench);
  });

  test('takes what is in range, leaves the rest, and -1 takes away', () => {
    const bench = pipe('bandwidth=20000000 delay=1000 header_offset=14 downstream={ BER=100000 queuelen=5 duplicate=50 drr=1 drophead=1 } upstream={ wfq=1 delaylen=9 }');
    const shown = '{ bandwidth=20000000 delay=1000 header_offset=14 overhead=24 '
      + 'downstream={ BER=100000 queuelen=5 duplicate=50 drr=2048 drophead=1 } upstream={ queuelen=50 delaylen=9 wfq=1 droptail=1 } }';
    expect(bench.ascii('pipe:', 'getcfg')).toBe(shown);
    bench.ascii('pipe:', 'setcfg { bandwidth=99 delay=10000000 header_offset=64 overhead=256 downstream={ BER=1000000000001 queuelen=4 duplicate=51 bandwidth=2000000000 } }');
    bench.ascii('pipe:', 'setcfg {}');
    expect(bench.ascii('pipe:', 'getcfg')).toBe(shown);
    bench.ascii('pipe:', 'setcfg { upstream={ bandwidth=100 } downstream={ drr=64 } }');
    expect(bench.ascii('pipe:', 'getcfg')).toContain('overhead=24 downstream={ bandwidth=20000000 BER=100000 queuelen=5 duplicate=50 drr=64 drophead=1 } upstream={ bandwidth=100 ');
    bench.ascii('pipe:', 'setcfg { bandwidth=-1 delay=-1 header_offset=-1 downstream={ BER=-1 duplicate=-1 bandwidth=-1 } upstream={ delaylen=-1 bandwidth=-1 droptail=1 } }');
    expect(bench.ascii('pipe:', 'getcfg')).toBe('{ downstream={ queuelen=5 fifo=1 drophead=1 } upstream={ queuelen=50 fifo=1 droptail=1 } }');
    isEmpty(bench);
  });

  test('refuses a structure of another length', () => {
    const bench = pipe();
    const args = new Uint8Array(119);
    expect(bench.inside(() => bench.socket.sendMsg('pipe:', { typecookie: 200_708_191, cmd: 6 }, args))).toBe(EINVAL);
    expect(bench.inside(() => bench.socket.sendMsg('pipe:', { typecookie: 200_708_191, cmd: 7 }))).toBe(EINVAL);
    expect(bench.inside(() => bench.socket.sendMsg('pipe:', { typecookie: 1, cmd: 1 }))).toBe(EINVAL);
    isEmpty(bench);
  });

  test('tells both sides when every bit is wrong, and when it is not any more', () => {
    const bench = pipe();
    const told = (): unknown[] => {
      const all = [];
      for (let msg = bench.socket.recvMsg(); msg !== null; msg = bench.socket.recvMsg()) all.push([msg.msg.typecookie, msg.msg.cmd]);
      return all;
    };
    bench.inside(() => bench.socket.sendAscii('pipe:', 'setcfg { upstream={ BER=1 } }'));
    bench.settle();
    expect(told()).toEqual([[851_672_669, 33], [851_672_669, 33]]);
    bench.inside(() => bench.socket.sendAscii('pipe:', 'setcfg { upstream={ BER=-1 } }'));
    bench.settle();
    expect(told()).toEqual([[851_672_669, 32], [851_672_669, 32]]);
  });
});

describe('a link', () => {
  test('has its bandwidth, overhead included', () => {
    // 1010 bytes at 1 Mbit/s take 8080 us.
    const bench = pipe('bandwidth=1000000 downstream={ queuelen=100 }');
    send(bench, 100);
    expect(bench.ascii('pipe:', 'getrun')).toBe('{ downstream={ queues=1 queuedOctets=99000 queuedFrames=99 delayedOctets=1000 delayedFrames=1 } }');
    bench.advance(8_079);
    expect(bench.counts('l')).toEqual([0]);
    bench.advance(1);
    expect(bench.counts('l')).toEqual([1]);
    bench.advance(98 * 8_080);
    expect(bench.counts('l')).toEqual([98]);
    bench.advance(8_079);
    expect(bench.counts('l')).toEqual([0]);
    bench.advance(1);
    expect(bench.counts('l')).toEqual([1]);
    expect(bench.ascii('pipe:', 'getstats')).toBe('{ downstream={ FwdOctets=100000 FwdFrames=100 } }');
    expect(bench.kernel.nextDeadline()).toBe(Infinity);
    isEmpty(bench);
  });

  test('has it in the long run too, where a packet does not take whole microseconds', () => {
    // 1024 bytes at 1 Gbit/s take 8.192 us: 1000 of them 8192.
    const bench = pipe('bandwidth=1000000000 upstream={ queuelen=2000 }');
    send(bench, 1_000, FRAME, 'l');
    bench.advance(8_191);
    expect(bench.ascii('pipe:', 'getstats')).toBe('{ upstream={ FwdOctets=999000 FwdFrames=999 } }');
    bench.advance(1);
    expect(bench.ascii('pipe:', 'getstats')).toBe('{ upstream={ FwdOctets=1000000 FwdFrames=1000 } }');
    bench.counts();
    isEmpty(bench);
  });

  test('has a delay, in both directions, that keeps the order', () => {
    const bench = pipe('delay=50000');
    send(bench, 1, new Uint8Array(100).fill(1));
    bench.advance(10_000);
    send(bench, 1, new Uint8Array(100).fill(2));
    send(bench, 3, FRAME, 'l');
    bench.advance(39_999);
    expect(bench.counts('u', 'l')).toEqual([0, 0]);
    bench.advance(1);
    expect(bench.frames('l').map((f) => f[0])).toEqual([1]);
    bench.advance(9_999);
    expect(bench.counts('u', 'l')).toEqual([0, 0]);
    bench.advance(1);
    expect(bench.frames('l').map((f) => f[0])).toEqual([2]);
    expect(bench.counts('u')).toEqual([3]);
    isEmpty(bench);
  });

  test('loses frames as often as a bit of them is wrong', () => {
    // A frame of 1000 bytes has 8000 bits: with one in 20000 wrong 67.03 % arrive. Of 20000 that is 13406 +- 66.
    const bench = pipe('downstream={ BER=20000 }', 3);
    let got = 0;
    for (let i = 0; i < 200; i++) {
      send(bench, 100);
      got += bench.counts('l')[0]!;
    }
    expect(Math.abs(got - 13_406)).toBeLessThan(3 * 66);
    const lost = 20_000 - got;
    expect(bench.ascii('pipe:', 'getstats')).toBe(
      `{ downstream={ FwdOctets=${got * 1_000} FwdFrames=${got} delayDropOctets=${lost * 1_000} delayDropFrames=${lost} } }`,
    );
    isEmpty(bench);
  });

  test('repeats frames as often as it is told', () => {
    // Each frame is sent again with 20 %, again and again: 1 / (1 - 0.2) times. Of 10000 that makes 12500 +- 56.
    const bench = pipe('downstream={ duplicate=20 }', 5);
    let got = 0;
    for (let i = 0; i < 200; i++) {
      send(bench, 50);
      got += bench.counts('l')[0]!;
    }
    expect(Math.abs(got - 12_500)).toBeLessThan(3 * 56);
    isEmpty(bench);
  });
});

describe('queues', () => {
  const numbered = (n: number): Uint8Array => new Uint8Array(990).fill(n);

  test.each([['droptail', [0, 1, 2, 3, 4, 5]], ['drophead', [0, 5, 6, 7, 8, 9]]])('a full one drops: %s', (policy, kept) => {
    const bench = pipe(`bandwidth=1000000 downstream={ queuelen=5 ${policy}=1 }`);
    for (let i = 0; i < 10; i++) send(bench, 1, numbered(i));
    bench.advance(100_000);
    expect(bench.frames('l').map((f) => f[0])).toEqual(kept);
    expect(bench.ascii('pipe:', 'getstats')).toBe('{ downstream={ FwdOctets=5940 FwdFrames=6 queueDropOctets=3960 queueDropFrames=4 } }');
    isEmpty(bench);
  });

  test('of the delay has a limit of its own', () => {
    const bench = pipe('delay=1000 downstream={ delaylen=5 }');
    send(bench, 8);
    bench.advance(1_000);
    expect(bench.counts('l')).toEqual([5]);
    expect(bench.ascii('pipe:', 'getstats')).toBe('{ downstream={ FwdOctets=5000 FwdFrames=5 delayDropOctets=3000 delayDropFrames=3 } }');
    isEmpty(bench);
  });

  test('never hold more than net.graph.pipe.maxframes', () => {
    const bench = pipe('delay=1000 downstream={ queuelen=100000 }');
    expect(bench.kernel.vnet0.kern.sysctl.set('net.graph.pipe.maxframes', 10)).toBe(0);
    send(bench, 12);
    bench.advance(1_000);
    expect(bench.ascii('pipe:', 'getclrstats')).toBe('{ downstream={ FwdOctets=10000 FwdFrames=10 queueDropOctets=2000 queueDropFrames=2 } }');
    bench.counts();
    isEmpty(bench);
  });

  const flow = (src: string, bytes: number): Uint8Array => craftUdp(LINK, { src, dst: '10.0.0.9' }, 1, 2, new Uint8Array(bytes - 42));
  const sources = (frames: Uint8Array[]): number[] => frames.map((f) => f[29]!);

  test('DRR gives each flow as many bytes, and drops from the longest', () => {
    const bench = pipe('bandwidth=8000000 header_offset=14 overhead=-1 downstream={ drr=1000 queuelen=12 }');
    send(bench, 1, flow('10.0.0.1', 1_000));
    for (let i = 0; i < 12; i++) send(bench, 1, flow('10.0.0.1', 1_000));
    for (let i = 0; i < 4; i++) send(bench, 1, flow('10.0.0.2', 500));
    expect(bench.ascii('pipe:', 'getrun')).toBe('{ downstream={ queues=2 queuedOctets=10000 queuedFrames=12 delayedOctets=1000 delayedFrames=1 } }');
    bench.advance(1_000_000);
    // One turn is 1000 bytes: one frame of the first flow, two of the second.
    const order = sources(bench.frames('l'));
    expect(order.slice(0, 7)).toEqual([1, 1, 2, 2, 1, 2, 2]);
    expect(order.slice(7)).toEqual(Array.from({ length: 6 }, () => 1));
    expect(bench.ascii('pipe:', 'getstats')).toContain('queueDropOctets=4000 queueDropFrames=4');
    isEmpty(bench);
  });

  test('WFQ lets the flow with short frames through first', () => {
    const bench = pipe('bandwidth=8000000 header_offset=14 overhead=-1 downstream={ wfq=1 }');
    for (let i = 0; i < 4; i++) send(bench, 1, flow('10.0.0.1', 1_400));
    for (let i = 0; i < 3; i++) send(bench, 1, flow('10.0.0.2', 100));
    bench.advance(1_000_000);
    expect(sources(bench.frames('l'))).toEqual([1, 2, 1, 2, 2, 1, 1]);
    isEmpty(bench);
  });

  test('a flow is found behind a tag that is out of band', () => {
    const bench = pipe('bandwidth=1000000 header_offset=18 downstream={ drr=1 }');
    bench.inside(() => {
      for (const src of ['10.0.0.1', '10.0.0.2', '10.0.0.1']) {
        const m = bench.kernel.engine.pool.from(flow(src, 200))!;
        m.flags |= 4;
        m.vtag = 7;
        m.vproto = 0x8100;
        bench.socket.sendData('u', m);
      }
    });
    expect(bench.ascii('pipe:', 'getrun')).toBe('{ downstream={ queues=2 queuedOctets=408 queuedFrames=2 delayedOctets=204 delayedFrames=1 } }');
    isEmpty(bench);
  });
});

test('cuts a super-segment before it waits', () => {
  const bench = pipe('bandwidth=8000000 overhead=-1');
  bench.inside(() => {
    const m = craftSuperTcp(bench.kernel.engine.pool, LINK, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(10_000), 946);
    return bench.socket.sendData('u', m);
  });
  // Ten frames of 1000 bytes, 1 ms each, and one of 594 (540 bytes of payload).
  bench.advance(10_000);
  expect(bench.frames('l').map((f) => f.length)).toEqual(Array.from({ length: 10 }, () => 1_000));
  bench.advance(594);
  expect(bench.frames('l').map((f) => f.length)).toEqual([594]);
  isEmpty(bench);
});

test('leaves nothing behind when it ends with packets in its queues, or its vnet does', () => {
  const bench = pipe('bandwidth=100 delay=1000 upstream={ wfq=1 }');
  send(bench, 20);
  send(bench, 20, FRAME, 'l');
  expect(bench.base.packetsHeld).toBe(40);
  bench.rmhook('.', 'u');
  expect(bench.base.packetsHeld).toBe(20);
  isEmpty(bench);
  expect(bench.kernel.nextDeadline()).toBe(Infinity);

  const other = pipe('bandwidth=100');
  send(other, 20);
  other.inside(() => other.kernel.vnet0.netgraph.destroy());
  expect([other.base.packetsHeld, other.kernel.engine.pool.inUse]).toEqual([0, 0]);
});
