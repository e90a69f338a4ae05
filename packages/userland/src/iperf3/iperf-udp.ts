/**
 * iperf-udp.ts — the data path of a UDP stream, and how one is connected.
 * Read first: iperf_udp.c of iperf 3.12.
 *
 *     0        4        8        12 (or 16)
 *     | sec    | usec   | number | the block's bytes
 *
 * UDP knows no connections, so a client sends four bytes and the server answers with four. Datagrams carry when they were sent and their number, which counts from 1 and has 64 bits when
 * the client asked for that. A sender works in the test's timer, a receiver in its socket's callback.
 */
import { EAGAIN, ENOBUFS, EMSGSIZE } from '@netloom/core';
import type { PacketBuffer, Socket } from '@netloom/core';
import type { Proc } from '../proc.js';
import type { ToolWait } from '../tool-wait.js';
import { iperfError } from './iperf-error.js';
import type { IperfStream } from './iperf-stream.js';
import { mayGoOn } from './iperf-tcp.js';
import { TEST_RUNNING } from './iperf-test.js';
import type { IperfTest, Pump } from './iperf-test.js';

/** Little endian, as on the machines iperf3 runs on: it sends them in its own order. */
const CONNECT_MSG = 0x36373839;
const CONNECT_REPLY = 0x39383736;
const LEGACY_REPLY = 987_654_321;
const REPLY_US = 30_000_000;
/** Datagrams sent in a row; then others have their turn. */
const BATCH = 256;
const US_PER_SEC = 1_000_000;
const TWO_32 = 4_294_967_296;
const NUMBER_OFF = 8;

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** The client's side of "connecting": says that it is there, and waits for the server to say so. @throws IperfError */
export async function udpGreet(wait: ToolWait, so: Socket): Promise<void> {
  const error = so.send(word(CONNECT_MSG));
  if (error !== 0) throw iperfError('STREAMWRITE', error);
  so.onReadable = wait.wake;
  const into = new Uint8Array(4);
  let refused = 0;
  const answered = await wait.until(() => {
    const n = so.recv(into);
    if (n < 0 && n !== -EAGAIN) refused = -n;
    const value = n === 4 ? new DataView(into.buffer).getUint32(0, true) : 0;
    return refused !== 0 || value === CONNECT_REPLY || value === LEGACY_REPLY;
  }, wait.p.now() + REPLY_US);
  if (!answered || refused !== 0) throw iperfError('STREAMREAD', refused || EAGAIN);
}

/** The server's answer. */
export function udpWelcome(so: Socket): number {
  return so.send(word(CONNECT_REPLY));
}

export class UdpPump implements Pump {
  readonly stream: IperfStream;
  private readonly p: Proc;
  private readonly test: IperfTest;
  private readonly so: Socket;
  private readonly block: Uint8Array;
  private closed = false;

  constructor(p: Proc, test: IperfTest, stream: IperfStream, so: Socket, block: Uint8Array) {
    this.p = p;
    this.test = test;
    this.stream = stream;
    this.so = so;
    this.block = block;
    so.onReadable = () => this.drain();
  }

  get paced(): boolean {
    return this.stream.sender;
  }

  pump(): void {
    const { test, stream } = this;
    if (!stream.sender) return this.drain();
    let burst = test.settings.burst;
    for (let i = 0; i < BATCH && test.state === TEST_RUNNING && !test.done && !this.closed; i++, burst--) {
      if (burst <= 0 && !mayGoOn(test, stream, this.p.now())) return;
      if (test.role === 'client' && test.reached) return this.p.wake();
      if (!this.sendOne()) return;
    }
  }

  private sendOne(): boolean {
    const { test, stream, so, block } = this;
    const m = so.allocPacket(block.length);
    if (m === null) return false;
    const now = this.p.now();
    const number = stream.packetCount + 1;
    m.buf.set(block, m.off);
    const v = m.view;
    v.setUint32(m.off, Math.floor(now / US_PER_SEC));
    v.setUint32(m.off + 4, now % US_PER_SEC);
    if (test.settings.udpCounters64) {
      v.setUint32(m.off + NUMBER_OFF, Math.floor(number / TWO_32));
      v.setUint32(m.off + NUMBER_OFF + 4, number >>> 0);
    } else {
      v.setUint32(m.off + NUMBER_OFF, number >>> 0);
    }
    const error = so.sendPacket(m);
    if (error === ENOBUFS || error === EAGAIN) return false;
    if (error !== 0) {
      test.fail(iperfError('STREAMWRITE', error, error === EMSGSIZE ? `a block of ${block.length} bytes is too long for this socket: use a smaller one (-l)` : undefined));
      return false;
    }
    stream.packetCount = number;
    stream.bytesSent += block.length;
    stream.intervalBytes += block.length;
    test.bytesSent += block.length;
    test.blocksSent++;
    return true;
  }

  private drain(): void {
    const { test, stream, so } = this;
    for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
      if (test.state === TEST_RUNNING && !stream.sender) this.count(m);
      m.free();
    }
    if (test.role === 'client' && test.reached) this.p.wake();
  }

  /** A packet is one datagram, or several of `gsoSize` bytes. */
  private count(m: PacketBuffer): void {
    const { test, stream } = this;
    const v = m.view;
    const now = this.p.now();
    const step = m.gsoSize > 0 && m.gsoSize < m.len ? m.gsoSize : m.len;
    const wide = test.settings.udpCounters64;
    const least = NUMBER_OFF + (wide ? 8 : 4);
    for (let at = 0; at < m.len; at += step) {
      const length = Math.min(step, m.len - at);
      if (length < least) continue;
      const off = m.off + at;
      const number = wide ? v.getUint32(off + NUMBER_OFF) * TWO_32 + v.getUint32(off + NUMBER_OFF + 4) : v.getUint32(off + NUMBER_OFF);
      stream.received(length, number, v.getUint32(off) + v.getUint32(off + 4) / US_PER_SEC, now / US_PER_SEC);
      test.bytesReceived += length;
      test.blocksReceived++;
    }
    test.heardUs = now;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.so.close();
  }
}
