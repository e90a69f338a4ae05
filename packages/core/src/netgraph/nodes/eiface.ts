/**
 * eiface.ts — ng_eiface(4): an Ethernet interface, `ngethN`, whose cable is a hook.
 * Read first: ng_eiface(4); net/epair.ts, whose queue this has.
 *
 * Theory of operation. `mkpeer` of a node makes the interface, with the lowest free unit of the vnet, and names the node after it. What the interface
 * sends goes out of the hook by a call; what comes in by the hook waits on a bounded queue until the netisr hands it to the interface, so that a
 * graph never calls up into a stack. The interface may move to another vnet, the node does not: the new instance takes the old one's place at
 * this hook. Node and interface live until the node is shut down, whoever is joined.
 *
 * Invariants: `iface.ifp` is attached while the node lives. Making and ending one needs thread context.
 */
import type { Errno } from '../../base/errno.js';
import { EAGAIN, EFAULT, EINVAL, EISCONN, ENETDOWN, ENOBUFS, ENODEV, EPFNOSUPPORT } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import { CTX_THREAD } from '../../kern/context.js';
import type { NetisrSource } from '../../kern/netisr.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import { etherIfattach, etherIfdetach } from '../../net/ether.js';
import { ifMoved, ifNotMoved } from '../../net/if-move.js';
import type { IfMove, IfMoveResult } from '../../net/if-move.js';
import { ifInput } from '../../net/if-transmit.js';
import { ifLinkStateChange, ifSetLladdr, ifUp } from '../../net/if.js';
import {
  IFCAP_JUMBO_MTU, IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP,
} from '../../net/ifnet.js';
import type { IfDriver } from '../../net/ifnet.js';
import type { Net } from '../../net/net.js';
import { ETHERMTU } from '../../wire/ether.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngCmd } from '../ng-node.js';
import { ngDecode, ngEnaddr, ngEncode, ngFixedString, ngString } from '../ng-parse.js';
import { UnitSet } from './unit-set.js';

const NGM_EIFACE_COOKIE = 948_105_892;
const NGM_EIFACE_GET_IFNAME = 1;
const NGM_EIFACE_GET_IFADDRS = 2;
const NGM_EIFACE_SET = 3;

const MTU_MIN = 72;
const MTU_MAX = 9_018;
const UNIT_MAX = 65_535;
/** Packets that may wait for the interface. */
const QUEUE_MAX = 4_096;
const CAPS = IFCAP_VLAN_MTU | IFCAP_JUMBO_MTU;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;
/** FreeBSD's own range of addresses. */
const OUI = [0x58, 0x9c, 0xfc] as const;

/** The interface as it is now; a new one of these for each instance. */
class EifaceIf implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly node: EifaceNode;
  readonly rx = new PacketQueue(QUEUE_MAX);

  constructor(net: Net, node: EifaceNode, xname: string, unit: number) {
    this.netisrOwner = net.kern;
    this.node = node;
    this.ifp = new Ifnet(this, 'ngeth', unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, ETHERMTU);
    this.ifp.capabilities = CAPS;
    this.ifp.capenable = CAPS;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || this.node.hook === null) {
      m.free();
      return ENETDOWN;
    }
    m.flags &= M_VLANTAG;
    m.pcp = -1;
    return this.node.output(m);
  }

  /** A frame came in by the hook. Owns `m`. */
  input(m: PacketBuffer): Errno {
    const { ifp, rx } = this;
    if ((ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || ifp.net === null) {
      m.free();
      return ENETDOWN;
    }
    m.flags &= M_VLANTAG;
    m.pcp = -1;
    m.fib = ifp.fib;
    if (!rx.enqueue(m)) {
      ifp.data.iqdrops++;
      return ENOBUFS;
    }
    if (!this.netisrQueued) ifp.net.kern.engine.schedule(this);
    return 0;
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const m = this.rx.dequeue();
      if (m === null) break;
      ifInput(this.ifp, m);
    }
    return n;
  }

  flagsChanged(ifp: Ifnet): void {
    ifp.flags = ifp.isUp ? ifp.flags | IFF_RUNNING : ifp.flags & ~IFF_RUNNING;
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < MTU_MIN || mtu > MTU_MAX ? EINVAL : 0;
  }

  rcvq(): PacketQueue {
    return this.rx;
  }

  queued(): number {
    return this.rx.length;
  }

  /** The hook stays where it is and has the new instance from now on. */
  reassign(move: IfMove): IfMoveResult {
    const { ifp: old, to, like } = move;
    const made = new EifaceIf(to, this.node, move.xname, old.dunit);
    made.ifp.linkState = old.linkState;
    etherIfattach(made.ifp, to, like.lladdr, like);
    if (old.net === null) {
      etherIfdetach(made.ifp);
      return ifNotMoved(ENODEV);
    }
    move.commit(made.ifp);
    this.node.iface = made;
    etherIfdetach(old);
    this.rx.purge();
    return ifMoved(made.ifp);
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
    if (msg.typecookie === NGM_FLOW_COOKIE) {
      if (msg.cmd === NGM_LINK_IS_UP) ifLinkStateChange(ifp, LINK_STATE_UP);
      else if (msg.cmd === NGM_LINK_IS_DOWN) ifLinkStateChange(ifp, LINK_STATE_DOWN);
      return 0;
    }
    if (msg.typecookie !== NGM_EIFACE_COOKIE) return EINVAL;
    switch (msg.cmd) {
      case NGM_EIFACE_SET: {
        const mac = ngDecode(ngEnaddr, msg.args);
        return mac === null ? EINVAL : ifSetLladdr(ifp, mac);
      }
      case NGM_EIFACE_GET_IFNAME:
        return node.graph.respond(node, msg, ngEncode(ifnameType, ifp.xname));
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
    const { ifp, rx } = this.iface;
    if (ifp.net !== null) {
      ifp.busy = true;
      this.node.graph.net.shared.lifecycle(() => etherIfdetach(ifp));
    }
    rx.purge();
    this.units.free(ifp.dunit);
    return false;
  }
}

const ifnameType = ngFixedString(16);

function construct(node: NgNode): NgNodeOps | Errno {
  const { graph } = node;
  if (graph.kern.engine.context !== CTX_THREAD) return EAGAIN;
  const units = UnitSet.of(graph, 'eiface', UNIT_MAX);
  const unit = units.alloc((n) => graph.net.ifunit(`ngeth${n}`) !== null);
  if (unit < 0) return ENOBUFS;
  return graph.net.shared.lifecycle(() => new EifaceNode(node, units, unit));
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
  construct,
};
