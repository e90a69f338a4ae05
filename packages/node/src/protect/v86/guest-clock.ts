/**
 * guest-clock.ts — the clock of a machine of v86, which goes on where it was when the machine runs on in another process.
 * Read first: v86's src/main.js, `microtick`; src/pit.js, src/acpi.js.
 *
 * v86 counts with `performance.now`: milliseconds since its process began. Its timers are in a state as such numbers, so a state that another process takes up would have
 * timers that are due hours ahead, or a clock that went back. This takes the place of `performance.now` before v86 is loaded, and is set to what it was.
 */
export class GuestClock {
  private readonly real: () => number;
  private ahead = 0;

  constructor() {
    this.real = performance.now.bind(performance);
    performance.now = () => this.now();
  }

  /** Milliseconds. */
  now(): number {
    return this.real() + this.ahead;
  }

  /** It goes on from `now`. */
  set(now: number): void {
    this.ahead = now - this.real();
  }
}
