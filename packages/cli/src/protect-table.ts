/**
 * protect-table.ts — protected machines as `netloom protect ls`, `show` and `watch` show them.
 * Read first: docs/events.md, "Protected machines", for the phases; protect-view.ts in @netloom/node.
 */
import type { ProtectionView } from '@netloom/node/client';
import { table } from './cli-io.js';
import { epochChart, framesText, heldChart } from './epoch-chart.js';
import { printable } from './event-commands.js';
import { NARROW, WIDE, bytesText, timeText } from './quantity-text.js';

const HEAD = ['MACHINE', 'VNET', 'SIDE', 'PHASE', 'PEER', 'EPOCH', 'LAG', 'AGE', 'EPOCHS/S', 'PAUSE', 'COMMIT', 'BYTES', 'HELD'];

/** A row for each; below, a line for each of which there is something to say. */
export function protectTable(views: readonly ProtectionView[]): string {
  const notes = views.flatMap((view) => notesOf(view).map((note) => `${printable(`${view.machine} (${view.side}): ${note}`)}\n`));
  return `${table(HEAD, views.map(rowOf))}${notes.length === 0 ? '' : `\n${notes.join('')}`}`;
}

function rowOf(view: ProtectionView): string[] {
  const primary = view.side === 'primary';
  const { frames, bytes } = view.held;
  return [
    view.machine, view.vnet || '-', view.side, view.phase, view.peer || '-', view.epoch < 0 ? '-' : String(view.epoch), primary && view.epoch >= 0 ? String(view.epoch - view.committed) : '-', timeText(view.ageUs, NARROW),
    primary ? view.epochsPerSecond.toFixed(1) : '-', timeText(view.pauseUs, NARROW), timeText(view.commitUs, NARROW), bytesText(view.bytes, NARROW), primary ? `${frames}/${bytesText(bytes, NARROW)}` : '-',
  ].map(printable);
}

/** What is not as it should be. */
function notesOf(view: ProtectionView): string[] {
  const { phase, why, held, paths } = view;
  const silent = paths.stream === paths.beat ? [] : [`nothing is heard on the path of the ${paths.stream ? 'beat' : 'stream'}`];
  return [...(why === '' ? [] : [`${phase}: ${why}`]), ...silent, ...(held.drops === 0 ? [] : [`${framesText(held.drops)} had no room to wait, and ${held.drops === 1 ? 'was' : 'were'} dropped`])];
}

/** All of one. */
export function protectText(view: ProtectionView): string {
  const lines = (view.side === 'primary' ? primaryLines(view) : backupLines(view)).filter(([, text]) => text !== '');
  const head = `${view.machine}${view.vnet === '' ? '' : ` (${view.vnet})`}: ${view.side}, ${view.phase}`;
  const charts = [epochChart(view.recent), heldChart(view.held)].filter((text) => text !== '');
  return `${printable(head)}\n${lines.map(([name, text]) => `  ${name.padEnd(10)}  ${printable(text)}\n`).join('')}${charts.map((text) => `\n${text}`).join('')}`;
}

function primaryLines(view: ProtectionView): [string, string][] {
  const { totals, interval, held, epoch, committed } = view;
  const mean = (us: number, n: number): string => timeText(n === 0 ? null : us / n, WIDE);
  const disks = held.diskBytes === 0 ? '' : `; ${bytesText(held.diskBytes, WIDE)} of writes to disks`;
  const dropped = held.drops === 0 ? '' : `; ${held.drops} dropped, there was no room`;
  return [
    ['why', view.why], ['backup', `${view.peer}; ${pathsText(view)}`], ['fence', view.fence],
    ['epochs', `${interval === 'on-demand' ? 'on demand' : `every ${interval ?? '-'} ms`}, ${view.epochsPerSecond.toFixed(1)} a second; ${epoch < 0 ? 'none was taken' : `${epoch} was taken last, ${committed < 0 ? 'none is safe' : `${committed} is safe`}`}`],
    ['safe state', view.ageUs === null ? '' : `${timeText(view.ageUs, WIDE)} old`],
    ['in all', totals.checkpoints === 0 ? '' : `${totals.checkpoints} checkpoints, ${totals.commits} of them safe, ${bytesText(totals.bytes, WIDE)}; on average it stood still for ${mean(totals.pauseUs, totals.checkpoints)}, and was safe after ${mean(totals.commitUs, totals.commits)}`],
    ['held', `${framesText(held.frames)}, ${bytesText(held.bytes, WIDE)}${held.frames === 0 ? '' : `, the oldest for ${timeText(held.ageUs, WIDE)}`}${disks}${dropped}`],
  ];
}

function backupLines(view: ProtectionView): [string, string][] {
  const { totals, committed } = view;
  return [
    ['why', view.why], ['primary', view.peer === '' ? '' : `${view.peer}; ${pathsText(view)}`], ['fence', view.fence], ['safe state', committed < 0 ? 'none' : `epoch ${committed}, ${timeText(view.ageUs, WIDE)} old`],
    ['in all', `${totals.checkpoints} checkpoints, ${bytesText(totals.bytes, WIDE)}`], ['took over', view.takeOverUs === null ? '' : `in ${timeText(view.takeOverUs, WIDE)}`],
  ];
}

function pathsText({ paths }: ProtectionView): string {
  if (paths.stream && paths.beat) return 'heard on both paths';
  return paths.stream ? 'heard on the path of the stream alone' : paths.beat ? 'heard on the path of the beat alone' : 'not heard';
}
