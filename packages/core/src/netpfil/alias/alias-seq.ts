/**
 * alias-seq.ts — SeqDeltas: what has become of sequence numbers where text in a TCP stream was replaced by longer or shorter text.
 * Read first: RFC 2663 §4.4 "application level gateways"; libalias's GetDeltaSeqOut, GetDeltaAckIn.
 *
 * Every replacement is remembered by the number of the byte behind it, in the host's counting and in the world's. A later segment from inside is moved by
 * the sum of what was added before it; an acknowledgement from outside is moved back. Only the last few replacements are
 * kept: what is older than those has long been acknowledged.
 */

/** Replacements remembered. */
const RECORDS = 3;

export class SeqDeltas {
  /** Behind the replaced text: the host's number, the world's, and the difference. */
  private readonly old = new Int32Array(RECORDS);
  private readonly made = new Int32Array(RECORDS);
  private readonly delta = new Int32Array(RECORDS);
  private at = 0;
  private count = 0;

  /** Behind `end` (the host's number) everything is `delta` further on, all earlier replacements included; `end + delta` is the world's number there. */
  add(end: number, delta: number): void {
    const i = this.at;
    this.old[i] = end;
    this.made[i] = end + delta;
    this.delta[i] = delta;
    this.at = (i + 1) % RECORDS;
    if (this.count < RECORDS) this.count++;
  }

  /** How far the host's `seq` is moved. */
  out(seq: number): number {
    return this.nearest(this.old, seq | 0);
  }

  /** How far the world's `ack` is moved back. */
  in(ack: number): number {
    return this.nearest(this.made, ack | 0);
  }

  /** The latest mark that `n` is at or behind decides; of two alike the newer one. */
  private nearest(marks: Int32Array, n: number): number {
    let best = -1;
    let delta = 0;
    for (let k = 1; k <= this.count; k++) {
      const i = (this.at - k + RECORDS) % RECORDS;
      const behind = (n - marks[i]!) | 0;
      if (behind < 0 || (best >= 0 && behind >= best)) continue;
      best = behind;
      delta = this.delta[i]!;
    }
    return delta;
  }
}
