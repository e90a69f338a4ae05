/**
 * iperf-tcp.ts — the data path of a TCP stream.
 * Read first: iperf_tcp.c of iperf 3.12; socket/stream-socket.ts of the core (sendOwned, recvPacket).
 *
 * Theory of operation. Everything happens in the socket's callbacks, on the packet path: a sender fills the socket with one block of bytes, over and over, by reference, so that a
 * byte is not copied before it becomes a segment; a receiver takes the packets themselves, counts them and gives them back. The waiting tool is woken at the end only. With a bitrate the sender
 * stops when it is ahead of it, and the test's timer goes on.
 */
import { EAGAIN, PF_INET6 } from '@netloom/core';
import type { StreamSocket } from '@netloom/core';
import type { Proc } from '../proc.js';
import { iperfError } from './iperf-error.js';
import type { IperfStream, TcpFigures } from './iperf-stream.js';
import { IPERF_START, TEST_RUNNING } from './iperf-test.js';
import type { IperfTest, Pump } from './iperf-test.js';

const US_PER_SEC = 1_000_000;
/** Headers of IP and TCP with timestamps: from a segment's bytes to the path's MTU. */
const HEADERS4 = 52;
const HEADERS6 = 72;

export class TcpPump implements Pump {
  readonly stream: IperfStream;
  private readonly p: Proc;
  private readonly test: IperfTest;
  private readonly so: StreamSocket;
  private readonly block: Uint8Array;
  private closed = false;

  /** @param block the bytes that are sent; nobody may change them from now on. */
  constructor(p: Proc, test: IperfTest, stream: IperfStream, so: StreamSocket, block: Uint8Array) {
    this.p = p;
    this.test = test;
    this.stream = stream;
    this.so = so;
    this.block = block;
    stream.figures = () => tcpFigures(so);
    so.onReadable = () => this.drain();
    so.onWritable = stream.sender ? () => this.pump() : null;
  }

  get paced(): boolean {
    return this.stream.sender && this.test.settings.rate > 0;
  }

  pump(): void {
    const { test, stream, so } = this;
    if (!stream.sender) return this.drain();
    for (let burst = test.settings.burst; test.state === TEST_RUNNING && !test.done && !this.closed; burst--) {
      if (burst <= 0 && !mayGoOn(test, stream, this.p.now())) return;
      const n = so.sendOwned(this.block);
      if (n === -EAGAIN) return;
      if (n < 0) return test.fail(iperfError('STREAMWRITE', -n));
      stream.bytesSent += n;
      stream.intervalBytes += n;
      test.bytesSent += n;
      test.blocksSent++;
      if (test.role === 'client' && test.reached) return this.p.wake();
    }
  }

  private drain(): void {
    const { test, stream, so } = this;
    // A server may send before its word that the test runs has been read. What comes early waits, and counts: a test of so many bytes ends when all have come.
    if (test.state === IPERF_START && !stream.sender) return;
    for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
      const n = m.len;
      m.free();
      if (test.state !== TEST_RUNNING || stream.sender) continue;
      stream.bytesReceived += n;
      stream.intervalBytes += n;
      test.bytesReceived += n;
      test.blocksReceived = Math.floor(test.bytesReceived / test.settings.blksize);
      test.heardUs = this.p.now();
    }
    if (test.state !== TEST_RUNNING) return;
    const error = this.closed || !so.eof ? 0 : (so.getsockopt('SO_ERROR') ?? 0);
    if (error !== 0) test.fail(iperfError(stream.sender ? 'STREAMWRITE' : 'STREAMREAD', error));
    else if (test.role === 'client' && test.reached) this.p.wake();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.so.close();
  }
}

/** A sender with a bitrate may send while it is not ahead of it. */
export function mayGoOn(test: IperfTest, stream: IperfStream, nowUs: number): boolean {
  const { rate } = test.settings;
  return rate === 0 || stream.bytesSent * 8 * US_PER_SEC <= rate * (nowUs - stream.startFixedUs);
}

function tcpFigures(so: StreamSocket): TcpFigures {
  const info = so.info();
  return { retransmits: info.rexmits, cwnd: info.sndCwnd, sndWnd: info.sndWnd, rttUs: info.rttUs, rttvarUs: info.rttvarUs, pmtu: info.sndMss + (so.domain === PF_INET6 ? HEADERS6 : HEADERS4) };
}
