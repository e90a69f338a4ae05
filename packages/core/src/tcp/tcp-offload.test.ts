/**
 * tcp-offload.test.ts — TCP with what the stack spares itself: super-segments between vnets, runs on arrival, buffers that grow, memory that is bounded.
 */
import { describe, expect, it } from 'vitest';
import { LARGE_SLOT } from '../mbuf/packet-buffer.js';
import { IFCAP_LRO } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip4 } from '../sim/craft.js';
import type { SimLinkOptions } from '../sim/sim-link.js';
import { SimNet } from '../sim/sim-net.js';
import { PF_INET, SOCK_STREAM } from '../socket/socket-type.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Vnet } from '../vnet/vnet.js';

const MB = 1024 * 1024;
const PORT = 5001;

const CHUNK = 65_536;
/** Byte `at` of every stream here is `at % PERIOD`. */
const PERIOD = 251;
const PATTERN = new Uint8Array(CHUNK + PERIOD).map((_, i) => i % PERIOD);

/** One connection from `a` to `b`, its bytes, and whether they are right. */
class Flow {
  sent = 0;
  got = 0;
  wrong = 0;
  /** Does the receiver read? */
  reads = true;
  tx: StreamSocket | null = null;
  rx: StreamSocket | null = null;
  private readonly net: SimNet;
  private readonly total: number;
  private readonly into = new Uint8Array(CHUNK);

  constructor(net: SimNet, a: Vnet, b: Vnet, dst: string, total: number, port = PORT) {
    this.net = net;
    this.total = total;
    this.call(() => {
      const l = stream(b);
      l.bind(0, port);
      l.listen(1);
      l.onReadable = () => {
        this.rx = l.accept();
        if (this.rx !== null) this.rx.onReadable = () => this.read();
        l.close();
      };
      this.tx = stream(a);
      this.tx.connect(ip4(dst), port);
      this.tx.onWritable = () => this.write();
    });
  }

  read(): void {
    const { rx, into } = this;
    if (!this.reads || rx === null) return;
    for (let n = rx.recv(into); n > 0; n = rx.recv(into)) {
      const skip = this.got % PERIOD;
      for (let i = 0; i < n; i++) if (into[i] !== PATTERN[skip + i]) this.wrong++;
      this.got += n;
    }
  }

  private write(): void {
    const { tx } = this;
    while (tx !== null && this.sent < this.total) {
      const skip = this.sent % PERIOD;
      const n = tx.send(PATTERN.subarray(skip, skip + Math.min(CHUNK, this.total - this.sent)));
      if (n <= 0) return;
      this.sent += n;
    }
  }

  call(fn: () => void): void {
    this.net.kernel.call(this.net.now, fn);
  }
}

function stream(v: Vnet): StreamSocket {
  const so = v.sockets.socket(PF_INET, SOCK_STREAM).so;
  if (so === null) throw new Error('no socket');
  return so as StreamSocket;
}

function pair(unit = 0, net = new SimNet(1)): { net: SimNet; a: Vnet; b: Vnet; ends: readonly [Ifnet, Ifnet] } {
  const [a, b] = [net.vnet(`a${unit}`), net.vnet(`b${unit}`)];
  const ends = net.epair(a, b);
  net.addr(a, ends[0], `10.0.${unit}.1/24`);
  net.addr(b, ends[1], `10.0.${unit}.2/24`);
  return { net, a, b, ends };
}

function linked(options: SimLinkOptions): { net: SimNet; a: Vnet; b: Vnet } {
  const net = new SimNet(1);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const [x, y] = net.link(a, b, options);
  net.addr(a, x.ifp, '10.0.0.1/24');
  net.addr(b, y.ifp, '10.0.0.2/24');
  return { net, a, b };
}

describe('between two vnets', () => {
  it('segments of 64 KB cross uncut, unsummed and uncopied', () => {
    const { net, a, b, ends } = pair();
    const flow = new Flow(net, a, b, '10.0.0.2', 8 * MB);
    net.run(1_000_000);
    expect([flow.got, flow.wrong]).toEqual([8 * MB, 0]);
    expect({ ...net.kernel.engine.pool.work }).toEqual({ segmented: 0, pieces: 0, checksums: 0, copies: 0 });
    expect(ends[1].data.ipackets).toBeLessThan((8 * MB) / 40_000);
    net.kernel.shutdown();
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });

  it('without segmentation offload, runs of a batch are acknowledged once', () => {
    const acks = [0, IFCAP_LRO].map((caps) => {
      const { net, a, b, ends } = pair();
      for (const v of [a, b]) v.kern.sysctl.set('net.inet.tcp.tso', 0);
      for (const ifp of ends) ifp.capenable |= caps;
      const flow = new Flow(net, a, b, '10.0.0.2', 2 * MB);
      net.run(1_000_000);
      expect([flow.got, flow.wrong, b.tcp.stats.rcvbyte, b.tcp.stats.rcvduppack, b.tcp.stats.rcvoopack]).toEqual([2 * MB, 0, 2 * MB, 0, 0]);
      const runs = Number(b.kern.sysctl.find('net.inet.tcp.lro.flushed')?.get());
      expect(runs > 0).toBe(caps !== 0);
      net.kernel.shutdown();
      expect(net.kernel.engine.pool.inUse).toBe(0);
      return b.tcp.stats.sndacks;
    });
    expect(acks[1]!).toBeLessThan(acks[0]! / 5);
  });
});

describe('runs over a bad link', () => {
  it.each([['loss', { loss: 0.02 }], ['reordering', { reorder: 0.05 }], ['duplication', { duplicate: 0.05 }], ['corruption', { corrupt: 0.02 }]])('survive %s', (_what, faults) => {
    const { net, a, b } = linked({ delayUs: 200, lro: true, ...faults });
    const flow = new Flow(net, a, b, '10.0.0.2', MB);
    net.run(600_000_000);
    expect([flow.got, flow.wrong]).toEqual([MB, 0]);
    expect(Number(b.kern.sysctl.find('net.inet.tcp.lro.queued')?.get())).toBeGreaterThan(100);
    net.kernel.shutdown();
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });
});

it('one connection fills a gigabit over 10 ms', () => {
  const { net, a, b } = linked({ delayUs: 5_000, bitsPerSec: 1e9 });
  const flow = new Flow(net, a, b, '10.0.0.2', 200 * MB);
  net.run(220_000);
  const from = flow.rx?.info().bytesReceived ?? 0;
  net.run(50_000);
  expect((((flow.rx?.info().bytesReceived ?? 0) - from) * 8) / 50_000).toBeGreaterThan(940);
  net.kernel.shutdown();
});

describe('a hundred streams that nobody reads', () => {
  const STREAMS = 100;
  const TOTAL = 128 * 1024;
  const LIMIT = 32 * LARGE_SLOT;

  it('hold what the vnet may hold, leave other vnets alone, and lose nothing', () => {
    const { net, a, b } = pair(1);
    net.kernel.vnet0.kern.sysctl.set('kern.ipc.sockmem_max', LIMIT);
    const flows = Array.from({ length: STREAMS }, (_, i) => new Flow(net, a, b, '10.0.1.2', TOTAL, PORT + i));
    for (const f of flows) f.reads = false;
    net.run(5_000_000);
    const { sockmem } = b.kern;
    // One slot for each connection that came when the limit was reached is what keeps it going.
    expect(sockmem.bytes).toBeGreaterThan(LIMIT / 2);
    expect(sockmem.bytes).toBeLessThanOrEqual(LIMIT + STREAMS * LARGE_SLOT);
    expect(sockmem.isPressed).toBe(true);

    const other = pair(2, net);
    const quick = new Flow(net, other.a, other.b, '10.0.2.2', 4 * MB);
    net.run(1_000_000);
    expect([quick.got, quick.wrong]).toEqual([4 * MB, 0]);

    for (const f of flows) {
      f.reads = true;
      f.call(() => f.read());
    }
    net.run(120_000_000);
    expect(flows.filter((f) => f.got !== TOTAL || f.wrong > 0).map((f) => f.got)).toEqual([]);
    expect([sockmem.bytes, net.kernel.engine.sockmem.bytes]).toEqual([0, 0]);
    net.kernel.shutdown();
    expect(net.kernel.engine.pool.inUse).toBe(0);
  });
});
