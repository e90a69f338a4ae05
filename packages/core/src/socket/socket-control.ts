/**
 * socket-control.ts — what goes with one datagram besides its bytes: the ancillary data of sendmsg(2).
 * Read first: sendmsg(2); ip(4) IP_SENDSRCADDR; RFC 3542 §6 (IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS as ancillary data).
 *
 * Theory of operation. Every item has a sticky form in the pcb, which counts for all datagrams. Sending is one call that does not come back here, so the
 * items of one datagram are put where the sticky ones are, and taken away again behind it.
 *
 * What a datagram brings with it is in RecvInfo (socket.ts): nothing needs to be asked for.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import { INADDR_ANY } from '../transport/inpcb.js';
import type { InPcb } from '../transport/inpcb.js';
import { ip6Plain } from '../wire/addr6.js';
import type { SockAddr } from './socket-in6.js';

/** For one datagram. What is left out is as the socket has it. */
export interface SendControl {
  /** Source: IP_SENDSRCADDR for PF_INET (the socket must not be bound to an address), IPV6_PKTINFO for PF_INET6. */
  readonly source?: SockAddr;
  /** PF_INET6: the interface it leaves by (IPV6_PKTINFO). */
  readonly ifp?: Ifnet;
  /** IP_TTL, IPV6_HOPLIMIT: 0..255. */
  readonly ttl?: number;
  /** IP_TOS, IPV6_TCLASS: 0..255. */
  readonly tos?: number;
}

const isOctet = (n: number | undefined): boolean => n === undefined || (Number.isInteger(n) && n >= 0 && n <= 255);

/** Calls `send` with `control` in force. EINVAL, EAFNOSUPPORT; EADDRNOTAVAIL: the source is not ours (`isOurs`). */
export function withControl(inp: InPcb, in6p: In6Pcb | null, control: SendControl, isOurs: (addr: number) => boolean, send: () => Errno): Errno {
  if (!isOctet(control.ttl) || !isOctet(control.tos)) return EINVAL;
  return in6p === null ? with4(inp, control, isOurs, send) : with6(in6p, control, send);
}

function with4(inp: InPcb, control: SendControl, isOurs: (addr: number) => boolean, send: () => Errno): Errno {
  const { source } = control;
  if (control.ifp !== undefined || (source !== undefined && typeof source !== 'number')) return EAFNOSUPPORT;
  if (source !== undefined && inp.laddr !== INADDR_ANY) return EINVAL;
  if (source !== undefined && !inp.bindAny && !isOurs(source)) return EADDRNOTAVAIL;
  const { ttl, tos } = inp;
  inp.sendSource = source ?? INADDR_ANY;
  inp.ttl = control.ttl ?? ttl;
  inp.tos = control.tos ?? tos;
  const error = send();
  inp.sendSource = INADDR_ANY;
  inp.ttl = ttl;
  inp.tos = tos;
  return error;
}

function with6(inp: In6Pcb, control: SendControl, send: () => Errno): Errno {
  const { source } = control;
  if (typeof source === 'number') return EAFNOSUPPORT;
  const { hops, pktSource, tclass } = inp;
  const options = control.ifp === undefined ? null : inp.options();
  const ifp = options === null ? null : options.ifp;
  if (options !== null) options.ifp = control.ifp ?? null;
  if (source !== undefined) inp.pktSource = ip6Plain(source.addr);
  inp.hops = control.ttl ?? hops;
  inp.tclass = control.tos ?? tclass;
  const error = send();
  if (options !== null) options.ifp = ifp;
  inp.pktSource = pktSource;
  inp.hops = hops;
  inp.tclass = tclass;
  return error;
}
