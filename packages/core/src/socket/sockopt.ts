/**
 * sockopt.ts — socket options by their names: SOL_SOCKET, IPPROTO_IP and IPPROTO_UDP ones.
 * Read first: setsockopt(2), ip(4), udp(4).
 *
 * One table: how an option is read and written. Flags are 0 or 1. Options of PF_INET6 sockets below SOL_SOCKET are in sockopt-in6.ts.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOBUFS, ENOPROTOOPT } from '../base/errno.js';
import { IpOutputOpts } from '../inet/ip-output.js';
import type { InPcb } from '../transport/inpcb.js';
import type { SocketBase } from './socket-base.js';
import { SOCK_RAW } from './socket-type.js';
import { applyOption6, readOption6 } from './sockopt-in6.js';

interface SockOption {
  get(so: SocketBase): number;
  /** Absent: read-only. */
  readonly set?: (so: SocketBase, value: number) => Errno;
}

type FlagKey = 'reuseAddr' | 'reusePort' | 'reusePortLb' | 'broadcast' | 'dontRoute' | 'dontFrag' | 'bindAny';

/** kern.ipc.maxsockbuf counts memory; of it a buffer may use the part that data takes in a full cluster. */
const CLUSTER_BYTES = 2_048;
const MBUF_BYTES = 256;

function flag(key: FlagKey): SockOption {
  return {
    get: (so) => (so.inp[key] ? 1 : 0),
    set: (so, v) => {
      so.inp[key] = v !== 0;
      return 0;
    },
  };
}

function ranged(key: 'tos' | 'pcp', min: number, max: number): SockOption {
  return {
    get: (so) => so.inp[key],
    set: (so, v) => {
      if (v < min || v > max) return EINVAL;
      const inp: InPcb = so.inp;
      inp[key] = v;
      return 0;
    },
  };
}

const OPTIONS: ReadonlyMap<string, SockOption> = new Map<string, SockOption>([
  ['SO_REUSEADDR', flag('reuseAddr')],
  ['SO_REUSEPORT', flag('reusePort')],
  ['SO_REUSEPORT_LB', flag('reusePortLb')],
  ['SO_BROADCAST', flag('broadcast')],
  ['SO_DONTROUTE', flag('dontRoute')],
  ['IP_DONTFRAG', flag('dontFrag')],
  ['IP_BINDANY', flag('bindAny')],
  ['IP_HDRINCL', {
    get: (so) => (so.inp.hdrIncl ? 1 : 0),
    set: (so, v) => {
      if (so.type !== SOCK_RAW) return ENOPROTOOPT;
      so.inp.hdrIncl = v !== 0;
      return 0;
    },
  }],
  ['IP_TTL', {
    get: (so) => (so.inp.ttl >= 0 ? so.inp.ttl : so.layer.ttl()),
    set: (so, v) => {
      if (v < 0 || v > 255) return EINVAL;
      so.inp.ttl = v;
      return 0;
    },
  }],
  ['IP_TOS', ranged('tos', 0, 255)],
  ['IP_VLAN_PCP', ranged('pcp', -1, 7)],
  ['IP_MULTICAST_TTL', {
    get: (so) => so.inp.out?.mcastTtl ?? 1,
    set: (so, v) => {
      if (v < 0 || v > 255) return EINVAL;
      so.inp.out ??= new IpOutputOpts();
      so.inp.out.mcastTtl = v;
      return 0;
    },
  }],
  ['IP_MULTICAST_LOOP', {
    get: (so) => (so.inp.out?.mcastLoop ?? true ? 1 : 0),
    set: (so, v) => {
      so.inp.out ??= new IpOutputOpts();
      so.inp.out.mcastLoop = v !== 0;
      return 0;
    },
  }],
  ['SO_TYPE', { get: (so) => so.type }],
  ['SO_PROTOCOL', { get: (so) => so.protocol }],
  ['SO_DOMAIN', { get: (so) => so.domain }],
  ['SO_RCVBUF', {
    get: (so) => so.rcv.hiwat,
    set: (so, v) => bufferSize(so, v, (n) => {
      so.rcv.hiwat = n;
    }),
  }],
  ['SO_SNDBUF', {
    get: (so) => so.sndHiwat,
    set: (so, v) => bufferSize(so, v, (n) => {
      so.sndHiwat = n;
    }),
  }],
  ['SO_SETFIB', {
    get: (so) => so.inp.fib,
    set: (so, v) => {
      if (v < 0 || v >= so.layer.fibs()) return EINVAL;
      so.inp.fib = v;
      return 0;
    },
  }],
]);

function bufferSize(so: SocketBase, value: number, store: (n: number) => void): Errno {
  if (value <= 0) return EINVAL;
  if (value > Math.floor((so.layer.tun.maxsockbuf * CLUSTER_BYTES) / (CLUSTER_BYTES + MBUF_BYTES))) return ENOBUFS;
  store(value);
  return 0;
}

/** ENOPROTOOPT: no such option, or read-only. */
export function applyOption(so: SocketBase, name: string, value: number): Errno {
  if (so.in6p !== null && name.startsWith('IP')) return applyOption6(so, so.in6p, name, value);
  return OPTIONS.get(name)?.set?.(so, value) ?? ENOPROTOOPT;
}

export function readOption(so: SocketBase, name: string): number | null {
  if (so.in6p !== null && name.startsWith('IP')) return readOption6(so, so.in6p, name);
  return OPTIONS.get(name)?.get(so) ?? null;
}
