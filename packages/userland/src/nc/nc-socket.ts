/**
 * nc-socket.ts — nc's sockets: a listener's, a client's, and what is said about them.
 * Read first: nc(1), udp(4), tcp(4).
 */
import { EINPROGRESS, ETIMEDOUT, PF_INET, PF_INET6, SOCK_DGRAM, SOCK_STREAM, strerror } from '@netloom/core';
import type { Errno, SockAddr, Socket, StreamSocket } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { err, errx, warn } from '../err.js';
import { address6Text, hostName6 } from '../host-address6.js';
import { hostName } from '../host-address.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { ncAddressLike, ncAddresses, ncPort } from './nc-options.js';
import type { NcOptions } from './nc-options.js';

const ANY6: SockAddr = { addr: new Uint8Array(16), scopeId: 0 };
/** Connections that may wait to be accepted. */
const BACKLOG = 1;

export type NcSocket = Socket | StreamSocket;

/** The one socket open at a time (a listener beside its connection is the caller's); nc closes it when it ends, however it ends. */
export interface SocketSlot {
  so: NcSocket | null;
}

type Open<S extends NcSocket> = (p: Proc, o: NcOptions, slot: SocketSlot, domain: number) => S;

const openDatagram: Open<Socket> = (p, o, slot, domain) => {
  slot.so?.close();
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, 'socket: the vnet is going down');
  const { error, so } = sockets.socket(domain, SOCK_DGRAM, 0, o.fib ?? p.fib);
  if (so === null) return err(p, 1, 'socket', error);
  slot.so = so;
  return openedBy(p, so);
};

const openStream: Open<StreamSocket> = (p, o, slot, domain) => {
  slot.so?.close();
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, 'socket: the vnet is going down');
  const { error, so } = sockets.socket(domain, SOCK_STREAM, 0, o.fib ?? p.fib);
  if (so === null) return err(p, 1, 'socket', error);
  slot.so = so;
  return openedBy(p, so);
};

function common(p: Proc, so: NcSocket, o: NcOptions): void {
  const set = (option: string, value: number, what: string): void => {
    const error = so.setsockopt(option, value);
    if (error !== 0) err(p, 1, what, error);
  };
  if (o.md5) {
    const error = so.setsockopt('TCP_MD5SIG', 1);
    if (error !== 0) errx(p, 1, strerror(error));
  }
  if (o.tos >= 0) set(so.domain === PF_INET6 ? 'IPV6_TCLASS' : 'IP_TOS', o.tos, 'set IP ToS');
  if (o.receiveBuffer > 0) set('SO_RCVBUF', o.receiveBuffer, 'set TCP receive buffer size');
  if (o.sendBuffer > 0) set('SO_SNDBUF', o.sendBuffer, 'set TCP send buffer size');
  if (o.noTcpopt) set('TCP_NOOPT', 1, 'disable TCP options');
}

const domainOf = (address: SockAddr): number => (typeof address === 'number' ? PF_INET : PF_INET6);

/** Bound to the port (and address) asked for. Leaves with the reason when that is refused. */
function bound<S extends NcSocket>(p: Proc, o: NcOptions, slot: SocketSlot, open: Open<S>): S {
  const port = ncPort(p, o.portText);
  const addresses: readonly SockAddr[] = o.host === null ? [o.family === 6 ? ANY6 : 0] : ncAddresses(p, o, o.host);
  let error = 0;
  for (const address of addresses) {
    const so = open(p, o, slot, domainOf(address));
    so.setsockopt('SO_REUSEPORT', 1);
    common(p, so, o);
    error = so.bind(address, port);
    if (error === 0) return so;
  }
  return errx(p, 1, strerror(error));
}

export function listenDatagram(p: Proc, o: NcOptions, slot: SocketSlot): Socket {
  return bound(p, o, slot, openDatagram);
}

export function listenStream(p: Proc, o: NcOptions, slot: SocketSlot): StreamSocket {
  const so = bound(p, o, slot, openStream);
  const error = so.listen(BACKLOG);
  return error === 0 ? so : err(p, 1, 'listen', error);
}

/** Connected to `port` of the first address that can be; null, said only with -v, when that is refused. */
export function clientDatagram(p: Proc, o: NcOptions, slot: SocketSlot, addresses: readonly SockAddr[], port: number): Socket | null {
  for (const address of addresses) {
    const so = openDatagram(p, o, slot, domainOf(address));
    prepare(p, o, so, address);
    const error = so.connect(address, port);
    if (error === 0) return so;
    if (o.verbose) warn(p, `connect to ${o.host ?? ''} port ${port} (udp) failed`, error);
  }
  return null;
}

/** The same for a connection: waits until there is one, or -w is over. */
export async function clientStream(p: Proc, o: NcOptions, slot: SocketSlot, addresses: readonly SockAddr[], port: number): Promise<StreamSocket | null> {
  for (const address of addresses) {
    const so = openStream(p, o, slot, domainOf(address));
    prepare(p, o, so, address);
    const error = await connected(p, so, address, port, o.timeoutUs);
    if (error === 0) return so;
    if (o.verbose) warn(p, `connect to ${o.host ?? ''} port ${port} (tcp) failed`, error);
  }
  return null;
}

function prepare(p: Proc, o: NcOptions, so: NcSocket, address: SockAddr): void {
  if (o.sourceText !== null || o.sourcePortText !== null) bindSource(p, o, so, address);
  common(p, so, o);
}

async function connected(p: Proc, so: StreamSocket, address: SockAddr, port: number, timeoutUs: number): Promise<Errno> {
  so.onWritable = () => p.wake();
  so.onReadable = () => p.wake();
  const error = so.connect(address, port);
  if (error !== EINPROGRESS) return error;
  for (let left = timeoutUs; !so.isConnected; left = await p.sleepUs(left)) {
    const failed = so.getsockopt('SO_ERROR') ?? 0;
    if (failed !== 0) return failed;
    if (left <= 0) return ETIMEDOUT;
  }
  return 0;
}

/** -s and -p. A source address that is not ours is worth a try. */
function bindSource(p: Proc, o: NcOptions, so: NcSocket, like: SockAddr): void {
  so.setsockopt(so.domain === PF_INET6 ? 'IPV6_BINDANY' : 'IP_BINDANY', 1);
  const source = o.sourceText === null ? 0 : ncAddressLike(p, o, o.sourceText, like);
  const error = so.bind(source, o.sourcePortText === null ? 0 : ncPort(p, o.sourcePortText));
  if (error !== 0) err(p, 1, 'bind failed', error);
}

export function reportConnected(p: Proc, o: NcOptions, port: number): void {
  p.err(`Connection to ${o.host ?? ''} ${port} port [${o.udp ? 'udp' : 'tcp'}/${(o.numeric ? null : serviceName(port)) ?? '*'}] succeeded!\n`);
}

export function reportReceived(p: Proc, o: NcOptions, address: SockAddr, port: number): void {
  const numeric = typeof address === 'number' ? ip4Format(address) : address6Text(p.vnet, address);
  const name = o.numeric ? null : typeof address === 'number' ? hostName(address) : hostName6(address);
  p.err(`Connection from ${name ?? numeric} ${port} received!\n`);
}
