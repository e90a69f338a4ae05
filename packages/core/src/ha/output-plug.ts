/**
 * output-plug.ts — OutputPlug: what holds frames back until somebody says that they may go, wherever it sits.
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
import type { Micros } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

/** Who takes what a plug lets go. Owns `m`; counts its own errors. */
export type PlugSink = (m: PacketBuffer) => Errno;

/** What became of the frames a plug was given. */
export class PlugStats {
  /** Handed to the sink. */
  sentPackets = 0;
  sentBytes = 0;
  /** Not taken, because there was no room. */
  dropPackets = 0;
  dropBytes = 0;
  /** Held, and freed without having been sent: the link went down, what they came by left, or the plug ended. */
  purgedPackets = 0;
  purgedBytes = 0;
}

export interface OutputPlug {
  /** Frames held, and their bytes. */
  readonly packets: number;
  readonly bytes: number;
  readonly stats: PlugStats;
  /** How long the oldest frame has been held; 0 when none is. */
  readonly ageUs: Micros;
  /** A frame is to go out: it goes, is held, or is dropped (ENOBUFS). Owns `m`. */
  output(m: PacketBuffer): Errno;
  /** The link went down: what is held is lost. */
  reset(): void;
  /** The interface of that number leaves: what came by it is lost. */
  purgeFrom(rcvif: number): void;
  destroy(): void;
}
