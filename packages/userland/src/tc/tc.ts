/**
 * tc.ts — tc(8): disciplines and filters of a vnet's interfaces, in iproute2's dialect.
 * Read first: tc(8); docs/plug.md; docs/tools.md.
 *
 * This is a tool of Linux, here because the plug is Linux's: sequences written for it run as they are. `-batch` reads commands from a file, one a line, and stops at the first that fails, unless `-force` is given.
 * Exit codes: 1 what was asked makes no sense here, 2 the kernel refuses, 255 the command line is wrong.
 */
import { ToolExit, toolMain } from '../err.js';
import { HostError } from '../proc.js';
import type { Proc } from '../proc.js';
import { utf8Text } from '../utf8.js';
import { filterCommand } from './filter-commands.js';
import { qdiscCommand } from './qdisc-commands.js';
import { EXIT_USAGE, EXIT_WRONG, TcArgs, matches } from './tc-args.js';
import type { TcContext } from './tc-context.js';
import { TC_USAGE } from './tc-help.js';

const NOT_BUILT = ['class', 'chain', 'actions', 'monitor', 'exec'];
/** Options that change nothing here. */
const IGNORED = ['-details', '-raw', '-iec', '-names', '-nm', '-Numeric', '-brief'];

class Options {
  stats = false;
  json = false;
  pretty = false;
  force = false;
  batch: string | null = null;
}

async function runTc(p: Proc): Promise<number> {
  const words = p.argv.slice(1);
  const o = new Options();
  while (words[0]?.startsWith('-') === true) {
    const exit = option(p, o, words);
    if (exit !== null) return exit;
  }
  const { stats, json, pretty } = o;
  const cx: TcContext = { p, stats, json, pretty };
  if (o.batch !== null) return batch(cx, o.batch, o.force);
  if (words.length > 0) return command(cx, words);
  p.err(TC_USAGE);
  return 0;
}

/** Takes an option off `words`; a number is the exit code. */
function option(p: Proc, o: Options, words: string[]): number | null {
  const given = words.shift() ?? '';
  const word = given.startsWith('--') ? given.slice(1) : given;
  if (matches(word, '-stats') || matches(word, '-statistics')) o.stats = true;
  else if (matches(word, '-pretty')) o.pretty = true;
  else if (matches(word, '-json')) o.json = true;
  else if (matches(word, '-force')) o.force = true;
  else if (matches(word, '-batch')) {
    const file = words.shift();
    if (file === undefined) {
      p.err(TC_USAGE);
      return 0;
    }
    o.batch = file;
  } else if (matches(word, '-Version')) {
    p.out('tc utility, netloom\n');
    return 0;
  } else if (matches(word, '-help')) {
    p.err(TC_USAGE);
    return 0;
  } else if (!IGNORED.some((name) => matches(word, name))) {
    p.err(`Option "${given}" is unknown, try "tc -help".\n`);
    return EXIT_USAGE;
  }
  return null;
}

function command(cx: TcContext, words: readonly string[]): number {
  const { p } = cx;
  const args = new TcArgs(p, words);
  const object = args.take() ?? '';
  if (matches(object, 'qdisc')) return qdiscCommand(cx, args);
  if (matches(object, 'filter')) return filterCommand(cx, args);
  if (matches(object, 'help')) {
    p.err(TC_USAGE);
    return 0;
  }
  p.err(NOT_BUILT.some((name) => matches(object, name)) ? `Object "${object}" is not built in: there are qdisc and filter.\n` : `Object "${object}" is unknown, try "tc help".\n`);
  return EXIT_USAGE;
}

async function batch(cx: TcContext, file: string, force: boolean): Promise<number> {
  const { p } = cx;
  const lines = logicalLines(await readLines(p, file));
  let exit = 0;
  for (const { text, at } of lines) {
    const words = batchWords(text);
    if (words.length === 0) continue;
    if (command(cx, words) === 0) continue;
    p.err(`Command failed ${file}:${at}\n`);
    exit = EXIT_WRONG;
    if (!force) break;
  }
  return exit;
}

async function readLines(p: Proc, file: string): Promise<string> {
  if (file === '-') {
    let all = '';
    for await (const block of p.stdin) all += utf8Text(block);
    return all;
  }
  try {
    if (p.host === null) throw new HostError('ENOENT', 'No such file or directory');
    return utf8Text(await p.host.readFile(file));
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    p.err(`Cannot open file "${file}" for reading: ${error.message}\n`);
    throw new ToolExit(EXIT_WRONG);
  }
}

/** Lines, those that end in a backslash joined to the next; `at`: the number of the last. */
function logicalLines(text: string): { readonly text: string; readonly at: number }[] {
  const list: { text: string; at: number }[] = [];
  let open = '';
  for (const [i, line] of text.split('\n').entries()) {
    if (line.endsWith('\\')) {
      open += line.slice(0, -1);
      continue;
    }
    list.push({ text: open + line, at: i + 1 });
    open = '';
  }
  return list;
}

/** Words of a line: blanks separate, quotes keep together, `#` begins a comment. */
function batchWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.replace(/(^|\s)#.*$/, '').matchAll(/"[^"]*"|'[^']*'|\S+/g)) words.push(/^["']/.test(word) ? word.slice(1, -1) : word);
  return words;
}

export const tc = toolMain(runTc);
