/**
 * dgram.ts — UDP sockets with promises and async iteration, over socket/socket.ts.
 * Read first: socket/socket.ts; Node's `dgram` for the vocabulary.
 *
 * This folder is the only place in core where a Promise is legal: the stack below never waits. Addresses are texts here.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EAGAIN, EINVAL, ENXIO } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import { PF_INET, SOCK_DGRAM } from '../socket/socket-type.js';
import type { RecvInfo, Socket } from '../socket/socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip4Format, ip4Parse } from '../wire/addr.js';
import { NetError } from './net-error.js';

export interface Datagram {
  readonly data: Uint8Array;
  readonly address: string;
  readonly port: number;
}

export interface DgramOptions {
  /** Local address, '0.0.0.0' by default. */
  readonly address?: string;
  /** Local port; 0, the default, takes a free one. */
  readonly port?: number;
}

const DATAGRAM_MAX = 65_535;

function parse(address: string): number {
  const addr = ip4Parse(address);
  if (addr === null) throw new NetError(EINVAL, `address '${address}'`);
  return addr;
}

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

  get address(): { readonly address: string; readonly port: number } {
    const { addr, port } = this.socket.name();
    return { address: ip4Format(addr), port };
  }

  /** Sends one datagram; throws NetError. */
  send(data: Uint8Array | string, port?: number, address?: string): void {
    const bytes = typeof data === 'string' ? utf8(data) : data;
    const error = this.socket.send(bytes, address === undefined ? 0 : parse(address), port ?? 0);
    if (error !== 0) throw new NetError(error, 'send');
  }

  /** Fixes the peer; throws NetError. */
  connect(port: number, address: string): void {
    const error = this.socket.connect(parse(address), port);
    if (error !== 0) throw new NetError(error, 'connect');
  }

  /** Hears what is sent to a group, on the interface called `multicastInterface` or the one the route names. Throws NetError. */
  addMembership(multicastAddress: string, multicastInterface?: string): void {
    this.check(this.socket.joinGroup(parse(multicastAddress), this.ifp(multicastInterface)), 'addMembership');
  }

  dropMembership(multicastAddress: string, multicastInterface?: string): void {
    this.check(this.socket.leaveGroup(parse(multicastAddress), this.ifp(multicastInterface)), 'dropMembership');
  }

  /** The same from one source only; others are added by further calls. */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.check(this.socket.joinGroup(parse(groupAddress), this.ifp(multicastInterface), parse(sourceAddress)), 'addSourceSpecificMembership');
  }

  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.check(this.socket.leaveGroup(parse(groupAddress), this.ifp(multicastInterface), parse(sourceAddress)), 'dropSourceSpecificMembership');
  }

  /** Hops multicasts may take, 1 by default. */
  setMulticastTTL(ttl: number): void {
    this.check(this.socket.setsockopt('IP_MULTICAST_TTL', ttl), 'setMulticastTTL');
  }

  /** Does this host hear its own multicasts? By default it does. */
  setMulticastLoopback(flag: boolean): void {
    this.check(this.socket.setsockopt('IP_MULTICAST_LOOP', flag ? 1 : 0), 'setMulticastLoopback');
  }

  /** The interface multicasts leave through. */
  setMulticastInterface(multicastInterface: string): void {
    this.check(this.socket.setMulticastIf(this.ifp(multicastInterface)), 'setMulticastInterface');
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
      else w?.resolve({ data: this.buffer.slice(0, n), address: ip4Format(info.addr), port: info.port });
    }
  }
}

/** Opens a UDP socket in `vnet`; throws NetError. */
export function dgram(vnet: Vnet, options: DgramOptions = {}): Dgram {
  const { error, so } = vnet.sockets.socket(PF_INET, SOCK_DGRAM);
  if (so === null) throw new NetError(error === 0 ? EAFNOSUPPORT : error, 'socket');
  const bound = so.bind(options.address === undefined ? 0 : parse(options.address), options.port ?? 0);
  if (bound !== 0) {
    so.close();
    throw new NetError(bound, 'bind');
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
