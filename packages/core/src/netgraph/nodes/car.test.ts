/**
 * car.test.ts — ng_car: its commands, the colours of RFC 2697 and 2698, RED, and the queue of SHAPE.
 */
import { describe, expect, test } from 'vitest';
import { EINVAL, ENETDOWN } from '../../base/errno.js';
import { NgBench } from '../../sim/ng-bench.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { TH_ACK } from '../../wire/tcp.js';

const OTHER = 'upstream={ cbs=1 cir=1 greenAction=1 }';

/** A socket's hooks `u` and `l` on both sides of a car whose downstream has `config`. */
function car(config = ''): NgBench {
  const bench = new NgBench();
  bench.socket.setDataSpace(4_000_000);
  expect(bench.mkpeer('.', 'car', 'u', 'upper')).toBe(0);
  expect(bench.name('u', 'car')).toBe(0);
  expect(bench.connect('.', 'car:', 'l', 'lower')).toBe(0);
  if (config !== '') bench.ascii('car:', `setconf { ${OTHER} downstream={ ${config} } }`);
  return bench;
}

function send(bench: NgBench, n: number, bytes = 100): void {
  for (let i = 0; i < n; i++) expect(bench.send('u', new Uint8Array(bytes))).toBe(0);
}

const stats = (bench: NgBench): string => bench.ascii('car:', 'getclrstats');

function isEmpty(bench: NgBench): void {
  bench.counts();
  expect(bench.shutdown('car:')).toBe(0);
  bench.settle();
  expect([bench.base.byName('car'), bench.base.packetsHeld, bench.kernel.engine.pool.inUse]).toEqual([null, 0, 0]);
}

describe('commands', () => {
  test('tells its defaults and takes a whole configuration', () => {
    const bench = car();
    const defaults = 'cbs=8192 ebs=8192 cir=10240 greenAction=1 yellowAction=1 redAction=2';
    expect(bench.ascii('car:', 'getconf')).toBe(`{ upstream={ ${defaults} } downstream={ ${defaults} } }`);
    expect(stats(bench)).toBe('{}');
    bench.ascii('car:', 'setconf { upstream={ cbs=8192 ebs=8192 cir=10240 greenAction=1 } downstream={ ebs=1 pir=976562 mode=1 opt=3 cir=9 cbs=77 } }');
    expect(bench.ascii('car:', 'getconf')).toBe('{ upstream={ cbs=8192 ebs=8192 cir=10240 greenAction=1 } downstream={ cbs=77 ebs=1 cir=9 pir=976562 mode=1 opt=3 } }');
    isEmpty(bench);
  });

  test.each([
    ['cir=1000000001 cbs=1'], ['pir=1000000001 cbs=1'], ['cir=1000'], ['mode=3 cbs=1'], ['opt=2 cir=1000000 cbs=1'],
  ])('refuses %s', (config) => {
    const bench = car();
    expect(bench.asciiError('car:', `setconf { ${OTHER} downstream={ ${config} } }`)).toBe(EINVAL);
    expect(bench.asciiError('car:', `setconf { ${OTHER.replace('up', 'down')} upstream={ ${config} } }`)).toBe(EINVAL);
    expect(bench.inside(() => bench.socket.sendMsg('car:', { typecookie: 1_173_648_034, cmd: 5 }, new Uint8Array(8)))).toBe(EINVAL);
    expect(bench.inside(() => bench.socket.sendMsg('car:', { typecookie: 1_173_648_034, cmd: 6 }))).toBe(EINVAL);
    expect(bench.connect('.', 'car:', 'x', 'left')).toBe(EINVAL);
    isEmpty(bench);
  });

  test('counts what it could not deliver as passed, with an error', () => {
    const bench = car();
    bench.rmhook('.', 'l');
    expect(bench.send('u', new Uint8Array(10))).toBe(ENETDOWN);
    expect(stats(bench)).toBe('{ downstream={ passed=1 green=1 errors=1 } }');
    isEmpty(bench);
  });
});

describe('single rate, three colours (RFC 2697)', () => {
  // 1000 bytes a second.
  const config = 'cir=8000 cbs=1000 ebs=500 greenAction=1 yellowAction=1 redAction=2';

  test('the committed burst is green, the excess burst yellow, the rest red', () => {
    const bench = car(config);
    send(bench, 20);
    expect(bench.counts('l')).toEqual([15]);
    expect(stats(bench)).toBe('{ downstream={ passed=15 dropped=5 green=10 yellow=5 red=5 } }');
    isEmpty(bench);
  });

  test('tokens come at the committed rate, and fill the excess bucket when the committed one is full', () => {
    const bench = car(config);
    send(bench, 20);
    stats(bench);
    bench.advance(300_000);
    send(bench, 5);
    expect(stats(bench)).toBe('{ downstream={ passed=3 dropped=2 green=3 red=2 } }');
    bench.advance(1_200_000);
    // The first finds no token and fetches them: 1000, and 200 for the excess bucket.
    send(bench, 14);
    expect(stats(bench)).toBe('{ downstream={ passed=12 dropped=2 green=10 yellow=2 red=2 } }');
    bench.advance(10_000_000);
    send(bench, 20);
    expect(stats(bench)).toBe('{ downstream={ passed=15 dropped=5 green=10 yellow=5 red=5 } }');
    isEmpty(bench);
  });

  test('a rate that gives no whole token between packets is exact nevertheless', () => {
    const bench = car('cir=7 cbs=1 greenAction=1 yellowAction=2 redAction=2');
    // A packet of one byte every 1/3 s: 3 bytes a second come, 7/8 of a byte may pass.
    for (let i = 0; i < 3 * 80; i++) {
      bench.advance(333_333);
      send(bench, 1, 1);
    }
    expect(stats(bench)).toBe('{ downstream={ passed=70 dropped=170 green=70 red=170 } }');
    isEmpty(bench);
  });

  test('counts packets when it is told to', () => {
    const bench = car('cir=10 cbs=4 ebs=2 opt=2 greenAction=1 yellowAction=1 redAction=2');
    send(bench, 4, 9_000);
    send(bench, 4, 10);
    expect(stats(bench)).toBe('{ downstream={ passed=6 dropped=2 green=4 yellow=2 red=2 } }');
    bench.advance(200_000);
    send(bench, 4, 10);
    expect(stats(bench)).toBe('{ downstream={ passed=2 dropped=2 green=2 red=2 } }');
    expect(bench.ascii('car:', 'getconf')).toContain('downstream={ cbs=4 ebs=2 cir=10 ');
    isEmpty(bench);
  });
});

test('two rates (RFC 2698, the peak beside the committed rate): each bucket fills at its own', () => {
  const bench = car('mode=1 cir=8000 cbs=1000 pir=16000 ebs=600 greenAction=1 yellowAction=1 redAction=2');
  send(bench, 20);
  expect(stats(bench)).toBe('{ downstream={ passed=16 dropped=4 green=10 yellow=6 red=4 } }');
  bench.advance(200_000);
  send(bench, 10);
  expect(stats(bench)).toBe('{ downstream={ passed=6 dropped=4 green=2 yellow=4 red=4 } }');
  isEmpty(bench);
});

test('RED drops the likelier the more is owed, and never twice in a row', () => {
  const bench = car('mode=2 cir=8000 cbs=1000 ebs=2000 greenAction=1 yellowAction=1 redAction=2');
  // 100 bytes every 50 ms are twice the rate.
  const seen: string[] = [];
  for (let i = 0; i < 200; i++) {
    send(bench, 1);
    seen.push(/green|yellow|red/.exec(stats(bench).replace('dropped', ''))![0]);
    bench.advance(50_000);
  }
  const reds = seen.flatMap((color, i) => (color === 'red' ? [i] : []));
  expect(reds.length).toBeGreaterThan(5);
  expect(reds.every((at, i) => i === 0 || at - reds[i - 1]! > 1)).toBe(true);
  isEmpty(bench);
});

describe('SHAPE', () => {
  // 1000 bytes a second, a burst of 200.
  const config = 'mode=3 cir=8000 cbs=200 greenAction=1';

  test('delays what is too fast to the rate', () => {
    const bench = car(config);
    send(bench, 7);
    expect(bench.counts('l')).toEqual([2]);
    expect(bench.base.packetsHeld).toBe(5);
    for (let i = 0; i < 5; i++) {
      bench.advance(99_999);
      expect(bench.counts('l')).toEqual([0]);
      bench.advance(1);
      expect(bench.counts('l')).toEqual([1]);
    }
    expect(stats(bench)).toBe('{ downstream={ passed=7 green=2 yellow=5 } }');
    expect(bench.kernel.nextDeadline()).toBe(Infinity);
    isEmpty(bench);
  });

  test('drops before its queue is full, and holds 99 at most', () => {
    const bench = car(config);
    send(bench, 202);
    expect(bench.counts('l')).toEqual([2]);
    expect(bench.base.packetsHeld).toBeLessThan(100);
    expect(stats(bench)).toMatch(/^\{ downstream=\{ passed=2 dropped=(\d+) green=2 yellow=\d+ red=\1 \} \}$/);
    isEmpty(bench);
  });

  test('empties its queue when the rate is taken away', () => {
    const bench = car(config);
    send(bench, 6);
    bench.ascii('car:', `setconf { ${OTHER} downstream={ cbs=1 greenAction=1 } }`);
    bench.advance(1_000_000);
    expect(bench.counts('l')).toEqual([6]);
    isEmpty(bench);
  });
});

test('marks, and begins with the mark when it is aware of colours', () => {
  const bench = car('cir=8000 cbs=200 ebs=200 greenAction=1 yellowAction=3 redAction=3');
  bench.rmhook('.', 'l');
  expect(bench.mkpeer('car:', 'car', 'lower', 'upper')).toBe(0);
  expect(bench.connect('.', 'car:lower', 'l', 'lower')).toBe(0);
  bench.ascii('car:lower', `setconf { ${OTHER} downstream={ cir=8000 cbs=10000 ebs=10000 opt=1 greenAction=1 yellowAction=1 redAction=2 } }`);
  send(bench, 6);
  expect(bench.ascii('car:lower', 'getstats')).toBe('{ downstream={ passed=4 dropped=2 green=2 yellow=2 red=2 } }');
  expect(stats(bench)).toBe('{ downstream={ passed=6 green=2 yellow=2 red=2 } }');
  isEmpty(bench);
});

test('each packet of a super-segment has a colour of its own', () => {
  const bench = car('cir=8000 cbs=2000 ebs=1000 greenAction=1 yellowAction=1 redAction=2');
  bench.inside(() => {
    const m = craftSuperTcp(
      bench.kernel.engine.pool, { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' }, { src: '10.0.0.1', dst: '10.0.0.2' },
      { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(4_600), 946,
    );
    return bench.socket.sendData('u', m);
  });
  expect(stats(bench)).toBe('{ downstream={ passed=3 dropped=2 green=2 yellow=1 red=2 } }');
  isEmpty(bench);
});

test('leaves nothing behind when it ends with packets in its queue, or its vnet does', () => {
  const shape = 'mode=3 cir=8000 cbs=1 greenAction=1';
  const bench = car(shape);
  send(bench, 10);
  isEmpty(bench);
  expect(bench.kernel.nextDeadline()).toBe(Infinity);
  const other = car(shape);
  send(other, 10);
  other.inside(() => other.kernel.vnet0.netgraph.destroy());
  expect([other.base.packetsHeld, other.kernel.engine.pool.inUse]).toEqual([0, 0]);
});
