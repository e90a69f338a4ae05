/**
 * ifb.ts — ifb: an interface through whose output discipline goes what another interface has received.
 * Read first: Linux's `drivers/net/ifb.c`; docs/plug.md; tc/tc-action.ts.
 *
 * Theory of operation. A filter on what `tap0` receives redirects to `ifb0`; there the packet is output, so a discipline on ifb0's root orders or holds it; when it comes out it goes on as tap0's input, past the filter
 * that took it. What was sent to an ifb by anybody else has no place to come back to: it is dropped and counted as an input error. While an ifb is down whoever redirects to it drops
 * (tc-action.ts), and what its discipline held is gone: a filter that leads to an ifb that is down is a black hole, on Linux too. So the filter goes first, the ifb last.
 * What comes back waits in a queue of the vnet, as what is sent to this host does, so nothing is called in circles.
 *
 * It is an Ethernet interface, because whoever redirects to it has frames; it has no ARP and no multicast, so the stack sends nothing by it of its own accord.
 *
 * Invariant: an interface that leaves the vnet takes along what came by it, here and in the discipline.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import { M_REDIRECTED, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ETHERMTU } from '../wire/ether.js';
import { HOPS_MAX, etherInput, etherIfdetach } from './ether.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifAttach } from './if.js';
import { ifReinput } from './if-transmit.js';
import { IFF_BROADCAST, IFF_NOARP, IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, TRANSMIT_COUNTED } from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { Net } from './net.js';
import { PktQueue } from './pktqueue.js';

/** Packets that may wait to go back. */
export const IFB_QUEUE_MAX = 4_096;
/** Linux's queue lengths, by which disciplines there choose their limit. */
const IFB_TXQUEUELEN = 32;
export const ETHER_TXQUEUELEN = 1_000;
const MAC_FIRST = 0x02;
const MAC_LAST = 0x1f;

export class IfbSoftc implements IfDriver {
  private readonly net: Net;
  private readonly back: PktQueue;

  constructor(net: Net) {
    this.net = net;
    this.back = new PktQueue(net, ifReinput);
    this.back.queue.limit = IFB_QUEUE_MAX;
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    const from = (m.flags & M_REDIRECTED) === 0 ? null : this.net.ifByIndex(m.rcvif);
    if (!ifp.isRunning || from === null || m.hops >= HOPS_MAX) {
      ifp.data.ierrors++;
      m.free();
      return TRANSMIT_COUNTED;
    }
    m.hops++;
    m.flags &= M_VLANTAG;
    ifp.data.ipackets++;
    ifp.data.ibytes += m.len;
    if (this.back.put(from, m)) return 0;
    ifp.data.oqdrops++;
    return TRANSMIT_COUNTED;
  }

  rcvq(): PacketQueue {
    return this.back.queue;
  }

  queued(): number {
    return this.back.queue.length;
  }

  qflush(): void {
    this.back.queue.purge();
  }

  destroy(): void {
    this.back.destroy();
  }
}

/** How many packets wait at `ifp` where that is Linux's. */
export function ifTxqueuelen(ifp: Ifnet): number {
  return ifp.driver instanceof IfbSoftc ? IFB_TXQUEUELEN : ETHER_TXQUEUELEN;
}

export const ifbCloner: IfClonerSpec = {
  name: 'ifb',
  create(net, _cloner, xname, unit, _params, like) {
    const sc = new IfbSoftc(net);
    const ifp = new Ifnet(sc, 'ifb', unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_NOARP | IFF_SIMPLEX | IFF_RUNNING, ETHERMTU);
    ifp.input = etherInput;
    const mac = like?.lladdr ?? net.shared.generateMac(MAC_FIRST, MAC_LAST);
    ifp.storeLladdr(mac);
    ifp.hwaddr = mac.slice();
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  },
  destroy(ifp) {
    if (!(ifp.driver instanceof IfbSoftc)) return EINVAL;
    etherIfdetach(ifp);
    ifp.driver.destroy();
    return 0;
  },
};
