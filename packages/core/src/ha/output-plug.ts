/**
 * output-plug.ts — class OutputPlug: what holds frames back until somebody says that they may go, wherever it sits.
 * Read first: docs/plug.md.
 *
 * Theory of operation. A plug sits between who sends and who takes: it is given frames one by one, keeps those that may not go yet, in order, and hands the others to its
 * sink. Sinks are an interface's driver (`tc qdisc add dev IF root plug`), a hook of a netgraph node, what leads on from a virtual machine's port. Which frames may go, and who
 * says so, is the kind's: plug.ts has Linux's commands, epoch-plug.ts epochs. A frame is bytes: a plug knows no protocol, so it holds all of them, ARP and IPv6 too.
 *
 * What is let go is handed over by the netisr, a batch at a time, never from within the call that lets it go.
 *
 * Invariants: a frame is held, handed to the sink, or freed and counted, nothing else; frames leave in the order in which they came; what is held is counted by whoever has the plug
 * in its audit row. After `destroy` it holds nothing and takes nothing.
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { NetisrSource } from '../kern/netisr.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { HeldFrames } from './held-frames.js';
import { PlugStats } from './plug-stats.js';

/** Who takes what a plug lets go. Owns `m`; counts its own errors. */
export type PlugSink = (m: PacketBuffer) => Errno;

export abstract class OutputPlug implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: VnetKern;
  readonly stats = new PlugStats();
  protected readonly held = new HeldFrames();
  protected ended = false;
  private readonly sink: PlugSink;

  constructor(kern: VnetKern, sink: PlugSink) {
    this.netisrOwner = kern;
    this.sink = sink;
  }

  /** A frame is to go out: it goes, is held, or is dropped (ENOBUFS). Owns `m`. */
  abstract output(m: PacketBuffer): Errno;
  abstract netisrRun(max: number): number;

  /** Frames held, and their bytes. */
  get packets(): number {
    return this.held.packets;
  }

  get bytes(): number {
    return this.held.bytes;
  }

  /** How long the oldest frame has been held; 0 when none is. */
  get ageUs(): Micros {
    return this.held.packets === 0 ? 0 : this.netisrOwner.engine.now - this.held.firstStamp;
  }

  /** The link went down: what is held is lost. */
  reset(): void {
    this.held.purge(this.stats);
  }

  /** The interface of that number leaves: what came by it is lost. */
  purgeFrom(rcvif: number): void {
    this.held.purge(this.stats, rcvif);
  }

  destroy(): void {
    this.ended = true;
    this.reset();
  }

  protected send(m: PacketBuffer): Errno {
    this.stats.sentPackets++;
    this.stats.sentBytes += m.len;
    return this.sink(m);
  }

  /** There is no room for it. */
  protected drop(m: PacketBuffer): Errno {
    this.stats.dropPackets++;
    this.stats.dropBytes += m.len;
    m.free();
    return ENOBUFS;
  }

  /** Some of what is held may go. */
  protected schedule(): void {
    if (!this.netisrQueued) this.netisrOwner.engine.schedule(this);
  }
}
