/**
 * epoch-chart.ts — the last epochs of a protected machine, and what waits, drawn with the block characters of a terminal.
 * Read first: protect-view.ts in @netloom/node.
 */
import type { EpochFigure, ProtectionView } from '@netloom/node/client';
import { WIDE, bytesText, timeText } from './quantity-text.js';

const LEVELS = '▁▂▃▄▅▆▇█';
/** Epochs that are drawn. */
const EPOCHS = 60;
/** Epochs whose held output is a line, and how long the longest bar is. */
const HELD_LINES = 8;
const BAR = 30;

type Figures = readonly [name: string, of: (figure: EpochFigure) => number | null, text: (value: number | null) => string];

const FIGURES: readonly Figures[] = [
  ['pause', (f) => f.pauseUs, (us) => timeText(us, WIDE)],
  ['commit', (f) => f.commitUs, (us) => timeText(us, WIDE)],
  ['bytes', (f) => f.bytes, (n) => bytesText(n, WIDE)],
  ['pages', (f) => f.pages, (n) => String(n ?? '-')],
];

/** A character for each value, as high as it is; a space for what there is not. */
export function sparkline(values: readonly (number | null)[]): string {
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
  return values.map((value) => (value === null ? ' ' : LEVELS[Math.min(LEVELS.length - 1, Math.floor((value / most) * LEVELS.length))])).join('');
}

/** '' when there was no epoch yet. */
export function epochChart(recent: readonly EpochFigure[]): string {
  const figures = recent.slice(-EPOCHS);
  const [first, last] = [figures[0], figures.at(-1)];
  if (first === undefined || last === undefined) return '';
  const width = Math.max(figures.length, 12);
  const head = `${`epochs ${first.epoch} to ${last.epoch}`.padEnd(10 + width)}  ${['least', 'median', 'most'].map((word) => word.padStart(8)).join('  ')}\n`;
  return head + FIGURES.map(([name, of, text]) => {
    const values = figures.map(of);
    const known = values.filter((value) => value !== null).toSorted((a, b) => a - b);
    const three = [known[0], known[Math.floor(known.length / 2)], known.at(-1)].map((value) => text(value ?? null).padStart(8));
    return `  ${name.padEnd(8)}${sparkline(values).padEnd(width)}  ${three.join('  ')}\n`;
  }).join('');
}

/** '' when nothing waits. */
export function heldChart({ byEpoch }: ProtectionView['held']): string {
  if (byEpoch.length === 0) return '';
  const most = Math.max(...byEpoch.map(({ bytes }) => bytes), 1);
  const lines = byEpoch.slice(0, HELD_LINES).map(({ epoch, packets, bytes }) => `  ${String(epoch).padStart(8)}  ${'█'.repeat(Math.max(1, Math.round((bytes / most) * BAR))).padEnd(BAR)}  ${framesText(packets)}, ${bytesText(bytes, WIDE)}\n`);
  const rest = byEpoch.length - HELD_LINES;
  return `output that waits, by epoch\n${lines.join('')}${rest > 0 ? `  and ${rest} epochs more\n` : ''}`;
}

export function framesText(n: number): string {
  return `${n} frame${n === 1 ? '' : 's'}`;
}
