/**
 * carp6.ts — class In6Carp: CARP over IPv6. Advertisements come and go with next header 112; addresses become usable and are announced.
 * Read first: carp(4); net/carp/carp-vhid.ts; FreeBSD's netinet/ip_carp.c (carp6_input, carp_send_ad_locked, carp_send_na).
 *
 * Theory of operation. As over IPv4 (inet/carp4.ts): input is looked at in thread context; an advertisement to ff02::12 leaves through the vhid's
 * interface with the virtual host's link address, one to a peer is routed, or stays on the link when the peer is link-local. Its source is an
 * ordinary address of the interface of the destination's scope. An address of a vhid is not verified for duplicates: every host of the
 * group has it.
 *
 * Invariants: after `destroy` nothing waits. Not here: the election (net/carp); neighbour solicitations and advertisements (nd6).
 */
import type { Errno } from '../base/errno.js';
import { WqInput, wqInputSpec } from '../inet/wqinput.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { carpInput } from '../net/carp/carp-input.js';
import { CARP_NOMEM } from '../net/carp/carp-var.js';
import type { CarpFamily } from '../net/carp/carp-var.js';
import type { CarpVhid } from '../net/carp/carp-vhid.js';
import type { Carp } from '../net/carp/carp.js';
import type { IfAddr } from '../net/ifaddr.js';
import { ifaPreferred } from '../net/ifaddr.js';
import { AF_INET6 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6IsLinkLocal, ip6IsMulticast, ip6NeedsZone, ip6Plain, ip6W0Zoned, IN6ADDR_CARP_GROUP } from '../wire/addr6.js';
import { CARP_DFLTTL, CARP_HDR_LEN } from '../wire/carp.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit, ip6Hlim } from '../wire/ip6.js';
import { IPPROTO_CARP } from '../wire/ipproto.js';
import { in6CarpUnusable, in6CarpUsable, in6JoinGroup, in6LeaveGroup } from './in6-control.js';
import { In6Ifaddr } from './in6-ifaddr.js';
import { Ip6OutputOpts } from './ip6-output.js';
import type { Ip6 } from './ip6.js';
import type { Ip6Proto } from './ip6-var.js';

/** Where DSCP is in the traffic class. */
const DSCP_SHIFT = 2;
const CARP6_WQINPUT = wqInputSpec<In6Carp>('carp6', ({ carp }, ifp, m, off) => {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const w0 = ip6W0Zoned(v, s, ifp.index);
  const isSource = (ifa: IfAddr): boolean => ifa instanceof In6Ifaddr && ifa.is(w0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
  carpInput(carp, ifp, m, m.off + off, AF_INET6, ip6Hlim(v, m.off), isSource);
});

export class In6Carp implements CarpFamily, Ip6Proto {
  readonly af = AF_INET6;
  readonly ip6: Ip6;
  readonly carp: Carp;
  readonly wqinput: WqInput<In6Carp>;
  private made: Ip6OutputOpts | null = null;

  constructor(ip6: Ip6, carp: Carp) {
    this.ip6 = ip6;
    this.carp = carp;
    this.wqinput = new WqInput(carp.kern, CARP6_WQINPUT, this);
    carp.inet6 = this;
    ip6.in6Net.carp = carp;
    ip6.register(IPPROTO_CARP, this);
  }

  destroy(): void {
    this.ip6.register(IPPROTO_CARP, null);
    this.ip6.in6Net.carp = null;
    this.carp.inet6 = null;
    this.wqinput.destroy();
  }

  /** Ip6Proto */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    this.carp.stats.ipackets6++;
    this.wqinput.input(ifp, m, off, IPPROTO_CARP);
  }

  private get opts(): Ip6OutputOpts {
    if (this.made !== null) return this.made;
    this.made = new Ip6OutputOpts();
    this.made.mcastHops = CARP_DFLTTL;
    this.made.mcastLoop = false;
    return this.made;
  }

  /** CarpFamily */
  join(ifp: Ifnet): Errno {
    return in6JoinGroup(this.ip6.in6Net, ifp, IN6ADDR_CARP_GROUP);
  }

  leave(ifp: Ifnet): void {
    in6LeaveGroup(this.ip6.in6Net, ifp, IN6ADDR_CARP_GROUP);
  }

  usable(ifa: IfAddr): void {
    if (ifa instanceof In6Ifaddr) in6CarpUsable(this.ip6.in6Net, ifa);
  }

  unusable(ifa: IfAddr): void {
    if (ifa instanceof In6Ifaddr) in6CarpUnusable(this.ip6.in6Net, ifa);
  }

  sendAd(vh: CarpVhid): Errno {
    const { ip6, carp, opts } = this;
    const { ifp, peer6 } = vh;
    const m = carp.kern.engine.pool.alloc(IP6_HDR_LEN + CARP_HDR_LEN);
    if (m === null) {
      carp.stats.onomem++;
      return CARP_NOMEM;
    }
    const source = bestSource(ifp, ip6NeedsZone(peer6));
    ip6Emit(m.view, m.off, carp.dscp << DSCP_SHIFT, 0, CARP_HDR_LEN, IPPROTO_CARP, CARP_DFLTTL);
    putBytes(m.view, m.off + IP6_SRC, source === null ? null : ip6Plain(source.addr));
    putBytes(m.view, m.off + IP6_DST, peer6);
    vh.emit(m.view, m.off + IP6_HDR_LEN);
    m.fib = ifp.fib;
    if (ip6IsMulticast(peer6)) m.vhid = vh.vhid;
    opts.mcastIfp = ifp;
    opts.ifp = ip6NeedsZone(peer6) ? ifp : null;
    carp.stats.opackets6++;
    return ip6.output(m, 0, opts);
  }

  announce(vh: CarpVhid): void {
    for (const ifa of vh.ifas) if (ifa instanceof In6Ifaddr) this.ip6.in6Net.nd?.announce?.(ifa);
  }
}

/** An address of `ifp` to advertise from, of the destination's scope when there is one, ordinary rather than virtual. */
function bestSource(ifp: Ifnet, onLink: boolean): In6Ifaddr | null {
  let best: In6Ifaddr | null = null;
  for (const ifa of ifp.addrs) {
    if (!(ifa instanceof In6Ifaddr) || !ifa.isReady) continue;
    const fits = ip6IsLinkLocal(ifa.addr) === onLink;
    const bestFits = best !== null && ip6IsLinkLocal(best.addr) === onLink;
    if (best === null || (fits && !bestFits) || (fits === bestFits && ifaPreferred(best, ifa))) best = ifa;
  }
  return best;
}

function putBytes(v: DataView, at: number, addr: Uint8Array | null): void {
  for (let i = 0; i < 16; i++) v.setUint8(at + i, addr === null ? 0 : addr[i]!);
}
