/**
 * netgraph.ts — Netgraph: the part of a vnet that is its netgraph, made when somebody asks for it.
 * Read first: netgraph(4); ng-base.ts.
 *
 * Theory of operation. Most vnets never have a graph, and a graph has a node for every Ethernet interface. So it is made by the first who asks (`open`), as
 * FreeBSD loads the module then, and ends with its vnet: nodes go one by one, those that would rather stay with force.
 *
 * Invariant: `base` is null before the first `open` and after `destroy`; a vnet that ends opens none.
 */
import type { AuditRow } from '../kern/audit.js';
import type { Net } from '../net/net.js';
import type { Ipfw } from '../netpfil/ipfw/ipfw.js';
import type { SocketLayer } from '../socket/socket-layer.js';
import { NgBase } from './ng-base.js';
import type { NgStack, NgType } from './ng-node.js';
import { NG_SYSCTLS } from './ng-sysctl.js';
import { NG_TYPES } from './ng-types.js';

const NETGRAPH_AUDIT: readonly AuditRow<Netgraph>[] = [
  { name: 'netgraph nodes', count: (n) => n.last?.nodeTotal ?? 0 },
  { name: 'packets in netgraph queues', packets: true, count: (n) => n.last?.packetsHeld ?? 0 },
  { name: 'netgraph items', count: (n) => n.last?.tun.itemsQueued ?? 0 },
];

export class Netgraph implements NgStack {
  base: NgBase | null = null;
  /** The graph there is, or was. */
  last: NgBase | null = null;
  /** What nodes use of the vnet; set when the vnet has it. */
  sockets: SocketLayer | null = null;
  ipfw: Ipfw | null = null;
  private readonly net: Net;
  /** Kinds of nodes it has, or will have. */
  readonly types: readonly NgType[];
  private ended = false;

  constructor(net: Net, types: readonly NgType[] = NG_TYPES) {
    this.net = net;
    this.types = types;
    net.kern.audit.attach(NETGRAPH_AUDIT, this);
  }

  /** The vnet's graph; null when the vnet is ending. */
  open(): NgBase | null {
    if (this.base !== null || this.ended) return this.base;
    const base = new NgBase(this.net, this.types, this);
    this.base = base;
    this.last = base;
    this.net.kern.sysctl.attach(NG_SYSCTLS, base.tun);
    base.attach();
    return base;
  }

  destroy(): void {
    this.ended = true;
    const { base } = this;
    if (base === null) return;
    this.net.kern.sysctl.detach(base.tun);
    base.destroy();
    this.base = null;
  }
}
