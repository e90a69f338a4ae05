/**
 * carp4.ts — class InCarp: CARP over IPv4. Advertisements come and go with protocol 112; addresses become usable and are announced by ARP.
 * Read first: carp(4); net/carp/carp-vhid.ts; FreeBSD's netinet/ip_carp.c (carp_input, carp_send_ad_locked, carp_send_arp).
 *
 * Theory of operation. What comes in is looked at in thread context (wqinput.ts), because it may change routes. An advertisement to the group leaves through the vhid's interface whatever the routes say, with the virtual host's link address as its source, so
 * that switches learn where the master is; one to a single peer is routed like any packet and has the interface's.
 * Its IP source is an ordinary address of the interface when there is one.
 *
 * Invariants: after `destroy` nothing waits. Not here: the election (net/carp).
 */
import type { Errno } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { carpInput } from '../net/carp/carp-input.js';
import { CARP_NOMEM } from '../net/carp/carp-var.js';
import type { CarpFamily } from '../net/carp/carp-var.js';
import type { CarpVhid } from '../net/carp/carp-vhid.js';
import type { Carp } from '../net/carp/carp.js';
import type { IfAddr } from '../net/ifaddr.js';
import { AF_INET } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { isIfAddr4 } from '../net/route/ifa-lookup.js';
import { INADDR_CARP_GROUP, ip4IsMulticast } from '../wire/addr.js';
import { CARP_DFLTTL, CARP_HDR_LEN } from '../wire/carp.js';
import { IP4_HDR_LEN, IP4_TTL, IP_DF, ip4Emit, ip4Src } from '../wire/ip4.js';
import { IPPROTO_CARP } from '../wire/ipproto.js';
import { inCarpUnusable, inCarpUsable } from './in-control.js';
import { inJoinGroup, inLeaveGroup } from './in-mcast.js';
import { InIfaddr } from './in-ifaddr.js';
import { IP_RAWOUTPUT, IpOutputOpts } from './ip-output.js';
import type { Ip } from './ip.js';
import type { IpProto } from './ip-var.js';
import { WqInput, wqInputSpec } from './wqinput.js';

/** Where DSCP is in the type of service. */
const DSCP_SHIFT = 2;

const CARP_WQINPUT = wqInputSpec<InCarp>('carp', ({ carp }, ifp, m, hlen) => {
  const v = m.view;
  const src = ip4Src(v, m.off);
  carpInput(carp, ifp, m, m.off + hlen, AF_INET, v.getUint8(m.off + IP4_TTL), (ifa) => isIfAddr4(ifa) && ifa.addr === src);
});

export class InCarp implements CarpFamily, IpProto {
  readonly af = AF_INET;
  readonly ip: Ip;
  readonly carp: Carp;
  readonly wqinput: WqInput<InCarp>;
  private made: IpOutputOpts | null = null;

  constructor(ip: Ip, carp: Carp) {
    this.ip = ip;
    this.carp = carp;
    this.wqinput = new WqInput(carp.kern, CARP_WQINPUT, this);
    carp.inet = this;
    ip.inNet.carp = carp;
    ip.register(IPPROTO_CARP, this);
  }

  destroy(): void {
    this.ip.register(IPPROTO_CARP, null);
    this.ip.inNet.carp = null;
    this.carp.inet = null;
    this.wqinput.destroy();
  }

  /** IpProto */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    this.carp.stats.ipackets++;
    this.wqinput.input(ifp, m, hlen, IPPROTO_CARP);
  }

  private get opts(): IpOutputOpts {
    if (this.made !== null) return this.made;
    this.made = new IpOutputOpts();
    this.made.mcastTtl = CARP_DFLTTL;
    this.made.mcastLoop = false;
    return this.made;
  }

  /** CarpFamily */
  join(ifp: Ifnet): Errno {
    return inJoinGroup(this.ip.inNet, ifp, INADDR_CARP_GROUP);
  }

  leave(ifp: Ifnet): void {
    inLeaveGroup(this.ip.inNet, ifp, INADDR_CARP_GROUP);
  }

  usable(ifa: IfAddr): void {
    if (ifa instanceof InIfaddr) inCarpUsable(this.ip.inNet, ifa);
  }

  unusable(ifa: IfAddr): void {
    if (ifa instanceof InIfaddr) inCarpUnusable(this.ip.inNet, ifa);
  }

  sendAd(vh: CarpVhid): Errno {
    const { ip, carp, opts } = this;
    const len = IP4_HDR_LEN + CARP_HDR_LEN;
    const m = carp.kern.engine.pool.alloc(len);
    if (m === null) {
      carp.stats.onomem++;
      return CARP_NOMEM;
    }
    const source = ip.inNet.bestAddr(vh.ifp)?.addr ?? 0;
    ip4Emit(m.view, m.off, IP4_HDR_LEN, carp.dscp << DSCP_SHIFT, len, 0, IP_DF, CARP_DFLTTL, IPPROTO_CARP, source, vh.peer);
    vh.emit(m.view, m.off + IP4_HDR_LEN);
    m.fib = vh.ifp.fib;
    if (ip4IsMulticast(vh.peer)) m.vhid = vh.vhid;
    carp.stats.opackets++;
    opts.mcastIfp = vh.ifp;
    return ip.output(m, IP_RAWOUTPUT, opts);
  }

  announce(vh: CarpVhid): void {
    for (const ifa of vh.ifas) if (ifa instanceof InIfaddr) this.ip.arp?.announce(ifa);
  }
}
