/**
 * vnet-dgram-socket.ts — a UDP socket of a vnet as Node's dgram.Socket.
 * Read first: Node's dgram.Socket; packages/core/src/socket/socket.ts; vnet-door.ts.
 *
 * Everything but a name to be resolved happens in the call: a socket is bound, and a datagram is with the stack, when `bind` and `send` return;
 * events and callbacks come later, as Node's do. A datagram that arrives is copied once, into a Buffer of its own.
 *
 * An interface is named as Node names it (an address of it, for IPv6 also `::%name`) or by its name in the vnet.
 * Not here: groups (dgram-groups.ts).
 */
import { EventEmitter } from 'node:events';
import { EAFNOSUPPORT, EAGAIN, PF_INET, PF_INET6, RecvInfo6, SOCK_DGRAM } from '@netloom/core';
import type { Errno, RecvInfo, SockAddr, Socket } from '@netloom/core';
import { NetError, localEnd, remoteEnd, sockAddrFormat6, sockAddrParse } from '@netloom/core/promises';
import type { Endpoint } from '@netloom/core/promises';
import { ip4Format } from '@netloom/core/wire';
import { DgramGroups } from './dgram-groups.js';
import { resolve } from './lookup.js';
import type { LookupFunction } from './lookup.js';
import { nodeError, portOf, sysError } from './node-error.js';
import type { VnetDoor } from './vnet-door.js';

export interface DgramSocketOptions {
  readonly type: 'udp4' | 'udp6';
  readonly reuseAddr?: boolean;
  readonly reusePort?: boolean;
  readonly ipv6Only?: boolean;
  readonly recvBufferSize?: number;
  readonly sendBufferSize?: number;
  readonly lookup?: LookupFunction;
  readonly signal?: AbortSignal;
}

export interface RemoteInfo extends Endpoint {
  /** Bytes of the datagram. */
  readonly size: number;
}

type SendDone = (error: Error | null, bytes?: number) => void;
type Bytes = string | NodeJS.ArrayBufferView;

/** A send as its many signatures put it. */
interface SendArgs {
  readonly data: Buffer;
  readonly port: number | null;
  readonly address: string | null;
  readonly callback: SendDone | null;
}

export class VnetDgramSocket extends EventEmitter {
  readonly type: 'udp4' | 'udp6';
  readonly groups: DgramGroups;
  private readonly door: VnetDoor;
  private readonly lookup: LookupFunction;
  private readonly domain: number;
  private readonly so: Socket;
  private bound = false;
  private isClosed = false;
  private referenced = true;

  constructor(door: VnetDoor, lookup: LookupFunction, options: DgramSocketOptions, listener?: (data: Buffer, from: RemoteInfo) => void) {
    super();
    const { type } = options;
    if (type !== 'udp4' && type !== 'udp6') throw nodeError('ERR_SOCKET_BAD_TYPE', 'Bad socket type specified. Valid types are: udp4, udp6', TypeError);
    this.type = type;
    this.domain = type === 'udp6' ? PF_INET6 : PF_INET;
    this.door = door;
    this.lookup = options.lookup ?? lookup;
    const { error, so } = door.call(() => door.vnet.sockets.socket(this.domain, SOCK_DGRAM));
    if (so === null) throw sysError(error === 0 ? EAFNOSUPPORT : error, 'socket');
    this.so = so;
    this.groups = new DgramGroups(door, so);
    so.onReadable = () => this.door.later(this);
    if (options.reuseAddr === true) this.check(so.setsockopt('SO_REUSEADDR', 1), 'setsockopt');
    if (options.reusePort === true) this.check(so.setsockopt('SO_REUSEPORT', 1), 'setsockopt');
    if (type === 'udp6') this.check(so.setsockopt('IPV6_V6ONLY', options.ipv6Only === true ? 1 : 0), 'setsockopt');
    if (options.recvBufferSize !== undefined) this.setRecvBufferSize(options.recvBufferSize);
    if (options.sendBufferSize !== undefined) this.setSendBufferSize(options.sendBufferSize);
    if (listener !== undefined) this.on('message', listener);
    options.signal?.addEventListener('abort', () => void (this.isClosed ? this : this.close()), { once: true });
  }

  bind(port?: number, address?: string, callback?: () => void): this;
  bind(port: number, callback?: () => void): this;
  bind(callback: () => void): this;
  bind(options: { readonly port?: number; readonly address?: string; readonly exclusive?: boolean }, callback?: () => void): this;
  bind(...args: unknown[]): this {
    this.open();
    if (this.bound) throw nodeError('ERR_SOCKET_ALREADY_BOUND', 'Socket is already bound');
    const callback = args.find((a) => typeof a === 'function') as (() => void) | undefined;
    const [first, second] = args;
    const given = typeof first === 'object' && first !== null ? (first as { port?: unknown; address?: unknown }) : { port: typeof first === 'function' ? 0 : first, address: second };
    const port = portOf(given.port ?? 0, 'Port');
    if (callback !== undefined) this.once('listening', callback);
    if (typeof given.address !== 'string' || given.address === '') this.bindNow(port, null);
    else this.named(given.address, (error, address) => {
      if (error !== null) this.emit('error', error);
      else this.bindNow(port, address);
    });
    return this;
  }

  /** Fixes the peer; errors that are reported about it come as 'error'. */
  connect(port: number, ...rest: [address?: string, callback?: (error?: Error) => void] | [callback?: (error?: Error) => void]): void {
    this.open();
    const to = portOf(port, 'Port', false);
    const address = typeof rest[0] === 'string' ? rest[0] : this.loopback();
    const callback = rest.find((a) => typeof a === 'function') as ((error?: Error) => void) | undefined;
    if (this.peer() !== null) throw nodeError('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected');
    if (callback !== undefined) this.once('connect', callback);
    this.named(address, (failed, found) => {
      const error = failed ?? this.connectNow(found, to);
      if (error === null) process.nextTick(() => this.emit('connect'));
      else if (callback !== undefined) {
        this.removeListener('connect', callback);
        process.nextTick(callback, error);
      } else process.nextTick(() => this.emit('error', error));
    });
  }

  disconnect(): void {
    this.open();
    if (this.peer() === null) throw nodeError('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'Not connected');
    this.door.call(() => this.so.disconnect());
  }

  remoteAddress(): Endpoint {
    this.open();
    const peer = this.peer();
    if (peer === null) throw nodeError('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'Not connected');
    return peer;
  }

  address(): Endpoint {
    this.open();
    if (!this.bound) throw sysError(9, 'getsockname');
    return localEnd(this.door.vnet, this.so);
  }

  /** Sends one datagram; `msg` may be a list of its parts. */
  send(msg: Bytes | readonly Bytes[], port?: number, address?: string, callback?: SendDone): void;
  send(msg: Bytes | readonly Bytes[], port?: number, callback?: SendDone): void;
  send(msg: Bytes | readonly Bytes[], callback?: SendDone): void;
  send(msg: Bytes, offset: number, length: number, port?: number, address?: string, callback?: SendDone): void;
  send(msg: Bytes, offset: number, length: number, port?: number, callback?: SendDone): void;
  send(msg: Bytes, offset: number, length: number, callback?: SendDone): void;
  send(msg: Bytes | readonly Bytes[], ...rest: unknown[]): void {
    this.open();
    const { data, port, address, callback } = sendArgs(msg, rest, this.peer() !== null);
    const answer = (error: Error | null): void => {
      if (callback !== null) process.nextTick(callback, error, error === null ? data.length : undefined);
      else if (error !== null) process.nextTick(() => this.emit('error', error));
    };
    if (!this.bound) {
      const failed = this.bindNow(0, null);
      if (failed !== null) return;
    }
    if (port === null) return answer(this.sendNow(data, null, 0));
    this.named(address ?? this.loopback(), (error, to) => answer(error ?? this.sendNow(data, to, port)));
  }

  close(callback?: () => void): this {
    this.open();
    if (callback !== undefined) this.once('close', callback);
    this.end();
    process.nextTick(() => this.emit('close'));
    return this;
  }

  setTTL(ttl: number): number {
    return this.option('setTTL', this.type === 'udp6' ? 'IPV6_UNICAST_HOPS' : 'IP_TTL', ttl);
  }

  setMulticastTTL(ttl: number): number {
    return this.option('setMulticastTTL', this.type === 'udp6' ? 'IPV6_MULTICAST_HOPS' : 'IP_MULTICAST_TTL', ttl);
  }

  setMulticastLoopback(flag: boolean): boolean {
    this.option('setMulticastLoopback', this.type === 'udp6' ? 'IPV6_MULTICAST_LOOP' : 'IP_MULTICAST_LOOP', flag ? 1 : 0);
    return flag;
  }

  setBroadcast(flag: boolean): void {
    this.option('setBroadcast', 'SO_BROADCAST', flag ? 1 : 0);
  }

  setMulticastInterface(multicastInterface: string): void {
    this.open();
    this.check(this.door.call(() => this.groups.setInterface(multicastInterface)), 'setMulticastInterface');
  }

  addMembership(multicastAddress: string, multicastInterface?: string): void {
    this.group('addMembership', true, multicastAddress, null, multicastInterface);
  }

  dropMembership(multicastAddress: string, multicastInterface?: string): void {
    this.group('dropMembership', false, multicastAddress, null, multicastInterface);
  }

  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.group('addSourceSpecificMembership', true, groupAddress, sourceAddress, multicastInterface);
  }

  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface?: string): void {
    this.group('dropSourceSpecificMembership', false, groupAddress, sourceAddress, multicastInterface);
  }

  getRecvBufferSize(): number {
    return this.so.getsockopt('SO_RCVBUF') ?? 0;
  }

  getSendBufferSize(): number {
    return this.so.getsockopt('SO_SNDBUF') ?? 0;
  }

  setRecvBufferSize(size: number): void {
    this.option('setRecvBufferSize', 'SO_RCVBUF', size);
  }

  setSendBufferSize(size: number): void {
    this.option('setSendBufferSize', 'SO_SNDBUF', size);
  }

  /** Nothing waits here: what `send` takes is with the stack. */
  getSendQueueSize(): number {
    return 0;
  }

  getSendQueueCount(): number {
    return 0;
  }

  ref(): this {
    this.referenced = true;
    this.keep();
    return this;
  }

  unref(): this {
    this.referenced = false;
    this.keep();
    return this;
  }

  /** Attendant: datagrams, an error, or the end of the vnet. */
  attend(): void {
    while (!this.isClosed) {
      if (this.so.closed) {
        const error = sysError(this.so.abortError, 'recvmsg');
        this.end();
        this.emit('error', error);
        this.emit('close');
        return;
      }
      const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
      if (this.type === 'udp6') info.in6 = new RecvInfo6();
      const { n, data } = this.door.call(() => this.receive(info));
      if (n === -EAGAIN) return;
      if (n < 0) this.emit('error', sysError(-n, 'recvmsg'));
      else this.emit('message', data, this.sender(info, n));
    }
  }

  /** The next datagram, in thread context: on the way there more may come. */
  private receive(info: RecvInfo): { readonly n: number; readonly data: Buffer } {
    const data = Buffer.allocUnsafe(Math.max(this.so.nextLength, 0));
    return { n: this.so.recv(data, info), data };
  }

  private sender({ addr, port, in6 }: RecvInfo, size: number): RemoteInfo {
    if (in6 === undefined) return { address: ip4Format(addr), family: 'IPv4', port, size };
    return { address: sockAddrFormat6(this.door.vnet, in6.addr, in6.scopeId), family: 'IPv6', port, size };
  }

  private open(): void {
    if (this.isClosed) throw nodeError('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running');
  }

  private end(): void {
    this.isClosed = true;
    this.so.onReadable = null;
    this.door.call(() => this.so.close());
    this.keep();
  }

  private loopback(): string {
    return this.type === 'udp6' ? '::1' : '127.0.0.1';
  }

  private peer(): Endpoint | null {
    return remoteEnd(this.door.vnet, this.so);
  }

  /** The address of a name: at once for an address, later otherwise. */
  private named(host: string, then: (error: Error | null, address: string) => void): void {
    try {
      sockAddrParse(this.door.vnet, this.domain, host);
      then(null, host);
    } catch (failed) {
      if (!(failed instanceof NetError)) throw failed;
      resolve(host, this.type === 'udp6' ? 6 : 4, undefined, this.lookup, (error, addresses) => {
        if (!this.isClosed) then(error, addresses[0]?.address ?? '');
      });
    }
  }

  /** What went wrong, told by 'error' already. */
  private bindNow(port: number, address: string | null): Error | null {
    const error = this.door.call(() => this.with(address, (addr) => this.so.bind(addr, port)));
    if (error !== 0) {
      const failed = sysError(error, 'bind', { address: address ?? (this.type === 'udp6' ? '::' : '0.0.0.0'), port });
      process.nextTick(() => this.emit('error', failed));
      return failed;
    }
    this.bound = true;
    this.keep();
    process.nextTick(() => {
      if (!this.isClosed) this.emit('listening');
    });
    return null;
  }

  private connectNow(address: string, port: number): Error | null {
    if (!this.bound) {
      const failed = this.bindNow(0, null);
      if (failed !== null) return failed;
    }
    const error = this.door.call(() => this.with(address, (addr) => this.so.connect(addr, port)));
    return error === 0 ? null : sysError(error, 'connect', { address, port });
  }

  private sendNow(data: Buffer, address: string | null, port: number): Error | null {
    const error = this.door.call(() => this.with(address, (addr) => this.so.send(data, addr, port)));
    return error === 0 ? null : sysError(error, 'send', address === null ? {} : { address, port });
  }

  /** Calls with an address as the stack takes it. */
  private with(address: string | null, fn: (addr: SockAddr) => Errno): Errno {
    if (address === null) return fn(0);
    try {
      return fn(sockAddrParse(this.door.vnet, this.domain, address));
    } catch (failed) {
      if (failed instanceof NetError) return failed.errno;
      throw failed;
    }
  }

  private group(what: string, join: boolean, group: string, source: string | null, ifname: string | undefined): void {
    this.open();
    if (join && !this.bound) this.bindNow(0, null);
    this.check(this.door.call(() => this.groups.change(join, group, source, ifname)), what);
  }

  private option(what: string, name: string, value: number): number {
    this.open();
    this.check(this.door.call(() => this.so.setsockopt(name, value)), what);
    return value;
  }

  private check(error: Errno, what: string): void {
    if (error !== 0) throw sysError(error, what);
  }

  private keep(): void {
    this.door.keep(this, this.referenced && this.bound && !this.isClosed);
  }
}

function sendArgs(msg: Bytes | readonly Bytes[], rest: readonly unknown[], connected: boolean): SendArgs {
  const callback = (rest.find((a) => typeof a === 'function') as SendDone | undefined) ?? null;
  const words = rest.filter((a) => typeof a !== 'function' && a !== undefined);
  // With offset and length there are two numbers more than without: (offset, length, port?) against (port?).
  const numbers = words.filter((w) => typeof w === 'number').length;
  const sliced = typeof words[0] === 'number' && typeof words[1] === 'number' && numbers >= 2;
  const all = Buffer.concat((Array.isArray(msg) ? (msg as readonly Bytes[]) : [msg as Bytes]).map(bytesOf));
  const data = sliced ? all.subarray(Number(words[0]), Number(words[0]) + Number(words[1])) : all;
  const [port, address] = sliced ? words.slice(2) : words;
  if (connected) {
    if (port !== undefined) throw nodeError('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected');
    return { data, port: null, address: null, callback };
  }
  return { data, port: portOf(port, 'Port', false), address: typeof address === 'string' && address !== '' ? address : null, callback };
}

function bytesOf(part: Bytes): Buffer {
  return typeof part === 'string' ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}
