/**
 * port-end.ts — PortEnd: where a guest's cable ends in the stack.
 * Read first: core/src/net/host-port.ts (FrameSink); daemon/tap-link.ts, which does without, because a TAP device always ends at a tap.
 *
 * A guest's network card is a FrameSink: it takes frames and brings some. What it is plugged into, a tap of a vnet (TapEnd) or a hook of the
 * netgraph, is a PortEnd, and neither side knows more of the other than what is here.
 *
 * Invariant: between `open` and `close` (or the sink's `gone`) the sink is the only one that has this end.
 */
import type { Errno, FrameSink, Ifnet, Kernel, PacketBuffer } from '@netloom/core';
import { ENXIO, tapOf } from '@netloom/core';

/** The stack's end of a guest's cable. Everything is called inside the host loop's `enter` or `batch`. */
export interface PortEnd {
  /** Where it is, for people: `host:tap0`, or the path of a hook. */
  readonly label: string;
  /** Plugs `sink` in: frames for the guest go to it from now on. EBUSY: somebody else is plugged in; ENXIO: the end is gone. */
  open(sink: FrameSink): Errno;
  /** Pulls it out; nothing when it is out already. */
  close(): void;
  /** A frame from the guest. Owns `m`. */
  input(m: PacketBuffer, now: number): void;
  /** The sink was full and has room again: what waited for it comes now. */
  resume(): void;
  /** A frame of the guest was lost because there was no memory for it. */
  inputLost(): void;
}

/** A tap of a vnet, wherever it moves. */
export class TapEnd implements PortEnd {
  private readonly kernel: Kernel;
  private readonly vnetNameOf: (ifp: Ifnet) => string;
  private at: Ifnet;

  /** @param vnetNameOf what people call the vnet that an interface is in. */
  constructor(kernel: Kernel, ifp: Ifnet, vnetNameOf: (ifp: Ifnet) => string) {
    this.kernel = kernel;
    this.at = ifp;
    this.vnetNameOf = vnetNameOf;
  }

  /** The interface as it is now. */
  get ifp(): Ifnet {
    return this.at;
  }

  get label(): string {
    return `${this.vnetNameOf(this.ifp)}:${this.ifp.xname}`;
  }

  open(sink: FrameSink): Errno {
    const tap = tapOf(this.ifp);
    if (tap === null) return ENXIO;
    const error = tap.attach({
      get isFull() {
        return sink.isFull === true;
      },
      ...(sink.pid === undefined ? {} : { pid: sink.pid }),
      offload: sink.offload,
      output: (m) => sink.output(m),
      flush: () => sink.flush?.(),
      moved: (ifp) => {
        this.at = ifp;
        sink.moved?.(ifp);
      },
      gone: () => sink.gone?.(),
    });
    if (error === 0) this.at = tap.port.ifp; // it may have moved since this was made
    return error;
  }

  close(): void {
    if (this.ifp.net !== null) tapOf(this.ifp)?.attach(null);
  }

  input(m: PacketBuffer, now: number): void {
    this.kernel.input(this.ifp, m, now);
  }

  resume(): void {
    if (this.ifp.net !== null) tapOf(this.ifp)?.resume();
  }

  inputLost(): void {
    this.ifp.data.iqdrops++;
  }
}
