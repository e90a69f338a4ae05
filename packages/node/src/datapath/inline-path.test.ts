/**
 * inline-path.test.ts — two ports of a stack without workers: what the short path takes never reaches the stack, and looks the same outside.
 */
import { expect, test } from 'vitest';
import { Kernel, ifCloneCreate, ifUp, inAifaddr, quietEnv, tapOf } from '@netloom/core';
import type { FrameSink, PacketBuffer } from '@netloom/core';
import { craftIp } from '@netloom/core/sim';
import { ip4Parse, macFormat } from '@netloom/core/wire';
import { HostLoop } from '../loop.js';
import type { FramePort, FramePortStats } from '../port/frame-port.js';
import { FrameBatch } from '../tap/frame-batch.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import { PORTS_MAX } from './datapath-shared.js';
import { InlinePath } from './inline-path.js';

const HOST = '02:00:00:00:00:0b';

/** A device that is an object of the test. */
class FakePort implements FramePort {
  readonly name = 'fake0';
  readonly mtu = 1500;
  readonly vnetHdr = false;
  readonly stats = {} as FramePortStats;
  readonly sent: string[] = [];
  flushes = 0;
  isClosed = false;
  private callback: (batch: FrameBatch) => void = () => undefined;

  onFrames(callback: (batch: FrameBatch) => void): void {
    this.callback = callback;
  }

  onGone(): void {
    // it stays
  }

  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    expect(hdr).toBeNull();
    this.sent.push(Buffer.from(frame.subarray(off, off + len)).toString('hex'));
    return true;
  }

  flush(): void {
    this.flushes++;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** A batch of these frames comes in. */
  receive(frames: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(4096);
    let at = 8;
    const places = frames.map((frame) => {
      bytes.set(frame, at);
      const place = { off: at, length: frame.length };
      at += frame.length + 8;
      return place;
    });
    const cursor = {
      bytes, off: 0, length: 0,
      next(): boolean {
        const place = places.shift();
        if (place === undefined) return false;
        this.off = place.off;
        this.length = place.length;
        return true;
      },
    };
    const batch = new FrameBatch(cursor, false);
    batch.begin(64);
    this.callback(batch);
  }
}

class Sink implements FrameSink {
  readonly offload = { csum: false, gso: false };
  readonly sent: string[] = [];

  output(m: PacketBuffer): boolean {
    this.sent.push(Buffer.from(m.bytes()).toString('hex'));
    m.free();
    return true;
  }
}

function bench() {
  const loop = new HostLoop((error) => {
    throw error;
  });
  const kernel = new Kernel({ ...quietEnv(1), datapath: 'inline' });
  const { vnet0, datapath } = kernel;
  if (datapath === null) throw new Error('no datapath');
  const path = new InlinePath(kernel, loop, datapath);
  const ends = [1, 2].map((net) => {
    const port = new FakePort();
    const inline = path.wrap(port);
    const sink = new Sink();
    const ifp = kernel.call(0, () => {
      const made = ifCloneCreate(vnet0.net, `tap${net}`, null).ifp!;
      ifUp(made);
      inAifaddr(vnet0.inNet, made, { addr: ip4Parse(`10.${net}.0.1`)!, plen: 24 });
      tapOf(made)?.attach(sink);
      return made;
    });
    inline.joined?.(ifp);
    const punted: string[] = [];
    inline.onFrames((batch) => {
      while (batch.next()) punted.push(Buffer.from(batch.bytes.subarray(batch.off, batch.off + batch.len)).toString('hex'));
    });
    return { port, inline, sink, ifp, punted };
  });
  kernel.call(0, () => {
    vnet0.ip.tun.forwarding = 1;
    vnet0.arp.set(ip4Parse('10.2.0.2')!, Uint8Array.from([2, 0, 0, 0, 0, 0x0b]), {});
  });
  return { kernel, path, a: ends[0]!, b: ends[1]! };
}

test('frames for another port leave by it within the batch, changed as the stack would; others come as they are', async () => {
  const { kernel, a, b } = bench();
  const through = craftIp({ src: HOST, dst: macFormat(a.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.2.0.2', ttl: 9, proto: 17 }, new Uint8Array(8));
  const ours = craftIp({ src: HOST, dst: macFormat(a.ifp.lladdr) }, { src: '10.1.0.2', dst: '10.1.0.1', ttl: 9, proto: 17 }, new Uint8Array(8));
  a.port.receive([through, ours, through]);
  expect(a.punted).toEqual([Buffer.from(ours).toString('hex')]);
  expect(b.port.sent).toHaveLength(2);
  expect(b.port.flushes).toBe(1);
  b.sink.sent.length = 0;
  const m = kernel.engine.pool.from(through);
  if (m !== null) kernel.input(a.ifp, m, kernel.now);
  kernel.settle();
  expect(b.port.sent).toEqual([b.sink.sent[0], b.sink.sent[0]]);
  kernel.call(kernel.now, () => undefined);
  expect([a.ifp.data.ipackets, kernel.vnet0.ip.stats.fastforward]).toEqual([3, 3]);
  await b.inline.close();
  a.port.receive([through]);
  expect(a.punted).toHaveLength(2);
  expect(b.port.isClosed).toBe(true);
});

test('a device more than there may be is left to the stack', async () => {
  const { path, a, b } = bench();
  for (let i = 2; i < PORTS_MAX; i++) path.wrap(new FakePort());
  const more = new FakePort();
  expect(path.wrap(more)).toBe(more);
  await a.inline.close();
  expect(path.wrap(more)).not.toBe(more);
  await b.inline.close();
});
