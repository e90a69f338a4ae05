/**
 * listener.ts — a listening TCP socket as an async iterable of connections.
 * Read first: stream.ts; listen(2), accept(2).
 *
 * A connection is taken from the socket's queue when somebody asks for it; until then the backlog bounds how many wait.
 */
import type { StreamSocket } from '../socket/stream-socket.js';
import { PF_INET6 } from '../socket/socket-type.js';
import type { Vnet } from '../vnet/vnet.js';
import { domainOf, localEnd, sockAddrParse } from './address.js';
import type { Endpoint } from './address.js';
import { NetError } from './net-error.js';
import { Stream, streamSocket } from './stream.js';

export interface ListenOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** '0.0.0.0' by default; '::' for IPv6. */
  readonly address?: string;
  /** Connections that may wait to be accepted; 128 by default, at most `kern.ipc.soacceptqueue`. */
  readonly backlog?: number;
  /** An IPv6 listener: no IPv4 by way of v4-mapped addresses. By default as `net.inet6.ip6.v6only` says. */
  readonly ipv6Only?: boolean;
  /** Several listeners of one port share its connections (SO_REUSEPORT_LB). Default false. */
  readonly reusePort?: boolean;
}

const BACKLOG = 128;

export class Listener implements AsyncIterable<Stream> {
  /** The socket below. */
  readonly socket: StreamSocket;
  readonly address: Endpoint;
  private readonly vnet: Vnet;
  private waiting: { readonly resolve: (s: Stream | null) => void; readonly reject: (e: NetError) => void }[] = [];

  constructor(vnet: Vnet, socket: StreamSocket) {
    this.vnet = vnet;
    this.socket = socket;
    this.address = localEnd(vnet, socket);
    socket.onReadable = () => this.pump();
  }

  /** The next connection; null when the listener is closed here. Rejects with ECONNABORTED when its vnet ends. */
  accept(): Promise<Stream | null> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.vnet.kern.engine.outside(() => this.pump());
    });
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Stream> {
    for (let s = await this.accept(); s !== null; s = await this.accept()) yield s;
  }

  /** Connections that are not accepted yet are reset; those that were go on. */
  close(): void {
    this.socket.onReadable = null;
    this.vnet.kern.engine.outside(() => this.socket.close());
    this.pump();
  }

  private pump(): void {
    while (this.waiting.length > 0) {
      if (this.socket.closed) {
        const error = this.socket.abortError;
        for (const w of this.waiting.splice(0)) {
          if (error === 0) w.resolve(null);
          else w.reject(new NetError(error, 'accept'));
        }
        return;
      }
      const so = this.socket.accept();
      if (so === null) return;
      this.waiting.shift()?.resolve(new Stream(this.vnet, so));
    }
  }
}

/** Listens for connections; throws NetError (`code` EADDRINUSE, EADDRNOTAVAIL …). */
export function listen(vnet: Vnet, options: ListenOptions = {}): Listener {
  const { address = '0.0.0.0', port = 0 } = options;
  const domain = domainOf(address);
  const so = streamSocket(vnet, domain);
  try {
    return vnet.kern.engine.outside(() => {
      so.setsockopt('SO_REUSEADDR', 1);
      if (options.reusePort === true) so.setsockopt('SO_REUSEPORT_LB', 1);
      if (domain === PF_INET6 && options.ipv6Only !== undefined) so.setsockopt('IPV6_V6ONLY', options.ipv6Only ? 1 : 0);
      const bound = so.bind(sockAddrParse(vnet, domain, address), port);
      if (bound !== 0) throw new NetError(bound, 'bind', `${address}:${port}`);
      const error = so.listen(options.backlog ?? BACKLOG);
      if (error !== 0) throw new NetError(error, 'listen', `${address}:${port}`);
      return new Listener(vnet, so);
    });
  } catch (failed) {
    if (!so.closed) so.close();
    throw failed;
  }
}
