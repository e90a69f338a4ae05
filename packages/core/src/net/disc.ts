/**
 * disc.ts — disc(4): an interface that takes every packet and forwards none.
 * Read first: disc(4); freebsd `sys/net/if_disc.c`.
 *
 * It is a loopback interface as far as addresses and their routes go, because an interface needs some kind of route to be sent to; what
 * is sent to it, to its own address too, is counted and gone.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifDetach } from './if-detach.js';
import { ifAttach, ifUp } from './if.js';
import { IFF_LOOPBACK, IFF_MULTICAST, IFF_RUNNING, IFT_LOOP, Ifnet } from './ifnet.js';
import type { IfDriver } from './ifnet.js';

const DISC_MTU = 65_532;

/** Drops what is sent; ifTransmit counts it as sent. */
class DiscDriver implements IfDriver {
  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    m.free();
    return 0;
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }
}

export const discCloner: IfClonerSpec = {
  name: 'disc',
  create(net, _cloner, xname, unit, _params, like) {
    const ifp = new Ifnet(new DiscDriver(), 'disc', unit, xname, IFT_LOOP, IFF_LOOPBACK | IFF_MULTICAST | IFF_RUNNING, DISC_MTU);
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  },
  destroy(ifp) {
    if (!(ifp.driver instanceof DiscDriver)) return EINVAL;
    ifDetach(ifp);
    return 0;
  },
};
