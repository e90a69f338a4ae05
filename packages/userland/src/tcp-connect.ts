/**
 * tcp-connect.ts — connecting, reading and writing a TCP socket for a tool that waits.
 * Read first: tool-wait.ts; socket/stream-socket.ts of the core for the verbs.
 *
 * Sockets never wait; these functions do, through a ToolWait. They answer with an Errno, or a count, as the verbs do.
 */
import { EAGAIN, ECONNABORTED, ECONNRESET, EINPROGRESS, ETIMEDOUT, PF_INET, PF_INET6, SOCK_STREAM } from '@netloom/core';
import type { Errno, SockAddr, StreamSocket, Vnet } from '@netloom/core';
import { openedBy } from './descriptors.js';
import { NO_NAMES, hostAddresses } from './known-names.js';
import type { KnownNames } from './known-names.js';
import type { ToolWait } from './tool-wait.js';

/** The domain of an address. */
export const domainOf = (address: SockAddr): number => (typeof address === 'number' ? PF_INET : PF_INET6);

/** The addresses of `host`, those of `family` only, in the order they are tried; none when nobody knows it. */
export function addressesOf(vnet: Vnet, host: string, family: 4 | 6 | null, known: KnownNames = NO_NAMES): SockAddr[] {
  return hostAddresses(vnet, host, family, known);
}

/** A TCP socket, or why there is none. The process closes it when it ends. */
export function streamSocket(wait: ToolWait, domain: number): StreamSocket | Errno {
  const { p } = wait;
  const { sockets } = p.vnet;
  if (sockets === null) return ECONNABORTED;
  const { error, so } = sockets.socket(domain, SOCK_STREAM, 0, p.fib);
  if (so === null) return error;
  return openedBy(p, wait.keep(so));
}

/** Connects; 0, or why not. ETIMEDOUT when the deadline is past. */
export async function connectStream(wait: ToolWait, so: StreamSocket, address: SockAddr, port: number, deadlineUs = Infinity): Promise<Errno> {
  so.onWritable = wait.wake;
  so.onReadable = wait.wake;
  let error = so.connect(address, port);
  if (error !== EINPROGRESS) return error;
  error = 0;
  const answered = await wait.until(() => {
    if (so.isConnected) return true;
    error = so.abortError || (so.getsockopt('SO_ERROR') ?? 0) || (so.eof ? ECONNRESET : 0);
    return error !== 0;
  }, deadlineUs);
  return answered ? error : ETIMEDOUT;
}

/** Reads what is there, waiting for something: the bytes read, 0 at the end, or a negative Errno. -ETIMEDOUT when the deadline is past. */
export async function readStream(wait: ToolWait, so: StreamSocket, into: Uint8Array, deadlineUs = Infinity): Promise<number> {
  let n = -EAGAIN;
  const answered = await wait.until(() => {
    n = so.recv(into);
    return n !== -EAGAIN;
  }, deadlineUs);
  return answered ? n : -ETIMEDOUT;
}

/** Writes all of it, waiting for room; 0, or why not. */
export async function writeStream(wait: ToolWait, so: StreamSocket, bytes: Uint8Array, deadlineUs = Infinity): Promise<Errno> {
  let rest = bytes;
  let error = 0;
  const written = await wait.until(() => {
    while (rest.length > 0) {
      const n = so.send(rest);
      if (n === -EAGAIN) return false;
      if (n < 0) {
        error = -n;
        return true;
      }
      rest = rest.subarray(n);
    }
    return true;
  }, deadlineUs);
  return written ? error : ETIMEDOUT;
}
