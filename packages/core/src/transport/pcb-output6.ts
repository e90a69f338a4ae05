/**
 * pcb-output6.ts — from a pcb's packet to IPv6: the header's fields and the options of the call, taken from the pcb and what was chosen for it.
 * Read first: in6-source.ts.
 */
import type { Errno } from '../base/errno.js';
import type { Ip6OutputOpts } from '../inet6/ip6-output.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import type { In6Pcb } from './in6-pcb.js';
import type { In6Choice } from './in6-source.js';

const isScoped = (w0: number): boolean => w0 >>> 22 === 0x3fa || (w0 >>> 24 === 0xff && (((w0 >>> 16) & 15) === 1 || ((w0 >>> 16) & 15) === 2));

/** Puts an IPv6 header in front of `m`; false without headroom (then `m` is freed). */
export function emitIp6Header(inp: In6Pcb, m: PacketBuffer, c: In6Choice, proto: number): boolean {
  const payload = m.len;
  if (!m.prepend(IP6_HDR_LEN)) {
    m.free();
    return false;
  }
  const v = m.view;
  ip6Emit(v, m.off, inp.tclass < 0 ? 0 : inp.tclass, 0, payload & 0xffff, proto, c.hops);
  const s = m.off + IP6_SRC;
  v.setInt32(s, isScoped(c.s0) ? c.s0 & ~0xffff : c.s0);
  v.setInt32(s + 4, c.s1);
  v.setInt32(s + 8, c.s2);
  v.setInt32(s + 12, c.s3);
  const d = m.off + IP6_DST;
  v.setInt32(d, isScoped(c.d0) ? c.d0 & ~0xffff : c.d0);
  v.setInt32(d + 4, c.d1);
  v.setInt32(d + 8, c.d2);
  v.setInt32(d + 12, c.d3);
  return true;
}

/** Hands `m` to IPv6 with the pcb's routing table and options. `opts` is the caller's to reuse. Owns `m`. */
export function pcbOutput6(ip6: Ip6, inp: In6Pcb, m: PacketBuffer, c: In6Choice, opts: Ip6OutputOpts): Errno {
  const isGroup = c.d0 >>> 24 === 0xff;
  const { out6 } = inp;
  m.fib = inp.fib;
  m.pcp = inp.pcp;
  opts.ifp = isScoped(c.d0) || isGroup ? c.ifp : out6 === null ? null : out6.ifp;
  opts.mcastIfp = isGroup ? c.ifp : null;
  opts.mcastHops = isGroup ? c.hops : -1;
  opts.mcastLoop = out6 === null ? ip6.tun.mcastLoop !== 0 : out6.mcastLoop;
  opts.dontFrag = out6 !== null && out6.dontFrag;
  opts.minMtu = inp.minMtu;
  opts.autoFlowlabel = out6 === null || out6.autoFlowlabel;
  const error = ip6.output(m, 0, opts);
  opts.ifp = null;
  opts.mcastIfp = null;
  return error;
}
