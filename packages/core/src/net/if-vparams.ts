/**
 * if-vparams.ts — IfVparams: what of an interface survives a move to another vnet, whatever its kind.
 * Read first: docs/moves.md; if-move.ts.
 *
 * Identity survives: index, home and the cloner that answers for it, link address, unit and birth name (these two the maker gives again).
 * So does what an administrator set on the interface alone: MTU, description, metric, capabilities, PCP, and the flags that are his.
 * What belongs to the stack it leaves does not: UP, addresses, routes, neighbours, multicast, groups, captures, counters. The routing
 * table of its packets survives as far as the target has one of that number. A port of a lagg leaves it, with what was its own.
 *
 * Invariant: `apply` runs before the new instance is linked into its vnet, so nobody there sees it otherwise than it will be.
 */
import {
  IFF_DEBUG, IFF_LINK0, IFF_LINK1, IFF_LINK2, IFF_MONITOR, IFF_NOARP, IFF_PPROMISC, IFF_PROMISC, IFF_STATICARP, IFF_STICKYARP,
} from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

/** Flags an administrator sets and a move keeps; UP is his too, but an interface arrives down. */
const KEPT_FLAGS = IFF_DEBUG | IFF_NOARP | IFF_LINK0 | IFF_LINK1 | IFF_LINK2 | IFF_PPROMISC | IFF_MONITOR | IFF_STATICARP | IFF_STICKYARP;

export class IfVparams {
  readonly index: number;
  readonly mtu: number;
  readonly lladdr: Uint8Array;
  readonly hwaddr: Uint8Array;
  private readonly homeNet: Net | null;
  private readonly cloner: string;
  private readonly birthName: string;
  private readonly flags: number;
  private readonly metric: number;
  private readonly fib: number;
  private readonly tunnelFib: number;
  private readonly pcp: number;
  private readonly description: string | null;
  private readonly capenable: number;

  constructor(ifp: Ifnet) {
    this.index = ifp.index;
    this.mtu = ifp.mtu;
    this.lladdr = ifp.lagg?.lladdr ?? ifp.lladdr;
    this.hwaddr = ifp.hwaddr;
    this.homeNet = ifp.homeNet;
    this.cloner = ifp.cloner;
    this.birthName = ifp.birthName;
    this.flags = ifp.flags & KEPT_FLAGS;
    this.metric = ifp.metric;
    this.fib = ifp.fib;
    this.tunnelFib = ifp.tunnelFib;
    this.pcp = ifp.pcp;
    this.description = ifp.description;
    this.capenable = ifp.lagg?.capenable ?? ifp.capenable;
  }

  /** Gives `ifp`, which is about to be attached to `net`, all of it. */
  apply(ifp: Ifnet, net: Net): void {
    ifp.busy = true;
    ifp.homeNet = this.homeNet;
    ifp.cloner = this.cloner;
    ifp.birthName = this.birthName;
    ifp.flags = (ifp.flags & ~KEPT_FLAGS) | this.flags;
    if ((this.flags & IFF_PPROMISC) !== 0) ifp.flags |= IFF_PROMISC;
    ifp.mtu = this.mtu;
    ifp.metric = this.metric;
    const fibs = net.routes?.fibs ?? null;
    ifp.fib = fibs !== null && this.fib >= fibs ? 0 : this.fib;
    ifp.tunnelFib = fibs !== null && this.tunnelFib >= fibs ? 0 : this.tunnelFib;
    ifp.pcp = this.pcp;
    ifp.description = this.description;
    ifp.capenable = this.capenable & ifp.capabilities;
    if (this.lladdr.length === 0) return;
    ifp.storeLladdr(this.lladdr);
    ifp.hwaddr = this.hwaddr.slice();
  }
}
