/**
 * vnet-connector.ts — a connection to the first of a name's addresses that takes one.
 * Read first: vnet-socket.ts, whose first part of life this is.
 *
 * Theory of operation. The addresses are tried in turn, each with a socket of its own; one that is refused is closed, and why is kept. When none is
 * left the error is the only one there was, or an AggregateError with the first one's code, as Node's.
 *
 * Invariant: at most one socket is open; whoever takes the connected one (`so`) closes it, otherwise `close` does.
 */
import type { LookupAddress } from 'node:dns';
import { EINPROGRESS, PF_INET, PF_INET6, SOCK_STREAM } from '@netloom/core';
import type { Errno, StreamSocket } from '@netloom/core';
import { NetError, sockAddrParse } from '@netloom/core/promises';
import type { ConnectOptions } from './connect-options.js';
import { sysError } from './node-error.js';
import type { VnetDoor } from './vnet-door.js';

export class VnetConnector {
  /** Of the attempt under way, or the connected one. */
  so: StreamSocket | null = null;
  /** What has been tried, `address:port` each. */
  readonly attempted: string[] = [];
  private readonly door: VnetDoor;
  private readonly target: ConnectOptions;
  /** Gives a new socket its options and callbacks. */
  private readonly prepare: (so: StreamSocket) => void;
  private candidates: readonly LookupAddress[];
  private current: LookupAddress | null = null;
  private readonly failures: Error[] = [];

  constructor(door: VnetDoor, target: ConnectOptions, addresses: readonly LookupAddress[], prepare: (so: StreamSocket) => void) {
    this.door = door;
    this.target = target;
    this.candidates = addresses;
    this.prepare = prepare;
  }

  /** Is `so` connected? */
  get connected(): boolean {
    return this.so?.isConnected === true;
  }

  /** Begins with the next address. Null: it is under way; otherwise why there is no connection. */
  next(): Error | null {
    const [next, ...rest] = this.candidates;
    const { target } = this;
    if (next === undefined) return this.verdict();
    this.candidates = rest;
    this.current = next;
    this.attempted.push(`${next.address}:${target.port}`);
    try {
      const error = this.door.call(() => this.begin(next));
      return error === 0 || error === EINPROGRESS ? null : this.refused(sysError(error, 'connect', { address: next.address, port: target.port }));
    } catch (failed) {
      if (!(failed instanceof NetError)) throw failed;
      const local = failed.syscall === 'bind';
      const ends = local ? { address: target.localAddress, port: target.localPort } : { address: next.address, port: target.port };
      return this.refused(sysError(failed.errno, local ? 'bind' : 'connect', ends));
    }
  }

  /** What has become of the attempt. Null: it is under way, or connected. */
  look(): Error | null {
    const { so } = this;
    if (so === null) return null;
    const error = so.closed ? so.abortError : (so.getsockopt('SO_ERROR') ?? 0);
    return error === 0 ? null : this.refused(sysError(error, 'connect', { address: this.current?.address, port: this.target.port }));
  }

  close(): void {
    const { so } = this;
    this.so = null;
    if (so !== null) this.door.call(() => so.close());
  }

  private begin(to: LookupAddress): Errno {
    const { vnet } = this.door;
    const { localAddress, localPort, port } = this.target;
    const domain = to.family === 6 ? PF_INET6 : PF_INET;
    const { error, so } = vnet.sockets.socket(domain, SOCK_STREAM);
    if (so === null) return error;
    this.so = so;
    this.prepare(so);
    if (localAddress !== undefined || localPort !== undefined) {
      const bound = so.bind(localAddress === undefined ? 0 : sockAddrParse(vnet, domain, localAddress), localPort ?? 0);
      if (bound !== 0) throw new NetError(bound, 'bind');
    }
    return so.connect(sockAddrParse(vnet, domain, to.address), port);
  }

  private refused(error: Error): Error | null {
    this.close();
    this.failures.push(error);
    return this.next();
  }

  private verdict(): Error {
    const [first = new Error('no address')] = this.failures;
    return this.failures.length < 2 ? first : Object.assign(new AggregateError(this.failures), { code: (first as { code?: string }).code });
  }
}
