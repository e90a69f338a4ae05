/**
 * watch.ts — `netstat -w SECONDS [-I IF] [-q N]`: what goes through the interfaces, a line for each interval.
 * Read first: netstat(1).
 */
import type { Vnet } from '@netloom/core';
import { errx } from '../err.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { humanize, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

const EX_DATAERR = 65;
/** Lines between two headings. */
const LINES_PER_PAGE = 21;

const KEYS = ['ipackets', 'ierrors', 'iqdrops', 'ibytes', 'opackets', 'oerrors', 'obytes', 'collisions', 'oqdrops'] as const;
type Key = (typeof KEYS)[number];
type Totals = Record<Key, number>;

/** Column widths, and whether the column counts bytes. */
const COLUMNS: readonly (readonly [Key, title: string, width: number, jsonKey: string])[] = [
  ['ipackets', 'packets', 10, 'received-packets'], ['ierrors', 'errs', 5, 'received-errors'], ['iqdrops', 'idrops', 5, 'dropped-packets'],
  ['ibytes', 'bytes', 10, 'received-bytes'], ['opackets', 'packets', 10, 'sent-packets'], ['oerrors', 'errs', 5, 'send-errors'],
  ['obytes', 'bytes', 10, 'sent-bytes'], ['collisions', 'colls', 5, 'collisions'], ['oqdrops', 'drops', 5, 'output-drops'],
];

/** Sums over all interfaces or of one; leaves when that one is not there (any more). */
function totals(p: Proc, vnet: Vnet, name: string | null): Totals {
  const sum: Totals = { ipackets: 0, ierrors: 0, iqdrops: 0, ibytes: 0, opackets: 0, oerrors: 0, obytes: 0, collisions: 0, oqdrops: 0 };
  let found = false;
  for (const { xname, data } of vnet.net.ifnets) {
    if (name !== null && xname !== name) continue;
    found = true;
    for (const key of KEYS) sum[key] += data[key];
  }
  if (!found && name !== null) errx(p, EX_DATAERR, `interface ${name} not found`);
  return sum;
}

export async function netstatWatch(p: Proc, vnet: Vnet, o: NetstatOptions): Promise<number> {
  const columns = COLUMNS.filter(([key]) => o.drops || key !== 'oqdrops');
  let before = totals(p, vnet, o.interfaceName);
  let dueUs = p.now();
  if (o.json !== 'none') p.out('{"statistics":{"interface-statistics":[');
  for (let n = 0; o.outputs === 0 || n < o.outputs; n++) {
    if (o.json === 'none' && n % LINES_PER_PAGE === 0) p.out(heading(columns, o.interfaceName));
    await p.flush();
    dueUs += o.intervalSec * 1_000_000;
    while (p.now() < dueUs) await p.sleepUs(dueUs - p.now());
    const now = totals(p, vnet, o.interfaceName);
    const grown = (key: Key): number => now[key] - before[key];
    if (o.json === 'none') p.out(`${columns.map(([key, , width]) => cell(grown(key), key, width, o.human)).join(' ')}\n`);
    else p.out(`${n > 0 ? ',' : ''}${jsonText(Object.fromEntries(columns.map(([key, , , name]) => [name, grown(key)])), 'compact').trimEnd()}`);
    before = now;
  }
  if (o.json !== 'none') p.out(']}}\n');
  return 0;
}

function heading(columns: typeof COLUMNS, name: string | null): string {
  const ends = `${rightWide('input', 17)} ${rightWide(name ?? '(Total)', 14)} ${rightWide('output', 16)}\n`;
  return `${ends}${columns.map(([, title, width]) => (title === 'drops' ? right(title, width) : rightWide(title, width))).join(' ')}\n`;
}

function cell(n: number, key: Key, width: number, human: boolean): string {
  return rightWide(human ? humanize(n, key.endsWith('bytes') ? 1024 : 1000) : n, width);
}
