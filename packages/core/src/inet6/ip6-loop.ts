/**
 * ip6-loop.ts — IPv6 packets that come back to this host without having left it: ip6_mloopback.
 * Read first: inet/ip-loop.ts, which does the same for IPv4.
 *
 * Not here: the loopback interface (net/lo.ts), which has a queue of its own.
 */
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { PKTQ_SYSCTLS, PktQueue } from '../net/pktqueue.js';
import { ip6Input } from './ip6-input.js';
import type { Ip6 } from './ip6.js';

const QUEUE_LEN_MAX = 65_536;

export class Ip6Loop extends PktQueue {
  constructor(ip6: Ip6) {
    super(ip6.net, (ifp, m) => ip6Input(ip6, ifp, m));
  }

  /** Sends `m` back in through `ifp`. Owns `m`. False: the queue was full. */
  enqueue(ifp: Ifnet, m: PacketBuffer): boolean {
    m.flags |= M_LOOP;
    return this.put(ifp, m);
  }
}

export const IP6_LOOP_SYSCTLS: SysctlGroup<Ip6Loop> = {
  prefix: 'net.inet6.ip6',
  oids: [
    {
      leaf: 'intr_queue_maxlen', type: 'int', unit: 'packets', min: 1, max: QUEUE_LEN_MAX, help: 'Maximum size of the IPv6 input queue',
      get: (o) => o.queue.limit,
      set: (o, value) => {
        o.queue.limit = Number(value);
        return 0;
      },
    },
    sysctlRead('intr_queue_drops', 'int', 'packets', 'Number of packets dropped from the IPv6 input queue', (o) => o.queue.drops),
  ],
};

export const IP6_IFQ_SYSCTLS: SysctlGroup<Ip6Loop> = { prefix: 'net.inet6.ip6.ifq', oids: PKTQ_SYSCTLS };
