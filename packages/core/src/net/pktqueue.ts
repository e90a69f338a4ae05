/**
 * pktqueue.ts — class PktQueue: packets that wait for a protocol's input, and the barrier behind those that came by an interface which leaves.
 * Read first: NetBSD's `sys/net/pktqueue.c`; kern/netisr.ts; docs/contexts.md.
 *
 * Theory of operation. A frame from a link goes up to IP by calls and waits nowhere. What this host sends to itself does wait: whoever sends must not run
 * into the input. It is put here with the number of the interface it counts as received on, and the netisr calls the
 * protocol. A full queue drops the newest packet.
 * A packet knows its interface by number, and a number is given to the next interface that is made. So an interface that leaves its vnet takes what came
 * by it out of every protocol queue before its number is free (`ifdetach`, a step of if-detach.ts); the others keep their places.
 * `barrier` is for who must know that everything queued until now has been handled: a marker at the end of the queue, which
 * is a count here, not a packet.
 *
 * Invariant: `Net.pktqs` holds exactly the queues that may have packets.
 */
import type { NetisrSource } from '../kern/netisr.js';
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlOid } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

/** IFQ_MAXLEN */
export const PKTQ_MAXLEN = 256;
const PKTQ_MAXLEN_MAX = 65_536;

interface Marker {
  /** Packets taken out of the queue, since it was made, when the marker is passed. */
  readonly at: number;
  readonly then: () => void;
}

export class PktQueue implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: VnetKern;
  readonly queue = new PacketQueue(PKTQ_MAXLEN);
  private readonly net: Net;
  private readonly input: (ifp: Ifnet, m: PacketBuffer) => void;
  /** Packets taken out so far. */
  private taken = 0;
  private markers: Marker[] | null = null;

  /** @param input of the protocol. Owns the packet. */
  constructor(net: Net, input: (ifp: Ifnet, m: PacketBuffer) => void) {
    this.net = net;
    this.netisrOwner = net.kern;
    this.input = input;
    net.pktqs = net.pktqs.concat(this);
  }

  /** Lets `m` wait as one that came by `ifp`. Owns `m`. False: the queue was full, and `m` is gone. */
  put(ifp: Ifnet, m: PacketBuffer): boolean {
    m.rcvif = ifp.index;
    if (!this.queue.enqueue(m)) return false;
    if (!this.netisrQueued) this.net.kern.engine.schedule(this);
    return true;
  }

  netisrRun(max: number): number {
    const { net } = this;
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      this.taken++;
      const ifp = net.ifByIndex(m.rcvif);
      if (ifp === null) m.free();
      else this.input(ifp, m);
      if (this.markers !== null) this.passMarkers();
    }
    return n;
  }

  /** pktq_barrier: calls `then` in thread context when all that waits now has been handled; at once when nothing does. Thread context. */
  barrier(then: () => void): boolean {
    this.net.kern.engine.assertThread();
    if (this.queue.length === 0) {
      then();
      return true;
    }
    (this.markers ??= []).push({ at: this.taken + this.queue.length, then });
    return false;
  }

  /** What came by `ifp`, which leaves the vnet, is freed and counted as its input drops. Thread context. */
  ifdetach(ifp: Ifnet): void {
    const { queue } = this;
    for (let left = queue.length; left > 0; left--) {
      const m = queue.dequeue();
      if (m === null) break;
      if (m.rcvif === ifp.index) {
        ifp.data.iqdrops++;
        this.taken++;
        m.free();
      } else {
        queue.enqueue(m);
      }
    }
    if (this.markers !== null) this.passMarkers();
  }

  /** Frees what waits; whoever waits for it goes on. */
  destroy(): void {
    this.net.pktqs = this.net.pktqs.filter((q) => q !== this);
    this.taken += this.queue.length;
    this.queue.purge();
    if (this.markers !== null) this.passMarkers();
  }

  private passMarkers(): void {
    const { markers, taken } = this;
    if (markers === null) return;
    const left = markers.filter((k) => k.at > taken);
    if (left.length === markers.length) return;
    this.markers = left.length === 0 ? null : left;
    for (const k of markers) if (k.at <= taken) this.net.kern.engine.resume(k.then);
  }
}

/** `net.inet.ip.ifq.{len,maxlen,drops}` and the like: NetBSD's names. */
export const PKTQ_SYSCTLS: readonly SysctlOid<{ readonly queue: PacketQueue }>[] = [
  sysctlRead('len', 'int', 'packets', 'Current input queue length', (o) => o.queue.length),
  {
    leaf: 'maxlen', type: 'int', unit: 'packets', min: 1, max: PKTQ_MAXLEN_MAX, help: 'Maximum allowed input queue length',
    get: (o) => o.queue.limit,
    set: (o, value) => {
      o.queue.limit = Number(value);
      return 0;
    },
  },
  sysctlRead('drops', 'int', 'packets', 'Packets dropped due to full input queue', (o) => o.queue.drops),
];
