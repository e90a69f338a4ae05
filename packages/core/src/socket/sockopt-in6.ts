/**
 * sockopt-in6.ts — the options of PF_INET6 sockets: IPPROTO_IPV6 ones.
 * Read first: ip6(4), RFC 3493 §5, RFC 3542 §6, §11.
 *
 * What IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT and IPV6_RECVTCLASS ask for, `recv` always tells (RecvInfo6); so they are not options here.
 * IPV6_PKTINFO, ICMP6_FILTER and memberships are no numbers: see socket.ts.
 * Not here: extension headers (IPV6_HOPOPTS, IPV6_RTHDR …), IPV6_NEXTHOP, IPV6_PORTRANGE, notices of a new path MTU (IPV6_RECVPATHMTU; IPV6_PATHMTU says what
 * is known).
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOPROTOOPT } from '../base/errno.js';
import { IPV6_DEFAULT_MULTICAST_HOPS } from '../inet6/ip6-output.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import { ICMP6_CKSUM } from '../wire/icmp6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import type { SocketLayer } from './socket-layer.js';
import { SOCK_DGRAM, SOCK_RAW } from './socket-type.js';

interface OptionSocket {
  readonly layer: SocketLayer;
  readonly type: number;
}

interface In6Option {
  get(inp: In6Pcb, so: OptionSocket): number | null;
  readonly set?: (inp: In6Pcb, value: number, so: OptionSocket) => Errno;
}

function ranged(key: 'hops' | 'tclass' | 'minMtu' | 'pcp', min: number, max: number, shown: (n: number, so: OptionSocket) => number = (n) => n): In6Option {
  return {
    get: (inp, so) => shown(inp[key], so),
    set: (inp, v) => {
      if (v < min || v > max) return EINVAL;
      inp[key] = v;
      return 0;
    },
  };
}

const OPTIONS: ReadonlyMap<string, In6Option> = new Map<string, In6Option>([
  ['IPV6_UNICAST_HOPS', ranged('hops', -1, 255, (n, so) => (n < 0 ? so.layer.hops() : n))],
  ['IPV6_TCLASS', ranged('tclass', -1, 255, (n) => Math.max(n, 0))],
  ['IPV6_USE_MIN_MTU', ranged('minMtu', -1, 1)],
  ['IPV6_VLAN_PCP', ranged('pcp', -1, 7)],
  ['IPV6_MULTICAST_HOPS', {
    get: (inp) => (inp.out6 === null || inp.out6.mcastHops < 0 ? IPV6_DEFAULT_MULTICAST_HOPS : inp.out6.mcastHops),
    set: (inp, v) => {
      if (v < -1 || v > 255) return EINVAL;
      inp.options().mcastHops = v;
      return 0;
    },
  }],
  ['IPV6_MULTICAST_LOOP', {
    get: (inp) => (inp.out6?.mcastLoop ?? true ? 1 : 0),
    set: (inp, v) => {
      if (v !== 0 && v !== 1) return EINVAL;
      inp.options().mcastLoop = v !== 0;
      return 0;
    },
  }],
  ['IPV6_DONTFRAG', {
    get: (inp) => (inp.out6?.dontFrag === true ? 1 : 0),
    set: (inp, v) => {
      inp.options().dontFrag = v !== 0;
      return 0;
    },
  }],
  ['IPV6_AUTOFLOWLABEL', {
    get: (inp) => (inp.out6?.autoFlowlabel ?? true ? 1 : 0),
    set: (inp, v) => {
      inp.options().autoFlowlabel = v !== 0;
      return 0;
    },
  }],
  ['IPV6_PREFER_TEMPADDR', {
    get: (inp) => inp.out6?.preferTempaddr ?? -1,
    set: (inp, v) => {
      if (v < -1 || v > 1) return EINVAL;
      inp.options().preferTempaddr = v;
      return 0;
    },
  }],
  ['IPV6_PATHMTU', { get: (inp, so) => pathMtu(inp, so) }],
  ['IPV6_BINDANY', {
    get: (inp) => (inp.bindAny ? 1 : 0),
    set: (inp, v) => {
      inp.bindAny = v !== 0;
      return 0;
    },
  }],
  ['IPV6_V6ONLY', {
    get: (inp) => (inp.v6only ? 1 : 0),
    // Who is bound has shown which families it is in.
    set: (inp, v, so) => {
      if (inp.lport !== 0 || !inp.isUnbound6 || inp.laddr !== 0 || inp.connected) return EINVAL;
      inp.v6only = v !== 0;
      inp.v4 = so.type === SOCK_DGRAM && !inp.v6only;
      return 0;
    },
  }],
  ['IPV6_CHECKSUM', {
    get: (inp) => (inp.proto === IPPROTO_ICMPV6 ? ICMP6_CKSUM : inp.cksum),
    set: (inp, v, so) => {
      if (so.type !== SOCK_RAW) return ENOPROTOOPT;
      if (inp.proto === IPPROTO_ICMPV6) return v === ICMP6_CKSUM ? 0 : EINVAL;
      if (v !== -1 && (v < 0 || v % 2 !== 0)) return EINVAL;
      inp.cksum = v;
      return 0;
    },
  }],
]);

/** Bytes of the largest packet that gets to the connected end whole; null when there is none, or no way to it. */
function pathMtu(inp: In6Pcb, so: OptionSocket): number | null {
  const ip6 = (so.type === SOCK_RAW ? so.layer.raw6 : so.layer.udp6)?.ip6 ?? null;
  if (ip6 === null || !inp.connected || !inp.v6) return null;
  const nh = ip6.routes.lookup6(inp.fib, inp.f0, inp.f1, inp.f2, inp.f3, 0);
  return nh === null ? null : ip6.pathMtu(nh.ifp, inp.f0, inp.f1, inp.f2, inp.f3);
}

/** ENOPROTOOPT: no such option, or read-only. */
export function applyOption6(so: OptionSocket, inp: In6Pcb, name: string, value: number): Errno {
  return OPTIONS.get(name)?.set?.(inp, value, so) ?? ENOPROTOOPT;
}

export function readOption6(so: OptionSocket, inp: In6Pcb, name: string): number | null {
  return OPTIONS.get(name)?.get(inp, so) ?? null;
}
