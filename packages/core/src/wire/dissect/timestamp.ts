/**
 * timestamp.ts — the time in front of a line, in tcpdump's six styles.
 *
 * Times are microseconds since 1970 in UTC, stamped by whoever captured: nothing here reads a clock. Local time is the
 * caller's offset from UTC in minutes, because core knows no time zones.
 */

/**
 * `time` is the default (12:34:56.000001), `none` is -t, `epoch` -tt (seconds since 1970), `delta` -ttt (since the previous line),
 * `date` -tttt, `elapsed` -ttttt (since the first line).
 */
export type TimestampStyle = 'time' | 'none' | 'epoch' | 'delta' | 'date' | 'elapsed';

const US_PER_SEC = 1_000_000;
const US_PER_MIN = 60 * US_PER_SEC;
const SEC_PER_DAY = 86_400;

/** Keeps what the relative styles count from. */
export class TimestampPrinter {
  readonly style: TimestampStyle;
  private readonly offsetUs: number;
  private refUs = -1;

  constructor(style: TimestampStyle, utcOffsetMin = 0) {
    this.style = style;
    this.offsetUs = utcOffsetMin * US_PER_MIN;
  }

  /** The text for one packet with a blank behind it, or '' for `none`. */
  print(epochUs: number): string {
    const us = Math.floor(epochUs);
    switch (this.style) {
      case 'none':
        return '';
      case 'epoch':
        return `${Math.floor(us / US_PER_SEC)}.${fraction(us)} `;
      case 'date':
        return `${dateText(us + this.offsetUs)} ${clockText(us + this.offsetUs)} `;
      case 'time':
        return `${clockText(us + this.offsetUs)} `;
      default:
        return this.relative(us);
    }
  }

  private relative(us: number): string {
    if (this.refUs < 0) this.refUs = us;
    const d = us - this.refUs;
    if (this.style === 'delta') this.refUs = us;
    return `${d < 0 ? '-' : ' '}${clockText(Math.abs(d))} `;
  }
}

const two = (n: number): string => String(n).padStart(2, '0');

function fraction(us: number): string {
  return String(us - Math.floor(us / US_PER_SEC) * US_PER_SEC).padStart(6, '0');
}

function clockText(us: number): string {
  const secs = Math.floor(us / US_PER_SEC);
  const sec = secs - Math.floor(secs / SEC_PER_DAY) * SEC_PER_DAY;
  return `${two(Math.floor(sec / 3600))}:${two(Math.floor(sec / 60) % 60)}:${two(sec % 60)}.${fraction(us)}`;
}

/** Year, month and day of the proleptic Gregorian calendar, from days since 1970 (years counted from March). */
function dateText(us: number): string {
  const days = Math.floor(us / (SEC_PER_DAY * US_PER_SEC)) + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${year}-${two(month)}-${two(day)}`;
}
