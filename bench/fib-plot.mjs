/**
 * fib-plot.mjs — draws what `npm run bench -- fib --json` measured: for each row that has a peer, how many times the peer's speed.
 *
 *     npm run --silent bench -- fib --json > fib.json && node bench/fib-plot.mjs fib.json > docs/img/fib.svg
 *
 * A logarithmic scale, with a line where both are equal. Rows in time (unit `us`) are turned round, so that longer bars are better everywhere. Several files are one plot.
 */
import { readFileSync } from 'node:fs';
import { reportOf } from './report.mjs';

/** @typedef {{ name: string, value: number | null, unit: string, peer: { name: string, value: number } | null, ratio: number | null }} Row */

const ROW = 20;
const LEFT = 190;
const WIDTH = 460;
const TOP = 34;
const RIGHT = 190;
const COLOURS = ['#3b6ea5', '#b5651d', '#4f8a4f', '#7a5aa6', '#8a8a8a'];

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
/** @param {number} x */
const short = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/** Times the peer's speed. @param {Row} row */
const times = ({ ratio, unit }) => (unit === 'us' ? 1 / (ratio ?? NaN) : (ratio ?? NaN));

/** @param {readonly Row[]} rows @param {string} machine */
export function plot(rows, machine) {
  const shown = rows.filter((row) => row.peer !== null && row.unit !== '%');
  const peers = [...new Set(shown.map((row) => row.peer?.name ?? ''))];
  const ratios = shown.map(times);
  const lo = Math.floor(Math.log10(Math.min(...ratios, 0.3)));
  const hi = Math.ceil(Math.log10(Math.max(...ratios, 10)));
  /** @param {number} ratio */
  const x = (ratio) => LEFT + ((Math.log10(ratio) - lo) / (hi - lo)) * WIDTH;
  const bottom = TOP + shown.length * ROW;
  const grid = Array.from({ length: hi - lo + 1 }, (_, i) => 10 ** (lo + i)).map((tick) => {
    const at = x(tick).toFixed(1);
    return `<line x1="${at}" y1="${TOP - 6}" x2="${at}" y2="${bottom}" stroke="${tick === 1 ? '#333' : '#ddd'}"/><text x="${at}" y="${TOP - 12}" text-anchor="middle">${tick}</text>`;
  });
  const bars = shown.map((row, i) => {
    const y = TOP + i * ROW;
    const [a, b] = [x(1), x(ratios[i] ?? 1)];
    const colour = COLOURS[peers.indexOf(row.peer?.name ?? '') % COLOURS.length];
    const label = `${short(ratios[i] ?? NaN)}  (${short(row.value ?? NaN)} ${row.unit})`;
    return (
      `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(row.name.replace('fib/', ''))}</text>` +
      `<rect x="${Math.min(a, b).toFixed(1)}" y="${y + 3}" width="${Math.max(1, Math.abs(b - a)).toFixed(1)}" height="${ROW - 6}" fill="${colour}"/>` +
      `<text x="${(Math.max(a, b) + 6).toFixed(1)}" y="${y + 13}">${escaped(label)}</text>`
    );
  });
  const legend = peers.map((name, i) => {
    const at = LEFT + i * 150;
    return `<rect x="${at}" y="${bottom + 12}" width="10" height="10" fill="${COLOURS[i % COLOURS.length]}"/><text x="${at + 15}" y="${bottom + 21}">${escaped(name)}</text>`;
  });
  const [w, h] = [LEFT + WIDTH + RIGHT, bottom + 52];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="sans-serif" font-size="11" fill="#222">`,
    `<rect width="${w}" height="${h}" fill="#fff"/>`, ...grid, ...bars, ...legend,
    `<text x="${LEFT}" y="${bottom + 42}" fill="#666">times the peer's speed; ${escaped(machine)}</text>`, '</svg>', '',
  ].join('\n');
}

const [first, ...others] = process.argv.slice(2).map((file) => reportOf(readFileSync(file, 'utf8')));
if (first === undefined) {
  console.error('usage: node bench/fib-plot.mjs FILE.json... > FILE.svg');
  process.exitCode = 64;
} else {
  const { cpu, cpus, node } = first.machine;
  process.stdout.write(plot([first, ...others].flatMap((report) => report.rows), `${cpu}, ${cpus} processors, Node ${node}`));
}
