/**
 * netisr.ts — the run queue of a turn: who has packets waiting, in which order they are served.
 * Read first: netisr(9); ARCHITECTURE.md "The engine".
 *
 * Theory of operation. A virtual link (epair, lo, bridge's own input, gif …) does not call the far side's input: it puts
 * the packet on the far side's bounded PacketQueue and schedules that queue here. `run` serves the scheduled sources
 * round-robin, a batch each, so delivery is breadth-first and a chain of a thousand bridges needs no stack. A source that
 * still has packets goes to the back. A turn ends when nobody is scheduled or the budget is spent; then the host gets a
 * chance to do its I/O before the next turn.
 * An exception that leaves a source leaves the queue whole: the source goes to the back like one that has more packets.
 *
 * Invariant: a source is in the ring at most once (`netisrQueued`).
 */
import type { CalloutOwner } from './callout.js';

/** Packets a source may process before the next source gets its turn. */
export const NETISR_BATCH = 64;
const RING_MIN = 64;

export interface NetisrSource {
  /** The vnet its packets belong to: whom a broken invariant stops. */
  readonly netisrOwner?: CalloutOwner;
  /** Kept by Netisr: is it in the ring? */
  netisrQueued: boolean;
  /** Processes up to `max` packets, returns how many; Netisr reschedules it while it returns `max`. */
  netisrRun(max: number): number;
}

export class Netisr {
  /** Circular, a power of two long; it grows and never shrinks. */
  private ring: (NetisrSource | null)[] = new Array<NetisrSource | null>(RING_MIN).fill(null);
  private head = 0;
  private waiting = 0;
  /** Whose packets are being processed. */
  current: CalloutOwner | null = null;

  /** Is anybody waiting to be served? */
  get pending(): boolean {
    return this.waiting > 0;
  }

  schedule(source: NetisrSource): void {
    if (source.netisrQueued) return;
    source.netisrQueued = true;
    if (this.waiting === this.ring.length) this.grow();
    this.ring[(this.head + this.waiting) & (this.ring.length - 1)] = source;
    this.waiting++;
  }

  /**
   * Serves sources until none is waiting or about `budget` packets have been processed; returns the packets processed. Serving
   * a source that had nothing counts as one, so that a source that keeps scheduling itself cannot hold up a turn.
   */
  run(budget: number): number {
    let done = 0;
    while (done < budget && this.waiting > 0) {
      const source = this.ring[this.head];
      this.ring[this.head] = null;
      this.head = (this.head + 1) & (this.ring.length - 1);
      this.waiting--;
      if (source === null || source === undefined) continue;
      done += this.serve(source);
    }
    return done;
  }

  private serve(source: NetisrSource): number {
    let n = NETISR_BATCH;
    source.netisrQueued = false;
    this.current = source.netisrOwner ?? null;
    try {
      n = source.netisrRun(NETISR_BATCH);
      this.current = null;
    } finally {
      if (n >= NETISR_BATCH) this.schedule(source);
    }
    return n === 0 ? 1 : n;
  }

  private grow(): void {
    const old = this.ring;
    this.ring = new Array<NetisrSource | null>(old.length * 2).fill(null);
    for (let i = 0; i < old.length; i++) this.ring[i] = old[(this.head + i) & (old.length - 1)] ?? null;
    this.head = 0;
  }
}
