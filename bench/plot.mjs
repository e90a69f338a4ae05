/**
 * plot.mjs — draws what `npm run bench -- NAME --json` said: `node bench/plot.mjs < rows.json > picture.svg`.
 * Read first: main.mjs (the rows), report.mjs.
 *
 * Rows of one unit are a chart of horizontal bars on one scale, ours above the peer's. Rows without a value are left out. The picture says which machine it was.
 * Not here: what is worth drawing.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { reportOf } from './report.mjs';

/** @typedef {import('./main.mjs').Row} Row */
/** @typedef {import('./report.mjs').Report} Report */

const WIDTH = 760;
const NAMES = 230;
const VALUES = 190;
const BAR = 13;
const GAP = 10;
const STYLE = `text { font: 12px system-ui, sans-serif; fill: #24292f } .unit { font-weight: 600 } .small { font-size: 10px; fill: #57606a } .ours { fill: #2f6f4f } .peer { fill: #b8c4bd }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .small { fill: #8b949e } .ours { fill: #56a07a } .peer { fill: #4d5a53 } }`;

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
/** @param {number} value */
const shown = (value) => value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.1)))));
/** @param {number} x @param {number} y @param {string} text @param {string} [kind] */
const label = (x, y, text, kind = '') => `<text x="${x}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}>${escaped(text)}</text>`;

/** A bar with its value behind it. @param {number} y @param {number} value @param {number} max @param {string} kind @param {string} note */
function bar(y, value, max, kind, note) {
  const length = Math.max(1, Math.round((Math.max(0, value) / max) * (WIDTH - NAMES - VALUES)));
  return `<rect x="${NAMES}" y="${y}" width="${length}" height="${BAR}" class="${kind}"/>${label(NAMES + length + 6, y + BAR - 2, `${shown(value)}${note}`)}`;
}

/** The chart of one unit from `top` on, and where it ends. @param {string} unit @param {readonly Row[]} rows @param {number} top */
function chart(unit, rows, top) {
  const max = Math.max(...rows.flatMap(({ value, peer }) => [value ?? 0, peer?.value ?? 0]));
  let y = top + GAP;
  const parts = [label(0, y + BAR, unit, 'unit')];
  y += BAR + GAP;
  for (const { name, value, peer, ratio } of rows) {
    parts.push(label(0, y + BAR - 2, name), bar(y, value ?? 0, max, 'ours', ratio === null ? '' : `, ${shown(ratio)} of it`));
    y += BAR;
    if (peer !== null) {
      parts.push(bar(y, peer.value, max, 'peer', `  ${peer.name}`));
      y += BAR;
    }
    y += GAP;
  }
  return { text: parts.join('\n'), end: y };
}

/** The picture. @param {Report} report */
export function plot({ rows, machine }) {
  const measured = rows.filter(({ value }) => value !== null);
  let end = 0;
  const charts = [];
  for (const unit of new Set(measured.map((row) => row.unit))) {
    const { text, end: at } = chart(unit, measured.filter((row) => row.unit === unit), end);
    charts.push(text);
    end = at;
  }
  const foot = label(0, end + BAR, `${machine.cpu}, ${machine.cpus} processors, ${machine.os}, Node ${machine.node}`, 'small');
  const height = end + 2 * BAR;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">\n<style>${STYLE}</style>\n${charts.join('\n')}\n${foot}\n</svg>\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.stdout.write(plot(reportOf(readFileSync(0, 'utf8'))));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`plot: ${error.message}\nusage: node bench/plot.mjs < FILE.json > FILE.svg`);
    process.exitCode = 64;
  }
}
