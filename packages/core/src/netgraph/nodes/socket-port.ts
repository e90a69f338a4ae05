/**
 * socket-port.ts — NgSocketPort: a guest's cable that ends at a hook: the data socket of a netgraph socket, with a FrameSink behind it.
 * Read first: nodes/socket.ts, net/host-port.ts; bhyve's netgraph backend, whose order of steps `open` has.
 *
 * Theory of operation. Frames that come by the hook wait in the socket's buffer until the netisr hands them to the sink, a batch at a time; while the sink has no
 * room they stay, and a full buffer refuses with ENOBUFS, which the node that sent is told. Frames of the guest wait on a bounded queue until
 * the netisr sends them out of the hook, so that they may be brought at any moment.
 *
 * Invariant: when the port or the node is gone, both queues are empty.
 */
import type { Errno } from '../../base/errno.js';
import { EBUSY, ENXIO } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { NetisrSource } from '../../kern/netisr.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { PacketQueue } from '../../mbuf/packet-queue.js';
import type { FrameSink } from '../../net/host-port.js';
import { ngConnectType, NGM_CONNECT, NGM_GENERIC_COOKIE } from '../ng-generic.js';
import type { NgGraph } from '../ng-node.js';
import { NG_HOOKSIZ, NG_PATHSIZ, ngEncode } from '../ng-parse.js';
import { NgSocket } from './socket.js';
import type { NgDataTaker, NgSocketLimits } from './socket.js';

/** bhyve's buffer: what it asks for, and what `kern.ipc.maxsockbuf` leaves of it. */
const PORT_BUFFER_BYTES = 4 * 1_024 * 1_024;
const MCLBYTES = 2_048;
const MSIZE = 256;
/** Frames of the guest that may wait. */
const INPUT_MAX = 4_096;

export const NG_PORT_HOOK = 'vmlink';

/** The keys of bhyve's `netgraph` backend. */
export interface NgPortPlace {
  /** Address of the node to join, and its hook. */
  readonly path: string;
  readonly peerhook: string;
  /** The socket node's name and hook; absent: none, `vmlink`. */
  readonly socket?: string;
  readonly hook?: string;
}

/** Bytes the data socket keeps when `kern.ipc.maxsockbuf` is that. */
export function ngPortBufferBytes(maxsockbuf: number): number {
  return Math.floor(Math.min(PORT_BUFFER_BYTES, (maxsockbuf * MCLBYTES) / (MSIZE + MCLBYTES)));
}

const WHOLE: FrameSink['offload'] = { csum: false, gso: false };

export type NgPortOpened = { readonly port: NgSocketPort } | { readonly step: 'socket' | 'connect'; readonly error: Errno };

export class NgSocketPort implements NetisrSource, NgDataTaker {
  readonly socket: NgSocket;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly graph: NgGraph;
  private sink: FrameSink | null = null;
  private readonly rx = new PacketQueue(INPUT_MAX);
  private readonly hook: string;

  private constructor(graph: NgGraph, socket: NgSocket, hook: string) {
    this.graph = graph;
    this.netisrOwner = graph.kern;
    this.socket = socket;
    this.hook = hook;
    socket.taker = this;
  }

  /** Makes the socket node and joins it; on failure nothing is left, and `step` says which step it was. */
  static open(graph: NgGraph, limits: NgSocketLimits, place: NgPortPlace, maxsockbuf: number): NgPortOpened {
    const socket = NgSocket.open(graph, limits, place.socket ?? null);
    if (typeof socket === 'number') return { step: 'socket', error: socket };
    const ourhook = (place.hook ?? NG_PORT_HOOK).slice(0, NG_HOOKSIZ - 1);
    const args = ngEncode(ngConnectType, { path: place.path.slice(0, NG_PATHSIZ - 1), ourhook, peerhook: place.peerhook.slice(0, NG_HOOKSIZ - 1) });
    const error = socket.sendMsg('.', { typecookie: NGM_GENERIC_COOKIE, cmd: NGM_CONNECT }, args);
    if (error !== 0) {
      socket.close();
      return { step: 'connect', error };
    }
    socket.closeControl();
    socket.setDataSpace(ngPortBufferBytes(maxsockbuf));
    return { port: new NgSocketPort(graph, socket, ourhook) };
  }

  get offload(): FrameSink['offload'] {
    return this.sink?.offload ?? WHOLE;
  }

  /** Plugs a sink in, or with null pulls it out. EBUSY: one is in; ENXIO: the node is gone. */
  attach(sink: FrameSink | null): Errno {
    if (sink === null) {
      this.sink = null;
      return 0;
    }
    if (!this.socket.isOpen) return ENXIO;
    if (this.sink !== null) return EBUSY;
    this.sink = sink;
    this.dataReadable();
    return 0;
  }

  /** A frame of the guest. Owns `m`; one that finds no room is dropped and counted. */
  input(m: PacketBuffer): void {
    if (this.socket.isOpen) {
      if (this.rx.enqueue(m)) this.schedule();
    } else {
      m.free();
    }
  }

  /** Frames of the guest that found no room, and frames for it that did not. */
  get inputDrops(): number {
    return this.rx.drops;
  }

  get outputDrops(): number {
    return this.socket.data.drops;
  }

  /** Frames of the guest that wait. */
  get queued(): number {
    return this.rx.length;
  }

  /** The sink has room again. */
  resume(): void {
    if (this.socket.data.length > 0) this.schedule();
  }

  dataReadable(): void {
    if (this.sink !== null) this.schedule();
  }

  gone(): void {
    this.rx.purge();
    const { sink } = this;
    this.sink = null;
    sink?.gone?.();
  }

  close(): void {
    this.sink = null;
    this.socket.close();
    this.rx.purge();
  }

  private schedule(): void {
    if (!this.netisrQueued) this.graph.kern.engine.schedule(this);
  }

  netisrRun(max: number): number {
    const sent = this.fromGuest(max);
    return Math.max(sent, this.toGuest(max));
  }

  private fromGuest(max: number): number {
    const { rx, graph } = this;
    const hook = this.socket.node.findHook(this.hook);
    let n = 0;
    for (; n < max; n++) {
      const m = rx.dequeue();
      if (m === null) break;
      graph.send(hook, m);
    }
    return n;
  }

  private toGuest(max: number): number {
    const { sink } = this;
    const { data } = this.socket;
    if (sink === null) return 0;
    let n = 0;
    for (; n < max; n++) {
      const m = data.peek();
      if (m === null || sink.isFull === true) break;
      data.dequeue();
      if (!sink.output(m)) {
        data.drops++;
        m.free();
      }
    }
    if (n > 0) sink.flush?.();
    return n;
  }
}
