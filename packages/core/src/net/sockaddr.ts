/**
 * sockaddr.ts — addresses as routing messages carry them.
 * Read first: route(4).
 */

export type Sockaddr = SockaddrIn | SockaddrIn6 | SockaddrDl;

export interface SockaddrIn {
  readonly family: 'inet';
  /** Host-order 32-bit address. */
  readonly addr: number;
}

export interface SockaddrIn6 {
  readonly family: 'inet6';
  readonly addr: Uint8Array;
  readonly scopeId: number;
}

/** A link: an interface, or an interface's or neighbour's link address. */
export interface SockaddrDl {
  readonly family: 'link';
  readonly index: number;
  readonly name: string;
  readonly lladdr: Uint8Array;
}
