/**
 * ipfw.ts — ng_ipfw(4): the node `ipfw`, where the firewall's rules `netgraph` and `ngtee` send packets.
 * Read first: ng_ipfw(4); netpfil/ipfw/ipfw-pfil.ts, which has the other side of the door.
 *
 * Theory of operation. A rule `netgraph N` sends a packet out of hook N; without that hook it is dropped. What comes in by any hook goes back to the firewall, which
 * knows by the packet's tag where it left, and drops what has none (copies of `ngtee`). Hooks queue, so that IP is not entered from within IP.
 *
 * There is one such node in a vnet with a firewall. It is made when somebody asks for its name, as FreeBSD makes it when the module is loaded; `mkpeer` makes none.
 * The door is open as long as there is a graph.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, EPROTONOSUPPORT, ESRCH } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import type { Ipfw } from '../../netpfil/ipfw/ipfw.js';
import type { IpfwNgDoor } from '../../netpfil/ipfw/index.js';
import { IPVERSION, ip4Version } from '../../wire/ip4.js';
import { IPV6_VERSION } from '../../wire/ip6.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { HK_QUEUE } from '../ng-node.js';

const NGM_IPFW_COOKIE = 1_105_988_990;
const IPFW_NODE = 'ipfw';

/** A hook's number, of 32 bits as in the original. */
function cookieOf(name: string): number {
  return Number(BigInt.asUintN(32, BigInt(name)));
}

/** The firewall's door to a graph, whether its node is there or not. */
class IpfwDoor implements IpfwNgDoor {
  private readonly graph: NgGraph;
  private readonly hooks = new Map<number, Hook>();

  constructor(graph: NgGraph) {
    this.graph = graph;
  }

  static of(graph: NgGraph): IpfwDoor | null {
    const door = graph.state.get('ipfw');
    return door instanceof IpfwDoor ? door : null;
  }

  input(m: PacketBuffer, cookie: number): Errno {
    const hook = this.hooks.get(cookie);
    if (hook !== undefined) return this.graph.send(hook, m);
    m.free();
    return ESRCH;
  }

  get(cookie: number): Hook | null {
    return this.hooks.get(cookie) ?? null;
  }

  set(cookie: number, hook: Hook): void {
    this.hooks.set(cookie, hook);
  }

  delete(hook: Hook): void {
    const cookie = cookieOf(hook.name);
    if (this.hooks.get(cookie) === hook) this.hooks.delete(cookie);
  }
}

class IpfwNode implements NgNodeOps {
  private readonly door: IpfwDoor;
  private readonly ipfw: Ipfw;

  constructor(door: IpfwDoor, ipfw: Ipfw) {
    this.door = door;
    this.ipfw = ipfw;
  }

  newhook(hook: Hook, name: string): Errno {
    if (!/^(0|[1-9]\d*)$/.test(name)) return EINVAL;
    hook.flags |= HK_QUEUE;
    this.door.set(cookieOf(name), hook);
    return 0;
  }

  /** Any spelling of the number. */
  findhook(name: string): Hook | null {
    return /^\d+$/.test(name) ? this.door.get(cookieOf(name)) : null;
  }

  rcvdata(_hook: Hook, m: PacketBuffer): Errno {
    const version = m.len === 0 ? 0 : ip4Version(m.view, m.off);
    if (version === IPVERSION || version === IPV6_VERSION) return this.ipfw.comeBack(m);
    m.free();
    return EPROTONOSUPPORT;
  }

  /** It stays without hooks. */
  disconnect(hook: Hook): void {
    this.door.delete(hook);
  }
}

export const ipfwType: NgType = {
  name: 'ipfw',
  cookie: NGM_IPFW_COOKIE,
  cmds: [],
  construct: null,
  attach: (graph) => {
    const { ipfw } = graph.stack;
    if (ipfw === null) return;
    const door = new IpfwDoor(graph);
    graph.state.set('ipfw', door);
    ipfw.setNgDoor(door);
  },
  detach: (graph) => graph.stack.ipfw?.setNgDoor(null),
  wanted: (graph: NgGraph, name: string): NgNode | null => {
    const door = IpfwDoor.of(graph);
    const { ipfw } = graph.stack;
    if (name !== IPFW_NODE || door === null || ipfw === null) return null;
    const node = graph.makeNode(ipfwType, () => new IpfwNode(door, ipfw));
    if (typeof node === 'number') return null;
    graph.nameNode(node, IPFW_NODE);
    return node;
  },
};
