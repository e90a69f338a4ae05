/**
 * icmp.ts — class Icmp: ICMP for IPv4 in one vnet.
 * Read first: RFC 792, RFC 1122 §3.2.2; icmp(4); FreeBSD's netinet/ip_icmp.c.
 *
 * The parts: icmp-input.ts takes messages, icmp-reflect.ts sends them back, icmp-error.ts makes errors, icmp-bandlim.ts limits
 * their rate. This object holds their state and is what other layers call.
 *
 * @rfc 792 yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IPPROTO_ICMP } from '../wire/ipproto.js';
import { Bandlim } from './icmp-bandlim.js';
import { icmpSendError } from './icmp-error.js';
import type { IcmpForeignDoor } from './icmp-foreign.js';
import { icmpInput, icmpInputShort } from './icmp-input.js';
import { ICMP_COUNTERS, ICMP_REDIRECT_SYSCTLS, ICMP_SYSCTLS, IcmpStats, IcmpTunables } from './icmp-var.js';
import { IpOptions } from './ip-options.js';
import { IpOutputOpts } from './ip-output.js';
import type { Ip } from './ip.js';
import type { IpProto } from './ip-var.js';
import { WqInput, wqInputSpec } from './wqinput.js';

const ICMP_WQINPUT = wqInputSpec<Icmp>('icmp', (icmp, ifp, m, hlen) => {
  const { softnet } = icmp.ip.net.kern.engine;
  softnet.acquire('icmp_input');
  icmpInput(icmp, ifp, m, hlen);
  softnet.release('icmp_input');
});

export class Icmp implements IpProto {
  readonly ip: Ip;
  private counted: IcmpStats | null = null;
  readonly tun = new IcmpTunables();
  private options: IpOptions | null = null;
  private opts: IpOutputOpts | null = null;
  readonly limits: Bandlim;
  /** Echo requests to addresses that are not ours, of both families, while there is a gateway. */
  foreign: IcmpForeignDoor | null = null;
  /** Messages that are looked at in thread context. */
  readonly wqinput: WqInput<Icmp>;

  constructor(ip: Ip) {
    this.ip = ip;
    const { kern } = ip.net;
    this.limits = new Bandlim(kern, this);
    this.wqinput = new WqInput(kern, ICMP_WQINPUT, this);
    kern.counters.attach(ICMP_COUNTERS, this);
    kern.sysctl.attach(ICMP_SYSCTLS, this.tun);
    kern.sysctl.attach(ICMP_REDIRECT_SYSCTLS, this);
    ip.register(IPPROTO_ICMP, this);
    ip.icmp = this;
  }

  /** Made with the first count. */
  get stats(): IcmpStats {
    return (this.counted ??= new IcmpStats());
  }

  destroy(): void {
    const { kern } = this.ip.net;
    this.ip.icmp = null;
    this.ip.register(IPPROTO_ICMP, null);
    this.wqinput.destroy();
    kern.sysctl.detach(this.tun);
    kern.sysctl.detach(this);
    kern.counters.detach(this);
  }

  /** Options of the reply being sent, when what it answers had some. */
  get replyOptions(): IpOptions {
    return (this.options ??= new IpOptions());
  }

  get replyOpts(): IpOutputOpts {
    this.opts ??= new IpOutputOpts();
    this.opts.options = this.replyOptions;
    return this.opts;
  }

  /** IpProto */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    if (icmpInputShort(this, ifp, m, hlen)) return;
    this.wqinput.input(ifp, m, hlen, IPPROTO_ICMP);
  }

  /** Sends an error about `m` when one may be sent, and frees `m`. See icmp-error.ts for the arguments. */
  error(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg = 0): void {
    icmpSendError(this, ifp, m, type, code, arg);
    m.free();
  }

  /** The same, and `m` stays the caller's. True when a message was sent. */
  sendError(ifp: Ifnet | null, m: PacketBuffer, type: number, code: number, arg = 0): boolean {
    return icmpSendError(this, ifp, m, type, code, arg);
  }

  /** May one more answer of kind BANDLIM_* be sent? 0 yes, -1 no. TCP asks for its resets, too. */
  bandlim(which: number): number {
    return this.limits.check(which);
  }

  /** A message nobody here answers: raw sockets get it. Owns `m`. */
  toRaw(m: PacketBuffer): void {
    const { raw } = this.ip;
    if (raw === null || !raw.deliver(m)) m.free();
  }
}
