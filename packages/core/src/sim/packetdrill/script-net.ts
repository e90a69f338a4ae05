/**
 * script-net.ts — where a script runs: one vnet in virtual time, an interface whose link is the script, and the neighbours that a link needs.
 *
 * Theory of operation. The vnet has the script's local address and a default route to the far end of its link. ARP requests and neighbour solicitations
 * are answered at once, for any address, so that a script sees transport protocols only; what else a stack says about itself (announcements,
 * group membership) is dropped. Every packet sent is kept with its time until `next` takes it.
 *
 * Time moves from one deadline to the next, and stops where a packet is sent: an event of a script that is relative to that packet counts from there.
 */
import { strerror } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { NEVER } from '../../base/time.js';
import { in6Aifaddr } from '../../inet6/in6-control.js';
import { RTF_GATEWAY, RTF_STATIC } from '../../net/route/nexthop.js';
import type { Vnet } from '../../vnet/vnet.js';
import { macParse } from '../../wire/addr.js';
import { ip6Zoned } from '../../wire/addr6.js';
import { ARP_TPA } from '../../wire/arp.js';
import { ETHERTYPE_ARP, ETHER_HDR_LEN, etherType } from '../../wire/ether.js';
import { ICMP6_TYPE, ND_NA_FLAG_OVERRIDE, ND_NA_FLAG_SOLICITED, ND_NA_LEN, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_OPT_TARGET_LINKADDR, ND_TARGET } from '../../wire/icmp6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { craftArp } from '../craft.js';
import { SimNet } from '../sim-net.js';
import { Wire } from '../wire-script.js';
import { emitIp, readIp, viewOf } from './ip-frame.js';
import type { IpHead, IpPacket } from './ip-frame.js';
import { ipEquals, ipFormat, ipNumber } from './peer-address.js';
import type { ScriptConfig } from './script-config.js';

/** A packet that the stack sent. */
export interface SentPacket {
  readonly time: Micros;
  readonly ip: IpPacket;
}

const HOST_MAC = '02:00:00:00:00:01';
const PEER_MAC = '02:00:00:00:00:02';
/** Until addresses have been announced and are known to be nobody else's. */
const SETTLE_US = 10_000_000;
const TRANSPORTS = new Set([IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6]);
/** Of ICMPv6, what is not about neighbours, routers and groups. */
const ICMP6_ERROR_MAX = 129;

const mac = (text: string): Uint8Array => macParse(text) ?? new Uint8Array(6);

export class ScriptNet {
  readonly net: SimNet;
  readonly vnet: Vnet;
  /** Packets that nobody has taken yet. */
  readonly sent: SentPacket[] = [];
  /** When the script began; its times count from here. */
  readonly startUs: Micros;
  private readonly wire: Wire;
  private readonly link = { src: mac(PEER_MAC), dst: mac(HOST_MAC) };

  constructor(config: ScriptConfig, seed: number) {
    this.net = new SimNet(seed);
    this.vnet = this.net.vnet('script');
    this.wire = new Wire(this.net, this.vnet, { mac: HOST_MAC, name: 'tun0', mtu: config.mtu });
    if (config.ipv6) this.configure6(config);
    else this.configure4(config);
    this.advance(this.net.now + SETTLE_US);
    this.sent.length = 0;
    this.startUs = this.net.now;
  }

  private configure4(config: ScriptConfig): void {
    this.net.addr(this.vnet, this.wire.ifp, `${ipFormat(config.local)}/${config.prefixLen}`);
    this.net.route(this.vnet, 'default', ipFormat(config.gateway));
  }

  private configure6(config: ScriptConfig): void {
    const { ifp } = this.wire;
    const error = this.net.kernel.call(this.net.now, () => {
      const failed = in6Aifaddr(this.vnet.in6Net, ifp, { addr: config.local, plen: config.prefixLen });
      if (failed !== 0) return failed;
      const gateway = ip6Zoned(config.gateway, ifp.index);
      return this.vnet.routes.add({ fib: 0, family: 'inet6', dst: new Uint8Array(16), plen: 0, gateway, flags: RTF_GATEWAY | RTF_STATIC });
    });
    if (error !== 0) throw new Error(`${ipFormat(config.local)}: ${strerror(error)}`);
  }

  /** Time since the script began. */
  get nowUs(): Micros {
    return this.net.now - this.startUs;
  }

  /** Runs what is due, answers neighbours, and keeps what was sent. */
  settle(): void {
    for (let frames = this.wire.take(); frames.length > 0; frames = this.wire.take()) {
      for (const { time, bytes } of frames) this.frame(time, bytes);
    }
  }

  private frame(time: Micros, bytes: Uint8Array): void {
    const view = viewOf(bytes);
    if (bytes.length >= ETHER_HDR_LEN && etherType(view, 0) === ETHERTYPE_ARP) {
      this.answerArp(bytes);
      return;
    }
    const ip = readIp(bytes);
    if (ip === null || !TRANSPORTS.has(ip.proto)) return;
    const type = ip.payload[ICMP6_TYPE] ?? 0;
    if (ip.proto === IPPROTO_ICMPV6 && type === ND_NEIGHBOR_SOLICIT) this.answerSolicit(ip);
    if (ip.proto === IPPROTO_ICMPV6 && type > ICMP6_ERROR_MAX) return;
    this.sent.push({ time: time - this.startUs, ip: { ...ip, payload: ip.payload.slice() } });
  }

  private answerArp(bytes: Uint8Array): void {
    const wanted = bytes.slice(ETHER_HDR_LEN + ARP_TPA, ETHER_HDR_LEN + ARP_TPA + 4);
    const asker = bytes.slice(ETHER_HDR_LEN + 14, ETHER_HDR_LEN + 18);
    if (ipEquals(wanted, asker) || ipNumber(asker) === 0) return; // the stack's own announcement
    this.wire.in(craftArp({ src: PEER_MAC, dst: HOST_MAC }, 2, PEER_MAC, ipFormat(wanted), HOST_MAC, ipFormat(asker)));
  }

  private answerSolicit(ip: IpPacket): void {
    if (ip.src.every((x) => x === 0)) return; // is this address mine? it is
    const target = ip.payload.slice(ND_TARGET, ND_TARGET + 16);
    const body = new Uint8Array(ND_NA_LEN + 8);
    viewOf(body).setUint8(ICMP6_TYPE, ND_NEIGHBOR_ADVERT);
    viewOf(body).setUint32(4, ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE);
    body.set(target, ND_TARGET);
    body.set([ND_OPT_TARGET_LINKADDR, 1, ...mac(PEER_MAC)], ND_NA_LEN);
    this.wire.in(emitIp(this.link, { src: target, dst: ip.src, proto: IPPROTO_ICMPV6, tos: 0, ttl: 255, flowLabel: 0 }, body));
  }

  /** A packet arrives. */
  inject(head: IpHead, payload: Uint8Array): void {
    this.wire.in(emitIp(this.link, head, payload));
    this.settle();
  }

  /** Time passes up to `until` (of the kernel's clock), or to where `stop` says so. */
  advance(until: Micros, stop: () => boolean = () => false): void {
    this.settle();
    while (!stop()) {
      const at = this.net.kernel.nextDeadline();
      if (at > until) break;
      this.net.step();
      this.settle();
    }
    if (!stop() && until !== NEVER && until > this.net.now) this.net.run(until - this.net.now);
  }

  /** Takes the link away. */
  destroy(): void {
    this.wire.destroy();
  }
}

