/**
 * sock-mem.ts — class SockMem: the packet memory that the sockets of one vnet hold, and how much that may be.
 * Read first: mbuf/packet-buffer.ts (the pool); FreeBSD's sbspace (sb_mbmax); tcp(7) of Linux, tcp_mem, for what a limit on the whole is for.
 *
 * Theory of operation. A socket buffer holds the packets themselves, so a program that does not read keeps slots that others need. Each buffer is
 * bounded, but there may be tens of thousands. So a buffer charges the slot of each packet it keeps to its vnet, and the vnet has a limit; all
 * vnets together may hold three quarters of the pool's slots of either size, so that a quarter is always there for packets on their way. A vnet
 * at its limit drops what its sockets cannot keep; to TCP that is a segment lost, which comes again. Before it comes to that, from three
 * quarters of the limit on, the vnet is *under pressure*: windows stop growing.
 *
 * Invariants: `bytes` is the sum of the slots in the buffers that charge here; the fields of SockMemTotal are the sums over all vnets.
 * Not here: bounds of one buffer (socket/sockbuf.ts).
 */
import { LARGE_SLOT, SMALL_SLOT } from '../mbuf/packet-buffer.js';
import type { PacketPool } from '../mbuf/packet-buffer.js';

/** `kern.ipc.sockmem_max` */
export const SOCKMEM_VNET_MAX = 64 * 1024 * 1024;
/** What sockets may have of the pool; and how much of that, or of its own limit, a vnet has when it is under pressure. */
const SHARE = 0.75;

/** What all vnets of a Kernel hold, and the limit that each has. */
export class SockMemTotal {
  /** Slots of either size. */
  small = 0;
  large = 0;
  /** Bytes one vnet may hold. */
  vnetMax = SOCKMEM_VNET_MAX;
  readonly pool: PacketPool;

  constructor(pool: PacketPool) {
    this.pool = pool;
  }

  get bytes(): number {
    return this.small * SMALL_SLOT + this.large * LARGE_SLOT;
  }

  /** May there be one more slot of `bytes`? */
  admits(bytes: number): boolean {
    return bytes === SMALL_SLOT ? this.small < this.pool.smallMax * SHARE : this.large < this.pool.largeMax * SHARE;
  }

  take(bytes: number): void {
    if (bytes === SMALL_SLOT) this.small++;
    else this.large++;
  }

  release(bytes: number): void {
    if (bytes === SMALL_SLOT) this.small--;
    else this.large--;
  }

  /** Have sockets nearly all that they may have? */
  get isPressed(): boolean {
    return this.small > this.pool.smallMax * SHARE * SHARE || this.large > this.pool.largeMax * SHARE * SHARE;
  }
}

export class SockMem {
  /** Held now, and the most there ever was. */
  bytes = 0;
  peak = 0;
  /** Packets refused because this vnet, or all together, held too much. */
  denied = 0;
  readonly total: SockMemTotal;

  constructor(total: SockMemTotal) {
    this.total = total;
  }

  /** May a slot of `bytes` be kept? False is counted. */
  admits(bytes: number): boolean {
    if (this.bytes + bytes <= this.total.vnetMax && this.total.admits(bytes)) return true;
    this.denied++;
    return false;
  }

  /** Charges a slot of `bytes`, whatever the limit. */
  take(bytes: number): void {
    this.bytes += bytes;
    this.total.take(bytes);
    if (this.bytes > this.peak) this.peak = this.bytes;
  }

  /** Both: false when the limit is reached. */
  charge(bytes: number): boolean {
    if (!this.admits(bytes)) return false;
    this.take(bytes);
    return true;
  }

  /** Gives one slot back. */
  release(bytes: number): void {
    this.bytes -= bytes;
    this.total.release(bytes);
  }

  /** Is it time to save? */
  get isPressed(): boolean {
    return this.bytes > this.total.vnetMax * SHARE || this.total.isPressed;
  }
}
