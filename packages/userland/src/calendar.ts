/**
 * calendar.ts — a wall-clock time in words, in UTC: ctime(3)’s, those of RFC 1123, and those of files of leases.
 * Read first: ctime(3).
 *
 * A vnet has no time zone; whoever reads the output side by side with the host's logs compares UTC.
 */
import { TimestampPrinter } from '@netloom/core/wire';

const US_PER_DAY = 86_400_000_000;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
/** 1 January 1970 was a Thursday. */
const EPOCH_WEEKDAY = 4;

/** 'Tue Nov 14 22:13:20 2023'. @param wallUs microseconds since 1970 */
export function ctimeText(wallUs: number): string {
  const [date = '', time = ''] = new TimestampPrinter('date').print(wallUs).split(' ');
  const [year = '', month = '', day = ''] = date.split('-');
  const weekday = DAYS[(Math.floor(wallUs / US_PER_DAY) + EPOCH_WEEKDAY) % DAYS.length] ?? '';
  return `${weekday} ${MONTHS[Number(month) - 1] ?? ''} ${String(Number(day)).padStart(2)} ${time.slice(0, 8)} ${year}`;
}

/** 'Tue, 14 Nov 2023 22:13:20 GMT'. @param wallUs microseconds since 1970 */
export function rfc1123Text(wallUs: number): string {
  const [weekday = '', month = '', day = '', time = '', year = ''] = ctimeText(wallUs).split(/ +/);
  return `${weekday}, ${day.padStart(2, '0')} ${month} ${year} ${time} GMT`;
}

/** '2 2023/11/14 22:13:20', as dhclient.leases(5) has it. @param wallUs microseconds since 1970 */
export function leaseStampText(wallUs: number): string {
  const [date = '', time = ''] = new TimestampPrinter('date').print(wallUs).split(' ');
  return `${(Math.floor(wallUs / US_PER_DAY) + EPOCH_WEEKDAY) % DAYS.length} ${date.replaceAll('-', '/')} ${time.slice(0, 8)}`;
}
