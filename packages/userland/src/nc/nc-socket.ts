/**
 * nc-socket.ts — nc's sockets: a listener's, a client's, and what is said about them.
 * Read first: nc(1), udp(4).
 */
import { PF_INET, SOCK_DGRAM, strerror } from '@netloom/core';
import type { Socket } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { err, errx, warn } from '../err.js';
import { hostName } from '../host-address.js';
import type { Proc } from '../proc.js';
import { serviceName } from '../services.js';
import { ncAddress, ncPort } from './nc-options.js';
import type { NcOptions } from './nc-options.js';

/** The one socket open at a time; nc closes it when it ends, however it ends. */
export interface SocketSlot {
  so: Socket | null;
}

function openSocket(p: Proc, o: NcOptions, slot: SocketSlot): Socket {
  slot.so?.close();
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, 'socket: the vnet is going down');
  const { error, so } = sockets.socket(PF_INET, SOCK_DGRAM, 0, o.fib ?? p.fib);
  if (so === null) return err(p, 1, 'socket', error);
  slot.so = so;
  return so;
}

function common(p: Proc, so: Socket, o: NcOptions): void {
  const set = (option: string, value: number, what: string): void => {
    const error = so.setsockopt(option, value);
    if (error !== 0) err(p, 1, what, error);
  };
  if (o.tos >= 0) set('IP_TOS', o.tos, 'set IP ToS');
  if (o.receiveBuffer > 0) set('SO_RCVBUF', o.receiveBuffer, 'set TCP receive buffer size');
  if (o.sendBuffer > 0) set('SO_SNDBUF', o.sendBuffer, 'set TCP send buffer size');
}

/** Bound to the port (and address) asked for. Leaves with the reason when that is refused. */
export function listenSocket(p: Proc, o: NcOptions, slot: SocketSlot): Socket {
  const address = o.host === null ? 0 : ncAddress(p, o.host);
  const port = ncPort(p, o.portText);
  const so = openSocket(p, o, slot);
  so.setsockopt('SO_REUSEPORT', 1);
  common(p, so, o);
  const error = so.bind(address, port);
  return error === 0 ? so : errx(p, 1, strerror(error));
}

/** Connected to `port` of the host; null, said only with -v, when that is refused. */
export function clientSocket(p: Proc, o: NcOptions, slot: SocketSlot, address: number, port: number): Socket | null {
  const so = openSocket(p, o, slot);
  if (o.sourceText !== null || o.sourcePortText !== null) {
    // A source address that is not ours is worth a try.
    so.setsockopt('IP_BINDANY', 1);
    const error = so.bind(o.sourceText === null ? 0 : ncAddress(p, o.sourceText), o.sourcePortText === null ? 0 : ncPort(p, o.sourcePortText));
    if (error !== 0) err(p, 1, 'bind failed', error);
  }
  common(p, so, o);
  const error = so.connect(address, port);
  if (error === 0) return so;
  if (o.verbose) warn(p, `connect to ${o.host ?? ''} port ${port} (udp) failed`, error);
  return null;
}

export function reportConnected(p: Proc, o: NcOptions, port: number): void {
  p.err(`Connection to ${o.host ?? ''} ${port} port [udp/${(o.numeric ? null : serviceName(port)) ?? '*'}] succeeded!\n`);
}

export function reportReceived(p: Proc, o: NcOptions, address: number, port: number): void {
  p.err(`Connection from ${(o.numeric ? null : hostName(address)) ?? ip4Format(address)} ${port} received!\n`);
}
