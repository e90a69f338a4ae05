/**
 * dgram.ts — UDP sockets with promises and async iteration, over socket/socket.ts.
 * Read first: socket/socket.ts; Node's `dgram` for the vocabulary.
 *
 * This folder is the only place in core where a Promise is legal: the stack below never waits. Addresses are texts here; an IPv6 address that
 * needs a zone has it behind a `%`, as the name of an interface.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EAGAIN, EINVAL, ENXIO } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import { PF_INET, PF_INET6, SOCK_DGRAM } from '../socket/socket-type.js';
import type { RecvInfo, Socket } from '../socket/socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4Format } from '../wire/addr.js';
import { localEnd, sockAddrFormat6, sockAddrParse } from './address.js';
import type { Endpoint } from './address.js';
import { NetError } from './net-error.js';

export interface Datagram {
  readonly data: Uint8Array;
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  readonly port: number;
}

export interface DgramOptions {
  /** 'udp4' unless `address` is an IPv6 one. */
  readonly type?: 'udp4' | 'udp6';
  /** udp6: no IPv4 by way of v4-mapped addresses. By default as `net.inet6.ip6.v6only` says. */
  readonly ipv6Only?: boolean;
  /** Local address, '0.0.0.0' or '::' by default. */
  readonly address?: string;
  /** Local port; 0, the default, takes a free one. */
  readonly port?: number;
}

const DATAGRAM_MAX = 65_535;

export class Dgram implements AsyncIterable<Datagram> {
  /** The socket below, for options and statistics. */
  readonly socket: Socket;
  private readonly vnet: Vnet;
  private readonly buffer = new Uint8Array(DATAGRAM_MAX);
  private waiting: { resolve: (d: Datagram | null) => void; reject: (e: NetError) => void }[] = [];

  constructor(vnet: Vnet, socket: Socket) {
    this.vnet = vnet;
    this.socket = socket;
    socket.onReadable = () => this.pump();
  }

  get address(): Endpoint {
    return localEnd(this.vnet, this.socket);
  }

  /** Sends one datagram; throws NetError. */
  send(data: Uint8Array | string, port?: number, address?: string): void {
    const bytes = typeof data === 'string' ? utf8(data) : data;
    const to = address === undefined ? 0 : sockAddrParse(this.vnet, this.socket.domain, address);
    const error = this.vnet.kern.engine.outside(() => this.socket.send(bytes, to, port ?? 0));
    if (error !== 0) throw new NetError(error, 'send');
  }

  /** Fixes the peer; throws NetError. */
  connect(port: number, address: string): void {
    const error = this.socket.connect(sockAddrParse(this.vnet, this.socket.domain, address), port);
    if (error !== 0) throw new NetError(error, 'connect');
  }

  /** Hears what is sent to a group, on the interface called `multicastInterface` or the one the route names. Throws NetError. */
  addMembership(multicastAddress: string, multicastInterface?: string): void {
    const ifp = this.ifp(multicastInterface);
    const group = sockAddrParse(this.vnet, this.socket.domain, multicastAddress);
    this.check(typeof group === 'number' ? this.socket.joinGroup(group, ifp) : this.socket.joinGroup6(group.addr, ifp), 'addMembership');
  }

  dropMembership(multicastAddress: string, multicastInterface?: string): void {
    const ifp = this.ifp(multicastInterface);
    const group = sockAddrParse(this.vnet, this.socket.domain, multicastAddress);
    this.check(typeof group === 'number' ? this.socket.leaveGroup(group, ifp) : this.socket.leaveGroup6(group.addr, ifp), 'dropMembership');
  }

  /** The same from one source only; others are added by further calls. */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.check(this.onSource(true, sourceAddress, groupAddress, multicastInterface), 'addSourceSpecificMembership');
  }

  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.check(this.onSource(false, sourceAddress, groupAddress, multicastInterface), 'dropSourceSpecificMembership');
  }

  /** Hops multicasts may take, 1 by default. */
  setMulticastTTL(ttl: number): void {
    this.check(this.socket.setsockopt(this.isSix ? 'IPV6_MULTICAST_HOPS' : 'IP_MULTICAST_TTL', ttl), 'setMulticastTTL');
  }

  /** Does this host hear its own multicasts? By default it does. */
  setMulticastLoopback(flag: boolean): void {
    this.check(this.socket.setsockopt(this.isSix ? 'IPV6_MULTICAST_LOOP' : 'IP_MULTICAST_LOOP', flag ? 1 : 0), 'setMulticastLoopback');
  }

  /** The interface multicasts leave through, by name; for IPv6 also as Node writes it: `::%name`. */
  setMulticastInterface(multicastInterface: string): void {
    const name = this.isSix ? multicastInterface.slice(multicastInterface.indexOf('%') + 1) : multicastInterface;
    this.check(this.socket.setMulticastIf(this.ifp(name)), 'setMulticastInterface');
  }

  private get isSix(): boolean {
    return this.socket.domain === PF_INET6;
  }

  private onSource(join: boolean, sourceAddress: string, groupAddress: string, multicastInterface?: string): Errno {
    const { socket } = this;
    const ifp = this.ifp(multicastInterface);
    const group = sockAddrParse(this.vnet, socket.domain, groupAddress);
    const source = sockAddrParse(this.vnet, socket.domain, sourceAddress);
    if (typeof group === 'number' && typeof source === 'number') return join ? socket.joinGroup(group, ifp, source) : socket.leaveGroup(group, ifp, source);
    if (typeof group === 'number' || typeof source === 'number') return EINVAL;
    return join ? socket.joinGroup6(group.addr, ifp, source.addr) : socket.leaveGroup6(group.addr, ifp, source.addr);
  }

  private ifp(name: string | undefined): Ifnet | null {
    if (name === undefined) return null;
    const ifp = this.vnet.net.ifunit(name);
    if (ifp === null) throw new NetError(ENXIO, `interface '${name}'`);
    return ifp;
  }

  private check(error: Errno, what: string): void {
    if (error !== 0) throw new NetError(error, what);
  }

  /** The next datagram; null when the socket is closed here. Rejects with the socket's error. */
  receive(): Promise<Datagram | null> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.pump();
    });
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Datagram> {
    for (;;) {
      const d = await this.receive();
      if (d === null) return;
      yield d;
    }
  }

  close(): void {
    this.socket.close();
    for (const w of this.waiting.splice(0)) w.resolve(null);
  }

  private sender(info: RecvInfo): { readonly address: string; readonly family: 'IPv4' | 'IPv6' } {
    const { in6 } = info;
    if (in6 === undefined) return { address: ip4Format(info.addr), family: 'IPv4' };
    return { address: sockAddrFormat6(this.vnet, in6.addr, in6.scopeId), family: 'IPv6' };
  }

  private pump(): void {
    while (this.waiting.length > 0) {
      if (this.socket.closed) {
        const error = this.socket.abortError;
        for (const w of this.waiting.splice(0)) {
          if (error === 0) w.resolve(null);
          else w.reject(new NetError(error, 'recv'));
        }
        return;
      }
      const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
      const n = this.socket.recv(this.buffer, info);
      if (n === -EAGAIN) return;
      const w = this.waiting.shift();
      if (n < 0) w?.reject(new NetError(-n, 'recv'));
      else w?.resolve({ data: this.buffer.slice(0, n), ...this.sender(info), port: info.port });
    }
  }
}

/** Opens a UDP socket in `vnet`; throws NetError. */
export function dgram(vnet: Vnet, options: DgramOptions = {}): Dgram {
  const { address } = options;
  const type = options.type ?? (address?.includes(':') === true ? 'udp6' : 'udp4');
  const domain = type === 'udp6' ? PF_INET6 : PF_INET;
  const { error, so } = vnet.sockets.socket(domain, SOCK_DGRAM);
  if (so === null) throw new NetError(error === 0 ? EAFNOSUPPORT : error, 'socket');
  try {
    if (type === 'udp6' && options.ipv6Only !== undefined) so.setsockopt('IPV6_V6ONLY', options.ipv6Only ? 1 : 0);
    const bound = so.bind(address === undefined ? 0 : sockAddrParse(vnet, domain, address), options.port ?? 0);
    if (bound !== 0) throw new NetError(bound, 'bind');
  } catch (failed) {
    so.close();
    throw failed;
  }
  return new Dgram(vnet, so);
}

/** UTF-8 bytes of a text; core has no TextEncoder. */
function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const ch of text) {
    const c = ch.codePointAt(0) ?? 0xfffd;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}
