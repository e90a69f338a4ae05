/**
 * if-devctl.ts — what devctl tells of interfaces: ATTACH, DETACH, LINK_UP, LINK_DOWN, RENAME.
 * Read first: kern/devctl.ts; freebsd `sys/net/if.c`, the calls of devctl_notify.
 *
 * Theory of operation. All of it hangs on the event handlers of the vnet. A link's change is told before the handlers that pass it on to
 * vlans and bridges, so that a parent comes before its children; arrival and departure after everybody else's, as in FreeBSD.
 * Those others may rename, move or destroy the interface meanwhile. So what was told is remembered: DETACH and RENAME come of what ATTACH was
 * told of, and what is gone again when its turn comes is not told of at all.
 * A vnet that is being taken down does not say DETACH for each interface it takes along, as FreeBSD does not.
 * FreeBSD tells vnet0's devd of vnet0 alone, but for RENAME and addresses, where it tells of every jail; here each vnet has a stream of its
 * own, and nothing is in another's.
 *
 * Not here: ADDR_ADD and ADDR_DEL (inet/in-control.ts: they go with RTM_NEWADDR and RTM_DELADDR), IFATTACH (ether.ts).
 */
import { devctlNotify } from '../kern/devctl.js';
import { EVENTHANDLER_PRI_FIRST, EVENTHANDLER_PRI_LAST } from '../kern/eventhandler.js';
import { LINK_STATE_UP } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { IfnetEvent, Net } from './net.js';

export class IfDevctl {
  private readonly net: Net;
  /** What readers know, by the name they know it under. */
  private readonly told = new Map<Ifnet, string>();

  constructor(net: Net) {
    this.net = net;
    net.arrivalEvent.attach(this, IfDevctl.onArrival, EVENTHANDLER_PRI_LAST);
    net.departureEvent.attach(this, IfDevctl.onDeparture, EVENTHANDLER_PRI_LAST);
    net.linkEvent.attach(net.kern, (kern, ifp) => {
      devctlNotify(kern, 'IFNET', ifp.xname, ifp.linkState === LINK_STATE_UP ? 'LINK_UP' : 'LINK_DOWN');
    }, EVENTHANDLER_PRI_FIRST);
  }

  private static onArrival(this: void, self: IfDevctl, { ifp }: IfnetEvent): void {
    self.arrived(ifp);
  }

  private static onDeparture(this: void, self: IfDevctl, { ifp, renaming }: IfnetEvent): void {
    if (!renaming) self.departed(ifp);
  }

  /** Tells no more. */
  destroy(): void {
    this.net.arrivalEvent.detach(this);
    this.net.departureEvent.detach(this);
    this.net.linkEvent.detach(this.net.kern);
  }

  private arrived(ifp: Ifnet): void {
    const { net, told } = this;
    const was = told.get(ifp);
    if (ifp.net !== net || was === ifp.xname) return;
    told.set(ifp, ifp.xname);
    if (was === undefined) devctlNotify(net.kern, 'IFNET', ifp.xname, 'ATTACH');
    else devctlNotify(net.kern, 'IFNET', was, 'RENAME', { name: ifp.xname });
  }

  private departed(ifp: Ifnet): void {
    const { kern } = this.net;
    if (this.told.delete(ifp) && !kern.isShuttingDown) devctlNotify(kern, 'IFNET', ifp.xname, 'DETACH');
  }
}
