/**
 * transfer-stat.ts — how far a transfer is, in fetch(1)'s line.
 * Read first: fetch(1); usr.bin/fetch/fetch.c of FreeBSD.
 *
 *     big.iso                                        42% of  650 MB   11 MBps    33s
 *
 * On a terminal the line is written over once a second; elsewhere the name is written at the start and the figures at the end.
 */
import type { Proc } from '../proc.js';

const PREFIXES = ' kMGTP';
const NAME_COLUMNS = 46;
const US_PER_SEC = 1_000_000;
/** The time left is shown from here on. */
const ETA_AFTER_SEC = 3;

/** `xxxx YB` with Y one of ` `, `k`, `M`, ... */
export function bytesText(bytes: number): string {
  let n = Math.floor(bytes);
  let k = 0;
  while (n > 9999 && k < PREFIXES.length - 1) {
    n = Math.floor(n / 1024);
    k++;
  }
  return `${String(n).padStart(4)} ${PREFIXES.charAt(k)}B`;
}

/** XXdYYh, XXhYYm, XXmYYs or XXs. */
export function secondsText(seconds: number): string {
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  if (seconds > 86_400) return `${two(seconds / 86_400)}d${two((seconds % 86_400) / 3600)}h`;
  if (seconds > 3600) return `${two(seconds / 3600)}h${two((seconds % 3600) / 60)}m`;
  if (seconds > 60) return `${two(seconds / 60)}m${two(seconds % 60)}s`;
  return `   ${two(seconds)}s`;
}

/** What it needs of the process. */
type Terminal = Pick<Proc, 'isTty' | 'wallUs' | 'err'>;

export class TransferStat {
  private readonly p: Terminal;
  private readonly name: string;
  /** 0: nothing is shown. */
  private readonly verbosity: number;
  private readonly size: number;
  private readonly offset: number;
  private readonly startUs: number;
  private lastUs: number;
  private last2Us: number;
  private rcvd: number;
  private lastRcvd: number;

  /** @param size of the whole, -1 when it is not known. @param offset where the transfer begins. */
  constructor(p: Terminal, name: string, size: number, offset: number, verbosity: number) {
    this.p = p;
    this.name = name;
    this.size = size;
    this.offset = offset;
    this.verbosity = verbosity;
    this.startUs = this.lastUs = this.last2Us = p.wallUs();
    this.rcvd = this.lastRcvd = offset;
    if (this.progress) this.display(false, true);
    else if (verbosity > 0) p.err(name.padEnd(NAME_COLUMNS));
  }

  private get progress(): boolean {
    return this.p.isTty && this.verbosity > 0;
  }

  update(rcvd: number): void {
    this.rcvd = rcvd;
    if (this.progress) this.display(false, false);
  }

  /** The end, or Ctrl-T: the figures of the whole transfer. */
  end(): void {
    this.lastUs = this.p.wallUs();
    if (this.progress) {
      this.display(true, true);
      this.p.err('\n');
    } else if (this.verbosity > 0) {
      this.p.err(`        ${bytesText(this.rcvd)} ${this.rate()} ${this.eta()}\n`);
    }
  }

  private display(whole: boolean, force: boolean): void {
    const now = this.p.wallUs();
    if (!force && Math.floor(now / US_PER_SEC) <= Math.floor(this.lastUs / US_PER_SEC)) return;
    this.last2Us = whole ? this.startUs : this.lastUs;
    this.lastUs = now;
    if (whole) this.lastRcvd = this.offset;
    const known = this.rcvd < this.size;
    const share = known ? `${String(Math.floor((100 * this.rcvd) / this.size)).padStart(3)}% of ${bytesText(this.size)}` : `        ${bytesText(this.rcvd)}`;
    const late = Math.floor(this.lastUs / US_PER_SEC) >= Math.floor(this.startUs / US_PER_SEC) + ETA_AFTER_SEC;
    const eta = whole || (this.size > 0 && this.rcvd > 0 && late) ? ` ${this.eta()}` : '';
    this.p.err(`\r${this.name.slice(0, NAME_COLUMNS).padEnd(NAME_COLUMNS)}${share} ${this.rate()}${eta}`);
    this.lastRcvd = this.rcvd;
  }

  private rate(): string {
    const seconds = (this.lastUs - this.last2Us) / US_PER_SEC;
    return seconds === 0 ? '?? Bps' : `${bytesText((this.rcvd - this.lastRcvd) / seconds)}ps`;
  }

  private eta(): string {
    const elapsed = Math.floor(this.lastUs / US_PER_SEC) - Math.floor(this.startUs / US_PER_SEC);
    const received = this.rcvd - this.offset;
    const left = received > 0 ? Math.floor((elapsed * (this.size - this.rcvd)) / received) : 0;
    return secondsText(left > 0 ? left : elapsed);
  }
}
