/**
 * http-date.ts — the dates of HTTP as seconds.
 * Read first: RFC 9110 §5.6.7.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY_SEC = 86_400;

/** Days from 1 January 1970 to a day of the Gregorian calendar; months count from 1. */
function days(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yoe = y - era * 400;
  const doy = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy - 719_468;
}

/** Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`; 0 for what is none. */
export function httpDate(text: string): number {
  const match = /^[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/.exec(text);
  const month = MONTHS.indexOf(match?.[2] ?? '') + 1;
  if (match === null || month === 0) return 0;
  const [day, year, h, m, s] = [match[1], match[3], match[4], match[5], match[6]].map(Number) as [number, number, number, number, number];
  return days(year, month, day) * DAY_SEC + h * 3600 + m * 60 + s;
}
