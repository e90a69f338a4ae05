/**
 * netisr.ts — the run queue of a turn: who has packets waiting, in which order they are served.
 * Read first: netisr(9). DESIGN "virtual links never recurse".
 *
 * Theory of operation. A virtual link (epair, lo, bridge's own input, gif …) does not call the far side's input: it puts
 * the packet on the far side's bounded PacketQueue and schedules that queue here. `run` serves the scheduled sources
 * round-robin, a batch each, so delivery is breadth-first and a chain of a thousand bridges needs no stack. A source that
 * still has packets goes to the back. A turn ends when nobody is scheduled or the budget is spent; then the host gets a
 * chance to do its I/O before the next turn.
 *
 * Invariant: a source is in the ring at most once (`netisrQueued`).
 */
import type { CalloutOwner } from './callout.js';

/** Packets a source may process before the next source gets its turn. */
export const NETISR_BATCH = 64;

export interface NetisrSource {
  /** The vnet its packets belong to: whom a broken invariant stops. */
  readonly netisrOwner?: CalloutOwner;
  /** Kept by Netisr: is it in the ring? */
  netisrQueued: boolean;
  /** Processes up to `max` packets, returns how many; Netisr reschedules it while it returns `max`. */
  netisrRun(max: number): number;
}

export class Netisr {
  private ring: NetisrSource[] = [];
  private next: NetisrSource[] = [];
  private at = 0;
  /** Whose packets are being processed. */
  current: CalloutOwner | null = null;

  /** Is anybody waiting to be served? */
  get pending(): boolean {
    return this.at < this.ring.length || this.next.length > 0;
  }

  schedule(source: NetisrSource): void {
    if (source.netisrQueued) return;
    source.netisrQueued = true;
    this.next.push(source);
  }

  /** Serves sources until none is waiting or about `budget` packets have been processed; returns the packets processed. */
  run(budget: number): number {
    let done = 0;
    while (done < budget) {
      if (this.at >= this.ring.length) {
        if (this.next.length === 0) break;
        const empty = this.ring;
        this.ring = this.next;
        empty.length = 0;
        this.next = empty;
        this.at = 0;
      }
      const source = this.ring[this.at++];
      if (source === undefined) continue;
      source.netisrQueued = false;
      this.current = source.netisrOwner ?? null;
      const n = source.netisrRun(NETISR_BATCH);
      done += n;
      if (n >= NETISR_BATCH) this.schedule(source);
    }
    this.current = null;
    return done;
  }
}
