/**
 * gateway-tcp.ts — GatewayTcp: the TCP connections of a gateway.
 * Read first: tcp-flow.ts (the states of one); tcp/tcp-foreign.ts (how they come).
 *
 * Theory of operation. A SYN is kept and the host told to connect. What the host says decides what the guest hears: SYN|ACK, a reset, or an ICMP
 * error. SYNs that come again meanwhile change nothing. From the guest's acknowledgement on the flow has a socket of the stack, and the host passes bytes
 * between that and its own; what is in between is TCP's windows, so that whoever is slow stops the other.
 * `sweep` ends what takes too long. Flows that wait are few (`tcp_pending_max`) and looked through one by one; those that are joined are found by TCP.
 *
 * Invariant: every flow is in `waiting` or in `joined`, and nowhere when it is gone.
 */
import { Chain } from '../base/chain.js';
import type { Errno } from '../base/errno.js';
import { ECONNABORTED, EINPROGRESS, ENOBUFS, ETIMEDOUT } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { SockAddr } from '../socket/socket-in6.js';
import { PF_INET, PF_INET6, SOCK_STREAM } from '../socket/socket-type.js';
import type { SocketLayer } from '../socket/socket-layer.js';
import { TcpEnds } from '../tcp/tcp-ends.js';
import { FOREIGN_ADMIT, FOREIGN_DROP, FOREIGN_HELD, FOREIGN_REFUSE, HeldSyn, TcpForeign } from '../tcp/tcp-foreign.js';
import type { TcpForeignDoor } from '../tcp/tcp-foreign.js';
import type { Segment } from '../tcp/tcp-segment.js';
import type { TcpCb, TcpUser } from '../tcp/tcpcb.js';
import type { Tcp } from '../tcp/tcp.js';
import type { GatewayHost, HostEnd, HostTcp } from './gateway-host.js';
import type { GatewayPolicy } from './gateway-policy.js';
import type { GatewayUnreach } from './gateway-unreach.js';
import type { GatewayStats, GatewayTunables } from './gateway-var.js';
import { FLOW_ANSWERED, FLOW_CONNECTING, FLOW_FORWARDING, FLOW_GONE, FLOW_JOINED, TcpFlow, isRefusal } from './tcp-flow.js';

/** Longer than an entry of the syncache lives. */
const HANDSHAKE_US: Micros = 20 * US_PER_SEC;

/** What all kinds of flows work with. */
export interface FlowContext {
  readonly host: GatewayHost;
  readonly policy: GatewayPolicy;
  readonly unreach: GatewayUnreach;
  readonly stats: GatewayStats;
  readonly tun: GatewayTunables;
  /** A flow began: there is something to sweep. */
  begun(): void;
}

export class GatewayTcp implements TcpForeignDoor {
  readonly waiting = new Chain<TcpFlow>();
  readonly joined = new Chain<TcpFlow>();
  private readonly ctx: FlowContext;
  private readonly tcp: Tcp;
  private readonly sockets: SocketLayer;

  constructor(ctx: FlowContext, tcp: Tcp, sockets: SocketLayer) {
    this.ctx = ctx;
    this.tcp = tcp;
    this.sockets = sockets;
    tcp.foreign = new TcpForeign(tcp, this);
  }

  get now(): Micros {
    return this.tcp.kern.engine.now;
  }

  get count(): number {
    return this.waiting.size + this.joined.size;
  }

  /** SYNs that are kept. */
  get packetsHeld(): number {
    let n = 0;
    for (const flow of this.waiting) if (flow.syn !== null) n++;
    return n;
  }

  outside(fn: () => void): void {
    this.tcp.kern.engine.outside(fn);
  }

  /** TcpForeignDoor */
  claims(ends: TcpEnds): boolean {
    return this.ctx.policy.claims('tcp', ends);
  }

  /** TcpForeignDoor */
  syn(ends: TcpEnds, seg: Segment): number {
    const { ctx } = this;
    const there = this.find(ends);
    if (there !== null) return there.state === FLOW_ANSWERED ? FOREIGN_ADMIT : FOREIGN_DROP;
    const to = ctx.policy.target('tcp', ends);
    if (typeof to === 'number') {
      ctx.stats.prohibited++;
      if (isRefusal(to)) return FOREIGN_REFUSE;
      ctx.unreach.tell(new HeldSyn(seg).m, seg.isV6, to);
      return FOREIGN_HELD;
    }
    // The guest asks again, and there may be room then.
    if (this.waiting.size >= ctx.tun.tcpPendingMax || this.count >= ctx.tun.tcpMax) {
      ctx.stats.tcplimit++;
      return FOREIGN_DROP;
    }
    const flow = new TcpFlow(this, ends.copy(), to, FLOW_CONNECTING);
    flow.syn = new HeldSyn(seg);
    flow.waits = true;
    this.waiting.add(flow);
    ctx.begun();
    flow.host = ctx.host.connect(flow, to);
    return FOREIGN_HELD;
  }

  /** The host is connected: the guest gets its SYN|ACK. */
  answer(flow: TcpFlow): void {
    const { syn } = flow;
    if (flow.state !== FLOW_CONNECTING || syn === null) return;
    const ifp = this.tcp.ip.net.ifByIndex(syn.m.rcvif);
    if (ifp === null) return this.abort(flow);
    flow.syn = null;
    flow.enter(FLOW_ANSWERED);
    this.tcp.foreign?.admit(syn, ifp);
  }

  /** The host could not connect: the guest is told, in the words of whoever refused. */
  refuse(flow: TcpFlow, error: Errno): void {
    const { stats, unreach } = this.ctx;
    if (flow.state !== FLOW_CONNECTING) {
      if (flow.state !== FLOW_GONE) this.abort(flow);
      return;
    }
    const { syn } = flow;
    flow.syn = null;
    flow.host = null;
    const ifp = syn === null ? null : this.tcp.ip.net.ifByIndex(syn.m.rcvif);
    this.forget(flow);
    if (isRefusal(error)) stats.tcprefused++;
    else if (error === ETIMEDOUT) stats.tcptimeout++;
    else stats.tcpunreach++;
    if (syn === null) return;
    if (ifp !== null && isRefusal(error)) this.tcp.foreign?.refuse(syn, ifp);
    else unreach.tell(syn.m, syn.isV6, error);
  }

  /** TcpForeignDoor */
  accept(tp: TcpCb): TcpUser | null {
    const flow = this.find(this.tcp.endsOf(tp));
    if (flow === null || flow.state !== FLOW_ANSWERED) return null;
    const so = this.sockets.adopt(tp);
    if (so === null) {
      this.abort(flow);
      return null;
    }
    this.waiting.delete(flow);
    flow.waits = false;
    this.joined.add(flow);
    this.ctx.stats.tcpflows++;
    flow.watch(so);
    return so;
  }

  /**
   * The host has accepted a connection that is for `addr` and `port` on this side; `from`: where it comes from. ENOBUFS at the limit; what
   * socket(2) and connect(2) answer.
   */
  forward(host: HostTcp, from: HostEnd, addr: SockAddr, port: number): TcpFlow | Errno {
    const { ctx } = this;
    if (this.count >= ctx.tun.tcpMax) {
      ctx.stats.tcplimit++;
      return ENOBUFS;
    }
    const { error, so } = this.sockets.socket(typeof addr === 'number' ? PF_INET : PF_INET6, SOCK_STREAM);
    if (so === null) return error;
    const flow = new TcpFlow(this, new TcpEnds(), from, FLOW_FORWARDING);
    flow.host = host;
    flow.watch(so);
    const refused = so.connect(addr, port);
    if (refused !== 0 && refused !== EINPROGRESS) {
      so.close();
      return refused;
    }
    // It may have been refused already, within the call.
    if (so.closed || so.eof) {
      so.close();
      return ECONNABORTED;
    }
    Object.assign(flow.ends, this.tcp.endsOf(so.tp));
    this.joined.add(flow);
    ctx.stats.tcpin++;
    ctx.begun();
    return flow;
  }

  /** Ends a flow from this side. */
  abort(flow: TcpFlow): void {
    this.forget(flow);
    flow.release();
  }

  forget(flow: TcpFlow): void {
    if (flow.state === FLOW_GONE) return;
    flow.state = FLOW_GONE;
    (flow.waits ? this.waiting : this.joined).delete(flow);
  }

  /** Ends what has taken too long. */
  sweep(): void {
    const { stats, tun } = this.ctx;
    for (const flow of [...this.waiting]) {
      const isConnecting = flow.state === FLOW_CONNECTING;
      if (this.now - flow.since < (isConnecting ? tun.tcpConnectS * US_PER_SEC : HANDSHAKE_US)) continue;
      if (isConnecting) {
        const { host } = flow;
        this.refuse(flow, ETIMEDOUT);
        host?.abort();
      } else {
        stats.tcptimeout++;
        this.abort(flow);
      }
    }
    for (const flow of [...this.joined]) {
      if (flow.state === FLOW_FORWARDING) {
        if (this.now - flow.since < tun.tcpConnectS * US_PER_SEC) continue;
        stats.tcptimeout++;
        this.abort(flow);
      } else if (flow.state === FLOW_JOINED && flow.moved()) flow.since = this.now;
      else if (flow.state === FLOW_JOINED && tun.tcpIdleS > 0 && this.now - flow.since >= tun.tcpIdleS * US_PER_SEC) {
        stats.tcpidle++;
        this.abort(flow);
      }
    }
  }

  close(): void {
    for (const flow of [...this.waiting, ...this.joined]) this.abort(flow);
    this.tcp.foreign?.destroy();
    this.tcp.foreign = null;
  }

  /** The flow between these ends that has no connection yet. */
  private find(ends: TcpEnds): TcpFlow | null {
    for (const flow of this.waiting) if (isSameEnds(flow.ends, ends)) return flow;
    return null;
  }
}

function isSameEnds(a: TcpEnds, b: TcpEnds): boolean {
  return a.fport === b.fport && a.lport === b.lport && a.f3 === b.f3 && a.l3 === b.l3 && a.f2 === b.f2 && a.l2 === b.l2 && a.f1 === b.f1 && a.l1 === b.l1 && a.f0 === b.f0 && a.l0 === b.l0;
}
