/**
 * ip-loop.ts — IPv4 packets that come back to this host without having left it: if_simloop.
 * Read first: FreeBSD's net/if_loop.c, if_simloop.
 *
 * A copy of a broadcast or multicast this host sends, and a packet resolved to an own address, is put on a bounded queue and
 * taken up by ipInput as if it had come in on the interface it was meant for, marked M_LOOP. The queue is served by netisr, so
 * a sender never runs into its own input. `net.inet.ip.intr_queue_maxlen` bounds it.
 * Not here: the loopback interface (net/lo.ts), which has a queue of its own.
 */
import type { NetisrSource } from '../kern/netisr.js';
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { CSUM_IP_VALID, M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import type { Ifnet } from '../net/ifnet.js';
import { ipInput } from './ip-input.js';
import type { Ip } from './ip.js';

const QUEUE_LEN = 256;
const QUEUE_LEN_MAX = 65_536;

export class IpLoop implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: VnetKern;
  readonly queue = new PacketQueue(QUEUE_LEN);
  private readonly ip: Ip;

  constructor(ip: Ip) {
    this.ip = ip;
    this.netisrOwner = ip.net.kern;
  }

  /** Sends `m` back in through `ifp`. Owns `m`; its header checksum has been computed. False: the queue was full. */
  enqueue(ifp: Ifnet, m: PacketBuffer): boolean {
    m.rcvif = ifp.index;
    m.flags |= M_LOOP;
    m.csumFlags |= CSUM_IP_VALID;
    if (!this.queue.enqueue(m)) return false;
    this.ip.net.kern.engine.schedule(this);
    return true;
  }

  netisrRun(max: number): number {
    const { ip } = this;
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      const ifp = ip.net.ifByIndex(m.rcvif);
      if (ifp === null) {
        m.free();
        continue;
      }
      ipInput(ip, ifp, m);
    }
    return n;
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
