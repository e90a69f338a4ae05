/**
 * edsc.ts — edsc(4): an Ethernet interface that takes every frame and forwards none.
 * Read first: edsc(4); freebsd `sys/net/if_edsc.c`.
 *
 * It has every offload a driver can have, none of them on, because a frame that goes nowhere needs none. Nobody answers its ARP requests.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHERMTU } from '../wire/ether.js';
import { etherIfattach, etherIfdetach } from './ether.js';
import type { IfClonerSpec } from './if-clone.js';
import {
  IFCAP_JUMBO_MTU, IFCAP_RXCSUM, IFCAP_TSO4, IFCAP_TSO6, IFCAP_TXCSUM, IFCAP_VLAN_HWCSUM, IFCAP_VLAN_HWTAGGING, IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_MULTICAST,
  IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';

const EDSC_CAPS = IFCAP_VLAN_MTU | IFCAP_VLAN_HWTAGGING | IFCAP_VLAN_HWCSUM | IFCAP_RXCSUM | IFCAP_TXCSUM | IFCAP_TSO4 | IFCAP_TSO6 | IFCAP_JUMBO_MTU;
/** First and last octet of the generated address. */
const MAC_FIRST = 0x02;
const MAC_LAST = 0x0e;

/** Drops what is sent; ifTransmit counts it as sent. */
class EdscDriver implements IfDriver {
  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    m.free();
    return 0;
  }
}

export const edscCloner: IfClonerSpec = {
  name: 'edsc',
  create(net, _cloner, xname, unit, _params, like) {
    const ifp = new Ifnet(new EdscDriver(), 'edsc', unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_MULTICAST | IFF_SIMPLEX | IFF_RUNNING, ETHERMTU);
    ifp.capabilities = EDSC_CAPS;
    etherIfattach(ifp, net, like?.lladdr ?? net.shared.generateMac(MAC_FIRST, MAC_LAST), like);
    return { error: 0, ifp };
  },
  destroy(ifp) {
    if (!(ifp.driver instanceof EdscDriver)) return EINVAL;
    etherIfdetach(ifp);
    return 0;
  },
};
