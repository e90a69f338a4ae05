/**
 * ip6-loop.ts — IPv6 packets that come back to this host without having left it: ip6_mloopback.
 * Read first: inet/ip-loop.ts, which does the same for IPv4.
 *
 * Not here: the loopback interface (net/lo.ts), which has a queue of its own.
 */
import type { NetisrSource } from '../kern/netisr.js';
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Input } from './ip6-input.js';
import type { Ip6 } from './ip6.js';

const QUEUE_LEN = 256;
const QUEUE_LEN_MAX = 65_536;

export class Ip6Loop implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: VnetKern;
  readonly queue = new PacketQueue(QUEUE_LEN);
  private readonly ip6: Ip6;

  constructor(ip6: Ip6) {
    this.ip6 = ip6;
    this.netisrOwner = ip6.net.kern;
  }

  /** Sends `m` back in through `ifp`. Owns `m`. False: the queue was full. */
  enqueue(ifp: Ifnet, m: PacketBuffer): boolean {
    m.rcvif = ifp.index;
    m.flags |= M_LOOP;
    if (!this.queue.enqueue(m)) return false;
    this.ip6.net.kern.engine.schedule(this);
    return true;
  }

  netisrRun(max: number): number {
    const { ip6 } = this;
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      const ifp = ip6.net.ifByIndex(m.rcvif);
      if (ifp === null) {
        m.free();
        continue;
      }
      ip6Input(ip6, ifp, m);
    }
    return n;
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
