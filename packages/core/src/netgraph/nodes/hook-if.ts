/**
 * hook-if.ts — HookIf: an interface whose other end is a node's hook; what eiface.ts and iface.ts have in common.
 * Read first: net/epair.ts, whose queue this has; net/if-move.ts.
 *
 * Theory of operation. What comes in by the hook waits on a bounded queue until the netisr hands it to the interface, so that a graph never calls up into a
 * stack. The interface may move to another vnet, its node does not: the new instance takes the old one's place at the node. An interface goes with
 * its node. That takes thread context; when the node goes in softint, because a program told it to in the middle of a packet, the interface
 * follows at the end of the turn.
 *
 * Invariant: `rx` is empty once the instance is detached.
 */
import type { Errno } from '../../base/errno.js';
import { EAGAIN, ENOBUFS, ENODEV } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import { CTX_THREAD } from '../../kern/context.js';
import type { Engine } from '../../kern/engine.js';
import type { NetisrSource } from '../../kern/netisr.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import { ifDetach } from '../../net/if-detach.js';
import { ifMoved, ifNotMoved } from '../../net/if-move.js';
import type { IfMove, IfMoveResult } from '../../net/if-move.js';
import { ifInput } from '../../net/if-transmit.js';
import { ifLinkStateChange, ifUp } from '../../net/if.js';
import { IFF_RUNNING, IFNAMSIZ, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP } from '../../net/ifnet.js';
import type { IfDriver } from '../../net/ifnet.js';
import type { Net } from '../../net/net.js';
import { NGM_LINK_IS_DOWN, NGM_LINK_IS_UP } from '../ng-generic.js';
import type { NgMessage } from '../ng-message.js';
import type { NgNode, NgNodeOps } from '../ng-node.js';
import { ngFixedString } from '../ng-parse.js';
import { UnitSet } from './unit-set.js';

/** Packets that may wait for an interface. */
const QUEUE_MAX = 4_096;
const UNIT_MAX = 65_535;

/** A name of an interface in a message. */
export const ngIfnameType = ngFixedString(IFNAMSIZ);

/** Makes a node with the interface of the lowest free unit of the graph; `prefix` is what the unit's name begins with. */
export function hookIfConstruct(node: NgNode, prefix: string, make: (units: UnitSet, unit: number) => NgNodeOps): NgNodeOps | Errno {
  const { kern, net } = node.graph;
  if (kern.engine.context !== CTX_THREAD) return EAGAIN;
  const units = UnitSet.of(node.graph, prefix, UNIT_MAX);
  const unit = units.alloc((n) => net.ifunit(`${prefix}${n}`) !== null);
  return unit < 0 ? ENOBUFS : net.shared.lifecycle(() => make(units, unit));
}

/** What an Ifnet is made with, but for its driver. */
export interface HookIfShape {
  readonly dname: string;
  readonly unit: number;
  readonly xname: string;
  readonly type: number;
  readonly flags: number;
  readonly mtu: number;
}

export abstract class HookIf implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly engine: Engine;
  private readonly rx = new PacketQueue(QUEUE_MAX);

  protected constructor(net: Net, { dname, unit, xname, type, flags, mtu }: HookIfShape) {
    this.netisrOwner = net.kern;
    this.engine = net.kern.engine;
    this.ifp = new Ifnet(this, dname, unit, xname, type, flags, mtu);
  }

  abstract transmit(ifp: Ifnet, m: PacketBuffer): Errno;

  /** Makes the instance that takes this one's place, and attaches it where it goes to. */
  protected abstract moved(move: IfMove): HookIf;

  /** It is the node's interface from now on. */
  protected abstract take(): void;

  /** Lets `m` come in on the interface, which is up. Owns `m`. */
  protected enqueue(m: PacketBuffer): Errno {
    if (!this.rx.enqueue(m)) {
      this.ifp.data.iqdrops++;
      return ENOBUFS;
    }
    if (!this.netisrQueued) this.engine.schedule(this);
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

  rcvq(): PacketQueue {
    return this.rx;
  }

  queued(): number {
    return this.rx.length;
  }

  vnetGone(): void {
    this.rx.purge();
  }

  reassign(move: IfMove): IfMoveResult {
    const { ifp: old } = move;
    const made = this.moved(move);
    if (old.net === null) {
      ifDetach(made.ifp);
      return ifNotMoved(ENODEV);
    }
    move.commit(made.ifp);
    made.take();
    ifDetach(old);
    this.rx.purge();
    return ifMoved(made.ifp);
  }

  /** A message of the link. */
  flowMsg({ cmd }: NgMessage): Errno {
    if (cmd === NGM_LINK_IS_UP) ifLinkStateChange(this.ifp, LINK_STATE_UP);
    else if (cmd === NGM_LINK_IS_DOWN) ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
    return 0;
  }

  /** The node is gone. The unit is free when the interface is gone, too. */
  end(units: UnitSet): void {
    const detach = (): void => {
      const { ifp } = this;
      if (ifp.net !== null) {
        ifp.busy = true;
        ifp.net.shared.lifecycle(() => ifDetach(ifp));
      }
      this.rx.purge();
      units.free(this.ifp.dunit);
    };
    if (this.engine.context === CTX_THREAD) detach();
    else this.engine.resume(detach);
  }
}
