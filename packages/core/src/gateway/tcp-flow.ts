/**
 * tcp-flow.ts — TcpFlow: one TCP connection through the gateway, in either direction.
 * Read first: gateway-host.ts; tcp/tcp-foreign.ts; gateway-tcp.ts, which has all of them.
 *
 *     out:  SYN held, host connects ── connected ─▶ SYN|ACK, handshake ── accepted ─▶ so ── established ─▶ joined
 *     in:   host has accepted, so connects ───────────────────────────────────────────────── established ─▶ joined
 *
 * A guest's connection is answered only when the other side has answered the host: a refused port is a refused port to the guest, too.
 * Invariant: it is in one list of its GatewayTcp until it is `gone`.
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED, ECONNRESET } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { HeldSyn } from '../tcp/tcp-foreign.js';
import type { TcpEnds } from '../tcp/tcp-ends.js';
import type { HostEnd, HostTcp, TcpFlowDoor } from './gateway-host.js';
import type { GatewayTcp } from './gateway-tcp.js';

/** The host connects; the guest's handshake; the guest is connected to; bytes pass. */
export const FLOW_CONNECTING = 'connecting';
export const FLOW_ANSWERED = 'answered';
export const FLOW_FORWARDING = 'forwarding';
export const FLOW_JOINED = 'joined';
export const FLOW_GONE = 'gone';
export type TcpFlowState = typeof FLOW_CONNECTING | typeof FLOW_ANSWERED | typeof FLOW_FORWARDING | typeof FLOW_JOINED | typeof FLOW_GONE;

export class TcpFlow implements TcpFlowDoor {
  chainNext: TcpFlow | null = null;
  chainPrev: TcpFlow | null = null;
  /** The guest is the foreign end. */
  readonly ends: TcpEnds;
  /** Where the host's end leads to, or comes from. */
  readonly to: HostEnd;
  state: TcpFlowState;
  /** Did it come from the host? */
  readonly isForward: boolean;
  /** Has it no connection of the stack yet? Says which list it is in: a Chain does not know whose an item is. */
  waits = false;
  /** Since when it is in this state; when joined, since when nothing has moved. */
  since: Micros;
  host: HostTcp | null = null;
  so: StreamSocket | null = null;
  syn: HeldSyn | null = null;
  private readonly all: GatewayTcp;
  /** Sum of the sequence numbers when something had moved last. */
  private mark = 0;

  constructor(all: GatewayTcp, ends: TcpEnds, to: HostEnd, state: TcpFlowState) {
    this.all = all;
    this.ends = ends;
    this.to = to;
    this.state = state;
    this.isForward = state === FLOW_FORWARDING;
    this.since = all.now;
  }

  /** TcpFlowDoor */
  connected(): void {
    this.all.outside(() => this.all.answer(this));
  }

  /** TcpFlowDoor */
  failed(error: Errno): void {
    this.all.outside(() => this.all.refuse(this, error));
  }

  /** TcpFlowDoor */
  ended(): void {
    this.all.outside(() => {
      this.host = null;
      this.so = null;
      this.all.forget(this);
    });
  }

  enter(state: TcpFlowState): void {
    this.state = state;
    this.since = this.all.now;
  }

  /** The guest's end of it: waits for the handshake to be over. */
  watch(so: StreamSocket): void {
    this.so = so;
    so.onReadable = so.onWritable = () => this.settle(so);
  }

  /** The handshake is over, one way or the other. */
  private settle(so: StreamSocket): void {
    if (this.state === FLOW_GONE || this.state === FLOW_JOINED) return;
    if (so.closed || !so.isConnected) {
      // Still connecting: the callback was about something else.
      if (!so.closed && !so.eof) return;
      this.all.abort(this);
      return;
    }
    so.onReadable = so.onWritable = null;
    so.setsockopt('TCP_NODELAY', 1);
    so.setsockopt('SO_KEEPALIVE', 1);
    this.enter(FLOW_JOINED);
    this.host?.join(so);
  }

  /** Has anything moved since this was asked last? */
  moved(): boolean {
    const tp = this.so?.tp;
    if (tp === undefined) return false;
    const mark = (tp.rcvNxt + tp.sndUna) | 0;
    if (mark === this.mark) return false;
    this.mark = mark;
    return true;
  }

  /** Lets go of everything it holds, without a word to anybody but by resets. */
  release(): void {
    const { host, so, syn } = this;
    this.host = null;
    this.so = null;
    this.syn = null;
    syn?.m.free();
    if (so !== null && !so.closed) {
      so.onReadable = so.onWritable = null;
      so.reset();
    }
    host?.abort();
  }
}

/** Is the answer to a SYN a reset, as from a host where nobody listens? */
export const isRefusal = (error: Errno): boolean => error === ECONNREFUSED || error === ECONNRESET;
