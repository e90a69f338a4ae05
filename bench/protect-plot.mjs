/**
 * protect-plot.mjs — draws the epochs of a protected machine and the output that waits for them, on one axis of time.
 *
 *     node bench/protect-plot.mjs web --seconds 2 > docs/img/protect-epochs.svg
 *
 * Read first: docs/events.md, "Protected machines"; GET /v1/protections of a running daemon, which is asked again and again for what is held, and once for the last epochs.
 *
 * Theory of operation. Times of epochs are the daemon's clock. A sample has no time of its own, but says how old its newest safe checkpoint is, and when that one was taken is known in the end: both together
 * are the moment of the sample, by the same clock, whatever the answer took to come.
 * An epoch is a bar: the machine runs, it stands still, its checkpoint is on its way until it is safe. The next epoch runs meanwhile, so bars are put in as many rows as they need.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { DaemonClient, socketPath } from '@netloom/node/client';

/** @typedef {import('@netloom/node/client').EpochFigure} EpochFigure */
/** @typedef {import('@netloom/node/client').ProtectionView} ProtectionView */
/** @typedef {{ readonly committed: number, readonly ageUs: number, readonly frames: number, readonly bytes: number }} HeldSample what was held when the newest safe checkpoint was so old */
/** @typedef {{ readonly machine: string, readonly epochs: readonly EpochFigure[], readonly samples: readonly HeldSample[] }} EpochRecord */
/** @typedef {{ readonly epoch: number, readonly runUs: number, readonly pauseUs: number, readonly takenUs: number, readonly safeUs: number | null }} Bar moments of an epoch: it begins to run, to stand still, it is taken, it is safe */

const WIDTH = 860;
const LEFT = 64;
const RIGHT = 16;
const TOP = 26;
const HELD = 120;
const ROW = 18;
const GAP = 12;
/** Room that a number needs in a bar. */
const NUMBER = 26;
const STYLE = `text { font: 11px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600; font-size: 12px } .small { fill: #57606a } .in { fill: #ffffff; font-size: 10px }
.run { fill: #2f6f4f } .pause { fill: #b5651d } .commit { fill: #b8c4bd } .held { fill: #3b6ea5; fill-opacity: 0.35; stroke: #3b6ea5 } .grid { stroke: #d0d7de }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .small { fill: #8b949e } .run { fill: #3f8a63 } .pause { fill: #d07c34 } .commit { fill: #4d5a53 } .held { fill: #7ba3dc; stroke: #7ba3dc } .grid { stroke: #30363d } }`;

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
/** @param {number} x @param {number} y @param {string} text @param {string} [kind] @param {'start' | 'middle' | 'end'} [anchor] */
const label = (x, y, text, kind = '', anchor = 'start') => `<text x="${x.toFixed(1)}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escaped(text)}</text>`;

/** @param {readonly number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
/** @param {number} us */
const ms = (us) => `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
/** @param {number} n */
const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : `${n} B`);

/** A round step, so that at most `most` of them are in `span`. @param {number} span @param {number} most */
function stepOf(span, most) {
  const least = Math.max(span, 1) / most;
  const ten = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((n) => n * ten >= least) ?? 10) * ten;
}

/** The moments of each epoch; one begins where the one before was taken. @param {readonly EpochFigure[]} epochs @returns {Bar[]} */
export function barsOf(epochs) {
  return epochs.map(({ epoch, takenUs, pauseUs, commitUs }, i) => {
    const stoodUs = takenUs - pauseUs;
    return { epoch, runUs: Math.min(epochs[i - 1]?.takenUs ?? stoodUs, stoodUs), pauseUs: stoodUs, takenUs, safeUs: commitUs === null ? null : stoodUs + commitUs };
  });
}

/** When each sample was taken, by the clock of the epochs; those of which that is not known are left out. @param {EpochRecord} record */
export function heldOverTime({ epochs, samples }) {
  const takenUs = new Map(epochs.map((figure) => [figure.epoch, figure.takenUs]));
  return samples.flatMap(({ committed, ageUs, frames, bytes: held }) => {
    const taken = takenUs.get(committed);
    return taken === undefined ? [] : [{ atUs: taken + ageUs, frames, bytes: held }];
  });
}

/** The row of each bar: the first one that is free. @param {readonly Bar[]} bars */
function rowsOf(bars) {
  /** @type {number[]} */
  const busyUntil = [];
  return bars.map(({ runUs, takenUs, safeUs }) => {
    const free = busyUntil.findIndex((until) => until <= runUs);
    const row = free < 0 ? busyUntil.length : free;
    busyUntil[row] = safeUs ?? takenUs;
    return row;
  });
}

/** The picture. @param {EpochRecord} record */
export function plotEpochs(record) {
  const held = heldOverTime(record);
  const all = barsOf(record.epochs);
  const [fromUs, toUs] = [held[0]?.atUs ?? all[0]?.runUs ?? 0, held.at(-1)?.atUs ?? all.at(-1)?.takenUs ?? 1];
  const bars = all.filter((bar) => (bar.safeUs ?? bar.takenUs) > fromUs && bar.runUs < toUs);
  const rows = rowsOf(bars);
  /** @param {number} us */
  const x = (us) => LEFT + (Math.min(Math.max(us - fromUs, 0), toUs - fromUs) / Math.max(toUs - fromUs, 1)) * (WIDTH - LEFT - RIGHT);
  const base = TOP + HELD;
  const foot = base + GAP + (Math.max(-1, ...rows) + 1) * ROW;
  const parts = [...timeGrid(toUs - fromUs, (us) => x(fromUs + us), foot), heldArea(held, x, base), ...bars.map((bar, i) => epochBar(bar, x, base + GAP + (rows[i] ?? 0) * ROW)), ...legend(foot + 40)];
  const shown = record.epochs.filter(({ epoch }) => bars.some((bar) => bar.epoch === epoch));
  const commits = shown.flatMap(({ commitUs }) => (commitUs === null ? [] : [commitUs]));
  const title = `${record.machine}: ${shown.length} epochs; medians: it stands still ${ms(median(shown.map(({ pauseUs }) => pauseUs)))}, safe ${ms(median(commits))} after`;
  const height = foot + 52;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">\n<style>${STYLE}</style>\n${[label(LEFT, 14, title, 'title'), ...parts].join('\n')}\n</svg>\n`;
}

/** @param {number} spanUs @param {(us: number) => number} x @param {number} foot */
function timeGrid(spanUs, x, foot) {
  const step = stepOf(spanUs, 10);
  return Array.from({ length: Math.floor(spanUs / step) + 1 }, (_, i) => {
    const at = x(i * step).toFixed(1);
    return `<line x1="${at}" y1="${TOP}" x2="${at}" y2="${foot}" class="grid"/>${label(x(i * step), foot + 14, `${Math.round((i * step) / 10) / 100} ms`, 'small', 'middle')}`;
  });
}

/** What is held stays as a sample says until the next one. @param {readonly { atUs: number, bytes: number }[]} held @param {(us: number) => number} x @param {number} base */
function heldArea(held, x, base) {
  const most = Math.max(1, ...held.map((sample) => sample.bytes));
  const y = (/** @type {number} */ n) => (base - (n / most) * (HELD - 8)).toFixed(1);
  const steps = held.map((sample) => `H${x(sample.atUs).toFixed(1)}V${y(sample.bytes)}`);
  const end = held.at(-1);
  const area = end === undefined ? '' : `<path d="M${x(held[0]?.atUs ?? 0).toFixed(1)} ${base}${steps.join('')}V${base}Z" class="held"/>`;
  return `${area}${label(LEFT - 6, TOP + 12, bytes(most), 'small', 'end')}${label(LEFT - 6, base, 'held', 'small', 'end')}`;
}

/** @param {Bar} bar @param {(us: number) => number} x @param {number} y */
function epochBar({ epoch, runUs, pauseUs, takenUs, safeUs }, x, y) {
  const piece = (/** @type {string} */ kind, /** @type {number} */ from, /** @type {number} */ to) => (x(to) > x(from) ? `<rect x="${x(from).toFixed(1)}" y="${y}" width="${(x(to) - x(from)).toFixed(1)}" height="${ROW - 4}" class="${kind}"/>` : '');
  const number = x(pauseUs) - x(runUs) < NUMBER ? '' : label((x(runUs) + x(pauseUs)) / 2, y + ROW - 8, String(epoch), 'in', 'middle');
  return `${piece('run', runUs, pauseUs)}${piece('pause', pauseUs, takenUs)}${safeUs === null ? '' : piece('commit', takenUs, safeUs)}${number}`;
}

/** @param {number} y */
function legend(y) {
  return [['run', 'it runs'], ['pause', 'it stands still'], ['commit', 'until its checkpoint is safe'], ['held', 'output that waits, bytes']].map(([kind = '', text = ''], i) => {
    const at = LEFT + i * 190;
    return `<rect x="${at}" y="${y - 9}" width="10" height="10" class="${kind}"/>${label(at + 15, y, text, 'small')}`;
  });
}

/** Looks at a machine for so long. @param {DaemonClient} client @param {string} machine @param {number} lastMs @returns {Promise<EpochRecord>} */
export async function watchEpochs(client, machine, lastMs) {
  /** @type {HeldSample[]} */
  const samples = [];
  for (const end = performance.now() + lastMs; performance.now() < end; await delay(2)) {
    const view = (await /** @type {Promise<ProtectionView[]>} */ (client.get('/v1/protections'))).find((one) => one.machine === machine && one.side === 'primary');
    if (view === undefined) throw new Error(`no machine called "${machine}" is protected here ("netloom protect ls" lists what is)`);
    if (view.ageUs !== null) samples.push({ committed: view.committed, ageUs: view.ageUs, frames: view.held.frames, bytes: view.held.bytes });
  }
  const { recent } = await /** @type {Promise<ProtectionView>} */ (client.get(`/v1/protections/${encodeURIComponent(machine)}`));
  return { machine, epochs: recent, samples };
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '2' }, socket: { type: 'string' } } });
  const [machine] = positionals;
  if (machine === undefined || !(Number(values.seconds) > 0)) {
    console.error('usage: node bench/protect-plot.mjs MACHINE [--seconds N] [--socket PATH] > FILE.svg');
    process.exitCode = 64;
    return;
  }
  process.stdout.write(plotEpochs(await watchEpochs(new DaemonClient(values.socket ?? socketPath(process.env)), machine, Number(values.seconds) * 1000)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
