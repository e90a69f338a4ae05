/**
 * nc-session.ts — a socket and standard input and output (or a tun device), until one side has ended.
 * Read first: nc(1).
 *
 * Theory of operation. Each round moves what is there: a block of input becomes a datagram, a datagram becomes output. With nothing to
 * move it sleeps until something comes, or ends after `-w` of silence. The end of the input is the end of sending and nothing more: UDP
 * has no end. An error of the socket (a port that is not there) ends receiving, one while sending ends sending; the session is over when both have
 * ended, or when a listener has nothing to receive from. A tun device outlives the errors of its socket: the far end may come back.
 */
import { EAGAIN } from '@netloom/core';
import type { Socket } from '@netloom/core';
import type { Proc } from '../proc.js';
import { StdinReader } from '../stdin-reader.js';
import type { NcOptions } from './nc-options.js';
import type { TunEnd } from './nc-tun.js';

/** Bytes of one datagram made from standard input, as nc reads. */
const READ_BYTES = 16_384;
const DATAGRAM_MAX = 65_535;

export class NcSession {
  private readonly p: Proc;
  private readonly o: NcOptions;
  private readonly so: Socket;
  private readonly tun: TunEnd | null;
  private readonly stdin: StdinReader;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);
  /** What is left of a block of input. */
  private rest: Uint8Array | null = null;
  private sending = true;
  private receiving = true;
  private lastUs: number;

  constructor(p: Proc, o: NcOptions, so: Socket, tun: TunEnd | null) {
    this.p = p;
    this.o = o;
    this.so = so;
    this.tun = tun;
    this.stdin = new StdinReader(p);
    this.lastUs = p.now();
  }

  async run(): Promise<void> {
    const { p, o, so } = this;
    so.onReadable = () => p.wake();
    if (this.tun === null) {
      if (o.noStdin) this.sending = false;
      else this.stdin.start();
    }
    while (!this.over()) {
      if (o.intervalUs > 0) await this.pause(o.intervalUs);
      const moved = this.sendOne();
      if (this.receiveOne() || moved) {
        this.lastUs = p.now();
        await p.flush();
        continue;
      }
      const left = this.lastUs + o.timeoutUs - p.now();
      if (left <= 0 || this.over()) break;
      await p.sleepUs(left);
    }
    await p.flush();
  }

  private over(): boolean {
    if (this.so.closed || this.tun?.gone === true) return true;
    return !this.receiving && (this.o.listen || !this.sending);
  }

  /** Sleeps the whole time, whatever wakes the tool. */
  private async pause(us: number): Promise<void> {
    for (let left = us; left > 0; ) left = await this.p.sleepUs(left);
  }

  private sendOne(): boolean {
    if (!this.sending) return false;
    const bytes = this.tun === null ? this.nextInput() : this.tun.read();
    if (bytes === null) {
      if (this.tun === null && this.stdin.ended) this.sending = false;
      return false;
    }
    if (this.so.send(bytes) !== 0 && this.tun === null) this.sending = false;
    return true;
  }

  private nextInput(): Uint8Array | null {
    const block = this.rest ?? this.stdin.take();
    if (block === null) return null;
    this.rest = block.length > READ_BYTES ? block.subarray(READ_BYTES) : null;
    return block.subarray(0, READ_BYTES);
  }

  private receiveOne(): boolean {
    if (!this.receiving) return false;
    const n = this.so.recv(this.buffer);
    if (n < 0) {
      if (n !== -EAGAIN && this.tun === null) this.receiving = false;
      return n !== -EAGAIN;
    }
    const bytes = this.buffer.subarray(0, n);
    if (this.tun === null) this.p.out(bytes);
    else this.tun.write(bytes);
    return true;
  }
}
