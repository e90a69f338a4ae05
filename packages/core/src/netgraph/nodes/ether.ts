/**
 * ether.ts — ng_ether(4): the node of an Ethernet interface: between its driver and its stack.
 * Read first: ng_ether(4); net/ether.ts, which calls the hook that is hung on the interface here.
 *
 * Theory of operation. Every Ethernet, vlan and bridge interface of a vnet with a graph has a node, named like it. `lower` is the side of the
 * driver: frames that arrive go there instead of to the stack, what comes in by it is sent. `upper` is the side of the stack: what the stack sends
 * goes there instead of to the driver, what comes in by it is received as if it had arrived. `orphans` gets frames that no protocol of the stack wants.
 * A node outlives its hooks, and goes with its interface; an interface that moves gets a new node where it arrives.
 *
 * Invariant: `ifp.netgraph` is this node's object while a hook is joined, and null otherwise, so that an interface nobody taps pays a comparison.
 * What goes up waits on a bounded queue, because a graph never calls up into a stack.
 */
import type { Errno } from '../../base/errno.js';
import { EADDRINUSE, EINVAL, EISCONN, ENETDOWN, ENOBUFS } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { NetisrSource } from '../../kern/netisr.js';
import { M_VLANTAG } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import { etherLinkOutput, etherStripTag, etherUpperInput } from '../../net/ether.js';
import { ifAddMulti, ifDelMulti, ifPromisc, ifSetLladdr } from '../../net/if.js';
import { IFNAMSIZ, IFT_BRIDGE, IFT_ETHER, IFT_L2VLAN, LINK_STATE_DOWN, LINK_STATE_UP } from '../../net/ifnet.js';
import type { IfNetgraphHook, Ifnet } from '../../net/ifnet.js';
import { ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, etherIsTagType } from '../../wire/ether.js';
import { NGM_FLOW_COOKIE, NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import { NgMessage } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { NG_REALLY_DIE, ngCmd, ngDrop } from '../ng-node.js';
import { ngDecode, ngEnaddr, ngEncode, ngFixedString, ngInt32, ngString } from '../ng-parse.js';
import type { NgParseType } from '../ng-parse.js';

export const NGM_ETHER_COOKIE = 917_786_906;
export const NGM_ETHER_GET_IFNAME = 1;
const NGM_ETHER_GET_IFINDEX = 2;
const NGM_ETHER_GET_ENADDR = 3;
const NGM_ETHER_SET_ENADDR = 4;
const NGM_ETHER_GET_PROMISC = 5;
const NGM_ETHER_SET_PROMISC = 6;
const NGM_ETHER_GET_AUTOSRC = 7;
export const NGM_ETHER_SET_AUTOSRC = 8;
const NGM_ETHER_ADD_MULTI = 9;
const NGM_ETHER_DEL_MULTI = 10;
const NGM_ETHER_DETACH = 11;

/** Packets that may wait for the stack. */
const QUEUE_MAX = 4_096;

class EtherNode implements NgNodeOps, IfNetgraphHook, NetisrSource {
  readonly ifp: Ifnet;
  lower: Hook | null = null;
  upper: Hook | null = null;
  orphans: Hook | null = null;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly node: NgNode;
  private promisc = false;
  private autosrc = false;
  private readonly up = new PacketQueue(QUEUE_MAX);

  constructor(node: NgNode, ifp: Ifnet) {
    this.node = node;
    this.ifp = ifp;
    this.netisrOwner = node.graph.kern;
  }

  // For net/ether.ts.

  input(m: PacketBuffer): boolean {
    if (this.lower === null) return false;
    this.node.graph.send(this.lower, m);
    return true;
  }

  output(m: PacketBuffer): Errno | null {
    return this.upper === null ? null : this.node.graph.send(this.upper, m);
  }

  orphan(m: PacketBuffer): boolean {
    if (this.orphans === null) return false;
    this.node.graph.send(this.orphans, m);
    return true;
  }

  queued(): number {
    return this.up.length;
  }

  // For the graph.

  newhook(hook: Hook, name: string): Errno {
    if (name === 'upper') {
      if (this.upper !== null) return EISCONN;
      this.upper = hook;
    } else if (name === 'lower' || name === 'divert') {
      if (this.lower !== null) return EISCONN;
      this.lower = hook;
    } else if (name === 'orphans') {
      if (this.orphans !== null) return EISCONN;
      this.orphans = hook;
    } else {
      return EINVAL;
    }
    this.ifp.netgraph = this;
    return 0;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    return hook === this.upper ? this.toStack(m) : this.toDriver(m);
  }

  private toDriver(m: PacketBuffer): Errno {
    const { ifp } = this;
    if (!ifp.isRunning) return ngDrop(m, ENETDOWN);
    if (m.len < ETHER_HDR_LEN) return ngDrop(m, EINVAL);
    m.flags &= M_VLANTAG;
    m.vhid = 0;
    if (this.autosrc) m.buf.set(ifp.lladdr, m.off + 6);
    // What sends frames of the stack knows no tag in the bytes.
    const type = m.view.getUint16(m.off + ETHER_TYPE);
    if ((m.flags & M_VLANTAG) === 0 && etherIsTagType(type) && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) etherStripTag(m, type);
    return etherLinkOutput(ifp, m);
  }

  private toStack(m: PacketBuffer): Errno {
    const { kern } = this.node.graph;
    if (m.len < ETHER_HDR_LEN) return ngDrop(m, EINVAL);
    if (!this.up.enqueue(m)) {
      this.ifp.data.iqdrops++;
      return ENOBUFS;
    }
    if (!this.netisrQueued) kern.engine.schedule(this);
    return 0;
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const m = this.up.dequeue();
      if (m === null) break;
      etherUpperInput(this.ifp, m);
    }
    return n;
  }

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_ETHER_COOKIE) return EINVAL;
    const { node, ifp } = this;
    const answer = <T>(type: NgParseType<T>, value: T): Errno => node.graph.respond(node, msg, ngEncode(type, value));
    switch (msg.cmd) {
      case NGM_ETHER_GET_IFNAME:
        return answer(ifnameType, ifp.xname);
      case NGM_ETHER_GET_IFINDEX:
        return answer(ngInt32, ifp.index);
      case NGM_ETHER_GET_ENADDR:
        return answer(ngEnaddr, ifp.lladdr);
      case NGM_ETHER_GET_PROMISC:
        return answer(ngInt32, this.promisc ? 1 : 0);
      case NGM_ETHER_GET_AUTOSRC:
        return answer(ngInt32, this.autosrc ? 1 : 0);
      case NGM_ETHER_SET_PROMISC:
      case NGM_ETHER_SET_AUTOSRC:
        return this.setSwitch(msg);
      case NGM_ETHER_SET_ENADDR:
      case NGM_ETHER_ADD_MULTI:
      case NGM_ETHER_DEL_MULTI:
        return this.setAddress(msg);
      case NGM_ETHER_DETACH:
        this.dies();
        return 0;
      default:
        return EINVAL;
    }
  }

  private setSwitch(msg: NgMessage): Errno {
    const on = ngDecode(ngInt32, msg.args);
    if (on === null) return EINVAL;
    if (msg.cmd === NGM_ETHER_SET_AUTOSRC) this.autosrc = on !== 0;
    else this.setPromisc(on !== 0);
    return 0;
  }

  private setAddress(msg: NgMessage): Errno {
    const mac = ngDecode(ngEnaddr, msg.args);
    if (mac === null) return EINVAL;
    const { ifp } = this;
    if (msg.cmd === NGM_ETHER_SET_ENADDR) return ifSetLladdr(ifp, mac);
    if (msg.cmd === NGM_ETHER_DEL_MULTI) return ifDelMulti(ifp, mac);
    return ifp.multiaddrs.some((group) => group.is(mac)) ? EADDRINUSE : ifAddMulti(ifp, mac);
  }

  private setPromisc(on: boolean): void {
    if (on === this.promisc) return;
    this.promisc = on;
    if (this.ifp.net !== null) ifPromisc(this.ifp, on);
  }

  linkChanged(): void {
    const { linkState } = this.ifp;
    if (linkState !== LINK_STATE_UP && linkState !== LINK_STATE_DOWN) return;
    for (const hook of [this.lower, this.orphans]) {
      if (hook === null) continue;
      this.node.graph.sendMsgHook(hook, new NgMessage({ typecookie: NGM_FLOW_COOKIE, cmd: linkState === LINK_STATE_UP ? NGM_LINK_IS_UP : NGM_LINK_IS_DOWN }));
    }
  }

  renamed(): void {
    this.node.graph.nameNode(this.node, nodeName(this.ifp));
  }

  /** The interface goes, and this with it. */
  dies(): void {
    this.node.flags |= NG_REALLY_DIE;
    this.node.graph.rmnode(this.node);
  }

  disconnect(hook: Hook): void {
    if (hook === this.upper) this.upper = null;
    else if (hook === this.lower) this.lower = null;
    else if (hook === this.orphans) this.orphans = null;
    if (this.node.hooks.length === 0) this.rest();
  }

  shutdown(force: boolean): boolean {
    this.rest();
    if (!force) return true;
    this.up.purge();
    const of = this.node.graph.state.get('ether');
    if (of instanceof EtherNodes) of.forget(this.ifp);
    return false;
  }

  /** Nobody is joined. */
  private rest(): void {
    this.setPromisc(false);
    if (this.ifp.netgraph === this) this.ifp.netgraph = null;
  }
}

/** The nodes of a graph's interfaces. */
class EtherNodes {
  private readonly graph: NgGraph;
  private readonly of = new Map<Ifnet, EtherNode>();

  constructor(graph: NgGraph) {
    this.graph = graph;
    const { net } = graph;
    for (const ifp of net.ifnets) this.made(ifp);
    net.arrivalEvent.attach<EtherNodes>(this, (nodes, { ifp, renaming }) => (renaming ? nodes.of.get(ifp)?.renamed() : nodes.made(ifp)));
    net.departureEvent.attach<EtherNodes>(this, (nodes, { ifp, renaming }) => (renaming ? undefined : nodes.of.get(ifp)?.dies()));
    net.linkEvent.attach<EtherNodes>(this, (nodes, ifp) => nodes.of.get(ifp)?.linkChanged());
  }

  private made(ifp: Ifnet): void {
    if (ifp.type !== IFT_ETHER && ifp.type !== IFT_L2VLAN && ifp.type !== IFT_BRIDGE) return;
    if (this.of.has(ifp)) return;
    const node = this.graph.makeNode(etherType, (n) => {
      const ops = new EtherNode(n, ifp);
      this.of.set(ifp, ops);
      return ops;
    });
    if (typeof node !== 'number') this.graph.nameNode(node, nodeName(ifp));
  }

  forget(ifp: Ifnet): void {
    this.of.delete(ifp);
  }

  end(): void {
    const { net } = this.graph;
    for (const list of [net.arrivalEvent, net.departureEvent]) list.detach(this);
    net.linkEvent.detach(this);
  }
}

function nodeName(ifp: Ifnet): string {
  return ifp.xname.replace(/[.:]/g, '_');
}

const ifnameType = ngFixedString(IFNAMSIZ);

export const etherType: NgType = {
  name: 'ether',
  cookie: NGM_ETHER_COOKIE,
  cmds: [
    ngCmd(NGM_ETHER_GET_IFNAME, 'getifname', null, ngString),
    ngCmd(NGM_ETHER_GET_IFINDEX, 'getifindex', null, ngInt32),
    ngCmd(NGM_ETHER_GET_ENADDR, 'getenaddr', null, ngEnaddr),
    ngCmd(NGM_ETHER_SET_ENADDR, 'setenaddr', ngEnaddr),
    ngCmd(NGM_ETHER_GET_PROMISC, 'getpromisc', null, ngInt32),
    ngCmd(NGM_ETHER_SET_PROMISC, 'setpromisc', ngInt32),
    ngCmd(NGM_ETHER_GET_AUTOSRC, 'getautosrc', null, ngInt32),
    ngCmd(NGM_ETHER_SET_AUTOSRC, 'setautosrc', ngInt32),
    ngCmd(NGM_ETHER_ADD_MULTI, 'addmulti', ngEnaddr),
    ngCmd(NGM_ETHER_DEL_MULTI, 'delmulti', ngEnaddr),
    ngCmd(NGM_ETHER_DETACH, 'detach'),
  ],
  construct: null,
  attach: (graph) => void graph.state.set('ether', new EtherNodes(graph)),
  detach: (graph) => {
    const nodes = graph.state.get('ether');
    if (nodes instanceof EtherNodes) nodes.end();
  },
};
