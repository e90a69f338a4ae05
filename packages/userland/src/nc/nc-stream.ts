/**
 * nc-stream.ts — a connection and standard input and output, until both ways have ended.
 * Read first: nc(1); freebsd `contrib/netcat/netcat.c` (readwrite).
 *
 * Theory of operation. Each round moves what there is room for: a block of input to the connection, what has arrived to the output. A
 * block that the connection does not take at once is kept, and no other is asked for until it is gone; what has arrived is read only when the output is not
 * behind. So a slow reader at either end slows the other, however much there is to send.
 * The ways end one by one. End of input: nothing more is sent, and with -N the peer is told (shutdown). End of the connection's input: a
 * listener is done as soon as it has sent what its input has ready, a client goes on sending. With nothing to move it sleeps until something comes, or ends after `-w` of silence.
 */
import { EAGAIN, SHUT_RD, SHUT_WR } from '@netloom/core';
import type { StreamSocket } from '@netloom/core';
import type { Proc } from '../proc.js';
import { StdinReader } from '../stdin-reader.js';
import type { NcOptions } from './nc-options.js';
import { telnetAnswer } from './telnet.js';

/** What standard input has ready takes so long at most to come here from where the tool was called. */
const READY_INPUT_US = 20_000;
const NOTHING = new Uint8Array(1);
export class NcStream {
  private readonly p: Proc;
  private readonly o: NcOptions;
  private readonly so: StreamSocket;
  private readonly stdin: StdinReader;
  /** What is left of a block of input. */
  private rest: Uint8Array | null = null;
  /** The four ends, as nc polls them. */
  private inputOpen: boolean;
  private sendOpen = true;
  private receiveOpen = true;
  private outputOpen = true;
  private lastUs: number;
  /** A listener whose peer is done waits for its own input until then. */
  private doneUs = Infinity;

  constructor(p: Proc, o: NcOptions, so: StreamSocket) {
    this.p = p;
    this.o = o;
    this.so = so;
    this.stdin = new StdinReader(p);
    this.inputOpen = !o.noStdin;
    this.lastUs = p.now();
  }

  /** The connection is still open when this returns after `-w`; otherwise it has been closed. */
  async run(): Promise<void> {
    const { p, o, so } = this;
    so.onReadable = () => p.wake();
    so.onWritable = () => p.wake();
    if (this.inputOpen) this.stdin.start();
    while (!this.over()) {
      if (o.intervalUs > 0) await this.pause(o.intervalUs);
      if (this.round()) {
        this.lastUs = p.now();
        await p.flush();
        continue;
      }
      const left = Math.min(this.lastUs + o.timeoutUs, this.doneUs) - p.now();
      if (left <= 0 && this.doneUs > p.now()) {
        await p.flush();
        return;
      }
      await p.sleepUs(left);
    }
    await p.flush();
    so.close();
  }

  private over(): boolean {
    if (this.so.closed) return true;
    if (!this.sendOpen && !this.outputOpen) return true;
    return !this.receiveOpen && this.rest === null && (!this.inputOpen || this.doneUs <= this.p.now());
  }

  /** Sleeps the whole time, whatever wakes the tool. */
  private async pause(us: number): Promise<void> {
    for (let left = us; left > 0; ) left = await this.p.sleepUs(left);
  }

  /** Did anything happen? */
  private round(): boolean {
    const sent = this.sendOne();
    const received = this.receiveOne();
    const gone = this.sendOpen && !this.so.isConnected;
    if (gone) this.endSending();
    if (!sent && !received && !gone) return false;
    if (!this.inputOpen && this.rest === null && this.sendOpen) {
      if (this.o.shutdown) this.so.shutdown(SHUT_WR);
      this.sendOpen = false;
    }
    if (!this.receiveOpen) this.outputOpen = false;
    return true;
  }

  private sendOne(): boolean {
    if (!this.sendOpen) return false;
    const block = this.rest ?? this.nextInput();
    if (block === null) {
      if (!this.inputOpen || !this.stdin.ended) return false;
      this.inputOpen = false;
      return true;
    }
    if (!this.receiveOpen) this.doneUs = this.o.listen ? this.p.now() : Infinity;
    const n = this.so.send(block);
    if (n === -EAGAIN) {
      this.rest = block;
      return false;
    }
    if (n < 0) this.endSending();
    else this.rest = n < block.length ? block.subarray(n) : null;
    return true;
  }

  private nextInput(): Uint8Array | null {
    return this.inputOpen ? this.stdin.take() : null;
  }

  /** The connection takes no more: what is left of the input is lost. */
  private endSending(): void {
    this.sendOpen = false;
    this.inputOpen = false;
    this.rest = null;
  }

  private receiveOne(): boolean {
    if (!this.receiveOpen) return false;
    const m = this.so.recvPacket();
    if (m !== null) {
      const bytes = m.bytes();
      if (this.o.telnet) this.answerTelnet(bytes);
      this.p.out(bytes);
      m.free();
      return true;
    }
    // Nothing waits: is it the end, an error, or nothing yet?
    const n = this.so.recv(NOTHING);
    if (n === -EAGAIN) return false;
    if (n === 0) this.so.shutdown(SHUT_RD);
    this.receiveOpen = false;
    if (this.o.listen) this.doneUs = this.p.now() + READY_INPUT_US;
    return true;
  }

  private answerTelnet(bytes: Uint8Array): void {
    const answer = telnetAnswer(bytes);
    if (answer.length > 0) this.so.send(answer);
  }
}
