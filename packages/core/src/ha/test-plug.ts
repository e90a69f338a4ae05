/**
 * test-plug.ts — a bench for plugs: an Engine in virtual time, frames with a letter in them, and the letters that came out.
 */
import { VnetKern } from '../kern/vnet-kern.js';
import { CTX_THREAD } from '../kern/context.js';
import { Engine } from '../kern/engine.js';
import { quietEnv } from '../env/env.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Errno } from '../base/errno.js';
import type { OutputPlug, PlugSink } from './output-plug.js';

/** Bytes of a frame, unless the test says otherwise. */
export const FRAME = 100;

export class PlugBench<P extends OutputPlug> {
  readonly engine = new Engine(quietEnv(1));
  readonly kern = new VnetKern(this.engine, 1, 'v');
  readonly plug: P;
  private sent = '';

  constructor(make: (kern: VnetKern, sink: PlugSink) => P) {
    this.engine.enter(CTX_THREAD);
    this.plug = make(this.kern, (m) => {
      this.sent += String.fromCharCode(m.buf[m.off]!);
      m.free();
      return 0;
    });
  }

  frame(letter: string, len = FRAME, rcvif = 0): PacketBuffer {
    const m = this.engine.pool.alloc(len);
    if (m === null) throw new Error('packet pool is empty');
    m.buf[m.off] = letter.charCodeAt(0);
    m.rcvif = rcvif;
    return m;
  }

  /** A frame for each letter; the answers. */
  put(letters: string, len = FRAME, rcvif = 0): Errno[] {
    return [...letters].map((letter) => this.plug.output(this.frame(letter, len, rcvif)));
  }

  /** Serves what is due, and tells what came out since the last call. */
  out(us = 0): string {
    this.engine.runTurn(this.engine.now + us);
    while (this.engine.nextDeadline() <= this.engine.now) this.engine.runTurn(this.engine.now);
    return this.taken();
  }

  /** The same without serving anything. */
  taken(): string {
    const { sent } = this;
    this.sent = '';
    return sent;
  }
}
