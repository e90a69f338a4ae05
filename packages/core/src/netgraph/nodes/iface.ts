/**
 * iface.ts — ng_iface(4): a point-to-point interface, `ngN`, whose cables are hooks: `inet` and `inet6`.
 * Read first: ng_iface(4); hook-if.ts.
 *
 * Theory of operation. `mkpeer` of a node makes the interface, with the lowest free unit of the vnet, and names the node after it. An IP packet that the
 * interface sends goes out of the hook of its family, as it is: a checksum may be left for later, and it may be a super-segment. What comes
 * in by a hook waits for the netisr. The interface may move to another vnet, the node does not. Both live until the node is shut down.
 *
 * A packet that has gone out may come back as the inside of another, when the route of the tunnel that the graph is leads into the tunnel itself. So an
 * interface does not send while it sends, no more than `max_nesting` send within each other, and every crossing counts as a hop.
 *
 * Invariants: `iface.ifp` is attached while the node lives. `vnet.depth` is 0 while nobody sends. Making a node needs thread context.
 */
import type { Errno } from '../../base/errno.js';
import { EAFNOSUPPORT, EBUSY, EINVAL, EIO, EISCONN, ENETDOWN, EPFNOSUPPORT } from '../../base/errno.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { HOPS_MAX } from '../../net/ether.js';
import { ifDemux } from '../../net/if-demux.js';
import type { IfMove } from '../../net/if-move.js';
import { ifAttach } from '../../net/if.js';
import {
  IFF_BROADCAST, IFF_MULTICAST, IFF_NOARP, IFF_POINTOPOINT, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_PROPVIRTUAL,
} from '../../net/ifnet.js';
import type { Ifnet } from '../../net/ifnet.js';
import type { Net } from '../../net/net.js';
import { IPVERSION } from '../../wire/ip4.js';
import { IPV6_VERSION } from '../../wire/ip6.js';
import { NGM_FLOW_COOKIE } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngEncode, ngString, ngUint32 } from '../ng-parse.js';
import { HookIf, hookIfConstruct, ngIfnameType } from './hook-if.js';
import type { UnitSet } from './unit-set.js';

const NGM_IFACE_COOKIE = 1_108_312_559;
const NGM_IFACE_GET_IFNAME = 1;
const NGM_IFACE_POINT2POINT = 2;
const NGM_IFACE_BROADCAST = 3;
const NGM_IFACE_GET_IFINDEX = 4;

const MTU_MIN = 72;
const MTU_MAX = 65_535;
const MTU_DEFAULT = 1_500;
const BAUDRATE = 64_000;
const NESTING_MAX = 32;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;

/** What the interfaces of a graph share. */
class IfaceVnet {
  /** `net.graph.iface.max_nesting` */
  maxNesting = 2;
  /** Interfaces that are sending at this moment. */
  depth = 0;

  static of(graph: NgGraph): IfaceVnet {
    const there = graph.state.get(STATE);
    if (there instanceof IfaceVnet) return there;
    const made = new IfaceVnet();
    graph.state.set(STATE, made);
    return made;
  }
}

const STATE = 'iface nesting';
const IFACE_SYSCTLS: SysctlGroup<IfaceVnet> = {
  prefix: 'net.graph.iface',
  oids: [sysctlInt('max_nesting', 'maxNesting', '', 0, NESTING_MAX, 'Interfaces of netgraph a packet may be sent through, one within the other')],
};

/** The interface as it is now; a new one of these for each instance. */
class IfaceIf extends HookIf {
  private readonly node: IfaceNode;

  constructor(net: Net, node: IfaceNode, xname: string, unit: number, kind: number) {
    super(net, { dname: 'ng', unit, xname, type: IFT_PROPVIRTUAL, flags: IFF_SIMPLEX | IFF_NOARP | IFF_MULTICAST | kind, mtu: MTU_DEFAULT });
    this.node = node;
    this.ifp.baudrate = BAUDRATE;
    this.ifp.input = ifDemux;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING) return ngDrop(m, ENETDOWN);
    return this.node.output(m);
  }

  /** A packet came in by a hook. Owns `m`. */
  input(m: PacketBuffer): Errno {
    const { ifp } = this;
    if (!ifp.isUp || ifp.net === null) return ngDrop(m, ENETDOWN);
    m.flags = 0;
    m.pcp = -1;
    m.nhoff = 0;
    m.fib = ifp.fib;
    return this.enqueue(m);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < MTU_MIN || mtu > MTU_MAX ? EINVAL : 0;
  }

  protected moved({ ifp, to, xname, like }: IfMove): HookIf {
    const made = new IfaceIf(to, this.node, xname, ifp.dunit, ifp.flags & (IFF_BROADCAST | IFF_POINTOPOINT));
    made.ifp.linkState = ifp.linkState;
    ifAttach(made.ifp, to, like);
    return made;
  }

  protected take(): void {
    this.node.iface = this;
  }
}

class IfaceNode implements NgNodeOps {
  iface: IfaceIf;
  private readonly node: NgNode;
  private readonly units: UnitSet;
  private readonly vnet: IfaceVnet;
  private inet: Hook | null = null;
  private inet6: Hook | null = null;
  private sending = false;

  constructor(node: NgNode, units: UnitSet, unit: number) {
    const { net } = node.graph;
    this.node = node;
    this.units = units;
    this.vnet = IfaceVnet.of(node.graph);
    this.iface = new IfaceIf(net, this, `ng${unit}`, unit, IFF_POINTOPOINT);
    node.graph.nameNode(node, this.iface.ifp.xname);
    ifAttach(this.iface.ifp, net);
  }

  /** EIO: too deep, or in a circle. ENETDOWN: nobody is joined. Owns `m`. */
  output(m: PacketBuffer): Errno {
    const { vnet } = this;
    const version = m.len === 0 ? 0 : m.view.getUint8(m.off) >>> 4;
    if (this.sending || vnet.depth >= vnet.maxNesting || m.hops >= HOPS_MAX) return ngDrop(m, EIO);
    if (version !== IPVERSION && version !== IPV6_VERSION) return ngDrop(m, EAFNOSUPPORT);
    m.flags = 0;
    m.pcp = -1;
    vnet.depth++;
    this.sending = true;
    try {
      return this.node.graph.send(version === IPVERSION ? this.inet : this.inet6, m);
    } finally {
      this.sending = false;
      vnet.depth--;
    }
  }

  newhook(hook: Hook, name: string): Errno {
    if (name === 'inet') {
      if (this.inet !== null) return EISCONN;
      this.inet = hook;
    } else if (name === 'inet6') {
      if (this.inet6 !== null) return EISCONN;
      this.inet6 = hook;
    } else {
      return EPFNOSUPPORT;
    }
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    const version = m.len === 0 ? 0 : m.view.getUint8(m.off) >>> 4;
    if (version === (hook === this.inet ? IPVERSION : IPV6_VERSION)) return this.iface.input(m);
    if (!this.iface.ifp.isUp) return ngDrop(m, ENETDOWN);
    // IP would not have it either.
    this.iface.ifp.data.noproto++;
    return ngDrop(m, 0);
  }

  rcvmsg(msg: NgMessage): Errno {
    const { node } = this;
    const { ifp } = this.iface;
    if (msg.typecookie === NGM_FLOW_COOKIE) return this.iface.flowMsg(msg);
    if (msg.typecookie !== NGM_IFACE_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_IFACE_GET_IFNAME:
        return node.graph.respond(node, msg, ngEncode(ngIfnameType, ifp.xname));
      case NGM_IFACE_POINT2POINT:
      case NGM_IFACE_BROADCAST:
        if (ifp.isUp) return EBUSY;
        ifp.flags &= ~(IFF_POINTOPOINT | IFF_BROADCAST);
        ifp.flags |= msg.cmd === NGM_IFACE_BROADCAST ? IFF_BROADCAST : IFF_POINTOPOINT;
        return 0;
      case NGM_IFACE_GET_IFINDEX:
        return node.graph.respond(node, msg, ngEncode(ngUint32, ifp.index));
      default:
        return EINVAL;
    }
  }

  disconnect(hook: Hook): void {
    if (hook === this.inet) this.inet = null;
    else if (hook === this.inet6) this.inet6 = null;
  }

  shutdown(): boolean {
    this.iface.end(this.units);
    return false;
  }
}

/** The interface behind a node, or null when the node is another kind. */
export function ifaceIfp(graph: NgGraph, name: string): Ifnet | null {
  const ops = graph.byName(name)?.ops;
  return ops instanceof IfaceNode ? ops.iface.ifp : null;
}

export const ifaceType: NgType = {
  name: 'iface',
  cookie: NGM_IFACE_COOKIE,
  cmds: [
    ngCmd(NGM_IFACE_GET_IFNAME, 'getifname', null, ngString),
    ngCmd(NGM_IFACE_POINT2POINT, 'point2point'),
    ngCmd(NGM_IFACE_BROADCAST, 'broadcast'),
    ngCmd(NGM_IFACE_GET_IFINDEX, 'getifindex', null, ngUint32),
  ],
  construct: (node) => hookIfConstruct(node, 'ng', (units, unit) => new IfaceNode(node, units, unit)),
  attach: (graph) => graph.kern.sysctl.attach(IFACE_SYSCTLS, IfaceVnet.of(graph)),
  detach: (graph) => graph.kern.sysctl.detach(IfaceVnet.of(graph)),
};
