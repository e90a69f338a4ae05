/**
 * tls-ends.ts — a TLSSocket over a vnet's socket knows who is at its ends.
 *
 * Node's TLSSocket asks the operating system's handle below for its addresses. Over a stream that has none it has no addresses, and programs that log
 * `request.socket.remoteAddress` log nothing. What it lacks is answered by the socket it wraps.
 */
import type { VnetSocket } from './vnet-socket.js';

const ENDS = ['remoteAddress', 'remoteFamily', 'remotePort', 'localAddress', 'localFamily', 'localPort'] as const;

/** Gives `secure` the addresses of `raw`, the socket it was made over. */
export function tlsEnds(secure: object, raw: VnetSocket): void {
  for (const end of ENDS) Object.defineProperty(secure, end, { configurable: true, enumerable: true, get: () => raw[end] });
  Object.defineProperty(secure, 'address', { configurable: true, value: () => raw.address() });
}
