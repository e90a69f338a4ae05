/**
 * if-devctl.ts — what devctl tells of interfaces: ATTACH, DETACH, LINK_UP, LINK_DOWN, RENAME.
 * Read first: kern/devctl.ts; freebsd `sys/net/if.c`, the calls of devctl_notify.
 *
 * Theory of operation. All of it hangs on the event handlers of the vnet. A link's change is told before the handlers that pass it on to
 * vlans and bridges, so that a parent comes before its children; arrival and departure after everybody else's, as in FreeBSD.
 * A vnet that is being taken down does not say DETACH for each interface it takes along, as FreeBSD does not.
 * FreeBSD tells vnet0's devd of vnet0 alone, but for RENAME and addresses, where it tells of every jail; here each vnet has a stream of its
 * own, and nothing is in another's.
 *
 * Not here: ADDR_ADD and ADDR_DEL (inet/in-control.ts: they go with RTM_NEWADDR and RTM_DELADDR), IFATTACH (ether.ts).
 */
import { devctlNotify } from '../kern/devctl.js';
import { EVENTHANDLER_PRI_FIRST, EVENTHANDLER_PRI_LAST } from '../kern/eventhandler.js';
import { LINK_STATE_UP } from './ifnet.js';
import type { Net } from './net.js';

/** Begins telling; the returned function ends it. */
export function ifDevctlAttach(net: Net): () => void {
  const { kern } = net;
  /** Its name until now, while an interface is renamed. */
  let renamed = '';
  const undo = [
    net.arrivalEvent.register(({ ifp, renaming }) => {
      if (renaming) devctlNotify(kern, 'IFNET', renamed, 'RENAME', { name: ifp.xname });
      else devctlNotify(kern, 'IFNET', ifp.xname, 'ATTACH');
    }, EVENTHANDLER_PRI_LAST),
    net.departureEvent.register(({ ifp, renaming }) => {
      if (renaming) renamed = ifp.xname;
      else if (!kern.isShuttingDown) devctlNotify(kern, 'IFNET', ifp.xname, 'DETACH');
    }, EVENTHANDLER_PRI_LAST),
    net.linkEvent.register((ifp) => {
      devctlNotify(kern, 'IFNET', ifp.xname, ifp.linkState === LINK_STATE_UP ? 'LINK_UP' : 'LINK_DOWN');
    }, EVENTHANDLER_PRI_FIRST),
  ];
  return () => {
    for (const off of undo) off();
  };
}
