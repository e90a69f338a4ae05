/**
 * nc-socket.ts — nc's sockets: a listener's, a client's, and what is said about them.
 * Read first: nc(1), udp(4).
 */
import { PF_INET, PF_INET6, SOCK_DGRAM, strerror } from '@netloom/core';
import type { SockAddr, Socket } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { err, errx, warn } from '../err.js';
import { address6Text, hostName6 } from '../host-address6.js';
import { hostName } from '../host-address.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { ncAddressLike, ncAddresses, ncPort } from './nc-options.js';
import type { NcOptions } from './nc-options.js';

const ANY6: SockAddr = { addr: new Uint8Array(16), scopeId: 0 };

/** The one socket open at a time; nc closes it when it ends, however it ends. */
export interface SocketSlot {
  so: Socket | null;
}

function openSocket(p: Proc, o: NcOptions, slot: SocketSlot, domain: number): Socket {
  slot.so?.close();
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, 'socket: the vnet is going down');
  const { error, so } = sockets.socket(domain, SOCK_DGRAM, 0, o.fib ?? p.fib);
  if (so === null) return err(p, 1, 'socket', error);
  slot.so = so;
  return so;
}

function common(p: Proc, so: Socket, o: NcOptions): void {
  const set = (option: string, value: number, what: string): void => {
    const error = so.setsockopt(option, value);
    if (error !== 0) err(p, 1, what, error);
  };
  if (o.tos >= 0 && so.domain === PF_INET6) set('IPV6_TCLASS', o.tos, 'set IPv6 traffic class');
  else if (o.tos >= 0) set('IP_TOS', o.tos, 'set IP ToS');
  if (o.receiveBuffer > 0) set('SO_RCVBUF', o.receiveBuffer, 'set TCP receive buffer size');
  if (o.sendBuffer > 0) set('SO_SNDBUF', o.sendBuffer, 'set TCP send buffer size');
}

const domainOf = (address: SockAddr): number => (typeof address === 'number' ? PF_INET : PF_INET6);

/** Bound to the port (and address) asked for. Leaves with the reason when that is refused. */
export function listenSocket(p: Proc, o: NcOptions, slot: SocketSlot): Socket {
  const port = ncPort(p, o.portText);
  const addresses: readonly SockAddr[] = o.host === null ? [o.family === 6 ? ANY6 : 0] : ncAddresses(p, o, o.host);
  let error = 0;
  for (const address of addresses) {
    const so = openSocket(p, o, slot, domainOf(address));
    so.setsockopt('SO_REUSEPORT', 1);
    common(p, so, o);
    error = so.bind(address, port);
    if (error === 0) return so;
  }
  return errx(p, 1, strerror(error));
}

/** Connected to `port` of the first address that can be; null, said only with -v, when that is refused. */
export function clientSocket(p: Proc, o: NcOptions, slot: SocketSlot, addresses: readonly SockAddr[], port: number): Socket | null {
  for (const address of addresses) {
    const so = openSocket(p, o, slot, domainOf(address));
    if (o.sourceText !== null || o.sourcePortText !== null) bindSource(p, o, so, address);
    common(p, so, o);
    const error = so.connect(address, port);
    if (error === 0) return so;
    if (o.verbose) warn(p, `connect to ${o.host ?? ''} port ${port} (udp) failed`, error);
  }
  return null;
}

/** -s and -p. A source address that is not ours is worth a try. */
function bindSource(p: Proc, o: NcOptions, so: Socket, like: SockAddr): void {
  so.setsockopt(so.domain === PF_INET6 ? 'IPV6_BINDANY' : 'IP_BINDANY', 1);
  const source = o.sourceText === null ? 0 : ncAddressLike(p, o.sourceText, like);
  const error = so.bind(source, o.sourcePortText === null ? 0 : ncPort(p, o.sourcePortText));
  if (error !== 0) err(p, 1, 'bind failed', error);
}

export function reportConnected(p: Proc, o: NcOptions, port: number): void {
  p.err(`Connection to ${o.host ?? ''} ${port} port [udp/${(o.numeric ? null : serviceName(port)) ?? '*'}] succeeded!\n`);
}

export function reportReceived(p: Proc, o: NcOptions, address: SockAddr, port: number): void {
  const numeric = typeof address === 'number' ? ip4Format(address) : address6Text(p.vnet, address);
  const name = o.numeric ? null : typeof address === 'number' ? hostName(address) : hostName6(address);
  p.err(`Connection from ${name ?? numeric} ${port} received!\n`);
}
