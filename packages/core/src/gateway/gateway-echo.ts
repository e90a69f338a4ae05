/**
 * gateway-echo.ts — GatewayEcho: echo requests of guests, sent by the host.
 * Read first: inet/icmp-foreign.ts (how they come); RFC 792, RFC 4443 §4.
 *
 * Theory of operation. A sender, its identifier and the address it asks are a flow; the host has an identifier of its own for it. Requests are not kept: an
 * answer brings its sequence number and data back, and the reply is made of that. Where the host may send no echo requests, the guest is told that it is
 * prohibited, which says more than silence: the host, and not the net, is what it does not get through.
 */
import { Chain } from '../base/chain.js';
import { EACCES } from '../base/errno.js';
import type { Errno } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { Icmp } from '../inet/icmp.js';
import type { IcmpForeignDoor } from '../inet/icmp-foreign.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { putBytes } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { TcpEnds } from '../tcp/tcp-ends.js';
import { ip6PutWords } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_CKSUM, ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST } from '../wire/icmp6.js';
import { ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MINLEN, icmp4PutSum } from '../wire/icmp4.js';
import { IP4_HDR_LEN, IP_MAXPACKET, ip4Emit } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import type { EchoFlowDoor, HostEcho, HostEnd } from './gateway-host.js';
import type { FlowContext } from './gateway-tcp.js';

/** Of both families' messages. */
const ECHO_ID = 4;
const ECHO_SEQ = 6;

export class EchoFlow implements EchoFlowDoor {
  chainNext: EchoFlow | null = null;
  chainPrev: EchoFlow | null = null;
  /** The guest is the foreign end; both ports are its identifier. */
  readonly ends: TcpEnds;
  readonly to: HostEnd;
  host: HostEcho | null = null;
  since: Micros;
  gone = false;
  /** The last request, for what an error quotes. */
  seq = 0;
  private readonly all: GatewayEcho;

  constructor(all: GatewayEcho, ends: TcpEnds, to: HostEnd) {
    this.all = all;
    this.ends = ends;
    this.to = to;
    this.since = all.now;
  }

  /** EchoFlowDoor */
  reply(seq: number, data: Uint8Array): void {
    this.all.outside(() => {
      if (!this.gone) this.all.toGuest(this, seq, data);
    });
  }

  /** EchoFlowDoor */
  failed(error: Errno): void {
    this.all.outside(() => {
      if (!this.gone) this.all.tell(this.ends, this.seq, error);
    });
  }
}

export class GatewayEcho implements IcmpForeignDoor {
  readonly flows = new Chain<EchoFlow>();
  private readonly ctx: FlowContext;
  private readonly icmp: Icmp;
  private readonly ip6: Ip6;
  private readonly ends = new TcpEnds();

  constructor(ctx: FlowContext, icmp: Icmp, ip6: Ip6) {
    this.ctx = ctx;
    this.icmp = icmp;
    this.ip6 = ip6;
    icmp.foreign = this;
    ip6.foreign = this;
  }

  get now(): Micros {
    return this.ip6.net.kern.engine.now;
  }

  outside(fn: () => void): void {
    this.ip6.net.kern.engine.outside(fn);
  }

  /** IcmpForeignDoor */
  echo(ifp: Ifnet, m: PacketBuffer, isV6: boolean, off: number): void {
    const { stats } = this.ctx;
    const id = m.view.getUint16(m.off + off + ECHO_ID);
    const seq = m.view.getUint16(m.off + off + ECHO_SEQ);
    m.nhoff = m.off;
    const flow = this.flowOf(this.ends.ofSegment({ m, ifp, isV6, sport: id, dport: id }));
    if (flow === null) return m.free();
    if (typeof flow === 'number') {
      this.ctx.unreach.tell(m, isV6, flow);
      return;
    }
    flow.since = this.now;
    flow.seq = seq;
    m.adj(off + ICMP_MINLEN);
    stats.echoes++;
    if (flow.host === null || !flow.host.send(seq, m)) m.free();
  }

  /** The flow of a request; an Errno: its sender is to be told; null: there is no room. */
  private flowOf(ends: TcpEnds): EchoFlow | Errno | null {
    const { ctx } = this;
    for (const flow of this.flows) if (isSame(flow.ends, ends)) return flow;
    const to = ctx.policy.target('echo', ends);
    if (typeof to === 'number') {
      ctx.stats.prohibited++;
      return to;
    }
    if (this.flows.size >= ctx.tun.echoMax) {
      ctx.stats.echolimit++;
      return null;
    }
    const flow = new EchoFlow(this, ends.copy(), { ...to, port: 0 });
    flow.host = ctx.host.ping(flow, flow.to);
    if (flow.host === null) {
      ctx.stats.echodenied++;
      return EACCES;
    }
    this.flows.add(flow);
    ctx.begun();
    return flow;
  }

  toGuest(flow: EchoFlow, seq: number, data: Uint8Array): void {
    const { ends } = flow;
    const header = ends.isV6 ? IP6_HDR_LEN : IP4_HDR_LEN;
    const m = header + ICMP_MINLEN + data.length > IP_MAXPACKET ? null : this.ip6.net.kern.engine.pool.alloc(header + ICMP_MINLEN + data.length);
    if (m === null) return;
    flow.since = this.now;
    this.ctx.stats.echoreplies++;
    m.fib = ends.fib;
    const at = m.off + header;
    putEcho(m.view, at, ends.isV6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY, ends.fport, seq);
    putBytes(m.buf, at + ICMP_MINLEN, data, 0, data.length);
    if (ends.isV6) this.output6(m, ends);
    else this.output4(m, ends);
  }

  private output4(m: PacketBuffer, e: TcpEnds): void {
    const { ip } = this.icmp;
    ip4Emit(m.view, m.off, IP4_HDR_LEN, 0, m.len, 0, 0, ip.tun.ttl, IPPROTO_ICMP, e.laddr, e.faddr);
    icmp4PutSum(m.view, m.off + IP4_HDR_LEN, m.len - IP4_HDR_LEN);
    ip.output(m);
  }

  private output6(m: PacketBuffer, e: TcpEnds): void {
    const v = m.view;
    const len = m.len - IP6_HDR_LEN;
    ip6Emit(v, m.off, 0, 0, len, IPPROTO_ICMPV6, this.ip6.tun.hlim);
    ip6PutWords(v, m.off + IP6_SRC, e.l0, e.l1, e.l2, e.l3);
    ip6PutWords(v, m.off + IP6_DST, e.f0, e.f1, e.f2, e.f3);
    const at = m.off + IP6_HDR_LEN;
    v.setUint16(at + ICMP6_CKSUM, inCksum6(v, at, len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_ICMPV6));
    this.ip6.output(m);
  }

  tell(ends: TcpEnds, seq: number, error: Errno): void {
    const type = ends.isV6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    this.ctx.unreach.tellOf(ends, ends.isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, error, (v, at) => putEcho(v, at, type, ends.fport, seq));
  }

  end(flow: EchoFlow): void {
    if (flow.gone) return;
    flow.gone = true;
    this.flows.delete(flow);
    flow.host?.close();
    flow.host = null;
  }

  sweep(): void {
    const limit = this.ctx.tun.echoWaitS * US_PER_SEC;
    for (const flow of [...this.flows]) if (this.now - flow.since >= limit) this.end(flow);
  }

  close(): void {
    for (const flow of [...this.flows]) this.end(flow);
    this.icmp.foreign = null;
    this.ip6.foreign = null;
  }
}

/** A message without a checksum yet. */
function putEcho(v: DataView, at: number, type: number, id: number, seq: number): void {
  v.setUint32(at, (type << 24) >>> 0);
  v.setUint16(at + ECHO_ID, id);
  v.setUint16(at + ECHO_SEQ, seq);
}

function isSame(a: TcpEnds, b: TcpEnds): boolean {
  return a.fport === b.fport && a.isV6 === b.isV6 && a.f3 === b.f3 && a.l3 === b.l3 && a.f2 === b.f2 && a.l2 === b.l2 && a.f1 === b.f1 && a.l1 === b.l1 && a.f0 === b.f0 && a.l0 === b.l0;
}
