/**
 * ping-times.ts — round-trip times of a run of ping: smallest, mean, largest, standard deviation.
 */
export class PingTimes {
  private n = 0;
  private min = Infinity;
  private max = 0;
  private sum = 0;
  private sumSquares = 0;

  get maxMs(): number {
    return this.max;
  }

  /** Takes one time in milliseconds, and returns it. */
  add(ms: number): number {
    this.n++;
    this.sum += ms;
    this.sumSquares += ms * ms;
    this.min = Math.min(this.min, ms);
    this.max = Math.max(this.max, ms);
    return ms;
  }

  /** The summary's last line; '' when nothing was timed. */
  line(): string {
    if (this.n === 0) return '';
    const avg = this.sum / this.n;
    const stddev = Math.sqrt(Math.max(0, this.sumSquares / this.n - avg * avg));
    return `round-trip min/avg/max/stddev = ${[this.min, avg, this.max, stddev].map((ms) => ms.toFixed(3)).join('/')} ms\n`;
  }
}
