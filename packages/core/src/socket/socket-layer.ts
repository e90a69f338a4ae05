/**
 * socket-layer.ts — the sockets of one vnet: making them, counting them, ending them with it.
 * Read first: socket(2); freebsd `sys/kern/uipc_socket.c`.
 *
 * Theory of operation. The layer keeps the set of open sockets and the limits. When the vnet stops, `closeAll` ends every
 * socket at once: readers are woken with ECONNABORTED. A socket never keeps a vnet alive.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EINVAL, ENOBUFS, EPROTONOSUPPORT, EPROTOTYPE } from '../base/errno.js';
import { Chain } from '../base/chain.js';
import type { AuditRow } from '../kern/audit.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { IPDEFTTL } from '../wire/ip4.js';
import { IPV6_DEFHLIM } from '../wire/ip6.js';
import { IPPROTO_MAX, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import type { RawIp } from '../transport/raw-ip.js';
import type { RawIp6 } from '../transport/raw-ip6.js';
import type { Udp } from '../transport/udp.js';
import type { Udp6 } from '../transport/udp6.js';
import type { Tcp } from '../tcp/tcp.js';
import type { TcpCb } from '../tcp/tcpcb.js';
import { sockMemSysctlAttach, sockMemSysctlDetach } from './sockmem-sysctl.js';
import { Socket } from './socket.js';
import { StreamSocket } from './stream-socket.js';
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from './socket-type.js';

export class SocketTunables {
  maxsockets = 65_536;
  soacceptqueue = 128;
  maxsockbuf = 2_097_152;
}

/** Outcome of socket(2). */
export type SocketResult<S = Socket> = { readonly error: 0; readonly so: S } | { readonly error: Errno; readonly so: null };

/** Any kind of socket. */
export type AnySocket = Socket | StreamSocket;

interface SocketLayerView {
  readonly tun: SocketTunables;
  readonly count: number;
}

const SOCKET_SYSCTLS: SysctlGroup<SocketTunables> = {
  prefix: 'kern.ipc',
  oids: [
    sysctlInt('maxsockets', 'maxsockets', 'sockets', 1, 10_000_000, 'Maximum number of sockets available'),
    sysctlInt('soacceptqueue', 'soacceptqueue', 'connections', 1, 65_535, 'Maximum listen socket pending connection accept queue size'),
    sysctlInt('maxsockbuf', 'maxsockbuf', 'bytes', 4_096, 1 << 30, 'Maximum socket buffer size'),
  ],
};

const SOCKET_READINGS: SysctlGroup<SocketLayerView> = {
  prefix: 'kern.ipc',
  oids: [sysctlRead('numopensockets', 'int', 'sockets', 'Number of open sockets', (l: SocketLayerView) => l.count)],
};

const SOCKET_AUDIT: readonly AuditRow<SocketLayer>[] = [
  { name: 'packets in socket buffers', packets: true, count: (l) => l.list().reduce((n, so) => n + (so instanceof Socket ? so.rcv.count : 0), 0) },
];

export class SocketLayer {
  readonly kern: VnetKern;
  readonly tun = new SocketTunables();
  /** Protocols; set while they live. */
  tcp: Tcp | null = null;
  udp: Udp | null = null;
  raw: RawIp | null = null;
  udp6: Udp6 | null = null;
  raw6: RawIp6 | null = null;
  /** How many routing tables there are, for SO_SETFIB. */
  fibs: () => number = () => 1;
  /** TTL of packets of sockets that set none, for IP_TTL. */
  ttl: () => number = () => IPDEFTTL;
  /** The same for hop limits of IPv6. */
  hops: () => number = () => IPV6_DEFHLIM;
  private readonly open = new Chain<AnySocket>();

  constructor(kern: VnetKern) {
    this.kern = kern;
    kern.audit.attach(SOCKET_AUDIT, this);
    kern.sysctl.attach(SOCKET_SYSCTLS, this.tun);
    kern.sysctl.attach(SOCKET_READINGS, this);
    sockMemSysctlAttach(kern);
  }

  get count(): number {
    return this.open.size;
  }

  list(): readonly AnySocket[] {
    return [...this.open];
  }

  /**
   * socket(2). EAFNOSUPPORT: no such domain; EPROTOTYPE: no such type; EPROTONOSUPPORT: no such protocol, or the vnet is stopping;
   * ENOBUFS at `kern.ipc.maxsockets`; EINVAL: no such routing table.
   */
  socket(domain: number, type: typeof SOCK_STREAM, protocol?: number, fib?: number): SocketResult<StreamSocket>;
  socket(domain: number, type: number, protocol?: number, fib?: number): SocketResult;
  socket(domain: number, type: number, protocol = 0, fib = 0): SocketResult<AnySocket> {
    const error = this.check(domain, type, protocol, fib);
    if (error !== 0) return { error, so: null };
    const { softnet } = this.kern.engine;
    softnet.acquire('socreate');
    const so = this.make(domain, type, protocol, fib);
    softnet.release('socreate');
    this.add(so);
    return { error: 0, so };
  }

  private make(domain: number, type: number, protocol: number, fib: number): AnySocket {
    if (type === SOCK_STREAM && this.tcp !== null) return new StreamSocket(this, this.tcp, domain, fib);
    return new Socket(this, domain, type, type === SOCK_RAW ? protocol : IPPROTO_UDP, fib);
  }

  private add(so: AnySocket): void {
    this.open.add(so);
    this.kern.sockcnt++;
  }

  /** A socket for a connection that came to `listener`; null at the limit. */
  accepted(listener: StreamSocket, tp: TcpCb): StreamSocket | null {
    if (this.tcp === null || this.open.size >= this.tun.maxsockets) return null;
    const so = new StreamSocket(this, this.tcp, listener.domain, tp.inp.fib, tp);
    so.linger = listener.linger;
    this.add(so);
    return so;
  }

  /** A socket for a connection that came to nobody's listener; null at the limit. */
  adopt(tp: TcpCb): StreamSocket | null {
    if (this.tcp === null || this.open.size >= this.tun.maxsockets) return null;
    const so = new StreamSocket(this, this.tcp, tp.in6p === null ? PF_INET : PF_INET6, tp.inp.fib, tp);
    this.add(so);
    return so;
  }

  private check(domain: number, type: number, protocol: number, fib: number): Errno {
    if (domain !== PF_INET && domain !== PF_INET6) return EAFNOSUPPORT;
    if (type !== SOCK_DGRAM && type !== SOCK_RAW && type !== SOCK_STREAM) return protocol === 0 ? EPROTOTYPE : EPROTONOSUPPORT;
    const own = type === SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
    if (type !== SOCK_RAW ? protocol !== 0 && protocol !== own : !Number.isInteger(protocol) || protocol < 0 || protocol >= IPPROTO_MAX) return EPROTONOSUPPORT;
    if (this.kern.shutdown || this.protocolOf(domain, type) === null) return EPROTONOSUPPORT;
    if (!Number.isInteger(fib) || fib < 0 || fib >= this.fibs()) return EINVAL;
    return this.open.size >= this.tun.maxsockets ? ENOBUFS : 0;
  }

  private protocolOf(domain: number, type: number): object | null {
    if (type === SOCK_STREAM) return this.tcp;
    if (domain === PF_INET6) return type === SOCK_DGRAM ? this.udp6 : this.raw6;
    return type === SOCK_DGRAM ? this.udp : this.raw;
  }

  /** Called by Socket.close. */
  forget(so: AnySocket): void {
    if (this.open.delete(so)) this.kern.sockcnt--;
  }

  /** The vnet stops: every socket ends now. */
  closeAll(): void {
    for (const so of [...this.open]) so.abort();
  }

  destroy(): void {
    this.closeAll();
    this.kern.sysctl.detach(this.tun);
    this.kern.sysctl.detach(this);
    sockMemSysctlDetach(this.kern);
  }
}
