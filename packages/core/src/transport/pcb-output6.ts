/**
 * pcb-output6.ts — from a pcb's packet to IPv6: the header's fields and the options of the call, taken from the pcb and what was chosen for it.
 * Read first: in6-source.ts.
 */
import type { Errno } from '../base/errno.js';
import type { Ip6OutputOpts } from '../inet6/ip6-output.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip6W0NeedsZone, ip6PutWords } from '../wire/addr6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import type { In6Pcb } from './in6-pcb.js';
import type { In6Choice } from './in6-source.js';

/** Puts an IPv6 header in front of `m`; false without headroom (then `m` is freed). */
export function emitIp6Header(inp: In6Pcb, m: PacketBuffer, c: In6Choice, proto: number): boolean {
  const payload = m.len;
  if (!m.prepend(IP6_HDR_LEN)) {
    m.free();
    return false;
  }
  const v = m.view;
  ip6Emit(v, m.off, inp.tclass < 0 ? 0 : inp.tclass, 0, payload & 0xffff, proto, c.hops);
  ip6PutWords(v, m.off + IP6_SRC, c.s0, c.s1, c.s2, c.s3);
  ip6PutWords(v, m.off + IP6_DST, c.d0, c.d1, c.d2, c.d3);
  return true;
}

/** Hands `m` to IPv6 with the pcb's routing table and options. `opts` is the caller's to reuse. Owns `m`. */
export function pcbOutput6(ip6: Ip6, inp: In6Pcb, m: PacketBuffer, c: In6Choice, opts: Ip6OutputOpts): Errno {
  const isGroup = c.d0 >>> 24 === 0xff;
  const { out6 } = inp;
  m.fib = inp.fib;
  m.pcp = inp.pcp;
  opts.ifp = ip6W0NeedsZone(c.d0) || isGroup ? c.ifp : out6 === null ? null : out6.ifp;
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
