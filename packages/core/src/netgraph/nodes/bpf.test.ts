/**
 * bpf.test.ts — ng_bpf: programs in their ASCII form, who gets which frame, and frames as a wire shows them.
 */
import { describe, expect, test } from 'vitest';
import { E2BIG, EINVAL, ENOENT, ERANGE } from '../../base/errno.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { inCksum4 } from '../../wire/checksum.js';
import { TH_ACK } from '../../wire/tcp.js';

const LINK = { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' };
const IP = { src: '10.0.0.1', dst: '10.0.0.2' };
const TCP = { sport: 1, dport: 2, flags: TH_ACK };

/** `ldh [12]; jeq #0x88b5 -> ret #k; ret #0` */
const isTest = (k: number): string => `bpf_prog_len=4 bpf_prog=[ { code=0x28 k=12 } { code=0x15 jt=0 jf=1 k=34997 } { code=0x6 k=${k} } { code=0x6 } ]`;

function bpf(...hooks: readonly string[]): NgBench {
  const bench = new NgBench();
  bench.socket.setDataSpace(1_000_000);
  const [first = 'a', ...more] = hooks;
  expect(bench.mkpeer('.', 'bpf', first, first)).toBe(0);
  expect(bench.name(first, 'bpf')).toBe(0);
  for (const hook of more) expect(bench.connect('.', 'bpf:', hook, hook)).toBe(0);
  return bench;
}

const other = (n: number): Uint8Array => testFrame(1, 2, n).fill(9, 12, 14);

describe('commands', () => {
  test('a new hook has a program that keeps nothing', () => {
    const bench = bpf('a');
    expect(bench.ascii('bpf:', 'getprogram "a"')).toBe('{ thisHook="a" bpf_prog_len=1 bpf_prog=[ { code=0x6 } ] }');
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{}');
    expect(bench.send('a', testFrame(1, 2))).toBe(0);
    expect(bench.ascii('bpf:', 'getclrstats "a"')).toBe('{ recvFrames=1 recvOctets=60 }');
    expect(bench.ascii('bpf:', 'clrstats "a"')).toBe('');
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{}');
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });

  test('a program is shown as it was given', () => {
    const bench = bpf('a', 'b');
    const program = `{ thisHook="a" ifMatch="b" ifNotMatch="c" ${isTest(65_535)} }`;
    bench.ascii('bpf:', `setprogram ${program}`);
    expect(bench.ascii('bpf:', 'getprogram "a"')).toBe(program.replace(' jt=0', ''));
  });

  test.each([
    ['setprogram { thisHook="x" bpf_prog_len=1 bpf_prog=[ { code=6 } ] }', ENOENT],
    ['setprogram { thisHook="a" }', EINVAL],
    ['setprogram { thisHook="a" bpf_prog_len=1 bpf_prog=[ { code=0x28 } ] }', EINVAL],
    ['setprogram { thisHook="a" bpf_prog_len=1 bpf_prog=[ { code=6 } { code=6 } ] }', E2BIG],
    ['setprogram { thisHook="a" bpf_prog_len=513 bpf_prog=[ 512={ code=6 } ] }', EINVAL],
    ['setprogram { thisHook="a" bpf_prog_len=2000000000 }', ERANGE],
    ['setprogram { thisHook="a" bpf_prog_len=-1 bpf_prog=[ { code=6 } ] }', E2BIG],
    ['getprogram "x"', ENOENT],
    ['getstats "x"', ENOENT],
    ['clrstats "x"', ENOENT],
  ])('%s', (command, error) => {
    expect(bpf('a').asciiError('bpf:', command)).toBe(error);
  });

  test('binary arguments of a wrong length', () => {
    const bench = bpf('a');
    const binary = (cmd: number, args: Uint8Array, typecookie = 944_100_792): number => bench.inside(() => bench.socket.sendMsg('bpf:', { typecookie, cmd }, args));
    expect([binary(1, new Uint8Array(99)), binary(1, new Uint8Array(101)), binary(3, new Uint8Array(0)), binary(6, new Uint8Array(0)), binary(1, new Uint8Array(108), 1)])
      .toEqual([EINVAL, EINVAL, EINVAL, EINVAL, EINVAL]);
  });
});

describe('frames', () => {
  test('go to one hook or the other, and are cut to what the program keeps', () => {
    const bench = bpf('a', 'yes', 'no');
    bench.ascii('bpf:', `setprogram { thisHook="a" ifMatch="yes" ifNotMatch="no" ${isTest(20)} }`);
    expect(bench.send('a', testFrame(1, 2, 60))).toBe(0);
    expect(bench.send('a', other(70))).toBe(0);
    expect(bench.frames('yes')).toEqual([testFrame(1, 2, 60).subarray(0, 20)]);
    expect(bench.frames('no')).toEqual([other(70)]);
    expect(['a', 'yes', 'no'].map((hook) => bench.ascii('bpf:', `getstats "${hook}"`))).toEqual([
      '{ recvFrames=2 recvOctets=130 recvMatchFrames=1 recvMatchOctets=60 }', '{ xmitFrames=1 xmitOctets=20 }', '{ xmitFrames=1 xmitOctets=70 }',
    ]);
  });

  test('are dropped while the hook they should go to is not there', () => {
    const bench = bpf('a');
    bench.ascii('bpf:', `setprogram { thisHook="a" ifMatch="b" ifNotMatch="b" ${isTest(100)} }`);
    bench.send('a', testFrame(1, 2));
    bench.send('a', other(60));
    expect(bench.connect('.', 'bpf:', 'b', 'b')).toBe(0);
    bench.send('a', testFrame(1, 2));
    bench.send('a', other(60));
    expect(bench.counts('b')).toEqual([2]);
    bench.rmhook('.', 'b');
    bench.send('a', testFrame(1, 2));
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{ recvFrames=5 recvOctets=300 recvMatchFrames=3 recvMatchOctets=180 }');
    expect(bench.kernel.engine.pool.inUse).toBe(0);
  });

  test('may go back where they came from', () => {
    const bench = bpf('a');
    bench.ascii('bpf:', 'setprogram { thisHook="a" ifMatch="a" bpf_prog_len=1 bpf_prog=[ { code=6 k=4294967295 } ] }');
    bench.send('a', testFrame(1, 2));
    expect(bench.counts('a')).toEqual([1]);
  });

  test('with a tag out of band are seen, and go on, as a wire has them', () => {
    const bench = bpf('a', 'b');
    // ldh [12] is the tag's type, ldh [14] its VLAN, ldh [16] the type behind it.
    bench.ascii('bpf:', 'setprogram { thisHook="a" ifMatch="b" bpf_prog_len=6 bpf_prog=[ { code=0x28 k=12 } { code=0x15 jf=3 k=0x8100 } { code=0x28 k=16 } { code=0x15 jf=1 k=0x88b5 } { code=6 k=64 } { code=6 } ] }');
    const send = (length: number): void => void bench.inside(() => {
      const m = bench.kernel.engine.pool.from(testFrame(1, 2, length))!;
      m.flags |= 4;
      m.vproto = 0x8100;
      m.vtag = 42;
      bench.socket.sendData('a', m);
    });
    send(60);
    send(100);
    const [whole, cut] = bench.frames('b');
    const wire = [...testFrame(1, 2, 60)];
    wire.splice(12, 0, 0x81, 0, 0, 42);
    expect([[...whole!], cut!.length]).toEqual([wire, 64]);
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{ recvFrames=2 recvOctets=168 recvMatchFrames=2 recvMatchOctets=168 }');
    expect(bench.ascii('bpf:', 'getstats "b"')).toBe('{ xmitFrames=2 xmitOctets=128 }');
  });

  const sendSuper = (bench: NgBench, mss: number, payload = 3_000): number => bench.inside(() => bench.socket.sendData('a', craftSuperTcp(bench.kernel.engine.pool, LINK, IP, TCP, new Uint8Array(payload).fill(7), mss)));

  test('of a super-segment are judged one by one', () => {
    const bench = bpf('a', 'long', 'short');
    // ldh [16], the length of the IP packet; jgt #1000
    bench.ascii('bpf:', 'setprogram { thisHook="a" ifMatch="long" ifNotMatch="short" bpf_prog_len=4 bpf_prog=[ { code=0x28 k=16 } { code=0x25 jf=1 k=1000 } { code=6 k=65535 } { code=6 } ] }');
    expect(sendSuper(bench, 1_400)).toBe(0);
    expect(bench.counts('long', 'short')).toEqual([2, 1]);
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{ recvFrames=3 recvOctets=3162 recvMatchFrames=2 recvMatchOctets=2908 }');
  });

  test('of a super-segment stay together when the program does not look', () => {
    const bench = bpf('a', 'b');
    bench.ascii('bpf:', 'setprogram { thisHook="a" ifMatch="b" bpf_prog_len=1 bpf_prog=[ { code=6 k=65535 } ] }');
    expect(sendSuper(bench, 1_400)).toBe(0);
    expect(bench.ascii('bpf:', 'getstats "a"')).toBe('{ recvFrames=1 recvOctets=3054 recvMatchFrames=1 recvMatchOctets=3054 }');
    expect(bench.counts('b')).toEqual([3]);
  });

  test('have right checksums when they are cut short', () => {
    const bench = bpf('a', 'b');
    bench.ascii('bpf:', 'setprogram { thisHook="a" ifMatch="b" bpf_prog_len=1 bpf_prog=[ { code=6 k=60 } ] }');
    expect(sendSuper(bench, 0, 100)).toBe(0);
    const [cut] = bench.frames('b');
    const whole = new Uint8Array(154).fill(7);
    whole.set(cut!.subarray(0, 54));
    const v = new DataView(whole.buffer);
    expect([cut!.length, inCksum4(v, 34, 120, 0x0a000001, 0x0a000002, 6)]).toEqual([60, 0]);
  });
});
