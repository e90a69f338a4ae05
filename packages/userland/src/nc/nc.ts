/**
 * nc.ts — nc(1) for UDP: standard input to datagrams, datagrams to standard output, or a tun device in their place.
 * Read first: nc(1). Exit codes: 0, 1 for anything refused.
 *
 * Theory of operation. A client connects its socket and sends what it reads, a datagram per read. A listener takes its peer
 * from the first datagram and connects to it, so that only that peer is heard from then on (`-k` hears everybody). The end of
 * standard input ends nothing: UDP has no end; `-w` limits the silence.
 * With `--tun DEVICE` the packets the stack routes into the tun interface are the datagrams, and the other way round.
 * Not here: TCP.
 */
import { ECONNREFUSED, PF_INET, SOCK_DGRAM, strerror } from '@netloom/core';
import type { RecvInfo, Socket } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { err, errx, toolMain } from '../err.js';
import type { Proc } from '../proc.js';
import { parseNc } from './nc-options.js';
import type { NcOptions } from './nc-options.js';
import { openTun } from './nc-tun.js';
import type { TunEnd } from './nc-tun.js';

/** Bytes of one datagram made from standard input, as nc reads. */
const READ_BYTES = 16_384;
const DATAGRAM_MAX = 65_535;

export const nc = toolMain(async (p: Proc): Promise<number> => {
  const o = parseNc(p);
  const tun = o.tunDevice === null ? null : openTun(p, o.tunDevice);
  if (o.scan) return scan(p, o);
  return new NcSession(p, o, tun).run();
});

function openSocket(p: Proc, o: NcOptions): Socket {
  const { sockets } = p.vnet;
  if (sockets === null) errx(p, 1, 'socket: the vnet is going down');
  const { error, so } = sockets.socket(PF_INET, SOCK_DGRAM, 0, o.fib ?? p.fib);
  if (so === null) err(p, 1, 'socket', error);
  p.atExit(() => so.close());
  if (o.tos >= 0) so.setsockopt('IP_TOS', o.tos);
  if (o.receiveBuffer > 0) so.setsockopt('SO_RCVBUF', o.receiveBuffer);
  so.setsockopt('SO_BROADCAST', 1);
  return so;
}

/** -z: a port that answers with an ICMP error is closed; one that says nothing may be open. */
async function scan(p: Proc, o: NcOptions): Promise<number> {
  let open = 0;
  for (const port of o.ports) {
    const so = openSocket(p, o);
    const refused = so.connect(o.address, port);
    if (refused !== 0) err(p, 1, `connect to ${o.addressText} port ${port} (udp) failed`, refused);
    const probe = new Uint8Array(1);
    for (let i = 0; i < 3; i++) {
      so.send(probe);
      await p.sleepUs(Math.max(o.intervalUs, 100_000));
    }
    const error = so.getsockopt('SO_ERROR') ?? 0;
    so.close();
    if (error === 0) {
      open++;
      if (o.verbose) p.err(`Connection to ${o.addressText} ${port} port [udp/*] succeeded!\n`);
    } else if (o.verbose) p.err(`nc: connect to ${o.addressText} port ${port} (udp) failed: ${strerror(error)}\n`);
  }
  return open > 0 ? 0 : 1;
}

class NcSession {
  private readonly p: Proc;
  private readonly o: NcOptions;
  private readonly so: Socket;
  private readonly tun: TunEnd | null;
  private readonly info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);
  private lastUs: number;
  private ended = false;
  private failed = false;

  constructor(p: Proc, o: NcOptions, tun: TunEnd | null) {
    this.p = p;
    this.o = o;
    this.tun = tun;
    this.so = openSocket(p, o);
    this.lastUs = p.now();
  }

  async run(): Promise<number> {
    const { p, o, so, tun } = this;
    this.open();
    so.onReadable = () => p.wake();
    if (tun !== null) tun.onReadable = () => p.wake();
    p.onSignal((signal) => {
      if (signal !== 'INT' && signal !== 'TERM') return false;
      this.ended = true;
      p.wake();
      return true;
    });
    if (tun === null && !o.noStdin) void this.readInput();
    while (!this.ended) {
      this.receiveAll();
      this.sendFromTun();
      await p.flush();
      if (so.closed) return 1;
      const left = o.timeoutUs === 0 ? Number.POSITIVE_INFINITY : this.lastUs + o.timeoutUs - p.now();
      if (left <= 0) break;
      await p.sleepUs(left);
    }
    so.close();
    return this.failed ? 1 : 0;
  }

  private open(): void {
    const { p, o, so } = this;
    const port = o.ports[0] ?? 0;
    if (o.listen) {
      const error = so.bind(o.address, port);
      if (error !== 0) err(p, 1, 'bind failed', error);
      if (o.verbose) p.err(`Bound on ${o.addressText === '' ? '0.0.0.0' : o.addressText} ${port}\n`);
      return;
    }
    if (o.source !== 0 || o.sourcePort !== 0) {
      const error = so.bind(o.source, o.sourcePort);
      if (error !== 0) err(p, 1, 'bind failed', error);
    }
    const error = so.connect(o.address, port);
    if (error !== 0) err(p, 1, `connect to ${o.addressText} port ${port} (udp) failed`, error);
    if (o.verbose) p.err(`Connection to ${o.addressText} ${port} port [udp/*] succeeded!\n`);
  }

  /** Standard input, a datagram per READ_BYTES at most. */
  private async readInput(): Promise<void> {
    const { p, o } = this;
    for await (const chunk of p.stdin) {
      for (let at = 0; at < chunk.length && !this.ended; at += READ_BYTES) {
        this.send(chunk.subarray(at, at + READ_BYTES));
        if (o.intervalUs > 0) await p.sleepUs(o.intervalUs);
      }
    }
  }

  private send(bytes: Uint8Array): void {
    if (!this.so.inp.connected) return;
    this.lastUs = this.p.now();
    const error = this.so.send(bytes);
    if (error === 0) return;
    this.p.err(`nc: write failed (${this.so.inp.connected ? 'udp' : 'unconnected'}): ${strerror(error)}\n`);
    this.failed = true;
    this.ended = this.tun === null;
    this.p.wake();
  }

  private sendFromTun(): void {
    for (let packet = this.tun?.read() ?? null; packet !== null; packet = this.tun?.read() ?? null) this.send(packet);
  }

  private receiveAll(): void {
    const { p, o, so, tun } = this;
    for (;;) {
      const n = so.recv(this.buffer, this.info);
      if (n < 0) {
        const error = so.getsockopt('SO_ERROR') ?? 0;
        if (n === -ECONNREFUSED || error !== 0) this.ended = tun === null && !o.listen;
        return;
      }
      this.lastUs = p.now();
      if (o.listen && !o.keep && !so.inp.connected) {
        so.connect(this.info.addr, this.info.port);
        if (o.verbose) p.err(`Connection received on ${ip4Format(this.info.addr)} ${this.info.port}\n`);
      }
      const bytes = this.buffer.subarray(0, n);
      if (tun === null) p.out(bytes);
      else tun.write(bytes);
    }
  }
}
