/**
 * gw.ts — gw(4): the interface of a gateway. What is routed to it is for this vnet, whatever its destination.
 * Read first: docs/gateway.md; lo.ts, which it is like; inet/ip-input.ts.
 *
 * Theory of operation. A route says what leaves by way of the gateway: usually the default route. A packet that is sent on the interface waits on its
 * bounded queue and comes back in through it when the netisr serves the queue, as on a loopback; but here every unicast address is local
 * (`takesAny`), so TCP, UDP and ICMP get the packet as if they had its destination. They hand what belongs to no conversation of theirs to
 * whoever the gateway is (tcp-foreign.ts, udp-foreign.ts, icmp-foreign.ts). Answers do not come this way: they are sent to the guest by route, from
 * the address that was asked.
 *
 * While no gateway has it open, sending is refused (EHOSTDOWN). The one who has it open is told when it is gone.
 * It has neighbours of neither family. A capture sees what is sent, once.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EHOSTDOWN, EINVAL } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { NetisrSource } from '../kern/netisr.js';
import { CSUM_IP_VALID, M_BCAST, M_LOOP, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { HOPS_MAX } from './ether.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifAttach, ifLinkStateChange, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { IFCAP_LINKSTATE, IFCAP_LRO, IFF_MONITOR, IFF_RUNNING, IFT_PROPVIRTUAL, IF_MAXMTU, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP, TRANSMIT_COUNTED } from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { Net } from './net.js';

/** Packets that may wait to come back in. */
export const GW_QUEUE_MAX = 4_096;
const GW_CAPS = IFCAP_LRO | IFCAP_LINKSTATE;

/** Who has an interface open. */
export interface GwOpener {
  /** The interface was destroyed, or has left for another vnet. */
  gone(): void;
}

export class GwSoftc implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly net: Net;
  private readonly queue = new PacketQueue(GW_QUEUE_MAX);
  private opener: GwOpener | null = null;

  constructor(net: Net, xname: string, unit: number) {
    this.net = net;
    this.netisrOwner = net.kern;
    this.ifp = new Ifnet(this, 'gw', unit, xname, IFT_PROPVIRTUAL, 0, IF_MAXMTU);
    this.ifp.capabilities = GW_CAPS;
    this.ifp.capenable = GW_CAPS;
    this.ifp.input = ifDemux;
    this.ifp.takesAny = true;
    this.ifp.linkState = LINK_STATE_DOWN;
  }

  /** What is sent comes back in from now on; null: no more. EBUSY: somebody else has it open. */
  open(opener: GwOpener | null): Errno {
    if (opener !== null && this.opener !== null) return EBUSY;
    this.opener = opener;
    if (opener === null) this.queue.purge();
    if (this.ifp.net !== null) ifLinkStateChange(this.ifp, opener === null ? LINK_STATE_DOWN : LINK_STATE_UP);
    return 0;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (this.opener === null || !ifp.isUp) {
      m.free();
      return EHOSTDOWN;
    }
    if (m.hops >= HOPS_MAX) {
      ifp.data.oerrors++;
      m.free();
      return TRANSMIT_COUNTED;
    }
    m.hops++;
    m.flags = (m.flags & (M_BCAST | M_MCAST)) | M_LOOP;
    m.pcp = -1;
    m.csumFlags |= CSUM_IP_VALID;
    if (!this.queue.enqueue(m)) {
      ifp.data.oqdrops++;
      return TRANSMIT_COUNTED;
    }
    if (!this.netisrQueued) this.net.kern.engine.schedule(this);
    return 0;
  }

  netisrRun(max: number): number {
    const { ifp } = this;
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      ifp.data.ipackets++;
      ifp.data.ibytes += m.len;
      m.rcvif = ifp.index;
      if ((ifp.flags & IFF_MONITOR) !== 0) m.free();
      else ifDemux(ifp, m);
    }
    return n;
  }

  addrAdded(ifp: Ifnet): void {
    ifp.flags |= IFF_RUNNING;
    ifUp(ifp);
  }

  setCaps(): Errno {
    return 0;
  }

  qflush(): void {
    this.queue.purge();
  }

  sndq(): PacketQueue {
    return this.queue;
  }

  queued(): number {
    return this.queue.length;
  }

  /** Leaves its vnet. */
  detach(): void {
    ifDetach(this.ifp);
    const { opener } = this;
    this.open(null);
    opener?.gone();
  }
}

/** The driver of a gateway's interface, or null for another kind. */
export function gwOf(ifp: Ifnet): GwSoftc | null {
  return ifp.driver instanceof GwSoftc ? ifp.driver : null;
}

/** One that moves to another vnet is a new one there, which nobody has open. */
export const gwCloner: IfClonerSpec = {
  name: 'gw',
  create(net, _cloner, xname, unit, _params, like) {
    const { ifp } = new GwSoftc(net, xname, unit);
    ifp.flags |= IFF_RUNNING;
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  },
  destroy(ifp) {
    const sc = gwOf(ifp);
    if (sc === null) return EINVAL;
    sc.detach();
    return 0;
  },
};
