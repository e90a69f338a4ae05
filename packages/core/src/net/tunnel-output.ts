/**
 * tunnel-output.ts — the way down into a tunnel: what every kind does with a packet before it puts its headers on.
 * Read first: net/offload.ts.
 *
 * Theory of operation. Inside another packet nothing can stay undone, so a super-segment is cut here and each piece goes its way alone.
 * What is known of the packet is not true of the one around it, and is forgotten; every crossing counts as a hop.
 * Not here: guards against circles, which depend on the kind.
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import { GSO_NONE } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { segment } from './offload.js';

export class TunnelOutput {
  private readonly encapsulate: (m: PacketBuffer) => Errno;
  private pieceError: Errno = 0;
  private readonly emit = (piece: PacketBuffer): void => {
    const error = this.encapsulate(piece);
    if (error !== 0) this.pieceError = error;
  };

  /** @param encapsulate puts a packet that needs no cutting into the tunnel, and owns it. */
  constructor(encapsulate: (m: PacketBuffer) => Errno) {
    this.encapsulate = encapsulate;
  }

  /** Encapsulates `m`, whose network header is behind `linkLen` bytes, or its pieces; answers the last error. ENOBUFS: it cannot be cut. Owns `m`. */
  send(m: PacketBuffer, linkLen: number): Errno {
    if (m.gsoSize === 0) return this.encapsulate(m);
    this.pieceError = 0;
    const pieces = segment(m.pool, m, this.emit, linkLen);
    return pieces === 0 ? ENOBUFS : this.pieceError;
  }
}

/** `m` is from now on a packet of this host's, to be routed by `fib`. */
export function tunnelEnter(m: PacketBuffer, fib: number): void {
  m.hops++;
  m.flags = 0;
  m.csumFlags = 0;
  m.gsoSize = 0;
  m.gsoType = GSO_NONE;
  m.pcp = -1;
  m.rcvif = 0;
  m.nhoff = 0;
  m.flowid = 0;
  m.fib = fib;
}
