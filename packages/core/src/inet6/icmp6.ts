/**
 * icmp6.ts — class Icmp6: ICMPv6 in one vnet.
 * Read first: RFC 4443; icmp6(4); FreeBSD's netinet6/icmp6.c.
 *
 * The parts: icmp6-input.ts takes messages, icmp6-reflect.ts sends them back, icmp6-error.ts makes errors. This object holds their state and is
 * what other layers call. Neighbour discovery and multicast listener discovery take the types they speak with `handle`.
 */
import { IpProtosw, ProtoPlaces } from '../inet/ip-protosw.js';
import { PpsCheck } from '../inet/rate-check.js';
import { WqInput, wqInputSpec } from '../inet/wqinput.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { icmp6SendError } from './icmp6-error.js';
import { icmp6Input, icmp6InputShort } from './icmp6-input.js';
import { ICMP6_COUNTERS, ICMP6_SYSCTLS, Icmp6Stats, Icmp6Tunables } from './icmp6-var.js';
import { Ip6OutputOpts } from './ip6-output.js';
import type { Ip6, Ip6Errors, Ip6Proto } from './ip6.js';

/** Takes messages of the types it has asked for. */
export interface Icmp6Handler {
  /**
   * Thread context. Owns `m`: `m.off` at the IPv6 header, `off` bytes from there to the message, which has its checksum verified, its fixed
   * part, and a code that means something.
   */
  icmp6Input(type: number, ifp: Ifnet, m: PacketBuffer, off: number): void;
}

const ICMP6_PLACES = new ProtoPlaces();

const ICMP6_WQINPUT = wqInputSpec<Icmp6>('icmp6', (icmp6, ifp, m, off) => icmp6Input(icmp6, ifp, m, off));

export class Icmp6 implements Ip6Proto, Ip6Errors {
  readonly ip6: Ip6;
  readonly stats = new Icmp6Stats();
  readonly tun = new Icmp6Tunables();
  readonly errorRate = new PpsCheck();
  readonly echoRate = new PpsCheck();
  /** Messages that are looked at in thread context. */
  readonly wqinput: WqInput<Icmp6>;
  private opts: Ip6OutputOpts | null = null;
  private readonly handlers = new IpProtosw<Icmp6Handler>(ICMP6_PLACES);

  constructor(ip6: Ip6) {
    this.ip6 = ip6;
    const { kern } = ip6.net;
    this.wqinput = new WqInput(kern, ICMP6_WQINPUT, this);
    kern.counters.attach(ICMP6_COUNTERS, this.stats);
    kern.sysctl.attach(ICMP6_SYSCTLS, this.tun);
    ip6.register(IPPROTO_ICMPV6, this);
    ip6.icmp6 = this;
  }

  destroy(): void {
    const { kern } = this.ip6.net;
    this.ip6.icmp6 = null;
    this.ip6.register(IPPROTO_ICMPV6, null);
    this.wqinput.destroy();
    kern.sysctl.detach(this.tun);
    kern.counters.detach(this.stats);
  }

  /** Options of what is sent; made with the first message. */
  get replyOpts(): Ip6OutputOpts {
    return (this.opts ??= new Ip6OutputOpts());
  }

  /** Messages of `type` go to `handler` from now; null: to nobody. */
  handle(type: number, handler: Icmp6Handler | null): void {
    this.handlers.set(type, handler);
  }

  handlerOf(type: number): Icmp6Handler | null {
    return this.handlers.get(type);
  }

  /** Ip6Proto */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    if (icmp6InputShort(this, ifp, m, off)) return;
    this.wqinput.input(ifp, m, off, IPPROTO_ICMPV6);
  }

  /** Ip6Errors */
  error(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): void {
    icmp6SendError(this, ifp, m, type, code, arg);
    m.free();
  }

  /** The same, and `m` stays the caller's. True when a message was sent. */
  sendError(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg: number): boolean {
    return icmp6SendError(this, ifp, m, type, code, arg);
  }

  /** A copy of a message that is answered here, for raw sockets that want it, too; null when none does. `m` stays the caller's. */
  copyForRaw(m: PacketBuffer, off: number): PacketBuffer | null {
    const { raw } = this.ip6;
    return raw !== null && raw.isWanted(m, off, IPPROTO_ICMPV6) ? m.pool.copy(m) : null;
  }

  /** A message nobody here answers: raw sockets get it. Owns `m`. */
  toRaw(m: PacketBuffer, off: number): void {
    const { raw, net } = this.ip6;
    const { softnet } = net.kern.engine;
    softnet.acquire('rip6_input');
    if (raw === null || !raw.deliver(m, off, IPPROTO_ICMPV6)) m.free();
    softnet.release('rip6_input');
  }
}
