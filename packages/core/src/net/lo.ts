/**
 * lo.ts — lo(4): the software loopback.
 * Read first: lo(4); freebsd `sys/net/if_loop.c`.
 *
 * Theory of operation. What is sent waits on the interface's bounded queue and comes back in through it when the netisr serves
 * the queue, so that a sender never runs into its own input. A capture sees each packet once, when it is sent. Checksums
 * are vouched for, not computed: the packet never left the process; without RXCSUM the receiver looks at them, without TXCSUM the sender
 * has computed them (ip-output.ts). A super-segment comes back whole.
 * lo0 is made with its vnet and goes with it; more can be made. The first of a vnet is what its local routes go through
 * (`net.loif`).
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EINVAL, EOPNOTSUPP } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { NetisrSource } from '../kern/netisr.js';
import { CSUM_IP_VALID, CSUM_L4_VALID, M_BCAST, M_LOOP, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { HOPS_MAX } from './ether.js';
import { IFC_F_FORCE } from './if-clone.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifAttach, ifLinkStateChange, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifTransmit } from './if-transmit.js';
import {
  AF_INET, AF_INET6, IFCAP_LINKSTATE, IFCAP_RXCSUM, IFCAP_RXCSUM_IPV6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, IFF_LOOPBACK, IFF_MONITOR, IFF_MULTICAST, IFF_RUNNING,
  IFT_LOOP, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP, TRANSMIT_COUNTED,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';

const LOMTU = 16_384;
/** Packets that may wait to come back. */
export const LO_QUEUE_MAX = 4_096;
const LO_CAPS = IFCAP_RXCSUM | IFCAP_TXCSUM | IFCAP_RXCSUM_IPV6 | IFCAP_TXCSUM_IPV6 | IFCAP_LINKSTATE;

class LoSoftc implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly net: Net;
  private readonly queue = new PacketQueue(LO_QUEUE_MAX);

  constructor(net: Net, xname: string, unit: number) {
    this.net = net;
    this.netisrOwner = net.kern;
    this.ifp = new Ifnet(this, 'lo', unit, xname, IFT_LOOP, IFF_LOOPBACK | IFF_MULTICAST, LOMTU);
    this.ifp.capabilities = LO_CAPS;
    this.ifp.capenable = LO_CAPS;
    this.ifp.input = ifDemux;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (m.hops >= HOPS_MAX) {
      ifp.data.oerrors++;
      m.free();
      return TRANSMIT_COUNTED;
    }
    m.hops++;
    m.flags = (m.flags & (M_BCAST | M_MCAST)) | M_LOOP;
    m.pcp = -1;
    if ((ifp.capenable & IFCAP_RXCSUM) !== 0) m.csumFlags |= CSUM_IP_VALID | CSUM_L4_VALID;
    if (!this.queue.enqueue(m)) {
      ifp.data.oqdrops++;
      return TRANSMIT_COUNTED;
    }
    if (!this.netisrQueued) this.net.kern.engine.schedule(this);
    return 0;
  }

  netisrRun(max: number): number {
    const ifp = this.ifp;
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

  flagsChanged(ifp: Ifnet): void {
    ifLinkStateChange(ifp, ifp.isUp ? LINK_STATE_UP : LINK_STATE_DOWN);
  }

  /** EOPNOTSUPP: IPv6's checksums are always vouched for. */
  setCaps(ifp: Ifnet, caps: number): Errno {
    return ((ifp.capenable ^ caps) & (IFCAP_RXCSUM_IPV6 | IFCAP_TXCSUM_IPV6)) === 0 ? 0 : EOPNOTSUPP;
  }

  addrAdded(ifp: Ifnet): void {
    ifp.flags |= IFF_RUNNING;
    ifUp(ifp);
  }

  sndq(): PacketQueue {
    return this.queue;
  }

  queued(): number {
    return this.queue.length;
  }

  detach(): void {
    if (this.net.loif === this.ifp) this.net.loif = null;
    ifDetach(this.ifp);
    this.queue.purge();
  }
}

/** Sends `m`, which begins with the header of address family `af`, back to this host. Owns `m`. EAFNOSUPPORT for other families. */
export function loOutput(ifp: Ifnet, m: PacketBuffer, af: number): Errno {
  if (af === AF_INET || af === AF_INET6) return ifTransmit(ifp, m);
  m.free();
  return EAFNOSUPPORT;
}

function create(net: Net, _cloner: IfCloner, xname: string, unit: number, _params: CloneParams | null, like: IfVparams | null): CloneResult {
  const { ifp } = new LoSoftc(net, xname, unit);
  ifAttach(ifp, net, like);
  if (like === null) net.loif ??= ifp; // a borrowed one goes home again
  return { error: 0, ifp };
}

function destroy(ifp: Ifnet, _cloner: IfCloner, flags: number): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof LoSoftc)) return EINVAL;
  if (ifp.dunit === 0 && (flags & IFC_F_FORCE) === 0) return EINVAL;
  sc.detach();
  return 0;
}

/** lo0 can only be destroyed by force: EINVAL. */
export const loCloner: IfClonerSpec = { name: 'lo', create, destroy };
