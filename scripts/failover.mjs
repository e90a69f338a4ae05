/**
 * failover.mjs — `npm run failover -- [--kills N] [--json] [--mode local|pair] [--interval MS] [--no-plug] [--seed N] [--memory SIZE] [--pages N] [--disk]`: a protected machine is killed again and again, and nobody outside may notice.
 *
 * It ends with exit code 0 when no answer was ever taken back and the one TCP connection has lasted, and when the control, the same with output that is not held, was found out; with 1 and what was
 * wrong otherwise. `--no-plug` is the control alone: it must end with 1; `--no-control` leaves it out. The seed repeats when the machine is killed, not what it does then.
 * `--linux` adds a client with Linux's TCP and UDP, and needs root, namespaces and /dev/net/tun.
 * With `--kills 0` nothing is protected: the counter, the client and the judge alone.
 *
 * What is done, and who judges: tools/failover/proof.mjs. Needs QEMU, busybox, Perl and a kernel package.
 */
import { randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { commandLine } from './command-line.mjs';
import { setup } from './setup.mjs';
import { seconds } from './steps.mjs';

const KILLS = 20;
const CONTROL_KILLS = 5;
const INTERVAL_MS = 50;
const USAGE = `usage: npm run failover -- [--kills N] [--json] [--mode local|pair] [--interval MS] [--no-plug] [--seed N] [--memory SIZE] [--pages N] [--disk] [--linux] [--no-control]
  npm run failover -- --kills 100 --seed 7
  npm run --silent failover -- --mode pair --kills 10 --disk --json`;

/** @typedef {import('../tools/failover/proof.mjs').Report} Report */

const OPTIONS = /** @type {const} */ ({
  kills: { type: 'string' }, json: { type: 'boolean' }, mode: { type: 'string' }, interval: { type: 'string' }, 'no-plug': { type: 'boolean' }, seed: { type: 'string' }, memory: { type: 'string' }, pages: { type: 'string' }, disk: { type: 'boolean' }, linux: { type: 'boolean' }, 'no-control': { type: 'boolean' },
});

/** @param {string} name @param {import('../tools/failover/gaps.mjs').Gaps | null} gaps */
const gapText = (name, gaps) => (gaps === null ? [] : [`${name} ${gaps.min} / ${gaps.median} / ${gaps.max} ms`]);

/** @param {Report} report */
function summary({ failovers, regressions, connectionResets, gapMs, tcpGapMs, udpGapMs, requests, epochs, journal, linux }) {
  const gaps = [...gapText('silence, least / median / most', gapMs), ...gapText('TCP', tcpGapMs), ...gapText('UDP', udpGapMs)].join(', ');
  const disk = journal === null ? [] : [`journal: ${journal.records} values, ${journal.acknowledged} of them acknowledged`];
  return [
    `${failovers} failovers, ${regressions} regressions, ${connectionResets} connections reset`, `${epochs.committed} epochs`,
    `${requests.tcp} answers by TCP, ${requests.udp} by UDP, ${requests.udpLost} lost`, ...(gaps === '' ? [] : [gaps]), ...disk,
    ...(linux === null ? [] : [`Linux: ${linux.regressions.length} regressions, ${linux.resets.length} connections reset, ${linux.requests.tcp} answers by TCP, ${linux.requests.udp} by UDP, ${linux.requests.udpLost} lost`]),
  ].join('; ');
}

async function main() {
  const words = commandLine('failover', USAGE, OPTIONS);
  if (words === null) return 64;
  const { values, positionals } = words;
  const [kills, intervalMs, seed, pages] = [values.kills ?? KILLS, values.interval ?? INTERVAL_MS, values.seed ?? randomInt(2 ** 31 - 1), values.pages ?? 0].map(Number);
  const { mode = 'local', memory = '128M', disk = false, linux = false, json = false } = values;
  if (positionals.length > 0 || (mode !== 'local' && mode !== 'pair') || kills === undefined || intervalMs === undefined || seed === undefined || pages === undefined || ![kills, intervalMs, seed, pages].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error(`failover: "${[...positionals, ...Object.values(values)].join(' ')}" is no number of kills, mode, interval or seed\n${USAGE}`);
    return 64;
  }
  const out = json ? process.stderr : process.stdout;
  if (!(await setup(out))) return 1;
  const { lackingCounter } = await import('../tools/failover/counter-guest.mjs');
  const lacking = lackingCounter();
  if (lacking !== null) {
    console.error(`failover: this machine runs no guest: ${lacking}`);
    return 1;
  }
  const { prove } = await import('../tools/failover/proof.mjs');
  const say = (/** @type {string} */ line) => void out.write(`  ${line}\n`);
  say(`seed ${seed}, ${kills} kills, ${mode}, an epoch each ${intervalMs} ms${disk ? ', with a journal' : ''}`);
  const start = performance.now();
  const unplugged = values['no-plug'] === true;
  /** @type {Omit<import('../tools/failover/proof.mjs').Options, 'unplugged'>} */
  const options = { kills, mode, intervalMs, seed, memory, disk, pages, linux };
  const report = await prove({ ...options, unplugged }, say);
  const problems = [...report.problems];
  /** @type {Report | null} */
  let control = null;
  if (!unplugged && kills > 0 && values['no-control'] !== true) {
    say('control: the same with output that is not held');
    control = await prove({ ...options, mode: 'local', disk: false, linux: false, kills: CONTROL_KILLS, unplugged: true }, say, ({ judge }) => judge.regressions.length > 0);
    if (control.regressions === 0) problems.push(`the control has shown no regressions, so this proves nothing: ${control.problems.join('; ')}`);
  }
  const ok = problems.length === 0;
  if (json) console.log(JSON.stringify({ ok, mode, seed, kills, intervalMs, memory, disk, pages, unplugged, ...report, problems, control: control === null ? null : { failovers: control.failovers, regressions: control.regressions } }, null, 2));
  say(`${ok ? 'ok    ' : 'FAILED'}  ${seconds(performance.now() - start)}  ${summary(report)}${control === null ? '' : `; control: ${control.regressions} regressions after ${control.failovers} failovers`}`);
  for (const line of problems) say(line);
  return ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
