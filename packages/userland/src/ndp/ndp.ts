/**
 * ndp.ts — ndp(8): IPv6 neighbours, routers, prefixes, and how interfaces discover them.
 * Read first: ndp(8). Exit codes: 0, 1 when there is no such entry or something was refused.
 *
 * Each function of the tool is a file: neighbours.ts (-a -A -c -d -s -f and a host), ifinfo.ts (-i), lists.ts (-p -r -P -R). `-H`, which on
 * FreeBSD tells the kernel to choose its routers again, has nothing to do: they are always chosen.
 * Where FreeBSD's ndp forgets to fail (-d of an entry that is not there says so and exits 0), this one exits 1, as arp does.
 */
import { errx, toolMain, usage } from '../err.js';
import { getopt } from '../getopt.js';
import { takeLibxo } from '../libxo.js';
import type { JsonStyle } from '../libxo.js';
import type { Proc } from '../proc.js';
import { ifinfo } from './ifinfo.js';
import { flushPrefixes, flushRouters, prefixes, routers } from './lists.js';
import { add, addFile, removeAll, removeHost, showAll, showHost } from './neighbours.js';
import { defaultInterface } from './default-interface.js';

export const USAGE = `usage: ndp [-nt] hostname
       ndp [-nt] -a | -c | -p | -r | -H | -P | -R
       ndp [-nt] -A wait
       ndp [-nt] -d hostname
       ndp [-nt] -f filename
       ndp [-nt] -i interface [flags...]
       ndp [-nt] -I [interface|delete]
       ndp [-nt] -s nodename etheraddr [temp] [proxy]
`;

/** One run: what to show and how. */
export interface Call {
  readonly p: Proc;
  readonly numeric: boolean;
  /** -t: a time before each line, no heading. */
  readonly stamped: boolean;
  readonly json: JsonStyle;
}

const FUNCTIONS = 'acdfiIprsAHPR';

export const ndp = toolMain((p: Proc) => {
  const xo = takeLibxo(p.argv.slice(1));
  if (xo.error !== null) errx(p, 1, xo.error);
  const parsed = getopt('acd:f:Ii:nprstA:HPR', xo.words);
  if (parsed.error !== null) usage(p, 1, `ndp: ${parsed.error}\n${USAGE}`);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const asked = parsed.options.filter(([l]) => FUNCTIONS.includes(l));
  if (asked.length > 1) usage(p, 1, USAGE);
  const [func, value] = asked[0] ?? ['', ''];
  if (p.vnet.nd6 === undefined) errx(p, 1, 'the vnet is going down');
  return dispatch({ p, numeric: has('n'), stamped: has('t'), json: xo.json }, func, value, parsed.rest);
});

function dispatch(call: Call, func: string, value: string, words: readonly string[]): Promise<number> | number {
  const { p } = call;
  const most = func === 'i' ? Infinity : func === 's' ? 4 : func === '' || func === 'I' ? 1 : 0;
  const least = func === 's' ? 2 : func === '' ? 1 : 0;
  if (words.length < least || words.length > most) usage(p, 1, USAGE);
  switch (func) {
    case '':
      return showHost(call, words[0] ?? '');
    case 'a':
      return showAll(call, 0);
    case 'A': {
      const wait = /^[0-9]+$/.test(value) ? Number(value) : usage(p, 1, `ndp: -A ${value}: not a number of seconds\n${USAGE}`);
      return showAll(call, wait);
    }
    case 'c':
      return removeAll(call);
    case 'd':
      return removeHost(call, value);
    case 'f':
      return addFile(call, value);
    case 'i':
      return ifinfo(call, value, words);
    case 'I':
      return defaultInterface(call, words[0] ?? null);
    case 'p':
      return prefixes(call);
    case 'r':
      return routers(call);
    case 's':
      return add(call, words);
    case 'P':
      return flushPrefixes(call);
    case 'R':
      return flushRouters(call);
    default:
      return 0;
  }
}
