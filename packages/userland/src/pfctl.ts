/**
 * pfctl.ts — pfctl(8) as far as it is about interfaces: `pfctl -s Interfaces`.
 * Read first: pfctl(8).
 *
 *     pfctl [-gnNqv] [-i interface] -s Interfaces
 *
 * What a packet filter can be told to watch are the interfaces of a vnet and their groups, and these are listed, by name; `-i` narrows the list
 * to one name, or to the members of a group. There is no filter: whatever asks for rules, states or the filter itself is refused.
 */
import type { Ifnet } from '@netloom/core';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import type { Proc } from './proc.js';

const OPTIONS = 'a:AdD:eqf:F:ghi:k:K:mMnNOo:Pp:rRs:t:T:vx:z';
/** Options that are not about a filter. */
const HARMLESS = new Set(['g', 'h', 'i', 'n', 'N', 'q', 's', 'v']);
const USAGE = 'usage: pfctl [-gnNqv] [-i interface] -s Interfaces\n';
/** Everything that FreeBSD's can show: a beginning of the word is enough, and the first that fits counts. */
const SHOW = [
  'ether', 'nat', 'queue', 'rules', 'Anchors', 'Sources', 'states', 'info', 'Interfaces', 'labels', 'timeouts', 'memory', 'Tables', 'osfp', 'Running', 'all',
];
const INTERFACES = 'Interfaces';

/** Names of all interfaces and groups of the vnet, sorted. */
function names(p: Proc): string[] {
  const { net } = p.vnet;
  return [...new Set([...net.groups.keys(), ...net.ifnets.map((ifp) => ifp.xname)])].sort((a, b) => (a < b ? -1 : 1));
}

/** Is `name` shown under `-i filter`: it itself, or an interface of that group? */
function isShown(p: Proc, name: string, filter: string): boolean {
  if (filter === '' || name === filter) return true;
  const ifp: Ifnet | null = p.vnet.net.ifunit(name);
  return ifp !== null && ifp.groups.includes(filter);
}

function refuse(p: Proc, what: string): never {
  return errx(p, 1, `${what}: this kernel has no packet filter; only -s Interfaces is there`);
}

function runPfctl(p: Proc): number {
  const { options, rest, error } = getopt(OPTIONS, p.argv.slice(1));
  if (error !== null) warnx(p, error);
  if (error !== null || options.length === 0) usage(p, 1, USAGE);
  const filter = options.findLast(([letter]) => letter === 'i')?.[1] ?? '';
  let shown = '';
  for (const [letter, value] of options) {
    if (letter === 'h') usage(p, 1, USAGE);
    if (!HARMLESS.has(letter)) refuse(p, `-${letter}`);
    if (letter !== 's') continue;
    shown = SHOW.find((word) => value !== '' && word.startsWith(value)) ?? '';
    if (shown !== '') continue;
    warnx(p, `Unknown show modifier '${value}'`);
    usage(p, 1, USAGE);
  }
  if (rest.length > 0) {
    warnx(p, `unknown command line argument: ${rest[0]} ...`);
    usage(p, 1, USAGE);
  }
  if (shown === '') return 0;
  if (shown !== INTERFACES) refuse(p, `-s ${shown}`);
  for (const name of names(p)) if (isShown(p, name, filter)) p.out(`${name}\n`);
  return 0;
}

export const pfctl = toolMain(runPfctl);
