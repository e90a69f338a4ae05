/**
 * lagg-port.ts — what is done to an interface that becomes a port of a lagg, and undone when it leaves.
 * Read first: freebsd `sys/net/if_lagg.c` lagg_port_create, lagg_port_destroy.
 *
 * A port gets the lagg's link address, its type becomes IFT_IEEE8023ADLAG (so that it can be no bridge member and no vlan's parent), the lagg hangs on
 * its hook, and it joins the lagg's multicast groups and is promiscuous when the lagg is. All of this is given back, but for the MTU, which
 * stays the lagg's, as in FreeBSD. Deviation: an interface that moves to another vnet takes its own address along, not the lagg's.
 */
import { ifAddMulti, ifAllmulti, ifChangeCaps, ifCounters, ifDelMulti, ifPromisc, ifSetLladdr } from '../if.js';
import { IFF_ALLMULTI, IFF_PROMISC, IFT_IEEE8023ADLAG } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { LaggPort } from './lagg-var.js';
import type { LaggShared } from './lagg-var.js';

/** What the lagg hears of the interfaces of its ports. */
export interface LaggPortEvents {
  departed(port: LaggPort): void;
  portLinkState(port: LaggPort): void;
}

/** `ifp` becomes a port. The caller sets its link address and has checked that it may. */
export function laggPortAttach(lagg: LaggShared, ifp: Ifnet, events: LaggPortEvents): LaggPort {
  const port = new LaggPort(ifp, lagg, ifCounters(ifp));
  const { net } = ifp;
  ifp.type = IFT_IEEE8023ADLAG;
  ifp.lagg = port;
  if (net !== null) {
    port.unwatch = [
      net.departureEvent.register((e) => {
        if (e.ifp === ifp && !e.renaming) events.departed(port);
      }),
      net.linkEvent.register((other) => {
        if (other === ifp) events.portLinkState(port);
      }),
    ];
  }
  return port;
}

/** The interface is no port any more; what was its own comes back. One that is leaving its vnet is in no multicast group already. */
export function laggPortDetach(port: LaggPort): void {
  const { ifp } = port;
  for (const off of port.unwatch) off();
  ifp.type = port.iftype;
  ifp.lagg = null;
  if (port.detaching) port.multi = [];
  laggPortMulti(port, []);
  laggPortFlags(port, false);
  if (ifp.capenable !== port.capenable) ifChangeCaps(ifp, port.capenable);
  if (port.detaching) ifp.storeLladdr(port.lladdr);
  else ifSetLladdr(ifp, port.lladdr);
}

/** Promiscuous and all-multicast as the lagg is; `on` false: as it was without the lagg. */
export function laggPortFlags(port: LaggPort, on: boolean): void {
  const want = on ? port.lagg.ifp.flags & (IFF_PROMISC | IFF_ALLMULTI) : 0;
  const change = want ^ port.pflags;
  port.pflags = want;
  if ((change & IFF_PROMISC) !== 0) ifPromisc(port.ifp, (want & IFF_PROMISC) !== 0);
  if ((change & IFF_ALLMULTI) !== 0) ifAllmulti(port.ifp, (want & IFF_ALLMULTI) !== 0);
}

/** The port is in these multicast groups for the lagg, and in no others. */
export function laggPortMulti(port: LaggPort, groups: readonly Uint8Array[]): void {
  const were = port.multi;
  port.multi = groups.map((g) => g.slice());
  for (const mac of port.multi) ifAddMulti(port.ifp, mac);
  for (const mac of were) ifDelMulti(port.ifp, mac);
}
