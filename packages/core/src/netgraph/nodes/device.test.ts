/**
 * device.test.ts — ng_device: what the hook brings can be read, what is written goes out of the hook, and units.
 */
import { expect, test } from 'vitest';
import { EBUSY, EINVAL, EISCONN, ENOBUFS, ENXIO } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { FrameSink } from '../../net/host-port.js';
import { craftSuperTcp } from '../../sim/craft-offload.js';
import { NgBench, testFrame } from '../../sim/ng-bench.js';
import { SimNet } from '../../sim/sim-net.js';
import { inCksum4 } from '../../wire/checksum.js';
import { TH_ACK } from '../../wire/tcp.js';
import { ngDeviceOf } from './device.js';
import type { NgDevice } from './device.js';

class Sink implements FrameSink {
  readonly offload;
  readonly got: Uint8Array[] = [];
  isFull = false;
  refuses = false;
  isGone = false;
  flushes = 0;

  constructor(offload = { csum: false, gso: false }) {
    this.offload = offload;
  }

  output(m: PacketBuffer): boolean {
    if (this.refuses) return false;
    this.got.push(m.bytes().slice());
    m.free();
    return true;
  }

  flush(): void {
    this.flushes++;
  }

  gone(): void {
    this.isGone = true;
  }
}

function device(): { readonly bench: NgBench; readonly ngd: NgDevice } {
  const bench = new NgBench();
  expect(bench.mkpeer('.', 'device', 'd', 'anything')).toBe(0);
  return { bench, ngd: ngDeviceOf(bench.kernel.shared, 'ngd0')! };
}

const open = (bench: NgBench, ngd: NgDevice, sink: Sink | null): number => bench.inside(() => ngd.attach(sink));

test('commands, names and the one hook', () => {
  const { bench } = device();
  expect(bench.ascii('ngd0:', 'getdevname')).toBe('"ngd0"');
  expect(bench.ascii('ngd0:', 'etheralign')).toBe('');
  expect(bench.connect('.', 'ngd0:', 'e', 'other')).toBe(EISCONN);
  expect([2, 3].map((cmd) => bench.inside(() => bench.socket.sendMsg('ngd0:', { typecookie: 1_091_129_178, cmd })))).toEqual([EINVAL, EINVAL]);
  expect(bench.inside(() => bench.socket.sendMsg('ngd0:', { typecookie: 1, cmd: 0 }))).toBe(EINVAL);
});

test('what comes by the hook waits until it is read, and one reads', () => {
  const { bench, ngd } = device();
  bench.send('d', testFrame(1, 2));
  bench.settle();
  expect(bench.base.packetsHeld).toBe(1);
  const sink = new Sink();
  expect([open(bench, ngd, sink), open(bench, ngd, new Sink())]).toEqual([0, EBUSY]);
  bench.settle();
  expect([sink.got, sink.flushes]).toEqual([[testFrame(1, 2)], 1]);
  bench.send('d', testFrame(3, 4));
  bench.settle();
  expect(sink.got[1]).toEqual(testFrame(3, 4));
  open(bench, ngd, null);
  expect(open(bench, ngd, new Sink())).toBe(0);
});

test('a full queue refuses, and the node that sends is told', () => {
  const bench = new NgBench();
  bench.kernel.vnet0.kern.sysctl.set('net.graph.device.maxqueue', 2);
  bench.mkpeer('.', 'device', 'd', 'x');
  const ngd = ngDeviceOf(bench.kernel.shared, 'ngd0')!;
  const sink = new Sink();
  sink.isFull = true;
  open(bench, ngd, sink);
  expect([1, 2, 3].map((n) => bench.send('d', testFrame(1, n)))).toEqual([0, 0, ENOBUFS]);
  bench.settle();
  expect([sink.got.length, ngd.readDrops]).toEqual([0, 1]);
  sink.isFull = false;
  bench.inside(() => ngd.resume());
  bench.settle();
  expect(sink.got.length).toBe(2);
  sink.refuses = true;
  bench.send('d', testFrame(1, 4));
  bench.settle();
  expect([ngd.readDrops, bench.kernel.engine.pool.inUse]).toEqual([2, 0]);
});

test('what is written goes out of the hook, unless it is empty or no IP packet can be so long', () => {
  const { bench, ngd } = device();
  for (const length of [60, 0, 65_536]) bench.inside(() => ngd.input(bench.kernel.engine.pool.from(new Uint8Array(length).fill(7))!));
  expect(bench.frames('d')).toEqual([new Uint8Array(60).fill(7)]);
  for (let i = 0; i < 4_100; i++) bench.inside(() => ngd.input(bench.kernel.engine.pool.from(testFrame(1, 2))!));
  expect(ngd.writeDrops).toBe(4);
  bench.counts();
  expect(bench.kernel.engine.pool.inUse).toBe(0);
});

test('a reader gets packets as on a wire, or what it can do itself left to it', () => {
  const { bench, ngd } = device();
  const sendSuper = (): void => void bench.inside(() => {
    const m = craftSuperTcp(bench.kernel.engine.pool, { src: '02:04:06:00:00:01', dst: '02:04:06:00:00:02' }, { src: '10.0.0.1', dst: '10.0.0.2' }, { sport: 1, dport: 2, flags: TH_ACK }, new Uint8Array(250), 100);
    m.flags |= 4;
    m.vproto = 0x8100;
    m.vtag = 9;
    bench.socket.sendData('d', m);
  });
  const sink = new Sink();
  open(bench, ngd, sink);
  sendSuper();
  bench.settle();
  expect(sink.got.map((f) => {
    const v = new DataView(f.buffer);
    return [f.length, v.getUint16(12), v.getUint16(14), inCksum4(v, 38, f.length - 38, 0x0a000001, 0x0a000002, 6)];
  })).toEqual([158, 158, 108].map((n) => [n, 0x8100, 9, 0]));
  open(bench, ngd, null);
  const able = new Sink({ csum: true, gso: true });
  open(bench, ngd, able);
  sendSuper();
  bench.settle();
  expect(able.got.map((f) => f.length)).toEqual([308]);
});

test('the device goes with its hook, its unit is used again, and units are the kernel\'s', () => {
  const { bench, ngd } = device();
  const sink = new Sink();
  open(bench, ngd, sink);
  bench.send('d', testFrame(1, 2));
  bench.inside(() => ngd.input(bench.kernel.engine.pool.from(testFrame(1, 2))!));
  bench.rmhook('.', 'd');
  bench.settle();
  expect([sink.isGone, bench.base.byName('ngd0'), ngDeviceOf(bench.kernel.shared, 'ngd0'), open(bench, ngd, sink), bench.kernel.engine.pool.inUse]).toEqual([true, null, null, ENXIO, 0]);
  bench.inside(() => ngd.input(bench.kernel.engine.pool.from(testFrame(1, 2))!));
  expect(bench.kernel.engine.pool.inUse).toBe(0);

  const net = new SimNet(1);
  const [a, b] = [net.vnet('a'), net.vnet('b')].map((vnet) => new NgBench(1, { kernel: net.kernel, vnet }));
  a!.mkpeer('.', 'device', 'd', 'x');
  b!.mkpeer('.', 'device', 'd', 'x');
  a!.mkpeer('.', 'device', 'e', 'x');
  expect(['ngd0', 'ngd1', 'ngd2', 'ngd3', 'ngd01'].map((name) => ngDeviceOf(net.kernel.shared, name)?.net?.kern.name)).toEqual(['a', 'b', 'a', undefined, undefined]);
  const last = new Sink();
  a!.inside(() => ngDeviceOf(net.kernel.shared, 'ngd2')!.attach(last));
  net.kernel.call(net.now, () => net.kernel.jailRemove(net.kernel.prisons.find(net.kernel.prisons.prison0, 'a')!));
  net.run(1_000_000);
  expect([last.isGone, ngDeviceOf(net.kernel.shared, 'ngd0'), ngDeviceOf(net.kernel.shared, 'ngd1')?.xname]).toEqual([true, null, 'ngd1']);
});
