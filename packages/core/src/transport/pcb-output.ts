/**
 * pcb-output.ts — from a pcb's packet to IP: the header's fields and the options of the call, taken from the pcb.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { IP4_HDR_LEN, IP_DF, ip4Emit } from '../wire/ip4.js';
import type { Ip } from '../inet/ip.js';
import { IP_ALLOWBROADCAST, IP_ROUTETOIF } from '../inet/ip-output.js';
import { INADDR_ANY } from './inpcb.js';
import type { InPcb } from './inpcb.js';

/**
 * The address a packet of an unbound pcb goes out with: to a group that of the interface chosen for multicasts, otherwise the one
 * towards `dst`. A negative Errno when there is none.
 */
export function pcbSource(ip: Ip, inp: InPcb, dst: number): number {
  if (inp.sendSource !== INADDR_ANY) return inp.sendSource;
  const mcastIfp = inp.out === null ? null : inp.out.mcastIfp;
  if (mcastIfp !== null && ip4IsMulticast(dst)) return ip.inNet.bestAddr(mcastIfp)?.addr ?? -EADDRNOTAVAIL;
  const chosen = ip.sourceFor(dst, inp.fib);
  return chosen.error === 0 ? chosen.addr : -chosen.error;
}

/** Puts an IPv4 header in front of `m`; false without headroom (then `m` is freed). */
export function emitIpHeader(inp: InPcb, m: PacketBuffer, src: number, dst: number, proto: number, ip: Ip): boolean {
  if (!m.prepend(IP4_HDR_LEN)) {
    m.free();
    return false;
  }
  const ttl = inp.ttl >= 0 ? inp.ttl : ip.tun.ttl;
  ip4Emit(m.view, m.off, IP4_HDR_LEN, inp.tos, m.len, 0, inp.dontFrag ? IP_DF : 0, ttl, proto, src, dst);
  return true;
}

/** Hands `m` to IP with the pcb's routing table and options. Owns `m`. */
export function pcbOutput(ip: Ip, inp: InPcb, m: PacketBuffer, ipFlags = 0): Errno {
  m.fib = inp.fib;
  m.pcp = inp.pcp;
  let flags = ipFlags;
  if (inp.broadcast) flags |= IP_ALLOWBROADCAST;
  if (inp.dontRoute) flags |= IP_ROUTETOIF;
  return ip.output(m, flags, inp.out);
}
