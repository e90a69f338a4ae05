/**
 * eiface.ts — ng_eiface(4): an Ethernet interface, `ngethN`, whose cable is a hook.
 * Read first: ng_eiface(4); hook-if.ts.
 *
 * Theory of operation. `mkpeer` of a node makes the interface, with the lowest free unit of the vnet, and names the node after it. What the interface
 * sends goes out of the hook by a call; what comes in by the hook waits for the netisr. The interface may move to another vnet, the node does not.
 * Node and interface live until the node is shut down, whoever is joined.
 *
 * Invariants: `iface.ifp` is attached while the node lives. Making and ending one needs thread context.
 */
import type { Errno } from '../../base/errno.js';
import { EFAULT, EINVAL, EISCONN, ENETDOWN, EPFNOSUPPORT } from '../../base/errno.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { etherIfattach } from '../../net/ether.js';
import type { IfMove } from '../../net/if-move.js';
import { ifLinkStateChange, ifSetLladdr } from '../../net/if.js';
import {
  IFCAP_JUMBO_MTU, IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, LINK_STATE_DOWN, LINK_STATE_UP,
} from '../../net/ifnet.js';
import type { Ifnet } from '../../net/ifnet.js';
import type { Net } from '../../net/net.js';
import { ETHERMTU } from '../../wire/ether.js';
import { NGM_FLOW_COOKIE } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd, ngDrop } from '../ng-node.js';
import { ngDecode, ngEnaddr, ngEncode, ngString } from '../ng-parse.js';
import { HookIf, hookIfConstruct, ngIfnameType } from './hook-if.js';
import type { UnitSet } from './unit-set.js';

const NGM_EIFACE_COOKIE = 948_105_892;
const NGM_EIFACE_GET_IFNAME = 1;
const NGM_EIFACE_GET_IFADDRS = 2;
const NGM_EIFACE_SET = 3;

const MTU_MIN = 72;
const MTU_MAX = 9_018;
const CAPS = IFCAP_VLAN_MTU | IFCAP_JUMBO_MTU;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;
/** FreeBSD's own range of addresses. */
const OUI = [0x58, 0x9c, 0xfc] as const;

/** The interface as it is now; a new one of these for each instance. */
class EifaceIf extends HookIf {
  private readonly node: EifaceNode;

  constructor(net: Net, node: EifaceNode, xname: string, unit: number) {
    super(net, { dname: 'ngeth', unit, xname, type: IFT_ETHER, flags: IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, mtu: ETHERMTU });
    this.node = node;
    this.ifp.capabilities = CAPS;
    this.ifp.capenable = CAPS;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || this.node.hook === null) return ngDrop(m, ENETDOWN);
    m.flags &= M_VLANTAG;
    m.pcp = -1;
    return this.node.output(m);
  }

  /** A frame came in by the hook. Owns `m`. */
  input(m: PacketBuffer): Errno {
    const { ifp } = this;
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || ifp.net === null) return ngDrop(m, ENETDOWN);
    m.flags &= M_VLANTAG;
    m.pcp = -1;
    m.fib = ifp.fib;
    return this.enqueue(m);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < MTU_MIN || mtu > MTU_MAX ? EINVAL : 0;
  }

  protected moved({ ifp, to, xname, like }: IfMove): HookIf {
    const made = new EifaceIf(to, this.node, xname, ifp.dunit);
    made.ifp.linkState = ifp.linkState;
    etherIfattach(made.ifp, to, like.lladdr, like);
    return made;
  }

  protected take(): void {
    this.node.iface = this;
  }
}

class EifaceNode implements NgNodeOps {
  hook: Hook | null = null;
  iface: EifaceIf;
  private readonly node: NgNode;
  private readonly units: UnitSet;

  constructor(node: NgNode, units: UnitSet, unit: number) {
    const { net } = node.graph;
    this.node = node;
    this.units = units;
    this.iface = new EifaceIf(net, this, `ngeth${unit}`, unit);
    // Before the interface's own node asks for the name.
    node.graph.nameNode(node, this.iface.ifp.xname);
    const [, b = 0, c = 0, d = 0] = net.shared.generateMac(0, 0);
    etherIfattach(this.iface.ifp, net, Uint8Array.of(...OUI, b, c, d));
  }

  output(m: PacketBuffer): Errno {
    return this.node.graph.send(this.hook, m);
  }

  newhook(hook: Hook, name: string): Errno {
    if (name !== 'ether') return EPFNOSUPPORT;
    if (this.hook !== null) return EISCONN;
    this.hook = hook;
    return 0;
  }

  connect(): Errno {
    ifLinkStateChange(this.iface.ifp, LINK_STATE_UP);
    return 0;
  }

  rcvdata(_hook: Hook, m: PacketBuffer): Errno {
    return this.iface.input(m);
  }

  rcvmsg(msg: NgMessage): Errno {
    const { node } = this;
    const { ifp } = this.iface;
    if (msg.typecookie === NGM_FLOW_COOKIE) return this.iface.flowMsg(msg);
    if (msg.typecookie !== NGM_EIFACE_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_EIFACE_SET: {
        const mac = ngDecode(ngEnaddr, msg.args);
        return mac === null ? EINVAL : ifSetLladdr(ifp, mac);
      }
      case NGM_EIFACE_GET_IFNAME:
        return node.graph.respond(node, msg, ngEncode(ngIfnameType, ifp.xname));
      case NGM_EIFACE_GET_IFADDRS:
        return EFAULT;
      default:
        return EINVAL;
    }
  }

  disconnect(): void {
    this.hook = null;
    if (this.iface.ifp.net !== null) ifLinkStateChange(this.iface.ifp, LINK_STATE_DOWN);
  }

  shutdown(): boolean {
    this.iface.end(this.units);
    return false;
  }
}

/** The interface behind a node, or null when the node is another kind. */
export function eifaceIfp(graph: NgGraph, name: string): Ifnet | null {
  const ops = graph.byName(name)?.ops;
  return ops instanceof EifaceNode ? ops.iface.ifp : null;
}

export const eifaceType: NgType = {
  name: 'eiface',
  cookie: NGM_EIFACE_COOKIE,
  cmds: [
    ngCmd(NGM_EIFACE_GET_IFNAME, 'getifname', null, ngString),
    ngCmd(NGM_EIFACE_SET, 'set', ngEnaddr),
  ],
  construct: (node) => hookIfConstruct(node, 'ngeth', (units, unit) => new EifaceNode(node, units, unit)),
};
