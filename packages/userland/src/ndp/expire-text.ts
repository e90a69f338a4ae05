/**
 * expire-text.ts — seconds as ndp(8) writes them: 5s, 1m0s, 23h59m58s, 2d0h0m1s.
 */
const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** From the first unit that is not 0. */
export function sec2str(total: number): string {
  const days = Math.floor(total / DAY);
  const hours = Math.floor(total / HOUR) % 24;
  const mins = Math.floor(total / MINUTE) % 60;
  const d = days > 0 ? `${days}d` : '';
  const h = d !== '' || hours > 0 ? `${hours}h` : '';
  const m = h !== '' || mins > 0 ? `${mins}m` : '';
  return `${d}${h}${m}${total % MINUTE}s`;
}
