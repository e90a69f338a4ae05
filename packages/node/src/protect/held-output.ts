/**
 * held-output.ts — class HeldOutput: what a protected machine sends, held at all its network cards by one count of epochs.
 * Read first: core's ha/epoch-plug.ts; docs/plug.md ("Epochs").
 *
 * Each card has a plug of its own, because each leads somewhere else; their epochs are the same, because they are closed and released together and none of them sooner or later than the others.
 *
 * Invariants: all plugs have the same `open` and `released`. After `end` nothing is held.
 */
import type { Errno, HeldEpoch, Kernel, PacketBuffer, VnetKern } from '@netloom/core';
import { EpochPlug } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import type { GuestLink } from '../port/guest-link.js';

/** A plug that tells when it has begun to hold something. */
class TellingPlug extends EpochPlug {
  onHeld: () => void = () => undefined;

  override output(m: PacketBuffer): Errno {
    const before = this.packets;
    const error = super.output(m);
    if (before === 0 && this.packets > 0) this.onHeld();
    return error;
  }
}

export class HeldOutput {
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly links: readonly GuestLink[];
  private plugs: readonly TellingPlug[] = [];
  /** Of a machine without cards. */
  private bare = 0;

  /** @param kern of the machine's vnet. @param onHeld told when something is held where nothing was. */
  constructor(kernel: Kernel, loop: HostLoop, kern: VnetKern, links: readonly GuestLink[], onHeld: () => void) {
    this.kernel = kernel;
    this.loop = loop;
    this.links = links;
    this.inKernel(() => {
      this.plugs = links.flatMap((link) => link.plugIn((sink) => new TellingPlug(kern, sink)) ?? []);
      for (const plug of this.plugs) plug.onHeld = onHeld;
    });
  }

  get frames(): number {
    return this.sum((plug) => plug.packets);
  }

  get bytes(): number {
    return this.sum((plug) => plug.bytes);
  }

  /** Frames that found no room. */
  get drops(): number {
    return this.sum((plug) => plug.stats.dropPackets);
  }

  /** How long the oldest frame has waited; 0: none does. */
  get ageUs(): number {
    return Math.max(0, ...this.plugs.map((plug) => plug.ageUs));
  }

  /** What is held of each epoch, oldest first. */
  get byEpoch(): HeldEpoch[] {
    const sums = new Map<number, HeldEpoch>();
    for (const { epoch, packets, bytes } of this.plugs.flatMap((plug) => plug.heldByEpoch())) {
      const sum = sums.get(epoch);
      sums.set(epoch, { epoch, packets: packets + (sum?.packets ?? 0), bytes: bytes + (sum?.bytes ?? 0) });
    }
    return [...sums.values()].sort((a, b) => a.epoch - b.epoch);
  }

  /** The epoch that is open. */
  get open(): number {
    return this.plugs[0]?.open ?? this.bare;
  }

  /** Ends the epoch at all cards; its number. */
  closeEpoch(): number {
    const closed = this.open;
    this.bare++;
    for (const plug of this.plugs) {
      if (plug.closeEpoch() !== closed) throw new Error('the epochs of a machine have come apart');
    }
    return closed;
  }

  release(upTo: number): void {
    this.inKernel(() => this.plugs.forEach((plug) => plug.release(upTo)));
  }

  abandon(): void {
    this.inKernel(() => this.plugs.forEach((plug) => plug.abandon()));
  }

  /**
   * It is over. A machine that goes on gets its plugs taken out. Of one that does not, what is held is dropped, and so is what its process had sent and nobody has read yet: the plugs stay until its cables are closed.
   */
  end(goesOn: boolean): void {
    this.inKernel(() => {
      if (goesOn) this.links.forEach((link) => link.plugOut());
      else this.plugs.forEach((plug) => plug.destroy());
    });
    this.plugs = [];
  }

  private inKernel(work: () => void): void {
    this.kernel.call(this.loop.enter(), work);
  }

  private sum(of: (plug: TellingPlug) => number): number {
    return this.plugs.reduce((sum, plug) => sum + of(plug), 0);
  }
}
