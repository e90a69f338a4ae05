/**
 * ipfw-world.ts — IpfwVnet: what rules ask of their vnet.
 * Read first: ipfw-match.ts, IpfwWorld; ipfw(8) "verrevpath", "versrcreach", "antispoof", "me".
 */
import type { Prng } from '../../base/prng.js';
import { InIfaddr } from '../../inet/in-ifaddr.js';
import type { InNet } from '../../inet/in-net.js';
import type { In6Net } from '../../inet6/in6-net.js';
import type { Ifnet } from '../../net/ifnet.js';
import { RTF_BLACKHOLE, RTF_REJECT } from '../../net/route/nexthop.js';
import { ip6InPrefix, ip6W0IsLinkLocal } from '../../wire/addr6.js';
import type { IpfwArgs } from './ipfw-args.js';
import type { IpfwWorld } from './ipfw-match.js';
import { NO_VALUE } from './ipfw-table-value.js';
import type { IpfwTableValue } from './ipfw-table-value.js';

export class IpfwVnet implements IpfwWorld {
  tablearg: IpfwTableValue = NO_VALUE;
  readonly rng: Prng;
  private readonly inNet: InNet;
  private readonly in6Net: In6Net;
  private readonly bytes = new Uint8Array(16);
  private readonly scratch = new DataView(this.bytes.buffer);

  constructor(inNet: InNet, in6Net: In6Net, rng: Prng) {
    this.inNet = inNet;
    this.in6Net = in6Net;
    this.rng = rng;
  }

  isLocal4(addr: number): boolean {
    return this.inNet.isLocal(addr);
  }

  /** A link-local address counts on whichever link we have it. */
  isLocal6(w0: number, w1: number, w2: number, w3: number): boolean {
    if (w0 >>> 24 === 0xff) return false;
    if (!ip6W0IsLinkLocal(w0)) return this.in6Net.isLocal(w0, w1, w2, w3);
    for (const ia of this.in6Net.addrs) if (ia.k3 === w3 && ia.k2 === w2 && ia.k1 === w1 && (ia.k0 & ~0xffff) === (w0 & ~0xffff)) return true;
    return false;
  }

  hasAddr4(ifp: Ifnet, addr: number): boolean {
    const { addrs } = ifp;
    for (let i = 0; i < addrs.length; i++) {
      const ifa = addrs[i]!;
      if (ifa instanceof InIfaddr && (ifa.addr | 0) === addr) return true;
    }
    return false;
  }

  routeBack(a: IpfwArgs, ifp: Ifnet | null): boolean {
    const { routes } = this.inNet;
    if (a.is6 && ip6W0IsLinkLocal(a.s0)) return true;
    const nh = a.is4 ? routes.lookup4(a.fib, a.src >>> 0, 0) : a.is6 ? routes.lookup6(a.fib, a.s0, a.s1, a.s2, a.s3, 0) : null;
    if (nh === null) return false;
    if (ifp !== null) return nh.ifp === ifp || (nh.ifa !== null && nh.ifa.ifp === ifp);
    if ((nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) return false;
    const rt = a.is4 ? routes.get4(a.fib, a.src >>> 0) : routes.get6(a.fib, this.source6(a));
    return rt !== null && rt.plen > 0;
  }

  isOnLink(a: IpfwArgs): boolean {
    if (a.is4) return this.inNet.addrs.some((ia) => ((ia.addr ^ a.src) & ia.mask) === 0);
    if (!a.is6) return false;
    const src = this.source6(a);
    return this.in6Net.prefixes.some((pr) => ip6InPrefix(src, pr.prefix, pr.plen));
  }

  /** The source as bytes; good until the next call. */
  private source6(a: IpfwArgs): Uint8Array {
    const { scratch } = this;
    scratch.setInt32(0, a.s0);
    scratch.setInt32(4, a.s1);
    scratch.setInt32(8, a.s2);
    scratch.setInt32(12, a.s3);
    return this.bytes;
  }

  rcvif(a: IpfwArgs): Ifnet | null {
    if (a.isIn) return a.ifp;
    return a.m.rcvif === 0 ? null : this.inNet.net.ifByIndex(a.m.rcvif);
  }
}
