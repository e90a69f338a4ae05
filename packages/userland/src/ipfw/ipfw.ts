/**
 * ipfw.ts — ipfw(8): rules, states, tables, sets and address translation of the firewall of a vnet.
 * Read first: ipfw(8); docs/ipfw.md; rule-parser.ts, rule-text.ts.
 *
 *     ipfw [-abcdDefhinNqStTv] command ...
 *     ipfw [-cfNnqS] /path/of/a/script
 *
 * A last word that begins with `/` is a script: each line is a command, `#` begins a comment, and the first error ends it, complained about by the number of its
 * line. One word alone is a whole command in it. A word that ends with a comma belongs to the next one.
 * Without a terminal nothing is asked (-f).
 * Not here: pipes, queues and schedulers (no dummynet), divert sockets, ALTQ, NAT64, a preprocessor (-p); they are refused by name.
 */
import { errx, toolMain } from '../err.js';
import { atoi, isDigit } from '../c-number.js';
import { getopt } from '../getopt.js';
import { HostError } from '../proc.js';
import type { Proc } from '../proc.js';
import { EX_DATAERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import { utf8Text } from '../utf8.js';
import { IpfwTool } from './ipfw-tool.js';
import { ipfwList } from './list.js';
import { natConfig, natShow } from './nat-commands.js';
import { ipfwAdd, ipfwDelete, ipfwFlush, ipfwZero } from './rule-commands.js';
import { ipfwSet, ipfwSwitch } from './sets.js';
import { ipfwTable } from './table-commands.js';
import { IPFW_HELP } from './help.js';

const BAD_ARGUMENTS = 'bad arguments, for usage summary ``ipfw\'\'';
const SETS = 32;
/** Nouns that may have their number before the verb. */
const ABSENT: readonly (readonly [string, string])[] = [
  ['pipe', 'there is no dummynet; shape traffic with the netgraph node pipe'], ['queue', 'there is no dummynet; shape traffic with the netgraph node pipe'],
  ['flowset', 'there is no dummynet; shape traffic with the netgraph node pipe'], ['sched', 'there is no dummynet; shape traffic with the netgraph node pipe'],
];

export const ipfw = toolMain(async (p: Proc): Promise<number> => {
  const words = p.argv.slice(1);
  const last = words.at(-1);
  if (last?.startsWith('/') === true) return script(new IpfwTool(p), words.slice(0, -1), last);
  const t = new IpfwTool(p);
  if (await command(t, words)) return 0;
  const name = p.argv[0] ?? 'ipfw';
  return errx(p, EX_USAGE, `usage: ${name} [options]\ndo "${name} -h" or "man ${name}" for details`);
});

async function script(t: IpfwTool, words: readonly string[], path: string): Promise<number> {
  const { options, rest, error } = getopt('cfNnp:qS', words);
  if (error !== null) {
    t.warnx(error);
    t.errx(EX_USAGE, BAD_ARGUMENTS);
  }
  for (const [letter] of options) {
    if (letter === 'p') return t.errx(EX_UNAVAILABLE, '-p: there are no preprocessors; run it before');
    setOption(t, letter);
  }
  if (rest.length > 0) return t.errx(EX_USAGE, `extraneous filename arguments ${path}`);
  for (const [i, line] of (await fileText(t, path)).split('\n').entries()) {
    t.name = `Line ${i + 1}`;
    await command(t, [line]);
  }
  return 0;
}

async function fileText(t: IpfwTool, path: string): Promise<string> {
  if (t.p.host === null) return t.errx(EX_USAGE, `pathname: ${path}: there are no files here`);
  try {
    return utf8Text(await t.p.host.readFile(path));
  } catch (error) {
    return error instanceof HostError ? t.errx(EX_USAGE, `pathname: ${path}: ${error.message}`) : Promise.reject(error as Error);
  }
}

/** One word alone is split where there are spaces, but not behind commas. */
function wordsOf(words: readonly string[]): string[] {
  const [only = ''] = words;
  if (words.length === 1) {
    const text = only.replace(/#.*/s, '').replaceAll(/,[ \t\f\v\n\r]+/g, ',').trim();
    return text === '' ? [] : text.split(/[ \t\f\v\n\r]+/);
  }
  const joined: string[] = [];
  let begun = '';
  for (const [i, word] of words.entries()) {
    begun += word;
    if (word.endsWith(',') && i < words.length - 1) continue;
    joined.push(begun);
    begun = '';
  }
  return joined;
}

/** Letters without a case change nothing here: sorting and such are of pipes. */
function setOption(t: IpfwTool, letter: string): void {
  const { opts } = t;
  switch (letter) {
    case 'b':
      opts.commentOnly = true;
      opts.compact = true;
      break;
    case 'c':
      opts.compact = true;
      break;
    case 'd':
      opts.dynamic = 1;
      break;
    case 'D':
      opts.dynamic = 2;
      break;
    case 'f':
      opts.force = true;
      break;
    case 'i':
      opts.valueAsIp = true;
      break;
    case 'n':
      opts.testOnly = true;
      break;
    case 'N':
      opts.resolve = true;
      break;
    case 'p':
      return t.errx(EX_USAGE, 'An absolute pathname must be used with -p option.');
    case 'q':
      opts.quiet = true;
      break;
    case 'S':
      opts.showSets = true;
      break;
    case 't':
      opts.time = 'string';
      break;
    case 'T':
      opts.time = 'numeric';
      break;
    case 'v':
      opts.verbose = true;
      break;
    default:
  }
  return undefined;
}

/** False: there is nothing to do. */
async function command(t: IpfwTool, words: readonly string[]): Promise<boolean> {
  const { opts } = t;
  const all = wordsOf(words);
  if (all.length === 0) return false;
  if (!t.p.stdinIsTty) opts.force = true;
  const { options, rest, error } = getopt('abcdDefhinNp:qs:STtvx', all);
  if (error !== null) {
    t.warnx(error);
    return false;
  }
  if (options.some(([letter]) => letter === 'h')) {
    t.p.err(IPFW_HELP);
    return true;
  }
  for (const [letter] of options) setOption(t, letter);
  const av = [...rest];
  t.need(av[0], BAD_ARGUMENTS);
  swapNumber(av);
  await dispatch(t, av, options.some(([letter]) => letter === 'a'));
  return true;
}

/** `100 add ...` is `add 100 ...`. */
function swapNumber(av: string[]): void {
  const [first, second] = av;
  if (second === undefined || !isDigit(first)) return;
  av[0] = second;
  av[1] = first ?? '';
}

async function dispatch(t: IpfwTool, av: string[], counters: boolean): Promise<void> {
  const { opts } = t;
  opts.set = -1;
  const [noun = ''] = av;
  const nat = 'nat'.startsWith(noun);
  const absent = ABSENT.find(([word]) => word.startsWith(noun) && noun.length > 1);
  if (absent !== undefined && !nat) return t.errx(EX_UNAVAILABLE, `${noun}: ${absent[1]}`);
  if ('set'.startsWith(noun) && isDigit(av[1])) {
    opts.set = /^[0-9]+$/.test(av[1] ?? '') && atoi(av[1] ?? '') < SETS ? atoi(av[1] ?? '') : t.errx(EX_DATAERR, `invalid set number ${av[1] ?? ''}\n`);
    av.splice(0, 2);
  }
  if (nat) av.shift();
  t.need(av[0], 'missing command');
  if (nat) swapNumber(av);
  const [verb = '', ...words] = av;
  if (opts.set < 0 && within(t, verb, words, nat)) return undefined;
  return onRules(t, verb, words, nat, counters);
}

/** Commands that `set N` does not go before. False: it is none of them. */
function within(t: IpfwTool, verb: string, words: readonly string[], nat: boolean): boolean {
  if (t.isWord(verb, 'add')) ipfwAdd(t, words);
  else if (nat && t.isWord(verb, 'show')) natShow(t, words);
  else if (nat && t.isWord(verb, 'config')) natConfig(t, words);
  else if (t.isWord(verb, 'set')) ipfwSet(t, words);
  else if (t.isWord(verb, 'table')) ipfwTable(t, words);
  else if (t.isWord(verb, 'enable')) ipfwSwitch(t, words, true);
  else if (t.isWord(verb, 'disable')) ipfwSwitch(t, words, false);
  else return false;
  return true;
}

async function onRules(t: IpfwTool, verb: string, words: readonly string[], nat: boolean, counters: boolean): Promise<void> {
  if (t.isWord(verb, 'delete')) return ipfwDelete(t, words, nat);
  if (/^(nat64|nptv6)/.test(verb)) return t.errx(EX_UNAVAILABLE, `${verb}: not built in`);
  if (t.isWord(verb, 'flush')) return ipfwFlush(t);
  if (t.isWord(verb, 'zero')) return ipfwZero(t, words, false);
  if (t.isWord(verb, 'resetlog')) return ipfwZero(t, words, true);
  if (t.isWord(verb, 'print') || t.isWord(verb, 'list')) return ipfwList(t, words, counters);
  if (t.isWord(verb, 'show')) return ipfwList(t, words, true);
  if (t.isWord(verb, 'table')) return ipfwTable(t, words);
  return t.errx(EX_USAGE, `bad command \`${verb}'`);
}
