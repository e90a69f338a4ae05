/**
 * ip-loop.ts — IPv4 packets that come back to this host without having left it: if_simloop.
 * Read first: FreeBSD's net/if_loop.c, if_simloop; net/pktqueue.ts.
 *
 * A copy of a broadcast or multicast this host sends, and a packet resolved to an own address, is put on IP's input queue and
 * taken up by ipInput as if it had come in on the interface it was meant for, marked M_LOOP. The queue is served by netisr, so
 * a sender never runs into its own input. Its bound has two names: FreeBSD's `net.inet.ip.intr_queue_maxlen` and NetBSD's `net.inet.ip.ifq.maxlen`.
 * Not here: the loopback interface (net/lo.ts), which has a queue of its own.
 */
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { CSUM_IP_VALID, M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { PKTQ_SYSCTLS, PktQueue } from '../net/pktqueue.js';
import { ipInput } from './ip-input.js';
import type { Ip } from './ip.js';

const QUEUE_LEN_MAX = 65_536;

export class IpLoop extends PktQueue {
  constructor(ip: Ip) {
    super(ip.net, (ifp, m) => ipInput(ip, ifp, m));
  }

  /** Sends `m` back in through `ifp`. Owns `m`; its header checksum has been computed. False: the queue was full. */
  enqueue(ifp: Ifnet, m: PacketBuffer): boolean {
    m.flags |= M_LOOP;
    m.csumFlags |= CSUM_IP_VALID;
    return this.put(ifp, m);
  }
}

export const IP_LOOP_SYSCTLS: SysctlGroup<IpLoop> = {
  prefix: 'net.inet.ip',
  oids: [
    {
      leaf: 'intr_queue_maxlen', type: 'int', unit: 'packets', min: 1, max: QUEUE_LEN_MAX, help: 'Maximum size of the IP input queue',
      get: (o) => o.queue.limit,
      set: (o, value) => {
        o.queue.limit = Number(value);
        return 0;
      },
    },
    sysctlRead('intr_queue_drops', 'int', 'packets', 'Number of packets dropped from the IP input queue', (o) => o.queue.drops),
  ],
};

export const IP_IFQ_SYSCTLS: SysctlGroup<IpLoop> = { prefix: 'net.inet.ip.ifq', oids: PKTQ_SYSCTLS };
