/**
 * tunnel-input.ts — the way up out of a tunnel: a bounded queue that the netisr serves.
 * Read first: kern/netisr.ts.
 *
 * Theory of operation. What was unpacked waits here and goes up in a turn of its own, so that tunnels in tunnels, however deep
 * somebody nests them in one packet, need no stack. Nothing of the outer packet goes along: not where it came in, not the state of its
 * checksums. Every crossing counts as a hop. A vxlan, whose frames may keep a checksum of their own pending,
 * sees to these itself and calls `put`.
 */
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { NetisrSource } from '../kern/netisr.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { HOPS_MAX } from './ether.js';
import type { Ifnet } from './ifnet.js';
import { ifInput } from './if-transmit.js';
import type { Net } from './net.js';

/** Packets that may wait to come in. */
export const TUNNEL_QUEUE_MAX = 1_024;

export class TunnelInput implements NetisrSource {
  netisrQueued = false;
  /** Whoever moves the interface as the same object changes it. */
  netisrOwner: CalloutOwner;
  private readonly ifp: Ifnet;
  private readonly engine: Engine;
  private readonly queue = new PacketQueue(TUNNEL_QUEUE_MAX);

  constructor(ifp: Ifnet, net: Net) {
    this.ifp = ifp;
    this.netisrOwner = net.kern;
    this.engine = net.kern.engine;
  }

  /** Where packets wait to come in. */
  get rcvq(): PacketQueue {
    return this.queue;
  }

  /** Packets waiting. */
  get length(): number {
    return this.queue.length;
  }

  /** Lets the packet at `m.off` come in on the interface; one without bytes, or at its last hop, is an input error. Owns `m`. */
  enqueue(m: PacketBuffer): void {
    if (this.ifp.net === null || m.len === 0 || m.hops >= HOPS_MAX) {
      this.error(m);
      return;
    }
    m.hops++;
    m.flags = 0;
    m.csumFlags = 0;
    m.gsoSize = 0;
    m.gsoType = 0;
    this.put(m);
  }

  /** Queues a packet that has nothing of the outer one any more. False: there is no room, and it is counted. Owns `m`. */
  put(m: PacketBuffer): boolean {
    const { ifp } = this;
    m.pcp = -1;
    m.fib = ifp.fib;
    if (!this.queue.enqueue(m)) {
      ifp.data.iqdrops++;
      return false;
    }
    if (!this.netisrQueued) this.engine.schedule(this);
    return true;
  }

  /** Drops and counts a packet that must not come in. */
  error(m: PacketBuffer): void {
    this.ifp.data.ierrors++;
    m.free();
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      ifInput(this.ifp, m);
    }
    return n;
  }

  purge(): void {
    this.queue.purge();
  }
}
