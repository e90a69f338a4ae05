/**
 * gateway-udp.ts — GatewayUdp: the flows of datagrams of a gateway.
 * Read first: udp-flow.ts; transport/udp-foreign.ts (how they come).
 *
 * Theory of operation. The first datagram between two ends makes a flow with a socket of the host, connected to the other side, so that what the host
 * learns by ICMP is learned by the flow; a flow on which nothing has moved for a while is forgotten. At the limit the flow that has been quiet for
 * the longest gives way, if it has been quiet for a second at least: a guest that asks many names still gets its answers.
 */
import { Chain } from '../base/chain.js';
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, ENOBUFS } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { SockAddr } from '../socket/socket-in6.js';
import { TcpEnds } from '../tcp/tcp-ends.js';
import { In6Pcb } from '../transport/in6-pcb.js';
import { InPcb } from '../transport/inpcb.js';
import type { PcbUser } from '../transport/inpcb.js';
import type { UdpForeignDoor } from '../transport/udp-foreign.js';
import { UDP_PAYLOAD_MAX } from '../transport/udp.js';
import type { Udp } from '../transport/udp.js';
import type { Udp6 } from '../transport/udp6.js';
import { ip6OfWords } from '../wire/addr6.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, udpEmit } from '../wire/udp.js';
import type { HostEnd, HostUdp } from './gateway-host.js';
import type { FlowContext } from './gateway-tcp.js';
import { UdpFlow } from './udp-flow.js';

const DNS_PORT = 53;
/** A flow this quiet may give way to another. */
const QUIET_US: Micros = US_PER_SEC;

/** Takes datagrams for which there is no room: their sender is told nothing. */
class Sink implements PcbUser {
  pcbInput(m: PacketBuffer): boolean {
    m.free();
    return false;
  }

  pcbError(): void {}
}

export class GatewayUdp implements UdpForeignDoor {
  readonly flows = new Chain<UdpFlow>();
  private readonly ctx: FlowContext;
  private readonly udp: Udp;
  private readonly udp6: Udp6;
  private readonly ends = new TcpEnds();
  private readonly sink = new InPcb(new Sink());

  constructor(ctx: FlowContext, udp: Udp, udp6: Udp6) {
    this.ctx = ctx;
    this.udp = udp;
    this.udp6 = udp6;
    udp.foreign = this;
  }

  get now(): Micros {
    return this.udp.ip.net.kern.engine.now;
  }

  outside(fn: () => void): void {
    this.udp.ip.net.kern.engine.outside(fn);
  }

  /** UdpForeignDoor */
  pcbFor(ifp: Ifnet, m: PacketBuffer, isV6: boolean, sport: number, dport: number): InPcb | null {
    const { ctx } = this;
    const ends = this.ends.ofSegment({ m, ifp, isV6, sport, dport });
    if (!ifp.takesAny && !ctx.policy.claims('udp', ends)) return null;
    const to = ctx.policy.target('udp', ends);
    if (typeof to === 'number') {
      ctx.stats.prohibited++;
      this.tell(ends, to);
      return this.sink;
    }
    if (!this.makeRoom()) return this.sink;
    const flow = new UdpFlow(this, ends.copy(), to, false);
    const inp = isV6 ? this.connect6(flow) : this.connect4(flow);
    if (inp === null) return this.sink;
    this.add(flow, inp);
    ctx.stats.udpflows++;
    flow.host = ctx.host.open(flow, to);
    return inp;
  }

  /**
   * The host has got a datagram that is for `addr` and `port` on this side; `from`: where it comes from. ENOBUFS at the limit; what connect(2) answers.
   */
  forward(host: HostUdp, from: HostEnd, addr: SockAddr, port: number): UdpFlow | Errno {
    if (!this.makeRoom()) return ENOBUFS;
    const flow = new UdpFlow(this, new TcpEnds(), from, true);
    const inp = typeof addr === 'number' ? this.udp.attach(flow, 0) : this.udp6.attach(flow, 0);
    const error = inp instanceof In6Pcb ? (typeof addr === 'number' ? EADDRNOTAVAIL : this.udp6.connect(inp, addr, port)) : typeof addr === 'number' ? this.udp.connect(inp, addr, port) : EADDRNOTAVAIL;
    if (error !== 0) {
      this.detach(inp);
      return error;
    }
    if (inp instanceof In6Pcb) flow.ends.ofPcb6(inp);
    else flow.ends.ofPcb4(inp);
    flow.host = host;
    this.add(flow, inp);
    this.ctx.stats.udpin++;
    return flow;
  }

  /** A datagram of the host for the guest. */
  toGuest(inp: InPcb, data: Uint8Array): void {
    const m = data.length > UDP_PAYLOAD_MAX ? null : this.udp.ip.net.kern.engine.pool.from(data);
    if (m === null) return this.dropped();
    const error = inp instanceof In6Pcb ? this.udp6.send(inp, m, null, 0) : this.udp.send(inp, m, 0, 0);
    if (error !== 0) this.dropped();
  }

  dropped(): void {
    this.ctx.stats.udpdropped++;
  }

  /** The other side refused; the guest is told. */
  refused(flow: UdpFlow, error: Errno): void {
    this.ctx.stats.udprefused++;
    if (!flow.isForward) this.tell(flow.ends, error);
  }

  end(flow: UdpFlow): void {
    const { inp, host } = flow;
    if (inp === null) return;
    flow.inp = null;
    flow.host = null;
    this.flows.delete(flow);
    this.detach(inp);
    host?.close();
  }

  /** Forgets what has been quiet for long. */
  sweep(): void {
    const { stats, tun } = this.ctx;
    for (const flow of [...this.flows]) {
      const limit = (flow.to.port === DNS_PORT && !flow.isForward ? tun.udpDnsIdleS : tun.udpIdleS) * US_PER_SEC;
      if (this.now - flow.since < limit) continue;
      stats.udpidle++;
      this.end(flow);
    }
  }

  close(): void {
    for (const flow of [...this.flows]) this.end(flow);
    this.udp.foreign = null;
  }

  private add(flow: UdpFlow, inp: InPcb): void {
    flow.inp = inp;
    this.flows.add(flow);
    this.ctx.begun();
  }

  /** Is there room for another flow? The quietest gives way. */
  private makeRoom(): boolean {
    const { stats, tun } = this.ctx;
    if (this.flows.size < tun.udpMax) return true;
    stats.udplimit++;
    let quietest: UdpFlow | null = null;
    for (const flow of this.flows) if (quietest === null || flow.since < quietest.since) quietest = flow;
    if (quietest === null || this.now - quietest.since < QUIET_US) return false;
    this.end(quietest);
    return true;
  }

  private connect4(flow: UdpFlow): InPcb | null {
    const e = flow.ends;
    const inp = this.udp.attach(flow, e.fib);
    inp.lport = e.lport;
    return this.connected(inp, this.udp.pcbs.connect(inp, e.laddr, e.faddr, e.fport));
  }

  private connect6(flow: UdpFlow): InPcb | null {
    const e = flow.ends;
    const inp = this.udp6.attach(flow, e.fib);
    inp.lport = e.lport;
    return this.connected(inp, this.udp6.pcbs.connect(inp, ip6OfWords(e.l0, e.l1, e.l2, e.l3), ip6OfWords(e.f0, e.f1, e.f2, e.f3), e.fport));
  }

  private connected(inp: InPcb, error: Errno): InPcb | null {
    if (error === 0) return inp;
    inp.lport = 0;
    this.detach(inp);
    return null;
  }

  private detach(inp: InPcb): void {
    if (inp instanceof In6Pcb) this.udp6.detach(inp);
    else this.udp.detach(inp);
  }

  private tell(ends: TcpEnds, error: Errno): void {
    this.ctx.unreach.tellOf(ends, IPPROTO_UDP, error, (v, at) => udpEmit(v, at, ends.fport, ends.lport, UDP_HDR_LEN, 0));
  }
}
