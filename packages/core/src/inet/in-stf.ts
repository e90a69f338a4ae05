/**
 * in-stf.ts — IPv4 as the carrier of stf: IPv6 in IPv4, protocol 41.
 * Read first: net/stf.ts, inet/ip-encap.ts; RFC 4213 §3; freebsd `sys/net/if_stf.c`.
 *
 * Made after in-gif.ts, so that a gif that knows both ends of a packet gets it before an stf that knows one.
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_BROADCAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { stfVnet } from '../net/stf.js';
import type { StfCarrier } from '../net/stf.js';
import { refuse } from '../net/tunnel-softc.js';
import { IP4_HDR_LEN, ip4Dst, ip4Emit, ip4Src } from '../wire/ip4.js';
import { IPPROTO_IPV6 } from '../wire/ipproto.js';
import { encapAttach, encapDetach } from './ip-encap.js';
import type { EncapHandler } from './ip-encap.js';
import type { Ip } from './ip.js';

const STF_TTL = 40;

export class InStf implements StfCarrier, EncapHandler {
  readonly minLength = IP4_HDR_LEN;
  readonly unclaimed = 'noproto';
  private readonly ip: Ip;

  constructor(ip: Ip) {
    this.ip = ip;
    const vnet = stfVnet(ip.net);
    if (vnet !== null) vnet.carrier = this;
    encapAttach(ip, IPPROTO_IPV6, this);
  }

  /** Undoes the constructor. */
  destroy(): void {
    const vnet = stfVnet(this.ip.net);
    if (vnet !== null) vnet.carrier = null;
    encapDetach(this.ip, IPPROTO_IPV6, this);
  }

  output(m: PacketBuffer, src: number, dst: number, tos: number): Errno {
    if (!m.prepend(IP4_HDR_LEN)) return refuse(m, ENOBUFS);
    ip4Emit(m.view, m.off, IP4_HDR_LEN, tos, m.len, 0, 0, STF_TTL, IPPROTO_IPV6, src, dst);
    return this.ip.output(m);
  }

  isLocal(addr: number): boolean {
    return this.ip.inNet.isLocal(addr);
  }

  isBroadcast(addr: number): boolean {
    const { addrs } = this.ip.inNet;
    for (let i = 0; i < addrs.length; i++) {
      const ia = addrs[i]!;
      if (ia.broadcast === addr && (ia.ifp.flags & IFF_BROADCAST) !== 0) return true;
    }
    return false;
  }

  cameFrom(ifp: Ifnet, addr: number, fib: number): boolean {
    return this.ip.cameFrom(ifp, addr, fib);
  }

  take(ifp: Ifnet, m: PacketBuffer, hlen: number): boolean {
    const src = ip4Src(m.view, m.off);
    const dst = ip4Dst(m.view, m.off);
    const softcs = stfVnet(this.ip.net)?.softcs ?? [];
    for (let i = 0; i < softcs.length; i++) {
      const sc = softcs[i]!;
      if (!sc.matches(src, dst)) continue;
      sc.input(ifp, m, hlen);
      return true;
    }
    return false;
  }
}
