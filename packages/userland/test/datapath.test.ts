/**
 * datapath.test.ts — what administrators do with the commands they know, and what short paths make of it: the published tables, driven by frames.
 */
import { expect, test } from 'vitest';
import type { FrameSink, Ifnet, PacketBuffer } from '@netloom/core';
import { ifCloneCreate, ifCloneDestroy, tapOf } from '@netloom/core';
import { FC_IPACKETS, FC_OPACKETS, FWD_IFINDEX_MAX, FWD_IF_RECORDS, QuiescentReader, forwardFrame, fwdReason, fwdViewOf } from '@netloom/core/fwd';
import type { FwdView } from '@netloom/core/fwd';
import { craftIp } from '@netloom/core/sim';
import { macFormat } from '@netloom/core/wire';
import { ToolLab } from './test-proc.js';

const ROOM = 64;
const HOST_A = '02:00:00:00:00:0a';
const HOST_B = '02:00:00:00:00:0b';

/** Whoever has a tap open. */
class Outside implements FrameSink {
  readonly offload = { csum: false, gso: false };
  readonly got: Uint8Array[] = [];

  output(m: PacketBuffer): boolean {
    this.got.push(m.bytes().slice());
    m.free();
    return true;
  }
}

interface Port {
  readonly ifp: Ifnet;
  readonly out: Outside;
}

/** A Kernel with short paths, `n` open taps that are ports 0 to n-1, and a processor. */
async function bench(n: number): Promise<{ lab: ToolLab; ports: readonly Port[]; view: FwdView; short: (port: number, frame: Uint8Array) => string | { port: number; frame: Uint8Array } }> {
  const lab = new ToolLab({ datapath: true });
  const { kernel } = lab;
  const { datapath } = kernel;
  if (datapath === null) throw new Error('no datapath');
  const ports: Port[] = [];
  for (let i = 0; i < n; i++) {
    await lab.ok(`ifconfig tap${i} create up`);
    const ifp = kernel.vnet0.net.ifunit(`tap${i}`)!;
    const out = new Outside();
    kernel.call(kernel.now, () => tapOf(ifp)?.attach(out));
    kernel.call(kernel.now, () => datapath.attachPort(i, ifp, false));
    ports.push({ ifp, out });
  }
  const started = datapath.start((message) => view.apply(message));
  const view = fwdViewOf(started.memory, started.messages);
  const short = (port: number, frame: Uint8Array) => {
    const bytes = new Uint8Array(ROOM + frame.length);
    bytes.set(frame, ROOM);
    view.beginBatch();
    const verdict = forwardFrame(view, port, new DataView(bytes.buffer), ROOM, frame.length);
    return verdict < 0 ? fwdReason(verdict) : { port: verdict, frame: bytes.slice(view.at, view.at + view.len) };
  };
  return { lab, ports, view, short };
}

test('a router on two taps: opened by forwarding and by a neighbour, closed when an interface goes down, and counted like any other', async () => {
  const { lab, ports, short } = await bench(2);
  const [a, b] = ports as [Port, Port];
  await lab.ok('ifconfig tap0 inet 10.1.0.1/24');
  await lab.ok('ifconfig tap1 inet 10.2.0.1/24');
  const frame = craftIp({ src: HOST_A, dst: macFormat(a.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.2.0.2', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect(short(0, frame)).toBe('host');
  await lab.ok('sysctl net.inet.ip.forwarding=1');
  expect(short(0, frame)).toBe('noneigh');
  await lab.ok(`arp -s 10.2.0.2 ${HOST_B}`);
  const sent = short(0, frame);
  b.out.got.length = 0;
  const m = lab.kernel.engine.pool.from(frame);
  if (m !== null) lab.kernel.input(a.ifp, m, lab.kernel.now);
  lab.kernel.settle();
  expect(sent).toEqual({ port: 1, frame: b.out.got[0] });
  expect(b.out.got).toHaveLength(1);
  await lab.ok('route add 10.9.0.0/16 10.2.0.2');
  const far = craftIp({ src: HOST_A, dst: macFormat(a.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.9.1.1', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect(short(0, far)).toMatchObject({ port: 1 });
  await lab.ok('route delete 10.9.0.0/16');
  expect(short(0, far)).toBe('noroute');
  expect(await lab.ok('netstat -sp ip')).toContain('(3 packets fast forwarded)');
  await lab.ok('ifconfig tap1 down');
  expect(short(0, frame)).not.toMatchObject({ port: 1 });
});

test('a bridge of two taps: what it has learned, and what short paths saw is not forgotten', async () => {
  const { lab, ports, short } = await bench(3);
  const [a, b] = ports as [Port, Port, Port];
  await lab.ok('ifconfig bridge0 create addm tap0 addm tap1 up');
  const there = craftIp({ src: HOST_A, dst: HOST_B }, { src: '10.1.0.2', dst: '10.1.0.3', ttl: 9, proto: 17 }, new Uint8Array(16));
  const back = craftIp({ src: HOST_B, dst: HOST_A }, { src: '10.1.0.3', dst: '10.1.0.2', ttl: 9, proto: 17 }, new Uint8Array(16));
  const full = (ifp: Ifnet, frame: Uint8Array): void => {
    const m = lab.kernel.engine.pool.from(frame);
    if (m !== null) lab.kernel.input(ifp, m, lab.kernel.now);
    lab.kernel.settle();
  };
  expect(short(0, there)).toBe('source');
  full(a.ifp, there);
  expect(short(0, there)).toBe('flood');
  full(b.ifp, back);
  expect(short(0, there)).toEqual({ port: 1, frame: there });
  expect(short(2, there)).toBe('promisc');
  expect(await lab.ok('ifconfig bridge0 addr')).toContain('Vlan0 tap0 1200');
  const cell = lab.kernel.datapath!.cellOf(a.ifp.index);
  expect([lab.kernel.datapath!.count(cell, FC_IPACKETS), lab.kernel.datapath!.count(lab.kernel.datapath!.cellOf(b.ifp.index), FC_OPACKETS)]).toEqual([1, 1]);
  await lab.ok('ifconfig bridge0 deletem tap1');
  expect(short(0, there)).toBe('flood');
});

test('a port whose interface was destroyed is nobody\'s, whoever gets the index', async () => {
  const { lab, ports, short } = await bench(2);
  const [a] = ports as [Port, Port];
  await lab.ok('ifconfig tap0 inet 10.1.0.1/24');
  await lab.ok('ifconfig tap1 inet 10.2.0.1/24');
  await lab.ok('sysctl net.inet.ip.forwarding=1');
  await lab.ok(`arp -s 10.2.0.2 ${HOST_B}`);
  const frame = craftIp({ src: HOST_A, dst: macFormat(a.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.2.0.2', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect(short(0, frame)).toMatchObject({ port: 1 });
  const { index } = a.ifp;
  lab.kernel.call(lab.kernel.now, () => {
    ifCloneDestroy(lab.kernel.vnet0.net, 'tap0');
    ifCloneCreate(lab.kernel.vnet0.net, 'tap7', null);
  });
  expect(lab.kernel.vnet0.net.ifunit('tap7')?.index).toBe(index);
  await lab.ok(`ifconfig tap7 ether ${macFormat(a.ifp.lladdr)}`);
  await lab.ok('ifconfig tap7 inet 10.1.0.1/24 up');
  const again = lab.kernel.vnet0.net.ifunit('tap7')!;
  lab.kernel.call(lab.kernel.now, () => tapOf(again)?.attach(new Outside()));
  expect(short(0, frame)).toBe('noif');
});

test('a bridge keeps what only short paths see, and forgets it when they see it no more', async () => {
  const { lab, ports, short } = await bench(2);
  const [a, b] = ports as [Port, Port];
  await lab.ok('ifconfig bridge0 create addm tap0 addm tap1 timeout 60 up');
  const there = craftIp({ src: HOST_A, dst: HOST_B }, { src: '10.1.0.2', dst: '10.1.0.3', ttl: 9, proto: 17 }, new Uint8Array(16));
  const back = craftIp({ src: HOST_B, dst: HOST_A }, { src: '10.1.0.3', dst: '10.1.0.2', ttl: 9, proto: 17 }, new Uint8Array(16));
  for (const [{ ifp }, frame] of [[a, there], [b, back]] as const) {
    const m = lab.kernel.engine.pool.from(frame);
    if (m !== null) lab.kernel.input(ifp, m, lab.kernel.now);
    lab.kernel.settle();
  }
  for (let minutes = 0; minutes < 20; minutes++) {
    expect([short(0, there), short(1, back)]).toMatchObject([{ port: 1 }, { port: 0 }]);
    await lab.advance(45_000_000);
  }
  await lab.advance(900_000_000);
  expect([short(0, there), short(1, back)]).toEqual(['source', 'source']);
});

test('a bridge that gets a member, or is mirrored no more, keeps what short paths saw before', async () => {
  const { lab, ports, short } = await bench(3);
  const [a, b] = ports as [Port, Port, Port];
  await lab.ok('ifconfig bridge0 create addm tap0 addm tap1 timeout 60 up');
  const there = craftIp({ src: HOST_A, dst: HOST_B }, { src: '10.1.0.2', dst: '10.1.0.3', ttl: 9, proto: 17 }, new Uint8Array(16));
  const back = craftIp({ src: HOST_B, dst: HOST_A }, { src: '10.1.0.3', dst: '10.1.0.2', ttl: 9, proto: 17 }, new Uint8Array(16));
  for (const [{ ifp }, frame] of [[a, there], [b, back]] as const) {
    const m = lab.kernel.engine.pool.from(frame);
    if (m !== null) lab.kernel.input(ifp, m, lab.kernel.now);
    lab.kernel.settle();
  }
  await lab.advance(50_000_000);
  expect([short(0, there), short(1, back)]).toMatchObject([{ port: 1 }, { port: 0 }]);
  await lab.ok('ifconfig bridge0 addm tap2');
  expect((await lab.ok('ifconfig bridge0 addr')).match(/tap\d \d+/g)).toEqual(['tap1 60', 'tap0 60']);
  await lab.advance(30_000_000);
  expect([short(0, there), short(1, back)]).toMatchObject([{ port: 1 }, { port: 0 }]);
  lab.kernel.call(lab.kernel.now, () => ports.forEach((_, port) => lab.kernel.datapath!.detachPort(port, () => undefined)));
  expect((await lab.ok('ifconfig bridge0 addr')).match(/tap\d \d+/g)).toEqual(['tap1 60', 'tap0 60']);
});

test('each interface is routed by the tables of its FIB, which other interfaces of the vnet need not have', async () => {
  const { lab, ports, short } = await bench(3);
  await lab.ok('sysctl net.fibs=2');
  for (let i = 0; i < 3; i++) await lab.ok(`ifconfig tap${i} inet 10.${i}.0.1/24`);
  await lab.ok('sysctl net.inet.ip.forwarding=1');
  await lab.ok(`arp -s 10.2.0.2 ${HOST_B}`);
  await lab.ok('route add 10.9.0.0/16 10.2.0.2');
  await lab.ok('ifconfig tap1 fib 1');
  const far = (i: number): Uint8Array => craftIp({ src: HOST_A, dst: macFormat(ports[i]!.ifp.lladdr) }, { src: `10.${i}.0.2`, dst: '10.9.1.1', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect([short(0, far(0)), short(1, far(1))]).toMatchObject([{ port: 2 }, 'noroute']);
  await lab.ok('ifconfig tap1 fib 0');
  await lab.ok('ifconfig tap0 fib 1');
  expect([short(0, far(0)), short(1, far(1))]).toMatchObject(['noroute', { port: 2 }]);
});

test('an interface that finds no room is left to the complete path, and known again when readers have made room', async () => {
  const { lab, ports: [a], short } = await bench(1);
  const { engine, datapath } = lab.kernel;
  const { readers } = engine;
  const frame = craftIp({ src: HOST_A, dst: macFormat(a!.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.9.1.1', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect([short(0, frame), datapath!.noRoom]).toEqual(['host', 0]);
  const reader = new QuiescentReader(readers.periods.words, readers.add());
  reader.online();
  for (let i = 0; i < FWD_IF_RECORDS; i++) {
    a!.ifp.pcp = i & 7;
    datapath!.sync();
    a!.ifp.pcp = -1;
    datapath!.sync();
  }
  expect([short(0, frame), datapath!.noRoom]).toEqual(['noif', 1]);
  reader.quiesce();
  engine.readersPassed();
  lab.kernel.settle();
  datapath!.sync();
  expect([short(0, frame), datapath!.noRoom]).toEqual(['host', 0]);
  reader.offline();
  readers.remove(reader.slot);
});

test('an interface whose index is beyond the tables is left to the complete path', async () => {
  const { lab, ports: [a], short } = await bench(1);
  const { shared, datapath } = lab.kernel;
  for (let n = a!.ifp.index; n < FWD_IFINDEX_MAX; n++) shared.allocIndex({ ...a!.ifp } as Ifnet);
  await lab.ok('ifconfig tap1 create up');
  const beyond = lab.kernel.vnet0.net.ifunit('tap1')!;
  expect(beyond.index).toBe(FWD_IFINDEX_MAX + 1);
  lab.kernel.call(lab.kernel.now, () => datapath!.attachPort(1, beyond, false));
  const frame = craftIp({ src: HOST_A, dst: macFormat(beyond.lladdr) }, { src: '10.1.0.2', dst: '10.9.1.1', ttl: 9, proto: 17 }, new Uint8Array(16));
  expect([short(1, frame), datapath!.noRoom]).toEqual(['noif', 1]);
});
