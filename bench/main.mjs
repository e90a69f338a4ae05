/**
 * main.mjs — `npm run bench -- [NAME...] [--json] [--reps N]`: runs the benchmarks of this folder.
 *
 * A benchmark is an entry of the `benchmarks` array that a `*.bench.mjs` file exports. Its peer is whatever the number should be held
 * against (a C program, the kernel, an earlier method), and is measured in the same run, alternating with ours, so that a busy
 * machine slows both. Reported are medians over the repetitions after one unreported round. `ratio` is ours divided by the peer's, in
 * the benchmark's unit; whether more is better depends on the unit.
 *
 * NAME selects benchmarks whose name starts with it. With `--json` standard output is one object: `{machine, rows: [{name, value, unit, peer,
 * ratio}]}`; `peer` is `{name, value}`, and `peer` and `ratio` are null where there is no peer, with the reason in `note`. A benchmark that this
 * machine cannot run at all has the value null, and the reason in `note`.
 *
 * Not here: what is measured.
 */
import { cpus, loadavg, release, totalmem } from 'node:os';
import { pathToFileURL } from 'node:url';
import { commandLine } from '../scripts/command-line.mjs';
import { loadEntries, pickEntries } from '../scripts/entries.mjs';
import { setup } from '../scripts/setup.mjs';
import { median } from './median.mjs';
import { runOnAll, runOnOne } from './one-processor.mjs';

const USAGE = `usage: npm run bench -- [NAME...] [--json] [--reps N]
  npm run bench -- vnet
  npm run bench -- bridge tap/iperf3 --json`;

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {() => number | Promise<number>} measure one repetition, in the benchmark's unit
 * @property {() => string | null} [lacking] why this machine cannot measure it, or null
 *
 * @typedef {object} Benchmark
 * @property {string} name `what/variant`, as in `vnet/create-destroy`
 * @property {string} unit `Mpps`, `us`, `bytes`, ...
 * @property {() => number | Promise<number>} measure one repetition: prepares, warms up, measures, cleans up
 * @property {() => string | null} [lacking] why this machine cannot run it, or null
 * @property {boolean} [oneProcessor] it is of one thread: each repetition has it and its peer on the same processor (one-processor.mjs)
 * @property {Peer} [peer]
 *
 * @typedef {{ name: string, value: number | null, unit: string, peer: { name: string, value: number } | null, ratio: number | null, note?: string }} Row
 */

/**
 * Measures a benchmark and its peer, alternating.
 * @param {Benchmark} benchmark
 * @param {number} reps
 * @returns {Promise<Row>}
 */
export async function measure({ name, unit, measure: ours, lacking, oneProcessor, peer }, reps) {
  const obstacle = lacking?.() ?? null;
  if (obstacle !== null) return { name, value: null, unit, peer: null, ratio: null, note: obstacle };
  const reason = peer === undefined ? 'no peer' : (peer.lacking?.() ?? null);
  const theirs = peer !== undefined && reason === null ? peer : null;
  const values = { ours: /** @type {number[]} */ ([]), theirs: /** @type {number[]} */ ([]) };
  for (let rep = -1; rep < reps; rep++) {
    if (oneProcessor === true) runOnOne(rep);
    else runOnAll();
    const a = await ours();
    const b = theirs === null ? NaN : await theirs.measure();
    if (rep < 0) continue;
    values.ours.push(a);
    values.theirs.push(b);
  }
  const value = median(values.ours);
  if (theirs === null) return { name, value, unit, peer: null, ratio: null, ...(reason === null ? {} : { note: reason }) };
  const other = median(values.theirs);
  return { name, value, unit, peer: { name: theirs.name, value: other }, ratio: value / other };
}

/** What the numbers were measured on. */
export function machine() {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cpus: all.length,
    memoryBytes: totalmem(),
    os: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    load1: loadavg()[0] ?? 0,
  };
}

/** At least `digits` significant ones, and no exponent. @param {number} value @param {number} digits */
function shown(value, digits) {
  const size = Math.abs(value);
  return size === 0 || !Number.isFinite(size) ? String(value) : value.toFixed(Math.min(20, Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
}

/**
 * A line of the table.
 * @param {Row} row
 * @param {{ name: number, unit: number }} widths of the longest ones
 */
export function rowText({ name, value, unit, peer, ratio, note }, widths) {
  const ours = `${name.padEnd(widths.name)} ${(value === null ? '-' : shown(value, 3)).padStart(10)} ${unit.padEnd(widths.unit)}  `;
  if (value === null || peer === null || ratio === null) return ours + (note ?? '');
  return `${ours}${peer.name}: ${shown(peer.value, 3)} ${unit}, ratio ${shown(ratio, ratio < 0.1 ? 2 : 3)}`;
}

async function main() {
  const words = commandLine('bench', USAGE, { json: { type: 'boolean', default: false }, reps: { type: 'string', default: '5' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const reps = Number(values.reps);
  if (!Number.isInteger(reps) || reps < 1) {
    console.error(`bench: --reps ${values.reps}: not a positive integer\n${USAGE}`);
    return 64;
  }
  if (!(await setup(process.stderr))) return 1;
  /** @type {readonly Benchmark[]} */
  const chosen = pickEntries('bench', await loadEntries(import.meta.dirname, 'bench', 'benchmarks'), positionals);
  if (chosen.length === 0) return 64;
  const widths = { name: Math.max(...chosen.map(({ name }) => name.length)), unit: Math.max(...chosen.map(({ unit }) => unit.length)) };
  /** @type {Row[]} */
  const rows = [];
  for (const benchmark of chosen) {
    const row = await measure(benchmark, reps);
    rows.push(row);
    if (!values.json) console.log(rowText(row, widths));
  }
  if (values.json) console.log(JSON.stringify({ machine: machine(), rows }, null, 2));
  return 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
