/**
 * if-percpuq.ts — class IfPercpuq: frames that a program outside brings while the Kernel is at work.
 * Read first: NetBSD's `sys/net/if.c` (if_percpuq); ARCHITECTURE.md "Life of a packet"; docs/contexts.md.
 *
 * Theory of operation. A driver outside (a tap's reader, a file, a program's socket) is what an interrupt is in a kernel. When the Kernel is
 * idle, its frame goes up at once, by calls (`Kernel.input`): nothing is running that it could disturb. When it brings one from inside a call of the
 * Kernel, as a sink does that answers what it was just handed, the frame must not run into what is under way. It waits
 * here, and the netisr takes it up in softint, where it is counted and tapped like any other (`ifInput`). A full queue drops the newest
 * frame, counted as the interface's input drop.
 * There is a queue for each interface, made when the first frame has to wait.
 *
 * Invariant: an interface that is in no vnet has none.
 */
import type { CalloutOwner } from '../kern/callout.js';
import type { NetisrSource } from '../kern/netisr.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { ifInput } from './if-transmit.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

/** IFQ_MAXLEN */
export const IF_PERCPUQ_MAXLEN = 256;

export class IfPercpuq implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  readonly queue = new PacketQueue(IF_PERCPUQ_MAXLEN);
  private readonly ifp: Ifnet;
  private readonly net: Net;

  constructor(ifp: Ifnet, net: Net) {
    this.ifp = ifp;
    this.net = net;
    this.netisrOwner = net.kern;
  }

  /** Owns `m`. */
  enqueue(m: PacketBuffer): void {
    if (!this.queue.enqueue(m)) {
      this.ifp.data.iqdrops++;
      return;
    }
    if (!this.netisrQueued) this.net.kern.engine.schedule(this);
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
}

/** A frame for `ifp` came while the Kernel is at work. Owns `m`. */
export function ifPercpuqEnqueue(ifp: Ifnet, m: PacketBuffer): void {
  const { net } = ifp;
  if (net === null) {
    m.free();
    return;
  }
  (ifp.percpuq ??= new IfPercpuq(ifp, net)).enqueue(m);
}

/** `ifp` leaves its vnet. */
export function ifPercpuqDestroy(ifp: Ifnet): void {
  ifp.percpuq?.queue.purge();
  ifp.percpuq = null;
}
